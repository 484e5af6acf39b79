//! What a sample looks like: centre, spread and quantiles.
//!
//! Quantiles interpolate linearly between order statistics: type 7 of Hyndman and Fan (1996), Sample quantiles in
//! statistical packages, Am. Statist. 50; the default of numpy and R. The median absolute deviation is not rescaled.

use super::sample::Sample;

/// The numbers that are shown for one side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Description {
    /// The number of values.
    pub size: usize,
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation, with `size - 1`; absent for one value.
    pub standard_deviation: Option<f64>,
    /// The median.
    pub median: f64,
    /// The median distance from the median.
    pub median_absolute_deviation: f64,
    /// The value that a quarter lies below.
    pub lower_quartile: f64,
    /// The value that three quarters lie below.
    pub upper_quartile: f64,
    /// The value that 95 % lie below.
    pub percentile_95: f64,
    /// The smallest value.
    pub smallest: f64,
    /// The largest value.
    pub largest: f64,
}

impl Description {
    /// The description of a sample.
    pub fn of(sample: &Sample) -> Self {
        let moments = Moments::of(sample);
        let sorted = sample.sorted();
        let median = quantile(sorted, 0.5);
        let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Self {
            size: sample.size(),
            mean: moments.mean,
            standard_deviation: moments.standard_deviation,
            median,
            median_absolute_deviation: quantile(&distances, 0.5),
            lower_quartile: quantile(sorted, 0.25),
            upper_quartile: quantile(sorted, 0.75),
            percentile_95: quantile(sorted, 0.95),
            smallest: sample.smallest(),
            largest: sample.largest(),
        }
    }
}

/// The mean and the standard deviation of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The arithmetic mean.
    pub mean: f64,
    /// The standard deviation, with `size - 1`; absent for one value.
    pub standard_deviation: Option<f64>,
}

impl Moments {
    /// The moments of a sample, whatever the order of its values.
    ///
    /// Equal values have exactly their value as mean and exactly no spread; deviations are squared in units of the
    /// largest, so that neither 1e-300 nor 1e300 is lost.
    pub fn of(sample: &Sample) -> Self {
        let sorted = sample.sorted();
        let size = sorted.len() as f64;
        let origin = sorted[sorted.len() / 2];
        let mean = origin + sum(sorted.iter().map(|value| (value - origin) / size));
        if sorted.len() < 2 {
            return Self { mean, standard_deviation: None };
        }
        let largest = (sorted[sorted.len() - 1] - mean).max(mean - sorted[0]);
        if largest <= 0.0 {
            return Self { mean, standard_deviation: Some(0.0) };
        }
        let squares = sum(sorted.iter().map(|value| ((value - mean) / largest).powi(2)));
        Self { mean, standard_deviation: Some(largest * (squares / (size - 1.0)).sqrt()) }
    }
}

/// The quantile of sorted values at a share from 0 to 1.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = share * last as f64;
    let below = index(place.floor()).min(last);
    let above = (below + 1).min(last);
    let part = place - below as f64;
    // Weighted this way round neither overflows nor leaves the two values.
    sorted[below] * (1.0 - part) + sorted[above] * part
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place is at least zero and small"
)]
fn index(place: f64) -> usize {
    place as usize
}

/// The sum with the rounding errors carried along.
///
/// Neumaier (1974), Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54.
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-12 * other.abs()
    }

    #[test]
    fn a_sample_is_described_by_known_numbers() {
        let description = Description::of(&Sample::new([2.0, 4.0, 4.0, 5.0, 10.0]).unwrap());
        assert!(close(description.mean, 5.0));
        assert!(close(description.standard_deviation.unwrap(), 3.0));
        assert!(close(description.median, 4.0));
        assert!(close(description.median_absolute_deviation, 1.0));
        assert!(close(description.lower_quartile, 4.0) && close(description.upper_quartile, 5.0));
        assert!(close(description.percentile_95, 9.0));
    }

    #[test]
    fn equal_values_have_no_spread_at_all() {
        let moments = Moments::of(&Sample::new([0.1; 7]).unwrap());
        assert_eq!(moments, Moments { mean: 0.1, standard_deviation: Some(0.0) });
    }

    #[test]
    fn a_large_offset_does_not_hide_the_spread() {
        let moments = Moments::of(&Sample::new([1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap());
        assert!(close(moments.standard_deviation.unwrap(), 30.0_f64.sqrt()));
    }

    #[test]
    fn one_value_has_a_centre_and_no_spread() {
        let description = Description::of(&Sample::new([7.0]).unwrap());
        assert_eq!((description.median, description.standard_deviation), (7.0, None));
    }
}
