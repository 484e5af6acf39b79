//! Stop criteria: when a topic is over.

use std::fmt;

use jiff::civil::Date;

use super::brief::Budget;
use super::criterion::{Criterion, Operator, Target};
use super::decision::Decision;
use super::quantity::parse_budget;

/// When a topic is over.
#[derive(Clone, Debug, PartialEq)]
pub enum StopCriterion {
    /// So many experiments in a row were decided and none of them accepted.
    Fruitless(usize),
    /// A metric reached a target, in this unit where one was said.
    Reached(Criterion, Option<String>),
    /// All its experiments together cost so much.
    Spent(Budget),
    /// That day has come.
    Day(Date),
    /// Something that only people can judge.
    Words,
}

/// Whether a stop criterion is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is.
    Met(String),
    /// It is not yet.
    NotYet(String),
    /// It cannot be told, or people have to judge.
    Unknown(String),
}

impl Stop {
    /// The word for it in output.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Met(_) => "met",
            Self::NotYet(_) => "not yet",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What it stands on.
    pub fn why(&self) -> &str {
        match self {
            Self::Met(why) | Self::NotYet(why) | Self::Unknown(why) => why,
        }
    }

    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        matches!(self, Self::Met(_))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), self.why())
    }
}

/// What a topic has come to, as far as stop criteria ask.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What was decided about its experiments, in the order of time.
    pub decisions: Vec<Decision>,
    /// What its runs cost together.
    pub spent: Budget,
    /// Today.
    pub today: Date,
}

/// What a metric came to in a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reached {
    /// The best value, and the experiment that has it.
    pub best: Option<(f64, String)>,
    /// What the first baseline has.
    pub baseline: Option<f64>,
    /// The unit it is reported in.
    pub unit: Option<String>,
}

impl StopCriterion {
    /// What `text` asks; words where it is nothing that can be evaluated.
    pub fn of(text: &str) -> Self {
        if let Some(count) = fruitless(text) {
            return Self::Fruitless(count);
        }
        if let Ok(criterion) = text.parse() {
            return Self::Reached(criterion, None);
        }
        if let Some((rest, unit)) = text.trim().rsplit_once(char::is_whitespace)
            && let Ok(criterion @ Criterion { target: Target::Absolute(_), .. }) = rest.parse::<Criterion>()
        {
            return Self::Reached(criterion, Some(unit.to_owned()));
        }
        if let Ok(budget) = parse_budget(text) {
            return Self::Spent(budget);
        }
        if let Ok(day) = text.trim().parse() {
            return Self::Day(day);
        }
        Self::Words
    }

    /// Whether it is met; `reached` says what a metric came to.
    pub fn judge(&self, progress: &Progress, reached: impl FnOnce(&Criterion) -> Reached) -> Stop {
        match self {
            Self::Fruitless(wanted) => {
                let decided = progress.decisions.iter().filter(|it| **it != Decision::Iterate);
                let since = decided.rev().take_while(|it| **it != Decision::Accepted).count();
                let many = if since == 1 { "experiment" } else { "experiments" };
                let why = format!("{since} {many} in a row brought no improvement");
                if since >= *wanted { Stop::Met(why) } else { Stop::NotYet(why) }
            }
            Self::Reached(criterion, unit) => judge_metric(criterion, unit.as_deref(), &reached(criterion)),
            Self::Spent(budget) => judge_budget(*budget, progress.spent),
            Self::Day(day) if progress.today >= *day => Stop::Met(format!("it is {}", progress.today)),
            Self::Day(_) => Stop::NotYet(format!("it is {}", progress.today)),
            Self::Words => Stop::Unknown("for people to judge".to_owned()),
        }
    }
}

/// The number in `3 experiments without improvement`.
fn fruitless(text: &str) -> Option<usize> {
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [count, "experiment" | "experiments", rest @ ..]
            if matches!(rest, ["without" | "with", ..]) && rest.contains(&"improvement") =>
        {
            count.parse().ok().filter(|count| *count > 0)
        }
        _ => None,
    }
}

fn judge_metric(criterion: &Criterion, unit: Option<&str>, reached: &Reached) -> Stop {
    let Some((best, experiment)) = &reached.best else {
        return Stop::NotYet(format!("nothing that was not rejected has `{}` yet", criterion.metric));
    };
    if let (Some(wanted), Some(reported)) = (unit, reached.unit.as_deref())
        && wanted != reported
    {
        return Stop::Unknown(format!("`{}` is reported in {reported}, not in {wanted}", criterion.metric));
    }
    let target = match (criterion.target, reached.baseline) {
        (Target::Absolute(target), _) => target,
        (Target::Relative(change), Some(baseline)) => baseline * (1.0 + change),
        (Target::Change(change), Some(baseline)) => baseline + change,
        (_, None) => {
            return Stop::Unknown(format!(
                "the first baseline has no `{}` to hold it against",
                criterion.metric
            ));
        }
    };
    let is_met = match criterion.operator {
        Operator::AtMost => *best <= target,
        Operator::AtLeast => *best >= target,
    };
    let unit = reached.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let against = match (criterion.target, reached.baseline) {
        (Target::Absolute(_), _) | (_, None) => String::new(),
        (_, Some(baseline)) => format!(", the first baseline {}{unit}", short(baseline)),
    };
    let why = format!("{experiment} has {}{unit}{against}", short(*best));
    if is_met { Stop::Met(why) } else { Stop::NotYet(why) }
}

fn judge_budget(budget: Budget, spent: Budget) -> Stop {
    let time = |seconds: f64| match seconds {
        ..60.0 => format!("{} s", short(seconds.max(0.0))),
        60.0..3600.0 => format!("{} min", short((seconds / 6.0).round() / 10.0)),
        _ => format!("{} h", short((seconds / 360.0).round() / 10.0)),
    };
    let mut parts = Vec::new();
    let mut is_met = false;
    for (limit, spent, what) in [
        (budget.wall_seconds, spent.wall_seconds, "wall time"),
        (budget.accelerator_seconds, spent.accelerator_seconds, "accelerator time"),
    ] {
        if let Some(limit) = limit {
            let spent = spent.unwrap_or(0.0);
            is_met |= spent >= limit;
            parts.push(format!("{} of {} of {what}", time(spent), time(limit)));
        }
    }
    if let Some(limit) = budget.runs {
        let spent = spent.runs.unwrap_or(0);
        is_met |= spent >= limit;
        parts.push(format!("{spent} of {limit} runs"));
    }
    let why = format!("{} spent", parts.join(", "));
    if is_met { Stop::Met(why) } else { Stop::NotYet(why) }
}

/// A number with three digits or so.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if value != 0.0 && value.abs() < 0.001 { format!("{value:.3e}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        use Decision::{Accepted, Iterate, Rejected};
        Progress {
            decisions: vec![Rejected, Accepted, Rejected, Iterate, Rejected],
            spent: Budget { wall_seconds: Some(5400.0), accelerator_seconds: None, runs: Some(12) },
            today: "2026-11-21".parse().expect("a day"),
        }
    }

    fn judged(text: &str) -> String {
        let reached = |criterion: &Criterion| match criterion.metric.as_str() {
            "step_time" => Reached {
                best: Some((9.5, "A-002".to_owned())),
                baseline: Some(12.0),
                unit: Some("ms".to_owned()),
            },
            _ => Reached::default(),
        };
        StopCriterion::of(text).judge(&progress(), reached).to_string()
    }

    #[test]
    fn a_stop_criterion_is_judged_by_what_there_is() {
        insta::assert_snapshot!(judged("3 experiments without improvement"), @"not yet: 2 experiments in a row brought no improvement");
        insta::assert_snapshot!(judged("2 experiments without improvement"), @"met: 2 experiments in a row brought no improvement");
        insta::assert_snapshot!(judged("step_time <= 9 ms"), @"not yet: A-002 has 9.5 ms");
        insta::assert_snapshot!(judged("step_time <= 9.5 ms"), @"met: A-002 has 9.5 ms");
        insta::assert_snapshot!(judged("step_time <= 9 s"), @"unknown: `step_time` is reported in ms, not in s");
        insta::assert_snapshot!(judged("step_time <= -20%"), @"met: A-002 has 9.5 ms, the first baseline 12 ms");
        insta::assert_snapshot!(judged("loss <= 1"), @"not yet: nothing that was not rejected has `loss` yet");
        insta::assert_snapshot!(judged("wall=1h"), @"met: 1.5 h of 1 h of wall time spent");
        insta::assert_snapshot!(judged("wall=8h,runs=40"), @"not yet: 1.5 h of 8 h of wall time, 12 of 40 runs spent");
        insta::assert_snapshot!(judged("2026-12-01"), @"not yet: it is 2026-11-21");
        insta::assert_snapshot!(judged("when the reviewers are content"), @"unknown: for people to judge");
    }
}
