//! What to do next with an experiment: why, and the exact command. What `status` and `handoff` share.

use crate::domain::brief::Brief;
use crate::domain::decision::Decision;
use crate::domain::experiment::Stage;
use crate::domain::metric::{Kind, built_in};
use crate::domain::run::Run;
use crate::domain::spending::Spending;
use crate::domain::state::ExperimentState;
use crate::render::status::BudgetLeft;
use crate::render::text::command_line;

/// What is left of an experiment's budget.
pub fn budget_left(experiment: &ExperimentState, spending: Spending) -> BudgetLeft {
    let Some(brief) = experiment.brief() else { return BudgetLeft::default() };
    BudgetLeft {
        wall_seconds: brief.budget.wall_seconds.map(|all| (all - spending.wall_seconds, all)),
        accelerator_seconds: brief
            .budget
            .accelerator_seconds
            .map(|all| (all - spending.accelerator_seconds, all)),
        runs: brief.budget.runs.map(|all| {
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            (signed(all) - signed(spending.runs), all)
        }),
    }
}

/// What to do next with an experiment of which `runs_here` runs are under way and that ran `newest` last.
pub fn of_experiment(
    experiment: &ExperimentState,
    budget: BudgetLeft,
    runs_here: usize,
    newest: Option<&Run>,
) -> Option<(String, String)> {
    let name = experiment.name();
    let brief = experiment.brief()?;
    let missing = brief.missing();
    if !missing.is_empty() {
        let options: Vec<&str> = missing.iter().map(|(_, option)| *option).collect();
        let why = "complete the brief, without which nothing runs".to_owned();
        return Some((why, format!("git exp brief {name} {}", options.join(" "))));
    }
    let is_spent = budget.is_spent();
    let stage = experiment.stage()?;
    match stage {
        Stage::Decided => {
            Some(("put it away; its code and numbers stay".to_owned(), format!("git exp archive {name}")))
        }
        Stage::Proposed | Stage::Designed | Stage::Running if !is_spent => {
            let under_way = runs_here as u64;
            let done = experiment.runs.trials() + under_way;
            let planned = u64::from(brief.planned_trials());
            let left = planned.saturating_sub(done);
            if left == 0 {
                return Some(("the last planned runs are under way".to_owned(), "git exp status".to_owned()));
            }
            let why = format!("run what is left of {planned} planned trials");
            let against = in_pairs_with(brief, newest);
            Some((why, run_what_is_left(left, against, newest)))
        }
        _ if !is_spent && experiment.decision() == Some(Decision::Iterate) => Some((
            "change what was to be changed and run again, or decide anew".to_owned(),
            format!("git exp run -n {} -- <command>", brief.planned_trials()),
        )),
        _ if experiment.runs.total() == 0 => {
            let why = "the budget is spent before anything ran".to_owned();
            Some((why, format!("git exp brief {name} --budget \"…\"")))
        }
        _ => {
            let spent = if is_spent { "the budget is spent; " } else { "" };
            let decide = format!("git exp decide {name} accept|reject|iterate --because \"…\"");
            let why = format!("{spent}see what the numbers say, then {decide}");
            Some((why, format!("git exp compare {name}")))
        }
    }
}

/// The baseline that runs should go in pairs with: where the brief is about what varies with the machine, or they did so far.
fn in_pairs_with<'a>(brief: &'a Brief, newest: Option<&Run>) -> Option<&'a str> {
    // Labels and filters name runs, and no code that could run again.
    let baseline = brief.baseline.as_deref().filter(|word| !word.contains(':'))?;
    let primary = brief.accept.first()?.metric.as_str();
    let reported = newest.and_then(|run| run.metrics.get(primary)?.kind);
    let kind = reported.or_else(|| built_in(primary)?.kind);
    let are_pairs = newest.is_some_and(|run| run.pair.is_some());
    (are_pairs || (newest.is_none() && kind == Some(Kind::Measured))).then_some(baseline)
}

/// The command that runs `left` more trials of what ran last, each with a seed that was not used before.
fn run_what_is_left(left: u64, against: Option<&str>, newest: Option<&Run>) -> String {
    let against = against.map(|word| format!("--against {} ", command_line(&[word]))).unwrap_or_default();
    let command = newest.map_or_else(|| "<command>".to_owned(), |run| command_line(&run.argv));
    let trials = match newest.and_then(|run| run.seed) {
        Some(seed) if left <= 16 => {
            let seeds: Vec<String> = (1..=left).map(|more| seed.saturating_add(more).to_string()).collect();
            format!("--seed {}", seeds.join(","))
        }
        _ => format!("-n {left}"),
    };
    format!("git exp run {against}{trials} -- {command}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::difference::tests::a_run;
    use crate::domain::run::{Pair, PairSide};

    #[test]
    fn what_is_left_goes_on_with_seeds_that_were_not_used() {
        let mut run = a_run();
        let command = "-- python train.py --name 'a b'";
        assert_eq!(run_what_is_left(2, None, Some(&run)), format!("git exp run --seed 8,9 {command}"));
        run.seed = None;
        assert_eq!(run_what_is_left(2, None, Some(&run)), format!("git exp run -n 2 {command}"));
        assert_eq!(run_what_is_left(5, None, None), "git exp run -n 5 -- <command>");
        assert_eq!(
            run_what_is_left(2, Some("main"), Some(&run)),
            format!("git exp run --against main -n 2 {command}")
        );
    }

    #[test]
    fn what_varies_with_the_machine_is_to_run_in_pairs() {
        let brief = |criterion: &str, baseline: &str| Brief {
            baseline: Some(baseline.to_owned()),
            accept: vec![criterion.parse().expect("a criterion")],
            ..Brief::default()
        };
        assert_eq!(in_pairs_with(&brief("wall_time <= -8%", "main"), None), Some("main"));
        assert_eq!(in_pairs_with(&brief("wall_time <= -8%", "label:old"), None), None);
        assert_eq!(in_pairs_with(&brief("loss <= -8%", "main"), None), None);
        let pair = Pair { number: 1, side: PairSide::Candidate, first: true };
        let run = Run { pair: Some(pair), ..a_run() };
        assert_eq!(in_pairs_with(&brief("loss <= -8%", "main"), Some(&run)), Some("main"));
    }
}
