//! What `push`, `pull` and plain `git fetch` have in common: which remote, and taking in what came.

use std::path::Path;
use std::time::Duration;

use super::withdrawing;
use crate::context::Context;
use crate::error::Error;
use crate::log::taking::Taken;
use crate::log::{Lock, layout};
use crate::render::text::harmless;

/// The remote that is meant where the user names none, after `exp.remote` and the branch's own.
const USUAL: &str = "origin";

/// How often a fetch is tried again whose history is cut off.
const DEEPENINGS: u32 = 3;

/// Git holds the lock of a tracking ref for less than this.
const LONGEST_LOCK: Duration = Duration::from_mins(1);

/// The remote that the user named, else that of `exp.remote`, of the current branch, or `origin`.
pub fn named(context: &Context, wanted: Option<&str>) -> Result<String, Error> {
    let of_branch = || {
        let branch = context.repo.head().ok()?.branch?;
        context.repo.config_string(&format!("branch.{branch}.remote")).filter(|name| name != ".")
    };
    let known = context.repo.remotes()?;
    // As `git fetch` does: where there is one only, it is that one.
    let only = || if let [only] = known.as_slice() { Some(only.clone()) } else { None };
    let name = wanted
        .map(str::to_owned)
        .or_else(|| context.repo.config_string("exp.remote"))
        .or_else(of_branch)
        .or_else(only)
        .unwrap_or_else(|| USUAL.to_owned());
    if known.contains(&name) {
        return Ok(name);
    }
    if is_address(&name) {
        let has_it = |remote: &&String| {
            context.repo.config_string(&format!("remote.{remote}.url")).as_ref() == Some(&name)
                || context.repo.remote_address(remote).is_ok_and(|it| it == name)
        };
        return match known.iter().find(has_it) {
            Some(remote) => Ok(remote.clone()),
            None => Err(unnamed(&name, &known)),
        };
    }
    let error = Error::request(format!("there is no remote `{}`", harmless(&name)));
    Err(match known.as_slice() {
        [] => error.hint(format!("add one: git remote add {} <URL>", harmless(&name))),
        known => error.hint(format!("the remotes are {}", known.join(", "))),
    })
}

/// Whether a word is an address or a path, as Git would take it where there is no remote of that name.
fn is_address(word: &str) -> bool {
    word.contains(':') || word.starts_with(['/', '.']) || Path::new(word).is_dir()
}

/// What is answered to an address that no remote has.
fn unnamed(address: &str, known: &[String]) -> Error {
    let is_free = |name: &&&str| known.iter().all(|it| it != **name);
    let name = [USUAL, "hub", "archive"].iter().find(is_free).unwrap_or(&"<name>");
    // Somebody may read over the shoulder, or keep what a job prints.
    let has_password = address.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/')
            .next()
            .is_some_and(|host| host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')))
    });
    let shown = if has_password { "<URL>".to_owned() } else { harmless(address).into_owned() };
    Error::request(format!("no remote of this repository is at `{shown}`"))
        .because("what a remote had is kept under its name, so that a log that is rewound, forged or deleted there is told")
        .hint(format!("name it: git remote add {name} {shown} and say `{name}` instead"))
}

/// Has plain `git fetch` bring the logs and seals of every remote that it fetches branches from; gives those it did not before.
pub fn follow_all(context: &Context) -> Result<Vec<String>, Error> {
    let mut added = Vec::new();
    for remote in context.repo.remotes()? {
        let key = format!("remote.{remote}.fetch");
        let is_mirror = context.repo.config_bool(&format!("remote.{remote}.mirror")).unwrap_or(false);
        if is_mirror || context.repo.config_strings(&key).is_empty() {
            continue;
        }
        let logs = context.repo.add_config_local(&key, &layout::tracking_refspec(&remote, "log"))?;
        let seals = context.repo.add_config_local(&key, &layout::tracking_refspec_of_seals(&remote))?;
        if logs || seals {
            added.push(remote);
        }
    }
    Ok(added)
}

/// What else than logs, seals and notes is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Logs,
    /// The files and the code of runs.
    Files,
}

/// Fetches what the remote has, and takes it in.
pub fn bring(context: &mut Context, remote: &str, wanted: Wanted) -> Result<Taken, Error> {
    let kinds: &[&str] = if wanted == Wanted::Files { &["log", "data", "code"] } else { &["log"] };
    let mut refspecs: Vec<String> = kinds.iter().map(|kind| layout::tracking_refspec(remote, kind)).collect();
    refspecs.push(layout::tracking_refspec_of_seals(remote));
    refspecs.push(layout::tracking_refspec_of_notes(remote));
    let _lock = Lock::of_fetches(context.log.folders())?;
    // Those of a fetch that was killed would be in the way for ever.
    context.repo.remove_old_locks(layout::REMOTE, LONGEST_LOCK);
    for _ in 0..DEEPENINGS {
        let is_cut = context.log.is_cut()?;
        if let Err(error) = context.repo.fetch(remote, &refspecs, is_cut) {
            // As after a `git gc --prune=now` that ran at the same time as something else.
            if !context.repo.has_refs_at_nothing()? {
                return Err(error.into());
            }
            context.repo.refetch(remote, &refspecs, &[layout::REMOTE, layout::NOTES])?;
            let mut index = context.log.index()?;
            context.log.repair_notes(&mut index)?;
        }
        // Where anything is new, Git deepens nothing else.
        if !is_cut {
            break;
        }
    }
    if context.repo.is_partial()? {
        let prefix = format!("{}{remote}/log/", layout::REMOTE);
        let tips: Vec<_> = context.repo.list_refs(&prefix)?.into_iter().map(|(_, tip)| tip).collect();
        context.repo.fetch_left_out(remote, &tips)?;
    }
    take_in(context, true)
}

/// Takes in what was fetched, of all tracking refs `again` or of those that moved, and brings the views up to it.
pub fn take_in(context: &mut Context, again: bool) -> Result<Taken, Error> {
    let mut taken = context.log.take_in(&context.nonce()?, again)?;
    if !taken.renamed.is_empty() {
        // The configuration was read when the command began.
        context.reopen()?;
    }
    if again || taken.came.iter().any(|(writer, _)| writer.is_later_epoch()) {
        withdrawing::follow(context, &mut taken)?;
    }
    if taken.has_news() {
        let mut index = context.log.index()?;
        context.log.repair_notes(&mut index)?;
    }
    Ok(taken)
}

/// Takes in what a plain `git fetch` brought, and says what is wrong with it.
pub fn take_in_quietly(context: &mut Context) -> Result<(), Error> {
    let taken = take_in(context, false)?;
    tell_trouble(context, &taken);
    Ok(())
}

/// Says which logs go on under another name, and what is not followed.
pub fn tell_trouble(context: &mut Context, taken: &Taken) {
    for (old, new) in &taken.renamed {
        context.output.say(&format!(
            "another clone appended to the log `{old}`, so this one goes on as `{new}`; every entry is kept"
        ));
    }
    for trouble in &taken.problems {
        context.output.say(&format!("not followed: {}: {}", harmless(&trouble.what), trouble.problem));
    }
}

/// Says what can be done about a remote that has something else under the name of this clone's log.
pub fn hint_at_forged(context: &mut Context, remote: &str, log: &str) {
    let tracking = log.replacen("refs/exp/", &format!("{}{remote}/", layout::REMOTE), 1);
    context.output.hint(&format!(
        "see what is there: git log {tracking}; to take it away and send what is here: git push {remote} --delete {log} && git exp push {remote}"
    ));
}
