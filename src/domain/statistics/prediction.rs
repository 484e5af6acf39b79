//! Where one new run should fall, given a noise floor.
//!
//! The prediction interval for one further value of a normal sample: Hahn and Meeker (1991), Statistical Intervals,
//! ch. 4. On logarithms where the metric is compared by ratio.

use super::describe::Moments;
use super::distribution::student_upper_quantile;
use super::sample::{Interval, Level, Sample, SampleError};
use crate::domain::metric::Scale;

/// With fewer runs than this there is no floor to place a run against.
pub const FEWEST_FOR_A_FLOOR: usize = 5;

/// The values among which one new run of the same code falls, but for the level; `None` without a floor.
pub fn prediction(scale: Scale, floor: &Sample, level: Level) -> Result<Option<Interval>, SampleError> {
    let logs;
    let floor = match scale {
        Scale::Difference => floor,
        Scale::Ratio => {
            logs = floor.logs()?;
            &logs
        }
    };
    let moments = Moments::of(floor);
    let (Some(deviation), true) = (moments.standard_deviation, floor.size() >= FEWEST_FOR_A_FLOOR) else {
        return Ok(None);
    };
    let size = floor.size() as f64;
    let quantile = student_upper_quantile((0.5 * level.share()).min(0.5), size - 1.0);
    let reach = quantile * deviation * (1.0 + 1.0 / size).sqrt();
    let interval = Interval { low: moments.mean - reach, high: moments.mean + reach };
    Ok(Some(match scale {
        Scale::Difference => interval,
        Scale::Ratio => interval.map(|log| log.exp().min(f64::MAX)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_runs_are_no_floor() {
        let floor = Sample::new([1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(prediction(Scale::Difference, &floor, Level::FIVE_PERCENT), Ok(None));
    }

    #[test]
    fn a_new_run_is_less_certain_than_the_mean() {
        let floor = Sample::new([1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let interval = prediction(Scale::Difference, &floor, Level::FIVE_PERCENT).unwrap().unwrap();
        // 2.776445 is the table value for 4 degrees of freedom; the floor's variance is 2.5.
        let reach = 2.776_445_105_197_793 * (2.5_f64 * 1.2).sqrt();
        assert!((interval.high - (3.0 + reach)).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_is_predicted_above_zero() {
        let floor = Sample::new([1.0, 10.0, 100.0, 1.0, 10.0]).unwrap();
        let interval = prediction(Scale::Ratio, &floor, Level::FIVE_PERCENT).unwrap().unwrap();
        assert!(interval.low > 0.0 && interval.high > 100.0);
    }
}
