//! What the log comes to: topics and experiments as they now stand, folded from entries in any order.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::entry::{Body, Entry, Note, Registration};
use super::experiment::{Decision, Stage};
use super::id::{EntryId, ExperimentId, Prefix, TopicName, Writer};
use super::run::Status;
use super::topic::Topic;

/// Topics and experiments as they now stand.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Topics, by name.
    pub topics: BTreeMap<TopicName, TopicState>,
    /// Experiments: registered ones by the time of their registration, then scratch experiments by name.
    pub experiments: Vec<ExperimentState>,
}

/// A topic as it now stands.
#[derive(Clone, Debug)]
pub struct TopicState {
    /// What it says.
    pub topic: Topic,
    /// The entry that says so.
    pub entry: EntryId,
    /// When it was opened.
    pub opened: Timestamp,
    /// Other entries that claim to say so, because two replaced the same one.
    pub conflicts: Vec<EntryId>,
}

/// An experiment as it now stands.
#[derive(Clone, Debug)]
pub struct ExperimentState {
    /// Its alias.
    pub id: ExperimentId,
    /// The entry that registered it, and the writer of that; absent for a scratch experiment.
    pub registered: Option<Registered>,
    /// What its runs came to.
    pub runs: Tally,
    /// The notes about it, oldest first.
    pub notes: Vec<NoteOf>,
    /// Whether another experiment has the same alias, so that this one is told apart by its writer.
    pub shares_alias: bool,
}

/// A note, with its entry and its time.
pub type NoteOf = (EntryId, Timestamp, Note);

/// What was registered of an experiment.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The entry that registered it: its identity.
    pub entry: EntryId,
    /// The clone that registered it.
    pub writer: Writer,
    /// When.
    pub time: Timestamp,
    /// The brief in force.
    pub current: Registration,
    /// The entry of the brief in force.
    pub current_entry: EntryId,
    /// When that entry was appended.
    pub current_time: Timestamp,
    /// How often the brief was amended.
    pub amendments: usize,
    /// Other entries that claim to be in force, because two replaced the same one.
    pub conflicts: Vec<EntryId>,
}

/// What the runs of one experiment came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many there are, by status.
    pub by_status: BTreeMap<Status, u64>,
    /// When the first one began.
    pub first: Option<Timestamp>,
    /// When the latest one began.
    pub latest: Option<Timestamp>,
    /// Wall-clock seconds over all of them.
    pub wall_seconds: f64,
}

impl Tally {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many did not end well.
    pub fn failed(&self) -> u64 {
        self.by_status.iter().filter(|(status, _)| **status != Status::Ok).map(|(_, count)| count).sum()
    }

    /// Takes one run in.
    pub fn add(&mut self, status: Status, started: Timestamp, wall_seconds: f64) {
        *self.by_status.entry(status).or_default() += 1;
        self.first = Some(self.first.map_or(started, |first| first.min(started)));
        self.latest = Some(self.latest.map_or(started, |latest| latest.max(started)));
        if wall_seconds.is_finite() {
            self.wall_seconds += wall_seconds;
        }
    }
}

/// Tallies of runs, by the experiment's alias (in lower case) and the entry that registered it.
pub type Tallies = HashMap<(String, Option<EntryId>), (ExperimentId, Tally)>;

impl State {
    /// Folds `entries`, whatever their order, with the tallies of the runs.
    pub fn fold(entries: &[Entry], mut tallies: Tallies) -> Self {
        let replaced: HashSet<EntryId> =
            entries.iter().flat_map(|entry| entry.replaces.iter().copied()).collect();
        let mut state = Self::default();
        state.fold_topics(entries, &replaced);

        let mut registered: BTreeMap<EntryId, Registered> = BTreeMap::new();
        for entry in entries {
            if let Body::Brief(it) = &entry.body
                && it.registration.is_none()
            {
                registered.insert(
                    entry.id,
                    Registered {
                        entry: entry.id,
                        writer: entry.writer.clone(),
                        time: entry.time,
                        current: it.clone(),
                        current_entry: entry.id,
                        current_time: entry.time,
                        amendments: 0,
                        conflicts: Vec::new(),
                    },
                );
            }
        }
        let mut amendments: Vec<(&Entry, &Registration, EntryId)> = entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Brief(it) => Some((entry, it, it.registration?)),
                _ => None,
            })
            .collect();
        amendments.sort_by_key(|(entry, _, _)| (entry.time, entry.id));
        for (entry, it, registration) in amendments {
            let Some(known) = registered.get_mut(&registration) else { continue };
            known.amendments += 1;
            if replaced.contains(&entry.id) {
                continue;
            }
            if known.current_entry != registration {
                known.conflicts.push(known.current_entry);
            }
            known.current = it.clone();
            known.current_entry = entry.id;
            known.current_time = entry.time;
        }

        let mut notes: HashMap<(String, Option<EntryId>), Vec<NoteOf>> = HashMap::new();
        for entry in entries {
            if let Body::Note(note) = &entry.body
                && let Some(experiment) = &note.experiment
                && !replaced.contains(&entry.id)
            {
                let key = (experiment.key(), note.registration);
                notes.entry(key).or_default().push((entry.id, entry.time, note.clone()));
            }
        }
        let mut take_notes = |key: &(String, Option<EntryId>)| {
            let mut notes = notes.remove(key).unwrap_or_default();
            notes.sort_by_key(|(id, time, _)| (*time, *id));
            notes
        };

        let mut registered: Vec<Registered> = registered.into_values().collect();
        registered.sort_by_key(|it| (it.time, it.entry));
        for it in registered {
            let id = it.current.experiment.clone();
            let key = (id.key(), Some(it.entry));
            let runs = tallies.remove(&key).map(|(_, tally)| tally).unwrap_or_default();
            let notes = take_notes(&key);
            state.experiments.push(ExperimentState {
                id,
                registered: Some(it),
                runs,
                notes,
                shares_alias: false,
            });
        }
        let mut rest: Vec<_> = tallies.into_iter().collect();
        rest.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, (id, runs)) in rest {
            let notes = take_notes(&key);
            state.experiments.push(ExperimentState {
                id,
                registered: None,
                runs,
                notes,
                shares_alias: false,
            });
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for experiment in &state.experiments {
            *seen.entry(experiment.id.key()).or_default() += 1;
        }
        for experiment in &mut state.experiments {
            experiment.shares_alias = seen[&experiment.id.key()] > 1;
        }
        state
    }

    fn fold_topics(&mut self, entries: &[Entry], replaced: &HashSet<EntryId>) {
        let mut topics: Vec<(&Entry, &Topic)> = entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Topic(topic) => Some((entry, topic)),
                _ => None,
            })
            .collect();
        topics.sort_by_key(|(entry, _)| (entry.time, entry.id));
        for (entry, topic) in topics {
            let opened = self.topics.get(&topic.name).map_or(entry.time, |known| known.opened);
            let is_replaced = replaced.contains(&entry.id);
            match self.topics.get_mut(&topic.name) {
                Some(known) if is_replaced => known.opened = opened,
                Some(known) => {
                    if !replaced.contains(&known.entry) {
                        known.conflicts.push(known.entry);
                    }
                    known.topic = topic.clone();
                    known.entry = entry.id;
                }
                None => {
                    let conflicts = Vec::new();
                    let it = TopicState { topic: topic.clone(), entry: entry.id, opened, conflicts };
                    self.topics.insert(topic.name.clone(), it);
                }
            }
        }
    }

    /// The experiments that `text` names: by alias, or by `alias@writer` where several have the same.
    pub fn find(&self, text: &str) -> Vec<&ExperimentState> {
        let (alias, writer) = match text.split_once('@') {
            Some((alias, writer)) => (alias, Some(writer)),
            None => (text, None),
        };
        self.experiments
            .iter()
            .filter(|it| it.id.as_str().eq_ignore_ascii_case(alias))
            .filter(|it| {
                writer.is_none_or(|writer| {
                    it.registered
                        .as_ref()
                        .is_some_and(|registered| registered.writer.as_str().starts_with(writer))
                })
            })
            .collect()
    }

    /// The first number that no experiment with this prefix has.
    pub fn next_number(&self, prefix: &Prefix) -> u32 {
        let taken = self.experiments.iter().filter_map(|it| prefix.number_of(&it.id)).max();
        taken.map_or(1, |number| number + 1)
    }
}

impl ExperimentState {
    /// The name that tells it from every other experiment: its alias, with its writer where another has the same.
    pub fn name(&self) -> String {
        match &self.registered {
            Some(registered) if self.shares_alias => format!("{}@{}", self.id, registered.writer),
            _ => self.id.to_string(),
        }
    }

    /// How far it has come; `None` for a scratch experiment, which has no stages.
    pub fn stage(&self) -> Option<Stage> {
        let brief = &self.registered.as_ref()?.current.brief;
        let is_complete = brief.missing().is_empty();
        Some(Stage::of(is_complete, self.runs.total(), brief.planned_trials(), self.decision()))
    }

    /// What was decided about it.
    pub fn decision(&self) -> Option<Decision> {
        None
    }

    /// The topic it belongs to.
    pub fn topic(&self) -> Option<&TopicName> {
        self.registered.as_ref()?.current.topic.as_ref()
    }
}
