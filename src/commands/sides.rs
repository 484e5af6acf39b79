//! The sides of a comparison: what a word means as one, the runs it has, and the code that runs as a baseline.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::place::Place;
use super::runs::{expression, topics};
use super::{code_state, recording, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Entry, Registration};
use crate::domain::id::{EntryId, ExperimentId, ObjectName};
use crate::domain::run::Membership;
use crate::domain::state::{ExperimentState, State};
use crate::domain::topic::Topic;
use crate::domain::withdrawal::find_withdrawn;
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::query::{Query, select};
use crate::log::index::sides::{Common, commits, registrations_of, runs_of};
use crate::log::index::{Index, RowRef};
use crate::log::layout;

/// How many commits back a baseline's runs are looked for, and a metric's older definitions.
pub const FAR_BACK: usize = 1_000;

/// What a word means as a side.
pub struct Chosen {
    /// What it is called.
    pub name: String,
    /// What tells it from other sides, however it was spelled.
    pub identity: String,
    what: What,
}

enum What {
    Experiment(Box<ExperimentState>),
    Label(String),
    Commit(ObjectName),
    Rows(Vec<RowRef>),
}

/// What a baseline is: the code that runs, and the experiment that its runs belong to.
pub struct Baseline {
    /// The commit that runs.
    pub commit: Oid,
    /// The experiment that its runs belong to.
    pub membership: Membership,
    /// That experiment as it was registered; absent for a day's scratch.
    pub registration: Option<Registration>,
}

impl Chosen {
    /// The experiment that it is, where it is one.
    pub fn experiment(&self) -> Option<&ExperimentState> {
        match &self.what {
            What::Experiment(experiment) => Some(experiment),
            _ => None,
        }
    }
}

/// The baseline and the candidates that `words` mean.
pub fn sides(
    context: &Context,
    index: &mut Index,
    state: &State,
    words: &[String],
) -> Result<(Chosen, Vec<Chosen>), Error> {
    if let [baseline, candidates @ ..] = words
        && !candidates.is_empty()
    {
        let candidates: Vec<Chosen> = candidates
            .iter()
            .map(|word| choose(context, index, state, None, word))
            .collect::<Result<_, _>>()?;
        let topic = topic_of(state, &candidates[0]);
        let baseline = choose(context, index, state, topic, baseline)?;
        return Ok((baseline, candidates));
    }
    let candidate = match words.first() {
        Some(word) => choose(context, index, state, None, word)?,
        None => of_experiment(selection::current(context, state)?),
    };
    let What::Experiment(experiment) = &candidate.what else {
        return Err(Error::request(format!("compare `{}` with what?", candidate.name))
            .hint("name the baseline first: git exp compare <baseline> <candidate>"));
    };
    let Some(word) = experiment.registered.as_ref().and_then(|it| it.current.brief.baseline.clone()) else {
        return Err(Error::request(format!("compare `{}` with what?", candidate.name))
            .because("its brief names no baseline")
            .hint("name the baseline first: git exp compare <baseline> <candidate>"));
    };
    let topic = topic_of(state, &candidate);
    let baseline = choose(context, index, state, topic, &word).map_err(|error| {
        error.because(format!("the brief of `{}` names it as the baseline", candidate.name))
    })?;
    Ok((baseline, vec![candidate]))
}

fn topic_of<'a>(state: &'a State, chosen: &Chosen) -> Option<&'a Topic> {
    let What::Experiment(experiment) = &chosen.what else { return None };
    state.topics.get(experiment.topic()?).map(|it| &it.topic)
}

fn of_experiment(experiment: &ExperimentState) -> Chosen {
    let identity = match &experiment.registered {
        Some(registered) => registered.entry.to_hex(),
        None => experiment.id.key(),
    };
    Chosen {
        name: experiment.name(),
        identity: format!("experiment {identity}"),
        what: What::Experiment(Box::new(experiment.clone())),
    }
}

/// The code that is checked out, uncommitted changes included, as a side.
pub fn code_here(context: &Context) -> Result<Chosen, Error> {
    let settings = context.settings_here()?;
    let redactor = recording::redactor(&settings)?;
    let state = code_state::capture(&context.repo, &settings, &redactor, &HashSet::new())?;
    let commit = state.code.commit;
    Ok(Chosen {
        name: format!("the code here ({})", commit.short()),
        identity: format!("commit {commit}"),
        what: What::Commit(commit),
    })
}

/// What `word` means as a side; `topic` is where a named baseline is looked up.
pub fn choose(
    context: &Context,
    index: &mut Index,
    state: &State,
    topic: Option<&Topic>,
    word: &str,
) -> Result<Chosen, Error> {
    if let Some(label) = word.strip_prefix("label:") {
        return Ok(Chosen {
            name: word.to_owned(),
            identity: word.to_owned(),
            what: What::Label(label.to_owned()),
        });
    }
    if let Some(text) = word.strip_prefix("filter:") {
        let filter = expression(context, text)?;
        let topics = topics(state);
        let query = Query { filter: Some(&filter), topics: Some(&topics), ..Query::default() };
        let found = select(index, &query)?;
        return Ok(Chosen { name: word.to_owned(), identity: word.to_owned(), what: What::Rows(found.rows) });
    }
    if !state.find(word).is_empty() {
        return Ok(of_experiment(selection::experiment(state, word)?));
    }
    if let Some(target) = topic.and_then(|topic| topic.baselines.get(word)) {
        // A baseline that names a baseline is taken for what it is called, so that no circle is walked.
        let mut chosen = choose(context, index, state, None, target)?;
        chosen.name = format!("{word} ({})", chosen.name);
        return Ok(chosen);
    }
    let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex
        && let Ok((row, entry)) = context.log.find(index, &word.to_ascii_lowercase())
        && matches!(entry.body, Body::Run(_))
    {
        return Ok(Chosen {
            name: format!("run {}", entry.id.short()),
            identity: entry.id.to_hex(),
            what: What::Rows(vec![row]),
        });
    }
    if let Some(commit) = context.repo.rev_parse(word)? {
        let commit: ObjectName = commit.to_hex().parse()?;
        return Ok(Chosen {
            name: format!("{word} ({})", commit.short()),
            identity: format!("commit {commit}"),
            what: What::Commit(commit),
        });
    }
    if is_hex && let Err(error) = selection::entry(context, index, state, word) {
        // One that was withdrawn is told as such.
        if find_withdrawn(&context.log.withdrawals(index)?, word).is_some() {
            return Err(error);
        }
    }
    Err(Error::request(format!("there is no experiment, baseline, run or revision `{word}`"))
        .hint("`git exp list` lists the experiments; `label:x` and `filter:…` pick runs"))
}

/// The code and the experiment that `word` means as the baseline of what runs at `place`.
pub fn baseline(context: &mut Context, place: &Place, word: &str) -> Result<Baseline, Error> {
    let found = baseline_of(context, place, word)?;
    context.log.refuse_withdrawn_code(found.commit)?;
    Ok(found)
}

fn baseline_of(context: &mut Context, place: &Place, word: &str) -> Result<Baseline, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let topic = place.registration.as_ref().and_then(|it| it.topic.as_ref());
    let topic = topic.and_then(|name| state.topics.get(name)).map(|it| &it.topic);
    let chosen = choose(context, &mut index, &state, topic, word)?;
    let scratch = || Membership {
        experiment: ExperimentId::scratch(context.now().to_zoned(context.zone.clone()).date()),
        registration: None,
        brief: None,
    };
    let not_here = || Error::request(format!("the code of `{}` is not here", chosen.name));
    let oid = |commit: &ObjectName| {
        Oid::from_hex(commit.as_str()).filter(|commit| context.repo.has_object(*commit))
    };
    match &chosen.what {
        What::Experiment(experiment) => {
            let id = &experiment.id;
            let Some(registered) = &experiment.registered else {
                return Err(Error::request(format!("`{id}` is a day's scratch and has no code of its own"))
                    .hint("name one of its runs, or a revision"));
            };
            let branch = format!("refs/heads/{}", layout::experiment_branch(id));
            let tip = match context.repo.read_ref(&branch)? {
                Some(tip) => Some(tip),
                None => context.repo.read_ref(&layout::archive_ref(id))?,
            };
            Ok(Baseline {
                commit: tip.ok_or_else(not_here)?,
                membership: Membership {
                    experiment: id.clone(),
                    registration: Some(registered.entry),
                    brief: Some(registered.current_entry),
                },
                registration: Some(registered.current.clone()),
            })
        }
        What::Commit(commit) => Ok(Baseline {
            commit: oid(commit).ok_or_else(not_here)?,
            membership: scratch(),
            registration: None,
        }),
        What::Rows(rows) if rows.len() == 1 => {
            let entries = context.log.entries(&mut index, rows)?;
            let Some(Entry { body: Body::Run(run), id, .. }) = entries.first() else {
                return Err(not_here());
            };
            context.log.refuse_withdrawn_code_of(&mut index, *id)?;
            let commit = oid(&run.code.commit).ok_or_else(not_here)?;
            Ok(Baseline { commit, membership: scratch(), registration: None })
        }
        What::Rows(_) | What::Label(_) => Err(Error::request(format!("`{word}` names runs, not code"))
            .hint("run against an experiment, a named baseline, a run or a revision")),
    }
}

/// What `rows` are as a side.
pub fn of_rows(name: &str, rows: Vec<RowRef>) -> Chosen {
    Chosen { name: name.to_owned(), identity: format!("runs {name}"), what: What::Rows(rows) }
}

/// The rows of each side's runs.
pub fn rows<'a>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    sides: impl Iterator<Item = &'a Chosen>,
) -> Result<Vec<Vec<RowRef>>, Error> {
    let sides: Vec<&Chosen> = sides.collect();
    let common: Vec<Common<'_>> = sides
        .iter()
        .map(|side| match &side.what {
            What::Experiment(experiment) => Common::Experiment(&experiment.id, experiment.registration()),
            What::Label(label) => Common::Label(label),
            What::Commit(commit) => Common::Commit(commit.as_str()),
            What::Rows(_) => Common::Label(""),
        })
        .collect();
    let mut found = runs_of(index, &common)?;
    let is_of_revision = sides.iter().any(|side| matches!(side.what, What::Commit(_)));
    let others = if is_of_revision { others(state, &sides) } else { Others::new() };
    for (side, rows) in sides.iter().zip(&mut found) {
        match &side.what {
            What::Rows(own) => rows.clone_from(own),
            What::Commit(commit) => {
                let at_commit = std::mem::take(rows);
                *rows = of_revision(context, index, &others, side, commit, at_commit)?;
            }
            What::Experiment(_) | What::Label(_) => {}
        }
    }
    Ok(found)
}

/// The experiments whose runs can stand for a revision where it has none of its own, by the entries that registered them.
type Others<'a> = HashMap<EntryId, &'a ExperimentState>;

/// Those that are not compared, and were there before the first that is: what came after an experiment is no baseline of it.
fn others<'a>(state: &'a State, sides: &[&Chosen]) -> Others<'a> {
    let compared: Vec<_> = sides.iter().filter_map(|side| side.experiment()?.registered.as_ref()).collect();
    let first = compared.iter().map(|it| it.time).min();
    let was_there = |time: Timestamp| first.is_none_or(|first| time < first);
    let registered = state.experiments.iter().filter_map(|it| Some((it.registered.as_ref()?, it)));
    let others = registered.filter(|(it, _)| was_there(it.time));
    others.map(|(it, experiment)| (it.entry, experiment)).collect()
}

/// The runs of a revision: of those at its commit the ones that were made for no experiment, else what others ran there; else
/// those of the nearest commit before it that has any.
///
/// Experiments may differ in nothing but the command, so that what a candidate ran at the commit it began from says nothing of that commit.
fn of_revision(
    context: &mut Context,
    index: &mut Index,
    others: &Others<'_>,
    side: &Chosen,
    commit: &ObjectName,
    at_commit: Vec<RowRef>,
) -> Result<Vec<RowRef>, Error> {
    if let Some((rows, whose)) = own_runs(index, others, at_commit)? {
        if !whose.is_empty() {
            context
                .output
                .say(&format!("`{}` has no runs of its own; those of {whose} there are taken", side.name));
        }
        return Ok(rows);
    }
    let Some(tip) = Oid::from_hex(commit.as_str()) else { return Ok(Vec::new()) };
    let known = commits(index)?;
    for (back, step) in context.repo.walk_first_parent(tip).take(FAR_BACK).enumerate().skip(1) {
        let commit = step?.0.to_hex();
        if !known.contains(&commit) {
            continue;
        }
        let at_commit = runs_of(index, &[Common::Commit(&commit)])?.remove(0);
        let Some((rows, whose)) = own_runs(index, others, at_commit)? else { continue };
        let whose = if whose.is_empty() { String::new() } else { format!(" of {whose}") };
        let commits = if back == 1 { "commit" } else { "commits" };
        context.output.say(&format!(
            "`{}` has no runs; its runs{whose} {back} {commits} earlier are taken, at {}",
            side.name,
            &commit[..8]
        ));
        return Ok(rows);
    }
    Ok(Vec::new())
}

/// What of the runs at a commit can stand for it, and the experiments they belong to; `None` where nothing can.
fn own_runs(
    index: &mut Index,
    others: &Others<'_>,
    at_commit: Vec<RowRef>,
) -> Result<Option<(Vec<RowRef>, String)>, Error> {
    let registrations = registrations_of(index, &at_commit)?;
    let both = || at_commit.iter().copied().zip(&registrations);
    let own: Vec<RowRef> = both().filter(|(_, it)| it.is_none()).map(|(row, _)| row).collect();
    if !own.is_empty() {
        return Ok(Some((own, String::new())));
    }
    let found = both().filter_map(|(row, it)| Some((row, others.get(&it.as_ref()?.parse().ok()?)?)));
    let (rows, mut experiments): (Vec<RowRef>, Vec<&&ExperimentState>) = found.unzip();
    experiments.sort_unstable_by_key(|it| it.registration());
    experiments.dedup_by_key(|it| it.registration());
    let names: BTreeSet<String> = experiments.iter().map(|it| format!("`{}`", it.name())).collect();
    let names = Vec::from_iter(names);
    Ok((!rows.is_empty()).then(|| (rows, names.join(", "))))
}
