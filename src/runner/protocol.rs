//! The lines with which a command reports: `METRIC loss=0.41 step=10` and `INPUT name=x shape=8x1024`.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::metric::{Better, Point, built_in, is_name};
use crate::domain::run::Input;

/// What a line starts with when it reports a metric.
pub(super) const METRIC: &[u8] = b"METRIC ";
/// What a line starts with when it reports an input.
pub(super) const INPUT: &[u8] = b"INPUT ";

/// The longest line that is read as a report, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

const MAX_UNIT: usize = 40;
const MAX_FIELD: usize = 1024;

/// What one line reported.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A value of a metric.
    Point(Point),
    /// An input that the command was given.
    Input(Input),
}

/// Reads one line of output: `None` when it is no report, else the report or what is wrong with it.
pub fn parse(line: &[u8]) -> Option<Result<Report, String>> {
    let line = line.trim_ascii_start();
    let (is_metric, rest) = if let Some(rest) = line.strip_prefix(METRIC) {
        (true, rest)
    } else if let Some(rest) = line.strip_prefix(INPUT) {
        (false, rest)
    } else {
        return None;
    };
    if line.len() > MAX_LINE {
        return Some(Err(format!("it is longer than {MAX_LINE} bytes")));
    }
    let Ok(rest) = std::str::from_utf8(rest) else {
        return Some(Err("it is not UTF-8".to_owned()));
    };
    Some(if is_metric { metric(rest).map(Report::Point) } else { input(rest).map(Report::Input) })
}

/// Reads a number as commands print it: `0.41`, `1e-5`, `nan`, `inf`, `-Infinity`.
pub fn parse_number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Checks that `name` may be reported, and says why not.
pub(super) fn check_metric_name(name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("`{}` cannot name a metric", shown(name)));
    }
    if built_in(name).is_some() {
        return Err(format!("`{name}` is measured by git exp itself"));
    }
    Ok(())
}

/// Checks that `unit` is short and printable, and says why not.
pub(super) fn check_unit(unit: &str) -> Result<(), String> {
    if unit.len() > MAX_UNIT || unit.chars().any(char::is_control) {
        return Err(format!("`{}` is not a unit", shown(unit)));
    }
    Ok(())
}

/// Reads the word for a direction, and says what it should have been.
pub(super) fn parse_better(word: &str) -> Result<Better, String> {
    Better::from_word(word).ok_or_else(|| format!("`{}` is neither `lower` nor `higher`", shown(word)))
}

fn metric(rest: &str) -> Result<Point, String> {
    let mut fields = Fields(rest);
    let (name, value) = fields.next().ok_or("there is no `name=value` after `METRIC`")??;
    check_metric_name(name)?;
    let value = parse_number(&value).ok_or_else(|| format!("`{}` is not a number", shown(&value)))?;
    let mut point = Point {
        name: name.to_owned(),
        value,
        unit: None,
        better: None,
        step: None,
        case: None,
        seconds: None,
    };
    for field in fields {
        let (key, value) = field?;
        match key {
            "unit" => {
                check_unit(&value)?;
                point.unit = Some(value.into_owned()).filter(|unit| !unit.is_empty());
            }
            "step" => {
                let step = parse_number(&value).filter(|step| step.is_finite());
                point.step =
                    Some(step.ok_or_else(|| format!("the step `{}` is not a number", shown(&value)))?);
            }
            "case" if is_name(&value) => point.case = Some(value.into_owned()),
            "case" => return Err(format!("`{}` cannot name a case", shown(&value))),
            "better" => point.better = Some(parse_better(&value)?),
            other => {
                return Err(format!(
                    "`{}` is none of `unit`, `step`, `case` and `better`; one line reports one metric",
                    shown(other)
                ));
            }
        }
    }
    Ok(point)
}

fn input(rest: &str) -> Result<Input, String> {
    let mut input = Input::default();
    for field in Fields(rest) {
        let (key, value) = field?;
        if !is_name(key) || value.len() > MAX_FIELD {
            return Err(format!("the field `{}` cannot be kept", shown(key)));
        }
        let value = value.into_owned();
        match key {
            "name" => input.name = value,
            "shape" => input.shape = Some(value),
            "dtype" => input.dtype = Some(value),
            "device" => input.device = Some(value),
            other => {
                input.more.insert(other.to_owned(), value);
            }
        }
    }
    if is_name(&input.name) {
        Ok(input)
    } else if input.name.is_empty() {
        Err("there is no `name=…` after `INPUT`".to_owned())
    } else {
        Err(format!("`{}` cannot name an input", shown(&input.name)))
    }
}

/// The `key=value` pairs of a line; a value may stand in double quotes, with `\"` and `\\` inside.
struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start();
        if text.is_empty() {
            return None;
        }
        // After a mistake nothing more can be told apart.
        self.0 = "";
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        let key = &text[..end];
        let Some(rest) = text[end..].strip_prefix('=') else {
            return Some(Err(format!("`{}` is not of the form `name=value`", shown(key))));
        };
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((value, after)) = unquote(quoted) else {
                return Some(Err(format!("the quote after `{}=` is not closed", shown(key))));
            };
            if !after.is_empty() && !after.starts_with(char::is_whitespace) {
                return Some(Err(format!("there is no space after the quotes of `{}`", shown(key))));
            }
            self.0 = after;
            return Some(Ok((key, value)));
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(Ok((key, Cow::Borrowed(&rest[..end]))))
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    if text[plain..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let mut value = text[..plain].to_owned();
    let mut rest = text[plain..].char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &text[plain + at + 1..])),
            '\\' => value.push(rest.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// A text as it may stand in a message: at most 60 characters, none of them a control character.
pub(super) fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(60).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// The line that reports `point`, without its line break; the time is not part of it.
pub fn metric_line(point: &Point) -> String {
    let mut line = format!("METRIC {}={}", point.name, point.value);
    let mut push = |key: &str, value: &str| {
        let plain =
            !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\');
        // Writing to a `String` cannot fail.
        let _ = if plain {
            write!(line, " {key}={value}")
        } else {
            write!(line, " {key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
    };
    if let Some(unit) = &point.unit {
        push("unit", unit);
    }
    if let Some(step) = point.step {
        push("step", &step.to_string());
    }
    if let Some(case) = &point.case {
        push("case", case);
    }
    if let Some(better) = point.better {
        push("better", better.word());
    }
    line
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(line: &str) -> Point {
        match parse(line.as_bytes()) {
            Some(Ok(Report::Point(point))) => point,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn mistake(line: &[u8]) -> String {
        match parse(line) {
            Some(Err(mistake)) => mistake,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_metric_line_may_carry_unit_step_case_and_direction() {
        let point = point("  METRIC step_time=12.5 unit=ms step=10 case=b8s4096 better=lower\r");
        assert_eq!(point.name, "step_time");
        assert_eq!(point.value.to_bits(), 12.5_f64.to_bits());
        assert_eq!(point.unit.as_deref(), Some("ms"));
        assert_eq!(point.step, Some(10.0));
        assert_eq!(point.case.as_deref(), Some("b8s4096"));
        assert_eq!(point.better, Some(Better::Lower));
    }

    #[test]
    fn values_that_are_not_finite_are_values() {
        assert!(point("METRIC a=nan").value.is_nan());
        assert!(point("METRIC a=NaN").value.is_nan());
        assert_eq!(point("METRIC a=Infinity").value, f64::INFINITY);
        assert_eq!(point("METRIC a=-inf").value, f64::NEG_INFINITY);
        assert_eq!(point("METRIC a=1e5").value, 1e5);
    }

    #[test]
    fn a_value_may_stand_in_quotes() {
        let point = point(r#"METRIC a="0.5" unit="tokens per \"s\"""#);
        assert_eq!(point.value, 0.5);
        assert_eq!(point.unit.as_deref(), Some("tokens per \"s\""));
    }

    #[test]
    fn a_line_that_only_mentions_a_report_is_none() {
        assert_eq!(parse(b"METRICS loss=1"), None);
        assert_eq!(parse(b"the METRIC loss=1"), None);
        assert_eq!(parse(b"METRIC"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_malformed_line_says_what_is_wrong() {
        assert_eq!(mistake(b"METRIC loss=12ms"), "`12ms` is not a number");
        assert_eq!(mistake(b"METRIC loss"), "`loss` is not of the form `name=value`");
        assert_eq!(mistake(b"METRIC =3"), "`` cannot name a metric");
        assert_eq!(mistake(b"METRIC wall_time=3"), "`wall_time` is measured by git exp itself");
        assert_eq!(
            mistake(b"METRIC loss=1 acc=2"),
            "`acc` is none of `unit`, `step`, `case` and `better`; one line reports one metric"
        );
        assert_eq!(mistake(b"METRIC loss=1 better=up"), "`up` is neither `lower` nor `higher`");
        assert_eq!(mistake(b"METRIC loss=\"1"), "the quote after `loss=` is not closed");
        assert_eq!(mistake(b"METRIC lo\xffss=1"), "it is not UTF-8");
        assert_eq!(mistake(b"INPUT shape=8"), "there is no `name=\u{2026}` after `INPUT`");
    }

    #[test]
    fn an_input_line_keeps_fields_it_does_not_know() {
        let Some(Ok(Report::Input(input))) =
            parse(b"INPUT name=x shape=8x1024 dtype=bf16 device=cuda:0 layout=nhwc")
        else {
            panic!("not an input");
        };
        assert_eq!(input.shape.as_deref(), Some("8x1024"));
        assert_eq!(input.dtype.as_deref(), Some("bf16"));
        assert_eq!(input.device.as_deref(), Some("cuda:0"));
        assert_eq!(input.more["layout"], "nhwc");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            name in "[a-z][a-z0-9_./-]{0,20}",
            value in proptest::num::f64::ANY,
            unit in proptest::option::of("[a-z\"\\\\ /%µ]{1,10}"),
            step in proptest::option::of(-1e9..1e9_f64),
            case in proptest::option::of("[a-z0-9:.]{1,8}"),
        ) {
            let point = Point { name, value, unit, better: Some(Better::Higher), step, case, seconds: None };
            let read = self::point(&metric_line(&point));
            prop_assert!(read.value == point.value || read.value.is_nan() && point.value.is_nan());
            prop_assert_eq!(Point { value: 0.0, ..read }, Point { value: 0.0, ..point });
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), metric: bool) {
            parse(&bytes);
            let mut line = if metric { METRIC.to_vec() } else { INPUT.to_vec() };
            line.extend(bytes);
            parse(&line);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[=\" \\\\a-z0-9é]{0,60}") {
            parse(format!("METRIC {text}").as_bytes());
            parse(format!("INPUT {text}").as_bytes());
        }
    }
}
