//! The Mann–Whitney test as textbooks have it, for the `tests` beside an estimate.
//!
//! Equal values share their ranks. Without ties the p-value is counted where [`NullDistribution`] counts; with ties it
//! is counted over all ways to deal the shared ranks to the sides while there are few values, else it is the normal
//! approximation with correction for ties and continuity. Mann and Whitney (1947), Ann. Math. Statist. 18;
//! Lehmann (1975), Nonparametrics: Statistical Methods Based on Ranks, ch. 1.

use super::distribution::normal_upper_tail;
use super::null_distribution::NullDistribution;
use super::sample::Sample;
use super::selection::same;

/// Up to this many values on both sides together, shared ranks are dealt out exactly.
pub const EXACT_TIED_VALUES: usize = 30;

/// The two-sided p-value of both samples coming from one distribution.
pub fn mann_whitney(baseline: &Sample, candidate: &Sample) -> f64 {
    let ranks = Ranks::of(baseline, candidate);
    let (from, to) = (baseline.size(), candidate.size());
    // Twice the statistic of the candidate, from twice its ranks.
    let twice = ranks.candidate_doubled - to as u64 * (to as u64 + 1);
    let largest = from as u64 * to as u64;
    let smaller = twice.min(2 * largest - twice);
    if ranks.tie_sizes.is_empty() {
        let null = NullDistribution::mann_whitney(from, to);
        return (2.0 * null.lower_tail(smaller / 2)).min(1.0);
    }
    if from + to <= EXACT_TIED_VALUES {
        return ranks.dealt_p_value(to);
    }
    let all = (from + to) as f64;
    let ties: f64 = ranks.tie_sizes.iter().map(|size| size * (size * size - 1.0)).sum();
    let variance = largest as f64 / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = (largest as f64 - smaller as f64) / 2.0 - 0.5;
    (2.0 * normal_upper_tail(distance / variance.sqrt())).min(1.0)
}

/// The shared ranks of two samples, doubled so that they are whole numbers.
struct Ranks {
    doubled: Vec<u64>,
    candidate_doubled: u64,
    tie_sizes: Vec<f64>,
}

impl Ranks {
    fn of(baseline: &Sample, candidate: &Sample) -> Self {
        let mut all: Vec<(f64, bool)> = baseline.sorted().iter().map(|value| (*value, false)).collect();
        all.extend(candidate.sorted().iter().map(|value| (*value, true)));
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut ranks =
            Self { doubled: Vec::with_capacity(all.len()), candidate_doubled: 0, tie_sizes: Vec::new() };
        let mut before = 0;
        for tied in all.chunk_by(|one, other| same(one.0, other.0)) {
            let doubled = 2 * before + tied.len() as u64 + 1;
            ranks.doubled.extend(tied.iter().map(|_| doubled));
            ranks.candidate_doubled += doubled * tied.iter().filter(|value| value.1).count() as u64;
            if tied.len() > 1 {
                ranks.tie_sizes.push(tied.len() as f64);
            }
            before += tied.len() as u64;
        }
        ranks
    }

    /// The share of all ways to deal `size` of the ranks that are at least as far from the middle as what was seen.
    fn dealt_p_value(&self, size: usize) -> f64 {
        let sums = usize::try_from(self.doubled.iter().sum::<u64>()).expect("30 ranks have a small sum") + 1;
        // ways[taken * sums + sum]
        let mut ways = vec![0_u64; (size + 1) * sums];
        ways[0] = 1;
        for doubled in &self.doubled {
            let doubled = usize::try_from(*doubled).expect("a rank is small");
            for taken in (1..=size).rev() {
                let (fewer, more) = ways.split_at_mut(taken * sums);
                let fewer = &fewer[(taken - 1) * sums..];
                for (way, from) in more[doubled..sums].iter_mut().zip(fewer) {
                    *way += from;
                }
            }
        }
        let dealt = &ways[size * sums..];
        let middle = size as u64 * (self.doubled.len() as u64 + 1);
        let distance = self.candidate_doubled.abs_diff(middle);
        let far: u64 = (0_u64..)
            .zip(dealt)
            .filter(|(sum, _)| sum.abs_diff(middle) >= distance)
            .map(|(_, ways)| ways)
            .sum();
        far as f64 / dealt.iter().sum::<u64>() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p_value(baseline: &[f64], candidate: &[f64]) -> f64 {
        mann_whitney(&Sample::new(baseline).unwrap(), &Sample::new(candidate).unwrap())
    }

    #[test]
    fn three_against_three_cannot_go_below_a_tenth() {
        assert!((p_value(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) - 0.1).abs() < 1e-15);
    }

    #[test]
    fn shared_ranks_are_dealt_out() {
        // Of the 6 ways to deal 1, 2.5, 2.5, 4 in twos, {1, 2.5} twice and {2.5, 4} twice are as far out.
        assert!((p_value(&[1.0, 2.0], &[2.0, 3.0]) - 4.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn equal_samples_are_no_evidence() {
        assert!((p_value(&[2.0; 4], &[2.0; 4]) - 1.0).abs() < 1e-15);
        assert!((p_value(&[2.0; 40], &[2.0; 40]) - 1.0).abs() < 1e-15);
    }
}
