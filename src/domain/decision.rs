//! Decisions: what a person or an agent did about an experiment, or about a baseline, and on what evidence.

use super::id::{EntryId, ExperimentId, TopicName};
use super::metric::words;
use super::verdict::Outcome;

/// What a person or agent did about an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Its change is taken over.
    Accepted,
    /// Its change is not taken over.
    Rejected,
    /// It goes on with another attempt.
    Iterate,
}

words!(Decision { Accepted = "accepted", Rejected = "rejected", Iterate = "iterate" });

/// A comparison as it stood when somebody decided by it; the whole of it is a file of the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it was compared with.
    pub baseline: String,
    /// What the numbers said.
    pub outcome: Outcome,
    /// How strong the evidence was, in the word of [`Confidence`](super::confidence::Confidence).
    pub confidence: String,
    /// The primary metric and its change, in a line.
    pub summary: String,
}

/// A decision about an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The experiment's alias.
    pub experiment: ExperimentId,
    /// The entry that registered it.
    pub registration: EntryId,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub because: String,
    /// What is to be done next, in order.
    pub next: Vec<String>,
    /// The comparison as it stood; absent where there was nothing to compare.
    pub evidence: Option<Evidence>,
}

impl Ruling {
    /// What the numbers said, where the decision goes against it.
    ///
    /// To reject what is not shown to be good goes against nothing; to accept it does.
    pub fn against(&self) -> Option<&'static str> {
        let outcome = self.evidence.as_ref().map(|it| it.outcome);
        match (self.decision, outcome) {
            (Decision::Accepted, Some(Outcome::Accept))
            | (Decision::Iterate, _)
            | (Decision::Rejected, None) => None,
            (Decision::Accepted, Some(outcome)) => Some(outcome.word()),
            (Decision::Accepted, None) => Some("nothing was compared"),
            (Decision::Rejected, Some(outcome)) => (outcome == Outcome::Accept).then(|| outcome.word()),
        }
    }
}

/// A decision that a topic's named baseline is from now on another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineMove {
    /// The topic.
    pub topic: TopicName,
    /// The baseline's name.
    pub name: String,
    /// What it was, an experiment or a revision; absent for a new name.
    pub from: Option<String>,
    /// What it is, an experiment or a revision.
    pub to: String,
    /// The commit that a revision named at that time.
    pub commit: Option<String>,
    /// Why.
    pub because: String,
    /// The new one compared with the old one as it stood.
    pub evidence: Option<Evidence>,
}

impl BaselineMove {
    /// Whether something moved that does not stand on repeated evidence; a new name moves nothing.
    pub fn lacks_repeated_evidence(&self) -> bool {
        self.from.is_some() && !self.is_on_repeated_evidence()
    }

    /// Whether the move stands on repeated evidence: an accepted comparison that is more than exploratory.
    pub fn is_on_repeated_evidence(&self) -> bool {
        self.evidence
            .as_ref()
            .is_some_and(|it| it.outcome == Outcome::Accept && it.confidence != "exploratory")
    }
}

/// What a reviewer thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opinion {
    /// It may go on.
    Approve,
    /// It may not go on as it is.
    Reject,
}

words!(Opinion { Approve = "approve", Reject = "reject" });

/// A review of an experiment: its brief, its implementation, its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The experiment's alias.
    pub experiment: ExperimentId,
    /// The entry that registered it.
    pub registration: EntryId,
    /// What the reviewer thinks.
    pub opinion: Opinion,
    /// Why.
    pub because: String,
    /// The commit that its branch was at.
    pub commit: Option<super::id::ObjectName>,
}

/// A comparison that somebody looked at before it was complete, or that the brief does not promise.
///
/// Looks are kept, since what was looked at often enough shows something by chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The candidate's alias.
    pub experiment: ExperimentId,
    /// The entry that registered it.
    pub registration: EntryId,
    /// What it was compared with, however it was spelled.
    pub baseline: String,
    /// What that was called.
    pub baseline_name: String,
    /// How many trials or pairs there were.
    pub trials: u64,
    /// How many are planned.
    pub planned: u64,
    /// The newest runs of baseline and candidate: what was seen.
    pub newest: (EntryId, EntryId),
    /// What the numbers said.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(decision: Decision, outcome: Option<Outcome>) -> Ruling {
        Ruling {
            experiment: "A-001".parse().expect("an ID"),
            registration: EntryId([1; 32]),
            decision,
            because: "it is faster".to_owned(),
            next: Vec::new(),
            evidence: outcome.map(|outcome| Evidence {
                baseline: "main".to_owned(),
                outcome,
                confidence: "replicated".to_owned(),
                summary: String::new(),
            }),
        }
    }

    #[test]
    fn only_what_the_numbers_contradict_goes_against_them() {
        assert_eq!(ruling(Decision::Accepted, Some(Outcome::Accept)).against(), None);
        assert_eq!(ruling(Decision::Accepted, Some(Outcome::Unclear)).against(), Some("unclear"));
        assert_eq!(ruling(Decision::Accepted, None).against(), Some("nothing was compared"));
        assert_eq!(ruling(Decision::Rejected, Some(Outcome::Unclear)).against(), None);
        assert_eq!(ruling(Decision::Rejected, Some(Outcome::Accept)).against(), Some("accept"));
        assert_eq!(ruling(Decision::Iterate, Some(Outcome::Accept)).against(), None);
    }
}
