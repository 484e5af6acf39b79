//! Objects: their names, reading, writing, and their stored forms.

use std::fmt;
use std::fs::{File, FileTimes};
use std::path::PathBuf;
use std::time::SystemTime;

use gix::objs::Write as _;

use super::Repo;
use super::error::GitError;

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
    pub fn hash_object(&self, kind: ObjectKind, bytes: &[u8]) -> Oid {
        let oid = gix::objs::compute_hash(self.inner.object_hash(), kind.to_gix(), bytes);
        Oid(oid.expect("hashing our own bytes finds no collision"))
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
        store
            .write_buf_with_known_id(kind.to_gix(), bytes, oid.0)
            .map(Oid)
            .map_err(|error| GitError::Write(error.into()))
    }

    fn loose_store(&self) -> gix::odb::loose::Store {
        gix::odb::loose::Store::at(self.inner.objects.store_ref().path(), self.inner.object_hash())
    }

    /// Sets the times of the loose file of `oid` to now; `false` where there is none.
    fn freshen(&self, oid: Oid) -> bool {
        let now = SystemTime::now();
        let times = FileTimes::new().set_modified(now).set_accessed(now);
        File::open(self.loose_path(oid)).and_then(|file| file.set_times(times)).is_ok()
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
        match self.try_find(oid, &mut buffer)? {
            Some(kind) if kind == wanted => Ok(buffer),
            Some(kind) => {
                Err(GitError::Object { oid, wanted: name, source: format!("it is a {kind}").into() })
            }
            None => Err(GitError::Missing(oid)),
        }
    }

    /// The content of a blob.
    pub fn read_blob(&self, oid: Oid) -> Result<Vec<u8>, GitError> {
        self.read_kind(oid, gix::objs::Kind::Blob, "blob")
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
        let commit = gix::objs::CommitRef::from_bytes(&bytes, self.inner.object_hash())
            .map_err(|error| damaged(error.into()))?;
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
            author: signature(commit.author().map_err(|error| damaged(error.into()))?),
            committer: signature(commit.committer().map_err(|error| damaged(error.into()))?),
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
        rows.sort_by_key(key);
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

/// Whether Git's own checks let `name` stand in a tree.
pub fn is_tree_name(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name).to_ascii_lowercase();
    // HFS+ ignores some characters, so that `.g\u{200c}it` is `.git` there.
    let bare: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect();
    let is_git = bare.trim_end_matches(['.', ' ']) == ".git"
        || bare.starts_with(".git:")
        || bare.split(':').next().is_some_and(|name| name.trim_end_matches(['.', ' ']) == "git~1");
    !name.is_empty()
        && !name.contains(&b'/')
        && !name.contains(&0)
        && name != b"."
        && name != b".."
        && !is_git
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}
