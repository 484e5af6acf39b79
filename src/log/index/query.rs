//! Picking and ordering runs by their columns, without reading a single entry.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io;

use super::rows::is_missing;
use super::segment::{Segment, TextColumn};
use super::{Index, RowRef};
use crate::domain::filter::{Comparison, Direction, Expression, Field, Name, SortKey, SortValue, Value};
use crate::domain::id::{EntryId, ExperimentId};
use crate::domain::metric::Better;
use crate::domain::run::Status;
use crate::log::IndexError;

/// What is asked of the runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// What a run must be.
    pub filter: Option<&'a Expression>,
    /// How they are ordered, the most important key first; the newest come first where all keys agree.
    pub sort: &'a [SortKey],
    /// How many are wanted.
    pub limit: Option<usize>,
    /// The topic of each registered experiment, by the hex of its registration's ID.
    pub topics: Option<&'a HashMap<String, String>>,
    /// The experiment they belong to: its alias, and the entry that registered it where one did.
    pub experiment: Option<(&'a ExperimentId, Option<EntryId>)>,
    /// Runs that are listed although a withdrawal took their place.
    pub withdrawn: Option<&'a HashSet<EntryId>>,
}

/// What a query found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The rows, in order, no more than were wanted.
    pub rows: Vec<RowRef>,
    /// How many runs matched.
    pub matched: usize,
    /// How many runs there are, of the experiment where one was asked for.
    pub runs: usize,
}

/// The entries that another one takes the place of.
pub fn hidden(index: &mut Index) -> Result<HashSet<[u8; 32]>, IndexError> {
    let mut hidden = HashSet::new();
    for segment in index.segments() {
        if let Some(replaced) = segment.texts("replaces")? {
            let ids = replaced.strings.iter().flat_map(|text| text.split(' '));
            hidden.extend(ids.filter_map(|id| id.parse::<EntryId>().ok()).map(|id| id.0));
        }
    }
    Ok(hidden)
}

/// The runs that `query` asks for.
pub fn select(index: &mut Index, query: &Query<'_>) -> Result<Found, IndexError> {
    let mut hidden = hidden(index)?;
    for id in query.withdrawn.into_iter().flatten() {
        hidden.remove(&id.0);
    }
    let mut found = Found::default();
    let mut picked: Vec<(Vec<SortValue>, f64, RowRef)> = Vec::new();
    for (number, segment) in index.segments().iter_mut().enumerate() {
        let Some(kinds) = segment.texts("kind")? else { continue };
        let runs = kinds.strings.iter().position(|kind| kind == "run");
        let Some(runs) = runs.and_then(|place| u32::try_from(place + 1).ok()) else { continue };
        let mut is_picked: Vec<bool> = kinds.ids.iter().map(|&kind| kind == runs).collect();
        if !hidden.is_empty() {
            for (picked, id) in is_picked.iter_mut().zip(segment.entries()?.as_chunks::<32>().0) {
                *picked &= !hidden.contains(id);
            }
        }
        if let Some((alias, registration)) = query.experiment {
            keep_experiment(segment, alias, registration, &mut is_picked)?;
        }
        found.runs += is_picked.iter().filter(|picked| **picked).count();
        if let Some(filter) = query.filter {
            let matching = evaluate(segment, filter, query.topics)?;
            for (picked, matches) in is_picked.iter_mut().zip(matching) {
                *picked &= matches;
            }
        }
        let rows: Vec<usize> =
            is_picked.iter().enumerate().filter(|(_, picked)| **picked).map(|(row, _)| row).collect();
        found.matched += rows.len();
        let started = segment.numbers("started")?.unwrap_or_default();
        let keys = sort_values(segment, query, &rows)?;
        picked.extend(rows.into_iter().zip(keys).map(|(row, keys)| {
            let started = started.get(row).copied().filter(|value| !is_missing(*value)).unwrap_or_default();
            (keys, started, RowRef { segment: number, row })
        }));
    }
    let compare = |a: &(Vec<SortValue>, f64, RowRef), b: &(Vec<SortValue>, f64, RowRef)| {
        query
            .sort
            .iter()
            .zip(a.0.iter().zip(&b.0))
            .map(|(key, (a, b))| a.compare(b, key.direction))
            .find(|ordering| *ordering != Ordering::Equal)
            .unwrap_or_else(|| b.1.total_cmp(&a.1).then(b.2.cmp(&a.2)))
    };
    if let Some(limit) = query.limit
        && limit < picked.len()
        && limit > 0
    {
        picked.select_nth_unstable_by(limit - 1, compare);
        picked.truncate(limit);
    }
    picked.sort_unstable_by(compare);
    picked.truncate(query.limit.unwrap_or(usize::MAX));
    found.rows = picked.into_iter().map(|(_, _, row)| row).collect();
    Ok(found)
}

/// The seeds that the runs of `rows` had.
pub fn seeds(index: &mut Index, rows: &[RowRef]) -> Result<HashSet<u64>, IndexError> {
    let mut columns: HashMap<usize, Vec<f64>> = HashMap::new();
    for (number, segment) in index.segments().iter_mut().enumerate() {
        columns.insert(number, segment.numbers("seed")?.unwrap_or_default());
    }
    let seeds = rows.iter().filter_map(|row| columns.get(&row.segment)?.get(row.row).copied());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a seed is a whole number")]
    let seeds = seeds.filter(|seed| !is_missing(*seed)).map(|seed| seed as u64);
    Ok(seeds.collect())
}

/// Takes away what does not belong to the experiment of this alias and registration.
fn keep_experiment(
    segment: &mut Segment,
    alias: &ExperimentId,
    registration: Option<EntryId>,
    is_picked: &mut [bool],
) -> io::Result<()> {
    let aliases = segment.texts("experiment")?.unwrap_or_default();
    let registrations = segment.texts("registration")?.unwrap_or_default();
    let is_alias: Vec<bool> =
        aliases.strings.iter().map(|text| text.eq_ignore_ascii_case(alias.as_str())).collect();
    let wanted = registration.map(|id| id.to_hex());
    let wanted = match wanted.map(|hex| registrations.strings.iter().position(|text| *text == hex)) {
        // Zero stands for a run without one.
        None => Some(0),
        Some(place) => place.and_then(|place| u32::try_from(place + 1).ok()),
    };
    for (row, picked) in is_picked.iter_mut().enumerate().filter(|(_, picked)| **picked) {
        let alias = aliases.ids.get(row).and_then(|id| id.checked_sub(1));
        let registration = registrations.ids.get(row).copied().unwrap_or_default();
        *picked = alias.is_some_and(|alias| is_alias[alias as usize]) && Some(registration) == wanted;
    }
    Ok(())
}

/// Those of `rows` whose entries are about the experiment of this alias, whoever registered it.
pub fn about(index: &mut Index, rows: &[RowRef], alias: &ExperimentId) -> Result<Vec<RowRef>, IndexError> {
    let mut is_about: Vec<Vec<bool>> = Vec::new();
    for segment in index.segments() {
        let aliases = segment.texts("experiment")?.unwrap_or_default();
        let is_alias: Vec<bool> =
            aliases.strings.iter().map(|text| text.eq_ignore_ascii_case(alias.as_str())).collect();
        is_about.push(
            aliases.ids.iter().map(|id| id.checked_sub(1).is_some_and(|id| is_alias[id as usize])).collect(),
        );
    }
    let is_kept = |row: &&RowRef| is_about[row.segment].get(row.row).copied().unwrap_or(false);
    Ok(rows.iter().filter(is_kept).copied().collect())
}

/// The best value of one metric that an experiment reached, and the run that did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// The value.
    pub value: f64,
    /// The run's row.
    pub row: RowRef,
}

/// The means of `metric` over the runs that ended well, warm-ups left out, by the alias (in lower case) and the registration of their
/// experiments.
pub fn means(index: &mut Index, metric: &str) -> Result<HashMap<(String, Option<EntryId>), f64>, IndexError> {
    let hidden = hidden(index)?;
    let column = format!("metric.{metric}");
    let mut sums: HashMap<(String, Option<EntryId>), (f64, f64)> = HashMap::new();
    for segment in index.segments() {
        let Some(values) = segment.numbers(&column)? else { continue };
        let Some(statuses) = segment.texts("status")? else { continue };
        let aliases = segment.texts("experiment")?.unwrap_or_default();
        let registrations = segment.texts("registration")?.unwrap_or_default();
        let warm_ups = segment.texts("warm_up")?.unwrap_or_default();
        let entries = if hidden.is_empty() { Vec::new() } else { segment.entries()? };
        let mut places: HashMap<(u32, u32), (f64, f64)> = HashMap::new();
        for (row, &value) in values.iter().enumerate() {
            if !value.is_finite()
                || statuses.get(row) != Some(Status::Ok.word())
                || warm_ups.get(row).is_some()
                || entries.as_chunks::<32>().0.get(row).is_some_and(|id| hidden.contains(id))
            {
                continue;
            }
            let place = (
                aliases.ids.get(row).copied().unwrap_or_default(),
                registrations.ids.get(row).copied().unwrap_or_default(),
            );
            let known = places.entry(place).or_default();
            known.0 += value;
            known.1 += 1.0;
        }
        for ((alias, registration), (sum, count)) in places {
            let text = |column: &TextColumn, id: u32| {
                id.checked_sub(1).and_then(|place| column.strings.get(place as usize)).cloned()
            };
            let Some(alias) = text(&aliases, alias) else { continue };
            let registration = text(&registrations, registration).and_then(|hex| hex.parse().ok());
            let known = sums.entry((alias.to_ascii_lowercase(), registration)).or_default();
            known.0 += sum;
            known.1 += count;
        }
    }
    Ok(sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect())
}

/// The best values of `metric` over the runs that ended well, warm-ups left out, by the alias (in lower case) and the registration of their experiments.
///
/// Of equal values the first in the index counts.
pub fn best(
    index: &mut Index,
    metric: &str,
    better: Better,
) -> Result<HashMap<(String, Option<EntryId>), Best>, IndexError> {
    let hidden = hidden(index)?;
    let column = format!("metric.{metric}");
    let mut found: HashMap<(String, Option<EntryId>), Best> = HashMap::new();
    let is_better = |value: f64, than: f64| match better {
        Better::Lower => value < than,
        Better::Higher => value > than,
    };
    for (number, segment) in index.segments().iter_mut().enumerate() {
        let Some(values) = segment.numbers(&column)? else { continue };
        let Some(statuses) = segment.texts("status")? else { continue };
        let aliases = segment.texts("experiment")?.unwrap_or_default();
        let registrations = segment.texts("registration")?.unwrap_or_default();
        let warm_ups = segment.texts("warm_up")?.unwrap_or_default();
        let entries = if hidden.is_empty() { Vec::new() } else { segment.entries()? };
        // One look-up for each pair of alias and registration, not for each run.
        let mut places: HashMap<(u32, u32), Best> = HashMap::new();
        for (row, &value) in values.iter().enumerate() {
            if !value.is_finite()
                || statuses.get(row) != Some(Status::Ok.word())
                || warm_ups.get(row).is_some()
                || entries.as_chunks::<32>().0.get(row).is_some_and(|id| hidden.contains(id))
            {
                continue;
            }
            let place = (
                aliases.ids.get(row).copied().unwrap_or_default(),
                registrations.ids.get(row).copied().unwrap_or_default(),
            );
            let candidate = Best { value, row: RowRef { segment: number, row } };
            let known = places.entry(place).or_insert(candidate);
            if is_better(value, known.value) {
                *known = candidate;
            }
        }
        for ((alias, registration), candidate) in places {
            let text = |column: &TextColumn, id: u32| {
                id.checked_sub(1).and_then(|place| column.strings.get(place as usize)).cloned()
            };
            let Some(alias) = text(&aliases, alias) else { continue };
            let registration = text(&registrations, registration).and_then(|id| id.parse().ok());
            let known = found.entry((alias.to_ascii_lowercase(), registration)).or_insert(candidate);
            if is_better(candidate.value, known.value) {
                *known = candidate;
            }
        }
    }
    Ok(found)
}

/// A name's numbers and texts in one segment.
#[derive(Default)]
struct Columns {
    numbers: Option<Vec<f64>>,
    texts: Option<TextColumn>,
    /// The number that each distinct text spells, where texts may be numbers.
    spelled: Vec<Option<f64>>,
}

impl Columns {
    fn load(
        segment: &mut Segment,
        name: &Name,
        topics: Option<&HashMap<String, String>>,
    ) -> io::Result<Self> {
        let numbers = |segment: &mut Segment, name: &str| {
            Ok::<_, io::Error>(Self { numbers: segment.numbers(name)?, ..Self::default() })
        };
        let texts = |segment: &mut Segment, name: &str| {
            Ok::<_, io::Error>(Self { texts: segment.texts(name)?, ..Self::default() })
        };
        match name {
            Name::Bare(_) => Ok(Self::default()),
            Name::Metric { name, case: None } => numbers(segment, &format!("metric.{name}")),
            Name::Metric { name, case: Some(case) } => numbers(segment, &format!("metric.{name}[{case}]")),
            Name::Param(name) => {
                let mut columns = texts(segment, &format!("param.{name}"))?;
                if let Some(texts) = &columns.texts {
                    columns.spelled = texts.strings.iter().map(|text| text.parse().ok()).collect();
                }
                Ok(columns)
            }
            Name::Field(field) => match field {
                Field::Trial | Field::Seed | Field::Exit | Field::Started => numbers(segment, field.word()),
                Field::WallTime => numbers(segment, "wall_seconds"),
                Field::Topic => {
                    let mut columns = texts(segment, "registration")?;
                    let known = columns.texts.get_or_insert_default();
                    let none = String::new();
                    for text in &mut known.strings {
                        *text = topics.and_then(|topics| topics.get(text)).unwrap_or(&none).clone();
                    }
                    let is_named: Vec<bool> = known.strings.iter().map(|text| !text.is_empty()).collect();
                    for id in &mut known.ids {
                        if id.checked_sub(1).is_some_and(|place| !is_named[place as usize]) {
                            *id = 0;
                        }
                    }
                    Ok(columns)
                }
                Field::Status
                | Field::Label
                | Field::Experiment
                | Field::Commit
                | Field::Branch
                | Field::Exact
                | Field::Argv => texts(segment, field.word()),
            },
        }
    }

    fn number(&self, row: usize) -> Option<f64> {
        match &self.numbers {
            Some(numbers) => numbers.get(row).copied().filter(|value| !is_missing(*value)),
            None => self.spelled.get(self.text_id(row)?).copied().flatten(),
        }
    }

    fn text_id(&self, row: usize) -> Option<usize> {
        (*self.texts.as_ref()?.ids.get(row)? as usize).checked_sub(1)
    }

    fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        self.texts.as_ref()?.get(row).map(Cow::Borrowed)
    }

    fn has(&self, row: usize) -> bool {
        self.number(row).is_some() || self.text_id(row).is_some()
    }
}

fn evaluate(
    segment: &mut Segment,
    expression: &Expression,
    topics: Option<&HashMap<String, String>>,
) -> io::Result<Vec<bool>> {
    match expression {
        Expression::And(parts) => combine(segment, parts, topics, |a, b| a & b),
        Expression::Or(parts) => combine(segment, parts, topics, |a, b| a | b),
        Expression::Not(part) => {
            Ok(evaluate(segment, part, topics)?.into_iter().map(|matches| !matches).collect())
        }
        Expression::Compare(comparison) => compare(segment, comparison, topics),
        Expression::Has(name) => has(segment, name, topics),
        Expression::Missing(name) => Ok(has(segment, name, topics)?.into_iter().map(|has| !has).collect()),
    }
}

fn combine(
    segment: &mut Segment,
    parts: &[Expression],
    topics: Option<&HashMap<String, String>>,
    join: impl Fn(bool, bool) -> bool,
) -> io::Result<Vec<bool>> {
    let mut joined: Option<Vec<bool>> = None;
    for part in parts {
        let matches = evaluate(segment, part, topics)?;
        joined = Some(match joined {
            Some(before) => before.into_iter().zip(matches).map(|(a, b)| join(a, b)).collect(),
            None => matches,
        });
    }
    Ok(joined.unwrap_or_else(|| vec![true; segment.len()]))
}

fn has(
    segment: &mut Segment,
    name: &Name,
    topics: Option<&HashMap<String, String>>,
) -> io::Result<Vec<bool>> {
    let mut has = vec![false; segment.len()];
    for candidate in name.candidates() {
        let columns = Columns::load(segment, candidate, topics)?;
        for (row, has) in has.iter_mut().enumerate() {
            *has |= columns.has(row);
        }
    }
    Ok(has)
}

/// What a comparison answers for each row: for the first thing its name can stand for that the row has.
fn compare(
    segment: &mut Segment,
    comparison: &Comparison,
    topics: Option<&HashMap<String, String>>,
) -> io::Result<Vec<bool>> {
    let rows = segment.len();
    let wants_text = matches!(comparison.value, Value::Text(_));
    let mut answers: Vec<Option<bool>> = vec![None; rows];
    for name in comparison.name.candidates() {
        let columns = Columns::load(segment, name, topics)?;
        let by_text: Vec<bool> = match &columns.texts {
            Some(texts) => texts.strings.iter().map(|text| comparison.holds_for_text(name, text)).collect(),
            None => Vec::new(),
        };
        for (row, answer) in answers.iter_mut().enumerate().filter(|(_, answer)| answer.is_none()) {
            let number = columns.number(row);
            *answer = match (number, columns.text_id(row)) {
                (Some(number), _) if !wants_text => Some(comparison.holds_for_number(number)),
                (_, Some(text)) => Some(by_text[text]),
                (Some(number), None) => Some(comparison.holds_for_number(number)),
                (None, None) => None,
            };
        }
    }
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(false)).collect())
}

/// The values that `rows` are ordered by, for each key.
fn sort_values(segment: &mut Segment, query: &Query<'_>, rows: &[usize]) -> io::Result<Vec<Vec<SortValue>>> {
    let mut values: Vec<Vec<SortValue>> = rows.iter().map(|_| Vec::with_capacity(query.sort.len())).collect();
    for key in query.sort {
        let candidates = key
            .name
            .candidates()
            .iter()
            .map(|name| Columns::load(segment, name, query.topics))
            .collect::<io::Result<Vec<_>>>()?;
        for (values, &row) in values.iter_mut().zip(rows) {
            values.push(sort_value(&candidates, row));
        }
    }
    Ok(values)
}

fn sort_value(candidates: &[Columns], row: usize) -> SortValue {
    for columns in candidates {
        match columns.number(row) {
            Some(number) if number.is_nan() => return SortValue::NotANumber,
            Some(number) => return SortValue::Number(number),
            None => {}
        }
        if let Some(text) = columns.text(row) {
            return SortValue::Text(text.into_owned());
        }
    }
    SortValue::Missing
}

/// The newest first, which is how lists are ordered unless asked otherwise.
pub fn newest_first() -> Vec<SortKey> {
    vec![SortKey { name: Name::Field(Field::Started), direction: Direction::Descending }]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, index};
    use super::*;
    use crate::domain::difference::tests::a_run;
    use crate::domain::entry::Entry;
    use crate::domain::run::Run;

    fn run(experiment: &str, registration: Option<u8>, val_loss: f64) -> Run {
        let mut run = a_run();
        run.membership.experiment = experiment.parse().expect("the ID is right");
        run.membership.registration = registration.map(|byte| EntryId([byte; 32]));
        run.metrics.get_mut("val_loss").expect("the run has it").value = Some(val_loss);
        run
    }

    fn entries() -> Vec<Entry> {
        let mut failed = run("A-001", Some(1), 0.1);
        failed.status = Status::Failed;
        vec![
            entry(&[1], run("A-001", Some(1), 2.5)),
            entry(&[2], failed),
            entry(&[3], run("a-001", Some(1), 2.25)),
            entry(&[4], run("A-001", Some(2), 1.5)),
            entry(&[5], run("A-001", None, 1.25)),
            entry(&[6], run("B-001", Some(3), f64::NAN)),
        ]
    }

    #[test]
    fn the_runs_of_an_experiment_are_those_of_its_registration() {
        let entries = entries();
        let mut index = index(&[&entries[..3], &entries[3..]]);
        let alias: ExperimentId = "A-001".parse().expect("the ID is right");
        let mut count = |registration: Option<u8>| {
            let experiment = Some((&alias, registration.map(|byte| EntryId([byte; 32]))));
            let query = Query { experiment, ..Query::default() };
            select(&mut index, &query).expect("rows in memory are read").runs
        };
        assert_eq!([count(Some(1)), count(Some(2)), count(Some(9)), count(None)], [3, 1, 0, 1]);
    }

    #[test]
    fn the_best_value_is_of_a_run_that_ended_well() {
        let mut entries = entries();
        let index_of = |better, entries: &[Entry]| {
            let mut index = index(&[&entries[..3], &entries[3..]]);
            best(&mut index, "val_loss", better).expect("rows in memory are read")
        };
        let key = ("a-001".to_owned(), Some(EntryId([1; 32])));
        let found = index_of(Better::Lower, &entries);
        assert_eq!(found[&key], Best { value: 2.25, row: RowRef { segment: 0, row: 2 } });
        assert_eq!(index_of(Better::Higher, &entries)[&key].row, RowRef { segment: 0, row: 0 });
        assert!(!found.contains_key(&("b-001".to_owned(), Some(EntryId([3; 32])))));
        // What another entry takes the place of is no result.
        entries[5].replaces = vec![entries[2].id];
        let found = index_of(Better::Lower, &entries);
        assert_eq!(found[&key].row, RowRef { segment: 0, row: 0 });
    }

    #[test]
    fn rows_about_an_experiment_ignore_case() {
        let mut index = index(&[&entries()]);
        let rows: Vec<RowRef> = (0..6).map(|row| RowRef { segment: 0, row }).collect();
        let about = |index: &mut Index, alias: &str| {
            about(index, &rows, &alias.parse().expect("the ID is right"))
                .expect("rows in memory are read")
                .len()
        };
        assert_eq!(
            [about(&mut index, "a-001"), about(&mut index, "b-001"), about(&mut index, "c")],
            [5, 1, 0]
        );
    }
}
