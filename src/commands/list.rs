//! `git exp list`

use clap::Args;
use jiff::Timestamp;

use super::surroundings::Surroundings;
use super::{Answer, selection};
use crate::context::Context;
use crate::domain::state::ExperimentState;
use crate::error::Error;
use crate::render::experiment::{ExperimentView, table};
use crate::render::json::ExperimentJson;

/// List the experiments, newest first: stage, runs, decision, best result
///
/// The best result is that of the metric that the brief's first criterion names, over the runs that ended well; the best of
/// each topic is marked, leaving out what was rejected. Days of runs without a brief are listed as `<date>-scratch`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp list
  git exp list --topic moe
  git exp list --all --json | jq -r 'select(.stage == \"analysed\") | .experiment'

JSON: one git-exp/experiment/1 object a line.")]
pub struct Arguments {
    /// Only the experiments of this topic
    #[arg(short, long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Only those that were put away
    #[arg(long, conflicts_with = "all")]
    archived: bool,

    /// Those that were put away too
    #[arg(short, long)]
    all: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let topic = arguments.topic.as_deref().map(|word| selection::topic_name(&state, word)).transpose()?;
    let mut around = Surroundings::read(context, &state)?;
    let chosen: Vec<&ExperimentState> =
        state.experiments.iter().filter(|it| topic.is_none() || it.topic() == topic).collect();
    let (archived, open): (Vec<&ExperimentState>, Vec<&ExperimentState>) =
        chosen.into_iter().partition(|it| around.is_archived(it));
    let left_out = if arguments.all || arguments.archived { 0 } else { archived.len() };
    let mut shown = match &arguments {
        Arguments { archived: true, .. } => archived,
        Arguments { all: true, .. } => [open, archived].concat(),
        _ => open,
    };
    shown.sort_by_key(|it| std::cmp::Reverse((beginning(it), it.id.key())));
    // What is not shown may be better.
    around.find_best(context, &mut index, &state.experiments)?;
    around.find_best_of_topics(&state.experiments);
    let views: Vec<ExperimentView<'_>> = shown.iter().map(|it| around.view(it)).collect();
    if context.output.json {
        for view in &views {
            context.output.object(&ExperimentJson::from(view))?;
        }
        return Ok(Answer::Yes);
    }
    if !views.is_empty() {
        let text = table(&views, &context.canvas());
        context.output.text(&text)?;
    }
    if left_out > 0 {
        let are = if left_out == 1 {
            "1 archived experiment is"
        } else {
            &format!("{left_out} archived experiments are")
        };
        context.output.say(&format!("{are} not shown; `--all` shows them too"));
    } else if views.is_empty() {
        let which = if arguments.archived { "archived " } else { "" };
        let of = topic.map_or_else(String::new, |topic| format!(" of the topic {topic}"));
        let yet = if arguments.archived { "" } else { " yet" };
        context.output.say(&format!("no {which}experiments{of}{yet}"));
        if !arguments.archived {
            context.output.hint(
                "git exp new <short-name> --hypothesis … registers one; git exp run -- <command> needs none",
            );
        }
    }
    Ok(Answer::Yes)
}

/// When an experiment was registered, or its first run began.
pub fn beginning(experiment: &ExperimentState) -> Option<Timestamp> {
    experiment.registered.as_ref().map(|it| it.time).or(experiment.runs.first)
}
