//! What happened in a topic, as the fields that templates get; times in UTC, so that everybody gets the same bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::comparison::ComparisonFields;
use super::experiment::budget_in_words;
use super::text::command_line;
use super::{number, time};
use crate::domain::brief::Brief;
use crate::domain::cell::{Outcome, Trial, cells};
use crate::domain::chronicle::{Event, MetricRow, Series, What, baseline_at, rows};
use crate::domain::decision::{Evidence, Ruling};
use crate::domain::entry::Body;
use crate::domain::id::EntryId;
use crate::domain::metric::BUILT_IN;
use crate::domain::run::Status;
use crate::domain::state::{ExperimentState, IdeaState, RulingOf, TopicState};
use crate::domain::topic::{Closing, Topic};

/// How many failed runs of one call are told one by one.
const FAILURES: usize = 5;

/// A moment for documents: `2026-11-21 12:00 UTC`.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The digits of an entry's ID by which a document names it.
pub fn mark(id: &EntryId) -> String {
    id.to_hex()[..16].to_owned()
}

/// A name and what it stands for.
#[derive(Debug, Serialize)]
pub struct Named {
    name: String,
    value: String,
}

fn named(pairs: &BTreeMap<String, String>) -> Vec<Named> {
    pairs.iter().map(|(name, value)| Named { name: name.clone(), value: value.clone() }).collect()
}

/// A topic: `topic`.
#[derive(Debug, Serialize)]
pub struct TopicFields {
    name: String,
    prefix: Option<String>,
    branch: String,
    opened: String,
    goal: Option<String>,
    problem: Option<String>,
    constraints: Vec<String>,
    success: Vec<String>,
    hypotheses: Vec<String>,
    matrix: Vec<String>,
    code: Vec<String>,
    phases: Vec<PhaseFields>,
    accept: Vec<String>,
    guard: Vec<String>,
    no_guard: Option<String>,
    trials: Option<u32>,
    budget: Option<String>,
    baselines: Vec<Named>,
    stop: Vec<String>,
    scope: Vec<AxisFields>,
    links: Vec<Named>,
    evaluation: Vec<String>,
    closing: Option<ClosingFields>,
}

#[derive(Debug, Serialize)]
struct PhaseFields {
    name: String,
    goal: Option<String>,
    until: Option<String>,
}

#[derive(Debug, Serialize)]
struct AxisFields {
    axis: String,
    values: Vec<String>,
}

/// What a topic came to: `topic.closing`.
#[derive(Debug, Serialize)]
pub struct ClosingFields {
    worked: Vec<String>,
    failed: Vec<String>,
    limits: Vec<String>,
    next: Vec<String>,
    retrospective: Vec<String>,
}

impl From<&Closing> for ClosingFields {
    fn from(closing: &Closing) -> Self {
        Self {
            worked: closing.worked.clone(),
            failed: closing.failed.clone(),
            limits: closing.limits.clone(),
            next: closing.next.clone(),
            retrospective: closing.retrospective.clone(),
        }
    }
}

impl TopicFields {
    /// The topic as it says itself, opened at that time.
    pub fn new(topic: &Topic, opened: Timestamp) -> Self {
        let texts = |criteria: &[crate::domain::criterion::Criterion]| {
            criteria.iter().map(ToString::to_string).collect()
        };
        Self {
            name: topic.name.to_string(),
            prefix: topic.prefix.as_ref().map(ToString::to_string),
            branch: format!("research/{}", topic.name),
            opened: moment(opened),
            goal: topic.goal.clone(),
            problem: topic.problem.clone(),
            constraints: topic.constraints.clone(),
            success: topic.success.clone(),
            hypotheses: topic.hypotheses.clone(),
            matrix: topic.matrix.clone(),
            code: topic.code.clone(),
            phases: topic
                .phases
                .iter()
                .map(|phase| PhaseFields {
                    name: phase.name.clone(),
                    goal: phase.goal.clone(),
                    until: phase.until.clone(),
                })
                .collect(),
            accept: texts(&topic.accept),
            guard: texts(&topic.guard),
            no_guard: topic.no_guard.clone(),
            trials: topic.trials,
            budget: (!topic.budget.is_empty()).then(|| budget_in_words(topic.budget)),
            baselines: named(&topic.baselines),
            stop: topic.stop.clone(),
            scope: topic
                .scope
                .iter()
                .map(|(axis, values)| AxisFields { axis: axis.clone(), values: values.clone() })
                .collect(),
            links: named(&topic.links),
            evaluation: topic.evaluation.as_ref().map(|it| it.paths.clone()).unwrap_or_default(),
            closing: topic.closing.as_ref().map(ClosingFields::from),
        }
    }
}

/// A brief: `brief`.
#[derive(Debug, Serialize)]
pub struct BriefFields {
    hypothesis: Option<String>,
    change: Option<String>,
    baseline: Option<String>,
    accept: Vec<String>,
    guard: Vec<String>,
    no_guard: Option<String>,
    trials: u32,
    budget: Option<String>,
    owner: Option<String>,
    dataset: Option<String>,
    paths: Vec<String>,
    notes: Option<String>,
    missing: Vec<String>,
}

impl From<&Brief> for BriefFields {
    fn from(brief: &Brief) -> Self {
        Self {
            hypothesis: brief.hypothesis.clone(),
            change: brief.change.clone(),
            baseline: brief.baseline.clone(),
            accept: brief.accept.iter().map(ToString::to_string).collect(),
            guard: brief.guard.iter().map(ToString::to_string).collect(),
            no_guard: brief.no_guard.clone(),
            trials: brief.planned_trials(),
            budget: (!brief.budget.is_empty()).then(|| budget_in_words(brief.budget)),
            owner: brief.owner.clone(),
            dataset: brief.dataset.clone(),
            paths: brief.paths.clone(),
            notes: brief.notes.clone(),
            missing: brief.missing().iter().map(|(name, _)| (*name).to_owned()).collect(),
        }
    }
}

/// A metric over some runs, beside the baseline: a row of `metrics`.
#[derive(Debug, Serialize)]
pub struct MetricFields {
    metric: String,
    n: usize,
    value: String,
    baseline: Option<String>,
    delta: Option<String>,
}

impl From<&MetricRow> for MetricFields {
    fn from(row: &MetricRow) -> Self {
        let unit = row.unit.as_deref();
        let value = |mean: f64| number::of_metric(&row.name, mean, unit);
        let is_built_in = BUILT_IN.iter().any(|(name, _)| *name == row.name);
        let spread = row.standard_deviation().filter(|spread| *spread > 0.0 && !is_built_in);
        let change = match row.baseline_mean() {
            Some(0.0) => Some(number::signed(row.mean())),
            // Means of equal values differ in their last digit.
            _ => row.relative().map(|it| number::percent(if it.abs() < 1e-12 { 0.0 } else { it })),
        };
        Self {
            metric: match &row.case {
                Some(case) => format!("{}[{case}]", row.name),
                None => row.name.clone(),
            },
            n: row.values.len(),
            value: match spread {
                Some(spread) => number::uncertain(row.mean(), spread, unit),
                None => value(row.mean()),
            },
            baseline: row.baseline_mean().map(value),
            delta: change.map(|change| if change == "0 %" { "no change".to_owned() } else { change }),
        }
    }
}

/// What the runs reported, and how long they took; the rest of what is measured of every run only where it is asked for.
fn metrics(rows: &[MetricRow], asked: &[&str]) -> Vec<MetricFields> {
    let is_shown = |row: &&MetricRow| {
        let is_built_in = BUILT_IN.iter().any(|(name, _)| *name == row.name);
        !is_built_in || row.name == "wall_time" || asked.contains(&row.name.as_str())
    };
    // What the brief is judged by comes first, in its order.
    let place = |row: &MetricRow| {
        (
            asked.iter().position(|name| *name == row.name).unwrap_or(usize::MAX),
            BUILT_IN.iter().any(|(name, _)| *name == row.name),
        )
    };
    let mut shown: Vec<&MetricRow> = rows.iter().filter(is_shown).collect();
    shown.sort_by_key(|row| place(row));
    shown.into_iter().map(MetricFields::from).collect()
}

/// The metrics that a brief is judged by.
fn asked(experiment: Option<&ExperimentState>) -> Vec<&str> {
    let brief = experiment.and_then(|it| it.registered.as_ref()).map(|it| &it.current.brief);
    let criteria = brief.into_iter().flat_map(|brief| brief.accept.iter().chain(&brief.guard));
    criteria.map(|criterion| criterion.metric.as_str()).collect()
}

/// The runs of one call: `event.run`.
#[derive(Debug, Serialize)]
pub struct SeriesFields {
    command: String,
    directory: Option<String>,
    commit: String,
    branch: Option<String>,
    inexact: Vec<String>,
    params: Vec<ParamFields>,
    seeds: Vec<String>,
    inputs: Vec<String>,
    hardware: String,
    label: Option<String>,
    count: usize,
    statuses: String,
    wall: String,
    baseline: Option<String>,
    metrics: Vec<MetricFields>,
    failures: Vec<FailureFields>,
    further_failures: usize,
    large: Vec<String>,
    remarks: Vec<String>,
    continues: bool,
    confirms: bool,
    evaluation_changed: bool,
    ids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ParamFields {
    name: String,
    value: String,
    default: Option<String>,
}

#[derive(Debug, Serialize)]
struct FailureFields {
    id: String,
    status: &'static str,
    reason: Option<String>,
}

fn failure(trial: &Trial<'_>) -> FailureFields {
    let not_finite = || {
        let metrics = trial.run.metrics.iter().filter(|(_, value)| {
            value.value.is_some_and(|it| !it.is_finite()) || value.cases.values().any(|it| !it.is_finite())
        });
        let names: Vec<&str> = metrics.map(|(name, _)| name.as_str()).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        (!names.is_empty()).then(|| format!("{} {are} not finite", names.join(", ")))
    };
    let diverged = trial.run.status == Status::Diverged;
    let reason = trial.run.reason.clone().or_else(|| diverged.then(not_finite).flatten());
    let reason = reason.or_else(|| match trial.run.exit {
        crate::domain::run::Exit::Code(code) => Some(format!("it exited with {code}")),
        crate::domain::run::Exit::Signal(signal) => Some(format!("the signal {signal} ended it")),
        crate::domain::run::Exit::Unknown => None,
    });
    FailureFields { id: trial.id.short(), status: trial.run.status.word(), reason }
}

impl SeriesFields {
    /// The runs of one call, of the experiment where there is one.
    pub fn new(series: &Series<'_>, experiment: Option<&ExperimentState>) -> Self {
        let run = series.first();
        let trials = &series.trials;
        let mut statuses: BTreeMap<Status, u64> = BTreeMap::new();
        for trial in trials {
            *statuses.entry(trial.run.status).or_default() += 1;
        }
        let mut failed = trials.iter().filter(|trial| trial.run.status != Status::Ok);
        let failures: Vec<FailureFields> = failed.by_ref().take(FAILURES).map(failure).collect();
        let unique = |texts: Vec<String>| {
            let mut kept: Vec<String> = Vec::new();
            for text in texts {
                if !kept.contains(&text) {
                    kept.push(text);
                }
            }
            kept
        };
        let inputs = run.inputs.iter().map(|input| {
            let parts = [&input.shape, &input.dtype, &input.device];
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            format!("{} {}", input.name, parts.join(" ")).trim_end().to_owned()
        });
        Self {
            command: command_line(&run.argv),
            directory: Some(run.directory.to_string()).filter(|path| !path.is_empty()),
            commit: run.code.commit.short().to_owned(),
            branch: run.code.branch.clone(),
            inexact: run.code.inexact.clone(),
            params: run
                .params
                .iter()
                .map(|(name, value)| ParamFields {
                    name: name.clone(),
                    value: value.clone(),
                    default: run.changed_params.get(name).cloned(),
                })
                .collect(),
            seeds: trials.iter().filter_map(|trial| trial.run.seed).map(|seed| seed.to_string()).collect(),
            inputs: inputs.collect(),
            hardware: run.hardware.clone(),
            label: run.label.clone(),
            count: trials.len(),
            statuses: counted(&statuses),
            wall: time::elapsed(trials.iter().map(|trial| trial.run.wall_seconds).sum()),
            baseline: series.baseline.as_ref().map(|it| it.name.clone()),
            metrics: metrics(&series.rows(), &asked(experiment)),
            further_failures: failed.count(),
            failures,
            large: unique(
                trials.iter().flat_map(|it| &it.run.large).map(|file| file.path.to_string()).collect(),
            ),
            remarks: unique(trials.iter().flat_map(|it| it.run.remarks.clone()).collect()),
            continues: series.continues,
            confirms: run.confirms,
            evaluation_changed: trials.iter().any(|trial| trial.run.evaluation_changed),
            ids: trials.iter().map(|trial| trial.id.short()).collect(),
        }
    }
}

/// How many runs ended how: `5 ok, 1 failed`.
fn counted(statuses: &BTreeMap<Status, u64>) -> String {
    let counts: Vec<String> = statuses
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// A comparison as it stood when somebody decided by it: `evidence`.
#[derive(Debug, Serialize)]
pub struct EvidenceFields {
    baseline: String,
    verdict: &'static str,
    confidence: String,
    summary: String,
}

impl From<&ComparisonFields> for EvidenceFields {
    fn from(comparison: &ComparisonFields) -> Self {
        Self {
            baseline: comparison.baseline().to_owned(),
            verdict: comparison.verdict(),
            confidence: comparison.strength().to_owned(),
            summary: comparison.summary().to_owned(),
        }
    }
}

impl From<&Evidence> for EvidenceFields {
    fn from(evidence: &Evidence) -> Self {
        Self {
            baseline: evidence.baseline.clone(),
            verdict: evidence.outcome.word(),
            confidence: evidence.confidence.clone(),
            summary: evidence.summary.clone(),
        }
    }
}

/// A decision: `decision`.
#[derive(Debug, Serialize)]
pub struct DecisionFields {
    decision: &'static str,
    because: String,
    next: Vec<String>,
    against: Option<&'static str>,
    evidence: Option<EvidenceFields>,
    revises: bool,
}

impl DecisionFields {
    fn new(ruling: &Ruling, revises: bool) -> Self {
        Self {
            decision: ruling.decision.word(),
            because: ruling.because.clone(),
            next: ruling.next.clone(),
            against: ruling.against(),
            evidence: ruling.evidence.as_ref().map(EvidenceFields::from),
            revises,
        }
    }
}

/// A baseline that moved: `event.baseline`.
#[derive(Debug, Serialize)]
pub struct MoveFields {
    name: String,
    from: Option<String>,
    to: String,
    commit: Option<String>,
    because: String,
    evidence: Option<EvidenceFields>,
    lacks_repeated_evidence: bool,
}

#[derive(Debug, Serialize)]
struct NoteFields {
    sort: Option<&'static str>,
    source: Option<String>,
    text: String,
}

#[derive(Debug, Serialize)]
struct ReviewFields {
    opinion: &'static str,
    because: String,
    commit: Option<String>,
}

#[derive(Debug, Serialize)]
struct LookFields {
    baseline: String,
    trials: u64,
    planned: u64,
    verdict: &'static str,
}

/// An idea: `event.idea`.
#[derive(Debug, Serialize)]
pub struct IdeaFields {
    number: u32,
    title: String,
    hypothesis: Option<String>,
    mechanism: Option<String>,
    sources: Vec<String>,
    effect: Option<String>,
    cost: Option<String>,
    dropped: Option<String>,
    amends: bool,
}

impl From<&crate::domain::idea::Idea> for IdeaFields {
    fn from(idea: &crate::domain::idea::Idea) -> Self {
        Self {
            number: idea.number,
            title: idea.title.clone(),
            hypothesis: idea.hypothesis.clone(),
            mechanism: idea.mechanism.clone(),
            sources: idea.sources.clone(),
            effect: idea.effect.as_ref().map(ToString::to_string),
            cost: idea.cost_seconds.map(time::elapsed),
            dropped: idea.dropped.clone(),
            amends: idea.first.is_some(),
        }
    }
}

#[derive(Debug, Serialize)]
struct RatingFields {
    idea: String,
    score: u8,
    critique: Option<String>,
}

#[derive(Debug, Serialize)]
struct OverrideFields {
    rule: String,
    paths: Vec<String>,
    because: String,
}

#[derive(Debug, Serialize)]
struct SmokeFields {
    command: String,
    commit: String,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReproductionFields {
    target: String,
    outcome: &'static str,
    trials: u32,
    hardware: String,
    reasons: Vec<String>,
    metrics: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WithdrawalFields {
    entries: Vec<String>,
    gone: String,
    because: String,
}

#[derive(Debug, Serialize)]
struct IssueFields {
    act: &'static str,
    number: Option<u64>,
    url: Option<String>,
    repository: String,
}

/// What an amendment changed: an element of `event.changes`.
#[derive(Debug, Serialize)]
pub struct ChangeFields {
    name: String,
    before: String,
    after: String,
}

/// The fields in which two states of a topic differ, each as a text.
fn changes(before: &TopicFields, after: &TopicFields) -> Vec<ChangeFields> {
    fn shown(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Null => "nothing".to_owned(),
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(list) if list.is_empty() => "nothing".to_owned(),
            serde_json::Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join("; "),
            serde_json::Value::Object(fields) => {
                let parts = fields.values().filter(|value| !value.is_null()).map(shown);
                parts.collect::<Vec<_>>().join(": ")
            }
            value => value.to_string(),
        }
    }
    let value = |fields: &TopicFields| serde_json::to_value(fields).unwrap_or_default();
    let (before, after) = (value(before), value(after));
    let names = after.as_object().into_iter().flat_map(|fields| fields.keys());
    names
        .filter(|name| before[*name] != after[*name] && *name != "opened")
        .map(|name| ChangeFields {
            name: name.replace('_', " "),
            before: shown(&before[name]),
            after: shown(&after[name]),
        })
        .collect()
}

/// Something that happened: `event`. What it was is in the field called like its kind; the others are empty.
#[derive(Debug, Default, Serialize)]
pub struct EventFields {
    kind: &'static str,
    id: String,
    entries: Vec<String>,
    time: String,
    by: String,
    experiment: Option<String>,
    amends: bool,
    topic: Option<TopicFields>,
    changes: Vec<ChangeFields>,
    brief: Option<BriefFields>,
    idea_tried: Option<String>,
    run: Option<SeriesFields>,
    note: Option<NoteFields>,
    decision: Option<DecisionFields>,
    baseline: Option<MoveFields>,
    review: Option<ReviewFields>,
    look: Option<LookFields>,
    idea: Option<IdeaFields>,
    rating: Option<RatingFields>,
    #[serde(rename = "override")]
    rule_override: Option<OverrideFields>,
    smoke: Option<SmokeFields>,
    reproduction: Option<ReproductionFields>,
    withdrawal: Option<WithdrawalFields>,
    issue: Option<IssueFields>,
}

impl EventFields {
    /// The fields of `event`; `ideas` are all there are.
    pub fn new(event: &Event<'_>, ideas: &[IdeaState]) -> Self {
        let idea_name = |id: EntryId| ideas.iter().find(|it| it.first == id).map(IdeaState::name);
        let mut fields = Self {
            id: event.entries[0].short(),
            entries: event.entries.iter().map(mark).collect(),
            time: moment(event.time),
            by: event.by.name.clone(),
            experiment: event.experiment.map(ExperimentState::name),
            ..Self::default()
        };
        let entry = match &event.what {
            What::Series(series) => {
                fields.kind = "run";
                fields.run = Some(SeriesFields::new(series, event.experiment));
                return fields;
            }
            What::Entry(entry) => entry,
        };
        fields.amends = !entry.replaces.is_empty();
        match &entry.body {
            Body::Topic(topic) => {
                let was_closed = event.before.is_some_and(|before| before.closing.is_some());
                fields.kind = match (&topic.closing, was_closed) {
                    (Some(_), false) => "closing",
                    (None, true) => "reopening",
                    _ => "topic",
                };
                let after = TopicFields::new(topic, entry.time);
                if let Some(before) = event.before {
                    fields.changes = changes(&TopicFields::new(before, entry.time), &after);
                }
                fields.topic = Some(after);
            }
            Body::Brief(it) => {
                fields.kind = "brief";
                fields.amends = it.registration.is_some();
                fields.brief = Some(BriefFields::from(&it.brief));
                fields.idea_tried = it.idea.and_then(idea_name);
                if fields.experiment.is_none() {
                    fields.experiment = Some(it.experiment.to_string());
                }
            }
            Body::Note(note) => {
                fields.kind = "note";
                fields.note = Some(NoteFields {
                    sort: note.sort.map(crate::domain::entry::NoteSort::word),
                    source: note.source.clone(),
                    text: note.text.clone(),
                });
            }
            Body::Decision(ruling) => {
                fields.kind = "decision";
                fields.decision = Some(DecisionFields::new(ruling, fields.amends));
            }
            Body::Baseline(it) => {
                fields.kind = "baseline";
                fields.baseline = Some(move_fields(it));
            }
            Body::Review(it) => {
                fields.kind = "review";
                fields.review = Some(ReviewFields {
                    opinion: it.opinion.word(),
                    because: it.because.clone(),
                    commit: it.commit.as_ref().map(|commit| commit.short().to_owned()),
                });
            }
            Body::Look(it) => {
                fields.kind = "look";
                fields.look = Some(LookFields {
                    baseline: it.baseline_name.clone(),
                    trials: it.trials,
                    planned: it.planned,
                    verdict: it.outcome.word(),
                });
            }
            Body::Idea(idea) => {
                fields.kind = "idea";
                fields.idea = Some(IdeaFields::from(idea));
            }
            Body::Rating(it) => {
                fields.kind = "rating";
                fields.rating = Some(RatingFields {
                    idea: idea_name(it.idea).unwrap_or_else(|| it.idea.short()),
                    score: it.score,
                    critique: it.critique.clone(),
                });
            }
            Body::Override(it) => {
                fields.kind = "override";
                fields.rule_override = Some(OverrideFields {
                    rule: it.rule.clone(),
                    paths: it.paths.clone(),
                    because: it.because.clone(),
                });
            }
            Body::Smoke(it) => {
                fields.kind = "smoke";
                fields.smoke = Some(SmokeFields {
                    command: command_line(&it.command),
                    commit: it.commit.short().to_owned(),
                    reason: it.reason.clone(),
                });
            }
            Body::Reproduction(it) => {
                fields.kind = "reproduction";
                fields.reproduction = Some(ReproductionFields {
                    target: it.target.to_string(),
                    outcome: it.outcome.word(),
                    trials: it.trials,
                    hardware: it.hardware.clone(),
                    reasons: it.reasons.clone(),
                    metrics: it.metrics.iter().map(|it| format!("{}: {}", it.label(), it.why)).collect(),
                });
            }
            Body::Withdrawal(it) => {
                fields.kind = "withdrawal";
                fields.withdrawal = Some(WithdrawalFields {
                    entries: it
                        .entries
                        .iter()
                        .map(|one| format!("{} {}", one.kind, one.entry.short()))
                        .collect(),
                    gone: it.gone_in_words(),
                    because: it.because.clone(),
                });
            }
            Body::Issue(it) => {
                fields.kind = "issue";
                fields.issue = Some(IssueFields {
                    act: it.act.word(),
                    number: it.number,
                    url: it.url.clone(),
                    repository: it.repository.clone(),
                });
            }
            Body::Run(_) | Body::Unreadable { .. } => fields.kind = "other",
        }
        fields
    }
}

fn move_fields(it: &crate::domain::decision::BaselineMove) -> MoveFields {
    MoveFields {
        name: it.name.clone(),
        from: it.from.clone(),
        to: it.to.clone(),
        commit: it.commit.as_ref().map(|commit| commit.chars().take(8).collect()),
        because: it.because.clone(),
        evidence: it.evidence.as_ref().map(EvidenceFields::from),
        lacks_repeated_evidence: it.lacks_repeated_evidence(),
    }
}

/// A decision in a list of them: an element of `decisions`.
#[derive(Debug, Serialize)]
pub struct DecidedFields {
    time: String,
    by: String,
    id: String,
    experiment: Option<String>,
    in_force: bool,
    evaluation_changed: bool,
    decision: Option<DecisionFields>,
    baseline: Option<MoveFields>,
    #[serde(skip)]
    order: (Timestamp, EntryId),
}

/// Every decision of the topic, about its experiments and its baselines, oldest first; `changed` says whether an experiment ran
/// under other evaluation code.
pub fn decisions<'a>(
    topic: &TopicState,
    experiments: impl Iterator<Item = &'a ExperimentState>,
    changed: impl Fn(&ExperimentState) -> bool,
) -> Vec<DecidedFields> {
    let mut decided = Vec::new();
    for experiment in experiments {
        let last = experiment.rulings.len().saturating_sub(1);
        for (place, it) in experiment.rulings.iter().enumerate() {
            decided.push(DecidedFields {
                time: moment(it.time),
                by: it.by.name.clone(),
                id: it.entry.short(),
                experiment: Some(experiment.name()),
                in_force: place == last || experiment.conflicting_rulings.contains(&it.entry),
                evaluation_changed: changed(experiment),
                decision: Some(DecisionFields::new(&it.ruling, place > 0)),
                baseline: None,
                order: (it.time, it.entry),
            });
        }
    }
    for (entry, time, by, it) in &topic.moves {
        decided.push(DecidedFields {
            time: moment(*time),
            by: by.name.clone(),
            id: entry.short(),
            experiment: None,
            in_force: topic.topic.baselines.get(&it.name) == Some(&it.to),
            evaluation_changed: false,
            decision: None,
            baseline: Some(move_fields(it)),
            order: (*time, *entry),
        });
    }
    decided.sort_by_key(|it| it.order);
    decided
}

/// An experiment: `experiment`, and an element of `experiments`.
#[derive(Debug, Serialize)]
pub struct ExperimentFields {
    name: String,
    topic: Option<String>,
    stage: &'static str,
    registered: Option<String>,
    by: Option<String>,
    brief: Option<BriefFields>,
    amendments: usize,
    runs: u64,
    failed: u64,
    statuses: String,
    wall: String,
    command: Option<String>,
    commit: Option<String>,
    baseline: Option<String>,
    metrics: Vec<MetricFields>,
    primary: Option<String>,
    own: Option<String>,
    failures: Vec<FailureFields>,
    decision: Option<DecisionFields>,
    decided: Option<String>,
    confidence: String,
    verdict: Option<&'static str>,
    observations: Vec<String>,
    inferences: Vec<String>,
    claims: Vec<Named>,
    remarks: Vec<String>,
    evaluation_changed: bool,
}

impl ExperimentFields {
    /// The experiment with its runs, beside those of its baseline.
    pub fn new(
        experiment: &ExperimentState,
        topic: Option<&TopicState>,
        trials: &[Trial<'_>],
        baseline: &[Trial<'_>],
    ) -> Self {
        use crate::domain::entry::NoteSort;
        let registered = experiment.registered.as_ref();
        let brief = registered.map(|it| &it.current.brief);
        let trials: Vec<Trial<'_>> =
            trials.iter().copied().filter(|it| it.run.pair.is_none_or(|pair| pair.number > 0)).collect();
        let mut statuses: BTreeMap<Status, u64> = BTreeMap::new();
        for trial in &trials {
            *statuses.entry(trial.run.status).or_default() += 1;
        }
        let all = cells(&trials);
        let newest = all.iter().find(|cell| cell.count(Outcome::Ended) > 0).or(all.first());
        let ended = cells(baseline).into_iter().find(|cell| cell.count(Outcome::Ended) > 0);
        let baseline = ended.map(|cell| cell.trials().to_vec()).unwrap_or_default();
        let rows = newest.map(|cell| rows(cell.trials(), &baseline)).unwrap_or_default();
        let asked = asked(Some(experiment));
        let metrics = metrics(&rows, &asked);
        let primary = asked
            .first()
            .and_then(|name| rows.iter().find(|row| row.name == **name && row.case.is_none()))
            .map(MetricFields::from);
        let own = primary.as_ref().map(|it| format!("{} {}", it.metric, it.value));
        let evidence = experiment.ruling().and_then(|it| it.ruling.evidence.as_ref());
        // Beside a verdict stands what it was made by, and no change to what the baseline came to since.
        let primary = primary.map(|it| {
            let decided = evidence.map(|evidence| effect(&evidence.summary, &it.metric));
            match (decided, it.delta) {
                (Some(Some(effect)), _) => format!("{} {} ({effect})", it.metric, it.value),
                (None, Some(delta)) => format!("{} {} ({delta})", it.metric, it.value),
                _ => format!("{} {}", it.metric, it.value),
            }
        });
        let of_sort = |sort: Option<NoteSort>| {
            let notes = experiment.notes.iter().filter(move |(_, _, note)| note.sort == sort);
            notes.map(|(_, _, note)| note.text.clone()).collect()
        };
        let claims = experiment.notes.iter().filter(|(_, _, note)| note.sort == Some(NoteSort::Claim));
        let target = |word: &str| match topic {
            Some(topic) => match baseline_at(topic, word, Timestamp::MAX) {
                target if target == word => word.to_owned(),
                target => format!("{word} ({target})"),
            },
            None => word.to_owned(),
        };
        Self {
            name: experiment.name(),
            topic: experiment.topic().map(ToString::to_string),
            stage: experiment.stage().map_or("scratch", crate::domain::experiment::Stage::word),
            registered: registered.map(|it| moment(it.time)),
            by: registered.map(|it| it.by.name.clone()),
            brief: brief.map(BriefFields::from),
            amendments: registered.map_or(0, |it| it.amendments),
            runs: experiment.runs.trials(),
            failed: experiment.runs.failed(),
            statuses: counted(&statuses),
            wall: time::elapsed(experiment.runs.wall_seconds),
            command: newest.map(|cell| command_line(&cell.newest().run.argv)),
            commit: newest.map(|cell| cell.newest().run.code.commit.short().to_owned()),
            baseline: brief.and_then(|brief| brief.baseline.as_deref()).map(target),
            metrics,
            primary,
            own,
            failures: trials
                .iter()
                .rev()
                .filter(|trial| trial.run.status != Status::Ok)
                .take(FAILURES)
                .map(failure)
                .collect(),
            decision: experiment
                .ruling()
                .map(|it| DecisionFields::new(&it.ruling, experiment.rulings.len() > 1)),
            decided: experiment.ruling().map(|it: &RulingOf| moment(it.time)),
            confidence: evidence.map_or("exploratory", |it| it.confidence.as_str()).to_owned(),
            verdict: evidence.map(|it| it.outcome.word()),
            observations: of_sort(Some(NoteSort::Observation)),
            inferences: of_sort(Some(NoteSort::Inference)),
            claims: claims
                .map(|(_, _, note)| Named {
                    name: note.source.clone().unwrap_or_default(),
                    value: note.text.clone(),
                })
                .collect(),
            remarks: of_sort(None),
            evaluation_changed: trials.iter().any(|trial| trial.run.evaluation_changed),
        }
    }
}

impl ExperimentFields {
    /// The primary metric, beside nothing.
    pub fn own(&self) -> Option<&str> {
        self.own.as_deref()
    }

    /// What it is compared with.
    pub fn baseline(&self) -> Option<&str> {
        self.baseline.as_deref()
    }

    /// The command that ran last and well.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// The commit that it ran at.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// How many of its runs ended how.
    pub fn statuses(&self) -> &str {
        &self.statuses
    }
}

/// The effect and its interval in the line that a decision keeps of a comparison, as `loss −13 % (95 % CI −14 … −12 %): better`.
fn effect(summary: &str, metric: &str) -> Option<String> {
    let effect = summary.strip_prefix(metric)?.strip_prefix(' ')?;
    let (effect, _) = effect.rsplit_once("): ")?;
    Some(effect.replacen(" (", ", ", 1))
}

/// The hidden line that says which entries a part of a written logbook stands for.
pub fn marker(entries: &[EntryId]) -> String {
    let marks: Vec<String> = entries.iter().map(mark).collect();
    format!("{MARKER}{} -->", marks.join(" "))
}

const MARKER: &str = "<!-- git-exp: ";

/// The marks of the entries that a written logbook has already.
pub fn written(text: &str) -> std::collections::HashSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(MARKER)?.strip_suffix(" -->"))
        .flat_map(str::split_whitespace)
        .collect()
}
