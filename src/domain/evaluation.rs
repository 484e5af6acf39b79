//! Evaluation code: what decides how good a result is, and must stay the same for results to be compared.

use super::path_pattern::PathPattern;
use super::topic::EvaluationPin;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredFile {
    /// Its path from the top of the repository.
    pub path: Vec<u8>,
    /// Its mode, as Git stores it.
    pub mode: u32,
    /// The name of its content in hex.
    pub object: String,
}

/// Whether one of `patterns` names `path`.
pub fn is_evaluation(patterns: &[PathPattern], path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path);
    patterns.iter().any(|pattern| pattern.matches(&path))
}

/// Whether one of `patterns` may name something in `folder`.
pub fn may_hold_evaluation(patterns: &[PathPattern], folder: &[u8]) -> bool {
    let folder = String::from_utf8_lossy(folder);
    patterns.iter().any(|pattern| pattern.reaches_into(&folder))
}

/// The digest of evaluation code in hex: the BLAKE3 over the sorted paths, modes and names of contents of its files.
///
/// No file, renamed, made executable, changed, added or taken away, leaves it as it was.
pub fn digest(files: &[StoredFile]) -> String {
    let mut sorted: Vec<&StoredFile> = files.iter().collect();
    sorted.sort();
    let mut hasher = blake3::Hasher::new();
    for file in sorted {
        // A path cannot hold a zero byte, so that no two lists of files are hashed alike.
        hasher.update(&file.path).update(&[0]);
        hasher.update(format!("{:o} {}\n", file.mode, file.object).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

impl EvaluationPin {
    /// What belongs to it; what cannot be read any more names nothing.
    pub fn patterns(&self) -> Vec<PathPattern> {
        self.paths.iter().filter_map(|path| path.parse().ok()).collect()
    }

    /// The first digits of its digest, for people.
    pub fn short(&self) -> &str {
        short(&self.digest)
    }
}

/// The first digits of a digest, for people.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, mode: u32, object: &str) -> StoredFile {
        StoredFile { path: path.as_bytes().to_vec(), mode, object: object.to_owned() }
    }

    #[test]
    fn any_change_of_a_file_changes_the_digest() {
        let all = [file("eval/a.py", 0o100_644, "aa"), file("eval/b.py", 0o100_644, "bb")];
        let others = [
            vec![all[0].clone()],
            vec![all[0].clone(), file("eval/b.py", 0o100_755, "bb")],
            vec![all[0].clone(), file("eval/b.py", 0o100_644, "cc")],
            vec![all[0].clone(), file("eval/c.py", 0o100_644, "bb")],
            vec![file("eval/a.py", 0o100_644, "bb"), file("eval/b.py", 0o100_644, "aa")],
            vec![all[0].clone(), all[1].clone(), file("eval/c.py", 0o100_644, "aa")],
            Vec::new(),
        ];
        for other in others {
            assert_ne!(digest(&all), digest(&other), "{other:?}");
        }
    }

    #[test]
    fn the_digest_of_known_files_never_changes() {
        let all = [file("eval/a.py", 0o100_644, "aa"), file("eval/b.py", 0o100_644, "bb")];
        insta::assert_snapshot!(digest(&all), @"d9fc648755d486930b304ae65fcf66f2144750a0aae42400a500543eef0ee6d2");
    }

    #[test]
    fn what_a_pattern_names_is_evaluation_code() {
        let patterns =
            EvaluationPin { paths: vec!["eval/**".to_owned(), "[".to_owned()], digest: String::new() };
        let patterns = patterns.patterns();
        assert_eq!(patterns.len(), 1, "what is no pattern names nothing");
        assert!(is_evaluation(&patterns, b"eval/deep/score.py") && !is_evaluation(&patterns, b"src/eval.py"));
        assert!(is_evaluation(&patterns, b"eval/\xff.py"));
    }

    proptest! {
        #[test]
        fn the_order_of_the_files_never_matters(
            files in proptest::collection::vec(("[a-c]{1,3}", "[0-9a-f]{4}"), 0..6),
            seed in any::<prop::sample::Index>(),
        ) {
            let files: Vec<StoredFile> = files.iter().map(|(path, object)| file(path, 0o100_644, object)).collect();
            let mut turned = files.clone();
            if !turned.is_empty() {
                let by = seed.index(turned.len());
                turned.rotate_left(by);
            }
            prop_assert_eq!(digest(&files), digest(&turned));
        }
    }
}
