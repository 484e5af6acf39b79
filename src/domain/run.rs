//! Runs: one execution of one command at one exact code state.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::bytes::OsBytes;
use super::id::{EntryId, ExperimentId, Nonce, ObjectName};
use super::metric::{Value, words};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The command exited with 0 and every summary is finite.
    Ok,
    /// The command exited with another status, or could not be started.
    Failed,
    /// A signal ended it, or a person did.
    Killed,
    /// It ran past its time limit.
    Timeout,
    /// It exited with 0, but a metric's summary is not finite.
    Diverged,
    /// The machine or the recording process died under it.
    Crashed,
}

words!(Status {
    Ok = "ok",
    Failed = "failed",
    Killed = "killed",
    Timeout = "timeout",
    Diverged = "diverged",
    Crashed = "crashed",
});

/// How the command's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It never started, or nobody was there to see its end.
    Unknown,
}

impl Exit {
    /// The status a shell would show: the code, or 128 and the signal's number.
    pub fn shell_status(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }
}

/// The experiment a run belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The experiment's alias.
    pub experiment: ExperimentId,
    /// The entry that registered it; absent for a day's scratch experiment.
    pub registration: Option<EntryId>,
    /// The brief that was in force when the run began: shows without clocks that the criteria came first.
    pub brief: Option<EntryId>,
}

/// The code that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The commit: `HEAD`, or a snapshot of the dirty tree; absent in a repository without commits whose snapshot was empty.
    pub commit: ObjectName,
    /// The commit's tree: equal trees are equal code.
    pub tree: ObjectName,
    /// `HEAD` when the run began, where the commit is a snapshot on top of it.
    pub base: Option<ObjectName>,
    /// The branch that was checked out.
    pub branch: Option<String>,
    /// What makes the commit differ from what ran; empty when it is exact.
    pub inexact: Vec<String>,
    /// Commits of submodules and sibling repositories, by path or name.
    pub others: BTreeMap<String, String>,
}

impl Code {
    /// Whether the commit is exactly what ran.
    pub fn is_exact(&self) -> bool {
        self.inexact.is_empty()
    }
}

/// A tensor or other input that the command said it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its sizes, outermost first, as `8x1024`.
    pub shape: Option<String>,
    /// Its element type, as `bf16`.
    pub dtype: Option<String>,
    /// Where it lives, as `cuda:0`.
    pub device: Option<String>,
    /// Further fields as they were reported.
    pub more: BTreeMap<String, String>,
}

/// A file that is known by path, size and hash only, because it was too large to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeFile {
    /// Where it was, relative to the output folder.
    pub path: OsBytes,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its BLAKE3 in hex.
    pub blake3: String,
}

/// What a stream of output came to, when not all of it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// `stdout` or `stderr`.
    pub stream: String,
    /// How many bytes the command wrote.
    pub bytes: u64,
    /// The BLAKE3 of all of them (before redaction), in hex.
    pub blake3: String,
}

/// The side of a comparison that a run of a pair was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairSide {
    /// What the other is compared with.
    Baseline,
    /// What is compared.
    Candidate,
}

words!(PairSide { Baseline = "baseline", Candidate = "candidate" });

/// The place of a run in a series of pairs: baseline and candidate, one right after the other.
///
/// Both runs of a pair share their [`Run::group`] and the pair's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Which pair of the series, from 1; 0 is a warm-up, which is never compared.
    pub number: u32,
    /// The side it was made for.
    pub side: PairSide,
    /// Whether it ran before the other run of its pair.
    pub first: bool,
}

/// One execution of one command at one exact code state, with what was captured.
///
/// From its start it is named by the nonce of its entry, whose ID is known only at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The experiment it belongs to.
    pub membership: Membership,
    /// How it ended.
    pub status: Status,
    /// How its process ended.
    pub exit: Exit,
    /// Why it ended as it did, where the status alone does not say.
    pub reason: Option<String>,
    /// The command and its arguments, secrets redacted.
    pub argv: Vec<OsBytes>,
    /// Where it ran, relative to the top of the worktree; empty for the top itself.
    pub directory: OsBytes,
    /// The code that ran.
    pub code: Code,
    /// The invocation of `git exp run` it was part of.
    pub group: Nonce,
    /// Which trial of that invocation it was, from 1.
    pub trial: u32,
    /// How many trials that invocation asked for.
    pub trials: u32,
    /// Its place in a series of pairs, where it was run as one of two.
    pub pair: Option<Pair>,
    /// Whether it repeats a result with new seeds, so that it alone is judged.
    pub confirms: bool,
    /// The seed it was given.
    pub seed: Option<u64>,
    /// Its parameters, values as they were written.
    pub params: BTreeMap<String, String>,
    /// Parameters that differ from the configured defaults, with the default.
    pub changed_params: BTreeMap<String, String>,
    /// The label it was given.
    pub label: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in seconds.
    pub wall_seconds: f64,
    /// How many accelerators it is charged for; 0 where none are there, or none can be told.
    pub accelerators: u32,
    /// The digest of the evaluation code, where the topic pinned it.
    pub evaluation: Option<String>,
    /// Whether the evaluation code is another than when the topic began.
    pub evaluation_changed: bool,
    /// What its metrics came to.
    pub metrics: BTreeMap<String, Value>,
    /// The inputs it reported.
    pub inputs: Vec<Input>,
    /// Lines that looked like reports and could not be read, and the first few of them.
    pub malformed: Malformed,
    /// The short hash of the hardware: part of what makes runs one cell.
    pub hardware: String,
    /// The boot of the machine it ran in, hashed.
    pub boot: Option<String>,
    /// What else the machine was doing when it began.
    pub load: Load,
    /// Output that was kept in part only.
    pub truncated: Vec<Truncated>,
    /// Artifacts that were too large to keep.
    pub large: Vec<LargeFile>,
    /// Things worth telling about this run: what was left out, renamed or redacted.
    pub remarks: Vec<String>,
}

/// Reports that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Malformed {
    /// How many there were.
    pub count: u64,
    /// The first few, each with what is wrong.
    pub examples: Vec<String>,
}

/// What else the machine was doing when a run began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// The load average over one minute.
    pub load_average: Option<f64>,
    /// Executable names of other processes on an accelerator.
    pub accelerator_processes: Vec<String>,
}
