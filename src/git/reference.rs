//! Refs: reading them, and moving several in one transaction.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit as GixEdit, RefLog};
use gix::refs::{FullName, Target};

use super::Repo;
use super::error::{GitError, file_error};
use super::object::Oid;
use super::stale_lock::{Note, Watch};

/// How long a locked ref is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a ref must be for it to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything, or nothing.
    Any,
    /// Nothing.
    Absent,
    /// This object.
    Is(Oid),
}

/// A ref that is to be moved, made or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// Its full name, as `refs/heads/main`.
    pub name: String,
    /// What it must be before.
    pub expected: Expected,
    /// What it is to be; `None` deletes it.
    pub new: Option<Oid>,
}

/// What is checked out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The commit; `None` before the first one.
    pub commit: Option<Oid>,
    /// The branch without `refs/heads/`; `None` when detached.
    pub branch: Option<String>,
}

impl Repo {
    /// What a ref points to; `None` where there is no such ref.
    pub fn read_ref(&self, name: &str) -> Result<Option<Oid>, GitError> {
        let failed = |source: gix::Error| GitError::Reference {
            action: "read",
            name: name.to_owned(),
            source: source.into(),
        };
        let Some(reference) = self.inner.try_find_reference(name).map_err(failed)? else { return Ok(None) };
        if reference.name().as_bstr() != name {
            // As for a word of the user's, gix goes on to look for a branch or a tag that is called `refs/…`.
            return Ok(None);
        }
        match reference.try_id() {
            Some(id) => Ok(Some(Oid(id.detach()))),
            None => Ok(reference.into_fully_peeled_id().ok().map(|id| Oid(id.detach()))),
        }
    }

    /// All refs whose names begin with `prefix`, which ends with a slash, in the order of their names.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        // Packed refs are read first. One that is packed in the meantime would be missed: it is not yet in the one place
        // and no longer in the other.
        let mut before = self.packed_refs_stamp();
        loop {
            let refs = self.list_refs_once(prefix)?;
            let after = self.packed_refs_stamp();
            if after == before {
                return Ok(refs);
            }
            before = after;
        }
    }

    /// What changes when refs are packed: Git replaces the file.
    fn packed_refs_stamp(&self) -> Option<(SystemTime, u64, u64)> {
        let data = fs::metadata(self.common_dir().join("packed-refs")).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let number = 0;
        Some((data.modified().ok()?, data.len(), number))
    }

    fn list_refs_once(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let failed = |source: gix::Error| GitError::Reference {
            action: "list",
            name: prefix.to_owned(),
            source: source.into(),
        };
        let platform = self.inner.references().map_err(failed)?;
        let mut refs = Vec::new();
        for reference in platform.prefixed(prefix).map_err(failed)? {
            // A ref that cannot be read is somebody else's trouble.
            let Ok(reference) = reference else { continue };
            if let Some(id) = reference.try_id() {
                refs.push((reference.name().as_bstr().to_string(), Oid(id.detach())));
            }
        }
        Ok(refs)
    }

    /// What is checked out.
    pub fn head(&self) -> Result<Head, GitError> {
        let failed = |source: gix::Error| GitError::Reference {
            action: "read",
            name: "HEAD".to_owned(),
            source: source.into(),
        };
        let mut head = self.inner.head().map_err(failed)?;
        let branch = head.referent_name().map(|name| name.shorten().to_string());
        let commit = head.try_peel_to_id().map_err(failed)?.map(|id| Oid(id.detach()));
        Ok(Head { commit, branch })
    }

    /// Moves refs in one transaction, in the order of their names: all of them, or none.
    ///
    /// [`GitError::Moved`] where one is not what it was expected to be; a locked one is waited for.
    pub fn update_refs(&self, edits: &[RefEdit], message: &str) -> Result<(), GitError> {
        // Whoever takes locks in one order waits for nobody who waits for him.
        let mut edits: Vec<&RefEdit> = edits.iter().collect();
        edits.sort_by(|a, b| a.name.cmp(&b.name));
        let lock_of = |name: &str| self.common_dir().join(format!("{name}.lock"));
        let locks: Vec<PathBuf> =
            edits.iter().map(|edit| lock_of(&edit.name)).chain([lock_of("packed-refs")]).collect();
        let notes = self.common_dir().join("exp").join("moving");
        let _note = Note::write(&notes, &locks);
        let mut watch = Watch::default();
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let Err(error) = self.try_update(&edits, message)? else { return Ok(()) };
            let text = format!("{error:#} {error:?}");
            if let Some(edit) = self.unmet(&edits)? {
                return Err(GitError::Moved(edit.name.clone()));
            }
            for edit in edits.iter().filter(|edit| edit.new.is_some()) {
                if let Some(blocking) = self.blocking_ref(&edit.name)? {
                    return Err(GitError::Blocked { name: edit.name.clone(), blocking });
                }
            }
            let is_contention = ["lock", "Expected reference content", "must exist", "not to exist"]
                .iter()
                .any(|words| text.contains(words));
            let name = edits.first().map(|edit| edit.name.clone()).unwrap_or_default();
            let failed = GitError::Reference { action: "move", name, source: error.into() };
            if failed.is_full() || failed.is_read_only() || !is_contention {
                return Err(failed);
            }
            if began.elapsed() > PATIENCE {
                return Err(match locks.into_iter().find(|path| path.exists()) {
                    Some(lock) => GitError::Locked { lock },
                    None => failed,
                });
            }
            watch.look(&notes, &locks);
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    fn try_update(&self, edits: &[&RefEdit], message: &str) -> Result<Result<(), gix::Error>, GitError> {
        let mut changes = Vec::with_capacity(edits.len());
        // Not `MustNotExist`, which is content with a ref that another process just made for the same object.
        let nothing = Target::Object(gix::ObjectId::null(self.inner.object_hash()));
        for edit in edits {
            let name = FullName::try_from(edit.name.as_str()).map_err(|error| GitError::Reference {
                action: "move",
                name: edit.name.clone(),
                source: error.to_string().into(),
            })?;
            let expected = match edit.expected {
                Expected::Any => PreviousValue::Any,
                Expected::Absent => PreviousValue::ExistingMustMatch(nothing.clone()),
                Expected::Is(oid) => PreviousValue::MustExistAndMatch(Target::Object(oid.0)),
            };
            let change = match edit.new {
                Some(new) => Change::Update {
                    log: LogChange {
                        mode: RefLog::AndReference,
                        force_create_reflog: false,
                        message: message.into(),
                    },
                    expected,
                    new: Target::Object(new.0),
                },
                None => Change::Delete { expected, log: RefLog::AndReference },
            };
            changes.push(GixEdit { change, name, deref: false });
        }
        // For the reflogs of branches; a missing identity is no obstacle.
        let time = gix::date::Time::now_local_or_utc().to_string();
        let known = self.inner.committer().and_then(Result::ok);
        let signature = gix::actor::SignatureRef {
            name: known.map_or("git exp".into(), |known| known.name),
            email: known.map_or("git-exp@localhost".into(), |known| known.email),
            time: &time,
        };
        Ok(self.inner.edit_references_as(changes, Some(signature)).map(drop))
    }

    /// The first edit whose ref is not what it was expected to be.
    fn unmet<'a>(&self, edits: &[&'a RefEdit]) -> Result<Option<&'a RefEdit>, GitError> {
        for &edit in edits {
            let now = self.read_ref(&edit.name)?;
            let is_met = match edit.expected {
                Expected::Any => true,
                Expected::Absent => now.is_none(),
                Expected::Is(oid) => now == Some(oid),
            };
            if !is_met {
                return Ok(Some(edit));
            }
        }
        Ok(None)
    }

    /// The ref that keeps `name` from being made: one that is a folder of it, or that it would be a folder of.
    pub fn blocking_ref(&self, name: &str) -> Result<Option<String>, GitError> {
        let mut above = name;
        while let Some((folder, _)) = above.rsplit_once('/') {
            if folder.split('/').count() > 2 && self.read_ref(folder)?.is_some() {
                return Ok(Some(folder.to_owned()));
            }
            above = folder;
        }
        Ok(self.list_refs(&format!("{name}/"))?.into_iter().next().map(|(name, _)| name))
    }

    /// Makes sure that a file and the folder that names it survive a power cut.
    pub fn sync_path(&self, path: &Path) -> Result<(), GitError> {
        sync(path)
    }

    /// Makes sure that refs that were just moved survive a power cut.
    pub fn sync_refs(&self, names: &[&str]) -> Result<(), GitError> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.common_dir().join(name)).collect();
        thread::scope(|scope| {
            let (first, rest) = match paths.split_first() {
                Some(parts) => parts,
                None => return Ok(()),
            };
            let workers: Vec<_> = rest.iter().map(|path| scope.spawn(move || sync(path))).collect();
            let mut result = sync(first);
            for worker in workers {
                result = result.and(worker.join().expect("syncing does not panic"));
            }
            result
        })
    }
}

/// Syncs a file and the folder that names it.
fn sync(path: &Path) -> Result<(), GitError> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(file_error("sync", path))?,
        // Packed in the meantime: Git syncs what it packs.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error("open", path)(error)),
    }
    match path.parent().map(File::open) {
        Some(Ok(folder)) => folder.sync_all().map_err(file_error("sync", path)),
        _ => Ok(()),
    }
}
