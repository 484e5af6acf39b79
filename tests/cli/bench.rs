//! `git exp bench` without its harness: what is read, listed and refused before libtorch is loaded.
//!
//! What is measured is tested in `tests/bench/`, with the feature `torch`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::lab::TestLab;

/// `git exp` where no harness is beside it, and none on the path but that of `script`.
fn exp_with_harness(lab: &TestLab, script: Option<&str>, arguments: &[&str]) -> Command {
    let folder: PathBuf = lab.home().join("bin");
    fs::create_dir_all(&folder).expect("the home folder is ours");
    let program = folder.join("git-exp");
    fs::copy(env!("CARGO_BIN_EXE_git-exp"), &program).expect("the program can be copied");
    if let Some(script) = script {
        let harness = folder.join("git-exp-bench");
        fs::write(&harness, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
        fs::set_permissions(harness, fs::Permissions::from_mode(0o755)).expect("the script is ours");
    }
    let mut command = lab.command([program.to_str().expect("the path is UTF-8")]);
    command.args(arguments).env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command
}

#[test]
fn workloads_of_the_repository_stand_beside_those_that_come_with_the_program() {
    let lab = TestLab::with_commit();
    lab.write("bench/nap.toml", "description = \"sleeps\"\n[command]\nargv = [\"sleep\", \"0.01\"]\n");
    lab.write("bench/wrong.toml", "[op]\nname = \"matmull\"\n");
    lab.write("bench/notes.md", "not a workload\n");
    let listed = lab.exp_ok(["bench", "list"]);
    let row = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(row("nap").contains("command") && row("nap").contains("sleeps"), "{listed}");
    assert!(row("wrong").contains("did you mean `matmul`?"), "{listed}");
    assert!(row("matmul").contains("preset"), "{listed}");
    assert!(!listed.contains("notes"), "{listed}");
}

#[test]
fn a_workload_is_shown_with_every_key_and_reads_back_as_it_is_shown() {
    let lab = TestLab::with_commit();
    let shown = lab.exp_ok(["bench", "show", "matmul", "--set", "dtype=bf16", "--set", "a=8x512"]);
    for expected in
        ["dtype = \"bf16\"", "a = \"8x512\"", "pass = \"forward\"", "seed = 0", "max-time = \"10s\""]
    {
        assert!(shown.contains(expected), "`{expected}` is missing from:\n{shown}");
    }
    lab.write("bench/again.toml", &shown);
    assert_eq!(lab.exp_ok(["bench", "show", "again"]), shown);
    assert_eq!(lab.exp_ok(["bench", "show", "bench/again.toml"]), shown);
}

#[test]
fn a_preset_is_written_to_a_file_of_its_own_name() {
    let lab = TestLab::with_commit();
    let shown = lab.exp_ok(["bench", "show", "matmul"]);
    // A shell empties the file before it starts the program.
    lab.write("bench/matmul.toml", "");
    assert_eq!(lab.exp_ok(["bench", "show", "matmul"]), shown);
}

#[test]
fn the_harness_is_given_what_was_resolved_and_its_status_is_passed_on() {
    let lab = TestLab::with_commit();
    let script = "cat >request.json; exit 1";
    let words = ["bench", "run", "matmul", "--set", "threads=2", "--against", "dtype=bf16"];
    let output = exp_with_harness(&lab, Some(script), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let request: serde_json::Value = serde_json::from_str(&lab.read("request.json")).unwrap();
    assert_eq!(request["schema"], "git-exp/bench-request/1");
    let [baseline, candidate] = &request["variants"].as_array().unwrap()[..] else { panic!("{request:#}") };
    let workload = |variant: &serde_json::Value| variant["workload"].as_str().unwrap().to_owned();
    assert!(workload(baseline).contains("bf16") && workload(candidate).contains("f32"));
    assert!(workload(baseline).contains("threads = 2") && workload(candidate).contains("threads = 2"));
}

#[test]
fn a_trial_draws_from_its_own_seed_unless_it_is_set_by_hand() {
    let lab = TestLab::with_commit();
    let script = "cat >request.json";
    for (more, expected) in [(&[][..], "seed = 41"), (&["--set", "seed=7"][..], "seed = 7")] {
        let words: Vec<&str> = ["bench", "run", "matmul"].into_iter().chain(more.iter().copied()).collect();
        let output = exp_with_harness(&lab, Some(script), &words).env("GIT_EXP_SEED", "41").output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(lab.read("request.json").contains(expected), "{expected}");
    }
}

#[test]
fn a_missing_harness_and_a_missing_library_are_told_with_what_mends_them() {
    let lab = TestLab::with_commit();
    let words = ["bench", "run", "matmul"];
    insta::assert_snapshot!(lab.seen(&mut exp_with_harness(&lab, None, &words)), @r"
    exit: 3
    --- stderr
    error: cannot find the harness `git-exp-bench`
      caused by: it is neither beside `git-exp` nor on the PATH
    hint: in the source of git exp: make install-bench
    ");
    let script = "cat >/dev/null; exit 127";
    insta::assert_snapshot!(lab.seen(&mut exp_with_harness(&lab, Some(script), &words)), @r"
    exit: 3
    --- stderr
    error: cannot run the harness `<home>/bin/git-exp-bench`
      caused by: libtorch cannot be loaded
    hint: in the source of git exp: make libtorch && make install-bench
    ");
}

#[test]
fn the_program_itself_links_no_libtorch() {
    let program = fs::read(env!("CARGO_BIN_EXE_git-exp")).expect("the program is there");
    let name = b"libtorch_cpu";
    assert!(!program.windows(name.len()).any(|bytes| bytes == name));
}

#[test]
fn a_libtorch_of_another_version_is_refused_with_what_mends_it() {
    let lab = TestLab::with_commit();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/libtorch.sh");
    let version =
        "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 10\n#define TORCH_VERSION_PATCH 0\n";
    lab.write("torch/include/torch/headeronly/version.h", version);
    for folder in ["torch", "nowhere"] {
        let libtorch = lab.path().join(folder);
        let output = lab.command(["sh", script]).env("LIBTORCH", &libtorch).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("2.11.0") && said.contains("hint: unset LIBTORCH"), "{said}");
    }
}
