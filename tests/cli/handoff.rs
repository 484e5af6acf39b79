//! Handoffs: what a fresh agent or a person needs to go on.

use git_exp::render::handoff::{MOST_TOKENS, tokens};

use crate::lab::TestLab;

fn research() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    let rest =
        ["--accept", "val_loss <= -5%", "--no-guard", "a test", "--budget", "runs=50", "--trials", "3"];
    let topic =
        ["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss", "--baseline", "default=A-001"];
    lab.exp_ok(topic.into_iter().chain(rest).chain(["--stop", "3 experiments without improvement"]));
    lab
}

/// Registers an experiment that commits a file of its own, and runs it.
fn experiment(lab: &TestLab, id: &str, baseline: &str, loss: &str) {
    let words = ["--topic", "mixing", "--hypothesis", "fewer steps are enough", "--baseline", baseline];
    lab.exp_ok(["new", "try", "--change", loss, "--path", "src/**"].into_iter().chain(words));
    let worktree = format!(".worktrees/{id}");
    lab.write(format!("{worktree}/src/{id}.txt"), "one\ntwo\n");
    lab.git(["-C", &worktree, "add", "."]);
    lab.git(["-C", &worktree, "commit", "--quiet", "-m", "a change"]);
    lab.exp_ok(["run", "-e", id, "-n", "3", "--", "./train.sh", loss]);
}

#[test]
fn a_handoff_says_what_is_needed_to_go_on() {
    let lab = research();
    experiment(&lab, "A-001", "main", "2300");
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(&lab, "A-002", "default", "2000");
    lab.exp_ok([
        "decide",
        "A-002",
        "accept",
        "--because",
        "it holds on every seed",
        "--next",
        "try it on two machines",
    ]);
    lab.set_clock("2026-11-21T14:00:00Z");
    experiment(&lab, "A-003", "default", "2400");
    lab.exp_ok(["decide", "A-003", "reject", "--because", "it forgets"]);
    lab.exp_ok(["idea", "add", "a longer warm-up", "--topic", "mixing", "--effect", "val_loss -3%"]);
    lab.exp_ok(["idea", "add", "a bigger batch", "--topic", "mixing"]);
    lab.exp_ok(["idea", "drop", "2", "--because", "it does not fit"]);
    lab.exp_ok(["note", "A-003", "Trap: the cache must be warm"]);
    insta::assert_snapshot!(lab.exp(["handoff", "mixing"]), @r#"
    exit: 0
    --- stdout
    # Handoff of mixing

    **Question.** a lower loss

    **State.** open since 2026-11-21 12:00 UTC: 3 experiments (1 accepted, 1 rejected, 1 to be decided), 9 runs in <time>

    - accepted when: `val_loss <= -5%`
    - baseline default: `A-001`
    - stop when 3 experiments without improvement: not yet (1 experiment in a row brought no improvement)

    ## Best so far

    A-002: 2000

    - val_loss 2005 ± 4 (n = 3; −13 %, 95 % CI −13.1 … −13 %) against default (A-001)
    - evidence: **accept**, replicated: val_loss −13 % (95 % CI −13.1 … −13 %): better
    - accepted
    - ran `./train.sh 2000` at `<id 1>`

    ## What failed, and why

    - A-003 (2400): it forgets (val_loss +4.34 % (95 % CI +4.32 … +4.36 %): worse)
    - idea 2 (a bigger batch): dropped: it does not fit

    ## Decisions

    - 2026-11-21 14:00 UTC A-003 rejected: it forgets
    - 2026-11-21 13:00 UTC A-002 accepted: it holds on every seed

    ## Open ideas, the next one first

    - 1 a longer warm-up (val_loss -3%)

    ## Next

    - A-001: see what the numbers say, then git exp decide A-001 accept\|reject\|iterate --because "…": `git exp compare A-001`
    - try the idea 1: `git exp new <short-name> --topic mixing --idea 1`

    ## Traps

    - A-003: the cache must be warm
    "#);
    let json = &lab.exp_json(["handoff", "mixing"])[0];
    assert_eq!(json["schema"], "git-exp/handoff/1");
    assert_eq!(json["best"]["name"], "A-002");
    assert_eq!(lab.exp_ok(["handoff", "mixing"]), lab.exp_ok(["handoff", "mixing"]), "it is the same again");
}

#[test]
fn a_report_says_what_changed_how_it_was_verified_and_what_is_left() {
    let lab = research();
    experiment(&lab, "A-001", "main", "2300");
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(&lab, "A-002", "default", "2000");
    lab.write(".worktrees/A-002/README", "another\n");
    lab.git(["-C", ".worktrees/A-002", "commit", "--quiet", "-am", "and something else"]);
    lab.exp(["run", "-e", "A-002", "--", "false"]);
    lab.exp_ok(["review", "A-002", "approve", "--because", "it does what the brief says"]);
    lab.exp_ok(["note", "A-002", "out of scope: the tokenizer drops the last line"]);
    lab.exp_ok(["decide", "A-002", "reject", "--because", "one run failed"]);
    let text = lab.exp(["handoff", "--experiment", "A-002"]);
    // What the machine does besides shows in some lines.
    let of_machine = ["wall_time", "cpu_time", "peak_rss", "less than"];
    let text: Vec<&str> =
        text.lines().filter(|line| of_machine.iter().all(|part| !line.contains(part))).collect();
    insta::assert_snapshot!(text.join("\n"), @"
    exit: 0
    --- stdout
    # Report on A-002

    ## Summary

    - hypothesis: fewer steps are enough
    - change: 2000
    - result: val_loss 2005 ± 4 (n = 3; −13 %, 95 % CI −13.1 … −13 %) against default (A-001)
    - rejected, 2026-11-21 13:00 UTC: one run failed
    - evidence: **accept**, replicated: val_loss −13 % (95 % CI −13.1 … −13 %): better

    | metric | baseline | candidate | n | change | 95 % interval | says |
    | --- | ---: | ---: | ---: | ---: | ---: | --- |
    | val_loss | 2305 ± 4 | 2005 ± 4 | 3 | −13 % | −13.1 … −13 % | better |

    ## Files changed

    - `README` +1 −1 **not among the paths that the brief names**
    - `src/A-002.txt` +2 −0

    ## Verification

    - runs: 3 ok, 1 failed
    - seeds: 1, 2, 3
    - hardware: <id 2>
    - 4 of 4 runs at exactly recorded code
    - `val_loss <= -5%` holds
    - approved by Ada Lovelace: it does what the brief says

    ```text
    ./train.sh 2000
    ```

    ## Risks

    - 2 axes differ (code, command): no result can be put down to one of them
    - the sides ran 60 minutes apart; `git exp run --against` runs them in pairs
    - decided against the numbers: accept
    - there is no guardrail: a test
    - 1 of 4 runs did not end well
    - `README` changed, which the brief does not name

    ## Out of scope

    - the tokenizer drops the last line
    ");
}

#[test]
fn a_handoff_stays_short_however_much_there_is() {
    let lab = research();
    let long = "a very long reason with `code`, @mentions, 学习率 and | bars ".repeat(40);
    for number in 1..=14 {
        let id = format!("A-{number:03}");
        let words = ["--topic", "mixing", "--baseline", "main", "--no-worktree"];
        lab.exp_ok(["new", "try", "--hypothesis", &long, "--change", &long].into_iter().chain(words));
        if number % 2 == 0 {
            lab.exp_ok(["decide", &id, "reject", "--because", &long]);
        }
        lab.exp_ok(["note", &id, &format!("trap: {number} {long}")]);
        lab.exp_ok(["idea", "add", &format!("{number} {long}"), "--topic", "mixing", "--hypothesis", &long]);
    }
    lab.exp_ok([
        "topic",
        "amend",
        "mixing",
        "--goal",
        &long,
        "--constraint",
        &long,
        "--link",
        &format!("a=https://example.org/{}", "x".repeat(900)),
    ]);
    let short = lab.exp_ok(["handoff", "mixing"]);
    assert!(tokens(&short) <= MOST_TOKENS, "{} tokens: {short}", tokens(&short));
    assert!(short.contains("in all: `git exp logbook mixing --as negative-results`"), "{short}");
    let full = lab.exp_ok(["handoff", "mixing", "--full"]);
    assert!(tokens(&full) > MOST_TOKENS && full.contains("A-014") && !full.contains("in all"));
    let report = lab.exp_ok(["handoff", "--experiment", "A-002"]);
    assert!(tokens(&report) <= MOST_TOKENS, "{} tokens: {report}", tokens(&report));
}

#[test]
fn a_handoff_of_what_is_not_there_is_refused() {
    let lab = research();
    insta::assert_snapshot!(lab.exp(["handoff", "nosuch"]), @"
    exit: 2
    --- stderr
    error: there is no topic `nosuch`
    hint: `git exp topic list` lists them
    ");
    insta::assert_snapshot!(lab.exp(["handoff"]), @"
    exit: 2
    --- stderr
    error: which topic?
    hint: `git exp topic list` lists them
    ");
}

#[test]
fn a_closed_topic_is_handed_over_from_its_own_branch() {
    let lab = research();
    let said = ["--worked", "a", "--failed", "b", "--limits", "c", "--next", "d", "--retrospective", "e"];
    lab.exp_ok(["topic", "close", "mixing"].into_iter().chain(said));
    lab.git(["switch", "--quiet", "research/mixing"]);
    assert!(lab.exp_ok(["handoff"]).contains("## How it ended"));
}
