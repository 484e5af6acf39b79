//! `git exp seal`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::check::unfinished;
use super::comparing::compared_with_basis;
use super::deciding;
use super::documents::{explained, signature, templates};
use super::recorded::environment;
use super::research::Research;
use super::sealed_terms::SealedTerms;
use super::sealed_witnesses::{self, WITNESSES};
use super::verify::recomputed;
use super::{Answer, redaction, remotes};
use crate::config;
use crate::context::{CONFIGURATION, Context};
use crate::domain::attestation::{ATTESTATION, sha256, statement};
use crate::domain::breach::Breach;
use crate::domain::cell::Trial;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::EntryId;
use crate::domain::number::counted;
use crate::domain::quantity::parse_size;
use crate::domain::seal::{
    ATTRIBUTES, COMPARISON, FOLDER as BUNDLE, FileByHash, Held, MANIFEST, Manifest, README, SCHEMA, SCRIPT,
    SealedCode, SealedDecision, SealedFile, TERMS, TRAILER, check_digest, check_runs, entry_path, file_path,
    known_by_hash, written_name,
};
use crate::domain::state::{ExperimentState, Registered, State};
use crate::domain::withdrawal::{Results, Withdrawn};
use crate::error::Error;
use crate::git::{FILE, FOLDER, NewCommit, ObjectKind, Oid, TreeEdit};
use crate::log::index::sides::{Common, runs_of};
use crate::log::index::{Index, RowRef};
use crate::log::layout;
use crate::render::check::{CheckJson, CheckView, text};
use crate::render::comparison::{ComparisonFields, ComparisonJson};
use crate::render::json;
use crate::render::seal::{ScriptSide, SealFields, SealJson, commands, machines, repro, variables};
use crate::render::text::harmless;

/// The folder of seals among the tags.
const SEALS: &str = "refs/tags/sealed/";
/// The mode of a file that can be run.
const PROGRAM: u32 = 0o100_755;
/// The longest file of an entry that is sealed with its content, unless said otherwise.
const LONGEST: u64 = 5 << 20;
/// The file of a run that says what it ran in: small, and part of what is compared, so that it is always sealed.
const ENVIRONMENT: &[u8] = b"environment.json";
/// Nothing that Git does on checkout may change a byte of the bundle.
pub const NO_ATTRIBUTES: &str =
    "* -text -filter -ident -working-tree-encoding -export-subst -export-ignore\n";

/// Seal an experiment: its code and all that was recorded of it, in one tag that proves itself
///
/// The tag `sealed/<ID>` holds the code that was judged, the code it was compared with, every entry byte for byte, the files of runs,
/// the comparison, and a script that runs the commands again. Its message states the digest of the manifest, which names every file
/// with its hash. It is signed when Git is configured to sign tags (`tag.gpgSign`). `git exp verify` proves it in a clone of the tag alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp seal A-002 -m 'the loader that we ship'
  git exp seal A-002 --incomplete         seal what there is, and say in the seal what is missing
  git exp seal A-002 --bundle a-002.git   and write a file for a machine without network
  git push origin sealed/A-002
  git clone --branch sealed/A-002 <url>   brings code and bundle back; then: git exp verify sealed/A-002

Refused with exit status 1 unless `git exp check <ID> --done` has nothing to say.")]
pub struct Arguments {
    /// The experiment
    #[arg(value_name = "ID")]
    experiment: String,

    /// What the tag says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Seal it although it is not done; what is missing stands in the seal
    #[arg(long)]
    incomplete: bool,

    /// Add an in-toto statement with the digests of the bundle's files
    #[arg(long)]
    attest: bool,

    /// Write the tag and all that it needs into a file that `git clone` and `git fetch` read
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    /// Seal longer files by their hash only, as `5MiB`, which it is when neither this nor `[seal] max-size` in `exp.toml` says otherwise
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let (state, entries) = context.log.state_and_entries(&mut index)?;
    let (experiment, registered) = deciding::registered(context, &state, Some(&arguments.experiment))?;
    let breaches = unfinished(context, &mut index, &state, experiment)?;
    if !breaches.is_empty() && !arguments.incomplete {
        return refuse(context, experiment, breaches);
    }
    if let Some(file) = &arguments.bundle {
        check_place(file)?;
    }
    let agreed = context.settings_for(experiment.topic(), &context.repo)?.seal;
    let longest = arguments.max_size.or(agreed.max_size);
    let mut bundle = Bundle {
        repo: context.repo.clone(),
        longest: longest.unwrap_or(LONGEST),
        files: BTreeMap::new(),
        held: BTreeMap::new(),
        sha256: arguments.attest.then(BTreeMap::new),
        by_hash_only: Vec::new(),
        missing: breaches,
    };
    let sealed = fill(context, &mut index, &state, entries, (experiment, registered), &mut bundle)?;
    if !bundle.missing.is_empty() && !arguments.incomplete {
        return refuse(context, experiment, bundle.missing);
    }
    let seal = Seal { experiment, sealed, bundle };
    seal.tag(context, &state, arguments.message.as_deref(), arguments.bundle.as_deref())?;
    Ok(Answer::Yes)
}

/// Whether a bundle can be written there, before anything is sealed.
fn check_place(file: &Path) -> Result<(), Error> {
    let shown = harmless(&file.to_string_lossy()).into_owned();
    if file.exists() {
        return Err(Error::request(format!("the file `{shown}` is there already"))
            .hint("name another one for the bundle"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(Error::request(format!("cannot write the bundle `{shown}`"))
            .because(format!("there is no folder `{}`", harmless(&folder.to_string_lossy())))
            .hint("make the folder first; nothing was sealed")),
        _ => Ok(()),
    }
}

/// Says what is not in order, and seals nothing.
fn refuse(
    context: &mut Context,
    experiment: &ExperimentState,
    breaches: Vec<Breach>,
) -> Result<Answer, Error> {
    let view = CheckView { experiment: Some(experiment.name()), breaches, notes: Vec::new() };
    if context.output.json {
        context.output.object(&CheckJson::from(&view))?;
    } else {
        let page = text(&view, &context.canvas());
        context.output.text(&page)?;
    }
    context.output.say(&format!("{} is not sealed, for it is not done", experiment.name()));
    context.output.hint("mend it, or seal what there is and say what is missing: --incomplete");
    Ok(Answer::No)
}

/// Files that are put together.
struct Bundle {
    repo: crate::git::Repo,
    longest: u64,
    /// Mode and object by path.
    files: BTreeMap<Vec<u8>, (u32, Oid)>,
    held: BTreeMap<String, Held>,
    /// What is attested of the files, where that is asked for.
    sha256: Option<BTreeMap<String, String>>,
    by_hash_only: Vec<FileByHash>,
    missing: Vec<Breach>,
}

impl Bundle {
    fn add(&mut self, path: &[u8], mode: u32, content: &[u8]) -> Result<(), Error> {
        let blob = self.repo.write_object(ObjectKind::Blob, content)?;
        self.put(path.to_vec(), mode, blob, content);
        Ok(())
    }

    fn put(&mut self, path: Vec<u8>, mode: u32, blob: Oid, content: &[u8]) {
        let name = written_name(&crate::domain::bytes::OsBytes(path.clone()));
        if let Some(digests) = &mut self.sha256 {
            digests.insert(name.clone(), sha256(content));
        }
        self.held.insert(name, Held::of(content));
        self.files.insert(path, (mode, blob));
    }

    /// Adds the bytes of an entry as they were stored, and its files.
    fn add_entry(&mut self, entry: &Entry, blob: Oid) -> Result<(), Error> {
        let id = entry.id.to_hex();
        let path = entry_path(&id);
        if self.held.contains_key(&path) {
            return Ok(());
        }
        let bytes = self.repo.read_blob(blob)?;
        if EntryId(*blake3::hash(&bytes).as_bytes()) != entry.id {
            return Err(Error::outside(format!("the entry {} is damaged", entry.id.short()))
                .hint("`git exp fsck` tells what is"));
        }
        self.put(path.into_bytes(), FILE, blob, &bytes);
        let Some(list) = &entry.files else { return Ok(()) };
        let tree = Oid::from_hex(list.tree.as_str());
        let stored = match tree.map(|tree| self.repo.files_of_tree(tree, &|_| true, &|_| true)) {
            Some(Ok(stored)) => stored,
            Some(Err(error)) if !error.is_missing() => return Err(error.into()),
            _ => Vec::new(),
        };
        let stored: BTreeMap<&[u8], Oid> =
            stored.iter().map(|(name, _, oid)| (name.as_slice(), *oid)).collect();
        for file in &list.files {
            let name = written_name(&file.name);
            let is_wanted = file.bytes <= self.longest || file.name.0 == ENVIRONMENT;
            let content = match stored.get(file.name.0.as_slice()).filter(|_| is_wanted) {
                Some(blob) => match self.repo.read_blob(*blob) {
                    Ok(content) => Some((*blob, content)),
                    Err(error) if error.is_missing() => None,
                    Err(error) => return Err(error.into()),
                },
                None => None,
            };
            match content {
                Some((_, content)) if Held::of(&content).blake3 != file.blake3 => {
                    return Err(Error::outside(format!(
                        "the file `{}` of the entry {} is damaged",
                        file.name,
                        entry.id.short()
                    ))
                    .hint("`git exp fsck` tells what is"));
                }
                Some((blob, content)) => self.put(file_path(&id, &file.name.0), FILE, blob, &content),
                None => {
                    if is_wanted {
                        let what = format!("the file `{name}` of the entry {id} is not here");
                        self.missing.push(Breach::new(
                            "data",
                            what,
                            "fetch `refs/exp/data/*` from where it ran",
                        ));
                    }
                    let (bytes, blake3) = (file.bytes, file.blake3.clone());
                    self.by_hash_only.push(FileByHash { entry: id.clone(), name, bytes, blake3 });
                }
            }
        }
        Ok(())
    }

    /// What was not in order, in words.
    fn missing(&self) -> Vec<String> {
        self.missing.iter().map(|breach| format!("{}: {}", breach.rule, breach.what)).collect()
    }

    /// Every file, as a manifest names it.
    fn files(&self) -> Vec<SealedFile> {
        let named = |(path, it): (&String, &Held)| SealedFile {
            path: path.clone(),
            bytes: it.bytes,
            blake3: it.blake3.clone(),
        };
        self.held.iter().map(named).collect()
    }

    /// The tree of all files.
    fn tree(&self) -> Result<Oid, Error> {
        let edits: Vec<TreeEdit> =
            self.files.iter().map(|(path, file)| (path.clone(), Some(*file))).collect();
        Ok(self.repo.edit_tree(None, &edits)?)
    }
}

/// What goes into the manifest besides the files.
struct Sealed {
    manifest: Manifest,
    /// The code that the tree is, and the code that it is compared with.
    commits: Vec<Oid>,
}

/// What a comparison left behind.
struct Compared {
    text: String,
    terms: SealedTerms,
    fields: ComparisonFields,
    limits: Vec<String>,
    /// The commits of candidate and baseline.
    commits: [String; 2],
    rows: [Vec<RowRef>; 2],
}

/// Gathers the bundle.
fn fill(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    entries: Vec<Entry>,
    (experiment, registered): (&ExperimentState, &Registered),
    bundle: &mut Bundle,
) -> Result<Sealed, Error> {
    let brief = registered.current_entry;
    let compared = compared_with_basis(context, index, state, &experiment.name(), |comparison, basis| {
        let (from, to) = comparison.matchup.representatives();
        let (baseline, candidate) = &comparison.matchup.names;
        Compared {
            text: json::line(&ComparisonJson::from(comparison)) + "\n",
            terms: SealedTerms::new([baseline, candidate], brief, basis.terms, basis.plan),
            fields: ComparisonFields::from(comparison),
            limits: limits(comparison),
            commits: [to.run.code.commit.to_string(), from.run.code.commit.to_string()],
            rows: basis.rows.map(<[RowRef]>::to_vec),
        }
    });
    let (compared, no_comparison) = match compared {
        Ok(compared) => (Some(compared), None),
        Err(error) => {
            let why = error.causes.first().cloned().unwrap_or(error.message);
            (None, Some(why))
        }
    };
    let own_runs = match &compared {
        Some(it) => it.rows[1].clone(),
        None => runs_of(index, &[Common::Experiment(&experiment.id, Some(registered.entry))])?.concat(),
    };
    let baseline_runs = compared.as_ref().map(|it| it.rows[0].clone()).unwrap_or_default();
    let others = context.log.rows_of(index, |kind| kind != "run")?;
    let wanted = |rows: Vec<RowRef>, entries: Vec<Entry>| rows.into_iter().zip(entries).collect::<Vec<_>>();
    let own_runs = wanted(own_runs.clone(), context.log.entries(index, &own_runs)?);
    let baseline_runs = wanted(baseline_runs.clone(), context.log.entries(index, &baseline_runs)?);
    let cited: BTreeSet<EntryId> = baseline_runs
        .iter()
        .filter_map(|(_, entry)| match &entry.body {
            Body::Run(run) => run.membership.brief,
            _ => None,
        })
        .collect();
    let mut own = own_runs;
    let mut baseline = baseline_runs;
    for (row, entry) in others.into_iter().zip(&entries) {
        if entry.registration() == Some(registered.entry) {
            own.push((row, entry.clone()));
        } else if cited.contains(&entry.id) {
            baseline.push((row, entry.clone()));
        }
    }
    // The runs of a revision may hold those of the experiment that began there, which are no baseline of themselves.
    let known: BTreeSet<EntryId> = own.iter().map(|(_, entry)| entry.id).collect();
    baseline.retain(|(_, entry)| !known.contains(&entry.id));
    for side in [&mut own, &mut baseline] {
        side.sort_by_key(|(_, entry)| order(entry));
        let rows: Vec<RowRef> = side.iter().map(|(row, _)| *row).collect();
        let blobs = index.blobs(&rows)?;
        for ((_, entry), blob) in side.iter().zip(blobs) {
            bundle.add_entry(entry, blob)?;
        }
    }
    let (own, baseline) = (without_rows(own), without_rows(baseline));
    let code = code(context, experiment, registered, compared.as_ref(), &own)?;
    let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id.to_hex()).collect();
    let listed = Manifest { entries: ids(&own), baseline: ids(&baseline), ..Manifest::default() };
    let stored = own.iter().chain(&baseline).map(|entry| (entry.id.to_hex(), entry.clone())).collect();
    if let Some(witnesses) = sealed_witnesses::find(context, index, &stored)? {
        bundle.add(WITNESSES.as_bytes(), FILE, &witnesses)?;
    }
    for it in check_runs(&stored) {
        let what = format!("{}: {}", it.subject, it.what);
        bundle.missing.push(Breach::new(it.check, what, "it cannot be mended; `verify` will name it"));
    }
    if let Some(compared) = &compared {
        let again = recomputed(context, &listed, &stored, &compared.terms.to_bytes());
        if again.as_ref() != Ok(&compared.text) {
            let what = again.err().unwrap_or_else(|| "another one follows from what is sealed".to_owned());
            bundle.missing.push(Breach::new("comparison", what, "`verify` will name it"));
        }
    }
    let (own_trials, baseline_trials) = (trials(&own), trials(&baseline));
    let mut environments = Vec::new();
    for entry in own.iter().chain(&baseline).filter(|entry| matches!(entry.body, Body::Run(_))) {
        environments.push(environment(context, entry)?);
    }
    let all_trials: Vec<Trial<'_>> = own_trials.iter().chain(&baseline_trials).copied().collect();
    let mut fields = SealFields {
        experiment: experiment.name(),
        missing: bundle.missing(),
        commands: commands("candidate", &own_trials),
        machines: machines(&all_trials, &environments),
        variables: variables(&environments),
        no_comparison,
        limits: compared.as_ref().map(|it| it.limits.clone()).unwrap_or_default(),
    };
    fields.commands.extend(commands("baseline", &baseline_trials));
    fields.limits.extend(limits_of(&code, &all_trials, &bundle.by_hash_only));
    let registrations: BTreeSet<EntryId> =
        own.iter().chain(&baseline).filter_map(Entry::registration).collect();
    fields.limits.extend(withdrawn(&entries, &registrations));
    let topic = experiment.topic().cloned();
    let name = experiment.name();
    let research = Research::read(context, index, state.clone(), entries, topic.as_ref(), Some(&name))?;
    let shown = research.experiments().find(|it| it.name() == name).map(|it| research.fields(it));
    let readme = json!({
        "seal": fields, "experiment": shown, "comparison": compared.as_ref().map(|it| &it.fields),
    });
    let readme = templates(context, topic.as_ref())?.render("seal.md", &readme);
    let readme = readme.map_err(|error| explained(&error))?;
    bundle.add(ATTRIBUTES.as_bytes(), FILE, NO_ATTRIBUTES.as_bytes())?;
    bundle.add(README.as_bytes(), FILE, readme.as_bytes())?;
    bundle.add(SCRIPT.as_bytes(), PROGRAM, &script(context, &baseline_trials, &own_trials))?;
    if let Some(compared) = &compared {
        bundle.add(COMPARISON.as_bytes(), FILE, compared.text.as_bytes())?;
        bundle.add(TERMS.as_bytes(), FILE, &compared.terms.to_bytes())?;
    }
    let commits = [Some(&code.candidate), code.baseline.as_ref()].into_iter().flatten();
    let mut parents: Vec<Oid> = Vec::new();
    for commit in commits {
        let ran_at =
            |entry: &&Entry| matches!(&entry.body, Body::Run(run) if run.code.commit.as_str() == commit);
        let here = here(context, commit);
        if let (true, Some(run)) = (here.is_err(), own.iter().chain(&baseline).find(ran_at)) {
            context.log.refuse_withdrawn_code_of(index, run.id)?;
        }
        let commit = here?;
        context.log.refuse_withdrawn_code(commit)?;
        if !parents.contains(&commit) {
            parents.push(commit);
        }
    }
    let mut manifest = Manifest {
        schema: SCHEMA.to_owned(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        experiment: name,
        registration: registered.entry.to_hex(),
        topic: topic.map(|it| it.to_string()),
        decision: experiment.ruling().map(|it| SealedDecision {
            decision: it.ruling.decision.word().to_owned(),
            entry: it.entry.to_hex(),
        }),
        code,
        entries: listed.entries,
        baseline: listed.baseline,
        missing: bundle.missing(),
        by_hash_only: std::mem::take(&mut bundle.by_hash_only),
        files: bundle.files(),
    };
    if let Some(digests) = bundle.sha256.take() {
        bundle.add(ATTESTATION.as_bytes(), FILE, &statement(&manifest, &digests))?;
        manifest.files = bundle.files();
    }
    Ok(Sealed { manifest, commits: parents })
}

/// Entries go by time; trials that began at once by their numbers.
fn order(entry: &Entry) -> (jiff::Timestamp, u32, EntryId) {
    let trial = match &entry.body {
        Body::Run(run) => run.trial,
        _ => 0,
    };
    (entry.time, trial, entry.id)
}

fn without_rows(entries: Vec<(RowRef, Entry)>) -> Vec<Entry> {
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The trials among these entries, in their order.
pub fn trials<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Trial<'a>> {
    let trials = entries.into_iter().filter_map(|entry| match &entry.body {
        Body::Run(run) => Some(Trial { id: entry.id, run: run.as_ref() }),
        _ => None,
    });
    trials.collect()
}

/// The code that is sealed: that of the newest complete cell, for the numbers are of it and the branch may have gone on since;
/// without a comparison the tip of the branch, or what ran last.
fn code(
    context: &Context,
    experiment: &ExperimentState,
    registered: &Registered,
    compared: Option<&Compared>,
    own: &[Entry],
) -> Result<SealedCode, Error> {
    if let Some(Compared { commits: [candidate, baseline], .. }) = compared {
        return Ok(SealedCode {
            candidate: candidate.clone(),
            candidate_is: "the code of the newest complete cell, which was compared".to_owned(),
            baseline: Some(baseline.clone()),
        });
    }
    let branch = format!("refs/heads/{}", layout::experiment_branch(&experiment.id));
    let tip = match context.repo.read_ref(&branch)? {
        Some(tip) => Some(tip),
        None => context.repo.read_ref(&layout::archive_ref(&experiment.id))?,
    };
    let newest = own.iter().rev().find_map(|entry| match &entry.body {
        Body::Run(run) => Some(run.code.commit.to_string()),
        _ => None,
    });
    let found = tip.map(|tip| (tip.to_hex(), "the tip of its branch"));
    let Some((candidate, what)) = found.or(newest.map(|commit| (commit, "the code that ran last"))) else {
        return Err(Error::request(format!("{} has no code to seal", experiment.name()))
            .because("its branch is not here, and nothing ran"));
    };
    Ok(SealedCode {
        candidate,
        candidate_is: what.to_owned(),
        baseline: registered.current.start.as_ref().map(ToString::to_string),
    })
}

/// The script that runs these trials again.
pub fn script(context: &Context, baseline: &[Trial<'_>], own: &[Trial<'_>]) -> Vec<u8> {
    let sides = [("baseline", baseline), ("candidate", own)];
    repro(&sides.map(|(name, trials)| ScriptSide { name, setup: setup(context, trials), trials }))
}

/// The setup command that each code which ran names in its `exp.toml`; none where that cannot be read.
fn setup<'a>(context: &Context, trials: &[Trial<'a>]) -> BTreeMap<&'a str, Vec<String>> {
    let commits: BTreeSet<&str> = trials.iter().map(|it| it.run.code.commit.as_str()).collect();
    let command = |commit: &str| {
        let text = context.text_at(Oid::from_hex(commit)?, CONFIGURATION).ok()??;
        Some(config::parse(&text, CONFIGURATION).ok()?.setup)
    };
    commits.into_iter().filter_map(|commit| Some((commit, command(commit)?))).collect()
}

/// A commit that has to be here.
fn here(context: &Context, commit: &str) -> Result<Oid, Error> {
    Oid::from_hex(commit).filter(|it| context.repo.has_object(*it)).ok_or_else(|| {
        Error::outside(format!("the code {commit} is not here"))
            .hint("fetch it from the clone that ran it: git fetch <remote> 'refs/exp/code/*:refs/exp/code/*'")
    })
}

/// What a comparison says against itself.
fn limits(comparison: &crate::domain::comparison::Comparison<'_>) -> Vec<String> {
    let left_out = comparison.matchup.left_out.iter();
    let left_out =
        left_out.map(|it| format!("runs of the {} left out: {}, for {}", it.side, it.trials, it.why));
    let strata = comparison.strata.iter().map(|(hardware, outcome)| {
        format!("on other hardware ({hardware}) the comparison says: {}", outcome.word())
    });
    comparison.warnings.iter().cloned().chain(left_out).chain(strata).collect()
}

/// What the seal does not hold.
fn limits_of(code: &SealedCode, trials: &[Trial<'_>], by_hash_only: &[FileByHash]) -> Vec<String> {
    let mut limits = Vec::new();
    let inexact: BTreeSet<&str> =
        trials.iter().flat_map(|it| &it.run.code.inexact).map(String::as_str).collect();
    limits
        .extend(inexact.into_iter().map(|why| format!("code that ran is not exactly what was kept: {why}")));
    let is_held = |commit: &str| commit == code.candidate || Some(commit) == code.baseline.as_deref();
    let elsewhere = trials.iter().filter(|it| !is_held(it.run.code.commit.as_str())).count();
    if elsewhere > 0 {
        limits.push(format!(
            "{elsewhere} of {} runs ran other code than the two commits that this seal is made on",
            trials.len()
        ));
    }
    if !by_hash_only.is_empty() {
        limits.push(known_by_hash(by_hash_only.len()));
    }
    limits
}

/// The runs of these experiments that were taken back, each withdrawal with its reason: what is left out must be said.
fn withdrawn(entries: &[Entry], registrations: &BTreeSet<EntryId>) -> Vec<String> {
    let line = |entry: &Entry| {
        let Body::Withdrawal(it) = &entry.body else { return None };
        let is_of = |one: &&Withdrawn| {
            one.kind == "run" && one.registration.is_some_and(|it| registrations.contains(&it))
        };
        let runs = it.entries.iter().filter(is_of).count();
        let were = format!("{} {}", counted(runs, "run"), if runs == 1 { "was" } else { "were" });
        (runs > 0 && it.results == Results::Withdrawn).then(|| {
            format!("{were} withdrawn and {} left out: {}", if runs == 1 { "is" } else { "are" }, it.because)
        })
    };
    entries.iter().filter_map(line).collect()
}

/// What is about to become a tag.
struct Seal<'a> {
    experiment: &'a ExperimentState,
    sealed: Sealed,
    bundle: Bundle,
}

impl Seal<'_> {
    fn tag(
        mut self,
        context: &mut Context,
        state: &State,
        message: Option<&str>,
        file: Option<&Path>,
    ) -> Result<(), Error> {
        let wanted = self.sealed.manifest;
        let name = self.experiment.name();
        let standing = standing(context, self.experiment, &wanted, &self.sealed.commits)?;
        let already = standing.is_some();
        let Standing { tag, commit, tree, manifest } = match standing {
            Some(standing) => standing,
            None => {
                let manifest = wanted.clone();
                let digest = manifest.digest();
                self.bundle.add(MANIFEST.as_bytes(), FILE, &manifest.to_bytes())?;
                let bundle = self.bundle.tree()?;
                let code = context.repo.read_commit(self.sealed.commits[0])?.tree;
                let tree = context.repo.edit_tree(Some(code), &[(BUNDLE.into(), Some((FOLDER, bundle)))])?;
                let subject = match &manifest.decision {
                    Some(it) => format!("sealed: {name}, {}", it.decision),
                    None => format!("sealed: {name}"),
                };
                let who = signature(context);
                let commit = NewCommit {
                    tree,
                    parents: self.sealed.commits,
                    author: who.clone(),
                    committer: who,
                    message: format!("{subject}\n\n{TRAILER}{digest}\n").into_bytes(),
                };
                let bytes = context.repo.encode_commit(&commit);
                let commit = context.repo.write_object(ObjectKind::Commit, &bytes)?;
                let tag = next_name(context, state, self.experiment)?;
                let text = match message {
                    Some(text) => {
                        let mut text = text.to_owned();
                        redaction::texts(context, [&mut text])?;
                        text
                    }
                    None => subject,
                };
                context.repo.make_tag(&tag, commit, &format!("{}\n\n{TRAILER}{digest}\n", text.trim()))?;
                Standing { tag, commit, tree, manifest }
            }
        };
        let digest = manifest.digest();
        if let Some(file) = file {
            context.repo.write_bundle(file, &format!("refs/tags/{tag}"))?;
        }
        let made = context.repo.read_ref(&format!("refs/tags/{tag}"))?;
        let made = made.map(|it| context.repo.read_tag(it)).transpose()?.flatten();
        let signed = made.is_some_and(|it| it.is_signed);
        let view = SealJson {
            schema: "git-exp/seal/1",
            experiment: &name,
            tag: &tag,
            commit: commit.to_hex(),
            tree: tree.to_hex(),
            manifest: &digest,
            signed,
            already,
            entries: manifest.all_entries().count(),
            files: manifest.files.len() + 1,
            bytes: manifest.files.iter().map(|it| it.bytes).sum(),
            missing: &manifest.missing,
        };
        if context.output.json {
            return context.output.object(&view);
        }
        let is_signed = if signed { "signed" } else { "not signed" };
        if already {
            context.output.line(&format!("already sealed as {tag}, {is_signed}\nmanifest {digest}"))?;
            let more = manifest.files.len().saturating_sub(wanted.files.len());
            if more > 0 {
                let has = format!("it has {} more than was asked for", counted(more, "file"));
                context.output.say(&has);
            }
        } else {
            context.output.line(&format!(
                "{tag}: {} and {} sealed, {is_signed}\nmanifest {digest}",
                counted(view.entries, "entry"),
                counted(view.files, "file")
            ))?;
        }
        if let Some(file) = file {
            context.output.line(&format!("bundle {}", harmless(&file.to_string_lossy())))?;
        }
        for it in &manifest.missing {
            context.output.say(&format!("incomplete: {}", harmless(it)));
        }
        let remote = remotes::named(context, None).unwrap_or_else(|_| "<remote>".to_owned());
        context
            .output
            .hint(&format!("`git push {remote} {tag}` hands it over; `git exp verify {tag}` proves it"));
        Ok(())
    }
}

/// A tag that seals an experiment.
struct Standing {
    tag: String,
    commit: Oid,
    tree: Oid,
    manifest: Manifest,
}

/// The tag that seals this very state already, with all that is wanted, and signed where tags are to be.
fn standing(
    context: &Context,
    experiment: &ExperimentState,
    wanted: &Manifest,
    parents: &[Oid],
) -> Result<Option<Standing>, Error> {
    let must_be_signed = context.repo.config_bool("tag.gpgSign").unwrap_or(false);
    for (name, oid) in context.repo.list_refs(SEALS)? {
        let tag = name["refs/tags/".len()..].to_owned();
        let key = experiment.id.key();
        let is_of_it = name[SEALS.len()..]
            .to_ascii_lowercase()
            .strip_prefix(key.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        // One that is damaged is `verify`'s to tell of.
        let Some(Ok(Some(read))) = is_of_it.then(|| context.repo.read_tag(oid)) else { continue };
        if read.name != tag || (must_be_signed && !read.is_signed) {
            continue;
        }
        let Ok(commit) = context.repo.read_commit(read.target) else { continue };
        let path = format!("{BUNDLE}/{MANIFEST}");
        let Ok(Some(bytes)) = context.repo.read_path(commit.tree, path.as_bytes()) else { continue };
        let Ok(manifest) = Manifest::read(&bytes) else { continue };
        let is_whole = check_digest(&bytes, &read.message).is_none();
        if is_whole && commit.parents == parents && manifest.covers(wanted) {
            return Ok(Some(Standing { tag, commit: read.target, tree: commit.tree, manifest }));
        }
    }
    Ok(None)
}

/// The first name that no tag has and no other experiment could be meant by: `sealed/A-001`, then `sealed/A-001-2`.
fn next_name(context: &Context, state: &State, experiment: &ExperimentState) -> Result<String, Error> {
    let taken: BTreeSet<String> = context
        .repo
        .list_refs(SEALS)?
        .into_iter()
        .map(|(name, _)| name[SEALS.len()..].to_ascii_lowercase())
        .collect();
    let is_free = |name: &String| {
        let name = name.to_ascii_lowercase();
        !taken.contains(&name)
            && (name == experiment.id.key() || state.experiments.iter().all(|it| it.id.key() != name))
    };
    let numbered = (2..).map(|number: u32| format!("{}-{number}", experiment.id));
    let name = std::iter::once(experiment.id.to_string()).chain(numbered).find(is_free);
    Ok(format!("sealed/{}", name.expect("numbers do not end")))
}
