//! From reported points to series, and from series to the values of a run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::error::RunnerError;
use super::protocol::{Report, shown};
use super::redact::Redactor;
use crate::domain::id::hex;
use crate::domain::metric::{Better, Definition, Point, Series, Value};
use crate::domain::number::counted;
use crate::domain::run::{Input, Malformed};

/// How many points of one run are kept unless the caller says otherwise.
pub const DEFAULT_MAX_POINTS: usize = 2_000_000;

/// How many series one run may have: more is a value used as a name.
const MAX_SERIES: usize = 10_000;
const MAX_INPUTS: usize = 1_000;
const MAX_EXAMPLES: usize = 5;

/// A metric's name and the case it was reported for.
pub type SeriesKey = (String, Option<String>);

/// Gathers what a command reports while it runs.
#[derive(Debug)]
pub struct Collector {
    index: HashMap<String, usize>,
    series: Vec<(SeriesKey, Series)>,
    reported: HashMap<String, Reported>,
    inputs: BTreeSet<Input>,
    malformed: Malformed,
    points: usize,
    max_points: usize,
    beyond: u64,
    latest: Option<usize>,
    has_news: bool,
    key: String,
}

/// What a command said of a metric beside its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Its unit.
    pub unit: Option<String>,
    /// Its direction.
    pub better: Option<Better>,
}

/// Everything a command reported, secrets redacted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// The points of each metric and case.
    pub series: BTreeMap<SeriesKey, Series>,
    /// What was said of each metric beside its values.
    pub reported: BTreeMap<String, Reported>,
    /// The inputs, each once.
    pub inputs: Vec<Input>,
    /// What looked like a report and could not be read.
    pub malformed: Malformed,
    /// Things worth telling: what was more than is kept.
    pub remarks: Vec<String>,
}

impl Collector {
    /// A collector that keeps at most `max_points` points.
    pub fn new(max_points: usize) -> Self {
        Self {
            index: HashMap::new(),
            series: Vec::new(),
            reported: HashMap::new(),
            inputs: BTreeSet::new(),
            malformed: Malformed::default(),
            points: 0,
            max_points,
            beyond: 0,
            latest: None,
            has_news: false,
            key: String::new(),
        }
    }

    /// Takes what one line reported, or what was wrong with it.
    pub(super) fn take(&mut self, line: &[u8], report: Result<Report, String>, seconds: Option<f64>) {
        match report {
            Ok(Report::Point(point)) => self.point(Point { seconds, ..point }),
            Ok(Report::Input(input)) if self.inputs.len() < MAX_INPUTS => {
                self.inputs.insert(input);
            }
            Ok(Report::Input(_)) => {}
            Err(mistake) => self.mistake(line, &mistake),
        }
    }

    /// Counts a line that could not be read, and keeps it if it is one of the first.
    pub(super) fn mistake(&mut self, line: &[u8], mistake: &str) {
        self.malformed.count += 1;
        if self.malformed.examples.len() < MAX_EXAMPLES {
            let start = &line[..line.len().min(400)];
            let text = shown(String::from_utf8_lossy(start).trim());
            self.malformed.examples.push(format!("`{text}`: {mistake}"));
        }
    }

    /// Appends one point to its series.
    pub fn point(&mut self, point: Point) {
        if let Some(conflict) = self.conflict(&point) {
            self.mistake(point.name.as_bytes(), &conflict);
            return;
        }
        self.key.clear();
        self.key.push_str(&point.name);
        if let Some(case) = &point.case {
            // No name holds a space.
            self.key.push(' ');
            self.key.push_str(case);
        }
        let at = if let Some(&at) = self.index.get(&self.key) {
            at
        } else {
            if self.series.len() >= MAX_SERIES {
                let mistake = format!("the run has {MAX_SERIES} metrics and cases already");
                self.mistake(point.name.as_bytes(), &mistake);
                return;
            }
            self.index.insert(self.key.clone(), self.series.len());
            self.series.push(((point.name, point.case), Series::default()));
            self.series.len() - 1
        };
        let series = &mut self.series[at].1;
        if self.points >= self.max_points && !series.values.is_empty() {
            // What was reported last still counts: it is what a summary shows most often.
            self.beyond += 1;
            series.values.pop();
            series.steps.pop();
            series.seconds.pop();
        } else {
            self.points += 1;
        }
        series.values.push(point.value);
        series.steps.push(point.step.unwrap_or(f64::NAN));
        series.seconds.push(point.seconds.unwrap_or(f64::NAN));
        self.latest = Some(at);
        self.has_news = true;
    }

    /// What speaks against the point: a unit other than before.
    fn conflict(&mut self, point: &Point) -> Option<String> {
        if point.unit.is_none() && point.better.is_none() {
            return None;
        }
        let known = match self.reported.get_mut(&point.name) {
            Some(known) => known,
            None => self.reported.entry(point.name.clone()).or_default(),
        };
        if let (Some(unit), Some(before)) = (&point.unit, &known.unit)
            && unit != before
        {
            return Some(format!(
                "it was reported in `{}` before, and now in `{}`",
                shown(before),
                shown(unit)
            ));
        }
        if let (Some(better), Some(before)) = (point.better, known.better)
            && better != before
        {
            return Some(format!("it was better when {before} before, and now when {better}"));
        }
        known.better = known.better.or(point.better);
        if known.unit.is_none() {
            known.unit.clone_from(&point.unit);
        }
        None
    }

    /// How many points were kept so far.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The value that was reported last for a metric and case.
    pub fn last(&self, name: &str, case: Option<&str>) -> Option<f64> {
        let key = match case {
            Some(case) => format!("{name} {case}"),
            None => name.to_owned(),
        };
        self.series[*self.index.get(&key)?].1.values.last().copied()
    }

    /// The point that was reported last of each metric and case.
    pub fn newest(&self) -> impl Iterator<Item = Latest<'_>> {
        self.series.iter().filter_map(newest_of)
    }

    /// The point that was reported last, over all metrics.
    pub fn latest(&self) -> Option<Latest<'_>> {
        newest_of(&self.series[self.latest?])
    }

    /// The point that was reported last, if it came after this was asked last.
    pub(super) fn take_news(&mut self) -> Option<Latest<'_>> {
        if std::mem::take(&mut self.has_news) { self.latest() } else { None }
    }

    /// Everything that was gathered, with secrets taken out of every text.
    pub fn finish(self, redactor: &Redactor) -> Collected {
        let mut collected = Collected::default();
        let clean = |text: String| redactor.redact_text(&text);
        for ((name, case), mut series) in self.series {
            series.values.shrink_to_fit();
            collected.series.insert((clean(name), case.map(clean)), series);
        }
        for (name, Reported { unit, better }) in self.reported {
            collected.reported.insert(clean(name), Reported { unit: unit.map(clean), better });
        }
        collected.inputs = self
            .inputs
            .into_iter()
            .map(|input| Input {
                name: clean(input.name),
                shape: input.shape.map(clean),
                dtype: input.dtype.map(clean),
                device: input.device.map(clean),
                more: input.more.into_iter().map(|(key, value)| redact_pair(redactor, key, &value)).collect(),
            })
            .collect();
        collected.malformed = Malformed {
            count: self.malformed.count,
            examples: self.malformed.examples.into_iter().map(clean).collect(),
        };
        if self.beyond > 0 {
            collected.remarks.push(format!(
                "{} beyond the limit of {} {} not in the series, except for each one's last",
                counted(self.beyond, "point"),
                self.max_points,
                if self.beyond == 1 { "is" } else { "are" }
            ));
        }
        collected
    }
}

/// The last point of a series.
fn newest_of(((name, case), series): &(SeriesKey, Series)) -> Option<Latest<'_>> {
    Some(Latest {
        name,
        case: case.as_deref(),
        value: *series.values.last()?,
        step: series.steps.last().copied().filter(|step| !step.is_nan()),
    })
}

/// A pair without secrets; its name may be what says that its value is one.
fn redact_pair(redactor: &Redactor, key: String, value: &str) -> (String, String) {
    let pair = redactor.redact_text(&format!("{key}={value}"));
    match pair.split_once('=') {
        Some((clean, value)) if clean == key => (key, value.to_owned()),
        _ => (redactor.redact_text(&key), redactor.redact_text(value)),
    }
}

/// The point that was reported last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latest<'a> {
    /// The metric.
    pub name: &'a str,
    /// The case, if any.
    pub case: Option<&'a str>,
    /// The value.
    pub value: f64,
    /// The step, where one was reported.
    pub step: Option<f64>,
}

impl Collected {
    /// The values of a run: each metric's summary, as `definitions` say or else as it was reported.
    ///
    /// The definition of a metric that is not in `definitions` is what was reported with it.
    pub fn summarise(&self, definitions: &BTreeMap<String, Definition>) -> BTreeMap<String, Value> {
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        for ((name, case), series) in &self.series {
            let definition = self.definition(name, definitions);
            let Some(summary) = definition.summary.of(&series.values) else { continue };
            let value = values.entry(name.clone()).or_insert_with(|| empty_value(&definition));
            value.points += series.values.len() as u64;
            match case {
                Some(case) => {
                    value.cases.insert(case.clone(), summary);
                }
                None => value.value = Some(summary),
            }
        }
        values
    }

    /// What is declared about a metric, completed by what was reported with it.
    ///
    /// The unit is the reported one: it is the one the numbers are in.
    fn definition(&self, name: &str, definitions: &BTreeMap<String, Definition>) -> Definition {
        let mut definition = definitions.get(name).cloned().unwrap_or_default();
        if let Some(reported) = self.reported.get(name) {
            if reported.unit.is_some() {
                definition.unit.clone_from(&reported.unit);
            }
            definition.better = definition.better.or(reported.better);
        }
        definition
    }

    /// What was reported otherwise than `definitions` declare it, each as a sentence.
    pub fn contradictions(&self, definitions: &BTreeMap<String, Definition>) -> Vec<String> {
        let mut found = Vec::new();
        for (name, reported) in &self.reported {
            let Some(declared) = definitions.get(name) else { continue };
            if let (Some(unit), Some(wanted)) = (&reported.unit, &declared.unit)
                && unit != wanted
            {
                found.push(format!("`{name}` is declared in `{wanted}` and was reported in `{unit}`"));
            }
            if let (Some(better), Some(wanted)) = (reported.better, declared.better)
                && better != wanted
            {
                found.push(format!(
                    "`{name}` is declared better when {wanted} and was reported better when {better}"
                ));
            }
        }
        found
    }

    /// The stored form of the series: one JSON line for each metric and case.
    pub fn series_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ((name, case), series) in &self.series {
            bytes.extend_from_slice(b"{\"name\":");
            push_text(&mut bytes, name);
            if let Some(case) = case {
                bytes.extend_from_slice(b",\"case\":");
                push_text(&mut bytes, case);
            }
            if let Some(unit) = self.reported.get(name).and_then(|reported| reported.unit.as_ref()) {
                bytes.extend_from_slice(b",\"unit\":");
                push_text(&mut bytes, unit);
            }
            push_numbers(&mut bytes, "values", &series.values, Missing::Never);
            push_numbers(&mut bytes, "steps", &series.steps, Missing::Nan);
            let milliseconds: Vec<f64> =
                series.seconds.iter().map(|seconds| (seconds * 1000.0).round() / 1000.0).collect();
            push_numbers(&mut bytes, "seconds", &milliseconds, Missing::Nan);
            bytes.extend_from_slice(b"}\n");
        }
        bytes
    }
}

/// A value without a summary yet, with what the definition says of it.
pub(super) fn empty_value(definition: &Definition) -> Value {
    let fingerprint = blake3::hash(definition.fingerprint_text().as_bytes());
    Value {
        unit: definition.unit.clone(),
        better: definition.better,
        kind: definition.kind,
        definition: Some(hex(&fingerprint.as_bytes()[..8])),
        ..Value::default()
    }
}

/// What NaN means in a list of numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It is a value like any other.
    Never,
    /// It stands for what is not known.
    Nan,
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(bytes, text).expect("a string can be written to memory");
}

fn push_numbers(bytes: &mut Vec<u8>, key: &str, numbers: &[f64], missing: Missing) {
    use std::io::Write as _;
    if missing == Missing::Nan && numbers.iter().all(|number| number.is_nan()) {
        return;
    }
    bytes.extend_from_slice(b",\"");
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(b"\":[");
    for (at, &number) in numbers.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        if number.is_nan() {
            bytes.extend_from_slice(if missing == Missing::Nan { b"null" } else { b"\"NaN\"" });
        } else if number.is_infinite() {
            bytes.extend_from_slice(if number > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        } else if number.fract() == 0.0
            && number.abs() < 1e15
            && !(number == 0.0 && number.is_sign_negative())
        {
            #[expect(clippy::cast_possible_truncation, reason = "it is a whole number below 10^15")]
            let whole = number as i64;
            write!(bytes, "{whole}").expect("memory can be written to");
        } else {
            serde_json::to_writer(&mut *bytes, &number).expect("a number can be written to memory");
        }
    }
    bytes.push(b']');
}

/// Reads what [`Collected::series_bytes`] wrote.
pub fn series_from_bytes(bytes: &[u8]) -> Result<BTreeMap<SeriesKey, Series>, RunnerError> {
    #[derive(serde::Deserialize)]
    struct Line {
        name: String,
        #[serde(default)]
        case: Option<String>,
        values: Vec<Number>,
        #[serde(default)]
        steps: Vec<Number>,
        #[serde(default)]
        seconds: Vec<Number>,
    }
    let mut all = BTreeMap::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|source| RunnerError::Series { line: number + 1, source })?;
        let length = line.values.len();
        let plain = |numbers: Vec<Number>| {
            let mut plain: Vec<f64> = numbers.into_iter().map(|Number(number)| number).collect();
            // What is not known for all points is left out, and what is as long as that has it all.
            plain.resize(length, f64::NAN);
            plain
        };
        let series =
            Series { values: plain(line.values), steps: plain(line.steps), seconds: plain(line.seconds) };
        all.insert((line.name, line.case), series);
    }
    Ok(all)
}

/// A number as series store it: NaN and the infinities are strings, what is not known is null.
struct Number(f64);

impl<'de> serde::Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl serde::de::Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\", \"-Infinity\" or null")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                match text {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::metric::Summary;
    use crate::runner::protocol;

    fn redactor() -> Redactor {
        Redactor::new([("HOME".into(), "/home/ada".into())])
    }

    fn collect(lines: &[&str]) -> Collected {
        let mut collector = Collector::new(1000);
        for (at, line) in (0_u32..).zip(lines) {
            let report = protocol::parse(line.as_bytes()).expect("a report");
            collector.take(line.as_bytes(), report, Some(f64::from(at) * 0.5));
        }
        collector.finish(&redactor())
    }

    #[test]
    fn the_stored_bytes_of_series_never_change() {
        let collected = collect(&[
            "METRIC loss=0.41 step=1 unit=nats",
            "METRIC loss=nan step=2",
            "METRIC loss=-inf",
            "METRIC time=12 case=b8",
            "METRIC time=1e300 case=b8 unit=ms",
            "METRIC loss=-0",
        ]);
        let stored = concat!(
            r#"{"name":"loss","unit":"nats","values":[0.41,"NaN","-Infinity",-0.0],"steps":[1,2,null,null],"seconds":[0,0.5,1,2.5]}"#,
            "\n",
            r#"{"name":"time","case":"b8","unit":"ms","values":[12,1e+300],"seconds":[1.5,2]}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(collected.series_bytes()).unwrap(), stored);
        let read = series_from_bytes(stored.as_bytes()).unwrap();
        assert_eq!(read[&("time".to_owned(), Some("b8".to_owned()))].values, [12.0, 1e300]);
        assert!(read[&("time".to_owned(), Some("b8".to_owned()))].steps.iter().all(|step| step.is_nan()));
        assert_eq!(Collected { series: read, ..collected }.series_bytes(), stored.as_bytes());
    }

    #[test]
    fn a_series_is_summarised_as_its_definition_says() {
        let collected =
            collect(&["METRIC a=3", "METRIC a=1", "METRIC a=2", "METRIC b=5 case=x unit=ms better=higher"]);
        let minimum =
            Definition { summary: Summary::Min, unit: Some("s".to_owned()), ..Definition::default() };
        let values = collected.summarise(&BTreeMap::from([("a".to_owned(), minimum)]));
        assert_eq!(values["a"].value, Some(1.0));
        assert_eq!(values["a"].points, 3);
        assert_eq!(values["a"].unit.as_deref(), Some("s"));
        assert_eq!(values["b"].value, None);
        assert_eq!(values["b"].cases["x"], 5.0);
        assert_eq!(values["b"].better, Some(Better::Higher));
        assert_ne!(values["a"].definition, values["b"].definition);
        assert_eq!(collected.summarise(&BTreeMap::new())["a"].value, Some(2.0));
    }

    #[test]
    fn a_unit_that_changes_within_a_run_is_malformed() {
        let collected = collect(&["METRIC t=3 unit=ms", "METRIC t=1", "METRIC t=0.002 unit=s"]);
        assert_eq!(collected.series[&("t".to_owned(), None)].values, [3.0, 1.0]);
        assert_eq!(collected.malformed.count, 1);
        assert_eq!(collected.malformed.examples, ["`t`: it was reported in `ms` before, and now in `s`"]);
    }

    #[test]
    fn a_unit_other_than_the_declared_one_is_told_and_kept() {
        let collected = collect(&["METRIC t=3 unit=ms better=lower"]);
        let declared =
            Definition { unit: Some("s".to_owned()), better: Some(Better::Higher), ..Definition::default() };
        let definitions = BTreeMap::from([("t".to_owned(), declared)]);
        assert_eq!(
            collected.contradictions(&definitions),
            [
                "`t` is declared in `s` and was reported in `ms`",
                "`t` is declared better when higher and was reported better when lower"
            ]
        );
        assert_eq!(collected.summarise(&definitions)["t"].unit.as_deref(), Some("ms"));
        assert_eq!(collected.summarise(&definitions)["t"].better, Some(Better::Higher));
    }

    #[test]
    fn only_the_first_malformed_lines_are_kept() {
        let lines: Vec<String> = (0..9).map(|number| format!("METRIC loss=x{number}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let collected = collect(&lines);
        assert_eq!(collected.malformed.count, 9);
        assert_eq!(collected.malformed.examples.len(), 5);
        assert_eq!(collected.malformed.examples[0], "`METRIC loss=x0`: `x0` is not a number");
    }

    #[test]
    fn an_input_that_is_reported_again_counts_once() {
        let collected = collect(&["INPUT name=x shape=8", "INPUT name=x shape=8", "INPUT name=x shape=4"]);
        assert_eq!(collected.inputs.len(), 2);
    }

    #[test]
    fn secrets_in_reports_are_redacted() {
        let secret = format!("hf{}{}", "_", "abcdefghijklmnopqrstuvwxyzABCDEF");
        let collected = collect(&[
            &format!("METRIC {secret}=1"),
            &format!("METRIC loss=1 case={secret}"),
            &format!("METRIC acc=1 unit={secret}"),
            &format!("METRIC loss={secret}"),
            &format!("INPUT name=x path=/home/ada/data key={secret} password=tiny"),
        ]);
        let all = format!("{collected:?}");
        assert!(!all.contains(&secret) && !all.contains("tiny") && !all.contains("/home/ada"), "{all}");
        assert_eq!(collected.inputs[0].more["path"], "~/data");
        assert_eq!(collected.series.len(), 3);
    }

    #[test]
    fn beyond_the_limit_the_last_point_still_counts() {
        let mut collector = Collector::new(3);
        for value in 0..10 {
            let line = format!("METRIC a={value} step={value}");
            collector.take(line.as_bytes(), protocol::parse(line.as_bytes()).unwrap(), None);
        }
        assert_eq!(collector.latest().unwrap().value, 9.0);
        assert_eq!(collector.last("a", None), Some(9.0));
        let collected = collector.finish(&redactor());
        assert_eq!(collected.series[&("a".to_owned(), None)].values, [0.0, 1.0, 9.0]);
        assert_eq!(collected.series[&("a".to_owned(), None)].steps, [0.0, 1.0, 9.0]);
        assert_eq!(collected.remarks.len(), 1);
    }

    #[test]
    fn a_million_points_take_seconds_and_not_minutes() {
        let start = Instant::now();
        let mut collector = Collector::new(DEFAULT_MAX_POINTS);
        for step in 0..1_000_000 {
            let line = format!("METRIC loss=0.{step} step={step}");
            collector.take(line.as_bytes(), protocol::parse(line.as_bytes()).unwrap(), Some(f64::from(step)));
        }
        assert_eq!(collector.points(), 1_000_000);
        let bytes = collector.finish(&redactor()).series_bytes();
        assert!(bytes.len() > 10_000_000);
        // Unoptimised and beside other tests; an optimised build takes less than a second.
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    }

    #[test]
    fn stored_series_that_are_damaged_say_where() {
        let error =
            series_from_bytes(b"{\"name\":\"a\",\"values\":[1]}\n{\"name\":\"b\",\"values\":[\"x\"]}\n")
                .unwrap_err();
        assert_eq!(error.to_string(), "cannot read line 2 of the stored series");
    }

    proptest! {
        #[test]
        fn series_survive_being_stored(
            values in proptest::collection::vec(proptest::num::f64::ANY, 0..20),
            seed in 0..1000_u32,
        ) {
            let seconds = values.iter().enumerate().map(|(at, _)| f64::from(seed) + at as f64 / 8.0).collect();
            let steps = values.iter().map(|value| value.round()).collect();
            let series = Series { values, steps, seconds };
            let key = ("a".to_owned(), Some("b".to_owned()));
            let collected =
                Collected { series: BTreeMap::from([(key.clone(), series.clone())]), ..Collected::default() };
            let read = series_from_bytes(&collected.series_bytes()).unwrap().remove(&key).unwrap();
            let same = |a: &[f64], b: &[f64]| a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
            prop_assert!(same(&read.values, &series.values));
            prop_assert!(same(&read.steps, &series.steps));
            prop_assert!(same(&read.seconds, &series.seconds));
        }

        #[test]
        fn no_stored_bytes_make_it_panic(text in "[{}\\[\\]\",:avluesnm0-9\n-]{0,80}") {
            let _ = series_from_bytes(text.as_bytes());
        }
    }
}
