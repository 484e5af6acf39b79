//! Other repositories: the only code that starts `git fetch`, `git push` and `git ls-remote`.
//!
//! Credentials, proxies and hooks are Git's business, so it may ask at a terminal, and shows its progress there.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use super::Repo;
use super::error::GitError;
use super::object::{ObjectKind, Oid, is_tree_name};
use super::program::Call;
use super::reference::{Expected, RefEdit};

/// How many refs go with one `git push`, whose command line has an end.
const AT_ONCE: usize = 1000;

/// An object that is handed on, and the ref that it becomes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The object.
    pub tip: Oid,
    /// The full name of the ref.
    pub name: String,
}

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

/// Something that hosts do not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacceptable {
    /// The newest commit that has it.
    pub commit: Oid,
    /// Its path.
    pub path: Vec<u8>,
    /// How many bytes it has, where it is a file that is too large; else its path is one that a server's `fsck` refuses.
    pub bytes: Option<u64>,
}

/// Whether what was fetched is still here.
enum Arrived {
    All,
    SomePruned,
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
        let run = |more: &[&str]| {
            let words = ["fetch", "--prune", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"];
            // Entries are read without a network, so that a partial clone needs all of them.
            let call = self.git(words).argument("--refmap=").argument("--no-filter").arguments(more);
            with_progress(call).argument("--").argument(remote).arguments(refspecs).run_seen()
        };
        if deepen {
            // One less than what Git takes for all history, also that of refs which are not fetched.
            return run(&["--depth=2147483646"]).map(drop);
        }
        // Git would write a file for each ref, one after the other. So it only brings the objects, and says what is to move.
        match run(&["--dry-run", "--porcelain"]) {
            Ok(said) => match self.move_tracking(&String::from_utf8_lossy(&said))? {
                Arrived::All => Ok(()),
                Arrived::SomePruned => run(&["--refetch"]).map(drop),
            },
            // Git before 2.41 cannot.
            Err(error) if error.program_said(&["porcelain"]) => run(&[]).map(drop),
            Err(error) => Err(error),
        }
    }

    /// Whether any ref is at an object that is not here.
    pub fn has_refs_at_nothing(&self) -> Result<bool, GitError> {
        Ok(self.list_refs("refs/")?.iter().any(|(_, tip)| !self.has_object(*tip)))
    }

    /// Fetches all anew, as a fresh clone does: for a repository in which `git gc` took what refs are at.
    ///
    /// Refs below `views` that are at nothing go first, since they are made anew.
    pub fn refetch(&self, remote: &str, refspecs: &[String], views: &[&str]) -> Result<(), GitError> {
        for view in views {
            let refs = self.list_refs(view)?.into_iter().filter(|(_, tip)| !self.has_object(*tip));
            let gone = refs.map(|(name, _)| RefEdit { name, expected: Expected::Any, new: None });
            let gone: Vec<RefEdit> = gone.collect();
            if !gone.is_empty() {
                self.update_refs(&gone, "git exp pull")?;
            }
        }
        let words = ["fetch", "--prune", "--refetch", "--no-tags", "--no-write-fetch-head"];
        let call =
            self.git(words).argument("--recurse-submodules=no").argument("--refmap=").argument("--no-filter");
        with_progress(call).argument("--").argument(remote).arguments(refspecs).run_seen().map(drop)
    }

    /// Moves tracking refs as `git fetch --porcelain` has it; says whether what they are at is still here.
    fn move_tracking(&self, said: &str) -> Result<Arrived, GitError> {
        let (mut gone, mut moved) = (Vec::new(), Vec::new());
        for line in said.lines() {
            let Some((flag, rest)) = line.split_at_checked(2) else { continue };
            let mut words = rest.splitn(3, ' ').skip(1);
            let (Some(new), Some(name)) = (words.next().and_then(Oid::from_hex), words.next()) else {
                continue;
            };
            let edit = |new| RefEdit { name: name.to_owned(), expected: Expected::Any, new };
            match flag {
                "- " => gone.push(edit(None)),
                "! " | "= " => {}
                _ => moved.push(edit(Some(new))),
            }
        }
        let tips = moved.clone();
        // First, since a new one may be in a folder that is the name of an old one.
        for edits in [gone, moved].into_iter().filter(|it| !it.is_empty()) {
            self.update_refs(&edits, "git exp pull")?;
        }
        // Until the refs moved, nothing kept these from a `git gc --prune=now` at the same time.
        let is_here = |edit: &RefEdit| edit.new.is_none_or(|tip| self.has_object(tip));
        Ok(if tips.iter().all(is_here) { Arrived::All } else { Arrived::SomePruned })
    }

    /// Whether objects were left out when this repository was cloned, which Git fetches as it needs them.
    pub fn is_partial(&self) -> Result<bool, GitError> {
        let is_promisor =
            |remote: &String| self.config_bool(&format!("remote.{remote}.promisor")) == Some(true);
        Ok(self.config_string("extensions.partialClone").is_some() || self.remotes()?.iter().any(is_promisor))
    }

    /// Fetches all that a partial clone left out below `tip`, folder by folder, as far as its remotes have it.
    pub fn complete(&self, tip: Oid) -> Result<(), GitError> {
        for remote in self.remotes()? {
            if self.config_bool(&format!("remote.{remote}.promisor")) != Some(true) {
                continue;
            }
            let mut before = Vec::new();
            loop {
                let (_, missing) = self.reachable_objects(tip)?;
                if missing.is_empty() || missing == before {
                    break;
                }
                self.fetch_left_out(&remote, &[tip])?;
                before = missing;
            }
        }
        Ok(())
    }

    /// Fetches what a partial fetch left out of the history of `tips`.
    pub fn fetch_left_out(&self, remote: &str, tips: &[Oid]) -> Result<(), GitError> {
        let words = ["rev-list", "--objects", "--missing=print", "--stdin"];
        let out = self.git(words).input(self.boundary(tips, &[])).run()?;
        let out = String::from_utf8_lossy(&out);
        let missing: String =
            out.lines().filter_map(|line| line.strip_prefix('?')).map(|oid| format!("{oid}\n")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let words = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--no-tags", "--no-write-fetch-head"];
        let call = self.git(words).arguments(["--recurse-submodules=no", "--filter=blob:none", "--stdin"]);
        with_progress(call).argument("--").argument(remote).input(missing.into_bytes()).run_seen().map(drop)
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

    /// Pushes what is offered, each ref as a fast-forward or not at all.
    pub fn push(&self, remote: &str, offers: &[Offer]) -> Result<Vec<Pushed>, GitError> {
        // A remote that mirrors takes no refspecs.
        let mirror = format!("remote.{remote}.mirror=false");
        let words = ["-c", &mirror, "push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no"];
        let mut pushed = Vec::new();
        for offers in offers.chunks(AT_ONCE) {
            let refspecs = offers.iter().map(|offer| format!("{}:{}", offer.tip, offer.name));
            let call = with_progress(self.git(words)).argument("--").argument(remote).arguments(refspecs);
            let (out, ended) = call.run_heard()?;
            let outcomes = outcomes(&String::from_utf8_lossy(&out));
            if let Err(error) = ended
                && outcomes.iter().all(|one| one.refusal.is_none())
            {
                return Err(error);
            }
            pushed.extend(outcomes);
        }
        Ok(pushed)
    }

    /// Makes a ref at the remote, with a blob of this text, where there is none of its name; says whether it was made.
    ///
    /// `None` where that could not be told within `limit`: the remote is not there, or takes no such refs.
    pub fn claim(
        &self,
        remote: &str,
        name: &str,
        text: &[u8],
        limit: Duration,
    ) -> Result<Option<bool>, GitError> {
        // Not a commit, which would be a fast-forward of another.
        let blob = self.write_object(ObjectKind::Blob, text)?;
        let mirror = format!("remote.{remote}.mirror=false");
        let words = ["-c", &mirror, "push", "--porcelain", "--no-follow-tags", "--no-verify"];
        let call = self.git(words).argument("--").argument(remote).argument(format!("{blob}:{name}"));
        let (out, _) = call.within(limit).run_heard()?;
        Ok(outcomes(&String::from_utf8_lossy(&out)).into_iter().find(|it| it.name == name).and_then(|it| {
            match it.refusal {
                None => Some(true),
                Some(why) if why.starts_with("[rejected]") || why.contains("already exists") => Some(false),
                Some(_) => None,
            }
        }))
    }

    /// Deletes refs there that are what they are expected to be: each name with what it is.
    pub fn withdraw(&self, remote: &str, refs: &[(String, Oid)]) -> Result<Vec<Pushed>, GitError> {
        if refs.is_empty() {
            return Ok(Vec::new());
        }
        let mirror = format!("remote.{remote}.mirror=false");
        let words = ["-c", &mirror, "push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no"];
        let leases = refs.iter().map(|(name, tip)| format!("--force-with-lease={name}:{tip}"));
        let call = with_progress(self.git(words)).arguments(leases).argument("--").argument(remote);
        let (out, ended) = call.arguments(refs.iter().map(|(name, _)| format!(":{name}"))).run_heard()?;
        let pushed = outcomes(&String::from_utf8_lossy(&out));
        match ended {
            Err(error) if pushed.iter().all(|one| one.refusal.is_none()) => Err(error),
            _ => Ok(pushed),
        }
    }

    /// The objects that `tips` reach and `known` do not, with a path that each is at; commits and top folders have none.
    pub fn objects_of(&self, tips: &[Oid], known: &[Oid]) -> Result<Vec<(Oid, String)>, GitError> {
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        input.extend(known.iter().map(|tip| format!("^{tip}\n")));
        let out = self.git(["rev-list", "--objects", "--stdin"]).input(input.into_bytes()).run()?;
        let row = |line: &str| {
            let (oid, path) = line.split_once(' ').unwrap_or((line, ""));
            Some((Oid::from_hex(oid)?, path.to_owned()))
        };
        Ok(String::from_utf8_lossy(&out).lines().filter_map(row).collect())
    }

    /// What a remote that has `known` lacks of the history of `tips`.
    pub fn lacking(&self, tips: &[Oid], known: &[Oid]) -> Result<Lacking, GitError> {
        if tips.is_empty() {
            return Ok(Lacking::default());
        }
        let input = self.boundary(tips, known);
        let ask = |words: &[&str]| -> Result<String, GitError> {
            let out = self.git(words).input(input.clone()).run()?;
            Ok(String::from_utf8_lossy(&out).into_owned())
        };
        let commits = ask(&["rev-list", "--count", "--stdin"])?.trim().parse().unwrap_or_default();
        let bytes = self.bytes_lacking(tips, known)?;
        let people = ask(&["log", "--no-show-signature", "--format=%an <%ae>%n%cn <%ce>", "--stdin"])?;
        let mut people: Vec<String> = people.lines().map(str::to_owned).collect();
        people.sort();
        people.dedup();
        Ok(Lacking { commits, bytes, people })
    }

    /// How many commits a remote that has `known` lacks of the history of `tip`.
    pub fn commits_lacking(&self, tip: Oid, known: &[Oid]) -> Result<u64, GitError> {
        let out = self.git(["rev-list", "--count", "--stdin"]).input(self.boundary(&[tip], known)).run()?;
        Ok(String::from_utf8_lossy(&out).trim().parse().unwrap_or_default())
    }

    /// How many bytes on this disk a remote that has `known` lacks of the history of `tips`.
    pub fn bytes_lacking(&self, tips: &[Oid], known: &[Oid]) -> Result<u64, GitError> {
        // What a partial clone lacks is where it was cloned from.
        let words = ["rev-list", "--objects", "--missing=allow-any", "--disk-usage", "--stdin"];
        let out = self.git(words).input(self.boundary(tips, known)).run()?;
        Ok(String::from_utf8_lossy(&out).trim().parse().unwrap_or_default())
    }

    /// The commits of a chain that a remote that has `known` lacks, along first parents, oldest first.
    pub fn chain_lacking(&self, tip: Oid, known: &[Oid]) -> Result<Vec<Oid>, GitError> {
        let words = ["rev-list", "--first-parent", "--reverse", "--stdin"];
        let out = self.git(words).input(self.boundary(&[tip], known)).run()?;
        Ok(String::from_utf8_lossy(&out).lines().filter_map(Oid::from_hex).collect())
    }

    /// What hosts do not take of that which a remote that has `known` lacks of the history of `tip`: files of more than
    /// `largest` bytes, and paths that a server's `fsck` refuses.
    pub fn unacceptable(&self, tip: Oid, known: &[Oid], largest: u64) -> Result<Vec<Unacceptable>, GitError> {
        let words = ["rev-list", "--objects", "--in-commit-order", "--missing=allow-any", "--stdin"];
        let rows = self.git(words).input(self.boundary(&[tip], known)).run()?;
        let names: Vec<(Oid, &[u8])> = rows
            .split(|&byte| byte == b'\n')
            .filter_map(|row| {
                let (oid, path) =
                    row.split_at(row.iter().position(|&byte| byte == b' ').unwrap_or(row.len()));
                Some((Oid::from_hex(std::str::from_utf8(oid).ok()?)?, path.get(1..).unwrap_or_default()))
            })
            .collect();
        let input: String = names.iter().map(|(oid, _)| format!("{oid}\n")).collect();
        let words = ["cat-file", "--buffer", "--batch-check=%(objectname) %(objecttype) %(objectsize)"];
        let sizes = self.git(words).input(input.into_bytes()).run()?;
        let sizes = String::from_utf8_lossy(&sizes);
        let kinds: HashMap<Oid, (&str, u64)> = sizes
            .lines()
            .filter_map(|row| {
                let mut words = row.split(' ');
                Some((Oid::from_hex(words.next()?)?, (words.next()?, words.next()?.parse().ok()?)))
            })
            .collect();
        let mut commit = tip;
        let mut found = Vec::new();
        for (oid, path) in names {
            match kinds.get(&oid) {
                Some(("commit", _)) => commit = oid,
                Some(("blob", bytes)) if *bytes > largest => {
                    found.push(Unacceptable { commit, path: path.to_vec(), bytes: Some(*bytes) });
                }
                Some(("tree", _)) => {
                    // Not by the paths above: of equal files only the first one's is told.
                    for row in self.read_tree(oid)?.into_iter().filter(|row| !is_tree_name(&row.name)) {
                        let folder = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
                        let path = [folder, row.name].concat();
                        found.push(Unacceptable { commit, path, bytes: None });
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// What `git rev-list --stdin` reads for that which is in `tips` and not in `known`, as far as the latter is here.
    fn boundary(&self, tips: &[Oid], known: &[Oid]) -> Vec<u8> {
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        for tip in known.iter().filter(|tip| self.has_object(**tip)) {
            input.push_str(&format!("^{tip}\n"));
        }
        input.into_bytes()
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
