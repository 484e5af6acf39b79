//! Topics: kickoff, what experiments take over, stop criteria, closing.

use crate::lab::TestLab;

fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.step_time]\nbetter = \"lower\"\nkind = \"measured\"\nunit = \"ms\"\n");
    lab.commit_all("a metric");
    lab
}

const KICKOFF: &str = r#"
prefix = "MOE"
goal = "halve the step time"
problem = "nights are too short"
constraints = ["one GPU"]
success = ["a training fits into a night"]
hypotheses = ["the loader is the bottleneck"]
matrix = ["workers: 1, 2, 4"]
code = ["src/loader.py"]
accept = ["step_time <= -8%"]
no-guard = "nothing but time changes"
trials = 3
budget = "runs=20"
stop = ["2 experiments without improvement", "step_time <= 9 ms", "runs=40", "2026-12-31", "when it is enough"]

[baselines]
default = "main"

[scope]
seeds = [1, 2, 3]

[links]
paper = "https://example.org/p"

[[phases]]
name = "measure"
goal = "a noise floor"
until = "three runs agree"
"#;

/// What an editor does that writes `text` into its file.
fn editor(lab: &TestLab, text: &str) -> String {
    lab.write("typed", text);
    format!("cp {}", lab.path().join("typed").display())
}

#[test]
fn a_kickoff_can_be_read_from_a_file_and_experiments_take_it_over() {
    let lab = lab();
    lab.write("kickoff.toml", KICKOFF);
    insta::assert_snapshot!(lab.exp(["topic", "new", "moe", "--file", "kickoff.toml", "--goal", "a third less"]), @"
    exit: 0
    --- stdout
    opened the topic moe (<id 1>)
    its branch: research/moe
    --- stderr
    `when it is enough` is for people to judge
    hint: git exp new <short-name> --topic moe --hypothesis … --change …
    ");
    insta::assert_snapshot!(lab.exp(["topic", "show", "moe"]), @"
    exit: 0
    --- stdout
    topic moe
      goal         a third less
      branch       research/moe
      prefix       MOE
      experiments  0 (0 decided)
      problem      nights are too short
      created      2026-11-21 12:00 (just now)
      constraints  one GPU
      success      a training fits into a night
      hypotheses   the loader is the bottleneck
      matrix       workers: 1, 2, 4
      code         src/loader.py
      accept       step_time <= -8%
      no guard     nothing but time changes
      trials       3 a side
      budget       20 runs for each experiment
      baselines    default=main
      scope        seeds: 1, 2, 3
      links        paper: https://example.org/p

    stop when
      2 experiments without improvement: not yet (0 experiments in a row brought no improvement)
      step_time <=<time>: not yet (nothing that was not rejected has `step_time` yet)
      runs=40: not yet (0 of 40 runs spent)
      2026-12-31: not yet (it is 2026-11-21)
      when it is enough: unknown (for people to judge)

    phases
      1. measure: a noise floor, until three runs agree
    ");
    lab.exp_ok(["new", "first", "--topic", "moe", "--hypothesis", "h", "--change", "c"]);
    insta::assert_snapshot!(lab.exp(["brief", "MOE-001"]), @"
    exit: 0
    --- stdout
    MOE-001 on `exp/MOE-001`
      hypothesis   h
      change       c
      baseline     main
      accept       step_time <= -8%
      no guard     nothing but time changes
      trials       3
      budget       20 runs
      owner        Ada Lovelace
    ");
    let json = &lab.exp_json(["topic", "show", "moe"])[0];
    assert_eq!(json["kickoff"]["phases"][0]["name"], "measure");
    assert_eq!(json["stops"][0]["answer"], "not yet");
}

#[test]
fn a_kickoff_can_be_written_in_the_editor() {
    let lab = lab();
    let mut command = lab.exp_command(["topic", "new", "moe", "--prefix", "MOE", "--edit"]);
    insta::assert_snapshot!(lab.seen(command.env("GIT_EDITOR", "true")), @"
    exit: 2
    --- stderr
    error: the text was left as it is; nothing was recorded
    ");
    let mut command = lab.exp_command(["topic", "new", "moe", "--edit"]);
    insta::assert_snapshot!(lab.seen(command.env("GIT_EDITOR", editor(&lab, "goal = 'x'\naccept = ['fast']\n"))), @"
    exit: 2
    --- stderr
    error: cannot read `<lab>/.git/EXP_TOPIC.toml`
      caused by: line 2, column 10: `['fast']` in `accept`: `fast` cannot be read: it has neither `<=` nor `>=`
    hint: your text is kept: git exp topic new moe --file <lab>/.git/EXP_TOPIC.toml
    ");
    let mut command = lab.exp_command(["topic", "new", "moe", "--edit"]);
    insta::assert_snapshot!(lab.seen(command.env("GIT_EDITOR", editor(&lab, KICKOFF))), @"
    exit: 0
    --- stdout
    opened the topic moe (<id 1>)
    its branch: research/moe
    --- stderr
    `when it is enough` is for people to judge
    hint: git exp new <short-name> --topic moe --hypothesis … --change …
    ");
    // What is edited again begins as it stands, and can be read as it is.
    let kept = lab.path().join("kept");
    let script = format!("f() {{ cp \"$1\" {}; echo >> \"$1\"; }}; f", kept.display());
    let mut command = lab.exp_command(["topic", "amend", "moe", "--edit"]);
    insta::assert_snapshot!(lab.seen(command.env("GIT_EDITOR", script)), @"
    exit: 2
    --- stderr
    error: nothing of the topic `moe` would change
    hint: say what to change, or `--edit`
    ");
    insta::assert_snapshot!(lab.read("kept"), @r#"
    # The topic moe. Save and close to record it; leave it as it is to record nothing.
    # What is left empty can be said later: git exp topic amend moe --edit

    # What its experiments' numbers follow, as MOE-HC in MOE-HC-001.
    prefix = "MOE"
    # What it wants to find out or reach, and what is wrong today.
    goal = "halve the step time"
    problem = "nights are too short"
    # What must hold whatever is tried; what success is measured by, in words; what is believed at the start.
    constraints = ["one GPU"]
    success = ["a training fits into a night"]
    hypotheses = ["the loader is the bottleneck"]
    # The first experiments, an axis a line: "workers: 1, 2, 4". Where the code is: paths and addresses.
    matrix = ["workers: 1, 2, 4"]
    code = ["src/loader.py"]

    # What each experiment takes over: "step_time <= -8%", "acc >= base - 0.002", "val_loss <= 3.0".
    accept = ["step_time <= -8%"]
    # Guardrails, or why there is none.
    guard = []
    no-guard = "nothing but time changes"
    trials = 3
    # As "wall=2h,accelerator=1h,runs=40", for each experiment.
    budget = "runs=20"

    # When to stop: "3 experiments without improvement", "step_time <= 9 ms", "wall=40h", "2026-12-31", or words.
    stop = ["2 experiments without improvement", "step_time <= 9 ms", "runs=40", "2026-12-31", "when it is enough"]

    # Named baselines: an experiment or a revision. The one named default, or the only one, is taken over.
    [baselines]
    "default" = "main"

    # What results must hold over to be stable.
    [scope]
    "seeds" = ["1", "2", "3"]

    # Pages elsewhere.
    [links]
    "paper" = "https://example.org/p"

    # The plan, phase by phase.
    [[phases]]
    name = "measure"
    goal = "a noise floor"
    until = "three runs agree"
    "#);
}

#[test]
fn what_a_topic_says_can_be_amended_and_baselines_only_move() {
    let lab = lab();
    lab.exp_ok([
        "topic",
        "new",
        "moe",
        "--prefix",
        "MOE",
        "--baseline",
        "default=main",
        "--phase",
        "measure: noise; until three agree",
    ]);
    lab.exp_ok(["topic", "amend", "moe", "--goal", "less", "--stop", "3 experiments without improvement"]);
    let json = &lab.exp_json(["topic", "show", "moe"])[0];
    assert_eq!((json["goal"].as_str(), json["prefix"].as_str()), (Some("less"), Some("MOE")));
    assert_eq!(json["kickoff"]["phases"][0]["until"], "three agree");
    insta::assert_snapshot!(lab.exp(["topic", "amend", "moe", "--goal", "less"]), @"
    exit: 2
    --- stderr
    error: nothing of the topic `moe` would change
    hint: say what to change, or `--edit`
    ");
    insta::assert_snapshot!(lab.exp(["topic", "amend", "moe", "--baseline", "default=HEAD"]), @r#"
    exit: 2
    --- stderr
    error: a named baseline is not amended, it moves
    hint: git exp topic baseline set <name>=<experiment> --because "…"
    "#);
    assert_eq!(lab.exp_json(["log", "--kind", "topic"]).len(), 2, "nothing else was recorded");
}

#[test]
fn stop_criteria_are_judged_by_what_ran_and_what_was_decided() {
    let lab = lab();
    lab.write("kickoff.toml", KICKOFF);
    lab.exp_ok(["topic", "new", "moe", "--file", "kickoff.toml"]);
    let answers = || -> Vec<String> {
        let shown = lab.exp_json(["topic", "show", "moe"]);
        let stops = shown[0]["stops"].as_array().expect("a list").clone();
        stops
            .iter()
            .map(|stop| {
                format!(
                    "{}: {}",
                    stop["answer"].as_str().expect("a word"),
                    stop["why"].as_str().expect("words")
                )
            })
            .collect()
    };
    for (name, id, time) in [("a", "MOE-001", "8.5"), ("b", "MOE-002", "10"), ("c", "MOE-003", "11")] {
        lab.exp_ok(["new", name, "--topic", "moe", "--hypothesis", "h", "--change", "c"]);
        lab.exp_ok(["run", "-e", id, "-n", "3", "--", "sh", "-c", &format!("echo METRIC step_time={time}")]);
    }
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "fast"]);
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp_ok(["decide", "MOE-002", "reject", "--because", "slow"]);
    insta::assert_snapshot!(answers().join("\n"), @"
    not yet: 1 experiment in a row brought no improvement
    met: MOE-001 has 8.5 ms
    not yet: 9 of 40 runs spent
    not yet: it is 2026-11-21
    unknown: for people to judge
    ");
    lab.set_clock("2027-01-01T00:00:00Z");
    lab.exp_ok(["decide", "MOE-003", "reject", "--because", "slow"]);
    insta::assert_snapshot!(answers().join("\n"), @"
    met: 2 experiments in a row brought no improvement
    met: MOE-001 has 8.5 ms
    not yet: 9 of 40 runs spent
    met: it is 2027-01-01
    unknown: for people to judge
    ");
}

#[test]
fn a_topic_closes_when_everything_is_decided_and_all_is_said() {
    let lab = lab();
    lab.exp_ok(["topic", "new", "moe", "--prefix", "MOE", "--baseline", "default=main"]);
    lab.exp_ok(["new", "first", "--topic", "moe", "--hypothesis", "h", "--change", "c"]);
    insta::assert_snapshot!(lab.exp(["topic", "close", "moe", "--worked", "a", "--next", "b"]), @r#"
    exit: 2
    --- stderr
    error: cannot close the topic `moe` yet
      caused by: it is not said what did not work
      caused by: it is not said how far the results hold
      caused by: it is not said how the work went, and what to do differently
    hint: git exp topic close moe --failed "…" --limits "…" --retrospective "…"
    "#);
    let said = ["--worked", "prefetching", "--failed", "a bigger batch", "--limits", "one machine"];
    let rest = ["--next", "two machines", "--retrospective", "measure the noise first"];
    let close = || ["topic", "close", "moe"].into_iter().chain(said).chain(rest);
    insta::assert_snapshot!(lab.exp(close()), @r#"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: close the topic moe
      MOE-001 is not decided: git exp decide MOE-001 accept|reject --because "…"
    "#);
    lab.exp_ok(["decide", "MOE-001", "reject", "--because", "never ran"]);
    insta::assert_snapshot!(lab.exp(close()), @"
    exit: 0
    --- stdout
    closed the topic moe (<id 1>)
    --- stderr
    hint: git exp logbook moe --write
    ");
    insta::assert_snapshot!(lab.exp(["topic", "list"]), @"
    exit: 0
    --- stdout
    topic         prefix  experiments  decided  age       goal
    moe (closed)  MOE               1        1  just now
    ");
    insta::assert_snapshot!(lab.exp(["new", "second", "--topic", "moe"]), @"
    exit: 2
    --- stderr
    error: the topic `moe` is closed
    hint: git exp topic reopen moe, or choose another with --topic
    ");
    insta::assert_snapshot!(lab.exp(close()), @"
    exit: 2
    --- stderr
    error: the topic `moe` is closed already
    hint: git exp topic reopen moe
    ");
    assert!(lab.exp_ok(["logbook", "moe"]).contains("**Retrospective.**\n\n- measure the noise first"));
    lab.exp_ok(["topic", "reopen", "moe"]);
    lab.exp_ok(["new", "second", "--topic", "moe"]);
}
