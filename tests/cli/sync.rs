//! Several clones and a remote: what one recorded, all know, and nothing is lost on the way.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::lab::TestLab;

/// A laboratory whose repository has a bare remote, `origin`, and clones of it beside.
struct Net {
    lab: TestLab,
}

impl Net {
    fn new() -> Self {
        let lab = TestLab::with_commit();
        lab.git(["clone", "--quiet", "--bare", ".", "../remote.git"]);
        let net = Self { lab };
        let url = net.url();
        net.git("lab", &["remote", "add", "origin", &url]);
        net.git("lab", &["fetch", "--quiet", "origin"]);
        net
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder("remote.git").display())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.lab.path().parent().expect("it was made in a folder").join(name)
    }

    /// Makes another clone.
    fn clone(&self, name: &str) {
        let url = self.url();
        self.git("lab", &["clone", "--quiet", &url, &format!("../{name}")]);
    }

    /// Copies a clone with all that is in it.
    fn copy(&self, from: &str, to: &str) {
        let mut command = self.lab.command(["cp", "-r", ".", &format!("../{to}")]);
        command.current_dir(self.folder(from));
        assert!(command.output().expect("cp starts").status.success());
    }

    fn output(&self, clone: &str, mut command: Command) -> Output {
        command.current_dir(self.folder(clone)).output().expect("it can be started")
    }

    #[track_caller]
    fn git(&self, clone: &str, words: &[&str]) -> String {
        let mut command = self.lab.command(["git"]);
        command.args(words);
        let output = self.output(clone, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?} in {clone}:\n{said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What git exp answers: its exit status, standard output and standard error.
    fn exp(&self, clone: &str, words: &[&str]) -> (i32, String, String) {
        let output = self.output(clone, self.lab.exp_command(words));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().expect("it exits"), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn exp_ok(&self, clone: &str, words: &[&str]) -> String {
        let (status, out, said) = self.exp(clone, words);
        assert_eq!(status, 0, "git exp {words:?} in {clone}:\n{out}{said}");
        out
    }

    /// Records a run with this label.
    #[track_caller]
    fn record(&self, clone: &str, label: &str) {
        self.exp_ok(clone, &["run", "--label", label, "--", "echo", label]);
    }

    /// The labels of all runs that a clone knows, sorted.
    #[track_caller]
    fn labels(&self, clone: &str) -> Vec<String> {
        let mut labels: Vec<String> =
            self.json(clone, &["runs"]).iter().map(|run| run["label"].as_str().unwrap().to_owned()).collect();
        labels.sort();
        labels
    }

    #[track_caller]
    fn json(&self, clone: &str, words: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = ["--json"].into_iter().chain(words.iter().copied()).collect();
        let (_, out, said) = self.exp(clone, &words);
        let objects = serde_json::Deserializer::from_str(&out).into_iter();
        objects.map(|it| it.unwrap_or_else(|error| panic!("{error}: {out}{said}"))).collect()
    }

    fn writer(&self, clone: &str) -> String {
        self.git(clone, &["config", "exp.writer"])
    }

    /// Puts a commit with these files on a log of the remote, on top of `parent`; gives the commit.
    fn forge(&self, name: &str, parent: Option<&str>, file: &str, content: &[u8], message: &str) -> String {
        let path = self.folder("forged");
        std::fs::write(&path, content).expect("the folder is ours");
        let blob = self.git("remote.git", &["hash-object", "-w", &path.to_string_lossy()]);
        let mut command = self.lab.command(["git", "mktree"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.current_dir(self.folder("remote.git")).spawn().expect("git starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut pipe, format!("100644 blob {blob}\t{file}\n").as_bytes())
            .expect("written");
        drop(pipe);
        let tree = child.wait_with_output().expect("it ends").stdout;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let mut words = vec!["commit-tree", &tree, "-m", message];
        if let Some(parent) = parent {
            words.extend(["-p", parent]);
        }
        let commit = self.git("remote.git", &words);
        self.git("remote.git", &["update-ref", &format!("refs/exp/log/{name}"), &commit]);
        commit
    }
}

#[test]
fn what_one_clone_pushed_the_others_list_after_a_pull() {
    let net = Net::new();
    net.clone("second");
    net.clone("third");
    net.record("lab", "one");
    net.record("second", "two");
    for clone in ["lab", "second"] {
        let pushed = net.exp_ok(clone, &["push"]);
        assert!(pushed.contains(&format!("refs/exp/log/{}: 1 entry", net.writer(clone))), "{pushed}");
        assert!(net.exp_ok(clone, &["push"]).contains("has everything"));
    }
    for clone in ["lab", "second", "third"] {
        net.exp_ok(clone, &["pull"]);
        assert_eq!(net.labels(clone), ["one", "two"], "{clone}");
        net.exp_ok(clone, &["fsck"]);
        assert!(net.exp_ok(clone, &["pull"]).contains("nothing new"));
    }
    let refs = net.git("remote.git", &["for-each-ref", "--format=%(refname)"]);
    assert!(!refs.contains("refs/exp/data") && !refs.contains("refs/exp/code"), "only the logs:\n{refs}");
}

#[test]
fn after_init_a_plain_fetch_is_enough() {
    let net = Net::new();
    net.clone("second");
    assert!(net.exp_ok("second", &["init"]).contains("plain `git fetch origin` brings the logs"));
    assert!(!net.exp_ok("second", &["init"]).contains("brings the logs"));
    net.record("lab", "one");
    net.exp_ok("lab", &["push"]);
    net.git("second", &["fetch", "--quiet"]);
    assert_eq!(net.labels("second"), ["one"]);
    net.exp_ok("second", &["fsck"]);
}

#[test]
fn a_log_that_was_rewound_forged_or_deleted_is_told_and_kept() {
    let net = Net::new();
    net.clone("second");
    net.record("lab", "one");
    net.record("lab", "two");
    net.exp_ok("lab", &["push"]);
    net.exp_ok("second", &["pull"]);
    let log = format!("refs/exp/log/{}", net.writer("lab"));
    let tip = net.git("remote.git", &["rev-parse", &log]);

    let told = |what: &str| {
        for _ in 0..2 {
            let (status, _, said) = net.exp("second", &["pull"]);
            assert_eq!(status, 1, "{said}");
            assert!(said.contains(what), "{said}");
            assert_eq!(net.labels("second"), ["one", "two"]);
        }
    };
    net.git("remote.git", &["update-ref", &log, &format!("{tip}~1")]);
    told("it was shortened");
    net.forge(&net.writer("lab"), Some(&format!("{tip}~1")), "entry.json", b"{}", "forged");
    told("rewound or forged");
    net.git("remote.git", &["update-ref", "-d", &log]);
    told("gone from the remote");
    net.git("remote.git", &["update-ref", &log, &tip]);
    net.exp_ok("second", &["pull"]);
    assert_eq!(net.labels("second"), ["one", "two"]);
}

#[test]
fn a_clone_that_was_copied_goes_on_under_a_new_name_and_loses_nothing() {
    let net = Net::new();
    net.record("lab", "common");
    net.exp_ok("lab", &["push"]);
    net.copy("lab", "copy");
    net.record("lab", "original");
    net.record("copy", "copied");
    net.exp_ok("lab", &["push"]);

    let (status, out, said) = net.exp("copy", &["push"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains("refused") && said.contains("git exp pull"), "{out}{said}");
    let before = net.json("copy", &["runs"]);
    let (status, _, said) = net.exp("copy", &["pull"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("goes on as"), "{said}");
    assert_ne!(net.writer("copy"), net.writer("lab"));
    assert_eq!(net.labels("copy"), ["common", "copied", "original"]);
    let ids = |runs: &[Value]| -> Vec<String> {
        runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    let after = ids(&net.json("copy", &["runs"]));
    assert!(ids(&before).iter().all(|id| after.contains(id)), "IDs stay");

    net.record("copy", "later");
    net.exp_ok("copy", &["push"]);
    net.exp_ok("lab", &["pull"]);
    for clone in ["lab", "copy"] {
        assert_eq!(net.labels(clone), ["common", "copied", "later", "original"], "{clone}");
        net.exp_ok(clone, &["fsck"]);
    }
}

#[test]
fn files_of_a_log_that_was_refused_stay_here_so_that_a_copy_can_push_its_own() {
    let net = Net::new();
    net.record("lab", "common");
    net.exp_ok("lab", &["push"]);
    net.copy("lab", "copy");
    net.record("lab", "original");
    net.record("copy", "copied");
    net.exp_ok("copy", &["push"]);
    let (status, out, said) = net.exp("lab", &["push", "--data", "--yes"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains("its log was refused"), "{out}");
    assert_eq!(net.git("remote.git", &["for-each-ref", "refs/exp/data", "refs/exp/code"]), "");
    net.exp_ok("copy", &["push", "--data", "--yes"]);
    net.exp_ok("lab", &["pull"]);
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.exp_ok("copy", &["pull", "--data"]);
    assert_eq!(net.labels("copy"), ["common", "copied", "original"]);
}

#[test]
fn a_clone_that_was_brought_back_from_a_backup_goes_on_under_a_new_name() {
    let net = Net::new();
    net.record("lab", "old");
    net.exp_ok("lab", &["push"]);
    net.copy("lab", "backup");
    net.record("lab", "new");
    net.exp_ok("lab", &["push"]);
    net.exp_ok("backup", &["pull"]);
    assert_eq!(net.labels("backup"), ["new", "old"]);
    net.record("backup", "after");
    net.exp_ok("backup", &["push"]);
    net.exp_ok("lab", &["pull"]);
    assert_eq!(net.labels("lab"), ["after", "new", "old"]);
    net.exp_ok("backup", &["fsck"]);
}

#[test]
fn a_copy_that_only_fetched_goes_on_under_a_new_name_with_its_next_command() {
    let net = Net::new();
    net.exp_ok("lab", &["init"]);
    net.record("lab", "common");
    net.copy("lab", "copy");
    net.record("lab", "original");
    net.exp_ok("lab", &["push"]);
    net.git("copy", &["fetch", "--quiet"]);
    net.record("copy", "copied");
    assert_ne!(net.writer("copy"), net.writer("lab"));
    assert_eq!(net.labels("copy"), ["common", "copied", "original"]);
    net.exp_ok("copy", &["push"]);
    net.exp_ok("copy", &["fsck"]);
}

#[test]
fn a_run_under_way_is_recorded_under_the_name_that_a_pull_gave_meanwhile() {
    let net = Net::new();
    net.record("lab", "common");
    net.copy("lab", "copy");
    net.record("lab", "original");
    net.exp_ok("lab", &["push"]);
    let script = "touch started; while ! test -e go; do sleep 0.05; done";
    let mut command = net.lab.exp_command(["run", "--label", "long", "--", "sh", "-c", script]);
    command.current_dir(net.folder("copy")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("git-exp starts");
    let began = std::time::Instant::now();
    while !net.folder("copy").join("started").exists() {
        assert!(began.elapsed().as_secs() < 60, "it never started");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    net.exp_ok("copy", &["pull"]);
    std::fs::write(net.folder("copy").join("go"), "").expect("the folder is ours");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(net.labels("copy"), ["common", "long", "original"]);
    net.exp_ok("copy", &["push"]);
}

#[test]
fn a_fetch_that_cut_history_off_is_mended_by_the_next_pull() {
    let net = Net::new();
    net.lab.commit_all("second");
    net.lab.commit_all("third");
    net.git("lab", &["push", "--quiet", "origin", "main"]);
    net.clone("second");
    for clone in ["lab", "second"] {
        net.exp_ok(clone, &["init"]);
        net.record(clone, &format!("{clone} 1"));
        net.record(clone, &format!("{clone} 2"));
        net.exp_ok(clone, &["push"]);
    }
    net.exp_ok("lab", &["pull"]);
    net.record("second", "second 3");
    net.exp_ok("second", &["push"]);
    let writer = net.writer("lab");
    net.git("lab", &["fetch", "--quiet", "--depth", "1"]);
    let history = net.git("lab", &["rev-list", "--count", "origin/main"]);
    let (_, _, said) = net.exp("lab", &["runs"]);
    assert!(said.contains("only a part of it was fetched"), "{said}");
    net.exp_ok("lab", &["pull"]);
    assert_eq!(net.labels("lab"), ["lab 1", "lab 2", "second 1", "second 2", "second 3"]);
    assert_eq!(net.writer("lab"), writer);
    assert_eq!(net.git("lab", &["rev-list", "--count", "origin/main"]), history, "only logs are deepened");
    net.exp_ok("lab", &["fsck"]);
}

/// The next of a row of numbers that is the same every time, below `limit`.
fn next(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % limit
}

#[test]
fn in_whatever_order_clones_record_push_and_pull_all_know_the_same_in_the_end() {
    for seed in [1_u64, 77, 4242] {
        let net = Net::new();
        net.record("lab", "begin");
        net.exp_ok("lab", &["push"]);
        net.clone("second");
        net.copy("lab", "copy");
        let clones = ["lab", "second", "copy"];
        let mut expected = vec!["begin".to_owned()];
        let mut state = seed;
        for step in 0..18 {
            let clone = clones[usize::try_from(next(&mut state, 3)).expect("below three")];
            match next(&mut state, 6) {
                0..=2 => {
                    let label = format!("step-{step:02}");
                    net.record(clone, &label);
                    expected.push(label);
                }
                // Refused where another clone pushed under the same name.
                3 => drop(net.exp(clone, &["push"])),
                4 => drop(net.exp(clone, &["pull"])),
                _ => drop(net.git(clone, &["gc", "--quiet", "--prune=now"])),
            }
        }
        for _ in 0..2 {
            for clone in clones {
                net.exp_ok(clone, &["pull"]);
                net.exp_ok(clone, &["push"]);
            }
        }
        expected.sort();
        for clone in clones {
            net.exp_ok(clone, &["pull"]);
            assert_eq!(net.labels(clone), expected, "{clone}, seed {seed}");
            net.exp_ok(clone, &["fsck"]);
        }
    }
}

#[test]
fn files_and_code_are_published_only_when_that_was_asked_for() {
    let net = Net::new();
    net.clone("second");
    net.lab.write("work.py", "x = 1\n");
    net.record("lab", "one");
    let (status, _, said) = net.exp("lab", &["push", "--data"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("lacks 3 commits") && said.contains("Ada Lovelace <ada@example.org>"), "{said}");
    assert!(said.contains("exp.publish"), "{said}");
    let (status, _, _) = net.exp("lab", &["push", "--data", "--dry-run"]);
    assert_eq!(status, 0);
    assert_eq!(net.git("remote.git", &["for-each-ref", "refs/exp"]), "", "nothing went");

    net.exp_ok("lab", &["push", "--data", "--yes"]);
    assert!(net.exp_ok("lab", &["push", "--data"]).contains("has everything"));
    net.exp_ok("second", &["pull"]);
    let run = net.json("second", &["runs"])[0].clone();
    let commit = run["commit"].as_str().unwrap();
    let show = ["show", run["run"].as_str().unwrap(), "--file", "stdout"];
    assert_ne!(net.exp("second", &show).0, 0, "the files are not here yet");
    net.exp_ok("second", &["pull", "--data"]);
    assert_eq!(net.exp_ok("second", &show), "one\n");
    net.git("second", &["gc", "--quiet", "--prune=now"]);
    assert_eq!(net.git("second", &["show", &format!("{commit}:work.py")]), "x = 1");
    net.exp_ok("second", &["fsck"]);

    net.git("lab", &["config", "exp.publish", "true"]);
    net.record("lab", "two");
    net.exp_ok("lab", &["push", "--data"]);
}

#[test]
fn seals_and_topics_go_when_they_are_named_and_a_moved_seal_is_told() {
    let net = Net::new();
    net.clone("second");
    net.record("lab", "one");
    net.lab.commit_all("sealed code");
    net.git("lab", &["tag", "-a", "sealed/A-001", "-m", "a seal"]);
    net.git("lab", &["branch", "research/speed"]);
    net.exp_ok("lab", &["push"]);
    let refs = || net.git("remote.git", &["for-each-ref", "--format=%(refname)"]);
    assert!(!refs().contains("sealed") && !refs().contains("research"), "{}", refs());
    assert_eq!(net.exp("lab", &["push", "--seals"]).0, 2);
    net.exp_ok("lab", &["push", "--seals", "--yes"]);
    assert!(refs().contains("refs/tags/sealed/A-001") && !refs().contains("research"), "{}", refs());
    net.exp_ok("lab", &["push", "--topics", "--yes"]);
    assert!(refs().contains("refs/heads/research/speed"), "{}", refs());

    assert!(net.exp_ok("second", &["pull"]).contains("sealed/A-001"));
    let seal = net.git("second", &["rev-parse", "sealed/A-001"]);
    net.git("remote.git", &["update-ref", "refs/tags/sealed/A-001", "main"]);
    let (status, _, said) = net.exp("second", &["pull"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("the seal is another one"), "{said}");
    assert_eq!(net.git("second", &["rev-parse", "sealed/A-001"]), seal);
}

#[test]
fn a_remote_that_refuses_is_told_and_the_next_push_brings_it_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let net = Net::new();
    net.record("lab", "one");
    let hook = net.folder("remote.git").join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().expect("a folder")).expect("the folder is ours");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("the folder is ours");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let (status, out, said) = net.exp("lab", &["push"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains("refused") && out.contains("pre-receive hook declined"), "{out}{said}");
    assert!(!said.contains("git exp pull"), "a pull would not help: {said}");
    std::fs::remove_file(&hook).expect("the file is ours");
    assert!(net.exp_ok("lab", &["push"]).contains("1 entry"));
}

#[test]
fn pushes_at_once_from_one_repository_wait_for_each_other() {
    let net = Net::new();
    net.record("lab", "one");
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = net.lab.exp_command(["push"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("git-exp starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    net.git("lab", &["pack-refs", "--all"]);
    net.record("lab", "two");
    assert!(net.exp_ok("lab", &["push"]).contains("1 entry"));
}

#[test]
fn hostile_logs_are_shown_as_unreadable_and_break_nothing() {
    let net = Net::new();
    net.record("lab", "good");
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    let log = format!("refs/exp/log/{}", net.writer("lab"));
    let good = net.git("remote.git", &["cat-file", "blob", &format!("{log}:entry.json")]);
    let forge = |name: &str, content: &[u8]| net.forge(name, None, "entry.json", content, "forged");

    forge("00000000a1", b"{ this is no JSON");
    forge("00000000a2", "\u{1b}]0;owned\u{7}\u{1b}[2J".as_bytes());
    forge("00000000a3", &b"{".repeat(200_000));
    forge(
        "00000000a4",
        good.replace("\"schema\":\"git-exp/entry/1\"", "\"schema\":\"git-exp/entry/99\"").as_bytes(),
    );
    forge("00000000a5", good.replace("\"kind\":\"run\"", "\"kind\":\"spell\"").as_bytes());
    // No entry can name itself, so a circle is beyond reach; what it replaces need not exist.
    let dangling = good.replace("\"replaces\":[]", &format!("\"replaces\":[\"{}\"]", "ab".repeat(32)));
    forge("00000000a6", dangling.as_bytes());
    net.forge("00000000a7", None, "other.txt", b"no entry", &"long subject ".repeat(5_000));
    let parent = net.git("remote.git", &["rev-parse", "main"]);
    net.forge("00000000a8", Some(&parent), "entry.json", b"on top of code", "forged");
    net.git(
        "remote.git",
        &["update-ref", "refs/exp/log/00000000a9", &net.git("remote.git", &["rev-parse", "main^{tree}"])],
    );
    net.git("remote.git", &["update-ref", "refs/exp/log/not-a-writer", &parent]);

    let (status, out, said) = net.exp("second", &["pull"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(said.contains("not-a-writer") && said.contains("00000000a9"), "{said}");
    let runs = net.json("second", &["runs"]);
    assert!(runs.iter().any(|run| run["label"] == "good"), "{runs:?}");
    for words in [&["log"][..], &["runs"], &["list"], &["status"], &["show", "20261121-scratch"], &["fsck"]] {
        let (status, out, said) = net.exp("second", words);
        assert!((0..=4).contains(&status), "{words:?}: {out}{said}");
        assert!(!out.contains('\u{1b}') && !said.contains('\u{1b}'), "{words:?} prints escapes");
        assert!(!said.contains("panicked"), "{words:?}: {said}");
    }
    net.record("second", "still works");
}

#[test]
fn a_thousand_tiny_logs_are_taken_in_like_one() {
    let net = Net::new();
    net.record("lab", "good");
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    let tiny = net.forge("00000000b1", None, "entry.json", b"{}", "tiny");
    let row = |number: u32| format!("create refs/exp/log/{number:012x} {tiny}\n");
    let rows: String = (0x1000_0000..0x1000_03e8).map(row).collect();
    std::fs::write(net.folder("rows"), rows).expect("the folder is ours");
    let rows = std::fs::File::open(net.folder("rows")).expect("just written");
    let mut command = net.lab.command(["git", "update-ref", "--stdin"]);
    command.stdin(rows).current_dir(net.folder("remote.git"));
    assert!(command.status().expect("git starts").success());
    assert_eq!(net.json("second", &["pull"])[0]["came"].as_array().expect("a list").len(), 1002);
    assert_eq!(net.json("second", &["pull"])[0]["came"].as_array().expect("a list").len(), 0);
    assert_eq!(net.labels("second"), ["good"]);
}

#[test]
fn a_remote_that_is_not_there_is_told_apart_from_one_that_is_not_configured() {
    let net = Net::new();
    net.record("lab", "one");
    let (status, _, said) = net.exp("lab", &["pull", "upstream"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("the remotes are origin"), "{said}");
    std::fs::rename(net.folder("remote.git"), net.folder("elsewhere.git")).expect("the folder is ours");
    for command in ["pull", "push"] {
        let (status, _, said) = net.exp("lab", &[command]);
        assert_eq!(status, 3, "{said}");
    }
    std::fs::rename(net.folder("elsewhere.git"), net.folder("remote.git")).expect("the folder is ours");
    net.git("lab", &["config", "remote.logs.url", &net.url()]);
    net.git("lab", &["config", "exp.remote", "logs"]);
    assert_eq!(net.json("lab", &["push"])[0]["remote"], "logs");
}
