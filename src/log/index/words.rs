//! What is said about what was tried, found in one pass over the stems that the index keeps.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::query::hidden;
use super::segment::TextColumn;
use super::{Index, RowRef};
use crate::domain::similarity::Texts;
use crate::domain::tried::keys_of;
use crate::log::IndexError;

/// The columns of one segment.
struct Columns {
    kinds: TextColumn,
    about: TextColumn,
    words: TextColumn,
    entries: Vec<u8>,
}

/// What is near to `question`: the keys of what was tried, each with its likeness.
pub fn near(index: &mut Index, question: &str) -> Result<BTreeMap<String, f64>, IndexError> {
    let hidden = hidden(index)?;
    let mut segments = Vec::new();
    for segment in index.segments() {
        if let (Some(kinds), Some(about), Some(words)) =
            (segment.texts("kind")?, segment.texts("about")?, segment.texts("words")?)
        {
            let entries = if hidden.is_empty() { Vec::new() } else { segment.entries()? };
            segments.push(Columns { kinds, about, words, entries });
        }
    }
    let mut keys: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<Vec<&str>> = Vec::new();
    for segment in &segments {
        // Each thing is looked up once, however many entries are about it.
        let places: Vec<usize> = segment
            .about
            .strings
            .iter()
            .map(|about| {
                *known.entry(about).or_insert_with(|| {
                    keys.push(about);
                    texts.push(Vec::new());
                    keys.len() - 1
                })
            })
            .collect();
        for (row, about) in segment.about.ids.iter().enumerate() {
            let Some(place) = about.checked_sub(1).map(|about| places[about as usize]) else { continue };
            let is_replaced =
                segment.entries.as_chunks::<32>().0.get(row).is_some_and(|id| hidden.contains(id));
            // Why something was decided at first stays said when the decision is revised.
            if is_replaced && segment.kinds.get(row) != Some("decision") {
                continue;
            }
            texts[place].extend(segment.words.get(row));
        }
    }
    // What was replaced and never said anew is no text of its own.
    let (keys, texts): (Vec<&str>, Vec<Vec<&str>>) =
        keys.into_iter().zip(texts).filter(|(_, texts)| !texts.is_empty()).unzip();
    Ok(keys_of(Texts::about(&[question], texts).likeness(question), &keys))
}

/// The rows that say what became of things with these keys: the entries about them, about all that are called alike, and all
/// entries of a few kinds that are few.
pub fn rows_about(index: &mut Index, keys: &BTreeMap<String, f64>) -> Result<Vec<RowRef>, IndexError> {
    let is_key = |about: &str| keys.contains_key(about);
    let mut aliases = HashSet::new();
    for segment in index.segments() {
        let (Some(about), Some(experiments)) = (segment.texts("about")?, segment.texts("experiment")?) else {
            continue;
        };
        let is_near: Vec<bool> = about.strings.iter().map(|about| is_key(about)).collect();
        for (row, about) in about.ids.iter().enumerate() {
            if about.checked_sub(1).is_some_and(|about| is_near[about as usize]) {
                aliases.extend(experiments.get(row).map(str::to_ascii_lowercase));
            }
        }
    }
    let mut found = Vec::new();
    for (number, segment) in index.segments().iter_mut().enumerate() {
        let Some(kinds) = segment.texts("kind")? else { continue };
        let experiments = segment.texts("experiment")?.unwrap_or_default();
        let is_alike: Vec<bool> =
            experiments.strings.iter().map(|it| aliases.contains(&it.to_ascii_lowercase())).collect();
        let is_run: Vec<bool> = kinds.strings.iter().map(|kind| kind == "run").collect();
        for (row, kind) in kinds.ids.iter().enumerate() {
            let experiment = experiments.ids.get(row).and_then(|id| id.checked_sub(1));
            let is_wanted = experiment.is_none_or(|id| is_alike[id as usize]);
            if is_wanted && kind.checked_sub(1).is_some_and(|kind| !is_run[kind as usize]) {
                found.push(RowRef { segment: number, row });
            }
        }
    }
    Ok(found)
}
