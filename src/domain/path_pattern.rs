//! Patterns of paths, as in `eval/**`.

use std::fmt;
use std::str::FromStr;

/// How patterns match: `*` stays within a folder, case counts, and names that begin with a dot are names.
const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A pattern of paths from the top of the repository, in which `*` stands for any name and `**` for any folders.
///
/// What names a folder names everything in it, as in `.gitignore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    pattern: glob::Pattern,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{text}` cannot be used: {problem}")]
pub struct PatternError {
    text: String,
    problem: String,
}

impl PathPattern {
    /// Whether it names `path`, or a folder that `path` is in.
    pub fn matches(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(place, _)| &path[..place]);
        folders.chain([path]).any(|path| self.pattern.matches_with(path, OPTIONS))
    }

    /// Whether it names `path`; a pattern of one name, such as `*.csv`, names it in any folder.
    pub fn matches_anywhere(&self, path: &str) -> bool {
        let is_name = !self.pattern.as_str().contains('/');
        let mut deeper = path.match_indices('/').map(|(place, _)| &path[place + 1..]);
        self.matches(path) || (is_name && deeper.any(|path| self.matches(path)))
    }

    /// Whether it may name something in `folder`, so that it is worth looking there.
    pub fn reaches_into(&self, folder: &str) -> bool {
        let mut parts = self.pattern.as_str().split('/');
        for name in folder.split('/') {
            match parts.next() {
                // What is above names all that is below.
                None | Some("**") => return true,
                Some(part) if glob::Pattern::new(part).is_ok_and(|part| part.matches_with(name, OPTIONS)) => {
                }
                Some(_) => return false,
            }
        }
        true
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let refuse = |problem: &str| PatternError { text: text.to_owned(), problem: problem.to_owned() };
        let path = text.strip_prefix("./").unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.trim().is_empty() {
            return Err(refuse("it is empty"));
        }
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(refuse("it leads out of the repository; write it from the top, as `eval/**`"));
        }
        let pattern = glob::Pattern::new(path).map_err(|error| refuse(error.msg))?;
        Ok(Self { text: text.to_owned(), pattern })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        pattern.parse::<PathPattern>().expect("it is a pattern").matches(path)
    }

    #[test]
    fn a_star_stays_in_its_folder_and_two_go_down() {
        assert!(matches("*.md", "program.md") && !matches("*.md", "notes/program.md"));
        assert!(matches("**/*.md", "program.md") && matches("**/*.md", "notes/a/program.md"));
        assert!(matches("eval/**", "eval/score.py") && matches("eval/**", "eval/deep/er/score.py"));
        assert!(!matches("eval/**", "evaluate.py") && !matches("eval/**", "src/eval/score.py"));
        assert!(matches("src/*/api.rs", "src/http/api.rs") && !matches("src/*/api.rs", "src/a/b/api.rs"));
        assert!(matches("**", ".hidden") && matches("[ab].txt", "b.txt"));
    }

    #[test]
    fn what_names_a_folder_names_all_that_is_in_it() {
        for pattern in ["eval", "eval/", "./eval", "ev*"] {
            assert!(matches(pattern, "eval/deep/score.py"), "{pattern}");
        }
        assert!(!matches("eval", "evaluate/score.py"));
        assert!(matches("größe ö/*", "größe ö/é x.txt"));
    }

    #[test]
    fn a_pattern_of_one_name_can_be_looked_for_in_any_folder() {
        let anywhere = |pattern: &str, path: &str| {
            pattern.parse::<PathPattern>().expect("it is a pattern").matches_anywhere(path)
        };
        assert!(anywhere("*.csv", "a.csv") && anywhere("*.csv", "deep/er/a.csv"));
        assert!(anywhere("patients", "deep/patients/a") && !anywhere("*.csv", "a.csv.txt"));
        assert!(anywhere("patients/**", "patients/a/b") && !anywhere("patients/**", "deep/patients/a"));
    }

    #[test]
    fn what_cannot_match_is_refused() {
        for text in ["", " ", "/", "./", "/eval", "../eval", "a/../b", "a**", "[", "***"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
        let error = "a**".parse::<PathPattern>().expect_err("it is wrong").to_string();
        assert!(error.starts_with("the pattern `a**` cannot be used: "), "{error}");
    }

    #[test]
    fn folders_that_hold_nothing_it_names_need_no_look() {
        let reaches = |pattern: &str, folder: &str| {
            pattern.parse::<PathPattern>().expect("it is a pattern").reaches_into(folder)
        };
        assert!(reaches("eval/**", "eval") && reaches("eval", "eval/deep") && reaches("**/x.py", "src/a"));
        assert!(reaches("src/*/eval", "src/a") && reaches("src/*/eval", "src/a/eval/b"));
        assert!(!reaches("eval/**", "src") && !reaches("src/*/eval", "src/a/b") && !reaches("*.py", "src"));
    }

    proptest! {
        #[test]
        fn whatever_it_names_lies_in_folders_it_reaches_into(
            pattern in "([ab*]|\\*\\*|[ab][*?]|\\[ab\\])(/([ab]|\\*\\*|\\*)){0,3}",
            path in "[ab]{1,2}(/[ab]{1,2}){0,4}",
        ) {
            if let Ok(pattern) = pattern.parse::<PathPattern>() && pattern.matches(&path) {
                for (place, _) in path.match_indices('/') {
                    prop_assert!(pattern.reaches_into(&path[..place]), "{} {}", pattern, &path[..place]);
                }
            }
        }

        #[test]
        fn a_path_without_special_characters_names_itself_and_what_is_below(path in "[a-z]{1,5}(/[a-z .é-]{1,5}[a-z]){0,3}", below in "[a-z]{1,4}") {
            prop_assert!(matches(&path, &path));
            let deeper = format!("{path}/{below}");
            prop_assert!(matches(&path, &deeper));
            let longer = format!("{path}{below}");
            prop_assert!(!matches(&path, &longer));
        }
    }
}
