//! Git's configuration, and who the user is.

use std::thread;
use std::time::{Duration, Instant};

use super::Repo;
use super::error::GitError;

/// How long the configuration is waited for while another process writes it.
const PATIENCE: Duration = Duration::from_secs(10);

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
        self.write_config(&["--replace-all", key, value]).map(drop)
    }

    /// Adds a value to a key in the repository's own configuration, unless it has it there or elsewhere; says whether it was
    /// added. What other processes add at the same time is kept.
    pub fn add_config_local(&self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.config_strings(key).iter().any(|known| known == value) {
            return Ok(false);
        }
        // Read again, because this process read the configuration when it began.
        let known = self.git(["config", "--local", "--null", "--get-all", key]).run_or(1)?;
        if known.split(|&byte| byte == 0).any(|known| known == value.as_bytes()) {
            return Ok(false);
        }
        // Replaces what equals it, or adds it: two that come at once leave one.
        self.write_config(&["--fixed-value", "--replace-all", key, value, value]).map(|_| true)
    }

    /// Removes a key from the repository's own configuration.
    pub fn unset_config_local(&self, key: &str) -> Result<(), GitError> {
        self.write_config(&["--unset-all", key]).map(drop)
    }

    fn write_config(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let began = Instant::now();
        loop {
            // 5 is for a key that is to go and is not there.
            match self.git(["config", "--local"]).arguments(arguments).run_or(5) {
                Err(GitError::Program { source, .. })
                    if began.elapsed() < PATIENCE
                        && source.to_string().contains("could not lock config file") =>
                {
                    thread::sleep(Duration::from_millis(5));
                }
                result => return result,
            }
        }
    }

    /// Who the user is; `None` where Git would ask for it.
    pub fn identity(&self) -> Option<Identity> {
        if let Some(Ok(known)) = self.inner.committer() {
            let (name, email) = (known.name.to_string(), known.email.to_string());
            return (!name.trim().is_empty()).then_some(Identity { name, email });
        }
        // Git knows the account and the machine, too.
        let line = self.git(["var", "GIT_COMMITTER_IDENT"]).run().ok()?;
        let line = String::from_utf8_lossy(&line);
        let (name, rest) = line.split_once(" <")?;
        let (email, _) = rest.rsplit_once("> ")?;
        Some(Identity { name: name.to_owned(), email: email.to_owned() })
    }
}
