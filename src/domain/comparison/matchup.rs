//! Which cell of one side is compared with which of the other, and which runs are left out and why.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::ComparisonError;
use crate::domain::cell::{Cell, Outcome, Trial, cells, is_repetition, seconds};
use crate::domain::id::{EntryId, Nonce};
use crate::domain::run::{PairSide, Run};
use crate::domain::statistics::alpha_spending::Looks;
use crate::domain::statistics::{Design, Level};

/// One side of a comparison, before a cell of it is chosen.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// What it is called.
    pub name: String,
    /// Its runs, in any order.
    pub trials: Vec<Trial<'a>>,
}

/// Runs that are not compared, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The side they are of.
    pub side: PairSide,
    /// How many there are.
    pub trials: usize,
    /// The one that began last.
    pub newest: EntryId,
    /// Why, in a clause: `it ran on another machine`.
    pub why: String,
}

/// How many trials were planned for each side, and when one looks at them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The trials; absent where nothing was planned.
    pub trials: Option<u32>,
    /// The declared looks, rising, the last at the plan; empty where one looks at the end only.
    pub looks: Vec<u32>,
    /// Briefs that planned otherwise: what ran under them was looked at with another plan in mind.
    pub earlier: HashSet<EntryId>,
}

/// A declared look that has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeclaredLook {
    /// Which one it is, from 1.
    pub number: usize,
    /// How many were declared.
    pub of: usize,
    /// The trials it is after.
    pub trials: u32,
    /// The share of error that each one-sided bound may have; absent where it is so early that nothing may be decided.
    pub level: Option<Level>,
}

/// Why a run under an earlier plan is left out.
const EARLIER: &str = "it ran under an earlier plan; a changed plan asks for fresh trials";
/// Why a run before a confirmation is left out.
const BEFORE_CONFIRMATION: &str = "the result was confirmed since, and only the confirmation is judged";
/// Why a trial after a declared look is left out.
const BEYOND_LOOK: &str = "it ran after the newest declared look";
/// Why a trial beyond the plan is left out.
const BEYOND: &str = "it ran beyond the plan; amend the brief and run fresh trials to judge more";

/// A pair's name: the call of `run` that made it, and its number.
pub(super) type PairName = (Nonce, u32);

/// Two cells that are compared.
#[derive(Clone, Debug)]
pub struct Matchup<'a> {
    /// What the sides are called: the baseline, the candidate.
    pub names: (String, String),
    /// The baseline's cell.
    pub baseline: Cell<'a>,
    /// The candidate's cell.
    pub candidate: Cell<'a>,
    /// How their runs belong together.
    pub design: Design,
    /// What is not compared.
    pub left_out: Vec<LeftOut>,
    /// How many trials were planned for each side.
    pub planned: Option<u32>,
    /// How many trials each side must have before it is judged, where that was fixed.
    pub wanted: Option<usize>,
    /// The declared look that has come, where looks were declared.
    pub look: Option<DeclaredLook>,
    /// Whether nothing ran yet under the plan in force, so that what was seen before is shown.
    pub is_stale: bool,
    /// Whether the candidate's trials confirm an earlier result.
    pub is_confirmed: bool,
    /// The trials that somebody or a dying machine cut short, with their sides.
    pub cut_short: Vec<(PairSide, Trial<'a>)>,
    /// How often the candidate could have been judged: every cell with a result was a try, and every plan that was given
    /// up for another; of a confirmed one, every confirmation.
    pub tries: usize,
    /// All the baseline's trials of that cell, whether or not they are compared: what its noise is known from.
    pub(super) floor: Cell<'a>,
}

/// The pairs of cells that can be compared, one for each hardware that both sides ran on; the newest first.
///
/// Where no hardware is shared, the newest cells are put side by side all the same, and the comparison says so.
pub fn matchups<'a>(
    baseline: &Side<'a>,
    candidate: &Side<'a>,
    plan: &Plan,
) -> Result<Vec<Matchup<'a>>, ComparisonError> {
    for side in [baseline, candidate] {
        if side.trials.is_empty() {
            return Err(ComparisonError::Empty(side.name.clone()));
        }
    }
    let own: HashSet<EntryId> = candidate.trials.iter().map(|trial| trial.id).collect();
    // A revision's runs may hold those of the experiment that began there.
    let others: Vec<Trial<'a>> =
        baseline.trials.iter().filter(|trial| !own.contains(&trial.id)).copied().collect();
    if others.is_empty() {
        return Err(ComparisonError::Same(candidate.name.clone()));
    }
    let planned = plan.trials;
    let mut left_out = Vec::new();
    let mut others = without_warm_ups(PairSide::Baseline, others, &mut left_out);
    let mut own = without_warm_ups(PairSide::Candidate, candidate.trials.clone(), &mut left_out);
    let is_stale = !keep_fresh(plan, &mut others, &mut own, &mut left_out);
    let (from, to) = (cells(&others), cells(&own));
    let has_result = |cell: &&Cell<'a>| cell.count(Outcome::Ended) > 0;
    let has_confirmation = |cell: &&Cell<'a>| cell.trials().iter().any(|trial| trial.run.confirms);
    let tries =
        (to.iter().filter(has_result).count().max(1), to.iter().filter(has_confirmation).count().max(1));
    let hardware = |cells: &[Cell<'a>]| -> BTreeSet<&'a str> { cells.iter().map(Cell::hardware).collect() };
    let (known_from, known_to) = (hardware(&from), hardware(&to));
    let shared: BTreeSet<&str> = known_from.intersection(&known_to).copied().collect();
    let names = (baseline.name.clone(), candidate.name.clone());
    let strata: Vec<Option<&str>> =
        if shared.is_empty() { vec![None] } else { shared.into_iter().map(Some).collect() };
    let mut found: Vec<Matchup<'a>> = strata
        .into_iter()
        .map(|stratum| {
            let mut matchup = Matchup::choose(names.clone(), &from, &to, stratum, plan, tries);
            matchup.left_out.extend(left_out.iter().cloned());
            matchup.is_stale = is_stale;
            matchup
        })
        .collect();
    found.sort_by_key(|matchup| {
        let newest = matchup.candidate.newest();
        std::cmp::Reverse((matchup.candidate.is_complete(planned), newest.run.started, newest.id))
    });
    Ok(found)
}

/// The trials that are no warm-ups; all of them where nothing else would be left.
fn without_warm_ups<'a>(
    side: PairSide,
    trials: Vec<Trial<'a>>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Trial<'a>> {
    let is_warm_up = |trial: &Trial<'a>| trial.run.pair.is_some_and(|pair| pair.number == 0);
    split_off(side, trials, is_warm_up, "it was a warm-up", left_out)
}

/// The trials that are not `unfit`; all of them where nothing else would be left.
fn split_off<'a>(
    side: PairSide,
    trials: Vec<Trial<'a>>,
    unfit: impl Fn(&Trial<'a>) -> bool,
    why: &str,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Trial<'a>> {
    let (dropped, kept): (Vec<Trial<'a>>, Vec<Trial<'a>>) = trials.iter().partition(|trial| unfit(trial));
    if dropped.is_empty() || kept.is_empty() {
        return trials;
    }
    left_out.push(LeftOut::of(side, &dropped, why));
    kept
}

/// Leaves out what ran under an earlier plan, on both sides; says whether anything is left that did not.
///
/// A plan that is changed once results are in could be changed until they fit. What the baseline did meanwhile was seen
/// with the candidate's, so it does not count either.
fn keep_fresh<'a>(
    plan: &Plan,
    from: &mut Vec<Trial<'a>>,
    to: &mut Vec<Trial<'a>>,
    left_out: &mut Vec<LeftOut>,
) -> bool {
    let is_earlier =
        |trial: &Trial<'a>| trial.run.membership.brief.is_some_and(|brief| plan.earlier.contains(&brief));
    let seen_until = to.iter().filter(|trial| is_earlier(trial)).map(Trial::ended).reduce(f64::max);
    let Some(seen_until) = seen_until else { return true };
    let was_seen = |trial: &Trial<'a>| seconds(trial.run.started) < seen_until;
    if to.iter().all(is_earlier) || from.iter().all(was_seen) {
        return false;
    }
    *to = split_off(PairSide::Candidate, std::mem::take(to), is_earlier, EARLIER, left_out);
    *from = split_off(PairSide::Baseline, std::mem::take(from), was_seen, EARLIER, left_out);
    true
}

impl<'a> Matchup<'a> {
    fn choose(
        names: (String, String),
        from: &[Cell<'a>],
        to: &[Cell<'a>],
        stratum: Option<&str>,
        plan: &Plan,
        (tries, confirmations): (usize, usize),
    ) -> Self {
        let planned = plan.trials;
        let is_here = |cell: &&Cell<'a>| stratum.is_none_or(|hardware| cell.hardware() == hardware);
        let candidate =
            newest_complete(to.iter().filter(is_here), planned).expect("the hardware is the candidate's");
        let like: Vec<&Cell<'a>> = from.iter().filter(is_here).collect();
        let baseline = counterpart(&like, candidate, planned).expect("the hardware is the baseline's");
        let mut left_out = Vec::new();
        for (side, cells, chosen) in
            [(PairSide::Baseline, from, baseline), (PairSide::Candidate, to, candidate)]
        {
            left_out.extend(
                cells
                    .iter()
                    .filter(|cell| cell.newest().id != chosen.newest().id)
                    .map(|cell| LeftOut::of(side, cell.trials(), &why_not(cell, chosen, planned))),
            );
        }
        let mut matchup = Self {
            names,
            floor: baseline.clone(),
            baseline: baseline.clone(),
            candidate: candidate.clone(),
            design: Design::Unpaired,
            left_out,
            planned,
            wanted: None,
            look: None,
            is_stale: false,
            is_confirmed: false,
            cut_short: Vec::new(),
            tries: tries + plan.earlier.len(),
        };
        matchup.keep_confirmation();
        if matchup.is_confirmed {
            // Fresh trials of what was picked beforehand: only other confirmations compete with it.
            matchup.tries = confirmations;
        }
        matchup.keep_pairs();
        if plan.looks.is_empty() {
            matchup.keep_plan();
        } else {
            matchup.keep_look(&plan.looks);
        }
        matchup.drop_cut_short();
        matchup
    }

    /// Where the result was repeated to confirm it, only that is judged: what was picked for its luck is not.
    fn keep_confirmation(&mut self) {
        let Some(kept) = self.candidate.only(|trial| trial.run.confirms) else { return };
        self.is_confirmed = true;
        let before: Vec<Trial<'a>> =
            self.candidate.trials().iter().filter(|trial| !trial.run.confirms).copied().collect();
        if !before.is_empty() {
            self.left_out.push(LeftOut::of(PairSide::Candidate, &before, BEFORE_CONFIRMATION));
        }
        self.candidate = kept;
    }

    /// The pairs of which both runs ended well.
    pub(super) fn pairs(&self) -> HashSet<PairName> {
        let names = |cell: &Cell<'a>| -> HashSet<PairName> {
            cell.with(Outcome::Ended).filter_map(|trial| pair_name(&trial)).collect()
        };
        names(&self.baseline).intersection(&names(&self.candidate)).copied().collect()
    }

    /// Where there are pairs enough, runs that were not made as pairs of these two sides are left out.
    fn keep_pairs(&mut self) {
        let pairs = self.pairs();
        let enough = self.planned.unwrap_or(1) as usize;
        let ended = self.baseline.count(Outcome::Ended).min(self.candidate.count(Outcome::Ended));
        if pairs.is_empty() || (pairs.len() < enough && ended >= enough) {
            return;
        }
        self.design = Design::Paired;
        // A pair of which one run failed stays: the failure counts.
        let calls: HashSet<Nonce> = pairs.iter().map(|(call, _)| *call).collect();
        self.drop_where(
            |trial| pair_name(trial).is_none_or(|(call, _)| !calls.contains(&call)),
            "it was not run as one of these pairs",
        );
    }

    /// Trials beyond the plan are left out, on the candidate's side and, in pairs, on both.
    fn keep_plan(&mut self) {
        let Some(planned) = self.planned else { return };
        let (kept, beyond, wanted) = self.candidate.up_to(planned);
        self.wanted = Some(wanted);
        if beyond.is_empty() {
            return;
        }
        self.left_out.push(LeftOut::of(PairSide::Candidate, &beyond, BEYOND));
        self.candidate = kept;
        if self.design == Design::Paired {
            let calls: HashSet<Nonce> = self.candidate.trials().iter().map(|trial| trial.run.group).collect();
            self.drop_where(|trial| !calls.contains(&trial.run.group), BEYOND);
        }
    }

    /// Trials beyond the newest declared look are left out, so that each look judges as many as were declared for it.
    fn keep_look(&mut self, looks: &[u32]) {
        let counted = |cell: &Cell<'a>| cell.trials().len() - cell.count(Outcome::CutShort);
        let size = counted(&self.baseline).min(counted(&self.candidate));
        let sizes: Vec<usize> = looks.iter().map(|look| *look as usize).collect();
        self.planned = looks.last().copied();
        let Some(at) = sizes.iter().rposition(|look| *look <= size) else {
            self.wanted = Some(sizes[0]);
            return;
        };
        self.wanted = Some(sizes[at]);
        // Levels of both sides together are halved for bounds that stand alone.
        let both = Level::new(2.0 * Level::FIVE_PERCENT.share()).expect("ten percent is a level");
        let levels = Looks::after(&sizes).map(|looks| looks.levels(both)).unwrap_or_default();
        let level = levels.get(at).copied().flatten().and_then(|level| Level::new(level.share() / 2.0));
        self.look = Some(DeclaredLook { number: at + 1, of: looks.len(), trials: looks[at], level });
        let first: HashSet<EntryId> = Self::first_trials(&self.candidate, sizes[at]);
        if self.design == Design::Paired {
            let pairs: HashSet<PairName> = self
                .candidate
                .trials()
                .iter()
                .filter(|trial| first.contains(&trial.id))
                .filter_map(pair_name)
                .collect();
            self.drop_where(|trial| pair_name(trial).is_none_or(|pair| !pairs.contains(&pair)), BEYOND_LOOK);
        } else {
            let others = Self::first_trials(&self.baseline, sizes[at]);
            self.drop_where(|trial| !first.contains(&trial.id) && !others.contains(&trial.id), BEYOND_LOOK);
        }
    }

    /// The first `size` trials of a cell that were not cut short, in the order in which they were called for.
    fn first_trials(cell: &Cell<'a>, size: usize) -> HashSet<EntryId> {
        let counted = cell.trials().iter().filter(|trial| trial.outcome() != Outcome::CutShort);
        counted.take(size).map(|trial| trial.id).collect()
    }

    fn drop_cut_short(&mut self) {
        for (side, cell) in [(PairSide::Baseline, &self.baseline), (PairSide::Candidate, &self.candidate)] {
            self.cut_short.extend(cell.with(Outcome::CutShort).map(|trial| (side, trial)));
        }
        self.drop_where(|trial| trial.outcome() == Outcome::CutShort, "it was cut short");
    }

    /// Leaves out the trials that `unfit` names, unless nothing would be left of a side.
    fn drop_where(&mut self, unfit: impl Fn(&Trial<'a>) -> bool, why: &str) {
        for (side, cell) in
            [(PairSide::Baseline, &mut self.baseline), (PairSide::Candidate, &mut self.candidate)]
        {
            let dropped: Vec<Trial<'a>> =
                cell.trials().iter().filter(|trial| unfit(trial)).copied().collect();
            if let (false, Some(kept)) = (dropped.is_empty(), cell.only(|trial| !unfit(trial))) {
                self.left_out.push(LeftOut::of(side, &dropped, why));
                *cell = kept;
            }
        }
    }

    /// Whether both sides ran on the same hardware.
    pub fn is_one_hardware(&self) -> bool {
        self.baseline.hardware() == self.candidate.hardware()
    }

    /// Whether both sides were evaluated by the same code, as far as it is known.
    pub fn is_one_evaluation(&self) -> bool {
        let cells = [&self.baseline, &self.candidate];
        let mut digests =
            cells.into_iter().flat_map(Cell::trials).filter_map(|trial| trial.run.evaluation.as_deref());
        digests.next().is_none_or(|first| digests.all(|digest| digest == first))
    }

    /// The inputs that both sides reported, and that make other work of it: with other shapes, or on other devices.
    ///
    /// Another dtype may be what is studied; it is told with all other differences.
    pub fn unlike_inputs(&self) -> Vec<&'a str> {
        let (baseline, candidate) = self.representatives();
        let (from, to) = (workloads(baseline.run), workloads(candidate.run));
        from.into_iter().filter(|(name, of)| to.get(name).is_some_and(|it| it != of)).map(|it| it.0).collect()
    }

    /// The entries that stand for the two cells: their newest trials.
    pub fn representatives(&self) -> (Trial<'a>, Trial<'a>) {
        (self.baseline.newest(), self.candidate.newest())
    }
}

impl LeftOut {
    fn of(side: PairSide, trials: &[Trial<'_>], why: &str) -> Self {
        let newest = trials.iter().max_by_key(|trial| (trial.run.started, trial.id)).expect("there is one");
        Self { side, trials: trials.len(), newest: newest.id, why: why.to_owned() }
    }
}

/// Of each reported input what decides how much is computed, and where: each shape and device that was reported with it.
fn workloads(run: &Run) -> BTreeMap<&str, BTreeSet<[Option<&str>; 5]>> {
    let mut workloads: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for input in &run.inputs {
        let more = |name: &str| input.more.get(name).map(String::as_str);
        let of = [
            input.shape.as_deref(),
            input.device.as_deref(),
            more("device_count"),
            more("kind"),
            more("mode"),
        ];
        workloads.entry(&input.name).or_default().insert(of);
    }
    workloads
}

/// The name of the pair that a trial belongs to; a warm-up belongs to none.
pub(super) fn pair_name(trial: &Trial<'_>) -> Option<PairName> {
    trial.run.pair.filter(|pair| pair.number > 0).map(|pair| (trial.run.group, pair.number))
}

/// The newest complete cell, else the newest; `cells` come newest first.
fn newest_complete<'c, 'a: 'c>(
    mut cells: impl Iterator<Item = &'c Cell<'a>> + Clone,
    planned: Option<u32>,
) -> Option<&'c Cell<'a>> {
    let newest = cells.clone().next();
    cells.find(|cell| cell.is_complete(planned)).or(newest)
}

/// The baseline's cell that belongs beside `candidate`: the one it ran in pairs with, else one with the same command and
/// parameters, else any; of several the newest complete one.
fn counterpart<'c, 'a>(
    cells: &[&'c Cell<'a>],
    candidate: &Cell<'a>,
    planned: Option<u32>,
) -> Option<&'c Cell<'a>> {
    let own: HashSet<PairName> = candidate.trials().iter().filter_map(pair_name).collect();
    let mut partners: HashMap<usize, usize> = HashMap::new();
    for (place, cell) in cells.iter().enumerate() {
        let common = cell.trials().iter().filter_map(pair_name).filter(|pair| own.contains(pair)).count();
        if common > 0 {
            partners.insert(place, common);
        }
    }
    if let Some((place, _)) =
        partners.iter().max_by_key(|(place, common)| (**common, std::cmp::Reverse(**place)))
    {
        return Some(cells[*place]);
    }
    let is_like = |cell: &&Cell<'a>| {
        let (one, other) = (cell.newest().run, candidate.newest().run);
        one.directory == other.directory && is_repetition(one, other)
    };
    let like: Vec<&'c Cell<'a>> = cells.iter().filter(|cell| is_like(cell)).copied().collect();
    newest_complete(like.iter().copied(), planned).or_else(|| newest_complete(cells.iter().copied(), planned))
}

fn why_not(cell: &Cell<'_>, chosen: &Cell<'_>, planned: Option<u32>) -> String {
    let (one, other) = (cell.newest().run, chosen.newest().run);
    if cell.hardware() != chosen.hardware() {
        "it ran on other hardware, which is judged by itself".to_owned()
    } else if !cell.is_complete(planned) {
        let ended = cell.trials().len() - cell.count(Outcome::CutShort);
        let asked = cell.trials().iter().map(|trial| trial.run.trials).max().unwrap_or(1);
        format!("it is not complete: {ended} of {} trials", planned.unwrap_or(asked))
    } else if one.code.tree != other.code.tree {
        "it ran other code".to_owned()
    } else {
        "it ran with another command or other parameters".to_owned()
    }
}
