//! One trial: a command run once at one place, and recorded.
#![expect(clippy::disallowed_methods, reason = "writes what a command is given into its folder")]

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::code_state::CodeState;
use super::evaluation::{self, Pins};
use super::limits::{self, Account, Guarded};
use super::options::assignment;
use super::place::Place;
use super::progress::Watch;
use super::recording::{self, Captured, Recorded};
use super::{init, needs};
use crate::config::Settings;
use crate::context::{Context, variable};
use crate::domain::bytes::OsBytes;
use crate::domain::id::{Nonce, TopicName};
use crate::domain::metric::is_name;
use crate::domain::number::counted;
use crate::domain::quantity::parse_duration;
use crate::domain::run::{Exit, Malformed, Pair, Run, Status};
use crate::domain::smoke::Gate;
use crate::domain::stop_guard::StopGuard;
use crate::error::Error;
use crate::git::{Oid, PathBytes};
use crate::log::running;
use crate::render::json::RunJson;
use crate::render::run::RunView;
use crate::runner::{Interruptions, Job, Limits, Patterns, Redactor, Show, execute};

/// How long a command has to end by itself once it was asked to.
pub const GRACE: Duration = Duration::from_secs(10);

/// The bytes that the variables of one side of a pair come to, names and paths included.
const PADDED: usize = 8 * 1024;

/// What every command that runs trials takes.
#[derive(Args, Clone, Debug, Default)]
pub struct TrialOptions {
    /// The seeds of the trials, given to the command as GIT_EXP_SEED
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub seed: Vec<u64>,

    /// A parameter, recorded and given to the command in the file GIT_EXP_PARAMS
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,

    /// A name for runs that belong together
    #[arg(short, long, value_name = "TEXT")]
    pub label: Option<String>,

    /// How long a trial may take, as 90s, 30m or 2h
    #[arg(short, long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Stop a trial that comes to this, as 'val_loss > 10', 'non-finite' or 'no output for 10m'; may be repeated
    #[arg(long, value_name = "GUARD")]
    pub stop_if: Vec<String>,
}

/// What all trials of one command at one place share.
#[derive(Clone)]
pub struct Setup {
    /// Where it runs.
    pub place: Place,
    /// What holds for it.
    pub settings: Settings,
    /// The command and its arguments.
    pub argv: Vec<OsString>,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    changed_params: BTreeMap<String, String>,
    /// What takes secrets out of what is kept.
    pub redactor: Arc<Redactor>,
    /// Metrics that are found in plain output.
    pub patterns: Patterns,
    pins: Arc<Pins>,
    /// The topic that the call is for, whose evaluation code a side without a topic of its own is held against.
    topic: Option<TopicName>,
    /// What must have passed before it runs.
    pub gate: Gate,
    label: Option<String>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    guards: Vec<StopGuard>,
    /// The call of `run` that the trials belong to.
    pub group: Nonce,
    /// Whether the command's output is shown as it comes.
    pub shows_output: bool,
    /// Whether the command is not to see the tokens that open GitHub.
    pub hides_tokens: bool,
    /// Added to the environment, so that both sides of a pair get one of equal size.
    padding: Option<usize>,
}

/// Which trial of a call it is.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Its number, from 1.
    pub number: u32,
    /// How many the call asked for.
    pub of: u32,
    /// Its seed.
    pub seed: Option<u64>,
    /// Its place in a series of pairs.
    pub pair: Option<Pair>,
    /// Whether it confirms an earlier result.
    pub confirms: bool,
}

impl Setup {
    /// What `argv` is to run with at `place`; the services that it needs are checked.
    pub fn new(
        context: &mut Context,
        place: Place,
        options: &TrialOptions,
        argv: &[OsString],
    ) -> Result<Self, Error> {
        let topic = place.registration.as_ref().and_then(|it| it.topic.as_ref());
        let settings = match &place.registration {
            Some(_) => context.settings_for(topic, &place.repo)?,
            None => context.settings_here()?,
        };
        Self::with(context, place, settings, options, argv)
    }

    /// The same, where `settings` hold.
    pub fn with(
        context: &mut Context,
        place: Place,
        settings: Settings,
        options: &TrialOptions,
        argv: &[OsString],
    ) -> Result<Self, Error> {
        let topic = place.registration.as_ref().and_then(|it| it.topic.as_ref());
        let params = parameters(&settings, &options.params)?;
        let changed_params = params
            .iter()
            .filter_map(|(name, value)| {
                let default = settings.params.get(name)?;
                (default != value).then(|| (name.clone(), default.clone()))
            })
            .collect();
        let timeout = match &options.timeout {
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
        let guards = guards(&settings, &options.stop_if)?;
        let redactor = recording::redactor(&settings)?;
        let patterns = settings
            .metrics
            .iter()
            .filter_map(|(name, definition)| Some((name.as_str(), definition.pattern.as_deref()?)));
        let patterns = Patterns::new(patterns)?;
        let pins = Arc::new(Pins::read(context, topic)?);
        let gate = match &place.registration {
            Some(_) => context.rules_for(topic)?.gate,
            // Without ceremony, a file on another branch that cannot be read stands in nobody's way.
            None => context.rules_for(None).map(|rules| rules.gate).unwrap_or_default(),
        };
        let topic = topic.cloned();
        let setup = Self {
            params,
            changed_params,
            timeout,
            guards,
            redactor: Arc::new(redactor),
            patterns,
            pins,
            topic,
            gate,
            label: options.label.clone(),
            group: context.nonce()?,
            argv: argv.to_vec(),
            place,
            settings,
            padding: None,
            shows_output: true,
            hides_tokens: false,
        };
        needs::check(context, &setup.settings, &setup.place.directory)?;
        setup.tell_changed_parameters(context);
        Ok(setup)
    }

    /// The same command, or another one, at another place under the same call.
    pub fn at(&self, place: Place, argv: &[OsString]) -> Self {
        Self { place, argv: argv.to_vec(), ..self.clone() }
    }

    /// The code that runs; untracked files in `outputs` are results of an earlier trial.
    pub fn code(&self, outputs: &HashSet<PathBytes>) -> Result<CodeState, Error> {
        super::code_state::capture(&self.place.repo, &self.settings, &self.redactor, outputs)
    }

    /// The command as it is recorded.
    pub fn redacted_argv(&self) -> Vec<OsBytes> {
        self.redactor.redact_argv(&self.argv).into_iter().map(OsBytes).collect()
    }

    /// Runs the command once and records it.
    pub fn run(
        &self,
        context: &mut Context,
        state: &CodeState,
        turn: Turn,
        interruptions: &Interruptions,
    ) -> Result<Recorded, Error> {
        let account = Account::open(context, &self.place.membership)?;
        account.as_ref().map_or(Ok(()), Account::refuse_if_spent)?;
        if let Some(commit) = Oid::from_hex(state.code.commit.as_str()) {
            context.log.refuse_withdrawn_code(commit)?;
        }
        let nonce = context.nonce()?;
        // Named before anything starts: a clone that cannot append must not run for hours first.
        context.writer()?;
        let claim = running::claim(context.log.folders(), nonce)?;
        let (evaluation, evaluation_changed) = self.evaluation(state)?;
        let captured = Captured::now(context, &self.place, &self.settings, &self.redactor, &self.argv)?;
        let run = Run {
            membership: self.place.membership.clone(),
            status: Status::Crashed,
            exit: Exit::Unknown,
            reason: None,
            argv: self.redacted_argv(),
            directory: recording::subfolder(&self.place),
            code: state.code.clone(),
            group: self.group,
            trial: turn.number,
            trials: turn.of,
            pair: turn.pair,
            confirms: turn.confirms,
            seed: turn.seed,
            params: self.redacted_params(&self.params),
            changed_params: self.redacted_params(&self.changed_params),
            label: self.label.as_deref().map(|label| self.redactor.redact_text(label)),
            started: context.now(),
            wall_seconds: 0.0,
            accelerators: limits::charged_accelerators(&self.settings.budget, captured.accelerators),
            evaluation,
            evaluation_changed,
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
        let accelerators = run.accelerators;
        let running = claim.begin(&context.repo, run)?;
        captured.store(&running.folder)?;
        let limits = Limits {
            max_output: self.settings.capture.max_output,
            max_artifact: self.settings.capture.max_artifact,
            ..Limits::default()
        };
        let resuming = context.log.folders().state().join(self.place.membership.experiment.as_str());
        let job = Job {
            argv: self.argv.clone(),
            directory: self.place.directory.clone(),
            environment: self.environment(&running.folder, &resuming, &nonce, turn)?,
            timeout: self.timeout,
            grace: GRACE,
            folder: running.folder.clone(),
            patterns: self.patterns.clone(),
            redactor: Arc::clone(&self.redactor),
            limits,
            // With JSON, standard output is for the answer; what the command wrote is in the log.
            show: if context.output.json || !self.shows_output { Show::Hidden } else { Show::Passed },
        };
        context.output.flush()?;
        let watch = Watch::new(context.output.talks_to_terminal, turn.number, turn.of);
        let mut watch = Guarded::new(watch, account, nonce, &self.guards, accelerators, &self.redactor);
        let outcome = execute(&job, interruptions, &mut watch);
        watch.finish();
        let outcome = outcome?;
        let recorded = recording::record(context, running, outcome, &self.settings, &self.redactor)?;
        let no_more = watch.no_more(&recorded.run);
        Ok(Recorded { no_more, ..recorded })
    }

    /// The digest of the evaluation code that runs, and whether it is another than the topic pinned.
    fn evaluation(&self, state: &CodeState) -> Result<(Option<String>, bool), Error> {
        let own = self.place.registration.as_ref().and_then(|it| it.topic.as_ref());
        let Some(pin) = self.pins.of(own.or(self.topic.as_ref())) else { return Ok((None, false)) };
        let (digest, is_changed) = evaluation::of_code(&self.place.repo, state, pin)?;
        Ok((Some(digest), is_changed))
    }

    fn redacted_params(&self, params: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        params
            .iter()
            .map(|(name, value)| {
                // The name tells whether the value is a secret, so both are looked at together.
                let line = self.redactor.redact_text(&format!("{name}={value}"));
                let value =
                    line.strip_prefix(&format!("{name}=")).map_or_else(|| line.clone(), ToOwned::to_owned);
                (name.clone(), value)
            })
            .collect()
    }

    /// The variables that a command is given whose run has this folder and resumes from what is in `state`.
    pub fn environment(
        &self,
        folder: &Path,
        state: &Path,
        nonce: &Nonce,
        turn: Turn,
    ) -> Result<Vec<(OsString, OsString)>, Error> {
        let id = self.place.membership.experiment.as_str();
        let params = folder.join("params.json");
        write(&params, parameters_json(&self.params).as_bytes())?;
        for folder in [state, &folder.join("out")] {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::outside(format!("cannot create `{}`", folder.display())).because(error)
            })?;
        }
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).into_os_string();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("GIT_EXP_ID", id.into()),
            ("GIT_EXP_RUN", nonce.to_hex().into()),
            ("GIT_EXP_TRIAL", turn.number.to_string().into()),
            ("GIT_EXP_PARAMS", absolute(params)),
            ("GIT_EXP_METRICS", absolute(folder.join("metrics.jsonl"))),
            ("GIT_EXP_OUT", absolute(folder.join("out"))),
            ("GIT_EXP_STATE", absolute(state.to_path_buf())),
        ];
        if let Some(seed) = turn.seed {
            variables.push(("GIT_EXP_SEED", seed.to_string().into()));
        }
        let topic = self.place.registration.as_ref().and_then(|it| it.topic.as_ref());
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
        if self.hides_tokens {
            variables.extend(["GH_TOKEN", "GITHUB_TOKEN"].map(|name| (name, OsString::new())));
        }
        if let Some(size) = self.padding {
            let taken =
                self.words() + variables.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            variables.push(("GIT_EXP_PADDING", "x".repeat(size.saturating_sub(taken)).into()));
        }
        Ok(variables.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    fn tell_changed_parameters(&self, context: &mut Context) {
        for (name, default) in &self.changed_params {
            context.output.say(&format!("parameter `{name}` is {} instead of {default}", self.params[name]));
        }
    }

    /// Gives the environments of both sides of a pair the same size: where a program's stack begins, and with it how
    /// fast it runs, follows from that.
    pub fn pad(one: &mut Self, other: &mut Self) {
        let size = PADDED + one.words().max(other.words());
        (one.padding, other.padding) = (Some(size), Some(size));
    }

    /// The bytes that its arguments take.
    fn words(&self) -> usize {
        self.argv.iter().map(|word| word.len() + 1).sum()
    }
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

/// The guards that are configured, and those `given` for this call.
fn guards(settings: &Settings, given: &[String]) -> Result<Vec<StopGuard>, Error> {
    let mut guards = settings.budget.stop_if.clone();
    for text in given {
        guards.push(text.parse().map_err(|error| {
            Error::request(format!("cannot read the stop guard `{text}`")).because(error)
        })?);
    }
    Ok(guards)
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

/// Tells once what makes the recorded code differ from what runs.
pub fn tell_inexact(context: &mut Context, state: &CodeState) {
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
pub fn tell_first_steps(context: &mut Context) -> Result<(), Error> {
    if init::show_notes(context)? {
        context
            .output
            .say("plain `git log` shows results from now on (`notes.displayRef` is set in this repository)");
    }
    Ok(())
}

/// One line about what was recorded.
pub fn report(context: &mut Context, recorded: &Recorded) -> Result<(), Error> {
    if context.output.json {
        let view = RunView {
            files: super::recorded::files_of(&recorded.entry),
            ..RunView::new(recorded.entry.id.to_hex(), recorded.short.clone(), &recorded.run)
        };
        context.output.object(&RunJson::from(&view))?;
    }
    context.output.flush()?;
    context.output.say(&recorded.line);
    if recorded.run.evaluation_changed {
        context.output.say("  it ran under changed evaluation code: not that which its topic pinned");
    }
    if recorded.malformed > 0 {
        context.output.say(&format!(
            "{} could not be read; `git exp show {}` tells which",
            counted(recorded.malformed, "report line"),
            recorded.short
        ));
    }
    for remark in &recorded.remarks {
        context.output.say(&format!("  {remark}"));
    }
    Ok(())
}

/// Files that appeared while a trial ran: what it produced, not what the next one runs.
pub fn new_files(place: &Place, before: &CodeState) -> Result<Vec<PathBytes>, Error> {
    let known: HashSet<&PathBytes> = before.changes.untracked.iter().collect();
    let now = place.repo.worktree_changes()?;
    Ok(now.untracked.into_iter().filter(|path| !known.contains(path)).collect())
}
