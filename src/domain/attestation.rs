//! Attestations: what a bundle is and what it was made from, as tools say it that know neither seals nor BLAKE3.
//!
//! An in-toto Statement, version 1 (<https://in-toto.io/Statement/v1>), with SLSA provenance (<https://slsa.dev/provenance/v1>) as
//! its predicate. It holds nothing that the same state would not give again: no time, and nobody's name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::id::hex;
use super::seal::{FOLDER, Failure, Held, MANIFEST, Manifest};

/// The file in the bundle.
pub const ATTESTATION: &str = "attestation.json";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// How it was built: by the rules that `docs/reference/seals.md` states.
const BUILD: &str = "urn:git-exp:seal:1";
const BUILDER: &str = "urn:git-exp:tool";

/// The SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_kind: String,
    predicate: Value,
}

#[derive(Debug, Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: BTreeMap<String, String>,
}

/// The statement about the files of `manifest`, whose SHA-256 are given by path.
pub fn statement(manifest: &Manifest, sha256: &BTreeMap<String, String>) -> Vec<u8> {
    let subject = manifest.files.iter().filter(|file| file.path != ATTESTATION).map(|file| {
        let mut digest = BTreeMap::from([("blake3".to_owned(), file.blake3.clone())]);
        digest.extend(sha256.get(&file.path).map(|it| ("sha256".to_owned(), it.clone())));
        Subject { name: format!("{FOLDER}/{}", file.path), digest }
    });
    let statement = Statement {
        kind: STATEMENT.to_owned(),
        subject: subject.collect(),
        predicate_kind: PROVENANCE.to_owned(),
        predicate: json!({
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "experiment": manifest.experiment,
                    "registration": manifest.registration,
                    "topic": manifest.topic,
                },
                "internalParameters": {"entries": manifest.entries, "baseline": manifest.baseline},
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"git-exp": manifest.tool}}},
        }),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&statement).expect("a statement holds nothing that JSON cannot");
    bytes.push(b'\n');
    bytes
}

/// The code that the bundle is about.
fn dependencies(manifest: &Manifest) -> Vec<Value> {
    let sides =
        [("candidate", Some(&manifest.code.candidate)), ("baseline", manifest.code.baseline.as_ref())];
    let there = sides.into_iter().filter_map(|(name, commit)| Some((name, commit?)));
    there.map(|(name, commit)| json!({"name": name, "digest": {"gitCommit": commit}})).collect()
}

/// Holds a stored statement against the bundle: it speaks of every file as it is, of nothing else, and of the code that was sealed.
pub fn check(
    bytes: &[u8],
    manifest: &Manifest,
    held: &BTreeMap<String, Held>,
    sha256: &BTreeMap<String, String>,
) -> Vec<Failure> {
    let fail = |subject: &str, what: &str| Failure::new("attestation", subject, what);
    let statement: Statement = match serde_json::from_slice(bytes) {
        Ok(statement) => statement,
        Err(error) => return vec![fail(ATTESTATION, &format!("it cannot be read: {error}"))],
    };
    let mut failures = Vec::new();
    if statement.kind != STATEMENT || statement.predicate_kind != PROVENANCE {
        failures.push(fail(ATTESTATION, "it is no in-toto statement with SLSA provenance"));
    }
    let mut named = BTreeSet::new();
    for subject in &statement.subject {
        let path = subject.name.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/'));
        let there = path.and_then(|path| Some((held.get(path)?, sha256.get(path)?)));
        named.extend(path);
        let is_same = there.is_some_and(|(held, sha256)| {
            subject.digest.get("blake3") == Some(&held.blake3) && subject.digest.get("sha256") == Some(sha256)
        });
        if !is_same {
            failures.push(fail(&subject.name, "it is not the file that was attested"));
        }
    }
    let others = held.keys().filter(|path| !named.contains(path.as_str()));
    let unsaid = others.filter(|path| *path != MANIFEST && *path != ATTESTATION);
    failures.extend(unsaid.map(|path| fail(path, "nothing is attested of it")));
    let code = &statement.predicate["buildDefinition"]["resolvedDependencies"];
    if *code != Value::Array(dependencies(manifest)) {
        failures.push(fail(ATTESTATION, "it names other code than the manifest"));
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::super::seal::{SealedCode, SealedFile};
    use super::*;

    #[test]
    fn what_is_attested_holds_until_a_file_or_the_code_is_another() {
        let content = b"x".as_slice();
        let mut held = BTreeMap::from([("README.md".to_owned(), Held::of(content))]);
        let digests = BTreeMap::from([("README.md".to_owned(), sha256(content))]);
        let it = &held["README.md"];
        let file = SealedFile { path: "README.md".to_owned(), bytes: 1, blake3: it.blake3.clone() };
        let code = SealedCode { candidate: "ab".repeat(20), ..SealedCode::default() };
        let manifest = Manifest { files: vec![file], code, ..Manifest::default() };
        let bytes = statement(&manifest, &digests);
        assert_eq!(bytes, statement(&manifest, &digests));
        assert_eq!(check(&bytes, &manifest, &held, &digests), []);

        held.insert("repro.sh".to_owned(), Held::of(b""));
        let other = BTreeMap::from([("README.md".to_owned(), sha256(b"y"))]);
        let found = check(&bytes, &Manifest::default(), &held, &other);
        let found: Vec<&str> = found.iter().map(|it| it.subject.as_str()).collect();
        assert_eq!(found, [".exp/README.md", "repro.sh", ATTESTATION]);
        assert_eq!(check(b"{}", &manifest, &held, &digests).len(), 1);
    }

    #[test]
    fn the_digest_is_the_one_that_everybody_knows() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
