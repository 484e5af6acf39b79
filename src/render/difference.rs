//! What two runs differ in, as text and as JSON.

use serde::Serialize;

use super::json::Number;
use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, number};
use crate::domain::difference::{Axis, Difference, MetricRow, Row};

/// The difference of two runs with their names.
#[derive(Clone, Debug)]
pub struct DifferenceView<'a> {
    /// The name of the first run: whole for scripts, a short one for people.
    pub a: String,
    /// The name of the second run.
    pub b: String,
    /// What they differ in.
    pub difference: &'a Difference,
}

/// How much of one file of the code differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileLine {
    /// Its path.
    pub path: String,
    /// Lines added; absent for a file that is not text.
    pub added: Option<u64>,
    /// Lines removed; absent for a file that is not text.
    pub removed: Option<u64>,
}

/// How many files are listed.
const FILES: usize = 40;

/// The files of the code that differ, under a heading; nothing where there are none.
pub fn files(lines: &[FileLine], canvas: &Canvas) -> String {
    let mut page = Page::default();
    if lines.is_empty() {
        return page.text;
    }
    page.heading(canvas.style, "files");
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right)]);
    for line in lines.iter().take(FILES) {
        let (added, removed) = match (line.added, line.removed) {
            (Some(added), Some(removed)) => (format!("+{added}"), format!("−{removed}")),
            _ => ("binary".to_owned(), String::new()),
        };
        table.push(vec![
            Cell::new(&line.path),
            Cell::toned(Tone::Good, added),
            Cell::toned(Tone::Bad, removed),
        ]);
    }
    page.table(&table, canvas);
    if lines.len() > FILES {
        page.line(&format!("  and {} more", lines.len() - FILES));
    }
    page.text
}

/// The difference on a page, axis by axis, results last.
pub fn page(view: &DifferenceView<'_>, canvas: &Canvas) -> String {
    let difference = view.difference;
    let mut page = Page::default();
    page.line(
        &canvas.style.paint(Tone::Strong, &format!("from {} to {}", harmless(&view.a), harmless(&view.b))),
    );
    if difference.is_empty() {
        page.line("nothing differs");
        return page.text;
    }
    page.line(&summary(difference, canvas));
    for axis in Axis::ALL {
        let rows: Vec<&Row> = difference.of(*axis).collect();
        if !rows.is_empty() {
            page.heading(canvas.style, axis.word());
            let (long, short): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(|row| is_long(row));
            page.table(&inputs(&short), canvas);
            for row in long {
                stacked(&mut page, row, canvas);
            }
        }
    }
    if !difference.metrics.is_empty() {
        page.heading(canvas.style, "metrics");
        page.table(&metrics(&difference.metrics), canvas);
    }
    page.text
}

/// How many axes differ, in words.
fn summary(difference: &Difference, canvas: &Canvas) -> String {
    let axes = difference.axes();
    let names: Vec<&str> = axes.iter().map(|axis| axis.word()).collect();
    match names.as_slice() {
        [] => "equal but for repetition".to_owned(),
        [name] => format!("one axis differs: {name}"),
        _ => canvas.style.paint(
            Tone::Warning,
            &format!(
                "{} axes differ: {}; no result can be put down to one of them",
                names.len(),
                names.join(", ")
            ),
        ),
    }
}

/// Whether a side is too long to stand beside the other, where what differs would be cut off.
fn is_long(row: &Row) -> bool {
    [&row.a, &row.b].into_iter().flatten().any(|side| side.chars().count() > LONGEST_BESIDE)
}

/// The longest side that is shown beside the other.
const LONGEST_BESIDE: usize = 32;

fn stacked(page: &mut Page, row: &Row, canvas: &Canvas) {
    page.line(&format!("  {} {}", harmless(&row.name), canvas.style.paint(Tone::Dim, explanation(row))));
    for (sign, side, tone) in [("-", &row.a, Tone::Bad), ("+", &row.b, Tone::Good)] {
        if let Some(text) = side {
            page.line(&format!("    {}", canvas.style.paint(tone, &format!("{sign} {}", harmless(text)))));
        }
    }
}

fn explanation(row: &Row) -> &'static str {
    if row.is_explained { "(follows the parameters)" } else { "" }
}

fn inputs(rows: &[&Row]) -> Table {
    let mut table = Table::new([""; 5].map(|header| (header, Align::Left)));
    for row in rows {
        let side = |text: &Option<String>, tone| match text.as_deref() {
            None => Cell::toned(Tone::Dim, "(none)"),
            Some("") => Cell::toned(Tone::Dim, "(empty)"),
            Some(text) => Cell::toned(tone, text),
        };
        table.push(vec![
            Cell::new(&row.name),
            side(&row.a, Tone::Bad),
            Cell::toned(Tone::Dim, "→"),
            side(&row.b, Tone::Good),
            Cell::toned(Tone::Dim, explanation(row)),
        ]);
    }
    table
}

fn metrics(rows: &[MetricRow]) -> Table {
    let mut table = Table::new([
        ("name", Align::Left),
        ("from", Align::Right),
        ("to", Align::Right),
        ("change", Align::Right),
        ("relative", Align::Right),
        ("", Align::Left),
    ]);
    for row in rows {
        let value = |value: Option<f64>, unit: Option<&str>| match value {
            Some(value) => Cell::new(number::of_metric(&row.name, value, unit)),
            None => Cell::toned(Tone::Dim, "-"),
        };
        let remark = if row.other_unit.is_some() {
            "the units differ"
        } else if row.is_redefined {
            "the metric was redefined"
        } else {
            ""
        };
        let name = row.case.as_ref().map_or_else(|| row.name.clone(), |case| format!("{}[{case}]", row.name));
        table.push(vec![
            Cell::new(name),
            value(row.a, row.unit.as_deref()),
            value(row.b, row.other_unit.as_deref().or(row.unit.as_deref())),
            Cell::new(row.absolute().map_or_else(String::new, number::signed)),
            Cell::new(row.relative().map_or_else(String::new, number::percent)),
            Cell::toned(Tone::Warning, remark),
        ]);
    }
    table
}

/// The difference of two runs: `git-exp/diff/1`.
#[derive(Debug, Serialize)]
pub struct DifferenceJson<'a> {
    schema: &'static str,
    a: &'a str,
    b: &'a str,
    axes_differing: usize,
    axes: Vec<&'static str>,
    differences: Vec<RowJson<'a>>,
    metrics: Vec<MetricRowJson<'a>>,
    files: &'a [FileLine],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    axis: &'static str,
    name: &'a str,
    a: Option<&'a str>,
    b: Option<&'a str>,
    explained: bool,
}

#[derive(Debug, Serialize)]
struct MetricRowJson<'a> {
    name: &'a str,
    case: Option<&'a str>,
    unit: Option<&'a str>,
    a: Option<Number>,
    b: Option<Number>,
    absolute: Option<Number>,
    relative: Option<Number>,
    other_unit: Option<&'a str>,
    redefined: bool,
}

impl<'a> DifferenceView<'a> {
    /// The view for scripts, with the files of the code that differ and, where it was asked for, the patch.
    pub fn json(&'a self, files: &'a [FileLine], patch: Option<&'a str>) -> DifferenceJson<'a> {
        let view = self;
        let difference = view.difference;
        DifferenceJson {
            schema: "git-exp/diff/1",
            a: &view.a,
            b: &view.b,
            axes_differing: difference.axes_differing(),
            axes: difference.axes().into_iter().map(Axis::word).collect(),
            differences: difference
                .rows
                .iter()
                .map(|row| RowJson {
                    axis: row.axis.word(),
                    name: &row.name,
                    a: row.a.as_deref(),
                    b: row.b.as_deref(),
                    explained: row.is_explained,
                })
                .collect(),
            metrics: difference
                .metrics
                .iter()
                .map(|row| MetricRowJson {
                    name: &row.name,
                    case: row.case.as_deref(),
                    unit: row.unit.as_deref(),
                    a: row.a.map(Number),
                    b: row.b.map(Number),
                    absolute: row.absolute().map(Number),
                    relative: row.relative().map(Number),
                    other_unit: row.other_unit.as_deref(),
                    redefined: row.is_redefined,
                })
                .collect(),
            files,
            patch,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::domain::bytes::OsBytes;
    use crate::domain::difference::Side;
    use crate::domain::run::Run;
    use crate::render::run::tests::{a_run, canvas};

    fn difference(a: &Run, b: &Run) -> Difference {
        let none = BTreeMap::new();
        let (environment_a, environment_b) = (
            json!({"os": "linux", "packages": {"torch": "2.10"}, "gpus": [{"name": "x"}], "tags": [1, 2]}),
            json!({"os": "linux", "packages": {"torch": "2.11"}, "gpus": [{"name": "y"}], "tags": [1, 2]}),
        );
        let config_b = BTreeMap::from([("configs/a.yaml".to_owned(), "abcd".to_owned())]);
        Difference::between(
            &Side { run: a, environment: Some(&environment_a), config_files: &none, datasets: &none },
            &Side { run: b, environment: Some(&environment_b), config_files: &config_b, datasets: &none },
        )
    }

    fn changed() -> Run {
        let mut run = a_run();
        run.argv[3] = OsBytes::from("b");
        run.params.insert("lr".to_owned(), "1e-3".to_owned());
        run.seed = Some(8);
        run.label = None;
        run.inputs[0].shape = Some("16x1024".to_owned());
        run.metrics.get_mut("val_loss").expect("the run has it").value = Some(2.1);
        run.metrics.get_mut("step_time").expect("the run has it").cases.insert("b8s4096".to_owned(), 11.0);
        run.metrics.get_mut("wall_time").expect("the run has it").unit = Some("ms".to_owned());
        run.metrics.remove("peak_rss");
        run
    }

    #[test]
    fn runs_differ_axis_by_axis() {
        let (a, b) = (a_run(), changed());
        let difference = difference(&a, &b);
        let view =
            DifferenceView { a: "c0ffee00".to_owned(), b: "c0ffee01".to_owned(), difference: &difference };
        assert_snapshot!(page(&view, &canvas()), @"
        from c0ffee00 to c0ffee01
        5 axes differ: command, parameters, configuration, inputs, environment; no result can be put down to one of them

        command
          command  python train.py --name 'a b'  →  python train.py --name b

        parameters
          lr  3e-4  →  1e-3

        configuration
          configs/a.yaml  (none)  →  abcd

        inputs
          x  8x1024 bf16  →  16x1024 bf16

        environment
          gpus.0.name     x     →  y
          packages.torch  2.10  →  2.11

        seed
          seed  7  →  8

        label
          label  warm  →  (none)

        metrics
          name                     from       to    change  relative
          peak_rss                2 GiB        -
          step_time[b8s4096]  12.346 ms    11 ms   −1.3457   −10.9 %
          val_loss               2.3123      2.1  −0.21235   −9.18 %
          wall_time              83.4 s  83.4 ms                      the units differ
        ");
    }

    #[test]
    fn a_script_gets_the_same_with_the_counts() {
        let (a, b) = (a_run(), changed());
        let mut difference = difference(&a, &b);
        difference.rows.truncate(1);
        difference.metrics.truncate(1);
        let view =
            DifferenceView { a: "c0ffee00".to_owned(), b: "c0ffee01".to_owned(), difference: &difference };
        let json = view.json(&[], None);
        assert_snapshot!(serde_json::to_string_pretty(&json).expect("a view can be written"), @r#"
        {
          "schema": "git-exp/diff/1",
          "a": "c0ffee00",
          "b": "c0ffee01",
          "axes_differing": 1,
          "axes": [
            "command"
          ],
          "differences": [
            {
              "axis": "command",
              "name": "command",
              "a": "python train.py --name 'a b'",
              "b": "python train.py --name b",
              "explained": false
            }
          ],
          "metrics": [
            {
              "name": "peak_rss",
              "case": null,
              "unit": "bytes",
              "a": 2147483648.0,
              "b": null,
              "absolute": null,
              "relative": null,
              "other_unit": null,
              "redefined": false
            }
          ],
          "files": []
        }
        "#);
    }

    #[test]
    fn files_show_how_many_lines_changed() {
        let line = |path: &str, added, removed| FileLine { path: path.to_owned(), added, removed };
        let lines = [line("train.py", Some(12), Some(3)), line("logo.png", None, None)];
        assert_snapshot!(files(&lines, &canvas()), @"
        files
          train.py     +12  −3
          logo.png  binary
        ");
        assert_eq!(files(&[], &canvas()), "");
        let many: Vec<FileLine> = (0..50).map(|_| line("a", Some(0), Some(1))).collect();
        assert!(files(&many, &canvas()).ends_with("  and 10 more\n"));
    }

    #[test]
    fn equal_runs_say_so() {
        let nothing = Difference::default();
        let view =
            DifferenceView { a: "c0ffee00".to_owned(), b: "c0ffee01".to_owned(), difference: &nothing };
        assert_snapshot!(page(&view, &canvas()), @"
        from c0ffee00 to c0ffee01
        nothing differs
        ");
    }
}
