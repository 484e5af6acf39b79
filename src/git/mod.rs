//! Git: the only code that names gix or starts the `git` program.
#![allow(
    clippy::disallowed_methods,
    reason = "an adapter: this is where files, the clock and processes are touched"
)]

mod config;
mod diff;
mod error;
#[cfg(test)]
mod lab;
mod lock_files;
mod maintenance;
mod object;
mod packed_refs;
mod program;
mod reference;
mod remote;
mod snapshot;
mod stale_lock;
mod status;
mod tag;
mod walk;
mod worktree;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use self::config::Identity;
pub use self::diff::{FileChange, Stored, TreeChange, TreeEdit};
pub use self::error::GitError;
pub use self::object::{
    Commit, FILE, FOLDER, NewCommit, ObjectKind, Oid, Signature, TreeEntry, is_tree_name,
};
pub use self::reference::{Expected, Head, RefEdit};
pub use self::remote::{Lacking, Offer, Pushed, Unacceptable};
pub use self::status::Changes;
pub use self::tag::Tag;
pub use self::walk::Lite;
pub use self::worktree::Worktree;

/// A path as Git has it: bytes, with `/` between folders, relative to the top of the worktree.
pub type PathBytes = Vec<u8>;

/// A repository, as seen from one of its worktrees. A clone is cheap, and can be sent to another thread.
#[derive(Clone)]
pub struct Repo {
    inner: gix::Repository,
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_dir: Option<PathBuf>,
    /// Whether `GIT_INDEX_FILE` and its like are about this repository.
    is_of_environment: bool,
    /// Its objects as [`with_small_objects`](Repo::with_small_objects) reads them, opened once for all clones.
    small_objects: Arc<OnceLock<Arc<gix::odb::Store>>>,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repo").field(&self.git_dir()).finish()
    }
}

impl Repo {
    /// Finds the repository that holds `start`, as Git does: by `GIT_DIR`, else upwards from there.
    ///
    /// Replace refs and grafts are ignored: what was recorded is read as it was written.
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        let trust = gix::sec::trust::Mapping { full: options(start), reduced: options(start) };
        let discovery = gix::discover::upwards::Options {
            // As Git does: a limit above which the folder is not must not be an error.
            match_ceiling_dir_or_error: false,
            ..Default::default()
        };
        // Absolute, because `GIT_CEILING_DIRECTORIES` is.
        let from = std::path::absolute(start).map_err(error::file_error("find the folder", start))?;
        let found =
            gix::ThreadSafeRepository::discover_with_environment_overrides_opts(from, discovery, trust);
        let mut inner = found.map_err(|error| cannot_open(start, error))?.to_thread_local();
        let is_set = |name: &str| std::env::var_os(name).is_some();
        if is_set("GIT_DIR") && !is_set("GIT_WORK_TREE") && inner.workdir().is_some() {
            // Where only the Git folder is named, Git takes the current folder as the top.
            let has_top = inner.config_snapshot().string("core.worktree").is_some();
            if !has_top && let Ok(here) = std::env::current_dir() {
                let failed = |error: gix::Error| GitError::Open { path: here.clone(), source: error.into() };
                inner.set_workdir(here.clone()).map_err(failed)?;
            }
        }
        let repo = Self::of(inner, true)?;
        if !is_set("GIT_DIR") && repo.is_at_ceiling(start) {
            return Err(GitError::NoRepository(start.to_path_buf()));
        }
        Ok(repo)
    }

    /// Whether the top is one of the folders that Git does not go up into, and `start` is below it.
    fn is_at_ceiling(&self, start: &Path) -> bool {
        let Some(ceilings) = std::env::var_os("GIT_CEILING_DIRECTORIES") else { return false };
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let top = real(self.work_dir().unwrap_or(self.git_dir()));
        let mut ceilings = std::env::split_paths(&ceilings).filter(|path| path.is_absolute());
        top.is_some() && top != real(start) && ceilings.any(|ceiling| real(&ceiling) == top)
    }

    /// The repository whose worktree, or Git folder, is at `path`, whatever the environment names.
    fn open(path: &Path) -> Result<Self, GitError> {
        let found = gix::ThreadSafeRepository::open_opts(path, isolated(options(path)));
        Self::of(found.map_err(|error| cannot_open(path, error))?.to_thread_local(), false)
    }

    fn of(mut inner: gix::Repository, is_of_environment: bool) -> Result<Self, GitError> {
        let storage = inner.config_snapshot().string("extensions.refStorage").map(|value| value.to_string());
        if storage.is_some_and(|storage| storage.eq_ignore_ascii_case("reftable")) {
            return Err(GitError::Format("reftable"));
        }
        if inner.refs.write_reflog == gix::refs::store::WriteReflog::Always {
            // Our refs move with every run: `core.logAllRefUpdates=always` would give each its own endless file.
            inner.refs.write_reflog = gix::refs::store::WriteReflog::Normal;
        }
        // Absolute, because `git` is started in another folder.
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(error::file_error("find the folder", path));
        let git_dir = absolute(inner.git_dir())?;
        let common_dir = absolute(inner.common_dir())?;
        let work_dir = inner.workdir().map(absolute).transpose()?;
        let small_objects = Arc::default();
        Ok(Self { inner, git_dir, common_dir, work_dir, is_of_environment, small_objects })
    }

    /// The Git folder of this worktree.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The Git folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The top of the worktree; `None` in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.work_dir.as_deref()
    }

    /// The top of the main worktree, as seen from any of them; `None` where the repository is bare.
    pub fn main_work_dir(&self) -> Option<PathBuf> {
        let common = std::fs::canonicalize(self.common_dir()).ok()?;
        if self.config_bool("core.bare").unwrap_or(false) {
            return None;
        }
        match self.config_string("core.worktree") {
            Some(top) => Some(common.join(top)),
            None => common.parent().map(Path::to_path_buf),
        }
    }

    /// Whether there is no worktree.
    pub fn is_bare(&self) -> bool {
        self.work_dir.is_none()
    }

    /// Whether history ends early.
    pub fn is_shallow(&self) -> bool {
        self.inner.is_shallow().unwrap_or(false)
    }

    /// Where history ends early, in the order of the commits' names.
    pub fn shallow_ends(&self) -> Vec<Oid> {
        let ends = self.inner.shallow_commits().ok().flatten();
        let mut ends: Vec<Oid> = ends.iter().flat_map(|ends| ends.iter().map(|end| Oid(*end))).collect();
        ends.sort();
        ends
    }

    /// How many hex digits the name of an object has: 40, or 64 with SHA-256.
    pub fn hex_length(&self) -> usize {
        self.inner.object_hash().len_in_hex()
    }

    /// The tree without rows.
    pub fn empty_tree(&self) -> Oid {
        Oid(self.inner.object_hash().empty_tree())
    }
}

fn options(start: &Path) -> gix::open::Options {
    let ours = [
        "core.useReplaceRefs=false",
        "gitoxide.objects.noReplace=true",
        "gitoxide.core.refsNamespace=",
        // A file that changes within the second of its checkout, and keeps its size, is told by these alone.
        "gitoxide.core.useNsec=true",
    ];
    let given = program::given_configuration(start);
    gix::open::Options::default()
        .config_overrides(given.into_iter().chain(ours.map(str::to_owned)))
        .bail_if_untrusted(true)
        .object_store_slots(SLOTS)
}

/// Room for the packs that come while a run of days is under way.
const SLOTS: gix::odb::store::init::Slots =
    gix::odb::store::init::Slots::AsNeededByDiskState { multiplier: 2.0, minimum: 256 };

/// The options without the variables that are about the repository the command was started in.
fn isolated(options: gix::open::Options) -> gix::open::Options {
    let mut permissions = gix::open::Permissions::all();
    permissions.env.objects = gix::sec::Permission::Deny;
    let is_in_hook = ["GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SHALLOW_FILE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if is_in_hook {
        // Takes away `GIT_CONFIG_*` too, which hooks are rarely given.
        permissions.env.git_prefix = gix::sec::Permission::Deny;
    }
    options.permissions(permissions)
}

fn cannot_open(start: &Path, error: gix::Error) -> GitError {
    let text = format!("{error:#}");
    let debug = format!("{error:?}");
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words) || debug.contains(words));
    if says(&["reftable"]) {
        return GitError::Format("reftable");
    }
    let unsafe_folder =
        error.iter_errors().map(ToString::to_string).find(|line| line.contains("considered unsafe"));
    if let Some(line) = unsafe_folder {
        // The folder that Git would name, which may lie above.
        let path = line.split('"').nth(1).map_or_else(|| start.to_path_buf(), PathBuf::from);
        return GitError::NotOurs(path);
    }
    if says(&[
        "Could not find a git repository",
        "No git repository",
        "NoGitRepository",
        "not find a git repository",
    ]) {
        return GitError::NoRepository(start.to_path_buf());
    }
    GitError::Open { path: start.to_path_buf(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::lab::{Lab, is_in_process};
    use super::*;

    #[test]
    fn a_repository_is_found_from_a_folder_within() {
        let lab = Lab::with_commit();
        lab.write("deep/er/x", "");
        let repo = Repo::discover(&lab.top().join("deep/er")).unwrap();
        assert_eq!(repo.work_dir(), Some(lab.top().as_path()));
        assert_eq!(repo.git_dir(), lab.top().join(".git"));
        assert!(!repo.is_bare() && !repo.is_shallow());
        assert_eq!(repo.hex_length(), 40);
    }

    #[test]
    fn where_there_is_no_repository_the_error_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Repo::discover(folder.path()).unwrap_err();
        assert!(matches!(error, GitError::NoRepository(_)), "{error:?}");
        assert!(error.is_usage() && error.hint().is_some());
    }

    #[test]
    fn a_reftable_repository_is_refused_with_the_way_out() {
        let lab = Lab::new();
        let made = lab.try_git(["init", "--quiet", "--ref-format=reftable", "other"]);
        if !made.status.success() {
            return; // A Git without reftable.
        }
        let error = Repo::discover(&lab.top().join("other")).unwrap_err();
        assert_eq!(error.to_string(), "the repository format `reftable` is not supported");
        assert!(error.hint().unwrap().contains("git refs migrate --ref-format=files"));
    }

    #[test]
    fn a_linked_worktree_shares_the_folder_of_the_main_one() {
        let lab = Lab::with_commit();
        let outside = tempfile::tempdir().unwrap();
        let path = std::fs::canonicalize(outside.path()).unwrap().join("linked");
        lab.git([OsStr::new("worktree"), OsStr::new("add"), OsStr::new("-q"), path.as_os_str()]);
        for linked in [Repo::discover(&path).unwrap(), lab.repo().in_worktree(&path).unwrap()] {
            assert_eq!(linked.work_dir(), Some(path.as_path()));
            assert_eq!(std::fs::canonicalize(linked.common_dir()).unwrap(), lab.top().join(".git"));
            assert_eq!(linked.main_work_dir(), Some(lab.top()));
        }
    }

    #[test]
    fn a_bare_repository_has_no_worktree() {
        let lab = Lab::with_commit();
        lab.git(["clone", "--quiet", "--bare", ".", "bare.git"]);
        let bare = Repo::discover(&lab.top().join("bare.git")).unwrap();
        assert!(bare.is_bare());
        assert_eq!((bare.work_dir(), bare.main_work_dir()), (None, None));
        assert_eq!(bare.head().unwrap().commit, Some(lab.oid("HEAD")));
        assert!(bare.worktree_changes().is_err());
    }

    #[test]
    fn a_repository_of_another_user_is_refused_unless_it_is_declared_safe() {
        let lab = Lab::with_commit();
        for path in [lab.top(), lab.top().join(".git")] {
            if std::os::unix::fs::chown(path, Some(12345), None).is_err() {
                return; // Only root can give a folder away.
            }
        }
        let error = Repo::discover(&lab.top()).unwrap_err();
        assert!(matches!(&error, GitError::NotOurs(path) if *path == lab.top()), "{error:?}");
        assert!(error.hint().unwrap().contains("safe.directory"));
        lab.write("config", format!("[safe]\n\tdirectory = {}\n", lab.top().display()));
        let config = lab.top().join("config");
        let safe = [("GIT_CONFIG_GLOBAL", config.as_os_str())];
        let out = Lab::in_process("git::tests::prints_its_repository", &lab.top(), &safe);
        assert!(out.contains(&format!("top={}", lab.top().display())), "{out}");
    }

    #[test]
    fn the_environment_names_the_repository_as_for_git() {
        let lab = Lab::with_commit();
        lab.write("sub/x", "");
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = std::fs::canonicalize(elsewhere.path()).unwrap();
        let (top, git_dir) = (lab.top(), lab.top().join(".git"));
        let print = |folder: &Path, environment: &[(&str, &OsStr)]| {
            Lab::in_process("git::tests::prints_its_repository", folder, environment)
        };
        // Git takes the current folder as the top where only its own folder is named.
        let out = print(&elsewhere, &[("GIT_DIR", git_dir.as_os_str())]);
        assert!(out.contains(&format!("dir={} top={}", git_dir.display(), elsewhere.display())), "{out}");
        let named = [("GIT_DIR", OsStr::new("../.git")), ("GIT_WORK_TREE", OsStr::new(".."))];
        let out = print(&top.join("sub"), &named);
        assert!(out.contains(&format!("top={} changes=1", top.display())), "{out}");
        let out = print(&top, &[("GIT_CEILING_DIRECTORIES", top.parent().unwrap().as_os_str())]);
        assert!(out.contains("changes=1"), "{out}");
        let out = print(&top.join("sub"), &[("GIT_CEILING_DIRECTORIES", top.as_os_str())]);
        assert!(out.contains("there is no Git repository"), "{out}");
    }

    #[test]
    fn another_worktree_is_seen_with_its_own_index_inside_a_hook() {
        let lab = Lab::with_commit();
        lab.git(["worktree", "add", "-q", "linked"]);
        lab.write(".git/info/exclude", "linked\n");
        let (top, path) = (lab.top(), lab.top().join("linked"));
        let hook = [
            ("GIT_INDEX_FILE", OsStr::new(".git/index")),
            ("GIT_WORK_TREE", top.as_os_str()),
            ("GIT_EXP_TEST_WORKTREE", path.as_os_str()),
        ];
        lab.write("a", "two\n");
        let out = Lab::in_process("git::tests::prints_its_repository", &lab.top(), &hook);
        assert!(out.contains(&format!("top={} changes=0", path.display())), "{out}");
    }

    /// Does nothing but in a process of its own.
    #[test]
    fn prints_its_repository() {
        if !is_in_process() {
            return;
        }
        let repo = Repo::discover(Path::new("."));
        let repo = match std::env::var_os("GIT_EXP_TEST_WORKTREE") {
            Some(path) => repo.and_then(|repo| repo.in_worktree(Path::new(&path))),
            None => repo,
        };
        match repo {
            Ok(repo) => {
                let changes = repo.worktree_changes().unwrap();
                let count = changes.modified.len() + changes.deleted.len() + changes.untracked.len();
                let real = |path: &Path| std::fs::canonicalize(path).unwrap().display().to_string();
                let top = repo.work_dir().map(real).unwrap_or_default();
                println!("dir={} top={top} changes={count}", real(repo.git_dir()));
                // The program must see the same repository.
                assert!(repo.git(["rev-parse", "HEAD"]).run().is_ok());
            }
            Err(error) => println!("{error}"),
        }
    }
}
