//! What the brief says, and whether the change keeps to it.

use super::{Checked, Found, Subject};
use crate::commands::file_rules::Scope;
use crate::context::Context;
use crate::domain::check::promise::{SCOPE, Size, of_brief, of_scope};
use crate::domain::check::set_aside;
use crate::error::Error;
use crate::git::Oid;

/// Looks at the brief, and at the size and the place of the change.
pub fn look(
    context: &Context,
    subject: &Subject<'_>,
    checked: Checked<'_>,
    found: &mut Found,
) -> Result<(), Error> {
    let brief = &checked.registered.current.brief;
    found.breaches.extend(of_brief(checked.name, brief));
    let mut size = Size::default();
    let mut changed: Vec<String> = Vec::new();
    for scope in &subject.scopes {
        match *scope {
            Scope::Range(base, tip) => {
                for file in subject.branch.repo.diff_files(own_base(context, subject, base, tip)?, tip)? {
                    size.files += 1;
                    size.added += file.added.unwrap_or_default();
                    size.removed += file.removed.unwrap_or_default();
                    changed.push(String::from_utf8_lossy(&file.path).into_owned());
                }
            }
            Scope::Worktree => {
                let changes = subject.branch.repo.worktree_changes()?;
                let lists = [&changes.modified, &changes.deleted, &changes.untracked, &changes.staged];
                let mut paths: Vec<String> = lists
                    .into_iter()
                    .flatten()
                    .map(|path| String::from_utf8_lossy(path).into_owned())
                    .collect();
                paths.sort();
                paths.dedup();
                size.uncommitted = paths.len();
                changed.extend(paths);
            }
            Scope::Staged => {}
        }
    }
    changed.sort();
    changed.dedup();
    found.notes.extend(size.in_words(checked.name));
    if !brief.paths.is_empty() {
        let rules = context.rules_for(checked.experiment.topic())?;
        let given = set_aside(&subject.state.overrides, SCOPE, checked.experiment, &rules);
        let paths: Vec<String> = given.iter().flat_map(|it| it.paths.iter().cloned()).collect();
        found.breaches.extend(of_scope(checked.name, brief, &changed, &paths));
    }
    Ok(())
}

/// Where what the experiment itself changed begins: what it merged since of the topic's or the main branch is not its own.
fn own_base(context: &Context, subject: &Subject<'_>, base: Oid, tip: Oid) -> Result<Oid, Error> {
    let repo = &subject.branch.repo;
    let mut own = base;
    if base == tip {
        return Ok(own);
    }
    for agreed in context.agreed_tips(subject.branch.topic.as_ref())? {
        if agreed == own {
            continue;
        }
        if let Some(met) = repo.merge_base(agreed, tip)?
            && met != tip
            && met != own
            && repo.is_ancestor(own, met)?
        {
            own = met;
        }
    }
    Ok(own)
}
