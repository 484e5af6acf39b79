//! What the repository holds around experiments: branches, worktrees, seals, archives, and their best runs.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::criterion::{Criterion, Operator};
use crate::domain::entry::Body;
use crate::domain::experiment::Stage;
use crate::domain::id::{EntryId, ExperimentId};
use crate::domain::metric::Better;
use crate::domain::state::{ExperimentState, State};
use crate::error::Error;
use crate::log::index::{Index, query};
use crate::log::layout;
use crate::render::experiment::{Best, ExperimentView};

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
    best: HashMap<RunsOf, Best>,
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
        let worktrees = context
            .repo
            .worktrees()?
            .into_iter()
            .filter_map(|worktree| Some((worktree.branch?.to_ascii_lowercase(), worktree.path)))
            .collect();
        Ok(Self {
            branches: after(BRANCHES)?.into_iter().map(|name| (name.to_ascii_lowercase(), name)).collect(),
            archived: after(layout::ARCHIVE)?.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
            seals,
            worktrees,
            best: HashMap::new(),
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
            if let Some(criterion) = brief_of(experiment).and_then(|brief| brief.accept.first()) {
                let metric = (criterion.metric.clone(), direction(criterion));
                wanted.entry(metric).or_default().push(key(experiment));
            }
        }
        let mut found: Vec<(RunsOf, String, query::Best)> = Vec::new();
        for ((metric, better), experiments) in wanted {
            let best = query::best(index, &metric, better).map_err(unreadable_index)?;
            found.extend(
                experiments
                    .into_iter()
                    .filter_map(|it| best.get(&it).map(|best| (it, metric.clone(), *best))),
            );
        }
        let rows: Vec<_> = found.iter().map(|(_, _, best)| best.row).collect();
        let entries = context.log.entries(index, &rows)?;
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let short = index.short_ids(&ids).map_err(unreadable_index)?;
        for (((experiment, metric, best), entry), run) in found.into_iter().zip(entries).zip(short) {
            let unit = match entry.body {
                Body::Run(run) => run.metrics.get(&metric).and_then(|value| value.unit.clone()),
                _ => None,
            };
            self.best.insert(experiment, Best { metric, value: best.value, unit, run });
        }
        Ok(())
    }

    /// Whether the experiment was put away.
    pub fn is_archived(&self, id: &ExperimentId) -> bool {
        self.archived.contains(&id.key()) && !self.branches.contains_key(&id.key())
    }

    /// Where the experiment's branch is checked out.
    pub fn worktree(&self, id: &ExperimentId) -> Option<&Path> {
        let branch = format!("refs/heads/{}", layout::experiment_branch(id));
        self.worktrees.get(&branch.to_ascii_lowercase()).map(PathBuf::as_path)
    }

    /// The experiment with what there is around it.
    pub fn view<'a>(&self, experiment: &'a ExperimentState) -> ExperimentView<'a> {
        let id = &experiment.id;
        let registered = experiment.registered.as_ref();
        ExperimentView {
            id: experiment.name(),
            topic: experiment.topic().map(crate::domain::id::TopicName::as_str),
            branch: self.branches.get(&id.key()).map(|name| format!("exp/{name}")),
            worktree: self.worktree(id).map(|path| self.shown(path)),
            // A day's scratch has nothing that could end.
            stage: experiment.stage().unwrap_or(Stage::Running),
            decision: experiment.decision(),
            statuses: experiment.runs.by_status.clone(),
            warm_ups: experiment.runs.warm_ups,
            wall_seconds: experiment.runs.wall_seconds,
            accelerator_seconds: experiment.runs.accelerator_seconds,
            sealed: self.seals.get(&id.key()).cloned().unwrap_or_default(),
            confidence: "exploratory".to_owned(),
            brief: brief_of(experiment),
            registration: registered.map(|it| it.entry.to_hex()),
            registered: registered.map(|it| it.time),
            first_run: experiment.runs.first,
            best: self.best.get(&key(experiment)).cloned(),
            was_amended_after_first_run: was_amended_after_first_run(experiment),
            is_archived: self.is_archived(id),
            conflicts: registered
                .map(|it| it.conflicts.as_slice())
                .unwrap_or_default()
                .iter()
                .map(|entry| format!("the amendment {} replaces the same brief", entry.short()))
                .collect(),
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

/// What tells an experiment's runs from all others: its alias in lower case, and the entry that registered it.
type RunsOf = (String, Option<EntryId>);

/// What tells the runs of `experiment` from all others.
pub fn key(experiment: &ExperimentState) -> RunsOf {
    (experiment.id.key(), experiment.registered.as_ref().map(|it| it.entry))
}

/// The brief in force.
pub fn brief_of(experiment: &ExperimentState) -> Option<&Brief> {
    experiment.registered.as_ref().map(|it| &it.current.brief)
}

/// Says that the index could not be read.
pub fn unreadable_index(error: std::io::Error) -> Error {
    Error::outside("cannot read the index")
        .because(error)
        .hint("`git exp fsck --repair` builds it anew from the log")
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
