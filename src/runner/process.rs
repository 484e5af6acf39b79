//! One child process: started in a group of its own, watched, ended when it must be, and recorded.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use wait4::Wait4;

use super::collect::{Collected, Collector, DEFAULT_MAX_POINTS, Latest, empty_value};
use super::error::RunnerError;
use super::folder::{Folder, ProcessRecord};
use super::interruption::Interruptions;
use super::journal::{Ending, Journal, MetricsFile, replay};
use super::output::{CapturedStream, Lines, Recorder, Stream, Wanted};
use super::passing::Passing;
use super::pattern::Patterns;
use super::redact::Redactor;
use super::terminal::Terminal;
use crate::domain::metric::{Definition, Value, built_in};
use crate::domain::run::{Exit, Status};

/// How often at most an observer hears of something.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait for more output once the command has ended and something else holds its output open.
const QUIET: Duration = Duration::from_millis(500);
/// How long to listen in all to what outlives the command.
const LINGER: Duration = Duration::from_secs(3);
/// How much output may wait to be passed on before the command has to wait as well.
const MAX_WAITING: usize = 1024 * 1024;
/// How much may wait once the command has ended: what it wrote is recorded whether or not anybody looks.
const MAX_WAITING_AFTER: usize = 16 * MAX_WAITING;
/// How much is read at once.
const CHUNK: usize = 128 * 1024;
/// How much of the metrics file is read in one go, so that supervision goes on meanwhile.
const METRICS_PER_TICK: usize = 4 * 1024 * 1024;

/// A command to run, and how.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Variables it gets besides those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How long it has to end by itself once it was asked to.
    pub grace: Duration,
    /// The folder of the run: see [`Folder`].
    pub folder: PathBuf,
    /// Metrics that are found in plain output.
    pub patterns: Patterns,
    /// What takes secrets out of what is kept.
    pub redactor: Arc<Redactor>,
    /// How much is kept.
    pub limits: Limits,
    /// Whether its output is shown as it comes.
    pub show: Show,
}

/// Whether a command's output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// It is passed on, byte for byte, to our own streams.
    Passed,
    /// All of it is passed on to our standard error, for standard output is for something else.
    OnStderr,
    /// It is only recorded.
    Hidden,
}

impl Show {
    /// Which of our streams a stream of the command is passed on to.
    fn goes_to(self, stream: Stream) -> Option<Stream> {
        match self {
            Self::Passed => Some(stream),
            Self::OnStderr => Some(Stream::Stderr),
            Self::Hidden => None,
        }
    }
}

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each stream: half for its beginning, half for its end.
    pub max_output: u64,
    /// Bytes of an artifact.
    pub max_artifact: u64,
    /// Points over all metrics.
    pub max_points: usize,
}

impl Limits {
    /// The most that an artifact may ever have: Git hosts refuse files of 100 MB.
    pub const MAX_ARTIFACT: u64 = 95 * 1024 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_output: 1024 * 1024, max_artifact: 10 * 1024 * 1024, max_points: DEFAULT_MAX_POINTS }
    }
}

/// What happens while a command runs; told at most ten times a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// It wrote something.
    Output {
        /// Where.
        stream: Stream,
        /// How many bytes since this was told last.
        bytes: u64,
    },
    /// It reported metrics, this one last.
    Metric(Latest<'a>),
    /// Time went by.
    Tick {
        /// Since the command began.
        elapsed: Duration,
    },
}

/// How far a command has come, for whoever decides whether it may go on.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Since the command began.
    pub elapsed: Duration,
    /// What it has reported.
    pub collected: &'a Collector,
}

/// Whoever watches a command run.
pub trait Observer {
    /// Hears what happens.
    fn event(&mut self, event: Event<'_>) {
        let _ = event;
    }

    /// The reason why the command must be stopped, if there is one; asked at every tick.
    fn should_stop(&mut self, progress: &Progress<'_>) -> Option<String> {
        let _ = progress;
        None
    }

    /// Calls `write`, which passes output on; whoever draws on the same terminal clears it before and draws again after.
    fn around_output(&mut self, write: &mut dyn FnMut()) {
        write();
    }
}

impl<F: FnMut(Event<'_>)> Observer for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// Nobody watches.
impl Observer for () {}

/// What ended a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Itself, or a signal from elsewhere.
    Normal,
    /// A signal that was sent to us, or a Ctrl-C that went to it.
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// It ran past its time limit.
    TimedOut,
    /// The observer wanted it to.
    Stopped {
        /// Why.
        reason: String,
    },
    /// It never started.
    NotStarted {
        /// Why.
        reason: String,
        /// What a shell exits with: 127 where there is no such command, else 126.
        status: i32,
    },
    /// Nobody was there to see it: what is known was found on disk.
    Lost,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How its process ended.
    pub exit: Exit,
    /// What ended it.
    pub ended: Ended,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub wall_seconds: f64,
    /// Processor time of it and of the processes it waited for.
    pub cpu_seconds: Option<f64>,
    /// The most memory that one of them had.
    ///
    /// A process begins as a copy of this one, so no less than this one had is ever seen.
    pub peak_rss_bytes: Option<u64>,
    /// What it reported.
    pub collected: Collected,
    /// What is kept of its standard output.
    pub stdout: CapturedStream,
    /// What is kept of its standard error.
    pub stderr: CapturedStream,
    /// Things worth telling.
    pub remarks: Vec<String>,
}

impl Outcome {
    /// What a shell would exit with; `None` where nobody saw the command's end.
    pub fn shell_status(&self) -> Option<i32> {
        match self.ended {
            Ended::NotStarted { status, .. } => Some(status),
            // It took the signal for a polite request; all is not well because of that.
            Ended::Stopped { .. } | Ended::TimedOut if self.exit == Exit::Code(0) => {
                Exit::Signal(Signal::TERM.as_raw()).shell_status()
            }
            _ => self.exit.shell_status(),
        }
    }

    /// Why the command ended as it did, where its exit alone does not say.
    pub fn reason(&self) -> Option<String> {
        match &self.ended {
            Ended::Normal => None,
            Ended::Interrupted { signal } => Some(format!("interrupted by {}", signal_name(*signal))),
            Ended::TimedOut => Some("it ran past its time limit".to_owned()),
            Ended::Stopped { reason } | Ended::NotStarted { reason, .. } => Some(reason.clone()),
            Ended::Lost => Some("the machine or the recording process died under it".to_owned()),
        }
    }

    /// The status of the run whose metrics came to `values`.
    pub fn status(&self, values: &BTreeMap<String, Value>) -> Status {
        match &self.ended {
            Ended::Interrupted { .. } | Ended::Stopped { .. } => Status::Killed,
            Ended::TimedOut => Status::Timeout,
            Ended::NotStarted { .. } => Status::Failed,
            Ended::Lost => Status::Crashed,
            Ended::Normal => match self.exit {
                Exit::Code(0) if values.values().all(Value::is_finite) => Status::Ok,
                Exit::Code(0) => Status::Diverged,
                Exit::Code(_) => Status::Failed,
                Exit::Signal(_) => Status::Killed,
                Exit::Unknown => Status::Crashed,
            },
        }
    }

    /// What the run's metrics came to, built-in ones included.
    pub fn values(&self, definitions: &BTreeMap<String, Definition>) -> BTreeMap<String, Value> {
        let mut values = self.collected.summarise(definitions);
        let is_measured = !matches!(self.ended, Ended::NotStarted { .. } | Ended::Lost);
        let measured = [
            ("wall_time", is_measured.then_some(self.wall_seconds)),
            ("cpu_time", self.cpu_seconds),
            ("peak_rss", self.peak_rss_bytes.map(|bytes| bytes as f64)),
        ];
        for (name, value) in measured {
            let definition = definitions.get(name).cloned().or_else(|| built_in(name));
            if let (Some(value), Some(definition)) = (value, definition) {
                values.insert(
                    name.to_owned(),
                    Value { value: Some(value), points: 1, ..empty_value(&definition) },
                );
            }
        }
        values
    }
}

/// The name of a signal, as `SIGTERM`.
pub fn signal_name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// How a process ended.
pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Runs a command to its end, whatever that is, and records it.
///
/// An error means that the command could not be supervised; whatever the command itself does is an [`Outcome`].
pub fn execute(
    job: &Job,
    interruptions: &Interruptions,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunnerError> {
    let folder = Folder::create(&job.folder)?;
    let started = Timestamp::now();
    let clock = Instant::now();
    let child = match start(job) {
        Ok(child) => child,
        Err((reason, status)) => {
            return Ok(Outcome {
                exit: Exit::Unknown,
                ended: Ended::NotStarted { reason: job.redactor.redact_text(&reason), status },
                started,
                wall_seconds: clock.elapsed().as_secs_f64(),
                cpu_seconds: None,
                peak_rss_bytes: None,
                collected: Collected::default(),
                stdout: CapturedStream::default(),
                stderr: CapturedStream::default(),
                remarks: Vec::new(),
            });
        }
    };
    let mut remarks = Vec::new();
    let record = ProcessRecord { pid: child.id(), started };
    if let Err(error) = folder.write_process(&record) {
        // The command runs already, and its end will be seen.
        remarks.push(error.to_string());
    }
    Supervision::new(job, &folder, child, clock, remarks).run(interruptions, observer, started)
}

/// Starts the command, or says why it cannot be and what a shell would exit with.
fn start(job: &Job) -> Result<Child, (String, i32)> {
    let Some((program, arguments)) = job.argv.split_first() else {
        return Err(("there is no command".to_owned(), 127));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&job.directory)
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if std::env::var_os("PYTHONUNBUFFERED").is_none() {
        // Into a pipe Python writes by the block: reports would come late, and be lost with a process that is killed.
        command.env("PYTHONUNBUFFERED", "1");
    }
    command.envs(job.environment.iter().map(|(name, value)| (name, value)));
    command.spawn().map_err(|error| {
        let shown = Path::new(program).display();
        if !job.directory.is_dir() {
            return (
                format!("cannot start `{shown}`: there is no directory `{}`", job.directory.display()),
                126,
            );
        }
        match error.kind() {
            io::ErrorKind::NotFound if is_script(&job.directory, program) => {
                (format!("cannot start `{shown}`: what its first line names is not there"), 127)
            }
            io::ErrorKind::NotFound => (format!("cannot start `{shown}`: there is no such command"), 127),
            io::ErrorKind::PermissionDenied => {
                (format!("cannot start `{shown}`: it may not be executed"), 126)
            }
            _ if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                (format!("cannot start `{shown}`: it is no program, and no script with a first line such as `#!/bin/sh`"), 126)
            }
            _ => (format!("cannot start `{shown}`: {error}"), 126),
        }
    })
}

/// Whether a path to a script was given, which has another program run it.
fn is_script(directory: &Path, program: &OsStr) -> bool {
    let mut start = [0; 2];
    let is_path = program.as_encoded_bytes().contains(&b'/');
    is_path
        && File::open(directory.join(program)).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"#!"
}

/// One stream of the command on its way to disk, to the collector and to our own stream.
struct Channel {
    stream: Stream,
    pipe: Option<File>,
    recorder: Recorder,
    lines: Lines,
    passing: Passing,
    unreported: u64,
}

/// A command that runs.
struct Supervision<'a> {
    job: &'a Job,
    folder: &'a Folder,
    child: Child,
    group: Option<Pid>,
    clock: Instant,
    channels: [Channel; 2],
    collector: Collector,
    journal: Journal,
    metrics: MetricsFile,
    ended: Ended,
    deadline: Option<Instant>,
    kill_at: Option<Instant>,
    /// Whether processes that outlive the command must go with it.
    kill_rest: bool,
    remarks: Vec<String>,
    terminal: Option<Terminal>,
}

impl<'a> Supervision<'a> {
    fn new(job: &'a Job, folder: &'a Folder, mut child: Child, clock: Instant, remarks: Vec<String>) -> Self {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let channel = |stream, pipe: Option<OwnedFd>| Channel {
            stream,
            pipe: pipe.map(File::from),
            recorder: Recorder::new(folder.path(), stream, job.limits.max_output),
            lines: Lines::new(if job.patterns.is_empty() { Wanted::Reports } else { Wanted::All }),
            passing: Passing::new(job.show.goes_to(stream)),
            unreported: 0,
        };
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = child.stderr.take().map(OwnedFd::from);
        Self {
            job,
            folder,
            group,
            clock,
            channels: [channel(Stream::Stdout, stdout), channel(Stream::Stderr, stderr)],
            collector: Collector::new(job.limits.max_points),
            journal: Journal::new(folder.points_file()),
            metrics: MetricsFile::new(folder.metrics_file()),
            ended: Ended::Normal,
            deadline: job.timeout.and_then(|timeout| clock.checked_add(timeout)),
            kill_at: None,
            kill_rest: false,
            remarks,
            terminal: group.and_then(Terminal::hand_over),
            child,
        }
    }

    fn run(
        mut self,
        interruptions: &Interruptions,
        observer: &mut dyn Observer,
        started: Timestamp,
    ) -> Result<Outcome, RunnerError> {
        let watched = self.watch(interruptions, observer);
        if watched.is_err() {
            // Nobody would see its end.
            self.signal(Signal::KILL);
        }
        let wall_seconds = self.clock.elapsed().as_secs_f64();
        if watched.is_ok() {
            self.drain(interruptions, observer)?;
        }
        let was_terminal = self.terminal.as_ref().is_some_and(Terminal::is_with_command);
        let used = self
            .child
            .wait4()
            .map_err(|source| RunnerError::Supervise { attempt: "wait for the command", source })?;
        watched?;
        let exit = exit_of(used.status);
        if let Some(terminal) = &self.terminal {
            terminal.take_back(matches!(exit, Exit::Signal(_)));
        }
        // On a terminal a Ctrl-C goes to the command alone; only its end tells.
        let interrupt = Signal::INT.as_raw();
        if self.ended == Ended::Normal
            && (exit == Exit::Signal(interrupt) || was_terminal && exit == Exit::Code(128 + interrupt))
        {
            self.ended = Ended::Interrupted { signal: interrupt };
        }
        self.finish(started, wall_seconds, exit, &used.rusage)
    }

    /// Listens to the command until it has ended.
    fn watch(
        &mut self,
        interruptions: &Interruptions,
        observer: &mut dyn Observer,
    ) -> Result<(), RunnerError> {
        let mut next_tick = self.clock + TICK;
        let mut buffer = vec![0; CHUNK];
        loop {
            let now = Instant::now();
            let until = [Some(next_tick), self.deadline, self.kill_at].into_iter().flatten().min();
            let timeout = until.map_or(TICK, |until| until.saturating_duration_since(now));
            self.wait_for_news(interruptions, timeout, MAX_WAITING)?;
            self.read(&mut buffer, MAX_WAITING, observer);
            while let Some(signal) = interruptions.take() {
                self.interrupt(signal);
            }
            if self.has_ended()? {
                return Ok(());
            }
            self.follow_stop();
            let now = Instant::now();
            if self.kill_at.is_some_and(|at| at <= now) {
                self.kill_at = None;
                self.kill_rest = true;
                self.signal(Signal::KILL);
            }
            if self.deadline.is_some_and(|at| at <= now) {
                self.end(Ended::TimedOut);
            }
            if next_tick <= now {
                next_tick = now + TICK;
                self.tick(observer);
            }
        }
    }

    /// Waits for output, a signal, a change of the command or the end of `timeout`.
    fn wait_for_news(
        &self,
        interruptions: &Interruptions,
        timeout: Duration,
        max_waiting: usize,
    ) -> Result<(), RunnerError> {
        let mut sources = Vec::with_capacity(5);
        sources.push(PollFd::from_borrowed_fd(interruptions.bell(), PollFlags::IN));
        for channel in &self.channels {
            if let Some(pipe) = channel.pipe.as_ref().filter(|_| channel.passing.waiting() < max_waiting) {
                sources.push(PollFd::new(pipe, PollFlags::IN));
            }
            if let Some(target) = channel.passing.target() {
                sources.push(PollFd::from_borrowed_fd(target, PollFlags::OUT));
            }
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match poll(&mut sources, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(source) => {
                return Err(RunnerError::Supervise {
                    attempt: "listen to the command",
                    source: source.into(),
                });
            }
        }
        if sources[0].revents().contains(PollFlags::IN) {
            interruptions.quiet();
        }
        Ok(())
    }

    /// Takes what there is to read from the command now; says whether there was anything.
    fn read(&mut self, buffer: &mut [u8], max_waiting: usize, observer: &mut dyn Observer) -> bool {
        let mut any = false;
        let seconds = self.clock.elapsed().as_secs_f64();
        for channel in &mut self.channels {
            let Some(pipe) = &mut channel.pipe else { continue };
            if channel.passing.waiting() >= max_waiting || !is_readable(pipe) {
                continue;
            }
            match pipe.read(buffer) {
                Ok(0) => channel.pipe = None,
                Ok(length) => {
                    any = true;
                    let bytes = &buffer[..length];
                    channel.unreported += length as u64;
                    channel.recorder.write(bytes);
                    channel.passing.push(bytes);
                    let (journal, collector) = (&mut self.journal, &mut self.collector);
                    channel
                        .lines
                        .push(bytes, |line| journal.line(line, seconds, &self.job.patterns, collector));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    channel.pipe = None;
                    self.remarks
                        .push(format!("{} could not be read to its end: {error}", channel.stream.name()));
                }
            }
        }
        self.journal.flush();
        self.pass(observer);
        any
    }

    fn pass(&mut self, observer: &mut dyn Observer) {
        let channels = &mut self.channels;
        if channels.iter().any(|channel| channel.passing.waiting() > 0) {
            observer.around_output(&mut || {
                for channel in channels.iter_mut() {
                    channel.passing.flush();
                }
            });
        }
    }

    /// Passes a signal that was sent to us on to the command; a second one ends it for good.
    fn interrupt(&mut self, signal: i32) {
        if matches!(self.ended, Ended::Interrupted { .. }) {
            self.kill_rest = true;
            self.signal(Signal::KILL);
            return;
        }
        if self.ended == Ended::Normal {
            self.ended = Ended::Interrupted { signal };
        }
        self.signal(Signal::from_named_raw(signal).unwrap_or(Signal::TERM));
        // Who is stopped cannot hear.
        self.signal(Signal::CONT);
    }

    /// Asks the command to end, and sees to it that it does.
    fn end(&mut self, why: Ended) {
        self.deadline = None;
        if self.ended == Ended::Normal {
            self.ended = why;
        }
        self.kill_rest = true;
        self.kill_at = Instant::now().checked_add(self.job.grace);
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether the command has ended; it is not reaped yet.
    fn has_ended(&self) -> Result<bool, RunnerError> {
        let Some(pid) = self.group else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(pid), options) {
            Ok(found) => Ok(found.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(source) => {
                Err(RunnerError::Supervise { attempt: "watch the command", source: source.into() })
            }
        }
    }

    /// Stops along with a command that was stopped at the terminal, and does not count that time.
    fn follow_stop(&mut self) {
        let (Some(terminal), Some(pid)) = (&self.terminal, self.group) else { return };
        let stopped = waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
        if let Ok(Some(stopped)) = stopped {
            let since = Instant::now();
            terminal.follow_stop(stopped.stopping_signal());
            self.deadline = self.deadline.and_then(|at| at.checked_add(since.elapsed()));
        }
    }

    fn tick(&mut self, observer: &mut dyn Observer) {
        let elapsed = self.clock.elapsed();
        self.metrics.read(METRICS_PER_TICK, elapsed.as_secs_f64(), &mut self.collector);
        for channel in &mut self.channels {
            let bytes = std::mem::take(&mut channel.unreported);
            if bytes > 0 {
                observer.event(Event::Output { stream: channel.stream, bytes });
            }
        }
        if let Some(latest) = self.collector.take_news() {
            observer.event(Event::Metric(latest));
        }
        observer.event(Event::Tick { elapsed });
        if self.ended == Ended::Normal
            && let Some(reason) = observer.should_stop(&Progress { elapsed, collected: &self.collector })
        {
            self.end(Ended::Stopped { reason });
        }
    }

    /// Takes what is left of the output once the command has ended, without waiting long for what outlives it.
    fn drain(
        &mut self,
        interruptions: &Interruptions,
        observer: &mut dyn Observer,
    ) -> Result<(), RunnerError> {
        let mut buffer = vec![0; CHUNK];
        // What the command started may use the time to end by itself that the command did not need.
        while let Some(left) = self.kill_at.map(|at| at.saturating_duration_since(Instant::now())) {
            if left.is_zero() || !self.is_open() || interruptions.take().is_some() {
                break;
            }
            self.wait_for_news(interruptions, left.min(TICK), MAX_WAITING_AFTER)?;
            self.read(&mut buffer, MAX_WAITING_AFTER, observer);
        }
        if self.kill_rest {
            // The command is dead but not yet reaped, so its group's number cannot have passed to others.
            self.signal(Signal::KILL);
        }
        let begin = Instant::now();
        let mut heard = begin;
        while self.is_open() {
            let is_full = self.channels.iter().any(|channel| channel.passing.waiting() >= MAX_WAITING_AFTER);
            if heard.elapsed() >= QUIET || begin.elapsed() >= LINGER || is_full {
                self.remarks
                    .push("a process that outlived the command still held its output open".to_owned());
                break;
            }
            self.wait_for_news(interruptions, QUIET.saturating_sub(heard.elapsed()), MAX_WAITING_AFTER)?;
            if self.read(&mut buffer, MAX_WAITING_AFTER, observer) {
                heard = Instant::now();
            }
        }
        let seconds = self.clock.elapsed().as_secs_f64();
        for channel in &mut self.channels {
            let (journal, collector) = (&mut self.journal, &mut self.collector);
            channel.lines.finish(|line| journal.line(line, seconds, &self.job.patterns, collector));
        }
        // Whoever reads our output may take as long as they like; the record has it all already.
        while self.channels.iter().any(|channel| channel.passing.waiting() > 0) {
            self.pass(observer);
            self.wait_for_news(interruptions, QUIET, 0)?;
            if interruptions.take().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Whether anything still holds the command's output open.
    fn is_open(&self) -> bool {
        self.channels.iter().any(|channel| channel.pipe.is_some())
    }

    fn finish(
        mut self,
        started: Timestamp,
        wall_seconds: f64,
        exit: Exit,
        used: &wait4::ResourceUsage,
    ) -> Result<Outcome, RunnerError> {
        let is_torn = !matches!(exit, Exit::Code(_));
        self.metrics.read(usize::MAX, wall_seconds, &mut self.collector);
        self.metrics.finish(
            wall_seconds,
            if is_torn { Ending::Torn } else { Ending::Clean },
            &mut self.collector,
        );
        self.remarks.extend(self.metrics.remark());
        self.remarks.extend(self.journal.remark());
        let mut streams = Vec::with_capacity(2);
        for channel in self.channels {
            let (_, blake3, failure) = channel.recorder.finish();
            if let Some(failure) = failure {
                self.remarks
                    .push(format!("{} could not be kept to its end: {failure}", channel.stream.name()));
            }
            streams.push(CapturedStream::read(
                self.folder.path(),
                channel.stream,
                self.job.limits.max_output,
                Some(blake3),
                &self.job.redactor,
            )?);
        }
        let stderr = streams.pop().unwrap_or_default();
        let stdout = streams.pop().unwrap_or_default();
        let collected = self.collector.finish(&self.job.redactor);
        let mut remarks: Vec<String> =
            self.remarks.iter().map(|remark| self.job.redactor.redact_text(remark)).collect();
        remarks.extend(collected.remarks.iter().cloned());
        Ok(Outcome {
            exit,
            ended: self.ended,
            started,
            wall_seconds,
            cpu_seconds: Some((used.utime + used.stime).as_secs_f64()),
            peak_rss_bytes: Some(used.maxrss),
            collected,
            stdout,
            stderr,
            remarks,
        })
    }
}

fn is_readable(pipe: &impl AsFd) -> bool {
    let mut entry = [PollFd::new(pipe, PollFlags::IN)];
    poll(&mut entry, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// What is known of a run whose recording process died, from what it left in its folder.
///
/// `found` is the time at which the run was heard of last where the folder does not tell when it began.
pub fn salvage(
    folder: &Folder,
    limits: &Limits,
    redactor: &Redactor,
    found: Timestamp,
) -> Result<Outcome, RunnerError> {
    let mut collector = Collector::new(limits.max_points);
    replay(&folder.points_file(), &mut collector)?;
    let mut metrics = MetricsFile::new(folder.metrics_file());
    metrics.read(usize::MAX, f64::NAN, &mut collector);
    metrics.finish(f64::NAN, Ending::Torn, &mut collector);
    let last = folder.last_change().unwrap_or(found);
    let started = folder.process().map_or(last, |process| process.started);
    let stream = |stream| CapturedStream::read(folder.path(), stream, limits.max_output, None, redactor);
    let collected = collector.finish(redactor);
    Ok(Outcome {
        exit: Exit::Unknown,
        ended: Ended::Lost,
        started,
        wall_seconds: last.duration_since(started).as_secs_f64().max(0.0),
        cpu_seconds: None,
        peak_rss_bytes: None,
        stdout: stream(Stream::Stdout)?,
        stderr: stream(Stream::Stderr)?,
        remarks: collected.remarks.clone(),
        collected,
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests;
