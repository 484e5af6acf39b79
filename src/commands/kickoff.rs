//! Opening and amending a topic: what `topic new` and `topic amend` share.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::documents::{explained, templates};
use super::options::{assignment, budget, criteria};
use super::{Answer, deciding, editing, evaluation, redaction};
use crate::config::parse_kickoff;
use crate::context::Context;
use crate::domain::entry::Body;
use crate::domain::id::TopicName;
use crate::domain::quantity::budget_text;
use crate::domain::state::{State, TopicState};
use crate::domain::stopping::StopCriterion;
use crate::domain::topic::{Phase, Topic};
use crate::error::Error;
use crate::git::{Expected, RefEdit};
use crate::log::layout;
use crate::render::logbook::TopicFields;

/// Whether the evaluation code is pinned anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// What was pinned stays.
    Kept,
    /// What `HEAD` has is pinned.
    Anew,
}

/// What a topic can be told.
#[derive(Args, Debug)]
pub struct KickoffOptions {
    /// What its experiments' numbers follow, as MOE-HC in MOE-HC-001
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// What it wants to find out or reach
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,

    /// What is wrong today, and for whom
    #[arg(long, value_name = "TEXT")]
    problem: Option<String>,

    /// What must hold whatever is tried
    #[arg(long, value_name = "TEXT")]
    constraint: Vec<String>,

    /// What success is measured by, in words
    #[arg(long, value_name = "TEXT")]
    success: Vec<String>,

    /// What is believed at the start
    #[arg(long, value_name = "TEXT")]
    hypothesis: Vec<String>,

    /// The first experiments, as 'workers: 1, 2, 4'
    #[arg(long, value_name = "AXIS: VALUES")]
    matrix: Vec<String>,

    /// Where the code is that matters: a path or an address
    #[arg(long, value_name = "PATH|ADDRESS")]
    code: Vec<String>,

    /// A phase of the plan, as 'measure: a noise floor; until step_time <= 9 ms'
    #[arg(long, value_name = "NAME[: GOAL][; until WHEN]")]
    phase: Vec<String>,

    /// A criterion that its experiments take over
    #[arg(long, value_name = "CRITERION")]
    accept: Vec<String>,

    /// A guardrail that its experiments take over
    #[arg(long, value_name = "CRITERION")]
    guard: Vec<String>,

    /// Why there is no guardrail
    #[arg(long, value_name = "WHY", conflicts_with = "guard")]
    no_guard: Option<String>,

    /// How many trials each of its experiments plans for each side
    #[arg(long, value_name = "N")]
    trials: Option<std::num::NonZeroU32>,

    /// The budget that each of its experiments takes over, as wall=2h,runs=40
    #[arg(long, value_name = "BUDGET")]
    budget: Option<String>,

    /// A named baseline; the one named `default`, or the only one, is taken over
    #[arg(long, value_name = "NAME=EXPERIMENT|REVISION")]
    baseline: Vec<String>,

    /// When to stop: '3 experiments without improvement', 'step_time <= 9 ms', wall=40h, a day, or words
    #[arg(long, value_name = "WHEN")]
    stop: Vec<String>,

    /// What results must hold over, as seeds=1,2,3 or hardware=h100
    #[arg(long, value_name = "AXIS=VALUES")]
    scope: Vec<String>,

    /// A page elsewhere, as wandb=https://…
    #[arg(long, value_name = "NAME=ADDRESS")]
    link: Vec<String>,

    /// Read all of it from a TOML file; options given beside it win
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,

    /// Write all of it in your editor
    #[arg(long)]
    edit: bool,
}

impl KickoffOptions {
    /// The topic that `topic` becomes.
    fn apply(self, context: &Context, mut topic: Topic) -> Result<Topic, Error> {
        if let Some(path) = &self.file {
            let text = context.text_of(path)?;
            topic = parse_kickoff(&text, &path.display().to_string(), topic)?;
        }
        topic = self.onto(topic)?;
        Ok(topic)
    }

    fn onto(self, mut topic: Topic) -> Result<Topic, Error> {
        let pairs = |option: &str, texts: &[String]| -> Result<BTreeMap<String, String>, Error> {
            let pair = |text: &String| {
                assignment(option, text).map(|(name, value)| (name.to_owned(), value.to_owned()))
            };
            texts.iter().map(pair).collect()
        };
        let replace = |field: &mut Option<String>, text: Option<String>| {
            if text.is_some() {
                *field = text;
            }
        };
        let replace_all = |field: &mut Vec<String>, texts: Vec<String>| {
            if !texts.is_empty() {
                *field = texts;
            }
        };
        if let Some(prefix) = self.prefix.as_deref() {
            topic.prefix = Some(prefix.parse()?);
        }
        replace(&mut topic.goal, self.goal);
        replace(&mut topic.problem, self.problem);
        replace_all(&mut topic.constraints, self.constraint);
        replace_all(&mut topic.success, self.success);
        replace_all(&mut topic.hypotheses, self.hypothesis);
        replace_all(&mut topic.matrix, self.matrix);
        replace_all(&mut topic.code, self.code);
        replace_all(&mut topic.stop, self.stop);
        if !self.phase.is_empty() {
            topic.phases = self.phase.iter().map(|text| phase(text)).collect();
        }
        if !self.accept.is_empty() {
            topic.accept = criteria(&self.accept)?;
        }
        if !self.guard.is_empty() {
            topic.guard = criteria(&self.guard)?;
            topic.no_guard = None;
        }
        if self.no_guard.is_some() {
            topic.guard.clear();
            topic.no_guard = self.no_guard;
        }
        if let Some(trials) = self.trials {
            topic.trials = Some(trials.get());
        }
        if let Some(text) = &self.budget {
            topic.budget = budget(text)?;
        }
        topic.baselines.extend(pairs("--baseline", &self.baseline)?);
        topic.links.extend(pairs("--link", &self.link)?);
        for (axis, values) in pairs("--scope", &self.scope)? {
            topic.scope.insert(axis, values.split(',').map(|value| value.trim().to_owned()).collect());
        }
        Ok(topic)
    }
}

/// A phase as an option spells it: a name, its goal behind a colon, its end behind `; until`.
fn phase(text: &str) -> Phase {
    let (text, until) = match text.split_once("; until ") {
        Some((text, until)) => (text, Some(until.trim().to_owned())),
        None => (text, None),
    };
    let (name, goal) = match text.split_once(": ") {
        Some((name, goal)) => (name, Some(goal.trim().to_owned())),
        None => (text, None),
    };
    Phase { name: name.trim().to_owned(), goal, until }
}

/// What becomes of a topic in the user's editor.
fn edited(context: &Context, topic: Topic) -> Result<Topic, Error> {
    let templates = templates(context, Some(&topic.name))?;
    let fields = TopicFields::new(&topic, context.now());
    let fields = json!({ "topic": fields, "budget": budget_text(topic.budget) });
    let text = templates.render("kickoff.toml", &fields).map_err(|error| explained(&error))?;
    let (edited, path) = editing::edit(context, "EXP_TOPIC.toml", &text)?;
    if edited == text {
        editing::forget(&path);
        return Err(Error::request("the text was left as it is; nothing was recorded"));
    }
    let name = topic.name.clone();
    let read = parse_kickoff(&edited, &path.display().to_string(), topic).map_err(|error| {
        Error::from(error)
            .hint(format!("your text is kept: git exp topic new {name} --file {}", path.display()))
    })?;
    editing::forget(&path);
    Ok(read)
}

/// Opens a topic, with its branch.
pub fn open(
    context: &mut Context,
    state: &State,
    name: &str,
    options: KickoffOptions,
) -> Result<Answer, Error> {
    let name: TopicName = name.parse()?;
    if let Some(known) = state.topics.keys().find(|known| known.as_str().eq_ignore_ascii_case(name.as_str()))
    {
        return Err(Error::request(format!("the topic `{known}` is there already"))
            .hint(format!("git exp topic show {known}; git exp topic amend {known} changes it")));
    }
    let edits = options.edit;
    let mut topic = options.apply(context, Topic::named(name.clone()))?;
    if edits {
        topic = edited(context, topic)?;
    }
    check(state, &topic)?;
    redaction::topic(context, &mut topic)?;
    let pinned = evaluation::pin(context, &name)?;
    topic.evaluation = pinned.as_ref().map(|(pin, _)| pin.clone());
    let branch = layout::topic_branch(&name);
    let full = format!("refs/heads/{branch}");
    let start = context.repo.head()?.commit;
    let exists = context.repo.read_ref(&full)?.is_some();
    if let (Some(start), false) = (start, exists) {
        let edit = RefEdit { name: full.clone(), expected: Expected::Absent, new: Some(start) };
        context.repo.update_refs(&[edit], "git exp topic new")?;
    }
    let stop = topic.stop.clone();
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
        context.output.object(&json!({
            "schema": "git-exp/topic-new/1",
            "topic": name.as_str(),
            "entry": appended.entry.id.to_hex(),
            "branch": branch,
        }))?;
        return Ok(Answer::Yes);
    }
    context.output.line(&format!("opened the topic {name} ({})", appended.entry.id.short()))?;
    tell_words(context, &stop);
    match (start, exists) {
        (Some(_), false) => context.output.line(&format!("its branch: {branch}"))?,
        (_, true) => context.output.line(&format!("its branch was there: {branch}"))?,
        (None, false) => context.output.line("its branch is made with the first commit")?,
    }
    if let Some((pin, files)) = &pinned {
        evaluation::tell(context, pin, *files);
    }
    context.output.hint(&format!("git exp new <short-name> --topic {name} --hypothesis … --change …"));
    Ok(Answer::Yes)
}

/// Amends a topic; what it said before stays in the log.
pub fn amend(
    context: &mut Context,
    state: &State,
    topic: &TopicState,
    options: KickoffOptions,
    pinning: Pinning,
) -> Result<Answer, Error> {
    let edits = options.edit;
    let mut amended = options.apply(context, topic.topic.clone())?;
    let mut pinned = None;
    if pinning == Pinning::Anew {
        pinned = evaluation::pin(context, &topic.topic.name)?;
        amended.evaluation = Some(pinned.as_ref().map(|(pin, _)| pin.clone()).ok_or_else(|| {
            Error::request("there is no evaluation code to pin")
                .because("`exp.toml` on the topic's branch or the main branch names none")
                .hint("name it there: [files] evaluation = [\"eval/**\"]")
        })?);
    }
    if edits {
        amended = edited(context, amended)?;
    }
    redaction::topic(context, &mut amended)?;
    if amended == topic.topic && topic.conflicts.is_empty() {
        return Err(Error::request(format!("nothing of the topic `{}` would change", topic.topic.name))
            .hint("say what to change, or `--edit`"));
    }
    check(state, &amended)?;
    if amended
        .baselines
        .iter()
        .any(|(name, target)| topic.topic.baselines.get(name).is_some_and(|known| known != target))
    {
        return Err(Error::request("a named baseline is not amended, it moves")
            .hint("git exp topic baseline set <name>=<experiment> --because \"…\""));
    }
    let judged = |it: &Topic| {
        (it.accept.clone(), it.guard.clone(), it.no_guard.clone(), it.trials, it.evaluation.clone())
    };
    let has_runs =
        state.experiments.iter().any(|it| it.topic() == Some(&topic.topic.name) && it.runs.total() > 0);
    if has_runs && judged(&amended) != judged(&topic.topic) {
        let breaches = context.rules_for(Some(&topic.topic.name))?.breaches_of_amendment(&context.identity());
        if !breaches.is_empty() {
            return deciding::refuse(context, "amend the topic", topic.topic.name.as_str(), &breaches);
        }
    }
    tell_words(context, &amended.stop);
    let entry = replace(context, topic, amended)?;
    if let Some((pin, files)) = &pinned {
        evaluation::tell(context, pin, *files);
    }
    say(context, "topic-amendment", "amended", topic, entry)
}

/// Says which stop criteria are nothing that can be judged here, since a slip of the pen looks like them.
fn tell_words(context: &mut Context, stop: &[String]) {
    for text in stop.iter().filter(|text| StopCriterion::of(text) == StopCriterion::Words) {
        context.output.say(&format!("`{text}` is for people to judge"));
    }
}

/// Says that a topic was changed.
pub fn say(
    context: &mut Context,
    schema: &str,
    done: &str,
    topic: &TopicState,
    entry: crate::domain::id::EntryId,
) -> Result<Answer, Error> {
    let name = &topic.topic.name;
    if context.output.json {
        context.output.object(&json!({
            "schema": format!("git-exp/{schema}/1"),
            "topic": name.as_str(),
            "entry": entry.to_hex(),
        }))?;
    } else {
        context.output.line(&format!("{done} the topic {name} ({})", entry.short()))?;
    }
    Ok(Answer::Yes)
}

/// Records what a topic says from now on.
pub fn replace(
    context: &mut Context,
    topic: &TopicState,
    with: Topic,
) -> Result<crate::domain::id::EntryId, Error> {
    let mut replaces = vec![topic.entry];
    replaces.extend(&topic.conflicts);
    Ok(context.append(Body::Topic(with), replaces, Vec::new())?.entry.id)
}

/// Refuses a prefix that another topic has.
fn check(state: &State, topic: &Topic) -> Result<(), Error> {
    let Some(prefix) = &topic.prefix else { return Ok(()) };
    let is_taken = |it: &&TopicState| {
        it.topic.name != topic.name
            && it
                .topic
                .prefix
                .as_ref()
                .is_some_and(|known| known.as_str().eq_ignore_ascii_case(prefix.as_str()))
    };
    match state.topics.values().find(is_taken) {
        Some(other) => {
            Err(Error::request(format!("the prefix `{prefix}` is that of the topic `{}`", other.topic.name))
                .hint("choose another, so that every ID says which topic it belongs to"))
        }
        None => Ok(()),
    }
}
