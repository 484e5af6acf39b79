//! One metric, or one case of it, of two cells side by side.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Terms;
use super::matchup::{Matchup, PairName, pair_name};
use crate::domain::cell::{Cell, Outcome, Trial, seconds};
use crate::domain::id::EntryId;
use crate::domain::metric::{Better, Definition, Kind, Scale, Value, built_in};
use crate::domain::number::counted;
use crate::domain::number::significant;
use crate::domain::statistics::anytime::anytime;
use crate::domain::statistics::bootstrap::cross_check;
use crate::domain::statistics::describe::Description;
use crate::domain::statistics::geometric::over_cases;
use crate::domain::statistics::mann_whitney::mann_whitney;
use crate::domain::statistics::power::{Noise, Sides, WANTED_POWER};
use crate::domain::statistics::prediction::prediction;
use crate::domain::statistics::random::Random;
use crate::domain::statistics::student::Student;
use crate::domain::statistics::welch::welch;
use crate::domain::statistics::{
    Design, Estimate, Interval, Level, Method, Sample, Spread, choose, estimate, estimate_at,
};
use crate::domain::verdict::{Effect, Verdict};

/// One metric, or one case of it, of two cells side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The metric's name.
    pub name: String,
    /// The case; absent for the metric as a whole.
    pub case: Option<String>,
    /// The cases that the row sums up, where the metric is reported for cases only.
    pub cases: Vec<String>,
    /// The unit of its values.
    pub unit: Option<String>,
    /// What its values depend on.
    pub kind: Kind,
    /// The direction in which it improves; without one there is no verdict.
    pub better: Option<Better>,
    /// Whether effects are relative or in the metric's unit.
    pub scale: Scale,
    /// The baseline's numbers.
    pub baseline: Numbers,
    /// The candidate's numbers.
    pub candidate: Numbers,
    /// What was estimated, in words.
    pub estimand: Option<&'static str>,
    /// How, in words.
    pub method: Option<&'static str>,
    /// The effect: relative to the baseline, or in the metric's unit, by `scale`.
    pub delta: Option<f64>,
    /// The 95 % interval of the effect.
    pub interval: Option<Interval>,
    /// Lower and upper bound of the effect, each alone at 95 %.
    pub bounds: Option<Interval>,
    /// The two-sided p-value of no effect, from the same method.
    pub p_value: Option<f64>,
    /// That p-value after Holm over the family of candidates.
    pub p_adjusted: Option<f64>,
    /// The two-sided p-value of Welch's t test on the values as they are.
    pub welch: Option<f64>,
    /// The two-sided p-value of the Mann–Whitney test.
    pub mann_whitney: Option<f64>,
    /// An interval that holds however often one looks; for interim looks, and where nothing was planned.
    pub anytime: Option<Interval>,
    /// The bootstrap's interval, as a cross-check of large samples.
    pub bootstrap: Option<Interval>,
    /// The smallest effect that so many trials with so much noise find four times of five.
    pub smallest_effect: Option<f64>,
    /// What the numbers say; absent where the metric has no direction.
    pub verdict: Option<Verdict>,
    /// Whether the effect is shown to be smaller than any that matters.
    pub is_negligible: bool,
    /// Whether the sides ran at different times and nothing covers the gap, so that the row proves nothing.
    pub is_exploratory: bool,
    /// Whether a single run lies outside of where the baseline's runs fall, on the good side.
    pub is_promising: bool,
    /// Why there is no more, and what else is worth knowing; each a clause.
    pub remarks: Vec<String>,
}

/// The values of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// How many values were compared.
    pub n: usize,
    /// How many trials of the cell failed.
    pub failed: usize,
    /// What the values look like; absent without any that can be described.
    pub description: Option<Description>,
}

/// A row with the samples behind it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub row: Row,
    pub data: Option<Data>,
    /// Why nothing can be said of it.
    pub refusal: Option<String>,
    /// By how much the gap in time may have moved a side; for effects on the row's scale.
    pub slack: Option<f64>,
}

/// Two samples and how they belong together.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub design: Design,
    pub baseline: Sample,
    pub candidate: Sample,
}

/// What a metric means on both sides.
struct Meaning {
    name: String,
    unit: Option<String>,
    better: Option<Better>,
    kind: Kind,
    scale: Scale,
    min_effect: Option<f64>,
}

/// One value of a trial.
#[derive(Clone, Debug)]
struct Observed {
    value: f64,
    seed: Option<u64>,
    pair: Option<PairName>,
    at: f64,
}

impl Data {
    /// The effect on a scale, at a level.
    pub fn estimate_at(&self, level: Level, kind: Kind, scale: Scale) -> Result<Estimate, String> {
        estimate_at(level, self.method(kind, scale), &self.baseline, &self.candidate)
            .map_err(|error| chain(&error))
    }

    fn method(&self, kind: Kind, scale: Scale) -> Method {
        choose(self.design, kind, scale, self.baseline.size(), self.candidate.size())
    }

    /// The noise that a plan has to reckon with.
    pub fn noise(&self, kind: Kind, scale: Scale, sides: Sides) -> Option<Noise> {
        if kind == Kind::Exact {
            return None;
        }
        let deviation = |sample: &Sample| Description::of(sample).standard_deviation;
        let (from, to) = match scale {
            Scale::Ratio => (self.baseline.logs().ok()?, self.candidate.logs().ok()?),
            Scale::Difference => (self.baseline.clone(), self.candidate.clone()),
        };
        let deviation = match self.design {
            Design::Paired => deviation(&from.differences_to(&to)?)?,
            Design::Unpaired => {
                let (from, to) = (deviation(&from)?, deviation(&to)?);
                f64::midpoint(from * from, to * to).sqrt()
            }
        };
        Some(Noise { design: self.design, kind, deviation, level: Level::FIVE_PERCENT, sides })
    }

    fn trials(&self) -> usize {
        self.baseline.size().min(self.candidate.size())
    }
}

/// An error with what lies behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The rows of one metric: as a whole, then case by case.
pub(super) fn rows(name: &str, matchup: &Matchup<'_>, terms: &Terms<'_>) -> Vec<Judged> {
    let sides = [&matchup.baseline, &matchup.candidate];
    let reported: Vec<Vec<(Trial<'_>, &Value)>> = sides.iter().map(|cell| reports(cell, name)).collect();
    let meaning = meaning(name, &reported, terms);
    let blank = || blank(&meaning, matchup);
    if reported.iter().all(Vec::is_empty) {
        return vec![refused(blank(), format!("no run reports `{name}`"))];
    }
    for (side, reports) in ["baseline", "candidate"].into_iter().zip(&reported) {
        if reports.is_empty() {
            return vec![refused(one_sided(blank(), &reported), format!("the {side} does not report it"))];
        }
    }
    let (kept, dropped) = match under_one_definition(&reported, terms) {
        Ok(kept) => kept,
        Err(difference) => {
            let why = format!("it was defined differently, so its values are not compared: {difference}");
            return vec![refused(one_sided(blank(), &reported), why)];
        }
    };
    if let Some(units) = mixed_units(&kept) {
        let why = format!("its units are mixed: {units}");
        return vec![refused(one_sided(blank(), &kept), why)];
    }
    let mut remarks = Vec::new();
    if dropped > 0 {
        let are = if dropped == 1 { "is" } else { "are" };
        remarks.push(format!("{} under another definition {are} left out", counted(dropped, "value")));
    }
    for (side, (cell, reports)) in ["baseline", "candidate"].into_iter().zip(sides.into_iter().zip(&kept)) {
        let ended = cell.count(Outcome::Ended);
        if reports.len() < ended {
            remarks.push(format!("{} of {ended} trials of the {side} have it", reports.len()));
        }
    }
    let whole = |reports: &[(Trial<'_>, &Value)]| observed(reports, |value| value.value);
    let (from, to) = (whole(&kept[0]), whole(&kept[1]));
    let mut found = Vec::new();
    let is_whole = !from.is_empty() && !to.is_empty();
    if is_whole {
        found.push(judged(&meaning, matchup, blank(), from, to, remarks.clone()));
    }
    let cases: Vec<BTreeSet<&str>> = kept
        .iter()
        .map(|reports| reports.iter().flat_map(|(_, value)| value.cases.keys().map(String::as_str)).collect())
        .collect();
    let common: Vec<&str> = cases[0].intersection(&cases[1]).copied().collect();
    let one_sided_cases: Vec<&str> = cases[0].symmetric_difference(&cases[1]).copied().collect();
    if !is_whole {
        found.push(joined(&meaning, matchup, blank(), &kept, &common, &one_sided_cases, remarks));
    }
    for case in &common {
        let of_case =
            |reports: &[(Trial<'_>, &Value)]| observed(reports, |value| value.cases.get(*case).copied());
        let mut row = blank();
        row.case = Some((*case).to_owned());
        found.push(judged(&meaning, matchup, row, of_case(&kept[0]), of_case(&kept[1]), Vec::new()));
    }
    for case in one_sided_cases {
        let side = if cases[0].contains(case) { "candidate" } else { "baseline" };
        let mut row = blank();
        row.case = Some(case.to_owned());
        found.push(refused(row, format!("the {side} does not report this case")));
    }
    found
}

fn reports<'t>(cell: &Cell<'t>, name: &str) -> Vec<(Trial<'t>, &'t Value)> {
    cell.with(Outcome::Ended).filter_map(|trial| Some((trial, trial.run.metrics.get(name)?))).collect()
}

fn observed(reports: &[(Trial<'_>, &Value)], value: impl Fn(&Value) -> Option<f64>) -> Vec<Observed> {
    reports
        .iter()
        .filter_map(|(trial, reported)| {
            Some(Observed {
                value: value(reported)?,
                seed: trial.run.seed,
                pair: pair_name(trial),
                at: seconds(trial.run.started),
            })
        })
        .collect()
}

/// What the metric means: as it was recorded, and for what is not recorded as it is declared.
fn meaning(name: &str, reported: &[Vec<(Trial<'_>, &Value)>], terms: &Terms<'_>) -> Meaning {
    let declared = terms.definitions.get(name).cloned().or_else(|| built_in(name));
    let newest = reported.iter().rev().find_map(|reports| reports.last()).map(|(_, value)| *value);
    let declared = declared.as_ref();
    Meaning {
        name: name.to_owned(),
        unit: newest.map_or_else(|| declared.and_then(|it| it.unit.clone()), |value| value.unit.clone()),
        better: newest.and_then(|value| value.better).or_else(|| declared?.better),
        kind: declared.and_then(|it| it.kind).or_else(|| newest?.kind).unwrap_or(Kind::Quality),
        scale: declared.map(|it| it.scale).unwrap_or_default(),
        min_effect: declared.and_then(|it| it.min_effect),
    }
}

fn blank(meaning: &Meaning, matchup: &Matchup<'_>) -> Row {
    let numbers = |cell: &Cell<'_>| Numbers { failed: cell.count(Outcome::Failed), ..Numbers::default() };
    Row {
        name: meaning.name.clone(),
        case: None,
        cases: Vec::new(),
        unit: meaning.unit.clone(),
        kind: meaning.kind,
        better: meaning.better,
        scale: meaning.scale,
        baseline: numbers(&matchup.baseline),
        candidate: numbers(&matchup.candidate),
        estimand: None,
        method: None,
        delta: None,
        interval: None,
        bounds: None,
        p_value: None,
        p_adjusted: None,
        welch: None,
        mann_whitney: None,
        anytime: None,
        bootstrap: None,
        smallest_effect: None,
        verdict: meaning.better.map(|_| Verdict::Unclear),
        is_negligible: false,
        is_exploratory: false,
        is_promising: false,
        remarks: Vec::new(),
    }
}

fn refused(mut row: Row, why: String) -> Judged {
    row.remarks.insert(0, why.clone());
    Judged { row, data: None, refusal: Some(why), slack: None }
}

/// The row with what each side has by itself.
fn one_sided(mut row: Row, reported: &[Vec<(Trial<'_>, &Value)>]) -> Row {
    let units: BTreeSet<Option<&str>> =
        reported.iter().flatten().map(|(_, value)| value.unit.as_deref()).collect();
    if units.len() > 1 {
        row.unit = None;
    }
    for (numbers, reports) in [&mut row.baseline, &mut row.candidate].into_iter().zip(reported) {
        let values: Vec<f64> = reports.iter().filter_map(|(_, value)| value.value).collect();
        numbers.n = values.len();
        numbers.description = Sample::new(values).ok().map(|sample| Description::of(&sample));
    }
    row
}

type Reports<'t> = Vec<Vec<(Trial<'t>, &'t Value)>>;

/// The reports under the definition that both sides have, and how many are under others; else what the definitions
/// differ in.
fn under_one_definition<'t>(
    reported: &Reports<'t>,
    terms: &Terms<'_>,
) -> Result<(Reports<'t>, usize), String> {
    let definitions = |reports: &[(Trial<'t>, &'t Value)]| -> BTreeSet<Option<&'t str>> {
        reports.iter().map(|(_, value)| value.definition.as_deref()).collect()
    };
    let known = definitions(&reported[0]);
    let newest = reported[1].iter().rev().map(|(_, value)| value.definition.as_deref());
    let mut newest = newest;
    let Some(common) = newest.find(|definition| known.contains(definition)) else {
        let (from, to) = (reported[0].last(), reported[1].last());
        let (from, to) = from.zip(to).expect("both sides report it");
        return Err(definition_difference(from.1, to.1, terms));
    };
    let mut dropped = 0;
    let kept = reported
        .iter()
        .map(|reports| {
            let kept: Vec<_> =
                reports.iter().filter(|(_, value)| value.definition.as_deref() == common).copied().collect();
            dropped += reports.len() - kept.len();
            kept
        })
        .collect();
    Ok((kept, dropped))
}

/// What the definitions of two values differ in, as far as it is known.
fn definition_difference(from: &Value, to: &Value, terms: &Terms<'_>) -> String {
    let known = |value: &Value| -> Option<Definition> {
        match value.definition.as_deref() {
            Some(fingerprint) => terms.known_definitions.get(fingerprint).cloned(),
            None => {
                Some(Definition { unit: value.unit.clone(), better: value.better, ..Definition::default() })
            }
        }
    };
    let shown = |value: &Value| match &value.definition {
        Some(fingerprint) => format!("definition {fingerprint}"),
        None => "not declared".to_owned(),
    };
    let mut parts = Vec::new();
    let mut part = |name: &str, from: Option<&str>, to: Option<&str>| {
        if from != to {
            let text =
                |side: Option<&str>| side.map_or_else(|| "(none)".to_owned(), |text| format!("`{text}`"));
            parts.push(format!("{name} {} → {}", text(from), text(to)));
        }
    };
    if let (Some(one), Some(other)) = (known(from), known(to)) {
        part("unit", one.unit.as_deref(), other.unit.as_deref());
        part("better", one.better.map(Better::word), other.better.map(Better::word));
        part("summary", Some(one.summary.word()), Some(other.summary.word()));
        part("match", one.pattern.as_deref(), other.pattern.as_deref());
    } else {
        part("unit", from.unit.as_deref(), to.unit.as_deref());
        part("better", from.better.map(Better::word), to.better.map(Better::word));
        parts.push(format!("{} → {}", shown(from), shown(to)));
    }
    if parts.is_empty() {
        parts.push(format!("{} → {}", shown(from), shown(to)));
    }
    parts.join(", ")
}

fn mixed_units(reported: &Reports<'_>) -> Option<String> {
    let units: BTreeSet<Option<&str>> =
        reported.iter().flatten().map(|(_, value)| value.unit.as_deref()).collect();
    let names: Vec<String> = units
        .iter()
        .map(|unit| unit.map_or_else(|| "no unit".to_owned(), |unit| format!("`{unit}`")))
        .collect();
    (names.len() > 1).then(|| names.join(" and "))
}

/// The row over all cases that every trial of both sides has.
fn joined(
    meaning: &Meaning,
    matchup: &Matchup<'_>,
    mut row: Row,
    kept: &Reports<'_>,
    common: &[&str],
    one_sided: &[&str],
    mut remarks: Vec<String>,
) -> Judged {
    let everywhere: Vec<&str> = common
        .iter()
        .filter(|case| kept.iter().flatten().all(|(_, value)| value.cases.contains_key(**case)))
        .copied()
        .collect();
    if everywhere.is_empty() {
        return refused(row, "no case is reported by every trial of both sides".to_owned());
    }
    let left: Vec<&str> =
        common.iter().chain(one_sided).filter(|case| !everywhere.contains(case)).copied().collect();
    if !left.is_empty() {
        remarks.push(format!("cases that not every trial has are not summed up: {}", left.join(", ")));
    }
    row.cases = everywhere.iter().map(|case| (*case).to_owned()).collect();
    let mut sides = Vec::with_capacity(2);
    for reports in kept {
        let trials: Vec<BTreeMap<String, f64>> = reports
            .iter()
            .map(|(_, value)| {
                everywhere.iter().map(|case| ((*case).to_owned(), value.cases[*case])).collect()
            })
            .collect();
        let means = match meaning.scale {
            Scale::Ratio => match over_cases(&trials) {
                Ok(sample) => sample.values().to_vec(),
                Err(error) => return refused(row, format!("the cases cannot be joined: {}", chain(&error))),
            },
            // Differences are joined as differences: their mean is that of the means.
            Scale::Difference => {
                trials.iter().map(|cases| cases.values().sum::<f64>() / cases.len() as f64).collect()
            }
        };
        let mut values = observed(reports, |_| Some(0.0));
        for (observed, mean) in values.iter_mut().zip(means) {
            observed.value = mean;
        }
        sides.push(values);
    }
    let to = sides.pop().expect("there are two sides");
    let from = sides.pop().expect("there are two sides");
    judged(meaning, matchup, row, from, to, remarks)
}

/// The row with its numbers, its effect and its verdict.
fn judged(
    meaning: &Meaning,
    matchup: &Matchup<'_>,
    mut row: Row,
    mut from: Vec<Observed>,
    mut to: Vec<Observed>,
    remarks: Vec<String>,
) -> Judged {
    row.remarks = remarks;
    if meaning.kind == Kind::Quality {
        for (side, values) in [("baseline", &mut from), ("candidate", &mut to)] {
            count_seeds_once(side, values, &mut row.remarks);
        }
    }
    let floor_values: Vec<Observed> = from.clone();
    let design = pair_up(meaning.kind, matchup.design, &mut from, &mut to, &mut row.remarks);
    let sample = |values: &[Observed]| Sample::new(values.iter().map(|it| it.value).collect::<Vec<_>>());
    let (baseline, candidate) = match (sample(&from), sample(&to)) {
        (Ok(baseline), Ok(candidate)) => (baseline, candidate),
        (Err(error), _) => return refused(row, format!("the baseline's values cannot be compared: {error}")),
        (_, Err(error)) => {
            return refused(row, format!("the candidate's values cannot be compared: {error}"));
        }
    };
    row.baseline.n = baseline.size();
    row.candidate.n = candidate.size();
    row.baseline.description = Some(Description::of(&baseline));
    row.candidate.description = Some(Description::of(&candidate));
    row.welch = welch(&baseline, &candidate).map(Student::p_value).filter(|p| p.is_finite());
    row.mann_whitney =
        (baseline.size().min(candidate.size()) > 1).then(|| mann_whitney(&baseline, &candidate));
    let data = Data { design, baseline, candidate };
    let method = data.method(meaning.kind, meaning.scale);
    row.method = Some(method.name());
    row.estimand = Some(method.estimand());
    let estimate = match estimate(method, &data.baseline, &data.candidate) {
        Ok(estimate) => estimate,
        Err(error) => {
            let hint = if meaning.scale == Scale::Ratio {
                "; metrics near zero say scale = \"difference\""
            } else {
                ""
            };
            return refused(row, format!("{}{hint}", chain(&error)));
        }
    };
    row.delta = Some(estimate.delta);
    row.interval = estimate.interval;
    row.bounds = estimate.bounds;
    row.p_value = estimate.p_value;
    if estimate.spread == Spread::None && data.trials() > 1 {
        row.remarks.push("all values are equal, so there is no spread to judge by; one that never varies says kind = \"exact\""
                .to_owned());
    } else if estimate.interval.is_none() {
        row.remarks.push(format!(
            "{} and {} trials give an estimate only; an interval needs 3 on each side",
            row.baseline.n, row.candidate.n
        ));
    }
    if let Some(better) = meaning.better {
        let effect = Effect {
            better,
            scale: meaning.scale,
            interval: estimate.interval,
            bounds: estimate.bounds,
            spread: estimate.spread,
            min_effect: meaning.min_effect,
        };
        row.verdict = Some(effect.verdict());
        row.is_negligible = effect.is_negligible();
        row.is_promising = is_promising(meaning, better, &floor_values, &data);
    } else {
        row.remarks.push("it has no direction, so there is no verdict".to_owned());
    }
    let slack = if meaning.kind == Kind::Measured && design == Design::Unpaired {
        gap_slack(meaning.scale, matchup, &row)
    } else {
        Some(0.0)
    };
    row.is_exploratory = slack.is_none();
    Judged { row, data: Some(data), refusal: None, slack }
}

/// The smallest effects that numbers of trials find, in deviations: they are the same for every metric, and dear.
#[derive(Default)]
pub(super) struct SmallestEffects(HashMap<(Design, Kind, usize), Option<f64>>);

impl SmallestEffects {
    fn of(&mut self, noise: Noise, trials: usize) -> Option<f64> {
        let known = self
            .0
            .entry((noise.design, noise.kind, trials))
            .or_insert_with(|| Noise { deviation: 1.0, ..noise }.smallest_effect(trials, WANTED_POWER));
        known.map(|deviations| deviations * noise.deviation)
    }
}

impl Judged {
    /// Adds the interval for many looks.
    pub fn add_anytime(&mut self) {
        if let Some(data) = self.data.as_ref().filter(|_| self.row.kind != Kind::Exact) {
            self.row.anytime =
                anytime(self.row.scale, &data.baseline, &data.candidate, Level::FIVE_PERCENT).ok().flatten();
        }
    }

    /// Adds the bootstrap's interval, the same for everyone who has the same two runs as the cells' newest.
    pub fn add_bootstrap(&mut self, newest: [EntryId; 2]) {
        let Some(data) = self.data.as_ref().filter(|_| self.row.kind != Kind::Exact) else { return };
        let things = [&newest[0].0[..], &newest[1].0[..]];
        let mut random = Random::for_things(&format!("bootstrap of {}", self.row.name), &things);
        let method = data.method(self.row.kind, self.row.scale);
        self.row.bootstrap =
            cross_check(method, &data.baseline, &data.candidate, Level::FIVE_PERCENT, &mut random)
                .ok()
                .flatten();
    }

    /// Adds the smallest effect that could have been found.
    pub fn add_smallest_effect(&mut self, smallest_effects: &mut SmallestEffects) {
        let (Some(data), row) = (&self.data, &mut self.row) else { return };
        let relative = |log: f64| if row.scale == Scale::Ratio { log.exp_m1() } else { log };
        row.smallest_effect = data
            .noise(row.kind, row.scale, Sides::Two)
            .and_then(|noise| smallest_effects.of(noise, data.trials()))
            .map(relative);
    }
}

/// Counts the trials of one seed once: a quality metric is a function of code, data and seed.
fn count_seeds_once(side: &str, values: &mut Vec<Observed>, remarks: &mut Vec<String>) {
    let mut by_seed: BTreeMap<u64, Vec<Observed>> = BTreeMap::new();
    let mut unseeded = Vec::new();
    let before = values.len();
    for value in values.drain(..) {
        match value.seed {
            Some(seed) => by_seed.entry(seed).or_default().push(value),
            None => unseeded.push(value),
        }
    }
    // A command that takes no seed and always says the same was asked the same question again.
    if unseeded.len() > 1 && unseeded.iter().all(|it| it.value.to_bits() == unseeded[0].value.to_bits()) {
        unseeded.truncate(1);
    }
    let mut kept = unseeded;
    for (seed, mut same) in by_seed {
        let values: Vec<f64> = same.iter().map(|it| it.value).collect();
        if values.iter().any(|value| value.to_bits() != values[0].to_bits()) {
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            remarks.push(format!(
                "the {side} with seed {seed} gave {} to {}: the same code, data and seed should give one value",
                significant(lowest, 6),
                significant(highest, 6)
            ));
        }
        let mut one = same.swap_remove(0);
        one.value = values.iter().map(|value| value / values.len() as f64).sum();
        if values.iter().all(|value| value.to_bits() == values[0].to_bits()) {
            one.value = values[0];
        }
        kept.push(one);
    }
    kept.sort_by(|one, other| one.at.total_cmp(&other.at).then(one.seed.cmp(&other.seed)));
    let repeats = before - kept.len();
    if repeats > 0 {
        remarks.push(match repeats {
            1 => format!("1 trial of the {side} repeats a seed and counts once"),
            repeats => format!("{repeats} trials of the {side} repeat a seed and count once"),
        });
    }
    *values = kept;
}

/// Puts the values that belong together side by side, and says whether they do.
fn pair_up(
    kind: Kind,
    design: Design,
    from: &mut Vec<Observed>,
    to: &mut Vec<Observed>,
    remarks: &mut Vec<String>,
) -> Design {
    if kind == Kind::Exact {
        return Design::Unpaired;
    }
    if kind == Kind::Quality && pair_by_seed(from, to, remarks) {
        return Design::Paired;
    }
    if design == Design::Unpaired {
        return Design::Unpaired;
    }
    let partners: HashMap<PairName, Observed> =
        from.iter().filter_map(|it| Some((it.pair?, it.clone()))).collect();
    let pairs: Vec<(Observed, Observed)> =
        to.iter().filter_map(|it| Some((partners.get(&it.pair?)?.clone(), it.clone()))).collect();
    if pairs.is_empty() {
        return Design::Unpaired;
    }
    let alone = from.len() + to.len() - 2 * pairs.len();
    if alone > 0 {
        remarks.push(match alone {
            1 => "1 run without the other run of its pair is left out".to_owned(),
            alone => format!("{alone} runs without the other run of their pair are left out"),
        });
    }
    (*from, *to) = pairs.into_iter().unzip();
    Design::Paired
}

/// Pairs by seed where one side's seeds are all among the other's; each seed stands there once.
fn pair_by_seed(from: &mut Vec<Observed>, to: &mut Vec<Observed>, remarks: &mut Vec<String>) -> bool {
    let by_seed = |values: &[Observed]| -> Option<BTreeMap<u64, Observed>> {
        values.iter().map(|it| Some((it.seed?, it.clone()))).collect()
    };
    let (Some(mut seeds_from), Some(mut seeds_to)) = (by_seed(from), by_seed(to)) else { return false };
    let common: BTreeSet<u64> =
        seeds_from.keys().filter(|seed| seeds_to.contains_key(seed)).copied().collect();
    if common.len() < 2 || common.len() < seeds_from.len().min(seeds_to.len()) {
        return false;
    }
    let alone = seeds_from.len() + seeds_to.len() - 2 * common.len();
    if alone > 0 {
        let are = if alone == 1 { "is" } else { "are" };
        remarks.push(format!("{} whose seed the other side lacks {are} left out", counted(alone, "trial")));
    }
    seeds_from.retain(|seed, _| common.contains(seed));
    seeds_to.retain(|seed, _| common.contains(seed));
    *from = seeds_from.into_values().collect();
    *to = seeds_to.into_values().collect();
    true
}

/// Whether one new run lies where the baseline's runs would not, on the good side.
fn is_promising(meaning: &Meaning, better: Better, floor: &[Observed], data: &Data) -> bool {
    let [value] = data.candidate.values() else { return false };
    let Ok(floor) = Sample::new(floor.iter().map(|it| it.value).collect::<Vec<_>>()) else { return false };
    match prediction(meaning.scale, &floor, Level::FIVE_PERCENT) {
        Ok(Some(interval)) => match better {
            Better::Lower => *value < interval.low,
            Better::Higher => *value > interval.high,
        },
        _ => false,
    }
}

/// By how much the time between the sides may have moved a measured metric: nothing where they overlap, what the
/// baseline's noise over separate days or boots says where that covers the gap, else nobody knows.
fn gap_slack(scale: Scale, matchup: &Matchup<'_>, row: &Row) -> Option<f64> {
    if !matchup.is_one_hardware() {
        return None;
    }
    let gap = matchup.baseline.gap_seconds(&matchup.candidate);
    if gap <= 0.0 {
        return Some(0.0);
    }
    // Days and boots, not runs, are what the noise between sessions is known from.
    let mut sessions: BTreeMap<(i64, Option<&str>), Vec<f64>> = BTreeMap::new();
    for trial in matchup.floor.with(Outcome::Ended) {
        let Some(reported) = trial.run.metrics.get(&row.name) else { continue };
        let value = match &row.case {
            Some(case) => reported.cases.get(case).copied(),
            None if row.cases.is_empty() => reported.value,
            None => joined_value(scale, &row.cases, reported),
        };
        let day = trial.run.started.as_second().div_euclid(86_400);
        sessions.entry((day, trial.run.boot.as_deref())).or_default().extend(value);
    }
    let (first, last) = matchup.floor.span();
    if last - first < gap {
        return None;
    }
    let centres: Vec<f64> = sessions
        .values()
        .filter(|values| !values.is_empty())
        .map(|values| values.iter().sum::<f64>() / values.len() as f64)
        .collect();
    let centres = Sample::new(centres).ok()?;
    let interval = prediction(scale, &centres, Level::FIVE_PERCENT).ok()??;
    match scale {
        Scale::Ratio => Some((interval.high / interval.low).sqrt().ln()),
        Scale::Difference => Some(interval.width() / 2.0),
    }
}

fn joined_value(scale: Scale, cases: &[String], value: &Value) -> Option<f64> {
    let values: Option<Vec<f64>> = cases.iter().map(|case| value.cases.get(case).copied()).collect();
    let values = values?;
    let size = values.len() as f64;
    Some(match scale {
        Scale::Ratio => (values.iter().map(|value| value.ln()).sum::<f64>() / size).exp(),
        Scale::Difference => values.iter().sum::<f64>() / size,
    })
}
