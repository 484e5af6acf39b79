//! Estimates and intervals from ranks: the effects that a rank test does not reject.
//!
//! Hodges and Lehmann (1963), Estimates of location based on rank tests, Ann. Math. Statist. 34; the intervals are
//! those of Moses and of Tukey as in Hollander, Wolfe and Chicken (2014), Nonparametric Statistical Methods, ch. 3
//! and 4. Ties, and pairs without a difference, count against an effect on both sides: the p-value is that of the
//! least favourable way to break them. So test and interval always agree, and neither is anti-conservative.

use super::null_distribution::NullDistribution;
use super::sample::{Interval, Level, Sample};
use super::selection::Pairwise;

/// A rank test of no effect, with the estimate and the interval that belong to it.
#[derive(Clone, Debug)]
pub struct Inversion<'a> {
    pairwise: Pairwise<'a>,
    null: NullDistribution,
    tolerance: f64,
}

impl<'a> Inversion<'a> {
    /// The shift from `baseline` to `candidate`, by Mann and Whitney's test; it assumes equal shapes.
    ///
    /// Effects within `tolerance` of zero are rounding and count as zero.
    pub fn of_shift(baseline: &'a Sample, candidate: &'a Sample, tolerance: f64) -> Self {
        Self {
            pairwise: Pairwise::Differences { from: baseline.sorted(), to: candidate.sorted() },
            null: NullDistribution::mann_whitney(baseline.size(), candidate.size()),
            tolerance,
        }
    }

    /// The centre of `differences`, by the signed-rank test; it assumes that they are symmetric about it.
    ///
    /// Effects within `tolerance` of zero are rounding and count as zero.
    pub fn of_centre(differences: &'a Sample, tolerance: f64) -> Self {
        Self {
            pairwise: Pairwise::Averages(differences.sorted()),
            null: NullDistribution::signed_rank(differences.size()),
            tolerance,
        }
    }

    /// The median of the pairwise values.
    pub fn effect(&self) -> f64 {
        self.rounded(self.pairwise.median())
    }

    /// The effects that the two-sided test does not reject; `None` where it can reject none.
    pub fn interval(&self, level: Level) -> Option<Interval> {
        self.cut_off(0.5 * level.share())
    }

    /// A lower and an upper bound, each alone at the given level; `None` where the test can reject nothing.
    pub fn bounds(&self, level: Level) -> Option<Interval> {
        self.cut_off(level.share())
    }

    /// The two-sided p-value of no effect.
    pub fn p_value(&self) -> f64 {
        let up_to_zero = self.pairwise.count_up_to(self.tolerance);
        let below_zero = self.pairwise.count_up_to((-self.tolerance).next_down());
        let from_zero = self.pairwise.total() - below_zero;
        (2.0 * self.null.lower_tail(up_to_zero.min(from_zero))).min(1.0)
    }

    fn cut_off(&self, probability: f64) -> Option<Interval> {
        let rank = self.null.cut(probability);
        (rank > 0).then(|| Interval {
            low: self.rounded(self.pairwise.ranked(rank)),
            high: self.rounded(self.pairwise.ranked(self.pairwise.total() + 1 - rank)),
        })
    }

    fn rounded(&self, effect: f64) -> f64 {
        if effect.abs() <= self.tolerance { 0.0 } else { effect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values).unwrap()
    }

    #[test]
    fn equal_values_have_no_effect_and_no_spread() {
        let flat = sample(&[3.0; 8]);
        let inversion = Inversion::of_shift(&flat, &flat, 0.0);
        assert_eq!(inversion.interval(Level::FIVE_PERCENT), Some(Interval { low: 0.0, high: 0.0 }));
        assert!((inversion.p_value() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn pairs_without_a_difference_speak_for_no_effect() {
        let differences = sample(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let inversion = Inversion::of_centre(&differences, 0.0);
        assert!(inversion.p_value() > 0.05);
        assert!(inversion.interval(Level::FIVE_PERCENT).unwrap().contains(0.0));
    }

    #[test]
    fn too_few_pairs_have_no_interval() {
        let differences = sample(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let inversion = Inversion::of_centre(&differences, 0.0);
        assert_eq!(inversion.interval(Level::FIVE_PERCENT), None);
        assert!((inversion.p_value() - 0.0625).abs() < 1e-15);
    }

    fn quantised(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec((-12i32..12).prop_map(|n| f64::from(n) * 0.1), size)
    }

    proptest! {
        #[test]
        fn a_shift_is_significant_exactly_where_its_interval_leaves_zero_out(
            baseline in quantised(3..20),
            candidate in quantised(3..20),
            shift in -2.0..2.0,
        ) {
            let candidate: Vec<f64> = candidate.iter().map(|value| value + shift).collect();
            let (baseline, candidate) = (sample(&baseline), sample(&candidate));
            let inversion = Inversion::of_shift(&baseline, &candidate, 1e-12);
            let rejected = inversion.p_value() <= 0.05;
            let outside = inversion.interval(Level::FIVE_PERCENT).is_some_and(|interval| !interval.contains(0.0));
            prop_assert_eq!(rejected, outside);
        }

        #[test]
        fn a_centre_is_significant_exactly_where_its_interval_leaves_zero_out(differences in quantised(3..30)) {
            let differences = sample(&differences);
            let inversion = Inversion::of_centre(&differences, 1e-12);
            let rejected = inversion.p_value() <= 0.05;
            let outside = inversion.interval(Level::FIVE_PERCENT).is_some_and(|interval| !interval.contains(0.0));
            prop_assert_eq!(rejected, outside);
        }

        #[test]
        fn the_effect_lies_in_its_interval(baseline in quantised(4..20), candidate in quantised(4..20)) {
            let (baseline, candidate) = (sample(&baseline), sample(&candidate));
            let inversion = Inversion::of_shift(&baseline, &candidate, 1e-12);
            let interval = inversion.interval(Level::FIVE_PERCENT).unwrap();
            prop_assert!(interval.contains(inversion.effect()));
        }
    }
}
