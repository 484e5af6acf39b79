//! `git exp fsck`

use clap::Args;

use super::Answer;
use crate::context::Context;
use crate::error::Error;
use crate::log::fsck;
use crate::render::number::counted;
use crate::render::text::harmless;

/// Check every entry, its files, its code and the views
///
/// Each damage is named. The log itself is never changed: what is rebuilt are the views of it (index and notes), and
/// objects that a `git gc --prune=now` took away while they were being recorded.
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
            "healed": report.healed,
            "damages": damages,
        }))?;
    } else {
        for damage in &report.damages {
            let (what, problem) = (harmless(&damage.what), harmless(&damage.problem));
            context.output.line(&format!("damaged: {what}: {problem}"))?;
        }
        let absent = match report.absent_files {
            0 => String::new(),
            1 => ", 1 file not fetched".to_owned(),
            count => format!(", {count} files not fetched"),
        };
        let of = |count: u64, one: &str, several: &str| {
            counted(usize::try_from(count).unwrap_or(usize::MAX), one, several)
        };
        let verdict = match report.damages.len() {
            0 => "all is well".to_owned(),
            1 => "1 damage".to_owned(),
            count => format!("{count} damages"),
        };
        context.output.line(&format!(
            "{}, {}{absent}: {verdict}",
            of(report.entries, "entry", "entries"),
            of(report.files, "file", "files")
        ))?;
        if report.healed > 0 {
            context
                .output
                .say(&format!("{} missing objects were written again from the journal", report.healed));
        }
        if report.damages.iter().any(|it| it.is_repairable) {
            context.output.hint("`git exp fsck --repair` rebuilds the views");
        }
    }
    Ok(if is_whole { Answer::Yes } else { Answer::No })
}
