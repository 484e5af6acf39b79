//! Refs: reading them, and moving several in one transaction.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit as GixEdit, RefLog};
use gix::refs::{FullName, Target};

use super::Repo;
use super::error::{GitError, file_error};
use super::object::Oid;
use super::stale_lock::{Note, Watch};

/// More refs than this are moved in the file of packed refs, where that can be.
const MANY: usize = 64;

/// How many files are synced at once.
const AT_ONCE: usize = 16;

/// How long a locked ref is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What gix says of a ref that another process has locked, or moved since it was read.
const LOST_RACES: &[&str] = &[
    "could not be obtained",
    "Expected reference content",
    "must exist",
    "Could not lock packed refs",
    // `git pack-refs` takes empty folders away, also the one that a lock is about to be made in.
    "while obtaining the lock",
    "File exists",
    "No such file or directory",
    "Directory not empty",
    "Not a directory",
];

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
        self.settled(Option::is_some, || {
            let Some(reference) = self.inner.try_find_reference(name).map_err(failed)? else {
                return Ok(None);
            };
            if reference.name().as_bstr() != name {
                // As for a word of the user's, gix goes on to look for a branch or a tag that is called `refs/…`.
                return Ok(None);
            }
            match reference.try_id() {
                Some(id) => Ok(Some(Oid(id.detach()))),
                None => Ok(reference.into_fully_peeled_id().ok().map(|id| Oid(id.detach()))),
            }
        })
    }

    /// What `read` finds among refs while nobody packs them.
    ///
    /// gix looks at the packed refs first, and for a loose one then: a ref that is packed in between is in neither place. What
    /// is `certain` could not have been missed.
    pub(super) fn settled<T>(
        &self,
        certain: impl Fn(&T) -> bool,
        read: impl Fn() -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let mut before = self.packed_refs_stamp();
        loop {
            let found = read()?;
            if certain(&found) {
                return Ok(found);
            }
            let after = self.packed_refs_stamp();
            if after == before {
                return Ok(found);
            }
            before = after;
            // What gix remembers of the file goes by its time alone. A file that is gone need not be remembered.
            let _ = self.inner.refs.force_refresh_packed_buffer();
        }
    }

    /// What changes when refs are packed: Git replaces the file.
    fn packed_refs_stamp(&self) -> Option<(SystemTime, u64, u64)> {
        let data = fs::metadata(self.packed_refs_path()).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let number = 0;
        Some((data.modified().ok()?, data.len(), number))
    }

    /// All refs whose names begin with `prefix`, which ends with a slash, in the order of their names.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let began = Instant::now();
        loop {
            let (refs, is_whole) = self.settled(|_| false, || self.list_refs_once(prefix))?;
            if is_whole || began.elapsed() > Duration::from_secs(1) {
                return Ok(refs);
            }
        }
    }

    /// The refs, and whether none of them vanished on the way, as one does that is packed.
    fn list_refs_once(&self, prefix: &str) -> Result<(Vec<(String, Oid)>, bool), GitError> {
        let failed = |source: gix::Error| GitError::Reference {
            action: "list",
            name: prefix.to_owned(),
            source: source.into(),
        };
        let platform = self.inner.references().map_err(failed)?;
        let mut refs = Vec::new();
        let mut is_whole = true;
        for reference in platform.prefixed(prefix).map_err(failed)? {
            match reference {
                Ok(reference) => {
                    if let Some(id) = reference.try_id() {
                        refs.push((reference.name().as_bstr().to_string(), Oid(id.detach())));
                    }
                }
                Err(error) => {
                    // One that is there and cannot be read is somebody else's trouble.
                    let failed = failed(error);
                    is_whole &= !failed.has_io_kind(&[ErrorKind::NotFound, ErrorKind::NotADirectory]);
                }
            }
        }
        Ok((refs, is_whole))
    }

    /// What is checked out.
    pub fn head(&self) -> Result<Head, GitError> {
        let failed = |source: gix::Error| GitError::Reference {
            action: "read",
            name: "HEAD".to_owned(),
            source: source.into(),
        };
        let head = self.inner.head().map_err(failed)?;
        if let Some(name) = head.referent_name() {
            let branch = Some(name.shorten().to_string());
            // Not as `head` has it, for which a branch that is being packed is not there yet.
            return Ok(Head { commit: self.read_ref(&name.as_bstr().to_string())?, branch });
        }
        Ok(Head { commit: head.id().map(|id| Oid(id.detach())), branch: None })
    }

    /// The branch that a remote calls its head, as far as that was fetched, as `main`.
    pub fn head_of_remote(&self, remote: &str) -> Result<Option<String>, GitError> {
        let prefix = format!("refs/remotes/{remote}/");
        let name = format!("{prefix}HEAD");
        let failed = |source: gix::Error| GitError::Reference {
            action: "read",
            name: name.clone(),
            source: source.into(),
        };
        let found = self.inner.try_find_reference(&name).map_err(failed)?;
        let target = found.and_then(|it| Some(it.target().try_name()?.as_bstr().to_string()));
        Ok(target.and_then(|target| Some(target.strip_prefix(&prefix)?.to_owned())))
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
        if edits.len() > MANY && self.move_packed(&edits)? {
            return Ok(());
        }
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
            let name = edits.first().map(|edit| edit.name.clone()).unwrap_or_default();
            let failed = GitError::Reference { action: "move", name, source: error.into() };
            let is_contention = LOST_RACES.iter().any(|words| text.contains(words))
                || failed.has_io_kind(&[ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty]);
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
            let mut parts = paths.chunks(paths.len().div_ceil(AT_ONCE).max(1));
            let Some(first) = parts.next() else { return Ok(()) };
            let sync_all = |part: &[PathBuf]| part.iter().try_for_each(|path| sync(path));
            let workers: Vec<_> = parts.map(|part| scope.spawn(move || sync_all(part))).collect();
            let mut result = sync_all(first);
            for worker in workers {
                result = result.and(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::lab::{Lab, is_in_process};
    use super::*;

    fn edit(name: &str, expected: Expected, new: Option<Oid>) -> RefEdit {
        RefEdit { name: name.to_owned(), expected, new }
    }

    fn two_commits(lab: &Lab) -> (Oid, Oid) {
        let first = lab.oid("HEAD");
        lab.write("a", "two\n");
        (first, lab.commit_all("second"))
    }

    #[test]
    fn head_is_told_unborn_on_a_branch_and_detached() {
        let lab = Lab::new();
        let repo = lab.repo();
        assert_eq!(repo.head().unwrap(), Head { commit: None, branch: Some("main".to_owned()) });
        lab.write("a", "");
        let commit = lab.commit_all("first");
        assert_eq!(repo.head().unwrap(), Head { commit: Some(commit), branch: Some("main".to_owned()) });
        lab.git(["switch", "--quiet", "--create", "deep/er"]);
        assert_eq!(repo.head().unwrap().branch.as_deref(), Some("deep/er"));
        lab.git(["switch", "--quiet", "--detach"]);
        assert_eq!(repo.head().unwrap(), Head { commit: Some(commit), branch: None });
    }

    #[test]
    fn refs_are_made_moved_and_deleted_together_or_not_at_all() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let (first, second) = two_commits(&lab);
        let names = ["refs/exp/a", "refs/exp/b"];
        let all = |expected, new| names.map(|name| edit(name, expected, new));
        repo.update_refs(&all(Expected::Absent, Some(first)), "test").unwrap();
        assert_eq!(repo.list_refs("refs/exp/").unwrap(), names.map(|name| (name.to_owned(), first)));
        let half = [
            edit(names[0], Expected::Is(first), Some(second)),
            edit(names[1], Expected::Is(second), Some(first)),
        ];
        let error = repo.update_refs(&half, "test").unwrap_err();
        assert!(matches!(&error, GitError::Moved(name) if name == names[1]), "{error:?}");
        assert_eq!(repo.read_ref(names[0]).unwrap(), Some(first));
        repo.update_refs(&all(Expected::Is(first), Some(second)), "test").unwrap();
        repo.sync_refs(&names).unwrap();
        lab.git(["pack-refs", "--all", "--prune"]);
        assert_eq!(repo.read_ref(names[0]).unwrap(), Some(second));
        repo.sync_refs(&names).unwrap();
        repo.update_refs(&all(Expected::Is(second), None), "test").unwrap();
        assert_eq!(lab.git(["for-each-ref", "refs/exp"]), "");
        assert!(repo.update_refs(&all(Expected::Is(second), None), "test").unwrap_err().is_moved());
        repo.update_refs(&all(Expected::Any, None), "test").unwrap();
    }

    #[test]
    fn a_ref_that_is_to_be_new_must_not_be_there_even_with_the_same_object() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let commit = lab.oid("HEAD");
        let new = [edit("refs/heads/exp/A-001", Expected::Absent, Some(commit))];
        repo.update_refs(&new, "test").unwrap();
        assert!(repo.update_refs(&new, "test").unwrap_err().is_moved());
        let gone = [edit("refs/heads/exp/A-001", Expected::Absent, None)];
        assert!(repo.update_refs(&gone, "test").unwrap_err().is_moved());
    }

    #[test]
    fn a_branch_that_is_called_like_a_ref_is_not_taken_for_it() {
        let lab = Lab::with_commit();
        lab.git(["branch", "refs/exp/log/abc"]);
        assert_eq!(lab.repo().read_ref("refs/exp/log/abc").unwrap(), None);
    }

    #[test]
    fn our_refs_have_no_reflog_and_branches_have_the_one_of_the_user() {
        let lab = Lab::with_commit();
        lab.git(["config", "core.logAllRefUpdates", "always"]);
        let commit = lab.oid("HEAD");
        let both = ["refs/exp/log/abc", "refs/heads/exp/A-001"]
            .map(|name| edit(name, Expected::Absent, Some(commit)));
        lab.repo().update_refs(&both, "git exp new").unwrap();
        assert!(!lab.top().join(".git/logs/refs/exp").exists());
        let log = fs::read_to_string(lab.top().join(".git/logs/refs/heads/exp/A-001")).unwrap();
        assert!(log.contains("Ada <ada@example.com>") && log.ends_with("\tgit exp new\n"), "{log}");
    }

    #[test]
    fn the_ref_in_the_way_of_a_name_is_found() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        lab.git(["branch", "exp"]);
        lab.git(["branch", "research/a/b"]);
        let blocking = |name: &str| repo.blocking_ref(name).unwrap();
        assert_eq!(blocking("refs/heads/exp/A-001").as_deref(), Some("refs/heads/exp"));
        assert_eq!(blocking("refs/heads/research/a").as_deref(), Some("refs/heads/research/a/b"));
        assert_eq!(blocking("refs/heads/research/other"), None);
        let new = [edit("refs/heads/exp/A-001", Expected::Absent, Some(lab.oid("HEAD")))];
        let error = repo.update_refs(&new, "test").unwrap_err();
        assert!(
            matches!(&error, GitError::Blocked { blocking, .. } if blocking == "refs/heads/exp"),
            "{error:?}"
        );
        assert_eq!(error.hint().unwrap(), "rename the branch: git branch -m exp exp-old");
        lab.git(["pack-refs", "--all", "--prune"]);
        assert!(matches!(repo.update_refs(&new, "test"), Err(GitError::Blocked { .. })));
        lab.git(["branch", "-m", "exp", "exp-old"]);
        repo.update_refs(&new, "test").unwrap();
    }

    #[test]
    fn of_many_who_move_a_ref_none_is_lost() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let first = lab.oid("HEAD");
        lab.git(["pack-refs", "--all"]);
        let lost = AtomicUsize::new(0);
        thread::scope(|scope| {
            for worker in 0..8 {
                let (repo, lost) = (repo.clone(), &lost);
                scope.spawn(move || {
                    for round in 0..10 {
                        loop {
                            let tip = repo.read_ref("refs/exp/log/abc").unwrap();
                            let new = Lab::entry(&repo, tip.or(Some(first)), &format!("{worker} {round}"));
                            let expected = tip.map_or(Expected::Absent, Expected::Is);
                            let own = format!("refs/exp/running/{worker}");
                            let edits = [
                                edit("refs/exp/log/abc", expected, Some(new)),
                                edit(&own, Expected::Any, (round % 2 == 0).then_some(new)),
                            ];
                            match repo.update_refs(&edits, "test") {
                                Ok(()) => break,
                                Err(error) if error.is_moved() => lost.fetch_add(1, Ordering::Relaxed),
                                Err(error) => panic!("{error:?}"),
                            };
                        }
                    }
                });
            }
        });
        assert_eq!(lab.git(["rev-list", "--count", "refs/exp/log/abc"]), "81");
        assert_eq!(fs::read_dir(lab.top().join(".git/exp/moving")).unwrap().count(), 0);
    }

    #[test]
    fn no_ref_is_overlooked_while_git_packs_them() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let commit = lab.oid("HEAD");
        let names: Vec<String> = (0..20).map(|number| format!("refs/exp/log/{number:02}")).collect();
        thread::scope(|scope| {
            let packer = scope.spawn(|| {
                for _ in 0..15 {
                    let all: Vec<_> =
                        names.iter().map(|name| edit(name, Expected::Any, Some(commit))).collect();
                    lab.repo().update_refs(&all, "test").unwrap();
                    lab.git(["pack-refs", "--all", "--prune"]);
                }
            });
            while repo.list_refs("refs/exp/log/").unwrap().len() < names.len() {}
            while !packer.is_finished() {
                assert_eq!(repo.list_refs("refs/exp/log/").unwrap().len(), names.len());
            }
        });
    }

    #[test]
    fn a_lock_that_a_killed_process_left_is_cleared_away() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let commit = lab.oid("HEAD");
        lab.git(["pack-refs", "--all"]);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "git::reference::tests::holds_locks_until_it_is_killed"])
            .current_dir(lab.top())
            .env("GIT_EXP_TEST_PROCESS", "1")
            .spawn()
            .unwrap();
        while !lab.top().join("ready").exists() {
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let new = [edit("refs/exp/log/abc", Expected::Absent, Some(commit))];
        repo.update_refs(&new, "test").unwrap();
        assert!(!lab.top().join(".git/packed-refs.lock").exists());
        assert_eq!(repo.read_ref("refs/exp/log/abc").unwrap(), Some(commit));
    }

    /// Does nothing but in a process of its own.
    #[test]
    fn holds_locks_until_it_is_killed() {
        if !is_in_process() {
            return;
        }
        let top = Path::new(".").canonicalize().unwrap();
        let locks = ["refs/exp/log/abc.lock", "packed-refs.lock"].map(|name| top.join(".git").join(name));
        let _note = Note::write(&top.join(".git/exp/moving"), &locks).unwrap();
        fs::create_dir_all(locks[0].parent().unwrap()).unwrap();
        for lock in &locks {
            fs::write(lock, "").unwrap();
        }
        fs::write(top.join("ready"), "").unwrap();
        thread::sleep(Duration::from_mins(1));
    }

    #[test]
    fn a_lock_of_a_process_that_lives_is_left_alone() {
        let lab = Lab::with_commit();
        let folder = lab.top().join(".git/exp/moving");
        let lock = lab.top().join(".git/packed-refs.lock");
        let note = Note::write(&folder, std::slice::from_ref(&lock)).unwrap();
        fs::write(&lock, "").unwrap();
        let mut watch = Watch::default();
        watch.look(&folder, std::slice::from_ref(&lock));
        thread::sleep(Duration::from_millis(1600));
        watch.look(&folder, std::slice::from_ref(&lock));
        assert!(lock.exists());
        drop(note);
        watch.look(&folder, std::slice::from_ref(&lock));
        assert!(lock.exists(), "nobody noted it, so that it may be Git's");
    }
}
