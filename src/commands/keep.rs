//! `git exp keep`

use std::path::Path;

use clap::Args;

use super::archive::{self, Readiness};
use super::{Answer, deciding};
use crate::context::Context;
use crate::domain::decision::Decision;
use crate::error::Error;
use crate::render::text::command_line;

/// Accept an experiment and put it away, in one word: compare, decide, archive
///
/// The reason is what the comparison says, unless you give one. Nothing is decided where the policy stands against it, or
/// where the worktree holds what no commit can keep.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp keep
  git exp keep A-002 -m 'holds on every seed'

From inside the experiment's own worktree, which is removed, go where the last line says.

Exit status: 0 done; 1 refused by the policy, with every reason.

JSON: one git-exp/decision/1 object.")]
pub struct Arguments {
    #[command(flatten)]
    ending: Ending,
}

/// How an experiment ends.
#[derive(Args, Debug)]
pub struct Ending {
    /// The experiment; that of the current branch when left out
    #[arg(value_name = "ID")]
    experiment: Option<String>,

    /// Why; what the comparison says when left out
    #[arg(short = 'm', long = "because", value_name = "TEXT", alias = "message")]
    because: Option<String>,

    /// Let go of files in the worktree that no commit can keep
    #[arg(long)]
    discard_ignored: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    end(context, arguments.ending, Decision::Accepted, "accept")
}

/// Compares, decides and puts away.
pub fn end(context: &mut Context, ending: Ending, decision: Decision, verb: &str) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (experiment, registered) = deciding::registered(context, &state, ending.experiment.as_deref())?;
    let name = experiment.name();
    if ending.because.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Error::request("cannot decide without a reason").hint("say why: -m \"…\""));
    }
    let numbers = deciding::numbers(context, &mut index, &state, experiment)?;
    let because = match (&ending.because, &numbers.compared) {
        (Some(text), _) => text.clone(),
        (None, Ok(compared)) => compared.reason(),
        (None, Err(why)) => {
            return Err(Error::request(format!("why {verb} `{name}`?"))
                .because(format!("the numbers say nothing: {why}"))
                .hint("say why: -m \"…\""));
        }
    };
    let ruling = deciding::ruling(experiment, registered, &numbers, decision, because, Vec::new());
    let breaches = deciding::breaches(context, experiment, registered, &ruling)?;
    if !breaches.is_empty() {
        return deciding::refuse(context, verb, &name, &breaches);
    }
    // What stands against putting it away is found before anything is decided.
    let readiness = archive::prepare(context, &experiment.id, ending.discard_ignored)?;
    match &numbers.compared {
        Ok(compared) if !context.output.json => {
            let text = compared.text(&context.canvas());
            context.output.text(&text)?;
        }
        Ok(_) => {}
        Err(why) => context.output.say(&format!("there is no evidence to keep: {why}")),
    }
    let (entry, ruling) = deciding::record(context, experiment, registered, numbers, ruling)?;
    let left = match &readiness {
        Readiness::Ready(parting) => parting.worktree.as_ref().filter(|path| archive::is_here(context, path)),
        Readiness::InMainWorktree | Readiness::NoBranch => None,
    };
    // Asked while the folder is there.
    let home = left.map(|worktree| {
        let above = worktree.parent().map(Path::to_path_buf);
        context.repo.main_work_dir().or(above).unwrap_or_default()
    });
    let (place, said) = match &readiness {
        Readiness::Ready(parting) => {
            let (place, how) = archive::put_away(context, parting)?;
            let line = format!("archived {name}{how}: {place}");
            (Some(place), line)
        }
        Readiness::InMainWorktree => (
            None,
            format!(
                "its branch stays checked out here; to put it away: git switch - && git exp archive {name}"
            ),
        ),
        Readiness::NoBranch => (None, "it has no branch to put away".to_owned()),
    };
    deciding::tell(context, experiment, entry, &ruling, Some(("archived", serde_json::json!(place))))?;
    if !context.output.json {
        context.output.line(&said)?;
    }
    if decision == Decision::Accepted {
        deciding::hint_at_baseline(context, &state, experiment);
    }
    if let Some(home) = home {
        context.output.say("the folder that you are in is gone");
        context.output.hint(&format!("cd {}", command_line(&[home.display()])));
    }
    Ok(Answer::Yes)
}
