//! `git exp repro`
#![expect(clippy::disallowed_methods, reason = "measures how long all of it takes")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::on_record::{Found, OnRecord, Side, on_record};
use super::pairs::{Aside, wait_for_machine};
use super::place::Place;
use super::recorded::{config_files, versions};
use super::recording::{self, Captured};
use super::trial::{GRACE, Setup, TrialOptions, Turn};
use super::{Answer, new};
use crate::context::Context;
use crate::domain::difference::{Axis, Difference, Side as Stored};
use crate::domain::entry::Body;
use crate::domain::id::ObjectName;
use crate::domain::number::counted;
use crate::domain::reproduction::{
    Observed, Outcome, Reproduction, Surrounding, Target, Terms, Trials, judge, outcome,
};
use crate::domain::run::{PairSide, Run, Status};
use crate::domain::statistics::random::{First, Random, balanced_order};
use crate::error::Error;
use crate::git::Oid;
use crate::log::NewFile;
use crate::render::reproduction::{ReproductionJson, page, surroundings};
use crate::render::text::{command_line, harmless};
use crate::runner::{Ended, Interruptions, Job, Limits, Patterns, REDACTED, Redactor, Show, execute};

/// What a shell exits with after Ctrl-C.
const INTERRUPTED: i32 = 130;
/// What a shell exits with where a program cannot be started, and where there is none of that name.
const NO_PROGRAM: [i32; 2] = [126, 127];

/// Repeat what is on record, and say whether the same comes out
///
/// A seal is verified first. Fresh worktrees are made at the exact code; what differs around it (hardware, driver, libraries, lock
/// files) is shown; the setup command of the code's `exp.toml` is run; then the exact commands with their seeds and parameters.
/// What was deterministic must be equal, the rest must agree within the recorded noise. Speed is judged as the ratio of candidate
/// to baseline, both run in turn, so that it also says something on another machine. What came of it is recorded.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git clone --branch sealed/A-002 <url> && git exp repro sealed/A-002
  git exp repro A-002                the newest complete trials of an experiment
  git exp repro 3f2a91bc -n 5        one run, five times
  git exp repro sealed/A-002 --smoke check that it starts and ends well

This runs the code of the seal: verify whose it is first.
Exit status: 0 reproduced; 1 diverged, or the seal does not hold; 4 not comparable.")]
pub struct Arguments {
    /// A seal's tag, an experiment, or the first digits of a run's ID
    #[arg(value_name = "TAG|ID")]
    target: String,

    /// How many trials each side has [as many as are on record]
    #[arg(short = 'n', long, value_name = "N")]
    trials: Option<u32>,

    /// Run each side once, and only see whether it ends well; nothing is judged or recorded
    #[arg(long, conflicts_with = "trials")]
    smoke: bool,

    /// Leave the worktrees where they are
    #[arg(long)]
    keep: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.trials == Some(0) {
        return Err(Error::request("cannot repeat anything in 0 trials").hint("leave `-n` out"));
    }
    let record = match on_record(context, &arguments.target)? {
        Found::Here(record) => *record,
        Found::Refused(answer) => return Ok(answer),
    };
    let interruptions = Interruptions::watch()?;
    let mut aside = Aside::new(context)?;
    let mut repetition = Repetition::new(record, &arguments);
    let ended = repetition.go(context, &mut aside, &interruptions);
    let kept = if arguments.keep { Some(aside.keep()) } else { None };
    if let Some(kept) = &kept {
        context.output.say(&format!("the worktrees are in {}", kept.display()));
    }
    match ended? {
        Some(()) => repetition.tell(context, kept.as_deref()),
        None => {
            context.output.say("interrupted, so nothing was judged or recorded");
            Ok(Answer::of_command(INTERRUPTED))
        }
    }
}

/// A repetition under way.
struct Repetition {
    record: OnRecord,
    is_smoke: bool,
    /// How many trials each side has.
    trials: u32,
    began: Instant,
    hardware: String,
    environment: Vec<u8>,
    differences: Vec<Surrounding>,
    here: Trials,
    /// Why it ended before all ran.
    ended: Option<(Outcome, String)>,
    files: Vec<NewFile>,
    lines: Vec<String>,
    terms: Terms,
    ran_both: bool,
}

/// One side, ready to run.
struct Ready {
    side: PairSide,
    setup: Setup,
    runs: Vec<Run>,
}

/// Whether something went on, or ended for the reason that was noted, or by a signal.
enum Step<T> {
    Went(T),
    Ended,
    Interrupted,
}

impl Repetition {
    fn new(record: OnRecord, arguments: &Arguments) -> Self {
        let recorded = u32::try_from(record.candidate.wanted.len()).unwrap_or(u32::MAX);
        let trials = if arguments.smoke { 1 } else { arguments.trials.unwrap_or(recorded) };
        Self {
            is_smoke: arguments.smoke,
            trials,
            began: Instant::now(),
            hardware: String::new(),
            environment: Vec::new(),
            differences: Vec::new(),
            here: Trials::default(),
            ended: None,
            files: Vec::new(),
            lines: Vec::new(),
            terms: Terms {
                definitions: record.definitions.clone(),
                promised: record.promised.clone(),
                is_same_hardware: true,
            },
            ran_both: false,
            record,
        }
    }

    fn end<T>(&mut self, outcome: Outcome, why: impl Into<String>) -> Step<T> {
        self.ended.get_or_insert((outcome, why.into()));
        Step::Ended
    }

    /// Runs all of it; `None` where a signal ended it.
    fn go(
        &mut self,
        context: &mut Context,
        aside: &mut Aside,
        interruptions: &Interruptions,
    ) -> Result<Option<()>, Error> {
        let candidate = match self.ready(context, aside, PairSide::Candidate, interruptions)? {
            Step::Went(ready) => ready,
            Step::Ended => return Ok(Some(())),
            Step::Interrupted => return Ok(None),
        };
        let recorded = self.record.trials();
        self.ran_both = self.record.baseline.is_some() && (self.is_smoke || self.terms.wants_both(&recorded));
        let mut sides = vec![candidate];
        if self.ran_both {
            match self.ready(context, aside, PairSide::Baseline, interruptions)? {
                Step::Went(ready) => sides.push(ready),
                Step::Ended => return Ok(Some(())),
                Step::Interrupted => return Ok(None),
            }
        }
        let _machine = match self.ran_both && !self.is_smoke {
            true => Some(wait_for_machine(context, interruptions)?),
            false => None,
        };
        if let [candidate, baseline] = sides.as_mut_slice() {
            Setup::pad(&mut candidate.setup, &mut baseline.setup);
        }
        let group = sides[0].setup.group;
        let mut random = Random::for_things("the order of a repetition", &[&group.0]);
        let orders = balanced_order(self.trials as usize, &mut random);
        // As in pairs, what is cold is not measured.
        let first = u32::from(!self.ran_both || self.is_smoke);
        for number in first..=self.trials {
            let order = match orders.get((number as usize).saturating_sub(1)) {
                Some(First::Baseline) => [PairSide::Baseline, PairSide::Candidate],
                _ => [PairSide::Candidate, PairSide::Baseline],
            };
            for side in order {
                let Some(ready) = sides.iter().find(|it| it.side == side) else { continue };
                let place = (number as usize).saturating_sub(1) % ready.runs.len();
                match self.once(context, aside, ready, place, number, false, interruptions)? {
                    Step::Went(()) => {}
                    Step::Ended => return Ok(Some(())),
                    Step::Interrupted => return Ok(None),
                }
            }
        }
        if self.is_smoke {
            return Ok(Some(()));
        }
        for (side, place) in self.terms.open_questions(&recorded, &self.here) {
            let Some(ready) = sides.iter().find(|it| it.side == side) else { continue };
            context.output.say("once more, to see whether the same comes out each time");
            let number = self.trials.saturating_add(1);
            let place = place % ready.runs.len();
            match self.once(context, aside, ready, place, number, true, interruptions)? {
                Step::Went(()) => {}
                Step::Ended => return Ok(Some(())),
                Step::Interrupted => return Ok(None),
            }
        }
        Ok(Some(()))
    }

    /// Makes a side ready: its worktree, what it needs, and its setup command; the candidate's environment is held against the record.
    fn ready(
        &mut self,
        context: &mut Context,
        aside: &mut Aside,
        side: PairSide,
        interruptions: &Interruptions,
    ) -> Result<Step<Ready>, Error> {
        let recorded = match side {
            PairSide::Candidate => &self.record.candidate,
            PairSide::Baseline => {
                self.record.baseline.as_ref().expect("only a baseline that is there is made ready")
            }
        };
        let runs: Vec<Run> = recorded.wanted.iter().map(|place| recorded.run(*place).clone()).collect();
        let newest = recorded.run(recorded.trials.len() - 1).clone();
        let (registration, commit) = (recorded.registration.clone(), recorded.commit.clone());
        let texts = runs
            .iter()
            .flat_map(|run| run.argv.iter().map(ToString::to_string).chain(run.params.values().cloned()));
        if texts.into_iter().any(|text| text.contains(REDACTED)) {
            return Ok(self
                .end(Outcome::NotComparable, "a secret was taken out of the command when it was recorded"));
        }
        let Some(below) = subfolder(&newest) else {
            return Ok(self.end(Outcome::NotComparable, "the command ran outside of its worktree"));
        };
        let missing = || {
            Error::outside(format!("the code {commit} is not here"))
                .hint("`git exp pull --data` fetches the code of runs")
        };
        let oid =
            Oid::from_hex(commit.as_str()).filter(|it| context.repo.has_object(*it)).ok_or_else(missing)?;
        let name = match side {
            PairSide::Candidate => "cand",
            PairSide::Baseline => "base",
        };
        let made = aside.worktree(name, oid);
        if interruptions.take().is_some() {
            return Ok(Step::Interrupted);
        }
        let path = made?;
        let repo = context.repo.in_worktree(&path)?;
        let topic = registration.as_ref().and_then(|it| it.topic.clone());
        let mut settings = context.settings_for(topic.as_ref(), &repo)?;
        settings.metrics.extend(self.record.definitions.clone());
        self.terms.definitions = settings.metrics.clone();
        if let Some(top) = context.repo.main_work_dir() {
            for problem in new::bring_along(context, &settings, &top, &path)? {
                context.output.say(&problem);
            }
        }
        let directory = path.join(below);
        let argv = argv_of(&newest);
        let redactor = std::sync::Arc::new(recording::redactor(&settings)?);
        let place = Place { repo, directory, membership: newest.membership.clone(), registration };
        if side == PairSide::Candidate {
            self.begin(context)?;
            // What is missing here may be what the setup brings.
            if let Ok(captured) = Captured::now(context, &place, &settings, &redactor, &argv) {
                self.surroundings(context, &newest, &captured)?;
            }
        }
        if !settings.setup.is_empty() {
            let folder = aside.folder(&format!("setup-{name}"))?;
            match self.set_up(context, folder, &path, &settings.setup, redactor, interruptions)? {
                Step::Went(()) => {}
                Step::Ended => return Ok(Step::Ended),
                Step::Interrupted => return Ok(Step::Interrupted),
            }
        }
        if !place.directory.is_dir() {
            return Ok(self.end(
                Outcome::NotComparable,
                format!("the folder `{}`, in which it ran, is not in the code", newest.directory),
            ));
        }
        let ready =
            Setup::with(context, place, settings, &TrialOptions::default(), &argv).and_then(|setup| {
                let it = (&setup.place, &setup.settings, &setup.redactor);
                Captured::now(context, it.0, it.1, it.2, &argv).map(|captured| (setup, captured))
            });
        let (mut setup, captured) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                let why: Vec<String> = std::iter::once(error.message).chain(error.causes).collect();
                return Ok(self.end(Outcome::NotComparable, why.join(": ")));
            }
        };
        setup.shows_output = !context.output.json;
        if side == PairSide::Candidate {
            self.surroundings(context, &newest, &captured)?;
        }
        Ok(Step::Went(Ready { side, setup, runs }))
    }

    /// Holds what is around the candidate against the record, and shows what differs.
    fn surroundings(
        &mut self,
        context: &mut Context,
        newest: &Run,
        captured: &Captured,
    ) -> Result<(), Error> {
        let entry = self.record.candidate.newest();
        let mut environments = [self.record.candidate.environment.clone(), Some(captured.document())];
        let [recorded, here] = environments.each_mut().map(|environment| {
            let datasets = environment.as_mut().and_then(|it| it.as_object_mut()?.remove("datasets"));
            datasets.map(|it| versions(&it)).unwrap_or_default()
        });
        let again = Run { hardware: captured.hardware.clone(), ..newest.clone() };
        let (kept, found) = (config_files(entry), captured.config_hashes());
        let side =
            |run, environment, config_files, datasets| Stored { run, environment, config_files, datasets };
        let difference = Difference::between(
            &side(newest, environments[0].as_ref(), &kept, &recorded),
            &side(&again, environments[1].as_ref(), &found, &here),
        );
        let around = [Axis::Configuration, Axis::Dataset, Axis::Environment, Axis::Hardware];
        let rows = difference.rows.into_iter().filter(|row| around.contains(&row.axis));
        let differences: Vec<Surrounding> = rows
            .map(|row| Surrounding {
                axis: row.axis.word().to_owned(),
                name: row.name,
                recorded: row.a,
                here: row.b,
            })
            .collect();
        let is_known = !self.hardware.is_empty() && self.differences == differences;
        self.differences = differences;
        self.hardware.clone_from(&captured.hardware);
        self.terms.is_same_hardware = captured.hardware == newest.hardware;
        self.environment = serde_json::to_vec(&captured.document()).unwrap_or_default();
        if context.output.json || is_known {
            return Ok(());
        }
        let text = surroundings(&self.differences, &context.canvas());
        context.output.text(&text)?;
        context.output.flush()
    }

    /// Says what is about to be repeated.
    fn begin(&self, context: &mut Context) -> Result<(), Error> {
        if context.output.json {
            return Ok(());
        }
        let baseline = match &self.record.baseline {
            Some(it) => format!(", baseline {}", it.commit.short()),
            None => String::new(),
        };
        context.output.line(&format!(
            "{}: code {}{baseline}, {}",
            harmless(&self.record.target.to_string()),
            self.record.candidate.commit.short(),
            counted(self.trials, "trial")
        ))
    }

    /// Runs the setup command in a worktree.
    fn set_up(
        &mut self,
        context: &mut Context,
        folder: PathBuf,
        top: &Path,
        command: &[String],
        redactor: std::sync::Arc<Redactor>,
        interruptions: &Interruptions,
    ) -> Result<Step<()>, Error> {
        let shown = match command {
            [shell, option, text] if shell == "sh" && option == "-c" => harmless(text).into_owned(),
            words => command_line(words),
        };
        context.output.say(&format!("setting up: {shown}"));
        let job = Job {
            argv: command.iter().map(OsString::from).collect(),
            directory: top.to_path_buf(),
            environment: Vec::new(),
            timeout: None,
            grace: GRACE,
            folder,
            patterns: Patterns::default(),
            redactor,
            limits: Limits::default(),
            show: if context.output.json { Show::Hidden } else { Show::OnStderr },
        };
        context.output.flush()?;
        let outcome = execute(&job, interruptions, &mut ())?;
        if matches!(outcome.ended, Ended::Interrupted { .. }) || interruptions.take().is_some() {
            return Ok(Step::Interrupted);
        }
        match outcome.shell_status() {
            Some(0) => Ok(Step::Went(())),
            status => {
                let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
                Ok(self
                    .end(Outcome::NotComparable, format!("the setup command `{shown}` ended with {status}")))
            }
        }
    }

    /// Runs one trial once more.
    #[expect(clippy::too_many_arguments, reason = "a trial is told by all of them")]
    fn once(
        &mut self,
        context: &mut Context,
        aside: &Aside,
        ready: &Ready,
        place: usize,
        number: u32,
        is_repeat: bool,
        interruptions: &Interruptions,
    ) -> Result<Step<()>, Error> {
        let (run, nonce) = (&ready.runs[place], context.nonce()?);
        let argv = argv_of(run);
        let mut setup = ready.setup.at(ready.setup.place.clone(), &argv);
        setup.params.clone_from(&run.params);
        let name = format!("{}-{number}", ready.side);
        let folder = aside.folder(&name)?;
        let turn = Turn { number: run.trial, of: run.trials, seed: run.seed, pair: None, confirms: false };
        let mut environment = setup.environment(&folder, &folder.join("state"), &nonce, turn)?;
        if self.is_smoke {
            environment.push(("GIT_EXP_SMOKE".into(), "1".into()));
        }
        let seed = run.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        let what = if number == 0 { "warm-up".to_owned() } else { format!("trial {number}") };
        context.output.say(&format!("{what} of the {}{seed}: {}", ready.side, command_line(&run.argv)));
        let job = Job {
            argv,
            directory: setup.place.directory.clone(),
            environment,
            timeout: setup.timeout,
            grace: GRACE,
            folder: folder.clone(),
            patterns: setup.patterns.clone(),
            redactor: std::sync::Arc::clone(&setup.redactor),
            limits: Limits::default(),
            // Standard output is for the answer.
            show: if setup.shows_output { Show::OnStderr } else { Show::Hidden },
        };
        context.output.flush()?;
        let outcome = execute(&job, interruptions, &mut ())?;
        if matches!(outcome.ended, Ended::Interrupted { .. }) || interruptions.take().is_some() {
            return Ok(Step::Interrupted);
        }
        let metrics = outcome.values(&setup.settings.metrics);
        let status = outcome.status(&metrics);
        for (stream, kept) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            if kept.total_bytes > 0 {
                let name = format!("{name}/{stream}");
                self.files.push(NewFile { name: name.as_str().into(), bytes: kept.stored() });
            }
        }
        let values: BTreeMap<&String, serde_json::Value> = metrics
            .iter()
            .map(|(name, it)| {
                let number = crate::render::json::Number;
                let cases: BTreeMap<&String, _> =
                    it.cases.iter().map(|(case, value)| (case, number(*value))).collect();
                (name, json!({"value": it.value.map(number), "cases": cases}))
            })
            .collect();
        let line = json!({
            "side": ready.side.word(), "trial": number, "seed": run.seed, "status": status.word(),
            "exit": outcome.shell_status(), "wall_seconds": outcome.wall_seconds, "metrics": values,
        });
        self.lines.push(line.to_string());
        if status != Status::Ok {
            let (outcome, why) = failure(&outcome, status);
            return Ok(self.end(outcome, format!("{what} of the {} {why}", ready.side)));
        }
        if number > 0 {
            let observed = Observed { seed: run.seed, pair: Some(number.to_string()), metrics, is_repeat };
            match ready.side {
                PairSide::Candidate => self.here.candidate.push(observed),
                PairSide::Baseline => self.here.baseline.push(observed),
            }
        }
        Ok(Step::Went(()))
    }

    /// Judges what came of it, records it, and says so.
    fn tell(mut self, context: &mut Context, kept: Option<&Path>) -> Result<Answer, Error> {
        let metrics = match self.is_smoke || self.ended.is_some() {
            true => Vec::new(),
            false => judge(&self.record.trials(), &self.here, &self.terms),
        };
        let (outcome, reasons) = match self.ended.take() {
            Some((outcome, why)) => (outcome, vec![why]),
            None if self.is_smoke => (Outcome::Reproduced, Vec::new()),
            None => outcome(&metrics),
        };
        let candidate = &self.record.candidate;
        let membership = &candidate.run(candidate.trials.len() - 1).membership;
        let reproduction = Reproduction {
            experiment: membership.experiment.clone(),
            registration: membership.registration,
            target: self.record.target.clone(),
            commit: candidate.commit.clone(),
            baseline: self.record.baseline.as_ref().filter(|_| self.ran_both).map(Side::commit),
            outcome,
            reasons,
            trials: self.trials,
            metrics,
            differences: std::mem::take(&mut self.differences),
            hardware: std::mem::take(&mut self.hardware),
            wall_seconds: self.began.elapsed().as_secs_f64(),
        };
        let kept = kept.map(|path| path.display().to_string());
        if self.is_smoke {
            return smoke(context, &reproduction, kept);
        }
        if !self.environment.is_empty() {
            self.files.push(NewFile { name: "environment.json".into(), bytes: self.environment });
        }
        if !self.lines.is_empty() {
            let bytes = (self.lines.join("\n") + "\n").into_bytes();
            self.files.push(NewFile { name: "trials.jsonl".into(), bytes });
        }
        let answers = match &reproduction.target {
            Target::Run(id) => Some(*id),
            Target::Seal { .. } => None,
        };
        let body = Body::Reproduction(Box::new(reproduction.clone()));
        let appended = context.append_with(body, answers, Vec::new(), self.files)?;
        let id = appended.entry.id;
        if context.output.json {
            context.output.object(&ReproductionJson::new(&reproduction, Some(id.to_hex()), kept))?;
        } else {
            let text = page(&reproduction, &context.canvas());
            context.output.text(&text)?;
            context.output.say(&format!("recorded {} ({})", id.short(), outcome));
        }
        Ok(match outcome {
            Outcome::Reproduced => Answer::Yes,
            Outcome::Diverged => Answer::No,
            Outcome::NotComparable => Answer::Unknown,
        })
    }
}

impl Side {
    fn commit(&self) -> ObjectName {
        self.commit.clone()
    }
}

/// Says whether it starts and ends well; nothing more was asked.
fn smoke(context: &mut Context, it: &Reproduction, kept: Option<String>) -> Result<Answer, Error> {
    if context.output.json {
        context.output.object(&ReproductionJson::new(it, None, kept))?;
    } else if it.outcome == Outcome::Reproduced {
        context.output.line(&format!(
            "{} starts and ends well; nothing was judged",
            harmless(&it.target.to_string())
        ))?;
    } else {
        let why = harmless(&it.reasons.concat()).into_owned();
        context.output.line(&format!("{} does not end well: {why}", harmless(&it.target.to_string())))?;
    }
    Ok(match it.outcome {
        Outcome::Reproduced => Answer::Yes,
        Outcome::Diverged => Answer::No,
        Outcome::NotComparable => Answer::Unknown,
    })
}

/// What it says of the record that a trial did not end well, and how that is told.
fn failure(outcome: &crate::runner::Outcome, status: Status) -> (Outcome, String) {
    let code = outcome.shell_status();
    match (&outcome.ended, code) {
        (Ended::NotStarted { reason, .. }, _) => {
            (Outcome::NotComparable, format!("cannot be started: {reason}"))
        }
        (_, Some(code)) if NO_PROGRAM.contains(&code) => {
            (Outcome::NotComparable, format!("ended with {code}: a program that it needs is not here"))
        }
        (Ended::TimedOut, _) => (Outcome::NotComparable, "ran past its time limit".to_owned()),
        (_, Some(0)) => (Outcome::Diverged, "reported a value that is not finite".to_owned()),
        (_, Some(code)) => (Outcome::Diverged, format!("ended with {code}, and all on record ended well")),
        (_, None) => (Outcome::NotComparable, format!("ended as `{status}`")),
    }
}

fn argv_of(run: &Run) -> Vec<OsString> {
    run.argv.iter().map(|word| OsString::from_vec(word.0.clone())).collect()
}

/// The folder that a run ran in, from the top of its worktree; `None` where that leads out of it.
fn subfolder(run: &Run) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(run.directory.0.clone()));
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bytes::OsBytes;
    use crate::domain::difference::tests::a_run;

    #[test]
    fn a_folder_that_leads_out_of_the_worktree_is_none() {
        let below = |path: &str| subfolder(&Run { directory: OsBytes::from(path), ..a_run() });
        assert_eq!(below(""), Some(PathBuf::new()));
        assert_eq!(below("tools/bench"), Some(PathBuf::from("tools/bench")));
        assert_eq!(below("../elsewhere"), None);
        assert_eq!(below("tools/../../elsewhere"), None);
        assert_eq!(below("/etc"), None);
    }
}
