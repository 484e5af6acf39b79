//! Lock files that stand in a Git directory: they keep Git from what they lock, also when whoever made them is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Repo;

impl Repo {
    /// Git's lock files in this worktree and in what all worktrees share, each with the time for which it has stood.
    pub fn lock_files(&self) -> Vec<(PathBuf, Duration)> {
        let mut found = Vec::new();
        let mut folders: Vec<&Path> = vec![self.common_dir()];
        if self.git_dir() != self.common_dir() {
            folders.push(self.git_dir());
        }
        for folder in folders {
            locks_in(folder, false, &mut found);
        }
        locks_in(&self.common_dir().join("refs"), true, &mut found);
        found.sort();
        found
    }

    /// Removes lock files below the folder of refs `prefix` that have stood for longer than `limit`: whoever made them is gone.
    pub fn remove_old_locks(&self, prefix: &str, limit: Duration) {
        let mut found = Vec::new();
        locks_in(&self.common_dir().join(prefix), true, &mut found);
        for (path, _) in found.into_iter().filter(|(_, age)| *age > limit) {
            // What cannot be removed is told by whatever it is in the way of.
            let _ = fs::remove_file(path);
        }
    }
}

/// The lock files in a folder, and below it where `is_deep`; what cannot be read holds none that is known of.
fn locks_in(folder: &Path, is_deep: bool, found: &mut Vec<(PathBuf, Duration)>) {
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = item.file_type() else { continue };
        let path = item.path();
        if kind.is_dir() && is_deep {
            locks_in(&path, true, found);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "lock") {
            // One that is gone by now was not left behind.
            let Ok(made) = item.metadata().and_then(|data| data.modified()) else { continue };
            found.push((path, SystemTime::now().duration_since(made).unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::lab::Lab;

    #[test]
    fn locks_of_the_index_and_of_refs_are_found_with_their_age() {
        let lab = Lab::new();
        let git = lab.repo().common_dir().to_path_buf();
        assert_eq!(lab.repo().lock_files(), []);
        for name in ["index.lock", "refs/heads/main.lock"] {
            let file = fs::File::create(git.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
        }
        let found = lab.repo().lock_files();
        let names: Vec<&Path> = found.iter().map(|(path, _)| path.strip_prefix(&git).unwrap()).collect();
        assert_eq!(names, [Path::new("index.lock"), Path::new("refs/heads/main.lock")]);
        assert!(found.iter().all(|(_, age)| (3_599..3_700).contains(&age.as_secs())), "{found:?}");
        lab.repo().remove_old_locks("refs/heads/", Duration::from_hours(2));
        assert_eq!(lab.repo().lock_files().len(), 2);
        lab.repo().remove_old_locks("refs/heads/", Duration::from_mins(1));
        let left: Vec<PathBuf> = lab.repo().lock_files().into_iter().map(|(path, _)| path).collect();
        assert_eq!(left, [git.join("index.lock")]);
    }
}
