//! Private files and private text appear in no object that is written.

use std::process::Stdio;

use crate::lab::TestLab;

const PRIVATE: &str = "[capture]\nprivate-files = [\"*.csv\", \"patients/**\"]\nprivate-text = ['\\b\\d{3}-\\d{2}-\\d{4}\\b']\n";
/// What must not be found.
const NUMBER: &str = "078-05-1120";

fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", PRIVATE);
    lab.commit_all("what is private");
    lab
}

#[track_caller]
fn assert_in_no_object(lab: &TestLab, texts: &[&str]) {
    let mut cat = lab.command(["git", "cat-file", "--batch-all-objects", "--batch"]);
    let objects = cat.stderr(Stdio::inherit()).output().expect("git starts").stdout;
    let objects = String::from_utf8_lossy(&objects);
    for text in texts {
        assert!(!objects.contains(text), "`{text}` is in an object");
    }
}

#[test]
fn private_files_never_become_artifacts_or_part_of_a_snapshot() {
    let lab = lab();
    lab.write("patients/one", "a patient\n");
    lab.write("deep/table.csv", "a table\n");
    lab.write("model.py", "a model\n");
    let script = "mkdir $GIT_EXP_OUT/plots; echo a dump > $GIT_EXP_OUT/plots/dump.csv
        echo a plot > $GIT_EXP_OUT/plots/a.txt";
    insta::assert_snapshot!(lab.exp(["run", "--", "sh", "-c", script]), @"
    exit: 0
    --- stderr
    the recorded code is not exactly what runs:
      `deep/table.csv` was left out: it is private
      `patients/one` was left out: it is private
    recorded <id 1> 20261121-scratch: ok, <time> (dirty worktree, snapshot kept)
      the artifact `plots/dump.csv` (7 bytes) is private and was not kept
    plain `git log` shows results from now on (`notes.displayRef` is set in this repository)
    ");
    let run = &lab.exp_json(["runs"])[0];
    assert_eq!(run["exact"], false);
    let names: Vec<&str> =
        run["files"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["environment.json", "out/plots/a.txt"]);
    assert_in_no_object(&lab, &["a patient", "a table", "a dump\n"]);
}

#[test]
fn private_text_is_redacted_and_no_file_that_holds_it_is_kept() {
    let lab = lab();
    lab.write("notes.txt", format!("it is {NUMBER}\n"));
    let helper = "#!/bin/sh\nn=$(cat ../number)\necho $n; echo $n >&2; echo METRIC loss=1 case=$n
        echo $n > $GIT_EXP_OUT/a.bin; echo $n > $GIT_EXP_OUT/$n\n";
    lab.write("helper", helper);
    std::fs::write(lab.path().join("../number"), NUMBER).expect("the folder is ours");
    insta::assert_snapshot!(lab.exp(["run", "--label", NUMBER, "--param", &format!("id={NUMBER}"), "--", "sh", "helper", NUMBER]), @"
    exit: 0
    --- stdout
    078-05-1120
    METRIC loss=1 case=078-05-1120
    --- stderr
    the recorded code is not exactly what runs:
      `notes.txt` was left out: it holds what `capture.private-text` describes
    078-05-1120
    recorded <id 1> 20261121-scratch: ok, <time> (dirty worktree, snapshot kept)
      the artifact `[redacted]` is stored as `[redacted]`
      the artifact `[redacted]` (12 bytes) is private and was not kept
      the artifact `a.bin` (12 bytes) is private and was not kept
    plain `git log` shows results from now on (`notes.displayRef` is set in this repository)
    ");
    let id = lab.exp_json(["runs"])[0]["run"].as_str().expect("it has an ID").to_owned();
    let page = lab.exp(["show", &id]);
    assert!(page.contains("is private and was not kept"), "{page}");
    lab.exp_ok(["note", "20261121-scratch", &format!("see {NUMBER}")]);
    assert_in_no_object(&lab, &[NUMBER]);
}

#[test]
fn a_private_file_that_git_has_stays_as_it_was_committed() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", PRIVATE);
    lab.write("data.csv", "public\n");
    lab.commit_all("a table");
    lab.exp_ok(["run", "--", "true"]);
    assert_eq!(lab.exp_json(["runs"])[0]["exact"], true, "what is committed is no business of ours");
    lab.write("data.csv", "a new row\n");
    lab.exp_ok(["run", "--", "true"]);
    let run = &lab.exp_json(["runs", "--limit", "1"])[0];
    assert_eq!(run["inexact"], serde_json::json!(["`data.csv` was left out: it is private"]));
    assert_in_no_object(&lab, &["a new row"]);
}

#[test]
fn nobody_takes_back_in_a_worktree_what_the_team_calls_private() {
    let lab = lab();
    lab.git(["switch", "--quiet", "--create", "mine"]);
    lab.write("exp.toml", "");
    lab.write("patients.csv", "a patient\n");
    lab.exp_ok(["run", "--", "echo", NUMBER]);
    lab.write("exp.toml", "[broken");
    assert!(!lab.exp_output(["run", "--", "echo", NUMBER]).status.success());
    assert_in_no_object(&lab, &["a patient", NUMBER]);
}

#[test]
fn a_run_that_died_is_recovered_without_what_is_private() {
    let lab = lab();
    let script = format!("echo id {NUMBER}; echo x > $GIT_EXP_OUT/a.csv; echo ready; sleep 60");
    // Not in the arguments, where the shell would have it too.
    lab.script("dies.sh", &script.replace(NUMBER, "$(printf '078-05-%d' 1120)"));
    let mut command = lab.exp_command(["run", "--", "./dies.sh"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("git-exp starts");
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut said = String::new();
    while !said.ends_with("ready\n") {
        assert!(std::io::BufRead::read_line(&mut stdout, &mut said).expect("it is text") > 0, "{said}");
    }
    child.kill().expect("it was running");
    child.wait().expect("it ends");
    lab.write("exp.toml", "[broken");
    let seen = lab.exp(["log"]);
    assert!(seen.contains("recorded as crashed"), "{seen}");
    lab.write("exp.toml", "");
    let run = &lab.exp_json(["runs"])[0];
    assert_eq!(run["status"], "crashed");
    assert!(run["remarks"].to_string().contains("`a.csv` (2 bytes) is private"), "{run:#}");
    assert_in_no_object(&lab, &[NUMBER]);
}

#[test]
fn a_configuration_file_cannot_be_kept_and_private() {
    let lab = lab();
    lab.write("exp.toml", format!("{PRIVATE}[config]\nfiles = [\"settings.csv\"]\n"));
    lab.write("settings.csv", "x\n");
    insta::assert_snapshot!(lab.exp(["run", "--", "true"]), @"
    exit: 125
    --- stderr
    the recorded code is not exactly what runs:
      `settings.csv` was left out: it is private
    error: `settings.csv` is private, and `[config]` in `exp.toml` wants it kept
    hint: take it out of `[config]`, or out of `private-files` in `[capture]`
    ");
}
