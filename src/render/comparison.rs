//! Comparisons: on a page, as a line among others, as Markdown and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::Number;
use super::markdown::inline;
use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, number};
use crate::domain::comparison::{Answered, Comparison, Numbers, Row, answer_word, design_word};
use crate::domain::decision::Evidence;
use crate::domain::difference::Axis;
use crate::domain::failure_rate::FAILURE_RATE;
use crate::domain::id::EntryId;
use crate::domain::metric::{BUILT_IN, Better, Kind, Scale};
use crate::domain::number::counted;
use crate::domain::statistics::Interval;
use crate::domain::statistics::describe::Description;
use crate::domain::statistics::noninferiority::Answer;
use crate::domain::verdict::{Outcome, Verdict};

/// How much of a comparison is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What the verdict stands on.
    #[default]
    Usual,
    /// The spread and the tests of every metric, too.
    All,
}

/// The comparison on a page: the verdict, why, the metrics, the criteria, and what to beware of.
pub fn page(comparison: &Comparison<'_>, detail: Detail, canvas: &Canvas) -> String {
    let mut page = Page::default();
    let (baseline, candidate) = &comparison.matchup.names;
    let heading = format!("{} against {}:", harmless(candidate), harmless(baseline));
    page.line(&format!(
        "{} {}",
        canvas.style.paint(Tone::Strong, &heading),
        canvas.style.paint(Tone::of_outcome(comparison.outcome), comparison.outcome.word())
    ));
    let mut reasons = comparison.reasons.iter().map(|reason| harmless(reason));
    page.field("because", &reasons.next().unwrap_or_default());
    reasons.for_each(|reason| page.field("", &reason));
    page.field(
        "confidence",
        &format!("{}: {}", comparison.confidence, harmless(&comparison.confidence_reason)),
    );
    page.field("compared", &compared(comparison));
    page.field("differ in", &axes(comparison));
    if let Some(look) = comparison.matchup.look {
        let level = look.level.map_or_else(
            || "so early that nothing can be accepted".to_owned(),
            |level| format!("criteria are judged at {:.3} %", 100.0 * (1.0 - level.share())),
        );
        page.field(
            "look",
            &format!(
                "{} of {} declared, after {}: {level}",
                look.number,
                look.of,
                counted(look.trials, "trial")
            ),
        );
    }
    if comparison.matchup.is_confirmed {
        page.field("confirms", "these trials repeat an earlier result with new seeds");
    }
    if comparison.family > 1 {
        page.field("family", &format!("{} candidates were compared with this baseline", comparison.family));
    }
    for (hardware, outcome) in &comparison.strata {
        page.field("elsewhere", &format!("{} on the hardware {}", outcome.word(), harmless(hardware)));
    }
    page.heading(canvas.style, "metrics");
    page.table(&metrics(&comparison.rows), canvas);
    for line in anytime(&comparison.rows).into_iter().chain(remarks(&comparison.rows)) {
        page.line(&format!("  {}", canvas.style.paint(Tone::Dim, &line)));
    }
    if !comparison.answers.is_empty() {
        page.heading(canvas.style, "criteria");
        page.table(&criteria(&comparison.answers), canvas);
    }
    if detail == Detail::All {
        page.heading(canvas.style, "spread");
        page.table(&spread(&comparison.rows), canvas);
        page.heading(canvas.style, "methods");
        page.table(&tests(&comparison.rows), canvas);
    } else {
        page.heading(canvas.style, "methods");
        for (method, names) in methods(&comparison.rows) {
            page.line(&format!("  {method}: {}", harmless(&names.join(", "))));
        }
    }
    if !comparison.warnings.is_empty() {
        page.heading(canvas.style, "beware");
        for warning in &comparison.warnings {
            page.line(&format!("  {}", canvas.style.paint(Tone::Warning, &harmless(warning))));
        }
    }
    if !comparison.matchup.left_out.is_empty() || !comparison.withdrawn.is_empty() {
        page.heading(canvas.style, "left out");
        for line in left_out(comparison) {
            page.line(&format!("  {line}"));
        }
    }
    page.text
}

/// What the comparison comes to in a line: the metric it is about, its change and what that says.
///
/// That is the primary metric, else the first that the runs reported themselves, else the wall time.
pub fn headline(comparison: &Comparison<'_>) -> String {
    telling_of(comparison).map_or_else(nothing_to_compare, outcome_of)
}

fn telling_of<'a>(comparison: &'a Comparison<'_>) -> Option<&'a Row> {
    let primary = comparison.answers.first().map(|answer| answer.criterion.metric.as_str());
    telling(&comparison.rows, primary)
}

/// The row that the comparison is about: that of the primary metric, else of the first that tells something.
fn telling<'a>(rows: &'a [Row], primary: Option<&str>) -> Option<&'a Row> {
    let whole = || rows.iter().filter(|row| row.case.is_none());
    let is_built_in = |row: &&Row| BUILT_IN.iter().any(|(name, _)| *name == row.name);
    let row = match primary {
        Some(name) => whole().find(|row| row.name == name),
        None => whole()
            .find(|row| !is_built_in(row) && row.better.is_some() && row.name != FAILURE_RATE)
            .or_else(|| whole().find(|row| row.name == "wall_time")),
    };
    row.filter(|row| row.delta.is_some())
}

fn nothing_to_compare() -> String {
    "nothing to compare".to_owned()
}

/// What came out for a metric, in a line: `step_time[b8] +3.1 % (95 % CI +2 … +4.2 %): worse`.
pub fn outcome_of(row: &Row) -> String {
    let interval = match interval(row) {
        interval if interval.is_empty() => "no interval".to_owned(),
        interval => format!("95 % CI {interval}"),
    };
    format!("{} {} ({interval}): {}", harmless(&name(row)), change(row), says(row))
}

/// Several comparisons with one baseline, a line each.
pub fn summary(comparisons: &[Comparison<'_>], canvas: &Canvas) -> String {
    let mut table = Table::new([
        ("candidate", Align::Left),
        ("verdict", Align::Left),
        ("metric", Align::Left),
        ("change", Align::Right),
        ("95 % interval", Align::Right),
        ("p (Holm)", Align::Right),
        ("n", Align::Right),
        ("says", Align::Left),
        ("confidence", Align::Left),
    ]);
    for comparison in comparisons {
        let first = comparison.rows.first();
        table.push(vec![
            Cell::toned(Tone::Strong, &comparison.matchup.names.1),
            Cell::toned(Tone::of_outcome(comparison.outcome), comparison.outcome.word()),
            Cell::new(first.map_or("", |row| row.name.as_str())),
            Cell::new(first.map_or_else(String::new, change)),
            Cell::new(first.map_or_else(String::new, interval)),
            Cell::new(first.and_then(|row| row.p_adjusted).map_or_else(String::new, p_value)),
            Cell::new(first.map_or_else(String::new, sizes)),
            first.map_or_else(Cell::default, verdict_cell),
            Cell::new(comparison.confidence.word()),
        ]);
    }
    let baseline = comparisons.first().map_or("", |comparison| comparison.matchup.names.0.as_str());
    let heading = format!("{} candidates against {}", comparisons.len(), harmless(baseline));
    format!("{}\n{}", canvas.style.paint(Tone::Strong, &heading), table.render(canvas.style, canvas.width))
}

/// A metric of a comparison as a document shows it: an element of `comparison.rows`.
#[derive(Debug, Serialize)]
pub struct RowFields {
    metric: String,
    baseline: String,
    candidate: String,
    n: String,
    change: String,
    interval: String,
    says: String,
}

/// A comparison as a document shows it: `comparison`.
#[derive(Debug, Serialize)]
pub struct ComparisonFields {
    baseline: String,
    candidate: String,
    verdict: &'static str,
    reasons: Vec<String>,
    confidence: String,
    /// The confidence in a word.
    strength: String,
    /// What the candidate came to by its primary metric, with the effect and its interval.
    result: Option<String>,
    /// The effect on that metric, and what it says.
    summary: String,
    differ: String,
    rows: Vec<RowFields>,
    warnings: Vec<String>,
    left_out: Vec<String>,
    #[serde(skip)]
    found: Found,
}

/// What of a comparison its documents do not show, but are made by.
#[derive(Clone, Debug, Default)]
struct Found {
    outcome: Option<Outcome>,
    /// The primary metric, and by how much the candidate is better than the baseline.
    gain: Option<(String, f64)>,
    /// The runs of the baseline and of the candidate.
    runs: [Vec<String>; 2],
}

impl Found {
    fn of(outcome: Outcome, row: Option<&Row>, runs: [Vec<String>; 2]) -> Self {
        let gain = row.and_then(|row| match (row.better?, row.delta?) {
            (Better::Lower, delta) => Some((row.name.clone(), -delta)),
            (Better::Higher, delta) => Some((row.name.clone(), delta)),
        });
        Self { outcome: Some(outcome), gain, runs }
    }
}

/// What a candidate came to by a metric: `step_time 80.7 ± 0.6 ms (n = 3; −20 %, 95 % CI −21 … −19 %)`.
fn result(row: &Row) -> String {
    let candidate = format!("{} {} (n = {}", name(row), value(row, &row.candidate), row.candidate.n);
    match (change(row), interval(row)) {
        (change, _) if change.is_empty() => format!("{candidate})"),
        (change, interval) if interval.is_empty() => format!("{candidate}; {change}, no interval)"),
        (change, interval) => format!("{candidate}; {change}, 95 % CI {interval})"),
    }
}

impl RowFields {
    fn of(rows: &[Row]) -> Vec<Self> {
        let rows = rows.iter().map(|row| Self {
            metric: name(row),
            baseline: value(row, &row.baseline),
            candidate: value(row, &row.candidate),
            n: sizes(row),
            change: change(row),
            interval: interval(row),
            says: verdict_in_words(row),
        });
        rows.collect()
    }
}

impl ComparisonFields {
    /// What the numbers say.
    pub fn outcome(&self) -> Option<Outcome> {
        self.found.outcome
    }

    /// Why they say so.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// What to beware of.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What it was compared with.
    pub fn baseline(&self) -> &str {
        &self.baseline
    }

    /// What the numbers say, in a word.
    pub fn verdict(&self) -> &'static str {
        self.verdict
    }

    /// The confidence, in a word.
    pub fn strength(&self) -> &str {
        &self.strength
    }

    /// What the candidate came to by its primary metric, with the effect and its interval.
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }

    /// The effect on the primary metric, and what it says.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The primary metric, and by how much the candidate is better than the baseline.
    pub fn gain(&self) -> Option<(&str, f64)> {
        self.found.gain.as_ref().map(|(metric, gain)| (metric.as_str(), *gain))
    }

    /// The IDs of the runs of the baseline, and of the candidate.
    pub fn runs(&self) -> &[Vec<String>; 2] {
        &self.found.runs
    }

    /// The comparison as it was stored beside a decision or a seal; `None` where `text` is none.
    pub fn stored(text: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(text).ok()?;
        let outcome = Outcome::from_word(&stored.outcome)?;
        let rows: Vec<Row> = stored.metrics.into_iter().map(Row::from).collect();
        let primary = stored.criteria.first().map(|it| it.metric.as_str());
        let row = telling(&rows, primary);
        let left_out = stored.left_out.iter().map(|it| left_out_in_words(it.runs, &it.side, &it.why));
        let axes: Vec<&str> = stored.axes.iter().map(String::as_str).collect();
        Some(Self {
            verdict: outcome.word(),
            reasons: stored.reasons,
            confidence: format!("{}: {}", stored.confidence, stored.confidence_reason),
            strength: stored.confidence,
            result: row.map(result),
            summary: row.map_or_else(nothing_to_compare, outcome_of),
            differ: axes_in_words(&axes),
            rows: RowFields::of(&rows),
            warnings: stored.warnings,
            left_out: left_out.collect(),
            found: Found::of(outcome, row, [stored.runs.baseline, stored.runs.candidate]),
            baseline: stored.baseline,
            candidate: stored.candidate,
        })
    }

    /// What is left of a comparison where only what the decision says about it is here.
    pub fn of_evidence(evidence: &Evidence, candidate: String) -> Self {
        Self {
            baseline: evidence.baseline.clone(),
            candidate,
            verdict: evidence.outcome.word(),
            reasons: Vec::new(),
            confidence: evidence.confidence.clone(),
            strength: evidence.confidence.clone(),
            result: Some(evidence.summary.clone()),
            summary: evidence.summary.clone(),
            differ: "what is not here".to_owned(),
            rows: Vec::new(),
            warnings: Vec::new(),
            left_out: Vec::new(),
            found: Found { outcome: Some(evidence.outcome), ..Found::default() },
        }
    }
}

/// What documents show of a stored [`ComparisonJson`].
#[derive(Deserialize)]
struct Stored {
    baseline: String,
    candidate: String,
    outcome: String,
    reasons: Vec<String>,
    confidence: String,
    confidence_reason: String,
    metrics: Vec<StoredMetric>,
    warnings: Vec<String>,
    axes: Vec<String>,
    criteria: Vec<StoredCriterion>,
    runs: StoredRuns,
    left_out: Vec<StoredLeftOut>,
}

#[derive(Deserialize)]
struct StoredMetric {
    name: String,
    case: Option<String>,
    unit: Option<String>,
    kind: String,
    better: Option<String>,
    baseline: StoredNumbers,
    candidate: StoredNumbers,
    delta: Option<Value>,
    interval: Option<[Value; 2]>,
    verdict: Option<String>,
    scale: String,
    negligible: bool,
    exploratory: bool,
    promising: bool,
}

#[derive(Deserialize)]
struct StoredNumbers {
    n: usize,
    failed: usize,
    mean: Option<Value>,
    std: Option<Value>,
    median: Option<Value>,
    mad: Option<Value>,
    quartiles: Option<[Value; 2]>,
    p95: Option<Value>,
    min: Option<Value>,
    max: Option<Value>,
}

#[derive(Deserialize)]
struct StoredCriterion {
    metric: String,
}

#[derive(Deserialize)]
struct StoredRuns {
    baseline: Vec<String>,
    candidate: Vec<String>,
}

#[derive(Deserialize)]
struct StoredLeftOut {
    side: String,
    runs: usize,
    why: String,
}

impl From<StoredNumbers> for Numbers {
    fn from(stored: StoredNumbers) -> Self {
        let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
        let description = || {
            let [lower, upper] = stored.quartiles.as_ref()?;
            Some(Description {
                size: stored.n,
                mean: number(&stored.mean)?,
                standard_deviation: number(&stored.std),
                median: number(&stored.median)?,
                median_absolute_deviation: number(&stored.mad)?,
                lower_quartile: lower.as_f64()?,
                upper_quartile: upper.as_f64()?,
                percentile_95: number(&stored.p95)?,
                smallest: number(&stored.min)?,
                largest: number(&stored.max)?,
            })
        };
        Self { n: stored.n, failed: stored.failed, description: description() }
    }
}

impl From<StoredMetric> for Row {
    fn from(stored: StoredMetric) -> Self {
        let ends = stored.interval.as_ref().and_then(|[low, high]| Some((low.as_f64()?, high.as_f64()?)));
        Self {
            name: stored.name,
            case: stored.case,
            cases: Vec::new(),
            unit: stored.unit,
            kind: Kind::from_word(&stored.kind).unwrap_or(Kind::Measured),
            better: stored.better.as_deref().and_then(Better::from_word),
            scale: Scale::from_word(&stored.scale).unwrap_or_default(),
            baseline: stored.baseline.into(),
            candidate: stored.candidate.into(),
            delta: stored.delta.as_ref().and_then(Value::as_f64),
            interval: ends.map(|(low, high)| Interval { low, high }),
            verdict: stored.verdict.as_deref().and_then(Verdict::from_word),
            is_negligible: stored.negligible,
            is_exploratory: stored.exploratory,
            is_promising: stored.promising,
            estimand: None,
            method: None,
            bounds: None,
            p_value: None,
            p_adjusted: None,
            welch: None,
            mann_whitney: None,
            anytime: None,
            bootstrap: None,
            smallest_effect: None,
            remarks: Vec::new(),
        }
    }
}

impl From<&Comparison<'_>> for ComparisonFields {
    fn from(comparison: &Comparison<'_>) -> Self {
        let (baseline, candidate) = comparison.matchup.names.clone();
        let row = telling_of(comparison);
        let ids = |cell: &crate::domain::cell::Cell<'_>| -> Vec<String> {
            cell.trials().iter().map(|trial| trial.id.to_hex()).collect()
        };
        let runs = [ids(&comparison.matchup.baseline), ids(&comparison.matchup.candidate)];
        let left_out = comparison.matchup.left_out.iter();
        let left_out = left_out.map(|it| left_out_in_words(it.trials, it.side.word(), &it.why));
        let withdrawn = comparison
            .withdrawn
            .iter()
            .map(|it| format!("{} not compared: withdrawn ({})", it.in_words(), it.because));
        Self {
            baseline,
            candidate,
            verdict: comparison.outcome.word(),
            reasons: comparison.reasons.clone(),
            confidence: format!("{}: {}", comparison.confidence, comparison.confidence_reason),
            strength: comparison.confidence.word().to_owned(),
            result: row.map(result),
            summary: headline(comparison),
            differ: axes(comparison),
            rows: RowFields::of(&comparison.rows),
            warnings: comparison.warnings.clone(),
            left_out: left_out.chain(withdrawn).collect(),
            found: Found::of(comparison.outcome, row, runs),
        }
    }
}

/// The comparison as Markdown, for an issue or a pull request.
pub fn markdown(comparison: &Comparison<'_>) -> String {
    let (baseline, candidate) = &comparison.matchup.names;
    let mut text = format!(
        "### {} against {}: **{}**\n\n",
        inline(candidate),
        inline(baseline),
        comparison.outcome.word()
    );
    for reason in &comparison.reasons {
        let _ = writeln!(text, "- {}", inline(reason));
    }
    let _ = writeln!(
        text,
        "- confidence: **{}**: {}",
        comparison.confidence,
        inline(&comparison.confidence_reason)
    );
    let _ = writeln!(text, "- {}", inline(&compared(comparison)));
    let _ = writeln!(text, "- differ in {}", inline(&axes(comparison)));
    text.push_str("\n| metric | baseline | candidate | n | change | 95 % interval | says |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for row in &comparison.rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            inline(&name(row)),
            inline(&value(row, &row.baseline)),
            inline(&value(row, &row.candidate)),
            sizes(row),
            change(row),
            interval(row),
            says(row)
        );
    }
    if !comparison.answers.is_empty() {
        text.push_str("\n| criterion | for | answer |\n| --- | --- | --- |\n");
        for answer in &comparison.answers {
            let _ = writeln!(
                text,
                "| {} | {} | **{}** |",
                inline(&answer.criterion.to_string()),
                answer.role.word(),
                answer_word(answer.answer)
            );
        }
    }
    if !comparison.warnings.is_empty() {
        text.push_str("\n**Beware**\n\n");
        for warning in &comparison.warnings {
            let _ = writeln!(text, "- {}", inline(warning));
        }
    }
    text.push_str("\n<details><summary>Methods, remarks and what was left out</summary>\n\n");
    for (method, names) in methods(&comparison.rows) {
        let _ = writeln!(text, "- {method}: {}", inline(&names.join(", ")));
    }
    for line in remarks(&comparison.rows).into_iter().chain(left_out(comparison)) {
        let _ = writeln!(text, "- {}", inline(&line));
    }
    text.push_str("\n</details>\n");
    text
}

/// Which runs are compared, in words.
fn compared(comparison: &Comparison<'_>) -> String {
    let matchup = &comparison.matchup;
    let side = |cell: &crate::domain::cell::Cell<'_>| {
        let newest = cell.newest();
        format!("{} of {}", counted(cell.trials().len(), "run"), newest.run.code.commit.short())
    };
    format!(
        "{} against {}, {}",
        side(&matchup.candidate),
        side(&matchup.baseline),
        design_word(matchup.design)
    )
}

fn axes(comparison: &Comparison<'_>) -> String {
    let axes: Vec<&str> = comparison.difference.axes().into_iter().map(Axis::word).collect();
    axes_in_words(&axes)
}

fn left_out_in_words(runs: usize, side: &str, why: &str) -> String {
    format!("{} of the {side} not compared: {why}", counted(runs, "run"))
}

fn axes_in_words(axes: &[&str]) -> String {
    match axes {
        [] => "nothing but repetition".to_owned(),
        [one] => (*one).to_owned(),
        several => format!("{} axes: {}", several.len(), several.join(", ")),
    }
}

fn left_out(comparison: &Comparison<'_>) -> Vec<String> {
    let lines = comparison.matchup.left_out.iter().map(|left| {
        format!(
            "{} of the {} ({}): {}",
            counted(left.trials, "run"),
            left.side,
            left.newest.short(),
            harmless(&left.why)
        )
    });
    let withdrawn = comparison
        .withdrawn
        .iter()
        .map(|it| format!("{} ({}): withdrawn, {}", it.in_words(), it.by.short(), harmless(&it.because)));
    lines.chain(withdrawn).collect()
}

fn name(row: &Row) -> String {
    match &row.case {
        Some(case) => format!("{}[{case}]", row.name),
        None => row.name.clone(),
    }
}

fn value(row: &Row, numbers: &Numbers) -> String {
    let Some(description) = &numbers.description else { return "-".to_owned() };
    let unit = row.unit.as_deref();
    match description.standard_deviation.filter(|spread| *spread > 0.0) {
        // Large numbers of bytes and seconds change their unit, so the spread is shown beside them.
        Some(spread) if matches!(unit, Some("bytes" | "byte" | "B")) || row.name.ends_with("_time") => {
            format!(
                "{} ± {}",
                number::of_metric(&row.name, description.mean, unit),
                number::of_metric(&row.name, short(spread), unit)
            )
        }
        Some(spread) => number::uncertain(description.mean, spread, unit),
        None => number::of_metric(&row.name, description.mean, unit),
    }
}

/// A spread with two significant digits.
fn short(spread: f64) -> f64 {
    let scale = 10_f64.powf(spread.log10().floor() - 1.0);
    if scale > 0.0 && scale.is_finite() { (spread / scale).round() * scale } else { spread }
}

fn sizes(row: &Row) -> String {
    if row.baseline.n == row.candidate.n {
        row.candidate.n.to_string()
    } else {
        format!("{}/{}", row.baseline.n, row.candidate.n)
    }
}

fn effect(row: &Row, value: f64) -> String {
    match row.scale {
        Scale::Ratio => number::percent(value),
        Scale::Difference => number::signed(value),
    }
}

fn change(row: &Row) -> String {
    row.delta.map_or_else(String::new, |delta| effect(row, delta))
}

fn interval(row: &Row) -> String {
    row.interval.map_or_else(String::new, |interval| shown_interval(row, interval))
}

fn shown_interval(row: &Row, interval: Interval) -> String {
    match row.scale {
        Scale::Ratio => {
            let low = number::percent(interval.low);
            format!("{} … {}", low.trim_end_matches(" %"), number::percent(interval.high))
        }
        Scale::Difference => format!("{} … {}", number::signed(interval.low), number::signed(interval.high)),
    }
}

/// The intervals that hold however often one looks, a line each.
fn anytime(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .filter_map(|row| Some((row, row.anytime?)))
        .map(|(row, interval)| {
            format!(
                "{}: {} holds however often one looks",
                harmless(&name(row)),
                shown_interval(row, interval)
            )
        })
        .collect()
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// The verdict of a row in words.
fn says(row: &Row) -> &'static str {
    match (row.verdict, row.is_negligible, row.is_promising) {
        (None, _, _) => "",
        (Some(_), _, true) => "promising",
        (Some(Verdict::Better), true, _) => "better, negligible",
        (Some(Verdict::Worse), true, _) => "worse, negligible",
        (Some(verdict), _, _) => verdict.word(),
    }
}

fn verdict_cell(row: &Row) -> Cell {
    let tone = match row.verdict {
        _ if row.is_negligible || row.is_exploratory => Tone::Dim,
        Some(Verdict::Better) => Tone::Good,
        Some(Verdict::Worse) => Tone::Bad,
        Some(Verdict::Same | Verdict::Unclear) | None => Tone::Plain,
    };
    Cell::toned(tone, verdict_in_words(row))
}

/// What a row says; of a metric that nothing was declared about, that this is a look and no test.
fn verdict_in_words(row: &Row) -> String {
    let mark = if row.is_exploratory && row.verdict.is_some() { " (exploratory)" } else { "" };
    format!("{}{mark}", says(row))
}

fn metrics(rows: &[Row]) -> Table {
    let mut table = Table::new([
        ("name", Align::Left),
        ("baseline", Align::Right),
        ("candidate", Align::Right),
        ("n", Align::Right),
        ("change", Align::Right),
        ("95 % interval", Align::Right),
        ("says", Align::Left),
    ]);
    for row in rows {
        table.push(vec![
            Cell::new(name(row)),
            Cell::new(value(row, &row.baseline)),
            Cell::new(value(row, &row.candidate)),
            Cell::new(sizes(row)),
            Cell::new(change(row)),
            Cell::new(interval(row)),
            verdict_cell(row),
        ]);
    }
    table
}

/// What is worth knowing of single rows, each line with the rows it is about.
fn remarks(rows: &[Row]) -> Vec<String> {
    let mut by_remark: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows {
        for remark in &row.remarks {
            match by_remark.iter_mut().find(|(known, _)| known == remark) {
                Some((_, names)) => names.push(name(row)),
                None => by_remark.push((remark, vec![name(row)])),
            }
        }
    }
    by_remark
        .into_iter()
        .map(|(remark, names)| format!("{}: {}", harmless(&names.join(", ")), harmless(remark)))
        .collect()
}

fn criteria(answers: &[Answered]) -> Table {
    let mut table = Table::new([
        ("criterion", Align::Left),
        ("for", Align::Left),
        ("answer", Align::Left),
        ("one-sided 95 % bounds", Align::Left),
        ("", Align::Left),
    ]);
    for it in answers {
        let tone = match it.answer {
            Answer::Holds => Tone::Good,
            Answer::Fails => Tone::Bad,
            Answer::Unclear => Tone::Warning,
        };
        let bounds = it.bounds.map_or_else(String::new, |bounds| match it.criterion.target {
            crate::domain::criterion::Target::Relative(_) => {
                let low = number::percent(bounds.low);
                format!("{} … {}", low.trim_end_matches(" %"), number::percent(bounds.high))
            }
            crate::domain::criterion::Target::Change(_) => {
                format!("{} … {}", number::signed(bounds.low), number::signed(bounds.high))
            }
            crate::domain::criterion::Target::Absolute(_) => {
                format!("{} … {}", number::significant(bounds.low), number::significant(bounds.high))
            }
        });
        let needed = it.trials_needed.map_or_else(String::new, |trials| {
            format!("about {trials} trials a side would show it, if the effect is what it seems")
        });
        table.push(vec![
            Cell::new(it.criterion.to_string()),
            Cell::new(it.role.word()),
            Cell::toned(tone, answer_word(it.answer)),
            Cell::new(bounds),
            Cell::toned(Tone::Dim, needed),
        ]);
    }
    table
}

/// The methods that were used, each with what it estimates and the metrics it was used for.
fn methods(rows: &[Row]) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let (Some(method), Some(estimand)) = (row.method, row.estimand) else { continue };
        let text = format!("{method} ({estimand})");
        match found.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) if names.contains(&row.name) => {}
            Some((_, names)) => names.push(row.name.clone()),
            None => found.push((text, vec![row.name.clone()])),
        }
    }
    found
}

fn spread(rows: &[Row]) -> Table {
    let mut table = Table::new([
        ("name", Align::Left),
        ("side", Align::Left),
        ("n", Align::Right),
        ("mean", Align::Right),
        ("deviation", Align::Right),
        ("median", Align::Right),
        ("MAD", Align::Right),
        ("quartiles", Align::Right),
        ("95 % below", Align::Right),
    ]);
    for row in rows {
        for (side, numbers) in [("baseline", &row.baseline), ("candidate", &row.candidate)] {
            let Some(it) = &numbers.description else { continue };
            let shown = |value: f64| Cell::new(number::significant(value));
            table.push(vec![
                Cell::new(name(row)),
                Cell::new(side),
                Cell::new(numbers.n.to_string()),
                shown(it.mean),
                it.standard_deviation.map_or_else(Cell::default, shown),
                shown(it.median),
                shown(it.median_absolute_deviation),
                Cell::new(format!(
                    "{} … {}",
                    number::significant(it.lower_quartile),
                    number::significant(it.upper_quartile)
                )),
                shown(it.percentile_95),
            ]);
        }
    }
    table
}

fn tests(rows: &[Row]) -> Table {
    let mut columns = vec![
        ("name", Align::Left),
        ("method", Align::Left),
        ("estimates", Align::Left),
        ("p", Align::Right),
        ("p (Holm)", Align::Right),
        ("Welch", Align::Right),
        ("Mann–Whitney", Align::Right),
        ("finds", Align::Right),
    ];
    let is_cross_checked = rows.iter().any(|row| row.bootstrap.is_some());
    if is_cross_checked {
        columns.push(("bootstrap", Align::Right));
    }
    let mut table = Table::new(columns);
    for row in rows {
        let p = |value: Option<f64>| Cell::new(value.map_or_else(String::new, p_value));
        let mut cells = vec![
            Cell::new(name(row)),
            Cell::new(row.method.unwrap_or_default()),
            Cell::new(row.estimand.unwrap_or_default()),
            p(row.p_value),
            p(row.p_adjusted),
            p(row.welch),
            p(row.mann_whitney),
            Cell::new(row.smallest_effect.map_or_else(String::new, |smallest| effect(row, smallest))),
        ];
        if is_cross_checked {
            let bootstrap = row.bootstrap.map_or_else(String::new, |interval| shown_interval(row, interval));
            cells.push(Cell::new(bootstrap));
        }
        table.push(cells);
    }
    table
}

/// A comparison: `git-exp/comparison/1`.
#[derive(Debug, Serialize)]
pub struct ComparisonJson<'a> {
    schema: &'static str,
    baseline: &'a str,
    candidate: &'a str,
    verdict: &'static str,
    metrics: Vec<MetricJson<'a>>,
    warnings: &'a [String],
    outcome: &'static str,
    reasons: &'a [String],
    confidence: &'static str,
    confidence_reason: &'a str,
    design: &'static str,
    planned: Option<u32>,
    interim: Option<InterimJson>,
    looks: usize,
    chance: Option<Number>,
    declared_look: Option<DeclaredLookJson>,
    confirmed: bool,
    family: usize,
    like_with_like: bool,
    axes_differing: usize,
    axes: Vec<&'static str>,
    criteria: Vec<CriterionJson<'a>>,
    runs: RunsJson,
    left_out: Vec<LeftOutJson<'a>>,
    strata: BTreeMap<&'a str, &'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<WithdrawnJson<'a>>,
}

#[derive(Debug, Serialize)]
struct MetricJson<'a> {
    name: &'a str,
    case: Option<&'a str>,
    unit: Option<&'a str>,
    kind: &'static str,
    better: Option<&'static str>,
    baseline: NumbersJson,
    candidate: NumbersJson,
    estimand: Option<&'static str>,
    method: Option<&'static str>,
    delta: Option<Number>,
    interval: Option<[Number; 2]>,
    p_value: Option<Number>,
    tests: TestsJson,
    verdict: Option<&'static str>,
    criterion: Option<String>,
    answer: Option<&'static str>,
    scale: &'static str,
    bounds: Option<[Number; 2]>,
    p_adjusted: Option<Number>,
    anytime_interval: Option<[Number; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_interval: Option<[Number; 2]>,
    smallest_effect: Option<Number>,
    negligible: bool,
    exploratory: bool,
    promising: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cases: &'a [String],
    remarks: &'a [String],
}

#[derive(Debug, Serialize)]
struct NumbersJson {
    n: usize,
    failed: usize,
    mean: Option<Number>,
    std: Option<Number>,
    median: Option<Number>,
    mad: Option<Number>,
    quartiles: Option<[Number; 2]>,
    p95: Option<Number>,
    min: Option<Number>,
    max: Option<Number>,
}

#[derive(Debug, Serialize)]
struct TestsJson {
    welch: Option<Number>,
    mann_whitney: Option<Number>,
}

#[derive(Debug, Serialize)]
struct DeclaredLookJson {
    number: usize,
    of: usize,
    trials: u32,
    level: Option<Number>,
}

#[derive(Debug, Serialize)]
struct InterimJson {
    trials: usize,
    planned: usize,
}

#[derive(Debug, Serialize)]
struct CriterionJson<'a> {
    criterion: String,
    metric: &'a str,
    role: &'static str,
    answer: &'static str,
    bounds: Option<[Number; 2]>,
    reason: Option<&'a str>,
    trials_needed: Option<usize>,
}

#[derive(Debug, Serialize)]
struct RunsJson {
    baseline: Vec<String>,
    candidate: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WithdrawnJson<'a> {
    side: &'static str,
    runs: Vec<String>,
    withdrawal: String,
    because: &'a str,
}

#[derive(Debug, Serialize)]
struct LeftOutJson<'a> {
    side: &'static str,
    runs: usize,
    newest: String,
    why: &'a str,
}

fn ends(interval: Interval) -> [Number; 2] {
    [Number(interval.low), Number(interval.high)]
}

impl From<&Numbers> for NumbersJson {
    fn from(numbers: &Numbers) -> Self {
        let it = numbers.description.as_ref();
        Self {
            n: numbers.n,
            failed: numbers.failed,
            mean: it.map(|it| Number(it.mean)),
            std: it.and_then(|it| it.standard_deviation).map(Number),
            median: it.map(|it| Number(it.median)),
            mad: it.map(|it| Number(it.median_absolute_deviation)),
            quartiles: it.map(|it| [Number(it.lower_quartile), Number(it.upper_quartile)]),
            p95: it.map(|it| Number(it.percentile_95)),
            min: it.map(|it| Number(it.smallest)),
            max: it.map(|it| Number(it.largest)),
        }
    }
}

impl<'a> ComparisonJson<'a> {
    fn metric(row: &'a Row, answers: &[Answered]) -> MetricJson<'a> {
        let answered =
            answers.iter().find(|it| it.criterion.metric == row.name).filter(|_| row.case.is_none());
        MetricJson {
            name: &row.name,
            case: row.case.as_deref(),
            unit: row.unit.as_deref(),
            kind: row.kind.word(),
            better: row.better.map(Better::word),
            baseline: NumbersJson::from(&row.baseline),
            candidate: NumbersJson::from(&row.candidate),
            estimand: row.estimand,
            method: row.method,
            delta: row.delta.map(Number),
            interval: row.interval.map(ends),
            p_value: row.p_value.map(Number),
            tests: TestsJson { welch: row.welch.map(Number), mann_whitney: row.mann_whitney.map(Number) },
            verdict: row.verdict.map(Verdict::word),
            criterion: answered.map(|it| it.criterion.to_string()),
            answer: answered.map(|it| answer_word(it.answer)),
            scale: row.scale.word(),
            bounds: row.bounds.map(ends),
            p_adjusted: row.p_adjusted.map(Number),
            anytime_interval: row.anytime.map(ends),
            bootstrap_interval: row.bootstrap.map(ends),
            smallest_effect: row.smallest_effect.map(Number),
            negligible: row.is_negligible,
            exploratory: row.is_exploratory,
            promising: row.is_promising,
            cases: &row.cases,
            remarks: &row.remarks,
        }
    }
}

impl<'a> From<&'a Comparison<'_>> for ComparisonJson<'a> {
    fn from(comparison: &'a Comparison<'_>) -> Self {
        let matchup = &comparison.matchup;
        let ids = |cell: &crate::domain::cell::Cell<'_>| {
            cell.trials().iter().map(|trial| trial.id.to_hex()).collect()
        };
        Self {
            schema: "git-exp/comparison/1",
            baseline: &matchup.names.0,
            candidate: &matchup.names.1,
            verdict: comparison.outcome.verdict(),
            metrics: comparison.rows.iter().map(|row| Self::metric(row, &comparison.answers)).collect(),
            warnings: &comparison.warnings,
            outcome: comparison.outcome.word(),
            reasons: &comparison.reasons,
            confidence: comparison.confidence.word(),
            confidence_reason: &comparison.confidence_reason,
            design: design_word(matchup.design),
            planned: matchup.planned,
            interim: comparison.interim.map(|(trials, planned)| InterimJson { trials, planned }),
            looks: comparison.looks,
            chance: comparison.chance.map(Number),
            declared_look: comparison.matchup.look.map(|look| DeclaredLookJson {
                number: look.number,
                of: look.of,
                trials: look.trials,
                level: look.level.map(|level| Number(level.share())),
            }),
            confirmed: comparison.matchup.is_confirmed,
            family: comparison.family,
            like_with_like: comparison.is_like_with_like(),
            axes_differing: comparison.difference.axes_differing(),
            axes: comparison.difference.axes().into_iter().map(Axis::word).collect(),
            criteria: comparison
                .answers
                .iter()
                .map(|it| CriterionJson {
                    criterion: it.criterion.to_string(),
                    metric: &it.criterion.metric,
                    role: it.role.word(),
                    answer: answer_word(it.answer),
                    bounds: it.bounds.map(ends),
                    reason: it.reason.as_deref(),
                    trials_needed: it.trials_needed,
                })
                .collect(),
            runs: RunsJson { baseline: ids(&matchup.baseline), candidate: ids(&matchup.candidate) },
            left_out: matchup
                .left_out
                .iter()
                .map(|left| LeftOutJson {
                    side: left.side.word(),
                    runs: left.trials,
                    newest: left.newest.to_hex(),
                    why: &left.why,
                })
                .collect(),
            withdrawn: comparison
                .withdrawn
                .iter()
                .map(|it| WithdrawnJson {
                    side: it.side.word(),
                    runs: it.runs.iter().map(EntryId::to_hex).collect(),
                    withdrawal: it.by.to_hex(),
                    because: &it.because,
                })
                .collect(),
            strata: comparison
                .strata
                .iter()
                .map(|(hardware, outcome)| (hardware.as_str(), outcome.word()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::cell::Trial;
    use crate::domain::comparison::{Plan, Side, Terms, compare, matchups};
    use crate::domain::criterion::Criterion;
    use crate::domain::difference::Difference;
    use crate::domain::id::EntryId;
    use crate::domain::metric::{Definition, Kind, Value};
    use crate::domain::run::Run;
    use crate::render::run::tests::{a_run, canvas};

    fn runs(side: u8, losses: &[f64], times: &[f64]) -> Vec<(EntryId, Run)> {
        (1_u8..)
            .zip(losses.iter().zip(times))
            .map(|(trial, (loss, time))| {
                let mut run = a_run();
                run.code.tree = format!("{side:040x}").parse().expect("the name is right");
                run.code.commit = format!("{side:02x}").repeat(20).parse().expect("the name is right");
                run.seed = Some(u64::from(trial));
                run.trial = u32::from(trial);
                run.started += jiff::SignedDuration::from_mins(i64::from(trial) * 10 + i64::from(side));
                let value = |value: f64, unit: Option<&str>, kind| Value {
                    value: Some(value),
                    unit: unit.map(str::to_owned),
                    better: Some(Better::Lower),
                    kind: Some(kind),
                    points: 1,
                    ..Value::default()
                };
                run.metrics = BTreeMap::from([
                    ("val_loss".to_owned(), value(*loss, None, Kind::Quality)),
                    ("step_time".to_owned(), value(*time, Some("ms"), Kind::Measured)),
                ]);
                (EntryId([side * 16 + trial; 32]), run)
            })
            .collect()
    }

    fn with_comparison(look: impl FnOnce(&Comparison<'_>)) {
        let (from, to) = (
            runs(1, &[2.31, 2.33, 2.29, 2.32, 2.30], &[12.1, 12.3, 11.9, 12.2, 12.0]),
            runs(2, &[2.30, 2.34, 2.28, 2.33, 2.29], &[10.1, 10.4, 10.0, 10.3, 9.9]),
        );
        let side = |name: &str, runs: &'static [(EntryId, Run)]| Side {
            name: name.to_owned(),
            trials: runs.iter().map(|(id, run)| Trial { id: *id, run }).collect(),
        };
        let definitions = BTreeMap::from([
            ("val_loss".to_owned(), Definition { kind: Some(Kind::Quality), ..Definition::default() }),
            ("step_time".to_owned(), Definition { kind: Some(Kind::Measured), ..Definition::default() }),
        ]);
        let criteria = |text: &str| vec![text.parse::<Criterion>().expect("the criterion is right")];
        let (accept, guard) = (criteria("step_time <= -8%"), criteria("val_loss <= +0.2%"));
        let nothing = (BTreeMap::new(), BTreeMap::new());
        let terms = Terms {
            definitions: &definitions,
            known_definitions: &nothing.0,
            accept: &accept,
            guard: &guard,
            is_scratch: false,
            promised_baseline: None,
            amended: None,
            unconfirmed_best_of: None,
            looks: Vec::new(),
            is_selection: false,
            cross_check: false,
            scope: &nothing.1,
            family: 1,
            withdrawn: Vec::new(),
        };
        // The sides borrow their runs for as long as the test lasts.
        let (baseline, candidate) = (side("A-001", from.leak()), side("A_002|", to.leak()));
        let found = matchups(&baseline, &candidate, &Plan { trials: Some(5), ..Plan::default() })
            .expect("both have runs");
        let main = found.into_iter().next().expect("there is one");
        look(&compare(vec![(main, Difference::default(), &terms)])[0]);
    }

    #[test]
    fn a_comparison_says_what_came_out_and_what_to_make_of_it() {
        with_comparison(|comparison| {
            assert_snapshot!(page(comparison, Detail::Usual, &canvas()), @"
            A_002| against A-001: primary met, guardrail not shown
              because      `step_time <= -8%` holds
                           the guardrail `val_loss <= +0.2%` is not shown to hold
              confidence   replicated: 5 trials a side, as planned, none failed; the topic declares no scope to hold over
              compared     5 runs of 02020202 against 5 runs of 01010101, unpaired
              differ in    nothing but repetition

            metrics
              name                baseline           candidate  n     change    95 % interval  says
              step_time  12.1 ms ± 0.16 ms  10.14 ms ± 0.21 ms  5    −16.2 %    −18.3 … −14 %  better
              val_loss       2.310 ± 0.016         2.31 ± 0.03  5  −0.0897 %  −0.676 … +0.5 %  unclear

            criteria
              criterion          for        answer   one-sided 95 % bounds
              step_time <= -8%   primary    holds    −17.9 … −14.5 %
              val_loss <= +0.2%  guardrail  unclear  −0.54 … +0.363 %       about 18 trials a side would show it, if the effect is what it seems

            methods
              Welch's t on logs (ratio of geometric means): step_time
              paired t on log ratios (geometric mean of the pairs' ratios): val_loss
            ");
        });
    }

    #[test]
    fn a_comparison_can_be_posted() {
        with_comparison(|comparison| {
            assert_snapshot!(markdown(comparison), @r"
            ### A_002\| against A-001: **primary met, guardrail not shown**

            - `step_time <= -8%` holds
            - the guardrail `val_loss <= +0.2%` is not shown to hold
            - confidence: **replicated**: 5 trials a side, as planned, none failed; the topic declares no scope to hold over
            - 5 runs of 02020202 against 5 runs of 01010101, unpaired
            - differ in nothing but repetition

            | metric | baseline | candidate | n | change | 95 % interval | says |
            | --- | ---: | ---: | ---: | ---: | ---: | --- |
            | step_time | 12.1 ms ± 0.16 ms | 10.14 ms ± 0.21 ms | 5 | −16.2 % | −18.3 … −14 % | better |
            | val_loss | 2.310 ± 0.016 | 2.31 ± 0.03 | 5 | −0.0897 % | −0.676 … +0.5 % | unclear |

            | criterion | for | answer |
            | --- | --- | --- |
            | step_time &lt;= -8% | primary | **holds** |
            | val_loss &lt;= +0.2% | guardrail | **unclear** |

            <details><summary>Methods, remarks and what was left out</summary>

            - Welch's t on logs (ratio of geometric means): step_time
            - paired t on log ratios (geometric mean of the pairs' ratios): val_loss

            </details>
            ");
        });
    }

    #[test]
    fn a_script_gets_the_promised_fields_in_their_order() {
        with_comparison(|comparison| {
            let json =
                serde_json::to_string(&ComparisonJson::from(comparison)).expect("a view can be written");
            let order = ["schema", "baseline", "candidate", "verdict", "metrics", "warnings"];
            let places: Vec<usize> =
                order.iter().map(|field| json.find(&format!("\"{field}\":")).expect("it is there")).collect();
            assert!(places.is_sorted(), "{json}");
            let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
            let fields = |value: &serde_json::Value| -> String {
                let fields = value.as_object().expect("it is an object").keys().cloned();
                fields.collect::<Vec<_>>().join(" ")
            };
            assert_snapshot!(fields(&value), @"
            axes axes_differing baseline candidate chance confidence confidence_reason confirmed criteria declared_look design family interim left_out like_with_like looks metrics outcome planned reasons runs schema strata verdict warnings
            ");
            assert_snapshot!(fields(&value["metrics"][0]), @"
            answer anytime_interval baseline better bounds candidate case criterion delta estimand exploratory interval kind method name negligible p_adjusted p_value promising remarks scale smallest_effect tests unit verdict
            ");
            assert_snapshot!(fields(&value["metrics"][0]["baseline"]), @"
            failed mad max mean median min n p95 quartiles std
            ");
            assert_eq!(value["verdict"], "unclear");
            assert_eq!(value["outcome"], "primary met, guardrail not shown");
            assert_eq!(value["metrics"][0]["criterion"], "step_time <= -8%");
        });
    }
}
