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
                let name = blocking.strip_prefix("refs/heads/").unwrap_or(blocking);
                Some(format!("rename the branch: git branch -m {name} {name}-old"))
            }
            _ if self.is_full() => Some("the disk is full; nothing that was recorded before is lost".to_owned()),
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

    fn is_full(&self) -> bool {
        has_io_kind(self, &[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded])
    }

    fn is_read_only(&self) -> bool {
        has_io_kind(self, &[io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied])
    }
}

fn has_io_kind(error: &GitError, kinds: &[io::ErrorKind]) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind())) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Gives an I/O error the name of its file.
pub(super) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> GitError {
    let path = path.into();
    move |source| GitError::File { action, path, source }
}
