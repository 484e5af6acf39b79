//! Lock files of processes that died while they moved refs.
//!
//! Git's lock files say nothing about who made them, so that one left by `kill -9` blocks its ref for ever. Each transaction
//! therefore notes beforehand which lock files it may make, in a file that the operating system unlocks when the process dies.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long a lock file must have stayed the same before it is taken for one that was left behind.
const STILL: Duration = Duration::from_millis(1500);

/// How long after its note a transaction can have made a lock file: its patience, and some.
const LONGEST: Duration = Duration::from_secs(30);

/// The note of a transaction under way; it goes when it is dropped.
pub(super) struct Note {
    path: PathBuf,
    _file: File,
}

impl Note {
    /// Notes in `folder` that `locks` may be made; `None` where that cannot be written, and then nothing else can.
    pub(super) fn write(folder: &Path, locks: &[PathBuf]) -> Option<Self> {
        let create = || tempfile::Builder::new().prefix("").rand_bytes(12).tempfile_in(folder);
        let mut named = create().or_else(|_| fs::create_dir_all(folder).and_then(|()| create())).ok()?;
        named.as_file().try_lock().ok()?;
        let text: Vec<u8> =
            locks.iter().flat_map(|path| [path.as_os_str().as_encoded_bytes(), b"\n"].concat()).collect();
        named.write_all(&text).ok()?;
        let (file, path) = named.keep().ok()?;
        Some(Self { path, _file: file })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // One that stays behind is taken away by whoever looks for the dead.
        let _ = fs::remove_file(&self.path);
    }
}

/// Lock files that are in the way, and since when each has stayed the same.
#[derive(Default)]
pub(super) struct Watch {
    seen: Vec<(PathBuf, SystemTime, Instant)>,
}

impl Watch {
    /// Looks at `locks` once more, and removes those that a dead process has left behind.
    pub(super) fn look(&mut self, folder: &Path, locks: &[PathBuf]) {
        let mut now: Vec<(PathBuf, SystemTime, Instant)> = Vec::new();
        for path in locks {
            let Ok(made) = fs::symlink_metadata(path).and_then(|data| data.modified()) else { continue };
            let before = self.seen.iter().find(|(known, at, _)| known == path && *at == made);
            let since = before.map_or_else(Instant::now, |(_, _, since)| *since);
            now.push((path.clone(), made, since));
        }
        self.seen = now;
        let mut still = self.seen.iter().filter(|(_, _, since)| since.elapsed() >= STILL).peekable();
        if still.peek().is_none() {
            return;
        }
        let dead = notes_of_the_dead(folder);
        for (path, made, _) in still {
            let is_left_behind = dead.iter().any(|(_, began, locks)| {
                // File systems keep times with different care.
                let earliest = *began - Duration::from_secs(1);
                locks.contains(path) && (earliest..*began + LONGEST).contains(made)
            });
            if is_left_behind {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The notes in `folder` whose processes died: file, when it was written, and the lock files in it.
fn notes_of_the_dead(folder: &Path) -> Vec<(PathBuf, SystemTime, Vec<PathBuf>)> {
    let mut dead = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        let Ok(written) = file.metadata().and_then(|data| data.modified()) else { continue };
        let Ok(text) = fs::read(&path) else { continue };
        let locks = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let locks: Vec<PathBuf> = locks.map(super::worktree::path_of).collect();
        if locks.iter().any(|lock| lock.exists()) {
            dead.push((path, written, locks));
        } else {
            // It left nothing behind, or all of it was cleared away.
            let _ = fs::remove_file(&path);
        }
    }
    dead
}
