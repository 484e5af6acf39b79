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
    --- stderr
    A-001 has 9 files with uncommitted changes
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
    A-001 changes 2 files: 1 line added, 11 removed
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

#[test]
fn a_commit_that_breaks_a_rule_is_refused_by_the_hook() {
    let lab = experiment();
    insta::assert_snapshot!(lab.exp(["init", "--hooks"]), @"
    exit: 0
    --- stdout
    this clone already goes by the name `<id 1>`
    plain `git log` shows results from now on (`notes.displayRef`)
    hooks that check the rules about files: pre-commit, pre-merge-commit
    ");
    lab.write("train.py", "otherwise\n");
    lab.git(["add", "--all"]);
    lab.git(["commit", "--quiet", "-m", "a change that may be made"]);
    for (path, rule) in [
        ("eval/score.py", "frozen"),
        ("journal.md", "append-only"),
        ("results.tsv", "main-only"),
        ("src/api/wire.rs", "owned"),
    ] {
        lab.write(path, "otherwise\n");
        // Git gives the hook an index of its own where a commit takes some files only.
        let refused =
            by(&lab, ("Ada Lovelace", "ada@example.org"), &["git", "commit", "-q", "-m", "x", "--", path]);
        assert_eq!(refused.status.code(), Some(1), "{path}");
        assert!(text(&refused).contains(rule) && text(&refused).contains(path), "{}", text(&refused));
        lab.git(["checkout", "--quiet", "HEAD", "--", path]);
    }
    lab.write("src/api/wire.rs", "otherwise\n");
    let passed = by(&lab, LEAD, &["git", "commit", "--quiet", "--all", "-m", "by the owner"]);
    assert!(passed.status.success(), "{}", text(&passed));
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.git(["switch", "--quiet", "main"]);
    lab.write("results.tsv", "a\t1\nb\t2\n");
    lab.git(["commit", "--quiet", "--all", "-m", "results on main"]);
}

#[test]
fn the_hook_lets_merges_through_that_bring_in_what_was_agreed_on() {
    let lab = experiment();
    lab.exp_ok(["init", "--hooks"]);
    lab.write("train.py", "otherwise\n");
    lab.git(["commit", "--quiet", "--all", "-m", "ours"]);
    lab.git(["switch", "--quiet", "main"]);
    lab.write("eval/score.py", "score = 2\n");
    lab.git(["commit", "--quiet", "--all", "--no-verify", "-m", "a new score"]);
    lab.write("README", "otherwise\n");
    lab.git(["commit", "--quiet", "--all", "-m", "more on main"]);
    lab.git(["switch", "--quiet", "exp/A-001"]);
    lab.git(["merge", "--quiet", "--no-edit", "main~1"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
    // The other way round, main is told what the experiment brings.
    lab.write("program.md", "another programme\n");
    lab.git(["commit", "--quiet", "--all", "--no-verify", "-m", "past the hook"]);
    lab.git(["switch", "--quiet", "main"]);
    let refused = by(&lab, LEAD, &["git", "merge", "--no-edit", "exp/A-001"]);
    assert!(!refused.status.success() && text(&refused).contains("program.md"), "{}", text(&refused));
    lab.git(["merge", "--abort"]);
    let words = ["git-exp", "override", "frozen", "--path", "program.md", "-e", "A-001", "-m", "agreed"];
    assert!(by(&lab, LEAD, &words).status.success());
    lab.git(["merge", "--quiet", "--no-edit", "exp/A-001"]);
}

#[test]
fn a_hook_that_is_there_is_left_alone() {
    let lab = experiment();
    lab.script(".git/hooks/pre-commit", "true");
    insta::assert_snapshot!(lab.exp(["init", "--hooks"]), @"
    exit: 1
    --- stdout
    this clone already goes by the name `<id 1>`
    plain `git log` shows results from now on (`notes.displayRef`)
    hooks that check the rules about files: pre-merge-commit
    --- stderr
    `<lab>/.git/hooks/pre-commit` is a hook of yours, and was left as it is
    hint: add this line to it: git-exp check --staged || exit 1
    ");
    assert_eq!(lab.read(".git/hooks/pre-commit"), "#!/bin/sh\ntrue\n");
    lab.script(".git/hooks/pre-commit", "git-exp check --staged || exit 1");
    assert_eq!(lab.exp_output(["init", "--hooks"]).status.code(), Some(0), "it asks already");
}

#[test]
fn hooks_are_put_where_git_looks_for_them_and_once() {
    let lab = experiment();
    lab.git(["config", "core.hooksPath", "my hooks"]);
    lab.write("sub/x", "");
    for _ in 0..2 {
        let mut command = lab.exp_command(["init", "--hooks"]);
        command.current_dir(lab.path().join("sub"));
        assert!(command.output().expect("it can be started").status.success());
    }
    assert_eq!(lab.read("my hooks/pre-commit").matches("check --staged").count(), 1);
    assert!(!lab.path().join(".git/hooks/pre-commit").exists());
    // From a worktree, the hooks of all of them are meant.
    lab.git(["config", "--unset", "core.hooksPath"]);
    lab.git(["worktree", "add", "--quiet", "../other", "main"]);
    let other = lab.path().with_file_name("other");
    let mut command = lab.exp_command(["init", "--hooks"]);
    command.current_dir(&other);
    assert!(command.output().expect("it can be started").status.success());
    assert!(lab.path().join(".git/hooks/pre-commit").exists());
    std::fs::write(other.join("eval/score.py"), "otherwise\n").expect("it is there");
    let mut commit = lab.command(["git", "commit", "--quiet", "--all", "-m", "x"]);
    let refused = commit.current_dir(&other).output().expect("it can be started");
    assert!(!refused.status.success() && text(&refused).contains("frozen"), "{}", text(&refused));
}

#[test]
fn without_the_program_the_hook_says_so_and_lets_the_commit_through() {
    let lab = experiment();
    lab.exp_ok(["init", "--hooks"]);
    lab.write("eval/score.py", "otherwise\n");
    let mut commit = lab.command(["git", "commit", "--quiet", "--all", "-m", "x"]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let without = std::env::split_paths(&path).filter(|folder| !folder.join("git-exp").exists());
    commit.env("PATH", std::env::join_paths(without).expect("they were joined before"));
    let output = commit.output().expect("git can be started");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("git-exp is not on the PATH"), "{}", text(&output));
}

#[test]
fn an_override_needs_the_role_and_is_recorded() {
    let lab = experiment();
    lab.write("eval/score.py", "score = 1\n");
    lab.write("program.md", "another programme\n");
    lab.commit_all("both");
    let words = ["override", "frozen", "--path", "eval/**", "--because", "the score had a bug"];
    insta::assert_snapshot!(lab.exp(words), @"
    exit: 1
    --- stderr
    refused by the policy, nothing was recorded: set aside frozen
      Ada Lovelace <ada@example.org> may not set a rule aside: `may-override` is for the role `lead`
    ");
    assert_eq!(found(&lab, &[]).len(), 2);
    let given = by(&lab, LEAD, &[&["git-exp"], words.as_slice()].concat());
    insta::assert_snapshot!(lab.steady(&text(&given)), @"`frozen` is set aside for A-001 (<id 1>)");
    insta::assert_snapshot!(lab.exp(["log", "--kind", "override"]), @"
    exit: 0
    --- stdout
    <id 1>  2026-11-21 12:00  override  A-001  `frozen` for eval/**: the score had a bug
    ");
    assert_eq!(found(&lab, &[]), ["frozen: `program.md` is frozen, and it was changed"]);
    assert_eq!(found(&lab, &["--range", "main..HEAD"]).len(), 1);
    // Whoever loses the role loses what was given with it.
    lab.git(["switch", "--quiet", "research/mixing"]);
    lab.write("exp.toml", RULES.replace("lead = [", "lead = [\"other@example.org\"]\nmanager = ["));
    lab.git(["commit", "--quiet", "--all", "-m", "another lead"]);
    assert_eq!(found(&lab, &["A-001"]).len(), 1, "the manager may, too");
    lab.write("exp.toml", RULES.replace("lead = [", "lead = [\"other@example.org\"]\nreviewer = ["));
    lab.git(["commit", "--quiet", "--all", "-m", "no manager"]);
    assert_eq!(found(&lab, &["A-001"]).len(), 2);
}

#[test]
fn an_override_is_for_one_experiment_for_a_topic_or_for_the_next_commit() {
    let lab = experiment();
    let lead = |words: &[&str]| {
        let output = by(
            &lab,
            LEAD,
            &[&["git-exp", "override", "frozen", "--path", "program.md", "-m", "x"], words].concat(),
        );
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    let change = |branch: &str| {
        lab.git(["switch", "--quiet", branch]);
        lab.write("program.md", format!("as {branch} has it\n"));
        found(&lab, &[]).len()
    };
    lab.git(["branch", "exp/other"]);
    assert_eq!(change("exp/A-001"), 1);
    lead(&["-e", "A-001"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.git(["checkout", "--quiet", "."]);
    assert_eq!(change("exp/other"), 1, "it is for another experiment");
    lab.git(["checkout", "--quiet", "."]);
    assert_eq!(change("research/mixing"), 1);
    lead(&["--topic", "mixing"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.git(["checkout", "--quiet", "."]);
    assert_eq!(change("main"), 1);
    assert!(lead(&[]).contains("what follows"), "it is for no experiment and no topic");
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.commit_all("a new programme");
    assert_eq!(found(&lab, &["--range", "HEAD~1..HEAD"]), [""; 0]);
    lab.write("program.md", "again\n");
    assert_eq!(found(&lab, &[]).len(), 1, "that commit was made");
}

#[test]
fn an_owner_approves_of_the_very_change() {
    let lab = experiment();
    lab.write("src/api/wire.rs", "fn wire(x: u8) {}\n");
    assert_eq!(found(&lab, &[]).len(), 1);
    let approve = |person: (&str, &str)| {
        assert!(by(&lab, person, &["git-exp", "review", "A-001", "approve", "-m", "x"]).status.success());
    };
    approve(("Somebody", "somebody@example.org"));
    assert_eq!(found(&lab, &[]).len(), 1, "they do not own it");
    approve(LEAD);
    assert_eq!(found(&lab, &[]), [""; 0], "the plan was approved");
    lab.commit_all("a wider wire");
    lab.set_clock("2026-11-21T13:00:00Z");
    assert_eq!(
        found(&lab, &[]),
        ["owned: `src/api/wire.rs` belongs to `lead`, and it was changed by Ada Lovelace <ada@example.org>"]
    );
    approve(LEAD);
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.write("train.py", "otherwise\n");
    lab.commit_all("something else");
    assert_eq!(found(&lab, &[]), [""; 0], "what was approved is as it was");
    lab.set_clock("2026-11-21T14:00:00Z");
    assert!(by(&lab, LEAD, &["git-exp", "review", "A-001", "reject", "-m", "x"]).status.success());
    assert_eq!(found(&lab, &[]).len(), 1, "it was taken back");
}

#[test]
fn what_git_was_told_not_to_look_at_is_looked_at() {
    let lab = experiment();
    lab.git(["update-index", "--assume-unchanged", "eval/score.py"]);
    lab.git(["update-index", "--skip-worktree", "journal.md"]);
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.write("eval/score.py", "score = 1 # otherwise\n");
    lab.write("journal.md", "one, and otherwise\n");
    assert_eq!(
        found(&lab, &[]),
        [
            "frozen: `eval/score.py` is frozen, and it was changed",
            "append-only: `journal.md` only grows, and what was in it is no longer its beginning"
        ]
    );
}

#[test]
fn a_clone_of_one_commit_reads_the_rules_that_it_fetched() {
    let lab = experiment();
    lab.write("exp.toml", "");
    lab.write("program.md", "another\n");
    lab.commit_all("no more rules");
    let elsewhere = lab.path().with_file_name("clone");
    lab.git(["clone", "--quiet", ".", "../clone"]);
    let there = |words: &[&str]| {
        let mut command = lab.command(words);
        command.current_dir(&elsewhere);
        command.output().expect("it can be started")
    };
    assert!(there(&["git", "switch", "--quiet", "--detach", "origin/exp/A-001"]).status.success());
    assert!(there(&["git", "branch", "-D", "exp/A-001"]).status.success());
    let checked = there(&["git-exp", "check", "--range", "origin/main..HEAD"]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(text(&checked).contains("`program.md` is frozen"), "{}", text(&checked));
}

#[test]
fn a_range_that_is_none_is_a_wrong_request() {
    let lab = experiment();
    insta::assert_snapshot!(lab.exp(["check", "--range", "nothing..HEAD"]), @"
    exit: 2
    --- stderr
    error: there is no revision `nothing`
    hint: write the range as `main..HEAD`
    ");
    insta::assert_snapshot!(lab.exp(["override", "frozn", "--path", "x", "-m", "y"]), @"
    exit: 2
    --- stderr
    error: invalid value 'frozn' for '<RULE>'
      [possible values: frozen, append-only, main-only, owned, one-axis, scope]

      tip: a similar value exists: 'frozen'

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(lab.exp(["override", "frozen", "--path", "../x", "-m", "y"]), @"
    exit: 2
    --- stderr
    error: cannot set a rule aside
      caused by: the pattern `../x` cannot be used: it leads out of the repository; write it from the top, as `eval/**`
    hint: write paths from the top of the repository
    ");
}

#[test]
fn without_rules_and_without_commits_there_is_nothing_to_break() {
    let lab = TestLab::new();
    assert_eq!(found(&lab, &[]), [""; 0]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0]);
    lab.write("exp.toml", RULES);
    lab.write("eval/x", "new");
    lab.git(["add", "--all"]);
    assert_eq!(found(&lab, &["--staged"]), [""; 0], "nothing was agreed on yet");
}

#[test]
fn an_unfinished_merge_does_not_keep_the_worktree_from_being_checked() {
    let lab = experiment();
    lab.write("train.py", "ours\n");
    lab.commit_all("ours");
    lab.git(["switch", "--quiet", "main"]);
    lab.write("train.py", "theirs\n");
    lab.commit_all("theirs");
    lab.git(["switch", "--quiet", "exp/A-001"]);
    assert!(!lab.command(["git", "merge", "main"]).output().expect("it can be started").status.success());
    assert_eq!(found(&lab, &[]), [""; 0]);
    lab.write("program.md", "another\n");
    assert_eq!(found(&lab, &[]), ["frozen: `program.md` is frozen, and it was changed"]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_kept_out_and_what_mends_it_is_let_in() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "broken-toml\n");
    lab.git(["add", "exp.toml"]);
    insta::assert_snapshot!(lab.exp(["check", "--staged"]), @"
    exit: 1
    --- stdout
    configuration  `exp.toml` cannot be read as it is staged: line 1, column 12: key with no value, expected `=`
      mend it, then: git add exp.toml
    ");
    lab.commit_all("it got in all the same");
    lab.write("exp.toml", "[files]\nfrozen = [\"eval/**\"]\n");
    lab.git(["add", "exp.toml"]);
    insta::assert_snapshot!(lab.exp(["check", "--staged"]), @"
    exit: 0
    --- stderr
    the rules about files were not looked at: cannot read `main:exp.toml`
    ");
}
