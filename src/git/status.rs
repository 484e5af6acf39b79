//! How the worktree differs from `HEAD`.

use std::fs;

use gix::bstr::ByteSlice;
use gix::status::UntrackedFiles;
use gix::status::index_worktree::Item as WorktreeItem;
use gix::status::plumbing::index_as_worktree::{Change, EntryStatus};

use super::error::{BoxedError, GitError};
use super::object::Oid;
use super::{PathBytes, Repo};

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
        let failed = |error: BoxedError| GitError::Status(error);
        let mut changes = Changes::default();
        let platform = self
            .inner
            .status(gix::progress::Discard)
            .map_err(|error| failed(error.into()))?
            .untracked_files(UntrackedFiles::Files)
            .index_worktree_rewrites(None)
            .tree_index_track_renames(gix::status::tree_index::TrackRenames::Disabled)
            .index_worktree_submodules(gix::status::Submodule::Given {
                ignore: gix::submodule::config::Ignore::None,
                check_dirty: false,
            });
        for item in platform.into_iter(None).map_err(|error| failed(error.into()))? {
            match item.map_err(|error| failed(error.into()))? {
                gix::status::Item::TreeIndex(change) => changes.staged.push(change.location().to_vec()),
                gix::status::Item::IndexWorktree(item) => take(&mut changes, item),
            }
        }
        self.find_hidden(&mut changes)?;
        for list in [
            &mut changes.modified,
            &mut changes.deleted,
            &mut changes.untracked,
            &mut changes.nested,
            &mut changes.staged,
        ] {
            list.sort();
            list.dedup();
        }
        Ok(changes)
    }

    /// Finds files that the index says not to look at, although they are not as the index has them.
    fn find_hidden(&self, changes: &mut Changes) -> Result<(), GitError> {
        use gix::index::entry::Flags;
        let Some(top) = self.work_dir() else { return Ok(()) };
        let index = self.inner.index_or_empty().map_err(|error| GitError::Status(error.into()))?;
        for entry in index.entries() {
            if !entry.flags.intersects(Flags::ASSUME_VALID | Flags::SKIP_WORKTREE) {
                continue;
            }
            let path = entry.path(&index);
            let Ok(relative) = path.to_path() else { continue };
            // A sparse checkout leaves files out; only one that is there can differ.
            let Ok(metadata) = fs::symlink_metadata(top.join(relative)) else { continue };
            let is_same = metadata.is_file()
                && u64::from(entry.stat.size) == metadata.len()
                && fs::read(top.join(relative))
                    .is_ok_and(|bytes| self.hash_object(super::ObjectKind::Blob, &bytes) == Oid(entry.id));
            if !is_same {
                changes.hidden.push(path.to_vec());
            }
        }
        Ok(())
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
                    .and_then(|relative| gix::open(top.join(relative)).ok())
                    .and_then(|module| module.head_id().ok().map(|id| Oid(id.detach())));
                (path.to_vec(), Oid(entry.id), head)
            })
            .collect())
    }
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
                    changes.modified.push(path)
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
