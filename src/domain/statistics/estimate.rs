//! An effect with its interval and p-value, all from one method.

use super::choose::{Design, Method, Test};
use super::describe::Moments;
use super::inversion::Inversion;
use super::paired::paired;
use super::sample::{Interval, Level, Sample, SampleError};
use super::student::Student;
use super::welch::welch;
use crate::domain::metric::Scale;

/// Two log ratios closer than this are equal: what a change of unit moves by rounding alone is smaller.
pub const LOG_TOLERANCE: f64 = 1e-12;

/// What a method says about two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The method that everything here comes from.
    pub method: Method,
    /// The effect: relative to the baseline where the scale is a ratio, else in the metric's unit.
    pub delta: f64,
    /// The effects that are not rejected at the level; absent for an estimate only.
    pub interval: Option<Interval>,
    /// A lower and an upper bound for the effect, each alone at the level; absent for an estimate only.
    pub bounds: Option<Interval>,
    /// The two-sided p-value of no effect; absent for an estimate only.
    pub p_value: Option<f64>,
    /// Whether each side, or the set of differences, had any spread; without it an interval is a point.
    pub spread: Spread,
}

/// Whether the values that were judged differ among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// They differ.
    Seen,
    /// All values of a side are equal, on both sides; or all differences of pairs are.
    None,
    /// The metric is exact, so that no spread is wanted.
    Exact,
}

/// Why two samples have no estimate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EstimateError {
    /// The baseline's values cannot be compared in this way.
    #[error("the baseline cannot be compared by ratio")]
    Baseline(#[source] SampleError),
    /// The candidate's values cannot be compared in this way.
    #[error("the candidate cannot be compared by ratio")]
    Candidate(#[source] SampleError),
    /// A metric that is declared exact is not.
    #[error("it is declared as exact, and the {side} has values from {smallest} to {largest}")]
    NotExact {
        /// The side whose values differ.
        side: &'static str,
        /// The smallest of them.
        smallest: f64,
        /// The largest of them.
        largest: f64,
    },
    /// Pairs were announced and the sides differ in size.
    #[error("the baseline has {baseline} values and the candidate {candidate}, so they are not pairs")]
    NotPairs {
        /// The size of the baseline.
        baseline: usize,
        /// The size of the candidate.
        candidate: usize,
    },
    /// The method needs more values than there are.
    #[error("`{method}` needs at least {needed} values on each side")]
    TooFew {
        /// The method.
        method: Method,
        /// How many values it needs.
        needed: usize,
    },
}

/// The effect of the candidate against the baseline, with a 95 % interval and one-sided 95 % bounds.
pub fn estimate(method: Method, baseline: &Sample, candidate: &Sample) -> Result<Estimate, EstimateError> {
    estimate_at(Level::FIVE_PERCENT, method, baseline, candidate)
}

/// The effect of the candidate against the baseline, with interval and bounds at another level.
pub fn estimate_at(
    level: Level,
    method: Method,
    baseline: &Sample,
    candidate: &Sample,
) -> Result<Estimate, EstimateError> {
    if method.design() == Design::Paired && baseline.size() != candidate.size() {
        return Err(EstimateError::NotPairs { baseline: baseline.size(), candidate: candidate.size() });
    }
    match method.scale {
        Scale::Difference => on_scale(level, method, baseline, candidate, rounding(baseline, candidate)),
        // Logarithms would round a change of exactly 8 %.
        Scale::Ratio if method.test == Test::Exact => exact(method, baseline, candidate),
        Scale::Ratio => {
            let from = baseline.logs().map_err(EstimateError::Baseline)?;
            let to = candidate.logs().map_err(EstimateError::Candidate)?;
            let on_logs = on_scale(level, method, &from, &to, LOG_TOLERANCE)?;
            Ok(Estimate {
                delta: relative(on_logs.delta),
                interval: on_logs.interval.map(|interval| interval.map(relative)),
                bounds: on_logs.bounds.map(|bounds| bounds.map(relative)),
                ..on_logs
            })
        }
    }
}

/// The effect between two values that no trial changes: it is known, and not estimated.
fn exact(method: Method, baseline: &Sample, candidate: &Sample) -> Result<Estimate, EstimateError> {
    for (side, sample) in [("baseline", baseline), ("candidate", candidate)] {
        if !sample.is_constant() {
            let (smallest, largest) = (sample.smallest(), sample.largest());
            return Err(EstimateError::NotExact { side, smallest, largest });
        }
    }
    let (from, to) = (baseline.smallest(), candidate.smallest());
    let delta = match method.scale {
        Scale::Difference => to - from,
        Scale::Ratio => {
            baseline.logs().map_err(EstimateError::Baseline)?;
            candidate.logs().map_err(EstimateError::Candidate)?;
            ((to - from) / from).min(f64::MAX)
        }
    };
    let point = Some(Interval { low: delta, high: delta });
    let p_value = if from.to_bits() == to.to_bits() { 1.0 } else { 0.0 };
    Ok(Estimate {
        method,
        delta,
        interval: point,
        bounds: point,
        p_value: Some(p_value),
        spread: Spread::Exact,
    })
}

/// The relative change of a difference of logarithms; saturates instead of becoming infinite.
pub fn relative(log_ratio: f64) -> f64 {
    log_ratio.exp_m1().min(f64::MAX)
}

/// What the subtraction of decimal numbers leaves by rounding.
fn rounding(baseline: &Sample, candidate: &Sample) -> f64 {
    let ends = [baseline.smallest(), baseline.largest(), candidate.smallest(), candidate.largest()];
    8.0 * f64::EPSILON * ends.iter().fold(0.0_f64, |largest, end| largest.max(end.abs()))
}

fn on_scale(
    level: Level,
    method: Method,
    baseline: &Sample,
    candidate: &Sample,
    tolerance: f64,
) -> Result<Estimate, EstimateError> {
    let spread = if baseline.is_constant() && candidate.is_constant() { Spread::None } else { Spread::Seen };
    let differences = || {
        baseline
            .differences_to(candidate)
            .ok_or(EstimateError::NotPairs { baseline: baseline.size(), candidate: candidate.size() })
    };
    let too_few = EstimateError::TooFew { method, needed: 2 };
    Ok(match method.test {
        Test::EstimateOnly(design) => Estimate {
            method,
            delta: match design {
                Design::Unpaired => Moments::of(candidate).mean - Moments::of(baseline).mean,
                Design::Paired => Moments::of(&differences()?).mean,
            },
            interval: None,
            bounds: None,
            p_value: None,
            spread,
        },
        Test::Welch => {
            by_t(level, method, welch(baseline, candidate).ok_or(too_few)?.rounded(tolerance), spread)
        }
        Test::PairedT => {
            by_t(level, method, paired(baseline, candidate).ok_or(too_few)?.rounded(tolerance), spread)
        }
        Test::Exact => exact(method, baseline, candidate)?,
        Test::MannWhitney => {
            by_ranks(level, method, &Inversion::of_shift(baseline, candidate, tolerance), spread)
        }
        Test::SignedRank => {
            let differences = differences()?;
            by_ranks(level, method, &Inversion::of_centre(&differences, tolerance), spread)
        }
    })
}

fn by_t(level: Level, method: Method, student: Student, spread: Spread) -> Estimate {
    let flat = student.standard_error <= 0.0;
    Estimate {
        method,
        delta: student.effect,
        interval: Some(student.interval(level)),
        bounds: Some(student.bounds(level)),
        p_value: Some(student.p_value()),
        spread: if flat { Spread::None } else { spread },
    }
}

fn by_ranks(level: Level, method: Method, inversion: &Inversion<'_>, spread: Spread) -> Estimate {
    Estimate {
        method,
        delta: inversion.effect(),
        interval: inversion.interval(level),
        bounds: inversion.bounds(level),
        p_value: Some(inversion.p_value()),
        spread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metric::Kind;
    use crate::domain::statistics::choose::choose;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values).unwrap()
    }

    fn judged(design: Design, kind: Kind, scale: Scale, baseline: &[f64], candidate: &[f64]) -> Estimate {
        let method = choose(design, kind, scale, baseline.len(), candidate.len());
        estimate(method, &sample(baseline), &sample(candidate)).unwrap()
    }

    #[test]
    fn two_trials_give_an_estimate_only() {
        let estimate = judged(Design::Unpaired, Kind::Measured, Scale::Ratio, &[10.0, 10.0], &[9.0, 9.0]);
        assert!((estimate.delta + 0.1).abs() < 1e-12);
        assert_eq!((estimate.interval, estimate.bounds, estimate.p_value), (None, None, None));
    }

    #[test]
    fn a_ratio_that_touches_zero_is_refused_with_the_side_named() {
        let method = choose(Design::Unpaired, Kind::Quality, Scale::Ratio, 3, 3);
        let refused = estimate(method, &sample(&[1.0, 0.0, 2.0]), &sample(&[1.0, 2.0, 3.0]));
        assert_eq!(
            refused,
            Err(EstimateError::Baseline(SampleError::NotPositive { position: 2, value: 0.0 }))
        );
    }

    #[test]
    fn sides_of_different_size_are_refused_as_pairs() {
        let method = choose(Design::Paired, Kind::Quality, Scale::Difference, 3, 4);
        let refused = estimate(method, &sample(&[1.0, 2.0, 3.0]), &sample(&[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(refused, Err(EstimateError::NotPairs { baseline: 3, candidate: 4 }));
    }

    #[test]
    fn values_that_never_differ_give_a_point_and_no_evidence() {
        for trials in [3, 7, 8, 30] {
            let flat = vec![0.1; trials];
            for kind in [Kind::Measured, Kind::Quality] {
                for design in [Design::Unpaired, Design::Paired] {
                    let estimate = judged(design, kind, Scale::Ratio, &flat, &flat);
                    assert_eq!(estimate.interval, Some(Interval { low: 0.0, high: 0.0 }));
                    assert!((estimate.p_value.unwrap() - 1.0).abs() < f64::EPSILON);
                    assert_eq!(estimate.spread, Spread::None);
                }
            }
        }
    }

    #[test]
    fn the_widest_ratio_is_still_a_number() {
        let estimate = judged(
            Design::Unpaired,
            Kind::Quality,
            Scale::Ratio,
            &[1e-300, 2e-300, 1e-300],
            &[1e300, 9e299, 1e300],
        );
        assert!(estimate.delta.is_finite() && estimate.interval.unwrap().high.is_finite());
    }

    #[test]
    fn bounds_lie_inside_the_interval() {
        let baseline = [10.0, 10.3, 9.9, 10.1, 10.2, 9.8, 10.05, 10.15, 9.95];
        let candidate = [10.9, 11.2, 10.8, 11.1, 11.0, 10.7, 10.95, 11.3, 10.6];
        for kind in [Kind::Measured, Kind::Quality] {
            for design in [Design::Unpaired, Design::Paired] {
                let estimate = judged(design, kind, Scale::Difference, &baseline, &candidate);
                let (interval, bounds) = (estimate.interval.unwrap(), estimate.bounds.unwrap());
                assert!(interval.low <= bounds.low && bounds.low <= estimate.delta);
                assert!(estimate.delta <= bounds.high && bounds.high <= interval.high);
            }
        }
    }
}
