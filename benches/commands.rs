//! How fast whole commands are, as ratios to what Git takes for the like on the same machine in the same run.
//!
//! `make bench` prints the table that `docs/benchmarks.md` keeps. The two sides of a row run in turn, so that a machine
//! whose speed drifts slows both; the ratio is that of the medians.
#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs and looks at the clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use git_exp::domain::brief::Brief;
use git_exp::domain::decision::{Decision, Ruling};
use git_exp::domain::entry::{Body, Identity, Note, Registration};
use git_exp::domain::id::{EntryId, Nonce, ObjectName, Writer};
use git_exp::domain::metric::{Better, Kind, Value};
use git_exp::domain::run::{Code, Exit, Load, Malformed, Membership, Run, Status};
use git_exp::domain::topic::Topic;
use git_exp::log::entry::{Draft, encode};
use git_exp::log::message;
use jiff::Timestamp;

const ENTRIES: usize = 100_000;
const COMMITS: usize = 1_000;
const FILES: usize = 10_000;

fn main() {
    // `cargo test --all-targets` builds and starts benchmarks too; timings are no tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("benchmarks run with `make bench`");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lab = Lab { root: folder.path().to_path_buf() };
    let mut table = Table::default();
    // `cargo bench --bench commands -- logbook tried` runs only those.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if !asked.is_empty() {
        for word in &asked {
            match word.as_str() {
                "catch-up" => {
                    let large = lab.repository("large", ENTRIES);
                    rebuild(&lab, &large, &mut table);
                    catch_up(&lab, &large, &mut table);
                }
                "compare" => compare(&lab, &mut table),
                "tried" => tried(&lab, &mut table),
                "logbook" => logbook(&lab, &mut table),
                "snapshot" => snapshot(&lab, &mut table),
                word => println!("there is no row `{word}` that runs alone"),
            }
        }
        println!("{}", table.render());
        return;
    }
    start(&lab, &mut table);
    let small = lab.repository("small", 1_000);
    let large = lab.repository("large", ENTRIES);
    record(&lab, &small, &large, &mut table);
    query(&lab, &large, &mut table);
    snapshot(&lab, &mut table);
    rebuild(&lab, &large, &mut table);
    catch_up(&lab, &large, &mut table);
    graph(&lab, &large, &mut table);
    compare(&lab, &mut table);
    tried(&lab, &mut table);
    logbook(&lab, &mut table);
    size(&lab, &mut table);
    println!("{}", table.render());
}

/// A folder with an environment of its own.
struct Lab {
    root: PathBuf,
}

impl Lab {
    fn command(&self, program: &str, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory)
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn git(&self, directory: &Path, arguments: &[&str]) -> Command {
        self.command("git", directory, arguments)
    }

    fn exp(&self, directory: &Path, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_git-exp"), directory, arguments)
    }

    fn run(&self, mut command: Command) {
        let status = command.status().expect("the program starts");
        assert!(status.success(), "{command:?} ended with {status}");
    }

    fn output(&self, mut command: Command) -> String {
        let output = command.stdout(Stdio::piped()).output().expect("the program starts");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// A repository of 1,000 commits whose log has `entries` runs over them.
    fn repository(&self, name: &str, entries: usize) -> PathBuf {
        self.repository_with(name, entries, |number, commits, tree| {
            (Body::Run(Box::new(run(number, commits, tree))), moment(number))
        })
    }

    /// A repository of 1,000 commits with a log, written as Git writes what was fetched: packed.
    fn repository_with(
        &self,
        name: &str,
        entries: usize,
        mut body: impl FnMut(usize, &[String], &str) -> (Body, Timestamp),
    ) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(&path).expect("a folder");
        self.run(self.git(&path, &["init", "-q", "-b", "main"]));
        self.run(self.git(&path, &["config", "gc.auto", "0"]));
        self.import(&path, |out| {
            for number in 0..COMMITS {
                let text = format!("commit {number}");
                write!(
                    out,
                    "commit refs/heads/main\ncommitter Ada <ada@example.org> {} +0000\ndata {}\n{text}\nM 100644 inline f{}.txt\ndata {}\n{text}\n",
                    1_700_000_000 + number * 60,
                    text.len(),
                    number % 50,
                    text.len(),
                )
                .expect("git reads");
            }
        });
        self.run(self.git(&path, &["reset", "-q", "--hard"]));
        let commits: Vec<String> =
            self.output(self.git(&path, &["rev-list", "main"])).lines().map(ToOwned::to_owned).collect();
        let tree = self.output(self.git(&path, &["rev-parse", "main^{tree}"]));
        let writer: Writer = "00c0ffee00c0".parse().expect("a writer's name");
        self.run(self.git(&path, &["config", "exp.writer", writer.as_str()]));
        self.import(&path, |out| {
            let mut commit = |text: &str, blob: Option<&[u8]>, seconds: i64| {
                write!(
                    out,
                    "commit refs/exp/log/{writer}\ncommitter Ada <ada@example.org> {seconds} +0000\ndata {}\n",
                    text.len()
                )
                .and_then(|()| out.write_all(text.as_bytes()))
                .and_then(|()| match blob {
                    Some(bytes) => {
                        write!(out, "M 100644 inline entry.json\ndata {}\n", bytes.len())?;
                        out.write_all(bytes)?;
                        out.write_all(b"\n")
                    }
                    None => Ok(()),
                })
                .expect("git reads");
            };
            commit(&message::root(&writer), None, 1_700_000_000);
            for number in 0..entries {
                let (body, time) = body(number, &commits, &tree);
                let (bytes, entry) = encode(draft(&writer, number, time, body), None);
                commit(&message::of(&entry), Some(&bytes), time.as_second());
            }
            for (number, code) in commits.iter().take(entries).enumerate() {
                let text = "keep the code of run 00000000\n";
                write!(
                    out,
                    "commit refs/exp/code/{writer}\ncommitter Ada <ada@example.org> {} +0000\ndata {}\n{text}merge {code}\ndeleteall\n",
                    1_700_100_000 + number,
                    text.len(),
                )
                .expect("git reads");
            }
        });
        path
    }

    fn import(&self, path: &Path, write: impl FnOnce(&mut dyn Write)) {
        let mut command = self.git(path, &["fast-import", "--quiet"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("git starts");
        {
            let pipe = child.stdin.take().expect("a pipe was asked for");
            let mut out = std::io::BufWriter::new(pipe);
            write(&mut out);
            out.flush().expect("git reads");
        }
        assert!(child.wait().expect("git ends").success(), "git fast-import took it");
    }
}

/// When the `number`th run began.
fn moment(number: usize) -> Timestamp {
    let seconds = 1_700_100_000 + i64::try_from(number).expect("few") * 10;
    Timestamp::from_second(seconds).expect("a time")
}

fn draft(writer: &Writer, number: usize, time: Timestamp, body: Body) -> Draft {
    Draft {
        seen: BTreeMap::new(),
        writer: writer.clone(),
        nonce: nonce(number, 0),
        time,
        by: Identity { name: "Ada".to_owned(), email: "ada@example.org".to_owned() },
        replaces: Vec::new(),
        answers: None,
        body,
    }
}

/// The `number`th run.
fn run(number: usize, commits: &[String], tree: &str) -> Run {
    let name = |text: &str| text.parse::<ObjectName>().expect("an object's name");
    let noise = |salt: u64| {
        let hash =
            blake3::hash(&[number.to_le_bytes(), usize::try_from(salt).unwrap_or(0).to_le_bytes()].concat());
        let bytes: [u8; 8] = hash.as_bytes()[..8].try_into().expect("eight bytes");
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    };
    let value = |value: f64, unit: &str| Value {
        value: Some(value),
        unit: Some(unit.to_owned()),
        points: 1,
        ..Value::default()
    };
    let rate = ["1e-4", "3e-4", "1e-3", "3e-5"][number % 4];
    Run {
        membership: Membership {
            experiment: format!("EXP-{:04}", number / 100).parse().expect("an ID"),
            registration: None,
            brief: None,
        },
        status: if number % 50 == 7 { Status::Failed } else { Status::Ok },
        exit: Exit::Code(i32::from(number % 50 == 7)),
        reason: None,
        argv: ["python", "train.py", "--lr", rate].into_iter().map(Into::into).collect(),
        directory: "".into(),
        code: Code {
            commit: name(&commits[number % commits.len()]),
            tree: name(tree),
            base: None,
            branch: Some("main".to_owned()),
            inexact: Vec::new(),
            others: BTreeMap::new(),
        },
        group: nonce(number, 1),
        trial: 1,
        trials: 1,
        seed: Some(u64::try_from(number % 5).expect("few")),
        params: BTreeMap::from([("lr".to_owned(), rate.to_owned())]),
        changed_params: BTreeMap::new(),
        label: None,
        started: moment(number),
        wall_seconds: 60.0 + noise(1),
        accelerators: 0,
        evaluation: None,
        evaluation_changed: false,
        metrics: BTreeMap::from([
            ("val_loss".to_owned(), value(2.0 + noise(2), "")),
            ("step_time".to_owned(), value(10.0 + noise(3), "ms")),
            ("wall_time".to_owned(), value(60.0 + noise(1), "s")),
        ]),
        inputs: Vec::new(),
        malformed: Malformed::default(),
        hardware: "0123456789abcdef".to_owned(),
        boot: None,
        load: Load::default(),
        truncated: Vec::new(),
        large: Vec::new(),
        remarks: Vec::new(),
        pair: None,
        confirms: false,
    }
}

/// The brief of the experiment of this number, and the ID it gives it.
fn brief(writer: &Writer, number: usize, trials: usize) -> (Body, EntryId) {
    let experiment = |number: usize| format!("EXP-{number:04}");
    let body = Body::Brief(Registration {
        experiment: experiment(number).parse().expect("an ID"),
        registration: None,
        topic: None,
        from: None,
        idea: None,
        start: None,
        brief: Brief {
            baseline: Some(experiment(0)),
            accept: vec!["m0 <= -1%".parse().expect("a criterion")],
            no_guard: Some("a benchmark".to_owned()),
            trials: Some(u32::try_from(trials).expect("few")),
            ..Brief::default()
        },
    });
    let id = encode(draft(writer, number, moment(number), body.clone()), None).1.id;
    (body, id)
}

/// Registered experiments with so many trials each, of ten metrics; the first is the baseline of the others.
fn experiments(lab: &Lab, name: &str, experiments: usize, trials: usize) -> PathBuf {
    let writer: Writer = "00c0ffee00c0".parse().expect("a writer's name");
    let briefs: Vec<(Body, EntryId)> =
        (0..experiments).map(|number| brief(&writer, number, trials)).collect();
    lab.repository_with(name, experiments * (trials + 1), |number, commits, tree| {
        if let Some((body, _)) = briefs.get(number) {
            return (body.clone(), moment(number));
        }
        let experiment = (number - experiments) % experiments;
        let mut it = run(number, commits, tree);
        it.membership = Membership {
            experiment: format!("EXP-{experiment:04}").parse().expect("an ID"),
            registration: Some(briefs[experiment].1),
            brief: Some(briefs[experiment].1),
        };
        (it.status, it.exit) = (Status::Ok, Exit::Code(0));
        it.argv = ["python", "train.py"].into_iter().map(Into::into).collect();
        it.params = BTreeMap::new();
        it.code.tree = format!("{:040x}", experiment + 1).parse().expect("an object's name");
        it.group = nonce(experiment, 2);
        it.trials = u32::try_from(trials).expect("few");
        it.trial = u32::try_from((number - experiments) / experiments + 1).expect("few");
        it.seed = Some(u64::from(it.trial));
        let loss = it.metrics.remove("val_loss").expect("every run has one");
        it.metrics = (0..10)
            .map(|metric| {
                let value = loss.value.map(|value| value + f64::from(metric) * 0.1);
                let kind = Some(if metric < 5 { Kind::Measured } else { Kind::Quality });
                let better = Some(Better::Lower);
                (format!("m{metric}"), Value { value, kind, better, ..loss.clone() })
            })
            .collect();
        (Body::Run(Box::new(it)), moment(number))
    })
}

fn compare(lab: &Lab, table: &mut Table) {
    for (what, count, trials, bar) in [
        ("compare two experiments of 1,000 trials with 10 metrics", 2, 1_000, 100.0),
        ("compare 100 candidates of 30 trials with one baseline", 101, 30, 300.0),
    ] {
        let path = experiments(lab, &format!("compared-{count}"), count, trials);
        let sides: Vec<String> = (0..count).map(|number| format!("EXP-{number:04}")).collect();
        let words: Vec<&str> = std::iter::once("compare").chain(sides.iter().map(String::as_str)).collect();
        // The first builds the index.
        lab.run(lab.exp(&path, &words));
        let mut times: Vec<Duration> = (0..7)
            .map(|_| {
                let began = Instant::now();
                lab.run(lab.exp(&path, &words));
                began.elapsed()
            })
            .collect();
        times.sort();
        table.absolute(what, times[times.len() / 2].as_secs_f64() * 1e3, "ms", bar);
    }
}

/// How long it takes to say whether something was tried, over 10,000 experiments with a run and a decision each.
fn tried(lab: &Lab, table: &mut Table) {
    let writer: Writer = "00c0ffee00c0".parse().expect("a writer's name");
    let count = 10_000;
    let registration = |number: usize| {
        let (body, _) = brief(&writer, number, 5);
        let Body::Brief(mut it) = body else { unreachable!("a brief is a brief") };
        it.brief.hypothesis = Some(words(number, 0, 18));
        it.brief.change = Some(words(number, 1, 8));
        let body = Body::Brief(it);
        let id = encode(draft(&writer, number, moment(number), body.clone()), None).1.id;
        (body, id)
    };
    let briefs: Vec<(Body, EntryId)> = (0..count).map(registration).collect();
    let path = lab.repository_with("tried", count * 3, |number, commits, tree| {
        let experiment = number % count;
        let name = format!("EXP-{experiment:04}").parse().expect("an ID");
        let (registered, id) = &briefs[experiment];
        let body = match number / count {
            0 => registered.clone(),
            1 => {
                let mut it = run(number, commits, tree);
                it.membership = Membership { experiment: name, registration: Some(*id), brief: Some(*id) };
                Body::Run(Box::new(it))
            }
            _ => Body::Decision(Ruling {
                experiment: name,
                registration: *id,
                decision: if experiment % 3 == 0 { Decision::Accepted } else { Decision::Rejected },
                because: words(experiment, 2, 15),
                next: Vec::new(),
                evidence: None,
            }),
        };
        (body, moment(number))
    });
    let question = words(4_711, 0, 10);
    let asked = ["tried", question.as_str()];
    // The first builds the index.
    lab.run(lab.exp(&path, &asked));
    let mut times: Vec<Duration> = (0..11)
        .map(|_| {
            let began = Instant::now();
            lab.run(lab.exp(&path, &asked));
            began.elapsed()
        })
        .collect();
    times.sort();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    table.absolute("`git exp tried` over 10,000 experiments", median, "ms", 100.0);
}

/// How long it takes to render a logbook of 5,000 entries, most of them runs of their own, and to hand over.
fn logbook(lab: &Lab, table: &mut Table) {
    let writer: Writer = "00c0ffee00c0".parse().expect("a writer's name");
    let (count, all) = (500, 5_000);
    let topic = Topic {
        prefix: Some("EXP".parse().expect("a prefix")),
        goal: Some(words(0, 0, 10)),
        stop: vec!["3 experiments without improvement".to_owned(), "val_loss <= 1".to_owned()],
        ..Topic::named("speed".parse().expect("a name"))
    };
    let registration = |number: usize| {
        let (body, _) = brief(&writer, number, 5);
        let Body::Brief(mut it) = body else { unreachable!("a brief is a brief") };
        it.topic = Some(topic.name.clone());
        it.brief.hypothesis = Some(words(number, 0, 18));
        it.brief.change = Some(words(number, 1, 8));
        it.brief.accept = vec!["val_loss <= -1%".parse().expect("a criterion")];
        let body = Body::Brief(it);
        let id = encode(draft(&writer, number, moment(number), body.clone()), None).1.id;
        (body, id)
    };
    let briefs: Vec<(Body, EntryId)> = (0..count).map(registration).collect();
    let path = lab.repository_with("logbook", all + 1, |number, commits, tree| {
        let experiment = number % count;
        let name = format!("EXP-{experiment:04}").parse().expect("an ID");
        let (registered, id) = &briefs[experiment];
        let body = match number / count {
            _ if number == all => Body::Topic(topic.clone()),
            0 => registered.clone(),
            1..7 => {
                let mut it = run(number, commits, tree);
                it.membership = Membership { experiment: name, registration: Some(*id), brief: Some(*id) };
                Body::Run(Box::new(it))
            }
            7 | 8 => Body::Note(Note {
                experiment: Some(name),
                registration: Some(*id),
                topic: None,
                sort: None,
                source: None,
                text: words(number, 3, 30),
            }),
            _ => Body::Decision(Ruling {
                experiment: name,
                registration: *id,
                decision: if experiment % 3 == 0 { Decision::Accepted } else { Decision::Rejected },
                because: words(experiment, 2, 15),
                next: Vec::new(),
                evidence: None,
            }),
        };
        (body, moment(number))
    });
    for (what, words, bar) in [
        ("render a logbook of 5,000 entries", ["logbook", "speed"], 300.0),
        ("hand over a topic of 500 experiments and 3,000 runs", ["handoff", "speed"], 300.0),
    ] {
        // The first builds the index.
        lab.run(lab.exp(&path, &words));
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let began = Instant::now();
                lab.run(lab.exp(&path, &words));
                began.elapsed()
            })
            .collect();
        times.sort();
        table.absolute(what, times[times.len() / 2].as_secs_f64() * 1e3, "ms", bar);
    }
}

/// So many made-up words, of which few are frequent.
fn words(number: usize, salt: u8, count: usize) -> String {
    let seed = blake3::hash(&[number.to_le_bytes().as_slice(), &[salt]].concat());
    let mut bytes = vec![0; count * 4];
    let mut hasher = blake3::Hasher::new();
    hasher.update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    let words = bytes.chunks(4).map(|bytes| {
        let draw = f64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes"))) / f64::from(u32::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 4,000")]
        let word = (draw.powi(3) * 4_000.0) as usize;
        let letters = blake3::hash(&word.to_le_bytes());
        letters.as_bytes()[..6].iter().map(|byte| char::from(b'a' + byte % 26)).collect::<String>()
    });
    words.collect::<Vec<String>>().join(" ")
}

fn nonce(number: usize, salt: u8) -> Nonce {
    let hash = blake3::hash(&[number.to_le_bytes().as_slice(), &[salt]].concat());
    Nonce(hash.as_bytes()[..16].try_into().expect("sixteen bytes"))
}

/// Times two commands in turn; gives the median of each.
fn in_turn(
    times: usize,
    mut a: impl FnMut() -> Command,
    mut b: impl FnMut() -> Command,
) -> (Duration, Duration) {
    let mut seen: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    let mut time = |side: usize, mut command: Command, counts: bool| {
        let began = Instant::now();
        let status = command.status().expect("the program starts");
        let took = began.elapsed();
        assert!(status.success(), "{command:?} ended with {status}");
        if counts {
            seen[side].push(took);
        }
    };
    for round in 0..=times {
        time(0, a(), round > 0);
        time(1, b(), round > 0);
    }
    let [a, b] = seen.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    (a, b)
}

#[derive(Default)]
struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    fn add(&mut self, what: &str, against: &str, a: Duration, b: Duration, bar: f64) {
        let ratio = a.as_secs_f64() / b.as_secs_f64();
        let verdict = if ratio <= bar { "met" } else { "missed" };
        self.rows.push([
            what.to_owned(),
            format!("{:.1} ms", a.as_secs_f64() * 1e3),
            format!("{against}: {:.1} ms", b.as_secs_f64() * 1e3),
            format!("{ratio:.2}"),
            format!("{bar}: {verdict}"),
        ]);
    }

    fn absolute(&mut self, what: &str, value: f64, unit: &str, bar: f64) {
        let verdict = if value <= bar { "met" } else { "missed" };
        let shown = format!("{value:.1} {unit}");
        self.rows.push([
            what.to_owned(),
            shown,
            String::new(),
            String::new(),
            format!("{bar} {unit}: {verdict}"),
        ]);
    }

    fn render(&self) -> String {
        let mut text =
            "| what | here | against | ratio | bar |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

fn start(lab: &Lab, table: &mut Table) {
    let (exp, git) = in_turn(40, || lab.exp(&lab.root, &["-h"]), || lab.git(&lab.root, &["--version"]));
    table.add("start: `git exp -h`", "`git --version`", exp, git, 2.0);
}

fn record(lab: &Lab, small: &Path, large: &Path, table: &mut Table) {
    let run = ["run", "--", "true"];
    let (exp, git) = in_turn(
        30,
        || lab.exp(small, &run),
        || lab.git(small, &["-c", "core.fsync=all", "commit", "-q", "--allow-empty", "-m", "x"]),
    );
    table.add("record: `git exp run -- true`, durable", "`git commit`, all synced", exp, git, 3.0);
    let (many, few) = in_turn(30, || lab.exp(large, &run), || lab.exp(small, &run));
    table.add("the same with 100,000 entries", "with 1,000", many, few, 1.1);
}

const QUERY: [&str; 7] =
    ["runs", "--filter", "val_loss < 2.5 and lr > 1e-4", "--sort", "step_time", "--limit", "20"];

fn query(lab: &Lab, large: &Path, table: &mut Table) {
    let log = ["log", "--first-parent", "--format=%B", "refs/exp/log/00c0ffee00c0"];
    lab.run(lab.exp(large, &QUERY));
    let (runs, git) = in_turn(10, || lab.exp(large, &QUERY), || lab.git(large, &log));
    table.absolute("filter and sort 100,000 runs, whole process", runs.as_secs_f64() * 1e3, "ms", 25.0);
    table.add("the same", "`git log --format=%B` over that log", runs, git, 0.05);
    let mut fresh: Vec<Duration> = Vec::new();
    for _ in 0..10 {
        lab.run(lab.exp(large, &["run", "--", "true"]));
        let began = Instant::now();
        lab.run(lab.exp(large, &QUERY));
        fresh.push(began.elapsed());
    }
    fresh.sort();
    table.add("the same right after a new entry", "without one", fresh[fresh.len() / 2], runs, 1.5);
}

fn snapshot(lab: &Lab, table: &mut Table) {
    let path = lab.root.join("dirty");
    fs::create_dir_all(&path).expect("a folder");
    lab.run(lab.git(&path, &["init", "-q", "-b", "main"]));
    lab.run(lab.git(&path, &["config", "gc.auto", "0"]));
    for number in 0..FILES {
        let folder = path.join(format!("d{}", number / 100));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("f{number}.txt")), format!("file {number}\n")).expect("a file");
    }
    lab.run(lab.git(&path, &["add", "-A"]));
    lab.run(lab.git(&path, &["commit", "-q", "-m", "files"]));
    let mut round = 0;
    let mut touch = |count: usize| {
        round += 1;
        for number in 0..count {
            let file = path.join(format!("d{}/f{number}.txt", number / 100));
            fs::write(file, format!("file {number} round {round}\n")).expect("a file");
        }
    };
    let script = "cp .git/index .git/other && GIT_INDEX_FILE=.git/other git add -A && GIT_INDEX_FILE=.git/other git write-tree";
    for (count, what) in [(100, "100 of them changed"), (FILES, "all of them changed")] {
        let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..5 {
            for (side, times) in times.iter_mut().enumerate() {
                touch(count);
                let command = match side {
                    0 => lab.exp(&path, &["run", "--", "true"]),
                    _ => lab.command("sh", &path, &["-c", script]),
                };
                let began = Instant::now();
                lab.run(command);
                times.push(began.elapsed());
            }
        }
        let [exp, git] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        });
        let row = format!("snapshot of 10,000 files, {what} (with the run)");
        table.add(&row, "`git add -A`, `git write-tree`", exp, git, 2.0);
    }
}

fn rebuild(lab: &Lab, large: &Path, table: &mut Table) {
    let log = ["log", "--first-parent", "--format=%B", "refs/exp/log/00c0ffee00c0"];
    let index = large.join(".git/exp/index");
    let (rebuild, git) = in_turn(
        5,
        || {
            let _ = fs::remove_dir_all(&index);
            lab.exp(large, &["runs", "--limit", "1"])
        },
        || lab.git(large, &log),
    );
    table.add(
        "rebuild the index of 100,000 entries",
        "`git log --format=%B` over that log",
        rebuild,
        git,
        2.0,
    );
}

/// What the first list costs after another clone's 100,000 entries came, beside building the index of all anew.
fn catch_up(lab: &Lab, large: &Path, table: &mut Table) {
    let own = moment(1).duration_since(moment(0)) / 2;
    let foreign = lab.repository_with("foreign", ENTRIES, |number, commits, tree| {
        (Body::Run(Box::new(run(number, commits, tree))), moment(number) + own)
    });
    let both = lab.root.join("both");
    let path = |path: &Path| path.to_str().expect("a path of our own").to_owned();
    lab.run(lab.git(&lab.root, &["clone", "-q", "--bare", &path(large), &path(&both)]));
    let fetch = |from: &Path, to: &str| {
        let refspec = format!("refs/exp/log/00c0ffee00c0:refs/exp/seen/{to}");
        lab.run(lab.git(&both, &["fetch", "-q", &path(from), &refspec]));
    };
    fetch(large, "00c0ffee00c0");
    lab.run(lab.exp(&both, &["runs", "--limit", "1"]));
    let (index, before) = (both.join("exp/index"), lab.root.join("index-before"));
    fs::rename(&index, &before).expect("an index was built");
    fetch(&foreign, "0badc0de0bad");
    let list = ["runs", "--limit", "1"];
    let (catch_up, rebuild) = in_turn(
        5,
        || {
            let _ = fs::remove_dir_all(&index);
            fs::create_dir(&index).expect("a folder");
            for file in fs::read_dir(&before).expect("a folder").map(|file| file.expect("a file")) {
                fs::copy(file.path(), index.join(file.file_name())).expect("a copy");
            }
            lab.exp(&both, &list)
        },
        || {
            let _ = fs::remove_dir_all(&index);
            lab.exp(&both, &list)
        },
    );
    table.add(
        "take 100,000 foreign entries into an index of 100,000",
        "build the index of all 200,000 anew (a ratio of 1 is twice its time an entry)",
        catch_up,
        rebuild,
        1.0,
    );
}

fn graph(lab: &Lab, large: &Path, table: &mut Table) {
    let (all, log) = in_turn(
        3,
        || lab.git(large, &["log", "--graph", "--all", "--oneline"]),
        || lab.git(large, &["log", "--graph", "--oneline", "refs/exp/log/00c0ffee00c0"]),
    );
    table.add("`git log --graph --all`, 100,000 runs", "`git log --graph` over the log alone", all, log, 2.0);
}

/// What an entry takes on disk once Git has packed it.
fn size(lab: &Lab, table: &mut Table) {
    let path = lab.root.join("size");
    fs::create_dir_all(&path).expect("a folder");
    lab.run(lab.git(&path, &["init", "-q", "-b", "main"]));
    lab.run(lab.git(&path, &["commit", "-q", "--allow-empty", "-m", "first"]));
    let run = ["run", "--", "sh", "-c", "echo METRIC loss=0.$$ step=1; echo METRIC val_loss=1.$$"];
    let packed = |refs: &[&str]| -> f64 {
        let mut command =
            lab.git(&path, &["pack-objects", "--all-progress-implied", "--revs", "--stdout", "-q"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("git starts");
        child.stdin.take().expect("a pipe").write_all(refs.join("\n").as_bytes()).expect("git reads");
        child.wait_with_output().expect("git ends").stdout.len() as f64
    };
    let names =
        || lab.output(lab.git(&path, &["for-each-ref", "--format=%(refname)", "refs/exp", "refs/notes"]));
    lab.run(lab.exp(&path, &run));
    let runs = 200;
    let measure = || {
        lab.run(lab.git(&path, &["gc", "-q", "--prune=now"]));
        let names = names();
        let names: Vec<&str> = names.lines().collect();
        let logs: Vec<&str> =
            names.iter().copied().filter(|name| name.starts_with("refs/exp/log/")).collect();
        (packed(&logs), packed(&names))
    };
    let before = measure();
    for _ in 0..runs {
        lab.run(lab.exp(&path, &run));
    }
    let after = measure();
    let each = |before: f64, after: f64| (after - before) / f64::from(runs) / 1024.0;
    table.absolute("an entry in the log, packed", each(before.0, after.0), "KiB", 1.0);
    table.absolute("a small run in all, packed", each(before.1, after.1), "KiB", 2.0);
}
