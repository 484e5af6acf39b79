//! Where a run takes place: its experiment, and the worktree and folder it runs in.

use std::path::{Path, PathBuf};

use super::selection;
use crate::context::Context;
use crate::domain::entry::Registration;
use crate::domain::id::ExperimentId;
use crate::domain::run::Membership;
use crate::domain::state::ExperimentState;
use crate::error::Error;
use crate::git::Repo;
use crate::log::layout;

/// Where a run takes place.
#[derive(Clone)]
pub struct Place {
    /// The repository as seen from the worktree that the command runs in.
    pub repo: Repo,
    /// The folder that the command runs in.
    pub directory: PathBuf,
    /// The experiment that the run belongs to.
    pub membership: Membership,
    /// The experiment as it was registered; absent for a day's scratch.
    pub registration: Option<Registration>,
}

impl Place {
    /// Finds the experiment of a run: the one that is `asked` for, else that of the branch, else the day's scratch.
    pub fn find(context: &mut Context, asked: Option<&str>) -> Result<Self, Error> {
        let top = context.worktree()?.to_path_buf();
        let branch = context.repo.head()?.branch;
        let of_branch = selection::experiment_of_branch(branch.as_deref());
        if asked.is_none() && of_branch.is_none() {
            return Ok(Self::scratch(context));
        }
        let mut index = context.log.index()?;
        let state = context.log.state(&mut index)?;
        let experiment = match (asked, &of_branch) {
            (Some(word), _) => selection::experiment(&state, word)?,
            (None, Some(id)) => match state.of_branch(id, &context.log.own_writers()?) {
                Some(experiment) => experiment,
                // None of several is this clone's: say so rather than guess.
                None if !state.find(id.as_str()).is_empty() => selection::experiment(&state, id.as_str())?,
                None => {
                    context.output.say(&format!(
                        "the branch `exp/{id}` belongs to no registered experiment; recording under the day's scratch"
                    ));
                    return Ok(Self::scratch(context));
                }
            },
            (None, None) => unreachable!("a scratch run was dealt with"),
        };
        let Some(registered) = &experiment.registered else {
            let today = ExperimentId::scratch(context.now().to_zoned(context.zone.clone()).date());
            if experiment.id == today {
                return Ok(Self::scratch(context));
            }
            if !experiment.id.is_scratch() {
                return Err(Error::request(format!("`{}` has no brief", experiment.id))
                    .because("its registration was withdrawn, or did not come here yet")
                    .hint("`git exp log --kind withdrawal` says what was withdrawn; `git exp new` registers anew"));
            }
            return Err(Error::request(format!("`{}` is the scratch of another day", experiment.id))
                .hint("leave `-e` out to record under today's scratch"));
        };
        refuse_incomplete(experiment, &registered.current)?;
        let membership = Membership {
            experiment: experiment.id.clone(),
            registration: Some(registered.entry),
            brief: Some(registered.current_entry),
        };
        let registration = Some(registered.current.clone());
        let is_own = experiment.has_branch_of(&context.log.own_writers()?);
        let is_here = of_branch.as_ref() == Some(&experiment.id) && is_own;
        let (repo, directory) = if is_here {
            (context.repo.clone(), context.directory.clone())
        } else {
            elsewhere(context, &top, experiment)?
        };
        Ok(Self { repo, directory, membership, registration })
    }

    /// Where one is, under the day's scratch.
    pub fn scratch(context: &Context) -> Self {
        let today = context.now().to_zoned(context.zone.clone()).date();
        let membership =
            Membership { experiment: ExperimentId::scratch(today), registration: None, brief: None };
        Self {
            repo: context.repo.clone(),
            directory: context.directory.clone(),
            membership,
            registration: None,
        }
    }
}

fn refuse_incomplete(experiment: &ExperimentState, registration: &Registration) -> Result<(), Error> {
    let missing = registration.brief.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let options: Vec<&str> = missing.iter().map(|(_, option)| *option).collect();
    Err(Error::request(format!("cannot run `{}`, because its brief is not complete", experiment.name()))
        .because(format!("it lacks: {}", names.join(", ")))
        .hint(format!("git exp brief {} {}", experiment.name(), options.join(" "))))
}

/// The experiment's worktree, and the folder in it that answers to the one the command was started in.
fn elsewhere(context: &Context, top: &Path, experiment: &ExperimentState) -> Result<(Repo, PathBuf), Error> {
    let id = &experiment.id;
    selection::refuse_anothers_branch(context, experiment)?;
    let Some(worktree) = selection::worktree_of(context, id)? else {
        let branch = layout::experiment_branch(id);
        if context.repo.read_ref(&layout::archive_ref(id))?.is_some() {
            return Err(Error::request(format!("`{id}` is archived"))
                .hint(format!("`git exp archive --restore {id}` brings it back")));
        }
        return Err(Error::request(format!("the branch `{branch}` is checked out nowhere"))
            .hint(format!("git worktree add {} {branch}", layout::worktree_folder(id))));
    };
    let repo = context.repo.in_worktree(&worktree)?;
    let subfolder = context.directory.strip_prefix(top).unwrap_or(Path::new(""));
    let directory = worktree.join(subfolder);
    if !directory.is_dir() {
        return Err(Error::request(format!(
            "there is no folder `{}` in the worktree of `{id}`",
            subfolder.display()
        ))
        .hint("start the command from the top of the repository"));
    }
    Ok((repo, directory))
}
