//! How something that can be called again and again is timed: warmed up, batched, sampled until it is known well enough.
//!
//! Nothing here looks at a clock. Whoever calls hands in what takes a sample, and a test hands in one with times of its own.
//!
//! | file | holds |
//! | --- | --- |
//! | `warm_up` | how many calls make a sample, and when times have stopped falling |
//! | `median` | the median of samples that follow upon each other, with its interval |
//! | `in_turn` | several variants in one process, each built anew in every pass |

mod in_turn;
mod median;
mod warm_up;

pub use in_turn::{InTurn, Turns, Versus, measure_in_turn};
pub use median::{Median, autocorrelation_time};
pub use warm_up::{WarmUp, warm_up};

use crate::domain::statistics::describe::quantile;

/// How long and how well to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Samples are taken for at least so long.
    pub min_seconds: f64,
    /// Samples are taken for at most so long; warming up takes at most so long too.
    pub max_seconds: f64,
    /// Sampling stops when half of the median's interval is at most this share of it.
    pub relative_error: f64,
    /// The fewest samples.
    pub min_samples: usize,
    /// The most samples.
    pub max_samples: usize,
    /// A sample batches as many calls as last at least so long.
    pub batch_seconds: f64,
    /// The most calls in a sample: 1 where something must happen between calls.
    pub most_calls: u64,
}

/// What one sample took, all its calls together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The calls, by the clock of the host.
    pub seconds: f64,
    /// The calls, by events on the device.
    pub device_seconds: Option<f64>,
    /// What was done around the calls, as flushing caches, which counts for the time limit only.
    pub aside_seconds: f64,
    /// Whether the machine was slowed down, by heat or by its power limit.
    pub is_throttled: bool,
}

/// Why sampling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The median is known well enough.
    Precise,
    /// The time was up.
    Time,
    /// There were enough samples.
    Samples,
}

impl Stop {
    /// The words for it in a summary.
    pub fn words(self) -> &'static str {
        match self {
            Self::Precise => "precise enough",
            Self::Time => "time was up",
            Self::Samples => "most samples taken",
        }
    }
}

/// A spread above this is warned about.
pub const HIGH_SPREAD: f64 = 0.10;

/// What came of measuring.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// How it was warmed up.
    pub warm_up: WarmUp,
    /// Seconds a call, one number a sample, in the order in which they were taken.
    pub samples: Vec<f64>,
    /// The same by events on the device; empty without them.
    pub device_samples: Vec<f64>,
    /// Samples that were thrown away because the machine was slowed down.
    pub throttled: usize,
    /// Why sampling ended.
    pub stop: Stop,
}

impl Timing {
    /// The median and its interval, in seconds a call; `None` where every sample was thrown away.
    pub fn median(&self) -> Option<Median> {
        Median::of(&self.samples)
    }

    /// The median by events on the device.
    pub fn device_median(&self) -> Option<Median> {
        Median::of(&self.device_samples)
    }

    /// The distance between the quartiles as a share of the median.
    pub fn spread(&self) -> f64 {
        spread(&self.samples)
    }
}

/// The distance between the quartiles as a share of the median; zero for no values.
pub fn spread(samples: &[f64]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / quantile(&sorted, 0.5)
}

/// Warms up and takes samples as `plan` says; `sample` makes so many calls and says what they took.
pub fn measure<E>(plan: &Plan, mut sample: impl FnMut(u64) -> Result<Reading, E>) -> Result<Timing, E> {
    let warm_up = warm_up(plan, &mut sample)?;
    let mut timing = Timing {
        warm_up,
        samples: Vec::new(),
        device_samples: Vec::new(),
        throttled: 0,
        stop: Stop::Samples,
    };
    let mut seconds = 0.0;
    let mut next_look = plan.min_samples.max(2);
    loop {
        let taken = timing.samples.len() + timing.throttled;
        if taken >= plan.max_samples {
            return Ok(timing);
        }
        if seconds >= plan.max_seconds {
            timing.stop = Stop::Time;
            return Ok(timing);
        }
        if seconds >= plan.min_seconds && timing.samples.len() >= next_look {
            if timing.median().is_some_and(|median| median.relative_error() <= plan.relative_error) {
                timing.stop = Stop::Precise;
                return Ok(timing);
            }
            // Each look sorts the samples, so there are fewer looks the more there are.
            next_look = timing.samples.len() + timing.samples.len() / 10 + 1;
        }
        let reading = sample(warm_up.calls_per_sample)?;
        seconds += reading.seconds + reading.aside_seconds;
        if reading.is_throttled {
            timing.throttled += 1;
        } else {
            let calls = warm_up.calls_per_sample as f64;
            timing.samples.push(reading.seconds / calls);
            timing.device_samples.extend(reading.device_seconds.map(|device| device / calls));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::random::Random;

    pub(super) const PLAN: Plan = Plan {
        min_seconds: 0.1,
        max_seconds: 2.0,
        relative_error: 0.01,
        min_samples: 10,
        max_samples: 10_000,
        batch_seconds: 50e-6,
        most_calls: u64::MAX,
    };

    /// A call of `seconds`, with noise of 1 %.
    fn steady(seconds: f64) -> impl FnMut(u64) -> Result<Reading, ()> {
        let mut random = Random::from_seed(1);
        move |calls| {
            let noise = 1.0 + 0.02 * (random.unit() - 0.5);
            Ok(Reading { seconds: seconds * calls as f64 * noise, ..Reading::default() })
        }
    }

    #[test]
    fn a_sample_lasts_at_least_as_long_as_a_batch_should() {
        for seconds in [1e-7, 3e-6, 49e-6, 1e-3] {
            let timing = measure(&PLAN, steady(seconds)).unwrap();
            let lasts = timing.warm_up.calls_per_sample as f64 * seconds;
            assert!(lasts >= 0.99 * 50e-6, "{seconds}: {lasts}");
            let median = timing.median().unwrap();
            assert!((median.value / seconds - 1.0).abs() < 0.01, "{median:?}");
            assert_eq!(timing.stop, Stop::Precise);
        }
    }

    #[test]
    fn sampling_ends_when_the_time_is_up() {
        let mut random = Random::from_seed(2);
        let timing = measure(&PLAN, |calls| {
            Ok::<_, ()>(Reading {
                seconds: 0.02 * calls as f64 * (0.2 + random.unit()),
                ..Reading::default()
            })
        });
        let timing = timing.unwrap();
        assert_eq!(timing.stop, Stop::Time);
        let seconds: f64 = timing.samples.iter().sum();
        assert!((2.0..2.1).contains(&seconds), "{seconds}");
        assert!(timing.spread() > HIGH_SPREAD);
    }

    #[test]
    fn what_was_done_aside_counts_for_the_limit_and_not_for_the_time() {
        let plan = Plan { most_calls: 1, ..PLAN };
        let timing = measure(&plan, |_| {
            Ok::<_, ()>(Reading { seconds: 1e-4, aside_seconds: 0.1, ..Reading::default() })
        });
        let timing = timing.unwrap();
        assert!(timing.samples.len() <= 21, "{}", timing.samples.len());
        assert!(timing.samples.iter().all(|sample| (sample - 1e-4).abs() < 1e-12));
    }

    #[test]
    fn throttled_samples_are_dropped_and_counted() {
        let mut at = 0;
        let timing = measure(&PLAN, |calls| {
            at += 1;
            let is_throttled = at % 3 == 0;
            let seconds = calls as f64 * if is_throttled { 3e-3 } else { 1e-3 };
            Ok::<_, ()>(Reading { seconds, is_throttled, ..Reading::default() })
        });
        let timing = timing.unwrap();
        assert!(timing.throttled > 10);
        assert!(timing.samples.iter().all(|sample| (sample - 1e-3).abs() < 1e-9));
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(measure(&PLAN, |_| Err::<Reading, _>("out of memory")), Err("out of memory"));
    }
}
