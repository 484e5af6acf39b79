//! Comparing experiments with what they promised, or with anything else: what `compare`, `decide` and `status` share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::recorded::{config_files, environment, explain_code, versions};
use super::recording::fingerprint;
use super::sides::{Chosen, FAR_BACK, choose, of_rows, rows, sides};
use crate::config::{self, Settings};
use crate::context::{CONFIGURATION, Context};
use crate::domain::brief::Brief;
use crate::domain::cell::Trial;
use crate::domain::comparison::{
    Comparison, ComparisonError, Matchup, Plan, Seen, Side, Terms, WithdrawnRuns, compare, matchups,
    tries_withdrawn,
};
use crate::domain::criterion::{Criterion, Operator};
use crate::domain::decision::Look;
use crate::domain::difference::{Difference, Side as Stored};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, ExperimentId, TopicName};
use crate::domain::metric::Definition;
use crate::domain::run::{PairSide, Run};
use crate::domain::state::{ExperimentState, State};
use crate::domain::topic::Topic;
use crate::domain::withdrawal::{Results, Withdrawal, Withdrawn};
use crate::error::{Error, Fault};
use crate::log::index::query;
use crate::log::index::{Index, RowRef};
use crate::log::layout;

/// What one candidate promised, and what is known around it.
struct Promise {
    settings: Rc<Settings>,
    brief: Brief,
    is_scratch: bool,
    topic: Option<Topic>,
    amended: Option<String>,
    promised_baseline: Option<String>,
    family: usize,
    plan: Plan,
    /// The experiment that the candidate is, where it is a registered one: what looks at it are recorded for.
    subject: Option<Subject>,
    /// How many candidates it was picked from as the best.
    best_of: Option<usize>,
    /// Whether the candidate is some runs of an experiment, picked by a label, a filter or by hand.
    is_selection: bool,
    /// The runs of it and of the baseline that were withdrawn.
    withdrawn: Vec<WithdrawnRuns>,
}

/// A registered experiment that is looked at.
struct Subject {
    experiment: ExperimentId,
    registration: EntryId,
    brief: EntryId,
    /// The looks at it so far that were against the same baseline.
    looks: Vec<Look>,
}

/// Whether large samples get a bootstrap interval beside the others, which takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossCheck {
    /// None.
    Skip,
    /// By the bootstrap.
    Bootstrap,
}

/// Whether somebody sees what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// Somebody does.
    Record,
    /// Nobody does.
    Leave,
}

/// How sides are compared.
struct Way<'a> {
    cross_check: CrossCheck,
    looks: Looks,
    /// Guardrails besides those of the briefs.
    guard: &'a [Criterion],
}

impl Way<'_> {
    /// For somebody who sees it.
    fn usual(cross_check: CrossCheck) -> Self {
        Self { cross_check, looks: Looks::Record, guard: &[] }
    }

    /// On the side.
    fn aside() -> Self {
        Self { looks: Looks::Leave, ..Self::usual(CrossCheck::Skip) }
    }
}

/// Compares `candidates` with `baseline`, and hands what came of it to `then`.
///
/// A look before all planned trials are in, or at a baseline that the brief does not promise, is recorded: once for the
/// same runs.
pub fn compared<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    baseline: &Chosen,
    candidates: &[Chosen],
    then: impl FnOnce(&mut Context, &[Comparison<'_>]) -> Result<T, Error>,
) -> Result<T, Error> {
    compared_with(CrossCheck::Skip, context, index, state, baseline, candidates, then)
}

/// As [`compared`], on the side: nothing is said, and no look is recorded, since nobody sees the numbers.
pub fn compared_aside<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    word: &str,
    then: impl FnOnce(&Comparison<'_>) -> T,
) -> Result<T, Error> {
    compared_with_basis(context, index, state, word, |comparison, _| then(comparison))
}

/// As [`compared_aside`], with these runs of the candidate that `word` names alone, which are called `name`.
pub fn compared_runs_aside<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    word: &str,
    (name, runs): (&str, &[EntryId]),
    then: impl FnOnce(&Comparison<'_>) -> T,
) -> Result<T, Error> {
    let candidates = |index: &mut Index, _| {
        let mut rows = Vec::with_capacity(runs.len());
        for run in runs {
            rows.extend(index.with_prefix(&run.to_hex())?);
        }
        Ok(vec![of_rows(name, rows)])
    };
    aside(context, index, state, word, candidates, |comparison, _| then(comparison))
}

/// As [`compared`], with a cross-check or without.
pub fn compared_with<T>(
    cross_check: CrossCheck,
    context: &mut Context,
    index: &mut Index,
    state: &State,
    baseline: &Chosen,
    candidates: &[Chosen],
    then: impl FnOnce(&mut Context, &[Comparison<'_>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let then =
        |context: &mut Context, comparisons: &[Comparison<'_>], _: &Basis<'_>| then(context, comparisons);
    compare_sides(Way::usual(cross_check), context, index, state, baseline, candidates, then)
}

/// As [`compared`], for one candidate that is asked to keep these guardrails besides those of its brief.
pub fn compared_guarded<T>(
    guard: &[Criterion],
    context: &mut Context,
    index: &mut Index,
    state: &State,
    (baseline, candidate): (&Chosen, Chosen),
    then: impl FnOnce(&mut Context, &Comparison<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let way = Way { guard, ..Way::usual(CrossCheck::Skip) };
    compare_sides(way, context, index, state, baseline, &[candidate], |context, comparisons, _| {
        then(context, &comparisons[0])
    })
}

/// What a comparison of one candidate was made of, so that it can be made again.
pub struct Basis<'a> {
    /// What it was judged by.
    pub terms: &'a Terms<'a>,
    /// What was planned.
    pub plan: &'a Plan,
    /// The runs of the baseline, and those of the candidate, before any were left out.
    pub rows: [&'a [RowRef]; 2],
}

/// As [`compared_aside`], with what it was made of.
pub fn compared_with_basis<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    word: &str,
    then: impl FnOnce(&Comparison<'_>, &Basis<'_>) -> T,
) -> Result<T, Error> {
    aside(context, index, state, word, |_, candidates| Ok(candidates), then)
}

/// What `word` means against its baseline, with the candidates that are made of those that it means; nothing is said.
fn aside<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    word: &str,
    candidates: impl FnOnce(&mut Index, Vec<Chosen>) -> Result<Vec<Chosen>, Error>,
    then: impl FnOnce(&Comparison<'_>, &Basis<'_>) -> T,
) -> Result<T, Error> {
    let was_silent = std::mem::replace(&mut context.output.is_silent, true);
    let found = sides(context, index, state, &[word.to_owned()]).and_then(|(baseline, meant)| {
        let candidates = candidates(index, meant)?;
        compare_sides(Way::aside(), context, index, state, &baseline, &candidates, |_, comparisons, basis| {
            Ok(then(&comparisons[0], basis))
        })
    });
    context.output.is_silent = was_silent;
    found
}

/// Compares runs that were stored once more, by the terms and the plan they were compared by.
pub fn compared_again<T>(
    context: &Context,
    (names, entries): ([&str; 2], [Vec<Entry>; 2]),
    plan: &Plan,
    terms: &Terms<'_>,
    then: impl FnOnce(&Comparison<'_>) -> T,
) -> Result<T, Error> {
    let ids: [HashSet<EntryId>; 2] =
        [&entries[0], &entries[1]].map(|side| side.iter().map(|entry| entry.id).collect());
    let mut all: Vec<Entry> = entries.into_iter().flatten().collect();
    all.sort_by_key(|entry| entry.id);
    all.dedup_by_key(|entry| entry.id);
    let by_id = all.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
    let entries = Entries { all, rows: Vec::new(), by_id };
    let side = |place: usize| {
        let trials = entries.all.iter().filter_map(|entry| match &entry.body {
            Body::Run(run) if ids[place].contains(&entry.id) => {
                Some(Trial { id: entry.id, run: run.as_ref() })
            }
            _ => None,
        });
        Side { name: names[place].to_owned(), trials: trials.collect() }
    };
    let (baseline, candidate) = (side(0), side(1));
    let found = matchups(&baseline, &candidate, plan).map_err(|error| refuse(&error))?;
    let comparisons = judge(context, &entries, vec![found], std::slice::from_ref(terms))?;
    Ok(then(&comparisons[0]))
}

fn compare_sides<T>(
    Way { cross_check, looks, guard }: Way<'_>,
    context: &mut Context,
    index: &mut Index,
    state: &State,
    baseline: &Chosen,
    candidates: &[Chosen],
    then: impl FnOnce(&mut Context, &[Comparison<'_>], &Basis<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let rows = rows(context, index, state, std::iter::once(baseline).chain(candidates))?;
    let entries = Entries::read(context, index, &rows)?;
    let baseline_side = entries.side(&baseline.name, &rows[0]);
    let mut promises = Vec::with_capacity(candidates.len());
    let mut candidate_sides = Vec::with_capacity(candidates.len());
    let mut known_settings: HashMap<(bool, Option<TopicName>), Rc<Settings>> = HashMap::new();
    for (candidate, rows) in candidates.iter().zip(&rows[1..]) {
        let side = entries.side(&candidate.name, rows);
        promises.push(promise(
            context,
            index,
            state,
            (baseline, candidate, candidates.len()),
            &side,
            &mut known_settings,
        )?);
        candidate_sides.push(side);
    }
    for promise in &mut promises {
        promise.brief.guard.extend_from_slice(guard);
    }
    let withdrawals = context.log.withdrawals(index)?;
    for ((promise, candidate), side) in promises.iter_mut().zip(candidates).zip(&candidate_sides) {
        let sides = [(PairSide::Baseline, baseline, &baseline_side), (PairSide::Candidate, candidate, side)];
        promise.withdrawn = withdrawn_runs(context, index, &withdrawals, sides);
    }
    let mut found = Vec::with_capacity(candidates.len());
    for (side, promise) in candidate_sides.iter().zip(&mut promises) {
        let strata = matchups(&baseline_side, side, &promise.plan).map_err(|error| refuse(&error))?;
        // Each complete cell of an experiment was a try of its own, and so was each plan that was given up for another.
        if !promise.is_scratch {
            promise.family += strata[0].tries - 1 + tries_withdrawn(&promise.withdrawn, promise.plan.trials);
        }
        found.push(strata);
    }
    let known = known_definitions(context, &promises, &found)?;
    let scopes: Vec<BTreeMap<String, Vec<String>>> = promises
        .iter()
        .map(|it| it.topic.as_ref().map(|topic| topic.scope.clone()).unwrap_or_default())
        .collect();
    let terms: Vec<Terms<'_>> = promises
        .iter()
        .zip(&scopes)
        .map(|(promise, scope)| Terms {
            cross_check: cross_check == CrossCheck::Bootstrap,
            ..promise.terms(scope, &known)
        })
        .collect();
    let comparisons = judge(context, &entries, found, &terms)?;
    for (promise, comparison) in promises.iter().zip(&comparisons).filter(|_| looks == Looks::Record) {
        record_look(context, baseline, promise, comparison);
    }
    let basis = Basis { terms: &terms[0], plan: &promises[0].plan, rows: [&rows[0], &rows[1]] };
    then(context, &comparisons, &basis)
}

fn refuse(error: &ComparisonError) -> Error {
    let hint = match error {
        ComparisonError::Empty(_) => "`git exp runs` lists the runs there are",
        ComparisonError::Same(_) => "name another baseline: git exp compare <baseline> <candidate>",
    };
    let refused = Error::request("cannot compare").because(error).hint(hint);
    match error {
        // What has not run cannot be told anything of.
        ComparisonError::Empty(_) => Error { fault: Fault::Unknown, ..refused },
        ComparisonError::Same(_) => refused,
    }
}

/// Hands the trials of a side, warm-ups left out, to `then`.
pub fn with_trials<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    chosen: &Chosen,
    then: impl FnOnce(&[Trial<'_>]) -> T,
) -> Result<T, Error> {
    let rows = rows(context, index, state, std::iter::once(chosen))?;
    let entries = Entries::read(context, index, &rows)?;
    let mut side = entries.side(&chosen.name, &rows[0]);
    side.trials.retain(|trial| trial.run.pair.is_none_or(|pair| pair.number > 0));
    Ok(then(&side.trials))
}

/// The entries of all sides, each read once.
struct Entries {
    all: Vec<Entry>,
    /// Their rows, in order.
    rows: Vec<RowRef>,
    by_id: HashMap<EntryId, usize>,
}

impl Entries {
    fn read(context: &Context, index: &mut Index, rows: &[Vec<RowRef>]) -> Result<Self, Error> {
        let mut wanted: Vec<RowRef> = rows.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let entries = context.log.entries(index, &wanted)?;
        let by_id = entries.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
        Ok(Self { all: entries, rows: wanted, by_id })
    }

    fn side(&self, name: &str, rows: &[RowRef]) -> Side<'_> {
        let trials = rows
            .iter()
            .filter_map(|row| {
                let entry = &self.all[self.rows.binary_search(row).ok()?];
                match &entry.body {
                    Body::Run(run) => Some(Trial { id: entry.id, run: run.as_ref() }),
                    _ => None,
                }
            })
            .collect();
        Side { name: name.to_owned(), trials }
    }

    fn of(&self, trial: Trial<'_>) -> &Entry {
        &self.all[self.by_id[&trial.id]]
    }
}

/// What a candidate promised: the brief of its experiment, where all its runs are of one.
fn promise(
    context: &Context,
    index: &mut Index,
    state: &State,
    (baseline, candidate, candidates): (&Chosen, &Chosen, usize),
    side: &Side<'_>,
    known_settings: &mut HashMap<(bool, Option<TopicName>), Rc<Settings>>,
) -> Result<Promise, Error> {
    let experiment = candidate.experiment().or_else(|| only_experiment(state, side));
    let registered = experiment.and_then(|it| it.registered.as_ref());
    let topic = experiment.and_then(ExperimentState::topic).cloned();
    // A scratch run answers to the file beside it, and so does not share what others agreed on.
    let agreed = (registered.is_some(), topic.clone());
    if !known_settings.contains_key(&agreed) {
        let settings = match registered {
            Some(_) => context.settings_for(topic.as_ref(), &context.repo)?,
            None => context.settings_here()?,
        };
        known_settings.insert(agreed.clone(), Rc::new(settings));
    }
    let settings = Rc::clone(&known_settings[&agreed]);
    let Some(registered) = registered else {
        return Ok(Promise {
            settings,
            brief: Brief::default(),
            is_scratch: true,
            topic: None,
            amended: None,
            promised_baseline: None,
            family: candidates,
            plan: Plan::default(),
            subject: None,
            best_of: None,
            is_selection: false,
            withdrawn: Vec::new(),
        });
    };
    let brief = registered.current.brief.clone();
    let topic = topic.and_then(|name| state.topics.get(&name)).map(|it| it.topic.clone());
    let promised = brief.baseline.as_deref().map(|word| {
        let identity = choose(context, index, state, topic.as_ref(), word).ok().map(|it| it.identity);
        (word.to_owned(), identity)
    });
    let promised_baseline =
        promised.filter(|(_, identity)| identity.as_ref() != Some(&baseline.identity)).map(|(word, _)| word);
    let earlier = earlier_briefs(context, index, registered.current_entry, side);
    let amended = amended(&earlier, &brief);
    let plans_otherwise =
        |before: &Brief| before.planned_trials() != brief.planned_trials() || before.looks != brief.looks;
    let plan = Plan {
        trials: Some(brief.planned_trials()),
        looks: brief.looks.clone(),
        // Going back to a plan does not bring back what ran under it: from the last change on, all is fresh.
        earlier: earlier
            .iter()
            .skip_while(|(_, before)| !plans_otherwise(before))
            .map(|(id, _)| *id)
            .collect(),
    };
    let rivals = rivals(state, topic.as_ref(), &brief, &baseline.identity);
    let experiment = experiment.expect("what is registered is an experiment");
    let best_of = match brief.accept.first() {
        Some(criterion) if rivals.len() > 1 => best_of(index, &rivals, experiment, criterion)?,
        _ => None,
    };
    let looks = experiment.looks.iter().filter(|look| look.baseline == baseline.identity).cloned().collect();
    let subject = Subject {
        experiment: experiment.id.clone(),
        registration: registered.entry,
        brief: registered.current_entry,
        looks,
    };
    Ok(Promise {
        settings,
        is_scratch: false,
        topic,
        amended,
        promised_baseline,
        family: rivals.len().max(candidates),
        plan,
        subject: Some(subject),
        best_of,
        is_selection: candidate.experiment().is_none(),
        withdrawn: Vec::new(),
        brief,
    })
}

/// The runs of the sides that were withdrawn, each under the withdrawal that set it aside first.
fn withdrawn_runs(
    context: &Context,
    index: &mut Index,
    withdrawals: &[(Entry, Withdrawal)],
    sides: [(PairSide, &Chosen, &Side<'_>); 2],
) -> Vec<WithdrawnRuns> {
    let mut found: Vec<WithdrawnRuns> = Vec::new();
    let mut known: HashSet<EntryId> = HashSet::new();
    for (by, it) in withdrawals.iter().filter(|(_, it)| it.results == Results::Withdrawn) {
        for one in it.entries.iter().filter(|one| one.kind == "run" && !known.contains(&one.entry)) {
            let of_side = |(_, chosen, side): &&(PairSide, &Chosen, &Side<'_>)| match chosen.experiment() {
                Some(experiment) => {
                    one.experiment.as_ref() == Some(&experiment.id)
                        && one.registration == experiment.registration()
                }
                None => is_of_other_side(context, index, one, side),
            };
            // What is of both, as a revision's runs may be of the experiment that began there, is the candidate's.
            let Some((side, ..)) = sides.iter().rev().find(of_side) else { continue };
            match found.iter_mut().find(|runs| runs.by == by.id && runs.side == *side) {
                Some(runs) => runs.runs.push(one.entry),
                None => found.push(WithdrawnRuns {
                    side: *side,
                    runs: vec![one.entry],
                    by: by.id,
                    seconds: by.time.as_duration().as_secs_f64(),
                    because: it.because.clone(),
                }),
            }
        }
        known.extend(it.entries.iter().map(|one| one.entry));
    }
    found
}

/// Whether a withdrawn run may have been among the runs of a revision, a label or a filter: it ran the same code, or, where
/// nothing tells what it ran, belonged to the same experiment.
fn is_of_other_side(context: &Context, index: &mut Index, one: &Withdrawn, side: &Side<'_>) -> bool {
    let found = context.log.find(index, &one.entry.to_hex());
    let is_like = |trial: &Trial<'_>| match &found {
        Ok((_, Entry { body: Body::Run(run), .. })) => run.code.tree == trial.run.code.tree,
        _ => {
            let membership = &trial.run.membership;
            one.experiment.as_ref() == Some(&membership.experiment)
                && one.registration == membership.registration
        }
    };
    side.trials.iter().any(is_like)
}

/// The registered experiment that all runs of a side belong to.
fn only_experiment<'a>(state: &'a State, side: &Side<'_>) -> Option<&'a ExperimentState> {
    let registration = side.trials.first()?.run.membership.registration?;
    let is_of_it = |trial: &Trial<'_>| trial.run.membership.registration == Some(registration);
    let is_registered =
        |it: &&ExperimentState| it.registered.as_ref().is_some_and(|known| known.entry == registration);
    state.experiments.iter().find(is_registered).filter(|_| side.trials.iter().all(is_of_it))
}

/// The briefs that runs of a side were run under, other than the one in force, the newest first.
fn earlier_briefs(
    context: &Context,
    index: &mut Index,
    current: EntryId,
    side: &Side<'_>,
) -> Vec<(EntryId, Brief)> {
    let earlier: HashSet<EntryId> = side
        .trials
        .iter()
        .filter_map(|trial| trial.run.membership.brief)
        .filter(|entry| *entry != current)
        .collect();
    let mut read: Vec<(Timestamp, EntryId, Brief)> = earlier
        .into_iter()
        .filter_map(|id| {
            let entry = context.log.find(index, &id.to_hex()).ok()?.1;
            match entry.body {
                Body::Brief(before) => Some((entry.time, id, before.brief)),
                _ => None,
            }
        })
        .collect();
    read.sort_by_key(|(time, id, _)| std::cmp::Reverse((*time, *id)));
    read.into_iter().map(|(_, id, brief)| (id, brief)).collect()
}

/// What of a brief was amended after runs had begun under an earlier one.
fn amended(earlier: &[(EntryId, Brief)], brief: &Brief) -> Option<String> {
    let mut what: Vec<&str> = Vec::new();
    for (_, before) in earlier {
        let changes = [
            ("criteria", before.accept != brief.accept),
            ("guardrails", before.guard != brief.guard),
            ("number of trials", before.planned_trials() != brief.planned_trials()),
            ("looks", before.looks != brief.looks),
            ("baseline", before.baseline != brief.baseline),
        ];
        for (name, _) in changes.into_iter().filter(|(_, is_changed)| *is_changed) {
            if !what.contains(&name) {
                what.push(name);
            }
        }
    }
    what.sort_unstable();
    (!what.is_empty()).then(|| format!("amended after the first run: {}", what.join(", ")))
}

/// The candidates that were ever compared with a baseline: the topic's experiments that have runs and name it in their
/// briefs, and those that somebody compared with it all the same.
fn rivals<'a>(
    state: &'a State,
    topic: Option<&Topic>,
    brief: &Brief,
    identity: &str,
) -> Vec<&'a ExperimentState> {
    let meant = |word: &str| -> String {
        let named = topic.and_then(|topic| topic.baselines.get(word)).map_or(word, String::as_str);
        named.to_ascii_lowercase()
    };
    let baseline = brief.baseline.as_deref().map(meant);
    let name = topic.map(|topic| &topic.name);
    let is_rival = |it: &&ExperimentState| {
        let Some(registered) = it.registered.as_ref().filter(|it| it.current.topic.as_ref() == name) else {
            return false;
        };
        let named = registered.current.brief.baseline.as_deref().map(meant);
        it.runs.total() > 0
            && ((named.is_some() && named == baseline)
                || it.looks.iter().any(|look| look.baseline == identity))
    };
    state.experiments.iter().filter(is_rival).collect()
}

/// How many candidates there are, where `experiment` has the best mean of them: it was picked, and may have been lucky.
fn best_of(
    index: &mut Index,
    rivals: &[&ExperimentState],
    experiment: &ExperimentState,
    criterion: &Criterion,
) -> Result<Option<usize>, Error> {
    let means = query::means(index, &criterion.metric)?;
    let own = means.get(&experiment.key()).copied();
    let beats = |other: f64| match (own, criterion.operator) {
        (None, _) => true,
        (Some(own), Operator::AtMost) => own <= other,
        (Some(own), Operator::AtLeast) => own >= other,
    };
    let others = rivals.iter().filter(|it| it.key() != experiment.key());
    let is_best = others.filter_map(|it| means.get(&it.key())).all(|mean| beats(*mean));
    Ok(is_best.then_some(rivals.len()))
}

/// Records that somebody looked before all was in, or at another baseline than the promised one; what was seen before
/// is not recorded again.
fn record_look(context: &mut Context, baseline: &Chosen, promise: &Promise, comparison: &Comparison<'_>) {
    let Some(subject) = &promise.subject else { return };
    if comparison.interim.is_none() && promise.promised_baseline.is_none() {
        return;
    }
    let Seen { trials, newest } = comparison.seen;
    if promise.states_looked_at().contains(&comparison.seen) {
        return;
    }
    let planned = u64::from(promise.brief.planned_trials());
    let look = Look {
        experiment: subject.experiment.clone(),
        registration: subject.registration,
        baseline: baseline.identity.clone(),
        baseline_name: baseline.name.clone(),
        trials,
        planned,
        newest,
        outcome: comparison.outcome,
    };
    if context.append_answer(Body::Look(look), Some(subject.brief)).is_err() {
        context.output.say("this look could not be counted, since the log cannot be written to");
    }
}

impl Promise {
    /// The different states of the runs that were looked at against this baseline.
    fn states_looked_at(&self) -> Vec<Seen> {
        let looks = self.subject.iter().flat_map(|it| &it.looks);
        let mut states: Vec<Seen> =
            looks.map(|look| Seen { trials: look.trials, newest: look.newest }).collect();
        states.sort_unstable();
        states.dedup();
        states
    }

    fn terms<'a>(
        &'a self,
        scope: &'a BTreeMap<String, Vec<String>>,
        known_definitions: &'a BTreeMap<String, Definition>,
    ) -> Terms<'a> {
        Terms {
            definitions: &self.settings.metrics,
            known_definitions,
            accept: &self.brief.accept,
            guard: &self.brief.guard,
            is_scratch: self.is_scratch,
            promised_baseline: self.promised_baseline.clone(),
            amended: self.amended.clone(),
            unconfirmed_best_of: self.best_of,
            looks: self.states_looked_at(),
            is_selection: self.is_selection,
            cross_check: false,
            scope,
            family: self.family,
            withdrawn: self.withdrawn.clone(),
        }
    }
}

/// The definitions that runs were recorded under, as far as they can be found; looked for only where sides differ.
fn known_definitions(
    context: &Context,
    promises: &[Promise],
    found: &[Vec<Matchup<'_>>],
) -> Result<BTreeMap<String, Definition>, Error> {
    let mut known = BTreeMap::new();
    let newest: Vec<(&Run, &Run)> = found
        .iter()
        .map(|strata| strata[0].representatives())
        .map(|(baseline, candidate)| (baseline.run, candidate.run))
        .collect();
    let differ = |(from, to): &(&Run, &Run)| {
        from.metrics.iter().any(|(name, value)| {
            to.metrics.get(name).is_some_and(|other| other.definition != value.definition)
        })
    };
    if !newest.iter().any(differ) {
        return Ok(known);
    }
    let mut take = |metrics: &BTreeMap<String, Definition>| {
        for definition in metrics.values() {
            known.entry(fingerprint(definition)).or_insert_with(|| definition.clone());
        }
    };
    for promise in promises {
        take(&promise.settings.metrics);
    }
    let ran = newest.iter().flat_map(|(from, to)| [&from.code.commit, &to.code.commit]);
    let mut commits: HashSet<crate::git::Oid> =
        ran.filter_map(|commit| crate::git::Oid::from_hex(commit.as_str())).collect();
    let topics = promises.iter().filter_map(|it| it.topic.as_ref()).map(|it| layout::topic_branch(&it.name));
    for branch in topics.chain(context.main_branch()?) {
        let Some(tip) = context.repo.read_ref(&format!("refs/heads/{branch}"))? else { continue };
        for step in context.repo.walk_first_parent(tip).take(FAR_BACK) {
            commits.insert(step?.0);
        }
    }
    for commit in commits {
        // Code that is not here can say nothing, and what cannot be parsed never declared a metric.
        let Ok(Some(text)) = context.text_at(commit, CONFIGURATION) else { continue };
        if let Ok(layer) = config::parse(&text, CONFIGURATION) {
            take(&layer.metrics);
        }
    }
    Ok(known)
}

/// Judges every candidate on the hardware it ran on last, and tells what it comes to on the other.
fn judge<'a>(
    context: &Context,
    entries: &Entries,
    found: Vec<Vec<Matchup<'a>>>,
    terms: &[Terms<'_>],
) -> Result<Vec<Comparison<'a>>, Error> {
    let mut stored = StoredRuns { context, known: HashMap::new() };
    let mut first = Vec::with_capacity(found.len());
    let mut rest = Vec::with_capacity(found.len());
    for (strata, terms) in found.into_iter().zip(terms) {
        let mut strata = strata.into_iter();
        let main = strata.next().expect("there is at least one");
        let difference = stored.difference(entries, &main)?;
        first.push((main, difference, terms));
        let mut others = Vec::new();
        for other in strata {
            let difference = stored.difference(entries, &other)?;
            others.extend(compare(vec![(other, difference, terms)]));
        }
        rest.push(others);
    }
    let mut comparisons = compare(first);
    for (comparison, others) in comparisons.iter_mut().zip(rest) {
        comparison.add_strata(&others);
    }
    Ok(comparisons)
}

/// What was stored beside runs, each environment read once.
struct StoredRuns<'c> {
    context: &'c Context,
    /// By the hash of the file.
    known: HashMap<String, Option<Json>>,
}

impl StoredRuns<'_> {
    fn difference(&mut self, entries: &Entries, matchup: &Matchup<'_>) -> Result<Difference, Error> {
        let (baseline, candidate) = matchup.representatives();
        let (from, to) = (entries.of(baseline), entries.of(candidate));
        let hashes = (environment_hash(from), environment_hash(to));
        // Equal files differ in nothing, and need not be read.
        let is_equal = hashes.0.is_some() && hashes.0 == hashes.1;
        let mut read = |entry: &Entry, hash: Option<String>| -> Result<Option<Json>, Error> {
            let Some(hash) = hash.filter(|_| !is_equal) else { return Ok(None) };
            if !self.known.contains_key(&hash) {
                self.known.insert(hash.clone(), environment(self.context, entry)?);
            }
            Ok(self.known[&hash].clone())
        };
        let (mut environment_from, mut environment_to) = (read(from, hashes.0)?, read(to, hashes.1)?);
        let datasets = |environment: &mut Option<Json>| {
            let datasets = environment.as_mut().and_then(|it| it.as_object_mut()?.remove("datasets"));
            datasets.map(|datasets| versions(&datasets)).unwrap_or_default()
        };
        let (datasets_from, datasets_to) = (datasets(&mut environment_from), datasets(&mut environment_to));
        let (config_from, config_to) = (config_files(from), config_files(to));
        let mut difference = Difference::between(
            &Stored {
                run: baseline.run,
                environment: environment_from.as_ref(),
                config_files: &config_from,
                datasets: &datasets_from,
            },
            &Stored {
                run: candidate.run,
                environment: environment_to.as_ref(),
                config_files: &config_to,
                datasets: &datasets_to,
            },
        );
        let config = [&config_from, &config_to];
        explain_code(self.context, &mut difference, baseline.run, candidate.run, config);
        Ok(difference)
    }
}

fn environment_hash(entry: &Entry) -> Option<String> {
    let files = entry.files.iter().flat_map(|list| &list.files);
    files.into_iter().find(|file| file.name.0 == b"environment.json").map(|file| file.blake3.clone())
}
