//! `git exp diff`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value as Json;

use super::Answer;
use super::recorded::{config_files, environment, explain_code, versions};
use super::runs::{Which, newest_run};
use super::selection::{self, Selected};
use crate::context::Context;
use crate::domain::difference::{Difference, Side};
use crate::domain::entry::{Body, Entry};
use crate::domain::run::Run;
use crate::domain::state::State;
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::Index;
use crate::render::difference::{DifferenceView, FileLine, files, page};
use crate::render::text::harmless_lines;

/// Say what two runs differ in: code, command, parameters, configuration, data, environment, results
///
/// An experiment stands for its newest run that ended well. What differs in one thing only can be put down to it; where
/// several things differ, the first line says so.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp diff 3f2a91bc 77c0d1e2
  git exp diff A-001 A-002 -p
  git exp diff A-001 A-002 --json | jq '.axes'

JSON: one git-exp/diff/1 object.")]
pub struct Arguments {
    /// A run or an experiment
    a: String,

    /// Another one
    b: String,

    /// Show the difference of the code, as `git diff` does
    #[arg(short, long)]
    patch: bool,
}

/// A run with all that it is compared by.
struct Compared {
    entry: Entry,
    run: Run,
    environment: Option<Json>,
    config_files: BTreeMap<String, String>,
    datasets: BTreeMap<String, String>,
}

impl Compared {
    fn side(&self) -> Side<'_> {
        Side {
            run: &self.run,
            environment: self.environment.as_ref(),
            config_files: &self.config_files,
            datasets: &self.datasets,
        }
    }

    fn tree(&self) -> Option<Oid> {
        Oid::from_hex(self.run.code.tree.as_str())
    }
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let a = compared(context, &mut index, &state, &arguments.a)?;
    let b = compared(context, &mut index, &state, &arguments.b)?;
    let mut difference = Difference::between(&a.side(), &b.side());
    explain_code(context, &mut difference, &a.run, &b.run, [&a.config_files, &b.config_files]);
    let is_same_code = a.run.code.tree == b.run.code.tree;
    let mut withdrawn = Vec::new();
    for side in [&a, &b] {
        withdrawn.extend(context.log.refuse_withdrawn_code_of(&mut index, side.entry.id).err());
    }
    let trees = a
        .tree()
        .zip(b.tree())
        .filter(|_| withdrawn.is_empty())
        .filter(|(a, b)| !is_same_code && context.repo.has_object(*a) && context.repo.has_object(*b));
    let changed = match trees {
        Some((a, b)) => file_lines(context, a, b)?,
        None => Vec::new(),
    };
    let patch = match trees {
        Some((a, b)) if arguments.patch => context.repo.diff_text(a, b)?,
        _ => Vec::new(),
    };
    let ids = [a.entry.id, b.entry.id];
    for why in &withdrawn {
        context.output.say(&format!("{why}; its difference is not shown"));
    }
    if context.output.json {
        let view = DifferenceView { a: ids[0].to_hex(), b: ids[1].to_hex(), difference: &difference };
        let patch = arguments.patch.then(|| String::from_utf8_lossy(&patch));
        context.output.object(&view.json(&changed, patch.as_deref()))?;
        return Ok(Answer::Yes);
    }
    let short = index.short_ids(&ids)?;
    let named = |short: &str, it: &Compared| format!("{short} ({})", it.run.membership.experiment);
    let view = DifferenceView { a: named(&short[0], &a), b: named(&short[1], &b), difference: &difference };
    let canvas = context.canvas();
    let mut text = page(&view, &canvas);
    text.push_str(&files(&changed, &canvas));
    context.output.text(&text)?;
    if !patch.is_empty() {
        context.output.text("\n")?;
        // A terminal must not obey what stands in somebody's code; a pipe gets every byte.
        match context.output.width {
            Some(_) => context.output.text(&harmless_lines(&String::from_utf8_lossy(&patch)))?,
            None => context.output.bytes(&patch)?,
        }
    }
    if trees.is_none() && !is_same_code && withdrawn.is_empty() {
        context.output.say("the code of both runs is not here, so that its difference cannot be shown");
        context.output.hint("`git exp pull --data` fetches it");
    } else if !changed.is_empty() && !arguments.patch {
        context.output.hint("`-p` shows the difference of the code");
    }
    Ok(Answer::Yes)
}

/// The run that `word` means, with what was stored beside it.
fn compared(context: &mut Context, index: &mut Index, state: &State, word: &str) -> Result<Compared, Error> {
    let entry = match selection::select(context, index, state, word)? {
        Selected::Entry(entry) => *entry,
        Selected::Experiment(experiment) => {
            let newest = newest_run(context, index, Some(&experiment), Which::EndedWell)?;
            let entry = newest.ok_or_else(|| {
                Error::request(format!("`{}` has no run that ended well", experiment.name()))
                    .hint(format!("`git exp runs -e {}` lists its runs; name one of them", experiment.name()))
            })?;
            context.output.say(&format!(
                "{} stands for its newest run that ended well, {}",
                experiment.name(),
                entry.id.short()
            ));
            entry
        }
    };
    let Body::Run(run) = &entry.body else {
        return Err(Error::request(format!("`{word}` is a {}, not a run", entry.kind()))
            .hint("`git exp runs` lists the runs"));
    };
    let run = (**run).clone();
    let mut environment = environment(context, &entry)?;
    // What has an axis of its own must not be told again as environment.
    let datasets = environment
        .as_mut()
        .and_then(|environment| environment.as_object_mut()?.remove("datasets"))
        .map(|datasets| versions(&datasets))
        .unwrap_or_default();
    Ok(Compared { config_files: config_files(&entry), run, environment, datasets, entry })
}

fn file_lines(context: &Context, a: Oid, b: Oid) -> Result<Vec<FileLine>, Error> {
    let changes = context.repo.diff_files(a, b)?;
    Ok(changes
        .into_iter()
        .map(|change| FileLine {
            path: String::from_utf8_lossy(&change.path).into_owned(),
            added: change.added,
            removed: change.removed,
        })
        .collect())
}
