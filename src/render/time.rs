//! Times for people: `2026-11-21 13:10`, `3 h 12 min`, `2 days ago`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::number::significant;

/// The moment on the reader's clock, to the minute: `2026-11-21 13:10`.
pub fn short(moment: Timestamp, zone: &TimeZone) -> String {
    moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The moment on the reader's clock, to the second and with its offset: `2026-11-21 13:10:05 +02:00`.
pub fn long(moment: Timestamp, zone: &TimeZone) -> String {
    moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A stretch of time in its two largest units: `250 ms`, `12.3 s`, `5 min 12 s`, `3 h 12 min`, `2 d 3 h`.
pub fn elapsed(seconds: f64) -> String {
    if !seconds.is_finite() {
        return format!("{} s", significant(seconds));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let magnitude = seconds.abs();
    if magnitude < 1.0 && magnitude > 0.0 {
        return format!("{sign}{} ms", significant((magnitude * 1e6).round() / 1e3));
    }
    if magnitude < 59.95 {
        return format!("{sign}{} s", significant((magnitude * 10.0).round() / 10.0));
    }
    // What is beyond all calendars is cut off rather than wrapped around.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates")]
    let whole = magnitude.round() as u64;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{sign}{large} {large_unit}")
        } else {
            format!("{sign}{large} {large_unit} {small} {small_unit}")
        }
    };
    match whole {
        0..3_600 => two(whole / 60, "min", whole % 60, "s"),
        3_600..86_400 => two(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

/// How long ago a moment was: `just now`, `5 min ago`, `2 days ago`; `in 3 hours` where a clock is wrong.
pub fn age(moment: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - moment.as_second();
    let magnitude = seconds.unsigned_abs();
    if magnitude < 10 {
        return "just now".to_owned();
    }
    let count =
        |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let text = match magnitude {
        0..90 => format!("{magnitude} s"),
        90..5_400 => format!("{} min", (magnitude + 30) / 60),
        5_400..129_600 => count((magnitude + 1_800) / 3_600, "hour", "hours"),
        129_600..5_184_000 => count((magnitude + 43_200) / 86_400, "day", "days"),
        5_184_000..63_072_000 => count(magnitude / 2_592_000, "month", "months"),
        _ => count(magnitude / 31_536_000, "year", "years"),
    };
    if seconds < 0 { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_those_of_the_readers_clock() {
        let moment: Timestamp = "2026-11-21T11:10:05Z".parse().expect("the time is right");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(short(moment, &zone), "2026-11-21 13:10");
        assert_eq!(long(moment, &zone), "2026-11-21 13:10:05 +02:00");
    }

    #[test]
    fn a_stretch_of_time_shows_two_units() {
        let shown = [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (12.34, "12.3 s"),
            (59.99, "1 min"),
            (312.0, "5 min 12 s"),
            (11_520.0, "3 h 12 min"),
            (183_600.0, "2 d 3 h"),
            (-90.0, "-1 min 30 s"),
            (f64::NAN, "NaN s"),
        ];
        for (seconds, text) in shown {
            assert_eq!(elapsed(seconds), text);
        }
    }

    #[test]
    fn an_age_is_rounded_as_people_would() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("the time is right");
        let shown = [
            (3, "just now"),
            (45, "45 s ago"),
            (300, "5 min ago"),
            (3 * 3_600, "3 hours ago"),
            (2 * 86_400, "2 days ago"),
            (90 * 86_400, "3 months ago"),
            (800 * 86_400, "2 years ago"),
            (-7_200, "in 2 hours"),
        ];
        for (seconds, text) in shown {
            let moment = Timestamp::from_second(now.as_second() - seconds).expect("the time is right");
            assert_eq!(age(moment, now), text);
        }
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_makes_it_panic(seconds in any::<f64>()) {
            let _ = elapsed(seconds);
        }
    }
}
