//! How long and how well a workload is measured: `[measure]`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Task;
use super::setting::{Device, Setting};
use super::transformer::{Mode, Transformer};
use crate::domain::quantity::parse_duration;

/// A length of time, written as `500ms` or `10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(Duration);

impl Time {
    /// So many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self).map_err(|_| format!("`{text}` is not a time as `500ms` or `10s`"))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 4] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
        let nanos = self.0.as_nanos();
        let whole = UNITS.into_iter().find(|(size, _)| nanos.is_multiple_of(*size));
        let (size, unit) = whole.expect("any number is a multiple of 1");
        write!(f, "{}{unit}", nanos / size)
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

/// Whether caches hold what a call needs when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caches {
    /// As the call before left them.
    Hot,
    /// Flushed before each call.
    Cold,
    /// First hot, then cold.
    Both,
}

/// How long and how well a workload is measured.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Measure {
    /// Samples are taken for at least so long.
    pub min_time: Time,
    /// Samples are taken for at most so long, and warming up takes at most so long.
    pub max_time: Time,
    /// Sampling stops when half of the interval of the median is at most this share of it.
    pub relative_error: f64,
    /// The fewest samples.
    pub min_samples: usize,
    /// The most samples.
    pub max_samples: usize,
    /// A sample batches as many calls as last at least so long.
    pub batch_time: Time,
    /// Whether caches hold what a call needs.
    pub caches: Caches,
    /// How often each variant of an A/B comparison is built anew.
    pub passes: usize,
    /// How long the variants of an A/B comparison are sampled in each pass.
    pub pass_time: Time,
    /// Whether to measure what this device can do at best.
    pub ceilings: bool,
    /// Whether to compute the error against a float64 reference.
    pub reference: bool,
    /// Replays a CUDA graph of the call instead of launching each of its kernels.
    pub graph: bool,
    /// A share of the time that is wasted after each call: for tests of the harness itself.
    pub planted_slow_down: f64,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            min_time: Time::from_micros(500_000),
            max_time: Time::from_micros(10_000_000),
            relative_error: 0.01,
            min_samples: 20,
            max_samples: 10_000,
            batch_time: Time::from_micros(50),
            caches: Caches::Both,
            passes: 12,
            pass_time: Time::from_micros(200_000),
            ceilings: true,
            reference: true,
            graph: false,
            planted_slow_down: 0.0,
        }
    }
}

impl Measure {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_samples == 0 || self.passes == 0 || self.max_time.seconds() <= 0.0 {
            return Err(
                "nothing would be measured: `max-samples`, `passes` and `max-time` must be above zero"
                    .to_owned(),
            );
        }
        if self.min_time > self.max_time {
            return Err(format!(
                "`min-time` is {} and `max-time` {}, which is less",
                self.min_time, self.max_time
            ));
        }
        if self.min_samples > self.max_samples {
            return Err(format!(
                "`min-samples` is {} and `max-samples` {}, which is less",
                self.min_samples, self.max_samples
            ));
        }
        if !(self.relative_error > 0.0 && self.relative_error < 1.0) {
            return Err(format!("`relative-error` is {}, and it takes a share as 0.01", self.relative_error));
        }
        if !(0.0..1.0).contains(&self.planted_slow_down) {
            return Err(format!(
                "`planted-slow-down` is {}, and it takes a share as 0.02",
                self.planted_slow_down
            ));
        }
        Ok(())
    }

    /// Whether what is measured can be replayed, if that is asked for.
    pub(super) fn check_graph(&self, task: &Task, setting: &Setting) -> Result<(), String> {
        let problem = match (task, setting.device) {
            _ if !self.graph => return Ok(()),
            (Task::Command(_), _) => "a program of its own launches nothing here".to_owned(),
            (_, device @ (Device::Cpu | Device::Mps)) => format!("the device is `{device}`"),
            (Task::Transformer(Transformer { mode: Mode::Train, .. }), _) => {
                "`train` takes another batch in each call; `train-step` can be replayed".to_owned()
            }
            _ => return Ok(()),
        };
        Err(format!("`graph` replays one call on a CUDA device, and {problem}"))
    }
}
