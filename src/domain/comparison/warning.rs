//! What makes a comparison weaker than its numbers look.

use super::matchup::Matchup;
use super::row::Judged;
use crate::domain::cell::{Cell, Outcome};
use crate::domain::difference::{Axis, Difference};
use crate::domain::metric::{Kind, Scale};
use crate::domain::number::counted;
use crate::domain::statistics::drift::Drift;
use crate::domain::statistics::{Design, Sample};

/// A p-value of drift below this is warned about; so low, since many metrics are looked at.
const DRIFT: f64 = 0.01;
/// A load average this much higher on one side is warned about.
const LOAD: f64 = 1.0;

/// The warnings about two cells, each a clause.
///
/// Drift is looked for in the `asked` metrics only, or in all where none is asked for: among many, some seem to drift.
pub(super) fn warnings(
    matchup: &Matchup<'_>,
    difference: &Difference,
    rows: &[Judged],
    asked: &[&str],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !matchup.is_one_hardware() {
        warnings.push(format!(
            "the sides ran on different hardware ({} and {}): not like with like",
            matchup.baseline.hardware(),
            matchup.candidate.hardware()
        ));
    }
    if !matchup.is_one_evaluation() {
        warnings.push("the sides were evaluated by different code: not like with like".to_owned());
    }
    let unlike: Vec<&str> = difference
        .axes()
        .into_iter()
        .filter(|axis| matches!(axis, Axis::Inputs | Axis::Dataset | Axis::Environment))
        .map(Axis::word)
        .collect();
    if !unlike.is_empty() {
        warnings.push(format!("not like with like: {} differ", unlike.join(", ")));
    }
    if difference.axes_differing() > 1 {
        let axes: Vec<&str> = difference.axes().into_iter().map(Axis::word).collect();
        warnings.push(format!(
            "{} axes differ ({}): no result can be put down to one of them",
            axes.len(),
            axes.join(", ")
        ));
    }
    let is_measured = rows.iter().any(|judged| judged.row.kind == Kind::Measured);
    if is_measured && matchup.design == Design::Unpaired {
        warnings.extend(apart(matchup));
        warnings.extend(drifts(rows, asked));
    }
    warnings.extend(contention(matchup));
    for (side, cell) in sides(matchup) {
        let failed = cell.count(Outcome::Failed);
        if failed > 0 {
            warnings.push(format!("{failed} of {} trials of the {side} failed", cell.trials().len()));
        }
        let changed = cell.trials().iter().filter(|trial| trial.run.evaluation_changed).count();
        if changed > 0 {
            warnings.push(format!(
                "{changed} of {} trials of the {side} ran under evaluation code that changed since the topic began",
                cell.trials().len()
            ));
        }
        let inexact = cell.trials().iter().filter(|trial| !trial.run.code.is_exact()).count();
        if inexact > 0 {
            let trials = counted(inexact, "trial");
            warnings.push(format!("the recorded code of {trials} of the {side} is not exactly what ran"));
        }
    }
    warnings
}

fn sides<'m, 'a>(matchup: &'m Matchup<'a>) -> [(&'static str, &'m Cell<'a>); 2] {
    [("baseline", &matchup.baseline), ("candidate", &matchup.candidate)]
}

fn apart(matchup: &Matchup<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let gap = matchup.baseline.gap_seconds(&matchup.candidate);
    if gap > 0.0 {
        warnings.push(format!(
            "the sides ran {} apart; `git exp run --against` runs them in pairs",
            span_words(gap)
        ));
    }
    let boots = |cell: &Cell<'_>| -> Vec<String> {
        let mut boots: Vec<String> =
            cell.trials().iter().filter_map(|trial| trial.run.boot.clone()).collect();
        boots.sort();
        boots.dedup();
        boots
    };
    let (from, to) = (boots(&matchup.baseline), boots(&matchup.candidate));
    if !from.is_empty() && !to.is_empty() && !from.iter().any(|boot| to.contains(boot)) {
        warnings.push("the machine was started anew between the sides".to_owned());
    }
    warnings
}

fn drifts(rows: &[Judged], asked: &[&str]) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_asked = |name: &str| asked.is_empty() || asked.contains(&name);
    for judged in rows.iter().filter(|it| it.row.kind == Kind::Measured && it.row.case.is_none()) {
        if !is_asked(&judged.row.name) {
            continue;
        }
        let Some(data) = &judged.data else { continue };
        for (side, sample) in [("baseline", &data.baseline), ("candidate", &data.candidate)] {
            let on_scale = match judged.row.scale {
                Scale::Ratio => sample.logs().ok(),
                Scale::Difference => Sample::new(sample.values()).ok(),
            };
            let Some(drift) = on_scale.as_ref().and_then(Drift::of) else { continue };
            if drift.trend_p_value < DRIFT {
                warnings.push(format!(
                    "`{}` of the {side} drifts from trial to trial (rank correlation with time {:.2})",
                    judged.row.name, drift.trend
                ));
            } else if drift.lag_one_p_value < DRIFT {
                warnings.push(format!(
                    "`{}` of the {side} sways: a trial resembles the one before (lag-1 correlation {:.2})",
                    judged.row.name, drift.lag_one
                ));
            }
        }
    }
    warnings
}

/// What else the machine had to do when compared runs began, each a clause.
pub fn contention(matchup: &Matchup<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (side, cell) in sides(matchup) {
        let beside =
            cell.trials().iter().filter(|trial| !trial.run.load.accelerator_processes.is_empty()).count();
        if beside > 0 {
            warnings.push(format!(
                "something else was on an accelerator when {beside} of {} trials of the {side} began",
                cell.trials().len()
            ));
        }
    }
    let load = |cell: &Cell<'_>| -> Option<f64> {
        let mut loads: Vec<f64> =
            cell.trials().iter().filter_map(|trial| trial.run.load.load_average).collect();
        loads.sort_by(f64::total_cmp);
        loads.get(loads.len() / 2).copied()
    };
    if let (Some(from), Some(to)) = (load(&matchup.baseline), load(&matchup.candidate)) {
        let (low, high) = (from.min(to), from.max(to));
        if high - low > LOAD && high > 2.0 * low {
            warnings.push(format!("the machine was busier on one side: load {from:.1} against {to:.1}"));
        }
    }
    warnings
}

/// A time in the unit that fits, in words.
fn span_words(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 2.0 * 86_400.0 => format!("{:.0} days", seconds / 86_400.0),
        seconds if seconds >= 2.0 * 3_600.0 => format!("{:.0} hours", seconds / 3_600.0),
        seconds if seconds >= 120.0 => format!("{:.0} minutes", seconds / 60.0),
        seconds if seconds >= 1.0 => format!("{seconds:.0} s"),
        _ => "less than a second".to_owned(),
    }
}
