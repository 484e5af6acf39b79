//! Runs under way: what is on disk of a run before its entry is in the log, so that a dead process loses nothing.
//!
//! Each has a folder `.git/exp/running/<nonce>` with a lock that its process holds, and a ref that keeps its code alive.
//! A folder whose lock can be had belongs to a process that died.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::append::oid;
use super::entry::{decode_run, encode_run};
use super::error::{LogError, file_error};
use super::layout::{self, Folders};
use super::wire;
use crate::domain::id::Nonce;
use crate::domain::run::Run;
use crate::git::{Expected, RefEdit, Repo};

/// How long a process may take from making the folder to writing what it is about.
const BIRTH: Duration = Duration::from_secs(60);

/// A run under way, or one whose process died.
#[derive(Debug)]
pub struct Running {
    /// Names the run.
    pub nonce: Nonce,
    /// The run as far as it is known.
    pub run: Run,
    /// Its folder.
    pub folder: PathBuf,
    /// The process that records it, or recorded it.
    pub process: u32,
    lock: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    process: u32,
    run: wire::Run,
}

fn description(folder: &Path) -> PathBuf {
    folder.join("run.json")
}

/// The folder of the run `nonce`.
pub fn folder_of(folders: &Folders, nonce: &Nonce) -> PathBuf {
    folders.running().join(nonce.to_hex())
}

/// Makes the folder of a run and its lock, before anything is known of it.
pub fn claim(folders: &Folders, nonce: Nonce) -> Result<Claim, LogError> {
    let folder = folder_of(folders, &nonce);
    fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(file_error("create", &path))?;
    lock.lock().map_err(file_error("lock", &path))?;
    Ok(Claim { nonce, folder, lock })
}

/// The folder of a run that is about to begin.
#[derive(Debug)]
pub struct Claim {
    nonce: Nonce,
    /// The folder.
    pub folder: PathBuf,
    lock: File,
}

impl Claim {
    /// Records what is known of the run, and keeps its code alive; then its command may start.
    pub fn begin(self, repo: &Repo, run: Run) -> Result<Running, LogError> {
        let code = oid(&run.code.commit);
        let edit =
            RefEdit { name: layout::running_ref(&self.nonce), expected: Expected::Any, new: Some(code) };
        repo.update_refs(&[edit], "git exp run")?;
        let running = Running {
            nonce: self.nonce,
            run,
            folder: self.folder,
            process: std::process::id(),
            lock: Some(self.lock),
        };
        running.store()?;
        Ok(running)
    }
}

impl Running {
    fn store(&self) -> Result<(), LogError> {
        let stored = Stored { process: self.process, run: encode_run(&self.run) };
        let bytes = serde_json::to_vec(&stored).expect("a run holds nothing that JSON cannot");
        let path = description(&self.folder);
        let temporary = self.folder.join("run.json.new");
        fs::write(&temporary, bytes).map_err(file_error("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(file_error("write", &path))
    }

    /// Forgets the run, whose entry is in the log by now.
    pub fn finish(self, repo: &Repo) -> Result<(), LogError> {
        let edit = RefEdit { name: layout::running_ref(&self.nonce), expected: Expected::Any, new: None };
        repo.update_refs(&[edit], "git exp run")?;
        // The description goes first: a folder without one is nobody's run.
        let path = description(&self.folder);
        fs::remove_file(&path).map_err(file_error("remove", &path))?;
        fs::remove_dir_all(&self.folder).map_err(file_error("remove", &self.folder))
    }

    /// Whether its process is still there.
    pub fn is_alive(&self) -> bool {
        self.lock.is_none()
    }
}

/// All runs that have a folder; those whose process died come locked, for the caller to recover.
pub fn list(folders: &Folders) -> Result<Vec<Running>, LogError> {
    let root = folders.running();
    let listing = match fs::read_dir(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(file_error("list", &root))?,
    };
    let mut runs = Vec::new();
    for found in listing.filter_map(Result::ok) {
        let folder = found.path();
        let Some(nonce) = found.file_name().to_str().and_then(|name| name.parse::<Nonce>().ok()) else {
            continue;
        };
        let lock = File::open(folder.join("lock")).ok().and_then(|lock| lock.try_lock().ok().map(|()| lock));
        match read(&folder) {
            Some((process, run)) => runs.push(Running { nonce, run, folder, process, lock }),
            // Its process died before it knew what to run, or is about to write it down.
            None if lock.is_some() && is_older_than(&folder, BIRTH) => {
                let _ = fs::remove_dir_all(&folder);
            }
            None => {}
        }
    }
    runs.sort_by(|a, b| (a.run.started, a.nonce).cmp(&(b.run.started, b.nonce)));
    Ok(runs)
}

fn read(folder: &Path) -> Option<(u32, Run)> {
    let stored: Stored = serde_json::from_slice(&fs::read(description(folder)).ok()?).ok()?;
    Some((stored.process, decode_run(stored.run).ok()?))
}

fn is_older_than(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|data| data.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age))
}
