//! How right `git exp bench` is: against PyTorch's own timer, against slow-downs that were planted, and against none.
//!
//! `make bench` prints the tables that `docs/benchmarks.md` keeps; `make bench-agreement` only that against PyTorch's timer, in about four
//! minutes. The machine has to be quiet.
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and looks at the clock")]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// How often a slow-down is planted, and how often none.
const TRIES: usize = 20;
/// How often each operation is timed by either program, in turn. Both programs start anew in each round, since where tensors
/// lie in memory changes times and stays as it is for as long as a process lives.
const ROUNDS: usize = 9;
/// Of so many ratios in order, these two hold the median with 96 % confidence: 1 − 2 · (1 + 9) / 2⁹.
const INTERVAL: (usize, usize) = (1, 7);
/// A machine with more to do than this is no place to measure agreement.
const QUIET: f64 = 0.5;
/// What keeps glibc from giving memory back between calls, for both programs alike: whether it does depends on what a process
/// allocated before, and page faults of outputs would be most of what is timed. Where large blocks lie is left to `pool`.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
    ("MALLOC_TOP_PAD_", "67108864"),
];
/// What the dynamic linker of Linux loads first.
const PRELOAD: &str = "LD_PRELOAD";
/// How often the list is asked for.
const LISTS: usize = 30;

/// The operations that are held against PyTorch's timer, each once of at least 1 ms where that is no matter of memory alone, and once short.
const OPS: &[(&str, &[&str])] = &[
    ("matmul", &[]),
    ("matmul", &["a=128x128", "b=128x128"]),
    ("matmul", &["pass=forward-backward"]),
    ("batched-matmul", &["a=64x128x128", "b=64x128x128"]),
    ("batched-matmul", &["a=8x64x64", "b=8x64x64"]),
    ("attention", &[]),
    ("attention", &["query=1x2x64x32", "key=1x2x64x32", "value=1x2x64x32"]),
    ("layer-norm", &[]),
    ("layer-norm", &["input=256x512"]),
    ("rms-norm", &["input=256x512"]),
    ("softmax", &["input=4096x512"]),
    ("softmax", &["input=128x512"]),
    // The first one's four tensors of 8 MB are as much as a cache holds that others use too; the second one's of 2 MB are not.
    ("cross-entropy", &[]),
    ("cross-entropy", &["logits=512x1024"]),
    ("convolution", &[]),
    ("convolution", &["input=1x16x16x16", "weight=16x16x3x3"]),
    ("embedding", &["table=2048x128", "indices=4096"]),
    ("optimizer-step", &["parameters=1"]),
];

/// The models whose losses are held against PyTorch's Python API, as changes to the preset `smoke`.
const MODELS: &[&[&str]] = &[
    &[],
    &["attention=plain"],
    &["norm=layer", "norm-placement=post"],
    &["checkpointing=true", "layers=8"],
    &["dtype=bf16"],
    &["dtype=autocast"],
    &["dtype=autocast", "attention=plain", "checkpointing=true"],
    // Here every step makes a difference of rounding larger: nothing but equal bits stays equal.
    &["attention=plain", "learning-rate=0.003"],
];

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` builds and starts benchmarks too; timings are no tests.
        println!("benchmarks run with `make bench`");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new("git").args(["init", "--quiet"]).arg(folder.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "git makes a repository");
    let only = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let asked = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if asked("list") {
        list(folder.path());
    }
    if asked("agreement") {
        agreement(folder.path());
    }
    if asked("transformer") {
        transformer(folder.path());
    }
    if asked("planted") {
        planted(folder.path());
    }
}

fn exp(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-exp"));
    command.args(words).current_dir(folder).stdin(Stdio::null()).envs(ALLOCATOR);
    command
}

/// The objects that a command prints.
fn objects(folder: &Path, words: &[&str]) -> Vec<Value> {
    answers(exp(folder, words), words)
}

fn answers(mut command: Command, words: &[&str]) -> Vec<Value> {
    let output = command.output().expect("git-exp can be started");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(|it| it.expect("JSON")).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn list(folder: &Path) {
    let times = (0..LISTS).map(|_| {
        let clock = Instant::now();
        let output = exp(folder, &["bench", "list"]).output().expect("git-exp can be started");
        assert!(output.status.success());
        clock.elapsed().as_secs_f64()
    });
    let milliseconds = 1e3 * median(times.collect());
    let word = if milliseconds <= 10.0 { "met" } else { "missed" };
    println!("| `git exp bench list` | {milliseconds:.1} ms | 10 ms: {word} |\n");
}

/// PyTorch's timer, in a process of its own.
struct Timer {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Timer {
    fn start(python: &Path, pool: &Path) -> Self {
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/agreement.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env("OMP_NUM_THREADS", "1")
            .env(PRELOAD, pool)
            .envs(ALLOCATOR)
            .spawn()
            .expect("python can be started");
        let questions = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self { process, questions, answers }
    }

    fn seconds(&mut self, question: &Value) -> f64 {
        writeln!(self.questions, "{question}").expect("python listens");
        let answer = self.answers.next().expect("an answer").expect("text");
        answer.parse().expect("seconds")
    }

    fn stop(mut self) {
        drop(self.questions);
        let _ = self.process.wait();
    }
}

/// Builds the allocator that both programs preload.
fn pool(folder: &Path) -> PathBuf {
    let library = folder.join("pool.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/pool.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(compiler.status().is_ok_and(|status| status.success()), "cc builds the allocator");
    library
}

/// Each operation by the harness and by `torch.utils.benchmark`, in turn.
fn agreement(folder: &Path) {
    let pool = pool(folder);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pytorch/bin/python");
    if !python.is_file() {
        println!(
            "SKIPPED: nothing is held against PyTorch's timer, because there is no target/pytorch (make pytorch)\n"
        );
        return;
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    if let Some(load) =
        load.split(' ').next().and_then(|load| load.parse::<f64>().ok()).filter(|it| *it > QUIET)
    {
        println!("The machine is busy (load {load}): what is missed below says little.\n");
    }
    let mut times = vec![Vec::new(); OPS.len()];
    for round in 0..ROUNDS {
        let mut timer = Timer::start(&python, &pool);
        for ((op, sets), times) in OPS.iter().zip(&mut times) {
            let sets = || sets.iter().flat_map(|set| ["--set", *set]);
            let show: Vec<&str> = ["--json", "bench", "show", op].into_iter().chain(sets()).collect();
            let question = objects(folder, &show).remove(0);
            let rules = ["caches=hot", "ceilings=false", "reference=false", "min-time=300ms", "max-time=1s"];
            let rules = rules.into_iter().flat_map(|rule| ["--set", rule]);
            let run: Vec<&str> =
                ["--json", "bench", "run", op].into_iter().chain(sets()).chain(rules).collect();
            let here = || {
                let mut command = exp(folder, &run);
                command.env(PRELOAD, &pool);
                let seen = answers(command, &run).remove(0);
                seen["variants"][0]["hot"]["seconds"].as_f64().expect("a time")
            };
            times.push(if round % 2 == 0 {
                (here(), timer.seconds(&question))
            } else {
                let there = timer.seconds(&question);
                (here(), there)
            });
        }
        timer.stop();
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    println!(
        "| operation | here | torch.utils.benchmark | ratio (96 % CI) | bar |\n| --- | --- | --- | --- | --- |"
    );
    for ((op, sets), times) in OPS.iter().zip(times) {
        let mut ratios: Vec<f64> = times.iter().map(|(here, there)| here / there).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[INTERVAL.0], ratios[INTERVAL.1]);
        let (here, there): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
        let (here, there, ratio) = (median(here), median(there), median(ratios));
        println!(
            "| `{op}` {} | {:.1} µs | {:.1} µs | {ratio:.3} ({low:.3} … {high:.3}) | {} |",
            sets.join(" "),
            1e6 * here,
            1e6 * there,
            agrees(there, ratio, (low, high))
        );
    }
    println!();
}

/// Whether a ratio is within the bar for times of so many seconds, and whether its interval is too.
fn agrees(seconds: f64, ratio: f64, (low, high): (f64, f64)) -> String {
    let bar = match seconds {
        seconds if seconds >= 1e-3 => 0.03,
        seconds if seconds >= 20e-6 => 0.10,
        _ => return "none so short".to_owned(),
    };
    let is_within = |ratio: f64| (ratio - 1.0).abs() <= bar;
    let word = match (is_within(ratio), is_within(low) && is_within(high)) {
        (true, true) => "met",
        (true, false) => "met, and the interval is wider",
        (false, _) if low <= 1.0 + bar && high >= 1.0 - bar => "missed, and the interval reaches in",
        (false, _) => "missed",
    };
    format!("{:.0} %: {word}", 100.0 * bar)
}

/// The losses of models by the harness and by PyTorch's Python API, from the same weights and batches.
fn transformer(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python: PathBuf = root.join("target/pytorch/bin/python");
    if !python.is_file() {
        println!(
            "SKIPPED: no model is held against PyTorch's, because there is no target/pytorch (make pytorch)\n"
        );
        return;
    }
    println!(
        "| model | loss at step 50, here | PyTorch's Python API | relative difference | held-out loss: difference | bar |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for changes in MODELS {
        let rules = ["steps=50", "export=initial.npz", "max-time=20ms", "min-time=1ms", "min-samples=2"];
        let more = ["ceilings=false", "reference=false"];
        let sets: Vec<&str> =
            changes.iter().chain(&rules).chain(&more).flat_map(|set| ["--set", *set]).collect();
        let words = |verb| ["--json", "bench", verb, "smoke"].into_iter().chain(sets.iter().copied());
        let seen = objects(folder, &words("run").collect::<Vec<_>>()).remove(0);
        let question = objects(folder, &words("show").collect::<Vec<_>>()).remove(0);
        let mut there = Command::new(&python)
            .arg(root.join("tests/bench/transformer.py"))
            .arg("initial.npz")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python can be started");
        writeln!(there.stdin.take().expect("a pipe"), "{question}").expect("python listens");
        let output = there.wait_with_output().expect("python ends");
        let there: Value = serde_json::from_slice(&output.stdout).expect("losses");
        let here = &seen["variants"][0];
        let last = |value: &Value| value["losses"][49].as_f64().expect("50 losses");
        let held_out = here["metrics"]["evaluation_loss"]["value"].as_f64().expect("a loss");
        let held_out_there = there["evaluation_loss"].as_f64().expect("a loss");
        let off = |here: f64, there: f64| (here / there - 1.0).abs();
        let (step, held_out) = (off(last(here), last(&there)), off(held_out, held_out_there));
        let word = if step.max(held_out) <= 1e-4 { "met" } else { "missed" };
        let name = if changes.is_empty() { "smoke".to_owned() } else { changes.join(" ") };
        println!(
            "| {name} | {:.6} | {:.6} | {step:.1e} | {held_out:.1e} | 1e-4: {word} |",
            last(here),
            last(&there)
        );
    }
    println!();
}

/// A slow-down of 2 %, and none, by the A/B in one process.
fn planted(folder: &Path) {
    let shape =
        ["--set", "a=256x256", "--set", "b=256x256", "--set", "ceilings=false", "--set", "reference=false"];
    let found = |slow_down: &str, seed: usize| {
        let seed = format!("seed={seed}");
        let words = ["--json", "bench", "run", "matmul", "--set", &seed, "--set", slow_down];
        let against = ["--against", "planted-slow-down=0"];
        let words: Vec<&str> = words.into_iter().chain(shape).chain(against).collect();
        let seen = objects(folder, &words).remove(0);
        let interval = &seen["variants"][1]["versus_baseline"]["interval"];
        (interval[0].as_f64().expect("a bound"), interval[1].as_f64().expect("a bound"))
    };
    let slower = (0..TRIES).filter(|seed| found("planted-slow-down=0.02", *seed).0 > 0.0).count();
    let alarms = (0..TRIES).filter(|seed| {
        let (low, high) = found("planted-slow-down=0", *seed);
        low > 0.0 || high < 0.0
    });
    let alarms = alarms.count();
    let word = |holds| if holds { "met" } else { "missed" };
    println!("| slow-down of 2 % in one process | found {slower} of {TRIES} | 19: {} |", word(slower >= 19));
    println!("| A/A in one process | {alarms} alarms in {TRIES} | 1: {} |", word(alarms <= 1));
}
