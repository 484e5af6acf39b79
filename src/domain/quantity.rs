//! Durations, sizes and budgets as people write them: `1h30m`, `10MiB`, `wall=2h,runs=40`.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::brief::Budget;

/// Why a text is not a quantity of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is not a duration.
    #[error("`{0}` is not a duration; write it as `90s`, `2h` or `1h30m`")]
    Duration(String),
    /// It is not a size.
    #[error("`{0}` is not a size; write it as `512KiB`, `10MiB` or `2GB`")]
    Size(String),
    /// It is not a part of a budget.
    #[error(
        "`{0}` is not a part of a budget; write it as `wall=2h`, `accelerator=1h` or `runs=40`, joined by commas"
    )]
    Budget(String),
    /// A part of a budget is given twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A number of runs is not a positive whole number.
    #[error("`{0}` is not a number of runs; write it as `runs=40`")]
    Runs(String),
}

/// The duration that `text` spells, as `90s`, `1h30m`, `250ms` or `2d`; a day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let refuse = || QuantityError::Duration(text.to_owned());
    // The parser beneath also reads `2h ago`, clock times and ISO 8601, which no one expects in an option.
    let is_plain = text.starts_with(|first: char| first.is_ascii_digit())
        && !text.contains(':')
        && !text.trim_end().ends_with("ago");
    let span: Span = if is_plain { text.parse().map_err(|_| refuse())? } else { return Err(refuse()) };
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| refuse())?;
    Duration::try_from(duration).map_err(|_| refuse())
}

/// The text that [`parse_duration`] reads back: `1h30m`, `250ms`.
pub fn duration_text(time: Duration) -> String {
    let units = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut left = time.as_nanos();
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in units {
        if left >= size {
            let _ = write!(text, "{}{unit}", left / size);
            left %= size;
        }
    }
    text
}

/// The number of bytes that `text` spells, as `512`, `10MiB`, `2GB` or, as in Git's own options, `95m`.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let refuse = || QuantityError::Size(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(refuse()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(refuse);
    }
    let bytes = number.parse::<f64>().map_err(|_| refuse())? * factor as f64;
    // Half a byte is a slip of the pen, and so is what no file system holds.
    if factor == 1 || !(0.0..=9.0e18).contains(&bytes) {
        return Err(refuse());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    Ok(bytes.round() as u64)
}

/// The budget that `text` spells, as `wall=2h,accelerator=1h,runs=40`.
pub fn parse_budget(text: &str) -> Result<Budget, QuantityError> {
    let mut budget = Budget::default();
    for part in text.split(',').map(str::trim) {
        let (name, value) = part.split_once('=').ok_or_else(|| QuantityError::Budget(part.to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        let is_new = match name {
            "wall" => budget.wall_seconds.replace(parse_duration(value)?.as_secs_f64()).is_none(),
            "accelerator" => {
                budget.accelerator_seconds.replace(parse_duration(value)?.as_secs_f64()).is_none()
            }
            "runs" => {
                let runs = value.parse().ok().filter(|&runs| runs > 0);
                budget.runs.replace(runs.ok_or_else(|| QuantityError::Runs(value.to_owned()))?).is_none()
            }
            _ => return Err(QuantityError::Budget(part.to_owned())),
        };
        if !is_new {
            return Err(QuantityError::Twice(name.to_owned()));
        }
    }
    Ok(budget)
}

/// A budget as [`parse_budget`] reads it.
pub fn budget_text(budget: Budget) -> String {
    let seconds = |name: &str, limit: Option<f64>| {
        let limit = Duration::try_from_secs_f64(limit?).ok()?;
        Some(format!("{name}={}", duration_text(limit)))
    };
    let runs = budget.runs.map(|runs| format!("runs={runs}"));
    let parts =
        [seconds("wall", budget.wall_seconds), seconds("accelerator", budget.accelerator_seconds), runs];
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("2h"), Ok(7_200.0));
        assert_eq!(seconds("1h30m"), Ok(5_400.0));
        assert_eq!(seconds("1h 30min"), Ok(5_400.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        assert_eq!(seconds("1.5h"), Ok(5_400.0));
        assert_eq!(seconds("2d"), Ok(172_800.0));
        assert_eq!(seconds("1w"), Ok(604_800.0));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        for text in ["90", "", "-2h", "2h ago", "h", "1:30", "PT2H", "3 months", "soon", "2x"] {
            assert_eq!(parse_duration(text), Err(QuantityError::Duration(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!(parse_size("10MiB"), Ok(10 * 1024 * 1024));
        assert_eq!(parse_size("10 MB"), Ok(10_000_000));
        assert_eq!(parse_size("95m"), Ok(95 << 20));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_size("0"), Ok(0));
    }

    #[test]
    fn a_size_that_no_one_means_is_refused() {
        for text in ["", "MiB", "1.5", "1.5B", "-1MiB", "ten", "10 parsecs", "99999999999TiB", "1..5MiB"] {
            assert_eq!(parse_size(text), Err(QuantityError::Size(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_budget_names_its_parts() {
        assert_eq!(
            parse_budget("wall=2h, accelerator=1h,runs=40"),
            Ok(Budget { wall_seconds: Some(7_200.0), accelerator_seconds: Some(3_600.0), runs: Some(40) })
        );
        for text in ["wall=2h,accelerator=1h,runs=40", "wall=1h30m", "runs=3"] {
            assert_eq!(parse_budget(text).map(budget_text), Ok(text.to_owned()));
        }
        assert_eq!(parse_budget("2h"), Err(QuantityError::Budget("2h".to_owned())));
        assert_eq!(parse_budget("gpu=2h"), Err(QuantityError::Budget("gpu=2h".to_owned())));
        assert_eq!(parse_budget("runs=0"), Err(QuantityError::Runs("0".to_owned())));
        assert_eq!(parse_budget("wall=2"), Err(QuantityError::Duration("2".to_owned())));
        assert_eq!(parse_budget("wall=1h,wall=2h"), Err(QuantityError::Twice("wall".to_owned())));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
            let _ = parse_budget(&text);
        }

        #[test]
        fn durations_survive_being_written(nanoseconds in 0..u64::MAX / 8) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn whole_seconds_survive(seconds in 0_u64..1_000_000) {
            prop_assert_eq!(parse_duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
