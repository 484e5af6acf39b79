//! Clones that record, push and pull in random order while things fail: in the end all know the same, and nothing is lost.
//!
//! Each schedule is short and follows from its seed alone, but for what runs at the same time. `GIT_EXP_SCHEDULES` sets how
//! many there are, and `GIT_EXP_SEED` the only one.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use crate::lab::TestLab;
use crate::net::Net;

/// How many schedules there are in all, over all tests here.
const SCHEDULES: u64 = 200;
/// How many tests share them, so that they run at the same time.
const SHARES: u64 = 4;
/// Times at which things are recorded: two that are recorded at one time have no order.
const CLOCK: [&str; 4] =
    ["2026-11-21T13:00:00Z", "2026-11-21T14:00:00Z", "2026-11-21T15:00:00Z", "2026-11-21T16:00:00Z"];

/// What every schedule begins with: a remote, and three clones that recorded something each.
static BEGINNING: LazyLock<(Net, String)> = LazyLock::new(|| {
    let net = Net::new();
    net.git("lab", &["remote", "set-url", "origin", "../remote.git"]);
    net.exp_ok("lab", &["init"]);
    net.record("lab", "begin");
    net.exp_ok("lab", &["push"]);
    for clone in ["second", "third"] {
        net.git("lab", &["clone", "--quiet", "../remote.git", &format!("../{clone}")]);
        net.git(clone, &["remote", "set-url", "origin", "../remote.git"]);
        net.exp_ok(clone, &["init"]);
        net.exp_ok(clone, &["pull"]);
        net.record(clone, clone);
        net.exp_ok(clone, &["push"]);
    }
    for folder in ["lab/.git", "second/.git", "third/.git", "remote.git"] {
        // Examples, which take longer to copy than the rest.
        let _ = std::fs::remove_dir_all(net.folder(folder).join("hooks"));
    }
    let about = net.json("lab", &["runs"])[0]["run"].as_str().expect("a run has an ID").to_owned();
    (net, about)
});

/// One schedule that is under way.
struct Schedule {
    net: Net,
    seed: u64,
    /// The state of the random numbers.
    state: u64,
    clones: Vec<String>,
    /// The entry that notes are about.
    about: String,
    /// The texts of notes and the labels of runs that were reported as recorded.
    acknowledged: BTreeSet<String>,
    /// How many things were begun to be recorded.
    begun: u32,
    /// What was done, for whoever looks at a failure.
    story: Vec<String>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let net = Net { lab: TestLab::without_repository(), protocols: "file" };
        for folder in ["lab", "second", "third", "remote.git"] {
            let status = Command::new("cp")
                .arg("-r")
                .arg("-T")
                .args([BEGINNING.0.folder(folder), net.folder(folder)])
                .status()
                .expect("cp starts");
            assert!(status.success());
        }
        let about = BEGINNING.1.clone();
        let clones = ["lab", "second", "third"].map(str::to_owned).to_vec();
        let acknowledged = ["begin", "second", "third"].map(str::to_owned).into();
        // Neighbouring seeds would begin alike.
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut schedule =
            Self { net, seed, state, clones, about, acknowledged, begun: 0, story: Vec::new() };
        for _ in 0..8 {
            schedule.below(2);
        }
        schedule
    }

    /// The next random number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % limit
    }

    fn clone(&mut self) -> String {
        let place = self.below(self.clones.len() as u64);
        self.clones[usize::try_from(place).expect("there are few clones")].clone()
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    /// What records something new in a clone, and the word by which it is known.
    fn recording(&mut self, clone: &str) -> (Command, String) {
        self.begun += 1;
        let word = format!("entry-{}-in-{clone}", self.begun);
        let hour = usize::try_from(self.begun).expect("few are begun") % CLOCK.len();
        self.net.lab.set_clock(CLOCK[hour]);
        // A bare repository has no place to run in.
        let is_run = self.below(4) == 0 && clone != "mirror";
        let command = match is_run {
            true => self.command(clone, &["run", "--", "echo", &word]),
            false => self.command(clone, &["note", &self.about.clone(), &word]),
        };
        (command, word)
    }

    fn command(&self, clone: &str, words: &[&str]) -> Command {
        let mut command = self.net.lab.exp_command(words);
        command.current_dir(self.net.folder(clone)).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Records something, which must succeed.
    fn record(&mut self, clone: &str) {
        let (mut command, word) = self.recording(clone);
        self.tell(format!("{clone} records {word}"));
        let output = command.stderr(Stdio::piped()).output().expect("git-exp starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{}", self.account());
        self.acknowledged.insert(word);
    }

    /// Starts a process group and kills it with all its children after a while; whether it ended well before.
    fn killed(&mut self, mut command: Command, longest: u64) -> bool {
        let mut child = command.process_group(0).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(self.below(longest)));
        let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process_group(
            group.expect("a process has a number"),
            rustix::process::Signal::KILL,
        );
        let ended = child.wait().expect("it ends").success();
        self.remove_locks();
        ended
    }

    /// Removes the locks that killed processes of Git left, as Git tells its user to.
    fn remove_locks(&self) {
        let mut folders = vec!["remote.git".to_owned()];
        folders.extend(self.clones.iter().cloned());
        for folder in folders {
            let mut command = Command::new("find");
            command.arg(self.net.folder(&folder)).args(["(", "-path", "*/refs/*.lock"]);
            for name in ["packed-refs.lock", "shallow.lock", "config.lock"] {
                command.args(["-o", "-name", name]);
            }
            command.args([")", "-delete"]);
            let _ = command.stderr(Stdio::null()).status();
        }
    }

    fn start(&self, clone: &str, words: &[&str]) -> Child {
        let mut command = self.net.lab.command(["git"]);
        command.args(words).current_dir(self.net.folder(clone));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("git starts")
    }

    /// Does something at random.
    fn step(&mut self) {
        let clone = self.clone();
        match self.below(20) {
            0..=3 => self.record(&clone),
            4 => {
                let mut started: Vec<(Child, String)> = Vec::new();
                for _ in 0..2 {
                    let (mut command, word) = self.recording(&clone);
                    started.push((command.spawn().expect("git-exp starts"), word));
                }
                let mut push = self.command(&clone, &["push"]).spawn().expect("git-exp starts");
                self.tell(format!("{clone} records two at once, and pushes"));
                for (mut child, word) in started {
                    assert!(child.wait().expect("it ends").success(), "{}", self.account());
                    self.acknowledged.insert(word);
                }
                push.wait().expect("it ends");
            }
            5 | 6 => {
                self.tell(format!("{clone} pushes"));
                self.net.exp(&clone, &["push"]);
            }
            7 => {
                self.tell(format!("{clone} pulls"));
                self.net.exp(&clone, &["pull"]);
            }
            8 => {
                let ended = self.killed(self.command(&clone, &["push"]), 90);
                self.tell(format!("{clone} pushes and is killed, {ended}"));
            }
            9 => {
                let ended = self.killed(self.command(&clone, &["pull"]), 60);
                self.tell(format!("{clone} pulls and is killed, {ended}"));
            }
            10 => {
                let (command, word) = self.recording(&clone);
                let ended = self.killed(command, 40);
                self.tell(format!("{clone} records {word} and is killed, {ended}"));
                if ended {
                    self.acknowledged.insert(word);
                }
            }
            11 => {
                let name = if self.below(2) == 0 { "pre-receive" } else { "update" };
                let hook = self.net.folder("remote.git").join("hooks").join(name);
                std::fs::create_dir_all(hook.parent().expect("a folder")).expect("the folder is ours");
                // `update` refuses some refs and lets others through.
                std::fs::write(&hook, "#!/bin/sh\ncase \"$1\" in '' | *[02468ace]) exit 1 ;; esac\n")
                    .expect("the folder is ours");
                std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
                self.tell(format!("the remote refuses by {name} what {clone} pushes"));
                self.net.exp(&clone, &["push"]);
                std::fs::remove_file(&hook).expect("it is ours");
            }
            12 => {
                let (remote, gone) = (self.net.folder("remote.git"), self.net.folder("gone.git"));
                std::fs::rename(&remote, &gone).expect("the folder is ours");
                self.tell(format!("{clone} pushes and pulls while the remote is gone"));
                self.net.exp(&clone, &["push"]);
                self.net.exp(&clone, &["pull"]);
                std::fs::rename(&gone, &remote).expect("the folder is ours");
            }
            13 => {
                let mut gc = self.start(&clone, &["gc", "--quiet", "--prune=now"]);
                self.tell(format!("{clone} is collected while it records and pushes"));
                self.record(&clone);
                self.net.exp(&clone, &["push"]);
                gc.wait().expect("it ends");
            }
            14 => {
                self.tell("the remote is collected".to_owned());
                let mut gc = self.start("remote.git", &["gc", "--quiet", "--prune=now"]);
                self.net.exp(&clone, &["pull"]);
                gc.wait().expect("it ends");
            }
            15 => {
                self.tell(format!("{clone} packs its refs, and fetches with fetch.prune"));
                self.net.git(&clone, &["config", "fetch.prune", "true"]);
                self.net.git(&clone, &["pack-refs", "--all"]);
                let _ = self.start(&clone, &["fetch", "--quiet"]).wait();
            }
            16 => {
                self.tell(format!("{clone} fetches with --depth 1"));
                let _ = self.start(&clone, &["fetch", "--quiet", "--depth", "1"]).wait();
            }
            17 if self.clones.iter().all(|it| it != "mirror") => {
                self.tell("a mirror is cloned".to_owned());
                self.net.git("lab", &["clone", "--quiet", "--mirror", "../remote.git", "../mirror"]);
                self.net.git("mirror", &["remote", "set-url", "origin", "../remote.git"]);
                self.clones.push("mirror".to_owned());
                self.record("mirror");
            }
            17 => {
                self.tell("the mirror follows, pruning".to_owned());
                let _ = self.start("mirror", &["remote", "update", "--prune"]).wait();
            }
            18 if self.clones.iter().all(|it| it != "copy") && clone != "mirror" => {
                self.tell(format!("{clone} is copied"));
                self.net.copy(&clone, "copy");
                self.clones.push("copy".to_owned());
                self.record("copy");
            }
            _ => {
                self.tell("all push at once".to_owned());
                let pushes: Vec<Child> = self
                    .clones
                    .iter()
                    .map(|clone| self.command(clone, &["push"]).spawn().expect("git-exp starts"))
                    .collect();
                for mut push in pushes {
                    push.wait().expect("it ends");
                }
            }
        }
    }

    /// Lets all exchange everything; then all must list the same.
    fn settle(mut self) {
        self.remove_locks();
        for clone in self.clones.clone() {
            let (_, out, said) = self.net.exp(&clone, &["pull"]);
            let (status, out_of_push, said_by_push) = self.net.exp(&clone, &["push"]);
            self.tell(format!("{clone} settles, {status}: {out}{said}{out_of_push}{said_by_push}"));
            assert_eq!(status, 0, "{}", self.account());
        }
        let mut listed: Vec<(String, BTreeSet<String>)> = Vec::new();
        for clone in self.clones.clone() {
            let (status, _, said) = self.net.exp(&clone, &["pull"]);
            self.tell(format!("{clone} pulls a last time, {status}: {said}"));
            let entries = self.net.json(&clone, &["log"]);
            // A note is the word alone, a run ends with it.
            let word_of = |entry: &serde_json::Value| {
                entry["subject"].as_str().and_then(|text| text.rsplit(' ').next()).map(str::to_owned)
            };
            let words: BTreeSet<String> = entries.iter().filter_map(word_of).collect();
            let missing: Vec<&String> =
                self.acknowledged.iter().filter(|word| !words.contains(*word)).collect();
            assert!(missing.is_empty(), "{clone} lost {missing:?}\n{}", self.account());
            assert!(entries.iter().all(|it| it["kind"] != "unreadable"), "{clone}\n{}", self.account());
            let ids = entries.iter().map(|it| it["entry"].as_str().expect("it has an ID").to_owned());
            listed.push((clone, ids.collect()));
        }
        for (clone, ids) in &listed {
            assert_eq!(*ids, listed[0].1, "{clone} and {}\n{}", listed[0].0, self.account());
        }
    }

    /// What happened so far.
    fn account(&self) -> String {
        format!("GIT_EXP_SEED={}\n{}", self.seed, self.story.join("\n"))
    }
}

/// Runs every schedule of this share.
fn share(number: u64) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Vec<u64> = match asked("GIT_EXP_SEED") {
        Some(seed) => Some(seed).filter(|seed| seed % SHARES == number).into_iter().collect(),
        None => (1..=asked("GIT_EXP_SCHEDULES").unwrap_or(SCHEDULES)).collect(),
    };
    for seed in seeds.into_iter().filter(|seed| seed % SHARES == number) {
        let mut schedule = Schedule::new(seed);
        for _ in 0..6 + schedule.below(5) {
            schedule.step();
        }
        schedule.settle();
    }
}

#[test]
fn in_whatever_order_and_whatever_fails_nothing_is_lost_1() {
    share(0);
}

#[test]
fn in_whatever_order_and_whatever_fails_nothing_is_lost_2() {
    share(1);
}

#[test]
fn in_whatever_order_and_whatever_fails_nothing_is_lost_3() {
    share(2);
}

#[test]
fn in_whatever_order_and_whatever_fails_nothing_is_lost_4() {
    share(3);
}
