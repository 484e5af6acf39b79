//! Seals: what the bundle's `README.md` and `repro.sh` are made of, and what `verify` found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::text::{command_line, harmless};
use crate::domain::bytes::OsBytes;
use crate::domain::cell::Trial;
use crate::domain::run::{Run, Status};
use crate::domain::seal::Failure;

/// What a seal says of itself: `seal` in its `README.md`.
#[derive(Debug, Default, Serialize)]
pub struct SealFields {
    /// The experiment's name.
    pub experiment: String,
    /// What was not in order.
    pub missing: Vec<String>,
    /// The commands that ran, those of the candidate first.
    pub commands: Vec<CommandFields>,
    /// The machines they ran on.
    pub machines: Vec<MachineFields>,
    /// The environment variables that were captured.
    pub variables: Vec<String>,
    /// Why there is no comparison, where there is none.
    pub no_comparison: Option<String>,
    /// What the result does not say.
    pub limits: Vec<String>,
}

/// A command that ran, once or several times: an element of `seal.commands`.
#[derive(Debug, Serialize)]
pub struct CommandFields {
    command: String,
    side: &'static str,
    commit: String,
    directory: Option<String>,
    params: Vec<String>,
    statuses: String,
    seeds: Vec<String>,
}

/// A machine that ran something: an element of `seal.machines`.
#[derive(Debug, Serialize)]
pub struct MachineFields {
    hardware: String,
    accelerators: u32,
    runs: usize,
    facts: Vec<String>,
}

/// What tells one command from another: code, folder, arguments, parameters.
type Same<'a> = (&'a str, &'a OsBytes, &'a [OsBytes], &'a BTreeMap<String, String>);

fn same(run: &Run) -> Same<'_> {
    (run.code.commit.as_str(), &run.directory, &run.argv, &run.params)
}

/// The commands of one side, in the order in which they first ran.
pub fn commands(side: &'static str, trials: &[Trial<'_>]) -> Vec<CommandFields> {
    let mut groups: Vec<Vec<&Run>> = Vec::new();
    for trial in trials {
        match groups.iter_mut().find(|group| same(group[0]) == same(trial.run)) {
            Some(group) => group.push(trial.run),
            None => groups.push(vec![trial.run]),
        }
    }
    let fields = |group: Vec<&Run>| {
        let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
        for run in &group {
            *statuses.entry(run.status).or_default() += 1;
        }
        let statuses: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let run = group[0];
        CommandFields {
            command: command_line(&run.argv),
            side,
            commit: run.code.commit.as_str().to_owned(),
            directory: Some(run.directory.to_string()).filter(|it| !it.is_empty()),
            params: run.params.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            statuses: statuses.join(", "),
            seeds: group.iter().filter_map(|run| run.seed).map(|seed| seed.to_string()).collect(),
        }
    };
    groups.into_iter().map(fields).collect()
}

/// The machines that runs were made on, by hardware and number of accelerators; `environments` are by the runs' places.
pub fn machines(trials: &[Trial<'_>], environments: &[Option<Json>]) -> Vec<MachineFields> {
    let mut machines: Vec<MachineFields> = Vec::new();
    for (trial, environment) in trials.iter().zip(environments) {
        let run = trial.run;
        let known =
            machines.iter_mut().find(|it| it.hardware == run.hardware && it.accelerators == run.accelerators);
        match known {
            Some(known) => known.runs += 1,
            None => machines.push(MachineFields {
                hardware: run.hardware.clone(),
                accelerators: run.accelerators,
                runs: 1,
                facts: environment.as_ref().map(facts).unwrap_or_default(),
            }),
        }
    }
    machines
}

fn facts(environment: &Json) -> Vec<String> {
    let mut facts = Vec::new();
    for name in ["system", "kernel", "arch", "cpu", "cpu_count", "memory_bytes"] {
        match &environment[name] {
            Json::Null => {}
            Json::String(text) => facts.push(format!("{name} {text}")),
            other => facts.push(format!("{name} {other}")),
        }
    }
    for found in environment["accelerators"].as_array().into_iter().flatten() {
        facts.push(format!("accelerators {found}"));
    }
    facts
}

/// The environment variables in `environments`, each value once.
pub fn variables(environments: &[Option<Json>]) -> Vec<String> {
    let mut variables: Vec<String> = environments
        .iter()
        .flatten()
        .filter_map(|environment| environment["variables"].as_object())
        .flatten()
        .map(|(name, value)| {
            format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    variables.sort_unstable();
    variables.dedup();
    variables
}

/// The bytes of a shell word.
fn word(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// How `repro.sh` begins.
const REPRO: &str = r#"#!/bin/sh
# Runs the commands of this seal again, in worktrees at the code that ran; from a clone of the seal, without `git exp`.
# What they print is for you to hold against README.md. Datasets and dependencies must be in place.
set -eu
top=$(git rev-parse --show-toplevel)
work=${1:-$(mktemp -d)}
echo "worktrees are made in $work" >&2
run() { # side, commit, folder, seed, parameters as JSON, command …
    side=$1 commit=$2 folder=$3 seed=$4 params=$5
    shift 5
    test -d "$work/$commit" || git -C "$top" worktree add --quiet --detach "$work/$commit" "$commit"
    printf '%s' "$params" > "$work/params.json"
    mkdir -p "$work/out"
    printf '== %s, seed %s:' "$side" "${seed:-none}" && printf ' %s' "$@" && echo
    (
        cd "$work/$commit/$folder" || exit
        if test -n "$seed"; then GIT_EXP_SEED=$seed && export GIT_EXP_SEED; fi
        GIT_EXP_PARAMS=$work/params.json GIT_EXP_OUT=$work/out && export GIT_EXP_PARAMS GIT_EXP_OUT
        "$@"
    ) || echo "it ended with $?"
}
"#;

/// The script that runs the trials of both sides again.
pub fn repro(sides: [(&str, &[Trial<'_>]); 2]) -> Vec<u8> {
    let mut script = REPRO.as_bytes().to_vec();
    for (side, trials) in sides {
        for Trial { run, .. } in trials {
            let params = serde_json::to_vec(&run.params).expect("texts are JSON");
            let seed = run.seed.map(|seed| seed.to_string()).unwrap_or_default();
            let commit = run.code.commit.as_str();
            let words = [side.as_bytes(), commit.as_bytes(), &run.directory.0, seed.as_bytes(), &params];
            script.extend_from_slice(b"run");
            for text in words.into_iter().chain(run.argv.iter().map(|it| it.0.as_slice())) {
                script.push(b' ');
                script.extend(word(text));
            }
            script.push(b'\n');
        }
    }
    script
}

/// What was sealed, for scripts.
#[derive(Debug, Serialize)]
pub struct SealJson<'a> {
    /// `git-exp/seal/1`.
    pub schema: &'static str,
    /// The experiment's name.
    pub experiment: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The commit it is put on.
    pub commit: String,
    /// The tree of that.
    pub tree: String,
    /// The digest of the manifest.
    pub manifest: &'a str,
    /// Whether the tag is signed.
    pub signed: bool,
    /// Whether the same state was sealed before, so that no tag was made.
    pub already: bool,
    /// How many entries were sealed.
    pub entries: usize,
    /// How many files the bundle has.
    pub files: usize,
    /// How long these are in all.
    pub bytes: u64,
    /// What was not in order.
    pub missing: &'a [String],
}

/// What `verify` found, for scripts.
#[derive(Debug, Serialize)]
pub struct VerifyJson<'a> {
    /// `git-exp/verify/1`.
    pub schema: &'static str,
    /// The tag.
    pub tag: &'a str,
    /// The experiment, where the manifest can be read.
    pub experiment: Option<&'a str>,
    /// Whether everything is as it was sealed.
    pub verified: bool,
    /// `good`, `none` or `bad`.
    pub signature: &'a str,
    /// What is not.
    pub failures: &'a [Failure],
    /// What was looked at.
    pub checked: &'a [String],
    /// What is to be known besides.
    pub notes: &'a [String],
    /// Each brief that runs cite: whether it is proven that it came before them.
    pub briefs: &'a [Json],
}

/// What `verify` found, for people.
pub fn page(tag: &str, checked: &[String], failures: &[Failure]) -> String {
    let mut text = String::new();
    if failures.is_empty() {
        let _ = writeln!(text, "{} is what was sealed", harmless(tag));
        for it in checked {
            let _ = writeln!(text, "  {}", harmless(it));
        }
        return text;
    }
    let _ = writeln!(text, "{} is not what was sealed, or does not hold:", harmless(tag));
    for it in failures {
        let _ = writeln!(text, "  {}: {}: {}", it.check, harmless(&it.subject), harmless(&it.what));
    }
    text
}
