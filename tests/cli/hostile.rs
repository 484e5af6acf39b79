//! A remote that means harm: whatever it holds is shown as unreadable or left alone, never executed, never written outside `.git`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::TestLab;

/// A laboratory beside a remote that anybody may have written to.
struct Trap {
    lab: TestLab,
    /// What an honest clone stored for a run.
    honest: String,
}

impl Trap {
    /// A laboratory with a run of its own that was pushed, and a clone, `victim`, that has yet to pull.
    fn new() -> Self {
        let lab = TestLab::with_commit();
        lab.git(["clone", "--quiet", "--bare", ".", "../remote.git"]);
        let url = format!("file://{}", lab.path().with_file_name("remote.git").display());
        lab.git(["remote", "add", "origin", &url]);
        lab.exp_ok(["run", "--label", "honest", "--", "echo", "hello"]);
        lab.exp_ok(["push", "--data", "--yes"]);
        lab.git(["clone", "--quiet", &url, "../victim"]);
        let writer = lab.git(["config", "exp.writer"]);
        let honest = lab.git(["cat-file", "blob", &format!("refs/exp/log/{}:entry.json", writer.trim())]);
        Self { lab, honest }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.lab.path().with_file_name(name)
    }

    /// Runs git in the remote with this input; gives what it prints.
    #[track_caller]
    fn plumb(&self, words: &[&str], input: &[u8]) -> String {
        let mut command = self.lab.command(["git"]);
        command.args(words).current_dir(self.folder("remote.git")).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("git starts");
        let mut pipe = child.stdin.take().expect("a pipe was asked for");
        std::thread::scope(|scope| {
            scope.spawn(move || drop(pipe.write_all(input)));
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "git {words:?}");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    }

    fn tree_of(&self, name: &str, content: &[u8]) -> String {
        let blob = self.plumb(&["hash-object", "-w", "--stdin"], content);
        let row = format!("100644 blob {blob}\t{name}");
        // As bytes, since Git would refuse to write some of these names.
        match name.contains("..") || name.contains('/') {
            true => {
                let mut tree = format!("100644 {name}\0").into_bytes();
                tree.extend(
                    (0..20).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).expect("hex")),
                );
                self.plumb(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &tree)
            }
            false => self.plumb(&["mktree"], format!("{row}\n").as_bytes()),
        }
    }

    /// Puts a log there that ends with this entry.
    #[track_caller]
    fn log(&self, writer: &str, content: &[u8]) -> String {
        self.log_on(writer, &[], &self.tree_of("entry.json", content), "forged")
    }

    #[track_caller]
    fn log_on(&self, writer: &str, parents: &[&str], tree: &str, message: &str) -> String {
        let mut words = vec!["commit-tree", tree];
        for parent in parents {
            words.extend(["-p", parent]);
        }
        let commit = self.plumb(&words, message.as_bytes());
        self.plumb(&["update-ref", &format!("refs/exp/log/{writer}"), &commit], b"");
        commit
    }

    /// An entry like the honest one, with another nonce and `from` replaced by `to`.
    fn like(&self, number: u8, from: &str, to: &str) -> Vec<u8> {
        assert!(self.honest.contains(from), "{from} in {}", self.honest);
        let entry: Value = serde_json::from_str(&self.honest).expect("it is JSON");
        let nonce = entry["nonce"].as_str().expect("a nonce");
        let other = format!("{number:02x}").repeat(16);
        self.honest.replace(nonce, &other).replace(from, to).into_bytes()
    }

    fn victim(&self, words: &[&str]) -> Command {
        let mut command = self.lab.exp_command(words);
        command.current_dir(self.folder("victim"));
        command
    }

    /// What the victim sees: exit status, standard output, standard error; never raw control characters.
    #[track_caller]
    fn seen(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.victim(words).output().expect("git-exp starts");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is UTF-8");
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        for text in [&out, &said] {
            // In JSON, marks that turn the direction of writing are text like any other.
            let turns = |it: char| words[0] != "--json" && ('\u{202a}'..='\u{202e}').contains(&it);
            let is_raw = |it: char| (it.is_control() && it != '\n') || turns(it);
            assert!(!text.contains(is_raw), "{words:?} prints control characters: {text:?}");
            assert!(!text.contains("panicked"), "{words:?}: {text}");
        }
        let status = output.status.code().expect("it was not killed");
        assert!((0..=4).contains(&status), "{words:?}: {status} {said}");
        (status, out, said)
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = ["--json"].into_iter().chain(words.iter().copied()).collect();
        let (_, out, said) = self.seen(&words);
        let objects = serde_json::Deserializer::from_str(&out).into_iter();
        objects.map(|it| it.unwrap_or_else(|error| panic!("{error}: {out}{said}"))).collect()
    }

    /// Every file outside of `.git`, and beside the repositories.
    fn files(&self) -> BTreeSet<PathBuf> {
        fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
            for file in std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path())
            {
                if file.is_dir()
                    && file.file_name().is_some_and(|name| name != ".git" && name != "remote.git")
                {
                    walk(&file, found);
                }
                found.insert(file);
            }
        }
        let mut found = BTreeSet::new();
        walk(self.lab.path().parent().expect("it was made in a folder"), &mut found);
        found
    }

    /// Looks at everything in every way, twice.
    #[track_caller]
    fn look_around(&self) {
        for _ in 0..2 {
            for words in [
                &["runs"][..],
                &["runs", "--all", "--columns", "val_loss,lr"],
                &["log", "--all"],
                &["list"],
                &["status"],
                &["topic", "list"],
                &["idea", "list"],
                &["show", "20261121-scratch"],
                &["fsck"],
                &["fsck", "--repair"],
            ] {
                self.seen(words);
            }
        }
        let runs = self.json(&["runs"]);
        assert!(runs.iter().any(|run| run["label"] == "honest"), "{runs:?}");
    }

    /// The IDs of what cannot be read, with what is said of each.
    fn unreadable(&self) -> Vec<(String, String)> {
        let text = |it: &Value, key: &str| it[key].as_str().expect("a text").to_owned();
        self.json(&["log", "--kind", "unreadable"])
            .iter()
            .map(|it| (text(it, "entry"), text(it, "subject")))
            .collect()
    }
}

#[test]
fn entries_of_absurd_size_are_not_read_into_memory() {
    let trap = Trap::new();
    let mut huge = b"{\"schema\":\"".to_vec();
    huge.resize(200 << 20, b' ');
    trap.log("00000000a1", &huge);
    drop(huge);
    trap.log("00000000a2", &b"[".repeat(8 << 20));
    assert_eq!(trap.seen(&["pull"]).0, 0);
    // With less memory than the entry has bytes.
    let program = trap.victim(&[]).get_program().to_owned();
    let mut command = trap.lab.command(["sh", "-c", "ulimit -v 600000; exec \"$0\" log --kind unreadable"]);
    command.arg(program).current_dir(trap.folder("victim"));
    let output = command.output().expect("sh starts");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("larger than any entry may be"), "{text}");
    let unreadable = trap.unreadable();
    assert_eq!(unreadable.len(), 2, "{unreadable:?}");
    for (id, problem) in unreadable {
        let (_, out, said) = trap.seen(&["show", &id]);
        assert!(out.contains("problem"), "{problem}: {out}{said}");
    }
    trap.look_around();
}

#[test]
fn names_that_lead_elsewhere_lead_nowhere() {
    let trap = Trap::new();
    let before = trap.files();
    let tip = trap.plumb(&["rev-parse", "main"], b"");
    // Names of experiments and topics, in entries that are right but for that.
    for (number, name) in
        ["../../../../owned", "/tmp/owned", "..", "-rf", "a/../../b", ".git/config"].into_iter().enumerate()
    {
        let number = u8::try_from(number).expect("few");
        let entry = trap.like(number + 1, "20261121-scratch", name);
        trap.log(&format!("00000000b{number}"), &entry);
    }
    // Names in the tree of an entry, and of its files.
    for (number, name) in ["../entry.json", "..", ".git", "sub/entry.json"].into_iter().enumerate() {
        let blob = trap.tree_of(name, b"out of here");
        trap.log_on(&format!("00000000c{number}"), &[], &blob, "forged");
        let file = format!("\"tree\":\"{blob}\",\"list\":[[\"../../owned\",11,\"{}\"]]", "ab".repeat(32));
        let start = trap.honest.find("\"files\":{").expect("it has files") + "\"files\":{".len();
        let end = start + trap.honest[start..].find("]]}").expect("the list ends") + 2;
        let list = trap.honest[start..end].to_owned();
        let entry = trap.like(0x20 + u8::try_from(number).expect("few"), &list, &file);
        trap.log(&format!("00000000d{number}"), &entry);
    }
    // Names of writers and tags, as a server could send them.
    let mut packed =
        std::fs::read_to_string(trap.folder("remote.git").join("packed-refs")).unwrap_or_default();
    for name in [
        "refs/exp/log/UPPER",
        "refs/exp/log/a/b/c",
        "refs/exp/log/00000000-0",
        "refs/tags/sealed/-x",
        "refs/tags/sealed/a/b",
    ] {
        let _ = writeln!(packed, "{tip} {name}");
    }
    let _ = writeln!(packed, "{tip} refs/exp/log/..%2f..%2fowned");
    let mut lines: Vec<&str> = packed.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_by_key(|line| line.split(' ').nth(1));
    std::fs::write(trap.folder("remote.git").join("packed-refs"), lines.join("\n") + "\n")
        .expect("it is ours");

    trap.seen(&["pull"]);
    trap.look_around();
    for (id, _) in trap.unreadable() {
        trap.seen(&["show", &id]);
        trap.seen(&["show", &id, "--files"]);
    }
    for run in trap.json(&["runs"]) {
        let id = run["run"].as_str().expect("an ID").to_owned();
        for part in [&["--files"][..], &["--stdout"], &["--file", "../../owned"]] {
            trap.seen(&[&["show", &id], part].concat());
        }
    }
    let strange: Vec<PathBuf> = trap.files().difference(&before).cloned().collect();
    assert_eq!(strange, [] as [PathBuf; 0]);
    assert_eq!(trap.lab.git(["-C", "../victim", "status", "--porcelain"]), "");
    assert!(!Path::new("/tmp/owned").exists());
}

#[test]
fn control_characters_in_fields_never_reach_the_terminal() {
    let trap = Trap::new();
    let escape = "\\u001b]0;owned\\u0007\\u001b[2J\\u202eevil\\r\\u0008";
    for (number, field) in
        ["\"label\":\"honest\"", "\"name\":\"Ada Lovelace\"", "\"email\":\"ada@example.org\"", "\"echo\""]
            .into_iter()
            .enumerate()
    {
        let value = field.rsplit('"').nth(1).expect("quoted");
        let entry = trap.like(u8::try_from(number).expect("few") + 1, field, &field.replace(value, escape));
        trap.log(&format!("00000000e{number}"), &entry);
    }
    let kind = trap.like(9, "\"kind\":\"run\"", &format!("\"kind\":\"{escape}\""));
    trap.log("00000000e9", &kind);
    let schema = trap.like(10, "git-exp/entry/1", &format!("git-exp/entry/2{escape}"));
    trap.log("00000000ea", &schema);
    // A subject and a name that are no UTF-8, in the commit.
    let tree = trap.tree_of("other", b"x");
    trap.log_on("00000000eb", &[], &tree, "\u{1b}[31mred\u{7}\n\nEntry: \u{1b}[0m\n");
    assert_eq!(trap.seen(&["pull"]).0, 0);
    trap.look_around();
    for entry in trap.json(&["log"]) {
        let id = entry["entry"].as_str().expect("an ID").to_owned();
        trap.seen(&["show", &id]);
    }
}

#[test]
fn what_is_no_entry_stands_as_unreadable_under_an_id() {
    let trap = Trap::new();
    trap.log("00000000a1", b"{ no JSON");
    trap.log("00000000a2", &b"{\"a\":".repeat(300_000));
    trap.log("00000000a3", &trap.like(3, "git-exp/entry/1", "git-exp/entry/99"));
    trap.log("00000000a4", &trap.like(4, "\"kind\":\"run\"", "\"kind\":\"spell\""));
    trap.log("00000000a5", b"");
    trap.log("00000000a6", b"\xff\xfe\x00\x00");
    trap.log("00000000a7", &trap.like(7, "\"status\":\"ok\"", "\"status\":\"splendid\""));
    trap.log("00000000a8", &trap.like(8, "\"started\":\"20", "\"started\":\"-9999999999"));
    assert_eq!(trap.seen(&["pull"]).0, 0);
    let unreadable = trap.unreadable();
    assert_eq!(unreadable.len(), 8, "{unreadable:#?}");
    for (id, problem) in &unreadable {
        let (status, out, said) = trap.seen(&["show", id]);
        assert_eq!(status, 0, "{problem}: {out}{said}");
    }
    trap.look_around();
}

#[test]
fn circles_strangers_and_merges_in_chains_end() {
    let trap = Trap::new();
    let main = trap.plumb(&["rev-parse", "main"], b"");
    let tree = |content: &[u8]| trap.tree_of("entry.json", content);
    // Two that replace each other would need each other's hash; two that replace themselves by what is not there can be.
    let replaces = |id: &str| format!("\"replaces\":[\"{id}\"],\"tool\":");
    for (number, id) in ["ab".repeat(32), "00".repeat(32)].iter().enumerate() {
        let entry = trap.like(u8::try_from(number).expect("few") + 1, "\"tool\":", &replaces(id));
        trap.log(&format!("00000000a{number}"), &entry);
    }
    // A circle of answers over three entries of one log, as far as hashes let it close.
    let mut last = "cd".repeat(32);
    let mut parent: Option<String> = None;
    for number in 0x30..0x40 {
        let entry = trap.like(
            number,
            "\"tool\":",
            &format!("\"replaces\":[\"{last}\",\"{last}\"],\"answers\":\"{last}\",\"tool\":"),
        );
        last = blake3::hash(&entry).to_hex().to_string();
        let parents: Vec<&str> = parent.iter().map(String::as_str).collect();
        parent = Some(trap.log_on("00000000b0", &parents, &tree(&entry), "forged"));
    }
    // Parents that are no entries, and a merge of two logs.
    trap.log_on("00000000c0", &[&main], &tree(&trap.like(0x50, "honest", "on code")), "forged");
    let other = trap.log("00000000c1", &trap.like(0x51, "honest", "one side"));
    let another = trap.log("00000000c2", &trap.like(0x52, "honest", "other side"));
    trap.log_on(
        "00000000c3",
        &[&other, &another, &main],
        &tree(&trap.like(0x53, "honest", "merge")),
        "merge",
    );
    // Replace refs and grafts that would hide the honest log.
    let writer = trap.lab.git(["config", "exp.writer"]);
    let honest = trap.plumb(&["rev-parse", &format!("refs/exp/log/{}", writer.trim())], b"");
    trap.plumb(&["update-ref", &format!("refs/replace/{honest}"), &other], b"");
    trap.lab.git(["-C", "../victim", "fetch", "--quiet", "origin", "+refs/replace/*:refs/replace/*"]);
    std::fs::create_dir_all(trap.folder("victim/.git/info")).expect("a folder");
    std::fs::write(trap.folder("victim/.git/info/grafts"), format!("{honest} {main}\n")).expect("it is ours");
    trap.seen(&["pull"]);
    trap.look_around();
    let labels: Vec<_> = trap.json(&["runs"]).iter().map(|run| run["label"].to_string()).collect();
    assert!(labels.contains(&"\"honest\"".to_owned()), "{labels:?}");
    assert!(trap.folder("victim/.git/refs/replace").exists(), "the replace ref was there all the while");
}

#[test]
fn nothing_that_a_remote_holds_is_executed() {
    let trap = Trap::new();
    let before = trap.files();
    let payload = "$(touch owned); `touch owned`; touch owned";
    for (number, field) in ["\"label\":\"honest\"", "\"Ada Lovelace\"", "\"hello\""].into_iter().enumerate() {
        let value = field.rsplit('"').nth(1).expect("quoted");
        let entry = trap.like(u8::try_from(number).expect("few") + 1, field, &field.replace(value, payload));
        trap.log(&format!("00000000f{number}"), &entry);
    }
    trap.log("00000000f8", &trap.like(8, "\"kind\":\"run\"", "\"kind\":\"--upload-pack=touch owned\""));
    let tip = trap.plumb(&["rev-parse", "main"], b"");
    trap.plumb(&["tag", "-a", "-m", payload, "sealed/A-001", &tip], b"");
    trap.seen(&["pull", "--data"]);
    trap.look_around();
    trap.seen(&["verify", "sealed/A-001"]);
    trap.seen(&["show", "sealed/A-001"]);
    assert_eq!(trap.files(), before);
}

/// `GIT_EXP_HOSTILE_LOGS=100000` takes as many; most of the time goes into writing as many refs, by Git and by us.
#[test]
fn a_flood_of_tiny_logs_is_taken_in_in_bounded_time() {
    let count: u32 =
        std::env::var("GIT_EXP_HOSTILE_LOGS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let trap = Trap::new();
    let tiny = trap.log("00000000b1", b"{}");
    let path = trap.folder("remote.git").join("packed-refs");
    trap.plumb(&["pack-refs", "--all"], b"");
    let known = std::fs::read_to_string(&path).expect("refs were packed");
    let mut lines: Vec<String> =
        known.lines().filter(|line| !line.starts_with(['#', '^'])).map(str::to_owned).collect();
    lines.extend(
        (0..count).map(|number| format!("{tiny} refs/exp/log/{:012x}", 0x1000_0000 + u64::from(number))),
    );
    lines.sort_by(|a, b| a.split(' ').nth(1).cmp(&b.split(' ').nth(1)));
    std::fs::write(&path, format!("# pack-refs with: sorted\n{}\n", lines.join("\n"))).expect("it is ours");
    let began = Instant::now();
    let came = trap.json(&["pull"])[0]["came"].as_array().expect("a list").len();
    let took = began.elapsed();
    assert_eq!(came, count as usize + 2);
    let began = Instant::now();
    let runs = trap.json(&["runs"]);
    let listed = began.elapsed();
    assert_eq!(runs.len(), 1);
    println!("{count} logs: pulled in {took:.1?}, listed in {listed:.1?}");
    assert!(took + listed < Duration::from_mins(4), "pulled in {took:.1?}, listed in {listed:.1?}");
}
