//! `git exp brief`

use clap::Args;
use serde::{Deserialize, Serialize};

use super::options::{BriefOptions, budget, check_looks, criteria};
use super::{Answer, deciding, editing, redaction, selection};
use crate::context::Context;
use crate::domain::brief::{Brief, Budget};
use crate::domain::entry::{Body, Registration};
use crate::domain::number::counted;
use crate::domain::quantity::budget_text;
use crate::domain::state::{ExperimentState, Registered};
use crate::error::Error;
use crate::log::layout;
use crate::render::{experiment, json};

/// Show or amend what an experiment promises
///
/// Every amendment is an entry of its own, and one made after the first run is shown as such for ever.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp brief A-001
  git exp brief A-001 --guard 'val_loss <= +0.2%' --budget wall=2h
  git exp brief A-001 --edit")]
pub struct Arguments {
    /// The experiment; that of the current branch when left out
    experiment: Option<String>,

    /// Open the brief in your editor
    #[arg(long)]
    edit: bool,

    /// Amend the brief by the options given; implied by any of them
    #[arg(long)]
    amend: bool,

    #[command(flatten)]
    brief: BriefOptions,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let experiment = match &arguments.experiment {
        Some(word) => selection::experiment(&state, word)?,
        None => selection::current(context, &state)?,
    };
    let Some(registered) = &experiment.registered else {
        return Err(Error::request(format!("`{}` is a day's scratch and has no brief", experiment.id))
            .hint("`git exp new <name> --from <run>` gives one of its runs a brief"));
    };
    if arguments.amend && arguments.brief.is_empty() {
        return Err(
            Error::request("there is nothing to amend").hint("say what, as `--trials 8`, or use `--edit`")
        );
    }
    if !arguments.edit && arguments.brief.is_empty() {
        show(context, experiment, registered)?;
        return Ok(Answer::Yes);
    }
    let before = &registered.current.brief;
    let mut brief = before.clone();
    arguments.brief.apply(&mut brief)?;
    if arguments.edit {
        brief = edit(context, &brief)?;
    }
    redaction::brief(context, &mut brief)?;
    let topic = registered.current.topic.as_ref().and_then(|name| state.topics.get(name));
    selection::check_baseline(context, &state, topic.map(|it| &it.topic), &brief)?;
    if brief == *before {
        context.output.say("the brief says this already; nothing was recorded");
        return Ok(Answer::Yes);
    }
    if experiment.runs.total() > 0 && promises_otherwise(before, &brief) {
        let rules = context.rules_for(experiment.topic())?;
        let breaches = rules.breaches_of_amendment(&context.identity());
        if !breaches.is_empty() {
            return deciding::refuse(context, "amend the brief of", &experiment.name(), &breaches);
        }
    }
    let body = Body::Brief(Registration {
        registration: Some(registered.entry),
        brief: brief.clone(),
        ..registered.current.clone()
    });
    let mut replaces = vec![registered.current_entry];
    replaces.extend(&registered.conflicts);
    let appended = context.append(body, replaces, Vec::new())?;
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/amendment/1",
            "experiment": experiment.id.as_str(),
            "entry": appended.entry.id.to_hex(),
            "missing": brief.missing().iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "after_first_run": experiment.runs.total() > 0,
        }))?;
        return Ok(Answer::Yes);
    }
    context.output.line(&format!(
        "amended the brief of {} ({})",
        experiment.name(),
        appended.entry.id.short()
    ))?;
    if experiment.runs.total() > 0 {
        context
            .output
            .say("it has runs already, so every view marks this amendment as made after the first run");
    }
    let missing = brief.missing();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        context.output.line(&format!("it still lacks: {}", names.join(", ")))?;
    }
    Ok(Answer::Yes)
}

/// Whether an amendment changes what is judged, what it may cost, or who answers for it.
fn promises_otherwise(before: &Brief, after: &Brief) -> bool {
    let judged = |brief: &Brief| {
        let Brief { accept, guard, no_guard, baseline, looks, owner, .. } = brief.clone();
        ((accept, guard, no_guard), (baseline, looks, owner), brief.planned_trials(), brief.budget)
    };
    judged(before) != judged(after)
}

fn show(context: &mut Context, experiment: &ExperimentState, registered: &Registered) -> Result<(), Error> {
    let brief = &registered.current.brief;
    if context.output.json {
        let view = json::BriefJson::from(brief);
        let mut value = serde_json::to_value(&view).map_err(std::io::Error::from)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("schema".to_owned(), "git-exp/brief/1".into());
            fields.insert("experiment".to_owned(), experiment.id.as_str().into());
            fields.insert("entry".to_owned(), registered.current_entry.to_hex().into());
        }
        return context.output.object(&value);
    }
    context.output.line(&format!(
        "{} on `{}`",
        experiment.name(),
        layout::experiment_branch(&experiment.id)
    ))?;
    context.output.text(&experiment::brief_fields(brief))?;
    let after = registered.amendments > 0
        && experiment.runs.first.is_some_and(|first| registered.current_time > first);
    match registered.amendments {
        0 => {}
        count => {
            let when = if after { ", last after the first run" } else { "" };
            context.output.line(&format!("amended {}{when}", counted(count, "time")))?;
        }
    }
    for conflict in &registered.conflicts {
        context.output.line(&format!("in conflict with the amendment {}", conflict.short()))?;
    }
    Ok(())
}

/// A brief as it is edited.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    hypothesis: String,
    change: String,
    baseline: String,
    accept: Vec<String>,
    guard: Vec<String>,
    no_guard: String,
    trials: u32,
    looks: Vec<u32>,
    budget: String,
    owner: String,
    dataset: String,
    notes: String,
    paths: Vec<String>,
}

const HEADING: &str = "\
# What the experiment promises. Save and close to record it; leave it as it is to record nothing.
# accept and guard: 'step_time <= -8%', 'acc >= base - 0.002', 'val_loss <= 3.0'; the first one names the primary metric.
# looks: numbers of trials after which the result is looked at and may be accepted, as [5, 10, 20]; the last is the plan.
# budget: 'wall=2h,accelerator=1h,runs=40'. Give a guard, or the reason why there is none in no_guard.

";

fn edit(context: &Context, brief: &Brief) -> Result<Brief, Error> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let sheet = Sheet {
        hypothesis: text(&brief.hypothesis),
        change: text(&brief.change),
        baseline: text(&brief.baseline),
        accept: brief.accept.iter().map(ToString::to_string).collect(),
        guard: brief.guard.iter().map(ToString::to_string).collect(),
        no_guard: text(&brief.no_guard),
        trials: brief.planned_trials(),
        looks: brief.looks.clone(),
        budget: budget_text(brief.budget),
        owner: text(&brief.owner),
        dataset: text(&brief.dataset),
        notes: text(&brief.notes),
        paths: brief.paths.clone(),
    };
    let failed = |error: &dyn std::fmt::Display| Error::outside("cannot edit the brief").because(error);
    let body = toml::to_string_pretty(&sheet).map_err(|error| failed(&error))?;
    let (edited, path) = editing::edit(context, "EXP_BRIEF.toml", &format!("{HEADING}{body}"))?;
    let sheet: Sheet = toml::from_str(&edited).map_err(|error| {
        Error::request("cannot read the edited brief")
            .because(error.to_string().trim_end())
            .hint(format!("your text is kept in `{}`", path.display()))
    })?;
    let some = |text: String| (!text.trim().is_empty()).then_some(text);
    let brief = Brief {
        hypothesis: some(sheet.hypothesis),
        change: some(sheet.change),
        baseline: some(sheet.baseline),
        accept: criteria(&sheet.accept)?,
        guard: criteria(&sheet.guard)?,
        no_guard: some(sheet.no_guard),
        trials: if sheet.trials == brief.planned_trials() { brief.trials } else { Some(sheet.trials) },
        looks: sheet.looks,
        budget: match sheet.budget.trim() {
            "" => Budget::default(),
            text => budget(text)?,
        },
        owner: some(sheet.owner),
        dataset: some(sheet.dataset),
        notes: some(sheet.notes),
        paths: sheet.paths,
    };
    check_looks(&brief)?;
    editing::forget(&path);
    Ok(brief)
}
