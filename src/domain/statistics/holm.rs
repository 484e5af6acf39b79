//! Several comparisons at once: p-values adjusted so that the chance of any false alarm stays at the level.
//!
//! Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.

/// The adjusted p-values, in the order of the given ones; `family` counts every comparison ever made, shown or not.
///
/// A family smaller than the list is taken as large as the list. Comparisons that are not in the list are taken as
/// having larger p-values than those in it, which is the most careful assumption.
pub fn holm(p_values: &[f64], family: usize) -> Vec<f64> {
    let family = family.max(p_values.len());
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, at) in order.into_iter().enumerate() {
        largest = largest.max(((family - place) as f64 * p_values[at]).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: &[f64], other: &[f64]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-12)
    }

    #[test]
    fn the_smallest_p_value_pays_for_all_and_none_falls_below_a_smaller_one() {
        assert!(close(&holm(&[0.01, 0.04, 0.03, 0.005], 4), &[0.03, 0.06, 0.06, 0.02]));
    }

    #[test]
    fn comparisons_made_and_not_shown_still_count() {
        assert!(close(&holm(&[0.01], 5), &[0.05]));
        assert!(close(&holm(&[0.01, 0.02], 5), &[0.05, 0.08]));
    }

    #[test]
    fn a_family_of_one_changes_nothing() {
        assert!(close(&holm(&[0.03], 1), &[0.03]));
    }

    #[test]
    fn no_adjusted_p_value_is_above_one() {
        assert!(close(&holm(&[0.9, 0.8], 2), &[1.0, 1.0]));
    }
}
