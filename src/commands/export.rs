//! `git exp export`
#![expect(clippy::disallowed_methods, reason = "writes the table of results, as `[export]` asks for")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Answer;
use super::runs::{expression, topic_of, topics};
use crate::config::ExportRules;
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::filter::parse_name;
use crate::domain::state::State;
use crate::error::Error;
use crate::log::Lock;
use crate::log::index::query::{Query, select};
use crate::render::export::{Format, columns, table};
use crate::render::json::RunJson;
use crate::render::run::RunView;

/// Print the runs as a table that other tools read
///
/// With `[export]` in `exp.toml` the table is kept in a file of the main worktree, written anew after every run of any worktree;
/// `--write` does it now.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp export > results.tsv
  git exp export --columns commit,val_loss,peak_rss,status,description
  git exp export --filter 'experiment ~ MOE' --format csv
  git exp export --write

Columns are fields of `git exp runs --json`, `params.<name>`, `metrics.<name>` (or the bare name), `command` and `description`.")]
pub struct Arguments {
    /// The columns; what every run has, and all parameters and metrics, when left out
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,

    /// Only the runs that this filter picks
    #[arg(short, long, value_name = "FILTER")]
    filter: Option<String>,

    /// What stands between cells
    #[arg(long, value_name = "FORMAT", default_value = "tsv")]
    format: Between,

    /// Write the file that `[export]` in `exp.toml` names
    #[arg(long, conflicts_with_all = ["columns", "filter", "format"])]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Between {
    /// Tabs
    Tsv,
    /// Commas
    Csv,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.write {
        let settings = context.settings_for(None, &context.repo.clone())?;
        let Some(path) = refresh(context, &settings.export)? else {
            return Err(Error::request("`[export]` names no file")
                .hint("in `exp.toml` on the main branch: [export] file = \"results.tsv\""));
        };
        if context.output.json {
            let view =
                serde_json::json!({ "schema": "git-exp/export/1", "file": path.display().to_string() });
            context.output.object(&view)?;
        } else {
            context.output.line(&format!("written: {}", path.display()))?;
        }
        return Ok(Answer::Yes);
    }
    let runs = runs(context, arguments.filter.as_deref())?;
    if context.output.json {
        for run in &runs {
            context.output.object(run)?;
        }
        return Ok(Answer::Yes);
    }
    let format = match arguments.format {
        Between::Tsv => Format::Tsv,
        Between::Csv => Format::Csv,
    };
    let text = table(&runs, &wanted(&arguments.columns, &runs), format);
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

fn wanted(asked: &[String], runs: &[Value]) -> Vec<String> {
    if asked.is_empty() { columns(runs) } else { asked.to_vec() }
}

/// The runs that a filter picks, oldest first, as `runs --json` has them, each with what its experiment changes.
fn runs(context: &mut Context, filter: Option<&str>) -> Result<Vec<Value>, Error> {
    let filter = filter.map(|text| expression(context, text)).transpose()?;
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let topics = topics(&state);
    let oldest_first = crate::domain::filter::parse_sort("started").expect("`started` is a field");
    let query =
        Query { filter: filter.as_ref(), sort: &oldest_first, topics: Some(&topics), ..Query::default() };
    let found = select(&mut index, &query)?;
    let descriptions = descriptions(&state);
    let mut runs = Vec::with_capacity(found.rows.len());
    for entry in context.log.entries(&mut index, &found.rows)? {
        let Body::Run(run) = &entry.body else { continue };
        let mut view = RunView::new(entry.id.to_hex(), entry.id.short(), run);
        view.topic = topic_of(run, Some(&topics));
        view.writer = Some(entry.writer.as_str());
        let mut value = serde_json::to_value(RunJson::from(&view)).map_err(std::io::Error::from)?;
        let description = run
            .membership
            .registration
            .and_then(|id| descriptions.get(&id.to_hex()).cloned())
            .or_else(|| run.label.clone());
        value["description"] = description.into();
        runs.push(value);
    }
    Ok(runs)
}

/// What each registered experiment changes, by the hex of its registration's ID.
fn descriptions(state: &State) -> HashMap<String, String> {
    let of = |it: &crate::domain::state::ExperimentState| {
        let brief = it.brief()?;
        let text = brief.change.clone().or_else(|| brief.hypothesis.clone())?;
        Some((it.registered.as_ref()?.entry.to_hex(), text))
    };
    state.experiments.iter().filter_map(of).collect()
}

/// Writes the table that `[export]` asks for anew; gives where it is.
pub fn refresh(context: &mut Context, rules: &ExportRules) -> Result<Option<PathBuf>, Error> {
    let (Some(file), Some(top)) = (&rules.file, context.repo.main_work_dir()) else { return Ok(None) };
    for name in &rules.columns {
        parse_name(name).map_err(|error| {
            Error::request(format!("cannot read the column `{name}` of `[export]`")).because(error)
        })?;
    }
    let path = top.join(file);
    // Whoever writes later has read later, so that no run gets lost between two that end at once.
    let _lock = Lock::take(context.log.folders())?;
    let runs = runs(context, rules.filter.as_deref())?;
    let text = table(&runs, &wanted(&rules.columns, &runs), Format::of(file));
    replace(&path, &text)
        .map_err(|error| Error::outside(format!("cannot write `{}`", path.display())).because(error))?;
    Ok(Some(path))
}

/// Puts a text in the place of a file, whole or not at all.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder)?;
    let new = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(new.path(), text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_or(0o644, |data| data.permissions().mode());
        fs::set_permissions(new.path(), fs::Permissions::from_mode(mode))?;
    }
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// Brings the table up to date after a run; what stands in the way is told, for the run is recorded all the same.
pub fn follow(context: &mut Context, rules: &ExportRules) {
    if let Err(error) = refresh(context, rules) {
        let cause = error.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
        context.output.say(&format!("the table of results is not up to date: {}{cause}", error.message));
    }
}
