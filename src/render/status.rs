//! Where somebody stands, on one screen.

use jiff::Timestamp;
use serde::Serialize;

use super::experiment::{Best, ExperimentView, best_cell, evaluation_in_words, runs_cell, runs_in_words};
use super::json::{BestJson, ExperimentJson, Number, RunJson, StopJson};
use super::run::RunView;
use super::runs;
use super::table::{Align, Cell, Table};
use super::text::{command_line, harmless};
use super::{Canvas, Page, Tone, number, time};
use crate::domain::number::counted;
use crate::domain::run::Run;
use crate::domain::stopping::Stop;

/// What is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: the repository is bare.
    Bare,
    /// A branch.
    Branch {
        /// Its name, without `refs/heads/`.
        name: String,
        /// Whether it has a commit.
        has_commit: bool,
    },
    /// A commit without a branch.
    Detached {
        /// The commit's name.
        commit: String,
    },
}

/// What is left of an experiment's budget; below zero where more was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BudgetLeft {
    /// Wall-clock seconds: left, and of how many.
    pub wall_seconds: Option<(f64, f64)>,
    /// Accelerator seconds: left, and of how many.
    pub accelerator_seconds: Option<(f64, f64)>,
    /// Runs: left, and of how many.
    pub runs: Option<(i64, u64)>,
}

impl BudgetLeft {
    /// Whether no further run may start.
    pub fn is_spent(&self) -> bool {
        [self.wall_seconds, self.accelerator_seconds].iter().flatten().any(|(left, _)| *left <= 0.0)
            || self.runs.is_some_and(|(left, _)| left <= 0)
    }
}

/// A run that has not ended.
#[derive(Clone, Debug)]
pub struct UnderWay<'a> {
    /// What names it while it is under way.
    pub id: String,
    /// The run as far as it is known.
    pub run: &'a Run,
    /// The process that records it.
    pub process: u32,
    /// Whether that process is still there.
    pub is_alive: bool,
}

/// The best of a topic so far.
#[derive(Clone, Debug, PartialEq)]
pub struct BestSoFar {
    /// The topic.
    pub topic: String,
    /// The experiment that reached it.
    pub experiment: String,
    /// The value.
    pub best: Best,
    /// The baseline of that experiment, and the relative change against its best value.
    pub relative: Option<(String, f64)>,
}

impl BestSoFar {
    fn in_words(&self) -> String {
        let best = &self.best;
        let value = number::of_metric(&best.metric, best.value, best.unit.as_deref());
        let relative = self
            .relative
            .as_ref()
            .map(|(baseline, change)| {
                format!(", {} against the best of {}", number::percent(*change), harmless(baseline))
            })
            .unwrap_or_default();
        format!("{} {value} by {}{relative}", harmless(&best.metric), harmless(&self.experiment))
    }
}

/// Where somebody stands.
#[derive(Clone, Debug)]
pub struct StatusView<'a> {
    /// What is checked out.
    pub place: Place,
    /// How many files differ from the commit; absent where nobody looked.
    pub changed_files: Option<usize>,
    /// The experiment that the branch belongs to.
    pub experiment: Option<ExperimentView<'a>>,
    /// What is left of its budget.
    pub budget: BudgetLeft,
    /// All experiments that wait for something, newest first; empty inside of one.
    pub open: Vec<ExperimentView<'a>>,
    /// The best so far of each topic, or of the one that the place belongs to.
    pub best: Vec<BestSoFar>,
    /// Runs that have not ended, oldest first.
    pub under_way: Vec<UnderWay<'a>>,
    /// The newest runs.
    pub latest: Vec<RunView<'a>>,
    /// The stop criteria of the topic here, each with whether it is met.
    pub stops: Vec<(String, Stop)>,
    /// What to do next: why, and the exact command.
    pub next: Option<(String, String)>,
}

/// Where somebody stands, on one screen.
pub fn page(view: &StatusView<'_>, canvas: &Canvas) -> String {
    let mut page = Page::default();
    place(&mut page, view, canvas);
    if let Some(experiment) = &view.experiment {
        of_experiment(&mut page, experiment, view.budget, canvas);
    }
    if !view.open.is_empty() {
        page.heading(canvas.style, "open experiments");
        page.table(&open(&view.open), canvas);
    }
    if !view.best.is_empty() {
        page.heading(canvas.style, "best so far");
        for it in &view.best {
            page.field(&harmless(&it.topic), &it.in_words());
        }
    }
    let met: Vec<&(String, Stop)> = view.stops.iter().filter(|(_, stop)| stop.is_met()).collect();
    if !met.is_empty() {
        page.heading(canvas.style, "stop criteria that are met");
        for (text, stop) in met {
            let line = harmless(&format!("{text} ({})", stop.why())).into_owned();
            page.line(&format!("  {}", canvas.style.paint(Tone::Warning, &line)));
        }
    }
    if !view.under_way.is_empty() {
        page.heading(canvas.style, "under way");
        page.table(&under_way(&view.under_way, canvas), canvas);
    }
    if !view.latest.is_empty() {
        page.heading(canvas.style, "latest runs");
        let width = canvas.width.map(|width| width.saturating_sub(2));
        for line in runs::table(&view.latest, &[], &Canvas { width, ..canvas.clone() }).lines() {
            page.line(&format!("  {line}"));
        }
    }
    if let Some((why, command)) = &view.next {
        page.heading(canvas.style, "next");
        page.line(&format!("  {why}:"));
        page.line(&format!("    {}", harmless(command)));
    }
    page.text
}

fn place(page: &mut Page, view: &StatusView<'_>, canvas: &Canvas) {
    let text = match &view.place {
        Place::Bare => "in a bare repository: what is here can be read, nothing can run".to_owned(),
        Place::Branch { name, has_commit: true } => {
            format!("on branch {}", canvas.style.paint(Tone::Strong, &harmless(name)))
        }
        Place::Branch { name, has_commit: false } => {
            format!("on branch {}, without a commit yet", canvas.style.paint(Tone::Strong, &harmless(name)))
        }
        Place::Detached { commit } => {
            let short: String = commit.chars().take(8).collect();
            format!("at {}, on no branch", canvas.style.paint(Tone::Strong, &short))
        }
    };
    page.line(&text);
    match view.changed_files {
        None | Some(0) => {}
        Some(1) => page.line("1 file is not committed; a run stores it as a snapshot"),
        Some(count) => {
            page.line(&format!("{count} files are not committed; a run stores them as a snapshot"));
        }
    }
}

fn of_experiment(page: &mut Page, view: &ExperimentView<'_>, budget: BudgetLeft, canvas: &Canvas) {
    let decision = view
        .decision
        .map(|decision| format!("  {}", canvas.style.paint(Tone::of_decision(decision), decision.word())))
        .unwrap_or_default();
    let heading = format!("experiment {}", harmless(&view.id));
    page.line(&format!("\n{}  {}{decision}", canvas.style.paint(Tone::Strong, &heading), view.stage));
    if let Some(hypothesis) = view.brief.and_then(|brief| brief.hypothesis.as_deref()) {
        page.field("hypothesis", &harmless(hypothesis));
    }
    let warm_ups = match view.warm_ups {
        0 => String::new(),
        1 => " (1 of them a warm-up)".to_owned(),
        several => format!(" ({several} of them warm-ups)"),
    };
    let planned = view
        .brief
        .map(|brief| format!(", {} planned", counted(brief.planned_trials(), "trial")))
        .unwrap_or_default();
    page.field("runs", &format!("{}{warm_ups}{planned}", runs_in_words(&view.statuses)));
    if let Some(text) = evaluation_in_words(view) {
        page.field("evaluation", &canvas.style.paint(Tone::Warning, &text));
    }
    for (index, (is_spent, text)) in budget_in_words(budget).into_iter().enumerate() {
        let tone = if is_spent { Tone::Bad } else { Tone::Plain };
        page.field(if index == 0 { "budget" } else { "" }, &canvas.style.paint(tone, &text));
    }
    let missing: Vec<&str> = view
        .brief
        .map(|brief| brief.missing().into_iter().map(|(field, _)| field).collect())
        .unwrap_or_default();
    if !missing.is_empty() {
        page.field("missing", &canvas.style.paint(Tone::Warning, &missing.join(", ")));
    }
    if view.runs() > 0 {
        page.field("confidence", &harmless(&view.confidence));
    }
    if let Some(it) = view.ruling {
        let ruling = &it.ruling;
        page.field(
            "decision",
            &harmless(&format!("{} by {}: {}", ruling.decision, it.by.name, ruling.because)),
        );
        if let Some(what) = ruling.against() {
            let text = format!("against the numbers: {what}");
            page.field("", &canvas.style.paint(Tone::Warning, &text));
        }
        for next in &ruling.next {
            page.field("to do", &harmless(next));
        }
    }
    for conflict in &view.conflicts {
        page.field("conflict", &canvas.style.paint(Tone::Bad, &harmless(conflict)));
    }
}

/// The experiments that wait for something, with how far each is.
fn open(views: &[ExperimentView<'_>]) -> Table {
    let columns = ["experiment", "topic", "stage", "runs", "decision", "best"];
    let mut table = Table::new(columns.map(|header| (header, Align::Left)));
    for view in views {
        table.push(vec![
            Cell::toned(Tone::Strong, &view.id),
            view.topic.map_or_else(|| Cell::new("-"), Cell::new),
            Cell::new(view.stage.word()),
            runs_cell(view),
            view.decision.map_or_else(
                || Cell::new("-"),
                |decision| Cell::toned(Tone::of_decision(decision), decision.word()),
            ),
            best_cell(view),
        ]);
    }
    table
}

/// Each part of the budget in words, and whether it is spent.
fn budget_in_words(budget: BudgetLeft) -> Vec<(bool, String)> {
    let mut parts = Vec::new();
    let times = [("wall", budget.wall_seconds), ("accelerator", budget.accelerator_seconds)];
    for (what, part) in times {
        let Some((left, all)) = part else { continue };
        let all = time::elapsed(all);
        parts.push(if left > 0.0 {
            (false, format!("{} of {all} of {what} time left", time::elapsed(left)))
        } else {
            (true, format!("the {all} of {what} time are spent"))
        });
    }
    if let Some((left, all)) = budget.runs {
        parts.push(if left > 0 {
            (false, format!("{left} of {} left", counted(all, "run")))
        } else {
            (true, format!("the {} {} spent", counted(all, "run"), if all == 1 { "is" } else { "are" }))
        });
    }
    parts
}

fn under_way(runs: &[UnderWay<'_>], canvas: &Canvas) -> Table {
    let mut table = Table::new([""; 6].map(|header| (header, Align::Left)));
    for it in runs {
        let run = it.run;
        let short: String = it.id.chars().take(8).collect();
        let state = if it.is_alive {
            Cell::new(time::elapsed(elapsed(run, canvas.now)))
        } else {
            Cell::toned(Tone::Bad, "its process died")
        };
        table.push(vec![
            Cell::toned(Tone::Warning, short),
            Cell::new(run.membership.experiment.as_str()),
            Cell::new(format!("{}/{}", run.trial, run.trials)),
            state,
            Cell::new(run.label.as_deref().unwrap_or_default()),
            Cell::new(command_line(&run.argv)),
        ]);
    }
    table
}

/// Seconds since the run began; none where the clock was set back.
fn elapsed(run: &Run, now: Timestamp) -> f64 {
    now.duration_since(run.started).as_secs_f64().max(0.0)
}

/// Where somebody stands: `git-exp/status/1`.
#[derive(Debug, Serialize)]
pub struct StatusJson<'a> {
    schema: &'static str,
    branch: Option<&'a str>,
    commit: Option<&'a str>,
    bare: bool,
    changed_files: Option<usize>,
    experiment: Option<ExperimentJson<'a>>,
    budget_left: BudgetJson,
    under_way: Vec<UnderWayJson<'a>>,
    latest: Vec<RunJson<'a>>,
    next: Option<NextJson<'a>>,
    open: Vec<ExperimentJson<'a>>,
    best: Vec<BestSoFarJson<'a>>,
    stops: Vec<StopJson<'a>>,
}

#[derive(Debug, Serialize)]
struct BestSoFarJson<'a> {
    topic: &'a str,
    experiment: &'a str,
    #[serde(flatten)]
    best: BestJson<'a>,
    baseline: Option<&'a str>,
    change: Option<Number>,
}

#[derive(Debug, Serialize)]
struct BudgetJson {
    wall_seconds: Option<Number>,
    accelerator_seconds: Option<Number>,
    runs: Option<i64>,
    spent: bool,
}

#[derive(Debug, Serialize)]
struct UnderWayJson<'a> {
    run: &'a str,
    experiment: &'a str,
    argv: Vec<String>,
    trial: u32,
    trials: u32,
    seed: Option<u64>,
    label: Option<&'a str>,
    started: String,
    elapsed_seconds: Number,
    process: u32,
    alive: bool,
}

#[derive(Debug, Serialize)]
struct NextJson<'a> {
    why: &'a str,
    command: &'a str,
}

impl<'a> StatusView<'a> {
    /// The view for scripts; `commit` is what is checked out, `now` the present.
    pub fn json(&'a self, commit: Option<&'a str>, now: Timestamp) -> StatusJson<'a> {
        StatusJson {
            schema: "git-exp/status/1",
            branch: match &self.place {
                Place::Branch { name, .. } => Some(name),
                Place::Bare | Place::Detached { .. } => None,
            },
            commit,
            bare: self.place == Place::Bare,
            changed_files: self.changed_files,
            experiment: self.experiment.as_ref().map(ExperimentJson::from),
            budget_left: BudgetJson {
                wall_seconds: self.budget.wall_seconds.map(|(left, _)| Number(left)),
                accelerator_seconds: self.budget.accelerator_seconds.map(|(left, _)| Number(left)),
                runs: self.budget.runs.map(|(left, _)| left),
                spent: self.budget.is_spent(),
            },
            under_way: self
                .under_way
                .iter()
                .map(|it| UnderWayJson {
                    run: &it.id,
                    experiment: it.run.membership.experiment.as_str(),
                    argv: it.run.argv.iter().map(ToString::to_string).collect(),
                    trial: it.run.trial,
                    trials: it.run.trials,
                    seed: it.run.seed,
                    label: it.run.label.as_deref(),
                    started: it.run.started.to_string(),
                    elapsed_seconds: Number(elapsed(it.run, now)),
                    process: it.process,
                    alive: it.is_alive,
                })
                .collect(),
            latest: self.latest.iter().map(RunJson::from).collect(),
            next: self.next.as_ref().map(|(why, command)| NextJson { why, command }),
            open: self.open.iter().map(ExperimentJson::from).collect(),
            best: self
                .best
                .iter()
                .map(|it| BestSoFarJson {
                    topic: &it.topic,
                    experiment: &it.experiment,
                    best: BestJson::from(&it.best),
                    baseline: it.relative.as_ref().map(|(baseline, _)| baseline.as_str()),
                    change: it.relative.as_ref().map(|(_, change)| Number(*change)),
                })
                .collect(),
            stops: self.stops.iter().map(StopJson::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::experiment::tests::{brief, view as experiment};
    use crate::render::json;
    use crate::render::run::tests::{a_run, canvas, view_of};

    fn status<'a>(experiment: Option<ExperimentView<'a>>, runs: &'a [Run]) -> StatusView<'a> {
        StatusView {
            place: Place::Branch { name: "exp/A-001".to_owned(), has_commit: true },
            changed_files: Some(3),
            experiment,
            budget: BudgetLeft {
                wall_seconds: Some((4_800.0, 7_200.0)),
                accelerator_seconds: Some((9_600.0, 14_400.0)),
                runs: Some((-1, 40)),
            },
            open: Vec::new(),
            best: Vec::new(),
            under_way: runs
                .iter()
                .zip([true, false])
                .map(|(run, is_alive)| UnderWay { id: "0badcafe".repeat(4), run, process: 4711, is_alive })
                .collect(),
            latest: runs.iter().map(view_of).collect(),
            stops: Vec::new(),
            next: Some(("2 trials are left of 5".to_owned(), "git exp run -n 2 -- make".to_owned())),
        }
    }

    #[test]
    fn all_that_matters_fits_on_one_screen() {
        let (brief, runs) = (brief(), [a_run(), a_run()]);
        assert_snapshot!(page(&status(Some(experiment(Some(&brief))), &runs), &canvas()), @"
        on branch exp/A-001
        3 files are not committed; a run stores them as a snapshot

        experiment A-001  running
          hypothesis   Fused mixing halves the memory traffic
          runs         4 (3 ok, 1 failed), 5 trials planned
          budget       1 h 20 min of 2 h of wall time left
                       2 h 40 min of 4 h of accelerator time left
                       the 40 runs are spent
          confidence   exploratory

        under way
          0badcafe  A-001  2/5  2 d               warm  python train.py --name 'a b'
          0badcafe  A-001  2/5  its process died  warm  python train.py --name 'a b'

        latest runs
          run       experiment  age         status  trial  seed  label  step_time  val_loss  wall_time
          c0ffee00  A-001       2 days ago  ok        2/5     7  warm     2 cases    2.3123     83.4 s
          c0ffee00  A-001       2 days ago  ok        2/5     7  warm     2 cases    2.3123     83.4 s

        next
          2 trials are left of 5:
            git exp run -n 2 -- make
        ");
    }

    #[test]
    fn an_empty_repository_has_little_to_say() {
        let view = StatusView {
            place: Place::Branch { name: "main".to_owned(), has_commit: false },
            changed_files: None,
            experiment: None,
            budget: BudgetLeft::default(),
            open: Vec::new(),
            best: Vec::new(),
            under_way: Vec::new(),
            latest: Vec::new(),
            stops: Vec::new(),
            next: None,
        };
        assert_snapshot!(page(&view, &canvas()), @"on branch main, without a commit yet");
        assert_snapshot!(json::line(&view.json(None, canvas().now)), @r#"{"schema":"git-exp/status/1","branch":"main","commit":null,"bare":false,"changed_files":null,"experiment":null,"budget_left":{"wall_seconds":null,"accelerator_seconds":null,"runs":null,"spent":false},"under_way":[],"latest":[],"next":null,"open":[],"best":[],"stops":[]}"#);
        let bare = StatusView { place: Place::Bare, ..view.clone() };
        assert_snapshot!(page(&bare, &canvas()), @"in a bare repository: what is here can be read, nothing can run");
        let detached = StatusView { place: Place::Detached { commit: "ab".repeat(20) }, ..view };
        assert_snapshot!(page(&detached, &canvas()), @"at abababab, on no branch");
    }
}
