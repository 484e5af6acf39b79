//! What was tried that is near to something: as a table, and as JSON.

use serde::Serialize;

use super::json::Number;
use super::table::{Align, Cell, Table};
use super::{Canvas, Tone};
use crate::domain::decision::Decision;
use crate::domain::state::ExperimentState;
use crate::domain::tried::{Near, Outcome, Subject};

/// What is near as a table, in the order in which it is given.
pub fn table(near: &[Near<'_>], canvas: &Canvas) -> String {
    let mut table = Table::new([
        ("tried", Align::Left),
        ("outcome", Align::Left),
        ("likeness", Align::Right),
        ("runs", Align::Left),
        ("what", Align::Left),
        ("because", Align::Left),
    ]);
    for it in near {
        let outcome = it.tried.outcome;
        let what = it.tried.subject.change().or(it.tried.subject.hypothesis());
        let what = what.or(it.tried.subject.note()).unwrap_or_default();
        table.push(vec![
            Cell::toned(Tone::Strong, name(&it.tried.subject)),
            Cell::toned(tone(outcome), outcome.word()),
            Cell::new(likeness(it.likeness)),
            Cell::new(runs(&it.tried.subject)),
            Cell::new(in_a_line(what)),
            Cell::new(in_a_line(it.tried.subject.because().unwrap_or_default())),
        ]);
    }
    table.render(canvas.style, canvas.width)
}

/// What it is called among experiments and ideas.
pub(super) fn name(subject: &Subject<'_>) -> String {
    match subject {
        Subject::Experiment(it) => it.name(),
        Subject::Idea(it) => format!("idea {}", it.name()),
    }
}

/// From 0 to 1, in two places.
pub(super) fn likeness(likeness: f64) -> String {
    format!("{likeness:.2}")
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Decided(decision) => Tone::of_decision(decision),
        Outcome::Failed => Tone::Bad,
        Outcome::Dropped => Tone::of_decision(Decision::Rejected),
        Outcome::Undecided | Outcome::NotRun => Tone::Dim,
    }
}

fn runs(subject: &Subject<'_>) -> String {
    match subject {
        Subject::Experiment(it) if it.runs.failed() > 0 => {
            format!("{} ({} failed)", it.runs.total(), it.runs.failed())
        }
        Subject::Experiment(it) => it.runs.total().to_string(),
        Subject::Idea(_) => "-".to_owned(),
    }
}

/// The text with line ends and runs of spaces as one space each.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Something near that was tried: `git-exp/tried/1`.
#[derive(Debug, Serialize)]
pub struct TriedJson<'a> {
    schema: &'static str,
    kind: &'static str,
    name: String,
    experiment: Option<String>,
    idea: Option<String>,
    topic: Option<&'a str>,
    outcome: &'static str,
    failure: bool,
    likeness: Number,
    runs: u64,
    failed: u64,
    hypothesis: Option<&'a str>,
    change: Option<&'a str>,
    because: Option<&'a str>,
    entry: Option<String>,
    time: Option<String>,
}

impl<'a> From<&Near<'a>> for TriedJson<'a> {
    fn from(it: &Near<'a>) -> Self {
        let subject = &it.tried.subject;
        let (experiment, idea) = match subject {
            Subject::Experiment(it) => (Some(*it), None),
            Subject::Idea(it) => (None, Some(it.name())),
        };
        Self {
            schema: "git-exp/tried/1",
            kind: if idea.is_some() { "idea" } else { "experiment" },
            name: subject.name(),
            experiment: experiment.map(ExperimentState::name),
            idea,
            topic: subject.topic().map(crate::domain::id::TopicName::as_str),
            outcome: it.tried.outcome.word(),
            failure: it.tried.outcome.is_failure(),
            likeness: Number(it.likeness),
            runs: experiment.map_or(0, |it| it.runs.total()),
            failed: experiment.map_or(0, |it| it.runs.failed()),
            hypothesis: subject.hypothesis(),
            change: subject.change(),
            because: subject.because(),
            entry: subject.entry().map(|entry| entry.to_hex()),
            time: it.tried.time.map(|time| time.to_string()),
        }
    }
}
