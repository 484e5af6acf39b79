//! What is wrong in a configuration file, and where.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::domain::similarity::nearest_word;

/// Why a configuration file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{file}`")]
pub struct ConfigError {
    /// The file's name as it was given.
    pub file: String,
    /// What is wrong in it.
    #[source]
    pub problem: Problem,
}

impl ConfigError {
    /// The next step for whoever wrote the file, where one is known.
    pub fn hint(&self) -> Option<&str> {
        self.problem.hint.as_deref()
    }
}

/// One thing that is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, naming the offending word.
    pub message: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
}

impl Problem {
    /// The problem at byte `offset` of `text`.
    pub(super) fn at(text: &str, offset: usize, message: String) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
            hint: None,
        }
    }

    /// The problem that the parser of TOML reports about `text`.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let section = DeTable::parse(text).ok().and_then(|table| section_at(table.get_ref(), &span, ""));
        let message = if let Some(refusal) = Refusal::of(error.message()) {
            refusal.message(section.as_deref())
        } else {
            let word = text.get(span.clone()).and_then(|word| word.lines().next()).unwrap_or("");
            let word = word.trim().trim_matches(['"', '\'']);
            let message = error.message().trim_end().replace("expected u64", "expected a whole number");
            // What the message names already need not be said twice.
            let names_word = word.is_empty() || message.contains(word);
            let offender = if names_word { String::new() } else { format!("`{}`", shortened(word)) };
            match section {
                Some(section) if names_word => format!("in `{section}`: {message}"),
                Some(section) => format!("{offender} in `{section}`: {message}"),
                None if names_word => message,
                None => format!("{offender}: {message}"),
            }
        };
        Self::at(text, span.start, message)
    }
}

/// A word that stands where only certain others may.
struct Refusal<'a> {
    what: &'static str,
    word: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Refusal<'a> {
    /// The refusal that a message of the deserialiser states: the word, then the known ones, each in backticks.
    fn of(message: &'a str) -> Option<Self> {
        let (what, rest) = if let Some(rest) = message.strip_prefix("unknown field `") {
            ("key", rest)
        } else {
            ("value", message.strip_prefix("unknown variant `")?)
        };
        // The word itself may hold anything, so its end is looked for from where the known ones begin.
        let (word, known) = rest.rsplit_once("`, expected ")?;
        Some(Self { what, word, known: known.split('`').skip(1).step_by(2).collect() })
    }

    fn message(&self, section: Option<&str>) -> String {
        let place = section.map_or_else(String::new, |section| format!(" in `{section}`"));
        let advice = match nearest_word(self.word, &self.known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known are `{}`", self.known.join("`, `")),
        };
        format!("unknown {} `{}`{place}; {advice}", self.what, shortened(self.word))
    }
}

/// The start of a word, in one line.
fn shortened(word: &str) -> String {
    let mut start: String =
        word.chars().take(60).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if word.chars().count() > 60 {
        start.push('…');
    }
    start
}

/// The dotted name of the innermost section that holds the key or value at `span`.
fn section_at(table: &DeTable<'_>, span: &Range<usize>, path: &str) -> Option<String> {
    let holds = |range: Range<usize>| range.start <= span.start && span.end <= range.end;
    for (key, value) in table {
        let here =
            || if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        if holds(key.span()) {
            return (!path.is_empty()).then(|| path.to_owned());
        }
        if let DeValue::Table(inner) = value.get_ref() {
            if let Some(found) = section_at(inner, span, &here()) {
                return Some(found);
            }
        } else if holds(value.span()) {
            return Some(here());
        }
    }
    None
}

/// The byte at which the key of the dotted `path` stands.
pub(super) fn offset_of(table: &DeTable<'_>, path: &[&str]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match value.get_ref() {
        _ if rest.is_empty() => Some(key.span().start),
        DeValue::Table(inner) => offset_of(inner, rest).or(Some(key.span().start)),
        _ => Some(key.span().start),
    }
}
