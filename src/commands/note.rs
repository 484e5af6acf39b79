//! `git exp note`

use std::path::Path;

use clap::Args;

use super::{Answer, redaction, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Note, NoteSort};
use crate::domain::id::{EntryId, TopicName};
use crate::error::Error;

/// Write a remark into the log, about an experiment, a topic or an entry
///
/// Saying what sort of remark it is keeps what was seen apart from what was concluded and from what a source says.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp note A-001 'the loss jumps at step 400 in every seed' --observation
  git exp note A-001 'the scheduler restarts too early' --inference
  git exp note A-001 'warm restarts need a longer cycle' --claim 'Loshchilov and Hutter 2017'
  git exp note 3f2a91bc 'this run shared the GPU'")]
pub struct Arguments {
    /// The experiment, topic or entry
    about: String,

    /// The remark; `-` reads it from standard input
    text: String,

    /// Something that was seen
    #[arg(long, group = "sort")]
    observation: bool,

    /// Something that was concluded
    #[arg(long, group = "sort")]
    inference: bool,

    /// Something that a source says
    #[arg(long, group = "sort", value_name = "SOURCE")]
    claim: Option<String>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let text = match arguments.text.as_str() {
        "-" => context.text_of(Path::new("-"))?.trim_end().to_owned(),
        _ => arguments.text,
    };
    if text.trim().is_empty() {
        return Err(Error::request("cannot record a note without text"));
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let sort = match (arguments.observation, arguments.inference, &arguments.claim) {
        (true, _, _) => Some(NoteSort::Observation),
        (_, true, _) => Some(NoteSort::Inference),
        (_, _, Some(_)) => Some(NoteSort::Claim),
        _ => None,
    };
    let mut note =
        Note { experiment: None, registration: None, topic: None, sort, source: arguments.claim, text };
    redaction::note(context, &mut note)?;
    let answers = address(context, &mut index, &state, &arguments.about, &mut note)?;
    let appended = context.append_answer(Body::Note(note), answers)?;
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/note/1",
            "entry": appended.entry.id.to_hex(),
            "about": arguments.about,
        }))?;
    } else {
        context.output.line(&format!("noted ({})", appended.entry.id.short()))?;
    }
    Ok(Answer::Yes)
}

/// Says in `note` what it is about; gives the entry it answers, where it is about one.
fn address(
    context: &Context,
    index: &mut crate::log::index::Index,
    state: &crate::domain::state::State,
    about: &str,
    note: &mut Note,
) -> Result<Option<EntryId>, Error> {
    let topic = about.strip_prefix("research/").unwrap_or(about).parse::<TopicName>();
    if let Ok(topic) = topic
        && state.topics.contains_key(&topic)
        && state.find(about).is_empty()
    {
        note.topic = Some(topic);
        return Ok(None);
    }
    match selection::select(context, index, state, about)? {
        selection::Selected::Experiment(experiment) => {
            note.registration = experiment.registration();
            note.experiment = Some(experiment.id.clone());
            Ok(None)
        }
        selection::Selected::Entry(entry) => {
            note.experiment = entry.experiment().cloned();
            note.registration = entry.registration();
            if note.experiment.is_none() {
                note.topic = entry.topic().cloned();
            }
            Ok(Some(entry.id))
        }
    }
}
