//! Noise floors: how much a metric varies when nothing is changed, and what can be shown above that.
//!
//! A floor is computed from the runs of one cell, so it is kept per metric and hardware without being stored: whoever has
//! the runs has the floor.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::{Cell, Outcome, Trial};
use super::criterion::{Criterion, Target};
use super::id::EntryId;
use super::metric::{Definition, Kind, Scale, built_in};
use super::statistics::change_point::{ChangePoint, change_points};
use super::statistics::describe::{Description, Moments};
use super::statistics::power::{Noise, Sides, WANTED_POWER};
use super::statistics::prediction::prediction;
use super::statistics::random::Random;
use super::statistics::{Design, FEWEST_FOR_AN_INTERVAL, Interval, Level, Sample};

/// How much one metric varies over the runs of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseFloor {
    /// The metric.
    pub metric: String,
    /// The unit of its values.
    pub unit: Option<String>,
    /// What its values depend on.
    pub kind: Kind,
    /// Whether it is compared by ratio or by difference.
    pub scale: Scale,
    /// What the values look like.
    pub description: Description,
    /// The standard deviation on the scale on which it is compared: of logarithms, or in the metric's unit.
    pub spread: f64,
    /// Where one new run of the same code falls, 19 times of 20; from five runs on.
    pub prediction: Option<Interval>,
    /// On how many days or boots of the machine the runs were made.
    pub occasions: usize,
    /// Where the level changed from one run to a later one, with the run.
    pub changes: Vec<(EntryId, ChangePoint)>,
    /// What is wanted to be seen above it.
    pub wanted: Vec<Wanted>,
}

/// An effect that a criterion is about, held against the noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The criterion; absent where the effect is the metric's `min-effect`.
    pub criterion: Option<Criterion>,
    /// The effect, on the scale of the floor's spread: above zero.
    pub effect: f64,
    /// How many trials a side tell it from no change, four times of five; absent where no number that is worth saying does.
    pub trials_needed: Option<usize>,
}

impl NoiseFloor {
    /// Whether the spread from run to run is below every effect that is wanted; `None` where none is wanted, or there are
    /// too few runs to know the spread.
    pub fn is_below_what_matters(&self) -> Option<bool> {
        if self.wanted.is_empty() || self.description.size < FEWEST_FOR_AN_INTERVAL {
            return None;
        }
        Some(self.wanted.iter().all(|wanted| self.spread < wanted.effect))
    }

    /// The most trials a side that any wanted effect needs.
    pub fn trials_needed(&self) -> Option<usize> {
        self.wanted.iter().filter_map(|wanted| wanted.trials_needed).max()
    }

    /// The smallest effect that so many trials a side find four times of five, on the scale of the spread.
    pub fn smallest_effect(&self, trials: usize) -> Option<f64> {
        self.noise().smallest_effect(trials, WANTED_POWER)
    }

    fn noise(&self) -> Noise {
        noise(self.kind, self.spread)
    }
}

fn noise(kind: Kind, deviation: f64) -> Noise {
    Noise { design: Design::Unpaired, kind, deviation, level: Level::FIVE_PERCENT, sides: Sides::One }
}

/// The floors of the metrics in `cell`: those that `criteria` name first, then the others by name.
///
/// Metrics that cannot be described (a ratio of values that touch zero, a single run) have none.
pub fn noise_floors(
    cell: &Cell<'_>,
    definitions: &BTreeMap<String, Definition>,
    criteria: &[Criterion],
) -> Vec<NoiseFloor> {
    let ended: Vec<Trial<'_>> = cell.with(Outcome::Ended).collect();
    let reported: BTreeSet<&str> =
        ended.iter().flat_map(|trial| trial.run.metrics.keys().map(String::as_str)).collect();
    let mut names: Vec<&str> = Vec::new();
    for name in criteria.iter().map(|criterion| criterion.metric.as_str()).chain(reported.iter().copied()) {
        if reported.contains(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().filter_map(|name| floor(name, &ended, definitions, criteria)).collect()
}

fn floor(
    name: &str,
    ended: &[Trial<'_>],
    definitions: &BTreeMap<String, Definition>,
    criteria: &[Criterion],
) -> Option<NoiseFloor> {
    let newest = ended.iter().rev().find_map(|trial| trial.run.metrics.get(name))?;
    let declared = definitions.get(name).cloned().or_else(|| built_in(name));
    let declared = declared.unwrap_or_default();
    let kind = declared.kind.or(newest.kind).unwrap_or(Kind::Quality);
    if kind == Kind::Exact {
        return None;
    }
    let mut seeds: BTreeSet<u64> = BTreeSet::new();
    let mut occasions: BTreeSet<(i64, Option<&str>)> = BTreeSet::new();
    let mut values: Vec<(EntryId, f64)> = Vec::new();
    for trial in ended {
        let Some(reported) = trial.run.metrics.get(name) else { continue };
        if reported.definition != newest.definition || reported.unit != newest.unit {
            continue;
        }
        let Some(value) = reported.value else { continue };
        // A quality metric is a function of code, data and seed: the same seed again says nothing new.
        if kind == Kind::Quality && trial.run.seed.is_some_and(|seed| !seeds.insert(seed)) {
            continue;
        }
        let day = trial.run.started.as_second().div_euclid(86_400);
        occasions.insert((day, trial.run.boot.as_deref()));
        values.push((trial.id, value));
    }
    let sample = Sample::new(values.iter().map(|(_, value)| *value).collect::<Vec<_>>()).ok()?;
    let on_scale = match declared.scale {
        Scale::Ratio => sample.logs().ok()?,
        Scale::Difference => sample.clone(),
    };
    let spread = Moments::of(&on_scale).standard_deviation?;
    let mut random =
        Random::for_things(&format!("history of {name}"), &[&values[0].0.0, &values[values.len() - 1].0.0]);
    let changes = change_points(&sample, Level::new(0.01)?, &mut random)
        .into_iter()
        .map(|change| (values[change.at].0, change))
        .collect();
    let wanted = |criterion: Option<&Criterion>, effect: f64| Wanted {
        criterion: criterion.cloned(),
        effect,
        trials_needed: noise(kind, spread).trials_needed(effect, WANTED_POWER),
    };
    let mean = Moments::of(&sample).mean;
    let mut all: Vec<Wanted> = criteria
        .iter()
        .filter(|criterion| criterion.metric == name)
        .filter_map(|criterion| Some(wanted(Some(criterion), effect(criterion, declared.scale, mean)?)))
        .collect();
    if let (true, Some(smallest)) = (all.is_empty(), declared.min_effect) {
        let effect = match declared.scale {
            Scale::Ratio => smallest.ln_1p(),
            Scale::Difference => smallest,
        };
        all.push(wanted(None, effect));
    }
    Some(NoiseFloor {
        metric: name.to_owned(),
        unit: newest.unit.clone(),
        kind,
        scale: declared.scale,
        description: Description::of(&sample),
        spread,
        prediction: prediction(declared.scale, &sample, Level::FIVE_PERCENT).ok().flatten(),
        occasions: occasions.len(),
        changes,
        wanted: all,
    })
}

/// How far a criterion's target is from no change, on the scale on which the metric is compared; `None` where it asks
/// for no change at all.
fn effect(criterion: &Criterion, scale: Scale, mean: f64) -> Option<f64> {
    let target = match (criterion.target, scale) {
        (Target::Relative(change), Scale::Ratio) => change.ln_1p(),
        (Target::Relative(change), Scale::Difference) => change * mean,
        (Target::Change(change), Scale::Ratio) => (1.0 + change / mean).ln(),
        (Target::Change(change), Scale::Difference) => change,
        (Target::Absolute(value), Scale::Ratio) => (value / mean).ln(),
        (Target::Absolute(value), Scale::Difference) => value - mean,
    };
    (target.is_finite() && target != 0.0).then(|| target.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::cells;
    use crate::domain::difference::tests::a_run;
    use crate::domain::metric::Value;
    use crate::domain::run::Run;

    fn runs(values: &[f64], seed: impl Fn(u64) -> u64) -> Vec<(EntryId, Run)> {
        (1_u8..)
            .zip(values)
            .map(|(number, value)| {
                let mut run = a_run();
                run.seed = Some(seed(u64::from(number)));
                run.started += jiff::SignedDuration::from_hours(12 * i64::from(number));
                let value = Value { value: Some(*value), points: 1, ..Value::default() };
                run.metrics = BTreeMap::from([("loss".to_owned(), value)]);
                (EntryId([number; 32]), run)
            })
            .collect()
    }

    fn floor_of(runs: &[(EntryId, Run)], criterion: &str, scale: Scale) -> NoiseFloor {
        let trials: Vec<Trial<'_>> = runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
        let cell = cells(&trials).remove(0);
        let definition = Definition { kind: Some(Kind::Quality), scale, ..Definition::default() };
        let definitions = BTreeMap::from([("loss".to_owned(), definition)]);
        let criteria = [criterion.parse().expect("the criterion is right")];
        noise_floors(&cell, &definitions, &criteria).remove(0)
    }

    #[test]
    fn a_spread_below_the_effect_needs_few_trials_and_one_above_it_many() {
        let runs = runs(&[2.30, 2.31, 2.29, 2.32, 2.28], |number| number);
        let coarse = floor_of(&runs, "loss <= -8%", Scale::Ratio);
        assert_eq!(coarse.is_below_what_matters(), Some(true));
        assert_eq!(coarse.trials_needed(), Some(3));
        let fine = floor_of(&runs, "loss <= -0.1%", Scale::Ratio);
        assert_eq!(fine.is_below_what_matters(), Some(false));
        assert!(fine.trials_needed().is_some_and(|trials| trials > 100), "{fine:?}");
    }

    #[test]
    fn what_is_wanted_is_the_distance_from_no_change_whatever_way_it_is_written() {
        let runs = runs(&[2.0, 2.1, 1.9], |number| number);
        for (criterion, scale, effect) in [
            ("loss <= -10%", Scale::Ratio, -(0.9_f64.ln())),
            ("loss <= base - 0.2", Scale::Ratio, -(0.9_f64.ln())),
            ("loss <= 1.8", Scale::Difference, 0.2),
            ("loss <= +10%", Scale::Difference, 0.2),
        ] {
            let floor = floor_of(&runs, criterion, scale);
            assert!((floor.wanted[0].effect - effect).abs() < 1e-12, "{criterion}: {floor:?}");
        }
        assert_eq!(floor_of(&runs, "loss <= base", Scale::Ratio).is_below_what_matters(), None);
    }

    #[test]
    fn the_same_seed_again_is_no_further_run() {
        let floor =
            floor_of(&runs(&[2.30, 2.31, 2.30, 2.31], |number| number % 2), "loss <= -1%", Scale::Ratio);
        assert_eq!(floor.description.size, 2);
        assert_eq!(floor.is_below_what_matters(), None);
    }

    #[test]
    fn a_new_run_is_placed_only_above_five_and_days_are_counted() {
        let few = floor_of(&runs(&[2.30, 2.31, 2.29, 2.32], |number| number), "loss <= -1%", Scale::Ratio);
        assert_eq!(few.prediction, None);
        let five =
            floor_of(&runs(&[2.30, 2.31, 2.29, 2.32, 2.28], |number| number), "loss <= -1%", Scale::Ratio);
        let interval = five.prediction.expect("five runs are enough");
        assert!(interval.low < 2.28 && interval.high > 2.32);
        assert_eq!(five.occasions, 3);
    }

    #[test]
    fn a_level_that_changed_is_found_with_its_run() {
        let mut values = vec![1.00, 1.01, 0.99, 1.00, 1.02, 0.98, 1.01, 0.99];
        values.extend(values.clone().iter().map(|value| value + 0.5));
        let floor = floor_of(&runs(&values, |number| number), "loss <= -1%", Scale::Ratio);
        assert_eq!(floor.changes.len(), 1);
        assert_eq!(floor.changes[0].0, EntryId([9; 32]));
    }
}
