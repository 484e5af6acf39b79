//! Decisions, reviews, roles and baselines that move.

use std::process::Output;

use crate::lab::TestLab;

const LEAD: (&str, &str) = ("The Lead", "lead@example.org");
const REVIEWER: (&str, &str) = ("The Reviewer", "reviewer@example.org");

/// What `person` sees of git exp.
fn by(lab: &TestLab, person: (&str, &str), arguments: &[&str]) -> Output {
    let mut command = lab.exp_command(arguments);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), person.0).env(format!("GIT_{role}_EMAIL"), person.1);
    }
    command.output().expect("git-exp can be started")
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The topic `mixing` with the baseline `A-001` (about 2300) and `A-002` (about `loss`), `trials` runs each; on `main`.
fn two_experiments(loss: &str, rules: &str, trials: &str) -> TestLab {
    let lab = TestLab::with_commit();
    let toml = format!("[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n{rules}");
    lab.write("exp.toml", toml);
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.write(".gitignore", "*.ini\n*.tmp\n");
    lab.commit_all("a model");
    let topic = ["--prefix", "A", "--goal", "a lower loss", "--baseline", "default=A-001"];
    lab.exp_ok(["topic", "new", "mixing"].into_iter().chain(topic));
    for (name, baseline) in [("first", "main"), ("second", "A-001")] {
        let brief =
            ["--hypothesis", "h", "--change", "c", "--accept", "val_loss <= -5%", "--no-guard", "a test"];
        let rest = ["--topic", "mixing", "--baseline", baseline, "--budget", "runs=50"];
        lab.exp_ok(["new", name].into_iter().chain(brief).chain(rest));
    }
    if trials != "0" {
        for (experiment, loss) in [("A-001", "2300"), ("A-002", loss)] {
            lab.exp_ok(["run", "-e", experiment, "-n", trials, "--", "./train.sh", loss]);
        }
    }
    lab
}

fn experiment(lab: &TestLab, id: &str) -> serde_json::Value {
    lab.exp_json(["show", id])[0].clone()
}

#[test]
fn an_acceptance_keeps_the_comparison_as_evidence() {
    let lab = two_experiments("2000", "", "5");
    insta::assert_snapshot!(lab.exp(["decide", "A-002", "accept", "--because", "holds on every seed", "--next", "repeat it elsewhere"]), @r#"
    exit: 0
    --- stdout
    A-002 accepted (<id 1>)
    evidence: accept against A-001, replicated: val_loss −13 % (95 % CI −13 … −12.9 %): better
    --- stderr
    hint: `git exp topic baseline set default=A-002 --because "…"` makes it what others of `mixing` are compared with
    "#);
    let shown = experiment(&lab, "A-002");
    assert_eq!(shown["stage"], "decided");
    assert_eq!(shown["decision"], "accepted");
    assert_eq!(shown["confidence"], "replicated");
    assert_eq!(shown["evidence"]["verdict"], "accept");
    assert_eq!(shown["decided_by"], "Ada Lovelace <ada@example.org>");
    let entry = &lab.exp_json(["log", "--limit", "1"])[0];
    let entry = entry["entry"].as_str().expect("an ID");
    let kept = lab.exp_ok(["show", entry, "--file", "comparison.json"]);
    assert_eq!(kept, lab.exp_ok(["compare", "A-002", "--json"]), "it is what `compare` says");
    let text = lab.exp_ok(["show", "A-002"]);
    assert!(
        text.contains("because holds on every seed") && text.contains("next: repeat it elsewhere"),
        "{text}"
    );
}

#[test]
fn to_accept_against_the_numbers_is_said_for_ever() {
    let lab = two_experiments("2300", "", "5");
    let decided = lab.exp(["decide", "A-002", "accept", "--because", "it is simpler"]);
    assert!(decided.contains("accepted against the numbers: unclear"), "{decided}");
    assert_eq!(experiment(&lab, "A-002")["against"], "unclear");
    assert!(lab.exp_ok(["show", "A-002"]).contains("accepted against the numbers"));
    assert!(lab.exp_ok(["log"]).contains("against the numbers"));
}

#[test]
fn without_runs_there_is_a_decision_and_no_evidence() {
    let lab = two_experiments("2000", "", "0");
    insta::assert_snapshot!(lab.exp(["decide", "A-002", "reject", "--because", "somebody did it before"]), @"
    exit: 0
    --- stdout
    A-002 rejected (<id 1>)
    --- stderr
    there is no evidence to keep, since nothing could be compared: `A-001` has no runs
    hint: `git exp archive A-002` puts it away; its code and numbers stay
    ");
    assert_eq!(experiment(&lab, "A-002")["evidence"], serde_json::Value::Null);
}

#[test]
fn a_revision_takes_the_place_of_a_decision() {
    let lab = two_experiments("2000", "", "5");
    lab.exp_ok(["decide", "A-002", "iterate", "--because", "the loss still falls"]);
    assert_eq!(experiment(&lab, "A-002")["stage"], "analysed");
    let decided = lab.exp_ok(["decide", "A-002", "reject", "--because", "too slow"]);
    assert!(decided.starts_with("A-002 rejected, after iterate"), "{decided}");
    let shown = lab.exp_ok(["show", "A-002"]);
    assert!(shown.contains("iterate by Ada Lovelace  (revised)"), "{shown}");
    assert_eq!(experiment(&lab, "A-002")["conflicts"], serde_json::json!([]));
}

#[test]
fn decisions_of_two_clones_are_shown_as_a_conflict_until_somebody_decides_again() {
    let lab = two_experiments("2000", "", "5");
    lab.exp_ok(["decide", "A-002", "iterate", "--because", "not yet"]);
    lab.git(["clone", "--quiet", ".", "../other"]);
    let other = lab.path().with_file_name("other");
    let there = |words: &[&str]| {
        let mut command = lab.command(words);
        command.current_dir(&other);
        let output = command.output().expect("it can be started");
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let writer = lab.git(["config", "exp.writer"]);
    let taken = format!("refs/exp/log/{0}:refs/exp/seen/{0}", writer.trim());
    there(&["git", "fetch", "--quiet", "origin", &taken]);
    there(&["git-exp", "decide", "A-002", "accept", "--because", "good enough"]);
    lab.exp_ok(["decide", "A-002", "reject", "--because", "too slow"]);
    let writer = there(&["git", "config", "exp.writer"]);
    let taken = format!("refs/exp/log/{0}:refs/exp/seen/{0}", writer.trim());
    lab.git(["fetch", "--quiet", "../other", &taken]);
    let shown = lab.exp_ok(["show", "A-002"]);
    assert!(shown.contains("claims to be in force too") && shown.contains("good enough"), "{shown}");
    assert!(shown.contains("(in conflict with the one in force)"), "{shown}");
    lab.exp_ok(["decide", "A-002", "reject", "--because", "we talked"]);
    assert_eq!(experiment(&lab, "A-002")["conflicts"], serde_json::json!([]));
}

const RULES: &str = "
[roles]
lead = [\"LEAD@example.org\"]
reviewer = [\"reviewer@example.org\", \"ada@example.org\"]
[policy]
may-accept = [\"lead\"]
may-amend = [\"lead\"]
may-override = [\"lead\"]
may-move-baseline = [\"lead\"]
review-before-accept = [\"reviewer\"]
";

#[test]
fn a_refusal_names_every_breach_and_records_nothing() {
    let lab = two_experiments("2300", RULES, "5");
    insta::assert_snapshot!(lab.exp(["decide", "A-002", "accept", "--because", "it is simpler"]), @"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: accept A-002
      Ada Lovelace <ada@example.org> may not accept: `may-accept` is for the role `lead`
      `review-before-accept` asks for an approving review, by the role `reviewer` and not by the owner
      Ada Lovelace <ada@example.org> may not go against the numbers (unclear): `may-override` is for the role `lead`
    ");
    assert_eq!(experiment(&lab, "A-002")["decision"], serde_json::Value::Null);
    let refused = lab.exp_output(["--json", "decide", "A-002", "accept", "--because", "it is simpler"]);
    let refusal: serde_json::Value = serde_json::from_slice(&refused.stdout).expect("it is JSON");
    assert_eq!(refusal["breaches"].as_array().map(Vec::len), Some(3));
    lab.exp_ok(["decide", "A-002", "reject", "--because", "it is no better"]);
}

#[test]
fn a_review_counts_only_by_somebody_else() {
    let lab = two_experiments("2000", RULES, "5");
    let own = lab.exp(["review", "A-002", "approve", "--because", "I know it is right"]);
    assert!(own.contains("it is your own experiment"), "{own}");
    let accept = ["decide", "A-002", "accept", "--because", "holds"];
    assert_eq!(status(&by(&lab, LEAD, &accept)), Some(1));
    assert_eq!(status(&by(&lab, REVIEWER, &["review", "A-002", "approve", "--because", "sound"])), Some(0));
    assert_eq!(status(&lab.exp_output(accept)), Some(1), "Ada is no lead");
    assert_eq!(status(&by(&lab, LEAD, &accept)), Some(0));
    let shown = lab.exp_ok(["show", "A-002"]);
    assert!(
        shown.contains("approve by The Reviewer at") && shown.contains("accepted by The Lead"),
        "{shown}"
    );
}

#[test]
fn an_experiment_cannot_loosen_the_rules_on_its_own_branch() {
    let lab = two_experiments("2000", RULES, "5");
    lab.write(".worktrees/A-002/exp.toml", "[policy]\n");
    let there = lab.path().join(".worktrees/A-002");
    let mut git = lab.command(["git", "commit", "--quiet", "--all", "-m", "no rules"]);
    assert!(git.current_dir(&there).status().expect("git can be started").success());
    let mut command = lab.exp_command(["decide", "A-002", "accept", "--because", "mine"]);
    let output = command.current_dir(&there).output().expect("git-exp can be started");
    assert_eq!(status(&output), Some(1), "{}", said(&output));
    // Nor does a file of one's own make anybody a lead.
    lab.write("../home/.config/git-exp/exp.toml", "[roles]\nlead = [\"ada@example.org\"]\n[policy]\n");
    assert_eq!(status(&lab.exp_output(["decide", "A-002", "accept", "--because", "mine"])), Some(1));
}

#[test]
fn a_brief_is_amended_after_the_first_run_by_those_who_may() {
    let lab = two_experiments("2000", RULES, "5");
    let amend = ["brief", "A-002", "--accept", "val_loss <= -1%"];
    let refused = lab.exp_output(amend);
    assert_eq!(status(&refused), Some(1));
    assert!(said(&refused).contains("may not amend a brief after its first run"), "{}", said(&refused));
    lab.exp_ok(["brief", "A-002", "--notes", "a remark is no promise"]);
    assert_eq!(status(&by(&lab, LEAD, &amend)), Some(0));
}

#[test]
fn code_runs_once_it_was_reviewed_and_no_other_code() {
    let rules =
        "[roles]\nreviewer = [\"reviewer@example.org\"]\n[policy]\nreview-before-run = [\"reviewer\"]\n";
    let lab = two_experiments("2000", rules, "0");
    let run = ["run", "-e", "A-002", "--", "./train.sh", "2000"];
    insta::assert_snapshot!(lab.exp(run), @r#"
    exit: 125
    --- stderr
    error: cannot run `A-002`
      caused by: `review-before-run` asks for an approving review, by the role `reviewer` and not by the owner, of the commit <id 1>
    hint: a reviewer says: git exp review A-002 approve --because "…"
    "#);
    assert_eq!(status(&by(&lab, REVIEWER, &["review", "A-002", "approve", "--because", "sound"])), Some(0));
    lab.exp_ok(run);
    lab.write(".worktrees/A-002/train.sh", "echo METRIC val_loss=1\n");
    let refused = lab.exp_output(run);
    assert_eq!(status(&refused), Some(125));
    assert!(said(&refused).contains("the worktree has changes"), "{}", said(&refused));
    let mut git = lab.command(["git", "commit", "--quiet", "--all", "-m", "changed"]);
    git.current_dir(lab.path().join(".worktrees/A-002")).status().expect("git can be started");
    assert!(said(&lab.exp_output(run)).contains("what was approved is"));
    lab.exp_ok(["run", "--", "true"]);
}

#[test]
fn keep_inside_the_worktree_decides_puts_away_and_says_where_to_go() {
    let lab = two_experiments("2000", "[worktree]\ncopy = [\"local.ini\"]\n", "5");
    lab.write("local.ini", "the same everywhere\n");
    let there = lab.path().join(".worktrees/A-002");
    lab.write(".worktrees/A-002/local.ini", "the same everywhere\n");
    lab.write(".worktrees/A-002/lost.tmp", "the only copy\n");
    let keep = || {
        let mut command = lab.exp_command(["keep"]);
        command.current_dir(&there).output().expect("git-exp can be started")
    };
    let refused = keep();
    assert_eq!(status(&refused), Some(2));
    assert!(said(&refused).contains("`lost.tmp` is ignored") && !said(&refused).contains("local.ini"));
    assert_eq!(experiment(&lab, "A-002")["decision"], serde_json::Value::Null, "nothing was decided");
    std::fs::remove_file(there.join("lost.tmp")).expect("it is there");
    let kept = keep();
    assert_eq!(status(&kept), Some(0), "{}", said(&kept));
    let told = String::from_utf8_lossy(&kept.stdout).into_owned() + &said(&kept);
    insta::assert_snapshot!(lab.steady(&told), @r#"
    A-002 against A-001: accept
      metric       val_loss −13 % (95 % CI −13 … −12.9 %): better
      because      `val_loss <= -5%` holds
      confidence   replicated: 5 trials a side, as planned, none failed; the topic declares no scope to hold over
    A-002 accepted (<id 1>)
    evidence: accept against A-001, replicated: val_loss −13 % (95 % CI −13 … −12.9 %): better
    archived A-002: refs/exp/archive/A-002
    hint: `git exp topic baseline set default=A-002 --because "…"` makes it what others of `mixing` are compared with
    the folder that you are in is gone
    hint: cd <lab>
    "#);
    assert!(!there.exists());
    let shown = experiment(&lab, "A-002");
    assert_eq!((&shown["decision"], &shown["archived"]), (&"accepted".into(), &true.into()));
    assert!(lab.exp_ok(["fsck"]).contains("all is well"));
}

#[test]
fn discard_leaves_what_is_checked_out_in_the_main_worktree() {
    let lab = two_experiments("2600", "", "5");
    lab.git(["worktree", "remove", "--force", ".worktrees/A-002"]);
    lab.git(["switch", "--quiet", "exp/A-002"]);
    let told = lab.exp(["discard", "-m", "worse on every seed"]);
    assert!(
        told.contains("A-002 rejected") && told.contains("git switch - && git exp archive A-002"),
        "{told}"
    );
    assert_eq!(experiment(&lab, "A-002")["archived"], false);
}

#[test]
fn a_baseline_moves_with_its_evidence() {
    let lab = two_experiments("2000", "", "5");
    insta::assert_snapshot!(lab.exp(["topic", "baseline", "set", "default=A-002", "--because", "it holds"]), @"
    exit: 0
    --- stdout
    the topic mixing has a baseline from now on:
      <id 1>  2026-11-21 12:00  default=A-002 (was A-001) by Ada Lovelace
        because it holds
        evidence: accept against A-001, replicated: val_loss −13 % (95 % CI −13 … −12.9 %): better
    ");
    let listed = &lab.exp_json(["topic", "baseline", "list"])[0];
    assert_eq!(listed["is"], "A-002");
    assert_eq!(listed["moves"][0]["from"], "A-001");
    assert_eq!(listed["moves"][0]["repeated"], true);
    assert!(lab.exp_ok(["topic", "show", "mixing"]).contains("default=A-002 (was A-001) by Ada"));
    let back = lab.exp(["topic", "baseline", "set", "default=A-001", "--because", "back"]);
    assert!(back.contains("moved without repeated evidence"), "{back}");
    insta::assert_snapshot!(lab.exp(["topic", "baseline", "set", "default=nothing", "--because", "x"]), @"
    exit: 2
    --- stderr
    error: `nothing` is neither an experiment nor a revision
    hint: `git exp list --all` lists the experiments
    ");
    insta::assert_snapshot!(lab.exp(["topic", "baseline", "set", "A-001=main", "--because", "x"]), @"
    exit: 2
    --- stderr
    error: `A-001` cannot name a baseline
    hint: choose a short word that is no experiment's ID, as `default`
    ");
}

#[test]
fn a_baseline_is_moved_by_those_who_may() {
    let rules = "[roles]\nlead = [\"lead@example.org\"]\nmanager = [\"ada@example.org\"]\n\
        [policy]\nmay-move-baseline = [\"lead\", \"manager\"]\nmay-override = [\"lead\"]\n";
    let lab = two_experiments("2300", rules, "5");
    let set = ["topic", "baseline", "set", "default=A-002", "--because", "it is simpler"];
    let refused = lab.exp_output(set);
    assert_eq!(status(&refused), Some(1));
    assert!(said(&refused).contains("may not go against the numbers"), "{}", said(&refused));
    assert_eq!(status(&by(&lab, LEAD, &set)), Some(0));
    lab.exp_ok(["topic", "baseline", "set", "release=main", "--because", "a new name moves nothing"]);
    assert_eq!(
        status(&by(&lab, REVIEWER, &["topic", "baseline", "set", "release=A-001", "-m", "x"])),
        Some(1)
    );
}

#[test]
fn status_shows_what_is_open_the_best_so_far_and_what_is_next() {
    let lab = two_experiments("2000", "", "5");
    let status = &lab.exp_json(["status"])[0];
    assert_eq!(status["open"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["open"][0]["stage"], "analysed");
    assert_eq!(status["best"][0]["experiment"], "A-002");
    assert_eq!(status["best"][0]["baseline"], "A-001");
    let text = lab.exp_ok(["status"]);
    assert!(text.contains("val_loss 2001 by A-002, −13 % against the best of A-001"), "{text}");
    let list = lab.exp_json(["list"]);
    assert_eq!(list.iter().filter(|it| it["best_of_topic"] == true).count(), 1);
    let here = |arguments: &[&str]| {
        let mut command = lab.exp_command(arguments);
        let output = command.current_dir(lab.path().join(".worktrees/A-002")).output();
        String::from_utf8_lossy(&output.expect("git-exp can be started").stdout).into_owned()
    };
    assert!(here(&["status"]).contains("git exp compare A-002"), "{}", here(&["status"]));
    lab.exp_ok(["decide", "A-002", "accept", "--because", "holds"]);
    let decided = here(&["status"]);
    assert!(
        decided.contains("accepted by Ada Lovelace: holds") && decided.contains("git exp archive A-002"),
        "{decided}"
    );
}

#[test]
fn secrets_in_reasons_are_taken_out() {
    let lab = two_experiments("2000", "", "0");
    let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    lab.exp_ok(["decide", "A-002", "reject", "--because", &format!("see {token}"), "--next", &token]);
    lab.exp_ok(["review", "A-002", "reject", "--because", &token]);
    lab.exp_ok(["topic", "baseline", "set", "release=main", "--because", &token]);
    assert!(!lab.exp_ok(["show", "A-002"]).contains(&token));
    assert!(!lab.git(["log", "--all", "-p", "--format=%B"]).contains(&token));
}

#[test]
fn what_came_along_into_a_worktree_is_no_loss_until_it_changes() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[worktree]\ninclude = [\"data/big\"]\ncopy = [\"local/*.ini\"]\n");
    lab.write(".gitignore", "/data/\n/local/\n");
    lab.commit_all("what a worktree needs");
    lab.write("data/big/points.csv", "1 2\n");
    lab.write("local/a.ini", "a = 1\n");
    lab.exp_ok(["new", "plain"]);
    assert_eq!(lab.read(".worktrees/20261121-plain/data/big/points.csv"), "1 2\n");
    lab.write(".worktrees/20261121-plain/local/a.ini", "a = 2\n");
    let refused = lab.exp_output(["archive", "20261121-plain"]);
    assert_eq!(status(&refused), Some(2));
    assert!(
        said(&refused).contains("`local/` is ignored") && !said(&refused).contains("data"),
        "{}",
        said(&refused)
    );
    lab.write(".worktrees/20261121-plain/local/a.ini", "a = 1\n");
    lab.exp_ok(["archive", "20261121-plain"]);
    assert_eq!(lab.read("data/big/points.csv"), "1 2\n");
}
