//! The journal: the objects of recent entries, in files of our own, until Git is sure to keep them.
//!
//! One synced file makes an entry durable before any ref moves, where syncing each loose object would cost a sync apiece.
//! It also undoes what a `git gc --prune=now` does that looked at the refs before an entry was appended and deletes its
//! objects after: whatever is missing is written again.
//!
//! ```text
//! header (JSON, one line): {"objects":[["blob","<object>",<length>],…]}   the objects' bytes   BLAKE3 of all before (32)
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::{LogError, file_error};
use crate::git::{ObjectKind, Oid, Repo};

/// How long a process that looks at refs and then deletes objects may take.
const SETTLING: Duration = Duration::from_mins(15);
/// How many files there may be before those that have settled are taken away.
const CROWDED: usize = 128;
/// How many files there may be at all.
const FULL: usize = 2048;
/// How many of the newest files are looked after on every append.
const LOOKED_AFTER: usize = 4;

/// An object that is to be written.
#[derive(Clone, Debug)]
pub(super) struct NewObject {
    pub kind: ObjectKind,
    pub oid: Oid,
    pub bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    objects: Vec<(String, String, usize)>,
}

/// Whether a journal file has to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// It has: an entry is reported as recorded because of it.
    Synced,
    /// It has not: what it holds can be made again from the log.
    Unsynced,
}

/// Writes a file that holds `objects`, under a name of its own.
pub(super) fn write(
    folder: &Path,
    name: &str,
    objects: &[NewObject],
    durability: Durability,
) -> Result<PathBuf, LogError> {
    let path = folder.join(name);
    let header = Header {
        objects: objects
            .iter()
            .map(|object| (kind_word(object.kind).to_owned(), object.oid.to_hex(), object.bytes.len()))
            .collect(),
    };
    let mut bytes = serde_json::to_vec(&header).expect("names and lengths are JSON");
    bytes.push(b'\n');
    for object in objects {
        bytes.extend_from_slice(&object.bytes);
    }
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    let written = || -> std::io::Result<()> {
        let mut file = match File::create(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                File::create(&path)?
            }
            created => created?,
        };
        file.write_all(&bytes)?;
        if durability == Durability::Unsynced {
            return Ok(());
        }
        file.sync_all()?;
        // The name of a new file is only safe once its folder is.
        File::open(folder)?.sync_all()
    };
    written().map_err(|source| {
        let _ = fs::remove_file(&path);
        LogError::File { action: "write", path: path.clone(), source }
    })?;
    Ok(path)
}

/// The objects in a journal file; `None` where the file is torn, so that its entry was never acknowledged.
fn read(path: &Path) -> Option<Vec<NewObject>> {
    let bytes = fs::read(path).ok()?;
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let end = body.iter().position(|&byte| byte == b'\n')?;
    let header: Header = serde_json::from_slice(&body[..end]).ok()?;
    let mut rest = &body[end + 1..];
    let mut objects = Vec::new();
    for (kind, oid, length) in header.objects {
        let (object, after) = rest.split_at_checked(length)?;
        rest = after;
        objects.push(NewObject { kind: kind_of(&kind)?, oid: Oid::from_hex(&oid)?, bytes: object.to_vec() });
    }
    Some(objects)
}

fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Blob => "blob",
        ObjectKind::Tree => "tree",
        ObjectKind::Commit => "commit",
        ObjectKind::Tag => "tag",
    }
}

fn kind_of(word: &str) -> Option<ObjectKind> {
    [ObjectKind::Blob, ObjectKind::Tree, ObjectKind::Commit, ObjectKind::Tag]
        .into_iter()
        .find(|kind| kind_word(*kind) == word)
}

/// The journal's files, oldest first.
fn files(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = listing
        .filter_map(Result::ok)
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
        .collect();
    files.sort();
    files
}

/// Writes again every object that a journal file has and the repository lacks; says how many there were.
pub fn heal(repo: &Repo, folder: &Path) -> Result<usize, LogError> {
    let mut healed = 0;
    for (_, path) in files(folder) {
        healed += heal_file(repo, &path)?;
    }
    Ok(healed)
}

fn heal_file(repo: &Repo, path: &Path) -> Result<usize, LogError> {
    let mut healed = 0;
    for object in read(path).unwrap_or_default() {
        if !repo.has_object(object.oid) {
            repo.write_object(object.kind, &object.bytes)?;
            healed += 1;
        }
    }
    Ok(healed)
}

/// Takes away the files that hold an object which `must_go`; what else they hold is synced before.
pub(super) fn forget(repo: &Repo, folder: &Path, must_go: &dyn Fn(Oid) -> bool) -> Result<(), LogError> {
    for (_, path) in files(folder) {
        let objects = read(&path).unwrap_or_default();
        if !objects.iter().any(|object| must_go(object.oid)) {
            continue;
        }
        for object in objects.iter().filter(|object| !must_go(object.oid)) {
            settle(repo, object)?;
        }
        fs::remove_file(&path).map_err(file_error("remove", path))?;
    }
    Ok(())
}

/// Writes an object again where it is missing, and syncs it.
fn settle(repo: &Repo, object: &NewObject) -> Result<(), LogError> {
    if !repo.has_object(object.oid) {
        repo.write_object(object.kind, &object.bytes)?;
    }
    // What was packed since is Git's to sync.
    if let Ok(loose) = File::open(repo.loose_path(object.oid)) {
        loose.sync_all().map_err(file_error("sync", repo.loose_path(object.oid)))?;
    }
    Ok(())
}

/// Takes away what is kept of notes, which are made again from the log.
pub(super) fn forget_notes(folder: &Path) -> Result<(), LogError> {
    for (_, path) in files(folder) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("notes-")) {
            fs::remove_file(&path).map_err(file_error("remove", path))?;
        }
    }
    Ok(())
}

/// Looks after the newest entries, and takes away the files of those that have settled.
///
/// Called with the lock held. A file goes once its objects were synced and nothing that began before its entry can still
/// be deleting.
pub(super) fn tend(repo: &Repo, folder: &Path) -> Result<(), LogError> {
    let files = files(folder);
    for (_, path) in files.iter().rev().take(LOOKED_AFTER) {
        heal_file(repo, path)?;
    }
    if files.len() <= CROWDED {
        return Ok(());
    }
    let now = SystemTime::now();
    let overflow = files.len().saturating_sub(FULL);
    for (place, (modified, path)) in files.iter().enumerate() {
        let age = now.duration_since(*modified).unwrap_or_default();
        if place >= overflow && age < SETTLING {
            break;
        }
        for object in read(path).unwrap_or_default() {
            settle(repo, &object)?;
        }
        fs::remove_file(path).map_err(file_error("remove", path))?;
    }
    Ok(())
}
