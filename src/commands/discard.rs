//! `git exp discard`

use clap::Args;

use super::Answer;
use super::keep::{Ending, end};
use crate::context::Context;
use crate::domain::decision::Decision;
use crate::error::Error;

/// Reject an experiment and put it away, in one word: compare, decide, archive
///
/// The reason is what the comparison says, unless you give one. Its code and numbers stay, out of the way of `git branch`;
/// `git exp archive --restore` brings it back.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp discard
  git exp discard A-002 -m 'slower on the large case'

From inside the experiment's own worktree, which is removed, go where the last line says.

JSON: one git-exp/decision/1 object.")]
pub struct Arguments {
    #[command(flatten)]
    ending: Ending,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    end(context, arguments.ending, Decision::Rejected, "reject")
}
