//! `git exp decide`

use clap::{Args, ValueEnum};

use super::{Answer, deciding};
use crate::context::Context;
use crate::domain::decision::Decision;
use crate::error::Error;

/// Decide about an experiment: accept it, reject it, or iterate
///
/// The comparison with the baseline of the brief is kept as evidence, whole, as it stands now. Deciding again takes the place of
/// the decision before; both stay in the log. To accept against the numbers is possible, and every view says so.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp decide A-002 accept --because 'holds on every seed'
  git exp decide A-002 iterate --because 'the loss still falls' --next 'train twice as long' --next 'try a larger rate'
  git exp decide A-002 reject --because 'slower on the large case'

`[policy]` in exp.toml on the topic's branch may say who accepts, and whose review comes first.

Exit status: 0 decided; 1 refused by the policy, with every reason.

JSON: one git-exp/decision/1 object.")]
pub struct Arguments {
    /// The experiment
    #[arg(value_name = "ID")]
    experiment: String,

    /// What is decided
    decision: Word,

    /// Why
    #[arg(short = 'm', long, value_name = "TEXT", alias = "message")]
    because: String,

    /// What is to be done next; may be given several times
    #[arg(long, value_name = "TEXT")]
    next: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Its change is taken over
    #[value(alias = "accepted")]
    Accept,
    /// Its change is not taken over
    #[value(alias = "rejected")]
    Reject,
    /// It goes on with another attempt
    Iterate,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.because.trim().is_empty() {
        return Err(Error::request("cannot decide without a reason").hint("say why: --because \"…\""));
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (experiment, registered) = deciding::registered(context, &state, Some(&arguments.experiment))?;
    let (decision, verb) = match arguments.decision {
        Word::Accept => (Decision::Accepted, "accept"),
        Word::Reject => (Decision::Rejected, "reject"),
        Word::Iterate => (Decision::Iterate, "iterate"),
    };
    let numbers = deciding::numbers(context, &mut index, &state, experiment)?;
    let ruling =
        deciding::ruling(experiment, registered, &numbers, decision, arguments.because, arguments.next);
    let breaches = deciding::breaches(context, experiment, registered, &ruling)?;
    if !breaches.is_empty() {
        return deciding::refuse(context, verb, &experiment.name(), &breaches);
    }
    if let Err(why) = &numbers.compared {
        context.output.say(&format!("there is no evidence to keep, since nothing could be compared: {why}"));
    }
    let (entry, ruling) = deciding::record(context, experiment, registered, numbers, ruling)?;
    deciding::tell(context, experiment, entry, &ruling, None)?;
    match decision {
        Decision::Accepted => deciding::hint_at_baseline(context, &state, experiment),
        Decision::Rejected => {
            let name = experiment.name();
            context.output.hint(&format!("`git exp archive {name}` puts it away; its code and numbers stay"));
        }
        Decision::Iterate => {}
    }
    Ok(Answer::Yes)
}
