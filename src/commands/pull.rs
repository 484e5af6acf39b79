//! `git exp pull`

use clap::Args;

use super::remotes::Wanted;
use super::{Answer, remotes};
use crate::context::Context;
use crate::domain::id::Writer;
use crate::domain::number::counted;
use crate::error::Error;
use crate::log::layout;
use crate::render::text::harmless;

/// Fetch what others recorded, and take it in
///
/// Logs and seals always come; the files and the code of runs come with `--data`. A log that no longer holds what was seen
/// of it (rewound, forged, shortened or deleted) is named, and what was seen is kept.
#[derive(Args, Debug)]
#[command(
    after_help = "The remote is `exp.remote`, else that of the current branch, else `origin`.\n\nExit status: 0 when all was taken in, 1 when something is not followed."
)]
pub struct Arguments {
    /// The remote
    remote: Option<String>,

    /// Fetch the files and the code of runs, too
    #[arg(long)]
    data: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let remote = remotes::named(context, arguments.remote.as_deref())?;
    let wanted = if arguments.data { Wanted::Files } else { Wanted::Logs };
    let taken = remotes::bring(context, &remote, wanted)?;
    let answer = if taken.problems.is_empty() { Answer::Yes } else { Answer::No };
    if context.output.json {
        let came: Vec<_> = taken
            .came
            .iter()
            .map(|(writer, entries)| serde_json::json!({"writer": writer.as_str(), "entries": entries}))
            .collect();
        let problems: Vec<_> = taken
            .problems
            .iter()
            .map(|it| serde_json::json!({"what": it.what, "problem": it.problem}))
            .collect();
        let renamed: Vec<_> = taken
            .renamed
            .iter()
            .map(|(from, to)| serde_json::json!({"from": from.as_str(), "to": to.as_str()}))
            .collect();
        context.output.object(&serde_json::json!({
            "schema": "git-exp/pull/1",
            "remote": remote,
            "came": came,
            "seals": taken.seals,
            "problems": problems,
            "renamed": renamed,
            "withdrawn": taken.withdrawn.iter().map(Writer::as_str).collect::<Vec<_>>(),
        }))?;
        return Ok(answer);
    }
    for (writer, entries) in &taken.came {
        context.output.line(&format!("{writer}: {}", counted(*entries, "entry")))?;
    }
    for seal in &taken.seals {
        context.output.line(&harmless(seal))?;
    }
    for writer in &taken.withdrawn {
        context.output.line(&format!("{writer}: withdrawn by its writer, and let go"))?;
    }
    if taken.came.is_empty() && taken.seals.is_empty() && taken.withdrawn.is_empty() {
        context.output.line(&format!("nothing new from `{}`", harmless(&remote)))?;
    }
    remotes::tell_trouble(context, &taken);
    for (remote, writer) in &taken.forged {
        remotes::hint_at_forged(context, remote, &layout::log_ref(writer));
    }
    Ok(answer)
}
