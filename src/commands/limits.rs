//! What a run may still cost, and what stops it while it is under way.
//!
//! A run is charged to the experiment it belongs to, the baseline's runs of a pair to the baseline's. Runs that are under way
//! elsewhere in this clone count with the time they took so far.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::progress::Watch;
use crate::config::BudgetRules;
use crate::context::Context;
use crate::domain::brief::Budget;
use crate::domain::id::{EntryId, Nonce};
use crate::domain::number::counted;
use crate::domain::quantity::budget_text;
use crate::domain::run::{Membership, Run};
use crate::domain::spending::Spending;
use crate::domain::state::{ExperimentState, Tally};
use crate::domain::stop_guard::{Newest, StopGuard};
use crate::error::Error;
use crate::log::layout::Folders;
use crate::log::running::{self, Running};
use crate::render::time;
use crate::runner::{Event, Observer, Progress, Redactor, accelerators_in_sight};

/// The exit status where the budget let fewer trials run than were asked for, and those that ran went well.
pub const NOT_ALL_RAN: i32 = 125;

/// How often other runs of the experiment are looked at while one is under way.
const LOOK: Duration = Duration::from_secs(5);

/// Ticks further apart than this say that nobody watched meanwhile, as when the command was stopped at the terminal.
const UNWATCHED: Duration = Duration::from_secs(2);

/// What the runs of `experiment` have cost, those of `running` that are under way included.
pub fn spending(experiment: &ExperimentState, running: &[Running], now: Timestamp) -> Spending {
    let registration = experiment.registration();
    let is_own = |it: &&Running| {
        it.is_alive() && registration.is_some() && it.run.membership.registration == registration
    };
    running.iter().filter(is_own).fold(Spending::of(&experiment.runs), |spending, it| {
        spending.with_run(seconds_since(&it.run, now), it.run.accelerators)
    })
}

/// Seconds since the run began; none where the clock was set back.
fn seconds_since(run: &Run, now: Timestamp) -> f64 {
    now.duration_since(run.started).as_secs_f64().max(0.0)
}

/// How many accelerators a run under `rules` is charged for, where `seen` are there.
pub fn charged_accelerators(rules: &BudgetRules, seen: u32) -> u32 {
    rules.accelerators.unwrap_or(seen)
}

/// The budget of a registered experiment, and what its runs have cost so far.
pub struct Account {
    name: String,
    budget: Budget,
    tally: Tally,
    /// What the runs in the log cost.
    logged: Spending,
    others: Others,
}

impl Account {
    /// The account of the experiment that a run belongs to; `None` for a day's scratch, which has no budget.
    pub fn open(context: &Context, membership: &Membership) -> Result<Option<Self>, Error> {
        let Some(registration) = membership.registration else { return Ok(None) };
        // First what is under way, then the log: a run that ends in between is in both, and taken out of the first.
        let folders = context.log.folders();
        let running = running::list(folders)?;
        let mut index = context.log.index()?;
        let state = context.log.state(&mut index)?;
        let is_it = |it: &&ExperimentState| it.registered.as_ref().is_some_and(|it| it.entry == registration);
        let Some(experiment) = state.experiments.iter().find(is_it) else { return Ok(None) };
        let Some(brief) = experiment.brief() else { return Ok(None) };
        let mut others = Others::of(folders.clone(), registration);
        let now = context.now();
        for it in running {
            if others.concerns(&it) && !context.log.has_nonce(&mut index, &it.nonce)? {
                others.begin(&it, seconds_since(&it.run, now), Duration::ZERO);
            }
        }
        Ok(Some(Self {
            name: experiment.name(),
            budget: brief.budget,
            tally: experiment.runs.clone(),
            logged: Spending::of(&experiment.runs),
            others,
        }))
    }

    /// What the experiment's runs have cost `elapsed` after the account was opened.
    fn spending(&self, elapsed: Duration) -> Spending {
        self.others.known.values().fold(self.logged, |spending, other| {
            spending.with_run(other.seconds(elapsed), other.accelerators)
        })
    }

    /// Refuses a run of an experiment whose budget is spent.
    pub fn refuse_if_spent(&self) -> Result<(), Error> {
        let spending = self.spending(Duration::ZERO);
        let spent = self.budget.spent_by(&spending);
        if spent.is_empty() {
            return Ok(());
        }
        let mut error = Error::request(format!("cannot run `{}`, because its budget is spent", self.name));
        if let Some(all) = spent.wall_seconds {
            let used = time::elapsed(spending.wall_seconds);
            error = error.because(format!("its runs took {used} of {} wall time", time::elapsed(all)));
        }
        if let Some(all) = spent.accelerator_seconds {
            let used = time::elapsed(spending.accelerator_seconds);
            error = error.because(format!("its runs took {used} of {} accelerator time", time::elapsed(all)));
        }
        if let Some(all) = spent.runs {
            error = error.because(format!("it has {} of {}", spending.runs, runs_in_words(all)));
        }
        let more = Budget {
            wall_seconds: spent.wall_seconds.map(|all| all * 2.0).or(self.budget.wall_seconds),
            accelerator_seconds: spent
                .accelerator_seconds
                .map(|all| all * 2.0)
                .or(self.budget.accelerator_seconds),
            runs: spent.runs.map(|all| all.saturating_mul(2)).or(self.budget.runs),
        };
        Err(error.hint(format!(
            "`git exp brief {} --budget {}` amends it, which every view shows from then on",
            self.name,
            budget_text(more)
        )))
    }

    /// One line on what is left, and on what `trials` are expected to take on so many accelerators each.
    fn forecast(&self, trials: u32, accelerators: u32) -> String {
        let spending = self.spending(Duration::ZERO);
        let mut left = Vec::new();
        let part = |all: f64, spent: f64, what: &str| {
            format!("{} of {} {what}", time::elapsed(all - spent), time::elapsed(all))
        };
        if let Some(all) = self.budget.wall_seconds {
            left.push(part(all, spending.wall_seconds, "wall time"));
        }
        if let Some(all) = self.budget.accelerator_seconds {
            left.push(part(all, spending.accelerator_seconds, "accelerator time"));
        }
        if let Some(all) = self.budget.runs {
            left.push(format!("{} of {}", all.saturating_sub(spending.runs), runs_in_words(all)));
        }
        let mut text = format!("budget of {}: {} left", self.name, left.join(", "));
        let possible = self.possible(trials);
        if possible < trials {
            text.push_str(&format!("; only {possible} of {trials} trials can run"));
        }
        if let Some(mean) = self.tally.mean_wall_seconds() {
            let expected = (0..possible).fold(Spending::default(), |it, _| it.with_run(mean, accelerators));
            let mut takes = time::elapsed(expected.wall_seconds);
            if accelerators > 0 {
                takes.push_str(&format!(
                    " and {} of accelerator time",
                    time::elapsed(expected.accelerator_seconds)
                ));
            }
            text.push_str(&match possible {
                1 => format!("; a trial is expected to take {takes}"),
                _ => format!(
                    "; {possible} trials of about {} are expected to take {takes}",
                    time::elapsed(mean)
                ),
            });
            let after = Spending {
                wall_seconds: spending.wall_seconds + expected.wall_seconds,
                accelerator_seconds: spending.accelerator_seconds + expected.accelerator_seconds,
                runs: 0,
            };
            if !self.budget.time_spent_by(&after).is_empty() {
                text.push_str(", which is more than is left");
            }
        }
        text
    }

    /// What `trials` will cost on so many accelerators each: by those before them, else all that is left.
    pub fn expected(&self, trials: u32, accelerators: u32) -> Budget {
        let runs = Some(u64::from(trials));
        if let Some(mean) = self.tally.mean_wall_seconds() {
            let expected = (0..trials).fold(Spending::default(), |it, _| it.with_run(mean, accelerators));
            return Budget {
                wall_seconds: Some(expected.wall_seconds),
                accelerator_seconds: Some(expected.accelerator_seconds),
                runs,
            };
        }
        let spending = self.spending(Duration::ZERO);
        let left = |all: Option<f64>, spent: f64| all.map(|all| (all - spent).max(0.0));
        Budget {
            wall_seconds: left(self.budget.wall_seconds, spending.wall_seconds),
            accelerator_seconds: left(self.budget.accelerator_seconds, spending.accelerator_seconds),
            runs,
        }
    }

    /// How many of `trials` the number of runs in the budget lets start.
    fn possible(&self, trials: u32) -> u32 {
        let left = self.budget.runs.map(|all| all.saturating_sub(self.spending(Duration::ZERO).runs));
        left.map_or(trials, |left| trials.min(u32::try_from(left).unwrap_or(u32::MAX)))
    }
}

/// Says what is left of the budget of the experiment that `trials` are about to run for, and what they will take.
///
/// Gives how many of them may start at most; an error where the budget is spent.
pub fn announce(
    context: &mut Context,
    membership: &Membership,
    rules: &BudgetRules,
    trials: u32,
) -> Result<u32, Error> {
    let Some(account) = Account::open(context, membership)? else { return Ok(trials) };
    account.refuse_if_spent()?;
    let accelerators = rules.accelerators.unwrap_or_else(accelerators_in_sight);
    context.output.say(&account.forecast(trials, accelerators));
    Ok(account.possible(trials))
}

/// The same for pairs, whose sides pay from two budgets; a warm-up costs what a run costs.
pub fn announce_pairs(
    context: &mut Context,
    baseline: &Membership,
    candidate: &Membership,
    rules: &BudgetRules,
    pairs: u32,
) -> Result<u32, Error> {
    let runs = pairs.saturating_add(1);
    let possible = announce(context, baseline, rules, runs)?.min(announce(context, candidate, rules, runs)?);
    match possible.saturating_sub(1).min(pairs) {
        0 => Err(Error::request("the budget leaves no pair to run")
            .because("a pair takes one run of each side, and so does the warm-up before the first")
            .hint("`git exp brief <experiment> --budget runs=…` amends it")),
        possible => Ok(possible),
    }
}

/// Whether no further trial may start, for the reason in `no_more`, where one would follow; says so.
pub fn ends_here(context: &mut Context, no_more: Option<&str>, would_go_on: bool) -> bool {
    match no_more {
        Some(why) if would_go_on => {
            context.output.say(&format!("{why}; no further trial starts"));
            true
        }
        _ => false,
    }
}

/// Parts of a budget as people say them: `2 h wall time and 40 runs`.
fn in_words(parts: Budget) -> String {
    let wall = parts.wall_seconds.map(|all| format!("{} wall time", time::elapsed(all)));
    let accelerator = parts.accelerator_seconds.map(|all| format!("{} accelerator time", time::elapsed(all)));
    let parts = [wall, accelerator, parts.runs.map(runs_in_words)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn runs_in_words(count: u64) -> String {
    counted(count, "run")
}

/// Runs of one experiment that are under way elsewhere in this clone.
struct Others {
    folders: Folders,
    registration: EntryId,
    /// The run that is being watched, which is none of them.
    own: Option<Nonce>,
    known: HashMap<Nonce, Other>,
    looked: Duration,
}

/// A run that is, or was, under way elsewhere; times are since the account was opened.
struct Other {
    accelerators: u32,
    /// How long it had taken when it was seen first, in seconds.
    before: f64,
    since: Duration,
    ended: Option<Duration>,
}

impl Other {
    fn seconds(&self, elapsed: Duration) -> f64 {
        self.before + self.ended.unwrap_or(elapsed).saturating_sub(self.since).as_secs_f64()
    }
}

impl Others {
    fn of(folders: Folders, registration: EntryId) -> Self {
        Self { folders, registration, own: None, known: HashMap::new(), looked: Duration::ZERO }
    }

    fn concerns(&self, running: &Running) -> bool {
        running.is_alive()
            && self.own != Some(running.nonce)
            && running.run.membership.registration == Some(self.registration)
    }

    fn begin(&mut self, running: &Running, before: f64, since: Duration) {
        let accelerators = running.run.accelerators;
        self.known.entry(running.nonce).or_insert(Other { accelerators, before, since, ended: None });
    }

    /// Takes in which runs began or ended meanwhile; a look that fails changes nothing.
    fn look(&mut self, elapsed: Duration) {
        if elapsed.saturating_sub(self.looked) < LOOK {
            return;
        }
        let Ok(running) = running::list(&self.folders) else { return };
        let running: Vec<Running> = running.into_iter().filter(|it| self.concerns(it)).collect();
        for (nonce, other) in &mut self.known {
            if other.ended.is_none() && !running.iter().any(|it| it.nonce == *nonce) {
                other.ended = Some(elapsed);
            }
        }
        let last_look = self.looked;
        for it in &running {
            self.begin(it, 0.0, last_look);
        }
        self.looked = elapsed;
    }
}

/// Watches a run, and says when it must be stopped.
pub struct Guarded<'a> {
    watch: Watch,
    account: Option<Account>,
    guards: &'a [StopGuard],
    accelerators: u32,
    redactor: &'a Redactor,
    has_news: bool,
    /// When it last wrote anything.
    heard: Duration,
    asked: Duration,
}

impl<'a> Guarded<'a> {
    /// Puts `account` and `guards` beside `watch`, for the run `nonce` that is charged for so many accelerators.
    pub fn new(
        watch: Watch,
        mut account: Option<Account>,
        nonce: Nonce,
        guards: &'a [StopGuard],
        accelerators: u32,
        redactor: &'a Redactor,
    ) -> Self {
        if let Some(account) = &mut account {
            account.others.own = Some(nonce);
        }
        Self {
            watch,
            account,
            guards,
            accelerators,
            redactor,
            has_news: false,
            heard: Duration::ZERO,
            asked: Duration::ZERO,
        }
    }

    /// Takes the line on the terminal away.
    pub fn finish(&self) {
        self.watch.finish();
    }

    /// Why no further trial may start after `run`, which was the one that was watched.
    pub fn no_more(self, run: &Run) -> Option<String> {
        let mut account = self.account?;
        let elapsed = Duration::try_from_secs_f64(run.wall_seconds).unwrap_or_default();
        account.logged = account.logged.with_run(run.wall_seconds, run.accelerators);
        let spent = account.budget.spent_by(&account.spending(elapsed));
        (!spent.is_empty()).then(|| format!("the budget of {} is spent: {}", account.name, in_words(spent)))
    }

    /// Why the budget stops the run, if it does.
    fn over_budget(&mut self, elapsed: Duration) -> Option<String> {
        let account = self.account.as_mut()?;
        account.others.look(elapsed);
        let spending = account.spending(elapsed).with_run(elapsed.as_secs_f64(), self.accelerators);
        let spent = account.budget.time_spent_by(&spending);
        (!spent.is_empty()).then(|| format!("the experiment's budget of {} is spent", in_words(spent)))
    }

    fn broken(&mut self, progress: &Progress<'_>) -> Option<String> {
        let elapsed = progress.elapsed;
        let since_asked = elapsed.saturating_sub(std::mem::replace(&mut self.asked, elapsed));
        if std::mem::take(&mut self.has_news) {
            self.heard = elapsed;
        } else if since_asked > UNWATCHED {
            self.heard += since_asked;
        }
        let silent = elapsed.saturating_sub(self.heard);
        let newest = || {
            progress.collected.newest().map(|latest| Newest {
                metric: latest.name,
                case: latest.case,
                value: latest.value,
                step: latest.step,
            })
        };
        let reason = self.guards.iter().find_map(|guard| guard.breach(newest(), silent))?;
        Some(self.redactor.redact_text(&reason))
    }
}

impl Observer for Guarded<'_> {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Output { .. } | Event::Metric(_)) {
            self.has_news = true;
        }
        self.watch.event(event);
    }

    fn should_stop(&mut self, progress: &Progress<'_>) -> Option<String> {
        self.broken(progress).or_else(|| self.over_budget(progress.elapsed))
    }

    fn around_output(&mut self, write: &mut dyn FnMut()) {
        self.watch.around_output(write);
    }
}
