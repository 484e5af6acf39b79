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

impl Repo {
    /// The commits from `tip` along first parents, newest first, to the root or to where a shallow history ends.
    pub fn walk_first_parent(&self, tip: Oid) -> impl Iterator<Item = Result<(Oid, Lite), GitError>> + '_ {
        let mut next = Some(tip);
        let mut buffer = Vec::new();
        let shallow = self.inner.shallow_commits().ok().flatten();
        std::iter::from_fn(move || {
            let oid = next.take()?;
            let lite = match self.read_lite(oid, &mut buffer) {
                Ok(lite) => lite,
                Err(error) => return Some(Err(error)),
            };
            let is_end = shallow.as_ref().is_some_and(|ends| ends.contains(&oid.0));
            next = lite.parent.filter(|_| !is_end);
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
