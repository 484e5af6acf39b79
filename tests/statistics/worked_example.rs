//! The numbers of the worked example in `docs/statistics.md`, computed again.

use git_exp::domain::criterion::Operator;
use git_exp::domain::metric::{Kind, Scale};
use git_exp::domain::statistics::mann_whitney::mann_whitney;
use git_exp::domain::statistics::noninferiority::{Answer, answer};
use git_exp::domain::statistics::power::{Noise, Sides, WANTED_POWER};
use git_exp::domain::statistics::student::Student;
use git_exp::domain::statistics::welch::welch;
use git_exp::domain::statistics::{Design, Estimate, Level, Sample, choose, estimate};

const DOCUMENT: &str = include_str!("../../docs/statistics.md");

#[track_caller]
fn says(text: &str) {
    assert!(DOCUMENT.contains(text), "docs/statistics.md does not say `{text}`");
}

fn percent(delta: f64) -> String {
    format!("{:+.2} %", 100.0 * delta).replace('-', "−")
}

#[track_caller]
fn says_estimate(estimate: &Estimate) {
    let interval = estimate.interval.unwrap();
    says(&format!(
        "{} (95 % CI {} … {}), p = {:.1e}",
        percent(estimate.delta),
        percent(interval.low).trim_end_matches(" %"),
        percent(interval.high).trim_end_matches(" %"),
        estimate.p_value.unwrap()
    ));
}

fn example() -> (Sample, Sample) {
    (
        Sample::new([102.1, 99.8, 101.2, 100.4, 103.0]).unwrap(),
        Sample::new([92.4, 91.1, 93.9, 90.6, 92.8]).unwrap(),
    )
}

#[test]
fn the_unpaired_example_is_what_the_document_says() {
    let (baseline, candidate) = example();
    let student = welch(&baseline.logs().unwrap(), &candidate.logs().unwrap()).unwrap();
    says(&format!("{:.6}", student.effect).replace('-', "−"));
    says(&format!("{:.6}", student.standard_error));
    says(&format!("{:.4} degrees of freedom", student.degrees));
    let method = choose(Design::Unpaired, Kind::Measured, Scale::Ratio, 5, 5);
    let estimate = estimate(method, &baseline, &candidate).unwrap();
    says_estimate(&estimate);
    let bounds = estimate.bounds.unwrap();
    says(&format!("one-sided upper bound is {}", percent(bounds.high)));
    assert_eq!(answer(estimate.bounds, Operator::AtMost, -0.05), Answer::Holds);
    says("`step_time <= -5%` holds");
    assert_eq!(answer(estimate.bounds, Operator::AtMost, -0.08), Answer::Unclear);
    says("`step_time <= -8%` is unclear");
    says(&format!("Mann–Whitney p = {:.4}", mann_whitney(&baseline, &candidate)));
}

#[test]
fn the_paired_example_is_what_the_document_says() {
    let (baseline, candidate) = example();
    let method = choose(Design::Paired, Kind::Measured, Scale::Ratio, 5, 5);
    says_estimate(&estimate(method, &baseline, &candidate).unwrap());
}

#[test]
fn the_plan_in_the_example_is_what_the_document_says() {
    let (baseline, _) = example();
    let logs = baseline.logs().unwrap();
    let deviation = Student::of_mean(&logs).unwrap().standard_error * 5f64.sqrt();
    says(&format!("a spread of {:.2} %", 100.0 * deviation));
    let noise = Noise {
        design: Design::Unpaired,
        kind: Kind::Measured,
        deviation,
        level: Level::FIVE_PERCENT,
        sides: Sides::Two,
    };
    let smallest = noise.smallest_effect(5, WANTED_POWER).unwrap();
    says(&format!("see {:.1} % with a power of 80 %", 100.0 * smallest.exp_m1()));
    let trials = noise.trials_needed(0.01_f64.ln_1p(), WANTED_POWER).unwrap();
    says(&format!("{trials} trials a side to see 1 %"));
}
