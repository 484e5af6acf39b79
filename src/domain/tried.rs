//! What was tried, and what came of it: experiments, failures included, and ideas that were dropped.

use jiff::Timestamp;

use super::decision::Decision;
use super::id::{EntryId, TopicName};
use super::similarity::{NEAR, Texts};
use super::state::{ExperimentState, IdeaState, State};

/// What came of something that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was decided so.
    Decided(Decision),
    /// It ran, and nothing was decided.
    Undecided,
    /// Every run of it failed, and nothing was decided.
    Failed,
    /// It was registered, and nothing ran.
    NotRun,
    /// It was an idea that was dropped before anything was registered.
    Dropped,
}

/// Something that was tried: an experiment, or an idea that was dropped.
#[derive(Clone, Debug)]
pub struct Tried<'a> {
    /// What it is.
    pub subject: Subject<'a>,
    /// What came of it.
    pub outcome: Outcome,
    /// When it was registered or added, or its first run began.
    pub time: Option<Timestamp>,
}

/// What was tried.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An experiment.
    Experiment(&'a ExperimentState),
    /// An idea that was dropped.
    Idea(&'a IdeaState),
}

/// Something that was tried, and how much it says of what was asked for.
#[derive(Clone, Debug)]
pub struct Near<'a> {
    /// What was tried.
    pub tried: Tried<'a>,
    /// From 0 to 1.
    pub likeness: f64,
}

/// All that was tried, to be asked about.
pub struct Past<'a> {
    tried: Vec<Tried<'a>>,
    texts: Texts,
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decided(decision) => decision.word(),
            Self::Undecided => "undecided",
            Self::Failed => "failed",
            Self::NotRun => "not run",
            Self::Dropped => "dropped",
        }
    }

    /// Whether it came to nothing.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Decided(Decision::Rejected) | Self::Failed | Self::Dropped)
    }

    fn of(experiment: &ExperimentState) -> Self {
        let runs = experiment.runs.total();
        match experiment.decision() {
            Some(decision) => Self::Decided(decision),
            None if runs == 0 => Self::NotRun,
            None if experiment.runs.failed() == runs => Self::Failed,
            None => Self::Undecided,
        }
    }
}

impl<'a> Subject<'a> {
    /// The name that tells it from every other of its sort.
    pub fn name(&self) -> String {
        match self {
            Self::Experiment(it) => it.name(),
            Self::Idea(it) => it.name(),
        }
    }

    /// The topic it belongs to.
    pub fn topic(&self) -> Option<&'a TopicName> {
        match self {
            Self::Experiment(it) => it.topic(),
            Self::Idea(it) => it.idea.topic.as_ref(),
        }
    }

    /// The entry that registered or added it.
    pub fn entry(&self) -> Option<EntryId> {
        match self {
            Self::Experiment(it) => it.registered.as_ref().map(|it| it.entry),
            Self::Idea(it) => Some(it.first),
        }
    }

    /// What was believed.
    pub fn hypothesis(&self) -> Option<&'a str> {
        match self {
            Self::Experiment(it) => it.registered.as_ref()?.current.brief.hypothesis.as_deref(),
            Self::Idea(it) => it.idea.hypothesis.as_deref(),
        }
    }

    /// What was, or would have been, changed.
    pub fn change(&self) -> Option<&'a str> {
        match self {
            Self::Experiment(it) => it.registered.as_ref()?.current.brief.change.as_deref(),
            Self::Idea(it) => Some(&it.idea.title),
        }
    }

    /// Why it was decided as it was.
    pub fn because(&self) -> Option<&'a str> {
        match self {
            Self::Experiment(it) => it.ruling().map(|it| it.ruling.because.as_str()),
            Self::Idea(it) => it.idea.dropped.as_deref(),
        }
    }

    /// The first remark about it.
    pub fn note(&self) -> Option<&'a str> {
        match self {
            Self::Experiment(it) => it.notes.first().map(|(_, _, note)| note.text.as_str()),
            Self::Idea(_) => None,
        }
    }

    /// All that is said about it, for a search.
    fn text(&self) -> String {
        let mut text = self.name();
        let mut add = |more: Option<&str>| {
            if let Some(more) = more {
                text.push('\n');
                text.push_str(more);
            }
        };
        add(self.hypothesis());
        add(self.change());
        match self {
            Self::Experiment(it) => {
                add(it.registered.as_ref().and_then(|it| it.current.brief.notes.as_deref()));
                it.notes.iter().for_each(|(_, _, note)| add(Some(&note.text)));
                it.rulings.iter().for_each(|it| add(Some(&it.ruling.because)));
            }
            Self::Idea(it) => {
                add(it.idea.mechanism.as_deref());
                add(it.idea.dropped.as_deref());
            }
        }
        text
    }
}

impl<'a> Past<'a> {
    /// All that was tried in `topic`, or in any.
    pub fn of(state: &'a State, topic: Option<&TopicName>) -> Self {
        let experiments = state.experiments.iter().map(|it| Tried {
            outcome: Outcome::of(it),
            time: it.registered.as_ref().map(|it| it.time).or(it.runs.first),
            subject: Subject::Experiment(it),
        });
        let dropped = state.ideas.iter().filter(|it| it.idea.dropped.is_some() && it.experiments.is_empty());
        let dropped = dropped.map(|it| Tried {
            outcome: Outcome::Dropped,
            time: Some(it.time),
            subject: Subject::Idea(it),
        });
        let is_here = |it: &Tried<'_>| topic.is_none() || it.subject.topic() == topic;
        let tried: Vec<Tried<'a>> = experiments.chain(dropped).filter(is_here).collect();
        let texts = Texts::of(tried.iter().map(|it| it.subject.text()));
        Self { tried, texts }
    }

    /// What is near to `question`, failures first, then by likeness; at most `limit`.
    pub fn near(&self, question: &str, limit: usize) -> Vec<Near<'a>> {
        let found = self.texts.likeness(question).into_iter().filter(|(_, likeness)| *likeness >= NEAR);
        let mut near: Vec<Near<'a>> = found
            .map(|(place, likeness)| Near { tried: self.tried[place].clone(), likeness: rounded(likeness) })
            .collect();
        near.sort_by(|a, b| {
            let failed = |it: &Near<'_>| it.tried.outcome.is_failure();
            failed(b)
                .cmp(&failed(a))
                .then(b.likeness.total_cmp(&a.likeness))
                .then(b.tried.time.cmp(&a.tried.time))
                .then(a.tried.subject.entry().cmp(&b.tried.subject.entry()))
        });
        near.truncate(limit);
        near
    }

    /// The experiment that says most of `question`, near or not, those that `try_it` left out.
    pub fn nearest_experiment(&self, question: &str, try_it: &[EntryId]) -> Option<Near<'a>> {
        let found = self.texts.likeness(question).into_iter().filter_map(|(place, likeness)| {
            let tried = &self.tried[place];
            let is_other = tried.subject.entry().is_none_or(|entry| !try_it.contains(&entry));
            let is_experiment = matches!(tried.subject, Subject::Experiment(_));
            (is_experiment && is_other).then(|| Near { tried: tried.clone(), likeness: rounded(likeness) })
        });
        // Of those that are alike, the first that was registered.
        found.reduce(|best, it| if it.likeness > best.likeness { it } else { best })
    }
}

/// To four places, so that machines whose logarithms differ in the last bit say the same.
fn rounded(likeness: f64) -> f64 {
    (likeness * 1e4).round() / 1e4
}
