//! Modules that `torch.jit.save` wrote; `modules.py` says how those of the tests were made.

use crate::lab::TestLab;
use crate::{number, summary};

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
fn variants_of_a_module_are_measured_in_turn() {
    let lab = lab_with_modules();
    let more = ["--set", "variants=[\"split.pt\"]", "--set", "passes=3", "--set", "pass-time=5ms"];
    let seen = summary(&lab, "linear", &more);
    let candidate = &seen["variants"][1];
    assert_eq!((&seen["variants"][0]["name"], &candidate["name"]), (&"linear".into(), &"split".into()));
    let off = candidate["metrics"]["error_against_baseline"]["value"].as_f64().unwrap();
    assert!(off < 1e-5, "{off}");
}
