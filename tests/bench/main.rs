//! `git exp bench` with its harness, as a user meets both. Needs the feature `torch`.
#![allow(clippy::disallowed_methods, reason = "tests start programs and look at files")]

#[path = "../lab/mod.rs"]
mod lab;

mod bad_input;
mod bundle;
mod modules;
mod ops;
mod transformer;

use lab::TestLab;

/// What makes a measurement short, where it is not the measurement that is tested.
const SHORT: [&str; 12] = [
    "--set",
    "max-time=20ms",
    "--set",
    "min-time=1ms",
    "--set",
    "min-samples=2",
    "--set",
    "ceilings=false",
    "--set",
    "caches=hot",
    "--set",
    "seed=7",
];

/// The words of a short measurement of `workload`.
fn short<'a>(workload: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["bench", "run", workload].into_iter().chain(SHORT).chain(more.iter().copied()).collect()
}

/// The object that a short measurement prints.
fn summary(lab: &TestLab, workload: &str, more: &[&str]) -> serde_json::Value {
    lab.exp_json(short(workload, more)).remove(0)
}

/// A number that the only variant of a measurement reports.
fn number(summary: &serde_json::Value, name: &str) -> f64 {
    let value = &summary["variants"][0]["metrics"][name]["value"];
    value.as_f64().unwrap_or_else(|| panic!("there is no `{name}` in {summary:#}"))
}
