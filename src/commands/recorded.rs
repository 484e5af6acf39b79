//! What an entry keeps beside what it says: its files, and what was recorded of the surroundings of a run.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::context::Context;
use crate::domain::bytes::OsBytes;
use crate::domain::difference::{Axis, Difference};
use crate::domain::entry::Entry;
use crate::domain::id::ObjectName;
use crate::domain::run::Run;
use crate::error::Error;
use crate::git::Oid;

/// The file in which a run's environment is stored.
const ENVIRONMENT: &[u8] = b"environment.json";
/// The folder among a run's files that holds its configuration.
const CONFIG: &[u8] = b"config/";

/// The files of an entry with their lengths.
pub fn files_of(entry: &Entry) -> Vec<(String, u64)> {
    let files = entry.files.iter().flat_map(|list| &list.files);
    files.map(|file| (file.name.to_string(), file.bytes)).collect()
}

/// The content of a file of an entry; `None` where its data is not here.
pub fn stored(context: &Context, tree: &ObjectName, name: &OsBytes) -> Result<Option<Vec<u8>>, Error> {
    let Some(tree) = Oid::from_hex(tree.as_str()) else { return Ok(None) };
    match context.repo.read_path(tree, &name.0) {
        Err(error) if error.is_missing() => Ok(None),
        result => Ok(result?),
    }
}

/// The environment that a run was stored with, where its data is here.
pub fn environment(context: &Context, entry: &Entry) -> Result<Option<Json>, Error> {
    document(context, entry, ENVIRONMENT)
}

/// A file of an entry that holds JSON, where the entry has it and its data is here.
pub fn document(context: &Context, entry: &Entry, name: &[u8]) -> Result<Option<Json>, Error> {
    let Some(list) = &entry.files else { return Ok(None) };
    if !list.files.iter().any(|file| file.name.0 == name) {
        return Ok(None);
    }
    let bytes = stored(context, &list.tree, &OsBytes(name.to_vec()))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The configuration files of a run: path, then hash.
pub fn config_files(entry: &Entry) -> BTreeMap<String, String> {
    let files = entry.files.iter().flat_map(|list| &list.files);
    files
        .filter_map(|file| {
            let path = file.name.0.strip_prefix(CONFIG)?;
            Some((String::from_utf8_lossy(path).into_owned(), file.blake3.clone()))
        })
        .collect()
}

/// Says in `difference` that the code differs in declared configuration files only, where that is so: one change is one
/// axis.
pub fn explain_code(
    context: &Context,
    difference: &mut Difference,
    from: &Run,
    to: &Run,
    config_files: [&BTreeMap<String, String>; 2],
) {
    let axes = difference.axes();
    if !axes.contains(&Axis::Code) || !axes.contains(&Axis::Configuration) {
        return;
    }
    let trees = [from, to]
        .map(|run| Oid::from_hex(run.code.tree.as_str()).filter(|tree| context.repo.has_object(*tree)));
    let [Some(from), Some(to)] = trees else { return };
    // What cannot be told stays two axes.
    let Ok(changed) = context.repo.diff_files(from, to) else { return };
    let is_config = |path: &[u8]| {
        config_files.iter().any(|files| std::str::from_utf8(path).is_ok_and(|path| files.contains_key(path)))
    };
    if changed.iter().all(|change| is_config(&change.path)) {
        difference.explain_code_by_configuration();
    }
}

/// The datasets of a run as they were stored: name, then version and hash.
pub fn versions(datasets: &Json) -> BTreeMap<String, String> {
    let Some(datasets) = datasets.as_object() else { return BTreeMap::new() };
    let text = |dataset: &Json| match dataset {
        Json::Object(fields) => {
            let known = ["version", "hash"].into_iter().filter_map(|name| fields.get(name)?.as_str());
            known.collect::<Vec<_>>().join(" ")
        }
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    datasets.iter().map(|(name, dataset)| (name.clone(), text(dataset))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dataset_is_its_version_and_its_hash() {
        let stored = json!({
            "wine": {"version": "2", "hash": "abcd", "files": 3},
            "bare": {"hash": "ef01"},
            "old": "v1",
        });
        let expected = [("bare", "ef01"), ("old", "v1"), ("wine", "2 abcd")];
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(versions(&stored), expected);
        assert!(versions(&json!([1])).is_empty());
    }
}
