//! Following what others withdrew: logs go that a later epoch of their writer took the place of.

use std::collections::HashSet;

use super::{Followed, Holder, Order, Superseded};
use crate::domain::entry::Body;
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::Withdrawal;
use crate::git::Oid;
use crate::log::append::Lock;
use crate::log::error::LogError;
use crate::log::read::{self, Located};
use crate::log::{Log, layout};

/// Withdrawals, each with the ID of its entry.
type Withdrawals = Vec<(EntryId, Withdrawal)>;

impl Log {
    /// The logs here that a later epoch of their writer withdrew.
    pub fn superseded(&self) -> Result<Vec<Superseded>, LogError> {
        Ok(self.find_superseded()?.into_iter().map(|(it, _)| it).collect())
    }

    /// The same, each with the withdrawals that the later epoch holds.
    fn find_superseded(&self) -> Result<Vec<(Superseded, Withdrawals)>, LogError> {
        let mut logs = Vec::new();
        for (prefix, is_own) in [(layout::LOGS, true), (layout::SEEN, false)] {
            for (name, tip) in self.repo.list_refs(prefix)? {
                if let Ok(writer) = name[prefix.len()..].parse::<Writer>() {
                    logs.push((writer, tip, is_own));
                }
            }
        }
        let mut found = Vec::new();
        for (by, tip, _) in logs.iter().filter(|(by, ..)| by.is_later_epoch()) {
            let olds: Vec<_> = logs.iter().filter(|(old, ..)| old.is_followed_by(by)).collect();
            if olds.is_empty() {
                continue;
            }
            let mut withdrawals = Vec::new();
            read::log(&self.repo, by, *tip, None, Vec::push, |part: Vec<Located>| {
                withdrawals.extend(part.into_iter().filter_map(|it| match it.entry.body {
                    Body::Withdrawal(withdrawal) => Some((it.entry.id, withdrawal)),
                    _ => None,
                }));
            })?;
            for (old, _, is_own) in olds {
                if withdrawals.iter().any(|(_, it)| it.drops_log_of(old)) {
                    let it = Superseded { old: old.clone(), by: by.clone(), is_own: *is_own };
                    found.push((it, withdrawals.clone()));
                }
            }
        }
        Ok(found)
    }

    /// Lets go of logs that their writers withdrew, where the later epoch holds all else that they held.
    ///
    /// `has_new_epochs` says that later epochs came, which may withdraw what the notes here show.
    pub fn follow_withdrawals(&self, has_new_epochs: bool) -> Result<Followed, LogError> {
        let mut followed = Followed::default();
        let mut went = Vec::new();
        for (it, withdrawals) in self.find_superseded()? {
            if it.is_own {
                let problem = format!(
                    "a copy of this clone withdrew entries of it and goes on as `{}`; `git exp purge` follows, and until then it is not pushed",
                    it.by
                );
                followed.problems.push((layout::log_ref(&it.old), problem));
                continue;
            }
            let lost = self.lost_in(&it, &withdrawals)?;
            if lost > 0 {
                let entries = if lost == 1 {
                    "one of its entries, which is kept".to_owned()
                } else {
                    format!("{lost} of its entries, which are kept")
                };
                let problem = format!("`{}` withdraws it, but lacks {entries}", it.by);
                followed.problems.push((layout::seen_ref(&it.old), problem));
                continue;
            }
            let _lock = Lock::take(&self.folders)?;
            let mut drops = Vec::new();
            for (name, tip) in self.repo.list_refs("refs/exp/")? {
                let is_seen = [layout::SEEN, layout::SEEN_DATA, layout::SEEN_CODE, layout::REMOTE]
                    .iter()
                    .any(|prefix| name.starts_with(prefix));
                if is_seen && name.ends_with(&format!("/{}", it.old)) {
                    drops.push((name, tip));
                }
            }
            // Before they go: afterwards nothing tells what they held.
            went.extend(self.record_taken_of(&it, &withdrawals, &drops)?);
            self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
            let is_of = format!("/{}", it.old);
            self.forget_tracking(|name| name.ends_with(&is_of))?;
            followed.gone.push(it);
        }
        followed.seals = self.follow_seals()?;
        if !followed.gone.is_empty() {
            self.forget_views()?;
        } else if has_new_epochs {
            self.renew_notes()?;
        }
        self.tell_unfollowed(&mut followed)?;
        if let Some(first) = went.first() {
            let order = Order { ids: &went, gone: &[], all_code: false, logs: &[] };
            // A branch of somebody's own may have had the same content committed to it.
            let is_ours =
                |it: &Holder| !it.name.starts_with("refs/heads/") || it.name.starts_with("refs/heads/exp/");
            for holder in self.plan_purge(order)?.holders.into_iter().filter(is_ours) {
                let fate = if holder.can_go { "--drop-refs` deletes it" } else { "--dry-run` says of what" };
                let problem = format!(
                    "it holds what was withdrawn, and stays: `git exp purge {} {fate}",
                    first.short()
                );
                followed.problems.push((holder.name, problem));
            }
        }
        Ok(followed)
    }

    /// Deletes the refs of epochs that were withdrawn here and that a mirroring `git fetch` brought back.
    pub(in crate::log) fn drop_brought_back(&self) -> Result<(), LogError> {
        let withdrawn = self.withdrawn();
        for name in withdrawn.keys() {
            let old = name.strip_prefix(layout::LOGS).and_then(|name| name.parse::<Writer>().ok());
            let Some(old) = old.filter(|_| self.repo.read_ref(name).is_ok_and(|tip| tip.is_some())) else {
                continue;
            };
            let _lock = Lock::take(&self.folders)?;
            let mut drops = Vec::new();
            for name in [layout::log_ref(&old), layout::data_ref(&old), layout::code_ref(&old)] {
                drops.extend(self.repo.read_ref(&name)?.map(|tip| (name, tip)));
            }
            // What somebody appended there since stands nowhere else.
            let is_known = |(name, tip): &(String, Oid)| {
                withdrawn.get(name).is_some_and(|known| known.contains(&tip.to_hex()))
            };
            if drops.iter().all(is_known) {
                self.drop_refs(drops.iter().map(|(name, tip)| (name, *tip)))?;
            }
        }
        Ok(())
    }

    /// How many entries of a withdrawn log are neither in the later epoch nor withdrawn.
    fn lost_in(&self, it: &Superseded, withdrawals: &[(EntryId, Withdrawal)]) -> Result<usize, LogError> {
        let ids = |name: &str, writer: &Writer| -> Result<HashSet<EntryId>, LogError> {
            let mut ids = HashSet::new();
            if let Some(tip) = self.repo.read_ref(name)? {
                let take = |part: Vec<Located>| ids.extend(part.iter().map(|it| it.entry.id));
                read::log(&self.repo, writer, tip, None, Vec::push, take)?;
            }
            Ok(ids)
        };
        let mut kept = ids(&layout::seen_ref(&it.by), &it.by)?;
        kept.extend(ids(&layout::log_ref(&it.by), &it.by)?);
        kept.extend(withdrawals.iter().flat_map(|(_, it)| &it.entries).map(|it| it.entry));
        Ok(ids(&layout::seen_ref(&it.old), &it.old)?.difference(&kept).count())
    }
}
