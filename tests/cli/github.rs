//! A topic on GitHub: posted exactly once whatever goes wrong, and nothing of people's lost.

use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::lab::TestLab;
use crate::lab::github::{LOGIN, LocalGitHub, State, What};

/// A token that is to show nowhere.
pub const TOKEN: &str = "ghp_PLANTED0secret0token0123456789abcd";
/// What `exp.toml` says of the one metric.
pub const METRICS: &str =
    "[metrics.step_time]\nunit = \"ms\"\nbetter = \"lower\"\nkind = \"measured\"\nmin-effect = \"1%\"\n";
pub const ISSUE: &str = "POST /repos/octo/moe/issues";
pub const COMMENT: &str = "POST /repos/octo/moe/issues/1/comments";

/// A topic with an issue and something new, and the GitHub that has the issue: made once, copied for each test.
static BASE: LazyLock<(TestLab, State)> = LazyLock::new(|| {
    let lab = lab();
    let github = LocalGitHub::start();
    ok(&lab, &github, &["issue", "open", "moe"]);
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    publish(&lab);
    let mut state = github.state().clone();
    state.asked.clear();
    (lab, state)
});

pub fn base() -> (TestLab, LocalGitHub) {
    (BASE.0.copy(), LocalGitHub::with(BASE.1.clone()))
}

/// A repository with a topic, and a remote that has what the topic links.
pub fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.script(
        "train.sh",
        "echo \"METRIC step_time=$(( $(cat step) + GIT_EXP_SEED % 3 )) unit=ms better=lower\"",
    );
    lab.write(
        "step", "100
",
    );
    lab.commit_all("a trainer");
    let remote = lab.path().with_file_name("remote.git");
    lab.git(["init", "--quiet", "--bare", remote.to_str().expect("it is UTF-8")]);
    lab.git(["remote", "add", "origin", remote.to_str().expect("it is UTF-8")]);
    lab.git(["push", "--quiet", "origin", "main"]);
    for (key, value) in [("exp.github", "octo/moe"), ("exp.githubTimeout", "2"), ("exp.githubDeadline", "30")]
    {
        lab.git(["config", key, value]);
    }
    lab.exp_ok([
        "topic",
        "new",
        "moe",
        "--prefix",
        "MOE",
        "--goal",
        "halve the step time",
        "--baseline",
        "default=main",
        "--accept",
        "step_time <= -8%",
        "--no-guard",
        "nothing but time changes",
        "--trials",
        "3",
        "--stop",
        "3 experiments without improvement",
        "--budget",
        "runs=40",
    ]);
    publish(&lab);
    lab
}

/// Writes the logbook, and pushes all that is linked.
pub fn publish(lab: &TestLab) {
    lab.exp_ok(["logbook", "moe", "--write"]);
    lab.exp_ok(["push", "--data", "--topics", "--yes"]);
}

pub fn command(lab: &TestLab, api: &str, words: &[&str]) -> Command {
    let mut command = lab.exp_command(words);
    command.env("GH_TOKEN", TOKEN).env("GITHUB_API_URL", api);
    command
}

pub fn seen(lab: &TestLab, github: &LocalGitHub, words: &[&str]) -> String {
    steady(github, &lab.seen(&mut command(lab, &github.api, words)))
}

/// A text with the address of the local GitHub replaced.
pub fn steady(github: &LocalGitHub, text: &str) -> String {
    text.replace(&github.api, "<github>").replace(github.api.trim_start_matches("http://"), "<host>")
}

/// An experiment that did not run yet.
fn begun(lab: &TestLab) {
    let why = ["--hypothesis", "the disk is slow", "--change", "prefetch"];
    lab.exp_ok(["new", "prefetch", "--topic", "moe"].into_iter().chain(why));
    lab.write(".worktrees/MOE-001/step", "80\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "prefetch"]);
}

/// An experiment that ran beside the baseline, and was rejected.
pub fn experiment(lab: &TestLab) {
    begun(lab);
    lab.exp_ok(["run", "-e", "MOE-001", "-n", "3", "--against", "default", "--", "./train.sh"]);
}

/// The same where `exp.toml` says what its metric is, so that it is accepted.
pub fn measured(lab: &TestLab) {
    lab.write("exp.toml", METRICS);
    lab.commit_all("what is measured");
    lab.git(["push", "--quiet", "origin", "main"]);
    experiment(lab);
}

pub fn reject(lab: &TestLab) {
    let why = "exploratory: the disk was busy";
    lab.exp_ok(["decide", "MOE-001", "reject", "--because", why, "--next", "a faster disk"]);
}

pub fn output(lab: &TestLab, github: &LocalGitHub, words: &[&str]) -> Output {
    command(lab, &github.api, words).output().expect("git-exp can be started")
}

#[track_caller]
pub fn ok(lab: &TestLab, github: &LocalGitHub, words: &[&str]) -> String {
    let output = output(lab, github, words);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?} failed:\n{out}{err}");
    out.into_owned()
}

/// Whether `dry` was what is posted, to the last byte but for the ID of its entry, which nobody knew yet.
#[track_caller]
pub fn assert_same(dry: &str, post: &str) {
    let zeros = format!("<!-- git-exp:{} -->", "0".repeat(64));
    let mark = post.lines().rfind(|line| line.starts_with("<!-- git-exp:")).expect("it has a mark");
    assert_eq!(dry.matches(&zeros).count(), 1, "{dry}");
    assert_eq!(dry.replace(&zeros, mark), post);
}

pub fn status(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

/// The posts of ours on the issue.
pub fn posts(github: &LocalGitHub) -> Vec<String> {
    let state = github.state();
    let comments = state.issues[0].comments.iter().filter(|it| it.user == LOGIN);
    comments.map(|it| it.body.clone()).collect()
}

#[test]
fn an_issue_is_opened_once_and_linked_both_ways() {
    let lab = lab();
    let github = LocalGitHub::start();
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "open", "moe"]), @"
    exit: 0
    --- stdout
    opened: <github>/octo/moe/issues/1
    ");
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "open", "moe"]), @"
    exit: 0
    --- stdout
    the issue of moe is open already: <github>/octo/moe/issues/1
    ");
    let state = github.state();
    assert_eq!(state.issues.len(), 1);
    assert_eq!(state.issues[0].title, "moe: halve the step time");
    assert_eq!(state.issues[0].labels, ["experiment"]);
    assert!(state.refs.is_empty(), "the claim was released");
    insta::assert_snapshot!(steady(&github, &lab.steady(&state.issues[0].body)), @r#"
    <!-- git-exp:begin: what stands from here to `end` is written anew; write above or below -->

    **TL;DR.** Nothing ran well yet. The topic is open since 2026-11-21 12:00 UTC: 0 experiments (0 accepted, 0 rejected, 0 to be decided), 0 runs in <time>.

    ## Question

    halve the step time

    ## Scope

    - accepted when: `step_time <= -8%`
    - stop when 3 experiments without improvement: not yet (0 experiments in a row brought no improvement)

    ## Current baseline

    - **default**: `main`, of which no run is recorded

    ## Results

    Nothing was tried yet.

    ## Decisions

    None yet.

    ## What did not work

    Nothing yet.

    ## How to reproduce

    Nothing ran well yet.

    ## Next

    - add an idea: `git exp idea add "…" --topic moe --hypothesis "…" --source "…"`

    ## Links

    - branch: <<github>/octo/moe/tree/research/moe>
    - logbook: <<github>/octo/moe/blob/<id 1>/.agents/logbooks/moe.md>

    <!-- git-exp:title <id 2> -->

    <!-- git-exp:end -->

    <!-- git-exp:topic moe -->
    <!-- git-exp:<id 3> -->
    "#);
    drop(state);
    assert!(lab.exp_ok(["topic", "show", "moe"]).contains("/octo/moe/issues/1"));
    assert!(lab.exp_ok(["logbook", "moe"]).contains("/octo/moe/issues/1"));
    let log = steady(&github, &lab.exp(["log", "--kind", "issue"]));
    assert!(log.contains("issue  moe  opened: <github>/octo/moe/issues/1"), "{log}");
    assert!(log.contains("issue  moe  to be opened in <host>/octo/moe"), "{log}");
}

#[test]
fn an_update_says_what_is_new_and_nothing_twice() {
    let (lab, github) = base();
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "update", "moe"]), @"
    exit: 0
    --- stdout
    commented (update): <github>/octo/moe/issues/1#issuecomment-1005
    ");
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "update", "moe"]), @"
    exit: 0
    --- stdout
    nothing is new since the last update
    ");
    let posts = posts(&github);
    assert_eq!(posts.len(), 1);
    assert!(posts[0].contains("the loader waits for the disk"), "{}", posts[0]);
}

#[test]
fn a_log_that_was_made_again_for_a_purge_is_not_told_anew() {
    let (lab, github) = base();
    lab.exp_ok(["note", "moe", "the token is hunter2", "--observation"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let notes = lab.exp_json(["log", "--kind", "note"]);
    let id = notes[0]["entry"].as_str().expect("an entry has an ID");
    lab.exp_ok(["purge", id, "--because", "a token", "--leave-refs", "--yes", "--push"]);
    lab.exp_ok(["note", "moe", "the loader reads twice", "--observation"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let posts = posts(&github);
    assert_eq!(posts.len(), 2);
    assert!(posts[1].contains("reads twice") && !posts[1].contains("waits for the disk"), "{}", posts[1]);
}

#[test]
fn the_code_beside_decided_numbers_is_the_code_that_was_compared() {
    let (lab, github) = base();
    experiment(&lab);
    reject(&lab);
    let compared = lab.git(["rev-parse", "exp/MOE-001"]);
    lab.write(".worktrees/MOE-001/step", "120\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "slower"]);
    lab.exp_ok(["run", "-e", "MOE-001", "-n", "3", "--", "./train.sh"]);
    let newest = lab.git(["rev-parse", "exp/MOE-001"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    assert!(body.contains(&format!("/commit/{}", compared.trim())), "{body}");
    assert!(!body.contains(newest.trim()), "{body}");
}

#[test]
fn an_update_shows_the_comparison_and_is_refused_before_what_it_links_is_pushed() {
    let (lab, github) = base();
    experiment(&lab);
    lab.exp_ok(["logbook", "moe", "--write"]);
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "update", "moe"]), @r#"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: post about moe
      the verdict on MOE-001 is `unclear`: `step_time <= -8%` is neither shown to hold nor to fail, `step_time <= -8%`: `step_time` is not declared: say in `exp.toml` under `[metrics.step_time]` whether it is measured, a quality or exact: run what is missing (git exp compare MOE-001), or decide all the same: git exp decide MOE-001 reject --because "…"
      the code of MOE-001 is linked, and <id 1> was not pushed: git exp push --data
      the logbook is linked, and research/moe at <id 2> was not pushed: git exp push --topics
    "#);
    reject(&lab);
    publish(&lab);
    let dry = ok(&lab, &github, &["issue", "update", "moe", "--dry-run"]);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let posts = posts(&github);
    assert_eq!(posts.len(), 1);
    let post = &posts[0];
    assert_same(&dry, post);
    let commit = lab.git(["rev-parse", "exp/MOE-001"]);
    for part in [
        "### MOE-001: prefetch",
        "- **rejected**: exploratory: the disk was busy",
        "| metric | baseline | candidate | n | change | 95 % interval | says |",
        "; confidence ",
        &format!("/octo/moe/commit/{}>", commit.trim()),
        "### Next",
    ] {
        assert!(post.contains(part), "`{part}` is not in\n{post}");
    }
    assert!(post.lines().any(|line| line.starts_with("| step_time |") && line.contains("−20")), "{post}");
}

#[test]
fn a_seal_is_posted_once_with_tag_commit_and_report() {
    let (lab, github) = base();
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp(["seal", "MOE-001"]);
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]), @r"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: post about moe
      sealed/MOE-001 was not pushed: git exp push --seals
    ");
    lab.exp_ok(["push", "--seals", "--yes"]);
    ok(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    assert!(
        ok(&lab, &github, &["issue", "update", "moe", "--seal", "sealed/MOE-001"]).contains("posted already")
    );
    let posts = posts(&github);
    assert_eq!(posts.len(), 1);
    let commit = lab.git(["rev-parse", "sealed/MOE-001^{commit}"]);
    for part in ["/tree/sealed/MOE-001>", "/blob/sealed/MOE-001/.exp/README.md>", commit.trim()] {
        assert!(posts[0].contains(part), "`{part}` is not in\n{}", posts[0]);
    }
}

/// The text of the issue.
fn body(github: &LocalGitHub) -> String {
    github.state().issues[0].body.clone()
}

/// The lines of a text below a heading.
fn below<'a>(text: &'a str, heading: &str) -> &'a str {
    let text = text.split_once(heading).unwrap_or_else(|| panic!("no `{heading}` in\n{text}")).1;
    text.split("\n#").next().unwrap_or_default()
}

/// A topic with an issue, whose times follow what the machine does besides.
fn on_a_busy_machine() -> (TestLab, LocalGitHub) {
    let lab = lab();
    lab.script(
        "train.sh",
        "echo \"METRIC step_time=$(( $(cat step) * ${LOAD:-1} + GIT_EXP_SEED % 3 )) unit=ms better=lower\"",
    );
    lab.commit_all("what the machine does besides");
    lab.git(["push", "--quiet", "origin", "main"]);
    let github = LocalGitHub::start();
    ok(&lab, &github, &["issue", "open", "moe"]);
    (lab, github)
}

/// Runs the baseline while the machine does something else.
fn later_and_busy(lab: &TestLab) {
    lab.set_clock("2026-11-21T16:00:00Z");
    let output =
        lab.exp_command(["run", "-n", "3", "--", "./train.sh"]).env("LOAD", "2").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs other code of the experiment in pairs with the baseline.
fn goes_on(lab: &TestLab) {
    lab.set_clock("2026-11-21T17:00:00Z");
    lab.write(".worktrees/MOE-001/step", "50\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "more of it"]);
    lab.exp_ok(["run", "-e", "MOE-001", "-n", "3", "--against", "default", "--", "./train.sh"]);
}

#[test]
fn the_numbers_beside_a_verdict_are_those_it_was_made_by() {
    let (lab, github) = on_a_busy_machine();
    experiment(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let open = body(&github);
    let row = |text: &str| {
        let row = text.lines().find(|line| line.starts_with("| MOE-001")).map(str::to_owned);
        row.unwrap_or_else(|| panic!("no row in\n{text}"))
    };
    assert!(
        row(&open).contains("| 3 ok | step_time 81 ms ± 1 ms (n = 3; −19.8 %, 95 % CI ")
            && row(&open).contains("| unclear |"),
        "{open}"
    );
    assert!(!open.contains("Not compared yet"), "{open}");
    lab.set_clock("2026-11-21T15:00:00Z");
    lab.exp_ok([
        "decide",
        "MOE-001",
        "iterate",
        "--because",
        "more is needed",
        "--next",
        "profile the kernel",
    ]);
    lab.exp_ok([
        "decide",
        "MOE-001",
        "reject",
        "--because",
        "exploratory: busy",
        "--next",
        "profile the kernel",
    ]);
    later_and_busy(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let busy = body(&github);
    let baseline = below(&busy, "## Current baseline");
    assert!(baseline.contains("step_time 101.0 ± 1.0 ms (n = 3)"), "{baseline}");
    goes_on(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    for decided in [busy, body(&github)] {
        assert!(row(&decided).contains("(n = 3; −19.8 %, 95 % CI "), "{decided}");
        assert!(
            below(&decided, "## Next").trim_start().starts_with("- MOE-001: profile the kernel"),
            "{decided}"
        );
        assert!(!decided.contains("Nothing ran well"), "{decided}");
    }
    ok(&lab, &github, &["issue", "update", "moe"]);
    let posts = posts(&github);
    assert!(
        posts[0].lines().any(|line| line.starts_with("| step_time |") && line.contains("−19.8 %")),
        "{}",
        posts[0]
    );
}

/// The part of the issue's text about the baseline, once it is brought up to date.
fn baseline_now(lab: &TestLab, github: &LocalGitHub) -> String {
    ok(lab, github, &["issue", "sync", "moe"]);
    below(&body(github), "## Current baseline").to_owned()
}

#[test]
fn the_baseline_is_shown_by_the_runs_that_this_topic_is_held_against() {
    let (lab, github) = on_a_busy_machine();
    assert!(baseline_now(&lab, &github).contains("- **default**: `main`, of which no run is recorded\n"));
    // A pair of another topic, and one with another configuration.
    lab.exp_ok([
        "topic",
        "new",
        "other",
        "--prefix",
        "OTH",
        "--baseline",
        "default=main",
        "--goal",
        "another",
    ]);
    let new = ["new", "x", "--topic", "other", "--hypothesis", "h", "--change", "c", "--no-guard", "x"];
    lab.exp_ok(new.into_iter().chain(["--accept", "step_time <= -8%", "--budget", "runs=9"]));
    lab.git(["-C", ".worktrees/OTH-001", "commit", "--quiet", "--allow-empty", "-m", "c"]);
    let theirs = ["run", "-e", "OTH-001", "-n", "3", "--against", "default", "--", "./train.sh"];
    let busy = || lab.exp_command(theirs).env("LOAD", "3").output().expect("it runs").status.success();
    assert!(busy());
    assert!(
        baseline_now(&lab, &github).contains("of which no run is recorded"),
        "another topic's are not ours"
    );
    lab.set_clock("2026-11-21T12:30:00Z");
    lab.exp_ok(["run", "-n", "2", "--", "./train.sh"]);
    let shown = baseline_now(&lab, &github);
    assert!(shown.contains("nothing was compared with it yet; these are its newest runs"), "{shown}");
    assert!(shown.contains("step_time 101.5 ± 0.7 ms (n = 2)"), "{shown}");
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(&lab);
    let compared = baseline_now(&lab, &github);
    assert!(compared.contains("these are the runs that MOE-001 was compared with"), "{compared}");
    assert!(compared.contains("step_time 101.0 ± 1.0 ms (n = 3)"), "{compared}");
    reject(&lab);
    // What runs there later, for others and otherwise, is not what counts here.
    lab.set_clock("2026-11-21T14:00:00Z");
    assert!(busy());
    later_and_busy(&lab);
    lab.exp_ok(["run", "-n", "2", "-p", "lr=9", "--", "./train.sh"]);
    assert_eq!(baseline_now(&lab, &github), compared);
}

#[test]
fn the_baseline_that_moved_is_shown_by_its_own_runs() {
    let (lab, github) = on_a_busy_machine();
    experiment(&lab);
    let because = ["--because", "exploratory: the disk was busy"];
    lab.exp_ok(["decide", "MOE-001", "accept"].into_iter().chain(because));
    lab.exp_ok(["topic", "baseline", "set", "default=MOE-001", "--topic", "moe"].into_iter().chain(because));
    let shown = baseline_now(&lab, &github);
    assert!(shown.contains("**default**: `MOE-001`, code "), "{shown}");
    assert!(shown.contains("step_time 81.0 ± 1.0 ms (n = 3)"), "{shown}");
    assert!(shown.contains("nothing was compared with it yet"), "{shown}");
}

#[test]
fn a_result_summary_shows_the_comparison_that_the_verdict_rests_on() {
    let (lab, _) = on_a_busy_machine();
    experiment(&lab);
    let open = lab.exp_ok(["logbook", "MOE-001"]);
    reject(&lab);
    let compared = lab.git(["rev-parse", "--short=8", "exp/MOE-001"]);
    later_and_busy(&lab);
    goes_on(&lab);
    for (text, is_decided) in [(open, false), (lab.exp_ok(["logbook", "MOE-001"]), true)] {
        let row = text.lines().find(|line| line.starts_with("| step_time |")).expect("it has the metric");
        assert!(row.contains("| −19.8 % |") && row.contains("| 101"), "{text}");
        assert!(text.contains("- **unclear** against main ("), "{text}");
        assert_eq!(text.contains("as it was decided"), is_decided, "{text}");
        assert!(text.contains(&format!("code `{}`", compared.trim())), "{text}");
        assert_eq!(
            text.contains("- runs: 6 ok, ") && text.contains(", 3 of them compared,"),
            is_decided,
            "{text}"
        );
    }
    let report = lab.exp_ok(["handoff", "-e", "MOE-001", "--full"]);
    let row = report.lines().find(|line| line.starts_with("| step_time |")).expect("it has the metric");
    assert!(row.contains("| −19.8 % |"), "{report}");
    assert!(report.contains("- result: step_time 81 ms ± 1 ms (n = 3; −19.8 %, 95 % CI "), "{report}");
    let json = &lab.exp_json(["logbook", "MOE-001"])[0]["comparisons"]["MOE-001"];
    assert_eq!(json["verdict"], "unclear");
}

#[test]
fn an_update_tells_what_ran_after_a_decision_and_repeats_no_table() {
    let (lab, github) = on_a_busy_machine();
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(&lab);
    lab.set_clock("2026-11-21T14:00:00Z");
    reject(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let tables = |text: &str| text.matches("| metric | baseline |").count();
    let first = posts(&github)[0].clone();
    assert!(tables(&first) == 1 && !first.contains("Ran after the decision"), "{first}");
    goes_on(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let second = posts(&github)[1].clone();
    assert_eq!(tables(&second), 1, "{second}");
    for part in [
        "- decided before, 2026-11-21 14:00 UTC: **rejected**, exploratory: the disk was busy\n",
        "**Ran after the decision: 3 ok, code `",
        "The decision and its numbers do not rest on these runs.",
        "- step_time −49.5 % (95 % CI −50.7 … −48.3 %): better, against main (",
        "; compared by themselves, and so exploratory\n",
    ] {
        assert!(second.contains(part), "`{part}` is not in\n{second}");
    }
    let row = second.lines().find(|line| line.starts_with("| step_time |")).expect("it has the metric");
    assert!(row.contains("| −49.5 % |") && !second.contains("−19.8 %"), "{second}");
    // More of the same code is more than was planned, and is told by itself, too.
    lab.set_clock("2026-11-21T18:00:00Z");
    lab.exp_ok(["run", "-e", "MOE-001", "-n", "3", "--against", "default", "--", "./train.sh"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let third = posts(&github)[2].clone();
    assert!(third.contains("**Ran after the decision: 3 ok, code ") && third.contains("| 3 |"), "{third}");
    // What is new is a note, and so is what is told.
    lab.exp_ok(["note", "moe", "the disk is new", "--observation"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let fourth = posts(&github)[3].clone();
    assert!(fourth.contains("the disk is new") && tables(&fourth) == 0, "{fourth}");
    assert!(!fourth.contains("### MOE-001"), "{fourth}");
    assert!(ok(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
    // Another decision rests on what is there now.
    lab.set_clock("2026-11-21T19:00:00Z");
    reject(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let fifth = posts(&github)[4].clone();
    assert!(
        tables(&fifth) == 1 && fifth.contains("−49.5 %") && !fifth.contains("after the decision"),
        "{fifth}"
    );
}

#[test]
fn an_amended_goal_changes_the_title_unless_a_person_did() {
    let (lab, github) = base();
    let title = || github.state().issues[0].title.clone();
    let amend = |goal: &str| {
        lab.exp_ok(["topic", "amend", "moe", "--goal", goal]);
        ok(&lab, &github, &["issue", "sync", "moe"])
    };
    amend("a third less");
    assert_eq!(title(), "moe: a third less");
    let asked = github.state().asked.len();
    assert!(ok(&lab, &github, &["issue", "sync", "moe"]).contains("says so already"));
    assert!(
        github.state().asked[asked..]
            .iter()
            .all(|(asked, _)| !asked.starts_with("PATCH /repos/octo/moe/issues"))
    );
    github.state().issues[0].title = "Mixture of experts".to_owned();
    amend("half of it");
    assert_eq!(title(), "Mixture of experts");
    let seen = output(&lab, &github, &["issue", "sync", "moe", "--dry-run"]);
    assert!(!String::from_utf8_lossy(&seen.stderr).contains("title"), "{seen:?}");
    // Who gives it back gives it to us.
    github.state().issues[0].title = "moe: half of it".to_owned();
    ok(&lab, &github, &["issue", "sync", "moe"]);
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a quarter of it"]);
    let seen = output(&lab, &github, &["issue", "sync", "moe", "--dry-run"]);
    let said = String::from_utf8_lossy(&seen.stderr);
    assert!(said.contains("the title would become: moe: a quarter of it"), "{said}");
    assert_eq!(title(), "moe: half of it");
    ok(&lab, &github, &["issue", "sync", "moe"]);
    assert_eq!(title(), "moe: a quarter of it");
    // What was written is not taken for a person's though nobody said that it was.
    lab.exp_ok(["topic", "amend", "moe", "--goal", "none of it"]);
    github.fail("PATCH /repos/octo/moe/issues/1", 1, What::DoneThen(502));
    ok(&lab, &github, &["issue", "sync", "moe"]);
    assert_eq!(title(), "moe: none of it");
}

/// Closes the topic, saying what is next.
fn end(lab: &TestLab, next: &str) {
    let said = ["--worked", "a", "--failed", "b", "--limits", "c", "--retrospective", "e", "--next", next];
    lab.exp_ok(["topic", "close", "moe"].into_iter().chain(said));
    publish(lab);
}

#[test]
fn an_issue_is_opened_again_once_with_its_topic_and_ends_with_another_summary() {
    for verb in ["sync", "update"] {
        let (lab, github) = base();
        let state = || github.state().issues[0].state.clone();
        let reopenings = || {
            let state = github.state();
            state
                .asked
                .iter()
                .filter(|(asked, body)| asked.starts_with("PATCH") && body.contains("reopened"))
                .count()
        };
        lab.set_clock("2026-11-22T09:00:00Z");
        end(&lab, "a faster disk");
        ok(&lab, &github, &["issue", "close", "moe"]);
        ok(&lab, &github, &["issue", "sync", "moe"]);
        ok(&lab, &github, &["issue", "update", "moe"]);
        assert_eq!((state().as_str(), reopenings()), ("closed", 0), "a closed topic's issue stays closed");
        lab.set_clock("2026-11-22T10:00:00Z");
        lab.exp_ok(["topic", "reopen", "moe"]);
        publish(&lab);
        let dry = output(&lab, &github, &["issue", verb, "moe", "--dry-run"]);
        assert!(String::from_utf8_lossy(&dry.stderr).contains("would be opened again"), "{dry:?}");
        assert_eq!(state(), "closed");
        github.fail("PATCH /repos/octo/moe/issues/1", 1, What::DoneThen(502));
        ok(&lab, &github, &["issue", verb, "moe"]);
        assert_eq!(state(), "open", "{verb}");
        let asked = reopenings();
        // Whoever closes it by hand now is not overruled.
        github.state().issues[0].state = "closed".to_owned();
        for verb in ["sync", "update"] {
            ok(&lab, &github, &["issue", verb, "moe"]);
        }
        assert_eq!((state().as_str(), reopenings()), ("closed", asked));
        github.state().issues[0].state = "open".to_owned();
        assert!(lab.exp_ok(["logbook", "moe"]).contains("issue reopened"));
        ok(&lab, &github, &["issue", "sync", "moe"]);
        let scope = below(&body(&github), "## Scope").to_owned();
        let told = "- closed 2026-11-22 09:00 UTC\n- opened again 2026-11-22 10:00 UTC\n";
        assert!(scope.contains(told) && !scope.contains("closing is"), "{scope}");
        // It ends once more.
        lab.set_clock("2026-11-22T11:00:00Z");
        end(&lab, "another machine");
        ok(&lab, &github, &["issue", "close", "moe"]);
        ok(&lab, &github, &["issue", "close", "moe"]);
        let summaries: Vec<String> =
            posts(&github).into_iter().filter(|post| post.contains("## moe is closed")).collect();
        assert_eq!((summaries.len(), state().as_str()), (2, "closed"));
        assert!(summaries[0].contains("a faster disk") && summaries[1].contains("another machine"));
        // What is amended since is no other end.
        lab.set_clock("2026-11-22T12:00:00Z");
        lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
        publish(&lab);
        assert!(ok(&lab, &github, &["issue", "close", "moe"]).contains("closed already"));
        assert_eq!(posts(&github).iter().filter(|post| post.contains("## moe is closed")).count(), 2);
    }
}

#[test]
fn heartbeats_that_cannot_be_kept_are_refused_and_none_a_day_turns_them_off() {
    let (lab, github) = base();
    let set = |text: &str| {
        lab.write("exp.toml", format!("[issue]\n{text}\n"));
        lab.commit_all("heartbeats");
        lab.git(["branch", "--force", "research/moe", "main"]);
    };
    set("heartbeat = \"0h\"");
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "heartbeat", "moe"]), @"
    exit: 2
    --- stderr
    error: cannot read `exp.toml`
      caused by: line 2, column 13: `0h` in `issue.heartbeat`: heartbeats are from 10m to 30d apart; leave `heartbeat` out for none
    ");
    set("heartbeat = \"6h\"\nheartbeats-a-day = 0");
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(&lab);
    lab.set_clock("2026-11-21T20:00:00Z");
    insta::assert_snapshot!(seen(&lab, &github, &["issue", "heartbeat", "moe"]), @"
    exit: 0
    --- stdout
    `heartbeats-a-day` is 0, which turns them off
    ");
    assert!(posts(&github).is_empty());
}

#[test]
fn what_a_comparison_rejects_is_not_called_the_best() {
    let lab = lab();
    lab.write("exp.toml", "[metrics.step_time]\nkind = \"exact\"\nbetter = \"lower\"\n");
    lab.commit_all("say what it is");
    lab.git(["push", "--quiet", "origin", "main"]);
    let github = LocalGitHub::start();
    ok(&lab, &github, &["issue", "open", "moe"]);
    for (name, baseline, step) in [("MOE-001", "100", "80"), ("MOE-002", "50", "49")] {
        lab.write("step", format!("{baseline}\n"));
        if !lab.git(["status", "--porcelain"]).is_empty() {
            lab.commit_all("another baseline");
        }
        lab.exp_ok([
            "new",
            "step",
            "--topic",
            "moe",
            "--hypothesis",
            "h",
            "--change",
            step,
            "--from",
            "main",
        ]);
        lab.write(format!(".worktrees/{name}/step"), format!("{step}\n"));
        lab.git(["-C", &format!(".worktrees/{name}"), "commit", "--quiet", "-am", step]);
        lab.exp_ok(["run", "-e", name, "-n", "3", "--against", "default", "--", "./train.sh"]);
    }
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "it holds"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let text = body(&github);
    assert!(text.contains("Best so far: MOE-001"), "{text}");
}

#[test]
fn a_seal_is_posted_with_the_numbers_that_were_sealed() {
    let (lab, github) = on_a_busy_machine();
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    later_and_busy(&lab);
    goes_on(&lab);
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    let post = &posts(&github)[0];
    let row = post.lines().find(|line| line.starts_with("| step_time |")).expect("it has the metric");
    assert!(row.contains("| −19.8 %") && row.contains("| 101"), "{post}");
}

#[test]
fn how_to_reproduce_names_parameters_seeds_and_the_compared_commit_and_no_place_here() {
    let (lab, github) = on_a_busy_machine();
    begun(&lab);
    let run = ["run", "-e", "MOE-001", "-n", "2", "-p", "lr=0.5", "--against", "default", "--", "./train.sh"];
    lab.exp_ok(run);
    publish(&lab);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let text = body(&github);
    let (base, own) = (lab.git(["rev-parse", "main"]), lab.git(["rev-parse", "exp/MOE-001"]));
    let wanted = format!(
        "git switch --detach {}\ngit exp run --against {} -p lr=0.5 --seed 1,2 -- ./train.sh",
        own.trim(),
        base.trim()
    );
    assert!(below(&text, "## How to reproduce").contains(&wanted), "{text}");
    assert!(below(&text, "## Next").contains("git exp run -e MOE-001 --against"), "{text}");
    assert!(!text.contains("worktrees") && !text.contains(lab.path().to_str().expect("UTF-8")), "{text}");
    let pull = ok(&lab, &github, &["pr", "open", "MOE-001", "--force", "--dry-run"]);
    assert!(pull.contains(&wanted), "{pull}");
}

#[test]
fn every_clone_makes_the_same_text() {
    let (lab, github) = on_a_busy_machine();
    experiment(&lab);
    publish(&lab);
    lab.exp_ok(["push"]);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    let other = lab.path().with_file_name("other");
    let other = other.to_str().expect("it is UTF-8");
    lab.git(["clone", "--quiet", "../remote.git", "../other"]);
    for (key, value) in [("exp.github", "octo/moe"), ("exp.githubTimeout", "2"), ("exp.githubDeadline", "30")]
    {
        lab.git(["-C", other, "config", key, value]);
    }
    let there = |words: &[&str]| {
        let output = command(&lab, &github.api, words).current_dir(other).output().expect("it starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    there(&["pull"]);
    let sync = ["issue", "sync", "moe", "--dry-run"];
    assert_eq!(there(&sync), ok(&lab, &github, &sync));
}

#[test]
fn a_topic_is_closed_since_it_was_closed() {
    let (lab, github) = base();
    lab.set_clock("2026-11-22T09:00:00Z");
    lab.exp_ok([
        "topic",
        "close",
        "moe",
        "--failed",
        "nothing was faster",
        "--limits",
        "one machine",
        "--next",
        "x",
        "--retrospective",
        "y",
        "--worked",
        "z",
    ]);
    lab.set_clock("2026-11-22T10:00:00Z");
    publish(&lab);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    assert!(body(&github).contains("closed since 2026-11-22 09:00 UTC"), "{}", body(&github));
}

#[test]
fn a_logbook_that_was_not_written_is_not_linked() {
    let lab = lab();
    lab.exp_ok(["topic", "new", "attention", "--prefix", "ATT", "--goal", "less memory"]);
    lab.exp_ok(["push", "--data", "--topics", "--yes"]);
    let github = LocalGitHub::start();
    ok(&lab, &github, &["issue", "open", "attention"]);
    let text = body(&github);
    assert!(text.contains("/tree/research/attention>") && !text.contains("/blob/"), "{text}");
}

#[test]
fn an_update_says_where_a_claim_is_from_how_a_topic_ended_and_what_is_next_before_what_is_long() {
    let (lab, github) = base();
    lab.set_clock("2026-11-22T09:00:00Z");
    lab.exp_ok(["note", "moe", "prefetch halves it", "--claim", "https://example.org/paper"]);
    let close = ["topic", "close", "moe", "--failed", "nothing was faster", "--limits", "one machine"];
    let more = ["--next", "a faster disk", "--retrospective", "measure first", "--worked", "the harness"];
    lab.exp_ok(close.iter().chain(&more));
    publish(&lab);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let post = &posts(&github)[0];
    for part in [
        "UTC observation: the loader waits for the disk",
        "UTC claim: prefetch halves it (<https://example.org/paper>)",
        "UTC the topic was closed",
        "  - did not work: nothing was faster",
        "  - next: a faster disk",
    ] {
        assert!(post.contains(part), "`{part}` is not in\n{post}");
    }
    assert!(post.find("### Next") < post.find("### What else happened"), "{post}");
}

/// What became of an update while something went wrong, and of another after that.
fn after(what: What, times: u32) -> (Output, Output, usize) {
    let (lab, github) = base();
    github.fail(COMMENT, times, what);
    let first = output(&lab, &github, &["issue", "update", "moe"]);
    let second = output(&lab, &github, &["issue", "update", "moe"]);
    (first, second, posts(&github).len())
}

#[test]
fn what_was_done_though_it_was_not_said_is_found_again() {
    let long = Duration::from_secs(3);
    for what in [What::DoneThen(502), What::DoneThen(500), What::DoneThenBreak, What::DoneThenSilence(long)] {
        let (first, second, posts) = after(what, 1);
        assert_eq!((status(&first), status(&second), posts), (0, 0, 1), "{first:?}");
    }
}

#[test]
fn what_was_not_done_is_sent_again() {
    let refused = What::Refuse(502, Vec::new(), String::new());
    for what in [What::Break, What::Silence(Duration::from_secs(3)), refused] {
        let (first, second, posts) = after(what, 1);
        assert_eq!((status(&first), status(&second), posts), (0, 0, 1), "{first:?}");
    }
}

#[test]
fn what_keeps_failing_ends_with_3_and_a_rerun_posts_it_once() {
    let (first, second, posts) = after(What::Break, 4);
    assert_eq!((status(&first), status(&second), posts), (3, 0, 1), "{first:?}");
    let (first, second, posts) = after(What::DoneThen(502), 1);
    assert_eq!((status(&first), status(&second), posts), (0, 0, 1), "{first:?}");
}

#[test]
fn a_refusal_is_said_clearly_and_ends_with_3() {
    let said = |code: u16, headers: Vec<(&'static str, String)>, body: &str| {
        let (lab, github) = base();
        github.fail(COMMENT, 1, What::Refuse(code, headers, body.to_owned()));
        let output = output(&lab, &github, &["issue", "update", "moe"]);
        assert_eq!((status(&output), posts(&github).len()), (3, 0));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ok(&lab, &github, &["issue", "update", "moe"]);
        assert_eq!(posts(&github).len(), 1);
        said
    };
    insta::assert_snapshot!(said(401, Vec::new(), r#"{"message":"Bad credentials"}"#), @"
    error: cannot do it on GitHub
      caused by: GitHub refused to POST /repos/octo/moe/issues/1/comments: 401, Bad credentials
    hint: the token is wrong or expired: give another in `GH_TOKEN`, or `gh auth login`
    ");
    let scopes = vec![("x-oauth-scopes", "gist".to_owned()), ("x-accepted-oauth-scopes", "repo".to_owned())];
    insta::assert_snapshot!(said(404, scopes, r#"{"message":"Not Found"}"#), @"
    error: cannot do it on GitHub
      caused by: GitHub refused to POST /repos/octo/moe/issues/1/comments: 404, Not Found
    hint: is the repository named right? the token needs repo, and it has gist
    ");
    let needed = vec![("x-accepted-github-permissions", "issues=write".to_owned())];
    insta::assert_snapshot!(said(403, needed, r#"{"message":"Resource not accessible by integration"}"#), @"
    error: cannot do it on GitHub
      caused by: GitHub refused to POST /repos/octo/moe/issues/1/comments: 403, Resource not accessible by integration
    hint: is the repository named right? the token needs issues=write
    ");
    insta::assert_snapshot!(said(410, Vec::new(), r#"{"message":"This issue was deleted"}"#), @"
    error: cannot do it on GitHub
      caused by: GitHub refused to POST /repos/octo/moe/issues/1/comments: 410, This issue was deleted
    hint: the issue was deleted, or issues are turned off in the repository's settings
    ");
    let invalid =
        r#"{"message":"Validation Failed","errors":[{"resource":"IssueComment","code":"unprocessable"}]}"#;
    insta::assert_snapshot!(said(422, Vec::new(), invalid), @"
    error: cannot do it on GitHub
      caused by: GitHub refused to POST /repos/octo/moe/issues/1/comments: 422, Validation Failed; IssueComment unprocessable
    hint: see what it would not take with `--dry-run`
    ");
    let reset = (1_795_262_400 + 3600).to_string();
    let hour = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
    let said_of_hour = said(403, hour, r#"{"message":"API rate limit exceeded"}"#);
    assert!(said_of_hour.contains("GitHub asks to wait 3601 s for its rate limit"), "{said_of_hour}");
    let secondary = said(403, Vec::new(), r#"{"message":"You have exceeded a secondary rate limit."}"#);
    assert!(secondary.contains("GitHub asks to wait 60 s for its rate limit"), "{secondary}");
}

#[test]
fn a_short_rate_limit_is_waited_for_and_told() {
    let (lab, github) = base();
    let soon = vec![("retry-after", "1".to_owned())];
    github.fail(COMMENT, 2, What::Refuse(403, soon, r#"{"message":"secondary rate limit"}"#.to_owned()));
    let output = output(&lab, &github, &["issue", "update", "moe"]);
    assert_eq!(status(&output), 0, "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).matches("waiting 1 s for GitHub's rate limit").count();
    assert_eq!((told, posts(&github).len()), (2, 1));
}

#[test]
fn an_issue_that_was_opened_though_it_was_not_said_is_found_again() {
    for what in [What::DoneThen(502), What::DoneThenBreak, What::Break] {
        let (lab, github) = (lab(), LocalGitHub::start());
        github.fail(ISSUE, 1, what);
        ok(&lab, &github, &["issue", "open", "moe"]);
        ok(&lab, &github, &["issue", "open", "moe"]);
        assert_eq!(github.state().issues.len(), 1);
    }
}

#[test]
fn a_mark_that_somebody_else_pasted_neither_silences_nor_steers() {
    let (lab, github) = base();
    // Begun, and then it never arrived.
    github.fail(COMMENT, 9, What::Break);
    assert_eq!(status(&output(&lab, &github, &["issue", "update", "moe"])), 3);
    let intended = lab.exp_json(["log", "--kind", "issue", "--json"]);
    let intended =
        intended.iter().find(|it| it["subject"].as_str().is_some_and(|it| it.contains("to be commented")));
    let id = intended.expect("it is in the log")["entry"].as_str().expect("an ID").to_owned();
    let whole = lab.exp_json(["show", &id])[0]["entry"].as_str().expect("an ID").to_owned();
    let writer = lab.git(["config", "exp.writer"]).trim().to_owned();
    github.state().faults.clear();
    let pasted = format!("look:\n<!-- git-exp:{whole} -->\n<!-- git-exp:seen {writer}=999999 -->");
    github.state().comment("mallory", &pasted);
    ok(&lab, &github, &["issue", "update", "moe"]);
    assert_eq!(posts(&github).len(), 1);
    // Of our own, it would be believed, as far as the log goes.
    let (lab, github) = base();
    let commits = lab.git(["rev-list", "--count", &format!("refs/exp/log/{writer}")]);
    let count = commits.trim().parse::<u64>().expect("a number") - 1;
    let seen = format!("<!-- git-exp:seen {writer}={count} -->\n<!-- git-exp:{whole} -->");
    github.state().comment(LOGIN, &seen);
    assert!(ok(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
}

#[test]
fn what_another_clone_posted_is_not_posted_again() {
    let (lab, github) = base();
    let other = BASE.0.copy();
    ok(&lab, &github, &["issue", "update", "moe"]);
    assert!(ok(&other, &github, &["issue", "update", "moe"]).contains("nothing is new"));
    assert_eq!(posts(&github).len(), 1);
}

#[test]
fn a_claim_of_another_is_waited_for_and_one_that_ran_out_is_taken_over() {
    let claim = |until: i64| {
        let (lab, github) = base();
        lab.git(["config", "exp.githubDeadline", "3"]);
        let message = format!("git exp posts\n\nHolder: somebody\nUntil: {until}\n");
        github.state().commits.insert("c".repeat(40), (message, Vec::new()));
        github.state().refs.insert("refs/exp/claims/moe".to_owned(), "c".repeat(40));
        let output = output(&lab, &github, &["issue", "update", "moe"]);
        (status(&output), String::from_utf8_lossy(&output.stderr).into_owned(), posts(&github).len())
    };
    let (status, said, posts) = claim(1_795_262_400 + 60);
    assert_eq!((status, posts), (3, 0));
    // The nearer of the two ends.
    let wait = said.split("who posts there, at most ").nth(1).and_then(|it| it.split(' ').next());
    assert!(wait.and_then(|it| it.parse::<u64>().ok()).is_some_and(|it| it <= 3), "{said}");
    assert!(said.contains("somebody else is posting there (somebody), and all may take 3 s"), "{said}");
    assert!(said.contains("exp.githubDeadline"), "{said}");
    // One for ever would keep everybody out.
    let (status, said, posts) = claim(i64::MAX);
    assert_eq!((status, posts), (0, 1), "{said}");
    let (status, said, posts) = claim(1_795_262_400 - 1);
    assert_eq!((status, posts), (0, 1), "{said}");
}

#[test]
fn where_no_ref_can_be_written_it_is_posted_and_told() {
    let (lab, github) = base();
    let refused = What::Refuse(403, Vec::new(), r#"{"message":"Resource not accessible"}"#.to_owned());
    github.fail("POST /repos/octo/moe/git/trees", 1, refused);
    let output = output(&lab, &github, &["issue", "update", "moe"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("posting without a claim"), "{output:?}");
    assert_eq!((status(&output), posts(&github).len()), (0, 1));
}

#[test]
fn the_token_of_a_workflow_posts_as_what_github_calls_it() {
    let (lab, github) = base();
    github.state().is_app = true;
    let mut plain = command(&lab, &github.api, &["issue", "update", "moe"]);
    assert_eq!(plain.output().expect("it starts").status.code(), Some(2));
    let mut workflow = command(&lab, &github.api, &["issue", "update", "moe"]);
    assert_eq!(workflow.env("GITHUB_ACTIONS", "true").output().expect("it starts").status.code(), Some(0));
    assert_eq!(github.state().issues[0].comments.len(), 1);
}

#[test]
fn a_sync_keeps_what_people_wrote_and_writes_only_what_changed() {
    let (lab, github) = base();
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let before = github.state().issues[0].body.clone();
    let writes = |github: &LocalGitHub| {
        github
            .state()
            .asked
            .iter()
            .filter(|(asked, _)| asked.starts_with("PATCH /repos/octo/moe/issues"))
            .count()
    };
    let count = writes(&github);
    assert!(ok(&lab, &github, &["issue", "sync", "moe"]).contains("the issue says so already"));
    assert_eq!(writes(&github), count);
    // As the web has it: other line ends, words above and below, and within.
    let edited = format!("Please read this first.\n\n{}\nAnd this last.\n", before.replace("halve", "forge"));
    github.state().issues[0].body = edited.replace('\n', "\r\n");
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    assert_eq!(body, format!("Please read this first.\n\n{before}\nAnd this last.\n"));
}

#[test]
fn what_a_person_writes_at_the_same_moment_is_put_back() {
    let (lab, github) = base();
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    let theirs = format!("{body}\nMy words.\n");
    // Between the last look and the write; and again while that is put back.
    let more = theirs.replace("My words.", "My words, and more.");
    let write = "PATCH /repos/octo/moe/issues/1".to_owned();
    github.state().person = vec![(write.clone(), theirs), (write, more)];
    let output = output(&lab, &github, &["issue", "sync", "moe"]);
    assert_eq!(status(&output), 0, "{output:?}");
    let now = github.state().issues[0].body.clone();
    assert!(now.contains("My words, and more.") && now.contains("a third less"), "{now}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is put back"), "{output:?}");
}

#[test]
fn a_token_shows_nowhere() {
    let (lab, github) = base();
    lab.exp_ok(["note", "moe", &format!("my token is {TOKEN}")]);
    publish(&lab);
    let echo = format!(r#"{{"message":"bad token {TOKEN} in Bearer {TOKEN}"}}"#);
    let headers = vec![("x-oauth-scopes", TOKEN.to_owned())];
    let mut said = String::new();
    for what in [
        What::Refuse(401, headers.clone(), echo.clone()),
        What::Refuse(422, headers, echo.clone()),
        What::Refuse(201, Vec::new(), echo.replace("message", "html_url")),
        What::Refuse(201, Vec::new(), format!(r#"{{"id":7,"html_url":"https://example.org/{TOKEN}"}}"#)),
    ] {
        github.fail(COMMENT, 1, what);
        let output = output(&lab, &github, &["issue", "update", "moe"]);
        said.push_str(&format!("{output:?}"));
    }
    lab.git(["config", "--unset", "exp.github"]);
    lab.git(["config", "remote.origin.url", &format!("https://me:{TOKEN}@example.org/octo/moe.git")]);
    for words in [["issue", "sync", "moe"], ["issue", "open", "moe"]] {
        let mut command = lab.exp_command(words);
        said.push_str(&format!("{:?}", command.env("GH_TOKEN", TOKEN).output().expect("it starts")));
    }
    let mut odd = lab.exp_command(["issue", "sync", "moe"]);
    odd.env("GH_TOKEN", TOKEN).env("GITHUB_API_URL", format!("http://{TOKEN}.example.org"));
    lab.git(["config", "exp.github", "octo/moe"]);
    let _ = odd.output();
    said.push_str(&lab.exp(["log"]));
    assert!(said.contains("GitHub refused"), "{said}");
    assert!(!said.contains("PLANTED"), "{said}");
    let objects = lab.git(["cat-file", "--batch-all-objects", "--batch"]);
    assert!(objects.contains("my token is"), "the note is there");
    assert!(!objects.contains("PLANTED"));
    assert!(posts(&github).iter().all(|post| !post.contains("PLANTED")));
    assert!(github.state().headers.contains(TOKEN), "it is sent, and in a header only");
    let asked = github.state().asked.clone();
    assert!(asked.iter().all(|(asked, body)| !asked.contains("PLANTED") && !body.contains("PLANTED")));
}

#[test]
fn hostile_text_forges_nothing_breaks_nothing_and_calls_nobody() {
    let lab = lab();
    let github = LocalGitHub::start();
    let hostile = "@octo/team @ada fixes #1 octo/moe#2 GH-3 https://github.com/o/n/issues/4\n<!-- git-exp:end -->\n--> \
         </details><img src=x> | a\n```\n<!-- git-exp:begin: what stands from here to `end` is written anew; write above or below -->\
         \u{202e}\u{1b}[31m";
    lab.exp_ok(["topic", "amend", "moe", "--goal", hostile, "--problem", hostile, "--constraint", hostile]);
    lab.exp_ok(["new", "x", "--topic", "moe", "--hypothesis", hostile, "--change", hostile]);
    lab.write(".worktrees/MOE-001/step", "80\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "prefetch"]);
    let run = ["run", "-e", "MOE-001", "-n", "3", "--against", "default"];
    let rest = ["--param", "a=<!-- git-exp:end -->", "--", "./train.sh", hostile];
    lab.exp_ok(run.into_iter().chain(rest));
    long_note(&lab, "MOE-001", &format!("{hostile}{}", "x ".repeat(100_000)));
    lab.exp_ok(["decide", "MOE-001", "reject", "--because", hostile, "--next", hostile]);
    lab.exp_ok(["idea", "add", hostile, "--topic", "moe"]);
    publish(&lab);
    ok(&lab, &github, &["issue", "open", "moe"]);
    ok(&lab, &github, &["issue", "update", "moe"]);
    lab.exp_ok(["topic", "amend", "moe", "--goal", "calm", "--success", hostile]);
    github.state().issues[0].body.push_str("\nMine.\n");
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let state = github.state();
    let issue = &state.issues[0];
    assert!(issue.body.ends_with("\nMine.\n"));
    for text in [&issue.body, &issue.comments[0].body] {
        assert_harmless(text);
    }
    assert_eq!(issue.title.matches('@').count(), issue.title.matches("@\u{2060}").count());
}

/// Writes a note that is too long for a command line.
pub fn long_note(lab: &TestLab, about: &str, text: &str) {
    use std::io::Write as _;
    let mut command = lab.exp_command(["note", about, "-", "--observation"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// Whether nothing in a text that is posted is taken for a mark of ours, for HTML, for a mention or for a reference.
#[track_caller]
pub fn assert_harmless(text: &str) {
    assert!(text.encode_utf16().count() <= 65_536);
    let lines = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    assert!(lines("<!-- git-exp:end -->") <= 1 && lines("<!-- git-exp:begin") <= 1, "{text}");
    assert!(lines("<!-- git-exp:seen") <= 1 && !text.contains("<!-- git-exp:seen 0f="), "{text}");
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
    let outside = outside_code(text);
    for bad in ["@octo/", "@ada", "#1", "#2", "GH-3", "<img", "</details>", "/issues/4"] {
        assert!(!outside.contains(bad), "`{bad}` in\n{outside}");
    }
}

/// What of a Markdown text is not in a block or a span of code.
fn outside_code(text: &str) -> String {
    let mut kept = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line.trim() == ticks && ticks.len() >= open.len() => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                let mut rest = line;
                while let Some(start) = rest.find('`') {
                    let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
                    let is_escaped = rest[..start].ends_with('\\');
                    let close = "`".repeat(ticks);
                    kept.push_str(&rest[..start]);
                    let after = &rest[start + ticks..];
                    rest = match after.find(&close).filter(|_| !is_escaped) {
                        Some(end) => &after[end + ticks..],
                        None => after,
                    };
                }
                kept.push_str(rest);
                kept.push('\n');
            }
        }
    }
    kept
}

#[test]
fn an_update_that_is_killed_at_any_point_is_posted_exactly_once() {
    const KILLS: u64 = 100;
    let (lab, github) = base();
    let began = Instant::now();
    ok(&lab, &github, &["issue", "update", "moe"]);
    let whole = began.elapsed();
    let worker = |first: u64| {
        let mut random = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (mut unposted, mut posted) = (0, 0);
        for _ in (first..KILLS).step_by(2) {
            let (lab, github) = base();
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let pause = whole.mul_f64((random % 1000) as f64 / 1000.0);
            let mut command = command(&lab, &github.api, &["issue", "update", "moe"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            std::thread::sleep(pause);
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
            match posts(&github).len() {
                0 => unposted += 1,
                _ => posted += 1,
            }
            let said = ok(&lab, &github, &["issue", "update", "moe"]);
            assert_eq!(posts(&github).len(), 1, "killed after {pause:?}: {said}");
        }
        (unposted, posted)
    };
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| worker(0));
        let other = worker(1);
        (one.join().expect("no worker fails"), other)
    });
    let (unposted, posted) = (one.0 + other.0, one.1 + other.1);
    assert_eq!(unposted + posted, KILLS);
    assert!(unposted > 0 && posted > 0, "killed {unposted} times before it was posted, {posted} times after");
}

/// The stateful GitHub that npm has, in a process that ends with this.
pub struct Emulator {
    process: std::process::Child,
    pub api: String,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says loudly that something was not tested.
pub fn skipped(what: &str, why: &str) {
    // Past the harness, which shows nothing of tests that pass.
    if let Ok(mut terminal) = std::fs::OpenOptions::new().write(true).open("/dev/stderr") {
        let text = format!("\n!!!! SKIPPED: {what} did not run: {why} !!!!\n\n");
        let _ = std::io::Write::write_all(&mut terminal, text.as_bytes());
    }
}

/// Starts it; `None`, said loudly, where npm is absent or cannot fetch it.
pub fn emulator() -> Option<Emulator> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/github");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulate");
    let skipped = |why: &str| {
        skipped("the tests against an emulated GitHub", why);
        None
    };
    let program = folder.join("node_modules/emulate/dist/index.js");
    if !program.exists() {
        std::fs::create_dir_all(&folder).expect("target/ is ours");
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(format!("{source}/{file}"), folder.join(file)).expect("it is in the repository");
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        match npm.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => return skipped(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => return skipped(&format!("npm cannot be started: {error}")),
        }
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("a port is free")
        .port();
    let mut node = Command::new("node");
    node.arg(program).args([
        "--service",
        "github",
        "--port",
        &port.to_string(),
        "--seed",
        &format!("{source}/seed.yaml"),
    ]);
    let process = match node.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(process) => process,
        Err(error) => return skipped(&format!("node cannot be started: {error}")),
    };
    let emulator = Emulator { process, api: format!("http://127.0.0.1:{port}") };
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_mins(1), "the emulator does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(emulator)
}

impl Emulator {
    /// What it answers, as JSON.
    pub fn ask(&self, token: &str, verb: &str, path: &str, body: &str) -> serde_json::Value {
        use std::io::{Read as _, Write as _};
        let mut stream =
            std::net::TcpStream::connect(self.api.trim_start_matches("http://")).expect("it listens");
        write!(
            stream,
            "{verb} {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it speaks HTTP");
        let text = match head.to_lowercase().contains("transfer-encoding: chunked") {
            true => body.split("\r\n").skip(1).step_by(2).collect(),
            false => body.to_owned(),
        };
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

#[test]
fn a_topic_lives_its_whole_life_on_an_emulated_github() {
    const VISITOR: &str = "ghp_visitor0123456789abcdef0123456789abcd";
    const PATH: &str = "/repos/octo-bot/moe/issues/1";
    let Some(emulator) = emulator() else { return };
    let lab = lab();
    lab.git(["config", "exp.github", "octo-bot/moe"]);
    lab.git(["config", "exp.githubTimeout", "20"]);
    lab.git(["config", "exp.githubDeadline", "120"]);
    let began = jiff::Timestamp::now();
    let clock = |hours: i64| {
        let time = began + jiff::SignedDuration::from_hours(hours);
        lab.set_clock(Box::leak(time.to_string().into_boxed_str()));
    };
    let run = |words: &[&str]| {
        let output = command(&lab, &emulator.api, words).output().expect("git-exp can be started");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {said}");
        said
    };
    let issue = || emulator.ask(TOKEN, "GET", PATH, "");
    let comments = |page: u32| {
        let path = format!("{PATH}/comments?per_page=100&page={page}");
        emulator.ask(TOKEN, "GET", &path, "").as_array().expect("a list").clone()
    };
    clock(0);
    run(&["issue", "open", "moe"]);
    assert_eq!(issue()["title"], "moe: halve the step time");
    // Three updates.
    for (number, text) in (1..).zip(["the disk is slow", "the loader is not", "prefetching helps"]) {
        lab.exp_ok(["note", "moe", text, "--observation"]);
        publish(&lab);
        run(&["issue", "update", "moe"]);
        let posted = comments(1);
        assert_eq!(posted.len(), number);
        assert!(posted[number - 1]["body"].as_str().is_some_and(|body| body.contains(text)));
    }
    assert!(run(&["issue", "update", "moe"]).contains("nothing is new"));
    // A sync after somebody wrote into the text.
    let body = issue()["body"].as_str().expect("a text").to_owned();
    let edited = serde_json::json!({ "body": format!("Above.\r\n\r\n{body}\r\nBelow.") }).to_string();
    emulator.ask(TOKEN, "PATCH", PATH, &edited);
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    run(&["issue", "sync", "moe"]);
    let synced = issue()["body"].as_str().expect("a text").to_owned();
    assert!(synced.starts_with("Above.\n") && synced.ends_with("Below."), "{synced}");
    assert!(synced.contains("a third less"), "{synced}");
    // A heartbeat: not asked for, too early, and in time.
    let refused = command(&lab, &emulator.api, &["issue", "heartbeat", "moe"]).output().expect("it starts");
    assert_eq!(status(&refused), 2);
    lab.write("exp.toml", "[issue]\nheartbeat = \"6h\"\n");
    lab.commit_all("heartbeats");
    lab.git(["push", "--quiet", "origin", "main"]);
    lab.git(["checkout", "--quiet", "research/moe"]);
    lab.git(["merge", "--quiet", "main"]);
    clock(2);
    experiment(&lab);
    assert!(run(&["issue", "heartbeat", "moe"]).contains("the last comment is"));
    clock(7);
    run(&["issue", "heartbeat", "moe", "--blocker", "the disk"]);
    let posted = comments(1);
    assert_eq!(posted.len(), 4);
    assert!(posted[3]["body"].as_str().is_some_and(|body| body.contains("blocked: the disk")), "{posted:?}");
    assert!(run(&["issue", "heartbeat", "moe"]).contains("no run and no decision since"));
    // So many comments that they are on two pages.
    for number in 0..146 {
        let text = serde_json::json!({ "body": format!("comment {number}") }).to_string();
        emulator.ask(VISITOR, "POST", &format!("{PATH}/comments"), &text);
    }
    reject(&lab);
    publish(&lab);
    run(&["issue", "update", "moe"]);
    assert!(run(&["issue", "update", "moe"]).contains("nothing is new"));
    assert_eq!((comments(1).len(), comments(2).len()), (100, 51));
    // The end.
    let early = command(&lab, &emulator.api, &["issue", "close", "moe"]).output().expect("it starts");
    assert_eq!(status(&early), 1);
    lab.exp_ok([
        "topic",
        "close",
        "moe",
        "--worked",
        "nothing",
        "--failed",
        "prefetching",
        "--limits",
        "one machine",
        "--next",
        "a faster disk",
        "--retrospective",
        "measure first",
    ]);
    publish(&lab);
    run(&["issue", "close", "moe"]);
    assert_eq!(issue()["state"], "closed");
    assert!(comments(2)[51]["body"].as_str().is_some_and(|body| body.contains("a faster disk")));
    assert!(run(&["issue", "close", "moe"]).contains("closed already"));
    assert_eq!(comments(2).len(), 52);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let (lab, github) = base();
    for (key, value) in [
        ("exp.githubTimeout", "abc"),
        ("exp.githubDeadline", "0"),
        ("exp.githubDeadline", "-1"),
        ("exp.githubTimeout", "1e9"),
    ] {
        lab.git(["config", key, value]);
        let seen = output(&lab, &github, &["issue", "sync", "moe"]);
        let said = String::from_utf8_lossy(&seen.stderr).into_owned();
        assert_eq!(status(&seen), 2, "{said}");
        assert!(said.contains(&format!("error: `{value}` in `{key}` is no time\n")), "{said}");
        lab.git(["config", key, "20"]);
    }
}

#[test]
fn only_verbs_that_take_all_offer_it() {
    let (lab, github) = base();
    for (verb, takes_it) in
        [("open", false), ("close", false), ("sync", true), ("update", true), ("heartbeat", true)]
    {
        assert_eq!(ok(&lab, &github, &["issue", verb, "--help"]).contains("--all"), takes_it, "{verb}");
    }
    for words in [&["issue", "open", "--all"][..], &["issue", "update", "--all", "--seal", "MOE-001"]] {
        assert_eq!(status(&output(&lab, &github, words)), 2);
    }
}
