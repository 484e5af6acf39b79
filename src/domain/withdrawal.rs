//! Withdrawals: what was taken out of the record, of which entries, and why.

use super::entry::Entry;
use super::id::{EntryId, ExperimentId, ObjectName, Writer};
use super::metric::words;

/// What was taken out of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The entries it is about; never empty.
    pub entries: Vec<Withdrawn>,
    /// Whether their results still count.
    pub results: Results,
    /// What of their bytes is gone; nothing where they were only set aside.
    pub gone: Vec<Part>,
    /// Why.
    pub because: String,
    /// The refs that held these bytes and are to go wherever they are.
    pub refs: Vec<Dropped>,
}

/// An entry that was withdrawn, as far as it may still be spoken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Its ID.
    pub entry: EntryId,
    /// Its kind, as `run`.
    pub kind: String,
    /// The experiment it was about.
    pub experiment: Option<ExperimentId>,
    /// The entry that registered that experiment.
    pub registration: Option<EntryId>,
}

/// Whether the results of what was withdrawn still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Results {
    /// They do: only files or code went.
    Count,
    /// They do not.
    Withdrawn,
}

words!(Results { Count = "count", Withdrawn = "withdrawn" });

/// A part of an entry that can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The files it had.
    Files,
    /// The code that ran.
    Code,
    /// The entry itself, `entry.json` and the message of its commit.
    Entry,
}

words!(Part { Files = "files", Code = "code", Entry = "entry" });

/// A ref that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its full name.
    pub name: String,
    /// What it was.
    pub was: ObjectName,
}

impl Withdrawal {
    /// The experiment that all it is about belongs to, where that is one.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        let first = self.entries.first()?;
        let is_same =
            |it: &Withdrawn| it.experiment == first.experiment && it.registration == first.registration;
        self.entries.iter().all(is_same).then_some(first.experiment.as_ref()).flatten()
    }

    /// The entry that registered that experiment.
    pub fn registration(&self) -> Option<EntryId> {
        self.experiment()?;
        self.entries.first()?.registration
    }

    /// What is gone, in words.
    pub fn gone_in_words(&self) -> String {
        match self.gone.as_slice() {
            [] => "nothing is gone".to_owned(),
            parts if parts.contains(&Part::Entry) => "all of it is gone".to_owned(),
            parts => {
                let words: Vec<&str> = parts.iter().map(|part| part.word()).collect();
                format!("gone: {}", words.join(", "))
            }
        }
    }

    /// Whether the log of `writer` went because of it.
    pub fn drops_log_of(&self, writer: &Writer) -> bool {
        let suffix = format!("/log/{writer}");
        self.refs.iter().any(|it| it.name.starts_with("refs/exp/") && it.name.ends_with(&suffix))
    }
}

/// The entry that begins with `word` and is gone, with the withdrawal that says so.
pub fn find_withdrawn(withdrawals: &[(Entry, Withdrawal)], word: &str) -> Option<(EntryId, EntryId)> {
    let word = word.to_ascii_lowercase();
    let mut named = withdrawals.iter().flat_map(|(by, it)| it.entries.iter().map(|one| (one.entry, by.id)));
    named.rfind(|(id, _)| word.len() >= 4 && id.to_hex().starts_with(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawn(experiment: Option<&str>) -> Withdrawn {
        Withdrawn {
            entry: EntryId([1; 32]),
            kind: "run".to_owned(),
            experiment: experiment.map(|id| id.parse().expect("the ID is right")),
            registration: None,
        }
    }

    fn about(entries: Vec<Withdrawn>) -> Withdrawal {
        Withdrawal {
            entries,
            results: Results::Withdrawn,
            gone: Vec::new(),
            because: "it shared the machine".to_owned(),
            refs: Vec::new(),
        }
    }

    #[test]
    fn a_withdrawal_is_about_an_experiment_if_all_it_names_belong_to_that_one() {
        let of_one = about(vec![withdrawn(Some("A-001")), withdrawn(Some("a-001"))]);
        assert_eq!(of_one.experiment().map(ExperimentId::as_str), Some("A-001"));
        assert_eq!(about(vec![withdrawn(Some("A-001")), withdrawn(Some("A-002"))]).experiment(), None);
        assert_eq!(about(vec![withdrawn(None)]).experiment(), None);
    }

    #[test]
    fn what_is_gone_is_said_in_words() {
        let mut it = about(vec![withdrawn(None)]);
        assert_eq!(it.gone_in_words(), "nothing is gone");
        it.gone = vec![Part::Files, Part::Code];
        assert_eq!(it.gone_in_words(), "gone: files, code");
        it.gone.push(Part::Entry);
        assert_eq!(it.gone_in_words(), "all of it is gone");
    }
}
