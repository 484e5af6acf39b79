//! Holds the source to its architecture: which module may use which, and who alone may name what.
//!
//! `docs/architecture.md` explains the table.
#![allow(clippy::disallowed_methods, reason = "reads the source")]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What each module may use besides itself; a module that is not here may use nothing of ours.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("git", &[]),
    ("log", &["domain", "git"]),
    ("config", &["domain", "git"]),
    ("workload", &["domain"]),
    ("runner", &["domain"]),
    ("render", &["domain", "workload"]),
    ("github", &[]),
    ("error", &["config", "domain", "git", "log", "runner"]),
    ("context", &["config", "domain", "error", "git", "log", "render"]),
    (
        "commands",
        &["config", "context", "domain", "error", "git", "github", "log", "render", "runner", "workload"],
    ),
];

/// Files that hold the others together and may use all of them.
const FREE: &[&str] = &["lib", "main", "cli"];

/// Who alone may name a crate, or start a program.
const ALONE: &[(&str, &str, &str)] = &[
    (r"\bgix\b", "git", "only `src/git` names gix"),
    (r#"Command::new\("git"\)"#, "git", "only `src/git` starts git"),
    (r"\boctocrab\b", "github", "only `src/github` names octocrab"),
    (
        r"\btch\b|\btorch_sys\b|\bgit_exp_torch_switches\b",
        "bin/git-exp-bench",
        "only `src/bin/git-exp-bench` names tch",
    ),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "types", "manager", "misc"];

struct Source {
    /// Its path below `src`, as `log/index/rows`.
    module: String,
    /// How a person finds it, as `src/log/index/rows.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The module at the top that it belongs to.
    fn top(&self) -> &str {
        self.module.split('/').next().expect("a path has a first part")
    }

    /// Its lines with their numbers, without what follows `//`.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().map(|line| line.split("//").next().unwrap_or_default());
        (1..).zip(lines)
    }
}

/// The whole source, with the names of modules as `crate::` paths begin.
fn sources() -> Vec<Source> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for item in fs::read_dir(folder).expect("the folder can be read") {
            let path = item.expect("the folder can be read").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let source = |path: PathBuf| {
        let below = path.strip_prefix(root.join("src")).expect("it was found there").with_extension("");
        let module = below.to_str().expect("our names are UTF-8").replace('\\', "/");
        Source {
            path: format!("src/{module}.rs"),
            module: module.strip_suffix("/mod").unwrap_or(&module).to_owned(),
            text: fs::read_to_string(&path).expect("the source is UTF-8"),
        }
    };
    let sources: Vec<Source> = paths.into_iter().map(source).collect();
    assert!(sources.len() > 20, "the source was not found");
    sources
}

/// The modules at the top that `text` names after `crate::`, each with its line.
///
/// Understands `crate::log`, `crate::{log, git::Repo}` and trees over several lines.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code: Vec<(usize, &str)> = source.code().collect();
    let text: String = code.iter().flat_map(|(_, line)| [*line, "\n"]).collect();
    let path = Regex::new(r"\bcrate::(\w+|\{)").expect("the pattern is right");
    for hit in path.captures_iter(&text) {
        let line = text[..hit.get(0).expect("the whole hit").start()].matches('\n').count() + 1;
        let name = hit.get(1).expect("a name or a brace");
        if name.as_str() == "{" {
            found.extend(names_of_tree(&text[name.end()..]).into_iter().map(|name| (line, name)));
        } else {
            found.push((line, name.as_str().to_owned()));
        }
    }
    found
}

/// The first names of the branches of a `use` tree, given what follows its opening brace.
fn names_of_tree(tree: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut name = String::new();
    let mut is_first = true;
    for character in tree.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                is_first = true;
            }
            ':' => is_first = false,
            _ if depth == 0 && is_first && (character.is_alphanumeric() || character == '_') => {
                name.push(character);
            }
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

fn fail_with(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let sources = sources();
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| !FREE.contains(&source.top()) && source.top() != "bin") {
        let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == source.top()) else {
            breaches.push(format!("{}: the module `{}` is not in the table", source.path, source.top()));
            continue;
        };
        for (line, used) in uses(source) {
            let is_module =
                MAY_USE.iter().any(|(module, _)| *module == used) || FREE.contains(&used.as_str());
            // What is not a module is an item of `lib.rs`, which has none, or a macro of the same file.
            if is_module && used != source.top() && !allowed.contains(&used.as_str()) {
                breaches.push(format!("{}:{line}: `{}` may not use `{used}`", source.path, source.top()));
            }
        }
    }
    fail_with(&breaches);
}

#[test]
fn no_path_climbs_out_of_its_module() {
    let climb = Regex::new(r"\bsuper(::super)+\b").expect("the pattern is right");
    let mut breaches = Vec::new();
    for source in sources() {
        let depth = source.module.split('/').count();
        let mut in_tests = 0;
        for (line, code) in source.code() {
            if code.trim_start().starts_with("mod ") && code.trim_end().ends_with('{') {
                in_tests = 1;
            }
            for hit in climb.find_iter(code) {
                let steps = hit.as_str().matches("super").count();
                if steps >= depth + in_tests {
                    breaches.push(format!("{}:{line}: write `{}` as `crate::…`", source.path, hit.as_str()));
                }
            }
        }
    }
    fail_with(&breaches);
}

#[test]
fn each_outside_thing_is_named_in_one_place() {
    let mut breaches = Vec::new();
    for (pattern, place, rule) in ALONE {
        let pattern = Regex::new(pattern).expect("the pattern is right");
        for source in sources().iter().filter(|source| !source.module.starts_with(place)) {
            for (line, code) in source.code() {
                if pattern.is_match(code) {
                    breaches.push(format!("{}:{line}: {rule}", source.path));
                }
            }
        }
    }
    fail_with(&breaches);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let breaches: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.lines().next().is_some_and(|line| line.starts_with("//! ")))
        .map(|source| format!("{}:1: begin with a `//!` line that says what the file is about", source.path))
        .collect();
    fail_with(&breaches);
}

#[test]
fn every_file_has_a_name_that_says_something() {
    let breaches: Vec<String> = sources()
        .iter()
        .flat_map(|source| source.module.split('/').map(move |part| (source, part)))
        .filter(|(_, part)| EMPTY_NAMES.contains(part))
        .map(|(source, part)| format!("{}: `{part}` says nothing about what is inside", source.path))
        .collect();
    fail_with(&breaches);
}

#[test]
fn use_trees_are_read_whole() {
    let text = "use crate::{\n    git::{Oid, Repo},\n    log,\n    domain::run::Run, // crate::cli\n};\nuse crate::config::Settings;\n";
    let source = Source { module: "x".to_owned(), path: String::new(), text: text.to_owned() };
    let expected = [(1, "git"), (1, "log"), (1, "domain"), (6, "config")];
    let expected: Vec<_> = expected.map(|(line, name)| (line, name.to_owned())).into();
    assert_eq!(uses(&source), expected);
}
