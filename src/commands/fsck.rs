//! `git exp fsck`

use clap::Args;

use super::Answer;
use crate::context::Context;
use crate::domain::number::counted;
use crate::error::Error;
use crate::log::fsck;
use crate::render::text::harmless;

/// Check every entry, its files, its code and the views
///
/// Each damage is named. Files and code of other writers that were never sent here, or fetched, are no damage: they are
/// elsewhere. The log itself is never changed: what is rebuilt are the views of it (index and notes), and objects that a
/// `git gc --prune=now` took away while they were being recorded.
#[derive(Args, Debug)]
#[command(after_help = "Exit status: 0 when all is well, 1 when something is damaged.")]
pub struct Arguments {
    /// Rebuild the views from the log
    #[arg(long)]
    repair: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.repair {
        fsck::repair(&context.log)?;
    }
    let report = fsck::check(&context.log)?;
    let is_whole = report.damages.is_empty();
    if context.output.json {
        let damages: Vec<_> = report
            .damages
            .iter()
            .map(|it| serde_json::json!({"what": it.what, "problem": it.problem, "repairable": it.is_repairable}))
            .collect();
        context.output.object(&serde_json::json!({
            "schema": "git-exp/fsck/1",
            "ok": is_whole,
            "entries": report.entries,
            "files": report.files,
            "absent_files": report.absent_files,
            "absent_code": report.absent_code,
            "healed": report.healed,
            "damages": damages,
        }))?;
    } else {
        for damage in &report.damages {
            let (what, problem) = (harmless(&damage.what), harmless(&damage.problem));
            context.output.line(&format!("damaged: {what}: {problem}"))?;
        }
        let mut counts = vec![counted(report.entries, "entry"), counted(report.files, "file")];
        if report.absent_files > 0 {
            counts.push(format!("{} elsewhere", counted(report.absent_files, "file")));
        }
        if report.absent_code > 0 {
            counts.push(format!("the code of {} elsewhere", counted(report.absent_code, "run")));
        }
        let verdict = match report.damages.len() {
            0 => "all is well".to_owned(),
            count => counted(count, "damage"),
        };
        context.output.line(&format!("{}: {verdict}", counts.join(", ")))?;
        if report.healed > 0 {
            let were = if report.healed == 1 { "was" } else { "were" };
            let objects = counted(report.healed, "missing object");
            context.output.say(&format!("{objects} {were} written again from the journal"));
        }
        if report.absent_files + report.absent_code > 0 {
            let hint = match context.repo.remotes()?.is_empty() {
                true => {
                    "what is elsewhere was never sent here: `git exp push --data` sends it, where it was recorded"
                }
                false => {
                    "`git exp pull --data` brings what is elsewhere, once its writers pushed it with `--data`"
                }
            };
            context.output.hint(hint);
        }
        if report.damages.iter().any(|it| it.is_repairable) {
            context.output.hint("`git exp fsck --repair` rebuilds the views");
        }
    }
    Ok(if is_whole { Answer::Yes } else { Answer::No })
}
