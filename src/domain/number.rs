//! Numbers as people read them.

use std::fmt::Display;

/// `value` with at most `digits` significant digits, without trailing zeros; very large and very small ones with an exponent.
///
/// The same everywhere, so that texts made from it can be compared byte by byte.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return match value {
            value if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            _ => "0".to_owned(),
        };
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a whole number");
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let width = i32::try_from(digits).unwrap_or(i32::MAX);
    if (-5..width.max(7)).contains(&exponent) {
        let places = usize::try_from((width - 1 - exponent).max(0)).expect("not negative");
        let rounded: f64 = scientific.parse().expect("the format reads back");
        trim(&format!("{rounded:.places$}"))
    } else {
        format!("{}e{exponent}", trim(mantissa))
    }
}

/// How many of something, in words: `1 entry`, `2 entries`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let is_one = count == N::from(1);
    if is_one { format!("1 {one}") } else { format!("{count} {}", several(one)) }
}

/// The word for several of what `one` is the word for.
fn several(one: &str) -> String {
    if let Some(stem) = one.strip_suffix("is") {
        return format!("{stem}es");
    }
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "ch", "sh"].iter().any(|end| one.ends_with(end)) => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, significant};

    #[test]
    fn one_is_one_and_others_are_several() {
        assert_eq!(counted(1_u64, "entry"), "1 entry");
        assert_eq!(counted(0_usize, "entry"), "0 entries");
        assert_eq!(counted(2_u32, "axis"), "2 axes");
        assert_eq!(counted(3_u8, "branch"), "3 branches");
        assert_eq!(counted(4_u64, "day"), "4 days");
        assert_eq!(counted(5_u64, "trial"), "5 trials");
    }

    #[test]
    fn five_digits_are_kept_and_no_zeros_hang_on() {
        let shown: Vec<String> =
            [0.0, 1.0, 2.5, 0.123_456_7, 123_456.7, 1e-9, -1e12, 0.000_012_345_6, 99_999.9, f64::NAN]
                .iter()
                .map(|value| significant(*value, 5))
                .collect();
        assert_eq!(
            shown,
            ["0", "1", "2.5", "0.12346", "123460", "1e-9", "-1e12", "0.000012346", "100000", "NaN"]
        );
    }
}
