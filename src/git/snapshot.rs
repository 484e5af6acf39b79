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

/// Copies an index with the time at which it was written.
///
/// Git doubts what was recorded of a file within the second in which the index was written, and looks at its content; a
/// younger copy would be believed.
fn copy_with_time(from: &Path, to: &Path) -> std::io::Result<()> {
    let written = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    fs::File::options().write(true).open(to)?.set_modified(written)
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
        match copy_with_time(&self.inner.index_path(), &copy) {
            Ok(()) => {}
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Instant;

    use super::super::Changes;
    use super::super::lab::Lab;
    use super::*;

    fn all(changes: &Changes) -> Vec<PathBytes> {
        [&changes.deleted[..], &changes.untracked, &changes.staged, &changes.modified].concat()
    }

    /// What `git add --all` and `git write-tree` make of the worktree, in an index of their own.
    fn expected(lab: &Lab) -> Oid {
        let index = lab.top().join(".git/index");
        let kept = fs::read(&index).ok();
        lab.git(["add", "--all"]);
        let tree = Oid::from_hex(&lab.git(["write-tree"])).unwrap();
        match kept {
            Some(kept) => fs::write(&index, kept).unwrap(),
            None => fs::remove_file(&index).unwrap(),
        }
        tree
    }

    fn assert_snapshot_is_the_worktree(lab: &Lab) {
        let repo = lab.repo();
        let index = lab.top().join(".git/index");
        let before = fs::read(&index).ok();
        let changes = repo.worktree_changes().unwrap();
        let tree = repo.snapshot_tree(&all(&changes), &[]).unwrap();
        assert_eq!(fs::read(&index).ok(), before, "the user's index was touched");
        assert_eq!(tree, expected(lab), "{changes:?}\n{}", lab.git(["ls-tree", "-r", &tree.to_hex()]));
        assert!(repo.missing_objects(tree, None).unwrap().is_empty());
        assert_eq!(fs::read_dir(repo.git_dir().join("exp")).unwrap().count(), 0);
    }

    #[test]
    fn a_snapshot_is_the_worktree_and_the_users_index_stays() {
        let lab = Lab::new();
        for name in ["kept", "changed", "gone", "script", "staged", "d/x", "to-folder", "to-file/x"] {
            lab.write(name, name);
        }
        lab.commit_all("first");
        lab.write("changed", "otherwise");
        lab.write("staged", "for the index");
        lab.git(["add", "staged"]);
        lab.write("staged", "and then again");
        for name in ["gone", "to-folder", "to-file/x"] {
            fs::remove_file(lab.top().join(name)).unwrap();
        }
        lab.write("to-folder/inside", "");
        fs::remove_dir(lab.top().join("to-file")).unwrap();
        lab.write("to-file", "");
        fs::set_permissions(lab.top().join("script"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("kept", lab.top().join("link")).unwrap();
        for name in
            [&b"with space"[..], b"new\nline", b"not \xff utf-8", b"d/deep/er", b"-dash", b"quo\"te\t"]
        {
            lab.write(OsStr::from_bytes(name), name);
        }
        lab.write(".gitignore", "ignored\n");
        lab.write("ignored", "");
        assert_snapshot_is_the_worktree(&lab);
    }

    #[test]
    fn a_file_that_changed_within_the_second_of_its_checkout_is_taken() {
        let lab = Lab::with_commit();
        lab.git(["config", "core.trustctime", "false"]);
        let at = |nanoseconds| std::time::UNIX_EPOCH + Duration::new(1_600_000_000, nanoseconds);
        let touch = |path: &str, moment| {
            fs::File::options().write(true).open(lab.top().join(path)).unwrap().set_modified(moment).unwrap();
        };
        touch("a", at(100_000_000));
        lab.git(["update-index", "--refresh"]);
        touch(".git/index", at(200_000_000));
        lab.write("a", "two\n");
        touch("a", at(500_000_000));
        let tree = lab.repo().snapshot_tree(&[b"a".to_vec()], &[]).unwrap();
        assert_eq!(lab.git(["show", &format!("{}:a", tree.to_hex())]).trim(), "two");
    }

    #[test]
    fn a_snapshot_needs_no_index_and_no_commit() {
        let lab = Lab::new();
        lab.write("a", "one");
        assert_snapshot_is_the_worktree(&lab);
    }

    #[test]
    fn a_conflict_is_taken_as_it_stands_in_the_worktree() {
        let lab = Lab::with_commit();
        lab.git(["switch", "--quiet", "--create", "other"]);
        lab.write("a", "theirs\n");
        lab.commit_all("theirs");
        lab.git(["switch", "--quiet", "main"]);
        lab.write("a", "ours\n");
        lab.commit_all("ours");
        assert!(!lab.try_git(["merge", "--quiet", "other"]).status.success());
        assert_eq!(lab.repo().worktree_changes().unwrap().modified, [b"a".to_vec()]);
        assert_snapshot_is_the_worktree(&lab);
    }

    #[test]
    fn split_sparse_and_linked_checkouts_stay_whole() {
        let lab = Lab::new();
        lab.write("in/a", "a");
        lab.write("out/b", "b");
        lab.commit_all("first");
        for how in [
            ["sparse-checkout", "set", "--no-sparse-index", "in"],
            ["sparse-checkout", "set", "--sparse-index", "in"],
        ] {
            lab.git(how);
            assert!(!lab.top().join("out/b").exists());
            lab.write("in/a", "changed");
            let repo = lab.repo();
            let changes = repo.worktree_changes().unwrap();
            assert_eq!((all(&changes), changes.hidden.len()), (vec![b"in/a".to_vec()], 0));
            let tree = repo.snapshot_tree(&all(&changes), &[]).unwrap().to_hex();
            assert_eq!(lab.git(["ls-tree", "-r", "--name-only", &tree]), "in/a\nout/b");
        }
        lab.git(["sparse-checkout", "disable"]);
        lab.git(["update-index", "--split-index"]);
        lab.write("in/new", "");
        assert_snapshot_is_the_worktree(&lab);
        lab.git(["worktree", "add", "-q", "linked"]);
        let linked = lab.repo().in_worktree(&lab.top().join("linked")).unwrap();
        lab.write("linked/in/a", "elsewhere");
        let tree = linked.snapshot_tree(&[b"in/a".to_vec()], &[]).unwrap().to_hex();
        assert_eq!(lab.git(["cat-file", "blob", &format!("{tree}:in/a")]), "elsewhere");
    }

    #[test]
    fn what_is_to_be_left_is_as_in_the_commit() {
        let lab = Lab::with_commit();
        lab.write("a", "secret");
        lab.write("new", "secret");
        lab.git(["add", "--all"]);
        let leave = [b"a".to_vec(), b"new".to_vec()];
        let tree = lab.repo().snapshot_tree(&[], &leave).unwrap();
        assert_eq!(tree, lab.oid("HEAD^{tree}"));
    }

    #[test]
    fn a_file_that_is_hidden_from_git_is_not_taken_out() {
        let lab = Lab::with_commit();
        lab.git(["update-index", "--skip-worktree", "a"]);
        let tree = lab.repo().snapshot_tree(&[b"a".to_vec()], &[]).unwrap();
        assert_eq!(tree, lab.oid("HEAD^{tree}"));
    }

    #[test]
    fn objects_that_a_snapshot_lacks_are_named() {
        let lab = Lab::with_commit();
        let base = lab.oid("HEAD^{tree}");
        lab.write("d/b", "new");
        let repo = lab.repo();
        let tree = repo.snapshot_tree(&[b"d/b".to_vec()], &[]).unwrap();
        assert!(repo.missing_objects(tree, Some(base)).unwrap().is_empty());
        let blob = lab.oid(&format!("{tree}:d/b"));
        fs::remove_file(repo.loose_path(blob)).unwrap();
        assert_eq!(lab.repo().missing_objects(tree, Some(base)).unwrap(), [blob]);
    }

    #[test]
    fn a_wide_folder_is_looked_through_in_no_time() {
        let lab = Lab::new();
        for number in 0..3000 {
            lab.write(format!("{number}"), "same");
        }
        lab.commit_all("first");
        let tree = lab.oid("HEAD^{tree}");
        let began = Instant::now();
        assert!(lab.repo().missing_objects(tree, None).unwrap().is_empty());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
