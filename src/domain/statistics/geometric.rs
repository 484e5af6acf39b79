//! Several cases as one number: the geometric mean, so that the ratio over cases is the mean of the cases' ratios.
//!
//! Fleming and Wallace (1986), How not to lie with statistics: the correct way to summarize benchmark results,
//! Commun. ACM 29. The mean is taken inside each trial, because trials are what is repeated: cases of one run share
//! its luck.

use super::describe::sum;
use super::sample::{Sample, SampleError};
use std::collections::BTreeMap;

/// Why cases cannot be joined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CasesError {
    /// A trial lacks a case that another one has.
    #[error("trial {trial} has no value for the case `{case}`")]
    Missing {
        /// Which trial, counted from 1.
        trial: usize,
        /// The case.
        case: String,
    },
    /// A value has no logarithm.
    #[error("trial {trial} has {value} for the case `{case}`, and ratios need values above zero")]
    NotPositive {
        /// Which trial, counted from 1.
        trial: usize,
        /// The case.
        case: String,
        /// The value.
        value: f64,
    },
    /// There is no trial, or no case.
    #[error("there are no cases to join")]
    Sample(#[from] SampleError),
}

/// The geometric mean over cases of each trial; every trial must have the same cases.
pub fn over_cases(trials: &[BTreeMap<String, f64>]) -> Result<Sample, CasesError> {
    let mut means = Vec::with_capacity(trials.len());
    for (at, cases) in trials.iter().enumerate() {
        let trial = at + 1;
        if let Some(case) = trials.iter().flat_map(BTreeMap::keys).find(|case| !cases.contains_key(*case)) {
            return Err(CasesError::Missing { trial, case: case.clone() });
        }
        if let Some((case, value)) = cases.iter().find(|(_, value)| value.is_nan() || **value <= 0.0) {
            return Err(CasesError::NotPositive { trial, case: case.clone(), value: *value });
        }
        if cases.is_empty() {
            return Err(SampleError::Empty.into());
        }
        means.push((sum(cases.values().map(|value| value.ln())) / cases.len() as f64).exp());
    }
    Ok(Sample::new(means)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(cases: &[(&str, f64)]) -> BTreeMap<String, f64> {
        cases.iter().map(|(case, value)| ((*case).to_owned(), *value)).collect()
    }

    #[test]
    fn a_small_case_counts_as_much_as_a_large_one() {
        let joined = over_cases(&[trial(&[("small", 1.0), ("large", 10_000.0)])]).unwrap();
        assert!((joined.values()[0] - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_missing_case_is_named() {
        let trials = [trial(&[("a", 1.0), ("b", 2.0)]), trial(&[("a", 1.0)])];
        assert_eq!(over_cases(&trials), Err(CasesError::Missing { trial: 2, case: "b".to_owned() }));
    }

    #[test]
    fn a_case_that_touches_zero_is_named() {
        let refused = over_cases(&[trial(&[("a", 0.0)])]);
        assert_eq!(refused, Err(CasesError::NotPositive { trial: 1, case: "a".to_owned(), value: 0.0 }));
    }

    #[test]
    fn nothing_cannot_be_joined() {
        assert_eq!(over_cases(&[]), Err(CasesError::Sample(SampleError::Empty)));
        assert_eq!(over_cases(&[trial(&[])]), Err(CasesError::Sample(SampleError::Empty)));
    }
}
