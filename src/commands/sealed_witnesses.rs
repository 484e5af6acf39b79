//! Who saw the briefs of a seal before their runs began, as `.exp/witnesses.json` has it.
//!
//! A witness is an entry of another writer that cites a tip of the log with the brief. The commits from that tip down to the
//! brief's come along, so that a seal proves by itself that the tip stands for the brief.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::seal::Failure;
use crate::error::Error;
use crate::git::{FILE, ObjectKind, Oid, TreeEntry};
use crate::log::entry::decode;
use crate::log::index::Index;
use crate::log::witness::tips_seen;

/// The file in the bundle.
pub const WITNESSES: &str = "witnesses.json";
const SCHEMA: &str = "git-exp/witnesses/1";
/// How far below a cited tip a brief may be for the commits in between to be sealed.
const LONGEST_CHAIN: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
struct Witnesses {
    schema: String,
    briefs: Vec<Witness>,
}

/// What shows that somebody saw a brief.
#[derive(Debug, Serialize, Deserialize)]
struct Witness {
    brief: String,
    /// The stored bytes of the entry that cites the tip.
    entry: String,
    /// The commits from the tip down to that of the brief, as Git stores them.
    commits: Vec<String>,
}

/// The briefs that runs cite, each with the time at which the first of these runs began.
fn briefs(entries: &BTreeMap<String, Entry>) -> BTreeMap<EntryId, Timestamp> {
    let mut briefs = BTreeMap::new();
    for entry in entries.values() {
        if let Body::Run(run) = &entry.body
            && let Some(brief) = run.membership.brief
        {
            let first = briefs.entry(brief).or_insert(run.started);
            *first = run.started.min(*first);
        }
    }
    briefs
}

/// The bytes to seal for the briefs that runs among `entries` cite; `None` where nobody saw one in time.
pub fn find(
    context: &Context,
    index: &mut Index,
    entries: &BTreeMap<String, Entry>,
) -> Result<Option<Vec<u8>>, Error> {
    let mut wanted = BTreeMap::new();
    for (brief, first) in briefs(entries) {
        let rows = index.with_prefix(&brief.to_hex())?;
        if let (Some(row), Some(entry)) = (rows.first(), entries.get(&brief.to_hex())) {
            let commit = index.commit(*row)?;
            wanted.insert(brief, (commit, entry.writer.clone(), entry.time, first));
        }
    }
    let (Some(since), Some(until)) =
        (wanted.values().map(|it| it.2).min(), wanted.values().map(|it| it.3).max())
    else {
        return Ok(None);
    };
    let mut found: BTreeMap<EntryId, Witness> = BTreeMap::new();
    let rows = context.log.rows_of(index, |_| true)?;
    let unknown: Writer = "00000000".parse().expect("eight zeros name a writer");
    for blob in index.blobs(&rows)? {
        let Ok(bytes) = context.repo.read_blob(blob) else { continue };
        let tips = tips_seen(&bytes);
        if tips.is_empty() {
            continue;
        }
        let entry = decode(&bytes, &unknown);
        if entry.time < since || entry.time > until {
            continue;
        }
        for (brief, (commit, writer, _, first)) in &wanted {
            if found.contains_key(brief) || entry.writer == *writer || entry.time > *first {
                continue;
            }
            let mut commits = tips.values().filter_map(|tip| Oid::from_hex(tip.as_str()));
            if let Some(commits) = commits.find_map(|tip| chain(context, tip, *commit))
                && let Ok(entry) = String::from_utf8(bytes.clone())
            {
                found.insert(*brief, Witness { brief: brief.to_hex(), entry, commits });
            }
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let witnesses = Witnesses { schema: SCHEMA.to_owned(), briefs: found.into_values().collect() };
    let mut bytes = serde_json::to_vec_pretty(&witnesses).expect("witnesses hold nothing that JSON cannot");
    bytes.push(b'\n');
    Ok(Some(bytes))
}

/// The stored commits from `tip` down to `wanted`, where that is below and not far.
fn chain(context: &Context, tip: Oid, wanted: Oid) -> Option<Vec<String>> {
    let mut commits = Vec::new();
    for step in context.repo.walk_first_parent(tip).take(LONGEST_CHAIN) {
        let (oid, _) = step.ok()?;
        let (_, bytes) = context.repo.read_object(oid).ok()?;
        commits.push(String::from_utf8(bytes).ok()?);
        if oid == wanted {
            return Some(commits);
        }
    }
    None
}

/// What the witnesses of a seal come to.
#[derive(Debug, Default)]
pub struct Heard {
    /// What does not hold.
    pub failures: Vec<Failure>,
    /// Each brief that runs cite, with who saw it before the first of them began: proven; or nobody: claimed.
    pub briefs: Vec<(EntryId, Option<String>)>,
}

/// Holds the witnesses against the sealed entries, whose blobs are given by their IDs.
pub fn hear(
    context: &Context,
    stored: Option<&[u8]>,
    entries: &BTreeMap<String, Entry>,
    blobs: &BTreeMap<String, Oid>,
) -> Heard {
    let mut heard = Heard::default();
    let witnesses = match stored.map(serde_json::from_slice::<Witnesses>) {
        None => Vec::new(),
        Some(Ok(it)) if it.schema == SCHEMA => it.briefs,
        Some(Ok(_)) => {
            heard.failures.push(Failure::new("brief", WITNESSES, "its schema is not known to this version"));
            Vec::new()
        }
        Some(Err(error)) => {
            heard.failures.push(Failure::new("brief", WITNESSES, format!("it cannot be read: {error}")));
            Vec::new()
        }
    };
    for (brief, first) in briefs(entries) {
        let mut who = None;
        for witness in witnesses.iter().filter(|it| it.brief == brief.to_hex()) {
            match vouches(context, witness, (brief, first), entries, blobs) {
                Ok(name) => who = Some(name),
                Err(why) => heard.failures.push(Failure::new("brief", brief.to_hex(), why)),
            }
        }
        heard.briefs.push((brief, who));
    }
    heard
}

/// Who the witness is, where it shows that the brief was there before the first run began.
fn vouches(
    context: &Context,
    witness: &Witness,
    (brief, first): (EntryId, Timestamp),
    entries: &BTreeMap<String, Entry>,
    blobs: &BTreeMap<String, Oid>,
) -> Result<String, &'static str> {
    let unknown: Writer = "00000000".parse().expect("eight zeros name a writer");
    let said = decode(witness.entry.as_bytes(), &unknown);
    let sealed = entries.get(&brief.to_hex()).ok_or("its witness saw a brief that is not in the seal")?;
    if matches!(said.body, Body::Unreadable { .. }) || said.writer == sealed.writer {
        return Err("its witness is no entry of another writer");
    }
    if said.time > first {
        return Err("its witness came after the first run began");
    }
    let tree_of = |blob: Oid| {
        let row = TreeEntry { mode: FILE, name: b"entry.json".to_vec(), oid: blob };
        let tree = context.repo.encode_tree(vec![row]).expect("one name is no name twice");
        context.repo.hash_object(ObjectKind::Tree, &tree).to_hex()
    };
    let field = |commit: &str, name: &str| {
        let head = commit.split("\n\n").next().unwrap_or_default();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
    };
    let runs: Vec<String> = entries
        .iter()
        .filter(|(_, entry)| matches!(&entry.body, Body::Run(run) if run.membership.brief == Some(brief)))
        .filter_map(|(id, _)| blobs.get(id))
        .map(|blob| tree_of(*blob))
        .collect();
    let mut expected: Option<String> = None;
    for commit in &witness.commits {
        let oid = context.repo.hash_object(ObjectKind::Commit, commit.as_bytes()).to_hex();
        let is_next = match &expected {
            None => tips_seen(witness.entry.as_bytes()).values().any(|tip| tip.as_str() == oid),
            Some(expected) => *expected == oid,
        };
        if !is_next {
            return Err("its witness cites another log than the commits that come with it");
        }
        if field(commit, "tree").is_some_and(|tree| runs.contains(&tree)) {
            return Err("its witness saw runs as well");
        }
        expected = Some(field(commit, "parent").unwrap_or_default());
    }
    let last = witness.commits.last().and_then(|commit| field(commit, "tree"));
    match blobs.get(&brief.to_hex()) {
        Some(blob) if last == Some(tree_of(*blob)) => {
            Ok(format!("{} <{}> ({})", said.by.name, said.by.email, said.writer))
        }
        _ => Err("its witness saw another entry"),
    }
}
