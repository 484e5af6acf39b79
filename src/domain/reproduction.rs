//! Reproductions: whether what was recorded comes out again, elsewhere or later.
//!
//! What a program computes from code, data and seed must be equal where it was equal on record, and else agree within the noise
//! on record: two one-sided tests (Schuirmann 1987) whose margin is the reach of the prediction interval for one further run
//! (Hahn and Meeker 1991, ch. 4). What varies with the machine is judged by the ratio of candidate to baseline in the same way.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{EntryId, ExperimentId, ObjectName};
use super::metric::{BUILT_IN, Definition, Kind, Scale, Value, built_in, words};
use super::number::significant;
use super::run::PairSide;
use super::statistics::describe::Moments;
use super::statistics::distribution::student_upper_quantile;
use super::statistics::equivalence::is_same;
use super::statistics::estimate::LOG_TOLERANCE;
use super::statistics::paired::paired;
use super::statistics::student::Student;
use super::statistics::welch::welch;
use super::statistics::{Design, Interval, Level, Sample, choose, estimate};

/// What a repetition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All that decides came out as recorded.
    Reproduced,
    /// Something that decides came out otherwise.
    Diverged,
    /// It cannot be told.
    NotComparable,
}

words!(Outcome { Reproduced = "reproduced", Diverged = "diverged", NotComparable = "not comparable" });

/// What a metric was held against its record by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Equality with the recorded value.
    Equal,
    /// Agreement within the recorded noise.
    Noise,
    /// Agreement of the ratio of candidate to baseline with the recorded ratio.
    Ratio,
    /// Nothing: it is shown.
    Shown,
}

words!(Rule { Equal = "equal", Noise = "noise", Ratio = "ratio", Shown = "shown" });

/// A repetition of what was recorded, as it is put on record itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Reproduction {
    /// The experiment that was repeated.
    pub experiment: ExperimentId,
    /// The entry that registered it; absent for a day's scratch.
    pub registration: Option<EntryId>,
    /// What was repeated.
    pub target: Target,
    /// The code of the candidate, or of the run.
    pub commit: ObjectName,
    /// The code of the baseline, where that ran too.
    pub baseline: Option<ObjectName>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why, each a clause.
    pub reasons: Vec<String>,
    /// How many trials each side was to have.
    pub trials: u32,
    /// Metric by metric.
    pub metrics: Vec<Judgement>,
    /// What differs around it.
    pub differences: Vec<Surrounding>,
    /// The digest of the hardware it ran on.
    pub hardware: String,
    /// How long all of it took, in seconds.
    pub wall_seconds: f64,
}

/// What is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A run, and those of its cell or series.
    Run(EntryId),
    /// A seal.
    Seal {
        /// The tag.
        tag: String,
        /// The object of the tag, so that a moved tag is not taken for it.
        object: ObjectName,
        /// The digest of the manifest.
        manifest: String,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(id) => f.write_str(&id.short()),
            Self::Seal { tag, .. } => f.write_str(tag),
        }
    }
}

/// What one metric came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The metric.
    pub name: String,
    /// The case.
    pub case: Option<String>,
    /// The side whose values these are; absent for a ratio of both.
    pub side: Option<PairSide>,
    /// What it was judged by.
    pub rule: Rule,
    /// What it came to; absent where it is only shown.
    pub outcome: Option<Outcome>,
    /// The unit of both values; none for a ratio.
    pub unit: Option<String>,
    /// The mean on record, or the ratio.
    pub recorded: Option<f64>,
    /// The same here.
    pub here: Option<f64>,
    /// One-sided 95 % bounds for what is here beyond the record: a relative change of a ratio, else in the metric's unit.
    pub bounds: Option<Interval>,
    /// How far from the record is still the same, on the same scale.
    pub margin: Option<f64>,
    /// In a clause.
    pub why: String,
}

/// Something around the repetition that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surrounding {
    /// The axis it belongs to, as `environment`.
    pub axis: String,
    /// What it is.
    pub name: String,
    /// As recorded.
    pub recorded: Option<String>,
    /// As it is here.
    pub here: Option<String>,
}

/// What one trial came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Its seed.
    pub seed: Option<u64>,
    /// What it shares with its partner, where it was run as one of a pair.
    pub pair: Option<String>,
    /// Its metrics.
    pub metrics: BTreeMap<String, Value>,
    /// Whether it repeats a trial only to see whether the same comes out.
    pub is_repeat: bool,
}

/// Trials of both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// Those of the baseline; none where there is none.
    pub baseline: Vec<Observed>,
    /// Those of the candidate.
    pub candidate: Vec<Observed>,
}

/// What is judged, and by what.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What metrics mean.
    pub definitions: BTreeMap<String, Definition>,
    /// The metrics that the brief names; absent without a brief.
    pub promised: Option<BTreeSet<String>>,
    /// Whether the hardware is the recorded one.
    pub is_same_hardware: bool,
}

/// A metric, or one case of it.
type Key = (String, Option<String>);

/// The smallest change of a ratio that says something, where none is declared.
const SMALLEST_CHANGE: f64 = 0.05;
/// The largest change of a ratio that noise can excuse.
const LARGEST_CHANGE: f64 = 0.5;
/// Fewer values than this on either side cannot tell.
const FEWEST: usize = 3;
/// How often values that are all right may be called far out.
const FAR_OUT: f64 = 0.01;

impl Terms {
    fn kind(&self, name: &str, value: Option<&Value>) -> Kind {
        let declared = self.definitions.get(name).cloned().or_else(|| built_in(name));
        declared.and_then(|it| it.kind).or(value.and_then(|it| it.kind)).unwrap_or(Kind::Quality)
    }

    /// Whether a measured metric decides: the brief names it; or without a brief, the command reported it.
    fn decides(&self, name: &str) -> bool {
        match &self.promised {
            Some(promised) => promised.contains(name),
            None => BUILT_IN.iter().all(|(known, _)| *known != name),
        }
    }

    /// Whether any speed or size is to be judged, so that both sides must run.
    pub fn wants_both(&self, recorded: &Trials) -> bool {
        let has_both = !recorded.baseline.is_empty() && !recorded.candidate.is_empty();
        has_both
            && keys(&recorded.candidate).into_iter().any(|key| {
                self.kind(&key.0, find(&recorded.candidate, &key)) == Kind::Measured && self.decides(&key.0)
            })
    }

    fn smallest_change(&self, name: &str) -> f64 {
        let declared =
            self.definitions.get(name).filter(|it| it.scale == Scale::Ratio).and_then(|it| it.min_effect);
        declared.unwrap_or(SMALLEST_CHANGE).max(f64::EPSILON)
    }

    /// The trials, at most one a side, that must be run once more to tell whether the same comes out each time here: their
    /// value is another than the recorded one, and the record alone does not say that the value is fixed.
    pub fn open_questions(&self, recorded: &Trials, here: &Trials) -> Vec<(PairSide, usize)> {
        let sides = [
            (PairSide::Candidate, &recorded.candidate, &here.candidate),
            (PairSide::Baseline, &recorded.baseline, &here.baseline),
        ];
        let of_side = |(side, recorded, here): (PairSide, &Vec<Observed>, &Vec<Observed>)| {
            let place = keys(recorded).into_iter().find_map(|key| {
                if self.kind(&key.0, find(recorded, &key)) == Kind::Measured {
                    return None;
                }
                let record = Record::of(recorded, &key);
                if !record.is_steady() || record.is_shown_fixed() {
                    return None;
                }
                here.iter().position(|it| value(it, &key).is_some_and(|new| !record.has(it.seed, new)))
            })?;
            Some((side, place))
        };
        sides.into_iter().filter_map(of_side).collect()
    }
}

/// What all metrics come to.
pub fn judge(recorded: &Trials, here: &Trials, terms: &Terms) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for (side, recorded, here) in [
        (PairSide::Candidate, &recorded.candidate, &here.candidate),
        (PairSide::Baseline, &recorded.baseline, &here.baseline),
    ] {
        if here.is_empty() {
            continue;
        }
        for key in keys(recorded) {
            if terms.kind(&key.0, find(recorded, &key)) != Kind::Measured {
                judgements.push(quality(side, &key, recorded, here, terms));
            }
        }
    }
    for key in keys(&recorded.candidate) {
        if terms.kind(&key.0, find(&recorded.candidate, &key)) == Kind::Measured {
            let judged = measured(&key, recorded, here, terms);
            let sides: &[PairSide] = match judged.rule {
                Rule::Ratio => &[PairSide::Candidate, PairSide::Baseline],
                _ => &[],
            };
            judgements.push(judged);
            let of_machine = "it varies with the machine; its ratio is judged";
            judgements.extend(sides.iter().map(|side| shown(*side, &key, recorded, here, of_machine)));
        }
    }
    judgements
}

/// What the whole comes to, and why.
pub fn outcome(judgements: &[Judgement]) -> (Outcome, Vec<String>) {
    let because = |outcome: Outcome| -> Vec<String> {
        let led = judgements.iter().filter(|it| it.outcome == Some(outcome));
        led.map(|it| format!("{}: {}", it.label(), it.why)).collect()
    };
    for outcome in [Outcome::Diverged, Outcome::NotComparable, Outcome::Reproduced] {
        let reasons = because(outcome);
        if !reasons.is_empty() {
            return (outcome, if outcome == Outcome::Reproduced { Vec::new() } else { reasons });
        }
    }
    (Outcome::NotComparable, vec!["no metric could be judged".to_owned()])
}

impl Trials {
    /// Those of one side.
    pub fn side(&self, side: PairSide) -> &[Observed] {
        match side {
            PairSide::Baseline => &self.baseline,
            PairSide::Candidate => &self.candidate,
        }
    }
}

impl Judgement {
    /// The metric with its case, and the side where that is the baseline.
    pub fn label(&self) -> String {
        let case = self.case.as_ref().map(|case| format!("[{case}]")).unwrap_or_default();
        let side = if self.side == Some(PairSide::Baseline) { " of the baseline" } else { "" };
        format!("{}{case}{side}", self.name)
    }
}

/// The metrics that any trial reported.
fn keys(trials: &[Observed]) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for (name, it) in trials.iter().flat_map(|trial| &trial.metrics) {
        keys.extend(it.value.map(|_| (name.clone(), None)));
        keys.extend(it.cases.keys().map(|case| (name.clone(), Some(case.clone()))));
    }
    keys
}

fn find<'a>(trials: &'a [Observed], key: &Key) -> Option<&'a Value> {
    trials.iter().find_map(|trial| trial.metrics.get(&key.0))
}

fn unit(trials: &[Observed], key: &Key) -> Option<String> {
    find(trials, key)?.unit.clone()
}

fn value(trial: &Observed, (name, case): &Key) -> Option<f64> {
    let metric = trial.metrics.get(name)?;
    match case {
        Some(case) => metric.cases.get(case).copied(),
        None => metric.value,
    }
}

/// Whether two values are the same to the last bit; zeros are, whatever their sign.
fn is_equal(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.abs() + b.abs()).to_bits() == 0
}

/// The values of one metric on record.
struct Record(Vec<(Option<u64>, f64)>);

impl Record {
    fn of(trials: &[Observed], key: &Key) -> Self {
        Self(trials.iter().filter_map(|it| Some((it.seed, value(it, key)?))).collect())
    }

    fn is_constant(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(|(_, it)| is_equal(*it, self.0[0].1))
    }

    /// The pairs of values that had the same seed.
    fn repeats(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.iter().enumerate().filter_map(|(place, (seed, it))| {
            let (_, first) = self.0[..place].iter().find(|(known, _)| known == seed)?;
            Some((*first, *it))
        })
    }

    /// Whether no seed gave two values.
    fn is_steady(&self) -> bool {
        self.repeats().all(|(one, other)| is_equal(one, other))
    }

    /// Whether it is more than chance that no seed gave two values.
    fn is_shown_fixed(&self) -> bool {
        self.is_constant() || (self.is_steady() && self.repeats().next().is_some())
    }

    fn with(&self, seed: Option<u64>) -> Option<f64> {
        self.0.iter().find(|(known, _)| *known == seed).map(|(_, it)| *it)
    }

    fn has(&self, seed: Option<u64>, new: f64) -> bool {
        self.with(seed)
            .or_else(|| self.is_constant().then(|| self.0[0].1))
            .is_some_and(|it| is_equal(it, new))
    }

    fn values(&self) -> Vec<f64> {
        self.0.iter().map(|(_, it)| *it).collect()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A function of code, data and seed.
fn quality(side: PairSide, key: &Key, recorded: &[Observed], here: &[Observed], terms: &Terms) -> Judgement {
    let record = Record::of(recorded, key);
    let again = Record::of(here, key);
    let fresh: Vec<Observed> = here.iter().filter(|it| !it.is_repeat).cloned().collect();
    let new = Record::of(&fresh, key);
    let mut judgement = Judgement {
        name: key.0.clone(),
        case: key.1.clone(),
        side: Some(side),
        rule: Rule::Equal,
        outcome: None,
        unit: unit(recorded, key),
        recorded: mean(&record.values()),
        here: mean(&new.values()),
        bounds: None,
        margin: None,
        why: String::new(),
    };
    if new.0.len() < fresh.len() && record.0.len() == recorded.len() {
        judgement.why = format!("reported by {} of {} trials only", new.0.len(), fresh.len());
        judgement.outcome = Some(Outcome::Diverged);
        return judgement;
    }
    let other = new.0.iter().find(|(seed, it)| !record.has(*seed, *it));
    let Some((seed, other)) = other else {
        // Of the trials that were repeated: the mean of all of them would look like another value.
        let repeated: Vec<f64> = new.0.iter().filter_map(|(seed, _)| record.with(*seed)).collect();
        judgement.recorded = mean(&repeated).filter(|_| repeated.len() == new.0.len()).or(judgement.recorded);
        judgement.why = match new.0.len() {
            1 => "equal to the recorded value".to_owned(),
            count => format!("equal to the recorded values in all {count} trials"),
        };
        judgement.outcome = Some(Outcome::Reproduced);
        return judgement;
    };
    let is_fixed_here = again.is_steady() && again.repeats().next().is_some();
    if record.is_steady() && (record.is_shown_fixed() || is_fixed_here) {
        let known = record.with(*seed).or(judgement.recorded).unwrap_or(f64::NAN);
        let seed = seed.map(|seed| format!(" for the seed {seed}")).unwrap_or_default();
        let (known, other) = (significant(known, 9), significant(*other, 9));
        judgement.why = format!("{other} instead of {known}{seed}, where it is not to vary");
        judgement.outcome = Some(if terms.is_same_hardware {
            Outcome::Diverged
        } else {
            judgement.why.push_str("; other hardware may round otherwise");
            Outcome::NotComparable
        });
        return judgement;
    }
    within_noise(&mut judgement, &record, &new);
    judgement
}

/// What varied on record, and has to agree with it within that noise.
fn within_noise(judgement: &mut Judgement, record: &Record, new: &Record) {
    judgement.rule = Rule::Noise;
    let mut answer = |outcome: Outcome, why: String| {
        judgement.outcome = Some(outcome);
        judgement.why = why;
    };
    let (Ok(from), Ok(to)) = (Sample::new(record.values()), Sample::new(new.values())) else {
        return answer(Outcome::NotComparable, "values that are not finite have no noise".to_owned());
    };
    let moments = Moments::of(&from);
    let Some(deviation) = moments.standard_deviation.filter(|_| from.size() >= FEWEST) else {
        return answer(
            Outcome::NotComparable,
            match from.size() {
                1 => "1 recorded trial says too little of its noise".to_owned(),
                size => format!("{size} recorded trials say too little of its noise"),
            },
        );
    };
    // Every new value at once: Bonferroni's share for each.
    let reach = further_run(deviation, from.size(), from.size() - 1, FAR_OUT / to.size() as f64);
    if let Some(far) = to.values().iter().find(|it| (*it - moments.mean).abs() > reach) {
        let (far, centre, reach) =
            (significant(*far, 6), significant(moments.mean, 6), significant(reach, 3));
        return answer(
            Outcome::Diverged,
            format!("{far} is beyond all noise of the record, {centre} ± {reach}"),
        );
    }
    if to.size() < FEWEST {
        return answer(
            Outcome::NotComparable,
            match to.size() {
                1 => "1 trial is too few to tell".to_owned(),
                size => format!("{size} trials are too few to tell"),
            },
        );
    }
    // Trials of one seed do not belong together one by one.
    let seeds = |record: &Record| record.0.iter().filter_map(|(seed, _)| *seed).collect::<Vec<_>>();
    let distinct: BTreeSet<u64> = seeds(record).into_iter().collect();
    let is_paired = seeds(record) == seeds(new) && distinct.len() == record.0.len();
    let design = if is_paired { Design::Paired } else { Design::Unpaired };
    let method = choose(design, Kind::Quality, Scale::Difference, from.size(), to.size());
    let bounds = estimate(method, &from, &to).ok().and_then(|it| it.bounds);
    let margin = further_run(deviation, from.size(), from.size() - 1, Level::FIVE_PERCENT.share());
    let (outcome, why) = placed(bounds, margin, |it| significant(it, 3));
    answer(outcome, why);
    (judgement.bounds, judgement.margin) = (bounds, Some(margin));
}

/// How far from the mean of `size` values one further one falls, but for `share` of them.
fn further_run(deviation: f64, size: usize, degrees: usize, share: f64) -> f64 {
    student_upper_quantile((0.5 * share).min(0.5), degrees as f64)
        * deviation
        * (1.0 + 1.0 / size as f64).sqrt()
}

/// Whether what lies between `bounds` is shown to lie within the margin, or beyond it.
fn placed(bounds: Option<Interval>, margin: f64, shown: impl Fn(f64) -> String) -> (Outcome, String) {
    let Some(it) = bounds else {
        return (Outcome::NotComparable, "too few trials to tell".to_owned());
    };
    let (low, high, within) = (shown(it.low), shown(it.high), shown(margin));
    if is_same(bounds, Interval { low: -margin, high: margin }) {
        (Outcome::Reproduced, format!("off by {low} … {high}, within ±{within}"))
    } else if it.low > margin || it.high < -margin {
        (Outcome::Diverged, format!("off by {low} … {high}, beyond ±{within}"))
    } else {
        (
            Outcome::NotComparable,
            format!("off by {low} … {high}, and ±{within} is the same: too few trials to tell"),
        )
    }
}

/// The means of a side, which decide nothing.
fn shown(side: PairSide, key: &Key, recorded: &Trials, here: &Trials, why: &str) -> Judgement {
    let of_side = |trials: &Trials| mean(&Record::of(trials.side(side), key).values());
    Judgement {
        name: key.0.clone(),
        case: key.1.clone(),
        side: Some(side),
        rule: Rule::Shown,
        outcome: None,
        unit: unit(recorded.side(side), key),
        recorded: of_side(recorded),
        here: of_side(here),
        bounds: None,
        margin: None,
        why: why.to_owned(),
    }
}

/// What varies with the machine: the ratio of candidate to baseline is judged, and nothing absolute.
fn measured(key: &Key, recorded: &Trials, here: &Trials, terms: &Terms) -> Judgement {
    let why = "it varies with the machine, and the brief does not judge it";
    let mut judgement = shown(PairSide::Candidate, key, recorded, here, why);
    if !terms.decides(&key.0) {
        return judgement;
    }
    if recorded.baseline.is_empty() {
        "it varies with the machine, and there is no baseline to take a ratio to"
            .clone_into(&mut judgement.why);
        return judgement;
    }
    (judgement.side, judgement.unit) = (None, None);
    judgement.rule = Rule::Ratio;
    let found = Ratio::of(recorded, key).zip(Ratio::of(here, key));
    let Some((before, now)) = found else {
        (judgement.recorded, judgement.here) = (None, None);
        "too few trials of both sides with values above zero".clone_into(&mut judgement.why);
        judgement.outcome = Some(Outcome::NotComparable);
        return judgement;
    };
    judgement.recorded = Some(before.student.effect.exp());
    judgement.here = Some(now.student.effect.exp());
    let reach = further_run(before.deviation, before.size, before.degrees, Level::FIVE_PERCENT.share());
    let smallest = terms.smallest_change(&key.0).ln_1p();
    let margin = reach.min(LARGEST_CHANGE.ln_1p()).max(smallest);
    let apart = apart(before.student, now.student).rounded(LOG_TOLERANCE);
    let bounds = (before.size >= FEWEST && now.size >= FEWEST).then(|| apart.bounds(Level::FIVE_PERCENT));
    let percent = |log: f64| format!("{} %", significant(log.exp_m1() * 100.0, 3));
    let (outcome, why) = placed(bounds, margin, percent);
    let ratio = |log: f64| significant(log.exp(), 4);
    judgement.why = format!(
        "ratio to the baseline {} recorded and {} here, {why}",
        ratio(before.student.effect),
        ratio(now.student.effect)
    );
    judgement.outcome = Some(outcome);
    judgement.bounds = bounds.map(|it| it.map(f64::exp_m1));
    judgement.margin = Some(margin.exp_m1());
    judgement
}

/// The logarithm of a ratio, and how much that of one run to one run varies.
struct Ratio {
    student: Student,
    deviation: f64,
    degrees: usize,
    size: usize,
}

impl Ratio {
    /// Of pairs where they are such, else of the sides as a whole; `None` with fewer than two values or any that has no logarithm.
    fn of(trials: &Trials, key: &Key) -> Option<Self> {
        let pairs: Vec<(f64, f64)> = trials
            .candidate
            .iter()
            .filter_map(|it| {
                let pair = it.pair.as_ref()?;
                let other = trials.baseline.iter().find(|other| other.pair.as_ref() == Some(pair))?;
                Some((value(other, key)?, value(it, key)?))
            })
            .collect();
        let logs = |values: Vec<f64>| Sample::new(values).ok()?.logs().ok();
        if pairs.len() > 1 {
            let (from, to): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let (from, to) = (logs(from)?, logs(to)?);
            let student = paired(&from, &to)?;
            let size = from.size();
            let deviation = student.standard_error * (size as f64).sqrt();
            return Some(Self { student, deviation, degrees: size - 1, size });
        }
        let from = logs(Record::of(&trials.baseline, key).values())?;
        let to = logs(Record::of(&trials.candidate, key).values())?;
        let student = welch(&from, &to)?;
        let (one, other) = (Moments::of(&from).standard_deviation?, Moments::of(&to).standard_deviation?);
        let size = from.size().min(to.size());
        let degrees = from.size() + to.size() - 2;
        Some(Self { student, deviation: one.hypot(other), degrees, size })
    }
}

/// How far two estimates are apart, with Satterthwaite's degrees of freedom (1946).
fn apart(before: Student, now: Student) -> Student {
    let (one, other) = (before.standard_error.powi(2), now.standard_error.powi(2));
    let whole = one + other;
    let degrees = if whole > 0.0 {
        whole * whole / (one * one / before.degrees + other * other / now.degrees)
    } else {
        before.degrees + now.degrees
    };
    Student { effect: now.effect - before.effect, standard_error: whole.sqrt(), degrees }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metric::Better;

    fn one(seed: u64, name: &str, value: f64) -> Observed {
        let metric = Value { value: Some(value), better: Some(Better::Lower), ..Value::default() };
        Observed {
            seed: Some(seed),
            metrics: BTreeMap::from([(name.to_owned(), metric)]),
            ..Observed::default()
        }
    }

    fn losses(values: &[f64]) -> Trials {
        let candidate = (1..).zip(values).map(|(seed, value)| one(seed, "loss", *value)).collect();
        Trials { candidate, ..Trials::default() }
    }

    fn times(baseline: &[f64], candidate: &[f64]) -> Trials {
        let side = |values: &[f64]| -> Vec<Observed> {
            let all = (1..).zip(values);
            all.map(|(number, value)| Observed {
                pair: Some(number.to_string()),
                ..one(number, "step_time", *value)
            })
            .collect()
        };
        Trials { baseline: side(baseline), candidate: side(candidate) }
    }

    fn terms() -> Terms {
        let definition = Definition { kind: Some(Kind::Measured), ..Definition::default() };
        Terms {
            definitions: BTreeMap::from([("step_time".to_owned(), definition)]),
            promised: None,
            is_same_hardware: true,
        }
    }

    fn says(recorded: &Trials, here: &Trials) -> (Rule, Outcome) {
        let judged = judge(recorded, here, &terms());
        assert_eq!(judged.iter().filter(|it| it.outcome.is_some()).count(), 1, "{judged:?}");
        (judged[0].rule, outcome(&judged).0)
    }

    #[test]
    fn equal_values_for_equal_seeds_are_reproduced() {
        let recorded = losses(&[1.25, 1.5, 0.1 + 0.2]);
        assert_eq!(says(&recorded, &recorded), (Rule::Equal, Outcome::Reproduced));
        assert_eq!(terms().open_questions(&recorded, &recorded), []);
    }

    #[test]
    fn what_is_shown_as_recorded_is_that_of_the_trials_that_were_repeated() {
        let judged = judge(&losses(&[1.0, 2.0, 6.0]), &losses(&[1.0, 2.0]), &terms());
        assert_eq!((judged[0].rule, judged[0].recorded, judged[0].here), (Rule::Equal, Some(1.5), Some(1.5)));
    }

    #[test]
    fn an_exact_metric_is_judged_too() {
        let definition = Definition { kind: Some(Kind::Exact), ..Definition::default() };
        let exact = Terms { definitions: BTreeMap::from([("loss".to_owned(), definition)]), ..terms() };
        let (recorded, other) = (losses(&[6.0, 6.0]), losses(&[6.0, 7.0]));
        assert_eq!(outcome(&judge(&recorded, &recorded, &exact)).0, Outcome::Reproduced);
        assert_eq!(outcome(&judge(&recorded, &other, &exact)).0, Outcome::Diverged);
    }

    #[test]
    fn a_value_that_never_varied_must_be_equal_to_the_last_bit() {
        let (recorded, here) = (losses(&[0.3, 0.3, 0.3]), losses(&[0.3, 0.3, 0.1 + 0.2]));
        assert_eq!(says(&recorded, &here), (Rule::Equal, Outcome::Diverged));
        let elsewhere = Terms { is_same_hardware: false, ..terms() };
        assert_eq!(outcome(&judge(&recorded, &here, &elsewhere)).0, Outcome::NotComparable);
    }

    #[test]
    fn one_value_a_seed_is_an_open_question_that_a_repeat_settles() {
        let (recorded, mut here) = (losses(&[1.0, 2.0, 3.0]), losses(&[1.0, 2.5, 3.0]));
        assert_eq!(terms().open_questions(&recorded, &here), [(PairSide::Candidate, 1)]);
        here.candidate.push(Observed { is_repeat: true, ..one(2, "loss", 2.5) });
        assert_eq!(says(&recorded, &here), (Rule::Equal, Outcome::Diverged));
        here.candidate[3] = Observed { is_repeat: true, ..one(2, "loss", 1.8) };
        assert_eq!(says(&recorded, &here), (Rule::Noise, Outcome::Reproduced));
    }

    #[test]
    fn noise_agrees_within_the_recorded_spread_and_not_beyond() {
        let with = |values: &[f64]| {
            let candidate = values.iter().map(|value| one(7, "loss", *value)).collect();
            Trials { candidate, ..Trials::default() }
        };
        let recorded = with(&[1.00, 1.02, 0.98, 1.01, 0.99]);
        assert_eq!(
            says(&recorded, &with(&[1.01, 0.99, 1.00, 1.02, 0.97])),
            (Rule::Noise, Outcome::Reproduced)
        );
        assert_eq!(says(&recorded, &with(&[1.01, 0.99, 1.00, 1.60, 0.97])), (Rule::Noise, Outcome::Diverged));
        assert_eq!(says(&recorded, &with(&[1.08; 5])), (Rule::Noise, Outcome::Diverged));
        assert_eq!(says(&recorded, &with(&[1.01, 0.99])), (Rule::Noise, Outcome::NotComparable), "too few");
        assert_eq!(says(&with(&[1.0, 1.1]), &with(&[1.0, 1.2, 1.1])), (Rule::Noise, Outcome::NotComparable));
    }

    #[test]
    fn a_ratio_survives_a_slower_machine_and_not_a_slower_candidate() {
        let recorded = times(&[100.0, 101.0, 99.0, 100.5], &[80.0, 81.0, 79.5, 80.2]);
        let slower = times(&[301.0, 299.0, 300.0, 302.0], &[241.0, 239.0, 240.0, 241.5]);
        assert_eq!(says(&recorded, &slower), (Rule::Ratio, Outcome::Reproduced));
        let doubled = times(&[100.0, 101.0, 99.0, 100.5], &[160.0, 162.0, 159.0, 160.4]);
        assert_eq!(says(&recorded, &doubled), (Rule::Ratio, Outcome::Diverged));
        let few = times(&[100.0, 101.0], &[80.0, 81.0]);
        assert_eq!(says(&recorded, &few), (Rule::Ratio, Outcome::NotComparable));
    }

    #[test]
    fn however_noisy_the_record_a_ratio_twice_as_large_is_never_the_same() {
        let recorded = times(&[100.0, 20.0, 300.0, 50.0], &[80.0, 90.0, 20.0, 200.0]);
        let doubled = times(&[100.0, 100.0, 100.0, 100.0], &[200.0, 200.0, 200.0, 200.0]);
        assert_ne!(says(&recorded, &doubled).1, Outcome::Reproduced);
    }

    #[test]
    fn without_a_baseline_a_time_is_shown_and_decides_nothing() {
        let recorded = Trials { baseline: Vec::new(), ..times(&[], &[80.0, 81.0, 79.0]) };
        let judged = judge(&recorded, &recorded, &terms());
        assert_eq!((judged[0].rule, judged[0].outcome), (Rule::Shown, None));
        assert_eq!(outcome(&judged).0, Outcome::NotComparable);
        assert!(!terms().wants_both(&recorded));
        assert!(terms().wants_both(&times(&[1.0], &[1.0])));
    }

    #[test]
    fn a_value_that_is_no_longer_reported_diverges() {
        let (recorded, mut here) = (losses(&[1.0, 2.0]), losses(&[1.0, 2.0]));
        here.candidate[1].metrics.clear();
        assert_eq!(says(&recorded, &here).1, Outcome::Diverged);
    }
}
