//! Which machines and people become visible to whoever can read the files of runs.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::Log;
use super::error::LogError;
use crate::git::Oid;

/// The file of a run that says where it ran.
const ENVIRONMENT: &[u8] = b"environment.json";

/// Names as runs recorded them, or their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// Of machines.
    pub hosts: BTreeSet<String>,
    /// Of accounts.
    pub users: BTreeSet<String>,
}

/// What is read of an environment.
#[derive(Deserialize)]
struct Named {
    host: Option<String>,
    user: Option<String>,
}

impl Log {
    /// Adds the names in the files that the data chain ending at `tip` holds, without those up to a commit of `known`.
    pub fn add_names(&self, names: &mut Names, tip: Oid, known: &HashSet<Oid>) -> Result<(), LogError> {
        let mut read = HashSet::new();
        for step in self.repo.walk_first_parent(tip) {
            let (commit, lite) = step?;
            if known.contains(&commit) {
                break;
            }
            let rows = self.repo.read_tree(lite.tree)?;
            // Equal environments are one object.
            let Some(row) =
                rows.iter().find(|row| row.name == ENVIRONMENT).filter(|row| read.insert(row.oid))
            else {
                continue;
            };
            // One that cannot be read is told by `fsck`.
            let bytes = self.repo.read_blob(row.oid).unwrap_or_default();
            if let Ok(named) = serde_json::from_slice::<Named>(&bytes) {
                names.hosts.extend(named.host);
                names.users.extend(named.user);
            }
        }
        Ok(())
    }
}
