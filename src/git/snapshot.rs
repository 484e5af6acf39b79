//! Trees of the worktree as it stands, without touching the user's index.

use std::fs;

use super::error::{GitError, file_error};
use super::object::Oid;
use super::{PathBytes, Repo};

impl Repo {
    /// Writes the tree of the index with the files in `add` as they stand and those in `remove` left out.
    ///
    /// Works on a copy of the user's index, so that unchanged files are not hashed again and sparse checkouts stay whole;
    /// the user's index and files are left byte for byte as they are.
    pub fn snapshot_tree(&self, add: &[PathBytes], remove: &[PathBytes]) -> Result<Oid, GitError> {
        let folder = self.common_dir().join("exp");
        fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
        // In the Git folder of the worktree, because a split index names its other half relative to it.
        let copy = tempfile::Builder::new()
            .prefix("exp-snapshot-")
            .tempfile_in(self.git_dir())
            .map_err(file_error("create a file in", self.git_dir()))?
            .into_temp_path();
        match fs::copy(self.inner.index_path(), &copy) {
            Ok(_) => {}
            // Before the first `git add` there is none; an empty file would be refused.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::remove_file(&copy).map_err(file_error("remove", copy.to_path_buf()))?;
            }
            Err(error) => return Err(file_error("copy", self.inner.index_path())(error)),
        }
        let mut list = Vec::new();
        for path in remove.iter().chain(add) {
            list.extend_from_slice(path);
            list.push(0);
        }
        if !list.is_empty() {
            self.git(["-c", "core.fsmonitor=false", "update-index", "-z", "--add", "--remove", "--stdin"])
                .variable("GIT_INDEX_FILE", &copy)
                .input(list)
                .run()?;
        }
        let out = self.git(["write-tree"]).variable("GIT_INDEX_FILE", &copy).run()?;
        let hex = String::from_utf8_lossy(&out);
        Oid::from_hex(hex.trim()).ok_or_else(|| GitError::Revision(hex.trim().to_owned()))
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
