//! Operations: each computes what it should, and is measured as it should be.

use crate::lab::TestLab;
use crate::{number, summary};

/// Every operation with shapes that are small, and whether it has a way back.
const OPS: &[(&str, &[&str], bool)] = &[
    ("matmul", &["--set", "a=48x64", "--set", "b=64x32"], true),
    ("batched-matmul", &["--set", "a=3x16x8", "--set", "b=3x8x16"], true),
    ("attention", &["--set", "query=1x2x32x16", "--set", "key=1x2x32x16", "--set", "value=1x2x32x16"], true),
    ("layer-norm", &["--set", "input=16x64"], true),
    ("rms-norm", &["--set", "input=16x64"], true),
    ("softmax", &["--set", "input=16x64"], true),
    ("cross-entropy", &["--set", "logits=16x64"], true),
    ("convolution", &["--set", "input=1x4x8x8", "--set", "weight=4x4x3x3"], true),
    ("embedding", &["--set", "table=32x16", "--set", "indices=20"], true),
    ("optimizer-step", &["--set", "parameter=16x16"], false),
];

#[test]
fn every_operation_and_its_gradients_agree_with_float64() {
    let lab = TestLab::with_commit();
    for (op, shapes, has_way_back) in OPS {
        let passes: &[&str] =
            if *has_way_back { &["pass=forward", "pass=forward-backward"] } else { &["pass=forward"] };
        for pass in passes {
            let more: Vec<&str> = shapes.iter().copied().chain(["--set", *pass]).collect();
            let seen = summary(&lab, op, &more);
            let error = number(&seen, "error");
            assert!((0.0..2e-5).contains(&error), "{op}, {pass}: {error}");
            assert!(number(&seen, "time_hot") > 0.0);
        }
    }
}

#[test]
fn a_short_dtype_shows_in_the_error() {
    let lab = TestLab::with_commit();
    for dtype in ["dtype=bf16", "dtype=autocast"] {
        let seen = summary(&lab, "matmul", &["--set", "a=64x64", "--set", "b=64x64", "--set", dtype]);
        let error = number(&seen, "error");
        assert!((1e-4..2e-2).contains(&error), "{dtype}: {error}");
    }
}

#[test]
fn a_layout_changes_where_numbers_lie_and_not_what_comes_out() {
    let lab = TestLab::with_commit();
    for (op, layout) in [("matmul", "layout=transposed"), ("convolution", "layout=channels-last")] {
        assert!(number(&summary(&lab, op, &["--set", layout]), "error") < 2e-5, "{op}");
    }
}

#[test]
fn back_ends_of_attention_are_measured_in_turn_and_agree() {
    let lab = TestLab::with_commit();
    let more = [
        "--set",
        "backend=flash",
        "--against",
        "backend=math",
        "--set",
        "passes=4",
        "--set",
        "pass-time=5ms",
    ];
    let seen = summary(&lab, "attention", &more);
    let candidate = &seen["variants"][1];
    assert_eq!(seen["variants"][0]["workload"]["op"]["backend"], "math");
    assert_eq!(candidate["workload"]["op"]["backend"], "flash");
    assert_eq!(candidate["versus_baseline"]["label"], "within-process");
    assert_eq!(candidate["versus_baseline"]["passes"], 4);
    let off = candidate["metrics"]["error_against_baseline"]["value"].as_f64().unwrap();
    assert!(off > 0.0 && off < 1e-5, "{off}");
}

#[test]
fn hot_and_cold_and_the_ceilings_are_told_apart() {
    let lab = TestLab::with_commit();
    let seen = lab.exp_json([
        "bench",
        "run",
        "softmax",
        "--set",
        "input=64x256",
        "--set",
        "min-time=1ms",
        "--set",
        "max-time=300ms",
        "--set",
        "min-samples=3",
    ]);
    let seen = &seen[0];
    assert!(number(seen, "time_cold") > number(seen, "time_hot"), "{seen:#}");
    let share = number(seen, "ceiling_share");
    assert!(share > 0.0 && share.is_finite(), "{share}");
    assert!(seen["ceilings"]["flop_per_second"].as_f64().unwrap() > 1e8);
    // The bound is loose, as this build is not optimised.
    assert!(seen["overhead_seconds"].as_f64().unwrap() < 1e-6);
    assert!(seen["variants"][0]["hot"]["calls_per_sample"].as_u64().unwrap() >= 1);
}

#[test]
fn one_seed_computes_the_same_to_the_last_bit() {
    let lab = TestLab::with_commit();
    let more = ["--set", "deterministic=true", "--set", "pass=forward-backward"];
    let error = |seed: &str| {
        let all: Vec<&str> = more.into_iter().chain(["--set", seed]).collect();
        number(&summary(&lab, "cross-entropy", &all), "error").to_bits()
    };
    assert_eq!(error("seed=1"), error("seed=1"));
    assert_ne!(error("seed=1"), error("seed=2"));
}

#[test]
fn each_variant_has_the_ceiling_of_its_own_setting() {
    let lab = TestLab::with_commit();
    let ceilings = |against: &str| {
        let turns = ["--set", "ceilings=true", "--set", "passes=2", "--set", "pass-time=5ms"];
        let more: Vec<&str> = ["--against", against].into_iter().chain(turns).collect();
        let seen = summary(&lab, "attention", &more);
        [0, 1].map(|at| seen["variants"][at]["ceilings"]["flop_per_second"].as_f64().unwrap())
    };
    let [baseline, candidate] = ceilings("dtype=f64");
    assert_ne!(baseline.to_bits(), candidate.to_bits(), "measured with either dtype");
    let [baseline, candidate] = ceilings("backend=math");
    assert_eq!(baseline.to_bits(), candidate.to_bits(), "one setting, measured once");
}

#[test]
fn the_memory_of_a_program_is_its_own() {
    let lab = TestLab::with_commit();
    for (size, known) in [("400000000", Some(400.0..500.0)), ("1", None)] {
        let argv = format!(
            "[command]\nargv = [\"python3\", \"-c\", \"x = bytearray({size}); x[::4096] = bytes(len(x[::4096]))\"]\n"
        );
        lab.write("bench/fill.toml", argv);
        let seen = summary(&lab, "fill", &[]);
        let peak = seen["variants"][0]["metrics"]["peak_memory"]["value"].as_f64();
        assert_eq!(peak.is_some(), known.is_some(), "{peak:?} MB");
        assert!(known.zip(peak).is_none_or(|(range, peak)| range.contains(&peak)), "{peak:?} MB");
    }
}

#[test]
fn a_program_is_measured_as_a_whole() {
    let lab = TestLab::with_commit();
    lab.write("bench/nap.toml", "[command]\nargv = [\"sleep\", \"0.01\"]\n");
    let seen = summary(&lab, "nap", &["--set", "max-time=200ms"]);
    let time = number(&seen, "time_hot");
    assert!((10.0..100.0).contains(&time), "{time} ms");
    assert_eq!(seen["variants"][0]["cold"], serde_json::Value::Null);
}
