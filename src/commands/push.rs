//! `git exp push`

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::push_plan::{self, LOG_REFUSED, Pending, Plan, is_of, pieces, size_of};
use super::remotes::{self, Wanted};
use super::{Answer, github};
use crate::context::Context;
use crate::domain::number::counted;
use crate::error::Error;
use crate::git::{Expected, Lacking, Offer, Oid, Pushed, RefEdit};
use crate::log::visible::Names;
use crate::log::{Lock, layout};
use crate::render::text::harmless;

/// What the workflows on GitHub are told that something new was pushed.
const EVENT: &str = "git-exp";

/// How often a push is tried again that lost to another one.
const TRIES: u32 = 16;

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
    pub remote: Option<String>,

    /// Push the files and the code of runs, too
    #[arg(long)]
    pub data: bool,

    /// Push the tags of sealed experiments, with the code they hold
    #[arg(long)]
    pub seals: bool,

    /// Push the branches of topics, `research/*`
    #[arg(long)]
    pub topics: bool,

    /// Hand on the logs of others that this remote lacks; with `--data` their files and code, too
    #[arg(long)]
    pub relay: bool,

    /// Publish without asking; `git config exp.publish true` says so for good
    #[arg(long, short)]
    pub yes: bool,

    /// Say what would be pushed, and push nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
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
    let plan = push_plan::find(context, &remote, &arguments)?;
    let visible = visible(context, &plan)?;
    if let Some(visible) = &visible {
        tell(context, &remote, &plan.published, visible);
        if !arguments.dry_run && !may_publish(context, &arguments)? {
            context.output.say("nothing was pushed");
            return Ok(Answer::No);
        }
    }
    let Sent { done, refused, forged } = send(context, &remote, &arguments, plan)?;
    let answer = show(context, &remote, &arguments, &done, &refused, visible.as_ref())?;
    for name in &forged {
        remotes::hint_at_forged(context, &remote, name);
    }
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

/// What came of a push.
struct Sent {
    /// What the remote has now.
    done: Vec<Pending>,
    /// What it refused.
    refused: Vec<Pushed>,
    /// The logs of this clone under whose names it has something else.
    forged: Vec<String>,
}

/// Carries out a plan, and makes another one where somebody else was first.
fn send(context: &mut Context, remote: &str, arguments: &Arguments, mut plan: Plan) -> Result<Sent, Error> {
    let mut done: Vec<Pending> = Vec::new();
    let mut refused = Vec::new();
    let mut forged = Vec::new();
    for attempt in 1.. {
        forged = std::mem::take(&mut plan.forged);
        if arguments.dry_run {
            done = plan.withdrawn();
            done.splice(..0, plan.published.into_iter().chain(plan.open));
            refused = plan.held_back;
            break;
        }
        refused = push(context, remote, &plan, &mut done)?;
        if refused.is_empty() {
            let outcomes = plan.withdrawing.carry_out(context, remote)?;
            let (gone, kept): (Vec<Pushed>, Vec<Pushed>) =
                outcomes.into_iter().partition(|it| it.refusal.is_none());
            done.extend(plan.withdrawn().into_iter().filter(|it| gone.iter().any(|one| one.name == it.name)));
            refused = kept;
            if let Some(notes) = plan.notes.take()
                && refused.iter().all(|it| it.name != notes.name)
            {
                refused.extend(push_piece(context, remote, &plan, &[notes.offer()], &mut done)?);
            }
        }
        refused.append(&mut plan.held_back);
        if attempt == TRIES || !refused.iter().any(has_lost) {
            break;
        }
        // Somebody else was first: this clone takes that in, and goes on from there.
        thread::sleep(pause(context, attempt)?);
        let taken = remotes::bring(context, remote, Wanted::Logs)?;
        remotes::tell_trouble(context, &taken);
        plan = push_plan::find(context, remote, arguments)?;
    }
    Ok(Sent { done, refused, forged })
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

/// What `git exp push` does where nothing more is said.
const LOGS_ONLY: Arguments = Arguments {
    remote: None,
    data: false,
    seals: false,
    topics: false,
    relay: false,
    yes: false,
    dry_run: false,
};

/// Pushes the logs, and takes away what was withdrawn, as `git exp push` does where nothing more is said.
pub fn logs_only(context: &mut Context) -> Result<Answer, Error> {
    run(context, LOGS_ONLY)
}

/// Pushes the logs without a word, and starts no workflow: what was posted is to be known to whoever posts next.
pub fn logs_quietly(context: &mut Context, remote: &str) -> Result<(), Error> {
    let _lock = Lock::of_pushes(context.log.folders())?;
    let plan = push_plan::find(context, remote, &LOGS_ONLY)?;
    let refused = send(context, remote, &LOGS_ONLY, plan)?.refused.into_iter().next();
    refused.map_or(Ok(()), |it| {
        let why = it.refusal.unwrap_or_default();
        Err(Error::outside(format!("{} was refused: {}", it.name, harmless(&why))))
    })
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
        let stays =
            |offer: &Offer| refused.iter().any(|it| it.name == offer.name || is_of(&offer.name, &it.name));
        let (shut_out, open): (Vec<Offer>, Vec<Offer>) = piece.drain(..).partition(stays);
        piece = open;
        for offer in shut_out {
            if refused.iter().all(|it| it.name != offer.name) {
                refused.push(Pushed { name: offer.name, refusal: Some(LOG_REFUSED.to_owned()) });
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
    context.output.say(&format!(
        "`{remote}` lacks {}, {}:",
        counted(lacking.commits, "commit"),
        size_of(lacking.bytes)
    ));
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

/// Moves tracking refs to what the remote has now, and remembers which logs it has.
fn track(context: &Context, remote: &str, arrived: &[&Offer]) -> Result<(), Error> {
    // A fetch that asked the remote before this push would move them back, and make it look as if logs had been shortened.
    let _lock = Lock::of_fetches(context.log.folders())?;
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
    let logs = arrived.iter().filter_map(|offer| {
        let writer = offer.name.strip_prefix(layout::LOGS)?.parse().ok()?;
        Some((layout::tracking_ref_of_log(remote, &writer), offer.tip))
    });
    let logs: Vec<(String, Oid)> = logs.collect();
    if logs.is_empty() { Ok(()) } else { Ok(context.log.note_pushed(&logs)?) }
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
            let count = it.entries.map(|count| format!(": {}", counted(count, "entry"))).unwrap_or_default();
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
