//! The median of samples that follow upon each other, with an interval that allows for that.
//!
//! The interval is made of two order statistics, as for independent samples, with the number of samples divided by the
//! autocorrelation time of being above or below the median, which is what decides how much a quantile varies: Heidelberger and
//! Lewis (1984), Quantile estimation in dependent sequences, Oper. Res. 32. The time is summed up by the initial positive sequence:
//! Geyer (1992), Practical Markov chain Monte Carlo, Statist. Sci. 7.

use crate::domain::statistics::Interval;
use crate::domain::statistics::describe::quantile;
use crate::domain::statistics::distribution::normal_upper_quantile;

/// A median with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    /// The median.
    pub value: f64,
    /// Where it lies with 95 % confidence.
    pub interval: Interval,
    /// How many independent samples the samples are worth.
    pub effective_size: f64,
}

impl Median {
    /// The median of `samples` in the order in which they were taken; `None` for none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let value = quantile(&sorted, 0.5);
        let sides: Vec<f64> = samples
            .iter()
            .map(|sample| match sample.total_cmp(&value) {
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => 1.0,
            })
            .collect();
        let effective_size = samples.len() as f64 / autocorrelation_time(&sides);
        let half = 0.5 * normal_upper_quantile(0.025) / effective_size.sqrt();
        // Half a sample further out, for what lies between two order statistics.
        let half = half + 0.5 / samples.len() as f64;
        let interval = Interval {
            low: quantile(&sorted, (0.5 - half).max(0.0)),
            high: quantile(&sorted, (0.5 + half).min(1.0)),
        };
        Some(Self { value, interval, effective_size })
    }

    /// Half of the interval as a share of the median.
    pub fn relative_error(&self) -> f64 {
        0.5 * self.interval.width() / self.value
    }
}

/// How many values of a series are worth one independent value: at least 1.
pub fn autocorrelation_time(series: &[f64]) -> f64 {
    let size = series.len();
    let mean = series.iter().sum::<f64>() / size as f64;
    let centred: Vec<f64> = series.iter().map(|value| value - mean).collect();
    let covariance = |lag: usize| -> f64 {
        centred.iter().zip(&centred[lag..]).map(|(one, other)| one * other).sum::<f64>() / size as f64
    };
    let variance = covariance(0);
    if variance <= 0.0 {
        return 1.0;
    }
    let mut time = -1.0;
    for lag in (0..size / 2).step_by(2) {
        let pair = (covariance(lag) + covariance(lag + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        time += 2.0 * pair;
    }
    time.clamp(1.0, size as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::random::Random;

    /// A series in which each value remembers `memory` of the one before; its median is zero.
    fn series(memory: f64, size: usize, random: &mut Random) -> Vec<f64> {
        let mut noise = || normal_upper_quantile(random.unit());
        let mut value = noise() / (1.0 - memory * memory).sqrt();
        (0..size)
            .map(|_| {
                let now = value;
                value = memory * value + noise();
                now
            })
            .collect()
    }

    #[test]
    fn the_interval_holds_the_median_as_often_as_it_says() {
        for (memory, fewest) in [(0.0, 0.93), (0.5, 0.92), (0.8, 0.90)] {
            let mut random = Random::from_seed(11);
            let tries = 1_000;
            let held = (0..tries)
                .filter(|_| {
                    let samples = series(memory, 300, &mut random);
                    Median::of(&samples).unwrap().interval.contains(0.0)
                })
                .count();
            let share = held as f64 / f64::from(tries);
            assert!(share >= fewest, "memory {memory}: held {share}");
        }
    }

    #[test]
    fn samples_that_remember_are_worth_fewer() {
        let mut random = Random::from_seed(3);
        let free = Median::of(&series(0.0, 1_000, &mut random)).unwrap();
        let tied = Median::of(&series(0.8, 1_000, &mut random)).unwrap();
        assert!(free.effective_size > 600.0 && tied.effective_size < 350.0, "{free:?} {tied:?}");
    }

    #[test]
    fn equal_samples_have_a_point() {
        let median = Median::of(&[2.0; 8]).unwrap();
        assert_eq!(median.interval, Interval { low: 2.0, high: 2.0 });
        assert_eq!(Median::of(&[]), None);
    }
}
