//! The experiment beside its baseline: like with like, one axis, seeds, trials, contention.

use super::{Checked, Found, Subject};
use crate::commands::comparing::compared_aside;
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::likeness::{BASELINE, Demands, ONE_AXIS, breaches, differences};
use crate::domain::check::posting::Said;
use crate::domain::check::{done, set_aside};
use crate::domain::comparison::Comparison;
use crate::domain::decision::Decision;
use crate::error::{Error, Fault};
use crate::log::index::Index;

/// How an experiment stands beside its baseline.
pub enum Standing {
    /// It has no runs.
    NothingRan,
    /// It has runs, and cannot be compared, as said.
    NotComparable(String),
    /// It was compared.
    Compared(Compared),
}

/// What the other groups need to know of a comparison.
pub struct Compared {
    /// The baseline, as it is called.
    pub baseline: String,
    /// How many accelerators its newest run was charged for.
    pub accelerators: u32,
    /// Whether the baseline has a result.
    pub has_baseline_result: bool,
    /// Whether the experiment has one.
    pub has_result: bool,
    /// What the numbers say.
    pub said: Said,
}

/// Compares the experiment with the baseline of its brief, unseen.
pub fn look(
    context: &mut Context,
    index: &mut Index,
    subject: &Subject<'_>,
    checked: Checked<'_>,
    found: &mut Found,
) -> Result<Standing, Error> {
    let brief = &checked.registered.current.brief;
    let Some(word) = brief.baseline.as_deref().filter(|_| checked.experiment.runs.total() > 0) else {
        return Ok(Standing::NothingRan);
    };
    let topic = checked.experiment.topic().and_then(|name| subject.state.topics.get(name));
    let scope = topic.map(|it| it.topic.scope.clone()).unwrap_or_default();
    let rules = context.rules_for(checked.experiment.topic())?;
    let demands = Demands {
        experiment: checked.name,
        scope: &scope,
        is_given_up: checked.experiment.decision() == Some(Decision::Rejected),
        may_differ: !set_aside(&subject.state.overrides, ONE_AXIS, checked.experiment, &rules).is_empty(),
    };
    let compared = compared_aside(context, index, subject.state, checked.name, |comparison| {
        (breaches(comparison, &demands), differences(comparison), facts(comparison, &brief.accept))
    });
    match compared {
        Ok((unlike, differences, compared)) => {
            found.breaches.extend(unlike);
            found.notes.push(differences);
            Ok(Standing::Compared(compared))
        }
        Err(error) if error.fault == Fault::Outside => Err(error),
        Err(error) => {
            let why = error.causes.first().unwrap_or(&error.message).clone();
            found.breaches.push(Breach::new(
                BASELINE,
                format!("{} cannot be compared with its baseline `{word}`: {why}", checked.name),
                format!(
                    "git exp run -e {} --against {word} -n {} -- <command>",
                    checked.name,
                    brief.planned_trials()
                ),
            ));
            Ok(Standing::NotComparable(why))
        }
    }
}

fn facts(comparison: &Comparison<'_>, asked: &[crate::domain::criterion::Criterion]) -> Compared {
    let (baseline, _) = comparison.matchup.representatives();
    let mut reasons = comparison.reasons.clone();
    if reasons.is_empty() {
        reasons.push(comparison.confidence_reason.clone());
    }
    Compared {
        baseline: comparison.matchup.names.0.clone(),
        accelerators: baseline.run.accelerators,
        has_baseline_result: done::has_result(&comparison.matchup.baseline, asked),
        has_result: done::has_result(&comparison.matchup.candidate, asked),
        said: Said { outcome: Ok(comparison.outcome), confidence: comparison.confidence, reasons },
    }
}
