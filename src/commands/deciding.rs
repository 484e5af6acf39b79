//! Deciding about an experiment: the evidence, what the policy says, and the entry. What `decide`, `keep`, `discard` and
//! `review` share.

use super::comparing::compared;
use super::place::Place;
use super::sides::sides;
use super::{Answer, redaction, selection};
use crate::context::Context;
use crate::domain::decision::{Decision, Evidence, Ruling};
use crate::domain::entry::Body;
use crate::domain::id::{EntryId, ObjectName};
use crate::domain::policy::{Acceptance, Owners, Rules};
use crate::domain::state::{ExperimentState, Registered, State};
use crate::error::{Error, Fault};
use crate::git::Oid;
use crate::log::index::Index;
use crate::log::{NewFile, layout};
use crate::render::comparison::{ComparisonJson, headline};
use crate::render::decision::{Compared, DecisionView};
use crate::render::json;

/// The file of a decision that holds the whole comparison.
pub const COMPARISON: &str = "comparison.json";

/// The numbers of an experiment as they stand.
pub struct Numbers {
    /// The comparison, or why there is none.
    pub compared: Result<Compared, String>,
    evidence: Option<Evidence>,
    files: Vec<NewFile>,
}

/// The experiment that `word` names, else that of the current branch, and what was registered of it.
pub fn registered<'a>(
    context: &Context,
    state: &'a State,
    word: Option<&str>,
) -> Result<(&'a ExperimentState, &'a Registered), Error> {
    let experiment = match word {
        Some(word) => selection::experiment(state, word)?,
        None => selection::current(context, state)?,
    };
    match &experiment.registered {
        Some(registered) => Ok((experiment, registered)),
        None if !experiment.id.is_scratch() => {
            Err(Error::request(format!("`{}` has no brief, so nothing is decided about it", experiment.id))
                .because("its registration was withdrawn, or did not come here yet")
                .hint("`git exp log --kind withdrawal` says what was withdrawn"))
        }
        None => Err(Error::request(format!(
            "`{}` is a day's scratch, about which nothing is decided",
            experiment.id
        ))
        .hint("`git exp new <name> --from <run>` makes an experiment of one of its runs")),
    }
}

/// Compares an experiment with the baseline of its brief.
pub fn numbers(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    experiment: &ExperimentState,
) -> Result<Numbers, Error> {
    numbers_of(context, index, state, &[experiment.name()])
}

/// Compares what `words` mean: a baseline and a candidate, or an experiment alone.
fn numbers_of(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    words: &[String],
) -> Result<Numbers, Error> {
    let found = sides(context, index, state, words).and_then(|(baseline, candidates)| {
        compared(context, index, state, &baseline, &candidates, |_, comparisons| {
            Ok(evidence(&comparisons[0]))
        })
    });
    match found {
        Ok((evidence, compared, file)) => {
            Ok(Numbers { compared: Ok(compared), evidence: Some(evidence), files: vec![file] })
        }
        // What did not run, and a baseline that is not there, are no reason not to decide.
        Err(error) if error.fault != Fault::Outside => {
            let why = error.causes.first().unwrap_or(&error.message).clone();
            Ok(Numbers { compared: Err(why), evidence: None, files: Vec::new() })
        }
        Err(error) => Err(error),
    }
}

/// A comparison as it stands: in short, for people, and whole, as a file.
pub fn evidence(comparison: &crate::domain::comparison::Comparison<'_>) -> (Evidence, Compared, NewFile) {
    let summary = headline(comparison);
    let (baseline, candidate) = &comparison.matchup.names;
    let evidence = Evidence {
        baseline: baseline.clone(),
        outcome: comparison.outcome,
        confidence: comparison.confidence.word().to_owned(),
        summary: summary.clone(),
    };
    let compared = Compared {
        candidate: candidate.clone(),
        baseline: baseline.clone(),
        outcome: comparison.outcome,
        summary,
        reasons: comparison.reasons.clone(),
        confidence: format!("{}: {}", comparison.confidence, comparison.confidence_reason),
    };
    let text = json::line(&ComparisonJson::from(comparison)) + "\n";
    (evidence, compared, NewFile { name: COMPARISON.into(), bytes: text.into_bytes() })
}

/// A decision about an experiment on the numbers as they stand.
pub fn ruling(
    experiment: &ExperimentState,
    registered: &Registered,
    numbers: &Numbers,
    decision: Decision,
    because: String,
    next: Vec<String>,
) -> Ruling {
    Ruling {
        experiment: experiment.id.clone(),
        registration: registered.entry,
        decision,
        because,
        next,
        evidence: numbers.evidence.clone(),
    }
}

/// Everything in the policy that stands against a decision.
pub fn breaches(
    context: &Context,
    experiment: &ExperimentState,
    registered: &Registered,
    ruling: &Ruling,
) -> Result<Vec<String>, Error> {
    if ruling.decision != Decision::Accepted {
        return Ok(Vec::new());
    }
    let rules = context.rules_for(experiment.topic())?;
    Ok(rules.breaches_of_acceptance(&Acceptance {
        by: &context.identity(),
        owners: &owners(registered),
        reviews: &experiment.reviews,
        against: ruling.against(),
    }))
}

/// Those who answer for an experiment.
pub fn owners(registered: &Registered) -> Owners {
    Owners::new(registered.current.brief.owner.as_deref(), &registered.by)
}

/// Says that the policy stands against something, with every breach; nothing was recorded.
pub fn refuse(context: &mut Context, what: &str, about: &str, breaches: &[String]) -> Result<Answer, Error> {
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/refusal/1", "refused": what, "about": about, "breaches": breaches,
        }))?;
    }
    context.output.say(&format!("refused by the policy, nothing was recorded: {what} {about}"));
    for breach in breaches {
        context.output.say(&format!("  {breach}"));
    }
    Ok(Answer::No)
}

/// Records a decision, in the place of the one before.
pub fn record(
    context: &mut Context,
    experiment: &ExperimentState,
    registered: &Registered,
    numbers: Numbers,
    mut ruling: Ruling,
) -> Result<(EntryId, Ruling), Error> {
    redaction::texts(context, std::iter::once(&mut ruling.because).chain(&mut ruling.next))?;
    let mut replaces: Vec<EntryId> = experiment.ruling().map(|it| it.entry).into_iter().collect();
    replaces.extend(&experiment.conflicting_rulings);
    let body = Body::Decision(ruling.clone());
    let appended = context.append_with(body, Some(registered.current_entry), replaces, numbers.files)?;
    Ok((appended.entry.id, ruling))
}

/// Says what was decided.
pub fn tell(
    context: &mut Context,
    experiment: &ExperimentState,
    entry: EntryId,
    ruling: &Ruling,
    more: Option<(&str, serde_json::Value)>,
) -> Result<(), Error> {
    let name = experiment.name();
    let before = experiment.ruling().map(|it| it.ruling.decision);
    let view = DecisionView { entry, experiment: &name, ruling, before };
    if context.output.json {
        let mut value = serde_json::to_value(view.json()).map_err(std::io::Error::from)?;
        if let (Some(fields), Some((key, more))) = (value.as_object_mut(), more) {
            fields.insert(key.to_owned(), more);
        }
        return context.output.object(&value);
    }
    let text = view.text(&context.canvas());
    context.output.text(&text)
}

/// Hints at moving the topic's baseline to what was accepted.
pub fn hint_at_baseline(context: &mut Context, state: &State, experiment: &ExperimentState) {
    let Some(topic) = experiment.topic().and_then(|name| state.topics.get(name)) else { return };
    let names = &topic.topic.baselines;
    let promised = experiment.registered.as_ref().and_then(|it| it.current.brief.baseline.as_deref());
    let name = match promised.filter(|promised| names.contains_key(*promised)) {
        Some(name) => name,
        None if names.len() == 1 => names.keys().next().map_or("default", String::as_str),
        None => "default",
    };
    context.output.hint(&format!(
        "`git exp topic baseline set {name}={} --because \"…\"` makes it what others of `{}` are compared with",
        experiment.name(),
        topic.topic.name
    ));
}

/// The commit that an experiment's branch is at, put away or not.
pub fn commit_of(context: &Context, experiment: &ExperimentState) -> Result<Option<ObjectName>, Error> {
    if !experiment.has_branch_of(&context.log.own_writers()?) {
        return Ok(None);
    }
    let branch = format!("refs/heads/{}", layout::experiment_branch(&experiment.id));
    let tip = match context.repo.read_ref(&branch)? {
        Some(tip) => Some(tip),
        None => context.repo.read_ref(&layout::archive_ref(&experiment.id))?,
    };
    Ok(tip.map(named))
}

fn named(commit: Oid) -> ObjectName {
    commit.to_hex().parse().expect("Git names objects in hex")
}

/// Refuses to run code of a registered experiment that nobody reviewed, where the policy asks for it.
pub fn refuse_unreviewed(context: &Context, place: &Place) -> Result<(), Error> {
    let Some(registration) = &place.registration else { return Ok(()) };
    let rules: Rules = context.rules_for(registration.topic.as_ref())?;
    if rules.policy.review_before_run.is_empty() {
        return Ok(());
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let is_it = |it: &&ExperimentState| it.registration() == place.membership.registration;
    let Some(experiment) = state.experiments.iter().find(is_it) else { return Ok(()) };
    let Some(registered) = &experiment.registered else { return Ok(()) };
    let changes = place.repo.worktree_changes()?;
    let is_clean = changes.is_clean() && changes.hidden.is_empty() && changes.dirty_submodules.is_empty();
    let commit = place.repo.head()?.commit.filter(|_| is_clean).map(named);
    let breaches = rules.breaches_of_run(&owners(registered), &experiment.reviews, commit.as_ref());
    if breaches.is_empty() {
        return Ok(());
    }
    let mut error = Error::request(format!("cannot run `{}`", experiment.name()));
    for breach in breaches {
        error = error.because(breach);
    }
    let hint = format!("a reviewer says: git exp review {} approve --because \"…\"", experiment.name());
    Err(error.hint(hint))
}
