//! `git exp issue open` and `sync`: an issue, and its text as it is kept current.

use serde_json::json;

use super::Answer;
use super::github::{Connection, address, connect, explained, glance, holds};
use super::issue_fields::{self as fields, Links, rendered};
use super::issue_subject::{Outcome, Subjects, Which, claimed, is_open, links_of, rest};
use super::posting::{Ours, hand_on, intend, link_or, take_in};
use super::research::Research;
use crate::context::{Context, aloud};
use crate::domain::entry::Body;
use crate::domain::id::{EntryId, TopicName};
use crate::domain::issue::{self, IssueAct, IssueEvent};
use crate::domain::state::TopicState;
use crate::error::Error;
use crate::github::{Address, Claim, GitHubError, Issue};
use crate::log::Lock;
use crate::log::index::Index;
use crate::render::issue::{
    LONGEST, Titled, dropped, fit, has_part, length, mark, title, title_mark, titled, topic_mark,
    unwritten_mark, with_part,
};
use crate::render::logbook::TopicFields;
use crate::render::text::harmless;

/// How often the text of an issue is written anew while others write it, too.
const ROUNDS: u32 = 5;

/// Opens the issue of a topic, unless it is open already.
pub fn open(context: &mut Context, which: &Which) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let mut subjects = Subjects::read(context, which.topic.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let name = subjects.name.clone();
    let known = |topic: &TopicState| {
        let link = issue::link(&topic.issue)?;
        Some(Outcome {
            number: Some(link.number),
            url: Some(link.url.to_owned()),
            why: Some(format!("the issue of {name} is open already")),
            ..Outcome::of(IssueAct::Opened, None, &there)
        })
    };
    if let Some(outcome) = known(subjects.topic()) {
        return outcome.show(context, &name);
    }
    let found = links_of(context, which, &there, &subjects)?;
    let Subjects { index, research, .. } = &mut subjects;
    let topic = &research.state.topics[&name];
    let heading = heading(context, topic)?;
    let part = part(context, index, research, topic, &found)?;
    let rest = rest(&found.there);
    let text_of = |entry: Option<&EntryId>| {
        let marks = format!("\n\n{}\n{}\n", topic_mark(&name), entry.map_or_else(unwritten_mark, mark));
        whole("", &part, (&rest, &title_mark(&heading)), LONGEST - length(&marks)) + &marks
    };
    let own_mark = topic_mark(&name);
    if which.dry_run {
        let known = glance(context, which.remote.as_deref()).and_then(|connection| {
            let ours = Ours::of(&connection, &topic.issue);
            connection.github.issues_with(&|it| ours.opened(it, &own_mark)).ok()?.into_iter().next()
        });
        if let Some(known) = known {
            let why = Some(format!("there is one of {name} already, which would be linked"));
            let url = Some(link_or(&known.html_url, || format!("{}/issues/{}", there.page(), known.number)));
            let number = Some(known.number);
            let outcome = Outcome { number, url, why, ..Outcome::of(IssueAct::Opened, None, &there) };
            return outcome.show(context, &name);
        }
        let text = format!("{heading}\n\n{}", text_of(None));
        let outcome = Outcome { text: Some(&text), ..Outcome::of(IssueAct::Opened, None, &there) };
        return outcome.show(context, &name);
    }
    let connection = connect(context, which.remote.as_deref())?;
    let claim = connection.claim(name.as_str())?;
    if take_in(context, &connection)? {
        subjects = Subjects::read(context, Some(name.as_str()))?;
        if let Some(outcome) = known(subjects.topic()) {
            return outcome.show(context, &name);
        }
    }
    let event = IssueEvent {
        login: connection.login.clone(),
        ..IssueEvent::of(name.clone(), IssueAct::Opened, there.repository())
    };
    let intended = intend(context, &connection, &subjects.topic().issue, &event)?;
    let text = text_of(Some(&intended));
    let ours = Ours::of(&connection, &subjects.topic().issue);
    let is_its = |it: &Issue| ours.opened(it, &own_mark);
    let opened = || -> Result<Issue, GitHubError> {
        let labels = context_labels(context, &name)?;
        let known = connection.github.issues_with(&is_its)?;
        if let Some(issue) = known.into_iter().next() {
            return Ok(issue);
        }
        for label in &labels {
            if !connection.github.ensure_label(label)? {
                let label = harmless(label);
                aloud(&format!(
                    "there is no label `{label}`, and the token may not make it; somebody who may can add it"
                ));
            }
        }
        connection.github.issue_once(&is_its, (&heading, &text), &labels, &|| holds(claim.as_ref()))
    };
    let issue = opened().map_err(|error| explained(&error))?;
    let page = there.page();
    let url = link_or(&issue.html_url, || format!("{page}/issues/{}", issue.number));
    let done = IssueEvent { number: Some(issue.number), url: Some(url.clone()), ..event };
    context.append_answer(Body::Issue(done), Some(intended))?;
    hand_on(context, &connection);
    let outcome =
        Outcome { number: Some(issue.number), url: Some(url), ..Outcome::of(IssueAct::Opened, None, &there) };
    outcome.show(context, &name)
}

/// The title of a topic's issue.
fn heading(context: &Context, topic: &TopicState) -> Result<String, Error> {
    let fields = json!({ "topic": TopicFields::new(&topic.topic, topic.opened) });
    Ok(title(&rendered(context, topic, "issue-title.txt", fields)?))
}

/// What issues of a topic are labelled.
fn context_labels(context: &Context, topic: &TopicName) -> Result<Vec<String>, GitHubError> {
    let rules = context.rules_for(Some(topic));
    rules.map(|rules| rules.issue.labels()).map_err(|error| GitHubError::Setup(error.message))
}

/// Brings text and title of an issue up to date.
pub fn sync(context: &mut Context, which: &Which) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let mut subjects = Subjects::read(context, which.topic.as_deref())?;
    let there = address(context, which.remote.as_deref())?;
    let (name, number) = (subjects.name.clone(), subjects.number(&there)?);
    let mut found = links_of(context, which, &there, &subjects)?;
    let connection = connect(context, which.remote.as_deref())?;
    if which.dry_run {
        let Subjects { index, research, .. } = &mut subjects;
        let topic = &research.state.topics[&name];
        let part = part(context, index, research, topic, &found)?;
        let issue = connection.github.issue(number).map_err(|error| explained(&error))?;
        let titled = titled(&issue.title, &issue.text(), &heading(context, topic)?);
        let text = whole(&issue.text(), &part, (&rest(&found.there), &titled.mark), LONGEST);
        if let Some(title) = &titled.change {
            aloud(&format!("the title would become: {title}"));
        }
        if is_to_be_reopened(topic) {
            aloud("the issue would be opened again, as its topic was");
        }
        if text.trim_end() == issue.text().trim_end() && titled.change.is_none() {
            return up_to_date(number, &there).show(context, &name);
        }
        let outcome = Outcome {
            number: Some(number),
            text: Some(&text),
            ..Outcome::of(IssueAct::Synced, None, &there)
        };
        return outcome.show(context, &name);
    }
    let claim = claimed(context, which, &connection, &mut subjects, &mut found)?;
    reopen(context, &subjects, &connection, number)?;
    let written = write(context, &mut subjects, &connection, claim.as_ref(), number, &found)?;
    let known = up_to_date(number, &there);
    let outcome = if written { Outcome { why: None, ..known } } else { known };
    outcome.show(context, &name)
}

/// That there is nothing to be written.
fn up_to_date(number: u64, there: &Address) -> Outcome<'static> {
    Outcome {
        number: Some(number),
        url: Some(format!("{}/issues/{number}", there.page())),
        why: Some("the issue says so already".to_owned()),
        ..Outcome::of(IssueAct::Synced, None, there)
    }
}

/// Whether the issue was closed with the topic, which is open again.
pub fn is_to_be_reopened(topic: &TopicState) -> bool {
    is_open(topic) && !issue::closings(&topic.issue).is_empty()
}

/// Opens the issue again where it was closed with the topic and the topic was opened again: once, so that whoever closes it by hand
/// after that is not overruled.
pub fn reopen(
    context: &mut Context,
    subjects: &Subjects,
    connection: &Connection,
    number: u64,
) -> Result<(), Error> {
    let topic = subjects.topic();
    if !is_to_be_reopened(topic) {
        return Ok(());
    }
    let issue = connection.github.issue(number).map_err(|error| explained(&error))?;
    if issue.state == "closed" {
        if let Err(error) = connection.github.reopen(number) {
            // It may have been done though that was not said, and is not to be done again.
            let is_done = connection.github.issue(number).is_ok_and(|it| it.state == "open");
            if !is_done {
                return Err(explained(&error));
            }
        }
        context.output.say(&format!("the issue is open again, as {} is", subjects.name));
    }
    let address = connection.github.address();
    for closing in issue::closings(&topic.issue) {
        let event = IssueEvent {
            about: Some(closing.to_owned()),
            number: Some(number),
            login: connection.login.clone(),
            url: Some(format!("{}/issues/{number}", address.page())),
            ..IssueEvent::of(subjects.name.clone(), IssueAct::Reopened, address.repository())
        };
        context.append(Body::Issue(event), Vec::new(), Vec::new())?;
    }
    hand_on(context, connection);
    Ok(())
}

/// Brings the text of the issue up to date; whether anything was to be written.
pub fn write(
    context: &mut Context,
    subjects: &mut Subjects,
    connection: &Connection,
    claim: Option<&Claim<'_>>,
    number: u64,
    links: &Links,
) -> Result<bool, Error> {
    let Subjects { index, research, name, .. } = subjects;
    let topic = &research.state.topics[name];
    let part = part(context, index, research, topic, links)?;
    let (rest, heading) = (rest(&links.there), heading(context, topic)?);
    let ours = Ours::of(connection, &topic.issue);
    let is_written = rewrite(context, connection, &ours, claim, number, (&heading, &part), &rest)?;
    if is_written {
        let address = connection.github.address();
        let event = IssueEvent {
            number: Some(number),
            login: connection.login.clone(),
            url: Some(format!("{}/issues/{number}", address.page())),
            ..IssueEvent::of(name.clone(), IssueAct::Synced, address.repository())
        };
        context.append(Body::Issue(event), Vec::new(), Vec::new())?;
    }
    Ok(is_written)
}

/// Puts `part` in its place, and `heading` where the title is still ours; what a person wrote at the same time stays, or is put back, also by
/// the next call where this one is killed.
fn rewrite(
    context: &Context,
    connection: &Connection,
    ours: &Ours<'_>,
    claim: Option<&Claim<'_>>,
    number: u64,
    (heading, part): (&str, &str),
    rest: &str,
) -> Result<bool, Error> {
    let github = &connection.github;
    let look = || github.issue(number).map(|issue| (issue.text(), issue.title));
    let mut is_written = false;
    for _ in 0..ROUNDS {
        let now = look().map_err(|error| explained(&error))?;
        let (before, title) = &now;
        // Between the last look and a write somebody may have written all the same. Where GitHub does not tell what an issue's text
        // once was, nothing can be restored.
        let edits = github.edits(number).map_err(|error| explained(&error))?;
        let texts: Vec<(&str, bool)> =
            edits.iter().map(|edit| (edit.text.as_str(), ours.is(edit.editor.as_ref()))).collect();
        let mut whole_before = before.clone();
        for (was, theirs) in dropped(&texts, before) {
            let [was, theirs, own] = [was, theirs, &whole_before].map(|text| with_part(text, ""));
            let merged = context.repo.merged_texts(&was, &own, &theirs)?;
            if merged != own {
                aloud("somebody else wrote at the same moment; what they wrote is put back");
                whole_before = merged;
            }
        }
        if !has_part(before) && !before.trim().is_empty() {
            aloud(
                "the lines around the part that git exp keeps were changed, so it is written anew at the end; what is left of the old one can go",
            );
        }
        let Titled { change, mark } = titled(title, before, heading);
        let text = whole(&whole_before, part, (rest, &mark), LONGEST);
        if text.trim_end() == before.trim_end() && change.is_none() {
            return Ok(is_written);
        }
        if length(&text) > LONGEST {
            let length = length(&text);
            let why =
                format!("the text of the issue would have {length} characters, and GitHub takes {LONGEST}");
            return Err(Error::request(why)
                .hint("shorten on GitHub what people wrote around the part that git exp keeps"));
        }
        // Whoever wrote since then is taken into account.
        let again = holds(claim).and_then(|()| look()).map_err(|error| explained(&error))?;
        if again != now {
            continue;
        }
        github.set_text(number, change.as_deref(), &text).map_err(|error| explained(&error))?;
        is_written = true;
    }
    Ok(is_written)
}

/// The text of an issue with the current part in its place and the hidden line about its title below, no longer than `limit`.
fn whole(before: &str, part: &str, (rest, title): (&str, &str), limit: usize) -> String {
    let around = length(&with_part(before, title)) + 4;
    let room = limit.saturating_sub(around);
    with_part(before, &format!("{}\n\n{title}", fit(part, room, rest).trim_end()))
}

fn part(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    links: &Links,
) -> Result<String, Error> {
    let made = fields::body(context, index, research, topic, &links.there)?;
    rendered(context, topic, "issue-body.md", made)
}
