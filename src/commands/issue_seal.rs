//! `git exp issue update --seal`: what was sealed.

use std::collections::BTreeMap;

use super::github::{address, connect, glance};
use super::issue_fields::{self as fields, rendered};
use super::issue_subject::{Outcome, Subjects, Which, claimed, links_of, message};
use super::issue_update::against;
use super::posting::{known, note_what_is_there, post};
use super::{Answer, deciding, remotes, selection};
use crate::context::Context;
use crate::domain::issue::{self, IssueAct, Post};
use crate::error::Error;
use crate::log::{Lock, layout};
use crate::render::text::harmless;

/// Comments a seal, once.
pub fn update_seal(context: &mut Context, which: &Which, word: &str) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let own = match &which.topic {
        Some(topic) => Some(topic.clone()),
        None => topic_of_seal(context, word)?,
    };
    let mut subjects = Subjects::read(context, own.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let (name, number) = (subjects.name.clone(), subjects.number(&there)?);
    let remote = remotes::named(context, which.remote.as_deref())?;
    let (tag, alias) = sealed(context, word)?;
    let full = format!("refs/tags/{tag}");
    let object = context.repo.read_ref(&full)?.ok_or_else(|| {
        Error::request(format!("there is no seal `{}`", harmless(word))).hint("git exp seal <experiment>")
    })?;
    let commit = context.repo.rev_parse(&format!("{full}^{{commit}}"))?.unwrap_or(object);
    let outcome =
        || Outcome { number: Some(number), ..Outcome::of(IssueAct::Commented, Some(Post::Seal), &there) };
    let posted_already = |url| {
        let why = Some(format!("{tag} was posted already"));
        Outcome { url: Some(url), why, ..outcome() }
    };
    if let Some(url) = issue::posted(&subjects.topic().issue, Post::Seal, &tag) {
        return posted_already(url.to_owned()).show(context, &name);
    }
    let mut found = links_of(context, which, &there, &subjects)?;
    let Subjects { index, research, .. } = &mut subjects;
    let topic = &research.state.topics[&name];
    let experiment = research.experiments().find(|it| it.name() == alias || it.id.as_str() == alias);
    let experiment = experiment.ok_or_else(|| {
        Error::request(format!("`{}` seals no experiment of {name}", harmless(&tag))).hint("git exp list")
    })?;
    if !context.repo.refs_of_remote(&remote, &[&full])?.iter().any(|(_, oid)| *oid == object) {
        let breach = format!("{tag} was not pushed: git exp push --seals");
        return deciding::refuse(context, "post about", name.as_str(), &[breach]);
    }
    if let Some(answer) = against(context, index, research, &name, &found, &[experiment])? {
        return Ok(answer);
    }
    let made = fields::seal(context, research, experiment, (&tag, commit), &there.page())?;
    let text = rendered(context, topic, "issue-seal.md", made)?;
    let message = message(&name, number, Post::Seal, Some(tag.clone()), BTreeMap::new(), text, &found);
    if which.dry_run {
        let connection = glance(context, which.remote.as_deref());
        if let Some(connection) = &connection
            && let Some(url) = known(connection, &subjects.topic().issue, number, Post::Seal, &tag)?
        {
            return posted_already(url).show(context, &name);
        }
        return Outcome { text: Some(&message.shown(there.repository())), ..outcome() }.show(context, &name);
    }
    let connection = connect(context, which.remote.as_deref())?;
    let claim = claimed(context, which, &connection, &mut subjects, &mut found)?;
    if let Some(url) = issue::posted(&subjects.topic().issue, Post::Seal, &tag) {
        return posted_already(url.to_owned()).show(context, &name);
    }
    note_what_is_there(context, &connection, subjects.topic(), Post::Seal)?;
    // Another clone may have posted it, as that of a runner which is gone since.
    if let Some(url) = known(&connection, &subjects.topic().issue, number, Post::Seal, &tag)? {
        return posted_already(url).show(context, &name);
    }
    let url = post(context, &connection, claim.as_ref(), &subjects.topic().issue, message)?;
    Outcome { url: Some(url), ..outcome() }.show(context, &name)
}

/// Posts the seals of a topic whose tags the remote has and that were not posted yet, as when a workflow was not started or given up.
pub fn update_seals(context: &mut Context, which: &Which) -> Result<Answer, Error> {
    let remote = remotes::named(context, which.remote.as_deref())?;
    let there = context.repo.refs_of_remote(&remote, &[&format!("{}*", layout::SEALS)])?;
    let mut wanted = Vec::new();
    {
        let mut index = context.log.index()?;
        let state = context.log.state(&mut index)?;
        let topic = selection::topic(&state, which.topic.as_deref().unwrap_or_default())?;
        for (full, object) in context.repo.list_refs(layout::SEALS)? {
            let tag = full.strip_prefix("refs/tags/").unwrap_or(&full);
            let is_its = || {
                let (_, alias) = sealed(context, tag)?;
                Ok::<_, Error>(
                    state.find(&alias).first().and_then(|it| it.topic()) == Some(&topic.topic.name),
                )
            };
            if there.contains(&(full.clone(), object))
                && issue::posted(&topic.issue, Post::Seal, tag).is_none()
                && is_its()?
            {
                wanted.push(tag.to_owned());
            }
        }
    }
    let mut last = Answer::Yes;
    for tag in wanted {
        // One that something stands against keeps no other from being posted.
        match update_seal(context, which, &tag)? {
            Answer::Yes => {}
            other => last = other,
        }
    }
    Ok(last)
}

/// Says which seals are of topics that have no issue.
pub fn tell_seals_left(context: &mut Context) -> Result<(), Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    for (full, _) in context.repo.list_refs(layout::SEALS)? {
        let tag = full.strip_prefix("refs/tags/").unwrap_or(&full);
        let (_, alias) = sealed(context, tag)?;
        let Some(name) = state.find(&alias).first().and_then(|it| it.topic()) else { continue };
        if state.topics.get(name).is_some_and(|it| issue::link(&it.issue).is_none()) {
            let tag = harmless(tag);
            context
                .output
                .say(&format!("{tag}: not posted, for {name} has no issue: git exp issue open {name}"));
        }
    }
    Ok(())
}

/// The topic of the experiment that is sealed.
fn topic_of_seal(context: &Context, word: &str) -> Result<Option<String>, Error> {
    let (_, alias) = sealed(context, word)?;
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let found = state.find(&alias);
    Ok(found.first().and_then(|it| it.topic()).map(ToString::to_string))
}

/// The tag that `word` names, and the experiment that it seals: the newest of an experiment.
fn sealed(context: &Context, word: &str) -> Result<(String, String), Error> {
    let word = word.strip_prefix("refs/tags/").unwrap_or(word);
    let name = word.strip_prefix("sealed/").unwrap_or(word);
    let tags = context.repo.list_refs(layout::SEALS)?;
    let tags: Vec<&str> = tags.iter().filter_map(|(tag, _)| tag.strip_prefix(layout::SEALS)).collect();
    let later = |tag: &str, of: &str| tag.strip_prefix(of)?.strip_prefix('-')?.parse::<u64>().ok();
    if word.starts_with("sealed/") {
        // `A-001` and `A-001-2` both seal A-001, unless there is an experiment of that very name.
        let first = name.rsplit_once('-').map(|(first, _)| first);
        let of = first.filter(|first| tags.contains(first) && later(name, first).is_some()).unwrap_or(name);
        return Ok((format!("sealed/{name}"), of.to_owned()));
    }
    let newest = tags.iter().filter_map(|tag| later(tag, name)).max();
    let tag = newest.map_or_else(|| name.to_owned(), |number| format!("{name}-{number}"));
    Ok((format!("sealed/{tag}"), name.to_owned()))
}
