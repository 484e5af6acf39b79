//! The command line: its grammar, and which command answers.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{self, Answer};
use crate::context::{Context, Output, aloud, without_token};
use crate::error::Error;
use crate::render::text::harmless_lines;

/// Track experiments in the Git repository you already have
#[derive(Debug, Parser)]
#[command(
    name = "git-exp",
    bin_name = "git exp",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = AFTER_HELP
)]
struct Cli {
    /// Print JSON on standard output: one object, or one a line
    #[arg(long, global = true)]
    json: bool,

    /// When to use colours: `auto`, `always` or `never`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    color: clap::ColorChoice,

    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin here, in any repository:
  git exp run -- python train.py      run and record, nothing to prepare
  git exp runs                        what ran and what came out
  git exp ab 'CMD A' 'CMD B'          which of two commands is better
  git exp diff <run> <run>            what differs between two runs

With a question and a promise:
  git exp new faster-loader --hypothesis … --change … --baseline main --accept 'step_time <= -8%'
  git exp run -n 5 -- python train.py
  git exp status                      where you are, and what to do next

Exit status: 0 yes or done; 1 the answer is no; 2 the request is wrong; 3 something outside failed;
4 cannot tell. `git exp run` passes on the command's own, and uses 125 for its own failures.";

#[derive(Debug, Subcommand)]
enum Command {
    Init(commands::init::Arguments),
    Topic(commands::topic::Arguments),
    Idea(commands::idea::Arguments),
    Tried(commands::tried::Arguments),
    New(commands::new::Arguments),
    Brief(commands::brief::Arguments),
    Run(commands::run::Arguments),
    Ab(commands::ab::Arguments),
    Noise(commands::noise::Arguments),
    Bench(commands::bench::Arguments),
    Status(commands::status::Arguments),
    List(commands::list::Arguments),
    Runs(commands::runs::Arguments),
    Show(commands::show::Arguments),
    Log(commands::log::Arguments),
    Diff(commands::diff::Arguments),
    Compare(commands::compare::Arguments),
    Ci(commands::ci::Arguments),
    Check(commands::check::Arguments),
    Review(commands::review::Arguments),
    Decide(commands::decide::Arguments),
    Keep(commands::keep::Arguments),
    Discard(commands::discard::Arguments),
    Override(commands::rule_override::Arguments),
    Note(commands::note::Arguments),
    Logbook(commands::logbook::Arguments),
    Handoff(commands::handoff::Arguments),
    Issue(commands::issue::Arguments),
    Pr(commands::pr::Arguments),
    Push(commands::push::Arguments),
    Pull(commands::pull::Arguments),
    Export(commands::export::Arguments),
    Seal(commands::seal::Arguments),
    Verify(commands::verify::Arguments),
    Repro(commands::repro::Arguments),
    Archive(commands::archive::Arguments),
    Purge(commands::purge::Arguments),
    Fsck(commands::fsck::Arguments),
}

/// The whole grammar, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with `arguments`; gives its exit status.
pub fn main(arguments: impl Iterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.collect();
    let asks_to_run =
        arguments.iter().skip(1).find(|word| *word != "--json").is_some_and(|word| word == "run");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.render().to_string();
            if error.use_stderr() && without_token(&usage) != usage {
                aloud(harmless_lines(&usage).trim_end());
            } else {
                // A reader that went away is no reason to fail.
                let _ = error.print();
            }
            return match error.use_stderr() {
                true if asks_to_run => 125,
                true => 2,
                false => 0,
            };
        }
    };
    let is_run = matches!(cli.command, Command::Run(_));
    match dispatch(cli) {
        Ok(answer) => answer.exit_status(),
        Err(error) => {
            // What it speaks of may have come from anywhere.
            aloud(harmless_lines(&error.render()).trim_end());
            // The command's own statuses are the command's; 125 says that it never ran or was not recorded.
            if is_run { 125 } else { error.exit_status() }
        }
    }
}

fn dispatch(cli: Cli) -> Result<Answer, Error> {
    let output = Output::new(cli.json, cli.color);
    let mut context = Context::open(output)?;
    if !matches!(
        cli.command,
        Command::Run(_) | Command::Ab(_) | Command::Ci(_) | Command::Noise(_) | Command::Init(_)
    ) {
        // A repository that cannot be written to is read all the same; `run` says what stands in the way.
        let _ = commands::recovery::recover(&mut context);
    }
    if !matches!(cli.command, Command::Init(_) | Command::Pull(_) | Command::Push(_)) {
        // So that what plain `git fetch` brought counts. What cannot be taken in now can be later.
        let _ = commands::remotes::take_in_quietly(&mut context);
    }
    let answer = match cli.command {
        Command::Init(arguments) => commands::init::run(&mut context, arguments),
        Command::Topic(arguments) => commands::topic::run(&mut context, arguments),
        Command::Idea(arguments) => commands::idea::run(&mut context, arguments),
        Command::Tried(arguments) => commands::tried::run(&mut context, arguments),
        Command::New(arguments) => commands::new::run(&mut context, arguments),
        Command::Brief(arguments) => commands::brief::run(&mut context, arguments),
        Command::Run(arguments) => commands::run::run(&mut context, arguments),
        Command::Ab(arguments) => commands::ab::run(&mut context, arguments),
        Command::Noise(arguments) => commands::noise::run(&mut context, arguments),
        Command::Bench(arguments) => commands::bench::run(&mut context, arguments),
        Command::Status(arguments) => commands::status::run(&mut context, arguments),
        Command::List(arguments) => commands::list::run(&mut context, arguments),
        Command::Runs(arguments) => commands::runs::run(&mut context, arguments),
        Command::Show(arguments) => commands::show::run(&mut context, arguments),
        Command::Log(arguments) => commands::log::run(&mut context, arguments),
        Command::Diff(arguments) => commands::diff::run(&mut context, arguments),
        Command::Compare(arguments) => commands::compare::run(&mut context, arguments),
        Command::Ci(arguments) => commands::ci::run(&mut context, arguments),
        Command::Check(arguments) => commands::check::run(&mut context, arguments),
        Command::Review(arguments) => commands::review::run(&mut context, arguments),
        Command::Decide(arguments) => commands::decide::run(&mut context, arguments),
        Command::Keep(arguments) => commands::keep::run(&mut context, arguments),
        Command::Discard(arguments) => commands::discard::run(&mut context, arguments),
        Command::Override(arguments) => commands::rule_override::run(&mut context, arguments),
        Command::Note(arguments) => commands::note::run(&mut context, arguments),
        Command::Logbook(arguments) => commands::logbook::run(&mut context, arguments),
        Command::Handoff(arguments) => commands::handoff::run(&mut context, arguments),
        Command::Issue(arguments) => commands::issue::run(&mut context, arguments),
        Command::Pr(arguments) => commands::pr::run(&mut context, arguments),
        Command::Push(arguments) => commands::push::run(&mut context, arguments),
        Command::Pull(arguments) => commands::pull::run(&mut context, arguments),
        Command::Export(arguments) => commands::export::run(&mut context, arguments),
        Command::Seal(arguments) => commands::seal::run(&mut context, arguments),
        Command::Verify(arguments) => commands::verify::run(&mut context, arguments),
        Command::Repro(arguments) => commands::repro::run(&mut context, arguments),
        Command::Archive(arguments) => commands::archive::run(&mut context, arguments),
        Command::Purge(arguments) => commands::purge::run(&mut context, arguments),
        Command::Fsck(arguments) => commands::fsck::run(&mut context, arguments),
    }?;
    context.output.flush()?;
    Ok(answer)
}
