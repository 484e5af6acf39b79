//! `git exp runs`

use std::collections::{HashMap, HashSet};

use clap::Args;

use super::recorded::files_of;
use super::{Answer, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::filter::{
    self, Comparison, Expression, Field, FilterError, Moment, Name, Operator, SortKey, Value,
};
use crate::domain::id::{EntryId, ExperimentId};
use crate::domain::number::counted;
use crate::domain::run::{Run, Status};
use crate::domain::state::{ExperimentState, State};
use crate::domain::withdrawal::{Results, Withdrawn};
use crate::error::Error;
use crate::log::index::query::{Found, Query, newest_first, select};
use crate::log::index::{Index, RowRef};
use crate::render::json::RunJson;
use crate::render::run::RunView;
use crate::render::runs::table;

/// How many runs are shown where nothing is said.
const LIMIT: usize = 20;
/// How many entries are read at once.
const PART: usize = 2_000;

/// List runs: pick them, order them, choose what is shown of each
///
/// A name in a filter is a metric, else a parameter, else a field: status, label, experiment, topic, trial, seed, exit,
/// commit, branch, started, exact, argv, `wall_time`. `metric.x`, `param.x` and `run.x` say which; `x[case]` is a metric for
/// one case.
#[derive(Args, Debug)]
#[command(after_help = "\
Filters:
  val_loss < 2.5 and lr > 1e-4        numbers; 10MiB and 2h are numbers too
  status != ok or exit = 137          = != < <= > >=
  label ~ warm                        holds the word, or matches it with * and ?
  started > 2d                        newer than two days; also today, 2026-11-21, 2026-11-21T10:00
  has val_loss and not missing seed   whether there is a value at all

Examples:
  git exp runs
  git exp runs -e A-001 --sort val_loss
  git exp runs --filter 'val_loss < 2.5 and lr > 1e-4' --sort -step_time,started --limit 5
  git exp runs --columns val_loss,lr,commit
  git exp runs --json | jq -r 'select(.status == \"ok\") | .metrics.val_loss.value'

JSON: one git-exp/run/1 object a line; all runs, unless --limit says otherwise.")]
pub struct Arguments {
    /// Which runs, as `val_loss < 2.5 and status = ok`
    #[arg(short, long, value_name = "FILTER")]
    filter: Option<String>,

    /// In which order, as `step_time` or `-val_loss,started` (`-` for the largest first); the newest first when left out
    #[arg(short, long, value_name = "NAMES", allow_hyphen_values = true)]
    sort: Option<String>,

    /// How many to show; 20 when left out
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,

    /// Show all there are
    #[arg(long)]
    all: bool,

    /// Only the runs of this experiment
    #[arg(short, long, value_name = "ID")]
    experiment: Option<String>,

    /// List those that were withdrawn, too, as far as they are still here
    #[arg(long)]
    withdrawn: bool,

    /// What to show of each: metrics, cases as `step_time[b8]`, parameters, fields
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let filter = arguments.filter.as_deref().map(|text| expression(context, text)).transpose()?;
    let sort = match &arguments.sort {
        Some(text) => filter::parse_sort(text).map_err(|error| refuse("order", text, &error))?,
        None => newest_first(),
    };
    for name in &arguments.columns {
        filter::parse_name(name).map_err(|error| refuse("column", name, &error))?;
    }
    let mut index = context.log.index()?;
    let names = filter.iter().flat_map(Expression::names).chain(sort.iter().map(|key| &key.name));
    let asks_for_topic = names.chain(columns(&arguments).iter()).any(is_topic);
    // What the log comes to is not needed to list a hundred thousand runs, and takes longer than they do.
    let state = if asks_for_topic || context.output.json || arguments.experiment.is_some() {
        Some(context.log.state(&mut index)?)
    } else {
        None
    };
    let experiment = match (&arguments.experiment, &state) {
        (Some(word), Some(state)) => Some(chosen(state, word)?),
        _ => None,
    };
    let topics = state.as_ref().map(topics);
    let limit = match arguments.limit {
        None if arguments.all || context.output.json => None,
        limit => Some(limit.unwrap_or(LIMIT)),
    };
    let withdrawn =
        if arguments.withdrawn { results_withdrawn(context, &mut index)? } else { ResultsWithdrawn::new() };
    let set_aside: HashSet<EntryId> = withdrawn.keys().copied().collect();
    let query = Query {
        filter: filter.as_ref(),
        sort: &sort,
        limit,
        topics: topics.as_ref(),
        experiment: experiment.as_ref().map(|(id, registration)| (id, *registration)),
        withdrawn: arguments.withdrawn.then_some(&set_aside),
    };
    let found = select(&mut index, &query)?;
    if context.output.json {
        objects(context, &mut index, &found.rows, topics.as_ref(), &withdrawn)?;
        tell_withdrawn(context, &mut index, experiment.as_slice(), arguments.withdrawn)?;
        return Ok(Answer::Yes);
    }
    rows(context, &mut index, &found.rows, &arguments.columns, topics.as_ref(), &withdrawn)?;
    tell(context, &found, &arguments, &sort);
    tell_withdrawn(context, &mut index, experiment.as_slice(), arguments.withdrawn)?;
    Ok(Answer::Yes)
}

/// The filter that `text` spells.
pub fn expression(context: &Context, text: &str) -> Result<Expression, Error> {
    let moment = Moment { now: context.now(), zone: context.zone.clone() };
    Expression::parse(text, &moment).map_err(|error| refuse("filter", text, &error))
}

fn refuse(what: &str, text: &str, error: &FilterError) -> Error {
    let refused = Error::request(format!("cannot read the {what} `{text}`")).because(error);
    refused.hint(error.hint().unwrap_or("`git exp runs -h` shows what can be asked"))
}

fn columns(arguments: &Arguments) -> Vec<Name> {
    arguments.columns.iter().filter_map(|name| filter::parse_name(name).ok()).collect()
}

fn is_topic(name: &Name) -> bool {
    name.candidates().contains(&Name::Field(Field::Topic))
}

fn chosen(state: &State, word: &str) -> Result<(ExperimentId, Option<EntryId>), Error> {
    let experiment = selection::experiment(state, word)?;
    Ok((experiment.id.clone(), experiment.registration()))
}

/// The topic of each registered experiment, by the hex of its registration's ID.
pub fn topics(state: &State) -> HashMap<String, String> {
    state
        .experiments
        .iter()
        .filter_map(|it| Some((it.registered.as_ref()?.entry.to_hex(), it.topic()?.to_string())))
        .collect()
}

/// The topic of a run's experiment.
pub(super) fn topic_of<'a>(run: &Run, topics: Option<&'a HashMap<String, String>>) -> Option<&'a str> {
    topics?.get(&run.membership.registration?.to_hex()).map(String::as_str)
}

/// The withdrawal that set each run's result aside, and why.
pub type ResultsWithdrawn = HashMap<EntryId, (String, String)>;

/// The runs whose results were withdrawn, each with the first withdrawal of it.
pub fn results_withdrawn(context: &Context, index: &mut Index) -> Result<ResultsWithdrawn, Error> {
    let mut results = ResultsWithdrawn::new();
    for (by, it) in context.log.withdrawals(index)? {
        for one in it.entries.iter().filter(|_| it.results == Results::Withdrawn) {
            results.entry(one.entry).or_insert_with(|| (by.id.to_hex(), it.because.clone()));
        }
    }
    Ok(results)
}

fn objects(
    context: &mut Context,
    index: &mut Index,
    rows: &[RowRef],
    topics: Option<&HashMap<String, String>>,
    withdrawn: &ResultsWithdrawn,
) -> Result<(), Error> {
    for part in rows.chunks(PART) {
        if !context.output.has_reader {
            break;
        }
        for entry in context.log.entries(index, part)? {
            if let Body::Run(run) = &entry.body {
                let mut view = RunView::new(entry.id.to_hex(), entry.id.short(), run);
                view.topic = topic_of(run, topics);
                view.writer = Some(entry.writer.as_str());
                view.files = files_of(&entry);
                view.withdrawn = withdrawn.get(&entry.id).cloned();
                context.output.object(&RunJson::from(&view))?;
            }
        }
    }
    Ok(())
}

fn rows(
    context: &mut Context,
    index: &mut Index,
    rows: &[RowRef],
    columns: &[String],
    topics: Option<&HashMap<String, String>>,
    withdrawn: &ResultsWithdrawn,
) -> Result<(), Error> {
    let entries = context.log.entries(index, rows)?;
    let text = lines(context, index, &entries, columns, topics, withdrawn)?;
    context.output.text(&text)
}

/// The runs among `entries` as a table, in their order; nothing where there are none.
pub(super) fn lines(
    context: &Context,
    index: &mut Index,
    entries: &[Entry],
    columns: &[String],
    topics: Option<&HashMap<String, String>>,
    withdrawn: &ResultsWithdrawn,
) -> Result<String, Error> {
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    let short = index.short_ids(&ids)?;
    let views: Vec<RunView<'_>> = entries
        .iter()
        .zip(short)
        .filter_map(|(entry, short)| match &entry.body {
            Body::Run(run) => {
                let mut view = RunView::new(entry.id.to_hex(), short, run);
                view.topic = topic_of(run, topics);
                view.withdrawn = withdrawn.get(&entry.id).cloned();
                Some(view)
            }
            _ => None,
        })
        .collect();
    Ok(if views.is_empty() { String::new() } else { table(&views, columns, &context.canvas()) })
}

/// Which runs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whatever came of them.
    Any,
    /// Those that ended well.
    EndedWell,
}

/// The run that began last, of the experiment where one is given.
pub fn newest_run(
    context: &Context,
    index: &mut Index,
    of: Option<&ExperimentState>,
    which: Which,
) -> Result<Option<Entry>, Error> {
    let ended_well = Expression::Compare(Comparison {
        name: Name::Field(Field::Status),
        operator: Operator::Equal,
        value: Value::Text(Status::Ok.word().to_owned()),
    });
    let query = Query {
        limit: Some(1),
        filter: (which == Which::EndedWell).then_some(&ended_well),
        experiment: of.map(|it| (&it.id, it.registration())),
        ..Query::default()
    };
    let found = select(index, &query)?;
    Ok(context.log.entries(index, &found.rows)?.pop())
}

/// Says how many runs are left out because they were withdrawn, of these experiments, or of all where none is named; where those
/// that are still here `are_listed`, how many are gone.
pub(super) fn tell_withdrawn(
    context: &mut Context,
    index: &mut Index,
    experiments: &[(ExperimentId, Option<EntryId>)],
    are_listed: bool,
) -> Result<(), Error> {
    let is_one = |it: &Withdrawn, (id, registration): &(ExperimentId, Option<EntryId>)| {
        it.experiment.as_ref() == Some(id) && it.registration == *registration
    };
    let is_of = |it: &Withdrawn| {
        it.kind == "run" && (experiments.is_empty() || experiments.iter().any(|one| is_one(it, one)))
    };
    let withdrawals = context.log.withdrawals(index)?;
    let whole = withdrawals.iter().filter(|(_, it)| it.results == Results::Withdrawn);
    let runs: HashSet<EntryId> =
        whole.flat_map(|(_, it)| &it.entries).filter(|it| is_of(it)).map(|it| it.entry).collect();
    let is_listed =
        |id: &EntryId, index: &mut Index| are_listed && context.log.find(index, &id.to_hex()).is_ok();
    let runs: HashSet<EntryId> = runs.into_iter().filter(|id| !is_listed(id, index)).collect();
    if !runs.is_empty() {
        let are = if runs.len() == 1 { "is" } else { "are" };
        let runs = counted(runs.len(), "run");
        context
            .output
            .say(&format!("{runs} {are} left out, withdrawn; `git exp log --kind withdrawal` says why"));
    }
    Ok(())
}

fn tell(context: &mut Context, found: &Found, arguments: &Arguments, sort: &[SortKey]) {
    let of = arguments.experiment.as_deref().map_or_else(String::new, |id| format!(" of {id}"));
    if found.runs == 0 {
        context.output.say(&format!("no runs{of} yet"));
        context.output.hint("git exp run -- <command>");
    } else if found.matched == 0 {
        context.output.say(&format!("none of the {}{of} matches", counted(found.runs, "run")));
        if let Some(text) = &arguments.filter {
            context
                .output
                .hint(&format!("a run that lacks a name in `{text}` matches no comparison with it"));
        }
    } else if found.rows.len() < found.matched {
        let rest = found.matched - found.rows.len();
        let which = if *sort == newest_first() { "older " } else { "" };
        let runs = if rest == 1 { "run" } else { "runs" };
        context.output.say(&format!("{rest} more {which}{runs}; `--limit N` or `--all` shows them"));
    }
}
