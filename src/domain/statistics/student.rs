//! Estimates with a standard error, judged by Student's t.
//!
//! Student (1908), The probable error of a mean, Biometrika 6.

use super::describe::Moments;
use super::distribution::{student_two_sided, student_upper_quantile, student_upper_tail};
use super::sample::{Interval, Level, Sample};

/// An effect, its standard error and the degrees of freedom of that error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Student {
    /// The estimated effect.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The degrees of freedom of the standard error.
    pub degrees: f64,
}

impl Student {
    /// The mean of a sample, which needs at least two values.
    pub fn of_mean(sample: &Sample) -> Option<Self> {
        let moments = Moments::of(sample);
        let size = sample.size() as f64;
        Some(Self {
            effect: moments.mean,
            standard_error: moments.standard_deviation? / size.sqrt(),
            degrees: size - 1.0,
        })
    }

    /// The same with an effect and an error that are both within `tolerance` taken as zero: they are rounding.
    #[must_use]
    pub fn rounded(self, tolerance: f64) -> Self {
        if self.effect.abs() <= tolerance && self.standard_error <= tolerance {
            Self { effect: 0.0, standard_error: 0.0, ..self }
        } else {
            self
        }
    }

    /// The t statistic of the effect against `target`; infinite where there is no spread.
    pub fn statistic(self, target: f64) -> f64 {
        let distance = self.effect - target;
        if distance.abs() > 0.0 { distance / self.standard_error } else { 0.0 }
    }

    /// The two-sided p-value of no effect.
    pub fn p_value(self) -> f64 {
        student_two_sided(self.statistic(0.0), self.degrees)
    }

    /// The p-value of the effect being at most `target`, against its being above.
    pub fn p_above(self, target: f64) -> f64 {
        student_upper_tail(self.statistic(target), self.degrees)
    }

    /// The p-value of the effect being at least `target`, against its being below.
    pub fn p_below(self, target: f64) -> f64 {
        student_upper_tail(-self.statistic(target), self.degrees)
    }

    /// The effects that the two-sided test does not reject.
    pub fn interval(self, level: Level) -> Interval {
        self.reach(0.5 * level.share())
    }

    /// A lower and an upper bound, each alone at the given level.
    pub fn bounds(self, level: Level) -> Interval {
        self.reach(level.share())
    }

    fn reach(self, probability: f64) -> Interval {
        // A probability above one half is that of an interval with its ends swapped: no such level is sensible.
        let reach = student_upper_quantile(probability.min(0.5), self.degrees) * self.standard_error;
        Interval { low: self.effect - reach, high: self.effect + reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_students_interval() {
        // Table value: t of 3 degrees of freedom exceeds 3.182446 with 2.5 %.
        let mean = Student::of_mean(&Sample::new([1.0, 2.0, 3.0, 4.0]).unwrap()).unwrap();
        let interval = mean.interval(Level::FIVE_PERCENT);
        let reach = 3.182_446_305_284_263 * (5.0_f64 / 12.0).sqrt();
        assert!(
            (interval.low - (2.5 - reach)).abs() < 1e-12 && (interval.high - (2.5 + reach)).abs() < 1e-12
        );
    }

    #[test]
    fn one_value_has_no_standard_error() {
        assert_eq!(Student::of_mean(&Sample::new([1.0]).unwrap()), None);
    }

    #[test]
    fn no_spread_and_no_effect_is_no_evidence() {
        let flat = Student { effect: 0.0, standard_error: 0.0, degrees: 4.0 };
        assert!((flat.p_value() - 1.0).abs() < f64::EPSILON);
    }
}
