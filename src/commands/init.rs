//! `git exp init`

use std::collections::BTreeMap;

use clap::Args;

use super::{Answer, agents, hooks, remotes, workflows};
use crate::context::Context;
use crate::error::Error;
use crate::log::layout::NOTES;
use crate::render::text::harmless;

/// Prepare this repository and clone; safe to repeat
///
/// Nothing needs it: the first `git exp run` does the needful part. It names this clone's writer, lets plain
/// `git log` show results, and keeps worktrees of experiments out of `git status`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  git exp init\n  git exp init --hooks\n  git exp init --agents\n  git exp init --github\n\nNo file is put into your worktree unless you ask for it, and nothing is pushed."
)]
pub struct Arguments {
    /// Have each commit checked against the rules about files, by Git hooks; hooks of yours are left as they are
    #[arg(long)]
    hooks: bool,

    /// Teach coding agents the loop: .agents/skills/git-exp/SKILL.md, and a section of AGENTS.md
    #[arg(long)]
    agents: bool,

    /// Write an action, workflows that post and that check pull requests, and an issue form, below .github
    #[arg(long)]
    github: bool,

    /// Replace those files where somebody changed them
    #[arg(long, requires = "github")]
    force: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let known = context.log.writer()?;
    let writer = context.writer()?;
    let shows_notes = show_notes(context)?;
    context.repo.exclude_locally(WORKTREES)?;
    // So that fetching compares few commits, however many entries there are.
    if context.repo.config_string("fetch.negotiationAlgorithm").is_none() {
        context.repo.set_config_local("fetch.negotiationAlgorithm", "skipping")?;
    }
    let followed = remotes::follow_all(context)?;
    let installed = if arguments.hooks { Some(hooks::install(context)?) } else { None };
    let taught = if arguments.agents { agents::install(context)? } else { Vec::new() };
    let written = arguments.github.then(|| workflows::install(context, arguments.force)).transpose()?;
    let is_done =
        |installed: &hooks::Hooks| if installed.theirs.is_empty() { Answer::Yes } else { Answer::No };
    if context.output.json {
        let view = serde_json::json!({
            "schema": "git-exp/init/1",
            "writer": writer.as_str(),
            "created": known.is_none(),
            "remotes": followed,
            "hooks": installed.as_ref().map(|hooks| &hooks.ours),
            "agents": taught.iter().map(|(file, fate)| (*file, fate.word())).collect::<BTreeMap<_, _>>(),
            "github": written.as_ref().map(|it| {
                it.files.iter().map(|(file, fate)| (*file, fate.word())).collect::<BTreeMap<_, _>>()
            }),
            "workflows_started": written.as_ref().map(|it| it.started.iter().cloned().collect::<BTreeMap<_, _>>()),
            "hooks_of_others": installed.as_ref().map(|hooks| &hooks.theirs),
        });
        context.output.object(&view)?;
        return Ok(installed.as_ref().map_or(Answer::Yes, is_done));
    }
    let state = if known.is_some() { "already goes" } else { "goes" };
    context.output.line(&format!("this clone {state} by the name `{writer}`"))?;
    if shows_notes {
        context.output.line("plain `git log` shows results from now on (`notes.displayRef`)")?;
    }
    for remote in &followed {
        let remote = harmless(remote);
        context.output.line(&format!("plain `git fetch {remote}` brings the logs of others from now on"))?;
    }
    for (file, fate) in &taught {
        context.output.line(&format!("{} {file}", fate.word()))?;
    }
    if !taught.is_empty() {
        context.output.hint("read them, then commit them");
    }
    if let Some(written) = &written {
        tell_workflows(context, written)?;
    }
    if let Some(installed) = &installed {
        hooks::tell(context, installed)?;
        return Ok(is_done(installed));
    }
    if taught.is_empty() && written.is_none() {
        context.output.hint("run something: git exp run -- <command>");
    }
    Ok(Answer::Yes)
}

/// Says what became of the files for GitHub, and what is to be known of them.
fn tell_workflows(context: &mut Context, written: &workflows::Workflows) -> Result<(), Error> {
    for (file, fate) in &written.files {
        context.output.line(&format!("{} {file}", fate.word()))?;
    }
    for (workflow, what) in &written.started {
        context.output.say(&format!("pushes of git exp start `{}`: {}", harmless(workflow), harmless(what)));
    }
    if !written.started.is_empty() {
        let main = context.main_branch_name();
        let hint = format!(
            "where that is not wanted, filter them: on: {{push: {{branches: [{}]}}}}",
            harmless(&main)
        );
        context.output.hint(&hint);
    }
    if written.files.iter().any(|(_, fate)| *fate == agents::Fate::Left) {
        context.output.hint("`git exp init --github --force` replaces what was changed");
    }
    context.output.hint(
        "read them and commit them; on GitHub, the variables GIT_EXP_REPOSITORY and GIT_EXP_VERSION say what is installed, and GIT_EXP_CI \
         what is measured; `git config exp.githubDispatch true` has `git exp push` start the posting",
    );
    Ok(())
}

/// What keeps worktrees of experiments out of `git status`.
pub const WORKTREES: &str = "/.worktrees/";

/// Lets plain `git log` show the notes; says whether it did not before.
pub fn show_notes(context: &Context) -> Result<bool, Error> {
    Ok(context.repo.add_config_local("notes.displayRef", NOTES)?)
}
