//! What is on record of something that is to be repeated: a seal, an experiment or a run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::comparing::compared_with_basis;
use super::selection;
use super::verify::{self, Verified, find};
use super::{Answer, recorded};
use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::cell::{Cell, Outcome, Trial, cells};
use crate::domain::comparison::{Comparison, Terms};
use crate::domain::entry::{Body, Entry, Registration};
use crate::domain::id::{EntryId, ObjectName};
use crate::domain::metric::Definition;
use crate::domain::reproduction::{Observed, Target, Trials};
use crate::domain::run::{PairSide, Run};
use crate::domain::state::State;
use crate::error::Error;
use crate::log::index::query::{Query, select};
use crate::log::index::sides::{Common, runs_of};
use crate::log::index::{Index, RowRef};
use crate::render::text::harmless;

/// Something that is on record, as far as it is needed to repeat it.
pub struct OnRecord {
    /// What it is.
    pub target: Target,
    /// The candidate, or the run.
    pub candidate: Side,
    /// What it was compared with.
    pub baseline: Option<Side>,
    /// What metrics meant, where that was sealed.
    pub definitions: BTreeMap<String, Definition>,
    /// The metrics that the brief names; absent without a brief.
    pub promised: Option<BTreeSet<String>>,
}

/// One side of it.
pub struct Side {
    /// The code that ran.
    pub commit: ObjectName,
    /// The experiment, as the brief has it that the runs cite.
    pub registration: Option<Registration>,
    /// The environment of its newest run, where that was kept.
    pub environment: Option<serde_json::Value>,
    /// The trials that ended well, oldest first; never empty.
    pub trials: Vec<Entry>,
    /// Those of them that are to be repeated, by place.
    pub wanted: Vec<usize>,
}

/// What a word names, or the answer where it is a seal that does not hold.
pub enum Found {
    /// It is on record.
    Here(Box<OnRecord>),
    /// It was refused, and that was told.
    Refused(Answer),
}

impl Side {
    /// The run of a trial.
    pub fn run(&self, place: usize) -> &Run {
        run_of(&self.trials[place])
    }

    /// The run that began last.
    pub fn newest(&self) -> &Entry {
        self.trials.last().expect("a side has a trial")
    }

    fn observed(&self) -> Vec<Observed> {
        let one = |entry: &Entry| {
            let run = run_of(entry);
            Observed {
                seed: run.seed,
                pair: run.pair.map(|pair| format!("{} {}", run.group.to_hex(), pair.number)),
                metrics: run.metrics.clone(),
                is_repeat: false,
            }
        };
        self.trials.iter().map(one).collect()
    }
}

impl OnRecord {
    /// What its trials came to.
    pub fn trials(&self) -> Trials {
        Trials {
            baseline: self.baseline.as_ref().map(Side::observed).unwrap_or_default(),
            candidate: self.candidate.observed(),
        }
    }
}

fn run_of(entry: &Entry) -> &Run {
    match &entry.body {
        Body::Run(run) => run,
        _ => unreachable!("trials are runs"),
    }
}

/// Finds what `word` names: a tag, an experiment, a run, or an experiment's seal.
pub fn on_record(context: &mut Context, word: &str) -> Result<Found, Error> {
    let is_tag = |name: &str| matches!(context.repo.read_ref(&format!("refs/tags/{name}")), Ok(Some(_)));
    if is_tag(word.strip_prefix("refs/tags/").unwrap_or(word)) {
        return seal(context, word);
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    if !state.find(word).is_empty() {
        return experiment(context, &mut index, &state, word).map(|it| Found::Here(Box::new(it)));
    }
    if is_tag(&format!("sealed/{word}")) {
        return seal(context, word);
    }
    let (id, _) = selection::run(context, &mut index, &state, word)
        .map_err(|error| error.hint("a seal's tag, an experiment or a run can be repeated"))?;
    run(context, &mut index, id).map(|it| Found::Here(Box::new(it)))
}

/// What a seal holds, once it was verified.
fn seal(context: &mut Context, word: &str) -> Result<Found, Error> {
    let (name, oid) = find(context, word)?;
    let mut verified = Verified::default();
    let experiment = verified.look(context, &name, oid);
    let read = match verified.read.take() {
        Some(read) if verified.failures.is_empty() => read,
        _ => {
            let answer = verified.tell(context, &name, experiment.as_deref())?;
            context.output.say("nothing was run: a seal that does not hold is not repeated");
            return Ok(Found::Refused(answer));
        }
    };
    for it in &verified.unchecked {
        context.output.say(&format!("not looked at: {}", harmless(it)));
    }
    let target = Target::Seal { tag: name, object: oid.to_hex().parse()?, manifest: read.manifest.digest() };
    let entries = &read.entries;
    let chosen = match &read.terms {
        Some(terms) => {
            let found = verify::compared(context, &read.manifest, entries, terms, Chosen::of);
            Some(found.map_err(|why| Error::outside("cannot compare what is sealed").because(why))?)
        }
        None => None,
    };
    let own = || read.manifest.entries.iter().filter_map(|id| entries.get(id));
    let chosen = match chosen {
        Some(chosen) => chosen,
        None => Chosen::newest(own()).ok_or_else(|| nothing_ended_well(&read.manifest.experiment))?,
    };
    let all: Vec<Entry> = entries.values().cloned().collect();
    let brief = |id: EntryId| entries.get(&id.to_hex()).cloned();
    let is_compared = read.terms.is_some();
    let mut on_record = chosen.put_together(context, target, &all, &brief)?;
    if is_compared {
        // Equal trees can have several commits, and these are the ones that the seal holds.
        on_record.candidate.commit = read.manifest.code.candidate.parse()?;
        if let (Some(side), Some(commit)) = (&mut on_record.baseline, &read.manifest.code.baseline) {
            side.commit = commit.parse()?;
        }
    }
    Ok(Found::Here(Box::new(on_record)))
}

/// The newest complete cell of an experiment, and that of its baseline.
fn experiment(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    word: &str,
) -> Result<OnRecord, Error> {
    let experiment = selection::experiment(state, word)?.clone();
    let registration = experiment.registration();
    let own = runs_of(index, &[Common::Experiment(&experiment.id, registration)])?.concat();
    let compared = match registration {
        Some(_) => compared_with_basis(context, index, state, &experiment.name(), |comparison, basis| {
            (Chosen::of(comparison, basis.terms), basis.rows.map(<[RowRef]>::to_vec).concat())
        })
        .ok(),
        None => None,
    };
    let (chosen, rows) = match compared {
        Some((chosen, rows)) => (chosen, rows),
        None => {
            let entries = context.log.entries(index, &own)?;
            let chosen =
                Chosen::newest(entries.iter()).ok_or_else(|| nothing_ended_well(&experiment.name()))?;
            (chosen, own)
        }
    };
    let all = context.log.entries(index, &rows)?;
    let newest = *chosen.candidate.last().expect("a chosen side has trials");
    let mut on_record = from_log(context, index, chosen, Target::Run(newest), all)?;
    // As it is agreed on now, it is read beside the code.
    on_record.definitions.clear();
    Ok(on_record)
}

/// One run: with those of its cell for what is known of its noise, and with the other side where it was one of pairs.
fn run(context: &mut Context, index: &mut Index, id: EntryId) -> Result<OnRecord, Error> {
    let (_, entry) = context.log.find(index, &id.to_hex())?;
    let run = run_of(&entry).clone();
    let trial = Trial { id, run: &run };
    if trial.outcome() != Outcome::Ended {
        return Err(Error::request(format!(
            "the run {} did not end well, so there is nothing to repeat",
            id.short()
        ))
        .because(format!("its status is `{}`", run.status))
        .hint("`git exp runs --filter 'status = ok'` lists those that did"));
    }
    let membership = &run.membership;
    let mut rows =
        runs_of(index, &[Common::Experiment(&membership.experiment, membership.registration)])?.concat();
    if run.pair.is_some() {
        // Its partners belong to the experiment of the other side.
        rows = select(index, &Query::default())?.rows;
    }
    let mut all = context.log.entries(index, &rows)?;
    if run.pair.is_some() {
        all.retain(|it| matches!(&it.body, Body::Run(other) if other.group == run.group));
    }
    let is_series = run.pair.is_some_and(|pair| pair.number > 0);
    let side = |side: PairSide| -> Vec<EntryId> {
        let of_side = |run: &Run| run.pair.is_some_and(|pair| pair.number > 0 && pair.side == side);
        let ended = |it: &&Entry| {
            of_side(run_of(it)) && Trial { id: it.id, run: run_of(it) }.outcome() == Outcome::Ended
        };
        let mut found: Vec<&Entry> = all.iter().filter(ended).collect();
        found.sort_by_key(|it| (run_of(it).started, it.id));
        found.into_iter().map(|it| it.id).collect()
    };
    let chosen = if is_series {
        Chosen {
            candidate: side(PairSide::Candidate),
            baseline: side(PairSide::Baseline),
            definitions: BTreeMap::new(),
            promised: None,
            only: None,
        }
    } else {
        let trials: Vec<Trial<'_>> = all.iter().map(|it| Trial { id: it.id, run: run_of(it) }).collect();
        let found = cells(&trials);
        let own = found.iter().find(|cell| cell.trials().iter().any(|it| it.id == id));
        Chosen {
            candidate: own.map(ended).unwrap_or_default(),
            baseline: Vec::new(),
            definitions: BTreeMap::new(),
            promised: None,
            only: Some(id),
        }
    };
    from_log(context, index, chosen, Target::Run(id), all)
}

fn nothing_ended_well(name: &str) -> Error {
    Error::request(format!("`{name}` has no run that ended well, so there is nothing to repeat"))
        .hint(format!("`git exp runs -e {name}` lists its runs"))
}

/// The trials of a cell that ended well, oldest first.
fn ended(cell: &Cell<'_>) -> Vec<EntryId> {
    cell.with(Outcome::Ended).map(|trial| trial.id).collect()
}

/// The trials of each side, by their IDs.
struct Chosen {
    candidate: Vec<EntryId>,
    baseline: Vec<EntryId>,
    definitions: BTreeMap<String, Definition>,
    promised: Option<BTreeSet<String>>,
    /// The one that is to be repeated; all of them where absent.
    only: Option<EntryId>,
}

impl Chosen {
    fn of(comparison: &Comparison<'_>, terms: &Terms<'_>) -> Self {
        let criteria = terms.accept.iter().chain(terms.guard);
        Self {
            candidate: ended(&comparison.matchup.candidate),
            baseline: ended(&comparison.matchup.baseline),
            definitions: terms.definitions.clone(),
            promised: Some(criteria.map(|it| it.metric.clone()).collect()),
            only: None,
        }
    }

    /// The newest cell that has a result; `None` where none has.
    fn newest<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<Self> {
        let trials: Vec<Trial<'_>> = entries
            .filter_map(|entry| match &entry.body {
                Body::Run(run) => Some(Trial { id: entry.id, run: run.as_ref() }),
                _ => None,
            })
            .collect();
        let found = cells(&trials);
        let candidate = found.iter().map(ended).find(|ids| !ids.is_empty())?;
        Some(Self {
            candidate,
            baseline: Vec::new(),
            definitions: BTreeMap::new(),
            promised: None,
            only: None,
        })
    }

    /// The whole of it, from entries among which the trials are.
    fn put_together(
        self,
        context: &Context,
        target: Target,
        all: &[Entry],
        brief: &dyn Fn(EntryId) -> Option<Entry>,
    ) -> Result<OnRecord, Error> {
        let side = |ids: &[EntryId]| -> Result<Option<Side>, Error> {
            let find = |id: &EntryId| all.iter().find(|entry| entry.id == *id).cloned();
            let mut trials: Vec<Entry> = ids.iter().filter_map(find).collect();
            // Trials that began at once go by their numbers.
            trials.sort_by_key(|it| (run_of(it).started, run_of(it).group, run_of(it).trial, it.id));
            let Some(newest) = trials.last() else { return Ok(None) };
            let run = run_of(newest);
            let cited = run.membership.brief.and_then(brief);
            let registration = cited.and_then(|entry| match entry.body {
                Body::Brief(registration) => Some(registration),
                _ => None,
            });
            let wanted = match self.only {
                Some(only) => trials.iter().position(|it| it.id == only).into_iter().collect(),
                None => (0..trials.len()).collect(),
            };
            Ok(Some(Side {
                commit: run.code.commit.clone(),
                registration,
                environment: recorded::environment(context, newest)?,
                trials,
                wanted,
            }))
        };
        let candidate = side(&self.candidate)?.ok_or_else(|| {
            Error::request("nothing of it ended well, so there is nothing to repeat")
                .hint("`git exp runs` lists the runs")
        })?;
        let promised = self.promised.or_else(|| {
            let named =
                |brief: &Brief| brief.accept.iter().chain(&brief.guard).map(|it| it.metric.clone()).collect();
            candidate.registration.as_ref().map(|it| named(&it.brief))
        });
        Ok(OnRecord {
            target,
            baseline: side(&self.baseline)?,
            candidate,
            definitions: self.definitions,
            promised,
        })
    }
}

/// What is chosen of the log, with the briefs that the runs cite.
fn from_log(
    context: &Context,
    index: &mut Index,
    chosen: Chosen,
    target: Target,
    all: Vec<Entry>,
) -> Result<OnRecord, Error> {
    let wanted: HashSet<EntryId> = chosen.candidate.iter().chain(&chosen.baseline).copied().collect();
    for id in &wanted {
        context.log.refuse_withdrawn_code_of(index, *id)?;
    }
    let cited: BTreeSet<EntryId> = all
        .iter()
        .filter(|it| wanted.contains(&it.id))
        .filter_map(|it| run_of(it).membership.brief)
        .collect();
    let mut briefs = BTreeMap::new();
    for id in cited {
        // A brief that is not here leaves the run as it is.
        if let Ok((_, entry)) = context.log.find(index, &id.to_hex()) {
            briefs.insert(id, entry);
        }
    }
    chosen.put_together(context, target, &all, &|id| briefs.get(&id).cloned())
}
