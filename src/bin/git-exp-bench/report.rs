//! Tells what was measured: lines that `git exp run` reads, files that it keeps, and a few sentences for people.

use std::fmt::Write as _;
use std::path::PathBuf;

use git_exp::domain::timing::{Median, Timing};
use git_exp::workload::Task;
use git_exp::workload::request::Request;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ceiling::Ceilings;
use crate::failure::Failure;
use crate::machine::{self, Flags};
use crate::measuring::{Measured, Outcome, Variant};
use crate::place;
use crate::subject::{Entry, Finding, Work};

/// The label of what was measured in one process.
const WITHIN_PROCESS: &str = "within-process";

/// Reports the tensors at entry and what was asked for, before anything is timed.
pub fn inputs(variants: &[Variant], measured: &[Measured]) -> String {
    let mut lines = String::new();
    for (variant, measured) in variants.iter().zip(measured) {
        let prefix = if variants.len() > 1 { format!("{}.", variant.name) } else { String::new() };
        for Entry { name, shape, dtype, device } in &measured.entries {
            let shape = shape.as_ref().map_or_else(String::new, |shape| format!(" shape={shape}"));
            let _ = writeln!(lines, "INPUT name={prefix}{name}{shape} dtype={dtype} device={device}");
        }
        for (name, hash) in &measured.files {
            let name = name.rsplit('/').next().unwrap_or(name);
            let _ = writeln!(
                lines,
                "INPUT name={prefix}{} blake3={hash}",
                name.replace(char::is_whitespace, "_")
            );
        }
        let setting = &variant.workload.setting;
        if let Task::Command(_) = variant.workload.task {
            // Its dtype and its threads are its own matter.
            let _ = writeln!(lines, "INPUT name={prefix}workload kind=command device_count=1");
            continue;
        }
        let graph = if variant.workload.measure.graph { " graph=true" } else { "" };
        let _ = writeln!(
            lines,
            "INPUT name={prefix}workload kind={} mode={} dtype={} device={} device_count=1 threads={} distribution={}{graph}",
            variant.workload.task.kind(),
            variant.workload.task.mode(),
            setting.dtype.word(),
            setting.device.kind(),
            setting.threads,
            setting.distribution.word()
        );
    }
    lines
}

/// One number that is reported.
struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    better: &'static str,
}

/// The lines that report metrics.
pub fn metrics(outcome: &Outcome) -> Result<String, Failure> {
    let mut text = String::new();
    for (at, measured) in outcome.variants.iter().enumerate() {
        let case =
            if outcome.variants.len() > 1 { format!(" case={}", measured.name) } else { String::new() };
        for Line { name, value, unit, better } in lines(outcome, at, measured)? {
            let unit = if unit.is_empty() { String::new() } else { format!(" unit={unit}") };
            let _ = writeln!(text, "METRIC {name}={value}{unit}{case} better={better}");
        }
    }
    Ok(text)
}

fn lines(outcome: &Outcome, at: usize, measured: &Measured) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut push = |name, value: Option<f64>, unit, better| {
        lines.extend(value.map(|value| Line { name, value, unit, better }));
    };
    let hot = outcome.hot(at);
    push("time_hot", hot.map(|it| 1e3 * it.value), "ms", "lower");
    let device = outcome.hot_on_device(at);
    push("device_time_hot", device.map(|it| 1e3 * it.value), "ms", "lower");
    let cold = measured.cold.as_ref().and_then(Timing::median);
    push("time_cold", cold.map(|it| 1e3 * it.value), "ms", "lower");
    let rate = |amount: f64| hot.filter(|_| amount > 0.0).map(|it| amount / it.value);
    let Work { flop, bytes, tokens, .. } = measured.work;
    push("tflops", rate(flop).map(|it| it / 1e12), "TFLOP/s", "higher");
    push("bandwidth", rate(bytes).map(|it| it / 1e9), "GB/s", "higher");
    push("tokens_per_second", rate(tokens), "tokens/s", "higher");
    push("ceiling_share", share(outcome.ceilings[at].as_ref(), rate(flop), rate(bytes)), "", "higher");
    push("error", measured.error, "", "lower");
    push("error_against_baseline", measured.error_against_baseline, "", "lower");
    for Finding { name, value, unit, better } in &measured.findings.numbers {
        push(*name, Some(*value), *unit, *better);
    }
    push("peak_memory", measured.peak_memory_bytes.map(|it| it as f64 / 1e6), "MB", "lower");
    if at > 0
        && let Some(in_turn) = &outcome.in_turn
    {
        let change = in_turn.versus(at)?.estimate.delta;
        push("within_process_ratio", Some(1.0 + change), "", "lower");
    }
    Ok(lines)
}

/// The larger share of the two ceilings.
fn share(ceilings: Option<&Ceilings>, flop: Option<f64>, bytes: Option<f64>) -> Option<f64> {
    let ceilings = ceilings?;
    let flop = flop.map(|it| it / ceilings.flop_per_second);
    let bytes = bytes.map(|it| it / ceilings.bytes_per_second);
    flop.into_iter().chain(bytes).reduce(f64::max)
}

#[derive(Serialize)]
struct TimingJson {
    seconds: f64,
    interval: [f64; 2],
    samples: usize,
    effective_samples: f64,
    calls_per_sample: u64,
    spread: f64,
    stopped: &'static str,
    throttled: usize,
    warm_up_calls: u64,
    warm_up_seconds: f64,
    steady: bool,
    device_seconds: Option<f64>,
}

impl TimingJson {
    fn of(timing: &Timing) -> Option<Self> {
        let median = timing.median()?;
        Some(Self {
            seconds: median.value,
            interval: [median.interval.low, median.interval.high],
            samples: timing.samples.len(),
            effective_samples: median.effective_size,
            calls_per_sample: timing.warm_up.calls_per_sample,
            spread: timing.spread(),
            stopped: timing.stop.words(),
            throttled: timing.throttled,
            warm_up_calls: timing.warm_up.calls,
            warm_up_seconds: timing.warm_up.seconds,
            steady: timing.warm_up.is_steady,
            device_seconds: timing.device_median().map(|it| it.value),
        })
    }
}

/// Everything but the samples, as one object.
pub fn summary(request: &Request, variants: &[Variant], outcome: &Outcome) -> Result<Value, Failure> {
    let mut seen = Vec::new();
    for (at, measured) in outcome.variants.iter().enumerate() {
        let numbers: serde_json::Map<String, Value> = lines(outcome, at, measured)?
            .into_iter()
            .map(|line| (line.name.to_owned(), json!({ "value": line.value, "unit": line.unit })))
            .collect();
        let versus = match &outcome.in_turn {
            Some(in_turn) if at > 0 => {
                let estimate = in_turn.versus(at)?.estimate;
                let interval = estimate.interval.map(|it| [it.low, it.high]);
                json!({
                    "label": WITHIN_PROCESS,
                    "change": estimate.delta,
                    "interval": interval,
                    "method": estimate.method.to_string(),
                    "passes": in_turn.passes[at].len(),
                    "throttled": in_turn.throttled,
                })
            }
            _ => Value::Null,
        };
        let in_turn = outcome.in_turn.as_ref().zip(outcome.hot(at)).map(|(it, median)| {
            json!({
                "seconds": median.value,
                "interval": [median.interval.low, median.interval.high],
                "passes": it.passes[at],
                "samples": it.samples[at].concat().len(),
            })
        });
        seen.push(json!({
            "name": measured.name,
            "workload": variants[at].workload,
            "files": measured.files.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "ceilings": outcome.ceilings[at],
            "in_turn": in_turn,
            "hot": measured.hot.as_ref().and_then(TimingJson::of),
            "cold": measured.cold.as_ref().and_then(TimingJson::of),
            "metrics": numbers,
            "formula": measured.work.formula,
            "losses": measured.findings.losses,
            "versus_baseline": versus,
        }));
    }
    Ok(json!({
        "schema": "git-exp/bench/1",
        "name": request.name,
        "command": request.command,
        "variants": seen,
        "ceilings": outcome.ceilings[0],
        "overhead_seconds": outcome.overhead_seconds,
        "warnings": outcome.warnings,
        "warm_up_rule": "windows of 5 samples, until in 2 in a row the median is not more than 2 % below the one before",
    }))
}

/// The folder for what a run keeps, if `git exp run` gives one.
fn folder() -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = std::env::var_os("GIT_EXP_OUT").map(PathBuf::from) else { return Ok(None) };
    let folder = folder.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(Some(folder))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes what is known before anything runs, so that a run that fails has it too.
pub fn plan(request: &Request, variants: &[Variant]) -> Result<(), Failure> {
    let Some(folder) = folder()? else { return Ok(()) };
    let mut flags = serde_json::Map::new();
    for variant in variants {
        std::fs::write(folder.join(format!("{}.toml", variant.name)), variant.workload.to_toml())?;
        place::switch(&variant.workload.setting)?;
        flags.insert(variant.name.clone(), json!(Flags::now(&variant.workload.setting)));
    }
    let setting = &variants[0].workload.setting;
    std::fs::write(folder.join("device.json"), pretty(&machine::device_report(setting)))?;
    std::fs::write(folder.join("flags.json"), pretty(&Value::Object(flags)))?;
    std::fs::write(folder.join("environment.json"), pretty(&json!(machine::environment())))?;
    std::fs::write(folder.join("command.txt"), format!("{}\n", request.command.join(" ")))?;
    Ok(())
}

/// Writes the tensors at entry, before anything is timed.
pub fn keep_inputs(inputs: &str) -> Result<(), Failure> {
    let Some(folder) = folder()? else { return Ok(()) };
    Ok(std::fs::write(folder.join("inputs.txt"), inputs)?)
}

/// Writes what was measured.
pub fn artifacts(outcome: &Outcome, summary: &Value) -> Result<(), Failure> {
    let Some(folder) = folder()? else { return Ok(()) };
    // The pass of samples in turn; none for a variant alone.
    let mut text = String::from("variant,caches,sample,seconds,pass\n");
    let mut write = |variant: &str, caches: &str, pass: &str, samples: &[f64]| {
        for (number, seconds) in (1..).zip(samples) {
            let _ = writeln!(text, "{variant},{caches},{number},{seconds},{pass}");
        }
    };
    for (at, measured) in outcome.variants.iter().enumerate() {
        let name = &measured.name;
        if let Some(hot) = &measured.hot {
            write(name, "hot", "", &hot.samples);
            write(name, "hot-device", "", &hot.device_samples);
        }
        if let Some(cold) = &measured.cold {
            write(name, "cold", "", &cold.samples);
        }
        let Some(in_turn) = &outcome.in_turn else { continue };
        let series = [("in-turn", &in_turn.samples[at]), ("in-turn-device", &in_turn.device_samples[at])];
        for (caches, passes) in series {
            for (pass, samples) in (1..).zip(passes) {
                write(name, caches, &i32::to_string(&pass), samples);
            }
        }
    }
    std::fs::write(folder.join("samples.csv"), text)?;
    std::fs::write(folder.join("summary.json"), pretty(summary))?;
    Ok(())
}

/// What people are told.
pub fn talk(outcome: &Outcome) -> Result<String, Failure> {
    let mut text = String::new();
    for (at, measured) in outcome.variants.iter().enumerate() {
        if let Some(hot) = outcome.hot(at) {
            let _ = writeln!(text, "{}: {} hot", measured.name, shown(&hot));
        }
        if let Some(cold) = measured.cold.as_ref().and_then(Timing::median) {
            let _ = writeln!(text, "{}: {} cold", measured.name, shown(&cold));
        }
        if at > 0
            && let Some(in_turn) = &outcome.in_turn
        {
            let estimate = in_turn.versus(at)?.estimate;
            let interval = estimate.interval.map_or_else(String::new, |it| {
                format!(" (95 % CI {:+.2} … {:+.2})", 100.0 * it.low, 100.0 * it.high)
            });
            let _ = writeln!(
                text,
                "{} against {}: {:+.2} %{interval}, {WITHIN_PROCESS}; a verdict needs at least 3 launches of each",
                measured.name,
                outcome.variants[0].name,
                100.0 * estimate.delta
            );
        }
    }
    for warning in &outcome.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    Ok(text)
}

fn shown(median: &Median) -> String {
    let (factor, unit) = match median.value {
        seconds if seconds < 1e-3 => (1e6, "µs"),
        seconds if seconds < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    let interval = median.interval;
    format!(
        "{:.3} {unit} (95 % CI {:.3} … {:.3})",
        factor * median.value,
        factor * interval.low,
        factor * interval.high
    )
}
