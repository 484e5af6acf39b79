//! Where a history of values changed its level.
//!
//! At each possible split, the two parts are compared by the standardised Mann–Whitney statistic; the largest over all
//! splits is judged by random orders of the same values: Pettitt (1979), A non-parametric approach to the change-point
//! problem, Applied Statistics 28; Hawkins and Deng (2010), A nonparametric change-point control chart, J. Qual. Technol.
//! 42. The parts are searched in turn: Vostrikova (1981), Soviet Math. Dokl. 24. Finding regressions in a history
//! in this way, with a related statistic: Daly, Brown, Ingo, O'Leary and Bradford (2020), The use of change point
//! detection to identify software performance regressions in a continuous integration system, ICPE '20.
//!
//! Values must be independent apart from the changes: slow swaying is taken for changes.

use super::describe::quantile;
use super::drift::shared_ranks;
use super::random::Random;
use super::sample::{Level, Sample};

/// A part of a history has at least so many values.
pub const SHORTEST_PART: usize = 3;

/// How many random orders a split is judged by.
pub const ORDERS: u32 = 999;

/// A place where the level changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The position of the first value of the new level, counted from 0.
    pub at: usize,
    /// The p-value of no change in the part of the history that was split here.
    pub p_value: f64,
    /// The median of the level before, up to the change before.
    pub before: f64,
    /// The median of the new level, up to the next change.
    pub after: f64,
}

/// The changes in a history, in order of time; each split of a part is tested at `level`.
pub fn change_points(history: &Sample, level: Level, random: &mut Random) -> Vec<ChangePoint> {
    let values = history.values();
    let mut splits: Vec<(usize, f64)> = Vec::new();
    let mut parts = vec![(0, values.len())];
    while let Some((start, end)) = parts.pop() {
        if let Some((at, p_value)) = split(&values[start..end], level, random) {
            splits.push((start + at, p_value));
            parts.push((start + at, end));
            parts.push((start, start + at));
        }
    }
    splits.sort_by_key(|(at, _)| *at);
    let ends: Vec<usize> =
        std::iter::once(0).chain(splits.iter().map(|(at, _)| *at)).chain([values.len()]).collect();
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, 0.5)
    };
    splits
        .iter()
        .zip(ends.windows(3))
        .map(|((at, p_value), ends)| ChangePoint {
            at: *at,
            p_value: *p_value,
            before: median(&values[ends[0]..ends[1]]),
            after: median(&values[ends[1]..ends[2]]),
        })
        .collect()
}

/// The best split of a part and its p-value, where it is at most the level.
fn split(values: &[f64], level: Level, random: &mut Random) -> Option<(usize, f64)> {
    if values.len() < 2 * SHORTEST_PART {
        return None;
    }
    let middle = f64::midpoint(values.len() as f64, 1.0);
    let mut ranks: Vec<f64> = shared_ranks(values).into_iter().map(|rank| rank - middle).collect();
    let (at, largest) = best(&ranks);
    if largest <= 0.0 {
        return None;
    }
    let allowed = level.share() * f64::from(ORDERS + 1);
    let mut as_large = 1.0;
    for _ in 0..ORDERS {
        random.shuffle(&mut ranks);
        // Sums in another order differ by rounding alone.
        if best(&ranks).1 >= largest * (1.0 - 1e-12) {
            as_large += 1.0;
            if as_large > allowed {
                return None;
            }
        }
    }
    Some((at, as_large / f64::from(ORDERS + 1)))
}

/// The split with the largest standardised statistic, and its square up to a constant factor.
fn best(centred_ranks: &[f64]) -> (usize, f64) {
    let size = centred_ranks.len();
    let (mut best, mut largest, mut sum) = (SHORTEST_PART, 0.0, 0.0);
    for (at, rank) in (1..=size - SHORTEST_PART).zip(centred_ranks) {
        sum += rank;
        let statistic = sum * sum / (at as f64 * (size - at) as f64);
        if at >= SHORTEST_PART && statistic > largest {
            (best, largest) = (at, statistic);
        }
    }
    (best, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values around `level` that do not repeat.
    fn stretch(level: f64, size: usize, random: &mut Random) -> Vec<f64> {
        (0..size).map(|_| level + random.unit() - 0.5).collect()
    }

    fn found(values: Vec<f64>) -> Vec<ChangePoint> {
        let level = Level::new(0.01).unwrap();
        change_points(&Sample::new(values).unwrap(), level, &mut Random::from_seed(1))
    }

    #[test]
    fn each_change_of_level_is_found_where_it_is() {
        let mut random = Random::from_seed(5);
        let mut values = stretch(10.0, 20, &mut random);
        values.extend(stretch(12.0, 15, &mut random));
        values.extend(stretch(9.0, 25, &mut random));
        let changes = found(values);
        assert_eq!(changes.iter().map(|change| change.at).collect::<Vec<_>>(), [20, 35]);
        assert!((changes[0].before - 10.0).abs() < 0.5 && (changes[0].after - 12.0).abs() < 0.5);
        assert!((changes[1].before - 12.0).abs() < 0.5 && (changes[1].after - 9.0).abs() < 0.5);
    }

    #[test]
    fn steady_histories_seldom_change() {
        let mut random = Random::from_seed(9);
        let alarms = (0..100).filter(|_| !found(stretch(10.0, 40, &mut random)).is_empty()).count();
        assert!(alarms <= 5, "{alarms} of 100");
    }

    #[test]
    fn one_spike_is_no_change() {
        let mut values = stretch(10.0, 30, &mut Random::from_seed(2));
        values[17] = 500.0;
        assert_eq!(found(values), []);
    }

    #[test]
    fn equal_and_short_histories_have_no_change() {
        assert_eq!(found(vec![1.0; 50]), []);
        assert_eq!(found(vec![1.0, 1.0, 9.0, 9.0]), []);
    }
}
