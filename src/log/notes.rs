//! The notes view: short lines of results on the commits that ran, so that plain `git log` shows them.
//!
//! A note is a function of the runs on its commit and of nothing else: for each experiment the newest runs, a line each,
//! and a line that counts the rest. So it can be kept up run by run, in any order, or rendered anew, with the same bytes.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::append::{Lock, oid};
use super::error::LogError;
use super::journal::{self, Durability, NewObject};
use super::layout::{Folders, NOTES};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, ObjectName};
use crate::domain::metric::{BUILT_IN, Value};
use crate::domain::number::significant;
use crate::domain::run::{Run, Status};
use crate::domain::withdrawal::{Part, Results};
use crate::git::{Expected, FILE, FOLDER, NewCommit, ObjectKind, Oid, RefEdit, Repo, Signature, TreeEdit};

/// How many runs of one experiment have a line each on one commit.
const LINES: usize = 50;
/// How many metrics a line shows.
const METRICS: usize = 4;

/// The note on one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    experiments: BTreeMap<String, Lines>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lines {
    /// The newest runs; the lines begin with the time and end with the ID, so that they sort as the runs do.
    newest: Vec<String>,
    /// How many older ones there are, by status.
    older: BTreeMap<String, u64>,
}

/// The commit that a run is noted on: what it ran, or what the snapshot it ran was made on.
pub fn commit_of(run: &Run) -> &ObjectName {
    run.code.base.as_ref().unwrap_or(&run.code.commit)
}

impl Note {
    /// Reads a note back; `None` where somebody else wrote in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut note = Self::default();
        for line in text.lines() {
            if let Some((experiment, counts)) = line.split_once(": and ") {
                let lines = note.experiments.entry(experiment.to_owned()).or_default();
                let (_, counts) = counts.split_once(" earlier: ")?;
                for count in counts.split(", ") {
                    let (number, status) = count.split_once(' ')?;
                    Status::from_word(status)?;
                    *lines.older.entry(status.to_owned()).or_default() += number.parse::<u64>().ok()?;
                }
            } else {
                let mut words = line.split(' ');
                let _time = words.next().filter(|time| time.ends_with('Z'))?;
                let experiment = words.next()?;
                Status::from_word(words.next()?)?;
                note.experiments.entry(experiment.to_owned()).or_default().newest.push(line.to_owned());
            }
        }
        Some(note)
    }

    /// Adds a run, at its place by time.
    pub fn add(&mut self, entry: &Entry, run: &Run, counting: Counting) {
        let lines = self.experiments.entry(run.membership.experiment.to_string()).or_default();
        let line = line(entry, run, counting);
        if let Err(place) = lines.newest.binary_search(&line) {
            lines.newest.insert(place, line);
        }
        if lines.newest.len() > LINES {
            let oldest = lines.newest.remove(0);
            let status = oldest.split(' ').nth(2).expect("a line has its status third");
            *lines.older.entry(status.to_owned()).or_default() += 1;
        }
    }

    /// The text of the note.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (experiment, lines) in &self.experiments {
            for line in &lines.newest {
                let _ = writeln!(text, "{line}");
            }
            if !lines.older.is_empty() {
                let total: u64 = lines.older.values().sum();
                let counts: Vec<String> =
                    lines.older.iter().map(|(status, number)| format!("{number} {status}")).collect();
                let _ = writeln!(text, "{experiment}: and {total} earlier: {}", counts.join(", "));
            }
        }
        text
    }

    /// How many runs it counts.
    pub fn runs(&self) -> u64 {
        self.experiments
            .values()
            .map(|lines| lines.newest.len() as u64 + lines.older.values().sum::<u64>())
            .sum()
    }
}

/// Whether the result of a run counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// It does.
    Counts,
    /// It was withdrawn, with every byte kept.
    Withdrawn,
}

/// One line about a run.
fn line(entry: &Entry, run: &Run, counting: Counting) -> String {
    let time = run.started.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    let mut line = format!("{time} {} {}", run.membership.experiment, run.status);
    if counting == Counting::Withdrawn {
        line.push_str(" withdrawn");
    }
    if run.code.base.is_some() {
        line.push_str(" dirty");
    }
    if run.evaluation_changed {
        line.push_str(" evaluation-changed");
    }
    let is_built_in = |name: &str| BUILT_IN.iter().any(|(known, _)| *known == name);
    let mut shown = 0;
    let reported = run.metrics.iter().filter(|(name, _)| !is_built_in(name));
    let timed = run.metrics.iter().filter(|(name, _)| *name == "wall_time");
    for (name, value) in reported.chain(timed) {
        if let Some(text) = short(value)
            && shown < METRICS
            && name.len() <= 40
        {
            let _ = write!(line, " {name}={text}");
            shown += 1;
        }
    }
    if let Some(seed) = run.seed {
        let _ = write!(line, " seed={seed}");
    }
    if run.trials > 1 {
        let _ = write!(line, " trial={}/{}", run.trial, run.trials);
    }
    if let Some(label) = &run.label {
        let label: String =
            label.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(40).collect();
        let _ = write!(line, " label={label}");
    }
    let _ = write!(line, " {}", entry.id.short());
    line
}

fn short(value: &Value) -> Option<String> {
    let number = significant(value.value?, 5);
    Some(match &value.unit {
        Some(unit) if unit.len() <= 12 && !unit.contains(char::is_whitespace) => format!("{number}{unit}"),
        _ => number,
    })
}

/// Takes the run of `entry` into the notes, with the lock held.
pub(super) fn add(repo: &Repo, folders: &Folders, _lock: &Lock, entry: &Entry) -> Result<(), LogError> {
    let Body::Run(run) = &entry.body else { return Ok(()) };
    let commit = oid(commit_of(run));
    change(repo, folders, entry, |tip| {
        let mut note = match note_on(repo, tip, commit)? {
            Some(text) => Note::parse(&text).unwrap_or_default(),
            None => Note::default(),
        };
        note.add(entry, run, Counting::Counts);
        Ok(vec![(commit, Some(note.render()))])
    })
}

/// The text of the note on `commit` in the notes commit `tip`.
pub fn note_on(repo: &Repo, tip: Option<Oid>, commit: Oid) -> Result<Option<String>, LogError> {
    let Some(tip) = tip else { return Ok(None) };
    let root = repo.read_commit(tip)?.tree;
    match find(repo, root, &commit.to_hex(), &mut Vec::new())? {
        Some((blob, _)) => Ok(Some(String::from_utf8_lossy(&repo.read_blob(blob)?).into_owned())),
        None => Ok(None),
    }
}

/// Where a note is, whatever the fan-out of the tree: its blob and its path.
fn find(repo: &Repo, tree: Oid, rest: &str, path: &mut Vec<u8>) -> Result<Option<(Oid, Vec<u8>)>, LogError> {
    let rows = repo.read_tree(tree)?;
    if let Some(row) = rows.iter().find(|row| row.name == rest.as_bytes()) {
        path.extend_from_slice(rest.as_bytes());
        return Ok(Some((row.oid, path.clone())));
    }
    let Some((head, rest)) = rest.split_at_checked(2) else { return Ok(None) };
    match rows.iter().find(|row| row.name == head.as_bytes() && row.mode == 0o040_000) {
        Some(row) => {
            path.extend_from_slice(head.as_bytes());
            path.push(b'/');
            find(repo, row.oid, rest, path)
        }
        None => Ok(None),
    }
}

/// Where a new note goes: two digits, a slash, the rest.
fn place(commit: Oid) -> Vec<u8> {
    let hex = commit.to_hex();
    format!("{}/{}", &hex[..2], &hex[2..]).into_bytes()
}

type Texts = Vec<(Oid, Option<String>)>;

/// Replaces the notes on the commits that `texts` names, from whatever the notes are when the ref is moved.
fn change(
    repo: &Repo,
    folders: &Folders,
    because: &Entry,
    texts: impl Fn(Option<Oid>) -> Result<Texts, LogError>,
) -> Result<(), LogError> {
    for _ in 0..8 {
        let tip = repo.read_ref(NOTES)?;
        let root = match tip {
            Some(tip) => Some(repo.read_commit(tip)?.tree),
            None => None,
        };
        let mut edits: Vec<TreeEdit> = Vec::new();
        let mut objects = Vec::new();
        for (commit, text) in texts(tip)? {
            let known = match root {
                Some(root) => find(repo, root, &commit.to_hex(), &mut Vec::new())?,
                None => None,
            };
            let path = known.map_or_else(|| place(commit), |(_, path)| path);
            let blob = match text {
                Some(text) => {
                    let oid = repo.write_object(ObjectKind::Blob, text.as_bytes())?;
                    objects.push(NewObject { kind: ObjectKind::Blob, oid, bytes: text.into_bytes() });
                    Some((0o100_644, oid))
                }
                None => None,
            };
            edits.push((path, blob));
        }
        let tree = repo.edit_tree(root, &edits)?;
        if Some(tree) == root {
            return Ok(());
        }
        let signature = Signature {
            name: because.by.name.clone().into_bytes(),
            email: because.by.email.clone().into_bytes(),
            seconds: because.time.as_second(),
            offset_minutes: 0,
        };
        for (path, _) in &edits {
            add_trees(repo, tree, path, &mut objects)?;
        }
        let name = because.id.to_hex();
        let commit = commit(repo, folders, &name, tree, tip.into_iter().collect(), signature, objects)?;
        let edit = RefEdit {
            name: NOTES.to_owned(),
            expected: tip.map_or(Expected::Absent, Expected::Is),
            new: Some(commit),
        };
        match repo.update_refs(&[edit], "git exp") {
            Err(error) if error.is_moved() => {}
            result => return Ok(result?),
        }
    }
    Err(LogError::Contended(NOTES.to_owned()))
}

/// Writes a commit of notes, and what it holds into the journal under `name`.
fn commit(
    repo: &Repo,
    folders: &Folders,
    name: &str,
    tree: Oid,
    parents: Vec<Oid>,
    signature: Signature,
    mut objects: Vec<NewObject>,
) -> Result<Oid, LogError> {
    let bytes = repo.encode_commit(&NewCommit {
        tree,
        parents,
        author: signature.clone(),
        committer: signature,
        message: b"results of git exp\n".to_vec(),
    });
    let oid = repo.write_object(ObjectKind::Commit, &bytes)?;
    objects.push(NewObject { kind: ObjectKind::Commit, oid, bytes });
    // Against a prune that looked at the refs before this one moves, and deletes after.
    journal::write(&folders.journal(), &format!("notes-{name}"), &objects, Durability::Unsynced)?;
    Ok(oid)
}

/// The notes of a tree by what they are on, each with its path and its blob; without what is the same in `other`.
type Found = BTreeMap<Vec<u8>, (Vec<u8>, Oid)>;

/// Collects the notes in `tree` that are not in `other` at the same place; `false` where it holds anything else.
fn collect(
    repo: &Repo,
    tree: Oid,
    other: Option<Oid>,
    path: &[u8],
    found: &mut Found,
) -> Result<bool, LogError> {
    let rows_of = |tree: Option<Oid>| tree.map(|tree| repo.read_tree(tree)).transpose();
    let others = rows_of(other)?.unwrap_or_default();
    for row in repo.read_tree(tree)? {
        let same_name = others.iter().find(|it| it.name == row.name);
        if same_name == Some(&row) {
            continue;
        }
        let mut path = path.to_vec();
        path.extend_from_slice(&row.name);
        let on: Vec<u8> = path.iter().copied().filter(|&byte| byte != b'/').collect();
        let is_hex = !row.name.is_empty()
            && row.name.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
        if !is_hex || on.len() > repo.hex_length() {
            return Ok(false);
        }
        if row.mode == FOLDER {
            let other = same_name.filter(|it| it.mode == FOLDER).map(|it| it.oid);
            path.push(b'/');
            if !collect(repo, row.oid, other, &path, found)? {
                return Ok(false);
            }
        } else if row.mode == FILE && on.len() == repo.hex_length() {
            found.insert(on, (path, row.oid));
        } else {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What became of a remote's notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The notes here extend them, or hold the same.
    Whole,
    /// Only what people wrote in them was taken in: their history holds what was withdrawn.
    WithoutHistory,
    /// They are none.
    NoNotes,
}

/// What of a note people wrote: the lines that are none of the view; `None` where there are none.
fn of_people(text: &str) -> Option<String> {
    let is_of_view = |line: &str| !line.is_empty() && Note::parse(line).is_some();
    if !text.lines().any(is_of_view) {
        return (!text.trim().is_empty()).then(|| text.to_owned());
    }
    let lines: Vec<&str> = text.lines().filter(|line| !is_of_view(line)).collect();
    let text = lines.join("\n");
    (!text.trim().is_empty()).then(|| format!("{}\n", text.trim_matches('\n')))
}

/// Keeps of these notes what people wrote, and nothing of the view.
fn keep_of_people(repo: &Repo, found: Found) -> Result<Found, LogError> {
    let mut kept = Found::new();
    for (on, (path, blob)) in found {
        let bytes = repo.read_blob(blob)?;
        if let Some(text) = of_people(&String::from_utf8_lossy(&bytes)) {
            kept.insert(on, (path, repo.write_object(ObjectKind::Blob, text.as_bytes())?));
        }
    }
    Ok(kept)
}

/// Whether the notes that end at `tip` have a line about an entry that is `gone`, or had one since `known`.
///
/// By what they say, and not by their commits: each clone makes commits of its own.
pub(super) fn hold_withdrawn(
    repo: &Repo,
    tip: Oid,
    known: Option<Oid>,
    gone: &HashSet<EntryId>,
) -> Result<bool, LogError> {
    if gone.is_empty() {
        return Ok(false);
    }
    let gone: HashSet<String> = gone.iter().map(EntryId::short).collect();
    let known: Vec<Oid> = known.into_iter().collect();
    for (blob, path) in repo.objects_of(&[tip], &known)? {
        if path.bytes().filter(|&byte| byte != b'/').count() != repo.hex_length() {
            continue;
        }
        let Ok(bytes) = repo.read_blob(blob) else { continue };
        let is_about = |line: &str| {
            line.rsplit_once(' ').is_some_and(|(_, last)| gone.contains(last)) && Note::parse(line).is_some()
        };
        if String::from_utf8_lossy(&bytes).lines().any(is_about) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Begins the notes anew, without their history: with what people wrote, and nothing of the view; with the lock held.
pub(super) fn begin_anew(repo: &Repo, folders: &Folders, _lock: &Lock) -> Result<(), LogError> {
    journal::forget_notes(&folders.journal())?;
    for _ in 0..8 {
        let Some(old) = repo.read_ref(NOTES)? else { return Ok(()) };
        let old_commit = repo.read_commit(old)?;
        let mut found = Found::new();
        collect(repo, old_commit.tree, None, b"", &mut found)?;
        let kept = keep_of_people(repo, found)?;
        let new = if kept.is_empty() {
            None
        } else {
            let (tree, objects) = united(repo, repo.empty_tree(), kept)?;
            Some(commit(repo, folders, &old.to_hex(), tree, Vec::new(), old_commit.committer, objects)?)
        };
        let edit = RefEdit { name: NOTES.to_owned(), expected: Expected::Is(old), new };
        match repo.update_refs(&[edit], "git exp purge") {
            Err(error) if error.is_moved() => {}
            result => return Ok(result?),
        }
    }
    Err(LogError::Contended(NOTES.to_owned()))
}

/// Takes in the notes that end at `theirs`, with the lock held; of notes that hold what is `gone`, only what people wrote.
///
/// Notes that only one side has are kept; of two views of the runs on one commit the fuller stays until it is rendered
/// anew, and what people wrote on both sides is put together.
pub(super) fn take_in(
    repo: &Repo,
    folders: &Folders,
    _lock: &Lock,
    theirs: Oid,
    gone: impl FnOnce() -> Result<HashSet<EntryId>, LogError>,
) -> Result<Joined, LogError> {
    let mut gone = Some(gone);
    let mut joined = None;
    for _ in 0..8 {
        let ours = repo.read_ref(NOTES)?;
        if ours == Some(theirs) {
            return Ok(Joined::Whole);
        }
        let their_commit = repo.read_commit(theirs)?;
        let our_commit = ours.map(|ours| repo.read_commit(ours)).transpose()?;
        let root = our_commit.as_ref().map(|it| it.tree);
        if let Some(ours) = ours
            && repo.is_ancestor(theirs, ours)?
        {
            return Ok(Joined::Whole);
        }
        let mut found = Found::new();
        if !collect(repo, their_commit.tree, root, b"", &mut found)? {
            return Ok(Joined::NoNotes);
        }
        if let Some(gone) = gone.take() {
            let holds = hold_withdrawn(repo, theirs, ours, &gone()?)?;
            joined = Some(if holds { Joined::WithoutHistory } else { Joined::Whole });
        }
        let is_whole = joined == Some(Joined::Whole);
        if is_whole && root == Some(their_commit.tree) {
            return Ok(Joined::Whole);
        }
        if !is_whole {
            found = keep_of_people(repo, found)?;
        }
        let is_behind = match ours {
            Some(ours) => repo.is_ancestor(ours, theirs)?,
            None => true,
        };
        let new = if is_whole && is_behind {
            theirs
        } else {
            let (tree, objects) = united(repo, root.unwrap_or(repo.empty_tree()), found)?;
            if !is_whole && tree == root.unwrap_or(repo.empty_tree()) {
                return Ok(Joined::WithoutHistory);
            }
            let parents = ours.into_iter().chain(is_whole.then_some(theirs)).collect();
            let signature = our_commit.map_or(their_commit.committer.clone(), |it| it.committer);
            let later = signature.seconds.max(their_commit.committer.seconds);
            let signature = Signature { seconds: later, offset_minutes: 0, ..signature };
            commit(repo, folders, &theirs.to_hex(), tree, parents, signature, objects)?
        };
        let expected = ours.map_or(Expected::Absent, Expected::Is);
        let edit = RefEdit { name: NOTES.to_owned(), expected, new: Some(new) };
        match repo.update_refs(&[edit], "git exp pull") {
            Err(error) if error.is_moved() => {}
            result => return Ok(result.map(|()| joined.unwrap_or(Joined::Whole))?),
        }
    }
    Err(LogError::Contended(NOTES.to_owned()))
}

/// The tree of our notes with theirs added, and the objects that are new in it.
fn united(repo: &Repo, root: Oid, found: Found) -> Result<(Oid, Vec<NewObject>), LogError> {
    let mut edits: Vec<TreeEdit> = Vec::new();
    let mut objects = Vec::new();
    for (on, (path, blob)) in found {
        let hex = String::from_utf8_lossy(&on).into_owned();
        let Some((known, known_path)) = find(repo, root, &hex, &mut Vec::new())? else {
            edits.push((path, Some((FILE, blob))));
            continue;
        };
        if known == blob {
            continue;
        }
        let (ours, theirs) = (repo.read_blob(known)?, repo.read_blob(blob)?);
        let text = [&ours, &theirs].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let bytes = match [Note::parse(&text[0]), Note::parse(&text[1])] {
            [Some(ours_view), Some(their_view)] if ours_view.runs() >= their_view.runs() => ours,
            [Some(_), Some(_)] => theirs,
            _ => {
                let more = text[1].lines().filter(|line| !text[0].lines().any(|known| known == *line));
                let mut text = text[0].clone();
                more.for_each(|line| {
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push('\n');
                    }
                    let _ = writeln!(text, "{line}");
                });
                text.into_bytes()
            }
        };
        let oid = repo.write_object(ObjectKind::Blob, &bytes)?;
        objects.push(NewObject { kind: ObjectKind::Blob, oid, bytes });
        edits.push((known_path, Some((FILE, oid))));
    }
    let tree = repo.edit_tree(Some(root), &edits)?;
    for (path, _) in &edits {
        add_trees(repo, tree, path, &mut objects)?;
    }
    Ok((tree, objects))
}

/// Adds the trees on the way from `tree` to the file at `path`.
fn add_trees(repo: &Repo, tree: Oid, path: &[u8], objects: &mut Vec<NewObject>) -> Result<(), LogError> {
    let mut at = tree;
    let mut parts = path.split(|&byte| byte == b'/');
    loop {
        if !objects.iter().any(|object| object.oid == at) {
            let (kind, bytes) = repo.read_object(at)?;
            objects.push(NewObject { kind, oid: at, bytes });
        }
        let Some(part) = parts.next() else { return Ok(()) };
        match repo.read_tree(at)?.into_iter().find(|row| row.name == part && row.mode == FOLDER) {
            Some(row) => at = row.oid,
            None => return Ok(()),
        }
    }
}

/// The notes that `entries` come to, by commit: without runs that are gone, and with those that were only withdrawn marked.
pub fn fold<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> BTreeMap<ObjectName, Note> {
    let (mut gone, mut withdrawn) = (HashSet::new(), HashSet::new());
    for entry in entries.clone() {
        if let Body::Withdrawal(it) = &entry.body {
            let named = it.entries.iter().map(|one| one.entry);
            if it.gone.contains(&Part::Entry) {
                gone.extend(named);
            } else if it.results == Results::Withdrawn {
                withdrawn.extend(named);
            }
        }
    }
    let mut notes: BTreeMap<ObjectName, Note> = BTreeMap::new();
    for entry in entries.filter(|entry| !gone.contains(&entry.id)) {
        if let Body::Run(run) = &entry.body {
            let counting = match withdrawn.contains(&entry.id) {
                true => Counting::Withdrawn,
                false => Counting::Counts,
            };
            notes.entry(commit_of(run).clone()).or_default().add(entry, run, counting);
        }
    }
    notes
}

/// The commits whose note is not what the log says.
pub fn stale(repo: &Repo, wanted: &BTreeMap<ObjectName, Note>) -> Result<Vec<ObjectName>, LogError> {
    let tip = repo.read_ref(NOTES)?;
    let mut stale = Vec::new();
    for (commit, note) in wanted {
        let is_kept = match note_on(repo, tip, oid(commit)) {
            Ok(text) => text.as_deref() == Some(note.render().as_str()),
            // Taken by a prune: as good as not there.
            Err(LogError::Git(error)) if error.is_missing() => false,
            Err(error) => return Err(error),
        };
        if !is_kept {
            stale.push(commit.clone());
        }
    }
    Ok(stale)
}

/// Whether everything that the notes ref holds is there.
fn is_whole(repo: &Repo) -> Result<bool, LogError> {
    fn has(repo: &Repo, tree: Oid) -> bool {
        repo.read_tree(tree).is_ok_and(|rows| {
            rows.iter()
                .all(|row| if row.mode == FOLDER { has(repo, row.oid) } else { repo.has_object(row.oid) })
        })
    }
    let mut at = repo.read_ref(NOTES)?;
    while let Some(commit) = at {
        match repo.read_commit(commit) {
            Ok(commit) if has(repo, commit.tree) => at = commit.parents.first().copied(),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Forgets notes of which something is missing, so that they can be written anew; with the lock held.
pub(super) fn forget_torn(repo: &Repo, _lock: &Lock) -> Result<(), LogError> {
    if !is_whole(repo)? {
        repo.update_refs(
            &[RefEdit { name: NOTES.to_owned(), expected: Expected::Any, new: None }],
            "git exp fsck",
        )?;
    }
    Ok(())
}

/// Writes the notes on `commits` anew, with the lock held; `because` signs the change.
pub(super) fn rewrite(
    repo: &Repo,
    folders: &Folders,
    _lock: &Lock,
    because: &Entry,
    wanted: &BTreeMap<ObjectName, Note>,
    commits: &[ObjectName],
) -> Result<(), LogError> {
    change(repo, folders, because, |_| {
        Ok(commits.iter().map(|commit| (oid(commit), wanted.get(commit).map(Note::render))).collect())
    })
}
