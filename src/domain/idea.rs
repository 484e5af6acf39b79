//! Ideas: what might be worth an experiment, before it is one.

use std::fmt;
use std::str::FromStr;

use super::id::{EntryId, TopicName};
use super::metric::is_name;

/// What might be worth an experiment; one that replaces another amends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Idea {
    /// Its number: an alias, as two clones can number alike.
    pub number: u32,
    /// The entry that added it: its identity; absent in that entry itself.
    pub first: Option<EntryId>,
    /// The topic it belongs to.
    pub topic: Option<TopicName>,
    /// What it is, in a line.
    pub title: String,
    /// What is believed to happen.
    pub hypothesis: Option<String>,
    /// Why it would.
    pub mechanism: Option<String>,
    /// Where it comes from: addresses, titles of papers, entries.
    pub sources: Vec<String>,
    /// By how much a metric is expected to change.
    pub effect: Option<Effect>,
    /// What trying it costs, in seconds of wall-clock time.
    pub cost_seconds: Option<f64>,
    /// Why it was dropped, if it was.
    pub dropped: Option<String>,
}

/// What somebody thinks of an idea.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The entry that added the idea.
    pub idea: EntryId,
    /// From 1, not worth a run, to 5, next.
    pub score: u8,
    /// What speaks against it, or for it.
    pub critique: Option<String>,
}

/// By how much a metric is expected to change, relative to the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The metric.
    pub metric: String,
    /// The relative change: −0.08 for 8 % less.
    pub change: f64,
}

/// Why a text is no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an expected effect; write it as `step_time -8%`")]
pub struct BadEffect(String);

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.6}", self.change * 100.0);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        let sign = if percent.starts_with('-') { "" } else { "+" };
        write!(f, "{} {sign}{percent}%", self.metric)
    }
}

impl FromStr for Effect {
    type Err = BadEffect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadEffect(text.to_owned());
        let (metric, change) = text.trim().rsplit_once(char::is_whitespace).ok_or_else(bad)?;
        let metric = metric.trim();
        let number = change.strip_suffix('%').ok_or_else(bad)?.replace('\u{2212}', "-");
        let change = number.parse::<f64>().map_err(|_| bad())? / 100.0;
        if !is_name(metric) || !change.is_finite() {
            return Err(bad());
        }
        Ok(Self { metric: metric.to_owned(), change: change + 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_read_as_it_is_written() {
        for text in ["step_time -8%", "acc +0.5%", "val_loss -12.25%", "acc +0%"] {
            assert_eq!(text.parse::<Effect>().expect(text).to_string(), text);
        }
        assert_eq!("acc 2%".parse::<Effect>().expect("it is one").to_string(), "acc +2%");
        for text in ["", "step_time", "step_time -8", "-8%", "step_time much%", "a b -8%", "acc inf%"] {
            assert!(text.parse::<Effect>().is_err(), "{text}");
        }
    }
}
