//! Runs under way: what is on disk of a run before its entry is in the log, so that a dead process loses nothing.
//!
//! Each has a folder `.git/exp/running/<nonce>` with a lock that its process holds, and a ref that keeps its code alive.
//! A folder whose lock can be had belongs to a process that died.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::append::oid;
use super::entry::{decode_run, encode_run};
use super::error::{LogError, file_error};
use super::layout::{self, Folders};
use super::wire;
use crate::domain::id::Nonce;
use crate::domain::run::Run;
use crate::git::{Expected, RefEdit, Repo};

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
    let path = folder.join("lock");
    loop {
        fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
        let lock = match File::create(&path) {
            // Swept away between the two, as the rest of a process that died would be.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            created => created.map_err(file_error("create", &path))?,
        };
        lock.lock().map_err(file_error("lock", &path))?;
        if path.exists() {
            return Ok(Claim { nonce, folder, lock });
        }
    }
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
        remove_ref(repo, &layout::running_ref(&self.nonce))?;
        // The description goes first: a folder without one is nobody's run.
        let path = description(&self.folder);
        fs::remove_file(&path).map_err(file_error("remove", &path))?;
        match fs::remove_dir_all(&self.folder) {
            // Another process swept it away.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(file_error("remove", &self.folder)),
        }
    }

    /// Whether its process is still there.
    pub fn is_alive(&self) -> bool {
        self.lock.is_none()
    }
}

/// All runs that have a folder and are known; those whose process died come locked, for the caller to recover.
pub fn list(folders: &Folders) -> Result<Vec<Running>, LogError> {
    let mut runs = Vec::new();
    for (nonce, folder) in found(folders)? {
        let lock = lock_of_dead(&folder);
        if let Some((process, run)) = read(&folder) {
            runs.push(Running { nonce, run, folder, process, lock });
        }
    }
    runs.sort_by_key(|run| (run.run.started, run.nonce));
    Ok(runs)
}

/// Takes away what is left of processes that died before they knew what to run, or after their run was in the log.
pub fn sweep(repo: &Repo, folders: &Folders) -> Result<(), LogError> {
    let mut known: HashSet<String> = HashSet::new();
    for (nonce, folder) in found(folders)? {
        let name = layout::running_ref(&nonce);
        if !folder.join("lock").exists() {
            // Only an empty one goes: its process died, or makes it again before it goes on.
            let _ = fs::remove_dir(&folder);
        }
        match lock_of_dead(&folder) {
            Some(_lock) if read(&folder).is_none() => {
                remove_ref(repo, &name)?;
                let _ = fs::remove_dir_all(&folder);
            }
            _ => drop(known.insert(name)),
        }
    }
    for (name, _) in repo.list_refs(layout::RUNNING)? {
        // A claim makes its folder first, so one that was made since the folders were listed has one now.
        let nonce = name[layout::RUNNING.len()..].parse::<Nonce>();
        let has_folder = nonce.is_ok_and(|nonce| folder_of(folders, &nonce).exists());
        if !known.contains(&name) && !has_folder {
            remove_ref(repo, &name)?;
        }
    }
    Ok(())
}

fn remove_ref(repo: &Repo, name: &str) -> Result<(), LogError> {
    if repo.read_ref(name)?.is_some() {
        let edit = RefEdit { name: name.to_owned(), expected: Expected::Any, new: None };
        repo.update_refs(&[edit], "git exp run")?;
    }
    Ok(())
}

/// The folders of runs.
fn found(folders: &Folders) -> Result<Vec<(Nonce, PathBuf)>, LogError> {
    let root = folders.running();
    let listing = match fs::read_dir(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(file_error("list", &root))?,
    };
    Ok(listing
        .filter_map(Result::ok)
        .filter_map(|found| Some((found.file_name().to_str()?.parse().ok()?, found.path())))
        .collect())
}

/// The lock of a run whose process died.
fn lock_of_dead(folder: &Path) -> Option<File> {
    let lock = File::open(folder.join("lock")).ok()?;
    lock.try_lock().ok().map(|()| lock)
}

fn read(folder: &Path) -> Option<(u32, Run)> {
    let stored: Stored = serde_json::from_slice(&fs::read(description(folder)).ok()?).ok()?;
    Some((stored.process, decode_run(stored.run).ok()?))
}
