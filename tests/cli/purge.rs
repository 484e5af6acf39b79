//! Purging: what was taken back is in no object that a ref of ours reaches, here or elsewhere, and nothing else is lost.

use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;

/// What must not be found any more.
const SECRET: &str = "wormwood-and-gall-4711";

/// Clones in which a secret is looked for.
struct Net(crate::net::Net);

impl Deref for Net {
    type Target = crate::net::Net;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Net {
    fn new() -> Self {
        Self(crate::net::Net::new())
    }

    /// What git exp answers: its exit status, and all that it wrote.
    fn exp(&self, clone: &str, words: &[&str]) -> (i32, String) {
        let (status, out, said) = self.0.exp(clone, words);
        (status, out + &said)
    }

    #[track_caller]
    fn exp_ok(&self, clone: &str, words: &[&str]) -> String {
        let (status, text) = self.exp(clone, words);
        assert_eq!(status, 0, "git exp {words:?} in {clone}:\n{text}");
        text
    }

    /// Records a run of this shell script, with a label; gives its entry's ID.
    #[track_caller]
    fn record(&self, clone: &str, label: &str, script: &str) -> String {
        self.exp_ok(clone, &["run", "--label", label, "--", "sh", "-c", script]);
        let run = self.json(clone, &["runs"]).into_iter().find(|run| run["label"] == label);
        run.expect("it was just recorded")["run"].as_str().expect("an ID").to_owned()
    }

    /// The labels and IDs of all runs that a clone knows, sorted.
    #[track_caller]
    fn runs(&self, clone: &str) -> Vec<(String, String)> {
        let text = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_owned();
        let mut runs: Vec<_> =
            self.json(clone, &["runs"]).iter().map(|run| (text(run, "label"), text(run, "run"))).collect();
        runs.sort();
        runs
    }

    #[track_caller]
    fn labels(&self, clone: &str) -> Vec<String> {
        self.runs(clone).into_iter().map(|it| it.0).collect()
    }

    /// Records three runs of which the second prints the secret, and publishes them; gives the second's ID.
    fn with_secret_in_output(&self) -> String {
        self.record("lab", "one", "echo one");
        let id = self.record("lab", "two", &format!("printf 'wormwood'; printf '%s\\n' '{}'", &SECRET[8..]));
        self.record("lab", "three", "echo three");
        self.exp_ok("lab", &["push", "--data", "--yes"]);
        id
    }

    /// Where the secret is in objects that refs of ours reach: their names and paths.
    #[track_caller]
    fn found(&self, clone: &str) -> Vec<String> {
        let refs = self
            .git(clone, &["for-each-ref", "--format=%(objectname)", "refs/exp", "refs/notes", "refs/tags"]);
        let mut words = vec!["rev-list", "--objects"];
        words.extend(refs.lines());
        if words.len() == 2 {
            return Vec::new();
        }
        let listed = self.git(clone, &words);
        // All at once first, which is faster than one after the other.
        let mut command = self.lab.command(["sh", "-c"]);
        command.arg(format!(
            "git {} | cut -d' ' -f1 | git cat-file --batch | grep -acF {SECRET}",
            words.join(" ")
        ));
        command.current_dir(self.folder(clone));
        if command.output().expect("sh starts").stdout == b"0\n" {
            return Vec::new();
        }
        let mut found = Vec::new();
        for line in listed.lines() {
            let oid = line.split(' ').next().expect("a line has an object");
            let kind = self.git(clone, &["cat-file", "-t", oid]);
            let mut command = self.lab.command(["git", "cat-file", &kind, oid]);
            command.current_dir(self.folder(clone));
            let bytes = command.output().expect("git starts").stdout;
            if bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                found.push(line.to_owned());
            }
        }
        found
    }

    /// Whether a file below `.git/exp` or `.git/logs` holds the secret.
    fn in_files(&self, clone: &str) -> String {
        let mut command = self.lab.command(["grep", "-rl", SECRET, ".git/exp", ".git/logs"]);
        command.current_dir(self.folder(clone));
        String::from_utf8_lossy(&command.output().expect("grep starts").stdout).into_owned()
    }

    #[track_caller]
    fn assert_sound(&self, clone: &str) {
        let report = self.json(clone, &["fsck"]);
        assert_eq!(report[0]["ok"], true, "{clone}: {report:#?}");
    }
}

#[test]
fn a_secret_in_the_output_is_gone_here_on_the_remote_and_in_clones_that_pull() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    for clone in ["second", "third"] {
        net.clone(clone);
        net.exp_ok(clone, &["pull", "--data"]);
        assert_ne!(net.found(clone), [""; 0], "{clone} has it at first");
    }
    net.record("third", "own", "echo own");
    let before = net.runs("lab");
    let old = net.writer("lab");
    // The third clone is away while this happens.
    let said = net.exp_ok("lab", &["purge", &id[..8], "--because", "a token", "--yes"]);
    assert!(said.contains("files that go: stdout"), "{said}");
    assert!(said.contains("code: none goes, because what ran is a commit of yours"), "{said}");
    assert!(said.contains(&format!("the log `{old}` goes on as `{old}-2`")), "{said}");
    assert_eq!(net.writer("lab"), format!("{old}-2"));
    assert_eq!(net.found("lab"), [""; 0]);
    assert_eq!(net.in_files("lab"), "");
    let kept: Vec<_> = before.into_iter().filter(|run| run.1 != id).collect();
    assert_eq!(net.runs("lab"), kept, "every other entry keeps its ID");
    net.assert_sound("lab");

    let pushed = net.exp_ok("lab", &["push"]);
    assert!(pushed.contains(&format!("refs/exp/log/{old}: withdrawn")), "{pushed}");
    assert_eq!(net.found("remote.git"), [""; 0]);
    let refs = net.git("remote.git", &["for-each-ref", "--format=%(refname)", "refs/exp"]);
    let expected = ["code", "data", "log"].map(|kind| format!("refs/exp/{kind}/{old}-2"));
    assert_eq!(refs.lines().collect::<Vec<_>>(), expected);

    for clone in ["second", "third"] {
        let said = net.exp_ok(clone, &["pull", "--data"]);
        assert!(said.contains(&format!("{old}: withdrawn by its writer, and let go")), "{said}");
        assert_eq!(net.found(clone), [""; 0], "{clone}");
        assert_eq!(net.in_files(clone), "", "{clone}");
        net.assert_sound(clone);
        net.exp_ok(clone, &["push", "--data", "--yes"]);
        let again = net.exp_ok(clone, &["pull", "--data"]);
        assert!(again.contains("nothing new"), "{again}");
    }
    assert_eq!(net.labels("second"), ["one", "three"]);
    assert_eq!(net.labels("third"), ["one", "own", "three"]);
    assert_eq!(net.found("remote.git"), [""; 0]);
    net.exp_ok("lab", &["pull", "--data"]);
    assert_eq!(net.labels("lab"), ["one", "own", "three"]);
    // What was recorded before can still be read, files and all, and the log goes on.
    let (_, one) = net.runs("second").into_iter().next().expect("a run");
    assert_eq!(net.exp_ok("second", &["show", &one, "--stdout"]), "one\n");
    net.record("lab", "four", "echo four");
    net.exp_ok("lab", &["push"]);
    net.exp_ok("second", &["pull"]);
    assert_eq!(net.labels("second"), ["four", "one", "own", "three"]);
}

#[test]
fn a_withdrawal_is_shown_wherever_the_entry_was() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.exp_ok("lab", &["purge", &id[..8], "--because", "a token", "--yes", "--push"]);
    let runs = net.exp_ok("lab", &["runs"]);
    assert!(runs.contains("1 run is left out, withdrawn"), "{runs}");
    let shown = net.exp_ok("lab", &["show", &id[..8]]);
    assert!(shown.contains("was withdrawn") && shown.contains("a token"), "{shown}");
    let log = net.exp_ok("lab", &["log", "--kind", "withdrawal"]);
    assert!(log.contains(&format!("run {} (all of it is gone): a token", &id[..8])), "{log}");
    net.clone("late");
    net.exp_ok("late", &["pull"]);
    assert_eq!(net.exp_ok("late", &["log", "--kind", "withdrawal"]).lines().count(), 1);
    // Twice is once.
    let again = net.exp_ok("lab", &["purge", &id[..8], "--because", "a token", "--yes"]);
    assert!(again.contains("was withdrawn already"), "{again}");
    assert!(net.writer("lab").ends_with("-2"));
}

#[test]
fn a_secret_among_the_arguments_is_gone_with_the_entry() {
    let net = Net::new();
    net.record("lab", "one", "echo one");
    let id = net.record("lab", "two", &format!("true {SECRET}"));
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    net.exp_ok("second", &["pull"]);
    assert!(net.found("lab").iter().any(|line| line.ends_with("entry.json")));
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    net.exp_ok("second", &["pull"]);
    for clone in ["lab", "second", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.in_files("lab") + &net.in_files("second"), "");
    assert_eq!(net.labels("second"), ["one"]);
}

#[test]
fn a_secret_in_a_snapshot_is_gone_once_every_entry_that_has_it_is_named() {
    let net = Net::new();
    net.lab.write("notes.txt", SECRET);
    let first = net.record("lab", "one", "echo one");
    let second = net.record("lab", "two", "echo two");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    let said = net.exp_ok("lab", &["purge", &first, "--code", "--dry-run"]);
    assert!(
        said.contains("stays, because others have it too: code") && said.contains(&second[..8]),
        "{said}"
    );
    let whole = net.exp_ok("lab", &["purge", &first, "--dry-run"]);
    assert!(whole.contains("code: no snapshot goes, because others have it too"), "{whole}");
    let both = ["purge", &first, &second, "--code", "--because", "a token", "--yes", "--push"];
    net.exp_ok("lab", &both);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.in_files("lab"), "");
    // The results still count, and say what is gone.
    assert_eq!(net.labels("lab"), ["one", "two"]);
    let shown = net.exp_ok("lab", &["show", &first]);
    assert!(shown.contains("gone: code"), "{shown}");
}

#[test]
fn files_can_go_and_results_stay() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.exp_ok("lab", &["purge", &id, "--files", "--because", "a token", "--yes", "--push"]);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.labels("lab"), ["one", "three", "two"]);
    net.assert_sound("lab");
}

#[test]
fn a_result_can_be_withdrawn_with_every_byte_kept() {
    let net = Net::new();
    let id = net.record("lab", "one", "echo one");
    net.exp_ok("lab", &["purge", &id, "--keep-bytes", "--because", "another job ran", "--yes"]);
    assert_eq!(net.labels("lab"), [""; 0]);
    assert_eq!(net.exp_ok("lab", &["show", &id, "--stdout"]), "one\n");
    let shown = net.exp_ok("lab", &["show", &id]);
    assert!(shown.contains("nothing is gone): another job ran"), "{shown}");
    assert!(!net.writer("lab").contains('-'));
    net.assert_sound("lab");
}

#[test]
fn a_comparison_leaves_withdrawn_runs_out_and_says_so() {
    let net = Net::new();
    let register = |name: &str| {
        let words = ["new", name, "--hypothesis", "h", "--change", "c", "--baseline", "main"];
        let more = ["--accept", "loss <= -1%", "--no-guard", "none", "--trials", "2", "--budget", "runs=9"];
        net.exp_ok("lab", &[&words[..], &more].concat());
        format!("20261121-{name}")
    };
    let (one, two) = (register("one"), register("two"));
    let run = |id: &str, loss: &str| {
        let script = format!("echo METRIC loss={loss}");
        net.exp_ok("lab", &["run", "-e", id, "-n", "2", "--", "sh", "-c", &script]);
    };
    run(&one, "2");
    run(&two, "1");
    let of_two = |key: &str| {
        let runs = net.json("lab", &["runs", "-e", &two]);
        runs.iter().map(|run| run[key].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    let wrong = of_two("run")[0].clone();
    net.exp_ok("lab", &["purge", &wrong, "--keep-bytes", "--because", "another job ran", "--yes"]);
    assert_eq!(of_two("run").len(), 1);
    let compared = net.json("lab", &["compare", &one, &two]);
    let loss = compared[0]["metrics"].as_array().expect("metrics").iter().find(|it| it["name"] == "loss");
    assert_eq!(loss.expect("it was reported")["candidate"]["n"], 1, "{compared:#?}");
    for words in [["compare", &one, &two].as_slice(), &["--json", "compare", &one, &two], &["--json", "runs"]]
    {
        let (_, said) = net.exp("lab", words);
        assert!(said.contains("1 run is left out, withdrawn"), "{words:?}: {said}");
    }
    net.exp_ok("lab", &["seal", &two, "--incomplete"]);
    let tag = format!("sealed/{two}");
    let readme = net.git("lab", &["show", &format!("{tag}:.exp/README.md")]);
    assert!(readme.contains("1 run was withdrawn and is left out: another job ran"), "{readme}");
    net.exp_ok("lab", &["verify", &tag]);
}

#[test]
fn nothing_goes_unasked_or_without_a_reason_and_a_dry_run_changes_nothing() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let refs = net.git("lab", &["for-each-ref"]);
    let (status, said) = net.exp("lab", &["purge", &id, "--because", "a token"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(net.exp("lab", &["purge", &id, "--yes"]).0, 2);
    assert_eq!(net.exp("lab", &["purge", &id, "--dry-run"]).0, 0);
    assert_eq!(net.git("lab", &["for-each-ref"]), refs);
}

#[test]
fn another_clones_entry_is_refused_with_its_owner() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.clone("second");
    net.exp_ok("second", &["pull"]);
    let (status, said) = net.exp("second", &["purge", &id, "--because", "a token", "--yes"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains(&net.writer("lab")) && said.contains("ask Ada Lovelace"), "{said}");
}

#[test]
fn a_copy_of_the_clone_neither_brings_it_back_nor_loses_what_it_had() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.copy("lab", "copy");
    let old = net.writer("lab");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    net.record("copy", "four", "echo four");
    // Not knowing of it, it is held back; knowing of it, as well, until it follows.
    net.git("copy", &["config", "exp.pushNotes", "false"]);
    let (status, said) = net.exp("copy", &["push", "--data", "--yes"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("`git exp pull` first"), "{said}");
    net.git("copy", &["config", "--unset", "exp.pushNotes"]);
    let (status, said) = net.exp("copy", &["pull", "--data"]);
    assert_eq!(status, 1, "{said}");
    assert_eq!(net.exp("copy", &["push", "--data", "--yes"]).0, 1);
    assert_eq!(net.found("remote.git"), [""; 0]);
    net.exp_ok("copy", &["purge", "--yes"]);
    assert_eq!(net.writer("copy"), format!("{old}-3"));
    net.exp_ok("copy", &["push", "--data", "--yes"]);
    for clone in ["copy", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    net.exp_ok("lab", &["pull", "--data"]);
    for clone in ["copy", "lab"] {
        assert_eq!(net.labels(clone), ["four", "one", "three"], "{clone}");
        net.assert_sound(clone);
    }
}

#[test]
fn what_else_holds_it_is_named_and_goes_only_when_asked_to() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["tag", "-a", "-m", "sealed", "sealed/A-001", &data]);
    net.git("lab", &["push", "--quiet", "origin", "sealed/A-001"]);
    let words = ["purge", &id, "--because", "a token", "--yes"];
    let (status, said) = net.exp("lab", &words);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("refs/tags/sealed/A-001") && said.contains("--drop-refs"), "{said}");
    net.exp_ok("lab", &[&words[..], &["--drop-refs", "--push"]].concat());
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.git(clone, &["tag"]), "", "{clone}");
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
}

#[test]
fn a_branch_that_holds_it_is_never_touched() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["branch", "mine", &data]);
    let words = ["purge", &id, "--because", "a token", "--yes"];
    let (status, said) = net.exp("lab", &[&words[..], &["--drop-refs"]].concat());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("rewrite or delete `refs/heads/mine` first"), "{said}");
    net.exp_ok("lab", &[&words[..], &["--leave-refs"]].concat());
    assert_eq!(net.git("lab", &["rev-list", "--count", "mine"]), "3");
}

#[test]
fn a_purge_that_is_killed_is_ended_by_the_next_and_nothing_else_is_lost() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    for number in 0..10 {
        let name = format!("copy-{number}");
        net.copy("lab", &name);
        let words = ["purge", &id, "--because", "a token", "--yes"];
        let mut command = net.lab.exp_command(words);
        command.current_dir(net.folder(&name)).stderr(std::process::Stdio::null());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(20 + 20 * number));
        let _ = child.kill();
        let _ = child.wait();
        // Whatever was left: a run is recorded in between in every other copy.
        let mut expected = vec!["one", "three"];
        if number % 2 == 1 {
            net.exp_ok(&name, &["run", "--label", "zest", "--", "true"]);
            expected.push("zest");
        }
        net.exp_ok(&name, &words);
        assert_eq!(net.labels(&name), expected, "{name}");
        assert_eq!(net.found(&name), [""; 0], "{name}");
        assert_eq!(net.in_files(&name), "", "{name}");
        net.assert_sound(&name);
    }
}

#[test]
fn what_was_let_go_is_not_taken_in_again() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.clone("second");
    net.exp_ok("second", &["init"]);
    net.exp_ok("second", &["pull", "--data"]);
    let old = net.writer("lab");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    // A clone that was never told brings the old log back by hand.
    let tip = net.git("second", &["rev-parse", &format!("refs/exp/seen/{old}")]);
    net.git("second", &["push", "--quiet", "origin", &format!("{tip}:refs/exp/log/{old}")]);
    net.git("second", &["fetch", "--quiet", "origin"]);
    assert_eq!(net.labels("second"), ["one", "three"]);
    net.clone("third");
    net.exp_ok("third", &["pull"]);
    for clone in ["lab", "third"] {
        net.exp(clone, &["pull"]);
        assert_eq!(net.labels(clone), ["one", "three"], "{clone}");
    }
    let pushed = net.exp_ok("lab", &["push"]);
    assert!(pushed.contains(&format!("refs/exp/log/{old}: withdrawn")), "{pushed}");
}

#[test]
fn notes_begin_anew_everywhere_and_what_people_wrote_stays() {
    let net = Net::new();
    let begin = net.git("lab", &["rev-parse", "HEAD"]);
    net.lab.commit_all("second");
    net.git("lab", &["push", "--quiet", "origin", "main"]);
    let write = |clone: &str| {
        let text = format!("seen by {clone}");
        net.git(clone, &["notes", "--ref=exp", "append", "-m", &text, &begin]);
    };
    net.record("lab", "one", "true");
    let id = net.record("lab", SECRET, "true");
    write("lab");
    net.exp_ok("lab", &["push"]);
    for clone in ["second", "third"] {
        net.clone(clone);
        net.exp_ok(clone, &["pull"]);
        net.record(clone, clone, "true");
        write(clone);
    }
    net.exp_ok("second", &["push"]);
    net.exp_ok("lab", &["pull"]);
    let old = net.git("third", &["rev-parse", "refs/notes/exp"]);
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes"]);
    assert_eq!(net.found("lab"), [""; 0], "also in what was fetched");
    net.exp_ok("lab", &["push"]);
    let note = |clone: &str| net.git(clone, &["notes", "--ref=exp", "show", &begin]);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
        let text = note(clone);
        assert!(text.contains("seen by lab") && text.contains("seen by second"), "{clone}: {text}");
    }
    net.exp_ok("second", &["pull"]);
    assert_eq!(net.found("second"), [""; 0]);

    // One that was away, and knows nothing of it, brings the old ones back by hand.
    net.git("third", &["push", "--quiet", "--force", "origin", "refs/notes/exp"]);
    assert_ne!(net.found("remote.git"), [""; 0]);
    net.clone("late");
    let (status, said) = net.exp("late", &["pull"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("it holds what was withdrawn"), "{said}");
    assert_eq!(net.found("late"), [""; 0]);
    assert!(note("late").contains("seen by third"));
    net.git("remote.git", &["config", "receive.denyNonFastForwards", "true"]);
    net.exp_ok("late", &["push"]);
    assert_eq!(net.found("remote.git"), [""; 0]);
    net.exp_ok("third", &["push"]);
    net.exp_ok("lab", &["pull"]);
    net.exp_ok("lab", &["push"]);
    for clone in ["lab", "late", "third", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
        assert!(note(clone).contains("seen by third"), "{clone}");
    }
    assert_eq!(net.in_files("third"), "");
    assert_ne!(net.git("third", &["rev-parse", "refs/notes/exp"]), old);
    assert_eq!(net.labels("lab"), ["one", "second", "third"]);
    let of_runs = net.git("remote.git", &["notes", "--ref=exp", "show", "main"]);
    assert!(of_runs.contains("label=one") && of_runs.contains("label=third"), "{of_runs}");
    // What was written in another order is put in one by the next to push.
    for clone in ["third", "second", "lab"] {
        net.exp_ok(clone, &["push"]);
        net.assert_sound(clone);
    }
    for clone in ["lab", "second", "third"] {
        net.exp_ok(clone, &["pull"]);
        let said = net.exp_ok(clone, &["push"]);
        assert!(said.contains("has everything"), "{clone}: {said}");
    }
}

#[test]
fn a_run_that_was_only_withdrawn_is_marked_beside_the_code() {
    let net = Net::new();
    net.record("lab", "one", "true");
    let id = net.record("lab", "two", "true");
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    net.exp_ok("second", &["pull"]);
    net.exp_ok("lab", &["purge", &id, "--keep-bytes", "--because", "another job ran", "--yes", "--push"]);
    net.exp_ok("second", &["pull"]);
    for clone in ["lab", "second", "remote.git"] {
        let text = net.git(clone, &["notes", "--ref=exp", "show", "main"]);
        let marked: Vec<&str> = text.lines().filter(|line| line.contains(" ok withdrawn ")).collect();
        assert!(marked.len() == 1 && marked[0].contains("label=two"), "{clone}: {text}");
    }
    net.assert_sound("second");
}

#[test]
fn nobody_relays_what_is_known_to_be_withdrawn() {
    let net = Net::new();
    net.git("lab", &["clone", "--quiet", "--bare", ".", "../archive.git"]);
    let url = format!("file://{}", net.folder("archive.git").display());
    let id = net.with_secret_in_output();
    for clone in ["second", "third"] {
        net.clone(clone);
        net.exp_ok(clone, &["pull", "--data"]);
    }
    for clone in ["lab", "second", "third"] {
        net.git(clone, &["remote", "add", "archive", &url]);
    }
    net.git("third", &["config", "exp.pushNotes", "false"]);
    let old = net.writer("lab");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    // One that was away is told by the remote itself, also where it takes nothing in.
    net.git("second", &["config", "exp.pushNotes", "false"]);
    let relay = ["push", "--relay", "--data", "--yes"];
    let (status, said) = net.exp("second", &relay);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains(&format!("refused: refs/exp/log/{old}: a later epoch of it is there")), "{said}");
    assert_eq!(net.found("remote.git"), [""; 0]);
    // To another remote, which has nothing of it, it hands on what it knows; the owner takes that away.
    let archive = ["push", "archive", "--relay", "--data", "--yes"];
    net.exp_ok("second", &archive);
    assert_ne!(net.found("archive.git"), [""; 0]);
    net.exp_ok("lab", &["push", "archive"]);
    assert_eq!(net.found("archive.git"), [""; 0]);
    let (status, said) = net.exp("third", &archive);
    assert_eq!(status, 1, "{said}");
    assert_eq!(net.found("archive.git"), [""; 0]);
    // What a plain fetch brought is enough to know.
    net.exp_ok("third", &["init"]);
    net.git("third", &["fetch", "--quiet", "origin"]);
    net.git("archive.git", &["update-ref", "-d", &format!("refs/exp/log/{old}-2")]);
    net.exp("third", &archive);
    assert_eq!(net.found("archive.git"), [""; 0]);
    net.exp_ok("third", &["pull", "--data"]);
    net.exp_ok("third", &archive);
    let refs = net.git("archive.git", &["for-each-ref", "--format=%(refname)", "refs/exp/log"]);
    assert_eq!(refs, format!("refs/exp/log/{old}-2"));
}

#[test]
fn a_mirroring_fetch_brings_no_withdrawn_log_back() {
    let net = Net::new();
    let about = net.record("lab", "one", "true");
    net.exp_ok("lab", &["push"]);
    net.git("lab", &["clone", "--quiet", "--mirror", "../remote.git", "../mirror.git"]);
    net.exp_ok("mirror.git", &["note", &about, "kept"]);
    net.exp_ok("mirror.git", &["note", &about, SECRET]);
    net.exp_ok("mirror.git", &["push"]);
    let note = net
        .json("mirror.git", &["log", "--kind", "note"])
        .into_iter()
        .find(|it| it["subject"].as_str().is_some_and(|text| text.contains(SECRET)));
    let id = note.expect("it is listed")["entry"].as_str().expect("an ID").to_owned();
    let old = net.writer("mirror.git");
    net.exp_ok("mirror.git", &["purge", &id, "--because", "a token", "--yes"]);
    for words in [
        ["remote", "update", "--prune"].as_slice(),
        &["fetch", "--quiet", "--prune", "origin", "+refs/*:refs/*"],
    ] {
        net.git("mirror.git", words);
        assert!(net.exp_ok("mirror.git", &["log"]).contains("kept"), "{words:?}");
        let refs = net.git("mirror.git", &["for-each-ref", "--format=%(refname)", "refs/exp/log"]);
        assert!(refs.contains(&format!("{old}-2")), "{words:?}: {refs}");
        assert_eq!(net.found("mirror.git"), [""; 0], "{words:?}");
    }
    net.exp_ok("mirror.git", &["push"]);
    assert_eq!(net.found("remote.git"), [""; 0]);
}

#[test]
fn branches_of_experiments_from_before_a_purge_stay_this_clones_own() {
    let net = Net::new();
    let new = |clone: &str| {
        let words = ["new", "one", "--hypothesis", clone, "--change", "c", "--baseline", "main"];
        let more = ["--accept", "loss <= -1%", "--no-guard", "none", "--trials", "2", "--budget", "runs=9"];
        net.exp_ok(clone, &[&words[..], &more].concat());
    };
    net.clone("second");
    new("lab");
    new("second");
    net.exp_ok("second", &["push"]);
    let id = net.record("lab", "two", "true");
    net.exp_ok("lab", &["pull"]);
    let old = net.writer("lab");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes"]);
    assert_eq!(net.git("lab", &["config", "exp.formerWriter"]), old);
    let said = net.exp_ok("lab", &["archive", &format!("20261121-one@{old}")]);
    assert!(said.contains("20261121-one"), "{said}");
    assert_eq!(net.git("lab", &["branch", "--list", "exp/*"]), "");
}

#[test]
fn a_seal_that_went_goes_wherever_the_withdrawal_is_followed() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["tag", "-a", "-m", "sealed", "sealed/A-001", &data]);
    net.git("lab", &["push", "--quiet", "origin", "sealed/A-001"]);
    net.clone("second");
    net.exp_ok("second", &["pull", "--data"]);
    assert_eq!(net.git("second", &["tag"]), "sealed/A-001");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--drop-refs", "--push"]);
    net.exp_ok("second", &["pull", "--data"]);
    assert_eq!(net.git("second", &["tag"]), "");
    assert_eq!(net.found("second"), [""; 0]);
}

#[test]
fn an_archived_experiment_and_a_branch_that_hold_it_go_only_when_asked_to() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["update-ref", "refs/exp/archive/A-001", &data]);
    net.git("lab", &["branch", "exp/A-002", &data]);
    let words = ["purge", &id, "--because", "a token", "--yes"];
    let (status, said) = net.exp("lab", &words);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("refs/exp/archive/A-001, refs/heads/exp/A-002"), "{said}");
    assert!(said.contains("--drop-refs"), "{said}");
    net.exp_ok("lab", &[&words[..], &["--drop-refs"]].concat());
    assert_eq!(net.git("lab", &["for-each-ref", "refs/exp/archive", "refs/heads/exp"]), "");
    assert_eq!(net.found("lab"), [""; 0]);
}

#[test]
fn what_one_purge_took_no_later_one_brings_back() {
    let net = Net::new();
    net.lab.write("conf", SECRET);
    let first = net.record("lab", "first", "echo one");
    let second = net.record("lab", "second", "echo two");
    net.lab.write("conf", "nothing");
    let other = net.record("lab", "other", "echo other");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    // One after the other, as whoever overlooked the second does.
    for id in [&first, &second] {
        net.exp_ok("lab", &["purge", id, "--code", "--because", "a token", "--yes", "--push"]);
    }
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    let (status, said) = net.exp("lab", &["repro", &first]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("was withdrawn") && said.contains("a token"), "{said}");
    net.exp_ok("lab", &["note", &other, "a typo"]);
    let note = net.json("lab", &["log", "--kind", "note"])[0]["entry"].as_str().expect("an ID").to_owned();
    net.exp_ok("lab", &["purge", &note, "--because", "a typo", "--yes", "--push"]);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.labels("lab"), ["first", "other", "second"]);
    net.assert_sound("lab");
}

#[test]
fn a_run_and_its_reproduction_let_go_of_the_code_that_both_have() {
    let net = Net::new();
    net.lab.write("conf", SECRET);
    let run = net.record("lab", "first", "echo METRIC x=1");
    std::fs::remove_file(net.folder("lab").join("conf")).expect("it is there");
    net.exp_ok("lab", &["repro", &run]);
    let again =
        net.json("lab", &["log", "--kind", "reproduction"])[0]["entry"].as_str().expect("an ID").to_owned();
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    for id in [&run, &again] {
        net.exp_ok("lab", &["purge", id, "--because", "a token", "--yes", "--push"]);
    }
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    net.assert_sound("lab");
}

#[test]
fn what_one_purge_left_another_can_take_though_the_entry_is_gone() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["tag", "-a", "-m", "sealed", "sealed/A-001", &data]);
    net.git("lab", &["push", "--quiet", "origin", "sealed/A-001"]);
    net.clone("second");
    net.exp_ok("second", &["pull", "--data"]);
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--leave-refs", "--push"]);
    net.exp("second", &["pull", "--data"]);
    // Nothing that only the old log held is left.
    net.git("lab", &["reflog", "expire", "--expire=now", "--all"]);
    net.git("lab", &["gc", "--quiet", "--prune=now"]);
    let words = ["purge", &id[..8]];
    let (status, said) = net.exp("lab", &words);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("was withdrawn already") && said.contains("refs/tags/sealed/A-001"), "{said}");
    let shown = net.json("lab", &[&words[..], &["--dry-run"]].concat());
    for field in ["entries", "gone", "epochs", "refs", "files", "code", "shared", "holders", "elsewhere"] {
        assert!(shown[0][field].is_array(), "{field}: {shown:#?}");
    }
    assert_eq!(shown[0]["holders"][0], "refs/tags/sealed/A-001");
    let left = net.exp_ok("lab", &[&words[..], &["--leave-refs"]].concat());
    assert!(left.contains("is left, with the bytes there: refs/tags/sealed/A-001"), "{left}");
    assert_eq!(net.git("lab", &["tag"]), "sealed/A-001");
    let said = net.exp_ok("lab", &[&words[..], &["--drop-refs", "--yes", "--push"]].concat());
    assert!(said.contains("deleted refs/tags/sealed/A-001"), "{said}");
    net.exp("second", &["pull", "--data"]);
    for clone in ["lab", "second", "remote.git"] {
        assert_eq!(net.git(clone, &["tag"]), "", "{clone}");
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    let again = net.exp_ok("lab", &words);
    assert!(again.contains("stays, because others have it too: environment.json"), "{again}");
    assert!(net.writer("lab").ends_with("-2"), "no further epoch is needed");
    net.assert_sound("lab");
    net.assert_sound("second");
}

#[test]
fn a_copy_that_went_on_under_another_name_lets_go_of_it_too() {
    for by_name in [true, false] {
        let net = Net::new();
        let id = net.with_secret_in_output();
        net.copy("lab", "copy");
        net.record("copy", "four", "echo four");
        net.record("lab", "five", "echo five");
        net.exp_ok("lab", &["push", "--data", "--yes"]);
        // Both appended under one name, so the copy goes on under another, with all that it has.
        net.exp("copy", &["pull", "--data"]);
        assert_ne!(net.writer("copy"), net.writer("lab"));
        net.exp_ok("copy", &["push", "--data", "--yes"]);
        net.exp_ok("lab", &["pull", "--data"]);
        net.clone("third");
        net.exp_ok("third", &["pull", "--data"]);

        let said = net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
        assert!(said.contains("another clone's, which has to purge it as well"), "{said}");
        let (status, said) = net.exp("copy", &["pull", "--data"]);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains("`git exp purge` follows"), "{said}");
        net.record("copy", "six", "echo six");
        let (status, said) = net.exp("copy", &["push", "--data", "--yes"]);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains("it holds what another clone withdrew: `git exp purge` follows"), "{said}");
        if by_name {
            net.exp_ok("copy", &["purge", &id, "--yes"]);
        } else {
            net.exp_ok("copy", &["purge", "--yes"]);
        }
        net.exp_ok("copy", &["push", "--data", "--yes"]);
        for clone in ["lab", "third"] {
            net.exp_ok(clone, &["pull", "--data"]);
        }
        for clone in ["lab", "copy", "third", "remote.git"] {
            assert_eq!(net.found(clone), [""; 0], "{clone}");
        }
        for clone in ["lab", "copy", "third"] {
            assert_eq!(net.labels(clone), ["five", "four", "one", "six", "three"], "{clone}");
            net.assert_sound(clone);
        }
        assert!(net.exp_ok("copy", &["purge"]).contains("nothing is left to do"));
        assert!(net.exp_ok("lab", &["push"]).contains("has everything"));
    }
}

#[test]
fn a_copy_can_give_the_order_and_the_original_follows() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.copy("lab", "copy");
    net.record("lab", "five", "echo five");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.exp("copy", &["pull"]);
    net.exp_ok("copy", &["purge", &id, "--files", "--because", "a token", "--yes", "--push"]);
    let (status, said) = net.exp("lab", &["pull"]);
    assert_eq!(status, 1, "{said}");
    net.exp_ok("lab", &["purge", "--yes", "--push"]);
    net.exp_ok("copy", &["pull", "--data"]);
    for clone in ["lab", "copy", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    // Only the files went.
    assert_eq!(net.labels("lab"), ["five", "one", "three", "two"]);
    assert_eq!(net.exp("lab", &["pull"]).0, 0);
    net.assert_sound("lab");
}

#[test]
fn a_copy_from_before_the_entry_goes_on_without_its_log() {
    let net = Net::new();
    net.record("lab", "one", "echo one");
    net.copy("lab", "copy");
    net.record("copy", "own", "echo own");
    let id = net.record("lab", "two", &format!("true {SECRET}"));
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    assert_eq!(net.exp("copy", &["pull"]).0, 1);
    assert_eq!(net.exp("copy", &["push"]).0, 1);
    net.exp_ok("copy", &["purge", "--yes", "--push"]);
    net.exp_ok("lab", &["pull"]);
    for clone in ["lab", "copy"] {
        assert_eq!(net.labels(clone), ["one", "own"], "{clone}");
        net.assert_sound(clone);
    }
    assert_eq!(net.exp("copy", &["pull"]).0, 0);
}

#[test]
fn a_seal_of_another_clone_that_holds_it_is_told_and_not_handed_on() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let old = net.writer("lab");
    for clone in ["second", "third"] {
        net.clone(clone);
        net.exp_ok(clone, &["pull", "--data"]);
    }
    let data = format!("refs/exp/seen-data/{old}");
    net.git("second", &["tag", "-a", "-m", "sealed", "sealed/A-001", &data]);
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    let (status, said) = net.exp("second", &["pull", "--data"]);
    assert_eq!(status, 1, "{said}");
    let told = format!(
        "refs/tags/sealed/A-001: it holds what was withdrawn, and stays: `git exp purge {}",
        &id[..8]
    );
    assert!(said.contains(&told), "{said}");
    let (status, said) = net.exp("second", &["push", "--seals", "--yes"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("refused: refs/tags/sealed/A-001: it holds what was withdrawn"), "{said}");
    assert_eq!(net.found("remote.git"), [""; 0]);
    // It went out before: then it goes there, too, and wherever it was fetched.
    net.git("second", &["push", "--quiet", "origin", "sealed/A-001"]);
    net.git("third", &["fetch", "--quiet", "origin", "refs/tags/*:refs/tags/*"]);
    net.exp_ok("second", &["purge", &id, "--drop-refs", "--yes", "--push"]);
    net.exp("third", &["pull", "--data"]);
    for clone in ["second", "third", "remote.git"] {
        assert_eq!(net.git(clone, &["tag"]), "", "{clone}");
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
}

#[test]
fn nothing_begins_at_code_that_was_taken_back() {
    let net = Net::new();
    let plain = net.record("lab", "plain", "echo METRIC x=1");
    net.lab.write("conf", SECRET);
    let dirty = net.record("lab", "dirty", "echo METRIC x=1");
    let commit = net.json("lab", &["show", &dirty])[0]["commit"].as_str().expect("a commit").to_owned();
    net.exp_ok("lab", &["purge", &dirty, "--code", "--because", "a token", "--yes"]);
    std::fs::remove_file(net.folder("lab").join("conf")).expect("it is there");
    net.lab.write("other", "something");
    let of_run = format!("the code of the run {} was withdrawn: a token", &dirty[..8]);
    let of_commit = format!("the code of the commit {} was withdrawn: a token", &commit[..12]);
    let refused = |words: &[&str], told: &str| {
        let (status, said) = net.exp("lab", words);
        assert!(status == 2 || status == 125, "{words:?}: {status}: {said}");
        assert!(said.contains(told), "{words:?}: {said}");
    };
    let new = ["new", "one", "--hypothesis", "h", "--change", "c", "--from"];
    refused(&[&new[..], &[&dirty]].concat(), &of_run);
    refused(&[&new[..], &[&commit]].concat(), &of_commit);
    refused(&["run", "--against", &dirty, "-n", "2", "--", "true"], &of_run);
    refused(&["run", "--against", &commit, "-n", "2", "--", "true"], &of_commit);
    refused(&["repro", &dirty], &of_run);
    let (status, said) = net.exp("lab", &["diff", &plain, &dirty, "-p"]);
    assert!(status == 0 && said.contains(&of_run) && !said.contains(SECRET), "{said}");
    // What was committed on top of it holds it, too, and so does an experiment that was put away there.
    net.git("lab", &["update-ref", "refs/exp/archive/A-001", &commit]);
    net.exp("lab", &["new", "away", "--hypothesis", "h", "--change", "c"]);
    net.git("lab", &["update-ref", "refs/exp/archive/20261121-away", &commit]);
    net.git("lab", &["worktree", "remove", "--force", ".worktrees/20261121-away"]);
    net.git("lab", &["branch", "-D", "exp/20261121-away"]);
    refused(&["archive", "--restore", "20261121-away"], &of_commit);
    net.git("lab", &["checkout", "--quiet", "--force", &commit]);
    net.git("lab", &["commit", "--quiet", "--allow-empty", "-m", "on top"]);
    let head = net.git("lab", &["rev-parse", "HEAD"]);
    let of_head = format!("the code of the commit {} was withdrawn: a token", &head[..12]);
    refused(&["run", "--", "touch", "ran"], "was withdrawn: a token");
    refused(&["new", "two", "--hypothesis", "h", "--change", "c"], &of_head);
    assert!(!net.folder("lab").join("ran").exists(), "nothing was started");
    let chains = format!("refs/exp/code/{}", net.writer("lab"));
    assert!(!net.git("lab", &["rev-list", "--objects", &chains]).contains(&commit));
}

#[test]
fn an_entry_that_is_gone_is_named_as_withdrawn_by_every_command() {
    let net = Net::new();
    net.record("lab", "one", "true");
    let id = net.record("lab", "two", "true");
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes"]);
    let new = ["new", "one", "--hypothesis", "h", "--change", "c", "--from", &id];
    for words in [
        new.as_slice(),
        &["note", &id, "seen"],
        &["repro", &id],
        &["diff", &id, &id],
        &["run", "--against", &id, "--", "true"],
    ] {
        let (status, said) = net.exp("lab", words);
        assert!(status == 2 || status == 125, "{words:?}: {status}: {said}");
        assert!(said.contains(&format!("`{}` was withdrawn, and is gone", &id[..8])), "{words:?}: {said}");
    }
}

/// Runs the command at a terminal, types `answer` at its question, and gives the status and what was to be seen.
#[cfg(target_os = "linux")]
fn at_terminal(net: &Net, words: &[&str], answer: &str) -> (Option<i32>, String) {
    use std::io::{Read, Write};
    let program = net.lab.exp_command(words);
    let quoted = words.iter().map(|word| format!(" '{word}'")).collect::<String>();
    let line = format!("{}{quoted}", program.get_program().display());
    let mut command = net.lab.command(["script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    command.current_dir(net.folder("lab")).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("script starts");
    let (mut input, mut output) =
        (child.stdin.take().expect("it was piped"), child.stdout.take().expect("it was piped"));
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"[y/N] ") && output.read(&mut byte).expect("it can be read") == 1 {
        seen.push(byte[0]);
    }
    assert!(String::from_utf8_lossy(&seen).contains("take this back?"), "{}", String::from_utf8_lossy(&seen));
    input.write_all(answer.as_bytes()).expect("it reads");
    input.flush().expect("it reads");
    output.read_to_end(&mut seen).expect("it can be read");
    (child.wait().expect("it ends").code(), String::from_utf8_lossy(&seen).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn the_question_at_a_terminal_takes_yes_and_nothing_else() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let words = ["purge", &id[..8], "--because", "a token"];
    let before = net.git("lab", &["for-each-ref"]);
    for (answer, status) in [("n\n", 1), ("\n", 1), ("sure\n", 1), ("\u{4}", 1), ("\u{3}", 130)] {
        let (ended, seen) = at_terminal(&net, &words, answer);
        assert_eq!(ended, Some(status), "{answer:?}: {seen}");
        assert!(seen.contains("files that go: stdout"), "what goes is said before: {seen}");
        assert_eq!(net.git("lab", &["for-each-ref"]), before, "{answer:?}: {seen}");
        assert_eq!(seen.contains("nothing was changed"), status == 1, "{answer:?}: {seen}");
    }
    let (ended, seen) = at_terminal(&net, &words, "y\n");
    assert_eq!(ended, Some(0), "{seen}");
    assert!(seen.contains(&format!("withdrew run {}", &id[..8])), "{seen}");
    assert_eq!(net.found("lab"), [""; 0]);
}

#[test]
fn trials_that_were_withdrawn_once_seen_stand_against_accepting() {
    let net = Net::new();
    let lab = &net.lab;
    lab.write("exp.toml", "[metrics.loss]\nkind = \"quality\"\nbetter = \"lower\"\n");
    lab.commit_all("what is measured");
    let new = |name: &str, baseline: &str| {
        let words = ["new", name, "--hypothesis", "h", "--change", "c", "--baseline", baseline];
        let more = ["--accept", "loss <= -1%", "--no-guard", "none", "--trials", "5", "--budget", "runs=99"];
        net.exp_ok("lab", &[&words[..], &more].concat());
        format!("20261121-{name}")
    };
    let (one, two) = (new("one", "main"), new("two", "20261121-one"));
    let run = |id: &str, base: &str, more: &[&str]| {
        let script = format!("echo METRIC loss={base}$GIT_EXP_SEED");
        let words = ["run", "-e", id, "-n", "5"];
        net.exp_ok("lab", &[&words[..], more, &["--", "sh", "-c", &script]].concat());
    };
    run(&one, "2.", &[]);
    run(&two, "1.", &[]);
    let compared = |words: &[&str]| net.json("lab", words).remove(0);
    let whole = compared(&["compare", &two]);
    assert_eq!(whole["outcome"], "accept", "{whole:#?}");
    assert!(whole["withdrawn"].is_null());
    let of_two = |more: &[&str]| net.json("lab", &[&["runs", "-e", &two], more].concat());
    let worst = of_two(&["--sort", "-loss"])[0]["run"].as_str().expect("an ID").to_owned();
    lab.set_clock("2026-11-21T13:00:00Z");
    net.exp_ok("lab", &["purge", &worst, "--keep-bytes", "--because", "another job ran", "--yes"]);

    // It is to be seen what is left out, and why.
    assert_eq!(of_two(&[]).len(), 4);
    let listed = of_two(&["--withdrawn"]);
    assert_eq!(listed.len(), 5);
    let marked = listed.iter().find(|run| run["run"] == worst.as_str()).expect("it is listed");
    assert_eq!(marked["withdrawn"]["because"], "another job ran");
    assert!(listed.iter().filter(|run| !run["withdrawn"].is_null()).count() == 1);
    assert!(net.exp_ok("lab", &["runs", "--withdrawn"]).contains("ok, withdrawn"));

    // Another trial in its place does not mend it.
    lab.set_clock("2026-11-21T14:00:00Z");
    net.exp_ok(
        "lab",
        &["run", "-e", &two, "--seed", "99", "--", "sh", "-c", "echo METRIC loss=1.$GIT_EXP_SEED"],
    );
    let told =
        "1 run of the candidate was withdrawn after trials that are compared had run (another job ran)";
    let without = compared(&["compare", &two]);
    assert_eq!(without["outcome"], "unclear", "{without:#?}");
    assert_eq!(without["withdrawn"][0]["side"], "candidate");
    assert_eq!(without["withdrawn"][0]["runs"][0], worst.as_str());
    assert_eq!(without["withdrawn"][0]["because"], "another job ran");
    assert_eq!(without["family"], 2, "it may have been a try of its own");
    let (status, said) = net.exp("lab", &["compare", &two, "--check=accept"]);
    assert!(status == 4 && said.contains(told), "{status}: {said}");
    let (_, said) = net.exp("lab", &["keep", "-m", "it is better", &two]);
    assert!(said.contains(told), "{said}");
    // A seal says it, and still holds.
    net.exp_ok("lab", &["seal", &two, "--incomplete"]);
    net.exp_ok("lab", &["verify", &format!("sealed/{two}")]);

    // Fresh trials are judged as such.
    net.exp_ok("lab", &["archive", "--restore", &two]);
    lab.set_clock("2026-11-21T15:00:00Z");
    run(&two, "1.", &["--confirm"]);
    let fresh = compared(&["compare", &two]);
    assert_eq!(fresh["outcome"], "accept", "{fresh:#?}");
    assert_eq!(fresh["withdrawn"][0]["runs"][0], worst.as_str(), "it is said all the same");
}

#[test]
fn a_brief_that_goes_leaves_code_and_runs_and_says_so() {
    let net = Net::new();
    net.exp_ok("lab", &["topic", "new", "mixing", "--prefix", "MX", "--goal", "a goal"]);
    let words =
        ["new", "one", "--topic", "mixing", "--hypothesis", SECRET, "--change", "c", "--baseline", "main"];
    let more = ["--accept", "loss <= -1%", "--no-guard", "none", "--trials", "2", "--budget", "runs=9"];
    net.exp_ok("lab", &[&words[..], &more].concat());
    net.exp_ok("lab", &["run", "-e", "MX-001", "-n", "2", "--", "sh", "-c", "echo METRIC loss=1"]);
    net.exp_ok("lab", &["logbook", "mixing", "--write"]);
    net.exp_ok("lab", &["push", "--topics", "--yes"]);
    let (status, said) = net.exp("lab", &["purge", "MX-001", "--because", "a token", "--yes"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("`MX-001` is an experiment") && said.contains("`git exp log -e MX-001`"), "{said}");
    let brief = net.json("lab", &["log", "--kind", "brief"])[0]["entry"].as_str().expect("an ID").to_owned();
    let purge = ["purge", &brief, "--because", "a token", "--yes"];
    let (status, said) = net.exp("lab", &purge);
    assert_eq!(status, 2, "{said}");
    for told in [
        "`MX-001` is no longer registered",
        "other entries about it stay, and may say the same: run: 2",
        "the branch exp/MX-001 and its worktree stay, with the code",
        "also holds it: refs/heads/research/mixing",
        "rewrite or delete `refs/heads/research/mixing` first",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("1 entries") && !said.contains("1 commits"), "{said}");
    net.git("lab", &["branch", "-D", "research/mixing"]);
    net.git("lab", &["push", "--quiet", "origin", ":research/mixing"]);
    net.exp_ok("lab", &[&purge[..], &["--push"]].concat());
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.in_files("lab"), "");
    let (status, said) = net.exp("lab", &["run", "-e", "MX-001", "--", "true"]);
    assert_eq!(status, 125, "{said}");
    assert!(said.contains("`MX-001` has no brief") && said.contains("withdrawn"), "{said}");
    let (status, said) = net.exp("lab", &["decide", "MX-001", "accept", "--because", "b"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("`MX-001` has no brief"), "{said}");
    net.assert_sound("lab");
}

#[test]
fn a_days_scratch_is_told_from_its_entries() {
    let net = Net::new();
    net.record("lab", "one", "true");
    let (status, said) = net.exp("lab", &["purge", "20261121-scratch", "--because", "b"]);
    assert_eq!(status, 2, "{said}");
    assert!(
        said.contains("entries are taken back one by one")
            && said.contains("git exp log -e 20261121-scratch"),
        "{said}"
    );
    net.exp_ok("lab", &["log", "-e", "20261121-scratch"]);
}

#[test]
fn a_remote_that_takes_no_deletions_is_told_and_done_once_it_does() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    // Git asks this of branches only.
    net.git("remote.git", &["config", "receive.denyDeletes", "true"]);
    let hook = net.folder("remote.git").join("hooks/update");
    let body = "#!/bin/sh\ncase $3 in *[!0]*) exit 0;; esac\necho deletion prohibited >&2\nexit 1\n";
    std::fs::write(&hook, body).expect("the hook is ours");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, mode).expect("the hook is ours");
    let (status, said) = net.exp("lab", &["purge", &id, "--because", "a token", "--yes", "--push"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("refused: refs/exp/log/") && said.contains("hook declined"), "{said}");
    assert_ne!(net.found("remote.git"), [""; 0]);
    // The new epoch is there all the same, so that nobody takes the old one for the present one.
    net.clone("second");
    net.exp("second", &["pull", "--data"]);
    assert_eq!(net.labels("second"), ["one", "three"]);
    assert_eq!(net.found("second"), [""; 0]);
    assert_eq!(net.exp("lab", &["push"]).0, 1, "it is tried again");
    std::fs::remove_file(&hook).expect("the hook is ours");
    net.exp_ok("lab", &["push"]);
    assert_eq!(net.found("remote.git"), [""; 0]);
}

#[test]
fn what_is_recorded_at_the_same_time_is_kept_and_stops_no_purge() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let run = |words: &[&str]| {
        let mut command = net.lab.exp_command(words);
        command.current_dir(net.folder("lab")).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null()).spawn().expect("it starts")
    };
    let mut runs: Vec<_> = (0..6).map(|_| run(&["run", "--label", "zest", "--", "true"])).collect();
    let mut pushing = run(&["push", "--data", "--yes"]);
    let said = net.exp("lab", &["purge", &id, "--because", "a token", "--yes"]);
    for child in &mut runs {
        assert!(child.wait().expect("it ends").success());
    }
    pushing.wait().expect("it ends");
    assert_eq!(said.0, 0, "{}", said.1);
    net.exp_ok("lab", &["push"]);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    let labels = net.labels("lab");
    assert_eq!(labels.iter().filter(|it| *it == "zest").count(), 6, "{labels:?}");
    assert_eq!(labels.len(), 8);
    net.assert_sound("lab");
}

#[test]
fn a_seal_that_two_withdrawals_name_goes_once() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    net.git("lab", &["tag", "-a", "-m", "sealed", "sealed/A-001", &data]);
    net.git("lab", &["push", "--quiet", "origin", "sealed/A-001"]);
    net.copy("lab", "copy");
    net.clone("second");
    net.exp_ok("second", &["pull", "--data"]);
    net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes", "--drop-refs", "--push"]);
    net.exp("copy", &["pull"]);
    net.git("copy", &["tag", "-f", "sealed/A-001", &net.git("second", &["rev-parse", "sealed/A-001"])]);
    net.exp_ok("copy", &["purge", "--yes", "--drop-refs", "--push"]);
    for _ in 0..2 {
        net.exp("second", &["pull", "--data"]);
    }
    assert_eq!(net.git("second", &["tag"]), "");
    assert_eq!(net.exp("second", &["pull", "--data"]).0, 0);
    assert_eq!(net.found("second"), [""; 0]);
}

#[test]
fn what_stays_because_another_entry_has_it_is_said_again() {
    let net = Net::new();
    net.lab.write("conf", SECRET);
    let run = net.record("lab", "one", "true");
    std::fs::remove_file(net.folder("lab").join("conf")).expect("it is there");
    net.exp_ok("lab", &["new", "two", "--hypothesis", "h", "--change", "c", "--from", &run]);
    let brief = net.json("lab", &["log", "--kind", "brief"])[0]["entry"].as_str().expect("an ID").to_owned();
    let told = format!("({})", &brief[..8]);
    let words = ["purge", &run, "--because", "a token", "--yes"];
    let first = net.exp_ok("lab", &words);
    assert!(first.contains("stays, because others have it too: code") && first.contains(&told), "{first}");
    let again = net.exp_ok("lab", &words);
    assert!(again.contains("stays, because others have it too: code") && again.contains(&told), "{again}");
    assert!(!again.contains("nothing else"), "{again}");
    // The experiment's branch begins there: with a worktree it is in the way.
    let (status, said) = net.exp("lab", &["purge", &brief, "--because", "a token", "--yes", "--drop-refs"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("rewrite or delete `refs/heads/exp/20261121-two` first"), "{said}");
    net.git("lab", &["worktree", "remove", "--force", ".worktrees/20261121-two"]);
    net.git("lab", &["worktree", "add", "--quiet", "--detach", "../aside", "exp/20261121-two"]);
    let (status, said) = net.exp("lab", &["purge", &brief, "--because", "a token", "--yes", "--drop-refs"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("also holds it: HEAD of ") && said.contains("aside"), "{said}");
    net.git("lab", &["worktree", "remove", "--force", "../aside"]);
    net.exp_ok("lab", &["purge", &brief, "--because", "a token", "--yes", "--drop-refs"]);
    assert_eq!(net.found("lab"), [""; 0]);
    assert_eq!(net.git("lab", &["branch", "--list", "exp/*"]), "");
    assert!(!net.exp_ok("lab", &words).contains("others have it too: code"));
}

#[test]
fn a_withdrawal_whose_reason_repeats_the_secret_goes_too_and_nothing_comes_back() {
    let net = Net::new();
    let id = net.with_secret_in_output();
    net.clone("late");
    net.exp_ok("late", &["pull", "--data"]);
    net.exp_ok("lab", &["purge", &id, "--because", SECRET, "--yes", "--push"]);
    net.clone("second");
    net.exp_ok("second", &["pull", "--data"]);
    assert_ne!(net.found("second"), [""; 0]);
    let withdrawal =
        net.json("lab", &["log", "--kind", "withdrawal"])[0]["entry"].as_str().expect("an ID").to_owned();
    net.exp_ok("lab", &["purge", &withdrawal, "--because", "its reason", "--yes", "--push"]);
    for clone in ["late", "second"] {
        net.exp_ok(clone, &["pull", "--data"]);
    }
    for clone in ["lab", "late", "second", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    for clone in ["lab", "late", "second"] {
        assert_eq!(net.labels(clone), ["one", "three"], "{clone}");
        net.assert_sound(clone);
    }
    assert!(net.exp_ok("late", &["show", &id[..8]]).contains("its reason"));

    // One that set a result aside only goes with it: else the result would be back.
    let one = net.runs("lab").remove(0).1;
    net.exp_ok("lab", &["purge", &one, "--keep-bytes", "--because", "another job ran", "--yes"]);
    let aside = net
        .json("lab", &["log", "--kind", "withdrawal"])
        .iter()
        .find(|it| it["subject"].as_str().is_some_and(|text| text.contains("another job ran")))
        .expect("it is listed")["entry"]
        .as_str()
        .expect("an ID")
        .to_owned();
    let (status, said) = net.exp("lab", &["purge", &aside, "--because", "b", "--yes"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains(&format!("name {}, too", &one[..8])), "{said}");
    net.exp_ok("lab", &["purge", &aside, &one, "--because", "b", "--yes"]);
    assert_eq!(net.labels("lab"), ["three"]);
}

#[test]
fn two_purges_at_once_are_both_carried_out() {
    let net = Net::new();
    net.record("lab", "one", "true");
    let ids = ["two", "three"].map(|label| net.record("lab", label, &format!("true {SECRET}")));
    let purge = |id: &String| {
        let mut command = net.lab.exp_command(["purge", id, "--because", "a token", "--yes", "--push"]);
        command.current_dir(net.folder("lab")).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::piped()).spawn().expect("it starts")
    };
    for child in ids.each_ref().map(purge) {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    net.exp_ok("lab", &["push"]);
    for clone in ["lab", "remote.git"] {
        assert_eq!(net.found(clone), [""; 0], "{clone}");
    }
    assert_eq!(net.labels("lab"), ["one"]);
    net.assert_sound("lab");
}

#[test]
fn a_dirty_run_goes_though_its_code_was_committed_since() {
    let net = Net::new();
    net.lab.write("train.py", "new code");
    let id = net.record("lab", "dirty", &format!("printf 'wormwood'; printf '%s\\n' '{}'", &SECRET[8..]));
    net.lab.commit_all("the new code");
    net.record("lab", "clean", "true");
    let said = net.exp_ok("lab", &["purge", &id, "--because", "a token", "--yes"]);
    assert!(said.contains("stays, because others have it too: code train.py"), "{said}");
    assert!(said.contains("code that goes: "), "the snapshot goes: {said}");
    assert_eq!(net.found("lab"), [""; 0]);
    assert_eq!(net.labels("lab"), ["clean"]);
    net.assert_sound("lab");
    // Whoever goes on from the commit is not in the way of anything.
    net.exp_ok("lab", &["new", "next", "--hypothesis", "h", "--change", "c"]);
    net.exp_ok("lab", &["push", "--data", "--yes"]);
}
