//! How often a repetition is judged rightly: what `docs/statistics.md` says of it was measured here.
//!
//! `cargo test --test statistics repetition -- --nocapture` prints the rates, of 4,000 repetitions each.

use std::collections::BTreeMap;

use crate::noise::normal;
use git_exp::domain::metric::{Definition, Kind, Value};
use git_exp::domain::reproduction::{Observed, Outcome, Terms, Trials, judge, outcome};
use git_exp::domain::statistics::random::Random;

const REPETITIONS: u32 = 4_000;

fn observed(seed: u64, pair: usize, name: &str, value: f64) -> Observed {
    let metric = Value { value: Some(value), ..Value::default() };
    Observed {
        seed: Some(seed),
        pair: Some(pair.to_string()),
        metrics: BTreeMap::from([(name.to_owned(), metric)]),
        is_repeat: false,
    }
}

/// The shares, in percent, of `reproduced`, `diverged` and `not comparable`.
fn shares(kind: Kind, mut draw: impl FnMut() -> [Trials; 2]) -> [f64; 3] {
    let definition = Definition { kind: Some(kind), ..Definition::default() };
    let terms = Terms {
        definitions: BTreeMap::from([("m".to_owned(), definition)]),
        promised: None,
        is_same_hardware: true,
    };
    let mut counts = [0_u32; 3];
    for _ in 0..REPETITIONS {
        let [recorded, here] = draw();
        let place = match outcome(&judge(&recorded, &here, &terms)).0 {
            Outcome::Reproduced => 0,
            Outcome::Diverged => 1,
            Outcome::NotComparable => 2,
        };
        counts[place] += 1;
    }
    counts.map(|count| 100.0 * f64::from(count) / f64::from(REPETITIONS))
}

/// Trials of one seed whose values vary by one standard deviation, the second time `shift` of them further on.
fn quality(size: usize, shift: f64, random: &mut Random) -> [f64; 3] {
    let mut trials = |shift: f64| {
        let candidate = (0..size).map(|place| observed(7, place, "m", 100.0 + shift + normal(random)));
        Trials { candidate: candidate.collect(), ..Trials::default() }
    };
    shares(Kind::Quality, || [trials(0.0), trials(shift)])
}

/// Pairs whose sides vary by 3 % each, the second time on a machine a third as fast, the candidate `factor` as slow.
fn ratio(size: usize, factor: f64, random: &mut Random) -> [f64; 3] {
    let mut trials = |baseline: f64, candidate: f64| {
        let mut side = |level: f64| -> Vec<Observed> {
            let values = (0..size).map(|place| (place, level * (0.03 * normal(random)).exp()));
            values.map(|(place, value)| observed(place as u64, place, "m", value)).collect()
        };
        Trials { baseline: side(baseline), candidate: side(candidate) }
    };
    shares(Kind::Measured, || [trials(100.0, 80.0), trials(300.0, 240.0 * factor)])
}

#[test]
fn what_is_the_same_is_rarely_called_diverged_and_what_is_not_is_rarely_reproduced() {
    let mut random = Random::from_seed(20_261_126);
    println!("shares in percent: reproduced, diverged, not comparable");
    for size in [3, 5, 10] {
        for shift in [0.0, 4.0, 10.0] {
            let [reproduced, diverged, neither] = quality(size, shift, &mut random);
            println!(
                "quality, {size} trials, off by {shift} deviations: {reproduced:.1} {diverged:.1} {neither:.1}"
            );
            if shift == 0.0 {
                assert!(diverged <= 2.0, "equal programs diverge in {diverged} %");
                assert!(
                    size < 5 || reproduced >= 85.0,
                    "equal programs are reproduced in {reproduced} % only"
                );
            } else if size >= 5 {
                assert!(reproduced <= 10.0, "{size} trials off by {shift} pass in {reproduced} %");
            }
        }
        for factor in [1.0, 1.3, 2.0] {
            let [reproduced, diverged, neither] = ratio(size, factor, &mut random);
            println!(
                "ratio, {size} pairs, candidate {factor} as slow: {reproduced:.1} {diverged:.1} {neither:.1}"
            );
            if factor > 1.5 {
                assert!(reproduced <= 0.1, "twice as slow passes in {reproduced} %");
            } else if factor <= 1.0 {
                assert!(diverged <= 1.0, "equal ratios diverge in {diverged} %");
            }
        }
    }
}
