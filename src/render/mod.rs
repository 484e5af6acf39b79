//! Views as text for people and as JSON for scripts; everything here returns strings.

pub mod actions;
pub mod check;
pub mod comparison;
pub mod decision;
pub mod difference;
pub mod entry;
pub mod experiment;
pub mod export;
pub mod handoff;
pub mod idea;
pub mod issue;
pub mod json;
pub mod log;
pub mod logbook;
pub mod markdown;
pub mod noise;
pub mod number;
pub mod reproduction;
pub mod run;
pub mod runs;
pub mod seal;
pub mod status;
pub mod table;
pub mod templates;
pub mod text;
pub mod time;
pub mod topic;
pub mod tried;
pub mod workload;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::decision::Decision;
use crate::domain::run::Status;
use crate::domain::verdict::Outcome;

/// Whether text carries colour; it reads the same without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Letters only.
    #[default]
    Plain,
    /// With the sixteen colours that every terminal has.
    Colour,
}

/// What a piece of text says beside its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It wants a look.
    Warning,
    /// It can be skipped.
    Dim,
    /// It is what the eye should find first.
    Strong,
}

impl Style {
    /// The text with the colour of its tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return text.to_owned(),
            (_, Tone::Good) => "32",
            (_, Tone::Bad) => "31",
            (_, Tone::Warning) => "33",
            (_, Tone::Dim) => "2",
            (_, Tone::Strong) => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

impl Tone {
    /// The tone of a run's status.
    pub fn of_status(status: Status) -> Self {
        match status {
            Status::Ok => Self::Good,
            Status::Failed | Status::Crashed | Status::Diverged => Self::Bad,
            Status::Killed | Status::Timeout => Self::Warning,
        }
    }

    /// The tone of what the numbers say.
    pub fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accept => Self::Good,
            Outcome::Reject => Self::Bad,
            Outcome::GuardrailNotShown | Outcome::Unclear => Self::Warning,
        }
    }

    /// The tone of a decision.
    pub fn of_decision(decision: Decision) -> Self {
        match decision {
            Decision::Accepted => Self::Good,
            Decision::Rejected => Self::Bad,
            Decision::Iterate => Self::Warning,
        }
    }
}

/// What text is made for: its colours, its width, and the reader's clock.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Whether it carries colour.
    pub style: Style,
    /// How many columns there are; as many as needed where absent.
    pub width: Option<usize>,
    /// The present, for `2 days ago`.
    pub now: Timestamp,
    /// The zone of the dates that are shown.
    pub zone: TimeZone,
}

/// Lines of a page: a name, two spaces, what it is.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    /// Adds a line as it stands.
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Adds an empty line and a heading.
    fn heading(&mut self, style: Style, heading: &str) {
        self.text.push('\n');
        self.line(&style.paint(Tone::Strong, heading));
    }

    /// Adds a name and what it is; `value` is finished text.
    fn field(&mut self, name: &str, value: &str) {
        self.line(&format!("  {name:<12} {value}"));
    }

    /// Adds a table, set in by two spaces.
    fn table(&mut self, table: &table::Table, canvas: &Canvas) {
        let width = canvas.width.map(|width| width.saturating_sub(2));
        for line in table.render(canvas.style, width).lines() {
            self.line(&format!("  {line}"));
        }
    }
}
