//! `git exp new`
#![expect(clippy::disallowed_methods, reason = "links and copies files into a worktree")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::options::BriefOptions;
use super::{Answer, comparing, idea, init, recording, redaction, remotes, selection, sides, tried};
use crate::config::Settings;
use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::cell::cells;
use crate::domain::entry::{Body, Registration};
use crate::domain::id::{EntryId, ExperimentId, ObjectName, TopicName};
use crate::domain::noise_floor::{NoiseFloor, noise_floors};
use crate::domain::state::{IdeaState, State, TopicState};
use crate::error::Error;
use crate::git::{Expected, GitError, Oid, RefEdit};
use crate::log::index::Index;
use crate::log::layout;
use crate::render::noise::{self, FloorJson};
use crate::render::text::{command_line, harmless};
use crate::render::tried::TriedJson;

/// More planned trials than this are not advised: they are for the user to think of.
const WORTH_ADVISING: usize = 1_000;

/// How long a remote is waited for that is asked whether an ID is free.
const PATIENCE_SECONDS: u64 = 5;

/// Register an experiment: its ID, its brief, its branch and its worktree
///
/// The ID is the topic's prefix and the next number (`MOE-HC-001`), or the date and the name (`20261121-faster-loader`).
/// What the topic already says (criteria, guardrails, budget, baseline) need not be said again. A brief may be completed
/// later with `git exp brief`; until then nothing runs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp new faster-loader --hypothesis 'the loader is the bottleneck' --change 'prefetch 4 batches' \\
      --baseline main --accept 'step_time <= -8%' --guard 'val_loss <= +0.2%' --budget wall=2h
  git exp new wider --topic moe --change 'width 1024'
  git exp new promising --from 3f2a91bc        give a scratch run a brief, on the code that ran
  git exp new prefetch --idea 3                carry an idea over: topic, hypothesis, change

Criteria: `step_time <= -8%` is relative to the baseline, `acc >= base - 0.002` a change in the metric's unit,
`val_loss <= 3.0` a plain value.")]
pub struct Arguments {
    /// A short name, as faster-loader
    name: String,

    /// The topic it belongs to
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// The idea it tries, which gives the topic, the hypothesis and the change
    #[arg(long, value_name = "IDEA")]
    idea: Option<String>,

    /// Where its branch begins: a revision, or a run whose code it takes over
    #[arg(long, value_name = "REVISION|RUN")]
    from: Option<String>,

    /// Make the branch, but no worktree
    #[arg(long)]
    no_worktree: bool,

    #[command(flatten)]
    brief: BriefOptions,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let idea = arguments.idea.as_deref().map(|word| selection::idea(&state, word)).transpose()?;
    let of_idea = idea.and_then(|it| it.idea.topic.as_ref()).map(TopicName::as_str);
    let topic = topic(context, &state, arguments.topic.as_deref().or(of_idea))?;
    let (start, from) = start(context, &mut index, &state, arguments.from.as_deref())?;
    context.log.refuse_withdrawn_code(start)?;
    let mut brief = topic.map(inherited).unwrap_or_default();
    if let Some(idea) = idea {
        carry_over(context, &state, idea, &mut brief)?;
    }
    arguments.brief.apply(&mut brief)?;
    redaction::brief(context, &mut brief)?;
    selection::check_baseline(context, &state, topic.map(|it| &it.topic), &brief)?;
    if brief.owner.is_none() {
        brief.owner = Some(context.identity().name);
    }
    let topic_name = topic.map(|it| it.topic.name.clone());
    let words = [brief.hypothesis.as_deref(), brief.change.as_deref()];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    let near = tried::tell_near(context, &mut index, &state, &words.join("\n"))?;
    let near: Vec<TriedJson<'_>> = near.iter().map(TriedJson::from).collect();
    let id = reserve(context, &state, topic, &arguments.name, start)?;

    let body = Body::Brief(Registration {
        experiment: id.clone(),
        registration: None,
        topic: topic_name.clone(),
        from,
        start: Some(name(start)),
        idea: idea.map(|it| it.first),
        brief: brief.clone(),
    });
    let appended = match context.append(body, Vec::new(), Vec::new()) {
        Ok(appended) => appended,
        Err(error) => {
            // The name was taken for an experiment that is not to be.
            let branch = format!("refs/heads/{}", layout::experiment_branch(&id));
            let undo = RefEdit { name: branch, expected: Expected::Is(start), new: None };
            let _ = context.repo.update_refs(&[undo], "git exp new");
            return Err(error);
        }
    };
    let worktree = match (arguments.no_worktree, context.repo.main_work_dir()) {
        (false, Some(top)) => Some(make_worktree(context, &top, &id, topic_name.as_ref())?),
        _ => None,
    };
    let floors = noise_of_baseline(context, &mut index, &state, topic, &brief)?;
    tell(context, &id, appended.entry.id, &brief, worktree.as_deref(), &floors, &near)
}

/// Takes an idea over into a brief; options may still say otherwise.
fn carry_over(context: &mut Context, state: &State, it: &IdeaState, brief: &mut Brief) -> Result<(), Error> {
    idea::refuse_dropped(it)?;
    let experiments = idea::names_of_experiments(state, it);
    if !experiments.is_empty() {
        context.output.say(&format!(
            "the idea {} is tried already, by {}",
            it.name(),
            experiments.join(", ")
        ));
    }
    brief.hypothesis = Some(it.idea.hypothesis.clone().unwrap_or_else(|| it.idea.title.clone()));
    brief.change = Some(it.idea.title.clone());
    Ok(())
}

/// How much the baseline varies in what the brief is about, as far as it ran already.
fn noise_of_baseline(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    topic: Option<&TopicState>,
    brief: &Brief,
) -> Result<Vec<NoiseFloor>, Error> {
    let Some(word) = &brief.baseline else { return Ok(Vec::new()) };
    let settings = context.settings_for(topic.map(|it| &it.topic.name), &context.repo.clone())?;
    let criteria = [brief.accept.as_slice(), brief.guard.as_slice()].concat();
    // What cannot be looked up has no noise that is known; the comparison will say what is wrong with it.
    let Ok(chosen) = sides::choose(context, index, state, topic.map(|it| &it.topic), word) else {
        return Ok(Vec::new());
    };
    comparing::with_trials(context, index, state, &chosen, |trials| {
        let newest = cells(trials).into_iter().next();
        let floors = newest.map(|cell| noise_floors(&cell, &settings.metrics, &criteria)).unwrap_or_default();
        floors.into_iter().filter(|floor| floor.wanted.iter().any(|it| it.criterion.is_some())).collect()
    })
}

/// The topic that was asked for, else that of the branch; a closed one takes nothing in.
pub fn topic<'a>(
    context: &Context,
    state: &'a State,
    asked: Option<&str>,
) -> Result<Option<&'a TopicState>, Error> {
    let found = match asked {
        Some(word) => {
            Some(selection::topic(state, word).map_err(|error| match word.parse::<TopicName>() {
                Ok(name) => error.hint(format!(
                    "`git exp topic list` lists them; `git exp topic new {name} --prefix … --goal …` makes it"
                )),
                Err(_) => error,
            })?)
        }
        None => selection::topic_here(context, state)?,
    };
    match found {
        Some(topic) if topic.topic.closing.is_some() => {
            let name = &topic.topic.name;
            Err(Error::request(format!("the topic `{name}` is closed"))
                .hint(format!("git exp topic reopen {name}, or choose another with --topic")))
        }
        found => Ok(found),
    }
}

/// What an experiment takes over from its topic.
fn inherited(topic: &TopicState) -> Brief {
    let topic = &topic.topic;
    let baseline = match topic.baselines.get("default") {
        Some(baseline) => Some(baseline.clone()),
        // The only one there is needs no name.
        None if topic.baselines.len() == 1 => topic.baselines.keys().next().cloned(),
        None => None,
    };
    Brief {
        accept: topic.accept.clone(),
        guard: topic.guard.clone(),
        no_guard: topic.no_guard.clone(),
        trials: topic.trials,
        budget: topic.budget,
        baseline,
        ..Brief::default()
    }
}

/// The commit that the branch begins at, and the run it comes from.
fn start(
    context: &Context,
    index: &mut Index,
    state: &State,
    from: Option<&str>,
) -> Result<(Oid, Option<EntryId>), Error> {
    let Some(word) = from else {
        return context.repo.head()?.commit.map(|commit| (commit, None)).ok_or_else(|| {
            Error::request("there is no commit to begin at")
                .hint("make a first commit, or say `--from <run>`")
        });
    };
    if let Some(commit) = context.repo.rev_parse(word)? {
        return Ok((commit, None));
    }
    let (id, run) = selection::run(context, index, state, word)?;
    context.log.refuse_withdrawn_code_of(index, id)?;
    let commit = Oid::from_hex(run.code.commit.as_str())
        .filter(|commit| context.repo.has_object(*commit))
        .ok_or_else(|| Error::request(format!("the code of the run `{word}` is not here")))?;
    Ok((commit, Some(id)))
}

/// Finds an ID that is free and takes it, by making its branch.
///
/// A branch is made by one process only, so two that number at once in one clone get different numbers.
fn reserve(
    context: &mut Context,
    state: &State,
    topic: Option<&TopicState>,
    short_name: &str,
    start: Oid,
) -> Result<ExperimentId, Error> {
    let prefix = topic.and_then(|it| it.topic.prefix.as_ref());
    let date = context.now().to_zoned(context.zone.clone()).date();
    let dated = format!("{:04}{:02}{:02}-{short_name}", date.year(), date.month(), date.day());
    // Checked alone too: what stands behind a date may begin with anything.
    short_name.parse::<ExperimentId>()?;
    // Checked even where the ID is a number, so that a name that could never be typed is not kept.
    let dated: ExperimentId = dated.parse()?;
    if dated.is_scratch() {
        return Err(Error::request("`scratch` is the name of a day's runs without a brief")
            .hint("choose another name"));
    }
    let first = prefix.map_or(1, |prefix| state.next_number(prefix));
    for number in (first..).take(10_000) {
        let id = match prefix {
            Some(prefix) => prefix.numbered(number),
            None if number == 1 => dated.clone(),
            None => format!("{dated}-{number}").parse()?,
        };
        if !state.find(id.as_str()).is_empty() || is_taken(context, &id)? {
            continue;
        }
        let branch = format!("refs/heads/{}", layout::experiment_branch(&id));
        let edit = RefEdit { name: branch.clone(), expected: Expected::Absent, new: Some(start) };
        match context.repo.update_refs(&[edit], "git exp new") {
            Ok(()) if claim(context, &id)? => return Ok(id),
            Ok(()) => {
                let undo = RefEdit { name: branch, expected: Expected::Is(start), new: None };
                context.repo.update_refs(&[undo], "git exp new")?;
            }
            Err(GitError::Moved(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::request(format!("every ID like `{dated}` is taken")))
}

/// Claims an ID at the remote, where `exp.reserve` asks for that; whether it is free as far as can be told.
fn claim(context: &mut Context, id: &ExperimentId) -> Result<bool, Error> {
    if !context.repo.config_bool("exp.reserve").unwrap_or(false) {
        return Ok(true);
    }
    let remote = remotes::named(context, None)?;
    let seconds = context.repo.config_integer("exp.reserveTimeout").and_then(|it| u64::try_from(it).ok());
    let limit = Duration::from_secs(seconds.unwrap_or(PATIENCE_SECONDS));
    // Unlike what any other clone would say.
    let text = format!("{} {}\n", context.writer()?, context.nonce()?);
    match context.repo.claim(&remote, &layout::claim_ref(id), text.as_bytes(), limit)? {
        Some(is_free) => Ok(is_free),
        None => {
            let remote = harmless(&remote);
            context.output.say(&format!("`{remote}` could not be asked whether `{id}` is free"));
            Ok(true)
        }
    }
}

/// Whether a branch or an archived experiment has this ID, ignoring case.
fn is_taken(context: &Context, id: &ExperimentId) -> Result<bool, Error> {
    for folder in ["refs/heads/exp/", layout::ARCHIVE] {
        let refs = context.repo.list_refs(folder)?;
        if refs.iter().any(|(name, _)| name[folder.len()..].eq_ignore_ascii_case(id.as_str())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the worktree of an experiment, with the ignored files that its runs need.
pub fn make_worktree(
    context: &mut Context,
    top: &Path,
    id: &ExperimentId,
    topic: Option<&TopicName>,
) -> Result<PathBuf, Error> {
    context.repo.exclude_locally(init::WORKTREES)?;
    let path = top.join(layout::worktree_folder(id));
    context.repo.add_worktree_of(&path, &layout::experiment_branch(id))?;
    let settings = context.settings_for(topic, &context.repo.clone())?;
    for problem in bring_along(context, &settings, top, &path)? {
        context.output.say(&problem);
    }
    Ok(path)
}

/// Links and copies the ignored files that `exp.toml` says a worktree needs; gives what could not be.
pub fn bring_along(
    context: &Context,
    settings: &Settings,
    top: &Path,
    worktree: &Path,
) -> Result<Vec<String>, Error> {
    let mut problems = Vec::new();
    let copies = settings.worktree.copy.iter().map(|pattern| (pattern, false));
    for (pattern, is_link) in settings.worktree.link.iter().map(|pattern| (pattern, true)).chain(copies) {
        for path in recording::entries_matching(top, pattern)? {
            let (from, to) = (top.join(&path), worktree.join(&path));
            if fs::symlink_metadata(&to).is_ok() || path.starts_with(".worktrees") {
                continue;
            }
            if is_link && let Some(path) = path.to_str() {
                // A pattern for a folder, as `venv/`, does not match a link to one.
                context.repo.exclude_locally(&format!("/{path}"))?;
            }
            let made = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| match is_link {
                true => link(&from, &to),
                false => copy(&from, &to),
            });
            if let Err(error) = made {
                problems.push(format!("`{}` could not be brought along: {error}", path.display()));
            }
        }
    }
    Ok(problems)
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        copy(&item.path(), &to.join(item.file_name()))?;
    }
    Ok(())
}

fn tell(
    context: &mut Context,
    id: &ExperimentId,
    entry: EntryId,
    brief: &Brief,
    worktree: Option<&Path>,
    floors: &[NoiseFloor],
    near: &[TriedJson<'_>],
) -> Result<Answer, Error> {
    let missing = brief.missing();
    let planned = brief.planned_trials();
    let branch = layout::experiment_branch(id);
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/new/1",
            "experiment": id.as_str(),
            "entry": entry.to_hex(),
            "branch": branch,
            "worktree": worktree.map(|path| path.display().to_string()),
            "missing": missing.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "tried": near,
            "noise": floors.iter().map(|floor| FloorJson::of(floor, planned)).collect::<Vec<_>>(),
        }))?;
        return Ok(Answer::Yes);
    }
    context.output.line(&format!("registered {id} on the branch `{branch}`"))?;
    if let Some(path) = worktree {
        context.output.line(&format!("its worktree: {}", path.display()))?;
    }
    let plan = noise::plan(floors, planned);
    if plan.is_empty()
        && !brief.accept.is_empty()
        && let Some(baseline) = &brief.baseline
    {
        context.output.line(&format!(
            "how much `{baseline}` varies is not known: git exp noise -e {} -n 3 -- <command>",
            command_line(&[baseline])
        ))?;
    }
    for line in plan {
        context.output.line(&line)?;
    }
    let needed = floors.iter().filter_map(NoiseFloor::trials_needed).max();
    if let Some(needed) = needed.filter(|needed| *needed > planned as usize && *needed <= WORTH_ADVISING) {
        context.output.hint(&format!("git exp brief {id} --trials {needed}"));
    }
    if missing.is_empty() {
        let place = match worktree {
            Some(path) => format!("cd {} && ", path.display()),
            None => format!("git switch {branch} && "),
        };
        context.output.hint(&format!(
            "{place}make your change, commit it, then: git exp run -n {planned} -- <command>"
        ));
    } else {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let options: Vec<&str> = missing.iter().map(|(_, option)| *option).collect();
        context.output.line(&format!("before it can run, its brief lacks: {}", names.join(", ")))?;
        context.output.hint(&format!("git exp brief {id} {}", options.join(" ")));
    }
    Ok(Answer::Yes)
}

fn name(oid: Oid) -> ObjectName {
    oid.to_hex().parse().expect("Git names objects in hex")
}
