//! Evaluation code: pinned when a topic begins, and told wherever it changed.

use crate::lab::TestLab;

const METRIC: &str = "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n";
const FILES: &str = "[files]\nevaluation = [\"eval/**\"]\n";

/// A repository with evaluation code on `main`.
fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", format!("{METRIC}{FILES}"));
    lab.script("eval/score.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED))\"");
    lab.write("eval/cases.txt", "one\n");
    lab.commit_all("a model and its evaluation");
    lab
}

fn register(lab: &TestLab, name: &str, baseline: &str) {
    let brief = ["--hypothesis", "h", "--change", "c", "--accept", "val_loss <= -5%", "--no-guard", "a test"];
    let rest = ["--topic", "mixing", "--baseline", baseline, "--budget", "runs=50", "--no-worktree"];
    lab.exp_ok(["new", name, "--trials", "3"].into_iter().chain(brief).chain(rest));
}

/// The baseline `A-001`, run as it was pinned, and `A-002`, whose evaluation code is changed by `change` and then runs.
fn two_experiments(change: impl FnOnce(&TestLab)) -> TestLab {
    let lab = lab();
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    register(&lab, "first", "main");
    register(&lab, "second", "A-001");
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.exp_ok(["run", "-n", "3", "--", "eval/score.sh", "2300"]);
    lab.git(["switch", "--quiet", "exp/A-002"]);
    change(&lab);
    lab.exp_ok(["run", "-n", "3", "--", "eval/score.sh", "2000"]);
    lab
}

fn make_it_easier(lab: &TestLab) {
    lab.write("eval/cases.txt", "an easier one\n");
}

#[test]
fn a_topic_pins_the_evaluation_code_that_it_begins_with() {
    let lab = lab();
    insta::assert_snapshot!(lab.exp(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]), @"
    exit: 0
    --- stdout
    opened the topic mixing (<id 1>)
    its branch: research/mixing
    --- stderr
    the evaluation code is pinned: 2 files at `eval/**` (<id 2>)
    hint: git exp new <short-name> --topic mixing --hypothesis … --change …
    ");
    insta::assert_snapshot!(lab.exp(["topic", "show", "mixing"]), @"
    exit: 0
    --- stdout
    topic mixing
      goal         a lower loss
      branch       research/mixing
      prefix       A
      experiments  0 (0 decided)
      created      2026-11-21 12:00 (just now)
      evaluation   eval/** (pinned at <id 2>)
    ");
    let topic = &lab.exp_json(["topic", "show", "mixing"])[0];
    assert_eq!(topic["evaluation"]["paths"], serde_json::json!(["eval/**"]));
    assert_eq!(topic["evaluation"]["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn without_agreed_evaluation_paths_nothing_is_pinned() {
    let lab = TestLab::with_commit();
    // Only in the worktree: nobody agreed on it.
    lab.write("exp.toml", FILES);
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A"]);
    assert!(lab.exp_json(["topic", "show", "mixing"])[0]["evaluation"].is_null());
    insta::assert_snapshot!(lab.exp(["topic", "amend", "mixing", "--pin-evaluation"]), @r#"
    exit: 2
    --- stderr
    error: there is no evaluation code to pin
      caused by: `exp.toml` on the topic's branch or the main branch names none
    hint: name it there: [files] evaluation = ["eval/**"]
    "#);
}

#[test]
fn a_run_under_the_pinned_code_says_nothing_and_is_accepted() {
    let lab = two_experiments(|_| {});
    let runs = lab.exp_json(["runs"]);
    assert!(runs.iter().all(|run| run["evaluation"].is_string() && run["evaluation_changed"].is_null()));
    let comparison = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!((&comparison["verdict"], &comparison["like_with_like"]), (&"accept".into(), &true.into()));
    let said = [lab.exp(["runs"]), lab.exp(["list"]), lab.exp(["status"]), lab.exp(["compare", "A-002"])];
    assert!(said.iter().all(|text| !text.contains("evaluation")), "{said:#?}");
}

#[test]
fn a_run_under_changed_evaluation_code_says_so_in_every_view() {
    let lab = two_experiments(make_it_easier);
    insta::assert_snapshot!(lab.exp(["run", "--", "eval/score.sh", "1900"]), @"
    exit: 0
    --- stdout
    METRIC val_loss=1900
    --- stderr
    budget of A-002: 47 of 50 runs left; a trial is expected to take <time>
    recorded <id 1> A-002: ok, <time>, val_loss 1900 (dirty worktree, snapshot kept)
      it ran under changed evaluation code: not that which its topic pinned
    ");
    insta::assert_snapshot!(lab.exp(["runs", "--limit", "5"]), @"
    exit: 0
    --- stdout
    run        experiment  age       status  trial  seed  val_loss  wall_time
    <id 1>!  A-002       just now  ok        1/1            1900 <time>
    <id 2>!  A-002       just now  ok        3/3     3      2003 <time>
    <id 3>!  A-002       just now  ok        2/3     2      2002 <time>
    <id 4>!  A-002       just now  ok        1/3     1      2001 <time>
    <id 5>   A-001       just now  ok        3/3     3      2303 <time>
    ! it ran under evaluation code that changed since its topic began
    --- stderr
    2 more older runs; `--limit N` or `--all` shows them
    ");
    insta::assert_snapshot!(lab.exp(["list"]), @"
    exit: 0
    --- stdout
    experiment  topic   stage     runs                   decision  best                            age       hypothesis
    A-002       mixing  analysed  4, evaluation changed  -         val_loss=1900  <id 1> (best)  just now  h
    A-001       mixing  analysed  3                      -         val_loss=2301  <id 6>         just now  h
    ");
    insta::assert_snapshot!(lab.exp(["status"]), @r#"
    exit: 0
    --- stdout
    on branch exp/A-002
    1 file is not committed; a run stores it as a snapshot

    experiment A-002  analysed
      hypothesis   h
      runs         4, 3 trials planned
      evaluation   all 4 runs under evaluation code that changed since the topic began
      budget       46 of 50 runs left
      confidence   exploratory

    best so far
      mixing       val_loss 1900 by A-002, −17.4 % against the best of A-001

    latest runs
      run        experiment  age       status  trial  seed  val_loss  wall_time
      <id 1>!  A-002       just now  ok        1/1            1900 <time>
      <id 2>!  A-002       just now  ok        3/3     3      2003 <time>
      <id 3>!  A-002       just now  ok        2/3     2      2002 <time>
      ! it ran under evaluation code that changed since its topic began

    next
      see what the numbers say, then git exp decide A-002 accept|reject|iterate --because "…":
        git exp compare A-002
    "#);
    let page = lab.exp(["show", "A-002"]);
    assert!(page.contains("all 4 runs under evaluation code that changed"), "{page}");
    let runs = lab.exp_json(["runs", "-e", "A-002", "--limit", "1"]);
    assert_eq!(runs[0]["evaluation_changed"], true);
    let page = lab.exp(["show", runs[0]["run"].as_str().expect("it has an ID")]);
    assert!(page.contains(", changed since the topic began"), "{page}");
    assert_eq!(lab.exp_json(["show", "A-002"])[0]["evaluation_changed"], 4);
    let notes = lab.git(["log", "-1", "--notes=exp", "--format=%N"]);
    assert!(notes.contains("evaluation-changed"), "{notes}");
    let logbook = lab.exp(["logbook", "mixing"]);
    assert!(logbook.contains("The evaluation code is another than when the topic began."), "{logbook}");
}

#[test]
fn what_was_evaluated_by_other_code_is_not_compared_like_with_like() {
    let lab = two_experiments(make_it_easier);
    let comparison = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!((&comparison["verdict"], &comparison["like_with_like"]), (&"unclear".into(), &false.into()));
    assert_eq!(comparison["confidence"], "exploratory");
    let page = lab.exp(["compare", "A-002"]);
    assert!(page.contains("the sides were evaluated by different code"), "{page}");
    assert!(page.contains("3 of 3 trials of the candidate ran under evaluation code that changed"), "{page}");
}

#[test]
fn evaluation_code_that_the_commit_does_not_show_counts_as_changed() {
    let lab = two_experiments(|lab| {
        lab.git(["update-index", "--assume-unchanged", "eval/cases.txt"]);
        make_it_easier(lab);
    });
    assert_eq!(lab.exp_json(["show", "A-002"])[0]["evaluation_changed"], 3);
}

#[test]
fn the_baseline_of_a_series_of_pairs_is_evaluated_too() {
    let lab = lab();
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    register(&lab, "first", "main");
    lab.git(["switch", "--quiet", "exp/A-001"]);
    make_it_easier(&lab);
    lab.exp_ok(["run", "--against", "main", "-n", "3", "--", "eval/score.sh", "2000"]);
    let of = |side: &str| {
        let all = lab.exp_json(["runs"]);
        let changed: Vec<bool> = all
            .iter()
            .filter(|run| run["pair"]["side"] == side)
            .map(|run| run["evaluation_changed"] == true)
            .collect();
        changed
    };
    assert_eq!(of("baseline"), [false; 4]);
    assert_eq!(of("candidate"), [true; 4]);
    assert_eq!(lab.exp_json(["compare", "main", "A-001"])[0]["like_with_like"], false);
}

#[test]
fn to_pin_anew_is_an_amendment_that_not_everybody_may_make() {
    let lab = two_experiments(make_it_easier);
    insta::assert_snapshot!(lab.exp(["topic", "amend", "mixing", "--goal", "more"]), @"
    exit: 0
    --- stdout
    amended the topic mixing (<id 1>)
    ");
    lab.commit_all("an easier evaluation");
    insta::assert_snapshot!(lab.exp(["topic", "amend", "mixing", "--pin-evaluation"]), @"
    exit: 0
    --- stdout
    amended the topic mixing (<id 2>)
    --- stderr
    the evaluation code is pinned: 2 files at `eval/**` (<id 3>)
    ");
    assert!(lab.exp(["run", "--", "eval/score.sh", "1900"]).contains("exit: 0"));
    let newest = &lab.exp_json(["runs", "--limit", "1"])[0];
    assert!(newest["evaluation_changed"].is_null(), "{newest:#}");
    assert_eq!(lab.exp_json(["show", "A-002"])[0]["evaluation_changed"], 3, "what was told stays");
    lab.git(["switch", "--quiet", "research/mixing"]);
    lab.write(
        "exp.toml",
        format!("{METRIC}{FILES}[policy]\nmay-amend = [\"lead\"]\n[roles]\nlead = [\"lead@example.org\"]\n"),
    );
    lab.commit_all("only the lead amends");
    lab.write("eval/cases.txt", "the easiest\n");
    lab.commit_all("an even easier evaluation");
    insta::assert_snapshot!(lab.exp(["topic", "amend", "mixing", "--pin-evaluation"]), @"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: amend the topic mixing
      Ada Lovelace <ada@example.org> may not amend a brief after its first run: `may-amend` is for the role `lead`
    ");
}
