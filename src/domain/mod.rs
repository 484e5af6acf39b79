//! Values and pure functions: what the words of this tool mean. No I/O, no clock, no randomness.

pub mod brief;
pub mod bytes;
pub mod criterion;
pub mod entry;
pub mod experiment;
pub mod id;
pub mod metric;
pub mod run;
pub mod statistics;
pub mod topic;
