//! `git exp tried`

use clap::Args;

use super::{Answer, selection};
use crate::context::Context;
use crate::domain::similarity::says_something;
use crate::domain::state::State;
use crate::domain::tried::{Near, nearest};
use crate::error::Error;
use crate::log::index::{Index, words};
use crate::render::tried::{TriedJson, table};
use crate::render::{Canvas, Style};

/// How many things near to a new one are shown before it is registered.
const SHOWN_BEFORE: usize = 3;
/// How wide talk is where nothing says how wide the terminal is.
const WIDTH_OF_TALK: usize = 110;

/// Say whether something was tried before, and what came of it
///
/// Compares words and their stems with the hypotheses, changes, notes and decisions of all experiments, and with ideas that were
/// dropped; what came to nothing stands first. Likeness is the part of your words that was said, rare words counting more; from 0.4
/// on a thing counts as near.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp tried 'prefetch batches in the loader'
  git exp tried 'warm restarts' --topic schedule -n 3
  git exp tried 'fused mixing' --json | jq -r 'select(.failure) | .because'

Exit status: 0 something near was tried; 1 nothing like it was.
JSON: one git-exp/tried/1 object a line.")]
pub struct Arguments {
    /// What you would try, in your words
    words: String,

    /// Only what was tried in this topic
    #[arg(short, long, value_name = "TOPIC")]
    topic: Option<String>,

    /// How many to show at most
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.limit == 0 {
        return Err(Error::request("cannot show 0 of what was tried").hint("leave `--limit` out"));
    }
    if !says_something(&arguments.words) {
        return Err(Error::request(format!("cannot look for `{}`", arguments.words.trim()))
            .because("it has no word that says what it is about")
            .hint("git exp tried 'prefetch batches in the loader'"));
    }
    let mut index = context.log.index()?;
    let found = words::near(&mut index, &arguments.words)?;
    let state = context.log.state_of(&mut index, &found)?;
    let topic = arguments.topic.as_deref().map(|word| selection::topic_name(&state, word)).transpose()?;
    let near = nearest(&state, topic, &found, arguments.limit.max(1));
    if near.is_empty() {
        context.output.say("nothing like it was tried");
        return Ok(Answer::No);
    }
    if context.output.json {
        for it in &near {
            context.output.object(&TriedJson::from(it))?;
        }
        return Ok(Answer::Yes);
    }
    let text = table(&near, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

/// Says what is near to something new, failures first; gives it. Nothing is refused.
pub fn tell_near<'a>(
    context: &mut Context,
    index: &mut Index,
    state: &'a State,
    question: &str,
) -> Result<Vec<Near<'a>>, Error> {
    let found = words::near(index, question)?;
    let near = nearest(state, None, &found, SHOWN_BEFORE);
    if near.is_empty() {
        return Ok(near);
    }
    let width = context.output.width.unwrap_or(WIDTH_OF_TALK);
    let canvas = Canvas { style: Style::Plain, width: Some(width), ..context.canvas() };
    let text = table(&near, &canvas);
    context.output.say(&format!("something like it was tried before:\n{}", text.trim_end()));
    Ok(near)
}
