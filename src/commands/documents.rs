//! Documents: the templates that make them, and the branch that keeps them.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::domain::id::TopicName;
use crate::error::Error;
use crate::git::{Expected, FILE, GitError, NewCommit, ObjectKind, Oid, RefEdit, Repo, Signature};
use crate::log::{Lock, layout};
use crate::render::templates::{FOLDER, LONGEST, Replacement, TemplateError, Templates};

/// How often a branch is tried that others move at the same time.
const TRIES: u32 = 20;

/// The templates as they are here: the worktree's, else those on the topic's branch, else on the main branch, else ours.
pub fn templates(context: &Context, topic: Option<&TopicName>) -> Result<Templates, Error> {
    let mut found = BTreeMap::new();
    let branches = topic.map(layout::topic_branch).into_iter().chain(context.main_branch()?);
    let mut places: Vec<(String, BTreeMap<String, Vec<u8>>)> = Vec::new();
    if let Some(top) = context.repo.work_dir() {
        places.push((String::new(), context.files_in(&top.join(FOLDER), LONGEST)?));
    }
    for branch in branches {
        if let Some(tip) = context.repo.read_ref(&format!("refs/heads/{branch}"))? {
            places.push((format!("{branch}:"), files_at(&context.repo, tip)?));
        }
    }
    for (origin, files) in places {
        for (name, bytes) in files {
            let origin = format!("{origin}{FOLDER}/{name}");
            let text = String::from_utf8(bytes).map_err(|_| {
                Error::request(format!("cannot use the template `{origin}`")).because("it is not UTF-8")
            })?;
            found.entry(name).or_insert(Replacement { origin, text });
        }
    }
    Templates::new(found).map_err(|error| explained(&error))
}

/// The templates in a commit.
fn files_at(repo: &Repo, commit: Oid) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut tree = repo.read_commit(commit)?.tree;
    for part in FOLDER.split('/') {
        let rows = repo.read_tree(tree)?;
        match rows.into_iter().find(|row| row.name == part.as_bytes() && row.mode == crate::git::FOLDER) {
            Some(row) => tree = row.oid,
            None => return Ok(BTreeMap::new()),
        }
    }
    let mut files = BTreeMap::new();
    for row in repo.read_tree(tree)? {
        if row.mode == FILE
            && let Ok(name) = String::from_utf8(row.name)
        {
            files.insert(name, repo.read_blob(row.oid)?);
        }
    }
    Ok(files)
}

/// What is wrong with a template, and what to do about it.
pub fn explained(error: &TemplateError) -> Error {
    Error::request(format!("cannot use the template `{}`", error.place()))
        .because(&error.message)
        .hint("`git exp logbook <topic> --json` shows the fields; docs/reference/templates.md explains them")
}

/// What was committed to a branch.
pub struct Committed {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: Oid,
    /// How many parts were appended.
    pub parts: usize,
}

/// Appends to the file at `path` on the topic's branch what `more` says is missing from its text, whether or not the branch is
/// checked out; `None` where nothing is missing.
pub fn append_on_branch(
    context: &mut Context,
    topic: &TopicName,
    path: &str,
    mut more: impl FnMut(Option<&str>) -> Result<(String, usize), Error>,
) -> Result<Option<Committed>, Error> {
    let branch = layout::topic_branch(topic);
    let full = format!("refs/heads/{branch}");
    let checked_out =
        context.repo.worktrees()?.into_iter().find(|it| it.branch.as_deref() == Some(&full) && !it.is_gone);
    let checked_out = checked_out.map(|it| context.repo.in_worktree(&it.path)).transpose()?;
    // Between the ref and the index of the worktree nobody else may look.
    let _lock = Lock::take(context.log.folders())?;
    if let Some(worktree) = &checked_out
        && context.repo.read_ref(&full)?.is_some()
        && !worktree.is_unstaged(path)?
    {
        return Err(Error::request(format!("cannot append to `{path}` on `{branch}`"))
            .because("changes of it are staged in the worktree where the branch is checked out")
            .hint("commit them there, or take them back: git restore --staged"));
    }
    for _ in 0..TRIES {
        let tip = context.repo.read_ref(&full)?;
        let start = match tip {
            Some(tip) => Some(tip),
            None => beginning(context, &branch)?,
        };
        let tree = start.map(|start| context.repo.read_commit(start)).transpose()?.map(|commit| commit.tree);
        let old = tree.map(|tree| context.repo.read_path(tree, path.as_bytes())).transpose()?.flatten();
        let old_text = old.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let (added, parts) = more(old_text.as_deref())?;
        if parts == 0 && old.is_some() {
            return Ok(None);
        }
        let mut bytes = old.clone().unwrap_or_default();
        let mut addition = Vec::new();
        // An empty line keeps what people wrote apart from what follows.
        for end in [&b"\n"[..], b"\n\n"] {
            if !bytes.is_empty() && ![&bytes[..], &addition].concat().ends_with(end) {
                addition.push(b'\n');
            }
        }
        addition.extend_from_slice(added.as_bytes());
        bytes.extend_from_slice(&addition);
        let blob = context.repo.write_object(ObjectKind::Blob, &bytes)?;
        let tree = context.repo.edit_tree(tree, &[(path.into(), Some((FILE, blob)))])?;
        let by = signature(context);
        let commit = NewCommit {
            tree,
            parents: start.into_iter().collect(),
            author: by.clone(),
            committer: by,
            message: format!("logbook: {}\n", described(topic, parts, old.is_none())).into_bytes(),
        };
        let commit = context.repo.write_object(ObjectKind::Commit, &context.repo.encode_commit(&commit))?;
        let expected = tip.map_or(Expected::Absent, Expected::Is);
        let edit = RefEdit { name: full.clone(), expected, new: Some(commit) };
        match context.repo.update_refs(&[edit], "git exp logbook --write") {
            Ok(()) => {}
            Err(GitError::Moved(_)) => continue,
            Err(error) => return Err(error.into()),
        }
        if let Some(worktree) = &checked_out {
            worktree.follow_appended(path, blob, &addition, old.is_none())?;
        }
        return Ok(Some(Committed { branch, commit, parts }));
    }
    Err(Error::outside(format!("cannot append to `{path}` on `{branch}`"))
        .because("others move the branch all the time")
        .hint("try again"))
}

fn described(topic: &TopicName, parts: usize, is_new: bool) -> String {
    match (is_new, parts) {
        (true, _) => format!("begin that of {topic}"),
        (false, 1) => format!("one entry of {topic}"),
        (false, parts) => format!("{parts} entries of {topic}"),
    }
}

/// Where a topic's branch begins that is not here: at a remote's of that name, else at the main branch, else at `HEAD`.
fn beginning(context: &Context, branch: &str) -> Result<Option<Oid>, Error> {
    let remotes = context.repo.list_refs("refs/remotes/")?;
    if let Some((_, tip)) = remotes.iter().find(|(name, _)| {
        name.strip_prefix("refs/remotes/")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|it| it.1 == branch)
    }) {
        return Ok(Some(*tip));
    }
    if let Some(main) = context.main_branch()?
        && let Some(tip) = context.repo.read_ref(&format!("refs/heads/{main}"))?
    {
        return Ok(Some(tip));
    }
    Ok(context.repo.head()?.commit)
}

/// Who acts now, as a commit has it.
pub fn signature(context: &Context) -> Signature {
    let (by, now) = (context.identity(), context.now());
    Signature {
        name: by.name.into_bytes(),
        email: by.email.into_bytes(),
        seconds: now.as_second(),
        offset_minutes: context.zone.to_offset(now).seconds() / 60,
    }
}
