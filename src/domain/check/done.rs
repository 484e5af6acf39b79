//! The definition of done: results on both sides, a decision that says what is next, no regression that nobody spoke of.
//!
//! That the brief is complete is a rule of its own, see [`promise`](super::promise).

use serde_json::Value as Json;

use super::few;
use crate::domain::breach::Breach;
use crate::domain::cell::{Cell, Outcome};
use crate::domain::criterion::Criterion;
use crate::domain::decision::{Decision, Ruling};
use crate::domain::metric::built_in;

/// The baseline has a result.
pub const BASELINE_RESULT: &str = "baseline-result";
/// The experiment has a result.
pub const RESULT: &str = "result";
/// Somebody decided, and said what is next.
pub const DECISION: &str = "decision";
/// What got worse is acknowledged.
pub const REGRESSION: &str = "regression";

/// What is known of an experiment's end.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The experiment, as it is called.
    pub experiment: &'a str,
    /// Its baseline, as its brief calls it.
    pub baseline: &'a str,
    /// Whether the baseline has a result.
    pub has_baseline_result: bool,
    /// Whether the experiment has one.
    pub has_result: bool,
    /// The decision in force.
    pub ruling: Option<&'a Ruling>,
    /// The metrics that got worse in the evidence of that decision, cases left out.
    pub worse: &'a [String],
}

/// Whether a cell has a run that ended well and reported what is `asked`, or anything beyond what is always measured.
pub fn has_result(cell: &Cell<'_>, asked: &[Criterion]) -> bool {
    let tells = |name: &String| built_in(name).is_none() || asked.iter().any(|it| it.metric == *name);
    cell.with(Outcome::Ended).any(|trial| trial.run.metrics.keys().any(tells) || !trial.run.large.is_empty())
}

/// The metrics that got worse in a comparison as it was stored: those with that verdict, unless it is too small to matter or
/// stands on sides that ran at different times, and those whose guardrail fails.
///
/// What is always measured counts where a criterion names it.
pub fn worse_in(comparison: &Json) -> Vec<String> {
    let list = |key: &str| comparison[key].as_array().into_iter().flatten();
    let is_asked = |name: &Json| list("criteria").any(|row| row["metric"] == *name);
    let is_extra = |name: &Json| name.as_str().and_then(built_in).is_some() && !is_asked(name);
    let got_worse = |row: &&Json| {
        row["verdict"] == "worse"
            && row["negligible"] != true
            && row["exploratory"] != true
            && !is_extra(&row["name"])
    };
    let fails = |row: &&Json| row["role"] == "guardrail" && row["answer"] == "fails";
    let rows = list("metrics").filter(got_worse).map(|row| &row["name"]);
    let names = rows.chain(list("criteria").filter(fails).map(|row| &row["metric"]));
    let mut worse: Vec<String> = Vec::new();
    for name in names.filter_map(Json::as_str) {
        if !worse.iter().any(|known| known == name) {
            worse.push(name.to_owned());
        }
    }
    worse
}

/// What is missing for an experiment to be done.
pub fn breaches(ending: &Ending<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let experiment = ending.experiment;
    if !ending.has_baseline_result {
        let baseline = ending.baseline;
        breaches.push(Breach::new(
            BASELINE_RESULT,
            format!("no run of the baseline `{baseline}` reported a metric or left a file"),
            format!("git exp run -e {experiment} --against {baseline} -- <command>"),
        ));
    }
    if !ending.has_result {
        breaches.push(Breach::new(
            RESULT,
            format!("no run of {experiment} reported a metric or left a file"),
            format!("git exp run -e {experiment} -- <command>"),
        ));
    }
    breaches.extend(decision(ending));
    breaches.extend(regression(ending));
    breaches
}

fn decision(ending: &Ending<'_>) -> Option<Breach> {
    let experiment = ending.experiment;
    match ending.ruling {
        None => Some(Breach::new(
            DECISION,
            format!("nobody decided about {experiment}"),
            format!("git exp decide {experiment} accept|reject|iterate --because \"…\" --next \"…\""),
        )),
        // What is rejected may end there.
        Some(ruling) if ruling.next.is_empty() && ruling.decision != Decision::Rejected => {
            let verb = if ruling.decision == Decision::Accepted { "accept" } else { "iterate" };
            Some(Breach::new(
                DECISION,
                format!("{experiment} is decided ({}), and it is not said what is next", ruling.decision),
                format!("git exp decide {experiment} {verb} --because \"…\" --next \"…\""),
            ))
        }
        Some(_) => None,
    }
}

fn regression(ending: &Ending<'_>) -> Option<Breach> {
    let ruling = ending.ruling.filter(|ruling| ruling.decision == Decision::Accepted)?;
    let because = plain(&ruling.because);
    let silent: Vec<&String> = ending.worse.iter().filter(|name| !because.contains(&plain(name))).collect();
    let experiment = ending.experiment;
    (!silent.is_empty()).then(|| {
        Breach::new(
            REGRESSION,
            format!(
                "{experiment} was accepted, and its reason does not speak of what got worse: {}",
                few(&silent)
            ),
            format!(
                "say why that is fine: git exp decide {experiment} accept --because \"… {} …\" --next \"…\"",
                silent[0]
            ),
        )
    })
}

/// A text in which `val_loss`, `val loss` and `Val-Loss` are the same.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| if "_- ".contains(character) { ' ' } else { character })
        .collect::<String>()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::cell::{Trial, cells};
    use crate::domain::comparison::tests::Made;
    use crate::domain::id::EntryId;

    fn ruling(decision: Decision, because: &str, next: &[&str]) -> Ruling {
        Ruling {
            experiment: "A-001".parse().expect("the ID is right"),
            registration: EntryId([1; 32]),
            decision,
            because: because.to_owned(),
            next: next.iter().map(|text| (*text).to_owned()).collect(),
            evidence: None,
        }
    }

    fn rules(ruling: Option<&Ruling>, worse: &[&str]) -> Vec<Breach> {
        let worse: Vec<String> = worse.iter().map(|name| (*name).to_owned()).collect();
        breaches(&Ending {
            experiment: "A-001",
            baseline: "main",
            has_baseline_result: true,
            has_result: true,
            ruling,
            worse: &worse,
        })
    }

    #[test]
    fn an_acceptance_that_says_what_is_next_is_done() {
        assert_eq!(rules(Some(&ruling(Decision::Accepted, "faster", &["roll it out"])), &[]), []);
        assert_eq!(rules(Some(&ruling(Decision::Rejected, "slower", &[])), &["step_time"]), []);
    }

    #[test]
    fn without_a_decision_or_next_steps_it_is_not_done() {
        let found = rules(None, &[]);
        assert_eq!(found[0].rule, DECISION);
        assert_eq!(found[0].what, "nobody decided about A-001");
        let found = rules(Some(&ruling(Decision::Accepted, "faster", &[])), &[]);
        assert_eq!(found[0].mend, "git exp decide A-001 accept --because \"…\" --next \"…\"");
    }

    #[test]
    fn sides_without_a_result_are_told() {
        let ruling = ruling(Decision::Rejected, "nothing came of it", &[]);
        let found = breaches(&Ending {
            experiment: "A-001",
            baseline: "main",
            has_baseline_result: false,
            has_result: false,
            ruling: Some(&ruling),
            worse: &[],
        });
        assert_eq!(found.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), [BASELINE_RESULT, RESULT]);
    }

    #[test]
    fn a_result_is_more_than_what_is_always_measured() {
        let has = |name: &str, asked: &[Criterion]| {
            let made = Made::new(1).run(0, &[(name, 1.0)], |_| {});
            let trials: Vec<Trial<'_>> = made.runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
            has_result(&cells(&trials)[0], asked)
        };
        assert!(has("val_loss", &[]));
        assert!(!has("wall_time", &[]));
        assert!(has("wall_time", &["wall_time <= -5%".parse().expect("the criterion is right")]));
    }

    #[test]
    fn what_got_worse_is_read_from_the_evidence() {
        let stored = serde_json::json!({
            "metrics": [
                {"name": "step_time", "verdict": "better", "negligible": false, "exploratory": false},
                {"name": "val_loss", "verdict": "worse", "negligible": false, "exploratory": false},
                {"name": "val_loss", "case": "b8", "verdict": "worse", "negligible": false, "exploratory": false},
                {"name": "peak_rss", "verdict": "worse", "negligible": true, "exploratory": false},
                {"name": "wall_time", "verdict": "worse", "negligible": false, "exploratory": false},
                {"name": "latency", "verdict": "worse", "negligible": false, "exploratory": true},
            ],
            "criteria": [
                {"metric": "step_time", "role": "primary", "answer": "fails"},
                {"metric": "accuracy", "role": "guardrail", "answer": "fails"},
            ],
        });
        assert_eq!(worse_in(&stored), ["val_loss", "accuracy"]);
        assert_eq!(worse_in(&Json::Null), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_regression_that_the_reason_names_is_acknowledged(
            name in "[a-z]{3,6}(_[a-z]{3,6})?", before in "[0-9 ]{0,9}", as_words in any::<bool>(),
        ) {
            let silent = ruling(Decision::Accepted, &before, &["on"]);
            prop_assert_eq!(rules(Some(&silent), &[&name]).len(), 1);
            let word = if as_words { name.replace('_', " ") } else { name.clone() };
            let spoken = ruling(Decision::Accepted, &format!("{before} despite {word}."), &["on"]);
            prop_assert_eq!(rules(Some(&spoken), &[&name]), []);
        }
    }
}
