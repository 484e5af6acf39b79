//! `git exp logbook`

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::documents::{append_on_branch, explained, templates};
use super::research::Research;
use super::standing::{MeasuredFields, Standings, shown, standings};
use super::{Answer, selection};
use crate::context::Context;
use crate::domain::chronicle::{Event, What};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, TopicName};
use crate::domain::state::{State, TopicState};
use crate::error::Error;
use crate::log::index::Index;
use crate::log::layout;
use crate::render::logbook::{
    EventFields, ExperimentFields, IdeaFields, TopicFields, decisions, mark, marker, written,
};
use crate::render::templates::Templates;

/// Render what happened in a topic, or in an experiment, as Markdown
///
/// The logbook tells everything in the order of time: the scope and the baseline first, then what was registered, run, noted,
/// reviewed and decided. With `--write` it is committed to the topic's branch, where it only ever grows: what stands there
/// stays as it is, and what came late, from another clone, is appended.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp logbook moe
  git exp logbook moe --write                  commit what is new to research/moe
  git exp logbook moe --as decisions
  git exp logbook moe --as negative-results
  git exp logbook MOE-HC-004                   the result summary of one experiment

The documents are made by templates; `.agents/templates/` in the repository replaces them, file by file.

JSON: one git-exp/logbook/1 object with the fields that the templates get.")]
pub struct Arguments {
    /// The topic or the experiment
    about: String,

    /// Which document
    #[arg(long = "as", value_name = "DOCUMENT")]
    document: Option<Document>,

    /// Commit what is new to the topic's branch, in `.agents/logbooks/<topic>.md`
    #[arg(long, conflicts_with = "document")]
    write: bool,
}

/// A document about a topic or an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// Everything, in the order of time
    Logbook,
    /// The experiments as a table
    ExperimentLog,
    /// What was decided, and why
    Decisions,
    /// What did not work, and why
    NegativeResults,
    /// What each experiment came to
    ResultSummary,
    /// What each experiment promised
    Brief,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let (state, entries) = context.log.state_and_entries(&mut index)?;
    let (topic, experiment) = about(&state, &arguments.about)?;
    let document = arguments.document.unwrap_or(match experiment {
        Some(_) => Document::ResultSummary,
        None => Document::Logbook,
    });
    let research =
        Research::read(context, &mut index, state, entries, topic.as_ref(), experiment.as_deref())?;
    let topic_state = topic.as_ref().and_then(|name| research.state.topics.get(name));
    if arguments.write {
        return match topic_state {
            Some(topic) if experiment.is_none() => write(context, &research, topic),
            _ => Err(Error::request(format!("cannot write a logbook of `{}`", arguments.about))
                .because("only topics have one")
                .hint("git exp logbook <topic> --write")),
        };
    }
    if context.output.json {
        let fields = fields(context, &mut index, &research, topic_state, experiment.as_deref())?;
        context.output.object(&fields)?;
        return Ok(Answer::Yes);
    }
    let templates = templates(context, topic.as_ref())?;
    let found = match document {
        Document::ResultSummary => standings(context, &mut index, &research),
        _ => Standings::new(),
    };
    let text = render(&research, topic_state, experiment.as_deref(), (document, &found), &templates)?;
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

/// The topic, and the experiment where `word` names one.
fn about(state: &State, word: &str) -> Result<(Option<TopicName>, Option<String>), Error> {
    let name = word.strip_prefix("research/").unwrap_or(word).parse::<TopicName>();
    if let Ok(name) = name
        && state.topics.contains_key(&name)
    {
        return Ok((Some(name), None));
    }
    if state.find(word).is_empty() {
        return Err(Error::request(format!("there is no topic or experiment `{word}`"))
            .hint("`git exp topic list` lists the topics, `git exp list` the experiments"));
    }
    let experiment = selection::experiment(state, word)?;
    Ok((experiment.topic().cloned(), Some(experiment.name())))
}

/// What the templates get, all at once.
fn fields(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: Option<&TopicState>,
    only: Option<&str>,
) -> Result<serde_json::Value, Error> {
    let found = standings(context, index, research);
    let comparisons = found.iter().map(|(name, found)| Ok((name, shown(found)?)));
    let comparisons: BTreeMap<_, _> = comparisons.collect::<Result<_, Error>>()?;
    let experiments: Vec<ExperimentFields> = research.experiments().map(|it| research.fields(it)).collect();
    let events = topic.map(|topic| research.events(topic, &BTreeSet::new())).unwrap_or_default();
    let events: Vec<EventFields> =
        of(events, only).iter().map(|event| EventFields::new(event, &research.state.ideas)).collect();
    let decided = topic
        .map(|topic| decisions(topic, research.experiments(), |it| research.ran_under_other_evaluation(it)));
    Ok(json!({
        "schema": "git-exp/logbook/1",
        "topic": topic.map(|it| TopicFields::new(&it.topic, it.opened)),
        "events": events,
        "experiments": experiments,
        "comparisons": comparisons,
        "decisions": decided,
        "ideas": dropped(research, topic),
    }))
}

/// Those of `events` that are about the experiment called `only`.
fn of<'a>(mut events: Vec<Event<'a>>, only: Option<&str>) -> Vec<Event<'a>> {
    if let Some(only) = only {
        events.retain(|event| event.experiment.is_some_and(|it| it.name() == only));
    }
    events
}

fn dropped(research: &Research, topic: Option<&TopicState>) -> Vec<IdeaFields> {
    let of_topic = research.state.ideas.iter().filter(|it| {
        it.idea.dropped.is_some() && it.idea.topic.as_ref() == topic.map(|topic| &topic.topic.name)
    });
    of_topic.map(|it| IdeaFields::from(&it.idea)).collect()
}

fn render(
    research: &Research,
    topic: Option<&TopicState>,
    only: Option<&str>,
    (document, found): (Document, &Standings),
    templates: &Templates,
) -> Result<String, Error> {
    let render = |name: &str, fields: &serde_json::Value| {
        templates.render(name, fields).map_err(|error| explained(&error))
    };
    let topic_fields = || topic.map(|it| TopicFields::new(&it.topic, it.opened));
    let needs_topic = || {
        Error::request("cannot render this of an experiment without a topic")
            .hint("git exp logbook <experiment>")
    };
    let each = |name: &str| -> Result<String, Error> {
        let documents: Vec<String> = research
            .experiments()
            .map(|it| {
                let standing = found.get(&it.name());
                let comparison = standing.and_then(|it| it.as_ref().ok());
                let fields = json!({
                    "topic": topic_fields(),
                    "experiment": research.fields(it),
                    "comparison": standing.map(shown).transpose()?,
                    "measured": MeasuredFields::of(research, it, comparison),
                });
                render(name, &fields)
            })
            .collect::<Result<_, _>>()?;
        Ok(documents.join("\n"))
    };
    match document {
        Document::Logbook => {
            let topic = topic.ok_or_else(needs_topic)?;
            let events = of(research.events(topic, &BTreeSet::new()), only);
            let head = match only {
                Some(_) => String::new(),
                None => head(topic, templates)?,
            };
            Ok(head + &parts(research, &events, templates)?)
        }
        Document::ExperimentLog => {
            let experiments: Vec<ExperimentFields> =
                research.experiments().map(|it| research.fields(it)).collect();
            topic.ok_or_else(needs_topic)?;
            render("experiment-log.md", &json!({ "topic": topic_fields(), "experiments": experiments }))
        }
        Document::Decisions => {
            let topic = topic.ok_or_else(needs_topic)?;
            let decided =
                decisions(topic, research.experiments(), |it| research.ran_under_other_evaluation(it));
            render("decisions.md", &json!({ "topic": topic_fields(), "decisions": decided }))
        }
        Document::NegativeResults => {
            topic.ok_or_else(needs_topic)?;
            let experiments: Vec<ExperimentFields> =
                research.negative().map(|it| research.fields(it)).collect();
            let ideas = dropped(research, topic);
            let fields = json!({ "topic": topic_fields(), "experiments": experiments, "ideas": ideas });
            render("negative-results.md", &fields)
        }
        Document::ResultSummary => each("result-summary.md"),
        Document::Brief => each("brief.md"),
    }
}

/// What stands above the entries: what the topic is about.
fn head(topic: &TopicState, templates: &Templates) -> Result<String, Error> {
    let fields = json!({ "topic": TopicFields::new(&topic.topic, topic.opened) });
    let text = templates.render("logbook-head.md", &fields).map_err(|error| explained(&error))?;
    Ok(text.trim_end().to_owned() + "\n\n")
}

/// The entries, each with the hidden line that says what it stands for.
fn parts(research: &Research, events: &[Event<'_>], templates: &Templates) -> Result<String, Error> {
    let mut text = String::new();
    for event in events {
        let fields = Part { event: EventFields::new(event, &research.state.ideas) };
        let part = templates.render("logbook-entry.md", &fields).map_err(|error| explained(&error))?;
        text.push_str(part.trim());
        text.push_str("\n\n");
        text.push_str(&marker(&event.entries));
        text.push_str("\n\n");
    }
    Ok(text)
}

#[derive(serde::Serialize)]
struct Part {
    event: EventFields,
}

/// How many events a topic's logbook lacks, besides that its issue was opened or closed; `None` where there is no logbook.
pub fn missing(context: &mut Context, index: &mut Index, topic: &TopicName) -> Result<Option<usize>, Error> {
    let branch = format!("refs/heads/{}", layout::topic_branch(topic));
    let Some(tip) = context.repo.read_ref(&branch)? else { return Ok(None) };
    let Some(text) = context.text_at(tip, &path_of(topic))? else { return Ok(None) };
    let (state, entries) = context.log.state_and_entries(index)?;
    let research = Research::read(context, index, state, entries, Some(topic), None)?;
    let Some(topic) = research.state.topics.get(topic) else { return Ok(None) };
    let is_news = |event: &&Event<'_>| !matches!(event.what, What::Entry(Entry { body: Body::Issue(_), .. }));
    Ok(Some(events_beyond(&research, topic, Some(&text)).iter().filter(is_news).count()))
}

/// Where a topic's logbook is on its branch.
fn path_of(topic: &TopicName) -> String {
    format!("{}{topic}.md", layout::LOGBOOKS)
}

/// What happened in a topic beyond what stands in the text of its logbook.
fn events_beyond<'a>(research: &'a Research, topic: &'a TopicState, text: Option<&str>) -> Vec<Event<'a>> {
    let stands = text.map(written).unwrap_or_default();
    let known: BTreeSet<EntryId> =
        research.entry_ids().filter(|id| stands.contains(mark(id).as_str())).collect();
    research.events(topic, &known)
}

/// Commits what is new to the topic's branch.
fn write(context: &mut Context, research: &Research, topic: &TopicState) -> Result<Answer, Error> {
    let name = &topic.topic.name;
    let templates = templates(context, Some(name))?;
    let path = path_of(name);
    let committed = append_on_branch(context, name, &path, |old| {
        let events = events_beyond(research, topic, old);
        let begin = if old.is_some() { String::new() } else { head(topic, &templates)? };
        Ok((begin + &parts(research, &events, &templates)?, events.len()))
    })?;
    if context.output.json {
        context.output.object(&json!({
            "schema": "git-exp/logbook-write/1",
            "topic": name.as_str(),
            "path": path,
            "branch": layout::topic_branch(name),
            "commit": committed.as_ref().map(|it| it.commit.to_hex()),
            "appended": committed.as_ref().map_or(0, |it| it.parts),
        }))?;
        return Ok(Answer::Yes);
    }
    match committed {
        Some(it) => {
            let entries = if it.parts == 1 { "entry" } else { "entries" };
            let commit = &it.commit.to_hex()[..8];
            context
                .output
                .line(&format!("{} {entries} appended to {path} on {} ({commit})", it.parts, it.branch))?;
        }
        None => context.output.line(&format!("nothing is new; {path} stands as it is"))?,
    }
    Ok(Answer::Yes)
}
