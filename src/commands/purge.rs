//! `git exp purge`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::{Answer, push, redaction, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::state::ExperimentState;
use crate::domain::withdrawal::{Dropped, Part, Results, Withdrawal, Withdrawn, find_withdrawn};
use crate::error::Error;
use crate::log::purge::{Holder, Order, Plan};
use crate::log::{LogError, layout};
use crate::render::text::harmless;

/// How often a purge is planned anew because something was recorded meanwhile.
const TRIES: u32 = 20;

/// How many names a line lists.
const NAMED: usize = 5;

/// Take entries back: a leaked secret, personal data, or a result that must not count
///
/// A withdrawal says so in the log, for ever. Then the entries, with their files and the snapshots they ran at, are taken out
/// of this clone's log, which goes on as a new epoch, `<writer>-2`; every other entry keeps its ID. The next push takes the old
/// refs away there, and clones that pull let theirs go. Without an entry, a purge that was cut short is ended.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp purge 3f2a91bc --dry-run                                what would go, and what else has it
  git exp purge 3f2a91bc --because 'a token in its arguments'
  git exp purge 3f2a91bc --files --because 'a token in its output'  the result stays
  git exp purge 3f2a91bc --keep-bytes --because 'another job was running'

A leaked secret is to be revoked first: whoever fetched it has it. What is left to do afterwards:
  in each clone        git reflog expire --expire-unreachable=now --all && git gc --prune=now
  on the host          ask its support to drop the objects: git exp show <withdrawal> --json names them; forks,
                       caches, pull requests and what CI kept may have them, too
  in copies, backups   whatever no git exp knows of


Exit status: 0 when it is done, 1 when you said no, 2 when something stands in the way.")]
pub struct Arguments {
    /// The first digits of the entries' IDs
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,

    /// Why; do not repeat the secret
    #[arg(long, short = 'm', value_name = "TEXT")]
    because: Option<String>,

    /// Take only the files of the entries; their results still count
    #[arg(long)]
    files: bool,

    /// Take only the code they ran at, also where it is no snapshot by git exp; their results still count
    #[arg(long)]
    code: bool,

    /// Take the entries whole, with files and snapshots: what is done where nothing is said
    #[arg(long, conflicts_with_all = ["files", "code"])]
    entry: bool,

    /// Withdraw the results, and keep every byte
    #[arg(long, conflicts_with_all = ["files", "code", "entry", "drop_refs", "leave_refs"])]
    keep_bytes: bool,

    /// Delete seals, archived experiments and branches `exp/*` that hold it, too
    #[arg(long)]
    drop_refs: bool,

    /// Leave other refs that hold it as they are
    #[arg(long)]
    leave_refs: bool,

    /// Push afterwards, so that the remote lets go of it, too
    #[arg(long)]
    push: bool,

    /// Do it without asking
    #[arg(long, short)]
    yes: bool,

    /// Say what would go, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Arguments {
    fn gone(&self) -> Vec<Part> {
        match (self.keep_bytes, self.files, self.code) {
            (true, _, _) => Vec::new(),
            (_, false, false) => vec![Part::Files, Part::Code, Part::Entry],
            (_, files, code) => [(files, Part::Files), (code, Part::Code)]
                .into_iter()
                .filter(|it| it.0)
                .map(|it| it.1)
                .collect(),
        }
    }
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if !arguments.dry_run && context.log.has_begun_purge() {
        finish(context)?;
    }
    if arguments.entries.is_empty() {
        return follow(context, &arguments);
    }
    let asked = named(context, &arguments)?;
    carry_out(context, &arguments, &asked)
}

/// Ends a purge that was cut short.
fn finish(context: &mut Context) -> Result<(), Error> {
    match context.log.finish_purge()? {
        Some(purged) => {
            context.reopen()?;
            context
                .output
                .say(&format!("the purge that was cut short is done ({})", purged.withdrawal.short()));
        }
        None => context.output.say("a purge that was cut short was undone: entries came in between"),
    }
    Ok(())
}

/// Withdraws from this clone's own logs, too, what was withdrawn from others that had it, as a copy of this clone has.
fn follow(context: &mut Context, arguments: &Arguments) -> Result<Answer, Error> {
    let mut left = unfollowed(context)?;
    if left.is_empty() {
        if arguments.push {
            return push::logs_only(context);
        }
        if context.output.json {
            return show(context, arguments, &Plan::default(), &Asked::default(), None).map(|()| Answer::Yes);
        }
        context.output.say("nothing is left to do");
        context.output.hint("name what is to go: git exp purge <entry> --because '…'");
        return Ok(Answer::Yes);
    }
    let mut answer = Answer::Yes;
    while let Some((withdrawal, logs)) = left.first() {
        let is_whole = withdrawal.gone.contains(&Part::Entry);
        let with = Arguments {
            entries: Vec::new(),
            because: Some(arguments.because.clone().unwrap_or_else(|| withdrawal.because.clone())),
            files: withdrawal.gone.contains(&Part::Files) && !is_whole,
            code: withdrawal.gone.contains(&Part::Code) && !is_whole,
            entry: false,
            keep_bytes: false,
            push: false,
            ..*arguments
        };
        let ids: Vec<EntryId> = withdrawal.entries.iter().map(|one| one.entry).collect();
        let known = withdrawal.entries.clone();
        let asked = Asked { ids, known, logs: logs.clone(), ..Asked::default() };
        answer = carry_out(context, &with, &asked)?;
        if answer != Answer::Yes {
            return Ok(answer);
        }
        if arguments.dry_run {
            left.remove(0);
            continue;
        }
        let rest = unfollowed(context)?;
        if rest.len() >= left.len() {
            break;
        }
        left = rest;
    }
    if arguments.push { push::logs_only(context) } else { Ok(answer) }
}

/// The withdrawals that this clone's own logs have yet to follow, each with those of the logs that it ended elsewhere.
fn unfollowed(context: &Context) -> Result<Vec<(Withdrawal, Vec<Writer>)>, Error> {
    let mut left: Vec<(Withdrawal, Vec<Writer>)> = Vec::new();
    let mut index = context.log.index()?;
    let withdrawals = context.log.withdrawals(&mut index)?;
    for one in context.log.superseded()?.into_iter().filter(|it| it.is_own) {
        let ended = withdrawals.iter().filter(|(_, it)| it.drops_log_of(&one.old));
        left.extend(ended.map(|(_, it)| (it.clone(), vec![one.old.clone()])));
    }
    for log in context.log.unfollowed(&[layout::LOGS])? {
        for (_, it) in log.withdrawals {
            if left.iter().all(|(known, _)| known.entries != it.entries || known.gone != it.gone) {
                left.push((it, Vec::new()));
            }
        }
    }
    Ok(left)
}

/// What is to be taken back.
#[derive(Default)]
struct Asked {
    ids: Vec<EntryId>,
    /// Those that were withdrawn already, each with the withdrawal that says so.
    already: Vec<(EntryId, EntryId)>,
    /// What earlier withdrawals say of them.
    known: Vec<Withdrawn>,
    /// Refs that a withdrawal named which is taken back itself.
    refs: Vec<Dropped>,
    /// Logs that go on as a new epoch whatever they hold.
    logs: Vec<Writer>,
}

/// The entries that are meant, and what of that was withdrawn already.
fn named(context: &Context, arguments: &Arguments) -> Result<Asked, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let withdrawals = context.log.withdrawals(&mut index)?;
    let gone = arguments.gone();
    let takes = |it: &Withdrawal| match gone.is_empty() {
        true => it.results == Results::Withdrawn,
        false => gone.iter().all(|part| it.gone.contains(part)),
    };
    let mut asked = Asked::default();
    let mut withdrawals_taken = Vec::new();
    for word in &arguments.entries {
        if let [experiment, ..] = state.find(word).as_slice() {
            let name = experiment.name();
            let error =
                Error::request(format!("`{name}` is an experiment, and entries are taken back one by one"))
                    .hint(format!("`git exp log -e {name}` lists its entries"));
            return Err(error);
        }
        let id = match selection::entry(context, &mut index, &state, word) {
            Ok(entry) => {
                if let (Body::Withdrawal(it), true) = (entry.body, gone.contains(&Part::Entry)) {
                    withdrawals_taken.push((entry.id, it));
                }
                entry.id
            }
            Err(error) => match find_withdrawn(&withdrawals, word) {
                Some((id, _)) => id,
                None => return Err(error),
            },
        };
        if asked.ids.contains(&id) {
            continue;
        }
        asked.ids.push(id);
        for (by, it) in &withdrawals {
            if let Some(one) = it.entries.iter().find(|one| takes(it) && one.entry == id) {
                if asked.already.iter().all(|(known, _)| *known != id) {
                    asked.already.push((id, by.id));
                }
                asked.known.push(one.clone());
            }
        }
    }
    for (id, it) in withdrawals_taken {
        // Whoever comes late has to find what it took in the one that takes its place.
        let is_known = |one: &Withdrawn| asked.ids.contains(&one.entry);
        if !it.gone.contains(&Part::Entry) && !it.entries.iter().all(is_known) {
            let entries = names(it.entries.iter().map(|one| one.entry.short()));
            return Err(Error::request(format!(
                "`{}` says what was taken back, and is needed for that",
                id.short()
            ))
            .hint(format!("it can only go with what it is about: name {entries}, too")));
        }
        asked.known.extend(it.entries);
        asked.refs.extend(it.refs);
    }
    Ok(asked)
}

fn carry_out(context: &mut Context, arguments: &Arguments, asked: &Asked) -> Result<Answer, Error> {
    let gone = arguments.gone();
    let order = Order { ids: &asked.ids, gone: &gone, all_code: arguments.code, logs: &asked.logs };
    let mut plan = context.log.plan_purge(order)?;
    let is_own = |id: &EntryId| plan.entries.iter().any(|own| own.id == *id);
    let is_known = |id: &EntryId| asked.known.iter().any(|one| one.entry == *id);
    if let Some(foreign) = asked.ids.iter().find(|id| !is_own(id) && !is_known(id)) {
        return Err(not_own(context, *foreign)?);
    }
    preview(context, &plan, arguments, asked);
    if plan.gone.contains(&Part::Entry) && !plan.epochs.is_empty() {
        preview_experiments(context, &plan)?;
    }
    let is_done =
        if gone.is_empty() { asked.already.len() == asked.ids.len() } else { plan.epochs.is_empty() };
    if is_done && (gone.is_empty() || plan.holders.is_empty()) {
        show(context, arguments, &plan, asked, None)?;
        return if arguments.push { push::logs_only(context) } else { Ok(Answer::Yes) };
    }
    let standing: Vec<&Holder> = plan
        .holders
        .iter()
        .filter(|it| !(arguments.leave_refs || arguments.drop_refs && it.can_go))
        .collect();
    if let (Some(first), false) = (standing.first(), arguments.dry_run) {
        let error =
            Error::request(format!("other refs hold it, too: {}", names(standing.iter().map(|it| &it.name))));
        return Err(match standing.iter().all(|it| it.can_go) {
            true => error.hint("`--drop-refs` deletes them, `--leave-refs` leaves them, and the bytes there"),
            false => error.hint(format!(
                "rewrite or delete `{}` first, or leave it, and the bytes there: --leave-refs",
                harmless(&first.name)
            )),
        });
    }
    let also: Vec<Holder> =
        plan.holders.iter().filter(|it| arguments.drop_refs && it.can_go).cloned().collect();
    if arguments.dry_run || is_done && also.is_empty() {
        show(context, arguments, &plan, asked, None)?;
        return Ok(Answer::Yes);
    }
    let Some(because) = because(context, arguments, asked)? else {
        return Err(Error::request("a withdrawal says why").hint("add it, without the secret: --because '…'"));
    };
    if !arguments.yes {
        let asked = context.output.ask("take this back?")?;
        match asked {
            Some(true) => {}
            Some(false) => {
                context.output.say("nothing was changed");
                return Ok(Answer::No);
            }
            None => {
                return Err(Error::request("nothing is taken back unasked")
                    .hint("`--yes` does it, `--dry-run` only says what would go"));
            }
        }
    }
    let body = Body::Withdrawal(withdrawal(context, &plan, asked, because)?);
    let replaces = match gone.is_empty() || gone.contains(&Part::Entry) {
        // What was withdrawn before is hidden already.
        true => plan.entries.iter().map(|it| it.id).collect(),
        false => Vec::new(),
    };
    let request = context.request_of(body, replaces)?;
    let by = if gone.is_empty() {
        let appended = context.log.append(&context.writer()?, request)?;
        let mut index = context.log.index()?;
        context.log.repair_notes(&mut index)?;
        appended.entry.id
    } else if is_done {
        context.log.purge_refs(&context.writer()?, &also, request)?
    } else {
        let mut tries = 0;
        let purged = loop {
            match context.log.purge(&plan, &also, request.clone()) {
                // Something was recorded since it was planned. What was agreed to is still what goes, or it is asked again.
                Err(LogError::Contended(_)) if tries < TRIES => {
                    let again = context.log.plan_purge(order)?;
                    if again.has_changed(&plan) {
                        return Err(Error::request(
                            "something was recorded meanwhile that has some of it, too",
                        )
                        .hint("nothing was changed: do it again"));
                    }
                    plan = again;
                    tries += 1;
                }
                result => break result?,
            }
        };
        context.reopen()?;
        purged.withdrawal
    };
    show(context, arguments, &plan, asked, Some(by))?;
    if arguments.push {
        return push::logs_only(context);
    }
    if !gone.is_empty() && !context.repo.remotes()?.is_empty() {
        context
            .output
            .hint("`git exp push` takes it away from a remote; `git exp help purge` says what a host keeps");
    }
    Ok(Answer::Yes)
}

/// Why it is taken back: as it is said now, else as the withdrawal said that took it before.
fn because(context: &Context, arguments: &Arguments, asked: &Asked) -> Result<Option<String>, Error> {
    if let Some(text) = arguments.because.clone().filter(|text| !text.trim().is_empty()) {
        return Ok(Some(text));
    }
    let Some((_, by)) = asked.already.first().filter(|_| asked.already.len() == asked.ids.len()) else {
        return Ok(None);
    };
    let withdrawals = context.log.withdrawals(&mut context.log.index()?)?;
    Ok(withdrawals.into_iter().find(|(entry, _)| entry.id == *by).map(|(_, it)| it.because))
}

/// What is said of an entry that no log of this clone has.
fn not_own(context: &Context, id: EntryId) -> Result<Error, Error> {
    let (_, foreign) = context.log.find(&mut context.log.index()?, &id.to_hex())?;
    let short = id.short();
    Ok(Error::request(format!("`{short}` is not in a log of this clone"))
        .because(format!(
            "`{}` appended it, which is another clone, and only that one can take it back",
            foreign.writer
        ))
        .hint(format!(
            "ask {} to purge it there; `git exp note {short} 'please purge'` says so in the log",
            harmless(&foreign.by.name)
        )))
}

fn withdrawal(context: &Context, plan: &Plan, asked: &Asked, because: String) -> Result<Withdrawal, Error> {
    let mut because = because;
    redaction::texts(context, [&mut because])?;
    let withdrawn = |entry: &Entry| Withdrawn {
        entry: entry.id,
        kind: entry.kind().to_owned(),
        experiment: entry.experiment().cloned(),
        registration: entry.registration(),
    };
    let results = match plan.gone.is_empty() || plan.gone.contains(&Part::Entry) {
        true => Results::Withdrawn,
        false => Results::Count,
    };
    let mut entries: Vec<Withdrawn> = plan.entries.iter().map(withdrawn).collect();
    for known in &asked.known {
        if entries.iter().all(|it| it.entry != known.entry) {
            entries.push(known.clone());
        }
    }
    Ok(Withdrawal { entries, results, gone: plan.gone.clone(), because, refs: asked.refs.clone() })
}

/// The first few of `all`, in words.
fn names<S: AsRef<str>>(all: impl IntoIterator<Item = S>) -> String {
    let all: Vec<String> = all.into_iter().map(|it| harmless(it.as_ref()).into_owned()).collect();
    let more = all.len().saturating_sub(NAMED);
    let mut text = all[..all.len().min(NAMED)].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Says what goes, what stays, and who else has it.
fn preview(context: &mut Context, plan: &Plan, arguments: &Arguments, asked: &Asked) {
    let is_blind = |id: &EntryId| {
        plan.entries.iter().all(|it| it.id != *id)
            && !context.log.knows_what_went(*id)
            && !plan.gone.is_empty()
    };
    let blind: Vec<EntryId> = asked.ids.iter().copied().filter(is_blind).collect();
    let mut say = |text: String| context.output.say(&text);
    for (id, by) in &asked.already {
        say(format!("`{}` was withdrawn already ({})", id.short(), by.short()));
    }
    if !blind.is_empty() && asked.logs.is_empty() {
        let blind = names(blind.iter().map(EntryId::short));
        say(format!(
            "  what went with {blind} is not known here, so other refs were not looked through for it"
        ));
    }
    let has_epochs = !plan.epochs.is_empty();
    if plan.gone.is_empty() && asked.already.len() == asked.ids.len() {
        return;
    }
    for entry in plan.entries.iter().filter(|_| has_epochs || plan.gone.is_empty()) {
        let about = entry.experiment().map(|id| format!(" of {id}")).unwrap_or_default();
        say(format!("{} {}{about}", entry.kind(), entry.id.short()));
    }
    if plan.gone.is_empty() {
        say("  its result is withdrawn; every byte stays".to_owned());
        return;
    }
    if has_epochs && !plan.entries.is_empty() {
        preview_bytes(&mut say, plan);
    }
    for (what, entries) in &plan.shared {
        let entries = names(entries.iter().map(EntryId::short));
        say(format!("  stays, because others have it too: {} ({entries})", harmless(what)));
    }
    for (old, new) in &plan.epochs {
        say(format!("  the log `{old}` goes on as `{new}`"));
    }
    for (name, _) in &plan.drops {
        say(format!("  ref that goes: {name}"));
    }
    for holder in &plan.holders {
        let fate = match (arguments.drop_refs && holder.can_go, arguments.leave_refs) {
            (true, _) => "goes, too",
            (false, true) => "is left, with the bytes there",
            (false, false) => "also holds it",
        };
        say(format!("  {fate}: {}", harmless(&holder.name)));
    }
    for name in &plan.elsewhere {
        say(format!("  another clone's, which has to purge it as well: {}", harmless(name)));
    }
    if !has_epochs && plan.holders.is_empty() && plan.shared.is_empty() && blind.is_empty() {
        say("  nothing else of this clone holds it".to_owned());
    }
}

/// Says what becomes of the experiments whose registrations go: what is about them stays, and so does their code.
fn preview_experiments(context: &mut Context, plan: &Plan) -> Result<(), Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    for entry in plan.entries.iter().filter(|it| matches!(it.body, Body::Brief(_))) {
        let is_it = |it: &&ExperimentState| it.registered.as_ref().is_some_and(|it| it.entry == entry.id);
        let Some(experiment) = state.experiments.iter().find(is_it) else { continue };
        let name = experiment.name();
        context.output.say(&format!("  `{name}` is no longer registered; its name stays"));
        let goes = |id: EntryId| plan.entries.iter().any(|it| it.id == id);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for other in context.log.all(&mut index)? {
            if other.registration() == Some(entry.id) && !goes(other.id) {
                *kinds.entry(other.kind().to_owned()).or_default() += 1;
            }
        }
        if !kinds.is_empty() {
            let others: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
            context.output.say(&format!(
                "  other entries about it stay, and may say the same: {} (`git exp log -e {name}`)",
                others.join(", ")
            ));
        }
        let branch = layout::experiment_branch(&experiment.id);
        if context.repo.read_ref(&format!("refs/heads/{branch}"))?.is_some() {
            let worktree = selection::worktree_of_experiment(context, experiment)?;
            let and = if worktree.is_some() { " and its worktree stay" } else { " stays" };
            context.output.say(&format!("  the branch {branch}{and}, with the code"));
        } else if context.repo.read_ref(&layout::archive_ref(&experiment.id))?.is_some() {
            context.output.say(&format!("  {} stays, with the code", layout::archive_ref(&experiment.id)));
        }
        context.output.say("  an issue that was posted about it stays where it was posted");
    }
    Ok(())
}

/// Says which bytes go.
fn preview_bytes(say: &mut impl FnMut(String), plan: &Plan) {
    if plan.gone.contains(&Part::Entry) {
        say("  the entry goes, with its message in the log".to_owned());
    }
    if !plan.files.is_empty() {
        say(format!("  files that go: {}", names(&plan.files)));
    }
    if !plan.code.is_empty() {
        say(format!("  code that goes: {}", names(plan.code.iter().map(|oid| oid.to_hex()))));
    } else if plan.gone.contains(&Part::Code) && plan.entries.iter().any(|it| !it.commits().is_empty()) {
        // What others have is said below, by name.
        let is_shared = plan.shared.keys().any(|what| what.starts_with("code "));
        say(match is_shared {
            true => "  code: no snapshot goes, because others have it too".to_owned(),
            false => "  code: none goes, because what ran is a commit of yours and no snapshot".to_owned(),
        });
    }
}

fn show(
    context: &mut Context,
    arguments: &Arguments,
    plan: &Plan,
    asked: &Asked,
    by: Option<EntryId>,
) -> Result<(), Error> {
    if context.output.json {
        let epoch = |(from, to): &(Writer, Writer)| json!({"from": from.as_str(), "to": to.as_str()});
        let already =
            |(entry, by): &(EntryId, EntryId)| json!({"entry": entry.to_hex(), "withdrawal": by.to_hex()});
        return context.output.object(&json!({
            "schema": "git-exp/purge/1",
            "dry_run": arguments.dry_run,
            "withdrawal": by.map(|id| id.to_hex()),
            "entries": asked.ids.iter().map(EntryId::to_hex).collect::<Vec<_>>(),
            "already": asked.already.iter().map(already).collect::<Vec<_>>(),
            "gone": plan.gone.iter().map(|part| part.word()).collect::<Vec<_>>(),
            "epochs": plan.epochs.iter().map(epoch).collect::<Vec<_>>(),
            "refs": plan.drops.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "files": plan.files,
            "code": plan.code.iter().map(|oid| oid.to_hex()).collect::<Vec<_>>(),
            "shared": plan.shared.iter().map(|(what, entries)| {
                json!({"what": what, "entries": entries.iter().map(EntryId::to_hex).collect::<Vec<_>>()})
            }).collect::<Vec<_>>(),
            "holders": plan.holders.iter().map(|it| &it.name).collect::<Vec<_>>(),
            "elsewhere": plan.elsewhere,
        }));
    }
    let Some(by) = by else { return Ok(()) };
    if plan.epochs.is_empty() && !plan.gone.is_empty() {
        let gone = plan.holders.iter().filter(|it| arguments.drop_refs && it.can_go).map(|it| &it.name);
        return context.output.line(&format!("deleted {} ({})", names(gone), by.short()));
    }
    let what = plan.entries.iter().map(|it| format!("{} {}", it.kind(), it.id.short()));
    context.output.line(&format!("withdrew {} ({})", names(what), by.short()))
}
