//! `git exp archive`
#![expect(clippy::disallowed_methods, reason = "looks at what a worktree holds")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Answer, code_state, new, recording, selection};
use crate::context::Context;
use crate::domain::experiment::Stage;
use crate::domain::id::ExperimentId;
use crate::error::Error;
use crate::git::{Expected, Oid, PathBytes, RefEdit, Repo};
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
            let is_own = experiment.has_branch_of(&context.log.own_writers()?);
            if is_own && context.repo.read_ref(&branch)?.is_some() {
                chosen.push(experiment.id.clone());
            }
        }
        if chosen.is_empty() {
            context.output.say("no decided experiment has a branch");
        }
    }
    for word in &arguments.experiments {
        let experiment = selection::experiment(&state, word)?;
        selection::refuse_anothers_branch(context, experiment)?;
        chosen.push(experiment.id.clone());
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

/// An experiment that can be put away without a loss.
pub struct Parting {
    id: ExperimentId,
    branch: String,
    tip: Oid,
    /// What is kept: the branch's commit, or one on top of it with what was not committed.
    kept: Oid,
    /// The worktree that goes.
    pub worktree: Option<PathBuf>,
}

/// Whether an experiment can be put away.
pub enum Readiness {
    /// It can.
    Ready(Parting),
    /// Its branch is checked out in the main worktree, which stays.
    InMainWorktree,
    /// It has no branch.
    NoBranch,
}

/// Finds out whether an experiment can be put away; nothing that anybody sees is changed yet.
pub fn prepare(context: &mut Context, id: &ExperimentId, discards: bool) -> Result<Readiness, Error> {
    let branch = format!("refs/heads/{}", layout::experiment_branch(id));
    let Some(tip) = context.repo.read_ref(&branch)? else { return Ok(Readiness::NoBranch) };
    let mut kept = tip;
    let worktree = selection::worktree_of(context, id)?;
    if let Some(path) = &worktree {
        if context.repo.main_work_dir().is_some_and(|main| is_inside(path, &main) && is_inside(&main, path)) {
            return Ok(Readiness::InMainWorktree);
        }
        if context.repo.worktrees()?.iter().any(|known| known.path == *path && known.is_locked) {
            return Err(Error::request(format!("the worktree of `{id}` is locked"))
                .hint(format!("git worktree unlock {}", path.display())));
        }
        if let Some(commit) = put_into_safety(context, id, path, discards)? {
            kept = commit;
        }
    }
    Ok(Readiness::Ready(Parting { id: id.clone(), branch, tip, kept, worktree }))
}

/// Puts an experiment away; gives where its code is from now on, and how.
pub fn put_away(context: &Context, parting: &Parting) -> Result<(String, &'static str), Error> {
    let place = layout::archive_ref(&parting.id);
    // The worktree that goes may be the one that the command was started in.
    let outside = context.repo.main_work_dir().unwrap_or_else(|| context.repo.common_dir().to_path_buf());
    let repo = context.repo.in_worktree(&outside)?;
    let keep = RefEdit { name: place.clone(), expected: Expected::Any, new: Some(parting.kept) };
    repo.update_refs(&[keep], "git exp archive")?;
    if let Some(path) = &parting.worktree {
        repo.remove_worktree(path)?;
    }
    let remove = RefEdit { name: parting.branch.clone(), expected: Expected::Is(parting.tip), new: None };
    repo.update_refs(&[remove], "git exp archive")?;
    let how = if parting.kept == parting.tip { "" } else { " with its uncommitted changes" };
    Ok((place, how))
}

fn archive(context: &mut Context, id: &ExperimentId, discards: bool) -> Result<(), Error> {
    if selection::worktree_of(context, id)?.is_some_and(|path| is_here(context, &path))
        && !is_main(context, id)?
    {
        return Err(Error::request(format!("you are in the worktree of `{id}`")).hint("cd out of it first"));
    }
    let parting = match prepare(context, id, discards)? {
        Readiness::Ready(parting) => parting,
        Readiness::InMainWorktree => {
            return Err(Error::request(format!(
                "`{}` is checked out in the main worktree",
                layout::experiment_branch(id)
            ))
            .hint("git switch to another branch first"));
        }
        Readiness::NoBranch => {
            return Err(match context.repo.read_ref(&layout::archive_ref(id))? {
                Some(_) => Error::request(format!("`{id}` is archived already"))
                    .hint(format!("`git exp archive --restore {id}` brings it back")),
                None => Error::request(format!("`{id}` has no branch to put away")),
            });
        }
    };
    let (place, how) = put_away(context, &parting)?;
    tell(context, "archived", id, &place, how)
}

/// Whether the command was started in `folder`, or below it.
pub fn is_here(context: &Context, folder: &Path) -> bool {
    is_inside(&context.directory, folder)
}

fn is_main(context: &Context, id: &ExperimentId) -> Result<bool, Error> {
    let (worktree, main) = (selection::worktree_of(context, id)?, context.repo.main_work_dir());
    Ok(worktree.zip(main).is_some_and(|(path, main)| is_inside(&path, &main) && is_inside(&main, &path)))
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
    let placed = Placed::find(context, &repo, path)?;
    let preserved = code_state::preserve(&repo, &settings, &redactor, &placed.unchanged)?;
    let (commit, mut lost) = match preserved {
        Some((commit, inexact)) => (Some(commit), inexact),
        None => (None, Vec::new()),
    };
    let ignored = repo.ignored_files()?;
    let ignored = ignored.iter().filter(|path| !placed.is_whole(path));
    lost.extend(ignored.map(|path| format!("`{}` is ignored", code_state::shown(path))));
    if !lost.is_empty() && !discards {
        let mut error = Error::request(format!("the worktree of `{id}` holds what no commit can keep"));
        for line in lost.iter().take(10) {
            error = error.because(line);
        }
        return Err(error.hint("copy away what you need, then say `--discard-ignored`"));
    }
    Ok(commit)
}

/// The files that came along into a worktree from the main one, and are still as they are there.
struct Placed {
    worktree: PathBuf,
    /// Where they came from.
    top: PathBuf,
    /// Their paths from the top.
    unchanged: HashSet<PathBytes>,
}

impl Placed {
    fn find(context: &Context, repo: &Repo, worktree: &Path) -> Result<Self, Error> {
        let mut placed = Self {
            worktree: worktree.to_path_buf(),
            top: context.repo.main_work_dir().unwrap_or_default(),
            unchanged: HashSet::new(),
        };
        if placed.top.as_os_str().is_empty() {
            return Ok(placed);
        }
        let main = context.repo.in_worktree(&placed.top)?;
        for settings in [context.settings_for(None, &main)?, context.settings_for(None, repo)?] {
            for pattern in settings.worktree.link.iter().chain(&settings.worktree.copy) {
                for path in recording::entries_matching(&placed.top, pattern)? {
                    placed.take(&path);
                }
            }
        }
        Ok(placed)
    }

    /// Takes in what is unchanged at or below `path`.
    fn take(&mut self, path: &Path) {
        let here = self.worktree.join(path);
        if is_folder(&here) {
            for item in children(&here) {
                self.take(&path.join(item));
            }
        } else if self.is_unchanged(path) {
            self.unchanged.insert(path.as_os_str().as_encoded_bytes().to_vec());
        }
    }

    fn is_unchanged(&self, path: &Path) -> bool {
        let (here, there) = (self.worktree.join(path), self.top.join(path));
        if let Ok(target) = fs::read_link(&here) {
            return target == there;
        }
        let length = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|it| it.len());
        let is_alike = length(&here).is_some() && length(&here) == length(&there);
        is_alike && fs::read(&here).is_ok_and(|bytes| fs::read(&there).is_ok_and(|known| known == bytes))
    }

    /// Whether everything at or below a path came along and is unchanged.
    fn is_whole(&self, path: &[u8]) -> bool {
        !self.unchanged.is_empty() && self.is_whole_below(&code_state::path_of(path))
    }

    fn is_whole_below(&self, path: &Path) -> bool {
        let here = self.worktree.join(path);
        if is_folder(&here) {
            return children(&here).iter().all(|item| self.is_whole_below(&path.join(item)));
        }
        self.unchanged.contains(path.as_os_str().as_encoded_bytes())
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.is_dir())
}

fn children(folder: &Path) -> Vec<OsString> {
    let listing = fs::read_dir(folder).into_iter().flatten();
    listing.filter_map(|item| Some(item.ok()?.file_name())).collect()
}

fn restore(context: &mut Context, id: &ExperimentId) -> Result<(), Error> {
    let place = layout::archive_ref(id);
    let Some(commit) = context.repo.read_ref(&place)? else {
        return Err(Error::request(format!("`{id}` is not archived"))
            .hint("`git exp list --archived` lists those that are"));
    };
    context.log.refuse_withdrawn_code(commit)?;
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
