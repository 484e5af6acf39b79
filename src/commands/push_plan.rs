//! What `push` is to send: what the remote lacks of what is here, what of that hosts do not take, and in which pieces it goes.

use std::collections::HashMap;

use super::push::Arguments;
use super::remotes::{self, Wanted};
use super::withdrawing::Withdrawing;
use crate::context::Context;
use crate::domain::id::Writer;
use crate::error::Error;
use crate::git::{Offer, Oid, Pushed, Unacceptable};
use crate::log::layout;
use crate::render::number::bytes;

/// Where topics have their branches.
const TOPICS: &str = "refs/heads/research/";

/// More than this is not pushed at once, unless `exp.pushLimit` says so: hosts refuse packs from 2 GiB on.
const PIECE: u64 = 1900 << 20;

/// No larger file is pushed, unless `exp.pushFileLimit` says so: hosts refuse files above 100 MB.
const LARGEST_FILE: u64 = 95 << 20;

/// What is said of files and code whose log does not go.
pub const LOG_REFUSED: &str = "its log was refused";

/// How many things that hosts do not take are named.
const NAMED: usize = 5;

/// A ref that the remote lacks, or has elsewhere.
#[derive(Clone)]
pub struct Pending {
    /// Its full name.
    pub name: String,
    /// What it is to be there.
    pub tip: Oid,
    /// How many entries it adds; `None` for what is no log.
    pub entries: Option<u64>,
}

impl Pending {
    /// What is offered to the remote.
    pub fn offer(&self) -> Offer {
        Offer { tip: self.tip, name: self.name.clone() }
    }
}

/// What there is to push.
pub struct Plan {
    /// Logs, and the notes view.
    pub open: Vec<Pending>,
    /// What is only published when that was asked for.
    pub published: Vec<Pending>,
    /// What hosts would not take, with the reason.
    pub held_back: Vec<Pushed>,
    /// What the remote has.
    pub known: Vec<Oid>,
    /// What it is to let go of.
    pub withdrawing: Withdrawing,
    /// The notes here, where it is to let go of those there first.
    pub notes: Option<Pending>,
    /// The logs of this clone under whose names the remote has something else.
    pub forged: Vec<String>,
}

impl Plan {
    /// The refs that the remote is to let go of.
    pub fn withdrawn(&self) -> Vec<Pending> {
        let pending = |(name, tip): &(String, Oid)| Pending { name: name.clone(), tip: *tip, entries: None };
        self.withdrawing.there.iter().map(pending).collect()
    }
}

/// Finds what the remote lacks.
pub fn find(context: &mut Context, remote: &str, arguments: &Arguments) -> Result<Plan, Error> {
    let publishes = arguments.data || arguments.seals || arguments.topics;
    // What else the remote has tells what of the code it lacks.
    let patterns: &[&str] = if publishes { &[] } else { &["refs/exp/log/*", layout::NOTES] };
    let there: HashMap<String, Oid> = context.repo.refs_of_remote(remote, patterns)?.into_iter().collect();
    let known: Vec<Oid> = there.values().copied().collect();
    let notes = notes(context, remote, arguments, &there)?;
    let mut open = logs(context, arguments, &there)?;
    let (mut published, mut held_back) = published(context, arguments, &there, &known)?;
    let offered: &[&str] = if arguments.relay { &[layout::LOGS, layout::SEEN] } else { &[layout::LOGS] };
    let mut withdrawing = Withdrawing::look(context, remote, &there, offered)?;
    let forged = forged(context, remote, &there, &mut open)?;
    held_back.extend(
        forged.iter().map(|(name, why)| Pushed { name: name.clone(), refusal: Some((*why).to_owned()) }),
    );
    published.retain(|it| match forged.iter().any(|(log, _)| is_of(&it.name, log)) {
        // Files under the name of a log that is refused would shut out the clone that the name is to stay with.
        true => {
            held_back.push(Pushed { name: it.name.clone(), refusal: Some(LOG_REFUSED.to_owned()) });
            false
        }
        false => true,
    });
    let mut instead = None;
    match notes {
        Notes::Same => {}
        Notes::Ahead(pending) => open.push(pending),
        Notes::Instead(theirs, ours) => {
            withdrawing.there.push((layout::NOTES.to_owned(), theirs));
            instead = ours;
        }
    }
    for pending in [&mut open, &mut published] {
        pending.retain(|it| match withdrawing.refusal(&it.name) {
            Some(why) => {
                held_back.push(Pushed { name: it.name.clone(), refusal: Some(why.to_owned()) });
                false
            }
            None => true,
        });
    }
    for it in std::mem::take(&mut published) {
        // Branches are somebody's own, and may have had the same content committed to them.
        if !it.name.starts_with(TOPICS) && context.log.brings_back(it.tip, &known)? {
            let why = "it holds what was withdrawn".to_owned();
            held_back.push(Pushed { name: it.name, refusal: Some(why) });
        } else {
            published.push(it);
        }
    }
    for (name, tip) in withdrawing.instead(context)? {
        if published.iter().all(|it| it.name != name) {
            open.push(Pending { name, tip, entries: None });
        }
    }
    held_back.extend(withdrawing.refused());
    let forged = forged.into_iter().map(|(name, _)| name).collect();
    Ok(Plan { open, published, held_back, known, withdrawing, notes: instead, forged })
}

/// The logs of this clone that something else took the place of at the remote, with the reason; they are no longer `open`.
fn forged(
    context: &Context,
    remote: &str,
    there: &HashMap<String, Oid>,
    open: &mut Vec<Pending>,
) -> Result<Vec<(String, &'static str)>, Error> {
    let mut forged = Vec::new();
    for (name, _) in context.repo.list_refs(layout::LOGS)? {
        let writer = name[layout::LOGS.len()..].parse::<Writer>();
        if let (Some(known), Ok(writer)) = (there.get(&name), writer)
            && let Some(why) = context.log.objection_to_own(remote, &writer, *known)?
        {
            open.retain(|it| it.name != name);
            forged.push((name, why));
        }
    }
    Ok(forged)
}

/// Whether the ref holds the files or the code that belong to this log.
pub fn is_of(name: &str, log: &str) -> bool {
    let writer = log.strip_prefix(layout::LOGS);
    [layout::DATA, layout::CODE].iter().any(|prefix| writer.is_some() && name.strip_prefix(prefix) == writer)
}

/// The logs that the remote has not, or not whole: those of this clone, and those that are to be handed on.
fn logs(
    context: &Context,
    arguments: &Arguments,
    there: &HashMap<String, Oid>,
) -> Result<Vec<Pending>, Error> {
    let known: Vec<Oid> = there.values().copied().collect();
    let mut pending = Vec::new();
    for (name, tip) in context.repo.list_refs(layout::LOGS)? {
        if name[layout::LOGS.len()..].parse::<Writer>().is_ok() && is_lacking(context, there, &name, tip) {
            pending.push(Pending { name, tip, entries: None });
        }
    }
    if arguments.relay {
        pending.extend(relayed(context, there, layout::SEEN, layout::LOGS)?);
    }
    for it in &mut pending {
        let commits = context.repo.commits_lacking(it.tip, &known)?;
        // The first commit of a log is no entry.
        let is_whole = !there.contains_key(&it.name) && commits > 0;
        it.entries = Some(commits - u64::from(is_whole));
    }
    Ok(pending)
}

/// Whether the remote has something else under this name than `tip` or what extends it.
fn is_lacking(context: &Context, there: &HashMap<String, Oid>, name: &str, tip: Oid) -> bool {
    match there.get(name) {
        Some(known) if *known == tip => false,
        // What is no commit cannot extend it.
        Some(known) if context.repo.has_object(*known) => {
            !context.repo.is_ancestor(tip, *known).unwrap_or(false)
        }
        _ => true,
    }
}

/// The chains of others, seen below `seen`, that the remote has not, or less of; as fast-forwards only.
fn relayed(
    context: &Context,
    there: &HashMap<String, Oid>,
    seen: &str,
    prefix: &str,
) -> Result<Vec<Pending>, Error> {
    let mut pending = Vec::new();
    for (seen_name, tip) in context.repo.list_refs(seen)? {
        let Ok(writer) = seen_name[seen.len()..].parse::<Writer>() else { continue };
        let name = format!("{prefix}{writer}");
        // Where this clone has a log of that name itself, it is this one that goes.
        if context.repo.read_ref(&layout::log_ref(&writer))?.is_some() {
            continue;
        }
        let is_extended = match there.get(&name) {
            None => true,
            // What is not here is more than was seen of it.
            Some(known) if *known == tip || !context.repo.has_object(*known) => false,
            Some(known) => context.repo.is_ancestor(*known, tip).unwrap_or(false),
        };
        if is_extended {
            pending.push(Pending { name, tip, entries: None });
        }
    }
    Ok(pending)
}

/// What is to become of the notes view at the remote.
enum Notes {
    /// Nothing.
    Same,
    /// It goes on with those here.
    Ahead(Pending),
    /// This one goes, since it holds what was withdrawn, and those here take its place.
    Instead(Oid, Option<Pending>),
}

/// Finds what is to become of the notes view; taken in and rendered anew first where the remote's goes on elsewhere.
fn notes(
    context: &mut Context,
    remote: &str,
    arguments: &Arguments,
    there: &HashMap<String, Oid>,
) -> Result<Notes, Error> {
    let ours = |context: &Context| context.repo.read_ref(layout::NOTES);
    let is_pushed = context.repo.config_bool("exp.pushNotes") != Some(false);
    let pending = |tip| Pending { name: layout::NOTES.to_owned(), tip, entries: None };
    let ahead = |tip| Notes::Ahead(pending(tip));
    let Some(theirs) = there.get(layout::NOTES).copied() else {
        return Ok(ours(context)?.filter(|_| is_pushed).map_or(Notes::Same, ahead));
    };
    let extends = |context: &Context, tip| {
        context.repo.has_object(theirs) && context.repo.is_ancestor(theirs, tip).unwrap_or(false)
    };
    match ours(context)? {
        Some(tip) if tip == theirs => return Ok(Notes::Same),
        Some(tip) if is_pushed && extends(context, tip) => return Ok(ahead(tip)),
        _ => {}
    }
    let has_view = ours(context)?.is_some() || !context.log.withdrawn().is_empty();
    if is_pushed && !arguments.dry_run && has_view {
        let taken = remotes::bring(context, remote, Wanted::Logs)?;
        remotes::tell_trouble(context, &taken);
    }
    let ours = ours(context)?;
    // Those that cannot be looked at here are looked at by who can.
    if context.repo.has_object(theirs) && context.log.are_withdrawn_notes(theirs)? {
        return Ok(Notes::Instead(theirs, ours.filter(|_| is_pushed).map(pending)));
    }
    // Where the remote's are not followed, or ours hold the same, there is nothing to push.
    Ok(match ours.filter(|tip| is_pushed && *tip != theirs) {
        Some(tip) if arguments.dry_run || extends(context, tip) => ahead(tip),
        _ => Notes::Same,
    })
}

/// What else was asked for and is not there (files, code, seals and branches of topics), and what of it hosts do not take.
fn published(
    context: &Context,
    arguments: &Arguments,
    there: &HashMap<String, Oid>,
    known: &[Oid],
) -> Result<(Vec<Pending>, Vec<Pushed>), Error> {
    let asked = [
        (arguments.data, layout::DATA),
        (arguments.data, layout::CODE),
        (arguments.seals, layout::SEALS),
        (arguments.topics, TOPICS),
    ];
    let mut pending = Vec::new();
    for (_, prefix) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        for (name, tip) in context.repo.list_refs(prefix)? {
            if there.get(&name) != Some(&tip) {
                pending.push(Pending { name, tip, entries: None });
            }
        }
    }
    if arguments.data && !pending.is_empty() {
        let mut index = context.log.index()?;
        let mut recorded = Vec::new();
        for it in pending {
            if ![layout::DATA, layout::CODE].iter().any(|prefix| it.name.starts_with(prefix)) {
                recorded.push(it);
            } else if let Some(tip) = context.log.recorded_end(&mut index, it.tip)?
                && is_lacking(context, there, &it.name, tip)
            {
                recorded.push(Pending { tip, ..it });
            }
        }
        pending = recorded;
    }
    if arguments.relay && arguments.data {
        pending.extend(relayed(context, there, layout::SEEN_DATA, layout::DATA)?);
        pending.extend(relayed(context, there, layout::SEEN_CODE, layout::CODE)?);
    }
    let largest = limit(context, "exp.pushFileLimit", LARGEST_FILE);
    let mut taken = Vec::new();
    let mut held_back = Vec::new();
    for it in pending {
        let found = context.repo.unacceptable(it.tip, known, largest)?;
        if found.is_empty() {
            taken.push(it);
            continue;
        }
        held_back.push(Pushed { name: it.name.clone(), refusal: Some(why_held_back(&found, largest)) });
        // What came before goes all the same.
        if it.name.starts_with("refs/exp/") {
            let chain = context.repo.chain_lacking(it.tip, known)?;
            let is_taken = |tip| -> Result<bool, Error> {
                Ok(context.repo.unacceptable(tip, known, largest)?.is_empty())
            };
            let fits = longest(&chain, is_taken)?;
            taken.extend(fits.checked_sub(1).map(|last| Pending { tip: chain[last], ..it }));
        }
    }
    Ok((taken, held_back))
}

/// What the configuration says of a size in bytes, else `usual`.
fn limit(context: &Context, key: &str, usual: u64) -> u64 {
    context.repo.config_integer(key).and_then(|size| u64::try_from(size).ok()).unwrap_or(usual)
}

/// Why something is not even offered, naming the commits and the paths.
fn why_held_back(found: &[Unacceptable], largest: u64) -> String {
    let one = |it: &Unacceptable| {
        let commit = &it.commit.to_hex()[..12];
        let path = String::from_utf8_lossy(&it.path);
        match it.bytes {
            Some(size) => {
                format!(
                    "`{path}` in {commit} has {}, and hosts refuse files above {}",
                    size_of(size),
                    size_of(largest)
                )
            }
            None => format!("servers refuse the path `{path}` in {commit}"),
        }
    };
    let mut reasons: Vec<String> = found.iter().take(NAMED).map(one).collect();
    if found.len() > NAMED {
        reasons.push(format!("and {} more", found.len() - NAMED));
    }
    reasons.join("; ")
}

/// How many commits of a chain, from its oldest on, are `taken` together.
fn longest(chain: &[Oid], taken: impl Fn(Oid) -> Result<bool, Error>) -> Result<usize, Error> {
    let (mut fits, mut beyond) = (0, chain.len() + 1);
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        if taken(chain[middle - 1])? {
            fits = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(fits)
}

/// Cuts what is published into pushes below the limit, along its chains; what is small goes at once.
pub fn pieces(context: &Context, published: &[Pending], known: &[Oid]) -> Result<Vec<Vec<Offer>>, Error> {
    if published.is_empty() {
        return Ok(Vec::new());
    }
    let repo = &context.repo;
    let limit = limit(context, "exp.pushLimit", PIECE);
    let tips: Vec<Oid> = published.iter().map(|it| it.tip).collect();
    if repo.bytes_lacking(&tips, known)? <= limit {
        return Ok(vec![published.iter().map(Pending::offer).collect()]);
    }
    let mut known = known.to_vec();
    let mut pieces = Vec::new();
    for it in published {
        let mut chain = repo.chain_lacking(it.tip, &known)?;
        // A branch or a tag that stops half-way would be taken for the whole.
        let is_cut = it.name.starts_with("refs/exp/");
        while is_cut && chain.len() > 1 {
            let is_small = |tip| -> Result<bool, Error> { Ok(repo.bytes_lacking(&[tip], &known)? <= limit) };
            // A commit that is too large by itself cannot be cut.
            let fits = longest(&chain, is_small)?.max(1);
            if fits == chain.len() {
                break;
            }
            let tip = chain[fits - 1];
            pieces.push(vec![Offer { tip, name: it.name.clone() }]);
            known.push(tip);
            chain.drain(..fits);
        }
        pieces.push(vec![it.offer()]);
        known.push(it.tip);
    }
    Ok(pieces)
}

/// A size, as it is shown.
pub fn size_of(size: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with four digits")]
    let size = bytes(size as f64);
    size
}
