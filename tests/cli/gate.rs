//! The gate: a smoke command that must have passed for this code before it really runs.

use std::process::Stdio;

use crate::lab::TestLab;

/// A repository whose team agreed on a smoke command, with the experiment `A-001`, whose branch is checked out.
///
/// The smoke command notes each time it runs, and passes unless the file `broken` is there.
fn lab(gate: &str) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", format!("[gate]\n{gate}\n"));
    lab.write(".gitignore", "smokes\nran\n.worktrees\n");
    lab.script(
        "smoke.sh",
        "echo smoke >> smokes; echo looking; test ! -f broken || { echo 'it is broken' >&2; exit 3; }",
    );
    lab.script("train.sh", "echo run >> ran; echo METRIC val_loss=1");
    lab.commit_all("a model and its smoke test");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let brief = ["--hypothesis", "h", "--change", "c", "--accept", "val_loss <= -5%", "--no-guard", "a test"];
    let rest = ["--topic", "mixing", "--baseline", "main", "--budget", "runs=50", "--no-worktree"];
    lab.exp_ok(["new", "first"].into_iter().chain(brief).chain(rest));
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab
}

const SMOKE: &str = "smoke = \"./smoke.sh\"";

/// How often the smoke command and the real one ran.
fn counted(lab: &TestLab) -> (usize, usize) {
    let lines =
        |file: &str| std::fs::read_to_string(lab.path().join(file)).map_or(0, |text| text.lines().count());
    (lines("smokes"), lines("ran"))
}

#[test]
fn the_smoke_command_runs_once_for_a_code_and_then_the_real_one() {
    let lab = lab(SMOKE);
    insta::assert_snapshot!(lab.exp(["run", "--", "./train.sh"]), @"
    exit: 0
    --- stdout
    METRIC val_loss=1
    --- stderr
    budget of A-001: 50 of 50 runs left
    the smoke test comes first: ./smoke.sh
    looking
    the smoke test passed (<id 1>)
    recorded <id 2> A-001: ok, <time>, val_loss 1
    plain `git log` shows results from now on (`notes.displayRef` is set in this repository)
    ");
    assert_eq!(counted(&lab), (1, 1));
    insta::assert_snapshot!(lab.exp(["run", "-n", "3", "--", "./train.sh"]), @"
    exit: 0
    --- stdout
    METRIC val_loss=1
    METRIC val_loss=1
    METRIC val_loss=1
    --- stderr
    budget of A-001: 49 of 50 runs left; 3 trials of about <time> are expected to take <time>
    recorded <id 3> A-001 trial 1/3 seed 1: ok, <time>, val_loss 1
    recorded <id 4> A-001 trial 2/3 seed 2: ok, <time>, val_loss 1
    recorded <id 5> A-001 trial 3/3 seed 3: ok, <time>, val_loss 1
    ");
    assert_eq!(counted(&lab), (1, 4));
    lab.write("model.py", "another model\n");
    lab.exp_ok(["run", "--", "./train.sh"]);
    assert_eq!(counted(&lab), (2, 5), "other code needs a pass of its own");
    let smokes = lab.exp_json(["log", "--kind", "smoke"]);
    assert_eq!(smokes.len(), 2, "{smokes:#?}");
}

#[test]
fn code_that_does_not_pass_does_not_run() {
    let lab = lab(SMOKE);
    lab.write("broken", "");
    insta::assert_snapshot!(lab.exp(["run", "--", "./train.sh"]), @"
    exit: 125
    --- stderr
    budget of A-001: 50 of 50 runs left
    the smoke test comes first: ./smoke.sh
    looking
    it is broken
    error: the smoke test did not pass, so nothing was run
      caused by: it exited with 3
    hint: mend the code, and try: git exp run --smoke
    ");
    assert_eq!(counted(&lab), (1, 0));
    assert!(lab.exp_json(["runs"]).is_empty());
    let smokes = lab.exp_json(["log", "--kind", "smoke"]);
    insta::assert_snapshot!(lab.exp(["show", smokes[0]["entry"].as_str().expect("it has an ID")]), @"
    exit: 0
    --- stdout
    smoke <id 1>  A-001  just now
      by           Ada Lovelace <ada@example.org>
      written      2026-11-21 12:00:00 +00:00
      recorded by  <id 2>
      result       failed
      command      sh -c ./smoke.sh
      commit       <id 3>
      took <time>
      reason       it exited with 3
    ");
}

#[test]
fn the_smoke_command_can_be_run_alone() {
    let lab = lab(SMOKE);
    insta::assert_snapshot!(lab.exp(["run", "--smoke"]), @"
    exit: 0
    --- stderr
    looking
    the smoke test passed (<id 1>)
    ");
    lab.exp_ok(["run", "--", "./train.sh"]);
    assert_eq!(counted(&lab), (1, 1), "what passed alone need not pass again");
    lab.write("broken", "");
    insta::assert_snapshot!(lab.exp(["run", "--smoke"]), @"
    exit: 3
    --- stderr
    looking
    it is broken
    the smoke test failed (<id 2>): it exited with 3
    ");
    let smoke = lab.exp_output(["--json", "run", "--smoke"]);
    let smoke: serde_json::Value = serde_json::from_slice(&smoke.stdout).expect("it is JSON");
    assert_eq!(smoke["schema"], "git-exp/smoke/1");
    assert_eq!((&smoke["passed"], &smoke["exit"]), (&false.into(), &3.into()));
    insta::assert_snapshot!(lab.exp(["run", "--smoke", "--", "./train.sh"]), @"
    exit: 125
    --- stderr
    error: the argument '--smoke' cannot be used with '[COMMAND]...'

    Usage: git exp run --smoke [COMMAND]...

    For more information, try '--help'.
    ");
}

#[test]
fn without_an_agreed_smoke_command_there_is_none_to_run() {
    let lab = lab("");
    lab.write("exp.toml", format!("[gate]\n{SMOKE}\n"));
    insta::assert_snapshot!(lab.exp(["run", "--smoke"]), @r#"
    exit: 125
    --- stderr
    error: there is no smoke command
      caused by: `exp.toml` on the topic's branch or the main branch names none
    hint: name it there: [gate] smoke = "make smoke"
    "#);
}

#[test]
fn an_experiment_cannot_loosen_its_gate() {
    let lab = lab(SMOKE);
    lab.write("exp.toml", "[gate]\nsmoke = \"true\"\n");
    lab.write("broken", "");
    lab.commit_all("an easier gate");
    assert_eq!(lab.exp_output(["run", "--", "./train.sh"]).status.code(), Some(125));
    assert_eq!(counted(&lab), (1, 0));
}

#[test]
fn a_run_without_an_experiment_passes_the_gate_where_it_is_agreed_on() {
    let free = lab(SMOKE);
    free.git(["switch", "--quiet", "main"]);
    free.exp_ok(["run", "--", "./train.sh"]);
    assert_eq!(counted(&free), (0, 1));
    let gated = lab(&format!("{SMOKE}\nscratch = true"));
    gated.git(["switch", "--quiet", "main"]);
    gated.exp_ok(["run", "--", "./train.sh"]);
    assert_eq!(counted(&gated), (1, 1));
    gated.exp_ok(["ab", "-n", "2", "./train.sh", "./train.sh --fast"]);
    assert_eq!(counted(&gated), (1, 7));
    gated.write("broken", "");
    insta::assert_snapshot!(gated.exp(["ab", "-n", "2", "./train.sh", "./train.sh --fast"]), @"
    exit: 2
    --- stderr
    the smoke test comes first: ./smoke.sh
    error: the smoke test did not pass, so nothing was run
      caused by: it exited with 3
      caused by: its last lines:
        it is broken
    hint: mend the code, and try: git exp run --smoke
    ");
    assert_eq!(gated.exp_output(["noise", "-n", "2", "--", "./train.sh"]).status.code(), Some(2));
    assert_eq!(counted(&gated), (3, 7));
}

#[test]
fn pairs_need_a_pass_for_the_code_of_the_candidate() {
    let lab = lab("smoke = \"echo x >> $SMOKES; test ! -f broken\"");
    let run = || {
        let mut command = lab.exp_command(["run", "--against", "main", "-n", "1", "--", "./train.sh"]);
        command.env("SMOKES", lab.path().join("smokes")).output().expect("it starts").status.code()
    };
    lab.write("broken", "");
    assert_eq!(run(), Some(125));
    assert_eq!(counted(&lab).0, 1);
    std::fs::remove_file(lab.path().join("broken")).expect("it is there");
    lab.write("faster", "");
    assert_eq!(run(), Some(0));
    assert_eq!(counted(&lab).0, 2);
    assert_eq!(lab.exp_json(["runs"]).len(), 4);
}

#[test]
fn a_smoke_command_that_takes_too_long_is_ended() {
    let lab = lab("smoke = [\"sleep\", \"60\"]\ntimeout = \"300ms\"");
    let seen = lab.exp(["run", "--", "./train.sh"]);
    assert!(seen.starts_with("exit: 125\n") && seen.contains("it ran past its time limit"), "{seen}");
}

#[test]
fn a_smoke_command_can_be_interrupted() {
    let lab = lab("smoke = \"echo started; exec sleep 60\"");
    let mut command = lab.exp_command(["run", "--", "./train.sh"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("git-exp starts");
    let mut stderr = std::io::BufReader::new(child.stderr.take().expect("it was asked for"));
    let mut said = String::new();
    while !said.ends_with("started\n") {
        assert!(std::io::BufRead::read_line(&mut stderr, &mut said).expect("it is text") > 0, "{said}");
    }
    let id = child.id().to_string();
    let killed = lab.command(["kill", "-INT", &id]).status().expect("kill starts");
    assert!(killed.success());
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("it is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(125), "{said}");
    assert!(said.contains("interrupted by SIGINT"), "{said}");
    assert_eq!(counted(&lab).1, 0);
}

#[test]
fn a_smoke_command_that_changes_the_code_shows_nothing_for_it() {
    let lab = lab("smoke = \"echo changed > README\"");
    insta::assert_snapshot!(lab.exp(["run", "--", "./train.sh"]), @"
    exit: 125
    --- stderr
    budget of A-001: 50 of 50 runs left
    the smoke test comes first: echo changed > README
    the smoke test passed (<id 1>)
    error: the smoke command changed the code, so nothing was run
      caused by: what passed is not what would run
    hint: let it write into ignored files, or into $GIT_EXP_OUT
    ");
    assert!(lab.exp_json(["runs"]).is_empty());
}

#[test]
fn what_the_smoke_command_leaves_is_no_code() {
    let lab = lab("smoke = \"echo left > left-over\"");
    lab.exp_ok(["run", "--", "./train.sh"]);
    assert!(lab.exp_json(["runs"])[0]["base"].is_null(), "the run is at the commit itself");
}

#[test]
fn a_code_that_no_commit_holds_passes_each_time() {
    let lab = lab(SMOKE);
    lab.exp_ok(["run", "--smoke"]);
    lab.git(["update-index", "--assume-unchanged", "README"]);
    lab.write("README", "hidden\n");
    lab.exp_ok(["run", "--", "./train.sh"]);
    lab.exp_ok(["run", "--", "./train.sh"]);
    assert_eq!(counted(&lab), (3, 2));
}

#[test]
fn the_smoke_command_runs_at_the_top_with_a_folder_of_its_own() {
    let lab = lab(
        "smoke = \"test -f smoke.sh && test -d $GIT_EXP_OUT && test -z \\\"$(ls $GIT_EXP_STATE)\\\" && test $GIT_EXP_SMOKE = 1\"",
    );
    lab.script("sub/train.sh", "test -z \"$GIT_EXP_SMOKE\" && echo kept >> $GIT_EXP_STATE/step");
    lab.exp_ok(["run", "--", "./sub/train.sh"]);
    lab.write("README", "another\n");
    let mut command = lab.exp_command(["run", "--", "./train.sh"]);
    let seen = lab.seen(command.current_dir(lab.path().join("sub")));
    assert!(seen.starts_with("exit: 0"), "{seen}");
    let left = std::fs::read_dir(lab.path().join(".git/exp")).expect("it is there");
    assert!(
        left.filter_map(Result::ok).all(|item| !item.file_name().to_string_lossy().starts_with("smoke-"))
    );
}
