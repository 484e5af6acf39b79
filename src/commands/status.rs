//! `git exp status`

use clap::Args;

use super::next_step::{budget_left, of_experiment};
use super::recorded::files_of;
use super::runs::{topic_of, topics};
use super::surroundings::Surroundings;
use super::{Answer, idea, limits, stopping};
use crate::context::Context;
use crate::domain::entry::{Body, Entry};
use crate::domain::experiment::Stage;
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::run::{Run, Status};
use crate::domain::state::{ExperimentState, IdeaState, State, TopicState};
use crate::error::Error;
use crate::log::index::query::{Query, select};
use crate::log::running;
use crate::render::run::RunView;
use crate::render::status::{BestSoFar, BudgetLeft, Place, StatusView, UnderWay, page};
use crate::render::text::command_line;

/// How many runs are shown.
const LATEST: usize = 3;

/// Say where you are, what runs, what is left of the budget, and what to do next
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp status
  git exp status --json | jq -r .next.command

JSON: one git-exp/status/1 object.")]
pub struct Arguments {}

/// Runs the command.
pub fn run(context: &mut Context, _arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let mut around = Surroundings::read(context, &state)?;
    around.find_best(context, &mut index, &state.experiments)?;
    let best = around.find_best_of_topics(&state.experiments);
    let head = context.repo.head()?;
    let commit = head.commit.map(crate::git::Oid::to_hex);
    let place = match (&head.branch, &commit) {
        _ if context.repo.is_bare() => Place::Bare,
        (Some(name), commit) => Place::Branch { name: name.clone(), has_commit: commit.is_some() },
        (None, commit) => Place::Detached { commit: commit.clone().unwrap_or_default() },
    };
    let experiment = of_branch(&state, head.branch.as_deref(), &context.log.own_writers()?);
    let running = running::list(context.log.folders())?;
    let found = select(&mut index, &Query { limit: Some(LATEST), ..Query::default() })?;
    let latest = context.log.entries(&mut index, &found.rows)?;
    let ids: Vec<EntryId> = latest.iter().map(|entry| entry.id).collect();
    let short = index.short_ids(&ids)?;
    let topics = topics(&state);
    let budget = experiment.map(|it| budget_left(it, limits::spending(it, &running, context.now())));
    let topic_here = match (experiment, &head.branch) {
        (Some(experiment), _) => experiment.topic().map(ToString::to_string),
        (None, Some(branch)) => branch.strip_prefix("research/").map(str::to_owned),
        (None, None) => None,
    };
    let topic_state =
        topic_here.as_deref().and_then(|name| state.topics.get(&name.parse::<TopicName>().ok()?));
    let stops = match topic_state {
        Some(topic) => stopping::stops(context, &mut index, &state, topic)?,
        None => Vec::new(),
    };
    let next = Situation {
        topic: topic_state,
        has_to_stop: stops.iter().any(|(_, stop)| stop.is_met()),
        backlog: Backlog::of(context, &state, topic_here.as_deref()),
        budget: budget.unwrap_or_default(),
        place: &place,
        experiment,
        runs_here: experiment.map_or(0, |it| {
            running.iter().filter(|run| run.is_alive() && run.run.membership.experiment == it.id).count()
        }),
        newest: latest.first().and_then(|entry| Some((entry, run_of(entry)?))),
        newest_here: newest_here(context, &mut index, experiment)?,
        open: open_experiments(&state, &around),
        around: &around,
    }
    .next();
    let open = match experiment {
        Some(_) => Vec::new(),
        None => open_experiments(&state, &around),
    };
    let is_here = |topic: Option<&TopicName>| match (&topic_here, topic) {
        (Some(here), Some(topic)) => topic.as_str() == here,
        (Some(_), None) => false,
        // An experiment without a topic has no best but its own.
        (None, _) => experiment.is_none(),
    };
    let view = StatusView {
        changed_files: changed_files(context),
        budget: budget.unwrap_or_default(),
        experiment: experiment.map(|it| around.view_with_confidence(context, &mut index, &state, it)),
        open: open.into_iter().filter(|it| is_here(it.topic())).map(|it| around.view(it)).collect(),
        best: best
            .into_iter()
            .filter(|it| is_here(Some(it.topic)))
            .map(|it| BestSoFar {
                topic: it.topic.to_string(),
                experiment: it.experiment.name(),
                best: it.best,
                relative: it.relative,
            })
            .collect(),
        under_way: running
            .iter()
            .map(|it| UnderWay {
                id: it.nonce.to_hex(),
                run: &it.run,
                process: it.process,
                is_alive: it.is_alive(),
            })
            .collect(),
        latest: latest
            .iter()
            .zip(short)
            .filter_map(|(entry, short)| {
                let run = run_of(entry)?;
                Some(RunView {
                    topic: topic_of(run, Some(&topics)),
                    writer: Some(entry.writer.as_str()),
                    files: files_of(entry),
                    ..RunView::new(entry.id.to_hex(), short, run)
                })
            })
            .collect(),
        stops,
        next,
        place: place.clone(),
    };
    if context.output.json {
        let now = context.now();
        context.output.object(&view.json(commit.as_deref(), now))?;
        return Ok(Answer::Yes);
    }
    let text = page(&view, &context.canvas());
    context.output.text(&text)?;
    if view.under_way.iter().any(|it| !it.is_alive) {
        context.output.say("the next `git exp run` records what died as crashed, with what it had written");
    }
    Ok(Answer::Yes)
}

fn run_of(entry: &Entry) -> Option<&Run> {
    match &entry.body {
        Body::Run(run) => Some(run),
        _ => None,
    }
}

/// The registered experiment of a branch, this clone's own where several are called alike.
fn of_branch<'a>(state: &'a State, branch: Option<&str>, writers: &[Writer]) -> Option<&'a ExperimentState> {
    let id = super::selection::experiment_of_branch(branch)?;
    state.of_branch(&id, writers)
}

/// How many files differ from what is committed; `None` where there is nothing to look at or no way to tell.
fn changed_files(context: &Context) -> Option<usize> {
    context.repo.work_dir()?;
    let changes = context.repo.worktree_changes().ok()?;
    let mut paths: Vec<&Vec<u8>> = [&changes.modified, &changes.deleted, &changes.untracked, &changes.staged]
        .into_iter()
        .flatten()
        .collect();
    paths.sort();
    paths.dedup();
    Some(paths.len())
}

fn newest_here(
    context: &Context,
    index: &mut crate::log::index::Index,
    experiment: Option<&ExperimentState>,
) -> Result<Option<Run>, Error> {
    let Some(experiment) = experiment else { return Ok(None) };
    let newest = super::runs::newest_run(context, index, Some(experiment), super::runs::Which::Any)?;
    Ok(newest.as_ref().and_then(run_of).cloned())
}

/// Registered experiments that wait for something, the newest first.
fn open_experiments<'a>(state: &'a State, around: &Surroundings) -> Vec<&'a ExperimentState> {
    let is_open = |it: &&ExperimentState| {
        it.stage().is_some_and(|stage| stage != Stage::Decided) && !around.is_archived(it)
    };
    state.experiments.iter().rev().filter(is_open).collect()
}

/// How many ideas are open.
struct Backlog {
    /// In the topic here, or in all where there is none.
    open: usize,
    /// How many there are to be at least.
    min: usize,
}

impl Backlog {
    fn of(context: &Context, state: &State, topic: Option<&str>) -> Self {
        let topic = topic.and_then(|name| name.parse::<TopicName>().ok());
        let is_here = |it: &&IdeaState| topic.is_none() || it.idea.topic == topic;
        // What is wrong with a configuration is told by the commands that need it.
        let settings = context.settings_for(topic.as_ref(), &context.repo.clone());
        let min = settings.ok().and_then(|settings| settings.ideas.min).unwrap_or_default();
        Self {
            open: state.ideas.iter().filter(|it| it.is_open()).filter(is_here).count(),
            min: usize::try_from(min).unwrap_or(usize::MAX),
        }
    }

    /// Why to think before anything runs, where there are too few.
    fn shortage(&self) -> Option<String> {
        let left = match self.open {
            0 => "no open idea is left".to_owned(),
            1 => "only 1 open idea is left".to_owned(),
            open => format!("only {open} open ideas are left"),
        };
        (self.open < self.min).then(|| format!("{left} of at least {}: think before you run", self.min))
    }
}

/// What the next step depends on.
struct Situation<'a> {
    place: &'a Place,
    /// The topic here.
    topic: Option<&'a TopicState>,
    /// Whether one of its stop criteria is met.
    has_to_stop: bool,
    backlog: Backlog,
    /// The experiment of the branch.
    experiment: Option<&'a ExperimentState>,
    /// What is left of its budget.
    budget: BudgetLeft,
    /// How many of its runs are under way.
    runs_here: usize,
    /// The newest run of all.
    newest: Option<(&'a Entry, &'a Run)>,
    /// The newest run of the branch's experiment.
    newest_here: Option<Run>,
    /// Registered experiments that wait for something, the newest first.
    open: Vec<&'a ExperimentState>,
    around: &'a Surroundings,
}

impl Situation<'_> {
    /// What to do next: why, and the exact command.
    fn next(&self) -> Option<(String, String)> {
        let step = |why: &str, command: String| Some((why.to_owned(), command));
        if *self.place == Place::Bare {
            return self.newest.and_then(|_| step("see what ran", "git exp runs".to_owned()));
        }
        let has_work = |it: &&ExperimentState| it.stage() != Some(Stage::Decided);
        if let Some(experiment) = self.experiment.filter(has_work) {
            return self.of_experiment(experiment);
        }
        if let Some(topic) = self.topic.filter(|_| self.has_to_stop && self.experiment.is_none()) {
            let name = &topic.topic.name;
            let is_open = |it: &&ExperimentState| it.topic() == Some(name);
            if topic.topic.closing.is_none() && !self.open.iter().any(is_open) {
                let why = "a stop criterion is met; say what it came to, or amend the criterion";
                return step(why, format!("git exp topic close {name}"));
            }
        }
        if let Some(why) = self.backlog.shortage() {
            return step(&why, idea::add_command(None));
        }
        if let Some(experiment) = self.experiment {
            return self.of_experiment(experiment);
        }
        if let Place::Branch { name, .. } = self.place
            && let Some(topic) = name.strip_prefix("research/")
        {
            let is_its = |it: &&&ExperimentState| it.topic().is_some_and(|name| name.as_str() == topic);
            if self.backlog.open > 0 && !self.open.iter().any(|it| is_its(&it)) {
                return step("nothing is open; pick the next idea", "git exp idea next".to_owned());
            }
            let command =
                format!("git exp new <short-name> --topic {topic} --hypothesis \"…\" --change \"…\"");
            return step("register an experiment of this topic", command);
        }
        if let Some(experiment) = self.open.first() {
            let name = experiment.name();
            return match self.around.worktree(experiment) {
                Some(path) => {
                    let path = command_line(&[path.display()]);
                    step(&format!("go on with {name}"), format!("cd {path} && git exp status"))
                }
                None => step(&format!("see where {name} stands"), format!("git exp show {name}")),
            };
        }
        match self.newest {
            None => step("run and record something", "git exp run -- <command>".to_owned()),
            Some((entry, run)) if run.status != Status::Ok => step(
                "see why the newest run did not end well",
                format!("git exp show {} --stderr", entry.id.short()),
            ),
            Some((entry, _)) => step(
                "make a promise of what you found, so that it can be accepted",
                format!("git exp new <short-name> --from {} --hypothesis \"…\"", entry.id.short()),
            ),
        }
    }

    fn of_experiment(&self, experiment: &ExperimentState) -> Option<(String, String)> {
        of_experiment(experiment, self.budget, self.runs_here, self.newest_here.as_ref())
    }
}
