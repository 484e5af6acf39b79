//! Objects: their names, reading, writing, and their stored forms.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gix::objs::Write as _;

use super::error::GitError;
use super::{PathBytes, Repo, SLOTS};

/// The name of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub(super) gix::ObjectId);

impl Oid {
    /// The object whose name is `hex`, which has 40 or 64 digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        gix::ObjectId::from_hex(hex.as_bytes()).ok().map(Self)
    }

    /// The object whose name is `bytes`, which are 20 or 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        gix::ObjectId::try_from(bytes).ok().map(Self)
    }

    /// The name in lower-case hex.
    pub fn to_hex(self) -> String {
        self.0.to_string()
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// The content of a file.
    Blob,
    /// A folder.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }

    fn of_gix(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }
}

/// A row of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The mode as Git stores it, as `0o100644`.
    pub mode: u32,
    /// The name, without slashes.
    pub name: Vec<u8>,
    /// The object.
    pub oid: Oid,
}

/// The most memory that reading an object takes through [`Repo::with_small_objects`], in bytes.
const SMALL: usize = 64 << 20;

/// How often an object is written again whose folder a prune took away.
const WRITE_TRIES: u64 = 40;

fn is_not_found(error: &gix::Error) -> bool {
    format!("{error:#} {error:?}").contains("No such file or directory")
}

/// The mode of a folder.
pub const FOLDER: u32 = 0o040_000;
/// The mode of a file.
pub const FILE: u32 = 0o100_644;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: Vec<u8>,
    /// The address.
    pub email: Vec<u8>,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Minutes that local time is ahead of UTC.
    pub offset_minutes: i32,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, the first one first.
    pub parents: Vec<Oid>,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// The whole message.
    pub message: Vec<u8>,
}

/// A commit that is to be written: the same parts as one that was read.
pub type NewCommit = Commit;

impl Repo {
    /// The name that an object would have.
    ///
    /// # Panics
    /// On bytes that were made to collide with others under SHA-1, as the object store would refuse them.
    pub fn hash_object(&self, kind: ObjectKind, bytes: &[u8]) -> Oid {
        let oid = gix::objs::compute_hash(self.inner.object_hash(), kind.to_gix(), bytes);
        Oid(oid.expect("hashing our own bytes finds no collision"))
    }

    /// Whether `oid` is the name of an object of this kind with these bytes.
    pub(super) fn names(&self, oid: Oid, kind: ObjectKind, bytes: &[u8]) -> bool {
        gix::objs::compute_hash(self.inner.object_hash(), kind.to_gix(), bytes).is_ok_and(|it| it == oid.0)
    }

    /// Whether an object is here.
    pub fn has_object(&self, oid: Oid) -> bool {
        self.inner.has_object(oid.0)
    }

    /// Writes an object as a loose file; one that is here already is made young again, so that a prune leaves it alone.
    pub fn write_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid, GitError> {
        let oid = self.hash_object(kind, bytes);
        if self.freshen(oid) {
            return Ok(oid);
        }
        // Past the look-up that gix makes first: it may know the object from a pack that is about to go.
        let store = self.loose_store();
        let mut tries = 0;
        loop {
            match store.write_buf_with_known_id(kind.to_gix(), bytes, oid.0) {
                Ok(oid) => return Ok(Oid(oid)),
                // A prune takes empty folders away, also the one that the file is about to be moved into.
                Err(error) if tries < WRITE_TRIES && is_not_found(&error) => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(tries));
                }
                Err(error) => return Err(GitError::Write(error.into())),
            }
        }
    }

    /// The same repository, through which no object is read that would take more than 64 MiB to unpack: neither one that is as
    /// large, nor one that is made from others that are.
    pub fn with_small_objects(&self) -> Result<Self, GitError> {
        let mut small = self.clone();
        let store = match self.small_objects.get() {
            Some(store) => store,
            None => {
                let store = self.open_small_objects()?;
                self.small_objects.get_or_init(|| store)
            }
        };
        let mut objects = store.to_cache();
        objects.set_pack_cache(|| Box::<gix::odb::pack::cache::lru::StaticLinkedList<64>>::default());
        small.inner.objects =
            gix::odb::memory::Proxy::new(objects, self.inner.object_hash()).with_write_passthrough();
        Ok(small)
    }

    fn open_small_objects(&self) -> Result<Arc<gix::odb::Store>, GitError> {
        let path = self.inner.objects.store_ref().path().to_owned();
        let options = gix::odb::store::init::Options {
            slots: SLOTS,
            alloc_limit_bytes: Some(SMALL),
            ..Default::default()
        };
        // No replace refs: what was recorded is read as it was written.
        let replacements = &mut std::iter::empty();
        gix::odb::Store::at_opts(path.clone(), self.inner.object_hash(), replacements, options)
            .map(Arc::new)
            .map_err(super::error::file_error("open the objects in", &path))
    }

    fn loose_store(&self) -> gix::odb::loose::Store {
        gix::odb::loose::Store::at(self.inner.objects.store_ref().path(), self.inner.object_hash())
    }

    /// Sets the times of the loose file of `oid` to now; `false` where there is none that can be kept.
    fn freshen(&self, oid: Oid) -> bool {
        let path = self.loose_path(oid);
        // A power cut can leave an empty file, which is to be written again.
        fs::metadata(&path).is_ok_and(|data| data.len() > 0) && touch(&path)
    }

    /// Where the loose file of `oid` is, if there is one.
    pub fn loose_path(&self, oid: Oid) -> PathBuf {
        let hex = oid.to_hex();
        self.inner.objects.store_ref().path().join(&hex[..2]).join(&hex[2..])
    }

    /// Reads an object.
    pub fn read_object(&self, oid: Oid) -> Result<(ObjectKind, Vec<u8>), GitError> {
        let mut buffer = Vec::new();
        match self.try_find(oid, &mut buffer)? {
            Some(kind) => Ok((ObjectKind::of_gix(kind), buffer)),
            None => Err(GitError::Missing(oid)),
        }
    }

    fn try_find(&self, oid: Oid, buffer: &mut Vec<u8>) -> Result<Option<gix::objs::Kind>, GitError> {
        use gix::objs::Find as _;
        let found = self.inner.objects.try_find(&oid.0, buffer).map_err(|error| GitError::Object {
            oid,
            wanted: "object",
            source: error.into(),
        })?;
        let Some(data) = found else { return Ok(None) };
        let (kind, length) = (data.kind, data.data.len());
        buffer.truncate(length);
        Ok(Some(kind))
    }

    fn read_kind(&self, oid: Oid, wanted: gix::objs::Kind, name: &'static str) -> Result<Vec<u8>, GitError> {
        let mut buffer = Vec::new();
        self.read_kind_into(oid, wanted, name, &mut buffer)?;
        Ok(buffer)
    }

    fn read_kind_into(
        &self,
        oid: Oid,
        wanted: gix::objs::Kind,
        name: &'static str,
        buffer: &mut Vec<u8>,
    ) -> Result<(), GitError> {
        match self.try_find(oid, buffer)? {
            Some(kind) if kind == wanted => Ok(()),
            Some(kind) => {
                Err(GitError::Object { oid, wanted: name, source: format!("it is a {kind}").into() })
            }
            None => Err(GitError::Missing(oid)),
        }
    }

    /// How many bytes an object has, without reading them; `None` where it is not here.
    pub fn object_size(&self, oid: Oid) -> Option<u64> {
        self.inner.try_find_header(oid.0).ok().flatten().map(|header| header.size())
    }

    /// The content of a blob.
    pub fn read_blob(&self, oid: Oid) -> Result<Vec<u8>, GitError> {
        self.read_kind(oid, gix::objs::Kind::Blob, "blob")
    }

    /// Puts the content of a blob into `buffer`, in place of what was there.
    pub fn read_blob_into(&self, oid: Oid, buffer: &mut Vec<u8>) -> Result<(), GitError> {
        self.read_kind_into(oid, gix::objs::Kind::Blob, "blob", buffer)
    }

    /// The mode and the object of the row `name` of a tree, with `buffer` to read it in; `None` where there is no such row.
    pub fn find_in_tree(
        &self,
        tree: Oid,
        name: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<(u32, Oid)>, GitError> {
        if tree == self.empty_tree() {
            return Ok(None);
        }
        self.read_kind_into(tree, gix::objs::Kind::Tree, "tree", buffer)?;
        let rows = gix::objs::TreeRef::from_bytes(buffer, self.inner.object_hash())
            .map_err(|error| GitError::Object { oid: tree, wanted: "tree", source: error.into() })?;
        let row = rows.entries.iter().find(|row| row.filename == name);
        Ok(row.map(|row| (u32::from(row.mode.value()), Oid(row.oid.to_owned()))))
    }

    /// The rows of a tree.
    pub fn read_tree(&self, oid: Oid) -> Result<Vec<TreeEntry>, GitError> {
        let bytes = if oid == self.empty_tree() {
            Vec::new()
        } else {
            self.read_kind(oid, gix::objs::Kind::Tree, "tree")?
        };
        let tree = gix::objs::TreeRef::from_bytes(&bytes, self.inner.object_hash())
            .map_err(|error| GitError::Object { oid, wanted: "tree", source: error.into() })?;
        Ok(tree
            .entries
            .iter()
            .map(|entry| TreeEntry {
                mode: u32::from(entry.mode.value()),
                name: entry.filename.to_vec(),
                oid: Oid(entry.oid.to_owned()),
            })
            .collect())
    }

    /// The files of a tree that are `wanted` by their paths, with modes and objects, sorted by path.
    ///
    /// Only the folders that `opens` says are looked into. A submodule is a file whose object is its commit.
    pub fn files_of_tree(
        &self,
        tree: Oid,
        opens: &dyn Fn(&[u8]) -> bool,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Vec<(PathBytes, u32, Oid)>, GitError> {
        let mut files = Vec::new();
        let mut open = vec![(PathBytes::new(), tree)];
        while let Some((prefix, tree)) = open.pop() {
            for row in self.read_tree(tree)? {
                let mut path = prefix.clone();
                path.extend_from_slice(&row.name);
                if row.mode == FOLDER {
                    if opens(&path) {
                        path.push(b'/');
                        open.push((path, row.oid));
                    }
                } else if wanted(&path) {
                    files.push((path, row.mode, row.oid));
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// The content of the file at `path` in a tree, with `/` between folders; `None` where there is none.
    pub fn read_path(&self, tree: Oid, path: &[u8]) -> Result<Option<Vec<u8>>, GitError> {
        let mut at = tree;
        let mut parts = path.split(|&byte| byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let rows = self.read_tree(at)?;
            let Some(row) = rows.into_iter().find(|row| row.name == part) else { return Ok(None) };
            match (parts.peek().is_some(), row.mode == FOLDER) {
                (true, true) => at = row.oid,
                (false, false) => return self.read_blob(row.oid).map(Some),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Reads a commit.
    pub fn read_commit(&self, oid: Oid) -> Result<Commit, GitError> {
        let bytes = self.read_kind(oid, gix::objs::Kind::Commit, "commit")?;
        let damaged = |error: gix::Error| GitError::Object { oid, wanted: "commit", source: error.into() };
        let commit = gix::objs::CommitRef::from_bytes(&bytes, self.inner.object_hash()).map_err(damaged)?;
        let signature = |it: gix::actor::SignatureRef<'_>| {
            let time = it.time().unwrap_or_default();
            Signature {
                name: it.name.to_vec(),
                email: it.email.to_vec(),
                seconds: time.seconds,
                offset_minutes: time.offset / 60,
            }
        };
        Ok(Commit {
            tree: Oid(commit.tree()),
            parents: commit.parents().map(Oid).collect(),
            author: signature(commit.author().map_err(damaged)?),
            committer: signature(commit.committer().map_err(damaged)?),
            message: commit.message.to_vec(),
        })
    }

    /// The stored form of a tree, its rows in Git's order.
    pub fn encode_tree(&self, mut rows: Vec<TreeEntry>) -> Result<Vec<u8>, GitError> {
        // Git sorts folders as if their names ended with a slash.
        let key = |row: &TreeEntry| {
            let mut key = row.name.clone();
            if row.mode == FOLDER {
                key.push(b'/');
            }
            key
        };
        rows.sort_by_cached_key(key);
        let mut names = HashSet::with_capacity(rows.len());
        if let Some(twice) = rows.iter().find(|row| !names.insert(&row.name)) {
            return Err(GitError::Name(String::from_utf8_lossy(&twice.name).into_owned()));
        }
        let mut bytes = Vec::new();
        for row in rows {
            if !is_tree_name(&row.name) {
                return Err(GitError::Name(String::from_utf8_lossy(&row.name).into_owned()));
            }
            bytes.extend_from_slice(format!("{:o} ", row.mode).as_bytes());
            bytes.extend_from_slice(&row.name);
            bytes.push(0);
            bytes.extend_from_slice(row.oid.as_bytes());
        }
        Ok(bytes)
    }

    /// The stored form of a commit.
    pub fn encode_commit(&self, commit: &NewCommit) -> Vec<u8> {
        let mut bytes = format!("tree {}\n", commit.tree).into_bytes();
        for parent in &commit.parents {
            bytes.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        for (role, it) in [("author", &commit.author), ("committer", &commit.committer)] {
            bytes.extend_from_slice(role.as_bytes());
            bytes.push(b' ');
            bytes.extend(it.name.iter().filter(|byte| !b"<>\n\0".contains(byte)));
            bytes.extend_from_slice(b" <");
            bytes.extend(it.email.iter().filter(|byte| !b"<>\n\0".contains(byte)));
            let sign = if it.offset_minutes < 0 { '-' } else { '+' };
            let offset = it.offset_minutes.unsigned_abs();
            // Git has no date before 1970.
            let seconds = it.seconds.max(0);
            bytes.extend_from_slice(
                format!("> {seconds} {sign}{:02}{:02}\n", offset / 60, offset % 60).as_bytes(),
            );
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&commit.message);
        bytes
    }
}

/// Sets the times of a file to now; `false` where it is not there, or is somebody else's.
///
/// By its name, as Git does it: through an open file, one that a prune has just deleted would seem to be there.
#[cfg(unix)]
fn touch(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty()).is_ok()
}

#[cfg(not(unix))]
fn touch(path: &Path) -> bool {
    fs::File::options()
        .write(true)
        .open(path)
        .is_ok_and(|it| it.set_modified(std::time::SystemTime::now()).is_ok())
}

/// Whether Git's own checks let `name` stand in a tree.
pub fn is_tree_name(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name).to_ascii_lowercase();
    // HFS+ ignores some characters, so that `.g\u{200c}it` is `.git` there.
    let bare: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect();
    // On NTFS a backslash parts folders, a colon begins a stream, and dots and spaces at the end do not count.
    let is_git = |part: &str| {
        let part = part.split(':').next().unwrap_or(part).trim_end_matches(['.', ' ']);
        part == ".git" || part == "git~1"
    };
    !name.is_empty()
        && !name.contains(&b'/')
        && !name.contains(&0)
        && name != b"."
        && name != b".."
        && !bare.split('\\').any(is_git)
        && !text.split('\\').any(is_git)
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::lab::{Lab, commit};
    use super::super::{FILE, FOLDER};
    use super::*;

    fn age(path: &Path) -> Duration {
        fs::metadata(path).unwrap().modified().unwrap().elapsed().unwrap_or_default()
    }

    #[test]
    fn what_is_written_git_reads() {
        for format in ["sha1", "sha256"] {
            let lab = Lab::with_format(format);
            let repo = lab.repo();
            let blob = repo.write_object(ObjectKind::Blob, b"text\n").unwrap();
            assert_eq!(blob, repo.hash_object(ObjectKind::Blob, b"text\n"));
            let row = |mode, name: &[u8], oid| TreeEntry { mode, name: name.to_vec(), oid };
            let inner = repo.encode_tree(vec![row(FILE, b"x", blob)]).unwrap();
            let inner = repo.write_object(ObjectKind::Tree, &inner).unwrap();
            // Git sorts the folder `a` after the file `a.b`, and before `a0`.
            let rows = vec![row(FILE, b"a0", blob), row(FOLDER, b"a", inner), row(FILE, b"a.b", blob)];
            let tree = repo.write_object(ObjectKind::Tree, &repo.encode_tree(rows).unwrap()).unwrap();
            let new = commit(tree, None, "a subject\n\nand a body");
            let oid = repo.write_object(ObjectKind::Commit, &repo.encode_commit(&new)).unwrap();
            lab.git(["update-ref", "refs/heads/main", &oid.to_hex()]);
            lab.git(["fsck", "--strict", "--no-dangling"]);
            assert_eq!(lab.git(["ls-tree", "--name-only", "main"]), "a.b\na\na0");
            assert_eq!(
                lab.git(["log", "-1", "--format=%an <%ae> %ad", "--date=raw"]),
                "Ada <ada@example.com> 1700000000 -0330"
            );
            assert_eq!(repo.read_commit(oid).unwrap(), new);
            assert_eq!(repo.read_tree(tree).unwrap()[1].name, b"a");
            assert_eq!(repo.read_path(tree, b"a/x").unwrap(), Some(b"text\n".to_vec()));
            assert_eq!(repo.read_path(tree, b"a/y").unwrap(), None);
            assert_eq!(repo.read_object(blob).unwrap(), (ObjectKind::Blob, b"text\n".to_vec()));
            assert_eq!(Oid::from_hex(&oid.to_hex()), Oid::from_bytes(oid.as_bytes()));
            assert_eq!(repo.hex_length(), oid.to_hex().len());
        }
    }

    #[test]
    fn an_object_that_is_there_is_made_young_again() {
        let lab = Lab::new();
        let repo = lab.repo();
        let oid = repo.write_object(ObjectKind::Blob, b"old").unwrap();
        let path = repo.loose_path(oid);
        let long_ago = SystemTime::now() - Duration::from_hours(720);
        let made =
            std::process::Command::new("touch").arg("-d").arg("30 days ago").arg(&path).status().unwrap();
        assert!(
            made.success()
                && fs::metadata(&path).unwrap().modified().unwrap() < long_ago + Duration::from_mins(1)
        );
        repo.write_object(ObjectKind::Blob, b"old").unwrap();
        assert!(age(&path) < Duration::from_mins(1));
    }

    #[test]
    fn a_packed_object_is_written_again_so_that_it_outlives_the_pack() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let blob = lab.oid("HEAD:a");
        lab.git(["gc", "--quiet"]);
        assert!(!repo.loose_path(blob).exists() && repo.has_object(blob));
        assert_eq!(repo.write_object(ObjectKind::Blob, b"one\n").unwrap(), blob);
        assert!(age(&repo.loose_path(blob)) < Duration::from_mins(1));
    }

    #[test]
    fn an_empty_file_that_a_power_cut_left_is_written_again() {
        let lab = Lab::new();
        let repo = lab.repo();
        let oid = repo.hash_object(ObjectKind::Blob, b"text");
        lab.write(repo.loose_path(oid), "");
        repo.write_object(ObjectKind::Blob, b"text").unwrap();
        assert_eq!(lab.git(["cat-file", "blob", &oid.to_hex()]), "text");
    }

    #[test]
    fn a_missing_object_is_told_from_a_damaged_one() {
        let lab = Lab::new();
        let repo = lab.repo();
        let oid = repo.hash_object(ObjectKind::Blob, b"nowhere");
        assert!(repo.read_blob(oid).unwrap_err().is_missing());
        assert!(repo.read_commit(oid).unwrap_err().is_missing());
        assert!(!repo.has_object(oid));
        lab.write(repo.loose_path(oid), "rubbish");
        assert!(!repo.read_blob(oid).unwrap_err().is_missing());
        let blob = repo.write_object(ObjectKind::Blob, b"a blob").unwrap();
        assert!(!repo.read_commit(blob).unwrap_err().is_missing());
    }

    #[test]
    fn an_object_that_a_partial_clone_lacks_is_missing_and_is_not_fetched() {
        let lab = Lab::with_commit();
        lab.git(["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", lab.top().display());
        lab.git(["clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, "partial"]);
        let repo = Repo::discover(&lab.top().join("partial")).unwrap();
        let blob = lab.oid("HEAD:a");
        assert!(repo.read_blob(blob).unwrap_err().is_missing());
        assert!(!repo.has_object(blob));
        let head = repo.head().unwrap().commit.unwrap();
        assert!(repo.diff_files(repo.empty_tree(), head).is_err());
        assert!(!repo.has_object(blob));
    }

    #[test]
    fn what_takes_much_memory_is_refused_where_only_small_objects_are_read() {
        let lab = Lab::with_commit();
        let repo = lab.repo();
        let large = repo.write_object(ObjectKind::Blob, &vec![0; SMALL + 1]).unwrap();
        let missing = repo.hash_object(ObjectKind::Blob, b"nowhere");
        for _ in 0..2 {
            let small = repo.with_small_objects().unwrap();
            assert_eq!(small.read_blob(lab.oid("HEAD:a")).unwrap(), b"one\n");
            assert!(!small.read_blob(large).unwrap_err().is_missing());
            assert!(small.read_blob(missing).unwrap_err().is_missing());
            assert_eq!(small.object_size(large), Some(SMALL as u64 + 1));
            assert_eq!(repo.read_blob(large).unwrap().len(), SMALL + 1);
            // What it sees later is found, too; the second time both are in a pack.
            lab.git(["update-ref", "refs/keep/large", &large.to_hex()]);
            lab.git(["gc", "--quiet"]);
        }
    }

    #[test]
    fn replace_refs_and_grafts_are_ignored() {
        let lab = Lab::with_commit();
        let first = lab.oid("HEAD");
        lab.write("a", "two\n");
        let second = lab.commit_all("second");
        lab.git(["replace", &second.to_hex(), &first.to_hex()]);
        assert_eq!(lab.git(["log", "-1", "--format=%s", "main"]), "first");
        let repo = lab.repo();
        assert!(repo.read_commit(second).unwrap().message.starts_with(b"second"));
        assert_eq!(repo.in_worktree(&lab.top()).unwrap().read_commit(second).unwrap().parents, [first]);
        lab.git(["replace", "-d", &second.to_hex()]);
        lab.write(".git/info/grafts", format!("{second}\n"));
        assert_eq!(repo.read_commit(second).unwrap().parents, [first]);
        assert!(repo.is_ancestor(first, second).unwrap());
        assert_eq!(repo.walk_first_parent(second).count(), 2);
    }

    #[test]
    fn a_tree_holds_no_name_that_git_refuses() {
        let lab = Lab::new();
        let repo = lab.repo();
        let oid = repo.write_object(ObjectKind::Blob, b"").unwrap();
        let refused: [&[u8]; 12] = [
            b"",
            b".",
            b"..",
            b".git",
            b".GIT",
            b"a/b",
            b"nul\0",
            b"git~1",
            b".git. ",
            b".git::$INDEX",
            ".g\u{200c}it".as_bytes(),
            b"a\\.git",
        ];
        for name in refused {
            assert!(!is_tree_name(name), "{}", name.escape_ascii());
            let row = TreeEntry { mode: FILE, name: name.to_vec(), oid };
            assert!(matches!(repo.encode_tree(vec![row]), Err(GitError::Name(_))));
        }
        for name in [&b".gitignore"[..], b"git", b"x.git", b"\xff\n", b"a\\b", b"git~10"] {
            assert!(is_tree_name(name), "{}", name.escape_ascii());
        }
        let twice = ["x", "x"].map(|name| TreeEntry { mode: FILE, name: name.into(), oid });
        assert!(repo.encode_tree(twice.to_vec()).is_err());
    }
}
