//! `git exp issue`

use clap::{Args, Subcommand};

use super::github::address;
use super::issue_close::close;
use super::issue_heartbeat::heartbeat;
use super::issue_seal::{tell_seals_left, update_seal, update_seals};
use super::issue_subject::{Which, is_open};
use super::issue_text::{open, sync};
use super::issue_update::update;
use super::{Answer, redaction};
use crate::context::Context;
use crate::domain::issue::{self};
use crate::domain::state::TopicState;
use crate::error::Error;
use crate::render::text::harmless;

/// Show a topic on GitHub, in an issue that keeps itself true
///
/// The issue's text says where the topic stands, comments say what is new. Each post carries the ID of its entry in a hidden line and is looked
/// for before it is sent again, so that after a time-out or a kill a rerun leaves exactly one. The token is read from
/// `GH_TOKEN`, `GITHUB_TOKEN`, or `gh auth token`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp issue open moe                       open it, and link both ways
  git exp issue update moe --dry-run           print what would be posted
  git exp issue update moe                     comment what is new since the last update
  git exp issue update moe --seal MOE-HC-004   comment tag, commit and report of a seal
  git exp issue update --all                   the same for all topics, and for seals that were not posted yet
  git exp issue sync moe                       bring the issue's text up to date
  git exp issue heartbeat moe                  say that work goes on, where it was silent for long
  git exp issue close moe                      post the final summary, and close

Exit status: 0 done, or nothing was to be done; 1 something is to be in order first; 2 the request is wrong; 3 GitHub or the way there failed.
JSON: one git-exp/issue/1 object.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open the issue of a topic
    Open(One),
    /// Bring the text of the issue up to date; what people wrote around it stays
    Sync(Which),
    /// Comment what is new since the last update
    Update {
        #[command(flatten)]
        which: Which,

        /// Comment tag, commit and report of this seal instead: a tag, or an experiment
        #[arg(long, value_name = "TAG", conflicts_with = "all")]
        seal: Option<String>,
    },
    /// Comment that work goes on, where the topic asks for it and it was silent for long
    Heartbeat {
        #[command(flatten)]
        which: Which,

        /// What stands in the way
        #[arg(long, value_name = "TEXT")]
        blocker: Vec<String>,

        /// When there will be more
        #[arg(long, value_name = "TEXT")]
        eta: Option<String>,
    },
    /// Comment what the topic came to, and close the issue
    Close(One),
}

#[derive(Args, Debug)]
struct One {
    /// The topic; that of the current branch when left out
    topic: Option<String>,

    /// The remote that is on GitHub
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,

    /// Print what would be posted, and post nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl From<One> for Which {
    fn from(One { topic, remote, dry_run }: One) -> Self {
        Self { topic, all: false, is_one_of_all: false, remote, dry_run }
    }
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    match arguments.action {
        Action::Open(one) => open(context, &one.into()),
        Action::Sync(which) => each(context, &which, is_open, sync),
        Action::Update { which, seal: None } if which.all => {
            let answer = each(context, &which, is_open, update);
            let seals = each(context, &which, |_| true, update_seals);
            tell_seals_left(context)?;
            match (answer?, seals?) {
                (Answer::Yes, answer) | (answer, _) => Ok(answer),
            }
        }
        Action::Update { which, seal: None } => update(context, &which),
        Action::Update { which, seal: Some(seal) } => update_seal(context, &which, &seal),
        Action::Heartbeat { which, mut blocker, mut eta } => {
            redaction::texts(context, blocker.iter_mut().chain(&mut eta))?;
            each(context, &which, is_open, |context, which| {
                heartbeat(context, which, &blocker, eta.as_deref())
            })
        }
        Action::Close(one) => close(context, &one.into()),
    }
}

/// Does it for the topic, or for all that have an issue and are wanted: what goes wrong with one keeps no other from it, and is answered in the end.
fn each(
    context: &mut Context,
    which: &Which,
    is_wanted: impl Fn(&TopicState) -> bool,
    act: impl Fn(&mut Context, &Which) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    if !which.all {
        return act(context, which);
    }
    let mut names = Vec::new();
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    for (name, topic) in state.topics.iter().filter(|(_, topic)| is_wanted(topic)) {
        let Some(link) = issue::link(&topic.issue) else { continue };
        if link.is_in(&address(context, which.remote.as_deref())?.repository()) {
            names.push(name.to_string());
        } else {
            let place = harmless(link.repository);
            context.output.say(&format!("{name}: left, for its issue is in another repository, {place}"));
        }
    }
    drop(index);
    let (mut answer, mut failure) = (Answer::Yes, None);
    for name in names {
        let one = Which { topic: Some(name.clone()), all: false, is_one_of_all: true, ..which.clone() };
        match act(context, &one) {
            Ok(Answer::Yes) => {}
            Ok(other) => answer = other,
            Err(error) => {
                context.output.say(&format!("{name}: {}", error.render().trim_end()));
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) => Err(Error { hint: None, causes: Vec::new(), ..error }),
        None => Ok(answer),
    }
}
