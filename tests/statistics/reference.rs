//! Agreement with scipy and statsmodels on the cases of `reference.json`, made by `reference.py` beside it.
//!
//! Closed forms agree to 1e-9, relative to the larger of the value and, for effects and interval ends, the width of the
//! interval: where an effect nearly cancels, both sides round. Quantiles are found by iteration here and there and
//! agree to 1e-9 too. Powers are sums of many terms and agree to 1e-8.

use git_exp::domain::metric::Scale;
use git_exp::domain::statistics::describe::{Description, quantile};
use git_exp::domain::statistics::distribution::{student_two_sided, student_upper_quantile};
use git_exp::domain::statistics::drift::Drift;
use git_exp::domain::statistics::equivalence::two_one_sided;
use git_exp::domain::statistics::holm::holm;
use git_exp::domain::statistics::inversion::Inversion;
use git_exp::domain::statistics::mann_whitney::mann_whitney;
use git_exp::domain::statistics::paired::paired;
use git_exp::domain::statistics::power::{Noise, Sides};
use git_exp::domain::statistics::prediction::prediction;
use git_exp::domain::statistics::student::Student;
use git_exp::domain::statistics::welch::welch;
use git_exp::domain::statistics::{Design, Interval, Level, Sample};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    comparisons: Vec<Comparison>,
    adjustments: Vec<Adjustment>,
    powers: Vec<Power>,
    tails: Vec<Tail>,
    quantiles: Vec<Quantile>,
}

#[derive(Deserialize)]
struct Comparison {
    name: String,
    baseline: Vec<f64>,
    candidate: Vec<f64>,
    describe: Described,
    welch: Option<ByT>,
    welch_on_logs: Option<ByT>,
    paired: Option<ByT>,
    paired_on_logs: Option<ByT>,
    mann_whitney: Option<ByDealing>,
    shift_of_logs: ByRanks,
    centre_of_logs: Option<ByRanks>,
    prediction: Option<[f64; 2]>,
    trend: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Described {
    mean: f64,
    standard_deviation: f64,
    median: f64,
    median_absolute_deviation: f64,
    quantiles: [f64; 3],
}

#[derive(Deserialize)]
struct ByT {
    effect: f64,
    degrees: Option<f64>,
    p_value: f64,
    interval: [f64; 2],
    bounds: Option<[f64; 2]>,
    margins: [f64; 2],
    equivalence: f64,
}

#[derive(Deserialize)]
struct ByDealing {
    p_value: f64,
}

#[derive(Deserialize)]
struct ByRanks {
    effect: f64,
    p_value: f64,
    interval: Option<[f64; 2]>,
    bounds: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Adjustment {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Power {
    trials: usize,
    effect: f64,
    /// Absent where statsmodels has no answer, as for some powers of nearly 1.
    unpaired: Option<f64>,
    paired: Option<f64>,
    unpaired_one_sided: Option<f64>,
}

#[derive(Deserialize)]
struct Tail {
    degrees: f64,
    t: f64,
    #[serde(rename = "tail")]
    probability: f64,
}

#[derive(Deserialize)]
struct Quantile {
    degrees: f64,
    probability: f64,
    #[serde(rename = "quantile")]
    t: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

/// Fails unless the value agrees with what is expected, relative to the larger of it and `unit`.
#[track_caller]
fn agree(what: &str, value: f64, expected: f64, unit: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(unit.abs());
    assert!((value - expected).abs() <= allowed, "{what}: {value:e} where {expected:e} was expected");
}

fn sides(case: &Comparison) -> (Sample, Sample) {
    (Sample::new(case.baseline.clone()).unwrap(), Sample::new(case.candidate.clone()).unwrap())
}

fn agree_by_t(name: &str, student: Student, expected: &ByT) {
    let width = expected.interval[1] - expected.interval[0];
    agree(&format!("{name}, effect"), student.effect, expected.effect, width, 1e-9);
    if let Some(degrees) = expected.degrees {
        agree(&format!("{name}, degrees"), student.degrees, degrees, 0.0, 1e-9);
    }
    agree(&format!("{name}, p-value"), student.p_value(), expected.p_value, 0.0, 1e-9);
    let interval = student.interval(Level::FIVE_PERCENT);
    agree(&format!("{name}, low"), interval.low, expected.interval[0], width, 1e-9);
    agree(&format!("{name}, high"), interval.high, expected.interval[1], width, 1e-9);
    if let Some(bounds) = expected.bounds {
        let ours = student.bounds(Level::FIVE_PERCENT);
        agree(&format!("{name}, lower bound"), ours.low, bounds[0], width, 1e-9);
        agree(&format!("{name}, upper bound"), ours.high, bounds[1], width, 1e-9);
    }
    let margins = Interval { low: expected.margins[0], high: expected.margins[1] };
    agree(&format!("{name}, equivalence"), two_one_sided(student, margins), expected.equivalence, 0.0, 1e-9);
}

fn agree_by_ranks(name: &str, inversion: &Inversion<'_>, expected: &ByRanks) {
    // Logarithms differ in their last digit between libraries.
    agree(&format!("{name}, effect"), inversion.effect(), expected.effect, 1e-3, 1e-9);
    agree(&format!("{name}, p-value"), inversion.p_value(), expected.p_value, 0.0, 1e-9);
    for (ours, expected) in [
        (inversion.interval(Level::FIVE_PERCENT), expected.interval),
        (inversion.bounds(Level::FIVE_PERCENT), expected.bounds),
    ] {
        assert_eq!(ours.is_some(), expected.is_some(), "{name}");
        if let (Some(ours), Some([low, high])) = (ours, expected) {
            agree(&format!("{name}, low"), ours.low, low, 1e-3, 1e-9);
            agree(&format!("{name}, high"), ours.high, high, 1e-3, 1e-9);
        }
    }
}

#[test]
fn there_are_at_least_200_cases() {
    assert!(reference().comparisons.len() >= 200);
}

#[test]
fn descriptions_agree_with_numpy_and_scipy() {
    for case in reference().comparisons {
        let (baseline, _) = sides(&case);
        let ours = Description::of(&baseline);
        let expected = &case.describe;
        let spread = expected.standard_deviation;
        agree(&case.name, ours.mean, expected.mean, 0.0, 1e-12);
        agree(&case.name, ours.standard_deviation.unwrap(), spread, 0.0, 1e-9);
        agree(&case.name, ours.median, expected.median, 0.0, 1e-12);
        agree(&case.name, ours.median_absolute_deviation, expected.median_absolute_deviation, spread, 1e-9);
        for (share, expected) in [0.25, 0.75, 0.95].into_iter().zip(expected.quantiles) {
            agree(&case.name, quantile(baseline.sorted(), share), expected, 0.0, 1e-12);
        }
    }
}

#[test]
fn welch_agrees_with_scipy() {
    for case in reference().comparisons {
        let (baseline, candidate) = sides(&case);
        if let Some(expected) = &case.welch {
            agree_by_t(&case.name, welch(&baseline, &candidate).unwrap(), expected);
        }
        if let Some(expected) = &case.welch_on_logs {
            let (baseline, candidate) = (baseline.logs().unwrap(), candidate.logs().unwrap());
            agree_by_t(&format!("{} on logs", case.name), welch(&baseline, &candidate).unwrap(), expected);
        }
    }
}

#[test]
fn paired_t_agrees_with_scipy() {
    for case in reference().comparisons {
        let (baseline, candidate) = sides(&case);
        if let Some(expected) = &case.paired {
            agree_by_t(&case.name, paired(&baseline, &candidate).unwrap(), expected);
        }
        if let Some(expected) = &case.paired_on_logs {
            let (baseline, candidate) = (baseline.logs().unwrap(), candidate.logs().unwrap());
            agree_by_t(&format!("{} on logs", case.name), paired(&baseline, &candidate).unwrap(), expected);
        }
    }
}

#[test]
fn mann_whitney_agrees_with_scipy() {
    for case in reference().comparisons {
        let (baseline, candidate) = sides(&case);
        if let Some(expected) = &case.mann_whitney {
            agree(&case.name, mann_whitney(&baseline, &candidate), expected.p_value, 0.0, 1e-9);
        }
    }
}

#[test]
fn shifts_agree_with_all_differences_sorted() {
    for case in reference().comparisons {
        let (baseline, candidate) = sides(&case);
        let (baseline, candidate) = (baseline.logs().unwrap(), candidate.logs().unwrap());
        let inversion = Inversion::of_shift(&baseline, &candidate, 1e-12);
        agree_by_ranks(&case.name, &inversion, &case.shift_of_logs);
    }
}

#[test]
fn centres_agree_with_all_averages_sorted() {
    for case in reference().comparisons {
        let (baseline, candidate) = sides(&case);
        if let Some(expected) = &case.centre_of_logs {
            let differences = baseline.logs().unwrap().differences_to(&candidate.logs().unwrap()).unwrap();
            agree_by_ranks(&case.name, &Inversion::of_centre(&differences, 1e-12), expected);
        }
    }
}

#[test]
fn predictions_agree_with_scipy() {
    for case in reference().comparisons {
        let (baseline, _) = sides(&case);
        if let Some(expected) = case.prediction {
            let ours = prediction(Scale::Ratio, &baseline, Level::FIVE_PERCENT).unwrap().unwrap();
            agree(&case.name, ours.low, expected[0], 0.0, 1e-9);
            agree(&case.name, ours.high, expected[1], 0.0, 1e-9);
        }
    }
}

#[test]
fn trends_agree_with_scipy() {
    for case in reference().comparisons {
        let (baseline, _) = sides(&case);
        if let Some(expected) = case.trend {
            let ours = Drift::of(&baseline).unwrap();
            agree(&case.name, ours.trend, expected[0], 1e-3, 1e-9);
            agree(&case.name, ours.trend_p_value, expected[1], 0.0, 1e-8);
        }
    }
}

#[test]
fn adjusted_p_values_agree_with_statsmodels() {
    for case in reference().adjustments {
        let ours = holm(&case.p_values, case.p_values.len());
        for (ours, expected) in ours.into_iter().zip(case.adjusted) {
            agree("adjusted", ours, expected, 0.0, 1e-9);
        }
    }
}

#[test]
fn powers_agree_with_statsmodels() {
    for case in reference().powers {
        let noise = |design, sides| Noise {
            design,
            kind: git_exp::domain::metric::Kind::Quality,
            deviation: 1.0,
            level: Level::FIVE_PERCENT,
            sides,
        };
        let name = format!("{} trials, effect {}", case.trials, case.effect);
        for (design, sides, expected) in [
            (Design::Unpaired, Sides::Two, case.unpaired),
            (Design::Paired, Sides::Two, case.paired),
            (Design::Unpaired, Sides::One, case.unpaired_one_sided),
        ] {
            let Some(expected) = expected else { continue };
            agree(&name, noise(design, sides).power(case.trials, case.effect), expected, 0.0, 1e-8);
        }
    }
}

#[test]
fn tails_of_students_t_agree_with_scipy() {
    for case in reference().tails {
        let name = format!("t {} with {} degrees of freedom", case.t, case.degrees);
        agree(&name, 0.5 * student_two_sided(case.t, case.degrees), case.probability, 1e-300, 1e-9);
    }
}

#[test]
fn quantiles_of_students_t_agree_with_scipy() {
    for case in reference().quantiles {
        let name = format!("{} with {} degrees of freedom", case.probability, case.degrees);
        agree(&name, student_upper_quantile(case.probability, case.degrees), case.t, 0.0, 1e-9);
    }
}
