//! Two means with unequal variances.
//!
//! Welch (1947), The generalization of Student's problem when several different population variances are involved,
//! Biometrika 34; degrees of freedom by Satterthwaite (1946), Biometrics Bulletin 2.

use super::describe::Moments;
use super::sample::Sample;
use super::student::Student;

/// The difference of the means, `candidate - baseline`; `None` unless both have at least two values.
pub fn welch(baseline: &Sample, candidate: &Sample) -> Option<Student> {
    let (from, to) = (Moments::of(baseline), Moments::of(candidate));
    let (from_deviation, to_deviation) = (from.standard_deviation?, to.standard_deviation?);
    let (from_size, to_size) = (baseline.size() as f64, candidate.size() as f64);
    let effect = to.mean - from.mean;
    // In units of the larger deviation, so that no square leaves the range of numbers.
    let unit = from_deviation.max(to_deviation);
    if unit <= 0.0 {
        return Some(Student { effect, standard_error: 0.0, degrees: from_size + to_size - 2.0 });
    }
    let from_part = (from_deviation / unit).powi(2) / from_size;
    let to_part = (to_deviation / unit).powi(2) / to_size;
    let whole = from_part + to_part;
    let degrees =
        whole * whole / (from_part * from_part / (from_size - 1.0) + to_part * to_part / (to_size - 1.0));
    Some(Student { effect, standard_error: unit * whole.sqrt(), degrees })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values).unwrap()
    }

    #[test]
    fn the_degrees_of_freedom_lie_between_those_of_one_side_and_of_both() {
        let baseline = sample(&[10.1, 10.2, 9.9, 10.0]);
        let candidate = sample(&[12.0, 8.0, 11.0, 9.0, 10.0]);
        let student = welch(&baseline, &candidate).unwrap();
        assert!((4.0..7.0).contains(&student.degrees), "{}", student.degrees);
    }

    #[test]
    fn a_side_without_spread_leaves_the_other_sides_degrees() {
        let student = welch(&sample(&[5.0; 4]), &sample(&[6.0, 7.0, 8.0])).unwrap();
        assert!((student.degrees - 2.0).abs() < 1e-12);
    }

    #[test]
    fn extreme_scales_keep_their_statistic() {
        for scale in [1e-300, 1.0, 1e299] {
            let values = |numbers: &[f64]| sample(&numbers.iter().map(|n| n * scale).collect::<Vec<_>>());
            let student = welch(&values(&[1.0, 2.0, 3.0]), &values(&[4.0, 6.0, 5.0])).unwrap();
            assert!((student.statistic(0.0) - 3.0 / (2.0_f64 / 3.0).sqrt()).abs() < 1e-9, "{scale}");
        }
    }

    #[test]
    fn one_value_is_not_enough() {
        assert_eq!(welch(&sample(&[1.0]), &sample(&[1.0, 2.0])), None);
    }
}
