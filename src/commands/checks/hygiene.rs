//! What others left behind on the machine and in the repository.

use super::Subject;
use super::comparison::Standing;
use crate::commands::limits::charged_accelerators;
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::hygiene::{Traces, breaches};
use crate::error::Error;
use crate::log::running;
use crate::runner::accelerators_here;

/// Looks at the accelerators, at lock files, and at runs that died.
pub fn look(context: &Context, subject: &Subject<'_>, standing: &Standing) -> Result<Vec<Breach>, Error> {
    let running = running::list(context.log.folders())?;
    let (alive, dead): (Vec<_>, Vec<_>) = running.iter().partition(|run| run.is_alive());
    let runs: Vec<u32> = alive.iter().map(|run| run.process).collect();
    let repo = &subject.branch.repo;
    let top = repo.common_dir().parent().unwrap_or(repo.common_dir());
    let mut traces = Traces {
        locks: repo
            .lock_files()
            .into_iter()
            .map(|(path, age)| (path.strip_prefix(top).unwrap_or(&path).display().to_string(), age.as_secs()))
            .collect(),
        dead_runs: dead
            .iter()
            .map(|it| (it.nonce.short(), it.run.membership.experiment.to_string()))
            .collect(),
        ..Traces::default()
    };
    if let Some(sight) = accelerators_here(&runs) {
        traces.processes = sight.strangers.into_iter().map(|user| (user.process, user.name)).collect();
        if let Standing::Compared(compared) = standing {
            let settings = context.settings_for(subject.branch.topic.as_ref(), repo)?;
            let now = charged_accelerators(&settings.budget, sight.accelerators);
            traces.devices =
                Some((now, compared.accelerators, format!("the baseline {}", compared.baseline)));
        }
    }
    Ok(breaches(&traces))
}
