//! Repeating what is on record: from a clone of a seal alone, and from the log.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::lab::TestLab;
use crate::seal::Clone;

/// Where the program finds a library that is in no repository: a dependency that can change.
fn library(lab: &TestLab) -> PathBuf {
    lab.home().join("library.sh")
}

/// The experiment `A-001` with three seeds a side: a loss that follows from the seed, and a time that is a fifth shorter.
fn done() -> TestLab {
    let lab = TestLab::with_commit();
    let library = library(&lab);
    fs::write(&library, "offset=0\nfactor=1\n").expect("the home folder is ours");
    let configuration = "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nmin-effect = 0.05\n\
        [metrics.step_time]\nunit = \"ms\"\nbetter = \"lower\"\nkind = \"measured\"\n\
        [repro]\nsetup = \"test -e train.sh && echo ready > made\"\n";
    lab.write("exp.toml", configuration);
    lab.write(".gitignore", "/made\n");
    let script = |loss: &str, time: &str| {
        format!(
            ". '{}'\necho \"METRIC val_loss=$(({loss} + GIT_EXP_SEED + offset))\"\necho \"METRIC constant=7\"\n\
             echo \"METRIC step_time=$(({time}))\"",
            library.display()
        )
    };
    lab.script("train.sh", &script("2000", "1000 + 10 * GIT_EXP_TRIAL"));
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let brief = ["--hypothesis", "h", "--change", "a better mix", "--accept", "val_loss <= -5%"];
    let rest =
        ["--guard", "step_time <= +5%", "--budget", "runs=50", "--topic", "mixing", "--baseline", "main"];
    let more = ["--trials", "3", "--no-worktree"];
    lab.exp_ok(["new", "first"].iter().chain(&brief).chain(&rest).chain(&more));
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.script("train.sh", &script("1500", "factor * (800 + 10 * GIT_EXP_TRIAL)"));
    lab.commit_all("a better mix");
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh"]);
    lab
}

/// The same, decided and sealed.
fn sealed() -> TestLab {
    let lab = done();
    lab.exp_ok([
        "decide",
        "A-001",
        "accept",
        "--because",
        "a lower loss in less time",
        "--next",
        "more seeds",
    ]);
    lab.exp_ok(["seal", "A-001"]);
    lab
}

/// What `repro` says in the clone: the exit status and its object.
fn repro(clone: &Clone, words: &[&str]) -> (Option<i32>, Value) {
    answer(&clone.command("git-exp", &[&["--json", "repro"], words].concat(), "clone"))
}

fn answer(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let view = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("not JSON: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), view)
}

/// What a metric came to, and by which rule.
fn metric(view: &Value, name: &str) -> (String, String) {
    let all = view["metrics"].as_array().expect("a list");
    let it = all.iter().find(|it| it["name"] == name && it["side"] != "baseline");
    let it = it.unwrap_or_else(|| panic!("no `{name}` in {view}"));
    let text = |name: &str| it[name].as_str().unwrap_or("none").to_owned();
    (text("rule"), text("outcome"))
}

fn says(rule: &str, outcome: &str) -> (String, String) {
    (rule.to_owned(), outcome.to_owned())
}

/// The worktrees of a clone, beside its own.
fn worktrees(clone: &Clone) -> usize {
    clone.git(&["worktree", "list"]).lines().count() - 1
}

#[test]
fn a_clone_of_the_seal_alone_reproduces_it_and_says_so_beside_the_seal() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    assert_eq!(clone.verify("sealed/A-001").0, Some(0));
    let (status, view) = repro(&clone, &["sealed/A-001"]);
    assert_eq!((status, view["outcome"].as_str()), (Some(0), Some("reproduced")), "{view}");
    assert_eq!(metric(&view, "val_loss"), says("equal", "reproduced"));
    assert_eq!(metric(&view, "constant"), says("equal", "reproduced"));
    assert_eq!(metric(&view, "step_time"), says("ratio", "reproduced"));
    assert_eq!(metric(&view, "wall_time"), says("shown", "none"));
    assert_eq!(view["schema"], "git-exp/reproduction/1");
    assert_eq!(view["target"]["seal"], "sealed/A-001");
    assert_eq!(worktrees(&clone), 0);
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
    let entry = view["entry"].as_str().expect("it is recorded");
    let shown = clone.command("git-exp", &["--json", "show", entry], "clone");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&shown["kind"], &shown["outcome"]), (&"reproduction".into(), &"reproduced".into()));
    let trials = clone.command("git-exp", &["show", entry, "--file", "trials.jsonl"], "clone");
    let trials = String::from_utf8_lossy(&trials.stdout).into_owned();
    assert_eq!(trials.lines().count(), 8, "two warm-ups and three trials a side: {trials}");
    let seal = clone.command("git-exp", &["--json", "show", "sealed/A-001"], "clone");
    let seal: Value = serde_json::from_slice(&seal.stdout).expect("JSON");
    assert_eq!(seal["reproductions"][0]["outcome"], "reproduced", "{seal}");
    assert_eq!(seal["reproductions"][0]["entry"].as_str().map(str::len), Some(64), "{seal}");
    let checked = clone.command("git-exp", &["fsck"], "clone");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    assert_eq!(clone.verify("sealed/A-001").0, Some(0), "the seal is as it was");
    let runs = clone.command("git-exp", &["--json", "runs"], "clone");
    assert_eq!(String::from_utf8_lossy(&runs.stdout), "", "its runs are none of the experiment's");
    // And once more, beside the first.
    assert_eq!(repro(&clone, &["sealed/A-001", "-n", "4"]).0, Some(0));
    let page = clone.command("git-exp", &["show", "sealed/A-001"], "clone");
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert_eq!(page.matches("sealed/A-001: reproduced").count(), 2, "{page}");
}

#[test]
fn a_changed_dependency_diverges_and_the_metric_is_named() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    fs::write(library(&lab), "offset=1\nfactor=1\n").expect("the home folder is ours");
    let (status, view) = repro(&clone, &["sealed/A-001"]);
    assert_eq!((status, view["outcome"].as_str()), (Some(1), Some("diverged")), "{view}");
    let reasons = view["reasons"].to_string();
    assert!(reasons.contains("val_loss of the baseline: 2002 instead of 2001"), "{reasons}");
    assert_eq!(metric(&view, "val_loss"), says("equal", "diverged"));
    assert_eq!(metric(&view, "constant"), says("equal", "reproduced"));
    assert!(
        view["reasons"][0].as_str().is_some_and(|it| it.starts_with("val_loss: 1502 instead of 1501")),
        "{view}"
    );
}

#[test]
fn a_program_that_is_no_longer_deterministic_diverges() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    fs::write(library(&lab), "offset=$(od -An -N2 -tu2 /dev/urandom)\nfactor=1\n")
        .expect("the home folder is ours");
    let (status, view) = repro(&clone, &["sealed/A-001"]);
    assert_eq!((status, metric(&view, "val_loss").1.as_str()), (Some(1), "diverged"), "{view}");
}

#[test]
fn a_candidate_that_became_twice_as_slow_diverges_by_its_ratio() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    fs::write(library(&lab), "offset=0\nfactor=2\n").expect("the home folder is ours");
    let (status, view) = repro(&clone, &["sealed/A-001"]);
    assert_eq!((status, metric(&view, "step_time")), (Some(1), says("ratio", "diverged")), "{view}");
    assert_eq!(metric(&view, "val_loss"), says("equal", "reproduced"));
}

#[test]
fn what_is_missing_makes_it_not_comparable() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    fs::write(library(&lab), "no-such-program || exit\n").expect("the home folder is ours");
    let (status, view) = repro(&clone, &["sealed/A-001"]);
    assert_eq!((status, view["outcome"].as_str()), (Some(4), Some("not comparable")), "{view}");
    assert!(view["reasons"][0].as_str().is_some_and(|it| it.contains("ended with 127")), "{view}");
    assert_eq!(worktrees(&clone), 0);
}

#[test]
fn a_setup_that_fails_makes_it_not_comparable() {
    let lab = done();
    lab.write("exp.toml", lab.read("exp.toml").replace("test -e train.sh", "test -e nothing"));
    lab.commit_all("a setup that fails");
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh"]);
    let (status, view) = answer(&lab.exp_output(["--json", "repro", "A-001"]));
    assert_eq!((status, view["outcome"].as_str()), (Some(4), Some("not comparable")), "{view}");
    assert!(view["reasons"][0].as_str().is_some_and(|it| it.starts_with("the setup command")), "{view}");
}

#[test]
fn a_seal_that_does_not_hold_is_not_run() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    let message = clone.git(&["for-each-ref", "--format=%(contents)", "refs/tags/sealed/A-001"]);
    fs::write(clone.path().join(".exp/README.md"), "forged\n").expect("the clone is ours");
    clone.git(&["add", "--all", "--force"]);
    let (tree, parent) = (clone.git(&["write-tree"]), clone.git(&["rev-parse", "HEAD^1"]));
    let commit = clone.git(&["commit-tree", &tree, "-p", &parent, "-m", "moved"]);
    clone.git(&["tag", "--force", "--annotate", "-m", &message, "sealed/A-001", &commit]);
    let output = clone.command("git-exp", &["repro", "sealed/A-001"], "clone");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("nothing was run") && !said.contains("trial 1"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("file: README.md"));
}

#[test]
fn smoke_only_sees_that_it_starts_and_ends_well() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    // What would diverge is not looked at.
    fs::write(library(&lab), "offset=5\nfactor=9\n").expect("the home folder is ours");
    let output = clone.command("git-exp", &["repro", "sealed/A-001", "--smoke"], "clone");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.ends_with("sealed/A-001 starts and ends well; nothing was judged\n"), "{said}");
    let entries = clone.command("git-exp", &["log"], "clone");
    assert_eq!(String::from_utf8_lossy(&entries.stdout), "", "nothing was recorded");
    fs::write(library(&lab), "exit 3\n").expect("the home folder is ours");
    assert_eq!(repro(&clone, &["sealed/A-001", "--smoke"]).0, Some(1));
}

#[test]
fn a_run_and_an_experiment_of_the_log_are_repeated_and_cost_nothing() {
    let lab = done();
    let before = lab.exp_json(["show", "A-001"])[0].clone();
    let run = lab.exp_json(["runs", "--limit", "1"])[0]["run"].as_str().expect("a run").to_owned();
    let view = &lab.exp_json(["repro", &run[..8]])[0];
    assert_eq!(view["outcome"], "reproduced", "{view}");
    assert_eq!((&view["target"]["run"], &view["trials"]), (&run.as_str().into(), &1.into()));
    assert_eq!(metric(view, "step_time"), says("shown", "none"), "there is no baseline to take a ratio to");
    let view = &lab.exp_json(["repro", "A-001"])[0];
    assert_eq!((&view["outcome"], &view["trials"]), (&"reproduced".into(), &3.into()), "{view}");
    assert_eq!(metric(view, "step_time"), says("ratio", "reproduced"));
    let after = &lab.exp_json(["show", "A-001"])[0];
    for field in ["runs", "statuses", "wall_seconds", "confidence"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let page = lab.exp_ok(["show", "A-001"]);
    assert!(page.contains("repeated\n") && page.matches(": reproduced").count() == 2, "{page}");
    assert_eq!(after["reproductions"][1]["outcome"], "reproduced", "{after}");
    let logbook = lab.exp_ok(["logbook", "mixing"]);
    assert_eq!(logbook.matches(" repeated: reproduced").count(), 2, "{logbook}");
    let report = lab.exp_ok(["handoff", "--experiment", "A-001"]);
    assert_eq!(report.matches(" repeated by Ada Lovelace: reproduced").count(), 2, "{report}");
    let log = lab.exp_ok(["log", "--kind", "reproduction"]);
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn noise_within_the_recorded_spread_is_reproduced_and_a_shift_is_not() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.loss]\nkind = \"quality\"\nbetter = \"lower\"\n");
    // What it says does not follow from its seed.
    let values = lab.home().join("values");
    let write = |text: &str| fs::write(&values, text).expect("the home folder is ours");
    write("1.00\n1.03\n0.98\n1.01\n0.97\n");
    lab.script(
        "train.sh",
        &format!("v='{}'\necho METRIC loss=$(head -n 1 \"$v\")\nsed -i 1d \"$v\"", values.display()),
    );
    lab.commit_all("a noisy model");
    lab.exp_ok(["run", "-n", "5", "--seed", "1,1,1,1,1", "--", "./train.sh"]);
    let experiment = lab.exp_json(["list"])[0]["experiment"].as_str().expect("a name").to_owned();
    write("0.99\n1.02\n1.00\n0.98\n1.01\n");
    let view = &lab.exp_json(["repro", &experiment])[0];
    assert_eq!(metric(view, "loss"), says("noise", "reproduced"), "{view}");
    write("1.00\n1.02\n9.00\n0.98\n1.01\n");
    let (status, view) = answer(&lab.exp_output(["--json", "repro", &experiment]));
    assert_eq!((status, metric(&view, "loss")), (Some(1), says("noise", "diverged")), "{view}");
    write("1.00\n1.02\n");
    let (status, view) = answer(&lab.exp_output(["--json", "repro", &experiment, "-n", "2"]));
    assert_eq!((status, metric(&view, "loss")), (Some(4), says("noise", "not comparable")), "{view}");
}

#[test]
fn ctrl_c_leaves_no_worktree_and_no_entry() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    let mark = lab.home().join("started");
    fs::write(library(&lab), format!("touch '{}'\nsleep 60\n", mark.display()))
        .expect("the home folder is ours");
    let mut child = clone
        .prepared("git-exp", &["repro", "sealed/A-001"], "clone")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it can be started");
    let began = std::time::Instant::now();
    while !mark.exists() {
        assert!(began.elapsed().as_secs() < 60, "it never started");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(worktrees(&clone), 2);
    clone.command("kill", &["-INT", &child.id().to_string()], "clone");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(worktrees(&clone), 0);
    let left = fs::read_dir(clone.path().join(".worktrees")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    let entries = clone.command("git-exp", &["log"], "clone");
    assert_eq!(String::from_utf8_lossy(&entries.stdout), "", "nothing was recorded");
}

#[test]
fn kept_worktrees_are_left_and_those_of_a_killed_process_go_with_the_next() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    let (_, view) = repro(&clone, &["sealed/A-001", "--keep"]);
    let kept = PathBuf::from(view["kept"].as_str().expect("a folder"));
    assert!(kept.join("cand/made").exists() && kept.join("base/made").exists(), "both were set up");
    let mark = lab.home().join("started");
    fs::write(library(&lab), format!("touch '{}'\nexec sleep 60\n", mark.display()))
        .expect("the home folder is ours");
    let mut child = clone
        .prepared("git-exp", &["repro", "sealed/A-001"], "clone")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it can be started");
    while !mark.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it was killed");
    assert_eq!(worktrees(&clone), 4, "two were kept, and two left behind");
    fs::write(library(&lab), "offset=0\nfactor=1\n").expect("the home folder is ours");
    assert_eq!(repro(&clone, &["sealed/A-001"]).0, Some(0));
    assert_eq!(worktrees(&clone), 2);
    assert!(kept.join("cand/train.sh").exists());
}

#[test]
fn the_script_in_the_bundle_does_the_same_without_git_exp() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    let mut command = clone.prepared("sh", &[".exp/repro.sh"], "clone");
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "== baseline, seed 2: ./train.sh",
        "   val_loss: 2002 recorded, 2002 here",
        "== candidate, seed 3: ./train.sh",
        "   step_time: 830 recorded, 830 here",
    ] {
        assert!(said.lines().any(|it| it == line), "no `{line}` in:\n{said}");
    }
    assert_eq!(worktrees(&clone), 0);
    let place = clone.path().join("../place").display().to_string();
    let output = clone.command("sh", &[".exp/repro.sh", &place], "clone");
    assert!(output.status.success());
    assert!(PathBuf::from(&place).join("candidate/code/made").exists(), "it was set up");
}

#[test]
fn what_cannot_be_repeated_is_refused() {
    let lab = done();
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp(["run", "--", "false"]);
    let failed = lab.exp_json(["runs", "--limit", "1"])[0]["run"].as_str().expect("a run").to_owned();
    for (word, why) in
        [(failed.as_str(), "did not end well"), ("nothing", "nothing"), ("abcdef12", "abcdef12")]
    {
        let output = lab.exp_output(["repro", word]);
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(why));
    }
    assert_eq!(lab.exp_output(["repro", "A-001", "-n", "0"]).status.code(), Some(2));
}

#[test]
fn a_run_that_was_one_of_pairs_stands_for_its_series() {
    let lab = done();
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp_ok(["run", "--against", "main", "-n", "4", "--", "./train.sh"]);
    let runs = lab.exp_json(["runs", "-e", "A-001", "--limit", "1"]);
    let run = runs[0]["run"].as_str().expect("a run");
    let view = &lab.exp_json(["repro", run])[0];
    assert_eq!((&view["outcome"], &view["trials"]), (&"reproduced".into(), &4.into()), "{view}");
    assert_eq!(metric(view, "step_time"), says("ratio", "reproduced"));
    assert!(view["baseline_commit"].is_string(), "both sides ran");
}

#[test]
fn what_differs_around_it_is_shown_before_anything_runs_and_recorded() {
    let lab = sealed();
    let clone = Clone::of(&lab, "sealed/A-001");
    let mut command = clone.prepared("git-exp", &["repro", "sealed/A-001", "--color", "never"], "clone");
    let output = command.env("OMP_NUM_THREADS", "3").output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (before, after) = said.split_once("sealed/A-001: reproduced").expect("an answer");
    assert!(before.contains("differs from the record:"), "{said}");
    assert!(before.contains("environment  variables.OMP_NUM_THREADS  – → 3"), "{said}");
    assert!(after.contains("ratio to the baseline"), "{said}");
    let log = clone.command("git-exp", &["--json", "log"], "clone");
    let log: Value = serde_json::from_slice(&log.stdout).expect("one entry");
    let id = log["entry"].as_str().expect("an ID");
    let shown = clone.command("git-exp", &["--json", "show", id], "clone");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["differences"][0]["name"], "variables.OMP_NUM_THREADS", "{shown}");
}
