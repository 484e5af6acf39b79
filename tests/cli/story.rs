//! A research story: thirty experiments by two people in two clones, with failures, a moved baseline and numbers given twice.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::lab::TestLab;

const FIRST: &str = "aaaaaaaaaaa1";
const SECOND: &str = "bbbbbbbbbbb2";

/// How one experiment of the story went.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It was accepted.
    Accept,
    /// It was rejected.
    Reject,
    /// It goes on.
    Iterate,
    /// Every run failed, and nobody decided.
    Fails,
    /// It ran, and nobody decided.
    Open,
}

struct Story {
    lab: TestLab,
    /// The clone of the second person.
    second: PathBuf,
    minute: std::cell::Cell<u32>,
}

impl Story {
    fn begin() -> Self {
        let lab = TestLab::with_commit();
        lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nunit = \"nat\"\n");
        lab.script(
            "train.sh",
            "case $1 in\n\
             fail) echo 'out of memory' >&2; exit 3 ;;\n\
             nan) echo METRIC val_loss=nan ;;\n\
             *) echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\" ;;\n\
             esac",
        );
        lab.commit_all("a model");
        lab.git(["config", "exp.writer", FIRST]);
        let second = lab
            .path()
            .join("../second")
            .canonicalize()
            .unwrap_or_else(|_| lab.path().with_file_name("second"));
        lab.git(["clone", "--quiet", ".", &second.to_string_lossy()]);
        let story = Self { lab, second, minute: std::cell::Cell::new(0) };
        story.git(&story.second, &["config", "exp.writer", SECOND]);
        story
    }

    /// Every step takes a minute.
    fn tick(&self) {
        self.minute.set(self.minute.get() + 1);
        let minute = self.minute.get();
        let time =
            format!("2026-11-{:02}T{:02}:{:02}:00Z", 21 + minute / 1440, minute / 60 % 24, minute % 60);
        self.lab.set_clock(Box::leak(time.into_boxed_str()));
    }

    fn git(&self, at: &Path, arguments: &[&str]) -> String {
        let place = at.to_string_lossy().into_owned();
        self.lab.git(["-C", &place].into_iter().chain(arguments.iter().copied()))
    }

    /// Runs git exp in a clone a minute later; gives whether it said yes, and its standard output.
    fn exp(&self, at: &Path, arguments: &[&str]) -> (bool, String) {
        self.tick();
        let output = self.lab.exp_command(arguments).current_dir(at).output().expect("it starts");
        (output.status.success(), String::from_utf8(output.stdout).expect("answers are UTF-8"))
    }

    #[track_caller]
    fn ok(&self, at: &Path, arguments: &[&str]) -> String {
        let (is_ok, text) = self.exp(at, arguments);
        assert!(is_ok, "{arguments:?}: {text}");
        text
    }

    /// Tells each clone what the other one knows.
    fn sync(&self) {
        let (first, second) = (self.lab.path().to_path_buf(), self.second.clone());
        for (from, to) in [(&first, &second), (&second, &first)] {
            let logs = "+refs/exp/log/*:refs/exp/seen/*";
            self.git(to, &["fetch", "--quiet", &from.to_string_lossy(), logs]);
        }
    }

    /// One experiment from its registration to its end; gives its name.
    fn experiment(&self, at: &Path, name: &str, loss: &str, end: End) -> String {
        let text = self.ok(
            at,
            &[
                "new",
                name,
                "--topic",
                "loop",
                "--hypothesis",
                &format!("{name} helps"),
                "--change",
                name,
                "--json",
            ],
        );
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let id = value["experiment"].as_str().expect("an ID").to_owned();
        let worktree = at.join(".worktrees").join(&id);
        std::fs::write(worktree.join("change.txt"), name).expect("the worktree is there");
        self.git(&worktree, &["add", "change.txt"]);
        self.git(&worktree, &["commit", "--quiet", "-m", name]);
        self.exp(
            at,
            &["run", "-e", &id, "-n", "3", "--param", &format!("kind={name}"), "--", "./train.sh", loss],
        );
        match end {
            End::Accept => {
                let again =
                    ["run", "-e", &id, "-n", "3", "--confirm", "--param", &format!("kind={name}"), "--"];
                self.ok(at, &[&again[..], &["./train.sh", loss]].concat());
                self.ok(at, &["note", &id, "the loss falls in every seed", "--observation"]);
                self.ok(
                    at,
                    &[
                        "decide",
                        &id,
                        "accept",
                        "--because",
                        &format!("{name} holds"),
                        "--next",
                        "try it wider",
                    ],
                );
            }
            End::Reject => {
                self.ok(at, &["note", &id, "the gradient is noise", "--inference"]);
                self.ok(at, &["decide", &id, "reject", "--because", &format!("{name} does not help")]);
            }
            End::Iterate => {
                self.ok(at, &["decide", &id, "iterate", "--because", "promising", "--next", "a longer run"]);
            }
            End::Fails | End::Open => {}
        }
        id
    }

    fn document(&self, at: &Path, arguments: &[&str]) -> String {
        let render = || {
            let output = self.lab.exp_command(arguments).current_dir(at).output().expect("it starts");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("documents are UTF-8")
        };
        let text = render();
        assert_eq!(text, render(), "{arguments:?} gives the same bytes again");
        text
    }

    /// The document without what differs from machine to machine and from time to time.
    fn readable(&self, text: &str) -> String {
        let text = text.replace(&*self.lab.path().to_string_lossy(), "<lab>");
        let replace = |text: String, pattern: &str, with: &str| {
            Regex::new(pattern).expect("the pattern is right").replace_all(&text, with).into_owned()
        };
        let text = replace(text, r"(?m)^<!-- git-exp: .*-->\n\n", "");
        let text = replace(text, r"(?m)^\| wall_time .*\n", "");
        let text = replace(text, r"`[0-9a-f]{8}`", "`<id>`");
        let text = replace(text, r"\([0-9a-f]{8}\)", "(<id>)");
        let text = replace(text, r"`[0-9a-f]{16}`", "`<hardware>`");
        replace(
            text,
            r"\d+(\.\d+)? (µs|ms|s|min \d+ s|min) in all|in \d+(\.\d+)? (µs|ms|s)\b",
            "<time> in all",
        )
    }
}

#[test]
fn thirty_experiments_by_two_people_read_as_one_story() {
    use End::{Accept, Fails, Iterate, Open, Reject};
    let story = Story::begin();
    let (first, second) = (story.lab.path().to_path_buf(), story.second.clone());
    let kickoff = ["topic", "new", "loop", "--prefix", "LOOP", "--goal", "a lower loss in the same time"];
    let promises = ["--accept", "val_loss <= -2%", "--no-guard", "only the loss matters", "--trials", "3"];
    let rest = ["--budget", "runs=30", "--baseline", "default=LOOP-001", "--scope", "seeds=1,2,3"];
    let stop = ["--stop", "4 experiments without improvement", "--stop", "val_loss <= 1500 nat"];
    story.ok(&first, &[&kickoff[..], &promises, &rest, &stop].concat());
    story.ok(&first, &["idea", "add", "a longer warm-up", "--topic", "loop", "--effect", "val_loss -3%"]);

    // The baseline, then nine by the first person.
    let baseline =
        ["new", "baseline", "--topic", "loop", "--hypothesis", "h", "--change", "none", "--baseline", "main"];
    story.ok(&first, &baseline);
    story.git(&first.join(".worktrees/LOOP-001"), &["commit", "--quiet", "--allow-empty", "-m", "as it was"]);
    story.ok(&first, &["run", "-e", "LOOP-001", "-n", "3", "--", "./train.sh", "2300"]);
    for (name, loss, end) in [
        ("wider", "2290", Reject),
        ("deeper", "fail", Fails),
        ("warm-up", "2200", Accept),
        ("bigger-batch", "2500", Reject),
        ("no-decay", "nan", Reject),
        ("ema", "2280", Iterate),
        ("cosine", "2210", Open),
        ("label|noise", "2400", Reject),
    ] {
        // A short name cannot hold everything that a change can.
        story.experiment(&first, &name.replace('|', "-"), loss, end);
    }
    story.ok(&first, &["logbook", "loop", "--write"]);
    story.sync();

    // The second person joins; both work at once, and both number alike.
    let mut names = Vec::new();
    for round in 0..5 {
        for (at, whose, end) in [
            (&first, "a", [Reject, Open, Reject, Reject, Reject][round]),
            (&second, "b", [Open, Reject, Fails, Accept, Reject][round]),
        ] {
            let loss = ["2350", "2260", "2330", "2100", "2310"][round];
            let loss = if end == Fails { "fail" } else { loss };
            names.push(story.experiment(at, &format!("round-{whose}{round}"), loss, end));
        }
        if round == 2 {
            story.ok(&first, &["logbook", "loop", "--write"]);
        }
    }
    assert_eq!(names[0], names[1], "offline, both took the same number");
    story.ok(
        &first,
        &[
            "topic",
            "baseline",
            "set",
            "default=LOOP-004",
            "--topic",
            "loop",
            "--because",
            "the warm-up holds on every seed",
        ],
    );
    story.ok(&first, &["logbook", "loop", "--write"]);
    story.sync();
    story.ok(&first, &["logbook", "loop", "--write"]);

    // Against the moved baseline.
    for number in 0..11 {
        let at = if number % 2 == 0 { &first } else { &second };
        let (loss, end) = [("2190", Open), ("2150", Accept), ("2250", Reject)][number % 3];
        story.experiment(at, &format!("late-{number}"), loss, end);
        story.sync();
    }
    story.ok(&second, &["idea", "add", "a second head", "--topic", "loop"]);
    story.ok(&second, &["idea", "drop", "2", "--because", "it does not fit into memory"]);
    story.ok(&second, &["note", "loop", "trap: the first run of the day is slower"]);
    story.sync();
    story.ok(&first, &["logbook", "loop", "--write"]);

    let documents = [
        ("logbook", vec!["logbook", "loop"]),
        ("experiment-log", vec!["logbook", "loop", "--as", "experiment-log"]),
        ("decisions", vec!["logbook", "loop", "--as", "decisions"]),
        ("negative-results", vec!["logbook", "loop", "--as", "negative-results"]),
        ("handoff", vec!["handoff", "loop"]),
    ];
    for (name, arguments) in &documents {
        let text = story.document(&first, arguments);
        insta::assert_snapshot!(*name, story.readable(&text));
        if *name != "handoff" {
            assert_eq!(text, story.document(&second, arguments), "{name} is the same in both clones");
        }
    }
    assert_eq!(story.lab.exp_json(["list", "--all"]).len(), 30);

    // What was written only grew, and holds every entry that the rendering has, once.
    let file = "research/loop:.agents/logbooks/loop.md";
    let history = story.git(&first, &["log", "--reverse", "--format=%H", "research/loop", "--", ".agents"]);
    let versions: Vec<String> = history
        .lines()
        .map(|commit| story.git(&first, &["show", &format!("{commit}:.agents/logbooks/loop.md")]))
        .collect();
    assert!(versions.len() >= 5, "{}", versions.len());
    for pair in versions.windows(2) {
        assert!(pair[1].starts_with(&pair[0]) && pair[1].len() > pair[0].len());
    }
    let marks = |text: &str| {
        let marks = text.lines().filter_map(|line| line.strip_prefix("<!-- git-exp: ")?.strip_suffix(" -->"));
        let mut marks: Vec<String> = marks.flat_map(str::split_whitespace).map(str::to_owned).collect();
        marks.sort();
        marks
    };
    let written = story.git(&first, &["show", file]);
    let rendered = story.document(&first, &["logbook", "loop"]);
    assert_eq!(marks(&written), marks(&rendered));
    let mut once = marks(&written);
    once.dedup();
    assert_eq!(once, marks(&written));
}

#[test]
fn a_clone_takes_its_own_branch_for_its_own_experiment() {
    let story = Story::begin();
    let (first, second) = (story.lab.path().to_path_buf(), story.second.clone());
    story.ok(
        &first,
        &[
            "topic",
            "new",
            "loop",
            "--prefix",
            "LOOP",
            "--accept",
            "val_loss <= -2%",
            "--no-guard",
            "x",
            "--budget",
            "runs=9",
        ],
    );
    story.sync();
    for (at, change) in [(&first, "ours"), (&second, "theirs")] {
        let brief = [
            "new",
            change,
            "--topic",
            "loop",
            "--baseline",
            "main",
            "--hypothesis",
            change,
            "--change",
            change,
        ];
        story.ok(at, &brief);
    }
    story.sync();
    let worktree = first.join(".worktrees/LOOP-001");
    story.ok(&worktree, &["run", "--", "./train.sh", "2000"]);
    story.sync();
    let runs_of = |writer: &str| {
        let text = story.ok(&first, &["list", "--json"]);
        let mut lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let it = lines.find(|it| it["experiment"] == format!("LOOP-001@{writer}")).expect("it is listed");
        it["runs"].as_u64()
    };
    assert_eq!((runs_of(FIRST), runs_of(SECOND)), (Some(1), Some(0)));
    let (is_ok, _) = story.exp(&first, &["archive", &format!("LOOP-001@{SECOND}")]);
    assert!(!is_ok && worktree.exists(), "what is ours is not put away under another's name");
    let text = story.ok(&worktree, &["status"]);
    assert!(text.contains(&format!("LOOP-001@{FIRST}")), "{text}");
    story.ok(&first, &["archive", &format!("LOOP-001@{FIRST}")]);
}

#[test]
fn topics_that_say_different_things_are_seen_to_and_can_be_settled() {
    let story = Story::begin();
    let (first, second) = (story.lab.path().to_path_buf(), story.second.clone());
    story.ok(&first, &["topic", "new", "same", "--goal", "ours"]);
    story.ok(&second, &["topic", "new", "same", "--goal", "theirs"]);
    story.sync();
    for at in [&first, &second] {
        assert!(story.ok(at, &["topic", "show", "same"]).contains("says something else"));
        assert!(story.ok(at, &["topic", "list"]).contains("same (conflict)"));
    }
    story.ok(&first, &["topic", "amend", "same", "--goal", "one of both"]);
    story.sync();
    let text = story.ok(&second, &["topic", "show", "same"]);
    assert!(text.contains("one of both") && !text.contains("says something else"), "{text}");
}
