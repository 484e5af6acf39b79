//! Throw-away repositories for the tests of this module; real `git` makes them, and is asked what it thinks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::object::{NewCommit, ObjectKind, Oid, Signature};
use super::{FILE, Repo, TreeEntry};

/// A folder with a repository in it, which goes when this does.
pub(super) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// A repository without commits, on the branch `main`.
    pub(super) fn new() -> Self {
        Self::with_format("sha1")
    }

    /// A repository without commits whose objects have names of the given format.
    pub(super) fn with_format(format: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        lab.git(["init", "--quiet", "--initial-branch=main", "--object-format", format]);
        for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.com"), ("gc.auto", "0")] {
            lab.git(["config", key, value]);
        }
        lab
    }

    /// A repository with one commit, of the file `a` with `one` in it.
    pub(super) fn with_commit() -> Self {
        let lab = Self::new();
        lab.write("a", "one\n");
        lab.commit_all("first");
        lab
    }

    pub(super) fn top(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    pub(super) fn repo(&self) -> Repo {
        Repo::discover(self.folder.path()).unwrap()
    }

    pub(super) fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn commit_all(&self, message: &str) -> Oid {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
        self.oid("HEAD")
    }

    pub(super) fn oid(&self, revision: &str) -> Oid {
        Oid::from_hex(&self.git(["rev-parse", "--verify", revision])).unwrap()
    }

    /// What `git` prints, without the space around it.
    pub(super) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn try_git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        Command::new("git")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap()
    }

    /// Runs the test `name` of this program in another process, where the environment can be set; gives what it prints.
    pub(super) fn in_process(name: &str, folder: &Path, environment: &[(&str, &OsStr)]) -> String {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--include-ignored"])
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_EXP_TEST_PROCESS", "1")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes a commit of one file, `entry.json`.
    pub(super) fn entry(repo: &Repo, parent: Option<Oid>, text: &str) -> Oid {
        let oid = repo.write_object(ObjectKind::Blob, text.as_bytes()).unwrap();
        let row = TreeEntry { mode: FILE, name: b"entry.json".to_vec(), oid };
        let tree = repo.encode_tree(vec![row]).unwrap();
        let tree = repo.write_object(ObjectKind::Tree, &tree).unwrap();
        let bytes = repo.encode_commit(&commit(tree, parent, text));
        repo.write_object(ObjectKind::Commit, &bytes).unwrap()
    }
}

/// Whether this process was started by [`Lab::in_process`].
pub(super) fn is_in_process() -> bool {
    std::env::var_os("GIT_EXP_TEST_PROCESS").is_some()
}

/// A commit by Ada.
pub(super) fn commit(tree: Oid, parent: Option<Oid>, message: &str) -> NewCommit {
    let by = Signature {
        name: b"Ada".to_vec(),
        email: b"ada@example.com".to_vec(),
        seconds: 1_700_000_000,
        offset_minutes: -210,
    };
    NewCommit {
        tree,
        parents: parent.into_iter().collect(),
        author: by.clone(),
        committer: by,
        message: format!("{message}\n").into_bytes(),
    }
}
