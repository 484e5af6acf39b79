//! Checking the log: every entry, its commit, its files and its code, and whether the views say what it says.

use std::collections::{HashMap, HashSet};

use super::append::Lock;
use super::error::LogError;
use super::index::Index;
use super::read::Located;
use super::{Log, layout, message, notes, read};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::number::counted;
use crate::domain::withdrawal::Part;
use crate::git::{Oid, Repo};

/// What a check of the log found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many entries were looked at, over all logs.
    pub entries: u64,
    /// How many of their files were read and agreed with their hash.
    pub files: u64,
    /// How many files of others are elsewhere: they were not sent or fetched.
    pub absent_files: u64,
    /// How many runs of others have their code elsewhere.
    pub absent_code: u64,
    /// How many objects were missing and written again from the journal.
    pub healed: u64,
    /// Everything that is wrong.
    pub damages: Vec<Damage>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is wrong with: an entry's ID, a ref or a view.
    pub what: String,
    /// What is wrong.
    pub problem: String,
    /// Whether `--repair` mends it.
    pub is_repairable: bool,
}

/// Checks the log and the views; what cannot be read is a damage like any other.
pub fn check(log: &Log) -> Result<Report, LogError> {
    let mut report = Report::default();
    match log.heal() {
        Ok(healed) => report.healed = healed as u64,
        Err(error) => report.add("journal".to_owned(), said(&error), false),
    }
    let tips = log.tips()?;
    check_tips(log, &tips, &mut report);
    let mut seen: HashMap<EntryId, Entry> = HashMap::new();
    for (writer, tip) in &tips {
        if let Err(error) = check_log(log, writer, *tip, &mut seen, &mut report) {
            report.add(layout::log_ref(writer), said(&error), false);
        }
    }
    for entry in seen.values() {
        // What a withdrawal took is not here because of it.
        let is_withdrawal = matches!(entry.body, Body::Withdrawal(_));
        for replaced in entry.replaces.iter().filter(|_| !is_withdrawal) {
            if !seen.contains_key(replaced) {
                report.add(entry.id.to_hex(), format!("it replaces {replaced}, which is not here"), false);
            }
        }
    }
    if let Err(error) = check_index(log, &seen, &mut report) {
        report.add("index".to_owned(), said(&error), true);
    }
    match notes::stale(log.repo(), &notes::fold(seen.values())) {
        Ok(stale) => {
            for commit in stale {
                let problem = format!("the note on {commit} is not what the log says");
                report.add(layout::NOTES.to_owned(), problem, true);
            }
        }
        Err(error) => report.add(layout::NOTES.to_owned(), said(&error), true),
    }
    report.damages.sort_by(|a, b| (&a.what, &a.problem).cmp(&(&b.what, &b.problem)));
    Ok(report)
}

/// An error with what lies behind it, on one line.
fn said(error: &LogError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text.replace('\n', " ")
}

/// Finds logs that are shorter than the index has seen them.
fn check_tips(log: &Log, tips: &[(Writer, Oid)], report: &mut Report) {
    for (writer, known) in super::index::known_tips(&log.folders().index()) {
        let now = tips.iter().find(|(name, _)| *name == writer).map(|(_, tip)| *tip);
        let holds = now.is_some_and(|tip| {
            tip == known
                || log.repo().walk_first_parent(tip).any(|step| step.is_ok_and(|(oid, _)| oid == known))
        });
        if !holds {
            let name = layout::log_ref(&writer);
            let gone = if now.is_none() { "is gone" } else { "was rewound" };
            let problem = format!("it {gone}; it reached {known}: git update-ref {name} {known}");
            report.add(name, problem, false);
        }
    }
}

/// Rebuilds every view from the log, and this clone's data and code chains from the entries.
pub fn repair(log: &Log) -> Result<(), LogError> {
    {
        let lock = Lock::take(log.folders())?;
        log.heal()?;
        for (writer, tip) in log.tips()? {
            // The chains of others go on as their writers made them, or the next push of theirs would be refused.
            if is_own(log, &writer)? {
                super::append::restore_chains(log.repo(), &lock, &writer, tip)?;
            }
        }
        let folder = log.folders().index();
        let _ = std::fs::remove_dir_all(&folder);
        Index::rebuild(log.repo(), &folder, &log.tips()?)?;
    }
    log.repair_notes(&mut log.index()?)?;
    Ok(())
}

impl Report {
    fn add(&mut self, what: String, problem: String, is_repairable: bool) {
        self.damages.push(Damage { what, problem, is_repairable });
    }
}

/// Whether this clone appended the log of `writer`, so that what belongs to it has to be here.
///
/// A log that came by a push, or with a mirror, stands below the same name; but nothing here says that it was appended here.
fn is_own(log: &Log, writer: &Writer) -> Result<bool, LogError> {
    if log.repo().read_ref(&layout::log_ref(writer))?.is_none() {
        return Ok(false);
    }
    let is_of = |own: &Writer| own == writer || own.is_followed_by(writer) || writer.is_followed_by(own);
    Ok(log.own_writers()?.iter().any(is_of) || log.folders().ends(writer).exists())
}

/// Whether what belongs to an entry is in its writer's chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is.
    Held,
    /// It never came: the chain ends with what belongs to an earlier entry, or nothing of it is here.
    Elsewhere,
    /// The chain has what is later, or this clone made it.
    Lost,
}

/// Tells for each entry, by its place in the log, where it is what belongs to it; `holds` says so of the chain, `None` without one.
///
/// Chains are sent from their oldest commit on, so that one lacks at its end what was not sent yet.
fn places(is_own: bool, holds: Option<&dyn Fn(&Located) -> bool>, located: &[Located]) -> Vec<Place> {
    let Some(holds) = holds else {
        return vec![if is_own { Place::Lost } else { Place::Elsewhere }; located.len()];
    };
    let held: Vec<bool> = located.iter().map(holds).collect();
    let last = held.iter().rposition(|held| *held);
    let place = |(at, held): (usize, &bool)| match held {
        true => Place::Held,
        false if !is_own && last.is_some_and(|last| at > last) => Place::Elsewhere,
        false => Place::Lost,
    };
    held.iter().enumerate().map(place).collect()
}

fn check_log(
    log: &Log,
    writer: &Writer,
    tip: Oid,
    seen: &mut HashMap<EntryId, Entry>,
    report: &mut Report,
) -> Result<(), LogError> {
    let repo = log.repo();
    let name = layout::log_ref(writer);
    let is_own = is_own(log, writer)?;
    let mut trees = trees_of(repo, &layout::data_ref(writer))?;
    let mut code = code_of(repo, &layout::code_ref(writer))?;
    if !is_own {
        // What was pulled of it.
        trees = trees.or(trees_of(repo, &format!("{}{writer}", layout::SEEN_DATA))?);
        code = code.or(code_of(repo, &format!("{}{writer}", layout::SEEN_CODE))?);
    }
    let mut located = Vec::new();
    if let Err(error) = read::log(repo, writer, tip, None, Vec::push, |part: Vec<_>| located.extend(part)) {
        report.add(name, format!("it cannot be read to its end: {error}"), false);
        return Ok(());
    }
    let taken = super::purge::taken_parts(&located);
    let keeps = |id: EntryId, part: Part| !taken.contains(&(id, part));
    let has_files = located.iter().any(|it| it.entry.files.is_some() && keeps(it.entry.id, Part::Files));
    let has_code =
        located.iter().any(|it| matches!(it.entry.body, Body::Run(_)) && keeps(it.entry.id, Part::Code));
    if is_own && has_files && trees.is_none() {
        report.add(
            layout::data_ref(writer),
            "it is gone, and with it what holds the files of runs".to_owned(),
            true,
        );
    }
    if is_own && has_code && code.is_none() {
        report.add(
            layout::code_ref(writer),
            "it is gone, and with it what holds the code of runs".to_owned(),
            true,
        );
    }
    let tree_of = |it: &Located| it.entry.files.as_ref().and_then(|files| Oid::from_hex(files.tree.as_str()));
    let code_of = |it: &Located| match &it.entry.body {
        Body::Run(run) => Oid::from_hex(run.code.commit.as_str()),
        _ => None,
    };
    let holds_files = |it: &Located| {
        trees.as_ref().is_some_and(|trees| tree_of(it).is_some_and(|tree| trees.contains(&tree)))
    };
    let holds_code = |it: &Located| {
        code.as_ref().is_some_and(|code| code_of(it).is_some_and(|commit| code.contains(&commit)))
    };
    let files =
        places(is_own, trees.is_some().then_some(&holds_files as &dyn Fn(&Located) -> bool), &located);
    let codes = places(is_own, code.is_some().then_some(&holds_code as &dyn Fn(&Located) -> bool), &located);
    let mut whole: HashSet<Oid> = HashSet::new();
    let mut before: Option<Oid> = None;
    for (at, it) in located.into_iter().enumerate() {
        report.entries += 1;
        let id = it.entry.id.to_hex();
        let commit = repo.read_commit(it.commit)?;
        if commit.parents.len() != 1 || before.is_some_and(|before| commit.parents[0] != before) {
            report.add(
                id.clone(),
                format!("its commit {} does not follow the entry before it alone", it.commit),
                false,
            );
        }
        before = Some(it.commit);
        match &it.entry.body {
            Body::Unreadable { problem, .. } => report.add(id.clone(), problem.clone(), false),
            _ if commit.message != message::of(&it.entry).as_bytes() => {
                report.add(id.clone(), format!("the message of its commit {} was changed", it.commit), false);
            }
            _ => {}
        }
        // That the whole chain is gone was told.
        if keeps(it.entry.id, Part::Files) && !(is_own && trees.is_none()) {
            check_files(repo, &it.entry, (files[at], is_own), report);
        }
        if let Body::Run(run) = &it.entry.body
            && keeps(it.entry.id, Part::Code)
        {
            let commit = Oid::from_hex(run.code.commit.as_str());
            let is_here = commit.is_some_and(|commit| repo.has_object(commit));
            match codes[at] {
                Place::Held if is_here => {}
                Place::Elsewhere => report.absent_code += u64::from(!is_here),
                Place::Lost if code.is_none() => {}
                Place::Held | Place::Lost => {
                    let problem = format!("its code {} is not kept by the code chain", run.code.commit);
                    report.add(id.clone(), problem, is_own);
                }
            }
            if let (Some(commit), Some(_)) = (commit, &run.code.base)
                && is_own
                && whole.insert(commit)
                && !is_whole(repo, commit)
            {
                let problem = format!("files of the snapshot {} are missing", run.code.commit);
                report.add(id.clone(), problem, false);
            }
        }
        seen.insert(it.entry.id, it.entry);
    }
    Ok(())
}

/// Whether all files of a snapshot are there, beyond those of the commit it was made on.
fn is_whole(repo: &Repo, commit: Oid) -> bool {
    let tree =
        |commit: Oid| repo.read_commit(commit).map(|commit| (commit.tree, commit.parents.first().copied()));
    let Ok((own, parent)) = tree(commit) else { return false };
    let base = parent.and_then(|parent| tree(parent).ok()).map(|(tree, _)| tree);
    repo.missing_objects(own, base).is_ok_and(|missing| missing.is_empty())
}

/// The trees that a data chain holds; `None` where the chain is not here.
fn trees_of(repo: &Repo, name: &str) -> Result<Option<HashSet<Oid>>, LogError> {
    let Some(tip) = repo.read_ref(name)? else { return Ok(None) };
    let mut trees = HashSet::new();
    for step in repo.walk_first_parent(tip) {
        trees.insert(step?.1.tree);
    }
    Ok(Some(trees))
}

/// The commits that a code chain holds as parents; `None` where the chain is not here.
pub(super) fn code_of(repo: &Repo, name: &str) -> Result<Option<HashSet<Oid>>, LogError> {
    let Some(tip) = repo.read_ref(name)? else { return Ok(None) };
    let mut commits = HashSet::new();
    for step in repo.walk_first_parent(tip) {
        let (oid, lite) = step?;
        if lite.tree != repo.empty_tree() {
            // The walk has left the chain for the first code commit it holds.
            break;
        }
        commits.extend(repo.read_commit(oid)?.parents);
    }
    Ok(Some(commits))
}

fn check_files(repo: &Repo, entry: &Entry, (place, is_own): (Place, bool), report: &mut Report) {
    let Some(list) = &entry.files else { return };
    let id = entry.id.to_hex();
    let Some(tree) = Oid::from_hex(list.tree.as_str()) else {
        report.add(id, format!("`{}` names no tree of this repository", list.tree), false);
        return;
    };
    match place {
        Place::Elsewhere => {
            report.absent_files += list.files.len() as u64;
            return;
        }
        Place::Lost => {
            report.add(id.clone(), format!("its files {tree} are not in the data chain"), is_own);
        }
        Place::Held => {}
    }
    for file in &list.files {
        match repo.read_path(tree, &file.name.0) {
            Ok(Some(bytes)) if bytes.len() as u64 != file.bytes => report.add(
                id.clone(),
                format!("its file `{}` has {} bytes instead of {}", file.name, bytes.len(), file.bytes),
                false,
            ),
            Ok(Some(bytes)) if blake3::hash(&bytes).to_hex().as_str() != file.blake3 => {
                report.add(id.clone(), format!("its file `{}` was changed", file.name), false);
            }
            Ok(Some(_)) => report.files += 1,
            Ok(None) => report.add(id.clone(), format!("its file `{}` is not in its tree", file.name), false),
            Err(error) => {
                report.add(id.clone(), format!("its file `{}` cannot be read: {error}", file.name), false);
            }
        }
    }
}

fn check_index(log: &Log, seen: &HashMap<EntryId, Entry>, report: &mut Report) -> Result<(), LogError> {
    let mut index = log.index()?;
    let mut indexed: HashSet<EntryId> = HashSet::new();
    let mut twice = 0;
    for segment in index.segments() {
        match segment.entries() {
            Ok(entries) => {
                for id in entries.as_chunks::<32>().0 {
                    twice += u64::from(!indexed.insert(EntryId(*id)));
                }
            }
            Err(error) => report.add("index".to_owned(), error.to_string(), true),
        }
    }
    let missing = seen.keys().filter(|id| !indexed.contains(id)).count();
    let strange = indexed.iter().filter(|id| !seen.contains_key(id)).count();
    if missing + strange > 0 || twice > 0 {
        let missing = counted(missing, "entry");
        let problem = format!("it lacks {missing}, has {strange} that no log has, and {twice} twice");
        report.add("index".to_owned(), problem, true);
    }
    Ok(())
}
