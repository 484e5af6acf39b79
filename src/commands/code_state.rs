//! The code that is about to run, as a commit.
#![expect(clippy::disallowed_methods, reason = "reads the files that a snapshot takes")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::domain::bytes::OsBytes;
use crate::domain::id::ObjectName;
use crate::domain::run::Code;
use crate::error::Error;
use crate::git::{Changes, NewCommit, ObjectKind, Oid, PathBytes, Repo, Signature};
use crate::log::layout;
use crate::runner::{Redactor, is_secret_path};

/// The code that is about to run, and what was left out of it.
pub struct CodeState {
    /// The commit, and what makes it differ from what runs.
    pub code: Code,
    /// How the worktree differed from `HEAD`.
    pub changes: Changes,
    /// Files that run and that the commit does not have as they run.
    pub unseen: Vec<PathBytes>,
}

/// Finds the commit that the worktree of `repo` is at, storing a snapshot where it is dirty.
///
/// Untracked files in `outputs` are results of an earlier trial rather than code, and stay out.
pub fn capture(
    repo: &Repo,
    settings: &Settings,
    redactor: &Redactor,
    outputs: &HashSet<PathBytes>,
) -> Result<CodeState, Error> {
    let head = repo.head()?;
    let mut changes = repo.worktree_changes()?;
    changes.untracked.retain(|path| !outputs.contains(path));
    let mut inexact: Vec<String> = Vec::new();
    let mut unseen: Vec<PathBytes> = [&changes.hidden, &changes.nested, &changes.dirty_submodules]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    inexact.extend(
        changes.hidden.iter().map(|path| format!("`{}` is marked as unchanged but differs", shown(path))),
    );
    inexact.extend(changes.nested.iter().map(|path| format!("`{}` is a repository of its own", shown(path))));
    inexact.extend(
        changes.dirty_submodules.iter().map(|path| format!("the submodule `{}` has changes", shown(path))),
    );
    let mut others = BTreeMap::new();
    for (path, _, checked_out) in repo.submodules()? {
        let commit = checked_out.map_or_else(|| "not checked out".to_owned(), Oid::to_hex);
        others.insert(shown(&path), commit);
    }
    others.extend(siblings(repo, settings)?);
    let base_tree = head.commit.map(|commit| repo.read_commit(commit)).transpose()?;
    let (commit, tree, base) = match (head.commit, &base_tree) {
        (Some(commit), Some(read)) if changes.is_clean() => (commit, read.tree, None),
        _ => {
            let parts = Parts::choose(repo, &changes, settings, redactor)?;
            inexact.extend(parts.left_out.iter().cloned());
            unseen.extend(parts.leave.iter().cloned());
            let base = base_tree.as_ref().map(|commit| commit.tree);
            let tree = whole_tree(repo, &parts, base)?;
            inexact.extend(parts.altered(repo, tree)?);
            if Some(tree) == base {
                // All that differs was left out, so that the commit itself is the nearest there is.
                (head.commit.expect("its tree was read"), tree, None)
            } else {
                (snapshot_commit(repo, tree, head.commit)?, tree, head.commit)
            }
        }
    };
    Ok(CodeState {
        code: Code {
            commit: name(commit),
            tree: name(tree),
            base: base.map(name),
            branch: head.branch,
            inexact,
            others,
        },
        changes,
        unseen,
    })
}

/// Stores everything of a dirty worktree that a snapshot may hold, for an experiment that is put away; `None` when it is clean.
///
/// Untracked files in `elsewhere` are kept at another place and stay out.
pub fn preserve(
    repo: &Repo,
    settings: &Settings,
    redactor: &Redactor,
    elsewhere: &HashSet<PathBytes>,
) -> Result<Option<(Oid, Vec<String>)>, Error> {
    let state = capture(repo, settings, redactor, elsewhere)?;
    let head = repo.head()?.commit;
    let commit = oid(&state.code.commit);
    Ok((Some(commit) != head).then_some((commit, state.code.inexact)))
}

/// Which changed files go into a snapshot, and which do not.
struct Parts {
    take: Vec<PathBytes>,
    leave: Vec<PathBytes>,
    left_out: Vec<String>,
    /// The names that Git would give the files as they stand.
    raw: HashMap<PathBytes, Oid>,
}

impl Parts {
    fn choose(
        repo: &Repo,
        changes: &Changes,
        settings: &Settings,
        redactor: &Redactor,
    ) -> Result<Self, Error> {
        let top = repo.work_dir().ok_or_else(|| Error::request("there is no worktree here"))?;
        let capture = &settings.capture;
        let mut parts =
            Self { take: Vec::new(), leave: Vec::new(), left_out: Vec::new(), raw: HashMap::new() };
        let mut total = 0;
        let known: HashSet<&PathBytes> = changes.modified.iter().chain(&changes.untracked).collect();
        let staged =
            changes.staged.iter().filter(|path| !known.contains(path) && !changes.deleted.contains(path));
        for path in changes.modified.iter().chain(&changes.untracked).chain(staged) {
            let file = top.join(path_of(path));
            let Ok(metadata) = fs::symlink_metadata(&file) else {
                // Staged and gone: as it stands, it is not there.
                parts.take.push(path.clone());
                continue;
            };
            let refusal = if is_secret_path(path) {
                Some("its name is that of a secret".to_owned())
            } else if redactor.is_private_path(path) {
                Some("it is private".to_owned())
            } else if metadata.is_symlink() {
                None
            } else if !metadata.is_file() {
                Some("it is no ordinary file".to_owned())
            } else if metadata.len() > capture.snapshot_max_file {
                Some(format!("it is larger than {} bytes", capture.snapshot_max_file))
            } else if total + metadata.len() > capture.snapshot_max_total {
                Some(format!("all together are larger than {} bytes", capture.snapshot_max_total))
            } else {
                match fs::read(&file) {
                    Ok(bytes) => {
                        parts.raw.insert(path.clone(), repo.hash_object(ObjectKind::Blob, &bytes));
                        redactor.holds_secret(&bytes).map(|what| format!("it holds {what}"))
                    }
                    Err(error) => Some(format!("it cannot be read: {error}")),
                }
            };
            match refusal {
                None => {
                    total += metadata.len();
                    parts.take.push(path.clone());
                }
                Some(why) => {
                    parts.left_out.push(format!("`{}` was left out: {why}", shown(path)));
                    parts.leave.push(path.clone());
                }
            }
        }
        parts.take.extend(changes.deleted.iter().cloned());
        Ok(parts)
    }

    /// The files that a filter or line endings made differ between the worktree and the snapshot.
    fn altered(&self, repo: &Repo, tree: Oid) -> Result<Vec<String>, Error> {
        let wanted: HashSet<&[u8]> = self.take.iter().map(Vec::as_slice).collect();
        let mut stored = HashMap::new();
        repo.entries_at(tree, &wanted, &mut stored)?;
        let mut altered = Vec::new();
        for path in &self.take {
            if let (Some(raw), Some((0o100_644 | 0o100_755, kept))) = (self.raw.get(path), stored.get(path))
                && raw != kept
            {
                altered
                    .push(format!("`{}` is stored as a filter makes it; as it ran it is {raw}", shown(path)));
            }
        }
        Ok(altered)
    }
}

/// How often a snapshot is made again when a `git gc` takes objects of it away.
const TRIES: usize = 5;

/// Writes the snapshot's tree, and again where a prune that ran at the same time took part of it.
fn whole_tree(repo: &Repo, parts: &Parts, base: Option<Oid>) -> Result<Oid, Error> {
    for _ in 0..TRIES {
        let tree = repo.snapshot_tree(&parts.take, &parts.leave)?;
        if repo.missing_objects(tree, base)?.is_empty() {
            return Ok(tree);
        }
    }
    Err(Error::outside("cannot keep a snapshot of the worktree")
        .because("objects vanish as soon as they are written")
        .hint("is a `git gc --prune=now` or `git prune` running? try again when it is done"))
}

/// Writes the commit of a snapshot: the same for the same tree on the same `HEAD`, so that it is kept once.
fn snapshot_commit(repo: &Repo, tree: Oid, head: Option<Oid>) -> Result<Oid, Error> {
    let seconds = match head {
        Some(head) => repo.read_commit(head)?.committer.seconds,
        None => 0,
    };
    let by = Signature {
        name: b"git exp".to_vec(),
        email: b"git-exp@localhost".to_vec(),
        seconds,
        offset_minutes: 0,
    };
    let commit = NewCommit {
        tree,
        parents: head.into_iter().collect(),
        author: by.clone(),
        committer: by,
        message: layout::SNAPSHOT.to_vec(),
    };
    Ok(repo.write_object(ObjectKind::Commit, &repo.encode_commit(&commit))?)
}

/// The commits of the sibling repositories that `exp.toml` declares.
fn siblings(repo: &Repo, settings: &Settings) -> Result<BTreeMap<String, String>, Error> {
    let mut commits = BTreeMap::new();
    let Some(top) = repo.work_dir() else { return Ok(commits) };
    for (name, path) in &settings.repositories {
        let path = top.join(path);
        let state = match repo.in_worktree(&path) {
            Ok(sibling) => {
                let dirty = if sibling.worktree_changes()?.is_clean() { "" } else { " (with changes)" };
                match sibling.head()?.commit {
                    Some(commit) => format!("{commit}{dirty}"),
                    None => "no commit yet".to_owned(),
                }
            }
            Err(_) => "not there".to_owned(),
        };
        commits.insert(name.clone(), state);
    }
    Ok(commits)
}

/// A path as people read it.
pub fn shown(path: &[u8]) -> String {
    OsBytes(path.to_vec()).to_string()
}

#[cfg(unix)]
pub(super) fn path_of(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path)).to_path_buf()
}

#[cfg(not(unix))]
pub(super) fn path_of(path: &[u8]) -> PathBuf {
    PathBuf::from(shown(path))
}

fn name(oid: Oid) -> ObjectName {
    oid.to_hex().parse().expect("Git names objects in hex")
}

fn oid(name: &ObjectName) -> Oid {
    Oid::from_hex(name.as_str()).expect("an object's name is hex of the right length")
}
