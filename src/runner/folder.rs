//! The folder of a run under way: what a run leaves on disk as it goes, so that nothing of it is lost with its process.
//!
//! | file | holds |
//! | --- | --- |
//! | `stdout`, `stderr` | the first part of the output |
//! | `stdout.from-<offset>` | the last part of it, in at most two pieces that begin at that byte |
//! | `points` | the reports that stood in the output, each with its time |
//! | `process.json` | the process, and when it began |
//! | `metrics.jsonl` | what the command itself writes to `$GIT_EXP_METRICS` |
//! | `out/` | what the command itself writes to `$GIT_EXP_OUT` |
//!
//! Nothing in it is redacted yet, so only its owner may look into it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::RunnerError;

/// The folder of one run under way.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// The process of a run, as its folder names it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRecord {
    /// The process, which leads a group of its own.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
}

impl Folder {
    /// Makes the folder and what belongs in it, for its owner only; what is already there stays.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RunnerError> {
        let folder = Self { path: path.into() };
        let failed = |source| RunnerError::Folder { attempt: "make", path: folder.path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder.output_directory()).map_err(failed)?;
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(folder)
    }

    /// The folder at `path`, which must be there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunnerError> {
        let path = path.into();
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(Self { path }),
            Ok(_) => Err(RunnerError::Folder {
                attempt: "open",
                path,
                source: io::ErrorKind::NotADirectory.into(),
            }),
            Err(source) => Err(RunnerError::Folder { attempt: "open", path, source }),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file for `$GIT_EXP_METRICS`.
    pub fn metrics_file(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The folder for `$GIT_EXP_OUT`.
    pub fn output_directory(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The file for the reports that stood in the output.
    pub(super) fn points_file(&self) -> PathBuf {
        self.path.join("points")
    }

    /// Writes down which process runs.
    pub(super) fn write_process(&self, process: &ProcessRecord) -> Result<(), RunnerError> {
        let path = self.path.join("process.json");
        let record = serde_json::json!({ "pid": process.pid, "started": process.started.to_string() });
        fs::write(&path, record.to_string()).map_err(|source| RunnerError::Folder {
            attempt: "write",
            path,
            source,
        })
    }

    /// Which process ran, where that was written down whole.
    pub fn process(&self) -> Option<ProcessRecord> {
        let bytes = fs::read(self.path.join("process.json")).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        Some(ProcessRecord {
            pid: u32::try_from(record.get("pid")?.as_u64()?).ok()?,
            started: record.get("started")?.as_str()?.parse().ok()?,
        })
    }

    /// When the run was last heard of: the newest change of what it wrote.
    pub(super) fn last_change(&self) -> Option<Timestamp> {
        let mut newest = None;
        for item in fs::read_dir(&self.path).ok()?.flatten() {
            let changed = item.metadata().and_then(|found| found.modified()).ok();
            newest = newest.max(changed);
        }
        Timestamp::try_from(newest?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_may_look_into_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::create(place.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.output_directory().is_dir());
        assert!(Folder::create(folder.path()).is_ok(), "making it again is no error");
        assert!(Folder::open(folder.path()).is_ok());
        assert!(Folder::open(place.path().join("c")).is_err());
    }

    #[test]
    fn the_process_is_read_back_unless_it_is_torn() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::create(place.path()).unwrap();
        assert_eq!(folder.process(), None);
        let process = ProcessRecord { pid: 7, started: "2026-01-02T03:04:05.678Z".parse().unwrap() };
        folder.write_process(&process).unwrap();
        assert_eq!(folder.process(), Some(process));
        fs::write(place.path().join("process.json"), b"{\"pid\":").unwrap();
        assert_eq!(folder.process(), None);
    }
}
