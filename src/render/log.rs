//! The log, one line an entry.

use jiff::Timestamp;

use super::table::{Align, Cell, Table, cut};
use super::text::command_line;
use super::{Canvas, Tone, number, time};
use crate::domain::entry::{Body, Entry};
use crate::domain::metric::BUILT_IN;
use crate::domain::run::Run;

/// The longest subject, in columns.
const SUBJECT: usize = 200;
/// How many metrics stand in the subject of a run.
const METRICS: usize = 3;

/// An entry in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its ID: whole for scripts, the shortest unique prefix for people.
    pub id: String,
    /// When it was written.
    pub time: Timestamp,
    /// The clone that wrote it.
    pub writer: String,
    /// What it is: `run`, `note`, `decision` …
    pub kind: String,
    /// The experiment it is about.
    pub experiment: Option<String>,
    /// The topic it is about.
    pub topic: Option<String>,
    /// What it says, in one line.
    pub subject: String,
    /// Whether a later entry withdrew it.
    pub is_withdrawn: bool,
}

impl LogLine {
    /// The line of `entry`, shown as `id`.
    pub fn of(entry: &Entry, id: String, is_withdrawn: bool) -> Self {
        Self {
            id,
            time: entry.time,
            writer: entry.writer.to_string(),
            kind: entry.kind().to_owned(),
            experiment: entry.experiment().map(ToString::to_string),
            topic: entry.topic().map(ToString::to_string),
            subject: subject(entry),
            is_withdrawn,
        }
    }
}

/// What an entry says, in one line.
pub fn subject(entry: &Entry) -> String {
    let amends = if entry.replaces.is_empty() { "" } else { "amended: " };
    let text = match &entry.body {
        Body::Topic(topic) => {
            let what = if topic.closing.is_some() { "closed: " } else { amends };
            format!("{what}{}", topic.goal.as_deref().unwrap_or("no goal stated"))
        }
        Body::Brief(it) => {
            let brief = &it.brief;
            let what = brief.hypothesis.as_deref().or(brief.change.as_deref()).unwrap_or("no hypothesis yet");
            format!("{amends}{what}")
        }
        Body::Run(run) => of_run(run),
        Body::Note(note) => match note.sort {
            Some(sort) => format!("{sort}: {}", note.text),
            None => note.text.clone(),
        },
        Body::Decision(it) => {
            let against =
                it.against().map(|what| format!(" (against the numbers: {what})")).unwrap_or_default();
            format!("{amends}{}{against}: {}", it.decision, it.because)
        }
        Body::Baseline(it) => match &it.from {
            Some(from) => format!("`{}` moves from {from} to {}: {}", it.name, it.to, it.because),
            None => format!("`{}` is {}: {}", it.name, it.to, it.because),
        },
        Body::Review(it) => format!("{}: {}", it.opinion, it.because),
        Body::Look(it) => {
            let (trials, planned) = (it.trials, it.planned);
            format!("{trials} of {planned} planned trials against {}: {}", it.baseline_name, it.outcome)
        }
        Body::Idea(it) => match &it.dropped {
            Some(because) => format!("{} {} dropped: {because}", it.number, it.title),
            None => format!("{amends}{} {}", it.number, it.title),
        },
        Body::Rating(it) => {
            let critique = it.critique.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{} of 5 for the idea {}{critique}", it.score, it.idea.short())
        }
        Body::Override(it) if it.paths.is_empty() => format!("`{}`: {}", it.rule, it.because),
        Body::Override(it) => format!("`{}` for {}: {}", it.rule, it.paths.join(" "), it.because),
        Body::Smoke(it) => {
            let result = if it.passed { "passed" } else { "failed" };
            format!("{result}: {}", it.command.join(" "))
        }
        Body::Reproduction(it) if it.reasons.is_empty() => format!("{}: {}", it.target, it.outcome),
        Body::Reproduction(it) => format!("{}: {}: {}", it.target, it.outcome, it.reasons.join("; ")),
        Body::Withdrawal(it) => {
            let about: Vec<String> =
                it.entries.iter().map(|one| format!("{} {}", one.kind, one.entry.short())).collect();
            format!("{} ({}): {}", about.join(", "), it.gone_in_words(), it.because)
        }
        Body::Issue(it) => it.said(),
        Body::Unreadable { problem, .. } => format!("cannot be read: {problem}"),
    };
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), SUBJECT)
}

fn of_run(run: &Run) -> String {
    let is_built_in = |name: &str| BUILT_IN.iter().any(|(built_in, _)| *built_in == name);
    let metrics: Vec<String> = run
        .metrics
        .iter()
        .filter(|(name, _)| !is_built_in(name))
        .filter_map(|(name, value)| Some((name, value.value?, value.unit.as_deref())))
        .take(METRICS)
        .map(|(name, value, unit)| format!("{name}={}", number::of_metric(name, value, unit)))
        .collect();
    let results = if metrics.is_empty() { String::new() } else { format!(" ({})", metrics.join(", ")) };
    format!("{}{results}: {}", run.status, command_line(&run.argv))
}

/// The entries as a table, in the order in which they are given.
pub fn table(lines: &[LogLine], canvas: &Canvas) -> String {
    let mut table = Table::new([""; 5].map(|header| (header, Align::Left)));
    for line in lines {
        let about = line.experiment.as_ref().or(line.topic.as_ref());
        let subject =
            if line.is_withdrawn { format!("(withdrawn) {}", line.subject) } else { line.subject.clone() };
        table.push(vec![
            Cell::toned(Tone::Warning, &line.id),
            Cell::toned(Tone::Dim, time::short(line.time, &canvas.zone)),
            Cell::new(&line.kind),
            about.map_or_else(Cell::default, Cell::new),
            Cell::toned(if line.is_withdrawn { Tone::Dim } else { Tone::Plain }, subject),
        ]);
    }
    table.render(canvas.style, canvas.width)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::json::{EntryJson, line};
    use crate::render::run::tests::canvas;

    #[test]
    fn the_log_is_one_line_an_entry() {
        let entry = |kind: &str, experiment: Option<&str>, subject: &str| LogLine {
            id: "c0ffee00".to_owned(),
            time: "2026-11-21T11:10:05Z".parse().expect("the time is right"),
            writer: "0f0e0d0c".to_owned(),
            kind: kind.to_owned(),
            experiment: experiment.map(str::to_owned),
            topic: None,
            subject: subject.to_owned(),
            is_withdrawn: false,
        };
        let mut withdrawn = entry("note", Some("A-001"), "wrong\nlines \u{1b}[2J");
        withdrawn.is_withdrawn = true;
        let lines =
            [entry("run", Some("A-001"), "ok val_loss=2.31"), entry("topic", None, "mixing"), withdrawn];
        assert_snapshot!(table(&lines, &canvas()), @"
        c0ffee00  2026-11-21 13:10  run    A-001  ok val_loss=2.31
        c0ffee00  2026-11-21 13:10  topic         mixing
        c0ffee00  2026-11-21 13:10  note   A-001  (withdrawn) wrong␊lines ␛[2J
        ");
        assert_snapshot!(line(&EntryJson::from(&lines[2])), @r#"{"schema":"git-exp/entry/1","entry":"c0ffee00","kind":"note","time":"2026-11-21T11:10:05Z","writer":"0f0e0d0c","experiment":"A-001","topic":null,"subject":"wrong\nlines \u001b[2J","withdrawn":true}"#);
    }
}
