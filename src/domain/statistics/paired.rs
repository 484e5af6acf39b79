//! Pairs judged by their differences: runs next to each other in time, or trials with the same seed.
//!
//! Student's t on the differences; on log ratios where the metric is compared by ratio.

use super::sample::Sample;
use super::student::Student;

/// The mean difference `candidate - baseline` over pairs; `None` unless the sizes are equal and at least two.
pub fn paired(baseline: &Sample, candidate: &Sample) -> Option<Student> {
    Student::of_mean(&baseline.differences_to(candidate)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_sides_of_a_pair_share_cancels() {
        let baseline = Sample::new([10.0, 20.0, 30.0]).unwrap();
        let candidate = Sample::new([11.0, 21.0, 31.0]).unwrap();
        let student = paired(&baseline, &candidate).unwrap();
        assert!((student.effect - 1.0).abs() < 1e-12 && student.standard_error < 1e-12);
    }

    #[test]
    fn sides_of_different_size_are_not_pairs() {
        assert_eq!(paired(&Sample::new([1.0, 2.0]).unwrap(), &Sample::new([1.0]).unwrap()), None);
    }
}
