//! The groups of rules that `check` looks at besides those about files: each reads, and asks the domain.

mod comparison;
mod determinism;
mod done;
mod hygiene;
mod metric;
mod posting;
mod promise;

use self::comparison::Standing;
use super::file_rules::{Branch, Scope};
use super::surroundings::conflicts;
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::posting::of_conflicts;
use crate::domain::experiment::Stage;
use crate::domain::state::{ExperimentState, Registered, State};
use crate::error::Error;
use crate::log::index::Index;

/// What is checked.
pub struct Subject<'a> {
    /// What the log comes to.
    pub state: &'a State,
    /// The branch.
    pub branch: Branch<'a>,
    /// What of it.
    pub scopes: Vec<Scope>,
}

/// What is looked at only when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The definition of done.
    pub done: bool,
    /// What is to be in order before results are posted.
    pub posting: bool,
    /// What is to be in order before a topic is closed.
    pub closing: bool,
    /// Whether this metric can carry an experiment.
    pub metric: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Every rule that was not kept.
    pub breaches: Vec<Breach>,
    /// What is to be known besides.
    pub notes: Vec<String>,
}

/// An experiment that is looked at.
#[derive(Clone, Copy)]
struct Checked<'a> {
    experiment: &'a ExperimentState,
    registered: &'a Registered,
    name: &'a str,
}

/// Looks at the experiment, the topic and the machine.
pub fn look(
    context: &mut Context,
    index: &mut Index,
    subject: &Subject<'_>,
    wanted: &Wanted,
) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut standing = Standing::NothingRan;
    if let Some(experiment) = subject.branch.experiment
        && let Some(registered) = &experiment.registered
    {
        let name = experiment.name();
        let checked = Checked { experiment, registered, name: &name };
        promise::look(context, subject, checked, &mut found)?;
        standing = comparison::look(context, index, subject, checked, &mut found)?;
        found.breaches.extend(determinism::look(context, index, experiment)?);
        let mend = format!("amend the brief or decide again: git exp show {name}");
        found.breaches.extend(of_conflicts(&conflicts(experiment), &mend));
        if wanted.done || experiment.stage() == Some(Stage::Decided) {
            found.breaches.extend(done::look(context, index, checked, &standing)?);
        }
        if wanted.posting {
            found.breaches.extend(posting::of_experiment(checked, &standing));
        }
    }
    found.breaches.extend(hygiene::look(context, subject, &standing)?);
    posting::look(context, index, subject, wanted, &mut found)?;
    if let Some(metric) = &wanted.metric {
        found.breaches.extend(metric::look(context, index, subject, metric)?);
    }
    Ok(found)
}
