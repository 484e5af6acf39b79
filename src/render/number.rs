//! Numbers for people: five significant digits, a unit, an uncertainty.

use super::time::elapsed;

/// The value with five significant digits at most; whole numbers below ten million stay whole.
pub fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else if magnitude == 0.0 {
        "0".to_owned()
    } else if magnitude.fract() == 0.0 && magnitude < 1e7 {
        format!("{value:.0}")
    } else if (1e-4..1e7).contains(&magnitude) {
        trimmed(&format!("{value:.*}", decimals(magnitude, 5)))
    } else {
        let text = format!("{value:.4e}");
        match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
            None => text,
        }
    }
}

/// The decimals that show `magnitude` with so many significant digits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a f64 can show")]
fn decimals(magnitude: f64, digits: i32) -> usize {
    (f64::from(digits) - 1.0 - magnitude.log10().floor()).clamp(0.0, 300.0) as usize
}

fn trimmed(number: &str) -> String {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number.to_owned()
    }
}

/// The value with its unit; bytes in the binary unit that fits.
pub fn with_unit(value: f64, unit: Option<&str>) -> String {
    match unit {
        None | Some("") => significant(value),
        Some("bytes" | "byte" | "B") => bytes(value),
        Some(unit) => format!("{} {}", significant(value), super::text::harmless(unit)),
    }
}

/// The value of the metric `name` with its unit; only times of ours change their unit to what fits.
///
/// A reported metric keeps the unit it was reported in, so that what is read can be compared and typed again.
pub fn of_metric(name: &str, value: f64, unit: Option<&str>) -> String {
    match (name, unit) {
        ("wall_time" | "cpu_time", Some("s")) => seconds(value),
        _ => with_unit(value, unit),
    }
}

/// A time in the unit that fits, from µs to days.
pub fn seconds(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude == 0.0 || (1.0..120.0).contains(&magnitude) {
        format!("{} s", significant(value))
    } else if magnitude >= 120.0 {
        elapsed(value)
    } else if magnitude < 1e-3 {
        format!("{} µs", significant(value * 1e6))
    } else {
        format!("{} ms", significant(value * 1e3))
    }
}

/// A number of bytes in the binary unit that fits.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && scaled.is_finite() && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", significant(scaled), UNITS[unit])
}

/// The value and its spread with the decimals that the spread justifies: `2.05 ± 0.03 s`.
pub fn uncertain(value: f64, spread: f64, unit: Option<&str>) -> String {
    let unit = unit.map_or_else(String::new, |unit| format!(" {}", super::text::harmless(unit)));
    if !value.is_finite() || !spread.is_finite() || spread <= 0.0 || value.abs() >= 1e7 || spread < 1e-7 {
        return format!("{} ± {}{unit}", significant(value), significant(spread));
    }
    let leading = spread / 10_f64.powf(spread.log10().floor());
    // A spread that begins with 1 would lose up to half of itself to one digit.
    let decimals = decimals(spread, if leading < 1.95 { 2 } else { 1 });
    format!("{value:.decimals$} ± {spread:.decimals$}{unit}")
}

/// A relative change in percent with its sign and three digits: `+2.5 %`, `−8 %`.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let magnitude = percent.abs();
    if !percent.is_finite() || magnitude == 0.0 || magnitude >= 1e7 {
        return signed(percent) + " %";
    }
    let scale = 10_f64.powf(magnitude.log10().floor() - 2.0);
    let rounded = if scale > 0.0 { (percent / scale).round() * scale } else { percent };
    signed(rounded) + " %"
}

/// A change with its sign, whichever it is: `+0.12`, `−4.1`.
pub fn signed(value: f64) -> String {
    let text = significant(value);
    match text.strip_prefix('-') {
        Some(magnitude) => format!("−{magnitude}"),
        None if value > 0.0 => format!("+{text}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_digits_are_enough() {
        let shown = [
            (2.0, "2"),
            (2.5, "2.5"),
            (2.345_678, "2.3457"),
            (-0.012_345_678, "-0.012346"),
            (123_456.0, "123456"),
            (123_456.7, "123457"),
            (12_345_678.9, "1.2346e7"),
            (1e-7, "1e-7"),
            (-1.234_56e-9, "-1.2346e-9"),
            (9.999_996, "10"),
            (0.0, "0"),
            (-0.0, "0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in shown {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn bytes_and_our_own_times_take_the_unit_that_fits() {
        assert_eq!(with_unit(1_610_612_736.0, Some("bytes")), "1.5 GiB");
        assert_eq!(with_unit(-2048.0, Some("bytes")), "-2 KiB");
        assert_eq!(with_unit(12.3, Some("ms")), "12.3 ms");
        assert_eq!(with_unit(0.001, Some("s")), "0.001 s");
        assert_eq!(of_metric("wall_time", 0.0123, Some("s")), "12.3 ms");
        assert_eq!(of_metric("wall_time", 0.000_012, Some("s")), "12 µs");
        assert_eq!(of_metric("wall_time", 11_520.0, Some("s")), "3 h 12 min");
        assert_eq!(of_metric("step_time", 0.0123, Some("s")), "0.0123 s");
        assert_eq!(of_metric("loss", 2.31, None), "2.31");
    }

    #[test]
    fn a_spread_decides_the_decimals() {
        assert_eq!(uncertain(2.0512, 0.0312, Some("s")), "2.05 ± 0.03 s");
        assert_eq!(uncertain(2.0512, 0.0123, Some("s")), "2.051 ± 0.012 s");
        assert_eq!(uncertain(1234.5, 56.0, None), "1234 ± 56");
        assert_eq!(uncertain(-2.0, 0.0, None), "-2 ± 0");
        assert_eq!(uncertain(f64::NAN, 1.0, None), "NaN ± 1");
    }

    #[test]
    fn changes_show_their_sign() {
        assert_eq!(percent(-0.08), "−8 %");
        assert_eq!(percent(0.025), "+2.5 %");
        assert_eq!(percent(-0.091_831), "−9.18 %");
        assert_eq!(percent(1.234_56), "+123 %");
        assert_eq!(signed(0.0), "0");
    }

    proptest! {
        #[test]
        fn the_sign_and_four_digits_survive(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let text = significant(value);
            let read: f64 = text.parse().map_err(|_| TestCaseError::fail(text.clone()))?;
            prop_assert!(read.to_bits() >> 63 == value.to_bits() >> 63 || value == 0.0, "{text}");
            prop_assert!((read - value).abs() <= value.abs() * 1e-4, "{text} for {value}");
        }

        #[test]
        fn nothing_makes_it_panic(value in any::<f64>(), spread in any::<f64>()) {
            let _ = (uncertain(value, spread, None), bytes(value), seconds(value), percent(value));
        }
    }
}
