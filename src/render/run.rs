//! One run on one page.

use std::collections::BTreeMap;

use super::table::{Align, Cell, Table};
use super::text::{command_line, harmless};
use super::{Canvas, Page, Style, Tone, number, time};
use crate::domain::evaluation::short;
use crate::domain::metric::{Better, Value};
use crate::domain::run::{Exit, Run};

/// A run with what the log knows around it.
#[derive(Clone, Debug)]
pub struct RunView<'a> {
    /// The whole ID of its entry, for scripts.
    pub id: String,
    /// The shortest prefix of it that is unique, for people.
    pub short: String,
    /// The run itself.
    pub run: &'a Run,
    /// The topic of its experiment.
    pub topic: Option<&'a str>,
    /// The clone that recorded it.
    pub writer: Option<&'a str>,
    /// Its files with their lengths in bytes.
    pub files: Vec<(String, u64)>,
    /// The environment it ran in, where that was read.
    pub environment: Option<&'a serde_json::Value>,
    /// The withdrawal that set its result aside, and why.
    pub withdrawn: Option<(String, String)>,
}

impl<'a> RunView<'a> {
    /// A view of `run` under the entry `id`, shown as `short`, with nothing known around it.
    pub fn new(id: String, short: String, run: &'a Run) -> Self {
        Self {
            id,
            short,
            run,
            topic: None,
            writer: None,
            files: Vec::new(),
            environment: None,
            withdrawn: None,
        }
    }
}

/// Everything about one run: what ran, on which code, what came out, what else is worth knowing.
pub fn page(view: &RunView<'_>, canvas: &Canvas) -> String {
    let run = view.run;
    let mut page = Page::default();
    let experiment = harmless(run.membership.experiment.as_str()).into_owned();
    page.line(&format!(
        "{} {}  {}  {}",
        canvas.style.paint(Tone::Strong, &format!("run {}", harmless(&view.short))),
        canvas.style.paint(Tone::of_status(run.status), run.status.word()),
        experiment,
        time::age(run.started, canvas.now),
    ));
    what_ran(&mut page, view, canvas);
    code(&mut page, run, canvas.style);
    metrics(&mut page, run, canvas);
    inputs(&mut page, run, canvas);
    if !view.files.is_empty() || !run.large.is_empty() || !run.truncated.is_empty() {
        files(&mut page, view, canvas);
    }
    remarks(&mut page, run, canvas.style);
    page.text
}

fn what_ran(page: &mut Page, view: &RunView<'_>, canvas: &Canvas) {
    let run = view.run;
    page.heading(canvas.style, "what ran");
    page.field("command", &command_line(&run.argv));
    if !run.directory.0.is_empty() {
        page.field("directory", &harmless(&run.directory.to_string()));
    }
    page.field("started", &time::long(run.started, &canvas.zone));
    let charged = match run.accelerators {
        0 => String::new(),
        1 => " on 1 accelerator".to_owned(),
        count => format!(" on {count} accelerators"),
    };
    page.field("took", &format!("{}{charged}", number::seconds(run.wall_seconds)));
    page.field("ended", &ending(run));
    match run.pair {
        Some(pair) if pair.number == 0 => page.field("pair", &format!("warm-up of the {}", pair.side)),
        Some(pair) => page.field("pair", &format!("{} of {}, {}", pair.number, run.trials, pair.side)),
        None => page.field("trial", &format!("{} of {}", run.trial, run.trials)),
    }
    if run.confirms {
        page.field("confirms", "repeats an earlier result with new seeds");
    }
    if let Some(seed) = run.seed {
        page.field("seed", &seed.to_string());
    }
    if let Some(label) = &run.label {
        page.field("label", &harmless(label));
    }
    if let Some(topic) = view.topic {
        page.field("topic", &harmless(topic));
    }
    let mut name = "parameters";
    for (param, value) in &run.params {
        let default = run
            .changed_params
            .get(param)
            .map(|default| canvas.style.paint(Tone::Warning, &format!("  (default {})", harmless(default))))
            .unwrap_or_default();
        page.field(name, &format!("{}={}{default}", harmless(param), harmless(value)));
        name = "";
    }
    page.field("hardware", &harmless(&run.hardware));
    if let Some(load) = run.load.load_average {
        page.field("load", &number::significant(load));
    }
    if !run.load.accelerator_processes.is_empty() {
        let processes = harmless(&run.load.accelerator_processes.join(", ")).into_owned();
        page.field(
            "beside it",
            &canvas.style.paint(Tone::Warning, &format!("{processes} on an accelerator")),
        );
    }
    match run.membership.brief {
        Some(brief) => page.field("brief", &brief.short()),
        None => page.field("brief", "none: the run is exploratory"),
    }
    if let Some(writer) = view.writer {
        page.field("recorded by", &harmless(writer));
    }
}

/// How the process ended, in words.
fn ending(run: &Run) -> String {
    let how = match run.exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Unknown => "not seen".to_owned(),
    };
    match &run.reason {
        Some(reason) => format!("{how}: {}", harmless(reason)),
        None => how,
    }
}

fn code(page: &mut Page, run: &Run, style: Style) {
    page.heading(style, "code");
    let snapshot = if run.code.base.is_some() { "  (snapshot of uncommitted changes)" } else { "" };
    page.field("commit", &format!("{}{snapshot}", run.code.commit));
    if let Some(base) = &run.code.base {
        page.field("on top of", base.as_str());
    }
    if let Some(branch) = &run.code.branch {
        page.field("branch", &harmless(branch));
    }
    if run.code.is_exact() {
        page.field("exact", "yes");
    } else {
        page.field("exact", &style.paint(Tone::Warning, "no"));
        for reason in &run.code.inexact {
            page.field("", &harmless(reason));
        }
    }
    if let Some(digest) = &run.evaluation {
        let digest = harmless(short(digest));
        let text = if run.evaluation_changed {
            style.paint(Tone::Warning, &format!("{digest}, changed since the topic began"))
        } else {
            format!("{digest}, as when the topic began")
        };
        page.field("evaluation", &text);
    }
    for (name, commit) in &run.code.others {
        page.field("with", &format!("{} {}", harmless(name), harmless(commit)));
    }
}

fn metrics(page: &mut Page, run: &Run, canvas: &Canvas) {
    if run.metrics.is_empty() {
        return;
    }
    page.heading(canvas.style, "metrics");
    let mut table = Table::new([
        ("name", Align::Left),
        ("value", Align::Right),
        ("better", Align::Left),
        ("kind", Align::Left),
        ("points", Align::Right),
    ]);
    for (name, value) in &run.metrics {
        let more = |value: &Value| {
            [
                Cell::new(value.better.map_or("-", Better::word)),
                Cell::new(value.kind.map_or("-", crate::domain::metric::Kind::word)),
                Cell::new(value.points.to_string()),
            ]
        };
        let mut row =
            vec![Cell::new(name), value.value.map_or_else(Cell::default, |number| cell(name, number, value))];
        row.extend(more(value));
        table.push(row);
        for (case, number) in &value.cases {
            table.push(vec![Cell::new(format!("  {case}")), cell(name, *number, value)]);
        }
    }
    page.table(&table, canvas);
}

/// A cell with a metric's value; what is not finite stands out.
pub(super) fn cell(name: &str, number: f64, value: &Value) -> Cell {
    let tone = if number.is_finite() { Tone::Plain } else { Tone::Bad };
    Cell::toned(tone, number::of_metric(name, number, value.unit.as_deref()))
}

fn inputs(page: &mut Page, run: &Run, canvas: &Canvas) {
    if run.inputs.is_empty() {
        return;
    }
    page.heading(canvas.style, "inputs");
    let mut table = Table::new([
        ("name", Align::Left),
        ("shape", Align::Left),
        ("dtype", Align::Left),
        ("device", Align::Left),
        ("more", Align::Left),
    ]);
    for input in &run.inputs {
        let text = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or("-"));
        let pairs = |more: &BTreeMap<String, String>| {
            more.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        table.push(vec![
            Cell::new(&input.name),
            text(&input.shape),
            text(&input.dtype),
            text(&input.device),
            Cell::new(pairs(&input.more)),
        ]);
    }
    page.table(&table, canvas);
}

fn files(page: &mut Page, view: &RunView<'_>, canvas: &Canvas) {
    page.heading(canvas.style, "files");
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
    let size = |bytes: u64| Cell::new(number::bytes(bytes as f64));
    for (name, bytes) in &view.files {
        table.push(vec![Cell::new(name), size(*bytes)]);
    }
    for file in &view.run.large {
        let hash: String = file.blake3.chars().take(8).collect();
        table.push(vec![
            Cell::new(file.path.to_string()),
            size(file.bytes),
            Cell::toned(Tone::Dim, format!("not kept: too large, blake3 {hash}…")),
        ]);
    }
    for part in &view.run.truncated {
        table.push(vec![
            Cell::new(&part.stream),
            size(part.bytes),
            Cell::toned(Tone::Dim, "kept in part: its start and its end"),
        ]);
    }
    page.table(&table, canvas);
}

fn remarks(page: &mut Page, run: &Run, style: Style) {
    if run.remarks.is_empty() && run.malformed.count == 0 {
        return;
    }
    page.heading(style, "remarks");
    for remark in &run.remarks {
        page.line(&format!("  {}", harmless(remark)));
    }
    if run.malformed.count > 0 {
        let lines = if run.malformed.count == 1 {
            "line that looks like a report"
        } else {
            "lines that look like reports"
        };
        page.line(
            &style.paint(Tone::Warning, &format!("  {} {lines} could not be read", run.malformed.count)),
        );
        for example in &run.malformed.examples {
            page.line(&format!("    {}", harmless(example)));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use insta::assert_snapshot;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::bytes::OsBytes;
    pub(in crate::render) use crate::domain::difference::tests::a_run;
    use crate::domain::run::{LargeFile, Malformed, Status, Truncated};

    /// The view of a run under a fixed ID.
    pub(in crate::render) fn view_of(run: &Run) -> RunView<'_> {
        RunView {
            topic: Some("mixing"),
            writer: Some("0f0e0d0c"),
            files: vec![("stdout".to_owned(), 4321)],
            ..RunView::new("c0ffee00".repeat(8), "c0ffee00".to_owned(), run)
        }
    }

    /// A plain canvas two days after the run.
    pub(in crate::render) fn canvas() -> Canvas {
        Canvas {
            style: Style::Plain,
            width: None,
            now: "2026-11-23T11:10:05Z".parse().expect("the time is right"),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        }
    }

    #[test]
    fn a_run_fits_on_a_page() {
        let run = a_run();
        assert_snapshot!(page(&view_of(&run), &canvas()), @"
        run c0ffee00 ok  A-001  2 days ago

        what ran
          command      python train.py --name 'a b'
          started      2026-11-21 13:10:05 +02:00
          took         83.4 s
          ended        exit status 0
          trial        2 of 5
          seed         7
          label        warm
          topic        mixing
          parameters   lr=3e-4  (default 1e-4)
                       width=64
          hardware     5f3a9c21
          load         0.42
          brief        02020202
          recorded by  0f0e0d0c

        code
          commit       a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4
          branch       exp/A-001
          exact        yes

        metrics
          name            value  better  kind      points
          peak_rss        2 GiB  lower   measured      20
          step_time              lower   measured      20
            b16s4096    23.5 ms
            b8s4096   12.346 ms
          val_loss       2.3123  lower   quality       20
          wall_time      83.4 s  lower   measured      20

        inputs
          name  shape   dtype  device  more
          x     8x1024  bf16   -

        files
          stdout  4.2197 KiB
        ");
    }

    #[test]
    fn what_went_wrong_is_said() {
        let mut run = a_run();
        run.status = Status::Killed;
        run.exit = Exit::Signal(9);
        run.reason = Some("out of \u{1b}[31mmemory".to_owned());
        run.argv = vec![OsBytes(b"./caf\xe9 \x1b]0;".to_vec())];
        run.directory = OsBytes::from("sub dir");
        run.code.base = Some(run.code.tree.clone());
        run.code.inexact = vec!["`data.bin` was left out: it is larger than 10 MiB".to_owned()];
        run.code.others = BTreeMap::from([("kernels".to_owned(), "0011aabb".to_owned())]);
        run.membership.brief = None;
        run.metrics =
            BTreeMap::from([("loss".to_owned(), Value { value: Some(f64::NAN), ..Value::default() })]);
        run.inputs.clear();
        run.malformed =
            Malformed { count: 12, examples: vec!["METRIC loss=: `` is not a number".to_owned()] };
        run.evaluation = Some("0123456789abcdef".to_owned());
        run.evaluation_changed = true;
        run.load.accelerator_processes = vec!["python".to_owned()];
        run.accelerators = 2;
        run.large =
            vec![LargeFile { path: OsBytes::from("model.pt"), bytes: 1 << 30, blake3: "ab".repeat(32) }];
        run.truncated =
            vec![Truncated { stream: "stdout".to_owned(), bytes: 1 << 30, blake3: "cd".repeat(32) }];
        run.remarks = vec!["a secret was redacted from stdout".to_owned()];
        assert_snapshot!(page(&view_of(&run), &canvas()), @r"
        run c0ffee00 killed  A-001  2 days ago

        what ran
          command      $'./caf� \033]0;'
          directory    sub dir
          started      2026-11-21 13:10:05 +02:00
          took         83.4 s on 2 accelerators
          ended        signal 9: out of ␛[31mmemory
          trial        2 of 5
          seed         7
          label        warm
          topic        mixing
          parameters   lr=3e-4  (default 1e-4)
                       width=64
          hardware     5f3a9c21
          load         0.42
          beside it    python on an accelerator
          brief        none: the run is exploratory
          recorded by  0f0e0d0c

        code
          commit       a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4  (snapshot of uncommitted changes)
          on top of    b1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4
          branch       exp/A-001
          exact        no
                       `data.bin` was left out: it is larger than 10 MiB
          evaluation   0123456789ab, changed since the topic began
          with         kernels 0011aabb

        metrics
          name  value  better  kind  points
          loss    NaN  -       -          0

        files
          stdout    4.2197 KiB
          model.pt       1 GiB  not kept: too large, blake3 abababab…
          stdout         1 GiB  kept in part: its start and its end

        remarks
          a secret was redacted from stdout
          12 lines that look like reports could not be read
            METRIC loss=: `` is not a number
        ");
    }

    #[test]
    fn colour_only_adds_to_what_is_read() {
        let run = a_run();
        let coloured = page(&view_of(&run), &Canvas { style: Style::Colour, ..canvas() });
        assert!(coloured.contains("\u{1b}[32mok\u{1b}[0m"));
    }
}
