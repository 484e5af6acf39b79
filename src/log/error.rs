//! What can go wrong with the log.

use std::io;
use std::path::PathBuf;

use crate::git::GitError;

/// Why something could not be done with the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file of this clone's own state could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Nothing has this ID.
    #[error("no entry has an ID that begins with `{0}`")]
    NotFound(String),
    /// Several entries have an ID that begins so.
    #[error("`{prefix}` is short for {} entries", candidates.len())]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// What it is short for: ID and a line about each.
        candidates: Vec<String>,
    },
    /// The repository cannot be written to.
    #[error("a bare repository has no worktree to run in")]
    Bare,
    /// Objects went missing again and again while an entry was appended.
    #[error("objects of the new entry vanish as soon as they are written")]
    Vanishing,
    /// A copy of this clone, or somebody by hand, moved this clone's own log.
    #[error("another process keeps moving `{0}`")]
    Contended(String),
    /// What would begin at this code would hold on to it again.
    #[error("the code of the {what} was withdrawn{}", reason(because))]
    Withdrawn {
        /// Whose code it was.
        what: String,
        /// The withdrawal.
        by: String,
        /// Why it was taken back.
        because: String,
    },
    /// What is to be purged is also held by something that stays.
    #[error("`{name}` would still hold `{what}`")]
    StillHeld {
        /// The ref.
        name: String,
        /// What it holds: a file or an object.
        what: String,
    },
}

impl LogError {
    /// The next step, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.hint(),
            Self::Index(_) => Some("`git exp fsck --repair` builds it anew from the log".to_owned()),
            Self::NotFound(_) => Some("`git exp log` lists the entries".to_owned()),
            Self::Ambiguous { candidates, .. } => {
                Some(format!("give more digits; it may be {}", candidates.join(", ")))
            }
            Self::Vanishing => {
                Some("is a `git gc --prune=now` or `git prune` running? try again when it is done".to_owned())
            }
            Self::StillHeld { .. } => Some(
                "name the entries that have it as well; `git exp purge --dry-run` lists what is shared"
                    .to_owned(),
            ),
            Self::Withdrawn { by, .. } => {
                let by: String = by.chars().take(8).collect();
                Some(format!("`git exp show {by}` says what was taken back; begin at a commit without it"))
            }
            Self::File { .. } | Self::Bare | Self::Contended(_) => None,
        }
    }

    /// Whether what was asked for was wrong, rather than something outside having failed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Git(error) => error.is_usage(),
            Self::NotFound(_)
            | Self::Ambiguous { .. }
            | Self::Bare
            | Self::StillHeld { .. }
            | Self::Withdrawn { .. } => true,
            Self::File { .. } | Self::Index(_) | Self::Vanishing | Self::Contended(_) => false,
        }
    }
}

/// Why the index could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the index")]
pub struct IndexError(#[from] io::Error);

fn reason(because: &str) -> String {
    if because.is_empty() { String::new() } else { format!(": {because}") }
}

/// Gives an I/O error the name of its file.
pub(super) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> LogError {
    let path = path.into();
    move |source| LogError::File { action, path, source }
}
