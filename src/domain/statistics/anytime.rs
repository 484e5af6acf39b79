//! Intervals that hold after every trial at once, however often one looks and whenever one stops.
//!
//! The e-value of Student's t with a normal prior on the standardised effect and the invariant prior on the scale: Lai (1976), On confidence sequences, Ann. Statist. 4; Wang and Ramdas (2025), Anytime-valid t-tests and
//! confidence sequences for Gaussian means with unknown variance, Sequential Analysis 44; Pérez-Ortiz, Lardy, de Heide
//! and Grünwald (2024), E-statistics, group invariance and anytime-valid testing, Ann. Statist. 52. By Ville's inequality
//! it exceeds 1/level at any time with at most the probability level. Exact for normal differences; for others
//! `docs/statistics.md` shows what was measured.

use super::estimate::{EstimateError, LOG_TOLERANCE, relative};
use super::sample::{Interval, Level, Sample};
use super::student::Student;
use crate::domain::metric::Scale;

/// With fewer pairs than this there is no interval.
pub const FEWEST_PAIRS: usize = 5;

/// The variance of the prior on effects in units of their noise: effects of about twice the noise are found soonest.
const PRIOR_VARIANCE: f64 = 4.0;

/// The interval for the effect over the pairs so far, trial by trial; `None` while there is none yet.
///
/// Where the sides did not run in pairs, the trials are paired as they were numbered; those without a partner yet wait.
pub fn anytime(
    scale: Scale,
    baseline: &Sample,
    candidate: &Sample,
    level: Level,
) -> Result<Option<Interval>, EstimateError> {
    let (from, to) = match scale {
        Scale::Difference => (baseline.clone(), candidate.clone()),
        Scale::Ratio => (
            baseline.logs().map_err(EstimateError::Baseline)?,
            candidate.logs().map_err(EstimateError::Candidate)?,
        ),
    };
    let differences: Vec<f64> = from.values().iter().zip(to.values()).map(|(from, to)| to - from).collect();
    let Ok(differences) = Sample::new(differences) else {
        return Ok(None);
    };
    let interval = confidence_sequence(&differences, level);
    Ok(match scale {
        Scale::Difference => interval,
        Scale::Ratio => interval.map(|interval| interval.map(relative)),
    })
}

/// The interval for the mean of differences; `None` for fewer than five, for ones without spread, and where it is
/// still unbounded.
pub fn confidence_sequence(differences: &Sample, level: Level) -> Option<Interval> {
    if differences.size() < FEWEST_PAIRS {
        return None;
    }
    let student = Student::of_mean(differences)?;
    // Differences that are all alike have no noise to be judged by, and a run of equal signs is no rarity.
    if student.standard_error <= LOG_TOLERANCE * differences.largest().abs().max(differences.smallest().abs())
    {
        return None;
    }
    let size = differences.size() as f64;
    let degrees = size - 1.0;
    // The e-value is sqrt(shrink) ((degrees + t²) / (degrees + shrink t²))^(size / 2); solved for 1 / level.
    let shrink = 1.0 / (1.0 + PRIOR_VARIANCE * size);
    let growth = (1.0 / (level.share() * shrink.sqrt())).powf(2.0 / size);
    let left = 1.0 - growth * shrink;
    if left <= 0.0 {
        return None;
    }
    let reach = (degrees * (growth - 1.0) / left).sqrt() * student.standard_error;
    Some(Interval { low: student.effect - reach, high: student.effect + reach })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values).unwrap()
    }

    #[test]
    fn it_starts_at_five_pairs() {
        let differences = [0.10, 0.11, 0.09, 0.10, 0.12];
        assert_eq!(confidence_sequence(&sample(&differences[..4]), Level::FIVE_PERCENT), None);
        let interval = confidence_sequence(&sample(&differences), Level::FIVE_PERCENT).unwrap();
        assert!(interval.low > 0.0 && interval.contains(0.104));
    }

    #[test]
    fn it_is_wider_than_an_interval_for_one_look() {
        let differences = sample(&[0.3, -0.1, 0.2, 0.4, 0.0, 0.1, 0.5, -0.2]);
        let once = Student::of_mean(&differences).unwrap().interval(Level::FIVE_PERCENT);
        let always = confidence_sequence(&differences, Level::FIVE_PERCENT).unwrap();
        assert!(always.low < once.low && once.high < always.high);
    }

    #[test]
    fn equal_differences_show_nothing() {
        assert_eq!(confidence_sequence(&sample(&[1.0; 9]), Level::FIVE_PERCENT), None);
    }

    #[test]
    fn a_trial_without_a_partner_waits() {
        let baseline = sample(&[1.0, 1.1, 0.9, 1.05, 1.02, 99.0]);
        let candidate = sample(&[2.0, 2.3, 1.9, 2.05, 2.2]);
        let interval = anytime(Scale::Ratio, &baseline, &candidate, Level::FIVE_PERCENT).unwrap().unwrap();
        assert!(interval.low > 0.5 && interval.high < 2.0, "{interval:?}");
    }
}
