//! Workloads of `git exp bench`: what is measured, on what, and how well. Pure; nothing here runs anything.
//!
//! | file | holds |
//! | --- | --- |
//! | `read` | the text of a workload, `--set`, and what is said where they are wrong |
//! | `preset` | the workloads that come with the program |
//! | `request` | what the harness is asked to do |
//! | `setting`, `measure` | the sections that every workload has |
//! | `op`, `torchscript`, `command`, `transformer` | one kind of workload each |
//!
//! A new kind is a file here with its section, a variant of [`Task`], and a file in the harness that builds what is called.

pub mod command;
pub mod measure;
pub mod op;
pub mod preset;
mod read;
pub mod request;
pub mod setting;
mod shape;
pub mod torchscript;
pub mod transformer;

use serde::Serialize;

pub use read::{Change, WorkloadError, read};
pub use shape::Shape;

use command::Command;
use measure::Measure;
use op::OpTask;
use setting::Setting;
use torchscript::TorchScript;
use transformer::Transformer;

/// What is called and timed: the section that names the kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One operation of libtorch.
    Op(OpTask),
    /// A user's module.
    #[serde(rename = "torchscript")]
    TorchScript(TorchScript),
    /// Any program.
    Command(Command),
    /// A decoder-only transformer.
    Transformer(Transformer),
}

impl Task {
    /// The names of the kinds, as sections are called.
    pub const KINDS: [&'static str; 4] = ["op", "torchscript", "command", "transformer"];

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Op(_) => "op",
            Self::TorchScript(_) => "torchscript",
            Self::Command(_) => "command",
            Self::Transformer(_) => "transformer",
        }
    }

    /// What is computed, as `forward`; the kind decides which words there are.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Op(task) => task.pass.word(),
            Self::TorchScript(task) => task.pass.word(),
            Self::Command(_) => "whole",
            Self::Transformer(task) => task.mode.word(),
        }
    }

    fn read(kind: &str, section: toml::Table) -> Result<Self, String> {
        Ok(match kind {
            "op" => Self::Op(read::op(section)?),
            "torchscript" => Self::TorchScript(read::section(section)?),
            "transformer" => Self::Transformer(read::section(section)?),
            _ => Self::Command(read::section(section)?),
        })
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Op(task) => task.check(),
            Self::TorchScript(task) => task.check(),
            Self::Command(task) => task.check(),
            Self::Transformer(task) => task.check(),
        }
    }
}

/// A workload with every key resolved: what a run records, and what the harness is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// What it is for, in a sentence.
    pub description: String,
    /// What is called and timed.
    #[serde(flatten)]
    pub task: Task,
    /// Where, and with which numbers.
    pub setting: Setting,
    /// How long and how well.
    pub measure: Measure,
}

impl Workload {
    /// The workload as TOML, every key written out; reads back as the same workload.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a workload is a table of plain values")
    }
}
