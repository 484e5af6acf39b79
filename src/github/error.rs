//! What goes wrong between here and GitHub.

use std::time::Duration;

/// Why GitHub did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// It said no.
    #[error("GitHub refused to {what}: {status}{}", said(message))]
    Refused {
        /// What was asked, as `GET /repos/octo/moe/issues/1`.
        what: String,
        /// The status.
        status: u16,
        /// What it said.
        message: String,
        /// What the token may do, where GitHub says so.
        scopes: Option<String>,
        /// What it would have to be allowed, where GitHub says so.
        needed: Option<String>,
    },
    /// It failed, or the way there did, so that it is not known whether what was asked was done.
    #[error("GitHub gave no answer to {what}: {problem}")]
    Uncertain {
        /// What was asked.
        what: String,
        /// What went wrong.
        problem: String,
    },
    /// It asks to wait for longer than there is time.
    #[error("GitHub asks to wait {} s for its rate limit, and {} s are left", seconds(*pause), seconds(*left))]
    Limited {
        /// How long it asks to wait.
        pause: Duration,
        /// How long there is.
        left: Duration,
    },
    /// There is no time left.
    #[error("GitHub took longer than {} s in all", seconds(*limit))]
    Late {
        /// How long there was.
        limit: Duration,
    },
    /// It answered something else than it promises.
    #[error("GitHub's answer to {what} cannot be read: {problem}")]
    Unreadable {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else posts there at this time.
    #[error("somebody else is posting there ({holder}), and all may take {} s", seconds(*limit))]
    Claimed {
        /// Who.
        holder: String,
        /// How long there was.
        limit: Duration,
    },
    /// What was claimed may be somebody else's by now.
    #[error("it took so long that somebody else may be posting there by now")]
    Lapsed,
    /// The way there cannot be set up.
    #[error("cannot set up the way to GitHub: {0}")]
    Setup(String),
}

impl GitHubError {
    /// Whether what was asked may have been done all the same.
    pub fn is_uncertain(&self) -> bool {
        // An answer that cannot be read is one all the same: what was created is looked for.
        matches!(self, Self::Uncertain { .. } | Self::Unreadable { .. })
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let again = "run it again: what was posted is found, and nothing is posted twice";
        Some(match self {
            Self::Refused { status: 401, .. } => {
                "the token is wrong or expired: give another in `GH_TOKEN`, or `gh auth login`".to_owned()
            }
            Self::Refused { status: 301 | 302 | 307 | 308, .. } => {
                "GitHub has it elsewhere: was the issue transferred, or the repository renamed or moved? \
                 nothing was posted; say where it is: git config exp.github owner/name"
                    .to_owned()
            }
            Self::Refused { status: 403, message, .. } if message.to_lowercase().contains("locked") => {
                "unlock the conversation on GitHub, or let somebody post who may write to the repository"
                    .to_owned()
            }
            Self::Refused { status: 403 | 404, scopes, needed, .. } => {
                permissions(scopes.as_deref(), needed.as_deref())
            }
            Self::Refused { status: 410, .. } => {
                "the issue was deleted, or issues are turned off in the repository's settings".to_owned()
            }
            Self::Refused { status: 422, .. } => "see what it would not take with `--dry-run`".to_owned(),
            Self::Refused { .. } | Self::Unreadable { .. } => return None,
            Self::Limited { .. } | Self::Late { .. } | Self::Claimed { .. } => {
                format!("{again}; wait longer with: git config exp.githubDeadline <seconds>")
            }
            Self::Uncertain { .. } | Self::Lapsed => again.to_owned(),
            Self::Setup(_) => {
                "see the part on proxies and certificates in docs/reference/github.md".to_owned()
            }
        })
    }
}

/// What the token would have to be allowed.
fn permissions(scopes: Option<&str>, needed: Option<&str>) -> String {
    let needed =
        needed.filter(|it| !it.is_empty()).unwrap_or("issues: write (of a classic token the scope `repo`)");
    let has = match scopes {
        Some("") => ", and it has none".to_owned(),
        Some(scopes) => format!(", and it has {scopes}"),
        None => String::new(),
    };
    format!("is the repository named right? the token needs {needed}{has}")
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(", {message}") }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
