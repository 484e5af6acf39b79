//! Several clones and a remote: what one recorded, all know, and nothing is lost on the way.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::net::Net;

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
fn what_took_the_place_of_this_clones_own_log_is_told_and_neither_followed_nor_given_way_to() {
    let net = Net::new();
    net.record("lab", "one");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.record("lab", "two");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    let writer = net.writer("lab");
    let log = format!("refs/exp/log/{writer}");
    let tip = net.git("lab", &["rev-parse", &log]);
    let told = |command: &[&str], what: &str| {
        let (status, out, said) = net.exp("lab", command);
        assert_eq!(status, 1, "{command:?}: {out}{said}");
        assert!(format!("{out}{said}").contains(what), "{command:?}: {out}{said}");
        assert!(said.contains(&format!("git push origin --delete {log}")), "{command:?}: {said}");
        assert_eq!(net.writer("lab"), writer);
        assert_eq!(net.git("lab", &["rev-parse", &log]), tip);
    };
    // Another history, one that goes on elsewhere from the middle, and one that goes on from the end.
    for (parent, what) in [
        (None, "rewound or forged"),
        (Some(format!("{tip}~1")), "rewound or forged"),
        (Some(tip.clone()), "was forged"),
    ] {
        net.forge(&writer, parent.as_deref(), "entry.json", b"{}", "forged");
        for command in [&["push", "--data", "--yes"][..], &["pull"], &["push"], &["pull"]] {
            told(command, what);
        }
    }
    net.git("lab", &["push", "--quiet", "origin", "--delete", &log]);
    net.record("lab", "three");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.exp_ok("lab", &["pull"]);
    assert_eq!(net.writer("lab"), writer);
    assert_eq!(net.labels("lab"), ["one", "three", "two"]);
    net.exp_ok("lab", &["fsck"]);
}

#[test]
fn a_foreign_commit_under_this_clones_name_is_told_also_where_nothing_was_pushed_before() {
    let net = Net::new();
    net.record("lab", "one");
    let writer = net.writer("lab");
    let entry = net.git("lab", &["cat-file", "blob", &format!("refs/exp/log/{writer}:entry.json")]);
    // Code, something that is no entry, and an entry of somebody else.
    let other = entry.replace(&writer, "0badc0de0bad");
    for content in [&b"print()"[..], b"{}", other.as_bytes()] {
        net.forge(&writer, None, "entry.json", content, "forged");
        for command in ["push", "pull"] {
            let (status, out, said) = net.exp("lab", &[command]);
            assert_eq!(status, 1, "{out}{said}");
            assert!(format!("{out}{said}").contains("was forged"), "{out}{said}");
        }
        assert_eq!(net.writer("lab"), writer);
        assert_eq!(net.labels("lab"), ["one"]);
    }
}

#[test]
fn that_this_clones_own_log_was_shortened_or_deleted_is_told_and_the_next_push_mends_it() {
    let net = Net::new();
    net.record("lab", "one");
    net.record("lab", "two");
    net.exp_ok("lab", &["push"]);
    let log = format!("refs/exp/log/{}", net.writer("lab"));
    let tip = net.git("remote.git", &["rev-parse", &log]);
    for (change, what) in [(vec![format!("{tip}~1")], "was shortened"), (Vec::new(), "gone from the remote")]
    {
        match change.first() {
            Some(shorter) => net.git("remote.git", &["update-ref", &log, shorter]),
            None => net.git("remote.git", &["update-ref", "-d", &log]),
        };
        let (status, _, said) = net.exp("lab", &["pull"]);
        assert!(status == 1 && said.contains(what) && said.contains("next push"), "{said}");
        net.exp_ok("lab", &["push"]);
        assert_eq!(net.git("remote.git", &["rev-parse", &log]), tip);
        net.exp_ok("lab", &["pull"]);
    }
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

    let before = net.json("copy", &["runs"]);
    let (status, out, said) = net.exp("copy", &["push"]);
    assert_eq!(status, 0, "{out}{said}");
    assert!(said.contains("goes on as"), "{said}");
    assert_eq!(net.git("copy", &["config", "exp.formerWriter"]), net.writer("lab"));
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
    let shared = net.writer("copy");
    // It takes in what is there and goes on under a new name, with its files.
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    let there = net.git("remote.git", &["for-each-ref", "refs/exp/data", "refs/exp/code"]);
    assert!(there.contains(&net.writer("lab")) && !there.contains(&shared), "{there}");
    net.exp_ok("copy", &["push", "--data", "--yes"]);
    net.exp_ok("lab", &["pull"]);
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.exp_ok("copy", &["pull", "--data"]);
    assert_eq!(net.labels("copy"), ["common", "copied", "original"]);
}

#[test]
fn what_an_append_left_that_died_does_not_shut_out_the_files_of_a_copy() {
    let net = Net::new();
    net.record("lab", "common");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.copy("lab", "copy");
    // As after a power cut once the refs of files and code had moved, and that of the log had not.
    let writer = net.writer("lab");
    let entry = "5eed".repeat(16);
    for (kind, message) in [
        ("data", format!("data of run {}\n\nEntry: {entry}\n", &entry[..8])),
        ("code", format!("keep the code of run {}\n", &entry[..8])),
    ] {
        let name = format!("refs/exp/{kind}/{writer}");
        let left = net.git("lab", &["commit-tree", &format!("{name}^{{tree}}"), "-p", &name, "-m", &message]);
        net.git("lab", &["update-ref", &name, &left]);
    }
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.lab.write("../copy/new.py", "x = 1\n");
    net.record("copy", "copied");
    net.exp_ok("copy", &["push", "--data", "--yes"]);
    assert_eq!(net.writer("copy"), writer);
    net.record("lab", "original");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    for clone in ["lab", "copy"] {
        net.exp_ok(clone, &["pull", "--data"]);
        assert_eq!(net.labels(clone), ["common", "copied", "original"], "{clone}");
        net.exp_ok(clone, &["fsck"]);
    }
}

#[test]
fn pulls_at_once_with_pushes_in_between_see_no_log_shortened() {
    let net = Net::new();
    net.clone("second");
    net.record("second", "own");
    let is_done = AtomicBool::new(false);
    let rounds = 8;
    std::thread::scope(|scope| {
        for words in [&["pull"][..], &["pull"], &["pull", "--data"], &["push"]] {
            let (net, is_done) = (&net, &is_done);
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    let (status, out, said) = net.exp("second", words);
                    let is_right = status == 0 && !said.contains("not followed");
                    if !is_right {
                        is_done.store(true, Ordering::Relaxed);
                    }
                    assert!(is_right, "{words:?}: {out}{said}");
                }
            });
        }
        for round in 0..rounds {
            if !is_done.load(Ordering::Relaxed) {
                net.record("lab", &format!("{round}"));
                net.exp_ok("lab", &["push"]);
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let mut expected: Vec<String> = (0..rounds).map(|round| round.to_string()).collect();
    expected.push("own".to_owned());
    for clone in ["second", "lab"] {
        net.exp_ok(clone, &["pull"]);
        assert_eq!(net.labels(clone), expected);
        net.exp_ok(clone, &["fsck"]);
    }
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
    net.record("second", "second 4");
    net.exp_ok("second", &["push"]);
    let writer = net.writer("lab");
    net.git("lab", &["fetch", "--quiet", "--depth", "1"]);
    let history = net.git("lab", &["rev-list", "--count", "origin/main"]);
    let (_, _, said) = net.exp("lab", &["runs"]);
    assert!(said.contains("only a part of it was fetched"), "{said}");
    assert_eq!(
        net.labels("lab"),
        ["lab 1", "lab 2", "second 1", "second 2"],
        "what was here is still listed"
    );
    net.exp_ok("lab", &["pull"]);
    assert_eq!(net.labels("lab"), ["lab 1", "lab 2", "second 1", "second 2", "second 3", "second 4"]);
    assert_eq!(net.writer("lab"), writer);
    net.git("lab", &["gc", "--quiet", "--prune=now"]);
    assert_eq!(net.labels("lab").len(), 6, "nothing is left that Git would prune");
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
fn a_lock_that_a_killed_fetch_left_is_removed_in_time() {
    let net = Net::new();
    net.record("lab", "one");
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    let folder = net.folder("second").join(".git/refs/exp/remote/origin/log");
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    let path = folder.join(format!("{}.lock", net.writer("lab")));
    let lock = std::fs::File::create(path).expect("the folder is ours");
    assert_eq!(net.exp("second", &["pull"]).0, 3, "it may be another's");
    let earlier = std::time::SystemTime::now() - std::time::Duration::from_mins(5);
    lock.set_modified(earlier).expect("the file is ours");
    net.exp_ok("second", &["pull"]);
    assert_eq!(net.labels("second"), ["one"]);
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

#[test]
fn logs_of_others_are_handed_on_as_fast_forwards_only() {
    let net = Net::new();
    net.git("lab", &["init", "--quiet", "--bare", "../other.git"]);
    let other = net.url().replace("remote.git", "other.git");
    net.record("lab", "one");
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    net.git("second", &["remote", "add", "other", &other]);
    net.exp_ok("second", &["pull"]);
    net.record("second", "two");
    let log = format!("refs/exp/log/{}", net.writer("lab"));
    assert!(!net.exp_ok("second", &["push", "other"]).contains(&log), "only when it is asked for");
    assert!(net.exp_ok("second", &["push", "other", "--relay"]).contains(&format!("{log}: 1 entry")));
    assert!(net.exp_ok("second", &["push", "other", "--relay"]).contains("has everything"));

    // What goes on there is left alone, and so is what was forged there.
    net.git("lab", &["remote", "add", "other", &other]);
    net.record("lab", "three");
    net.exp_ok("lab", &["push", "other"]);
    let tip = net.git("other.git", &["rev-parse", &log]);
    net.exp_ok("second", &["push", "other", "--relay"]);
    assert_eq!(net.git("other.git", &["rev-parse", &log]), tip);
    let main = net.git("second", &["rev-parse", "main"]);
    net.git("second", &["push", "--quiet", "--force", "other", &format!("{main}:{log}")]);
    net.exp_ok("second", &["push", "other", "--relay"]);
    assert_eq!(net.git("other.git", &["rev-parse", &log]), main);
}

#[test]
fn results_beside_the_code_are_joined_and_what_people_wrote_there_stays() {
    let net = Net::new();
    net.git("remote.git", &["config", "receive.denyNonFastForwards", "true"]);
    let (begin, second) = (net.git("lab", &["rev-parse", "HEAD"]), net.lab.commit_all("second"));
    net.git("lab", &["push", "--quiet", "origin", "main"]);
    net.clone("second");
    for clone in ["lab", "second"] {
        net.record(clone, clone);
        net.git(clone, &["notes", "--ref=exp", "add", "-m", &format!("seen by {clone}"), &begin]);
    }
    net.exp_ok("lab", &["push"]);
    net.exp_ok("second", &["push"]);
    net.exp_ok("lab", &["pull"]);
    let note = |clone: &str, on: &str| net.git(clone, &["notes", "--ref=exp", "show", on]);
    for clone in ["lab", "second", "remote.git"] {
        let of_runs = note(clone, &second);
        assert!(of_runs.contains("label=lab") && of_runs.contains("label=second"), "{clone}: {of_runs}");
        let own = note(clone, &begin);
        assert!(own.contains("seen by lab") && own.contains("seen by second"), "{clone}: {own}");
    }
    for clone in ["lab", "second"] {
        net.exp_ok(clone, &["fsck"]);
        assert!(net.exp_ok(clone, &["push"]).contains("has everything"), "{clone}");
    }

    for round in 0..3 {
        for clone in ["lab", "second"] {
            net.record(clone, &format!("{clone}-{round}"));
        }
        let pushes = ["lab", "second"].map(|clone| {
            let mut command = net.lab.exp_command(["push"]);
            command.current_dir(net.folder(clone)).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("git-exp starts")
        });
        for mut push in pushes {
            assert!(push.wait().expect("it ends").success(), "round {round}");
        }
    }
    net.exp_ok("lab", &["pull"]);
    net.exp_ok("lab", &["push"]);
    assert_eq!(note("remote.git", &second).lines().count(), 8);
    assert!(note("remote.git", &begin).contains("seen by second"));

    // What is no note is not followed, and nothing is written over it.
    net.git("remote.git", &["update-ref", "refs/notes/exp", "main"]);
    let (status, _, said) = net.exp("lab", &["pull"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("it holds what are no notes"), "{said}");
    net.exp_ok("lab", &["push"]);
    assert_eq!(
        net.git("remote.git", &["rev-parse", "refs/notes/exp"]),
        net.git("lab", &["rev-parse", "main"])
    );
}

#[test]
fn jobs_that_run_at_once_under_one_name_lose_nothing() {
    let net = Net::new();
    net.record("lab", "base");
    net.exp_ok("lab", &["push"]);
    let jobs: Vec<String> = (0..8).map(|number| format!("job-{number}")).collect();
    for (number, job) in jobs.iter().enumerate() {
        if number % 2 == 0 {
            // A clone out of a cache.
            net.copy("lab", job);
        } else {
            net.clone(job);
            net.git(job, &["config", "exp.writer", "c1c1c1c1"]);
        }
        net.record(job, job);
    }
    let pushes: Vec<_> = jobs
        .iter()
        .map(|job| {
            let mut command = net.lab.exp_command(["push"]);
            command.current_dir(net.folder(job)).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("git-exp starts")
        })
        .collect();
    for mut push in pushes {
        assert!(push.wait().expect("it ends").success());
    }
    net.exp_ok("lab", &["pull"]);
    let expected: Vec<String> = ["base".to_owned()].into_iter().chain(jobs).collect();
    assert_eq!(net.labels("lab"), expected);
    net.exp_ok("lab", &["fsck"]);
}

#[test]
fn a_clone_that_goes_on_under_a_new_name_keeps_its_branches() {
    let net = Net::new();
    let topic = ["topic", "new", "speed", "--prefix", "A", "--goal", "be faster"];
    net.exp_ok("lab", &topic);
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    net.exp_ok("second", &["pull"]);
    for clone in ["lab", "second"] {
        net.exp_ok(clone, &["new", "try", "--topic", "speed", "--no-worktree"]);
    }
    let (first, other) = (net.writer("lab"), net.writer("second"));
    net.exp_ok("second", &["push"]);
    net.copy("lab", "copy");
    net.record("lab", "original");
    net.exp_ok("lab", &["push"]);
    net.record("copy", "copied");
    net.exp_ok("copy", &["push"]);
    net.exp_ok("copy", &["pull"]);
    assert_ne!(net.writer("copy"), first);
    let (status, _, said) = net.exp("copy", &["archive", &format!("A-001@{other}")]);
    assert_eq!(status, 2, "{said}");
    net.exp_ok("copy", &["archive", &format!("A-001@{first}")]);
}

#[test]
fn a_mirror_that_is_brought_up_to_date_keeps_what_was_recorded_in_it() {
    let net = Net::new();
    net.record("lab", "one");
    net.exp_ok("lab", &["push"]);
    net.git("lab", &["clone", "--quiet", "--mirror", &net.url(), "../mirror.git"]);
    let about = net.json("lab", &["runs"])[0]["run"].as_str().expect("it has an ID").to_owned();
    net.exp_ok("mirror.git", &["note", &about, "in the mirror"]);
    net.git("mirror.git", &["remote", "update", "--prune"]);
    net.git("mirror.git", &["gc", "--quiet", "--prune=now"]);
    assert!(net.exp_ok("mirror.git", &["log"]).contains("in the mirror"));
    // Also where nothing kept Git from it.
    net.git("mirror.git", &["fetch", "--quiet", "--prune", "origin", "+refs/*:refs/*"]);
    assert!(net.exp_ok("mirror.git", &["log"]).contains("in the mirror"));
    net.exp_ok("mirror.git", &["push"]);
    net.exp_ok("lab", &["pull"]);
    assert!(net.exp_ok("lab", &["log"]).contains("in the mirror"));
}

#[test]
fn what_hosts_do_not_take_is_named_before_anything_is_sent() {
    let net = Net::new();
    net.record("lab", "small");
    net.lab.write("large.bin", "x".repeat(3000));
    net.lab.commit_all("a large file");
    net.record("lab", "large");
    net.git("lab", &["config", "exp.pushFileLimit", "2000"]);
    net.git("lab", &["config", "exp.publish", "true"]);
    let commit = net.git("lab", &["rev-parse", "--short=12", "HEAD"]);
    let (status, out, said) = net.exp("lab", &["push", "--data"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains(&format!("`large.bin` in {commit} has 2.9297 KiB")), "{out}{said}");
    let code = format!("refs/exp/code/{}", net.writer("lab"));
    assert_eq!(
        net.git("remote.git", &["rev-parse", &code]),
        net.git("lab", &["rev-parse", &format!("{code}~1")]),
        "what came before went"
    );
    assert!(out.contains("2 entries") && out.contains("refs/exp/data/"), "{out}{said}");
    net.git("lab", &["config", "--unset", "exp.pushFileLimit"]);
    net.exp_ok("lab", &["push", "--data"]);

    let row = [b"100644 ..\0".as_slice(), &[0x11; 20]].concat();
    std::fs::write(net.folder("row"), row).expect("the folder is ours");
    let tree = net.git("lab", &["hash-object", "-w", "--literally", "-t", "tree", "../row"]);
    let bad = net.git("lab", &["commit-tree", &tree, "-m", "bad", "-p", "main"]);
    net.git("lab", &["update-ref", "refs/heads/research/bad", &bad]);
    net.git("lab", &["branch", "research/good"]);
    let (status, out, said) = net.exp("lab", &["push", "--topics"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains(&format!("servers refuse the path `..` in {}", &bad[..12])), "{out}{said}");
    assert!(net.git("remote.git", &["for-each-ref", "--format=%(refname)"]).contains("research/good"));
}

#[test]
fn whose_machines_become_visible_is_said_before() {
    let net = Net::new();
    net.lab.write("exp.toml", "[capture]\nhost = \"name\"\nuser = \"name\"\n");
    net.lab.commit_all("name hosts");
    let mut command = net.lab.exp_command(["run", "--", "true"]);
    assert!(command.env("USER", "grace").output().expect("git-exp starts").status.success());
    let published = &net.json("lab", &["push", "--data", "--dry-run"])[0]["published"];
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux tells");
    assert_eq!(published["hosts"], serde_json::json!([host.trim()]));
    assert_eq!(published["users"], serde_json::json!(["grace"]));
    let (_, _, said) = net.exp("lab", &["push", "--data", "--dry-run"]);
    assert!(said.contains("users that become visible: grace"), "{said}");
    assert_eq!(net.git("remote.git", &["for-each-ref", "refs/exp", "refs/notes"]), "", "nothing went");
}

#[test]
fn clones_that_claim_their_numbers_at_the_remote_never_number_alike() {
    let net = Net::new();
    net.exp_ok("lab", &["topic", "new", "speed", "--prefix", "A", "--goal", "be faster"]);
    net.exp_ok("lab", &["push"]);
    net.clone("second");
    net.exp_ok("second", &["pull"]);
    for clone in ["lab", "second"] {
        net.git(clone, &["config", "exp.reserve", "true"]);
    }
    let new = |clone: &str| net.exp_ok(clone, &["new", "try", "--topic", "speed", "--no-worktree"]);
    assert!(new("lab").contains("registered A-001"));
    assert!(new("second").contains("registered A-002"));
    assert!(new("lab").contains("registered A-003"));
    assert_eq!(
        net.git("second", &["for-each-ref", "--format=%(refname:short)", "refs/heads/exp"]),
        "exp/A-002"
    );

    // Without the remote it goes on, and says so.
    std::fs::rename(net.folder("remote.git"), net.folder("elsewhere.git")).expect("the folder is ours");
    let (status, out, said) = net.exp("second", &["new", "try", "--topic", "speed", "--no-worktree"]);
    assert_eq!(status, 0, "{out}{said}");
    assert!(
        out.contains("registered A-003") && said.contains("could not be asked whether `A-003` is free"),
        "{said}"
    );

    // Nor does one that never answers hold it up.
    net.git("second", &["config", "remote.origin.url", "ssh://example.org/remote.git"]);
    net.git("second", &["config", "core.sshCommand", "sleep 60; true"]);
    net.git("second", &["config", "exp.reserveTimeout", "1"]);
    let began = std::time::Instant::now();
    let mut command = net.lab.exp_command(["new", "try", "--topic", "speed", "--no-worktree"]);
    command.env("GIT_ALLOW_PROTOCOL", "ssh").current_dir(net.folder("second"));
    let output = command.output().expect("git-exp starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(began.elapsed().as_secs() < 30);
}

/// Gives the remote a foreign log of these entries.
fn import(net: &Net, entries: impl Iterator<Item = String>) {
    let mut input = String::new();
    for (number, entry) in entries.enumerate() {
        input.push_str(&format!(
            "commit refs/exp/log/00000000aa\ncommitter A <a@example.org> {} +0000\ndata 1\nx\nM 100644 inline entry.json\ndata {}\n{entry}\n",
            1_700_000_000 + number,
            entry.len()
        ));
    }
    std::fs::write(net.folder("import"), input).expect("the folder is ours");
    let mut command = net.lab.command(["git", "fast-import", "--quiet"]);
    command.stdin(std::fs::File::open(net.folder("import")).expect("just written"));
    assert!(command.current_dir(net.folder("remote.git")).status().expect("git starts").success());
}

#[test]
fn the_index_takes_in_many_foreign_entries_as_a_rebuild_would() {
    let net = Net::new();
    net.record("lab", "mine");
    net.clone("second");
    net.record("second", "theirs");
    let theirs = net
        .git("second", &["cat-file", "blob", &format!("refs/exp/log/{}:entry.json", net.writer("second"))]);
    let nonce =
        serde_json::from_str::<Value>(&theirs).expect("JSON")["nonce"].as_str().expect("a nonce").to_owned();
    // Some entries before and some after what is here, some twice.
    let entries = (0..900_u32).map(|number| {
        let number = number % 850;
        let day = 1 + (number * 7) % 28;
        theirs
            .replace(&nonce, &format!("{number:032x}"))
            .replace("\"time\":\"2026-11-21T", &format!("\"time\":\"2026-11-{day:02}T"))
            .replace("theirs", &format!("foreign {number}"))
    });
    import(&net, entries);
    assert_eq!(net.labels("lab"), ["mine"]);
    net.exp_ok("lab", &["pull"]);
    let at_once = net.labels("lab");
    assert_eq!(at_once.len(), 851);
    let all = net.json("lab", &["runs"]);
    std::fs::remove_dir_all(net.folder("lab").join(".git/exp/index")).expect("there is an index");
    assert_eq!(net.json("lab", &["runs"]), all);
}

#[test]
fn a_log_that_is_read_in_parts_keeps_its_order() {
    let net = Net::new();
    net.record("lab", "mine");
    let own = format!("refs/exp/log/{}:entry.json", net.writer("lab"));
    let mine = net.git("lab", &["cat-file", "blob", &own]);
    let nonce =
        serde_json::from_str::<Value>(&mine).expect("JSON")["nonce"].as_str().expect("a nonce").to_owned();
    // All of one time, so that only the log says which came first.
    let labels: Vec<String> = (0..2_500).map(|number| format!("foreign {number:04}")).collect();
    let entry = |(number, label): (usize, &String)| {
        mine.replace(&nonce, &format!("{number:032x}")).replace("mine", label)
    };
    import(&net, labels.iter().enumerate().map(entry));
    net.exp_ok("lab", &["pull"]);
    let runs = net.json("lab", &["runs"]);
    let mut listed: Vec<&str> = runs.iter().filter_map(|run| run["label"].as_str()).collect();
    listed.retain(|label| *label != "mine");
    listed.reverse();
    assert_eq!(listed, labels);
}

#[test]
fn a_remote_that_is_the_only_one_or_that_git_was_told_of_is_the_one() {
    let net = Net::new();
    net.git("lab", &["init", "--quiet", "--bare", "../logs.git"]);
    net.git("lab", &["remote", "rename", "origin", "upstream"]);
    net.record("lab", "one");
    net.git("lab", &["switch", "--quiet", "--detach"]);
    net.exp_ok("lab", &["push"]);
    let logs =
        |repository: &str| net.git(repository, &["for-each-ref", "--format=%(refname)", "refs/exp/log"]);
    assert!(!logs("remote.git").is_empty());

    // As `git -c exp.remote=logs exp push` hands it on.
    net.git("lab", &["remote", "add", "logs", &net.url().replace("remote.git", "logs.git")]);
    let mut command = net.lab.exp_command(["push"]);
    command.env("GIT_CONFIG_PARAMETERS", "'exp.remote'='logs'").current_dir(net.folder("lab"));
    assert!(command.output().expect("git-exp starts").status.success());
    assert_eq!(logs("logs.git"), logs("remote.git"));
}

#[test]
fn an_address_stands_for_the_remote_that_has_it_and_else_has_to_be_named() {
    let net = Net::new();
    net.record("lab", "one");
    let pushed = net.exp_ok("lab", &["push", &net.url()]);
    assert!(pushed.contains("refs/exp/log/"), "{pushed}");
    assert!(net.exp_ok("lab", &["push", "origin"]).contains("`origin` has everything"));
    let elsewhere = format!("file://{}", net.folder("elsewhere.git").display());
    for command in ["push", "pull"] {
        for address in [elsewhere.as_str(), "../remote.git", "git@example.org:team/logs.git"] {
            let (status, _, said) = net.exp("lab", &[command, address]);
            assert_eq!(status, 2, "{said}");
            assert!(said.contains(&format!("git remote add hub {address}")), "{said}");
        }
        let (status, _, said) = net.exp("lab", &[command, "https://ada:hunter2@example.org/logs.git"]);
        assert!(status == 2 && !said.contains("hunter2"), "{said}");
    }
}
