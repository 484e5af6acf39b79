//! Reading entries from the chain of commits that holds them.

use std::sync::mpsc;
use std::thread;

use super::entry::decode;
use super::error::LogError;
use crate::domain::entry::{Body, Entry, Identity};
use crate::domain::id::{EntryId, Nonce, Writer};
use crate::git::{Oid, Repo};

/// The largest entry that is read: nothing that is honest comes near it.
const LARGEST_ENTRY: u64 = 16 << 20;

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

/// How many entries are read in one go, so that no more than a few thousand are in memory at once.
const PART: usize = 1024;
/// How many threads read.
const WORKERS: usize = 2;

/// Hands the entries of the log that ends at `tip` to `take`, oldest first, without those up to the commit `after`.
///
/// They come in parts, each as `digest` makes it of its entries on the thread that read them.
/// `false`, and none, when `after` is not in this log, so that it must have been rewound or replaced.
pub fn log<T: Send>(
    repo: &Repo,
    writer: &Writer,
    tip: Oid,
    after: Option<Oid>,
    digest: impl Fn(Vec<Located>) -> T + Sync,
    mut take: impl FnMut(T),
) -> Result<bool, LogError> {
    let mut commits = Vec::new();
    let mut met = after.is_none();
    for step in repo.walk_first_parent(tip) {
        let (commit, lite) = step?;
        if Some(commit) == after {
            met = true;
            break;
        }
        commits.push((commit, lite.tree));
    }
    if !met {
        return Ok(false);
    }
    commits.reverse();
    if commits.len() <= PART {
        take(digest(read_part(repo, writer, &commits)?));
        return Ok(true);
    }
    let parts: Vec<&[(Oid, Oid)]> = commits.chunks(PART).collect();
    let (parts, digest) = (&parts, &digest);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let repo = repo.clone();
                let (send, receive) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for part in parts.iter().skip(worker).step_by(WORKERS) {
                        // Nobody listens any more once a part could not be read.
                        if send.send(read_part(&repo, writer, part).map(digest)).is_err() {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        for number in 0..parts.len() {
            let part = workers[number % WORKERS].recv().expect("a worker sends every part of its own");
            take(part?);
        }
        Ok(true)
    })
}

fn read_part(repo: &Repo, writer: &Writer, commits: &[(Oid, Oid)]) -> Result<Vec<Located>, LogError> {
    let mut entries = Vec::with_capacity(commits.len());
    for &(commit, tree) in commits {
        if tree == repo.empty_tree() {
            // The root, which only states the format.
            continue;
        }
        entries.push(one(repo, writer, commit, tree)?);
    }
    Ok(entries)
}

/// The entry in a commit of a log with this tree; one that says of itself no writer gets `writer`.
pub(super) fn one(repo: &Repo, writer: &Writer, commit: Oid, tree: Oid) -> Result<Located, LogError> {
    let located =
        |problem: &str| Located { entry: unreadable(commit, writer, problem), commit, blob: commit };
    let rows = match repo.read_tree(tree) {
        Err(error) if !error.is_missing() => return Ok(located(&error.to_string())),
        rows => rows?,
    };
    // A submodule of that name is no object of this repository.
    let Some(row) = rows.iter().find(|row| row.name == b"entry.json" && row.mode & 0o170_000 == 0o100_000)
    else {
        return Ok(located("its commit holds no file `entry.json`"));
    };
    let entry = entry(repo, writer, row.oid)?;
    Ok(Located { entry, commit, blob: row.oid })
}

/// The entry in `blob`; one that is damaged stands as unreadable among the others.
fn entry(repo: &Repo, writer: &Writer, blob: Oid) -> Result<Entry, LogError> {
    if repo.object_size(blob).is_some_and(|size| size > LARGEST_ENTRY) {
        return Ok(unreadable(blob, writer, "it is larger than any entry may be"));
    }
    match repo.read_blob(blob) {
        Ok(bytes) => Ok(decode(&bytes, writer)),
        // One that is missing may be in the journal, so the caller has to know.
        Err(error) if error.is_missing() => Err(error.into()),
        Err(error) => Ok(unreadable(blob, writer, &error.to_string())),
    }
}

/// Fewer blobs than this are not worth a thread.
const WORTH_A_THREAD: usize = 256;

/// The entries in `blobs`, in their order.
pub fn entries(repo: &Repo, writer: &Writer, blobs: &[Oid]) -> Result<Vec<Entry>, LogError> {
    let part = blobs.len().div_ceil(2).max(WORTH_A_THREAD);
    let read = |repo: &Repo, blobs: &[Oid]| -> Result<Vec<Entry>, LogError> {
        blobs.iter().map(|blob| entry(repo, writer, *blob)).collect()
    };
    if blobs.len() <= part {
        return read(repo, blobs);
    }
    let parts: Vec<Result<Vec<Entry>, LogError>> = thread::scope(|scope| {
        let workers: Vec<_> = blobs
            .chunks(part)
            .map(|part| {
                let repo = repo.clone();
                scope.spawn(move || read(&repo, part))
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
