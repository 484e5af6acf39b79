//! Moving many refs at once, in the file of packed refs.
//!
//! A lock and a file for each ref takes most of a millisecond, which for a hundred thousand of them is minutes.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use gix::lock::acquire::Fail;
use gix::refs::FullName;

use super::Repo;
use super::error::{GitError, file_error};
use super::object::{ObjectKind, Oid};
use super::reference::{Expected, RefEdit};

/// How long the lock is waited for, before it is done one by one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the first line says where there was no file: that it is in order, and that what has no line of its own is no tag.
const HEADER: &str = "# pack-refs with: peeled fully-peeled sorted ";

/// The entries of the file by name: what each is, and its lines.
type Packed<'a> = BTreeMap<&'a str, (Oid, &'a str)>;

impl Repo {
    /// The file that holds packed refs.
    pub(super) fn packed_refs_path(&self) -> PathBuf {
        self.common_dir().join("packed-refs")
    }

    /// Moves refs below `refs/exp/` to commits, durably and all at once; `false` where it takes the ordinary way: where one is
    /// not packed, or is not what was expected.
    pub(super) fn move_packed(&self, edits: &[&RefEdit]) -> Result<bool, GitError> {
        let path = self.packed_refs_path();
        let fail = Fail::AfterDurationWithBackoff(PATIENCE);
        let Ok(mut lock) = gix::lock::File::acquire_to_update_resource(&path, fail, None, 0) else {
            return Ok(false);
        };
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(String::new()),
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        let Some((header, mut packed)) = text.as_deref().and_then(parse) else { return Ok(false) };
        if !self.can_be_packed(edits, &packed)? {
            return Ok(false);
        }
        let lines: Vec<String> = edits
            .iter()
            .map(|it| it.new.map_or_else(String::new, |new| format!("{new} {}\n", it.name)))
            .collect();
        for (edit, line) in edits.iter().zip(&lines) {
            if let Some(new) = edit.new {
                packed.insert(&edit.name, (new, line));
            }
        }
        let mut text = format!("{header}\n");
        for (_, lines) in packed.values() {
            text.push_str(lines);
        }
        let write = |file: &mut fs::File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        lock.with_mut(write).map_err(file_error("write", &path))?;
        lock.commit().map_err(|error| file_error("write", &path)(error.error))?;
        self.sync_path(&path)?;
        Ok(true)
    }

    fn can_be_packed(&self, edits: &[&RefEdit], packed: &Packed<'_>) -> Result<bool, GitError> {
        let folders: HashSet<&str> = packed.keys().flat_map(|name| above(name)).collect();
        let mut free: HashSet<&str> = HashSet::new();
        let mut commit = None;
        for edit in edits {
            let known = packed.get(edit.name.as_str()).map(|(oid, _)| *oid);
            let is_expected = match edit.expected {
                Expected::Any => true,
                Expected::Absent => known.is_none(),
                Expected::Is(oid) => known == Some(oid),
            };
            let (Some(new), true) = (edit.new, is_expected && edit.name.starts_with("refs/exp/")) else {
                return Ok(false);
            };
            // A loose one goes before a packed one; a folder of this name holds others.
            let is_loose = fs::symlink_metadata(self.common_dir().join(&edit.name)).is_ok();
            if is_loose
                || folders.contains(edit.name.as_str())
                || FullName::try_from(edit.name.as_str()).is_err()
            {
                return Ok(false);
            }
            for folder in above(&edit.name).take_while(|folder| *folder != "refs/exp") {
                let is_ref = || packed.contains_key(folder) || self.common_dir().join(folder).is_file();
                if free.insert(folder) && is_ref() {
                    let (name, blocking) = (edit.name.clone(), folder.to_owned());
                    return Err(GitError::Blocked { name, blocking });
                }
            }
            if commit != Some(new)
                && self.read_object(new).map_or(true, |(kind, _)| kind != ObjectKind::Commit)
            {
                return Ok(false);
            }
            commit = Some(new);
        }
        Ok(true)
    }
}

/// The folders that a name is in, the nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'))
        .map(|(folder, _)| folder)
}

/// Reads the file: its first line, and its entries; `None` where it is of another shape than Git writes.
fn parse(text: &str) -> Option<(&str, Packed<'_>)> {
    if text.is_empty() {
        return Some((HEADER, Packed::new()));
    }
    let (header, mut rest) = text.split_once('\n')?;
    if !header.starts_with("# pack-refs with:") || !header.contains(" sorted") {
        return None;
    }
    let mut packed = Packed::new();
    while !rest.is_empty() {
        let mut end = rest.find('\n')? + 1;
        let (oid, name) = rest[..end - 1].split_once(' ')?;
        if rest[end..].starts_with('^') {
            end += rest[end..].find('\n')? + 1;
        }
        packed.insert(name, (Oid::from_hex(oid)?, &rest[..end]));
        rest = &rest[end..];
    }
    Some((header, packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::lab::Lab;

    #[test]
    fn many_refs_are_packed_beside_what_was_packed_before() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let tip = repo.head().unwrap().commit.unwrap();
        lab.git(["tag", "-a", "-m", "x", "v1"]);
        lab.git(["pack-refs", "--all"]);
        let edit =
            |name: &str, expected| RefEdit { name: format!("refs/exp/{name}"), expected, new: Some(tip) };
        let edits: Vec<RefEdit> = (0..100).map(|n| edit(&format!("log/{n:08}"), Expected::Absent)).collect();
        repo.update_refs(&edits, "test").unwrap();
        assert!(!repo.common_dir().join("refs/exp/log/00000007").exists());
        assert_eq!(repo.list_refs("refs/exp/log/").unwrap().len(), 100);
        assert_eq!(repo.read_ref("refs/exp/log/00000007").unwrap(), Some(tip));
        assert_eq!(lab.git(["for-each-ref", "refs/exp"]).lines().count(), 100);
        assert_eq!(lab.git(["rev-parse", "v1^{}"]).trim(), tip.to_hex());
        lab.git(["fsck"]);
        // What is expected is held, and one that is in the way is named, as for a single one.
        assert!(repo.update_refs(&edits, "test").unwrap_err().is_moved());
        let below: Vec<RefEdit> = (0..100).map(|n| edit(&format!("log/{n:08}/x"), Expected::Any)).collect();
        assert!(matches!(repo.update_refs(&below, "test"), Err(GitError::Blocked { .. })));
    }
}
