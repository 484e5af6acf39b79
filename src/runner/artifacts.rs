//! Artifacts: the files that a command left in its output folder.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::RunnerError;
use super::process::Limits;
use super::redact::Redactor;
use crate::domain::bytes::OsBytes;

/// More files than this in one run are a data set, which has its place elsewhere.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 64;

/// The artifacts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// The files, by name.
    pub files: Vec<Artifact>,
    /// What was renamed or left out, each as a sentence.
    pub remarks: Vec<String>,
}

/// One file that a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its path relative to the output folder, as Git can store it.
    pub name: OsBytes,
    /// What is kept of it.
    pub content: ArtifactContent,
}

/// What is kept of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactContent {
    /// All of it: where it lies.
    Kept(PathBuf),
    /// Its size and hash, because it is too large.
    TooLarge {
        /// Its length.
        bytes: u64,
        /// Its BLAKE3 in hex.
        blake3: String,
    },
    /// Its size, because it is private: a hash of what is short can be guessed from.
    Private {
        /// Its length.
        bytes: u64,
    },
}

impl Artifact {
    /// The bytes to store: text without secrets, anything else as it is; `None` for a file that is too large or private.
    pub fn read(&self, redactor: &Redactor) -> Result<Option<Vec<u8>>, RunnerError> {
        let ArtifactContent::Kept(path) = &self.content else { return Ok(None) };
        let bytes = fs::read(path).map_err(|source| RunnerError::Folder {
            attempt: "read",
            path: path.clone(),
            source,
        })?;
        if is_binary(&bytes) {
            return Ok(Some(bytes));
        }
        Ok(Some(redactor.redact_bytes(&bytes).into_owned()))
    }
}

/// Whether bytes are no text, as Git decides it.
pub fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(8192)]).is_some()
}

/// Lists what a command left in `directory`; links and devices are told and left alone.
pub fn collect_artifacts(
    directory: &Path,
    limits: &Limits,
    redactor: &Redactor,
) -> Result<Artifacts, RunnerError> {
    let mut walk = Walk {
        limit: limits.max_artifact.min(Limits::MAX_ARTIFACT),
        redactor,
        artifacts: Artifacts::default(),
        names: BTreeSet::new(),
    };
    walk.folder(directory, &[], 0)?;
    walk.artifacts.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(walk.artifacts)
}

struct Walk<'a> {
    limit: u64,
    redactor: &'a Redactor,
    artifacts: Artifacts,
    names: BTreeSet<Vec<u8>>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &[u8], depth: usize) -> Result<(), RunnerError> {
        let items = match fs::read_dir(folder) {
            Ok(items) => items,
            // The command may have taken the folder away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed("list", folder)(source)),
        };
        let mut names: Vec<OsString> = items
            .map(|item| item.map(|item| item.file_name()))
            .collect::<io::Result<_>>()
            .map_err(failed("list", folder))?;
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let original = [prefix, name.as_bytes()].concat();
            let kind = fs::symlink_metadata(&path).map_err(failed("look at", &path))?.file_type();
            if kind.is_symlink() {
                self.remark(&original, "is a link and was left out");
            } else if kind.is_dir() && depth >= MAX_DEPTH {
                self.remark(&original, "lies too deep and was left out");
            } else if kind.is_dir() {
                let mut below = [prefix, &self.storable(prefix, name.as_bytes(), &original)].concat();
                below.push(b'/');
                self.folder(&path, &below, depth + 1)?;
            } else if !kind.is_file() {
                self.remark(&original, "is no file and was left out");
            } else if self.artifacts.files.len() >= MAX_FILES {
                self.artifacts
                    .remarks
                    .push(format!("there are more than {MAX_FILES} artifacts; the rest was left out"));
                return Ok(());
            } else {
                let stored = [prefix, &self.storable(prefix, name.as_bytes(), &original)].concat();
                let content = self.content(&path, &original)?;
                self.artifacts.files.push(Artifact { name: OsBytes(stored), content });
            }
        }
        Ok(())
    }

    fn content(&self, path: &Path, original: &[u8]) -> Result<ArtifactContent, RunnerError> {
        let bytes = fs::metadata(path).map_err(failed("read", path))?.len();
        if self.redactor.is_private_path(original) {
            return Ok(ArtifactContent::Private { bytes });
        }
        if bytes <= self.limit {
            let is_private = self.redactor.knows_private_text()
                && self.redactor.holds_private_text(&fs::read(path).map_err(failed("read", path))?);
            return Ok(match is_private {
                true => ArtifactContent::Private { bytes },
                false => ArtifactContent::Kept(path.to_owned()),
            });
        }
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(path).map_err(failed("read", path))?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => hasher.update(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(failed("read", path)(source)),
            };
        }
        Ok(ArtifactContent::TooLarge {
            bytes: hasher.count(),
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }

    /// The name under which Git stores `name`: itself, unless Git or a host would refuse it, or it holds a secret.
    fn storable(&mut self, prefix: &[u8], name: &[u8], original: &[u8]) -> Vec<u8> {
        let mut stored = self.redactor.redact_bytes(name).into_owned();
        if is_refused(&stored) {
            stored = [b"_", stored.strip_prefix(b".").unwrap_or(&stored)].concat();
            // The other spellings go by what they look like to some file system.
            stored
                .iter_mut()
                .filter(|byte| matches!(byte, b'~' | b'\\' | b':'))
                .for_each(|byte| *byte = b'_');
        }
        let mut unique = stored.clone();
        let mut number = 1;
        while !self.names.insert([prefix, &unique].concat()) {
            number += 1;
            unique = [&stored[..], format!("-{number}").as_bytes()].concat();
        }
        if unique != name {
            self.remark(original, &format!("is stored as `{}`", String::from_utf8_lossy(&unique)));
        }
        unique
    }

    fn remark(&mut self, name: &[u8], what: &str) {
        if self.artifacts.remarks.len() < 100 {
            let name = self.redactor.redact_text(&String::from_utf8_lossy(name));
            self.artifacts.remarks.push(format!("the artifact `{name}` {what}"));
        }
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunnerError {
    move |source| RunnerError::Folder { attempt, path: path.to_owned(), source }
}

/// Whether Git refuses a name in a tree, as `.git` and whatever some file system takes for it, or reads it as its own.
fn is_refused(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name).to_lowercase();
    // HFS+ ignores these characters in names, and NTFS reads a name up to a colon.
    let seen: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .collect();
    seen.split(['\\', ':']).any(|part| {
        let part = part.trim_end_matches(['.', ' ']);
        part.starts_with(".git")
            || part.starts_with("git~")
            || part.starts_with("gitmod~")
            || part.starts_with("gi7")
    }) || seen == "."
        || seen == ".."
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;

    use super::*;

    fn collect(place: &Path, limit: u64) -> Artifacts {
        let limits = Limits { max_artifact: limit, ..Limits::default() };
        collect_artifacts(place, &limits, &Redactor::new([])).unwrap()
    }

    fn names(artifacts: &Artifacts) -> Vec<String> {
        artifacts.files.iter().map(|artifact| artifact.name.to_string()).collect()
    }

    #[test]
    fn files_are_listed_with_their_folders() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("plots/empty")).unwrap();
        fs::write(place.path().join("plots/a b\n.svg"), "x").unwrap();
        fs::write(place.path().join(OsStr::from_bytes(b"\xff.bin")), "x").unwrap();
        let found = collect(place.path(), 100);
        assert_eq!(found.files[0].name.0, b"plots/a b\n.svg");
        assert_eq!(found.files[1].name.0, b"\xff.bin");
        assert_eq!(found.remarks, Vec::<String>::new());
        assert_eq!(collect(&place.path().join("gone"), 100), Artifacts::default());
    }

    #[test]
    fn a_large_file_is_known_by_size_and_hash() {
        let place = tempfile::tempdir().unwrap();
        let bytes = vec![7; 300_000];
        fs::write(place.path().join("model.bin"), &bytes).unwrap();
        let found = collect(place.path(), 299_999);
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        assert_eq!(found.files[0].content, ArtifactContent::TooLarge { bytes: 300_000, blake3 });
        assert_eq!(found.files[0].read(&Redactor::new([])).unwrap(), None);
        assert!(matches!(collect(place.path(), 300_000).files[0].content, ArtifactContent::Kept(_)));
    }

    #[test]
    fn text_is_stored_without_secrets_and_anything_else_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a.txt"), "PASSWORD=hunter2\n").unwrap();
        fs::write(place.path().join("b.bin"), "\0PASSWORD=hunter2\n").unwrap();
        let redactor = Redactor::new([]);
        let stored: Vec<Vec<u8>> = collect(place.path(), 100)
            .files
            .iter()
            .map(|artifact| artifact.read(&redactor).unwrap().unwrap())
            .collect();
        assert_eq!(stored, [&b"PASSWORD=[redacted]\n"[..], b"\0PASSWORD=hunter2\n"]);
    }

    #[test]
    fn private_files_are_known_by_name_and_size_only() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("plots")).unwrap();
        for (name, text) in
            [("plots/a.csv", "x"), ("a.txt", "\0id 123-45-6789"), ("b.txt", "id 123"), ("big.csv", "12345")]
        {
            fs::write(place.path().join(name), text).unwrap();
        }
        let files = ["*.csv".parse().unwrap()];
        let redactor =
            Redactor::new([]).with_privacy(&files, &[r"\b\d{3}-\d{2}-\d{4}\b".to_owned()]).unwrap();
        let limits = Limits { max_artifact: 100, ..Limits::default() };
        let found = collect_artifacts(place.path(), &limits, &redactor).unwrap();
        let private: Vec<(String, bool)> = found
            .files
            .iter()
            .map(|it| (it.name.to_string(), matches!(it.content, ArtifactContent::Private { .. })))
            .collect();
        let expected = [("a.txt", true), ("b.txt", false), ("big.csv", true), ("plots/a.csv", true)];
        assert_eq!(private, expected.map(|(name, is_private)| (name.to_owned(), is_private)));
        assert_eq!(found.files[0].content, ArtifactContent::Private { bytes: 15 });
        assert_eq!(found.files[0].read(&redactor).unwrap(), None);
    }

    #[test]
    fn names_that_git_refuses_are_changed() {
        let place = tempfile::tempdir().unwrap();
        for name in [".git/config", ".GIT /x", "git~1/x", "a/.git\u{200c}", ".gitmodules", "_git/config"] {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = collect(place.path(), 100);
        for name in names(&found) {
            assert!(name.split('/').all(|part| !is_refused(part.as_bytes())), "{name}");
        }
        assert_eq!(found.files.len(), 6);
        assert!(names(&found).contains(&"_git/config".to_owned()));
        assert!(names(&found).contains(&"_git-2/config".to_owned()));
        assert_eq!(found.remarks.len(), 6, "{:?}", found.remarks);
    }

    #[test]
    fn links_and_pipes_are_told_and_left_out() {
        let place = tempfile::tempdir().unwrap();
        symlink("/etc/passwd", place.path().join("link")).unwrap();
        symlink("/", place.path().join("root")).unwrap();
        assert!(
            std::process::Command::new("mkfifo").arg(place.path().join("pipe")).status().unwrap().success()
        );
        let found = collect(place.path(), 100);
        assert!(found.files.is_empty());
        assert_eq!(
            found.remarks,
            [
                "the artifact `link` is a link and was left out",
                "the artifact `pipe` is no file and was left out",
                "the artifact `root` is a link and was left out"
            ]
        );
    }

    #[test]
    fn a_secret_in_a_name_is_redacted() {
        let place = tempfile::tempdir().unwrap();
        let secret = format!("hf{}{}", "_", "abcdefghijklmnopqrstuvwxyzABCDEF");
        fs::write(place.path().join(&secret), "x").unwrap();
        let found = collect(place.path(), 100);
        assert_eq!(names(&found), ["[redacted]"]);
        assert!(!found.remarks[0].contains(&secret));
    }
}
