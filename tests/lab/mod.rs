//! A laboratory for tests: a repository of its own where nothing of the machine shows through.
//!
//! The home folder, the identity and the clock are fixed, no other configuration is read, and nothing reaches the network.
//! What `exp` gives is what a user would see, with whatever differs from run to run replaced: IDs and hashes by `<id 1>`,
//! `<id 2>` … in the order in which they first appear, times taken by `<time>`, sizes of memory by `<size>`, and the folders
//! by `<lab>` and `<home>`.
#![allow(dead_code, reason = "not every test uses all of it")]

pub mod github;
pub mod way;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex, Once};

use regex::{Captures, Regex};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use tempfile::TempDir;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_git-exp");
/// What the clock says in a new laboratory.
const NOW: &str = "2026-11-21T12:00:00Z";

/// The user's Git configuration, and all there is of it.
const CONFIGURATION: &str = "\
[user]
	name = Ada Lovelace
	email = ada@example.org
[init]
	defaultBranch = main
[core]
	abbrev = 12
[advice]
	detachedHead = false
[commit]
	gpgSign = false
[protocol \"file\"]
	allow = always
";

/// A repository of its own, in a folder that goes when this is dropped.
pub struct TestLab {
    folder: TempDir,
    repository: PathBuf,
    now: Mutex<&'static str>,
    ids: Mutex<Vec<String>>,
}

impl TestLab {
    /// A repository without commits.
    pub fn new() -> Self {
        let lab = Self::without_repository();
        lab.git(["init", "--quiet"]);
        lab
    }

    /// A repository with one commit, of a `README`.
    pub fn with_commit() -> Self {
        let lab = Self::new();
        lab.write("README", "a place to experiment\n");
        lab.commit_all("begin");
        lab
    }

    /// A folder that is no repository.
    pub fn without_repository() -> Self {
        heed_interrupts();
        let folder = tempfile::Builder::new().prefix("git-exp-lab-").tempdir().expect("a temporary folder");
        // As the operating system names it, so that it is found in what programs print.
        let root = folder.path().canonicalize().expect("the folder was just made");
        let lab = Self { repository: root.join("lab"), folder, now: Mutex::new(NOW), ids: Mutex::default() };
        fs::create_dir(&lab.repository).expect("the folder is empty");
        fs::create_dir(lab.home()).expect("the folder is empty");
        fs::write(lab.home().join(".gitconfig"), CONFIGURATION).expect("the home folder is ours");
        lab
    }

    /// A laboratory of its own that begins as this one is now; the remote `origin` is its own copy, too, where it is in the laboratory.
    pub fn copy(&self) -> Self {
        let copy = Self::without_repository();
        let status = Command::new("cp").arg("-a").arg(self.root().join(".")).arg(copy.root()).status();
        assert!(status.expect("cp can be started").success());
        copy.set_clock(*self.now.lock().expect("no test panics here"));
        let (from, to) = (self.root().to_string_lossy(), copy.root().to_string_lossy());
        let path = copy.path().join(".git/config");
        let text = fs::read_to_string(&path).expect("it is a repository");
        fs::write(&path, text.replace(&*from, &to)).expect("the copy is ours");
        copy
    }

    /// The top of the repository's main worktree.
    pub fn path(&self) -> &Path {
        &self.repository
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    fn root(&self) -> &Path {
        self.repository.parent().expect("it was made in a folder")
    }

    /// Sets the clock, as `2026-11-22T08:30:00Z`.
    pub fn set_clock(&self, now: &'static str) {
        *self.now.lock().expect("no test panics here") = now;
    }

    /// Writes a file, and the folders it is in; `path` is relative to the top of the repository.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.repository.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
        fs::write(&path, content).expect("files can be written");
    }

    /// The text of a file; `path` is relative to the top of the repository.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.repository.join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
    }

    /// Writes a shell script that can be run as `./<path>`.
    pub fn script(&self, path: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(path, format!("#!/bin/sh\n{body}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.repository.join(path), mode).expect("the script is ours");
    }

    /// Commits everything there is; gives the commit's ID.
    pub fn commit_all(&self, message: &str) -> String {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Any program, with the laboratory around it; started at the top of the repository.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().expect("a program to start"));
        command.args(words).current_dir(&self.repository).stdin(Stdio::null()).env_clear();
        let beside = Path::new(PROGRAM).parent().expect("the program is in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(beside.to_path_buf()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("no folder has a `:` in its name"));
        let date = *self.now.lock().expect("no test panics here");
        let fixed = [
            ("GIT_EXP_NOW", date),
            ("GIT_AUTHOR_DATE", date),
            ("GIT_COMMITTER_DATE", date),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", "file"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            ("COLUMNS", "100"),
            // Runs are charged for the accelerators they see.
            ("CUDA_VISIBLE_DEVICES", ""),
        ];
        command.envs(fixed);
        // What a measurement locks for the whole machine is the laboratory's own.
        command.env("TMPDIR", self.root());
        command.env("HOME", self.home()).env("GIT_CONFIG_GLOBAL", self.home().join(".gitconfig"));
        // No repository above the laboratory is ever found.
        command.env("GIT_CEILING_DIRECTORIES", self.root());
        command
    }

    /// Runs git, which must succeed; gives its standard output.
    #[track_caller]
    pub fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let mut command = self.command(["git"]);
        command.args(arguments);
        let output = command.output().expect("git can be started");
        assert!(output.status.success(), "{command:?} failed:\n{}", transcript(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// git exp with `arguments`, to be started as the test likes.
    pub fn exp_command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command([PROGRAM]);
        command.args(arguments);
        command
    }

    /// What git exp answers, as it was.
    pub fn exp_output<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.exp_command(arguments).output().expect("git-exp can be started")
    }

    /// What a user sees of git exp: its exit status, standard output and standard error, for a snapshot.
    pub fn exp<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.steady(&transcript(&self.exp_output(arguments)))
    }

    /// What a user sees of a command that was prepared by hand, for a snapshot.
    pub fn seen(&self, command: &mut Command) -> String {
        self.steady(&transcript(&command.output().expect("it can be started")))
    }

    /// Runs git exp, which must exit with 0; gives its standard output as it was.
    #[track_caller]
    pub fn exp_ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let mut command = self.exp_command(arguments);
        let output = command.output().expect("git-exp can be started");
        assert!(output.status.success(), "{command:?} failed:\n{}", transcript(&output));
        String::from_utf8(output.stdout).expect("answers are UTF-8")
    }

    /// Runs git exp with `--json`, which must exit with 0; gives its objects.
    #[track_caller]
    pub fn exp_json<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Vec<serde_json::Value> {
        let mut words: Vec<_> = vec![std::ffi::OsString::from("--json")];
        words.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
        let text = self.exp_ok(words);
        let objects = serde_json::Deserializer::from_str(&text).into_iter();
        objects.map(|object| object.unwrap_or_else(|error| panic!("not JSON: {error}\n{text}"))).collect()
    }

    /// `text` with what differs from run to run replaced.
    pub fn steady(&self, text: &str) -> String {
        let mut text = text.replace(&*self.repository.to_string_lossy(), "<lab>");
        text = text.replace(&*self.home().to_string_lossy(), "<home>");
        text = text.replace(&*self.root().to_string_lossy(), "<root>");
        let text = TIME.replace_all(&text, "${before}<time>");
        let text = SIZE.replace_all(&text, "${before}<size>");
        let text = ID.replace_all(&text, |word: &Captures<'_>| self.name_of(&word[0]));
        // Columns are as wide as what stood in them.
        RAGGED.replace_all(&text, "$1").into_owned()
    }

    /// The placeholder of an ID, the same for each of its abbreviations.
    fn name_of(&self, word: &str) -> String {
        let has_letter = word.bytes().any(|byte| byte.is_ascii_lowercase());
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let is_date = word.len() == 8 && word.starts_with("20");
        // A short ID of digits alone is as long as a date; longer numbers are counts.
        let is_id = if has_letter { has_digit || word.len() > 8 } else { word.len() == 8 && !is_date };
        if !is_id {
            return word.to_owned();
        }
        let mut ids = self.ids.lock().expect("no test panics here");
        let is_same = |known: &String| known.starts_with(word) || word.starts_with(known.as_str());
        let place = ids.iter().position(is_same).unwrap_or_else(|| {
            ids.push(word.to_owned());
            ids.len() - 1
        });
        if word.len() > ids[place].len() {
            word.clone_into(&mut ids[place]);
        }
        format!("<id {}>", place + 1)
    }
}

/// Has programs that start from here hear Ctrl-C.
///
/// Tests that were begun in the background of a script ignore it, and what they start inherits that; what is caught here
/// is back at its default there.
fn heed_interrupts() {
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        let armed = Arc::new(AtomicBool::new(true));
        flag::register_conditional_default(SIGINT, armed).expect("the signal can be caught");
    });
}

/// The exit status, then what was written where.
fn transcript(output: &Output) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let mut text = match (output.status.code(), output.status.signal()) {
        (Some(code), _) => format!("exit: {code}\n"),
        (None, signal) => format!("signal: {}\n", signal.unwrap_or_default()),
    };
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            let _ = write!(text, "--- {name}\n{}", String::from_utf8_lossy(bytes));
        }
    }
    text
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is right")
}

/// IDs of entries, runs, writers and objects, whole or abbreviated.
static ID: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[0-9a-f]{8,64}\b"));
/// Times that something took.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?P<before>^|[ (=≈~]) *[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?(?: ± [0-9.]+)? (?:ns|µs|ms|s|min)\b")
});
/// Sizes of memory, which differ from machine to machine.
static SIZE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?P<before>^|[ (=]) *[0-9]+(?:\.[0-9]+)?(?: ± [0-9.]+)? (?:KiB|MiB|GiB)\b"));
/// The spaces that fill a column after or before what was replaced.
static RAGGED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(<(?:time|size)>) +(?m:$)"));

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let lab = TestLab::without_repository();
    let id = "3f2a91bc".repeat(8);
    let text = format!(
        "{}/a took 1.234 s (± 0.1 s), 12.5 MiB\n{id} is 3f2a91bc, not 20261121-scratch or 77aa00bb, and 3f2a91bc again",
        lab.path().display()
    );
    let expected = "<lab>/a took <time> (± <time>), <size>\n\
        <id 1> is <id 1>, not 20261121-scratch or <id 2>, and <id 1> again";
    assert_eq!(lab.steady(&text), expected);
}

#[test]
fn nothing_of_the_machine_shows_through() {
    let lab = TestLab::with_commit();
    assert_eq!(lab.git(["log", "--format=%an <%ae> %as"]), "Ada Lovelace <ada@example.org> 2026-11-21\n");
    let settings = lab.git(["config", "--list", "--show-origin"]);
    let foreign = settings
        .lines()
        .find(|line| !line.starts_with("file:.git/") && !line.contains(&*lab.home().to_string_lossy()));
    assert_eq!(foreign, None);
}
