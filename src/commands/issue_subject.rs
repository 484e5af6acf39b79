//! What the verbs of `git exp issue` are about: a topic with all that happened in it, and what came of a post.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::github::Connection;
use super::issue_fields::{Links, links};
use super::posting::{Message, take_in};
use super::research::Research;
use super::{Answer, remotes, selection};
use crate::context::Context;
use crate::domain::id::{TopicName, Writer};
use crate::domain::issue::{self, IssueAct, Post};
use crate::domain::state::TopicState;
use crate::error::Error;
use crate::git::Oid;
use crate::github::{Address, Claim};
use crate::log::index::Index;
use crate::render::text::harmless;

#[derive(Args, Clone, Debug)]
pub struct Which {
    /// The topic; that of the current branch when left out
    pub topic: Option<String>,

    /// Every topic that has an issue and is not closed
    #[arg(long, conflicts_with = "topic")]
    pub all: bool,

    /// Whether it is one of them.
    #[arg(skip)]
    pub is_one_of_all: bool,

    /// The remote that is on GitHub
    #[arg(long, value_name = "NAME")]
    pub remote: Option<String>,

    /// Print what would be posted, and post nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// A topic and all that happened in it, as it was when it was read.
pub struct Subjects {
    /// Where each log ended before anything was read.
    pub tips: Vec<(Writer, Oid)>,
    /// The index that it was read with.
    pub index: Index,
    /// What happened in it.
    pub research: Research,
    /// Its name.
    pub name: TopicName,
}

impl Subjects {
    /// Reads the topic that `word` names, else that of the current branch.
    pub fn read(context: &mut Context, word: Option<&str>) -> Result<Self, Error> {
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

    /// The topic.
    pub fn topic(&self) -> &TopicState {
        &self.research.state.topics[&self.name]
    }

    /// The number of the topic's issue, which is in the repository `there`.
    pub fn number(&self, there: &Address) -> Result<u64, Error> {
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
pub struct Outcome<'a> {
    /// What was done.
    pub act: IssueAct,
    /// What a comment is for.
    pub post: Option<Post>,
    /// The repository that has the issue.
    pub repository: String,
    /// The number of the issue, where it has one.
    pub number: Option<u64>,
    /// Where a person finds it.
    pub url: Option<String>,
    /// Why nothing was posted, where nothing was.
    pub why: Option<String>,
    /// What would be posted, where that was asked for.
    pub text: Option<&'a str>,
}

impl Outcome<'_> {
    /// That this is done there.
    pub fn of(act: IssueAct, post: Option<Post>, there: &Address) -> Self {
        Outcome { act, post, repository: there.repository(), number: None, url: None, why: None, text: None }
    }

    /// Tells it.
    pub fn show(self, context: &mut Context, topic: &TopicName) -> Result<Answer, Error> {
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

/// Claims the topic, and reads again what others posted meanwhile.
pub fn claimed<'a>(
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

/// Where on GitHub things of the topic are.
pub fn links_of(
    context: &Context,
    which: &Which,
    there: &Address,
    subjects: &Subjects,
) -> Result<Links, Error> {
    let remote = remotes::named(context, which.remote.as_deref())?;
    links(context, &remote, there, &subjects.research, subjects.topic())
}

/// What is to be posted.
pub fn message(
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

/// Where the rest is of what is too long.
pub fn rest(links: &crate::render::issue::LinkFields) -> String {
    match links.logbook.as_ref().or(links.branch.as_ref()) {
        Some(url) => format!("the rest is at <{url}>"),
        None => "the rest is in the log: `git exp logbook`".to_owned(),
    }
}

/// Whether a topic goes on.
pub fn is_open(topic: &TopicState) -> bool {
    topic.topic.closing.is_none()
}
