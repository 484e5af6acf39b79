//! What was tried, and what came of it: experiments, failures included, and ideas that were dropped.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decision::Decision;
use super::entry::{Body, Entry};
use super::id::{EntryId, TopicName};
use super::similarity::{NEAR, Texts, digest};
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

/// All that was tried, for some questions to be asked about it.
pub struct Past<'a> {
    tried: Vec<Tried<'a>>,
    texts: Texts,
}

/// What an entry says about something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it is about, in the words of [`Subject::key`].
    pub about: String,
    /// What is said, [digested](digest).
    pub digest: String,
}

/// How many of what is near are looked at, so that a word that everything says does not make everything near.
const NEAREST: usize = 100;

impl Said {
    /// What `entry` says; `None` where it says nothing about anything that was tried.
    pub fn of(entry: &Entry) -> Option<Self> {
        let of_registered = |texts: &[Option<&str>]| {
            Some(Self { about: entry.registration()?.to_hex(), digest: digest_of(texts) })
        };
        match &entry.body {
            Body::Brief(it) => of_registered(&[
                Some(it.experiment.as_str()),
                it.brief.hypothesis.as_deref(),
                it.brief.change.as_deref(),
                it.brief.notes.as_deref(),
            ]),
            Body::Decision(it) => of_registered(&[Some(&it.because)]),
            Body::Note(note) => Some(Self {
                about: match note.registration {
                    Some(registration) => registration.to_hex(),
                    None => note.experiment.as_ref()?.key(),
                },
                digest: digest_of(&[Some(&note.text)]),
            }),
            Body::Idea(it) => Some(Self {
                about: format!("idea {}", it.first.unwrap_or(entry.id).to_hex()),
                digest: digest_of(&[
                    Some(&it.title),
                    it.hypothesis.as_deref(),
                    it.mechanism.as_deref(),
                    Some(it.dropped.as_deref()?),
                ]),
            }),
            _ => None,
        }
    }
}

fn digest_of(texts: &[Option<&str>]) -> String {
    let texts: Vec<&str> = texts.iter().flatten().copied().collect();
    digest(&texts.join("\n"))
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
            Self::Experiment(it) => it.registration(),
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

    /// What tells it from everything else that was tried.
    pub fn key(&self) -> String {
        match self {
            Self::Experiment(it) => match &it.registered {
                Some(registered) => registered.entry.to_hex(),
                None => it.id.key(),
            },
            Self::Idea(it) => format!("idea {}", it.first.to_hex()),
        }
    }

    /// All that is said about it, digested; nothing for a scratch experiment without notes.
    fn digest(&self) -> String {
        let mut texts = Vec::new();
        match self {
            Self::Experiment(it) => {
                if let Some(registered) = &it.registered {
                    let brief = &registered.current.brief;
                    texts.push(Some(it.id.as_str()));
                    texts.extend([&brief.hypothesis, &brief.change, &brief.notes].map(Option::as_deref));
                }
                texts.extend(it.notes.iter().map(|(_, _, note)| Some(note.text.as_str())));
                texts.extend(it.rulings.iter().map(|it| Some(it.ruling.because.as_str())));
            }
            Self::Idea(it) => {
                let idea = &it.idea;
                texts.push(Some(idea.title.as_str()));
                texts.extend([&idea.hypothesis, &idea.mechanism, &idea.dropped].map(Option::as_deref));
            }
        }
        digest_of(&texts)
    }
}

/// All that was tried in `topic`, or in any.
fn all<'a>(state: &'a State, topic: Option<&TopicName>) -> Vec<Tried<'a>> {
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
    experiments.chain(dropped).filter(is_here).collect()
}

/// What is near, failures first, then by likeness; at most `limit` of the nearest.
fn in_order(mut near: Vec<Near<'_>>, limit: usize) -> Vec<Near<'_>> {
    near.retain(|it| it.likeness >= NEAR);
    near.sort_by(|a, b| {
        b.likeness
            .total_cmp(&a.likeness)
            .then(b.tried.time.cmp(&a.tried.time))
            .then(a.tried.subject.entry().cmp(&b.tried.subject.entry()))
    });
    near.truncate(NEAREST);
    near.sort_by_key(|it| !it.tried.outcome.is_failure());
    near.truncate(limit);
    near
}

/// The nearest of what was looked up elsewhere: keys, each with its likeness, of which `state` knows what came of them.
pub fn nearest<'a>(
    state: &'a State,
    topic: Option<&TopicName>,
    found: &BTreeMap<String, f64>,
    limit: usize,
) -> Vec<Near<'a>> {
    let near = all(state, topic).into_iter().filter_map(|tried| {
        let likeness = *found.get(&tried.subject.key())?;
        Some(Near { tried, likeness })
    });
    in_order(near.collect(), limit)
}

/// The keys to look up, each with its likeness, given how much each text says of a question.
pub fn keys_of(likeness: Vec<(usize, f64)>, keys: &[&str]) -> BTreeMap<String, f64> {
    let mut near: Vec<(usize, f64)> =
        likeness.into_iter().map(|(place, it)| (place, rounded(it))).filter(|(_, it)| *it >= NEAR).collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1));
    near.truncate(NEAREST);
    near.into_iter().map(|(place, it)| (keys[place].to_owned(), it)).collect()
}

impl<'a> Past<'a> {
    /// All that was tried in any topic, for `questions` to be asked.
    pub fn about(state: &'a State, questions: &[String]) -> Self {
        let tried = match questions.is_empty() {
            true => Vec::new(),
            false => all(state, None),
        };
        let digests: Vec<String> = tried.iter().map(|it| it.subject.digest()).collect();
        let texts = Texts::about(questions, digests.iter().map(|digest| [digest.as_str()]));
        Self { tried, texts }
    }

    /// The experiment that says most of a question, near or not, those that `try_it` left out.
    pub fn nearest_experiment(&self, question: &str, try_it: &[EntryId]) -> Option<Near<'a>> {
        let found = self.found(question).filter(|near| {
            let subject = &near.tried.subject;
            let is_other = subject.entry().is_none_or(|entry| !try_it.contains(&entry));
            is_other && matches!(subject, Subject::Experiment(_))
        });
        // Of those that are alike, the first that was registered.
        found.reduce(|best, it| if it.likeness > best.likeness { it } else { best })
    }

    fn found(&self, question: &str) -> impl Iterator<Item = Near<'a>> {
        let found = self.texts.likeness(question).into_iter();
        found.map(|(place, likeness)| Near { tried: self.tried[place].clone(), likeness: rounded(likeness) })
    }
}

/// To four places, so that machines whose logarithms differ in the last bit say the same.
fn rounded(likeness: f64) -> f64 {
    (likeness * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;
    use crate::domain::brief::Brief;
    use crate::domain::decision::Ruling;
    use crate::domain::entry::{Identity, Note, Registration};
    use crate::domain::id::{ExperimentId, Nonce};
    use crate::domain::idea::Idea;
    use crate::domain::run::Status;
    use crate::domain::state::Tally;

    /// The entry of this number; each is a second after the one before.
    fn entry(number: u8, replaces: &[u8], body: Body) -> Entry {
        Entry {
            id: EntryId([number; 32]),
            writer: "0f0e0d0c".parse().expect("a writer's name"),
            nonce: Nonce([number; 16]),
            time: Timestamp::from_second(i64::from(number)).expect("a time"),
            by: Identity::default(),
            replaces: replaces.iter().map(|number| EntryId([*number; 32])).collect(),
            answers: None,
            files: None,
            body,
        }
    }

    fn id(number: u8) -> ExperimentId {
        format!("A-{number:03}").parse().expect("an ID")
    }

    fn brief(experiment: u8, registration: Option<u8>, hypothesis: &str) -> Body {
        Body::Brief(Registration {
            experiment: id(experiment),
            registration: registration.map(|number| EntryId([number; 32])),
            topic: (experiment == 2).then(|| "speed".parse().expect("a topic")),
            from: None,
            start: None,
            idea: None,
            brief: Brief { hypothesis: Some(hypothesis.to_owned()), ..Brief::default() },
        })
    }

    fn decision(experiment: u8, decision: Decision, because: &str) -> Body {
        Body::Decision(Ruling {
            experiment: id(experiment),
            registration: EntryId([experiment; 32]),
            decision,
            because: because.to_owned(),
            next: Vec::new(),
            evidence: None,
        })
    }

    fn note(experiment: &str, registration: Option<u8>, text: &str) -> Body {
        Body::Note(Note {
            experiment: Some(experiment.parse().expect("an ID")),
            registration: registration.map(|number| EntryId([number; 32])),
            topic: None,
            sort: None,
            source: None,
            text: text.to_owned(),
        })
    }

    fn idea(first: Option<u8>, dropped: Option<&str>) -> Body {
        Body::Idea(Idea {
            number: 1,
            first: first.map(|number| EntryId([number; 32])),
            topic: None,
            title: "prefetch from a second disk".to_owned(),
            hypothesis: None,
            mechanism: None,
            sources: Vec::new(),
            effect: None,
            cost_seconds: None,
            dropped: dropped.map(str::to_owned),
        })
    }

    /// Experiments 1 to 4, a remark on a day's scratch, and an idea that was dropped.
    fn entries() -> Vec<Entry> {
        vec![
            entry(1, &[], brief(1, None, "a prefetching loader hides the disk")),
            entry(2, &[], brief(2, None, "prefetch of the first batch")),
            entry(3, &[], brief(3, None, "warm restarts")),
            entry(4, &[], brief(4, None, "wider tiles")),
            entry(10, &[4], brief(4, Some(4), "prefetching tiles")),
            entry(11, &[], note("A-003", Some(3), "restarting needs no prefetch")),
            entry(12, &[11], note("A-003", Some(3), "said better")),
            entry(13, &[], note("20261121-scratch", None, "prefetch in the scratch")),
            entry(14, &[], decision(1, Decision::Iterate, "the disk was busy")),
            entry(15, &[14], decision(1, Decision::Accepted, "it holds")),
            entry(16, &[], decision(2, Decision::Rejected, "no effect")),
            entry(17, &[], idea(None, None)),
            entry(18, &[17], idea(Some(17), Some("there is one disk"))),
        ]
    }

    fn state() -> State {
        let mut failed = Tally::default();
        failed.add(Status::Failed, Timestamp::UNIX_EPOCH, 1.0, 0.0);
        let mut ran = Tally::default();
        ran.add(Status::Ok, Timestamp::UNIX_EPOCH, 1.0, 0.0);
        let scratch: ExperimentId = "20261121-scratch".parse().expect("an ID");
        let tallies = [
            ((id(4).key(), Some(EntryId([4; 32]))), (id(4), failed)),
            ((scratch.key(), None), (scratch, ran)),
        ];
        State::fold(&entries(), HashMap::from(tallies))
    }

    fn named(
        state: &State,
        topic: Option<&str>,
        question: &str,
        limit: usize,
    ) -> Vec<(String, &'static str)> {
        let topic = topic.map(|topic| topic.parse().expect("a topic"));
        let past = Past::about(state, &[question.to_owned()]);
        let found = past.found(question).map(|near| (near.tried.subject.key(), near.likeness)).collect();
        let near = nearest(state, topic.as_ref(), &found, limit);
        near.iter().map(|it| (it.tried.subject.name(), it.tried.outcome.word())).collect()
    }

    #[test]
    fn what_came_to_nothing_stands_first() {
        let state = state();
        let found = named(&state, None, "prefetching", 10);
        let failures: BTreeSet<&str> = found[..3].iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(failures, BTreeSet::from(["dropped", "failed", "rejected"]));
        let rest: BTreeSet<&str> = found[3..].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(rest, BTreeSet::from(["A-001", "20261121-scratch"]), "A-003 took it back");
        assert_eq!(named(&state, None, "prefetching", 2).len(), 2);
        assert_eq!(named(&state, Some("speed"), "prefetching", 9), [("A-002".to_owned(), "rejected")]);
        assert_eq!(named(&state, None, "warm restart", 1), [("A-003".to_owned(), "not run")]);
        assert!(named(&state, None, "quantise the optimizer", 9).is_empty());
    }

    #[test]
    fn a_reason_that_was_revised_is_still_found() {
        assert_eq!(named(&state(), None, "busy", 1)[0].0, "A-001");
    }

    #[test]
    fn entries_one_by_one_say_what_the_state_says() {
        let state = state();
        let replaced: Vec<EntryId> = entries().iter().flat_map(|it| it.replaces.clone()).collect();
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in entries() {
            let is_said = !replaced.contains(&entry.id) || matches!(entry.body, Body::Decision(_));
            if let Some(said) = Said::of(&entry).filter(|_| is_said) {
                by_key.entry(said.about).or_default().extend(said.digest.split(' ').map(str::to_owned));
            }
        }
        let mut whole: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for it in all(&state, None) {
            whole.insert(it.subject.key(), it.subject.digest().split(' ').map(str::to_owned).collect());
        }
        by_key.values_mut().chain(whole.values_mut()).for_each(|words| words.sort());
        assert_eq!(by_key, whole);
    }

    #[test]
    fn a_word_that_everything_says_does_not_make_everything_be_read() {
        let keys: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(keys_of((0..1_000).map(|place| (place, 0.5)).collect(), &keys).len(), NEAREST);
    }
}
