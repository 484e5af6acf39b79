//! What a purge would do: what goes, what of it stays because other entries have it, and which refs hold it besides.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Holder, Order, Plan, taken_parts};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::Part;
use crate::git::{FOLDER, ObjectKind, Oid};
use crate::log::error::LogError;
use crate::log::read::Located;
use crate::log::{Log, layout};

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

    /// Finds what goes of the entries that `order` names among `entries`, and what of it stays because others have it; gives
    /// the trees of the entries themselves.
    pub(in crate::log) fn plan_doomed(
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
        let taken: HashSet<(EntryId, Part)> = taken_parts(entries.iter().copied());
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
    pub(in crate::log) fn objects_of_chains(&self, plan: &Plan) -> Result<HashSet<Oid>, LogError> {
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
}
