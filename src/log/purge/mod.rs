//! Purging: entries, or their files or code, taken out of this clone's own chains, so that no ref of ours reaches their bytes.
//!
//! A log never moves backwards. What must go takes its log with it: the writer goes on as a new epoch, `<writer>-2`, which
//! holds every other entry again, under the IDs they had, then a withdrawal that names the refs that went. Whoever took the old
//! epoch in finds all of it in the new one, but for what was withdrawn, and lets the old one go.
//!
//! | file | holds |
//! | --- | --- |
//! | `plan` | what goes, what stays because others have it, and what else holds it |
//! | `epoch` | the three chains of a writer made again, without what goes |
//! | `carry_out` | doing it, and ending it after a crash: refs, index and notes let go of what went |
//! | `follow` | letting go of logs that their writers withdrew elsewhere |
//!
//! What withdrawals took is known to `log/withdrawn`, whoever ordered them.

mod carry_out;
mod epoch;
mod follow;
mod plan;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::error::LogError;
use super::read::{self, Located};
use super::{Log, layout};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::Part;
use crate::git::Oid;

/// What a purge would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The entries that are withdrawn, oldest first.
    pub entries: Vec<Entry>,
    /// What of them goes.
    pub gone: Vec<Part>,
    /// This clone's writers whose logs hold them, which go on under a new epoch each.
    pub epochs: Vec<(Writer, Writer)>,
    /// The refs that go, with what they are.
    pub drops: Vec<(String, Oid)>,
    /// The files that go.
    pub files: BTreeSet<String>,
    /// The snapshots and other commits of code that go.
    pub code: Vec<Oid>,
    /// What stays because other entries have it too: what it is, and these entries.
    pub shared: BTreeMap<String, BTreeSet<EntryId>>,
    /// Other refs of this repository that hold some of it.
    pub holders: Vec<Holder>,
    /// Refs of others that hold some of it, which only their clones can let go.
    pub elsewhere: Vec<String>,
    pub(super) doomed: HashSet<Oid>,
}

impl Plan {
    /// Whether another plan of the same comes to something else, but for what chains are at and are called.
    pub fn has_changed(&self, other: &Self) -> bool {
        self.holders != other.holders
            || self.shared != other.shared
            || self.files != other.files
            || self.code != other.code
            || self.epochs.len() != other.epochs.len()
    }
}

/// A ref, not of the chains, that holds some of what is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its full name.
    pub name: String,
    /// What it is.
    pub tip: Oid,
    /// Whether a purge may delete it when asked to: seals, archived experiments, and branches of experiments that nobody is on.
    pub can_go: bool,
}

/// What a purge did.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The withdrawal.
    pub withdrawal: EntryId,
    /// The names that this clone's writers had and have now.
    pub epochs: Vec<(Writer, Writer)>,
}

/// A log that its writer withdrew, with the epoch that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The writer whose log went.
    pub old: Writer,
    /// The epoch that took its place.
    pub by: Writer,
    /// Whether that log is this clone's own, as after it was copied.
    pub is_own: bool,
}

/// What is to be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The entries.
    pub ids: &'a [EntryId],
    /// What of them is to go.
    pub gone: &'a [Part],
    /// Whether code goes, too, that is no snapshot of ours.
    pub all_code: bool,
    /// Logs of this clone that go on as a new epoch also where they hold none of it.
    pub logs: &'a [Writer],
}

/// What was followed of others' withdrawals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The logs that went here.
    pub gone: Vec<Superseded>,
    /// The tags of seals that went here.
    pub seals: Vec<String>,
    /// Logs that are kept, and why.
    pub problems: Vec<(String, String)>,
}

/// The refs that were withdrawn here, and the commits that a remote may have them at.
pub type Withdrawn = BTreeMap<String, Vec<String>>;

/// What the withdrawals among `entries` took of which entries: that is not to be held again.
pub(super) fn taken_parts<'a>(entries: impl IntoIterator<Item = &'a Located>) -> HashSet<(EntryId, Part)> {
    let mut taken = HashSet::new();
    for it in entries {
        if let Body::Withdrawal(withdrawal) = &it.entry.body {
            for one in &withdrawal.entries {
                taken.extend(withdrawal.gone.iter().map(|part| (one.entry, *part)));
            }
        }
    }
    taken
}

/// Whether `name` is what a remote has of this seal.
pub(super) fn is_seal_at_remote(name: &str, seal: &str) -> bool {
    let tag = seal.strip_prefix(layout::SEALS);
    tag.is_some_and(|tag| name.starts_with(layout::REMOTE) && name.ends_with(&format!("/sealed/{tag}")))
}

impl Log {
    /// Every entry of a log.
    pub(super) fn located(&self, writer: &Writer, tip: Oid) -> Result<Vec<Located>, LogError> {
        let mut entries = Vec::new();
        read::log(&self.repo, writer, tip, None, Vec::push, |part: Vec<_>| entries.extend(part))?;
        Ok(entries)
    }
}
