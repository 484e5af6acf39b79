//! Where things live: the names of refs, and the folders below `.git/exp`.

use std::path::{Path, PathBuf};

use crate::domain::id::{EntryId, ExperimentId, Nonce, TopicName, Writer};

/// Logs of this clone's writers.
pub const LOGS: &str = "refs/exp/log/";
/// Other writers' logs as far as this clone has taken them in.
pub const SEEN: &str = "refs/exp/seen/";
/// Other writers' data chains as far as this clone has taken them in.
pub const SEEN_DATA: &str = "refs/exp/seen-data/";
/// Other writers' code chains as far as this clone has taken them in.
pub const SEEN_CODE: &str = "refs/exp/seen-code/";
/// What remotes have, as it was last fetched: a folder a remote, in it `log`, `data`, `code` and `sealed`.
pub const REMOTE: &str = "refs/exp/remote/";
/// Tags of sealed experiments.
pub const SEALS: &str = "refs/tags/sealed/";
/// What entries produced.
pub const DATA: &str = "refs/exp/data/";
/// What ran.
pub const CODE: &str = "refs/exp/code/";
/// The code of runs under way.
pub const RUNNING: &str = "refs/exp/running/";
/// Experiments put away.
pub const ARCHIVE: &str = "refs/exp/archive/";
/// The message of the commits that store a dirty worktree.
pub const SNAPSHOT: &[u8] = b"snapshot of a worktree by git exp\n";
/// Short results beside the code, for plain `git log`.
pub const NOTES: &str = "refs/notes/exp";

/// The log of a writer of this clone.
pub fn log_ref(writer: &Writer) -> String {
    format!("{LOGS}{writer}")
}

/// The data chain of a writer.
pub fn data_ref(writer: &Writer) -> String {
    format!("{DATA}{writer}")
}

/// The code chain of a writer.
pub fn code_ref(writer: &Writer) -> String {
    format!("{CODE}{writer}")
}

/// The ref that keeps the code of a run alive while it is under way.
pub fn running_ref(run: &Nonce) -> String {
    format!("{RUNNING}{run}")
}

/// Where the log of another writer is kept as far as it was taken in.
pub fn seen_ref(writer: &Writer) -> String {
    format!("{SEEN}{writer}")
}

/// What fetches `kind` (`log`, `data`, `code`) of all writers into tracking refs.
pub fn tracking_refspec(remote: &str, kind: &str) -> String {
    format!("+refs/exp/{kind}/*:{REMOTE}{remote}/{kind}/*")
}

/// Where a remote's log of this writer is tracked.
pub fn tracking_ref_of_log(remote: &str, writer: &Writer) -> String {
    format!("{REMOTE}{remote}/log/{writer}")
}

/// What fetches seals into tracking refs.
pub fn tracking_refspec_of_seals(remote: &str) -> String {
    format!("+{SEALS}*:{REMOTE}{remote}/sealed/*")
}

/// Whether fetching by `refspec` writes over the logs of this clone, as `+refs/*:refs/*` of a mirror does.
pub fn mirrors_logs(refspec: &str) -> bool {
    let target = refspec.split_once(':').map_or("", |(_, target)| target);
    target.strip_suffix('*').is_some_and(|prefix| LOGS.starts_with(prefix))
}

/// What fetches the notes view into a tracking ref: a pattern, so that a remote without notes is no error.
pub fn tracking_refspec_of_notes(remote: &str) -> String {
    format!("+{NOTES}*:{REMOTE}{remote}/notes/exp*")
}

/// The branch of an experiment, without `refs/heads/`.
pub fn experiment_branch(id: &ExperimentId) -> String {
    format!("exp/{id}")
}

/// The ref that keeps an archived experiment.
pub fn archive_ref(id: &ExperimentId) -> String {
    format!("{ARCHIVE}{id}")
}

/// The ref at a remote that claims an experiment's ID.
pub fn claim_ref(id: &ExperimentId) -> String {
    format!("refs/exp/id/{id}")
}

/// The branch of a topic, without `refs/heads/`.
pub fn topic_branch(name: &TopicName) -> String {
    format!("research/{name}")
}

/// The folder of all our worktrees, in the top of the main worktree.
pub const WORKTREES: &str = ".worktrees";

/// The folder of logbooks on the branches of topics.
pub const LOGBOOKS: &str = ".agents/logbooks/";

/// What begins the hidden lines of a logbook that say which entries it tells of, each by so many digits.
const LOGBOOK_MARKER: &str = "<!-- git-exp: ";
const LOGBOOK_DIGITS: usize = 16;

/// Whether a logbook tells of an entry.
pub fn is_told(entry: &EntryId, logbook: &str) -> bool {
    let id = entry.to_hex();
    let markers = logbook.lines().filter_map(|line| line.strip_prefix(LOGBOOK_MARKER));
    markers.flat_map(str::split_whitespace).any(|mark| mark == &id[..LOGBOOK_DIGITS])
}

/// The worktree of an experiment, relative to the top of the main worktree.
pub fn worktree_folder(id: &ExperimentId) -> String {
    format!("{WORKTREES}/{id}")
}

/// The folders of this clone's own state, below the common Git directory.
#[derive(Clone, Debug)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    /// The folders below `common_directory`, which is `.git` of the main worktree.
    pub fn below(common_directory: &Path) -> Self {
        Self { root: common_directory.join("exp") }
    }

    /// `.git/exp`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The lock under which entries are appended.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The lock under which numbers are given out.
    pub fn lock_of_numbers(&self) -> PathBuf {
        self.root.join("numbers.lock")
    }

    /// The lock under which this repository pushes: two pushes at once can make both fail where they arrive.
    pub fn lock_of_pushes(&self) -> PathBuf {
        self.root.join("push.lock")
    }

    /// The lock under which this repository fetches: two fetches at once are in each other's way.
    pub fn lock_of_fetches(&self) -> PathBuf {
        self.root.join("fetch.lock")
    }

    /// The lock under which this repository posts to GitHub.
    pub fn lock_of_posts(&self) -> PathBuf {
        self.root.join("post.lock")
    }

    /// What was found of tracking refs; without it they are all looked at again.
    pub fn taken(&self) -> PathBuf {
        self.root.join("taken.json")
    }

    /// What a purge is doing, until it ended.
    pub fn purge(&self) -> PathBuf {
        self.root.join("purge.json")
    }

    /// The refs that were withdrawn here, which the next push takes away elsewhere.
    pub fn withdrawn(&self) -> PathBuf {
        self.root.join("withdrawn.json")
    }

    /// The objects that withdrawals took, by which a later purge finds what still holds them.
    pub fn taken_back(&self) -> PathBuf {
        self.root.join("taken-back.json")
    }

    /// Objects of recent entries, until they are known to be safe.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The index; it can be deleted at any time.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Which code commits a writer's code chain holds; it can be deleted at any time.
    pub fn kept_code(&self, writer: &Writer) -> PathBuf {
        self.root.join("code").join(writer.as_str())
    }

    /// What the last append left a writer's chains at; it can be deleted at any time.
    pub fn ends(&self, writer: &Writer) -> PathBuf {
        self.root.join("ends").join(writer.as_str())
    }

    /// The tips of others' logs that entries of this clone have cited; without it they are cited again.
    pub fn cited(&self) -> PathBuf {
        self.root.join("cited.json")
    }

    /// Hashes of large files; it can be deleted at any time.
    pub fn hashes(&self) -> PathBuf {
        self.root.join("hashes.json")
    }

    /// What was found of datasets; it can be deleted at any time.
    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets.json")
    }

    /// Runs under way, a folder each.
    pub fn running(&self) -> PathBuf {
        self.root.join("running")
    }

    /// What survives for resuming, a folder an experiment.
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }
}
