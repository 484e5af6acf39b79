//! Running and recording: what a command is given, how it reports, and what is kept of it.

use std::process::{Command, Stdio};

use crate::lab::TestLab;

fn newest(lab: &TestLab) -> serde_json::Value {
    lab.exp_json(["runs", "--limit", "1"])[0].clone()
}

#[test]
fn the_three_ways_of_reporting_work_at_once() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.bpb]\nmatch = '^bpb: (\\S+)'\nbetter = \"lower\"\nunit = \"bits\"\n");
    lab.script(
        "work.sh",
        "echo 'METRIC loss=0.5 step=1'; echo 'METRIC loss=0.25 step=2 better=lower' >&2
        echo 'METRIC step_time=12.5 unit=ms case=b8'; echo 'METRIC step_time=25 unit=ms case=b16'
        echo 'INPUT name=x shape=8x1024 dtype=bf16 device=cuda:0'
        echo '{\"acc\":0.9,\"step\":10}' >> \"$GIT_EXP_METRICS\"
        echo 'bpb: 1.75'",
    );
    lab.commit_all("work");
    lab.exp_ok(["run", "--", "./work.sh"]);
    let run = newest(&lab);
    assert_eq!(run["metrics"]["loss"]["value"], 0.25);
    assert_eq!(run["metrics"]["acc"]["value"], 0.9);
    assert_eq!(run["metrics"]["bpb"]["value"], 1.75);
    assert_eq!(run["metrics"]["bpb"]["unit"], "bits");
    assert_eq!(run["metrics"]["step_time"]["cases"]["b16"]["value"], 25.0);
    for name in ["wall_time", "cpu_time", "peak_rss"] {
        assert!(run["metrics"][name]["value"].as_f64().is_some_and(|value| value >= 0.0), "{name}");
    }
    let id = run["run"].as_str().expect("an ID");
    assert!(lab.exp_ok(["show", id]).contains("8x1024"));
    assert!(lab.exp_ok(["show", id, "--file", "series.jsonl"]).contains("[0.5,0.25]"));
}

#[test]
fn the_command_is_given_its_experiment_trial_seed_parameters_and_folders() {
    let lab = TestLab::with_commit();
    lab.script(
        "work.sh",
        "echo \"$GIT_EXP_ID $GIT_EXP_TRIAL $GIT_EXP_SEED\"; cat \"$GIT_EXP_PARAMS\"; echo kept > \"$GIT_EXP_OUT/model.txt\"
        test -d \"$GIT_EXP_STATE\"; echo \"$WANDB_NAME\" | grep -q \"^$GIT_EXP_ID-\"; test ${#GIT_EXP_RUN} = 32",
    );
    lab.commit_all("work");
    let output =
        lab.exp_ok(["run", "-n", "2", "--param", "lr=3e-4", "--param", "name=tiny", "--", "./work.sh"]);
    assert_eq!(
        output,
        "20261121-scratch 1 1\n{\"lr\":0.0003,\"name\":\"tiny\"}20261121-scratch 2 2\n{\"lr\":0.0003,\"name\":\"tiny\"}"
    );
    let run = newest(&lab);
    assert_eq!((&run["seed"], &run["trial"], &run["params"]["lr"]), (&2.into(), &2.into(), &"3e-4".into()));
    let id = run["run"].as_str().expect("an ID");
    assert_eq!(lab.exp_ok(["show", id, "--file", "out/model.txt"]), "kept\n");
}

#[test]
fn the_commands_own_status_is_passed_on_and_recorded() {
    let lab = TestLab::with_commit();
    for (script, code, status) in [
        ("exit 0", 0, "ok"),
        ("exit 7", 7, "failed"),
        ("kill -TERM $$", 143, "killed"),
        ("echo METRIC loss=nan", 0, "diverged"),
    ] {
        let output = lab.exp_output(["run", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert_eq!(newest(&lab)["status"], status, "{script}");
    }
    let output = lab.exp_output(["run", "--", "./no-such-program"]);
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(newest(&lab)["status"], "failed");
}

#[test]
fn a_time_limit_ends_the_command_and_all_it_started() {
    let lab = TestLab::with_commit();
    let output = lab.exp_output(["run", "--timeout", "300ms", "--", "sh", "-c", "sleep 60 & sleep 60"]);
    assert_eq!(newest(&lab)["status"], "timeout", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn malformed_reports_are_counted_and_shown_and_the_run_is_kept() {
    let lab = TestLab::with_commit();
    let script = "echo 'METRIC loss'; echo 'METRIC =3'; echo 'METRIC loss=abc'; echo 'METRIC loss=1'; echo nonsense >> $GIT_EXP_METRICS";
    let said = lab.exp(["run", "--", "sh", "-c", script]);
    assert!(said.contains("4 report lines could not be read"), "{said}");
    let run = newest(&lab);
    assert_eq!(run["metrics"]["loss"]["value"], 1.0);
    let page = lab.exp_ok(["show", run["run"].as_str().expect("an ID")]);
    assert!(page.contains("abc"), "{page}");
}

#[test]
fn what_was_done_before_is_not_done_again() {
    let lab = TestLab::with_commit();
    let words = ["run", "--once", "-n", "2", "--", "true"];
    lab.exp_ok(words);
    let said = lab.exp(words);
    assert_eq!(said.matches("was done before").count(), 2, "{said}");
    assert_eq!(lab.exp_json(["runs"]).len(), 2);
}

#[test]
fn what_a_trial_leaves_in_the_worktree_is_not_code_of_the_next() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["run", "-n", "3", "--", "sh", "-c", "echo $GIT_EXP_SEED > result.txt"]);
    let commits: Vec<_> = lab.exp_json(["runs"]).into_iter().map(|run| run["commit"].clone()).collect();
    assert_eq!(commits, vec![commits[0].clone(); 3]);
}

#[test]
fn binary_output_passes_through_byte_for_byte() {
    let lab = TestLab::with_commit();
    lab.write("bytes", (0..=255u8).cycle().take(100_000).collect::<Vec<u8>>());
    lab.commit_all("bytes");
    let output = lab.exp_output(["run", "--", "cat", "bytes"]);
    assert_eq!(output.stdout, std::fs::read(lab.path().join("bytes")).expect("the file"));
}

#[test]
fn a_gibibyte_of_output_needs_little_memory_and_is_kept_in_part() {
    let lab = TestLab::with_commit();
    let mut command = Command::new("sh");
    let program = lab.exp_command(["run", "--", "sh", "-c", "yes 'some output' | head -c 1073741824"]);
    command
        .arg("-c")
        .arg("ulimit -v 1500000; exec \"$@\"")
        .arg("sh")
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let status = command.current_dir(lab.path()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("sh starts").success());
    let run = newest(&lab);
    assert_eq!(run["status"], "ok");
    let id = run["run"].as_str().expect("an ID");
    let kept = lab.exp_output(["show", id, "--stdout"]).stdout;
    assert!(kept.len() < 16 << 20, "{} bytes were kept", kept.len());
}

#[test]
fn a_million_points_are_kept() {
    let lab = TestLab::with_commit();
    let script = "seq 1 1000000 | sed 's/.*/METRIC loss=0.& step=&/'";
    let mut command = lab.exp_command(["run", "--", "sh", "-c", script]);
    assert!(command.stdout(Stdio::null()).status().expect("git-exp starts").success());
    let run = newest(&lab);
    assert_eq!(run["metrics"]["loss"]["value"], 0.1);
    let id = run["run"].as_str().expect("an ID");
    let series = lab.exp_ok(["show", id, "--file", "series.jsonl"]);
    assert_eq!(series.matches(',').count() / 1_000_000, 3, "values, steps and seconds are all there");
}

#[test]
fn artifacts_over_the_limit_are_kept_by_hash_alone() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[capture]\nmax-artifact = \"1KiB\"\n");
    lab.commit_all("limit");
    lab.exp_ok([
        "run",
        "--",
        "sh",
        "-c",
        "head -c 5000 /dev/zero > $GIT_EXP_OUT/big; echo x > $GIT_EXP_OUT/small",
    ]);
    let id = newest(&lab)["run"].as_str().expect("an ID").to_owned();
    let files = lab.exp_ok(["show", &id, "--files"]);
    assert!(files.contains("out/small") && !files.contains("out/big\n"), "{files}");
    assert!(lab.exp_ok(["show", &id]).contains("big"), "the page names it");
}

#[test]
fn a_needed_service_is_checked_first() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[needs]\nworker = \"test -e up\"\n");
    lab.commit_all("needs");
    insta::assert_snapshot!(lab.exp(["run", "--", "true"]), @r"
    exit: 125
    --- stderr
    error: `worker`, which a run needs, is not there
      caused by: `sh -c test -e up` ended with exit status: 1
    hint: start it and try again; `[needs]` in `exp.toml` says what is checked
    ");
    lab.write("up", "");
    lab.exp_ok(["run", "--", "true"]);
}

#[test]
fn an_experiment_runs_only_with_a_complete_brief_and_only_its_own_code() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["new", "thing", "--hypothesis", "h"]);
    insta::assert_snapshot!(lab.exp(["run", "-e", "20261121-thing", "--", "true"]), @r#"
    exit: 125
    --- stderr
    error: cannot run `20261121-thing`, because its brief is not complete
      caused by: it lacks: change, baseline, acceptance criterion, guardrail, budget
    hint: git exp brief 20261121-thing --change "…" --baseline <experiment, named baseline or revision> --accept 'step_time <= -8%' --guard 'val_loss <= +0.2%' or --no-guard "why" --budget wall=2h
    "#);
    lab.exp_ok([
        "brief",
        "20261121-thing",
        "--change",
        "c",
        "--baseline",
        "main",
        "--accept",
        "t <= -8%",
        "--no-guard",
        "none",
        "--budget",
        "wall=1h",
    ]);
    lab.write("README", "changed in the main worktree\n");
    let output = lab.exp_ok(["run", "-e", "20261121-thing", "--", "sh", "-c", "pwd; cat README"]);
    assert!(output.contains(".worktrees/20261121-thing\na place to experiment"), "{output}");
    let run = newest(&lab);
    assert_eq!((&run["experiment"], &run["exact"]), (&"20261121-thing".into(), &true.into()));
}

#[test]
fn git_log_shows_the_results_after_the_first_run() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["run", "--", "sh", "-c", "echo METRIC loss=0.25"]);
    let log = lab.git(["log", "-1"]);
    assert!(log.contains("Notes (exp):") && log.contains("20261121-scratch ok loss=0.25"), "{log}");
}

#[test]
fn a_scratch_run_becomes_an_experiment_with_its_code() {
    let lab = TestLab::with_commit();
    lab.write("idea.py", "x = 1\n");
    lab.exp_ok(["run", "--", "true"]);
    let id = newest(&lab)["run"].as_str().expect("an ID").to_owned();
    lab.exp_ok(["new", "promising", "--from", &id[..10], "--hypothesis", "h"]);
    assert_eq!(lab.read(".worktrees/20261121-promising/idea.py"), "x = 1\n");
}

#[test]
fn two_that_number_at_once_get_different_ids() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["topic", "new", "moe", "--prefix", "MOE"]);
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let made = lab.exp_json(["new", "x", "--topic", "moe", "--no-worktree"]);
                    made[0]["experiment"].as_str().expect("an ID").to_owned()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("it ends")).collect()
    });
    ids.sort();
    assert_eq!(ids, (1..=8).map(|number| format!("MOE-{number:03}")).collect::<Vec<_>>());
}

#[test]
fn archiving_keeps_uncommitted_work_and_restoring_brings_it_back() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["new", "thing", "--hypothesis", "h"]);
    lab.write(".worktrees/20261121-thing/unsaved.py", "work\n");
    lab.exp_ok(["archive", "20261121-thing"]);
    assert!(!lab.path().join(".worktrees/20261121-thing").exists());
    assert_eq!(lab.git(["branch", "--list", "exp/*"]), "");
    assert_eq!(lab.git(["show", "refs/exp/archive/20261121-thing:unsaved.py"]), "work\n");
    lab.exp_ok(["archive", "--restore", "20261121-thing"]);
    assert_eq!(lab.read(".worktrees/20261121-thing/unsaved.py"), "work\n");
}

#[test]
fn archiving_stops_before_files_that_no_commit_can_keep() {
    let lab = TestLab::with_commit();
    lab.write(".gitignore", "*.ckpt\n");
    lab.commit_all("ignore");
    lab.exp_ok(["new", "thing", "--hypothesis", "h"]);
    lab.write(".worktrees/20261121-thing/model.ckpt", "weights");
    let said = lab.exp(["archive", "20261121-thing"]);
    assert!(said.starts_with("exit: 2") && said.contains("model.ckpt"), "{said}");
    assert!(lab.path().join(".worktrees/20261121-thing/model.ckpt").exists());
}
