//! What a run of the harness leaves behind, and what the rest of the program makes of it.

use serde_json::Value;

use crate::lab::TestLab;
use crate::short;

/// `git exp run -- git exp bench run …`, with the words of a short measurement.
fn record(lab: &TestLab, workload: &str, more: &[&str]) {
    let words = ["run", "--", "git", "exp"].into_iter().chain(short(workload, more));
    lab.exp_ok(words);
}

#[test]
fn a_run_keeps_what_is_needed_to_believe_it() {
    let lab = TestLab::with_commit();
    record(&lab, "matmul", &["--set", "a=64x32", "--set", "b=32x16", "--set", "dtype=bf16"]);
    let run = lab.exp_json(["runs"]).remove(0);
    assert_eq!(run["status"], "ok");
    assert!(run["metrics"]["time_hot"]["value"].as_f64().unwrap() > 0.0);
    assert_eq!(run["metrics"]["time_hot"]["unit"], "ms");
    let page = lab.exp_ok(["show", run["run"].as_str().unwrap()]);
    for expected in ["64x32", "32x16", "bf16", "cpu"] {
        assert!(page.contains(expected), "`{expected}` is missing from:\n{page}");
    }
    let tree = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/data"]);
    let files = lab.git(["ls-tree", "-r", "--name-only", tree.trim()]);
    for file in [
        "summary.json",
        "device.json",
        "flags.json",
        "environment.json",
        "samples.csv",
        "matmul.toml",
        "command.txt",
        "inputs.txt",
    ] {
        assert!(files.contains(&format!("bench/{file}")), "`{file}` is missing from:\n{files}");
    }
}

#[test]
fn other_shapes_are_not_like_with_like() {
    let lab = TestLab::with_commit();
    for (label, shape) in [("one", "b=32x16"), ("other", "b=32x24")] {
        for _ in 0..3 {
            let words = ["run", "--label", label, "--", "git", "exp"].into_iter();
            lab.exp_ok(words.chain(short("matmul", &["--set", "a=64x32", "--set", shape])));
        }
    }
    let comparison: Value = lab.exp_json(["compare", "label:one", "label:other"]).remove(0);
    let warnings = comparison["warnings"].to_string();
    assert!(warnings.contains("not like with like"), "{warnings}");
    assert_ne!(comparison["verdict"], "accept");
}

#[test]
fn a_workload_of_the_repository_goes_before_a_preset() {
    let lab = TestLab::with_commit();
    lab.write("bench/softmax.toml", "description = \"ours\"\n[op]\nname = \"softmax\"\ninput = \"4x4\"\n");
    let listed = lab.exp_json(["bench", "list"]);
    let softmax = listed.iter().find(|it| it["name"] == "softmax").unwrap();
    assert_eq!((&softmax["source"], &softmax["description"]), (&"bench/softmax.toml".into(), &"ours".into()));
    assert!(listed.iter().any(|it| it["name"] == "matmul" && it["source"] == "preset"));
}

#[test]
fn a_seal_freezes_the_bundle_and_is_verified() {
    let lab = TestLab::with_commit();
    lab.write(
        "exp.toml",
        "[metrics.time_hot]\nbetter = \"lower\"\nkind = \"measured\"\n[metrics.error]\nbetter = \"lower\"\nkind = \"quality\"\n",
    );
    let workload = |back_end: &str| {
        format!(
            "[op]\nname = \"attention\"\nquery = \"1x2x64x16\"\nkey = \"1x2x64x16\"\nvalue = \"1x2x64x16\"\nbackend = \"{back_end}\"\n"
        )
    };
    lab.write("bench/step.toml", workload("math"));
    lab.commit_all("measure attention");
    lab.exp_ok(["topic", "new", "speed", "--prefix", "S", "--goal", "a faster step"]);
    let brief =
        ["--hypothesis", "h", "--change", "flash", "--accept", "error <= 1e-4", "--no-guard", "a test"];
    let rest =
        ["--budget", "runs=50", "--topic", "speed", "--baseline", "main", "--trials", "3", "--no-worktree"];
    lab.exp_ok(["new", "flash"].iter().chain(&brief).chain(&rest));
    lab.git(["switch", "--quiet", "exp/S-001"]);
    lab.write("bench/step.toml", workload("flash"));
    lab.commit_all("use flash attention");
    let words = ["run", "-n", "3", "--against", "main", "--", "git", "exp"].into_iter();
    lab.exp_ok(words.chain(short("step", &[])));
    lab.exp_ok(["decide", "S-001", "accept", "--because", "the same error", "--next", "the model"]);
    lab.exp_ok(["seal", "S-001", "--incomplete"]);
    let files = lab.git(["ls-tree", "-r", "--name-only", "sealed/S-001"]);
    for file in [
        "bench/device.json",
        "bench/flags.json",
        "bench/samples.csv",
        "bench/summary.json",
        "bench/step.toml",
    ] {
        let kept =
            files.lines().filter(|path| path.starts_with(".exp/files/") && path.ends_with(file)).count();
        assert!(kept >= 3, "`{file}` is missing from:\n{files}");
    }
    lab.exp_ok(["verify", "sealed/S-001"]);
}
