//! Whether the trials of one cell look as if their order mattered: a machine that warms up, slows down or sways.
//!
//! Both on ranks, so that a spike does not decide. Trend: Spearman (1904), Am. J. Psychol. 15, with the t approximation.
//! Correlation of neighbours: Wald and Wolfowitz (1943), Ann. Math. Statist. 14, with the mean and variance of
//! Moran (1948), Some theorems on time series, Biometrika 35, and the normal approximation. Both are warnings, not tests.

use super::distribution::{normal_upper_tail, student_two_sided};
use super::sample::Sample;
use super::selection::same;

/// With fewer trials than this, order says nothing.
pub const FEWEST_FOR_DRIFT: usize = 5;

/// How the values of a cell hang together over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The correlation of a trial's rank with the next one's.
    pub lag_one: f64,
    /// The p-value of so much correlation, upwards, among independent trials.
    pub lag_one_p_value: f64,
    /// The correlation of rank and time.
    pub trend: f64,
    /// The two-sided p-value of no trend.
    pub trend_p_value: f64,
}

impl Drift {
    /// The drift of values in the order in which they ran; `None` for fewer than five or for equal values.
    pub fn of(sample: &Sample) -> Option<Self> {
        if sample.size() < FEWEST_FOR_DRIFT || sample.is_constant() {
            return None;
        }
        let size = sample.size() as f64;
        let middle = f64::midpoint(size, 1.0);
        let ranks: Vec<f64> = shared_ranks(sample.values()).into_iter().map(|rank| rank - middle).collect();
        let square: f64 = ranks.iter().map(|rank| rank * rank).sum();
        let lag_one = ranks.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / square;
        let lag_one_deviation = (size - 2.0) / (size * (size - 1.0).sqrt());
        let time_square = size * (size * size - 1.0) / 12.0;
        let together: f64 =
            ranks.iter().enumerate().map(|(time, rank)| (time as f64 + 1.0 - middle) * rank).sum();
        let trend = (together / (square * time_square).sqrt()).clamp(-1.0, 1.0);
        let t = trend * ((size - 2.0) / ((1.0 + trend) * (1.0 - trend))).sqrt();
        Some(Self {
            lag_one,
            lag_one_p_value: normal_upper_tail((lag_one + 1.0 / size) / lag_one_deviation),
            trend,
            trend_p_value: student_two_sided(t, size - 2.0),
        })
    }
}

/// The ranks of values, from 1; equal values share theirs.
pub fn shared_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|one, other| same(values[*one], values[*other])) {
        for at in tied {
            ranks[*at] = before as f64 + f64::midpoint(tied.len() as f64, 1.0);
        }
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(values: &[f64]) -> Drift {
        Drift::of(&Sample::new(values).unwrap()).unwrap()
    }

    #[test]
    fn a_rising_series_has_a_trend_and_like_neighbours() {
        let drift = drift(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((drift.trend - 1.0).abs() < 1e-12 && drift.trend_p_value < 1e-9);
        assert!(drift.lag_one > 0.5 && drift.lag_one_p_value < 0.01);
    }

    #[test]
    fn alternating_values_do_not_warn() {
        let drift = drift(&[1.0, 9.0, 2.0, 8.0, 1.5, 9.5, 2.5, 8.5]);
        assert!(drift.lag_one < 0.0 && drift.lag_one_p_value > 0.5 && drift.trend_p_value > 0.1);
    }

    #[test]
    fn equal_or_few_values_have_no_drift() {
        assert_eq!(Drift::of(&Sample::new([1.0; 9]).unwrap()), None);
        assert_eq!(Drift::of(&Sample::new([1.0, 2.0, 3.0, 4.0]).unwrap()), None);
    }

    #[test]
    fn equal_values_share_their_rank() {
        let ranks = shared_ranks(&[5.0, 1.0, 5.0, 9.0]);
        assert!(ranks.iter().zip([2.5, 1.0, 2.5, 4.0]).all(|(rank, expected)| same(*rank, expected)));
    }
}
