//! The rules that were not kept, as `check` tells them.

use serde::Serialize;

use super::text::harmless;
use super::{Canvas, Tone};
use crate::domain::breach::Breach;

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
