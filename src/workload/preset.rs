//! The workloads that come with the program; a file of the same name in the user's `bench/` goes before.

/// A workload that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Every preset, in the order of their names.
        pub const PRESETS: &[Preset] =
            &[$(Preset { name: $name, text: include_str!(concat!("../../bench/", $name, ".toml")) }),*];
    };
}

presets! {
    "attention",
    "batched-matmul",
    "convolution",
    "cross-entropy",
    "deep-60m",
    "embedding",
    "layer-norm",
    "matmul",
    "optimizer-step",
    "rms-norm",
    "smoke",
    "softmax",
}

/// The preset called `name`.
pub fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
