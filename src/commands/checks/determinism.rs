//! Whether the experiment's runs of equal code, data and seed gave the same.

use std::collections::{BTreeMap, HashMap};

use crate::commands::recorded::{config_files, environment, versions};
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::cell::Trial;
use crate::domain::check::determinism::{Differing, differing};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::EntryId;
use crate::domain::state::ExperimentState;
use crate::error::Error;
use crate::log::index::Index;
use crate::log::index::sides::{Common, runs_of};

/// Looks at every pair of runs that should have given the same.
pub fn look(
    context: &Context,
    index: &mut Index,
    experiment: &ExperimentState,
) -> Result<Vec<Breach>, Error> {
    if experiment.runs.total() < 2 {
        return Ok(Vec::new());
    }
    let own = Common::Experiment(&experiment.id, experiment.registration());
    let rows = runs_of(index, &[own])?.concat();
    let entries = context.log.entries(index, &rows)?;
    let by_id: HashMap<EntryId, &Entry> = entries.iter().map(|entry| (entry.id, entry)).collect();
    let trials: Vec<Trial<'_>> = entries
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Run(run) => Some(Trial { id: entry.id, run }),
            _ => None,
        })
        .collect();
    let mut failure = None;
    let found = differing(&trials, |first, second| {
        has_equal_data(context, by_id[&first.id], by_id[&second.id]).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            false
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(found.iter().map(Differing::breach).collect()),
    }
}

/// Whether two runs were given the same configuration files and datasets, as far as it was recorded.
fn has_equal_data(context: &Context, a: &Entry, b: &Entry) -> Result<bool, Error> {
    let datasets = |entry: &Entry| -> Result<BTreeMap<String, String>, Error> {
        let environment = environment(context, entry)?;
        Ok(environment.and_then(|it| Some(versions(it.get("datasets")?))).unwrap_or_default())
    };
    Ok(config_files(a) == config_files(b) && datasets(a)? == datasets(b)?)
}
