//! Which entry, run or experiment a word on the command line means.

use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, ExperimentId, TopicName};
use crate::domain::run::Run;
use crate::domain::state::{ExperimentState, IdeaState, State, TopicState};
use crate::domain::topic::Topic;
use crate::domain::withdrawal::find_withdrawn;
use crate::error::Error;
use crate::log::index::Index;
use crate::log::{LogError, layout};

/// What a word means.
pub enum Selected {
    /// An experiment.
    Experiment(Box<ExperimentState>),
    /// An entry of the log.
    Entry(Box<Entry>),
}

/// The experiment or entry that `word` means: an alias, `alias@writer`, or the first digits of an ID.
pub fn select(context: &Context, index: &mut Index, state: &State, word: &str) -> Result<Selected, Error> {
    if let Some(found) = one_experiment(state, word)? {
        return Ok(Selected::Experiment(Box::new(found.clone())));
    }
    entry(context, index, state, word).map(|entry| Selected::Entry(Box::new(entry)))
}

/// The experiment that `word` names.
pub fn experiment<'a>(state: &'a State, word: &str) -> Result<&'a ExperimentState, Error> {
    match one_experiment(state, word)? {
        Some(found) => Ok(found),
        None => {
            word.split('@').next().unwrap_or(word).parse::<ExperimentId>()?;
            Err(unknown(state, "experiment", word))
        }
    }
}

fn one_experiment<'a>(state: &'a State, word: &str) -> Result<Option<&'a ExperimentState>, Error> {
    let found = state.find(word);
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let names: Vec<String> = several.iter().map(|it| format!("`{}`", it.name())).collect();
            Err(Error::request(format!("`{word}` names {} experiments", several.len()))
                .hint(format!("two clones numbered alike; say which: {}", names.join(" or "))))
        }
    }
}

/// The entry whose ID begins with `word`.
pub fn entry(context: &Context, index: &mut Index, state: &State, word: &str) -> Result<Entry, Error> {
    let is_hex = word.len() >= 4 && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err(unknown(state, "experiment or entry", word));
    }
    match context.log.find(index, &word.to_ascii_lowercase()) {
        Ok((_, entry)) => Ok(entry),
        Err(LogError::NotFound(_)) => {
            if let Some((id, by)) = find_withdrawn(&context.log.withdrawals(index)?, word) {
                let short = id.short();
                return Err(Error::request(format!("`{short}` was withdrawn, and is gone"))
                    .hint(format!("`git exp show {}` says why", by.short())));
            }
            Err(Error::request(format!("no experiment or entry is called `{word}`"))
                .hint("`git exp runs` lists the runs, `git exp list` the experiments"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The run whose ID begins with `word`.
pub fn run(context: &Context, index: &mut Index, state: &State, word: &str) -> Result<(EntryId, Run), Error> {
    let entry = entry(context, index, state, word)?;
    match entry.body {
        Body::Run(run) => Ok((entry.id, *run)),
        other => Err(Error::request(format!("`{word}` is a {}, not a run", other.kind()))
            .hint("`git exp runs` lists the runs")),
    }
}

fn unknown(state: &State, what: &str, word: &str) -> Error {
    let error = Error::request(format!("there is no {what} `{word}`"));
    let near = state
        .experiments
        .iter()
        .map(|it| (strsim::jaro_winkler(&it.id.key(), &word.to_ascii_lowercase()), it.id.as_str()))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint("`git exp list` lists the experiments"),
    }
}

/// The idea that `word` names: a number, `number@writer`, or the first digits of the entry that added it.
pub fn idea<'a>(state: &'a State, word: &str) -> Result<&'a IdeaState, Error> {
    let mut found = state.find_idea(word);
    let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if found.is_empty() && is_hex {
        let word = word.to_ascii_lowercase();
        found = state.ideas.iter().filter(|it| it.first.to_hex().starts_with(&word)).collect();
    }
    match found.as_slice() {
        [] => {
            Err(Error::request(format!("there is no idea `{word}`"))
                .hint("`git exp idea list --all` lists them"))
        }
        [one] => Ok(one),
        several => {
            // One clone can number alike too, when two add at once.
            let by_writer: Vec<String> = several.iter().map(|it| it.name()).collect();
            let is_enough =
                by_writer.iter().enumerate().all(|(place, name)| !by_writer[..place].contains(name));
            let name = |it: &&IdeaState| if is_enough { it.name() } else { it.first.short() };
            let names: Vec<String> = several.iter().map(|it| format!("`{}`", name(it))).collect();
            Err(Error::request(format!("`{word}` names {} ideas", several.len()))
                .hint(format!("two numbered alike; say which: {}", names.join(" or "))))
        }
    }
}

/// The experiment of the current branch.
pub fn current<'a>(context: &Context, state: &'a State) -> Result<&'a ExperimentState, Error> {
    let branch = context.repo.head()?.branch;
    match experiment_of_branch(branch.as_deref()) {
        Some(id) => match state.of_branch(&id, &context.log.own_writers()?) {
            Some(own) => Ok(own),
            None => experiment(state, id.as_str()),
        },
        None => Err(Error::request("which experiment?")
            .hint("name one, or go to its worktree; `git exp list` lists them")),
    }
}

/// The experiment whose branch is checked out, if it is one.
pub fn experiment_of_branch(branch: Option<&str>) -> Option<ExperimentId> {
    branch?.strip_prefix("exp/")?.parse().ok()
}

/// Refuses a baseline that is neither an experiment, a named baseline of the topic, a revision nor a label.
pub fn check_baseline(
    context: &Context,
    state: &State,
    topic: Option<&Topic>,
    brief: &Brief,
) -> Result<(), Error> {
    let Some(baseline) = &brief.baseline else { return Ok(()) };
    let is_known = baseline.contains(':')
        || !state.find(baseline).is_empty()
        || topic.is_some_and(|topic| topic.baselines.contains_key(baseline))
        || context.repo.rev_parse(baseline)?.is_some();
    if is_known {
        return Ok(());
    }
    Err(Error::request(format!("there is no baseline `{baseline}`")).hint(format!(
        "name an experiment, a named baseline of the topic, or a revision as `{}`",
        context.main_branch_name()
    )))
}

/// The topic that `word` names, by its name or its branch.
pub fn topic<'a>(state: &'a State, word: &str) -> Result<&'a TopicState, Error> {
    let name: TopicName = word.strip_prefix("research/").unwrap_or(word).parse()?;
    state.topics.get(&name).ok_or_else(|| {
        Error::request(format!("there is no topic `{name}`")).hint("`git exp topic list` lists them")
    })
}

/// The name of the topic that `word` names.
pub fn topic_name<'a>(state: &'a State, word: &str) -> Result<&'a TopicName, Error> {
    topic(state, word).map(|topic| &topic.topic.name)
}

/// The topic of the current branch: its own, or that of its experiment.
pub fn topic_here<'a>(context: &Context, state: &'a State) -> Result<Option<&'a TopicState>, Error> {
    let branch = context.repo.head()?.branch;
    let of_branch = branch.as_deref().and_then(|branch| branch.strip_prefix("research/")?.parse().ok());
    let writers = context.log.own_writers()?;
    let of_experiment = experiment_of_branch(branch.as_deref())
        .and_then(|id| state.of_branch(&id, &writers)?.topic().cloned());
    Ok(of_branch.or(of_experiment).and_then(|name: TopicName| state.topics.get(&name)))
}

/// Refuses an experiment that was registered in another clone and numbered like one of this clone's: the branch is not its own.
pub fn refuse_anothers_branch(context: &Context, experiment: &ExperimentState) -> Result<(), Error> {
    if experiment.has_branch_of(&context.log.own_writers()?) {
        return Ok(());
    }
    let id = &experiment.id;
    Err(Error::request(format!("the branch `exp/{id}` here is not that of `{}`", experiment.name()))
        .because("another clone numbered alike, and its branch is there")
        .hint("`git exp list` tells them apart; do this in the clone that registered it"))
}

/// Where an experiment's branch is checked out; nowhere where the branch of its name belongs to another.
pub fn worktree_of_experiment(
    context: &Context,
    experiment: &ExperimentState,
) -> Result<Option<std::path::PathBuf>, Error> {
    match experiment.has_branch_of(&context.log.own_writers()?) {
        true => worktree_of(context, &experiment.id),
        false => Ok(None),
    }
}

/// The folder that `git exp new` makes for an experiment, from the top of the main worktree.
pub fn worktree_of(context: &Context, id: &ExperimentId) -> Result<Option<std::path::PathBuf>, Error> {
    let branch = format!("refs/heads/{}", layout::experiment_branch(id));
    let worktrees = context.repo.worktrees()?;
    Ok(worktrees
        .into_iter()
        .filter(|worktree| !worktree.is_gone)
        .find(|worktree| worktree.branch.as_deref().is_some_and(|name| branch.eq_ignore_ascii_case(name)))
        .map(|worktree| worktree.path))
}
