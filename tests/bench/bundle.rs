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
fn a_run_that_fails_keeps_what_was_known_before() {
    let lab = TestLab::with_commit();
    let words = short("matmul", &["--set", "a=1000000x1000000", "--set", "b=1000000x1000000"]);
    let output = lab.exp_output(["run", "--", "git", "exp"].into_iter().chain(words));
    assert_eq!(output.status.code(), Some(1));
    let tree = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/data"]);
    let files = lab.git(["ls-tree", "-r", "--name-only", tree.trim()]);
    for file in ["device.json", "flags.json", "environment.json", "matmul.toml", "command.txt"] {
        assert!(files.contains(&format!("bench/{file}")), "`{file}` is missing from:\n{files}");
    }
}

#[test]
fn an_object_on_standard_output_costs_a_run_none_of_its_metrics() {
    let lab = TestLab::with_commit();
    lab.exp_ok(
        ["run", "--", "git", "exp", "--json"]
            .into_iter()
            .chain(short("matmul", &["--set", "a=8x8", "--set", "b=8x8"])),
    );
    let run = lab.exp_json(["runs"]).remove(0);
    assert!(run["metrics"]["time_hot"]["value"].as_f64().unwrap() > 0.0, "{run:#}");
}

#[test]
fn medians_of_passes_can_be_taken_from_the_samples_again() {
    let lab = TestLab::with_commit();
    let more = [
        "--against",
        "dtype=f64",
        "--set",
        "a=32x32",
        "--set",
        "b=32x32",
        "--set",
        "passes=3",
        "--set",
        "pass-time=5ms",
    ];
    record(&lab, "matmul", &more);
    let data = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/data"]);
    let kept = |name: &str| {
        let files = lab.git(["ls-tree", "-r", "--name-only", data.trim()]);
        let path = files
            .lines()
            .find(|path| path.ends_with(name))
            .unwrap_or_else(|| panic!("{name} in {files}"))
            .to_owned();
        lab.git(["show", &format!("{}:{path}", data.trim())])
    };
    let summary: Value = serde_json::from_str(&kept("bench/summary.json")).unwrap();
    let samples = kept("bench/samples.csv");
    for variant in summary["variants"].as_array().unwrap() {
        for (pass, reported) in (1..).zip(variant["in_turn"]["passes"].as_array().unwrap()) {
            let mut seconds: Vec<f64> = samples
                .lines()
                .skip(1)
                .map(|line| line.split(',').collect::<Vec<_>>())
                .filter(|row| row[0] == variant["name"] && row[4] == i32::to_string(&pass))
                .map(|row| row[3].parse().unwrap())
                .collect();
            seconds.sort_by(f64::total_cmp);
            let middle = seconds.len() / 2;
            let median = if seconds.len() % 2 == 1 {
                seconds[middle]
            } else {
                f64::midpoint(seconds[middle - 1], seconds[middle])
            };
            let off = median / reported.as_f64().unwrap() - 1.0;
            assert!(off.abs() < 1e-9, "pass {pass}: {median} and {reported}");
        }
    }
}

/// An experiment that changes `bench/step.toml`, with three launches of each side.
fn study(lab: &TestLab, before: &str, after: &str) {
    lab.write(
        "exp.toml",
        "[metrics.time_hot]\nbetter = \"lower\"\nkind = \"measured\"\n[metrics.error]\nbetter = \"lower\"\nkind = \"quality\"\n",
    );
    lab.write("bench/step.toml", before);
    lab.commit_all("measure a step");
    lab.exp_ok(["topic", "new", "speed", "--prefix", "S", "--goal", "a faster step"]);
    let brief =
        ["--hypothesis", "h", "--change", "a step", "--accept", "error <= 1e-1", "--no-guard", "a test"];
    let rest =
        ["--budget", "runs=50", "--topic", "speed", "--baseline", "main", "--trials", "3", "--no-worktree"];
    lab.exp_ok(["new", "faster"].iter().chain(&brief).chain(&rest));
    lab.git(["switch", "--quiet", "exp/S-001"]);
    lab.write("bench/step.toml", after);
    lab.commit_all("change the step");
    // Each pair draws from a seed of its own, so that errors vary.
    let program = "git exp bench run step --set max-time=20ms --set min-time=1ms --set min-samples=2 --set ceilings=false \
                   --set caches=hot";
    lab.exp_ok(["run", "-n", "3", "--against", "main", "--", "sh", "-c", program]);
}

#[test]
fn other_shapes_are_never_accepted_and_another_dtype_is_told() {
    let product = |rows: u32, dtype: &str| {
        format!("[op]\nname = \"matmul\"\na = \"64x32\"\nb = \"32x{rows}\"\n[setting]\ndtype = \"{dtype}\"\n")
    };
    for (after, verdict, because) in [
        (product(24, "f32"), "unclear", "other shapes, or are on other devices (`b`)"),
        (product(16, "autocast"), "accept", "not like with like: inputs differ"),
    ] {
        let lab = TestLab::with_commit();
        study(&lab, &product(16, "f32"), &after);
        let comparison: Value = lab.exp_json(["compare"]).remove(0);
        assert_eq!(comparison["verdict"], verdict, "{comparison:#}");
        assert_eq!(comparison["like_with_like"], false);
        let said = format!("{}{}", comparison["reasons"], comparison["warnings"]);
        assert!(said.contains(because), "{said}");
    }
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
    let workload = |back_end: &str| {
        format!(
            "[op]\nname = \"attention\"\nquery = \"1x2x64x16\"\nkey = \"1x2x64x16\"\nvalue = \"1x2x64x16\"\nbackend = \"{back_end}\"\n"
        )
    };
    study(&lab, &workload("math"), &workload("flash"));
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
