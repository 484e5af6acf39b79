//! The log: entries to bytes to commits and back, and every view that is folded from them.

pub mod entry;
pub mod layout;
mod message;
mod wire;
