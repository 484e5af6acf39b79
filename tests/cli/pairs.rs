//! `git exp run --against`, `git exp ab` and `git exp noise`: baseline and candidate in turn, and how much either varies.

use std::process::Stdio;

use serde_json::Value;

use crate::lab::TestLab;

/// A model whose loss is the first word of `width` plus its seed, and an experiment `A-001` that makes it smaller.
fn a_candidate() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n");
    lab.write("width", "2300\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($(cat width) + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    new_experiment(&lab, "narrow", &["--trials", "3"]);
    lab.write(".worktrees/A-001/width", "2000\n");
    lab
}

fn new_experiment(lab: &TestLab, name: &str, more: &[&str]) {
    let brief =
        ["new", name, "--topic", "mixing", "--hypothesis", "h", "--change", "c", "--baseline", "main"];
    let promise = ["--accept", "val_loss <= -5%", "--no-guard", "a test", "--budget", "runs=50"];
    lab.exp_ok(brief.into_iter().chain(promise).chain(more.iter().copied()));
}

fn runs(lab: &TestLab) -> Vec<Value> {
    let mut runs = lab.exp_json(["runs", "--sort", "started"]);
    runs.reverse();
    runs
}

fn pairs_of(lab: &TestLab) -> Vec<Value> {
    runs(lab)
        .iter()
        .map(|run| lab.exp_json(["show", run["run"].as_str().expect("a run has an ID")])[0].clone())
        .filter(|run| !run["pair"].is_null())
        .collect()
}

#[test]
fn baseline_and_candidate_run_in_turn_each_on_its_own_code_and_are_accepted_as_pairs() {
    let lab = a_candidate();
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "--", "./train.sh"]);
    let pairs = pairs_of(&lab);
    assert_eq!(pairs.len(), 8, "a warm-up and three pairs");
    for number in 0..4 {
        let own: Vec<&Value> = pairs.iter().filter(|run| run["pair"]["number"] == number).collect();
        let side = |side: &str| {
            own.iter().find(|run| run["pair"]["side"] == side).expect("each side is in every pair")
        };
        let (baseline, candidate) = (side("baseline"), side("candidate"));
        assert_eq!(baseline["seed"], candidate["seed"]);
        assert_ne!(baseline["pair"]["first"], candidate["pair"]["first"]);
        assert_eq!(candidate["experiment"], "A-001");
        let (from, to) =
            (&baseline["metrics"]["val_loss"]["value"], &candidate["metrics"]["val_loss"]["value"]);
        assert_eq!(from.as_f64().zip(to.as_f64()).map(|(from, to)| from - to), Some(300.0));
    }
    let comparison = &lab.exp_json(["compare", "A-001"])[0];
    assert_eq!(comparison["verdict"], "accept", "{comparison:#}");
    assert_eq!(comparison["design"], "paired");
    let warm_up = pairs.iter().find(|run| run["pair"]["number"] == 0 && run["experiment"] == "A-001");
    let listed = &lab.exp_json(["list", "--topic", "mixing"])[0];
    assert_eq!(listed["runs"], 4);
    assert_ne!(Some(&listed["best"]["run"]), warm_up.map(|run| &run["run"]), "a warm-up is no result");
    assert_eq!(lab.git(["worktree", "list"]).lines().count(), 2, "the worktrees of the pairs are gone");
    assert!(lab.git(["status", "--porcelain"]).is_empty());
}

#[test]
fn both_sides_get_paths_and_environments_of_equal_size() {
    let lab = a_candidate();
    lab.script("train.sh", "echo METRIC val_loss=$(($(pwd | wc -c) * 1000 + $(env | wc -c)))");
    lab.commit_all("measures its surroundings");
    lab.git(["-C", ".worktrees/A-001", "checkout", "--quiet", "main", "--", "train.sh"]);
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "-n", "2", "--", "./train.sh"]);
    let mut sizes: Vec<String> =
        pairs_of(&lab).iter().map(|run| run["metrics"]["val_loss"]["value"].to_string()).collect();
    sizes.dedup();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn a_side_whose_warm_up_fails_is_said_and_nothing_is_compared() {
    let lab = a_candidate();
    lab.write(".gitignore", "data\n");
    lab.commit_all("data is not kept");
    lab.write("data", "1");
    lab.write(".worktrees/A-001/data", "1");
    lab.git(["-C", ".worktrees/A-001", "checkout", "--quiet", "main", "--", ".gitignore"]);
    let output = lab.exp_output(["run", "-e", "A-001", "--against", "main", "--", "cat", "data"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("the warm-up of the baseline failed, so no pair was run"), "{told}");
    assert!(told.contains("[worktree] include"), "{told}");
    assert_eq!(runs(&lab).len(), 1);
    lab.write("exp.toml", "[worktree]\ninclude = [\"data\"]\n");
    lab.commit_all("bring it along");
    lab.git(["-C", ".worktrees/A-001", "checkout", "--quiet", "main", "--", "exp.toml"]);
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "-n", "1", "--", "cat", "data"]);
}

#[test]
fn what_cannot_be_run_in_pairs_is_said() {
    let lab = a_candidate();
    insta::assert_snapshot!(lab.exp(["run", "-e", "A-001", "--against", "A-001", "--", "true"]), @"
    exit: 125
    --- stderr
    error: `A-001` is its own baseline
    hint: `git exp noise` runs a baseline against itself
    ");
    insta::assert_snapshot!(lab.exp(["run", "-e", "A-001", "--against", "label:x", "--", "true"]), @"
    exit: 125
    --- stderr
    error: `label:x` names runs, not code
    hint: run against an experiment, a named baseline, a run or a revision
    ");
    insta::assert_snapshot!(lab.exp(["run", "--against", "main", "--", "true"]), @"
    exit: 125
    --- stderr
    error: `main` is the code that runs here, with nothing changed
    hint: change something first; `git exp noise` says how much the code varies by itself
    ");
    insta::assert_snapshot!(lab.exp(["ab", "true", "true"]), @"
    exit: 2
    --- stderr
    error: both commands are the same
    hint: `git exp noise -- …` says how much one command varies
    ");
    insta::assert_snapshot!(lab.exp(["ab", "-n", "0", "true", "false"]), @"
    exit: 2
    --- stderr
    error: cannot run 0 pairs
    hint: leave `-n` out for 10
    ");
    assert!(runs(&lab).is_empty());
}

#[test]
fn two_commands_are_compared_at_once_with_nothing_prepared() {
    let lab = TestLab::with_commit();
    let measured = |size: u32| format!("echo METRIC size=$(({size} + GIT_EXP_SEED)) better=lower");
    let output = lab.exp_ok(["ab", "-n", "4", &measured(10), &measured(20)]);
    assert!(output.starts_with("size "), "what came out comes first: {output}");
    let shown = lab.exp_ok(["ab", "--show-output", "-n", "1", &measured(10), &measured(20)]);
    assert!(shown.starts_with("METRIC size=10 "), "{shown}");
    assert!(output.contains("size +80.5 % (95 % CI +67.7 … +94.3 %): worse"), "{output}");
    let views = lab.exp_json(["ab", "-n", "3", &measured(10), &measured(9)]);
    assert_eq!(views.len(), 9, "eight runs and the comparison");
    assert_eq!(views[8]["schema"], "git-exp/comparison/1");
    assert_eq!(views[8]["design"], "paired");
    let output = lab.exp_output(["ab", "-n", "3", "true", "exit 7"]);
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn one_measurement_at_a_time_has_the_machine() {
    let lab = TestLab::with_commit();
    lab.script("alone.sh", "mkdir busy || exit 9; sleep 0.05; rmdir busy");
    lab.commit_all("minds its neighbours");
    let spawn = |command: &str| {
        lab.exp_command(["ab", "-n", "3", "./alone.sh", command])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it can be started")
    };
    let children = [spawn("./alone.sh # one"), spawn("./alone.sh # two"), spawn("./alone.sh # three")];
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn a_killed_measurement_leaves_worktrees_that_the_next_one_removes() {
    let lab = a_candidate();
    let mut child = lab
        .exp_command(["run", "-e", "A-001", "--against", "main", "--", "sleep", "60"])
        .spawn()
        .expect("it can be started");
    let beside = lab.path().join(".worktrees");
    let is_made = || {
        let names = beside.read_dir().expect("there are worktrees").filter_map(Result::ok);
        names.filter(|item| item.file_name().to_string_lossy().starts_with(".pair-")).count() == 1
    };
    while !is_made() || lab.exp_json(["status"])[0]["under_way"].as_array().is_none_or(Vec::is_empty) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "-n", "1", "--", "./train.sh"]);
    assert!(!is_made());
    assert_eq!(lab.git(["worktree", "list"]).lines().count(), 2);
}

#[test]
fn a_picked_best_is_unconfirmed_until_it_is_repeated_with_new_seeds() {
    let lab = a_candidate();
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "--", "./train.sh"]);
    new_experiment(&lab, "narrower", &["--trials", "3"]);
    lab.write(".worktrees/A-002/width", "1900\n");
    lab.exp_ok(["run", "-e", "A-002", "--against", "main", "--", "./train.sh"]);
    let best = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!(best["verdict"], "unclear");
    let reasons = best["reasons"].to_string();
    assert!(reasons.contains("it is the best of 2 and unconfirmed"), "{reasons}");
    // Which is no matter for what is not the best.
    assert_eq!(lab.exp_json(["compare", "A-001"])[0]["verdict"], "accept");
    insta::assert_snapshot!(lab.exp(["run", "-e", "A-002", "--confirm", "--seed", "2", "--", "./train.sh"]), @"
    exit: 125
    --- stderr
    error: the seed 2 was used before, so it confirms nothing
    hint: leave `--seed` out: new ones are chosen
    ");
    lab.exp_ok(["run", "-e", "A-002", "--confirm", "--against", "main", "--", "./train.sh"]);
    let confirmed = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!(confirmed["confirmed"], true);
    assert_eq!(confirmed["verdict"], "accept", "{confirmed:#}");
    assert_eq!(confirmed["metrics"][0]["candidate"]["n"], 3);
    let mut seeds: Vec<u64> =
        lab.exp_json(["runs", "-e", "A-002"]).iter().filter_map(|run| run["seed"].as_u64()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn looks_are_counted_once_for_the_same_runs_and_never_accept() {
    let lab = a_candidate();
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh"]);
    for trials in ["1", "1"] {
        lab.exp_ok(["run", "-e", "A-001", "-n", trials, "--", "./train.sh"]);
        for _ in 0..2 {
            let look = &lab.exp_json(["compare", "A-001"])[0];
            assert_eq!(look["verdict"], "unclear");
        }
    }
    let look = &lab.exp_json(["compare", "A-001"])[0];
    assert!(
        look["reasons"].to_string().contains("this is interim look 2: 2 of 3 planned trials"),
        "{look:#}"
    );
    assert_eq!(lab.exp_json(["log", "--kind", "look"]).len(), 2);
    let log = lab.exp_ok(["log", "--kind", "look", "-e", "A-001"]);
    assert!(log.contains("2 of 3 planned trials against main ("), "{log}");
}

#[test]
fn a_plan_that_is_extended_asks_for_fresh_trials_and_a_declared_look_does_not() {
    let lab = a_candidate();
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "--", "./train.sh"]);
    lab.exp_ok(["brief", "A-001", "--trials", "4"]);
    let stale = &lab.exp_json(["compare", "A-001"])[0];
    assert_eq!(stale["verdict"], "unclear");
    assert!(stale["reasons"].to_string().contains("0 of 4 fresh trials of the changed plan"), "{stale:#}");
    lab.set_clock("2026-11-21T15:00:00Z");
    lab.exp_ok(["run", "-e", "A-001", "--against", "main", "--", "./train.sh"]);
    let fresh = &lab.exp_json(["compare", "A-001"])[0];
    assert_eq!(fresh["verdict"], "accept", "{fresh:#}");
    assert_eq!(fresh["metrics"][0]["candidate"]["n"], 4);

    new_experiment(&lab, "looked", &["--looks", "3,6"]);
    lab.write(".worktrees/A-002/width", "2100\n");
    lab.exp_ok(["run", "-e", "A-002", "-n", "4", "--against", "main", "--", "./train.sh"]);
    let look = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!(look["declared_look"]["number"], 1);
    assert_eq!(look["metrics"][0]["candidate"]["n"], 3);
    assert!(look["declared_look"]["level"].as_f64().is_some_and(|level| level < 0.02), "{look:#}");
    insta::assert_snapshot!(lab.exp(["brief", "A-002", "--looks", "6,3"]), @"
    exit: 2
    --- stderr
    error: cannot plan the looks 6,3
      caused by: they begin at 3 trials or more, rise, and end at the planned trials
    hint: write them as `--looks 5,10,20`
    ");
}

#[test]
fn the_noise_of_a_baseline_is_held_against_what_the_brief_wants_to_see() {
    let lab = a_candidate();
    let unknown = lab.exp(["noise", "-e", "main"]);
    assert!(unknown.starts_with("exit: 4"), "{unknown}");
    let said = lab.exp_ok(["noise", "-e", "main", "-n", "3", "--", "./train.sh"]);
    assert!(said.contains("METRIC val_loss=2301"), "it ran on the code of main: {said}");
    lab.git(["-C", ".worktrees/A-001", "reset", "--quiet", "--hard"]);
    let noise = &lab.exp_json(["noise", "-e", "main"])[0];
    assert_eq!(noise["schema"], "git-exp/noise/1");
    // Nothing is wanted of main by itself; the experiment's brief wants five per cent.
    assert_eq!(noise["below"], Value::Null);
    let mut within = lab.exp_command(["noise"]);
    let output = within.current_dir(lab.path().join(".worktrees/A-001")).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("`val_loss <= -5%`: the spread of 0.175 % is below it"), "{text}");
    new_experiment(&lab, "fine", &[]);
    let registered = lab.exp_ok([
        "new",
        "finer",
        "--topic",
        "mixing",
        "--baseline",
        "main",
        "--accept",
        "val_loss <= -0.1%",
    ]);
    assert!(
        registered.contains("trials a side tell `val_loss <= -0.1%` from no change; 5 are planned"),
        "{registered}"
    );
    let mut within = lab.exp_command(["noise"]);
    let output = within.current_dir(lab.path().join(".worktrees/A-003")).output().expect("it can be started");
    assert_eq!(output.status.code(), Some(1));
}
