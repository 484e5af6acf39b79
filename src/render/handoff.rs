//! What a fresh agent or a person needs to go on, as the fields that templates get; and how long that may be.

use serde::Serialize;

use super::logbook::{EvidenceFields, TopicFields};

/// How many tokens a handoff may have unless all is asked for.
pub const MOST_TOKENS: usize = 2_000;

/// A command or a name is cut only where it is longer than so many characters.
const LONGEST_WORDS: usize = 400;

/// How many tokens a text has at most, for a language model of the usual kind: three letters of ASCII make at least one, and
/// so does any other character.
///
/// Byte-pair encodings of English prose come to four or more characters a token, of code and numbers to about three.
pub fn tokens(text: &str) -> usize {
    let (ascii, others) = text.chars().fold((0_usize, 0), |(ascii, others), c| match c {
        // Punctuation for the eye, which is one token or less.
        '–' | '…' | '−' | '·' | '“' | '”' | '\u{2060}' => (ascii + 2, others),
        c if c.is_ascii() => (ascii + 1, others),
        _ => (ascii, others + 1),
    });
    ascii.div_ceil(3) + others
}

/// How much of a handoff is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements of each list.
    pub lines: usize,
    /// Characters of each text.
    pub letters: usize,
}

impl Limits {
    /// Everything.
    pub const FULL: Self = Self { lines: usize::MAX, letters: usize::MAX };

    /// From what is shown where there is room to what is shown at least.
    pub const STEPS: [Self; 9] = [
        Self { lines: 12, letters: 300 },
        Self { lines: 10, letters: 240 },
        Self { lines: 8, letters: 200 },
        Self { lines: 6, letters: 160 },
        Self { lines: 5, letters: 120 },
        Self { lines: 4, letters: 100 },
        Self { lines: 3, letters: 80 },
        Self { lines: 2, letters: 50 },
        Self { lines: 1, letters: 30 },
    ];

    fn text(self, text: &mut String) {
        if text.chars().count() > self.letters {
            *text = text.chars().take(self.letters.saturating_sub(1)).collect::<String>() + "…";
        }
    }

    /// Cuts every text in `value` and every list down to what is shown; commands and names stay whole unless they are very long.
    pub fn cut(self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Array(list) => {
                list.truncate(self.lines);
                for value in list {
                    self.cut(value);
                }
            }
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "command" | "name" => {
                            Self { letters: self.letters.max(LONGEST_WORDS), ..self }.cut(value);
                        }
                        _ => self.cut(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// A list of which only the beginning may be shown.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    /// What is shown.
    pub shown: Vec<T>,
    /// How many there are.
    pub of: usize,
}

impl<T> From<Vec<T>> for Listed<T> {
    fn from(shown: Vec<T>) -> Self {
        Self { of: shown.len(), shown }
    }
}

/// A stop criterion: an element of `stops`.
#[derive(Debug, Serialize)]
pub struct StopFields {
    /// The criterion.
    pub when: String,
    /// `met`, `not yet` or `unknown`.
    pub answer: &'static str,
    /// What it stands on.
    pub why: String,
}

/// The best so far: `best`.
#[derive(Debug, Serialize)]
pub struct BestFields {
    /// The experiment.
    pub name: String,
    /// What it changed.
    pub change: Option<String>,
    /// The metric with its value, beside the baseline.
    pub result: Option<String>,
    /// What it is compared with.
    pub baseline: Option<String>,
    /// Whether any of its runs had other evaluation code than when the topic began.
    pub evaluation_changed: bool,
    /// What was decided about it.
    pub decision: Option<&'static str>,
    /// The comparison that the decision stands on.
    pub evidence: Option<EvidenceFields>,
    /// The command that ran.
    pub command: Option<String>,
    /// The commit that ran.
    pub commit: Option<String>,
}

/// Something that failed, and why: an element of `failed`.
#[derive(Debug, Serialize)]
pub struct FailedFields {
    /// The experiment or idea.
    pub name: String,
    /// What was tried.
    pub change: String,
    /// Why it came to nothing.
    pub why: String,
}

/// A decision in a line: an element of `decisions`.
#[derive(Debug, Serialize)]
pub struct DecisionLine {
    /// When.
    pub time: String,
    /// What was decided, as `MOE-HC-004 accepted`.
    pub what: String,
    /// Why.
    pub because: String,
}

/// An idea in a line: an element of `ideas`.
#[derive(Debug, Serialize)]
pub struct IdeaLine {
    /// Its number.
    pub name: String,
    /// What it is.
    pub title: String,
    /// What is believed.
    pub hypothesis: Option<String>,
    /// The expected effect.
    pub effect: Option<String>,
}

/// What to do, exactly: an element of `next`.
#[derive(Debug, Serialize)]
pub struct NextFields {
    /// Why.
    pub why: String,
    /// The command.
    pub command: String,
}

/// What a topic hands over: the fields of `handoff.md`.
#[derive(Debug, Serialize)]
pub struct HandoffFields {
    /// The topic.
    pub topic: TopicFields,
    /// Where it stands, in words.
    pub state: String,
    /// Its stop criteria.
    pub stops: Vec<StopFields>,
    /// The best so far.
    pub best: Option<BestFields>,
    /// What failed and why, the newest first.
    pub failed: Listed<FailedFields>,
    /// What was decided, the newest first.
    pub decisions: Listed<DecisionLine>,
    /// Open ideas, the one to try next first.
    pub ideas: Listed<IdeaLine>,
    /// What to do next.
    pub next: Listed<NextFields>,
    /// What to beware of.
    pub traps: Listed<String>,
}

/// A file that an experiment changed: an element of `files`.
#[derive(Debug, Serialize)]
pub struct ChangedFile {
    /// Its path.
    pub name: String,
    /// Lines added; absent for a binary file.
    pub added: Option<u64>,
    /// Lines removed; absent for a binary file.
    pub removed: Option<u64>,
    /// Whether the brief says that the change may touch it.
    pub in_scope: bool,
}

/// What an experiment hands over: the fields of `closing-report.md` beside `experiment`.
#[derive(Debug, Serialize)]
pub struct ReportFields {
    /// The files that it changed.
    pub files: Listed<ChangedFile>,
    /// Lines added and removed in all.
    pub lines: (u64, u64),
    /// What was done to see that it holds.
    pub verification: Vec<String>,
    /// What speaks against relying on it.
    pub risks: Listed<String>,
    /// What was found that is not what it was about.
    pub out_of_scope: Listed<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_rather_counted_too_many() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("the loader is the bottleneck"), 10);
        assert_eq!(tokens("学习率"), 3);
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_commands_stay_whole() {
        let mut value =
            json!({ "a": ["one", "two", "three"], "b": { "command": "git exp run", "why": "because" } });
        Limits { lines: 2, letters: 4 }.cut(&mut value);
        assert_eq!(value, json!({ "a": ["one", "two"], "b": { "command": "git exp run", "why": "bec…" } }));
    }

    proptest! {
        #[test]
        fn less_room_never_shows_more(texts in prop::collection::vec(".{0,400}", 0..20)) {
            let size = |limits: Limits| {
                let mut value = json!(texts);
                limits.cut(&mut value);
                value.as_array().expect("a list").iter().map(|text| tokens(text.as_str().expect("a text"))).sum::<usize>()
            };
            for steps in Limits::STEPS.windows(2) {
                prop_assert!(size(steps[1]) <= size(steps[0]) + 1);
            }
        }
    }
}
