//! Cells: the runs that differ in seed or repetition only, which are the unit that is compared.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::bytes::OsBytes;
use super::id::{EntryId, Nonce, ObjectName};
use super::run::{Run, Status};

/// One run of a cell, with the entry it is known by.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The ID of its entry.
    pub id: EntryId,
    /// The run.
    pub run: &'a Run,
}

/// What became of a trial, as far as its cell is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended well: its values count.
    Ended,
    /// It failed, diverged, ran out of time or was stopped: it counts as a failure.
    Failed,
    /// A person or a dying machine cut it short, which says nothing about the code.
    CutShort,
}

impl Trial<'_> {
    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        match self.run.status {
            Status::Ok => Outcome::Ended,
            Status::Crashed => Outcome::CutShort,
            Status::Killed
                if self.run.reason.as_deref().is_some_and(|why| why.starts_with("interrupted")) =>
            {
                Outcome::CutShort
            }
            Status::Failed | Status::Killed | Status::Timeout | Status::Diverged => Outcome::Failed,
        }
    }

    /// When it ended, in seconds since 1970.
    pub fn ended(&self) -> f64 {
        let wall = if self.run.wall_seconds.is_finite() { self.run.wall_seconds } else { 0.0 };
        seconds(self.run.started) + wall
    }
}

/// Seconds since 1970.
pub fn seconds(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1e6
}

/// Runs that are equal in code tree, command, parameters and hardware; never empty, oldest first.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    trials: Vec<Trial<'a>>,
}

impl<'a> Cell<'a> {
    /// The trials, oldest first.
    pub fn trials(&self) -> &[Trial<'a>] {
        &self.trials
    }

    /// The trial that began last.
    #[expect(clippy::missing_panics_doc, reason = "a cell is made with a trial and keeps one")]
    pub fn newest(&self) -> Trial<'a> {
        *self.trials.last().expect("a cell has a trial")
    }

    /// The hardware that all its trials ran on.
    pub fn hardware(&self) -> &'a str {
        &self.newest().run.hardware
    }

    /// The cell without the trials that do not fit; `None` where none fits.
    pub fn only(&self, fits: impl Fn(&Trial<'a>) -> bool) -> Option<Self> {
        let trials: Vec<Trial<'a>> = self.trials.iter().copied().filter(fits).collect();
        (!trials.is_empty()).then_some(Self { trials })
    }

    /// The trials with this outcome, oldest first.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = Trial<'a>> + '_ {
        self.trials.iter().copied().filter(move |trial| trial.outcome() == outcome)
    }

    /// How many trials had this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.with(outcome).count()
    }

    /// When its first trial began and its last one ended, in seconds since 1970.
    pub fn span(&self) -> (f64, f64) {
        let first = self.trials.iter().map(|trial| seconds(trial.run.started)).fold(f64::INFINITY, f64::min);
        let last = self.trials.iter().map(Trial::ended).fold(f64::NEG_INFINITY, f64::max);
        (first, last)
    }

    /// The seconds between the end of one and the beginning of the other; zero where they overlap.
    pub fn gap_seconds(&self, other: &Self) -> f64 {
        let ((from, until), (begin, end)) = (self.span(), other.span());
        (begin - until).max(from - end).max(0.0)
    }

    /// Whether every trial that was planned, or asked for where nothing was planned, has ended one way or the other.
    pub fn is_complete(&self, planned: Option<u32>) -> bool {
        let asked = self.trials.iter().map(|trial| trial.run.trials).max().unwrap_or(1);
        let wanted = planned.unwrap_or(asked) as usize;
        self.trials.len() - self.count(Outcome::CutShort) >= wanted
    }

    /// Splits off what ran beyond the plan: whole calls of `run`, oldest first, count until the plan is fulfilled.
    ///
    /// So trials that are added until a result fits are never judged. A call that asked for more than was planned is
    /// taken whole, for its number was fixed before it began. Also says how many ended trials the plan asks for.
    pub fn up_to(&self, planned: u32) -> (Self, Vec<Trial<'a>>, usize) {
        let mut calls: Vec<Vec<Trial<'a>>> = Vec::new();
        let mut places: HashMap<Nonce, usize> = HashMap::new();
        for trial in &self.trials {
            let place = *places.entry(trial.run.group).or_insert_with(|| {
                calls.push(Vec::new());
                calls.len() - 1
            });
            calls[place].push(*trial);
        }
        let mut wanted = planned as usize;
        let mut taken = 0;
        let mut trials = Vec::with_capacity(self.trials.len());
        let mut beyond = Vec::new();
        for call in calls {
            if taken >= wanted {
                beyond.extend(call);
                continue;
            }
            let asked = call.iter().map(|trial| trial.run.trials as usize).max().unwrap_or(1);
            let counted = |trial: &&Trial<'_>| trial.outcome() != Outcome::CutShort;
            wanted = wanted.max(taken + asked);
            taken += call.iter().filter(counted).count();
            trials.extend(call);
        }
        trials.sort_by_key(|trial| (trial.run.started, trial.id));
        (Self { trials }, beyond, wanted)
    }
}

/// The cells of `trials`, the one with the newest trial first; the order of `trials` does not matter.
pub fn cells<'a>(trials: &[Trial<'a>]) -> Vec<Cell<'a>> {
    let mut sorted: Vec<Trial<'a>> = trials.to_vec();
    sorted.sort_by_key(|trial| (trial.run.started, trial.id));
    sorted.dedup_by_key(|trial| trial.id);
    let mut found: Vec<Cell<'a>> = Vec::new();
    let mut by_setting: HashMap<Setting<'a>, Vec<usize>> = HashMap::new();
    for trial in sorted {
        let places = by_setting.entry(Setting::of(trial.run)).or_default();
        if let Some(&place) =
            places.iter().find(|&&place| is_repetition(found[place].trials[0].run, trial.run))
        {
            found[place].trials.push(trial);
        } else {
            places.push(found.len());
            found.push(Cell { trials: vec![trial] });
        }
    }
    found.sort_by_key(|cell| {
        let newest = cell.newest();
        std::cmp::Reverse((newest.run.started, newest.id))
    });
    found
}

/// What must be equal to the letter for two runs to be of one cell.
#[derive(PartialEq, Eq, Hash)]
struct Setting<'a> {
    tree: &'a ObjectName,
    others: &'a BTreeMap<String, String>,
    inexact: &'a [String],
    directory: &'a OsBytes,
    hardware: &'a str,
    words: usize,
}

impl<'a> Setting<'a> {
    fn of(run: &'a Run) -> Self {
        Self {
            tree: &run.code.tree,
            others: &run.code.others,
            inexact: &run.code.inexact,
            directory: &run.directory,
            hardware: &run.hardware,
            words: run.argv.len(),
        }
    }
}

/// Whether the arguments and parameters of two runs differ in nothing but each one's own seed.
pub fn is_repetition(a: &Run, b: &Run) -> bool {
    let own_seeds = a.seed.zip(b.seed).filter(|(a, b)| a != b).map(|(a, b)| (a.to_string(), b.to_string()));
    let follows = |one: &str, other: &str| {
        let Some((seed_a, seed_b)) = &own_seeds else { return false };
        let rests = (one.strip_suffix(seed_a.as_str()), other.strip_suffix(seed_b.as_str()));
        // `--seed=1` and `--seed=2` are equal up to the seed they end with.
        matches!(rests, (Some(a), Some(b)) if a == b && (a.is_empty() || a.ends_with(['=', ':'])))
    };
    let arguments = a.argv.len() == b.argv.len()
        && a.argv.iter().zip(&b.argv).all(|(one, other)| {
            one == other || one.as_str().zip(other.as_str()).is_some_and(|(one, other)| follows(one, other))
        });
    arguments
        && a.params.len() == b.params.len()
        && a.params
            .iter()
            .zip(&b.params)
            .all(|(one, other)| one.0 == other.0 && (one.1 == other.1 || follows(one.1, other.1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::difference::tests::a_run;

    fn run(trial: u32, seed: u64, change: impl FnOnce(&mut Run)) -> (EntryId, Run) {
        let mut run = a_run();
        run.trial = trial;
        run.seed = Some(seed);
        run.started += jiff::SignedDuration::from_secs(i64::from(trial) * 100);
        change(&mut run);
        let mut id = [0; 32];
        id[..4].copy_from_slice(&trial.to_be_bytes());
        id[4..12].copy_from_slice(&seed.to_be_bytes());
        (EntryId(id), run)
    }

    fn trials(runs: &[(EntryId, Run)]) -> Vec<Trial<'_>> {
        runs.iter().map(|(id, run)| Trial { id: *id, run }).collect()
    }

    #[test]
    fn runs_that_differ_in_seed_only_are_one_cell() {
        let runs: Vec<_> = (1..=3_u32)
            .map(|trial| {
                run(trial, u64::from(trial), |run| {
                    run.argv = ["train".to_owned(), format!("--seed={trial}")].map(OsBytes::from).to_vec();
                    run.params.insert("seed".to_owned(), trial.to_string());
                    run.label = Some(format!("try {trial}"));
                })
            })
            .collect();
        let cells = cells(&trials(&runs));
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].trials().len(), 3);
    }

    #[test]
    fn another_argument_parameter_tree_or_machine_is_another_cell() {
        let runs = [
            run(1, 7, |_| {}),
            run(2, 7, |run| run.argv.push(OsBytes::from("--fast"))),
            run(3, 7, |run| drop(run.params.insert("lr".to_owned(), "1".to_owned()))),
            run(4, 7, |run| run.code.tree = run.code.commit.clone()),
            run(5, 7, |run| run.hardware = "other".to_owned()),
        ];
        let cells = cells(&trials(&runs));
        assert_eq!(cells.len(), 5);
        assert_eq!(cells[0].newest().id, runs[4].0, "the newest comes first");
    }

    #[test]
    fn an_argument_that_happens_to_equal_a_seed_stays_an_argument() {
        let with = |seed: u64, batch: &str| {
            run(1, seed, |run| run.argv = ["train", "--batch", batch].map(OsBytes::from).to_vec())
        };
        let runs = [with(8, "8"), with(9, "8"), with(10, "16")];
        assert_eq!(cells(&trials(&runs)).len(), 2);
    }

    #[test]
    fn a_person_who_interrupts_says_nothing_about_the_code() {
        let status = |status, reason: Option<&str>| {
            let (id, run) = run(1, 1, |run| {
                run.status = status;
                run.reason = reason.map(str::to_owned);
            });
            Trial { id, run: &run }.outcome()
        };
        assert_eq!(status(Status::Killed, Some("interrupted by SIGINT")), Outcome::CutShort);
        assert_eq!(status(Status::Killed, None), Outcome::Failed);
        assert_eq!(status(Status::Killed, Some("val_loss > 10")), Outcome::Failed);
        assert_eq!(status(Status::Timeout, None), Outcome::Failed);
        assert_eq!(status(Status::Crashed, None), Outcome::CutShort);
    }

    #[test]
    fn trials_that_are_added_after_the_plan_do_not_count() {
        let call = |group: u8, trials: u32, first: u32| {
            (0..trials).map(move |at| {
                run(first + at, u64::from(at), |run| {
                    run.group = Nonce([group; 16]);
                    run.trial = at + 1;
                    run.trials = trials;
                })
            })
        };
        let runs: Vec<_> = call(1, 3, 0).chain(call(2, 3, 10)).chain(call(3, 2, 20)).collect();
        let all = cells(&trials(&runs));
        let (kept, beyond, wanted) = all[0].up_to(5);
        assert_eq!((kept.trials().len(), beyond.len(), wanted), (6, 2, 6));
        let (kept, beyond, wanted) = all[0].up_to(2);
        assert_eq!((kept.trials().len(), beyond.len(), wanted), (3, 5, 3));
        let (kept, _, wanted) = all[0].up_to(20);
        assert_eq!((kept.trials().len(), wanted), (8, 20));
    }

    proptest! {
        #[test]
        fn the_order_of_runs_never_matters(
            order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let runs: Vec<_> = (0..12_u32)
                .map(|at| run(at / 2, u64::from(at), |run| run.hardware = format!("h{}", at % 3)))
                .collect();
            let shape = |trials: &[Trial<'_>]| -> Vec<Vec<EntryId>> {
                cells(trials).iter().map(|cell| cell.trials().iter().map(|trial| trial.id).collect()).collect()
            };
            let sorted = trials(&runs);
            let shuffled: Vec<Trial<'_>> = order.iter().map(|at| sorted[*at]).collect();
            prop_assert_eq!(shape(&sorted), shape(&shuffled));
        }
    }
}
