//! Differences between commits, and which revision a word means.

use std::collections::BTreeMap;

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

/// A path, and the mode and object that are to be there; `None` removes what is there.
pub type TreeEdit = (PathBytes, Option<(u32, Oid)>);

/// The plumbing, which the user's taste in differences does not change.
const PLAIN: [&str; 5] = ["diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color"];

impl Repo {
    /// The commit that a revision means; `None` where it means none.
    pub fn rev_parse(&self, revision: &str) -> Result<Option<Oid>, GitError> {
        if revision.is_empty() || revision.starts_with('-') {
            return Ok(None);
        }
        let parse = || Ok(self.inner.rev_parse_single(revision.as_bytes().as_bstr()).ok());
        if let Some(id) = self.settled(Option::is_some, parse)? {
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
    pub fn edit_tree(&self, base: Option<Oid>, edits: &[TreeEdit]) -> Result<Oid, GitError> {
        let mut rows = match base {
            Some(base) => self.read_tree(base)?,
            None => Vec::new(),
        };
        let mut below: BTreeMap<&[u8], Vec<TreeEdit>> = BTreeMap::new();
        for (path, new) in edits {
            if let Some((folder, rest)) = path.split_once_str("/") {
                below.entry(folder).or_default().push((rest.to_vec(), *new));
            } else {
                rows.retain(|row| row.name != *path);
                rows.extend(new.map(|(mode, oid)| TreeEntry { mode, name: path.clone(), oid }));
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

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::super::{FILE, ObjectKind};
    use super::*;

    #[test]
    fn a_revision_means_what_it_means_to_git() {
        let lab = Lab::with_commit();
        let first = lab.oid("HEAD");
        lab.git(["switch", "--quiet", "--create", "other"]);
        lab.write("a", "two\n");
        lab.commit_all("second: fix");
        lab.git(["tag", "-a", "v1", "-m", "one"]);
        lab.git(["switch", "--quiet", "main"]);
        let repo = lab.repo();
        let known = [
            "main",
            "other",
            "v1",
            "@{-1}",
            "HEAD",
            "v1~1",
            "other@{0}",
            ":/fix",
            "refs/heads/other",
            "v1^{}",
            "main@{now}",
        ];
        for revision in known {
            let expected = lab.oid(&format!("{}^{{commit}}", lab.oid(revision)));
            assert_eq!(repo.rev_parse(revision).unwrap(), Some(expected), "{revision}");
        }
        assert_eq!(repo.rev_parse(&first.to_hex()[..10]).unwrap(), Some(first));
        for revision in ["", "nothing", "--all", "main..other", "main:a", "no/where", "HEAD~9"] {
            assert_eq!(repo.rev_parse(revision).unwrap(), None, "{revision}");
        }
    }

    #[test]
    fn what_changed_is_told_by_file_and_as_a_patch_whatever_the_users_taste() {
        let lab = Lab::with_commit();
        let before = lab.oid("HEAD");
        for (key, value) in [("diff.noprefix", "true"), ("color.ui", "always"), ("diff.external", "false")] {
            lab.git(["config", key, value]);
        }
        lab.write("a", "one\ntwo\n");
        lab.write("binary", [0, 1, 2]);
        lab.write("new\nline", "x\n");
        let after = lab.commit_all("second");
        let repo = lab.repo();
        let row = |path: &str, added, removed| FileChange { path: path.into(), added, removed };
        assert_eq!(
            repo.diff_files(before, after).unwrap(),
            [row("a", Some(1), Some(0)), row("binary", None, None), row("new\nline", Some(1), Some(0))]
        );
        let text = String::from_utf8(repo.diff_text(before, after).unwrap()).unwrap();
        assert!(text.starts_with("diff --git a/a b/a\n") && text.contains("\n+two\n"), "{text}");
        assert!(repo.is_ancestor(before, after).unwrap());
        assert!(!repo.is_ancestor(after, before).unwrap());
    }

    #[test]
    fn an_edited_tree_has_its_folders_made_and_emptied_ones_gone() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let blob = repo.write_object(ObjectKind::Blob, b"x").unwrap();
        let base = lab.oid("HEAD^{tree}");
        let edit = |path: &str, new: Option<Oid>| (path.as_bytes().to_vec(), new.map(|oid| (FILE, oid)));
        let tree = repo.edit_tree(Some(base), &[edit("d/e/f", Some(blob)), edit("g", Some(blob))]).unwrap();
        let names = |tree: Oid| lab.git(["ls-tree", "-r", "--name-only", &tree.to_hex()]);
        assert_eq!(names(tree), "a\nd/e/f\ng");
        let tree = repo.edit_tree(Some(tree), &[edit("d/e/f", None), edit("g/h", Some(blob))]).unwrap();
        assert_eq!(names(tree), "a\ng/h");
        assert_eq!(repo.edit_tree(Some(tree), &[edit("g/h", None)]).unwrap(), base);
        assert_eq!(repo.edit_tree(Some(base), &[edit("a", None)]).unwrap(), repo.empty_tree());
        assert!(repo.edit_tree(None, &[edit(".git/x", Some(blob))]).is_err());
    }
}
