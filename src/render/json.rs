//! The views that scripts rely on, as JSON; fields stand in the promised order, and more may be added at the end.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::decision::MoveJson;
use super::entry::EvidenceJson;
use super::experiment::{Best, ExperimentView};
use super::log::LogLine;
use super::run::RunView;
use super::topic::TopicView;
use crate::domain::brief::{Brief, Budget};
use crate::domain::metric::Value;
use crate::domain::run::{Exit, Input};
use crate::domain::stopping::Stop;

/// A number as JSON has it; NaN and the infinities as the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else if self.0.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if self.0 > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }
}

/// The view as one line of JSON, fields in their declared order.
#[expect(clippy::missing_panics_doc, reason = "no view has keys or numbers that JSON cannot hold")]
pub fn line(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("views hold text, numbers and lists of them only")
}

/// A run: `git-exp/run/1`.
#[derive(Debug, Serialize)]
pub struct RunJson<'a> {
    schema: &'static str,
    run: &'a str,
    experiment: &'a str,
    status: &'static str,
    commit: &'a str,
    exact: bool,
    argv: Vec<String>,
    trial: u32,
    seed: Option<u64>,
    params: &'a BTreeMap<String, String>,
    label: Option<&'a str>,
    started: String,
    wall_seconds: Number,
    exit: Option<i32>,
    metrics: BTreeMap<&'a str, MetricJson<'a>>,
    topic: Option<&'a str>,
    signal: Option<i32>,
    reason: Option<&'a str>,
    directory: String,
    branch: Option<&'a str>,
    tree: &'a str,
    base: Option<&'a str>,
    inexact: &'a [String],
    other_commits: &'a BTreeMap<String, String>,
    trials: u32,
    group: String,
    changed_params: &'a BTreeMap<String, String>,
    inputs: Vec<InputJson<'a>>,
    malformed: MalformedJson<'a>,
    hardware: &'a str,
    accelerators: u32,
    load: LoadJson<'a>,
    truncated: Vec<TruncatedJson<'a>>,
    large_files: Vec<LargeFileJson<'a>>,
    files: Vec<FileJson<'a>>,
    remarks: &'a [String],
    brief: Option<String>,
    registration: Option<String>,
    writer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<PairJson>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    confirms: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    evaluation_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<WithdrawnJson<'a>>,
}

/// What set a result aside.
#[derive(Debug, Serialize)]
struct WithdrawnJson<'a> {
    withdrawal: &'a str,
    because: &'a str,
}

/// A run's place in a series of pairs.
#[derive(Debug, Serialize)]
struct PairJson {
    number: u32,
    side: &'static str,
    first: bool,
}

/// What one metric came to in one run.
#[derive(Debug, Serialize)]
struct MetricJson<'a> {
    value: Option<Number>,
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cases: BTreeMap<&'a str, CaseJson>,
    better: Option<&'static str>,
    kind: Option<&'static str>,
    points: u64,
    definition: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct CaseJson {
    value: Number,
}

#[derive(Debug, Serialize)]
struct InputJson<'a> {
    name: &'a str,
    shape: Option<&'a str>,
    dtype: Option<&'a str>,
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    more: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct MalformedJson<'a> {
    count: u64,
    examples: &'a [String],
}

#[derive(Debug, Serialize)]
struct LoadJson<'a> {
    load_average: Option<Number>,
    accelerator_processes: &'a [String],
}

#[derive(Debug, Serialize)]
struct TruncatedJson<'a> {
    stream: &'a str,
    bytes: u64,
    blake3: &'a str,
}

#[derive(Debug, Serialize)]
struct LargeFileJson<'a> {
    path: String,
    bytes: u64,
    blake3: &'a str,
}

#[derive(Debug, Serialize)]
struct FileJson<'a> {
    name: &'a str,
    bytes: u64,
}

impl<'a> From<&'a RunView<'a>> for RunJson<'a> {
    fn from(view: &'a RunView<'a>) -> Self {
        let run = view.run;
        Self {
            schema: "git-exp/run/1",
            run: &view.id,
            experiment: run.membership.experiment.as_str(),
            status: run.status.word(),
            commit: run.code.commit.as_str(),
            exact: run.code.is_exact(),
            argv: run.argv.iter().map(ToString::to_string).collect(),
            trial: run.trial,
            seed: run.seed,
            params: &run.params,
            label: run.label.as_deref(),
            started: run.started.to_string(),
            wall_seconds: Number(run.wall_seconds),
            exit: run.exit.shell_status(),
            metrics: run
                .metrics
                .iter()
                .map(|(name, value)| (name.as_str(), MetricJson::from(value)))
                .collect(),
            topic: view.topic,
            signal: match run.exit {
                Exit::Signal(signal) => Some(signal),
                Exit::Code(_) | Exit::Unknown => None,
            },
            reason: run.reason.as_deref(),
            directory: run.directory.to_string(),
            branch: run.code.branch.as_deref(),
            tree: run.code.tree.as_str(),
            base: run.code.base.as_ref().map(crate::domain::id::ObjectName::as_str),
            inexact: &run.code.inexact,
            other_commits: &run.code.others,
            trials: run.trials,
            group: run.group.to_hex(),
            pair: run.pair.map(|pair| PairJson {
                number: pair.number,
                side: pair.side.word(),
                first: pair.first,
            }),
            withdrawn: view
                .withdrawn
                .as_ref()
                .map(|(withdrawal, because)| WithdrawnJson { withdrawal, because }),
            confirms: run.confirms,
            changed_params: &run.changed_params,
            inputs: run.inputs.iter().map(InputJson::from).collect(),
            malformed: MalformedJson { count: run.malformed.count, examples: &run.malformed.examples },
            hardware: &run.hardware,
            accelerators: run.accelerators,
            load: LoadJson {
                load_average: run.load.load_average.map(Number),
                accelerator_processes: &run.load.accelerator_processes,
            },
            truncated: run
                .truncated
                .iter()
                .map(|part| TruncatedJson { stream: &part.stream, bytes: part.bytes, blake3: &part.blake3 })
                .collect(),
            large_files: run
                .large
                .iter()
                .map(|file| LargeFileJson {
                    path: file.path.to_string(),
                    bytes: file.bytes,
                    blake3: &file.blake3,
                })
                .collect(),
            files: view.files.iter().map(|(name, bytes)| FileJson { name, bytes: *bytes }).collect(),
            remarks: &run.remarks,
            brief: run.membership.brief.map(|entry| entry.to_hex()),
            registration: run.membership.registration.map(|entry| entry.to_hex()),
            writer: view.writer,
            evaluation: run.evaluation.as_deref(),
            evaluation_changed: run.evaluation_changed,
            environment: view.environment,
        }
    }
}

impl<'a> From<&'a Value> for MetricJson<'a> {
    fn from(value: &'a Value) -> Self {
        Self {
            value: value.value.map(Number),
            unit: value.unit.as_deref(),
            cases: value
                .cases
                .iter()
                .map(|(case, value)| (case.as_str(), CaseJson { value: Number(*value) }))
                .collect(),
            better: value.better.map(crate::domain::metric::Better::word),
            kind: value.kind.map(crate::domain::metric::Kind::word),
            points: value.points,
            definition: value.definition.as_deref(),
        }
    }
}

impl<'a> From<&'a Input> for InputJson<'a> {
    fn from(input: &'a Input) -> Self {
        Self {
            name: &input.name,
            shape: input.shape.as_deref(),
            dtype: input.dtype.as_deref(),
            device: input.device.as_deref(),
            more: &input.more,
        }
    }
}

/// An experiment: `git-exp/experiment/1`.
#[derive(Debug, Serialize)]
pub struct ExperimentJson<'a> {
    schema: &'static str,
    experiment: &'a str,
    topic: Option<&'a str>,
    branch: Option<&'a str>,
    worktree: Option<&'a str>,
    stage: &'static str,
    decision: Option<&'static str>,
    runs: u64,
    sealed: &'a [String],
    confidence: &'a str,
    archived: bool,
    registration: Option<&'a str>,
    registered: Option<String>,
    statuses: BTreeMap<&'static str, u64>,
    wall_seconds: Number,
    accelerator_seconds: Number,
    brief: Option<BriefJson<'a>>,
    missing: Vec<&'static str>,
    amended_after_first_run: bool,
    conflicts: &'a [String],
    because: Option<&'a str>,
    decided_by: Option<String>,
    against: Option<&'static str>,
    next: &'a [String],
    evidence: Option<EvidenceJson<'a>>,
    best: Option<BestJson<'a>>,
    best_of_topic: bool,
    evaluation_changed: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reproductions: &'a [RepeatedJson],
}

/// What came of repeating an experiment, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepeatedJson {
    /// The entry that says so.
    pub entry: String,
    /// When it ended.
    pub time: String,
    /// What was repeated: a tag, or the first digits of a run's ID.
    pub target: String,
    /// What it came to.
    pub outcome: &'static str,
}

/// The best value of a metric over runs.
#[derive(Debug, Serialize)]
pub struct BestJson<'a> {
    metric: &'a str,
    value: Number,
    unit: Option<&'a str>,
    run: &'a str,
}

impl<'a> From<&'a Best> for BestJson<'a> {
    fn from(best: &'a Best) -> Self {
        Self { metric: &best.metric, value: Number(best.value), unit: best.unit.as_deref(), run: &best.run }
    }
}

impl<'a> From<&'a ExperimentView<'a>> for ExperimentJson<'a> {
    fn from(view: &'a ExperimentView<'a>) -> Self {
        Self {
            schema: "git-exp/experiment/1",
            experiment: &view.id,
            topic: view.topic,
            branch: view.branch.as_deref(),
            worktree: view.worktree.as_deref(),
            stage: view.stage.word(),
            decision: view.decision.map(crate::domain::decision::Decision::word),
            runs: view.runs(),
            sealed: &view.sealed,
            confidence: &view.confidence,
            archived: view.is_archived,
            registration: view.registration.as_deref(),
            registered: view.registered.map(|moment| moment.to_string()),
            statuses: view.statuses.iter().map(|(status, count)| (status.word(), *count)).collect(),
            wall_seconds: Number(view.wall_seconds),
            accelerator_seconds: Number(view.accelerator_seconds),
            brief: view.brief.map(BriefJson::from),
            missing: view
                .brief
                .map(|brief| brief.missing().into_iter().map(|(field, _)| field).collect())
                .unwrap_or_default(),
            amended_after_first_run: view.was_amended_after_first_run,
            conflicts: &view.conflicts,
            because: view.ruling.map(|it| it.ruling.because.as_str()),
            decided_by: view.ruling.map(|it| format!("{} <{}>", it.by.name, it.by.email)),
            against: view.ruling.and_then(|it| it.ruling.against()),
            next: view.ruling.map(|it| it.ruling.next.as_slice()).unwrap_or_default(),
            evidence: view.ruling.and_then(|it| it.ruling.evidence.as_ref()).map(EvidenceJson::from),
            best: view.best.as_ref().map(BestJson::from),
            best_of_topic: view.is_best_of_topic,
            evaluation_changed: view.evaluation_changed,
            reproductions: &view.reproductions,
        }
    }
}

/// What an experiment promises before it runs.
#[derive(Debug, Serialize)]
pub struct BriefJson<'a> {
    hypothesis: Option<&'a str>,
    change: Option<&'a str>,
    baseline: Option<&'a str>,
    accept: Vec<String>,
    guard: Vec<String>,
    no_guard: Option<&'a str>,
    trials: u32,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    looks: &'a [u32],
    budget: BudgetJson,
    owner: Option<&'a str>,
    notes: Option<&'a str>,
    dataset: Option<&'a str>,
    paths: &'a [String],
}

#[derive(Debug, Serialize)]
struct BudgetJson {
    wall_seconds: Option<Number>,
    accelerator_seconds: Option<Number>,
    runs: Option<u64>,
}

impl From<Budget> for BudgetJson {
    fn from(budget: Budget) -> Self {
        Self {
            wall_seconds: budget.wall_seconds.map(Number),
            accelerator_seconds: budget.accelerator_seconds.map(Number),
            runs: budget.runs,
        }
    }
}

impl<'a> From<&'a Brief> for BriefJson<'a> {
    fn from(brief: &'a Brief) -> Self {
        Self {
            hypothesis: brief.hypothesis.as_deref(),
            change: brief.change.as_deref(),
            baseline: brief.baseline.as_deref(),
            accept: brief.accept.iter().map(ToString::to_string).collect(),
            guard: brief.guard.iter().map(ToString::to_string).collect(),
            no_guard: brief.no_guard.as_deref(),
            trials: brief.planned_trials(),
            looks: &brief.looks,
            budget: brief.budget.into(),
            owner: brief.owner.as_deref(),
            notes: brief.notes.as_deref(),
            dataset: brief.dataset.as_deref(),
            paths: &brief.paths,
        }
    }
}

/// A topic: `git-exp/topic/1`.
#[derive(Debug, Serialize)]
pub struct TopicJson<'a> {
    schema: &'static str,
    topic: &'a str,
    prefix: Option<&'a str>,
    goal: Option<&'a str>,
    branch: &'a str,
    experiments: u64,
    decided: u64,
    accept: Vec<String>,
    guard: Vec<String>,
    budget: BudgetJson,
    baselines: &'a BTreeMap<String, String>,
    stop: &'a [String],
    scope: &'a BTreeMap<String, Vec<String>>,
    links: &'a BTreeMap<String, String>,
    created: Option<String>,
    closed: bool,
    moves: Vec<MoveJson<'a>>,
    conflicts: &'a [String],
    stops: Vec<StopJson<'a>>,
    kickoff: super::logbook::TopicFields,
    evaluation: Option<PinJson<'a>>,
    issue: Option<IssueJson<'a>>,
}

/// A topic's issue on GitHub.
#[derive(Debug, Serialize)]
struct IssueJson<'a> {
    repository: &'a str,
    number: u64,
    url: &'a str,
}

/// The evaluation code as it was pinned.
#[derive(Debug, Serialize)]
struct PinJson<'a> {
    paths: &'a [String],
    digest: &'a str,
}

/// A stop criterion, and whether it is met.
#[derive(Debug, Serialize)]
pub struct StopJson<'a> {
    when: &'a str,
    answer: &'static str,
    why: &'a str,
}

impl<'a> From<&'a (String, Stop)> for StopJson<'a> {
    fn from((when, stop): &'a (String, Stop)) -> Self {
        Self { when, answer: stop.word(), why: stop.why() }
    }
}

impl<'a> From<&'a TopicView<'a>> for TopicJson<'a> {
    fn from(view: &'a TopicView<'a>) -> Self {
        let topic = view.topic;
        Self {
            schema: "git-exp/topic/1",
            topic: topic.name.as_str(),
            prefix: topic.prefix.as_ref().map(crate::domain::id::Prefix::as_str),
            goal: topic.goal.as_deref(),
            branch: &view.branch,
            experiments: view.experiments,
            decided: view.decided,
            accept: topic.accept.iter().map(ToString::to_string).collect(),
            guard: topic.guard.iter().map(ToString::to_string).collect(),
            budget: topic.budget.into(),
            baselines: &topic.baselines,
            stop: &topic.stop,
            scope: &topic.scope,
            links: &topic.links,
            created: view.created.map(|moment| moment.to_string()),
            closed: view.is_closed,
            moves: view.moves.iter().map(MoveJson::from).collect(),
            conflicts: &view.conflicts,
            stops: view.stops.iter().map(StopJson::from).collect(),
            kickoff: super::logbook::TopicFields::new(topic, view.created.unwrap_or_default()),
            evaluation: topic.evaluation.as_ref().map(|it| PinJson { paths: &it.paths, digest: &it.digest }),
            issue: view.issue.map(|it| IssueJson {
                repository: it.repository,
                number: it.number,
                url: it.url,
            }),
        }
    }
}

/// A line of the log: `git-exp/entry/1`.
#[derive(Debug, Serialize)]
pub struct EntryJson<'a> {
    schema: &'static str,
    entry: &'a str,
    kind: &'a str,
    time: String,
    writer: &'a str,
    experiment: Option<&'a str>,
    topic: Option<&'a str>,
    subject: &'a str,
    withdrawn: bool,
}

impl<'a> From<&'a LogLine> for EntryJson<'a> {
    fn from(line: &'a LogLine) -> Self {
        Self {
            schema: "git-exp/entry/1",
            entry: &line.id,
            kind: &line.kind,
            time: line.time.to_string(),
            writer: &line.writer,
            experiment: line.experiment.as_deref(),
            topic: line.topic.as_deref(),
            subject: &line.subject,
            withdrawn: line.is_withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::run::tests::{a_run, view_of};

    fn pretty(view: &impl Serialize) -> String {
        serde_json::to_string_pretty(view).expect("a view can be written")
    }

    #[test]
    fn a_run_has_the_promised_fields_first() {
        let run = a_run();
        assert_snapshot!(pretty(&RunJson::from(&view_of(&run))), @r#"
        {
          "schema": "git-exp/run/1",
          "run": "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
          "experiment": "A-001",
          "status": "ok",
          "commit": "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4",
          "exact": true,
          "argv": [
            "python",
            "train.py",
            "--name",
            "a b"
          ],
          "trial": 2,
          "seed": 7,
          "params": {
            "lr": "3e-4",
            "width": "64"
          },
          "label": "warm",
          "started": "2026-11-21T11:10:05Z",
          "wall_seconds": 83.4,
          "exit": 0,
          "metrics": {
            "peak_rss": {
              "value": 2147483648.0,
              "unit": "bytes",
              "better": "lower",
              "kind": "measured",
              "points": 20,
              "definition": null
            },
            "step_time": {
              "value": null,
              "unit": "ms",
              "cases": {
                "b16s4096": {
                  "value": 23.5
                },
                "b8s4096": {
                  "value": 12.345678
                }
              },
              "better": "lower",
              "kind": "measured",
              "points": 20,
              "definition": null
            },
            "val_loss": {
              "value": 2.3123456,
              "unit": null,
              "better": "lower",
              "kind": "quality",
              "points": 20,
              "definition": null
            },
            "wall_time": {
              "value": 83.4,
              "unit": "s",
              "better": "lower",
              "kind": "measured",
              "points": 20,
              "definition": null
            }
          },
          "topic": "mixing",
          "signal": null,
          "reason": null,
          "directory": "",
          "branch": "exp/A-001",
          "tree": "b1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4",
          "base": null,
          "inexact": [],
          "other_commits": {},
          "trials": 5,
          "group": "09090909090909090909090909090909",
          "changed_params": {
            "lr": "1e-4"
          },
          "inputs": [
            {
              "name": "x",
              "shape": "8x1024",
              "dtype": "bf16",
              "device": null
            }
          ],
          "malformed": {
            "count": 0,
            "examples": []
          },
          "hardware": "5f3a9c21",
          "accelerators": 0,
          "load": {
            "load_average": 0.42,
            "accelerator_processes": []
          },
          "truncated": [],
          "large_files": [],
          "files": [
            {
              "name": "stdout",
              "bytes": 4321
            }
          ],
          "remarks": [],
          "brief": "0202020202020202020202020202020202020202020202020202020202020202",
          "registration": "0101010101010101010101010101010101010101010101010101010101010101",
          "writer": "0f0e0d0c"
        }
        "#);
    }

    #[test]
    fn numbers_that_json_lacks_are_strings() {
        assert_eq!(
            line(&[Number(f64::NAN), Number(f64::INFINITY), Number(-f64::INFINITY), Number(0.1)]),
            r#"["NaN","Infinity","-Infinity",0.1]"#
        );
    }
}
