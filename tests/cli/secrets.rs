//! Planted secrets appear in no object that was written.

use std::process::Stdio;

use crate::lab::TestLab;

/// What must not be found: none of it is a real credential.
const SECRETS: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD",
    "0123456789abcdef0123456789abcdef01234567",
    "hunter2hunter2",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
];

fn text() -> String {
    format!(
        "aws_access_key_id={}\naws_secret_access_key={}\ntoken {}\nmodel {}\nOPENAI_API_KEY={}\nWANDB_API_KEY={}\n\
         https://user:{}@example.org/x\n-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        SECRETS[0], SECRETS[1], SECRETS[2], SECRETS[3], SECRETS[4], SECRETS[5], SECRETS[6], SECRETS[7]
    )
}

#[test]
fn planted_secrets_are_in_no_object() {
    let lab = TestLab::with_commit();
    lab.write("untracked.txt", text());
    lab.write(".env", text());
    lab.write("secrets.txt", text());
    lab.git(["add", "--intent-to-add", "secrets.txt"]);
    std::fs::write(lab.home().join("planted"), text()).expect("the home folder is ours");
    let script = "cat ~/planted; cat ~/planted >&2; cat ~/planted > $GIT_EXP_OUT/log.txt; echo $HOME/data
        echo '{\"loss\": 1, \"note\": \"'$OPENAI_API_KEY'\"}' >> $GIT_EXP_METRICS
        echo METRIC loss=1 case=$GITHUB_TOKEN";
    let mut command = lab.exp_command([
        "run",
        "--param",
        &format!("api_key={}", SECRETS[4]),
        "--label",
        SECRETS[2],
        "--",
        "sh",
        "-c",
        script,
        "--token",
        SECRETS[6],
        &format!("--password={}", SECRETS[6]),
        SECRETS[0],
    ]);
    command
        .env("GITHUB_TOKEN", SECRETS[2])
        .env("OPENAI_API_KEY", SECRETS[4])
        .env("WANDB_API_KEY", SECRETS[5])
        .env("AWS_SECRET_ACCESS_KEY", SECRETS[1])
        .env("TORCH_SECRET_TOKEN", SECRETS[6]);
    let output = command.output().expect("git-exp starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hidden = format!("the token is {} and v1-{}", SECRETS[2], SECRETS[3]);
    lab.exp_ok(["note", "20261121-scratch", &hidden]);
    lab.exp_ok(["topic", "new", "t", "--prefix", "T", "--goal", &hidden]);
    lab.exp_ok(["new", "x", "--hypothesis", &hidden, "--no-worktree"]);
    let mut cat = lab.command(["git", "cat-file", "--batch-all-objects", "--batch"]);
    let objects = cat.stderr(Stdio::inherit()).output().expect("git starts").stdout;
    let objects = String::from_utf8_lossy(&objects);
    for secret in SECRETS {
        if let Some(at) = objects.find(secret) {
            let start = objects.floor_char_boundary(at.saturating_sub(200));
            panic!("`{secret}` is in an object: …{}", &objects[start..objects.floor_char_boundary(at + 60)]);
        }
    }
    assert!(!objects.contains(&*lab.home().to_string_lossy()), "the home folder is shortened");
    let run = &lab.exp_json(["runs"])[0];
    assert_eq!(run["exact"], false);
}
