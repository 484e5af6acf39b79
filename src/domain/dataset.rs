//! Datasets: what `exp.toml` says of them, and what is wrong with them as they are.

use super::breach::Breach;

/// The rule that a dataset has a version.
pub const VERSION: &str = "dataset-version";
/// The rule that a dataset's files are there.
pub const FILES: &str = "dataset-files";
/// The rule that a dataset's files are those that were declared.
pub const HASH: &str = "dataset-hash";
/// The rule that it is written down how a dataset came to be.
pub const PREPROCESSING: &str = "dataset-preprocessing";
/// The rule that nothing is both trained on and evaluated on.
pub const OVERLAP: &str = "dataset-overlap";
/// The rule that a dataset passes its own check.
pub const VALIDATION: &str = "dataset-validation";

/// How many examples of one kind are told.
pub const EXAMPLES: usize = 3;

/// A named, versioned dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Its version, as its makers count.
    pub version: Option<String>,
    /// Its files or folders, as paths or globs.
    pub paths: Vec<String>,
    /// The hash that its files must have.
    pub hash: Option<String>,
    /// The steps that made it what it is.
    pub preprocessing: Vec<String>,
    /// The files that list or hold the training part.
    pub train: Vec<String>,
    /// The files that list or hold the evaluation part.
    pub eval: Vec<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// The command that exits with 0 where its files have the format that they should have.
    pub validate: Option<Vec<String>>,
}

/// A file of a dataset as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataFile {
    /// Its path from the top of the worktree.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its BLAKE3 in hex.
    pub blake3: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: String,
    /// The number of the line, from 1.
    pub line: u64,
}

/// Lines that both parts of a dataset have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedLines {
    /// How many different ones there are.
    pub count: u64,
    /// Where the first few are: in the training part, and in the evaluation part.
    pub examples: Vec<(Place, Place)>,
}

/// A dataset as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its files, in the order of the patterns that name them.
    pub files: Vec<DataFile>,
    /// The hash over all of them; absent where there are none.
    pub hash: Option<String>,
    /// The files of the training part.
    pub train: Vec<DataFile>,
    /// The files of the evaluation part.
    pub eval: Vec<DataFile>,
    /// Paths and globs that name no file.
    pub absent: Vec<String>,
    /// The lines that both parts have.
    pub shared: SharedLines,
    /// How its own check failed, where it has one that did.
    pub invalid: Option<String>,
}

/// The hash over files in their order, by path and content: what a run records of its datasets.
pub fn digest(files: &[DataFile]) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(file.path.as_bytes()).update(&[0]).update(file.blake3.as_bytes());
    }
    (!files.is_empty()).then(|| hasher.finalize().to_hex().to_string())
}

impl Dataset {
    /// Every rule that the dataset `name`, as it was `found`, does not keep.
    pub fn breaches(&self, name: &str, found: &Found) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let mut breach =
            |rule: &str, what: String, mend: String| breaches.push(Breach::new(rule, what, mend));
        let section = format!("`[datasets.{name}]` in `exp.toml`");
        let is_blank = |text: &String| text.trim().is_empty();
        if self.version.as_ref().is_none_or(is_blank) {
            breach(
                VERSION,
                format!("the dataset `{name}` has no version"),
                format!("say which it is in {section}: version = \"…\""),
            );
        }
        if self.preprocessing.iter().all(is_blank) {
            breach(
                PREPROCESSING,
                format!("it is not written down how the dataset `{name}` was made"),
                format!("say it in {section}: preprocessing = [\"…\"], or [\"none\"] where it is as it came"),
            );
        }
        for pattern in &found.absent {
            breach(
                FILES,
                format!("no file of the dataset `{name}` is at `{pattern}`"),
                format!("get the data, or mend the path in {section}"),
            );
        }
        if let (Some(declared), Some(hash)) = (&self.hash, &found.hash)
            && !is_hash(declared, hash, &found.files)
        {
            breach(
                HASH,
                format!(
                    "the files of the dataset `{name}` are not those that were declared: their hash is {hash}"
                ),
                format!(
                    "bring the declared files back, or say in {section} what is there now, under a new version"
                ),
            );
        }
        if let Some(what) = shared_files(&found.train, &found.eval) {
            breach(
                OVERLAP,
                format!("the parts of the dataset `{name}` overlap: {what}"),
                "take them out of one of the parts".to_owned(),
            );
        }
        if found.shared.count > 0 {
            breach(
                OVERLAP,
                format!("the parts of the dataset `{name}` overlap: {}", in_words(&found.shared)),
                "take those lines out of one of the parts".to_owned(),
            );
        }
        if let Some(why) = &found.invalid {
            let command = match self.validate.as_deref().unwrap_or_default() {
                [shell, option, text] if shell == "sh" && option == "-c" => text.clone(),
                words => words.join(" "),
            };
            breach(
                VALIDATION,
                format!("the dataset `{name}` does not pass its own check: {why}"),
                format!("see what it says: {command}"),
            );
        }
        breaches
    }
}

/// Whether `declared` is the hash over all files, or that of the only one.
fn is_hash(declared: &str, hash: &str, files: &[DataFile]) -> bool {
    let declared = declared.trim();
    let declared = declared.strip_prefix("blake3:").unwrap_or(declared);
    let of_only_file = match files {
        [file] => Some(file.blake3.as_str()),
        _ => None,
    };
    [Some(hash), of_only_file].into_iter().flatten().any(|known| known.eq_ignore_ascii_case(declared))
}

/// The files that both parts have, by path or by content, in words; empty files are alike and tell nothing.
fn shared_files(train: &[DataFile], eval: &[DataFile]) -> Option<String> {
    let by_content: std::collections::HashMap<&str, &DataFile> =
        train.iter().filter(|file| file.bytes > 0).map(|file| (file.blake3.as_str(), file)).collect();
    let mut shared = Vec::new();
    for file in eval {
        if train.iter().any(|other| other.path == file.path) {
            shared.push(format!("`{}` is in both", file.path));
        } else if let Some(other) = by_content.get(file.blake3.as_str()).filter(|_| file.bytes > 0) {
            shared.push(format!("`{}` is the same as `{}`", file.path, other.path));
        }
    }
    let more = shared.len().saturating_sub(EXAMPLES);
    shared.truncate(EXAMPLES);
    if more > 0 {
        shared.push(format!("and {more} more"));
    }
    (!shared.is_empty()).then(|| shared.join(", "))
}

/// What lines are shared, in words that say where they are and never what they say.
fn in_words(shared: &SharedLines) -> String {
    let places: Vec<String> = shared
        .examples
        .iter()
        .map(|(train, eval)| {
            format!("line {} of `{}` is line {} of `{}`", eval.line, eval.path, train.line, train.path)
        })
        .collect();
    let lines = match shared.count {
        1 => "1 line is in both:".to_owned(),
        count => format!("{count} different lines are in both, such as"),
    };
    format!("{lines} {}", places.join(", "))
}

/// What stands for a line.
pub type LineHash = [u8; 16];

/// Takes bytes as they come and gives a hash for each line that is not blank, so that no line is ever held as text.
///
/// White space at both ends of a line, and how much of it there is between words, makes no difference.
pub struct LineHashes {
    hasher: blake3::Hasher,
    is_blank: bool,
    follows_space: bool,
    number: u64,
}

impl Default for LineHashes {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new(), is_blank: true, follows_space: false, number: 1 }
    }
}

impl LineHashes {
    /// Takes more of the file; `each` gets the number and the hash of each line that ends in it.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(u64, LineHash)) {
        for (place, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if place > 0 {
                self.end_line(each);
            }
            self.add(line);
        }
    }

    /// Ends the last line, which may lack its line feed.
    pub fn finish(mut self, each: &mut impl FnMut(u64, LineHash)) {
        self.end_line(each);
    }

    fn add(&mut self, part: &[u8]) {
        let mut rest = part;
        while !rest.is_empty() {
            let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.follows_space |= spaces > 0;
            let (_, words) = rest.split_at(spaces);
            let length = words.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
            if length > 0 {
                if self.follows_space && !self.is_blank {
                    self.hasher.update(b" ");
                }
                self.hasher.update(&words[..length]);
                (self.is_blank, self.follows_space) = (false, false);
            }
            rest = &words[length..];
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(u64, LineHash)) {
        if !self.is_blank {
            let mut hash = LineHash::default();
            hash.copy_from_slice(&self.hasher.finalize().as_bytes()[..16]);
            each(self.number, hash);
            self.hasher.reset();
        }
        (self.is_blank, self.follows_space) = (true, false);
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, blake3: &str) -> DataFile {
        DataFile { path: path.to_owned(), bytes: 10, blake3: blake3.to_owned() }
    }

    fn dataset() -> Dataset {
        Dataset {
            version: Some("3".to_owned()),
            preprocessing: vec!["drop duplicates".to_owned()],
            ..Dataset::default()
        }
    }

    fn told(dataset: &Dataset, found: &Found) -> String {
        let breaches = dataset.breaches("wine", found);
        let lines = breaches.iter().map(|it| format!("{}: {}\n  {}\n", it.rule, it.what, it.mend));
        lines.collect()
    }

    #[test]
    fn a_dataset_with_a_version_and_its_steps_keeps_the_rules() {
        assert_eq!(told(&dataset(), &Found::default()), "");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let bad = Dataset {
            hash: Some("aa".to_owned()),
            preprocessing: vec![" ".to_owned()],
            validate: Some(["sh", "-c", "python check.py"].map(str::to_owned).to_vec()),
            ..Dataset::default()
        };
        let place = |path: &str, line| Place { path: path.to_owned(), line };
        let found = Found {
            files: vec![file("data/a.csv", "bb"), file("data/b.csv", "cc")],
            hash: Some("dd".to_owned()),
            train: vec![file("train/a", "11"), file("both", "22")],
            eval: vec![file("eval/a", "11"), file("both", "22")],
            absent: vec!["raw/*.csv".to_owned()],
            shared: SharedLines { count: 12, examples: vec![(place("train/b", 3), place("eval/b", 1))] },
            invalid: Some("it exited with 1".to_owned()),
        };
        insta::assert_snapshot!(told(&bad, &found), @r#"
        dataset-version: the dataset `wine` has no version
          say which it is in `[datasets.wine]` in `exp.toml`: version = "…"
        dataset-preprocessing: it is not written down how the dataset `wine` was made
          say it in `[datasets.wine]` in `exp.toml`: preprocessing = ["…"], or ["none"] where it is as it came
        dataset-files: no file of the dataset `wine` is at `raw/*.csv`
          get the data, or mend the path in `[datasets.wine]` in `exp.toml`
        dataset-hash: the files of the dataset `wine` are not those that were declared: their hash is dd
          bring the declared files back, or say in `[datasets.wine]` in `exp.toml` what is there now, under a new version
        dataset-overlap: the parts of the dataset `wine` overlap: `eval/a` is the same as `train/a`, `both` is in both
          take them out of one of the parts
        dataset-overlap: the parts of the dataset `wine` overlap: 12 different lines are in both, such as line 1 of `eval/b` is line 3 of `train/b`
          take those lines out of one of the parts
        dataset-validation: the dataset `wine` does not pass its own check: it exited with 1
          see what it says: python check.py
        "#);
    }

    #[test]
    fn the_hash_of_the_only_file_is_its_hash_too() {
        let one =
            Found { files: vec![file("a", "ab")], hash: digest(&[file("a", "ab")]), ..Found::default() };
        let declared = |hash: &str| told(&Dataset { hash: Some(hash.to_owned()), ..dataset() }, &one);
        assert_eq!(declared("blake3:AB"), "");
        assert_eq!(declared(&digest(&[file("a", "ab")]).expect("it has a file")), "");
        assert!(declared("ac").contains("are not those that were declared"));
        // Of data that is elsewhere nothing can be said.
        let elsewhere = Dataset { hash: Some("ac".to_owned()), ..dataset() };
        assert_eq!(told(&elsewhere, &Found::default()), "");
    }

    #[test]
    fn empty_files_are_no_overlap() {
        let empty = |path: &str| DataFile { bytes: 0, ..file(path, "00") };
        let found = Found { train: vec![empty("train/a")], eval: vec![empty("eval/a")], ..Found::default() };
        assert_eq!(told(&dataset(), &found), "");
    }

    #[test]
    fn many_shared_files_are_counted() {
        let all: Vec<DataFile> = (0..5).map(|at| file(&format!("{at}"), &format!("{at}"))).collect();
        let found = Found { train: all.clone(), eval: all, ..Found::default() };
        let told = told(&dataset(), &found);
        assert!(told.contains("`0` is in both, `1` is in both, `2` is in both, and 2 more"), "{told}");
    }

    fn lines_of(parts: &[&[u8]]) -> Vec<(u64, LineHash)> {
        let mut found = Vec::new();
        let mut lines = LineHashes::default();
        for part in parts {
            lines.feed(part, &mut |number, hash| found.push((number, hash)));
        }
        lines.finish(&mut |number, hash| found.push((number, hash)));
        found
    }

    #[test]
    fn lines_are_alike_up_to_white_space() {
        let numbers: Vec<u64> =
            lines_of(&[b"a b\r\n\n  \n a\t b \nab"]).iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 4, 5]);
        let hashes = lines_of(&[b"a b\r\n a\t  b \nab"]);
        assert_eq!(hashes[0].1, hashes[1].1);
        assert_ne!(hashes[0].1, hashes[2].1);
        assert!(lines_of(&[b""]).is_empty());
    }

    proptest! {
        #[test]
        fn how_a_file_is_cut_into_parts_never_matters(
            text in "[ab \t\n]{0,30}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let bytes = text.as_bytes();
            let places: BTreeSet<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            let mut parts = Vec::new();
            let mut from = 0;
            for place in places {
                parts.push(&bytes[from..place]);
                from = place;
            }
            parts.push(&bytes[from..]);
            prop_assert_eq!(lines_of(&parts), lines_of(&[bytes]));
        }

        #[test]
        fn lines_are_alike_exactly_where_their_words_are(one in "[ab ]{0,8}", other in "[ab ]{0,8}") {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let hash = |text: &str| lines_of(&[text.as_bytes()]).first().map(|(_, hash)| *hash);
            prop_assert_eq!(hash(&one) == hash(&other), words(&one) == words(&other));
        }
    }
}
