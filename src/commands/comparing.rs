//! Comparing experiments with what they promised, or with anything else: what `compare`, `decide` and `status` share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value as Json;

use super::diff::{config_files, versions};
use super::pairs::Baseline;
use super::place::Place;
use super::recording::fingerprint;
use super::runs::{expression, topics};
use super::selection;
use super::show::environment;
use super::surroundings::unreadable_index;
use crate::config::{self, Settings};
use crate::context::{CONFIGURATION, Context};
use crate::domain::brief::Brief;
use crate::domain::cell::Trial;
use crate::domain::comparison::{Comparison, ComparisonError, Matchup, Side, Terms, compare, matchups};
use crate::domain::difference::{Difference, Side as Stored};
use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, ExperimentId, ObjectName, TopicName};
use crate::domain::metric::Definition;
use crate::domain::run::{Membership, Run};
use crate::domain::state::{ExperimentState, State};
use crate::domain::topic::Topic;
use crate::error::{Error, Fault};
use crate::log::index::query::{Query, select};
use crate::log::index::sides::{Common, commits, runs_of};
use crate::log::index::{Index, RowRef};
use crate::log::layout;

/// How many commits back a baseline's runs are looked for, and a metric's older definitions.
const FAR_BACK: usize = 1_000;

/// What a word means as a side.
pub struct Chosen {
    /// What it is called.
    pub name: String,
    /// What tells it from other sides, however it was spelled.
    pub identity: String,
    what: What,
}

enum What {
    Experiment(Box<ExperimentState>),
    Label(String),
    Commit(ObjectName),
    Rows(Vec<RowRef>),
}

/// What one candidate promised, and what is known around it.
struct Promise {
    settings: Rc<Settings>,
    brief: Brief,
    is_scratch: bool,
    topic: Option<Topic>,
    amended: Option<String>,
    promised_baseline: Option<String>,
    family: usize,
}

/// Compares `candidates` with `baseline`, and hands what came of it to `then`.
pub fn compared<T>(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    baseline: &Chosen,
    candidates: &[Chosen],
    then: impl FnOnce(&mut Context, &[Comparison<'_>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let rows = rows(context, index, std::iter::once(baseline).chain(candidates))?;
    let entries = Entries::read(context, index, &rows)?;
    let baseline_side = entries.side(&baseline.name, &rows[0]);
    let mut promises = Vec::with_capacity(candidates.len());
    let mut candidate_sides = Vec::with_capacity(candidates.len());
    let mut known_settings: HashMap<(bool, Option<TopicName>), Rc<Settings>> = HashMap::new();
    for (candidate, rows) in candidates.iter().zip(&rows[1..]) {
        let side = entries.side(&candidate.name, rows);
        promises.push(promise(
            context,
            index,
            state,
            (baseline, candidate, candidates.len()),
            &side,
            &mut known_settings,
        )?);
        candidate_sides.push(side);
    }
    let mut found = Vec::with_capacity(candidates.len());
    for (side, promise) in candidate_sides.iter().zip(&mut promises) {
        let planned = (!promise.is_scratch).then(|| promise.brief.planned_trials());
        let strata = matchups(&baseline_side, side, planned).map_err(|error| refuse(&error))?;
        // Each complete cell of an experiment was a try of its own.
        if !promise.is_scratch {
            promise.family += strata[0].tries - 1;
        }
        found.push(strata);
    }
    let known = known_definitions(context, &promises, &found)?;
    let scopes: Vec<BTreeMap<String, Vec<String>>> = promises
        .iter()
        .map(|it| it.topic.as_ref().map(|topic| topic.scope.clone()).unwrap_or_default())
        .collect();
    let terms: Vec<Terms<'_>> =
        promises.iter().zip(&scopes).map(|(promise, scope)| promise.terms(scope, &known)).collect();
    let comparisons = judge(context, &entries, found, &terms)?;
    then(context, &comparisons)
}

fn refuse(error: &ComparisonError) -> Error {
    let hint = match error {
        ComparisonError::Empty(_) => "`git exp runs` lists the runs there are",
        ComparisonError::Same(_) => "name another baseline: git exp compare <baseline> <candidate>",
    };
    let refused = Error::request("cannot compare").because(error).hint(hint);
    match error {
        // What has not run cannot be told anything of.
        ComparisonError::Empty(_) => Error { fault: Fault::Unknown, ..refused },
        ComparisonError::Same(_) => refused,
    }
}

/// The baseline and the candidates that `words` mean.
pub fn sides(
    context: &Context,
    index: &mut Index,
    state: &State,
    words: &[String],
) -> Result<(Chosen, Vec<Chosen>), Error> {
    if let [baseline, candidates @ ..] = words
        && !candidates.is_empty()
    {
        let candidates: Vec<Chosen> = candidates
            .iter()
            .map(|word| choose(context, index, state, None, word))
            .collect::<Result<_, _>>()?;
        let topic = topic_of(state, &candidates[0]);
        let baseline = choose(context, index, state, topic, baseline)?;
        return Ok((baseline, candidates));
    }
    let candidate = match words.first() {
        Some(word) => choose(context, index, state, None, word)?,
        None => of_experiment(selection::current(context, state)?),
    };
    let What::Experiment(experiment) = &candidate.what else {
        return Err(Error::request(format!("compare `{}` with what?", candidate.name))
            .hint("name the baseline first: git exp compare <baseline> <candidate>"));
    };
    let Some(word) = experiment.registered.as_ref().and_then(|it| it.current.brief.baseline.clone()) else {
        return Err(Error::request(format!("compare `{}` with what?", candidate.name))
            .because("its brief names no baseline")
            .hint("name the baseline first: git exp compare <baseline> <candidate>"));
    };
    let topic = topic_of(state, &candidate);
    let baseline = choose(context, index, state, topic, &word).map_err(|error| {
        error.because(format!("the brief of `{}` names it as the baseline", candidate.name))
    })?;
    Ok((baseline, vec![candidate]))
}

fn topic_of<'a>(state: &'a State, chosen: &Chosen) -> Option<&'a Topic> {
    let What::Experiment(experiment) = &chosen.what else { return None };
    state.topics.get(experiment.topic()?).map(|it| &it.topic)
}

fn of_experiment(experiment: &ExperimentState) -> Chosen {
    let identity = match &experiment.registered {
        Some(registered) => registered.entry.to_hex(),
        None => experiment.id.key(),
    };
    Chosen {
        name: experiment.name(),
        identity: format!("experiment {identity}"),
        what: What::Experiment(Box::new(experiment.clone())),
    }
}

/// What `word` means as a side; `topic` is where a named baseline is looked up.
fn choose(
    context: &Context,
    index: &mut Index,
    state: &State,
    topic: Option<&Topic>,
    word: &str,
) -> Result<Chosen, Error> {
    if let Some(label) = word.strip_prefix("label:") {
        return Ok(Chosen {
            name: word.to_owned(),
            identity: word.to_owned(),
            what: What::Label(label.to_owned()),
        });
    }
    if let Some(text) = word.strip_prefix("filter:") {
        let filter = expression(context, text)?;
        let topics = topics(state);
        let query = Query { filter: Some(&filter), topics: Some(&topics), ..Query::default() };
        let found = select(index, &query).map_err(unreadable_index)?;
        return Ok(Chosen { name: word.to_owned(), identity: word.to_owned(), what: What::Rows(found.rows) });
    }
    if !state.find(word).is_empty() {
        return Ok(of_experiment(selection::experiment(state, word)?));
    }
    if let Some(target) = topic.and_then(|topic| topic.baselines.get(word)) {
        // A baseline that names a baseline is taken for what it is called, so that no circle is walked.
        let mut chosen = choose(context, index, state, None, target)?;
        chosen.name = format!("{word} ({})", chosen.name);
        return Ok(chosen);
    }
    let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex
        && let Ok((row, entry)) = context.log.find(index, &word.to_ascii_lowercase())
        && matches!(entry.body, Body::Run(_))
    {
        return Ok(Chosen {
            name: format!("run {}", entry.id.short()),
            identity: entry.id.to_hex(),
            what: What::Rows(vec![row]),
        });
    }
    if let Some(commit) = context.repo.rev_parse(word)? {
        let commit: ObjectName = commit.to_hex().parse()?;
        return Ok(Chosen {
            name: format!("{word} ({})", commit.short()),
            identity: format!("commit {commit}"),
            what: What::Commit(commit),
        });
    }
    Err(Error::request(format!("there is no experiment, baseline, run or revision `{word}`"))
        .hint("`git exp list` lists the experiments; `label:x` and `filter:…` pick runs"))
}

/// The code and the experiment that `word` means as the baseline of what runs at `place`.
pub fn baseline(context: &mut Context, place: &Place, word: &str) -> Result<Baseline, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let topic = place.registration.as_ref().and_then(|it| it.topic.as_ref());
    let topic = topic.and_then(|name| state.topics.get(name)).map(|it| &it.topic);
    let chosen = choose(context, &mut index, &state, topic, word)?;
    let scratch = || Membership {
        experiment: ExperimentId::scratch(context.now().to_zoned(context.zone.clone()).date()),
        registration: None,
        brief: None,
    };
    let not_here = || Error::request(format!("the code of `{}` is not here", chosen.name));
    let oid = |commit: &ObjectName| {
        crate::git::Oid::from_hex(commit.as_str()).filter(|commit| context.repo.has_object(*commit))
    };
    match &chosen.what {
        What::Experiment(experiment) => {
            let id = &experiment.id;
            let Some(registered) = &experiment.registered else {
                return Err(Error::request(format!("`{id}` is a day's scratch and has no code of its own"))
                    .hint("name one of its runs, or a revision"));
            };
            let branch = format!("refs/heads/{}", layout::experiment_branch(id));
            let tip = match context.repo.read_ref(&branch)? {
                Some(tip) => Some(tip),
                None => context.repo.read_ref(&layout::archive_ref(id))?,
            };
            Ok(Baseline {
                commit: tip.ok_or_else(not_here)?,
                membership: Membership {
                    experiment: id.clone(),
                    registration: Some(registered.entry),
                    brief: Some(registered.current_entry),
                },
                registration: Some(registered.current.clone()),
            })
        }
        What::Commit(commit) => Ok(Baseline {
            commit: oid(commit).ok_or_else(not_here)?,
            membership: scratch(),
            registration: None,
        }),
        What::Rows(rows) if rows.len() == 1 => {
            let entries = context.log.entries(&mut index, rows)?;
            let Some(Entry { body: Body::Run(run), .. }) = entries.first() else { return Err(not_here()) };
            let commit = oid(&run.code.commit).ok_or_else(not_here)?;
            Ok(Baseline { commit, membership: scratch(), registration: None })
        }
        What::Rows(_) | What::Label(_) => Err(Error::request(format!("`{word}` names runs, not code"))
            .hint("run against an experiment, a named baseline, a run or a revision")),
    }
}

/// What `rows` are as a side.
pub fn of_rows(name: &str, rows: Vec<RowRef>) -> Chosen {
    Chosen { name: name.to_owned(), identity: format!("runs {name}"), what: What::Rows(rows) }
}

/// The rows of each side's runs.
fn rows<'a>(
    context: &mut Context,
    index: &mut Index,
    sides: impl Iterator<Item = &'a Chosen>,
) -> Result<Vec<Vec<RowRef>>, Error> {
    let sides: Vec<&Chosen> = sides.collect();
    let common: Vec<Common<'_>> = sides
        .iter()
        .map(|side| match &side.what {
            What::Experiment(experiment) => {
                Common::Experiment(&experiment.id, experiment.registered.as_ref().map(|it| it.entry))
            }
            What::Label(label) => Common::Label(label),
            What::Commit(commit) => Common::Commit(commit.as_str()),
            What::Rows(_) => Common::Label(""),
        })
        .collect();
    let mut found = runs_of(index, &common).map_err(unreadable_index)?;
    for (side, rows) in sides.iter().zip(&mut found) {
        match &side.what {
            What::Rows(own) => rows.clone_from(own),
            What::Commit(commit) if rows.is_empty() => *rows = of_ancestor(context, index, side, commit)?,
            _ => {}
        }
    }
    Ok(found)
}

/// The runs of the nearest commit before `commit` that has any.
fn of_ancestor(
    context: &mut Context,
    index: &mut Index,
    side: &Chosen,
    commit: &ObjectName,
) -> Result<Vec<RowRef>, Error> {
    let Some(tip) = crate::git::Oid::from_hex(commit.as_str()) else { return Ok(Vec::new()) };
    let known = commits(index).map_err(unreadable_index)?;
    let mut nearest = None;
    for (back, step) in context.repo.walk_first_parent(tip).take(FAR_BACK).enumerate() {
        let (commit, _) = step?;
        if known.contains(&commit.to_hex()) {
            nearest = Some((back, commit.to_hex()));
            break;
        }
    }
    let Some((back, commit)) = nearest else { return Ok(Vec::new()) };
    let commits = if back == 1 { "commit" } else { "commits" };
    context.output.say(&format!(
        "`{}` has no runs; its runs {back} {commits} earlier are taken, at {}",
        side.name,
        &commit[..8]
    ));
    let mut found = runs_of(index, &[Common::Commit(&commit)]).map_err(unreadable_index)?;
    Ok(found.remove(0))
}

/// The entries of all sides, each read once.
struct Entries {
    all: Vec<Entry>,
    /// Their rows, in order.
    rows: Vec<RowRef>,
    by_id: HashMap<EntryId, usize>,
}

impl Entries {
    fn read(context: &Context, index: &mut Index, rows: &[Vec<RowRef>]) -> Result<Self, Error> {
        let mut wanted: Vec<RowRef> = rows.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let entries = context.log.entries(index, &wanted)?;
        let by_id = entries.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
        Ok(Self { all: entries, rows: wanted, by_id })
    }

    fn side(&self, name: &str, rows: &[RowRef]) -> Side<'_> {
        let trials = rows
            .iter()
            .filter_map(|row| {
                let entry = &self.all[self.rows.binary_search(row).ok()?];
                match &entry.body {
                    Body::Run(run) => Some(Trial { id: entry.id, run: run.as_ref() }),
                    _ => None,
                }
            })
            .collect();
        Side { name: name.to_owned(), trials }
    }

    fn of(&self, trial: Trial<'_>) -> &Entry {
        &self.all[self.by_id[&trial.id]]
    }
}

/// What a candidate promised: the brief of its experiment, where all its runs are of one.
fn promise(
    context: &Context,
    index: &mut Index,
    state: &State,
    (baseline, candidate, candidates): (&Chosen, &Chosen, usize),
    side: &Side<'_>,
    known_settings: &mut HashMap<(bool, Option<TopicName>), Rc<Settings>>,
) -> Result<Promise, Error> {
    let experiment = match &candidate.what {
        What::Experiment(experiment) => Some(&**experiment),
        _ => only_experiment(state, side),
    };
    let registered = experiment.and_then(|it| it.registered.as_ref());
    let topic = experiment.and_then(ExperimentState::topic).cloned();
    // A scratch run answers to the file beside it, and so does not share what others agreed on.
    let agreed = (registered.is_some(), topic.clone());
    if !known_settings.contains_key(&agreed) {
        let settings = match registered {
            Some(_) => context.settings_for(topic.as_ref(), &context.repo)?,
            None => context.settings_here()?,
        };
        known_settings.insert(agreed.clone(), Rc::new(settings));
    }
    let settings = Rc::clone(&known_settings[&agreed]);
    let Some(registered) = registered else {
        return Ok(Promise {
            settings,
            brief: Brief::default(),
            is_scratch: true,
            topic: None,
            amended: None,
            promised_baseline: None,
            family: candidates,
        });
    };
    let brief = registered.current.brief.clone();
    let topic = topic.and_then(|name| state.topics.get(&name)).map(|it| it.topic.clone());
    let promised = brief.baseline.as_deref().map(|word| {
        let identity = choose(context, index, state, topic.as_ref(), word).ok().map(|it| it.identity);
        (word.to_owned(), identity)
    });
    let promised_baseline =
        promised.filter(|(_, identity)| identity.as_ref() != Some(&baseline.identity)).map(|(word, _)| word);
    let amended = amended(context, index, &registered.current_entry, &brief, side);
    let family = family(state, topic.as_ref(), &brief, candidates);
    Ok(Promise { settings, brief, is_scratch: false, topic, amended, promised_baseline, family })
}

/// The registered experiment that all runs of a side belong to.
fn only_experiment<'a>(state: &'a State, side: &Side<'_>) -> Option<&'a ExperimentState> {
    let registration = side.trials.first()?.run.membership.registration?;
    let is_of_it = |trial: &Trial<'_>| trial.run.membership.registration == Some(registration);
    let is_registered =
        |it: &&ExperimentState| it.registered.as_ref().is_some_and(|known| known.entry == registration);
    state.experiments.iter().find(is_registered).filter(|_| side.trials.iter().all(is_of_it))
}

/// What of a brief was amended after runs had begun under an earlier one.
fn amended(
    context: &Context,
    index: &mut Index,
    current: &EntryId,
    brief: &Brief,
    side: &Side<'_>,
) -> Option<String> {
    let earlier: HashSet<EntryId> = side
        .trials
        .iter()
        .filter_map(|trial| trial.run.membership.brief)
        .filter(|entry| entry != current)
        .collect();
    let mut what: Vec<&str> = Vec::new();
    for entry in earlier {
        let Ok((_, entry)) = context.log.find(index, &entry.to_hex()) else { continue };
        let Body::Brief(before) = &entry.body else { continue };
        let before = &before.brief;
        let changes = [
            ("criteria", before.accept != brief.accept),
            ("guardrails", before.guard != brief.guard),
            ("number of trials", before.planned_trials() != brief.planned_trials()),
            ("baseline", before.baseline != brief.baseline),
        ];
        for (name, _) in changes.into_iter().filter(|(_, is_changed)| *is_changed) {
            if !what.contains(&name) {
                what.push(name);
            }
        }
    }
    what.sort_unstable();
    (!what.is_empty()).then(|| format!("amended after the first run: {}", what.join(", ")))
}

/// How many candidates were ever compared with a brief's baseline: the topic's experiments that have runs and name it.
fn family(state: &State, topic: Option<&Topic>, brief: &Brief, candidates: usize) -> usize {
    let meant = |word: &str| -> String {
        let named = topic.and_then(|topic| topic.baselines.get(word)).map_or(word, String::as_str);
        named.to_ascii_lowercase()
    };
    let Some(baseline) = brief.baseline.as_deref().map(meant) else { return candidates };
    let name = topic.map(|topic| &topic.name);
    let others = state.experiments.iter().filter(|it| {
        let of_topic = it.registered.as_ref().filter(|it| it.current.topic.as_ref() == name);
        it.runs.total() > 0
            && of_topic
                .and_then(|it| it.current.brief.baseline.as_deref())
                .is_some_and(|word| meant(word) == baseline)
    });
    others.count().max(candidates)
}

impl Promise {
    fn terms<'a>(
        &'a self,
        scope: &'a BTreeMap<String, Vec<String>>,
        known_definitions: &'a BTreeMap<String, Definition>,
    ) -> Terms<'a> {
        Terms {
            definitions: &self.settings.metrics,
            known_definitions,
            accept: &self.brief.accept,
            guard: &self.brief.guard,
            planned: (!self.is_scratch).then(|| self.brief.planned_trials()),
            is_scratch: self.is_scratch,
            promised_baseline: self.promised_baseline.clone(),
            amended: self.amended.clone(),
            unconfirmed_best_of: None,
            scope,
            family: self.family,
        }
    }
}

/// The definitions that runs were recorded under, as far as they can be found; looked for only where sides differ.
fn known_definitions(
    context: &Context,
    promises: &[Promise],
    found: &[Vec<Matchup<'_>>],
) -> Result<BTreeMap<String, Definition>, Error> {
    let mut known = BTreeMap::new();
    let newest: Vec<(&Run, &Run)> = found
        .iter()
        .map(|strata| strata[0].representatives())
        .map(|(baseline, candidate)| (baseline.run, candidate.run))
        .collect();
    let differ = |(from, to): &(&Run, &Run)| {
        from.metrics.iter().any(|(name, value)| {
            to.metrics.get(name).is_some_and(|other| other.definition != value.definition)
        })
    };
    if !newest.iter().any(differ) {
        return Ok(known);
    }
    let mut take = |metrics: &BTreeMap<String, Definition>| {
        for definition in metrics.values() {
            known.entry(fingerprint(definition)).or_insert_with(|| definition.clone());
        }
    };
    for promise in promises {
        take(&promise.settings.metrics);
    }
    let ran = newest.iter().flat_map(|(from, to)| [&from.code.commit, &to.code.commit]);
    let mut commits: HashSet<crate::git::Oid> =
        ran.filter_map(|commit| crate::git::Oid::from_hex(commit.as_str())).collect();
    let topics = promises.iter().filter_map(|it| it.topic.as_ref()).map(|it| layout::topic_branch(&it.name));
    for branch in topics.chain(context.main_branch()?) {
        let Some(tip) = context.repo.read_ref(&format!("refs/heads/{branch}"))? else { continue };
        for step in context.repo.walk_first_parent(tip).take(FAR_BACK) {
            commits.insert(step?.0);
        }
    }
    for commit in commits {
        // Code that is not here can say nothing, and what cannot be parsed never declared a metric.
        let Ok(Some(text)) = context.text_at(commit, CONFIGURATION) else { continue };
        if let Ok(layer) = config::parse(&text, CONFIGURATION) {
            take(&layer.metrics);
        }
    }
    Ok(known)
}

/// Judges every candidate on the hardware it ran on last, and tells what it comes to on the other.
fn judge<'a>(
    context: &Context,
    entries: &Entries,
    found: Vec<Vec<Matchup<'a>>>,
    terms: &[Terms<'_>],
) -> Result<Vec<Comparison<'a>>, Error> {
    let mut stored = StoredRuns { context, known: HashMap::new() };
    let mut first = Vec::with_capacity(found.len());
    let mut rest = Vec::with_capacity(found.len());
    for (strata, terms) in found.into_iter().zip(terms) {
        let mut strata = strata.into_iter();
        let main = strata.next().expect("there is at least one");
        let difference = stored.difference(entries, &main)?;
        first.push((main, difference, terms));
        let mut others = Vec::new();
        for other in strata {
            let difference = stored.difference(entries, &other)?;
            others.extend(compare(vec![(other, difference, terms)]));
        }
        rest.push(others);
    }
    let mut comparisons = compare(first);
    for (comparison, others) in comparisons.iter_mut().zip(rest) {
        comparison.add_strata(&others);
    }
    Ok(comparisons)
}

/// What was stored beside runs, each environment read once.
struct StoredRuns<'c> {
    context: &'c Context,
    /// By the hash of the file.
    known: HashMap<String, Option<Json>>,
}

impl StoredRuns<'_> {
    fn difference(&mut self, entries: &Entries, matchup: &Matchup<'_>) -> Result<Difference, Error> {
        let (baseline, candidate) = matchup.representatives();
        let (from, to) = (entries.of(baseline), entries.of(candidate));
        let hashes = (environment_hash(from), environment_hash(to));
        // Equal files differ in nothing, and need not be read.
        let is_equal = hashes.0.is_some() && hashes.0 == hashes.1;
        let mut read = |entry: &Entry, hash: Option<String>| -> Result<Option<Json>, Error> {
            let Some(hash) = hash.filter(|_| !is_equal) else { return Ok(None) };
            if !self.known.contains_key(&hash) {
                self.known.insert(hash.clone(), environment(self.context, entry)?);
            }
            Ok(self.known[&hash].clone())
        };
        let (mut environment_from, mut environment_to) = (read(from, hashes.0)?, read(to, hashes.1)?);
        let datasets = |environment: &mut Option<Json>| {
            let datasets = environment.as_mut().and_then(|it| it.as_object_mut()?.remove("datasets"));
            datasets.map(|datasets| versions(&datasets)).unwrap_or_default()
        };
        let (datasets_from, datasets_to) = (datasets(&mut environment_from), datasets(&mut environment_to));
        let (config_from, config_to) = (config_files(from), config_files(to));
        Ok(Difference::between(
            &Stored {
                run: baseline.run,
                environment: environment_from.as_ref(),
                config_files: &config_from,
                datasets: &datasets_from,
            },
            &Stored {
                run: candidate.run,
                environment: environment_to.as_ref(),
                config_files: &config_to,
                datasets: &datasets_to,
            },
        ))
    }
}

fn environment_hash(entry: &Entry) -> Option<String> {
    let files = entry.files.iter().flat_map(|list| &list.files);
    files.into_iter().find(|file| file.name.0 == b"environment.json").map(|file| file.blake3.clone())
}
