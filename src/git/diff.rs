//! Differences between commits, and which revision a word means.

use std::collections::{BTreeMap, HashMap};

use gix::bstr::ByteSlice;

use super::error::{GitError, file_error};
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

/// A file, and its mode and object where it is there.
pub type Stored = Option<(u32, Oid)>;

/// A path, and what was and what is there.
pub type TreeChange = (PathBytes, Stored, Stored);

/// A path, and the mode and object that are to be there; `None` removes what is there.
pub type TreeEdit = (PathBytes, Option<(u32, Oid)>);

/// The plumbing, which the user's taste in differences does not change.
const PLAIN: [&str; 5] = ["diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color"];

impl Repo {
    /// The text `own` with what was changed from `base` to `theirs`; where both changed the same lines, it has those of both.
    pub fn merged_texts(&self, base: &str, own: &str, theirs: &str) -> Result<String, GitError> {
        let folder = tempfile::tempdir().map_err(file_error("write", std::env::temp_dir()))?;
        let [base, own, theirs] = [("base", base), ("own", own), ("theirs", theirs)].map(|(name, text)| {
            let path = folder.path().join(name);
            // Without an end of its last line that would run into another.
            let written = std::fs::write(&path, format!("{}\n", text.trim_end()));
            written.map_err(file_error("write", &path)).map(|()| path)
        });
        let merged = self
            .git(["merge-file", "--stdout", "--quiet", "--union"])
            .arguments([own?, base?, theirs?])
            .run()?;
        Ok(String::from_utf8_lossy(&merged).into_owned())
    }

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

    /// The commit that two last had in common; `None` where their histories never met, or it cannot be told here.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Result<Option<Oid>, GitError> {
        let (one, other) = (one.to_hex(), other.to_hex());
        let out = self.git(["merge-base", &one, &other]).run_or(1)?;
        Ok(out.to_str().ok().and_then(|hex| Oid::from_hex(hex.trim())))
    }

    /// Whether one of `tips` has `commit` in its history, whatever the dates of the commits say; not where that cannot be told.
    pub fn is_below_any(&self, commit: Oid, tips: &[Oid]) -> bool {
        // The commit that the one and a merge of all the others had in common last.
        let hex: Vec<String> = [commit].iter().chain(tips).map(|oid| oid.to_hex()).collect();
        let words = ["merge-base"].into_iter().chain(hex.iter().map(String::as_str));
        let met = self.git(words).run_or(1);
        !tips.is_empty() && met.is_ok_and(|out| out.to_str().is_ok_and(|met| met.trim() == hex[0]))
    }

    /// Those of `commits` that are not reachable from another of them.
    pub fn independent(&self, commits: &[Oid]) -> Result<Vec<Oid>, GitError> {
        let mut kept: Vec<Oid> = Vec::new();
        for (place, &commit) in commits.iter().enumerate() {
            let mut others = commits.iter().enumerate().filter(|&(at, &it)| at != place && it != commit);
            if !kept.contains(&commit) && !any(&mut others, |(_, &it)| self.is_ancestor(commit, it))? {
                kept.push(commit);
            }
        }
        Ok(kept)
    }

    /// The commits that are being merged into `HEAD`.
    pub fn merge_heads(&self) -> Result<Vec<Oid>, GitError> {
        // A hook that runs before a merge is committed is told by its environment alone.
        let told = std::env::vars_os()
            .filter_map(|(name, _)| Oid::from_hex(name.to_str()?.strip_prefix("GITHEAD_")?));
        let told: Vec<Oid> = told.filter(|_| self.is_of_environment).collect();
        if !told.is_empty() {
            return Ok(told);
        }
        let path = self.git_dir().join("MERGE_HEAD");
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(|line| Oid::from_hex(line.trim())).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(file_error("read", &path)(error)),
        }
    }

    /// Which files differ between two trees. Folders that are equal are not looked into; a rename is two changes.
    pub fn tree_changes(&self, from: Oid, to: Oid) -> Result<Vec<TreeChange>, GitError> {
        let mut changes = Vec::new();
        self.differing(&mut Vec::new(), Some(from), Some(to), &mut changes)?;
        Ok(changes)
    }

    fn differing(
        &self,
        prefix: &mut PathBytes,
        from: Option<Oid>,
        to: Option<Oid>,
        changes: &mut Vec<TreeChange>,
    ) -> Result<(), GitError> {
        if from == to {
            return Ok(());
        }
        let rows = |tree: Option<Oid>| tree.map_or_else(|| Ok(Vec::new()), |tree| self.read_tree(tree));
        let mut rows_by_name: BTreeMap<Vec<u8>, (Stored, Stored)> = BTreeMap::new();
        for row in rows(from)? {
            rows_by_name.entry(row.name).or_default().0 = Some((row.mode, row.oid));
        }
        for row in rows(to)? {
            rows_by_name.entry(row.name).or_default().1 = Some((row.mode, row.oid));
        }
        let length = prefix.len();
        for (name, (before, after)) in rows_by_name.into_iter().filter(|(_, (before, after))| before != after)
        {
            prefix.extend_from_slice(&name);
            let folder = |row: Stored| row.filter(|(mode, _)| *mode == super::FOLDER).map(|(_, oid)| oid);
            let file = |row: Stored| row.filter(|(mode, _)| *mode != super::FOLDER);
            if file(before) != file(after) {
                changes.push((prefix.clone(), file(before), file(after)));
            }
            prefix.push(b'/');
            self.differing(prefix, folder(before), folder(after), changes)?;
            prefix.truncate(length);
        }
        Ok(())
    }

    /// Which files the index has otherwise than a tree. Those in conflict are left out.
    pub fn index_changes(&self, tree: Oid) -> Result<Vec<TreeChange>, GitError> {
        let tree = tree.to_hex();
        let how = ["diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff"];
        let out = self.git(how).arguments([tree.as_str(), "--"]).run()?;
        let mut changes = Vec::new();
        let mut parts = out.split(|&byte| byte == 0);
        while let (Some(row), Some(path)) = (parts.next(), parts.next()) {
            let row = row.to_str_lossy();
            let words: Vec<&str> = row.trim_start_matches(':').split(' ').collect();
            let &[from_mode, to_mode, from, to, status] = words.as_slice() else { continue };
            let stored = |mode: &str, oid: &str| {
                let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode != 0)?;
                Some((mode, Oid::from_hex(oid)?))
            };
            if status != "U" {
                changes.push((path.to_vec(), stored(from_mode, from), stored(to_mode, to)));
            }
        }
        Ok(changes)
    }

    /// Who wrote the commits that are reachable from `tip` and from none of `bases`, by the file of `paths` that each changed:
    /// name and address. Of a merge, files count that are as in none of its parents.
    pub fn authors_of(
        &self,
        tip: Oid,
        bases: &[Oid],
        paths: &[PathBytes],
    ) -> Result<HashMap<PathBytes, Vec<(String, String)>>, GitError> {
        let mut authors: HashMap<PathBytes, Vec<(String, String)>> = HashMap::new();
        let plain = ["-c", "log.follow=false", "-c", "log.showSignature=false", "--literal-pathspecs"];
        let how = ["log", "-z", "-c", "--full-history", "--no-renames", "--name-only", "--no-ext-diff"];
        let without = bases.iter().map(|base| format!("^{base}"));
        // A command line has an end.
        for paths in paths.chunks(500) {
            let out = self
                .git(plain)
                .arguments(how)
                .arguments(["--format=%x01%an%x02%ae", &tip.to_hex()])
                .arguments(without.clone())
                .argument("--")
                .arguments(paths.iter().map(|path| super::worktree::path_of(path)))
                .run()?;
            let mut author = None;
            for part in out.split(|&byte| byte == 0) {
                let part = part.strip_prefix(b"\n").unwrap_or(part);
                if let Some(line) = part.strip_prefix(b"\x01") {
                    let line = line.to_str_lossy();
                    author =
                        line.split_once('\u{2}').map(|(name, email)| (name.to_owned(), email.to_owned()));
                } else if let Some(author) = &author
                    && !part.is_empty()
                {
                    let known = authors.entry(part.to_vec()).or_default();
                    if !known.contains(author) {
                        known.push(author.clone());
                    }
                }
            }
        }
        Ok(authors)
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

/// Whether an answer for any of `items` is yes.
fn any<T>(
    items: &mut impl Iterator<Item = T>,
    question: impl Fn(T) -> Result<bool, GitError>,
) -> Result<bool, GitError> {
    for item in items {
        if question(item)? {
            return Ok(true);
        }
    }
    Ok(false)
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

    /// What `git diff-tree` says, in the same shape.
    fn told(lab: &Lab, from: Oid, to: Oid) -> Vec<String> {
        let out = lab.git(["diff-tree", "-r", "--no-renames", "--name-only", &from.to_hex(), &to.to_hex()]);
        out.lines().map(str::to_owned).collect()
    }

    #[test]
    fn trees_differ_where_git_says_they_do() {
        let lab = Lab::new();
        for path in ["a", "b/c/d", "b/e", "f", "g/h"] {
            lab.write(path, path);
        }
        lab.commit_all("first");
        let before = lab.oid("HEAD^{tree}");
        lab.write("a", "otherwise");
        std::fs::remove_dir_all(lab.top().join("b/c")).unwrap();
        lab.write("b/c", "a file in the place of a folder");
        std::fs::remove_file(lab.top().join("f")).unwrap();
        lab.write("f/i", "a folder in the place of a file");
        lab.git(["mv", "g/h", "g/moved"]);
        lab.commit_all("second");
        let after = lab.oid("HEAD^{tree}");
        let repo = lab.repo();
        let paths = |changes: &[TreeChange]| {
            let mut paths: Vec<String> =
                changes.iter().map(|(path, _, _)| String::from_utf8_lossy(path).into_owned()).collect();
            paths.sort();
            paths
        };
        let changes = repo.tree_changes(before, after).unwrap();
        let mut expected = told(&lab, before, after);
        expected.sort();
        assert_eq!(paths(&changes), expected);
        assert_eq!(paths(&changes), ["a", "b/c", "b/c/d", "f", "f/i", "g/h", "g/moved"]);
        assert_eq!(repo.tree_changes(after, after).unwrap(), []);
        let mut staged = repo.index_changes(before).unwrap();
        let mut changes = changes;
        staged.sort();
        changes.sort();
        assert_eq!(staged, changes, "the index has what was committed");
        let from_nothing = repo.index_changes(repo.empty_tree()).unwrap();
        assert_eq!(from_nothing.len(), repo.tree_changes(repo.empty_tree(), after).unwrap().len());
        assert!(from_nothing.iter().all(|(_, before, after)| before.is_none() && after.is_some()));
    }

    #[test]
    fn the_authors_of_a_file_are_those_who_changed_it_since() {
        let lab = Lab::with_commit();
        let base = lab.oid("HEAD");
        let commit = |author: &str, path: &str, text: &str| {
            lab.write(path, text);
            lab.git(["add", "--all"]);
            let author = format!("--author={author} <{author}@example.org>");
            lab.git(["commit", "--quiet", "-m", "x", &author]);
        };
        lab.git(["switch", "--quiet", "--create", "side"]);
        commit("Side", "b [x]\n.txt", "side\n");
        lab.git(["switch", "--quiet", "main"]);
        commit("Main", "a", "main\n");
        commit("Other", "other", "main\n");
        lab.git(["merge", "--quiet", "--no-commit", "side"]);
        lab.write("other", "as in no parent\n");
        lab.git(["add", "--all"]);
        lab.git(["commit", "--quiet", "-m", "merge", "--author=Merger <merger@example.org>"]);
        let repo = lab.repo();
        let paths = ["a", "b [x]\n.txt", "other"].map(|path| path.as_bytes().to_vec());
        let authors = repo.authors_of(lab.oid("HEAD"), &[base], &paths).unwrap();
        let names = |path: &PathBytes| {
            let mut names: Vec<&str> = authors[path].iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&paths[0]), ["Main"]);
        assert_eq!(names(&paths[1]), ["Side"], "to merge is not to write");
        assert_eq!(names(&paths[2]), ["Merger", "Other"]);
        assert!(repo.authors_of(base, &[base], &paths).unwrap().is_empty());
    }

    #[test]
    fn histories_meet_where_git_says_they_do() {
        let lab = Lab::with_commit();
        let base = lab.oid("HEAD");
        lab.git(["switch", "--quiet", "--create", "side"]);
        lab.write("b", "");
        let side = lab.commit_all("side");
        lab.git(["switch", "--quiet", "main"]);
        lab.write("c", "");
        let main = lab.commit_all("main");
        lab.git(["switch", "--quiet", "--orphan", "alone"]);
        let alone = lab.commit_all("alone");
        let repo = lab.repo();
        assert_eq!(repo.merge_base(side, main).unwrap(), Some(base));
        assert_eq!(repo.merge_base(side, alone).unwrap(), None);
        assert_eq!(repo.independent(&[base, side, main, side]).unwrap(), [side, main]);
        assert_eq!(repo.merge_heads().unwrap(), []);
        lab.git(["switch", "--quiet", "main"]);
        lab.git(["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
        assert_eq!(repo.merge_heads().unwrap(), [side]);
    }

    #[test]
    fn what_is_below_is_told_whatever_the_dates_say() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let tree = repo.empty_tree();
        let commit = |year: i64, text: &str, parents: &[Oid]| {
            let who = format!("A <a@example.org> {} +0000", (year - 1970) * 31_556_952);
            let parents: String = parents.iter().map(|oid| format!("parent {oid}\n")).collect();
            let bytes = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{text}\n");
            repo.write_object(ObjectKind::Commit, bytes.as_bytes()).unwrap()
        };
        repo.write_object(ObjectKind::Tree, b"").unwrap();
        // The clock of whoever wrote the code is years ahead.
        let (main, other) = (commit(2030, "main", &[]), commit(2033, "other", &[]));
        let code = commit(2031, "code", &[main]);
        let mut tip = commit(2026, "kept", &[main, code]);
        for text in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            tip = commit(2026, text, &[tip, other]);
        }
        assert_eq!(repo.commits_lacking(code, &[main, tip]).unwrap(), 1, "Git's lists give it up");
        assert!(repo.is_below_any(code, &[main, tip]) && repo.is_below_any(code, &[code]));
        assert!(!repo.is_below_any(tip, &[main, code]) && !repo.is_below_any(code, &[]));
        let nowhere = Oid::from_hex(&"0".repeat(40)).unwrap();
        assert!(!repo.is_below_any(nowhere, &[tip]));
    }
}
