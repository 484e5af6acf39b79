//! Values and pure functions: what the words of this tool mean. No I/O, no clock, no randomness.

pub mod brief;
pub mod bytes;
pub mod capture;
pub mod cell;
pub mod comparison;
pub mod confidence;
pub mod criterion;
pub mod decision;
pub mod difference;
pub mod entry;
pub mod experiment;
pub mod failure_rate;
pub mod filter;
pub mod id;
pub mod metric;
pub mod noise_floor;
pub mod number;
pub mod policy;
pub mod quantity;
pub mod run;
pub mod spending;
pub mod state;
pub mod statistics;
pub mod stop_guard;
pub mod topic;
pub mod verdict;
