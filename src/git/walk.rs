//! Walking a chain of commits along first parents.

use super::Repo;
use super::error::GitError;
use super::object::Oid;

/// The parts of a commit that a walk along a chain needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lite {
    /// Its tree.
    pub tree: Oid,
    /// Its first parent.
    pub parent: Option<Oid>,
}

/// How many commits are read before it is worth it to open Git's commit graph, where there is one.
const SHORT: usize = 100;

/// What Git's commit graph says of a commit: the same as the commit, without unpacking it.
fn lite_of_graph(graph: &gix::commitgraph::Graph, oid: Oid) -> Option<Lite> {
    let commit = graph.commit_by_id(oid.0)?;
    let parent = match commit.parent1().ok()? {
        // A damaged graph can point anywhere.
        Some(position) if position.0 >= graph.num_commits() => return None,
        Some(position) => Some(Oid(graph.id_at(position).to_owned())),
        None => None,
    };
    Some(Lite { tree: Oid(commit.root_tree_id().to_owned()), parent })
}

impl Repo {
    /// The commits from `tip` along first parents, newest first, to the root or, in a shallow repository, to the last one here.
    pub fn walk_first_parent(&self, tip: Oid) -> impl Iterator<Item = Result<(Oid, Lite), GitError>> + '_ {
        let mut next = Some(tip);
        let mut buffer = Vec::new();
        let shallow = self.inner.shallow_commits().ok().flatten();
        let mut graph = None;
        let mut count = 0_usize;
        std::iter::from_fn(move || {
            let oid = next.take()?;
            count += 1;
            if count == SHORT && shallow.is_none() {
                graph = self.inner.commit_graph_if_enabled().ok().flatten();
            }
            let known = graph.as_ref().and_then(|graph| lite_of_graph(graph, oid));
            let lite = match known.map_or_else(|| self.read_lite(oid, &mut buffer), Ok) {
                Ok(lite) => lite,
                Err(error) => return Some(Err(error)),
            };
            // Where history was cut off later, what lies below may still be here.
            next = lite.parent.filter(|parent| shallow.is_none() || self.has_object(*parent));
            Some(Ok((oid, lite)))
        })
    }

    fn read_lite(&self, oid: Oid, buffer: &mut Vec<u8>) -> Result<Lite, GitError> {
        use gix::objs::Find as _;
        let found = self.inner.objects.try_find(&oid.0, buffer).map_err(|error| GitError::Object {
            oid,
            wanted: "commit",
            source: error.into(),
        })?;
        let data = found.ok_or(GitError::Missing(oid))?;
        let damaged = || GitError::Object { oid, wanted: "commit", source: "it is not a commit".into() };
        if data.kind != gix::objs::Kind::Commit {
            return Err(damaged());
        }
        let mut commit = gix::objs::CommitRefIter::from_bytes(data.data, self.inner.object_hash());
        let tree = commit.tree_id().map_err(|_| damaged())?;
        let parent = commit.parent_ids().next();
        Ok(Lite { tree: Oid(tree), parent: parent.map(Oid) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::*;

    fn chain(lab: &Lab, length: usize) -> Vec<Oid> {
        let repo = lab.repo();
        let mut chain: Vec<Oid> = Vec::new();
        for number in 0..length {
            let parent = chain.last().copied();
            chain.push(Lab::entry(&repo, parent, &format!("{{\"number\":{number}}}")));
        }
        lab.git(["update-ref", "refs/heads/main", &chain.last().unwrap().to_hex()]);
        chain
    }

    #[test]
    fn a_chain_is_walked_newest_first_loose_and_packed() {
        let lab = Lab::new();
        let mut commits = chain(&lab, 50);
        commits.reverse();
        for _ in 0..2 {
            let repo = lab.repo();
            let walked: Vec<(Oid, Lite)> =
                repo.walk_first_parent(commits[0]).collect::<Result<_, _>>().unwrap();
            assert_eq!(walked.iter().map(|(oid, _)| *oid).collect::<Vec<_>>(), commits);
            assert_eq!(walked[49].1.parent, None);
            let blob = repo.read_tree(walked[0].1.tree).unwrap()[0].oid;
            assert_eq!(repo.read_blob(blob).unwrap(), b"{\"number\":49}");
            lab.git(["gc", "--quiet"]);
        }
    }

    #[test]
    fn a_long_chain_is_the_same_with_and_without_a_commit_graph() {
        let lab = Lab::new();
        let mut commits = chain(&lab, 3 * SHORT);
        commits.reverse();
        let walk = || lab.repo().walk_first_parent(commits[0]).collect::<Result<Vec<_>, _>>().unwrap();
        let plain = walk();
        assert_eq!(plain.iter().map(|(oid, _)| *oid).collect::<Vec<_>>(), commits);
        lab.git(["gc", "--quiet"]);
        lab.git(["commit-graph", "write", "--reachable"]);
        assert!(lab.top().join(".git/objects/info/commit-graph").exists());
        assert_eq!(walk(), plain);
        let newer = Lab::entry(&lab.repo(), Some(commits[0]), "newer");
        assert_eq!(lab.repo().walk_first_parent(newer).count(), 3 * SHORT + 1);
    }

    #[test]
    fn a_shallow_clone_ends_where_its_history_does() {
        let lab = Lab::new();
        let commits = chain(&lab, 5);
        let url = format!("file://{}", lab.top().display());
        lab.git(["clone", "--quiet", "--depth=2", &url, "shallow"]);
        let shallow = Repo::discover(&lab.top().join("shallow")).unwrap();
        assert!(shallow.is_shallow());
        let walked: Vec<Oid> = shallow.walk_first_parent(commits[4]).map(|it| it.unwrap().0).collect();
        assert_eq!(walked, [commits[4], commits[3]]);
        let below = shallow.walk_first_parent(commits[2]).next().unwrap();
        assert!(below.unwrap_err().is_missing());
    }
}
