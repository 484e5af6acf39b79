//! Child processes: how a command is started, watched and ended, and what is captured of it.

mod error;
pub mod metrics_file;
mod pattern;
pub mod protocol;
mod redact;
mod secret_name;

pub use error::RunnerError;
pub use pattern::Patterns;
pub use redact::{REDACTED, Redactor, is_secret_path};
