//! Overrides: a rule that a person with the role set aside, for some paths, once.

use super::id::{EntryId, ExperimentId, ObjectName, TopicName};

/// A rule that a person with the role set aside for some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOverride {
    /// The rule's name, as `frozen`.
    pub rule: String,
    /// The paths it is set aside for, as patterns.
    pub paths: Vec<String>,
    /// The commit it was given for.
    pub commit: Option<ObjectName>,
    /// The experiment it was given for.
    pub experiment: Option<ExperimentId>,
    /// The entry that registered that experiment.
    pub registration: Option<EntryId>,
    /// The topic it was given for, where it is for no single experiment.
    pub topic: Option<TopicName>,
    /// Why.
    pub because: String,
}
