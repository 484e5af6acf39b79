//! `git exp run`
#![expect(clippy::disallowed_methods, reason = "writes what a command is given into its folder")]

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::code_state::{self, CodeState};
use super::options::assignment;
use super::place::Place;
use super::progress::Watch;
use super::recording::{self, Captured, Recorded};
use super::{Answer, init, needs, recovery};
use crate::config::Settings;
use crate::context::{Context, variable};
use crate::domain::bytes::OsBytes;
use crate::domain::id::Nonce;
use crate::domain::metric::is_name;
use crate::domain::quantity::parse_duration;
use crate::domain::run::{Exit, Malformed, Run, Status};
use crate::error::Error;
use crate::git::PathBytes;
use crate::log::index::query::{self, Query};
use crate::log::running;
use crate::render::json::RunJson;
use crate::render::run::RunView;
use crate::runner::{Interruptions, Job, Limits, Patterns, Redactor, Show, execute};

/// How long a command has to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Run a command and record it: code, command, environment, output, metrics and how it ended
///
/// Works in any repository with nothing prepared. A run belongs to the experiment of the current branch (`exp/<ID>`), to
/// the one that `-e` names (then it runs in that experiment's worktree), or else to the day's scratch.
///
/// A clean worktree runs at `HEAD`; a dirty one is stored as a snapshot first, so that every run's code can be had back.
/// A run that fails, is killed or runs out of time is recorded too.
#[derive(Args, Debug)]
#[command(after_help = "\
The command reports metrics by any of these:
  a line on its output:      METRIC val_loss=2.31 step=100       (unit=ms better=lower case=b8 if you like)
                             INPUT name=x shape=8x1024 dtype=bf16 device=cuda:0
  a line of JSON appended to the file $GIT_EXP_METRICS:          {\"val_loss\": 2.31, \"step\": 100}
  a pattern in exp.toml:     [metrics.val_bpb]  match = '^val_bpb:\\s+(\\S+)'
It is given GIT_EXP_ID, GIT_EXP_RUN, GIT_EXP_TRIAL, GIT_EXP_SEED, GIT_EXP_PARAMS (a JSON file), GIT_EXP_OUT (a folder
whose files are kept) and GIT_EXP_STATE (a folder that survives).

Examples:
  git exp run -- python train.py
  git exp run -n 5 --param lr=3e-4 -- python train.py
  git exp run -e A-001 --label warm --timeout 30m -- make bench

With --json the command's output is recorded but not shown, and each trial prints its run as JSON.

Exit status: the command's own; 125 when git exp itself failed.")]
pub struct Arguments {
    /// Record for this experiment, and run in its worktree
    #[arg(short, long, value_name = "ID")]
    experiment: Option<String>,

    /// How many trials to run, one after the other, each with its own seed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    trials: u32,

    /// The seeds of the trials, given to the command as GIT_EXP_SEED
    #[arg(long, value_name = "N", value_delimiter = ',')]
    seed: Vec<u64>,

    /// A parameter, recorded and given to the command in the file GIT_EXP_PARAMS
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,

    /// A name for runs that belong together
    #[arg(short, long, value_name = "TEXT")]
    label: Option<String>,

    /// How long a trial may take, as 90s, 30m or 2h
    #[arg(short, long, value_name = "TIME")]
    timeout: Option<String>,

    /// Do not run again what ended well with the same code, command, parameters and seed
    #[arg(long)]
    once: bool,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What all trials of one call share.
struct Plan {
    place: Place,
    settings: Settings,
    redactor: Arc<Redactor>,
    patterns: Patterns,
    params: BTreeMap<String, String>,
    changed_params: BTreeMap<String, String>,
    seeds: Vec<Option<u64>>,
    label: Option<String>,
    timeout: Option<Duration>,
    group: Nonce,
    argv: Vec<OsString>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    recovery::recover(context)?;
    let plan = plan(context, &arguments)?;
    needs::check(context, &plan.settings, &plan.place.directory)?;
    tell_changed_parameters(context, &plan);
    let interruptions = Interruptions::watch()?;
    let mut first_failure = None;
    let mut outputs: HashSet<PathBytes> = HashSet::new();
    let mut is_first = true;
    for (trial, seed) in (1..).zip(&plan.seeds) {
        let state = code_state::capture(&plan.place.repo, &plan.settings, &plan.redactor, &outputs)?;
        if is_first {
            tell_inexact(context, &state);
        }
        if arguments.once
            && let Some(done) = already_done(context, &plan, &state, *seed)?
        {
            context.output.say(&format!("trial {trial} was done before: {done}"));
            continue;
        }
        let recorded = run_trial(context, &plan, &state, trial, *seed, &interruptions)?;
        report(context, &recorded)?;
        if is_first {
            tell_first_steps(context)?;
            is_first = false;
        }
        let status = recorded.shell_status.unwrap_or(1);
        if status != 0 && first_failure.is_none() {
            first_failure = Some(status);
        }
        if recorded.was_interrupted {
            break;
        }
        if plan.seeds.len() > 1 {
            outputs.extend(new_files(&plan, &state)?);
        }
    }
    context.repo.start_maintenance_if_due();
    let status = u8::try_from(first_failure.unwrap_or(0) & 0xff).expect("masked to eight bits");
    Ok(Answer::Command(status))
}

fn plan(context: &mut Context, arguments: &Arguments) -> Result<Plan, Error> {
    let program =
        arguments.command.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if program.starts_with('-') || program.is_empty() {
        return Err(Error::request(format!("`{program}` is no option of `git exp run`, and no command"))
            .hint("options stand before the command: git exp run -n 3 -- python train.py; `git exp run -h` lists them"));
    }
    if arguments.trials == 0 {
        return Err(Error::request("cannot run 0 trials").hint("leave `-n` out for one trial"));
    }
    let place = Place::find(context, arguments.experiment.as_deref())?;
    let topic = place.registration.as_ref().and_then(|it| it.topic.as_ref());
    let settings = match &place.registration {
        Some(_) => context.settings_for(topic, &place.repo)?,
        None => context.settings_here()?,
    };
    let params = parameters(&settings, &arguments.params)?;
    let changed_params = params
        .iter()
        .filter_map(|(name, value)| {
            let default = settings.params.get(name)?;
            (default != value).then(|| (name.clone(), default.clone()))
        })
        .collect();
    let timeout = match &arguments.timeout {
        Some(text) => Some(parse_duration(text).map_err(|error| {
            Error::request(format!("cannot read the time limit `{text}`"))
                .because(error)
                .hint("write it as `90s`, `30m` or `1h30m`")
        })?),
        None => settings.timeout,
    };
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Error::request("a time limit of 0 s leaves no time to run")
            .hint("say `--timeout 30m`, or leave it out"));
    }
    let redactor = recording::redactor(&settings)?;
    let patterns = settings
        .metrics
        .iter()
        .filter_map(|(name, definition)| Some((name.as_str(), definition.pattern.as_deref()?)));
    let patterns = Patterns::new(patterns)?;
    Ok(Plan {
        seeds: seeds(arguments, &settings)?,
        params,
        changed_params,
        timeout,
        redactor: Arc::new(redactor),
        patterns,
        label: arguments.label.clone(),
        group: context.nonce()?,
        argv: arguments.command.clone(),
        place,
        settings,
    })
}

fn parameters(settings: &Settings, given: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut params = settings.params.clone();
    for text in given {
        let (name, value) = assignment("--param", text)?;
        if !is_name(name) {
            return Err(Error::request(format!("`{name}` cannot name a parameter"))
                .hint("use letters, digits, dots and dashes, as `model.width`"));
        }
        params.insert(name.to_owned(), value.to_owned());
    }
    Ok(params)
}

/// The seed of each trial: those given, else those configured, else 1, 2, 3 …; a single trial without a seed has none.
fn seeds(arguments: &Arguments, settings: &Settings) -> Result<Vec<Option<u64>>, Error> {
    let trials = arguments.trials as usize;
    let given =
        if arguments.seed.is_empty() && arguments.trials > 1 { &settings.seeds } else { &arguments.seed };
    if given.is_empty() {
        return Ok(match trials {
            1 => vec![None],
            _ => (1..=u64::from(arguments.trials)).map(Some).collect(),
        });
    }
    if arguments.trials > 1 && given.len() < trials {
        return Err(Error::request(format!(
            "{trials} trials need {trials} seeds, and there are {}",
            given.len()
        ))
        .hint("give as many seeds as trials, or leave `--seed` out"));
    }
    let wanted = if arguments.trials > 1 { trials } else { given.len() };
    Ok(given.iter().take(wanted).copied().map(Some).collect())
}

fn tell_changed_parameters(context: &mut Context, plan: &Plan) {
    for (name, default) in &plan.changed_params {
        context.output.say(&format!("parameter `{name}` is {} instead of {default}", plan.params[name]));
    }
}

fn tell_inexact(context: &mut Context, state: &CodeState) {
    if state.code.inexact.is_empty() {
        return;
    }
    context.output.say("the recorded code is not exactly what runs:");
    for reason in state.code.inexact.iter().take(10) {
        context.output.say(&format!("  {reason}"));
    }
    if state.code.inexact.len() > 10 {
        context.output.say(&format!("  and {} more", state.code.inexact.len() - 10));
    }
}

/// What only the first run of a clone has to say.
fn tell_first_steps(context: &mut Context) -> Result<(), Error> {
    if init::show_notes(context)? {
        context
            .output
            .say("plain `git log` shows results from now on (`notes.displayRef` is set in this repository)");
    }
    Ok(())
}

/// The run that ended well with the same code, command, parameters and seed, if there is one.
fn already_done(
    context: &Context,
    plan: &Plan,
    state: &CodeState,
    seed: Option<u64>,
) -> Result<Option<String>, Error> {
    let mut index = context.log.index()?;
    let found = query::select(&mut index, &Query::default())
        .map_err(|error| Error::outside("cannot read the index").because(error))?;
    let argv = redacted_argv(plan);
    for entry in context.log.entries(&mut index, &found.rows)? {
        if let crate::domain::entry::Body::Run(run) = &entry.body
            && run.status == Status::Ok
            && run.membership.registration == plan.place.membership.registration
            && run.code.tree == state.code.tree
            && run.argv == argv
            && run.params == plan.params
            && run.seed == seed
        {
            return Ok(Some(entry.id.short()));
        }
    }
    Ok(None)
}

fn redacted_argv(plan: &Plan) -> Vec<OsBytes> {
    plan.redactor.redact_argv(&plan.argv).into_iter().map(OsBytes).collect()
}

fn run_trial(
    context: &mut Context,
    plan: &Plan,
    state: &CodeState,
    trial: u32,
    seed: Option<u64>,
    interruptions: &Interruptions,
) -> Result<Recorded, Error> {
    let nonce = context.nonce()?;
    // Named before anything starts: a clone that cannot append must not run for hours first.
    context.writer()?;
    let claim = running::claim(context.log.folders(), nonce)?;
    let captured = Captured::now(context, &plan.place, &plan.settings, &plan.redactor, &plan.argv)?;
    let trials = u32::try_from(plan.seeds.len()).unwrap_or(u32::MAX);
    let run = Run {
        membership: plan.place.membership.clone(),
        status: Status::Crashed,
        exit: Exit::Unknown,
        reason: None,
        argv: redacted_argv(plan),
        directory: recording::subfolder(&plan.place),
        code: state.code.clone(),
        group: plan.group,
        trial,
        trials,
        pair: None,
        confirms: false,
        seed,
        params: redacted_params(plan, &plan.params),
        changed_params: redacted_params(plan, &plan.changed_params),
        label: plan.label.as_deref().map(|label| plan.redactor.redact_text(label)),
        started: context.now(),
        wall_seconds: 0.0,
        metrics: BTreeMap::new(),
        inputs: Vec::new(),
        malformed: Malformed::default(),
        hardware: captured.hardware.clone(),
        boot: captured.boot.clone(),
        load: captured.load.clone(),
        truncated: Vec::new(),
        large: Vec::new(),
        remarks: Vec::new(),
    };
    let running = claim.begin(&context.repo, run)?;
    captured.store(&running.folder)?;
    let limits = Limits {
        max_output: plan.settings.capture.max_output,
        max_artifact: plan.settings.capture.max_artifact,
        ..Limits::default()
    };
    let job = Job {
        argv: plan.argv.clone(),
        directory: plan.place.directory.clone(),
        environment: environment(context, plan, &running.folder, &nonce, trial, seed)?,
        timeout: plan.timeout,
        grace: GRACE,
        folder: running.folder.clone(),
        patterns: plan.patterns.clone(),
        redactor: Arc::clone(&plan.redactor),
        limits,
        // With JSON, standard output is for the answer; what the command wrote is in the log.
        show: if context.output.json { Show::Hidden } else { Show::Passed },
    };
    context.output.flush()?;
    let mut watch = Watch::new(context.output.talks_to_terminal, trial, trials);
    let outcome = execute(&job, interruptions, &mut watch);
    watch.finish();
    let outcome = outcome?;
    recording::record(context, running, outcome, &plan.settings, &plan.redactor)
}

fn redacted_params(plan: &Plan, params: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    params
        .iter()
        .map(|(name, value)| {
            // The name tells whether the value is a secret, so both are looked at together.
            let line = plan.redactor.redact_text(&format!("{name}={value}"));
            let value =
                line.strip_prefix(&format!("{name}=")).map_or_else(|| line.clone(), ToOwned::to_owned);
            (name.clone(), value)
        })
        .collect()
}

/// The variables that the command is given.
fn environment(
    context: &Context,
    plan: &Plan,
    folder: &std::path::Path,
    nonce: &Nonce,
    trial: u32,
    seed: Option<u64>,
) -> Result<Vec<(OsString, OsString)>, Error> {
    let id = plan.place.membership.experiment.as_str();
    let params = folder.join("params.json");
    write(&params, parameters_json(&plan.params).as_bytes())?;
    let state = context.log.folders().state().join(id);
    for folder in [&state, &folder.join("out")] {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::outside(format!("cannot create `{}`", folder.display())).because(error)
        })?;
    }
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).into_os_string();
    let mut variables: Vec<(&str, OsString)> = vec![
        ("GIT_EXP_ID", id.into()),
        ("GIT_EXP_RUN", nonce.to_hex().into()),
        ("GIT_EXP_TRIAL", trial.to_string().into()),
        ("GIT_EXP_PARAMS", absolute(params)),
        ("GIT_EXP_METRICS", absolute(folder.join("metrics.jsonl"))),
        ("GIT_EXP_OUT", absolute(folder.join("out"))),
        ("GIT_EXP_STATE", absolute(state)),
    ];
    if let Some(seed) = seed {
        variables.push(("GIT_EXP_SEED", seed.to_string().into()));
    }
    let topic = plan.place.registration.as_ref().and_then(|it| it.topic.as_ref());
    let project = topic.map_or("git-exp", |topic| topic.as_str());
    for (name, value) in [
        ("WANDB_PROJECT", project.to_owned()),
        ("WANDB_NAME", format!("{id}-{}", nonce.short())),
        ("WANDB_RUN_GROUP", id.to_owned()),
    ] {
        if variable(name).is_none() {
            variables.push((name, value.into()));
        }
    }
    Ok(variables.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn write(path: &std::path::Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes)
        .map_err(|error| Error::outside(format!("cannot write `{}`", path.display())).because(error))
}

/// Parameters as JSON, with numbers and truth values as such where the text spells one.
fn parameters_json(params: &BTreeMap<String, String>) -> String {
    let typed: serde_json::Map<String, serde_json::Value> = params
        .iter()
        .map(|(name, text)| {
            let value = serde_json::from_str::<serde_json::Value>(text)
                .ok()
                .filter(|value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| serde_json::Value::String(text.clone()));
            (name.clone(), value)
        })
        .collect();
    serde_json::Value::Object(typed).to_string()
}

/// One line about what was recorded.
fn report(context: &mut Context, recorded: &Recorded) -> Result<(), Error> {
    if context.output.json {
        let view = RunView {
            files: super::runs::files_of(&recorded.entry),
            ..RunView::new(recorded.entry.id.to_hex(), recorded.short.clone(), &recorded.run)
        };
        context.output.object(&RunJson::from(&view))?;
    }
    context.output.flush()?;
    context.output.say(&recorded.line);
    if recorded.malformed > 0 {
        context.output.say(&format!(
            "{} report lines could not be read; `git exp show {}` tells which",
            recorded.malformed, recorded.short
        ));
    }
    for remark in &recorded.remarks {
        context.output.say(&format!("  {remark}"));
    }
    Ok(())
}

/// Files that appeared while a trial ran: what it produced, not what the next one runs.
fn new_files(plan: &Plan, before: &CodeState) -> Result<Vec<PathBytes>, Error> {
    let known: HashSet<&PathBytes> = before.changes.untracked.iter().collect();
    let now = plan.place.repo.worktree_changes()?;
    Ok(now.untracked.into_iter().filter(|path| !known.contains(path)).collect())
}
