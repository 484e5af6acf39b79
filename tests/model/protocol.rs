//! How clones write, push and pull, as a machine of small steps: what `log::append`, `log::taking` and `commands::push` do to refs,
//! objects and the files below `.git/exp`, with everything that may happen in between.
//!
//! A chain is the list of its entries, so that equal lists are equal commits. Data and code chains move alike and are one here.

use std::collections::{BTreeMap, BTreeSet};

pub type Entry = u8;
pub type Writer = u8;
pub type Chain = Vec<Entry>;
pub type Refs = BTreeMap<Writer, Chain>;

/// An entry that nobody appended.
pub const FORGED: Entry = 200;
/// The first name that is given to a writer whose log another clone appended to.
const NEW_NAMES: Writer = 100;
/// More steps than any command takes.
const ENDLESS: usize = 200;

/// Whether `chain` holds all of `other`, at its beginning.
pub fn extends(chain: &Chain, other: &Chain) -> bool {
    chain.starts_with(other)
}

/// A part of the protocol that is left out, to see that the model would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    None,
    /// Appends do not wait for the lock.
    AppendsWithoutLock,
    /// Appends go by the refs alone, and not by what the last append noted.
    AppendsWithoutEnds,
    /// Objects are in no journal.
    AppendsWithoutJournal,
    /// The log moves before the data that its newest entry needs.
    LogMovesFirst,
    /// What was seen follows the remote.
    SeenIsForced,
    /// A clone whose log diverged takes the other one, and does not go on under a new name.
    DivergedIsReset,
    /// A clone whose log diverged only says so.
    DivergedIsTold,
    /// Tracking refs are listed before the lock is there.
    ListsBeforeLock,
    /// Data is pushed with the logs, whether these are accepted or not.
    DataIsPushedFirst,
    /// Data is pushed that no log names, as an append leaves it that died.
    UnrecordedDataIsPushed,
    /// A push notes what the remote has while a fetch asks it.
    TracksWhileFetching,
    /// A clone goes on under a new name also where nobody of its writer took the place of its log.
    ForgedIsGivenWayTo,
}

/// What a clone keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Repository {
    pub writer: Writer,
    pub log: Refs,
    pub data: Refs,
    pub seen: Refs,
    pub tracking: Refs,
    /// `taken.json`: of each tracking ref, where it was, and the furthest that was taken in from it.
    pub noted: BTreeMap<Writer, Noted>,
    /// `ends/<writer>`: what the last append left log and data at.
    ends: BTreeMap<Writer, (Chain, Chain)>,
    /// Entries appended here whose objects are there.
    objects: BTreeSet<Entry>,
    /// Those of them that a power cut takes.
    unsynced: BTreeSet<Entry>,
    journal: BTreeSet<Entry>,
    /// What a prune that is at work found unreachable.
    doomed: Option<BTreeSet<Entry>>,
    /// The refs as they were when a `git gc` began that is packing them.
    packing: Option<(Refs, Refs)>,
    pub jobs: [Option<Job>; 2],
    lock: Option<usize>,
    push_lock: Option<usize>,
    /// Entries whose append was reported as done.
    pub acknowledged: BTreeSet<Entry>,
    /// Entries that were appended or taken in here; one whose process died before it said so may come or not.
    pub shown: BTreeSet<Entry>,
    /// Whether something was said to be wrong with a log.
    pub is_alarmed: bool,
    /// The index: the tips that it reaches, and the entries that it has.
    pub index: Index,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Noted {
    tip: Chain,
    accepted: Chain,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Index {
    tips: Refs,
    pub entries: BTreeSet<Entry>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    Append { entry: Entry, writer: Writer, at: Append },
    Push { at: Push },
    Pull { at: Pull },
}

/// How far an append is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Append {
    Begun,
    Locked,
    Read([End; 2]),
    Journalled([End; 2]),
    Written([End; 2]),
    HalfMoved([End; 2]),
    Moved([Chain; 2]),
}

/// The end of a chain: what the ref says, and what the next commit stands on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct End {
    named: Option<Chain>,
    last: Chain,
}

impl End {
    fn with(&self, entry: Entry) -> Chain {
        self.last.iter().copied().chain([entry]).collect()
    }
}

/// Whether a ref is one of a log, or of the data that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Log,
    Data,
}

/// How far a push is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Push {
    Begun,
    Sending { pending: Vec<(Kind, Writer, Chain)>, sent: Vec<(Writer, Chain)>, refused: BTreeSet<Writer> },
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pull {
    Begun,
    /// The remote has answered, and no tracking ref has moved.
    Asked(Refs),
    Fetched,
    Listed(Refs),
    Taking(Box<Taking>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taking {
    listed: Vec<(Writer, Chain)>,
    here: BTreeSet<Writer>,
    noted: BTreeMap<Writer, Noted>,
    moves: Refs,
    /// A log that goes on under another name: from, to, and whether its refs are there under the new one.
    renaming: Option<(Writer, Writer, bool)>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub repositories: Vec<Repository>,
    pub remote_log: Refs,
    pub remote_data: Refs,
    /// Entries that were made, and names that were given.
    pub made: u8,
    pub named: u8,
    /// What may still happen.
    pub crashes: u8,
    pub collections: u8,
    pub rewinds: u8,
    /// Whether what a clone had seen of a log ever became less.
    pub is_shrunk: bool,
}

impl Repository {
    pub fn of(writer: Writer) -> Self {
        Self { writer, ..Self::default() }
    }

    /// A clone whose log has these entries already.
    pub fn with(writer: Writer, chain: Chain) -> Self {
        let entries: BTreeSet<Entry> = chain.iter().copied().collect();
        let refs = Refs::from([(writer, chain.clone())]);
        Self {
            writer,
            log: refs.clone(),
            data: refs,
            ends: BTreeMap::from([(writer, (chain.clone(), chain))]),
            objects: entries.clone(),
            acknowledged: entries.clone(),
            shown: entries,
            ..Self::default()
        }
    }

    /// The logs that are known here, as `Log::tips` has them.
    pub fn tips(&self) -> Refs {
        let mut tips = self.seen.clone();
        tips.extend(self.log.clone());
        tips
    }

    /// As much of a data chain as logs name.
    pub fn recorded(&self, data: &Chain) -> Chain {
        let entries = self.entries();
        let beyond = data.iter().rev().take_while(|entry| !entries.contains(entry)).count();
        data[..data.len() - beyond].to_vec()
    }

    /// The entries that a list shows.
    pub fn entries(&self) -> BTreeSet<Entry> {
        self.tips().values().flatten().copied().collect()
    }

    /// Whether the entry can be read here: its objects are there, or the journal brings them back.
    pub fn can_read(&self, entry: Entry) -> bool {
        self.objects.contains(&entry) || self.journal.contains(&entry)
    }

    pub fn is_idle(&self) -> bool {
        self.jobs.iter().all(Option::is_none)
    }

    /// Whether a `git gc` is at work.
    pub fn is_packing(&self) -> bool {
        self.packing.is_some()
    }

    fn read(&self, kind: Kind, writer: Writer, is_stale: bool) -> Option<Chain> {
        let refs = match (&self.packing, kind) {
            (Some((log, _)), Kind::Log) if is_stale => log,
            (Some((_, data)), Kind::Data) if is_stale => data,
            (_, Kind::Log) => &self.log,
            (_, Kind::Data) => &self.data,
        };
        refs.get(&writer).cloned()
    }

    fn end(&self, kind: Kind, writer: Writer, is_stale: bool, mutation: Mutation) -> End {
        let named = self.read(kind, writer, is_stale);
        let noted = self.ends.get(&writer).map(|(log, data)| if kind == Kind::Log { log } else { data });
        let noted = noted.filter(|_| mutation != Mutation::AppendsWithoutEnds);
        let last = match (&named, noted) {
            (Some(named), Some(noted)) if extends(noted, named) => noted.clone(),
            (None, Some(noted)) => noted.clone(),
            (named, _) => named.clone().unwrap_or_default(),
        };
        End { named, last }
    }

    /// The index brought up to the logs, as `Index::open` does it.
    pub fn opened(&self) -> Index {
        let tips = self.tips();
        let can_go_on = self
            .index
            .tips
            .iter()
            .all(|(writer, reached)| tips.get(writer).is_some_and(|tip| extends(tip, reached)));
        let mut index = if can_go_on { self.index.clone() } else { Index::default() };
        for (writer, tip) in &tips {
            let reached = index.tips.get(writer).map_or(0, Vec::len);
            index.entries.extend(&tip[reached..]);
        }
        index.tips = tips;
        index
    }
}

impl Job {
    /// Whether it has asked the remote, and has yet to move tracking refs.
    fn is_fetching(&self) -> bool {
        matches!(self, Self::Pull { at: Pull::Asked(_) })
    }
}

impl State {
    /// Begins an append; the name to append under is read from the configuration now.
    pub fn begin_append(&mut self, place: usize, slot: usize) {
        let repository = &mut self.repositories[place];
        let job = Job::Append { entry: self.made, writer: repository.writer, at: Append::Begun };
        repository.jobs[slot] = Some(job);
        self.made += 1;
    }

    /// Ends a process at whatever it is at; the operating system takes its locks back.
    pub fn kill(&mut self, place: usize, slot: usize) {
        let repository = &mut self.repositories[place];
        repository.jobs[slot] = None;
        for lock in [&mut repository.lock, &mut repository.push_lock] {
            *lock = lock.filter(|holder| *holder != slot);
        }
    }

    /// Ends all processes of a clone, and takes what was not synced.
    pub fn cut_power(&mut self, place: usize) {
        self.kill(place, 0);
        self.kill(place, 1);
        let repository = &mut self.repositories[place];
        let unsynced = std::mem::take(&mut repository.unsynced);
        repository.objects.retain(|entry| !unsynced.contains(entry));
        (repository.doomed, repository.packing) = (None, None);
    }

    /// `git gc --prune=now` looks at the refs, and begins to pack them.
    pub fn begin_collection(&mut self, place: usize) {
        let repository = &mut self.repositories[place];
        let kept: BTreeSet<Entry> = repository.log.values().flatten().copied().collect();
        repository.doomed = Some(repository.objects.difference(&kept).copied().collect());
        repository.packing = Some((repository.log.clone(), repository.data.clone()));
    }

    /// It deletes what it found unreachable then, also where a ref reaches it by now.
    pub fn end_collection(&mut self, place: usize) {
        let repository = &mut self.repositories[place];
        let doomed = repository.doomed.take().unwrap_or_default();
        repository.objects.retain(|entry| !doomed.contains(entry));
        repository.packing = None;
    }

    /// The journal forgets what has settled: synced, with no prune at work that began before.
    pub fn tend(&mut self, place: usize) {
        let repository = &mut self.repositories[place];
        repository.objects.extend(&repository.journal);
        repository.journal.clear();
        repository.unsynced.clear();
    }

    /// Whether the process can go on, or waits for another one.
    pub fn can_step(&self, place: usize, slot: usize, mutation: Mutation) -> bool {
        let repository = &self.repositories[place];
        let others = || {
            repository
                .jobs
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != slot)
                .filter_map(|(_, job)| job.as_ref())
        };
        match &repository.jobs[slot] {
            None => false,
            Some(Job::Append { at: Append::Begun, .. } | Job::Pull { at: Pull::Listed(_) }) => {
                repository.lock.is_none()
            }
            // Git locks the refs of a transaction until all of them have moved.
            Some(Job::Append { at: Append::Written(_), .. }) => {
                others().all(|job| !matches!(job, Job::Append { at: Append::HalfMoved(_), .. }))
            }
            Some(Job::Push { at: Push::Begun }) => repository.push_lock.is_none(),
            Some(Job::Push { at: Push::Sending { pending, .. } }) if pending.is_empty() => {
                repository.lock.is_none()
                    && (mutation == Mutation::TracksWhileFetching || others().all(|job| !job.is_fetching()))
            }
            Some(Job::Pull { at: Pull::Begun }) => others().all(|job| !job.is_fetching()),
            Some(_) => true,
        }
    }

    /// The steps of a process up to the next that another clone, or whoever comes after it, could notice.
    pub fn stride(&mut self, place: usize, slot: usize, mutation: Mutation) {
        loop {
            self.step(place, slot, false, mutation);
            let is_unnoticed = match &self.repositories[place].jobs[slot] {
                Some(Job::Append { at, .. }) => {
                    matches!(at, Append::Locked | Append::Read(_) | Append::Journalled(_))
                }
                Some(Job::Pull { at: Pull::Asked(_) | Pull::Listed(_) }) => true,
                Some(Job::Pull { at: Pull::Taking(taking) }) => {
                    taking.renaming.is_none() && !taking.listed.is_empty()
                }
                _ => false,
            };
            if !is_unnoticed {
                return;
            }
        }
    }

    /// One step of a process; `is_stale` where it reads refs as they were before a `git gc` began to pack them.
    pub fn step(&mut self, place: usize, slot: usize, is_stale: bool, mutation: Mutation) {
        let seen = self.repositories[place].seen.clone();
        match self.repositories[place].jobs[slot].take() {
            None => {}
            Some(Job::Append { entry, writer, at }) => {
                self.append(place, slot, (entry, writer, at), is_stale, mutation);
            }
            Some(Job::Push { at }) => self.push(place, slot, at, mutation),
            Some(Job::Pull { at }) => self.pull(place, slot, at, mutation),
        }
        let repository = &mut self.repositories[place];
        let grew = |(writer, old): (&Writer, &Chain)| {
            repository.seen.get(writer).is_some_and(|new| extends(new, old))
        };
        self.is_shrunk |= !seen.iter().all(grew);
    }

    fn append(
        &mut self,
        place: usize,
        slot: usize,
        (entry, mut writer, at): (Entry, Writer, Append),
        is_stale: bool,
        mutation: Mutation,
    ) {
        let repository = &mut self.repositories[place];
        let next = match at {
            Append::Begun => {
                if mutation != Mutation::AppendsWithoutLock {
                    repository.lock = Some(slot);
                }
                // A pull may have given this clone a new name since the process read the configuration.
                if !repository.log.contains_key(&writer) {
                    writer = repository.writer;
                }
                Append::Locked
            }
            Append::Locked => Append::Read(
                [Kind::Log, Kind::Data].map(|kind| repository.end(kind, writer, is_stale, mutation)),
            ),
            Append::Read(ends) => {
                if mutation != Mutation::AppendsWithoutJournal {
                    repository.journal.insert(entry);
                }
                Append::Journalled(ends)
            }
            Append::Journalled(ends) => {
                repository.objects.insert(entry);
                repository.unsynced.insert(entry);
                Append::Written(ends)
            }
            Append::Written(ends) => {
                let is_same = [Kind::Log, Kind::Data]
                    .into_iter()
                    .zip(&ends)
                    .all(|(kind, end)| repository.read(kind, writer, is_stale) == end.named);
                if is_same {
                    let (refs, end) = match mutation {
                        Mutation::LogMovesFirst => (&mut repository.log, &ends[0]),
                        _ => (&mut repository.data, &ends[1]),
                    };
                    refs.insert(writer, end.with(entry));
                    Append::HalfMoved(ends)
                } else {
                    repository.journal.remove(&entry);
                    Append::Locked
                }
            }
            Append::HalfMoved(ends) => {
                let chains = ends.map(|end| end.with(entry));
                repository.log.insert(writer, chains[0].clone());
                repository.data.insert(writer, chains[1].clone());
                Append::Moved(chains)
            }
            Append::Moved([log, data]) => {
                repository.ends.insert(writer, (log, data));
                // Every object is looked for again.
                repository.objects.insert(entry);
                repository.acknowledged.insert(entry);
                repository.shown.insert(entry);
                return self.kill(place, slot);
            }
        };
        repository.jobs[slot] = Some(Job::Append { entry, writer, at: next });
    }

    fn push(&mut self, place: usize, slot: usize, at: Push, mutation: Mutation) {
        let repository = &mut self.repositories[place];
        let next = match at {
            Push::Begun => {
                repository.push_lock = Some(slot);
                let lacking = |kind, own: &Refs, there: &Refs| -> Vec<(Kind, Writer, Chain)> {
                    let lacks = own.iter().filter(|(writer, tip)| there.get(writer) != Some(tip));
                    lacks.map(|(writer, tip)| (kind, *writer, tip.clone())).collect()
                };
                let logs = lacking(Kind::Log, &repository.log, &self.remote_log);
                let recorded = |(writer, tip): (&Writer, &Chain)| (*writer, repository.recorded(tip));
                let data = match mutation {
                    Mutation::UnrecordedDataIsPushed => repository.data.clone(),
                    _ => repository.data.iter().map(recorded).filter(|(_, tip)| !tip.is_empty()).collect(),
                };
                let data = lacking(Kind::Data, &data, &self.remote_data);
                let pending = match mutation {
                    Mutation::DataIsPushedFirst => [data, logs].concat(),
                    _ => [logs, data].concat(),
                };
                Push::Sending { pending, sent: Vec::new(), refused: BTreeSet::new() }
            }
            Push::Sending { mut pending, mut sent, mut refused } => {
                if pending.is_empty() {
                    for (writer, tip) in sent {
                        let noted = Noted { tip: tip.clone(), accepted: tip.clone() };
                        repository.noted.insert(writer, noted);
                        repository.tracking.insert(writer, tip);
                    }
                    return self.kill(place, slot);
                }
                let (kind, writer, tip) = pending.remove(0);
                let there = match kind {
                    Kind::Log => &mut self.remote_log,
                    Kind::Data => &mut self.remote_data,
                };
                if there.get(&writer).is_some_and(|there| !extends(&tip, there)) {
                    refused.insert(writer);
                    if mutation != Mutation::DataIsPushedFirst {
                        pending.retain(|(_, other, _)| *other != writer);
                    }
                } else {
                    there.insert(writer, tip.clone());
                    if kind == Kind::Log {
                        sent.push((writer, tip));
                    }
                }
                Push::Sending { pending, sent, refused }
            }
        };
        repository.jobs[slot] = Some(Job::Push { at: next });
    }

    fn pull(&mut self, place: usize, slot: usize, at: Pull, mutation: Mutation) {
        let repository = &mut self.repositories[place];
        let next = match at {
            Pull::Begun => Pull::Asked(self.remote_log.clone()),
            Pull::Asked(answer) => {
                repository.tracking = answer;
                Pull::Fetched
            }
            Pull::Fetched => Pull::Listed(repository.tracking.clone()),
            Pull::Listed(before) => {
                repository.lock = Some(slot);
                let listed = match mutation {
                    Mutation::ListsBeforeLock => before,
                    _ => repository.tracking.clone(),
                };
                Pull::Taking(Box::new(Taking {
                    here: listed.keys().copied().collect(),
                    listed: listed.into_iter().collect(),
                    noted: repository.noted.clone(),
                    moves: Refs::new(),
                    renaming: None,
                }))
            }
            Pull::Taking(mut taking) => {
                if let Some((from, to, is_there)) = taking.renaming {
                    taking.renaming = repository.rename(from, to, is_there);
                    if taking.renaming.is_none() {
                        let (writer, tip) = taking.listed.remove(0);
                        repository.take_chain(writer, tip, &mut taking, mutation);
                    }
                } else if let Some((writer, tip)) = taking.listed.first().cloned() {
                    match repository.take_log(writer, &tip, &mut taking, mutation) {
                        Taken::Whole => drop(taking.listed.remove(0)),
                        Taken::IsOthers => {
                            taking.listed.remove(0);
                            repository.take_chain(writer, tip, &mut taking, mutation);
                        }
                        Taken::Diverged => {
                            let to = NEW_NAMES + self.named;
                            self.named += 1;
                            if repository.writer == writer {
                                repository.writer = to;
                            }
                            taking.renaming = Some((writer, to, false));
                        }
                    }
                } else if let Some((writer, tip)) = taking.moves.pop_first() {
                    repository.shown.extend(&tip);
                    repository.seen.insert(writer, tip);
                } else {
                    for (_, noted) in
                        taking.noted.iter_mut().filter(|(writer, _)| !taking.here.contains(writer))
                    {
                        noted.tip.clear();
                        repository.is_alarmed |= !noted.accepted.is_empty();
                    }
                    repository.noted = taking.noted;
                    repository.index = repository.opened();
                    return self.kill(place, slot);
                }
                Pull::Taking(taking)
            }
        };
        repository.jobs[slot] = Some(Job::Pull { at: next });
    }

    /// Runs a process to its end, with nothing in between.
    fn run(&mut self, place: usize, job: Job, mutation: Mutation) {
        self.repositories[place].jobs[0] = Some(job);
        for _ in 0..ENDLESS {
            if self.repositories[place].jobs[0].is_none() {
                return;
            }
            self.step(place, 0, false, mutation);
        }
        panic!("a command does not end: {self:#?}");
    }

    /// Whether the remote has all logs of all clones.
    pub fn has_pushed_logs(&self) -> bool {
        self.repositories
            .iter()
            .flat_map(|it| &it.log)
            .all(|(writer, tip)| self.remote_log.get(writer) == Some(tip))
    }

    /// Whether the remote has all data of all clones that a log names.
    pub fn has_pushed_data(&self) -> bool {
        self.repositories.iter().all(|it| {
            it.data.iter().all(|(writer, tip)| {
                let tip = it.recorded(tip);
                tip.is_empty() || self.remote_data.get(writer).is_some_and(|there| extends(there, &tip))
            })
        })
    }

    /// What everybody has once each has pulled and pushed in turn, undisturbed.
    pub fn settled(&self, mutation: Mutation) -> Self {
        let mut state = self.clone();
        let places = 0..state.repositories.len();
        for _ in 0..=places.len() {
            for place in places.clone() {
                state.run(place, Job::Pull { at: Pull::Begun }, mutation);
                state.run(place, Job::Push { at: Push::Begun }, mutation);
            }
        }
        state
    }
}

/// What became of a log that the remote has.
enum Taken {
    /// It is this clone's own, and all of it is here.
    Whole,
    /// It is another's.
    IsOthers,
    /// Another clone appended to what is this clone's own.
    Diverged,
}

impl Repository {
    fn take_log(&mut self, writer: Writer, tip: &Chain, taking: &mut Taking, mutation: Mutation) -> Taken {
        let noted = taking.noted.entry(writer).or_default();
        noted.tip.clone_from(tip);
        let Some(own) = self.log.get(&writer) else { return Taken::IsOthers };
        if extends(own, tip) {
            if extends(tip, &noted.accepted) {
                noted.accepted.clone_from(tip);
            } else {
                self.is_alarmed = true;
            }
            return Taken::Whole;
        }
        if extends(tip, own) && self.writer != writer {
            noted.accepted.clone_from(tip);
            self.log.insert(writer, tip.clone());
            return Taken::IsOthers;
        }
        match mutation {
            Mutation::DivergedIsReset => {
                self.log.insert(writer, tip.clone());
                Taken::Whole
            }
            Mutation::DivergedIsTold => Taken::Whole,
            Mutation::ForgedIsGivenWayTo => Taken::Diverged,
            _ => {
                let common = own.iter().zip(tip).take_while(|(own, there)| own == there).count();
                let is_forged = tip[common..].iter().any(|entry| *entry >= FORGED);
                if is_forged || !extends(tip, &noted.accepted) {
                    self.is_alarmed = true;
                    return Taken::Whole;
                }
                Taken::Diverged
            }
        }
    }

    fn take_chain(&mut self, writer: Writer, tip: Chain, taking: &mut Taking, mutation: Mutation) {
        let noted = taking.noted.entry(writer).or_default();
        let old = taking.moves.get(&writer).or_else(|| self.seen.get(&writer));
        match old {
            Some(old) if *old == tip => noted.accepted = tip,
            Some(old) if !extends(&tip, old) && mutation != Mutation::SeenIsForced => {
                let is_behind = extends(old, &tip);
                if is_behind && noted.accepted.is_empty() {
                    noted.accepted = tip;
                } else if !is_behind || !extends(&tip, &noted.accepted) {
                    self.is_alarmed = true;
                }
            }
            _ => {
                noted.accepted.clone_from(&tip);
                taking.moves.insert(writer, tip);
            }
        }
    }

    /// One step of going on under a new name, after the configuration has it.
    fn rename(&mut self, from: Writer, to: Writer, is_there: bool) -> Option<(Writer, Writer, bool)> {
        for refs in [&mut self.log, &mut self.data] {
            if is_there {
                refs.remove(&from);
            } else if let Some(tip) = refs.get(&from).cloned() {
                refs.insert(to, tip);
            }
        }
        (!is_there).then_some((from, to, true))
    }
}
