//! The rules that were not kept, as `check` tells them.

use serde::Serialize;

use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone};
use crate::domain::breach::Breach;
use crate::domain::check::{RULES, Rule};

/// What `check` found.
#[derive(Clone, Debug, Default)]
pub struct CheckView {
    /// The experiment that was looked at.
    pub experiment: Option<String>,
    /// Every rule that was not kept.
    pub breaches: Vec<Breach>,
    /// What is to be known besides.
    pub notes: Vec<String>,
}

/// The same, for scripts.
#[derive(Serialize, Debug)]
pub struct CheckJson<'a> {
    schema: &'static str,
    experiment: Option<&'a str>,
    breaches: Vec<BreachJson<'a>>,
    notes: &'a [String],
}

/// A rule that was not kept, for scripts.
#[derive(Serialize, Debug)]
pub struct BreachJson<'a> {
    rule: &'a str,
    what: &'a str,
    mend: &'a str,
}

impl<'a> From<&'a Breach> for BreachJson<'a> {
    fn from(breach: &'a Breach) -> Self {
        Self { rule: &breach.rule, what: &breach.what, mend: &breach.mend }
    }
}

impl<'a> From<&'a CheckView> for CheckJson<'a> {
    fn from(view: &'a CheckView) -> Self {
        Self {
            schema: "git-exp/check/1",
            experiment: view.experiment.as_deref(),
            breaches: view.breaches.iter().map(BreachJson::from).collect(),
            notes: &view.notes,
        }
    }
}

/// Every rule, for scripts.
#[derive(Serialize, Debug)]
pub struct RulesJson {
    schema: &'static str,
    rules: Vec<RuleJson>,
}

/// A rule, for scripts.
#[derive(Serialize, Debug)]
pub struct RuleJson {
    rule: &'static str,
    when: &'static str,
    broken_by: &'static str,
}

impl RulesJson {
    /// Every rule there is.
    pub fn new() -> Self {
        let json = |it: &Rule| RuleJson { rule: it.name, when: it.when.word(), broken_by: it.broken_by };
        Self { schema: "git-exp/check-rules/1", rules: RULES.iter().map(json).collect() }
    }
}

impl Default for RulesJson {
    fn default() -> Self {
        Self::new()
    }
}

/// Every rule in a table: its name, when it is looked at, and what breaks it.
pub fn rules(canvas: &Canvas) -> String {
    let columns = [("rule", Align::Left), ("when", Align::Left), ("is broken by", Align::Left)];
    let mut table = Table::new(columns);
    for rule in RULES {
        table.push(vec![Cell::new(rule.name), Cell::new(rule.when.word()), Cell::new(rule.broken_by)]);
    }
    let mut page = Page::default();
    page.table(&table, canvas);
    page.text
}

/// Every breach with what to do about it, or that there is none.
pub fn text(view: &CheckView, canvas: &Canvas) -> String {
    if view.breaches.is_empty() {
        return "no breaches\n".to_owned();
    }
    let lines = view.breaches.iter().map(|breach| {
        let rule = canvas.style.paint(Tone::Bad, &harmless(&breach.rule));
        format!("{rule}  {}\n  {}\n", harmless(&breach.what), harmless(&breach.mend))
    });
    lines.collect()
}
