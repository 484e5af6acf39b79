//! Budgets and stop guards: what a run may cost, and what ends it before its time.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::TestLab;

/// A laboratory with the registered experiment `20261121-thing`, whose worktree is `.worktrees/20261121-thing`.
fn with_budget(budget: &str) -> TestLab {
    let lab = TestLab::with_commit();
    register(&lab, budget);
    lab
}

fn register(lab: &TestLab, budget: &str) {
    lab.exp_ok(["new", "thing", "--hypothesis", "h", "--change", "c", "--baseline", "main"]);
    let promises = ["--accept", "t <= -8%", "--no-guard", "none", "--budget", budget];
    lab.exp_ok(["brief", ID].into_iter().chain(promises));
}

const ID: &str = "20261121-thing";

/// Runs `script` for the experiment.
fn run(lab: &TestLab, options: &[&str], script: &str) -> Output {
    let words = ["run", "-e", ID].into_iter().chain(options.iter().copied());
    lab.exp_output(words.chain(["--", "sh", "-c", script]))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// All runs, the newest first.
fn runs(lab: &TestLab) -> Vec<Value> {
    lab.exp_json(["runs"])
}

fn newest(lab: &TestLab) -> Value {
    runs(lab).swap_remove(0)
}

#[test]
fn a_run_that_passes_its_wall_budget_is_stopped_with_all_it_started() {
    let lab = with_budget("wall=600ms,runs=9");
    let child = format!("while :; do echo >>{}/alive; sleep 0.02; done & wait", lab.path().display());
    let begin = Instant::now();
    let output = run(&lab, &["-n", "3"], &child);
    assert!(begin.elapsed() < Duration::from_secs(20), "{}", said(&output));
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    let all = runs(&lab);
    assert_eq!(all.len(), 1, "no further trial starts: {}", said(&output));
    assert_eq!(
        (&all[0]["status"], &all[0]["reason"]),
        (&"killed".into(), &"the experiment's budget of 600 ms wall time is spent".into())
    );
    assert!(said(&output).contains("the budget of 20261121-thing is spent"), "{}", said(&output));
    let signs_of_life = lab.read("alive").len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(lab.read("alive").len(), signs_of_life, "what it started is dead too");

    insta::assert_snapshot!(lab.steady(&said(&run(&lab, &[], "true"))), @"
    error: cannot run `20261121-thing`, because its budget is spent
      caused by: its runs took <time> of <time> wall time
    hint: `git exp brief 20261121-thing --budget wall=1s200ms,runs=9` amends it, which every view shows from then on
    ");
    let status = lab.exp_json(["status"]);
    assert_eq!(status[0]["budget_left"]["spent"], false, "nobody is in the experiment's worktree");
    let mut command = lab.exp_command(["status"]);
    command.current_dir(lab.path().join(".worktrees").join(ID));
    let page = String::from_utf8(command.output().expect("git-exp can be started").stdout).expect("text");
    assert!(
        page.contains("the 600 ms of wall time are spent") && page.contains("8 of 9 runs left"),
        "{page}"
    );

    lab.exp_ok(["brief", ID, "--budget", "wall=1h"]);
    assert_eq!(run(&lab, &[], "true").status.code(), Some(0), "an amended budget lets it go on");
}

#[test]
fn a_command_that_takes_the_signal_for_a_request_has_failed_all_the_same() {
    let lab = with_budget("wall=300ms");
    let output = run(&lab, &[], "trap 'exit 0' TERM; sleep 60 & wait");
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    assert_eq!(newest(&lab)["status"], "killed");
}

#[test]
fn what_is_left_and_what_it_will_take_is_said_ahead() {
    let lab = with_budget("wall=2h,runs=3");
    insta::assert_snapshot!(lab.exp(["run", "-e", ID, "--", "true"]), @"
    exit: 0
    --- stderr
    budget of 20261121-thing: 2 h of 2 h wall time, 3 of 3 runs left
    recorded <id 1> 20261121-thing: ok, <time>
    plain `git log` shows results from now on (`notes.displayRef` is set in this repository)
    ");
    insta::assert_snapshot!(lab.exp(["run", "-e", ID, "-n", "2", "--", "true"]), @"
    exit: 0
    --- stderr
    budget of 20261121-thing: 2 h of 2 h wall time, 2 of 3 runs left; 2 trials of about <time> are expected to take <time>
    recorded <id 2> 20261121-thing trial 1/2 seed 1: ok, <time>
    recorded <id 3> 20261121-thing trial 2/2 seed 2: ok, <time>
    ");
}

#[test]
fn only_as_many_trials_start_as_runs_are_left() {
    let lab = with_budget("runs=2");
    let output = run(&lab, &["-n", "5"], "true");
    assert_eq!(output.status.code(), Some(125), "not all that was asked for ran");
    assert!(said(&output).contains("only 2 of 5 trials can run"), "{}", said(&output));
    assert_eq!(runs(&lab).len(), 2);
    insta::assert_snapshot!(said(&run(&lab, &[], "true")), @"
    error: cannot run `20261121-thing`, because its budget is spent
      caused by: it has 2 of 2 runs
    hint: `git exp brief 20261121-thing --budget runs=4` amends it, which every view shows from then on
    ");
    // What was done before costs nothing.
    let output = run(&lab, &["--once", "-n", "2"], "true");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn runs_under_way_elsewhere_count() {
    let lab = with_budget("runs=2");
    let script =
        format!("touch {0}/begun; while test ! -e {0}/go; do sleep 0.05; done", lab.path().display());
    let words = ["run", "-e", ID, "--", "sh", "-c", &script];
    let mut first = quiet(lab.exp_command(words)).spawn().expect("git-exp can be started");
    while !lab.path().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = run(&lab, &["-n", "2"], "true");
    lab.write("go", "");
    assert!(first.wait().expect("it ends").success());
    assert!(said(&output).contains("1 of 2 runs left; only 1 of 2 trials can run"), "{}", said(&output));
    assert_eq!(runs(&lab).len(), 2);
}

#[test]
fn the_time_of_runs_under_way_elsewhere_counts() {
    let lab = with_budget("wall=3s");
    let start = |script: String| {
        let mut command = quiet(lab.exp_command(["run", "-e", ID, "--", "sh", "-c", &script]));
        command.env_remove("GIT_EXP_NOW").spawn().expect("git-exp can be started")
    };
    let mut first = start(format!("touch {}/begun; sleep 60", lab.path().display()));
    while !lab.path().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    let mut second = start("sleep 60".to_owned());
    assert_eq!(second.wait().expect("it ends").code(), Some(143));
    let took = newest(&lab)["wall_seconds"].as_f64().expect("a number");
    assert!(took < 2.0, "one second was spent and two spend the rest twice as fast, but it ran for {took} s");
    assert_eq!(first.wait().expect("it ends").code(), Some(143));
}

#[test]
fn a_broken_stop_guard_ends_the_run_and_is_its_reason() {
    let lab = TestLab::with_commit();
    for (guard, script, reason) in [
        (
            "val_loss > 10",
            "echo METRIC val_loss=12.5 step=300; sleep 60",
            "the stop guard `val_loss > 10` was broken: val_loss is 12.5 at step 300",
        ),
        (
            "non-finite",
            "echo '{\"loss\": NaN}' >>$GIT_EXP_METRICS; sleep 60",
            "the stop guard `non-finite` was broken: loss is NaN",
        ),
        (
            "no output for 300ms",
            "echo begin; sleep 60",
            "the stop guard `no output for 300ms` was broken: nothing was written for 300ms",
        ),
    ] {
        let output = lab.exp_output(["run", "--stop-if", guard, "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(143), "{}", said(&output));
        let run = newest(&lab);
        assert_eq!((&run["status"], &run["reason"]), (&"killed".into(), &reason.into()));
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
}

#[test]
fn a_run_that_keeps_to_its_guards_goes_on() {
    let lab = TestLab::with_commit();
    let script = "for step in 1 2 3 4 5 6; do echo METRIC loss=$step; sleep 0.15; done";
    let guards = ["--stop-if", "loss > 6", "--stop-if", "non-finite", "--stop-if", "no output for 700ms"];
    lab.exp_ok(["run"].into_iter().chain(guards).chain(["--", "sh", "-c", script]));
    assert_eq!(newest(&lab)["status"], "ok");
}

#[test]
fn a_stop_guard_that_cannot_be_read_is_refused() {
    let lab = TestLab::with_commit();
    insta::assert_snapshot!(lab.exp(["run", "--stop-if", "loss above 3", "--", "true"]), @"
    exit: 125
    --- stderr
    error: cannot read the stop guard `loss above 3`
      caused by: `loss above 3` is not a stop guard; write it as `val_loss > 10`, `non-finite`, `val_loss non-finite` or `no output for 10m`
    ");
}

#[test]
fn an_experiment_cannot_loosen_the_guards_of_the_main_branch() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[budget]\nstop-if = \"loss > 3\"\naccelerators = 2\n");
    lab.commit_all("guard");
    register(&lab, "wall=1h");
    let own = format!(".worktrees/{ID}/exp.toml");
    lab.write(&own, "[budget]\nstop-if = \"loss > 99\"\naccelerators = 0\n");
    let output = run(&lab, &[], "echo METRIC loss=4; sleep 60");
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    let run = newest(&lab);
    assert_eq!(run["reason"], "the stop guard `loss > 3` was broken: loss is 4");
    assert_eq!(run["accelerators"], 2);
}

#[test]
fn runs_are_charged_for_the_accelerators_that_the_team_agreed_on() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[budget]\naccelerators = 2\n");
    lab.commit_all("two");
    register(&lab, "accelerator=800ms");
    assert_eq!(run(&lab, &[], "sleep 0.2").status.code(), Some(0));
    let told = newest(&lab);
    assert_eq!(told["accelerators"], 2);
    let experiment = lab.exp_json(["show", ID]).swap_remove(0);
    let seconds = |name: &str| experiment[name].as_f64().expect("a number");
    assert!((seconds("accelerator_seconds") - 2.0 * seconds("wall_seconds")).abs() < 1e-9, "{experiment}");
    let page = lab.exp_ok(["show", ID]);
    assert!(page.contains("of accelerator time"), "{page}");

    let begin = Instant::now();
    let output = run(&lab, &[], "sleep 60");
    assert!(begin.elapsed() < Duration::from_secs(20), "{}", said(&output));
    assert!(said(&output).contains("of accelerator time"), "the forecast says so: {}", said(&output));
    assert_eq!(
        newest(&lab)["reason"],
        "the experiment's budget of 800 ms accelerator time is spent",
        "{}",
        said(&output)
    );
    let refused = said(&run(&lab, &[], "true"));
    assert!(refused.contains("--budget accelerator=1s600ms"), "{refused}");
}

#[test]
fn the_runs_of_a_pair_are_charged_to_the_side_they_belong_to() {
    let lab = with_budget("runs=3");
    let output = run(&lab, &["--against", "main", "-n", "5"], "true");
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    let all = runs(&lab);
    let of = |name: &str| all.iter().filter(|run| run["experiment"] == name).count();
    // A warm-up and two pairs.
    assert_eq!((all.len(), of(ID)), (6, 3), "{}", said(&output));
}
