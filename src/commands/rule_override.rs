//! `git exp override`

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::file_rules::Branch;
use super::{Answer, deciding, redaction};
use crate::context::Context;
use crate::domain::check::OF_EXPERIMENTS;
use crate::domain::check::likeness::ONE_AXIS;
use crate::domain::entry::Body;
use crate::domain::file_rules::NAMES;
use crate::domain::id::TopicName;
use crate::domain::path_pattern::PathPattern;
use crate::domain::rule_override::RuleOverride;
use crate::domain::state::State;
use crate::error::Error;

/// Set a rule aside: about files, for some paths, or about what one experiment may vary; needs a role
///
/// It is for the experiment or the topic that is named, else for those of the current branch; on any other branch it is for what is
/// committed on top of the current commit. It is recorded, with who gave it and why, and counts as long as that person has the role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp override frozen --path eval/score.py -e A-002 --because 'the tokenizer had a bug'
  git exp override append-only --path 'journals/**' --topic mixing --because 'moved to one file a month'
  git exp override one-axis -e A-002 --because 'the kernel needs the new data layout'

`[policy]` in exp.toml says who may, with `may-override`; where it does not, the roles `lead` and `manager` may, and
where nobody has them, anybody.

Exit status: 0 recorded; 1 refused by the policy.

JSON: one git-exp/override/1 object.")]
pub struct Arguments {
    /// The rule
    #[arg(value_parser = PossibleValuesParser::new(NAMES.iter().chain(&OF_EXPERIMENTS)))]
    rule: String,

    /// The files, as a path or a pattern; may be given several times
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,

    /// The experiment it is for
    #[arg(short = 'e', long, value_name = "ID", conflicts_with = "topic")]
    experiment: Option<String>,

    /// The topic it is for
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Why
    #[arg(short = 'm', long, value_name = "TEXT", alias = "message")]
    because: String,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    if arguments.because.trim().is_empty() {
        return Err(
            Error::request("cannot set a rule aside without a reason").hint("say why: --because \"…\"")
        );
    }
    if arguments.paths.is_empty() != (arguments.rule == ONE_AXIS) {
        let rule = &arguments.rule;
        return Err(match arguments.paths.is_empty() {
            true => Error::request(format!("for which files is `{rule}` to be set aside?"))
                .hint("name them: --path eval/score.py"),
            false => Error::request(format!("`{rule}` is not about files")).hint("leave `--path` out"),
        });
    }
    for path in &arguments.paths {
        path.parse::<PathPattern>().map_err(|error| {
            Error::request("cannot set a rule aside")
                .because(error)
                .hint("write paths from the top of the repository")
        })?;
    }
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let branch = match &arguments.experiment {
        Some(word) => Branch::of(context, deciding::registered(context, &state, Some(word))?.0)?,
        None => Branch::current(context, &state)?,
    };
    let asked = arguments.topic.as_deref().map(|word| topic(&state, word)).transpose()?;
    let experiment = branch.experiment.filter(|_| asked.is_none());
    let topic = asked.or_else(|| branch.topic.clone());
    let rules = context.rules_for(topic.as_ref())?;
    if let Some(breach) = rules.breach_of_override(&context.identity()) {
        return deciding::refuse(context, "set aside", &arguments.rule, &[breach]);
    }
    let mut it = RuleOverride {
        rule: arguments.rule,
        paths: arguments.paths,
        commit: branch.tip.map(|tip| tip.to_hex().parse().expect("Git names objects in hex")),
        experiment: experiment.map(|it| it.id.clone()),
        registration: experiment.and_then(|it| it.registered.as_ref()).map(|it| it.entry),
        topic: topic.filter(|_| experiment.is_none()),
        because: arguments.because,
    };
    if OF_EXPERIMENTS.contains(&it.rule.as_str()) && experiment.is_none() && it.topic.is_none() {
        return Err(Error::request(format!("for which experiment is `{}` to be set aside?", it.rule))
            .hint("name it: -e A-002"));
    }
    redaction::texts(context, it.paths.iter_mut().chain([&mut it.because]))?;
    let scope = match (experiment, &it.topic, branch.tip) {
        (Some(experiment), _, _) => experiment.name(),
        (None, Some(topic), _) => format!("the topic {topic}"),
        (None, None, Some(tip)) => format!("what follows {}", &tip.to_hex()[..8]),
        (None, None, None) => {
            return Err(Error::request("there is nothing that a rule could be set aside for")
                .hint("say `-e ID` or `--topic T`, or commit something first"));
        }
    };
    let appended = context.append(Body::Override(it.clone()), Vec::new(), Vec::new())?;
    if context.output.json {
        context.output.object(&serde_json::json!({
            "schema": "git-exp/override/1",
            "entry": appended.entry.id.to_hex(),
            "rule": it.rule,
            "paths": it.paths,
            "experiment": experiment.map(crate::domain::state::ExperimentState::name),
            "topic": it.topic.as_ref().map(TopicName::as_str),
            "commit": it.commit.as_ref().map(crate::domain::id::ObjectName::as_str),
        }))?;
    } else {
        let short = appended.entry.id.short();
        context.output.line(&format!("`{}` is set aside for {scope} ({short})", it.rule))?;
    }
    Ok(Answer::Yes)
}

fn topic(state: &State, word: &str) -> Result<TopicName, Error> {
    let name: TopicName = word.strip_prefix("research/").unwrap_or(word).parse()?;
    if state.topics.contains_key(&name) {
        return Ok(name);
    }
    Err(Error::request(format!("there is no topic `{name}`")).hint("`git exp topic list` lists them"))
}
