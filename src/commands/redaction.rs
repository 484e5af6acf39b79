//! Secrets in what people write: taken out before anything is stored, as they are from what commands print.

use std::collections::BTreeMap;

use super::recording;
use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::entry::Note;
use crate::domain::topic::Topic;
use crate::error::Error;
use crate::runner::Redactor;

fn clean(redactor: &Redactor, text: &mut String) {
    *text = redactor.redact_text(text);
}

fn clean_option(redactor: &Redactor, text: &mut Option<String>) {
    if let Some(text) = text {
        clean(redactor, text);
    }
}

fn clean_values(redactor: &Redactor, texts: &mut BTreeMap<String, String>) {
    for text in texts.values_mut() {
        clean(redactor, text);
    }
}

/// Takes secrets out of a brief.
pub fn brief(context: &Context, brief: &mut Brief) -> Result<(), Error> {
    let redactor = recording::redactor(&context.settings_here()?)?;
    let texts = [
        &mut brief.hypothesis,
        &mut brief.change,
        &mut brief.baseline,
        &mut brief.no_guard,
        &mut brief.owner,
        &mut brief.notes,
        &mut brief.dataset,
    ];
    for text in texts {
        clean_option(&redactor, text);
    }
    for text in &mut brief.paths {
        clean(&redactor, text);
    }
    Ok(())
}

/// Takes secrets out of a topic.
pub fn topic(context: &Context, topic: &mut Topic) -> Result<(), Error> {
    let redactor = recording::redactor(&context.settings_here()?)?;
    for text in [&mut topic.goal, &mut topic.problem, &mut topic.no_guard] {
        clean_option(&redactor, text);
    }
    let lists = [
        &mut topic.constraints,
        &mut topic.success,
        &mut topic.hypotheses,
        &mut topic.matrix,
        &mut topic.code,
        &mut topic.stop,
    ];
    for text in lists.into_iter().flatten().chain(topic.scope.values_mut().flatten()) {
        clean(&redactor, text);
    }
    for phase in &mut topic.phases {
        clean(&redactor, &mut phase.name);
        clean_option(&redactor, &mut phase.goal);
        clean_option(&redactor, &mut phase.until);
    }
    clean_values(&redactor, &mut topic.baselines);
    clean_values(&redactor, &mut topic.links);
    Ok(())
}

/// Takes secrets out of texts that somebody gave as reasons.
pub fn texts<'a>(context: &Context, texts: impl IntoIterator<Item = &'a mut String>) -> Result<(), Error> {
    let redactor = recording::redactor(&context.settings_here()?)?;
    for text in texts {
        clean(&redactor, text);
    }
    Ok(())
}

/// The bytes of a file without secrets.
pub fn bytes(context: &Context, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let redactor = recording::redactor(&context.settings_here()?)?;
    Ok(redactor.redact_bytes(bytes).into_owned())
}

/// Takes secrets out of a note.
pub fn note(context: &Context, note: &mut Note) -> Result<(), Error> {
    let redactor = recording::redactor(&context.settings_here()?)?;
    clean(&redactor, &mut note.text);
    clean_option(&redactor, &mut note.source);
    Ok(())
}
