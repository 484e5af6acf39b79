//! Git's configuration, and who the user is.

use super::Repo;
use super::error::GitError;

/// Who the user is, as Git resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Repo {
    /// The value of a key.
    pub fn config_string(&self, key: &str) -> Option<String> {
        self.inner.config_snapshot().string(key).map(|value| value.to_string())
    }

    /// The value of a key that is yes or no.
    pub fn config_bool(&self, key: &str) -> Option<bool> {
        self.inner.config_snapshot().boolean(key)
    }

    /// The value of a key that is a whole number.
    pub fn config_integer(&self, key: &str) -> Option<i64> {
        self.inner.config_snapshot().integer(key)
    }

    /// All values of a key.
    pub fn config_strings(&self, key: &str) -> Vec<String> {
        let values = self.inner.config_snapshot().plumbing().strings(key);
        values.unwrap_or_default().iter().map(|value| value.to_string()).collect()
    }

    /// Sets a key in the repository's own configuration.
    pub fn set_config_local(&self, key: &str, value: &str) -> Result<(), GitError> {
        self.git(["config", "--local", key, value]).run().map(drop)
    }

    /// Adds a value to a key in the repository's own configuration, unless it is there; says whether it was added.
    pub fn add_config_local(&self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.config_strings(key).iter().any(|known| known == value) {
            return Ok(false);
        }
        self.git(["config", "--local", "--add", key, value]).run().map(|_| true)
    }

    /// Who the user is; `None` where Git would ask for it.
    pub fn identity(&self) -> Option<Identity> {
        let signature = self.inner.committer()?.ok()?;
        let (name, email) = (signature.name.to_string(), signature.email.to_string());
        (!name.is_empty()).then_some(Identity { name, email })
    }
}
