//! From what came of a command to an entry in the log.
#![expect(clippy::disallowed_methods, reason = "reads what a run left in its folder")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::file_hash::FileHashes;
use super::place::Place;
use crate::config::Settings;
use crate::context::Context;
use crate::domain::bytes::OsBytes;
use crate::domain::dataset::{DataFile, digest};
use crate::domain::entry::{Body, Entry};
use crate::domain::metric::{BUILT_IN, Definition, Value};
use crate::domain::run::{LargeFile, Load, Pair, Run, Status, Truncated};
use crate::error::Error;
use crate::log::NewFile;
use crate::log::running::Running;
use crate::render::number;
use crate::runner::{
    ArtifactContent, CapturedStream, Ended, Environment, EnvironmentOptions, Limits, Outcome, Redactor,
    collect_artifacts,
};

/// The environment of a run, and the configuration that it reads, as they were when it began.
pub struct Captured {
    environment: Environment,
    config_files: Vec<(String, Vec<u8>)>,
    /// The short hash of the hardware.
    pub hardware: String,
    /// The short hash of the machine's boot.
    pub boot: Option<String>,
    /// How many accelerators the command can see.
    pub accelerators: u32,
    /// What else the machine does.
    pub load: Load,
}

/// The file in a run's folder that holds what was captured of the environment.
const ENVIRONMENT: &str = "environment.json";
/// The folder in a run's folder that holds copies of the configuration.
const CONFIG: &str = "config";

impl Captured {
    /// Looks at the machine, the variables, the command's language, the datasets and the configuration.
    pub fn now(
        context: &Context,
        place: &Place,
        settings: &Settings,
        redactor: &Redactor,
        argv: &[OsString],
    ) -> Result<Self, Error> {
        let top = place.repo.work_dir().unwrap_or(&place.directory);
        let mut environment = Environment::capture(&EnvironmentOptions {
            argv,
            directory: &place.directory,
            top,
            environment: &[],
            variables: &settings.capture.env,
            host: settings.capture.host,
            user: settings.capture.user,
            redactor,
        });
        if !settings.datasets.is_empty() {
            environment.stable = with_datasets(&environment.stable, settings, top, context)?;
        }
        let config_files = config_files(settings, top, redactor)?;
        Ok(Self {
            config_files,
            hardware: environment.hardware.clone(),
            boot: environment.boot.clone(),
            accelerators: environment.accelerators,
            load: environment.load.clone(),
            environment,
        })
    }

    /// What was captured of the environment.
    pub fn document(&self) -> serde_json::Value {
        serde_json::from_slice(&self.environment.stable).unwrap_or_default()
    }

    /// The configuration files: path, then hash.
    pub fn config_hashes(&self) -> BTreeMap<String, String> {
        let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        self.config_files.iter().map(|(path, bytes)| (path.clone(), hash(bytes))).collect()
    }

    /// Writes it into the run's folder, so that it is there for whoever recovers the run.
    pub fn store(&self, folder: &Path) -> Result<(), Error> {
        write(&folder.join(ENVIRONMENT), &self.environment.stable)?;
        for (name, bytes) in &self.config_files {
            let path = folder.join(CONFIG).join(name);
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(|error| {
                Error::outside(format!("cannot create `{}`", parent.display())).because(error)
            })?;
            write(&path, bytes)?;
        }
        Ok(())
    }
}

/// What came of recording one run.
pub struct Recorded {
    /// Its entry.
    pub entry: Entry,
    /// The run.
    pub run: Run,
    /// The first digits of its entry's ID.
    pub short: String,
    /// A line about it.
    pub line: String,
    /// What a shell would exit with.
    pub shell_status: Option<i32>,
    /// How many report lines could not be read.
    pub malformed: u64,
    /// What is worth telling.
    pub remarks: Vec<String>,
    /// Why no further trial may start, where the budget is spent.
    pub no_more: Option<String>,
    /// Whether somebody interrupted it, so that no further trial is wanted.
    pub was_interrupted: bool,
}

/// What takes secrets out of what is kept.
pub fn redactor(settings: &Settings) -> Result<Redactor, Error> {
    let capture = &settings.capture;
    let redactor = Redactor::from_process().with_patterns(&capture.redact)?;
    Ok(redactor.with_privacy(&capture.private_files, &capture.private_text)?)
}

/// Puts a run that ended into the log, and forgets that it was under way.
pub fn record(
    context: &Context,
    running: Running,
    outcome: Outcome,
    settings: &Settings,
    redactor: &Redactor,
) -> Result<Recorded, Error> {
    let mut run = running.run.clone();
    let mut values = outcome.values(&settings.metrics);
    for (name, value) in &mut values {
        value.definition = settings.metric(name).map(fingerprint);
    }
    run.status = outcome.status(&values);
    run.exit = outcome.exit;
    run.reason = outcome.reason();
    if !matches!(outcome.ended, Ended::Lost) || running.run.wall_seconds == 0.0 {
        run.wall_seconds = outcome.wall_seconds;
    }
    run.metrics = values;
    run.inputs = outcome.collected.inputs.clone();
    run.malformed = outcome.collected.malformed.clone();
    run.remarks = outcome.remarks.clone();
    run.remarks.extend(outcome.collected.contradictions(&settings.metrics));
    if let Some(reason) = &run.reason
        && run.status == Status::Diverged
    {
        run.remarks.push(reason.clone());
    }

    let mut files = Vec::new();
    keep_stored(&running.folder, &mut files)?;
    for (name, stream) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        keep_stream(name, stream, &mut files, &mut run);
    }
    if outcome.collected.series.values().any(|series| series.values.len() > 1) {
        files.push(NewFile { name: "series.jsonl".into(), bytes: outcome.collected.series_bytes() });
    }
    keep_artifacts(&running.folder, settings, redactor, &mut files, &mut run)?;

    let remarks = run.remarks.clone();
    let malformed = run.malformed.count;
    let appended = context.append_as(running.nonce, Body::Run(Box::new(run.clone())), Vec::new(), files)?;
    running.finish(&context.repo)?;
    let short = appended.entry.id.short();
    Ok(Recorded {
        entry: appended.entry,
        line: line(&short, &run),
        run,
        short,
        shell_status: outcome.shell_status(),
        malformed,
        remarks,
        no_more: None,
        was_interrupted: matches!(outcome.ended, Ended::Interrupted { .. }),
    })
}

/// One line about a run that was just recorded.
fn line(short: &str, run: &Run) -> String {
    let is_built_in = |name: &str| BUILT_IN.iter().any(|(known, _)| *known == name);
    let mut parts = vec![number::seconds(run.wall_seconds)];
    let reported = run.metrics.iter().filter(|(name, _)| !is_built_in(name));
    parts.extend(reported.filter_map(|(name, value)| shown(name, value)).take(4));
    if let Some(reason) = &run.reason {
        parts.push(reason.clone());
    }
    let trial = match (run.trials, run.seed) {
        _ if run.pair.is_some() => run.pair.map(|pair| pair_word(pair, run.trials)).unwrap_or_default(),
        (0 | 1, None) => String::new(),
        (0 | 1, Some(seed)) => format!(" seed {seed}"),
        (trials, None) => format!(" trial {}/{trials}", run.trial),
        (trials, Some(seed)) => format!(" trial {}/{trials} seed {seed}", run.trial),
    };
    let dirty = if run.code.base.is_some() { " (dirty worktree, snapshot kept)" } else { "" };
    format!(
        "recorded {short} {}{trial}: {}, {}{dirty}",
        run.membership.experiment,
        run.status,
        parts.join(", ")
    )
}

/// A run's place in a series of pairs, in words.
fn pair_word(pair: Pair, of: u32) -> String {
    match pair.number {
        0 => format!(" warm-up of the {}", pair.side),
        number => format!(" pair {number}/{of} {}", pair.side),
    }
}

fn shown(name: &str, value: &Value) -> Option<String> {
    let number = value.value?;
    Some(format!("{name} {}", number::of_metric(name, number, value.unit.as_deref())))
}

/// The hash of what defines a metric's values, short enough for every run to carry it.
pub fn fingerprint(definition: &Definition) -> String {
    blake3::hash(definition.fingerprint_text().as_bytes()).to_hex()[..12].to_owned()
}

/// The folder that a command runs in, relative to the top of its worktree.
pub fn subfolder(place: &Place) -> OsBytes {
    let top = place.repo.work_dir().unwrap_or(&place.directory);
    // Both may be reached through links.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let relative = real(&place.directory).strip_prefix(real(top)).map(Path::to_path_buf).unwrap_or_default();
    OsBytes(relative.into_os_string().into_encoded_bytes())
}

/// The environment and configuration that were stored when the run began.
fn keep_stored(folder: &Path, files: &mut Vec<NewFile>) -> Result<(), Error> {
    if let Ok(bytes) = std::fs::read(folder.join(ENVIRONMENT)) {
        files.push(NewFile { name: ENVIRONMENT.into(), bytes });
    }
    let mut open: Vec<(PathBuf, String)> = vec![(folder.join(CONFIG), CONFIG.to_owned())];
    while let Some((path, name)) = open.pop() {
        let Ok(listing) = std::fs::read_dir(&path) else { continue };
        for item in listing.filter_map(Result::ok) {
            let name = format!("{name}/{}", item.file_name().to_string_lossy());
            if item.path().is_dir() {
                open.push((item.path(), name));
            } else {
                let bytes = std::fs::read(item.path()).map_err(|error| {
                    Error::outside(format!("cannot read `{}`", item.path().display())).because(error)
                })?;
                files.push(NewFile { name: name.into(), bytes });
            }
        }
    }
    Ok(())
}

fn keep_stream(name: &str, stream: &CapturedStream, files: &mut Vec<NewFile>, run: &mut Run) {
    if stream.total_bytes == 0 {
        return;
    }
    files.push(NewFile { name: name.into(), bytes: stream.stored() });
    if !stream.is_whole() {
        run.truncated.push(Truncated {
            stream: name.to_owned(),
            bytes: stream.total_bytes,
            blake3: stream.blake3.clone().unwrap_or_default(),
        });
    }
}

fn keep_artifacts(
    folder: &Path,
    settings: &Settings,
    redactor: &Redactor,
    files: &mut Vec<NewFile>,
    run: &mut Run,
) -> Result<(), Error> {
    let limits = Limits { max_artifact: settings.capture.max_artifact, ..Limits::default() };
    let found = collect_artifacts(&folder.join("out"), &limits, redactor)?;
    run.remarks.extend(found.remarks);
    for artifact in found.files {
        match artifact.read(redactor)? {
            Some(bytes) => {
                let name = OsBytes([b"out/", artifact.name.0.as_slice()].concat());
                files.push(NewFile { name, bytes });
            }
            None => match artifact.content {
                ArtifactContent::TooLarge { bytes, blake3 } => {
                    run.large.push(LargeFile { path: artifact.name, bytes, blake3 });
                }
                ArtifactContent::Private { bytes } => {
                    let name = artifact.name;
                    run.remarks
                        .push(format!("the artifact `{name}` ({bytes} bytes) is private and was not kept"));
                }
                ArtifactContent::Kept(_) => {}
            },
        }
    }
    Ok(())
}

/// The configuration files that `exp.toml` names, secrets taken out.
fn config_files(
    settings: &Settings,
    top: &Path,
    redactor: &Redactor,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for pattern in &settings.config_files {
        let paths = matching(top, pattern)?;
        if paths.is_empty() {
            return Err(Error::request(format!(
                "no file is at `{pattern}`, which `[config]` in `exp.toml` names"
            ))
            .hint("mend the path, or take it out"));
        }
        for path in paths {
            if redactor.is_private_path(path.as_bytes()) {
                return Err(Error::request(format!(
                    "`{path}` is private, and `[config]` in `exp.toml` wants it kept"
                ))
                .hint("take it out of `[config]`, or out of `private-files` in `[capture]`"));
            }
            let bytes = std::fs::read(top.join(&path))
                .map_err(|error| Error::outside(format!("cannot read `{path}`")).because(error))?;
            files.push((path, redactor.redact_bytes(&bytes).into_owned()));
        }
    }
    Ok(files)
}

/// The files below `top` that `pattern` names, in which `*` stands for any name and `**` for any folders.
pub fn matching(top: &Path, pattern: &str) -> Result<Vec<String>, Error> {
    let paths = entries_matching(top, pattern)?.into_iter().filter(|path| top.join(path).is_file());
    Ok(paths.map(|path| path.to_string_lossy().into_owned()).collect())
}

/// The files that `pattern` names, and those in the folders that it names; there may be none.
pub fn files_below(top: &Path, pattern: &str) -> Result<Vec<String>, Error> {
    let mut open = entries_matching(top, pattern)?;
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        let whole = top.join(&path);
        if !whole.is_dir() {
            // A pipe or a device has no content of its own.
            if whole.is_file() {
                files.push(path.to_string_lossy().into_owned());
            }
            continue;
        }
        let listing = std::fs::read_dir(&whole)
            .map_err(|error| Error::outside(format!("cannot read `{}`", whole.display())).because(error))?;
        open.extend(listing.filter_map(Result::ok).map(|item| path.join(item.file_name())));
    }
    files.sort();
    Ok(files)
}

/// The files and folders below `top` that `pattern` names.
pub fn entries_matching(top: &Path, pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let refuse = |why: String| {
        Error::request(format!("cannot read the pattern `{pattern}` in `exp.toml`")).because(why)
    };
    if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
        return Err(refuse("it leads out of the repository".to_owned()));
    }
    let whole = format!("{}/{pattern}", glob::Pattern::escape(&top.to_string_lossy()));
    let paths = glob::glob(&whole).map_err(|error| refuse(error.to_string()))?;
    Ok(paths
        .filter_map(Result::ok)
        .filter_map(|path| path.strip_prefix(top).map(Path::to_path_buf).ok())
        .collect())
}

/// The environment with the datasets that `exp.toml` declares: version, stated hash, and the hash of the files as they are.
fn with_datasets(
    environment: &[u8],
    settings: &Settings,
    top: &Path,
    context: &Context,
) -> Result<Vec<u8>, Error> {
    let mut datasets = BTreeMap::new();
    let mut hashes = FileHashes::open(context);
    for (name, dataset) in &settings.datasets {
        let mut files = Vec::new();
        for pattern in &dataset.paths {
            let found = files_below(top, pattern)?;
            if found.is_empty() {
                return Err(Error::request(format!(
                    "no file is at `{pattern}`, which the dataset `{name}` in `exp.toml` names"
                ))
                .hint("get the data, or mend the path"));
            }
            for path in found {
                let (bytes, blake3) = hashes.of(&top.join(&path))?;
                files.push(DataFile { path, bytes, blake3 });
            }
        }
        let (hash, count) = (digest(&files), files.len());
        datasets.insert(
            name.clone(),
            serde_json::json!({
                "version": dataset.version,
                "hash": hash.or_else(|| dataset.hash.clone()),
                "files": count,
                "preprocessing": dataset.preprocessing,
            }),
        );
    }
    hashes.save();
    let mut whole: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(environment)
        .map_err(|error| Error::outside("cannot read the captured environment").because(error))?;
    whole.insert("datasets".to_owned(), serde_json::json!(datasets));
    serde_json::to_vec(&whole)
        .map_err(|error| Error::outside("cannot write the captured environment").because(error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes)
        .map_err(|error| Error::outside(format!("cannot write `{}`", path.display())).because(error))
}
