//! Stop guards: `val_loss > 10`, `non-finite`, `no output for 10m`; a run that breaks one is stopped.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::metric::is_name;
use super::number::significant;
use super::quantity::{QuantityError, duration_text, parse_duration};

/// What a run must not come to while it is under way.
#[derive(Clone, Debug, PartialEq)]
pub enum StopGuard {
    /// The newest value of a metric, in any of its cases, is on the wrong side of a number.
    Beyond {
        /// The metric.
        metric: String,
        /// The wrong side.
        side: Side,
        /// The number.
        limit: f64,
    },
    /// The newest value of a metric is NaN or infinite.
    NonFinite {
        /// The metric; any where none is named.
        metric: Option<String>,
    },
    /// Neither output nor a metric came for this long.
    Silent(Duration),
}

/// The side of a number on which a guard is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `>`
    Above,
    /// `>=`
    AtOrAbove,
    /// `<`
    Below,
    /// `<=`
    AtOrBelow,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtOrAbove => ">=",
            Self::Below => "<",
            Self::AtOrBelow => "<=",
        }
    }

    /// Whether `value` is on this side of `limit`; NaN is on none.
    fn has(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtOrAbove => value >= limit,
            Self::Below => value < limit,
            Self::AtOrBelow => value <= limit,
        }
    }
}

/// The newest value of a metric and case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Newest<'a> {
    /// The metric.
    pub metric: &'a str,
    /// The case, if any.
    pub case: Option<&'a str>,
    /// The value.
    pub value: f64,
    /// The step at which it was reported, where one was.
    pub step: Option<f64>,
}

/// `val_loss is 12.5 at step 300`.
impl fmt::Display for Newest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric)?;
        if let Some(case) = self.case {
            write!(f, " of {case}")?;
        }
        write!(f, " is {}", significant(self.value, 6))?;
        match self.step {
            Some(step) => write!(f, " at step {step}"),
            None => Ok(()),
        }
    }
}

/// Why a text is not a stop guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopGuardError {
    /// It has none of the three forms.
    #[error(
        "`{0}` is not a stop guard; write it as `val_loss > 10`, `non-finite`, `val_loss non-finite` or `no output for 10m`"
    )]
    Form(String),
    /// What stands first cannot name a metric.
    #[error("`{0}` is not a metric's name")]
    Metric(String),
    /// What a metric is held against is not a number.
    #[error("`{0}` is not a number; a stop guard looks at the run alone, as in `val_loss > 10`")]
    Number(String),
    /// The time of silence cannot be read.
    #[error(transparent)]
    Duration(#[from] QuantityError),
    /// No time of silence at all.
    #[error("no command writes all the time; write it as `no output for 10m`")]
    NoTime,
}

/// What begins a guard against silence.
const SILENCE: &str = "no output for ";
/// What ends a guard against values that are not finite.
const NON_FINITE: &str = "non-finite";

impl FromStr for StopGuard {
    type Err = StopGuardError;

    fn from_str(text: &str) -> Result<Self, StopGuardError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let whole = words.join(" ");
        let name = |name: &str| match is_name(name) {
            true => Ok(name.to_owned()),
            false => Err(StopGuardError::Metric(name.to_owned())),
        };
        if let Some(time) = whole.strip_prefix(SILENCE) {
            let time = parse_duration(time)?;
            return if time.is_zero() { Err(StopGuardError::NoTime) } else { Ok(Self::Silent(time)) };
        }
        match words[..] {
            [NON_FINITE] => return Ok(Self::NonFinite { metric: None }),
            [metric, NON_FINITE] => return Ok(Self::NonFinite { metric: Some(name(metric)?) }),
            _ => {}
        }
        let Some(at) = whole.find(['<', '>']) else { return Err(StopGuardError::Form(whole)) };
        let (metric, rest) = whole.split_at(at);
        let (side, limit) = match (rest.strip_prefix(">="), rest.strip_prefix("<=")) {
            (Some(limit), _) => (Side::AtOrAbove, limit),
            (_, Some(limit)) => (Side::AtOrBelow, limit),
            _ if rest.starts_with('>') => (Side::Above, &rest[1..]),
            _ => (Side::Below, &rest[1..]),
        };
        let limit = limit.trim();
        let number = limit.parse().ok().filter(|number: &f64| number.is_finite());
        Ok(Self::Beyond {
            metric: name(metric.trim())?,
            side,
            limit: number.ok_or_else(|| StopGuardError::Number(limit.to_owned()))?,
        })
    }
}

/// The text that reads back as the same guard.
impl fmt::Display for StopGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beyond { metric, side, limit } => write!(f, "{metric} {} {limit}", side.word()),
            Self::NonFinite { metric: None } => f.write_str(NON_FINITE),
            Self::NonFinite { metric: Some(metric) } => write!(f, "{metric} {NON_FINITE}"),
            Self::Silent(time) => write!(f, "{SILENCE}{}", duration_text(*time)),
        }
    }
}

impl StopGuard {
    /// Why a run must be stopped whose metrics came to `newest` and that has been silent for so long; `None` where it may go on.
    pub fn breach<'a>(
        &self,
        newest: impl IntoIterator<Item = Newest<'a>>,
        silent: Duration,
    ) -> Option<String> {
        let found = match self {
            Self::Silent(most) => {
                return (silent >= *most).then(|| {
                    format!(
                        "the stop guard `{self}` was broken: nothing was written for {}",
                        duration_text(*most)
                    )
                });
            }
            Self::Beyond { metric, side, limit } => {
                newest.into_iter().find(|it| it.metric == metric && side.has(it.value, *limit))
            }
            Self::NonFinite { metric } => newest
                .into_iter()
                .find(|it| metric.as_ref().is_none_or(|name| it.metric == name) && !it.value.is_finite()),
        };
        found.map(|it| format!("the stop guard `{self}` was broken: {it}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guard(text: &str) -> StopGuard {
        text.parse().expect("the guard is right")
    }

    fn refusal(text: &str) -> String {
        text.parse::<StopGuard>().expect_err("the guard is wrong").to_string()
    }

    fn value(metric: &str, value: f64) -> Newest<'_> {
        Newest { metric, case: None, value, step: None }
    }

    #[test]
    fn a_guard_has_one_of_three_forms() {
        for text in [
            "val_loss > 10",
            "acc/top5 <= -0.5",
            "x < 1",
            "x >= 3",
            "non-finite",
            "val_loss non-finite",
            "no output for 1h30m",
        ] {
            assert_eq!(guard(text).to_string(), text);
        }
        assert_eq!(guard(" val_loss>1e1 ").to_string(), "val_loss > 10");
        assert_eq!(guard("no  output for 90s").to_string(), "no output for 1m30s");
    }

    #[test]
    fn what_is_no_guard_says_why() {
        insta::assert_snapshot!(
            ["", "soon", "val_loss > 10%", "val_loss > inf", "> 3", "a b > 3", "no output for 10", "no output for 0s"]
                .map(refusal)
                .join("\n"),
            @"
        `` is not a stop guard; write it as `val_loss > 10`, `non-finite`, `val_loss non-finite` or `no output for 10m`
        `soon` is not a stop guard; write it as `val_loss > 10`, `non-finite`, `val_loss non-finite` or `no output for 10m`
        `10%` is not a number; a stop guard looks at the run alone, as in `val_loss > 10`
        `inf` is not a number; a stop guard looks at the run alone, as in `val_loss > 10`
        `` is not a metric's name
        `a b` is not a metric's name
        `10` is not a duration; write it as `90s`, `2h` or `1h30m`
        no command writes all the time; write it as `no output for 10m`
        "
        );
    }

    #[test]
    fn the_reason_names_guard_value_case_and_step() {
        let newest = [
            value("loss", 1.0),
            Newest { metric: "val_loss", case: Some("b8"), value: 12.5, step: Some(300.0) },
        ];
        assert_eq!(
            guard("val_loss > 10").breach(newest, Duration::ZERO).as_deref(),
            Some("the stop guard `val_loss > 10` was broken: val_loss of b8 is 12.5 at step 300")
        );
        assert_eq!(guard("val_loss > 12.5").breach(newest, Duration::ZERO), None);
        assert!(guard("val_loss >= 12.5").breach(newest, Duration::ZERO).is_some());
        assert!(guard("loss < 2").breach(newest, Duration::ZERO).is_some());
        assert_eq!(guard("acc < 2").breach(newest, Duration::ZERO), None);
    }

    #[test]
    fn what_is_not_finite_breaks_only_the_guard_for_it() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let newest = [value("a", 1.0), value("b", bad)];
            assert!(guard("non-finite").breach(newest, Duration::ZERO).is_some());
            assert!(guard("b non-finite").breach(newest, Duration::ZERO).is_some());
            assert_eq!(guard("a non-finite").breach(newest, Duration::ZERO), None);
        }
        assert_eq!(guard("b > 3").breach([value("b", f64::NAN)], Duration::ZERO), None);
        assert!(guard("b > 3").breach([value("b", f64::INFINITY)], Duration::ZERO).is_some());
    }

    #[test]
    fn silence_breaks_a_guard_once_it_lasted() {
        let guard = guard("no output for 10m");
        assert_eq!(guard.breach([], Duration::from_secs(599)), None);
        assert_eq!(
            guard.breach([], Duration::from_mins(10)).as_deref(),
            Some("the stop guard `no output for 10m` was broken: nothing was written for 10m")
        );
    }

    proptest! {
        #[test]
        fn a_guard_survives_being_written(
            name in "[a-z_/.-]{1,12}",
            limit in proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
            side in 0..4_usize,
            nanos in 1..u64::MAX / 8,
        ) {
            let side = [Side::Above, Side::AtOrAbove, Side::Below, Side::AtOrBelow][side];
            for guard in [
                StopGuard::Beyond { metric: name.clone(), side, limit },
                StopGuard::NonFinite { metric: Some(name) },
                StopGuard::NonFinite { metric: None },
                StopGuard::Silent(Duration::from_nanos(nanos)),
            ] {
                prop_assert_eq!(guard.to_string().parse(), Ok(guard));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-z<>= %0-9.-]{0,24}|\\PC{0,24}") {
            let _ = text.parse::<StopGuard>();
        }
    }
}
