//! All that a command knows of the world: the repository and its log, the configuration, the clock, the output.
#![expect(
    clippy::disallowed_methods,
    reason = "an adapter: what commands know of the world comes through it"
)]

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::config::{self, Settings};
use crate::domain::entry::{Body, Identity};
use crate::domain::id::{EntryId, Nonce, TopicName, Writer};
use crate::domain::policy::Rules;
use crate::error::Error;
use crate::git::{Oid, Repo};
use crate::log::{Appended, Log, NewFile, Request, layout};
use crate::render::actions::{calm, calm_json};
use crate::render::text::harmless_lines;
use crate::render::{Canvas, Style};

/// The name of the file that says what the team agrees on.
pub const CONFIGURATION: &str = "exp.toml";
/// The remote that the team is asked about.
const ORIGIN: &str = "origin";
/// Where branches are that were fetched.
const FETCHED: &str = "refs/remotes/origin/";
/// What the main branch may be called there: its head comes last, because that of a clone may be any branch.
const FETCHED_MAIN: [&str; 3] = ["main", "master", "HEAD"];
/// Overrides the clock, so that tests and demonstrations say the same every time.
const CLOCK_VARIABLE: &str = "GIT_EXP_NOW";
/// The shortest token that is taken out of what is said, in bytes.
const SHORTEST_TOKEN: usize = 8;
/// What GitHub's own tokens look like, so that one that `gh` keeps and somebody typed is known, too.
static TOKENS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(gh[pousr]|github_pat)_[A-Za-z0-9_]{20,}").expect("it is an expression"));

/// All that a command knows of the world.
pub struct Context {
    /// The repository.
    pub repo: Repo,
    /// Its log.
    pub log: Log,
    /// Where answers and talk go.
    pub output: Output,
    /// The folder the command was started in.
    pub directory: PathBuf,
    /// The time zone that people read times in.
    pub zone: TimeZone,
    clock: Option<Timestamp>,
}

/// Where answers and talk go.
pub struct Output {
    out: BufWriter<Box<dyn Write>>,
    /// Whether answers are JSON.
    pub json: bool,
    /// Whether answers may have colours.
    pub colour: bool,
    /// Whether talk goes to a terminal.
    pub talks_to_terminal: bool,
    /// The columns of the terminal that answers go to; `None` where they go elsewhere.
    pub width: Option<usize>,
    /// Whether anybody still reads the answers.
    pub has_reader: bool,
    /// Whether talk is kept back, as while something is looked up on the side.
    pub is_silent: bool,
}

impl Output {
    /// Standard output and standard error.
    pub fn new(json: bool, colour: clap::ColorChoice) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|_| is_terminal);
        let colour = match colour {
            clap::ColorChoice::Always => true,
            clap::ColorChoice::Never => false,
            clap::ColorChoice::Auto => {
                is_terminal
                    && variable("NO_COLOR").is_none()
                    && variable("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self {
            out: BufWriter::new(Box::new(stdout)),
            json,
            colour: colour && !json,
            talks_to_terminal: io::stderr().is_terminal(),
            width: size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 20),
            has_reader: true,
            is_silent: false,
        }
    }

    /// Writes one JSON object on a line of its own.
    pub fn object(&mut self, view: &impl serde::Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(view).map_err(io::Error::from)?;
        self.line(&calm_json(&text))
    }

    /// Writes text as it stands.
    pub fn text(&mut self, text: &str) -> Result<(), Error> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they stand.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.out.write_all(bytes);
        self.forgive(written)
    }

    /// Takes it for done when whoever reads has seen enough, as `head` has.
    fn forgive(&mut self, written: io::Result<()>) -> Result<(), Error> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.has_reader = false;
                Ok(())
            }
            written => Ok(written?),
        }
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) -> Result<(), Error> {
        self.text(text)?;
        self.text("\n")
    }

    /// Hands on what was written so far.
    pub fn flush(&mut self) -> Result<(), Error> {
        let written = self.out.flush();
        self.forgive(written)
    }

    /// Says a whole sentence to the person at the keyboard.
    pub fn say(&mut self, sentence: &str) {
        if self.is_silent {
            return;
        }
        // Talk that cannot be heard is no reason to fail.
        let _ = self.flush();
        // What it speaks of may have come from anywhere.
        aloud(&harmless_lines(sentence));
    }

    /// Tells the machine that runs a job of GitHub Actions to do something.
    pub fn command(&mut self, command: &str) {
        let _ = self.flush();
        let _ = writeln!(io::stderr(), "{command}");
    }

    /// Asks a question that is answered by yes or no; `None` where there is nobody to ask.
    pub fn ask(&mut self, question: &str) -> Result<Option<bool>, Error> {
        if !io::stdin().is_terminal() || !self.talks_to_terminal {
            return Ok(None);
        }
        let _ = self.flush();
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.map_err(|error| Error::request("cannot read the answer").because(error))?;
        Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
    }

    /// Says what to do next.
    pub fn hint(&mut self, hint: &str) {
        self.say(&format!("hint: {hint}"));
    }
}

/// Says a whole sentence to the person at the keyboard, where there is no context at hand.
pub fn aloud(sentence: &str) {
    let sentence = without_token(sentence);
    // What is said in a job tells the machine that runs it nothing.
    let sentence = if variable("GITHUB_ACTIONS").is_some() { calm(&sentence) } else { sentence };
    let _ = writeln!(io::stderr(), "{sentence}");
}

/// `text` without tokens of GitHub: one that was typed in the place of a name would be repeated.
pub fn without_token(text: &str) -> String {
    let mut text = text.to_owned();
    for token in ["GH_TOKEN", "GITHUB_TOKEN"].into_iter().filter_map(variable) {
        let token = token.trim();
        // What is shorter opens nothing, and may be any word.
        if token.len() >= SHORTEST_TOKEN {
            text = text.replace(token, "<token>");
        }
    }
    // The expression takes longer to make than most commands have to spare.
    let may_hold =
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"].iter().any(|start| text.contains(start));
    if may_hold { TOKENS.replace_all(&text, "<token>").into_owned() } else { text }
}

/// The value of an environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Context {
    /// Finds the repository around the working directory.
    pub fn open(output: Output) -> Result<Self, Error> {
        let directory = std::env::current_dir()
            .map_err(|error| Error::outside("cannot tell the working directory").because(error))?;
        let repo = Repo::discover(&directory)?;
        let clock = match variable(CLOCK_VARIABLE) {
            Some(text) => Some(text.parse().map_err(|error| {
                Error::request(format!("cannot read the time `{text}` in `{CLOCK_VARIABLE}`"))
                    .because(error)
                    .hint("write it as `2026-11-21T12:00:00Z`")
            })?),
            None => None,
        };
        let log = Log::of(&repo);
        Ok(Self { repo, log, output, directory, zone: TimeZone::system(), clock })
    }

    /// Reads the repository's configuration again.
    pub fn reopen(&mut self) -> Result<(), Error> {
        self.repo = Repo::discover(&self.directory)?;
        self.log = Log::of(&self.repo);
        Ok(())
    }

    /// The time by the clock.
    pub fn now(&self) -> Timestamp {
        self.clock.unwrap_or_else(Timestamp::now)
    }

    /// What views are drawn on.
    pub fn canvas(&self) -> Canvas {
        Canvas {
            style: if self.output.colour { Style::Colour } else { Style::Plain },
            width: self.output.width,
            now: self.now(),
            zone: self.zone.clone(),
        }
    }

    /// 128 random bits.
    pub fn nonce(&self) -> Result<Nonce, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::outside("cannot get random bits").because(error))?;
        Ok(Nonce(bytes))
    }

    /// Who acts, as Git knows them.
    pub fn identity(&self) -> Identity {
        match self.repo.identity() {
            Some(identity) => Identity { name: identity.name, email: identity.email },
            // Recording what ran matters more than by whom.
            None => Identity { name: "unknown".to_owned(), email: "unknown@localhost".to_owned() },
        }
    }

    /// The name under which this clone appends.
    pub fn writer(&self) -> Result<Writer, Error> {
        Ok(self.log.ensure_writer(&self.nonce()?)?)
    }

    /// Appends an entry of this clone's.
    pub fn append(&self, body: Body, replaces: Vec<EntryId>, files: Vec<NewFile>) -> Result<Appended, Error> {
        let nonce = self.nonce()?;
        self.append_as(nonce, body, replaces, files)
    }

    /// Appends an entry that answers another.
    pub fn append_answer(&self, body: Body, answers: Option<EntryId>) -> Result<Appended, Error> {
        let request = Request { answers, ..self.request(self.nonce()?, body) };
        Ok(self.log.append(&self.writer()?, request)?)
    }

    /// Appends an entry that answers another, takes the place of others, and has files.
    pub fn append_with(
        &self,
        body: Body,
        answers: Option<EntryId>,
        replaces: Vec<EntryId>,
        files: Vec<NewFile>,
    ) -> Result<Appended, Error> {
        let request = Request { replaces, answers, files, ..self.request(self.nonce()?, body) };
        Ok(self.log.append(&self.writer()?, request)?)
    }

    /// Appends an entry whose nonce was given out before.
    pub fn append_as(
        &self,
        nonce: Nonce,
        body: Body,
        replaces: Vec<EntryId>,
        files: Vec<NewFile>,
    ) -> Result<Appended, Error> {
        let request = Request { replaces, files, ..self.request(nonce, body) };
        Ok(self.log.append(&self.writer()?, request)?)
    }

    /// What appending an entry takes that takes the place of others.
    pub fn request_of(&self, body: Body, replaces: Vec<EntryId>) -> Result<Request, Error> {
        Ok(Request { replaces, ..self.request(self.nonce()?, body) })
    }

    fn request(&self, nonce: Nonce, body: Body) -> Request {
        let time = self.now();
        Request {
            nonce,
            time,
            offset_minutes: self.zone.to_offset(time).seconds() / 60,
            by: self.identity(),
            replaces: Vec::new(),
            answers: None,
            body,
            files: Vec::new(),
        }
    }

    /// The top of the worktree that the command was started in.
    pub fn worktree(&self) -> Result<&Path, Error> {
        self.repo.work_dir().ok_or_else(|| {
            Error::request("there is no worktree here")
                .hint("a bare repository can be read, but nothing can run in it")
        })
    }

    /// The settings as the code in the worktree has them, for capture and for runs without ceremony.
    pub fn settings_here(&self) -> Result<Settings, Error> {
        self.settings_in(&self.repo)
    }

    fn settings_in(&self, repo: &Repo) -> Result<Settings, Error> {
        let here = match repo.work_dir() {
            Some(top) => read_if_there(&top.join(CONFIGURATION))?,
            None => None,
        };
        Ok(self.with_agreed_privacy(self.layered(here.as_deref(), CONFIGURATION)?))
    }

    /// The settings where no file can be read.
    pub fn settings_of_last_resort(&self) -> Settings {
        self.with_agreed_privacy(Settings::default())
    }

    /// The settings with what the team agreed on the main branch to be private, which no worktree can take back.
    fn with_agreed_privacy(&self, mut settings: Settings) -> Settings {
        let agreed = self.agreed(None).ok().flatten();
        if let Some(layer) = agreed.and_then(|(text, origin)| parse(&text, &origin).ok()) {
            settings.capture.add_privacy(layer.capture.private_files, layer.capture.private_text);
        }
        settings
    }

    /// The settings for an experiment of `topic`: what the team agreed on from the topic's branch, else the main branch,
    /// and how runs are made from the code in the worktree of `running`.
    pub fn settings_for(&self, topic: Option<&TopicName>, running: &Repo) -> Result<Settings, Error> {
        let here = self.settings_in(running)?;
        match self.agreed(topic)? {
            Some((text, origin)) => Ok(Settings::joined(self.layered(Some(&text), &origin)?, here)),
            None => Ok(here),
        }
    }

    /// Who may do what in `topic`: as the team agreed on the topic's branch, else the main branch, and nowhere else.
    ///
    /// Neither the worktree nor the user's own file has a say, so that nobody gives a role to themselves.
    pub fn rules_for(&self, topic: Option<&TopicName>) -> Result<Rules, Error> {
        match self.agreed(topic)? {
            Some((text, origin)) => Ok(parse(&text, &origin)?.rules),
            None => Ok(Rules::default()),
        }
    }

    fn layered(&self, repository: Option<&str>, origin: &str) -> Result<Settings, Error> {
        let mut layers = Vec::new();
        if let Some(path) = user_configuration()
            && let Some(text) = read_if_there(&path)?
        {
            layers.push(parse(&text, &path.display().to_string())?);
        }
        if let Some(text) = repository {
            layers.push(parse(text, origin)?);
        }
        Ok(Settings::of(layers))
    }

    /// The text of `exp.toml` that the team agreed on, and where it was found.
    ///
    /// A clone that has neither branch of its own, as one of a single commit, reads what it fetched of them.
    pub fn agreed(&self, topic: Option<&TopicName>) -> Result<Option<(String, String)>, Error> {
        let of_topic = topic.map(layout::topic_branch);
        let local = of_topic.iter().cloned().chain(self.main_branch()?);
        let fetched = of_topic.iter().cloned().chain(self.fetched_main_branch()?);
        let branches = local.map(|name| ("refs/heads/", name));
        for (prefix, branch) in branches.chain(fetched.map(|name| (FETCHED, name))) {
            let Some(tip) = self.repo.read_ref(&format!("{prefix}{branch}"))? else { continue };
            if let Some(text) = self.text_at(tip, CONFIGURATION)? {
                return Ok(Some((text, format!("{branch}:{CONFIGURATION}"))));
            }
        }
        Ok(None)
    }

    /// Where the topic's branch and the main branch are, here and as they were fetched.
    pub fn agreed_tips(&self, topic: Option<&TopicName>) -> Result<Vec<Oid>, Error> {
        let own = topic.map(layout::topic_branch).into_iter().chain(self.main_branch()?);
        let mut names: Vec<String> =
            own.flat_map(|name| [format!("refs/heads/{name}"), format!("{FETCHED}{name}")]).collect();
        names.extend(self.fetched_main_branch()?.map(|name| format!("{FETCHED}{name}")));
        let mut tips = Vec::new();
        for name in names {
            tips.extend(self.repo.read_ref(&name)?.filter(|tip| !tips.contains(tip)));
        }
        Ok(tips)
    }

    /// The text of a file in a commit.
    pub fn text_at(&self, commit: Oid, path: &str) -> Result<Option<String>, Error> {
        let tree = self.repo.read_commit(commit)?.tree;
        let bytes = self.repo.read_path(tree, path.as_bytes())?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The text of a file that the user named, `-` for standard input.
    pub fn text_of(&self, path: &Path) -> Result<String, Error> {
        if path == Path::new("-") {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Error::request("cannot read standard input").because(error))?;
            return Ok(text);
        }
        read_if_there(path)?.ok_or_else(|| Error::request(format!("there is no file `{}`", path.display())))
    }

    /// The files in a folder, by name: none where there is no such folder; of what is longer than `longest` the beginning only.
    pub fn files_in(&self, folder: &Path, longest: usize) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let failed = |path: &Path, error: io::Error| {
            Error::outside(format!("cannot read `{}`", path.display())).because(error)
        };
        let mut files = BTreeMap::new();
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(files);
            }
            Err(error) => return Err(failed(folder, error)),
        };
        for item in listed {
            let path = item.map_err(|error| failed(folder, error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            // A link may lead to any file of the machine.
            if std::fs::symlink_metadata(&path).is_ok_and(|data| data.is_file()) {
                let mut bytes = Vec::new();
                let file = std::fs::File::open(&path).map_err(|error| failed(&path, error))?;
                // One byte more, so that what is too long can be told.
                let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
                file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(&path, error))?;
                files.insert(name.to_owned(), bytes);
            }
        }
        Ok(files)
    }

    /// The branch that the others grow from: `exp.mainBranch`, else `init.defaultBranch`, `main` or `master`, else what the remote calls
    /// its head, which comes last because that of a clone may be any branch.
    pub fn main_branch(&self) -> Result<Option<String>, Error> {
        let configured = self.repo.config_string("exp.mainBranch");
        let default = self.repo.config_string("init.defaultBranch");
        let usual = ["main".to_owned(), "master".to_owned()];
        let is_here =
            |name: &String| Ok::<_, Error>(self.repo.read_ref(&format!("refs/heads/{name}"))?.is_some());
        for name in configured.into_iter().chain(default).chain(usual) {
            if is_here(&name)? {
                return Ok(Some(name));
            }
        }
        match self.repo.head_of_remote(ORIGIN)? {
            Some(name) if is_here(&name)? => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// What the main branch is called where one has to be named: here, on the remote, or what is checked out where that is the only guess.
    pub fn main_branch_name(&self) -> String {
        let fetched = || {
            let name = self.fetched_main_branch().ok().flatten()?;
            if name == "HEAD" { self.repo.head_of_remote(ORIGIN).ok().flatten() } else { Some(name) }
        };
        let is_ours = |name: &String| name.starts_with("research/") || name.starts_with("exp/");
        let here = || self.repo.head().ok()?.branch.filter(|name| !is_ours(name));
        let known = self.main_branch().ok().flatten();
        known.or_else(fetched).or_else(here).unwrap_or_else(|| "main".to_owned())
    }

    fn fetched_main_branch(&self) -> Result<Option<String>, Error> {
        let configured = self.repo.config_string("exp.mainBranch");
        for name in configured.into_iter().chain(FETCHED_MAIN.map(str::to_owned)) {
            if self.repo.read_ref(&format!("{FETCHED}{name}"))?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The environment that the command was started with.
    pub fn environment(&self) -> BTreeMap<String, String> {
        std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect()
    }
}

fn user_configuration() -> Option<PathBuf> {
    let folder = match variable("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".config"),
    };
    Some(folder.join("git-exp").join(CONFIGURATION))
}

fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            Error::request(format!("cannot read `{}`", path.display()))
                .because(error)
                .hint("write it as UTF-8")
        }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::outside(format!("cannot read `{}`", path.display())).because(error)),
    }
}

fn parse(text: &str, origin: &str) -> Result<config::Layer, Error> {
    config::parse(text, origin).map_err(Error::from)
}
