//! Noise floors: on a page and as JSON.

use serde::Serialize;

use super::json::Number;
use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, number};
use crate::domain::metric::Scale;
use crate::domain::noise_floor::{NoiseFloor, Wanted};
use crate::domain::number::counted;

/// How much the runs of one cell vary.
#[derive(Clone, Debug)]
pub struct NoiseView {
    /// What ran.
    pub subject: String,
    /// The short hash of the hardware it ran on.
    pub hardware: String,
    /// How many runs there are, failed ones included.
    pub runs: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How long a run takes on average, in seconds.
    pub wall_seconds: f64,
    /// How many trials a side are planned.
    pub planned: u32,
    /// The floors.
    pub floors: Vec<NoiseFloor>,
}

impl NoiseView {
    /// Whether every wanted effect stands out of the noise; `None` where nothing is wanted or too little ran.
    pub fn is_below_what_matters(&self) -> Option<bool> {
        let known: Vec<Option<bool>> = self
            .floors
            .iter()
            .filter(|floor| !floor.wanted.is_empty())
            .map(NoiseFloor::is_below_what_matters)
            .collect();
        if known.contains(&Some(false)) {
            return Some(false);
        }
        (!known.is_empty() && known.iter().all(|it| *it == Some(true))).then_some(true)
    }
}

/// The floors on a page, with what to make of them.
pub fn page(view: &NoiseView, canvas: &Canvas) -> String {
    let mut page = Page::default();
    let heading = format!("noise of {}", harmless(&view.subject));
    page.line(&canvas.style.paint(Tone::Strong, &heading));
    let failed = if view.failed > 0 { format!(", {} of them failed", view.failed) } else { String::new() };
    page.field("runs", &format!("{}{failed}, on the hardware {}", view.runs, harmless(&view.hardware)));
    let both = 2.0 * f64::from(view.planned) * view.wall_seconds;
    page.field(
        "a run takes",
        &format!(
            "{}; {} of both sides take about {}",
            number::seconds(view.wall_seconds),
            counted(view.planned, "trial"),
            number::seconds(both)
        ),
    );
    page.line("");
    page.table(&table(view), canvas);
    let advice: Vec<String> = view.floors.iter().flat_map(|floor| advice(floor, view.planned)).collect();
    if !advice.is_empty() {
        page.line("");
    }
    for line in advice {
        page.line(&line);
    }
    page.text
}

fn table(view: &NoiseView) -> Table {
    let is_wanted = view.floors.iter().any(|floor| !floor.wanted.is_empty());
    let mut table = Table::new([
        ("metric", Align::Left),
        ("n", Align::Right),
        ("mean", Align::Right),
        ("spread", Align::Right),
        ("a new run falls within", Align::Right),
        (
            &match view.planned {
                1 => "1 trial finds".to_owned(),
                planned => format!("{planned} trials find"),
            },
            Align::Right,
        ),
        (if is_wanted { "wanted" } else { "" }, Align::Left),
        (if is_wanted { "trials needed" } else { "" }, Align::Right),
    ]);
    for floor in &view.floors {
        let unit = floor.unit.as_deref();
        let value = |value: f64| number::of_metric(&floor.metric, value, unit);
        let within =
            floor.prediction.map_or_else(String::new, |it| format!("{} … {}", value(it.low), value(it.high)));
        let finds =
            floor.smallest_effect(view.planned as usize).map_or_else(String::new, |it| effect(floor, it));
        let own = [
            Cell::new(&floor.metric),
            Cell::new(floor.description.size.to_string()),
            Cell::new(value(floor.description.mean)),
            Cell::new(effect(floor, floor.spread)),
            Cell::new(within),
            Cell::new(finds),
        ];
        if floor.wanted.is_empty() {
            table.push(own.to_vec());
        }
        for (place, wanted) in floor.wanted.iter().enumerate() {
            let mut row = if place == 0 { own.to_vec() } else { vec![Cell::default(); own.len()] };
            let tone = if floor.spread < wanted.effect { Tone::Good } else { Tone::Warning };
            row.push(Cell::toned(tone, name(floor, wanted)));
            row.push(Cell::new(needed(wanted)));
            table.push(row);
        }
    }
    table
}

fn name(floor: &NoiseFloor, wanted: &Wanted) -> String {
    match &wanted.criterion {
        Some(criterion) => criterion.to_string(),
        None => format!("min-effect {}", effect(floor, wanted.effect)),
    }
}

fn needed(wanted: &Wanted) -> String {
    wanted.trials_needed.map_or_else(|| "too many".to_owned(), |trials| trials.to_string())
}

/// An effect of the given size, on the scale of the floor.
fn effect(floor: &NoiseFloor, size: f64) -> String {
    match floor.scale {
        Scale::Ratio => number::percent(size.exp_m1()).trim_start_matches('+').to_owned(),
        Scale::Difference => number::with_unit(size, floor.unit.as_deref()),
    }
}

/// What to make of a floor, in whole sentences.
fn advice(floor: &NoiseFloor, planned: u32) -> Vec<String> {
    let mut lines = Vec::new();
    let metric = harmless(&floor.metric);
    for wanted in &floor.wanted {
        let name = harmless(&name(floor, wanted)).into_owned();
        let spread = effect(floor, floor.spread);
        if floor.spread < wanted.effect {
            lines.push(format!("`{name}`: the spread of {spread} is below it"));
        } else {
            lines.push(format!(
                "`{name}`: the spread of {spread} is not below it; run more trials, or pairs \
                 (`git exp run --against`), or find what makes `{metric}` vary"
            ));
        }
        if let Some(trials) = wanted.trials_needed.filter(|trials| *trials > planned as usize) {
            lines.push(format!(
                "`{name}`: {} a side {} planned, and about {trials} tell it from no change",
                counted(planned, "trial"),
                if planned == 1 { "is" } else { "are" }
            ));
        }
    }
    for (run, change) in &floor.changes {
        lines.push(format!(
            "`{metric}` changed its level at the run {}: from {} to {} (p = {:.3})",
            run.short(),
            number::of_metric(&floor.metric, change.before, floor.unit.as_deref()),
            number::of_metric(&floor.metric, change.after, floor.unit.as_deref()),
            change.p_value
        ));
    }
    lines
}

/// What the noise of the baseline means for a plan, a sentence for each criterion that it can be said of.
pub fn plan(floors: &[NoiseFloor], planned: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for floor in floors {
        for wanted in &floor.wanted {
            let trials = match wanted.trials_needed {
                Some(trials) => format!("about {trials} trials a side tell"),
                None => "no number of trials worth running tells".to_owned(),
            };
            let name = name(floor, wanted);
            lines.push(format!(
                "`{}` varies by {} from run to run ({} runs): {trials} `{}` from no change; {planned} are planned",
                harmless(&floor.metric),
                effect(floor, floor.spread),
                floor.description.size,
                harmless(&name),
            ));
        }
    }
    lines
}

/// Noise floors: `git-exp/noise/1`.
#[derive(Debug, Serialize)]
pub struct NoiseJson<'a> {
    schema: &'static str,
    subject: &'a str,
    hardware: &'a str,
    runs: usize,
    failed: usize,
    wall_seconds: Number,
    planned: u32,
    below: Option<bool>,
    metrics: Vec<FloorJson<'a>>,
}

/// One metric's noise floor.
#[derive(Debug, Serialize)]
pub struct FloorJson<'a> {
    metric: &'a str,
    unit: Option<&'a str>,
    kind: &'static str,
    scale: &'static str,
    n: usize,
    mean: Number,
    std: Option<Number>,
    spread: Number,
    prediction: Option<[Number; 2]>,
    occasions: usize,
    smallest_effect: Option<Number>,
    changes: Vec<ChangeJson>,
    wanted: Vec<WantedJson>,
}

#[derive(Debug, Serialize)]
struct ChangeJson {
    run: String,
    before: Number,
    after: Number,
    p_value: Number,
}

#[derive(Debug, Serialize)]
struct WantedJson {
    criterion: Option<String>,
    effect: Number,
    below: bool,
    trials_needed: Option<usize>,
}

impl<'a> From<&'a NoiseView> for NoiseJson<'a> {
    fn from(view: &'a NoiseView) -> Self {
        Self {
            schema: "git-exp/noise/1",
            subject: &view.subject,
            hardware: &view.hardware,
            runs: view.runs,
            failed: view.failed,
            wall_seconds: Number(view.wall_seconds),
            planned: view.planned,
            below: view.is_below_what_matters(),
            metrics: view.floors.iter().map(|floor| FloorJson::of(floor, view.planned)).collect(),
        }
    }
}

impl<'a> FloorJson<'a> {
    /// The floor for scripts; `planned` trials a side are what the smallest effect is for.
    pub fn of(floor: &'a NoiseFloor, planned: u32) -> Self {
        let relative = |size: f64| match floor.scale {
            Scale::Ratio => Number(size.exp_m1()),
            Scale::Difference => Number(size),
        };
        Self {
            metric: &floor.metric,
            unit: floor.unit.as_deref(),
            kind: floor.kind.word(),
            scale: floor.scale.word(),
            n: floor.description.size,
            mean: Number(floor.description.mean),
            std: floor.description.standard_deviation.map(Number),
            spread: relative(floor.spread),
            prediction: floor.prediction.map(|it| [Number(it.low), Number(it.high)]),
            occasions: floor.occasions,
            smallest_effect: floor.smallest_effect(planned as usize).map(relative),
            changes: floor
                .changes
                .iter()
                .map(|(run, change)| ChangeJson {
                    run: run.to_hex(),
                    before: Number(change.before),
                    after: Number(change.after),
                    p_value: Number(change.p_value),
                })
                .collect(),
            wanted: floor
                .wanted
                .iter()
                .map(|wanted| WantedJson {
                    criterion: wanted.criterion.as_ref().map(ToString::to_string),
                    effect: relative(wanted.effect),
                    below: floor.spread < wanted.effect,
                    trials_needed: wanted.trials_needed,
                })
                .collect(),
        }
    }
}
