//! `git exp check`

use clap::Args;

use super::checks::{self, Subject, Wanted};
use super::datasets::Findings;
use super::file_rules::{self, Branch, Scope};
use super::{Answer, datasets, deciding};
use crate::config;
use crate::context::{CONFIGURATION, Context};
use crate::domain::breach::Breach;
use crate::domain::check;
use crate::domain::check::likeness::CONTENTION;
use crate::domain::id::TopicName;
use crate::domain::state::{ExperimentState, State};
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::Index;
use crate::render::check::{CheckJson, CheckView, RulesJson, rules, text};

/// Check that the rules are kept, and name every breach with what to do about it
///
/// The rules about files are those of `exp.toml` on the topic's branch, else the main branch, so that an experiment cannot loosen its
/// own. Without options the worktree and the machine are looked at, and of an experiment all that was committed since it began, its
/// brief, and its runs beside those of its baseline.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp check                           this branch and its worktree
  git exp check A-002                     an experiment's branch, and its worktree where it has one
  git exp check --range origin/main..HEAD what would be merged
  git exp check --datasets                read the datasets, too: versions, hashes, overlap of their parts
  git exp check --staged                  what would be committed; `git exp init --hooks` has each commit ask
  git exp check A-002 --done              whether it is done: results, decision, next steps, no silent regression
  git exp check A-002 --posting           whether its numbers can be posted
  git exp check moe --closing             whether the topic can be closed
  git exp check --metric val_loss         whether a metric can carry an experiment
  git exp check --list                    every rule

Exit status: 0 every rule is kept; 1 some are not; 4 cannot tell.

JSON: one git-exp/check/1 object.")]
pub struct Arguments {
    /// The experiment, or the topic; that of the current branch when left out
    #[arg(value_name = "ID")]
    subject: Option<String>,

    /// Look at these commits alone
    #[arg(long, value_name = "A..B", conflicts_with = "staged")]
    range: Option<String>,

    /// Look at the index alone, and say nothing where all is well
    #[arg(long, conflicts_with = "subject")]
    staged: bool,

    /// Hold the experiment to the definition of done, too; a decided one is held to it anyway
    #[arg(long, conflicts_with_all = ["staged", "range"])]
    done: bool,

    /// Look at what is to be in order before results are posted, too
    #[arg(long, conflicts_with_all = ["staged", "range"])]
    posting: bool,

    /// Look at what is to be in order before the topic is closed, too
    #[arg(long, conflicts_with_all = ["staged", "range"])]
    closing: bool,

    /// Look at whether this metric can carry an experiment, too: it has a direction, and the baseline varies little
    #[arg(long, value_name = "NAME", conflicts_with_all = ["staged", "range"])]
    metric: Option<String>,

    /// List every rule, and what breaks it
    #[arg(long, conflicts_with_all = ["subject", "staged", "range", "done", "posting", "closing", "metric"])]
    list: bool,

    /// Read the files of the datasets, even where that takes a while
    #[arg(long, conflicts_with_all = ["range", "staged"])]
    datasets: bool,
}

/// A group of rules: every one that is not kept.
type Group = fn(&Context, &Subject<'_>) -> Result<Vec<Breach>, Error>;

/// The groups that look at what is about to be committed: fast enough for a hook.
const OF_A_COMMIT: [Group; 1] = [files];

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.list {
        return list(context);
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let branch = match &arguments.subject {
        Some(word) => match topic(&state, word) {
            Some(topic) => Branch::of_topic(context, topic)?,
            None => Branch::of(context, deciding::registered(context, &state, Some(word))?.0)?,
        },
        None => Branch::current(context, &state)?,
    };
    let is_whole = !arguments.staged && arguments.range.is_none();
    let scopes = match &arguments.range {
        Some(range) => vec![commits(context, &branch, range)?],
        None if arguments.staged => vec![Scope::Staged],
        None => {
            let worktree = branch.is_checked_out.then_some(Scope::Worktree);
            branch.range(context)?.into_iter().chain(worktree).collect()
        }
    };
    let subject = Subject { state: &state, branch, scopes };
    let mut view = CheckView {
        experiment: subject.branch.experiment.map(crate::domain::state::ExperimentState::name),
        ..CheckView::default()
    };
    let staged = if arguments.staged { staged_configuration(context)? } else { None };
    for group in OF_A_COMMIT {
        match (group(context, &subject), &staged) {
            (Ok(breaches), _) => view.breaches.extend(breaches),
            // What mends a configuration that cannot be read must not be kept out by it.
            (Err(error), Some(Ok(()))) => {
                view.notes.push(format!("the rules about files were not looked at: {}", error.message));
            }
            (Err(error), _) => return Err(error),
        }
    }
    if let Some(Err(why)) = staged {
        let what = format!("`{CONFIGURATION}` cannot be read as it is staged: {why}");
        view.breaches.push(Breach::new(
            check::CONFIGURATION,
            what,
            format!("mend it, then: git add {CONFIGURATION}"),
        ));
    }
    if is_whole {
        let Arguments { done, posting, closing, metric, .. } = arguments;
        let found = checks::look(context, &mut index, &subject, &Wanted { done, posting, closing, metric })?;
        view.breaches.extend(found.breaches);
        view.notes.extend(found.notes);
        view.notes.extend(file_rules::note(context, &subject.branch)?);
        let found = of_datasets(context, &subject.branch, arguments.datasets)?;
        view.breaches.extend(found.breaches);
        view.notes.extend(found.notes);
    }
    if context.output.json {
        context.output.object(&CheckJson::from(&view))?;
    } else {
        if !(arguments.staged && view.breaches.is_empty()) {
            context.output.text(&text(&view, &context.canvas()))?;
        }
        for note in &view.notes {
            context.output.say(note);
        }
    }
    Ok(if view.breaches.is_empty() { Answer::Yes } else { Answer::No })
}

/// Whether the configuration that is about to be committed can be read; `None` where none is.
fn staged_configuration(context: &Context) -> Result<Option<Result<(), String>>, Error> {
    let tree = match context.repo.head()?.commit {
        Some(head) => context.repo.read_commit(head)?.tree,
        None => context.repo.empty_tree(),
    };
    let changes = context.repo.index_changes(tree)?;
    let staged = changes.into_iter().find(|(path, _, _)| path == CONFIGURATION.as_bytes());
    let Some((_, _, Some((_, blob)))) = staged else { return Ok(None) };
    let text = String::from_utf8_lossy(&context.repo.read_blob(blob)?).into_owned();
    Ok(Some(match config::parse(&text, CONFIGURATION) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.problem.to_string()),
    }))
}

/// Every rule that stands in the way of calling an experiment done; how busy the machine is now has no say.
pub fn unfinished(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    experiment: &ExperimentState,
) -> Result<Vec<Breach>, Error> {
    let branch = Branch::of(context, experiment)?;
    let worktree = branch.is_checked_out.then_some(Scope::Worktree);
    let scopes = branch.range(context)?.into_iter().chain(worktree).collect();
    let subject = Subject { state, branch, scopes };
    let mut breaches = files(context, &subject)?;
    let wanted = Wanted { done: true, ..Wanted::default() };
    breaches.extend(checks::look(context, index, &subject, &wanted)?.breaches);
    breaches.extend(of_datasets(context, &subject.branch, false)?.breaches);
    breaches.retain(|breach| breach.rule != CONTENTION);
    Ok(breaches)
}

/// Lists every rule.
fn list(context: &mut Context) -> Result<Answer, Error> {
    if context.output.json {
        context.output.object(&RulesJson::new())?;
    } else {
        let text = rules(&context.canvas());
        context.output.text(&text)?;
    }
    Ok(Answer::Yes)
}

/// The topic that `word` names, where no experiment is called so.
fn topic(state: &State, word: &str) -> Option<TopicName> {
    let name: TopicName = word.strip_prefix("research/").unwrap_or(word).parse().ok()?;
    (state.topics.contains_key(&name) && state.find(word).is_empty()).then_some(name)
}

fn files(context: &Context, subject: &Subject<'_>) -> Result<Vec<Breach>, Error> {
    file_rules::breaches(context, subject.state, &subject.branch, &subject.scopes)
}

/// What is wrong with the datasets of a worktree; where nobody asked for it, as far as it is known without reading them.
fn of_datasets(context: &Context, branch: &Branch<'_>, is_asked: bool) -> Result<Findings, Error> {
    let Some(top) = branch.repo.work_dir().filter(|_| branch.is_checked_out) else {
        return Ok(Findings::default());
    };
    let settings = match context.settings_for(branch.topic.as_ref(), &branch.repo) {
        Ok(settings) => settings,
        Err(error) if is_asked => return Err(error),
        Err(error) => {
            let notes = vec![format!("the datasets were not looked at: {}", error.message)];
            return Ok(Findings { notes, ..Findings::default() });
        }
    };
    if is_asked {
        return datasets::look(context, &settings, top);
    }
    Ok(datasets::recalled(context, &settings, top)?.unwrap_or_else(|| Findings {
        notes: vec![
            "the datasets were not looked at, for they are new or changed: git exp check --datasets"
                .to_owned(),
        ],
        ..Findings::default()
    }))
}

/// The commits that `A..B` names, from where the two met; `A` alone is `A..HEAD`.
fn commits(context: &Context, branch: &Branch<'_>, range: &str) -> Result<Scope, Error> {
    let (from, to) = range.split_once("..").unwrap_or((range, ""));
    let to = to.strip_prefix('.').unwrap_or(to);
    let commit = |word: &str| -> Result<Oid, Error> {
        let found = match word {
            "" => branch.tip,
            word => branch.repo.rev_parse(word)?,
        };
        found.ok_or_else(|| {
            Error::request(format!("there is no revision `{word}`"))
                .hint(format!("write the range as `{}..HEAD`", context.main_branch_name()))
        })
    };
    let (from, to) = (commit(from)?, commit(to)?);
    match branch.repo.merge_base(from, to)? {
        Some(base) => Ok(Scope::Range(base, to)),
        None => Err(Error {
            fault: crate::error::Fault::Unknown,
            ..Error::request(format!("cannot tell what `{range}` holds"))
                .because("the two have no commit in common here")
                .hint("git fetch --unshallow")
        }),
    }
}
