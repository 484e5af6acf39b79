//! The one place where a method is chosen: by what is compared and how often it ran, never by the values.

use crate::domain::metric::{Kind, Scale};
use std::fmt;

/// How the runs of the two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Design {
    /// Not at all: each side ran on its own.
    Unpaired,
    /// One by one: next to each other in time, or with the same seed.
    Paired,
}

/// How an effect is estimated, and by which test its interval is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// The mean effect without an interval: too few trials for any.
    EstimateOnly(Design),
    /// Welch's t test.
    Welch,
    /// The Hodges–Lehmann shift by the Mann–Whitney test.
    MannWhitney,
    /// Student's t test of the pairs' differences.
    PairedT,
    /// The Hodges–Lehmann centre of the pairs' differences by the signed-rank test.
    SignedRank,
    /// None: each side has one value that is the same in every trial.
    Exact,
}

/// A test and the scale on which it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method {
    /// The test.
    pub test: Test,
    /// Ratios are compared as differences of logarithms.
    pub scale: Scale,
}

/// With fewer trials than this a side has an estimate and no interval.
pub const FEWEST_FOR_AN_INTERVAL: usize = 3;

/// From this many trials on, measured metrics are judged by ranks.
pub const FEWEST_FOR_RANKS: usize = 8;

/// The method for two sides of the given sizes; the smaller side decides.
///
/// | trials | unpaired | paired |
/// | --- | --- | --- |
/// | up to 2 | estimate only | estimate only |
/// | 3 … 7 | Welch's t | t on the pairs' differences |
/// | 8 and more, measured | Hodges–Lehmann shift, Mann–Whitney inversion | signed-rank inversion |
/// | 8 and more, quality | Welch's t | t on the pairs' differences |
///
/// All of them on logarithms where the scale is a ratio. An exact metric has one value a side, and needs none of them.
pub fn choose(design: Design, kind: Kind, scale: Scale, baseline: usize, candidate: usize) -> Method {
    let fewest = baseline.min(candidate);
    let test = if kind == Kind::Exact {
        Test::Exact
    } else if fewest < FEWEST_FOR_AN_INTERVAL {
        Test::EstimateOnly(design)
    } else {
        match (design, kind, fewest < FEWEST_FOR_RANKS) {
            (Design::Unpaired, Kind::Measured, false) => Test::MannWhitney,
            (Design::Unpaired, _, _) => Test::Welch,
            (Design::Paired, Kind::Measured, false) => Test::SignedRank,
            (Design::Paired, _, _) => Test::PairedT,
        }
    };
    Method { test, scale }
}

impl Method {
    /// Whether the sides belong together one by one.
    pub fn design(self) -> Design {
        match self.test {
            Test::EstimateOnly(design) => design,
            Test::Welch | Test::MannWhitney | Test::Exact => Design::Unpaired,
            Test::PairedT | Test::SignedRank => Design::Paired,
        }
    }

    /// The name of the method in output.
    pub fn name(self) -> &'static str {
        match (self.test, self.scale) {
            (Test::EstimateOnly(_), _) => "estimate only",
            (Test::Exact, _) => "exact values",
            (Test::Welch, Scale::Ratio) => "Welch's t on logs",
            (Test::Welch, Scale::Difference) => "Welch's t",
            (Test::MannWhitney, Scale::Ratio) => "Hodges–Lehmann shift of logs, Mann–Whitney inversion",
            (Test::MannWhitney, Scale::Difference) => "Hodges–Lehmann shift, Mann–Whitney inversion",
            (Test::PairedT, Scale::Ratio) => "paired t on log ratios",
            (Test::PairedT, Scale::Difference) => "paired t on differences",
            (Test::SignedRank, Scale::Ratio) => "signed-rank inversion on log ratios",
            (Test::SignedRank, Scale::Difference) => "signed-rank inversion on differences",
        }
    }

    /// What it estimates, in words.
    pub fn estimand(self) -> &'static str {
        match (self.test, self.scale) {
            (Test::Exact, Scale::Ratio) => "ratio of the two values",
            (Test::Exact, Scale::Difference) => "difference of the two values",
            (Test::EstimateOnly(Design::Unpaired) | Test::Welch, Scale::Ratio) => "ratio of geometric means",
            (Test::EstimateOnly(Design::Unpaired) | Test::Welch, Scale::Difference) => "difference of means",
            (Test::MannWhitney, Scale::Ratio) => "median ratio of a candidate's value to a baseline's",
            (Test::MannWhitney, Scale::Difference) => {
                "median difference of a candidate's value from a baseline's"
            }
            (Test::EstimateOnly(Design::Paired) | Test::PairedT, Scale::Ratio) => {
                "geometric mean of the pairs' ratios"
            }
            (Test::EstimateOnly(Design::Paired) | Test::PairedT, Scale::Difference) => {
                "mean of the pairs' differences"
            }
            (Test::SignedRank, Scale::Ratio) => "centre of the pairs' ratios",
            (Test::SignedRank, Scale::Difference) => "centre of the pairs' differences",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(design: Design, kind: Kind, trials: usize) -> Test {
        choose(design, kind, Scale::Ratio, trials, trials).test
    }

    #[test]
    fn two_trials_have_an_estimate_and_no_interval() {
        for design in [Design::Unpaired, Design::Paired] {
            for kind in [Kind::Measured, Kind::Quality] {
                assert_eq!(test(design, kind, 2), Test::EstimateOnly(design));
            }
        }
    }

    #[test]
    fn a_few_trials_are_judged_by_t() {
        for trials in [3, 7] {
            for kind in [Kind::Measured, Kind::Quality] {
                assert_eq!(test(Design::Unpaired, kind, trials), Test::Welch);
                assert_eq!(test(Design::Paired, kind, trials), Test::PairedT);
            }
        }
    }

    #[test]
    fn from_eight_trials_measured_metrics_are_judged_by_ranks_and_quality_by_t() {
        assert_eq!(test(Design::Unpaired, Kind::Measured, 8), Test::MannWhitney);
        assert_eq!(test(Design::Unpaired, Kind::Quality, 8), Test::Welch);
        assert_eq!(test(Design::Paired, Kind::Measured, 8), Test::SignedRank);
        assert_eq!(test(Design::Paired, Kind::Quality, 8), Test::PairedT);
    }

    #[test]
    fn the_side_with_fewer_trials_decides() {
        let method = |baseline, candidate| {
            choose(Design::Unpaired, Kind::Measured, Scale::Ratio, baseline, candidate).test
        };
        assert_eq!(method(30, 7), Test::Welch);
        assert_eq!(method(2, 30), Test::EstimateOnly(Design::Unpaired));
    }

    #[test]
    fn a_method_says_what_it_estimates() {
        let method = choose(Design::Unpaired, Kind::Quality, Scale::Ratio, 5, 5);
        assert_eq!(method.to_string(), "Welch's t on logs");
        assert_eq!(method.estimand(), "ratio of geometric means");
    }
}
