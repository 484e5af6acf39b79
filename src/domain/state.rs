//! What the log comes to: topics and experiments as they now stand, folded from entries in any order.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::brief::Brief;
use super::decision::{BaselineMove, Decision, Look, Review, Ruling};
use super::entry::{Body, Entry, Identity, Note, Registration};
use super::experiment::Stage;
use super::id::{EntryId, ExperimentId, Prefix, TopicName, Writer};
use super::idea::{Idea, Rating};
use super::issue::IssueEventOf;
use super::reproduction::Reproduction;
use super::rule_override::RuleOverride;
use super::run::Status;
use super::smoke::Smoke;
use super::topic::Topic;
use super::withdrawal::Results;

/// Topics and experiments as they now stand.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Topics, by name.
    pub topics: BTreeMap<TopicName, TopicState>,
    /// Experiments: registered ones by the time of their registration, then scratch experiments by name.
    pub experiments: Vec<ExperimentState>,
    /// Ideas, by the time they were added.
    pub ideas: Vec<IdeaState>,
    /// Rules that were set aside, oldest first.
    pub overrides: Vec<OverrideOf>,
    /// What the smoke command came to, oldest first.
    pub smokes: Vec<SmokeOf>,
    /// What came of repeating what was recorded, oldest first.
    pub reproductions: Vec<ReproductionOf>,
}

/// An idea as it now stands.
#[derive(Clone, Debug)]
pub struct IdeaState {
    /// The entry that added it: its identity.
    pub first: EntryId,
    /// The entry in force.
    pub entry: EntryId,
    /// When it was added.
    pub time: Timestamp,
    /// By whom.
    pub by: Identity,
    /// The clone that added it.
    pub writer: Writer,
    /// What it says.
    pub idea: Idea,
    /// What was thought of it, oldest first.
    pub ratings: Vec<RatingOf>,
    /// The registrations of the experiments that try it.
    pub experiments: Vec<EntryId>,
    /// Whether another idea has the same number, so that this one is told apart by its writer.
    pub shares_number: bool,
    /// Other entries that claim to be in force, because two replaced the same one.
    pub conflicts: Vec<EntryId>,
}

/// A rating in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatingOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it was given.
    pub time: Timestamp,
    /// By whom.
    pub by: Identity,
    /// What was said.
    pub rating: Rating,
}

/// A rule that was set aside, in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it was given.
    pub time: Timestamp,
    /// By whom.
    pub by: Identity,
    /// What was set aside.
    pub it: RuleOverride,
}

/// A smoke test in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct SmokeOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it ended.
    pub time: Timestamp,
    /// Who ran it.
    pub by: Identity,
    /// What it came to.
    pub smoke: Smoke,
}

/// A reproduction in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ReproductionOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it ended.
    pub time: Timestamp,
    /// Who repeated it.
    pub by: Identity,
    /// What it came to.
    pub it: Reproduction,
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
    /// How its named baselines came to be what they are, oldest first.
    pub moves: Vec<MoveOf>,
    /// What was posted about it or is to be, oldest first.
    pub issue: Vec<IssueEventOf>,
}

/// A baseline's move, with its entry, its time and who made it.
pub type MoveOf = (EntryId, Timestamp, Identity, BaselineMove);

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
    /// What was decided about it, the decision in force last.
    pub rulings: Vec<RulingOf>,
    /// Other decisions that claim to be in force, because two replaced the same one.
    pub conflicting_rulings: Vec<EntryId>,
    /// Its reviews, oldest first.
    pub reviews: Vec<ReviewOf>,
    /// The comparisons of it that were looked at before they were complete, oldest first.
    pub looks: Vec<Look>,
    /// Whether another experiment has the same alias, so that this one is told apart by its writer.
    pub shares_alias: bool,
}

/// A note, with its entry and its time.
pub type NoteOf = (EntryId, Timestamp, Note);

/// A decision in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct RulingOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it was made.
    pub time: Timestamp,
    /// Who made it.
    pub by: Identity,
    /// What was decided.
    pub ruling: Ruling,
}

/// A review in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewOf {
    /// Its entry.
    pub entry: EntryId,
    /// When it was written.
    pub time: Timestamp,
    /// Who wrote it.
    pub by: Identity,
    /// What was written.
    pub review: Review,
}

/// What was registered of an experiment.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The entry that registered it: its identity.
    pub entry: EntryId,
    /// The clone that registered it.
    pub writer: Writer,
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub by: Identity,
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
    /// Wall-clock seconds times the accelerators that each was charged for.
    pub accelerator_seconds: f64,
    /// Wall-clock seconds over those that ended well.
    pub ok_wall_seconds: f64,
    /// How many of them were the warm-ups of a series of pairs.
    pub warm_ups: u64,
    /// How many of them ran under other evaluation code than their topic pinned.
    pub evaluation_changed: u64,
}

impl Tally {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many there are, warm-ups left out.
    pub fn trials(&self) -> u64 {
        self.total().saturating_sub(self.warm_ups)
    }

    /// How many did not end well.
    pub fn failed(&self) -> u64 {
        self.by_status.iter().filter(|(status, _)| **status != Status::Ok).map(|(_, count)| count).sum()
    }

    /// How long those that ended well took on average; `None` where none did.
    pub fn mean_wall_seconds(&self) -> Option<f64> {
        let count = *self.by_status.get(&Status::Ok).filter(|count| **count > 0)?;
        Some(self.ok_wall_seconds / count as f64)
    }

    /// Takes one run in.
    pub fn add(&mut self, status: Status, started: Timestamp, wall_seconds: f64, accelerator_seconds: f64) {
        *self.by_status.entry(status).or_default() += 1;
        self.first = Some(self.first.map_or(started, |first| first.min(started)));
        self.latest = Some(self.latest.map_or(started, |latest| latest.max(started)));
        if wall_seconds.is_finite() {
            self.wall_seconds += wall_seconds;
            if status == Status::Ok {
                self.ok_wall_seconds += wall_seconds;
            }
        }
        if accelerator_seconds.is_finite() {
            self.accelerator_seconds += accelerator_seconds;
        }
    }
}

/// What tells an experiment's runs from all others: its alias in lower case, and the entry that registered it.
pub type RunsOf = (String, Option<EntryId>);

/// Tallies of runs, by the experiment's alias (in lower case) and the entry that registered it.
pub type Tallies = HashMap<RunsOf, (ExperimentId, Tally)>;

/// What was judged of experiments, by the entry that registered each.
struct Judgements {
    /// The decisions, the one in force last, and those in conflict with it.
    rulings: HashMap<EntryId, (Vec<RulingOf>, Vec<EntryId>)>,
    reviews: HashMap<EntryId, Vec<ReviewOf>>,
    looks: HashMap<EntryId, Vec<Look>>,
}

impl Judgements {
    fn of(entries: &[Entry], replaced: &HashSet<EntryId>) -> Self {
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sorted.sort_by_key(|entry| (entry.time, entry.id));
        let mut found = Self { rulings: HashMap::new(), reviews: HashMap::new(), looks: HashMap::new() };
        for entry in &sorted {
            let (time, by) = (entry.time, entry.by.clone());
            match &entry.body {
                Body::Decision(ruling) => {
                    let known = &mut found.rulings.entry(ruling.registration).or_default().0;
                    known.push(RulingOf { entry: entry.id, time, by, ruling: ruling.clone() });
                }
                Body::Review(review) => {
                    let known = found.reviews.entry(review.registration).or_default();
                    known.push(ReviewOf { entry: entry.id, time, by, review: review.clone() });
                }
                Body::Look(look) => found.looks.entry(look.registration).or_default().push(look.clone()),
                _ => {}
            }
        }
        for (rulings, conflicts) in found.rulings.values_mut() {
            // What was revised stands before what is in force, whatever the clocks say.
            rulings.sort_by_key(|it| !replaced.contains(&it.entry));
            let open = rulings.iter().filter(|it| !replaced.contains(&it.entry));
            let mut open: Vec<EntryId> = open.map(|it| it.entry).collect();
            open.pop();
            *conflicts = open;
        }
        found
    }
}

impl State {
    /// Folds `entries`, whatever their order, with the tallies of the runs.
    pub fn fold(entries: &[Entry], tallies: Tallies) -> Self {
        let withdrawals = entries.iter().filter_map(|entry| match &entry.body {
            Body::Withdrawal(it) if it.results == Results::Withdrawn => Some(&it.entries),
            _ => None,
        });
        let withdrawn: HashSet<EntryId> = withdrawals.flatten().map(|it| it.entry).collect();
        if withdrawn.is_empty() {
            return Self::fold_all(entries, tallies);
        }
        let kept = entries.iter().filter(|entry| !withdrawn.contains(&entry.id));
        Self::fold_all(&kept.cloned().collect::<Vec<_>>(), tallies)
    }

    fn fold_all(entries: &[Entry], mut tallies: Tallies) -> Self {
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
                        by: entry.by.clone(),
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

        let mut verdicts = Judgements::of(entries, &replaced);
        let mut registered: Vec<Registered> = registered.into_values().collect();
        registered.sort_by_key(|it| (it.time, it.entry));
        for it in registered {
            let id = it.current.experiment.clone();
            let key = (id.key(), Some(it.entry));
            let runs = tallies.remove(&key).map(|(_, tally)| tally).unwrap_or_default();
            let notes = take_notes(&key);
            let (rulings, conflicting_rulings) = verdicts.rulings.remove(&it.entry).unwrap_or_default();
            state.experiments.push(ExperimentState {
                id,
                rulings,
                conflicting_rulings,
                reviews: verdicts.reviews.remove(&it.entry).unwrap_or_default(),
                looks: verdicts.looks.remove(&it.entry).unwrap_or_default(),
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
                rulings: Vec::new(),
                conflicting_rulings: Vec::new(),
                reviews: Vec::new(),
                looks: Vec::new(),
                shares_alias: false,
            });
        }
        state.fold_ideas(entries, &replaced);
        state.fold_rules(entries);
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
                    let it = TopicState {
                        topic: topic.clone(),
                        entry: entry.id,
                        opened,
                        conflicts: Vec::new(),
                        moves: Vec::new(),
                        issue: Vec::new(),
                    };
                    self.topics.insert(topic.name.clone(), it);
                }
            }
        }
        self.fold_moves(entries);
        self.fold_issues(entries);
    }

    /// Ideas with their amendments, their ratings and the experiments that try them.
    fn fold_ideas(&mut self, entries: &[Entry], replaced: &HashSet<EntryId>) {
        let mut sorted: Vec<&Entry> = entries
            .iter()
            .filter(|entry| matches!(entry.body, Body::Idea(_) | Body::Rating(_) | Body::Brief(_)))
            .collect();
        sorted.sort_by_key(|entry| (entry.time, entry.id));
        let mut ideas: BTreeMap<EntryId, IdeaState> = BTreeMap::new();
        for entry in &sorted {
            if let Body::Idea(idea) = &entry.body
                && idea.first.is_none()
            {
                let it = IdeaState {
                    first: entry.id,
                    entry: entry.id,
                    time: entry.time,
                    by: entry.by.clone(),
                    writer: entry.writer.clone(),
                    idea: idea.clone(),
                    ratings: Vec::new(),
                    experiments: Vec::new(),
                    shares_number: false,
                    conflicts: Vec::new(),
                };
                ideas.insert(entry.id, it);
            }
        }
        for entry in &sorted {
            match &entry.body {
                Body::Idea(idea) if !replaced.contains(&entry.id) => {
                    let Some(known) = idea.first.and_then(|first| ideas.get_mut(&first)) else { continue };
                    if known.entry != known.first {
                        known.conflicts.push(known.entry);
                    }
                    known.idea = idea.clone();
                    known.entry = entry.id;
                }
                Body::Rating(rating) => {
                    let Some(known) = ideas.get_mut(&rating.idea) else { continue };
                    let (time, by) = (entry.time, entry.by.clone());
                    known.ratings.push(RatingOf { entry: entry.id, time, by, rating: rating.clone() });
                }
                Body::Brief(it) => {
                    let Some(known) = it.idea.and_then(|idea| ideas.get_mut(&idea)) else { continue };
                    let registration = it.registration.unwrap_or(entry.id);
                    if !known.experiments.contains(&registration) {
                        known.experiments.push(registration);
                    }
                }
                _ => {}
            }
        }
        self.ideas = ideas.into_values().collect();
        self.ideas.sort_by_key(|it| (it.time, it.first));
        let mut seen: HashMap<u32, usize> = HashMap::new();
        for it in &self.ideas {
            *seen.entry(it.idea.number).or_default() += 1;
        }
        for it in &mut self.ideas {
            it.shares_number = seen[&it.idea.number] > 1;
        }
    }

    /// What was set aside, which code passed its smoke test, and what was repeated.
    fn fold_rules(&mut self, entries: &[Entry]) {
        for entry in entries {
            let (time, by) = (entry.time, entry.by.clone());
            match &entry.body {
                Body::Override(it) => {
                    self.overrides.push(OverrideOf { entry: entry.id, time, by, it: it.clone() });
                }
                Body::Smoke(smoke) => {
                    self.smokes.push(SmokeOf { entry: entry.id, time, by, smoke: smoke.clone() });
                }
                Body::Reproduction(it) => {
                    let it = Reproduction::clone(it);
                    self.reproductions.push(ReproductionOf { entry: entry.id, time, by, it });
                }
                _ => {}
            }
        }
        self.overrides.sort_by_key(|it| (it.time, it.entry));
        self.smokes.sort_by_key(|it| (it.time, it.entry));
        self.reproductions.sort_by_key(|it| (it.time, it.entry));
    }

    /// Moves the named baselines, in the order of time; what a topic's entry says holds until the first move after it.
    fn fold_moves(&mut self, entries: &[Entry]) {
        let written: HashMap<EntryId, Timestamp> =
            entries.iter().map(|entry| (entry.id, entry.time)).collect();
        let mut moves: Vec<(&Entry, &BaselineMove)> = entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Baseline(it) => Some((entry, it)),
                _ => None,
            })
            .collect();
        moves.sort_by_key(|(entry, _)| (entry.time, entry.id));
        for (entry, it) in moves {
            let Some(topic) = self.topics.get_mut(&it.topic) else { continue };
            if written.get(&topic.entry).is_none_or(|stated| *stated <= entry.time) {
                topic.topic.baselines.insert(it.name.clone(), it.to.clone());
            }
            topic.moves.push((entry.id, entry.time, entry.by.clone(), it.clone()));
        }
    }

    /// What was posted about topics, in the order of time.
    fn fold_issues(&mut self, entries: &[Entry]) {
        for entry in entries {
            let Body::Issue(event) = &entry.body else { continue };
            let Some(topic) = self.topics.get_mut(&event.topic) else { continue };
            topic.issue.push(IssueEventOf {
                entry: entry.id,
                writer: entry.writer.clone(),
                time: entry.time,
                answers: entry.answers,
                event: event.clone(),
            });
        }
        for topic in self.topics.values_mut() {
            topic.issue.sort_by_key(|it| (it.time, it.entry));
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

    /// The registered experiment that the branch of this alias belongs to, in the clone of `writers`: its own, where several
    /// have the alias; `None` too where none of several is its own.
    pub fn of_branch(&self, id: &ExperimentId, writers: &[Writer]) -> Option<&ExperimentState> {
        let mut found = self.experiments.iter().filter(|it| it.registered.is_some() && it.id == *id);
        found.find(|it| it.has_branch_of(writers))
    }

    /// The ideas that `text` names: by number, or by `number@writer` where several have the same.
    pub fn find_idea(&self, text: &str) -> Vec<&IdeaState> {
        let (number, writer) = match text.split_once('@') {
            Some((number, writer)) => (number, Some(writer)),
            None => (text, None),
        };
        let Ok(number) = number.parse::<u32>() else { return Vec::new() };
        let is_named = |it: &&IdeaState| {
            it.idea.number == number && writer.is_none_or(|writer| it.writer.as_str().starts_with(writer))
        };
        self.ideas.iter().filter(is_named).collect()
    }

    /// The first number that no idea has.
    pub fn next_idea_number(&self) -> u32 {
        self.ideas.iter().map(|it| it.idea.number).max().map_or(1, |number| number.saturating_add(1))
    }

    /// The first number that no experiment with this prefix has.
    pub fn next_number(&self, prefix: &Prefix) -> u32 {
        let taken = self.experiments.iter().filter_map(|it| prefix.number_of(&it.id)).max();
        taken.map_or(1, |number| number + 1)
    }
}

impl IdeaState {
    /// The name that tells it from every other idea: its number, with its writer where another has the same.
    pub fn name(&self) -> String {
        match self.shares_number {
            true => format!("{}@{}", self.idea.number, self.writer),
            false => self.idea.number.to_string(),
        }
    }

    /// Whether it is still to be tried: neither dropped nor taken up by an experiment.
    pub fn is_open(&self) -> bool {
        self.idea.dropped.is_none() && self.experiments.is_empty()
    }
}

impl ExperimentState {
    /// The entry that registered it; absent for a day's scratch.
    pub fn registration(&self) -> Option<EntryId> {
        self.registered.as_ref().map(|it| it.entry)
    }

    /// The brief in force; absent for a day's scratch.
    pub fn brief(&self) -> Option<&Brief> {
        self.registered.as_ref().map(|it| &it.current.brief)
    }

    /// What tells its runs from all others.
    pub fn key(&self) -> RunsOf {
        (self.id.key(), self.registration())
    }

    /// The name that tells it from every other experiment: its alias, with its writer where another has the same.
    pub fn name(&self) -> String {
        match &self.registered {
            Some(registered) if self.shares_alias => format!("{}@{}", self.id, registered.writer),
            _ => self.id.to_string(),
        }
    }

    /// Whether the branch of its alias in the clone of `writers`, its present and former names, is its own, and not that of
    /// another that was numbered alike.
    pub fn has_branch_of(&self, writers: &[Writer]) -> bool {
        let registered = self.registered.as_ref();
        !self.shares_alias || registered.is_some_and(|it| writers.contains(&it.writer))
    }

    /// How far it has come; `None` for a scratch experiment, which has no stages.
    pub fn stage(&self) -> Option<Stage> {
        let brief = &self.registered.as_ref()?.current.brief;
        let is_complete = brief.missing().is_empty();
        Some(Stage::of(is_complete, self.runs.trials(), brief.planned_trials(), self.decision()))
    }

    /// What was decided about it.
    pub fn decision(&self) -> Option<Decision> {
        self.ruling().map(|it| it.ruling.decision)
    }

    /// The decision in force.
    pub fn ruling(&self) -> Option<&RulingOf> {
        self.rulings.last()
    }

    /// The decision in force, where it is for good.
    pub fn final_ruling(&self) -> Option<&RulingOf> {
        self.ruling().filter(|_| self.stage() == Some(Stage::Decided))
    }

    /// The topic it belongs to.
    pub fn topic(&self) -> Option<&TopicName> {
        self.registered.as_ref()?.current.topic.as_ref()
    }
}
