//! `git exp issue`

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::checks::{self, Subject, Wanted};
use super::file_rules::Branch;
use super::github::{Connection, address, connect, explained, glance, holds};
use super::issue_fields::{self as fields, Links, links, rendered, touched};
use super::posting::{
    Message, News, Ours, hand_on, known, lengths, link_or, news, note_what_is_there, post, take_in,
};
use super::research::Research;
use super::{Answer, deciding, logbook, redaction, remotes, selection};
use crate::context::{Context, aloud};
use crate::domain::check::likeness::CONTENTION;
use crate::domain::check::posting::of_logbook;
use crate::domain::chronicle::{Event, What};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::issue::{self, IssueAct, IssueEvent, Post, Pulse, join, not_due, pending};
use crate::domain::state::{ExperimentState, TopicState};
use crate::error::Error;
use crate::git::Oid;
use crate::github::{Address, Claim, Comment, GitHubError, Issue};
use crate::log::index::Index;
use crate::log::{Lock, layout};
use crate::render::issue::{
    LONGEST, Titled, fit, is_post, length, mark, overwritten, post_mark, read_seen, title, title_mark,
    titled, topic_mark, unwritten_mark, with_part,
};
use crate::render::logbook::TopicFields;
use crate::render::text::harmless;

/// How often the text of an issue is written anew while others write it, too.
const ROUNDS: u32 = 5;

/// Show a topic on GitHub, in an issue that keeps itself true
///
/// The issue's text says where the topic stands, comments say what is new. Each post carries the ID of its entry in a hidden line and is looked
/// for before it is sent again, so that after a time-out or a kill a rerun leaves exactly one. The token is read from
/// `GH_TOKEN`, `GITHUB_TOKEN`, or `gh auth token`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp issue open moe                       open it, and link both ways
  git exp issue update moe --dry-run           print what would be posted
  git exp issue update moe                     comment what is new since the last update
  git exp issue update moe --seal MOE-HC-004   comment tag, commit and report of a seal
  git exp issue update --all                   the same for all topics, and for seals that were not posted yet
  git exp issue sync moe                       bring the issue's text up to date
  git exp issue heartbeat moe                  say that work goes on, where it was silent for long
  git exp issue close moe                      post the final summary, and close

Exit status: 0 done, or nothing was to be done; 1 something is to be in order first; 2 the request is wrong; 3 GitHub or the way there failed.

JSON: one git-exp/issue/1 object.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open the issue of a topic
    Open(One),
    /// Bring the text of the issue up to date; what people wrote around it stays
    Sync(Which),
    /// Comment what is new since the last update
    Update {
        #[command(flatten)]
        which: Which,

        /// Comment tag, commit and report of this seal instead: a tag, or an experiment
        #[arg(long, value_name = "TAG", conflicts_with = "all")]
        seal: Option<String>,
    },
    /// Comment that work goes on, where the topic asks for it and it was silent for long
    Heartbeat {
        #[command(flatten)]
        which: Which,

        /// What stands in the way
        #[arg(long, value_name = "TEXT")]
        blocker: Vec<String>,

        /// When there will be more
        #[arg(long, value_name = "TEXT")]
        eta: Option<String>,
    },
    /// Comment what the topic came to, and close the issue
    Close(One),
}

#[derive(Args, Debug)]
struct One {
    /// The topic; that of the current branch when left out
    topic: Option<String>,

    /// The remote that is on GitHub
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,

    /// Print what would be posted, and post nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl From<One> for Which {
    fn from(One { topic, remote, dry_run }: One) -> Self {
        Self { topic, all: false, is_one_of_all: false, remote, dry_run }
    }
}

#[derive(Args, Clone, Debug)]
struct Which {
    /// The topic; that of the current branch when left out
    topic: Option<String>,

    /// Every topic that has an issue and is not closed
    #[arg(long, conflicts_with = "topic")]
    all: bool,

    /// Whether it is one of them.
    #[arg(skip)]
    is_one_of_all: bool,

    /// The remote that is on GitHub
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,

    /// Print what would be posted, and post nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A topic and all that happened in it, as it was when it was read.
pub(super) struct Subjects {
    /// Where each log ended before anything was read.
    tips: Vec<(Writer, Oid)>,
    pub(super) index: Index,
    pub(super) research: Research,
    pub(super) name: TopicName,
}

impl Subjects {
    pub(super) fn read(context: &mut Context, word: Option<&str>) -> Result<Self, Error> {
        let tips = context.log.tips()?;
        let mut index = context.log.index()?;
        let (state, entries) = context.log.state_and_entries(&mut index)?;
        let topic = match word {
            Some(word) => Some(selection::topic(&state, word)?),
            None => selection::topic_here(context, &state)?,
        };
        let name = topic
            .map(|it| it.topic.name.clone())
            .ok_or_else(|| Error::request("which topic?").hint("`git exp topic list` lists them"))?;
        let research = Research::read(context, &mut index, state, entries, Some(&name), None)?;
        Ok(Self { tips, index, research, name })
    }

    pub(super) fn topic(&self) -> &TopicState {
        &self.research.state.topics[&self.name]
    }

    /// The number of the topic's issue, which is in the repository `there`.
    fn number(&self, there: &Address) -> Result<u64, Error> {
        let link = issue::link(&self.topic().issue).ok_or_else(|| {
            Error::request(format!("the topic `{}` has no issue", self.name))
                .hint(format!("git exp issue open {}", self.name))
        })?;
        let (own, repository) = (link.repository, there.repository());
        if !link.is_in(&repository) {
            // An issue of that number in another repository, as in a fork, is somebody else's.
            let name = &self.name;
            let why = format!("the issue of {name} is in {}, and this is {repository}", harmless(own));
            return Err(Error::request(why).hint(format!(
                "say where it is, also after a renaming: git config exp.github {}",
                harmless(own)
            )));
        }
        Ok(link.number)
    }
}

/// What came of it.
struct Outcome<'a> {
    act: IssueAct,
    post: Option<Post>,
    repository: String,
    number: Option<u64>,
    url: Option<String>,
    /// Why nothing was posted, where nothing was.
    why: Option<String>,
    /// What would be posted, where that was asked for.
    text: Option<&'a str>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    match arguments.action {
        Action::Open(one) => open(context, &one.into()),
        Action::Sync(which) => each(context, &which, is_open, sync),
        Action::Update { which, seal: None } if which.all => {
            let answer = each(context, &which, is_open, update);
            let seals = each(context, &which, |_| true, update_seals);
            tell_seals_left(context)?;
            match (answer?, seals?) {
                (Answer::Yes, answer) | (answer, _) => Ok(answer),
            }
        }
        Action::Update { which, seal: None } => update(context, &which),
        Action::Update { which, seal: Some(seal) } => update_seal(context, &which, &seal),
        Action::Heartbeat { which, mut blocker, mut eta } => {
            redaction::texts(context, blocker.iter_mut().chain(&mut eta))?;
            each(context, &which, is_open, |context, which| {
                heartbeat(context, which, &blocker, eta.as_deref())
            })
        }
        Action::Close(one) => close(context, &one.into()),
    }
}

fn is_open(topic: &TopicState) -> bool {
    topic.topic.closing.is_none()
}

/// Does it for the topic, or for all that have an issue and are wanted: what goes wrong with one keeps no other from it, and is answered in the end.
fn each(
    context: &mut Context,
    which: &Which,
    is_wanted: impl Fn(&TopicState) -> bool,
    act: impl Fn(&mut Context, &Which) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    if !which.all {
        return act(context, which);
    }
    let mut names = Vec::new();
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    for (name, topic) in state.topics.iter().filter(|(_, topic)| is_wanted(topic)) {
        let Some(link) = issue::link(&topic.issue) else { continue };
        if link.is_in(&address(context, which.remote.as_deref())?.repository()) {
            names.push(name.to_string());
        } else {
            let place = harmless(link.repository);
            context.output.say(&format!("{name}: left, for its issue is in another repository, {place}"));
        }
    }
    drop(index);
    let (mut answer, mut failure) = (Answer::Yes, None);
    for name in names {
        let one = Which { topic: Some(name.clone()), all: false, is_one_of_all: true, ..which.clone() };
        match act(context, &one) {
            Ok(Answer::Yes) => {}
            Ok(other) => answer = other,
            Err(error) => {
                context.output.say(&format!("{name}: {}", error.render().trim_end()));
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) => Err(Error { hint: None, causes: Vec::new(), ..error }),
        None => Ok(answer),
    }
}

fn open(context: &mut Context, which: &Which) -> Result<Answer, Error> {
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
    let to_be_opened = |topic: &TopicState, writer: &Writer| {
        let begun = pending(&topic.issue, writer);
        begun
            .iter()
            .find(|it| it.event.act == IssueAct::Opened && it.event.about.is_none())
            .map(|it| it.entry)
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
        let begun = to_be_opened(topic, &context.writer()?);
        let text = format!("{heading}\n\n{}", text_of(begun.as_ref()));
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
    let begun = to_be_opened(subjects.topic(), &context.writer()?);
    let event = IssueEvent {
        topic: name.clone(),
        act: IssueAct::Opened,
        post: None,
        about: None,
        repository: there.repository(),
        number: None,
        comment: None,
        login: connection.login.clone(),
        url: None,
        seen: BTreeMap::new(),
    };
    let intended = match begun {
        Some(entry) => entry,
        None => context.append(Body::Issue(event.clone()), Vec::new(), Vec::new())?.entry.id,
    };
    hand_on(context, &connection);
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

fn sync(context: &mut Context, which: &Which) -> Result<Answer, Error> {
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
        let outcome = Outcome { text: Some(&text), ..Outcome::of(IssueAct::Synced, None, &there) };
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
fn is_to_be_reopened(topic: &TopicState) -> bool {
    is_open(topic) && !issue::closings(&topic.issue).is_empty()
}

/// Opens the issue again where it was closed with the topic and the topic was opened again: once, so that whoever closes it by hand
/// after that is not overruled.
fn reopen(
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
        connection.github.reopen(number).map_err(|error| explained(&error))?;
        context.output.say(&format!("the issue is open again, as {} is", subjects.name));
    }
    let address = connection.github.address();
    for closing in issue::closings(&topic.issue) {
        let event = IssueEvent {
            topic: subjects.name.clone(),
            act: IssueAct::Reopened,
            post: None,
            about: Some(closing.to_owned()),
            repository: address.repository(),
            number: Some(number),
            comment: None,
            login: connection.login.clone(),
            url: Some(format!("{}/issues/{number}", address.page())),
            seen: BTreeMap::new(),
        };
        context.append(Body::Issue(event), Vec::new(), Vec::new())?;
    }
    hand_on(context, connection);
    Ok(())
}

/// Brings the text of the issue up to date; whether anything was to be written.
fn write(
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
    let is_written = rewrite(connection, &ours, claim, number, (&heading, &part), &rest)?;
    if is_written {
        let page = connection.github.address().page();
        let event = IssueEvent {
            topic: name.clone(),
            act: IssueAct::Synced,
            post: None,
            about: None,
            repository: connection.github.address().repository(),
            number: Some(number),
            comment: None,
            login: connection.login.clone(),
            url: Some(format!("{page}/issues/{number}")),
            seen: BTreeMap::new(),
        };
        context.append(Body::Issue(event), Vec::new(), Vec::new())?;
    }
    Ok(is_written)
}

/// Puts `part` in its place, and `heading` where the title is still ours; what a person wrote at the same time stays, or is put back, also by
/// the next call where this one is killed.
fn rewrite(
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
        let theirs = overwritten(&texts, before);
        if theirs.is_some() {
            aloud("somebody else wrote at the same moment; what they wrote is put back");
        }
        let Titled { change, mark } = titled(title, before, heading);
        let text = whole(theirs.unwrap_or(before), part, (rest, &mark), LONGEST);
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

/// Where the rest is of what is too long.
fn rest(links: &crate::render::issue::LinkFields) -> String {
    match links.logbook.as_ref().or(links.branch.as_ref()) {
        Some(url) => format!("the rest is at <{url}>"),
        None => "the rest is in the log: `git exp logbook`".to_owned(),
    }
}

/// Claims the topic, and reads again what others posted meanwhile.
fn claimed<'a>(
    context: &mut Context,
    which: &Which,
    connection: &'a Connection,
    subjects: &mut Subjects,
    links: &mut Links,
) -> Result<Option<Claim<'a>>, Error> {
    let claim = connection.claim(subjects.name.as_str())?;
    if take_in(context, connection)? {
        let name = subjects.name.to_string();
        *subjects = Subjects::read(context, Some(&name))?;
        *links = links_of(context, which, connection.github.address(), subjects)?;
    }
    Ok(claim)
}

fn update(context: &mut Context, which: &Which) -> Result<Answer, Error> {
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

/// What is to be posted.
fn message(
    topic: &TopicName,
    number: u64,
    post: Post,
    about: Option<String>,
    seen: BTreeMap<Writer, u64>,
    text: String,
    links: &Links,
) -> Message {
    Message { topic: topic.clone(), number, post, about, seen, text, rest: rest(&links.there) }
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
fn against(
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
pub(super) fn breaches(
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

fn update_seal(context: &mut Context, which: &Which, word: &str) -> Result<Answer, Error> {
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
fn update_seals(context: &mut Context, which: &Which) -> Result<Answer, Error> {
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
fn tell_seals_left(context: &mut Context) -> Result<(), Error> {
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

fn heartbeat(
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

fn close(context: &mut Context, which: &Which) -> Result<Answer, Error> {
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
        topic: name.clone(),
        act: IssueAct::Closed,
        post: None,
        about: Some(about),
        repository: there.repository(),
        number: Some(number),
        comment: None,
        login: connection.login.clone(),
        url: Some(url.clone()),
        seen: BTreeMap::new(),
    };
    context.append(Body::Issue(event), Vec::new(), Vec::new())?;
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

fn links_of(context: &Context, which: &Which, there: &Address, subjects: &Subjects) -> Result<Links, Error> {
    let remote = remotes::named(context, which.remote.as_deref())?;
    links(context, &remote, there, &subjects.research, subjects.topic())
}

impl Outcome<'_> {
    fn of(act: IssueAct, post: Option<Post>, there: &Address) -> Self {
        Outcome { act, post, repository: there.repository(), number: None, url: None, why: None, text: None }
    }

    fn show(self, context: &mut Context, topic: &TopicName) -> Result<Answer, Error> {
        let is_dry = self.text.is_some();
        if context.output.json {
            context.output.object(&json!({
                "schema": "git-exp/issue/1",
                "topic": topic.as_str(),
                "act": self.act.word(),
                "post": self.post.map(Post::word),
                "repository": self.repository,
                "number": self.number,
                "url": self.url,
                "posted": self.why.is_none() && !is_dry,
                "why": self.why,
                "text": self.text,
            }))?;
            return Ok(Answer::Yes);
        }
        match (self.text, &self.why, &self.url) {
            // To the last byte, and a line end where there is none.
            (Some(text), _, _) => {
                context.output.text(text)?;
                if !text.ends_with('\n') {
                    context.output.text("\n")?;
                }
            }
            (None, Some(why), Some(url)) => {
                context.output.line(&format!("{}: {}", harmless(why), harmless(url)))?;
            }
            (None, Some(why), None) => context.output.line(&harmless(why))?,
            (None, None, url) => {
                let post = self.post.map(|post| format!(" ({post})")).unwrap_or_default();
                let url = url.as_deref().unwrap_or_default();
                context.output.line(&format!("{}{post}: {}", self.act, harmless(url)))?;
            }
        }
        Ok(Answer::Yes)
    }
}
