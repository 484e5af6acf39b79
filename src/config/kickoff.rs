//! A topic's kickoff as a TOML file: all that `git exp topic new` can be told, in one place.

use std::collections::BTreeMap;

use serde::de::{self, Deserializer};
use serde::{Deserialize, de::Error as _};

use super::error::{ConfigError, Problem};
use crate::domain::brief::Budget;
use crate::domain::criterion::Criterion;
use crate::domain::id::Prefix;
use crate::domain::quantity::parse_budget;
use crate::domain::topic::{Phase, Topic};

/// What a kickoff file says; what it leaves out is empty.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Kickoff {
    #[serde(deserialize_with = "read")]
    prefix: Option<Prefix>,
    goal: String,
    problem: String,
    constraints: Vec<String>,
    success: Vec<String>,
    hypotheses: Vec<String>,
    matrix: Vec<String>,
    code: Vec<String>,
    accept: Vec<Read<Criterion>>,
    guard: Vec<Read<Criterion>>,
    no_guard: String,
    trials: Option<std::num::NonZeroU32>,
    #[serde(deserialize_with = "budget")]
    budget: Budget,
    stop: Vec<String>,
    baselines: BTreeMap<String, String>,
    scope: BTreeMap<String, Vec<Plain>>,
    links: BTreeMap<String, String>,
    phases: Vec<PhaseSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseSection {
    name: String,
    #[serde(default)]
    goal: String,
    #[serde(default)]
    until: String,
}

/// A value that is written as text.
struct Read<T>(T);

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("`{text}` cannot be read: {error}")))
    }
}

/// A text or a number, as it was written.
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            value @ (toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_)) => {
                Ok(Self(value.to_string()))
            }
            _ => Err(de::Error::custom("expected a text or a number")),
        }
    }
}

/// What is written as text, where it is not empty.
fn read<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| D::Error::custom(format!("`{text}` cannot be read: {error}")))
}

fn budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Budget, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Ok(Budget::default());
    }
    parse_budget(&text).map_err(|error| D::Error::custom(format!("`{text}` cannot be read: {error}")))
}

/// Reads a kickoff file; `origin` is how errors name it. The name, the pinned evaluation code and the closing are `topic`'s.
pub fn parse_kickoff(text: &str, origin: &str, topic: Topic) -> Result<Topic, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let kickoff: Kickoff = toml::from_str(text).map_err(|error| ConfigError {
        file: origin.to_owned(),
        problem: Problem::from_toml(text, &error),
    })?;
    let some = |text: String| (!text.trim().is_empty()).then_some(text);
    let lines = |lines: Vec<String>| lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    let criteria = |criteria: Vec<Read<Criterion>>| criteria.into_iter().map(|it| it.0).collect();
    Ok(Topic {
        prefix: kickoff.prefix,
        goal: some(kickoff.goal),
        problem: some(kickoff.problem),
        constraints: lines(kickoff.constraints),
        success: lines(kickoff.success),
        hypotheses: lines(kickoff.hypotheses),
        matrix: lines(kickoff.matrix),
        code: lines(kickoff.code),
        accept: criteria(kickoff.accept),
        guard: criteria(kickoff.guard),
        no_guard: some(kickoff.no_guard),
        trials: kickoff.trials.map(std::num::NonZeroU32::get),
        budget: kickoff.budget,
        stop: lines(kickoff.stop),
        baselines: kickoff.baselines,
        scope: kickoff
            .scope
            .into_iter()
            .map(|(axis, values)| (axis, values.into_iter().map(|value| value.0).collect()))
            .collect(),
        links: kickoff.links,
        phases: kickoff
            .phases
            .into_iter()
            .map(|phase| Phase { name: phase.name, goal: some(phase.goal), until: some(phase.until) })
            .collect(),
        ..topic
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Topic, String> {
        let topic = Topic::named("moe".parse().expect("a topic"));
        parse_kickoff(text, "kickoff.toml", topic).map_err(|error| error.problem.to_string())
    }

    #[test]
    fn a_kickoff_says_all_that_a_topic_can_be_told() {
        let topic = read(
            "prefix = \"MOE\"\ngoal = \"less\"\naccept = ['step_time <= -8%']\nno-guard = ''\ntrials = 7\n\
             budget = 'wall=2h'\n[scope]\nseeds = [1, 2]\nhardware = ['h100']\n[[phases]]\nname = 'measure'\n",
        )
        .expect("it is right");
        assert_eq!(topic.prefix.expect("it has one").as_str(), "MOE");
        assert_eq!(topic.accept[0].to_string(), "step_time <= -8%");
        assert_eq!((topic.no_guard, topic.trials), (None, Some(7)));
        assert_eq!(topic.scope["seeds"], ["1", "2"]);
        assert_eq!(topic.phases[0].name, "measure");
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        insta::assert_snapshot!(read("goals = 'x'").expect_err("wrong"), @"line 1, column 1: unknown key `goals`; did you mean `goal`?");
        insta::assert_snapshot!(read("goal = 'x'\naccept = ['fast']").expect_err("wrong"), @"line 2, column 10: `['fast']` in `accept`: `fast` cannot be read: it has neither `<=` nor `>=`");
        insta::assert_snapshot!(read("trials = 0").expect_err("wrong"), @"line 1, column 10: in `trials`: invalid value: integer `0`, expected a nonzero u32");
        insta::assert_snapshot!(read("[scope]\nseeds = [[1]]").expect_err("wrong"), @"line 2, column 9: `[[1]]` in `scope.seeds`: expected a text or a number");
    }
}
