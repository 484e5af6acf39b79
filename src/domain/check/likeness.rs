//! Whether an experiment and its baseline are like with like, but for the one thing that is tested.

use std::collections::{BTreeMap, BTreeSet};

use super::few;
use crate::domain::breach::Breach;
use crate::domain::cell::{Cell, Outcome};
use crate::domain::comparison::{Comparison, contention};
use crate::domain::difference::{Axis, Difference, Row};

/// There is something to compare with.
pub const BASELINE: &str = "baseline";
/// Inputs, data and environment are the same on both sides.
pub const LIKE_WITH_LIKE: &str = "like-with-like";
/// The hardware is noted, and the same on both sides.
pub const HARDWARE: &str = "hardware";
/// One thing is varied.
pub const ONE_AXIS: &str = "one-axis";
/// Both sides have the seeds that are asked for.
pub const SEEDS: &str = "seeds";
/// As many trials as were planned.
pub const TRIALS: &str = "trials";
/// The machine did nothing else.
pub const CONTENTION: &str = "contention";
/// What is recorded is what ran.
pub const EXACT_CODE: &str = "exact-code";
/// The evaluation stayed what it was.
pub const EVALUATION: &str = "evaluation";

/// What a comparison is held to.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// The experiment, as it is called.
    pub experiment: &'a str,
    /// The variants that the topic's results must hold over.
    pub scope: &'a BTreeMap<String, Vec<String>>,
    /// Whether it is already said that nothing came of it, so that nothing more need run.
    pub is_given_up: bool,
    /// Whether several axes at once were approved.
    pub may_differ: bool,
}

/// Everything that makes the two sides unlike.
pub fn breaches(comparison: &Comparison<'_>, demands: &Demands<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    breaches.extend(hardware(comparison));
    breaches.extend(unlike(comparison));
    if !demands.may_differ {
        breaches.extend(axes(comparison, demands.experiment));
    }
    if !demands.is_given_up {
        breaches.extend(trials(comparison, demands.experiment));
        breaches.extend(seeds(comparison, demands));
    }
    breaches.extend(contention(&comparison.matchup).into_iter().map(|what| {
        let mend = "repeat both sides on a machine that does nothing else: git exp run --against … --confirm";
        Breach::new(CONTENTION, what, mend)
    }));
    breaches.extend(code(comparison));
    breaches
}

/// What an experiment and its baseline differ in, in a sentence: every axis, counted and with its first few values.
pub fn differences(comparison: &Comparison<'_>) -> String {
    let (baseline, candidate) = &comparison.matchup.names;
    let axes = comparison.difference.axes();
    let each: Vec<String> = axes.iter().map(|axis| of_axis(&comparison.difference, *axis)).collect();
    match each.len() {
        0 => format!("{candidate} differs from {baseline} in nothing but repetition"),
        1 => format!("{candidate} differs from {baseline} in 1 axis: {}", each[0]),
        count => format!("{candidate} differs from {baseline} in {count} axes: {}", each.join("; ")),
    }
}

/// An axis with what differs in it, as `parameters (lr 1e-4 → 3e-4)`.
fn of_axis(difference: &Difference, axis: Axis) -> String {
    let rows: Vec<&Row> = difference.of(axis).filter(|row| !row.is_explained).collect();
    // The name of a commit says nothing to anybody.
    if axis == Axis::Code && rows.iter().all(|row| matches!(row.name.as_str(), "tree" | "commit")) {
        return axis.word().to_owned();
    }
    let values: Vec<String> = rows.iter().map(|row| change(row)).collect();
    format!("{} ({})", axis.word(), few(&values))
}

fn change(row: &Row) -> String {
    const LONGEST: usize = 40;
    let side = |value: &Option<String>| match value {
        None => "none".to_owned(),
        Some(text) if text.chars().count() > LONGEST => {
            format!("{}…", text.chars().take(LONGEST).collect::<String>())
        }
        Some(text) => text.clone(),
    };
    format!("{} {} → {}", row.name, side(&row.a), side(&row.b))
}

fn sides<'m, 'a>(comparison: &'m Comparison<'a>) -> [(&'static str, &'m Cell<'a>); 2] {
    [("baseline", &comparison.matchup.baseline), ("candidate", &comparison.matchup.candidate)]
}

fn hardware(comparison: &Comparison<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (side, cell) in sides(comparison) {
        if cell.hardware().is_empty() {
            breaches.push(Breach::new(
                HARDWARE,
                format!("nobody knows what hardware the {side} ran on"),
                "run it again with `git exp run`, which notes it",
            ));
        }
    }
    let (from, to) = (comparison.matchup.baseline.hardware(), comparison.matchup.candidate.hardware());
    if breaches.is_empty() && !comparison.matchup.is_one_hardware() {
        breaches.push(Breach::new(
            HARDWARE,
            format!("the baseline ran on the hardware {from}, and the candidate on {to}"),
            "run both on one machine: git exp run --against …",
        ));
    }
    breaches
}

fn unlike(comparison: &Comparison<'_>) -> Option<Breach> {
    let is_unlike = |axis: &Axis| matches!(axis, Axis::Inputs | Axis::Dataset | Axis::Environment);
    let unlike: Vec<String> = comparison
        .difference
        .axes()
        .into_iter()
        .filter(is_unlike)
        .map(|axis| of_axis(&comparison.difference, axis))
        .collect();
    (!unlike.is_empty()).then(|| {
        Breach::new(
            LIKE_WITH_LIKE,
            format!("the sides are not like with like: {}", unlike.join("; ")),
            "run both sides again under the same conditions: git exp run --against …",
        )
    })
}

fn axes(comparison: &Comparison<'_>, experiment: &str) -> Option<Breach> {
    let axes = comparison.difference.axes();
    (axes.len() > 1).then(|| {
        let words: Vec<&str> = axes.iter().copied().map(Axis::word).collect();
        Breach::new(
            ONE_AXIS,
            format!(
                "{} axes differ ({}), so that no result can be put down to one of them",
                axes.len(),
                words.join(", ")
            ),
            format!(
                "vary one at a time, each in an experiment of its own; or let somebody with the role approve \
                 it: git exp override {ONE_AXIS} -e {experiment} --because \"…\""
            ),
        )
    })
}

fn trials(comparison: &Comparison<'_>, experiment: &str) -> Option<Breach> {
    let (so_far, planned) = comparison.interim?;
    let missing = planned.saturating_sub(so_far);
    Some(Breach::new(
        TRIALS,
        format!("{so_far} of {planned} planned trials are in"),
        format!("git exp run -e {experiment} -n {missing} -- <command>"),
    ))
}

fn seeds(comparison: &Comparison<'_>, demands: &Demands<'_>) -> Vec<Breach> {
    let of = |cell: &Cell<'_>| -> BTreeSet<u64> {
        cell.with(Outcome::Ended).filter_map(|trial| trial.run.seed).collect()
    };
    let (from, to) = (of(&comparison.matchup.baseline), of(&comparison.matchup.candidate));
    let list = |seeds: &[u64]| few(&seeds.iter().map(u64::to_string).collect::<Vec<_>>());
    let (only_from, only_to): (Vec<u64>, Vec<u64>) =
        (from.difference(&to).copied().collect(), to.difference(&from).copied().collect());
    let mut breaches = Vec::new();
    // Before the plan is fulfilled one side has fewer; that is told by another rule.
    let is_on_the_way = comparison.interim.is_some() && (only_from.is_empty() || only_to.is_empty());
    let are_equal = only_from.is_empty() && only_to.is_empty();
    if !is_on_the_way && !are_equal {
        let parts = [("baseline", &only_from), ("candidate", &only_to)];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, seeds)| !seeds.is_empty())
            .map(|(side, seeds)| format!("only the {side} has {}", list(seeds)))
            .collect();
        let wanted: Vec<u64> = if only_from.is_empty() { to } else { from }.into_iter().collect();
        let options: Vec<String> = wanted.iter().take(8).map(|seed| format!("--seed {seed}")).collect();
        breaches.push(Breach::new(
            SEEDS,
            format!("the sides do not have the same seeds: {}", parts.join(", ")),
            format!(
                "run both with one list of seeds: git exp run -e {} --against … {} -- <command>",
                demands.experiment,
                options.join(" ")
            ),
        ));
    }
    let declared: Vec<u64> =
        demands.scope.get("seeds").into_iter().flatten().flat_map(|it| it.parse()).collect();
    let (from, to) = (of(&comparison.matchup.baseline), of(&comparison.matchup.candidate));
    let missing: Vec<u64> =
        declared.into_iter().filter(|seed| !(from.contains(seed) && to.contains(seed))).collect();
    if !missing.is_empty() {
        let options: Vec<String> = missing.iter().map(|seed| format!("--seed {seed}")).collect();
        breaches.push(Breach::new(
            SEEDS,
            format!("the topic's scope asks for seeds that did not run on both sides: {}", list(&missing)),
            format!("git exp run -e {} --against … {} -- <command>", demands.experiment, options.join(" ")),
        ));
    }
    breaches
}

fn code(comparison: &Comparison<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (side, cell) in sides(comparison) {
        let inexact: Vec<_> = cell.trials().iter().filter(|trial| !trial.run.code.is_exact()).collect();
        if let Some(first) = inexact.first() {
            breaches.push(Breach::new(
                EXACT_CODE,
                format!(
                    "the recorded code of {} of {} trials of the {side} is not exactly what ran: {}",
                    inexact.len(),
                    cell.trials().len(),
                    few(&first.run.code.inexact)
                ),
                "commit what belongs to the code, and run the trials again",
            ));
        }
        let changed = cell.trials().iter().filter(|trial| trial.run.evaluation_changed).count();
        if changed > 0 {
            breaches.push(Breach::new(
                EVALUATION,
                format!(
                    "{changed} of {} trials of the {side} ran with other evaluation code than the topic began with",
                    cell.trials().len()
                ),
                "take the change of the evaluation back, and run the trials again",
            ));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::comparison::tests::{Brief, Made};
    use crate::domain::run::Run;

    fn sides_of(baseline: usize, candidate: usize) -> (Made, Made) {
        let values = [2.30, 2.31, 2.29, 2.305, 2.295];
        let better = [2.10, 2.12, 2.08, 2.11, 2.09];
        (
            Made::new(1).values("val_loss", &values[..baseline]),
            Made::new(2).values("val_loss", &better[..candidate]),
        )
    }

    fn rules(baseline: &Made, candidate: &Made, change: impl FnOnce(&mut Comparison<'_>)) -> Vec<Breach> {
        rules_under(baseline, candidate, change, |_| {})
    }

    fn rules_under(
        baseline: &Made,
        candidate: &Made,
        change: impl FnOnce(&mut Comparison<'_>),
        under: impl FnOnce(&mut Demands<'_>),
    ) -> Vec<Breach> {
        let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
        let mut comparison = brief.judge(baseline, candidate);
        change(&mut comparison);
        let scope = BTreeMap::new();
        let mut demands =
            Demands { experiment: "A-001", scope: &scope, is_given_up: false, may_differ: false };
        under(&mut demands);
        breaches(&comparison, &demands)
    }

    fn names(breaches: &[Breach]) -> Vec<&str> {
        breaches.iter().map(|breach| breach.rule.as_str()).collect()
    }

    fn row(axis: Axis, name: &str) -> Row {
        let value = |text: &str| Some(text.to_owned());
        Row { axis, name: name.to_owned(), a: value("1"), b: value("2"), is_explained: false }
    }

    #[test]
    fn like_with_like_breaks_no_rule() {
        let (baseline, candidate) = sides_of(5, 5);
        assert_eq!(rules(&baseline, &candidate, |_| {}), []);
    }

    #[test]
    fn two_axes_are_one_too_many_unless_somebody_approved_them() {
        let (baseline, candidate) = sides_of(5, 5);
        let differ = |comparison: &mut Comparison<'_>| {
            comparison.difference.rows = vec![row(Axis::Code, "tree"), row(Axis::Parameters, "lr")];
        };
        let found = rules(&baseline, &candidate, differ);
        assert_eq!(names(&found), [ONE_AXIS]);
        assert!(found[0].what.starts_with("2 axes differ (code, parameters)"), "{}", found[0].what);
        let approved = rules_under(&baseline, &candidate, differ, |demands| demands.may_differ = true);
        assert_eq!(approved, []);
    }

    #[test]
    fn one_axis_is_what_an_experiment_is_for() {
        let (baseline, candidate) = sides_of(5, 5);
        let differ = |comparison: &mut Comparison<'_>| {
            comparison.difference.rows = vec![row(Axis::Code, "tree"), row(Axis::Code, "commit")];
        };
        assert_eq!(rules(&baseline, &candidate, differ), []);
    }

    #[test]
    fn another_environment_is_not_like_with_like() {
        let (baseline, candidate) = sides_of(5, 5);
        let differ = |comparison: &mut Comparison<'_>| {
            comparison.difference.rows = vec![row(Axis::Environment, "python.packages.torch")];
        };
        let found = rules(&baseline, &candidate, differ);
        assert_eq!(names(&found), [LIKE_WITH_LIKE]);
        assert_eq!(
            found[0].what,
            "the sides are not like with like: environment (python.packages.torch 1 → 2)"
        );
    }

    #[test]
    fn another_machine_and_an_unknown_one_are_told() {
        let (baseline, candidate) = sides_of(5, 5);
        let candidate_elsewhere = candidate.clone().each(|run| run.hardware = "other".to_owned());
        assert_eq!(names(&rules(&baseline, &candidate_elsewhere, |_| {})), [HARDWARE]);
        let unknown = |made: Made| made.each(|run| run.hardware.clear());
        assert_eq!(
            names(&rules(&unknown(baseline), &unknown(candidate), |_| {})),
            [HARDWARE, HARDWARE],
            "one for each side"
        );
    }

    #[test]
    fn missing_trials_are_counted_unless_the_experiment_was_given_up() {
        let (baseline, candidate) = sides_of(5, 2);
        let found = rules(&baseline, &candidate, |_| {});
        assert_eq!(names(&found), [TRIALS], "the seeds are on the way");
        assert_eq!(found[0].what, "2 of 5 planned trials are in");
        assert_eq!(found[0].mend, "git exp run -e A-001 -n 3 -- <command>");
        assert_eq!(rules_under(&baseline, &candidate, |_| {}, |demands| demands.is_given_up = true), []);
    }

    #[test]
    fn seeds_that_one_side_lacks_are_named() {
        let (baseline, candidate) = sides_of(5, 5);
        let candidate = candidate.each(|run| run.seed = run.seed.map(|seed| seed + 1));
        let found = rules(&baseline, &candidate, |_| {});
        assert_eq!(names(&found), [SEEDS]);
        assert_eq!(
            found[0].what,
            "the sides do not have the same seeds: only the baseline has 1, only the candidate has 6"
        );
    }

    #[test]
    fn seeds_of_the_scope_that_did_not_run_are_named() {
        let (baseline, candidate) = sides_of(5, 5);
        let scope = BTreeMap::from([("seeds".to_owned(), vec!["1".to_owned(), "77".to_owned()])]);
        let brief = Brief::declares(&["val_loss"]).plans(5);
        let comparison = brief.judge(&baseline, &candidate);
        let demands = Demands { experiment: "A-001", scope: &scope, is_given_up: false, may_differ: false };
        let found = breaches(&comparison, &demands);
        assert_eq!(names(&found), [SEEDS]);
        assert!(found[0].mend.contains("--seed 77 "), "{}", found[0].mend);
    }

    #[test]
    fn a_busy_machine_is_contention() {
        let (baseline, candidate) = sides_of(5, 5);
        let busy = |change: fn(&mut Run)| candidate.clone().each(change);
        let shared = busy(|run| run.load.accelerator_processes = vec!["python".to_owned()]);
        assert_eq!(names(&rules(&baseline, &shared, |_| {})), [CONTENTION]);
        let loaded = busy(|run| run.load.load_average = Some(9.0));
        assert_eq!(names(&rules(&baseline, &loaded, |_| {})), [CONTENTION]);
    }

    #[test]
    fn inexact_code_and_another_evaluation_are_told() {
        let (baseline, candidate) = sides_of(5, 5);
        let inexact = candidate.clone().each(|run| run.code.inexact = vec!["`.env` was left out".to_owned()]);
        let found = rules(&baseline, &inexact, |_| {});
        assert_eq!(names(&found), [EXACT_CODE]);
        assert!(found[0].what.ends_with("`.env` was left out"));
        let changed = candidate.each(|run| run.evaluation_changed = true);
        assert_eq!(names(&rules(&baseline, &changed, |_| {})), [EVALUATION]);
    }

    #[test]
    fn what_differs_is_counted_and_shown() {
        let (baseline, candidate) = sides_of(5, 5);
        let mut comparison = Brief::declares(&["val_loss"]).judge(&baseline, &candidate);
        assert_eq!(differences(&comparison), "B differs from A in nothing but repetition");
        comparison.difference.rows =
            vec![row(Axis::Code, "tree"), row(Axis::Parameters, "lr"), row(Axis::Parameters, "width")];
        assert_eq!(
            differences(&comparison),
            "B differs from A in 2 axes: code; parameters (lr 1 → 2, width 1 → 2)"
        );
    }
}
