//! Briefs: what an experiment promises before it runs.

use super::criterion::Criterion;

/// What an experiment promises before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brief {
    /// What is believed, in one or two sentences.
    pub hypothesis: Option<String>,
    /// The one thing that is changed.
    pub change: Option<String>,
    /// What it is compared with: an experiment, a named baseline or a revision.
    pub baseline: Option<String>,
    /// What must hold for it to be accepted; the first names the primary metric.
    pub accept: Vec<Criterion>,
    /// What must not get worse.
    pub guard: Vec<Criterion>,
    /// Why there is no guardrail.
    pub no_guard: Option<String>,
    /// How many trials are planned for each side.
    pub trials: Option<u32>,
    /// Numbers of trials after which one looks, rising; the last is the plan. Empty where one looks at the end only.
    pub looks: Vec<u32>,
    /// What it may cost.
    pub budget: Budget,
    /// Who answers for it, as Git names them.
    pub owner: Option<String>,
    /// Further remarks.
    pub notes: Option<String>,
    /// The dataset and its version, where it matters.
    pub dataset: Option<String>,
    /// Paths that the change may touch; empty when not said.
    pub paths: Vec<String>,
}

/// What an experiment may cost; a field that is absent has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Wall-clock seconds over all its runs.
    pub wall_seconds: Option<f64>,
    /// Accelerator seconds over all its runs.
    pub accelerator_seconds: Option<f64>,
    /// How many runs it may have.
    pub runs: Option<u64>,
}

impl Budget {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The planned trials of a brief that does not say.
pub const DEFAULT_TRIALS: u32 = 5;

impl Brief {
    /// The fields that are missing for it to be complete, each with the option that sets it.
    pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
        let mut missing = Vec::new();
        if blank(&self.hypothesis) {
            missing.push(("hypothesis", "--hypothesis \"…\""));
        }
        if blank(&self.change) {
            missing.push(("change", "--change \"…\""));
        }
        if blank(&self.baseline) {
            missing.push(("baseline", "--baseline <experiment, named baseline or revision>"));
        }
        if self.accept.is_empty() {
            missing.push(("acceptance criterion", "--accept 'step_time <= -8%'"));
        }
        if self.guard.is_empty() && blank(&self.no_guard) {
            missing.push(("guardrail", "--guard 'val_loss <= +0.2%' or --no-guard \"why\""));
        }
        if self.budget.is_empty() {
            missing.push(("budget", "--budget wall=2h"));
        }
        missing
    }

    /// The planned trials, with the default where it does not say.
    pub fn planned_trials(&self) -> u32 {
        self.looks.last().copied().or(self.trials).unwrap_or(DEFAULT_TRIALS)
    }
}
