//! Whether a criterion or a guardrail holds.

use super::matchup::DeclaredLook;
use super::row::{Data, Judged};
use crate::domain::criterion::{Criterion, Operator, Target};
use crate::domain::failure_rate::{self, Failures};
use crate::domain::metric::{Kind, Scale};
use crate::domain::statistics::noninferiority::{Answer, answer};
use crate::domain::statistics::power::{Sides, WANTED_POWER};
use crate::domain::statistics::student::Student;
use crate::domain::statistics::{Interval, Level, Spread};

/// What a criterion is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first acceptance criterion: what the verdict is about.
    Primary,
    /// A further acceptance criterion: it informs.
    Further,
    /// A guardrail: it must be shown to hold.
    Guard,
}

impl Role {
    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Further => "further",
            Self::Guard => "guardrail",
        }
    }
}

/// A criterion and the answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The criterion.
    pub criterion: Criterion,
    /// What it is for.
    pub role: Role,
    /// Whether it is shown to hold.
    pub answer: Answer,
    /// The bounds that it was judged by, each alone at 95 %.
    pub bounds: Option<Interval>,
    /// Why it is unclear, where the bounds do not say.
    pub reason: Option<String>,
    /// How many trials a side would show it, given the noise seen and the effect as it is estimated.
    pub trials_needed: Option<usize>,
}

/// The word for an answer in output.
pub fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Holds => "holds",
        Answer::Fails => "fails",
        Answer::Unclear => "unclear",
    }
}

/// The answer to one criterion, at 95 %.
///
/// `rows` are those of its metric: the metric as a whole first, then its cases. A criterion holds by the whole, and is
/// not shown where a single case fails.
pub(super) fn answered(
    criterion: &Criterion,
    role: Role,
    rows: &[Judged],
    look: Option<DeclaredLook>,
) -> Answered {
    let mut answered = Answered {
        criterion: criterion.clone(),
        role,
        answer: Answer::Unclear,
        bounds: None,
        reason: None,
        trials_needed: None,
    };
    let Some(whole) = rows.first() else {
        answered.reason = Some(format!("no run reports `{}`", criterion.metric));
        return answered;
    };
    match bounds(criterion, whole, Level::FIVE_PERCENT) {
        Err(reason) => answered.reason = Some(reason),
        Ok(bounds) => {
            answered.bounds = Some(bounds);
            answered.answer = by_bounds(criterion, Some(bounds));
        }
    }
    if answered.bounds.is_some() && answered.answer == Answer::Unclear {
        answered.trials_needed =
            whole.data.as_ref().and_then(|data| trials_needed(criterion, whole.row.kind, data));
    }
    if answered.answer == Answer::Holds {
        let failing: Vec<&str> = rows[1..]
            .iter()
            .filter(|case| holds_at(criterion, case, Level::FIVE_PERCENT) == Answer::Fails)
            .filter_map(|case| case.row.case.as_deref())
            .collect();
        if !failing.is_empty() {
            answered.answer = Answer::Unclear;
            answered.reason =
                Some(format!("it holds over all cases together, and fails for {}", failing.join(", ")));
        }
    }
    if let Some(look) = look.filter(|_| answered.answer == Answer::Holds)
        && look.level.is_none_or(|level| holds_at(criterion, whole, level) != Answer::Holds)
    {
        answered.answer = Answer::Unclear;
        let level = look.level.map_or(100.0, |level| 100.0 * (1.0 - level.share()));
        answered.reason =
            Some(format!("it holds at 95 %, and look {} of {} asks for {level:.3} %", look.number, look.of));
    }
    if role == Role::Guard && answered.answer == Answer::Holds && whole.row.is_exploratory {
        answered.answer = Answer::Unclear;
        answered.reason = Some("the sides ran at different times, so it is not shown".to_owned());
    }
    answered
}

/// The answer to a criterion by bounds of another level.
pub(super) fn holds_at(criterion: &Criterion, judged: &Judged, level: Level) -> Answer {
    bounds(criterion, judged, level).map_or(Answer::Unclear, |bounds| by_bounds(criterion, Some(bounds)))
}

/// The answer to a criterion, given bounds on the scale of its target.
fn by_bounds(criterion: &Criterion, bounds: Option<Interval>) -> Answer {
    let (Target::Relative(target) | Target::Change(target) | Target::Absolute(target)) = criterion.target;
    answer(bounds, criterion.operator, target)
}

fn bounds(criterion: &Criterion, judged: &Judged, level: Level) -> Result<Interval, String> {
    if let Some(refusal) = &judged.refusal {
        return Err(refusal.clone());
    }
    let data = judged.data.as_ref().ok_or_else(|| "there is nothing to judge".to_owned())?;
    let incomplete = judged.row.remarks.iter().find(|remark| remark.contains("have it"));
    if let Some(remark) = incomplete {
        return Err(format!("only {remark}"));
    }
    let scale = match criterion.target {
        Target::Absolute(_) => {
            if judged.row.kind == Kind::Exact {
                let value = data.candidate.smallest();
                return Ok(Interval { low: value, high: value });
            }
            let few = || match data.candidate.size() {
                1 => "1 trial is too few for a bound".to_owned(),
                size => format!("{size} trials are too few for a bound"),
            };
            let student =
                Student::of_mean(&data.candidate).filter(|_| data.candidate.size() > 2).ok_or_else(few)?;
            if data.candidate.is_constant() {
                return Err("all values are equal, so there is no spread to judge by".to_owned());
            }
            return Ok(student.bounds(level));
        }
        Target::Relative(_) => Scale::Ratio,
        Target::Change(_) => Scale::Difference,
    };
    let estimate = data.estimate_at(level, judged.row.kind, scale)?;
    if estimate.spread == Spread::None {
        return Err("all values are equal, so there is no spread to judge by".to_owned());
    }
    let bounds = estimate.bounds.ok_or_else(|| "there are too few trials for a bound".to_owned())?;
    // What the time between the sides may have moved is taken off, where it is known.
    Ok(match (judged.slack, scale == judged.row.scale) {
        (Some(slack), true) if slack > 0.0 => widened(bounds, scale, slack),
        _ => bounds,
    })
}

fn widened(bounds: Interval, scale: Scale, slack: f64) -> Interval {
    match scale {
        Scale::Ratio => Interval {
            low: (1.0 + bounds.low) * (-slack).exp() - 1.0,
            high: (1.0 + bounds.high) * slack.exp() - 1.0,
        },
        Scale::Difference => Interval { low: bounds.low - slack, high: bounds.high + slack },
    }
}

/// How many trials a side would show the criterion, if the effect is what it is estimated to be.
fn trials_needed(criterion: &Criterion, kind: Kind, data: &Data) -> Option<usize> {
    let (distance, scale) = distance(criterion, kind, data).filter(|(distance, _)| *distance > 0.0)?;
    data.noise(kind, scale, Sides::One)?.trials_needed(distance, WANTED_POWER)
}

/// The chance that `trials` a side show the criterion, if effect and noise are what they seem.
pub(super) fn chance(criterion: &Criterion, kind: Kind, data: &Data, trials: usize) -> Option<f64> {
    let (distance, scale) = distance(criterion, kind, data)?;
    let noise = data.noise(kind, scale, Sides::One)?;
    Some(noise.chance(trials, distance))
}

/// How far the estimate lies on the good side of the target, on the scale on which its noise is known.
fn distance(criterion: &Criterion, kind: Kind, data: &Data) -> Option<(f64, Scale)> {
    let (scale, target) = match criterion.target {
        Target::Relative(target) => (Scale::Ratio, target),
        Target::Change(target) => (Scale::Difference, target),
        Target::Absolute(_) => return None,
    };
    let delta = data.estimate_at(Level::FIVE_PERCENT, kind, scale).ok()?.delta;
    let above = match scale {
        Scale::Ratio => ((1.0 + delta) / (1.0 + target)).ln(),
        Scale::Difference => delta - target,
    };
    let distance = match criterion.operator {
        Operator::AtMost => -above,
        Operator::AtLeast => above,
    };
    distance.is_finite().then_some((distance, scale))
}

/// The answer to a criterion on the failure rate.
pub(super) fn answered_for_failures(
    criterion: &Criterion,
    role: Role,
    baseline: Failures,
    candidate: Failures,
) -> Answered {
    let each_side = Level::FIVE_PERCENT;
    let (bounds, reason) = match criterion.target {
        Target::Change(_) => (
            failure_rate::difference(baseline, candidate, each_side).map(|(_, bounds)| bounds),
            Some("there are no trials".to_owned()),
        ),
        Target::Absolute(_) => (candidate.interval(each_side), Some("there are no trials".to_owned())),
        Target::Relative(_) => {
            (None, Some("a failure rate may be zero; write it as `base + 0.1`".to_owned()))
        }
    };
    Answered {
        criterion: criterion.clone(),
        role,
        answer: by_bounds(criterion, bounds),
        bounds,
        reason: reason.filter(|_| bounds.is_none()),
        trials_needed: None,
    }
}
