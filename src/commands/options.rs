//! Options that several commands share.

use clap::Args;

use crate::domain::brief::{Brief, Budget};
use crate::domain::criterion::Criterion;
use crate::domain::quantity::parse_budget;
use crate::domain::statistics::FEWEST_FOR_AN_INTERVAL;
use crate::error::Error;

/// What a brief promises, as options.
#[derive(Args, Debug, Default)]
pub struct BriefOptions {
    /// What you believe, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub hypothesis: Option<String>,

    /// The one thing you change
    #[arg(long, value_name = "TEXT")]
    pub change: Option<String>,

    /// What it is compared with: an experiment, a named baseline or a revision
    #[arg(long, value_name = "BASELINE")]
    pub baseline: Option<String>,

    /// What must hold for it to be accepted, as 'step_time <= -8%'; the first names the primary metric
    #[arg(long, value_name = "CRITERION")]
    pub accept: Vec<String>,

    /// What must not get worse, as 'val_loss <= +0.2%'
    #[arg(long, value_name = "CRITERION")]
    pub guard: Vec<String>,

    /// Why there is no guardrail
    #[arg(long, value_name = "WHY", conflicts_with = "guard")]
    pub no_guard: Option<String>,

    /// How many trials are planned for each side
    #[arg(long, value_name = "N")]
    pub trials: Option<u32>,

    /// Numbers of trials after which you look and may accept, as 5,10,20; the last is the plan
    #[arg(long, value_name = "N,N…", value_delimiter = ',')]
    pub looks: Vec<u32>,

    /// What it may cost, as wall=2h,accelerator=1h,runs=40
    #[arg(long, value_name = "BUDGET")]
    pub budget: Option<String>,

    /// Who answers for it; you, unless said otherwise
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,

    /// Further remarks
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,

    /// The dataset and its version
    #[arg(long, value_name = "TEXT")]
    pub dataset: Option<String>,

    /// A path that the change may touch; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<String>,
}

impl BriefOptions {
    /// Whether none of them was given.
    pub fn is_empty(&self) -> bool {
        let texts = [
            &self.hypothesis,
            &self.change,
            &self.baseline,
            &self.no_guard,
            &self.budget,
            &self.owner,
            &self.notes,
            &self.dataset,
        ];
        texts.iter().all(|text| text.is_none())
            && self.accept.is_empty()
            && self.guard.is_empty()
            && self.paths.is_empty()
            && self.trials.is_none()
            && self.looks.is_empty()
    }

    /// Puts what was given into `brief`.
    pub fn apply(self, brief: &mut Brief) -> Result<(), Error> {
        let replace = |field: &mut Option<String>, text: Option<String>| {
            if text.is_some() {
                *field = text;
            }
        };
        replace(&mut brief.hypothesis, self.hypothesis);
        replace(&mut brief.change, self.change);
        replace(&mut brief.baseline, self.baseline);
        replace(&mut brief.owner, self.owner);
        replace(&mut brief.notes, self.notes);
        replace(&mut brief.dataset, self.dataset);
        if !self.accept.is_empty() {
            brief.accept = criteria(&self.accept)?;
        }
        if !self.guard.is_empty() {
            brief.guard = criteria(&self.guard)?;
            brief.no_guard = None;
        }
        if let Some(why) = self.no_guard {
            brief.guard.clear();
            brief.no_guard = Some(why);
        }
        if let Some(trials) = self.trials {
            if self.looks.last().is_some_and(|last| *last != trials) {
                return Err(Error::request(format!(
                    "{trials} trials are planned, and the last look is another"
                ))
                .hint("leave `--trials` out: the last look is the plan"));
            }
            if trials == 0 {
                return Err(Error::request("cannot plan 0 trials").hint("say `--trials 5`, or leave it out"));
            }
            brief.trials = Some(trials);
            // A new plan has no looks but those that are given with it.
            brief.looks.clear();
        }
        if !self.looks.is_empty() {
            brief.looks = self.looks;
            brief.trials = brief.looks.last().copied();
        }
        check_looks(brief)?;
        if let Some(text) = self.budget {
            brief.budget = budget(&text)?;
        }
        if !self.paths.is_empty() {
            brief.paths = self.paths;
        }
        Ok(())
    }
}

/// Refuses looks that do not rise to the plan.
pub fn check_looks(brief: &Brief) -> Result<(), Error> {
    let Some(last) = brief.looks.last() else { return Ok(()) };
    let fewest = FEWEST_FOR_AN_INTERVAL;
    if brief.looks[0] as usize >= fewest
        && brief.looks.windows(2).all(|pair| pair[0] < pair[1])
        && brief.trials.is_none_or(|trials| trials == *last)
    {
        return Ok(());
    }
    let shown: Vec<String> = brief.looks.iter().map(ToString::to_string).collect();
    Err(Error::request(format!("cannot plan the looks {}", shown.join(",")))
        .because(format!("they begin at {fewest} trials or more, rise, and end at the planned trials"))
        .hint("write them as `--looks 5,10,20`"))
}

/// The criteria that `texts` spell.
pub fn criteria(texts: &[String]) -> Result<Vec<Criterion>, Error> {
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|error| {
                Error::request(format!("cannot read the criterion `{text}`"))
                    .because(error)
                    .hint("write it as `step_time <= -8%`, `acc >= base - 0.002` or `val_loss <= 3.0`")
            })
        })
        .collect()
}

/// The budget that `text` spells.
pub fn budget(text: &str) -> Result<Budget, Error> {
    parse_budget(text).map_err(|error| {
        Error::request(format!("cannot read the budget `{text}`"))
            .because(error)
            .hint("write it as `wall=2h`, `accelerator=90m` or `runs=40`, with commas between")
    })
}

/// The two sides of `name=value`.
pub fn assignment<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), Error> {
    text.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(|| {
        Error::request(format!("cannot read `{option} {text}`"))
            .because("there is no `=` in it")
            .hint(format!("write it as `{option} name=value`"))
    })
}
