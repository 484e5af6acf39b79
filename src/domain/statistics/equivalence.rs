//! Sameness that is shown, not merely not refuted: two one-sided tests.
//!
//! Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, J. Pharmacokinet.
//! Biopharm. 15. Both tests pass at the level exactly where both one-sided bounds lie inside the margins.

use super::sample::Interval;
use super::student::Student;

/// Whether an effect is shown to lie inside the margins; without bounds it is not.
pub fn is_same(bounds: Option<Interval>, margins: Interval) -> bool {
    bounds.is_some_and(|bounds| margins.low <= bounds.low && bounds.high <= margins.high)
}

/// The p-value of the effect lying outside the margins, against its lying inside.
pub fn two_one_sided(student: Student, margins: Interval) -> f64 {
    student.p_above(margins.low).max(student.p_below(margins.high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statistics::sample::Level;

    #[test]
    fn bounds_inside_the_margins_and_a_small_p_value_are_the_same_answer() {
        for effect in [-0.02, -0.005, 0.0, 0.004, 0.0065, 0.02] {
            let student = Student { effect, standard_error: 0.002, degrees: 8.0 };
            let margins = Interval { low: -0.01, high: 0.01 };
            let same = is_same(Some(student.bounds(Level::FIVE_PERCENT)), margins);
            assert_eq!(same, two_one_sided(student, margins) <= 0.05, "{effect}");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_the_same() {
        assert!(!is_same(None, Interval { low: -0.01, high: 0.01 }));
    }
}
