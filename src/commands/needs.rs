//! Services that a run needs, checked before it starts.
#![expect(clippy::disallowed_methods, reason = "starts the check of a needed service")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::waiting::wait;
use crate::config::{NEED_TIMEOUT, Need, Settings};
use crate::context::Context;
use crate::error::Error;

/// Runs the check command of every need; refuses where one does not exit with 0 in time.
pub fn check(context: &mut Context, settings: &Settings, directory: &Path) -> Result<(), Error> {
    for (name, need) in &settings.needs {
        let limit = need.timeout.unwrap_or(NEED_TIMEOUT);
        if let Some(why) = problem(need, directory, limit) {
            return Err(Error::request(format!("`{name}`, which a run needs, is not there"))
                .because(format!("`{}` {why}", need.command.join(" ")))
                .hint("start it and try again; `[needs]` in `exp.toml` says what is checked"));
        }
    }
    context.output.flush()
}

fn problem(need: &Need, directory: &Path, limit: Duration) -> Option<String> {
    let (program, arguments) = need.command.split_first()?;
    let started = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Some(format!("cannot be started: {error}")),
    };
    match wait(&mut child, limit) {
        Ok(Some(status)) if status.success() => None,
        Ok(Some(status)) => Some(format!("ended with {status}")),
        Ok(None) => Some(format!("did not end within {} s", limit.as_secs_f64())),
        Err(error) => Some(format!("cannot be waited for: {error}")),
    }
}
