//! What `git exp` hands to the harness: resolved workloads, as one JSON object on its standard input.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Workload, WorkloadError, read};

/// The schema of a request.
pub const SCHEMA: &str = "git-exp/bench-request/1";

/// What the harness is asked to measure.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The name of the workload.
    pub name: String,
    /// One workload, or the variants that are measured in turn; the first one is the baseline.
    pub variants: Vec<RequestedVariant>,
    /// The command line as it was typed.
    pub command: Vec<String>,
    /// The folder that paths in workloads are relative to.
    pub folder: PathBuf,
    /// Whether to print one object instead of lines.
    pub json: bool,
}

/// A variant of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedVariant {
    /// What it is called in reports.
    pub name: String,
    /// The workload as TOML, every key written out.
    pub workload: String,
}

impl RequestedVariant {
    /// The workload.
    pub fn workload(&self) -> Result<Workload, WorkloadError> {
        read(&self.name, &self.workload, &[])
    }
}
