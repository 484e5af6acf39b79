//! Appending an entry: all of it or nothing, and durable before it is reported.
//!
//! Under one lock: the journal is written and synced; then the loose objects; then the code, data and log refs move in one
//! transaction, in this order, each from the value that was read; then those refs are synced and every object is looked
//! for. Whatever dies in between leaves the log as it was, or with the whole entry.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

use super::entry::{Draft, encode};
use super::error::{LogError, file_error};
use super::journal::{self, Durability, NewObject};
use super::layout::{self, Folders};
use super::{message, witness};
use crate::domain::bytes::OsBytes;
use crate::domain::entry::{Body, Entry, FileEntry, FileList, Identity};
use crate::domain::id::{EntryId, Nonce, ObjectName, Writer};
use crate::domain::withdrawal::Part;
use crate::git::{Expected, NewCommit, ObjectKind, Oid, RefEdit, Repo, Signature, TreeEntry};

/// A file that an entry is to have.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Its path, with `/` between folders.
    pub name: OsBytes,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// An entry that was appended.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The entry.
    pub entry: Entry,
    /// The commit that holds it.
    pub commit: Oid,
}

/// What is to be appended, by whom and when.
#[derive(Clone, Debug)]
pub struct Request {
    /// What makes the entry unlike any other.
    pub nonce: Nonce,
    /// The time by the machine's clock.
    pub time: jiff::Timestamp,
    /// The minutes that local time is ahead of UTC, for the commit.
    pub offset_minutes: i32,
    /// Who appends it.
    pub by: Identity,
    /// The entries it takes the place of.
    pub replaces: Vec<EntryId>,
    /// The entry it answers.
    pub answers: Option<EntryId>,
    /// What it says.
    pub body: Body,
    /// The files it has.
    pub files: Vec<NewFile>,
}

/// A lock of this clone; it goes when it is dropped or its process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock under which this clone's log, notes and index change.
    pub fn take(folders: &Folders) -> Result<Self, LogError> {
        Self::at(folders, &folders.lock())
    }

    /// Waits for the lock under which numbers are given out; entries can be appended under it.
    pub fn of_numbers(folders: &Folders) -> Result<Self, LogError> {
        Self::at(folders, &folders.lock_of_numbers())
    }

    /// Waits for the lock under which this repository pushes; entries can be appended under it.
    pub fn of_pushes(folders: &Folders) -> Result<Self, LogError> {
        Self::at(folders, &folders.lock_of_pushes())
    }

    /// Waits for the lock under which this repository fetches; under it, what came can be taken in.
    pub fn of_fetches(folders: &Folders) -> Result<Self, LogError> {
        Self::at(folders, &folders.lock_of_fetches())
    }

    /// Waits for the lock under which this repository posts to GitHub; entries can be appended under it.
    pub fn of_posts(folders: &Folders) -> Result<Self, LogError> {
        Self::at(folders, &folders.lock_of_posts())
    }

    fn at(folders: &Folders, path: &Path) -> Result<Self, LogError> {
        let open = || File::options().create(true).append(true).open(path);
        let file = match open() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(folders.root()).map_err(file_error("create", folders.root()))?;
                open()
            }
            opened => opened,
        }
        .map_err(file_error("open", path))?;
        file.lock().map_err(file_error("lock", path))?;
        Ok(Self { _file: file })
    }
}

/// The ends of a writer's three chains.
struct Chains {
    log: End,
    data: End,
    code: End,
}

/// The end of a chain.
#[derive(Clone, Copy)]
struct End {
    /// What the ref says.
    named: Option<Oid>,
    /// What the next commit stands on: the ref, or what was written last where the ref fell behind that.
    last: Option<Oid>,
}

impl Chains {
    /// Reads the refs, and what the last append under the lock left them at.
    ///
    /// While `git gc` packs refs, one can be read, and even compared, as it was before its last move. Whoever believed that
    /// would leave the entries in between behind.
    fn read(repo: &Repo, folders: &Folders, writer: &Writer) -> Result<Self, LogError> {
        let noted = noted_ends(folders, writer);
        let end = |name: String, noted: Option<Oid>| -> Result<End, LogError> {
            let named = repo.read_ref(&name)?;
            let last = match (named, noted) {
                (Some(named), Some(noted)) if named != noted && repo.has_object(noted) => {
                    // The ref may also be ahead: the process that moved it died before it noted that.
                    let is_behind =
                        repo.walk_first_parent(noted).any(|step| step.is_ok_and(|(oid, _)| oid == named));
                    Some(if is_behind { noted } else { named })
                }
                (None, Some(noted)) if repo.has_object(noted) => Some(noted),
                _ => named,
            };
            Ok(End { named, last })
        };
        Ok(Self {
            log: end(layout::log_ref(writer), noted.first().copied().flatten())?,
            data: end(layout::data_ref(writer), noted.get(1).copied().flatten())?,
            code: end(layout::code_ref(writer), noted.get(2).copied().flatten())?,
        })
    }
}

/// What the last append left the log, the data and the code chain at, as far as it was noted.
fn noted_ends(folders: &Folders, writer: &Writer) -> Vec<Option<Oid>> {
    let text = fs::read_to_string(folders.ends(writer)).unwrap_or_default();
    text.lines().map(Oid::from_hex).collect()
}

/// Notes what an append left the chains at; where that fails, the refs alone have to do.
fn note_ends(folders: &Folders, writer: &Writer, ends: [Option<Oid>; 3]) {
    let lines = ends.map(|end| end.map(Oid::to_hex).unwrap_or_default());
    replace_file(&folders.ends(writer), format!("{}\n", lines.join("\n")).as_bytes());
}

/// Notes that a writer's chains end where their refs are.
pub(super) fn note_ends_as_named(repo: &Repo, folders: &Folders, writer: &Writer) -> Result<(), LogError> {
    let names = [layout::log_ref(writer), layout::data_ref(writer), layout::code_ref(writer)];
    let mut ends = [None; 3];
    for (end, name) in ends.iter_mut().zip(names) {
        *end = repo.read_ref(&name)?;
    }
    note_ends(folders, writer, ends);
    Ok(())
}

/// What makes the refs of a writer's chains what the last append left them at, where they fell behind that.
pub(super) fn left_behind(repo: &Repo, folders: &Folders, writer: &Writer) -> Result<Vec<RefEdit>, LogError> {
    let chains = Chains::read(repo, folders, writer)?;
    let ends = [
        (layout::log_ref(writer), chains.log),
        (layout::data_ref(writer), chains.data),
        (layout::code_ref(writer), chains.code),
    ];
    let behind = ends.into_iter().filter(|(_, end)| end.named != end.last);
    let edit = |(name, end): (String, End)| {
        let expected = end.named.map_or(Expected::Absent, Expected::Is);
        RefEdit { name, expected, new: end.last }
    };
    Ok(behind.map(edit).collect())
}

/// How often an append is tried again from the start when somebody else moved a ref, or deleted an object.
const TRIES: usize = 8;

/// Appends an entry to the log of `writer`, with the lock held.
pub(super) fn append(
    repo: &Repo,
    folders: &Folders,
    _lock: &Lock,
    writer: &Writer,
    request: Request,
) -> Result<Appended, LogError> {
    let mut objects = Vec::new();
    let files = match request.files.is_empty() {
        true => None,
        false => Some(add_files(repo, request.files, &mut objects)?),
    };
    let draft = Draft {
        writer: writer.clone(),
        nonce: request.nonce,
        time: request.time,
        by: request.by,
        replaces: request.replaces,
        answers: request.answers,
        seen: witness::news(repo, folders)?,
        body: request.body,
    };
    let seen = draft.seen.clone();
    let (bytes, entry) = encode(draft, files);
    let content = objects.len();
    for _ in 0..TRIES {
        objects.truncate(content);
        let commit =
            match try_append(repo, folders, writer, &entry, &bytes, request.offset_minutes, &mut objects) {
                Err(LogError::Git(error)) if error.is_moved() => continue,
                result => result?,
            };
        for _ in 0..TRIES {
            if restore(repo, &objects)? == 0 {
                witness::note(folders, &seen);
                return Ok(Appended { entry, commit });
            }
        }
        return Err(LogError::Vanishing);
    }
    Err(LogError::Contended(layout::log_ref(writer)))
}

fn try_append(
    repo: &Repo,
    folders: &Folders,
    writer: &Writer,
    entry: &Entry,
    bytes: &[u8],
    offset_minutes: i32,
    objects: &mut Vec<NewObject>,
) -> Result<Oid, LogError> {
    let chains = Chains::read(repo, folders, writer)?;
    let stamp = Stamp::of(entry, offset_minutes);
    let mut edits = Vec::new();
    let mut edit = |name: String, old: Option<Oid>, new: Oid| {
        let expected = old.map_or(Expected::Absent, Expected::Is);
        edits.push(RefEdit { name, expected, new: Some(new) });
    };

    let lacking = commits_to_keep(repo, folders, writer, chains.code.last, entry)?;
    let mut code = chains.code.last;
    if !lacking.is_empty() {
        let tree = add(repo, objects, ObjectKind::Tree, Vec::new());
        let parents = chains.code.last.into_iter().chain(lacking.iter().copied()).collect();
        let text = format!("keep the code of {} {}\n", entry.kind(), entry.id.short());
        let commit = stamp.commit(repo, objects, tree, parents, chains.code.last, text)?;
        edit(layout::code_ref(writer), chains.code.named, commit);
        code = Some(commit);
    } else if let (Some(last), true) = (code, chains.code.named != code) {
        edit(layout::code_ref(writer), chains.code.named, last);
    }
    let held = chains.data.last.map(|tip| repo.read_commit(tip)).transpose()?.map(|commit| commit.tree);
    let mut data = chains.data.last;
    // What the last commit of the chain holds already need not be held again, as where only the environment was kept.
    if let Some(tree) = entry.files.as_ref().map(|files| oid(&files.tree))
        && held != Some(tree)
    {
        let text = format!("data of {} {}\n\nEntry: {}\n", entry.kind(), entry.id.short(), entry.id);
        let parents = chains.data.last.into_iter().collect();
        let commit = stamp.commit(repo, objects, tree, parents, chains.data.last, text)?;
        edit(layout::data_ref(writer), chains.data.named, commit);
        data = Some(commit);
    } else if let (Some(last), true) = (data, chains.data.named != data) {
        edit(layout::data_ref(writer), chains.data.named, last);
    }
    let begin = match chains.log.last {
        Some(tip) => tip,
        None => {
            let tree = add(repo, objects, ObjectKind::Tree, Vec::new());
            stamp.commit(repo, objects, tree, Vec::new(), None, message::root(writer))?
        }
    };
    let blob = add(repo, objects, ObjectKind::Blob, bytes.to_vec());
    let row = TreeEntry { mode: 0o100_644, name: b"entry.json".to_vec(), oid: blob };
    let tree = repo.encode_tree(vec![row])?;
    let tree = add(repo, objects, ObjectKind::Tree, tree);
    let commit = stamp.commit(repo, objects, tree, vec![begin], chains.log.last, message::of(entry))?;
    edit(layout::log_ref(writer), chains.log.named, commit);

    let journal = journal::write(&folders.journal(), &entry.id.to_hex(), objects, Durability::Synced)?;
    let moved = objects
        .iter()
        .try_for_each(|object| repo.write_object(object.kind, &object.bytes).map(drop))
        .and_then(|()| repo.update_refs(&edits, "git exp"));
    if let Err(error) = moved {
        // Nothing was acknowledged, so nothing needs to be kept.
        let _ = fs::remove_file(journal);
        return Err(error.into());
    }
    let names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
    repo.sync_refs(&names)?;
    note_ends(folders, writer, [Some(commit), data, code]);
    if code != chains.code.last {
        note_kept(folders, writer, &lacking, code);
    }
    Ok(commit)
}

/// Makes the data and code chains of `writer` hold again what the entries of its log need, as far as it is still there.
pub(super) fn restore_chains(repo: &Repo, _lock: &Lock, writer: &Writer, tip: Oid) -> Result<(), LogError> {
    let mut entries = Vec::new();
    super::read::log(repo, writer, tip, None, Vec::push, |part: Vec<_>| entries.extend(part))?;
    let taken = super::purge::taken_parts(&entries);
    let mut objects = Vec::new();
    let mut edits = Vec::new();
    let chain = |name: &str| repo.read_ref(name);

    let name = layout::data_ref(writer);
    let old = chain(&name)?;
    let mut held = HashSet::new();
    for step in old.into_iter().flat_map(|tip| repo.walk_first_parent(tip)) {
        held.insert(step?.1.tree);
    }
    let mut data = old;
    for it in &entries {
        let Some(tree) = it.entry.files.as_ref().and_then(|files| Oid::from_hex(files.tree.as_str())) else {
            continue;
        };
        if !taken.contains(&(it.entry.id, Part::Files)) && repo.has_object(tree) && held.insert(tree) {
            let text =
                format!("data of {} {}\n\nEntry: {}\n", it.entry.kind(), it.entry.id.short(), it.entry.id);
            let stamp = Stamp::of(&it.entry, 0);
            data = Some(stamp.commit(repo, &mut objects, tree, data.into_iter().collect(), None, text)?);
            write_all(repo, &mut objects)?;
        }
    }
    if let (Some(new), true) = (data, data != old) {
        let expected = old.map_or(Expected::Absent, Expected::Is);
        edits.push(RefEdit { name, expected, new: Some(new) });
    }

    let name = layout::code_ref(writer);
    let old = chain(&name)?;
    let mut held = HashSet::new();
    let mut at = old;
    while let Some(commit) = at {
        let parents = repo.read_commit(commit)?.parents;
        held.extend(parents.iter().copied());
        let is_chain = |oid: &Oid| {
            repo.read_commit(*oid).is_ok_and(|commit| commit.message.starts_with(b"keep the code of "))
        };
        at = parents.first().copied().filter(is_chain);
    }
    let mut lacking: Vec<Oid> = Vec::new();
    let with_code = entries.iter().filter(|it| !taken.contains(&(it.entry.id, Part::Code)));
    for commit in with_code.flat_map(|it| it.entry.commits()).filter_map(|name| Oid::from_hex(name.as_str()))
    {
        if repo.has_object(commit) && held.insert(commit) {
            lacking.push(commit);
        }
    }
    if let (Some(last), false) = (entries.last(), lacking.is_empty()) {
        let tree = add(repo, &mut objects, ObjectKind::Tree, Vec::new());
        let parents = old.into_iter().chain(lacking).collect();
        let text = "keep the code of runs again\n".to_owned();
        let new = Stamp::of(&last.entry, 0).commit(repo, &mut objects, tree, parents, None, text)?;
        write_all(repo, &mut objects)?;
        let expected = old.map_or(Expected::Absent, Expected::Is);
        edits.push(RefEdit { name, expected, new: Some(new) });
    }
    if !edits.is_empty() {
        repo.update_refs(&edits, "git exp fsck")?;
        let names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
        repo.sync_refs(&names)?;
    }
    Ok(())
}

/// What the message of a commit of a data or code chain says of the entry that it was made for.
enum MadeFor {
    /// The entry whose ID begins so.
    Entry(String),
    /// Several.
    Several,
    /// It is no commit of such a chain.
    Nothing,
}

fn made_for(message: &[u8]) -> MadeFor {
    let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let words = line.strip_prefix("data of ").or_else(|| line.strip_prefix("keep the code of "));
    match words.map(|words| words.rsplit(' ').next().unwrap_or_default()) {
        Some(id) if id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            MadeFor::Entry(id.to_owned())
        }
        Some(_) => MadeFor::Several,
        None => MadeFor::Nothing,
    }
}

/// The last commit of the data or code chain that ends at `tip` which was made for an entry that is in a log; `None` without one.
///
/// Beyond it is what an append left that died before its log moved. Where a copy of this clone goes on under the same name, that
/// would shut out what the copy has.
pub(super) fn recorded_end(
    repo: &Repo,
    tip: Oid,
    mut is_recorded: impl FnMut(&str) -> Result<bool, LogError>,
) -> Result<Option<Oid>, LogError> {
    let mut at = tip;
    loop {
        let commit = repo.read_commit(at)?;
        match made_for(&commit.message) {
            MadeFor::Entry(id) if !is_recorded(&id)? => {}
            // A chain of another form is left alone; below the first commit of one there is the code itself.
            MadeFor::Nothing if at != tip => return Ok(None),
            _ => return Ok(Some(at)),
        }
        match commit.parents.first() {
            Some(parent) => at = *parent,
            None => return Ok(None),
        }
    }
}

fn write_all(repo: &Repo, objects: &mut Vec<NewObject>) -> Result<(), LogError> {
    for object in objects.drain(..) {
        repo.write_object(object.kind, &object.bytes)?;
    }
    Ok(())
}

/// Writes again what is missing of `objects`; says how many there were.
fn restore(repo: &Repo, objects: &[NewObject]) -> Result<usize, LogError> {
    let mut missing = 0;
    for object in objects {
        if !repo.has_object(object.oid) {
            repo.write_object(object.kind, &object.bytes)?;
            missing += 1;
        }
    }
    Ok(missing)
}

fn add(repo: &Repo, objects: &mut Vec<NewObject>, kind: ObjectKind, bytes: Vec<u8>) -> Oid {
    let oid = repo.hash_object(kind, &bytes);
    if !objects.iter().any(|object| object.oid == oid) {
        objects.push(NewObject { kind, oid, bytes });
    }
    oid
}

/// Adds the blobs and trees of `files`; gives the list that the entry holds.
fn add_files(repo: &Repo, files: Vec<NewFile>, objects: &mut Vec<NewObject>) -> Result<FileList, LogError> {
    let mut list = Vec::new();
    let mut placed = Vec::new();
    for file in files {
        list.push(FileEntry {
            name: file.name.clone(),
            bytes: file.bytes.len() as u64,
            blake3: blake3::hash(&file.bytes).to_hex().to_string(),
        });
        placed.push((file.name.0, add(repo, objects, ObjectKind::Blob, file.bytes)));
    }
    let tree = add_tree(repo, objects, placed)?;
    list.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(FileList { tree: name(tree), files: list })
}

/// Adds the tree of blobs with the given paths, and the trees below it.
fn add_tree(repo: &Repo, objects: &mut Vec<NewObject>, placed: Vec<(Vec<u8>, Oid)>) -> Result<Oid, LogError> {
    let mut rows = Vec::new();
    let mut folders: std::collections::BTreeMap<Vec<u8>, Vec<(Vec<u8>, Oid)>> =
        std::collections::BTreeMap::new();
    for (path, oid) in placed {
        match path.iter().position(|&byte| byte == b'/') {
            Some(slash) => {
                folders.entry(path[..slash].to_vec()).or_default().push((path[slash + 1..].to_vec(), oid));
            }
            None => rows.push(TreeEntry { mode: 0o100_644, name: path, oid }),
        }
    }
    for (folder, placed) in folders {
        let oid = add_tree(repo, objects, placed)?;
        rows.push(TreeEntry { mode: 0o040_000, name: folder, oid });
    }
    let bytes = repo.encode_tree(rows)?;
    Ok(add(repo, objects, ObjectKind::Tree, bytes))
}

/// Who and when, for the commits of one entry.
pub(super) struct Stamp<'a> {
    by: &'a Identity,
    seconds: i64,
    offset_minutes: i32,
}

impl<'a> Stamp<'a> {
    pub(super) fn of(entry: &'a Entry, offset_minutes: i32) -> Self {
        Self { by: &entry.by, seconds: entry.time.as_second(), offset_minutes }
    }

    /// Adds a commit whose committer date is never before that of `previous`, so that walks by date stay in order.
    fn commit(
        &self,
        repo: &Repo,
        objects: &mut Vec<NewObject>,
        tree: Oid,
        parents: Vec<Oid>,
        previous: Option<Oid>,
        message: String,
    ) -> Result<Oid, LogError> {
        let before = match previous {
            Some(previous) => repo.read_commit(previous)?.committer.seconds,
            None => i64::MIN,
        };
        Ok(self.commit_after(repo, objects, tree, parents, before, message))
    }

    /// Adds a commit whose committer date is not before `before`, in seconds since 1970.
    pub(super) fn commit_after(
        &self,
        repo: &Repo,
        objects: &mut Vec<NewObject>,
        tree: Oid,
        parents: Vec<Oid>,
        before: i64,
        message: String,
    ) -> Oid {
        let signature = |seconds| Signature {
            name: self.by.name.clone().into_bytes(),
            email: self.by.email.clone().into_bytes(),
            seconds,
            offset_minutes: self.offset_minutes,
        };
        let commit = NewCommit {
            tree,
            parents,
            author: signature(self.seconds),
            committer: signature(self.seconds.max(before)),
            message: message.into_bytes(),
        };
        let bytes = repo.encode_commit(&commit);
        add(repo, objects, ObjectKind::Commit, bytes)
    }
}

/// The commits of `entry` that the code chain at `tip` does not hold yet.
fn commits_to_keep(
    repo: &Repo,
    folders: &Folders,
    writer: &Writer,
    tip: Option<Oid>,
    entry: &Entry,
) -> Result<Vec<Oid>, LogError> {
    let mut wanted: Vec<Oid> = entry.commits().into_iter().map(oid).collect();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let kept = kept_commits(repo, folders, writer, tip)?;
    wanted.retain(|commit| !kept.contains(&commit.to_hex()));
    Ok(wanted)
}

/// The commits that the code chain at `tip` holds, from a list beside it or from the chain itself.
fn kept_commits(
    repo: &Repo,
    folders: &Folders,
    writer: &Writer,
    tip: Option<Oid>,
) -> Result<HashSet<String>, LogError> {
    let Some(tip) = tip else { return Ok(HashSet::new()) };
    let path = folders.kept_code(writer);
    if let Ok(text) = fs::read_to_string(&path)
        && text.lines().next_back() == Some(&format!("tip {tip}"))
    {
        return Ok(text.lines().filter(|line| !line.starts_with("tip ")).map(ToOwned::to_owned).collect());
    }
    let mut kept = HashSet::new();
    let mut at = Some(tip);
    while let Some(commit) = at {
        let mut parents = repo.read_commit(commit)?.parents.into_iter();
        // The first commit of the chain has code for all its parents.
        let first = parents.next();
        let earlier = match first {
            Some(first) if repo.read_commit(first)?.message.starts_with(b"keep the code of ") => Some(first),
            _ => None,
        };
        if earlier.is_none() {
            kept.extend(first.map(Oid::to_hex));
        }
        kept.extend(parents.map(Oid::to_hex));
        at = earlier;
    }
    let mut text: String = kept.iter().map(|commit| format!("{commit}\n")).collect();
    text.push_str(&format!("tip {tip}\n"));
    replace_file(&path, text.as_bytes());
    Ok(kept)
}

/// Adds to the list beside the code chain what it holds now; the list is only a cache, so a failure costs time alone.
fn note_kept(folders: &Folders, writer: &Writer, commits: &[Oid], tip: Option<Oid>) {
    use std::io::Write as _;
    let Some(tip) = tip else { return };
    let path = folders.kept_code(writer);
    let mut text: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
    text.push_str(&format!("tip {tip}\n"));
    let appended =
        File::options().append(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    if appended.is_err() {
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::remove_file(&path);
    }
}

pub(super) fn replace_file(path: &Path, bytes: &[u8]) {
    let _ = path.parent().map(fs::create_dir_all);
    let temporary = path.with_extension("new");
    if fs::write(&temporary, bytes).is_ok() {
        let _ = fs::rename(&temporary, path);
    }
}

/// Git's name for what the domain names in hex.
pub(super) fn oid(name: &ObjectName) -> Oid {
    Oid::from_hex(name.as_str()).expect("an object's name is hex of the right length")
}

/// The domain's name for one of Git's objects.
pub(super) fn name(oid: Oid) -> ObjectName {
    oid.to_hex().parse().expect("Git names objects in hex")
}
