//! Comparisons of runs that are made up: what is accepted, what is refused, and what never matters.

use std::collections::{BTreeMap, HashSet};

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::domain::cell::Trial;
use crate::domain::difference::tests::a_run;
use crate::domain::id::{EntryId, Nonce};
use crate::domain::metric::Value;
use crate::domain::run::{Input, Pair, PairSide, Run, Status};

/// Runs of one side, made one after the other.
#[derive(Clone)]
pub(crate) struct Made {
    side: u8,
    pub(crate) runs: Vec<(EntryId, Run)>,
}

impl Made {
    /// A side whose runs have their code and time to themselves; `side` tells the sides apart.
    pub(crate) fn new(side: u8) -> Self {
        Self { side, runs: Vec::new() }
    }

    /// Adds a run that reported `metrics`, `minutes` after the first moment.
    pub(crate) fn run(
        mut self,
        minutes: i64,
        metrics: &[(&str, f64)],
        change: impl FnOnce(&mut Run),
    ) -> Self {
        let mut run = a_run();
        let number = u32::try_from(self.runs.len()).expect("few runs") + 1;
        run.code.tree = format!("{:040x}", u32::from(self.side)).parse().expect("the name is right");
        run.code.commit = run.code.tree.clone();
        run.group = Nonce([self.side; 16]);
        run.trial = number;
        run.seed = Some(u64::from(number));
        run.started += SignedDuration::from_mins(minutes);
        run.wall_seconds = 30.0;
        run.inputs.clear();
        run.metrics = metrics
            .iter()
            .map(|(name, value)| {
                let kind = kind_of(name);
                let better = Some(if *name == "accuracy" { Better::Higher } else { Better::Lower });
                let value =
                    Value { value: Some(*value), better, kind: Some(kind), points: 1, ..Value::default() };
                ((*name).to_owned(), value)
            })
            .collect();
        change(&mut run);
        run.trials = run.trials.max(1);
        let mut id = [self.side; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        self.runs.push((EntryId(id), run));
        self
    }

    /// Adds one run for each value of `metric`, two minutes apart.
    pub(crate) fn values(mut self, metric: &str, values: &[f64]) -> Self {
        let trials = u32::try_from(values.len()).expect("few values");
        for value in values {
            let minutes = 2 * i64::try_from(self.runs.len()).expect("few runs");
            self = self.run(minutes, &[(metric, *value)], |run| run.trials = trials);
        }
        self
    }

    /// Makes every run one of a pair with the run of the same number on the other side.
    fn paired(mut self, side: PairSide) -> Self {
        for (number, (_, run)) in (1..).zip(&mut self.runs) {
            run.group = Nonce([99; 16]);
            run.pair = Some(Pair { number, side, first: side == PairSide::Baseline });
        }
        self
    }

    fn later(mut self, minutes: i64) -> Self {
        for (_, run) in &mut self.runs {
            run.started += SignedDuration::from_mins(minutes);
        }
        self
    }

    pub(crate) fn each(mut self, change: impl Fn(&mut Run)) -> Self {
        self.runs.iter_mut().for_each(|(_, run)| change(run));
        self
    }

    fn side(&self, name: &str) -> Side<'_> {
        let trials = self.runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
        Side { name: name.to_owned(), trials }
    }
}

/// What a brief says, owned.
#[derive(Clone, Default)]
pub(crate) struct Brief {
    definitions: BTreeMap<String, Definition>,
    known: BTreeMap<String, Definition>,
    accept: Vec<Criterion>,
    guard: Vec<Criterion>,
    scope: BTreeMap<String, Vec<String>>,
    planned: Option<u32>,
    looks: Vec<u32>,
    earlier: HashSet<EntryId>,
    family: usize,
}

impl Brief {
    pub(crate) fn declares(names: &[&str]) -> Self {
        let definition = |name: &str| Definition {
            better: Some(if name == "accuracy" { Better::Higher } else { Better::Lower }),
            kind: Some(kind_of(name)),
            ..Definition::default()
        };
        Self {
            definitions: names.iter().map(|name| ((*name).to_owned(), definition(name))).collect(),
            family: 1,
            ..Self::default()
        }
    }

    pub(crate) fn accepts(mut self, criterion: &str) -> Self {
        self.accept.push(criterion.parse().expect("the criterion is right"));
        self
    }

    fn guards(mut self, criterion: &str) -> Self {
        self.guard.push(criterion.parse().expect("the criterion is right"));
        self
    }

    pub(crate) fn plans(mut self, trials: u32) -> Self {
        self.planned = Some(trials);
        self
    }

    pub(crate) fn looks(mut self, looks: &[u32]) -> Self {
        self.looks = looks.to_vec();
        self.planned = looks.last().copied();
        self
    }

    pub(crate) fn planned_otherwise(mut self, brief: EntryId) -> Self {
        self.earlier.insert(brief);
        self
    }

    fn plan(&self) -> Plan {
        Plan { trials: self.planned, looks: self.looks.clone(), earlier: self.earlier.clone() }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            definitions: &self.definitions,
            known_definitions: &self.known,
            accept: &self.accept,
            guard: &self.guard,
            is_scratch: false,
            promised_baseline: None,
            amended: None,
            unconfirmed_best_of: None,
            looks: Vec::new(),
            is_selection: false,
            cross_check: false,
            scope: &self.scope,
            family: self.family,
            withdrawn: Vec::new(),
        }
    }

    pub(crate) fn judge<'a>(&self, baseline: &'a Made, candidate: &'a Made) -> Comparison<'a> {
        self.judge_with(baseline, candidate, |_| {})
    }

    pub(crate) fn judge_with<'a>(
        &self,
        baseline: &'a Made,
        candidate: &'a Made,
        change: impl FnOnce(&mut Terms<'_>),
    ) -> Comparison<'a> {
        let mut terms = self.terms();
        change(&mut terms);
        let matchup = matchups(&baseline.side("A"), &candidate.side("B"), &self.plan())
            .expect("the sides can be compared")
            .remove(0);
        compare(vec![(matchup, Difference::default(), &terms)]).remove(0)
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "parameters" => Kind::Exact,
        _ if name.contains("time") => Kind::Measured,
        _ => Kind::Quality,
    }
}

fn row<'c>(comparison: &'c Comparison<'_>, name: &str, case: Option<&str>) -> &'c Row {
    comparison
        .rows
        .iter()
        .find(|row| row.name == name && row.case.as_deref() == case)
        .expect("there is such a row")
}

fn remark(row: &Row) -> String {
    row.remarks.join("; ")
}

const SLOW: [f64; 5] = [100.0, 101.0, 99.0, 100.5, 99.5];
const FAST: [f64; 5] = [90.0, 91.0, 89.0, 90.5, 89.5];

#[test]
fn pairs_with_a_clear_effect_are_accepted() {
    let baseline = Made::new(1).values("step_time", &SLOW).paired(PairSide::Baseline);
    let candidate = Made::new(2).values("step_time", &FAST).paired(PairSide::Candidate).later(1);
    let brief = Brief::declares(&["step_time"]).accepts("step_time <= -8%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
    assert_eq!(comparison.confidence, Confidence::Replicated);
    let row = row(&comparison, "step_time", None);
    assert_eq!(row.verdict, Some(Verdict::Better));
    assert_eq!(row.method, Some("paired t on log ratios"));
    assert_eq!(comparison.is_accepted(), Check::Yes);
    assert_eq!(comparison.is_not_worse(), Check::Yes);
}

#[test]
fn measured_metrics_that_ran_at_different_times_are_never_accepted() {
    let baseline = Made::new(1).values("step_time", &SLOW);
    let candidate = Made::new(2).values("step_time", &FAST).later(60);
    let brief = Brief::declares(&["step_time"]).accepts("step_time <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    assert_eq!(comparison.confidence, Confidence::Exploratory);
    assert!(row(&comparison, "step_time", None).is_exploratory);
    assert!(comparison.warnings.iter().any(|warning| warning.contains("apart")), "{:?}", comparison.warnings);
}

#[test]
fn runs_that_overlap_in_time_may_be_accepted_without_pairs() {
    let baseline = Made::new(1).values("step_time", &SLOW);
    let candidate = Made::new(2).values("step_time", &FAST).later(1);
    let brief = Brief::declares(&["step_time"]).accepts("step_time <= -5%").plans(5);
    assert_eq!(brief.judge(&baseline, &candidate).outcome, Outcome::Accept);
}

#[test]
fn a_noise_floor_over_separate_days_covers_a_gap_and_takes_its_width() {
    let mut baseline = Made::new(1);
    for (day, value) in (0..6).zip([100.0, 101.0, 99.0, 100.5, 99.5, 100.2]) {
        baseline = baseline.run(day * 1_440, &[("step_time", value)], |_| {});
    }
    let after = 5 * 1_440 + 60;
    let fast = Made::new(2).values("step_time", &FAST).later(after);
    let brief = |criterion: &str| Brief::declares(&["step_time"]).accepts(criterion).plans(5);
    assert_eq!(brief("step_time <= -5%").judge(&baseline, &fast).outcome, Outcome::Accept);
    // Without the floor's width this one would hold.
    assert_eq!(brief("step_time <= -8%").judge(&baseline, &fast).outcome, Outcome::Unclear);
}

#[test]
fn quality_metrics_need_no_pairs_in_time() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08, 2.11, 2.09]).later(600);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
    assert_eq!(
        row(&comparison, "val_loss", None).method,
        Some("paired t on log ratios"),
        "they share their seeds"
    );
}

#[test]
fn one_seed_counts_once_and_what_differs_under_it_is_told() {
    let same_seed =
        |side, values: &[f64]| Made::new(side).values("val_loss", values).each(|run| run.seed = Some(7));
    let baseline = same_seed(1, &[2.3, 2.3, 2.3]);
    let candidate = same_seed(2, &[2.1, 2.2, 2.1]);
    let comparison = Brief::declares(&["val_loss"]).judge(&baseline, &candidate);
    let row = row(&comparison, "val_loss", None);
    assert_eq!((row.baseline.n, row.candidate.n), (1, 1));
    assert!(remark(row).contains("the candidate with seed 7 gave 2.1 to 2.2"), "{}", remark(row));
    assert_eq!(row.verdict, Some(Verdict::Unclear));
}

#[test]
fn an_interim_look_is_never_accepted() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08]);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.interim, Some((3, 5)));
    assert_eq!(comparison.outcome, Outcome::Unclear);
    let worse = Made::new(3).values("val_loss", &[2.60, 2.62, 2.58]);
    assert_eq!(brief.judge(&baseline, &worse).outcome, Outcome::Reject, "harm may be seen early");
}

#[test]
fn an_interim_look_of_five_trials_has_an_interval_that_always_holds() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295, 2.31, 2.29]);
    let candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08, 2.11, 2.09, 2.12, 2.085]);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(10);
    let comparison = brief.judge(&baseline, &candidate);
    let row = row(&comparison, "val_loss", None);
    let (once, always) = (row.interval.expect("there is one"), row.anytime.expect("there is one"));
    assert!(always.low < once.low && once.high < always.high);
}

#[test]
fn trials_beyond_the_plan_are_left_out() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29]);
    let candidate =
        Made::new(2).values("val_loss", &[2.30, 2.32, 2.28]).run(20, &[("val_loss", 1.0)], |run| {
            run.group = Nonce([50; 16]);
        });
    let comparison =
        Brief::declares(&["val_loss"]).accepts("val_loss <= -1%").plans(3).judge(&baseline, &candidate);
    assert_eq!(row(&comparison, "val_loss", None).candidate.n, 3);
    let left = comparison.matchup.left_out.iter().find(|left| left.why.contains("beyond the plan"));
    assert_eq!(left.expect("it is named").trials, 1);
}

#[test]
fn a_failed_trial_blocks_accepting_and_shows_as_a_rate() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2)
        .values("val_loss", &[2.10, 2.12, 2.08, 2.11, 2.09])
        .run(15, &[], |run| run.status = Status::Diverged);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    assert!(comparison.reasons.iter().any(|reason| reason == "1 of 6 trials of the candidate failed"));
    let rate = row(&comparison, FAILURE_RATE, None);
    assert_eq!((rate.baseline.n, rate.candidate.n, rate.candidate.failed), (5, 6, 1));
    assert_eq!(rate.verdict, Some(Verdict::Unclear));
}

#[test]
fn failing_always_is_rejected() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2).values("val_loss", &[2.1; 5]).each(|run| run.status = Status::Failed);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Reject);
    assert_eq!(comparison.is_not_worse(), Check::No);
}

#[test]
fn a_guardrail_that_is_not_shown_is_said() {
    let with = |side, losses: [f64; 5], times: [f64; 5]| {
        let mut made = Made::new(side);
        for (at, (loss, time)) in (0_i64..).zip(losses.into_iter().zip(times)) {
            made = made.run(2 * at, &[("val_loss", loss), ("step_time", time)], |run| run.trials = 5);
        }
        made
    };
    let baseline = with(1, [2.30, 2.31, 2.29, 2.305, 2.295], SLOW);
    let candidate = with(2, [2.10, 2.12, 2.08, 2.11, 2.09], [100.0, 104.0, 98.0, 101.0, 97.0]).later(1);
    let brief = Brief::declares(&["val_loss", "step_time"])
        .accepts("val_loss <= -5%")
        .guards("step_time <= +1%")
        .plans(5);
    let comparison = brief.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::GuardrailNotShown);
    assert_eq!(comparison.is_accepted(), Check::Unknown);
    assert!(comparison.answers[1].trials_needed.is_some_and(|trials| trials > 5), "{:?}", comparison.answers);
}

#[test]
fn values_under_different_definitions_are_refused_and_the_difference_is_shown() {
    let defined = |side, fingerprint: &str| {
        Made::new(side).values("val_loss", &[2.30, 2.31, 2.29]).each(|run| {
            run.metrics.get_mut("val_loss").expect("it is there").definition = Some(fingerprint.to_owned());
        })
    };
    let (baseline, candidate) = (defined(1, "aaaa"), defined(2, "bbbb"));
    let mut brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -1%");
    let unknown = brief.judge(&baseline, &candidate);
    assert!(remark(row(&unknown, "val_loss", None)).contains("definition aaaa → definition bbbb"));
    let with = |summary| Definition { summary, ..Definition::default() };
    brief.known.insert("aaaa".to_owned(), with(crate::domain::metric::Summary::Last));
    brief.known.insert("bbbb".to_owned(), with(crate::domain::metric::Summary::Min));
    let known = brief.judge(&baseline, &candidate);
    let row = row(&known, "val_loss", None);
    assert!(remark(row).ends_with("summary `last` → `min`"), "{}", remark(row));
    assert_eq!((row.delta, row.verdict), (None, Some(Verdict::Unclear)));
    assert_eq!(known.outcome, Outcome::Unclear);
}

#[test]
fn mixed_units_are_refused() {
    let baseline = Made::new(1).values("latency_time", &SLOW);
    let candidate = Made::new(2).values("latency_time", &FAST).each(|run| {
        run.metrics.get_mut("latency_time").expect("it is there").unit = Some("s".to_owned());
    });
    let comparison = Brief::declares(&["latency_time"]).judge(&baseline, &candidate);
    assert!(remark(row(&comparison, "latency_time", None)).contains("its units are mixed: no unit and `s`"));
}

#[test]
fn a_metric_that_one_side_lacks_is_said() {
    let baseline = Made::new(1).values("val_loss", &[2.3, 2.4, 2.5]);
    let candidate = Made::new(2).values("other", &[2.3, 2.4, 2.5]);
    let comparison = Brief::declares(&["val_loss"]).accepts("val_loss <= -1%").judge(&baseline, &candidate);
    assert!(remark(row(&comparison, "val_loss", None)).contains("the candidate does not report it"));
    assert!(remark(row(&comparison, "other", None)).contains("the baseline does not report it"));
    assert_eq!(comparison.outcome, Outcome::Unclear);
}

#[test]
fn a_criterion_on_an_unknown_or_undeclared_metric_is_unclear() {
    let baseline = Made::new(1).values("loss", &[2.30, 2.31, 2.29]);
    let candidate = Made::new(2).values("loss", &[2.10, 2.12, 2.08]);
    let unknown = Brief::declares(&[]).accepts("speed <= -1%").judge(&baseline, &candidate);
    assert!(
        unknown.reasons.iter().any(|reason| reason.contains("no run reports `speed`")),
        "{:?}",
        unknown.reasons
    );
    let undeclared = Brief::declares(&[]).accepts("loss <= -1%").judge(&baseline, &candidate);
    assert_eq!(undeclared.outcome, Outcome::Unclear);
    assert!(undeclared.reasons.iter().any(|reason| reason.contains("`loss` is not declared")));
}

#[test]
fn an_exact_metric_is_judged_without_any_spread() {
    let side = |side: u8, loss: &[f64], parameters: f64| {
        loss.iter().fold(Made::new(side), |made, loss| {
            made.run(0, &[("val_loss", *loss), ("parameters", parameters)], |_| {})
        })
    };
    let baseline = side(1, &[2.30, 2.31, 2.29, 2.305, 2.295], 60e6);
    let brief = || {
        Brief::declares(&["val_loss", "parameters"])
            .accepts("val_loss <= -5%")
            .guards("parameters <= +1%")
            .plans(5)
    };
    let losses = [2.10, 2.12, 2.08, 2.11, 2.09];
    let as_large = side(2, &losses, 60e6);
    let comparison = brief().judge(&baseline, &as_large);
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
    assert_eq!(row(&comparison, "parameters", None).verdict, Some(Verdict::Same));
    assert_eq!(row(&comparison, "parameters", None).method, Some("exact values"));
    let larger = side(2, &losses, 66e6);
    let comparison = brief().judge(&baseline, &larger);
    assert_eq!(comparison.outcome, Outcome::Reject, "{:?}", comparison.reasons);
    let parameters = row(&comparison, "parameters", None);
    assert_eq!((parameters.verdict, parameters.delta), (Some(Verdict::Worse), Some(0.1)));
    let small_enough = Brief::declares(&["parameters"]).accepts("parameters <= 60000000").plans(5);
    assert_eq!(small_enough.judge(&baseline, &as_large).outcome, Outcome::Accept);
}

#[test]
fn an_exact_metric_that_differs_between_trials_is_refused() {
    let baseline = Made::new(1).values("parameters", &[60.0, 60.0, 60.0]);
    let candidate = Made::new(2).values("parameters", &[50.0, 50.0, 55.0]);
    for criterion in ["parameters <= -5%", "parameters <= 100"] {
        let brief = Brief::declares(&["parameters"]).accepts(criterion).plans(3);
        let comparison = brief.judge(&baseline, &candidate);
        assert_eq!(comparison.outcome, Outcome::Unclear);
        let remark = remark(row(&comparison, "parameters", None));
        assert!(remark.contains("the candidate has values from 50 to 55"), "{remark}");
    }
}

#[test]
fn two_trials_give_an_estimate_and_equal_values_no_verdict() {
    let few = Brief::declares(&["val_loss"]).row_and_check(
        &Made::new(1).values("val_loss", &[2.3, 2.4]),
        &Made::new(2).values("val_loss", &[2.1, 2.0]),
    );
    assert!(few.0.delta.is_some() && few.0.interval.is_none());
    assert_eq!(few.0.verdict, Some(Verdict::Unclear));
    assert_eq!(few.1, Check::Unknown);
    let flat = Brief::declares(&["val_loss"]).row_and_check(
        &Made::new(1).values("val_loss", &[2.3; 5]),
        &Made::new(2).values("val_loss", &[2.1; 5]),
    );
    assert_eq!(flat.0.verdict, Some(Verdict::Unclear));
    assert!(remark(&flat.0).contains("all values are equal"), "{}", remark(&flat.0));
}

impl Brief {
    fn row_and_check(&self, baseline: &Made, candidate: &Made) -> (Row, Check) {
        let comparison = self.judge(baseline, candidate);
        (comparison.rows[0].clone(), comparison.is_not_worse())
    }
}

#[test]
fn a_ratio_whose_baseline_touches_zero_is_refused_with_advice() {
    let baseline = Made::new(1).values("val_loss", &[0.0, 0.1, 0.2]);
    let candidate = Made::new(2).values("val_loss", &[0.1, 0.2, 0.3]);
    let comparison = Brief::declares(&["val_loss"]).accepts("val_loss <= -1%").judge(&baseline, &candidate);
    let row = row(&comparison, "val_loss", None);
    assert!(remark(row).contains("above zero") && remark(row).contains("difference"), "{}", remark(row));
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    let baseline = Made::new(1).values("val_loss", &[2.3, 2.4, 2.5]);
    let candidate = Made::new(2).values("val_loss", &[2.1, f64::NAN, f64::INFINITY]);
    let comparison = Brief::declares(&["val_loss"]).judge(&baseline, &candidate);
    assert!(remark(row(&comparison, "val_loss", None)).contains("cannot be compared"));
}

#[test]
fn a_side_without_runs_and_a_side_against_itself_are_errors() {
    let one = Made::new(1).values("val_loss", &[2.3]);
    let none = Made::new(2);
    let empty =
        matchups(&one.side("A"), &none.side("B"), &Plan::default()).expect_err("there is nothing to compare");
    assert_eq!(empty.to_string(), "`B` has no runs");
    let same = matchups(&one.side("A"), &one.side("A"), &Plan::default()).expect_err("it is the same");
    assert_eq!(same.to_string(), "`A` is its own baseline");
}

#[test]
fn cases_are_judged_one_by_one_and_together() {
    let with = |side, small: &[f64], large: &[f64]| {
        let mut made = Made::new(side);
        for (at, (small, large)) in (0_i64..).zip(small.iter().zip(large)) {
            made = made.run(2 * at, &[("step_time", 0.0)], |run| {
                let value = run.metrics.get_mut("step_time").expect("it is there");
                value.value = None;
                value.cases = BTreeMap::from([("small".to_owned(), *small), ("large".to_owned(), *large)]);
                run.trials = 3;
            });
        }
        made
    };
    let baseline = with(1, &[1.00, 1.01, 0.99], &[100.0, 101.0, 99.0]);
    let candidate = with(2, &[0.50, 0.51, 0.49], &[50.0, 51.0, 49.0]).later(1);
    let comparison =
        Brief::declares(&["step_time"]).accepts("step_time <= -40%").judge(&baseline, &candidate);
    let whole = row(&comparison, "step_time", None);
    assert_eq!(whole.cases, ["large", "small"]);
    assert!((whole.delta.expect("there is one") + 0.5).abs() < 0.01);
    assert!(row(&comparison, "step_time", Some("large")).delta.is_some());
    let worse = with(3, &[0.10, 0.11, 0.09], &[120.0, 121.0, 119.0]).later(1);
    let mixed = Brief::declares(&["step_time"]).accepts("step_time <= -40%").judge(&baseline, &worse);
    assert_eq!(mixed.answers[0].answer, Answer::Unclear, "one case fails");
}

#[test]
fn the_newest_complete_cell_is_compared_and_the_others_are_named() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29]);
    let mut candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08]);
    candidate = candidate.run(30, &[("val_loss", 1.0)], |run| {
        run.code.tree = "f".repeat(40).parse().expect("the name is right");
        run.trials = 3;
    });
    let comparison = Brief::declares(&["val_loss"]).judge(&baseline, &candidate);
    assert_eq!(row(&comparison, "val_loss", None).candidate.n, 3);
    let left = &comparison.matchup.left_out;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].trials, left[0].why.as_str()), (1, "it is not complete: 1 of 3 trials"));
}

#[test]
fn hardware_is_never_pooled() {
    let mut baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29]);
    for at in 0..3 {
        baseline = baseline.run(60 + at, &[("val_loss", 9.0)], |run| run.hardware = "other".to_owned());
    }
    let candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08]);
    let comparison = Brief::declares(&["val_loss"]).judge(&baseline, &candidate);
    assert_eq!(row(&comparison, "val_loss", None).baseline.n, 3);
    assert!(comparison.matchup.left_out[0].why.contains("other hardware"));
    let elsewhere = candidate.each(|run| run.hardware = "third".to_owned());
    let across = Brief::declares(&["val_loss"]).accepts("val_loss <= -1%").judge(&baseline, &elsewhere);
    assert_eq!(across.outcome, Outcome::Unclear);
    assert!(across.reasons.iter().any(|reason| reason.contains("different hardware")));
}

#[test]
fn many_candidates_share_the_error() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2).values("val_loss", &[2.27, 2.30, 2.255, 2.28, 2.28]);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= base - 0.005").plans(5);
    let alone = brief.judge(&baseline, &candidate);
    assert_eq!(alone.outcome, Outcome::Accept, "{:?}", alone.reasons);
    let mut many = brief.clone();
    many.family = 50;
    let one_of_many = many.judge(&baseline, &candidate);
    assert_eq!(one_of_many.outcome, Outcome::Unclear);
    let row = row(&one_of_many, "val_loss", None);
    let (p_value, adjusted) = (row.p_value.expect("there is one"), row.p_adjusted.expect("there is one"));
    assert!((adjusted - (50.0 * p_value).min(1.0)).abs() < 1e-12);
    assert_eq!(row.verdict, Some(Verdict::Better), "the interval is the same");
}

#[test]
fn what_stands_against_accepting_is_said() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let candidate = Made::new(2).values("val_loss", &[2.10, 2.12, 2.08, 2.11, 2.09]);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    for (change, word) in [
        ((|terms: &mut Terms<'_>| terms.is_scratch = true) as fn(&mut Terms<'_>), "no brief"),
        (|terms| terms.unconfirmed_best_of = Some(12), "the best of 12"),
        (|terms| terms.promised_baseline = Some("A-009".to_owned()), "`A-009`"),
    ] {
        let comparison = brief.judge_with(&baseline, &candidate, change);
        assert_eq!(comparison.outcome, Outcome::Unclear, "{word}");
        assert!(
            comparison.reasons.iter().any(|reason| reason.contains(word)),
            "{word}: {:?}",
            comparison.reasons
        );
    }
    let amended = brief.judge_with(&baseline, &candidate, |terms| {
        terms.amended = Some("the criteria were amended after the first run".to_owned());
    });
    assert_eq!((amended.outcome, amended.confidence), (Outcome::Accept, Confidence::Exploratory));
}

#[test]
fn one_run_far_outside_the_floor_is_promising_and_never_more() {
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.31, 2.29, 2.305, 2.295]);
    let promising = Made::new(2).values("val_loss", &[2.0]).each(|run| run.seed = None);
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(5);
    let comparison = brief.judge(&baseline, &promising);
    assert!(row(&comparison, "val_loss", None).is_promising);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    let usual = Made::new(2).values("val_loss", &[2.29]);
    assert!(!row(&brief.judge(&baseline, &usual), "val_loss", None).is_promising);
}

#[test]
fn a_drift_inside_a_cell_is_warned_about() {
    let rising: Vec<f64> = (0..12).map(|at| 100.0 + f64::from(at)).collect();
    let baseline = Made::new(1).values("step_time", &rising);
    let candidate = Made::new(2).values("step_time", &rising).later(1);
    let comparison = Brief::declares(&["step_time"]).judge(&baseline, &candidate);
    assert!(
        comparison.warnings.iter().any(|warning| warning.contains("drifts")),
        "{:?}",
        comparison.warnings
    );
}

fn noisy() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(50.0_f64..150.0, 3..14)
}

fn verdicts(comparison: &Comparison<'_>) -> Vec<Option<Verdict>> {
    comparison.rows.iter().map(|row| row.verdict).collect()
}

fn turned(verdict: Option<Verdict>) -> Option<Verdict> {
    verdict.map(|verdict| match verdict {
        Verdict::Better => Verdict::Worse,
        Verdict::Worse => Verdict::Better,
        other => other,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sides_changed_turn_better_and_worse_around(
        from in noisy(), to in noisy(), metric in prop::sample::select(vec!["val_loss", "step_time", "accuracy"]),
        min_effect in prop::option::of(0.01_f64..0.5),
    ) {
        let (one, other) = (Made::new(1).values(metric, &from), Made::new(2).values(metric, &to).later(1));
        let mut brief = Brief::declares(&[metric]);
        brief.definitions.get_mut(metric).expect("it is declared").min_effect = min_effect;
        let forth = verdicts(&brief.judge(&one, &other));
        let back: Vec<_> = verdicts(&brief.judge(&other, &one)).into_iter().map(turned).collect();
        prop_assert_eq!(forth, back);
    }

    #[test]
    fn a_change_of_unit_changes_no_verdict(
        from in noisy(), to in noisy(), factor in prop::sample::select(vec![1e-9, 0.001, 60.0, 1024.0, 1e12]),
        metric in prop::sample::select(vec!["val_loss", "step_time"]),
    ) {
        let scaled = |values: &[f64], factor: f64| values.iter().map(|value| value * factor).collect::<Vec<_>>();
        let judge = |factor: f64| {
            let one = Made::new(1).values(metric, &scaled(&from, factor));
            let other = Made::new(2).values(metric, &scaled(&to, factor)).later(1);
            let comparison = Brief::declares(&[metric]).accepts(&format!("{metric} <= -3%")).judge(&one, &other);
            (verdicts(&comparison), comparison.outcome)
        };
        prop_assert_eq!(judge(1.0), judge(factor));
    }

    #[test]
    fn the_order_of_entries_never_matters(
        from in noisy(), to in noisy(), seed in any::<u64>(),
    ) {
        let one = Made::new(1).values("step_time", &from);
        let other = Made::new(2).values("step_time", &to).later(1);
        let (mut mixed_one, mut mixed_other) = (one.clone(), other.clone());
        let mut random = crate::domain::statistics::random::Random::from_seed(seed);
        random.shuffle(&mut mixed_one.runs);
        random.shuffle(&mut mixed_other.runs);
        let brief = Brief::declares(&["step_time"]).accepts("step_time <= -3%").plans(3);
        let sorted = brief.judge(&one, &other);
        let mixed = brief.judge(&mixed_one, &mixed_other);
        prop_assert_eq!(&sorted.rows, &mixed.rows);
        prop_assert_eq!(&sorted.reasons, &mixed.reasons);
        prop_assert_eq!(&sorted.matchup.left_out, &mixed.matchup.left_out);
    }
}

#[test]
fn what_was_evaluated_by_different_code_is_never_accepted() {
    let losses = [2.30, 2.31, 2.32];
    let evaluated = |side: u8, values: &[f64], digest: &str, is_changed: bool| {
        Made::new(side).values("val_loss", values).each(|run| {
            run.evaluation = Some(digest.to_owned());
            run.evaluation_changed = is_changed;
        })
    };
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(3);
    let baseline = evaluated(1, &losses, "aa", false);
    let better = [2.00, 2.01, 2.02];
    let same = evaluated(2, &better, "aa", false);
    let comparison = brief.judge(&baseline, &same);
    assert!(comparison.is_like_with_like());
    assert_eq!(comparison.outcome, Outcome::Accept);
    let other = evaluated(2, &better, "bb", true);
    let comparison = brief.judge(&baseline, &other);
    assert!(!comparison.is_like_with_like());
    assert_eq!(comparison.outcome, Outcome::Unclear);
    insta::assert_debug_snapshot!((&comparison.reasons, &comparison.warnings), @r#"
    (
        [
            "`val_loss <= -5%` holds",
            "the sides were evaluated by different code",
        ],
        [
            "the sides were evaluated by different code: not like with like",
            "3 of 3 trials of the candidate ran under evaluation code that changed since the topic began",
        ],
    )
    "#);
    // Who does not know by what the baseline was evaluated can hold nothing against it.
    let unknown = Made::new(1).values("val_loss", &losses);
    assert!(brief.judge(&unknown, &same).is_like_with_like());
}

#[test]
fn other_shapes_or_devices_are_never_accepted_and_another_dtype_may_be() {
    let measured = |side: u8, values: &[f64], input: &str| {
        let mut fields = input.split(' ').map(|text| Some(text.to_owned()));
        let [shape, dtype, device, count] = std::array::from_fn(|_| fields.next().flatten());
        let more = count.map(|count| ("device_count".to_owned(), count)).into_iter().collect();
        let input = Input { name: "x".to_owned(), shape, dtype, device, more };
        Made::new(side).values("val_loss", values).each(|run| run.inputs = vec![input.clone()])
    };
    let brief = Brief::declares(&["val_loss"]).accepts("val_loss <= -5%").plans(3);
    let baseline = measured(1, &[2.30, 2.31, 2.32], "8x16 f32 cpu 1");
    let judged = |input: &str| {
        let candidate = measured(2, &[2.00, 2.01, 2.02], input);
        let comparison = brief.judge(&baseline, &candidate);
        (comparison.outcome, comparison.reasons.join("; "))
    };
    let holds = "`val_loss <= -5%` holds";
    for input in ["8x16 f32 cpu 1", "8x16 bf16 cpu 1"] {
        assert_eq!(judged(input), (Outcome::Accept, holds.to_owned()), "{input}");
    }
    for input in ["4x16 f32 cpu 1", "8x16 f32 cuda:0 1", "8x16 f32 cpu 2"] {
        let unlike = format!("{holds}; the inputs have other shapes, or are on other devices (`x`)");
        assert_eq!(judged(input), (Outcome::Unclear, unlike), "{input}");
    }
}

#[test]
fn a_regression_is_what_is_shown_in_pairs_in_the_metrics_that_were_asked_for() {
    let baseline = Made::new(1).values("step_time", &FAST).paired(PairSide::Baseline);
    let candidate = Made::new(2).values("step_time", &SLOW).paired(PairSide::Candidate).later(1);
    let brief = Brief::declares(&["step_time"]);
    let comparison = brief.judge(&baseline, &candidate);
    let found = comparison.regression(&[]);
    assert_eq!((found.is_absent, found.metrics.as_slice()), (Check::No, &["step_time".to_owned()][..]));
    assert_eq!(found.proof.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["step_time"]);
    let other = comparison.regression(&["val_loss".to_owned()]);
    assert_eq!((other.is_absent, other.lacking.as_slice()), (Check::Unknown, &["val_loss".to_owned()][..]));
    // The other way round nothing is worse.
    let baseline = Made::new(1).values("step_time", &SLOW).paired(PairSide::Baseline);
    let candidate = Made::new(2).values("step_time", &FAST).paired(PairSide::Candidate).later(1);
    assert_eq!(brief.judge(&baseline, &candidate).regression(&[]).is_absent, Check::Yes);
}

#[test]
fn what_ran_at_different_times_proves_no_regression() {
    let baseline = Made::new(1).values("step_time", &FAST);
    let candidate = Made::new(2).values("step_time", &SLOW).later(600);
    let comparison = Brief::declares(&["step_time"]).judge(&baseline, &candidate);
    let found = comparison.regression(&[]);
    assert_eq!((found.is_absent, found.proof.len()), (Check::Unknown, 0));
}

#[test]
fn a_guardrail_says_how_much_worse_is_borne() {
    let baseline = Made::new(1).values("step_time", &FAST).paired(PairSide::Baseline);
    let candidate = Made::new(2).values("step_time", &SLOW).paired(PairSide::Candidate).later(1);
    for (guard, answer) in [("step_time <= +30%", Check::Yes), ("step_time <= +2%", Check::No)] {
        let comparison = Brief::declares(&["step_time"]).guards(guard).judge(&baseline, &candidate);
        assert_eq!(comparison.regression(&[]).is_absent, answer, "{guard}");
    }
}
