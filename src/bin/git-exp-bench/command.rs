//! `[command]`: starts a program and waits for its end.

use std::process::{Command, Stdio};

use wait4::Wait4 as _;

use git_exp::error::Error;
use git_exp::workload::command;

use crate::failure::Failure;
use crate::machine;
use crate::subject::{Entry, Subject};

/// A program that is started anew for each call.
pub struct Program {
    argv: Vec<String>,
    /// The most that any of its processes had, in bytes.
    peak_memory: Option<u64>,
}

impl Program {
    /// The program of a workload.
    pub fn new(task: &command::Command) -> Self {
        Self { argv: task.argv.clone(), peak_memory: None }
    }
}

impl Subject for Program {
    fn call(&mut self) -> Result<(), Failure> {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().map_err(|error| {
            let error = Error::request(format!("cannot start `{}`", self.argv[0])).because(error);
            Failure::Request(error.hint("`argv` names the program and its arguments"))
        })?;
        let wait4::ResUse { status, rusage } = child.wait4()?;
        // Before it became the program it was a copy of the harness, which Linux counts: what is not more is not known.
        let known = machine::peak_process_memory().is_none_or(|own| rusage.maxrss > own);
        self.peak_memory = self.peak_memory.max(known.then_some(rusage.maxrss));
        if status.success() {
            return Ok(());
        }
        Err(Failure::failed(
            format!("`{}` failed: {status}", self.argv.join(" ")),
            "run it by hand: a program that fails is not measured",
        ))
    }

    fn entries(&self) -> Vec<Entry> {
        Vec::new()
    }

    fn peak_memory(&self) -> Option<u64> {
        self.peak_memory
    }

    fn is_in_process(&self) -> bool {
        false
    }
}
