//! Posting exactly once: what is intended is in the log before it is sent, what was sent is found again by its mark.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::github::{Connection, explained, holds};
use super::research::Research;
use super::{push, remotes};
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::issue::{IssueAct, IssueEvent, IssueEventOf, Post, pending};
use crate::domain::state::TopicState;
use crate::error::Error;
use crate::git::Oid;
use crate::github::{Account, Claim, Comment, Identities, Issue};
use crate::log::NewFile;
use crate::log::index::Index;
use crate::render::issue::{is_marked, mark, marking, marks, post_mark, posted};
use crate::render::text::harmless;

/// The file of an entry that has the text to be posted.
const TEXT: &str = "post.md";

/// What is to be posted on an issue.
pub struct Message {
    /// The topic.
    pub topic: TopicName,
    /// The issue.
    pub number: u64,
    /// What it is for.
    pub post: Post,
    /// What it is about, where that has a name.
    pub about: Option<String>,
    /// How many entries of each log it takes into account.
    pub seen: BTreeMap<Writer, u64>,
    /// The text.
    pub text: String,
    /// Where the rest is of what is too long.
    pub rest: String,
}

/// What is beyond what was taken into account before.
pub struct News {
    /// The entries that are not beyond.
    pub known: BTreeSet<EntryId>,
    /// How many entries of each log there are.
    pub seen: BTreeMap<Writer, u64>,
}

/// What is in the logs that end at `tips` beyond the first `before` of their entries.
///
/// Places in a log are what counts, for what comes late from another clone has an early time.
pub fn news(
    context: &Context,
    index: &mut Index,
    research: &Research,
    tips: &[(Writer, Oid)],
    before: &BTreeMap<Writer, u64>,
) -> Result<News, Error> {
    let (mut old, mut new) = (HashSet::new(), HashSet::new());
    let mut seen = BTreeMap::new();
    for (writer, tip) in tips {
        let chain: Vec<Oid> = context
            .repo
            .walk_first_parent(*tip)
            .map(|it| it.map(|(oid, _)| oid))
            .collect::<Result<_, _>>()?;
        // The first commit of a log is no entry.
        let count = chain.len().saturating_sub(1);
        let known = usize::try_from(known_of(before, writer, research)).unwrap_or(usize::MAX).min(count);
        new.extend(chain[..count - known].iter().copied());
        old.extend(chain[count - known..].iter().copied());
        seen.insert(writer.clone(), count as u64);
    }
    let old = index.entries_at(&old)?;
    let new = index.entries_at(&new)?;
    // What was appended since the tips were read is for the next time.
    let known = research.entry_ids().filter(|id| old.contains(id) || !new.contains(id)).collect();
    Ok(News { known, seen })
}

/// How many entries each log has.
pub fn lengths(context: &Context, tips: &[(Writer, Oid)]) -> Result<BTreeMap<Writer, u64>, Error> {
    let mut lengths = BTreeMap::new();
    for (writer, tip) in tips {
        let count =
            context.repo.walk_first_parent(*tip).try_fold(0_u64, |count, it| it.map(|_| count + 1))?;
        // The first commit of a log is no entry.
        lengths.insert(writer.clone(), count.saturating_sub(1));
    }
    Ok(lengths)
}

/// How many entries of the log of `writer` were known `before`.
///
/// A log that was made again for a purge begins with what was known of the one before, but for what went. Where that had
/// not been told yet, too few are known: it is better to tell something twice than never.
fn known_of(before: &BTreeMap<Writer, u64>, writer: &Writer, research: &Research) -> u64 {
    if let Some(known) = before.get(writer) {
        return *known;
    }
    let earlier = before.iter().filter(|(it, _)| it.is_followed_by(writer));
    let latest = earlier.reduce(|one, other| if one.0.is_followed_by(other.0) { other } else { one });
    latest.map_or(0, |(earlier, known)| known.saturating_sub(research.gone_after(earlier)))
}

impl Message {
    /// The entry that says that it is intended.
    fn event(&self, repository: String, login: Option<String>) -> IssueEvent {
        IssueEvent {
            post: Some(self.post),
            about: self.about.clone(),
            number: Some(self.number),
            login,
            seen: self.seen.clone(),
            ..IssueEvent::of(self.topic.clone(), IssueAct::Commented, repository)
        }
    }

    /// What is posted, to the last byte but for the ID of its entry, in whose place zeros stand.
    pub fn shown(&self, repository: String) -> String {
        posted(&self.text, &marks(&self.event(repository, None), None), &self.rest)
    }
}

/// What counts as ours on GitHub.
pub struct Ours<'a> {
    identities: &'a Identities,
    /// The marks of what the logs say was posted, each with as whom, in small letters.
    said: HashMap<String, String>,
}

impl<'a> Ours<'a> {
    /// What our identities wrote, and what a log says of this topic that it was posted as somebody else.
    pub fn of(connection: &'a Connection, events: &[IssueEventOf]) -> Self {
        let said = events
            .iter()
            .filter(|it| it.answers.is_none())
            .filter_map(|it| Some((mark(&it.entry), it.event.login.as_ref()?.to_lowercase())));
        Self { identities: &connection.identities, said: said.collect() }
    }

    /// Whether somebody's text is ours.
    pub fn wrote(&self, user: Option<&Account>, text: &str) -> bool {
        let is_said = |user: &Account| {
            let login = user.login.to_lowercase();
            marking(text).iter().any(|line| self.said.get(*line) == Some(&login))
        };
        self.identities.has(user) || user.is_some_and(is_said)
    }

    /// Whether somebody is one of us.
    pub fn is(&self, user: Option<&Account>) -> bool {
        let is_said = |user: &Account| {
            let login = user.login.to_lowercase();
            self.said.values().any(|said| *said == login)
        };
        self.identities.has(user) || user.is_some_and(is_said)
    }

    /// Whether a comment is ours and carries one of `marks`.
    pub fn has(&self, comment: &Comment, marks: &[String]) -> bool {
        let text = comment.text();
        is_marked(&text, marks) && self.wrote(comment.user.as_ref(), &text)
    }

    /// Whether an issue or a pull request is ours and carries `mark`.
    pub fn opened(&self, issue: &Issue, mark: &String) -> bool {
        let text = issue.text();
        is_marked(&text, std::slice::from_ref(mark)) && self.wrote(issue.user.as_ref(), &text)
    }
}

/// Says in the log what is intended, hands that on, and posts it: whoever posts next knows what to look for, whatever becomes of this.
pub fn post(
    context: &mut Context,
    connection: &Connection,
    claim: Option<&Claim<'_>>,
    events: &[IssueEventOf],
    message: Message,
) -> Result<String, Error> {
    let event = message.event(connection.github.address().repository(), connection.login.clone());
    let file = NewFile { name: TEXT.into(), bytes: message.text.clone().into_bytes() };
    let intended = context.append_with(Body::Issue(event.clone()), None, Vec::new(), vec![file])?.entry.id;
    hand_on(context, connection);
    let text = posted(&message.text, &marks(&event, Some(&intended)), &message.rest);
    let (ours, known) = (Ours::of(connection, events), marks_of(&event, &intended));
    let comment = connection
        .github
        .comment_once(message.number, &|it| ours.has(it, &known), &text, &|| holds(claim))
        .map_err(|error| explained(&error))?;
    let url = note(context, connection, event, &intended, &comment)?;
    hand_on(context, connection);
    Ok(url)
}

/// Says in the log that something is to be opened, unless this clone said so before as the same login, and hands that on.
pub fn intend(
    context: &mut Context,
    connection: &Connection,
    events: &[IssueEventOf],
    event: &IssueEvent,
) -> Result<EntryId, Error> {
    let begun = pending(events, &context.writer()?).into_iter().find(|it| it.event == *event);
    let entry = match begun {
        Some(begun) => begun.entry,
        None => context.append(Body::Issue(event.clone()), Vec::new(), Vec::new())?.entry.id,
    };
    hand_on(context, connection);
    Ok(entry)
}

/// Says in the log that what was `intended` is there, as `comment`; gives its address.
fn note(
    context: &mut Context,
    connection: &Connection,
    event: IssueEvent,
    intended: &EntryId,
    comment: &Comment,
) -> Result<String, Error> {
    let number = event.number.expect("what is commented has a number");
    let url = address_of(connection, number, comment);
    let done = IssueEvent { comment: Some(comment.id), url: Some(url.clone()), ..event };
    context.append_answer(Body::Issue(done), Some(*intended))?;
    Ok(url)
}

/// Notes what this clone intended to post as `post` and is there, though it was not known, as after a kill; gives where the newest is.
///
/// What is not there is not posted from what was intended then: others may have told it since, and whoever asks again makes it anew.
pub fn note_what_is_there(
    context: &mut Context,
    connection: &Connection,
    topic: &TopicState,
    post: Post,
) -> Result<Option<String>, Error> {
    let repository = connection.github.address().repository();
    let mut begun = pending(&topic.issue, &context.writer()?);
    begun.retain(|it| it.event.post == Some(post) && it.event.repository == repository);
    let Some(number) = begun.iter().find_map(|it| it.event.number) else { return Ok(None) };
    let comments = connection.github.comments(number).map_err(|error| explained(&error))?;
    let ours = Ours::of(connection, &topic.issue);
    let mut last = None;
    for it in begun.iter().filter(|it| it.event.number == Some(number)) {
        let marks = marks_of(&it.event, &it.entry);
        let Some(comment) = comments.iter().find(|comment| ours.has(comment, &marks)) else { continue };
        let url = note(context, connection, it.event.clone(), &it.entry, comment)?;
        context.output.say(&format!("it had been posted before: {}", harmless(&url)));
        last = Some(url);
    }
    if last.is_some() {
        hand_on(context, connection);
    }
    Ok(last)
}

/// Takes in what others posted. Under a claim nothing is missing, for whoever had it handed on its log before letting go; whether anything is new.
///
/// Marks tell it only of identities that are ours, and a workflow does not count a person's.
pub fn take_in(context: &mut Context, connection: &Connection) -> Result<bool, Error> {
    let remote = remotes::named(context, connection.remote.as_deref())?;
    let taken = remotes::bring(context, &remote, remotes::Wanted::Logs)?;
    remotes::tell_trouble(context, &taken);
    Ok(taken.has_news() || !taken.seals.is_empty())
}

/// Pushes the log, so that whoever posts next knows what is posted, as whomever; what stands against it is said once, and keeps nothing from being posted.
pub fn hand_on(context: &mut Context, connection: &Connection) {
    let remote = remotes::named(context, connection.remote.as_deref());
    let pushed = remote.and_then(|remote| push::logs_quietly(context, &remote));
    if let Err(error) = pushed {
        let causes: String = error.causes.iter().map(|cause| format!(": {cause}")).collect();
        let why = format!("{}{causes}", error.message);
        if connection.was_told.replace(true) {
            return;
        }
        context.output.say(&format!(
            "what is posted is in a log that was not pushed, so that another login may post it again: {}",
            harmless(&why)
        ));
        let remote = connection.remote.as_ref().map(|it| format!(" {}", harmless(it))).unwrap_or_default();
        context.output.hint(&format!("git exp push{remote}"));
    }
}

/// The marks by which a post is known again: that of its entry, and what it is about, which is there once whichever clone posted it and
/// whether or not the entry of that ever left it.
fn marks_of(event: &IssueEvent, entry: &EntryId) -> Vec<String> {
    let about = event.post.zip(event.about.as_deref()).map(|(post, about)| post_mark(post, Some(about)));
    [mark(entry)].into_iter().chain(about).collect()
}

/// The comment that is about `about` already, whoever of ours wrote it.
pub fn known(
    connection: &Connection,
    events: &[IssueEventOf],
    number: u64,
    post: Post,
    about: &str,
) -> Result<Option<String>, Error> {
    let marks = [post_mark(post, Some(about))];
    let ours = Ours::of(connection, events);
    let found = connection.github.comment_with(number, &|it| ours.has(it, &marks));
    let found = found.map_err(|error| explained(&error))?;
    Ok(found.map(|comment| address_of(connection, number, &comment)))
}

/// Where a person finds a comment, as GitHub says where that is an address.
fn address_of(connection: &Connection, number: u64, comment: &Comment) -> String {
    let page = connection.github.address().page();
    link_or(&comment.html_url, || format!("{page}/issues/{number}#issuecomment-{}", comment.id))
}

/// `url` where it is the address of a page, else what `otherwise` gives.
pub fn link_or(url: &str, otherwise: impl Fn() -> String) -> String {
    let is_address = (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() < 1000
        && url.chars().all(|c| c.is_ascii_graphic());
    if is_address { url.to_owned() } else { otherwise() }
}
