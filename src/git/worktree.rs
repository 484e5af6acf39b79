//! Branches and worktrees.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Repo;
use super::error::{GitError, file_error};
use super::object::Oid;

/// One of a repository's worktrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worktree {
    /// Its top.
    pub path: PathBuf,
    /// The commit that is checked out; `None` before the first one.
    pub head: Option<Oid>,
    /// The full name of the branch; `None` when detached or bare.
    pub branch: Option<String>,
    /// Whether it is locked against removal.
    pub is_locked: bool,
    /// Whether its folder is gone, so that Git would forget it.
    pub is_gone: bool,
}

/// How often the worktrees are listed again before one that is being made is taken for given up.
const PATIENCE: u32 = 10;

impl Repo {
    /// Makes a branch at `start` with a worktree at `path`.
    pub fn add_worktree(&self, path: &Path, branch: &str, start: Oid) -> Result<(), GitError> {
        let start = start.to_hex();
        self.git(["worktree", "add", "--quiet", "--no-track", "-b", branch])
            .argument(path)
            .argument(&start)
            // A checkout, and so a time at which the user expects a partial clone to fetch.
            .without_variable("GIT_NO_LAZY_FETCH")
            .without_variable("GIT_WORK_TREE")
            .run()
            .map(drop)
    }

    /// Makes a worktree at `path` for a branch that exists.
    pub fn add_worktree_of(&self, path: &Path, branch: &str) -> Result<(), GitError> {
        self.git(["worktree", "add", "--quiet"])
            .argument(path)
            .argument(branch)
            // A checkout, and so a time at which the user expects a partial clone to fetch.
            .without_variable("GIT_NO_LAZY_FETCH")
            .without_variable("GIT_WORK_TREE")
            .run()
            .map(drop)
    }

    /// Makes a worktree at `path` that is at `commit` and on no branch.
    pub fn add_detached_worktree(&self, path: &Path, commit: Oid) -> Result<(), GitError> {
        let commit = commit.to_hex();
        self.git(["worktree", "add", "--quiet", "--detach"])
            .argument(path)
            .argument(&commit)
            // A checkout, and so a time at which the user expects a partial clone to fetch.
            .without_variable("GIT_NO_LAZY_FETCH")
            .without_variable("GIT_WORK_TREE")
            .run()
            .map(drop)
    }

    /// Forgets worktrees whose folders are gone.
    pub fn prune_worktrees(&self) -> Result<(), GitError> {
        self.git(["worktree", "prune"]).run().map(drop)
    }

    /// Removes a worktree whose changes were put into safety.
    pub fn remove_worktree(&self, path: &Path) -> Result<(), GitError> {
        self.git(["worktree", "remove", "--force"]).argument(path).run().map(drop)
    }

    /// All worktrees, the main one first.
    pub fn worktrees(&self) -> Result<Vec<Worktree>, GitError> {
        let list = || self.git(["worktree", "list", "--porcelain", "-z"]).run();
        let mut listed = list();
        // Git cannot list any while one is being made.
        for _ in 0..PATIENCE {
            if listed.is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            listed = list();
        }
        let out = match listed {
            Err(_) if self.drop_half_made_worktrees() => list()?,
            listed => listed?,
        };
        let mut worktrees: Vec<Worktree> = Vec::new();
        for line in out.split(|&byte| byte == 0) {
            let text = String::from_utf8_lossy(line);
            let (word, rest) = text.split_once(' ').unwrap_or((text.as_ref(), ""));
            match (word, worktrees.last_mut()) {
                ("worktree", _) => {
                    worktrees
                        .push(Worktree { path: path_of(&line["worktree ".len()..]), ..Worktree::default() });
                }
                ("HEAD", Some(last)) => last.head = Oid::from_hex(rest).filter(|oid| !oid.0.is_null()),
                ("branch", Some(last)) => last.branch = Some(rest.to_owned()),
                ("locked", Some(last)) => last.is_locked = true,
                ("prunable", Some(last)) => last.is_gone = true,
                _ => {}
            }
        }
        Ok(worktrees)
    }

    /// Drops what a process left that died while it made a worktree; says whether there was any.
    fn drop_half_made_worktrees(&self) -> bool {
        let Ok(folders) = std::fs::read_dir(self.common_dir().join("worktrees")) else { return false };
        let is_half_made =
            |path: &Path| std::fs::read(path.join("commondir")).map_or(true, |bytes| bytes.is_empty());
        let half_made: Vec<PathBuf> =
            folders.flatten().map(|folder| folder.path()).filter(|path| is_half_made(path)).collect();
        // What cannot be removed is told by Git.
        half_made.iter().any(|path| std::fs::remove_dir_all(path).is_ok())
    }

    /// The ignored files and folders of the worktree, links left out.
    pub fn ignored_files(&self) -> Result<Vec<super::PathBytes>, GitError> {
        let out = self
            .git(["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"])
            .run()?;
        let top = self.work_dir().unwrap_or(Path::new(""));
        let paths = out.split(|&byte| byte == 0).filter(|path| !path.is_empty());
        let is_link = |path: &[u8]| {
            let path = path_of(path.strip_suffix(b"/").unwrap_or(path));
            std::fs::symlink_metadata(top.join(path)).is_ok_and(|data| data.is_symlink())
        };
        Ok(paths.filter(|path| !is_link(path)).map(<[u8]>::to_vec).collect())
    }

    /// Whether the index has this file as `HEAD` has it.
    pub fn is_unstaged(&self, path: &str) -> Result<bool, GitError> {
        self.git(["diff", "--cached", "--quiet", "--no-ext-diff", "HEAD", "--", path]).answer()
    }

    /// Takes over what was committed to the branch that is checked out here: `bytes` were appended to the file at `path`,
    /// which is now the blob `new`.
    ///
    /// What the user changed in the file stays; `bytes` come after it. A file that the user removed stays away.
    pub fn follow_appended(&self, path: &str, new: Oid, bytes: &[u8], is_new: bool) -> Result<(), GitError> {
        let row = format!("100644,{new},{path}");
        self.git(["update-index", "--add", "--cacheinfo", &row]).run()?;
        let Some(top) = self.work_dir() else { return Ok(()) };
        let file = top.join(path);
        if let (true, Some(folder)) = (is_new, file.parent()) {
            std::fs::create_dir_all(folder).map_err(file_error("write", folder))?;
        }
        let options = || {
            let mut options = std::fs::OpenOptions::new();
            options.append(true).create(is_new);
            options
        };
        match options().open(&file) {
            Ok(mut open) => open.write_all(bytes).map_err(file_error("write", &file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file_error("write", &file)(error)),
        }
    }

    /// The repository as seen from the worktree at `path`.
    pub fn in_worktree(&self, path: &Path) -> Result<Self, GitError> {
        // Found by the folder alone: the environment may name the worktree that the command was started in.
        Self::open(path)
    }

    /// Adds a pattern to the repository's own list of ignored files, unless it is there.
    pub fn exclude_locally(&self, pattern: &str) -> Result<(), GitError> {
        let path = self.common_dir().join("info").join("exclude");
        let known = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        if known.split(|&byte| byte == b'\n').any(|line| line == pattern.as_bytes()) {
            return Ok(());
        }
        let mut text = known;
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(pattern.as_bytes());
        text.push(b'\n');
        let folder = self.common_dir().join("info");
        std::fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
        std::fs::write(&path, text).map_err(file_error("write", &path))
    }
}

#[cfg(unix)]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::*;

    #[test]
    fn worktrees_are_made_listed_and_removed() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let start = lab.oid("HEAD");
        let path = lab.top().join(".worktrees/A 001");
        repo.add_worktree(&path, "exp/A-001", start).unwrap();
        lab.git(["worktree", "lock", ".worktrees/A 001"]);
        let listed = repo.worktrees().unwrap();
        let row = |path: &Path, branch: &str, is_locked| Worktree {
            is_gone: false,
            path: path.to_path_buf(),
            head: Some(start),
            branch: Some(branch.to_owned()),
            is_locked,
        };
        assert_eq!(
            listed,
            [row(&lab.top(), "refs/heads/main", false), row(&path, "refs/heads/exp/A-001", true)]
        );
        let linked = repo.in_worktree(&path).unwrap();
        assert_eq!(linked.head().unwrap().branch.as_deref(), Some("exp/A-001"));
        assert_eq!(linked.worktrees().unwrap().len(), 2);
        let error = repo.add_worktree(&path, "exp/A-001", start).unwrap_err();
        assert!(matches!(error, GitError::Program { .. }), "{error:?}");
        lab.git(["worktree", "unlock", ".worktrees/A 001"]);
        std::fs::write(path.join("a"), "changed").unwrap();
        repo.remove_worktree(&path).unwrap();
        assert!(!path.exists());
        repo.add_worktree_of(&path, "exp/A-001").unwrap();
        let aside = lab.top().join(".worktrees/aside");
        repo.add_detached_worktree(&aside, start).unwrap();
        assert_eq!(repo.in_worktree(&aside).unwrap().head().unwrap().branch, None);
        std::fs::remove_dir_all(&aside).unwrap();
        repo.prune_worktrees().unwrap();
        // From within one worktree another is made in the same repository.
        linked.add_worktree(&lab.top().join("third"), "third", start).unwrap();
        assert_eq!(repo.worktrees().unwrap().len(), 3);
    }

    #[test]
    fn a_worktree_that_was_only_half_made_hides_no_other() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        for name in ["whole", "half"] {
            repo.add_detached_worktree(&lab.top().join(".worktrees").join(name), lab.oid("HEAD")).unwrap();
        }
        std::fs::write(repo.common_dir().join("worktrees/half/commondir"), "").unwrap();
        let listed = repo.worktrees().unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed[1].path.ends_with("whole"), "{listed:?}");
    }

    #[test]
    fn a_worktree_of_a_partial_clone_may_fetch() {
        let lab = Lab::with_commit();
        lab.git(["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", lab.top().display());
        lab.git(["clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, "partial"]);
        let partial = Repo::discover(&lab.top().join("partial")).unwrap();
        let path = lab.top().join("linked");
        partial.add_worktree(&path, "exp/A-001", lab.oid("HEAD")).unwrap();
        assert_eq!(std::fs::read(path.join("a")).unwrap(), b"one\n");
    }

    #[test]
    fn a_pattern_is_excluded_once_and_the_users_own_stay() {
        let lab = Lab::with_commit();
        lab.write(".git/info/exclude", "mine");
        let repo = lab.repo();
        repo.exclude_locally("/.worktrees/").unwrap();
        repo.exclude_locally("/.worktrees/").unwrap();
        let text = std::fs::read_to_string(lab.top().join(".git/info/exclude")).unwrap();
        assert_eq!(text, "mine\n/.worktrees/\n");
        lab.write(".worktrees/x/y", "");
        lab.write("mine", "");
        assert_eq!(repo.ignored_files().unwrap(), [b".worktrees/".to_vec(), b"mine".to_vec()]);
        assert!(repo.worktree_changes().unwrap().is_clean());
    }
}
