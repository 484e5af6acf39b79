//! Entries: the records of the log.

use jiff::Timestamp;

use super::brief::Brief;
use super::bytes::OsBytes;
use super::decision::{BaselineMove, Look, Review, Ruling};
use super::id::{EntryId, ExperimentId, Nonce, ObjectName, TopicName, Writer};
use super::idea::{Idea, Rating};
use super::issue::IssueEvent;
use super::metric::words;
use super::reproduction::Reproduction;
use super::rule_override::RuleOverride;
use super::run::Run;
use super::smoke::Smoke;
use super::topic::Topic;
use super::withdrawal::Withdrawal;

/// One record in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its identity: the BLAKE3 of its stored bytes.
    pub id: EntryId,
    /// The clone that appended it.
    pub writer: Writer,
    /// What makes it unlike any other.
    pub nonce: Nonce,
    /// When it was appended, by the clock of the machine.
    pub time: Timestamp,
    /// Who appended it.
    pub by: Identity,
    /// The entries it takes the place of.
    pub replaces: Vec<EntryId>,
    /// The entry it answers.
    pub answers: Option<EntryId>,
    /// The files it has.
    pub files: Option<FileList>,
    /// What it says.
    pub body: Body,
}

/// A person or agent, as Git names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// The files of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileList {
    /// The Git tree that holds them.
    pub tree: ObjectName,
    /// Each file, by name.
    pub files: Vec<FileEntry>,
}

/// One file of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path in the tree.
    pub name: OsBytes,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A topic as it now stands; one that replaces another amends it.
    Topic(Topic),
    /// A brief: the first registers its experiment, one that replaces another amends it.
    Brief(Registration),
    /// A run.
    Run(Box<Run>),
    /// A note.
    Note(Note),
    /// A decision about an experiment; one that replaces another revises it.
    Decision(Ruling),
    /// A decision that moves a named baseline.
    Baseline(BaselineMove),
    /// A review of an experiment.
    Review(Review),
    /// A comparison that was looked at before it was complete.
    Look(Look),
    /// An idea; one that replaces another amends it.
    Idea(Idea),
    /// What somebody thinks of an idea.
    Rating(Rating),
    /// A rule that was set aside for some paths.
    Override(RuleOverride),
    /// What the smoke command came to for one code.
    Smoke(Smoke),
    /// What came of repeating what was recorded.
    Reproduction(Box<Reproduction>),
    /// What was taken out of the record.
    Withdrawal(Withdrawal),
    /// Something that was posted about a topic, or is about to be.
    Issue(IssueEvent),
    /// Something this version cannot read: a later schema, an unknown kind, or damage.
    Unreadable {
        /// The kind it says it is, if that much could be read.
        kind: Option<String>,
        /// What is wrong with it.
        problem: String,
    },
}

/// An experiment's brief as it was registered or amended.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The experiment's alias.
    pub experiment: ExperimentId,
    /// The entry that registered it; absent in that entry itself.
    pub registration: Option<EntryId>,
    /// The topic it belongs to.
    pub topic: Option<TopicName>,
    /// The run it grew out of.
    pub from: Option<EntryId>,
    /// The commit its branch began at.
    pub start: Option<ObjectName>,
    /// The idea it tries: the entry that added it.
    pub idea: Option<EntryId>,
    /// What it promises.
    pub brief: Brief,
}

/// A remark in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The experiment it is about.
    pub experiment: Option<ExperimentId>,
    /// The entry that registered that experiment.
    pub registration: Option<EntryId>,
    /// The topic it is about, where it is about no single experiment.
    pub topic: Option<TopicName>,
    /// What sort of remark it is, if that was said.
    pub sort: Option<NoteSort>,
    /// The source of a claim.
    pub source: Option<String>,
    /// The remark.
    pub text: String,
}

/// What sort of remark a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoteSort {
    /// Something that was seen.
    Observation,
    /// Something that was concluded.
    Inference,
    /// Something that a source says.
    Claim,
}

words!(NoteSort { Observation = "observation", Inference = "inference", Claim = "claim" });

impl Entry {
    /// The kind's word, as `run`.
    pub fn kind(&self) -> &str {
        self.body.kind()
    }

    /// The experiment it is about, if it is about one.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        match &self.body {
            Body::Brief(registration) => Some(&registration.experiment),
            Body::Run(run) => Some(&run.membership.experiment),
            Body::Note(note) => note.experiment.as_ref(),
            Body::Decision(ruling) => Some(&ruling.experiment),
            Body::Review(review) => Some(&review.experiment),
            Body::Look(look) => Some(&look.experiment),
            Body::Override(it) => it.experiment.as_ref(),
            Body::Smoke(smoke) => Some(&smoke.experiment),
            Body::Reproduction(it) => Some(&it.experiment),
            Body::Withdrawal(it) => it.experiment(),
            Body::Topic(_)
            | Body::Baseline(_)
            | Body::Idea(_)
            | Body::Rating(_)
            | Body::Issue(_)
            | Body::Unreadable { .. } => None,
        }
    }

    /// The entry that registered the experiment it is about, if it is about a registered one.
    pub fn registration(&self) -> Option<EntryId> {
        match &self.body {
            Body::Brief(it) => Some(it.registration.unwrap_or(self.id)),
            Body::Run(run) => run.membership.registration,
            Body::Note(note) => note.registration,
            Body::Decision(ruling) => Some(ruling.registration),
            Body::Review(review) => Some(review.registration),
            Body::Look(look) => Some(look.registration),
            Body::Override(it) => it.registration,
            Body::Smoke(smoke) => smoke.registration,
            Body::Reproduction(it) => it.registration,
            Body::Withdrawal(it) => it.registration(),
            Body::Topic(_)
            | Body::Baseline(_)
            | Body::Idea(_)
            | Body::Rating(_)
            | Body::Issue(_)
            | Body::Unreadable { .. } => None,
        }
    }

    /// The topic it is about, if it says so itself.
    pub fn topic(&self) -> Option<&TopicName> {
        match &self.body {
            Body::Topic(topic) => Some(&topic.name),
            Body::Brief(it) => it.topic.as_ref(),
            Body::Note(note) => note.topic.as_ref(),
            Body::Baseline(it) => Some(&it.topic),
            Body::Idea(idea) => idea.topic.as_ref(),
            Body::Override(it) => it.topic.as_ref(),
            Body::Issue(it) => Some(&it.topic),
            Body::Run(_)
            | Body::Decision(_)
            | Body::Review(_)
            | Body::Look(_)
            | Body::Rating(_)
            | Body::Smoke(_)
            | Body::Reproduction(_)
            | Body::Withdrawal(_)
            | Body::Unreadable { .. } => None,
        }
    }

    /// The commits that must stay alive for it.
    pub fn commits(&self) -> Vec<&ObjectName> {
        self.body.commits()
    }
}

impl Body {
    /// The commits that must stay alive for it.
    pub fn commits(&self) -> Vec<&ObjectName> {
        match self {
            Self::Run(run) => vec![&run.code.commit],
            Self::Brief(registration) => registration.start.iter().collect(),
            Self::Review(review) => review.commit.iter().collect(),
            Self::Smoke(smoke) => vec![&smoke.commit],
            Self::Reproduction(it) => std::iter::once(&it.commit).chain(&it.baseline).collect(),
            Self::Override(it) => it.commit.iter().collect(),
            Self::Topic(_)
            | Self::Idea(_)
            | Self::Rating(_)
            | Self::Note(_)
            | Self::Decision(_)
            | Self::Baseline(_)
            | Self::Look(_)
            | Self::Withdrawal(_)
            | Self::Issue(_)
            | Self::Unreadable { .. } => Vec::new(),
        }
    }

    /// The kind's word, as `run`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Topic(_) => "topic",
            Self::Brief(_) => "brief",
            Self::Run(_) => "run",
            Self::Note(_) => "note",
            Self::Decision(_) => "decision",
            Self::Baseline(_) => "baseline",
            Self::Review(_) => "review",
            Self::Look(_) => "look",
            Self::Idea(_) => "idea",
            Self::Rating(_) => "rating",
            Self::Override(_) => "override",
            Self::Smoke(_) => "smoke",
            Self::Reproduction(_) => "reproduction",
            Self::Withdrawal(_) => "withdrawal",
            Self::Issue(_) => "issue",
            Self::Unreadable { kind, .. } => kind.as_deref().unwrap_or("unreadable"),
        }
    }
}
