//! Smoke tests: the short command that must pass for a code before it really runs.

use super::id::{EntryId, ExperimentId, ObjectName};

/// What the smoke command came to for one code.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoke {
    /// The experiment it was run for.
    pub experiment: ExperimentId,
    /// The entry that registered that experiment.
    pub registration: Option<EntryId>,
    /// The commit it ran at.
    pub commit: ObjectName,
    /// That commit's tree: equal trees are equal code.
    pub tree: ObjectName,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Whether it passed.
    pub passed: bool,
    /// Its exit status, if it came to one.
    pub exit: Option<i32>,
    /// How long it took, in seconds.
    pub wall_seconds: f64,
    /// Why it did not pass.
    pub reason: Option<String>,
    /// The digest of the hardware it ran on.
    pub hardware: String,
}
