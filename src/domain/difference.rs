//! What two runs differ in, axis by axis; what is equal is left out.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::bytes::OsBytes;
use super::metric::{Value, words};
use super::run::{Input, Run};

/// One of the things that an experiment can vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// The code that ran, submodules and sibling repositories included.
    Code,
    /// The command, its arguments and its directory.
    Command,
    /// The parameters.
    Parameters,
    /// The configuration files.
    Configuration,
    /// The datasets.
    Dataset,
    /// The inputs that the command reported.
    Inputs,
    /// Variables, packages, versions and the like.
    Environment,
    /// The machine.
    Hardware,
    /// The seed: what repetitions differ in.
    Seed,
    /// The label: a name, which changes nothing.
    Label,
}

words!(Axis {
    Code = "code",
    Command = "command",
    Parameters = "parameters",
    Configuration = "configuration",
    Dataset = "dataset",
    Inputs = "inputs",
    Environment = "environment",
    Hardware = "hardware",
    Seed = "seed",
    Label = "label",
});

impl Axis {
    /// Whether runs that differ in it differ in more than repetition.
    pub fn is_variable(self) -> bool {
        !matches!(self, Self::Seed | Self::Label)
    }
}

/// A run with what was stored beside it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its environment, as it was captured.
    pub environment: Option<&'a Json>,
    /// Its configuration files: path, then hash.
    pub config_files: &'a BTreeMap<String, String>,
    /// Its datasets: name, then version or hash.
    pub datasets: &'a BTreeMap<String, String>,
}

/// One thing that the two sides differ in; absent where a side lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The axis it belongs to.
    pub axis: Axis,
    /// Its name within the axis.
    pub name: String,
    /// What it is on the first side.
    pub a: Option<String>,
    /// What it is on the second side.
    pub b: Option<String>,
    /// Whether another row says the same: an argument that repeats a parameter or the seed.
    pub is_explained: bool,
}

/// One metric, or one case of it, whose values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    /// The metric's name.
    pub name: String,
    /// The named variant of the input.
    pub case: Option<String>,
    /// The value on the first side.
    pub a: Option<f64>,
    /// The value on the second side.
    pub b: Option<f64>,
    /// The unit on the first side, or on the second where the first lacks the metric.
    pub unit: Option<String>,
    /// The unit on the second side where it is another one; then there is no difference to take.
    pub other_unit: Option<String>,
    /// Whether the two values mean different things: the metric was redefined between them.
    pub is_redefined: bool,
}

impl MetricRow {
    /// The second value minus the first.
    pub fn absolute(&self) -> Option<f64> {
        if self.other_unit.is_some() {
            return None;
        }
        Some(self.b? - self.a?).filter(|change| change.is_finite())
    }

    /// The difference as a fraction of the first value's magnitude.
    pub fn relative(&self) -> Option<f64> {
        let change = self.absolute()? / self.a?.abs();
        Some(change).filter(|change| change.is_finite())
    }
}

/// All that two runs differ in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What went in, ordered by axis.
    pub rows: Vec<Row>,
    /// What came out.
    pub metrics: Vec<MetricRow>,
}

impl Difference {
    /// What `b` differs in from `a`.
    pub fn between(a: &Side<'_>, b: &Side<'_>) -> Self {
        let mut rows = Rows::default();
        rows.code(a.run, b.run);
        rows.command(a.run, b.run);
        rows.maps(Axis::Parameters, &a.run.params, &b.run.params);
        rows.changed_defaults(a.run, b.run);
        rows.maps(Axis::Configuration, a.config_files, b.config_files);
        rows.maps(Axis::Configuration, &hashes(&a.run.inputs), &hashes(&b.run.inputs));
        rows.maps(Axis::Dataset, a.datasets, b.datasets);
        rows.maps(Axis::Inputs, &inputs(&a.run.inputs), &inputs(&b.run.inputs));
        rows.environment(a.environment, b.environment);
        rows.add(Axis::Hardware, "machine", Some(a.run.hardware.clone()), Some(b.run.hardware.clone()));
        let seed = |run: &Run| run.seed.map(|seed| seed.to_string());
        rows.add(Axis::Seed, "seed", seed(a.run), seed(b.run));
        rows.add(Axis::Label, "label", a.run.label.clone(), b.run.label.clone());
        Self { rows: rows.0, metrics: metrics(&a.run.metrics, &b.run.metrics) }
    }

    /// Says that the code differs in nothing but the configuration files, which are an axis of their own.
    pub fn explain_code_by_configuration(&mut self) {
        let is_tree =
            |row: &&mut Row| row.axis == Axis::Code && matches!(row.name.as_str(), "tree" | "commit");
        self.rows.iter_mut().filter(is_tree).for_each(|row| row.is_explained = true);
    }

    /// The axes in which the two differ in more than repetition, each once.
    pub fn axes(&self) -> Vec<Axis> {
        let axes: BTreeSet<Axis> = self
            .rows
            .iter()
            .filter(|row| row.axis.is_variable() && !row.is_explained)
            .map(|row| row.axis)
            .collect();
        axes.into_iter().collect()
    }

    /// How many axes the two differ in: more than one, and no result can be put down to either.
    pub fn axes_differing(&self) -> usize {
        self.axes().len()
    }

    /// Whether nothing that went in or came out differs.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.metrics.is_empty()
    }

    /// The rows of one axis.
    pub fn of(&self, axis: Axis) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.axis == axis)
    }
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, axis: Axis, name: &str, a: Option<String>, b: Option<String>) {
        if a != b {
            self.0.push(Row { axis, name: name.to_owned(), a, b, is_explained: false });
        }
    }

    fn maps(&mut self, axis: Axis, a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) {
        for (name, a, b) in joined(a, b) {
            self.add(axis, name, a.cloned(), b.cloned());
        }
    }

    fn code(&mut self, a: &Run, b: &Run) {
        // Equal trees are equal code, whatever the commits around them are called.
        if a.code.tree != b.code.tree {
            self.add(Axis::Code, "tree", Some(a.code.tree.to_string()), Some(b.code.tree.to_string()));
            self.add(Axis::Code, "commit", Some(a.code.commit.to_string()), Some(b.code.commit.to_string()));
        }
        if let (Some(before), Some(after)) = (&a.evaluation, &b.evaluation) {
            let short = |digest: &String| Some(digest.chars().take(12).collect());
            self.add(Axis::Code, "evaluation code", short(before), short(after));
        }
        let exact = |run: &Run| Some(if run.code.is_exact() { "yes" } else { "no" }.to_owned());
        self.add(Axis::Code, "exact", exact(a), exact(b));
        if !a.code.is_exact() && !b.code.is_exact() {
            self.add(
                Axis::Code,
                "not exact",
                Some(a.code.inexact.join("; ")),
                Some(b.code.inexact.join("; ")),
            );
        }
        self.maps(Axis::Code, &a.code.others, &b.code.others);
    }

    fn environment(&mut self, a: Option<&Json>, b: Option<&Json>) {
        match (a, b) {
            (Some(a), Some(b)) => self.maps(Axis::Environment, &flattened(a), &flattened(b)),
            // One row says what a hundred would: on one side nobody knows.
            (a, b) => {
                let captured = |side: Option<&Json>| side.map(|_| "captured".to_owned());
                self.add(Axis::Environment, "environment", captured(a), captured(b));
            }
        }
    }

    fn command(&mut self, a: &Run, b: &Run) {
        if a.argv != b.argv {
            let is_explained = arguments_follow(a, b);
            let text = |run: &Run| {
                let words: Vec<String> = run.argv.iter().map(quoted).collect();
                Some(words.join(" "))
            };
            self.0.push(Row {
                axis: Axis::Command,
                name: "command".to_owned(),
                a: text(a),
                b: text(b),
                is_explained,
            });
        }
        let directory = |run: &Run| Some(run.directory.to_string());
        self.add(Axis::Command, "directory", directory(a), directory(b));
    }

    /// Defaults that are not the same, of parameters whose own row does not show it.
    fn changed_defaults(&mut self, a: &Run, b: &Run) {
        for (name, default_a, default_b) in joined(&a.changed_params, &b.changed_params) {
            if a.params.get(name) == b.params.get(name) {
                let or_same = |default: Option<&String>, run: &Run| default.or(run.params.get(name)).cloned();
                let name = format!("default of {name}");
                self.add(Axis::Parameters, &name, or_same(default_a, a), or_same(default_b, b));
            }
        }
    }
}

/// Whether the arguments differ in nothing but values of parameters that differ too, or the seed.
fn arguments_follow(a: &Run, b: &Run) -> bool {
    let mut pairs: Vec<(String, String)> = joined(&a.params, &b.params)
        .filter_map(|(_, a, b)| Some((a?.clone(), b?.clone())))
        .filter(|(a, b)| a != b)
        .collect();
    if let (Some(a), Some(b)) = (a.seed, b.seed) {
        pairs.push((a.to_string(), b.to_string()));
    }
    a.argv.len() == b.argv.len()
        && a.argv.iter().zip(&b.argv).filter(|(a, b)| a != b).all(|(a, b)| {
            let (Some(a), Some(b)) = (a.as_str(), b.as_str()) else { return false };
            pairs.iter().any(|(value_a, value_b)| {
                // `--lr=1e-4` and `--lr=3e-4` are equal up to the value they end with.
                let rests = (a.strip_suffix(value_a.as_str()), b.strip_suffix(value_b.as_str()));
                matches!(rests, (Some(a), Some(b)) if a == b && (a.is_empty() || a.ends_with(['=', ':'])))
            })
        })
}

/// An argument, in quotes where spaces would hide its ends.
fn quoted(argument: &OsBytes) -> String {
    let text = argument.to_string();
    if text.is_empty() || text.contains(char::is_whitespace) { format!("'{text}'") } else { text }
}

/// Every name of either map, in order, with what each side has under it.
fn joined<'a, V>(
    a: &'a BTreeMap<String, V>,
    b: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a str, Option<&'a V>, Option<&'a V>)> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().map(|name| (name.as_str(), a.get(name), b.get(name)))
}

/// The field of an input that says what a file holds: another content is another configuration, and no other amount of work.
const HASH: &str = "blake3";

fn hashes(inputs: &[Input]) -> BTreeMap<String, String> {
    inputs.iter().filter_map(|input| Some((input.name.clone(), input.more.get(HASH)?.clone()))).collect()
}

fn inputs(inputs: &[Input]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut reported: Vec<&Input> = inputs.iter().collect();
    reported.sort();
    for input in reported {
        let fields = [("", &input.shape), ("", &input.dtype), ("on ", &input.device)];
        let own = fields.into_iter().filter_map(|(word, text)| Some(format!("{word}{}", text.as_ref()?)));
        let more = input.more.iter().filter(|(name, _)| *name != HASH);
        let more = more.map(|(name, value)| format!("{name}={value}"));
        let text = own.chain(more).collect::<Vec<_>>().join(" ");
        // An input may be reported more than once, with another shape each time.
        texts
            .entry(input.name.clone())
            .and_modify(|texts: &mut String| {
                texts.push_str(", ");
                texts.push_str(&text);
            })
            .or_insert(text);
    }
    texts
}

/// The name and the version of a package, as `torch==2.11.0` in a list of them.
fn package(item: &Json) -> Option<(&str, &str)> {
    item.as_str()?.split_once("==")
}

/// The values of a JSON document by dotted names; a list of packages has a value for each, another list of plain values is one.
fn flattened(document: &Json) -> BTreeMap<String, String> {
    fn walk(value: &Json, path: &str, flat: &mut BTreeMap<String, String>) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Json::Object(fields) => {
                for (name, value) in fields {
                    walk(value, &below(name), flat);
                }
            }
            Json::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
                for (index, item) in list.iter().enumerate() {
                    walk(item, &below(&index.to_string()), flat);
                }
            }
            Json::Array(list) if !list.is_empty() && list.iter().all(|item| package(item).is_some()) => {
                for (name, version) in list.iter().filter_map(package) {
                    flat.insert(below(name), version.to_owned());
                }
            }
            Json::Null => {}
            Json::String(text) => {
                flat.insert(path.to_owned(), text.clone());
            }
            value => {
                flat.insert(path.to_owned(), value.to_string());
            }
        }
    }
    let mut flat = BTreeMap::new();
    walk(document, "", &mut flat);
    flat
}

fn metrics(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Vec<MetricRow> {
    let empty = Value::default();
    let mut rows = Vec::new();
    for (name, value_a, value_b) in joined(a, b) {
        let both = value_a.zip(value_b);
        let unit = value_a.or(value_b).and_then(|value| value.unit.clone());
        let other_unit =
            both.filter(|(a, b)| a.unit != b.unit).map(|(_, b)| b.unit.clone().unwrap_or_default());
        let is_redefined = both.is_some_and(|(a, b)| a.definition != b.definition);
        let (value_a, value_b) = (value_a.unwrap_or(&empty), value_b.unwrap_or(&empty));
        let whole = std::iter::once((None, value_a.value, value_b.value));
        let cases = joined(&value_a.cases, &value_b.cases)
            .map(|(case, a, b)| (Some(case.to_owned()), a.copied(), b.copied()));
        for (case, a, b) in whole.chain(cases) {
            // NaN on both sides is nothing to tell about either.
            let is_equal = a.map(f64::to_bits) == b.map(f64::to_bits)
                || a.zip(b).is_some_and(|(a, b)| {
                    a.partial_cmp(&b) == Some(Ordering::Equal) || (a.is_nan() && b.is_nan())
                });
            if (a.is_some() || b.is_some()) && (!is_equal || other_unit.is_some()) {
                rows.push(MetricRow {
                    name: name.to_owned(),
                    case,
                    a,
                    b,
                    unit: unit.clone(),
                    other_unit: other_unit.clone(),
                    is_redefined,
                });
            }
        }
    }
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::{EntryId, Nonce};
    use crate::domain::metric::{Better, Kind};
    use crate::domain::run::{Code, Exit, Load, Malformed, Membership, Status};

    /// A run of `A-001` with a little of everything.
    pub(crate) fn a_run() -> Run {
        let metric = |value, unit: Option<&str>, kind| Value {
            value,
            unit: unit.map(str::to_owned),
            better: Some(Better::Lower),
            kind: Some(kind),
            points: 20,
            ..Value::default()
        };
        let mut step_time = metric(None, Some("ms"), Kind::Measured);
        step_time.cases = BTreeMap::from([("b8s4096".to_owned(), 12.345_678), ("b16s4096".to_owned(), 23.5)]);
        Run {
            membership: Membership {
                experiment: "A-001".parse().expect("the ID is right"),
                registration: Some(EntryId([1; 32])),
                brief: Some(EntryId([2; 32])),
            },
            status: Status::Ok,
            exit: Exit::Code(0),
            reason: None,
            argv: ["python", "train.py", "--name", "a b"].map(OsBytes::from).to_vec(),
            directory: OsBytes::default(),
            code: Code {
                commit: "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".parse().expect("the name is right"),
                tree: "b1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".parse().expect("the name is right"),
                base: None,
                branch: Some("exp/A-001".to_owned()),
                inexact: Vec::new(),
                others: BTreeMap::new(),
            },
            group: Nonce([9; 16]),
            trial: 2,
            trials: 5,
            pair: None,
            confirms: false,
            accelerators: 0,
            evaluation: None,
            evaluation_changed: false,
            seed: Some(7),
            params: BTreeMap::from([
                ("lr".to_owned(), "3e-4".to_owned()),
                ("width".to_owned(), "64".to_owned()),
            ]),
            changed_params: BTreeMap::from([("lr".to_owned(), "1e-4".to_owned())]),
            label: Some("warm".to_owned()),
            started: "2026-11-21T11:10:05Z".parse().expect("the time is right"),
            wall_seconds: 83.4,
            metrics: BTreeMap::from([
                ("step_time".to_owned(), step_time),
                ("val_loss".to_owned(), metric(Some(2.312_345_6), None, Kind::Quality)),
                ("wall_time".to_owned(), metric(Some(83.4), Some("s"), Kind::Measured)),
                ("peak_rss".to_owned(), metric(Some(2_147_483_648.0), Some("bytes"), Kind::Measured)),
            ]),
            inputs: vec![Input {
                name: "x".to_owned(),
                shape: Some("8x1024".to_owned()),
                dtype: Some("bf16".to_owned()),
                device: None,
                more: BTreeMap::new(),
            }],
            malformed: Malformed::default(),
            hardware: "5f3a9c21".to_owned(),
            boot: None,
            load: Load { load_average: Some(0.42), accelerator_processes: Vec::new() },
            truncated: Vec::new(),
            large: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn between(a: &Run, b: &Run) -> Difference {
        let none = BTreeMap::new();
        let side = |run| Side { run, environment: None, config_files: &none, datasets: &none };
        Difference::between(&side(a), &side(b))
    }

    fn with_arguments(arguments: &[&str], lr: &str, seed: u64) -> Run {
        Run {
            argv: arguments.iter().copied().map(OsBytes::from).collect(),
            params: BTreeMap::from([("lr".to_owned(), lr.to_owned())]),
            changed_params: BTreeMap::new(),
            seed: Some(seed),
            ..a_run()
        }
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        assert!(between(&a_run(), &a_run()).is_empty());
    }

    #[test]
    fn equal_trees_are_equal_code() {
        let mut other = a_run();
        other.code.commit = other.code.tree.clone();
        assert!(between(&a_run(), &other).is_empty());
        other.code.tree = a_run().code.commit;
        assert_eq!(between(&a_run(), &other).axes(), [Axis::Code]);
    }

    #[test]
    fn repetitions_differ_in_no_axis() {
        let mut other = a_run();
        other.seed = Some(8);
        other.trial = 3;
        other.label = Some("cold".to_owned());
        let difference = between(&a_run(), &other);
        assert_eq!(difference.axes_differing(), 0);
        assert_eq!(difference.rows.len(), 2);
    }

    #[test]
    fn arguments_that_repeat_a_parameter_or_the_seed_are_no_axis_of_their_own() {
        let a = with_arguments(&["train", "--lr=1e-4", "--seed", "1"], "1e-4", 1);
        let b = with_arguments(&["train", "--lr=3e-4", "--seed", "2"], "3e-4", 2);
        assert_eq!(between(&a, &b).axes(), [Axis::Parameters]);
        let c = with_arguments(&["train", "--lr=3e-4", "--width", "2"], "3e-4", 2);
        assert_eq!(between(&a, &c).axes(), [Axis::Command, Axis::Parameters]);
    }

    #[test]
    fn a_changed_default_shows_where_the_value_does_not() {
        let mut other = a_run();
        other.changed_params.clear();
        let difference = between(&a_run(), &other);
        assert_eq!(difference.rows.len(), 1);
        assert_eq!(difference.rows[0].name, "default of lr");
        assert_eq!(difference.rows[0].a.as_deref(), Some("1e-4"));
        assert_eq!(difference.rows[0].b.as_deref(), Some("3e-4"));
    }

    #[test]
    fn an_environment_that_only_one_side_has_is_one_row() {
        let (none, run, document) =
            (BTreeMap::new(), a_run(), serde_json::json!({"os": "linux", "cpu": "x"}));
        let side = |environment| Side { run: &run, environment, config_files: &none, datasets: &none };
        assert_eq!(Difference::between(&side(Some(&document)), &side(None)).rows.len(), 1);
    }

    #[test]
    fn packages_are_compared_one_by_one() {
        let (a, b) = (
            serde_json::json!({"python": {"packages": ["numpy==2.0", "torch==2.10", "pip==24"]}}),
            serde_json::json!({"python": {"packages": ["numpy==2.0", "torch==2.11"]}}),
        );
        let (none, run) = (BTreeMap::new(), a_run());
        let side = |environment| Side {
            run: &run,
            environment: Some(environment),
            config_files: &none,
            datasets: &none,
        };
        let difference = Difference::between(&side(&a), &side(&b));
        let names: Vec<&str> = difference.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["python.packages.pip", "python.packages.torch"]);
        assert_eq!(difference.rows[1].b.as_deref(), Some("2.11"));
    }

    #[test]
    fn values_in_different_units_have_no_difference() {
        let mut other = a_run();
        other.metrics.get_mut("wall_time").expect("the run has it").unit = Some("ms".to_owned());
        let metrics = between(&a_run(), &other).metrics;
        assert_eq!(metrics.len(), 1);
        assert_eq!(metrics[0].absolute(), None);
        assert_eq!(metrics[0].other_unit.as_deref(), Some("ms"));
    }

    #[test]
    fn nan_does_not_differ_from_nan() {
        let mut run = a_run();
        run.metrics.get_mut("val_loss").expect("the run has it").value = Some(f64::NAN);
        assert!(between(&run, &run.clone()).metrics.is_empty());
        assert_eq!(between(&run, &a_run()).metrics[0].absolute(), None);
    }

    proptest! {
        #[test]
        fn turned_around_it_has_the_same_rows_with_sides_swapped(
            a in prop::collection::btree_map("[a-c]", "[a-b]", 0..3),
            b in prop::collection::btree_map("[a-c]", "[a-b]", 0..3),
        ) {
            let run = |params| Run { params, changed_params: BTreeMap::new(), ..a_run() };
            let (a, b) = (run(a), run(b));
            let swapped: Vec<Row> = between(&b, &a)
                .rows
                .into_iter()
                .map(|row| Row { a: row.b, b: row.a, ..row })
                .collect();
            prop_assert_eq!(between(&a, &b).rows, swapped);
        }

        #[test]
        fn a_relative_change_leads_from_one_value_to_the_other(a in 0.1_f64..1e6, b in 0.1_f64..1e6) {
            let row = MetricRow {
                name: "x".to_owned(),
                case: None,
                a: Some(a),
                b: Some(b),
                unit: None,
                other_unit: None,
                is_redefined: false,
            };
            let relative = row.relative().ok_or_else(|| TestCaseError::fail("there is one"))?;
            prop_assert!((a * (1.0 + relative) - b).abs() <= 1e-9 * b.max(a));
        }
    }
}
