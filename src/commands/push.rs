//! `git exp push`

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::remotes::{self, Wanted};
use super::withdrawing::Withdrawing;
use super::{Answer, github};
use crate::context::Context;
use crate::domain::id::Writer;
use crate::error::Error;
use crate::git::{Expected, Lacking, Offer, Oid, Pushed, RefEdit, Unacceptable};
use crate::log::visible::Names;
use crate::log::{Lock, layout};
use crate::render::number::{bytes, counted};
use crate::render::text::harmless;

/// What the workflows on GitHub are told that something new was pushed.
const EVENT: &str = "git-exp";
/// Where topics have their branches.
const TOPICS: &str = "refs/heads/research/";

/// How often a push is tried again that lost to another one.
const TRIES: u32 = 16;

/// More than this is not pushed at once, unless `exp.pushLimit` says so: hosts refuse packs from 2 GiB on.
const PIECE: u64 = 1900 << 20;

/// No larger file is pushed, unless `exp.pushFileLimit` says so: hosts refuse files above 100 MB.
const LARGEST_FILE: u64 = 95 << 20;

/// How many things that hosts do not take are named.
const NAMED: usize = 5;

/// Hand on what was recorded here
///
/// Logs always go: what was asked, tried, measured and decided; so do the results that `git log` shows. The files and the code
/// of runs go with `--data`; that publishes them, so it is listed first and asked for. Nothing is ever forced, and no branch
/// goes unasked.
#[derive(Args, Debug)]
#[command(
    after_help = "The remote is `exp.remote`, else that of the current branch, else `origin`.\n\nExit status: 0 when the remote has it all, 1 when it refused something."
)]
pub struct Arguments {
    /// The remote
    remote: Option<String>,

    /// Push the files and the code of runs, too
    #[arg(long)]
    data: bool,

    /// Push the tags of sealed experiments, with the code they hold
    #[arg(long)]
    seals: bool,

    /// Push the branches of topics, `research/*`
    #[arg(long)]
    topics: bool,

    /// Hand on the logs of others that this remote lacks; with `--data` their files and code, too
    #[arg(long)]
    relay: bool,

    /// Publish without asking; `git config exp.publish true` says so for good
    #[arg(long, short)]
    yes: bool,

    /// Say what would be pushed, and push nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A ref that the remote lacks, or has elsewhere.
#[derive(Clone)]
struct Pending {
    name: String,
    tip: Oid,
    /// How many entries it adds; `None` for what is no log.
    entries: Option<u64>,
}

impl Pending {
    fn offer(&self) -> Offer {
        Offer { tip: self.tip, name: self.name.clone() }
    }
}

/// What there is to push.
struct Plan {
    /// Logs, and the notes view.
    open: Vec<Pending>,
    /// What is only published when that was asked for.
    published: Vec<Pending>,
    /// What hosts would not take, with the reason.
    held_back: Vec<Pushed>,
    /// What the remote has.
    known: Vec<Oid>,
    /// What it is to let go of.
    withdrawing: Withdrawing,
    /// The notes here, where it is to let go of those there first.
    notes: Option<Pending>,
}

impl Plan {
    /// The refs that the remote is to let go of.
    fn withdrawn(&self) -> Vec<Pending> {
        let pending = |(name, tip): &(String, Oid)| Pending { name: name.clone(), tip: *tip, entries: None };
        self.withdrawing.there.iter().map(pending).collect()
    }
}

/// What becomes visible by publishing.
struct Visible {
    lacking: Lacking,
    names: Names,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let remote = remotes::named(context, arguments.remote.as_deref())?;
    let _lock = if arguments.dry_run { None } else { Some(Lock::of_pushes(context.log.folders())?) };
    if arguments.relay {
        // What a plain `git fetch` brought may withdraw what would be handed on.
        remotes::take_in_quietly(context)?;
    }
    let mut plan = plan(context, &remote, &arguments)?;
    let visible = visible(context, &plan)?;
    if let Some(visible) = &visible {
        tell(context, &remote, &plan.published, visible);
        if !arguments.dry_run && !may_publish(context, &arguments)? {
            context.output.say("nothing was pushed");
            return Ok(Answer::No);
        }
    }
    let mut done: Vec<Pending> = Vec::new();
    let mut refused = Vec::new();
    for attempt in 1.. {
        if arguments.dry_run {
            done = plan.withdrawn();
            done.splice(..0, plan.published.into_iter().chain(plan.open));
            refused = plan.held_back;
            break;
        }
        refused = push(context, &remote, &plan, &mut done)?;
        if refused.is_empty() {
            let outcomes = plan.withdrawing.carry_out(context, &remote)?;
            let (gone, kept): (Vec<Pushed>, Vec<Pushed>) =
                outcomes.into_iter().partition(|it| it.refusal.is_none());
            done.extend(plan.withdrawn().into_iter().filter(|it| gone.iter().any(|one| one.name == it.name)));
            refused = kept;
            if let Some(notes) = plan.notes.take()
                && refused.iter().all(|it| it.name != notes.name)
            {
                refused.extend(push_piece(context, &remote, &plan, &[notes.offer()], &mut done)?);
            }
        }
        refused.append(&mut plan.held_back);
        if attempt == TRIES || !refused.iter().any(has_lost) {
            break;
        }
        // Somebody else was first: this clone takes that in, and goes on from there.
        thread::sleep(pause(context, attempt)?);
        let taken = remotes::bring(context, &remote, Wanted::Logs)?;
        remotes::tell_trouble(context, &taken);
        plan = self::plan(context, &remote, &arguments)?;
    }
    let answer = show(context, &remote, &arguments, &done, &refused, visible.as_ref())?;
    // What was taken away there has no number of entries.
    let is_log = |it: &&Pending| it.name.starts_with(layout::LOGS) && it.entries.is_some();
    let logs: Vec<&str> = done.iter().filter(is_log).map(|it| it.name.as_str()).collect();
    if !arguments.dry_run
        && !logs.is_empty()
        && context.repo.config_bool("exp.githubDispatch").unwrap_or(false)
    {
        dispatch(context, &remote, &logs);
    }
    Ok(answer)
}

/// Starts the workflows that post what is new, since GitHub starts none for logs; what stands against it is said, and the push stands.
fn dispatch(context: &mut Context, remote: &str, logs: &[&str]) {
    let sent = github::address_of_remote(context, remote)
        .and_then(|address| github::reach(context, address))
        .and_then(|(github, _)| {
            let sent = github.dispatch(EVENT, &json!({ "logs": logs }));
            sent.map_err(|error| github::explained(&error))
        });
    match sent {
        Ok(()) => context.output.say(&format!("told the workflows on GitHub (`{EVENT}`)")),
        Err(error) => {
            let causes: String = error.causes.iter().map(|cause| format!(": {cause}")).collect();
            let why = format!("{}{causes}", error.message);
            context.output.say(&format!("the workflows on GitHub were not told: {}", harmless(&why)));
        }
    }
}

/// Whether a ref of ours was refused because it moved there meanwhile.
fn has_lost(pushed: &Pushed) -> bool {
    const LOST: [&str; 8] = [
        "fetch first",
        "fast-forward",
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "stale info",
        "incorrect old value",
        "reference already exists",
    ];
    let is_ours = pushed.name.starts_with("refs/exp/") || pushed.name == layout::NOTES;
    is_ours && pushed.refusal.as_ref().is_some_and(|why| LOST.iter().any(|words| why.contains(words)))
}

/// How long is waited before the next attempt: longer each time, and not the same for two that lost at once.
fn pause(context: &Context, attempt: u32) -> Result<Duration, Error> {
    let by_chance = u64::from(context.nonce()?.0[0]);
    Ok(Duration::from_millis(by_chance * u64::from(attempt) / 4))
}

/// Finds what the remote lacks.
fn plan(context: &mut Context, remote: &str, arguments: &Arguments) -> Result<Plan, Error> {
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
    Ok(Plan { open, published, held_back, known, withdrawing, notes: instead })
}

/// Pushes the logs, and takes away what was withdrawn, as `git exp push` does where nothing more is said.
pub fn logs_only(context: &mut Context) -> Result<Answer, Error> {
    let arguments = Arguments {
        remote: None,
        data: false,
        seals: false,
        topics: false,
        relay: false,
        yes: false,
        dry_run: false,
    };
    run(context, arguments)
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

/// Pushes in pieces that hosts accept; adds to `done` what the remote has now, and gives what it refused.
///
/// What arrived stays, so that the next push goes on from there.
fn push(
    context: &mut Context,
    remote: &str,
    plan: &Plan,
    done: &mut Vec<Pending>,
) -> Result<Vec<Pushed>, Error> {
    let mut pieces = pieces(context, &plan.published, &plan.known)?;
    // Files under the name of a log that is refused would shut out the clone that the name is to stay with.
    pieces.insert(0, plan.open.iter().map(Pending::offer).collect());
    let mut refused: Vec<Pushed> = Vec::new();
    let count = pieces.iter().filter(|piece| !piece.is_empty()).count();
    for (number, mut piece) in (1..).zip(pieces) {
        let stays = |offer: &Offer| refused.iter().any(|it| it.name == offer.name || is_of(offer, &it.name));
        let (shut_out, open): (Vec<Offer>, Vec<Offer>) = piece.drain(..).partition(stays);
        piece = open;
        for offer in shut_out {
            if refused.iter().all(|it| it.name != offer.name) {
                refused.push(Pushed { name: offer.name, refusal: Some("its log was refused".to_owned()) });
            }
        }
        if piece.is_empty() {
            continue;
        }
        if count > 3 {
            context.output.say(&format!("piece {number} of {count}"));
        }
        refused.extend(push_piece(context, remote, plan, &piece, done)?);
    }
    Ok(refused)
}

/// Pushes these at once; adds to `done` what the remote has now, and gives what it refused.
fn push_piece(
    context: &Context,
    remote: &str,
    plan: &Plan,
    piece: &[Offer],
    done: &mut Vec<Pending>,
) -> Result<Vec<Pushed>, Error> {
    let outcomes = context.repo.push(remote, piece)?;
    let arrived = |offer: &&Offer| outcomes.iter().any(|it| it.name == offer.name && it.refusal.is_none());
    let arrived: Vec<&Offer> = piece.iter().filter(arrived).collect();
    track(context, remote, &arrived)?;
    for offer in arrived {
        done.retain(|it| it.name != offer.name);
        let known = plan.open.iter().find(|it| it.name == offer.name);
        let entries = known.and_then(|it| it.entries);
        done.push(Pending { name: offer.name.clone(), tip: offer.tip, entries });
    }
    Ok(outcomes.into_iter().filter(|it| it.refusal.is_some()).collect())
}

/// Whether the ref holds the files or the code that belong to this log.
fn is_of(offer: &Offer, log: &str) -> bool {
    let writer = log.strip_prefix(layout::LOGS);
    [layout::DATA, layout::CODE]
        .iter()
        .any(|prefix| writer.is_some() && offer.name.strip_prefix(prefix) == writer)
}

/// Cuts what is published into pushes below the limit, along its chains; what is small goes at once.
fn pieces(context: &Context, published: &[Pending], known: &[Oid]) -> Result<Vec<Vec<Offer>>, Error> {
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

/// What becomes visible to whoever can read the remote; `None` where nothing is published.
fn visible(context: &Context, plan: &Plan) -> Result<Option<Visible>, Error> {
    if plan.published.is_empty() {
        return Ok(None);
    }
    let tips: Vec<Oid> = plan.published.iter().map(|it| it.tip).collect();
    let lacking = context.repo.lacking(&tips, &plan.known)?;
    let known: HashSet<Oid> = plan.known.iter().copied().collect();
    let mut names = Names::default();
    for it in plan.published.iter().filter(|it| it.name.starts_with(layout::DATA)) {
        context.log.add_names(&mut names, it.tip, &known)?;
    }
    Ok(Some(Visible { lacking, names }))
}

/// Says what becomes visible.
fn tell(context: &mut Context, remote: &str, published: &[Pending], visible: &Visible) {
    let Visible { lacking, names } = visible;
    let remote = harmless(remote);
    let commits = counted(usize::try_from(lacking.commits).unwrap_or(usize::MAX), "commit", "commits");
    context.output.say(&format!("`{remote}` lacks {commits}, {}:", size_of(lacking.bytes)));
    for it in published {
        context.output.say(&format!("  {}", harmless(&it.name)));
    }
    let mut list = |what: &str, names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<_> = names.map(|name| harmless(name)).collect();
        if !names.is_empty() {
            context.output.say(&format!("  {what} that become visible: {}", names.join(", ")));
        }
    };
    list("people", &mut lacking.people.iter());
    list("hosts", &mut names.hosts.iter());
    list("users", &mut names.users.iter());
}

/// A size, as it is shown.
fn size_of(size: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with four digits")]
    let size = bytes(size as f64);
    size
}

/// Whether the user wants it published: said ahead, or asked at the terminal.
fn may_publish(context: &mut Context, arguments: &Arguments) -> Result<bool, Error> {
    if arguments.yes || context.repo.config_bool("exp.publish").unwrap_or(false) {
        return Ok(true);
    }
    context.output.ask("publish this?")?.ok_or_else(|| {
        Error::request("files and code are not published unasked").hint(
            "`--yes` publishes them, or `git config exp.publish true` for good; `--dry-run` only lists them",
        )
    })
}

/// Moves tracking refs to what the remote has now.
fn track(context: &Context, remote: &str, arrived: &[&Offer]) -> Result<(), Error> {
    let edit = |offer: &&Offer| {
        let rest = match offer.name.strip_prefix("refs/exp/") {
            Some(rest) => rest,
            None if offer.name == layout::NOTES => "notes/exp",
            None => return None,
        };
        let name = format!("{}{remote}/{rest}", layout::REMOTE);
        Some(RefEdit { name, expected: Expected::Any, new: Some(offer.tip) })
    };
    let edits: Vec<RefEdit> = arrived.iter().filter_map(edit).collect();
    if !edits.is_empty() {
        context.repo.update_refs(&edits, "git exp push")?;
    }
    Ok(())
}

fn show(
    context: &mut Context,
    remote: &str,
    arguments: &Arguments,
    done: &[Pending],
    refused: &[Pushed],
    visible: Option<&Visible>,
) -> Result<Answer, Error> {
    let refused: Vec<(&str, &str)> =
        refused.iter().filter_map(|it| Some((it.name.as_str(), it.refusal.as_deref()?))).collect();
    let answer = if refused.is_empty() { Answer::Yes } else { Answer::No };
    let withdrawn = context.log.withdrawn();
    let is_gone =
        |it: &&Pending| withdrawn.get(&it.name).is_some_and(|commits| commits.contains(&it.tip.to_hex()));
    let (gone, pushed): (Vec<&Pending>, Vec<&Pending>) = done.iter().partition(is_gone);
    if context.output.json {
        let row = |it: &&Pending| json!({"ref": it.name, "entries": it.entries});
        let refusal = |(name, why): &(&str, &str)| json!({"ref": name, "why": why});
        let published = visible.map(|Visible { lacking, names }| {
            json!({
                "commits": lacking.commits,
                "bytes": lacking.bytes,
                "people": lacking.people,
                "hosts": names.hosts,
                "users": names.users,
            })
        });
        context.output.object(&json!({
            "schema": "git-exp/push/1",
            "remote": remote,
            "dry_run": arguments.dry_run,
            "pushed": pushed.iter().map(row).collect::<Vec<_>>(),
            "withdrawn": gone.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
            "refused": refused.iter().map(refusal).collect::<Vec<_>>(),
            "published": published,
        }))?;
    } else {
        let (would_push, would_delete) =
            if arguments.dry_run { ("would push ", "would delete ") } else { ("", "deleted ") };
        for it in pushed {
            let count = it.entries.map(|count| format!(": {}", remotes::entries(count))).unwrap_or_default();
            context.output.line(&format!("{would_push}{}{count}", harmless(&it.name)))?;
        }
        for it in gone {
            context.output.line(&format!("{would_delete}{}: withdrawn", harmless(&it.name)))?;
        }
        for (name, why) in &refused {
            context.output.line(&format!("refused: {}: {}", harmless(name), harmless(why)))?;
        }
        if done.is_empty() && refused.is_empty() {
            context.output.line(&format!("`{}` has everything", harmless(remote)))?;
        }
    }
    if refused.iter().any(|(_, why)| why.contains("fast-forward") || why.contains("fetch first")) {
        context.output.hint("others pushed there at the same time: push again; nothing is lost");
    }
    Ok(answer)
}
