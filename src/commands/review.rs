//! `git exp review`

use clap::{Args, ValueEnum};

use super::{Answer, deciding, redaction};
use crate::context::Context;
use crate::domain::decision::{Opinion, Review};
use crate::domain::entry::Body;
use crate::error::Error;

/// Review an experiment: its brief, its code, its result
///
/// The commit that its branch is at is recorded with the review. Where `[policy]` asks for a review before a run, code that
/// changed since needs another one. Your latest review is the one that counts.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp review A-002 approve --because 'the change is the one that the brief names'
  git exp review A-002 reject --because 'the validation part leaks into training'

JSON: one git-exp/review/1 object.")]
pub struct Arguments {
    /// The experiment
    #[arg(value_name = "ID")]
    experiment: String,

    /// What you think
    opinion: Word,

    /// Why
    #[arg(short = 'm', long, value_name = "TEXT", alias = "message")]
    because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// It may go on
    Approve,
    /// It may not go on as it is
    Reject,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.because.trim().is_empty() {
        return Err(Error::request("cannot review without a reason").hint("say why: --because \"…\""));
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (experiment, registered) = deciding::registered(context, &state, Some(&arguments.experiment))?;
    let mut because = arguments.because;
    redaction::texts(context, [&mut because])?;
    let opinion = match arguments.opinion {
        Word::Approve => Opinion::Approve,
        Word::Reject => Opinion::Reject,
    };
    let commit = deciding::commit_of(context, experiment)?;
    let review = Review {
        experiment: experiment.id.clone(),
        registration: registered.entry,
        opinion,
        because,
        commit: commit.clone(),
    };
    let rules = context.rules_for(experiment.topic())?;
    let (by, owners) = (context.identity(), deciding::owners(registered));
    let counts = !rules.asks_for_reviews() || rules.counts(&by, &owners);
    let appended = context.append_answer(Body::Review(review), Some(registered.current_entry))?;
    let name = experiment.name();
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/review/1",
            "entry": appended.entry.id.to_hex(),
            "experiment": name,
            "opinion": opinion.word(),
            "commit": commit.as_ref().map(crate::domain::id::ObjectName::as_str),
            "counts": counts,
        }))?;
    } else {
        let at = commit.map_or_else(String::new, |commit| format!(" at {}", commit.short()));
        let short = appended.entry.id.short();
        context.output.line(&format!("reviewed {name}{at}: {opinion} ({short})"))?;
    }
    if !counts && owners.include(&by) {
        context.output.say("it is your own experiment, so this review does not count for the policy");
    } else if !counts {
        context.output.say("you have no role whose review the policy asks for, so this one does not count");
    }
    Ok(Answer::Yes)
}
