//! The next epoch of a writer: its three chains made again, without what goes.

use std::collections::HashSet;

use super::{Plan, taken_parts};
use crate::domain::entry::Entry;
use crate::domain::id::Writer;
use crate::domain::withdrawal::Part;
use crate::git::{NewCommit, ObjectKind, Oid, TreeEntry};
use crate::log::append::Stamp;
use crate::log::error::LogError;
use crate::log::journal::NewObject;
use crate::log::read::Located;
use crate::log::{Log, fsck, layout, message};

impl Log {
    /// Makes the three chains of `old` again for `new`, without what goes; gives their refs, the log last.
    pub(super) fn rebuild(
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
        let entries = self.located(old, tip)?;
        let is_named = |it: &Located| plan.entries.iter().any(|named| named.id == it.entry.id);
        let taken = taken_parts(&entries);
        let loses = |it: &Located, part: Part| {
            (is_named(it) && plan.gone.contains(&part)) || taken.contains(&(it.entry.id, part))
        };
        let held = fsck::code_of(repo, &layout::code_ref(old))?.unwrap_or_default();
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
        let stamp = Stamp::of(withdrawal, offset_minutes);
        let before = repo.read_commit(tip)?.committer.seconds;
        let text = message::of(withdrawal);
        let oid = stamp.commit_after(repo, objects, tree, vec![last], before, text);
        made.push((layout::log_ref(new), oid));
        Ok(made)
    }

    /// Refuses to begin where a new chain would still reach what is to go.
    pub(super) fn refuse_what_still_holds(
        &self,
        plan: &Plan,
        made: &[(String, Oid)],
    ) -> Result<(), LogError> {
        for (name, tip) in made {
            let objects = self.repo.objects_of(&[*tip], &[])?;
            if let Some((oid, path)) = objects.iter().find(|(oid, _)| plan.doomed.contains(oid)) {
                let what = if path.is_empty() { oid.to_hex() } else { path.clone() };
                return Err(LogError::StillHeld { name: name.clone(), what });
            }
        }
        Ok(())
    }
}
