//! Samples: the values of one metric on one side of a comparison, checked once so that the methods just compute.

use super::selection;

/// Why values cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SampleError {
    /// There is no value at all.
    #[error("a sample needs at least one value")]
    Empty,
    /// A value is NaN, infinite or beyond [`Sample::LARGEST`].
    #[error("value {position} of the sample is {value}, which cannot be compared")]
    OutOfRange {
        /// Which value, counted from 1.
        position: usize,
        /// The value.
        value: f64,
    },
    /// A value that has no logarithm where ratios are wanted.
    #[error("value {position} of the sample is {value}, and ratios need values above zero")]
    NotPositive {
        /// Which value, counted from 1.
        position: usize,
        /// The value.
        value: f64,
    },
}

/// Values that are finite and at least one, in the order in which the trials ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    values: Vec<f64>,
    sorted: Vec<f64>,
}

impl Sample {
    /// The largest magnitude that is taken, so that no difference or sum of values overflows.
    pub const LARGEST: f64 = 1e300;

    /// The sample of `values`.
    pub fn new(values: impl Into<Vec<f64>>) -> Result<Self, SampleError> {
        let values: Vec<f64> = values.into();
        if values.is_empty() {
            return Err(SampleError::Empty);
        }
        if let Some(at) = values.iter().position(|value| value.is_nan() || value.abs() > Self::LARGEST) {
            return Err(SampleError::OutOfRange { position: at + 1, value: values[at] });
        }
        let mut sorted: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        Ok(Self { values, sorted })
    }

    /// The natural logarithms of the values, which must all be above zero.
    pub fn logs(&self) -> Result<Self, SampleError> {
        match self.values.iter().position(|value| *value <= 0.0) {
            Some(at) => Err(SampleError::NotPositive { position: at + 1, value: self.values[at] }),
            None => Ok(Self {
                values: self.values.iter().map(|value| value.ln()).collect(),
                sorted: self.sorted.iter().map(|value| value.ln()).collect(),
            }),
        }
    }

    /// The values in the order in which the trials ran.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values from the smallest to the largest.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// The number of values, never zero.
    pub fn size(&self) -> usize {
        self.values.len()
    }

    /// The smallest value.
    pub fn smallest(&self) -> f64 {
        self.sorted[0]
    }

    /// The largest value.
    pub fn largest(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// Whether all values are equal.
    pub fn is_constant(&self) -> bool {
        selection::same(self.smallest(), self.largest())
    }

    /// The differences `other - self`, value by value; `None` where the sizes differ.
    pub fn differences_to(&self, other: &Self) -> Option<Self> {
        if self.size() != other.size() {
            return None;
        }
        let values: Vec<f64> = self.values.iter().zip(&other.values).map(|(from, to)| to - from).collect();
        let mut sorted: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self { values, sorted })
    }
}

/// An interval of effects, its ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Both ends changed by an increasing `change`.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { low: change(self.low), high: change(self.high) }
    }

    /// The distance between the ends.
    pub fn width(self) -> f64 {
        self.high - self.low
    }
}

/// The share of false alarms that is allowed, between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level(f64);

impl Level {
    /// One false alarm in twenty: 95 % intervals and one-sided 95 % bounds.
    pub const FIVE_PERCENT: Self = Self(0.05);

    /// The level `share`, `None` unless it lies strictly between 0 and 1.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Self(share))
    }

    /// The share of false alarms.
    pub fn share(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_refuses_what_cannot_be_compared() {
        assert_eq!(Sample::new([]), Err(SampleError::Empty));
        for value in [f64::INFINITY, f64::NEG_INFINITY, 2e300] {
            assert_eq!(Sample::new([1.0, value]), Err(SampleError::OutOfRange { position: 2, value }));
        }
        assert!(matches!(Sample::new([f64::NAN]), Err(SampleError::OutOfRange { position: 1, .. })));
    }

    #[test]
    fn a_ratio_refuses_values_that_touch_zero() {
        let sample = Sample::new([1.0, 0.0]).unwrap();
        assert_eq!(sample.logs(), Err(SampleError::NotPositive { position: 2, value: 0.0 }));
    }

    #[test]
    fn a_sample_keeps_the_order_of_the_trials() {
        let sample = Sample::new([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(sample.values(), [3.0, 1.0, 2.0]);
        assert_eq!(sample.sorted(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_level_lies_strictly_between_zero_and_one() {
        assert!(Level::new(0.0).is_none() && Level::new(1.0).is_none() && Level::new(f64::NAN).is_none());
        assert_eq!(Level::new(0.05), Some(Level::FIVE_PERCENT));
    }
}
