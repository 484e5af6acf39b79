//! Differences between commits, and which revision a word means.

use gix::bstr::ByteSlice;

use super::error::GitError;
use super::object::{Oid, TreeEntry};
use super::{PathBytes, Repo};

/// How much of a file changed between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: PathBytes,
    /// Lines added; `None` for a binary file.
    pub added: Option<u64>,
    /// Lines removed; `None` for a binary file.
    pub removed: Option<u64>,
}

/// The plumbing, which the user's taste in differences does not change.
const PLAIN: [&str; 5] = ["diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color"];

impl Repo {
    /// The commit that a revision means; `None` where it means none.
    pub fn rev_parse(&self, revision: &str) -> Result<Option<Oid>, GitError> {
        if revision.is_empty() || revision.starts_with('-') {
            return Ok(None);
        }
        if let Ok(id) = self.inner.rev_parse_single(revision.as_bytes().as_bstr()) {
            let oid = Oid(id.detach());
            return match id.object() {
                Ok(object) => Ok(object.peel_to_commit().ok().map(|commit| Oid(commit.id))),
                Err(error) if self.has_object(oid) => {
                    Err(GitError::Object { oid, wanted: "object", source: error.into() })
                }
                Err(_) => Err(GitError::Missing(oid)),
            };
        }
        // What gix cannot read Git may, as `main@{yesterday}`.
        if !revision.contains(['@', '^', ':', '~', '-', '/']) {
            return Ok(None);
        }
        let revision = format!("{revision}^{{commit}}");
        let found = self.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &revision]).run();
        Ok(found.ok().and_then(|out| Oid::from_hex(out.to_str().ok()?.trim())))
    }

    /// Which files changed from one tree or commit to another, and by how many lines.
    pub fn diff_files(&self, from: Oid, to: Oid) -> Result<Vec<FileChange>, GitError> {
        let (from, to) = (from.to_hex(), to.to_hex());
        let out = self
            .git(PLAIN)
            .arguments(["--numstat", "-z", "--no-renames", from.as_str(), to.as_str(), "--"])
            .run()?;
        let mut changes = Vec::new();
        for row in out.split(|&byte| byte == 0).filter(|row| !row.is_empty()) {
            let mut parts = row.splitn(3, |&byte| byte == b'\t');
            let mut count = || parts.next().and_then(|count| count.to_str().ok()?.trim().parse().ok());
            let (added, removed) = (count(), count());
            if let Some(path) = parts.next() {
                changes.push(FileChange { path: path.to_vec(), added, removed });
            }
        }
        Ok(changes)
    }

    /// The difference from one tree or commit to another, as a patch.
    pub fn diff_text(&self, from: Oid, to: Oid) -> Result<Vec<u8>, GitError> {
        let (from, to) = (from.to_hex(), to.to_hex());
        self.git(PLAIN).arguments(["--patch", "--find-renames", from.as_str(), to.as_str(), "--"]).run()
    }

    /// Whether `ancestor` is reachable from `descendant`.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool, GitError> {
        let (ancestor, descendant) = (ancestor.to_hex(), descendant.to_hex());
        self.git(["merge-base", "--is-ancestor", &ancestor, &descendant]).answer()
    }

    /// Writes the tree that `base` becomes when the files at the given paths are replaced, or removed where there is
    /// nothing in their place.
    pub fn edit_tree(
        &self,
        base: Option<Oid>,
        edits: &[(PathBytes, Option<(u32, Oid)>)],
    ) -> Result<Oid, GitError> {
        let mut rows = match base {
            Some(base) => self.read_tree(base)?,
            None => Vec::new(),
        };
        let mut below: std::collections::BTreeMap<&[u8], Vec<(PathBytes, Option<(u32, Oid)>)>> =
            std::collections::BTreeMap::new();
        for (path, new) in edits {
            match path.split_once_str("/") {
                Some((folder, rest)) => below.entry(folder).or_default().push((rest.to_vec(), *new)),
                None => {
                    rows.retain(|row| row.name != *path);
                    rows.extend(new.map(|(mode, oid)| TreeEntry { mode, name: path.clone(), oid }));
                }
            }
        }
        for (folder, edits) in below {
            let known =
                rows.iter().find(|row| row.name == folder && row.mode == super::FOLDER).map(|row| row.oid);
            let tree = self.edit_tree(known, &edits)?;
            rows.retain(|row| row.name != folder);
            if tree != self.empty_tree() {
                rows.push(TreeEntry { mode: super::FOLDER, name: folder.to_vec(), oid: tree });
            }
        }
        let bytes = self.encode_tree(rows)?;
        self.write_object(super::ObjectKind::Tree, &bytes)
    }
}
