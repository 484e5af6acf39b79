//! Doing what a plan says, and ending it after a crash: refs move, and refs, index and notes let go of what went.
//!
//! What is to be done is first written to `.git/exp/purge.json`. New refs are made before old ones go, so whatever dies in
//! between leaves every entry in a log; the next purge ends what was begun, or begins anew.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Holder, Plan, Purged, Withdrawn, is_seal_at_remote};
use crate::domain::entry::Body;
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::{Dropped, Part};
use crate::git::{Expected, Oid, RefEdit};
use crate::log::append::{self, Lock, Request};
use crate::log::entry::{Draft, encode};
use crate::log::error::{LogError, file_error};
use crate::log::index::Index;
use crate::log::journal::{self, Durability};
use crate::log::withdrawn::Taken;
use crate::log::{FORMER_WRITER_KEY, Log, WRITER_KEY, layout, notes, taking};

/// What is being done, so that it can be ended after a crash.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    withdrawal: String,
    /// The names of writers before and after.
    epochs: Vec<(String, String)>,
    /// The refs that are made, and what they are to be.
    made: Vec<(String, String)>,
    /// The refs that go, and what they were.
    dropped: Vec<(String, String)>,
    /// The commits that those refs may be at on a remote.
    commits: BTreeMap<String, Vec<String>>,
    /// The objects that no file of this clone may keep.
    doomed: Vec<String>,
    /// What is to be known of them later.
    #[serde(default)]
    taken: Taken,
}

/// Has a withdrawal name the refs that go, with what they are, besides those it names.
fn name_refs(body: &mut Body, refs: impl Iterator<Item = (String, Oid)>) {
    let Body::Withdrawal(withdrawal) = body else {
        unreachable!("only withdrawals are purged by");
    };
    withdrawal.refs.extend(refs.map(|(name, tip)| Dropped { name, was: append::name(tip) }));
}

impl Log {
    /// Does what `plan` says; `also` are the holders that go, too. `request` has the withdrawal.
    pub fn purge(&self, plan: &Plan, also: &[Holder], mut request: Request) -> Result<Purged, LogError> {
        let lock = Lock::take(&self.folders)?;
        let repo = &self.repo;
        for (name, tip) in &plan.drops {
            // An entry was appended since.
            if repo.read_ref(name)? != Some(*tip) {
                return Err(LogError::Contended(name.clone()));
            }
        }
        name_refs(
            &mut request.body,
            plan.drops.iter().cloned().chain(also.iter().map(|it| (it.name.clone(), it.tip))),
        );
        let configured = self.configured_writer()?;
        let signer = plan.epochs.iter().find(|(old, _)| Some(old) == configured.as_ref());
        let Some((_, signer)) = signer.or_else(|| plan.epochs.first()) else {
            return Err(LogError::NotFound("the entries to purge".to_owned()));
        };
        let draft = Draft {
            writer: signer.clone(),
            nonce: request.nonce,
            time: request.time,
            by: request.by,
            replaces: request.replaces,
            answers: request.answers,
            seen: BTreeMap::new(),
            body: request.body,
        };
        let (bytes, entry) = encode(draft, None);

        let mut objects = Vec::new();
        let mut progress = Progress { withdrawal: entry.id.to_hex(), ..Progress::default() };
        let mut made: Vec<(String, Oid)> = Vec::new();
        for (old, new) in &plan.epochs {
            made.extend(self.rebuild(
                plan,
                old,
                new,
                (&bytes, &entry, request.offset_minutes),
                &mut objects,
            )?);
            progress.epochs.push((old.to_string(), new.to_string()));
        }
        let mut drops = plan.drops.clone();
        drops.extend(also.iter().map(|it| (it.name.clone(), it.tip)));
        for (name, tip) in &drops {
            // An old push may have left a remote anywhere on the way.
            let commits: Result<Vec<String>, _> = match name.starts_with("refs/exp/") {
                true => repo.walk_first_parent(*tip).map(|it| it.map(|it| it.0.to_hex())).collect(),
                false => Ok(vec![tip.to_hex()]),
            };
            progress.commits.insert(name.clone(), commits?);
        }
        for (name, tip) in repo.list_refs(layout::REMOTE)? {
            let is_of = |(old, _): &(Writer, Writer)| name.ends_with(&format!("/{old}"));
            if plan.epochs.iter().any(is_of) || also.iter().any(|it| is_seal_at_remote(&name, &it.name)) {
                drops.push((name, tip));
            }
        }
        let in_hex = |refs: &[(String, Oid)]| -> Vec<(String, String)> {
            refs.iter().map(|(name, oid)| (name.clone(), oid.to_hex())).collect()
        };
        progress.made = in_hex(&made);
        progress.dropped = in_hex(&drops);
        progress.doomed = plan.doomed.iter().map(|oid| oid.to_hex()).collect();
        let ids: Vec<EntryId> = plan.entries.iter().map(|it| it.id).collect();
        progress.taken = Taken::of(plan, &ids);

        journal::write(&self.folders.journal(), &progress.withdrawal, &objects, Durability::Synced)?;
        for object in &objects {
            repo.write_object(object.kind, &object.bytes)?;
        }
        self.refuse_what_still_holds(plan, &made)?;
        self.write_durably(&self.folders.purge(), &progress)?;
        self.carry_on(&lock, &progress)?;
        drop(lock);
        self.forget_views()?;
        self.remove(&self.folders.purge())?;
        Ok(Purged { withdrawal: entry.id, epochs: plan.epochs.clone() })
    }

    /// Deletes refs that still hold what was withdrawn before; `request` has the withdrawal that says so.
    pub fn purge_refs(
        &self,
        writer: &Writer,
        refs: &[Holder],
        mut request: Request,
    ) -> Result<EntryId, LogError> {
        name_refs(&mut request.body, refs.iter().map(|it| (it.name.clone(), it.tip)));
        let appended = self.append(writer, request)?;
        let _lock = Lock::take(&self.folders)?;
        let commits = refs.iter().map(|it| (it.name.clone(), vec![it.tip.to_hex()]));
        // Before they go: what is not recorded no push takes away.
        self.record_withdrawn(&commits.collect())?;
        let mut drops: Vec<(String, Oid)> = refs.iter().map(|it| (it.name.clone(), it.tip)).collect();
        for (name, tip) in self.repo.list_refs(layout::REMOTE)? {
            if refs.iter().any(|it| is_seal_at_remote(&name, &it.name)) {
                drops.push((name, tip));
            }
        }
        self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
        Ok(appended.entry.id)
    }

    /// Records refs that a push is to take away elsewhere, with the commits that they may be at there.
    fn record_withdrawn(&self, refs: &BTreeMap<String, Vec<String>>) -> Result<(), LogError> {
        let mut withdrawn = self.withdrawn();
        for (name, commits) in refs {
            let known = withdrawn.entry(name.clone()).or_default();
            known.extend(commits.iter().filter(|it| !known.contains(it)).cloned().collect::<Vec<_>>());
        }
        self.write_durably(&self.folders.withdrawn(), &withdrawn)
    }

    pub(in crate::log) fn write_durably(&self, path: &Path, value: &impl Serialize) -> Result<(), LogError> {
        let failed = |error| file_error("write", path)(error);
        let mut file = tempfile::NamedTempFile::new_in(self.folders.root()).map_err(failed)?;
        let text = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
        file.write_all(&text).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(self.repo.sync_path(path)?)
    }

    fn progress(&self) -> Option<Progress> {
        serde_json::from_slice(&fs::read(self.folders.purge()).ok()?).ok()
    }

    /// Ends a purge that was begun and died; `None` where there was none, or where it has to begin anew.
    pub fn finish_purge(&self) -> Result<Option<Purged>, LogError> {
        let lock = Lock::take(&self.folders)?;
        let Some(progress) = self.progress() else { return Ok(None) };
        self.heal()?;
        let is_moved = |(name, was): &(String, String)| -> Result<bool, LogError> {
            let own = name.starts_with(layout::LOGS)
                || name.starts_with(layout::DATA)
                || name.starts_with(layout::CODE);
            Ok(own && self.repo.read_ref(name)?.is_some_and(|tip| tip.to_hex() != *was))
        };
        let mut has_moved = false;
        for dropped in &progress.dropped {
            has_moved |= is_moved(dropped)?;
        }
        if has_moved {
            // An entry was appended to the old epoch since. It stands there alone, so what was made goes again.
            let mut edits = Vec::new();
            for (name, tip) in &progress.made {
                if let Some(tip) = self.repo.read_ref(name)?.filter(|now| now.to_hex() == *tip) {
                    edits.push(RefEdit { name: name.clone(), expected: Expected::Is(tip), new: None });
                }
            }
            self.repo.update_refs(&edits, "git exp purge")?;
            self.remove(&self.folders.purge())?;
            return Ok(None);
        }
        self.carry_on(&lock, &progress)?;
        drop(lock);
        self.forget_views()?;
        self.remove(&self.folders.purge())?;
        let names =
            progress.epochs.iter().filter_map(|(old, new)| Some((old.parse().ok()?, new.parse().ok()?)));
        let withdrawal = progress.withdrawal.parse().map_err(|_| LogError::NotFound(progress.withdrawal))?;
        Ok(Some(Purged { withdrawal, epochs: names.collect() }))
    }

    /// Whether a purge was begun and has not ended.
    pub fn has_begun_purge(&self) -> bool {
        self.folders.purge().exists()
    }

    /// Moves the refs, and takes what goes out of this clone's own files; every step can be done twice.
    fn carry_on(&self, _lock: &Lock, progress: &Progress) -> Result<(), LogError> {
        let repo = &self.repo;
        let mut edits = Vec::new();
        for (name, tip) in &progress.made {
            let new = Oid::from_hex(tip);
            if repo.read_ref(name)?.is_none() {
                edits.push(RefEdit { name: name.clone(), expected: Expected::Absent, new });
            }
        }
        // In this order: an entry is in the new log before it leaves the old one.
        repo.update_refs(&edits, "git exp purge")?;
        let names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
        repo.sync_refs(&names)?;
        self.record_withdrawn(&progress.commits)?;
        self.record_taken(&progress.withdrawal, progress.taken.clone())?;
        let configured = self.configured_writer()?;
        for (old, new) in &progress.epochs {
            let (Ok(old), Ok(new)) = (old.parse::<Writer>(), new.parse::<Writer>()) else { continue };
            // Before the refs go: what was noted last would be brought back.
            self.remove(&self.folders.kept_code(&old))?;
            self.remove(&self.folders.ends(&old))?;
            if configured.as_ref() == Some(&old) {
                self.shield(&new)?;
                append::note_ends_as_named(repo, &self.folders, &new)?;
                // Branches of experiments that were registered under it stay this clone's own.
                repo.add_config_local(FORMER_WRITER_KEY, old.as_str())?;
                repo.set_config_local(WRITER_KEY, new.as_str())?;
            }
        }
        self.drop_refs(progress.dropped.iter().filter_map(|(name, was)| Some((name, Oid::from_hex(was)?))))?;
        let doomed: HashSet<&str> = progress.doomed.iter().map(String::as_str).collect();
        journal::forget(repo, &self.folders.journal(), &|oid| doomed.contains(oid.to_hex().as_str()))
    }

    /// Deletes refs that are what they were, with their reflogs, and forgets what was noted of them.
    pub(in crate::log) fn drop_refs<'a>(
        &self,
        refs: impl Iterator<Item = (&'a String, Oid)>,
    ) -> Result<(), LogError> {
        let mut edits = Vec::new();
        let mut names = HashSet::new();
        for (name, was) in refs {
            names.insert(name.as_str());
            if self.repo.read_ref(name)? == Some(was) {
                edits.push(RefEdit { name: name.clone(), expected: Expected::Is(was), new: None });
            }
            self.remove(&self.repo.common_dir().join("logs").join(name))?;
        }
        self.repo.update_refs(&edits, "git exp purge")?;
        self.forget_tracking(|name| names.contains(name))
    }

    fn remove(&self, path: &Path) -> Result<(), LogError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(file_error("remove", path)(error)),
            _ => Ok(()),
        }
    }

    /// Makes index and notes anew, so that nothing of what went is left in them or in the history of the notes.
    pub(super) fn forget_views(&self) -> Result<(), LogError> {
        let _ = fs::remove_dir_all(self.folders.index());
        self.renew_notes()
    }

    /// Begins the notes anew where they hold or held what is gone, and lets go of those of remotes that do.
    pub(super) fn renew_notes(&self) -> Result<(), LogError> {
        let repo = &self.repo;
        let mut index = self.index()?;
        let gone = self.gone(&mut index)?;
        {
            let lock = Lock::take(&self.folders)?;
            notes::forget_torn(repo, &lock)?;
            let holds = |tip: Oid| notes::hold_withdrawn(repo, tip, None, &gone);
            if let Some(tip) = repo.read_ref(layout::NOTES)?
                && holds(tip)?
            {
                self.remove(&repo.common_dir().join("logs").join(layout::NOTES))?;
                notes::begin_anew(repo, &self.folders, &lock)?;
            }
            let mut drops = Vec::new();
            for (name, tip) in repo.list_refs(layout::REMOTE)? {
                if taking::kind_of(&name).is_some_and(|(kind, _)| kind == "notes") && holds(tip)? {
                    drops.push((name, tip));
                }
            }
            self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
        }
        self.repair_notes(&mut index)?;
        Ok(())
    }

    /// The entries that withdrawals took whole.
    pub(in crate::log) fn gone(&self, index: &mut Index) -> Result<HashSet<EntryId>, LogError> {
        let withdrawals = self.withdrawals(index)?;
        let whole = withdrawals.iter().filter(|(_, it)| it.gone.contains(&Part::Entry));
        Ok(whole.flat_map(|(_, it)| &it.entries).map(|it| it.entry).collect())
    }

    /// Whether the notes that end at `tip` hold what was withdrawn; their objects have to be here.
    pub fn are_withdrawn_notes(&self, tip: Oid) -> Result<bool, LogError> {
        let gone = self.gone(&mut self.index()?)?;
        notes::hold_withdrawn(&self.repo, tip, self.repo.read_ref(layout::NOTES)?, &gone)
    }

    /// The refs that this clone withdrew, with the commits that a remote may still have them at.
    pub fn withdrawn(&self) -> Withdrawn {
        let bytes = fs::read(self.folders.withdrawn()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}
