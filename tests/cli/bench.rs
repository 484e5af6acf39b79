//! `git exp bench` without its harness: what is read, listed and refused before libtorch is loaded.
//!
//! What is measured is tested in `tests/bench/`, with the feature `torch`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::TestLab;

/// Copies a program in a process of its own: what this one writes cannot be started while another test starts something.
fn copy(lab: &TestLab, from: &Path, to: &Path) {
    let copied = lab.command(["cp".as_ref(), from.as_os_str(), to.as_os_str()]).status();
    assert!(copied.expect("cp can be started").success(), "{} can be copied", from.display());
}

/// `git exp` where no harness is beside it, and none on the path but that of `script`.
fn exp_with_harness(lab: &TestLab, script: Option<&str>, arguments: &[&str]) -> Command {
    let folder: PathBuf = lab.home().join("bin");
    fs::create_dir_all(&folder).expect("the home folder is ours");
    let program = folder.join("git-exp");
    copy(lab, env!("CARGO_BIN_EXE_git-exp").as_ref(), &program);
    if let Some(script) = script {
        let draft = folder.join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("the script is ours");
        copy(lab, &draft, &folder.join("git-exp-bench"));
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
fn a_harness_that_cannot_be_started_is_told_with_what_installs_it_again() {
    let lab = TestLab::with_commit();
    let words = ["bench", "run", "matmul"];
    let mut command = exp_with_harness(&lab, Some("exit 0"), &words);
    let harness = lab.home().join("bin/git-exp-bench");
    fs::set_permissions(&harness, fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(lab.seen(&mut command), @"
    exit: 3
    --- stderr
    error: cannot run the harness `<home>/bin/git-exp-bench`
      caused by: Permission denied (os error 13)
    hint: in the source of git exp: make install-bench
    ");
    let damaged = lab.home().join("damaged");
    fs::write(&damaged, b"\x7fELF and no more").unwrap();
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&harness).unwrap();
    copy(&lab, &damaged, &harness);
    insta::assert_snapshot!(lab.seen(&mut command), @"
    exit: 3
    --- stderr
    error: cannot run the harness `<home>/bin/git-exp-bench`
      caused by: Exec format error (os error 8)
    hint: in the source of git exp: make install-bench
    ");
}

/// The transcript, without how much memory there was.
fn without_figures(transcript: &str) -> String {
    let figure = regex::Regex::new(r"(peak_memory=|a peak of )[0-9.]+").expect("it is one");
    figure.replace_all(transcript, "${1}<MB>").into_owned()
}

#[test]
fn a_harness_that_is_killed_is_a_failed_measurement_with_the_peak_of_its_memory() {
    let lab = TestLab::with_commit();
    let killed = "cat >/dev/null; kill -9 $$";
    let words = ["bench", "run", "matmul"];
    let seen = lab.seen(&mut exp_with_harness(&lab, Some(killed), &words));
    insta::assert_snapshot!(without_figures(&seen), @"
    exit: 1
    --- stdout
    METRIC peak_memory=<MB> unit=MB better=lower
    --- stderr
    error: the harness was ended by SIGKILL
      caused by: memory most likely ran out, at a peak of <MB> MB
    hint: try smaller shapes, or a machine with more memory
    ");
    let json = exp_with_harness(&lab, Some(killed), &["--json", "bench", "run", "matmul"]).output().unwrap();
    assert_eq!((json.status.code(), &json.stdout[..]), (Some(1), &b""[..]));
    let crashed = "cat >/dev/null; kill -SEGV $$";
    let seen = lab.seen(&mut exp_with_harness(&lab, Some(crashed), &words));
    insta::assert_snapshot!(without_figures(&seen), @"
    exit: 1
    --- stdout
    METRIC peak_memory=<MB> unit=MB better=lower
    --- stderr
    error: the harness was ended by SIGSEGV
    hint: where `git exp bench run matmul` ends so, too, install the harness again: make install-bench
    ");
}

#[test]
fn a_run_of_a_killed_harness_is_recorded_as_failed_with_the_peak_of_its_memory() {
    let lab = TestLab::with_commit();
    // Some 40 MB in one variable, so that the peak is seen to be the harness's own.
    let killed = "cat >/dev/null; x=$(head -c 40000000 /dev/zero | tr '\\0' x); kill -9 $$";
    let program = lab.home().join("bin/git-exp");
    let words = ["run", "--", program.to_str().expect("the path is UTF-8"), "bench", "run", "matmul"];
    let output = exp_with_harness(&lab, Some(killed), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let run = &lab.exp_json(["runs"])[0];
    assert_eq!(run["status"], "failed", "{run:#}");
    let peak = &run["metrics"]["peak_memory"];
    assert_eq!((&peak["unit"], &peak["better"]), (&"MB".into(), &"lower".into()), "{run:#}");
    assert!(peak["value"].as_f64().is_some_and(|megabytes| megabytes > 40.0), "{run:#}");
}

#[test]
fn ctrl_c_ends_the_program_with_its_harness() {
    let lab = TestLab::with_commit();
    let mut command =
        exp_with_harness(&lab, Some("cat >/dev/null; kill -INT 0"), &["bench", "run", "matmul"]);
    // A terminal tells the whole group.
    let output = command.process_group(0).output().unwrap();
    assert_eq!(output.status.signal(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn a_workload_that_is_no_file_is_told_with_where_the_workloads_are() {
    let lab = TestLab::with_commit();
    insta::assert_snapshot!(lab.exp(["bench", "show", "bench/nothing.toml"]), @"
    exit: 2
    --- stderr
    error: there is no file `bench/nothing.toml`
    hint: `git exp bench list` lists the workloads; a path begins at the folder you are in
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
