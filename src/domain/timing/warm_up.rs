//! How many calls make a sample, and when times have stopped falling.
//!
//! The rule: windows of [`WINDOW`] samples; warm when in [`STEADY_WINDOWS`] windows in a row the median is not more than
//! [`FALL`] below that of the window before. A machine that never gets there is measured all the same, and said not to be steady.

use super::{Plan, Reading};
use crate::domain::statistics::describe::quantile;

/// How many samples are looked at together.
pub const WINDOW: usize = 5;
/// How far the median of a window may lie below that of the one before.
pub const FALL: f64 = 0.02;
/// How many windows in a row must not have fallen.
pub const STEADY_WINDOWS: usize = 2;

/// How something was warmed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmUp {
    /// How many calls a sample makes.
    pub calls_per_sample: u64,
    /// How many calls were made.
    pub calls: u64,
    /// How long they took, in seconds.
    pub seconds: f64,
    /// Whether times had stopped falling before the time was up.
    pub is_steady: bool,
}

/// Finds how many calls make a sample, and calls until times have stopped falling.
pub fn warm_up<E>(plan: &Plan, sample: &mut impl FnMut(u64) -> Result<Reading, E>) -> Result<WarmUp, E> {
    let mut state = WarmUp { calls_per_sample: 1, calls: 0, seconds: 0.0, is_steady: false };
    let mut take = |state: &mut WarmUp| {
        let reading = sample(state.calls_per_sample)?;
        state.calls += state.calls_per_sample;
        state.seconds += reading.seconds + reading.aside_seconds;
        Ok(reading.seconds)
    };
    // The very first call pays for what is made once.
    take(&mut state)?;
    let mut before: Option<f64> = None;
    let mut steady = 0;
    while steady < STEADY_WINDOWS {
        let mut window = Vec::with_capacity(WINDOW);
        while window.len() < WINDOW {
            if state.seconds >= plan.max_seconds {
                return Ok(state);
            }
            let seconds = take(&mut state)?;
            if seconds < plan.batch_seconds && state.calls_per_sample < plan.most_calls {
                state.calls_per_sample = more_calls(state.calls_per_sample, seconds, plan);
                // Longer batches take longer: what came before cannot be compared.
                (before, steady) = (None, 0);
                window.clear();
            } else {
                window.push(seconds);
            }
        }
        window.sort_by(f64::total_cmp);
        let median = quantile(&window, 0.5);
        steady = if before.is_some_and(|before| median >= before * (1.0 - FALL)) { steady + 1 } else { 0 };
        before = Some(median);
    }
    state.is_steady = true;
    Ok(state)
}

/// How many calls last as long as a batch should, given what fewer took; at most ten times as many.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 11")]
fn more_calls(calls: u64, seconds: f64, plan: &Plan) -> u64 {
    // A tenth more, so that a batch is not found too short over and over again.
    let factor = (1.1 * plan.batch_seconds / seconds.max(1e-9)).clamp(1.0, 10.0);
    let more = (calls as f64 * factor).ceil() as u64;
    more.max(calls + 1).min(plan.most_calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timing::tests::PLAN;

    fn reading(seconds: f64) -> Reading {
        Reading { seconds, ..Reading::default() }
    }

    #[test]
    fn it_goes_on_for_as_long_as_times_fall() {
        let mut at = 0_i32;
        let warm = warm_up(&PLAN, &mut |_| {
            at += 1;
            // Falls by 2 % a call for forty calls.
            Ok::<_, ()>(reading(1e-3 * 0.98_f64.powi(at.min(40))))
        });
        let warm = warm.unwrap();
        assert!(warm.is_steady && (40..70).contains(&warm.calls), "{warm:?}");
    }

    #[test]
    fn what_never_gets_steady_is_said_to_be_so() {
        let mut at = 0_i32;
        let warm = warm_up(&PLAN, &mut |_| {
            at += 1;
            Ok::<_, ()>(reading(0.5 * 0.9_f64.powi(at)))
        });
        let warm = warm.unwrap();
        assert!(!warm.is_steady && warm.seconds >= 2.0, "{warm:?}");
    }

    #[test]
    fn a_call_that_takes_no_time_at_all_ends_too() {
        let warm =
            warm_up(&Plan { max_seconds: 0.01, most_calls: 1, ..PLAN }, &mut |_| Ok::<_, ()>(reading(0.0)));
        assert!(warm.unwrap().is_steady);
    }
}
