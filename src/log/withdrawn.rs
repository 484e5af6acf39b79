//! What withdrawals took: which logs and refs here still hold it, whoever ordered it and wherever it is.
//!
//! A withdrawal names entries, and in the clone that carried it out, or followed it, `.git/exp/taken-back.json` keeps the IDs of
//! the objects that went. So a later purge of the same entries finds what still holds them, though the entries are gone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;

use serde::{Deserialize, Serialize};

use super::append::Lock;
use super::error::LogError;
use super::index::Index;
use super::purge::{Followed, Order, Plan, Superseded, is_seal_at_remote, taken_parts};
use super::read::Located;
use super::{Log, layout};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::{Part, Withdrawal};
use crate::git::Oid;

/// A log here that holds what withdrawals in other logs took.
#[derive(Clone, Debug)]
pub struct Unfollowed {
    /// Whose log it is.
    pub writer: Writer,
    /// The withdrawals, oldest first; never empty.
    pub withdrawals: Vec<(Entry, Withdrawal)>,
}

/// The objects that a withdrawal took, in hex.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) entries: Vec<String>,
    pub(super) objects: Vec<String>,
    /// The commits that ran.
    #[serde(default)]
    pub(super) code: Vec<String>,
    /// What stayed because other entries had it too: what it is, and these entries.
    #[serde(default)]
    pub(super) shared: BTreeMap<String, BTreeSet<String>>,
}

impl Taken {
    /// What of `plan` is to be known later.
    pub(super) fn of(plan: &Plan, entries: &[EntryId]) -> Self {
        let shared = plan.shared.iter();
        let shared = shared.map(|(what, by)| (what.clone(), by.iter().map(EntryId::to_hex).collect()));
        Self {
            entries: entries.iter().map(EntryId::to_hex).collect(),
            objects: plan.doomed.iter().map(|oid| oid.to_hex()).collect(),
            code: plan.code.iter().map(|oid| oid.to_hex()).collect(),
            shared: shared.collect(),
        }
    }
}

impl Log {
    /// Every withdrawal in the log, oldest first.
    pub fn withdrawals(&self, index: &mut Index) -> Result<Vec<(Entry, Withdrawal)>, LogError> {
        let rows = self.rows_of(index, |kind| kind == "withdrawal")?;
        let entries = self.entries(index, &rows)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| match &entry.body {
                Body::Withdrawal(it) => Some((entry.clone(), it.clone())),
                _ => None,
            })
            .collect())
    }

    /// The logs below `prefixes` that hold what a withdrawal in another log took, as after a clone was copied.
    pub fn unfollowed(&self, prefixes: &[&str]) -> Result<Vec<Unfollowed>, LogError> {
        let mut index = self.index()?;
        let mut open = Vec::new();
        for (by, it) in self.withdrawals(&mut index)? {
            let is_here = |one: EntryId| self.find(&mut index, &one.to_hex()).is_ok();
            if !it.gone.is_empty() && it.entries.iter().map(|one| one.entry).any(is_here) {
                open.push((by, it));
            }
        }
        let own = self.own_writers()?;
        let mut found = Vec::new();
        for prefix in prefixes {
            for (name, tip) in self.repo.list_refs(prefix)? {
                let Ok(writer) = name[prefix.len()..].parse::<Writer>() else { continue };
                // What this clone withdrew itself is in its log.
                let is_followed = |by: &Entry| own.first() == Some(&writer) && own.contains(&by.writer);
                let mut open: Vec<_> = open.iter().filter(|(by, _)| !is_followed(by)).cloned().collect();
                if open.is_empty() {
                    continue;
                }
                let entries = self.located(&writer, tip)?;
                let taken = taken_parts(&entries);
                let here: HashSet<EntryId> = entries.iter().map(|it| it.entry.id).collect();
                open.retain(|(_, it)| {
                    let is_left = |id: EntryId| it.gone.iter().any(|part| !taken.contains(&(id, *part)));
                    it.entries.iter().any(|one| here.contains(&one.entry) && is_left(one.entry))
                });
                if !open.is_empty() {
                    found.push(Unfollowed { writer, withdrawals: open });
                }
            }
        }
        Ok(found)
    }

    /// Tells of logs of this clone that hold what others withdrew.
    pub(super) fn tell_unfollowed(&self, followed: &mut Followed) -> Result<(), LogError> {
        for it in self.unfollowed(&[layout::LOGS])? {
            let name = layout::log_ref(&it.writer);
            // One whose later epoch is here was told already.
            if followed.problems.iter().all(|(known, _)| *known != name) {
                let by = &it.withdrawals[0].0.writer;
                let problem = format!(
                    "`{by}` withdrew entries that it holds, too; `git exp purge` follows, and until then it is not pushed"
                );
                followed.problems.push((name, problem));
            }
        }
        Ok(())
    }

    /// Deletes seals that withdrawals name, at what they were then; gives their tags.
    ///
    /// Only where a later epoch took the entries out: a line in a log alone takes nothing away here.
    pub(super) fn follow_seals(&self) -> Result<Vec<String>, LogError> {
        let withdrawals = self.withdrawals(&mut self.index()?)?;
        let of_epochs = withdrawals.iter().filter(|(by, _)| by.writer.is_later_epoch());
        let gone: HashSet<EntryId> = of_epochs.flat_map(|(_, it)| &it.entries).map(|one| one.entry).collect();
        // Several withdrawals may name the same one.
        let mut drops = BTreeMap::new();
        let mut tags = Vec::new();
        let tracked = self.repo.list_refs(layout::REMOTE)?;
        for (_, it) in
            withdrawals.iter().filter(|(_, it)| it.entries.iter().all(|one| gone.contains(&one.entry)))
        {
            for dropped in it.refs.iter().filter(|it| it.name.starts_with(layout::SEALS)) {
                let Some(was) = Oid::from_hex(dropped.was.as_str()) else { continue };
                let is_it =
                    |(name, tip): &&(String, Oid)| *tip == was && is_seal_at_remote(name, &dropped.name);
                drops.extend(tracked.iter().filter(is_it).cloned());
                if self.repo.read_ref(&dropped.name)? == Some(was) {
                    drops.insert(dropped.name.clone(), was);
                    tags.extend(dropped.name.strip_prefix("refs/tags/").map(str::to_owned));
                }
            }
        }
        if !drops.is_empty() {
            let _lock = Lock::take(&self.folders)?;
            self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
            tags.dedup();
        }
        Ok(tags)
    }

    fn all_taken(&self) -> BTreeMap<String, Taken> {
        let bytes = fs::read(self.folders.taken_back()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The objects that withdrawals of these entries took, as far as it was recorded here.
    pub(super) fn taken_objects(&self, ids: &[EntryId]) -> HashSet<Oid> {
        let ids: HashSet<String> = ids.iter().map(EntryId::to_hex).collect();
        let taken = self.all_taken();
        let of_them = taken.values().filter(|it| it.entries.iter().any(|id| ids.contains(id)));
        of_them.flat_map(|it| &it.objects).filter_map(|oid| Oid::from_hex(oid)).collect()
    }

    /// What stayed when these entries were taken back, because `others` had it too, as far as they still do.
    pub(super) fn still_shared(
        &self,
        ids: &[EntryId],
        others: &[&Located],
    ) -> BTreeMap<String, BTreeSet<EntryId>> {
        let ids: HashSet<String> = ids.iter().map(EntryId::to_hex).collect();
        let given_up = taken_parts(others.iter().copied());
        let mut shared: BTreeMap<String, BTreeSet<EntryId>> = BTreeMap::new();
        let of_them = self.all_taken();
        for taken in of_them.values().filter(|it| it.entries.iter().any(|id| ids.contains(id))) {
            for (what, by) in &taken.shared {
                let part = if what.starts_with("code ") { Part::Code } else { Part::Files };
                let has = |it: &&&Located| {
                    by.contains(&it.entry.id.to_hex()) && !given_up.contains(&(it.entry.id, part))
                };
                for it in others.iter().filter(has) {
                    shared.entry(what.clone()).or_default().insert(it.entry.id);
                }
            }
        }
        shared
    }

    /// Whether it was recorded here what went with this entry.
    pub fn knows_what_went(&self, id: EntryId) -> bool {
        let id = id.to_hex();
        self.all_taken().values().any(|it| it.entries.contains(&id))
    }

    /// Records what a withdrawal took.
    pub(super) fn record_taken(&self, withdrawal: &str, taken: Taken) -> Result<(), LogError> {
        let mut all = self.all_taken();
        all.insert(withdrawal.to_owned(), taken);
        self.write_durably(&self.folders.taken_back(), &all)
    }

    /// Records what withdrawals in a later epoch took of a log that is about to be let go; tells which they were.
    pub(super) fn record_taken_of(
        &self,
        log: &Superseded,
        withdrawals: &[(EntryId, Withdrawal)],
        drops: &[(String, Oid)],
    ) -> Result<Vec<EntryId>, LogError> {
        let Some(tip) = self.repo.read_ref(&layout::seen_ref(&log.old))? else { return Ok(Vec::new()) };
        let entries = self.located(&log.old, tip)?;
        let entries: Vec<&Located> = entries.iter().collect();
        let mut ids = Vec::new();
        for (id, it) in withdrawals.iter().filter(|(_, it)| !it.gone.is_empty()) {
            let named: Vec<EntryId> = it.entries.iter().map(|one| one.entry).collect();
            if entries.iter().all(|it| !named.contains(&it.entry.id)) {
                continue;
            }
            let order = Order { ids: &named, gone: &it.gone, all_code: false, logs: &[] };
            let mut plan = Plan { gone: it.gone.clone(), drops: drops.to_vec(), ..Plan::default() };
            self.plan_doomed(&mut plan, order, &entries)?;
            self.record_taken(&id.to_hex(), Taken::of(&plan, &named))?;
            ids.extend(named);
        }
        Ok(ids)
    }

    /// Whether handing `tip` on to a remote that has `known` would bring it objects that were taken back.
    pub fn brings_back(&self, tip: Oid, known: &[Oid]) -> Result<bool, LogError> {
        let taken = self.all_taken();
        let taken: HashSet<&str> = taken.values().flat_map(|it| &it.objects).map(String::as_str).collect();
        if taken.is_empty() {
            return Ok(false);
        }
        let known: Vec<Oid> = known.iter().copied().filter(|oid| self.repo.has_object(*oid)).collect();
        let mut brought = self.repo.objects_of(&[tip], &known)?;
        brought.retain(|(oid, _)| taken.contains(oid.to_hex().as_str()));
        if brought.is_empty() {
            return Ok(false);
        }
        // The same bytes may have been recorded again since.
        let stays = self.objects_of_chains(&Plan::default())?;
        Ok(brought.iter().any(|(oid, _)| !stays.contains(oid)))
    }

    /// Refuses to begin at a commit that was taken back, or that stands on one: whatever did would hold on to it again, and the
    /// next push would publish it.
    pub fn refuse_withdrawn_code(&self, commit: Oid) -> Result<(), LogError> {
        for (id, taken) in self.all_taken() {
            for gone in taken.code.iter().filter_map(|oid| Oid::from_hex(oid)) {
                let stands_on = gone == commit
                    || (self.repo.has_object(gone)
                        && self.repo.has_object(commit)
                        && self.repo.is_ancestor(gone, commit)?);
                if stands_on {
                    let what = format!("commit {}", &commit.to_hex()[..12]);
                    let withdrawals = self.withdrawals(&mut self.index()?)?;
                    let by = withdrawals.into_iter().find(|(by, _)| by.id.to_hex() == id);
                    let because = by.map(|(_, it)| it.because).unwrap_or_default();
                    return Err(LogError::Withdrawn { what, by: id, because });
                }
            }
        }
        Ok(())
    }

    /// Refuses to begin at the code of an entry from which it was taken back, be it still here or not.
    pub fn refuse_withdrawn_code_of(&self, index: &mut Index, id: EntryId) -> Result<(), LogError> {
        for (by, it) in self.withdrawals(index)? {
            if it.gone.contains(&Part::Code) && it.entries.iter().any(|one| one.entry == id) {
                let (what, because) = (format!("run {}", id.short()), it.because);
                return Err(LogError::Withdrawn { what, by: by.id.to_hex(), because });
            }
        }
        Ok(())
    }
}
