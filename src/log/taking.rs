//! Taking in what was fetched: other writers' logs, data, code and seals, from tracking refs.
//!
//! A tracking ref follows whatever the remote says. What this clone goes by is below `refs/exp/seen/`, and that only ever
//! grows: a log that was rewound, forged, shortened or deleted is told, and what was seen of it stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::append::Lock;
use super::error::{LogError, file_error};
use super::notes::Joined;
use super::{FORMER_WRITER_KEY, Log, WRITER_KEY, append, layout, notes};
use crate::domain::id::{Nonce, Writer, hex};
use crate::git::{Expected, FILE, GitError, Oid, RefEdit, Repo};

/// What was taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The writers whose logs grew here, each with how many entries came.
    pub came: Vec<(Writer, u64)>,
    /// The tags of sealed experiments that came.
    pub seals: Vec<String>,
    /// What was not followed, and why.
    pub problems: Vec<Problem>,
    /// Whether the notes of a remote were taken in, so that those on commits with runs are to be rendered anew.
    pub notes: bool,
    /// The writers whose logs went here, because a later epoch withdrew them.
    pub withdrawn: Vec<Writer>,
    /// This clone's writers whose logs another clone appended to, each with the name that it goes on under.
    pub renamed: Vec<(Writer, Writer)>,
    /// The remotes that have something under the name of this clone's log that it did not write, each with the name.
    pub forged: Vec<(String, Writer)>,
}

/// Something that was fetched and is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The ref, as it was fetched.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Taken {
    /// Whether anything is here now that was not before.
    pub fn has_news(&self) -> bool {
        !self.came.is_empty() || !self.renamed.is_empty() || self.notes
    }
}

/// What is said where a remote had more of the log of this clone.
const SHORTENED: &str = "it was shortened; this clone has all of it, and the next push sends it again";

/// What is said where a remote had the log of this clone.
const GONE: &str = "it is gone from the remote; this clone has all of it, and the next push sends it again unless a copy withdrew it";

/// What is said of a log that `git fetch --depth` brought in part.
const CUT: &str = "only a part of it was fetched; `git exp pull` brings the rest";

/// What is said of a log of which a partial clone has the commits and not the entries.
const LEFT_OUT: &str = "its entries were left out by a partial fetch; `git exp pull` brings them";

/// What is remembered of a tracking ref.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// Where it was when it was last looked at; nothing where it was gone.
    tip: String,
    /// The furthest that was taken in from it.
    accepted: String,
}

/// How two ends of chains stand to each other.
enum Relation {
    /// The first is the second, or extends it; by how many commits.
    Extends(u64),
    /// The second extends the first.
    IsBehind,
    /// Each has what the other has not.
    Diverged,
    /// It cannot be told, because history was fetched in part.
    Cut,
}

impl Log {
    /// Takes in what tracking refs have: of those that moved since the last time, or of all of them `again`.
    ///
    /// `candidate` becomes the name of this clone's writer where another clone appended under it.
    pub fn take_in(&self, candidate: &Nonce, again: bool) -> Result<Taken, LogError> {
        self.bring_back_own()?;
        self.drop_brought_back()?;
        let tracked = self.repo.list_refs(layout::REMOTE)?;
        let path = self.folders.taken();
        if tracked.is_empty() && !path.exists() {
            return Ok(Taken::default());
        }
        let is_same = |noted: &BTreeMap<String, Noted>| {
            let mut here = HashSet::new();
            tracked.iter().all(|(name, tip)| {
                here.insert(name.as_str());
                noted.get(name).is_some_and(|it| it.tip == tip.to_hex())
            }) && noted.iter().all(|(name, it)| it.tip.is_empty() || here.contains(name.as_str()))
        };
        if !again && is_same(&self.noted()) {
            return Ok(Taken::default());
        }
        let lock = Lock::take(&self.folders)?;
        // Another process may have fetched and taken in more while this one waited: what it listed before would seem shortened.
        let tracked = self.repo.list_refs(layout::REMOTE)?;
        let mut noted = self.noted();
        let mut taking = Taking {
            log: self,
            lock: &lock,
            is_partial: self.repo.is_partial()?,
            candidate,
            given: 0,
            moves: BTreeMap::new(),
            notes: Vec::new(),
            taken: Taken::default(),
            places: HashMap::new(),
        };
        let mut here = HashSet::new();
        for (name, tip) in &tracked {
            here.insert(name.as_str());
            let known = noted.entry(name.clone()).or_default();
            if again || known.tip != tip.to_hex() {
                taking.one(name, *tip, known)?;
                known.tip = tip.to_hex();
            }
        }
        for (name, known) in noted.iter_mut().filter(|(name, _)| !here.contains(name.as_str())) {
            let is_news = again || !known.tip.is_empty();
            known.tip.clear();
            if is_news && !known.accepted.is_empty() && kind_of(name).is_some_and(|(kind, _)| kind == "log") {
                let is_own = match kind_of(name).and_then(|(_, last)| last.parse::<Writer>().ok()) {
                    Some(writer) => self.repo.read_ref(&layout::log_ref(&writer))?.is_some(),
                    None => false,
                };
                let said =
                    if is_own { GONE } else { "it is gone from the remote; what was seen of it is kept" };
                taking.problem(name, said);
            }
        }
        taking.finish()?;
        // Only now the withdrawals are known that came along.
        for (name, tip) in std::mem::take(&mut taking.notes) {
            taking.notes(&name, tip, &mut noted)?;
        }
        let taken = taking.taken;
        self.note(&noted)?;
        Ok(taken)
    }

    /// Makes the refs of this clone's own chains again what the last append left them at, where a mirroring `git fetch` moved
    /// them back or took them away.
    fn bring_back_own(&self) -> Result<(), LogError> {
        let Some(writer) = self.writer()? else { return Ok(()) };
        let is_there = append::left_behind(&self.repo, &self.folders, &writer)?.is_empty();
        // Where somebody moved a ref by hand, `fsck` tells.
        if is_there || self.mirroring_keys()?.is_empty() {
            return Ok(());
        }
        let _lock = Lock::take(&self.folders)?;
        if self.configured_writer()?.as_ref() != Some(&writer) {
            // Renamed since this process read the configuration: the log is another's now.
            return Ok(());
        }
        // What was pruned since may be in the journal.
        self.heal()?;
        let edits = append::left_behind(&self.repo, &self.folders, &writer)?;
        self.repo.update_refs(&edits, "git exp")?;
        let names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
        Ok(self.repo.sync_refs(&names)?)
    }

    /// Whether a log goes on below what was fetched of it, as after `git fetch --depth`.
    pub fn is_cut(&self) -> Result<bool, LogError> {
        if !self.repo.is_shallow() {
            return Ok(false);
        }
        let tracked = self.repo.list_refs(layout::REMOTE)?;
        let tracked = tracked.into_iter().filter(|(name, _)| kind_of(name).is_some_and(|it| it.0 == "log"));
        for tip in self.tips()?.into_iter().map(|(_, tip)| tip).chain(tracked.map(|(_, tip)| tip)) {
            // One that is damaged is told when it is taken in.
            if is_cut(&self.repo, tip).unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was found of tracking refs; nothing where that cannot be read.
    fn noted(&self) -> BTreeMap<String, Noted> {
        let bytes = fs::read(self.folders.taken()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Forgets what was noted of tracking refs that are `gone`.
    pub(super) fn forget_tracking(&self, gone: impl Fn(&str) -> bool) -> Result<(), LogError> {
        let mut noted = self.noted();
        let before = noted.len();
        noted.retain(|name, _| !gone(name));
        if noted.len() == before { Ok(()) } else { self.note(&noted) }
    }

    /// The furthest that is known to have been at a tracking ref.
    pub(super) fn accepted(&self, tracking: &str) -> Option<Oid> {
        Oid::from_hex(&self.noted().get(tracking)?.accepted)
    }

    /// Remembers that a remote has these logs: the names of tracking refs, each with what it was pushed.
    ///
    /// So that it is known from then on what must be there.
    pub fn note_pushed(&self, logs: &[(String, Oid)]) -> Result<(), LogError> {
        let _lock = Lock::take(&self.folders)?;
        let mut noted = self.noted();
        for (name, tip) in logs {
            let tip = tip.to_hex();
            noted.insert(name.clone(), Noted { tip: tip.clone(), accepted: tip });
        }
        self.note(&noted)
    }

    fn note(&self, noted: &BTreeMap<String, Noted>) -> Result<(), LogError> {
        let path = self.folders.taken();
        let failed = |error| file_error("write", &path)(error);
        let mut file = tempfile::NamedTempFile::new_in(self.folders.root()).map_err(failed)?;
        // Written at once: there may be many.
        let text = serde_json::to_vec(noted).map_err(|error| failed(error.into()))?;
        file.write_all(&text).map_err(failed)?;
        file.persist(&path).map(drop).map_err(|error| failed(error.error))
    }
}

/// The kind of a tracking ref, and the last part of its name.
pub(super) fn kind_of(name: &str) -> Option<(&str, &str)> {
    let (rest, last) = name.strip_prefix(layout::REMOTE)?.rsplit_once('/')?;
    Some((rest.rsplit_once('/')?.1, last))
}

/// What is being taken in, with the lock held.
struct Taking<'a> {
    log: &'a Log,
    lock: &'a Lock,
    /// Whether objects may have been left out of what was fetched.
    is_partial: bool,
    candidate: &'a Nonce,
    /// How many new names were given.
    given: usize,
    /// The refs of what was seen that are to move, by name: in one go, because there may be many.
    moves: BTreeMap<String, RefEdit>,
    /// The notes of remotes, for which the logs have to be known.
    notes: Vec<(String, Oid)>,
    taken: Taken,
    /// Where each writer stands in what came.
    places: HashMap<Writer, usize>,
}

impl Taking<'_> {
    /// Moves the refs of what was seen, durably.
    fn finish(&self) -> Result<(), LogError> {
        if self.moves.is_empty() {
            return Ok(());
        }
        let edits: Vec<RefEdit> = self.moves.values().cloned().collect();
        self.log.repo.update_refs(&edits, "git exp pull")?;
        let names: Vec<&str> = edits.iter().map(|edit| edit.name.as_str()).collect();
        Ok(self.log.repo.sync_refs(&names)?)
    }

    fn problem(&mut self, name: &str, problem: impl Into<String>) {
        self.taken.problems.push(Problem { what: name.to_owned(), problem: problem.into() });
    }

    /// Takes one tracking ref in; what is wrong with it is a problem of its own, and stops nothing else.
    fn one(&mut self, name: &str, tip: Oid, noted: &mut Noted) -> Result<(), LogError> {
        let Some((kind, last)) = kind_of(name) else { return Ok(()) };
        if kind == "sealed" {
            return self.seal(name, last, tip);
        }
        if kind == "notes" {
            if last == "exp" {
                self.notes.push((name.to_owned(), tip));
            }
            return Ok(());
        }
        let Ok(writer) = last.parse::<Writer>() else {
            self.problem(name, "its name is not one of a writer");
            return Ok(());
        };
        let result = match kind {
            "log" => self.log(name, &writer, tip, noted),
            "data" => self.held(name, &layout::data_ref(&writer), layout::SEEN_DATA, tip, noted),
            "code" => self.held(name, &layout::code_ref(&writer), layout::SEEN_CODE, tip, noted),
            _ => Ok(()),
        };
        match result {
            Err(LogError::Git(error @ (GitError::Missing(_) | GitError::Object { .. }))) => {
                self.problem(name, format!("it cannot be read to its end: {error}"));
                Ok(())
            }
            result => result,
        }
    }

    fn log(&mut self, name: &str, writer: &Writer, tip: Oid, noted: &mut Noted) -> Result<(), LogError> {
        let repo = &self.log.repo;
        let own_name = layout::log_ref(writer);
        if let Some(own) = repo.read_ref(&own_name)? {
            let is_configured = self.log.configured_writer()?.as_ref() == Some(writer);
            let accepted = Oid::from_hex(&noted.accepted).filter(|accepted| repo.has_object(*accepted));
            match relation(repo, own, tip)? {
                Relation::Extends(_) => {
                    match accepted {
                        Some(accepted) if matches!(relation(repo, tip, accepted)?, Relation::IsBehind) => {
                            self.problem(name, SHORTENED);
                        }
                        _ => noted.accepted = tip.to_hex(),
                    }
                    return Ok(());
                }
                // A mirror of a clone, which never appended under this name.
                Relation::IsBehind if !is_configured => {
                    let edit = RefEdit { name: own_name, expected: Expected::Is(own), new: Some(tip) };
                    repo.update_refs(&[edit], "git exp pull")?;
                    noted.accepted = tip.to_hex();
                    return Ok(());
                }
                Relation::Cut => {
                    self.problem(name, CUT);
                    return Ok(());
                }
                _ if self.is_partial && !self.has_entries(writer, tip)? => {
                    self.problem(name, LEFT_OUT);
                    return Ok(());
                }
                Relation::IsBehind | Relation::Diverged => {
                    if let Some(why) = self.log.objection(writer, own, tip, accepted)? {
                        self.problem(name, why);
                        let remote = name[layout::REMOTE.len()..].rsplitn(3, '/').nth(2).unwrap_or_default();
                        self.taken.forged.push((remote.to_owned(), writer.clone()));
                        return Ok(());
                    }
                    self.rename(writer, is_configured)?;
                }
            }
        }
        if self.is_partial && !self.has_entries(writer, tip)? {
            self.problem(name, LEFT_OUT);
            return Ok(());
        }
        if let Some(count) = self.chain(name, &layout::seen_ref(writer), tip, noted)? {
            // The first commit of a log is no entry.
            let count = if count.is_new { count.commits.saturating_sub(1) } else { count.commits };
            self.add(writer, count);
        }
        Ok(())
    }

    /// Whether the entries that a log has beyond what was seen of it are here.
    fn has_entries(&self, writer: &Writer, tip: Oid) -> Result<bool, LogError> {
        let repo = &self.log.repo;
        let seen = repo.read_ref(&layout::seen_ref(writer))?;
        for step in repo.walk_first_parent(tip) {
            let (commit, lite) = step?;
            if Some(commit) == seen {
                break;
            }
            match repo.read_tree(lite.tree) {
                Ok(rows) if rows.iter().all(|row| row.mode != FILE || repo.has_object(row.oid)) => {}
                Err(error) if !error.is_missing() => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Takes in a data or code chain, unless it is this clone's `own`.
    fn held(
        &mut self,
        name: &str,
        own: &str,
        seen: &str,
        tip: Oid,
        noted: &mut Noted,
    ) -> Result<(), LogError> {
        if let Some(own) = self.log.repo.read_ref(own)?
            && matches!(relation(&self.log.repo, own, tip)?, Relation::Extends(_))
        {
            return Ok(());
        }
        let writer = own.rsplit('/').next().unwrap_or_default();
        self.chain(name, &format!("{seen}{writer}"), tip, noted).map(drop)
    }

    fn add(&mut self, writer: &Writer, count: u64) {
        let came = &mut self.taken.came;
        let place = *self.places.entry(writer.clone()).or_insert_with(|| {
            came.push((writer.clone(), 0));
            came.len() - 1
        });
        came[place].1 += count;
    }

    /// Moves the ref of what was seen to `tip` where that extends it; says by how much, if it moved.
    fn chain(
        &mut self,
        name: &str,
        seen: &str,
        tip: Oid,
        noted: &mut Noted,
    ) -> Result<Option<Count>, LogError> {
        let repo = &self.log.repo;
        let old = match self.moves.get(seen) {
            Some(edit) => edit.new,
            None => repo.read_ref(seen)?,
        };
        let count = match old {
            None => {
                let mut commits = 0;
                for step in repo.walk_first_parent(tip) {
                    step?;
                    commits += 1;
                }
                Count { commits, is_new: true }
            }
            Some(old) => match relation(repo, tip, old)? {
                Relation::Extends(commits) => Count { commits, is_new: false },
                Relation::IsBehind => {
                    // Another remote may have more of it. This one had it as well, or not.
                    match Oid::from_hex(&noted.accepted) {
                        Some(accepted) if !matches!(relation(repo, tip, accepted)?, Relation::Extends(_)) => {
                            self.problem(name, "it was shortened; what was seen of it is kept");
                        }
                        Some(_) => {}
                        None => noted.accepted = tip.to_hex(),
                    }
                    return Ok(None);
                }
                Relation::Cut => {
                    self.problem(name, CUT);
                    return Ok(None);
                }
                Relation::Diverged => {
                    self.problem(
                        name,
                        "it was rewound or forged: it does not hold what was seen of it, which is kept",
                    );
                    return Ok(None);
                }
            },
        };
        noted.accepted = tip.to_hex();
        if count.commits == 0 {
            return Ok(None);
        }
        let expected = old.map_or(Expected::Absent, Expected::Is);
        let edit = RefEdit { name: seen.to_owned(), expected, new: Some(tip) };
        // What it was at first stays what is expected.
        self.moves.entry(seen.to_owned()).and_modify(|known| known.new = edit.new).or_insert(edit);
        Ok(Some(count))
    }

    /// Goes on under a new name, because another clone appended under `writer`: this clone was copied, or brought back.
    fn rename(&mut self, writer: &Writer, is_configured: bool) -> Result<(), LogError> {
        let repo = &self.log.repo;
        let mut bytes = self.candidate.0;
        bytes[0] = bytes[0].wrapping_add(u8::try_from(self.given % 256).unwrap_or_default());
        self.given += 1;
        let new: Writer = hex(&bytes[..6]).parse().expect("twelve hex digits name a writer");
        if is_configured {
            // First, so that nothing is appended under the old name once its log is another's.
            repo.add_config_local(FORMER_WRITER_KEY, writer.as_str())?;
            self.log.shield(&new)?;
            repo.set_config_local(WRITER_KEY, new.as_str())?;
        }
        let mut edits = Vec::new();
        for name_of in [layout::log_ref, layout::data_ref, layout::code_ref] {
            if let Some(tip) = repo.read_ref(&name_of(writer))? {
                let name = name_of(&new);
                edits.push(RefEdit { name, expected: Expected::Absent, new: Some(tip) });
                let name = name_of(writer);
                edits.push(RefEdit { name, expected: Expected::Is(tip), new: None });
            }
        }
        repo.update_refs(&edits, "git exp pull")?;
        let made: Vec<&str> =
            edits.iter().filter(|edit| edit.new.is_some()).map(|edit| edit.name.as_str()).collect();
        repo.sync_refs(&made)?;
        self.taken.renamed.push((writer.clone(), new));
        Ok(())
    }

    /// Takes the notes of a remote in. They are a view, so that trouble with them stops nothing.
    fn notes(&mut self, name: &str, tip: Oid, noted: &mut BTreeMap<String, Noted>) -> Result<(), LogError> {
        let repo = &self.log.repo;
        let before = repo.read_ref(layout::NOTES)?;
        let gone = || self.log.gone(&mut self.log.index()?);
        match notes::take_in(repo, &self.log.folders, self.lock, tip, gone) {
            Ok(Joined::Whole) => {}
            Ok(Joined::NoNotes) => self.problem(name, "it holds what are no notes"),
            Ok(Joined::WithoutHistory) => {
                // What was withdrawn is not to be held by a ref here.
                let edit = RefEdit { name: name.to_owned(), expected: Expected::Is(tip), new: None };
                repo.update_refs(&[edit], "git exp pull")?;
                noted.remove(name);
                self.problem(
                    name,
                    "it holds what was withdrawn; only what people wrote there was taken in, and the next push replaces it",
                );
            }
            Err(error) => self.problem(name, format!("it cannot be taken in: {error}")),
        }
        self.taken.notes |= repo.read_ref(layout::NOTES)? != before;
        Ok(())
    }

    fn seal(&mut self, name: &str, tag: &str, tip: Oid) -> Result<(), LogError> {
        let repo = &self.log.repo;
        let local = format!("{}{tag}", layout::SEALS);
        match repo.read_ref(&local)? {
            Some(known) if known == tip => {}
            Some(_) => self.problem(name, "the seal is another one than is here, which is kept"),
            None => {
                let edit = RefEdit { name: local, expected: Expected::Absent, new: Some(tip) };
                repo.update_refs(&[edit], "git exp pull")?;
                self.taken.seals.push(format!("sealed/{tag}"));
            }
        }
        Ok(())
    }
}

/// How many commits a chain grew by.
struct Count {
    commits: u64,
    is_new: bool,
}

/// How `a` stands to `b`, along first parents.
fn relation(repo: &Repo, a: Oid, b: Oid) -> Result<Relation, LogError> {
    if let Some(steps) = steps_to(repo, a, b)? {
        return Ok(Relation::Extends(steps));
    }
    if steps_to(repo, b, a)?.is_some() {
        return Ok(Relation::IsBehind);
    }
    Ok(if is_cut(repo, a)? || is_cut(repo, b)? { Relation::Cut } else { Relation::Diverged })
}

/// Whether a fetch of a certain depth cut the chain that ends at `tip`: what lies below may be here still, but Git prunes it.
fn is_cut(repo: &Repo, tip: Oid) -> Result<bool, LogError> {
    if !repo.is_shallow() {
        return Ok(false);
    }
    let ends = repo.shallow_ends();
    for step in repo.walk_first_parent(tip) {
        let (commit, lite) = step?;
        if lite.parent.is_some() && ends.binary_search(&commit).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many commits lie from `tip` down to `wanted`; `None` where it is not below.
pub(super) fn steps_to(repo: &Repo, tip: Oid, wanted: Oid) -> Result<Option<u64>, LogError> {
    for (steps, step) in (0..).zip(repo.walk_first_parent(tip)) {
        if step?.0 == wanted {
            return Ok(Some(steps));
        }
    }
    Ok(None)
}
