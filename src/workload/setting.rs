//! Where a workload runs and with which numbers: `[setting]`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A device, as `cpu`, `cuda`, `cuda:1` or `mps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The processor.
    Cpu,
    /// The NVIDIA or AMD device with this number.
    Cuda(u32),
    /// The device of an Apple computer.
    Mps,
}

impl Device {
    /// Its kind: `cpu`, `cuda` or `mps`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Mps => "mps",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            other => f.write_str(other.kind()),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let number = word.strip_prefix("cuda:").map(str::parse);
        match (word.as_str(), number) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            ("mps", _) => Ok(Self::Mps),
            (_, Some(Ok(number))) => Ok(Self::Cuda(number)),
            _ => Err(format!("`{word}` is no device; known are `cpu`, `cuda`, `cuda:<number>` and `mps`")),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

/// The numbers that a workload computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// 64 bits.
    F64,
    /// 32 bits.
    F32,
    /// 16 bits, with the exponent of `F32`.
    Bf16,
    /// 16 bits, with a longer fraction.
    F16,
    /// Tensors of 32 bits, and products of bf16 where libtorch holds that to be safe.
    Autocast,
}

impl Dtype {
    /// The word for it, as in a workload.
    pub fn word(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Autocast => "autocast",
        }
    }

    /// The bytes of an element of a tensor at entry.
    pub fn bytes(self) -> f64 {
        match self {
            Self::F64 => 8.0,
            Self::F32 | Self::Autocast => 4.0,
            Self::Bf16 | Self::F16 => 2.0,
        }
    }
}

/// How random inputs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Normal, mean 0 and deviation 1.
    Normal,
    /// Uniform, from 0 to 1.
    Uniform,
}

impl Distribution {
    /// The word for it, as in a workload.
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Uniform => "uniform",
        }
    }
}

/// Where a workload runs, with which numbers, and every switch that decides how fast and how exact that is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// The device.
    pub device: Device,
    /// The numbers.
    pub dtype: Dtype,
    /// How many threads one operation may use on the processor.
    pub threads: u32,
    /// What random inputs, weights and the order of data are drawn from.
    pub seed: u64,
    /// How random inputs are drawn.
    pub distribution: Distribution,
    /// Lets only deterministic algorithms run.
    pub deterministic: bool,
    /// Lets CUDA round products of f32 to TF32.
    pub tf32: bool,
    /// Lets cuDNN try its algorithms and take the fastest.
    pub autotune: bool,
    /// Treats denormal numbers as zero.
    pub flush_denormals: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: Dtype::F32,
            threads: 1,
            seed: 0,
            distribution: Distribution::Normal,
            deterministic: false,
            tf32: false,
            autotune: false,
            flush_denormals: false,
        }
    }
}

impl Setting {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.threads == 0 || self.threads > 1024 {
            return Err(format!("`threads` is {}, and it takes 1 to 1024", self.threads));
        }
        if i64::try_from(self.seed).is_err() {
            return Err(format!("`seed` is {}, and libtorch takes at most {}", self.seed, i64::MAX));
        }
        Ok(())
    }
}
