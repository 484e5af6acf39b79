//! `git exp compare`: two sides in, a verdict and an exit status out.

use crate::lab::TestLab;

/// Experiments `A-001` (the baseline, about 2300) and `A-002` (about `loss`), five runs each, none of them timed.
fn two_experiments(loss: &str) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    for (name, baseline) in [("first", "main"), ("second", "A-001")] {
        let brief =
            ["--hypothesis", "h", "--change", "c", "--accept", "val_loss <= -5%", "--no-guard", "a test"];
        let rest = ["--topic", "mixing", "--baseline", baseline, "--budget", "runs=50", "--no-worktree"];
        lab.exp_ok(["new", name].into_iter().chain(brief).chain(rest));
    }
    for (experiment, loss) in [("A-001", "2300"), ("A-002", loss)] {
        lab.git(["switch", "--quiet", &format!("exp/{experiment}")]);
        lab.exp_ok(["run", "-n", "5", "--", "./train.sh", loss]);
    }
    lab
}

fn status<const N: usize>(lab: &TestLab, arguments: [&str; N]) -> Option<i32> {
    lab.exp_output(arguments).status.code()
}

#[test]
fn a_better_candidate_is_accepted_against_the_baseline_of_its_brief() {
    let lab = two_experiments("2000");
    let comparisons = lab.exp_json(["compare", "A-002"]);
    let comparison = &comparisons[0];
    assert_eq!(comparison["schema"], "git-exp/comparison/1");
    assert_eq!(comparison["baseline"], "A-001");
    assert_eq!(comparison["verdict"], "accept", "{comparison:#}");
    assert_eq!(comparison["confidence"], "replicated");
    assert_eq!(comparison["metrics"][0]["name"], "val_loss");
    assert_eq!(comparison["metrics"][0]["verdict"], "better");
    assert_eq!(comparison["metrics"][0]["baseline"]["n"], 5);
    assert_eq!(comparison["axes"], serde_json::json!(["command"]));
    assert_eq!(status(&lab, ["compare", "A-002", "--check=accept"]), Some(0));
    assert_eq!(status(&lab, ["compare", "A-001", "A-002", "--check=worse"]), Some(0));
}

#[test]
fn a_regression_exits_with_1() {
    let lab = two_experiments("2600");
    assert_eq!(status(&lab, ["compare", "A-001", "A-002"]), Some(0), "nobody asked");
    assert_eq!(status(&lab, ["compare", "A-001", "A-002", "--check"]), Some(1));
    assert_eq!(status(&lab, ["compare", "A-001", "A-002", "--check=accept"]), Some(1));
}

#[test]
fn a_comparison_with_another_baseline_than_promised_is_not_accepted() {
    let lab = two_experiments("2000");
    let comparisons = lab.exp_json(["compare", "filter:experiment = A-001", "A-002"]);
    assert_eq!(comparisons[0]["verdict"], "unclear");
    assert_eq!(status(&lab, ["compare", "filter:experiment = A-001", "A-002", "--check=accept"]), Some(4));
}

/// `A-001` and `A-002`, registered a day apart, that ran at the commit `main` and differ in nothing but the command.
fn variants_of_the_command() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let clocks = ["2026-07-28T10:00:00Z", "2026-07-29T10:00:00Z"];
    let variants = [("first", "exp/A-001", "2000"), ("second", "exp/A-002", "1500")];
    for ((name, branch, loss), clock) in variants.into_iter().zip(clocks) {
        lab.set_clock(clock);
        let brief =
            ["--hypothesis", "h", "--change", "c", "--accept", "val_loss <= -5%", "--no-guard", "a test"];
        let rest = ["--topic", "mixing", "--baseline", "main", "--budget", "runs=50", "--no-worktree"];
        lab.exp_ok(["new", name].into_iter().chain(brief).chain(rest));
        lab.git(["switch", "--quiet", branch]);
        lab.exp_ok(["run", "-n", "5", "--", "./train.sh", loss]);
    }
    lab.git(["switch", "--quiet", "main"]);
    lab
}

#[test]
fn a_revision_is_held_by_its_own_runs_and_not_by_those_of_experiments() {
    let lab = variants_of_the_command();
    lab.exp_ok(["run", "-n", "5", "--", "./train.sh", "2300"]);
    lab.git(["switch", "--quiet", "exp/A-002"]);
    lab.exp_ok(["run", "-n", "5", "--", "./train.sh", "1400"]);
    for experiment in ["A-001", "A-002"] {
        let comparison = &lab.exp_json(["compare", experiment])[0];
        assert_eq!(comparison["metrics"][0]["verdict"], "better", "{comparison:#}");
        assert_eq!(comparison["metrics"][0]["baseline"]["median"], 2309.0, "{comparison:#}");
    }
}

#[test]
fn what_was_registered_later_is_no_baseline() {
    let lab = variants_of_the_command();
    let seen = lab.exp(["compare", "A-001"]);
    assert!(seen.contains("exit: 4") && seen.contains("has no runs"), "{seen}");
    let output = lab.exp_output(["compare", "A-002"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("has no runs of its own; those of `A-001` there are taken"), "{told}");
}

#[test]
fn criteria_that_were_amended_after_the_runs_are_marked() {
    let lab = two_experiments("2000");
    lab.exp_ok(["brief", "A-002", "--amend", "--accept", "val_loss <= -1%"]);
    let comparison = &lab.exp_json(["compare", "A-002"])[0];
    assert_eq!(comparison["confidence"], "exploratory");
    assert_eq!(comparison["confidence_reason"], "amended after the first run: criteria");
}

#[test]
fn a_redefined_metric_is_refused_and_the_difference_is_shown() {
    let lab = two_experiments("2000");
    let toml = "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nsummary = \"min\"\n";
    lab.git(["switch", "--quiet", "main"]);
    lab.write("exp.toml", toml);
    lab.commit_all("another definition");
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.git(["branch", "--force", "research/mixing", "main"]);
    lab.exp_ok(["run", "-n", "5", "--label", "anew", "--", "./train.sh", "2300"]);
    let comparison = &lab.exp_json(["compare", "label:anew", "A-002"])[0];
    let remark = comparison["metrics"][0]["remarks"][0].as_str().unwrap_or_default();
    assert!(remark.contains("defined differently") && remark.contains("summary `min` → `last`"), "{remark}");
    assert!(comparison["metrics"][0]["delta"].is_null());
}

#[test]
fn labels_of_scratch_runs_are_compared_and_never_accepted() {
    let lab = TestLab::with_commit();
    for (label, size) in [("small", "10"), ("large", "20")] {
        let command = format!("echo METRIC size=$(({size} + GIT_EXP_SEED)) better=lower");
        lab.exp_ok(["run", "-n", "3", "--label", label, "--", "sh", "-c", &command]);
    }
    let comparison = &lab.exp_json(["compare", "label:small", "label:large"])[0];
    assert_eq!(comparison["verdict"], "unclear");
    assert_eq!(comparison["metrics"].as_array().map(Vec::len), Some(4));
    let size =
        comparison["metrics"].as_array().and_then(|rows| rows.iter().find(|row| row["name"] == "size"));
    assert_eq!(size.map(|row| &row["verdict"]), Some(&serde_json::json!("worse")));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let lab = two_experiments("2000");
    insta::assert_snapshot!(lab.exp(["compare", "A-001", "A-001"]), @"
    exit: 2
    --- stderr
    error: cannot compare
      caused by: `A-001` is its own baseline
    hint: name another baseline: git exp compare <baseline> <candidate>
    ");
    insta::assert_snapshot!(lab.exp(["compare", "label:none", "A-002"]), @"
    exit: 4
    --- stderr
    error: cannot compare
      caused by: `label:none` has no runs
    hint: `git exp runs` lists the runs there are
    ");
    insta::assert_snapshot!(lab.exp(["compare", "A-001", "nothing"]), @"
    exit: 2
    --- stderr
    error: there is no experiment, baseline, run or revision `nothing`
    hint: `git exp list` lists the experiments; `label:x` and `filter:…` pick runs
    ");
    insta::assert_snapshot!(lab.exp(["compare", "label:none"]), @"
    exit: 2
    --- stderr
    error: compare `label:none` with what?
    hint: name the baseline first: git exp compare <baseline> <candidate>
    ");
}

#[test]
fn one_change_in_a_declared_configuration_file_is_one_axis() {
    let lab = TestLab::with_commit();
    lab.write(
        "exp.toml",
        "[config]\nfiles = [\"train.toml\"]\n[metrics.loss]\nbetter = \"lower\"\nkind = \"quality\"\n",
    );
    lab.script("train.sh", "echo METRIC loss=$(($(cat train.toml) + GIT_EXP_SEED))");
    for (label, width, other) in [("a", "16", "x"), ("b", "64", "x"), ("c", "64", "y")] {
        lab.write("train.toml", width);
        lab.write("other", other);
        lab.commit_all(label);
        lab.exp_ok(["run", "-n", "3", "--label", label, "--", "./train.sh"]);
    }
    assert_eq!(
        lab.exp_json(["compare", "label:a", "label:b"])[0]["axes"],
        serde_json::json!(["configuration"])
    );
    let both = serde_json::json!(["code", "configuration"]);
    assert_eq!(lab.exp_json(["compare", "label:a", "label:c"])[0]["axes"], both);
}

#[test]
fn the_instructions_that_libtorch_may_use_are_told_where_two_runs_differ_in_them() {
    let lab = TestLab::with_commit();
    let recorded = |label: &str, capability: Option<&str>| {
        let words = ["run", "--label", label, "--", "sh", "-c", "echo METRIC loss=1 better=lower"];
        let mut command = lab.exp_command(words);
        command.envs(capability.map(|it| ("ATEN_CPU_CAPABILITY", it)));
        assert_eq!(command.output().expect("it can be started").status.code(), Some(0));
        let runs = lab.exp_json(["runs", "--filter", &format!("label = {label}")]);
        runs[0]["run"].as_str().expect("a run").to_owned()
    };
    let (plain, slow) = (recorded("plain", None), recorded("slow", Some("default")));
    let axes = &lab.exp_json(["diff", &plain, &slow])[0]["axes"];
    assert_eq!(*axes, serde_json::json!(["environment"]));
    let told = lab.exp_ok(["diff", &plain, &slow]);
    assert!(told.contains("variables.ATEN_CPU_CAPABILITY") && !told.contains("but for repetition"), "{told}");
    let compared = lab.exp_ok(["compare", "label:plain", "label:slow"]);
    assert!(compared.contains("not like with like: environment differ"), "{compared}");
}
