//! What can go wrong with Git.

use std::io;
use std::path::PathBuf;

use super::object::Oid;

/// Why something could not be done with Git.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository.
    #[error("there is no Git repository in `{}` or above it", .0.display())]
    NoRepository(PathBuf),
    /// The repository cannot be opened.
    #[error("cannot open the Git repository of `{}`", path.display())]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it cannot be opened.
        source: BoxedError,
    },
    /// The repository belongs to somebody else.
    #[error("the repository `{}` belongs to another user", .0.display())]
    NotOurs(PathBuf),
    /// The repository keeps its refs in a form that is not supported.
    #[error("the repository format `{0}` is not supported")]
    Format(&'static str),
    /// An object is not in the repository.
    #[error("the object {0} is not in this repository")]
    Missing(Oid),
    /// An object is not of the kind it should be, or cannot be read.
    #[error("cannot read the {wanted} {oid}")]
    Object {
        /// The object.
        oid: Oid,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong.
        source: BoxedError,
    },
    /// An object cannot be written.
    #[error("cannot write to the object store")]
    Write(#[source] BoxedError),
    /// A tree would hold a name that Git refuses.
    #[error("a Git tree cannot hold the name `{0}`")]
    Name(String),
    /// A ref is not what it was expected to be, because another process moved it.
    #[error("`{0}` was moved by another process")]
    Moved(String),
    /// A ref cannot be read or written.
    #[error("cannot {action} `{name}`")]
    Reference {
        /// What was attempted.
        action: &'static str,
        /// The ref, or the folder of refs.
        name: String,
        /// What is wrong.
        source: BoxedError,
    },
    /// A ref's place is taken by another ref.
    #[error("cannot create `{name}`, because `{blocking}` exists")]
    Blocked {
        /// The ref that was to be created.
        name: String,
        /// The ref that is in its place.
        blocking: String,
    },
    /// A lock file stands in the way.
    #[error("`{}` is locked", lock.with_extension("").display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// A revision cannot be understood.
    #[error("`{0}` names no revision")]
    Revision(String),
    /// The worktree's state cannot be told.
    #[error("cannot tell the state of the worktree")]
    Status(#[source] BoxedError),
    /// The `git` program failed.
    #[error("`git {command}` failed")]
    Program {
        /// Its arguments.
        command: String,
        /// What it said.
        source: BoxedError,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Any error, for one that has no type of ours.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Whether a command of Git's goes to another place.
fn talks_to_a_remote(command: &str) -> bool {
    let words = ["ls-remote", "fetch", "push"];
    command.split(' ').next().is_some_and(|first| words.contains(&first))
}

impl GitError {
    /// The next step, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRepository(_) => Some("`git init` makes one; `git exp` keeps everything in it".to_owned()),
            Self::NotOurs(path) => Some(format!(
                "if you trust it: git config --global --add safe.directory '{}'",
                path.display()
            )),
            Self::Format("reftable") => {
                Some("`git refs migrate --ref-format=files` turns it into one that is".to_owned())
            }
            Self::Missing(_) => Some(
                "it may not have been fetched (`git fetch --unshallow`, `git exp pull --data`), or `git exp fsck` finds it"
                    .to_owned(),
            ),
            Self::Blocked { blocking, .. } => {
                Some(match blocking.strip_prefix("refs/heads/") {
                    Some(branch) => format!("rename the branch: git branch -m {branch} {branch}-old"),
                    None => format!("if you no longer need it: git update-ref -d {blocking}"),
                })
            }
            Self::Locked { lock } => Some(format!(
                "another Git process is at it; if none is, one died: rm '{}'",
                lock.display()
            )),
            Self::Program { source, .. }
                if source.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) =>
            {
                Some("install Git, and put it on the PATH".to_owned())
            }
            _ if self.is_full() => Some("the disk is full; nothing that was recorded before is lost".to_owned()),
            Self::Program { command, .. } if talks_to_a_remote(command) => Some(
                "what is recorded is safe here; is the remote right, and may you get at it? `git remote -v`"
                    .to_owned(),
            ),
            _ if self.is_read_only() => Some("the repository cannot be written to; reading it works".to_owned()),
            _ => None,
        }
    }

    /// Whether what was asked for was wrong, rather than something outside having failed.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoRepository(_)
                | Self::NotOurs(_)
                | Self::Format(_)
                | Self::Revision(_)
                | Self::Blocked { .. }
                | Self::Name(_)
        )
    }

    /// Whether an object is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    /// Whether another process was first.
    pub fn is_moved(&self) -> bool {
        matches!(self, Self::Moved(_))
    }

    /// Whether there is no room left on the disk, or in the user's share of it.
    pub fn is_full(&self) -> bool {
        self.has_io_kind(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded])
            || self.program_said(&["No space left on device", "Disk quota exceeded"])
    }

    /// Whether nothing may be written there.
    pub fn is_read_only(&self) -> bool {
        self.has_io_kind(&[io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied])
            || self.program_said(&["Read-only file system", "Permission denied"])
    }

    /// Whether the operating system gave one of these reasons, however far behind.
    pub(super) fn has_io_kind(&self, kinds: &[io::ErrorKind]) -> bool {
        let is_one = |error: &io::Error| {
            kinds.contains(&error.kind())
                || error.get_ref().is_some_and(|inner| {
                    inner.downcast_ref::<io::Error>().is_some_and(|inner| kinds.contains(&inner.kind()))
                })
        };
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            let found = error.downcast_ref::<io::Error>().is_some_and(is_one)
                // gix keeps a tree of errors rather than a chain.
                || error.downcast_ref::<gix::Error>().is_some_and(|tree| {
                    tree.iter_errors().any(|error| error.downcast_ref::<io::Error>().is_some_and(is_one))
                });
            if found {
                return true;
            }
            next = error.source();
        }
        false
    }

    /// Whether the `git` program failed and said any of this.
    pub(super) fn program_said(&self, words: &[&str]) -> bool {
        let Self::Program { source, .. } = self else { return false };
        let said = source.to_string();
        words.iter().any(|words| said.contains(words))
    }
}

/// Gives an I/O error the name of its file.
pub(super) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> GitError {
    let path = path.into();
    move |source| GitError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::super::{Expected, ObjectKind, RefEdit};
    use super::*;

    #[test]
    fn a_full_disk_and_a_read_only_one_are_told_from_the_rest() {
        let of = |kind: io::ErrorKind| file_error("write", "x")(kind.into());
        assert!(of(io::ErrorKind::StorageFull).is_full());
        assert!(of(io::ErrorKind::ReadOnlyFilesystem).is_read_only());
        assert!(!of(io::ErrorKind::NotFound).is_full() && !of(io::ErrorKind::NotFound).is_read_only());
        let said = |text: &str| GitError::Program { command: "x".to_owned(), source: text.into() };
        assert!(said("fatal: write error: No space left on device").is_full());
        assert!(said("error: Read-only file system").is_read_only());
        assert!(said("x").hint().is_none());
    }

    #[test]
    fn what_the_operating_system_refuses_is_found_behind_the_words_of_gix() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let commit = lab.oid("HEAD");
        let path = lab.top().join(".git");
        std::fs::remove_dir_all(path.join("objects")).unwrap();
        let error = repo.write_object(ObjectKind::Blob, b"x").unwrap_err();
        assert!(error.has_io_kind(&[io::ErrorKind::NotFound]), "{error:?}");
        std::fs::remove_dir_all(path.join("refs")).unwrap();
        std::fs::write(path.join("refs"), "").unwrap();
        let edit = RefEdit { name: "refs/exp/x".to_owned(), expected: Expected::Any, new: Some(commit) };
        let error = repo.update_refs(&[edit], "test").unwrap_err();
        assert!(
            error.has_io_kind(&[io::ErrorKind::NotADirectory, io::ErrorKind::AlreadyExists]),
            "{error:?}"
        );
    }
}
