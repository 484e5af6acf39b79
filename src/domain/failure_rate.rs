//! How often trials fail: a metric of its own, because the runs that ended well do not show it.
//!
//! Intervals of one rate: Wilson (1927), Probable inference, the law of succession, and statistical inference,
//! J. Am. Statist. Assoc. 22. Of a difference: Newcombe (1998), Interval estimation for the difference between
//! independent proportions, method 10, Statist. Med. 17.

use super::statistics::distribution::normal_upper_quantile;
use super::statistics::{Interval, Level};

/// The name of this metric.
pub const FAILURE_RATE: &str = "failure_rate";
/// What is estimated.
pub const ESTIMAND: &str = "difference of failure rates";
/// How its interval is made.
pub const METHOD: &str = "Newcombe's hybrid score interval";

/// How many of the trials of one side failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// The trials that failed.
    pub failed: usize,
    /// All trials that were not cut short.
    pub trials: usize,
}

impl Failures {
    /// The share that failed; `None` without trials.
    pub fn rate(self) -> Option<f64> {
        (self.trials > 0).then(|| self.failed as f64 / self.trials as f64)
    }

    /// The rates that agree with what was seen, `each_side` being the share of false alarms on either side.
    pub fn interval(self, each_side: Level) -> Option<Interval> {
        let rate = self.rate()?;
        let z = normal_upper_quantile(each_side.share());
        let trials = self.trials as f64;
        let centre = rate + z * z / (2.0 * trials);
        let reach = z * (rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials)).sqrt();
        let whole = 1.0 + z * z / trials;
        Some(Interval {
            low: ((centre - reach) / whole).clamp(0.0, rate),
            high: ((centre + reach) / whole).clamp(rate, 1.0),
        })
    }
}

/// The candidate's failure rate minus the baseline's, and the differences that agree with what was seen.
pub fn difference(baseline: Failures, candidate: Failures, each_side: Level) -> Option<(f64, Interval)> {
    let (from, to) = (baseline.rate()?, candidate.rate()?);
    let (around_from, around_to) = (baseline.interval(each_side)?, candidate.interval(each_side)?);
    let delta = to - from;
    let below = (to - around_to.low).hypot(around_from.high - from);
    let above = (around_to.high - to).hypot(from - around_from.low);
    Some((delta, Interval { low: delta - below, high: delta + above }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half() -> Level {
        Level::new(0.025).expect("the level is right")
    }

    #[test]
    fn the_published_example_is_met() {
        // 56/70 against 48/80, in the paper's table II: 0.2, from 0.0524 to 0.3339.
        let (delta, interval) =
            difference(Failures { failed: 48, trials: 80 }, Failures { failed: 56, trials: 70 }, half())
                .expect("there are trials");
        assert!((delta - 0.2).abs() < 1e-12);
        assert!(
            (interval.low - 0.0524).abs() < 5e-5 && (interval.high - 0.3339).abs() < 5e-5,
            "{interval:?}"
        );
    }

    #[test]
    fn five_failures_of_five_against_none_are_shown_to_be_more() {
        let none = Failures { failed: 0, trials: 5 };
        let all = Failures { failed: 5, trials: 5 };
        let (_, interval) = difference(none, all, half()).expect("there are trials");
        assert!(interval.low > 0.0 && interval.high <= 1.0 + 1e-12, "{interval:?}");
        let (_, interval) =
            difference(none, Failures { failed: 1, trials: 5 }, half()).expect("there are trials");
        assert!(interval.contains(0.0));
    }

    #[test]
    fn without_trials_there_is_no_rate() {
        let nothing = Failures { failed: 0, trials: 0 };
        assert_eq!(difference(nothing, Failures { failed: 1, trials: 2 }, half()), None);
    }
}
