//! The gate: the smoke command that must have passed for this code before it really runs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

use super::Answer;
use super::code_state::CodeState;
use super::trial::{self, GRACE, Setup, Turn};
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::id::EntryId;
use crate::domain::run::Exit;
use crate::domain::smoke::{Key, Smoke};
use crate::error::Error;
use crate::git::PathBytes;
use crate::render::text::{command_line, harmless};
use crate::runner::{Ended, Interruptions, Job, Limits, Outcome, Patterns, Show, execute, hardware_here};

/// How long the smoke command may take where nothing is said.
const TIMEOUT: Duration = Duration::from_mins(10);

/// How many of the last lines of a smoke command are shown where it was not seen to run.
const LAST_LINES: usize = 10;

/// What came of the smoke command.
struct Tried {
    entry: EntryId,
    smoke: Smoke,
    /// What a shell would exit with.
    status: i32,
    /// The last lines that it wrote, where nobody saw them come.
    unseen: Vec<String>,
}

/// Refuses to run code whose smoke test did not pass; runs the smoke command where it has not passed for this code yet.
///
/// What it leaves in the worktree is added to `outputs`. Gives the code as it stands after it.
pub fn pass(
    context: &mut Context,
    setup: &Setup,
    state: CodeState,
    outputs: &mut HashSet<PathBytes>,
    interruptions: &Interruptions,
) -> Result<CodeState, Error> {
    let Some(command) = command(setup) else { return Ok(state) };
    let is_asked = setup.place.registration.is_some() || setup.gate.scratch;
    if !is_asked || has_passed(context, setup, &command, &state)? {
        return Ok(state);
    }
    context.output.say(&format!("the smoke test comes first: {}", shown(&command)));
    let tried = run_once(context, setup, &command, &state, interruptions)?;
    if !tried.smoke.passed {
        return Err(refusal(&tried));
    }
    context.output.say(&format!("the smoke test passed ({})", tried.entry.short()));
    outputs.extend(trial::new_files(&setup.place, &state)?);
    let after = setup.code(outputs)?;
    if after.code.tree != state.code.tree {
        return Err(Error::request("the smoke command changed the code, so nothing was run")
            .because("what passed is not what would run")
            .hint("let it write into ignored files, or into $GIT_EXP_OUT"));
    }
    Ok(after)
}

/// Runs the smoke command, and nothing else, whether or not it passed before.
pub fn only(context: &mut Context, setup: &Setup, interruptions: &Interruptions) -> Result<Answer, Error> {
    let Some(command) = command(setup) else {
        return Err(Error::request("there is no smoke command")
            .because("`exp.toml` on the topic's branch or the main branch names none")
            .hint("name it there: [gate] smoke = \"make smoke\""));
    };
    let state = setup.code(&HashSet::new())?;
    trial::tell_inexact(context, &state);
    let tried = run_once(context, setup, &command, &state, interruptions)?;
    let smoke = &tried.smoke;
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/smoke/1",
            "entry": tried.entry.to_hex(),
            "experiment": smoke.experiment.as_str(),
            "commit": smoke.commit.as_str(),
            "tree": smoke.tree.as_str(),
            "command": smoke.command,
            "passed": smoke.passed,
            "exit": smoke.exit,
            "wall_seconds": smoke.wall_seconds,
            "reason": smoke.reason,
            "hardware": smoke.hardware,
        }))?;
    }
    context.output.flush()?;
    tell_unseen(context, &tried);
    let result = if smoke.passed { "passed" } else { "failed" };
    let reason = smoke.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    context.output.say(&format!("the smoke test {result} ({}){}", tried.entry.short(), harmless(&reason)));
    Ok(Answer::of_command(tried.status))
}

/// The smoke command that was agreed on.
fn command(setup: &Setup) -> Option<Vec<OsString>> {
    let words = setup.gate.smoke.as_ref()?;
    Some(words.iter().map(OsString::from).collect())
}

fn shown(command: &[OsString]) -> String {
    let words: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    // As it was written, where a shell reads it.
    match words.as_slice() {
        [shell, option, text] if shell == "sh" && option == "-c" => harmless(text).into_owned(),
        words => command_line(words),
    }
}

/// The command as it is recorded.
fn recorded(setup: &Setup, command: &[OsString]) -> Vec<String> {
    let words = setup.redactor.redact_argv(command);
    words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Whether the smoke command passed on this hardware for exactly this code.
fn has_passed(
    context: &Context,
    setup: &Setup,
    command: &[OsString],
    state: &CodeState,
) -> Result<bool, Error> {
    if !state.code.is_exact() {
        // The commit does not say what it passed for.
        return Ok(false);
    }
    let mut index = context.log.index()?;
    let known = context.log.state(&mut index)?;
    let (command, hardware) = (recorded(setup, command), hardware_here());
    let key = Key { tree: &state.code.tree, command: &command, hardware: &hardware };
    Ok(known.smokes.iter().any(|it| it.smoke.shows(&key)))
}

fn run_once(
    context: &mut Context,
    setup: &Setup,
    command: &[OsString],
    state: &CodeState,
    interruptions: &Interruptions,
) -> Result<Tried, Error> {
    context.writer()?;
    let nonce = context.nonce()?;
    let root = context.log.folders().root();
    let folder = tempfile::Builder::new().prefix("smoke-").tempdir_in(root).map_err(|error| {
        Error::outside(format!("cannot create a folder in `{}`", root.display())).because(error)
    })?;
    let turn = Turn { number: 1, of: 1, seed: None, pair: None, confirms: false };
    let resuming = folder.path().join("state");
    let mut environment = setup.environment(folder.path(), &resuming, &nonce, turn)?;
    environment.push(("GIT_EXP_SMOKE".into(), "1".into()));
    let is_shown = setup.shows_output;
    let job = Job {
        argv: command.to_vec(),
        // Agreed on for the repository, so it does not depend on where somebody stands in it.
        directory: setup.place.repo.work_dir().unwrap_or(&setup.place.directory).to_path_buf(),
        environment,
        timeout: Some(setup.gate.timeout.unwrap_or(TIMEOUT)),
        grace: GRACE,
        folder: folder.path().to_path_buf(),
        patterns: Patterns::default(),
        redactor: std::sync::Arc::clone(&setup.redactor),
        limits: Limits::default(),
        show: if is_shown { Show::OnStderr } else { Show::Hidden },
    };
    context.output.flush()?;
    let outcome = execute(&job, interruptions, &mut ())?;
    let smoke = smoke(setup, command, state, &outcome);
    let membership = &setup.place.membership;
    let appended = context.append_answer(Body::Smoke(smoke.clone()), membership.brief)?;
    Ok(Tried {
        entry: appended.entry.id,
        status: outcome.shell_status().unwrap_or(1),
        unseen: if is_shown { Vec::new() } else { last_lines(&outcome) },
        smoke,
    })
}

fn smoke(setup: &Setup, command: &[OsString], state: &CodeState, outcome: &Outcome) -> Smoke {
    let passed = outcome.shell_status() == Some(0) && matches!(outcome.ended, Ended::Normal);
    let failed = || {
        outcome.reason().unwrap_or_else(|| match outcome.exit {
            Exit::Code(code) => format!("it exited with {code}"),
            Exit::Signal(signal) => format!("it was ended by {}", crate::runner::signal_name(signal)),
            Exit::Unknown => "nobody saw its end".to_owned(),
        })
    };
    let reason = match (passed, state.code.is_exact()) {
        (false, _) => Some(failed()),
        (true, false) => Some("the commit is not exactly what it passed for".to_owned()),
        (true, true) => None,
    };
    let membership = &setup.place.membership;
    Smoke {
        experiment: membership.experiment.clone(),
        registration: membership.registration,
        commit: state.code.commit.clone(),
        tree: state.code.tree.clone(),
        command: recorded(setup, command),
        passed,
        exit: outcome.exit.shell_status(),
        wall_seconds: outcome.wall_seconds,
        reason,
        hardware: hardware_here(),
    }
}

fn refusal(tried: &Tried) -> Error {
    let reason = tried.smoke.reason.clone().unwrap_or_default();
    let mut error =
        Error::request("the smoke test did not pass, so nothing was run").because(harmless(&reason));
    if !tried.unseen.is_empty() {
        error = error.because(format!("its last lines:\n{}", tried.unseen.join("\n")));
    }
    error.hint("mend the code, and try: git exp run --smoke")
}

fn tell_unseen(context: &mut Context, tried: &Tried) {
    for line in &tried.unseen {
        context.output.say(&format!("  {line}"));
    }
}

/// The last lines that a command wrote, of its standard error where it wrote there.
fn last_lines(outcome: &Outcome) -> Vec<String> {
    let stream = if outcome.stderr.total_bytes > 0 { &outcome.stderr } else { &outcome.stdout };
    let bytes = stream.stored();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(LAST_LINES))
        .map(|line| harmless(line).into_owned())
        .collect()
}
