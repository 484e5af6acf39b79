//! `git exp verify`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::json;

use super::Answer;
use super::comparing::compared_again;
use super::seal::{self, NO_ATTRIBUTES, trials};
use super::sealed_terms::ReadTerms;
use super::sealed_witnesses::{self, WITNESSES};
use crate::context::Context;
use crate::domain::attestation::{self, ATTESTATION, sha256};
use crate::domain::bytes::OsBytes;
use crate::domain::cell::Trial;
use crate::domain::comparison::{Comparison, Terms};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::Writer;
use crate::domain::number::counted;
use crate::domain::seal::{
    ATTRIBUTES, COMPARISON, FOLDER as BUNDLE, Failure, Held, MANIFEST, Manifest, SCRIPT, TERMS,
    brief_in_force, check_digest, check_entries, check_files, known_by_hash, written_name,
};
use crate::error::Error;
use crate::git::{Commit, FILE, FOLDER, Oid, Tag, TreeEntry};
use crate::log::entry::decode;
use crate::render::comparison::ComparisonJson;
use crate::render::json::line;
use crate::render::seal::{SCRIPT_FORMAT, VerifyJson, page};
use crate::render::text::harmless;

/// The mode of a file that can be run.
const PROGRAM: u32 = 0o100_755;
/// The longest entry that is read: nothing that is honest comes near it.
const LONGEST_ENTRY: u64 = 16 << 20;
/// How many objects of history are looked at: some seconds' worth.
const LONGEST_HISTORY: usize = 500_000;

/// Verify a seal: that nothing in it was altered, and that the comparison follows from the runs
///
/// Looked at are the tag and its signature, the manifest, every file against its hash, every entry against its ID, the code and its history, the brief
/// that each run cites, the evaluation code, and the comparison, which is computed again. A clone of the tag alone is enough.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git clone --branch sealed/A-002 <url> && git exp verify sealed/A-002
  git exp verify A-002 --json

Exit status: 0 where everything is as it was sealed; 1 where anything is not, each named; 4 where a part could not be looked at,
as in a shallow clone.
An unsigned seal shows that it is whole, not who made it: whoever can move the tag can seal anew.")]
pub struct Arguments {
    /// The tag, as `sealed/A-002`
    tag: String,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let (name, oid) = find(context, &arguments.tag)?;
    let mut verified = Verified::default();
    let experiment = verified.look(context, &name, oid);
    verified.tell(context, &name, experiment.as_deref())
}

impl Verified {
    /// Says what was found.
    pub fn tell(&self, context: &mut Context, name: &str, experiment: Option<&str>) -> Result<Answer, Error> {
        let verified = self;
        if context.output.json {
            context.output.object(&VerifyJson {
                schema: "git-exp/verify/1",
                tag: name,
                experiment,
                verified: verified.failures.is_empty() && verified.unchecked.is_empty(),
                signature: verified.signature,
                failures: &verified.failures,
                checked: &verified.checked,
                unchecked: &verified.unchecked,
                notes: &verified.notes,
                briefs: &verified.briefs,
            })?;
        } else {
            context.output.text(&page(name, &verified.checked, &verified.unchecked, &verified.failures))?;
            for note in &verified.notes {
                context.output.say(&harmless(note));
            }
        }
        Ok(match (verified.failures.is_empty(), verified.unchecked.is_empty()) {
            (false, _) => Answer::No,
            (true, false) => Answer::Unknown,
            (true, true) => Answer::Yes,
        })
    }
}

/// The tag that a word names, and what it points to.
pub fn find(context: &Context, word: &str) -> Result<(String, Oid), Error> {
    let word = word.strip_prefix("refs/tags/").unwrap_or(word);
    for name in [word.to_owned(), format!("sealed/{word}")] {
        if let Ok(Some(oid)) = context.repo.read_ref(&format!("refs/tags/{name}")) {
            return Ok((name, oid));
        }
    }
    Err(Error::request(format!("there is no tag `{word}`"))
        .hint("`git tag --list 'sealed/*'` lists the seals; `git fetch origin tag <tag>` brings one"))
}

/// A seal that could be read, for whoever goes on with it.
pub struct Read {
    /// What it says.
    pub manifest: Manifest,
    /// Its entries, by the ID that they are stored under.
    pub entries: BTreeMap<String, Entry>,
    /// What its comparison was made by.
    pub terms: Option<Vec<u8>>,
}

/// What was found so far.
#[derive(Default)]
pub struct Verified {
    /// `good`, `none` or `bad`.
    pub signature: &'static str,
    /// What is not as it was sealed.
    pub failures: Vec<Failure>,
    /// The seal, where it could be read.
    pub read: Option<Read>,
    /// What could not be looked at.
    pub unchecked: Vec<String>,
    checked: Vec<String>,
    notes: Vec<String>,
    briefs: Vec<serde_json::Value>,
}

/// The bundle as it is held.
#[derive(Default)]
struct Bundle {
    held: BTreeMap<String, Held>,
    /// Entries by the ID that they are stored under.
    entries: BTreeMap<String, Entry>,
    manifest: Option<Vec<u8>>,
    comparison: Option<Vec<u8>>,
    terms: Option<Vec<u8>>,
    attestation: Option<Vec<u8>>,
    witnesses: Option<Vec<u8>>,
    script: Option<Vec<u8>>,
    /// The blobs of entries by the ID that they are stored under.
    blobs: BTreeMap<String, Oid>,
    sha256: BTreeMap<String, String>,
}

impl Verified {
    fn fail(&mut self, check: &'static str, subject: impl Into<String>, what: impl Into<String>) {
        self.failures.push(Failure::new(check, subject, what));
    }

    /// Says what was looked at, where nothing was found since there were `before` failures.
    fn note_unless_failed(&mut self, before: usize, text: String) {
        if self.failures.len() == before {
            self.checked.push(text);
        }
    }

    /// Looks at everything; gives the experiment's name where the manifest can be read.
    pub fn look(&mut self, context: &Context, name: &str, oid: Oid) -> Option<String> {
        let tag = self.tag(context, name, oid)?;
        if context.repo.is_partial().unwrap_or(false)
            && let Err(error) = context.repo.complete(oid)
        {
            self.notes
                .push(format!("this clone is a partial one, and the rest could not be fetched: {error}"));
        }
        let commit = match context.repo.read_commit(tag.target) {
            Ok(commit) if context.repo.is_intact(tag.target) => commit,
            Ok(_) => {
                self.fail("code", tag.target.to_hex(), "the commit of the seal was altered");
                return None;
            }
            Err(error) => {
                self.fail("code", tag.target.to_hex(), format!("the commit of the seal: {error}"));
                return None;
            }
        };
        let bundle = self.bundle(context, &commit);
        let Some(bytes) = &bundle.manifest else {
            self.fail("manifest", MANIFEST, "it is missing");
            return None;
        };
        self.failures.extend(check_digest(bytes, &tag.message));
        let manifest = match Manifest::read(bytes) {
            Ok(manifest) => manifest,
            Err(why) => {
                self.fail("manifest", MANIFEST, why);
                return None;
            }
        };
        let before = self.failures.len();
        self.failures.extend(check_files(&manifest, &bundle.held));
        self.note_unless_failed(
            before,
            match manifest.files.len() {
                1 => "1 file is as the manifest names it".to_owned(),
                count => format!("{count} files are as the manifest names them"),
            },
        );
        let before = self.failures.len();
        self.failures.extend(check_entries(&manifest, &bundle.entries, &bundle.held));
        let runs = bundle.entries.values().filter(|it| matches!(it.body, Body::Run(_))).count();
        let entries = match bundle.entries.len() {
            1 => "1 entry is what its ID is made of".to_owned(),
            count => format!("{count} entries are what their IDs are made of"),
        };
        let text = match runs {
            1 => format!("{entries}, and 1 run cites the brief that it ran under"),
            count => format!("{entries}, and {count} runs cite the briefs that they ran under"),
        };
        self.note_unless_failed(before, text);
        self.witnesses(context, &bundle);
        self.code(context, &manifest, &commit);
        self.follows(context, &manifest, &bundle);
        self.history(context, oid);
        if let Some(bytes) = &bundle.attestation {
            let before = self.failures.len();
            self.failures.extend(attestation::check(bytes, &manifest, &bundle.held, &bundle.sha256));
            self.note_unless_failed(before, "the attestation is of these files and this code".to_owned());
        }
        match (&bundle.comparison, &bundle.terms) {
            (Some(stated), Some(terms)) => match recomputed(context, &manifest, &bundle.entries, terms) {
                Ok(text) if text.as_bytes() == stated => {
                    self.checked.push("the comparison follows from the runs".to_owned());
                }
                Ok(_) => self.fail("comparison", COMPARISON, "from the runs another one follows"),
                Err(why) => self.fail("comparison", COMPARISON, why),
            },
            (None, None) => self.notes.push("there is no comparison in the seal".to_owned()),
            (Some(_), None) => self.fail("comparison", TERMS, "it is missing"),
            (None, Some(_)) => self.fail("comparison", COMPARISON, "it is missing"),
        }
        self.notes.extend(manifest.missing.iter().map(|it| format!("sealed as incomplete: {it}")));
        if !manifest.by_hash_only.is_empty() {
            self.notes.push(known_by_hash(manifest.by_hash_only.len()));
        }
        let elsewhere = elsewhere(&manifest, &bundle.entries);
        if elsewhere > 0 {
            let runs = counted(elsewhere, "run");
            self.notes.push(format!("{runs} ran other code than the two commits in the seal"));
        }
        let id = manifest.experiment.split('@').next().unwrap_or_default();
        let is_of_it = name
            .strip_prefix("sealed/")
            .and_then(|name| name.strip_prefix(id))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        if !is_of_it {
            self.fail("tag", name, format!("it seals {}, and is called otherwise", manifest.experiment));
        }
        let experiment = manifest.experiment.clone();
        self.read = Some(Read { manifest, entries: bundle.entries, terms: bundle.terms });
        Some(experiment)
    }

    /// The tag, its name and its signature.
    fn tag(&mut self, context: &Context, name: &str, oid: Oid) -> Option<Tag> {
        self.signature = "none";
        let tag = match context.repo.read_tag(oid) {
            Ok(Some(tag)) if context.repo.is_intact(oid) => tag,
            Ok(Some(_)) => {
                self.fail("tag", name, "its object was altered");
                return None;
            }
            Ok(None) => {
                self.fail("tag", name, "it is no annotated tag, and so states no digest");
                return None;
            }
            Err(error) => {
                self.fail("tag", name, error.to_string());
                return None;
            }
        };
        if tag.name != name {
            self.fail("tag", name, format!("it was made as `{}`", tag.name));
        }
        if !tag.is_signed {
            self.notes
                .push("the tag is not signed: it shows that the seal is whole, not who made it".to_owned());
            return Some(tag);
        }
        match context.repo.verify_tag(oid) {
            Ok((true, said)) => {
                self.signature = "good";
                let line = said.lines().find(|line| line.to_lowercase().contains("good")).unwrap_or_default();
                self.checked.push(format!("the signature: {}", line.trim()));
            }
            Ok((false, said)) => {
                self.signature = "bad";
                let said = said.lines().map(str::trim).collect::<Vec<_>>().join("; ");
                self.fail("signature", name, format!("git does not vouch for it: {said}"));
            }
            Err(error) => {
                self.signature = "bad";
                self.fail("signature", name, format!("git cannot look at it: {error}"));
            }
        }
        Some(tag)
    }

    /// Reads every file of the bundle.
    fn bundle(&mut self, context: &Context, commit: &Commit) -> Bundle {
        let mut bundle = Bundle::default();
        let folder = match context.repo.read_tree(commit.tree) {
            Ok(rows) => rows.into_iter().find(|row| row.name == BUNDLE.as_bytes() && row.mode == FOLDER),
            Err(error) => {
                self.fail("code", commit.tree.to_hex(), format!("the tree of the seal: {error}"));
                return bundle;
            }
        };
        let Some(TreeEntry { oid: tree, .. }) = folder else { return bundle };
        let files = match context.repo.files_of_tree(tree, &|_| true, &|_| true) {
            Ok(files) => files,
            Err(error) => {
                self.fail("file", BUNDLE, error.to_string());
                return bundle;
            }
        };
        let unknown: Writer = "00000000".parse().expect("eight zeros name a writer");
        for (path, mode, blob) in files {
            let name = written_name(&OsBytes(path));
            let content = match context.repo.read_blob(blob) {
                Ok(content) => content,
                Err(error) => {
                    self.fail("file", &name, format!("it cannot be read: {error}"));
                    continue;
                }
            };
            if mode != FILE && !(mode == PROGRAM && name == "repro.sh") {
                self.fail("file", &name, "it is no plain file");
            }
            let held = Held::of(&content);
            if let Some(id) = name.strip_prefix("entries/").and_then(|it| it.strip_suffix(".json")) {
                if held.bytes > LONGEST_ENTRY {
                    self.fail("entry", id, "it is larger than any entry may be");
                } else {
                    let mut entry = decode(&content, &unknown);
                    let below = format!("files/{id}");
                    if let (Some(list), Some(tree)) = (&mut entry.files, folder_at(context, tree, &below)) {
                        // What was too long is not in the bundle, so that the tree may be another one.
                        list.tree = tree;
                    }
                    bundle.entries.insert(id.to_owned(), entry);
                    bundle.blobs.insert(id.to_owned(), blob);
                }
            }
            bundle.held.insert(name.clone(), held);
            bundle.sha256.insert(name.clone(), sha256(&content));
            match name.as_str() {
                MANIFEST => bundle.manifest = Some(content),
                COMPARISON => bundle.comparison = Some(content),
                TERMS => bundle.terms = Some(content),
                WITNESSES => bundle.witnesses = Some(content),
                ATTESTATION => bundle.attestation = Some(content),
                SCRIPT => bundle.script = Some(content),
                _ => {}
            }
        }
        bundle
    }

    /// Whether the seal is made on the code that the manifest names, and every object of that is whole.
    fn code(&mut self, context: &Context, manifest: &Manifest, commit: &Commit) {
        let before = self.failures.len();
        let code = &manifest.code;
        let mut named: Vec<&String> = vec![&code.candidate];
        named.extend(code.baseline.as_ref().filter(|it| **it != code.candidate));
        let parents: Vec<String> = commit.parents.iter().map(|it| it.to_hex()).collect();
        if parents.iter().collect::<Vec<_>>() != named {
            self.fail("code", "parents", "they are not the commits that the manifest names");
        }
        let without_bundle = |tree: Oid| {
            let rows = context.repo.read_tree(tree)?;
            Ok::<_, crate::git::GitError>(
                rows.into_iter().filter(|row| row.name != BUNDLE.as_bytes()).collect::<Vec<TreeEntry>>(),
            )
        };
        let mut seen = BTreeSet::new();
        let mut objects = 0;
        for (place, parent) in commit.parents.iter().enumerate() {
            let read = match context.repo.read_commit(*parent) {
                Ok(read) if context.repo.is_intact(*parent) => read,
                Ok(_) => {
                    self.fail("code", parent.to_hex(), "the commit was altered");
                    continue;
                }
                Err(error) => {
                    self.fail("code", parent.to_hex(), error.to_string());
                    continue;
                }
            };
            if place == 0 && without_bundle(commit.tree).ok() != without_bundle(read.tree).ok() {
                self.fail("code", commit.tree.to_hex(), "the code of the seal is not that of the candidate");
            }
            objects += self.whole(context, read.tree, &mut seen);
        }
        objects += self.whole(context, commit.tree, &mut seen);
        self.note_unless_failed(
            before,
            format!("the code of both sides is there, {} of it whole", counted(objects, "object")),
        );
    }

    /// Whether the script runs what the entries say, and the attributes are what every seal has: nobody reads these before use.
    fn follows(&mut self, context: &Context, manifest: &Manifest, bundle: &Bundle) {
        let before = self.failures.len();
        let is_told = |failures: &[Failure], path: &str| failures.iter().any(|it| it.subject == path);
        if let Some(held) = bundle.held.get(ATTRIBUTES)
            && *held != Held::of(NO_ATTRIBUTES.as_bytes())
            && !is_told(&self.failures, ATTRIBUTES)
        {
            self.fail("file", ATTRIBUTES, "it is not what every seal has, and lets Git rewrite files");
        }
        let Some(script) = &bundle.script else { return };
        if !script.windows(SCRIPT_FORMAT.len()).any(|it| it == SCRIPT_FORMAT.as_bytes()) {
            let what = format!(
                "`{SCRIPT}` was made by another version ({}), and is not compared with the entries: read it before you run it",
                manifest.tool
            );
            return self.notes.push(what);
        }
        let side =
            |ids: &[String]| -> Vec<&Entry> { ids.iter().filter_map(|id| bundle.entries.get(id)).collect() };
        let (own, baseline) = (side(&manifest.entries), side(&manifest.baseline));
        let (own, baseline) = (trials(own), trials(baseline));
        let is_here = |it: &&Trial<'_>| {
            Oid::from_hex(it.run.code.commit.as_str()).is_some_and(|commit| context.repo.has_object(commit))
        };
        let elsewhere = own.iter().chain(&baseline).filter(|it| !is_here(it)).count();
        if *script == seal::script(context, &baseline, &own) {
            self.note_unless_failed(before, format!("`{SCRIPT}` runs what the entries say"));
        } else if elsewhere > 0 {
            // How their code is set up stands in an `exp.toml` that is not here.
            let of = counted(elsewhere, "run");
            self.notes.push(format!(
                "`{SCRIPT}` is not compared with the entries, for the code of {of} is not here: read it before you run it"
            ));
        } else if !is_told(&self.failures, SCRIPT) {
            self.fail("file", SCRIPT, "it does not run what the entries say: do not run it");
        }
    }

    /// Whether somebody saw each brief before it ran, or only its writer says so.
    fn witnesses(&mut self, context: &Context, bundle: &Bundle) {
        let heard =
            sealed_witnesses::hear(context, bundle.witnesses.as_deref(), &bundle.entries, &bundle.blobs);
        self.failures.extend(heard.failures);
        for (brief, who) in heard.briefs {
            match &who {
                Some(who) => self.checked.push(format!(
                    "that the brief {} came before its runs is proven: {who} had seen it",
                    brief.short()
                )),
                None => self.notes.push(format!(
                    "that the brief {} came before its runs is claimed: its runs cite it, and no other clone had seen it",
                    brief.short()
                )),
            }
            self.briefs.push(json!({
                "brief": brief.to_hex(),
                "order": if who.is_some() { "proven" } else { "claimed" },
                "witness": who,
            }));
        }
    }

    /// Whether every object that the tag reaches is what its name is made of, older history included.
    fn history(&mut self, context: &Context, tag: Oid) {
        let (objects, missing) = match context.repo.reachable_objects(tag) {
            Ok(found) => found,
            Err(error) => return self.fail("history", tag.to_hex(), error.to_string()),
        };
        let before = self.failures.len();
        let ends = context.repo.shallow_ends();
        if context.repo.is_shallow() && objects.iter().any(|oid| ends.binary_search(oid).is_ok()) {
            self.unchecked.push(
                "older history: this clone is a shallow one, and `git fetch --unshallow` brings the rest"
                    .to_owned(),
            );
        }
        if !missing.is_empty() && context.repo.is_partial().unwrap_or(false) {
            self.unchecked.push(format!(
                "{} of older history: this clone is a partial one, and the rest could not be fetched",
                counted(missing.len(), "object")
            ));
        } else {
            for name in missing {
                self.fail("history", name, "the object is missing");
            }
        }
        if objects.len() > LONGEST_HISTORY {
            self.notes.push(format!(
                "the history has {} objects, too many to look at each: `git fsck` does",
                objects.len()
            ));
            return;
        }
        for oid in &objects {
            let is_told = self.failures.iter().any(|it| it.subject == oid.to_hex());
            if !is_told && !context.repo.is_intact(*oid) {
                self.fail("history", oid.to_hex(), "the object was altered");
            }
        }
        // What is stored around an object is not part of its name: only Git looks at the checksum of a compressed file.
        if self.failures.is_empty() && !context.repo.is_partial().unwrap_or(false) {
            match context.repo.objections(tag) {
                Ok(said) => said.into_iter().for_each(|it| self.fail("history", tag.to_hex(), it)),
                Err(error) => self.fail("history", tag.to_hex(), error.to_string()),
            }
        }
        let text = match self.unchecked.is_empty() {
            true => format!("all {} of the history are whole", counted(objects.len(), "object")),
            false => format!("{} of the history are here, and whole", counted(objects.len(), "object")),
        };
        self.note_unless_failed(before, text);
    }

    /// Whether every object below a tree is what its name is made of; says how many were looked at.
    fn whole(&mut self, context: &Context, tree: Oid, seen: &mut BTreeSet<Oid>) -> usize {
        let mut objects = 0;
        let mut open = vec![(String::new(), FOLDER, tree)];
        while let Some((path, mode, oid)) = open.pop() {
            // A submodule's commit is elsewhere.
            if mode == 0o160_000 || oid == context.repo.empty_tree() || !seen.insert(oid) {
                continue;
            }
            objects += 1;
            if !context.repo.is_intact(oid) {
                let shown = if path.is_empty() { oid.to_hex() } else { path };
                self.fail("code", shown, format!("the object {oid} is missing or was altered"));
                continue;
            }
            if mode == FOLDER {
                let rows = context.repo.read_tree(oid).unwrap_or_default();
                let below = |name: &[u8]| format!("{path}/{}", String::from_utf8_lossy(name));
                open.extend(rows.into_iter().map(|row| (below(&row.name), row.mode, row.oid)));
            }
        }
        objects
    }
}

/// The folder at `path` below a tree.
fn folder_at(context: &Context, tree: Oid, path: &str) -> Option<crate::domain::id::ObjectName> {
    let mut at = tree;
    for part in path.split('/') {
        let rows = context.repo.read_tree(at).ok()?;
        at = rows.into_iter().find(|row| row.name == part.as_bytes() && row.mode == FOLDER)?.oid;
    }
    at.to_hex().parse().ok()
}

/// How many runs ran code that is neither of the two commits.
fn elsewhere(manifest: &Manifest, entries: &BTreeMap<String, Entry>) -> usize {
    let is_held = |it: &str| it == manifest.code.candidate || Some(it) == manifest.code.baseline.as_deref();
    let runs = entries.values().filter(|entry| match &entry.body {
        Body::Run(run) => !is_held(run.code.commit.as_str()),
        _ => false,
    });
    runs.count()
}

/// The comparison as it follows from sealed entries, in the bytes that `comparison.json` has.
pub fn recomputed(
    context: &Context,
    manifest: &Manifest,
    entries: &BTreeMap<String, Entry>,
    terms: &[u8],
) -> Result<String, String> {
    compared(context, manifest, entries, terms, |comparison, _| {
        line(&ComparisonJson::from(comparison)) + "\n"
    })
}

/// Compares what is sealed as it was compared, and hands what came of it to `then`, with what it was judged by.
pub fn compared<T>(
    context: &Context,
    manifest: &Manifest,
    entries: &BTreeMap<String, Entry>,
    terms: &[u8],
    then: impl FnOnce(&Comparison<'_>, &Terms<'_>) -> T,
) -> Result<T, String> {
    let terms = ReadTerms::read(terms).map_err(|why| format!("{TERMS}: {why}"))?;
    let brief = brief_in_force(manifest, entries, terms.brief)?;
    let side = |ids: &[String]| -> Vec<Entry> {
        let found = ids.iter().filter_map(|id| entries.get(id));
        found.filter(|entry| matches!(entry.body, Body::Run(_))).cloned().collect()
    };
    let [baseline, candidate] = &terms.names;
    let sides =
        ([baseline.as_str(), candidate.as_str()], [side(&manifest.baseline), side(&manifest.entries)]);
    let judged_by = terms.terms(brief);
    compared_again(context, sides, &terms.plan(brief), &judged_by, |comparison| then(comparison, &judged_by))
        .map_err(|error| error.causes.first().cloned().unwrap_or(error.message))
}
