//! Runs as a list.

use std::collections::BTreeSet;

use super::run::{RunView, cell};
use super::table::{Align, Cell, Table};
use super::{Canvas, Tone, number, time};
use crate::domain::filter::{Field, Name, RunFields, SortValue, parse_name};
use crate::domain::metric::BUILT_IN;
use crate::domain::run::Run;

/// How many metrics are shown where none are chosen.
const METRICS: usize = 4;

/// How many differing parameters are shown.
const PARAMETERS: usize = 6;

/// The runs as a table; `columns` are shown of each, or the metrics that the runs have where it is empty.
///
/// A column is a metric, a case of one as `step_time[b8s4096]`, a parameter, or a field as a filter names it. Parameters and
/// labels that are the same all over are left out.
pub fn table(views: &[RunView<'_>], columns: &[String], canvas: &Canvas) -> String {
    let chosen = if columns.is_empty() { usual_metrics(views) } else { columns.to_vec() };
    let mut parameters = differing_parameters(views);
    parameters.retain(|name| !chosen.contains(name));
    let is_chosen = |name: &str| chosen.iter().any(|chosen| chosen == name);
    let has_labels = !is_chosen("label") && views.iter().any(|view| view.run.label.is_some());
    let has_seeds = !is_chosen("seed") && views.iter().any(|view| view.run.seed.is_some());

    let mut columns = vec![
        ("run", Align::Left),
        ("experiment", Align::Left),
        ("age", Align::Left),
        ("status", Align::Left),
        ("trial", Align::Right),
    ];
    if has_seeds {
        columns.push(("seed", Align::Right));
    }
    if has_labels {
        columns.push(("label", Align::Left));
    }
    columns.extend(parameters.iter().map(|name| (name.as_str(), Align::Left)));
    columns.extend(chosen.iter().map(|name| (name.as_str(), Align::Right)));

    let mut table = Table::new(columns);
    for view in views {
        let run = view.run;
        let mut row = vec![
            Cell::new(format!("{}{}", view.short, marks(run))),
            Cell::new(run.membership.experiment.as_str()),
            Cell::new(time::age(run.started, canvas.now)),
            match view.withdrawn {
                Some(_) => Cell::toned(Tone::Dim, format!("{}, withdrawn", run.status.word())),
                None => Cell::toned(Tone::of_status(run.status), run.status.word()),
            },
            Cell::new(format!("{}/{}", run.trial, run.trials)),
        ];
        if has_seeds {
            row.push(run.seed.map_or_else(Cell::default, |seed| Cell::new(seed.to_string())));
        }
        if has_labels {
            row.push(run.label.as_ref().map_or_else(Cell::default, Cell::new));
        }
        row.extend(parameters.iter().map(|name| run.params.get(name).map_or_else(Cell::default, Cell::new)));
        row.extend(chosen.iter().map(|name| chosen_cell(view, name, canvas)));
        table.push(row);
    }
    let mut text = table.render(canvas.style, canvas.width);
    if views.iter().any(|view| !view.run.code.is_exact()) {
        text.push_str("* the recorded commit is not exactly what ran\n");
    }
    if views.iter().any(|view| view.run.evaluation_changed) {
        text.push_str("! it ran under evaluation code that changed since its topic began\n");
    }
    text
}

/// What stands behind a run's ID where something is to be said of it.
fn marks(run: &Run) -> &'static str {
    match (run.code.is_exact(), run.evaluation_changed) {
        (true, false) => "",
        (false, false) => "*",
        (true, true) => "!",
        (false, true) => "*!",
    }
}

fn chosen_cell(view: &RunView<'_>, chosen: &str, canvas: &Canvas) -> Cell {
    let metrics = &view.run.metrics;
    // A metric's own name may end like a case, so the whole is looked for first.
    if let Some(value) = metrics.get(chosen) {
        return match (value.value, value.cases.first_key_value()) {
            (Some(number), _) => cell(chosen, number, value),
            (None, Some((_, number))) if value.cases.len() == 1 => cell(chosen, *number, value),
            _ => Cell::toned(Tone::Dim, format!("{} cases", value.cases.len())),
        };
    }
    if let Some((name, case)) = chosen.strip_suffix(']').and_then(|chosen| chosen.rsplit_once('['))
        && let Some(value) = metrics.get(name)
        && let Some(number) = value.cases.get(case)
    {
        return cell(name, *number, value);
    }
    field_cell(view, chosen, canvas)
}

/// A parameter or a field, as a filter would find it under this name.
fn field_cell(view: &RunView<'_>, chosen: &str, canvas: &Canvas) -> Cell {
    let Ok(name) = parse_name(chosen) else { return Cell::default() };
    let run = view.run;
    let is_parameter = matches!(&name, Name::Bare(_)) && run.params.contains_key(chosen);
    match name.candidates().last() {
        Some(Name::Field(Field::Commit)) if !is_parameter => return Cell::new(run.code.commit.short()),
        Some(Name::Field(Field::Started)) if !is_parameter => {
            return Cell::new(time::short(run.started, &canvas.zone));
        }
        _ => {}
    }
    match SortValue::of(&name, &RunFields { run, topic: view.topic }) {
        // As it was written, since `1e-4` is how people look for it.
        SortValue::Number(_) if is_parameter => Cell::new(&run.params[chosen]),
        SortValue::Number(number) => Cell::new(number::significant(number)),
        SortValue::NotANumber => Cell::toned(Tone::Bad, "NaN"),
        SortValue::Text(text) => Cell::new(text),
        SortValue::Missing => Cell::default(),
    }
}

/// The reported metrics of the runs, at most a few, with the wall time where there is room.
fn usual_metrics(views: &[RunView<'_>]) -> Vec<String> {
    let is_built_in = |name: &str| BUILT_IN.iter().any(|(built_in, _)| *built_in == name);
    let reported: BTreeSet<&String> =
        views.iter().flat_map(|view| view.run.metrics.keys()).filter(|name| !is_built_in(name)).collect();
    let mut chosen: Vec<String> = reported.into_iter().take(METRICS).cloned().collect();
    if chosen.len() < METRICS {
        chosen.push("wall_time".to_owned());
    }
    chosen
}

/// The parameters that are not the same in all runs of the list.
fn differing_parameters(views: &[RunView<'_>]) -> Vec<String> {
    let names: BTreeSet<&String> = views.iter().flat_map(|view| view.run.params.keys()).collect();
    names
        .into_iter()
        .filter(|name| {
            views.windows(2).any(|pair| pair[0].run.params.get(*name) != pair[1].run.params.get(*name))
        })
        .take(PARAMETERS)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::run::{Run, Status};
    use crate::render::run::tests::{a_run, canvas, view_of};

    fn two_runs() -> [Run; 2] {
        let mut second = a_run();
        second.status = Status::Diverged;
        second.params.insert("lr".to_owned(), "1".to_owned());
        second.metrics.get_mut("val_loss").expect("the run has it").value = Some(f64::INFINITY);
        second.metrics.remove("step_time");
        second.code.inexact = vec!["something was left out".to_owned()];
        second.label = None;
        [a_run(), second]
    }

    #[test]
    fn runs_are_listed_with_what_differs() {
        let runs = two_runs();
        let views: Vec<RunView<'_>> = runs.iter().map(view_of).collect();
        assert_snapshot!(table(&views, &[], &canvas()), @"
        run        experiment  age         status    trial  seed  label  lr    step_time  val_loss  wall_time
        c0ffee00   A-001       2 days ago  ok          2/5     7  warm   3e-4    2 cases    2.3123     83.4 s
        c0ffee00*  A-001       2 days ago  diverged    2/5     7         1                     inf     83.4 s
        * the recorded commit is not exactly what ran
        ");
    }

    #[test]
    fn a_run_under_changed_evaluation_code_is_marked() {
        let mut runs = two_runs();
        for run in &mut runs {
            run.evaluation_changed = true;
        }
        let views: Vec<RunView<'_>> = runs.iter().map(view_of).collect();
        assert_snapshot!(table(&views, &["exit".to_owned()], &canvas()), @"
        run         experiment  age         status    trial  seed  label  lr    exit
        c0ffee00!   A-001       2 days ago  ok          2/5     7  warm   3e-4     0
        c0ffee00*!  A-001       2 days ago  diverged    2/5     7         1        0
        * the recorded commit is not exactly what ran
        ! it ran under evaluation code that changed since its topic began
        ");
    }

    #[test]
    fn chosen_metrics_are_the_columns() {
        let runs = two_runs();
        let views: Vec<RunView<'_>> = runs.iter().map(view_of).collect();
        let chosen = ["step_time[b8s4096]", "peak_rss", "nothing"].map(str::to_owned);
        assert_snapshot!(table(&views, &chosen, &canvas()), @"
        run        experiment  age         status    trial  seed  label  lr    step_time[b8s4096]  peak_rss  nothing
        c0ffee00   A-001       2 days ago  ok          2/5     7  warm   3e-4           12.346 ms     2 GiB
        c0ffee00*  A-001       2 days ago  diverged    2/5     7         1                            2 GiB
        * the recorded commit is not exactly what ran
        ");
    }

    #[test]
    fn parameters_and_fields_can_be_columns_too() {
        let runs = two_runs();
        let views: Vec<RunView<'_>> = runs.iter().map(view_of).collect();
        let chosen = ["lr", "commit", "run.started", "exit", "branch", "wall_time"].map(str::to_owned);
        assert_snapshot!(table(&views, &chosen, &canvas()), @"
        run        experiment  age         status    trial  seed  label    lr    commit       run.started  exit     branch  wall_time
        c0ffee00   A-001       2 days ago  ok          2/5     7  warm   3e-4  a1b2c3d4  2026-11-21 13:10     0  exp/A-001     83.4 s
        c0ffee00*  A-001       2 days ago  diverged    2/5     7            1  a1b2c3d4  2026-11-21 13:10     0  exp/A-001     83.4 s
        * the recorded commit is not exactly what ran
        ");
    }
}
