//! Git's configuration, and who the user is.

use std::path::PathBuf;
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
        values.unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    /// The value that a key of `http` has for an address, which may be set for some addresses only.
    pub fn config_for_address(&self, key: &str, address: &str) -> Result<Option<String>, GitError> {
        self.config_matching(&["config", "--get-urlmatch", key, address])
    }

    /// The path that a key of `http` has for an address, with `~` replaced.
    pub fn config_path_for_address(&self, key: &str, address: &str) -> Result<Option<PathBuf>, GitError> {
        let path = self.config_matching(&["config", "--type=path", "--get-urlmatch", key, address])?;
        Ok(path.filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    fn config_matching(&self, words: &[&str]) -> Result<Option<String>, GitError> {
        // What is there ends with a line end, also where it is empty.
        let out = self.git(words.iter().copied()).run_or(1)?;
        let text = String::from_utf8_lossy(&out);
        Ok(text.strip_suffix('\n').map(str::to_owned))
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

    /// The folder that Git looks into for hooks: that of `core.hooksPath`, else the one that all worktrees share.
    pub fn hooks_folder(&self) -> Result<PathBuf, GitError> {
        let out = self.git(["rev-parse", "--git-path", "hooks"]).run()?;
        let path = super::worktree::path_of(out.strip_suffix(b"\n").unwrap_or(&out));
        // As Git says it from the folder that it is started in.
        Ok(self.work_dir().unwrap_or(self.git_dir()).join(path))
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
        // What `git -c` hands on is for Git to read.
        let is_given = std::env::var_os("GIT_CONFIG_PARAMETERS").is_some();
        if let Some(Ok(known)) = self.inner.committer()
            && !is_given
        {
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

#[cfg(test)]
mod tests {
    use super::super::Repo;
    use super::super::lab::{Lab, is_in_process};
    use super::*;

    #[test]
    fn values_are_read_as_what_they_are() {
        let lab = Lab::new();
        for (key, value) in [("exp.text", "a b"), ("exp.yes", "on"), ("exp.size", "2k"), ("exp.many", "1")] {
            lab.git(["config", key, value]);
        }
        lab.git(["config", "--add", "exp.many", "2"]);
        let repo = lab.repo();
        assert_eq!(repo.config_string("exp.text").as_deref(), Some("a b"));
        assert_eq!(repo.config_string("exp.nothing"), None);
        assert_eq!(repo.config_bool("exp.yes"), Some(true));
        assert_eq!(repo.config_integer("exp.size"), Some(2048));
        assert_eq!(repo.config_strings("exp.many"), ["1", "2"]);
    }

    #[test]
    fn the_users_own_lines_stay_when_a_key_is_set_added_to_and_removed() {
        let lab = Lab::new();
        let path = lab.top().join(".git/config");
        let before = std::fs::read_to_string(&path).unwrap() + "# mine\n";
        std::fs::write(&path, &before).unwrap();
        let repo = lab.repo();
        repo.set_config_local("exp.writer", "abc").unwrap();
        assert!(repo.add_config_local("notes.displayRef", "refs/notes/exp").unwrap());
        assert!(!repo.add_config_local("notes.displayRef", "refs/notes/exp").unwrap());
        assert!(repo.add_config_local("notes.displayRef", "refs/notes/other").unwrap());
        assert_eq!(lab.git(["config", "--get-all", "notes.displayRef"]), "refs/notes/exp\nrefs/notes/other");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&before));
        repo.unset_config_local("exp.writer").unwrap();
        repo.unset_config_local("exp.writer").unwrap();
        assert_eq!(lab.repo().config_string("exp.writer"), None);
    }

    #[test]
    fn a_value_that_many_add_at_once_is_there_once() {
        let lab = Lab::new();
        let repo = lab.repo();
        std::thread::scope(|scope| {
            for worker in 0..6 {
                let repo = repo.clone();
                scope.spawn(move || {
                    repo.add_config_local("notes.displayRef", "refs/notes/exp").unwrap();
                    repo.set_config_local(&format!("exp.key{worker}"), "x").unwrap();
                });
            }
        });
        assert_eq!(lab.git(["config", "--get-all", "notes.displayRef"]), "refs/notes/exp");
        assert_eq!(lab.git(["config", "--get-regexp", "exp.key"]).lines().count(), 6);
    }

    #[test]
    fn the_user_is_who_git_says() {
        let lab = Lab::new();
        let ada = Identity { name: "Ada".to_owned(), email: "ada@example.com".to_owned() };
        assert_eq!(lab.repo().identity(), Some(ada));
        let print = |environment: &[(&str, &std::ffi::OsStr)]| {
            Lab::in_process("git::config::tests::prints_its_user", &lab.top(), environment)
        };
        let grace =
            [("GIT_COMMITTER_NAME", "Grace".as_ref()), ("GIT_COMMITTER_EMAIL", "g@example.com".as_ref())];
        assert!(print(&grace).contains("Grace <g@example.com>"));
        lab.git(["config", "--remove-section", "user"]);
        lab.git(["config", "user.useConfigOnly", "true"]);
        assert!(print(&[("HOME", lab.top().as_os_str())]).contains("nobody"));
    }

    /// Does nothing but in a process of its own.
    #[test]
    fn prints_its_user() {
        if is_in_process() {
            let repo = Repo::discover(std::path::Path::new(".")).unwrap();
            match repo.identity() {
                Some(Identity { name, email }) => println!("{name} <{email}>"),
                None => println!("nobody"),
            }
        }
    }
}
