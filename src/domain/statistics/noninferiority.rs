//! Claims about one side of an effect: criteria and guardrails, by one-sided bounds.
//!
//! A guardrail asks for proof that nothing got worse by more than a margin, not for lack of proof that something did:
//! Piaggio et al. (2012), Reporting of noninferiority and equivalence randomized trials, JAMA 308.

use super::sample::Interval;
use crate::domain::criterion::Operator;
use crate::domain::metric::Better;

/// Whether a claim is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The bound lies on the claimed side.
    Holds,
    /// The opposite bound lies beyond it: the opposite of the claim is shown.
    Fails,
    /// Neither is shown.
    Unclear,
}

/// Whether a claim holds, given a lower and an upper bound that each hold alone at the wanted level.
pub fn answer(bounds: Option<Interval>, operator: Operator, target: f64) -> Answer {
    let Some(bounds) = bounds else {
        return Answer::Unclear;
    };
    let (holds, fails) = match operator {
        Operator::AtMost => (bounds.high <= target, bounds.low > target),
        Operator::AtLeast => (bounds.low >= target, bounds.high < target),
    };
    match (holds, fails) {
        (true, _) => Answer::Holds,
        (false, true) => Answer::Fails,
        (false, false) => Answer::Unclear,
    }
}

/// Whether a metric got worse by no more than `margin`, which is at least zero and on the scale of the bounds.
pub fn not_worse(bounds: Option<Interval>, better: Better, margin: f64) -> Answer {
    match better {
        Better::Lower => answer(bounds, Operator::AtMost, margin),
        Better::Higher => answer(bounds, Operator::AtLeast, -margin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(low: f64, high: f64, better: Better) -> Answer {
        not_worse(Some(Interval { low, high }), better, 0.002)
    }

    #[test]
    fn a_guardrail_that_may_be_broken_is_not_shown() {
        assert_eq!(guarded(-0.01, 0.001, Better::Lower), Answer::Holds);
        assert_eq!(guarded(-0.01, 0.003, Better::Lower), Answer::Unclear);
        assert_eq!(guarded(0.003, 0.02, Better::Lower), Answer::Fails);
    }

    #[test]
    fn where_more_is_better_the_margin_lies_below() {
        assert_eq!(guarded(-0.001, 0.01, Better::Higher), Answer::Holds);
        assert_eq!(guarded(-0.02, -0.003, Better::Higher), Answer::Fails);
    }

    #[test]
    fn without_bounds_nothing_is_shown() {
        assert_eq!(answer(None, Operator::AtMost, 1.0), Answer::Unclear);
    }
}
