//! How often the defaults are wrong, by seeded simulation: what `docs/statistics.md` says was measured is measured here.
//!
//! Ten thousand repetitions have a standard error of 0.2 percentage points at 5 %. Where logarithms are compared, the
//! interval of a candidate that is a times slower is the interval of an equal one moved by log a, so that false alarms
//! and coverage are two sides of one count; a candidate with an effect is simulated, so that both are seen.
//! `cargo test --test statistics calibration -- --nocapture` prints the rates.

use crate::noise::{Machine, Noise, normal};
use git_exp::domain::metric::{Kind, Scale};
use git_exp::domain::statistics::alpha_spending::Looks;
use git_exp::domain::statistics::anytime::anytime;
use git_exp::domain::statistics::prediction::prediction;
use git_exp::domain::statistics::random::{First, Random, balanced_order};
use git_exp::domain::statistics::{Design, Level, Method, Sample, Test, choose, estimate, estimate_at};

const REPETITIONS: u32 = 10_000;

/// The effect of the simulated candidate.
const EFFECT: f64 = 0.05;

/// The sizes at which the default is a different method, and the ends of each range.
const SIZES: [(usize, Kind); 9] = [
    (3, Kind::Measured),
    (5, Kind::Measured),
    (7, Kind::Measured),
    (8, Kind::Measured),
    (8, Kind::Quality),
    (15, Kind::Measured),
    (15, Kind::Quality),
    (30, Kind::Measured),
    (30, Kind::Quality),
];

fn sample(values: Vec<f64>) -> Sample {
    Sample::new(values).unwrap()
}

fn scaled(mut factors: Vec<f64>, by: f64) -> Vec<f64> {
    for factor in &mut factors {
        *factor *= by;
    }
    factors
}

/// The share of repetitions in which something happens, in percent.
fn percent(repetitions: u32, mut happens: impl FnMut() -> bool) -> f64 {
    let count = (0..repetitions).filter(|_| happens()).count();
    100.0 * count as f64 / f64::from(repetitions)
}

/// Coverage of the 95 % interval, and misses of the upper and of the lower one-sided bound, in percent.
fn coverage(method: Method, sizes: (usize, usize), noises: (Noise, Noise), random: &mut Random) -> [f64; 3] {
    let (mut above, mut below) = (0_u32, 0_u32);
    let covered = percent(REPETITIONS, || {
        let baseline = sample(noises.0.factors(sizes.0, random));
        let candidate = sample(scaled(noises.1.factors(sizes.1, random), 1.0 + EFFECT));
        let estimate = estimate(method, &baseline, &candidate).unwrap();
        let bounds = estimate.bounds.unwrap();
        above += u32::from(bounds.high < EFFECT);
        below += u32::from(bounds.low > EFFECT);
        estimate.interval.unwrap().contains(EFFECT)
    });
    let share = |count: u32| 100.0 * f64::from(count) / f64::from(REPETITIONS);
    [covered, share(above), share(below)]
}

fn the_default_covers(design: Design) {
    let mut random = Random::from_seed(31);
    let mut short = Vec::new();
    for noise in Noise::ALL {
        for (size, kind) in SIZES {
            let method = choose(design, kind, Scale::Ratio, size, size);
            let [covered, above, below] = coverage(method, (size, size), (noise, noise), &mut random);
            println!(
                "{design:?} {noise:?} n={size} {method}: {covered:.1} % covered, bounds miss {above:.1} {below:.1}"
            );
            if covered < 94.0 || above > 6.0 || below > 6.0 {
                short.push(format!("{noise:?} n={size} {method}: {covered} {above} {below}"));
            }
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[test]
fn unpaired_intervals_cover_and_false_alarms_stay_below_six_percent() {
    the_default_covers(Design::Unpaired);
}

#[test]
fn paired_intervals_cover_and_false_alarms_stay_below_six_percent() {
    the_default_covers(Design::Paired);
}

#[test]
fn equal_programs_are_seldom_told_apart() {
    let mut random = Random::from_seed(32);
    for noise in Noise::ALL {
        for (size, kind) in [(3, Kind::Measured), (8, Kind::Measured), (12, Kind::Quality)] {
            for scale in [Scale::Ratio, Scale::Difference] {
                let method = choose(Design::Unpaired, kind, scale, size, size);
                let alarms = percent(REPETITIONS, || {
                    let baseline = sample(noise.factors(size, &mut random));
                    let candidate = sample(noise.factors(size, &mut random));
                    estimate(method, &baseline, &candidate).unwrap().p_value.unwrap() <= 0.05
                });
                println!("A/A {noise:?} n={size} {method}: {alarms:.1} % false alarms");
                assert!(alarms <= 6.0, "{noise:?} n={size} {method}: {alarms} %");
            }
        }
    }
}

#[test]
fn sides_of_different_size_cover_too() {
    let mut random = Random::from_seed(33);
    for noise in Noise::ALL {
        for (sizes, kind) in
            [((4, 30), Kind::Measured), ((30, 10), Kind::Measured), ((30, 10), Kind::Quality)]
        {
            let method = choose(Design::Unpaired, kind, Scale::Ratio, sizes.0, sizes.1);
            let [covered, ..] = coverage(method, sizes, (noise, noise), &mut random);
            println!("{noise:?} {sizes:?} {method}: {covered:.1} % covered");
            // The smaller side has often seen no spike, and by t it knows neither its cost nor that there is one.
            let floor = match (noise, method.test) {
                (Noise::Spikes, Test::Welch) => 80.0,
                _ => 93.0,
            };
            assert!(covered >= floor, "{noise:?} {sizes:?} {method}: {covered} %");
        }
    }
}

#[test]
fn unequal_shapes_cover_as_the_documentation_says() {
    let mut random = Random::from_seed(34);
    for (baseline, candidate) in
        [(Noise::Normal, Noise::LogNormal), (Noise::Heavy, Noise::Normal), (Noise::Normal, Noise::Spikes)]
    {
        for (size, kind) in
            [(3, Kind::Measured), (8, Kind::Measured), (8, Kind::Quality), (30, Kind::Measured)]
        {
            let method = choose(Design::Unpaired, kind, Scale::Ratio, size, size);
            // What each method estimates differs between shapes; ask for the one it aims at, in a large sample.
            let large = 4_000;
            let aim = estimate(
                method,
                &sample(baseline.factors(large, &mut random)),
                &sample(candidate.factors(large, &mut random)),
            );
            let aim = aim.unwrap().delta;
            let covered = percent(REPETITIONS, || {
                let from = sample(baseline.factors(size, &mut random));
                let to = sample(candidate.factors(size, &mut random));
                estimate(method, &from, &to).unwrap().interval.unwrap().contains(aim)
            });
            println!("{baseline:?} against {candidate:?} n={size} {method}: {covered:.1} % covered");
            assert!(covered >= 80.0, "{baseline:?} against {candidate:?} n={size} {method}: {covered} %");
        }
    }
}

#[test]
fn pairs_in_random_order_withstand_a_machine_that_changes() {
    let mut random = Random::from_seed(35);
    for machine in Machine::ALL {
        for pairs in [3, 5, 7, 8, 10, 30] {
            let method = choose(Design::Paired, Kind::Measured, Scale::Ratio, pairs, pairs);
            let alarms = percent(REPETITIONS, || {
                let runs = machine.runs(2 * pairs, &mut random);
                let order = balanced_order(pairs, &mut random);
                let (mut baseline, mut candidate) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
                for (pair, first) in runs.chunks_exact(2).zip(order) {
                    let (from, to) =
                        if first == First::Baseline { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
                    baseline.push(from);
                    candidate.push(to);
                }
                let estimate = estimate(method, &sample(baseline), &sample(candidate)).unwrap();
                !estimate.interval.unwrap().contains(0.0)
            });
            println!("{machine:?} {pairs} pairs {method}: {alarms:.1} % false alarms");
            assert!(alarms <= 6.0, "{machine:?} {pairs} pairs {method}: {alarms} %");
        }
    }
}

#[test]
fn looking_after_every_trial_keeps_the_anytime_interval_right() {
    let mut random = Random::from_seed(36);
    let looks = 30;
    for noise in Noise::ALL {
        let mut at_thirty = 0.0;
        let alarms = percent(REPETITIONS, || {
            let baseline = noise.factors(looks, &mut random);
            let candidate = noise.factors(looks, &mut random);
            let mut alarmed = false;
            for so_far in 5..=looks {
                let (from, to) = (sample(baseline[..so_far].to_vec()), sample(candidate[..so_far].to_vec()));
                let interval = anytime(Scale::Ratio, &from, &to, Level::FIVE_PERCENT).unwrap();
                if let Some(interval) = interval {
                    alarmed |= !interval.contains(0.0);
                    if so_far == looks {
                        at_thirty += interval.width();
                    }
                }
                if alarmed {
                    break;
                }
            }
            alarmed
        });
        println!("anytime {noise:?}: {alarms:.1} % false alarms in 26 looks, width at 30 {at_thirty:.0}");
        assert!(alarms <= 5.0, "{noise:?}: {alarms} %");
    }
}

#[test]
fn declared_looks_spend_no_more_than_the_level() {
    let mut random = Random::from_seed(37);
    let trials = [8, 16, 24];
    let levels = Looks::after(&trials).unwrap().levels(Level::FIVE_PERCENT);
    for noise in Noise::ALL {
        let alarms = percent(REPETITIONS, || {
            let baseline = noise.factors(24, &mut random);
            let candidate = noise.factors(24, &mut random);
            trials.iter().zip(&levels).any(|(trials, level)| {
                let method = choose(Design::Unpaired, Kind::Quality, Scale::Ratio, *trials, *trials);
                let (from, to) =
                    (sample(baseline[..*trials].to_vec()), sample(candidate[..*trials].to_vec()));
                level.is_some_and(|level| {
                    let estimate = estimate_at(level, method, &from, &to).unwrap();
                    !estimate.interval.unwrap().contains(0.0)
                })
            })
        });
        println!("three declared looks {noise:?}: {alarms:.1} % false alarms");
        assert!(alarms <= 5.5, "{noise:?}: {alarms} %");
    }
}

#[test]
fn a_new_run_falls_where_the_floor_predicts() {
    let mut random = Random::from_seed(38);
    for noise in Noise::ALL {
        for size in [5, 10, 30] {
            let inside = percent(REPETITIONS, || {
                let floor = sample(noise.factors(size, &mut random));
                let interval = prediction(Scale::Ratio, &floor, Level::FIVE_PERCENT).unwrap().unwrap();
                interval.contains(noise.factor(&mut random))
            });
            println!("prediction {noise:?} floor of {size}: {inside:.1} % inside");
            // One spike in ten is rarer than what a floor of thirty leaves out, and heavy tails reach beyond.
            assert!(inside >= 90.0, "{noise:?} {size}: {inside} %");
        }
    }
}

#[test]
fn simulated_noise_is_standard() {
    let mut random = Random::from_seed(39);
    let drawn: Vec<f64> = (0..20_000).map(|_| normal(&mut random)).collect();
    let square = drawn.iter().map(|value| value * value).sum::<f64>() / 20_000.0;
    assert!((square - 1.0).abs() < 0.03, "{square}");
}
