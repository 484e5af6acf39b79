//! `git exp archive`
#![expect(clippy::disallowed_methods, reason = "tells where paths really lead")]

use std::path::Path;

use clap::Args;

use super::{Answer, code_state, new, recording, selection};
use crate::context::Context;
use crate::domain::experiment::Stage;
use crate::domain::id::ExperimentId;
use crate::error::Error;
use crate::git::{Expected, Oid, RefEdit};
use crate::log::layout;

/// Put experiments away: their worktree and branch go, their code and numbers stay
///
/// Uncommitted changes become a commit first. The branch is kept as `refs/exp/archive/<ID>`, out of the way of `git branch`;
/// `--restore` brings it back. What cannot be kept in a commit (ignored files, secrets, files over the size limit) is named,
/// and nothing is removed unless you say so.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp archive A-001
  git exp archive --decided
  git exp archive --restore A-001")]
pub struct Arguments {
    /// The experiments
    #[arg(value_name = "ID", required_unless_present = "decided")]
    experiments: Vec<String>,

    /// All experiments that were accepted or rejected
    #[arg(long, conflicts_with = "experiments")]
    decided: bool,

    /// Bring archived experiments back
    #[arg(long, conflicts_with = "decided")]
    restore: bool,

    /// Let go of files in the worktree that no commit can keep
    #[arg(long)]
    discard_ignored: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let mut chosen: Vec<ExperimentId> = Vec::new();
    if arguments.decided {
        let decided = state.experiments.iter().filter(|it| it.stage() == Some(Stage::Decided));
        for experiment in decided {
            let branch = format!("refs/heads/{}", layout::experiment_branch(&experiment.id));
            if context.repo.read_ref(&branch)?.is_some() {
                chosen.push(experiment.id.clone());
            }
        }
        if chosen.is_empty() {
            context.output.say("no decided experiment has a branch");
        }
    }
    for word in &arguments.experiments {
        chosen.push(selection::experiment(&state, word)?.id.clone());
    }
    for id in chosen {
        if arguments.restore {
            restore(context, &id)?;
        } else {
            archive(context, &id, arguments.discard_ignored)?;
        }
    }
    Ok(Answer::Yes)
}

fn archive(context: &mut Context, id: &ExperimentId, discards: bool) -> Result<(), Error> {
    let branch = format!("refs/heads/{}", layout::experiment_branch(id));
    let place = layout::archive_ref(id);
    let Some(tip) = context.repo.read_ref(&branch)? else {
        return Err(match context.repo.read_ref(&place)? {
            Some(_) => Error::request(format!("`{id}` is archived already"))
                .hint(format!("`git exp archive --restore {id}` brings it back")),
            None => Error::request(format!("`{id}` has no branch to put away")),
        });
    };
    let mut kept = tip;
    let worktree = selection::worktree_of(context, id)?;
    if let Some(path) = &worktree {
        if is_inside(&context.directory, path) {
            return Err(
                Error::request(format!("you are in the worktree of `{id}`")).hint("cd out of it first")
            );
        }
        if context.repo.main_work_dir().is_some_and(|main| is_inside(path, &main) && is_inside(&main, path)) {
            return Err(Error::request(format!(
                "`{}` is checked out in the main worktree",
                layout::experiment_branch(id)
            ))
            .hint("git switch to another branch first"));
        }
        if let Some(commit) = put_into_safety(context, id, path, discards)? {
            kept = commit;
        }
    }
    let keep = RefEdit { name: place.clone(), expected: Expected::Any, new: Some(kept) };
    context.repo.update_refs(&[keep], "git exp archive")?;
    if let Some(path) = &worktree {
        context.repo.remove_worktree(path)?;
    }
    let remove = RefEdit { name: branch, expected: Expected::Is(tip), new: None };
    context.repo.update_refs(&[remove], "git exp archive")?;
    let how = if kept == tip { "" } else { " with its uncommitted changes" };
    tell(context, "archived", id, &place, how)
}

/// Stores what the worktree has beyond its commit; gives the commit that holds it, if there was anything.
fn put_into_safety(
    context: &mut Context,
    id: &ExperimentId,
    path: &Path,
    discards: bool,
) -> Result<Option<Oid>, Error> {
    let repo = context.repo.in_worktree(path)?;
    let settings = context.settings_here()?;
    let redactor = recording::redactor(&settings)?;
    let preserved = code_state::preserve(&repo, &settings, &redactor)?;
    let (commit, mut lost) = match preserved {
        Some((commit, inexact)) => (Some(commit), inexact),
        None => (None, Vec::new()),
    };
    lost.extend(repo.ignored_files()?.iter().map(|path| format!("`{}` is ignored", code_state::shown(path))));
    if !lost.is_empty() && !discards {
        let mut error = Error::request(format!("the worktree of `{id}` holds what no commit can keep"));
        for line in lost.iter().take(10) {
            error = error.because(line);
        }
        return Err(error.hint("copy away what you need, then say `--discard-ignored`"));
    }
    Ok(commit)
}

fn restore(context: &mut Context, id: &ExperimentId) -> Result<(), Error> {
    let place = layout::archive_ref(id);
    let Some(commit) = context.repo.read_ref(&place)? else {
        return Err(Error::request(format!("`{id}` is not archived"))
            .hint("`git exp list --archived` lists those that are"));
    };
    let branch = format!("refs/heads/{}", layout::experiment_branch(id));
    let edit = RefEdit { name: branch.clone(), expected: Expected::Absent, new: Some(commit) };
    context.repo.update_refs(&[edit], "git exp archive --restore")?;
    let remove = RefEdit { name: place, expected: Expected::Is(commit), new: None };
    context.repo.update_refs(&[remove], "git exp archive --restore")?;
    if let Some(top) = context.repo.main_work_dir() {
        new::make_worktree(context, &top, id, None)?;
    }
    tell(context, "restored", id, &branch, "")
}

fn tell(context: &mut Context, done: &str, id: &ExperimentId, place: &str, how: &str) -> Result<(), Error> {
    if context.output.json {
        let view = serde_json::json!({
            "schema": "git-exp/archive/1", "experiment": id.as_str(), "done": done, "ref": place,
        });
        return context.output.object(&view);
    }
    context.output.line(&format!("{done} {id}{how}: {place}"))
}

/// Whether `path` is `folder` or below it, wherever links lead.
fn is_inside(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    real(path).starts_with(real(folder))
}
