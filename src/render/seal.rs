//! Seals: what the bundle's `README.md` and `repro.sh` are made of, and what `verify` found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::reproduction::{ReproducedLine, lines};
use super::text::{command_line, harmless};
use super::{Canvas, Page, Tone};
use crate::domain::bytes::OsBytes;
use crate::domain::cell::Trial;
use crate::domain::metric::BUILT_IN;
use crate::domain::run::{Run, Status};
use crate::domain::seal::{Failure, Manifest};

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

/// The line of `repro.sh` that says by which rules it was made: another number for every change of what is written.
///
/// `verify` writes the script again where it finds this line, and finds so what was put into it.
pub const SCRIPT_FORMAT: &str = "\n# Format: git-exp/repro/1\n";

/// How `repro.sh` begins.
const REPRO: &str = r#"#!/bin/sh
# Format: git-exp/repro/1
# Runs the commands of this seal again, in worktrees at the code that ran; from a clone of the seal, without `git exp`.
# What was recorded is printed beside what comes out now: judging it is left to you, or to `git exp repro`.
# The worktrees are made in the folder that is given, and left there; without one they are made elsewhere and go at the end.
set -eu
top=$(git rev-parse --show-toplevel)
if test $# -gt 0; then
    mkdir -p "$1"
    work=$(cd "$1" && pwd)
else
    work=$(mktemp -d)
    clean() {
        for tree in "$work"/*/code; do
            if test -d "$tree"; then git -C "$top" worktree remove --force "$tree"; fi
        done
        rm -rf "$work"
    }
    trap clean EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi
echo "worktrees are made in $work" >&2
code() { # side, commit, setup command …
    side=$1 commit=$2
    shift 2
    if test -d "$work/$side/code"; then
        git -C "$work/$side/code" checkout --quiet --force --detach "$commit"
    else
        git -C "$top" worktree add --quiet --detach "$work/$side/code" "$commit"
    fi
    if test $# -gt 0; then
        (cd "$work/$side/code" && "$@") >&2 || { echo "the setup of the $side ended with $?" >&2; exit 4; }
    fi
}
run() { # experiment, side, folder, trial, seed, parameters as JSON, command …
    experiment=$1 side=$2 folder=$3 trial=$4 seed=$5 params=$6
    shift 6
    printf '== %s, seed %s:' "$side" "${seed:-none}" && printf ' %s' "$@" && echo
    here=$work/$side/trial
    rm -rf "$here"
    mkdir -p "$here/out" "$here/state"
    printf '%s' "$params" > "$here/params.json"
    : > "$here/metrics.jsonl"
    (
        cd "$work/$side/code/$folder" || exit
        if test -n "$seed"; then GIT_EXP_SEED=$seed && export GIT_EXP_SEED; fi
        GIT_EXP_RUN=$(printf '%032x' "$trial") && export GIT_EXP_RUN
        export GIT_EXP_ID="$experiment" GIT_EXP_TRIAL="$trial" GIT_EXP_PARAMS="$here/params.json"
        export GIT_EXP_METRICS="$here/metrics.jsonl" GIT_EXP_OUT="$here/out" GIT_EXP_STATE="$here/state"
        status=0
        "$@" > "$here/stdout" || status=$?
        cat "$here/stdout"
        exit "$status"
    ) || echo "it ended with $?"
    cat "$here/metrics.jsonl"
}
recorded() { # status, then name and value …
    printf '   recorded: %s\n' "$1"
    shift
    while test $# -gt 1; do
        now=$(awk -v name="$1=" '$1 == "METRIC" && index($2, name) == 1 && !/ case=/ { now = substr($2, length(name) + 1) }
            END { print now }' "$work/$side/trial/stdout")
        printf '   %s: %s recorded, %s here\n' "$1" "$2" "${now:-see above}"
        shift 2
    done
}
"#;

/// One side, as `repro.sh` runs it.
pub struct ScriptSide<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The setup command of each code that it ran; none where nothing is needed.
    pub setup: BTreeMap<&'a str, Vec<String>>,
    /// Its trials.
    pub trials: &'a [Trial<'a>],
}

/// The script that runs the trials of both sides again.
pub fn repro(sides: &[ScriptSide<'_>]) -> Vec<u8> {
    let mut script = REPRO.as_bytes().to_vec();
    let mut line = |command: &str, words: &mut dyn Iterator<Item = Vec<u8>>| {
        script.extend_from_slice(command.as_bytes());
        for text in words {
            script.push(b' ');
            script.extend(word(&text));
        }
        script.push(b'\n');
    };
    for ScriptSide { name, setup, trials } in sides {
        let mut at = None;
        for Trial { run, .. } in *trials {
            let commit = run.code.commit.as_str();
            if at != Some(commit) {
                let setup = setup.get(commit).into_iter().flatten().cloned();
                let words = [(*name).to_owned(), commit.to_owned()].into_iter().chain(setup);
                line("code", &mut words.map(String::into_bytes));
                at = Some(commit);
            }
            let params = serde_json::to_vec(&run.params).expect("texts are JSON");
            let seed = run.seed.map(|seed| seed.to_string()).unwrap_or_default();
            let trial = run.trial.to_string();
            let words = [
                run.membership.experiment.as_str().as_bytes(),
                name.as_bytes(),
                run.directory.0.as_slice(),
                trial.as_bytes(),
                seed.as_bytes(),
                params.as_slice(),
            ]
            .map(<[u8]>::to_vec);
            line("run", &mut words.into_iter().chain(run.argv.iter().map(|it| it.0.clone())));
            let reported =
                run.metrics.iter().filter(|(name, _)| BUILT_IN.iter().all(|(known, _)| known != name));
            let values = reported.flat_map(|(name, it)| {
                let whole = it.value.map(|value| (name.clone(), value));
                let cases = it.cases.iter().map(move |(case, value)| (format!("{name} case={case}"), *value));
                whole.into_iter().chain(cases)
            });
            let values = values.flat_map(|(name, value)| [name, value.to_string()]);
            let words = std::iter::once(run.status.word().to_owned()).chain(values);
            line("recorded", &mut words.map(String::into_bytes));
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

/// A seal as it says of itself that it is, and what came of repeating it.
pub struct SealedView<'a> {
    /// The tag.
    pub tag: &'a str,
    /// Its object.
    pub object: String,
    /// The commit it is put on.
    pub commit: String,
    /// Whether it is signed, by whomever.
    pub is_signed: bool,
    /// The digest of the manifest.
    pub digest: &'a str,
    /// What it says.
    pub manifest: &'a Manifest,
    /// What came of repeating it, oldest first.
    pub repeated: &'a [ReproducedLine<'a>],
}

impl SealedView<'_> {
    /// The view for scripts: `git-exp/sealed/1`.
    pub fn json(&self) -> Json {
        let manifest = self.manifest;
        let reproductions: Vec<Json> = self
            .repeated
            .iter()
            .map(|line| {
                json!({
                    "entry": line.entry.to_hex(), "time": line.time.to_string(), "by": line.by,
                    "outcome": line.it.outcome.word(), "reasons": line.it.reasons, "hardware": line.it.hardware,
                })
            })
            .collect();
        json!({
            "schema": "git-exp/sealed/1",
            "tag": self.tag,
            "object": self.object,
            "commit": self.commit,
            "signed": self.is_signed,
            "manifest": self.digest,
            "experiment": manifest.experiment,
            "registration": manifest.registration,
            "topic": manifest.topic,
            "decision": manifest.decision.as_ref().map(|it| &it.decision),
            "entries": manifest.all_entries().count(),
            "missing": manifest.missing,
            "reproductions": reproductions,
        })
    }

    /// A page about it.
    pub fn page(&self, canvas: &Canvas) -> String {
        let manifest = self.manifest;
        let mut page = Page::default();
        page.line(&canvas.style.paint(Tone::Strong, &format!("seal {}", harmless(self.tag))));
        page.field("experiment", &harmless(&manifest.experiment));
        if let Some(topic) = &manifest.topic {
            page.field("topic", &harmless(topic));
        }
        page.field(
            "decision",
            &manifest.decision.as_ref().map_or("none".into(), |it| harmless(&it.decision)),
        );
        page.field("commit", &self.commit);
        page.field("manifest", self.digest);
        page.field("signed", if self.is_signed { "yes" } else { "no" });
        page.field("entries", &manifest.all_entries().count().to_string());
        for it in &manifest.missing {
            page.field("incomplete", &canvas.style.paint(Tone::Warning, &harmless(it)));
        }
        page.text.push_str(&lines(self.repeated, canvas));
        page.text
    }
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
    /// What could not be looked at.
    pub unchecked: &'a [String],
    /// What is to be known besides.
    pub notes: &'a [String],
    /// Each brief that runs cite: whether it is proven that it came before them.
    pub briefs: &'a [Json],
}

/// What `verify` found, for people.
pub fn page(tag: &str, checked: &[String], unchecked: &[String], failures: &[Failure]) -> String {
    let mut text = String::new();
    if failures.is_empty() {
        let far = if unchecked.is_empty() { "" } else { ", as far as it could be looked at" };
        let _ = writeln!(text, "{} is what was sealed{far}", harmless(tag));
        for it in checked {
            let _ = writeln!(text, "  {}", harmless(it));
        }
    } else {
        let _ = writeln!(text, "{} is not what was sealed, or does not hold:", harmless(tag));
        for it in failures {
            let _ = writeln!(text, "  {}: {}: {}", it.check, harmless(&it.subject), harmless(&it.what));
        }
    }
    for it in unchecked {
        let _ = writeln!(text, "  not looked at: {}", harmless(it));
    }
    text
}
