//! The log: entries to bytes to commits and back, and every view that is folded from them.
#![expect(clippy::disallowed_methods, reason = "an adapter: it keeps the files below `.git/exp`")]

mod append;
mod authorship;
pub mod entry;
mod error;
pub mod fsck;
pub mod index;
mod journal;
pub mod layout;
pub mod message;
pub mod notes;
pub mod purge;
pub mod read;
pub mod running;
pub mod taking;
pub mod visible;
mod wire;
pub mod withdrawn;
pub mod witness;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

pub use self::append::{Appended, Lock, NewFile, Request};
pub use self::error::{IndexError, LogError};
use self::index::rows::is_missing;
use self::index::{Index, RowRef};
use self::layout::Folders;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, ExperimentId, Nonce, Writer, hex};
use crate::domain::run::Status;
use crate::domain::state::{State, Tallies, Tally};
use crate::git::{Oid, Repo};

/// The configuration key that names this clone's writer.
const WRITER_KEY: &str = "exp.writer";

/// The configuration key of the names that this clone's writer had before, one value each.
const FORMER_WRITER_KEY: &str = "exp.formerWriter";

/// How often the journal is asked for objects that a prune took, before an append gives up.
const HEALINGS: u32 = 10;

/// The log of one repository: all writers' entries, and the views of them.
#[derive(Clone, Debug)]
pub struct Log {
    repo: Repo,
    folders: Folders,
}

impl Log {
    /// The log of `repo`.
    pub fn of(repo: &Repo) -> Self {
        Self { repo: repo.clone(), folders: Folders::below(repo.common_dir()) }
    }

    /// The folders of this clone's own state.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The name under which this clone appends, if it ever did.
    pub fn writer(&self) -> Result<Option<Writer>, LogError> {
        Ok(self.repo.config_string(WRITER_KEY).and_then(|name| name.parse().ok()))
    }

    /// The names under which this clone appends and ever did, the present one first.
    pub fn own_writers(&self) -> Result<Vec<Writer>, LogError> {
        let former = self.repo.config_strings(FORMER_WRITER_KEY);
        let former = former.iter().filter_map(|name| name.parse().ok());
        Ok(self.writer()?.into_iter().chain(former).collect())
    }

    /// Keeps the chains of `writer` from what a remote that is mirrored here does not have: fetching from it would move their
    /// refs back, or take them away.
    fn shield(&self, writer: &Writer) -> Result<(), LogError> {
        for key in self.mirroring_keys()? {
            for name in [layout::log_ref, layout::data_ref, layout::code_ref].map(|name_of| name_of(writer)) {
                self.repo.add_config_local(&key, &format!("^{name}"))?;
            }
        }
        Ok(())
    }

    /// The configuration keys of remotes from which fetching writes over the logs of this clone.
    fn mirroring_keys(&self) -> Result<Vec<String>, LogError> {
        let keys = self.repo.remotes()?.into_iter().map(|remote| format!("remote.{remote}.fetch"));
        let is_mirroring =
            |key: &String| self.repo.config_strings(key).iter().any(|refspec| layout::mirrors_logs(refspec));
        Ok(keys.filter(is_mirroring).collect())
    }

    /// The name under which this clone appends, as the configuration has it now.
    fn configured_writer(&self) -> Result<Option<Writer>, LogError> {
        let fresh = Repo::discover(self.repo.common_dir())?;
        Ok(fresh.config_string(WRITER_KEY).and_then(|name| name.parse().ok()))
    }

    /// The name under which this clone appends; `candidate` becomes it if there is none yet.
    pub fn ensure_writer(&self, candidate: &Nonce) -> Result<Writer, LogError> {
        if let Some(writer) = self.writer()? {
            return Ok(writer);
        }
        let _lock = Lock::take(&self.folders)?;
        // Another process may have been first, and this one read the configuration before.
        if let Some(writer) = self.configured_writer()? {
            return Ok(writer);
        }
        let writer: Writer = hex(&candidate.0[..6]).parse().expect("twelve hex digits name a writer");
        self.shield(&writer)?;
        self.repo.set_config_local(WRITER_KEY, writer.as_str())?;
        Ok(writer)
    }

    /// Appends an entry to this clone's log: durable when this returns, the whole entry or nothing.
    ///
    /// The notes view follows; where it cannot be written the entry stands all the same, and `fsck` tells.
    pub fn append(&self, writer: &Writer, request: Request) -> Result<Appended, LogError> {
        // A run is asked before it starts; that it ran is recorded whatever happened meanwhile.
        if !matches!(request.body, Body::Run(_)) {
            for name in request.body.commits() {
                self.refuse_withdrawn_code(append::oid(name))?;
            }
        }
        let lock = Lock::take(&self.folders)?;
        // A pull may have given this clone a new name since this process read the configuration.
        let has_log = self.repo.read_ref(&layout::log_ref(writer))?.is_some();
        let renamed = if has_log { None } else { self.configured_writer()? };
        let writer = renamed.as_ref().unwrap_or(writer);
        let epoch = if has_log { None } else { self.latest_epoch(writer)? };
        let writer = epoch.as_ref().unwrap_or(writer);
        let mut tries = 0;
        let appended = loop {
            match append::append(&self.repo, &self.folders, &lock, writer, request.clone()) {
                // A prune that looked at the refs before they last moved took what the new entry stands on.
                Err(LogError::Git(error)) if error.is_missing() && tries < HEALINGS => {
                    self.heal()?;
                    tries += 1;
                }
                result => break result?,
            }
        };
        if notes::add(&self.repo, &self.folders, &lock, &appended.entry).is_err() && self.heal().is_ok() {
            let _ = notes::add(&self.repo, &self.folders, &lock, &appended.entry);
        }
        let _ = journal::tend(&self.repo, &self.folders.journal());
        Ok(appended)
    }

    /// How far a data or code chain goes that ends at `tip`, without what an append left that died before its log moved.
    pub fn recorded_end(&self, index: &mut Index, tip: Oid) -> Result<Option<Oid>, LogError> {
        append::recorded_end(&self.repo, tip, |id| {
            let rows = index.with_prefix(id)?;
            Ok(!rows.is_empty())
        })
    }

    /// The epoch that this clone's `writer` went on as, where a purge died before the configuration said so.
    fn latest_epoch(&self, writer: &Writer) -> Result<Option<Writer>, LogError> {
        let logs = self.repo.list_refs(layout::LOGS)?;
        let own = logs.iter().filter_map(|(name, _)| name[layout::LOGS.len()..].parse::<Writer>().ok());
        Ok(own.filter(|it| writer.is_followed_by(it)).reduce(|a, b| if a.is_followed_by(&b) { b } else { a }))
    }

    /// Every log that is known here: the writer, and the commit it ends at.
    pub fn tips(&self) -> Result<Vec<(Writer, Oid)>, LogError> {
        let mut tips: Vec<(Writer, Oid)> = Vec::new();
        let mut known = HashSet::new();
        for prefix in [layout::LOGS, layout::SEEN] {
            for (name, tip) in self.repo.list_refs(prefix)? {
                if let Ok(writer) = name[prefix.len()..].parse::<Writer>()
                    && known.insert(writer.clone())
                {
                    tips.push((writer, tip));
                }
            }
        }
        Ok(tips)
    }

    /// The index, brought up to the logs as they now stand.
    pub fn index(&self) -> Result<Index, LogError> {
        let open = || Index::open(&self.repo, &self.folders.index(), &self.tips()?);
        match open() {
            // A `gc` that looked at the refs before an entry was appended may have taken its objects.
            Err(LogError::Git(error)) if error.is_missing() && self.heal()? > 0 => open(),
            result => result,
        }
    }

    /// Writes again what the journal has and the repository lacks; says how many objects there were.
    pub fn heal(&self) -> Result<usize, LogError> {
        journal::heal(&self.repo, &self.folders.journal())
    }

    /// The entries of `rows`, in their order.
    pub fn entries(&self, index: &mut Index, rows: &[RowRef]) -> Result<Vec<Entry>, LogError> {
        let blobs = index.blobs(rows)?;
        // Whoever wrote an entry stands in it; this name is for one too damaged to say.
        let unknown: Writer = "00000000".parse().expect("eight zeros name a writer");
        read::entries(&self.repo, &unknown, &blobs)
    }

    /// The rows of entries of the given kinds, oldest first.
    pub fn rows_of(&self, index: &mut Index, wanted: impl Fn(&str) -> bool) -> Result<Vec<RowRef>, LogError> {
        let mut rows: Vec<(f64, RowRef)> = Vec::new();
        for (number, segment) in index.segments().iter_mut().enumerate() {
            let mut columns =
                || -> Result<_, IndexError> { Ok((segment.texts("kind")?, segment.numbers("time")?)) };
            let (kinds, times) = columns()?;
            let (Some(kinds), Some(times)) = (kinds, times) else { continue };
            let is_wanted: Vec<bool> = kinds.strings.iter().map(|kind| wanted(kind)).collect();
            for (row, id) in kinds.ids.iter().enumerate() {
                if id.checked_sub(1).is_some_and(|kind| is_wanted[kind as usize]) {
                    rows.push((times[row], RowRef { segment: number, row }));
                }
            }
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Topics and experiments as they now stand.
    pub fn state(&self, index: &mut Index) -> Result<State, LogError> {
        Ok(self.state_and_entries(index)?.0)
    }

    /// The same, with the entries it was folded from: all but runs, oldest first.
    pub fn state_and_entries(&self, index: &mut Index) -> Result<(State, Vec<Entry>), LogError> {
        let rows = self.rows_of(index, |kind| kind != "run")?;
        let entries = self.entries(index, &rows)?;
        let tallies = self.tallies(index)?;
        Ok((State::fold(&entries, tallies), entries))
    }

    /// What became of the things with these keys, topics and ideas; other experiments are left out.
    pub fn state_of(&self, index: &mut Index, keys: &BTreeMap<String, f64>) -> Result<State, LogError> {
        let rows = index::words::rows_about(index, keys)?;
        let entries = self.entries(index, &rows)?;
        let mut tallies = self.tallies(index)?;
        let registered: HashSet<Option<EntryId>> =
            entries.iter().map(crate::domain::entry::Entry::registration).collect();
        tallies.retain(|(alias, registration), _| match registration {
            Some(_) => registered.contains(registration),
            None => keys.contains_key(alias),
        });
        Ok(State::fold(&entries, tallies))
    }

    fn tallies(&self, index: &mut Index) -> Result<Tallies, IndexError> {
        let hidden = index::query::hidden(index)?;
        let mut tallies: Tallies = HashMap::new();
        for segment in index.segments() {
            let (Some(kinds), Some(experiments)) = (segment.texts("kind")?, segment.texts("experiment")?)
            else {
                continue;
            };
            let Some(statuses) = segment.texts("status")? else { continue };
            let registrations = segment.texts("registration")?.unwrap_or_default();
            let started = segment.numbers("started")?.unwrap_or_default();
            let wall = segment.numbers("wall_seconds")?.unwrap_or_default();
            let accelerator = segment.numbers("accelerator_seconds")?.unwrap_or_default();
            let warm_ups = segment.texts("warm_up")?.unwrap_or_default();
            let changed = segment.texts("evaluation_changed")?.unwrap_or_default();
            let entries = if hidden.is_empty() { Vec::new() } else { segment.entries()? };
            let status_of: Vec<Option<Status>> =
                statuses.strings.iter().map(|word| Status::from_word(word)).collect();
            // One look-up for each pair of experiment and registration, not for each run.
            let mut places: HashMap<(u32, u32), Tally> = HashMap::new();
            for row in 0..kinds.ids.len() {
                if kinds.get(row) != Some("run")
                    || entries.as_chunks::<32>().0.get(row).is_some_and(|id| hidden.contains(id))
                {
                    continue;
                }
                let status = statuses.ids[row].checked_sub(1).and_then(|id| status_of[id as usize]);
                let experiment = experiments.ids.get(row).copied().unwrap_or_default();
                let registration = registrations.ids.get(row).copied().unwrap_or_default();
                let number = |column: &[f64]| {
                    column.get(row).copied().filter(|value| !is_missing(*value)).unwrap_or_default()
                };
                #[expect(clippy::cast_possible_truncation, reason = "seconds of a clock, in microseconds")]
                let time = Timestamp::from_microsecond((number(&started) * 1e6) as i64).unwrap_or_default();
                if let Some(status) = status {
                    let tally = places.entry((experiment, registration)).or_default();
                    tally.add(status, time, number(&wall), number(&accelerator));
                    tally.warm_ups += u64::from(warm_ups.get(row).is_some());
                    tally.evaluation_changed += u64::from(changed.get(row).is_some());
                }
            }
            for ((experiment, registration), tally) in places {
                let text = |column: &index::segment::TextColumn, id: u32| {
                    id.checked_sub(1).and_then(|place| column.strings.get(place as usize)).cloned()
                };
                let Some(id) = text(&experiments, experiment).and_then(|id| id.parse::<ExperimentId>().ok())
                else {
                    continue;
                };
                let registration =
                    text(&registrations, registration).and_then(|id| id.parse::<EntryId>().ok());
                let known = tallies.entry((id.key(), registration)).or_insert_with(|| (id, Tally::default()));
                merge(&mut known.1, &tally);
            }
        }
        Ok(tallies)
    }

    /// The one entry that `prefix` (of an ID or of a run's nonce) stands for.
    pub fn find(&self, index: &mut Index, prefix: &str) -> Result<(RowRef, Entry), LogError> {
        let rows = index.with_prefix(prefix)?;
        let mut entries = self.entries(index, &rows)?;
        match entries.len() {
            0 => Err(LogError::NotFound(prefix.to_owned())),
            1 => Ok((rows[0], entries.remove(0))),
            _ => Err(LogError::Ambiguous {
                prefix: prefix.to_owned(),
                candidates: entries
                    .iter()
                    .take(5)
                    .map(|entry| {
                        format!(
                            "`{}` ({})",
                            &entry.id.to_hex()[..12.max(prefix.len() + 2).min(64)],
                            entry.kind()
                        )
                    })
                    .collect(),
            }),
        }
    }

    /// Whether an entry with this nonce is in the log.
    pub fn has_nonce(&self, index: &mut Index, nonce: &Nonce) -> Result<bool, LogError> {
        Ok(!index.with_prefix(&nonce.to_hex())?.is_empty())
    }

    /// All entries that can be read, oldest first.
    pub fn all(&self, index: &mut Index) -> Result<Vec<Entry>, LogError> {
        let rows = self.rows_of(index, |_| true)?;
        self.entries(index, &rows)
    }

    /// Renders the notes on every commit anew where they are not what the log says; says how many there were.
    pub fn repair_notes(&self, index: &mut Index) -> Result<usize, LogError> {
        let lock = Lock::take(&self.folders)?;
        notes::forget_torn(&self.repo, &lock)?;
        let rows = self.rows_of(index, |kind| kind == "run" || kind == "withdrawal")?;
        let entries = self.entries(index, &rows)?;
        let wanted = notes::fold(entries.iter());
        let stale = notes::stale(&self.repo, &wanted)?;
        if let (Some(latest), false) = (entries.last(), stale.is_empty()) {
            notes::rewrite(&self.repo, &self.folders, &lock, latest, &wanted, &stale)?;
        }
        Ok(stale.len())
    }
}

fn merge(into: &mut Tally, from: &Tally) {
    for (status, count) in &from.by_status {
        *into.by_status.entry(*status).or_default() += count;
    }
    into.first = into.first.into_iter().chain(from.first).min();
    into.latest = into.latest.into_iter().chain(from.latest).max();
    into.wall_seconds += from.wall_seconds;
    into.accelerator_seconds += from.accelerator_seconds;
    into.warm_ups += from.warm_ups;
    into.evaluation_changed += from.evaluation_changed;
    into.ok_wall_seconds += from.ok_wall_seconds;
}
