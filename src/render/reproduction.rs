//! What came of repeating what was recorded: for `repro`, for the page of such an entry, and for scripts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, number, time};
use crate::domain::id::{EntryId, ObjectName};
use crate::domain::reproduction::{Judgement, Outcome, Reproduction, Surrounding, Target};
use crate::domain::run::PairSide;

/// A reproduction that was recorded, in short: as it stands beside a seal or an experiment.
#[derive(Clone, Debug)]
pub struct ReproducedLine<'a> {
    /// Its entry.
    pub entry: EntryId,
    /// When it ended.
    pub time: Timestamp,
    /// Who repeated it.
    pub by: &'a str,
    /// What it came to.
    pub it: &'a Reproduction,
}

/// What `repro` came to, for scripts: `git-exp/reproduction/1`.
#[derive(Debug, Serialize)]
pub struct ReproductionJson<'a> {
    schema: &'static str,
    entry: Option<String>,
    smoke: bool,
    kept: Option<String>,
    #[serde(flatten)]
    it: BTreeMap<&'static str, Json>,
    experiment: &'a str,
    registration: Option<String>,
}

impl<'a> ReproductionJson<'a> {
    /// What was recorded as `entry`; nothing was where nothing was judged.
    pub fn new(it: &'a Reproduction, entry: Option<String>, kept: Option<String>) -> Self {
        let smoke = entry.is_none();
        Self {
            schema: "git-exp/reproduction/1",
            entry,
            smoke,
            kept,
            it: details(it),
            experiment: it.experiment.as_str(),
            registration: it.registration.map(|id| id.to_hex()),
        }
    }
}

/// The fields of a reproduction for scripts.
pub fn details(it: &Reproduction) -> BTreeMap<&'static str, Json> {
    let number = |value: Option<f64>| value.map(super::json::Number);
    let metric = |it: &Judgement| {
        json!({
            "name": it.name,
            "case": it.case,
            "side": it.side.map(PairSide::word),
            "rule": it.rule.word(),
            "outcome": it.outcome.map(Outcome::word),
            "unit": it.unit,
            "recorded": number(it.recorded),
            "here": number(it.here),
            "bounds": it.bounds.map(|it| [super::json::Number(it.low), super::json::Number(it.high)]),
            "margin": number(it.margin),
            "why": it.why,
        })
    };
    let surrounding = |it: &Surrounding| json!({"axis": it.axis, "name": it.name, "recorded": it.recorded, "here": it.here});
    let target = match &it.target {
        Target::Run(id) => json!({"run": id.to_hex()}),
        Target::Seal { tag, object, manifest } => {
            json!({"seal": tag, "object": object.as_str(), "manifest": manifest})
        }
    };
    BTreeMap::from([
        ("target", target),
        ("commit", json!(it.commit.as_str())),
        ("baseline_commit", json!(it.baseline.as_ref().map(ObjectName::as_str))),
        ("outcome", json!(it.outcome.word())),
        ("reasons", json!(it.reasons)),
        ("trials", json!(it.trials)),
        ("metrics", it.metrics.iter().map(metric).collect()),
        ("differences", it.differences.iter().map(surrounding).collect()),
        ("hardware", json!(it.hardware)),
        ("wall_seconds", json!(it.wall_seconds)),
    ])
}

/// What differs around a repetition, before anything runs.
pub fn surroundings(differences: &[Surrounding], canvas: &Canvas) -> String {
    if differences.is_empty() {
        return "nothing around it differs from the record\n".to_owned();
    }
    let mut page = Page::default();
    page.line("differs from the record:");
    page.table(&table_of(differences), canvas);
    page.text
}

fn table_of(differences: &[Surrounding]) -> Table {
    let mut table = Table::new([""; 3].map(|header| (header, Align::Left)));
    let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), str::to_owned);
    for it in differences {
        table.push(vec![
            Cell::toned(Tone::Dim, &it.axis),
            Cell::new(&it.name),
            Cell::new(format!("{} → {}", shown(&it.recorded), shown(&it.here))),
        ]);
    }
    table
}

/// The colour of an outcome.
fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Reproduced => Tone::Good,
        Outcome::Diverged => Tone::Bad,
        Outcome::NotComparable => Tone::Warning,
    }
}

/// What it came to, metric by metric.
pub fn page(it: &Reproduction, canvas: &Canvas) -> String {
    let mut page = Page::default();
    let outcome = canvas.style.paint(tone(it.outcome), it.outcome.word());
    page.line(&format!("{}: {outcome}", harmless(&it.target.to_string())));
    for reason in &it.reasons {
        page.line(&format!("  {}", harmless(reason)));
    }
    page.table(&metrics(it), canvas);
    page.text
}

fn metrics(it: &Reproduction) -> Table {
    let mut table = Table::new([
        ("metric", Align::Left),
        ("recorded", Align::Right),
        ("here", Align::Right),
        ("by", Align::Left),
        ("says", Align::Left),
        ("", Align::Left),
    ]);
    for it in &it.metrics {
        let shown = |value: f64| number::of_metric(&it.name, value, it.unit.as_deref());
        let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), shown);
        let says = match it.outcome {
            Some(outcome) => Cell::toned(tone(outcome), outcome.word()),
            None => Cell::toned(Tone::Dim, "–"),
        };
        table.push(vec![
            Cell::new(it.label()),
            Cell::new(value(it.recorded)),
            Cell::new(value(it.here)),
            Cell::new(it.rule.word()),
            says,
            Cell::toned(Tone::Dim, &it.why),
        ]);
    }
    table
}

/// The fields of such an entry on its page.
pub(super) fn fields(page: &mut Page, it: &Reproduction, canvas: &Canvas) {
    page.field("outcome", &canvas.style.paint(tone(it.outcome), it.outcome.word()));
    for reason in &it.reasons {
        page.field("", &harmless(reason));
    }
    match &it.target {
        Target::Run(id) => page.field("of", &format!("run {}", id.short())),
        Target::Seal { tag, object, manifest } => {
            page.field("of", &harmless(tag));
            page.field("tag object", object.as_str());
            page.field("manifest", &harmless(manifest));
        }
    }
    page.field("code", it.commit.as_str());
    if let Some(baseline) = &it.baseline {
        page.field("baseline", baseline.as_str());
    }
    page.field("trials", &it.trials.to_string());
    page.field("took", &time::elapsed(it.wall_seconds));
    page.heading(canvas.style, "metrics");
    page.table(&metrics(it), canvas);
    if !it.differences.is_empty() {
        page.heading(canvas.style, "differs from the record");
        page.table(&table_of(&it.differences), canvas);
    }
}

/// Reproductions under a heading, oldest first; nothing where there are none.
pub fn lines(lines: &[ReproducedLine<'_>], canvas: &Canvas) -> String {
    let mut page = Page::default();
    if lines.is_empty() {
        return page.text;
    }
    page.heading(canvas.style, "repeated");
    for line in lines {
        let outcome = canvas.style.paint(tone(line.it.outcome), line.it.outcome.word());
        page.line(&format!(
            "  {}  {}  {}: {outcome}  {}",
            canvas.style.paint(Tone::Warning, &line.entry.short()),
            canvas.style.paint(Tone::Dim, &time::short(line.time, &canvas.zone)),
            harmless(&line.it.target.to_string()),
            harmless(line.by)
        ));
        for reason in &line.it.reasons {
            page.line(&format!("    {}", harmless(reason)));
        }
    }
    page.text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::reproduction::Rule;
    use crate::render::run::tests::canvas;

    fn reproduction() -> Reproduction {
        let metric = |name: &str, side, rule, outcome, why: &str| Judgement {
            name: name.to_owned(),
            case: None,
            side,
            rule,
            outcome,
            unit: side.map(|_| "ms".to_owned()),
            recorded: Some(1.5),
            here: Some(2.5),
            bounds: None,
            margin: None,
            why: why.to_owned(),
        };
        let candidate = Some(PairSide::Candidate);
        Reproduction {
            experiment: "A-001".parse().expect("the ID is right"),
            registration: None,
            target: Target::Run(EntryId([0xc0; 32])),
            commit: "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".parse().expect("the name is right"),
            baseline: None,
            outcome: Outcome::Diverged,
            reasons: vec!["loss: 2.5 instead of 1.5".to_owned()],
            trials: 3,
            metrics: vec![
                metric("loss", candidate, Rule::Equal, Some(Outcome::Diverged), "2.5 instead of 1.5"),
                metric("time", None, Rule::Ratio, Some(Outcome::NotComparable), "too few"),
                metric("time", Some(PairSide::Baseline), Rule::Shown, None, "it \u{1b}varies"),
            ],
            differences: vec![Surrounding {
                axis: "environment".to_owned(),
                name: "kernel".to_owned(),
                recorded: Some("Linux 6.1".to_owned()),
                here: None,
            }],
            hardware: "5f3a9c21".to_owned(),
            wall_seconds: 61.0,
        }
    }

    #[test]
    fn every_metric_says_what_it_came_to_and_by_which_rule() {
        assert_snapshot!(page(&reproduction(), &canvas()), @"
        c0c0c0c0: diverged
          loss: 2.5 instead of 1.5
          metric                recorded    here  by     says
          loss                    1.5 ms  2.5 ms  equal  diverged        2.5 instead of 1.5
          time                       1.5     2.5  ratio  not comparable  too few
          time of the baseline    1.5 ms  2.5 ms  shown  –               it ␛varies
        ");
    }

    #[test]
    fn what_differs_stands_side_by_side() {
        let it = reproduction();
        assert_snapshot!(surroundings(&it.differences, &canvas()), @"
        differs from the record:
          environment  kernel  Linux 6.1 → –
        ");
        assert_eq!(surroundings(&[], &canvas()), "nothing around it differs from the record\n");
    }

    #[test]
    fn beside_an_experiment_it_is_a_line_with_its_reasons() {
        let it = reproduction();
        let time = "2026-11-21T11:10:05Z".parse().expect("the time is right");
        let line = ReproducedLine { entry: EntryId([0xc0; 32]), time, by: "Ada", it: &it };
        assert_snapshot!(lines(&[line], &canvas()).trim_start(), @"
        repeated
          c0c0c0c0  2026-11-21 13:10  c0c0c0c0: diverged  Ada
            loss: 2.5 instead of 1.5
        ");
        assert_eq!(lines(&[], &canvas()), "");
    }
}
