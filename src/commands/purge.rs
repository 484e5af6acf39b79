//! `git exp purge`

use clap::Args;
use serde_json::json;

use super::{Answer, push, redaction, selection};
use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Writer};
use crate::domain::withdrawal::{Part, Results, Withdrawal, Withdrawn};
use crate::error::Error;
use crate::log::purge::{Holder, Plan};
use crate::render::text::harmless;

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

What a host keeps afterwards, and what to do about it: docs/reference/purge.md

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
    let (entries, already) = named(context, &arguments)?;
    for (id, withdrawal) in &already {
        let text = format!("`{}` was withdrawn already ({})", id.short(), withdrawal.short());
        context.output.say(&text);
    }
    if entries.is_empty() {
        if context.output.json {
            context.output.object(
                &json!({"schema": "git-exp/purge/1", "dry_run": arguments.dry_run, "withdrawal": null}),
            )?;
        }
        return if arguments.push { push::logs_only(context) } else { Ok(Answer::Yes) };
    }
    carry_out(context, &arguments, &entries)
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

/// Withdraws here, too, what a copy of this clone withdrew from the log that both have.
fn follow(context: &mut Context, arguments: &Arguments) -> Result<Answer, Error> {
    let own: Vec<_> = context.log.superseded()?.into_iter().filter(|it| it.is_own).collect();
    if own.is_empty() {
        if arguments.push {
            return push::logs_only(context);
        }
        context.output.say("nothing is left to do");
        context.output.hint("name what is to go: git exp purge <entry> --because '…'");
        return Ok(Answer::Yes);
    }
    let mut index = context.log.index()?;
    let withdrawals = context.log.withdrawals(&mut index)?;
    let of_copies = withdrawals.iter().filter(|(_, it)| own.iter().any(|one| it.drops_log_of(&one.old)));
    let mut answer = Answer::Yes;
    for (_, it) in of_copies {
        let mut entries = Vec::new();
        for one in &it.entries {
            entries.extend(context.log.find(&mut index, &one.entry.to_hex()).ok().map(|(_, entry)| entry));
        }
        let with = Arguments {
            entries: Vec::new(),
            because: Some(arguments.because.clone().unwrap_or_else(|| it.because.clone())),
            files: it.gone.contains(&Part::Files) && !it.gone.contains(&Part::Entry),
            code: it.gone.contains(&Part::Code) && !it.gone.contains(&Part::Entry),
            entry: false,
            keep_bytes: false,
            ..*arguments
        };
        answer = carry_out(context, &with, &entries)?;
    }
    Ok(answer)
}

/// Entries that are to go, and those that are gone, each with the withdrawal that took it.
type Named = (Vec<Entry>, Vec<(EntryId, EntryId)>);

/// The entries that are meant and still have what is to go; and those that a withdrawal took already.
fn named(context: &Context, arguments: &Arguments) -> Result<Named, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let withdrawals = context.log.withdrawals(&mut index)?;
    let gone = arguments.gone();
    let takes = |it: &Withdrawal| match gone.is_empty() {
        true => it.results == Results::Withdrawn,
        false => gone.iter().all(|part| it.gone.contains(part)),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut already = Vec::new();
    for word in &arguments.entries {
        match selection::entry(context, &mut index, &state, word) {
            Ok(entry) => {
                let taken = withdrawals
                    .iter()
                    .find(|(_, it)| takes(it) && it.entries.iter().any(|one| one.entry == entry.id));
                match taken {
                    Some((by, _)) => already.push((entry.id, by.id)),
                    None if entries.iter().all(|it| it.id != entry.id) => entries.push(entry),
                    None => {}
                }
            }
            Err(error) => match find_withdrawn(&withdrawals, word) {
                Some(it) => already.push(it),
                None => return Err(error),
            },
        }
    }
    Ok((entries, already))
}

/// The entry that begins with `word` and is gone, with the withdrawal that says so.
pub fn find_withdrawn(withdrawals: &[(Entry, Withdrawal)], word: &str) -> Option<(EntryId, EntryId)> {
    let word = word.to_ascii_lowercase();
    let mut named = withdrawals.iter().flat_map(|(by, it)| it.entries.iter().map(|one| (one.entry, by.id)));
    named.rfind(|(id, _)| word.len() >= 4 && id.to_hex().starts_with(&word))
}

fn carry_out(context: &mut Context, arguments: &Arguments, entries: &[Entry]) -> Result<Answer, Error> {
    let ids: Vec<EntryId> = entries.iter().map(|it| it.id).collect();
    let gone = arguments.gone();
    let plan = context.log.plan_purge(&ids, &gone, arguments.code)?;
    if let Some(foreign) = entries.iter().find(|it| plan.entries.iter().all(|own| own.id != it.id)) {
        let short = foreign.id.short();
        return Err(Error::request(format!("`{short}` is not in a log of this clone"))
            .because(format!(
                "`{}` appended it, which is another clone, and only that one can take it back",
                foreign.writer
            ))
            .hint(format!(
                "ask {} to purge it there; `git exp note {short} 'please purge'` says so in the log",
                harmless(&foreign.by.name)
            )));
    }
    preview(context, &plan, arguments);
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
    if arguments.dry_run {
        show(context, arguments, &plan, None)?;
        return Ok(Answer::Yes);
    }
    let Some(because) = arguments.because.clone().filter(|text| !text.trim().is_empty()) else {
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
    let body = Body::Withdrawal(withdrawal(context, &plan, because, &gone)?);
    let replaces = match gone.is_empty() || gone.contains(&Part::Entry) {
        true => ids,
        false => Vec::new(),
    };
    let request = context.request_of(body, replaces)?;
    let by = if gone.is_empty() {
        let appended = context.log.append(&context.writer()?, request)?;
        let mut index = context.log.index()?;
        context.log.repair_notes(&mut index)?;
        appended.entry.id
    } else {
        let also: Vec<Holder> =
            plan.holders.iter().filter(|it| arguments.drop_refs && it.can_go).cloned().collect();
        let purged = context.log.purge(&plan, &also, request)?;
        context.reopen()?;
        purged.withdrawal
    };
    show(context, arguments, &plan, Some(by))?;
    if arguments.push {
        return push::logs_only(context);
    }
    if !gone.is_empty() && !context.repo.remotes()?.is_empty() {
        context.output.hint(
            "`git exp push` takes it away from a remote; docs/reference/purge.md says what a host keeps",
        );
    }
    Ok(Answer::Yes)
}

fn withdrawal(context: &Context, plan: &Plan, because: String, gone: &[Part]) -> Result<Withdrawal, Error> {
    let mut because = because;
    redaction::texts(context, [&mut because])?;
    let withdrawn = |entry: &Entry| Withdrawn {
        entry: entry.id,
        kind: entry.kind().to_owned(),
        experiment: entry.experiment().cloned(),
        registration: entry.registration(),
    };
    let results = match gone.is_empty() || gone.contains(&Part::Entry) {
        true => Results::Withdrawn,
        false => Results::Count,
    };
    Ok(Withdrawal {
        entries: plan.entries.iter().map(withdrawn).collect(),
        results,
        gone: gone.to_vec(),
        because,
        refs: Vec::new(),
    })
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
fn preview(context: &mut Context, plan: &Plan, arguments: &Arguments) {
    let mut say = |text: String| context.output.say(&text);
    for entry in &plan.entries {
        let about = entry.experiment().map(|id| format!(" of {id}")).unwrap_or_default();
        say(format!("{} {}{about}", entry.kind(), entry.id.short()));
    }
    if plan.gone.is_empty() {
        say("  its result is withdrawn; every byte stays".to_owned());
        return;
    }
    if plan.gone.contains(&Part::Entry) {
        say("  the entry goes, with its message in the log".to_owned());
    }
    if !plan.files.is_empty() {
        say(format!("  files that go: {}", names(&plan.files)));
    }
    if !plan.code.is_empty() {
        say(format!("  code that goes: {}", names(plan.code.iter().map(|oid| oid.to_hex()))));
    } else if plan.gone.contains(&Part::Code) {
        say("  code: nothing goes that a commit of yours does not hold".to_owned());
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
        let fate = if arguments.drop_refs && holder.can_go { "goes, too" } else { "also holds it" };
        say(format!("  {fate}: {}", harmless(&holder.name)));
    }
    for name in &plan.elsewhere {
        say(format!("  another clone's, which has to purge it as well: {}", harmless(name)));
    }
}

fn show(context: &mut Context, arguments: &Arguments, plan: &Plan, by: Option<EntryId>) -> Result<(), Error> {
    if context.output.json {
        let epoch = |(from, to): &(Writer, Writer)| json!({"from": from.as_str(), "to": to.as_str()});
        return context.output.object(&json!({
            "schema": "git-exp/purge/1",
            "dry_run": arguments.dry_run,
            "withdrawal": by.map(|id| id.to_hex()),
            "entries": plan.entries.iter().map(|it| it.id.to_hex()).collect::<Vec<_>>(),
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
    match by {
        Some(by) => {
            let what = plan.entries.iter().map(|it| format!("{} {}", it.kind(), it.id.short()));
            context.output.line(&format!("withdrew {} ({})", names(what), by.short()))
        }
        None => Ok(()),
    }
}
