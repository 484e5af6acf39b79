//! The rules that `check` holds an experiment, a topic and a machine to, but for those about files.
//!
//! Each gives its breaches from values that somebody else has read.

pub mod determinism;
pub mod done;
pub mod hygiene;
pub mod likeness;
pub mod noise;
pub mod posting;
pub mod promise;

use super::file_rules;
use super::policy::Rules;
use super::rule_override::RuleOverride;
use super::state::{ExperimentState, OverrideOf};

/// A rule, and when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as `one-axis`.
    pub name: &'static str,
    /// When it is looked at.
    pub when: When,
    /// What breaks it, as a clause.
    pub broken_by: &'static str,
}

/// When a rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before a commit, too.
    Commit,
    /// Whenever an experiment is checked.
    Experiment,
    /// Whenever anything but commits alone is checked.
    Machine,
    /// When an experiment is decided, or `--done` asks.
    Done,
    /// When `--posting` asks.
    Posting,
    /// When `--closing` asks about a topic.
    Closing,
    /// When `--metric` asks.
    Metric,
}

impl When {
    /// The word for it in output: the option that asks, where one must.
    pub fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Experiment => "experiment",
            Self::Machine => "machine",
            Self::Done => "--done",
            Self::Posting => "--posting",
            Self::Closing => "--closing",
            Self::Metric => "--metric",
        }
    }
}

const fn rule(name: &'static str, when: When, broken_by: &'static str) -> Rule {
    Rule { name, when, broken_by }
}

/// The rule that `exp.toml` can be read.
pub const CONFIGURATION: &str = "configuration";

/// Every rule, in the order in which they are looked at.
pub const RULES: &[Rule] = &[
    rule(CONFIGURATION, When::Commit, "a configuration that cannot be read"),
    rule(file_rules::FROZEN, When::Commit, "any change of a frozen file"),
    rule(file_rules::APPEND_ONLY, When::Commit, "a file that does not keep all that was there"),
    rule(file_rules::MAIN_ONLY, When::Commit, "a change on another branch than the main one"),
    rule(file_rules::OWNED, When::Commit, "a change without the approval of the file's owner"),
    rule(promise::BRIEF, When::Experiment, "a brief that does not say everything it has to"),
    rule(promise::SCOPE, When::Experiment, "a changed file outside the paths that the brief declares"),
    rule(likeness::BASELINE, When::Experiment, "runs that cannot be compared with the baseline of the brief"),
    rule(
        likeness::LIKE_WITH_LIKE,
        When::Experiment,
        "inputs, data or an environment that the baseline did not have",
    ),
    rule(likeness::HARDWARE, When::Experiment, "hardware that is not noted, or not that of the baseline"),
    rule(
        likeness::ONE_AXIS,
        When::Experiment,
        "more than one difference to the baseline: code, command, parameters, configuration …",
    ),
    rule(
        likeness::SEEDS,
        When::Experiment,
        "seeds that one side has and the other has not, or that the topic's scope asks for in vain",
    ),
    rule(likeness::TRIALS, When::Experiment, "fewer trials than were planned"),
    rule(
        likeness::CONTENTION,
        When::Experiment,
        "a machine that had something else to do when a compared run began",
    ),
    rule(likeness::EXACT_CODE, When::Experiment, "code that is not exactly what was recorded"),
    rule(
        likeness::EVALUATION,
        When::Experiment,
        "evaluation code that is another one than when the topic began",
    ),
    rule(
        determinism::DETERMINISM,
        When::Experiment,
        "a quality that differs between runs of the same code, data and seed",
    ),
    rule(posting::CONFLICT, When::Experiment, "two entries that claim to be in force at once"),
    rule(
        hygiene::STALE_PROCESS,
        When::Machine,
        "a process on an accelerator that belongs to no run under way",
    ),
    rule(hygiene::STALE_LOCK, When::Machine, "a lock file of Git that has stood for ten minutes"),
    rule(hygiene::DEAD_RUN, When::Machine, "a run whose process died, and that nobody recorded yet"),
    rule(hygiene::DEVICE_COUNT, When::Machine, "another number of accelerators than the baseline ran with"),
    rule(done::BASELINE_RESULT, When::Done, "a baseline without a result"),
    rule(done::RESULT, When::Done, "an experiment without a result"),
    rule(done::DECISION, When::Done, "no decision, or one that does not say what is next"),
    rule(
        done::REGRESSION,
        When::Done,
        "a metric that got worse, in an accepted experiment whose reason does not name it",
    ),
    rule(posting::VERDICT, When::Posting, "numbers that are unclear, where nobody decided either"),
    rule(
        posting::CONFIDENCE,
        When::Posting,
        "an acceptance on exploratory evidence whose reason does not say so",
    ),
    rule(posting::LOGBOOK, When::Posting, "a logbook of the topic that lacks what happened"),
    rule(posting::UNDECIDED, When::Closing, "an experiment that is under way or not decided"),
    rule(posting::NAMED_BASELINE, When::Closing, "a topic that names no baseline"),
    rule(posting::STOP_CRITERIA, When::Closing, "a topic that does not say when to stop"),
    rule(noise::METRIC, When::Metric, "a metric that is not declared, or lacks its direction or kind"),
    rule(noise::BASELINE_RUNS, When::Metric, "fewer than three runs of the baseline that report it"),
    rule(
        noise::NOISE_FLOOR,
        When::Metric,
        "a spread from run to run that is not below the effects that matter",
    ),
];

/// The rules that somebody with the role may set aside for a whole experiment, besides those about files.
pub const OF_EXPERIMENTS: [&str; 2] = [likeness::ONE_AXIS, promise::SCOPE];

/// What set `rule` aside for `experiment`, by people who still may.
pub fn set_aside<'a>(
    overrides: &'a [OverrideOf],
    rule: &str,
    experiment: &ExperimentState,
    rules: &Rules,
) -> Vec<&'a RuleOverride> {
    let registration = experiment.registration();
    let is_about = |it: &RuleOverride| match it.registration {
        Some(given) => Some(given) == registration,
        None => it.topic.is_some() && it.topic.as_ref() == experiment.topic(),
    };
    overrides
        .iter()
        .filter(|given| given.it.rule == rule && is_about(&given.it))
        .filter(|given| rules.breach_of_override(&given.by).is_none())
        .map(|given| &given.it)
        .collect()
}

/// The first few of many, and how many there are besides: `a, b, c and 4 more`.
fn few(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 5;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_in_kebab_case() {
        for (place, rule) in RULES.iter().enumerate() {
            assert!(rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.name);
            assert!(!RULES[place + 1..].iter().any(|other| other.name == rule.name), "{}", rule.name);
        }
    }

    #[test]
    fn what_can_be_set_aside_is_a_rule() {
        for name in OF_EXPERIMENTS.iter().chain(&file_rules::NAMES) {
            assert!(RULES.iter().any(|rule| rule.name == *name), "{name}");
        }
    }

    #[test]
    fn of_many_a_few_are_named() {
        assert_eq!(few(&["a", "b"]), "a, b");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
