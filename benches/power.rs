//! How often a planted slow-down of 2 % is found on this machine, noisy as it is, beside how often it should be.
//!
//! A program of about 100 ms is compared with one that does 2 % more work, 20 times over: by `git exp ab` in 30 pairs,
//! and one after the other in 30 runs a side. The power that the measured spread of the pairs predicts stands beside what
//! was found. False alarms are counted over relabellings of the recorded pairs, from which the planted effect is taken.
//!
//! `make bench` prints the table that `docs/benchmarks.md` keeps. It takes about five minutes.
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and looks at the clock")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use git_exp::domain::metric::{Kind, Scale};
use git_exp::domain::statistics::describe::Moments;
use git_exp::domain::statistics::power::{Noise, Sides};
use git_exp::domain::statistics::random::Random;
use git_exp::domain::statistics::{Design, Level, Sample, choose, estimate};
use serde_json::Value;

const TRIES: usize = 20;
const PAIRS: usize = 30;
const SLOW_DOWN: f64 = 1.02;
const RELABELLINGS: usize = 400;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("work"), Some(rounds)) => work(rounds.parse().expect("a number of rounds")),
        _ if std::env::args().any(|argument| argument == "--bench") => measure(),
        // `cargo test --all-targets` builds and starts benchmarks too; timings are no tests.
        _ => println!("benchmarks run with `make bench`"),
    }
}

/// Works without touching memory, so that time is all that is measured.
fn work(rounds: u64) {
    let mut state: u64 = 1;
    for round in 0..rounds {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
    }
    black_box(state);
}

/// How many rounds take about 100 ms.
fn calibrated() -> u64 {
    let rounds = 10_000_000;
    let times = (0..5).map(|_| {
        let clock = Instant::now();
        work(rounds);
        clock.elapsed().as_nanos()
    });
    let fastest = times.min().expect("there were five");
    u64::try_from(u128::from(rounds) * 100_000_000 / fastest.max(1)).expect("a tenth of a second is short")
}

/// One try: the logarithms of the pairs' ratios, and whether pairs and separate runs found the slow-down.
struct Try {
    ratios: Vec<f64>,
    is_found: bool,
    is_found_apart: bool,
}

fn measure() {
    let rounds = calibrated();
    let program = std::env::current_exe().expect("a program knows where it is");
    let command = |rounds: f64| format!("{} work {rounds:.0}", program.display());
    let (fast, slow) = (command(rounds as f64), command(rounds as f64 * SLOW_DOWN));
    let tries: Vec<Try> = (0..TRIES).map(|_| attempt(&fast, &slow)).collect();
    report(&tries);
}

fn attempt(fast: &str, slow: &str) -> Try {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("repository");
    git(folder.path(), &["init", "--quiet", "repository"]);
    git(&repository, &["commit", "--quiet", "--allow-empty", "-m", "begin"]);
    let pairs = PAIRS.to_string();
    let views = exp(&repository, &["ab", "-n", &pairs, "--json", fast, slow]);
    let (runs, comparison) = views.split_at(views.len() - 1);
    for (label, command) in [("fast", fast), ("slow", slow)] {
        exp(&repository, &["run", "-n", &pairs, "--label", label, "--json", "--", "sh", "-c", command]);
    }
    let apart = exp(&repository, &["compare", "--json", "label:fast", "label:slow"]);
    Try {
        ratios: log_ratios(runs),
        is_found: verdict(&comparison[0]) == "worse",
        is_found_apart: verdict(&apart[0]) == "worse",
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let mut command = surrounded("git", directory);
    assert!(command.args(arguments).status().expect("git can be started").success());
}

fn exp(directory: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = surrounded(env!("CARGO_BIN_EXE_git-exp"), directory)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .expect("git exp can be started");
    assert!(output.status.success(), "{arguments:?} failed");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn surrounded(program: &str, directory: &Path) -> Command {
    let home: PathBuf = directory.ancestors().last().unwrap_or(directory).to_path_buf();
    let mut command = Command::new(program);
    command.current_dir(directory).env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1");
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.org"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.org"),
    ] {
        command.env(name, value);
    }
    command
}

fn verdict(comparison: &Value) -> &str {
    let metrics = comparison["metrics"].as_array().expect("a comparison has metrics");
    let wall = metrics.iter().find(|row| row["name"] == "wall_time").expect("the wall time is always there");
    wall["verdict"].as_str().expect("the wall time has a direction")
}

/// The logarithms of the pairs' ratios, warm-ups left out.
fn log_ratios(runs: &[Value]) -> Vec<f64> {
    let seconds = |side: &str, number: usize| {
        let is_it = |run: &&Value| run["pair"]["side"] == side && run["pair"]["number"] == number;
        runs.iter().find(is_it).and_then(|run| run["metrics"]["wall_time"]["value"].as_f64())
    };
    (1..=PAIRS)
        .filter_map(|number| Some((seconds("candidate", number)? / seconds("baseline", number)?).ln()))
        .collect()
}

fn report(tries: &[Try]) {
    let level = Level::FIVE_PERCENT;
    let effect = SLOW_DOWN.ln();
    let spreads: Vec<f64> = tries.iter().map(|it| deviation(&it.ratios)).collect();
    let power = |deviation: f64| {
        let noise =
            Noise { design: Design::Paired, kind: Kind::Measured, deviation, level, sides: Sides::Two };
        noise.power(PAIRS, effect)
    };
    let predicted = spreads.iter().map(|spread| power(*spread)).sum::<f64>() / TRIES as f64;
    let error = (predicted * (1.0 - predicted) / TRIES as f64).sqrt();
    let found = tries.iter().filter(|it| it.is_found).count();
    let apart = tries.iter().filter(|it| it.is_found_apart).count();
    let spread = median(spreads.clone());
    let wanted = if spread <= 0.024 { 19.0 } else { TRIES as f64 * (predicted - 2.0 * error) };
    let alarms = false_alarms(tries);
    let allowed = level.share() + 2.0 * (level.share() * (1.0 - level.share()) / RELABELLINGS as f64).sqrt();
    let met = |is_met: bool| if is_met { "met" } else { "missed" };
    println!("a planted slow-down of 2 %, {PAIRS} pairs or {PAIRS} runs a side, {TRIES} tries\n");
    println!("| what | here | bar |\n| --- | --- | --- |");
    println!("| spread of the pairs' ratios, median over tries | {:.2} % | |", 100.0 * spread);
    println!("| power that the spread of each try predicts, mean | {:.0} % | |", 100.0 * predicted);
    println!(
        "| found in pairs (`git exp ab`) | {found} of {TRIES} | {wanted:.1}: {} |",
        met(found as f64 >= wanted)
    );
    println!("| found in runs one after the other, unpaired | {apart} of {TRIES} | |");
    println!(
        "| false alarms over {RELABELLINGS} relabellings of the pairs | {:.1} % | {:.1} %: {} |",
        100.0 * alarms,
        100.0 * allowed,
        met(alarms <= allowed)
    );
}

/// How often pairs whose sides are swapped at random seem to differ, once the planted effect is taken away.
fn false_alarms(tries: &[Try]) -> f64 {
    let mut random = Random::for_things("relabellings", &[]);
    let method = choose(Design::Paired, Kind::Measured, Scale::Difference, PAIRS, PAIRS);
    let mut alarms = 0;
    for number in 0..RELABELLINGS {
        let ratios = &tries[number % tries.len()].ratios;
        let centre = median(ratios.clone());
        let swapped: Vec<f64> = ratios
            .iter()
            .map(|ratio| if random.below(2) == 0 { ratio - centre } else { centre - ratio })
            .collect();
        let nothing = Sample::new(vec![0.0; swapped.len()]).expect("zeros are numbers");
        let swapped = Sample::new(swapped).expect("ratios of times are numbers");
        let estimate = estimate(method, &nothing, &swapped).expect("there are pairs enough");
        alarms += usize::from(estimate.interval.is_some_and(|it| it.low > 0.0 || it.high < 0.0));
    }
    alarms as f64 / RELABELLINGS as f64
}

fn deviation(values: &[f64]) -> f64 {
    let sample = Sample::new(values.to_vec()).expect("ratios of times are numbers");
    Moments::of(&sample).standard_deviation.expect("there are several pairs")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
