//! Other repositories: the only code that starts `git fetch`, `git push` and `git ls-remote`.
//!
//! Credentials, proxies and hooks are Git's business, so it may ask at a terminal, and shows its progress there.

use std::io::IsTerminal;

use super::Repo;
use super::error::GitError;
use super::object::Oid;
use super::program::Call;

/// What became of one ref that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its full name.
    pub name: String,
    /// Why it was refused; `None` where the remote has it now.
    pub refusal: Option<String>,
}

/// What the remote lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// How many commits.
    pub commits: u64,
    /// How many bytes they and their files take on this disk.
    pub bytes: u64,
    /// Authors and committers of these commits, as `name <address>`.
    pub people: Vec<String>,
}

impl Repo {
    /// The names of the remotes that are configured here.
    pub fn remotes(&self) -> Result<Vec<String>, GitError> {
        let out = self.git(["remote"]).run()?;
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }

    /// Where the remote of this name is, as Git has it once `url.*.insteadOf` was looked at.
    pub fn remote_address(&self, remote: &str) -> Result<String, GitError> {
        let out = self.git(["remote", "get-url", "--", remote]).run()?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// Fetches `refspecs` from the remote of this name, and nothing else; tracking refs of what is gone there go, too.
    ///
    /// `deepen` brings the history of these that an earlier fetch cut off; that of branches stays as short as it is.
    pub fn fetch(&self, remote: &str, refspecs: &[String], deepen: bool) -> Result<(), GitError> {
        let words = ["fetch", "--prune", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"];
        let call = self.git(words).argument("--refmap=");
        // One less than what Git takes for all history, also that of refs which are not fetched.
        let call = if deepen { call.argument("--depth=2147483646") } else { call };
        with_progress(call).argument("--").argument(remote).arguments(refspecs).run_seen().map(drop)
    }

    /// The refs of the remote of this name that match `patterns`.
    pub fn refs_of_remote(&self, remote: &str, patterns: &[&str]) -> Result<Vec<(String, Oid)>, GitError> {
        let call = self.git(["ls-remote", "--quiet", "--refs", "--", remote]);
        let out = at_terminal(call).arguments(patterns).run()?;
        let text = String::from_utf8_lossy(&out);
        let row = |line: &str| {
            let (oid, name) = line.split_once('\t')?;
            Some((name.to_owned(), Oid::from_hex(oid)?))
        };
        Ok(text.lines().filter_map(row).collect())
    }

    /// Pushes refs under the names they have here, each as a fast-forward or not at all.
    pub fn push(&self, remote: &str, names: &[String]) -> Result<Vec<Pushed>, GitError> {
        // A remote that mirrors takes no refspecs.
        let mirror = format!("remote.{remote}.mirror=false");
        let words = ["-c", &mirror, "push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no"];
        let refspecs = names.iter().map(|name| format!("{name}:{name}"));
        let call = with_progress(self.git(words)).argument("--").argument(remote).arguments(refspecs);
        let (out, ended) = call.run_heard()?;
        let pushed = outcomes(&String::from_utf8_lossy(&out));
        match ended {
            Err(error) if pushed.iter().all(|one| one.refusal.is_none()) => Err(error),
            _ => Ok(pushed),
        }
    }

    /// What a remote that has `known` lacks of the history of `tips`.
    pub fn lacking(&self, tips: &[Oid], known: &[Oid]) -> Result<Lacking, GitError> {
        if tips.is_empty() {
            return Ok(Lacking::default());
        }
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        for tip in known.iter().filter(|tip| self.has_object(**tip)) {
            input.push_str(&format!("^{tip}\n"));
        }
        let ask = |words: &[&str]| -> Result<String, GitError> {
            let out = self.git(words).input(input.clone().into_bytes()).run()?;
            Ok(String::from_utf8_lossy(&out).into_owned())
        };
        let number = |text: String| text.trim().parse().unwrap_or_default();
        let commits = number(ask(&["rev-list", "--count", "--stdin"])?);
        let bytes = number(ask(&["rev-list", "--objects", "--disk-usage", "--stdin"])?);
        let people = ask(&["log", "--no-show-signature", "--format=%an <%ae>%n%cn <%ce>", "--stdin"])?;
        let mut people: Vec<String> = people.lines().map(str::to_owned).collect();
        people.sort();
        people.dedup();
        Ok(Lacking { commits, bytes, people })
    }
}

/// Lets Git show at a terminal how far it is.
fn with_progress(call: Call) -> Call {
    let call = at_terminal(call);
    if std::io::stderr().is_terminal() { call.argument("--progress") } else { call }
}

/// Lets Git ask for a password where there is a terminal.
fn at_terminal(call: Call) -> Call {
    // A partial clone may need objects of its history to say what it has.
    let call = call.without_variable("GIT_NO_LAZY_FETCH");
    match std::env::var_os("GIT_TERMINAL_PROMPT") {
        Some(value) => call.variable("GIT_TERMINAL_PROMPT", value),
        None if std::io::stderr().is_terminal() => call.without_variable("GIT_TERMINAL_PROMPT"),
        None => call,
    }
}

/// What `git push --porcelain` says of each ref.
fn outcomes(text: &str) -> Vec<Pushed> {
    let row = |line: &str| {
        let mut parts = line.split('\t');
        let flag = parts.next().filter(|flag| flag.len() == 1)?;
        let (_, name) = parts.next()?.split_once(':')?;
        let refusal = (flag == "!").then(|| parts.next().unwrap_or("refused").to_owned());
        Some(Pushed { name: name.to_owned(), refusal })
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ref_that_was_pushed_is_told_apart() {
        let text = "To /srv/a.git\n*\trefs/exp/log/a:refs/exp/log/a\t[new reference]\n\
            !\trefs/exp/log/b:refs/exp/log/b\t[rejected] (fetch first)\n=\trefs/a:refs/a\t[up to date]\nDone\n";
        let refusals: Vec<_> = outcomes(text).into_iter().map(|one| (one.name, one.refusal)).collect();
        let expected = [
            ("refs/exp/log/a", None),
            ("refs/exp/log/b", Some("[rejected] (fetch first)".to_owned())),
            ("refs/a", None),
        ];
        assert_eq!(refusals, expected.map(|(name, refusal)| (name.to_owned(), refusal)));
    }
}
