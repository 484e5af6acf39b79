//! `git exp compare`

use clap::{Args, ValueEnum};

use super::comparing::{CrossCheck, compared_with};
use super::runs::tell_withdrawn;
use super::{Answer, sides};
use crate::context::Context;
use crate::domain::comparison::{Check, Comparison};
use crate::error::Error;
use crate::render::comparison::{ComparisonJson, Detail, markdown, page, summary};

/// More candidates than this are shown a line each.
const MANY: usize = 3;

/// Compare candidates with a baseline: metric by metric, and what that says of the brief
///
/// Compared are the newest complete cells of both sides: runs of equal code, command, parameters and hardware that differ
/// in seed or repetition only. What is left out is named. `accept` needs the primary criterion and every guardrail to be
/// shown by one-sided 95 % bounds; times and other measured metrics must have run in pairs or at the same time.
#[derive(Args, Debug)]
#[command(after_help = "\
A side is an experiment, a named baseline, a revision, a run, `label:x` or `filter:expression`. With one side only, the
baseline is the one that its brief names; with none, the candidate is the experiment you are in. A revision has the
runs at its commit that were made for no experiment, else those of experiments that were there before the candidate.

Examples:
  git exp compare A-002
  git exp compare A-001 A-002 A-003
  git exp compare main label:warm --markdown
  git exp compare 'filter:lr = 1e-4 and commit = 3f2a91bc' 'filter:lr = 3e-4 and commit = 3f2a91bc'
  git exp compare A-002 --check=accept && git exp decide A-002 accept --because \"…\"

Exit status: 0, unless --check is given. --check=worse: 0 where nothing is shown to be worse, 1 where something is,
4 where too little ran to tell. --check=accept: 0 accept, 1 reject, 4 unclear.

JSON: one git-exp/comparison/1 object for each candidate, one a line.")]
pub struct Arguments {
    /// The baseline, then candidates; a single one is a candidate
    #[arg(value_name = "[BASELINE] CANDIDATE")]
    sides: Vec<String>,

    /// Answer by the exit status: `accept` or `worse` (when nothing is said)
    #[arg(
        long,
        value_name = "QUESTION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "worse",
        hide_possible_values = true
    )]
    check: Option<Question>,

    /// Print Markdown, for an issue or a pull request
    #[arg(long)]
    markdown: bool,

    /// Show spread and tests of every metric, and every candidate in full
    #[arg(short, long)]
    verbose: bool,
}

/// What `--check` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Question {
    /// Is it to be accepted?
    Accept,
    /// Is anything shown to be worse?
    Worse,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.markdown && context.output.json {
        return Err(Error::request("cannot print both JSON and Markdown").hint("leave one of them out"));
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (baseline, candidates) = sides::sides(context, &mut index, &state, &arguments.sides)?;
    let check = if arguments.verbose { CrossCheck::Bootstrap } else { CrossCheck::Skip };
    let answer =
        compared_with(check, context, &mut index, &state, &baseline, &candidates, |context, comparisons| {
            show(context, &arguments, comparisons)?;
            Ok(arguments.check.map_or(Answer::Yes, |question| answer(question, comparisons)))
        })?;
    let named = arguments.sides.iter().flat_map(|word| state.find(word));
    let named: Vec<_> = named.map(|it| (it.id.clone(), it.registration())).collect();
    if !named.is_empty() {
        tell_withdrawn(context, &mut index, &named, false)?;
    }
    Ok(answer)
}

fn answer(question: Question, comparisons: &[Comparison<'_>]) -> Answer {
    let answers: Vec<Check> = comparisons
        .iter()
        .map(|comparison| match question {
            Question::Accept => comparison.is_accepted(),
            Question::Worse => comparison.is_not_worse(),
        })
        .collect();
    if answers.contains(&Check::No) {
        Answer::No
    } else if answers.contains(&Check::Unknown) {
        Answer::Unknown
    } else {
        Answer::Yes
    }
}

fn show(context: &mut Context, arguments: &Arguments, comparisons: &[Comparison<'_>]) -> Result<(), Error> {
    if context.output.json {
        for comparison in comparisons {
            context.output.object(&ComparisonJson::from(comparison))?;
        }
        return Ok(());
    }
    if arguments.markdown {
        let pages: Vec<String> = comparisons.iter().map(markdown).collect();
        return context.output.text(&pages.join("\n"));
    }
    let canvas = context.canvas();
    let detail = if arguments.verbose { Detail::All } else { Detail::Usual };
    let mut parts = Vec::new();
    if comparisons.len() > 1 {
        parts.push(summary(comparisons, &canvas));
    }
    if comparisons.len() <= MANY || arguments.verbose {
        parts.extend(comparisons.iter().map(|comparison| page(comparison, detail, &canvas)));
    }
    context.output.text(&parts.join("\n"))?;
    if comparisons.len() > MANY && !arguments.verbose {
        context.output.hint("`-v` shows each in full, and so does naming one alone");
    }
    Ok(())
}
