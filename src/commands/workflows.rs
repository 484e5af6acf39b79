//! What `init --github` writes: an action, workflows and an issue form; and which other workflows pushes of ours would start.

use std::path::Path;

use regex::Regex;
use yaml_rust2::{Yaml, YamlLoader};

use super::agents::{Fate, read, write};
use crate::context::Context;
use crate::error::Error;

/// Where workflows are.
const WORKFLOWS: &str = ".github/workflows";
/// The longest workflow that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// What is written: where, and the text.
const FILES: &[(&str, &str)] = &[
    (".github/actions/git-exp/action.yml", include_str!("../../templates/github/action.yml")),
    (".github/workflows/git-exp-post.yml", include_str!("../../templates/github/git-exp-post.yml")),
    (".github/workflows/git-exp-ci.yml", include_str!("../../templates/github/git-exp-ci.yml")),
    (".github/ISSUE_TEMPLATE/experiment.yml", include_str!("../../templates/github/experiment.yml")),
];

/// What `git exp push` pushes besides logs: whether it is a branch or a tag, one of them, and what people call all of them.
const OURS: &[(Kind, &str, &str)] = &[
    (Kind::Branch, "research/a", "branches `research/*`"),
    (Kind::Branch, "exp/A-001", "branches `exp/*`"),
    (Kind::Tag, "sealed/A-001", "tags `sealed/*`"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Branch,
    Tag,
}

/// What came of it.
pub struct Workflows {
    /// Each file, with what became of it.
    pub files: Vec<(&'static str, Fate)>,
    /// Workflows of others, each with what would start it.
    pub started: Vec<(String, String)>,
}

/// Writes the files that are not there; those that somebody changed only with `force`.
pub fn install(context: &Context, force: bool) -> Result<Workflows, Error> {
    let top = context.worktree()?.to_owned();
    let mut files = Vec::new();
    for (path, text) in FILES {
        let file = top.join(path);
        let fate = match read(&file)? {
            Some(before) if before != *text && !force => Fate::Left,
            Some(before) if before != *text => write(&file, text).map(|_| Fate::Replaced)?,
            _ => write(&file, text)?,
        };
        files.push((*path, fate));
    }
    Ok(Workflows { files, started: started(context, &top)? })
}

/// The workflows of others that pushes of ours would start.
fn started(context: &Context, top: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for (name, bytes) in context.files_in(&top.join(WORKFLOWS), LONGEST)? {
        let path = format!("{WORKFLOWS}/{name}");
        let is_workflow = [".yml", ".yaml"].iter().any(|end| name.ends_with(end));
        if !is_workflow || FILES.iter().any(|(ours, _)| *ours == path) {
            continue;
        }
        match starting(&String::from_utf8_lossy(&bytes)) {
            Some(what) if what.is_empty() => {}
            Some(what) => found.push((path, what.join(", "))),
            None => found.push((path, "it cannot be told, for it cannot be read".to_owned())),
        }
    }
    Ok(found)
}

/// What of ours starts a workflow; `None` where it is no YAML.
fn starting(text: &str) -> Option<Vec<&'static str>> {
    let documents = YamlLoader::load_from_str(text).ok()?;
    let on = &documents.first()?["on"];
    let is_named = |event: &str| match on {
        Yaml::String(name) => name == event,
        Yaml::Array(names) => names.iter().any(|name| name.as_str() == Some(event)),
        Yaml::Hash(events) => events.contains_key(&Yaml::String(event.to_owned())),
        _ => false,
    };
    if is_named("create") {
        return Some(OURS.iter().map(|(_, _, all)| *all).collect());
    }
    if !is_named("push") {
        return Some(Vec::new());
    }
    let filters = &on["push"];
    let started = OURS.iter().filter(|(kind, name, _)| starts(filters, *kind, name));
    Some(started.map(|(_, _, all)| *all).collect())
}

/// Whether a push of `name` passes the filters of a workflow.
fn starts(filters: &Yaml, kind: Kind, name: &str) -> bool {
    let list = |key: &str| -> Option<Vec<&str>> {
        match &filters[key] {
            Yaml::Array(patterns) => Some(patterns.iter().filter_map(Yaml::as_str).collect()),
            Yaml::String(pattern) => Some(vec![pattern]),
            _ => None,
        }
    };
    let (wanted, ignored, others) = match kind {
        Kind::Branch => ("branches", "branches-ignore", ["tags", "tags-ignore"]),
        Kind::Tag => ("tags", "tags-ignore", ["branches", "branches-ignore"]),
    };
    match (list(wanted), list(ignored)) {
        (Some(patterns), _) => is_matched(&patterns, name),
        (None, Some(patterns)) => !is_matched(&patterns, name),
        // Filters for the one kind alone leave out the other.
        (None, None) => others.iter().all(|key| list(key).is_none()),
    }
}

/// Whether the last pattern that fits says so: one that begins with `!` takes back.
fn is_matched(patterns: &[&str], name: &str) -> bool {
    let mut is_in = false;
    for pattern in patterns {
        let (bare, takes_back) = match pattern.strip_prefix('!') {
            Some(bare) => (bare, true),
            None => (*pattern, false),
        };
        if fits(bare, name) {
            is_in = !takes_back;
        }
    }
    is_in
}

/// Whether a filter pattern of GitHub fits a name; one that cannot be read fits, so that rather too much is told.
fn fits(pattern: &str, name: &str) -> bool {
    // `?`, `+` and `[…]` mean there what they mean in an expression.
    let mut expression = String::from("^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            expression.push_str(".*");
            rest = after;
            continue;
        }
        match c {
            '*' => expression.push_str("[^/]*"),
            '?' | '+' | '[' | ']' | '-' => expression.push(c),
            c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[c.len_utf8()..];
    }
    expression.push('$');
    Regex::new(&expression).map_or(true, |expression| expression.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_started_by_what_its_filters_let_through() {
        let all = ["branches `research/*`", "branches `exp/*`", "tags `sealed/*`"];
        let said = |on: &str| starting(on).expect("it is YAML");
        for on in
            ["on: push\n", "on: [push, pull_request]\n", "on:\n  push:\n  pull_request:\n", "on: create\n"]
        {
            assert_eq!(said(on), all, "{on}");
        }
        for on in [
            "on: pull_request\n",
            "on:\n  push:\n    branches: [main]\n",
            "on:\n  push:\n    tags: ['v*']\n",
            "on:\n  push:\n    branches-ignore: ['**']\n",
            "on:\n  push:\n    branches: ['*']\n",
            "on:\n  push:\n    branches: ['**', '!exp/**', '!research/**']\n",
        ] {
            assert!(said(on).is_empty(), "{on}");
        }
        assert_eq!(said("on:\n  push:\n    branches: ['exp/**']\n"), all[1..2]);
        assert_eq!(said("on:\n  push:\n    branches-ignore: [main]\n"), all[..2]);
        assert_eq!(said("on:\n  push:\n    tags: ['**']\n"), all[2..]);
        assert_eq!(said("on:\n  push:\n    paths: [src/**]\n"), all);
        assert_eq!(starting("on: [push\n"), None);
    }
}
