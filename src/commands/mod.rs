//! One file per command: read, ask the domain, then write or show.

pub mod ab;
pub mod archive;
pub mod bench;
pub mod brief;
pub mod check;
pub mod ci;
pub mod compare;
pub mod decide;
pub mod diff;
pub mod discard;
pub mod export;
pub mod fsck;
mod github;
pub mod handoff;
pub mod idea;
pub mod init;
pub mod issue;
mod issue_close;
mod issue_fields;
mod issue_heartbeat;
mod issue_seal;
mod issue_subject;
mod issue_text;
mod issue_update;
pub mod keep;
pub mod list;
pub mod log;
pub mod logbook;
pub mod new;
pub mod noise;
pub mod note;
pub mod pr;
pub mod pull;
pub mod purge;
pub mod push;
pub mod repro;
pub mod review;
pub mod rule_override;
pub mod run;
pub mod runs;
pub mod seal;
pub mod show;
mod sides;
pub mod status;
pub mod topic;
pub mod tried;
pub mod verify;

mod actions;
mod agents;
mod baseline;
mod checks;
mod closing;
mod code_state;
mod comparing;
mod datasets;
mod deciding;
mod documents;
mod editing;
mod evaluation;
mod file_hash;
mod file_rules;
mod gate;
mod hooks;
mod kickoff;
mod limits;
mod needs;
mod next_step;
mod notify;
mod on_record;
mod options;
mod pairs;
mod place;
mod posting;
mod progress;
mod push_plan;
mod recorded;
mod recording;
pub(crate) mod recovery;
mod redaction;
pub(crate) mod remotes;
mod research;
mod sealed_terms;
mod sealed_witnesses;
mod selection;
mod standing;
mod stopping;
mod surroundings;
mod trial;
mod waiting;
mod withdrawing;
mod workflows;

/// What a command answers, as its exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, or done.
    Yes,
    /// No: a regression, something not verified, a gate closed.
    No,
    /// It cannot be told.
    Unknown,
    /// The status of the command that was run.
    Command(u8),
}

impl Answer {
    /// The status of a command that was run, as a shell would give it.
    pub fn of_command(status: i32) -> Self {
        Self::Command(u8::try_from(status & 0xff).expect("masked to eight bits"))
    }

    /// The exit status that says so.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Unknown => 4,
            Self::Command(status) => status,
        }
    }
}
