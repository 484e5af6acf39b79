//! `git exp issue heartbeat`: that work goes on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Answer;
use super::github::{address, connect, explained};
use super::issue_fields::{self as fields, rendered};
use super::issue_subject::{Outcome, Subjects, Which, claimed, links_of, message};
use super::posting::{Ours, note_what_is_there, post};
use crate::context::Context;
use crate::domain::chronicle::{Event, What};
use crate::domain::entry::Body;
use crate::domain::issue::{IssueAct, Post, Pulse, not_due};
use crate::error::Error;
use crate::github::Comment;
use crate::log::{Lock, layout};
use crate::render::issue::{is_post, post_mark};

/// Comments that work goes on, where that is due.
pub fn heartbeat(
    context: &mut Context,
    which: &Which,
    blockers: &[String],
    eta: Option<&str>,
) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let mut subjects = Subjects::read(context, which.topic.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let (name, number) = (subjects.name.clone(), subjects.number(&there)?);
    let rules = context.rules_for(Some(&name))?.issue;
    if rules.heartbeat.is_none() && which.is_one_of_all {
        return Ok(Answer::Yes);
    }
    if rules.heartbeat.is_none() {
        return Err(Error::request(format!("the topic `{name}` does not ask for heartbeats")).hint(format!(
            "say so in exp.toml on {}: [issue] heartbeat = \"6h\"",
            layout::topic_branch(&name)
        )));
    }
    let outcome = || Outcome {
        number: Some(number),
        ..Outcome::of(IssueAct::Commented, Some(Post::Heartbeat), &there)
    };
    let mut found = links_of(context, which, &there, &subjects)?;
    let connection = connect(context, which.remote.as_deref())?;
    let claim = match which.dry_run {
        true => None,
        false => claimed(context, which, &connection, &mut subjects, &mut found)?,
    };
    if !which.dry_run {
        note_what_is_there(context, &connection, subjects.topic(), Post::Heartbeat)?;
    }
    let comments = connection.github.comments(number).map_err(|error| explained(&error))?;
    let opened = connection.github.issue(number).map_err(|error| explained(&error))?.created_at;
    let Subjects { index, research, .. } = &mut subjects;
    let topic = &research.state.topics[&name];
    let all = research.events(topic, &BTreeSet::new());
    let is_work = |event: &&Event<'_>| match event.what {
        What::Series(_) => true,
        What::Entry(entry) => matches!(entry.body, Body::Decision(_)),
    };
    let times_of = |comments: &mut dyn Iterator<Item = &Comment>| -> Vec<Timestamp> {
        comments.filter_map(|it| it.created_at.parse().ok()).collect()
    };
    let times = |comments: &mut dyn Iterator<Item = &Comment>| times_of(comments).into_iter().max();
    let ours = Ours::of(&connection, &topic.issue);
    let is_post = |it: &&Comment| is_post(&it.text()) && ours.wrote(it.user.as_ref(), &it.text());
    let heartbeat_mark = [post_mark(Post::Heartbeat, None)];
    let is_heartbeat = |it: &&Comment| ours.has(it, &heartbeat_mark);
    // Those of other clones are on GitHub; one of ours that somebody deleted was posted all the same.
    let is_there = |id: Option<u64>| comments.iter().any(|it| Some(it.id) == id && is_heartbeat(&it));
    let own_heartbeats = topic
        .issue
        .iter()
        .filter(|it| it.event.post == Some(Post::Heartbeat) && it.event.url.is_some())
        .filter(|it| !is_there(it.event.comment))
        .map(|it| it.time);
    let done = topic.issue.iter().filter(|it| it.event.url.is_some() && it.event.act != IssueAct::Synced);
    let last_post = done.map(|it| it.time).max().max(times(&mut comments.iter().filter(is_post)));
    let pulse = Pulse {
        last_comment: times(&mut comments.iter()),
        last_post: last_post.or_else(|| opened.parse().ok()),
        last_work: all.iter().filter(is_work).map(|event| event.time).max(),
        heartbeats: own_heartbeats.chain(times_of(&mut comments.iter().filter(is_heartbeat))).collect(),
    };
    if let Some(why) = not_due(&rules, &pulse, context.now()) {
        return Outcome { why: Some(why), ..outcome() }.show(context, &name);
    }
    let since: Vec<Event<'_>> =
        all.into_iter().filter(|event| pulse.last_post.is_none_or(|post| event.time > post)).collect();
    let made = fields::heartbeat(context, index, research, topic, &since, (blockers, eta))?;
    let text = rendered(context, topic, "issue-heartbeat.md", made)?;
    let message = message(&name, number, Post::Heartbeat, None, BTreeMap::new(), text, &found);
    if which.dry_run {
        return Outcome { text: Some(&message.shown(there.repository())), ..outcome() }.show(context, &name);
    }
    let url = post(context, &connection, claim.as_ref(), &subjects.topic().issue, message)?;
    Outcome { url: Some(url), ..outcome() }.show(context, &name)
}
