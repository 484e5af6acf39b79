//! What a brief says before anything runs, and whether the change keeps to it.

use super::few;
use crate::domain::breach::Breach;
use crate::domain::brief::Brief;
use crate::domain::number::counted;
use crate::domain::path_pattern::PathPattern;

/// A brief is complete.
pub const BRIEF: &str = "brief";
/// Nothing outside the declared paths is changed.
pub const SCOPE: &str = "scope";

/// What a brief does not say and has to.
pub fn of_brief(experiment: &str, brief: &Brief) -> Vec<Breach> {
    let breach = |(field, option): (&str, &str)| {
        let mend = format!("git exp brief {experiment} {option}");
        Breach::new(BRIEF, format!("the brief of {experiment} has no {field}"), mend)
    };
    brief.missing().into_iter().map(breach).collect()
}

/// The changed files that a brief does not declare, where it declares any; what is in `set_aside` may be changed all the same.
pub fn of_scope(experiment: &str, brief: &Brief, changed: &[String], set_aside: &[String]) -> Option<Breach> {
    if brief.paths.is_empty() {
        return None;
    }
    let may: Vec<PathPattern> =
        brief.paths.iter().chain(set_aside).filter_map(|text| text.parse().ok()).collect();
    let outside: Vec<&String> =
        changed.iter().filter(|path| !may.iter().any(|pattern| pattern.matches(path))).collect();
    if outside.is_empty() {
        return None;
    }
    Some(Breach::new(
        SCOPE,
        format!(
            "{experiment} changes what its brief does not declare ({}): {}",
            few(&brief.paths),
            few(&outside)
        ),
        format!(
            "move it to an experiment of its own (git exp new), or declare it: git exp brief {experiment} {}",
            [brief.paths.as_slice(), &outside.iter().map(|path| (*path).clone()).collect::<Vec<_>>()]
                .concat()
                .iter()
                .take(8)
                .map(|path| format!("--path '{path}'"))
                .collect::<Vec<_>>()
                .join(" ")
        ),
    ))
}

/// How much was changed since an experiment began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Files whose change is committed.
    pub files: usize,
    /// Lines added in them; files that are no text have none.
    pub added: u64,
    /// Lines removed from them.
    pub removed: u64,
    /// Files with changes that are not committed.
    pub uncommitted: usize,
}

impl Size {
    /// The size in a sentence; `None` where nothing changed.
    pub fn in_words(&self, experiment: &str) -> Option<String> {
        let files = |count: usize| counted(count, "file");
        let lines = |count: u64| counted(count, "line");
        let committed = (self.files > 0).then(|| {
            format!("changes {}: {} added, {} removed", files(self.files), lines(self.added), self.removed)
        });
        let uncommitted = (self.uncommitted > 0)
            .then(|| format!("has {} with uncommitted changes", files(self.uncommitted)));
        let parts: Vec<String> = committed.into_iter().chain(uncommitted).collect();
        (!parts.is_empty()).then(|| format!("{experiment} {}", parts.join("; it ")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn declaring(paths: &[&str]) -> Brief {
        Brief { paths: paths.iter().map(|path| (*path).to_owned()).collect(), ..Brief::default() }
    }

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn every_gap_of_a_brief_is_named_with_the_option_that_fills_it() {
        let found = of_brief("A-001", &Brief { change: Some("c".to_owned()), ..Brief::default() });
        assert_eq!(found.len(), 5);
        assert_eq!(found[0].what, "the brief of A-001 has no hypothesis");
        assert_eq!(found[0].mend, "git exp brief A-001 --hypothesis \"…\"");
    }

    #[test]
    fn a_file_outside_the_declared_paths_is_named() {
        let found =
            of_scope("A-001", &declaring(&["src/model"]), &owned(&["src/model/a.rs", "Makefile"]), &[]);
        let found = found.expect("`Makefile` is not declared");
        assert_eq!(found.what, "A-001 changes what its brief does not declare (src/model): Makefile");
        assert!(found.mend.ends_with("--path 'src/model' --path 'Makefile'"), "{}", found.mend);
    }

    #[test]
    fn a_brief_that_declares_nothing_allows_all() {
        assert_eq!(of_scope("A-001", &Brief::default(), &owned(&["a"]), &[]), None);
    }

    #[test]
    fn the_size_is_told_and_nothing_where_nothing_changed() {
        assert_eq!(Size::default().in_words("A-001"), None);
        let size = Size { files: 1, added: 3, removed: 0, uncommitted: 2 };
        assert_eq!(
            size.in_words("A-001").as_deref(),
            Some("A-001 changes 1 file: 3 lines added, 0 removed; it has 2 files with uncommitted changes")
        );
    }

    proptest! {
        #[test]
        fn declaring_what_was_changed_or_setting_it_aside_mends_it(
            changed in prop::collection::vec("[a-c]{1,2}(/[a-c]{1,2}){0,2}", 1..6),
        ) {
            let brief = declaring(&["elsewhere"]);
            prop_assert!(of_scope("A-001", &brief, &changed, &[]).is_some());
            prop_assert_eq!(of_scope("A-001", &brief, &changed, &changed), None);
            let paths = [brief.paths, changed.clone()].concat();
            prop_assert_eq!(of_scope("A-001", &Brief { paths, ..Brief::default() }, &changed, &[]), None);
        }
    }
}
