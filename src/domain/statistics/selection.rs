//! Order statistics of all pairwise differences and averages without writing them down.
//!
//! The values of a sorted matrix up to a bound can be counted in linear time, so the k-th is found by halving the
//! range of representable numbers, at most 64 times; the idea of counting in a sorted matrix is that of
//! Johnson and Mizoguchi (1978), Selecting the Kth element in X + Y and X1 + X2 + ... + Xm, SIAM J. Comput. 7.

use std::cmp::Ordering;

/// Whether two finite numbers are equal; zero and minus zero are.
pub fn same(one: f64, other: f64) -> bool {
    one.partial_cmp(&other) == Some(Ordering::Equal)
}

/// The pairwise values whose order statistics are wanted, from sorted values.
#[derive(Clone, Copy, Debug)]
pub enum Pairwise<'a> {
    /// All differences `to - from`.
    Differences {
        /// The sorted values that are subtracted.
        from: &'a [f64],
        /// The sorted values that they are subtracted from.
        to: &'a [f64],
    },
    /// All averages of two values, each with itself included: Walsh averages.
    Averages(&'a [f64]),
}

impl Pairwise<'_> {
    /// How many pairwise values there are.
    pub fn total(self) -> u64 {
        match self {
            Self::Differences { from, to } => from.len() as u64 * to.len() as u64,
            Self::Averages(values) => values.len() as u64 * (values.len() as u64 + 1) / 2,
        }
    }

    /// How many pairwise values are at most `bound`.
    pub fn count_up_to(self, bound: f64) -> u64 {
        let mut count = 0;
        match self {
            Self::Differences { from, to } => {
                let mut reached = 0;
                for low in from {
                    while reached < to.len() && to[reached] - low <= bound {
                        reached += 1;
                    }
                    count += reached as u64;
                }
            }
            Self::Averages(values) => {
                let mut reached = values.len();
                for (first, low) in values.iter().enumerate() {
                    while reached > first && average(*low, values[reached - 1]) > bound {
                        reached -= 1;
                    }
                    if reached <= first {
                        break;
                    }
                    count += (reached - first) as u64;
                }
            }
        }
        count
    }

    /// The pairwise value of the given rank, where the smallest has rank 1.
    pub fn ranked(self, rank: u64) -> f64 {
        let (low, high) = self.range();
        let (mut low, mut high) = (key(low), key(high));
        while low < high {
            // Halves without overflow: the keys span all of `i64`.
            let middle = (low & high) + ((low ^ high) >> 1);
            if self.count_up_to(value(middle)) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        value(low) + 0.0
    }

    /// The median of the pairwise values.
    pub fn median(self) -> f64 {
        let total = self.total();
        let upper = self.ranked(total / 2 + 1);
        if total % 2 == 1 { upper } else { average(self.ranked(total / 2), upper) }
    }

    fn range(self) -> (f64, f64) {
        match self {
            Self::Differences { from, to } => (to[0] - from[from.len() - 1], to[to.len() - 1] - from[0]),
            Self::Averages(values) => (values[0], values[values.len() - 1]),
        }
    }
}

fn average(one: f64, other: f64) -> f64 {
    0.5 * one + 0.5 * other
}

/// An integer that orders as the number does.
fn key(number: f64) -> i64 {
    let bits = number.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The number of a key.
fn value(key: i64) -> f64 {
    let bits = if key < 0 { key ^ i64::MAX } else { key };
    f64::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_order_as_numbers_do() {
        let numbers = [-1e300, -1.0, -1e-300, -0.0, 0.0, 1e-300, 1.0, 1e300];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|number| same(value(key(*number)), *number)));
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    proptest! {
        #[test]
        fn a_ranked_difference_is_the_one_found_by_sorting(
            from in proptest::collection::vec(-9i32..9, 1..12),
            to in proptest::collection::vec(-9i32..9, 1..12),
            scale in -300f64..299.0,
        ) {
            let unit = 10f64.powf(scale);
            let values = |numbers: Vec<i32>| sorted(numbers.into_iter().map(|n| f64::from(n) * unit).collect());
            let (from, to) = (values(from), values(to));
            let all = sorted(from.iter().flat_map(|low| to.iter().map(move |high| high - low)).collect());
            let pairwise = Pairwise::Differences { from: &from, to: &to };
            for (at, expected) in all.iter().enumerate() {
                prop_assert!(same(pairwise.ranked(at as u64 + 1), *expected));
            }
        }

        #[test]
        fn a_ranked_average_is_the_one_found_by_sorting(numbers in proptest::collection::vec(-9i32..9, 1..16)) {
            let values = sorted(numbers.into_iter().map(|n| f64::from(n) * 0.1).collect());
            let all = sorted(
                (0..values.len()).flat_map(|i| (i..values.len()).map(move |j| (i, j)))
                    .map(|(i, j)| average(values[i], values[j])).collect(),
            );
            let pairwise = Pairwise::Averages(&values);
            prop_assert_eq!(pairwise.total(), all.len() as u64);
            for (at, expected) in all.iter().enumerate() {
                prop_assert!(same(pairwise.ranked(at as u64 + 1), *expected));
            }
        }
    }
}
