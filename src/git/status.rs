//! How the worktree differs from `HEAD`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gix::bstr::ByteSlice;
use gix::status::UntrackedFiles;
use gix::status::index_worktree::Item as WorktreeItem;
use gix::status::plumbing::index_as_worktree::{Change, EntryStatus};

use super::error::GitError;
use super::object::Oid;
use super::{PathBytes, Repo};

/// How many files make it worth to look at them with several threads.
const WORTH_THREADS: usize = 2000;
/// The mode of a link.
const LINK: u32 = 0o120_000;
/// The mode of a submodule.
const SUBMODULE: u32 = 0o160_000;

/// How the worktree differs from `HEAD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tracked files with other content, mode or kind than in the index, conflicts included.
    pub modified: Vec<PathBytes>,
    /// Tracked files that are gone.
    pub deleted: Vec<PathBytes>,
    /// Files that are neither tracked nor ignored.
    pub untracked: Vec<PathBytes>,
    /// Folders that are repositories of their own and no submodules.
    pub nested: Vec<PathBytes>,
    /// Submodules that have another commit checked out, or changes.
    pub dirty_submodules: Vec<PathBytes>,
    /// Tracked files that Git was told to take as unchanged, although they differ.
    pub hidden: Vec<PathBytes>,
    /// Files that the index has otherwise than `HEAD`, or that only one of them has.
    pub staged: Vec<PathBytes>,
}

impl Changes {
    /// Whether the worktree holds what `HEAD` does.
    pub fn is_clean(&self) -> bool {
        self.modified.is_empty()
            && self.deleted.is_empty()
            && self.untracked.is_empty()
            && self.staged.is_empty()
    }
}

impl Repo {
    /// How the worktree differs from `HEAD`. The index is left as it is.
    pub fn worktree_changes(&self) -> Result<Changes, GitError> {
        if self.is_bare() {
            return Err(GitError::Status("the repository is bare".into()));
        }
        let mut changes = match self.changes_in_process() {
            Ok(changes) => changes,
            // What gix cannot do, Git can; where neither can, Git's words are the better ones.
            Err(_) => parse_status(&self.git(STATUS).run()?),
        };
        self.find_hidden(&mut changes)?;
        for list in [
            &mut changes.modified,
            &mut changes.deleted,
            &mut changes.untracked,
            &mut changes.nested,
            &mut changes.dirty_submodules,
            &mut changes.hidden,
            &mut changes.staged,
        ] {
            list.sort();
            list.dedup();
        }
        Ok(changes)
    }

    fn changes_in_process(&self) -> Result<Changes, gix::Error> {
        let mut changes = Changes::default();
        // Threads cost more than they bring where there is little to look at.
        let is_small = self.inner.index_or_empty()?.entries().len() < WORTH_THREADS;
        let platform = self
            .inner
            .status(gix::progress::Discard)?
            .index_worktree_options_mut(|options| options.thread_limit = is_small.then_some(1))
            .untracked_files(UntrackedFiles::Files)
            .index_worktree_rewrites(None)
            .tree_index_track_renames(gix::status::tree_index::TrackRenames::Disabled)
            .index_worktree_submodules(gix::status::Submodule::Given {
                ignore: gix::submodule::config::Ignore::None,
                check_dirty: false,
            });
        for item in platform.into_iter(None)? {
            match item? {
                gix::status::Item::TreeIndex(change) => changes.staged.push(change.location().to_vec()),
                gix::status::Item::IndexWorktree(item) => take(&mut changes, item),
            }
        }
        Ok(changes)
    }

    /// Finds files that the index says not to look at, although they are not as the index has them.
    fn find_hidden(&self, changes: &mut Changes) -> Result<(), GitError> {
        use gix::index::entry::{Flags, Mode};
        let Some(top) = self.work_dir() else { return Ok(()) };
        let index = self.inner.index_or_empty().map_err(|error| GitError::Status(error.into()))?;
        for entry in index.entries() {
            if !entry.flags.intersects(Flags::ASSUME_VALID | Flags::SKIP_WORKTREE)
                || matches!(entry.mode, Mode::DIR | Mode::COMMIT)
            {
                continue;
            }
            let path = entry.path(&index);
            let Ok(relative) = path.to_path() else { continue };
            let file = top.join(relative);
            let is_as_recorded = match gix::index::fs::Metadata::from_path_no_follow(&file) {
                // A sparse checkout leaves files out; a file that is only assumed to be unchanged should be there.
                Err(_) => entry.flags.contains(Flags::SKIP_WORKTREE),
                Ok(data) => {
                    let now = gix::index::entry::Stat::from_fs(&data).ok();
                    // Where the times agree nothing is read, so that line endings and filters do not matter either.
                    now.is_some_and(|now| now.mtime == entry.stat.mtime && now.size == entry.stat.size)
                        || self.content_of(&file, data.is_symlink()) == Some(Oid(entry.id))
                }
            };
            if !is_as_recorded {
                changes.hidden.push(path.to_vec());
            }
        }
        Ok(())
    }

    /// The name that Git would give the content of a file as it stands, or the target of a link.
    fn content_of(&self, file: &Path, is_link: bool) -> Option<Oid> {
        let bytes = if is_link {
            fs::read_link(file).ok()?.into_os_string().into_encoded_bytes()
        } else {
            fs::read(file).ok()?
        };
        Some(self.hash_object(super::ObjectKind::Blob, &bytes))
    }

    /// A file of the worktree as it stands, or the target of a link: its mode and its bytes.
    pub fn worktree_file(&self, path: &[u8]) -> Result<(u32, Vec<u8>), GitError> {
        let file = self.work_dir().unwrap_or(Path::new("")).join(super::worktree::path_of(path));
        let failed = || super::error::file_error("read", &file);
        let data = gix::index::fs::Metadata::from_path_no_follow(&file).map_err(failed())?;
        if data.is_symlink() {
            let target = fs::read_link(&file).map_err(failed())?;
            return Ok((LINK, target.into_os_string().into_encoded_bytes()));
        }
        let mode = if data.is_executable() { 0o100_755 } else { super::FILE };
        Ok((mode, fs::read(&file).map_err(failed())?))
    }

    /// What the files of the worktree would be in a commit, without storing them; those that are gone are left out.
    ///
    /// `known` are the modes that they had, for where the file system cannot tell who may execute a file.
    pub fn worktree_entries(
        &self,
        paths: &[PathBytes],
        known: &HashMap<PathBytes, (u32, Oid)>,
    ) -> Result<HashMap<PathBytes, (u32, Oid)>, GitError> {
        let top = self.work_dir().unwrap_or(Path::new(""));
        let tells_modes = self.config_bool("core.fileMode").unwrap_or(true);
        let mut found = HashMap::new();
        let mut files: Vec<(&PathBytes, u32)> = Vec::new();
        for path in paths {
            let file = top.join(super::worktree::path_of(path));
            let Ok(data) = gix::index::fs::Metadata::from_path_no_follow(&file) else { continue };
            let before = known.get(path).map(|(mode, _)| *mode);
            if data.is_symlink() {
                found.extend(self.content_of(&file, true).map(|oid| (path.clone(), (LINK, oid))));
            } else if data.is_dir() {
                let module = Self::open(&file).ok().and_then(|module| module.head().ok()?.commit);
                found.extend(module.map(|oid| (path.clone(), (SUBMODULE, oid))));
            } else {
                let told = if data.is_executable() { super::FILE | 0o111 } else { super::FILE };
                let is_file = |mode: &u32| mode & 0o170_000 == super::FILE & 0o170_000;
                files.push((path, before.filter(|mode| !tells_modes && is_file(mode)).unwrap_or(told)));
            }
        }
        // A name with a line break in it cannot be handed over in a list.
        let (odd, plain): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| path.contains(&b'\n'));
        let lists = odd.into_iter().map(|file| vec![file]).chain((!plain.is_empty()).then_some(plain));
        for list in lists {
            let call = match list.as_slice() {
                [(path, _)] => self.git(["hash-object", "--"]).argument(super::worktree::path_of(path)),
                list => {
                    let paths: Vec<&[u8]> = list.iter().map(|(path, _)| path.as_slice()).collect();
                    self.git(["hash-object", "--stdin-paths"])
                        .input([&paths.join(&b'\n')[..], b"\n"].concat())
                }
            };
            let out = call.run()?;
            for ((path, mode), hex) in list.iter().zip(out.lines()) {
                found.extend(
                    hex.to_str().ok().and_then(Oid::from_hex).map(|oid| ((*path).clone(), (*mode, oid))),
                );
            }
        }
        Ok(found)
    }

    /// The submodules: path, the commit that the index names, and the one that is checked out.
    pub fn submodules(&self) -> Result<Vec<(PathBytes, Oid, Option<Oid>)>, GitError> {
        let index = self.inner.index_or_empty().map_err(|error| GitError::Status(error.into()))?;
        let Some(top) = self.work_dir() else { return Ok(Vec::new()) };
        let modules = index.entries().iter().filter(|entry| entry.mode == gix::index::entry::Mode::COMMIT);
        Ok(modules
            .map(|entry| {
                let path = entry.path(&index);
                let head = path
                    .to_path()
                    .ok()
                    .and_then(|relative| Self::open(&top.join(relative)).ok())
                    .and_then(|module| module.head().ok()?.commit);
                (path.to_vec(), Oid(entry.id), head)
            })
            .collect())
    }
}

const STATUS: [&str; 7] = [
    "-c",
    "core.fsmonitor=false",
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--ignore-submodules=none",
];

/// What `git status` printed; renames are two changes each.
fn parse_status(out: &[u8]) -> Changes {
    let mut changes = Changes::default();
    let mut rows = out.split(|&byte| byte == 0).filter(|row| !row.is_empty());
    while let Some(row) = rows.next() {
        // The path is last, and can hold spaces.
        let fields =
            |count: usize| row.splitn(count, |&byte| byte == b' ').last().unwrap_or_default().to_vec();
        let states = (row.get(2).copied().unwrap_or(b'.'), row.get(3).copied().unwrap_or(b'.'));
        let is_submodule = row.get(5) == Some(&b'S');
        match row[0] {
            b'?' if row.ends_with(b"/") => changes.nested.push(row[2..row.len() - 1].to_vec()),
            b'?' => changes.untracked.push(row[2..].to_vec()),
            b'u' => changes.modified.push(fields(11)),
            kind @ (b'1' | b'2') => {
                let path = fields(if kind == b'1' { 9 } else { 10 });
                if kind == b'2'
                    && let Some(from) = rows.next()
                    && row.get(2) == Some(&b'R')
                {
                    changes.staged.push(from.to_vec());
                }
                if states.0 != b'.' {
                    changes.staged.push(path.clone());
                }
                match states.1 {
                    b'.' => {}
                    b'D' => changes.deleted.push(path),
                    _ if is_submodule => changes.dirty_submodules.push(path),
                    _ => changes.modified.push(path),
                }
            }
            _ => {}
        }
    }
    changes
}

fn take(changes: &mut Changes, item: WorktreeItem) {
    match item {
        WorktreeItem::Modification { rela_path, status, .. } => {
            let path = rela_path.to_vec();
            match status {
                EntryStatus::Conflict { .. } | EntryStatus::IntentToAdd => changes.modified.push(path),
                EntryStatus::Change(Change::Removed) => changes.deleted.push(path),
                EntryStatus::Change(Change::SubmoduleModification(_)) => changes.dirty_submodules.push(path),
                EntryStatus::Change(Change::Type { .. } | Change::Modification { .. }) => {
                    changes.modified.push(path);
                }
                EntryStatus::NeedsUpdate(_) => {}
            }
        }
        WorktreeItem::DirectoryContents { entry, .. } => {
            use gix::dir::entry::{Kind, Status};
            let path = entry.rela_path.to_vec();
            match (entry.status, entry.disk_kind) {
                (Status::Untracked, Some(Kind::Repository)) => changes.nested.push(path),
                (Status::Untracked, Some(Kind::File | Kind::Symlink)) => changes.untracked.push(path),
                _ => {}
            }
        }
        WorktreeItem::Rewrite { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::*;

    fn paths(list: &[PathBytes]) -> Vec<String> {
        list.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }

    /// What both ways say, which must be the same.
    fn changes(lab: &Lab) -> Changes {
        let repo = lab.repo();
        let changes = repo.worktree_changes().unwrap();
        let mut said = parse_status(&repo.git(STATUS).run().unwrap());
        for list in
            [&mut said.modified, &mut said.deleted, &mut said.untracked, &mut said.nested, &mut said.staged]
        {
            list.sort();
            list.dedup();
        }
        said.hidden.clone_from(&changes.hidden);
        assert_eq!(changes, said);
        changes
    }

    #[test]
    fn a_file_that_changes_within_the_second_of_its_checkout_is_seen() {
        let lab = Lab::with_commit();
        lab.git(["config", "core.trustctime", "false"]);
        let path = lab.top().join("a");
        let at = |nanoseconds| std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, nanoseconds);
        let touch = |moment| {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(moment).unwrap();
        };
        touch(at(100_000_000));
        // The index is written long after, so that nothing in it is doubtful.
        lab.git(["update-index", "--refresh"]);
        fs::write(&path, b"two\n").unwrap();
        touch(at(500_000_000));
        assert_eq!(lab.repo().worktree_changes().unwrap().modified, [b"a".to_vec()]);
    }

    #[test]
    fn a_clean_worktree_has_no_changes() {
        let lab = Lab::with_commit();
        lab.write(".git/info/exclude", "*.tmp\n");
        lab.write("x.tmp", "");
        assert_eq!(changes(&lab), Changes::default());
        assert!(changes(&lab).is_clean());
    }

    #[test]
    fn each_kind_of_change_is_told() {
        let lab = Lab::new();
        for name in ["modified", "deleted", "staged", "moved"] {
            lab.write(name, format!("{name}\n").repeat(20));
        }
        lab.commit_all("first");
        lab.write("modified", "otherwise");
        std::fs::remove_file(lab.top().join("deleted")).unwrap();
        lab.write("staged", "otherwise");
        lab.git(["add", "staged"]);
        lab.git(["mv", "moved", "target"]);
        lab.write("new/deep/file", "");
        lab.write("new/other file", "");
        lab.git(["init", "--quiet", "nested"]);
        lab.write("nested/x", "");
        let changes = changes(&lab);
        assert_eq!(paths(&changes.modified), ["modified"]);
        assert_eq!(paths(&changes.deleted), ["deleted"]);
        assert_eq!(paths(&changes.staged), ["moved", "staged", "target"]);
        assert_eq!(paths(&changes.untracked), ["new/deep/file", "new/other file"]);
        assert_eq!(paths(&changes.nested), ["nested"]);
        assert!(!changes.is_clean());
    }

    #[test]
    fn the_index_is_not_written_even_where_git_would_refresh_it() {
        let lab = Lab::with_commit();
        // The same content at another time: Git would note the new time.
        lab.write("a", "one\n");
        let index = lab.top().join(".git/index");
        let before = std::fs::read(&index).unwrap();
        assert!(changes(&lab).is_clean());
        assert_eq!(std::fs::read(&index).unwrap(), before);
    }

    #[test]
    fn a_change_within_the_same_moment_and_of_the_same_size_is_seen() {
        for _ in 0..5 {
            let lab = Lab::with_commit();
            lab.write("a", "two\n");
            assert_eq!(paths(&changes(&lab).modified), ["a"]);
        }
    }

    #[test]
    fn line_endings_and_filters_are_seen_as_git_sees_them() {
        let lab = Lab::new();
        lab.git(["config", "filter.upper.clean", "tr a-z A-Z"]);
        lab.git(["config", "filter.upper.smudge", "tr A-Z a-z"]);
        lab.write(".gitattributes", "*.txt text eol=crlf\n*.up filter=upper\n");
        lab.write("x.txt", "a\r\nb\r\n");
        lab.write("x.up", "text\n");
        lab.commit_all("first");
        assert_eq!(lab.git(["cat-file", "blob", "HEAD:x.up"]), "TEXT");
        lab.write("x.txt", "a\r\nb\r\n");
        lab.write("x.up", "text\n");
        assert!(changes(&lab).is_clean());
        lab.write("x.up", "other\n");
        assert_eq!(paths(&changes(&lab).modified), ["x.up"]);
    }

    #[test]
    fn what_the_index_hides_is_told_where_it_differs() {
        let lab = Lab::new();
        for name in ["same", "assumed", "skipped", "link"] {
            lab.write(name, "text\n");
        }
        std::fs::remove_file(lab.top().join("link")).unwrap();
        std::os::unix::fs::symlink("same", lab.top().join("link")).unwrap();
        lab.commit_all("first");
        lab.git(["update-index", "--assume-unchanged", "same", "assumed", "link"]);
        lab.git(["update-index", "--skip-worktree", "skipped"]);
        assert_eq!(paths(&changes(&lab).hidden), [""; 0]);
        lab.write("same", "text\n");
        lab.write("assumed", "other\n");
        lab.write("skipped", "longer than before\n");
        let changes = changes(&lab);
        assert_eq!(paths(&changes.hidden), ["assumed", "skipped"]);
        assert!(changes.modified.is_empty());
    }

    #[test]
    fn submodules_are_told_with_their_commits_and_changes() {
        let lab = Lab::with_commit();
        let other = Lab::with_commit();
        let source = other.top().display().to_string();
        lab.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "sub"]);
        lab.commit_all("with a submodule");
        let commit = other.oid("HEAD");
        assert_eq!(lab.repo().submodules().unwrap(), [(b"sub".to_vec(), commit, Some(commit))]);
        assert!(changes(&lab).dirty_submodules.is_empty());
        lab.write("sub/a", "changed\n");
        assert_eq!(paths(&changes(&lab).dirty_submodules), ["sub"]);
        lab.git(["-C", "sub", "-c", "user.name=a", "-c", "user.email=b", "commit", "-qam", "x"]);
        let moved = Oid::from_hex(&lab.git(["-C", "sub", "rev-parse", "HEAD"]));
        assert_eq!(lab.repo().submodules().unwrap(), [(b"sub".to_vec(), commit, moved)]);
        assert_eq!(paths(&changes(&lab).dirty_submodules), ["sub"]);
        lab.git(["submodule", "--quiet", "deinit", "--force", "sub"]);
        assert_eq!(lab.repo().submodules().unwrap(), [(b"sub".to_vec(), commit, None)]);
    }

    #[test]
    fn files_are_named_as_a_commit_would_name_them_and_nothing_is_stored() {
        use std::os::unix::fs::PermissionsExt as _;
        let lab = Lab::new();
        lab.write(".gitattributes", "*.txt text eol=crlf\n");
        for path in ["x.txt", "a b", "line\nbreak", "run.sh"] {
            lab.write(path, "one\n");
        }
        lab.commit_all("first");
        lab.write("x.txt", "one\r\ntwo\r\n");
        lab.write("a b", "-- two\n");
        lab.write("line\nbreak", "two\n");
        std::os::unix::fs::symlink("x.txt", lab.top().join("link")).unwrap();
        fs::set_permissions(lab.top().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let paths =
            ["x.txt", "a b", "line\nbreak", "run.sh", "link", "gone"].map(|path| path.as_bytes().to_vec());
        let repo = lab.repo();
        let found = repo.worktree_entries(&paths, &HashMap::new()).unwrap();
        assert!(!repo.has_object(found[&paths[0]].1), "it was not stored");
        lab.commit_all("second");
        let tree = lab.oid("HEAD^{tree}");
        let mut expected = HashMap::new();
        repo.entries_at(tree, &paths.iter().map(Vec::as_slice).collect(), &mut expected).unwrap();
        assert_eq!(found, expected);
        assert_eq!(found.len(), 5);
        lab.git(["config", "core.fileMode", "false"]);
        let known = HashMap::from([(paths[3].clone(), (super::super::FILE, tree))]);
        let repo = lab.repo();
        assert_eq!(repo.worktree_entries(&paths, &known).unwrap()[&paths[3]].0, super::super::FILE);
    }
}
