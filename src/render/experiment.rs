//! Experiments: one on a page with its brief, and as a list.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::json::RepeatedJson;
use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, number, time};
use crate::domain::brief::{Brief, Budget};
use crate::domain::criterion::Criterion;
use crate::domain::decision::Decision;
use crate::domain::experiment::Stage;
use crate::domain::number::counted;
use crate::domain::run::Status;
use crate::domain::state::RulingOf;

/// An experiment with what the log knows around it.
#[derive(Clone, Debug)]
pub struct ExperimentView<'a> {
    /// Its alias, with `@<writer>` where two clones numbered alike.
    pub id: String,
    /// The topic it belongs to.
    pub topic: Option<&'a str>,
    /// Its branch, where that exists.
    pub branch: Option<String>,
    /// Its worktree, where that exists.
    pub worktree: Option<String>,
    /// How far it has come.
    pub stage: Stage,
    /// What was done about it.
    pub decision: Option<Decision>,
    /// The decision in force, with who made it.
    pub ruling: Option<&'a RulingOf>,
    /// Its runs by how they ended.
    pub statuses: BTreeMap<Status, u64>,
    /// How many of its runs were warm-ups.
    pub warm_ups: u64,
    /// How many of its runs ran under other evaluation code than its topic pinned.
    pub evaluation_changed: u64,
    /// What came of repeating it, oldest first.
    pub reproductions: Vec<RepeatedJson>,
    /// Wall-clock seconds that its runs took.
    pub wall_seconds: f64,
    /// The same, times the accelerators that each run was charged for.
    pub accelerator_seconds: f64,
    /// The tags of its seals.
    pub sealed: Vec<String>,
    /// How strong the evidence is: `exploratory` until more is known.
    pub confidence: String,
    /// Its brief; absent for a day's scratch.
    pub brief: Option<&'a Brief>,
    /// The ID of the entry that registered it.
    pub registration: Option<String>,
    /// When it was registered.
    pub registered: Option<Timestamp>,
    /// When its first run began.
    pub first_run: Option<Timestamp>,
    /// The best value of its primary metric.
    pub best: Option<Best>,
    /// Whether no experiment of its topic that was not rejected has a better one.
    pub is_best_of_topic: bool,
    /// Whether its brief was amended after its first run.
    pub was_amended_after_first_run: bool,
    /// Whether its branch was put away.
    pub is_archived: bool,
    /// Entries that contradict each other, in words.
    pub conflicts: Vec<String>,
}

/// The best value of a metric over runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The metric's name.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: Option<String>,
    /// The short ID of the run that reached it.
    pub run: String,
}

impl ExperimentView<'_> {
    /// How many runs it has, however they ended.
    pub fn runs(&self) -> u64 {
        self.statuses.values().sum()
    }
}

/// The experiment's brief and where it stands, with what is missing named.
pub fn page(view: &ExperimentView<'_>, canvas: &Canvas) -> String {
    let mut page = Page::default();
    let id = harmless(&view.id);
    let decision = view
        .decision
        .map(|decision| format!("  {}", canvas.style.paint(Tone::of_decision(decision), decision.word())))
        .unwrap_or_default();
    page.line(&format!(
        "{}  {}{decision}",
        canvas.style.paint(Tone::Strong, &format!("experiment {id}")),
        view.stage
    ));
    page.field("runs", &runs_in_words(&view.statuses));
    if view.runs() > 0 {
        page.field("cost", &cost_in_words(view));
    }
    if let Some(text) = evaluation_in_words(view) {
        page.field("evaluation", &canvas.style.paint(Tone::Warning, &text));
    }
    page.field("confidence", &harmless(&view.confidence));
    if let Some(best) = &view.best {
        page.field("best", &best_in_words(best));
    }
    let optional =
        [("topic", view.topic), ("branch", view.branch.as_deref()), ("worktree", view.worktree.as_deref())];
    for (name, text) in optional {
        if let Some(text) = text {
            page.field(name, &harmless(text));
        }
    }
    if view.is_archived {
        page.field("archived", "yes");
    }
    if let Some(moment) = view.registered {
        page.field(
            "registered",
            &format!("{} ({})", time::short(moment, &canvas.zone), time::age(moment, canvas.now)),
        );
    }
    if !view.sealed.is_empty() {
        page.field("sealed", &harmless(&view.sealed.join(", ")));
    }
    for conflict in &view.conflicts {
        page.field("conflict", &canvas.style.paint(Tone::Bad, &harmless(conflict)));
    }
    match view.brief {
        Some(brief) => {
            page.heading(canvas.style, "brief");
            if view.was_amended_after_first_run {
                page.field("amended", &canvas.style.paint(Tone::Warning, "after the first run"));
            }
            page.text.push_str(&brief_fields(brief));
            missing(&mut page, brief, canvas);
        }
        None => page.line("\nit has no brief: its runs are exploratory"),
    }
    page.text
}

/// The fields of a brief, one a line, without those that are missing.
pub fn brief_fields(brief: &Brief) -> String {
    let mut page = Page::default();
    let optional =
        [("hypothesis", &brief.hypothesis), ("change", &brief.change), ("baseline", &brief.baseline)];
    for (name, text) in optional {
        if let Some(text) = text {
            page.field(name, &harmless(text));
        }
    }
    criteria(&mut page, "accept", &brief.accept);
    criteria(&mut page, "guard", &brief.guard);
    if let Some(why) = &brief.no_guard {
        page.field("no guard", &harmless(why));
    }
    let looks: Vec<String> = brief.looks.iter().map(ToString::to_string).collect();
    let looks =
        if looks.is_empty() { String::new() } else { format!(", looked at after {}", looks.join(", ")) };
    page.field("trials", &format!("{}{looks}", brief.planned_trials()));
    if !brief.budget.is_empty() {
        page.field("budget", &budget_in_words(brief.budget));
    }
    for (name, text) in [("dataset", &brief.dataset), ("owner", &brief.owner), ("notes", &brief.notes)] {
        if let Some(text) = text {
            page.field(name, &harmless(text));
        }
    }
    if !brief.paths.is_empty() {
        page.field("paths", &harmless(&brief.paths.join(", ")));
    }
    page.text
}

fn criteria(page: &mut Page, name: &str, criteria: &[Criterion]) {
    for (index, criterion) in criteria.iter().enumerate() {
        page.field(if index == 0 { name } else { "" }, &harmless(&criterion.to_string()));
    }
}

fn missing(page: &mut Page, brief: &Brief, canvas: &Canvas) {
    let missing = brief.missing();
    if missing.is_empty() {
        return;
    }
    page.heading(canvas.style, "missing before it can run");
    for (field, option) in missing {
        page.line(&format!("  {} {option}", canvas.style.paint(Tone::Warning, &format!("{field:<20}"))));
    }
}

/// A budget as people say it: `2 h of wall time, 40 runs`.
pub fn budget_in_words(budget: Budget) -> String {
    let mut parts = Vec::new();
    if let Some(seconds) = budget.wall_seconds {
        parts.push(format!("{} of wall time", time::elapsed(seconds)));
    }
    if let Some(seconds) = budget.accelerator_seconds {
        parts.push(format!("{} of accelerator time", time::elapsed(seconds)));
    }
    if let Some(runs) = budget.runs {
        parts.push(counted(runs, "run"));
    }
    parts.join(", ")
}

/// The number of runs, and of each ending where any went wrong: `7 (5 ok, 2 failed)`.
pub fn runs_in_words(statuses: &BTreeMap<Status, u64>) -> String {
    let total: u64 = statuses.values().sum();
    if statuses.iter().all(|(status, count)| *status == Status::Ok || *count == 0) {
        return total.to_string();
    }
    let parts: Vec<String> = statuses
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    format!("{total} ({})", parts.join(", "))
}

/// How many of its runs ran under changed evaluation code, where any did.
pub(super) fn evaluation_in_words(view: &ExperimentView<'_>) -> Option<String> {
    let runs = match (view.evaluation_changed, view.runs()) {
        (0, _) => return None,
        (changed, all) if changed == all && all > 1 => format!("all {all} runs"),
        (changed, _) => counted(changed, "run"),
    };
    Some(format!("{runs} under evaluation code that changed since the topic began"))
}

/// What its runs took: `12 min 3 s of wall time, 24 min 6 s of accelerator time`.
fn cost_in_words(view: &ExperimentView<'_>) -> String {
    let wall = format!("{} of wall time", time::elapsed(view.wall_seconds));
    match view.accelerator_seconds {
        seconds if seconds > 0.0 => format!("{wall}, {} of accelerator time", time::elapsed(seconds)),
        _ => wall,
    }
}

fn best_in_words(best: &Best) -> String {
    let value = number::of_metric(&best.metric, best.value, best.unit.as_deref());
    format!("{}={value}  {}", harmless(&best.metric), harmless(&best.run))
}

/// The runs of an experiment, marked where the evaluation code changed.
pub(super) fn runs_cell(view: &ExperimentView<'_>) -> Cell {
    let runs = runs_in_words(&view.statuses);
    match view.evaluation_changed {
        0 => Cell::new(runs),
        _ => Cell::toned(Tone::Warning, format!("{runs}, evaluation changed")),
    }
}

/// The best value of an experiment, marked where it is the best of its topic.
pub fn best_cell(view: &ExperimentView<'_>) -> Cell {
    match &view.best {
        Some(best) if view.is_best_of_topic => {
            Cell::toned(Tone::Good, format!("{} (best)", best_in_words(best)))
        }
        Some(best) => Cell::new(best_in_words(best)),
        None => Cell::new("-"),
    }
}

/// The experiments as a table.
pub fn table(views: &[ExperimentView<'_>], canvas: &Canvas) -> String {
    let has_topics = views.iter().any(|view| view.topic.is_some());
    let mut columns = vec![("experiment", Align::Left)];
    if has_topics {
        columns.push(("topic", Align::Left));
    }
    columns.extend([
        ("stage", Align::Left),
        ("runs", Align::Left),
        ("decision", Align::Left),
        ("best", Align::Left),
        ("age", Align::Left),
        ("hypothesis", Align::Left),
    ]);
    let mut table = Table::new(columns);
    for view in views {
        let mut row = vec![Cell::new(&view.id)];
        if has_topics {
            row.push(view.topic.map_or_else(Cell::default, Cell::new));
        }
        row.extend([
            Cell::new(if view.is_archived {
                format!("{}, archived", view.stage)
            } else {
                let amended = if view.was_amended_after_first_run { ", amended" } else { "" };
                format!("{}{amended}", view.stage)
            }),
            runs_cell(view),
            view.decision.map_or_else(
                || Cell::new("-"),
                |decision| Cell::toned(Tone::of_decision(decision), decision.word()),
            ),
            best_cell(view),
            view.registered
                .or(view.first_run)
                .map_or_else(Cell::default, |moment| Cell::new(time::age(moment, canvas.now))),
            view.brief.and_then(|brief| brief.hypothesis.as_ref()).map_or_else(Cell::default, Cell::new),
        ]);
        table.push(row);
    }
    table.render(canvas.style, canvas.width)
}

#[cfg(test)]
pub(super) mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::run::tests::canvas;

    fn criterion(text: &str) -> Criterion {
        text.parse().expect("the criterion is right")
    }

    /// A complete brief.
    pub(in crate::render) fn brief() -> Brief {
        Brief {
            hypothesis: Some("Fused mixing halves the memory traffic".to_owned()),
            change: Some("one kernel instead of three".to_owned()),
            baseline: Some("A-000".to_owned()),
            accept: vec![criterion("step_time <= -8%"), criterion("peak_rss <= +0%")],
            guard: vec![criterion("val_loss <= +0.2%")],
            budget: Budget { wall_seconds: Some(7_200.0), accelerator_seconds: None, runs: Some(40) },
            owner: Some("Ada <ada@example.org>".to_owned()),
            ..Brief::default()
        }
    }

    /// The view of an experiment that runs.
    pub(in crate::render) fn view(brief: Option<&Brief>) -> ExperimentView<'_> {
        ExperimentView {
            id: "A-001".to_owned(),
            topic: Some("mixing"),
            branch: Some("exp/A-001".to_owned()),
            worktree: Some(".worktrees/A-001".to_owned()),
            stage: Stage::Running,
            decision: None,
            ruling: None,
            statuses: BTreeMap::from([(Status::Ok, 3), (Status::Failed, 1)]),
            warm_ups: 0,
            evaluation_changed: 0,
            reproductions: Vec::new(),
            wall_seconds: 312.0,
            accelerator_seconds: 624.0,
            sealed: Vec::new(),
            confidence: "exploratory".to_owned(),
            brief,
            registration: Some("12".repeat(32)),
            registered: Some("2026-11-21T11:10:05Z".parse().expect("the time is right")),
            first_run: None,
            best: Some(Best {
                metric: "step_time".to_owned(),
                value: 12.3,
                unit: Some("ms".to_owned()),
                run: "c0ffee00".to_owned(),
            }),
            is_best_of_topic: false,
            was_amended_after_first_run: false,
            is_archived: false,
            conflicts: Vec::new(),
        }
    }

    #[test]
    fn a_complete_brief_is_shown_whole() {
        assert_snapshot!(page(&view(Some(&brief())), &canvas()), @"
        experiment A-001  running
          runs         4 (3 ok, 1 failed)
          cost         5 min 12 s of wall time, 10 min 24 s of accelerator time
          confidence   exploratory
          best         step_time=12.3 ms  c0ffee00
          topic        mixing
          branch       exp/A-001
          worktree     .worktrees/A-001
          registered   2026-11-21 13:10 (2 days ago)

        brief
          hypothesis   Fused mixing halves the memory traffic
          change       one kernel instead of three
          baseline     A-000
          accept       step_time <= -8%
                       peak_rss <= +0%
          guard        val_loss <= +0.2%
          trials       5
          budget       2 h of wall time, 40 runs
          owner        Ada <ada@example.org>
        ");
    }

    #[test]
    fn what_is_missing_is_named_with_the_option_that_sets_it() {
        let brief = Brief { hypothesis: Some("It is faster".to_owned()), ..Brief::default() };
        let mut view = view(Some(&brief));
        view.stage = Stage::Proposed;
        view.statuses.clear();
        view.best = None;
        assert_snapshot!(page(&view, &canvas()), @r#"
        experiment A-001  proposed
          runs         0
          confidence   exploratory
          topic        mixing
          branch       exp/A-001
          worktree     .worktrees/A-001
          registered   2026-11-21 13:10 (2 days ago)

        brief
          hypothesis   It is faster
          trials       5

        missing before it can run
          change               --change "…"
          baseline             --baseline <experiment, named baseline or revision>
          acceptance criterion --accept 'step_time <= -8%'
          guardrail            --guard 'val_loss <= +0.2%' or --no-guard "why"
          budget               --budget wall=2h
        "#);
    }

    #[test]
    fn experiments_are_listed_with_where_they_stand() {
        let brief = brief();
        let mut decided = view(Some(&brief));
        decided.id = "A-002".to_owned();
        decided.stage = Stage::Decided;
        decided.decision = Some(Decision::Rejected);
        decided.statuses = BTreeMap::from([(Status::Ok, 10)]);
        decided.is_archived = true;
        let mut scratch = view(None);
        scratch.id = "20261121-scratch".to_owned();
        scratch.topic = None;
        scratch.best = None;
        assert_snapshot!(table(&[view(Some(&brief)), decided, scratch], &canvas()), @"
        experiment        topic   stage              runs                decision  best                         age         hypothesis
        A-001             mixing  running            4 (3 ok, 1 failed)  -         step_time=12.3 ms  c0ffee00  2 days ago  Fused mixing halves the memory traffic
        A-002             mixing  decided, archived  10                  rejected  step_time=12.3 ms  c0ffee00  2 days ago  Fused mixing halves the memory traffic
        20261121-scratch          running            4 (3 ok, 1 failed)  -         -                            2 days ago
        ");
    }

    #[test]
    fn an_experiment_has_the_promised_fields_first() {
        let brief = brief();
        let view = view(Some(&brief));
        let json = crate::render::json::ExperimentJson::from(&view);
        assert_snapshot!(serde_json::to_string_pretty(&json).expect("a view can be written"), @r#"
        {
          "schema": "git-exp/experiment/1",
          "experiment": "A-001",
          "topic": "mixing",
          "branch": "exp/A-001",
          "worktree": ".worktrees/A-001",
          "stage": "running",
          "decision": null,
          "runs": 4,
          "sealed": [],
          "confidence": "exploratory",
          "archived": false,
          "registration": "1212121212121212121212121212121212121212121212121212121212121212",
          "registered": "2026-11-21T11:10:05Z",
          "statuses": {
            "failed": 1,
            "ok": 3
          },
          "wall_seconds": 312.0,
          "accelerator_seconds": 624.0,
          "brief": {
            "hypothesis": "Fused mixing halves the memory traffic",
            "change": "one kernel instead of three",
            "baseline": "A-000",
            "accept": [
              "step_time <= -8%",
              "peak_rss <= +0%"
            ],
            "guard": [
              "val_loss <= +0.2%"
            ],
            "no_guard": null,
            "trials": 5,
            "budget": {
              "wall_seconds": 7200.0,
              "accelerator_seconds": null,
              "runs": 40
            },
            "owner": "Ada <ada@example.org>",
            "notes": null,
            "dataset": null,
            "paths": []
          },
          "missing": [],
          "amended_after_first_run": false,
          "conflicts": [],
          "because": null,
          "decided_by": null,
          "against": null,
          "next": [],
          "evidence": null,
          "best": {
            "metric": "step_time",
            "value": 12.3,
            "unit": "ms",
            "run": "c0ffee00"
          },
          "best_of_topic": false,
          "evaluation_changed": 0
        }
        "#);
    }
}
