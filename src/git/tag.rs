//! Annotated tags: made and judged by the `git` program, so that keys and signing are its business.

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

    /// Whether Git vouches for the signature of a tag, and what it says about it.
    pub fn verify_tag(&self, oid: Oid) -> Result<(bool, String), GitError> {
        self.git(["verify-tag", &oid.to_hex()]).asked()
    }

    /// Whether an object can be read and is the one that its name is made of.
    pub fn is_intact(&self, oid: Oid) -> bool {
        self.read_object(oid).is_ok_and(|(kind, bytes)| self.names(oid, kind, &bytes))
    }
}
