//! `git exp ci`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::actions::{self, Job};
use super::comparing::compared_guarded;
use super::documents::{explained as explained_template, templates};
use super::github::{connect, explained};
use super::options::criteria;
use super::pairs::{self, DEFAULT_PAIRS, Paired, Series};
use super::place::Place;
use super::run::{check_command, seeds};
use super::trial::{Setup, TrialOptions};
use super::{Answer, recovery, redaction};
use crate::context::Context;
use crate::domain::comparison::{Check, Comparison};
use crate::domain::criterion::Criterion;
use crate::domain::run::PairSide;
use crate::error::{Error, Fault};
use crate::github::Comment;
use crate::render::actions::{Severity, calm_json, mark};
use crate::render::comparison::{ComparisonFields, ComparisonJson, Detail, outcome_of, page};
use crate::render::issue::{LONGEST, ends_with, fit, length};
use crate::render::json;
use crate::render::text::{command_line, harmless};
use crate::runner::Interruptions;

/// The most annotations: GitHub shows no more of a step.
const ANNOTATIONS: usize = 10;

/// Check for a regression: run a baseline and the code here in turn, and fail only where one is proven
///
/// Both sides run on this machine as pairs, each in a fresh worktree, as `run --against` does. Judged are the metrics of `--metric` and
/// `--guard`, else those that the command reports itself, else the wall time.
///
/// In GitHub Actions it also writes the job's summary, the step's outputs `verdict`, `comparison` (a file) and `runs`, an annotation for each
/// regression, and keeps one comment in the pull request; without a token that may write there, as in that of a fork, the summary is all.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp ci origin/main -- make bench
  git exp ci main -n 20 --metric step_time -- python bench.py
  git exp ci main --guard 'step_time <= +5%' -- python bench.py     5 % more is borne, more is not

Exit status: 0 no regression is proven; 1 one is; 2 the request is wrong; 3 something outside failed; 4 it cannot be compared,
because runs failed or did not report what is judged.

JSON: each run as git-exp/run/1, one git-exp/comparison/1, then one git-exp/ci/1.")]
pub struct Arguments {
    /// What to compare with: a revision, an experiment or a named baseline
    baseline: String,

    /// How many pairs to run
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_PAIRS)]
    trials: u32,

    /// Judge this metric; may be repeated
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,

    /// Judge a metric by how much worse it may become, as 'step_time <= +5%'; may be repeated
    #[arg(long, value_name = "CRITERION")]
    guard: Vec<String>,

    /// What tells this check from others of the same pull request
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    name: String,

    /// Write the comparison to this file, as JSON
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Keep no comment in the pull request
    #[arg(long)]
    no_comment: bool,

    /// Show what the command writes; it is recorded in any case
    #[arg(long)]
    show_output: bool,

    #[command(flatten)]
    options: TrialOptions,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What came of it.
struct Outcome {
    is_absent: Check,
    /// Whether what is judged did not come from both sides.
    is_lacking: bool,
    /// Why it cannot be told.
    why: Option<String>,
    /// The regressions, a line each.
    regressions: Vec<String>,
    metrics: Vec<String>,
    fields: Option<ComparisonFields>,
    json: Option<String>,
}

impl Outcome {
    /// Nothing could be compared.
    fn unknown(why: String) -> Self {
        let (regressions, metrics) = (Vec::new(), Vec::new());
        let (is_absent, is_lacking, why) = (Check::Unknown, true, Some(why));
        Self { is_absent, is_lacking, why, regressions, metrics, fields: None, json: None }
    }

    fn of(comparison: &Comparison<'_>, metrics: &[String]) -> Self {
        let regression = comparison.regression(metrics);
        let is_lacking = !regression.lacking.is_empty();
        let why = match regression.is_absent {
            _ if is_lacking => Some(format!("not reported on both sides: {}", regression.lacking.join(", "))),
            Check::Unknown => Some("the numbers do not say enough of what is judged".to_owned()),
            Check::Yes | Check::No => None,
        };
        Self {
            is_absent: regression.is_absent,
            is_lacking,
            why,
            regressions: regression.proof.iter().map(|row| outcome_of(row)).collect(),
            metrics: regression.metrics,
            fields: Some(comparison.into()),
            json: Some(json::line(&ComparisonJson::from(comparison)) + "\n"),
        }
    }

    fn word(&self) -> &'static str {
        match self.is_absent {
            Check::Yes => "no regression",
            Check::No => "regression",
            Check::Unknown => "unknown",
        }
    }
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    recovery::recover(context)?;
    check_command(&arguments.command)?;
    if arguments.trials == 0 {
        return Err(Error::request("cannot run 0 pairs").hint("leave `-n` out for 10"));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if arguments.name.is_empty() || arguments.name.contains("--") || !arguments.name.chars().all(is_plain) {
        return Err(Error::request(format!("`{}` is no name", harmless(&arguments.name)))
            .hint("it has letters, digits, `-`, `_` and `.`"));
    }
    let guard = criteria(&arguments.guard)?;
    context.worktree()?;
    // A check of code is a question of its own: it must not be taken for what an experiment promised.
    let place = Place::scratch(context);
    let mut setup = Setup::new(context, place, &arguments.options, &arguments.command)?;
    setup.shows_output = arguments.show_output;
    // What is checked is somebody's proposal.
    setup.hides_tokens = true;
    let seeds = seeds(arguments.trials, &arguments.options.seed, &setup.settings)?;
    let argv = setup.redacted_argv();
    let command = command_line(&argv.iter().map(ToString::to_string).collect::<Vec<_>>());
    let interruptions = Interruptions::watch()?;
    let series = Series { seeds, confirms: false };
    let ran =
        pairs::beside(context, setup, &arguments.baseline, &series, &interruptions).map_err(|error| {
            let is_cut = error.fault == Fault::Request && context.repo.is_shallow();
            if is_cut {
                error.hint("this clone is shallow; in a workflow, `fetch-depth: 0` brings the rest")
            } else {
                error
            }
        })?;
    let outcome = match ran.paired.is_whole {
        true => judged(context, &arguments, &guard, &ran.paired, (&ran.baseline, &ran.candidate))?,
        false => {
            ran.hint_at_what_is_ignored(context);
            Outcome::unknown("runs failed, so that the pairs are not whole".to_owned())
        }
    };
    let sides = (arguments.baseline.as_str(), ran.candidate.as_str());
    tell(context, &arguments, &ran.paired, &outcome, sides, &command)?;
    Ok(match outcome.is_absent {
        Check::No => Answer::No,
        _ if outcome.is_lacking => Answer::Unknown,
        _ => Answer::Yes,
    })
}

/// Compares what ran, and shows it.
fn judged(
    context: &mut Context,
    arguments: &Arguments,
    guard: &[Criterion],
    paired: &Paired,
    names: (&str, &str),
) -> Result<Outcome, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let (from, to) = paired.sides(&mut index, names)?;
    let found = compared_guarded(guard, context, &mut index, &state, (&from, to), |context, comparison| {
        let outcome = Outcome::of(comparison, &arguments.metric);
        if let Some(json) = outcome.json.as_ref().filter(|_| context.output.json) {
            context.output.text(&calm_json(json))?;
        } else {
            let text = page(comparison, Detail::Usual, &context.canvas());
            context.output.text(&Job::here().calmed(&text))?;
        }
        Ok(outcome)
    });
    match found {
        Err(error) if error.fault == Fault::Unknown => {
            let why = error.causes.first().unwrap_or(&error.message).clone();
            Ok(Outcome::unknown(why))
        }
        found => found,
    }
}

/// Says what came out: here, and to the job of GitHub Actions where there is one.
fn tell(
    context: &mut Context,
    arguments: &Arguments,
    paired: &Paired,
    outcome: &Outcome,
    (baseline, candidate): (&str, &str),
    command: &str,
) -> Result<(), Error> {
    let job = Job::here();
    let runs = |wanted: PairSide| -> Vec<String> {
        let of_side = paired.recorded.iter().filter(|(side, _)| *side == wanted);
        of_side.map(|(_, recorded)| recorded.entry.id.to_hex()).collect()
    };
    let (of_baseline, of_candidate) = (runs(PairSide::Baseline), runs(PairSide::Candidate));
    let file = arguments
        .output
        .as_ref()
        .map(|path| context.directory.join(path))
        .or_else(|| job.temporary(&format!("git-exp-ci-{}.json", arguments.name)));
    let file = file.filter(|_| outcome.json.is_some());
    if let (Some(path), Some(json)) = (&file, &outcome.json) {
        actions::write(path, json)?;
    }
    let file = file.map(|path| path.to_string_lossy().into_owned());
    let fields = json!({
        "verdict": outcome.word(),
        "why": outcome.why,
        "regressions": outcome.regressions,
        "metrics": outcome.metrics,
        "pairs": of_baseline.len().min(of_candidate.len()),
        "command": command,
        "baseline": baseline,
        "candidate": candidate,
        "comparison": outcome.fields,
    });
    let rendered = templates(context, None)?
        .render("job-summary.md", &fields)
        .map_err(|error| explained_template(&error))?;
    let rendered = redaction::bytes(context, rendered.trim().as_bytes())?;
    let text = String::from_utf8_lossy(&rendered).into_owned();
    let has_summary = job.summarize(&text)?;
    let all = [of_baseline.as_slice(), &of_candidate].concat().join(" ");
    let path = file.as_deref().unwrap_or_default();
    job.put_out(context, &[("verdict", outcome.word()), ("comparison", path), ("runs", &all)])?;
    for line in outcome.regressions.iter().take(ANNOTATIONS) {
        job.annotate(context, Severity::Error, "regression", line);
    }
    if let Some(why) = &outcome.why {
        job.annotate(context, Severity::Warning, "cannot tell whether there is a regression", why);
    }
    let comment = match job.pull_request.filter(|_| !arguments.no_comment) {
        Some(number) => comment(context, number, &arguments.name, &text, has_summary),
        None => None,
    };
    if context.output.json {
        return context.output.object(&json!({
            "schema": "git-exp/ci/1",
            "verdict": outcome.word(),
            "why": outcome.why,
            "regressions": outcome.regressions,
            "metrics": outcome.metrics,
            "baseline": baseline,
            "candidate": candidate,
            "comparison": file,
            "runs": { "baseline": of_baseline, "candidate": of_candidate },
            "summary": has_summary,
            "comment": comment,
        }));
    }
    let judged = match outcome.metrics.as_slice() {
        [] => String::new(),
        metrics => format!(" (judged: {})", harmless(&metrics.join(", "))),
    };
    let mut text = format!("\n{} against {}{judged}\n", outcome.word(), harmless(baseline));
    for line in outcome.regressions.iter().chain(&outcome.why) {
        text.push_str(&format!("  {}\n", harmless(line)));
    }
    context.output.text(&job.calmed(&text))
}

/// Keeps the one comment in the pull request; what stands against it is said and does not fail the check.
fn comment(context: &mut Context, number: u64, name: &str, text: &str, has_summary: bool) -> Option<String> {
    let mark = mark(name);
    let rest = "the rest is in the job's summary";
    let text = format!("{}\n\n{mark}\n", fit(text, LONGEST - length(&mark) - 3, rest).trim_end());
    let kept = connect(context, None).and_then(|connection| {
        let is_it =
            |it: &Comment| connection.identities.has(it.user.as_ref()) && ends_with(&it.text(), &mark);
        let kept = connection.github.keep_comment(number, &is_it, &text);
        kept.map_err(|error| explained(&error))
    });
    match kept {
        Ok(comment) => Some(comment.html_url),
        Err(error) => {
            let causes: String = error.causes.iter().map(|cause| format!(": {cause}")).collect();
            let instead = if has_summary { "; the job's summary has it" } else { "" };
            let why = format!("{}{causes}", error.message);
            context.output.say(&format!("no comment in the pull request: {}{instead}", harmless(&why)));
            None
        }
    }
}
