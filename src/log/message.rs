//! The message of an entry's commit: a subject a person can read, then trailers, all rendered from the entry.
//!
//! With them `git log --first-parent refs/exp/log/<writer>` is a lab journal without this tool, and `fsck` renders them
//! anew to see whether somebody changed them.

use std::fmt::Write as _;

use crate::domain::entry::{Body, Entry};
use crate::domain::id::Writer;
use crate::domain::reproduction::Target;

/// The longest subject, in characters.
const SUBJECT_LENGTH: usize = 72;

/// The message of the commit that begins a log and states its format.
pub fn root(writer: &Writer) -> String {
    format!("begin the log of {writer}\n\nFormat: git-exp/log/1\nWriter: {writer}\n")
}

/// The message of the commit that holds `entry`.
pub fn of(entry: &Entry) -> String {
    let mut message = one_line(&subject(entry), SUBJECT_LENGTH);
    message.push_str("\n\n");
    let mut trailer = |key: &str, value: &str| {
        let _ = writeln!(message, "{key}: {}", one_line(value, 200));
    };
    if let Some(experiment) = entry.experiment() {
        trailer("Experiment", experiment.as_str());
    }
    match &entry.body {
        Body::Run(run) => {
            trailer("Run", &entry.id.to_hex());
            trailer("Status", run.status.word());
            trailer("Commit", run.code.commit.as_str());
        }
        Body::Topic(topic) => {
            trailer("Topic", topic.name.as_str());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Decision(ruling) => {
            trailer("Decision", ruling.decision.word());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Baseline(it) => {
            trailer("Topic", it.topic.as_str());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Issue(it) => {
            trailer("Topic", it.topic.as_str());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Smoke(smoke) => {
            trailer("Commit", smoke.commit.as_str());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Reproduction(it) => {
            match &it.target {
                Target::Run(run) => trailer("Run", &run.to_hex()),
                Target::Seal { tag, .. } => trailer("Seal", tag),
            }
            trailer("Outcome", it.outcome.word());
            trailer("Commit", it.commit.as_str());
            trailer("Entry", &entry.id.to_hex());
        }
        Body::Brief(_)
        | Body::Note(_)
        | Body::Review(_)
        | Body::Look(_)
        | Body::Idea(_)
        | Body::Rating(_)
        | Body::Override(_)
        | Body::Withdrawal(_)
        | Body::Unreadable { .. } => {
            trailer("Entry", &entry.id.to_hex());
        }
    }
    for replaced in &entry.replaces {
        trailer("Replaces", &replaced.to_hex());
    }
    if let Some(answered) = &entry.answers {
        trailer("Answers", &answered.to_hex());
    }
    message
}

fn subject(entry: &Entry) -> String {
    let amends = if entry.replaces.is_empty() { "" } else { "amend " };
    match &entry.body {
        Body::Topic(topic) => {
            let what = if topic.closing.is_some() { "close " } else { amends };
            format!("{what}topic {}: {}", topic.name, topic.goal.as_deref().unwrap_or("no goal stated"))
        }
        Body::Brief(it) => {
            let what =
                it.brief.hypothesis.as_deref().or(it.brief.change.as_deref()).unwrap_or("no hypothesis yet");
            format!("{amends}brief {}: {what}", it.experiment)
        }
        Body::Run(run) => {
            let words: Vec<String> = run.argv.iter().map(ToString::to_string).collect();
            format!("run {} {}: {}", run.membership.experiment, run.status.word(), words.join(" "))
        }
        Body::Note(note) => {
            let about = note
                .experiment
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| note.topic.as_ref().map(ToString::to_string))
                .unwrap_or_default();
            let sort = note.sort.map_or("note", |sort| sort.word());
            format!("{sort} {about}: {}", note.text)
        }
        Body::Decision(it) => format!("{amends}decision {} {}: {}", it.experiment, it.decision, it.because),
        Body::Baseline(it) => format!("baseline {} {} is {}: {}", it.topic, it.name, it.to, it.because),
        Body::Review(it) => format!("review {} {}: {}", it.experiment, it.opinion, it.because),
        Body::Look(it) => {
            format!("look {} {} of {} trials: {}", it.experiment, it.trials, it.planned, it.outcome.word())
        }
        Body::Idea(it) if it.dropped.is_some() => format!("drop idea {}: {}", it.number, it.title),
        Body::Idea(it) => format!("{amends}idea {}: {}", it.number, it.title),
        Body::Rating(it) => {
            let critique = it.critique.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("rating {} of 5 for {}{critique}", it.score, it.idea.short())
        }
        Body::Override(it) if it.paths.is_empty() => format!("override {}: {}", it.rule, it.because),
        Body::Override(it) => format!("override {} for {}: {}", it.rule, it.paths.join(" "), it.because),
        Body::Smoke(it) => {
            let result = if it.passed { "passed" } else { "failed" };
            format!("smoke {} {result}: {}", it.experiment, it.command.join(" "))
        }
        Body::Reproduction(it) => format!("reproduction {}: {}", it.target, it.outcome),
        Body::Withdrawal(it) => {
            let about: Vec<String> =
                it.entries.iter().map(|one| format!("{} {}", one.kind, one.entry.short())).collect();
            format!("withdraw {}, {}: {}", about.join(", "), it.gone_in_words(), it.because)
        }
        Body::Issue(it) => format!("issue {} {}", it.topic, it.said()),
        Body::Unreadable { .. } => entry.kind().to_owned(),
    }
}

/// `text` on one line of at most `limit` characters, without anything that a terminal would act on.
fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_long = words.chars().count() > limit;
    for (length, character) in words.chars().enumerate() {
        if is_long && length == limit - 1 {
            line.push('…');
            break;
        }
        line.push(if character.is_control() || is_direction_override(character) {
            '\u{fffd}'
        } else {
            character
        });
    }
    line
}

/// Whether `character` reorders the text around it on a screen.
fn is_direction_override(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
