//! Datasets as they are: their files are read, their parts are held against each other, their own checks are run.
#![expect(clippy::disallowed_methods, reason = "reads the files of datasets")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::file_hash::{self, FileHashes};
use super::recording::{self, files_below};
use super::trial::GRACE;
use crate::config::Settings;
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::dataset::{
    DataFile, Dataset, EXAMPLES, Found, LineHash, LineHashes, Place, SharedLines, digest,
};
use crate::error::Error;
use crate::runner::{Ended, Interruptions, Job, Limits, Patterns, Show, execute, is_binary, signal_name};

/// How long a dataset's own check may take.
const TIMEOUT: Duration = Duration::from_mins(10);
/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// How much of a dataset's parts is compared line by line.
#[derive(Clone, Copy, Debug)]
struct LineLimits {
    /// How many bytes of each part are read.
    bytes: u64,
    /// How many different lines of one part are held.
    lines: usize,
}

const LINE_LIMITS: LineLimits = LineLimits { bytes: 2 << 30, lines: 4_000_000 };

/// What was found of datasets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Every rule that is not kept.
    pub breaches: Vec<Breach>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// Looks at every dataset in the worktree at `top`.
pub fn look(context: &Context, settings: &Settings, top: &Path) -> Result<Findings, Error> {
    let mut hashes = FileHashes::open(context);
    let mut memory = Memory::open(context);
    let mut read = Vec::new();
    for (name, dataset) in &settings.datasets {
        let parts = Parts::find(dataset, top, &mut |path| hashes.of(path).map(Some))?;
        // Kept before the rest takes its time.
        hashes.save();
        let Some(parts) = parts else { continue };
        let (shared, notes) = shared_lines(top, &parts.train, &parts.eval, LINE_LIMITS)?;
        read.push((name, dataset, parts, shared, notes));
    }
    // Once a watch is over, no other one holds; so one serves all checks, and begins when there is one to run.
    let mut interruptions = None;
    let mut findings = Findings::default();
    for (name, dataset, parts, shared, notes) in read {
        let invalid = match &dataset.validate {
            Some(command) => {
                let watch = interruptions.take().map_or_else(Interruptions::watch, Ok)?;
                let watch = interruptions.insert(watch);
                invalid(context, settings, (name, command), top, watch)?
            }
            None => None,
        };
        let notes = notes.into_iter().map(|note| format!("dataset `{name}`: {note}")).collect();
        let key = parts.key(name, dataset);
        let own = Findings { breaches: dataset.breaches(name, &parts.found(shared, invalid)), notes };
        memory.keep(top, name, key, &own);
        findings.add(own);
    }
    memory.save();
    Ok(findings)
}

/// What was found of every dataset in the worktree at `top`, where none of their files changed since; reads none of them.
pub fn recalled(context: &Context, settings: &Settings, top: &Path) -> Result<Option<Findings>, Error> {
    let hashes = FileHashes::open(context);
    let memory = Memory::open(context);
    let mut findings = Findings::default();
    for (name, dataset) in &settings.datasets {
        let Some(parts) = Parts::find(dataset, top, &mut |path| Ok(hashes.known(path)))? else {
            return Ok(None);
        };
        let Some(own) = memory.recall(top, name, &parts.key(name, dataset)) else { return Ok(None) };
        findings.add(own);
    }
    Ok(Some(findings))
}

impl Findings {
    fn add(&mut self, other: Self) {
        self.breaches.extend(other.breaches);
        self.notes.extend(other.notes);
    }
}

/// The files of a dataset.
#[derive(Debug)]
struct Parts {
    files: Vec<DataFile>,
    train: Vec<DataFile>,
    eval: Vec<DataFile>,
    absent: Vec<String>,
}

/// Gives the length and the hash of a file, where it knows them.
type Hashing<'a> = &'a mut dyn FnMut(&Path) -> Result<Option<(u64, String)>, Error>;

impl Parts {
    /// Finds them; `None` where the hash of one is not known.
    fn find(dataset: &Dataset, top: &Path, hash: Hashing<'_>) -> Result<Option<Self>, Error> {
        let mut absent = Vec::new();
        let mut files = |patterns: &[String]| -> Result<Option<Vec<DataFile>>, Error> {
            let mut files = Vec::new();
            for pattern in patterns {
                let found = files_below(top, pattern)?;
                if found.is_empty() && !absent.contains(pattern) {
                    absent.push(pattern.clone());
                }
                for path in found {
                    let Some((bytes, blake3)) = hash(&top.join(&path))? else { return Ok(None) };
                    files.push(DataFile { path, bytes, blake3 });
                }
            }
            Ok(Some(files))
        };
        let (Some(all), Some(train), Some(eval)) =
            (files(&dataset.paths)?, files(&dataset.train)?, files(&dataset.eval)?)
        else {
            return Ok(None);
        };
        Ok(Some(Self { files: all, train, eval, absent }))
    }

    /// What tells this state of the dataset from any other.
    fn key(&self, name: &str, dataset: &Dataset) -> String {
        blake3::hash(format!("{name} {dataset:?} {self:?}").as_bytes()).to_hex().to_string()
    }

    fn found(self, shared: SharedLines, invalid: Option<String>) -> Found {
        let hash = digest(&self.files);
        let Self { files, train, eval, absent } = self;
        Found { files, hash, train, eval, absent, shared, invalid }
    }
}

/// The lines that both parts have, and what was not compared. Files that are the same as a whole are left to that finding.
fn shared_lines(
    top: &Path,
    train: &[DataFile],
    eval: &[DataFile],
    limits: LineLimits,
) -> Result<(SharedLines, Vec<String>), Error> {
    let mut notes = Vec::new();
    if train.is_empty() || eval.is_empty() {
        return Ok((SharedLines::default(), notes));
    }
    let is_new = |file: &&DataFile, others: &[DataFile]| {
        !others.iter().any(|other| other.path == file.path || other.blake3 == file.blake3)
    };
    let eval: Vec<&DataFile> = eval.iter().filter(|file| is_new(file, train)).collect();
    let train: Vec<&DataFile> = train.iter().collect();
    let size = |files: &[&DataFile]| files.iter().map(|file| file.bytes).sum::<u64>();
    // The smaller part is held, the other one goes by.
    let holds_eval = size(&eval) <= size(&train);
    let (small, large) = if holds_eval { (&eval, &train) } else { (&train, &eval) };
    let mut held: HashMap<LineHash, (usize, u64)> = HashMap::new();
    let mut is_cut = lines(top, small, limits.bytes, &mut notes, &mut |file, line, hash| {
        if held.len() < limits.lines || held.contains_key(&hash) {
            held.entry(hash).or_insert((file, line));
            true
        } else {
            false
        }
    })?;
    let mut shared = SharedLines::default();
    let mut counted: HashSet<LineHash> = HashSet::new();
    is_cut |= lines(top, large, limits.bytes, &mut notes, &mut |file, line, hash| {
        if let Some(&(held_file, held_line)) = held.get(&hash)
            && !(is_header(small[held_file], held_line) && is_header(large[file], line))
            && counted.insert(hash)
        {
            shared.count += 1;
            if shared.examples.len() < EXAMPLES {
                let one = Place { path: small[held_file].path.clone(), line: held_line };
                let other = Place { path: large[file].path.clone(), line };
                shared.examples.push(if holds_eval { (other, one) } else { (one, other) });
            }
        }
        true
    })?;
    if is_cut {
        let size = crate::render::number::bytes(limits.bytes as f64);
        notes.push(format!(
            "its parts were compared line by line in part only: the first {size} of each, and {} different lines",
            limits.lines
        ));
    }
    Ok((shared, notes))
}

/// Whether a line names the columns of a table, which two tables may well have in common.
fn is_header(file: &DataFile, line: u64) -> bool {
    let ending = Path::new(&file.path).extension().and_then(|ending| ending.to_str());
    line == 1 && ending.is_some_and(|it| it.eq_ignore_ascii_case("csv") || it.eq_ignore_ascii_case("tsv"))
}

/// Calls `each` with the place of the file, the number and the hash of every line until it says no; tells whether
/// anything was left out.
fn lines(
    top: &Path,
    files: &[&DataFile],
    limit: u64,
    notes: &mut Vec<String>,
    each: &mut dyn FnMut(usize, u64, LineHash) -> bool,
) -> Result<bool, Error> {
    let mut left = limit;
    let mut is_cut = false;
    let mut buffer = vec![0; CHUNK];
    for (place, data) in files.iter().enumerate() {
        let failed =
            |error: std::io::Error| Error::outside(format!("cannot read `{}`", data.path)).because(error);
        let mut file = File::open(top.join(&data.path)).map_err(failed)?;
        let mut hashes = LineHashes::default();
        let mut take = |line, hash| is_cut |= !each(place, line, hash);
        let mut is_first = true;
        loop {
            let length = file.read(&mut buffer).map_err(failed)?;
            let taken = length.min(usize::try_from(left).unwrap_or(usize::MAX));
            if is_first && is_binary(&buffer[..taken]) {
                notes.push(format!("`{}` is no text, and was not compared line by line", data.path));
                break;
            }
            is_first = false;
            left -= taken as u64;
            hashes.feed(&buffer[..taken], &mut take);
            if length == 0 {
                hashes.finish(&mut take);
                break;
            }
            if taken < length {
                return Ok(true);
            }
        }
    }
    Ok(is_cut)
}

/// How a dataset's own check failed; what it wrote is not told, since that may show the data.
fn invalid(
    context: &Context,
    settings: &Settings,
    (name, command): (&str, &[String]),
    top: &Path,
    interruptions: &Interruptions,
) -> Result<Option<String>, Error> {
    let root = context.log.folders().root();
    let failed = |error: std::io::Error| {
        Error::outside(format!("cannot create a folder in `{}`", root.display())).because(error)
    };
    fs::create_dir_all(root).map_err(failed)?;
    let folder = tempfile::Builder::new().prefix("validate-").tempdir_in(root).map_err(failed)?;
    let job = Job {
        argv: command.iter().map(Into::into).collect(),
        directory: top.to_path_buf(),
        environment: vec![("GIT_EXP_DATASET".into(), name.into())],
        timeout: Some(TIMEOUT),
        grace: GRACE,
        folder: folder.path().to_path_buf(),
        patterns: Patterns::default(),
        redactor: Arc::new(recording::redactor(settings)?),
        limits: Limits::default(),
        show: Show::Hidden,
    };
    let outcome = execute(&job, interruptions, &mut ())?;
    if let Ended::Interrupted { signal } = outcome.ended {
        return Err(Error::outside(format!("interrupted by {}", signal_name(signal)))
            .because(format!("the check of the dataset `{name}` did not end")));
    }
    let status = outcome.shell_status();
    Ok((status != Some(0)).then(|| {
        outcome.reason().unwrap_or_else(|| match status {
            Some(status) => format!("it exited with {status}"),
            None => "nobody saw its end".to_owned(),
        })
    }))
}

/// What was found before, by worktree and dataset.
struct Memory {
    store: std::path::PathBuf,
    known: BTreeMap<String, Remembered>,
}

/// What was found of one state of a dataset.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    key: String,
    /// Rule, what is wrong, and what to do.
    breaches: Vec<(String, String, String)>,
    notes: Vec<String>,
}

impl Memory {
    fn open(context: &Context) -> Self {
        let store = context.log.folders().datasets();
        let known = fs::read(&store).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { store, known: known.unwrap_or_default() }
    }

    fn place(top: &Path, name: &str) -> String {
        format!("{} {name}", top.display())
    }

    fn keep(&mut self, top: &Path, name: &str, key: String, found: &Findings) {
        let breaches = found.breaches.iter().cloned().map(|it| (it.rule, it.what, it.mend)).collect();
        let remembered = Remembered { key, breaches, notes: found.notes.clone() };
        self.known.insert(Self::place(top, name), remembered);
    }

    fn recall(&self, top: &Path, name: &str, key: &str) -> Option<Findings> {
        let known = self.known.get(&Self::place(top, name)).filter(|known| known.key == key)?;
        let breaches =
            known.breaches.iter().map(|(rule, what, mend)| Breach::new(rule, what, mend)).collect();
        Some(Findings { breaches, notes: known.notes.clone() })
    }

    fn save(&self) {
        file_hash::save(&self.store, &self.known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that `train` and `eval` share, each a file's name and text, under these limits.
    fn shared(
        train: &[(&str, &str)],
        eval: &[(&str, &str)],
        limits: LineLimits,
    ) -> (SharedLines, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let part = |files: &[(&str, &str)]| -> Vec<DataFile> {
            let write = |(path, text): &(&str, &str)| {
                fs::write(folder.path().join(path), text).expect("it can be written");
                let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
                DataFile { path: (*path).to_owned(), bytes: text.len() as u64, blake3 }
            };
            files.iter().map(write).collect()
        };
        let (train, eval) = (part(train), part(eval));
        shared_lines(folder.path(), &train, &eval, limits).expect("the files can be read")
    }

    #[test]
    fn a_shared_line_is_found_whichever_part_is_larger() {
        for filler in ["", "x\ny\nz\nu\nv\nw\n"] {
            let (shared, notes) = shared(
                &[("t1", "a\n"), ("t2", &format!("b\n c  d\n{filler}"))],
                &[("e", "c d\n\nq\nc d")],
                LINE_LIMITS,
            );
            assert_eq!(shared.count, 1, "the same line counts once");
            let (train, eval) = &shared.examples[0];
            assert_eq!((train.path.as_str(), train.line), ("t2", 2));
            assert_eq!((eval.path.as_str(), eval.line), ("e", 1));
            assert!(notes.is_empty());
        }
    }

    #[test]
    fn names_of_columns_are_no_overlap() {
        let table = ("t.csv", "x,y\n1,2\n");
        assert_eq!(shared(&[table], &[("e.CSV", "x,y\n3,4\n")], LINE_LIMITS).0.count, 0);
        assert_eq!(shared(&[table], &[("e.csv", "x,y\n1,2\n5,6\n")], LINE_LIMITS).0.count, 1);
        assert_eq!(shared(&[("t", "x,y\n1,2\n")], &[("e", "x,y\n3,4\n")], LINE_LIMITS).0.count, 1);
    }

    #[test]
    fn what_is_no_text_is_told_and_left_alone() {
        let (shared, notes) = shared(&[("t", "a\0b\nc\n")], &[("e", "c\n")], LINE_LIMITS);
        assert_eq!(shared.count, 0);
        assert_eq!(notes, ["`t` is no text, and was not compared line by line"]);
    }

    #[test]
    fn what_is_beyond_the_limits_is_told() {
        let (train, eval) = ([("t", "a\nb\nc\nd\n")], [("e", "d\nb\n")]);
        for limits in [LineLimits { bytes: 4, lines: 9 }, LineLimits { bytes: 99, lines: 1 }] {
            let (shared, notes) = shared(&train, &eval, limits);
            assert!(shared.count < 2 && notes.len() == 1, "{limits:?} {notes:?}");
        }
        let exactly = LineLimits { bytes: 8, lines: 2 };
        assert_eq!((shared(&train, &eval, exactly).0.count, shared(&train, &eval, exactly).1.len()), (2, 0));
    }
}
