//! `git exp handoff`

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::documents::{explained, templates};
use super::next_step::{budget_left, of_experiment};
use super::research::Research;
use super::runs::{Which, newest_run};
use super::standing::{MeasuredFields, Standings, contenders, shown, standing, standings};
use super::surroundings::Surroundings;
use super::{Answer, deciding, idea, limits, selection, stopping};
use crate::context::Context;
use crate::domain::chronicle::{Event, What};
use crate::domain::decision::{Decision, Opinion};
use crate::domain::entry::Body;
use crate::domain::experiment::Stage;
use crate::domain::idea_ranking::{past_for, ranked};
use crate::domain::number::counted;
use crate::domain::path_pattern::PathPattern;
use crate::domain::run::Status;
use crate::domain::state::{ExperimentState, IdeaState, ReproductionOf, TopicState};
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::Index;
use crate::log::running;
use crate::render::comparison::ComparisonFields;
use crate::render::handoff::{
    BestFields, ChangedFile, DecisionLine, FailedFields, HandoffFields, IdeaLine, Limits, MOST_TOKENS,
    NextFields, ReportFields, StopFields, tokens,
};
use crate::render::logbook::{EvidenceFields, ExperimentFields, TopicFields, moment};
use crate::render::text::command_line;
use crate::render::time;

/// Say what whoever goes on needs to know: the question, the state, the best, what failed, what to do next
///
/// Without options it is short enough to be read at once, by a person or by an agent: at most 2,000 tokens. A note that begins
/// with `trap:` is listed among the traps, one that begins with `out of scope:` among the findings of an experiment's report.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp handoff moe
  git exp handoff moe --full
  git exp handoff --experiment MOE-HC-004      summary, files changed, verification, risks, findings

JSON: one git-exp/handoff/1 object with the fields that the template gets.")]
pub struct Arguments {
    /// The topic; that of the current branch when left out
    topic: Option<String>,

    /// The closing report of one experiment instead
    #[arg(short, long, value_name = "ID", conflicts_with = "topic")]
    experiment: Option<String>,

    /// All there is, however long
    #[arg(long)]
    full: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let (state, entries) = context.log.state_and_entries(&mut index)?;
    let (name, fields, topic_name) = match &arguments.experiment {
        Some(word) => {
            let (experiment, _) = deciding::registered(context, &state, Some(word))?;
            let (name, topic) = (experiment.name(), experiment.topic().cloned());
            let research = Research::read(context, &mut index, state, entries, topic.as_ref(), Some(&name))?;
            let experiment = research.experiments().next().expect("it was found above");
            let found = standing(context, &mut index, &research, experiment);
            let report = report(context, &research, experiment, found.as_ref().ok())?;
            let fields = json!({
                "experiment": research.fields(experiment),
                "comparison": shown(&found)?,
                "measured": MeasuredFields::of(&research, experiment, found.as_ref().ok()),
                "report": report,
            });
            ("closing-report.md", fields, topic)
        }
        None => {
            let found = match arguments.topic.as_deref() {
                Some(word) => Some(selection::topic(&state, word)?),
                None => selection::topic_here(context, &state)?,
            };
            let Some(name) = found.map(|it| it.topic.name.clone()) else {
                return Err(Error::request("which topic?").hint("`git exp topic list` lists them"));
            };
            let research = Research::read(context, &mut index, state, entries, Some(&name), None)?;
            let topic = &research.state.topics[&name];
            let found = standings(context, &mut index, &research);
            let fields = handoff(context, &mut index, &research, topic, &found, Place::Here)?;
            let fields = serde_json::to_value(fields).map_err(std::io::Error::from)?;
            ("handoff.md", fields, Some(name))
        }
    };
    let templates = templates(context, topic_name.as_ref())?;
    let shown = |limits: Limits| -> Result<(Value, String), Error> {
        let mut fields = fields.clone();
        limits.cut(&mut fields);
        let text = templates.render(name, &fields).map_err(|error| explained(&error))?;
        Ok((fields, text))
    };
    let (mut fields, mut text) = shown(if arguments.full { Limits::FULL } else { Limits::STEPS[0] })?;
    if !arguments.full {
        for limits in Limits::STEPS {
            (fields, text) = shown(limits)?;
            if tokens(&text) <= MOST_TOKENS {
                break;
            }
        }
    }
    if context.output.json {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("schema".to_owned(), "git-exp/handoff/1".into());
        }
        context.output.object(&fields)?;
    } else {
        context.output.text(&text)?;
    }
    Ok(Answer::Yes)
}

/// For whom something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Whoever is in this clone.
    Here,
    /// Anybody, so that every clone says the same.
    Anywhere,
}

/// What whoever goes on with a topic needs to know.
pub fn handoff(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    standings: &Standings,
    place: Place,
) -> Result<HandoffFields, Error> {
    let state = &research.state;
    let stops = stopping::stops(context, index, state, topic)?;
    let own: Vec<&ExperimentState> = research.experiments().collect();
    let mut around = Surroundings::read(context, state)?;
    around.find_best(context, index, own.iter().copied())?;
    let best = around.find_best_of_topics(contenders(&own, standings)).into_iter().next();
    let best = best.map(|best| {
        let fields = research.fields(best.experiment);
        let standing = standings.get(&best.experiment.name()).and_then(|it| it.as_ref().ok());
        let brief = best.experiment.brief();
        BestFields {
            name: best.experiment.name(),
            change: brief.and_then(|brief| brief.change.clone().or_else(|| brief.hypothesis.clone())),
            result: standing.and_then(ComparisonFields::result).or(fields.own()).map(str::to_owned),
            baseline: standing.map(|it| it.baseline().to_owned()),
            evaluation_changed: research
                .trials_of(best.experiment)
                .iter()
                .any(|trial| trial.run.evaluation_changed),
            decision: best.experiment.decision().map(Decision::word),
            evidence: standing.map(EvidenceFields::from),
            command: fields.command().map(str::to_owned),
            commit: fields.commit().map(str::to_owned),
        }
    });
    let ideas: Vec<&IdeaState> = state
        .ideas
        .iter()
        .filter(|it| it.is_open() && it.idea.topic.as_ref() == Some(&topic.topic.name))
        .collect();
    let past = past_for(state, &ideas);
    let ideas: Vec<IdeaLine> = ranked(ideas, &past)
        .into_iter()
        .map(|it| IdeaLine {
            name: it.idea.name(),
            title: it.idea.idea.title.clone(),
            hypothesis: it.idea.idea.hypothesis.clone(),
            effect: it.idea.idea.effect.as_ref().map(ToString::to_string),
        })
        .collect();
    let next = next(context, index, topic, (&own, ideas.first()), place)?;
    Ok(HandoffFields {
        topic: TopicFields::new(&topic.topic, topic.opened),
        state: in_words(research, topic, &own),
        stops: stops
            .into_iter()
            .map(|(when, stop)| StopFields { when, answer: stop.word(), why: stop.why().to_owned() })
            .collect(),
        best,
        failed: failed(research, topic).into(),
        decisions: decided(topic, &own).into(),
        ideas: ideas.into(),
        next: next.into(),
        traps: traps(research, topic, &own).into(),
    })
}

/// Where a topic stands, in a sentence.
fn in_words(research: &Research, topic: &TopicState, experiments: &[&ExperimentState]) -> String {
    let count = |is_it: &dyn Fn(&ExperimentState) -> bool| experiments.iter().filter(|it| is_it(it)).count();
    let runs: u64 = experiments.iter().map(|it| it.runs.trials()).sum();
    let wall: f64 = experiments.iter().map(|it| it.runs.wall_seconds).sum();
    let ended = if topic.topic.closing.is_some() { "closed" } else { "open" };
    let events = research.events(topic, &BTreeSet::new());
    let is_closing = |event: &&Event<'_>| {
        let was_open = event.before.is_none_or(|before| before.closing.is_none());
        was_open
            && matches!(event.what, What::Entry(entry) if matches!(&entry.body, Body::Topic(it) if it.closing.is_some()))
    };
    let closed = events.iter().rfind(is_closing).filter(|_| topic.topic.closing.is_some());
    format!(
        "{ended} since {}: {} ({} accepted, {} rejected, {} to be decided), {} in {}",
        moment(closed.map_or(topic.opened, |event| event.time)),
        counted(experiments.len(), "experiment"),
        count(&|it| it.decision() == Some(Decision::Accepted)),
        count(&|it| it.decision() == Some(Decision::Rejected)),
        count(&|it| it.stage() != Some(Stage::Decided)),
        counted(runs, "run"),
        time::elapsed(wall),
    )
}

/// What came to nothing, the newest first: experiments, then ideas that were dropped.
fn failed(research: &Research, topic: &TopicState) -> Vec<FailedFields> {
    let mut experiments: Vec<&ExperimentState> = research.negative().collect();
    experiments
        .sort_by_key(|it| std::cmp::Reverse((it.ruling().map(|it| it.time).or(it.runs.latest), it.id.key())));
    let what = |it: &ExperimentState| {
        let brief = it.brief();
        brief.and_then(|brief| brief.change.clone().or_else(|| brief.hypothesis.clone())).unwrap_or_default()
    };
    let why = |it: &ExperimentState| match it.ruling() {
        Some(ruling) => {
            let evidence = ruling.ruling.evidence.as_ref();
            let numbers = evidence.map(|it| format!(" ({})", it.summary)).unwrap_or_default();
            format!("{}{numbers}", ruling.ruling.because)
        }
        None => {
            let trials = research.trials_of(it);
            let last = trials.iter().max_by_key(|trial| trial.run.started);
            let reason = last.and_then(|trial| trial.run.reason.clone());
            format!("every run failed{}", reason.map(|reason| format!(": {reason}")).unwrap_or_default())
        }
    };
    let ideas =
        research.state.ideas.iter().rev().filter(|it| it.idea.topic.as_ref() == Some(&topic.topic.name));
    let ideas = ideas.filter_map(|it| {
        Some(FailedFields {
            name: format!("idea {}", it.name()),
            change: it.idea.title.clone(),
            why: format!("dropped: {}", it.idea.dropped.as_ref()?),
        })
    });
    experiments
        .into_iter()
        .map(|it| FailedFields { name: it.name(), change: what(it), why: why(it) })
        .chain(ideas)
        .collect()
}

/// What was decided and is in force, the newest first.
fn decided(topic: &TopicState, experiments: &[&ExperimentState]) -> Vec<DecisionLine> {
    let mut lines: Vec<(Timestamp, DecisionLine)> = Vec::new();
    for experiment in experiments {
        if let Some(it) = experiment.ruling() {
            let against = it.ruling.against().map(|_| ", against the numbers").unwrap_or_default();
            let line = DecisionLine {
                time: moment(it.time),
                what: format!("{} {}{against}", experiment.name(), it.ruling.decision),
                because: it.ruling.because.clone(),
            };
            lines.push((it.time, line));
        }
    }
    for (_, time, _, it) in &topic.moves {
        let line = DecisionLine {
            time: moment(*time),
            what: format!("baseline {} is {}", it.name, it.to),
            because: it.because.clone(),
        };
        lines.push((*time, line));
    }
    lines.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.what.cmp(&b.1.what)));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What to do next, exactly: with each open experiment, then with the ideas, then with the topic itself.
fn next(
    context: &Context,
    index: &mut Index,
    topic: &TopicState,
    (experiments, idea): (&[&ExperimentState], Option<&IdeaLine>),
    place: Place,
) -> Result<Vec<NextFields>, Error> {
    let name = &topic.topic.name;
    let mut steps = Vec::new();
    if topic.topic.closing.is_some() {
        steps.push(NextFields {
            why: "it is closed; to go on".to_owned(),
            command: format!("git exp topic reopen {name}"),
        });
        return Ok(steps);
    }
    let under_way = match place {
        Place::Here => running::list(context.log.folders())?,
        Place::Anywhere => Vec::new(),
    };
    for experiment in experiments.iter().rev().filter(|it| it.stage() != Some(Stage::Decided)) {
        let runs = under_way
            .iter()
            .filter(|it| it.is_alive() && it.run.membership.experiment == experiment.id)
            .count();
        let newest = newest_run(context, index, Some(experiment), Which::Any)?;
        let newest = newest.as_ref().and_then(|entry| match &entry.body {
            Body::Run(run) => Some(run.as_ref()),
            _ => None,
        });
        let budget = budget_left(experiment, limits::spending(experiment, &under_way, context.now()));
        if let Some((why, command)) = of_experiment(experiment, budget, runs, newest) {
            let name = experiment.name();
            let command = match command.strip_prefix("git exp run ") {
                Some(rest) => format!("git exp run -e {name} {rest}"),
                None => command,
            };
            steps.push(NextFields { why: format!("{name}: {why}"), command });
        }
    }
    steps.push(match idea {
        Some(idea) => NextFields {
            why: format!("try the idea {}", idea.name),
            command: format!("git exp new <short-name> --topic {name} --idea {}", idea.name),
        },
        None => NextFields { why: "add an idea".to_owned(), command: idea::add_command(Some(name)) },
    });
    if !experiments.is_empty() && experiments.iter().all(|it| it.stage() == Some(Stage::Decided)) {
        steps.push(NextFields {
            why: "everything is decided; to close it".to_owned(),
            command: format!("git exp topic close {name}"),
        });
    }
    Ok(steps)
}

/// What to beware of: what people noted as a trap, what the records contradict, what ran under other conditions.
fn traps(research: &Research, topic: &TopicState, experiments: &[&ExperimentState]) -> Vec<String> {
    let mut traps = Vec::new();
    for event in research.events(topic, &BTreeSet::new()) {
        if let Event { what: What::Entry(entry), .. } = event
            && let Body::Note(note) = &entry.body
            && let Some(text) = flagged(&note.text, "trap:")
        {
            let about = note.experiment.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
            traps.push(format!("{about}{text}"));
        }
    }
    for (entry, ..) in topic.moves.iter().filter(|(_, _, _, it)| it.lacks_repeated_evidence()) {
        traps.push(format!("a baseline moved without repeated evidence ({})", entry.short()));
    }
    for conflict in &topic.conflicts {
        traps.push(format!("{} says something else about the topic", conflict.short()));
    }
    let mut twice: Vec<String> =
        experiments.iter().filter(|it| it.shares_alias).map(|it| it.id.to_string()).collect();
    twice.dedup();
    if !twice.is_empty() {
        traps.push(format!(
            "more than one experiment is called {}: say which with `@writer`",
            twice.join(", ")
        ));
    }
    for experiment in experiments {
        let name = experiment.name();
        if let Some(what) = experiment.ruling().and_then(|it| it.ruling.against()) {
            traps.push(format!("{name} was decided against the numbers ({what})"));
        }
        if !experiment.conflicting_rulings.is_empty() {
            traps.push(format!("{name} has decisions that contradict each other"));
        }
        let trials = research.trials_of(experiment);
        let count = |is_it: &dyn Fn(&crate::domain::run::Run) -> bool| {
            trials.iter().filter(|trial| is_it(trial.run)).count()
        };
        let counts = [
            (count(&|run| run.evaluation_changed), "ran under other evaluation code"),
            (count(&|run| !run.code.is_exact()), "ran code that is not exactly recorded"),
            (count(&|run| !run.load.accelerator_processes.is_empty()), "shared the accelerator with others"),
            (count(&|run| run.status == Status::Crashed), "crashed with the machine or its recorder"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            let runs = if count == 1 { "run" } else { "runs" };
            traps.push(format!("{count} {runs} of {name} {what}"));
        }
    }
    for it in &research.state.overrides {
        let is_its = it.it.topic.as_ref() == Some(&topic.topic.name)
            || experiments
                .iter()
                .any(|own| own.registered.as_ref().is_some_and(|own| it.it.registration == Some(own.entry)));
        if is_its {
            let paths = it.it.paths.join(" ");
            traps.push(format!("the rule {} was set aside for {paths}: {}", it.it.rule, it.it.because));
        }
    }
    traps
}

/// What stands behind a flag at the beginning of a note, as `trap:`.
pub fn flagged<'a>(text: &'a str, flag: &str) -> Option<&'a str> {
    let start = text.get(..flag.len())?;
    start.eq_ignore_ascii_case(flag).then(|| text[flag.len()..].trim())
}

/// What an experiment hands over.
fn report(
    context: &mut Context,
    research: &Research,
    experiment: &ExperimentState,
    comparison: Option<&ComparisonFields>,
) -> Result<ReportFields, Error> {
    let fields = research.fields(experiment);
    let brief = experiment.brief().cloned().unwrap_or_default();
    let files = changed_files(context, experiment, &brief.paths)?;
    let lines = files.iter().fold((0, 0), |(added, removed), file| {
        (added + file.added.unwrap_or(0), removed + file.removed.unwrap_or(0))
    });
    let mut risks: Vec<String> = comparison.map(|it| it.warnings().to_vec()).unwrap_or_default();
    if let Some(what) = experiment.ruling().and_then(|it| it.ruling.against()) {
        risks.push(format!("decided against the numbers: {what}"));
    }
    if let Some(why) = &brief.no_guard {
        risks.push(format!("there is no guardrail: {why}"));
    }
    risks.extend(risks_of_runs(research, experiment));
    risks.extend(
        files
            .iter()
            .filter(|file| !file.in_scope)
            .map(|file| format!("`{}` changed, which the brief does not name", file.name)),
    );
    let notes = experiment.notes.iter().filter_map(|(_, _, note)| flagged(&note.text, "out of scope:"));
    Ok(ReportFields {
        lines,
        verification: verification(research, experiment, &fields, comparison),
        risks: risks.into(),
        out_of_scope: notes.map(str::to_owned).collect::<Vec<_>>().into(),
        files: files.into(),
    })
}

fn risks_of_runs(research: &Research, experiment: &ExperimentState) -> Vec<String> {
    let trials = research.trials_of(experiment);
    let mut risks = Vec::new();
    if trials.iter().any(|trial| trial.run.evaluation_changed) {
        risks.push("the evaluation code is another than when the topic began".to_owned());
    }
    let failed = trials.iter().filter(|trial| trial.run.status != Status::Ok).count();
    if failed > 0 {
        risks.push(format!("{failed} of {} runs did not end well", trials.len()));
    }
    if experiment.registered.as_ref().is_some_and(|it| it.amendments > 0) {
        risks.push("the brief was amended".to_owned());
    }
    risks
}

/// What was done to see that it holds.
fn verification(
    research: &Research,
    experiment: &ExperimentState,
    fields: &ExperimentFields,
    comparison: Option<&ComparisonFields>,
) -> Vec<String> {
    let trials = research.trials_of(experiment);
    let mut lines = vec![format!("runs: {}", fields.statuses())];
    let seeds: BTreeSet<u64> = trials.iter().filter_map(|trial| trial.run.seed).collect();
    if !seeds.is_empty() {
        let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
        lines.push(format!("seeds: {}", seeds.join(", ")));
    }
    let hardware: BTreeSet<&str> = trials.iter().map(|trial| trial.run.hardware.as_str()).collect();
    if !hardware.is_empty() {
        lines.push(format!("hardware: {}", hardware.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if !trials.is_empty() {
        let exact = trials.iter().filter(|trial| trial.run.code.is_exact()).count();
        lines.push(format!("{exact} of {} runs at exactly recorded code", trials.len()));
    }
    lines.extend(comparison.into_iter().flat_map(|it| it.reasons().to_vec()));
    for review in &experiment.reviews {
        let opinion = match review.review.opinion {
            Opinion::Approve => "approved",
            Opinion::Reject => "rejected",
        };
        lines.push(format!("{opinion} by {}: {}", review.by.name, review.review.because));
    }
    let ran: BTreeSet<&str> = trials.iter().map(|trial| trial.run.code.tree.as_str()).collect();
    let mut smokes: Vec<_> =
        research.state.smokes.iter().filter(|it| ran.contains(it.smoke.tree.as_str())).collect();
    // What counts for a code is how its last smoke test ended.
    smokes.reverse();
    let mut told = BTreeSet::new();
    smokes.retain(|it| told.insert(&it.smoke.tree));
    for smoke in smokes {
        let result = if smoke.smoke.passed { "passed" } else { "failed" };
        lines.push(format!("smoke test {result}: {}", command_line(&smoke.smoke.command)));
    }
    let registration = experiment.registration();
    let is_of_it =
        |it: &&ReproductionOf| it.it.experiment == experiment.id && it.it.registration == registration;
    for found in research.state.reproductions.iter().filter(is_of_it) {
        let mut line = format!("{} repeated by {}: {}", found.it.target, found.by.name, found.it.outcome);
        if !found.it.reasons.is_empty() {
            line.push_str(&format!(" ({})", found.it.reasons.join("; ")));
        }
        lines.push(line);
    }
    lines
}

/// The files that an experiment changed since it began.
fn changed_files(
    context: &Context,
    experiment: &ExperimentState,
    declared: &[String],
) -> Result<Vec<ChangedFile>, Error> {
    let start = experiment.registered.as_ref().and_then(|it| it.current.start.clone());
    let start = start.and_then(|name| Oid::from_hex(name.as_str()));
    let tip = deciding::commit_of(context, experiment)?.and_then(|name| Oid::from_hex(name.as_str()));
    let (Some(start), Some(tip)) = (start, tip) else { return Ok(Vec::new()) };
    if !context.repo.has_object(start) {
        return Ok(Vec::new());
    }
    let base = context.repo.merge_base(start, tip)?.unwrap_or(start);
    let patterns: Vec<PathPattern> = declared.iter().filter_map(|text| text.parse().ok()).collect();
    let changes = context.repo.diff_files(base, tip)?;
    Ok(changes
        .into_iter()
        .map(|change| {
            let name = String::from_utf8_lossy(&change.path).into_owned();
            let in_scope = declared.is_empty() || patterns.iter().any(|pattern| pattern.matches(&name));
            ChangedFile { name, added: change.added, removed: change.removed, in_scope }
        })
        .collect())
}
