//! What the documents on GitHub are made of: the fields that `templates/issue-*.md` get.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::documents::{explained, templates};
use super::handoff::{Place, flagged, handoff};
use super::research::Research;
use super::standing::{
    Standings, again, decided, measured_code, of_runs, runs_called, sealed, shown, standings,
};
use super::{github, redaction};
use crate::context::Context;
use crate::domain::cell::{Outcome, Trial, cells};
use crate::domain::chronicle::{Event, Series, What, baseline_at};
use crate::domain::entry::{Body, Entry};
use crate::domain::experiment::Stage;
use crate::domain::state::{ExperimentState, TopicState};
use crate::error::Error;
use crate::git::Oid;
use crate::github::Address;
use crate::log::index::Index;
use crate::log::layout;
use crate::render::comparison::ComparisonFields;
use crate::render::handoff::Limits;
use crate::render::issue::{BaselineFields, LinkFields};
use crate::render::logbook::{EventFields, ExperimentFields, SeriesFields, TopicFields, decisions};
use crate::render::time;

/// The longest of what people wrote that is repeated, in characters.
const LONGEST_WORDS: usize = 2_000;
/// How many things a heartbeat names.
const LATEST: usize = 5;

/// Where things are on GitHub, and what of it GitHub does not have.
pub struct Links {
    /// The remote that is there.
    pub remote: String,
    /// What it has.
    pub there: LinkFields,
    /// What it does not: what that is of, and the commit.
    pub missing: BTreeMap<String, Oid>,
}

/// Looks where on GitHub the topic's branch, its experiments' code and their seals are.
pub fn links(
    context: &Context,
    remote: &str,
    address: &Address,
    research: &Research,
    topic: &TopicState,
) -> Result<Links, Error> {
    let page = address.page();
    let name = &topic.topic.name;
    let mut there = LinkFields { repository: page.clone(), ..LinkFields::default() };
    let mut missing = BTreeMap::new();
    let refs = context.repo.refs_of_remote(remote, &[])?;
    let branch = layout::topic_branch(name);
    let full = format!("refs/heads/{branch}");
    let pushed = refs.iter().find(|(name, _)| *name == full).map(|(_, oid)| *oid);
    if let Some(pushed) = pushed {
        there.branch = Some(format!("{page}/tree/{branch}"));
        // What others pushed may not be here to be looked into; a logbook that was written stays.
        let path = format!(".agents/logbooks/{name}.md");
        let known = match context.repo.has_object(pushed) || brought(context, remote, &branch) {
            true => Some(pushed),
            false => context.repo.read_ref(&full)?,
        };
        if let Some(known) = known
            && context.text_at(known, &path)?.is_some()
        {
            there.logbook = Some(format!("{page}/blob/{pushed}/{path}"));
        }
    }
    let experiments: Vec<&ExperimentState> = research.experiments().collect();
    let code_of = |it: &ExperimentState| {
        let comparison = decided(context, research, it).and_then(Result::ok);
        measured_code(research, it, comparison.as_ref())
    };
    let mut wanted: Vec<(String, Oid)> =
        experiments.iter().filter_map(|it| Some((it.name(), code_of(it)?))).collect();
    if let Some(tip) = context.repo.read_ref(&full)? {
        wanted.push((branch.clone(), tip));
    }
    let commits: Vec<Oid> = wanted.iter().map(|(_, oid)| *oid).collect();
    let lacking = github::unpublished(context, &refs, &commits)?;
    for (name, oid) in wanted {
        if lacking.contains(&oid) {
            missing.insert(name, oid);
        } else if name != branch {
            there.commits.insert(name, format!("{page}/commit/{oid}"));
        }
    }
    for experiment in experiments {
        let tag = format!("{}{}", layout::SEALS, experiment.id);
        if refs.iter().any(|(name, _)| *name == tag) {
            there.seals.insert(experiment.name(), format!("{page}/tree/sealed/{}", experiment.id));
        }
    }
    Ok(Links { remote: remote.to_owned(), there, missing })
}

/// Whether the remote gave what it has of a branch; what it does not give is not linked.
fn brought(context: &Context, remote: &str, branch: &str) -> bool {
    let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
    context.repo.fetch(remote, &[refspec], false).is_ok()
}

/// What the text of an issue is made of.
pub fn body(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    links: &LinkFields,
) -> Result<Value, Error> {
    let found = standings(context, index, research);
    let handoff = handoff(context, index, research, topic, &found, Place::Anywhere)?;
    let best =
        handoff.best.as_ref().and_then(|best| research.experiments().find(|it| it.name() == best.name));
    let reproduce =
        best.and_then(|it| again(context, index, research, it, found.get(&it.name())?.as_ref().ok()));
    let experiments: Vec<ExperimentFields> = research.experiments().map(|it| research.fields(it)).collect();
    let rulings = decisions(topic, research.experiments(), |it| research.ran_under_other_evaluation(it));
    let events = research.events(topic, &BTreeSet::new());
    let changes: Vec<EventFields> = events
        .iter()
        .filter(|event| event.before.is_some())
        .map(|event| EventFields::new(event, &research.state.ideas))
        .collect();
    Ok(json!({
        "handoff": handoff,
        "experiments": experiments,
        "comparisons": all_shown(&found)?,
        "reproduce": reproduce,
        "steps": steps(research),
        "decisions": rulings,
        "changes": changes,
        "baselines": baselines(context, index, research, topic, (&found, best)),
        "links": links,
    }))
}

/// The comparisons that experiments stand on, by their names: each, or `why` there is none.
fn all_shown(standings: &Standings) -> Result<BTreeMap<&String, Value>, Error> {
    standings.iter().map(|(name, found)| Ok((name, shown(found)?))).collect()
}

/// What the decisions in force say is next, the newest first.
fn steps(research: &Research) -> Vec<Value> {
    let mut rulings: Vec<_> =
        research.experiments().filter_map(|it| Some((it.name(), it.ruling()?))).collect();
    rulings.sort_by_key(|(_, it)| std::cmp::Reverse((it.time, it.entry)));
    let steps = rulings.iter().flat_map(|(name, it)| {
        it.ruling.next.iter().map(move |next| json!({ "experiment": name, "text": next }))
    });
    steps.collect()
}

/// The named baselines, each with the runs that the topic's experiments are held against: those of the comparison that the best stands
/// on, else of the newest one; where nothing was compared with it yet, what ran there last.
fn baselines(
    context: &Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    (found, best): (&Standings, Option<&ExperimentState>),
) -> Vec<BaselineFields> {
    let mut all: Vec<&ExperimentState> = research.experiments().collect();
    // The newest decision first, then what is open.
    all.sort_by_key(|it| std::cmp::Reverse((decided_at(it), it.runs.latest)));
    let by_weight: Vec<&ExperimentState> = best.into_iter().chain(all).collect();
    let fields = |(name, target): (&String, &String)| {
        let target = baseline_at(topic, target, Timestamp::MAX);
        let against = |it: &ExperimentState| {
            let word = it.brief().and_then(|brief| brief.baseline.as_deref());
            // What it was called when it was decided may be something else by now.
            let time = decided_at(it).unwrap_or(Timestamp::MAX);
            word.is_some_and(|word| baseline_at(topic, word, time) == target)
        };
        let compared = by_weight.iter().filter(|it| against(it)).find_map(|it| {
            let [ids, _] = found.get(&it.name())?.as_ref().ok()?.runs();
            let runs = runs_called(context, index, ids);
            (!runs.is_empty()).then_some((*it, runs))
        });
        let (run, experiment) = match &compared {
            Some((experiment, runs)) => {
                let trials = runs.iter().map(|(id, run)| Trial { id: *id, run }).collect();
                let series = Series { trials, continues: false, baseline: None };
                (Some(SeriesFields::new(&series, Some(experiment))), Some(experiment.name()))
            }
            None => (newest_at(research, topic, target), None),
        };
        BaselineFields { name: name.clone(), target: target.to_owned(), run, experiment }
    };
    topic.topic.baselines.iter().map(fields).collect()
}

/// When an experiment was decided for good.
fn decided_at(experiment: &ExperimentState) -> Option<Timestamp> {
    experiment.final_ruling().map(|it| it.time)
}

/// The newest call at a baseline that may be compared with in this topic: it ran under the topic's evaluation code, and in pairs with
/// nothing of another topic.
fn newest_at(research: &Research, topic: &TopicState, target: &str) -> Option<SeriesFields> {
    let own = research.experiments().find(|it| it.name() == target);
    let mut trials = own.map_or_else(|| research.baseline_trials(target), |it| research.trials_of(it));
    let calls: BTreeSet<_> =
        research.experiments().flat_map(|it| research.trials_of(it)).map(|trial| trial.run.group).collect();
    let pin = topic.topic.evaluation.as_ref().map(|pin| &pin.digest);
    trials.retain(|trial| {
        let is_ours = own.is_some() || trial.run.pair.is_none() || calls.contains(&trial.run.group);
        let ran_under = trial.run.evaluation.as_ref();
        is_ours && pin.is_none_or(|pin| ran_under.is_none_or(|digest| digest == pin))
    });
    let all = cells(&trials);
    let cell = all.iter().find(|cell| cell.count(Outcome::Ended) > 0)?;
    // What ran hours apart ran under other conditions.
    let newest = cell.with(Outcome::Ended).max_by_key(|trial| trial.run.started)?.run.group;
    let mut trials = cell.trials().to_vec();
    trials.retain(|trial| trial.run.group == newest);
    Some(SeriesFields::new(&Series { trials, continues: false, baseline: None }, own))
}

/// The experiments whose numbers `events` are about.
pub fn touched<'a>(events: &[Event<'a>]) -> Vec<&'a ExperimentState> {
    let mut found: Vec<&ExperimentState> = Vec::new();
    for event in events.iter().filter(|event| is_of_numbers(event)) {
        if let Some(experiment) = event.experiment
            && found.iter().all(|known| known.name() != experiment.name())
        {
            found.push(experiment);
        }
    }
    found
}

fn is_of_numbers(event: &Event<'_>) -> bool {
    match event.what {
        What::Series(_) => true,
        What::Entry(entry) => matches!(entry.body, Body::Decision(_)),
    }
}

/// What is new of an experiment: an element of `news`.
#[derive(Serialize)]
struct NewsFields {
    /// Whether its verdict is, or may be: it was decided since, or is not decided.
    verdict: bool,
    /// The new runs that its decision does not rest on.
    later: Option<LaterFields>,
}

/// Runs of a decided experiment that its decision does not rest on: `later`.
#[derive(Serialize)]
struct LaterFields {
    /// Whether all of them began after it.
    after: bool,
    run: SeriesFields,
    /// What comparing them alone says.
    comparison: Value,
}

/// What is new of an experiment; `standing` is what it is shown by.
fn told(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    (experiment, standing): (&ExperimentState, Option<&Result<ComparisonFields, String>>),
    events: &[Event<'_>],
) -> Result<NewsFields, Error> {
    let own = || events.iter().filter(|it| it.experiment.is_some_and(|it| it.name() == experiment.name()));
    let Some(decided) = decided_at(experiment) else { return Ok(NewsFields { verdict: true, later: None }) };
    let is_ruling =
        |event: &&Event<'_>| matches!(event.what, What::Entry(Entry { body: Body::Decision(_), .. }));
    let verdict = own().any(|event| is_ruling(&event));
    let compared =
        standing.and_then(|it| it.as_ref().ok()).map(|it| it.runs()[1].clone()).unwrap_or_default();
    let series = own().filter_map(|event| match &event.what {
        What::Series(series) => Some(&series.trials),
        What::Entry(_) => None,
    });
    let mut trials: Vec<Trial<'_>> = series.flatten().copied().collect();
    // What it was decided by was there before, though it may have been told of later.
    trials.retain(|trial| match compared.is_empty() {
        true => trial.run.started > decided,
        false => !compared.contains(&trial.id.to_hex()),
    });
    if trials.is_empty() {
        return Ok(NewsFields { verdict, later: None });
    }
    trials.sort_by_key(|trial| (trial.run.started, trial.id));
    let runs: Vec<_> = trials.iter().map(|trial| trial.id).collect();
    let comparison = shown(&of_runs(context, index, research, experiment, &runs))?;
    let after = trials.iter().all(|trial| trial.run.started > decided);
    let series = Series { trials, continues: false, baseline: None };
    let run = SeriesFields::new(&series, Some(experiment));
    Ok(NewsFields { verdict, later: Some(LaterFields { after, run, comparison }) })
}

/// What an update is made of.
pub fn update(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    events: &[Event<'_>],
    links: &LinkFields,
) -> Result<Value, Error> {
    let touched = touched(events);
    let found = standings(context, index, research);
    let others: Vec<EventFields> = events
        .iter()
        .filter(|event| !is_of_numbers(event))
        .map(|event| EventFields::new(event, &research.state.ideas))
        .collect();
    let experiments: Vec<ExperimentFields> = touched.iter().map(|it| research.fields(it)).collect();
    let mut news = BTreeMap::new();
    for it in touched {
        let standing = found.get(&it.name());
        news.insert(it.name(), told(context, index, research, (it, standing), events)?);
    }
    let handoff = handoff(context, index, research, topic, &found, Place::Anywhere)?;
    Ok(json!({
        "topic": TopicFields::new(&topic.topic, topic.opened),
        "experiments": experiments,
        "comparisons": all_shown(&found)?,
        "news": news,
        "steps": steps(research),
        "others": others,
        "next": handoff.next,
        "links": links,
    }))
}

/// What a heartbeat is made of; `events` are those since the last post.
pub fn heartbeat(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    events: &[Event<'_>],
    said: (&[String], Option<&str>),
) -> Result<Value, Error> {
    let found = standings(context, index, research);
    let handoff = handoff(context, index, research, topic, &found, Place::Anywhere)?;
    let latest = events.iter().rev().filter_map(|event| {
        let name = event.experiment?.name();
        match &event.what {
            What::Series(series) => {
                let ended = series.trials.iter().filter(|it| it.outcome() == Outcome::Ended).count();
                Some(format!("{name}: {ended} of {} runs ended well", series.trials.len()))
            }
            What::Entry(Entry { body: Body::Decision(ruling), .. }) => {
                Some(format!("{name}: {}", ruling.decision))
            }
            What::Entry(_) => None,
        }
    });
    let (blockers, eta) = said;
    let noted = research.events(topic, &BTreeSet::new());
    let noted = noted.iter().filter_map(|event| match event.what {
        What::Entry(Entry { body: Body::Note(note), .. }) => flagged(&note.text, "blocker:"),
        _ => None,
    });
    let blockers: Vec<&str> = blockers.iter().map(String::as_str).chain(noted).collect();
    Ok(json!({
        "handoff": handoff,
        "steps": steps(research),
        "latest": latest.take(LATEST).collect::<Vec<String>>(),
        "blockers": blockers,
        "eta": eta.map(str::to_owned).or_else(|| runs_left(research)),
    }))
}

/// How long the runs take that are planned and did not run yet.
fn runs_left(research: &Research) -> Option<String> {
    let open = research.experiments().filter(|it| it.stage() != Some(Stage::Decided));
    let seconds: f64 = open
        .filter_map(|it| {
            let planned = u64::from(it.registered.as_ref()?.current.brief.planned_trials());
            let ended = it.runs.trials().saturating_sub(it.runs.failed());
            #[expect(clippy::cast_precision_loss, reason = "a number of runs")]
            let left = planned.saturating_sub(ended) as f64;
            Some(left * it.runs.mean_wall_seconds()?)
        })
        .sum();
    (seconds > 0.0).then(|| format!("{} of runs are planned", time::elapsed(seconds)))
}

/// What a seal's post is made of.
pub fn seal(
    context: &Context,
    research: &Research,
    experiment: &ExperimentState,
    (tag, commit): (&str, Oid),
    page: &str,
) -> Result<Value, Error> {
    Ok(json!({
        "experiment": research.fields(experiment),
        "comparison": sealed(context, commit)?,
        "seal": {
            "tag": tag,
            "url": format!("{page}/tree/{tag}"),
            "commit_url": format!("{page}/commit/{commit}"),
            "report": format!("{page}/blob/{tag}/.exp/README.md"),
        },
    }))
}

/// What the final summary is made of.
pub fn summary(
    context: &mut Context,
    index: &mut Index,
    research: &Research,
    topic: &TopicState,
    links: &LinkFields,
) -> Result<Value, Error> {
    let experiments: Vec<ExperimentFields> = research.experiments().map(|it| research.fields(it)).collect();
    let found = standings(context, index, research);
    Ok(json!({
        "topic": TopicFields::new(&topic.topic, topic.opened),
        "handoff": handoff(context, index, research, topic, &found, Place::Anywhere)?,
        "experiments": experiments,
        "comparisons": all_shown(&found)?,
        "links": links,
    }))
}

/// The document that a template makes of `fields`, in which no text is longer than people read, and no secret.
pub fn rendered(
    context: &Context,
    topic: &TopicState,
    template: &str,
    mut fields: Value,
) -> Result<String, Error> {
    Limits { lines: usize::MAX, letters: LONGEST_WORDS }.cut(&mut fields);
    let templates = templates(context, Some(&topic.topic.name))?;
    let text = templates.render(template, &fields).map_err(|error| explained(&error))?;
    let bytes = redaction::bytes(context, text.trim().as_bytes())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
