//! Purging: entries, or their files or code, taken out of this clone's own chains, so that no ref of ours reaches their bytes.
//!
//! A log never moves backwards. What must go takes its log with it: the writer goes on as a new epoch, `<writer>-2`, which
//! holds every other entry again, under the IDs they had, then a withdrawal that names the refs that went. Whoever took the old
//! epoch in finds all of it in the new one, but for what was withdrawn, and lets the old one go.
//!
//! What is to be done is first written to `.git/exp/purge.json`. New refs are made before old ones go, so whatever dies in
//! between leaves every entry in a log; the next purge ends what was begun, or begins anew.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::append::{self, Lock, Request};
use super::entry::{Draft, encode};
use super::error::{LogError, file_error};
use super::journal::{self, Durability, NewObject};
use super::read::{self, Located};
use super::withdrawn::Taken;
use super::{FORMER_WRITER_KEY, Log, WRITER_KEY, layout, message, notes, taking};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::{Dropped, Part, Withdrawal};
use crate::git::{Expected, FOLDER, NewCommit, ObjectKind, Oid, RefEdit, TreeEntry};

/// What a purge would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The entries that are withdrawn, oldest first.
    pub entries: Vec<Entry>,
    /// What of them goes.
    pub gone: Vec<Part>,
    /// This clone's writers whose logs hold them, which go on under a new epoch each.
    pub epochs: Vec<(Writer, Writer)>,
    /// The refs that go, with what they are.
    pub drops: Vec<(String, Oid)>,
    /// The files that go.
    pub files: BTreeSet<String>,
    /// The snapshots and other commits of code that go.
    pub code: Vec<Oid>,
    /// What stays because other entries have it too: what it is, and these entries.
    pub shared: BTreeMap<String, BTreeSet<EntryId>>,
    /// Other refs of this repository that hold some of it.
    pub holders: Vec<Holder>,
    /// Refs of others that hold some of it, which only their clones can let go.
    pub elsewhere: Vec<String>,
    pub(super) doomed: HashSet<Oid>,
}

impl Plan {
    /// Whether another plan of the same comes to something else, but for what chains are at and are called.
    pub fn has_changed(&self, other: &Self) -> bool {
        self.holders != other.holders
            || self.shared != other.shared
            || self.files != other.files
            || self.code != other.code
            || self.epochs.len() != other.epochs.len()
    }
}

/// A ref, not of the chains, that holds some of what is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its full name.
    pub name: String,
    /// What it is.
    pub tip: Oid,
    /// Whether a purge may delete it when asked to: seals, archived experiments, and branches of experiments that nobody is on.
    pub can_go: bool,
}

/// What a purge did.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The withdrawal.
    pub withdrawal: EntryId,
    /// The names that this clone's writers had and have now.
    pub epochs: Vec<(Writer, Writer)>,
}

/// A log that its writer withdrew, with the epoch that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The writer whose log went.
    pub old: Writer,
    /// The epoch that took its place.
    pub by: Writer,
    /// Whether that log is this clone's own, as after it was copied.
    pub is_own: bool,
}

/// What is to be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The entries.
    pub ids: &'a [EntryId],
    /// What of them is to go.
    pub gone: &'a [Part],
    /// Whether code goes, too, that is no snapshot of ours.
    pub all_code: bool,
    /// Logs of this clone that go on as a new epoch also where they hold none of it.
    pub logs: &'a [Writer],
}

/// Withdrawals, each with the ID of its entry.
type Withdrawals = Vec<(EntryId, Withdrawal)>;

/// What was followed of others' withdrawals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The logs that went here.
    pub gone: Vec<Superseded>,
    /// The tags of seals that went here.
    pub seals: Vec<String>,
    /// Logs that are kept, and why.
    pub problems: Vec<(String, String)>,
}

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

/// What the withdrawals among `entries` took of which entries: that is not to be held again.
pub(super) fn taken_parts(entries: &[Located]) -> HashSet<(EntryId, Part)> {
    taken_by(entries.iter())
}

pub(super) fn taken_by<'a>(entries: impl Iterator<Item = &'a Located>) -> HashSet<(EntryId, Part)> {
    let mut taken = HashSet::new();
    for it in entries {
        if let Body::Withdrawal(withdrawal) = &it.entry.body {
            for one in &withdrawal.entries {
                taken.extend(withdrawal.gone.iter().map(|part| (one.entry, *part)));
            }
        }
    }
    taken
}

/// Has a withdrawal name the refs that go, with what they are, besides those it names.
fn name_refs(body: &mut Body, refs: impl Iterator<Item = (String, Oid)>) {
    let Body::Withdrawal(withdrawal) = body else {
        unreachable!("only withdrawals are purged by");
    };
    withdrawal.refs.extend(refs.map(|(name, tip)| Dropped { name, was: append::name(tip) }));
}

/// Whether `name` is what a remote has of this seal.
pub(super) fn is_seal_at_remote(name: &str, seal: &str) -> bool {
    let tag = seal.strip_prefix(layout::SEALS);
    tag.is_some_and(|tag| name.starts_with(layout::REMOTE) && name.ends_with(&format!("/sealed/{tag}")))
}

/// The refs that were withdrawn here, and the commits that a remote may have them at.
pub type Withdrawn = BTreeMap<String, Vec<String>>;

impl Log {
    /// What carrying `order` out comes to.
    ///
    /// Where all of it is withdrawn already, and no log of this clone holds it any more, the plan has no epochs: then it tells
    /// what else still holds what this clone knows to have been taken.
    pub fn plan_purge(&self, order: Order<'_>) -> Result<Plan, LogError> {
        let repo = &self.repo;
        let mut plan = Plan { gone: order.gone.to_vec(), ..Plan::default() };
        let mut logs = Vec::new();
        for (name, tip) in repo.list_refs(layout::LOGS)? {
            let Ok(writer) = name[layout::LOGS.len()..].parse::<Writer>() else { continue };
            logs.push((writer.clone(), self.located(&writer, tip)?));
        }
        let known = self.known_writers()?;
        let mut new_names: Vec<Writer> = Vec::new();
        for (writer, entries) in &logs {
            let taken = taken_parts(entries);
            // What an epoch gave up before, it does not have.
            let has = |it: &Located, part: &Part| !taken.contains(&(it.entry.id, *part));
            let loses = |it: &Located| {
                order.ids.contains(&it.entry.id) && order.gone.iter().any(|part| has(it, part))
            };
            if entries.iter().any(loses) || order.logs.contains(writer) {
                let new = writer.next_epoch(known.iter().chain(&new_names));
                new_names.push(new.clone());
                plan.epochs.push((writer.clone(), new));
                for name_of in [layout::log_ref, layout::data_ref, layout::code_ref] {
                    if let Some(tip) = repo.read_ref(&name_of(writer))? {
                        plan.drops.push((name_of(writer), tip));
                    }
                }
            }
        }
        let entries: Vec<&Located> = logs.iter().flat_map(|(_, entries)| entries).collect();
        let trees = self.plan_doomed(&mut plan, order, &entries)?;
        for (what, by) in self.still_shared(order.ids, &entries) {
            plan.shared.entry(what).or_default().extend(by);
        }
        self.find_holders(&mut plan, &trees)?;
        Ok(plan)
    }

    /// Every entry of a log.
    pub(super) fn located(&self, writer: &Writer, tip: Oid) -> Result<Vec<Located>, LogError> {
        let mut entries = Vec::new();
        read::log(&self.repo, writer, tip, None, Vec::push, |part: Vec<_>| entries.extend(part))?;
        Ok(entries)
    }

    /// Finds what goes of the entries that `order` names among `entries`, and what of it stays because others have it; gives
    /// the trees of the entries themselves.
    pub(super) fn plan_doomed(
        &self,
        plan: &mut Plan,
        order: Order<'_>,
        entries: &[&Located],
    ) -> Result<HashSet<Oid>, LogError> {
        let repo = &self.repo;
        let is_named = |it: &Located| order.ids.contains(&it.entry.id);
        let mut trees = HashSet::new();
        for it in entries.iter().filter(|it| is_named(it)) {
            if plan.entries.iter().all(|known| known.id != it.entry.id) {
                plan.entries.push(it.entry.clone());
            }
            trees.insert(repo.read_commit(it.commit)?.tree);
            if order.gone.contains(&Part::Entry) {
                plan.doomed.extend([it.blob, it.commit, repo.read_commit(it.commit)?.tree]);
            }
        }
        let taken: HashSet<(EntryId, Part)> = taken_by(entries.iter().copied());
        let taken = &taken;
        let others = |part: Part| {
            // What another entry gave up before is no reason to keep it.
            let stays = move |it: &&Located| {
                (!is_named(it) || !order.gone.contains(&part)) && !taken.contains(&(it.entry.id, part))
            };
            entries.iter().copied().filter(stays)
        };
        if order.gone.contains(&Part::Files) {
            self.plan_files(plan, others(Part::Files))?;
        }
        if order.gone.contains(&Part::Code) {
            self.plan_code(plan, others(Part::Code), order.all_code)?;
        }
        let recorded = self.taken_objects(order.ids);
        if !recorded.is_empty() {
            // The same bytes may have been recorded again since.
            let stays = self.objects_of_chains(plan)?;
            plan.doomed.extend(recorded.into_iter().filter(|oid| !stays.contains(oid)));
        }
        // The same everywhere, and nobody's secret.
        plan.doomed.remove(&repo.empty_tree());
        plan.doomed.remove(&repo.hash_object(ObjectKind::Blob, b""));
        Ok(trees)
    }

    /// The objects of this clone's chains of files and code, but for those that go.
    pub(super) fn objects_of_chains(&self, plan: &Plan) -> Result<HashSet<Oid>, LogError> {
        let mut tips = Vec::new();
        for prefix in [layout::DATA, layout::CODE] {
            let stays = |(name, _): &(String, Oid)| plan.drops.iter().all(|(dropped, _)| dropped != name);
            tips.extend(self.repo.list_refs(prefix)?.into_iter().filter(stays).map(|(_, tip)| tip));
        }
        Ok(self.repo.objects_of(&tips, &[])?.into_iter().map(|(oid, _)| oid).collect())
    }

    fn known_writers(&self) -> Result<Vec<Writer>, LogError> {
        let mut known = Vec::new();
        for prefix in [layout::LOGS, layout::SEEN, layout::REMOTE] {
            let refs = self.repo.list_refs(prefix)?;
            known.extend(refs.iter().filter_map(|(name, _)| name.rsplit('/').next()?.parse().ok()));
        }
        Ok(known)
    }

    fn plan_files<'a>(
        &self,
        plan: &mut Plan,
        others: impl Iterator<Item = &'a Located>,
    ) -> Result<(), LogError> {
        let tree_of = |entry: &Entry| Oid::from_hex(entry.files.as_ref()?.tree.as_str());
        let mut wanted: BTreeMap<Oid, String> = BTreeMap::new();
        let mut seen = HashSet::new();
        for tree in plan.entries.iter().filter_map(tree_of) {
            self.objects_below(tree, "", &mut seen, &mut |oid, path| {
                wanted.insert(oid, path.to_owned());
            })?;
        }
        let mut kept = HashSet::new();
        for it in others {
            let Some(tree) = tree_of(&it.entry) else { continue };
            let mut found: Vec<(Oid, String)> = Vec::new();
            self.objects_below(tree, "", &mut kept, &mut |oid, path| found.push((oid, path.to_owned())))?;
            if wanted.contains_key(&tree) && found.is_empty() {
                found.push((tree, String::new()));
            }
            for (oid, path) in found {
                if wanted.remove(&oid).is_some() && !path.ends_with('/') && !path.is_empty() {
                    plan.shared.entry(path).or_default().insert(it.entry.id);
                }
            }
        }
        plan.files =
            wanted.values().filter(|path| !path.is_empty() && !path.ends_with('/')).cloned().collect();
        plan.doomed.extend(wanted.into_keys());
        Ok(())
    }

    /// Tells `take` of a tree and all below it, each object once; folders end with a slash.
    fn objects_below(
        &self,
        tree: Oid,
        path: &str,
        seen: &mut HashSet<Oid>,
        take: &mut impl FnMut(Oid, &str),
    ) -> Result<(), LogError> {
        if !self.repo.has_object(tree) || !seen.insert(tree) {
            return Ok(());
        }
        take(tree, path);
        for row in self.repo.read_tree(tree)? {
            let name = format!("{path}{}", String::from_utf8_lossy(&row.name));
            if row.mode == FOLDER {
                self.objects_below(row.oid, &format!("{name}/"), seen, take)?;
            } else if seen.insert(row.oid) {
                take(row.oid, &name);
            }
        }
        Ok(())
    }

    fn plan_code<'a>(
        &self,
        plan: &mut Plan,
        others: impl Iterator<Item = &'a Located>,
        all_code: bool,
    ) -> Result<(), LogError> {
        let base_of = |entry: &Entry| match &entry.body {
            Body::Run(run) => run.code.base.as_ref().and_then(|base| Oid::from_hex(base.as_str())),
            // A brief or a reproduction may be about the snapshot of a run.
            _ => entry.commits().into_iter().find_map(|name| {
                let commit = self.repo.read_commit(Oid::from_hex(name.as_str())?).ok()?;
                (commit.message == layout::SNAPSHOT).then(|| commit.parents.first().copied()).flatten()
            }),
        };
        let mut bases = HashSet::new();
        let mut commits = BTreeSet::new();
        for entry in &plan.entries {
            let base = base_of(entry);
            if base.is_some() || all_code {
                commits.extend(entry.commits().into_iter().filter_map(|name| Oid::from_hex(name.as_str())));
                bases.extend(base);
            }
        }
        // Snapshots that stay, and commits: what was run dirty may have been committed since.
        let mut kept: BTreeMap<Oid, EntryId> = BTreeMap::new();
        let mut committed: BTreeMap<Oid, EntryId> = BTreeMap::new();
        for it in others {
            for commit in it.entry.commits().into_iter().filter_map(|name| Oid::from_hex(name.as_str())) {
                if commits.remove(&commit) {
                    plan.shared.entry(format!("code {commit}")).or_default().insert(it.entry.id);
                }
                match base_of(&it.entry) {
                    Some(base) => {
                        kept.insert(commit, it.entry.id);
                        bases.insert(base);
                    }
                    None => {
                        committed.insert(commit, it.entry.id);
                    }
                }
            }
        }
        commits.retain(|commit| self.repo.has_object(*commit));
        kept.retain(|commit, _| self.repo.has_object(*commit));
        let mut known: Vec<Oid> = bases.into_iter().filter(|base| self.repo.has_object(*base)).collect();
        if all_code {
            for commit in &commits {
                known.extend(self.repo.read_commit(*commit)?.parents);
            }
        }
        let tips: Vec<Oid> = commits.iter().copied().collect();
        let mut objects: BTreeMap<Oid, String> = self.repo.objects_of(&tips, &known)?.into_iter().collect();
        committed.retain(|commit, _| self.repo.has_object(*commit) && !kept.contains_key(commit));
        let of_others: Vec<Oid> = kept.keys().chain(committed.keys()).copied().collect();
        let held = self.repo.objects_of(&of_others, &known)?.into_iter().map(|(oid, _)| oid);
        let mut unnamed: HashSet<Oid> = held.filter(|oid| objects.contains_key(oid)).collect();
        let is_shared = !unnamed.is_empty();
        for (commit, entry) in kept.iter().chain(&committed).filter(|_| is_shared) {
            // Every later commit has what one has: the first is enough to say so.
            if unnamed.is_empty() && !kept.contains_key(commit) {
                break;
            }
            for (oid, path) in self.repo.objects_of(&[*commit], &known)? {
                unnamed.remove(&oid);
                let what = match (objects.remove(&oid), path.is_empty()) {
                    (Some(_), true) if commits.remove(&oid) => format!("code {oid}"),
                    (Some(_), false) => format!("code {path}"),
                    _ => continue,
                };
                plan.shared.entry(what).or_default().insert(*entry);
            }
        }
        plan.doomed.extend(objects.into_keys());
        plan.code = commits.into_iter().collect();
        Ok(())
    }

    /// Finds what else in this repository holds some of what is to go.
    fn find_holders(&self, plan: &mut Plan, trees: &HashSet<Oid>) -> Result<(), LogError> {
        if plan.doomed.is_empty() {
            return Ok(());
        }
        let is_dropped = |name: &str| {
            plan.drops.iter().any(|(dropped, _)| dropped == name)
                || (name.starts_with(layout::REMOTE)
                    && plan.epochs.iter().any(|(old, _)| name.ends_with(&format!("/{old}"))))
        };
        let refs = self.repo.list_refs("refs/")?;
        let refs: Vec<(String, Oid)> =
            refs.into_iter().filter(|(name, _)| name != layout::NOTES && !is_dropped(name)).collect();
        let tips: Vec<Oid> = refs.iter().map(|(_, tip)| *tip).collect();
        let doomed = &plan.doomed;
        let holds = |tips: &[Oid]| -> Result<bool, LogError> {
            Ok(self.repo.objects_of(tips, &[])?.iter().any(|(oid, _)| doomed.contains(oid)))
        };
        let mut holders = Vec::new();
        let mut elsewhere = Vec::new();
        let worktrees = self.repo.worktrees()?;
        for worktree in worktrees.iter().filter(|it| it.branch.is_none() && !it.is_gone) {
            if let Some(tip) = worktree.head
                && self.repo.has_object(tip)
                && holds(&[tip])?
            {
                let name = format!("HEAD of {}", worktree.path.display());
                holders.push(Holder { name, tip, can_go: false });
            }
        }
        if !tips.is_empty() && holds(&tips)? {
            for (name, tip) in refs.iter().cloned() {
                if !holds(&[tip])? {
                    continue;
                }
                let is_seal_of_remote = name.starts_with(layout::REMOTE) && name.contains("/sealed/");
                let is_others =
                    [layout::SEEN, layout::SEEN_DATA, layout::SEEN_CODE, layout::REMOTE, "refs/remotes/"];
                if is_others.iter().any(|prefix| name.starts_with(prefix)) {
                    if !is_seal_of_remote {
                        elsewhere.push(name);
                    }
                    continue;
                }
                let is_branch = name.starts_with("refs/heads/exp/")
                    && worktrees.iter().all(|it| it.branch.as_deref() != Some(&name));
                let can_go =
                    is_branch || name.starts_with(layout::SEALS) || name.starts_with(layout::ARCHIVE);
                holders.push(Holder { name, tip, can_go });
            }
        }
        if plan.gone.contains(&Part::Entry) {
            for (name, tip) in refs.iter().filter(|(name, _)| name.starts_with(layout::SEEN)) {
                let holds =
                    self.repo.walk_first_parent(*tip).any(|it| it.is_ok_and(|it| trees.contains(&it.1.tree)));
                if holds && !elsewhere.contains(name) {
                    elsewhere.push(name.clone());
                }
            }
        }
        if plan.gone.contains(&Part::Entry) {
            for (name, tip) in self.logbooks_about(plan, &refs)? {
                if holders.iter().all(|it: &Holder| it.name != name) {
                    holders.push(Holder { name, tip, can_go: false });
                }
            }
        }
        plan.holders = holders;
        plan.elsewhere = elsewhere;
        Ok(())
    }

    /// The branches in whose logbooks it says what the entries said.
    fn logbooks_about(&self, plan: &Plan, refs: &[(String, Oid)]) -> Result<Vec<(String, Oid)>, LogError> {
        let tells = |tips: &[Oid]| -> Result<bool, LogError> {
            let objects = self.repo.objects_of(tips, &[])?;
            let logbooks = objects.iter().filter(|(_, path)| path.starts_with(layout::LOGBOOKS));
            Ok(logbooks.filter_map(|(oid, _)| self.repo.read_blob(*oid).ok()).any(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                plan.entries.iter().any(|it| layout::is_told(&it.id, &text))
            }))
        };
        let branches: Vec<_> =
            refs.iter().filter(|(name, _)| name.starts_with("refs/heads/")).cloned().collect();
        let tips: Vec<Oid> = branches.iter().map(|(_, tip)| *tip).collect();
        let mut telling = Vec::new();
        if !plan.entries.is_empty() && !tips.is_empty() && tells(&tips)? {
            for (name, tip) in branches {
                if tells(&[tip])? {
                    telling.push((name, tip));
                }
            }
        }
        Ok(telling)
    }

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
        self.write_progress(&progress)?;
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

    /// Makes the three chains of `old` again for `new`, without what goes; gives their refs, the log last.
    fn rebuild(
        &self,
        plan: &Plan,
        old: &Writer,
        new: &Writer,
        (bytes, withdrawal, offset_minutes): (&[u8], &Entry, i32),
        objects: &mut Vec<NewObject>,
    ) -> Result<Vec<(String, Oid)>, LogError> {
        let repo = &self.repo;
        let mut made = Vec::new();
        let Some(tip) = repo.read_ref(&layout::log_ref(old))? else { return Ok(made) };
        let mut entries = Vec::new();
        read::log(repo, old, tip, None, Vec::push, |part: Vec<_>| entries.extend(part))?;
        let is_named = |it: &Located| plan.entries.iter().any(|named| named.id == it.entry.id);
        let taken = taken_parts(&entries);
        let loses = |it: &Located, part: Part| {
            (is_named(it) && plan.gone.contains(&part)) || taken.contains(&(it.entry.id, part))
        };
        let held = super::fsck::code_of(repo, &layout::code_ref(old))?.unwrap_or_default();
        let add = |objects: &mut Vec<NewObject>, kind: ObjectKind, bytes: Vec<u8>| {
            let oid = repo.hash_object(kind, &bytes);
            objects.push(NewObject { kind, oid, bytes });
            oid
        };
        let commit = |objects: &mut Vec<NewObject>, like: Oid, change: &dyn Fn(NewCommit) -> NewCommit| {
            let commit = change(repo.read_commit(like)?);
            Ok::<Oid, LogError>(add(objects, ObjectKind::Commit, repo.encode_commit(&commit)))
        };

        let mut code: Vec<Oid> = Vec::new();
        let mut known = HashSet::new();
        let mut data: Option<Oid> = None;
        let mut trees = HashSet::new();
        for it in &entries {
            // Code that an earlier purge took is no longer in the chain, though it may still be in this repository.
            let takes_code =
                |oid: &Oid| loses(it, Part::Code) && (plan.doomed.contains(oid) || !held.contains(oid));
            let wanted = it.entry.commits().into_iter().filter_map(|name| Oid::from_hex(name.as_str()));
            code.extend(wanted.filter(|oid| !takes_code(oid) && repo.has_object(*oid) && known.insert(*oid)));
            let tree = it.entry.files.as_ref().and_then(|files| Oid::from_hex(files.tree.as_str()));
            let Some(tree) = tree.filter(|tree| repo.has_object(*tree)) else { continue };
            if !loses(it, Part::Files) && trees.insert(tree) {
                let text = format!(
                    "data of {} {}\n\nEntry: {}\n",
                    it.entry.kind(),
                    it.entry.id.short(),
                    it.entry.id
                );
                data = Some(commit(objects, it.commit, &|like| NewCommit {
                    tree,
                    parents: data.into_iter().collect(),
                    message: text.clone().into_bytes(),
                    ..like
                })?);
            }
        }
        let empty = add(objects, ObjectKind::Tree, Vec::new());
        if !code.is_empty() {
            let oid = commit(objects, tip, &|like| NewCommit {
                tree: empty,
                parents: code.clone(),
                message: b"keep the code of runs again\n".to_vec(),
                ..like
            })?;
            made.push((layout::code_ref(new), oid));
        }
        made.extend(data.map(|oid| (layout::data_ref(new), oid)));

        let first = entries.first().map_or(tip, |it| it.commit);
        let mut last = commit(objects, first, &|like| NewCommit {
            tree: empty,
            parents: Vec::new(),
            message: message::root(new).into_bytes(),
            ..like
        })?;
        for it in entries.iter().filter(|it| !loses(it, Part::Entry)) {
            last = commit(objects, it.commit, &|like| NewCommit { parents: vec![last], ..like })?;
        }
        let blob = add(objects, ObjectKind::Blob, bytes.to_vec());
        let row = TreeEntry { mode: 0o100_644, name: b"entry.json".to_vec(), oid: blob };
        let tree = add(objects, ObjectKind::Tree, repo.encode_tree(vec![row])?);
        let stamp = append::Stamp::of(withdrawal, offset_minutes);
        let before = repo.read_commit(tip)?.committer.seconds;
        let text = message::of(withdrawal);
        let oid = stamp.commit_after(repo, objects, tree, vec![last], before, text);
        made.push((layout::log_ref(new), oid));
        Ok(made)
    }

    /// Refuses to begin where a new chain would still reach what is to go.
    fn refuse_what_still_holds(&self, plan: &Plan, made: &[(String, Oid)]) -> Result<(), LogError> {
        for (name, tip) in made {
            let objects = self.repo.objects_of(&[*tip], &[])?;
            if let Some((oid, path)) = objects.iter().find(|(oid, _)| plan.doomed.contains(oid)) {
                let what = if path.is_empty() { oid.to_hex() } else { path.clone() };
                return Err(LogError::StillHeld { name: name.clone(), what });
            }
        }
        Ok(())
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

    fn write_progress(&self, progress: &Progress) -> Result<(), LogError> {
        self.write_durably(&self.folders.purge(), progress)
    }

    pub(super) fn write_durably(
        &self,
        path: &std::path::Path,
        value: &impl Serialize,
    ) -> Result<(), LogError> {
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
    pub(super) fn drop_refs<'a>(
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

    fn remove(&self, path: &std::path::Path) -> Result<(), LogError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(file_error("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes index and notes anew, so that nothing of what went is left in them or in the history of the notes.
    fn forget_views(&self) -> Result<(), LogError> {
        let _ = fs::remove_dir_all(self.folders.index());
        self.renew_notes()
    }

    /// Begins the notes anew where they hold or held what is gone, and lets go of those of remotes that do.
    fn renew_notes(&self) -> Result<(), LogError> {
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
    pub(super) fn gone(&self, index: &mut super::index::Index) -> Result<HashSet<EntryId>, LogError> {
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

    /// The logs here that a later epoch of their writer withdrew.
    pub fn superseded(&self) -> Result<Vec<Superseded>, LogError> {
        Ok(self.find_superseded()?.into_iter().map(|(it, _)| it).collect())
    }

    /// The same, each with the withdrawals that the later epoch holds.
    fn find_superseded(&self) -> Result<Vec<(Superseded, Withdrawals)>, LogError> {
        let mut logs = Vec::new();
        for (prefix, is_own) in [(layout::LOGS, true), (layout::SEEN, false)] {
            for (name, tip) in self.repo.list_refs(prefix)? {
                if let Ok(writer) = name[prefix.len()..].parse::<Writer>() {
                    logs.push((writer, tip, is_own));
                }
            }
        }
        let mut found = Vec::new();
        for (by, tip, _) in logs.iter().filter(|(by, ..)| by.is_later_epoch()) {
            let olds: Vec<_> = logs.iter().filter(|(old, ..)| old.is_followed_by(by)).collect();
            if olds.is_empty() {
                continue;
            }
            let mut withdrawals = Vec::new();
            read::log(&self.repo, by, *tip, None, Vec::push, |part: Vec<Located>| {
                withdrawals.extend(part.into_iter().filter_map(|it| match it.entry.body {
                    Body::Withdrawal(withdrawal) => Some((it.entry.id, withdrawal)),
                    _ => None,
                }));
            })?;
            for (old, _, is_own) in olds {
                if withdrawals.iter().any(|(_, it)| it.drops_log_of(old)) {
                    let it = Superseded { old: old.clone(), by: by.clone(), is_own: *is_own };
                    found.push((it, withdrawals.clone()));
                }
            }
        }
        Ok(found)
    }

    /// Lets go of logs that their writers withdrew, where the later epoch holds all else that they held.
    ///
    /// `has_new_epochs` says that later epochs came, which may withdraw what the notes here show.
    pub fn follow_withdrawals(&self, has_new_epochs: bool) -> Result<Followed, LogError> {
        let mut followed = Followed::default();
        let mut went = Vec::new();
        for (it, withdrawals) in self.find_superseded()? {
            if it.is_own {
                let problem = format!(
                    "a copy of this clone withdrew entries of it and goes on as `{}`; `git exp purge` follows, and until then it is not pushed",
                    it.by
                );
                followed.problems.push((layout::log_ref(&it.old), problem));
                continue;
            }
            let lost = self.lost_in(&it, &withdrawals)?;
            if lost > 0 {
                let entries = if lost == 1 {
                    "one of its entries, which is kept".to_owned()
                } else {
                    format!("{lost} of its entries, which are kept")
                };
                let problem = format!("`{}` withdraws it, but lacks {entries}", it.by);
                followed.problems.push((layout::seen_ref(&it.old), problem));
                continue;
            }
            let _lock = Lock::take(&self.folders)?;
            let mut drops = Vec::new();
            for (name, tip) in self.repo.list_refs("refs/exp/")? {
                let is_seen = [layout::SEEN, layout::SEEN_DATA, layout::SEEN_CODE, layout::REMOTE]
                    .iter()
                    .any(|prefix| name.starts_with(prefix));
                if is_seen && name.ends_with(&format!("/{}", it.old)) {
                    drops.push((name, tip));
                }
            }
            // Before they go: afterwards nothing tells what they held.
            went.extend(self.record_taken_of(&it, &withdrawals, &drops)?);
            self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
            let is_of = format!("/{}", it.old);
            self.forget_tracking(|name| name.ends_with(&is_of))?;
            followed.gone.push(it);
        }
        followed.seals = self.follow_seals()?;
        if !followed.gone.is_empty() {
            self.forget_views()?;
        } else if has_new_epochs {
            self.renew_notes()?;
        }
        self.tell_unfollowed(&mut followed)?;
        if let Some(first) = went.first() {
            let order = Order { ids: &went, gone: &[], all_code: false, logs: &[] };
            // A branch of somebody's own may have had the same content committed to it.
            let is_ours =
                |it: &Holder| !it.name.starts_with("refs/heads/") || it.name.starts_with("refs/heads/exp/");
            for holder in self.plan_purge(order)?.holders.into_iter().filter(is_ours) {
                let fate = if holder.can_go { "--drop-refs` deletes it" } else { "--dry-run` says of what" };
                let problem = format!(
                    "it holds what was withdrawn, and stays: `git exp purge {} {fate}",
                    first.short()
                );
                followed.problems.push((holder.name, problem));
            }
        }
        Ok(followed)
    }

    /// Deletes the refs of epochs that were withdrawn here and that a mirroring `git fetch` brought back.
    pub(super) fn drop_brought_back(&self) -> Result<(), LogError> {
        let withdrawn = self.withdrawn();
        for name in withdrawn.keys() {
            let old = name.strip_prefix(layout::LOGS).and_then(|name| name.parse::<Writer>().ok());
            let Some(old) = old.filter(|_| self.repo.read_ref(name).is_ok_and(|tip| tip.is_some())) else {
                continue;
            };
            let _lock = Lock::take(&self.folders)?;
            let mut drops = Vec::new();
            for name in [layout::log_ref(&old), layout::data_ref(&old), layout::code_ref(&old)] {
                drops.extend(self.repo.read_ref(&name)?.map(|tip| (name, tip)));
            }
            // What somebody appended there since stands nowhere else.
            let is_known = |(name, tip): &(String, Oid)| {
                withdrawn.get(name).is_some_and(|known| known.contains(&tip.to_hex()))
            };
            if drops.iter().all(is_known) {
                self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
            }
        }
        Ok(())
    }

    /// How many entries of a withdrawn log are neither in the later epoch nor withdrawn.
    fn lost_in(&self, it: &Superseded, withdrawals: &[(EntryId, Withdrawal)]) -> Result<usize, LogError> {
        let ids = |name: &str, writer: &Writer| -> Result<HashSet<EntryId>, LogError> {
            let mut ids = HashSet::new();
            if let Some(tip) = self.repo.read_ref(name)? {
                let take = |part: Vec<Located>| ids.extend(part.iter().map(|it| it.entry.id));
                read::log(&self.repo, writer, tip, None, Vec::push, take)?;
            }
            Ok(ids)
        };
        let mut kept = ids(&layout::seen_ref(&it.by), &it.by)?;
        kept.extend(ids(&layout::log_ref(&it.by), &it.by)?);
        kept.extend(withdrawals.iter().flat_map(|(_, it)| &it.entries).map(|it| it.entry));
        Ok(ids(&layout::seen_ref(&it.old), &it.old)?.difference(&kept).count())
    }
}
