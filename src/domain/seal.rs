//! Seals: what a sealed experiment consists of, and whether what is held is what was sealed.
//!
//! The manifest names every file of the bundle with its hash; its own hash stands in the message of the tag. Whoever has the tag
//! can so tell every byte of the bundle from any other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attestation::ATTESTATION;
use super::brief::Brief;
use super::bytes::OsBytes;
use super::entry::{Body, Entry};
use super::id::{EntryId, hex};

/// What the manifest says it is.
pub const SCHEMA: &str = "git-exp/manifest/1";
/// The folder of the bundle, in the tree of the seal.
pub const FOLDER: &str = ".exp";
/// The file that names all others.
pub const MANIFEST: &str = "manifest.json";
/// The comparison that was sealed.
pub const COMPARISON: &str = "comparison.json";
/// What the comparison was made by, besides the runs and the brief.
pub const TERMS: &str = "terms.json";
/// What the line of the tag's message begins with that has the manifest's digest.
pub const TRAILER: &str = "Manifest: ";

/// The page of the bundle.
pub const README: &str = "README.md";
/// The script that runs it all again.
pub const SCRIPT: &str = "repro.sh";
/// What keeps Git from rewriting the bundle.
pub const ATTRIBUTES: &str = ".gitattributes";
/// The files of a bundle that are made from the others.
const FOLLOWING: [&str; 3] = [README, SCRIPT, ATTRIBUTES];

/// The list of all that was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of the program that sealed.
    pub tool: String,
    /// The experiment's name.
    pub experiment: String,
    /// The entry that registered it.
    pub registration: String,
    /// The topic it belongs to.
    pub topic: Option<String>,
    /// What was decided about it.
    pub decision: Option<SealedDecision>,
    /// The code.
    pub code: SealedCode,
    /// The entries of the experiment, in their order.
    pub entries: Vec<String>,
    /// The entries of what it is compared with: runs, and the briefs that these cite.
    pub baseline: Vec<String>,
    /// What was not in order when it was sealed.
    pub missing: Vec<String>,
    /// Files of entries that are known by their hash only.
    pub by_hash_only: Vec<FileByHash>,
    /// Every file of the bundle but the manifest, in the order of their paths.
    pub files: Vec<SealedFile>,
}

/// The decision in force when an experiment was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDecision {
    /// Its word.
    pub decision: String,
    /// The entry that has it.
    pub entry: String,
}

/// The commits that a seal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCode {
    /// The code that the tree of the seal is.
    pub candidate: String,
    /// What that code is.
    pub candidate_is: String,
    /// The code that it is compared with, where there is one.
    pub baseline: Option<String>,
}

/// A file of an entry that is not in the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileByHash {
    /// The entry.
    pub entry: String,
    /// Its name there.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

/// A file of the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// Where it is, from the folder of the bundle.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

/// A file as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

impl Held {
    /// The file with this content.
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, blake3: digest(content) }
    }
}

/// Something about a seal that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was looked at: `tag`, `signature`, `manifest`, `file`, `attestation`, `entry`, `code`, `history`, `brief`,
    /// `evaluation` or `comparison`.
    pub check: &'static str,
    /// Which of them.
    pub subject: String,
    /// What is wrong.
    pub what: String,
}

impl Failure {
    /// What is wrong with `subject`.
    pub fn new(check: &'static str, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), what: what.into() }
    }
}

/// The digest of some bytes: their BLAKE3, in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex(blake3::hash(bytes).as_bytes())
}

/// What is said of files that are not in a bundle.
pub fn known_by_hash(files: usize) -> String {
    match files {
        1 => "1 file of runs is known by its hash only".to_owned(),
        count => format!("{count} files of runs are known by their hash only"),
    }
}

/// How a manifest writes a name: as it is, or in hex after `hex:` where it is not UTF-8.
pub fn written_name(name: &OsBytes) -> String {
    name.as_str().map_or_else(|| format!("hex:{}", hex(&name.0)), str::to_owned)
}

/// Where the entry with this ID is in the bundle.
pub fn entry_path(id: &str) -> String {
    format!("entries/{id}.json")
}

/// Where a file of the entry with this ID is in the bundle.
pub fn file_path(id: &str, name: &[u8]) -> Vec<u8> {
    [b"files/", id.as_bytes(), b"/", name].concat()
}

impl Manifest {
    /// The bytes that are stored: equal manifests have equal ones.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest holds nothing that JSON cannot");
        bytes.push(b'\n');
        bytes
    }

    /// What stands in the message of the tag.
    pub fn digest(&self) -> String {
        digest(&self.to_bytes())
    }

    /// The manifest that `bytes` hold, or why they hold none.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        if manifest.schema != SCHEMA {
            return Err(format!("its schema `{}` is not known to this version", manifest.schema));
        }
        Ok(manifest)
    }

    /// Whether this seal is of the same state as `other`, and holds all that `other` would hold.
    ///
    /// What was asked for may differ: an attestation, and how long files of runs may be. The page and the script follow from the rest.
    pub fn covers(&self, other: &Self) -> bool {
        let stated = |it: &Self| {
            (it.registration.clone(), it.decision.clone(), it.entries.clone(), it.baseline.clone())
        };
        let commits = |it: &Self| (it.code.candidate.clone(), it.code.baseline.clone());
        let files = |it: &Self| -> BTreeMap<String, String> {
            it.files.iter().map(|file| (file.path.clone(), file.blake3.clone())).collect()
        };
        let (here, wanted) = (files(self), files(other));
        let is_held = |(path, hash): (&String, &String)| match here.get(path) {
            Some(held) => held == hash || path == ATTESTATION || FOLLOWING.contains(&path.as_str()),
            None => false,
        };
        let is_optional = |path: &String| path.starts_with("files/") || path == ATTESTATION;
        stated(self) == stated(other)
            && commits(self) == commits(other)
            && self.missing.iter().all(|it| other.missing.contains(it))
            && wanted.iter().all(is_held)
            && here.keys().all(|path| wanted.contains_key(path) || is_optional(path))
    }

    /// The IDs of all entries, those of the baseline last.
    pub fn all_entries(&self) -> impl Iterator<Item = &String> {
        self.entries.iter().chain(&self.baseline)
    }
}

/// Holds the manifest's digest against the one that the tag's message states.
pub fn check_digest(bytes: &[u8], message: &str) -> Option<Failure> {
    let stated = message.lines().filter_map(|line| line.strip_prefix(TRAILER)).next_back();
    let is = digest(bytes);
    match stated.map(str::trim) {
        None => Some(Failure::new("tag", "message", "it states no digest of the manifest")),
        Some(stated) if stated == is => None,
        Some(stated) => {
            let what = format!("its digest is {is}, and the tag states {stated}");
            Some(Failure::new("manifest", MANIFEST, what))
        }
    }
}

/// Holds every file against the manifest: missing, altered, or more than there were; paths are from the bundle's folder.
pub fn check_files(manifest: &Manifest, held: &BTreeMap<String, Held>) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut named = BTreeSet::from([MANIFEST]);
    for file in &manifest.files {
        if !named.insert(&file.path) {
            failures.push(Failure::new("file", &file.path, "the manifest names it twice"));
        }
        match held.get(&file.path) {
            None => failures.push(Failure::new("file", &file.path, "it is missing")),
            Some(it) if it.blake3 != file.blake3 || it.bytes != file.bytes => {
                failures.push(Failure::new("file", &file.path, "it was altered"));
            }
            Some(_) => {}
        }
    }
    let extra = held.keys().filter(|path| !named.contains(path.as_str()));
    failures.extend(extra.map(|path| Failure::new("file", path, "the manifest does not name it")));
    failures
}

/// Holds the entries, each under the ID it is stored by, against the manifest and against each other.
pub fn check_entries(
    manifest: &Manifest,
    entries: &BTreeMap<String, Entry>,
    held: &BTreeMap<String, Held>,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let stored: BTreeSet<&str> =
        held.keys().filter_map(|path| path.strip_prefix("entries/")?.strip_suffix(".json")).collect();
    let named: BTreeSet<&str> = manifest.all_entries().map(String::as_str).collect();
    for id in named.difference(&stored) {
        failures.push(Failure::new("entry", *id, "it is missing"));
    }
    for id in stored.difference(&named) {
        failures.push(Failure::new("entry", *id, "the manifest does not list it"));
    }
    let own: BTreeSet<&str> = manifest.entries.iter().map(String::as_str).collect();
    let by_hash: BTreeSet<(&str, &str, &str)> =
        manifest.by_hash_only.iter().map(|it| (&*it.entry, &*it.name, &*it.blake3)).collect();
    for (id, entry) in entries {
        if entry.id.to_hex() != *id {
            failures.push(Failure::new("entry", id, "its bytes are not those that its ID is made of"));
            continue;
        }
        if let Body::Unreadable { problem, .. } = &entry.body {
            failures.push(Failure::new("entry", id, problem));
        }
        for file in entry.files.iter().flat_map(|list| &list.files) {
            let path = written_name(&OsBytes(file_path(id, &file.name.0)));
            let name = written_name(&file.name);
            match held.get(&path) {
                Some(it) if it.blake3 != file.blake3 => {
                    failures.push(Failure::new("file", path, "it is not the file that its entry has"));
                }
                None if !by_hash.contains(&(id.as_str(), &*name, &*file.blake3)) => {
                    failures.push(Failure::new("file", path, "its entry has it, and the seal does not"));
                }
                _ => {}
            }
        }
        if own.contains(id.as_str())
            && entry.registration().map(|it| it.to_hex()).as_ref() != Some(&manifest.registration)
        {
            failures.push(Failure::new("entry", id, "it is of another experiment"));
        }
    }
    failures.extend(check_runs(entries));
    failures.extend(check_decision(manifest, entries));
    failures
}

/// Whether every run cites a brief that was sealed and is its experiment's, and ran with the evaluation code as it was.
pub fn check_runs(entries: &BTreeMap<String, Entry>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (id, entry) in entries {
        let Body::Run(run) = &entry.body else { continue };
        if run.evaluation_changed {
            failures.push(Failure::new(
                "evaluation",
                id,
                "it ran with other evaluation code than the topic's",
            ));
        }
        if run.membership.registration.is_none() {
            // A day's scratch promised nothing.
            continue;
        }
        let what = match run.membership.brief.map(|brief| entries.get(&brief.to_hex())) {
            None => "it cites no brief",
            Some(None) => "the brief that it cites is not in the seal",
            Some(Some(brief)) if !matches!(brief.body, Body::Brief(_)) => "what it cites is no brief",
            Some(Some(brief)) if brief.registration() != run.membership.registration => {
                "the brief that it cites is of another experiment"
            }
            Some(Some(_)) => continue,
        };
        failures.push(Failure::new("brief", id, what));
    }
    failures
}

/// Whether the decision is what the entry says that has it.
fn check_decision(manifest: &Manifest, entries: &BTreeMap<String, Entry>) -> Option<Failure> {
    let decision = manifest.decision.as_ref()?;
    match entries.get(&decision.entry).map(|entry| &entry.body) {
        Some(Body::Decision(ruling)) if ruling.decision.word() == decision.decision => None,
        _ => Some(Failure::new("entry", &decision.entry, "it is not the decision that the manifest names")),
    }
}

/// The brief that the entry `id` has, where it is of the experiment and no sealed entry takes its place.
pub fn brief_in_force<'a>(
    manifest: &Manifest,
    entries: &'a BTreeMap<String, Entry>,
    id: EntryId,
) -> Result<&'a Brief, &'static str> {
    let Some(Entry { body: Body::Brief(it), .. }) = entries.get(&id.to_hex()) else {
        return Err("the brief it was judged by is not in the seal");
    };
    if !manifest.entries.contains(&id.to_hex()) {
        return Err("the brief it was judged by is another experiment's");
    }
    // Two amendments that replace the same brief are a conflict, which the definition of done tells of.
    if entries.values().any(|entry| entry.replaces.contains(&id) && matches!(entry.body, Body::Brief(_))) {
        return Err("the brief it was judged by was amended since");
    }
    Ok(&it.brief)
}

#[cfg(test)]
mod tests {
    use super::super::difference::tests::a_run;
    use super::super::entry::{Identity, Registration};
    use super::super::id::Nonce;
    use super::*;

    fn manifest(files: &[(&str, &[u8])]) -> (Manifest, BTreeMap<String, Held>) {
        let held: BTreeMap<String, Held> =
            files.iter().map(|(path, content)| ((*path).to_owned(), Held::of(content))).collect();
        let files = held.iter().map(|(path, it)| SealedFile {
            path: path.clone(),
            bytes: it.bytes,
            blake3: it.blake3.clone(),
        });
        let manifest = Manifest { schema: SCHEMA.to_owned(), files: files.collect(), ..Manifest::default() };
        (manifest, held)
    }

    #[test]
    fn what_was_written_is_read_again_and_equal_manifests_have_equal_bytes() {
        let (one, _) = manifest(&[("README.md", b"x"), ("repro.sh", b"y")]);
        assert_eq!(Manifest::read(&one.to_bytes()), Ok(one.clone()));
        assert_eq!(one.digest(), one.clone().digest());
        let later = Manifest { schema: "git-exp/manifest/9".to_owned(), ..one };
        assert_eq!(
            Manifest::read(&later.to_bytes()).unwrap_err(),
            "its schema `git-exp/manifest/9` is not known to this version"
        );
    }

    #[test]
    fn the_digest_in_the_tag_is_that_of_the_stored_bytes() {
        let (manifest, _) = manifest(&[]);
        let message = format!("A-001\n\n{TRAILER}{}\n-----BEGIN SSH SIGNATURE-----\n", manifest.digest());
        assert_eq!(check_digest(&manifest.to_bytes(), &message), None);
        let found = check_digest(b"{}", &message).expect("it is another one");
        assert_eq!((found.check, found.subject.as_str()), ("manifest", MANIFEST));
        let found = check_digest(&manifest.to_bytes(), "A-001\n").expect("there is none");
        assert_eq!(found.check, "tag");
    }

    #[test]
    fn a_file_that_is_missing_altered_or_new_is_named_and_all_of_them_are() {
        let (manifest, mut held) = manifest(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
        assert_eq!(check_files(&manifest, &held), []);
        held.remove("a");
        held.insert("b".to_owned(), Held::of(b"4"));
        held.insert("d".to_owned(), Held::of(b"5"));
        held.insert(MANIFEST.to_owned(), Held::of(b"is not held against itself"));
        let found = check_files(&manifest, &held);
        let found: Vec<(&str, &str)> =
            found.iter().map(|it| (it.subject.as_str(), it.what.as_str())).collect();
        assert_eq!(
            found,
            [("a", "it is missing"), ("b", "it was altered"), ("d", "the manifest does not name it")]
        );
    }

    fn entry(number: u8, body: Body) -> (String, Entry) {
        let id = EntryId([number; 32]);
        let entry = Entry {
            id,
            writer: "3f2a91bc".parse().expect("a writer"),
            nonce: Nonce([number; 16]),
            time: jiff::Timestamp::UNIX_EPOCH,
            by: Identity::default(),
            replaces: Vec::new(),
            answers: None,
            files: None,
            body,
        };
        (id.to_hex(), entry)
    }

    fn brief(number: u8, registration: Option<u8>) -> (String, Entry) {
        let registration = Registration {
            experiment: "A-001".parse().expect("an ID"),
            registration: registration.map(|number| EntryId([number; 32])),
            topic: None,
            from: None,
            start: None,
            idea: None,
            brief: Brief::default(),
        };
        entry(number, Body::Brief(registration))
    }

    fn run(number: u8, registration: Option<u8>, cites: Option<u8>) -> (String, Entry) {
        let mut run = a_run();
        run.evaluation_changed = false;
        run.membership.registration = registration.map(|number| EntryId([number; 32]));
        run.membership.brief = cites.map(|number| EntryId([number; 32]));
        entry(number, Body::Run(Box::new(run)))
    }

    #[test]
    fn a_run_cites_a_sealed_brief_of_its_experiment() {
        let known = [brief(1, None), brief(2, Some(1)), brief(3, None)];
        let found = |run: (String, Entry)| {
            let found = check_runs(&known.iter().cloned().chain([run]).collect());
            found.into_iter().map(|it| it.what).collect::<Vec<_>>()
        };
        assert_eq!(found(run(9, Some(1), Some(1))), [""; 0]);
        assert_eq!(found(run(9, Some(1), Some(2))), [""; 0], "it was amended before");
        assert_eq!(found(run(9, None, None)), [""; 0], "a day's scratch promised nothing");
        assert_eq!(found(run(9, Some(1), None)), ["it cites no brief"]);
        assert_eq!(found(run(9, Some(1), Some(7))), ["the brief that it cites is not in the seal"]);
        assert_eq!(found(run(9, Some(1), Some(9))), ["what it cites is no brief"]);
        assert_eq!(found(run(9, Some(1), Some(3))), ["the brief that it cites is of another experiment"]);
        let (id, mut entry) = run(9, None, None);
        if let Body::Run(run) = &mut entry.body {
            run.evaluation_changed = true;
        }
        assert_eq!(found((id, entry)), ["it ran with other evaluation code than the topic's"]);
    }

    #[test]
    fn an_entry_that_is_missing_unlisted_or_not_what_its_id_says_is_named() {
        let (one, two) = (brief(1, None), brief(2, Some(1)));
        let entries = BTreeMap::from([one.clone(), two.clone()]);
        let held = entries.keys().map(|id| (entry_path(id), Held::of(b"x"))).collect::<BTreeMap<_, _>>();
        let listed = |entries: &[&str], registration: &str| Manifest {
            registration: registration.to_owned(),
            entries: entries.iter().map(|id| (*id).to_owned()).collect(),
            ..Manifest::default()
        };
        let found = |manifest: &Manifest, entries: &BTreeMap<String, Entry>| {
            let found = check_entries(manifest, entries, &held);
            found.into_iter().map(|it| (it.subject, it.what)).collect::<Vec<_>>()
        };
        let good = listed(&[&one.0, &two.0], &one.0);
        assert_eq!(found(&good, &entries), []);
        let other = "7".repeat(64);
        assert_eq!(
            found(&listed(&[&one.0, &other], &one.0), &entries),
            [
                (other, "it is missing".to_owned()),
                (two.0.clone(), "the manifest does not list it".to_owned())
            ]
        );
        let moved = BTreeMap::from([one.clone(), (two.0.clone(), one.1.clone())]);
        let what = "its bytes are not those that its ID is made of";
        assert_eq!(found(&good, &moved), [(two.0.clone(), what.to_owned())]);
        let of_another = listed(&[&one.0, &two.0], &two.0);
        assert_eq!(found(&of_another, &entries).len(), 2, "both are of the experiment that 1 registered");
    }

    #[test]
    fn only_the_brief_that_nothing_replaces_is_judged_by() {
        let (one, mut two) = (brief(1, None), brief(2, Some(1)));
        two.1.replaces = vec![one.1.id];
        let manifest = Manifest { entries: vec![one.0.clone(), two.0.clone()], ..Manifest::default() };
        let (first, second) = (one.1.id, two.1.id);
        let entries = BTreeMap::from([one, two]);
        assert!(brief_in_force(&manifest, &entries, second).is_ok());
        assert!(brief_in_force(&manifest, &entries, first).is_err(), "it was amended");
        assert!(brief_in_force(&manifest, &entries, EntryId([9; 32])).is_err(), "it is not there");
        assert!(brief_in_force(&Manifest::default(), &entries, second).is_err(), "it is another's");
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_written_in_hex() {
        assert_eq!(written_name(&OsBytes(b"stdout.zst".to_vec())), "stdout.zst");
        assert_eq!(written_name(&OsBytes(vec![b'a', 0xff])), "hex:61ff");
    }
}
