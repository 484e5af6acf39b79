//! What a number of trials can show, given the noise that was seen.
//!
//! Power of the t tests by the noncentral t distribution: Cohen (1988), Statistical Power Analysis for the Behavioral
//! Sciences, ch. 2. Where ranks decide, a trial counts as 3/π trials, the efficiency of rank tests on normal noise
//! (Hodges and Lehmann 1956, Ann. Math. Statist. 27), which is pessimistic for noise with heavy tails.

use super::choose::{Design, FEWEST_FOR_AN_INTERVAL, FEWEST_FOR_RANKS};
use super::distribution::{noncentral_upper_tail, student_upper_quantile};
use super::sample::Level;
use crate::domain::metric::Kind;
use std::f64::consts::FRAC_PI_3;

/// The power that plans aim at.
pub const WANTED_POWER: f64 = 0.8;

/// More trials than this are never advised.
pub const MOST_TRIALS: usize = 100_000;

/// Whether an effect may lie in either direction or only in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sides {
    /// A criterion: the bound on one side decides.
    One,
    /// A verdict: the interval decides.
    Two,
}

/// The noise of a metric, as it matters for a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// How the two sides will belong together.
    pub design: Design,
    /// What the metric depends on.
    pub kind: Kind,
    /// The standard deviation: of a side's values where unpaired, of the pairs' differences where paired.
    ///
    /// Of logarithms where the metric is compared by ratio; effects are then logarithms of ratios.
    pub deviation: f64,
    /// The share of false alarms allowed.
    pub level: Level,
    /// In which directions an effect may lie.
    pub sides: Sides,
}

impl Noise {
    /// The probability of seeing an effect with so many trials a side, or pairs.
    pub fn power(self, trials: usize, effect: f64) -> f64 {
        if trials < FEWEST_FOR_AN_INTERVAL {
            return 0.0;
        }
        let effect = effect.abs();
        if self.deviation <= 0.0 {
            return if effect > 0.0 { 1.0 } else { 0.0 };
        }
        self.power_at(trials, effect / self.deviation * self.effective(trials).sqrt())
    }

    /// The probability of showing an effect on one side, where it may as well lie on the other: then `effect` is below 0.
    pub fn chance(self, trials: usize, effect: f64) -> f64 {
        if trials < FEWEST_FOR_AN_INTERVAL {
            return 0.0;
        }
        if self.deviation <= 0.0 {
            return if effect > 0.0 { 1.0 } else { 0.0 };
        }
        let one_sided = Self { sides: Sides::One, ..self };
        one_sided.power_at(trials, effect / self.deviation * self.effective(trials).sqrt())
    }

    /// The smallest effect that so many trials see with the wanted power; `None` where none is seen.
    pub fn smallest_effect(self, trials: usize, wanted_power: f64) -> Option<f64> {
        if trials < FEWEST_FOR_AN_INTERVAL {
            return None;
        }
        // Found from below, for the sums grow with the noncentrality; of 3 trials at a level of one in a thousand the one
        // that is wanted is below 100.
        let (mut low, mut high) = (0.0, 4.0);
        while self.power_at(trials, high) < wanted_power {
            if high > 1e4 {
                return None;
            }
            (low, high) = (high, 4.0 * high);
        }
        for _ in 0..44 {
            let middle = f64::midpoint(low, high);
            if self.power_at(trials, middle) < wanted_power {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high * self.deviation / self.effective(trials).sqrt())
    }

    /// How many trials a side, or pairs, see an effect with the wanted power; `None` beyond [`MOST_TRIALS`].
    pub fn trials_needed(self, effect: f64, wanted_power: f64) -> Option<usize> {
        let enough = |trials| self.power(trials, effect) >= wanted_power;
        let mut high = FEWEST_FOR_AN_INTERVAL;
        while !enough(high) {
            if high >= MOST_TRIALS {
                return None;
            }
            high = (2 * high).min(MOST_TRIALS);
        }
        let mut low = FEWEST_FOR_AN_INTERVAL;
        while low < high {
            let middle = usize::midpoint(low, high);
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(high)
    }

    /// How many independent differences the trials are worth.
    fn effective(self, trials: usize) -> f64 {
        let efficiency = match self.kind {
            Kind::Measured if trials >= FEWEST_FOR_RANKS => 1.0 / FRAC_PI_3,
            Kind::Measured | Kind::Quality | Kind::Exact => 1.0,
        };
        let trials = trials as f64 * efficiency;
        match self.design {
            Design::Unpaired => trials / 2.0,
            Design::Paired => trials,
        }
    }

    fn power_at(self, trials: usize, noncentrality: f64) -> f64 {
        let degrees = match self.design {
            Design::Unpaired => 2.0 * trials as f64 - 2.0,
            Design::Paired => trials as f64 - 1.0,
        };
        // Far beyond every critical value; spares a sum of thousands of terms.
        if noncentrality > 1e3 {
            return 1.0;
        }
        match self.sides {
            Sides::One => {
                let critical = student_upper_quantile(self.level.share(), degrees);
                noncentral_upper_tail(critical, degrees, noncentrality)
            }
            Sides::Two => {
                let critical = student_upper_quantile(0.5 * self.level.share(), degrees);
                noncentral_upper_tail(critical, degrees, noncentrality)
                    + noncentral_upper_tail(critical, degrees, -noncentrality)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(design: Design, deviation: f64) -> Noise {
        Noise { design, kind: Kind::Quality, deviation, level: Level::FIVE_PERCENT, sides: Sides::Two }
    }

    #[test]
    fn the_power_of_thirty_pairs_falls_with_the_noise() {
        // What simulation found for 2 % at a spread of 1, 2, 3 and 5 % from run to run.
        for (spread, expected) in [(0.01, 1.0), (0.02, 0.96), (0.03, 0.71), (0.05, 0.32)] {
            let power = noise(Design::Paired, spread * 2f64.sqrt()).power(30, 0.02);
            assert!((power - expected).abs() < 0.02, "{spread}: {power}");
        }
    }

    #[test]
    fn the_smallest_effect_has_the_wanted_power() {
        for design in [Design::Unpaired, Design::Paired] {
            for trials in [3, 7, 8, 30, 300] {
                let noise = Noise { kind: Kind::Measured, ..noise(design, 0.02) };
                let effect = noise.smallest_effect(trials, WANTED_POWER).unwrap();
                assert!((noise.power(trials, effect) - WANTED_POWER).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_trials_needed_are_the_fewest_that_suffice() {
        let noise = noise(Design::Unpaired, 0.02);
        for effect in [0.2, 0.05, 0.02, 0.005] {
            let trials = noise.trials_needed(effect, WANTED_POWER).unwrap();
            assert!(noise.power(trials, effect) >= WANTED_POWER);
            assert!(trials == 3 || noise.power(trials - 1, effect) < WANTED_POWER);
        }
        assert_eq!(noise.trials_needed(0.0, WANTED_POWER), None);
    }

    #[test]
    fn without_noise_any_effect_is_seen() {
        assert_eq!(noise(Design::Paired, 0.0).trials_needed(1e-6, WANTED_POWER), Some(3));
    }

    #[test]
    fn two_trials_show_nothing() {
        assert_eq!(noise(Design::Paired, 0.01).smallest_effect(2, WANTED_POWER), None);
    }

    #[test]
    fn ranks_cost_a_twentieth_of_the_trials() {
        let quality = noise(Design::Unpaired, 0.02).trials_needed(0.005, WANTED_POWER).unwrap();
        let measured = Noise { kind: Kind::Measured, ..noise(Design::Unpaired, 0.02) };
        let measured = measured.trials_needed(0.005, WANTED_POWER).unwrap();
        assert!((measured as f64 / quality as f64 - FRAC_PI_3).abs() < 0.01, "{measured} and {quality}");
    }
}
