//! What may become of which files: those that stay, those that only grow, those of the main branch, those with an owner.

use super::breach::Breach;
use super::entry::Identity;
use super::metric::words;
use super::path_pattern::PathPattern;
use super::policy::{Roles, person};

/// The rule of files that do not change.
pub const FROZEN: &str = "frozen";
/// The rule of files that only grow.
pub const APPEND_ONLY: &str = "append-only";
/// The rule of files that change on the main branch only.
pub const MAIN_ONLY: &str = "main-only";
/// The rule of files that change with their owner's approval only.
pub const OWNED: &str = "owned";
/// The rules about files, which can be set aside.
pub const NAMES: [&str; 4] = [FROZEN, APPEND_ONLY, MAIN_ONLY, OWNED];

/// What may become of which files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRules {
    /// Those that do not change.
    pub frozen: Vec<PathPattern>,
    /// Those that only grow.
    pub append_only: Vec<AppendOnly>,
    /// Those that change on the main branch only.
    pub main_only: Vec<PathPattern>,
    /// Those that change with their owner's approval only.
    pub owners: Vec<Ownership>,
    /// Those that are the evaluation code; on its own this forbids nothing.
    pub evaluation: Vec<PathPattern>,
}

/// Files that only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendOnly {
    /// Which ones.
    pub paths: PathPattern,
    /// Where they grow.
    pub newest: Newest,
}

/// Where what is new stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Newest {
    /// At the top, so that what was there stays at the end.
    First,
    /// At the bottom, so that what was there stays at the beginning.
    #[default]
    Last,
}

words!(Newest { First = "first", Last = "last" });

/// Files that belong to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Which ones.
    pub paths: PathPattern,
    /// Roles, or people's addresses; any of them will do.
    pub owners: Vec<String>,
}

/// A file as it was or is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its mode, as Git stores it.
    pub mode: u32,
    /// The name of its content, the same for the same content.
    pub object: String,
    /// Its content, where a rule looks at it.
    pub content: Vec<u8>,
}

/// A file of which something may have become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// Its path from the top of the repository.
    pub path: String,
    /// As it was where the change began; absent where it was not there.
    pub before: Option<Version>,
    /// As the branches that were agreed on have it, as far as they were merged since.
    pub agreed: Vec<Option<Version>>,
    /// As the branches that were agreed on have it now; to have it so, too, is no breach.
    pub known: Vec<Option<Version>>,
    /// As it is now; absent where it is gone.
    pub after: Option<Version>,
    /// Who changed it.
    pub authors: Vec<Identity>,
    /// Who approved of it as it is now.
    pub approvers: Vec<Identity>,
}

/// Where a change happens.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The branch, in words; absent for the main branch.
    pub branch: Option<&'a str>,
    /// Who has which role.
    pub roles: &'a Roles,
    /// A revision that has the files as they should be.
    pub base: &'a str,
    /// The experiment whose branch it is.
    pub experiment: Option<&'a str>,
}

/// A rule about a file that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBreach {
    /// The file.
    pub path: String,
    /// What is wrong, and what to do about it.
    pub breach: Breach,
}

impl FileRules {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.frozen.is_empty()
            && self.append_only.is_empty()
            && self.main_only.is_empty()
            && self.owners.is_empty()
    }

    /// Whether any rule is about `path`.
    pub fn concern(&self, path: &str) -> bool {
        is_in(&self.frozen, path) || is_in(&self.main_only, path) || self.grows(path) || self.is_owned(path)
    }

    /// Whether `path` only grows, so that its content matters.
    pub fn grows(&self, path: &str) -> bool {
        self.append_only.iter().any(|it| it.paths.matches(path))
    }

    /// Whether `path` has an owner, so that it matters who changed it.
    pub fn is_owned(&self, path: &str) -> bool {
        self.owners.iter().any(|it| it.paths.matches(path))
    }

    /// Every rule that a change does not keep.
    pub fn breaches(&self, change: &FileChange, surroundings: &Surroundings<'_>) -> Vec<FileBreach> {
        if !change.is_one() {
            return Vec::new();
        }
        let path = change.path.as_str();
        let mut breaches = Vec::new();
        let mut breach = |rule: &str, what: String, mend: String| {
            breaches.push(FileBreach { path: path.to_owned(), breach: Breach::new(rule, what, mend) });
        };
        let became = change.became();
        let restore = format!("put it back: {}", change.restoring(surroundings.base));
        let ask = |rule: &str| {
            let scope = surroundings.experiment.map(|it| format!(" -e {it}")).unwrap_or_default();
            format!(
                "or let somebody with the role set the rule aside: \
                 git exp override {rule} --path {}{scope} --because \"…\"",
                quoted(path)
            )
        };
        if is_in(&self.frozen, path) {
            breach(
                FROZEN,
                format!("`{path}` is frozen, and {became}"),
                format!("{restore}; {}", ask(FROZEN)),
            );
        }
        let mut grows = self.append_only.iter().filter(|it| it.paths.matches(path));
        if let Some(problem) = grows.find_map(|it| change.not_grown(it.newest)) {
            let mend = format!(
                "put back what was there, and only add to it (`git diff {} -- {}` shows what went); {}",
                surroundings.base,
                quoted(path),
                ask(APPEND_ONLY)
            );
            breach(APPEND_ONLY, format!("`{path}` only grows, and {problem}"), mend);
        }
        if let Some(branch) = surroundings.branch
            && is_in(&self.main_only, path)
        {
            let what = format!("`{path}` changes on the main branch only, and {became} on {branch}");
            breach(MAIN_ONLY, what, format!("{restore}; {}", ask(MAIN_ONLY)));
        }
        for ownership in self.owners.iter().filter(|it| it.paths.matches(path)) {
            let owns =
                |person: &Identity| ownership.owners.iter().any(|it| surroundings.roles.mean(it, person));
            let is_their_own = !change.authors.is_empty() && change.authors.iter().all(owns);
            if is_their_own || change.approvers.iter().any(owns) {
                continue;
            }
            let owners = ownership.owners.join("`, `");
            let others: Vec<String> =
                change.authors.iter().filter(|author| !owns(author)).map(person).collect();
            let by = if others.is_empty() { String::new() } else { format!(" by {}", others.join(", ")) };
            let approve = match surroundings.experiment {
                Some(it) => format!("ask for approval: git exp review {it} approve --because \"…\""),
                None => "leave it to them".to_owned(),
            };
            let what = format!("`{path}` belongs to `{owners}`, and {became}{by}");
            breach(OWNED, what, format!("{approve}; {}", ask(OWNED)));
        }
        breaches
    }
}

fn is_in(patterns: &[PathPattern], path: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(path))
}

/// The kind of a file: what its mode says but for who may execute it.
fn kind(mode: u32) -> u32 {
    mode & 0o170_000
}

const LINK: u32 = 0o120_000;

impl Version {
    fn is_same(&self, other: &Self) -> bool {
        self.mode == other.mode && self.object == other.object
    }
}

fn is_same(a: Option<&Version>, b: Option<&Version>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is_same(b),
        (None, None) => true,
        _ => false,
    }
}

impl FileChange {
    /// Whether anything became of the file that was not agreed on.
    fn is_one(&self) -> bool {
        let after = self.after.as_ref();
        let mut agreed = self.agreed.iter().chain(&self.known);
        let is_agreed = agreed.any(|agreed| is_same(agreed.as_ref(), after));
        !is_agreed && (!self.agreed.is_empty() || !is_same(self.before.as_ref(), after))
    }

    /// As it should be: as the agreed branches have it, else as it was.
    fn base(&self) -> Option<&Version> {
        match self.agreed.first() {
            Some(agreed) => agreed.as_ref(),
            None => self.before.as_ref(),
        }
    }

    fn became(&self) -> &'static str {
        match (self.base(), &self.after) {
            (_, None) => "it is gone",
            (None, Some(_)) => "it is new",
            (Some(before), Some(after)) if kind(before.mode) != kind(after.mode) => {
                if after.mode == LINK {
                    "it became a link"
                } else {
                    "it became another kind of file"
                }
            }
            (Some(before), Some(after)) if before.object == after.object => "its mode was changed",
            _ => "it was changed",
        }
    }

    fn restoring(&self, base: &str) -> String {
        match self.base() {
            Some(_) => format!("git checkout {base} -- {}", quoted(&self.path)),
            None => format!("git rm --cached {}", quoted(&self.path)),
        }
    }

    /// What is wrong where something was taken out of a file that only grows.
    fn not_grown(&self, newest: Newest) -> Option<&'static str> {
        let mut known = self.before.iter().chain(self.agreed.iter().flatten());
        let Some(after) = &self.after else {
            return known.next().map(|_| "it is gone");
        };
        if known.any(|known| kind(known.mode) != kind(after.mode)) {
            return Some(self.became());
        }
        if let Some(before) = &self.before
            && !newest.holds(&before.content, &after.content)
        {
            let unix = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b'\r').collect::<Vec<_>>();
            return Some(match newest {
                _ if newest.holds(&unix(&before.content), &unix(&after.content)) => {
                    "its line ends were changed"
                }
                Newest::Last => "what was in it is no longer its beginning",
                Newest::First => "what was in it is no longer its end",
            });
        }
        // Where branches met, what each of them added comes in some order, and all of it is there.
        let is_lost = |agreed: &Version| {
            !newest.holds(&agreed.content, &after.content) && !has_lines_of(&agreed.content, &after.content)
        };
        self.agreed
            .iter()
            .flatten()
            .any(is_lost)
            .then_some("what was added on an agreed branch is not all in it")
    }
}

impl Newest {
    fn holds(self, before: &[u8], after: &[u8]) -> bool {
        match self {
            Self::First => after.ends_with(before),
            Self::Last => after.starts_with(before),
        }
    }
}

/// Whether the lines of `old` are all in `new`, in their order.
fn has_lines_of(old: &[u8], new: &[u8]) -> bool {
    let mut lines = new.split(|byte| *byte == b'\n');
    old.split(|byte| *byte == b'\n').all(|line| lines.any(|known| known == line))
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "-_./=:,@%+".contains(c));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const FILE: u32 = 0o100_644;

    fn patterns(texts: &[&str]) -> Vec<PathPattern> {
        texts.iter().map(|text| text.parse().expect("a pattern")).collect()
    }

    fn rules() -> FileRules {
        let grows = |path: &str, newest| AppendOnly { paths: path.parse().expect("a pattern"), newest };
        FileRules {
            frozen: patterns(&["eval/**", "program.md"]),
            append_only: vec![grows("journal.md", Newest::Last), grows("NEWS.md", Newest::First)],
            main_only: patterns(&["results.tsv"]),
            owners: vec![Ownership {
                paths: "src/api/**".parse().expect("a pattern"),
                owners: vec!["lead".to_owned()],
            }],
            evaluation: patterns(&["eval/**"]),
        }
    }

    fn roles() -> Roles {
        Roles(BTreeMap::from([("lead".to_owned(), vec!["lead@example.org".to_owned()])]))
    }

    fn version(content: impl AsRef<[u8]>) -> Version {
        let content = content.as_ref().to_vec();
        Version { mode: FILE, object: format!("{content:?}"), content }
    }

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> FileChange {
        FileChange {
            path: path.to_owned(),
            before: before.map(version),
            after: after.map(version),
            authors: vec![Identity { name: "Ada".to_owned(), email: "ada@example.org".to_owned() }],
            ..FileChange::default()
        }
    }

    fn on<'a>(branch: Option<&'a str>, roles: &'a Roles) -> Surroundings<'a> {
        Surroundings { branch, roles, base: "HEAD", experiment: Some("A-001") }
    }

    fn found(change: &FileChange) -> Vec<String> {
        let breaches = rules().breaches(change, &on(Some("`exp/A-001`"), &roles()));
        breaches.into_iter().map(|it| format!("{}: {}", it.breach.rule, it.breach.what)).collect()
    }

    #[test]
    fn each_breach_says_what_is_wrong_and_how_to_mend_it() {
        let changes = [
            change("eval/my score.py", Some("a"), Some("b")),
            change("eval/new.py", None, Some("b")),
            change("program.md", Some("a"), None),
            change("journal.md", Some("one\ntwo\n"), Some("two\n")),
            change("results.tsv", Some("a"), Some("b")),
            change("src/api/wire.rs", Some("a"), Some("b")),
        ];
        let roles = roles();
        let breaches = changes.iter().flat_map(|it| rules().breaches(it, &on(Some("`exp/A-001`"), &roles)));
        let text: Vec<String> = breaches
            .map(|it| format!("{}: {}\n  {}", it.breach.rule, it.breach.what, it.breach.mend))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        frozen: `eval/my score.py` is frozen, and it was changed
          put it back: git checkout HEAD -- 'eval/my score.py'; or let somebody with the role set the rule aside: git exp override frozen --path 'eval/my score.py' -e A-001 --because "…"
        frozen: `eval/new.py` is frozen, and it is new
          put it back: git rm --cached eval/new.py; or let somebody with the role set the rule aside: git exp override frozen --path eval/new.py -e A-001 --because "…"
        frozen: `program.md` is frozen, and it is gone
          put it back: git checkout HEAD -- program.md; or let somebody with the role set the rule aside: git exp override frozen --path program.md -e A-001 --because "…"
        append-only: `journal.md` only grows, and what was in it is no longer its beginning
          put back what was there, and only add to it (`git diff HEAD -- journal.md` shows what went); or let somebody with the role set the rule aside: git exp override append-only --path journal.md -e A-001 --because "…"
        main-only: `results.tsv` changes on the main branch only, and it was changed on `exp/A-001`
          put it back: git checkout HEAD -- results.tsv; or let somebody with the role set the rule aside: git exp override main-only --path results.tsv -e A-001 --because "…"
        owned: `src/api/wire.rs` belongs to `lead`, and it was changed by Ada <ada@example.org>
          ask for approval: git exp review A-001 approve --because "…"; or let somebody with the role set the rule aside: git exp override owned --path src/api/wire.rs -e A-001 --because "…"
        "#);
    }

    #[test]
    fn what_no_rule_is_about_may_become_anything() {
        assert_eq!(found(&change("train.py", Some("a"), None)), [""; 0]);
        assert!(!rules().concern("train.py") && rules().concern("eval/x") && rules().concern("src/api/x"));
        assert!(FileRules { evaluation: patterns(&["eval/**"]), ..FileRules::default() }.is_empty());
    }

    #[test]
    fn a_mode_and_a_kind_are_changes_too() {
        let mut it = change("program.md", Some("a"), Some("a"));
        it.after.as_mut().expect("it is there").mode = 0o100_755;
        assert_eq!(found(&it), ["frozen: `program.md` is frozen, and its mode was changed"]);
        let mut it = change("journal.md", Some("a"), Some("a"));
        it.after.as_mut().expect("it is there").mode = 0o100_755;
        assert_eq!(found(&it), [""; 0], "whoever may execute it, nothing went");
        it.after.as_mut().expect("it is there").mode = LINK;
        assert_eq!(found(&it), ["append-only: `journal.md` only grows, and it became a link"]);
    }

    #[test]
    fn line_ends_that_change_are_named() {
        let it = change("journal.md", Some("one\r\ntwo\r\n"), Some("one\ntwo\nthree\n"));
        assert_eq!(found(&it), ["append-only: `journal.md` only grows, and its line ends were changed"]);
        assert_eq!(found(&change("journal.md", Some("one\r\n"), Some("one\r\ntwo\r\n"))), [""; 0]);
    }

    #[test]
    fn what_grows_begins_anywhere_and_never_goes() {
        assert_eq!(found(&change("journal.md", None, Some("one\n"))), [""; 0]);
        assert_eq!(
            found(&change("journal.md", Some("one\n"), None)),
            ["append-only: `journal.md` only grows, and it is gone"]
        );
        assert_eq!(found(&change("NEWS.md", Some("old\n"), Some("new\nold\n"))), [""; 0]);
        assert_eq!(
            found(&change("NEWS.md", Some("old\n"), Some("old\nnew\n"))),
            ["append-only: `NEWS.md` only grows, and what was in it is no longer its end"]
        );
    }

    #[test]
    fn on_the_main_branch_its_files_change() {
        let it = change("results.tsv", Some("a"), Some("b"));
        assert!(rules().breaches(&it, &on(None, &roles())).is_empty());
    }

    #[test]
    fn owned_files_change_by_their_owner_or_with_the_owners_approval() {
        let lead = || Identity { name: "L".to_owned(), email: "lead@example.org".to_owned() };
        let mut it = change("src/api/x.rs", Some("a"), Some("b"));
        assert_eq!(found(&it).len(), 1);
        it.authors.push(lead());
        assert_eq!(
            found(&it),
            ["owned: `src/api/x.rs` belongs to `lead`, and it was changed by Ada <ada@example.org>"]
        );
        it.approvers = vec![lead()];
        assert_eq!(found(&it), [""; 0]);
        it.approvers.clear();
        it.authors.remove(0);
        assert_eq!(found(&it), [""; 0]);
        it.authors.clear();
        assert_eq!(found(&it).len(), 1, "nobody is no owner");
    }

    #[test]
    fn what_an_agreed_branch_has_may_be_taken_over_and_nothing_else() {
        let mut it = change("program.md", Some("old"), Some("new"));
        it.agreed = vec![Some(version("new"))];
        assert_eq!(found(&it), [""; 0]);
        it.after = Some(version("old"));
        assert_eq!(found(&it).len(), 1, "to go back to what was before is a change");
        it.after = Some(version("other"));
        assert_eq!(found(&it).len(), 1);
        it.known = vec![Some(version("other"))];
        assert_eq!(found(&it), [""; 0], "it is what the branch has now");
    }

    #[test]
    fn where_journals_meet_all_of_both_stays() {
        let mut it = change("journal.md", Some("a"), Some("a and more"));
        it.agreed = vec![Some(version("a"))];
        assert_eq!(found(&it), [""; 0], "a last line without an end may go on");
        let mut it = change("journal.md", Some("a\n"), Some("a\nours\ntheirs\n"));
        it.agreed = vec![Some(version("a\ntheirs\n"))];
        assert_eq!(found(&it), [""; 0]);
        it.after = Some(version("a\nours\n"));
        assert_eq!(
            found(&it),
            ["append-only: `journal.md` only grows, and what was added on an agreed branch is not all in it"]
        );
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"ab\r\n\0\xff".to_vec()), 0..12)
    }

    fn grown(path: &str, before: &[u8], after: &[u8]) -> Vec<FileBreach> {
        let it = FileChange {
            path: path.to_owned(),
            before: Some(version(before)),
            after: Some(version(after)),
            ..FileChange::default()
        };
        rules().breaches(&it, &on(Some("`exp/A-001`"), &roles()))
    }

    proptest! {
        #[test]
        fn to_append_is_never_a_breach(before in content(), more in content()) {
            prop_assert!(grown("journal.md", &before, &[before.as_slice(), &more].concat()).is_empty());
            prop_assert!(grown("NEWS.md", &before, &[more.as_slice(), &before].concat()).is_empty());
        }

        #[test]
        fn to_take_away_is_always_one(before in content(), at in any::<prop::sample::Index>()) {
            prop_assume!(!before.is_empty());
            let mut after = before.clone();
            after.remove(at.index(before.len()));
            prop_assert!(!grown("journal.md", &before, &after).is_empty());
            prop_assert!(!grown("NEWS.md", &before, &after).is_empty());
        }

        #[test]
        fn what_did_not_change_keeps_every_rule(path in prop::sample::select(vec!["eval/a", "journal.md", "NEWS.md", "results.tsv", "src/api/a"]), content in content()) {
            prop_assert!(grown(path, &content, &content).is_empty());
        }

        #[test]
        fn any_change_of_a_frozen_file_is_one(before in prop::option::of(content()), after in prop::option::of(content())) {
            let it = FileChange { path: "eval/a".to_owned(), before: before.as_deref().map(version), after: after.as_deref().map(version), ..FileChange::default() };
            let breaches = rules().breaches(&it, &on(None, &roles()));
            prop_assert_eq!(breaches.is_empty(), before == after);
        }

        #[test]
        fn each_rule_speaks_for_itself(before in prop::option::of(content()), after in prop::option::of(content())) {
            let mut all = rules();
            all.frozen = patterns(&["x"]);
            all.main_only = patterns(&["x"]);
            all.append_only[0].paths = "x".parse().expect("a pattern");
            let it = FileChange { path: "x".to_owned(), before: before.as_deref().map(version), after: after.as_deref().map(version), ..FileChange::default() };
            let alone = [
                FileRules { frozen: all.frozen.clone(), ..FileRules::default() },
                FileRules { append_only: all.append_only.clone(), ..FileRules::default() },
                FileRules { main_only: all.main_only.clone(), ..FileRules::default() },
            ];
            let roles = roles();
            let place = on(Some("`exp/A-001`"), &roles);
            let apart: Vec<FileBreach> = alone.iter().flat_map(|rules| rules.breaches(&it, &place)).collect();
            prop_assert_eq!(all.breaches(&it, &place), apart);
        }
    }
}
