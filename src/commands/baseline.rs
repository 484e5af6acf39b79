//! `git exp topic baseline`

use clap::{Args, Subcommand};

use super::comparing::compared;
use super::options::assignment;
use super::sides::choose;
use super::{Answer, deciding, redaction, selection};
use crate::context::Context;
use crate::domain::decision::{BaselineMove, Evidence};
use crate::domain::entry::Body;
use crate::domain::id::ExperimentId;
use crate::domain::metric::is_name;
use crate::domain::state::{State, TopicState};
use crate::error::{Error, Fault};
use crate::log::NewFile;
use crate::log::index::Index;
use crate::render::decision::{MoveJson, moves};
use crate::render::text::harmless;

/// What to do with named baselines.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Move a named baseline, or name one
    ///
    /// The new one is compared with the old one, and the comparison is kept as evidence. A baseline should move on repeated
    /// evidence only; where it moves without, every view says so.
    Set(Set),
    /// List the named baselines, and how they came to be what they are
    List {
        /// The topic; that of the current branch, or the only one, when left out
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
    },
}

#[derive(Args, Debug)]
struct Set {
    /// The baseline's name, and what it is from now on
    #[arg(value_name = "NAME=EXPERIMENT|REVISION")]
    assignment: String,

    /// Why
    #[arg(short = 'm', long, value_name = "TEXT", alias = "message")]
    because: String,

    /// The topic; that of the current branch, or the only one, when left out
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
}

/// Runs the command.
pub fn run(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    arguments: Arguments,
) -> Result<Answer, Error> {
    match arguments.action {
        Action::Set(set) => move_to(context, index, state, set),
        Action::List { topic } => {
            let topic = find(context, state, topic.as_deref())?;
            list(context, topic)
        }
    }
}

/// The topic that is asked for, else that of the branch, else the only one.
fn find<'a>(context: &Context, state: &'a State, asked: Option<&str>) -> Result<&'a TopicState, Error> {
    let found = match asked {
        Some(word) => Some(selection::topic(state, word)?),
        None => selection::topic_here(context, state)?,
    };
    match found {
        Some(topic) => Ok(topic),
        None if state.topics.len() == 1 => Ok(state.topics.values().next().expect("there is one")),
        None => Err(Error::request("which topic?").hint("say `--topic T`; `git exp topic list` lists them")),
    }
}

fn move_to(context: &mut Context, index: &mut Index, state: &State, set: Set) -> Result<Answer, Error> {
    let topic = find(context, state, set.topic.as_deref())?;
    let (name, target) = assignment("the baseline", &set.assignment)?;
    if set.because.trim().is_empty() {
        return Err(
            Error::request("cannot move a baseline without a reason").hint("say why: --because \"…\"")
        );
    }
    if !is_name(name) || name.parse::<ExperimentId>().is_err() || !state.find(name).is_empty() {
        return Err(Error::request(format!("`{name}` cannot name a baseline"))
            .hint("choose a short word that is no experiment's ID, as `default`"));
    }
    let (to, commit) = meaning(context, state, target)?;
    let from = topic.topic.baselines.get(name).cloned();
    let known = topic.moves.iter().rev().find(|(_, _, _, it)| it.name == name);
    let known_commit = known.and_then(|(_, _, _, it)| it.commit.clone());
    if from.as_deref() == Some(to.as_str()) && (commit.is_none() || commit == known_commit) {
        context.output.say(&format!("`{name}` is `{to}` already; nothing was recorded"));
        return Ok(Answer::Yes);
    }
    let (evidence, files, why_not) = match &from {
        Some(from) => evidence(context, index, state, (from, &to))?,
        None => (None, Vec::new(), None),
    };
    let mut it = BaselineMove {
        topic: topic.topic.name.clone(),
        name: name.to_owned(),
        from,
        to,
        commit,
        because: set.because,
        evidence,
    };
    let missing = it.lacks_repeated_evidence().then(|| match &it.evidence {
        Some(evidence) => format!("{}, {}", evidence.outcome, evidence.confidence),
        None => "nothing was compared".to_owned(),
    });
    let rules = context.rules_for(Some(&it.topic))?;
    let breaches = rules.breaches_of_move(&context.identity(), missing.as_deref());
    if !breaches.is_empty() {
        return deciding::refuse(context, "move the baseline", name, &breaches);
    }
    redaction::texts(context, [&mut it.because])?;
    let entry = context.append_with(Body::Baseline(it.clone()), None, Vec::new(), files)?.entry;
    let moved = (entry.id, entry.time, entry.by, it);
    if context.output.json {
        let mut value = serde_json::to_value(MoveJson::from(&moved)).map_err(std::io::Error::from)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("schema".to_owned(), "git-exp/move/1".into());
            fields.insert("topic".to_owned(), topic.topic.name.as_str().into());
        }
        context.output.object(&value)?;
    } else {
        let text = moves([&moved], &context.canvas());
        context
            .output
            .text(&format!("the topic {} has a baseline from now on:\n{text}", topic.topic.name))?;
    }
    if let Some(missing) = missing {
        let why = why_not.map(|why| format!(": {why}")).unwrap_or_default();
        context
            .output
            .say(&format!("it moves without repeated evidence ({missing}{why}), and every view says so"));
    }
    Ok(Answer::Yes)
}

/// What a word means as a baseline: an experiment's name, or a revision and its commit.
fn meaning(context: &Context, state: &State, word: &str) -> Result<(String, Option<String>), Error> {
    if !state.find(word).is_empty() {
        let experiment = selection::experiment(state, word)?;
        return Ok((experiment.name(), None));
    }
    match context.repo.rev_parse(word)? {
        Some(commit) => Ok((word.to_owned(), Some(commit.to_hex()))),
        None => Err(Error::request(format!("`{word}` is neither an experiment nor a revision"))
            .hint("`git exp list --all` lists the experiments")),
    }
}

type Found = (Option<Evidence>, Vec<NewFile>, Option<String>);

/// The new baseline compared with the old one; why there is nothing where they cannot be compared.
fn evidence(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    (from, to): (&str, &str),
) -> Result<Found, Error> {
    let candidate = choose(context, index, state, None, to)?;
    let found = choose(context, index, state, None, from).and_then(|baseline| {
        compared(context, index, state, &baseline, &[candidate], |_, comparisons| {
            Ok(deciding::evidence(&comparisons[0]))
        })
    });
    match found {
        Ok((evidence, _, file)) => Ok((Some(evidence), vec![file], None)),
        Err(error) if error.fault != Fault::Outside => {
            Ok((None, Vec::new(), Some(error.causes.first().unwrap_or(&error.message).clone())))
        }
        Err(error) => Err(error),
    }
}

fn list(context: &mut Context, topic: &TopicState) -> Result<Answer, Error> {
    let names = &topic.topic.baselines;
    if names.is_empty() {
        context.output.say(&format!("the topic {} has no named baselines", topic.topic.name));
        context.output.hint("git exp topic baseline set default=<experiment or revision> --because \"…\"");
    }
    for (name, target) in names {
        let own: Vec<_> = topic.moves.iter().filter(|(_, _, _, it)| it.name == *name).collect();
        if context.output.json {
            context.output.object(&serde_json::json!({
                "schema": "git-exp/baseline/1",
                "topic": topic.topic.name.as_str(),
                "name": name,
                "is": target,
                "moves": own.iter().map(|it| MoveJson::from(*it)).collect::<Vec<_>>(),
            }))?;
            continue;
        }
        let never = if own.is_empty() { "  since the topic was opened" } else { "" };
        context.output.line(&format!("{}={}{never}", harmless(name), harmless(target)))?;
        let text = moves(own, &context.canvas());
        context.output.text(&text)?;
    }
    Ok(Answer::Yes)
}
