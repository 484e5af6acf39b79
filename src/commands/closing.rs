//! Closing a topic: what it came to, and what it leaves to do.

use clap::Args;

use super::{Answer, deciding, kickoff, redaction};
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::posting::UNDECIDED;
use crate::domain::experiment::Stage;
use crate::domain::state::{State, TopicState};
use crate::domain::topic::{Closing, Topic};
use crate::error::Error;
use crate::log::running;

/// What a topic came to, as options.
#[derive(Args, Debug)]
pub struct ClosingOptions {
    /// What worked, and what shows it
    #[arg(long, value_name = "TEXT")]
    worked: Vec<String>,

    /// What did not work, and what shows it
    #[arg(long, value_name = "TEXT")]
    failed: Vec<String>,

    /// How far the results hold
    #[arg(long, value_name = "TEXT")]
    limits: Vec<String>,

    /// What is to be done next, the most important first
    #[arg(long, value_name = "TEXT")]
    next: Vec<String>,

    /// How the work itself went, and what to do differently
    #[arg(long, value_name = "TEXT")]
    retrospective: Vec<String>,
}

/// Closes a topic, once everything in it is decided and all that it came to is said.
pub fn close(
    context: &mut Context,
    state: &State,
    topic: &TopicState,
    options: ClosingOptions,
) -> Result<Answer, Error> {
    let name = topic.topic.name.clone();
    if topic.topic.closing.is_some() {
        return Err(Error::request(format!("the topic `{name}` is closed already"))
            .hint(format!("git exp topic reopen {name}")));
    }
    let ClosingOptions { worked, failed, limits, next, retrospective } = options;
    let mut closing = Closing { worked, failed, limits, next, retrospective };
    let missing = missing(&closing);
    if !missing.is_empty() {
        let options: Vec<String> = missing.iter().map(|(option, _)| format!("--{option} \"…\"")).collect();
        let mut error = Error::request(format!("cannot close the topic `{name}` yet"));
        for (_, what) in &missing {
            error = error.because(format!("it is not said {what}"));
        }
        return Err(error.hint(format!("git exp topic close {name} {}", options.join(" "))));
    }
    let breaches = before_closing(context, state, topic)?;
    if !breaches.is_empty() {
        let breaches: Vec<String> =
            breaches.iter().map(|breach| format!("{}: {}", breach.what, breach.mend)).collect();
        return deciding::refuse(context, "close the topic", name.as_str(), &breaches);
    }
    let texts = [
        &mut closing.worked,
        &mut closing.failed,
        &mut closing.limits,
        &mut closing.next,
        &mut closing.retrospective,
    ];
    redaction::texts(context, texts.into_iter().flatten())?;
    let entry = kickoff::replace(context, topic, Topic { closing: Some(closing), ..topic.topic.clone() })?;
    let answer = kickoff::say(context, "topic-closing", "closed", topic, entry)?;
    context.output.hint(&format!("git exp logbook {name} --write"));
    Ok(answer)
}

/// Opens a closed topic again.
pub fn reopen(context: &mut Context, topic: &TopicState) -> Result<Answer, Error> {
    if topic.topic.closing.is_none() {
        return Err(Error::request(format!("the topic `{}` is not closed", topic.topic.name)));
    }
    let entry = kickoff::replace(context, topic, Topic { closing: None, ..topic.topic.clone() })?;
    kickoff::say(context, "topic-reopening", "reopened", topic, entry)
}

/// What a closing must say and does not: the option, and what it is about.
fn missing(closing: &Closing) -> Vec<(&'static str, &'static str)> {
    [
        ("worked", "what worked", &closing.worked),
        ("failed", "what did not work", &closing.failed),
        ("limits", "how far the results hold", &closing.limits),
        ("next", "what is to be done next", &closing.next),
        ("retrospective", "how the work went, and what to do differently", &closing.retrospective),
    ]
    .into_iter()
    .filter(|(_, _, texts)| texts.iter().all(|text| text.trim().is_empty()))
    .map(|(option, what, _)| (option, what))
    .collect()
}

/// What stands against closing a topic: experiments that nobody decided about, and runs under way.
pub fn before_closing(context: &Context, state: &State, topic: &TopicState) -> Result<Vec<Breach>, Error> {
    let under_way = running::list(context.log.folders())?;
    let mut breaches = Vec::new();
    for experiment in state.experiments.iter().filter(|it| it.topic() == Some(&topic.topic.name)) {
        let name = experiment.name();
        if experiment.stage() != Some(Stage::Decided) {
            let mend = format!("git exp decide {name} accept|reject --because \"…\"");
            breaches.push(Breach::new(UNDECIDED, format!("{name} is not decided"), mend));
        }
        let runs = under_way
            .iter()
            .filter(|it| it.is_alive() && it.run.membership.experiment == experiment.id)
            .count();
        if runs > 0 {
            breaches.push(Breach::new(UNDECIDED, format!("{name} has {runs} under way"), "git exp status"));
        }
    }
    Ok(breaches)
}
