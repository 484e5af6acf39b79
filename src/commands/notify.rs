//! Large runs are announced before they start, to whom `[notify]` names; and an accelerator that others use is told of.
#![expect(clippy::disallowed_methods, reason = "starts the command that tells others")]

use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::limits::{Account, charged_accelerators};
use super::trial::Setup;
use super::waiting::wait;
use crate::config::{Busy, NotifyRules};
use crate::context::Context;
use crate::domain::brief::Budget;
use crate::error::Error;
use crate::log::running;
use crate::render::text::{command_line, harmless};
use crate::runner::{accelerators_here, accelerators_in_sight};

/// How long the command may take where nothing is said.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Announces `trials` that are about to start, where they are large; refuses them where whoever is told refuses.
pub fn tell(context: &mut Context, setup: &Setup, trials: u32) -> Result<(), Error> {
    let rules = &setup.settings.notify;
    if rules.command.is_empty() {
        return Ok(());
    }
    let membership = &setup.place.membership;
    let accelerators = charged_accelerators(&setup.settings.budget, accelerators_in_sight());
    let expected = match Account::open(context, membership)? {
        Some(account) => account.expected(trials, accelerators),
        None => Budget { runs: Some(u64::from(trials)), ..Budget::default() },
    };
    if !is_large(expected, rules.above) {
        return Ok(());
    }
    let argv: Vec<String> = setup.redacted_argv().iter().map(ToString::to_string).collect();
    let topic = setup.place.registration.as_ref().and_then(|it| it.topic.as_ref()).map(ToString::to_string);
    let message = json!({
        "schema": "git-exp/announcement/1",
        "experiment": membership.experiment.as_str(),
        "topic": topic,
        "by": context.identity().name,
        "command": command_line(&argv),
        "trials": trials,
        "accelerators": accelerators,
        "wall_seconds": expected.wall_seconds,
        "accelerator_seconds": expected.accelerator_seconds,
    });
    context.output.say("announced, as `[notify]` asks for");
    deliver(rules, &setup.place.directory, &message.to_string())
}

/// Says who else uses the accelerators here; refuses to run beside them where `[run] busy` asks for it.
pub fn respect(context: &mut Context, setup: &Setup) -> Result<(), Error> {
    let running = running::list(context.log.folders())?;
    let runs: Vec<u32> = running.iter().filter(|run| run.is_alive()).map(|run| run.process).collect();
    let Some(sight) = accelerators_here(&runs) else { return Ok(()) };
    let users: Vec<String> =
        sight.strangers.iter().map(|user| format!("{} ({})", harmless(&user.name), user.process)).collect();
    if users.is_empty() {
        return Ok(());
    }
    let used = format!("the accelerator is in use by {}", users.join(", "));
    match setup.settings.busy {
        Busy::Tell => context.output.say(&used),
        Busy::Refuse => {
            return Err(Error::request("cannot run beside others")
                .because(used)
                .hint("wait for them; `[run] busy = \"refuse\"` in `exp.toml` asks for this"));
        }
    }
    Ok(())
}

/// Whether any part of what is expected reaches the limit above which others are told; everything does without one.
fn is_large(expected: Budget, above: Budget) -> bool {
    let reaches = |expected: Option<f64>, above: Option<f64>| {
        above.is_some_and(|above| expected.is_some_and(|expected| expected >= above))
    };
    above.is_empty()
        || reaches(expected.wall_seconds, above.wall_seconds)
        || reaches(expected.accelerator_seconds, above.accelerator_seconds)
        || above.runs.is_some_and(|above| expected.runs.is_some_and(|runs| runs >= above))
}

fn deliver(rules: &NotifyRules, directory: &std::path::Path, message: &str) -> Result<(), Error> {
    let refused = |why: String| {
        Error::request("the run was announced, and refused")
            .because(why)
            .hint("`[notify]` in `exp.toml` says who is told; its command exits with 0 to let the run start")
    };
    let (program, arguments) = rules.command.split_first().expect("an empty command tells nobody");
    // A file takes whatever is said, where a pipe that nobody empties would stop the command.
    let heard = tempfile::tempfile().and_then(|file| Ok((file.try_clone()?, file)));
    let (talk, mut heard) = heard.map_err(|error| refused(error.to_string()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(talk)
        .spawn()
        .map_err(|error| refused(format!("`{program}` cannot be started: {error}")))?;
    // Whoever does not read is told all the same.
    let _ = child.stdin.take().map(|mut input| writeln!(input, "{message}"));
    let limit = rules.timeout.unwrap_or(TIMEOUT);
    match wait(&mut child, limit) {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => {
            let mut said = Vec::new();
            let _ = heard.rewind().and_then(|()| heard.read_to_end(&mut said));
            let said = String::from_utf8_lossy(&said);
            let last = said.trim().lines().next_back().map(|line| format!(": {line}")).unwrap_or_default();
            Err(refused(format!("`{}` ended with {status}{last}", rules.command.join(" "))))
        }
        Ok(None) => Err(refused(format!("it did not end within {} s", limit.as_secs_f64()))),
        Err(error) => Err(refused(format!("it cannot be waited for: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_any_limit_is_large_and_everything_is_without_one() {
        let wall = |seconds: f64| Budget { wall_seconds: Some(seconds), ..Budget::default() };
        assert!(is_large(Budget::default(), Budget::default()));
        assert!(is_large(wall(7200.0), wall(3600.0)));
        assert!(!is_large(wall(60.0), wall(3600.0)));
        assert!(!is_large(Budget::default(), wall(3600.0)));
        let runs = |runs: u64| Budget { runs: Some(runs), ..Budget::default() };
        assert!(is_large(runs(10), runs(10)) && !is_large(runs(9), runs(10)));
    }
}
