//! The table of results that other tools read, and large runs that are announced.

use crate::lab::TestLab;

fn lab(rules: &str) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", format!("[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n{rules}"));
    lab.write(".gitignore", "results.tsv\ntold.json\n");
    lab.script("announce.sh", "cat > told.json; test ! -e refuse || { echo 'no room tonight' >&2; exit 1; }");
    lab.commit_all("a metric");
    lab
}

#[test]
fn the_table_is_kept_in_the_main_worktree_whatever_worktree_a_run_was_in() {
    let lab = lab(
        "[export]\nfile = \"results.tsv\"\ncolumns = [\"experiment\", \"val_loss\", \"lr\", \"status\", \"description\"]\n",
    );
    let brief = [
        "--hypothesis",
        "h",
        "--change",
        "prefetch\tfour",
        "--baseline",
        "main",
        "--accept",
        "val_loss <= -1%",
    ];
    lab.exp_ok(["topic", "new", "moe", "--prefix", "A"]);
    lab.exp_ok(
        ["new", "first", "--topic", "moe", "--no-guard", "x", "--budget", "runs=9"].into_iter().chain(brief),
    );
    lab.exp_ok(["run", "-e", "A-001", "--param", "lr=3e-4", "--", "echo", "METRIC val_loss=0.5"]);
    lab.exp(["run", "-e", "A-001", "--", "false"]);
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp_ok(["run", "--label", "by hand", "--", "echo", "METRIC val_loss=0.7"]);
    let lines: Vec<String> = lab.read("results.tsv").lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "experiment\tval_loss\tlr\tstatus\tdescription");
    let mut first = lines[1..3].to_vec();
    first.sort();
    assert_eq!(first, ["A-001\t\t\tfailed\tprefetch\\tfour", "A-001\t0.5\t3e-4\tok\tprefetch\\tfour"]);
    assert_eq!(lines[3], "20261121-scratch\t0.7\t\tok\tby hand");
    let before = lab.read("results.tsv");
    std::fs::remove_file(lab.path().join("results.tsv")).expect("it is there");
    lab.exp_ok(["export", "--write"]);
    assert_eq!(lab.read("results.tsv"), before, "it is a view");
    assert_eq!(
        lab.exp_ok([
            "export",
            "--columns",
            "experiment,val_loss",
            "--format",
            "csv",
            "--filter",
            "status = ok"
        ])
        .lines()
        .count(),
        3
    );
}

#[test]
fn runs_that_end_at_once_are_all_in_the_table() {
    let lab = lab("[export]\nfile = \"results.tsv\"\n");
    let runs: Vec<_> = (0..8)
        .map(|number| {
            let mut run = lab.exp_command(["run", "--", "echo", &format!("METRIC val_loss={number}")]);
            std::thread::spawn(move || assert!(run.output().expect("it starts").status.success()))
        })
        .collect();
    for run in runs {
        run.join().expect("it ends well");
    }
    assert_eq!(lab.read("results.tsv").lines().count(), 9);
}

#[test]
fn what_cannot_be_exported_is_told() {
    let plain = lab("");
    insta::assert_snapshot!(plain.exp(["export", "--write"]), @r#"
    exit: 2
    --- stderr
    error: `[export]` names no file
    hint: in `exp.toml` on the main branch: [export] file = "results.tsv"
    "#);
    for file in ["../out.tsv", "/tmp/out.tsv", ".git/config"] {
        let lab = lab(&format!("[export]\nfile = \"{file}\"\n"));
        let output = lab.exp_output(["run", "--", "true"]);
        assert_eq!(output.status.code(), Some(125), "{file}");
    }
}

#[test]
fn large_runs_are_announced_and_can_be_refused() {
    let lab = lab("[notify]\ncommand = \"./announce.sh\"\nabove = \"runs=3\"\n");
    lab.exp_ok(["run", "--", "true"]);
    assert!(!lab.path().join("told.json").exists(), "one run is not large");
    lab.exp_ok(["run", "-n", "3", "--", "true"]);
    let told: serde_json::Value = serde_json::from_str(&lab.read("told.json")).expect("it is JSON");
    assert_eq!((told["trials"].as_u64(), told["command"].as_str()), (Some(3), Some("true")));
    lab.write("refuse", "");
    insta::assert_snapshot!(lab.exp(["run", "-n", "3", "--", "true"]), @"
    exit: 125
    --- stderr
    announced, as `[notify]` asks for
    error: the run was announced, and refused
      caused by: `sh -c ./announce.sh` ended with exit status: 1: no room tonight
    hint: `[notify]` in `exp.toml` says who is told; its command exits with 0 to let the run start
    ");
    assert_eq!(lab.exp_json(["runs"]).len(), 4, "nothing ran");
}
