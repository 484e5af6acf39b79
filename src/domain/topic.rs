//! Topics: lines of research.

use std::collections::BTreeMap;

use super::brief::Budget;
use super::criterion::Criterion;
use super::id::{Prefix, TopicName};

/// A line of research: a goal, metrics, variants in scope, stop criteria, an ID prefix, named baselines.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// What its experiments' numbers follow.
    pub prefix: Option<Prefix>,
    /// What it wants to find out or reach.
    pub goal: Option<String>,
    /// What is wrong today, and for whom.
    pub problem: Option<String>,
    /// What must hold whatever is tried.
    pub constraints: Vec<String>,
    /// What success is measured by, in words; the criteria say it in numbers.
    pub success: Vec<String>,
    /// What is believed at the start.
    pub hypotheses: Vec<String>,
    /// The first experiments: an axis and its values, or a line of words.
    pub matrix: Vec<String>,
    /// Where the code is that matters: paths and addresses.
    pub code: Vec<String>,
    /// What is done in which order.
    pub phases: Vec<Phase>,
    /// Criteria that its experiments take over.
    pub accept: Vec<Criterion>,
    /// Guardrails that its experiments take over.
    pub guard: Vec<Criterion>,
    /// Why there is no guardrail, where there is none.
    pub no_guard: Option<String>,
    /// The number of trials that each of its experiments plans.
    pub trials: Option<u32>,
    /// The budget that each of its experiments takes over.
    pub budget: Budget,
    /// Named baselines: name, then experiment or revision.
    pub baselines: BTreeMap<String, String>,
    /// When to stop, in words or as criteria.
    pub stop: Vec<String>,
    /// What the results must hold over: `seeds`, `cases`, `hardware`, each with its values.
    pub scope: BTreeMap<String, Vec<String>>,
    /// Pages elsewhere: name, then address.
    pub links: BTreeMap<String, String>,
    /// The evaluation code as it was when the topic began.
    pub evaluation: Option<EvaluationPin>,
    /// How it ended, if it did.
    pub closing: Option<Closing>,
}

/// A part of a topic's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// What is to be reached in it.
    pub goal: Option<String>,
    /// When it is over, in words or as a criterion.
    pub until: Option<String>,
}

/// The evaluation code as it was at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationPin {
    /// What belongs to it, as patterns.
    pub paths: Vec<String>,
    /// The BLAKE3 over the paths, modes and contents of its files, in hex.
    pub digest: String,
}

/// What a topic came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// What worked, each with what shows it.
    pub worked: Vec<String>,
    /// What did not, each with what shows it.
    pub failed: Vec<String>,
    /// How far the results hold.
    pub limits: Vec<String>,
    /// What is to be done next, in order.
    pub next: Vec<String>,
    /// How the work itself went, and what to do differently.
    pub retrospective: Vec<String>,
}

impl Topic {
    /// A topic that says nothing but its name.
    pub fn named(name: TopicName) -> Self {
        Self {
            name,
            prefix: None,
            goal: None,
            problem: None,
            constraints: Vec::new(),
            success: Vec::new(),
            hypotheses: Vec::new(),
            matrix: Vec::new(),
            code: Vec::new(),
            phases: Vec::new(),
            accept: Vec::new(),
            guard: Vec::new(),
            no_guard: None,
            trials: None,
            budget: Budget::default(),
            baselines: BTreeMap::new(),
            stop: Vec::new(),
            scope: BTreeMap::new(),
            links: BTreeMap::new(),
            evaluation: None,
            closing: None,
        }
    }
}
