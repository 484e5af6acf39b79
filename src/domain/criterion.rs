//! Acceptance criteria and guardrails: `step_time <= -8%`, `acc >= base - 0.002`, `val_loss <= 3.0`.

use std::fmt;
use std::str::FromStr;

use super::metric::is_name;

/// The side of the target on which a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// At most the target.
    AtMost,
    /// At least the target.
    AtLeast,
}

/// What a metric is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// A change relative to the baseline, as a fraction: `-8%` is −0.08.
    Relative(f64),
    /// A change against the baseline in the metric's unit: `base - 0.002` is −0.002.
    Change(f64),
    /// A value in the metric's unit, whatever the baseline has.
    Absolute(f64),
}

/// A metric, an operator and a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    /// The metric it is about.
    pub metric: String,
    /// The side of the target on which it holds.
    pub operator: Operator,
    /// What the metric is held against.
    pub target: Target,
}

/// Why a text is not a criterion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriterionError {
    /// There is no `<=` or `>=` in it.
    #[error("it has neither `<=` nor `>=`")]
    NoOperator,
    /// What stands before the operator cannot name a metric.
    #[error("`{0}` is not a metric's name")]
    Metric(String),
    /// What stands after the operator is not a number.
    #[error("`{0}` is not a number")]
    Number(String),
}

impl FromStr for Criterion {
    type Err = CriterionError;

    fn from_str(text: &str) -> Result<Self, CriterionError> {
        let (at, operator) = match (text.find("<="), text.find(">=")) {
            (Some(at), None) => (at, Operator::AtMost),
            (None, Some(at)) => (at, Operator::AtLeast),
            _ => return Err(CriterionError::NoOperator),
        };
        let metric = text[..at].trim();
        if !is_name(metric) {
            return Err(CriterionError::Metric(metric.to_owned()));
        }
        let target = text[at + 2..].trim();
        let number = |text: &str| {
            // `- 0.002` is what people write after `base`.
            let joined: String = text.split_whitespace().collect();
            // `+ -0` was once written for `- 0`.
            let unsigned = joined.strip_prefix('+').unwrap_or(&joined);
            unsigned
                .parse::<f64>()
                .ok()
                .filter(|value| value.is_finite())
                // No change is no change, on whichever side.
                .map(|value| value + 0.0)
                .ok_or_else(|| CriterionError::Number(text.trim().to_owned()))
        };
        let target = if let Some(percent) = target.strip_suffix('%') {
            Target::Relative(number(percent)? / 100.0)
        } else if let Some(change) = target.strip_prefix("base") {
            let change = change.trim();
            if change.is_empty() { Target::Change(0.0) } else { Target::Change(number(change)?) }
        } else {
            Target::Absolute(number(target)?)
        };
        Ok(Self { metric: metric.to_owned(), operator, target })
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::AtMost => "<=",
            Operator::AtLeast => ">=",
        };
        write!(f, "{} {operator} ", self.metric)?;
        match self.target {
            Target::Relative(fraction) => {
                // Ten digits hide what binary fractions add to `8 / 100`.
                let percent = (fraction * 100.0 * 1e10).round() / 1e10;
                write!(f, "{percent:+}%")
            }
            Target::Change(change) if change < 0.0 => write!(f, "base - {}", -change),
            Target::Change(change) => write!(f, "base + {change}"),
            Target::Absolute(value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_change_is_written_as_it_is_read() {
        for (text, written) in [
            ("loss <= base - 0", "loss <= base + 0"),
            ("loss <= base + -0", "loss <= base + 0"),
            ("loss <= base", "loss <= base + 0"),
            ("loss <= -0%", "loss <= +0%"),
            ("loss >= -0", "loss >= 0"),
        ] {
            let criterion: Criterion = text.parse().expect("it is a criterion");
            assert_eq!(criterion.to_string(), written, "{text}");
        }
    }

    proptest! {
            #[test]
            fn every_criterion_can_be_read_again(
                value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
                is_at_most in any::<bool>(),
                kind in 0_u8..3,
            ) {
                let target = match kind {
                    // Percentages are kept to ten digits behind the point.
                    0 => Target::Relative((value % 1e6).round() / 100.0 + 0.0),
                    1 => Target::Change(value),
                    _ => Target::Absolute(value),
                };
                let operator = if is_at_most { Operator::AtMost } else { Operator::AtLeast };
                let criterion = Criterion { metric: "loss".to_owned(), operator, target };
                let read: Criterion = criterion.to_string().parse().expect("what is written can be read");
    match kind {
                // Dividing by a hundred again may differ in the last digit.
                0 => prop_assert_eq!(read.to_string(), criterion.to_string()),
                _ => prop_assert_eq!(read, criterion),
            }
            }
        }
}
