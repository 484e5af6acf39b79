//! What the numbers say: per metric, and for a brief. `docs/verdicts.md` states the rule in words.

use super::metric::{Better, Scale, words};
use super::statistics::equivalence::is_same;
use super::statistics::noninferiority::Answer;
use super::statistics::{Interval, Spread};

/// What the numbers say of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The interval lies wholly on the good side of zero.
    Better,
    /// The interval lies wholly on the bad side of zero.
    Worse,
    /// The effect is shown to be smaller than any that matters.
    Same,
    /// None of these is shown.
    Unclear,
}

words!(Verdict { Better = "better", Worse = "worse", Same = "same", Unclear = "unclear" });

/// What the numbers say of a brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The primary criterion and every guardrail hold.
    Accept,
    /// The primary criterion or a guardrail is shown not to hold.
    Reject,
    /// The primary criterion holds, and a guardrail is neither shown to hold nor to fail.
    GuardrailNotShown,
    /// Nothing of this is shown, or something stands against judging.
    Unclear,
}

words!(Outcome {
    Accept = "accept",
    Reject = "reject",
    GuardrailNotShown = "primary met, guardrail not shown",
    Unclear = "unclear",
});

impl Outcome {
    /// The outcome as one of the three verdicts that a brief can have.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::GuardrailNotShown | Self::Unclear => "unclear",
        }
    }
}

/// An effect as far as a verdict needs it.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// The direction in which the metric improves.
    pub better: Better,
    /// Whether effects are relative or in the metric's unit.
    pub scale: Scale,
    /// The 95 % interval; absent for an estimate only.
    pub interval: Option<Interval>,
    /// Lower and upper bound, each alone at 95 %.
    pub bounds: Option<Interval>,
    /// Whether there was any spread to judge by.
    pub spread: Spread,
    /// The smallest effect that matters, where that is declared.
    pub min_effect: Option<f64>,
}

impl Effect {
    /// What it says of its metric.
    pub fn verdict(&self) -> Verdict {
        let Some(interval) = self.interval.filter(|_| self.spread != Spread::None) else {
            return Verdict::Unclear;
        };
        let is_equal =
            self.spread == Spread::Exact && interval.low.abs() <= 0.0 && interval.high.abs() <= 0.0;
        match (interval.low > 0.0, interval.high < 0.0, self.better) {
            (true, _, Better::Higher) | (_, true, Better::Lower) => Verdict::Better,
            (true, _, Better::Lower) | (_, true, Better::Higher) => Verdict::Worse,
            _ if is_equal || self.is_negligible() => Verdict::Same,
            _ => Verdict::Unclear,
        }
    }

    /// Whether it is shown to be smaller than any that matters, on whichever side of zero it lies.
    pub fn is_negligible(&self) -> bool {
        self.spread != Spread::None
            && self.min_effect.is_some_and(|margin| is_same(self.bounds, margins(self.scale, margin)))
    }
}

/// The effects that do not matter; what is too small from one side is too small from the other.
fn margins(scale: Scale, margin: f64) -> Interval {
    let low = match scale {
        Scale::Ratio => -margin / (1.0 + margin),
        Scale::Difference => -margin,
    };
    Interval { low, high: margin }
}

/// All that the verdict on a brief stands on.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The answer to the first acceptance criterion, with the criterion in words; absent where there is none.
    pub primary: Option<(String, Answer)>,
    /// The answers to the guardrails, with each in words.
    pub guards: Vec<(String, Answer)>,
    /// Whether the candidate is shown to fail more often.
    pub fails_more_often: bool,
    /// What stands against accepting, however good the numbers: each a sentence without a period.
    pub obstacles: Vec<String>,
}

/// The verdict on a brief, and why.
///
/// 1. Shown to fail (the primary criterion, a guardrail, or trials that fail more often): reject.
/// 2. The primary criterion not shown: unclear.
/// 3. The primary criterion shown and a guardrail not: an answer of its own.
/// 4. All shown and something against it (an interim look, a failed trial, a gap in time): unclear.
/// 5. All shown and nothing against it: accept.
pub fn judge(evidence: &Evidence) -> (Outcome, Vec<String>) {
    let Some((primary, answer)) = &evidence.primary else {
        return (Outcome::Unclear, vec!["there is no acceptance criterion to judge by".to_owned()]);
    };
    let mut broken: Vec<String> = Vec::new();
    if *answer == Answer::Fails {
        broken.push(format!("`{primary}` is shown not to hold"));
    }
    let guards = |wanted: Answer| {
        evidence.guards.iter().filter(move |(_, answer)| *answer == wanted).map(|(guard, _)| guard)
    };
    broken
        .extend(guards(Answer::Fails).map(|guard| format!("the guardrail `{guard}` is shown to be broken")));
    if evidence.fails_more_often {
        broken.push("the candidate fails more often".to_owned());
    }
    if !broken.is_empty() {
        return (Outcome::Reject, broken);
    }
    let mut reasons = Vec::new();
    let outcome = if *answer == Answer::Unclear {
        reasons.push(format!("`{primary}` is neither shown to hold nor to fail"));
        Outcome::Unclear
    } else {
        reasons.push(format!("`{primary}` holds"));
        let open: Vec<String> = guards(Answer::Unclear)
            .map(|guard| format!("the guardrail `{guard}` is not shown to hold"))
            .collect();
        match (open.is_empty(), evidence.obstacles.is_empty()) {
            (true, true) => Outcome::Accept,
            (true, false) => Outcome::Unclear,
            (false, _) => {
                reasons.extend(open);
                Outcome::GuardrailNotShown
            }
        }
    };
    reasons.extend(evidence.obstacles.iter().cloned());
    (outcome, reasons)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn effect(low: f64, high: f64, min_effect: Option<f64>) -> Effect {
        let interval = Some(Interval { low, high });
        Effect {
            better: Better::Lower,
            scale: Scale::Ratio,
            interval,
            bounds: interval,
            spread: Spread::Seen,
            min_effect,
        }
    }

    fn evidence(primary: Answer, guard: Answer) -> Evidence {
        Evidence {
            primary: Some(("step_time <= -8%".to_owned(), primary)),
            guards: vec![("val_loss <= +0.2%".to_owned(), guard)],
            ..Evidence::default()
        }
    }

    #[test]
    fn an_interval_on_one_side_of_zero_decides() {
        assert_eq!(effect(-0.09, -0.01, None).verdict(), Verdict::Better);
        assert_eq!(effect(0.01, 0.09, None).verdict(), Verdict::Worse);
        assert_eq!(effect(-0.01, 0.09, None).verdict(), Verdict::Unclear);
        assert_eq!(effect(0.0, 0.09, None).verdict(), Verdict::Unclear);
    }

    #[test]
    fn sameness_needs_a_declared_effect_that_matters() {
        assert_eq!(effect(-0.001, 0.002, None).verdict(), Verdict::Unclear);
        assert_eq!(effect(-0.001, 0.002, Some(0.01)).verdict(), Verdict::Same);
        assert_eq!(effect(-0.02, 0.002, Some(0.01)).verdict(), Verdict::Unclear);
    }

    #[test]
    fn a_real_effect_that_does_not_matter_is_marked() {
        let effect = effect(0.001, 0.002, Some(0.01));
        assert_eq!(effect.verdict(), Verdict::Worse);
        assert!(effect.is_negligible());
    }

    #[test]
    fn without_spread_nothing_is_shown() {
        let flat = Effect { spread: Spread::None, ..effect(-0.1, -0.1, Some(0.5)) };
        assert_eq!(flat.verdict(), Verdict::Unclear);
        assert!(!flat.is_negligible());
    }

    #[test]
    fn a_brief_is_accepted_where_everything_holds() {
        assert_eq!(judge(&evidence(Answer::Holds, Answer::Holds)).0, Outcome::Accept);
    }

    #[test]
    fn a_guardrail_that_is_not_shown_is_an_answer_of_its_own() {
        let (outcome, reasons) = judge(&evidence(Answer::Holds, Answer::Unclear));
        assert_eq!(outcome, Outcome::GuardrailNotShown);
        assert_eq!(outcome.verdict(), "unclear");
        assert_eq!(
            reasons,
            ["`step_time <= -8%` holds", "the guardrail `val_loss <= +0.2%` is not shown to hold"]
        );
    }

    #[test]
    fn what_is_shown_to_fail_is_rejected_even_at_an_interim_look() {
        let mut evidence = evidence(Answer::Holds, Answer::Fails);
        evidence.obstacles.push("this is an interim look".to_owned());
        assert_eq!(judge(&evidence).0, Outcome::Reject);
    }

    #[test]
    fn an_obstacle_never_lets_anything_be_accepted() {
        let mut evidence = evidence(Answer::Holds, Answer::Holds);
        evidence.obstacles.push("a trial failed".to_owned());
        assert_eq!(judge(&evidence).0, Outcome::Unclear);
    }

    #[test]
    fn without_a_criterion_nothing_is_judged() {
        assert_eq!(judge(&Evidence::default()).0, Outcome::Unclear);
    }

    proptest! {
        #[test]
        fn sides_changed_turn_the_verdict_around(
            low in -0.5_f64..0.5, width in 0.0_f64..0.5, margin in prop::option::of(0.001_f64..0.3),
        ) {
            let one = effect(low, low + width, margin);
            let turned = |ratio: f64| 1.0 / (1.0 + ratio) - 1.0;
            let other = effect(turned(low + width), turned(low), margin);
            let expected = match one.verdict() {
                Verdict::Better => Verdict::Worse,
                Verdict::Worse => Verdict::Better,
                verdict => verdict,
            };
            prop_assert_eq!(other.verdict(), expected);
        }
    }
}
