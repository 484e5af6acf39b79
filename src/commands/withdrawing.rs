//! What withdrawals mean for `push` and `pull`: what a remote is to let go of, what must not be handed on, what is let go here.
//!
//! Everything that `push` offers is asked of [`Withdrawing::refusal`] first, this clone's own and what is relayed alike.

use std::collections::HashMap;

use crate::context::Context;
use crate::domain::id::Writer;
use crate::error::Error;
use crate::git::{Expected, Oid, Pushed, RefEdit};
use crate::log::layout;
use crate::log::purge::Superseded;
use crate::log::taking::{Problem, Taken};
use crate::log::withdrawn::Unfollowed;

/// What is to become of a remote's refs because of withdrawals.
pub struct Withdrawing {
    /// The refs that were withdrawn here and are there, with what they are there.
    pub there: Vec<(String, Oid)>,
    /// Refs that were withdrawn here and have something there that is not known here.
    strange: Vec<String>,
    /// Later epochs that are there and not known here.
    unknown: Vec<Writer>,
    /// The logs here that a later epoch withdrew.
    superseded: Vec<Superseded>,
    /// The logs here that hold what withdrawals in others took.
    unfollowed: Vec<Unfollowed>,
    /// The names that this clone has and had.
    own: Vec<Writer>,
    /// All that is known to be there of what was asked for.
    refs: HashMap<String, Oid>,
}

impl Withdrawing {
    /// Looks for what was withdrawn here among the refs of the remote; `logs` are those of logs, or all of them, and `offered`
    /// begin the names of the logs here that may be offered to it.
    pub fn look(
        context: &Context,
        remote: &str,
        logs: &HashMap<String, Oid>,
        offered: &[&str],
    ) -> Result<Self, Error> {
        let superseded = context.log.superseded()?;
        let unfollowed = context.log.unfollowed(offered)?;
        let own = context.log.own_writers()?;
        let withdrawn = context.log.withdrawn();
        let mut refs = logs.clone();
        if !withdrawn.is_empty() {
            let patterns: Vec<&str> =
                ["refs/exp/*"].into_iter().chain(withdrawn.keys().map(String::as_str)).collect();
            refs.extend(context.repo.refs_of_remote(remote, &patterns)?);
        }
        let (mut there, mut strange) = (Vec::new(), Vec::new());
        for (name, commits) in &withdrawn {
            match refs.get(name) {
                Some(tip) if commits.contains(&tip.to_hex()) => there.push((name.clone(), *tip)),
                Some(_) => strange.push(name.clone()),
                None => {}
            }
        }
        let mut unknown = Vec::new();
        for name in refs.keys() {
            let writer = name.strip_prefix(layout::LOGS).and_then(|name| name.parse::<Writer>().ok());
            if let Some(writer) = writer.filter(Writer::is_later_epoch)
                && context.repo.read_ref(&layout::log_ref(&writer))?.is_none()
                && context.repo.read_ref(&layout::seen_ref(&writer))?.is_none()
            {
                unknown.push(writer);
            }
        }
        Ok(Self { there, strange, unknown, superseded, unfollowed, own, refs })
    }

    /// Why a ref must not be handed on: its epoch ended with a withdrawal, or may have.
    pub fn refusal(&self, name: &str) -> Option<&'static str> {
        let writer: Writer = name.strip_prefix("refs/exp/")?.rsplit('/').next()?.parse().ok()?;
        if let Some(it) = self.superseded.iter().find(|it| it.old == writer) {
            return Some(match it.is_own {
                true => "a copy of this clone withdrew entries of it: `git exp purge` follows",
                false => "its writer withdrew entries of it: `git exp pull` lets it go",
            });
        }
        if self.unfollowed.iter().any(|it| it.writer == writer) {
            return Some(match self.own.contains(&writer) {
                true => "it holds what another clone withdrew: `git exp purge` follows",
                false => "it holds what another clone withdrew",
            });
        }
        let has_later = self.unknown.iter().any(|it| writer.is_followed_by(it));
        has_later.then_some("a later epoch of it is there: `git exp pull` first")
    }

    /// The files and code of this clone's new epochs, where those of the old ones were published there.
    pub fn instead(&self, context: &Context) -> Result<Vec<(String, Oid)>, Error> {
        let mut instead = Vec::new();
        for prefix in [layout::DATA, layout::CODE] {
            for (name, tip) in context.repo.list_refs(prefix)? {
                let Ok(writer) = name[prefix.len()..].parse::<Writer>() else { continue };
                let is_published = self.there.iter().any(|(old, _)| {
                    let old = old.strip_prefix(prefix).and_then(|old| old.parse::<Writer>().ok());
                    old.is_some_and(|old| old.is_followed_by(&writer))
                });
                if is_published && self.refs.get(&name) != Some(&tip) && self.refusal(&name).is_none() {
                    instead.push((name, tip));
                }
            }
        }
        Ok(instead)
    }

    /// Has the remote let go of what was withdrawn here, where it is what it was when it was withdrawn.
    pub fn carry_out(&self, context: &Context, remote: &str) -> Result<Vec<Pushed>, Error> {
        let outcomes = context.repo.withdraw(remote, &self.there)?;
        let gone = outcomes.iter().filter(|it| it.refusal.is_none());
        let edits = gone.filter_map(|it| {
            let name = format!("{}{remote}/{}", layout::REMOTE, it.name.strip_prefix("refs/exp/")?);
            Some(RefEdit { name, expected: Expected::Any, new: None })
        });
        let edits: Vec<RefEdit> = edits.collect();
        let mut here = Vec::new();
        for edit in edits {
            if context.repo.read_ref(&edit.name)?.is_some() {
                here.push(edit);
            }
        }
        context.repo.update_refs(&here, "git exp push")?;
        Ok(outcomes)
    }

    /// What is not taken away, as a remote would refuse it.
    pub fn refused(&self) -> impl Iterator<Item = Pushed> + '_ {
        self.strange.iter().map(|name| Pushed {
            name: name.clone(),
            refusal: Some(
                "it was withdrawn here, and is at something there that is not known here".to_owned(),
            ),
        })
    }
}

/// Lets go of logs that their writers withdrew.
pub fn follow(context: &Context, taken: &mut Taken) -> Result<(), Error> {
    let has_new_epochs = taken.came.iter().any(|(writer, _)| writer.is_later_epoch());
    let followed = context.log.follow_withdrawals(has_new_epochs)?;
    let problems = followed.problems.into_iter().map(|(what, problem)| Problem { what, problem });
    taken.problems.extend(problems);
    taken.withdrawn = followed.gone.into_iter().map(|it| it.old).collect();
    taken.seals.retain(|tag| !followed.seals.contains(tag));
    let gone = &taken.withdrawn;
    // That its log is gone from a remote is as it should be.
    taken.problems.retain(|it| !gone.iter().any(|writer| it.what.ends_with(&format!("/log/{writer}"))));
    taken.came.retain(|(writer, _)| !gone.contains(writer));
    Ok(())
}
