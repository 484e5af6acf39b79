//! The statistics behind a verdict: pure functions of the values, each file citing where its method comes from.
//!
//! [`choose()`] picks the method, [`estimate()`] applies it; the rest is what they and the verdict stand on.
//! `docs/statistics.md` explains the methods, their assumptions and their limits, with a worked example.

pub mod alpha_spending;
pub mod anytime;
pub mod bootstrap;
pub mod change_point;
pub mod choose;
pub mod describe;
pub mod distribution;
pub mod drift;
pub mod equivalence;
pub mod estimate;
pub mod geometric;
pub mod holm;
pub mod inversion;
pub mod mann_whitney;
pub mod noninferiority;
pub mod null_distribution;
pub mod paired;
pub mod power;
pub mod prediction;
pub mod random;
pub mod sample;
pub mod selection;
pub mod student;
pub mod welch;

pub use choose::{Design, FEWEST_FOR_AN_INTERVAL, Method, Test, choose};
pub use estimate::{Estimate, EstimateError, Spread, estimate, estimate_at};
pub use sample::{Interval, Level, Sample, SampleError};
