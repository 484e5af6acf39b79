//! The runs of several sides of a comparison, found in one pass over a few columns.

use std::collections::{HashMap, HashSet};

use super::query::hidden;
use super::segment::TextColumn;
use super::{Index, RowRef};
use crate::domain::id::{EntryId, ExperimentId};
use crate::log::IndexError;

/// What the runs of a side have in common.
#[derive(Clone, Copy, Debug)]
pub enum Common<'a> {
    /// They belong to this experiment: its alias, and the entry that registered it where one did.
    Experiment(&'a ExperimentId, Option<EntryId>),
    /// They have this label.
    Label(&'a str),
    /// They ran this commit.
    Commit(&'a str),
}

/// The runs of each side.
pub fn runs_of(index: &mut Index, sides: &[Common<'_>]) -> Result<Vec<Vec<RowRef>>, IndexError> {
    let hidden = hidden(index)?;
    let mut found = vec![Vec::new(); sides.len()];
    for (number, segment) in index.segments().iter_mut().enumerate() {
        let Some(kinds) = segment.texts("kind")? else { continue };
        let experiments = segment.texts("experiment")?.unwrap_or_default();
        let registrations = segment.texts("registration")?.unwrap_or_default();
        let is_wanted = |wanted: fn(&Common<'_>) -> bool| sides.iter().any(wanted);
        let labels = if is_wanted(|side| matches!(side, Common::Label(_))) {
            segment.texts("label")?.unwrap_or_default()
        } else {
            TextColumn::default()
        };
        let commits = if is_wanted(|side| matches!(side, Common::Commit(_))) {
            segment.texts("commit")?.unwrap_or_default()
        } else {
            TextColumn::default()
        };
        let entries = if hidden.is_empty() { Vec::new() } else { segment.entries()? };
        // The number that a text has in its column, as rows refer to it; zero stands for none.
        let place = |strings: &[String], is_it: &dyn Fn(&str) -> bool| -> Vec<u32> {
            let places = strings.iter().enumerate().filter(|(_, text)| is_it(text));
            places.filter_map(|(place, _)| u32::try_from(place + 1).ok()).collect()
        };
        let mut by_experiment: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        let mut by_label: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut by_commit: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut known: HashMap<String, Vec<u32>> = HashMap::new();
        for (place, text) in (1..).zip(&experiments.strings) {
            known.entry(text.to_ascii_lowercase()).or_default().push(place);
        }
        let registered: HashMap<&str, u32> =
            registrations.strings.iter().map(String::as_str).zip(1..).collect();
        for (which, side) in sides.iter().enumerate() {
            match side {
                Common::Experiment(alias, registration) => {
                    let registration = match registration {
                        None => Some(0),
                        Some(id) => registered.get(id.to_hex().as_str()).copied(),
                    };
                    let aliases = known.get(&alias.key()).map(Vec::as_slice).unwrap_or_default();
                    for (alias, registration) in aliases.iter().zip(registration.into_iter().cycle()) {
                        by_experiment.entry((*alias, registration)).or_default().push(which);
                    }
                }
                Common::Label(label) => {
                    for place in place(&labels.strings, &|text| text == *label) {
                        by_label.entry(place).or_default().push(which);
                    }
                }
                Common::Commit(commit) => {
                    for place in place(&commits.strings, &|text| text == *commit) {
                        by_commit.entry(place).or_default().push(which);
                    }
                }
            }
        }
        if by_experiment.is_empty() && by_label.is_empty() && by_commit.is_empty() {
            continue;
        }
        for row in 0..kinds.ids.len() {
            if kinds.get(row) != Some("run")
                || entries.as_chunks::<32>().0.get(row).is_some_and(|id| hidden.contains(id))
            {
                continue;
            }
            let id = |ids: &[u32]| ids.get(row).copied().unwrap_or_default();
            let of_experiment = by_experiment.get(&(id(&experiments.ids), id(&registrations.ids)));
            let of_label = by_label.get(&id(&labels.ids));
            let of_commit = by_commit.get(&id(&commits.ids));
            for which in [of_experiment, of_label, of_commit].into_iter().flatten().flatten() {
                found[*which].push(RowRef { segment: number, row });
            }
        }
    }
    Ok(found)
}

/// The entry that registered the experiment of each of `rows`, in full; none where it is a day's scratch.
pub fn registrations_of(index: &mut Index, rows: &[RowRef]) -> Result<Vec<Option<String>>, IndexError> {
    let mut found = vec![None; rows.len()];
    for (number, segment) in index.segments().iter_mut().enumerate() {
        let mut here = rows.iter().zip(&mut found).filter(|(row, _)| row.segment == number).peekable();
        if here.peek().is_none() {
            continue;
        }
        let registrations = segment.texts("registration")?.unwrap_or_default();
        for (RowRef { row, .. }, found) in here {
            *found = registrations.get(*row).map(str::to_owned);
        }
    }
    Ok(found)
}

/// The commits that runs ran, as they are named in full.
pub fn commits(index: &mut Index) -> Result<HashSet<String>, IndexError> {
    let mut found = HashSet::new();
    for segment in index.segments() {
        found.extend(segment.texts("commit")?.unwrap_or_default().strings);
    }
    Ok(found)
}
