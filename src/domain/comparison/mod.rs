//! Comparisons: two cells side by side, metric by metric, and what that says of a brief.
//!
//! Everything here is a pure function of what was recorded. [`matchups`] finds the cells, [`compare`] judges them: several
//! candidates at once, because what one of them shows depends on how many were tried.

mod answer;
mod matchup;
#[cfg(test)]
mod plan_tests;
mod regression;
mod row;
#[cfg(test)]
pub(crate) mod tests;
mod warning;
mod withdrawn;

use std::collections::{BTreeMap, BTreeSet};

pub use self::answer::{Answered, Role, answer_word};
use self::answer::{answered, answered_for_failures, holds_at};
pub use self::matchup::{DeclaredLook, LeftOut, Matchup, Plan, Side, matchups};
pub use self::regression::Regression;
use self::row::{Judged, SmallestEffects, rows};
pub use self::row::{Numbers, Row};
pub use self::warning::contention;
use self::warning::warnings;
pub use self::withdrawn::{WithdrawnRuns, tries_withdrawn};
use super::cell::{Cell, Outcome as TrialOutcome, Trial};
use super::confidence::{Confidence, Ground};
use super::criterion::Criterion;
use super::difference::Difference;
use super::failure_rate::{self, FAILURE_RATE, Failures};
use super::id::EntryId;
use super::metric::{Better, Definition, Kind, Scale};
use super::run::PairSide;
use super::statistics::holm::holm;
use super::statistics::noninferiority::Answer;
use super::statistics::{Design, Level, Spread};
use super::verdict::{Effect, Evidence, Outcome, Verdict, judge};
use crate::domain::number::counted;

/// With a smaller chance than this to show the primary criterion, going on is called futile.
const FUTILE: f64 = 0.1;

/// Why two sides cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComparisonError {
    /// A side has no runs.
    #[error("`{0}` has no runs")]
    Empty(String),
    /// Both sides are the same runs.
    #[error("`{0}` is its own baseline")]
    Same(String),
}

/// What is seen at a look: the same runs are the same look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// How many trials or pairs there were.
    pub trials: u64,
    /// The newest runs of baseline and candidate.
    pub newest: (EntryId, EntryId),
}

impl Seen {
    fn of(matchup: &Matchup<'_>, interim: Option<(usize, usize)>) -> Self {
        let (from, to) = matchup.representatives();
        let all = u64::from(matchup.planned.unwrap_or_default());
        Self { trials: interim.map_or(all, |(so_far, _)| so_far as u64), newest: (from.id, to.id) }
    }
}

/// What a comparison is judged by.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The metrics as they are declared, by name.
    pub definitions: &'a BTreeMap<String, Definition>,
    /// Definitions that runs were recorded under, by fingerprint, as far as they are known.
    pub known_definitions: &'a BTreeMap<String, Definition>,
    /// The acceptance criteria; the first is the primary one.
    pub accept: &'a [Criterion],
    /// The guardrails.
    pub guard: &'a [Criterion],
    /// Whether the candidate has no brief, so that it can be compared and never accepted.
    pub is_scratch: bool,
    /// The baseline that the brief promises, where it is not the one compared with.
    pub promised_baseline: Option<String>,
    /// What was amended after the first run, in words.
    pub amended: Option<String>,
    /// The number of candidates that this one was picked from and not yet confirmed since.
    pub unconfirmed_best_of: Option<usize>,
    /// What was seen at each look so far before all planned trials were in.
    pub looks: Vec<Seen>,
    /// Whether the candidate is some runs of an experiment, picked by a label, a filter or by hand.
    pub is_selection: bool,
    /// Whether a bootstrap interval is wanted beside the others.
    pub cross_check: bool,
    /// The variants that the topic's results must hold over.
    pub scope: &'a BTreeMap<String, Vec<String>>,
    /// How many candidates were ever compared with this baseline, this one included.
    pub family: usize,
    /// The runs of both sides that were withdrawn.
    pub withdrawn: Vec<WithdrawnRuns>,
}

/// Two cells side by side, and what they say.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The cells, and what was left out.
    pub matchup: Matchup<'a>,
    /// What the newest runs of the two cells differ in.
    pub difference: Difference,
    /// The metrics, each as a whole and then case by case.
    pub rows: Vec<Row>,
    /// The criteria and guardrails with their answers, the primary one first.
    pub answers: Vec<Answered>,
    /// What the numbers say of the brief.
    pub outcome: Outcome,
    /// Why, each a clause.
    pub reasons: Vec<String>,
    /// How strong the evidence is.
    pub confidence: Confidence,
    /// Why it is not stronger.
    pub confidence_reason: String,
    /// Trials or pairs so far and how many are planned, where this is a look before the plan is fulfilled.
    pub interim: Option<(usize, usize)>,
    /// Which look it is, before all planned trials are in: this one included.
    pub looks: usize,
    /// The chance that the plan shows the primary criterion, if effect and noise are what they seem at this interim look.
    pub chance: Option<f64>,
    /// How many candidates were ever compared with this baseline.
    pub family: usize,
    /// What makes it weaker than the numbers look, each a clause.
    pub warnings: Vec<String>,
    /// The runs of both sides that are left out because they were withdrawn.
    pub withdrawn: Vec<WithdrawnRuns>,
    /// Other hardware on which both sides ran, with what the comparison says there.
    pub strata: Vec<(String, Outcome)>,
    /// What is seen: what tells this look from others.
    pub seen: Seen,
    /// What the confidence was computed from.
    ground: Ground,
}

/// What `--check` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It cannot be told.
    Unknown,
}

impl Comparison<'_> {
    /// Whether it is to be accepted.
    pub fn is_accepted(&self) -> Check {
        match self.outcome {
            Outcome::Accept => Check::Yes,
            Outcome::Reject => Check::No,
            Outcome::GuardrailNotShown | Outcome::Unclear => Check::Unknown,
        }
    }

    /// Whether nothing is shown to be worse: no metric of the brief, or without a brief none that has a direction.
    ///
    /// An effect that is shown to be smaller than any that matters is not held against it.
    pub fn is_not_worse(&self) -> Check {
        let named: BTreeSet<&str> =
            self.answers.iter().map(|answer| answer.criterion.metric.as_str()).collect();
        let asked: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.verdict.is_some() && (named.is_empty() || named.contains(row.name.as_str())))
            .collect();
        let seems_worse = |row: &&Row| row.verdict == Some(Verdict::Worse) && !row.is_negligible;
        // What ran at different times shows nothing.
        let is_worse = |row: &&Row| seems_worse(row) && !row.is_exploratory;
        let fails = |answer: &Answered| answer.role == Role::Guard && answer.answer == Answer::Fails;
        let failing = self.rows.iter().filter(|row| row.name == FAILURE_RATE);
        if asked.iter().copied().chain(failing).any(|row| is_worse(&row)) || self.answers.iter().any(fails) {
            Check::No
        } else if asked.is_empty()
            || asked.iter().copied().any(|row| seems_worse(&row))
            || asked.iter().any(|row| row.case.is_none() && row.interval.is_none())
        {
            Check::Unknown
        } else {
            Check::Yes
        }
    }

    /// Takes in what the same two sides came to on other hardware, which is never pooled.
    pub fn add_strata(&mut self, others: &[Self]) {
        for other in others {
            self.strata.push((other.matchup.candidate.hardware().to_owned(), other.outcome));
            // What is weak elsewhere shows nothing there.
            if other.ground.weaknesses.is_empty() {
                let held = other.ground.held.get("hardware").into_iter().flatten().cloned();
                self.ground.held.entry("hardware".to_owned()).or_default().extend(held);
            }
        }
        (self.confidence, self.confidence_reason) = self.ground.confidence();
    }

    /// Whether both sides ran under the same conditions: hardware, inputs, dataset, environment, evaluation code.
    pub fn is_like_with_like(&self) -> bool {
        use super::difference::Axis;
        let unlike = [Axis::Inputs, Axis::Dataset, Axis::Environment, Axis::Hardware];
        self.matchup.is_one_evaluation() && !self.difference.axes().iter().any(|axis| unlike.contains(axis))
    }
}

/// A comparison whose verdict is not yet known.
struct Prepared<'a, 't> {
    matchup: Matchup<'a>,
    difference: Difference,
    terms: &'t Terms<'t>,
    judged: Vec<Judged>,
    answers: Vec<Answered>,
    interim: Option<(usize, usize)>,
    failures: (Failures, Failures),
}

/// Judges candidates that are compared with one baseline: each with what it differs in and what it is judged by.
pub fn compare<'a>(candidates: Vec<(Matchup<'a>, Difference, &Terms<'_>)>) -> Vec<Comparison<'a>> {
    let mut smallest_effects = SmallestEffects::default();
    let mut prepared: Vec<Prepared<'a, '_>> = candidates
        .into_iter()
        .map(|(matchup, difference, terms)| prepare(matchup, difference, terms, &mut smallest_effects))
        .collect();
    let family = prepared.iter().map(|it| it.terms.family).max().unwrap_or(1).max(prepared.len()).max(1);
    adjust(&mut prepared, family);
    let held = held_in_family(&prepared, family);
    prepared.into_iter().zip(held).map(|(prepared, held)| finish(prepared, held, family)).collect()
}

fn prepare<'a, 't>(
    matchup: Matchup<'a>,
    difference: Difference,
    terms: &'t Terms<'t>,
    smallest_effects: &mut SmallestEffects,
) -> Prepared<'a, 't> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for cell in [&matchup.baseline, &matchup.candidate] {
        for trial in cell.with(TrialOutcome::Ended) {
            names.extend(trial.run.metrics.keys().map(String::as_str));
        }
    }
    let criteria: Vec<(&Criterion, Role)> = terms
        .accept
        .iter()
        .enumerate()
        .map(|(place, criterion)| (criterion, if place == 0 { Role::Primary } else { Role::Further }))
        .chain(terms.guard.iter().map(|criterion| (criterion, Role::Guard)))
        .collect();
    // What the brief is about comes first, then the rest by name.
    let mut order: Vec<&str> = Vec::new();
    for name in criteria.iter().map(|(criterion, _)| criterion.metric.as_str()).chain(names) {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    let interim = interim(&matchup);
    let failures = (failures(&matchup.baseline), failures(&matchup.candidate));
    let mut judged: Vec<Judged> = Vec::new();
    for name in order.iter().filter(|name| **name != FAILURE_RATE) {
        judged.extend(rows(name, &matchup, terms));
    }
    let asked: BTreeSet<&str> = criteria.iter().map(|(criterion, _)| criterion.metric.as_str()).collect();
    // Without a plan, one looks as long as one likes.
    let is_open = interim.is_some() || matchup.planned.is_none();
    let (from, to) = matchup.representatives();
    for it in &mut judged {
        let is_asked = asked.contains(it.row.name.as_str());
        if is_asked {
            it.add_smallest_effect(smallest_effects);
        }
        if is_open && (is_asked || (asked.is_empty() && it.row.better.is_some())) {
            it.add_anytime();
        }
        if terms.cross_check && (is_asked || asked.is_empty()) {
            it.add_bootstrap([from.id, to.id]);
        }
    }
    let answers = criteria
        .into_iter()
        .map(|(criterion, role)| {
            if criterion.metric == FAILURE_RATE {
                return answered_for_failures(criterion, role, failures.0, failures.1);
            }
            let own: Vec<Judged> = judged.iter().filter(|it| it.row.name == criterion.metric).cloned().collect();
            let mut answered = answered(criterion, role, &own, matchup.look);
            let is_reported = own.iter().any(|it| it.data.is_some());
            if is_reported && !is_declared(criterion, &own, terms) {
                answered.answer = Answer::Unclear;
                answered.reason = Some(format!(
                    "`{0}` is not declared: say in `exp.toml` under `[metrics.{0}]` whether it is measured, a quality or exact",
                    criterion.metric
                ));
            }
            answered
        })
        .collect();
    Prepared { matchup, difference, terms, judged, answers, interim, failures }
}

/// Whether it is known what a criterion's metric depends on, without which nobody knows how to judge it.
fn is_declared(criterion: &Criterion, own: &[Judged], terms: &Terms<'_>) -> bool {
    super::metric::built_in(&criterion.metric).is_some()
        || terms.definitions.contains_key(&criterion.metric)
        || own.iter().any(|it| it.row.kind == Kind::Measured)
}

/// How far the plan is fulfilled, where it is not.
fn interim(matchup: &Matchup<'_>) -> Option<(usize, usize)> {
    let planned = matchup.planned? as usize;
    if matchup.is_stale {
        return Some((0, planned));
    }
    let ended = |cell: &Cell<'_>| cell.count(TrialOutcome::Ended) + cell.count(TrialOutcome::Failed);
    let (from, to) = (ended(&matchup.baseline), ended(&matchup.candidate));
    let wanted = matchup.wanted.unwrap_or(planned);
    let fewest = if matchup.look.is_some() { wanted } else { planned };
    if from < fewest {
        return Some((from.min(to), planned));
    }
    (to < wanted).then_some((to, wanted))
}

fn failures(cell: &Cell<'_>) -> Failures {
    let failed = cell.count(TrialOutcome::Failed);
    Failures { failed, trials: failed + cell.count(TrialOutcome::Ended) }
}

/// Puts Holm's p-values into the rows: over the candidates shown and those that were compared before.
fn adjust(prepared: &mut [Prepared<'_, '_>], family: usize) {
    // Which candidate, which of its rows, and the p-value.
    type Places = Vec<(usize, usize, f64)>;
    let mut places: BTreeMap<(String, Option<String>), Places> = BTreeMap::new();
    for (which, it) in prepared.iter().enumerate() {
        for (place, judged) in it.judged.iter().enumerate() {
            if let Some(p_value) = judged.row.p_value {
                let name = (judged.row.name.clone(), judged.row.case.clone());
                places.entry(name).or_default().push((which, place, p_value));
            }
        }
    }
    for places in places.into_values() {
        let p_values: Vec<f64> = places.iter().map(|(_, _, p_value)| *p_value).collect();
        for ((which, place, _), adjusted) in places.into_iter().zip(holm(&p_values, family)) {
            prepared[which].judged[place].row.p_adjusted = Some(adjusted);
        }
    }
}

/// Which primary criteria hold even when the error is shared by the whole family.
///
/// Holm's step-down, by bounds instead of p-values: with each one that holds, one fewer shares the error.
fn held_in_family(prepared: &[Prepared<'_, '_>], family: usize) -> Vec<bool> {
    let primary: Vec<Option<(&Criterion, &Judged)>> = prepared
        .iter()
        .map(|it| {
            let answer =
                it.answers.first().filter(|it| it.role == Role::Primary && it.answer == Answer::Holds)?;
            let judged = it.judged.iter().find(|judged| judged.row.name == answer.criterion.metric)?;
            Some((&answer.criterion, judged))
        })
        .collect();
    let mut held = vec![false; prepared.len()];
    loop {
        let before = held.iter().filter(|held| **held).count();
        let candidates = (family - before.min(family - 1)) as f64;
        for ((held, primary), it) in held.iter_mut().zip(&primary).zip(prepared) {
            let whole = match it.matchup.look {
                Some(look) => look.level,
                None => Some(Level::FIVE_PERCENT),
            };
            let level = whole.and_then(|level| Level::new(level.share() / candidates));
            *held |= primary.zip(level).is_some_and(|((criterion, judged), level)| {
                holds_at(criterion, judged, level) == Answer::Holds
            });
        }
        if held.iter().filter(|held| **held).count() == before {
            return held;
        }
    }
}

fn finish<'a>(prepared: Prepared<'a, '_>, holds_in_family: bool, family: usize) -> Comparison<'a> {
    let Prepared { matchup, difference, terms, judged, answers, interim, failures } = prepared;
    let asked: Vec<&str> = answers.iter().map(|it| it.criterion.metric.as_str()).collect();
    let warnings = warnings(&matchup, &difference, &judged, &asked);
    let failure_row = failure_row(failures.0, failures.1, &answers);
    let primary = answers.first().filter(|it| it.role == Role::Primary);
    let primary_row =
        primary.and_then(|it| judged.iter().find(|judged| judged.row.name == it.criterion.metric));
    let holds = (primary.is_some_and(|it| it.answer == Answer::Holds), holds_in_family);
    let seen = Seen::of(&matchup, interim);
    let looks_before = terms.looks.iter().filter(|known| **known != seen).count();
    let obstacles = obstacles(&matchup, terms, interim, failures, primary_row, holds, (looks_before, family));
    let text = |it: &Answered| (it.criterion.to_string(), it.answer);
    let evidence = Evidence {
        primary: primary.map(text),
        guards: answers.iter().filter(|it| it.role == Role::Guard).map(text).collect(),
        fails_more_often: failure_row.as_ref().is_some_and(|row| row.verdict == Some(Verdict::Worse)),
        obstacles: obstacles.clone(),
    };
    let (outcome, mut reasons) = judge(&evidence);
    let chance = interim.and_then(|(_, planned)| {
        let criterion = &primary?.criterion;
        primary_row?
            .data
            .as_ref()
            .and_then(|data| answer::chance(criterion, primary_row?.row.kind, data, planned))
    });
    if let Some(chance) = chance.filter(|chance| *chance < FUTILE && outcome == Outcome::Unclear) {
        reasons.push(format!(
            "it is futile as it stands: the plan would show the primary criterion with a chance of {:.0} %",
            100.0 * chance
        ));
    }
    reasons.extend(answers.iter().filter_map(|it| {
        let reason = it.reason.as_ref()?;
        Some(format!("`{}`: {reason}", it.criterion))
    }));
    let ground = self::ground(&matchup, terms, &judged, primary, obstacles);
    let (confidence, confidence_reason) = ground.confidence();
    let mut rows: Vec<Row> = judged.into_iter().map(|judged| judged.row).collect();
    rows.extend(failure_row);
    Comparison {
        matchup,
        difference,
        rows,
        answers,
        outcome,
        reasons,
        confidence,
        confidence_reason,
        looks: looks_before + usize::from(interim.is_some()),
        interim,
        chance,
        family,
        warnings,
        withdrawn: terms.withdrawn.clone(),
        strata: Vec::new(),
        seen,
        ground,
    }
}

/// What stands against accepting, however good the numbers.
fn obstacles(
    matchup: &Matchup<'_>,
    terms: &Terms<'_>,
    interim: Option<(usize, usize)>,
    failures: (Failures, Failures),
    primary: Option<&Judged>,
    (primary_holds, holds_in_family): (bool, bool),
    (looks_before, family): (usize, usize),
) -> Vec<String> {
    let mut obstacles = Vec::new();
    if terms.is_scratch {
        obstacles.push("it has no brief: it can be compared, never accepted".to_owned());
    }
    if let Some((so_far, planned)) = interim {
        let look = match looks_before {
            0 => "an interim look".to_owned(),
            before => format!("interim look {}", before + 1),
        };
        let fresh = if matchup.is_stale { "fresh trials of the changed plan" } else { "planned trials" };
        obstacles.push(format!("this is {look}: {so_far} of {planned} {fresh}"));
    }
    for (side, failures) in [("baseline", failures.0), ("candidate", failures.1)] {
        if failures.failed > 0 {
            obstacles.push(format!("{} of {} trials of the {side} failed", failures.failed, failures.trials));
        }
    }
    if !matchup.is_one_hardware() {
        obstacles.push("the sides ran on different hardware".to_owned());
    } else if primary.is_some_and(|judged| judged.row.is_exploratory) {
        obstacles.push(
            "the sides ran at different times and no noise floor covers the gap: run them in pairs with `--against`"
                .to_owned(),
        );
    }
    if !matchup.is_one_evaluation() {
        obstacles.push("the sides were evaluated by different code".to_owned());
    }
    let unlike = matchup.unlike_inputs();
    if !unlike.is_empty() {
        obstacles.push(format!(
            "the inputs have other shapes, or are on other devices (`{}`)",
            unlike.join("`, `")
        ));
    }
    if terms.is_selection {
        obstacles
            .push("it is a selection of runs: name the experiment to have all of them judged".to_owned());
    }
    obstacles.extend(cut_short(matchup, terms));
    let (from, to) = (&matchup.baseline, &matchup.candidate);
    obstacles.extend(terms.withdrawn.iter().filter_map(|it| it.obstacle(from, to)));
    if let Some(promised) = &terms.promised_baseline {
        obstacles.push(format!("the brief promises a comparison with `{promised}`"));
    }
    if let Some(candidates) = terms.unconfirmed_best_of.filter(|_| !matchup.is_confirmed) {
        obstacles.push(format!(
            "it is the best of {candidates} and unconfirmed: repeat it with `git exp run --confirm`"
        ));
    }
    if family > 1 && primary_holds && !holds_in_family {
        obstacles.push(format!(
            "it does not hold once the error is shared by the {family} candidates compared so far"
        ));
    }
    obstacles
}

/// Trials that were cut short once they had told what they would come to: stopping the bad ones would be a way to win.
fn cut_short(matchup: &Matchup<'_>, terms: &Terms<'_>) -> Vec<String> {
    let asked = |trial: &Trial<'_>| {
        terms.accept.iter().chain(terms.guard).any(|it| trial.run.metrics.contains_key(&it.metric))
    };
    let telling =
        |side: PairSide| matchup.cut_short.iter().filter(|(own, trial)| *own == side && asked(trial)).count();
    [PairSide::Baseline, PairSide::Candidate]
        .into_iter()
        .map(|side| (side, telling(side)))
        .filter(|(_, count)| *count > 0)
        .map(|(side, count)| {
            let trials = counted(count, "trial");
            format!(
                "{trials} of the {side} had reported a result when cut short: repeat it with `git exp run --confirm`"
            )
        })
        .collect()
}

/// What the strength of the evidence is computed from.
fn ground(
    matchup: &Matchup<'_>,
    terms: &Terms<'_>,
    judged: &[Judged],
    primary: Option<&Answered>,
    obstacles: Vec<String>,
) -> Ground {
    let mut weaknesses = obstacles;
    if primary.is_none() && !terms.is_scratch {
        weaknesses.push("there is no acceptance criterion".to_owned());
    }
    if let Some(amended) = &terms.amended {
        weaknesses.push(amended.clone());
    }
    let ended = |cell: &Cell<'_>| cell.count(TrialOutcome::Ended);
    let trials = ended(&matchup.baseline).min(ended(&matchup.candidate));
    if trials < 3 {
        let are = if trials == 1 { "is" } else { "are" };
        weaknesses.push(format!("{} {are} too few for an interval", counted(trials, "trial")));
    }
    let is_exact = |cell: &Cell<'_>| cell.trials().iter().all(|trial| trial.run.code.is_exact());
    if !is_exact(&matchup.baseline) || !is_exact(&matchup.candidate) {
        weaknesses.push("the recorded code is not exactly what ran".to_owned());
    }
    let changed = |cell: &Cell<'_>| cell.trials().iter().any(|trial| trial.run.evaluation_changed);
    if changed(&matchup.baseline) || changed(&matchup.candidate) {
        weaknesses.push("the evaluation code changed since the topic began".to_owned());
    }
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if let Some(primary) = primary.filter(|it| it.answer == Answer::Holds) {
        let mut hold = |name: &str, value: String| {
            held.entry(name.to_owned()).or_default().insert(value);
        };
        for trial in matchup.candidate.with(TrialOutcome::Ended) {
            trial.run.seed.into_iter().for_each(|seed| hold("seeds", seed.to_string()));
        }
        hold("hardware", matchup.candidate.hardware().to_owned());
        for case in judged.iter().filter(|it| it.row.name == primary.criterion.metric) {
            if let Some(name) = &case.row.case
                && holds_at(&primary.criterion, case, Level::FIVE_PERCENT) == Answer::Holds
            {
                hold("cases", name.clone());
            }
        }
    }
    Ground { weaknesses, trials, scope: terms.scope.clone(), held }
}

/// The failure rate as a metric of its own, where a trial failed or a criterion asks for it.
fn failure_row(baseline: Failures, candidate: Failures, answers: &[Answered]) -> Option<Row> {
    let is_asked = answers.iter().any(|it| it.criterion.metric == FAILURE_RATE);
    if baseline.failed + candidate.failed == 0 && !is_asked {
        return None;
    }
    let half = Level::new(Level::FIVE_PERCENT.share() / 2.0).expect("half of five percent is a level");
    let effect = failure_rate::difference(baseline, candidate, half);
    let bounds = failure_rate::difference(baseline, candidate, Level::FIVE_PERCENT).map(|(_, bounds)| bounds);
    let interval = effect.map(|(_, interval)| interval);
    let judged = Effect {
        better: Better::Lower,
        scale: Scale::Difference,
        interval,
        bounds,
        spread: Spread::Seen,
        min_effect: None,
    };
    let numbers = |failures: Failures| {
        let values: Vec<f64> =
            (0..failures.trials).map(|at| f64::from(u8::from(at < failures.failed))).collect();
        let sample = super::statistics::Sample::new(values).ok();
        Numbers {
            n: failures.trials,
            failed: failures.failed,
            description: sample.map(|sample| super::statistics::describe::Description::of(&sample)),
        }
    };
    Some(Row {
        name: FAILURE_RATE.to_owned(),
        case: None,
        cases: Vec::new(),
        unit: None,
        kind: Kind::Quality,
        better: Some(Better::Lower),
        scale: Scale::Difference,
        baseline: numbers(baseline),
        candidate: numbers(candidate),
        estimand: Some(failure_rate::ESTIMAND),
        method: Some(failure_rate::METHOD),
        delta: effect.map(|(delta, _)| delta),
        interval,
        bounds,
        p_value: None,
        p_adjusted: None,
        welch: None,
        mann_whitney: None,
        anytime: None,
        bootstrap: None,
        smallest_effect: None,
        verdict: Some(judged.verdict()),
        is_negligible: false,
        is_exploratory: false,
        is_promising: false,
        remarks: Vec::new(),
    })
}

/// The design in words.
pub fn design_word(design: Design) -> &'static str {
    match design {
        Design::Unpaired => "unpaired",
        Design::Paired => "paired",
    }
}
