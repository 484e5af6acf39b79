//! Trees of the worktree as it stands, without touching the user's index.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::error::{GitError, file_error};
use super::object::Oid;
use super::{PathBytes, Repo};

/// What the folders of snapshots begin with.
const SNAPSHOT: &str = "snapshot-";

/// Removes the folders of snapshots whose processes died.
fn clear_away(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(SNAPSHOT);
        let age =
            entry.metadata().and_then(|data| data.modified()).map(|made| made.elapsed().unwrap_or_default());
        if is_ours && age.is_ok_and(|age| age > Duration::from_hours(24)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Repo {
    /// Writes the tree of the index with the files in `take` as they stand (gone, where they are gone), and those in
    /// `leave` as they are in `HEAD`.
    ///
    /// Works on a copy of the user's index, so that unchanged files are not hashed again and sparse checkouts stay whole;
    /// the user's index and files are left byte for byte as they are.
    pub fn snapshot_tree(&self, take: &[PathBytes], leave: &[PathBytes]) -> Result<Oid, GitError> {
        let place = self.git_dir().join("exp");
        fs::create_dir_all(&place).map_err(file_error("create", &place))?;
        clear_away(&place);
        let folder = tempfile::Builder::new()
            .prefix(SNAPSHOT)
            .tempdir_in(&place)
            .map_err(file_error("create a folder in", &place))?;
        let copy = folder.path().join("index");
        match fs::copy(self.inner.index_path(), &copy) {
            Ok(_) => {}
            // Before the first `git add` there is none.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(file_error("copy", self.inner.index_path())(error)),
        }
        let git = |arguments: &[&str]| {
            self.git(["-c", "core.fsmonitor=false", "-c", "core.splitIndex=false"])
                .arguments(arguments)
                .variable("GIT_INDEX_FILE", &copy)
        };
        if !leave.is_empty() {
            git(&["update-index", "-z", "--index-info"]).input(self.index_info(leave)?).run()?;
        }
        if !take.is_empty() {
            // A folder in the place of a file: first the file goes, then come those in the folder.
            let mut take: Vec<&[u8]> = take.iter().map(Vec::as_slice).collect();
            take.sort_unstable();
            let mut list = take.join(&0);
            list.push(0);
            let how = ["--add", "--remove", "--replace", "--ignore-skip-worktree-entries", "--stdin"];
            git(&["update-index", "-z"]).arguments(how).input(list).run()?;
        }
        let out = git(&["write-tree"]).run()?;
        let hex = String::from_utf8_lossy(&out);
        Oid::from_hex(hex.trim()).ok_or_else(|| GitError::Revision(hex.trim().to_owned()))
    }

    /// What makes `git update-index --index-info` set `paths` to what `HEAD` has.
    fn index_info(&self, paths: &[PathBytes]) -> Result<Vec<u8>, GitError> {
        let tree = match self.head()?.commit {
            Some(commit) => Some(self.read_commit(commit)?.tree),
            None => None,
        };
        let wanted: HashSet<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        let mut known = HashMap::new();
        if let Some(tree) = tree {
            self.entries_at(tree, &wanted, &mut known)?;
        }
        let mut info = Vec::new();
        let nothing = "0".repeat(self.empty_tree().to_hex().len());
        for path in paths {
            match known.get(path) {
                Some((mode, oid)) => info.extend_from_slice(format!("{mode:o} {oid}\t").as_bytes()),
                None => info.extend_from_slice(format!("0 {nothing}\t").as_bytes()),
            }
            info.extend_from_slice(path);
            info.push(0);
        }
        Ok(info)
    }

    /// Finds the files called `wanted` in a tree: mode and object of each.
    pub fn entries_at(
        &self,
        tree: Oid,
        wanted: &HashSet<&[u8]>,
        found: &mut HashMap<PathBytes, (u32, Oid)>,
    ) -> Result<(), GitError> {
        // Folders that hold none of them are not read.
        let mut folders: HashSet<&[u8]> = HashSet::new();
        for path in wanted {
            for (place, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                folders.insert(&path[..place]);
            }
        }
        let mut open = vec![(Vec::new(), tree)];
        while let Some((prefix, tree)) = open.pop() {
            for row in self.read_tree(tree)? {
                let path: PathBytes = [prefix.as_slice(), &row.name].concat();
                if row.mode == super::FOLDER {
                    if folders.contains(path.as_slice()) {
                        open.push(([path.as_slice(), b"/"].concat(), row.oid));
                    }
                } else if wanted.contains(path.as_slice()) {
                    found.insert(path, (row.mode, row.oid));
                }
            }
        }
        Ok(())
    }

    /// The objects of `tree` that are neither here nor in `base`, which is known to be whole.
    pub fn missing_objects(&self, tree: Oid, base: Option<Oid>) -> Result<Vec<Oid>, GitError> {
        let mut missing = Vec::new();
        self.look_for(tree, base, &mut missing)?;
        Ok(missing)
    }

    fn look_for(&self, tree: Oid, base: Option<Oid>, missing: &mut Vec<Oid>) -> Result<(), GitError> {
        if Some(tree) == base {
            return Ok(());
        }
        if !self.has_object(tree) && tree != self.empty_tree() {
            missing.push(tree);
            return Ok(());
        }
        let known = match base {
            Some(base) => self.read_tree(base)?,
            None => Vec::new(),
        };
        let known: HashMap<(&[u8], u32), Oid> =
            known.iter().map(|row| ((row.name.as_slice(), row.mode), row.oid)).collect();
        for row in self.read_tree(tree)? {
            let before = known.get(&(row.name.as_slice(), row.mode)).copied();
            match row.mode {
                super::FOLDER => self.look_for(row.oid, before, missing)?,
                // The commit of a submodule is never here.
                0o160_000 => {}
                _ if before == Some(row.oid) || self.has_object(row.oid) => {}
                _ => missing.push(row.oid),
            }
        }
        Ok(())
    }
}
