//! What can go wrong around a child process, apart from the command's own failures.

use std::io;
use std::path::PathBuf;

/// Why a command could not be supervised or its folder not be used.
///
/// A command that cannot be started is not an error: it is an [`Outcome`](super::Outcome) like any other.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The folder of a run cannot be made, read or written.
    #[error("cannot {attempt} `{}`", path.display())]
    Folder {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The pattern of a metric is no regular expression.
    #[error("cannot read the pattern of the metric `{metric}`")]
    Pattern {
        /// The metric.
        metric: String,
        /// What is wrong with it.
        source: Box<regex::Error>,
    },
    /// The pattern of a metric has no group that could hold the value.
    #[error("the pattern of the metric `{metric}` has no group: `{pattern}`")]
    NoGroup {
        /// The metric.
        metric: String,
        /// Its pattern.
        pattern: String,
    },
    /// A pattern of what is secret is no regular expression.
    #[error("cannot read the pattern `{pattern}` in `capture.redact`")]
    Redaction {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: Box<regex::Error>,
    },
    /// Signals, pipes or the child's state could not be watched.
    #[error("cannot {attempt}")]
    Supervise {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Stored series are not what this version writes.
    #[error("cannot read line {line} of the stored series")]
    Series {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl RunnerError {
    /// The next step for a person, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Pattern { .. } => {
                Some("write it as a regular expression in quotes, as `match = '^loss: (\\S+)'`")
            }
            Self::NoGroup { .. } => Some("put the number in parentheses, as `match = '^loss: (\\S+)'`"),
            Self::Redaction { .. } => Some("write it as a regular expression in quotes"),
            Self::Folder { .. } | Self::Supervise { .. } | Self::Series { .. } => None,
        }
    }
}
