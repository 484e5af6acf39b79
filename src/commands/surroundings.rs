//! What the repository holds around experiments: branches, worktrees, seals, archives, and their best runs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::comparing::compared_aside;
use crate::context::Context;
use crate::domain::confidence::Confidence;
use crate::domain::criterion::{Criterion, Operator};
use crate::domain::decision::Decision;
use crate::domain::entry::Body;
use crate::domain::experiment::Stage;
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::metric::Better;
use crate::domain::state::{ExperimentState, RunsOf, State};
use crate::error::Error;
use crate::log::index::{Index, query};
use crate::log::layout;
use crate::render::experiment::{Best, ExperimentView};
use crate::render::json::RepeatedJson;

const BRANCHES: &str = "refs/heads/exp/";
const SEALS: &str = "refs/tags/sealed/";

/// What the repository holds around experiments.
pub struct Surroundings {
    /// Branches of experiments by alias in lower case, with the name they really have.
    branches: HashMap<String, String>,
    archived: HashSet<String>,
    /// Seals by the alias in lower case.
    seals: HashMap<String, Vec<String>>,
    /// Where each branch is checked out, by its full name in lower case.
    worktrees: HashMap<String, PathBuf>,
    /// What came of repeating experiments, oldest first.
    reproductions: HashMap<RunsOf, Vec<RepeatedJson>>,
    best: HashMap<RunsOf, Best>,
    /// The experiments with the best value of their topics.
    best_of_topics: HashSet<RunsOf>,
    /// The name under which this clone appends.
    writers: Vec<Writer>,
    /// The folder that paths are shown from; they are absolute without one.
    shown_from: Option<PathBuf>,
}

impl Surroundings {
    /// Reads what there is around the experiments of `state`.
    pub fn read(context: &Context, state: &State) -> Result<Self, Error> {
        let after = |prefix: &str| -> Result<Vec<String>, Error> {
            let refs = context.repo.list_refs(prefix)?;
            Ok(refs.into_iter().map(|(name, _)| name[prefix.len()..].to_owned()).collect())
        };
        let known: HashSet<String> = state.experiments.iter().map(|it| it.id.key()).collect();
        let mut seals: HashMap<String, Vec<String>> = HashMap::new();
        for name in after(SEALS)? {
            let experiment = sealed_experiment(&name, &known);
            seals.entry(experiment).or_default().push(format!("sealed/{name}"));
        }
        let mut reproductions: HashMap<RunsOf, Vec<RepeatedJson>> = HashMap::new();
        for found in &state.reproductions {
            let of = (found.it.experiment.key(), found.it.registration);
            reproductions.entry(of).or_default().push(RepeatedJson {
                entry: found.entry.to_hex(),
                time: found.time.to_string(),
                target: found.it.target.to_string(),
                outcome: found.it.outcome.word(),
            });
        }
        let worktrees = context
            .repo
            .worktrees()?
            .into_iter()
            .filter(|worktree| !worktree.is_gone)
            .filter_map(|worktree| Some((worktree.branch?.to_ascii_lowercase(), worktree.path)))
            .collect();
        Ok(Self {
            branches: after(BRANCHES)?.into_iter().map(|name| (name.to_ascii_lowercase(), name)).collect(),
            archived: after(layout::ARCHIVE)?.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
            seals,
            worktrees,
            reproductions,
            best: HashMap::new(),
            best_of_topics: HashSet::new(),
            writers: context.log.own_writers()?,
            // A script must not depend on where it was started.
            shown_from: (!context.output.json).then(|| context.directory.clone()),
        })
    }

    /// Finds the best run of each of `experiments` by its primary metric.
    pub fn find_best<'a>(
        &mut self,
        context: &Context,
        index: &mut Index,
        experiments: impl IntoIterator<Item = &'a ExperimentState>,
    ) -> Result<(), Error> {
        let mut wanted: HashMap<(String, Better), Vec<RunsOf>> = HashMap::new();
        for experiment in experiments {
            if let Some(criterion) = experiment.brief().and_then(|brief| brief.accept.first()) {
                let metric = (criterion.metric.clone(), direction(criterion));
                wanted.entry(metric).or_default().push(experiment.key());
            }
        }
        let mut found: Vec<(RunsOf, String, query::Best)> = Vec::new();
        for ((metric, better), experiments) in wanted {
            let best = query::best(index, &metric, better)?;
            found.extend(
                experiments
                    .into_iter()
                    .filter_map(|it| best.get(&it).map(|best| (it, metric.clone(), *best))),
            );
        }
        let rows: Vec<_> = found.iter().map(|(_, _, best)| best.row).collect();
        let entries = context.log.entries(index, &rows)?;
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let short = index.short_ids(&ids)?;
        for (((experiment, metric, best), entry), run) in found.into_iter().zip(entries).zip(short) {
            let unit = match entry.body {
                Body::Run(run) => run.metrics.get(&metric).and_then(|value| value.unit.clone()),
                _ => None,
            };
            self.best.insert(experiment, Best { metric, value: best.value, unit, run });
        }
        Ok(())
    }

    /// Finds the experiment with the best value of each topic, among those that were not rejected; after [`Self::find_best`].
    ///
    /// The metric is the one that most of the topic's experiments are judged by.
    pub fn find_best_of_topics<'a>(
        &mut self,
        experiments: impl IntoIterator<Item = &'a ExperimentState>,
    ) -> Vec<BestOf<'a>> {
        type Rivals<'a> = (Better, Vec<&'a ExperimentState>);
        let mut topics: BTreeMap<&TopicName, BTreeMap<(&str, &str), Rivals<'a>>> = BTreeMap::new();
        for experiment in experiments {
            let criterion = experiment.brief().and_then(|brief| brief.accept.first());
            if let (Some(topic), Some(criterion)) = (experiment.topic(), criterion)
                && self.best.contains_key(&experiment.key())
            {
                let better = direction(criterion);
                let rivals = topics.entry(topic).or_default();
                let rivals = rivals.entry((criterion.metric.as_str(), better.word()));
                rivals.or_insert((better, Vec::new())).1.push(experiment);
            }
        }
        let mut found = Vec::new();
        for (topic, metrics) in topics {
            let widest = metrics.into_values().max_by_key(|(_, rivals)| rivals.len());
            let Some((better, rivals)) = widest else { continue };
            let value = |it: &ExperimentState| self.best[&it.key()].value;
            let order = |a: &&&ExperimentState, b: &&&ExperimentState| match better {
                Better::Lower => value(a).total_cmp(&value(b)),
                Better::Higher => value(b).total_cmp(&value(a)),
            };
            let open = rivals.iter().filter(|it| it.decision() != Some(Decision::Rejected));
            let Some(experiment) = open.min_by(order).copied() else { continue };
            let best = self.best[&experiment.key()].clone();
            let baseline = experiment.brief().and_then(|brief| brief.baseline.as_deref());
            let relative = baseline.and_then(|word| {
                let rival = rivals.iter().find(|it| it.id.as_str().eq_ignore_ascii_case(word))?;
                let (name, value) = (rival.name(), self.best[&rival.key()].value);
                (value != 0.0 && rival.id != experiment.id).then(|| (name, best.value / value - 1.0))
            });
            self.best_of_topics.insert(experiment.key());
            found.push(BestOf { topic, experiment, best, relative });
        }
        found
    }

    /// Whether the experiment was put away.
    pub fn is_archived(&self, experiment: &ExperimentState) -> bool {
        let key = experiment.id.key();
        self.is_own(experiment) && self.archived.contains(&key) && !self.branches.contains_key(&key)
    }

    /// Whether what is here under its alias is the experiment's, and not that of another that was numbered alike.
    fn is_own(&self, experiment: &ExperimentState) -> bool {
        experiment.has_branch_of(&self.writers)
    }

    /// Where the experiment's branch is checked out.
    pub fn worktree(&self, experiment: &ExperimentState) -> Option<&Path> {
        if !self.is_own(experiment) {
            return None;
        }
        let branch = format!("refs/heads/{}", layout::experiment_branch(&experiment.id));
        self.worktrees.get(&branch.to_ascii_lowercase()).map(PathBuf::as_path)
    }

    /// The experiment with what there is around it, and the confidence that its numbers have as they stand.
    ///
    /// To compare takes a while, so that lists leave it out.
    pub fn view_with_confidence<'a>(
        &self,
        context: &mut Context,
        index: &mut Index,
        state: &State,
        experiment: &'a ExperimentState,
    ) -> ExperimentView<'a> {
        let mut view = self.view(experiment);
        let is_known = experiment.ruling().is_some_and(|it| it.ruling.evidence.is_some());
        if !is_known && experiment.registered.is_some() && experiment.runs.total() > 0 {
            // What cannot be compared is exploratory.
            let found = compared_aside(context, index, state, &experiment.name(), |it| it.confidence);
            view.confidence = found.unwrap_or(Confidence::Exploratory).word().to_owned();
        }
        view
    }

    /// The experiment with what there is around it.
    pub fn view<'a>(&self, experiment: &'a ExperimentState) -> ExperimentView<'a> {
        let id = &experiment.id;
        let registered = experiment.registered.as_ref();
        ExperimentView {
            id: experiment.name(),
            topic: experiment.topic().map(crate::domain::id::TopicName::as_str),
            branch: self
                .branches
                .get(&id.key())
                .filter(|_| self.is_own(experiment))
                .map(|name| format!("exp/{name}")),
            worktree: self.worktree(experiment).map(|path| self.shown(path)),
            // A day's scratch has nothing that could end.
            stage: experiment.stage().unwrap_or(Stage::Running),
            decision: experiment.decision(),
            ruling: experiment.ruling(),
            statuses: experiment.runs.by_status.clone(),
            warm_ups: experiment.runs.warm_ups,
            evaluation_changed: experiment.runs.evaluation_changed,
            reproductions: self.reproductions.get(&experiment.key()).cloned().unwrap_or_default(),
            wall_seconds: experiment.runs.wall_seconds,
            accelerator_seconds: experiment.runs.accelerator_seconds,
            sealed: self.seals.get(&id.key()).cloned().unwrap_or_default(),
            confidence: experiment
                .ruling()
                .and_then(|it| it.ruling.evidence.as_ref())
                .map_or(Confidence::Exploratory.word(), |evidence| &evidence.confidence)
                .to_owned(),
            brief: experiment.brief(),
            registration: registered.map(|it| it.entry.to_hex()),
            registered: registered.map(|it| it.time),
            first_run: experiment.runs.first,
            best: self.best.get(&experiment.key()).cloned(),
            is_best_of_topic: self.best_of_topics.contains(&experiment.key()),
            was_amended_after_first_run: was_amended_after_first_run(experiment),
            is_archived: self.is_archived(experiment),
            conflicts: conflicts(experiment),
        }
    }

    fn shown(&self, path: &Path) -> String {
        let below = self.shown_from.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        match below {
            Some(below) if below.as_os_str().is_empty() => ".".to_owned(),
            Some(below) => below.display().to_string(),
            None => path.display().to_string(),
        }
    }
}

/// The best of a topic so far.
pub struct BestOf<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The experiment that reached it.
    pub experiment: &'a ExperimentState,
    /// The value.
    pub best: Best,
    /// The baseline of its brief, and the change against the best value of that, where that is an experiment.
    pub relative: Option<(String, f64)>,
}

/// Entries that claim the same place, in words.
pub fn conflicts(experiment: &ExperimentState) -> Vec<String> {
    let amendments = experiment.registered.iter().flat_map(|it| &it.conflicts);
    let amendments =
        amendments.map(|entry| format!("the amendment {} replaces the same brief", entry.short()));
    let decisions = experiment.conflicting_rulings.iter().map(|entry| {
        let ruling = experiment.rulings.iter().find(|it| it.entry == *entry);
        let what =
            ruling.map_or_else(String::new, |it| format!(" ({} by {})", it.ruling.decision, it.by.name));
        format!("the decision {}{what} claims to be in force too; decide again to settle it", entry.short())
    });
    amendments.chain(decisions).collect()
}

fn was_amended_after_first_run(experiment: &ExperimentState) -> bool {
    match (&experiment.registered, experiment.runs.first) {
        (Some(registered), Some(first)) => registered.amendments > 0 && registered.current_time > first,
        _ => false,
    }
}

/// The side on which a metric is better, as its criterion has it.
fn direction(criterion: &Criterion) -> Better {
    match criterion.operator {
        Operator::AtMost => Better::Lower,
        Operator::AtLeast => Better::Higher,
    }
}

/// The experiment, in lower case, that the seal `name` is of: `A-001`, or `A-001-2` for its second one.
fn sealed_experiment(name: &str, known: &HashSet<String>) -> String {
    let name = name.to_ascii_lowercase();
    match name.rsplit_once('-') {
        Some((experiment, number))
            if !known.contains(&name) && known.contains(experiment) && number.parse::<u32>().is_ok() =>
        {
            experiment.to_owned()
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_belongs_to_the_experiment_it_names() {
        let known: HashSet<String> = ["a-1", "a-1-2", "b"].map(str::to_owned).into();
        assert_eq!(sealed_experiment("A-1", &known), "a-1");
        assert_eq!(sealed_experiment("A-1-2", &known), "a-1-2");
        assert_eq!(sealed_experiment("A-1-3", &known), "a-1");
        assert_eq!(sealed_experiment("B-c", &known), "b-c");
    }
}
