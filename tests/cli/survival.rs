//! What is recorded stays recorded: many processes at once, kills at any moment, full disks, and Git cleaning up meanwhile.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::TestLab;

/// The IDs that git exp reported as recorded on standard error.
fn recorded(stderr: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(stderr)
        .lines()
        .filter_map(|line| line.strip_prefix("recorded "))
        .filter_map(|line| line.split(' ').next())
        .map(ToOwned::to_owned)
        .collect()
}

fn listed(lab: &TestLab) -> BTreeSet<String> {
    let runs = lab.exp_json(["runs"]);
    runs.iter().map(|run| run["run"].as_str().expect("a run has an ID")[..8].to_owned()).collect()
}

/// How many runs the notes on the lab's commits count.
fn noted(lab: &TestLab) -> u64 {
    let mut total = 0;
    for line in lab.git(["notes", "--ref=exp", "list"]).lines() {
        let commit = line.split(' ').nth(1).expect("a note is on a commit").to_owned();
        let text = lab.git(["notes", "--ref=exp", "show", &commit]);
        total += git_exp::log::notes::Note::parse(&text).expect("a note of ours").runs();
    }
    total
}

#[track_caller]
fn assert_sound(lab: &TestLab) {
    // Git's own maintenance may have been started; what it packs is found missing by a check that began before.
    wait_for("Git's maintenance to end", || {
        ["gc.pid", "gc.pid.lock", "objects/maintenance.lock"]
            .iter()
            .all(|lock| !lab.path().join(".git").join(lock).exists())
    });
    let complaints = lab.git(["fsck", "--strict", "--no-dangling", "--no-progress"]);
    assert_eq!(complaints, "");
    let report = lab.exp_json(["fsck"]);
    assert_eq!(report[0]["ok"], true, "{report:#?}");
}

/// Records 16 times 50 runs at once, half of them in linked worktrees; gives what was reported as recorded.
fn record_at_once(lab: &TestLab) -> BTreeSet<String> {
    for number in 0..4 {
        lab.git(["worktree", "add", "--quiet", "--detach", &format!("../tree-{number}")]);
    }
    let reported: Vec<Vec<String>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..16)
            .map(|worker| {
                scope.spawn(move || {
                    let mut reported = Vec::new();
                    for _ in 0..50 {
                        let mut command = lab.exp_command(["run", "--", "true"]);
                        if worker % 2 == 1 {
                            command.current_dir(lab.path().join(format!("../tree-{}", worker / 2 % 4)));
                        }
                        let output = command.output().expect("git-exp can be started");
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        assert!(output.status.success(), "{said}");
                        reported.extend(recorded(&output.stderr));
                    }
                    reported
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker that ends")).collect()
    });
    reported.into_iter().flatten().collect()
}

#[test]
fn sixteen_processes_lose_no_run() {
    let lab = TestLab::with_commit();
    let reported = record_at_once(&lab);
    assert_eq!(reported.len(), 800);
    assert_eq!(listed(&lab), reported);
    assert_eq!(noted(&lab), 800);
    assert_sound(&lab);
}

#[test]
fn sixteen_processes_lose_no_run_while_git_prunes_all_the_while() {
    let lab = TestLab::with_commit();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reported = thread::scope(|scope| {
        let lab = &lab;
        let pruner = scope.spawn(move || {
            let mut rounds = 0;
            // Until the other end is dropped, by the end of the test or by its failure.
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                // It may find objects missing that were pruned a moment before; the journal has them.
                let _ = lab.command(["git", "gc", "--quiet", "--prune=now"]).output();
                rounds += 1;
            }
            rounds
        });
        let reported = {
            let _stop = stop;
            record_at_once(lab)
        };
        assert!(pruner.join().expect("the pruner ends") > 0);
        reported
    });
    assert_eq!(reported.len(), 800);
    assert_eq!(listed(&lab), reported);
    lab.exp_ok(["fsck", "--repair"]);
    // What a prune took at the very end is back by now.
    let logs = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/log"]);
    assert_eq!(logs.lines().count(), 1, "one writer: {logs}");
    let chain = lab.git(["rev-list", "--first-parent", "--count", logs.trim()]);
    assert_eq!(chain.trim(), "801", "the root and every entry are in the chain");
    assert_eq!(noted(&lab), 800);
    assert_sound(&lab);
}

/// A small generator, so that the moments differ from round to round and are the same in every test run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_reported() {
    let lab = TestLab::with_commit();
    // How long a whole run takes here, so that kills fall all over it.
    let began = Instant::now();
    lab.exp_ok(["run", "--", "true"]);
    let span = u64::try_from(began.elapsed().as_micros()).expect("short").max(2_000) * 3 / 2;
    let mut reported = listed(&lab);
    let mut moments = Moments(7);
    let mut killed = 0;
    for _ in 0..200 {
        let mut command = lab.exp_command(["run", "--", "sh", "-c", "echo METRIC loss=1"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("git-exp starts");
        thread::sleep(Duration::from_micros(moments.next(span)));
        killed += u64::from(child.kill().is_ok());
        let output = child.wait_with_output().expect("git-exp ends");
        reported.extend(recorded(&output.stderr));
    }
    assert!(killed > 0);
    // The next command records what died.
    lab.exp_ok(["run", "--", "true"]);
    let known = listed(&lab);
    let lost: Vec<_> = reported.difference(&known).collect();
    assert!(lost.is_empty(), "reported as recorded and lost: {lost:?}");
    lab.exp_ok(["fsck", "--repair"]);
    assert_sound(&lab);
    assert_eq!(lab.git(["for-each-ref", "refs/exp/running"]), "");
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited too long for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_hard(child: &mut Child) {
    child.kill().expect("it was running");
    child.wait().expect("it ends");
}

#[test]
fn a_run_whose_recorder_died_is_recorded_as_crashed_with_what_it_had_written() {
    let lab = TestLab::with_commit();
    lab.script("work.sh", "echo METRIC loss=0.5 step=1; echo seen; touch started; exec sleep 3");
    lab.commit_all("work");
    let mut child = lab
        .exp_command(["run", "--label", "doomed", "--", "./work.sh"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("git-exp starts");
    wait_for("the command to start", || lab.path().join("started").exists());
    wait_for("its output to be kept", || {
        lab.exp_json(["status"]).iter().any(|status| status.to_string().contains("work.sh"))
    });
    thread::sleep(Duration::from_millis(300));
    kill_hard(&mut child);
    let said = lab.exp(["run", "--", "true"]);
    assert!(said.contains("recorded as crashed"), "{said}");
    let run = &lab.exp_json(["runs", "--filter", "label = doomed"])[0];
    assert_eq!(run["status"], "crashed");
    assert_eq!(run["metrics"]["loss"]["value"], 0.5);
    let id = run["run"].as_str().expect("a run has an ID");
    assert!(lab.exp_ok(["show", id, "--stdout"]).contains("seen"));
}

#[test]
fn an_interrupted_run_is_recorded_as_killed() {
    let lab = TestLab::with_commit();
    let child = lab
        .exp_command(["run", "-n", "3", "--", "sh", "-c", "touch started; sleep 30"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git-exp starts");
    wait_for("the command to start", || lab.path().join("started").exists());
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill starts").success());
    let output = child.wait_with_output().expect("git-exp ends");
    assert_eq!(output.status.code(), Some(130));
    let runs = lab.exp_json(["runs"]);
    assert_eq!(runs.len(), 1, "no further trial begins after Ctrl-C");
    assert_eq!(runs[0]["status"], "killed");
}

#[test]
fn what_was_begun_deaf_to_ctrl_c_stays_so() {
    let lab = TestLab::with_commit();
    let script = r#"trap '' INT; "$0" run -- sh -c 'touch started; until test -e go; do sleep 0.02; done' & echo $! >pid; wait $!"#;
    let mut child = lab
        .command(["sh", "-c", script, env!("CARGO_BIN_EXE_git-exp")])
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    wait_for("the command to start", || lab.path().join("started").exists());
    let id = std::fs::read_to_string(lab.path().join("pid")).expect("the shell wrote it");
    assert!(Command::new("kill").args(["-INT", id.trim()]).status().expect("kill starts").success());
    lab.write("go", "");
    assert!(child.wait().expect("sh ends").success());
    assert_eq!(lab.exp_json(["runs"])[0]["status"], "ok");
}

/// Runs `script` in a mount namespace of its own, where `$ROOM` is a file system of `size`; `None` where that is not allowed.
fn with_small_disk(lab: &TestLab, size: &str, script: &str) -> Option<std::process::Output> {
    let room = lab.path().join("../room");
    std::fs::create_dir_all(&room).expect("a folder");
    let allowed = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c"])
        .arg(format!("mount -t tmpfs -o size={size} tmpfs '{}'", room.display()))
        .stderr(Stdio::null())
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this machine does not let tests mount a file system of their own");
        return None;
    }
    let mut command = lab.command(["unshare", "--mount", "--map-root-user", "sh", "-ec"]);
    command.arg(format!("mount -t tmpfs -o size={size} tmpfs \"$ROOM\"; cd \"$ROOM\"; {script}"));
    Some(command.env("ROOM", &room).output().expect("unshare starts"))
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let lab = TestLab::with_commit();
    let script = r#"git init -q r; cd r; git commit -q --allow-empty -m first; git exp run -- true 2>/dev/null
        cat /dev/zero > ../fill 2>/dev/null || true
        status=0; said=$(git exp run -- true 2>&1) || status=$?; echo status $status
        rm ../fill; echo "$said"; git exp fsck; git exp runs --json | wc -l; git fsck --strict --no-dangling"#;
    let Some(output) = with_small_disk(&lab, "4m", script) else { return };
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("status 125"), "{text}");
    assert!(text.contains("No space left") || text.contains("disk is full"), "{text}");
    assert!(text.contains("all is well"), "{text}");
}

#[test]
fn a_read_only_repository_is_read_and_nothing_else() {
    let lab = TestLab::with_commit();
    let script = "git init -q r; cd r; git commit -q --allow-empty -m first; git exp run -- true 2>/dev/null
        mount -o remount,ro \"$ROOM\"; cd \"$ROOM/r\"
        git exp runs --json | wc -l
        status=0; git exp note 20261121-scratch hello || status=$?; echo status $status";
    let Some(output) = with_small_disk(&lab, "8m", script) else { return };
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("status 3"), "{text}");
    assert!(text.contains("Read-only") || text.contains("read-only"), "{text}");
    assert!(text.starts_with('1'), "{text}");
}

#[test]
fn views_can_be_deleted_and_come_back_as_they_were() {
    let lab = TestLab::with_commit();
    for number in 0..60 {
        lab.exp_ok(["run", "--param", &format!("lr={number}"), "--", "sh", "-c", "echo METRIC loss=2"]);
    }
    let before = (lab.exp_ok(["--json", "runs"]), lab.git(["notes", "--ref=exp", "show", "HEAD"]));
    assert!(before.1.contains("and 10 earlier: 10 ok"), "{}", before.1);
    std::fs::remove_dir_all(lab.path().join(".git/exp/index")).expect("the index is there");
    lab.git(["update-ref", "-d", "refs/notes/exp"]);
    let damaged = lab.exp_output(["fsck"]);
    assert_eq!(damaged.status.code(), Some(1));
    lab.exp_ok(["fsck", "--repair"]);
    let after = (lab.exp_ok(["--json", "runs"]), lab.git(["notes", "--ref=exp", "show", "HEAD"]));
    assert_eq!(after, before);
}

#[test]
fn code_survives_the_branch_that_it_was_on() {
    let lab = TestLab::with_commit();
    lab.git(["checkout", "--quiet", "-b", "exp/fleeting"]);
    let mut codes = Vec::new();
    for number in 0..4 {
        lab.write("model.py", format!("depth = {number}\n"));
        // Every other run is of a dirty tree, so of a snapshot.
        let of_run = if number % 2 == 0 { lab.commit_all("deepen") } else { String::new() };
        lab.exp_ok(["run", "--label", &format!("run {number}"), "--", "cat", "model.py"]);
        let run = &lab.exp_json(["runs", "--filter", &format!("label = 'run {number}'")])[0];
        let commit = run["commit"].as_str().expect("a commit").to_owned();
        assert!(of_run.is_empty() || of_run == commit);
        codes.push((commit, format!("depth = {number}\n")));
    }
    lab.git(["checkout", "--quiet", "--force", "main"]);
    // Rewritten, deleted, and all that Git remembers of it thrown away.
    lab.git(["branch", "--force", "exp/fleeting", "main"]);
    lab.git(["branch", "-D", "exp/fleeting"]);
    lab.git(["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
    std::fs::remove_dir_all(lab.path().join(".git/exp/journal")).expect("entries have a journal");
    lab.git(["gc", "--quiet", "--prune=now"]);
    for (commit, text) in codes {
        assert_eq!(lab.git(["show", &format!("{commit}:model.py")]), text);
    }
    assert_sound(&lab);
}
