//! The rules about files, held against a branch: its commits, its index, its worktree.

use std::collections::{HashMap, HashSet};

use super::{deciding, selection};
use crate::context::{CONFIGURATION, Context};
use crate::domain::breach::Breach;
use crate::domain::entry::Identity;
use crate::domain::file_rules::{FileBreach, FileChange, Surroundings, Version};
use crate::domain::id::TopicName;
use crate::domain::path_pattern::PathPattern;
use crate::domain::policy::{Rules, approving};
use crate::domain::state::{ExperimentState, OverrideOf, State};
use crate::error::{Error, Fault};
use crate::git::{Oid, PathBytes, Repo, Stored};
use crate::log::layout;

/// How many digits of a commit's name stand in what to type.
const SHORT: usize = 12;
/// The kind of what has no content here: the commit of a submodule.
const SUBMODULE: u32 = 0o160_000;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The commits that are reachable from the second one, and not from the first.
    Range(Oid, Oid),
    /// What the worktree has otherwise than `HEAD`.
    Worktree,
    /// What the index has otherwise than `HEAD`.
    Staged,
}

/// A branch that is looked at.
pub struct Branch<'a> {
    /// The repository, as seen from the branch's worktree where it has one.
    pub repo: Repo,
    /// Whether it is checked out, so that it has an index and a worktree.
    pub is_checked_out: bool,
    /// Its name; absent where the head is detached.
    pub name: Option<String>,
    /// Where it ends; absent before the first commit.
    pub tip: Option<Oid>,
    /// The experiment that it belongs to.
    pub experiment: Option<&'a ExperimentState>,
    /// The topic that it belongs to.
    pub topic: Option<TopicName>,
    is_main: bool,
}

impl<'a> Branch<'a> {
    /// The branch that is checked out here.
    pub fn current(context: &Context, state: &'a State) -> Result<Self, Error> {
        let head = context.repo.head()?;
        let name = head.branch;
        let id = selection::experiment_of_branch(name.as_deref());
        let writers = context.log.own_writers()?;
        let experiment = id.and_then(|id| state.of_branch(&id, &writers));
        let of_name = name.as_deref().and_then(|name| name.strip_prefix("research/")?.parse().ok());
        let topic = experiment.map_or(of_name, |it| it.topic().cloned());
        let is_main = name.is_some() && name == context.main_branch()?;
        let is_checked_out = !context.repo.is_bare();
        Ok(Self {
            repo: context.repo.clone(),
            is_checked_out,
            name,
            tip: head.commit,
            experiment,
            topic,
            is_main,
        })
    }

    /// The branch of an experiment, put away or not.
    pub fn of(context: &Context, experiment: &'a ExperimentState) -> Result<Self, Error> {
        let worktree = selection::worktree_of_experiment(context, experiment)?;
        let repo = match &worktree {
            Some(path) => context.repo.in_worktree(path)?,
            None => context.repo.clone(),
        };
        Ok(Self {
            repo,
            is_checked_out: worktree.is_some(),
            name: Some(layout::experiment_branch(&experiment.id)),
            tip: tip_of(context, experiment)?,
            experiment: Some(experiment),
            topic: experiment.topic().cloned(),
            is_main: false,
        })
    }

    /// The branch of a topic.
    pub fn of_topic(context: &Context, topic: TopicName) -> Result<Self, Error> {
        let name = layout::topic_branch(&topic);
        let full = format!("refs/heads/{name}");
        let worktree = context.repo.worktrees()?.into_iter().find(|it| it.branch.as_deref() == Some(&full));
        let repo = match &worktree {
            Some(worktree) => context.repo.in_worktree(&worktree.path)?,
            None => context.repo.clone(),
        };
        Ok(Self {
            repo,
            is_checked_out: worktree.is_some(),
            tip: context.repo.read_ref(&full)?,
            name: Some(name),
            experiment: None,
            topic: Some(topic),
            is_main: false,
        })
    }

    /// The commits of the experiment, from where it began to where it is; `None` where there is no experiment.
    pub fn range(&self, context: &Context) -> Result<Option<Scope>, Error> {
        let (Some(experiment), Some(tip)) = (self.experiment, self.tip) else { return Ok(None) };
        let start = experiment.registered.as_ref().and_then(|it| it.current.start.as_ref());
        let start = start.and_then(|start| Oid::from_hex(start.as_str()));
        // Whoever rebases leaves the commit that the branch began at behind.
        let mut from = start.into_iter().chain(context.agreed_tips(self.topic.as_ref())?);
        let base = from.find_map(|commit| {
            self.repo.has_object(commit).then(|| self.repo.merge_base(commit, tip).transpose()).flatten()
        });
        match base.transpose()? {
            Some(base) => Ok(Some(Scope::Range(base, tip))),
            None => Err(Error {
                fault: Fault::Unknown,
                ..Error::request(format!("cannot tell where `{}` began", experiment.name()))
                    .because("the commit that it began at is not here")
                    .hint("git fetch --unshallow")
            }),
        }
    }

    /// How it is called in a sentence; absent for the main branch.
    fn in_words(&self) -> Option<String> {
        match &self.name {
            _ if self.is_main => None,
            Some(name) => Some(format!("`{name}`")),
            None => Some("no branch".to_owned()),
        }
    }
}

/// Where an experiment's branch is, put away or not.
fn tip_of(context: &Context, experiment: &ExperimentState) -> Result<Option<Oid>, Error> {
    let tip = deciding::commit_of(context, experiment)?;
    Ok(tip.and_then(|tip| Oid::from_hex(tip.as_str())))
}

/// Every rule about files that a branch does not keep, and that nobody with the role set aside.
pub fn breaches(
    context: &Context,
    state: &State,
    branch: &Branch<'_>,
    scopes: &[Scope],
) -> Result<Vec<Breach>, Error> {
    let rules = context.rules_for(branch.topic.as_ref())?;
    if rules.files.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: Vec<FileBreach> = Vec::new();
    for &scope in scopes {
        let look = Look { context, state, branch, rules: &rules };
        for found in look.at(scope)? {
            // What was committed shows in the worktree, too.
            if !known.iter().any(|it| it.path == found.path && it.breach.rule == found.breach.rule) {
                known.push(found);
            }
        }
    }
    Ok(known.into_iter().map(|it| it.breach).collect())
}

/// Says where the branch has rules of its own, which do not count.
pub fn note(context: &Context, branch: &Branch<'_>) -> Result<Option<String>, Error> {
    let Some(tip) = branch.tip else { return Ok(None) };
    let agreed = context.agreed(branch.topic.as_ref())?;
    let own = context.text_at(tip, CONFIGURATION)?;
    Ok(match (agreed, own) {
        (Some((agreed, _)), Some(own)) if agreed == own => None,
        (Some(_), _) if branch.experiment.is_none() => None,
        (Some((_, origin)), _) => Some(format!(
            "`{CONFIGURATION}` is another one here than where it was agreed on; the rules are those of `{origin}`"
        )),
        (None, Some(_)) => Some(format!(
            "`{CONFIGURATION}` is on no branch that was agreed on, so that its rules are not in force"
        )),
        (None, None) => None,
    })
}

/// One look at a branch, under the rules that were agreed on.
struct Look<'a> {
    context: &'a Context,
    state: &'a State,
    branch: &'a Branch<'a>,
    rules: &'a Rules,
}

/// Files as they are now, and the commits that they are held against.
struct Sides {
    now: HashMap<PathBytes, Stored>,
    /// Files that Git does not look at, as they are now.
    hidden: HashMap<PathBytes, Version>,
    /// Where the commits that are looked at begin, or `HEAD`.
    base: Option<Oid>,
    /// What is to be left of files that grow.
    before: Option<Oid>,
    agreed: Vec<Oid>,
    known: Vec<Oid>,
}

impl Look<'_> {
    fn at(&self, scope: Scope) -> Result<Vec<FileBreach>, Error> {
        let mut sides = match scope {
            Scope::Range(base, tip) => self.range(base, tip)?,
            Scope::Worktree => self.worktree()?,
            Scope::Staged => self.staged()?,
        };
        let mut found = self.breaches(scope, &sides)?;
        if !found.is_empty() && !matches!(scope, Scope::Range(..)) {
            // Only now is it worth to ask what was merged, and what the experiment began with.
            sides.agreed = self.agreed_here()?;
            sides.before = self.met(sides.before)?;
            sides.known = self.context.agreed_tips(self.branch.topic.as_ref())?;
            found = self.breaches(scope, &sides)?;
        }
        self.without_those_set_aside(scope, &sides, found)
    }

    /// What the commits of a range come to.
    fn range(&self, base: Oid, tip: Oid) -> Result<Sides, Error> {
        let repo = &self.branch.repo;
        let agreed = self.bases(base, tip)?;
        let from = *agreed.first().unwrap_or(&base);
        let changes = repo.tree_changes(self.tree(from)?, self.tree(tip)?)?;
        let now = changes.into_iter().filter(|(path, _, _)| self.concerns(path));
        let now = now.map(|(path, _, after)| (path, after)).collect();
        let known = self.known(tip)?;
        Ok(Sides { now, hidden: HashMap::new(), base: Some(base), before: Some(base), agreed, known })
    }

    /// The commits that what is at `tip` is held against: where it began, and what was merged since of what was agreed on. None
    /// where that is where it began alone.
    fn bases(&self, base: Oid, tip: Oid) -> Result<Vec<Oid>, Error> {
        let mut bases = vec![base];
        for agreed in self.context.agreed_tips(self.branch.topic.as_ref())? {
            let met = self.branch.repo.merge_base(agreed, tip)?;
            bases.extend(met.filter(|met| *met != tip && !bases.contains(met)));
        }
        if bases.len() > 1 {
            bases = self.branch.repo.independent(&bases)?;
        }
        Ok(if bases == [base] { Vec::new() } else { bases })
    }

    /// The ends of the branches that were agreed on, but for those that have the commit itself.
    fn known(&self, commit: Oid) -> Result<Vec<Oid>, Error> {
        let mut known = Vec::new();
        for tip in self.context.agreed_tips(self.branch.topic.as_ref())? {
            if !self.branch.repo.is_ancestor(commit, tip)? {
                known.push(tip);
            }
        }
        Ok(known)
    }

    /// Where `HEAD` and what is being merged into it met, else `HEAD`.
    fn met(&self, head: Option<Oid>) -> Result<Option<Oid>, Error> {
        let merged = self.branch.repo.merge_heads()?;
        match (head, merged.first()) {
            (Some(head), Some(merged)) => Ok(self.branch.repo.merge_base(head, *merged)?.or(Some(head))),
            _ => Ok(head),
        }
    }

    /// The commits that uncommitted files are held against.
    fn agreed_here(&self) -> Result<Vec<Oid>, Error> {
        let Some(head) = self.branch.repo.head()?.commit else { return Ok(Vec::new()) };
        let mut agreed = vec![head];
        let tips = self.context.agreed_tips(self.branch.topic.as_ref())?;
        for merged in self.branch.repo.merge_heads()? {
            for &tip in &tips {
                if !agreed.contains(&merged) && self.branch.repo.is_ancestor(merged, tip)? {
                    agreed.push(merged);
                }
            }
        }
        // What is wrong in a commit can be put right by the next one.
        if let Some(Scope::Range(base, tip)) = self.branch.range(self.context)? {
            let bases = self.bases(base, tip)?;
            agreed.extend(if bases.is_empty() { vec![base] } else { bases });
        }
        agreed.dedup();
        Ok(agreed)
    }

    fn worktree(&self) -> Result<Sides, Error> {
        let repo = &self.branch.repo;
        let changes = repo.worktree_changes()?;
        let all = [
            &changes.modified[..],
            &changes.deleted,
            &changes.untracked,
            &changes.staged,
            &changes.dirty_submodules,
        ]
        .concat();
        let mut take: Vec<PathBytes> = all.into_iter().filter(|path| self.concerns(path)).collect();
        take.sort();
        take.dedup();
        let head = repo.head()?.commit;
        // Only what grows is stored for a look at its content: what is frozen may be large.
        let (grow, others): (Vec<PathBytes>, Vec<PathBytes>) =
            take.into_iter().partition(|path| self.rules.files.grows(&String::from_utf8_lossy(path)));
        let known = self.entries(head, &others.iter().map(Vec::as_slice).collect())?;
        let mut found = repo.worktree_entries(&others, &known)?;
        if !grow.is_empty() {
            let tree = match repo.snapshot_tree(&grow, &[]) {
                Ok(tree) => tree,
                // Where a merge left conflicts, the files that have them are to be taken, too.
                Err(_) => {
                    let conflicts = changes.modified.iter().filter(|path| !grow.contains(path)).cloned();
                    repo.snapshot_tree(&grow.iter().cloned().chain(conflicts).collect::<Vec<_>>(), &[])?
                }
            };
            repo.entries_at(tree, &grow.iter().map(Vec::as_slice).collect(), &mut found)?;
        }
        let now = grow.into_iter().chain(others);
        let mut now: HashMap<PathBytes, Stored> =
            now.map(|path| (path.clone(), found.get(&path).copied())).collect();
        let hidden = changes.hidden.iter().filter(|path| self.concerns(path));
        let hidden: HashMap<PathBytes, Version> =
            hidden.map(|path| Ok((path.clone(), self.hidden(path)?))).collect::<Result<_, Error>>()?;
        now.extend(hidden.keys().map(|path| (path.clone(), None)));
        Ok(Sides { now, hidden, base: head, before: head, agreed: Vec::new(), known: Vec::new() })
    }

    /// A file that Git was told not to look at, and that is not as it has it.
    fn hidden(&self, path: &PathBytes) -> Result<Version, Error> {
        let (mode, content) = self.branch.repo.worktree_file(path)?;
        Ok(Version { mode, object: "as it is in the worktree".to_owned(), content })
    }

    fn staged(&self) -> Result<Sides, Error> {
        let repo = &self.branch.repo;
        let head = repo.head()?.commit;
        let from = match head {
            Some(head) => self.tree(head)?,
            None => repo.empty_tree(),
        };
        let changes = repo.index_changes(from)?.into_iter().filter(|(path, _, _)| self.concerns(path));
        let now = changes.map(|(path, _, after)| (path, after)).collect();
        Ok(Sides {
            now,
            hidden: HashMap::new(),
            base: head,
            before: head,
            agreed: Vec::new(),
            known: Vec::new(),
        })
    }

    fn concerns(&self, path: &[u8]) -> bool {
        self.rules.files.concern(&String::from_utf8_lossy(path))
    }

    fn tree(&self, commit: Oid) -> Result<Oid, Error> {
        Ok(self.branch.repo.read_commit(commit)?.tree)
    }

    fn breaches(&self, scope: Scope, sides: &Sides) -> Result<Vec<FileBreach>, Error> {
        if sides.now.is_empty() {
            return Ok(Vec::new());
        }
        let branch = self.branch.in_words();
        let name = self.branch.experiment.map(ExperimentState::name);
        let base = match sides.agreed.first().or(sides.base.as_ref()) {
            Some(base) if Some(*base) != self.branch.repo.head()?.commit => base.to_hex()[..SHORT].to_owned(),
            _ => "HEAD".to_owned(),
        };
        let surroundings = Surroundings {
            branch: branch.as_deref(),
            roles: &self.rules.roles,
            base: &base,
            experiment: name.as_deref(),
        };
        let changes = self.changes(scope, sides)?;
        Ok(changes.iter().flat_map(|change| self.rules.files.breaches(change, &surroundings)).collect())
    }

    /// What became of each file.
    fn changes(&self, scope: Scope, sides: &Sides) -> Result<Vec<FileChange>, Error> {
        let mut paths: Vec<&PathBytes> = sides.now.keys().collect();
        paths.sort();
        let wanted: HashSet<&[u8]> = paths.iter().map(|path| path.as_slice()).collect();
        let before = self.entries(sides.before, &wanted)?;
        let all = |commits: &[Oid]| -> Result<Vec<_>, Error> {
            commits.iter().map(|commit| self.entries(Some(*commit), &wanted)).collect()
        };
        let (agreed, known) = (all(&sides.agreed)?, all(&sides.known)?);
        let owned: Vec<PathBytes> = paths
            .iter()
            .filter(|path| self.rules.files.is_owned(&String::from_utf8_lossy(path)))
            .map(|path| (*path).clone())
            .collect();
        let mut authors = self.authors(scope, sides, &owned)?;
        let mut approvers = self.approvers(scope, sides, &owned)?;
        let mut changes = Vec::new();
        for path in paths {
            let name = String::from_utf8_lossy(path).into_owned();
            let version = |stored: Stored| self.version(&name, stored);
            let of = |entries: &HashMap<PathBytes, (u32, Oid)>| version(entries.get(path).copied());
            changes.push(FileChange {
                before: of(&before)?,
                agreed: agreed.iter().map(of).collect::<Result<_, _>>()?,
                known: known.iter().map(of).collect::<Result<_, _>>()?,
                after: match sides.hidden.get(path) {
                    Some(hidden) => Some(hidden.clone()),
                    None => version(sides.now[path])?,
                },
                authors: authors.remove(path).unwrap_or_default(),
                approvers: approvers.remove(path).unwrap_or_default(),
                path: name,
            });
        }
        Ok(changes)
    }

    fn entries(
        &self,
        commit: Option<Oid>,
        wanted: &HashSet<&[u8]>,
    ) -> Result<HashMap<PathBytes, (u32, Oid)>, Error> {
        let mut found = HashMap::new();
        if let Some(commit) = commit {
            self.branch.repo.entries_at(self.tree(commit)?, wanted, &mut found)?;
        }
        Ok(found)
    }

    fn version(&self, path: &str, stored: Stored) -> Result<Option<Version>, Error> {
        let Some((mode, oid)) = stored else { return Ok(None) };
        let content = match self.rules.files.grows(path) && mode != SUBMODULE {
            true => self.branch.repo.read_blob(oid)?,
            false => Vec::new(),
        };
        Ok(Some(Version { mode, object: oid.to_hex(), content }))
    }

    /// Who changed each file that has an owner.
    fn authors(
        &self,
        scope: Scope,
        sides: &Sides,
        owned: &[PathBytes],
    ) -> Result<HashMap<PathBytes, Vec<Identity>>, Error> {
        if owned.is_empty() {
            return Ok(HashMap::new());
        }
        let Scope::Range(base, tip) = scope else {
            let here = self.context.identity();
            return Ok(owned.iter().map(|path| (path.clone(), vec![here.clone()])).collect());
        };
        let bases: Vec<Oid> = sides.agreed.iter().copied().chain([base]).collect();
        let authors = self.branch.repo.authors_of(tip, &bases, owned)?;
        let person = |(name, email)| Identity { name, email };
        Ok(authors.into_iter().map(|(path, all)| (path, all.into_iter().map(person).collect())).collect())
    }

    /// Who approved of each file that has an owner: of a commit that has it as it is now. What is not committed yet may have been
    /// approved ahead, since nobody can review it before.
    fn approvers(
        &self,
        scope: Scope,
        sides: &Sides,
        owned: &[PathBytes],
    ) -> Result<HashMap<PathBytes, Vec<Identity>>, Error> {
        let mut approvers: HashMap<PathBytes, Vec<Identity>> = HashMap::new();
        let reviews = self.branch.experiment.map_or(&[][..], |it| &it.reviews);
        let wanted: HashSet<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        for review in approving(reviews).filter(|_| !owned.is_empty()) {
            let commit = review.review.commit.as_ref().and_then(|commit| Oid::from_hex(commit.as_str()));
            let reviewed = match commit.filter(|commit| self.branch.repo.has_object(*commit)) {
                Some(commit) => self.entries(Some(commit), &wanted)?,
                None if matches!(scope, Scope::Range(..)) => continue,
                None => HashMap::new(),
            };
            for path in owned {
                if !matches!(scope, Scope::Range(..)) || reviewed.get(path).copied() == sides.now[path] {
                    approvers.entry(path.clone()).or_default().push(review.by.clone());
                }
            }
        }
        Ok(approvers)
    }

    /// Those of `found` for which no override counts: by somebody who has the role, for this rule, path and branch.
    fn without_those_set_aside(
        &self,
        scope: Scope,
        sides: &Sides,
        mut found: Vec<FileBreach>,
    ) -> Result<Vec<FileBreach>, Error> {
        for given in &self.state.overrides {
            let patterns: Vec<PathPattern> = given.it.paths.iter().filter_map(|it| it.parse().ok()).collect();
            let is_meant = |it: &FileBreach| {
                it.breach.rule == given.it.rule && patterns.iter().any(|pattern| pattern.matches(&it.path))
            };
            if found.iter().any(is_meant)
                && self.rules.breach_of_override(&given.by).is_none()
                && self.is_given_here(given, scope, sides)?
            {
                found.retain(|it| !is_meant(it));
            }
        }
        Ok(found)
    }

    /// Whether an override is about what is looked at: the experiment, the topic, or commits that it was given for.
    fn is_given_here(&self, given: &OverrideOf, scope: Scope, sides: &Sides) -> Result<bool, Error> {
        if let Some(registration) = given.it.registration {
            let is_it =
                |it: &&ExperimentState| it.registered.as_ref().is_some_and(|it| it.entry == registration);
            return match self.branch.experiment {
                Some(experiment) => Ok(is_it(&experiment)),
                // To merge an experiment is to bring in what it was allowed to do.
                None => match self.state.experiments.iter().find(is_it) {
                    Some(experiment) => self.brings_in(tip_of(self.context, experiment)?, scope, sides),
                    None => Ok(false),
                },
            };
        }
        if let Some(topic) = &given.it.topic {
            return Ok(self.branch.topic.as_ref() == Some(topic));
        }
        let commit = given.it.commit.as_ref().and_then(|commit| Oid::from_hex(commit.as_str()));
        match commit {
            Some(commit) if sides.base == Some(commit) => Ok(true),
            commit => self.brings_in(commit, scope, sides),
        }
    }

    /// Whether a commit is among those that are looked at.
    fn brings_in(&self, commit: Option<Oid>, scope: Scope, sides: &Sides) -> Result<bool, Error> {
        let repo = &self.branch.repo;
        let Some(commit) = commit.filter(|commit| repo.has_object(*commit)) else { return Ok(false) };
        let tips = match scope {
            Scope::Range(_, tip) => vec![tip],
            Scope::Worktree | Scope::Staged => repo.merge_heads()?,
        };
        if let Some(base) = sides.base
            && repo.is_ancestor(commit, base)?
        {
            return Ok(false);
        }
        for tip in tips {
            if repo.is_ancestor(commit, tip)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
