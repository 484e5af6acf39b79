//! What a command answers when it cannot do what it was asked: one line, its causes, and the next step.

use std::fmt::{self, Write as _};

use crate::config::ConfigError;
use crate::domain::id::IdError;
use crate::git::GitError;
use crate::log::{IndexError, LogError};
use crate::runner::RunnerError;

/// Whose fault it is, which decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was to be measured: it was started, and failed. Exit status 1.
    Measured,
    /// The request: usage, configuration, bad input. Exit status 2.
    Request,
    /// Something outside: Git, disk, network. Exit status 3.
    Outside,
    /// Nobody's: the answer cannot be told. Exit status 4.
    Unknown,
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug)]
pub struct Error {
    /// Whose fault it is.
    pub fault: Fault,
    /// What was attempted, in lower case and without a period.
    pub message: String,
    /// Why, from near to far.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Error {
    /// The request is wrong.
    pub fn request(message: impl Into<String>) -> Self {
        Self { fault: Fault::Request, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Something outside failed.
    pub fn outside(message: impl Into<String>) -> Self {
        Self { fault: Fault::Outside, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// What was to be measured failed.
    pub fn measured(message: impl Into<String>) -> Self {
        Self { fault: Fault::Measured, ..Self::outside(message) }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds an error and what lies behind it as causes.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        self.causes.extend(chain(error));
        self
    }

    /// The exit status that says so.
    pub fn exit_status(&self) -> u8 {
        match self.fault {
            Fault::Measured => 1,
            Fault::Request => 2,
            Fault::Outside => 3,
            Fault::Unknown => 4,
        }
    }

    /// The text on standard error.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        for cause in &self.causes {
            let indented = cause.replace('\n', "\n    ");
            let _ = writeln!(text, "  caused by: {indented}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }
}

/// What `error` says and what lies behind it, leaving out what only repeats the line before.
fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if causes.last().is_none_or(|last| !last.contains(&text)) {
            causes.push(text);
        }
        next = error.source();
    }
    causes
}

fn from_error(error: &dyn std::error::Error, is_request: bool, hint: Option<String>) -> Error {
    let mut lines = chain(error);
    let message = lines.remove(0);
    let fault = if is_request { Fault::Request } else { Fault::Outside };
    Error { fault, message, causes: lines, hint }
}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        from_error(&error, error.is_usage(), error.hint())
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        from_error(&error, error.is_usage(), error.hint())
    }
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        LogError::from(error).into()
    }
}

impl From<RunnerError> for Error {
    fn from(error: RunnerError) -> Self {
        let hint = error.hint().map(ToOwned::to_owned);
        from_error(&error, false, hint)
    }
}

impl From<IdError> for Error {
    fn from(error: IdError) -> Self {
        from_error(&error, true, None)
    }
}

/// Writing the answer failed, as on a full disk.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::outside("cannot write the answer").because(error)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint().map(ToOwned::to_owned);
        from_error(&error, true, hint)
    }
}
