//! Posts on GitHub against others who post, against people who edit, and against whoever means harm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::github::{
    COMMENT, ISSUE, METRICS, TOKEN, assert_harmless, assert_same, base, command, experiment, lab, long_note,
    measured, ok, output, posts, publish, status,
};
use crate::lab::TestLab;
use crate::lab::github::{APP, APP_TOKEN, Issue, LOGIN, LocalGitHub, State, What};

/// A topic with an issue, and an experiment that is accepted, sealed and pushed.
static SEALED: LazyLock<(TestLab, State)> = LazyLock::new(|| {
    let lab = lab();
    let github = LocalGitHub::start();
    measured(&lab);
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "a fifth less", "--next", "release it"]);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    ok(&lab, &github, &["issue", "open", "moe"]);
    publish(&lab);
    let mut state = github.state().clone();
    state.asked.clear();
    (lab, state)
});

fn sealed() -> (TestLab, LocalGitHub) {
    (SEALED.0.copy(), LocalGitHub::with(SEALED.1.clone()))
}

/// Another clone of the laboratory's remote, by a name of its own, with all that was pushed.
fn clone(lab: &TestLab) -> PathBuf {
    let clone = plain_clone(lab, "clone");
    let place = clone.to_str().expect("it is UTF-8");
    for (key, value) in [("exp.githubTimeout", "5"), ("exp.githubDeadline", "60")] {
        lab.git(["-C", place, "config", key, value]);
    }
    let branches = ["research/*", "exp/*"].map(|it| format!("+refs/heads/{it}:refs/heads/{it}"));
    lab.git(
        ["-C", place, "fetch", "--quiet", "--tags", "origin"]
            .into_iter()
            .chain(branches.iter().map(String::as_str)),
    );
    within(lab, &clone, &[&["init"], &["pull", "--data"]]);
    clone
}

/// What `git clone` makes of the laboratory's remote, and where that is on GitHub.
fn plain_clone(lab: &TestLab, name: &str) -> PathBuf {
    let remote = lab.path().with_file_name("remote.git");
    let clone = lab.path().with_file_name(name);
    let [remote, place] = [&remote, &clone].map(|path| path.to_str().expect("it is UTF-8"));
    lab.git(["clone", "--quiet", remote, place]);
    lab.git(["-C", place, "config", "exp.github", "octo/moe"]);
    clone
}

/// Gives commands in a clone.
fn within(lab: &TestLab, clone: &Path, commands: &[&[&str]]) {
    for words in commands {
        let done = lab.exp_command(*words).current_dir(clone).output().expect("it starts");
        assert!(done.status.success(), "{done:?}");
    }
}

/// Runs it in two clones at once, and both must succeed.
fn at_once(lab: &TestLab, clone: &Path, github: &LocalGitHub, words: &[&str]) {
    let children: Vec<_> = [lab.path(), clone]
        .into_iter()
        .map(|folder| {
            let mut command = command(lab, &github.api, words);
            command
                .current_dir(folder)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(status(&output), 0, "{output:?}");
    }
}

#[test]
fn what_two_clones_post_at_once_is_posted_once() {
    let (lab, github) = sealed();
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    publish(&lab);
    let other = clone(&lab);
    at_once(&lab, &other, &github, &["issue", "update", "moe"]);
    assert_eq!(posts(&github).len(), 1);
    at_once(&lab, &other, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    assert_eq!(posts(&github).len(), 2);
    at_once(&lab, &other, &github, &["pr", "open", "MOE-001"]);
    assert_eq!(github.state().pulls.len(), 1);
    assert!(github.state().refs.is_empty(), "all claims were released");
    let lab = super::github::lab();
    let (github, other) = (LocalGitHub::start(), clone(&lab));
    at_once(&lab, &other, &github, &["issue", "open", "moe"]);
    assert_eq!(github.state().issues.len(), 1);
}

/// The command as a workflow in another clone gives it, whose login counts nothing that a person posted.
fn as_app(lab: &TestLab, clone: &Path, github: &LocalGitHub, words: &[&str]) -> Command {
    let mut command = command(lab, &github.api, words);
    command.current_dir(clone).env("GH_TOKEN", APP_TOKEN).env("GITHUB_ACTIONS", "true");
    command
}

#[test]
fn what_one_login_posted_no_other_posts_again() {
    let (lab, github) = sealed();
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    publish(&lab);
    // It knows nothing of what is posted from here on but what it fetches itself.
    let other = clone(&lab);
    let all = || github.state().issues[0].comments.len();
    for (count, words) in
        [(1, &["issue", "update", "moe"][..]), (2, &["issue", "update", "moe", "--seal", "MOE-001"])]
    {
        ok(&lab, &github, words);
        let seen = as_app(&lab, &other, &github, words).output().expect("it starts");
        assert_eq!((status(&seen), all()), (0, count), "{words:?}: {seen:?}");
    }
    close_topic(&lab);
    ok(&lab, &github, &["issue", "close", "moe"]);
    let folder = other.to_str().expect("it is UTF-8");
    let branch = "+refs/heads/research/moe:refs/heads/research/moe";
    lab.git(["-C", folder, "fetch", "--quiet", "origin", branch]);
    let done = lab.exp_command(["pull", "--data"]).current_dir(&other).output().expect("it starts");
    assert!(done.status.success(), "{done:?}");
    let seen = as_app(&lab, &other, &github, &["issue", "close", "moe"]).output().expect("it starts");
    assert_eq!((status(&seen), all()), (0, 3), "{seen:?}");
    assert_eq!(github.state().issues[0].comments.iter().filter(|it| it.user == APP).count(), 0);
}

#[test]
fn what_was_refused_is_not_posted_after_another_login_told_it() {
    let refused = || What::Refuse(403, Vec::new(), r#"{"message":"Resource not accessible"}"#.to_owned());
    for words in [&["issue", "update", "moe"][..], &["issue", "close", "moe"]] {
        let (lab, github) = sealed();
        if words[1] == "close" {
            close_topic(&lab);
        }
        let other = clone(&lab);
        github.fail(COMMENT, 1, refused());
        assert_eq!(status(&output(&lab, &github, words)), 3, "{words:?}");
        let seen = as_app(&lab, &other, &github, words).output().expect("it starts");
        let all = || github.state().issues[0].comments.len();
        assert_eq!((status(&seen), all()), (0, 1), "{words:?}: {seen:?}");
        ok(&lab, &github, words);
        assert_eq!(all(), 1, "{words:?}");
        if words[1] == "close" {
            continue;
        }
        // Only what came since is told.
        lab.exp_ok(["note", "moe", "second", "--observation"]);
        publish(&lab);
        github.fail(COMMENT, 1, refused());
        assert_eq!(status(&output(&lab, &github, words)), 3);
        lab.exp_ok(["note", "moe", "third", "--observation"]);
        publish(&lab);
        ok(&lab, &github, words);
        let told = last(&github);
        assert_eq!(all(), 2);
        assert!(told.contains("second") && told.contains("third") && !told.contains("released"), "{told}");
    }
}

#[test]
fn a_mark_that_our_own_login_shows_as_an_example_silences_nothing() {
    let (lab, github) = sealed();
    let said = |text: &str| github.state().comment(LOGIN, text);
    let entry = "ab".repeat(32);
    let seal = "<!-- git-exp:seal sealed/MOE-001 -->";
    said(&format!("this is how a seal is marked:\n{seal}\n"));
    said(&format!("or so:\n```html\n{seal}\n<!-- git-exp:{entry} -->\n```\n"));
    ok(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    assert!(last(&github).contains("sealed/MOE-001") && posts(&github).len() == 3, "{}", last(&github));
    // So it is with issues, of which one would be taken for the topic's.
    let lab = super::github::lab();
    let github = LocalGitHub::start();
    let example = format!("```html\n<!-- git-exp:topic moe -->\n<!-- git-exp:{entry} -->\n```\n");
    let theirs =
        Issue { body: example.clone(), state: "open".to_owned(), user: LOGIN.to_owned(), ..Issue::default() };
    github.state().issues.push(theirs);
    ok(&lab, &github, &["issue", "open", "moe"]);
    let state = github.state();
    assert_eq!(state.issues.len(), 2);
    assert_eq!(state.issues[0].body, example);
}

#[test]
fn the_logbook_stays_linked_from_a_clone_that_is_behind() {
    let (lab, github) = sealed();
    let place = plain_clone(&lab, "behind");
    within(&lab, &place, &[&["init"], &["pull", "--data"]]);
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    publish(&lab);
    let tip = lab.git(["rev-parse", "research/moe"]).trim().to_owned();
    let mut sync = command(&lab, &github.api, &["issue", "sync", "moe"]);
    let done = sync.current_dir(&place).output().expect("it starts");
    assert_eq!(status(&done), 0, "{done:?}");
    let body = github.state().issues[0].body.clone();
    assert!(body.contains(&format!("/blob/{tip}/.agents/logbooks/moe.md")), "{body}");
}

#[test]
fn two_logins_at_once_post_once_and_open_one_issue() {
    let both = |lab: &TestLab, other: &Path, github: &LocalGitHub, words: &[&str]| {
        let children = [command(lab, &github.api, words), as_app(lab, other, github, words)]
            .map(|mut it| it.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"));
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(status(&output), 0, "{output:?}");
        }
    };
    let (lab, github) = sealed();
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    publish(&lab);
    let other = clone(&lab);
    both(&lab, &other, &github, &["issue", "update", "moe"]);
    assert_eq!(github.state().issues[0].comments.len(), 1);
    let lab = super::github::lab();
    let (github, other) = (LocalGitHub::start(), clone(&lab));
    both(&lab, &other, &github, &["issue", "open", "moe"]);
    assert_eq!(github.state().issues.len(), 1);
}

/// Has the remote take nothing; gives the file that says so.
fn refuse_pushes(lab: &TestLab) -> PathBuf {
    let hook = lab.path().with_file_name("remote.git").join("hooks/pre-receive");
    lab.script(hook.to_str().expect("it is UTF-8"), "exit 1");
    hook
}

#[test]
fn a_log_that_cannot_be_pushed_after_a_post_is_told_and_the_post_stands() {
    let (lab, github) = base();
    let hook = refuse_pushes(&lab);
    let seen = output(&lab, &github, &["issue", "update", "moe"]);
    let said = String::from_utf8_lossy(&seen.stderr).into_owned();
    assert_eq!((status(&seen), posts(&github).len()), (0, 1), "{said}");
    assert!(
        said.matches("what is posted is in a log that was not pushed").count() == 1
            && said.contains("hint: git exp push\n"),
        "{said}"
    );
    std::fs::remove_file(hook).expect("it is ours");
    lab.exp_ok(["push"]);
    assert!(lab.exp(["push"]).contains("`origin` has everything"));
}

#[test]
fn a_fresh_clone_is_told_what_it_lacks_to_post() {
    let (lab, github) = base();
    let place = plain_clone(&lab, "fresh");
    within(&lab, &place, &[&["init"], &["pull"]]);
    let update = || {
        let mut command = command(&lab, &github.api, &["issue", "update", "moe"]);
        command.current_dir(&place).output().expect("it starts")
    };
    let refused = update();
    assert_eq!(status(&refused), 1, "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let mend = said.trim().rsplit_once(": ").expect("it says how").1.to_owned();
    assert_eq!(mend, "git fetch origin research/moe:research/moe", "{said}");
    let mended = lab.command(mend.split(' ')).current_dir(&place).output().expect("git starts");
    assert!(mended.status.success(), "{mended:?}");
    let done = update();
    assert_eq!((status(&done), posts(&github).len()), (0, 1), "{done:?}");
}

/// Starts a command, and kills it as soon as `is_enough`.
fn killed_once(
    lab: &TestLab,
    github: &LocalGitHub,
    words: &[&str],
    is_enough: impl Fn(&LocalGitHub) -> bool,
) {
    let mut command = command(lab, &github.api, words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let began = Instant::now();
    while !is_enough(github) {
        assert!(began.elapsed() < Duration::from_mins(1), "it is not enough");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

#[test]
fn what_a_clone_posted_before_it_was_lost_no_other_posts_again() {
    for words in [
        &["issue", "update", "moe", "--seal", "MOE-001"][..],
        &["issue", "update", "moe"],
        &["issue", "close", "moe"],
    ] {
        let (lab, github) = sealed();
        if words[1] == "close" {
            let said =
                ["--worked", "a", "--failed", "b", "--limits", "c", "--next", "d", "--retrospective", "e"];
            lab.exp_ok(["topic", "close", "moe"].into_iter().chain(said));
            publish(&lab);
        }
        let other = clone(&lab);
        github.fail(COMMENT, 1, What::DoneThenSilence(Duration::from_secs(2)));
        killed_once(&lab, &github, words, |github| !posts(github).is_empty());
        // The claim of the dead holds for as long as it said.
        github.state().refs.clear();
        let mut again = command(&lab, &github.api, words);
        let again = again.current_dir(&other).output().expect("it starts");
        assert_eq!((status(&again), posts(&github).len()), (0, 1), "{words:?}: {again:?}");
        // And the one that was killed learns of it.
        assert_eq!(status(&output(&lab, &github, words)), 0);
        assert_eq!(posts(&github).len(), 1);
    }
}

#[test]
fn what_a_login_posted_before_it_was_lost_no_other_login_posts_again() {
    let cases = [
        (&["issue", "update", "moe"][..], COMMENT),
        (&["issue", "update", "moe", "--seal", "MOE-001"], COMMENT),
        (&["issue", "close", "moe"], COMMENT),
        (&["issue", "open", "moe"], ISSUE),
        (&["pr", "open", "MOE-001"], "POST /repos/octo/moe/pulls"),
    ];
    for (words, request) in cases {
        let count = |github: &LocalGitHub| match request {
            COMMENT => github.state().issues[0].comments.len(),
            ISSUE => github.state().issues.len(),
            _ => github.state().pulls.len(),
        };
        let (lab, github) = match words[1] {
            "open" if words[0] == "issue" => (super::github::lab(), LocalGitHub::start()),
            _ => sealed(),
        };
        if words[1] == "close" {
            close_topic(&lab);
        }
        let other = clone(&lab);
        github.fail(request, 1, What::DoneThenSilence(Duration::from_secs(2)));
        killed_once(&lab, &github, words, |github| count(github) > 0);
        // The claim of the dead holds for as long as it said.
        github.state().refs.clear();
        let seen = as_app(&lab, &other, &github, words).output().expect("it starts");
        assert_eq!((status(&seen), count(&github)), (0, 1), "{words:?}: {seen:?}");
        // What the log says was posted as somebody counts for that login only.
        ok(&lab, &github, words);
        assert_eq!(count(&github), 1, "{words:?}");
    }
}

#[test]
fn a_mark_from_a_log_counts_only_for_the_login_that_the_log_names() {
    let (lab, github) = base();
    let other = clone(&lab);
    github.fail(COMMENT, 1, What::Refuse(403, Vec::new(), "{}".to_owned()));
    assert_eq!(status(&output(&lab, &github, &["issue", "update", "moe"])), 3);
    let (_, asked) =
        github.state().asked.iter().rfind(|it| it.0.starts_with(COMMENT)).cloned().expect("it was asked");
    let asked: serde_json::Value = serde_json::from_str(&asked).expect("it is JSON");
    github.state().comment("mallory", asked["body"].as_str().expect("it has a text"));
    let seen = as_app(&lab, &other, &github, &["issue", "update", "moe"]).output().expect("it starts");
    assert_eq!((status(&seen), github.state().issues[0].comments.len()), (0, 2), "{seen:?}");
}

#[test]
fn what_a_person_wrote_is_put_back_though_the_command_that_overwrote_it_was_killed() {
    let (lab, github) = base();
    let body = github.state().issues[0].body.clone();
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    publish(&lab);
    let patch = "PATCH /repos/octo/moe/issues/1";
    github.state().person.push((patch.to_owned(), format!("This is mine.\n\n{body}")));
    github.fail(patch, 1, What::DoneThenSilence(Duration::from_secs(2)));
    killed_once(&lab, &github, &["issue", "sync", "moe"], |github| github.state().issues[0].edits.len() == 3);
    let ours = github.state().issues[0].body.clone();
    assert!(!ours.contains("This is mine."));
    // Whoever writes in between keeps what they wrote, too.
    let second = format!("{ours}\nAnd this is a second's.\n");
    github.state().issues[0].edits.push(("octo-second".to_owned(), second.clone()));
    github.state().issues[0].body = second;
    github.state().refs.clear();
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    for text in ["This is mine.\n", "a third less", "And this is a second's."] {
        assert!(body.contains(text), "`{text}` is not in {body}");
    }
    let said = ok(&lab, &github, &["issue", "sync", "moe"]);
    assert!(said.contains("the issue says so already"), "{said}");
    assert_eq!(preview(&lab, &github, &["issue", "sync", "moe"]), said);
}

/// Kills a command at random points, and runs it again: one is there in the end.
///
/// `GIT_EXP_KILLS` has it done more often.
fn killed_anywhere(
    kills: u64,
    words: &[&str],
    begin: impl Fn() -> (TestLab, LocalGitHub),
    count: impl Fn(&LocalGitHub) -> usize,
) {
    let kills = std::env::var("GIT_EXP_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(kills);
    let (lab, github) = begin();
    let began = Instant::now();
    ok(&lab, &github, words);
    let whole = began.elapsed();
    for kill in 0..kills {
        let (lab, github) = begin();
        // Spread over the whole time, and not at the same places each time.
        let random = u64::from(Instant::now().elapsed().subsec_nanos()) % 97;
        let place = (kill as f64 + random as f64 / 97.0) / kills as f64;
        let mut command = command(&lab, &github.api, words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(whole.mul_f64(place));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let said = ok(&lab, &github, words);
        assert_eq!(count(&github), 1, "killed at {place}: {said}");
        ok(&lab, &github, words);
        assert_eq!(count(&github), 1, "killed at {place}");
    }
}

#[test]
fn a_pull_request_whose_opening_is_killed_is_opened_exactly_once() {
    killed_anywhere(12, &["pr", "open", "MOE-001"], sealed, |github| github.state().pulls.len());
    let (lab, github) = sealed();
    github.fail("POST /repos/octo/moe/pulls", 1, What::DoneThenSilence(Duration::from_secs(2)));
    let is_enough = |github: &LocalGitHub| !github.state().pulls.is_empty();
    killed_once(&lab, &github, &["pr", "open", "MOE-001"], is_enough);
    ok(&lab, &github, &["pr", "open", "MOE-001"]);
    assert_eq!(github.state().pulls.len(), 1);
}

#[test]
fn an_issue_whose_opening_is_killed_is_opened_exactly_once() {
    static LAB: LazyLock<TestLab> = LazyLock::new(lab);
    let begin = || (LAB.copy(), LocalGitHub::start());
    killed_anywhere(8, &["issue", "open", "moe"], begin, |github| github.state().issues.len());
}

#[test]
fn a_seal_whose_posting_is_killed_is_posted_exactly_once() {
    killed_anywhere(8, &["issue", "update", "moe", "--seal", "MOE-001"], sealed, |github| {
        posts(github).len()
    });
}

#[test]
fn an_issue_whose_closing_is_killed_gets_one_summary_and_is_closed() {
    static CLOSED: LazyLock<(TestLab, State)> = LazyLock::new(|| {
        let (lab, github) = base();
        close_topic(&lab);
        let state = github.state().clone();
        (lab, state)
    });
    let begin = || (CLOSED.0.copy(), LocalGitHub::with(CLOSED.1.clone()));
    killed_anywhere(6, &["issue", "close", "moe"], begin, |github| {
        assert_eq!(github.state().issues[0].state, "closed");
        posts(github).len()
    });
}

fn close_topic(lab: &TestLab) {
    let said = ["--worked", "a", "--failed", "b", "--limits", "c", "--next", "d", "--retrospective", "e"];
    lab.exp_ok(["topic", "close", "moe"].into_iter().chain(said));
    publish(lab);
}

#[test]
fn the_text_of_an_issue_says_all_that_the_topic_came_to() {
    let (lab, github) = (lab(), LocalGitHub::start());
    lab.script(
        "train.sh",
        "echo \"INPUT name=x shape=8x1024 dtype=bf16\"\necho \"METRIC step_time=$(( $(cat step) + GIT_EXP_SEED % 3 )) unit=ms better=lower\"",
    );
    lab.write("exp.toml", METRICS);
    lab.commit_all("what is measured");
    lab.git(["push", "--quiet", "origin", "main"]);
    ok(&lab, &github, &["issue", "open", "moe"]);
    let new = ["new", "prefetch", "--topic", "moe", "--hypothesis", "the disk is slow", "--change"];
    lab.exp_ok(new.into_iter().chain(["prefetch"]));
    lab.write(".worktrees/MOE-001/step", "80\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "prefetch"]);
    let run =
        ["run", "-e", "MOE-001", "-n", "3", "--against", "default", "--param", "lr=0.1", "--", "./train.sh"];
    lab.exp_ok(run);
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "a fifth less", "--next", "release it"]);
    lab.exp_ok(["new", "slower", "--topic", "moe", "--hypothesis", "a lock costs", "--change", "a lock"]);
    lab.write(".worktrees/MOE-002/step", "130\n");
    lab.git(["-C", ".worktrees/MOE-002", "commit", "--quiet", "-am", "lock"]);
    lab.exp_ok([
        "run",
        "-e",
        "MOE-002",
        "-n",
        "3",
        "--against",
        "default",
        "--param",
        "lr=0.1",
        "--",
        "./train.sh",
    ]);
    lab.exp_ok(["decide", "MOE-002", "reject", "--because", "a third more", "--next", "nothing"]);
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    let part = |heading: &str| {
        let (_, rest) =
            body.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading}: {body}"));
        rest.split("\n## ").next().unwrap_or_default().to_owned()
    };
    let commit = lab.git(["rev-parse", "exp/MOE-001"]);
    assert!(body.contains("**TL;DR.** Best so far: MOE-001, prefetch"), "{body}");
    for (heading, texts) in [
        ("Question", vec!["a third less"]),
        (
            "Scope",
            vec![
                "accepted when: `step_time <= -8%`",
                "changed ",
                "goal is a third less (was: halve the step time)",
            ],
        ),
        (
            "Current baseline",
            vec!["**default**: `main`", "shape: `x 8x1024 bf16", "`lr=0.1`", "step_time 10"],
        ),
        (
            "Results",
            vec!["| MOE-001 | prefetch |", "| MOE-002 | a lock |", commit.trim(), "accepted", "rejected"],
        ),
        ("Decisions", vec!["MOE-001 accepted | a fifth less | **accept** against", "Ada Lovelace"]),
        ("What did not work", vec!["MOE-002 (a lock): a third more"]),
        ("How to reproduce", vec!["./train.sh", commit.trim(), "sealed: MOE-001, <"]),
        ("Links", vec!["/tree/research/moe>", "/.agents/logbooks/moe.md>"]),
    ] {
        let shown = part(heading);
        for text in texts {
            assert!(shown.contains(text), "`{text}` is not in {heading}:\n{shown}");
        }
    }
}

/// What a command would post.
fn preview(lab: &TestLab, github: &LocalGitHub, words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().copied().chain(["--dry-run"]).collect();
    let seen = output(lab, github, &words);
    assert_eq!(status(&seen), 0, "{seen:?}");
    String::from_utf8(seen.stdout).expect("it is UTF-8")
}

fn last(github: &LocalGitHub) -> String {
    posts(github).pop().expect("it was posted")
}

#[test]
fn a_preview_is_what_is_posted() {
    let (lab, github) = sealed();
    let writes = || {
        let state = github.state();
        state.asked.iter().filter(|(asked, _)| !asked.starts_with("GET ")).count()
    };
    let before = lab.git(["for-each-ref"]);
    let text = preview(&lab, &github, &["issue", "update", "moe"]);
    assert_eq!((writes(), lab.git(["for-each-ref"])), (0, before));
    ok(&lab, &github, &["issue", "update", "moe"]);
    assert_same(&text, &last(&github));
    let text = preview(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    ok(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    assert_same(&text, &last(&github));
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    publish(&lab);
    let text = preview(&lab, &github, &["issue", "sync", "moe"]);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    assert_eq!(text, github.state().issues[0].body);
    let text = preview(&lab, &github, &["pr", "open", "MOE-001"]);
    ok(&lab, &github, &["pr", "open", "MOE-001"]);
    let pull = github.state().pulls[0].clone();
    assert_same(&text, &format!("{}\n\n{}", pull.title, pull.body));
    close_topic(&lab);
    let text = preview(&lab, &github, &["issue", "close", "moe"]);
    ok(&lab, &github, &["issue", "close", "moe"]);
    assert_same(&text, &last(&github));
}

#[test]
fn a_preview_of_an_issue_and_of_a_heartbeat_is_what_is_posted() {
    let (lab, github) = (lab(), LocalGitHub::start());
    let text = preview(&lab, &github, &["issue", "open", "moe"]);
    ok(&lab, &github, &["issue", "open", "moe"]);
    let issue = github.state().issues[0].clone();
    assert_same(&text, &format!("{}\n\n{}", issue.title, issue.body));
    beating(&lab);
    let text = preview(&lab, &github, &["issue", "heartbeat", "moe"]);
    ok(&lab, &github, &["issue", "heartbeat", "moe"]);
    assert_same(&text, &posts(&github)[0]);
}

#[test]
fn a_preview_knows_what_was_refused_and_what_others_posted() {
    let (lab, github) = base();
    github.fail(COMMENT, 1, What::Refuse(422, Vec::new(), "{}".to_owned()));
    assert_eq!(status(&output(&lab, &github, &["issue", "update", "moe"])), 3);
    lab.exp_ok(["note", "moe", "second", "--observation"]);
    publish(&lab);
    let text = preview(&lab, &github, &["issue", "update", "moe"]);
    ok(&lab, &github, &["issue", "update", "moe"]);
    // What was begun and refused is told together with what came since.
    assert_eq!(posts(&github).len(), 1);
    assert_same(&text, &last(&github));
    assert!(text.contains("the loader waits for the disk") && text.contains("second"), "{text}");
    lab.exp_ok(["note", "moe", "third", "--observation"]);
    publish(&lab);
    let other = clone(&lab);
    let mut elsewhere = command(&lab, &github.api, &["issue", "update", "moe"]);
    assert_eq!(status(&elsewhere.current_dir(&other).output().expect("it starts")), 0);
    assert!(preview(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
    // Who has no token is told that nobody was asked, and sees what this clone knows.
    let mut blind = lab.exp_command(["issue", "update", "moe", "--dry-run"]);
    let seen = blind.env("GITHUB_API_URL", &github.api).output().expect("it starts");
    assert!(String::from_utf8_lossy(&seen.stdout).contains("third"), "{seen:?}");
    assert!(String::from_utf8_lossy(&seen.stderr).contains("GitHub was not asked what is there already"));
}

/// A topic that asks for heartbeats, one a day, in which something ran, seven hours later.
fn beating(lab: &TestLab) {
    lab.write("exp.toml", "[issue]\nheartbeat = \"6h\"\nheartbeats-a-day = 1\n");
    lab.commit_all("heartbeats");
    lab.git(["push", "--quiet", "origin", "main"]);
    lab.git(["checkout", "--quiet", "research/moe"]);
    lab.git(["merge", "--quiet", "main"]);
    lab.set_clock("2026-11-21T13:00:00Z");
    experiment(lab);
    publish(lab);
    lab.set_clock("2026-11-21T19:00:00Z");
}

#[test]
fn heartbeats_of_all_clones_count_towards_the_days_cap() {
    let (lab, github) = (lab(), LocalGitHub::start());
    ok(&lab, &github, &["issue", "open", "moe"]);
    beating(&lab);
    lab.git(["push", "--quiet", "origin", "research/moe"]);
    let other = clone(&lab);
    // The other clone knows nothing of that, for the log never left this one, and it was silent for long.
    let hook = refuse_pushes(&lab);
    ok(&lab, &github, &["issue", "heartbeat", "moe"]);
    std::fs::remove_file(hook).expect("it is ours");
    github.state().issues[0].comments[0].created = "2026-11-21T12:10:00Z".to_owned();
    let mut beat = command(&lab, &github.api, &["issue", "heartbeat", "moe"]);
    let seen = beat.current_dir(&other).output().expect("it starts");
    let said = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(said.contains("1 were posted within a day, and at most 1 are"), "{said}{seen:?}");
    assert_eq!(posts(&github).len(), 1);
}

#[test]
fn a_token_goes_to_no_other_host_whatever_github_says() {
    let (lab, github) = base();
    let foreign = LocalGitHub::with(github.state().clone());
    let page = format!("<{}/repos/octo/moe/issues/1/comments?page=2>; rel=\"next\"", foreign.api);
    let comments = What::Refuse(200, vec![("link", page)], "[]".to_owned());
    github.fail("GET /repos/octo/moe/issues/1/comments", 1, comments);
    ok(&lab, &github, &["issue", "update", "moe"]);
    let (lab, github) = base();
    for status_code in [301, 302, 307, 308] {
        for (request, path) in
            [("GET /repos/octo/moe/issues/1/comments", ""), (COMMENT, ""), ("GET /user", "/user")]
        {
            let target = format!("{}{path}", foreign.api);
            let away = What::Refuse(status_code, vec![("location", target)], "{}".to_owned());
            github.fail(request, 1, away);
            let seen = output(&lab, &github, &["issue", "update", "moe"]);
            assert_eq!(status(&seen), 3, "{status_code} {request}: {seen:?}");
            assert!(String::from_utf8_lossy(&seen.stderr).contains("GitHub has it elsewhere"), "{seen:?}");
        }
    }
    // A user name in front of the own host is another host.
    let host = github.api.trim_start_matches("http://").to_owned();
    let away = format!("http://{host}@{}/", foreign.api.trim_start_matches("http://"));
    github.fail(
        "GET /repos/octo/moe/issues/1",
        1,
        What::Refuse(301, vec![("location", away)], "{}".to_owned()),
    );
    assert_eq!(status(&output(&lab, &github, &["issue", "sync", "moe"])), 3);
    assert!(foreign.state().asked.is_empty(), "{:?}", foreign.state().asked);
    assert!(posts(&github).is_empty());
    // Within the host they are followed, as GitHub says it of what was renamed.
    let here = format!("{}/repos/octo/moe/issues/1/comments", github.api);
    github.fail(COMMENT, 1, What::Refuse(307, vec![("location", here)], "{}".to_owned()));
    ok(&lab, &github, &["issue", "update", "moe"]);
    assert_eq!(posts(&github).len(), 1);
}

#[test]
fn an_issue_that_is_gone_moved_or_locked_is_told_and_nothing_is_posted_elsewhere() {
    let said = |request: &'static str, code: u16, body: &str, words: &[&str]| {
        let (lab, github) = base();
        github.fail(request, 9, What::Refuse(code, Vec::new(), body.to_owned()));
        let seen = output(&lab, &github, words);
        assert_eq!((status(&seen), posts(&github).len()), (3, 0), "{seen:?}");
        assert_eq!(github.state().issues.len(), 1);
        String::from_utf8_lossy(&seen.stderr).into_owned()
    };
    let issue = "GET /repos/octo/moe/issues/1";
    for words in [&["issue", "sync", "moe"][..], &["issue", "update", "moe"]] {
        let gone = said(issue, 410, r#"{"message":"This issue was deleted"}"#, words);
        assert!(gone.contains("hint: the issue was deleted"), "{gone}");
    }
    let moved = said(COMMENT, 301, r#"{"message":"Moved Permanently"}"#, &["issue", "update", "moe"]);
    assert!(moved.contains("was the issue transferred"), "{moved}");
    let locked = r#"{"message":"Unable to create comment because issue is locked."}"#;
    let locked = said(COMMENT, 403, locked, &["issue", "update", "moe"]);
    assert!(locked.contains("hint: unlock the conversation"), "{locked}");
}

#[test]
fn a_label_that_cannot_be_made_keeps_no_issue_from_being_opened() {
    let (lab, github) = (lab(), LocalGitHub::start());
    let refusal = || What::Refuse(403, Vec::new(), r#"{"message":"Must have push access"}"#.to_owned());
    github.fail("POST /repos/octo/moe/labels", 1, refusal());
    let seen = output(&lab, &github, &["issue", "open", "moe"]);
    assert_eq!((status(&seen), github.state().issues.len()), (0, 1), "{seen:?}");
    assert!(String::from_utf8_lossy(&seen.stderr).contains("there is no label `experiment`"), "{seen:?}");
}

#[test]
fn whatever_people_did_to_the_text_theirs_stays_and_ours_is_written_once() {
    let (lab, github) = base();
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let whole = github.state().issues[0].body.clone();
    let (begin, end) = (
        "<!-- git-exp:begin: what stands from here to `end` is written anew; write above or below -->",
        "<!-- git-exp:end -->",
    );
    for (mine, texts) in [
        (1, "mine 0\n".to_owned()),
        (0, String::new()),
        (2, format!("mine 0\n{end}\nmine 1\n")),
        (2, format!("mine 0\n{begin}\nmine 1\n")),
        (3, format!("mine 0\n{end}\nmine 1\n{begin}\nmine 2\n")),
        (2, format!("mine 0\n{whole}\nmine 1\n{whole}\n")),
        (2, format!("> {begin}\nmine 0\n> {end}\n {begin} x\nmine 1\n")),
        (1, format!("{begin}\r\nold\r\n{end}\r\nmine 0\r\n")),
    ] {
        github.state().issues[0].body = texts.clone();
        let said = output(&lab, &github, &["issue", "sync", "moe"]);
        let is_told = String::from_utf8_lossy(&said.stderr).contains("is written anew at the end");
        let has_pair = texts.contains(&whole) || texts.starts_with(begin);
        assert_eq!((status(&said), is_told), (0, !has_pair && !texts.is_empty()), "{texts:?}: {said:?}");
        let body = github.state().issues[0].body.clone();
        for number in 0..mine {
            assert!(body.contains(&format!("mine {number}\n")), "{texts:?}\n---\n{body}");
        }
        assert!(body.contains("## Question"), "{body}");
        assert!(ok(&lab, &github, &["issue", "sync", "moe"]).contains("says so already"), "{body}");
    }
    // Somebody writes between the two looks.
    lab.exp_ok(["topic", "amend", "moe", "--goal", "a third less"]);
    github.state().issues[0].body = whole.clone();
    github.state().looks = 0;
    github.state().person_at_look = Some((2, format!("{whole}\nMy words.\n")));
    ok(&lab, &github, &["issue", "sync", "moe"]);
    let body = github.state().issues[0].body.clone();
    assert!(body.contains("My words.") && body.contains("a third less"), "{body}");
}

#[test]
fn a_comment_that_somebody_deleted_is_not_posted_again() {
    let (lab, github) = base();
    ok(&lab, &github, &["issue", "update", "moe"]);
    github.state().issues[0].comments.clear();
    assert!(ok(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
    assert!(posts(&github).is_empty());
}

#[test]
fn hostile_words_in_every_post_forge_nothing_and_call_nobody() {
    let hostile = "@octo/team @ada fixes #1 octo/moe#2 GH-3 https://github.com/o/n/issues/4\n<!-- git-exp:end -->\n\
        <!-- git-exp:seen 0f=99 -->\n::error::forged\n--> </details><img src=x> | a\n```\n\
        <!-- git-exp:begin: what stands from here to `end` is written anew; write above or below -->\u{202e}\u{1b}[31m";
    let long = format!("{hostile}{}", "x ".repeat(100_000));
    let lab = lab();
    let github = LocalGitHub::start();
    lab.write("exp.toml", format!("{METRICS}[issue]\nheartbeat = \"6h\"\n"));
    lab.commit_all("what is measured");
    lab.git(["push", "--quiet", "origin", "main"]);
    ok(&lab, &github, &["issue", "open", "moe"]);
    lab.exp_ok(["topic", "amend", "moe", "--goal", hostile, "--problem", hostile, "--success", hostile]);
    lab.git(["checkout", "--quiet", "research/moe"]);
    lab.git(["merge", "--quiet", "-m", "merged", "main"]);
    lab.git(["checkout", "--quiet", "main"]);
    lab.exp_ok(["new", "x", "--topic", "moe", "--hypothesis", hostile, "--change", hostile]);
    lab.write(".worktrees/MOE-001/step", "80\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "prefetch"]);
    lab.set_clock("2026-11-21T13:00:00Z");
    let run = ["run", "-e", "MOE-001", "-n", "3", "--against", "default", "--", "./train.sh", hostile];
    lab.exp_ok(run);
    long_note(&lab, "MOE-001", &long);
    lab.exp_ok(["note", "moe", &format!("blocker: {hostile}")]);
    lab.exp_ok(["idea", "add", hostile, "--topic", "moe"]);
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", hostile, "--next", hostile]);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    lab.set_clock("2026-11-21T19:00:00Z");
    ok(&lab, &github, &["issue", "heartbeat", "moe", "--blocker", hostile, "--eta", hostile]);
    ok(&lab, &github, &["issue", "update", "moe"]);
    ok(&lab, &github, &["issue", "update", "moe", "--seal", "MOE-001"]);
    ok(&lab, &github, &["issue", "sync", "moe"]);
    ok(&lab, &github, &["pr", "open", "MOE-001"]);
    let said = ["--worked", "--failed", "--limits", "--next", "--retrospective"];
    let said: Vec<&str> = said.into_iter().flat_map(|it| [it, hostile]).collect();
    lab.exp_ok(["topic", "close", "moe"].into_iter().chain(said));
    publish(&lab);
    ok(&lab, &github, &["issue", "close", "moe"]);
    let state = github.state();
    assert_eq!((posts_of(&state), state.pulls.len()), (4, 1));
    let issue = &state.issues[0];
    for comment in &issue.comments {
        assert_harmless(&comment.body);
    }
    assert_harmless(&issue.body);
    assert_harmless(&state.pulls[0].body);
    for title in [&issue.title, &state.pulls[0].title] {
        assert!(!title.contains("@a") && !title.contains("#1") && !title.contains('\u{202e}'), "{title}");
    }
}

fn posts_of(state: &State) -> usize {
    state.issues[0].comments.iter().filter(|it| it.user == LOGIN).count()
}

#[test]
fn a_token_shows_nowhere_however_much_is_traced() {
    let (lab, github) = sealed();
    lab.exp_ok(["note", "moe", &format!("my token is {TOKEN}")]);
    publish(&lab);
    let traced = |words: &[&str]| -> Output {
        let mut command = command(&lab, &github.api, words);
        for name in ["RUST_BACKTRACE", "GIT_TRACE", "GIT_CURL_VERBOSE", "GIT_TRACE_CURL", "GIT_TRACE2"] {
            command.env(name, "1");
        }
        command.env("RUST_LOG", "trace").env("GIT_TRACE_REDACT", "0").env("GIT_ALLOW_PROTOCOL", "file:http");
        command.output().expect("it starts")
    };
    let mut said = String::new();
    let headers =
        || vec![("x-oauth-scopes", TOKEN.to_owned()), ("x-accepted-oauth-scopes", TOKEN.to_owned())];
    let body = format!(r#"{{"message":"no {TOKEN}","errors":["{TOKEN}",{{"field":"{TOKEN}"}}]}}"#);
    for code in [400, 401, 403, 404, 410, 422, 500] {
        github.fail(COMMENT, 4, What::Refuse(code, headers(), body.clone()));
        said.push_str(&format!("{:?}", traced(&["issue", "update", "moe"])));
        github.state().faults.clear();
    }
    github.fail(COMMENT, 1, What::Refuse(301, vec![("location", format!("http://{TOKEN}/"))], body.clone()));
    said.push_str(&format!("{:?}", traced(&["issue", "update", "moe"])));
    github.fail("GET /user", 1, What::Refuse(200, Vec::new(), format!(r#"{{"login":"{TOKEN}"}}"#)));
    github.fail("GET /repos/octo/moe/git/ref", 1, What::Refuse(200, Vec::new(), format!("[\"{TOKEN}\"")));
    said.push_str(&format!("{:?}", traced(&["issue", "update", "moe"])));
    said.push_str(&format!("{:?}", traced(&["issue", "update", "moe", "--seal", "MOE-001"])));
    said.push_str(&format!("{:?}", traced(&["pr", "open", "MOE-001", "--json"])));
    assert!(said.contains("GitHub refused"), "{said}");
    // In the address of the remote, which Git repeats where it is asked to.
    let remote = format!("http://me:{TOKEN}@{}/octo/moe.git", github.api.trim_start_matches("http://"));
    lab.git(["config", "remote.origin.url", &remote]);
    for words in [
        &["issue", "sync", "moe"][..],
        &["issue", "update", "moe"],
        &["issue", "heartbeat", "moe"],
        &["issue", "open", "moe", "--remote", "origin"],
        &["pr", "open", "MOE-001"],
        &["push", "--yes"],
        &["pull"],
    ] {
        said.push_str(&format!("{:?}", traced(words)));
    }
    said.push_str(&lab.exp(["log"]));
    let place = said.find("PLANTED");
    assert!(place.is_none(), "{}", &said[place.unwrap_or(0).saturating_sub(600)..][..700]);
    assert!(!lab.git(["cat-file", "--batch-all-objects", "--batch"]).contains("PLANTED"));
    let kept = lab.command(["grep", "-rl", "PLANTED", ".git/exp"]).output().expect("grep is there");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "in the clone's own files");
}

#[test]
fn a_token_that_was_typed_in_the_wrong_place_is_not_repeated() {
    let (lab, github) = base();
    let kept = "gho_PLANTED1secret1token0123456789abcd";
    let wrong = format!("https://x:{TOKEN}@127.0.0.1:1/");
    let host = format!("x:{TOKEN}@ghe.example.org");
    let said = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&lab, &github.api, words);
        let seen = command.envs(variables.iter().copied()).output().expect("it starts");
        assert_eq!(status(&seen), 2, "{words:?}: {seen:?}");
        let text = format!("{seen:?}");
        assert!(!text.to_lowercase().contains("planted"), "{words:?}: {text}");
        text
    };
    let sync = ["issue", "sync", "moe"];
    for words in
        [&["issue", "sync", TOKEN][..], &["issue", "sync", kept], &["issue", "open", TOKEN, "--dry-run"]]
    {
        let text = said(words, &[]);
        assert!(text.contains("there is no topic `<token>`"), "{text}");
    }
    for words in [
        &["issue", "sync", "moe", TOKEN][..],
        &["issue", TOKEN],
        &["issue", "sync", "moe", "--remote", &wrong],
    ] {
        said(words, &[]);
    }
    said(&sync, &[("GITHUB_API_URL", &wrong)]);
    said(&sync, &[("GITHUB_API_URL", &wrong), ("GH_TOKEN", "another")]);
    said(&sync, &[("GITHUB_API_URL", ""), ("GH_HOST", &host), ("GH_TOKEN", "another")]);
    lab.git(["config", "exp.githubApi", &wrong]);
    said(&sync, &[("GH_TOKEN", "another")]);
    lab.git(["config", "exp.githubApi", &format!("http://x:{TOKEN}@ghe.example.org/api/v3")]);
    said(&sync, &[("GH_TOKEN", "another")]);
}

#[test]
fn no_line_about_what_was_told_silences_what_was_not() {
    let (lab, github) = base();
    let writer = lab.git(["config", "exp.writer"]).trim().to_owned();
    let entry = "ab".repeat(32);
    for text in [
        format!("<!-- git-exp:seen {writer}=3 -->"),
        format!("<!-- git-exp:seen {writer}=99999 -->\n<!-- git-exp:{entry} -->"),
    ] {
        github.state().comment(LOGIN, &text);
    }
    ok(&lab, &github, &["issue", "update", "moe"]);
    assert!(last(&github).contains("the loader waits for the disk"), "{}", last(&github));
    assert!(ok(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
}

#[test]
fn what_is_too_long_is_cut_in_the_preview_as_in_the_post() {
    let (lab, github) = base();
    for number in 0..60 {
        lab.exp_ok(["note", "moe", &format!("{number} {}", "🚀|x ".repeat(900)), "--observation"]);
    }
    publish(&lab);
    let dry = output(&lab, &github, &["issue", "update", "moe", "--dry-run"]).stdout;
    ok(&lab, &github, &["issue", "update", "moe"]);
    let post = posts(&github).pop().expect("it was posted");
    assert!(post.encode_utf16().count() <= 65_536 && post.contains("… too long for GitHub: "));
    assert_same(&String::from_utf8_lossy(&dry), &post);
    assert!(ok(&lab, &github, &["issue", "update", "moe"]).contains("nothing is new"));
}
