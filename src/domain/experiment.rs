//! Experiments: one hypothesis and one change, and where each stands.

use super::decision::Decision;
use super::metric::words;

/// How far an experiment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It is registered; its brief is not complete.
    Proposed,
    /// Its brief is complete and nothing has run.
    Designed,
    /// It has runs, fewer than planned.
    Running,
    /// It has the planned runs and no decision.
    Analysed,
    /// A decision was made.
    Decided,
}

words!(Stage {
    Proposed = "proposed",
    Designed = "designed",
    Running = "running",
    Analysed = "analysed",
    Decided = "decided",
});

impl Stage {
    /// The stage of an experiment from what is known of it.
    pub fn of(brief_is_complete: bool, runs: u64, planned: u32, decision: Option<Decision>) -> Self {
        match decision {
            Some(Decision::Accepted | Decision::Rejected) => Self::Decided,
            Some(Decision::Iterate) | None => match runs {
                0 if brief_is_complete => Self::Designed,
                0 => Self::Proposed,
                runs if runs < u64::from(planned) => Self::Running,
                _ => Self::Analysed,
            },
        }
    }
}
