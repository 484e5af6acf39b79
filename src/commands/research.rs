//! What happened in a topic, read from the log: what `logbook` and `handoff` share.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::sides::{choose, rows};
use crate::context::Context;
use crate::domain::cell::Trial;
use crate::domain::chronicle::{BaselineTrials, Event, baseline_at, chronicle, is_negative};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::state::{ExperimentState, State, TopicState};
use crate::domain::withdrawal::Part;
use crate::error::Error;
use crate::log::index::Index;
use crate::log::index::sides::{Common, runs_of};
use crate::render::logbook::ExperimentFields;

/// A topic with all that happened in it.
pub struct Research {
    /// What the log comes to.
    pub state: State,
    /// All entries but runs, oldest first.
    entries: Vec<Entry>,
    /// The runs of the topic's experiments and of their baselines.
    runs: Vec<Entry>,
    /// Which of the runs are each experiment's, by its key.
    of_experiments: HashMap<(String, Option<EntryId>), Vec<usize>>,
    /// Which of the runs are each baseline's, by what it is called.
    of_baselines: HashMap<String, Vec<usize>>,
}

impl Research {
    /// Reads what happened in the topic that `topic` names; in that of each of `experiments` where it names none.
    pub fn read(
        context: &mut Context,
        index: &mut Index,
        state: State,
        entries: Vec<Entry>,
        topic: Option<&TopicName>,
        only: Option<&str>,
    ) -> Result<Self, Error> {
        let topic_state = topic.and_then(|name| state.topics.get(name));
        let chosen: Vec<&ExperimentState> = state
            .experiments
            .iter()
            .filter(|it| match only {
                Some(name) => it.name() == name,
                None => it.topic() == topic && it.registered.is_some(),
            })
            .collect();
        let words = baseline_words(&chosen, topic_state);
        let was_silent = std::mem::replace(&mut context.output.is_silent, true);
        // What cannot be found any more is no baseline of anything.
        let sides: Vec<_> = words
            .iter()
            .filter_map(|word| Some((word.clone(), choose(context, index, &state, None, word).ok()?)))
            .collect();
        let baseline_rows = rows(context, index, &state, sides.iter().map(|(_, side)| side));
        context.output.is_silent = was_silent;
        let baseline_rows = baseline_rows?;
        let common: Vec<Common<'_>> =
            chosen.iter().map(|it| Common::Experiment(&it.id, it.registration())).collect();
        let own_rows = runs_of(index, &common)?;
        let mut all: Vec<_> = own_rows.iter().chain(&baseline_rows).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        let runs = context.log.entries(index, &all)?;
        let places: HashMap<_, usize> = all.iter().copied().zip(0..).collect();
        let of = |rows: &[_]| rows.iter().map(|row| places[row]).collect::<Vec<usize>>();
        let of_experiments = chosen.iter().zip(&own_rows).map(|(it, rows)| (it.key(), of(rows))).collect();
        let of_baselines =
            sides.iter().zip(&baseline_rows).map(|((word, _), rows)| (word.clone(), of(rows))).collect();
        Ok(Self { state, entries, runs, of_experiments, of_baselines })
    }

    /// What happened, but for what the entries in `written` say.
    pub fn events<'a>(&'a self, topic: &'a TopicState, written: &BTreeSet<EntryId>) -> Vec<Event<'a>> {
        let baselines: BaselineTrials<'a> =
            self.of_baselines.iter().map(|(word, places)| (word.clone(), self.trials(places))).collect();
        chronicle(&self.state, topic, &self.entries, &self.runs, &baselines, written)
    }

    /// The entry with this ID, where it is no run.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// The ID of every entry that was read.
    pub fn entry_ids(&self) -> impl Iterator<Item = EntryId> {
        self.entries.iter().chain(&self.runs).map(|entry| entry.id)
    }

    /// How many entries went whole from the logs of a writer after `epoch` of it.
    pub fn gone_after(&self, epoch: &Writer) -> u64 {
        let gone: HashSet<EntryId> = self
            .entries
            .iter()
            .filter(|entry| epoch.is_followed_by(&entry.writer))
            .filter_map(|entry| match &entry.body {
                Body::Withdrawal(it) if it.gone.contains(&Part::Entry) => Some(&it.entries),
                _ => None,
            })
            .flatten()
            .map(|it| it.entry)
            .collect();
        gone.len() as u64
    }

    fn trials(&self, places: &[usize]) -> Vec<Trial<'_>> {
        let trials = places.iter().filter_map(|place| match &self.runs[*place] {
            // A warm-up is never compared.
            Entry { body: Body::Run(run), .. } if run.pair.is_some_and(|pair| pair.number == 0) => None,
            Entry { id, body: Body::Run(run), .. } => Some(Trial { id: *id, run }),
            _ => None,
        });
        trials.collect()
    }

    /// The experiments of the topic, in the order in which they were registered.
    pub fn experiments(&self) -> impl Iterator<Item = &ExperimentState> {
        self.state.experiments.iter().filter(|it| self.of_experiments.contains_key(&it.key()))
    }

    /// Those that came to nothing that was taken over: the rejected, and those whose every run failed.
    pub fn negative(&self) -> impl Iterator<Item = &ExperimentState> {
        self.experiments().filter(|it| is_negative(it))
    }

    /// The trials of an experiment.
    pub fn trials_of(&self, experiment: &ExperimentState) -> Vec<Trial<'_>> {
        self.trials(self.of_experiments.get(&experiment.key()).map(Vec::as_slice).unwrap_or_default())
    }

    /// The runs of what briefs call a baseline, by what it is called once named baselines are looked up.
    pub fn baseline_trials(&self, target: &str) -> Vec<Trial<'_>> {
        self.trials(self.of_baselines.get(target).map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether any run of an experiment had other evaluation code than when the topic began.
    pub fn ran_under_other_evaluation(&self, experiment: &ExperimentState) -> bool {
        self.trials_of(experiment).iter().any(|trial| trial.run.evaluation_changed)
    }

    /// An experiment with its runs, beside those of its baseline as it now is.
    pub fn fields(&self, experiment: &ExperimentState) -> ExperimentFields {
        let topic = experiment.topic().and_then(|name| self.state.topics.get(name));
        let word = experiment.registered.as_ref().and_then(|it| it.current.brief.baseline.as_deref());
        let target = match (word, topic) {
            (Some(word), Some(topic)) => Some(baseline_at(topic, word, jiff::Timestamp::MAX)),
            (word, _) => word,
        };
        let places = target.and_then(|target| self.of_baselines.get(target));
        let baseline = self.trials(places.map(Vec::as_slice).unwrap_or_default());
        let own: BTreeSet<EntryId> = self.trials_of(experiment).iter().map(|trial| trial.id).collect();
        let baseline: Vec<Trial<'_>> =
            baseline.into_iter().filter(|trial| !own.contains(&trial.id)).collect();
        ExperimentFields::new(experiment, topic, &self.trials_of(experiment), &baseline)
    }
}

/// What the briefs of `experiments` are compared with, now and at any time before, and what the topic calls a baseline.
fn baseline_words(experiments: &[&ExperimentState], topic: Option<&TopicState>) -> BTreeSet<String> {
    let named = topic.into_iter().flat_map(|topic| topic.topic.baselines.values());
    let mut words: BTreeSet<String> = named.cloned().collect();
    for experiment in experiments {
        let Some(word) = experiment.registered.as_ref().and_then(|it| it.current.brief.baseline.as_deref())
        else {
            continue;
        };
        let Some(topic) = topic else {
            words.insert(word.to_owned());
            continue;
        };
        words.insert(baseline_at(topic, word, jiff::Timestamp::MAX).to_owned());
        for (_, _, _, it) in topic.moves.iter().filter(|(_, _, _, it)| it.name == word) {
            words.extend(it.from.clone());
            words.insert(it.to.clone());
        }
    }
    words
}
