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
    /// Criteria that its experiments take over.
    pub accept: Vec<Criterion>,
    /// Guardrails that its experiments take over.
    pub guard: Vec<Criterion>,
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
}
