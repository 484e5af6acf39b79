//! Chronicles: what happened in a topic, in the order of time, with the runs of one call taken together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::cell::{Outcome, Trial, cells};
use super::decision::Decision;
use super::entry::{Body, Entry, Identity};
use super::id::{EntryId, Nonce};
use super::run::{PairSide, Run};
use super::state::{ExperimentState, State, TopicState};
use super::topic::Topic;

/// Something that happened: one entry, or the runs of one call.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The entries it stands for, oldest first; never empty.
    pub entries: Vec<EntryId>,
    /// When it was recorded; the last of its entries.
    pub time: Timestamp,
    /// Who recorded it.
    pub by: &'a Identity,
    /// The experiment it is about.
    pub experiment: Option<&'a ExperimentState>,
    /// What a topic said before, where it amends one.
    pub before: Option<&'a Topic>,
    /// What it was.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// Something that one entry says.
    Entry(&'a Entry),
    /// One command ran, some times.
    Series(Series<'a>),
}

/// The runs of one call of one command, warm-ups left out.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// The runs, oldest first; never empty.
    pub trials: Vec<Trial<'a>>,
    /// Whether others of the same call stand elsewhere already.
    pub continues: bool,
    /// What the runs are held against, where that ran before.
    pub baseline: Option<Baseline<'a>>,
}

/// The runs of the baseline, as far as they were there.
#[derive(Clone, Debug)]
pub struct Baseline<'a> {
    /// What it is called.
    pub name: String,
    /// Those of its runs that count, oldest first.
    pub trials: Vec<Trial<'a>>,
}

/// The runs of what briefs call a baseline, by what it is called once named baselines are looked up.
pub type BaselineTrials<'a> = HashMap<String, Vec<Trial<'a>>>;

/// What one metric came to over trials, one of the cases or all.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    /// The metric.
    pub name: String,
    /// The case.
    pub case: Option<String>,
    /// Its unit.
    pub unit: Option<String>,
    /// Its values in the trials that ended well.
    pub values: Vec<f64>,
    /// Its values in the baseline's.
    pub baseline: Vec<f64>,
}

/// What happened in `topic`: `entries` are all those of the log that are no runs, `runs` those of the topic's
/// experiments; `written` are the entries that stand elsewhere already and are left out.
pub fn chronicle<'a>(
    state: &'a State,
    topic: &'a TopicState,
    entries: &'a [Entry],
    runs: &'a [Entry],
    baselines: &BaselineTrials<'a>,
    written: &BTreeSet<EntryId>,
) -> Vec<Event<'a>> {
    let name = &topic.topic.name;
    let experiments: HashMap<EntryId, &ExperimentState> = state
        .experiments
        .iter()
        .filter(|it| it.topic() == Some(name))
        .filter_map(|it| Some((it.registered.as_ref()?.entry, it)))
        .collect();
    let topics: HashMap<EntryId, &Topic> = entries
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Topic(topic) => Some((entry.id, topic)),
            _ => None,
        })
        .collect();
    let mut events = Vec::new();
    for entry in entries {
        let registration = registration_of(entry);
        let experiment = registration.and_then(|id| experiments.get(&id).copied());
        let is_of_topic = match &entry.body {
            Body::Rating(rating) => {
                state.ideas.iter().any(|it| it.first == rating.idea && it.idea.topic.as_ref() == Some(name))
            }
            _ => entry.topic() == Some(name),
        };
        // What a smoke test passed is shown by what ran after it.
        let is_told = match &entry.body {
            Body::Smoke(smoke) => !smoke.passed,
            Body::Issue(it) => it.is_told(),
            _ => true,
        };
        if (experiment.is_some() || is_of_topic) && is_told && !written.contains(&entry.id) {
            events.push(Event {
                entries: vec![entry.id],
                time: entry.time,
                by: &entry.by,
                experiment,
                before: entry.replaces.first().and_then(|id| topics.get(id).copied()),
                what: What::Entry(entry),
            });
        }
    }
    events.extend(series(topic, &experiments, runs, baselines, written));
    events.sort_by_key(|event| (event.time, event.place(), event.entries[0]));
    events
}

impl Event<'_> {
    /// Its place among events of the same moment: what others can stand on comes first.
    fn place(&self) -> u8 {
        let What::Entry(entry) = &self.what else { return 2 };
        match entry.body {
            Body::Topic(_) => 0,
            Body::Idea(_) | Body::Brief(_) => 1,
            Body::Look(_) | Body::Smoke(_) | Body::Run(_) => 3,
            Body::Note(_)
            | Body::Rating(_)
            | Body::Override(_)
            | Body::Withdrawal(_)
            | Body::Unreadable { .. } => 4,
            Body::Review(_) | Body::Reproduction(_) => 5,
            Body::Decision(_) => 6,
            Body::Baseline(_) => 7,
            Body::Issue(_) => 8,
        }
    }
}

/// The registration of the experiment that an entry is about: that entry itself where it registers one.
fn registration_of(entry: &Entry) -> Option<EntryId> {
    match &entry.body {
        Body::Brief(it) => Some(it.registration.unwrap_or(entry.id)),
        _ => entry.registration(),
    }
}

fn series<'a>(
    topic: &TopicState,
    experiments: &HashMap<EntryId, &'a ExperimentState>,
    runs: &'a [Entry],
    baselines: &BaselineTrials<'a>,
    written: &BTreeSet<EntryId>,
) -> Vec<Event<'a>> {
    type Call<'a> = Vec<(&'a Entry, &'a Run)>;
    let mut calls: BTreeMap<(Nonce, EntryId), Call<'a>> = BTreeMap::new();
    let mut paired: HashMap<Nonce, Vec<Trial<'a>>> = HashMap::new();
    for entry in runs {
        let Body::Run(run) = &entry.body else { continue };
        if let Some(pair) = run.pair {
            if pair.number == 0 {
                continue;
            }
            if pair.side == PairSide::Baseline {
                paired.entry(run.group).or_default().push(Trial { id: entry.id, run });
                continue;
            }
        }
        if let Some(registration) = run.membership.registration.filter(|id| experiments.contains_key(id)) {
            calls.entry((run.group, registration)).or_default().push((entry, run));
        }
    }
    let mut events = Vec::with_capacity(calls.len());
    for ((group, registration), mut call) in calls {
        let all = call.len();
        call.retain(|(entry, _)| !written.contains(&entry.id));
        call.sort_by_key(|(entry, run)| (run.started, run.trial, entry.id));
        let Some((newest, _)) = call.iter().max_by_key(|(entry, _)| (entry.time, entry.id)) else { continue };
        let experiment = experiments[&registration];
        let time = newest.time;
        let brief = experiment.registered.as_ref().map(|it| &it.current.brief);
        let word = brief.and_then(|brief| brief.baseline.as_deref());
        let in_pairs = paired.get(&group).filter(|trials| !trials.is_empty());
        let baseline = match (in_pairs, word) {
            (Some(trials), word) => Some(Baseline {
                name: word.unwrap_or("the other of each pair").to_owned(),
                trials: trials.clone(),
            }),
            (None, Some(word)) => so_far(topic, baselines, word, time, &call),
            (None, None) => None,
        };
        events.push(Event {
            entries: call.iter().map(|(entry, _)| entry.id).collect(),
            time,
            by: &newest.by,
            experiment: Some(experiment),
            before: None,
            what: What::Series(Series {
                continues: call.len() < all,
                trials: call.into_iter().map(|(entry, run)| Trial { id: entry.id, run }).collect(),
                baseline,
            }),
        });
    }
    events
}

/// The newest runs of a baseline that had begun by then; what runs in the same call is not held against itself.
fn so_far<'a>(
    topic: &TopicState,
    baselines: &BaselineTrials<'a>,
    word: &str,
    time: Timestamp,
    call: &[(&Entry, &Run)],
) -> Option<Baseline<'a>> {
    let target = baseline_at(topic, word, time);
    let trials: Vec<Trial<'a>> = baselines
        .get(target)?
        .iter()
        .filter(|trial| trial.run.started <= time && !call.iter().any(|(entry, _)| entry.id == trial.id))
        .copied()
        .collect();
    let newest = cells(&trials).into_iter().find(|cell| cell.count(Outcome::Ended) > 0)?;
    let name = if target == word { word.to_owned() } else { format!("{word} ({target})") };
    Some(Baseline { name, trials: newest.trials().to_vec() })
}

/// What the baseline called `word` was at that time: itself, unless the topic has one of that name.
pub fn baseline_at<'a>(topic: &'a TopicState, word: &'a str, time: Timestamp) -> &'a str {
    let moves = || topic.moves.iter().filter(|(_, _, _, it)| it.name == word);
    if let Some((_, _, _, it)) = moves().rfind(|(_, moved, _, _)| *moved <= time) {
        return &it.to;
    }
    if let Some(from) = moves().next().and_then(|(_, _, _, it)| it.from.as_deref()) {
        return from;
    }
    topic.topic.baselines.get(word).map_or(word, String::as_str)
}

impl<'a> Series<'a> {
    /// What each metric came to, by name and case.
    pub fn rows(&self) -> Vec<MetricRow> {
        rows(&self.trials, self.baseline.as_ref().map(|it| it.trials.as_slice()).unwrap_or_default())
    }

    /// The run that stands for what all have in common.
    pub fn first(&self) -> &'a Run {
        self.trials[0].run
    }
}

/// What each metric came to over `trials`, beside `baseline`, by name and case.
pub fn rows(trials: &[Trial<'_>], baseline: &[Trial<'_>]) -> Vec<MetricRow> {
    let mut rows: BTreeMap<(String, Option<String>), MetricRow> = BTreeMap::new();
    let ended = |trials: &[Trial<'_>]| -> Vec<usize> {
        let ended = trials.iter().enumerate().filter(|(_, trial)| trial.outcome() == Outcome::Ended);
        ended.map(|(place, _)| place).collect()
    };
    for place in ended(trials) {
        for (name, value) in &trials[place].run.metrics {
            let mut take = |case: Option<&String>, number: f64| {
                let row = rows.entry((name.clone(), case.cloned())).or_insert_with(|| MetricRow {
                    name: name.clone(),
                    case: case.cloned(),
                    unit: value.unit.clone(),
                    values: Vec::new(),
                    baseline: Vec::new(),
                });
                row.values.push(number);
            };
            if let Some(number) = value.value {
                take(None, number);
            }
            for (case, number) in &value.cases {
                take(Some(case), *number);
            }
        }
    }
    for place in ended(baseline) {
        for (name, value) in &baseline[place].run.metrics {
            if let (Some(number), Some(row)) = (value.value, rows.get_mut(&(name.clone(), None))) {
                row.baseline.push(number);
            }
            for (case, number) in &value.cases {
                if let Some(row) = rows.get_mut(&(name.clone(), Some(case.clone()))) {
                    row.baseline.push(*number);
                }
            }
        }
    }
    rows.into_values().collect()
}

impl MetricRow {
    /// The mean of its values.
    pub fn mean(&self) -> f64 {
        mean(&self.values).unwrap_or(f64::NAN)
    }

    /// The mean of the baseline's values; `None` where there are none.
    pub fn baseline_mean(&self) -> Option<f64> {
        mean(&self.baseline)
    }

    /// The standard deviation of its values; `None` below two.
    pub fn standard_deviation(&self) -> Option<f64> {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (self.values.len() > 1).then(|| (squares / (self.values.len() - 1) as f64).sqrt())
    }

    /// How its mean stands to the baseline's; `None` without one, or where that is zero.
    pub fn relative(&self) -> Option<f64> {
        self.baseline_mean().filter(|mean| *mean != 0.0).map(|mean| self.mean() / mean - 1.0)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Whether an experiment came to nothing that was taken over: it was rejected, or all its runs failed.
pub fn is_negative(experiment: &ExperimentState) -> bool {
    match experiment.decision() {
        Some(Decision::Rejected) => true,
        Some(Decision::Accepted) => false,
        _ => experiment.runs.total() > 0 && experiment.runs.failed() == experiment.runs.total(),
    }
}
