//! The evaluation code of a topic: pinned when the topic begins, and looked at again by every run.

use std::collections::BTreeMap;

use super::code_state::CodeState;
use crate::context::Context;
use crate::domain::evaluation::{self, StoredFile, is_evaluation, may_hold_evaluation};
use crate::domain::id::TopicName;
use crate::domain::path_pattern::PathPattern;
use crate::domain::topic::EvaluationPin;
use crate::error::Error;
use crate::git::{Oid, Repo};

/// The evaluation code as it is at `HEAD`, by the paths that the team agreed on, and how many files it has; `None` where
/// no paths are agreed on.
pub fn pin(context: &Context, topic: &TopicName) -> Result<Option<(EvaluationPin, usize)>, Error> {
    let patterns = context.rules_for(Some(topic))?.files.evaluation;
    if patterns.is_empty() {
        return Ok(None);
    }
    let tree = match context.repo.head()?.commit {
        Some(commit) => context.repo.read_commit(commit)?.tree,
        None => context.repo.empty_tree(),
    };
    let files = files(&context.repo, tree, &patterns)?;
    let paths = patterns.iter().map(ToString::to_string).collect();
    Ok(Some((EvaluationPin { paths, digest: evaluation::digest(&files) }, files.len())))
}

/// Says what was pinned.
pub fn tell(context: &mut Context, pin: &EvaluationPin, files: usize) {
    let paths = pin.paths.join("`, `");
    match files {
        0 => context
            .output
            .say(&format!("no file is at `{paths}` yet: evaluation code that comes counts as changed")),
        1 => context
            .output
            .say(&format!("the evaluation code is pinned: 1 file at `{paths}` ({})", pin.short())),
        count => {
            context
                .output
                .say(&format!("the evaluation code is pinned: {count} files at `{paths}` ({})", pin.short()));
        }
    }
}

fn files(repo: &Repo, tree: Oid, patterns: &[PathPattern]) -> Result<Vec<StoredFile>, Error> {
    let opens = |folder: &[u8]| may_hold_evaluation(patterns, folder);
    let found = repo.files_of_tree(tree, &opens, &|path| is_evaluation(patterns, path))?;
    Ok(found.into_iter().map(|(path, mode, oid)| StoredFile { path, mode, object: oid.to_hex() }).collect())
}

/// What each topic pinned.
#[derive(Clone, Debug, Default)]
pub struct Pins(BTreeMap<TopicName, EvaluationPin>);

impl Pins {
    /// What the topics in the log pinned; `topic` is one of them, without which nothing is read.
    pub fn read(context: &Context, topic: Option<&TopicName>) -> Result<Self, Error> {
        if topic.is_none() {
            return Ok(Self::default());
        }
        let mut index = context.log.index()?;
        let state = context.log.state(&mut index)?;
        let pins = state.topics.into_iter().filter_map(|(name, it)| Some((name, it.topic.evaluation?)));
        Ok(Self(pins.collect()))
    }

    /// What `topic` pinned.
    pub fn of(&self, topic: Option<&TopicName>) -> Option<&EvaluationPin> {
        self.0.get(topic?)
    }
}

/// The digest of the evaluation code that runs, and whether it is another than what was pinned.
pub fn of_code(repo: &Repo, code: &CodeState, pin: &EvaluationPin) -> Result<(String, bool), Error> {
    let patterns = pin.patterns();
    let digest = match Oid::from_hex(code.code.tree.as_str()) {
        Some(tree) => evaluation::digest(&files(repo, tree, &patterns)?),
        None => evaluation::digest(&[]),
    };
    // What could not be stored as it ran is not what was pinned either, whatever the commit says.
    let is_unseen = code.unseen.iter().any(|path| is_evaluation(&patterns, path));
    let is_changed = digest != pin.digest || is_unseen;
    Ok((digest, is_changed))
}
