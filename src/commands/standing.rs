//! The comparison that an experiment stands on, so that no number is shown beside a verdict that it does not belong to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::comparing::{compared_aside, compared_runs_aside};
use super::deciding::COMPARISON;
use super::recorded::stored;
use super::research::Research;
use crate::context::Context;
use crate::domain::cell::{Outcome as Ended, Trial, cells};
use crate::domain::comparison::Comparison;
use crate::domain::decision::Decision;
use crate::domain::entry::Body;
use crate::domain::id::EntryId;
use crate::domain::number::counted;
use crate::domain::run::Run;
use crate::domain::seal::FOLDER;
use crate::domain::state::ExperimentState;
use crate::domain::verdict::Outcome;
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::Index;
use crate::render::comparison::ComparisonFields;
use crate::render::text::command_line;

/// By experiment, the comparison that it stands on, or why there is none.
pub type Standings = BTreeMap<String, Result<ComparisonFields, String>>;

/// The comparison that each experiment of the topic stands on.
pub fn standings(context: &mut Context, index: &mut Index, research: &Research) -> Standings {
    research.experiments().map(|it| (it.name(), standing(context, index, research, it))).collect()
}

/// The comparison that an experiment stands on: the one that it was decided by, else as the numbers are now.
pub fn standing(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    experiment: &ExperimentState,
) -> Result<ComparisonFields, String> {
    if let Some(decided) = decided(context, research, experiment) {
        return decided;
    }
    let fields = |comparison: &Comparison<'_>| comparison.into();
    compared_aside(context, index, &research.state, &experiment.name(), fields).map_err(|error| why(&error))
}

/// The comparison of some runs of an experiment alone, whatever it was decided by.
pub fn of_runs(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    experiment: &ExperimentState,
    runs: &[EntryId],
) -> Result<ComparisonFields, String> {
    let name = experiment.name();
    let called = format!("{} of {name}", counted(runs.len(), "run"));
    let fields = |comparison: &Comparison<'_>| comparison.into();
    compared_runs_aside(context, index, &research.state, &name, (&called, runs), fields)
        .map_err(|error| why(&error))
}

fn why(error: &Error) -> String {
    let causes = error.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
    format!("{}{causes}", error.message)
}

/// A comparison as a document shows it, or `why` there is none.
pub fn shown(found: &Result<ComparisonFields, String>) -> Result<Value, Error> {
    match found {
        Ok(fields) => Ok(serde_json::to_value(fields).map_err(std::io::Error::from)?),
        Err(why) => Ok(json!({ "why": why })),
    }
}

/// The comparison that an experiment was decided by; `None` where it is not decided for good.
pub fn decided(
    context: &Context,
    research: &Research,
    experiment: &ExperimentState,
) -> Option<Result<ComparisonFields, String>> {
    let ruling = experiment.final_ruling()?;
    let Some(evidence) = &ruling.ruling.evidence else {
        return Some(Err("nothing was compared when it was decided".to_owned()));
    };
    let files = research.entry(ruling.entry).and_then(|entry| entry.files.as_ref());
    let bytes = files.and_then(|files| stored(context, &files.tree, &COMPARISON.into()).ok()?);
    let whole = bytes.and_then(|bytes| ComparisonFields::stored(&bytes));
    Some(Ok(whole.unwrap_or_else(|| ComparisonFields::of_evidence(evidence, experiment.name()))))
}

/// The comparison that a seal at this commit holds.
pub fn sealed(context: &Context, commit: Oid) -> Result<Option<ComparisonFields>, Error> {
    let tree = context.repo.read_commit(commit)?.tree;
    let bytes = context.repo.read_path(tree, format!("{FOLDER}/{COMPARISON}").as_bytes())?;
    Ok(bytes.and_then(|bytes| ComparisonFields::stored(&bytes)))
}

/// Those of `experiments` that may be called the best: the ones that are shown to be better where there are any, and none that
/// its comparison rejects; of those that were compared with the same baseline, the one that gained most.
pub fn contenders<'a>(
    experiments: &[&'a ExperimentState],
    standings: &Standings,
) -> Vec<&'a ExperimentState> {
    let standing = |it: &ExperimentState| standings.get(&it.name()).and_then(|it| it.as_ref().ok());
    let outcome = |it: &ExperimentState| standing(it).and_then(ComparisonFields::outcome);
    let is_taken = |it: &ExperimentState| it.decision() == Some(Decision::Accepted);
    let open: Vec<&ExperimentState> = experiments
        .iter()
        .copied()
        .filter(|it| it.decision() != Some(Decision::Rejected))
        .filter(|it| is_taken(it) || outcome(it) != Some(Outcome::Reject))
        .collect();
    let is_shown = |it: &&ExperimentState| is_taken(it) || outcome(it) == Some(Outcome::Accept);
    let shown: Vec<&ExperimentState> = open.iter().copied().filter(is_shown).collect();
    let rivals = if shown.is_empty() { open } else { shown };
    let gains: Option<Vec<_>> = rivals
        .iter()
        .map(|it| {
            let standing = standing(it)?;
            let (metric, gain) = standing.gain()?;
            Some((*it, (standing.baseline(), metric), gain))
        })
        .collect();
    let Some(gains) = gains.filter(|it| it.windows(2).all(|pair| pair[0].1 == pair[1].1)) else {
        return rivals;
    };
    gains.into_iter().max_by(|a, b| a.2.total_cmp(&b.2)).map(|it| it.0).into_iter().collect()
}

/// The code that the numbers of an experiment are of: what was compared, else what ran last; `None` where nothing ran.
pub fn measured_code(
    research: &Research,
    experiment: &ExperimentState,
    comparison: Option<&ComparisonFields>,
) -> Option<Oid> {
    Oid::from_hex(measured(research, experiment, comparison).last()?.code.commit.as_str())
}

/// The code, the command and how many runs the numbers of an experiment are of: `measured`; `None` where nothing ran.
#[derive(Serialize)]
pub struct MeasuredFields {
    command: String,
    commit: String,
    runs: usize,
}

impl MeasuredFields {
    /// Those of the experiment, which stands on `comparison`.
    pub fn of(
        research: &Research,
        experiment: &ExperimentState,
        comparison: Option<&ComparisonFields>,
    ) -> Option<Self> {
        let runs = measured(research, experiment, comparison);
        let run = runs.last()?;
        Some(Self {
            command: command_line(&run.argv),
            commit: run.code.commit.short().to_owned(),
            runs: runs.len(),
        })
    }
}

/// The runs that the numbers of an experiment are of, oldest first: those compared, else the newest that are alike.
fn measured<'a>(
    research: &'a Research,
    experiment: &ExperimentState,
    comparison: Option<&ComparisonFields>,
) -> Vec<&'a Run> {
    let trials = research.trials_of(experiment);
    let is_compared =
        |trial: &Trial<'_>| comparison.is_some_and(|it| it.runs()[1].contains(&trial.id.to_hex()));
    let mut own: Vec<Trial<'a>> = trials.iter().copied().filter(is_compared).collect();
    if own.is_empty() {
        let all = cells(&trials);
        let cell = all.iter().find(|cell| cell.count(Ended::Ended) > 0).or(all.first());
        own = cell.map(|cell| cell.trials().to_vec()).unwrap_or_default();
    }
    own.sort_by_key(|trial| (trial.run.started, trial.id));
    own.iter().map(|trial| trial.run).collect()
}

/// The commands that repeat what an experiment came to: the code and the parameters that ran, and what they were compared with, each
/// at its commit; `None` where nothing ran.
pub fn again(
    context: &Context,
    index: &mut Index,
    research: &Research,
    experiment: &ExperimentState,
    comparison: Option<&ComparisonFields>,
) -> Option<String> {
    let [baseline, _] = comparison.map(|it| it.runs().clone()).unwrap_or_default();
    let runs = measured(research, experiment, comparison);
    let newest = runs.last()?;
    let other: Vec<Run> = runs_called(context, index, &baseline).into_iter().map(|(_, run)| run).collect();
    let switch = |run: &Run| format!("git switch --detach {}", run.code.commit);
    let mut lines = Vec::new();
    let mut against = String::new();
    if let Some(first) = other.first() {
        if newest.pair.is_some() {
            against = format!("--against {} ", first.code.commit);
        } else {
            lines.push(switch(first));
            lines.push(run_line(&other.iter().collect::<Vec<_>>(), ""));
        }
    }
    lines.push(switch(newest));
    lines.push(run_line(&runs, &against));
    Some(lines.join("\n"))
}

/// The runs with these IDs, as far as they are here.
pub fn runs_called(context: &Context, index: &mut Index, ids: &[String]) -> Vec<(EntryId, Run)> {
    let run = |id: &String| {
        let (_, entry) = context.log.find(index, id).ok()?;
        match entry.body {
            Body::Run(run) => Some((entry.id, *run)),
            _ => None,
        }
    };
    ids.iter().filter_map(run).collect()
}

/// The command that makes these runs again.
fn run_line(runs: &[&Run], against: &str) -> String {
    let Some(run) = runs.last() else { return String::new() };
    let place = match run.directory.to_string() {
        folder if folder.is_empty() => String::new(),
        folder => format!("cd {} && ", command_line(&[folder])),
    };
    let params =
        run.params.iter().map(|(name, value)| format!("-p {} ", command_line(&[format!("{name}={value}")])));
    let params: String = params.collect();
    let mut seeds: Vec<u64> = runs.iter().filter_map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let trials = match seeds.as_slice() {
        [] => format!("-n {} ", runs.len()),
        [seed] => format!("-n 1 --seed {seed} "),
        seeds => format!("--seed {} ", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
    };
    format!("{place}git exp run {against}{params}{trials}-- {}", command_line(&run.argv))
}
