//! Baseline and candidate in turn, as pairs: what `run --against`, `ab` and `ci` share.
#![expect(clippy::disallowed_methods, reason = "makes and removes the folder that the two worktrees are in")]

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::code_state::CodeState;
use super::place::Place;
use super::recording::Recorded;
use super::sides::{Chosen, of_rows};
use super::trial::{self, Setup, Turn};
use super::{Answer, gate, init, limits, new, notify, sides};
use crate::context::Context;
use crate::domain::run::{Code, Pair, PairSide};
use crate::domain::statistics::random::{First, Random, balanced_order};
use crate::error::Error;
use crate::git::{Oid, PathBytes, Repo};
use crate::log::index::{Index, RowRef};
use crate::log::layout;
use crate::render::text::command_line;
use crate::runner::{Interruptions, MachineLock};

/// How many pairs are run where nothing says how many.
pub const DEFAULT_PAIRS: u32 = 10;

/// How often a machine that somebody else measures on is looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// The pairs to run.
pub struct Series {
    /// The seed of each pair, the same on both sides.
    pub seeds: Vec<Option<u64>>,
    /// Whether they confirm an earlier result.
    pub confirms: bool,
}

/// One side of a pair.
pub struct PairedSide {
    /// What runs, and where.
    pub setup: Setup,
    /// The code as it is known outside of the worktree made for it; absent where it runs where it is.
    pub code: Option<Code>,
}

/// What came of a series of pairs.
pub struct Paired {
    /// What was recorded, in the order in which it ran, warm-ups left out.
    pub recorded: Vec<(PairSide, Recorded)>,
    /// The first status that was not 0.
    pub first_failure: Option<i32>,
    /// Whether all pairs ran.
    pub is_whole: bool,
}

/// What came of a series of pairs against a baseline.
pub struct Against {
    /// What ran.
    pub paired: Paired,
    /// The baseline, as it can be named from then on.
    pub baseline: String,
    /// The candidate, likewise.
    pub candidate: String,
    has_what_is_ignored: bool,
}

/// Runs the command of `setup` on its own code and on that of the baseline that `word` names, in turn.
pub fn against(
    context: &mut Context,
    setup: Setup,
    word: &str,
    series: &Series,
    interruptions: &Interruptions,
) -> Result<Answer, Error> {
    let ran = beside(context, setup, word, series, interruptions)?;
    if ran.paired.is_whole {
        let Against { baseline, candidate, .. } = &ran;
        context.output.hint(&format!("git exp compare {} {candidate}", command_line(&[baseline])));
    } else {
        ran.hint_at_what_is_ignored(context);
    }
    Ok(Answer::of_command(ran.paired.first_failure.unwrap_or(0)))
}

/// As [`against`], for whoever says themselves what came of it.
pub fn beside(
    context: &mut Context,
    setup: Setup,
    word: &str,
    series: &Series,
    interruptions: &Interruptions,
) -> Result<Against, Error> {
    let baseline = sides::baseline(context, &setup.place, word)?;
    let own = &setup.place.membership;
    if own.registration.is_some() && own.registration == baseline.membership.registration {
        return Err(Error::request(format!("`{}` is its own baseline", own.experiment))
            .hint("`git exp noise` runs a baseline against itself"));
    }
    let state = setup.code(&HashSet::new())?;
    let Some(commit) = Oid::from_hex(state.code.commit.as_str()) else {
        return Err(Error::request("there is no code to compare yet").hint("make a first commit"));
    };
    if own.registration.is_none() && commit == baseline.commit {
        return Err(Error::request(format!("`{word}` is the code that runs here, with nothing changed"))
            .hint("change something first; `git exp noise` says how much the code varies by itself"));
    }
    let _machine = wait_for_machine(context, interruptions)?;
    let mut aside = Aside::new(context)?;
    let candidate = aside.place(context, "cand", commit, setup.place.clone(), &setup)?;
    let beside = Place {
        repo: setup.place.repo.clone(),
        directory: setup.place.directory.clone(),
        membership: baseline.membership,
        registration: baseline.registration,
    };
    let beside = aside.place(context, "base", baseline.commit, beside, &setup)?;
    let sides = (
        PairedSide { setup: setup.at(beside, &setup.argv), code: None },
        PairedSide { setup: setup.at(candidate, &setup.argv), code: Some(state.code.clone()) },
    );
    let paired = run(context, sides, series, interruptions)?;
    let short = |commit: Oid| commit.to_hex()[..12].to_owned();
    let (baseline, candidate) = match own.registration {
        Some(_) => (word.to_owned(), own.experiment.to_string()),
        None => (short(baseline.commit), short(commit)),
    };
    Ok(Against { paired, baseline, candidate, has_what_is_ignored: aside.has_what_is_ignored })
}

impl Against {
    /// Says how ignored files come along, where that may be why the pairs did not run.
    pub fn hint_at_what_is_ignored(&self, context: &mut Context) {
        if !self.has_what_is_ignored {
            context.output.hint(
                "each side runs in a fresh worktree; name the ignored files that it needs in `exp.toml`: \
                 [worktree] include = [\"data\"]",
            );
        }
    }
}

impl Paired {
    /// The runs of both sides, to be compared under these names.
    pub fn sides(&self, index: &mut Index, (from, to): (&str, &str)) -> Result<(Chosen, Chosen), Error> {
        let mut rows: [Vec<RowRef>; 2] = [Vec::new(), Vec::new()];
        for (side, recorded) in &self.recorded {
            let found = index.with_prefix(&recorded.entry.id.to_hex())?;
            rows[usize::from(*side == PairSide::Candidate)].extend(found);
        }
        let [from_rows, to_rows] = rows;
        Ok((of_rows(from, from_rows), of_rows(to, to_rows)))
    }
}

/// Runs the pairs: a warm-up that does not count, then each pair in an order drawn at random.
pub fn run(
    context: &mut Context,
    (mut baseline, mut candidate): (PairedSide, PairedSide),
    series: &Series,
    interruptions: &Interruptions,
) -> Result<Paired, Error> {
    Setup::pad(&mut baseline.setup, &mut candidate.setup);
    let pairs = u32::try_from(series.seeds.len()).unwrap_or(u32::MAX);
    let possible = limits::announce_pairs(
        context,
        &baseline.setup.place.membership,
        &candidate.setup.place.membership,
        &candidate.setup.settings.budget,
        pairs,
    )?;
    notify::respect(context, &candidate.setup)?;
    notify::tell(context, &candidate.setup, possible.saturating_mul(2))?;
    let mut outputs: HashSet<PathBytes> = HashSet::new();
    let state = candidate.state(&outputs)?;
    gate::pass(context, &candidate.setup, state, &mut outputs, interruptions)?;
    let seeds = &series.seeds[..possible as usize];
    let mut random = Random::for_things("the order inside pairs", &[&candidate.setup.group.0]);
    let orders = balanced_order(seeds.len(), &mut random);
    let warm_up = (0, First::Baseline, seeds.first().copied().flatten());
    let rounds = (1..).zip(&orders).zip(seeds).map(|((number, first), seed)| (number, *first, *seed));
    let mut paired = Paired { recorded: Vec::new(), first_failure: None, is_whole: false };
    for (number, first, seed) in std::iter::once(warm_up).chain(rounds) {
        let order = match first {
            First::Baseline => [PairSide::Baseline, PairSide::Candidate],
            First::Candidate => [PairSide::Candidate, PairSide::Baseline],
        };
        let mut no_more = None;
        for (place, side) in order.into_iter().enumerate() {
            let own = match side {
                PairSide::Baseline => &baseline,
                PairSide::Candidate => &candidate,
            };
            let state = own.state(&outputs)?;
            let turn = Turn {
                number,
                of: pairs,
                seed,
                pair: Some(Pair { number, side, first: place == 0 }),
                confirms: series.confirms,
            };
            let recorded = own.setup.run(context, &state, turn, interruptions)?;
            trial::report(context, &recorded)?;
            let status = recorded.shell_status.unwrap_or(1);
            if status != 0 && paired.first_failure.is_none() {
                paired.first_failure = Some(status);
            }
            if recorded.was_interrupted {
                return Ok(paired);
            }
            no_more = recorded.no_more.clone().or(no_more);
            // The other side of the pair is paid from another budget, and half a pair is worth nothing.
            let completes = place == 0 && status == 0;
            if !completes && limits::ends_here(context, no_more.as_deref(), number < possible || place == 0) {
                paired.first_failure.get_or_insert(limits::NOT_ALL_RAN);
                return Ok(paired);
            }
            if number == 0 && status != 0 {
                context.output.say(&format!(
                    "the warm-up of the {side} failed, so no pair was run; `git exp show {} --stderr` tells more",
                    recorded.short
                ));
                return Ok(paired);
            }
            outputs.extend(trial::new_files(&own.setup.place, &state)?);
            if number > 0 {
                paired.recorded.push((side, recorded));
            }
        }
    }
    if possible < pairs {
        paired.first_failure.get_or_insert(limits::NOT_ALL_RAN);
    }
    paired.is_whole = true;
    trial::tell_first_steps(context)?;
    Ok(paired)
}

impl PairedSide {
    /// The code that runs, under the name that it has outside.
    fn state(&self, outputs: &HashSet<PathBytes>) -> Result<CodeState, Error> {
        let mut state = self.setup.code(outputs)?;
        if let Some(code) = &self.code
            && code.tree == state.code.tree
        {
            // What could not go into the snapshot is not in the fresh worktree either.
            state.code = Code { inexact: state.code.inexact, ..code.clone() };
        }
        Ok(state)
    }
}

/// Waits until nobody else measures on this machine, and keeps it.
pub fn wait_for_machine(context: &mut Context, interruptions: &Interruptions) -> Result<MachineLock, Error> {
    let mut is_told = false;
    loop {
        let lock = MachineLock::try_take()
            .map_err(|error| Error::outside("cannot reserve the machine for a measurement").because(error))?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        if !is_told {
            context.output.say("something else is being measured on this machine; waiting for it to end");
            is_told = true;
        }
        if interruptions.take().is_some() {
            return Err(
                Error::outside("interrupted while waiting for the machine").because("nothing was run")
            );
        }
        std::thread::sleep(PATIENCE);
    }
}

/// Fresh worktrees with paths of equal length, which go when this is dropped.
pub struct Aside {
    repo: Repo,
    folder: PathBuf,
    made: Vec<PathBuf>,
    /// Whether `exp.toml` says which ignored files come along.
    has_what_is_ignored: bool,
    /// Says that somebody uses them.
    _lock: File,
}

impl Aside {
    /// A folder for them, with nothing in it yet.
    pub fn new(context: &mut Context) -> Result<Self, Error> {
        let Some(top) = context.repo.main_work_dir() else {
            return Err(Error::request("pairs run in worktrees of their own, and this repository is bare")
                .hint("git clone it, and run there"));
        };
        context.repo.exclude_locally(init::WORKTREES)?;
        let beside = top.join(layout::WORKTREES);
        remove_orphans(&context.repo, &beside);
        let folder = beside.join(format!("{PREFIX}{}", context.nonce()?.short()));
        let failed = |error: std::io::Error| {
            Error::outside(format!("cannot create `{}`", folder.display())).because(error)
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self {
            repo: context.repo.clone(),
            folder,
            made: Vec::new(),
            has_what_is_ignored: false,
            _lock: lock,
        })
    }

    /// A worktree at `commit`, with nothing in it that the commit does not have.
    pub fn worktree(&mut self, name: &str, commit: Oid) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        self.made.push(path.clone());
        self.repo.add_detached_worktree(&path, commit)?;
        Ok(path)
    }

    /// A new folder beside the worktrees.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path)
            .map_err(|error| Error::outside(format!("cannot create `{}`", path.display())).because(error))?;
        Ok(path)
    }

    /// Leaves all of it where it is, for somebody to look at; says where.
    pub fn keep(mut self) -> PathBuf {
        self.made.clear();
        // Nobody takes it for what a killed process left.
        let _ = std::fs::remove_file(self.folder.join(LOCK));
        std::mem::take(&mut self.folder)
    }

    /// The place at `commit` in a worktree of its own that answers to `place`.
    pub fn place(
        &mut self,
        context: &mut Context,
        name: &str,
        commit: Oid,
        place: Place,
        setup: &Setup,
    ) -> Result<Place, Error> {
        let path = self.worktree(name, commit)?;
        self.has_what_is_ignored =
            !setup.settings.worktree.link.is_empty() || !setup.settings.worktree.copy.is_empty();
        if let Some(top) = context.repo.main_work_dir() {
            for problem in new::bring_along(context, &setup.settings, &top, &path)? {
                context.output.say(&problem);
            }
        }
        let top = place.repo.work_dir().unwrap_or(&place.directory);
        let subfolder = place.directory.strip_prefix(top).unwrap_or(Path::new(""));
        let directory = path.join(subfolder);
        if !directory.is_dir() {
            return Err(Error::request(format!(
                "there is no folder `{}` in the commit {}",
                subfolder.display(),
                &commit.to_hex()[..8]
            ))
            .hint("start the command from the top of the repository"));
        }
        Ok(Place { repo: self.repo.in_worktree(&path)?, directory, ..place })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        for path in &self.made {
            let _ = self.repo.remove_worktree(path);
        }
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
        let _ = self.repo.prune_worktrees();
    }
}

/// What the names of folders with paired worktrees begin with.
const PREFIX: &str = ".pair-";
/// The file in such a folder that its process holds locked.
const LOCK: &str = "lock";

/// Removes the worktrees that a process left when it was killed.
fn remove_orphans(repo: &Repo, beside: &Path) {
    let Ok(listing) = std::fs::read_dir(beside) else { return };
    for item in listing.filter_map(Result::ok) {
        if !item.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_orphan = File::open(item.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_orphan {
            let _ = std::fs::remove_dir_all(item.path());
            let _ = repo.prune_worktrees();
        }
    }
}
