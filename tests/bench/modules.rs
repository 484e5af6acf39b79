//! Modules that `torch.jit.save` wrote; `modules.py` says how those of the tests were made.

use crate::lab::TestLab;
use crate::{number, short, summary};

const LINEAR: &[u8] = include_bytes!("data/linear.pt");
const SPLIT: &[u8] = include_bytes!("data/split.pt");

fn lab_with_modules() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("linear.pt", LINEAR);
    lab.write("split.pt", SPLIT);
    lab.write(
        "bench/linear.toml",
        "[torchscript]\nfile = \"linear.pt\"\ninputs = [{ name = \"x\", shape = \"8x16\" }]\n",
    );
    lab
}

#[test]
fn a_module_is_measured_on_declared_inputs() {
    let lab = lab_with_modules();
    for set in ["pass=forward", "pass=forward-backward"] {
        let seen = summary(&lab, "linear", &["--set", set]);
        assert!(number(&seen, "error") < 1e-5, "{seen:#}");
        assert!(number(&seen, "time_hot") > 0.0);
    }
}

#[test]
fn another_module_under_the_same_name_is_another_configuration() {
    let lab = lab_with_modules();
    lab.write(".gitignore", "*.pt\n");
    lab.commit_all("modules are not kept in git");
    for module in [LINEAR, SPLIT, SPLIT] {
        lab.write("linear.pt", module);
        lab.exp_ok(["run", "--", "git", "exp"].into_iter().chain(short("linear", &[])));
    }
    let runs: Vec<String> = lab
        .exp_json(["runs", "--sort", "started"])
        .iter()
        .map(|it| it["run"].as_str().unwrap().to_owned())
        .collect();
    let differ = |from: &str, to: &str| lab.exp_ok(["diff", from, to]).contains("configuration");
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(from, to)| differ(&runs[from], &runs[to]));
    assert_eq!(pairs.iter().filter(|it| **it).count(), 2, "one module ran twice: {pairs:?}");
}

#[test]
fn variants_of_a_module_are_measured_in_turn() {
    let lab = lab_with_modules();
    let more = ["--set", "variants=[\"split.pt\"]", "--set", "passes=3", "--set", "pass-time=5ms"];
    let seen = summary(&lab, "linear", &more);
    let candidate = &seen["variants"][1];
    assert_eq!((&seen["variants"][0]["name"], &candidate["name"]), (&"linear".into(), &"split".into()));
    let off = candidate["metrics"]["error_against_baseline"]["value"].as_f64().unwrap();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn variants_whose_files_are_called_alike_are_told_apart() {
    let lab = lab_with_modules();
    lab.write("other/linear.pt", SPLIT);
    let more = [
        "--set",
        "variants=[\"other/linear.pt\", \"linear.pt\"]",
        "--set",
        "passes=2",
        "--set",
        "pass-time=1ms",
    ];
    let seen = summary(&lab, "linear", &more);
    let names: Vec<&str> = (0..3).map(|at| seen["variants"][at]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["linear", "linear.pt", "linear-2"]);
}

/// A package holds native code for one machine, so none is kept here: `make pytorch` compiles it.
#[test]
fn a_package_of_aotinductor_is_measured_beside_the_module_that_it_was_compiled_from() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pytorch/linear.pt2");
    let Ok(package) = std::fs::read(package) else {
        println!("SKIPPED: there is no target/pytorch/linear.pt2 (make pytorch)");
        return;
    };
    let lab = lab_with_modules();
    lab.write("linear.pt2", package);
    let more = ["--set", "variants=[\"linear.pt2\"]", "--set", "passes=2", "--set", "pass-time=5ms"];
    let seen = summary(&lab, "linear", &more);
    let compiled = &seen["variants"][1];
    assert_eq!(compiled["name"], "linear.pt2");
    let off = compiled["metrics"]["error_against_baseline"]["value"].as_f64().unwrap();
    assert!(off < 1e-6, "{off}");
    let package = ["--set", "file=linear.pt2"];
    for (wrong, because) in [
        ("inputs=[{name=\"x\",shape=\"4x16\"}]", "does not take these inputs"),
        ("inputs=[{name=\"x\",shape=\"8x16\"},{name=\"y\",shape=\"8\"}]", "does not take these inputs"),
        ("dtype=bf16", "does not take these inputs"),
        ("pass=forward-backward", "which has no way back"),
    ] {
        let words: Vec<&str> = package.into_iter().chain(["--set", wrong]).collect();
        let output = lab.exp_output(crate::short("linear", &words));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(because) && said.contains("hint: "), "{said}");
    }
}
