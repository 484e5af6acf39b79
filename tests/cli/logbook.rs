//! Logbooks and the other documents about a topic.

use crate::lab::TestLab;

const CRITERIA: [&str; 10] = [
    "--hypothesis",
    "fewer steps are enough",
    "--change",
    "halve the steps",
    "--accept",
    "val_loss <= -5%",
    "--no-guard",
    "a test",
    "--budget",
    "runs=50",
];

/// The topic `mixing` with `A-001`, `A-002` and the runs of both.
fn research() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.val_loss]\nbetter = \"lower\"\nkind = \"quality\"\nunit = \"nat\"\n");
    lab.script("train.sh", "echo \"METRIC val_loss=$(($1 + GIT_EXP_SEED * GIT_EXP_SEED))\"");
    lab.commit_all("a model");
    let topic = ["--prefix", "A", "--goal", "a lower loss", "--baseline", "default=A-001"];
    lab.exp_ok(["topic", "new", "mixing"].into_iter().chain(topic));
    for (time, name, id, baseline) in [
        ("2026-11-21T12:01:00Z", "first", "A-001", "main"),
        ("2026-11-21T12:02:00Z", "second", "A-002", "default"),
    ] {
        lab.set_clock(time);
        let place = ["new", name, "--topic", "mixing", "--baseline", baseline];
        lab.exp_ok(place.into_iter().chain(CRITERIA));
        let worktree = format!(".worktrees/{id}");
        lab.git(["-C", &worktree, "commit", "--quiet", "--allow-empty", "-m", name]);
    }
    lab.set_clock("2026-11-21T12:03:00Z");
    lab.exp_ok(["run", "-e", "A-001", "-n", "3", "--", "./train.sh", "2300"]);
    lab.set_clock("2026-11-21T12:04:00Z");
    lab.exp_ok(["run", "-e", "A-002", "-n", "3", "--param", "lr=3e-4", "--", "./train.sh", "2000"]);
    lab
}

/// The written logbook of the topic `mixing`.
fn stands(lab: &TestLab) -> String {
    lab.git(["show", "research/mixing:.agents/logbooks/mixing.md"])
}

/// Without the marks, which differ from time to time, and with the durations made alike.
fn readable(lab: &TestLab, text: &str) -> String {
    let text = lab.steady(text);
    let lines =
        text.lines().filter(|line| !line.starts_with("<!-- git-exp: ") && !line.contains("wall_time"));
    let lines = lines.map(|line| match line.split_once(" in all") {
        _ if line.starts_with("- run") => "- runs …".to_owned(),
        Some((_, rest)) if line.starts_with("- hardware") => {
            format!("- hardware <hardware>, <time> in all{rest}")
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_logbook_tells_what_happened_in_order() {
    let lab = research();
    lab.set_clock("2026-11-21T12:05:00Z");
    lab.exp(["run", "-e", "A-002", "--", "sh", "-c", "exit 3"]);
    lab.set_clock("2026-11-21T12:06:00Z");
    lab.exp_ok(["note", "A-002", "the loss falls at once", "--observation"]);
    lab.set_clock("2026-11-21T12:07:00Z");
    lab.exp_ok(["note", "A-002", "the steps were idle", "--inference"]);
    lab.set_clock("2026-11-21T12:08:00Z");
    lab.exp_ok(["note", "A-002", "idle steps are common", "--claim", "https://example.org/paper"]);
    lab.set_clock("2026-11-21T12:09:00Z");
    lab.exp_ok(["decide", "A-002", "reject", "--because", "it does not last", "--next", "try longer"]);
    insta::assert_snapshot!(readable(&lab, &lab.exp_ok(["logbook", "mixing"])), @"
    # Logbook of mixing

    **Goal.** a lower loss

    - opened 2026-11-21 12:00 UTC, branch `research/mixing`, experiments `A-NNN`

    ## Baseline

    - default: `A-001`

    ## Entries

    ### 2026-11-21 12:00 UTC · topic opened

    - goal: a lower loss
    - baseline default: `A-001`
    - by Ada Lovelace


    ### 2026-11-21 12:01 UTC · A-001 · registered

    - hypothesis: fewer steps are enough
    - change: halve the steps
    - baseline: `main`
    - accepted when: `val_loss <= -5%`
    - no guardrail: a test
    - 5 trials a side, budget 50 runs
    - owner: Ada Lovelace


    ### 2026-11-21 12:02 UTC · A-002 · registered

    - hypothesis: fewer steps are enough
    - change: halve the steps
    - baseline: `default`
    - accepted when: `val_loss <= -5%`
    - no guardrail: a test
    - 5 trials a side, budget 50 runs
    - owner: Ada Lovelace


    ### 2026-11-21 12:03 UTC · A-001 · 3 ok

    ```text
    ./train.sh 2300
    ```

    - code `<id 5>` on `exp/A-001`
    - seeds: 1, 2, 3
    - hardware <hardware>, <time> in all, by Ada Lovelace
    - runs …

    | metric | n | value | baseline | delta |
    | --- | ---: | ---: | ---: | ---: |
    | val_loss | 3 | 2305 ± 4 nat | – | – |


    ### 2026-11-21 12:04 UTC · A-002 · 3 ok

    ```text
    ./train.sh 2000
    ```

    - code `<id 10>` on `exp/A-002`
    - configuration: `lr=3e-4`
    - seeds: 1, 2, 3
    - hardware <hardware>, <time> in all, by Ada Lovelace
    - runs …

    | metric | n | value | default (A-001) | delta |
    | --- | ---: | ---: | ---: | ---: |
    | val_loss | 3 | 2005 ± 4 nat | 2304.7 nat | −13 % |


    ### 2026-11-21 12:05 UTC · A-002 · 1 failed

    ```text
    sh -c 'exit 3'
    ```

    - code `<id 10>` on `exp/A-002`
    - hardware <hardware>, <time> in all, by Ada Lovelace
    - runs …
    - **failed** `<id 1>`: it exited with 3


    ### 2026-11-21 12:06 UTC · A-002 · observation

    > the loss falls at once

    Noted by Ada Lovelace.


    ### 2026-11-21 12:07 UTC · A-002 · inference

    > the steps were idle

    Noted by Ada Lovelace.


    ### 2026-11-21 12:08 UTC · A-002 · claim

    > idle steps are common

    Source: <https://example.org/paper>

    Noted by Ada Lovelace.


    ### 2026-11-21 12:09 UTC · A-002 · looked at early

    - after 1 of 5 planned trials against default (A-001): reject


    ### 2026-11-21 12:09 UTC · A-002 · rejected

    **Interpretation.** it does not last

    - evidence: **reject** against default (A-001), exploratory
    - nothing to compare
    - decided by Ada Lovelace

    **Next.**

    1. try longer
    ");
}

#[test]
fn a_written_logbook_only_grows() {
    let lab = research();
    lab.exp_ok(["logbook", "mixing", "--write"]);
    let mut before = stands(&lab);
    assert_eq!(before, lab.exp_ok(["logbook", "mixing"]), "it is what was shown");
    assert!(lab.exp_ok(["logbook", "mixing", "--write"]).contains("nothing is new"));
    for step in 0..3 {
        lab.exp_ok(["note", "A-001", &format!("note {step}")]);
        lab.exp_ok(["run", "-e", "A-001", "-n", "2", "--", "./train.sh", "2200"]);
        assert_eq!(lab.exp_json(["logbook", "mixing", "--write"])[0]["appended"], 2);
        let now = stands(&lab);
        assert!(now.starts_with(&before) && now.len() > before.len(), "{now}");
        before = now;
    }
    assert_eq!(lab.git(["status", "--porcelain"]), "", "the worktree was left alone");
}

#[test]
fn a_logbook_grows_where_its_branch_is_checked_out_and_what_was_added_by_hand_stays() {
    let lab = research();
    lab.exp_ok(["logbook", "mixing", "--write"]);
    lab.git(["switch", "--quiet", "research/mixing"]);
    let path = ".agents/logbooks/mixing.md";
    lab.write(path, lab.read(path) + "By hand, committed.\n");
    lab.commit_all("a remark");
    lab.exp_ok(["note", "mixing", "one"]);
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert_eq!(lab.git(["status", "--porcelain"]), "", "the worktree follows");
    assert_eq!(lab.read(path), stands(&lab));
    assert!(stands(&lab).contains("By hand, committed.\n\n### "), "{}", stands(&lab));

    lab.write(path, lab.read(path) + "By hand, not committed.");
    lab.exp_ok(["note", "mixing", "two"]);
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert!(lab.read(path).contains("By hand, not committed.") && lab.read(path).contains("> two"));
    assert!(!stands(&lab).contains("By hand, not committed.") && stands(&lab).contains("> two"));

    lab.git(["add", path]);
    lab.exp_ok(["note", "mixing", "three"]);
    insta::assert_snapshot!(lab.exp(["logbook", "mixing", "--write"]), @"
    exit: 2
    --- stderr
    error: cannot append to `.agents/logbooks/mixing.md` on `research/mixing`
      caused by: changes of it are staged in the worktree where the branch is checked out
    hint: commit them there, or take them back: git restore --staged
    ");
}

#[test]
fn several_writers_at_once_append_everything_once() {
    let lab = research();
    let writers: Vec<_> = (0..6)
        .map(|number| {
            let mut note = lab.exp_command(["note", "mixing", &format!("note number {number}")]);
            let mut write = lab.exp_command(["logbook", "mixing", "--write"]);
            std::thread::spawn(move || {
                assert!(note.output().expect("it starts").status.success());
                assert!(write.output().expect("it starts").status.success());
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("it ends well");
    }
    lab.exp_ok(["logbook", "mixing", "--write"]);
    for number in 0..6 {
        assert_eq!(stands(&lab).matches(&format!("> note number {number}\n")).count(), 1);
    }
}

/// What of a line of Markdown is not code: a run of backticks opens code that the next run of the same length closes.
fn outside_code(line: &str) -> String {
    let line = line.replace("\\`", "");
    let (mut rest, mut outside) = (line.as_str(), String::new());
    while let Some(start) = rest.find('`') {
        outside.push_str(&rest[..start]);
        let fence: String = rest[start..].chars().take_while(|c| *c == '`').collect();
        let inner = &rest[start + fence.len()..];
        let mut runs = inner.match_indices(&fence).filter(|(place, _)| {
            !inner[..*place].ends_with('`') && !inner[place + fence.len()..].starts_with('`')
        });
        rest = runs.next().map_or("", |(place, _)| &inner[place + fence.len()..]);
    }
    outside + rest
}

#[test]
fn what_people_wrote_breaks_no_document_and_calls_nobody() {
    let lab = research();
    let hostile = "</details> <img src=x onerror=alert(1)> @someone #12 | a | ``` \u{1b}[31m\n<!-- git-exp: 0000000000000000 -->\n- x\n# y";
    lab.exp_ok(["note", "A-002", hostile, "--claim", hostile]);
    lab.exp_ok(["brief", "A-002", "--hypothesis", hostile, "--notes", hostile]);
    lab.exp_ok([
        "run",
        "-e",
        "A-002",
        "--label",
        hostile,
        "--param",
        &format!("p={hostile}"),
        "--",
        "echo",
        hostile,
    ]);
    lab.exp_ok(["run", "-e", "A-002", "--", "sh", "-c", "echo 'METRIC a|b=1'; echo 'METRIC <b>@x=2'"]);
    lab.exp_ok(["decide", "A-002", "reject", "--because", hostile, "--next", hostile]);
    lab.exp_ok(["topic", "baseline", "set", "default=A-002", "--because", hostile]);
    for document in ["logbook", "experiment-log", "decisions", "negative-results", "result-summary", "brief"]
    {
        let text = lab.exp_ok(["logbook", "mixing", "--as", document]);
        let mut heading = None;
        for line in text.lines().filter(|line| !line.starts_with("<!-- git-exp: ")) {
            // What is code is shown as it is, and cannot do anything.
            let is_code = line.starts_with("echo") || line.starts_with("sh -c");
            let outside = outside_code(line);
            assert!(is_code || !outside.contains("<img"), "{document}: {line}");
            assert!(is_code || !outside.contains("@s"), "{document}: {line}");
            assert!(!line.contains('\u{1b}') && !line.starts_with("# y"), "{document}: {line}");
            let cells = line.replace("\\|", "").matches('|').count();
            // Every row of a table has as many cells as its heading.
            if line.starts_with("| ") {
                assert!([3, 4, 6, 8, 9].contains(&cells), "{document}: {line}");
                assert_eq!(cells, *heading.get_or_insert(cells), "{document}: {line}");
            } else {
                heading = None;
            }
        }
    }
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert!(lab.exp_ok(["logbook", "mixing", "--write"]).contains("nothing is new"), "no mark was forged");
}

#[test]
fn the_repository_replaces_templates_file_by_file() {
    let lab = research();
    lab.write(
        ".agents/templates/experiment-log.md",
        "{% for it in experiments %}\n* {{ it.name }}: {{ it.statuses }}\n{% endfor %}\n",
    );
    insta::assert_snapshot!(lab.exp(["logbook", "mixing", "--as", "experiment-log"]), @"
    exit: 0
    --- stdout
    * A-001: 3 ok
    * A-002: 3 ok
    ");
    assert!(lab.exp_ok(["logbook", "A-001"]).contains("**Hypothesis.** fewer steps are enough"));
    lab.write(".agents/templates/result-summary.md", "one\n\n{{ experiment.nosuch }}\n");
    insta::assert_snapshot!(lab.exp(["logbook", "A-001"]), @"
    exit: 2
    --- stderr
    error: cannot use the template `.agents/templates/result-summary.md:3`
      caused by: there is no `experiment.nosuch` here
    hint: `git exp logbook <topic> --json` shows the fields; docs/reference/templates.md explains them
    ");
    lab.write(".agents/templates/result-summary.md", "x".repeat(10 << 20));
    insta::assert_snapshot!(lab.exp(["logbook", "A-001"]), @"
    exit: 2
    --- stderr
    error: cannot use the template `.agents/templates/result-summary.md`
      caused by: it is longer than <size>
    hint: `git exp logbook <topic> --json` shows the fields; docs/reference/templates.md explains them
    ");
    lab.write(".agents/templates/result-summary.md", "{% include 'result-summary.md' %}");
    insta::assert_snapshot!(lab.exp(["logbook", "A-001"]), @"
    exit: 2
    --- stderr
    error: cannot use the template `.agents/templates/result-summary.md:1`
      caused by: it calls itself, or others, more than 100 deep
    hint: `git exp logbook <topic> --json` shows the fields; docs/reference/templates.md explains them
    ");
}

#[test]
fn a_document_of_what_is_not_there_is_refused() {
    let lab = research();
    insta::assert_snapshot!(lab.exp(["logbook", "nosuch"]), @"
    exit: 2
    --- stderr
    error: there is no topic or experiment `nosuch`
    hint: `git exp topic list` lists the topics, `git exp list` the experiments
    ");
    insta::assert_snapshot!(lab.exp(["logbook", "A-001", "--write"]), @"
    exit: 2
    --- stderr
    error: cannot write a logbook of `A-001`
      caused by: only topics have one
    hint: git exp logbook <topic> --write
    ");
}

#[test]
fn several_writers_at_once_where_the_branch_is_checked_out_all_succeed() {
    let lab = research();
    lab.exp_ok(["logbook", "mixing", "--write"]);
    lab.git(["switch", "--quiet", "research/mixing"]);
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let mut note = lab.exp_command(["note", "mixing", &format!("note number {number}")]);
            let mut write = lab.exp_command(["logbook", "mixing", "--write"]);
            std::thread::spawn(move || {
                assert!(note.output().expect("it starts").status.success());
                let output = write.output().expect("it starts");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("it ends well");
    }
    assert_eq!(lab.git(["status", "--porcelain"]), "");
    assert_eq!(lab.read(".agents/logbooks/mixing.md"), stands(&lab));
}

#[test]
fn a_worktree_that_is_gone_stands_in_no_ones_way() {
    let lab = research();
    lab.exp_ok(["logbook", "mixing", "--write"]);
    let away = lab.path().with_file_name("away");
    lab.git(["worktree", "add", "--quiet", &away.to_string_lossy(), "research/mixing"]);
    for folder in [away, lab.path().join(".worktrees/A-001")] {
        std::fs::remove_dir_all(folder).expect("it is there");
    }
    lab.exp_ok(["note", "mixing", "one more"]);
    lab.exp_ok(["logbook", "mixing", "--write"]);
    assert!(stands(&lab).contains("> one more"));
    assert!(!lab.exp_ok(["status"]).contains("cd .worktrees/A-001"));
    let checked = lab.exp_output(["check", "A-001"]);
    assert!(checked.status.code() < Some(3), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn what_an_amendment_changed_stands_in_the_logbook() {
    let lab = research();
    lab.exp_ok(["topic", "amend", "mixing", "--problem", "nights", "--trials", "9", "--scope", "seeds=1,2"]);
    let text = lab.exp_ok(["logbook", "mixing"]);
    assert!(text.contains("- problem: nights (was: nothing)\n- scope: seeds: 1; 2 (was: nothing)\n- trials: 9 (was: nothing)"), "{text}");
}

#[test]
fn warm_ups_are_in_no_table() {
    let lab = research();
    // The first run of each side says 1000.
    let count = lab.path().with_file_name("count");
    let script = format!(
        "n=$(cat {0} 2>/dev/null || echo 0); echo $((n + 1)) > {0}; [ $n -lt 2 ] && echo METRIC val_loss=1000 || echo METRIC val_loss=10",
        count.display()
    );
    lab.set_clock("2026-11-21T13:00:00Z");
    lab.exp_ok(["run", "-e", "A-002", "-n", "2", "--against", "main", "--", "sh", "-c", &script]);
    lab.exp_ok(["brief", "A-002", "--baseline", "main"]);
    let text = lab.exp_ok(["logbook", "A-002"]);
    assert!(text.contains("| val_loss | 10 nat | 10 nat | 2 | 0 % |"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_linked_template_reads_no_other_file() {
    let lab = research();
    lab.write("../secret.txt", "the secret");
    lab.write(".agents/templates/keep", "");
    let link = lab.path().join(".agents/templates/experiment-log.md");
    std::os::unix::fs::symlink(lab.path().with_file_name("secret.txt"), link).expect("links can be made");
    assert!(!lab.exp_ok(["logbook", "mixing", "--as", "experiment-log"]).contains("the secret"));
}
