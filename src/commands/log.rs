//! `git exp log`

use clap::Args;

use super::{Answer, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::EntryId;
use crate::domain::state::ExperimentState;
use crate::error::Error;
use crate::log::index::query;
use crate::render::json::EntryJson;
use crate::render::log::{LogLine, table};

/// How many entries are shown where nothing is said.
const LIMIT: usize = 30;
/// How many entries are read at once.
const PART: usize = 1_000;

/// List everything that was recorded, newest first: runs, briefs, notes, decisions, topics
///
/// An entry is never edited: what is amended or withdrawn stays, and a later entry says so.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp log
  git exp log -e A-001
  git exp log --kind note --all
  git log --first-parent refs/exp/log/<writer>      the same without this tool, for one clone

JSON: one git-exp/entry/1 object a line; all entries, unless --limit says otherwise.")]
pub struct Arguments {
    /// How many to show; 30 when left out
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,

    /// Show all there are
    #[arg(long)]
    all: bool,

    /// Only what is about this experiment
    #[arg(short, long, value_name = "ID")]
    experiment: Option<String>,

    /// Only entries of this kind; may be given several times
    #[arg(short, long, value_name = "KIND", value_parser = ["topic", "brief", "run", "note", "decision", "baseline", "review", "look", "idea", "rating", "override", "smoke", "reproduction", "withdrawal", "issue", "unreadable"])]
    kind: Vec<String>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let is_wanted = |kind: &str| arguments.kind.is_empty() || arguments.kind.iter().any(|it| it == kind);
    let mut rows = context.log.rows_of(&mut index, is_wanted)?;
    rows.reverse();
    let experiment = match &arguments.experiment {
        Some(word) => Some(selection::experiment(&context.log.state(&mut index)?, word)?.clone()),
        None => None,
    };
    if let Some(experiment) = &experiment {
        rows = query::about(&mut index, &rows, &experiment.id)?;
    }
    let limit = match arguments.limit {
        None if arguments.all || context.output.json => usize::MAX,
        limit => limit.unwrap_or(LIMIT),
    };
    let hidden = query::hidden(&mut index)?;
    let is_withdrawn =
        |entry: &Entry| matches!(entry.body, Body::Run(_) | Body::Note(_)) && hidden.contains(&entry.id.0);
    let mut shown: Vec<Entry> = Vec::new();
    let (mut count, mut read) = (0, 0);
    for part in rows.chunks(PART.min(limit.max(1))) {
        if count >= limit || !context.output.has_reader {
            break;
        }
        read += part.len();
        let mut entries = context.log.entries(&mut index, part)?;
        entries.retain(|entry| experiment.as_ref().is_none_or(|it| is_of(entry, it)));
        entries.truncate(limit - count);
        count += entries.len();
        if context.output.json {
            for entry in &entries {
                let line = LogLine::of(entry, entry.id.to_hex(), is_withdrawn(entry));
                context.output.object(&EntryJson::from(&line))?;
            }
        } else {
            shown.extend(entries);
        }
    }
    if context.output.json {
        return Ok(Answer::Yes);
    }
    let ids: Vec<EntryId> = shown.iter().map(|entry| entry.id).collect();
    let short = index.short_ids(&ids)?;
    let lines: Vec<LogLine> = shown
        .iter()
        .zip(short)
        .map(|(entry, short)| LogLine::of(entry, short, is_withdrawn(entry)))
        .collect();
    let text = table(&lines, &context.canvas());
    context.output.text(&text)?;
    if index.is_empty() {
        context.output.say("nothing was recorded yet");
        context.output.hint("git exp run -- <command>");
    } else if lines.is_empty() && limit > 0 {
        context.output.say("no entry is of this kind");
    } else if read < rows.len() {
        let rest = rows.len() - read;
        let entries = if rest == 1 { "entry" } else { "entries" };
        context.output.say(&format!("{rest} older {entries}; `--limit N` or `--all` shows them"));
    }
    Ok(Answer::Yes)
}

/// Whether an entry is about this experiment, and not another one of the same alias.
fn is_of(entry: &Entry, experiment: &ExperimentState) -> bool {
    let wanted = experiment.registration();
    entry.registration() == wanted
}
