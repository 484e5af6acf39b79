//! `[command]`: any program, measured as a whole.

use serde::{Deserialize, Serialize};

/// A program that is started anew for each call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
}

impl Command {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.argv.first() {
            Some(program) if !program.is_empty() => Ok(()),
            _ => Err("`argv` names no program; write it as `argv = [\"python\", \"step.py\"]`".to_owned()),
        }
    }
}
