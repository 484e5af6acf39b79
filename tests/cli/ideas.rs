//! Ideas, their ranking, and what was tried before.

use std::process::Output;

use serde_json::json;

use crate::lab::TestLab;

const REVIEWER: (&str, &str) = ("The Reviewer", "reviewer@example.org");

/// What `person` sees of git exp.
fn by(lab: &TestLab, person: (&str, &str), arguments: &[&str]) -> Output {
    let mut command = lab.exp_command(arguments);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), person.0).env(format!("GIT_{role}_EMAIL"), person.1);
    }
    command.output().expect("git-exp can be started")
}

/// A topic on its branch, with a rejected and an undecided experiment.
fn tried_before() -> TestLab {
    let lab = TestLab::with_commit();
    lab.exp_ok(["topic", "new", "speed", "--prefix", "S", "--goal", "a faster step"]);
    lab.git(["switch", "--quiet", "research/speed"]);
    lab.exp_ok([
        "new",
        "prefetch",
        "--hypothesis",
        "the data loader is the bottleneck",
        "--change",
        "prefetch 4 batches",
    ]);
    lab.exp_ok(["decide", "S-001", "reject", "--because", "the loader takes 2 % of the time"]);
    lab.exp_ok([
        "new",
        "fused",
        "--hypothesis",
        "fused mixing halves the memory traffic",
        "--change",
        "one kernel",
    ]);
    lab
}

#[test]
fn ideas_are_added_rated_and_ranked_with_their_reasons() {
    let lab = tried_before();
    insta::assert_snapshot!(lab.exp(["idea", "add", "prefetch batches in the loader", "--effect", "step_time -8%", "--cost", "1h"]), @r#"
    exit: 0
    --- stdout
    added idea 1 (<id 1>)
    --- stderr
    something like it was tried before:
    tried  outcome   likeness  runs  what                because
    S-001  rejected      0.98  0     prefetch 4 batches  the loader takes 2 % of the time
    hint: somebody else rates it: git exp idea rate 1 <1-5> --critique "…"
    "#);
    insta::assert_snapshot!(lab.exp(["idea", "add", "larger tiles", "--hypothesis", "wider loads fill the bus", "--source", "https://example.org/tiles"]), @r#"
    exit: 0
    --- stdout
    added idea 2 (<id 2>)
    --- stderr
    hint: somebody else rates it: git exp idea rate 2 <1-5> --critique "…"
    "#);
    lab.exp_ok(["idea", "add", "a wider vocabulary", "--cost", "30d"]);
    insta::assert_snapshot!(lab.exp(["idea", "rate", "2", "5"]), @"
    exit: 0
    --- stdout
    rated idea 2 (<id 3>)
    --- stderr
    you added this idea: your rating is kept, and does not count in the ranking
    ");
    lab.set_clock("2026-11-21T12:10:00Z");
    let output = by(&lab, REVIEWER, &["idea", "rate", "2", "4", "--critique", "only on the large model"]);
    assert_eq!(output.status.code(), Some(0));
    by(&lab, REVIEWER, &["idea", "rate", "1", "2"]);
    insta::assert_snapshot!(lab.exp(["idea", "next"]), @"
    exit: 0
    --- stdout
    1. idea 2: larger tiles  0.67
       rated 4.0 of 5 by 1; no effect stated; no cost stated; novelty 1.00, nothing like it was tried
    2. idea 3: a wider vocabulary  0.54
       not rated by others; no effect stated; costs 30 d; novelty 1.00, nothing like it was tried
    3. idea 1: prefetch batches in the loader  0.27
       rated 2.0 of 5 by 1; expects step_time -8%; costs 1 h; novelty 0.02, nearest is S-001 (rejected)
    --- stderr
    hint: git exp new <short-name> --idea 2
    ");
    insta::assert_snapshot!(lab.exp(["idea", "list"]), @"
    exit: 0
    --- stdout
    idea  topic  title                           rating   effect         cost  novelty  state  age
    1     speed  prefetch batches in the loader  2.0 (1)  step_time -8%  1 h      0.02  open <time> ago
    2     speed  larger tiles                    4.0 (1)  -              -        1.00  open <time> ago
    3     speed  a wider vocabulary              -        -              30 d     1.00  open <time> ago
    ");
    insta::assert_snapshot!(lab.exp(["idea", "show", "2"]), @"
    exit: 0
    --- stdout
    idea 2: larger tiles  open
      topic        speed
      hypothesis   wider loads fill the bus
      sources      https://example.org/tiles
      ranking      0.67: rated 4.0 of 5 by 1; no effect stated; no cost stated; novelty 1.00, nothing like it was tried
      added        2026-11-21 12:00 (<time> ago) by Ada Lovelace

    ratings
      <id 3>  2026-11-21 12:00  5 of 5 by Ada Lovelace  (does not count)
      <id 4>  2026-11-21 12:10  4 of 5 by The Reviewer
        only on the large model
    ");
    let next = lab.exp_json(["idea", "next", "-n", "1"]);
    assert_eq!(next.len(), 1);
    assert_eq!(next[0]["schema"], "git-exp/idea/1");
    assert_eq!((&next[0]["idea"], &next[0]["rating"]), (&json!("2"), &json!(4.0)));
    assert_eq!(next[0]["ratings"][0]["counts"], false);
    assert_eq!(next[0]["ratings"][1]["by"]["email"], "reviewer@example.org");
}

#[test]
fn an_experiment_takes_an_idea_over_and_hears_what_was_tried() {
    let lab = tried_before();
    lab.exp_ok(["idea", "add", "prefetch 8 batches", "--hypothesis", "the data loader limits throughput"]);
    lab.exp_ok(["idea", "add", "larger tiles"]);
    lab.git(["switch", "--quiet", "main"]);
    insta::assert_snapshot!(lab.exp(["new", "again", "--idea", "1", "--no-worktree"]), @r#"
    exit: 0
    --- stdout
    registered S-003 on the branch `exp/S-003`
    before it can run, its brief lacks: baseline, acceptance criterion, guardrail, budget
    --- stderr
    something like it was tried before:
    tried  outcome   likeness  runs  what                because
    S-001  rejected      0.46  0     prefetch 4 batches  the loader takes 2 % of the time
    hint: git exp brief S-003 --baseline <experiment, named baseline or revision> --accept 'step_time <= -8%' --guard 'val_loss <= +0.2%' or --no-guard "why" --budget wall=2h
    "#);
    let shown = &lab.exp_json(["show", "S-003"])[0];
    assert_eq!(shown["topic"], "speed");
    assert_eq!(shown["brief"]["hypothesis"], "the data loader limits throughput");
    assert_eq!(shown["brief"]["change"], "prefetch 8 batches");
    let made =
        &lab.exp_json(["new", "tiles", "--idea", "2", "--no-worktree", "--hypothesis", "wider loads"])[0];
    assert_eq!(made["tried"], json!([]));
    let shown = &lab.exp_json(["show", "S-004"])[0];
    assert_eq!(shown["brief"]["hypothesis"], "wider loads", "what is said anew wins");
    let again = &lab.exp_json(["new", "again", "--no-worktree", "--change", "prefetching batches"])[0];
    assert_eq!(again["tried"][0]["experiment"], "S-001", "failures stand first");
    assert_eq!(again["tried"][0]["outcome"], "rejected");
    let ideas = lab.exp_json(["idea", "list", "--all"]);
    assert_eq!((&ideas[0]["state"], &ideas[0]["experiments"]), (&json!("tried"), &json!(["S-003"])));
    insta::assert_snapshot!(lab.exp(["idea", "list"]), @"
    exit: 0
    --- stderr
    no open ideas
    2 ideas dropped or tried are not shown; `--all` shows them too
    ");
    insta::assert_snapshot!(lab.exp(["idea", "next"]), @r#"
    exit: 1
    --- stderr
    there is no open idea: think before you run
    hint: git exp idea add "…" --hypothesis "…" --source "…"
    "#);
}

#[test]
fn what_was_tried_is_found_in_other_words_failures_first() {
    let lab = tried_before();
    lab.exp_ok([
        "new",
        "loader",
        "--hypothesis",
        "a second loader process",
        "--change",
        "prefetch in a process",
    ]);
    lab.exp_ok(["note", "S-002", "the kernel spills registers", "--observation"]);
    insta::assert_snapshot!(lab.exp(["tried", "prefetching in loaders"]), @"
    exit: 0
    --- stdout
    tried  outcome   likeness  runs  what                   because
    S-001  rejected      0.99  0     prefetch 4 batches     the loader takes 2 % of the time
    S-003  not run       1.00  0     prefetch in a process
    ");
    insta::assert_snapshot!(lab.exp(["tried", "register spills"]), @"
    exit: 0
    --- stdout
    tried  outcome  likeness  runs  what        because
    S-002  not run      0.99  0     one kernel
    ");
    insta::assert_snapshot!(lab.exp(["tried", "quantise the optimizer state"]), @"
    exit: 1
    --- stderr
    nothing like it was tried
    ");
    let found = lab.exp_json(["tried", "prefetch batches", "-n", "1", "--topic", "speed"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["schema"], "git-exp/tried/1");
    assert_eq!(found[0]["because"], "the loader takes 2 % of the time");
    assert_eq!(found[0]["failure"], true);
    let added = &lab.exp_json(["idea", "add", "prefetch batches"])[0];
    let (novelty, likeness) = (added["novelty"].as_f64(), found[0]["likeness"].as_f64());
    let sum = novelty.expect("a number") + likeness.expect("a number");
    assert!((sum - 1.0).abs() < 1e-9, "the index and the log say the same");
    insta::assert_snapshot!(lab.exp(["tried", "the of"]), @"
    exit: 2
    --- stderr
    error: cannot look for `the of`
      caused by: it has no word that says what it is about
    hint: git exp tried 'prefetch batches in the loader'
    ");
}

#[test]
fn a_dropped_idea_was_tried_too_and_cannot_be_taken_up() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["idea", "add", "warm restarts"]);
    insta::assert_snapshot!(lab.exp(["idea", "drop", "1", "--because", "the schedule is fixed"]), @"
    exit: 0
    --- stdout
    dropped idea 1 (<id 1>)
    ");
    for words in [
        &["idea", "drop", "1", "--because", "again"][..],
        &["idea", "rate", "1", "5"],
        &["idea", "amend", "1", "--cost", "1h"],
        &["new", "restarts", "--idea", "1"],
    ] {
        assert_eq!(lab.exp_output(words).status.code(), Some(2), "{words:?}");
    }
    insta::assert_snapshot!(lab.exp(["new", "restarts", "--idea", "1"]), @r#"
    exit: 2
    --- stderr
    error: the idea 1 was dropped
      caused by: the schedule is fixed
    hint: where that no longer holds, add it anew: git exp idea add "…" --hypothesis "…"
    "#);
    insta::assert_snapshot!(lab.exp(["tried", "restart warm"]), @"
    exit: 0
    --- stdout
    tried   outcome  likeness  runs  what           because
    idea 1  dropped      1.00  -     warm restarts  the schedule is fixed
    ");
    assert!(lab.git(["branch", "--list", "exp/*"]).is_empty(), "nothing was registered");
}

#[test]
fn a_wrong_request_says_what_to_do() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["idea", "add", "warm restarts", "--hypothesis", "they escape flat regions"]);
    lab.exp_ok(["new", "restarts", "--idea", "1", "--no-worktree"]);
    let said = [
        &["idea", "show", "7"][..],
        &["idea", "add", "x", "--topic", "nowhere"],
        &["idea", "list", "--topic", "nowhere"],
        &["idea", "add", " "],
        &["idea", "add", "x", "--effect", "much"],
        &["idea", "add", "x", "--cost", "cheap"],
        &["idea", "add", "x", "--file", "missing.pdf"],
        &["idea", "amend", "1"],
        &["idea", "rate", "1", "4"],
        &["idea", "drop", "1", "--because", "why"],
    ]
    .map(|words| lab.exp(words));
    insta::assert_snapshot!(said.concat(), @r#"
    exit: 2
    --- stderr
    error: there is no idea `7`
    hint: `git exp idea list --all` lists them
    exit: 2
    --- stderr
    error: there is no topic `nowhere`
    hint: `git exp topic list` lists them; `git exp topic new nowhere --prefix … --goal …` makes it
    exit: 2
    --- stderr
    error: there is no topic `nowhere`
    hint: `git exp topic list` lists them
    exit: 2
    --- stderr
    error: cannot keep an idea without a title
    hint: git exp idea add 'prefetch batches' --hypothesis "…"
    exit: 2
    --- stderr
    error: cannot read the effect `much`
      caused by: `much` is not an expected effect; write it as `step_time -8%`
    hint: write it as `step_time -8%`
    exit: 2
    --- stderr
    error: cannot read the cost `cheap`
      caused by: `cheap` is not a duration; write it as `90s`, `2h` or `1h30m`
    hint: write it as `2h` or `1h30m`
    exit: 2
    --- stderr
    error: cannot store `missing.pdf`
      caused by: No such file or directory (os error 2)
    hint: name a file, or where it can be found with `--source`
    exit: 2
    --- stderr
    error: nothing was amended
    hint: git exp idea amend 1 --hypothesis "…"
    exit: 2
    --- stderr
    error: the idea 1 is tried already, by 20261121-restarts
    hint: git exp note 20261121-restarts "…"
    exit: 2
    --- stderr
    error: the idea 1 is tried already, by 20261121-restarts
    hint: git exp decide 20261121-restarts reject --because "…"
    "#);
    assert_eq!(lab.exp_output(["idea", "rate", "1", "6"]).status.code(), Some(2));
}

#[test]
fn two_clones_that_number_alike_are_told_apart() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["idea", "add", "from here"]);
    let other = lab.path().with_file_name("other");
    lab.git(["clone", "--quiet", ".", other.to_str().expect("our paths are UTF-8")]);
    let there =
        lab.exp_command(["idea", "add", "from there"]).current_dir(&other).output().expect("it starts");
    assert!(there.status.success());
    lab.git(["fetch", "--quiet", "../other", "+refs/exp/log/*:refs/exp/seen/*"]);
    let ideas = lab.exp_json(["idea", "list"]);
    let names: Vec<&str> = ideas.iter().map(|it| it["idea"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("1@")), "{names:?}");
    let refused = lab.exp_output(["idea", "rate", "1", "4"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
    for (name, title) in names.iter().zip(["from", "from"]) {
        let shown = &lab.exp_json(["idea", "show", name])[0];
        assert!(shown["title"].as_str().is_some_and(|it| it.starts_with(title)));
        let entry = shown["entry"].as_str().expect("an ID");
        assert_eq!(lab.exp_json(["idea", "show", &entry[..12]])[0]["idea"], json!(name));
    }
    lab.exp_ok(["new", "taken", "--idea", names[1], "--no-worktree"]);
    let open = lab.exp_json(["idea", "list"]);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["idea"], names[0]);
}

#[test]
fn ideas_that_are_added_at_once_get_numbers_of_their_own() {
    let lab = TestLab::with_commit();
    let add = |number: usize| lab.exp_command(["idea", "add", &format!("idea of agent {number}")]).spawn();
    let children: Vec<_> = (0..6).map(|number| add(number).expect("it starts")).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let names: Vec<String> = lab.exp_json(["idea", "list"]).iter().map(|it| it["idea"].to_string()).collect();
    assert_eq!(names.concat(), r#""1""2""3""4""5""6""#);
}

#[test]
fn papers_are_stored_and_secrets_and_escapes_are_not_shown() {
    let lab = TestLab::with_commit();
    lab.write("paper.txt", "prefetching helps; token ghp_0123456789abcdefghijABCDEFGHIJ012345\n");
    let title = "red \u{1b}[31malert\u{1b}[0m \u{202e}";
    lab.exp_ok([
        "idea",
        "add",
        title,
        "--mechanism",
        "a\u{7}b",
        "--file",
        "paper.txt",
        "--file",
        "./paper.txt",
    ]);
    lab.exp_ok(["idea", "amend", "1", "--source", "an\u{1b}[2Jother", "--file", "README"]);
    let page = lab.exp_ok(["idea", "show", "1"]);
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}') && !page.contains('\u{7}'), "{page}");
    insta::assert_snapshot!(lab.steady(&page), @"
    idea 1: red ␛[31malert␛[0m <U+202E>  open
      mechanism    a␇b
      sources      an␛[2Jother
      ranking      0.57: not rated by others; no effect stated; no cost stated; novelty 1.00, nothing like it was tried
      added        2026-11-21 12:00 (just now) by Ada Lovelace
      files        papers/paper-2.txt (36 bytes): git exp show <id 1> --file papers/paper-2.txt
                   papers/paper.txt (36 bytes): git exp show <id 1> --file papers/paper.txt
                   papers/README (22 bytes): git exp show <id 2> --file papers/README
    ");
    for words in [&["idea", "list"][..], &["idea", "next"], &["tried", "red alert"], &["log"]] {
        let output = lab.exp_output(words);
        let seen = [output.stdout, output.stderr].concat();
        assert!(!seen.contains(&0x1b) && !seen.contains(&7), "{words:?}");
    }
    let files = &lab.exp_json(["idea", "show", "1"])[0]["files"];
    let names: Vec<&str> =
        files.as_array().expect("a list").iter().map(|it| it["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["papers/paper-2.txt", "papers/paper.txt", "papers/README"]);
    let entry = files[1]["entry"].as_str().expect("an ID");
    let text = lab.exp_ok(["show", entry, "--file", "papers/paper.txt"]);
    assert!(text.starts_with("prefetching helps; token ") && !text.contains("ghp_0123"), "{text}");
    lab.exp_ok(["fsck"]);
}

#[test]
fn status_says_to_think_where_ideas_run_out_and_to_pick_where_they_do_not() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[ideas]\nmin = 2\n");
    lab.commit_all("two ideas at least");
    lab.exp_ok(["topic", "new", "speed", "--prefix", "S"]);
    lab.git(["switch", "--quiet", "research/speed"]);
    let next = || lab.exp_json(["status"])[0]["next"].clone();
    assert_eq!(next()["why"], "no open idea is left of at least 2: think before you run");
    lab.exp_ok(["idea", "add", "larger tiles"]);
    insta::assert_snapshot!(lab.exp(["status"]), @r#"
    exit: 0
    --- stdout
    on branch research/speed

    next
      only 1 open idea is left of at least 2: think before you run:
        git exp idea add "…" --hypothesis "…" --source "…"
    "#);
    lab.exp_ok(["idea", "add", "a second stream"]);
    assert_eq!(next()["command"], "git exp idea next");
    lab.exp_ok(["new", "tiles", "--idea", "1"]);
    assert_eq!(next()["why"], "only 1 open idea is left of at least 2: think before you run");
    let there = lab.path().join(".worktrees/S-001");
    let output = lab.exp_command(["status", "--json"]).current_dir(there).output().expect("it starts");
    let inside: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(inside["next"]["why"], "complete the brief, without which nothing runs");
}

#[test]
fn a_private_file_is_no_paper() {
    let lab = TestLab::with_commit();
    lab.write(
        "exp.toml",
        "[capture]\nprivate-files = [\"*.csv\"]\nprivate-text = ['\\d{3}-\\d{2}-\\d{4}']\n",
    );
    lab.commit_all("what is private");
    lab.write("../patients.csv", "a,1\n");
    lab.write("../note.txt", "call 123-45-6789\n");
    for file in ["../patients.csv", "../note.txt"] {
        let output = lab.exp_output(["idea", "add", "look at it", "--file", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("calls it private"), "{file}");
    }
    assert!(lab.exp_json(["log"]).is_empty());
}

#[test]
fn who_git_is_told_to_be_is_who_acts() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["topic", "new", "moe"]);
    lab.git([
        "-c",
        "user.name=The Lead",
        "-c",
        "user.email=lead@example.org",
        "exp",
        "note",
        "moe",
        "a remark",
    ]);
    let entry = lab.exp_json(["log", "--kind", "note"])[0]["entry"].as_str().expect("an ID").to_owned();
    assert_eq!(lab.exp_json(["show", &entry])[0]["by"]["email"], "lead@example.org");
}
