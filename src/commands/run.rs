//! `git exp run`

use std::collections::HashSet;
use std::ffi::OsString;

use clap::Args;

use super::code_state::CodeState;
use super::pairs::{self, Series};
use super::place::Place;
use super::trial::{self, Setup, TrialOptions, Turn};
use super::{Answer, deciding, export, gate, limits, notify, recovery};
use crate::config::Settings;
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::run::Status;
use crate::error::Error;
use crate::git::PathBytes;
use crate::log::index::query::{self, Query};
use crate::runner::Interruptions;

/// Run a command and record it: code, command, environment, output, metrics and how it ended
///
/// Works in any repository with nothing prepared. A run belongs to the experiment of the current branch (`exp/<ID>`), to
/// the one that `-e` names (then it runs in that experiment's worktree), or else to the day's scratch.
///
/// A clean worktree runs at `HEAD`; a dirty one is stored as a snapshot first, so that every run's code can be had back.
/// A run that fails, is killed or runs out of time is recorded too.
///
/// With `--against`, the command runs in turn on the baseline's code and on this one's, in an order drawn at random inside
/// each pair, after a warm-up that does not count, each side in a fresh worktree of its own. `compare` judges the pairs.
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
  git exp run --stop-if 'val_loss > 10' --stop-if 'no output for 10m' -- python train.py
  git exp run --against main -n 30 -- python bench.py      baseline and candidate in turn, as pairs
  git exp run --confirm -- python train.py                 repeat a result with new seeds

With --json the command's output is recorded but not shown, and each trial prints its run as JSON.

Exit status: the command's own; 125 when git exp itself failed, or when the budget let fewer trials run than asked for.")]
pub struct Arguments {
    /// Record for this experiment, and run in its worktree
    #[arg(short, long, value_name = "ID")]
    experiment: Option<String>,

    /// How many trials to run, one after the other, each with its own seed [1; as planned with --against or --confirm]
    #[arg(short = 'n', long, value_name = "N")]
    trials: Option<u32>,

    #[command(flatten)]
    options: TrialOptions,

    /// Run in pairs with this baseline: an experiment, a named baseline or a revision
    #[arg(long, value_name = "BASELINE", conflicts_with = "once")]
    against: Option<String>,

    /// Repeat the experiment's result with new seeds; only these runs are judged from then on
    #[arg(long, conflicts_with = "once")]
    confirm: bool,

    /// Do not run again what ended well with the same code, command, parameters and seed
    #[arg(long)]
    once: bool,

    /// Run the smoke command of `[gate]` alone, and exit as it does
    #[arg(long, conflicts_with_all = ["against", "confirm", "once", "trials", "command"])]
    smoke: bool,

    /// The command and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "smoke",
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    recovery::recover(context)?;
    if arguments.smoke {
        let place = Place::find(context, arguments.experiment.as_deref())?;
        let setup = Setup::new(context, place, &arguments.options, &[])?;
        return gate::only(context, &setup, &Interruptions::watch()?);
    }
    check_command(&arguments.command)?;
    if arguments.trials == Some(0) {
        return Err(Error::request("cannot run 0 trials").hint("leave `-n` out for one trial"));
    }
    let place = Place::find(context, arguments.experiment.as_deref())?;
    deciding::refuse_unreviewed(context, &place)?;
    let trials = trials(&arguments, &place);
    let setup = Setup::new(context, place, &arguments.options, &arguments.command)?;
    let seeds = if arguments.confirm {
        new_seeds(context, &setup, trials, &arguments.options.seed)?
    } else {
        seeds(trials, &arguments.options.seed, &setup.settings)?
    };
    let interruptions = Interruptions::watch()?;
    let export = setup.settings.export.clone();
    let answer = match &arguments.against {
        Some(word) => {
            let series = Series { seeds, confirms: arguments.confirm };
            pairs::against(context, setup, word, &series, &interruptions)?
        }
        None => {
            let (once, confirms) = (arguments.once, arguments.confirm);
            one_by_one(context, &setup, &seeds, once, confirms, &interruptions)?
        }
    };
    export::follow(context, &export);
    context.repo.start_maintenance_if_due();
    Ok(answer)
}

/// Refuses what cannot be a command.
pub fn check_command(command: &[OsString]) -> Result<(), Error> {
    let program = command.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if program.starts_with('-') || program.is_empty() {
        return Err(Error::request(format!("`{program}` is no option of `git exp run`, and no command"))
            .hint("options stand before the command: git exp run -n 3 -- python train.py; `git exp run -h` lists them"));
    }
    Ok(())
}

/// How many trials are asked for: one where nothing else is said, and as many as are planned where the plan is run.
fn trials(arguments: &Arguments, place: &Place) -> u32 {
    let planned = place.registration.as_ref().map(|it| it.brief.planned_trials());
    match arguments.trials {
        Some(trials) => trials,
        None if arguments.options.seed.len() > 1 => {
            u32::try_from(arguments.options.seed.len()).unwrap_or(u32::MAX)
        }
        None if arguments.against.is_some() => planned.unwrap_or(pairs::DEFAULT_PAIRS),
        None if arguments.confirm => planned.unwrap_or(1),
        None => 1,
    }
}

/// Runs the command once for each seed; with `once`, not where it ended well before.
pub fn one_by_one(
    context: &mut Context,
    setup: &Setup,
    seeds: &[Option<u64>],
    once: bool,
    confirms: bool,
    interruptions: &Interruptions,
) -> Result<Answer, Error> {
    let mut first_failure = None;
    let mut outputs: HashSet<PathBytes> = HashSet::new();
    let mut is_first = true;
    let of = u32::try_from(seeds.len()).unwrap_or(u32::MAX);
    for (number, seed) in (1..).zip(seeds) {
        let mut state = setup.code(&outputs)?;
        if is_first {
            trial::tell_inexact(context, &state);
        }
        if once && let Some(done) = already_done(context, setup, &state, *seed)? {
            context.output.say(&format!("trial {number} was done before: {done}"));
            continue;
        }
        if is_first {
            limits::announce(context, &setup.place.membership, &setup.settings.budget, of - number + 1)?;
            notify::respect(context, setup)?;
            notify::tell(context, setup, of - number + 1)?;
            state = gate::pass(context, setup, state, &mut outputs, interruptions)?;
        }
        let turn = Turn { number, of, seed: *seed, pair: None, confirms };
        let recorded = setup.run(context, &state, turn, interruptions)?;
        trial::report(context, &recorded)?;
        if is_first {
            trial::tell_first_steps(context)?;
            is_first = false;
        }
        let status = recorded.shell_status.unwrap_or(1);
        if status != 0 && first_failure.is_none() {
            first_failure = Some(status);
        }
        if recorded.was_interrupted {
            break;
        }
        if limits::ends_here(context, recorded.no_more.as_deref(), number < of) {
            first_failure.get_or_insert(limits::NOT_ALL_RAN);
            break;
        }
        if seeds.len() > 1 {
            outputs.extend(trial::new_files(&setup.place, &state)?);
        }
    }
    Ok(Answer::of_command(first_failure.unwrap_or(0)))
}

/// The seed of each trial: those given, else those configured, else 1, 2, 3 …; a single trial without a seed has none.
pub fn seeds(trials: u32, given: &[u64], settings: &Settings) -> Result<Vec<Option<u64>>, Error> {
    let wanted = trials as usize;
    let given = if given.is_empty() && trials > 1 { &settings.seeds } else { given };
    if given.is_empty() {
        return Ok(match trials {
            1 => vec![None],
            _ => (1..=u64::from(trials)).map(Some).collect(),
        });
    }
    if given.len() < wanted {
        return Err(Error::request(format!(
            "{wanted} trials need {wanted} seeds, and there are {}",
            given.len()
        ))
        .hint("give as many seeds as trials, or leave `--seed` out"));
    }
    Ok(given.iter().take(wanted).copied().map(Some).collect())
}

/// Seeds that no run of the experiment had.
fn new_seeds(
    context: &Context,
    setup: &Setup,
    trials: u32,
    given: &[u64],
) -> Result<Vec<Option<u64>>, Error> {
    let membership = &setup.place.membership;
    if membership.registration.is_none() {
        return Err(Error::request("there is nothing to confirm")
            .because("this run would belong to no registered experiment")
            .hint("name the experiment: git exp run -e A-001 --confirm -- …"));
    }
    let mut index = context.log.index()?;
    let query =
        Query { experiment: Some((&membership.experiment, membership.registration)), ..Query::default() };
    let own = query::select(&mut index, &query)?;
    let used = query::seeds(&mut index, &own.rows)?;
    if let Some(seed) = given.iter().find(|seed| used.contains(seed)) {
        return Err(Error::request(format!("the seed {seed} was used before, so it confirms nothing"))
            .hint("leave `--seed` out: new ones are chosen"));
    }
    if !given.is_empty() {
        return seeds(trials, given, &setup.settings);
    }
    Ok((1..).filter(|seed| !used.contains(seed)).take(trials as usize).map(Some).collect())
}

/// The run that ended well with the same code, command, parameters and seed, if there is one.
fn already_done(
    context: &Context,
    setup: &Setup,
    state: &CodeState,
    seed: Option<u64>,
) -> Result<Option<String>, Error> {
    let mut index = context.log.index()?;
    let found = query::select(&mut index, &Query::default())
        .map_err(|error| Error::outside("cannot read the index").because(error))?;
    let argv = setup.redacted_argv();
    for entry in context.log.entries(&mut index, &found.rows)? {
        if let Body::Run(run) = &entry.body
            && run.status == Status::Ok
            && run.membership.registration == setup.place.membership.registration
            && run.code.tree == state.code.tree
            && run.argv == argv
            && run.params == setup.params
            && run.seed == seed
        {
            return Ok(Some(entry.id.short()));
        }
    }
    Ok(None)
}
