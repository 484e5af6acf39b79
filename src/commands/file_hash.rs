//! Hashes of large files, remembered by size and time so that a dataset is read once.
#![expect(clippy::disallowed_methods, reason = "reads and remembers files")]

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::Error;

/// A file that changed less than this before it was hashed may have changed again without a trace in its time.
const RACY: Duration = Duration::from_secs(2);

/// Hashes by path, each with what the file was known by.
pub struct FileHashes {
    store: PathBuf,
    known: BTreeMap<String, Known>,
    is_changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// When it was last written to, in nanoseconds since 1970.
    modified: u128,
    /// When anything about it last changed, where the system says so.
    changed: u128,
    /// When it was hashed.
    hashed: u128,
    blake3: String,
}

impl FileHashes {
    /// Reads what is remembered.
    pub fn open(context: &Context) -> Self {
        let store = context.log.folders().hashes();
        let known = fs::read(&store).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { store, known: known.unwrap_or_default(), is_changed: false }
    }

    /// The length and the BLAKE3 of a file, in hex.
    pub fn of(&mut self, path: &Path) -> Result<(u64, String), Error> {
        let failed = |error: std::io::Error| {
            Error::outside(format!("cannot read `{}`", path.display())).because(error)
        };
        let metadata = fs::metadata(path).map_err(failed)?;
        if let Some(hash) = self.recall(path, &metadata) {
            return Ok((metadata.len(), hash));
        }
        let hashed = nanoseconds(SystemTime::now());
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path).map_err(failed)?).map_err(failed)?;
        let blake3 = hasher.finalize().to_hex().to_string();
        let after = fs::metadata(path).map_err(failed)?;
        // What was written to meanwhile has no hash to remember.
        if seen(&after) == seen(&metadata) {
            let (bytes, modified, changed) = seen(&metadata);
            let known = Known { bytes, modified, changed, hashed, blake3: blake3.clone() };
            self.known.insert(key(path), known);
            self.is_changed = true;
        }
        Ok((after.len(), blake3))
    }

    /// The length and the hash of a file that did not change since it was hashed; reads nothing of it.
    pub fn known(&self, path: &Path) -> Option<(u64, String)> {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), self.recall(path, &metadata)?))
    }

    fn recall(&self, path: &Path, metadata: &Metadata) -> Option<String> {
        let known = self.known.get(&key(path))?;
        let is_same = seen(metadata) == (known.bytes, known.modified, known.changed);
        let is_settled = known.modified.max(known.changed) + RACY.as_nanos() <= known.hashed;
        (is_same && is_settled).then(|| known.blake3.clone())
    }

    /// Remembers what was learned; only a cache, so that where it cannot be written, files are read again.
    pub fn save(&self) {
        if self.is_changed {
            save(&self.store, &self.known);
        }
    }
}

/// Writes a cache in one go.
pub fn save(store: &Path, known: &impl Serialize) {
    if let Some(folder) = store.parent()
        && let Ok(file) = tempfile::NamedTempFile::new_in(folder)
        && serde_json::to_writer(&file, known).is_ok()
    {
        let _ = file.persist(store);
    }
}

fn key(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// What tells whether a file changed: its length, when it was written to, and when anything about it changed.
fn seen(metadata: &Metadata) -> (u64, u128, u128) {
    (metadata.len(), metadata.modified().map(nanoseconds).unwrap_or_default(), changed(metadata))
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> u128 {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u128::try_from(metadata.ctime()).unwrap_or_default();
    seconds * 1_000_000_000 + u128::try_from(metadata.ctime_nsec()).unwrap_or_default()
}

#[cfg(not(unix))]
fn changed(_metadata: &Metadata) -> u128 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(folder: &Path) -> FileHashes {
        FileHashes { store: folder.join("hashes"), known: BTreeMap::new(), is_changed: false }
    }

    #[test]
    fn a_file_that_was_just_written_is_hashed_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        fs::write(&path, "one").expect("it can be written");
        let mut hashes = hashes(folder.path());
        let first = hashes.of(&path).expect("it can be read");
        assert_eq!(hashes.known(&path), None, "it may change again within the same tick");
        // Once time has passed, the same hash is good for ever.
        let known = hashes.known.get_mut(&key(&path)).expect("it was hashed");
        known.hashed += RACY.as_nanos() + 1;
        assert_eq!(hashes.known(&path), Some(first));
        fs::write(&path, "two").expect("it can be written");
        let file = File::open(&path).expect("it is there");
        file.set_modified(SystemTime::now() - Duration::from_hours(1)).expect("it is ours");
        assert_eq!(hashes.known(&path), None);
    }

    #[test]
    fn what_cannot_be_read_is_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(hashes(folder.path()).of(&folder.path().join("absent")).is_err());
        assert_eq!(hashes(folder.path()).known(&folder.path().join("absent")), None);
    }
}
