//! Plans that change, looks that were declared, results that are confirmed: nothing is accepted by looking often.

use super::tests::{Brief, Made};
use super::*;
use crate::domain::run::{Pair, PairSide};

const BASELINE: [f64; 10] = [2.30, 2.31, 2.29, 2.32, 2.28, 2.30, 2.31, 2.29, 2.30, 2.31];
const CANDIDATE: [f64; 10] = [2.10, 2.12, 2.08, 2.11, 2.09, 2.10, 2.12, 2.08, 2.11, 2.10];

fn brief() -> Brief {
    Brief::declares(&["val_loss"]).accepts("val_loss <= -1%")
}

fn sides(trials: usize) -> (Made, Made) {
    (
        Made::new(1).values("val_loss", &BASELINE[..trials]),
        Made::new(2).values("val_loss", &CANDIDATE[..trials]),
    )
}

#[test]
fn at_a_declared_look_what_is_strong_enough_is_accepted() {
    let (baseline, candidate) = sides(6);
    let comparison = brief().looks(&[5, 10]).judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
    let look = comparison.matchup.look.expect("a look has come");
    assert_eq!((look.number, look.of, look.trials), (1, 2, 5));
    assert!(look.level.expect("it may decide").share() < 0.05 / 2.0);
    let left: Vec<&str> = comparison.matchup.left_out.iter().map(|it| it.why.as_str()).collect();
    assert_eq!(left, ["it ran after the newest declared look"; 2]);
}

#[test]
fn a_declared_look_asks_for_more_than_95_percent() {
    // By itself the effect is shown at 95 %, and at no level that an early look may spend.
    let baseline = Made::new(1).values("val_loss", &[2.30, 2.36, 2.24, 2.33, 2.27]);
    let candidate = Made::new(2).values("val_loss", &[2.22, 2.32, 2.16, 2.20, 2.23]);
    let at_the_end = brief().plans(5).judge(&baseline, &candidate);
    assert_eq!(at_the_end.outcome, Outcome::Accept, "{:?}", at_the_end.answers);
    let early = brief().looks(&[5, 50]).judge(&baseline, &candidate);
    assert_eq!(early.outcome, Outcome::Unclear);
    assert!(
        early.reasons.iter().any(|reason| reason.contains("look 1 of 2 asks for")),
        "{:?}",
        early.reasons
    );
}

#[test]
fn before_the_first_declared_look_nothing_is_accepted() {
    let (baseline, candidate) = sides(4);
    let comparison = brief().looks(&[5, 10]).judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    assert!(comparison.matchup.look.is_none() && comparison.interim == Some((4, 10)));
}

#[test]
fn an_interim_look_says_which_one_it_is_and_the_same_look_is_not_another() {
    let (baseline, candidate) = sides(3);
    let ids = |made: &Made| made.runs.last().expect("it has runs").0;
    let newest = Seen { trials: 3, newest: (ids(&baseline), ids(&candidate)) };
    let before = |made: &Made| made.runs[1].0;
    let earlier = Seen { trials: 2, newest: (before(&baseline), before(&candidate)) };
    for seen in [vec![earlier], vec![earlier, newest]] {
        let comparison =
            brief().plans(5).judge_with(&baseline, &candidate, |terms| terms.looks.clone_from(&seen));
        assert_eq!(comparison.looks, 2);
        assert!(comparison.reasons.contains(&"this is interim look 2: 3 of 5 planned trials".to_owned()));
    }
}

#[test]
fn a_changed_plan_asks_for_fresh_trials() {
    let earlier = EntryId([7; 32]);
    let (baseline, candidate) = sides(5);
    let candidate = candidate.each(|run| run.membership.brief = Some(earlier));
    let stale = brief().plans(5).planned_otherwise(earlier).judge(&baseline, &candidate);
    assert_eq!(stale.outcome, Outcome::Unclear);
    assert!(
        stale
            .reasons
            .contains(&"this is an interim look: 0 of 5 fresh trials of the changed plan".to_owned()),
        "{:?}",
        stale.reasons
    );
    // Fresh trials of both sides, an hour later, are judged alone.
    let more = |made: Made, values: &[f64]| {
        values.iter().enumerate().fold(made, |made, (at, value)| {
            let minutes = 60 + 2 * i64::try_from(at).expect("few values");
            made.run(minutes, &[("val_loss", *value)], |run| {
                run.membership.brief = Some(EntryId([8; 32]));
                run.trials = 5;
            })
        })
    };
    let (baseline, candidate) = (more(baseline, &BASELINE[5..]), more(candidate, &CANDIDATE[5..]));
    let fresh = brief().plans(5).planned_otherwise(earlier).judge(&baseline, &candidate);
    assert_eq!(fresh.outcome, Outcome::Accept, "{:?}", fresh.reasons);
    assert_eq!(fresh.rows[0].candidate.n, 5);
    assert!(fresh.matchup.left_out.iter().all(|it| it.why.contains("earlier plan") && it.trials == 5));
}

#[test]
fn once_confirmed_only_the_confirmation_is_judged() {
    let (baseline, candidate) = sides(5);
    let picked = brief().plans(5).judge_with(&baseline, &candidate, |terms| {
        terms.unconfirmed_best_of = Some(3);
    });
    assert_eq!(picked.outcome, Outcome::Unclear);
    assert!(picked.reasons.iter().any(|reason| reason.contains("best of 3 and unconfirmed")));
    // The confirmation is worse than what was picked.
    let candidate = [2.305, 2.295, 2.31, 2.30, 2.29].iter().fold(candidate, |made, value| {
        made.run(40, &[("val_loss", *value)], |run| {
            run.confirms = true;
            run.trials = 5;
        })
    });
    let confirmed = brief().plans(5).judge_with(&baseline, &candidate, |terms| {
        terms.unconfirmed_best_of = Some(3);
    });
    assert!(confirmed.matchup.is_confirmed);
    assert_eq!(confirmed.rows[0].candidate.n, 5);
    assert_eq!(confirmed.outcome, Outcome::Reject, "{:?}", confirmed.reasons);
    assert!(!confirmed.reasons.iter().any(|reason| reason.contains("unconfirmed")));
}

#[test]
fn warm_ups_are_never_compared() {
    let warm_up = |made: Made, side: PairSide| {
        made.run(0, &[("val_loss", 900.0)], |run| {
            run.pair = Some(Pair { number: 0, side, first: true });
            run.trials = 5;
        })
    };
    let (baseline, candidate) = sides(5);
    let (baseline, candidate) =
        (warm_up(baseline, PairSide::Baseline), warm_up(candidate, PairSide::Candidate));
    let comparison = brief().plans(5).judge(&baseline, &candidate);
    assert_eq!((comparison.rows[0].baseline.n, comparison.rows[0].candidate.n), (5, 5));
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
    assert!(comparison.matchup.left_out.iter().all(|it| it.why == "it was a warm-up"));
}

#[test]
fn a_candidate_that_is_no_better_is_futile_at_an_interim_look() {
    let (baseline, _) = sides(6);
    let candidate = Made::new(2).values("val_loss", &[2.31, 2.32, 2.30, 2.33, 2.31, 2.30]);
    let criteria = Brief::declares(&["val_loss"]).accepts("val_loss <= -0.5%").plans(30);
    let comparison = criteria.judge(&baseline, &candidate);
    // With so little noise it is even shown not to hold; the chance is told all the same.
    assert!(comparison.chance.expect("there is noise to reckon with") < 0.01);
    let noisy = |values: &[f64]| Made::new(2).values("val_loss", values);
    let candidate = noisy(&[2.1, 2.5, 2.2, 2.45, 2.28, 2.33]);
    let comparison = criteria.judge(&baseline, &candidate);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    assert!(
        comparison.reasons.iter().any(|reason| reason.starts_with("it is futile")),
        "{:?}",
        comparison.reasons
    );
}

#[test]
fn stopping_the_trials_that_look_bad_wins_nothing() {
    let (baseline, candidate) = sides(5);
    let stopped = |candidate: Made, metrics: &[(&str, f64)]| {
        candidate.run(5, metrics, |run| {
            run.trials = 5;
            run.status = crate::domain::run::Status::Killed;
            run.reason = Some("interrupted by SIGINT".to_owned());
        })
    };
    let with_a_result = stopped(candidate.clone(), &[("val_loss", 9.0)]);
    let comparison = brief().plans(5).judge(&baseline, &with_a_result);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    let reason = "1 trial of the candidate had reported a result when cut short: repeat it with `git exp run --confirm`";
    assert!(comparison.reasons.contains(&reason.to_owned()), "{:?}", comparison.reasons);
    // One that had told nothing yet harms nothing.
    let without = stopped(candidate, &[]);
    let comparison = brief().plans(5).judge(&baseline, &without);
    assert_eq!(comparison.outcome, Outcome::Accept, "{:?}", comparison.reasons);
}

#[test]
fn a_selection_of_runs_is_never_accepted() {
    let (baseline, candidate) = sides(5);
    let comparison = brief().plans(5).judge_with(&baseline, &candidate, |terms| terms.is_selection = true);
    assert_eq!(comparison.outcome, Outcome::Unclear);
    assert!(comparison.reasons.iter().any(|reason| reason.contains("selection of runs")));
}

#[test]
fn every_code_that_was_tried_counts_as_a_try_until_one_is_confirmed() {
    let (baseline, mut candidate) = sides(5);
    for attempt in 3_u8..6 {
        candidate = candidate.run(30, &[("val_loss", 2.3)], |run| {
            run.code.tree = format!("{attempt:040x}").parse().expect("the name is right");
            run.trials = 5;
        });
    }
    let tries = |candidate: &Made| brief().plans(5).judge(&baseline, candidate).matchup.tries;
    assert_eq!(tries(&candidate), 4);
    for value in &CANDIDATE[..5] {
        candidate = candidate.run(60, &[("val_loss", *value)], |run| {
            run.confirms = true;
            run.trials = 5;
        });
    }
    assert_eq!(tries(&candidate), 1);
}
