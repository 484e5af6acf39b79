//! `git exp status`

use clap::Args;

use super::runs::{files_of, topic_of, topics};
use super::surroundings::{Surroundings, brief_of, unreadable_index};
use super::{Answer, idea, limits};
use crate::context::Context;
use crate::domain::brief::Brief;
use crate::domain::decision::Decision;
use crate::domain::entry::{Body, Entry};
use crate::domain::experiment::Stage;
use crate::domain::id::{EntryId, TopicName};
use crate::domain::metric::{Kind, built_in};
use crate::domain::run::{Run, Status};
use crate::domain::spending::Spending;
use crate::domain::state::{ExperimentState, IdeaState, State};
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
    let experiment = of_branch(&state, head.branch.as_deref());
    let running = running::list(context.log.folders())?;
    let found =
        select(&mut index, &Query { limit: Some(LATEST), ..Query::default() }).map_err(unreadable_index)?;
    let latest = context.log.entries(&mut index, &found.rows)?;
    let ids: Vec<EntryId> = latest.iter().map(|entry| entry.id).collect();
    let short = index.short_ids(&ids).map_err(unreadable_index)?;
    let topics = topics(&state);
    let budget = experiment.map(|it| budget_left(it, limits::spending(it, &running, context.now())));
    let topic_here = match (experiment, &head.branch) {
        (Some(experiment), _) => experiment.topic().map(ToString::to_string),
        (None, Some(branch)) => branch.strip_prefix("research/").map(str::to_owned),
        (None, None) => None,
    };
    let next = Situation {
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

/// The registered experiment of a branch, the newest where several are called alike.
fn of_branch<'a>(state: &'a State, branch: Option<&str>) -> Option<&'a ExperimentState> {
    let id = super::selection::experiment_of_branch(branch)?;
    state.experiments.iter().rfind(|it| it.registered.is_some() && it.id == id)
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
        it.stage().is_some_and(|stage| stage != Stage::Decided) && !around.is_archived(&it.id)
    };
    state.experiments.iter().rev().filter(is_open).collect()
}

/// What is left of an experiment's budget.
fn budget_left(experiment: &ExperimentState, spending: Spending) -> BudgetLeft {
    let Some(brief) = brief_of(experiment) else { return BudgetLeft::default() };
    BudgetLeft {
        wall_seconds: brief.budget.wall_seconds.map(|all| (all - spending.wall_seconds, all)),
        accelerator_seconds: brief
            .budget
            .accelerator_seconds
            .map(|all| (all - spending.accelerator_seconds, all)),
        runs: brief.budget.runs.map(|all| {
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            (signed(all) - signed(spending.runs), all)
        }),
    }
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
            return match self.around.worktree(&experiment.id) {
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
        let name = experiment.name();
        let brief = brief_of(experiment)?;
        let missing = brief.missing();
        if !missing.is_empty() {
            let options: Vec<&str> = missing.iter().map(|(_, option)| *option).collect();
            let why = "complete the brief, without which nothing runs".to_owned();
            return Some((why, format!("git exp brief {name} {}", options.join(" "))));
        }
        let is_spent = self.budget.is_spent();
        let stage = experiment.stage()?;
        match stage {
            Stage::Decided => {
                Some(("put it away; its code and numbers stay".to_owned(), format!("git exp archive {name}")))
            }
            Stage::Proposed | Stage::Designed | Stage::Running if !is_spent => {
                let under_way = self.runs_here as u64;
                let done = experiment.runs.trials() + under_way;
                let planned = u64::from(brief.planned_trials());
                let left = planned.saturating_sub(done);
                if left == 0 {
                    return Some((
                        "the last planned runs are under way".to_owned(),
                        "git exp status".to_owned(),
                    ));
                }
                let why = format!("run what is left of {planned} planned trials");
                let against = in_pairs_with(brief, self.newest_here.as_ref());
                Some((why, run_what_is_left(left, against, self.newest_here.as_ref())))
            }
            _ if !is_spent && experiment.decision() == Some(Decision::Iterate) => Some((
                "change what was to be changed and run again, or decide anew".to_owned(),
                format!("git exp run -n {} -- <command>", brief.planned_trials()),
            )),
            _ if experiment.runs.total() == 0 => {
                let why = "the budget is spent before anything ran".to_owned();
                Some((why, format!("git exp brief {name} --budget \"…\"")))
            }
            _ => {
                let spent = if is_spent { "the budget is spent; " } else { "" };
                let decide = format!("git exp decide {name} accept|reject|iterate --because \"…\"");
                let why = format!("{spent}see what the numbers say, then {decide}");
                Some((why, format!("git exp compare {name}")))
            }
        }
    }
}

/// The baseline that runs should go in pairs with: where the brief is about what varies with the machine, or they did so far.
fn in_pairs_with<'a>(brief: &'a Brief, newest: Option<&Run>) -> Option<&'a str> {
    // Labels and filters name runs, and no code that could run again.
    let baseline = brief.baseline.as_deref().filter(|word| !word.contains(':'))?;
    let primary = brief.accept.first()?.metric.as_str();
    let reported = newest.and_then(|run| run.metrics.get(primary)?.kind);
    let kind = reported.or_else(|| built_in(primary)?.kind);
    let are_pairs = newest.is_some_and(|run| run.pair.is_some());
    (are_pairs || (newest.is_none() && kind == Some(Kind::Measured))).then_some(baseline)
}

/// The command that runs `left` more trials of what ran last, each with a seed that was not used before.
fn run_what_is_left(left: u64, against: Option<&str>, newest: Option<&Run>) -> String {
    let against = against.map(|word| format!("--against {} ", command_line(&[word]))).unwrap_or_default();
    let command = newest.map_or_else(|| "<command>".to_owned(), |run| command_line(&run.argv));
    let trials = match newest.and_then(|run| run.seed) {
        Some(seed) if left <= 16 => {
            let seeds: Vec<String> = (1..=left).map(|more| seed.saturating_add(more).to_string()).collect();
            format!("--seed {}", seeds.join(","))
        }
        _ => format!("-n {left}"),
    };
    format!("git exp run {against}{trials} -- {command}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::difference::tests::a_run;
    use crate::domain::run::{Pair, PairSide};

    #[test]
    fn what_is_left_goes_on_with_seeds_that_were_not_used() {
        let mut run = a_run();
        let command = "-- python train.py --name 'a b'";
        assert_eq!(run_what_is_left(2, None, Some(&run)), format!("git exp run --seed 8,9 {command}"));
        run.seed = None;
        assert_eq!(run_what_is_left(2, None, Some(&run)), format!("git exp run -n 2 {command}"));
        assert_eq!(run_what_is_left(5, None, None), "git exp run -n 5 -- <command>");
        assert_eq!(
            run_what_is_left(2, Some("main"), Some(&run)),
            format!("git exp run --against main -n 2 {command}")
        );
    }

    #[test]
    fn what_varies_with_the_machine_is_to_run_in_pairs() {
        let brief = |criterion: &str, baseline: &str| Brief {
            baseline: Some(baseline.to_owned()),
            accept: vec![criterion.parse().expect("a criterion")],
            ..Brief::default()
        };
        assert_eq!(in_pairs_with(&brief("wall_time <= -8%", "main"), None), Some("main"));
        assert_eq!(in_pairs_with(&brief("wall_time <= -8%", "label:old"), None), None);
        assert_eq!(in_pairs_with(&brief("loss <= -8%", "main"), None), None);
        let pair = Pair { number: 1, side: PairSide::Candidate, first: true };
        let run = Run { pair: Some(pair), ..a_run() };
        assert_eq!(in_pairs_with(&brief("loss <= -8%", "main"), Some(&run)), Some("main"));
    }
}
