//! Rules about files: checked in commits, index and worktree, and by Git hooks.

use std::process::Output;

use crate::lab::TestLab;

const LEAD: (&str, &str) = ("The Lead", "lead@example.org");

const RULES: &str = r#"
[files]
frozen = ["eval/**", "program.md"]
append-only = ["journal.md", "größe ö.md", "log.bin", { path = "NEWS.md", newest = "first" }]
main-only = ["results.tsv"]
[files.owner]
"src/api/**" = "lead"

[roles]
lead = ["lead@example.org"]
"#;

/// A repository with rules on `main`, the topic `mixing`, and its experiment `A-001` on the branch that is checked out.
fn experiment() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", RULES);
    let files = [
        ("eval/score.py", "score\n"),
        ("program.md", "the programme\n"),
        ("journal.md", "one\n"),
        ("größe ö.md", "eins\n"),
        ("log.bin", "\0\u{1}x"),
        ("NEWS.md", "old\n"),
        ("results.tsv", "a\t1\n"),
        ("src/api/wire.rs", "fn wire() {}\n"),
        ("train.py", "train\n"),
    ];
    for (path, text) in files {
        lab.write(path, text);
    }
    lab.commit_all("a model and its rules");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    let brief =
        ["--hypothesis", "h", "--change", "c", "--accept", "wall_time <= -5%", "--no-guard", "a test"];
    let rest = ["--topic", "mixing", "--baseline", "main", "--budget", "runs=50", "--no-worktree"];
    lab.exp_ok(["new", "first"].into_iter().chain(brief).chain(rest));
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab
}

/// Breaks every rule that the branch of an experiment can break.
fn break_all(lab: &TestLab) {
    lab.write("eval/score.py", "score = 1\n");
    lab.write("eval/new file.py", "new\n");
    std::fs::remove_file(lab.path().join("program.md")).expect("it is there");
    lab.write("journal.md", "two\n");
    lab.write("größe ö.md", "zwei\n");
    lab.write("log.bin", "\0\u{2}x");
    lab.write("NEWS.md", "old\nnew\n");
    lab.write("results.tsv", "a\t2\n");
    lab.write("src/api/wire.rs", "fn wire(x: u8) {}\n");
}

/// What `person` sees of a program.
fn by(lab: &TestLab, person: (&str, &str), words: &[&str]) -> Output {
    let mut command = lab.command(words);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), person.0).env(format!("GIT_{role}_EMAIL"), person.1);
    }
    command.output().expect("it can be started")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The rules that are not kept, with what is wrong, and the exit status.
fn found(lab: &TestLab, arguments: &[&str]) -> Vec<String> {
    let output = lab.exp_output(["--json", "check"].iter().chain(arguments));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let view: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("not JSON: {text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(view["schema"], "git-exp/check/1");
    let breaches = view["breaches"].as_array().expect("a list");
    assert_eq!(output.status.code(), Some(i32::from(!breaches.is_empty())));
    let word = |it: &serde_json::Value, key: &str| it[key].as_str().expect("a text").to_owned();
    breaches.iter().map(|it| format!("{}: {}", word(it, "rule"), word(it, "what"))).collect()
}

#[test]
fn every_breach_in_the_worktree_is_named_with_what_to_do() {
    let lab = experiment();
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 0
    --- stdout
    no breaches
    ");
    break_all(&lab);
    insta::assert_snapshot!(lab.exp(["check"]), @r#"
    exit: 1
    --- stdout
    append-only  `NEWS.md` only grows, and what was in it is no longer its end
      put back what was there, and only add to it (`git diff HEAD -- NEWS.md` shows what went); or let somebody with the role set the rule aside: git exp override append-only --path NEWS.md -e A-001 --because "…"
    frozen  `eval/new file.py` is frozen, and it is new
      put it back: git rm --cached 'eval/new file.py'; or let somebody with the role set the rule aside: git exp override frozen --path 'eval/new file.py' -e A-001 --because "…"
    frozen  `eval/score.py` is frozen, and it was changed
      put it back: git checkout HEAD -- eval/score.py; or let somebody with the role set the rule aside: git exp override frozen --path eval/score.py -e A-001 --because "…"
    append-only  `größe ö.md` only grows, and what was in it is no longer its beginning
      put back what was there, and only add to it (`git diff HEAD -- 'größe ö.md'` shows what went); or let somebody with the role set the rule aside: git exp override append-only --path 'größe ö.md' -e A-001 --because "…"
    append-only  `journal.md` only grows, and what was in it is no longer its beginning
      put back what was there, and only add to it (`git diff HEAD -- journal.md` shows what went); or let somebody with the role set the rule aside: git exp override append-only --path journal.md -e A-001 --because "…"
    append-only  `log.bin` only grows, and what was in it is no longer its beginning
      put back what was there, and only add to it (`git diff HEAD -- log.bin` shows what went); or let somebody with the role set the rule aside: git exp override append-only --path log.bin -e A-001 --because "…"
    frozen  `program.md` is frozen, and it is gone
      put it back: git checkout HEAD -- program.md; or let somebody with the role set the rule aside: git exp override frozen --path program.md -e A-001 --because "…"
    main-only  `results.tsv` changes on the main branch only, and it was changed on `exp/A-001`
      put it back: git checkout HEAD -- results.tsv; or let somebody with the role set the rule aside: git exp override main-only --path results.tsv -e A-001 --because "…"
    owned  `src/api/wire.rs` belongs to `lead`, and it was changed by Ada Lovelace <ada@example.org>
      ask for approval: git exp review A-001 approve --because "…"; or let somebody with the role set the rule aside: git exp override owned --path src/api/wire.rs -e A-001 --because "…"
    "#);
}

#[test]
fn the_worktree_the_index_and_the_commits_are_told_alike() {
    let lab = experiment();
    break_all(&lab);
    let in_worktree = found(&lab, &[]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0]);
    assert_eq!(lab.exp(["check", "--staged"]), "exit: 0\n", "a hook is quiet where all is well");
    lab.git(["add", "--all"]);
    assert_eq!(found(&lab, &["--staged"]), in_worktree);
    assert_eq!(found(&lab, &[]), in_worktree);
    lab.git(["commit", "--quiet", "-m", "all of it"]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0]);
    assert_eq!(found(&lab, &[]), in_worktree);
    assert_eq!(found(&lab, &["--range", "main..HEAD"]), in_worktree);
    assert_eq!(found(&lab, &["--range", "main"]), in_worktree);
    lab.git(["switch", "--quiet", "main"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
    assert_eq!(found(&lab, &["A-001"]), in_worktree);
    // What follows puts it right, in the index as in the worktree.
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.git(["checkout", "main", "--", "."]);
    lab.git(["rm", "--quiet", "eval/new file.py"]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0]);
    assert_eq!(found(&lab, &[]), in_worktree, "it is not committed yet");
    lab.git(["commit", "--quiet", "-m", "as it was"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
}

#[test]
fn what_grows_where_it_should_is_fine() {
    let lab = experiment();
    lab.write("journal.md", "one\ntwo\n");
    lab.write("größe ö.md", "eins\r\nzwei\r\n".replace('\r', ""));
    lab.write("log.bin", "\0\u{1}xy\0");
    lab.write("NEWS.md", "new\nold\n");
    lab.write("train.py", "otherwise\n");
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.commit_all("more");
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.write("journal.md", "one\r\ntwo\r\n");
    assert_eq!(found(&lab, &[]), ["append-only: `journal.md` only grows, and its line ends were changed"]);
    // Where Git stores line ends in one way, the worktree may have them in another.
    lab.git(["config", "core.autocrlf", "true"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
}

#[test]
fn to_rename_is_to_remove_and_to_make_anew() {
    let lab = experiment();
    lab.git(["mv", "eval/score.py", "score.py"]);
    lab.git(["mv", "train.py", "eval/train.py"]);
    lab.git(["mv", "journal.md", "old journal.md"]);
    insta::assert_snapshot!(found(&lab, &["--staged"]).join("\n"), @"
    frozen: `eval/score.py` is frozen, and it is gone
    frozen: `eval/train.py` is frozen, and it is new
    append-only: `journal.md` only grows, and it is gone
    ");
    assert_eq!(found(&lab, &[]), found(&lab, &["--staged"]));
}

#[test]
fn an_experiment_cannot_loosen_its_own_rules() {
    let lab = experiment();
    lab.write("exp.toml", "");
    lab.write("eval/score.py", "score = 1\n");
    lab.commit_all("no more rules");
    insta::assert_snapshot!(lab.exp(["check"]), @r#"
    exit: 1
    --- stdout
    frozen  `eval/score.py` is frozen, and it was changed
      put it back: git checkout <id 1> -- eval/score.py; or let somebody with the role set the rule aside: git exp override frozen --path eval/score.py -e A-001 --because "…"
    --- stderr
    `exp.toml` is another one here than where it was agreed on; the rules are those of `research/mixing:exp.toml`
    "#);
}

#[test]
fn a_branch_takes_over_what_was_agreed_on_and_no_more() {
    let lab = experiment();
    lab.write("journal.md", "one\nours\n");
    lab.commit_all("ours");
    lab.git(["switch", "--quiet", "main"]);
    lab.write("eval/score.py", "score = 2\n");
    lab.write("results.tsv", "a\t1\nb\t2\n");
    lab.write("journal.md", "one\ntheirs\n");
    lab.commit_all("on main");
    lab.exp_ok(["init", "--hooks"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    let merged = by(&lab, LEAD, &["git", "merge", "--quiet", "main"]);
    assert!(!merged.status.success(), "the journals are in conflict");
    lab.write("journal.md", "one\nours\n");
    lab.git(["add", "--all"]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0], "what the branch had is still there");
    lab.write("journal.md", "one\ntheirs\nours\n");
    lab.git(["add", "--all"]);
    lab.git(["commit", "--quiet", "-m", "merge"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
}
