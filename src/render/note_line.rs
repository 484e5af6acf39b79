//! What a Git note says of runs: one short line a run, and one line that sums up many.
//!
//! A line depends on the run alone, so that the notes can be rebuilt from the log at any time.

use std::collections::BTreeMap;

use super::experiment::runs_in_words;
use super::number;
use super::table::cut;
use super::text::harmless;
use crate::domain::metric::{BUILT_IN, Value};
use crate::domain::run::{Run, Status};

/// How many runs of one experiment have a line of their own on one commit.
pub const MOST_LINES: u64 = 50;

/// How many metrics a line shows.
const METRICS: usize = 4;

/// The widest that a line gets.
const WIDTH: usize = 200;

/// One run in one line: `A-001 ok step_time=12.3 ms val_loss=2.31 (trial 2/5, seed 7) a1b2c3d4`.
///
/// `short` names the run's entry. A run of uncommitted changes, noted on the commit they were on top of, is marked `dirty`.
pub fn line(short: &str, run: &Run) -> String {
    let mut words = vec![format!("{} {}", run.membership.experiment, run.status)];
    words.extend(shown_metrics(run));
    let mut about = Vec::new();
    if run.trials > 1 {
        about.push(format!("trial {}/{}", run.trial, run.trials));
    }
    if let Some(seed) = run.seed {
        about.push(format!("seed {seed}"));
    }
    if !about.is_empty() {
        words.push(format!("({})", about.join(", ")));
    }
    let mut end = format!(" {}", harmless(short));
    if run.code.base.is_some() {
        end.push_str(" dirty");
    } else if !run.code.is_exact() {
        end.push_str(" inexact");
    }
    // The ID is what one goes on with, so it is never what is cut off.
    let room = WIDTH - end.chars().count().min(WIDTH);
    format!("{}{end}", cut(&words.join(" "), room))
}

/// The reported metrics of a run, or its wall time where it reported none, as `name=value`.
fn shown_metrics(run: &Run) -> Vec<String> {
    let reported: Vec<String> = run
        .metrics
        .iter()
        .filter(|(name, _)| !is_built_in(name))
        .take(METRICS)
        .map(|(name, value)| shown_metric(name, value))
        .collect();
    if reported.is_empty() {
        return vec![format!("wall_time={}", number::seconds(run.wall_seconds))];
    }
    reported
}

fn shown_metric(name: &str, value: &Value) -> String {
    let shown = harmless(name);
    let text = |number| number::of_metric(name, number, value.unit.as_deref());
    match (value.value, value.cases.first_key_value()) {
        (Some(number), _) => format!("{shown}={}", text(number)),
        (None, Some((case, number))) if value.cases.len() == 1 => {
            format!("{shown}[{}]={}", harmless(case), text(*number))
        }
        _ => format!("{shown}={} cases", value.cases.len()),
    }
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

/// What many runs of one experiment on one commit came to; runs are added in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoteSummary {
    statuses: BTreeMap<Status, u64>,
    metrics: BTreeMap<String, Spread>,
    dirty: u64,
}

/// The values of one metric over many runs.
#[derive(Clone, Debug, PartialEq)]
struct Spread {
    unit: Option<String>,
    has_one_unit: bool,
    least: f64,
    most: f64,
}

impl NoteSummary {
    /// Takes one more run in.
    pub fn add(&mut self, run: &Run) {
        *self.statuses.entry(run.status).or_default() += 1;
        self.dirty += u64::from(run.code.base.is_some());
        let wall_time =
            Value { value: Some(run.wall_seconds), unit: Some("s".to_owned()), ..Value::default() };
        let reported = run.metrics.iter().filter(|(name, _)| !is_built_in(name));
        let own = [("wall_time", &wall_time)];
        for (name, value) in reported.map(|(name, value)| (name.as_str(), value)).chain(own) {
            let Some(number) = value.value.filter(|number| number.is_finite()) else { continue };
            match self.metrics.get_mut(name) {
                Some(spread) => {
                    spread.least = spread.least.min(number);
                    spread.most = spread.most.max(number);
                    spread.has_one_unit &= spread.unit == value.unit;
                }
                None => {
                    self.metrics.insert(
                        name.to_owned(),
                        Spread { unit: value.unit.clone(), has_one_unit: true, least: number, most: number },
                    );
                }
            }
        }
    }

    /// How many runs were taken in.
    pub fn runs(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// The line that stands for all of them: `A-001 73 runs (70 ok, 3 failed) val_loss=2.3 … 2.5`.
    pub fn line(&self, experiment: &str) -> String {
        let words = runs_in_words(&self.statuses);
        let count = match words.split_once(' ') {
            Some((total, rest)) => format!("{total} runs {rest}"),
            None => format!("{words} runs"),
        };
        let mut words = vec![format!("{} {count}", harmless(experiment))];
        let reported = self.metrics.iter().filter(|(name, _)| !is_built_in(name));
        let own = self.metrics.iter().filter(|(name, _)| self.metrics.len() == 1 && is_built_in(name));
        for (name, spread) in reported.chain(own).filter(|(_, spread)| spread.has_one_unit).take(METRICS) {
            let text = |number| number::of_metric(name, number, spread.unit.as_deref());
            let (least, most) = (text(spread.least), text(spread.most));
            let range = if least == most { least } else { format!("{least} … {most}") };
            words.push(format!("{}={range}", harmless(name)));
        }
        if self.dirty > 0 {
            words.push(format!("({} dirty)", self.dirty));
        }
        cut(&words.join(" "), WIDTH)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::render::run::tests::a_run;

    #[test]
    fn a_run_is_one_short_line() {
        let mut run = a_run();
        assert_snapshot!(line("c0ffee00", &run), @"A-001 ok step_time=2 cases val_loss=2.3123 (trial 2/5, seed 7) c0ffee00");
        let step_time = run.metrics.get_mut("step_time").expect("the run has it");
        step_time.cases.remove("b16s4096");
        assert_snapshot!(line("c0ffee00", &run), @"A-001 ok step_time[b8s4096]=12.346 ms val_loss=2.3123 (trial 2/5, seed 7) c0ffee00");
        run.code.base = Some(run.code.tree.clone());
        run.metrics.clear();
        run.seed = None;
        run.trials = 1;
        assert_snapshot!(line("c0ffee00", &run), @"A-001 ok wall_time=83.4 s c0ffee00 dirty");
    }

    #[test]
    fn a_long_line_keeps_the_id() {
        let mut run = a_run();
        run.metrics = BTreeMap::from([("m".repeat(200), Value { value: Some(1.0), ..Value::default() })]);
        let line = line("c0ffee00", &run);
        assert!(line.ends_with("… c0ffee00"), "{line}");
        assert_eq!(line.chars().count(), WIDTH);
    }

    #[test]
    fn many_runs_are_summed_up() {
        let mut summary = NoteSummary::default();
        for number in 0..73_u32 {
            let mut run = a_run();
            run.status = if number % 20 == 19 { Status::Failed } else { Status::Ok };
            run.metrics.get_mut("val_loss").expect("the run has it").value =
                Some(2.0 + f64::from(number) / 100.0);
            summary.add(&run);
        }
        assert_eq!(summary.runs(), 73);
        assert_snapshot!(summary.line("A-001"), @"A-001 73 runs (70 ok, 3 failed) val_loss=2 … 2.72");
    }

    proptest! {
        #[test]
        fn the_order_of_runs_does_not_matter(values in prop::collection::vec(-1e3_f64..1e3, 1..8)) {
            let sum = |values: &mut dyn Iterator<Item = &f64>| {
                let mut summary = NoteSummary::default();
                for value in values {
                    let mut run = a_run();
                    run.metrics.get_mut("val_loss").expect("the run has it").value = Some(*value);
                    summary.add(&run);
                }
                summary
            };
            prop_assert_eq!(sum(&mut values.iter()), sum(&mut values.iter().rev()));
        }
    }
}
