//! Git: the only code that names gix or starts the `git` program.

mod config;
mod diff;
mod error;
mod maintenance;
mod object;
mod program;
mod reference;
mod snapshot;
mod status;
mod walk;
mod worktree;

use std::path::{Path, PathBuf};

pub use self::config::Identity;
pub use self::diff::FileChange;
pub use self::error::GitError;
pub use self::object::{
    Commit, FILE, FOLDER, NewCommit, ObjectKind, Oid, Signature, TreeEntry, is_tree_name,
};
pub use self::reference::{Expected, Head, RefEdit};
pub use self::status::Changes;
pub use self::walk::Lite;
pub use self::worktree::Worktree;

/// A path as Git has it: bytes, with `/` between folders, relative to the top of the worktree.
pub type PathBytes = Vec<u8>;

/// A repository, as seen from one of its worktrees.
#[derive(Clone)]
pub struct Repo {
    inner: gix::Repository,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repo").field(&self.git_dir()).finish()
    }
}

impl Repo {
    /// Finds the repository that holds `start`, as Git does: by `GIT_DIR`, else upwards from there.
    ///
    /// Replace refs and grafts are ignored: what was recorded is read as it was written.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        let options = || {
            gix::open::Options::default()
                .config_overrides([
                    "core.useReplaceRefs=false",
                    "gitoxide.objects.noReplace=true",
                    "gitoxide.core.refsNamespace=",
                ])
                .bail_if_untrusted(true)
        };
        let trust = gix::sec::trust::Mapping { full: options(), reduced: options() };
        let discovery = gix::discover::upwards::Options {
            // As Git does: a limit above which the folder is not must not be an error.
            match_ceiling_dir_or_error: false,
            ..Default::default()
        };
        let found =
            gix::ThreadSafeRepository::discover_with_environment_overrides_opts(start, discovery, trust);
        let inner = match found {
            Ok(repository) => repository.to_thread_local(),
            Err(error) => return Err(cannot_open(start, error)),
        };
        let storage = inner.config_snapshot().string("extensions.refStorage").map(|value| value.to_string());
        if storage.is_some_and(|storage| storage.eq_ignore_ascii_case("reftable")) {
            return Err(GitError::Format("reftable"));
        }
        Ok(Self { inner })
    }

    /// The Git folder of this worktree.
    pub fn git_dir(&self) -> &Path {
        self.inner.git_dir()
    }

    /// The Git folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        self.inner.common_dir()
    }

    /// The top of the worktree; `None` in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.inner.workdir()
    }

    /// The top of the main worktree, as seen from any of them; `None` where the repository is bare.
    pub fn main_work_dir(&self) -> Option<PathBuf> {
        let common = std::fs::canonicalize(self.common_dir()).ok()?;
        if self.config_bool("core.bare").unwrap_or(false) {
            return None;
        }
        match self.config_string("core.worktree") {
            Some(top) => Some(common.join(top)),
            None => common.parent().map(Path::to_path_buf),
        }
    }

    /// Whether there is no worktree.
    pub fn is_bare(&self) -> bool {
        self.inner.workdir().is_none()
    }

    /// Whether history ends early.
    pub fn is_shallow(&self) -> bool {
        self.inner.is_shallow().unwrap_or(false)
    }

    /// The tree without rows.
    pub fn empty_tree(&self) -> Oid {
        Oid(self.inner.object_hash().empty_tree())
    }
}

fn cannot_open(start: &Path, error: gix::Error) -> GitError {
    let text = format!("{error:#}");
    let debug = format!("{error:?}");
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words) || debug.contains(words));
    if says(&["reftable"]) {
        return GitError::Format("reftable");
    }
    if says(&["trusted", "not owned", "unsafe repository", "dubious"]) {
        return GitError::NotOurs(start.to_path_buf());
    }
    if says(&[
        "Could not find a git repository",
        "No git repository",
        "NoGitRepository",
        "not find a git repository",
    ]) {
        return GitError::NoRepository(start.to_path_buf());
    }
    GitError::Open { path: start.to_path_buf(), source: error.into() }
}
