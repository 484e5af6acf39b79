//! Smoke tests: the short command that must pass for a code before it really runs.

use std::time::Duration;

use super::id::{EntryId, ExperimentId, ObjectName};

/// What must have passed for a code before it really runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// The smoke command and its arguments; without one, everything may run.
    pub smoke: Option<Vec<String>>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether runs without an experiment need it, too.
    pub scratch: bool,
}

/// What a smoke test shows something for: the same code, by the same command, on the same hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The tree of the code.
    pub tree: &'a ObjectName,
    /// The command and its arguments, secrets redacted.
    pub command: &'a [String],
    /// The digest of the hardware.
    pub hardware: &'a str,
}

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

impl Smoke {
    /// Whether it shows that the code of `key` passed.
    ///
    /// One that passed with a reservation, as for a code that no commit holds exactly, shows nothing for later.
    pub fn shows(&self, key: &Key<'_>) -> bool {
        let own = Key { tree: &self.tree, command: &self.command, hardware: &self.hardware };
        self.passed && self.reason.is_none() && own == *key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_counts_for_the_same_code_command_and_hardware_only() {
        let name = |digit: &str| digit.repeat(40).parse::<ObjectName>().expect("the name is right");
        let command = vec!["make".to_owned(), "smoke".to_owned()];
        let smoke = Smoke {
            experiment: "A-001".parse().expect("the ID is right"),
            registration: None,
            commit: name("c"),
            tree: name("a"),
            command: command.clone(),
            passed: true,
            exit: Some(0),
            wall_seconds: 1.0,
            reason: None,
            hardware: "h".to_owned(),
        };
        let tree = name("a");
        let key = Key { tree: &tree, command: &command, hardware: "h" };
        assert!(smoke.shows(&key));
        let (other_tree, other_command) = (name("b"), vec!["make".to_owned()]);
        assert!(!smoke.shows(&Key { tree: &other_tree, ..key }));
        assert!(!smoke.shows(&Key { command: &other_command, ..key }));
        assert!(!smoke.shows(&Key { hardware: "g", ..key }));
        assert!(!Smoke { passed: false, ..smoke.clone() }.shows(&key));
        assert!(!Smoke { reason: Some("not exactly".to_owned()), ..smoke }.shows(&key));
    }
}
