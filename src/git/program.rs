//! Starting the `git` program, for what gix does not do.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::Repo;
use super::error::GitError;

/// A call of the `git` program that is being put together.
pub(super) struct Call {
    command: Command,
    words: Vec<OsString>,
    input: Option<Vec<u8>>,
    is_seen: bool,
    limit: Option<Duration>,
}

/// What Git sets for the repository that a hook or an alias runs in.
const OF_ONE_REPOSITORY: [&str; 7] = [
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_SHALLOW_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_QUARANTINE_PATH",
];

impl Repo {
    /// A call of `git` in this repository, without its terminal, its pager and its translations.
    pub(super) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Call {
        let words: Vec<OsString> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let mut command = Command::new("git");
        command
            .arg("--no-pager")
            // Of the graft file below, which a user never set.
            .args(["-c", "advice.graftFileDeprecated=false"])
            .args(&words)
            .env("GIT_DIR", self.git_dir())
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            // As with replace refs: what was recorded is read as it was written.
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env_remove("GIT_PREFIX")
            .env_remove("GIT_NAMESPACE");
        if !self.is_of_environment {
            for name in OF_ONE_REPOSITORY {
                command.env_remove(name);
            }
        }
        match self.work_dir() {
            Some(top) => command.env("GIT_WORK_TREE", top).current_dir(top),
            None => command.env_remove("GIT_WORK_TREE").current_dir(self.git_dir()),
        };
        Call { command, words, input: None, is_seen: false, limit: None }
    }
}

/// What `git -c key=value` says, as `key=value`; gix does not read in what form Git hands it on.
pub(super) fn given_configuration(start: &Path) -> Vec<String> {
    if std::env::var_os("GIT_CONFIG_PARAMETERS").is_none() {
        return Vec::new();
    }
    let mut command = Command::new("git");
    command.args(["config", "--list", "--null", "--show-scope"]).current_dir(start);
    let Ok(output) = command.stderr(Stdio::null()).output() else { return Vec::new() };
    let fields: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
    fields
        .chunks_exact(2)
        .filter(|row| row[0] == b"command")
        .map(|row| String::from_utf8_lossy(row[1]).replacen('\n', "=", 1))
        .collect()
}

/// What a program said, without what opens a remote: it repeats addresses as they are configured, and where it is asked to tell all that it
/// does, headers, too.
fn without_passwords(said: &str) -> String {
    let mut shown = String::with_capacity(said.len());
    for line in said.split_inclusive('\n') {
        if line.to_ascii_lowercase().contains("authorization:") {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("://") {
            let (before, after) = rest.split_at(start + 3);
            shown.push_str(before);
            let ends = |c: char| c.is_whitespace() || "/'\"`<>".contains(c);
            let place = &after[..after.find(ends).unwrap_or(after.len())];
            rest = &after[place.rfind('@').map_or(0, |at| at + 1)..];
        }
        shown.push_str(rest);
    }
    shown
}

/// Ends a process group after a while, unless what is given back is dropped before.
fn end_after(process: u32, limit: Duration) -> mpsc::Sender<()> {
    let (ended, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let group = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
        if let (Err(mpsc::RecvTimeoutError::Timeout), Some(group)) = (wait.recv_timeout(limit), group) {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    });
    ended
}

impl Call {
    /// Adds an environment variable.
    pub(super) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub(super) fn without_variable(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Ends the program, and what it started, when it takes longer than this. It cannot ask at a terminal then.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        self.limit = Some(limit);
        self
    }

    /// What the program reads.
    pub(super) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Runs the program; gives what it printed, or an error with what it said.
    pub(super) fn run(self) -> Result<Vec<u8>, GitError> {
        let (status, out, said) = self.run_any()?;
        if status == Some(0) { Ok(out) } else { Err(said) }
    }

    /// Runs the program; `status` counts as having printed what it did, too.
    pub(super) fn run_or(self, status: i32) -> Result<Vec<u8>, GitError> {
        let (ended, out, said) = self.run_any()?;
        if ended == Some(0) || ended == Some(status) { Ok(out) } else { Err(said) }
    }

    /// Runs the program to answer yes (exit status 0) or no (1).
    pub(super) fn answer(self) -> Result<bool, GitError> {
        match self.run_any()? {
            (Some(0), _, _) => Ok(true),
            (Some(1), _, _) => Ok(false),
            (_, _, said) => Err(said),
        }
    }

    /// Runs the program; says whether it ended well, and what it said on its standard error.
    pub(super) fn asked(self) -> Result<(bool, String), GitError> {
        match self.run_any()? {
            (status, _, GitError::Program { source, .. }) => Ok((status == Some(0), source.to_string())),
            (_, _, error) => Err(error),
        }
    }

    /// Runs the program with its talk on our standard error where that is a terminal; gives what it printed.
    pub(super) fn run_seen(self) -> Result<Vec<u8>, GitError> {
        let (out, ended) = self.run_heard()?;
        ended.map(|()| out)
    }

    /// The same; gives what it printed also where it failed.
    pub(super) fn run_heard(mut self) -> Result<(Vec<u8>, Result<(), GitError>), GitError> {
        self.is_seen = std::io::stderr().is_terminal();
        let (status, out, said) = self.run_any()?;
        Ok((out, if status == Some(0) { Ok(()) } else { Err(said) }))
    }

    /// Starts the program in the background, out of reach of the terminal's signals; whether it does is not waited for.
    pub(super) fn start(mut self) {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        drop(self.command.spawn());
    }

    fn run_any(mut self) -> Result<(Option<i32>, Vec<u8>, GitError), GitError> {
        let shown: Vec<String> =
            self.words.iter().take(4).map(|word| word.to_string_lossy().into_owned()).collect();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| GitError::Program {
            command: shown.join(" "),
            source,
        };
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let talk = if self.is_seen { Stdio::inherit() } else { Stdio::piped() };
        self.command.stdout(Stdio::piped()).stderr(talk);
        let mut child = self.command.spawn().map_err(|error| failed(error.into()))?;
        let writer = self.input.map(|bytes| {
            let mut pipe = child.stdin.take().expect("a pipe was asked for");
            // A program that stopped reading says why on its standard error.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let watch = self.limit.map(|limit| end_after(child.id(), limit));
        let output = child.wait_with_output().map_err(|error| failed(error.into()))?;
        drop(watch);
        if let Some(writer) = writer {
            writer.join().expect("writing to a pipe does not panic");
        }
        let said = without_passwords(&String::from_utf8_lossy(&output.stderr));
        let said = said.trim();
        let said = if said.is_empty() { output.status.to_string() } else { said.to_owned() };
        Ok((output.status.code(), output.stdout, failed(said.into())))
    }

    /// Adds an argument.
    pub(super) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.words.push(argument.as_ref().to_owned());
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    pub(super) fn arguments<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        for argument in arguments {
            self = self.argument(argument);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_remote_is_not_repeated() {
        let said = "trace: git remote-https origin https://me:ghp_x@example.org/o/n.git https://you@host\n\
                    => Send header: Authorization: Basic Z2hw\nfatal: cannot reach 'ssh://example.org/a@b'\n";
        assert_eq!(
            without_passwords(said),
            "trace: git remote-https origin https://example.org/o/n.git https://host\n\
             fatal: cannot reach 'ssh://example.org/a@b'\n"
        );
    }
}
