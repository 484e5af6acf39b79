//! The JSON Lines that a command appends to the file named by `$GIT_EXP_METRICS`.
//!
//! A line is either long, `{"name":"loss","value":0.41,"step":10}`, or wide, `{"loss":0.41,"acc":0.9,"step":10}`.
//! `NaN` and `Infinity` are taken bare, as Python's `json` module writes them, and as strings.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::protocol::{check_metric_name, check_unit, parse_better, shown};
use crate::domain::metric::{Point, is_name};

/// What one line reported: the points that could be read, and what was wrong with the rest.
#[derive(Debug, Default, PartialEq)]
pub struct Row {
    /// The points, in the order in which they stand.
    pub points: Vec<Point>,
    /// What could not be read, if anything.
    pub mistake: Option<String>,
}

/// Reads one line; a line with nothing but blanks is an empty row.
pub fn parse(line: &[u8]) -> Row {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Row::default();
    }
    let mistake = |mistake: String| Row { points: Vec::new(), mistake: Some(mistake) };
    let Ok(text) = std::str::from_utf8(line) else {
        return mistake("it is not UTF-8".to_owned());
    };
    match serde_json::from_str::<Object<'_>>(text) {
        Ok(object) => read(object),
        Err(error) => match quote_bare_numbers(text) {
            Some(quoted) => match serde_json::from_str::<Object<'_>>(&quoted) {
                Ok(object) => read(object),
                Err(error) => mistake(format!("it is not a JSON object: {error}")),
            },
            None => mistake(format!("it is not a JSON object: {error}")),
        },
    }
}

fn read(object: Object<'_>) -> Row {
    let is_long = object.0.iter().any(|(key, scalar)| key == "name" && matches!(scalar, Scalar::Text(_)));
    let mut row = Row::default();
    let mut shared = Point {
        name: String::new(),
        value: 0.0,
        unit: None,
        better: None,
        step: None,
        case: None,
        seconds: None,
    };
    let mut value = None;
    for (key, scalar) in object.0 {
        let outcome = match (&*key, scalar) {
            ("name", Scalar::Text(name)) => {
                check_metric_name(&name).map(|()| shared.name = name.into_owned())
            }
            ("step", scalar) => match scalar.number() {
                Some(step) if step.is_finite() => {
                    shared.step = Some(step);
                    Ok(())
                }
                None if matches!(scalar, Scalar::Null) => Ok(()),
                _ => Err(format!("the step is {}, not a number", scalar.kind())),
            },
            ("case" | "unit" | "better", Scalar::Null) => Ok(()),
            ("case", Scalar::Text(case)) if is_name(&case) => {
                shared.case = Some(case.into_owned());
                Ok(())
            }
            ("case", _) => Err("the case is not a name".to_owned()),
            ("unit", Scalar::Text(unit)) => check_unit(&unit)
                .map(|()| shared.unit = Some(unit.into_owned()).filter(|unit| !unit.is_empty())),
            ("better", Scalar::Text(word)) => parse_better(&word).map(|better| shared.better = Some(better)),
            ("value", scalar) if is_long => match scalar.number() {
                Some(number) => {
                    value = Some(number);
                    Ok(())
                }
                None => Err(format!("the value is {}, not a number", scalar.kind())),
            },
            // What else a long line says (a time, an epoch) is no business of ours.
            _ if is_long => Ok(()),
            (name, scalar) => match (check_metric_name(name), scalar.number()) {
                (Err(mistake), _) => Err(mistake),
                (Ok(()), None) => Err(format!("`{}` is {}, not a number", shown(name), scalar.kind())),
                (Ok(()), Some(number)) => {
                    row.points.push(Point { name: name.to_owned(), value: number, ..shared.clone() });
                    Ok(())
                }
            },
        };
        if let Err(mistake) = outcome {
            row.mistake.get_or_insert(mistake);
        }
    }
    if is_long {
        // A long line is one report: with a mistake in it there is no telling what was meant.
        match value {
            Some(value) if row.mistake.is_none() => row.points.push(Point { value, ..shared }),
            None if row.mistake.is_none() => row.mistake = Some("it has a name and no value".to_owned()),
            _ => {}
        }
    } else {
        // The fields that hold for the whole line may stand behind the metrics.
        for point in &mut row.points {
            point.step = shared.step;
            point.case.clone_from(&shared.case);
            point.unit.clone_from(&shared.unit);
            point.better = shared.better;
        }
        if row.points.is_empty() && row.mistake.is_none() {
            row.mistake = Some("it has no metric in it".to_owned());
        }
    }
    row
}

/// The same text with `NaN`, `Infinity` and `-Infinity` outside of strings put in quotes; `None` when there are none.
fn quote_bare_numbers(text: &str) -> Option<String> {
    let mut quoted = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        quoted.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(token) =
            ["NaN", "Infinity", "-Infinity"].into_iter().find(|token| rest.starts_with(token))
        {
            found = true;
            quoted.push('"');
            quoted.push_str(token);
            quoted.push('"');
            rest = &rest[token.len()..];
            continue;
        }
        let end = if rest.starts_with('"') { string_end(rest) } else { 1 };
        quoted.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    quoted.push_str(rest);
    found.then_some(quoted)
}

/// Where the JSON string that `text` starts with ends.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The fields of a JSON object in the order in which they stand.
struct Object<'a>(Vec<(Cow<'a, str>, Scalar<'a>)>);

/// A JSON value as far as a report cares.
enum Scalar<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Boolean,
    Null,
    Nested,
}

impl Scalar<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => match &**text {
                "NaN" | "nan" => Some(f64::NAN),
                "Infinity" | "inf" => Some(f64::INFINITY),
                "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            Self::Boolean | Self::Null | Self::Nested => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number that is not finite",
            Self::Text(_) => "a string",
            Self::Boolean => "a boolean",
            Self::Null => "null",
            Self::Nested => "a list or an object",
        }
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some((Key(key), scalar)) = map.next_entry()? {
                    fields.push((key, scalar));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A key that is borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a key is not a string")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Boolean)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number as f64))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(line: &str) -> Vec<(String, f64, Option<f64>)> {
        let row = parse(line.as_bytes());
        assert_eq!(row.mistake, None, "{line}");
        row.points.into_iter().map(|point| (point.name, point.value, point.step)).collect()
    }

    fn mistake(line: &str) -> String {
        parse(line.as_bytes()).mistake.expect("a mistake")
    }

    #[test]
    fn a_long_line_is_one_point() {
        let row = parse(
            br#"{"name":"loss","value":0.41,"step":10,"unit":"nats","case":"b8","better":"lower","epoch":3}"#,
        );
        assert_eq!(row.mistake, None);
        assert_eq!(row.points.len(), 1);
        assert_eq!(row.points[0].unit.as_deref(), Some("nats"));
        assert_eq!(row.points[0].case.as_deref(), Some("b8"));
        assert_eq!(row.points[0].step, Some(10.0));
    }

    #[test]
    fn a_wide_line_is_a_point_for_each_metric() {
        assert_eq!(
            values(r#"{"loss":0.41,"acc":0.9,"step":10}"#),
            [("loss".to_owned(), 0.41, Some(10.0)), ("acc".to_owned(), 0.9, Some(10.0))]
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_taken_bare_and_as_strings() {
        for line in [r#"{"loss": NaN, "step": 1}"#, r#"{"loss": "NaN", "step": 1}"#] {
            let read = values(line);
            assert!(read[0].1.is_nan());
            assert_eq!(read[0].2, Some(1.0));
        }
        assert_eq!(values(r#"{"name":"Infinity-NaN","value":-Infinity}"#)[0].1, f64::NEG_INFINITY);
        assert_eq!(values(r#"{"name":"loss","value":"Infinity"}"#)[0].1, f64::INFINITY);
    }

    #[test]
    fn what_is_not_a_number_is_a_mistake_and_the_rest_of_a_wide_line_counts() {
        let row = parse(br#"{"loss":0.4,"phase":"train","step":3}"#);
        assert_eq!(row.points.len(), 1);
        assert_eq!(row.mistake.as_deref(), Some("`phase` is a string, not a number"));
        assert_eq!(mistake(r#"{"ok":true}"#), "`ok` is a boolean, not a number");
        assert_eq!(mistake(r#"{"hist":[1,2]}"#), "`hist` is a list or an object, not a number");
        assert_eq!(mistake(r#"{"name":"loss","value":"high"}"#), "the value is a string, not a number");
        assert_eq!(mistake(r#"{"name":"loss"}"#), "it has a name and no value");
        assert_eq!(mistake("{}"), "it has no metric in it");
    }

    #[test]
    fn a_line_that_is_no_object_is_a_mistake() {
        assert!(mistake("[1, 2]").starts_with("it is not a JSON object"));
        assert!(mistake(r#"{"loss":0.4"#).starts_with("it is not a JSON object"));
        assert!(mistake("loss=0.4").starts_with("it is not a JSON object"));
        assert_eq!(parse(b"  \r"), Row::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\",:NaInfity\\\\0-9é-]{0,40}") {
            parse(text.as_bytes());
        }

        #[test]
        fn every_number_survives(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(values(&format!("{{\"a\":{value:?}}}"))[0].1, value);
        }
    }
}
