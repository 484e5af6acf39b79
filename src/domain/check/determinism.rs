//! Whether the same code, data and seed give the same qualities.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::domain::breach::Breach;
use crate::domain::cell::{Outcome, Trial};
use crate::domain::metric::Kind;
use crate::domain::run::Run;

/// Qualities are a function of code, data and seed.
pub const DETERMINISM: &str = "determinism";

/// Two runs of equal code, command, parameters and seed whose qualities differ.
#[derive(Clone, Debug)]
pub struct Differing<'a> {
    /// The run that was first.
    pub first: Trial<'a>,
    /// The other one.
    pub second: Trial<'a>,
    metric: String,
    values: (f64, f64),
}

/// What must be equal for two runs to give the same qualities, as far as a run tells of itself.
fn is_the_same(a: &Run, b: &Run) -> bool {
    a.seed.is_some()
        && a.seed == b.seed
        && a.code.tree == b.code.tree
        && a.code.others == b.code.others
        && a.code.is_exact()
        && b.code.is_exact()
        && a.argv == b.argv
        && a.directory == b.directory
        && a.params == b.params
        && a.hardware == b.hardware
        && a.inputs == b.inputs
}

/// Pairs of runs that should have given the same and did not, one for each metric and case.
///
/// `has_equal_data` says of two runs whether configuration files and data were the same, too; it is asked only where it matters.
pub fn differing<'a>(
    trials: &[Trial<'a>],
    mut has_equal_data: impl FnMut(Trial<'a>, Trial<'a>) -> bool,
) -> Vec<Differing<'a>> {
    let mut sorted: Vec<Trial<'a>> =
        trials.iter().copied().filter(|trial| trial.outcome() == Outcome::Ended).collect();
    sorted.sort_by_key(|trial| (trial.run.started, trial.id));
    let mut by_seed: HashMap<(Option<u64>, &str), Vec<Trial<'a>>> = HashMap::new();
    let mut found: Vec<Differing<'a>> = Vec::new();
    for trial in sorted {
        let before = by_seed.entry((trial.run.seed, trial.run.code.tree.as_str())).or_default();
        if let Some(first) = before.iter().copied().find(|it| is_the_same(it.run, trial.run)) {
            for (metric, values) in qualities(first.run, trial.run) {
                if !found.iter().any(|it| it.metric == metric) && has_equal_data(first, trial) {
                    found.push(Differing { first, second: trial, metric, values });
                }
            }
        } else {
            before.push(trial);
        }
    }
    found
}

/// The qualities that differ between two runs, cases by their name.
fn qualities(a: &Run, b: &Run) -> Vec<(String, (f64, f64))> {
    let mut differing = Vec::new();
    for (name, of_a) in
        a.metrics.iter().filter(|(_, value)| value.kind.is_some_and(|kind| kind != Kind::Measured))
    {
        let Some(of_b) = b.metrics.get(name).filter(|of_b| of_b.definition == of_a.definition) else {
            continue;
        };
        let whole = of_a.value.zip(of_b.value).map(|values| (name.clone(), values));
        let cases = of_a.cases.iter().filter_map(|(case, value)| {
            Some((format!("{name} of {case}"), (*value, *of_b.cases.get(case)?)))
        });
        let is_other = |(_, (a, b)): &(String, (f64, f64))| {
            a.partial_cmp(b) != Some(Ordering::Equal) && !(a.is_nan() && b.is_nan())
        };
        differing.extend(whole.into_iter().chain(cases).filter(is_other));
    }
    differing
}

impl Differing<'_> {
    /// The breach that it is.
    pub fn breach(&self) -> Breach {
        let seed = self.first.run.seed.map_or_else(String::new, |seed| format!(" and seed {seed}"));
        let (first, second) = (self.first.id.short(), self.second.id.short());
        Breach::new(
            DETERMINISM,
            format!(
                "the same code, data{seed} gave `{}` as {} in the run {first} and as {} in the run {second}",
                self.metric, self.values.0, self.values.1
            ),
            format!(
                "find what is not seeded or not ordered (git exp diff {first} {second}), or declare the metric as \
                 `kind = \"measured\"`"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::comparison::tests::Made;
    use crate::domain::id::EntryId;

    fn with_seeds(runs: &[(u64, f64)]) -> Vec<(EntryId, Run)> {
        let mut made = Made::new(1);
        for (minute, (seed, value)) in (0..).zip(runs) {
            made = made
                .run(minute, &[("val_loss", *value), ("step_time", *value)], |run| run.seed = Some(*seed));
        }
        made.runs
    }

    fn found(runs: &[(EntryId, Run)]) -> Vec<Breach> {
        let trials: Vec<Trial<'_>> = runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
        differing(&trials, |_, _| true).iter().map(Differing::breach).collect()
    }

    #[test]
    fn another_quality_of_the_same_seed_is_told_with_both_runs_and_values() {
        let runs = with_seeds(&[(1, 2.5), (2, 2.6), (1, 2.75)]);
        let found = found(&runs);
        assert_eq!(found.len(), 1, "a time may vary: {found:?}");
        assert_eq!(
            found[0].what,
            format!(
                "the same code, data and seed 1 gave `val_loss` as 2.5 in the run {} and as 2.75 in the run {}",
                runs[0].0.short(),
                runs[2].0.short()
            )
        );
    }

    #[test]
    fn another_parameter_machine_or_data_explains_another_value() {
        let with = |change: fn(&mut Run)| {
            let mut runs = with_seeds(&[(1, 2.5), (1, 2.75)]);
            change(&mut runs[1].1);
            found(&runs)
        };
        assert_eq!(with(|_| {}).len(), 1);
        assert_eq!(with(|run| drop(run.params.insert("lr".to_owned(), "1".to_owned()))), []);
        assert_eq!(with(|run| run.hardware = "other".to_owned()), []);
        assert_eq!(with(|run| run.code.inexact.push("a file".to_owned())), []);
        assert_eq!(with(|run| run.seed = None), []);
        let runs = with_seeds(&[(1, 2.5), (1, 2.75)]);
        let trials: Vec<Trial<'_>> = runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
        assert!(differing(&trials, |_, _| false).is_empty());
    }

    proptest! {
        #[test]
        fn a_function_of_the_seed_breaks_nothing(seeds in prop::collection::vec(0_u64..4, 0..12)) {
            let runs: Vec<(u64, f64)> = seeds.iter().map(|&seed| (seed, 2.0 + seed as f64 / 7.0)).collect();
            prop_assert_eq!(found(&with_seeds(&runs)), []);
        }
    }
}
