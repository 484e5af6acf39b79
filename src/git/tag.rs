//! Annotated tags: made and judged by the `git` program, so that keys and signing are its business.

use std::path::Path;

use super::Repo;
use super::error::GitError;
use super::object::{ObjectKind, Oid};

/// An annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// What it is put on.
    pub target: Oid,
    /// The name it was made under.
    pub name: String,
    /// Its message, and its signature where that stands below it.
    pub message: String,
    /// Whether it is signed.
    pub is_signed: bool,
}

/// How a signature in a tag begins.
const SIGNATURES: [&str; 3] =
    ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"];

impl Repo {
    /// Makes an annotated tag, signed where Git is configured to sign tags.
    pub fn make_tag(&self, name: &str, target: Oid, message: &str) -> Result<(), GitError> {
        // Without `--annotate`, which would say that it is not to be signed.
        let words = ["tag", "--cleanup=whitespace", "--file=-", "--", name, &target.to_hex()];
        self.git(words).input(message.as_bytes().to_vec()).run().map(drop)
    }

    /// Reads an annotated tag; `None` where the object is something else.
    pub fn read_tag(&self, oid: Oid) -> Result<Option<Tag>, GitError> {
        let (kind, bytes) = self.read_object(oid)?;
        if kind != ObjectKind::Tag {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        let (head, message) = text.split_once("\n\n").unwrap_or((&*text, ""));
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let Some(target) = field("object").and_then(Oid::from_hex) else { return Ok(None) };
        Ok(Some(Tag {
            target,
            name: field("tag").unwrap_or_default().to_owned(),
            is_signed: message.lines().any(|line| SIGNATURES.contains(&line)),
            message: message.to_owned(),
        }))
    }

    /// Writes a file that `git clone` and `git fetch` read, with the ref of this name and its whole history.
    pub fn write_bundle(&self, file: &Path, name: &str) -> Result<(), GitError> {
        // Git runs at the top of the worktree, the user may be elsewhere.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        self.git(["bundle", "create", "--quiet"]).argument(file).argument(name).run().map(drop)
    }

    /// The objects that `tip` reaches, and the names of those of them that are missing.
    pub fn reachable_objects(&self, tip: Oid) -> Result<(Vec<Oid>, Vec<String>), GitError> {
        let words = ["rev-list", "--objects", "--no-object-names", "--missing=print", &tip.to_hex()];
        let out = self.git(words).run()?;
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for line in String::from_utf8_lossy(&out).lines() {
            match (line.strip_prefix('?'), Oid::from_hex(line)) {
                (Some(name), _) => missing.push(name.to_owned()),
                (None, Some(oid)) => there.push(oid),
                (None, None) => {}
            }
        }
        Ok((there, missing))
    }

    /// What Git itself says against the objects that `tip` reaches, as that the checksum of a stored file is wrong.
    pub fn objections(&self, tip: Oid) -> Result<Vec<String>, GitError> {
        let (_, said) = self.git(["rev-list", "--verify-objects", "--quiet", &tip.to_hex()]).asked()?;
        let is_one = |line: &&str| line.starts_with("error:") || line.starts_with("fatal:");
        Ok(said.lines().filter(is_one).map(str::to_owned).collect())
    }

    /// Whether Git vouches for the signature of a tag, and what it says about it.
    pub fn verify_tag(&self, oid: Oid) -> Result<(bool, String), GitError> {
        self.git(["verify-tag", &oid.to_hex()]).asked()
    }

    /// Whether an object can be read and is the one that its name is made of.
    pub fn is_intact(&self, oid: Oid) -> bool {
        self.read_object(oid).is_ok_and(|(kind, bytes)| self.names(oid, kind, &bytes))
    }
}
