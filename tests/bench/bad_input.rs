//! What cannot be measured: an error with a hint, or a failed run that says why.

use std::io::BufRead as _;

use crate::lab::TestLab;
use crate::short;

/// The exit status and what was said of a measurement that does not work.
fn refusal(lab: &TestLab, workload: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = lab.exp_output(short(workload, more));
    (output.status.code(), lab.steady(&String::from_utf8_lossy(&output.stderr)))
}

#[track_caller]
fn is_refused(lab: &TestLab, workload: &str, more: &[&str], because: &str) {
    let (status, said) = refusal(lab, workload, more);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains(because) && said.contains("hint: "), "{said}");
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_loaded() {
    let lab = TestLab::with_commit();
    lab.write("bench/wrong.toml", "[op]\nname = \"matmull\"\n");
    is_refused(&lab, "wrong", &[], "did you mean `matmul`?");
    is_refused(&lab, "matmu", &[], "did you mean `matmul`?");
    is_refused(
        &lab,
        "matmul",
        &["--set", "a=3x4", "--set", "b=5x6"],
        "the last size of `a` must be the first of `b`",
    );
    is_refused(&lab, "matmul", &["--set", "measure.max-tim=5s"], "did you mean `max-time`?");
    is_refused(&lab, "matmul", &["--set", "devcie=cpu"], "did you mean `device`, of `[setting]`?");
    is_refused(&lab, "matmul", &["--set", "max-samples=0"], "nothing would be measured");
    is_refused(&lab, "matmul", &["--set", "device=gpu"], "`gpu` is no device");
    is_refused(&lab, "matmul", &["--set", "dtype=f8"], "unknown value `f8`");
    is_refused(&lab, "matmul", &["--set", "a"], "`a` is not `key=value`");
    is_refused(&lab, "matmul", &["--set", "graph=true"], "and the device is `cpu`");
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let lab = TestLab::with_commit();
    is_refused(&lab, "matmul", &["--set", "device=cuda:7"], "there is no device `cuda:7` here");
    is_refused(&lab, "matmul", &["--set", "device=mps"], "there is no device `mps` here");
    is_refused(&lab, "attention", &["--set", "backend=efficient"], "needs CUDA");
    // A libtorch without CUDA says so, and one with CUDA looks for the device.
    let (status, said) = refusal(&lab, "matmul", &["--set", "graph=true", "--set", "device=cuda:7"]);
    assert_eq!(status, Some(2), "{said}");
    let is_told =
        ["has no CUDA", "headers of CUDA", "no device `cuda:7` here"].iter().any(|why| said.contains(why));
    assert!(is_told && said.contains("hint: "), "{said}");
}

#[test]
fn what_is_no_module_is_refused() {
    let lab = TestLab::with_commit();
    lab.write("note.pt", "not a module");
    lab.write(
        "bench/note.toml",
        "[torchscript]\nfile = \"note.pt\"\ninputs = [{ name = \"x\", shape = \"2\" }]\n",
    );
    lab.write(
        "bench/gone.toml",
        "[torchscript]\nfile = \"gone.pt\"\ninputs = [{ name = \"x\", shape = \"2\" }]\n",
    );
    is_refused(&lab, "note", &[], "`note.pt` is not a TorchScript module");
    lab.write("note.pt", "PK model/data/aotinductor/model/x.wrapper.so");
    is_refused(&lab, "note", &[], "`note.pt` is not a package of AOTInductor that can be loaded here");
    is_refused(&lab, "gone", &[], "cannot read the module `gone.pt`");
}

#[test]
fn memory_that_is_not_there_makes_a_failed_run_with_the_peak() {
    let lab = TestLab::with_commit();
    let words = ["run", "--", "git", "exp"].into_iter();
    let output = lab.exp_output(words.chain(short("softmax", &["--set", "input=1000000x1000000"])));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("out of memory") && said.contains("hint: "), "{said}");
    assert!(!said.contains("frame #"), "{said}");
    let run = lab.exp_json(["runs"]).remove(0);
    assert_eq!(run["status"], "failed");
    assert!(run["metrics"]["peak_memory"]["value"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_model_that_cannot_be_is_refused() {
    let lab = TestLab::with_commit();
    is_refused(&lab, "smoke", &["--set", "heads=3"], "which do not divide it");
    is_refused(
        &lab,
        "smoke",
        &["--set", "width=60", "--set", "heads=12"],
        "rotary embeddings turn them in pairs",
    );
    is_refused(&lab, "smoke", &["--set", "sequence=0"], "`sequence` is 0");
    is_refused(&lab, "smoke", &["--set", "text=gone.txt"], "cannot read the text `gone.txt`");
    is_refused(&lab, "smoke", &["--set", "text=/dev/zero"], "it is no file");
    is_refused(&lab, "smoke", &["--set", "sequence=10000"], "the last tenth must hold a sequence");
    is_refused(&lab, "smoke", &["--set", "device=mps"], "there is no device `mps` here");
}

#[test]
fn a_model_for_which_memory_is_not_there_makes_a_failed_run_with_the_peak() {
    let lab = TestLab::with_commit();
    let larger = ["--set", "width=300000", "--set", "layers=1", "--set", "mode=prefill"];
    let words = ["run", "--", "git", "exp"].into_iter().chain(short("smoke", &larger));
    let output = lab.exp_output(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("out of memory") && !said.contains("frame #"), "{said}");
    let run = lab.exp_json(["runs"]).remove(0);
    assert_eq!(run["status"], "failed");
    assert!(run["metrics"]["peak_memory"]["value"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_loss_that_is_not_finite_fails() {
    let lab = TestLab::with_commit();
    let more =
        ["--set", "learning-rate=1e30", "--set", "layers=1", "--set", "sequence=8", "--set", "steps=5"];
    let (status, said) = refusal(&lab, "smoke", &more);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("the loss after 2 steps is not finite") && said.contains("hint: "), "{said}");
}

#[test]
fn a_loss_that_runs_away_while_steps_are_timed_fails() {
    let lab = TestLab::with_commit();
    let step = [
        "--set",
        "mode=train-step",
        "--set",
        "learning-rate=1e30",
        "--set",
        "layers=1",
        "--set",
        "sequence=8",
    ];
    let in_turn = ["--against", "attention=plain", "--set", "passes=2", "--set", "pass-time=5ms"];
    for more in [&step[..], &[&step[..], &in_turn].concat()] {
        let (status, said) = refusal(&lab, "smoke", more);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("the loss after ") && said.contains("is not finite"), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_harness_ends_with_the_program_that_asked() {
    let lab = TestLab::with_commit();
    let words = [
        "bench",
        "run",
        "matmul",
        "--set",
        "min-time=60s",
        "--set",
        "max-time=60s",
        "--set",
        "ceilings=false",
    ];
    let mut asking = lab.exp_command(words).stdout(std::process::Stdio::piped()).spawn().unwrap();
    // Inputs are told once it has begun.
    let mut line = String::new();
    std::io::BufReader::new(asking.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("INPUT "), "{line}");
    let of_process =
        |pid: &str, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let pid = asking.id().to_string();
    let harness = of_process(&pid, &format!("task/{pid}/children")).trim().to_owned();
    assert!(of_process(&harness, "status").contains("git-exp-bench"), "the harness is `{harness}`");
    asking.kill().unwrap();
    asking.wait().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !matches!(of_process(&harness, "status").lines().nth(2), None | Some("State:\tZ (zombie)")) {
        assert!(std::time::Instant::now() < deadline, "the harness computes for nobody");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_is_not_finite_fails() {
    let lab = TestLab::with_commit();
    // Sums of 60,000 products of f16 overflow.
    let more =
        ["--set", "dtype=f16", "--set", "distribution=uniform", "--set", "a=8x600000", "--set", "b=600000x8"];
    let (status, said) = refusal(&lab, "matmul", &more);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("is not finite") && said.contains("hint: "), "{said}");
}

#[test]
fn a_program_that_fails_is_not_measured() {
    let lab = TestLab::with_commit();
    lab.write("bench/fails.toml", "[command]\nargv = [\"false\"]\n");
    lab.write("bench/gone.toml", "[command]\nargv = [\"no-such-program\"]\n");
    let (status, said) = refusal(&lab, "fails", &[]);
    assert_eq!(status, Some(1), "{said}");
    is_refused(&lab, "gone", &[], "cannot start `no-such-program`");
}
