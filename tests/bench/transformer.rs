//! Transformers: what they compute, what they learn, and that both are the same twice.

use serde_json::Value;

use crate::lab::TestLab;
use crate::{number, summary};

/// A model that is small enough for a debug build.
const TINY: [&str; 14] = [
    "--set",
    "layers=2",
    "--set",
    "width=16",
    "--set",
    "heads=2",
    "--set",
    "sequence=12",
    "--set",
    "batch=2",
    "--set",
    "steps=6",
    "--set",
    "deterministic=true",
];

/// What a short measurement of a tiny model finds.
fn tiny(lab: &TestLab, changes: &[&str]) -> Value {
    let changes = changes.iter().flat_map(|change| ["--set", *change]);
    let more: Vec<&str> = TINY.into_iter().chain(changes).collect();
    summary(lab, "smoke", &more)
}

/// The bits of the loss before each step.
fn losses(summary: &Value) -> Vec<u64> {
    let losses = summary["variants"][0]["losses"].as_array().unwrap();
    losses.iter().map(|loss| loss.as_f64().unwrap().to_bits()).collect()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let lab = TestLab::with_commit();
    let models = [
        ["norm=rms", "norm-placement=pre", "attention=fused", "checkpointing=false"],
        ["norm=rms", "norm-placement=pre", "attention=plain", "checkpointing=true"],
        ["norm=layer", "norm-placement=pre", "attention=fused", "checkpointing=true"],
        ["norm=rms", "norm-placement=post", "attention=plain", "checkpointing=false"],
        ["norm=layer", "norm-placement=post", "attention=fused", "checkpointing=true"],
    ];
    for changes in models {
        let more = ["mode=train-step", "vocabulary=20", "check-gradients=true"];
        let seen = tiny(&lab, &[&changes[..], &more].concat());
        let off = number(&seen, "gradient_error");
        assert!(off < 1e-6, "{changes:?}: {off}");
        // The same in f32, held against plain attention in float64.
        let error = number(&seen, "error");
        assert!(error < 1e-5, "{changes:?}: {error}");
    }
}

#[test]
fn a_decoded_token_is_that_of_the_whole_sequence_read_anew() {
    let lab = TestLab::with_commit();
    for attention in ["attention=fused", "attention=plain"] {
        for mode in ["mode=prefill", "mode=decode"] {
            for sequence in ["sequence=12", "sequence=1"] {
                let error = number(&tiny(&lab, &[attention, mode, sequence]), "error");
                assert!(error < 1e-5, "{attention}, {mode}, {sequence}: {error}");
            }
        }
    }
}

#[test]
fn short_dtypes_read_and_learn_with_larger_errors() {
    let lab = TestLab::with_commit();
    for mode in ["mode=decode", "mode=train"] {
        for dtype in ["dtype=bf16", "dtype=autocast"] {
            let error = number(&tiny(&lab, &[mode, dtype]), "error");
            assert!((1e-4..0.1).contains(&error), "{mode}, {dtype}: {error}");
        }
    }
}

#[test]
fn two_runs_of_one_seed_give_losses_that_are_equal_to_the_last_bit() {
    let lab = TestLab::with_commit();
    let in_parallel = || losses(&tiny(&lab, &["threads=2"]));
    assert_eq!(in_parallel(), in_parallel());
    let first = tiny(&lab, &[]);
    assert_eq!(losses(&first).len(), 6);
    // What is computed again on the way back is the same.
    assert_eq!(losses(&first), losses(&tiny(&lab, &["checkpointing=true"])));
    assert_ne!(losses(&first), losses(&tiny(&lab, &["seed=8"])));
}

#[test]
fn a_model_learns_as_one_that_is_written_with_pytorchs_python_api() {
    let lab = TestLab::with_commit();
    // The loss before step 50 and that of the held-out text, as `tests/bench/transformer.py` gives them with PyTorch 2.11.0
    // from the weights and batches that `export` writes; `make bench` does that for larger models.
    let there = [
        ("dtype=f32", 4.682_883_739_471_435_5, 4.682_928_368_851_945),
        ("dtype=bf16", 4.718_652_248_382_568, 4.720_698_425_752_232),
        ("dtype=autocast", 4.682_235_240_936_279, 4.682_442_230_440_182),
    ];
    for (dtype, last, held_out) in there {
        let seen = tiny(&lab, &["steps=50", "reference=false", dtype]);
        for (name, there) in [("train_loss", last), ("evaluation_loss", held_out)] {
            let here = number(&seen, name);
            assert!((here / there - 1.0).abs() <= 1e-4, "{dtype}, {name}: {here} and {there}");
        }
    }
}

#[test]
fn a_text_is_learnt_and_the_loss_on_what_was_held_out_is_reported() {
    let lab = TestLab::with_commit();
    let seen = tiny(&lab, &["steps=40", "learning-rate=0.01"]);
    let bits = number(&seen, "bits_per_byte");
    // Not knowing anything is 8 bits; every byte of the text alike is far below what 40 steps can find.
    assert!((3.0..7.0).contains(&bits), "{bits}");
    let nats = number(&seen, "evaluation_loss");
    assert!((nats / bits - std::f64::consts::LN_2).abs() < 1e-9);
    assert!(number(&seen, "parameters") > 0.0 && number(&seen, "tokens_per_second") > 0.0);
    assert!(number(&seen, "tflops") > 0.0 && number(&seen, "peak_memory") > 0.0);
}

#[test]
fn every_tensor_at_entry_is_reported() {
    let lab = TestLab::with_commit();
    let words = crate::short("smoke", &TINY);
    let reported = lab.exp_ok(words.into_iter().chain(["--set", "mode=decode"]));
    for expected in [
        "INPUT name=tokens shape=2x1 dtype=i64 device=cpu",
        "INPUT name=keys shape=2x2x2x12x8 dtype=f32 device=cpu",
        "INPUT name=layers.attention.in shape=2x48x16 dtype=f32 device=cpu",
        "INPUT name=embedding shape=256x16 dtype=f32 device=cpu",
        "kind=transformer mode=decode",
    ] {
        assert!(reported.contains(expected), "`{expected}` is missing from:\n{reported}");
    }
}

#[test]
fn attention_written_in_two_ways_is_measured_in_turn_and_learns_the_same() {
    let lab = TestLab::with_commit();
    let more = ["--against", "attention=plain", "--set", "passes=3", "--set", "pass-time=5ms"];
    let all: Vec<&str> = TINY.into_iter().chain(more).collect();
    let seen = summary(&lab, "smoke", &all);
    let loss = |at: usize| seen["variants"][at]["metrics"]["evaluation_loss"]["value"].as_f64().unwrap();
    assert!((loss(0) / loss(1) - 1.0).abs() < 1e-5, "{seen:#}");
    let off = seen["variants"][1]["metrics"]["error_against_baseline"]["value"].as_f64().unwrap();
    assert!(off < 1e-5, "{off}");
}
