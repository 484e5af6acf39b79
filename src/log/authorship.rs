//! Whether what a remote has under the name of this clone's own log was written by this clone, or by a copy of it.
//!
//! A copy goes on from where both were one (or from nothing, where it was copied before the first entry) with entries of the same
//! writer, and nobody takes away what a remote had. Who can push there can write such entries, too: this finds what no copy does.

use std::collections::HashSet;

use super::error::LogError;
use super::read::Reader;
use super::taking::steps_to;
use super::{Log, layout, message};
use crate::domain::id::Writer;
use crate::git::{Oid, Repo};

/// What is said where a remote no longer holds what it had of the log of this clone.
const REWOUND: &str = "it was rewound or forged: it does not hold what was there of this clone's log, which is kept as it is here";

/// What is said where something stands in it that no clone of this writer appends.
const FORGED: &str =
    "it was forged: it holds what neither this clone nor a copy of it wrote; the log here is kept as it is";

/// What entries are read as that do not say who wrote them.
const NOBODY: &str = "00000000";

impl Log {
    /// Why `tip`, which the log `own` of `writer` does not hold, cannot be where a copy of this clone went on; `None` where it can.
    ///
    /// `accepted` is the furthest that the remote is known to have had of this log.
    pub(super) fn objection(
        &self,
        writer: &Writer,
        own: Oid,
        tip: Oid,
        accepted: Option<Oid>,
    ) -> Result<Option<&'static str>, LogError> {
        if let Some(accepted) = accepted
            && self.repo.has_object(accepted)
            && steps_to(&self.repo, tip, accepted)?.is_none()
        {
            return Ok(Some(REWOUND));
        }
        let mut ours = HashSet::new();
        let mut root = own;
        for step in self.repo.walk_first_parent(own) {
            root = step?.0;
            ours.insert(root);
        }
        let nobody: Writer = NOBODY.parse().expect("eight zeros name a writer");
        let mut reader = Reader::new(&self.repo, &nobody)?;
        for step in self.repo.walk_first_parent(tip) {
            let (commit, lite) = step?;
            if ours.contains(&commit) {
                break;
            }
            if !is_appended(&self.repo, &mut reader, writer, (commit, lite.tree), root)? {
                return Ok(Some(FORGED));
            }
        }
        Ok(None)
    }

    /// The same, of what `remote` has under the name of a log of this clone, as far as that is here to look at.
    pub fn objection_to_own(
        &self,
        remote: &str,
        writer: &Writer,
        tip: Oid,
    ) -> Result<Option<&'static str>, LogError> {
        let Some(own) = self.repo.read_ref(&layout::log_ref(writer))? else { return Ok(None) };
        if self.configured_writer()?.as_ref() != Some(writer)
            || !self.repo.has_object(tip)
            || steps_to(&self.repo, own, tip)?.is_some()
        {
            return Ok(None);
        }
        let accepted = self.accepted(&layout::tracking_ref_of_log(remote, writer));
        match self.objection(writer, own, tip, accepted) {
            // It is told when it is taken in.
            Err(LogError::Git(_)) => Ok(None),
            result => result,
        }
    }
}

/// Whether a commit is one that appends an entry of this writer, or that begins a log as the commit `root` does.
fn is_appended(
    repo: &Repo,
    reader: &mut Reader<'_>,
    writer: &Writer,
    (commit, tree): (Oid, Oid),
    root: Oid,
) -> Result<bool, LogError> {
    let read = repo.read_commit(commit)?;
    if read.parents.is_empty() {
        let begins = |message: &[u8]| message == message::root(writer).as_bytes();
        return Ok(tree == repo.empty_tree()
            && (begins(&read.message) || repo.read_commit(root)?.message == read.message));
    }
    let entry = reader.one(commit, tree)?.entry;
    Ok(read.parents.len() == 1 && (entry.writer == *writer || entry.writer.is_followed_by(writer)))
}
