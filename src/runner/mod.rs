//! Child processes: how a command is started, watched and ended, and what is captured of it.

mod collect;
mod error;
mod folder;
pub mod metrics_file;
mod output;
mod pattern;
pub mod protocol;
mod redact;
mod secret_name;

pub use collect::{Collected, Collector, DEFAULT_MAX_POINTS, Latest, Reported, SeriesKey, series_from_bytes};
pub use error::RunnerError;
pub use folder::{Folder, ProcessRecord};
pub use output::{CapturedStream, Stream};
pub use pattern::Patterns;
pub use redact::{REDACTED, Redactor, is_secret_path};
