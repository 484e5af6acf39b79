//! `git exp issue update`: what is new, and what stands against posting it.

use std::collections::BTreeMap;

use super::checks::{self, Subject, Wanted};
use super::file_rules::Branch;
use super::github::{Connection, address, connect, explained, glance};
use super::issue_fields::{self as fields, Links, rendered, touched};
use super::issue_subject::{Outcome, Subjects, Which, claimed, links_of, message};
use super::issue_text::{is_to_be_reopened, reopen};
use super::posting::{News, Ours, hand_on, lengths, news, note_what_is_there, post};
use super::research::Research;
use super::{Answer, deciding, logbook};
use crate::context::{Context, aloud};
use crate::domain::check::likeness::CONTENTION;
use crate::domain::check::posting::of_logbook;
use crate::domain::chronicle::{Event, What};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{TopicName, Writer};
use crate::domain::issue::{self, IssueAct, Post, join};
use crate::domain::state::{ExperimentState, TopicState};
use crate::error::Error;
use crate::log::index::Index;
use crate::log::{Lock, layout};
use crate::render::issue::read_seen;

/// Comments what is new since the last update.
pub fn update(context: &mut Context, which: &Which) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let mut subjects = Subjects::read(context, which.topic.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let (name, number) = (subjects.name.clone(), subjects.number(&there)?);
    let mut found = links_of(context, which, &there, &subjects)?;
    let outcome =
        || Outcome { number: Some(number), ..Outcome::of(IssueAct::Commented, Some(Post::Update), &there) };
    let connection = match which.dry_run {
        true => glance(context, which.remote.as_deref()),
        false => Some(connect(context, which.remote.as_deref())?),
    };
    let (mut claim, mut noted, mut seen) = (None, None, BTreeMap::new());
    if let Some(connection) = &connection {
        if !which.dry_run {
            claim = claimed(context, which, connection, &mut subjects, &mut found)?;
            noted = note_what_is_there(context, connection, subjects.topic(), Post::Update)?;
        }
        // The logs were not fetched for a preview, and may well have more.
        let lengths = if which.dry_run { BTreeMap::new() } else { lengths(context, &subjects.tips)? };
        join(&mut seen, &seen_there(connection, subjects.topic(), number, &lengths)?);
    }
    if which.dry_run && is_to_be_reopened(subjects.topic()) {
        aloud("the issue would be opened again, as its topic was");
    }
    // What other clones posted counts, too, though their logs may not have been pulled.
    join(&mut seen, &issue::seen(&subjects.topic().issue));
    let Some((news, text)) = delta(context, &mut subjects, &found, &seen)? else {
        if let Some(connection) = connection.as_ref().filter(|_| !which.dry_run) {
            reopen(context, &subjects, connection, number)?;
            // What was posted last time may have been killed before it told the others.
            hand_on(context, connection);
        }
        if noted.is_some() {
            return Outcome { url: noted, ..outcome() }.show(context, &name);
        }
        let why = Some("nothing is new since the last update".to_owned());
        return Outcome { why, ..outcome() }.show(context, &name);
    };
    if let Some(answer) = refusal(context, &mut subjects, &found, &news)? {
        return Ok(answer);
    }
    let message = message(&name, number, Post::Update, None, news.seen, text, &found);
    let Some(connection) = connection.as_ref().filter(|_| !which.dry_run) else {
        return Outcome { text: Some(&message.shown(there.repository())), ..outcome() }.show(context, &name);
    };
    reopen(context, &subjects, connection, number)?;
    let url = post(context, connection, claim.as_ref(), &subjects.topic().issue, message)?;
    Outcome { url: Some(url), ..outcome() }.show(context, &name)
}

/// What the posts on an issue take into account, whichever clone they came from. Whoever says more than a log has is not believed, else nothing
/// would ever be told of it again.
fn seen_there(
    connection: &Connection,
    topic: &TopicState,
    number: u64,
    lengths: &BTreeMap<Writer, u64>,
) -> Result<BTreeMap<Writer, u64>, Error> {
    let comments = connection.github.comments(number).map_err(|error| explained(&error))?;
    let (ours, mut seen) = (Ours::of(connection, &topic.issue), BTreeMap::new());
    for comment in comments.iter().filter(|it| ours.wrote(it.user.as_ref(), &it.text())) {
        let mut said = read_seen(&comment.text());
        said.retain(|writer, count| lengths.get(writer).is_none_or(|length| *count <= *length));
        join(&mut seen, &said);
    }
    Ok(seen)
}

/// What is new, and the text that says so; `None` where nothing is.
fn delta(
    context: &mut Context,
    subjects: &mut Subjects,
    links: &Links,
    seen: &BTreeMap<Writer, u64>,
) -> Result<Option<(News, String)>, Error> {
    let Subjects { tips, index, research, name } = subjects;
    let news = news(context, index, research, tips, seen)?;
    let topic = &research.state.topics[name];
    let events = events(research, topic, &news);
    if events.is_empty() {
        return Ok(None);
    }
    let made = fields::update(context, index, research, topic, &events, &links.there)?;
    let text = rendered(context, topic, "issue-update.md", made)?;
    Ok(Some((news, text)))
}

/// What happened beyond what is known, but for what was posted.
fn events<'a>(research: &'a Research, topic: &'a TopicState, news: &News) -> Vec<Event<'a>> {
    let mut events = research.events(topic, &news.known);
    events.retain(|event| !matches!(event.what, What::Entry(Entry { body: Body::Issue(_), .. })));
    events
}

/// Says what stands against posting; `None` where nothing does.
fn refusal(
    context: &mut Context,
    subjects: &mut Subjects,
    links: &Links,
    news: &News,
) -> Result<Option<Answer>, Error> {
    let Subjects { index, research, name, .. } = subjects;
    let topic = &research.state.topics[name];
    let experiments = touched(&events(research, topic, news));
    against(context, index, research, name, links, &experiments)
}

/// Says what stands against posting the numbers of `experiments`; `None` where nothing does.
pub fn against(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicName,
    links: &Links,
    experiments: &[&ExperimentState],
) -> Result<Option<Answer>, Error> {
    let breaches = breaches(context, index, research, topic, links, experiments)?;
    if breaches.is_empty() {
        return Ok(None);
    }
    deciding::refuse(context, "post about", topic.as_str(), &breaches).map(Some)
}

/// What stands against posting the numbers of `experiments`.
pub fn breaches(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicName,
    links: &Links,
    experiments: &[&ExperimentState],
) -> Result<Vec<String>, Error> {
    let mut breaches: Vec<String> = Vec::new();
    let branch = layout::topic_branch(topic);
    let mut found = Vec::new();
    let is_here = context.repo.read_ref(&format!("refs/heads/{branch}"))?.is_some();
    if !is_here && links.there.branch.is_some() {
        // A clone has the branches of others under other names, and a logbook is written here.
        let remote = &links.remote;
        breaches.push(format!(
            "{branch}, which has the logbook, is not here: git fetch {remote} {branch}:{branch}"
        ));
    } else {
        found.extend(of_logbook(topic.as_str(), logbook::missing(context, index, topic)?));
    }
    for experiment in experiments {
        let branch = Branch::of(context, experiment)?;
        let subject = Subject { state: &research.state, branch, scopes: Vec::new() };
        let wanted = Wanted { posting: true, ..Wanted::default() };
        found.extend(checks::look(context, index, &subject, &wanted)?.breaches);
    }
    for breach in found.iter().filter(|breach| breach.rule != CONTENTION) {
        let text = format!("{}: {}", breach.what, breach.mend);
        if !breaches.contains(&text) {
            breaches.push(text);
        }
    }
    let is_linked = |name: &String| *name == branch || experiments.iter().any(|it| it.name() == *name);
    for (what, commit) in links.missing.iter().filter(|(name, _)| is_linked(name)) {
        let commit = &commit.to_hex()[..8];
        breaches.push(match *what == branch {
            true => format!(
                "the logbook is linked, and {branch} at {commit} was not pushed: git exp push --topics"
            ),
            false => {
                format!("the code of {what} is linked, and {commit} was not pushed: git exp push --data")
            }
        });
    }
    Ok(breaches)
}
