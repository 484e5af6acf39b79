//! Runs of a side that were withdrawn: leaving out the bad ones once they were seen would be a way to win.

use crate::domain::cell::{Cell, Trial};
use crate::domain::id::EntryId;
use crate::domain::run::PairSide;

/// The runs of a side that one withdrawal set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct WithdrawnRuns {
    /// The side they are of.
    pub side: PairSide,
    /// The runs.
    pub runs: Vec<EntryId>,
    /// The withdrawal.
    pub by: EntryId,
    /// When it was made, in seconds since 1970.
    pub seconds: f64,
    /// Why.
    pub because: String,
}

impl WithdrawnRuns {
    /// How many there are and of what, in words: `2 runs of the candidate`.
    pub fn in_words(&self) -> String {
        let runs = if self.runs.len() == 1 { "run" } else { "runs" };
        format!("{} {runs} of the {}", self.runs.len(), self.side)
    }

    /// What stands against accepting because of it: a trial that is compared had begun before, so that its result may have
    /// been what the choice was made by.
    pub(super) fn obstacle(&self, baseline: &Cell<'_>, candidate: &Cell<'_>) -> Option<String> {
        let cell = match self.side {
            PairSide::Baseline => baseline,
            PairSide::Candidate => candidate,
        };
        let began_before = |trial: &Trial<'_>| trial.run.started.as_duration().as_secs_f64() < self.seconds;
        cell.trials().iter().any(began_before).then(|| {
            let were = if self.runs.len() == 1 { "was" } else { "were" };
            format!(
                "{} {were} withdrawn after trials that are compared had run ({}): repeat it with `git exp run --confirm`",
                self.in_words(),
                self.because
            )
        })
    }
}

/// How many complete tries of the candidate may have gone with what was withdrawn, where each takes `planned` trials.
pub fn tries_withdrawn(withdrawn: &[WithdrawnRuns], planned: Option<u32>) -> usize {
    let of_candidate = withdrawn.iter().filter(|it| it.side == PairSide::Candidate);
    let runs: usize = of_candidate.map(|it| it.runs.len()).sum();
    runs.div_ceil(planned.unwrap_or(1).max(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawn(side: PairSide, runs: usize) -> WithdrawnRuns {
        WithdrawnRuns {
            side,
            runs: vec![EntryId([1; 32]); runs],
            by: EntryId([2; 32]),
            seconds: 0.0,
            because: "another job ran".to_owned(),
        }
    }

    #[test]
    fn as_many_tries_are_counted_as_the_withdrawn_trials_could_have_been() {
        let both = [withdrawn(PairSide::Candidate, 5), withdrawn(PairSide::Candidate, 1)];
        assert_eq!(tries_withdrawn(&both, Some(5)), 2);
        assert_eq!(tries_withdrawn(&both[1..], Some(5)), 1);
        assert_eq!(tries_withdrawn(&[withdrawn(PairSide::Baseline, 5)], Some(5)), 0);
        assert_eq!(tries_withdrawn(&[], Some(5)), 0);
    }
}
