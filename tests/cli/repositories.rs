//! All sorts of repositories and worktrees, and that the user's own things stay as they are.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::lab::TestLab;

fn only_run(lab: &TestLab) -> serde_json::Value {
    let runs = lab.exp_json(["runs"]);
    assert_eq!(runs.len(), 1, "{runs:#?}");
    runs[0].clone()
}

#[test]
fn the_first_run_needs_nothing_at_all() {
    let lab = TestLab::new();
    lab.write("train.py", "print('hi')\n");
    lab.exp_ok(["run", "--", "true"]);
    let run = only_run(&lab);
    assert_eq!(run["experiment"], "20261121-scratch");
    assert_eq!(run["status"], "ok");
    let commit = run["commit"].as_str().expect("a run has a commit");
    assert_eq!(lab.git(["show", &format!("{commit}:train.py")]), "print('hi')\n");
}

#[test]
fn a_sha256_repository_works() {
    let lab = TestLab::without_repository();
    lab.git(["init", "--quiet", "--object-format=sha256"]);
    lab.write("a", "1\n");
    lab.commit_all("first");
    lab.write("a", "2\n");
    lab.exp_ok(["run", "--", "true"]);
    assert_eq!(only_run(&lab)["commit"].as_str().map(str::len), Some(64));
    lab.exp_ok(["fsck"]);
    assert!(lab.git(["log", "-1"]).contains("20261121-scratch ok dirty"));
}

#[test]
fn a_reftable_repository_is_refused_with_the_way_out() {
    let lab = TestLab::without_repository();
    lab.git(["init", "--quiet", "--ref-format=reftable"]);
    insta::assert_snapshot!(lab.exp(["runs"]), @r"
    exit: 2
    --- stderr
    error: the repository format `reftable` is not supported
    hint: `git refs migrate --ref-format=files` turns it into one that is
    ");
}

#[test]
fn outside_a_repository_the_way_in_is_named() {
    let lab = TestLab::without_repository();
    insta::assert_snapshot!(lab.exp(["run", "--", "true"]), @r"
    exit: 125
    --- stderr
    error: there is no Git repository in `<lab>` or above it
    hint: `git init` makes one; `git exp` keeps everything in it
    ");
}

#[test]
fn a_detached_head_is_no_obstacle() {
    let lab = TestLab::with_commit();
    lab.git(["checkout", "--quiet", "--detach"]);
    lab.exp_ok(["run", "--", "true"]);
    assert_eq!(only_run(&lab)["status"], "ok");
}

#[test]
fn a_bare_repository_is_read_but_runs_nothing() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["run", "--", "true"]);
    lab.git(["clone", "--quiet", "--mirror", ".", "../bare.git"]);
    let mut list = lab.exp_command(["--json", "runs"]);
    let output = list.current_dir(lab.path().join("../bare.git")).output().expect("git-exp starts");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    let mut run = lab.exp_command(["run", "--", "true"]);
    let output = run.current_dir(lab.path().join("../bare.git")).output().expect("git-exp starts");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no worktree"));
}

#[test]
fn shallow_and_partial_clones_work() {
    let lab = TestLab::with_commit();
    lab.write("a", "1\n");
    lab.commit_all("second");
    lab.git(["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", lab.path().display());
    lab.git(["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    lab.git(["clone", "--quiet", "--filter=blob:none", &url, "../partial"]);
    for place in ["../shallow", "../partial"] {
        let directory = lab.path().join(place);
        for words in [&["run", "--", "true"][..], &["runs"], &["fsck"]] {
            let output = lab.exp_command(words).current_dir(&directory).output().expect("git-exp starts");
            assert!(
                output.status.success(),
                "{place} {words:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

/// Everything in the worktree and the index, byte by byte.
fn everything(lab: &TestLab) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, found: &mut Vec<(std::path::PathBuf, Vec<u8>)>) {
        let mut items: Vec<_> =
            fs::read_dir(folder).expect("a folder").map(|item| item.expect("an item").path()).collect();
        items.sort();
        for path in items {
            if path.ends_with(".git") || path.ends_with(".worktrees") {
                continue;
            }
            match path.is_dir() {
                true => walk(&path, found),
                false => found.push((path.clone(), fs::read(&path).expect("a file"))),
            }
        }
    }
    let mut found = Vec::new();
    walk(lab.path(), &mut found);
    let index = lab.path().join(".git/index");
    found.push((index.clone(), fs::read(index).unwrap_or_default()));
    found
}

#[test]
fn staged_changes_index_and_files_stay_byte_for_byte() {
    let lab = TestLab::with_commit();
    lab.write("staged", "staged\n");
    lab.git(["add", "staged"]);
    lab.write("staged", "changed after\n");
    lab.write("README", "modified\n");
    lab.write("untracked", "new\n");
    lab.write("gone", "x\n");
    lab.git(["add", "gone"]);
    fs::remove_file(lab.path().join("gone")).expect("it is there");
    let before = everything(&lab);
    lab.exp_ok(["run", "--", "true"]);
    lab.exp_ok(["new", "thing", "--hypothesis", "h"]);
    lab.exp_ok(["note", "20261121-thing", "hello"]);
    for words in
        [&["runs"][..], &["list"], &["status"], &["log"], &["fsck"], &["show", "20261121-thing"], &["init"]]
    {
        lab.exp_ok(words);
    }
    lab.exp_ok(["archive", "20261121-thing"]);
    assert!(everything(&lab) == before, "a command changed the worktree or the index");
    let commit = only_run(&lab)["commit"].as_str().expect("a commit").to_owned();
    assert_eq!(lab.git(["show", &format!("{commit}:staged")]), "changed after\n");
    assert_eq!(lab.git(["ls-tree", "--name-only", &commit]), "README\nstaged\nuntracked\n");
}

#[test]
fn names_that_are_not_text_are_kept() {
    let lab = TestLab::with_commit();
    for name in [&b"caf\xe9.txt"[..], b"two words", b"line\nbreak", b"\"quoted\"", b"tab\there"] {
        fs::write(lab.path().join(std::ffi::OsStr::from_bytes(name)), name)
            .expect("the file system takes it");
    }
    lab.exp_ok(["run", "--", "true"]);
    let commit = only_run(&lab)["commit"].as_str().expect("a commit").to_owned();
    assert_eq!(lab.git(["ls-tree", "-z", "--name-only", &commit]).split('\0').count(), 7);
    assert_eq!(only_run(&lab)["exact"], true);
}

#[test]
fn assume_unchanged_filters_and_secrets_make_a_run_inexact_and_are_told() {
    let lab = TestLab::with_commit();
    lab.write(".gitattributes", "*.up filter=upper\n*.txt eol=crlf\n");
    lab.write("hidden", "1\n");
    lab.commit_all("attributes");
    lab.git(["config", "filter.upper.clean", "tr a-z A-Z"]);
    lab.git(["update-index", "--assume-unchanged", "hidden"]);
    lab.write("hidden", "2\n");
    lab.write("word.up", "shout\n");
    lab.write("lines.txt", "one\r\ntwo\r\n");
    lab.write(".env", "KEY=value\n");
    let said = lab.exp(["run", "--", "true"]);
    for words in [
        "`hidden` is marked as unchanged",
        "`word.up` is stored as a filter",
        "`lines.txt` is stored",
        "`.env` was left out",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    let run = only_run(&lab);
    assert_eq!(run["exact"], false);
    let commit = run["commit"].as_str().expect("a commit").to_owned();
    assert_eq!(lab.git(["show", &format!("{commit}:word.up")]), "SHOUT\n");
    assert!(!lab.git(["ls-tree", "--name-only", &commit]).contains(".env"));
}

#[test]
fn submodules_are_recorded_with_their_commits_and_changes() {
    let lab = TestLab::with_commit();
    lab.git(["init", "--quiet", "../library"]);
    let library = lab.path().join("../library");
    fs::write(library.join("lib.py"), "x = 1\n").expect("a file");
    lab.git(["-C", "../library", "add", "."]);
    lab.git(["-C", "../library", "commit", "--quiet", "-m", "library"]);
    lab.git(["submodule", "--quiet", "add", "../library", "library"]);
    lab.commit_all("with a library");
    lab.exp_ok(["run", "--", "true"]);
    let run = only_run(&lab);
    assert_eq!(run["exact"], true, "{run:#?}");
    lab.write("library/lib.py", "x = 2\n");
    let said = lab.exp(["run", "--label", "dirty", "--", "true"]);
    assert!(said.contains("the submodule `library` has changes"), "{said}");
}

#[test]
fn replace_refs_change_nothing_of_what_was_recorded() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["run", "--", "true"]);
    let before = lab.exp_ok(["--json", "runs"]);
    let log = lab.git(["for-each-ref", "--format=%(objectname)", "refs/exp/log"]);
    let other = lab.git(["rev-parse", "HEAD"]);
    lab.git(["replace", log.trim(), other.trim()]);
    fs::remove_dir_all(lab.path().join(".git/exp/index")).expect("the index is there");
    assert_eq!(lab.exp_ok(["--json", "runs"]), before);
}

#[test]
fn a_repository_among_the_artifacts_is_kept_under_another_name() {
    let lab = TestLab::with_commit();
    lab.exp_ok([
        "run",
        "--",
        "sh",
        "-c",
        "cd \"$GIT_EXP_OUT\" && mkdir -p model/.git && echo x > model/.git/config && echo y > 'a b'",
    ]);
    let run = only_run(&lab);
    let id = run["run"].as_str().expect("an ID");
    let files = lab.exp_ok(["show", id, "--files"]);
    assert!(files.contains("out/a b"), "{files}");
    assert!(!files.contains("/.git/"), "{files}");
    lab.git(["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn clocks_that_are_far_off_harm_nothing_but_their_dates() {
    let lab = TestLab::with_commit();
    for now in ["2038-01-19T03:14:08Z", "1970-01-01T00:00:00Z", "2026-11-21T12:00:00Z"] {
        lab.set_clock(now);
        lab.exp_ok(["run", "--", "true"]);
    }
    assert_eq!(lab.exp_json(["runs"]).len(), 3);
    lab.exp_ok(["fsck"]);
    lab.git(["fsck", "--strict", "--no-dangling"]);
    let log = lab.git(["for-each-ref", "--format=%(refname)", "refs/exp/log"]);
    let dates = lab.git(["log", "--first-parent", "--format=%ct", log.trim()]);
    let dates: Vec<i64> = dates.lines().map(|date| date.parse().expect("a date")).collect();
    assert!(dates.is_sorted_by(|a, b| a >= b), "committer dates go forward: {dates:?}");
}

#[test]
fn a_branch_in_the_way_is_named() {
    let lab = TestLab::with_commit();
    lab.git(["branch", "exp"]);
    insta::assert_snapshot!(lab.exp(["new", "thing", "--hypothesis", "h"]), @r"
    exit: 2
    --- stderr
    error: cannot create `refs/heads/exp/20261121-thing`, because `refs/heads/exp` exists
    hint: rename the branch: git branch -m exp exp-old
    ");
    lab.git(["branch", "research"]);
    let said = lab.exp(["topic", "new", "moe", "--prefix", "MOE"]);
    assert!(said.contains("`refs/heads/research` exists"), "{said}");
}
