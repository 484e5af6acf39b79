//! Stored formats: what was written once is read for ever, and written the same way by every later version.
//!
//! The files under `data/` are never changed. A new version of a format gets a file of its own beside them.
#![allow(clippy::disallowed_methods, reason = "tests look at files")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use git_exp::domain::brief::{Brief, Budget};
use git_exp::domain::bytes::OsBytes;
use git_exp::domain::decision::{BaselineMove, Decision, Evidence, Look, Opinion, Review, Ruling};
use git_exp::domain::entry::{Body, Entry, FileEntry, FileList, Identity, Note, NoteSort, Registration};
use git_exp::domain::id::{EntryId, Nonce, ObjectName, Writer};
use git_exp::domain::idea::{Idea, Rating};
use git_exp::domain::issue::{IssueAct, IssueEvent, Post};
use git_exp::domain::metric::{Better, Kind, Value};
use git_exp::domain::reproduction::{self, Judgement, Reproduction, Surrounding, Target};
use git_exp::domain::rule_override::RuleOverride;
use git_exp::domain::run::{
    Code, Exit, Input, LargeFile, Load, Malformed, Membership, PairSide, Run, Status, Truncated,
};
use git_exp::domain::smoke::Smoke;
use git_exp::domain::statistics::Interval;
use git_exp::domain::topic::{Closing, EvaluationPin, Phase, Topic};
use git_exp::domain::verdict::Outcome;
use git_exp::domain::withdrawal::{Dropped, Part, Results, Withdrawal, Withdrawn};
use git_exp::log::entry::{Draft, decode, encode};
use git_exp::log::message;
use git_exp::log::witness::tips_seen;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "formats", "data", name].iter().collect()
}

fn draft(body: Body) -> (Draft, Option<FileList>) {
    let draft = Draft {
        writer: "00c0ffee00c0".parse().expect("a writer"),
        nonce: Nonce([7; 16]),
        time: "2026-11-21T12:00:00.123456Z".parse().expect("a time"),
        by: Identity { name: "Ada Lovelace".to_owned(), email: "ada@example.org".to_owned() },
        replaces: vec![EntryId([1; 32])],
        answers: Some(EntryId([2; 32])),
        seen: BTreeMap::new(),
        body,
    };
    let files = FileList {
        tree: "0123456789012345678901234567890123456789".parse().expect("a tree"),
        files: vec![FileEntry { name: OsBytes(b"out/caf\xe9".to_vec()), bytes: 12, blake3: "ab".repeat(32) }],
    };
    (draft, Some(files))
}

fn run() -> Run {
    let object = |digit: char| digit.to_string().repeat(40).parse().expect("an object");
    let value = |value: f64| Value { value: Some(value), points: 1, ..Value::default() };
    Run {
        membership: Membership {
            experiment: "MOE-HC-001".parse().expect("an ID"),
            registration: Some(EntryId([3; 32])),
            brief: Some(EntryId([4; 32])),
        },
        status: Status::Diverged,
        exit: Exit::Code(0),
        reason: Some("a metric is not finite".to_owned()),
        argv: vec!["python".into(), OsBytes(vec![0xff, 0x00, 0x41])],
        directory: "sub".into(),
        code: Code {
            commit: object('a'),
            tree: object('b'),
            base: Some(object('c')),
            branch: Some("exp/MOE-HC-001".to_owned()),
            inexact: vec!["`.env` was left out: its name is that of a secret".to_owned()],
            others: BTreeMap::from([("library".to_owned(), "d".repeat(40))]),
        },
        group: Nonce([8; 16]),
        trial: 2,
        trials: 5,
        seed: Some(u64::MAX),
        params: BTreeMap::from([("lr".to_owned(), "3e-4".to_owned())]),
        changed_params: BTreeMap::from([("lr".to_owned(), "1e-4".to_owned())]),
        label: Some("warm".to_owned()),
        started: "2026-11-21T11:58:00Z".parse().expect("a time"),
        wall_seconds: 119.5,
        metrics: BTreeMap::from([
            ("nan".to_owned(), value(f64::NAN)),
            ("infinite".to_owned(), value(f64::NEG_INFINITY)),
            ("tiny".to_owned(), value(5e-324)),
            ("whole".to_owned(), value(3.0)),
            (
                "step_time".to_owned(),
                Value {
                    value: None,
                    cases: BTreeMap::from([("b8s4096".to_owned(), 12.25)]),
                    unit: Some("ms".to_owned()),
                    better: Some(Better::Lower),
                    kind: Some(Kind::Measured),
                    points: 40,
                    definition: Some("0123456789ab".to_owned()),
                },
            ),
        ]),
        inputs: vec![Input {
            name: "x".to_owned(),
            shape: Some("8x1024".to_owned()),
            dtype: Some("bf16".to_owned()),
            device: Some("cuda:0".to_owned()),
            more: BTreeMap::from([("layout".to_owned(), "nhwc".to_owned())]),
        }],
        malformed: Malformed { count: 2, examples: vec!["`METRIC` without a value".to_owned()] },
        hardware: "0123456789abcdef".to_owned(),
        boot: Some("fedcba9876543210".to_owned()),
        load: Load { load_average: Some(0.5), accelerator_processes: vec!["python3".to_owned()] },
        truncated: vec![Truncated { stream: "stdout".to_owned(), bytes: 1 << 30, blake3: "cd".repeat(32) }],
        large: vec![LargeFile { path: "model.pt".into(), bytes: 1 << 40, blake3: "ef".repeat(32) }],
        remarks: vec!["renamed".to_owned()],
        pair: None,
        confirms: false,
        accelerators: 0,
        evaluation: None,
        evaluation_changed: false,
    }
}

fn brief() -> Registration {
    let criterion = |text: &str| text.parse().expect("a criterion");
    Registration {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: None,
        topic: Some("moe".parse().expect("a topic")),
        from: Some(EntryId([5; 32])),
        idea: None,
        start: Some("e".repeat(40).parse().expect("a commit")),
        brief: Brief {
            hypothesis: Some("the loader is the bottleneck".to_owned()),
            change: Some("prefetch 4 batches".to_owned()),
            baseline: Some("main".to_owned()),
            accept: vec![criterion("step_time <= -8%"), criterion("acc >= base - 0.002")],
            guard: vec![criterion("val_loss <= +0.2%"), criterion("peak <= 3.5")],
            no_guard: None,
            trials: Some(5),
            budget: Budget { wall_seconds: Some(7200.0), accelerator_seconds: None, runs: Some(40) },
            owner: Some("Ada Lovelace".to_owned()),
            notes: Some("first of three".to_owned()),
            dataset: Some("wine 1.0".to_owned()),
            paths: vec!["src/loader.py".to_owned()],
            looks: Vec::new(),
        },
    }
}

fn topic() -> Topic {
    let brief = brief().brief;
    Topic {
        prefix: Some("MOE-HC".parse().expect("a prefix")),
        goal: Some("halve the step time".to_owned()),
        accept: brief.accept,
        guard: brief.guard,
        budget: brief.budget,
        baselines: BTreeMap::from([("default".to_owned(), "main".to_owned())]),
        stop: vec!["3 experiments without improvement".to_owned()],
        scope: BTreeMap::from([("seeds".to_owned(), vec!["1".to_owned(), "2".to_owned()])]),
        links: BTreeMap::from([("paper".to_owned(), "https://example.org/p".to_owned())]),
        ..Topic::named("moe".parse().expect("a topic"))
    }
}

fn note() -> Note {
    Note {
        experiment: Some("MOE-HC-001".parse().expect("an ID")),
        registration: Some(EntryId([3; 32])),
        topic: None,
        sort: Some(NoteSort::Claim),
        source: Some("a paper".to_owned()),
        text: "warm restarts need a longer cycle".to_owned(),
    }
}

fn evidence() -> Evidence {
    Evidence {
        baseline: "main (0123abcd)".to_owned(),
        outcome: Outcome::GuardrailNotShown,
        confidence: "exploratory".to_owned(),
        summary: "step_time -8.1 % (95 % CI -9.0 … -7.2)".to_owned(),
    }
}

fn ruling() -> Ruling {
    Ruling {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: EntryId([3; 32]),
        decision: Decision::Accepted,
        because: "it is faster".to_owned(),
        next: vec!["try width 2048".to_owned()],
        evidence: Some(evidence()),
    }
}

fn baseline_move() -> BaselineMove {
    BaselineMove {
        topic: "moe".parse().expect("a topic"),
        name: "default".to_owned(),
        from: Some("main".to_owned()),
        to: "MOE-HC-001".to_owned(),
        commit: Some("e".repeat(40)),
        because: "it held on both machines".to_owned(),
        evidence: Some(evidence()),
    }
}

fn review() -> Review {
    Review {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: EntryId([3; 32]),
        opinion: Opinion::Approve,
        because: "it does what the brief says".to_owned(),
        commit: Some("e".repeat(40).parse().expect("a commit")),
    }
}

fn look() -> Look {
    Look {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: EntryId([3; 32]),
        baseline: "commit 0123".to_owned(),
        baseline_name: "main (0123abcd)".to_owned(),
        trials: 2,
        planned: 5,
        newest: (EntryId([6; 32]), EntryId([7; 32])),
        outcome: Outcome::Unclear,
    }
}

/// Holds one kind of entry to the file that keeps its bytes.
#[track_caller]
fn hold(name: &str, body: Body) {
    let (draft, files) = draft(body);
    hold_draft(name, draft, files);
}

#[track_caller]
fn hold_draft(name: &str, draft: Draft, files: Option<FileList>) {
    let (bytes, entry) = encode(draft, files);
    let kept = std::fs::read(path(name)).unwrap_or_default();
    // The tool's version stands in every entry, and is the one thing that may differ.
    let neutral = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).expect("entries are text");
        text.replace(&format!("\"tool\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"tool\":\"0.1.0\"")
    };
    assert_eq!(neutral(&bytes), String::from_utf8_lossy(&kept).trim_end_matches('\n'), "{name}");
    let writer: Writer = "00000000".parse().expect("a writer");
    let read = decode(neutral(&bytes).as_bytes(), &writer);
    assert!(!matches!(read.body, Body::Unreadable { .. }), "{read:?}");
    // NaN is not itself, so that what was read is compared by what it is written as.
    let shown = |entry: &Entry| format!("{:?}", (&entry.body, &entry.files, &entry.replaces, &entry.answers));
    assert_eq!(shown(&read), shown(&entry));
}

#[test]
fn a_run_is_stored_as_it_was_in_version_1() {
    hold("run-1.json", Body::Run(Box::new(run())));
}

#[test]
fn a_brief_is_stored_as_it_was_in_version_1() {
    hold("brief-1.json", Body::Brief(brief()));
}

#[test]
fn a_topic_is_stored_as_it_was_in_version_1() {
    hold("topic-1.json", Body::Topic(topic()));
}

#[test]
fn a_note_is_stored_as_it_was_in_version_1() {
    hold("note-1.json", Body::Note(note()));
}

#[test]
fn a_decision_is_stored_as_it_was_in_version_1() {
    hold("decision-1.json", Body::Decision(ruling()));
}

#[test]
fn a_baseline_that_moves_is_stored_as_it_was_in_version_1() {
    hold("baseline-1.json", Body::Baseline(baseline_move()));
}

#[test]
fn a_review_is_stored_as_it_was_in_version_1() {
    hold("review-1.json", Body::Review(review()));
}

#[test]
fn a_look_is_stored_as_it_was_in_version_1() {
    hold("look-1.json", Body::Look(look()));
}

fn idea() -> Idea {
    Idea {
        number: 7,
        first: Some(EntryId([3; 32])),
        topic: Some("moe".parse().expect("a topic")),
        title: "overlap the loader".to_owned(),
        hypothesis: Some("the loader is the bottleneck".to_owned()),
        mechanism: Some("the copy waits for the step".to_owned()),
        sources: vec!["https://example.org/p".to_owned()],
        effect: Some("step_time -8%".parse().expect("an effect")),
        cost_seconds: Some(7200.0),
        dropped: Some("the copy is 1 % of the step".to_owned()),
    }
}

fn kickoff() -> Topic {
    let words = |word: &str| vec![word.to_owned()];
    Topic {
        problem: Some("nights are too short".to_owned()),
        constraints: words("one GPU"),
        success: words("a training in a night"),
        hypotheses: words("the loader is the bottleneck"),
        matrix: words("workers: 1, 2, 4"),
        code: words("src/loader.py"),
        phases: vec![Phase {
            name: "measure".to_owned(),
            goal: Some("a noise floor".to_owned()),
            until: Some("step_time <= 9 ms".to_owned()),
        }],
        no_guard: Some("nothing but time changes".to_owned()),
        trials: Some(7),
        evaluation: Some(EvaluationPin { paths: words("eval/**"), digest: "ab".repeat(32) }),
        closing: Some(Closing {
            worked: words("prefetching"),
            failed: words("a bigger batch"),
            limits: words("one machine"),
            next: words("two machines"),
            retrospective: words("measure the noise first"),
        }),
        ..topic()
    }
}

#[test]
fn an_idea_is_stored_as_it_was_in_version_1() {
    hold("idea-1.json", Body::Idea(idea()));
}

#[test]
fn a_rating_is_stored_as_it_was_in_version_1() {
    let critique = Some("it was tried in March".to_owned());
    hold("rating-1.json", Body::Rating(Rating { idea: EntryId([3; 32]), score: 2, critique }));
}

#[test]
fn an_override_is_stored_as_it_was_in_version_1() {
    let it = RuleOverride {
        rule: "frozen".to_owned(),
        paths: vec!["eval/**".to_owned()],
        commit: Some("e".repeat(40).parse().expect("a commit")),
        experiment: Some("MOE-HC-001".parse().expect("an ID")),
        registration: Some(EntryId([3; 32])),
        topic: Some("moe".parse().expect("a topic")),
        because: "the metric had a mistake".to_owned(),
    };
    hold("override-1.json", Body::Override(it));
}

fn reproduction() -> Reproduction {
    let plain = |name: &str, rule, outcome, why: &str| Judgement {
        name: name.to_owned(),
        case: None,
        side: Some(PairSide::Candidate),
        rule,
        outcome,
        unit: None,
        recorded: Some(1502.0),
        here: Some(f64::NAN),
        bounds: None,
        margin: None,
        why: why.to_owned(),
    };
    Reproduction {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: Some(EntryId([3; 32])),
        target: Target::Seal {
            tag: "sealed/MOE-HC-001".to_owned(),
            object: "a".repeat(40).parse().expect("an object"),
            manifest: "cd".repeat(32),
        },
        commit: "b".repeat(40).parse().expect("a commit"),
        baseline: Some("c".repeat(40).parse().expect("a commit")),
        outcome: reproduction::Outcome::Diverged,
        reasons: vec!["val_loss: 1503 instead of 1502".to_owned()],
        trials: 5,
        metrics: vec![
            plain("val_loss", reproduction::Rule::Equal, Some(reproduction::Outcome::Diverged), "1503"),
            plain("wall_time", reproduction::Rule::Shown, None, "it varies with the machine"),
            Judgement {
                name: "step_time".to_owned(),
                case: Some("b8".to_owned()),
                side: None,
                rule: reproduction::Rule::Ratio,
                outcome: Some(reproduction::Outcome::NotComparable),
                unit: None,
                recorded: Some(0.92),
                here: Some(0.95),
                bounds: Some(Interval { low: -0.01, high: 0.08 }),
                margin: Some(0.05),
                why: "too few trials to tell".to_owned(),
            },
        ],
        differences: vec![Surrounding {
            axis: "environment".to_owned(),
            name: "kernel".to_owned(),
            recorded: Some("Linux 6.1".to_owned()),
            here: None,
        }],
        hardware: "0123456789abcdef".to_owned(),
        wall_seconds: 61.5,
    }
}

#[test]
fn a_reproduction_of_a_seal_is_stored_as_it_was_in_version_1() {
    hold("reproduction-1.json", Body::Reproduction(Box::new(reproduction())));
}

#[test]
fn the_units_of_a_reproduction_are_stored_as_they_were_in_version_1() {
    let mut it = reproduction();
    it.metrics[1].unit = Some("s".to_owned());
    hold("reproduction-1-units.json", Body::Reproduction(Box::new(it)));
}

#[test]
fn a_reproduction_of_a_run_is_stored_as_it_was_in_version_1() {
    let it = Reproduction {
        target: Target::Run(EntryId([9; 32])),
        registration: None,
        baseline: None,
        outcome: reproduction::Outcome::Reproduced,
        reasons: Vec::new(),
        metrics: Vec::new(),
        differences: Vec::new(),
        ..reproduction()
    };
    hold("reproduction-1-run.json", Body::Reproduction(Box::new(it)));
}

#[test]
fn a_smoke_test_is_stored_as_it_was_in_version_1() {
    let smoke = Smoke {
        experiment: "MOE-HC-001".parse().expect("an ID"),
        registration: Some(EntryId([3; 32])),
        commit: "a".repeat(40).parse().expect("a commit"),
        tree: "b".repeat(40).parse().expect("a tree"),
        command: vec!["make".to_owned(), "smoke".to_owned()],
        passed: false,
        exit: Some(2),
        wall_seconds: 1.5,
        reason: Some("it exited with 2".to_owned()),
        hardware: "0123456789abcdef".to_owned(),
    };
    hold("smoke-1.json", Body::Smoke(smoke));
}

#[test]
fn a_withdrawal_is_stored_as_it_was_in_version_1() {
    let withdrawn = |kind: &str, experiment: Option<&str>| Withdrawn {
        entry: EntryId([9; 32]),
        kind: kind.to_owned(),
        experiment: experiment.map(|id| id.parse().expect("an ID")),
        registration: experiment.map(|_| EntryId([3; 32])),
    };
    let it = Withdrawal {
        entries: vec![withdrawn("run", Some("MOE-HC-001")), withdrawn("idea", None)],
        results: Results::Withdrawn,
        gone: vec![Part::Files, Part::Code, Part::Entry],
        because: "a token in its arguments".to_owned(),
        refs: vec![Dropped {
            name: "refs/exp/log/00c0ffee00c0".to_owned(),
            was: "a".repeat(40).parse().expect("a commit"),
        }],
    };
    hold("withdrawal-1.json", Body::Withdrawal(it));
}

#[test]
fn an_issue_event_is_stored_as_it_was_in_version_1() {
    let event = IssueEvent {
        topic: "moe".parse().expect("a topic"),
        act: IssueAct::Commented,
        post: Some(Post::Seal),
        about: Some("sealed/MOE-HC-001".to_owned()),
        repository: "github.com/octo/moe".to_owned(),
        number: Some(12),
        comment: Some(3456),
        login: None,
        url: Some("https://github.com/octo/moe/issues/12#issuecomment-3456".to_owned()),
        seen: [("0f0e0d0c".parse().expect("a writer"), 42)].into(),
    };
    hold("issue-1.json", Body::Issue(event.clone()));
    // Since it says as whom it was posted.
    let login = Some("octo-bot".to_owned());
    hold("issue-1-login.json", Body::Issue(IssueEvent { login, ..event }));
}

#[test]
fn an_issue_that_was_opened_again_is_stored_as_it_was_when_that_came() {
    let event = IssueEvent {
        topic: "moe".parse().expect("a topic"),
        act: IssueAct::Reopened,
        post: None,
        about: Some("03".repeat(32)),
        repository: "github.com/octo/moe".to_owned(),
        number: Some(12),
        comment: None,
        login: None,
        url: Some("https://github.com/octo/moe/issues/12".to_owned()),
        seen: BTreeMap::new(),
    };
    hold("issue-1-reopened.json", Body::Issue(event));
}

#[test]
fn what_later_versions_add_to_topics_is_stored_as_it_was_when_it_came() {
    hold("topic-1-kickoff.json", Body::Topic(kickoff()));
}

#[test]
fn what_later_versions_add_to_briefs_and_runs_is_stored_as_it_was_when_it_came() {
    let mut brief = brief();
    brief.brief.looks = vec![5, 10, 20];
    hold("brief-1-looks.json", Body::Brief(brief));
    hold("brief-1-idea.json", Body::Brief(Registration { idea: Some(EntryId([9; 32])), ..self::brief() }));
    let evaluation = Some("ab".repeat(32));
    let changed = Run { evaluation, evaluation_changed: true, ..run() };
    hold("run-1-evaluation.json", Body::Run(Box::new(changed)));
    hold("run-1-confirms.json", Body::Run(Box::new(Run { confirms: true, ..run() })));
    hold("run-1-accelerators.json", Body::Run(Box::new(Run { accelerators: 2, ..run() })));
}

#[test]
fn what_an_entry_cites_of_other_logs_is_stored_as_it_was_when_it_came() {
    let (mut draft, files) = draft(Body::Note(note()));
    let tip: ObjectName = "f".repeat(40).parse().expect("a commit");
    draft.seen = BTreeMap::from([("00c0ffee00c1".parse().expect("a writer"), tip)]);
    let seen = draft.seen.clone();
    hold_draft("note-1-seen.json", draft, files);
    let kept = std::fs::read(path("note-1-seen.json")).expect("the file is kept");
    assert_eq!(tips_seen(&kept), seen);
    assert!(tips_seen(&std::fs::read(path("note-1.json")).expect("the file is kept")).is_empty());
}

#[test]
fn the_id_of_an_entry_is_the_blake3_of_its_bytes() {
    let (draft, files) = draft(Body::Note(note()));
    let (bytes, entry) = encode(draft, files);
    assert_eq!(entry.id.0, *blake3::hash(&bytes).as_bytes());
}

#[test]
fn the_message_of_a_commit_stays_as_it_was() {
    let kept = std::fs::read(path("run-1.json")).expect("the file is kept");
    let writer: Writer = "00000000".parse().expect("a writer");
    let bytes = kept.strip_suffix(b"\n").unwrap_or(&kept);
    let entry = decode(bytes, &writer);
    let (id, commit) = (entry.id.to_hex(), "a".repeat(40));
    let (replaced, answered) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(
        message::of(&entry),
        format!(
            "run MOE-HC-001 diverged: python \u{fffd}\u{fffd}A\n\nExperiment: MOE-HC-001\nRun: {id}\nStatus: diverged\n\
             Commit: {commit}\nReplaces: {replaced}\nAnswers: {answered}\n"
        )
    );
}

#[test]
fn what_this_version_cannot_read_is_told_and_kept() {
    let writer: Writer = "00c0ffee00c0".parse().expect("a writer");
    for bytes in [
        &b"{}"[..],
        b"",
        b"\xff\xfe",
        b"[1,2",
        br#"{"schema":"git-exp/entry/9","kind":"dream","writer":"00c0ffee00c0","nonce":"07070707070707070707070707070707","time":"2026-11-21T12:00:00Z","by":{"name":"a","email":"b"},"tool":"9","body":{}}"#,
    ] {
        let entry = decode(bytes, &writer);
        assert!(matches!(entry.body, Body::Unreadable { .. }), "{entry:?}");
        assert_eq!(entry.id.0, *blake3::hash(bytes).as_bytes());
    }
}
