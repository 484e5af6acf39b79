//! `git exp check`: everything about an experiment, its topic and the machine at once. Rules about files are in `file_rules`.

use std::time::{Duration, SystemTime};

use crate::lab::TestLab;

const BRIEF: [&str; 10] = [
    "--hypothesis",
    "h",
    "--change",
    "c",
    "--accept",
    "val_loss <= -5%",
    "--no-guard",
    "a test",
    "--budget",
    "runs=50",
];

/// The topic `mixing` with the experiment `A-001`, to be compared with `main`; its worktree is the main one.
fn experiment(more: &[&str]) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write(
        "exp.toml",
        "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nmin-effect = 0.05\n\
         [metrics.accuracy]\nbetter = \"higher\"\nkind = \"quality\"\n",
    );
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED))\"\necho \"METRIC accuracy=$((5000 - $1 - GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let rest = ["--topic", "mixing", "--baseline", "main", "--trials", "3", "--no-worktree"];
    lab.exp_ok(["new", "first"].iter().chain(&BRIEF).chain(&rest).chain(more));
    lab
}

/// Runs the baseline `main` and then `A-001`, whose code is another one, three seeds each.
fn both_sides_ran(lab: &TestLab) {
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    let script =
        lab.read("train.sh").replace("$1 +", "$1 - 500 +").replace("5000 - $1 -", "5000 - $1 - 10 -");
    lab.script("train.sh", script.trim_start_matches("#!/bin/sh\n").trim_end());
    lab.commit_all("a better mix");
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
}

/// The names of the rules that are not kept, and the exit status.
fn rules(lab: &TestLab, arguments: &[&str]) -> Vec<String> {
    let output = lab.exp_output(["--json", "check"].iter().chain(arguments));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let view: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("not JSON: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let breaches = view["breaches"].as_array().expect("a list");
    assert_eq!(output.status.code(), Some(i32::from(!breaches.is_empty())));
    let names = breaches.iter().map(|it| it["rule"].as_str().expect("a text").to_owned());
    // How busy the machine is when a test runs is not up to the test.
    names.filter(|name| name != "contention").collect()
}

#[test]
fn an_experiment_that_promised_nothing_is_told_what_is_missing() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["new", "bare", "--no-worktree"]);
    let name = lab.exp_json(["list"])[0]["experiment"].as_str().expect("a name").to_owned();
    insta::assert_snapshot!(lab.exp(["check", &name]), @r#"
    exit: 1
    --- stdout
    brief  the brief of 20261121-bare has no hypothesis
      git exp brief 20261121-bare --hypothesis "…"
    brief  the brief of 20261121-bare has no change
      git exp brief 20261121-bare --change "…"
    brief  the brief of 20261121-bare has no baseline
      git exp brief 20261121-bare --baseline <experiment, named baseline or revision>
    brief  the brief of 20261121-bare has no acceptance criterion
      git exp brief 20261121-bare --accept 'step_time <= -8%'
    brief  the brief of 20261121-bare has no guardrail
      git exp brief 20261121-bare --guard 'val_loss <= +0.2%' or --no-guard "why"
    brief  the brief of 20261121-bare has no budget
      git exp brief 20261121-bare --budget wall=2h
    "#);
    assert_eq!(rules(&lab, &[]), [""; 0], "`main` promises nothing");
}

#[test]
fn an_experiment_that_keeps_every_rule_is_told_its_size_and_its_one_axis() {
    let lab = experiment(&["--path", "train.sh"]);
    assert_eq!(lab.exp(["check", "A-001"]), "exit: 0\n--- stdout\nno breaches\n", "nothing ran yet");
    both_sides_ran(&lab);
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 0
    --- stdout
    no breaches
    --- stderr
    A-001 changes 1 file: 2 lines added, 2 removed
    A-001 differs from main (<id 1>) in 1 axis: code
    ");
}

#[test]
fn what_is_outside_the_declared_paths_is_named_until_it_is_declared_or_set_aside() {
    let lab = experiment(&["--path", "src/**"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.write("src/mix.py", "mix\n");
    lab.write("Makefile", "all:\n");
    lab.commit_all("more than was said");
    lab.write("notes.txt", "n\n");
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 1
    --- stdout
    scope  A-001 changes what its brief does not declare (src/**): Makefile, notes.txt
      move it to an experiment of its own (git exp new), or declare it: git exp brief A-001 --path 'src/**' --path 'Makefile' --path 'notes.txt'
    --- stderr
    A-001 changes 2 files: 2 lines added, 0 removed; it has 1 file with uncommitted changes
    ");
    lab.exp_ok([
        "override",
        "scope",
        "--path",
        "Makefile",
        "--path",
        "notes.txt",
        "--because",
        "needed to build",
    ]);
    assert_eq!(rules(&lab, &[]), [""; 0]);
    lab.write("other.txt", "o\n");
    assert_eq!(rules(&lab, &[]), ["scope"]);
    lab.exp_ok(["brief", "A-001", "--path", "src/**", "--path", "other.txt"]);
    assert_eq!(rules(&lab, &[]), [""; 0]);
}

#[test]
fn what_main_brought_is_not_the_experiments() {
    let lab = experiment(&["--path", "src/**"]);
    lab.write("Makefile", "all:\n");
    lab.commit_all("a build for all");
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.write("src/mix.py", "mix\n");
    lab.commit_all("a mix");
    lab.git(["merge", "--quiet", "--no-edit", "main"]);
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 0
    --- stdout
    no breaches
    --- stderr
    A-001 changes 1 file: 1 line added, 0 removed
    ");
}

#[test]
fn several_axes_and_missing_trials_are_named_at_once() {
    let lab = experiment(&[]);
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED))\"");
    lab.commit_all("no accuracy any more");
    lab.exp_ok(["run", "-n", "2", "--param", "mix=2", "--", "./train.sh", "1500"]);
    insta::assert_snapshot!(lab.exp(["check"]), @r#"
    exit: 1
    --- stdout
    one-axis  3 axes differ (code, command, parameters), so that no result can be put down to one of them
      vary one at a time, each in an experiment of its own; or let somebody with the role approve it: git exp override one-axis -e A-001 --because "…"
    trials  2 of 3 planned trials are in
      git exp run -e A-001 -n 1 -- <command>
    --- stderr
    A-001 changes 1 file: 0 lines added, 1 removed
    A-001 differs from main (<id 1>) in 3 axes: code; command (command ./train.sh 2000 → ./train.sh 1500); parameters (mix none → 2)
    "#);
    lab.exp_ok(["override", "one-axis", "--because", "the mix needs the new script"]);
    assert_eq!(rules(&lab, &[]), ["trials"]);
    let log = lab.exp_ok(["log", "--kind", "override"]);
    assert!(log.contains("`one-axis`: the mix needs the new script"), "{log}");
}

#[test]
fn one_axis_is_set_aside_for_an_experiment_and_not_for_files() {
    let lab = experiment(&[]);
    let refused = lab.exp(["override", "one-axis", "-e", "A-001", "--path", "a", "--because", "b"]);
    assert!(refused.starts_with("exit: 2") && refused.contains("leave `--path` out"), "{refused}");
    let refused = lab.exp(["override", "scope", "-e", "A-001", "--because", "b"]);
    assert!(refused.starts_with("exit: 2") && refused.contains("for which files"), "{refused}");
    let refused = lab.exp(["override", "one-axis", "--because", "b"]);
    assert!(refused.starts_with("exit: 2") && refused.contains("for which experiment"), "{refused}");
}

#[test]
fn runs_without_a_baseline_to_hold_them_against_are_told() {
    let lab = experiment(&[]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.exp_ok(["run", "--", "true"]);
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 1
    --- stdout
    baseline  A-001 cannot be compared with its baseline `main`: `main (<id 1>)` has no runs
      git exp run -e A-001 --against main -n 3 -- <command>
    ");
}

#[test]
fn a_quality_that_the_same_seed_gives_otherwise_is_told_with_both_runs() {
    let lab = experiment(&[]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.write(".gitignore", "count\n");
    lab.script("count.sh", "echo x >> count\necho \"METRIC val_loss=$(wc -l < count)\"");
    lab.commit_all("something that counts");
    for now in ["2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"] {
        lab.set_clock(now);
        lab.exp_ok(["run", "--seed", "7", "--", "./count.sh"]);
    }
    let told = lab.exp(["check"]);
    let line = told.lines().find(|line| line.starts_with("determinism")).expect("it is told");
    insta::assert_snapshot!(line, @"determinism  the same code, data and seed 7 gave `val_loss` as 1 in the run <id 2> and as 2 in the run <id 3>");
}

#[test]
fn a_decided_experiment_is_held_to_the_definition_of_done() {
    let lab = experiment(&[]);
    both_sides_ran(&lab);
    assert_eq!(rules(&lab, &[]), [""; 0]);
    assert_eq!(rules(&lab, &["--done"]), ["decision"]);
    lab.exp_ok(["decide", "A-001", "accept", "--because", "a lower loss"]);
    insta::assert_snapshot!(lab.exp(["check"]), @r#"
    exit: 1
    --- stdout
    decision  A-001 is decided (accepted), and it is not said what is next
      git exp decide A-001 accept --because "…" --next "…"
    regression  A-001 was accepted, and its reason does not speak of what got worse: accuracy
      say why that is fine: git exp decide A-001 accept --because "… accuracy …" --next "…"
    --- stderr
    A-001 changes 1 file: 2 lines added, 2 removed
    A-001 differs from main (<id 1>) in 1 axis: code
    "#);
    let because = "a lower loss; the accuracy falls by less than anybody sees";
    lab.exp_ok(["decide", "A-001", "accept", "--because", because, "--next", "more seeds"]);
    assert_eq!(rules(&lab, &["--done"]), [""; 0]);
}

#[test]
fn before_posting_the_verdict_and_the_logbook_are_looked_at() {
    let lab = experiment(&[]);
    insta::assert_snapshot!(lab.exp(["check", "A-001", "--posting"]), @r#"
    exit: 1
    --- stdout
    verdict  there is no verdict on A-001: nothing ran yet
      run what is missing (git exp compare A-001), or decide all the same: git exp decide A-001 reject --because "…"
    logbook  the logbook of mixing was never written
      git exp logbook mixing --write
    "#);
    both_sides_ran(&lab);
    assert_eq!(rules(&lab, &["--posting"]), ["logbook"]);
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert_eq!(rules(&lab, &["--posting"]), [""; 0]);
    lab.exp_ok(["note", "A-001", "it was quiet"]);
    assert_eq!(rules(&lab, &["--posting"]), ["logbook"], "the logbook lacks the note");
}

#[test]
fn before_closing_everything_in_the_topic_is_looked_at() {
    let lab = experiment(&[]);
    insta::assert_snapshot!(lab.exp(["check", "mixing", "--closing"]), @r#"
    exit: 1
    --- stdout
    undecided  A-001 is not decided
      git exp decide A-001 accept|reject --because "…"
    named-baseline  the topic mixing names no baseline
      git exp topic baseline set default=<experiment or revision> --topic mixing --because "…"
    stop-criteria  the topic mixing does not say when to stop
      git exp topic amend mixing --stop "…"
    logbook  the logbook of mixing was never written
      git exp logbook mixing --write
    "#);
    assert_eq!(rules(&lab, &["mixing"]), [""; 0]);
    lab.git(["switch", "--quiet", "research/mixing"]);
    assert_eq!(rules(&lab, &["--closing"]).len(), 4, "the branch says which topic");
    lab.git(["switch", "--quiet", "main"]);
    let refused = lab.exp(["check", "--closing"]);
    assert!(refused.starts_with("exit: 2"), "{refused}");
    lab.exp_ok(["decide", "A-001", "reject", "--because", "not worth it"]);
    lab.exp_ok(["topic", "amend", "mixing", "--stop", "3 experiments without improvement"]);
    lab.exp_ok([
        "topic",
        "baseline",
        "set",
        "default=main",
        "--topic",
        "mixing",
        "--because",
        "where we are",
    ]);
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert_eq!(rules(&lab, &["mixing", "--closing"]), [""; 0]);
}

#[test]
fn a_lock_that_was_left_behind_is_named_and_a_fresh_one_is_not() {
    let lab = TestLab::with_commit();
    let lock = std::fs::File::create(lab.path().join(".git/refs/heads/main.lock")).expect("it is not there");
    assert_eq!(rules(&lab, &[]), [""; 0]);
    lock.set_modified(SystemTime::now() - Duration::from_secs(7_300)).expect("the file is ours");
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 1
    --- stdout
    stale-lock  `.git/refs/heads/main.lock` has stood for 2 hours, and blocks Git
      where no Git command is under way: rm '.git/refs/heads/main.lock'
    ");
    assert_eq!(rules(&lab, &["--staged"]), [""; 0], "a hook looks at what is committed");
}

#[test]
fn a_metric_carries_an_experiment_once_it_is_declared_and_the_baseline_is_quiet() {
    let lab = experiment(&[]);
    insta::assert_snapshot!(lab.exp(["check", "A-001", "--metric", "speed"]), @"
    exit: 1
    --- stdout
    metric  `speed` is not declared
      write to `exp.toml`, where it was agreed on: [metrics.speed] with `better` and `kind`
    baseline-runs  0 runs of the baseline main (<id 1>) tell how much `speed` varies, and 3 are needed
      git exp noise -n 3 -- <command>
    ");
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
    assert_eq!(rules(&lab, &["A-001", "--metric", "val_loss"]), [""; 0]);
    assert_eq!(rules(&lab, &["--metric", "val_loss"]), [""; 0], "on main its own runs tell");
    assert_eq!(rules(&lab, &["--metric", "accuracy"]), ["noise-floor"], "nothing says what matters");
}

#[test]
fn every_rule_is_listed_and_documented() {
    let lab = TestLab::without_repository();
    lab.git(["init", "--quiet"]);
    let listed = lab.exp_json(["check", "--list"])[0].clone();
    assert_eq!(listed["schema"], "git-exp/check-rules/1");
    let shown = lab.exp_ok(["check", "--list"]);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/rules.md");
    let document = std::fs::read_to_string(path).expect("it is there");
    for rule in listed["rules"].as_array().expect("a list") {
        let word = |key: &str| rule[key].as_str().expect("a text");
        assert!(shown.contains(word("rule")), "{shown}");
        let row = format!("| `{}` | {} | {} |", word("rule"), word("when"), word("broken_by"));
        assert!(document.contains(&row), "docs/reference/rules.md lacks:\n{row}");
    }
}
