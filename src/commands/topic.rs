//! `git exp topic`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::options::{assignment, budget, criteria};
use super::{Answer, baseline, redaction};
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::experiment::Stage;
use crate::domain::id::TopicName;
use crate::domain::state::{State, TopicState};
use crate::domain::topic::Topic;
use crate::error::Error;
use crate::git::{Expected, RefEdit};
use crate::log::layout;
use crate::render::json;
use crate::render::topic::{TopicView, page, table};

/// Open and look at lines of research
///
/// A topic gives its experiments an ID prefix, criteria, guardrails, a budget and named baselines, so that they need not
/// be said again for each.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp topic new moe --prefix MOE-HC --goal 'halve the step time at equal loss' --accept 'step_time <= -8%' \\
      --guard 'val_loss <= +0.2%' --budget wall=2h --baseline default=main
  git exp topic list
  git exp topic show moe
  git exp topic baseline set default=MOE-HC-004 --because 'accepted, and repeated on two machines'")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open a topic, with its branch `research/<topic>`
    New(New),
    /// List the topics
    List,
    /// Show one topic
    Show {
        /// The topic
        topic: String,
    },
    /// Move and list the named baselines of a topic
    Baseline(baseline::Arguments),
}

#[derive(Args, Debug)]
struct New {
    /// Its name, as moe-speed
    topic: String,

    /// What its experiments' numbers follow, as MOE-HC in MOE-HC-001
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// What it wants to find out or reach
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,

    /// A criterion that its experiments take over
    #[arg(long, value_name = "CRITERION")]
    accept: Vec<String>,

    /// A guardrail that its experiments take over
    #[arg(long, value_name = "CRITERION")]
    guard: Vec<String>,

    /// The budget that each of its experiments takes over, as wall=2h,runs=40
    #[arg(long, value_name = "BUDGET")]
    budget: Option<String>,

    /// A named baseline; the one named `default`, or the only one, is taken over
    #[arg(long, value_name = "NAME=EXPERIMENT|REVISION")]
    baseline: Vec<String>,

    /// When to stop, in words or as a criterion
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,

    /// What results must hold over, as seeds=1,2,3 or hardware=h100
    #[arg(long, value_name = "AXIS=VALUES")]
    scope: Vec<String>,

    /// A page elsewhere, as wandb=https://…
    #[arg(long, value_name = "NAME=ADDRESS")]
    link: Vec<String>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    match arguments.action {
        Action::New(new) => open(context, &state, new),
        Action::List => list(context, &state),
        Action::Show { topic } => show(context, &state, &topic),
        Action::Baseline(arguments) => baseline::run(context, &mut index, &state, arguments),
    }
}

fn open(context: &mut Context, state: &State, new: New) -> Result<Answer, Error> {
    let name: TopicName = new.topic.parse()?;
    if let Some(known) = state.topics.keys().find(|known| known.as_str().eq_ignore_ascii_case(name.as_str()))
    {
        return Err(Error::request(format!("the topic `{known}` is there already"))
            .hint(format!("git exp topic show {known}")));
    }
    let pairs = |option: &str, texts: &[String]| -> Result<BTreeMap<String, String>, Error> {
        let pair =
            |text: &String| assignment(option, text).map(|(name, value)| (name.to_owned(), value.to_owned()));
        texts.iter().map(pair).collect()
    };
    let scope = pairs("--scope", &new.scope)?;
    let mut topic = Topic {
        prefix: new.prefix.as_deref().map(str::parse).transpose()?,
        goal: new.goal,
        accept: criteria(&new.accept)?,
        guard: criteria(&new.guard)?,
        budget: new.budget.as_deref().map(budget).transpose()?.unwrap_or_default(),
        baselines: pairs("--baseline", &new.baseline)?,
        stop: new.stop,
        scope: scope
            .into_iter()
            .map(|(axis, values)| (axis, values.split(',').map(|value| value.trim().to_owned()).collect()))
            .collect(),
        links: pairs("--link", &new.link)?,
        ..Topic::named(name.clone())
    };
    redaction::topic(context, &mut topic)?;
    if let Some(prefix) = &topic.prefix
        && let Some(other) = state.topics.values().find(|it| {
            it.topic.prefix.as_ref().is_some_and(|known| known.as_str().eq_ignore_ascii_case(prefix.as_str()))
        })
    {
        return Err(Error::request(format!(
            "the prefix `{prefix}` is that of the topic `{}`",
            other.topic.name
        ))
        .hint("choose another, so that every ID says which topic it belongs to"));
    }
    let branch = layout::topic_branch(&name);
    let full = format!("refs/heads/{branch}");
    let start = context.repo.head()?.commit;
    let exists = context.repo.read_ref(&full)?.is_some();
    if let (Some(start), false) = (start, exists) {
        let edit = RefEdit { name: full.clone(), expected: Expected::Absent, new: Some(start) };
        context.repo.update_refs(&[edit], "git exp topic new")?;
    }
    let appended = match context.append(Body::Topic(topic), Vec::new(), Vec::new()) {
        Ok(appended) => appended,
        Err(error) => {
            if let (Some(start), false) = (start, exists) {
                let undo = RefEdit { name: full, expected: Expected::Is(start), new: None };
                let _ = context.repo.update_refs(&[undo], "git exp topic new");
            }
            return Err(error);
        }
    };
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/topic-new/1",
            "topic": name.as_str(),
            "entry": appended.entry.id.to_hex(),
            "branch": branch,
        }))?;
        return Ok(Answer::Yes);
    }
    context.output.line(&format!("opened the topic {name} ({})", appended.entry.id.short()))?;
    match (start, exists) {
        (Some(_), false) => context.output.line(&format!("its branch: {branch}"))?,
        (_, true) => context.output.line(&format!("its branch was there: {branch}"))?,
        (None, false) => context.output.line("its branch is made with the first commit")?,
    }
    context.output.hint(&format!("git exp new <short-name> --topic {name} --hypothesis … --change …"));
    Ok(Answer::Yes)
}

fn list(context: &mut Context, state: &State) -> Result<Answer, Error> {
    let views: Vec<TopicView<'_>> = state.topics.values().map(|topic| view(state, topic)).collect();
    if context.output.json {
        for view in &views {
            context.output.object(&json::TopicJson::from(view))?;
        }
        return Ok(Answer::Yes);
    }
    if views.is_empty() {
        context.output.say("no topics yet");
        context.output.hint("git exp topic new <topic> --prefix … --goal …");
        return Ok(Answer::Yes);
    }
    let text = table(&views, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

fn show(context: &mut Context, state: &State, word: &str) -> Result<Answer, Error> {
    let name: TopicName = word.strip_prefix("research/").unwrap_or(word).parse()?;
    let Some(topic) = state.topics.get(&name) else {
        return Err(
            Error::request(format!("there is no topic `{name}`")).hint("`git exp topic list` lists them")
        );
    };
    let view = view(state, topic);
    if context.output.json {
        context.output.object(&json::TopicJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let text = page(&view, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

/// The topic with what the log knows around it.
pub fn view<'a>(state: &State, topic: &'a TopicState) -> TopicView<'a> {
    let name = &topic.topic.name;
    let own = || state.experiments.iter().filter(|it| it.topic() == Some(name));
    TopicView {
        topic: &topic.topic,
        branch: layout::topic_branch(name),
        experiments: own().count() as u64,
        decided: own().filter(|it| it.stage() == Some(Stage::Decided)).count() as u64,
        created: Some(topic.opened),
        is_closed: false,
        moves: &topic.moves,
    }
}
