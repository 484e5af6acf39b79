//! Damage is found, named, and mended where that can be.

use std::fs;

use crate::lab::TestLab;
use crate::net::Net;

fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("work.py", "x = 1\n");
    lab.exp_ok(["run", "--label", "first", "--", "echo", "seen"]);
    lab.exp_ok(["run", "--label", "second", "--", "echo", "seen"]);
    lab
}

fn ref_of(lab: &TestLab, kind: &str) -> String {
    lab.git(["for-each-ref", "--format=%(refname)", &format!("refs/exp/{kind}")]).trim().to_owned()
}

/// What `fsck` says; it must find something.
#[track_caller]
fn damages(lab: &TestLab) -> String {
    let output = lab.exp_output(["fsck"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn loose(lab: &TestLab, object: &str) -> std::path::PathBuf {
    lab.path().join(".git/objects").join(&object[..2]).join(&object[2..])
}

#[test]
fn a_damaged_entry_is_named_and_the_others_are_still_listed() {
    let lab = lab();
    let log = ref_of(&lab, "log");
    let blob = lab.git(["rev-parse", &format!("{log}:entry.json")]);
    fs::remove_file(loose(&lab, blob.trim())).expect("it is loose");
    fs::write(loose(&lab, blob.trim()), b"no object at all").expect("the folder is there");
    fs::remove_dir_all(lab.path().join(".git/exp")).expect("our own state");
    assert!(damages(&lab).contains("cannot read the"), "named");
    assert_eq!(lab.exp_json(["runs"]).len(), 1);
}

#[test]
fn a_log_that_was_rewound_or_deleted_is_told_with_the_way_back() {
    let lab = lab();
    lab.exp_ok(["fsck"]);
    let log = ref_of(&lab, "log");
    let tip = lab.git(["rev-parse", &log]);
    lab.git(["update-ref", &log, &format!("{log}~1")]);
    assert!(damages(&lab).contains(&format!("git update-ref {log} {}", tip.trim())));
}

#[test]
fn lost_data_and_code_chains_are_found_and_made_again() {
    let lab = lab();
    for kind in ["data", "code"] {
        let name = ref_of(&lab, kind);
        lab.git(["update-ref", "-d", &name]);
        assert!(damages(&lab).contains(&name), "{kind}");
        lab.exp_ok(["fsck", "--repair"]);
        lab.git(["gc", "--quiet", "--prune=now"]);
        lab.exp_ok(["fsck"]);
    }
}

#[test]
fn a_file_that_is_missing_from_a_snapshot_is_found() {
    let lab = lab();
    let commit = lab.exp_json(["runs"])[0]["commit"].as_str().expect("a commit").to_owned();
    let blob = lab.git(["rev-parse", &format!("{commit}:work.py")]);
    fs::remove_file(loose(&lab, blob.trim())).expect("it is loose");
    assert!(damages(&lab).contains("files of the snapshot"));
}

#[test]
fn the_next_command_of_any_kind_records_a_run_that_died() {
    let lab = TestLab::with_commit();
    let mut child = lab
        .exp_command(["run", "--", "sh", "-c", "touch started; exec sleep 3"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("git-exp starts");
    let began = std::time::Instant::now();
    while !lab.path().join("started").exists() {
        assert!(began.elapsed().as_secs() < 20, "it never started");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().expect("it was running");
    child.wait().expect("it ends");
    assert_eq!(lab.exp_json(["runs"])[0]["status"], "crashed");
}

#[test]
fn what_was_never_sent_to_a_hub_or_a_mirror_is_elsewhere_and_no_damage() {
    let net = Net::new();
    let code = |text: &str| {
        net.lab.write("work.py", text);
        net.lab.commit_all(text);
    };
    code("x = 1");
    net.record("lab", "one");
    net.exp_ok("lab", &["push"]);
    net.git("lab", &["init", "--quiet", "--bare", "../hub.git"]);
    let hub = format!("file://{}", net.folder("hub.git").display());
    net.git("lab", &["remote", "add", "hub", &hub]);
    let whole = |place: &str, what: &str| {
        for _ in 0..2 {
            let (status, out, said) = net.exp(place, &["fsck"]);
            assert_eq!(status, 0, "{place}: {out}{said}");
            assert!(out.contains(what), "{place}: {out}");
            assert_eq!(said.contains("--data`"), what.contains("elsewhere"), "{place}: {said}");
            net.exp_ok(place, &["fsck", "--repair"]);
        }
        let view = &net.json(place, &["fsck"])[0];
        assert_eq!(view["ok"], true);
    };
    net.exp_ok("lab", &["push", "hub"]);
    whole("hub.git", "1 entry, 0 files, 2 files elsewhere, the code of 1 run elsewhere: all is well");
    net.git("lab", &["clone", "--quiet", "--mirror", &hub, "../mirror.git"]);
    whole("mirror.git", "2 files elsewhere");

    // Then the files of the first run, and later only the log of another one.
    net.exp_ok("lab", &["push", "hub", "--data", "--yes"]);
    code("x = 2");
    net.record("lab", "two");
    net.exp_ok("lab", &["push", "hub"]);
    whole("hub.git", "2 entries, 2 files, 2 files elsewhere, the code of 1 run elsewhere: all is well");
    // Nothing was written there that keeps the rest out.
    net.exp_ok("lab", &["push", "hub", "--data", "--yes"]);
    whole("hub.git", "2 entries, 4 files: all is well");
}

#[test]
fn files_of_others_that_were_pulled_are_looked_at_and_a_gap_in_them_is_damage() {
    let net = Net::new();
    net.record("lab", "one");
    net.record("lab", "two");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    net.clone("second");
    net.exp_ok("second", &["pull", "--data"]);
    assert!(net.exp_ok("second", &["fsck"]).starts_with("2 entries, 4 files: all is well"));
    // The newest is there and an older one is not: nothing that is sent leaves such a chain.
    let name = format!("refs/exp/seen-data/{}", net.writer("lab"));
    let newest = net.git("second", &["commit-tree", &format!("{name}^{{tree}}"), "-m", "a gap"]);
    net.git("second", &["update-ref", &name, &newest]);
    let (status, out, _) = net.exp("second", &["fsck"]);
    assert!(status == 1 && out.contains("are not in the data chain"), "{out}");
}
