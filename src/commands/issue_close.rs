//! `git exp issue close`: what the topic came to.

use std::collections::{BTreeMap, BTreeSet};

use super::github::{address, connect, explained, glance};
use super::issue_fields::{self as fields, rendered};
use super::issue_subject::{Outcome, Subjects, Which, claimed, links_of, message};
use super::issue_text::write;
use super::issue_update::against;
use super::posting::{hand_on, known, note_what_is_there, post};
use super::research::Research;
use super::{Answer, deciding};
use crate::context::Context;
use crate::domain::chronicle::What;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::EntryId;
use crate::domain::issue::{self, IssueAct, IssueEvent, Post};
use crate::domain::state::TopicState;
use crate::error::Error;
use crate::log::Lock;

/// Comments what the topic came to, and closes its issue.
pub fn close(context: &mut Context, which: &Which) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let mut subjects = Subjects::read(context, which.topic.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let (name, number) = (subjects.name.clone(), subjects.number(&there)?);
    if let Some(answer) = still_running(context, &subjects)? {
        return Ok(answer);
    }
    let mut found = links_of(context, which, &there, &subjects)?;
    let connection = match which.dry_run {
        true => glance(context, which.remote.as_deref()),
        false => Some(connect(context, which.remote.as_deref())?),
    };
    let mut claim = None;
    if let Some(connection) = connection.as_ref().filter(|_| !which.dry_run) {
        claim = claimed(context, which, connection, &mut subjects, &mut found)?;
        if let Some(answer) = still_running(context, &subjects)? {
            return Ok(answer);
        }
        note_what_is_there(context, connection, subjects.topic(), Post::Summary)?;
    }
    let text = {
        let Subjects { index, research, .. } = &mut subjects;
        if let Some(answer) = against(context, index, research, &name, &found, &[])? {
            return Ok(answer);
        }
        let topic = &research.state.topics[&name];
        let made = fields::summary(context, index, research, topic, &found.there)?;
        rendered(context, topic, "issue-summary.md", made)?
    };
    let outcome =
        || Outcome { number: Some(number), ..Outcome::of(IssueAct::Closed, Some(Post::Summary), &there) };
    // One summary for each time that the topic was closed: the entry that closed it tells them apart.
    let about = closing(&subjects.research, subjects.topic()).to_hex();
    let message = message(&name, number, Post::Summary, Some(about.clone()), BTreeMap::new(), text, &found);
    let mut url = issue::posted(&subjects.topic().issue, Post::Summary, &about).map(str::to_owned);
    if let Some(connection) = connection.as_ref().filter(|_| url.is_none()) {
        url = known(connection, &subjects.topic().issue, number, Post::Summary, &about)?;
    }
    let Some(connection) = connection.as_ref().filter(|_| !which.dry_run) else {
        if url.is_some() {
            let why = Some("the final summary was posted already; the issue would be closed".to_owned());
            return Outcome { url, why, ..outcome() }.show(context, &name);
        }
        return Outcome { text: Some(&message.shown(there.repository())), ..outcome() }.show(context, &name);
    };
    let url = match url {
        Some(url) => url,
        None => post(context, connection, claim.as_ref(), &subjects.topic().issue, message)?,
    };
    write(context, &mut subjects, connection, claim.as_ref(), number, &found)?;
    let issue = connection.github.issue(number).map_err(|error| explained(&error))?;
    let is_noted = subjects
        .topic()
        .issue
        .iter()
        .any(|it| it.event.act == IssueAct::Closed && it.event.about.as_deref() == Some(&about));
    if issue.state == "closed" && is_noted {
        let why = Some("it is closed already".to_owned());
        return Outcome { url: Some(url), why, ..outcome() }.show(context, &name);
    }
    if issue.state != "closed" {
        connection.github.close(number).map_err(|error| explained(&error))?;
    }
    let event = IssueEvent {
        about: Some(about),
        number: Some(number),
        login: connection.login.clone(),
        url: Some(url.clone()),
        ..IssueEvent::of(name.clone(), IssueAct::Closed, there.repository())
    };
    context.append(Body::Issue(event), Vec::new(), Vec::new())?;
    hand_on(context, connection);
    Outcome { url: Some(url), ..outcome() }.show(context, &name)
}

/// Says that the topic is not closed; `None` where it is.
fn still_running(context: &mut Context, subjects: &Subjects) -> Result<Option<Answer>, Error> {
    if subjects.topic().topic.closing.is_some() {
        return Ok(None);
    }
    let name = &subjects.name;
    let breach = format!("the topic {name} is not closed: git exp topic close {name}");
    deciding::refuse(context, "close the issue of", name.as_str(), &[breach]).map(Some)
}

/// The entry that closed a topic which is closed, whatever was amended since.
fn closing(research: &Research, topic: &TopicState) -> EntryId {
    let events = research.events(topic, &BTreeSet::new());
    let closed = events.iter().rev().find_map(|event| match event.what {
        What::Entry(entry @ Entry { body: Body::Topic(it), .. }) => {
            let was_open = event.before.is_none_or(|before| before.closing.is_none());
            (it.closing.is_some() && was_open).then_some(entry.id)
        }
        _ => None,
    });
    closed.unwrap_or(topic.entry)
}
