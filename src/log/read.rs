//! Reading entries from the chain of commits that holds them.

use std::cmp::Reverse;
use std::mem;
use std::sync::{Mutex, mpsc};
use std::thread;

use super::entry::decode;
use super::error::LogError;
use crate::domain::entry::{Body, Entry, Identity};
use crate::domain::id::{EntryId, Nonce, Writer};
use crate::git::{Oid, Repo};

/// The largest entry that is read, in bytes: nothing that is honest comes near it.
const LARGEST_ENTRY: usize = 16 << 20;
/// What is said of a larger one.
const TOO_LARGE: &str = "it is larger than any entry may be";

/// An entry and the objects that hold it.
#[derive(Clone, Debug)]
pub struct Located {
    /// The entry.
    pub entry: Entry,
    /// The commit of the log.
    pub commit: Oid,
    /// The blob with the entry's bytes.
    pub blob: Oid,
}

/// How many entries are read in one go: few enough that both threads have some, and that what is made of them stays small.
const PART: usize = 1024;
/// How many threads read.
const WORKERS: usize = 2;

/// Hands the entries of the log that ends at `tip` to `take`, oldest first, without those up to the commit `after`.
///
/// They come in parts. Each is made on the thread that reads them, by `add`, one entry at a time.
/// `false`, and none, when `after` is not in this log, so that it must have been rewound or replaced.
pub fn log<T: Default + Send>(
    repo: &Repo,
    writer: &Writer,
    tip: Oid,
    after: Option<Oid>,
    add: impl Fn(&mut T, Located) + Sync,
    mut take: impl FnMut(T),
) -> Result<bool, LogError> {
    let mut reader = Reader::new(repo, writer)?;
    let add = &add;
    let (give, parts) = mpsc::channel::<(usize, Vec<(Oid, Oid)>)>();
    let parts = &Mutex::new(parts);
    let (send, made) = mpsc::channel();
    thread::scope(|scope| {
        // Both go when this closure ends, however it does, which ends the workers.
        let (give, made) = (give, made);
        let mut given = 0;
        let mut commits = Vec::new();
        let mut met = after.is_none();
        // The walk is as long as the reading of a part of what it finds, so both are done at once.
        for step in repo.walk_first_parent(tip) {
            let (commit, lite) = step?;
            if Some(commit) == after {
                met = true;
                break;
            }
            commits.push((commit, lite.tree));
            if commits.len() < PART {
                continue;
            }
            if given == 0 {
                for _ in 0..WORKERS {
                    let (mut reader, send) = (reader.clone(), send.clone());
                    scope.spawn(move || {
                        let next = || parts.lock().ok()?.recv().ok();
                        while let Some((number, commits)) = next() {
                            // Nobody listens any more once the walk failed.
                            if send.send((number, reader.part(&commits, add))).is_err() {
                                return;
                            }
                        }
                    });
                }
            }
            give.send((given, mem::take(&mut commits))).expect("what the workers take from is still here");
            given += 1;
        }
        drop((give, send));
        if !met {
            return Ok(false);
        }
        // What was walked last is the oldest.
        take(reader.part(&commits, add)?);
        let mut newer: Vec<(usize, Result<T, LogError>)> = made.iter().collect();
        newer.sort_by_key(|(number, _)| Reverse(*number));
        for (_, part) in newer {
            take(part?);
        }
        Ok(true)
    })
}

/// Reads the entries of a log, and nothing that would take much memory to unpack, whoever wrote it.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    repo: Repo,
    writer: &'a Writer,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads from `repo`; an entry that says of itself no writer gets `writer`.
    pub fn new(repo: &Repo, writer: &'a Writer) -> Result<Self, LogError> {
        Ok(Self { repo: repo.with_small_objects()?, writer, buffer: Vec::new() })
    }

    /// What `add` makes of the entries in `commits`, which come newest first and are read oldest first.
    fn part<T: Default>(
        &mut self,
        commits: &[(Oid, Oid)],
        add: &impl Fn(&mut T, Located),
    ) -> Result<T, LogError> {
        let mut part = T::default();
        for &(commit, tree) in commits.iter().rev() {
            // The root only states the format.
            if tree != self.repo.empty_tree() {
                add(&mut part, self.one(commit, tree)?);
            }
        }
        Ok(part)
    }

    /// The entry in a commit of a log with this tree.
    pub fn one(&mut self, commit: Oid, tree: Oid) -> Result<Located, LogError> {
        let unreadable = |problem: &str| {
            Ok(Located { entry: unreadable(commit, self.writer, problem), commit, blob: commit })
        };
        let row = match self.repo.find_in_tree(tree, b"entry.json", &mut self.buffer) {
            Err(error) if !error.is_missing() => return unreadable(&error.to_string()),
            row => row?,
        };
        // A submodule of that name is no object of this repository.
        let Some((_, blob)) = row.filter(|(mode, _)| mode & 0o170_000 == 0o100_000) else {
            return unreadable("its commit holds no file `entry.json`");
        };
        Ok(Located { entry: self.entry(blob)?, commit, blob })
    }

    /// The entry in `blob`; one that is damaged stands as unreadable among the others.
    fn entry(&mut self, blob: Oid) -> Result<Entry, LogError> {
        let problem = match self.repo.read_blob_into(blob, &mut self.buffer) {
            Ok(()) if self.buffer.len() <= LARGEST_ENTRY => return Ok(decode(&self.buffer, self.writer)),
            Ok(()) => TOO_LARGE.to_owned(),
            // One that is missing may be in the journal, so the caller has to know.
            Err(error) if error.is_missing() => return Err(error.into()),
            Err(_) if self.repo.object_size(blob).is_some_and(|size| size > LARGEST_ENTRY as u64) => {
                TOO_LARGE.to_owned()
            }
            Err(error) => error.to_string(),
        };
        Ok(unreadable(blob, self.writer, &problem))
    }

    fn entries(&mut self, blobs: &[Oid]) -> Result<Vec<Entry>, LogError> {
        blobs.iter().map(|blob| self.entry(*blob)).collect()
    }
}

/// Fewer blobs than this are not worth a thread.
const WORTH_A_THREAD: usize = 256;

/// The entries in `blobs`, in their order.
pub fn entries(repo: &Repo, writer: &Writer, blobs: &[Oid]) -> Result<Vec<Entry>, LogError> {
    let mut reader = Reader::new(repo, writer)?;
    let part = blobs.len().div_ceil(2).max(WORTH_A_THREAD);
    if blobs.len() <= part {
        return reader.entries(blobs);
    }
    let parts: Vec<Result<Vec<Entry>, LogError>> = thread::scope(|scope| {
        let workers: Vec<_> = blobs
            .chunks(part)
            .map(|part| {
                let mut reader = reader.clone();
                scope.spawn(move || reader.entries(part))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("reading does not panic")).collect()
    });
    let mut entries = Vec::with_capacity(blobs.len());
    for part in parts {
        entries.extend(part?);
    }
    Ok(entries)
}

/// What stands for a commit that holds no entry; its ID is made from the commit's name, so that it can be spoken of.
fn unreadable(commit: Oid, writer: &Writer, problem: &str) -> Entry {
    Entry {
        id: EntryId(*blake3::hash(commit.as_bytes()).as_bytes()),
        writer: writer.clone(),
        nonce: Nonce([0; 16]),
        time: jiff::Timestamp::UNIX_EPOCH,
        by: Identity::default(),
        replaces: Vec::new(),
        answers: None,
        files: None,
        body: Body::Unreadable { kind: None, problem: problem.to_owned() },
    }
}
