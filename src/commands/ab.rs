//! `git exp ab`

use std::ffi::OsString;

use clap::Args;

use super::comparing::compared;
use super::pairs::{self, DEFAULT_PAIRS, PairedSide, Series};
use super::place::Place;
use super::run::seeds;
use super::trial::{Setup, TrialOptions};
use super::{Answer, recovery};
use crate::context::Context;
use crate::error::Error;
use crate::render::comparison::{ComparisonJson, Detail, headline, page};
use crate::runner::Interruptions;

/// Run two commands in turn, and say at once which is better
///
/// Both run where you are, as pairs: after a warm-up that does not count, the order inside each pair is drawn at random, so
/// that whatever else the machine does falls on both alike. Nothing needs to be prepared; without metrics of its own, the
/// wall time is compared. Every run is recorded, under the day's scratch.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp ab 'python train.py' 'python train.py --compile'
  git exp ab -n 30 './old' './new'

Exit status: 0 when every run ended well, else the status of the first that did not.

JSON: each run as git-exp/run/1, then one git-exp/comparison/1.")]
pub struct Arguments {
    /// The command to compare with, as a shell reads it
    baseline: String,

    /// The command to compare
    candidate: String,

    /// How many pairs to run
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_PAIRS)]
    trials: u32,

    /// Show what the commands write; it is recorded in any case
    #[arg(long)]
    show_output: bool,

    /// Show spread and tests of every metric
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    options: TrialOptions,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    recovery::recover(context)?;
    let (from, to) = (arguments.baseline.trim(), arguments.candidate.trim());
    if from.is_empty() || to.is_empty() {
        return Err(Error::request("a command is empty").hint("git exp ab 'python old.py' 'python new.py'"));
    }
    if from == to {
        return Err(Error::request("both commands are the same")
            .hint("`git exp noise -- …` says how much one command varies"));
    }
    if arguments.trials == 0 {
        return Err(Error::request("cannot run 0 pairs").hint("leave `-n` out for 10"));
    }
    context.worktree()?;
    // Two commands are a question of their own: they must not be taken for what an experiment promised.
    let place = Place::scratch(context);
    let mut candidate = Setup::new(context, place.clone(), &arguments.options, &by_shell(to))?;
    candidate.shows_output = arguments.show_output;
    let seeds = seeds(arguments.trials, &arguments.options.seed, &candidate.settings)?;
    let interruptions = Interruptions::watch()?;
    let _machine = pairs::wait_for_machine(context, &interruptions)?;
    let baseline = candidate.at(place, &by_shell(from));
    let series = Series { seeds, confirms: false };
    let side = |setup| PairedSide { setup, code: None };
    let paired = pairs::run(context, (side(baseline), side(candidate)), &series, &interruptions)?;
    context.repo.start_maintenance_if_due();
    let answer = Answer::of_command(paired.first_failure.unwrap_or(0));
    if !paired.is_whole {
        return Ok(answer);
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (from, to) = paired.sides(&mut index, (from, to))?;
    compared(context, &mut index, &state, &from, &[to], |context, comparisons| {
        for comparison in comparisons {
            if context.output.json {
                context.output.object(&ComparisonJson::from(comparison))?;
            } else {
                let detail = if arguments.verbose { Detail::All } else { Detail::Usual };
                let text = page(comparison, detail, &context.canvas());
                context.output.line(&headline(comparison))?;
                context.output.text(&format!("\n{text}"))?;
            }
        }
        Ok(())
    })?;
    Ok(answer)
}

/// The command that has a shell read `text`.
fn by_shell(text: &str) -> Vec<OsString> {
    ["sh", "-c", text].map(OsString::from).to_vec()
}
