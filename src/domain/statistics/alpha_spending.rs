//! Looks that are declared before the first: how much of the error each may spend.
//!
//! The spending function of O'Brien and Fleming's type from Lan and DeMets (1983), Discrete sequential boundaries for
//! clinical trials, Biometrika 70. Each look is tested at what the function adds since the look before; by Bonferroni's
//! inequality the sum of false alarms stays at the level for every test and every dependence between looks. Boundaries
//! that use the dependence would spend less, but hold for normal increments only.

#![expect(clippy::doc_markdown, reason = "people are cited by name")]

use super::distribution::{normal_upper_quantile, normal_upper_tail};
use super::sample::Level;

/// Shares of the planned trials after which one looks, rising to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks(Vec<f64>);

impl Looks {
    /// Looks after the given numbers of trials, of which the last is the plan; `None` unless they rise from above zero.
    pub fn after(trials: &[usize]) -> Option<Self> {
        let planned = *trials.last()?;
        let rising = trials.windows(2).all(|pair| pair[0] < pair[1]) && trials[0] > 0;
        rising.then(|| Self(trials.iter().map(|trials| *trials as f64 / planned as f64).collect()))
    }

    /// The two-sided level of each look; `None` for one so early that nothing may be decided.
    pub fn levels(&self, level: Level) -> Vec<Option<Level>> {
        let z = normal_upper_quantile(0.5 * level.share());
        let mut spent = 0.0;
        self.0
            .iter()
            .map(|share| {
                let by_now =
                    if *share < 1.0 { 2.0 * normal_upper_tail(z / share.sqrt()) } else { level.share() };
                let now = by_now - spent;
                spent = by_now;
                Level::new(now)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_together_spend_the_level() {
        let levels = Looks::after(&[10, 20, 30]).unwrap().levels(Level::FIVE_PERCENT);
        let spent: f64 = levels.iter().flatten().map(|level| level.share()).sum();
        assert!((spent - 0.05).abs() < 1e-12);
    }

    #[test]
    fn early_looks_are_strict() {
        let levels = Looks::after(&[10, 20, 30]).unwrap().levels(Level::FIVE_PERCENT);
        let shares: Vec<f64> = levels.iter().flatten().map(|level| level.share()).collect();
        assert!(shares[0] < 0.001 && shares[1] < 0.02 && shares[2] > 0.03, "{shares:?}");
    }

    #[test]
    fn one_look_has_the_whole_level() {
        let levels = Looks::after(&[30]).unwrap().levels(Level::FIVE_PERCENT);
        assert_eq!(levels, [Some(Level::FIVE_PERCENT)]);
    }

    #[test]
    fn a_look_after_almost_nothing_decides_nothing() {
        let levels = Looks::after(&[1, 10_000]).unwrap().levels(Level::FIVE_PERCENT);
        assert_eq!(levels[0], None);
    }

    #[test]
    fn looks_must_rise() {
        assert_eq!(Looks::after(&[10, 10]), None);
        assert_eq!(Looks::after(&[0, 10]), None);
        assert_eq!(Looks::after(&[]), None);
    }
}
