//! `git exp push`

use std::collections::HashMap;

use clap::Args;
use serde_json::json;

use super::{Answer, github, remotes};
use crate::context::Context;
use crate::domain::id::Writer;
use crate::error::Error;
use crate::git::{Expected, Lacking, Oid, Pushed, RefEdit};
use crate::log::{Lock, layout};
use crate::render::number::bytes;
use crate::render::text::harmless;

/// What the workflows on GitHub are told that something new was pushed.
const EVENT: &str = "git-exp";
/// Where topics have their branches.
const TOPICS: &str = "refs/heads/research/";

/// Hand on what was recorded here
///
/// Logs always go: what was asked, tried, measured and decided. The files and the code of runs go with `--data`; that
/// publishes them, so it is listed first and asked for. Nothing is ever forced, and no branch goes unasked.
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

    /// Publish without asking; `git config exp.publish true` says so for good
    #[arg(long, short)]
    yes: bool,

    /// Say what would be pushed, and push nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A ref that the remote lacks, or has elsewhere.
struct Pending {
    name: String,
    tip: Oid,
    /// How many entries it adds; `None` for what is no log.
    entries: Option<u64>,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let remote = remotes::named(context, arguments.remote.as_deref())?;
    let publishes = arguments.data || arguments.seals || arguments.topics;
    let _lock = if arguments.dry_run { None } else { Some(Lock::of_pushes(context.log.folders())?) };
    // What else the remote has tells what of the code it lacks.
    let patterns: &[&str] = if publishes { &[] } else { &["refs/exp/log/*"] };
    let there: HashMap<String, Oid> = context.repo.refs_of_remote(&remote, patterns)?.into_iter().collect();
    let logs = logs(context, &there)?;
    let published = published(context, &arguments, &there)?;
    let lacking = if published.is_empty() {
        None
    } else {
        let tips: Vec<Oid> = published.iter().map(|it| it.tip).collect();
        let known: Vec<Oid> = there.values().copied().collect();
        Some(context.repo.lacking(&tips, &known)?)
    };
    if let Some(lacking) = &lacking {
        tell(context, &remote, &published, lacking)?;
        if !arguments.dry_run && !may_publish(context, &arguments)? {
            context.output.say("nothing was pushed");
            return Ok(Answer::No);
        }
    }
    let pending: Vec<Pending> = published.into_iter().chain(logs).collect();
    let outcomes = if arguments.dry_run || pending.is_empty() {
        Vec::new()
    } else {
        let names: Vec<String> = pending.iter().map(|it| it.name.clone()).collect();
        let outcomes = context.repo.push(&remote, &names)?;
        track(context, &remote, &pending, &outcomes)?;
        outcomes
    };
    let answer = show(context, &remote, &arguments, &pending, &outcomes, lacking.as_ref())?;
    let has_log = |it: &&Pushed| it.name.starts_with(layout::LOGS) && it.refusal.is_none();
    let logs: Vec<&str> = outcomes.iter().filter(has_log).map(|it| it.name.as_str()).collect();
    if !logs.is_empty() && context.repo.config_bool("exp.githubDispatch").unwrap_or(false) {
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

/// The logs of this clone that the remote has not, or not whole.
fn logs(context: &Context, there: &HashMap<String, Oid>) -> Result<Vec<Pending>, Error> {
    let known: Vec<Oid> = there.values().copied().collect();
    let mut pending = Vec::new();
    for (name, tip) in context.repo.list_refs(layout::LOGS)? {
        if name[layout::LOGS.len()..].parse::<Writer>().is_err() || there.get(&name) == Some(&tip) {
            continue;
        }
        let commits = context.repo.lacking(&[tip], &known)?.commits;
        // The first commit of a log is no entry.
        let entries = if there.contains_key(&name) { commits } else { commits.saturating_sub(1) };
        pending.push(Pending { name, tip, entries: Some(entries) });
    }
    Ok(pending)
}

/// What else was asked for and is not there: files, code, seals and branches of topics.
fn published(
    context: &Context,
    arguments: &Arguments,
    there: &HashMap<String, Oid>,
) -> Result<Vec<Pending>, Error> {
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
    Ok(pending)
}

/// Says what becomes visible to whoever can read the remote.
fn tell(context: &mut Context, remote: &str, published: &[Pending], lacking: &Lacking) -> Result<(), Error> {
    let host = context.settings_here()?.capture.host;
    #[expect(clippy::cast_precision_loss, reason = "it is shown with four digits")]
    let size = bytes(lacking.bytes as f64);
    let remote = harmless(remote);
    context.output.say(&format!("`{remote}` lacks {} commits, {size}:", lacking.commits));
    for it in published {
        context.output.say(&format!("  {}", harmless(&it.name)));
    }
    let people: Vec<_> = lacking.people.iter().map(|name| harmless(name)).collect();
    if !people.is_empty() {
        context.output.say(&format!("  people that become visible: {}", people.join(", ")));
    }
    context.output.say(&format!("  hosts are recorded by: {host} (`capture.host`)"));
    Ok(())
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
fn track(context: &Context, remote: &str, pending: &[Pending], outcomes: &[Pushed]) -> Result<(), Error> {
    let is_there = |name: &str| outcomes.iter().any(|it| it.name == name && it.refusal.is_none());
    let edits: Vec<RefEdit> = pending
        .iter()
        .filter(|it| is_there(&it.name))
        .filter_map(|it| {
            let rest = it.name.strip_prefix("refs/exp/")?;
            let name = format!("{}{remote}/{rest}", layout::REMOTE);
            Some(RefEdit { name, expected: Expected::Any, new: Some(it.tip) })
        })
        .collect();
    if !edits.is_empty() {
        context.repo.update_refs(&edits, "git exp push")?;
    }
    Ok(())
}

fn show(
    context: &mut Context,
    remote: &str,
    arguments: &Arguments,
    pending: &[Pending],
    outcomes: &[Pushed],
    lacking: Option<&Lacking>,
) -> Result<Answer, Error> {
    let refused: Vec<(&str, &str)> =
        outcomes.iter().filter_map(|it| Some((it.name.as_str(), it.refusal.as_deref()?))).collect();
    let is_there = |it: &&Pending| {
        arguments.dry_run || outcomes.iter().any(|one| one.name == it.name && one.refusal.is_none())
    };
    let done: Vec<&Pending> = pending.iter().filter(is_there).collect();
    let answer = if refused.is_empty() { Answer::Yes } else { Answer::No };
    if context.output.json {
        let row = |it: &&Pending| json!({"ref": it.name, "entries": it.entries});
        let refusal = |(name, why): &(&str, &str)| json!({"ref": name, "why": why});
        context.output.object(&json!({
            "schema": "git-exp/push/1",
            "remote": remote,
            "dry_run": arguments.dry_run,
            "pushed": done.iter().map(row).collect::<Vec<_>>(),
            "refused": refused.iter().map(refusal).collect::<Vec<_>>(),
            "published": lacking.map(|it| json!({"commits": it.commits, "bytes": it.bytes, "people": it.people})),
        }))?;
    } else {
        let would = if arguments.dry_run { "would push " } else { "" };
        for it in &done {
            let count = it.entries.map(|count| format!(": {}", remotes::entries(count))).unwrap_or_default();
            context.output.line(&format!("{would}{}{count}", harmless(&it.name)))?;
        }
        for (name, why) in &refused {
            context.output.line(&format!("refused: {}: {}", harmless(name), harmless(why)))?;
        }
        if pending.is_empty() {
            context.output.line(&format!("`{}` has everything", harmless(remote)))?;
        }
    }
    if refused.iter().any(|(_, why)| why.contains("fast-forward") || why.contains("fetch first")) {
        context.output.hint(
            "another clone pushed there under this name: `git exp pull`, then push again; nothing is lost",
        );
    }
    Ok(answer)
}
