//! Hashes of large files, remembered by size and time so that a dataset is read once.
#![expect(clippy::disallowed_methods, reason = "reads and remembers files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::context::Context;
use crate::error::Error;

/// The BLAKE3 of a file, in hex.
pub fn of(context: &Context, path: &Path) -> Result<String, Error> {
    let failed =
        |error: std::io::Error| Error::outside(format!("cannot read `{}`", path.display())).because(error);
    let metadata = fs::metadata(path).map_err(failed)?;
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let key = format!("{} {} {}", path.display(), metadata.len(), changed.unwrap_or_default().as_nanos());
    let store = context.log.folders().root().join("hashes.json");
    let mut known: BTreeMap<String, String> =
        fs::read(&store).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if let Some(hash) = known.get(&key) {
        return Ok(hash.clone());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path).map_err(failed)?).map_err(failed)?;
    let hash = hasher.finalize().to_hex().to_string();
    let prefix = format!("{} ", path.display());
    known.retain(|key, _| !key.starts_with(&prefix));
    known.insert(key, hash.clone());
    // Only a cache: where it cannot be written, the next run reads the file again.
    if let Ok(file) = tempfile::NamedTempFile::new_in(context.log.folders().root()) {
        let _ = serde_json::to_writer(&file, &known);
        let _ = file.persist(store);
    }
    Ok(hash)
}
