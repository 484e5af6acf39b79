//! Whether a comparison shows a regression: what continuous integration asks.

use std::collections::BTreeSet;

use super::{Check, Comparison, Role, Row};
use crate::domain::failure_rate::FAILURE_RATE;
use crate::domain::metric::BUILT_IN;
use crate::domain::statistics::noninferiority::Answer;
use crate::domain::verdict::Verdict;

/// What a comparison says of regressions.
#[derive(Clone, Debug)]
pub struct Regression<'a> {
    /// Whether there is none that is proven.
    pub is_absent: Check,
    /// The rows that prove one.
    pub proof: Vec<&'a Row>,
    /// The metrics that were looked at.
    pub metrics: Vec<String>,
    /// Those of them that did not come from both sides.
    pub lacking: Vec<String>,
}

impl Comparison<'_> {
    /// Whether the candidate is shown to be worse in one of `metrics`.
    ///
    /// Where none are named, those count that guardrails are about, else those that the runs reported themselves and that have a
    /// direction, else the wall time. A metric with a guardrail is worse when the guardrail is shown to fail, any other when its verdict
    /// is `worse` and the effect is not shown to be negligible. More failing trials are a regression in any case.
    pub fn regression(&self, metrics: &[String]) -> Regression<'_> {
        let metrics = self.asked(metrics);
        let guards = || self.answers.iter().filter(|it| it.role == Role::Guard);
        let is_guarded = |row: &Row| guards().any(|it| it.criterion.metric == row.name);
        let fails =
            |row: &Row| guards().any(|it| it.criterion.metric == row.name && it.answer == Answer::Fails);
        let seems_worse = |row: &Row| row.verdict == Some(Verdict::Worse) && !row.is_negligible;
        let is_asked = |row: &&Row| metrics.contains(row.name.as_str());
        let proof: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| match is_guarded(row) {
                true => row.case.is_none() && fails(row),
                false => {
                    (is_asked(row) || row.name == FAILURE_RATE) && seems_worse(row) && !row.is_exploratory
                }
            })
            .collect();
        let asked = || self.rows.iter().filter(|row| is_asked(row) && row.verdict.is_some());
        let is_told = metrics
            .iter()
            .all(|name| asked().any(|row| row.name == *name && row.case.is_none() && row.interval.is_some()));
        let is_absent = match proof.is_empty() {
            false => Check::No,
            true if metrics.is_empty()
                || !is_told
                || asked().any(|row| seems_worse(row) && !is_guarded(row)) =>
            {
                Check::Unknown
            }
            true => Check::Yes,
        };
        let is_there = |name: &&str| {
            self.rows.iter().any(|row| row.name == **name && row.case.is_none() && row.delta.is_some())
        };
        let lacking = metrics.iter().filter(|name| !is_there(name)).map(|name| (*name).to_owned()).collect();
        Regression { is_absent, proof, lacking, metrics: metrics.into_iter().map(str::to_owned).collect() }
    }

    /// The metrics that are looked at.
    fn asked<'a>(&'a self, named: &'a [String]) -> BTreeSet<&'a str> {
        let guarded = self.answers.iter().map(|it| it.criterion.metric.as_str());
        let asked: BTreeSet<&str> = named.iter().map(String::as_str).chain(guarded).collect();
        if !asked.is_empty() {
            return asked;
        }
        let is_built_in = |row: &Row| BUILT_IN.iter().any(|(name, _)| *name == row.name);
        let own: BTreeSet<&str> = self
            .rows
            .iter()
            .filter(|row| row.better.is_some() && !is_built_in(row) && row.name != FAILURE_RATE)
            .map(|row| row.name.as_str())
            .collect();
        match own.is_empty() {
            true => BTreeSet::from(["wall_time"]),
            false => own,
        }
    }
}
