//! What a job of GitHub Actions is told: its summary, its outputs, its annotations.
#![expect(clippy::disallowed_methods, reason = "appends to the files that a job is given")]

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::context::{Context, variable};
use crate::domain::id::hex;
use crate::error::Error;
use crate::render::actions::{Severity, annotation, calm, output, summary};

/// A job of GitHub Actions, as the variables tell of it; outside of one nothing is told to anybody.
pub struct Job {
    is_here: bool,
    summary: Option<PathBuf>,
    output: Option<PathBuf>,
    temporary: Option<PathBuf>,
    /// The pull request that it runs for.
    pub pull_request: Option<u64>,
}

impl Job {
    /// The one that this runs in.
    pub fn here() -> Self {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let number = |text: String| text.strip_prefix("refs/pull/")?.split_once('/')?.0.parse().ok();
        Self {
            is_here: variable("GITHUB_ACTIONS").is_some(),
            summary: path("GITHUB_STEP_SUMMARY"),
            output: path("GITHUB_OUTPUT"),
            temporary: path("RUNNER_TEMP"),
            pull_request: variable("GITHUB_REF").and_then(number),
        }
    }

    /// Adds to the job's summary, which stays below what GitHub takes; whether there is one.
    pub fn summarize(&self, text: &str) -> Result<bool, Error> {
        let Some(path) = &self.summary else { return Ok(false) };
        let used = fs::metadata(path).map_or(0, |data| usize::try_from(data.len()).unwrap_or(usize::MAX));
        let Some(text) = summary(text, used.min(usize::MAX / 2)) else { return Ok(false) };
        append(path, &text)?;
        Ok(true)
    }

    /// Sets outputs of the step.
    pub fn put_out(&self, context: &Context, outputs: &[(&str, &str)]) -> Result<(), Error> {
        let Some(path) = &self.output else { return Ok(()) };
        // Nobody can guess it, so no value can end its place.
        let delimiter = format!("git-exp-{}", hex(&context.nonce()?.0));
        append(path, &outputs.iter().map(|(name, value)| output(name, value, &delimiter)).collect::<String>())
    }

    /// Annotates the job.
    pub fn annotate(&self, context: &mut Context, severity: Severity, title: &str, text: &str) {
        if self.is_here {
            context.output.command(&annotation(severity, title, text));
        }
    }

    /// A text to be printed, in which no line is a command to the job.
    pub fn calmed<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_here { calm(text).into() } else { text.into() }
    }

    /// Where the job keeps a file of this name until it ends.
    pub fn temporary(&self, name: &str) -> Option<PathBuf> {
        self.temporary.as_ref().map(|folder| folder.join(name))
    }
}

fn append(path: &Path, text: &str) -> Result<(), Error> {
    let appended = OpenOptions::new().create(true).append(true).open(path);
    appended.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(path, error))
}

/// Writes a file that somebody asked for.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::outside(format!("cannot write `{}`", path.display())).because(error)
}
