//! Trees of the worktree as it stands, without touching the user's index.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::error::{GitError, file_error};
use super::object::Oid;
use super::{PathBytes, Repo};

impl Repo {
    /// Writes the tree of the index with the files in `take` as they stand (gone, where they are gone), and those in
    /// `leave` as they are in `HEAD`.
    ///
    /// Works on a copy of the user's index, so that unchanged files are not hashed again and sparse checkouts stay whole;
    /// the user's index and files are left byte for byte as they are.
    pub fn snapshot_tree(&self, take: &[PathBytes], leave: &[PathBytes]) -> Result<Oid, GitError> {
        // In the Git folder of the worktree, because a split index names its other half relative to it.
        let folder = tempfile::Builder::new()
            .prefix("exp-snapshot-")
            .tempdir_in(self.git_dir())
            .map_err(file_error("create a folder in", self.git_dir()))?;
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
            let mut list = take.join(&0);
            list.push(0);
            git(&["update-index", "-z", "--add", "--remove", "--stdin"]).input(list).run()?;
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
        for row in self.read_tree(tree)? {
            let before = known.iter().find(|known| known.name == row.name && known.mode == row.mode);
            match row.mode {
                super::FOLDER => self.look_for(row.oid, before.map(|row| row.oid), missing)?,
                // The commit of a submodule is never here.
                0o160_000 => {}
                _ if before.is_some_and(|before| before.oid == row.oid) || self.has_object(row.oid) => {}
                _ => missing.push(row.oid),
            }
        }
        Ok(())
    }
}
