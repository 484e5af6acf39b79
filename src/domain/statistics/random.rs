//! Randomness from a seed, the same on every machine and for ever.
//!
//! The generator is xoshiro256++ of Blackman and Vigna (2021), Scrambled linear pseudorandom number generators,
//! ACM Trans. Math. Softw. 47; what is drawn from its bits is fixed here and pinned by a test, because a verdict
//! must not change with a library.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// A source of random numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The source with a given seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// The source for a purpose and the things it concerns, whose order does not matter.
    ///
    /// Things are given as bytes, as the IDs of two compared cells are.
    pub fn for_things(purpose: &str, things: &[&[u8]]) -> Self {
        let mut things = things.to_vec();
        things.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        // Lengths go in, so that no two lists read the same.
        for part in std::iter::once(&purpose.as_bytes()).chain(&things) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(Xoshiro256PlusPlus::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A number of 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`, each as likely as the others up to one part in 2⁶⁴; zero where `bound` is.
    pub fn below(&mut self, bound: usize) -> usize {
        // The high half of the product: Lemire (2019), Fast random integer generation in an interval.
        let product = u128::from(self.bits()) * bound as u128;
        // Never more than the bound, so the conversion cannot fail.
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// A number in the open interval from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) * 2f64.powi(-52)
    }

    /// Puts `things` into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

/// Which side of a pair runs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum First {
    /// The baseline, then the candidate.
    Baseline,
    /// The candidate, then the baseline.
    Candidate,
}

/// The order inside each of `pairs` pairs: at random, each side first in as many pairs as the other.
///
/// With an odd number of pairs, the side that is first once more is drawn too.
pub fn balanced_order(pairs: usize, random: &mut Random) -> Vec<First> {
    let (one, other) = if random.below(2) == 0 {
        (First::Baseline, First::Candidate)
    } else {
        (First::Candidate, First::Baseline)
    };
    let mut order: Vec<First> = (0..pairs).map(|pair| if pair % 2 == 0 { one } else { other }).collect();
    random.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut random = Random::from_seed(1);
        let drawn: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(
            drawn,
            [14_971_601_782_005_023_387, 13_781_649_495_232_077_965, 1_847_458_086_238_483_744]
        );
        let mut random = Random::for_things("bootstrap", &[b"a", b"b"]);
        let drawn: Vec<usize> = (0..8).map(|_| random.below(100)).collect();
        assert_eq!(drawn, [55, 80, 84, 32, 68, 83, 9, 21]);
    }

    #[test]
    fn the_order_of_the_things_does_not_matter_but_their_borders_do() {
        let mut one = Random::for_things("bootstrap", &[b"ab", b"c"]);
        let mut other = Random::for_things("bootstrap", &[b"c", b"ab"]);
        let mut shifted = Random::for_things("bootstrap", &[b"a", b"bc"]);
        let drawn = one.bits();
        assert_eq!(drawn, other.bits());
        assert_ne!(drawn, shifted.bits());
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let mut random = Random::from_seed(7);
        let mut seen = [0; 5];
        for _ in 0..50_000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|count| (9_600..10_400).contains(count)), "{seen:?}");
    }

    #[test]
    fn each_side_is_first_as_often_as_the_other() {
        for seed in 0..20 {
            let order = balanced_order(10, &mut Random::from_seed(seed));
            assert_eq!(order.iter().filter(|first| **first == First::Baseline).count(), 5);
        }
        let odd = balanced_order(7, &mut Random::from_seed(3));
        assert!([3, 4].contains(&odd.iter().filter(|first| **first == First::Baseline).count()));
    }
}
