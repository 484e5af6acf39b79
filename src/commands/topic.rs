//! `git exp topic`

use clap::{Args, Subcommand};

use super::closing::ClosingOptions;
use super::kickoff::{KickoffOptions, Pinning};
use super::{Answer, baseline, closing, kickoff, selection, stopping};
use crate::context::Context;
use crate::domain::experiment::Stage;
use crate::domain::state::{State, TopicState};
use crate::error::Error;
use crate::log::index::Index;
use crate::log::layout;
use crate::render::json;
use crate::render::topic::{TopicView, page, table};

/// Open and look at lines of research
///
/// A topic gives its experiments an ID prefix, criteria, guardrails, a budget and named baselines, so that they need not
/// be said again for each.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp topic new moe --prefix MOE-HC --goal 'halve the step time at equal loss' --accept 'step_time <= -8%' \\
      --guard 'val_loss <= +0.2%' --budget wall=2h --baseline default=main
  git exp topic new moe --edit                       write the whole kickoff in your editor
  git exp topic list
  git exp topic show moe
  git exp topic baseline set default=MOE-HC-004 --because 'accepted, and repeated on two machines'
  git exp topic close moe --worked … --failed … --limits … --next … --retrospective …")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open a topic, with its branch `research/<topic>`
    ///
    /// Everything can be said in options, in a TOML file (`--file`) or in your editor (`--edit`), and changed later with
    /// `git exp topic amend`.
    New {
        /// Its name, as moe-speed
        topic: String,
        #[command(flatten)]
        options: Box<KickoffOptions>,
    },
    /// Change what a topic says; what it said before stays in the log
    Amend {
        /// The topic
        topic: String,
        #[command(flatten)]
        options: Box<KickoffOptions>,
        /// Pin the evaluation code anew, as `HEAD` has it
        #[arg(long)]
        pin_evaluation: bool,
    },
    /// List the topics
    List,
    /// Show one topic, and whether its stop criteria are met
    Show {
        /// The topic
        topic: String,
    },
    /// Move and list the named baselines of a topic
    Baseline(baseline::Arguments),
    /// Close a topic: what worked, what did not, limits, next steps, a retrospective
    Close {
        /// The topic
        topic: String,
        #[command(flatten)]
        options: ClosingOptions,
    },
    /// Open a closed topic again
    Reopen {
        /// The topic
        topic: String,
    },
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    match arguments.action {
        Action::New { topic, options } => kickoff::open(context, &state, &topic, *options),
        Action::Amend { topic, options, pin_evaluation } => {
            let pinning = if pin_evaluation { Pinning::Anew } else { Pinning::Kept };
            kickoff::amend(context, &state, selection::topic(&state, &topic)?, *options, pinning)
        }
        Action::List => list(context, &state),
        Action::Show { topic } => show(context, &mut index, &state, &topic),
        Action::Baseline(arguments) => baseline::run(context, &mut index, &state, arguments),
        Action::Close { topic, options } => {
            closing::close(context, &state, selection::topic(&state, &topic)?, options)
        }
        Action::Reopen { topic } => closing::reopen(context, selection::topic(&state, &topic)?),
    }
}

fn list(context: &mut Context, state: &State) -> Result<Answer, Error> {
    let views: Vec<TopicView<'_>> = state.topics.values().map(|topic| view(state, topic)).collect();
    if context.output.json {
        for view in &views {
            context.output.object(&json::TopicJson::from(view))?;
        }
        return Ok(Answer::Yes);
    }
    if views.is_empty() {
        context.output.say("no topics yet");
        context.output.hint("git exp topic new <topic> --prefix … --goal …");
        return Ok(Answer::Yes);
    }
    let text = table(&views, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

fn show(context: &mut Context, index: &mut Index, state: &State, word: &str) -> Result<Answer, Error> {
    let topic = selection::topic(state, word)?;
    let view = TopicView { stops: stopping::stops(context, index, state, topic)?, ..view(state, topic) };
    if context.output.json {
        context.output.object(&json::TopicJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let text = page(&view, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

/// The topic with what the log knows around it.
pub fn view<'a>(state: &State, topic: &'a TopicState) -> TopicView<'a> {
    let name = &topic.topic.name;
    let own = || state.experiments.iter().filter(|it| it.topic() == Some(name));
    TopicView {
        topic: &topic.topic,
        branch: layout::topic_branch(name),
        experiments: own().count() as u64,
        decided: own().filter(|it| it.stage() == Some(Stage::Decided)).count() as u64,
        created: Some(topic.opened),
        is_closed: topic.topic.closing.is_some(),
        conflicts: topic.conflicts.iter().map(crate::domain::id::EntryId::short).collect(),
        stops: Vec::new(),
        moves: &topic.moves,
        issue: crate::domain::issue::link(&topic.issue),
    }
}
