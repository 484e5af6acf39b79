//! Runs whose process or machine died: found by the next command, and recorded with what they had written.

use super::recording::{self, Recorded};
use crate::config::Settings;
use crate::context::Context;
use crate::domain::run::{Membership, Run};
use crate::domain::state::ExperimentState;
use crate::error::Error;
use crate::log::running::{self, Running};
use crate::runner::{Folder, Limits, Redactor, salvage};

/// Records every run that died; says so.
pub fn recover(context: &mut Context) -> Result<(), Error> {
    running::sweep(&context.repo, context.log.folders())?;
    for running in running::list(context.log.folders())? {
        if running.is_alive() {
            continue;
        }
        let mut index = context.log.index()?;
        if context.log.has_nonce(&mut index, &running.nonce)? {
            // It died after its entry was in the log.
            running.finish(&context.repo)?;
            continue;
        }
        drop(index);
        let (experiment, argv) = (running.run.membership.experiment.clone(), words(&running.run));
        let recorded = recover_one(context, running)?;
        context.output.say(&format!(
            "a run of {experiment} died with its process and was recorded as crashed, {}: {argv}",
            recorded.short
        ));
    }
    Ok(())
}

fn recover_one(context: &Context, running: Running) -> Result<Recorded, Error> {
    let settings = settings(context, &running.run.membership);
    let redactor = recording::redactor(&settings).unwrap_or_else(|_| Redactor::from_process());
    let limits = Limits { max_output: settings.capture.max_output, ..Limits::default() };
    let folder = Folder::open(&running.folder)?;
    let outcome = salvage(&folder, &limits, &redactor, context.now())?;
    recording::record(context, running, outcome, &settings, &redactor)
}

/// What held for a run of this experiment, as far as it can still be read.
fn settings(context: &Context, membership: &Membership) -> Settings {
    let topic = membership.registration.and_then(|registration| {
        let mut index = context.log.index().ok()?;
        let state = context.log.state(&mut index).ok()?;
        let is_it = |it: &&ExperimentState| it.registration() == Some(registration);
        state.experiments.iter().find(is_it)?.topic().cloned()
    });
    let read = context.settings_for(topic.as_ref(), &context.repo).or_else(|_| context.settings_here());
    read.unwrap_or_else(|_| context.settings_of_last_resort())
}

fn words(run: &Run) -> String {
    let words: Vec<String> = run.argv.iter().map(ToString::to_string).collect();
    words.join(" ")
}
