//! Whether a metric can carry an experiment: it has a direction, and its baseline varies less than what one wants to see.

use crate::domain::breach::Breach;
use crate::domain::metric::{Better, Kind, Scale};
use crate::domain::noise_floor::NoiseFloor;
use crate::domain::number::counted;
use crate::domain::number::significant;
use crate::domain::statistics::FEWEST_FOR_AN_INTERVAL;

/// The metric is declared.
pub const METRIC: &str = "metric";
/// The baseline ran often enough.
pub const BASELINE_RUNS: &str = "baseline-runs";
/// The spread is below what matters.
pub const NOISE_FLOOR: &str = "noise-floor";

/// A metric as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// The baseline, as it is called.
    pub baseline: &'a str,
    /// Whether anything declares it: the configuration, or the tool itself.
    pub is_declared: bool,
    /// The side on which it is better.
    pub better: Option<Better>,
    /// What its value depends on.
    pub kind: Option<Kind>,
    /// How much it varies over the newest runs of the baseline.
    pub floor: Option<&'a NoiseFloor>,
}

/// What stands against taking a metric for the measure of an experiment.
pub fn breaches(known: &Known<'_>) -> Vec<Breach> {
    let mut breaches = of_declaration(known);
    let Known { name, baseline, .. } = known;
    let runs = known.floor.map_or(0, |floor| floor.description.size);
    match known.floor.filter(|_| runs >= FEWEST_FOR_AN_INTERVAL) {
        None => breaches.push(Breach::new(
            BASELINE_RUNS,
            format!(
                "{} of the baseline {baseline} {} how much `{name}` varies, and {FEWEST_FOR_AN_INTERVAL} are needed",
                counted(runs, "run"),
                if runs == 1 { "tells" } else { "tell" }
            ),
            format!("git exp noise -n {FEWEST_FOR_AN_INTERVAL} -- <command>"),
        )),
        Some(floor) => breaches.extend(of_floor(floor)),
    }
    breaches
}

fn of_declaration(known: &Known<'_>) -> Vec<Breach> {
    let name = known.name;
    if !known.is_declared {
        return vec![Breach::new(
            METRIC,
            format!("`{name}` is not declared"),
            format!("write to `exp.toml`, where it was agreed on: [metrics.{name}] with `better` and `kind`"),
        )];
    }
    let mut breaches = Vec::new();
    if known.better.is_none() {
        breaches.push(Breach::new(
            METRIC,
            format!("nobody says in which direction `{name}` is better"),
            format!("write to `exp.toml`: [metrics.{name}] better = \"lower\" or \"higher\""),
        ));
    }
    if known.kind.is_none() {
        breaches.push(Breach::new(
            METRIC,
            format!("nobody says what `{name}` depends on"),
            format!("write to `exp.toml`: [metrics.{name}] kind = \"measured\", \"quality\" or \"exact\""),
        ));
    }
    breaches
}

fn of_floor(floor: &NoiseFloor) -> Vec<Breach> {
    let name = &floor.metric;
    if floor.wanted.is_empty() {
        return vec![Breach::new(
            NOISE_FLOOR,
            format!("nothing says which effect on `{name}` matters, so that no spread is small enough"),
            format!("write to `exp.toml`: [metrics.{name}] min-effect = …, or name it in a criterion"),
        )];
    }
    let size = |effect: f64| match floor.scale {
        Scale::Ratio => format!("{} %", significant(100.0 * effect.exp_m1(), 2)),
        Scale::Difference => significant(effect, 2),
    };
    let above = floor.wanted.iter().filter(|wanted| floor.spread >= wanted.effect);
    let breach = |wanted: &crate::domain::noise_floor::Wanted| {
        let trials = match wanted.trials_needed {
            Some(trials) => {
                format!("plan about {trials} trials a side (git exp brief <ID> --trials {trials})")
            }
            None => "find what makes it vary".to_owned(),
        };
        Breach::new(
            NOISE_FLOOR,
            format!(
                "`{name}` varies by {} from run to run, and {} is to be seen",
                size(floor.spread),
                size(wanted.effect)
            ),
            format!("{trials}, or run in pairs: git exp run --against …"),
        )
    };
    above.map(breach).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::cell::{Trial, cells};
    use crate::domain::comparison::tests::Made;
    use crate::domain::metric::Definition;
    use crate::domain::noise_floor::noise_floors;

    fn rules(values: &[f64], declared: Option<Definition>) -> Vec<Breach> {
        let made = Made::new(1).values("val_loss", values);
        let trials: Vec<Trial<'_>> = made.runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
        let declared: BTreeMap<String, Definition> =
            declared.map(|it| ("val_loss".to_owned(), it)).into_iter().collect();
        let floors = noise_floors(&cells(&trials)[0], &declared, &[]);
        let definition = declared.get("val_loss");
        breaches(&Known {
            name: "val_loss",
            baseline: "main",
            is_declared: definition.is_some(),
            better: definition.and_then(|it| it.better),
            kind: definition.and_then(|it| it.kind),
            floor: floors.first(),
        })
    }

    fn declared(min_effect: Option<f64>) -> Definition {
        let (better, kind) = (Some(Better::Lower), Some(Kind::Quality));
        Definition { better, kind, min_effect, ..Definition::default() }
    }

    fn names(breaches: &[Breach]) -> Vec<&str> {
        breaches.iter().map(|breach| breach.rule.as_str()).collect()
    }

    const VALUES: [f64; 4] = [2.30, 2.31, 2.29, 2.305];

    #[test]
    fn a_declared_metric_that_varies_less_than_what_matters_is_fine() {
        assert_eq!(rules(&VALUES, Some(declared(Some(0.05)))), []);
    }

    #[test]
    fn a_spread_above_the_effect_says_how_many_trials_show_it() {
        let found = rules(&VALUES, Some(declared(Some(0.001))));
        assert_eq!(names(&found), [NOISE_FLOOR]);
        assert!(found[0].what.ends_with("from run to run, and 0.1 % is to be seen"), "{}", found[0].what);
        assert!(found[0].mend.starts_with("plan about "), "{}", found[0].mend);
    }

    #[test]
    fn without_declaration_direction_kind_or_effect_a_metric_carries_nothing() {
        assert_eq!(names(&rules(&VALUES, None)), [METRIC, NOISE_FLOOR]);
        let bare = Definition { min_effect: Some(0.05), ..Definition::default() };
        assert_eq!(names(&rules(&VALUES, Some(bare))), [METRIC, METRIC]);
        assert_eq!(names(&rules(&VALUES, Some(declared(None)))), [NOISE_FLOOR]);
    }

    #[test]
    fn two_runs_are_too_few() {
        let found = rules(&VALUES[..2], Some(declared(Some(0.05))));
        assert_eq!(names(&found), [BASELINE_RUNS]);
        assert!(found[0].what.starts_with("2 runs of the baseline main"), "{}", found[0].what);
    }
}
