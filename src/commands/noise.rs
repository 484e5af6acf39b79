//! `git exp noise`

use std::ffi::OsString;

use clap::Args;

use super::comparing::with_trials;
use super::pairs::{self, Aside};
use super::place::Place;
use super::run::{check_command, one_by_one, seeds};
use super::sides::Chosen;
use super::trial::{Setup, TrialOptions};
use super::{Answer, deciding, recovery, selection, sides};
use crate::config::Settings;
use crate::context::Context;
use crate::domain::cell::{Cell, Outcome, Trial, cells};
use crate::domain::criterion::Criterion;
use crate::domain::id::TopicName;
use crate::domain::noise_floor::noise_floors;
use crate::domain::state::{ExperimentState, State};
use crate::domain::statistics::FEWEST_FOR_AN_INTERVAL;
use crate::error::{Error, Fault};
use crate::log::index::Index;
use crate::render::noise::{NoiseJson, NoiseView, page};
use crate::runner::Interruptions;

/// Say how much a baseline varies when nothing changes, and what can be shown above that
///
/// With a command, it is run on the baseline's code first, as ordinary runs of the baseline; without one, the runs there are
/// tell. The spread from run to run is held against the effects that the brief, or the topic, wants to see.
#[derive(Args, Debug)]
#[command(after_help = "\
The baseline is what `-e` names (an experiment, a named baseline or a revision), else the one that the brief of the current
experiment names, else the code you are on.

Examples:
  git exp noise -e main -n 3 -- python train.py
  git exp noise -e A-001
  git exp noise -n 10 -- ./bench

Exit status: 0 the spread is below every wanted effect, or nothing says what is wanted; 1 it is not; 4 fewer than 3 runs.

JSON: one git-exp/noise/1 object for each hardware, one a line; with a command its runs come first.")]
pub struct Arguments {
    /// The baseline: an experiment, a named baseline or a revision
    #[arg(short, long, value_name = "BASELINE")]
    experiment: Option<String>,

    /// How many runs, each with its own seed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3)]
    trials: u32,

    /// Show every metric, and not only those that something is wanted of
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    options: TrialOptions,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a baseline's noise is held against.
struct Purpose {
    criteria: Vec<Criterion>,
    planned: u32,
    settings: Settings,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    recovery::recover(context)?;
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let here = here(context, &state)?;
    let word = arguments
        .experiment
        .clone()
        .or_else(|| here.and_then(|it| it.registered.as_ref()?.current.brief.baseline.clone()));
    let topic = here.and_then(ExperimentState::topic);
    let topic = topic.and_then(|name| state.topics.get(name)).map(|it| &it.topic);
    if !arguments.command.is_empty() {
        let status = measure(context, &arguments, word.as_deref())?;
        if status != Answer::Command(0) {
            return Ok(status);
        }
        index = context.log.index()?;
    }
    let chosen = match &word {
        Some(word) => sides::choose(context, &mut index, &state, topic, word)?,
        None => sides::code_here(context)?,
    };
    let purpose = purpose(context, &state, here, &chosen)?;
    let views = views(context, &mut index, &state, &chosen, &purpose, arguments.verbose)?;
    if views.is_empty() {
        return Err(Error {
            fault: Fault::Unknown,
            ..Error::request(format!("`{}` has no runs that tell how much it varies", chosen.name))
                .hint("run it first: git exp noise -n 3 -- <command>")
        });
    }
    for view in &views {
        if context.output.json {
            context.output.object(&NoiseJson::from(view))?;
        } else {
            let text = page(view, &context.canvas());
            context.output.text(&text)?;
        }
    }
    let answers: Vec<Option<bool>> = views.iter().map(NoiseView::is_below_what_matters).collect();
    let is_asked = views.iter().any(|view| view.floors.iter().any(|floor| !floor.wanted.is_empty()));
    let is_known =
        |view: &NoiseView| view.floors.iter().any(|it| it.description.size >= FEWEST_FOR_AN_INTERVAL);
    Ok(if answers.contains(&Some(false)) {
        Answer::No
    } else if (is_asked && answers.contains(&None)) || !views.iter().any(is_known) {
        Answer::Unknown
    } else {
        Answer::Yes
    })
}

/// The registered experiment of the current branch.
fn here<'a>(context: &Context, state: &'a State) -> Result<Option<&'a ExperimentState>, Error> {
    let branch = context.repo.head()?.branch;
    let id = selection::experiment_of_branch(branch.as_deref());
    let writers = context.log.own_writers()?;
    Ok(id.and_then(|id| state.of_branch(&id, &writers)))
}

/// Runs the command on the baseline's code, as runs of the baseline.
fn measure(context: &mut Context, arguments: &Arguments, word: Option<&str>) -> Result<Answer, Error> {
    check_command(&arguments.command)?;
    if arguments.trials == 0 {
        return Err(Error::request("cannot run 0 trials").hint("leave `-n` out for 3"));
    }
    let place = Place::find(context, None)?;
    let setup = Setup::new(context, place.clone(), &arguments.options, &arguments.command)?;
    let seeds = seeds(arguments.trials, &arguments.options.seed, &setup.settings)?;
    let interruptions = Interruptions::watch()?;
    let _machine = pairs::wait_for_machine(context, &interruptions)?;
    let Some(word) = word else {
        deciding::refuse_unreviewed(context, &place)?;
        return one_by_one(context, &setup, &seeds, false, false, &interruptions);
    };
    let baseline = sides::baseline(context, &place, word)?;
    let mut aside = Aside::new(context)?;
    let beside = Place { membership: baseline.membership, registration: baseline.registration, ..place };
    let beside = aside.place(context, "base", baseline.commit, beside, &setup)?;
    let setup = setup.at(beside, &arguments.command);
    one_by_one(context, &setup, &seeds, false, false, &interruptions)
}

/// What the noise is held against: the brief of the experiment one is in, else what the topic wants.
fn purpose(
    context: &Context,
    state: &State,
    here: Option<&ExperimentState>,
    chosen: &Chosen,
) -> Result<Purpose, Error> {
    let subject = chosen.experiment();
    let experiment = here.or(subject).filter(|it| it.registered.is_some());
    let brief = experiment.and_then(|it| it.registered.as_ref()).map(|it| &it.current.brief);
    let topic: Option<&TopicName> = experiment.and_then(ExperimentState::topic);
    let known = topic.and_then(|name| state.topics.get(name)).map(|it| &it.topic);
    let of = |accept: &[Criterion], guard: &[Criterion]| [accept, guard].concat();
    let criteria = match (brief, known) {
        (Some(brief), _) if !brief.accept.is_empty() => of(&brief.accept, &brief.guard),
        (_, Some(topic)) => of(&topic.accept, &topic.guard),
        _ => Vec::new(),
    };
    let settings = match experiment {
        Some(_) => context.settings_for(topic, &context.repo)?,
        None => context.settings_here()?,
    };
    let planned =
        brief.map_or(crate::domain::brief::DEFAULT_TRIALS, crate::domain::brief::Brief::planned_trials);
    Ok(Purpose { criteria, planned, settings })
}

/// The noise of the newest cell on each hardware.
fn views(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    chosen: &Chosen,
    purpose: &Purpose,
    shows_all: bool,
) -> Result<Vec<NoiseView>, Error> {
    with_trials(context, index, state, chosen, |trials| {
        let mut views: Vec<NoiseView> = Vec::new();
        for cell in cells(trials) {
            if views.iter().any(|view| view.hardware == cell.hardware()) {
                continue;
            }
            views.extend(view(&cell, chosen, purpose, shows_all));
        }
        views
    })
}

fn view(cell: &Cell<'_>, chosen: &Chosen, purpose: &Purpose, shows_all: bool) -> Option<NoiseView> {
    let mut floors = noise_floors(cell, &purpose.settings.metrics, &purpose.criteria);
    if !shows_all && floors.iter().any(|floor| !floor.wanted.is_empty()) {
        floors.retain(|floor| !floor.wanted.is_empty());
    }
    let ended: Vec<Trial<'_>> = cell.with(Outcome::Ended).collect();
    let wall: f64 = ended.iter().map(|trial| trial.run.wall_seconds).sum();
    (!floors.is_empty()).then(|| NoiseView {
        subject: chosen.name.clone(),
        hardware: cell.hardware().to_owned(),
        runs: cell.trials().len(),
        failed: cell.count(Outcome::Failed),
        wall_seconds: wall / ended.len() as f64,
        planned: purpose.planned,
        floors,
    })
}
