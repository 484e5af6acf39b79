//! What the Mann–Whitney and the signed-rank statistic are when there is no effect.
//!
//! Counted exactly while the counts fit 128 bits, then the normal approximation with continuity correction.
//! Mann and Whitney (1947), Ann. Math. Statist. 18; Wilcoxon (1945), Biometrics Bulletin 1. The counting of
//! Mann–Whitney's statistic as a product of quotients follows Harding (1984), Applied Statistics 33.

use super::distribution::normal_upper_tail;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Up to this many values on both sides together, C(130, 65) being the largest count, 128 bits hold every count.
pub const EXACT_VALUES: usize = 130;

/// Up to this many pairs the signed-rank statistic is counted.
pub const EXACT_PAIRS: usize = 100;

/// The distribution, without an effect and without ties, of a statistic that is symmetric over `0..=largest`.
#[derive(Clone, Debug)]
pub struct NullDistribution {
    largest: u64,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The probability of at most 0, 1, 2 … up to half of the largest.
    Exact(Arc<[f64]>),
    Normal {
        deviation: f64,
    },
}

impl NullDistribution {
    /// That of the Mann–Whitney statistic of two samples of the given sizes.
    pub fn mann_whitney(first: usize, second: usize) -> Self {
        let (small, large) = (first.min(second), first.max(second));
        let largest = small as u64 * large as u64;
        let form = if small + large <= EXACT_VALUES {
            Form::Exact(counted(Statistic::MannWhitney(small, large)))
        } else {
            Form::Normal { deviation: (largest as f64 * (small + large + 1) as f64 / 12.0).sqrt() }
        };
        Self { largest, form }
    }

    /// That of the signed-rank statistic of the given number of pairs.
    pub fn signed_rank(pairs: usize) -> Self {
        let largest = pairs as u64 * (pairs as u64 + 1) / 2;
        let form = if pairs <= EXACT_PAIRS {
            Form::Exact(counted(Statistic::SignedRank(pairs)))
        } else {
            Form::Normal { deviation: (largest as f64 * (2 * pairs + 1) as f64 / 12.0).sqrt() }
        };
        Self { largest, form }
    }

    /// Whether the distribution is counted, not approximated.
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact(_))
    }

    /// The probability that the statistic is at most `value`.
    pub fn lower_tail(&self, value: u64) -> f64 {
        if value >= self.largest {
            return 1.0;
        }
        match &self.form {
            Form::Exact(tail) => {
                let at = |value: u64| usize::try_from(value).ok().and_then(|at| tail.get(at)).copied();
                at(value).unwrap_or_else(|| 1.0 - at(self.largest - value - 1).unwrap_or(1.0))
            }
            Form::Normal { deviation } => {
                normal_upper_tail((self.largest as f64 / 2.0 - value as f64 - 0.5) / deviation)
            }
        }
    }

    /// How many of the smallest pairwise values an effect may not lie below at the given probability of error.
    ///
    /// It is the largest `rank` for which a statistic below `rank` has at most that probability; 0 where none has.
    pub fn cut(&self, probability: f64) -> u64 {
        let (mut low, mut high) = (0, self.largest / 2 + 1);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.lower_tail(middle - 1) <= probability {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Statistic {
    MannWhitney(usize, usize),
    SignedRank(usize),
}

/// The lower tails of a statistic, counted once in a process.
fn counted(statistic: Statistic) -> Arc<[f64]> {
    static COUNTED: Mutex<BTreeMap<Statistic, Arc<[f64]>>> = Mutex::new(BTreeMap::new());
    let known = COUNTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&statistic).cloned();
    known.unwrap_or_else(|| {
        let (counts, total) = match statistic {
            Statistic::MannWhitney(small, large) => mann_whitney_counts(small, large),
            Statistic::SignedRank(pairs) => signed_rank_counts(pairs),
        };
        let tail: Arc<[f64]> = counts
            .iter()
            .scan(0, |sum: &mut u128, count| {
                *sum += count;
                Some(*sum as f64 / total as f64)
            })
            .collect();
        COUNTED
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(statistic, Arc::clone(&tail));
        tail
    })
}

/// How many orders of the two samples give 0, 1, 2 … up to half of the largest statistic, and how many there are.
///
/// The coefficients of the product over `i` of `(1 - q^(large + i)) / (1 - q^i)`. What is between may leave the range
/// of 128 bits; the arithmetic wraps, and what comes out fits.
fn mann_whitney_counts(small: usize, large: usize) -> (Vec<u128>, u128) {
    let mut counts = vec![0_u128; small * large / 2 + 1];
    counts[0] = 1;
    let mut total = 1_u128;
    for i in 1..=small {
        for at in (large + i..counts.len()).rev() {
            counts[at] = counts[at].wrapping_sub(counts[at - large - i]);
        }
        for at in i..counts.len() {
            counts[at] = counts[at].wrapping_add(counts[at - i]);
        }
        total = binomial_step(total, large + i, i);
    }
    (counts, total)
}

/// C(n, i) from C(n - 1, i - 1), without leaving 128 bits on the way where the result fits.
fn binomial_step(before: u128, n: usize, i: usize) -> u128 {
    let (n, i) = (n as u128, i as u128);
    before / i * n + before % i * n / i
}

/// How many signs of the ranks give 0, 1, 2 … up to half of the largest sum, and how many there are.
fn signed_rank_counts(pairs: usize) -> (Vec<u128>, u128) {
    let mut counts = vec![0_u128; pairs * (pairs + 1) / 4 + 1];
    counts[0] = 1;
    for rank in 1..=pairs {
        for at in (rank..counts.len()).rev() {
            counts[at] += counts[at - rank];
        }
    }
    (counts, 1 << pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-12 * other.abs()
    }

    #[test]
    fn the_mann_whitney_statistic_has_its_tabulated_tails() {
        // Of C(16, 8) = 12,870 orders, the published critical value at 2.5 % is 13.
        let null = NullDistribution::mann_whitney(8, 8);
        assert_eq!(null.cut(0.025), 14);
        assert!(close(null.lower_tail(0), 1.0 / 12_870.0));
        assert!(close(NullDistribution::mann_whitney(3, 3).lower_tail(0), 0.05));
        assert!(close(null.lower_tail(31) + null.lower_tail(32), 1.0));
    }

    #[test]
    fn the_signed_rank_statistic_has_its_tabulated_tails() {
        let null = NullDistribution::signed_rank(8);
        assert_eq!(null.cut(0.025), 4);
        assert!(close(null.lower_tail(3), 5.0 / 256.0));
        assert_eq!(NullDistribution::signed_rank(5).cut(0.025), 0);
    }

    #[test]
    fn counts_add_up_at_the_edge_of_128_bits() {
        for (first, second) in [(65, 65), (8, 122), (1, 129), (64, 66)] {
            let null = NullDistribution::mann_whitney(first, second);
            let half = first as u64 * second as u64 / 2;
            assert!(null.is_exact());
            let middle = null.lower_tail(half);
            assert!((0.5..0.51).contains(&middle) || first == 1, "{first} and {second}: {middle}");
        }
        let null = NullDistribution::signed_rank(100);
        assert!((0.5..0.51).contains(&null.lower_tail(2525)));
    }

    #[test]
    fn the_approximation_takes_over_smoothly() {
        let counted = NullDistribution::mann_whitney(65, 65);
        let deviation = (65.0 * 65.0 * 131.0 / 12.0_f64).sqrt();
        let approximated = NullDistribution { largest: 65 * 65, form: Form::Normal { deviation } };
        assert!(counted.cut(0.025).abs_diff(approximated.cut(0.025)) <= 2);
        let counted = NullDistribution::signed_rank(100);
        let deviation = (5050.0 * 201.0 / 12.0_f64).sqrt();
        let approximated = NullDistribution { largest: 5050, form: Form::Normal { deviation } };
        assert!(counted.cut(0.025).abs_diff(approximated.cut(0.025)) <= 2);
    }

    #[test]
    fn twice_the_values_never_cut_a_smaller_share() {
        for probability in [0.025, 0.05] {
            for first in 8..70 {
                for second in [first, first + 1, 8, 2 * first, 100] {
                    let once = NullDistribution::mann_whitney(first, second).cut(probability);
                    let twice = NullDistribution::mann_whitney(2 * first, 2 * second).cut(probability);
                    assert!(twice.div_ceil(4) >= once, "{first} and {second}: {once} and {twice}");
                }
            }
        }
    }
}
