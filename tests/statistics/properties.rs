//! What must hold for every pair of samples.

use git_exp::domain::metric::{Kind, Scale};
use git_exp::domain::statistics::random::Random;
use git_exp::domain::statistics::{Design, Estimate, Interval, Method, Sample, choose, estimate};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Positive values, some of them equal.
fn values(size: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![(1u32..40).prop_map(|quarters| f64::from(quarters) * 0.25), 0.01..100.0];
    proptest::collection::vec(value, size)
}

fn two_sides() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (3_usize..14).prop_flat_map(|size| (values(size), values(size)))
}

fn any_method(size: usize) -> impl Iterator<Item = Method> {
    [Design::Unpaired, Design::Paired].into_iter().flat_map(move |design| {
        [Kind::Measured, Kind::Quality].into_iter().flat_map(move |kind| {
            [Scale::Ratio, Scale::Difference].map(|scale| choose(design, kind, scale, size, size))
        })
    })
}

fn judged(method: Method, baseline: &[f64], candidate: &[f64]) -> Estimate {
    estimate(method, &Sample::new(baseline).unwrap(), &Sample::new(candidate).unwrap()).unwrap()
}

/// The effect and the interval as differences: of logarithms where the method compares ratios.
fn as_differences(estimate: &Estimate) -> (f64, Interval) {
    let interval = estimate.interval.unwrap();
    match estimate.method.scale {
        Scale::Ratio => (estimate.delta.ln_1p(), interval.map(f64::ln_1p)),
        Scale::Difference => (estimate.delta, interval),
    }
}

/// Whether two effects are equal but for rounding, on a scale where 1 is an effect of ordinary size.
fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(1.0)
}

proptest! {
    // A failure prints its case; nothing is written beside the tests.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swapping_the_sides_mirrors_everything((baseline, candidate) in two_sides()) {
        for method in any_method(baseline.len()) {
            let (there, back) = (judged(method, &baseline, &candidate), judged(method, &candidate, &baseline));
            let ((effect, interval), (mirrored_effect, mirrored)) = (as_differences(&there), as_differences(&back));
            prop_assert!(close(effect, -mirrored_effect), "{method}");
            prop_assert!(close(interval.low, -mirrored.high) && close(interval.high, -mirrored.low), "{method}");
            prop_assert!(close(there.p_value.unwrap(), back.p_value.unwrap()), "{method}");
        }
    }

    #[test]
    fn another_unit_changes_no_ratio((baseline, candidate) in two_sides(), exponent in -200.0f64..200.0) {
        let unit = 10f64.powf(exponent);
        let scaled = |values: &[f64]| values.iter().map(|value| value * unit).collect::<Vec<_>>();
        for method in any_method(baseline.len()).filter(|method| method.scale == Scale::Ratio) {
            let before = judged(method, &baseline, &candidate);
            let after = judged(method, &scaled(&baseline), &scaled(&candidate));
            let ((_, interval), (_, rescaled)) = (as_differences(&before), as_differences(&after));
            prop_assert!(close(before.delta, after.delta), "{method}");
            prop_assert!(close(interval.low, rescaled.low) && close(interval.high, rescaled.high), "{method}");
            prop_assert!(close(before.p_value.unwrap(), after.p_value.unwrap()), "{method}");
            let verdict = |interval: Interval| (interval.low > 0.0, interval.high < 0.0);
            let at_an_edge = interval.low.abs().min(interval.high.abs()) < 1e-9;
            prop_assert!(at_an_edge || verdict(interval) == verdict(rescaled), "{method}");
        }
    }

    #[test]
    fn repeating_the_whole_sample_never_widens_an_interval((baseline, candidate) in two_sides()) {
        let twice = |values: &[f64]| [values, values].concat();
        for method in any_method(baseline.len()) {
            let once = judged(method, &baseline, &candidate).interval.unwrap();
            let repeated = judged(method, &twice(&baseline), &twice(&candidate)).interval.unwrap();
            let rounding = 1e-9 * once.width().max(1e-3);
            prop_assert!(repeated.width() <= once.width() + rounding, "{method}: {once:?} and {repeated:?}");
        }
    }

    #[test]
    fn the_order_of_entries_never_matters((baseline, candidate) in two_sides(), seed in any::<u64>()) {
        let mut random = Random::from_seed(seed);
        let mut pairs: Vec<(f64, f64)> = baseline.iter().copied().zip(candidate.iter().copied()).collect();
        random.shuffle(&mut pairs);
        let (from, to): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        for method in any_method(baseline.len()) {
            prop_assert_eq!(judged(method, &baseline, &candidate), judged(method, &from, &to));
        }
        let (mut from, mut to) = (baseline.clone(), candidate.clone());
        random.shuffle(&mut from);
        random.shuffle(&mut to);
        for method in any_method(baseline.len()).filter(|method| method.design() == Design::Unpaired) {
            prop_assert_eq!(judged(method, &baseline, &candidate), judged(method, &from, &to));
        }
    }

    #[test]
    fn a_slower_candidate_moves_the_interval_by_as_much((baseline, candidate) in two_sides(), times in 0.5f64..2.0) {
        let slower: Vec<f64> = candidate.iter().map(|value| value * times).collect();
        for method in any_method(baseline.len()).filter(|method| method.scale == Scale::Ratio) {
            let (_, before) = as_differences(&judged(method, &baseline, &candidate));
            let (_, after) = as_differences(&judged(method, &baseline, &slower));
            prop_assert!(close(after.low, before.low + times.ln()), "{method}: {before:?} and {after:?}");
            prop_assert!(close(after.high, before.high + times.ln()), "{method}: {before:?} and {after:?}");
        }
    }
}

#[test]
fn a_thousand_trials_of_ten_metrics_take_no_quadratic_time() {
    let mut random = Random::from_seed(1);
    let mut draw = || Sample::new((0..1_000).map(|_| 1.0 + random.unit()).collect::<Vec<_>>()).unwrap();
    let metrics: Vec<(Sample, Sample)> = (0..10).map(|_| (draw(), draw())).collect();
    let start = Instant::now();
    for (baseline, candidate) in &metrics {
        for design in [Design::Unpaired, Design::Paired] {
            let method = choose(design, Kind::Measured, Scale::Ratio, 1_000, 1_000);
            let estimate = estimate(method, baseline, candidate).unwrap();
            assert!(estimate.interval.unwrap().contains(estimate.delta));
        }
    }
    let taken = start.elapsed();
    println!("ten metrics of 1,000 trials, unpaired and paired: {taken:?}");
    // A million pairs for each order statistic would take minutes without optimisation.
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}
