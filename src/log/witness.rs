//! Witnesses: what an entry says its clone had seen of others' logs when it was appended.
//!
//! An entry cites the tips of those logs that grew since the clone's last entry. A tip is a commit, and so stands for all that
//! the log held by then: whoever holds the entry can show that it was there.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use super::append::{name, replace_file};
use super::error::LogError;
use super::layout::{self, Folders};
use crate::domain::id::{ObjectName, Writer};
use crate::git::Repo;

/// How many tips one entry cites; what is left goes into the next.
const MOST: usize = 32;

/// The tips of others' logs that no entry of this clone has cited yet.
pub(super) fn news(repo: &Repo, folders: &Folders) -> Result<BTreeMap<Writer, ObjectName>, LogError> {
    let cited = cited(folders);
    let mut news = BTreeMap::new();
    for (full, tip) in repo.list_refs(layout::SEEN)? {
        if let Ok(writer) = full[layout::SEEN.len()..].parse::<Writer>()
            && cited.get(writer.as_str()) != Some(&tip.to_hex())
        {
            news.insert(writer, name(tip));
            if news.len() == MOST {
                break;
            }
        }
    }
    Ok(news)
}

/// Notes what was cited; where that fails, it is cited again.
pub(super) fn note(folders: &Folders, news: &BTreeMap<Writer, ObjectName>) {
    if news.is_empty() {
        return;
    }
    let mut cited = cited(folders);
    cited.extend(news.iter().map(|(writer, tip)| (writer.to_string(), tip.to_string())));
    let bytes = serde_json::to_vec(&cited).expect("names are JSON");
    replace_file(&folders.cited(), &bytes);
}

fn cited(folders: &Folders) -> BTreeMap<String, String> {
    let bytes = fs::read(folders.cited()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The tips of others' logs that stored bytes of an entry cite.
pub fn tips_seen(bytes: &[u8]) -> BTreeMap<Writer, ObjectName> {
    #[derive(Deserialize)]
    struct Citing {
        #[serde(default)]
        seen: BTreeMap<String, String>,
    }
    let citing: Option<Citing> = serde_json::from_slice(bytes).ok();
    let tips = citing.into_iter().flat_map(|it| it.seen);
    tips.filter_map(|(writer, tip)| Some((writer.parse().ok()?, tip.parse().ok()?))).collect()
}
