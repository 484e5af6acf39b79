//! The index: a few columns of every entry, so that a list over 100,000 runs is an answer in milliseconds.
//!
//! It is a view: files of rows below `.git/exp/index`, named by a manifest that says which tip of which log they reach.
//! Entries past those tips are read from the log whenever the index is opened, and written to a file of their own once they
//! are many. Deleting the folder loses nothing but the time to build it again.

pub mod query;
pub mod rows;
pub mod segment;
pub mod sides;
pub mod words;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::rows::Rows;
use self::segment::Segment;
use super::error::{IndexError, LogError};
use super::read::{self, Located};
use crate::domain::id::{EntryId, Writer};
use crate::git::{Oid, Repo};

/// How many new entries are worth a file.
const WORTH_A_FILE: usize = 256;
/// How many files are made into one.
const MANY_FILES: usize = 24;
/// The version of the rows; another one is built anew.
const VERSION: u32 = 3;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    tips: BTreeMap<String, String>,
    files: Vec<String>,
    /// Where history ended early: entries come to a log from below where that changes.
    #[serde(default)]
    shallow: Vec<String>,
    /// The latest time of an entry, in microseconds: an entry after it cannot be one that is already there.
    latest: f64,
}

/// A few columns of every entry.
#[derive(Debug)]
pub struct Index {
    segments: Vec<Segment>,
    object_length: usize,
}

/// Where a row of the index is.
#[derive(Hash, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowRef {
    /// Which segment.
    pub segment: usize,
    /// Which row of it.
    pub row: usize,
}

impl Index {
    /// Opens the index in `folder` and brings it up to `tips`, the logs as they now stand.
    pub fn open(repo: &Repo, folder: &Path, tips: &[(Writer, Oid)]) -> Result<Self, LogError> {
        match Self::open_stored(repo, folder, tips)? {
            Some(index) => Ok(index),
            None => Self::rebuild(repo, folder, tips),
        }
    }

    /// Builds the index anew from the logs.
    pub fn rebuild(repo: &Repo, folder: &Path, tips: &[(Writer, Oid)]) -> Result<Self, LogError> {
        let mut rows = Rows::default();
        let mut known = HashSet::new();
        let mut latest = f64::NEG_INFINITY;
        for (writer, tip) in tips {
            read::log(repo, writer, *tip, None, push, |part: Rows| {
                let is_new: Vec<bool> = part.entries.iter().map(|id| known.insert(*id)).collect();
                latest = latest.max(part.latest());
                rows.append(&part, &is_new);
            })?;
        }
        let mut index = Self { segments: Vec::new(), object_length: repo.empty_tree().as_bytes().len() };
        let shallow = shallow_ends(repo);
        let manifest = Manifest { version: VERSION, latest, shallow, ..Manifest::default() };
        index.keep(folder, manifest, tips, rows, true);
        Ok(index)
    }

    /// The index as stored, with what came since; `None` where it is absent, damaged or not of these logs.
    fn open_stored(repo: &Repo, folder: &Path, tips: &[(Writer, Oid)]) -> Result<Option<Self>, LogError> {
        let Some(mut manifest) = read_manifest(folder) else { return Ok(None) };
        let Some(mut segments) = open_files(folder, &manifest) else { return Ok(None) };
        if manifest.shallow != shallow_ends(repo) {
            return Ok(None);
        }
        let writers: HashSet<&str> = tips.iter().map(|(writer, _)| writer.as_str()).collect();
        if manifest.tips.keys().any(|known| !writers.contains(known.as_str())) {
            return Ok(None);
        }
        let mut rows = Rows::default();
        let mut known: Option<HashSet<[u8; 32]>> = None;
        for (writer, tip) in tips {
            let reached = manifest.tips.get(writer.as_str()).and_then(|tip| Oid::from_hex(tip));
            if reached == Some(*tip) {
                continue;
            }
            let mut failed = None;
            let is_of_log = read::log(repo, writer, *tip, reached, push, |part: Rows| {
                // What is later than all before it cannot be one of them, so they need not be read.
                if known.is_none() && !part.is_later_than(manifest.latest) {
                    match all_ids(&mut segments, &rows) {
                        Ok(ids) => known = Some(ids),
                        Err(error) => failed = Some(error),
                    }
                }
                let is_new: Vec<bool> = match &mut known {
                    Some(known) => part.entries.iter().map(|id| known.insert(*id)).collect(),
                    None => vec![true; part.len()],
                };
                manifest.latest = manifest.latest.max(part.latest());
                rows.append(&part, &is_new);
            })?;
            if let Some(error) = failed {
                return Err(super::error::file_error("read", folder)(error));
            }
            if !is_of_log {
                return Ok(None);
            }
        }
        let mut index = Self { segments, object_length: repo.empty_tree().as_bytes().len() };
        index.keep(folder, manifest, tips, rows, false);
        Ok(Some(index))
    }

    /// Takes `rows` in; writes them to a file where they are worth one, or `always`.
    fn keep(
        &mut self,
        folder: &Path,
        mut manifest: Manifest,
        tips: &[(Writer, Oid)],
        rows: Rows,
        always: bool,
    ) {
        let worth = always || rows.len() >= WORTH_A_FILE;
        let is_merge = worth && self.segments.len() + 1 >= MANY_FILES;
        let mut rows = rows;
        if is_merge {
            let mut all = Rows::default();
            let merged = self
                .segments
                .drain(..)
                .chain([Segment::Recent(rows.clone())])
                .try_for_each(|mut segment| segment::append(&mut all, &mut segment));
            if merged.is_err() {
                // The next opening builds it anew; this one goes on with what it could read.
                let _ = fs::remove_dir_all(folder);
            }
            rows = all;
            manifest.files.clear();
        }
        if worth {
            manifest.tips = tips.iter().map(|(writer, tip)| (writer.to_string(), tip.to_hex())).collect();
            // A repository that cannot be written to is read all the same.
            let _ = store(folder, manifest, &rows);
        }
        if !rows.is_empty() {
            self.segments.push(Segment::Recent(rows));
        }
    }

    /// The segments, to be asked column by column.
    pub fn segments(&mut self) -> &mut [Segment] {
        &mut self.segments
    }

    /// The entries that the commits in `commits` hold.
    pub fn entries_at(&mut self, commits: &HashSet<Oid>) -> Result<HashSet<EntryId>, IndexError> {
        let mut found = HashSet::new();
        for segment in self.segments() {
            let (ids, names) = (segment.entries()?, segment.commits()?);
            let width = names.len() / segment.len().max(1);
            for (id, name) in ids.chunks_exact(32).zip(names.chunks_exact(width.max(1))) {
                if Oid::from_bytes(name).is_some_and(|oid| commits.contains(&oid)) {
                    found.insert(EntryId(id.try_into().expect("32 bytes")));
                }
            }
        }
        Ok(found)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blob that holds the entry of `row`.
    pub fn blob(&mut self, row: RowRef) -> Result<Oid, IndexError> {
        let blobs = self.segments[row.segment].blobs()?;
        object_at(&blobs, row.row, self.object_length)
    }

    /// The blobs that hold the entries of `rows`, in their order.
    pub fn blobs(&mut self, rows: &[RowRef]) -> Result<Vec<Oid>, IndexError> {
        let mut columns: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        rows.iter()
            .map(|row| {
                let column = match columns.entry(row.segment) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(self.segments[row.segment].blobs()?),
                };
                object_at(column, row.row, self.object_length)
            })
            .collect()
    }

    /// The commit that holds the entry of `row`.
    pub fn commit(&mut self, row: RowRef) -> Result<Oid, IndexError> {
        let commits = self.segments[row.segment].commits()?;
        object_at(&commits, row.row, self.object_length)
    }

    /// The rows of entries whose ID or nonce begins with the hex digits `prefix`.
    pub fn with_prefix(&mut self, prefix: &str) -> Result<Vec<RowRef>, IndexError> {
        let mut found = Vec::new();
        for (number, segment) in self.segments.iter_mut().enumerate() {
            let entries = segment.entries()?;
            let nonces = segment.nonces()?;
            let ids = entries.as_chunks::<32>().0.iter().zip(nonces.as_chunks::<16>().0);
            for (row, (entry, nonce)) in ids.enumerate() {
                if begins_with(entry, prefix) || begins_with(nonce, prefix) {
                    found.push(RowRef { segment: number, row });
                }
            }
        }
        Ok(found)
    }

    /// The shortest prefix of each ID, of eight digits or more, that no other entry's ID or nonce begins with.
    pub fn short_ids(&mut self, ids: &[EntryId]) -> Result<Vec<String>, IndexError> {
        let mut lengths = vec![SHORT; ids.len()];
        let mut by_start: HashMap<[u8; 4], Vec<usize>> = HashMap::new();
        // Almost no entry is like one that is shown: a look at two bytes spares a look-up for each.
        let mut is_like = vec![false; 1 << 16];
        for (place, id) in ids.iter().enumerate() {
            by_start.entry(start_of(&id.0)).or_default().push(place);
            is_like[two_bytes(&id.0)] = true;
        }
        for segment in &mut self.segments {
            let entries = segment.entries()?;
            let nonces = segment.nonces()?;
            for (entry, nonce) in entries.as_chunks::<32>().0.iter().zip(nonces.as_chunks::<16>().0) {
                for other in [entry.as_slice(), nonce.as_slice()] {
                    if !is_like[two_bytes(other)] {
                        continue;
                    }
                    let Some(places) = by_start.get(&start_of(other)) else { continue };
                    for &place in places.iter().filter(|&&place| ids[place].0 != *entry) {
                        lengths[place] = lengths[place].max(common_digits(&ids[place].0, other) + 1);
                    }
                }
            }
        }
        Ok(ids.iter().zip(lengths).map(|(id, length)| id.to_hex()[..length.min(64)].to_owned()).collect())
    }

    /// The ID of the entry of `row`.
    pub fn id(&mut self, row: RowRef) -> Result<[u8; 32], IndexError> {
        let entries = self.segments[row.segment].entries()?;
        entries.as_chunks::<32>().0.get(row.row).copied().ok_or_else(too_short)
    }
}

/// The fewest digits of an ID that are shown.
const SHORT: usize = 8;

/// What the shortest prefixes are told apart by at first.
fn start_of(bytes: &[u8]) -> [u8; SHORT / 2] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn two_bytes(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |start| usize::from(u16::from_be_bytes(*start)))
}

/// How many hex digits two byte strings have in common at their start.
fn common_digits(a: &[u8], b: &[u8]) -> usize {
    let bytes = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let half = match (a.get(bytes), b.get(bytes)) {
        (Some(a), Some(b)) => usize::from(a >> 4 == b >> 4),
        _ => 0,
    };
    bytes * 2 + half
}

fn begins_with(bytes: &[u8], prefix: &str) -> bool {
    prefix.len() <= bytes.len() * 2
        && prefix.bytes().enumerate().all(|(place, digit)| {
            let byte = bytes[place / 2];
            let half = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
            char::from_digit(u32::from(half), 16) == Some(char::from(digit.to_ascii_lowercase()))
        })
}

fn object_at(column: &[u8], row: usize, length: usize) -> Result<Oid, IndexError> {
    column.get(row * length..(row + 1) * length).and_then(Oid::from_bytes).ok_or_else(too_short)
}

fn too_short() -> IndexError {
    segment::damaged("a column is too short").into()
}

fn push(rows: &mut Rows, located: Located) {
    rows.push(&located.entry, located.commit.as_bytes(), located.blob.as_bytes());
}

fn all_ids(segments: &mut [Segment], rows: &Rows) -> io::Result<HashSet<[u8; 32]>> {
    let mut known: HashSet<[u8; 32]> = rows.entries.iter().copied().collect();
    for segment in segments {
        known.extend(segment.entries()?.as_chunks::<32>().0);
    }
    Ok(known)
}

fn shallow_ends(repo: &Repo) -> Vec<String> {
    repo.shallow_ends().into_iter().map(Oid::to_hex).collect()
}

/// How far the index in `folder` has seen each log.
pub(super) fn known_tips(folder: &Path) -> Vec<(Writer, Oid)> {
    let tips = read_manifest(folder).map(|manifest| manifest.tips).unwrap_or_default();
    tips.iter().filter_map(|(writer, tip)| Some((writer.parse().ok()?, Oid::from_hex(tip)?))).collect()
}

fn manifest_path(folder: &Path) -> PathBuf {
    folder.join("manifest.json")
}

fn read_manifest(folder: &Path) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(manifest_path(folder)).ok()?).ok()?;
    (manifest.version == VERSION).then_some(manifest)
}

fn open_files(folder: &Path, manifest: &Manifest) -> Option<Vec<Segment>> {
    manifest.files.iter().map(|name| Segment::open(&folder.join(name)).ok()).collect()
}

/// Writes `rows` to a new file and then the manifest that names it; takes away files that no manifest names.
///
/// Two processes that do this at once write the same rows to files of their own; the manifest of one wins, and it names
/// whole files only.
fn store(folder: &Path, mut manifest: Manifest, rows: &Rows) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).append(true).open(folder.join("lock"))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let old: HashSet<String> = manifest.files.iter().cloned().collect();
    if !rows.is_empty() {
        let mut file = tempfile::Builder::new().prefix("rows-").suffix(".index").tempfile_in(folder)?;
        segment::write(rows, file.as_file_mut())?;
        let (_, path) = file.keep().map_err(|error| error.error)?;
        let name = path.file_name().and_then(|name| name.to_str()).expect("the name is our own");
        manifest.files.push(name.to_owned());
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, &manifest)?;
    file.persist(manifest_path(folder)).map_err(|error| error.error)?;
    for stray in fs::read_dir(folder)?.filter_map(Result::ok) {
        let name = stray.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with("rows-") && !manifest.files.contains(&name) && !old.contains(&name);
        if is_ours {
            fs::remove_file(stray.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::difference::tests::a_run;
    use crate::domain::entry::{Body, Entry, Identity};
    use crate::domain::id::Nonce;
    use crate::domain::run::Run;

    /// An entry of a run whose ID begins with `id`.
    pub(crate) fn entry(id: &[u8], run: Run) -> Entry {
        let mut whole = [0; 32];
        whole[..id.len()].copy_from_slice(id);
        Entry {
            id: EntryId(whole),
            writer: "0f0e0d0c".parse().expect("the name is right"),
            nonce: Nonce([id[id.len() - 1]; 16]),
            time: run.started,
            by: Identity::default(),
            replaces: Vec::new(),
            answers: None,
            files: None,
            body: Body::Run(Box::new(run)),
        }
    }

    /// An index that holds each of `segments` in memory.
    pub(crate) fn index(segments: &[&[Entry]]) -> Index {
        let segments = segments.iter().map(|entries| {
            let mut rows = Rows::default();
            for entry in *entries {
                rows.push(entry, &[1; 20], &[2; 20]);
            }
            Segment::Recent(rows)
        });
        Index { segments: segments.collect(), object_length: 20 }
    }

    #[test]
    fn an_id_is_as_short_as_it_can_be_and_still_be_found() {
        let entries = [
            entry(&[0xaa, 0xaa, 0xaa, 0xaa, 0x01], a_run()),
            entry(&[0xaa, 0xaa, 0xaa, 0xaa, 0x11], a_run()),
            entry(&[0xaa, 0xaa, 0xaa, 0xaa, 0x12], a_run()),
            entry(&[0x11, 0x11, 0x11, 0x11, 0x22], a_run()),
        ];
        let mut index = index(&[&entries[..2], &entries[2..]]);
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let short = index.short_ids(&ids).expect("rows in memory are read");
        // The last one begins like the nonce of the second.
        assert_eq!(short, ["aaaaaaaa0", "aaaaaaaa11", "aaaaaaaa12", "111111112"]);
        for short in short {
            assert_eq!(index.with_prefix(&short).expect("rows in memory are read").len(), 1);
        }
    }
}
