//! Child processes: how a command is started, watched and ended, and what is captured of it.
//!
//! | file | holds |
//! | --- | --- |
//! | `process` | one command from its start to its end, and what is salvaged of one whose end nobody saw |
//! | `folder` | what a run leaves on disk as it goes |
//! | `interruption`, `terminal`, `passing` | signals to us, the terminal, and our own streams |
//! | `output`, `journal` | streams and reports on their way to disk |
//! | `protocol`, `metrics_file`, `pattern` | the three ways in which a command reports |
//! | `collect` | from points to series to values |
//! | `environment`, `hardware`, `accelerator`, `language` | what it ran on and with |
//! | `machine` | the lock under which one measurement at a time has the machine |
//! | `artifacts` | the files it left |
//! | `harness` | the program that measures workloads through libtorch |
//! | `redact`, `secret_name` | what is secret, and how it is kept out |
#![expect(clippy::disallowed_methods, reason = "an adapter: it starts processes and reads the machine")]

mod accelerator;
mod artifacts;
mod collect;
mod environment;
mod error;
mod folder;
mod hardware;
mod harness;
mod interruption;
mod journal;
mod language;
mod machine;
pub mod metrics_file;
mod output;
mod passing;
mod pattern;
mod process;
pub mod protocol;
mod redact;
mod secret_name;
mod terminal;

pub use accelerator::{AcceleratorProbe, Accelerators, Device, Nvidia, User};
pub use artifacts::{Artifact, ArtifactContent, Artifacts, collect_artifacts, is_binary};
pub use collect::{Collected, Collector, DEFAULT_MAX_POINTS, Latest, Reported, SeriesKey, series_from_bytes};
pub use environment::{
    Environment, EnvironmentOptions, Sight, accelerators_here, accelerators_in_sight, hardware_here,
};
pub use error::RunnerError;
pub use folder::{Folder, ProcessRecord};
pub use harness::{Determinism, HARNESS, HarnessEnd, find_harness, run_harness};
pub use interruption::Interruptions;
pub use language::Python;
pub use machine::MachineLock;
pub use output::{CapturedStream, Stream};
pub use pattern::Patterns;
pub use process::{
    Ended, Event, Job, Limits, Observer, Outcome, Progress, Show, execute, salvage, signal_name,
};
pub use redact::{REDACTED, Redactor, is_secret_path};
