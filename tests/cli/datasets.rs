//! Datasets: versions, hashes, steps, parts that must not overlap, and checks of their own.

use std::time::Duration;

use crate::lab::TestLab;

const WINE: &str = r#"
[datasets.wine]
version = "2"
paths = ["data/**/*.csv"]
preprocessing = ["drop duplicates"]
train = ["data/train"]
eval = ["data/eval/*.csv"]
"#;

/// A repository with a dataset that is as it should be.
fn lab(more: &str) -> TestLab {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", format!("{WINE}{more}\n"));
    lab.write("data/train/a.csv", "x,y\n1,2\n3,4\n");
    lab.write("data/train/b.csv", "x,y\n5,6\n");
    lab.write("data/eval/a.csv", "x,y\n7,8\n");
    lab.commit_all("a dataset");
    lab
}

/// Waits until the files are so old that their hashes are remembered: when a file changed cannot be set back.
fn let_settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn a_dataset_that_is_as_it_should_be_has_no_breach() {
    let lab = lab("validate = \"test $GIT_EXP_DATASET = wine && test -f data/eval/a.csv\"");
    insta::assert_snapshot!(lab.exp(["check", "--datasets"]), @"
    exit: 0
    --- stdout
    no breaches
    ");
}

#[test]
fn every_breach_is_told_with_what_to_do() {
    let lab = TestLab::with_commit();
    lab.write("data/train.csv", "x,y\n1,2\n3,secret\n5,6\n7,secret\n");
    lab.write("data/eval.csv", "x,y\n 3,secret \n8,9\n7,secret\n");
    lab.write("data/more.csv", "z\n");
    lab.write("data/same.csv", "z\n");
    lab.write(
        "exp.toml",
        r#"
[datasets.wine]
paths = ["data/*.csv", "raw"]
hash = "0011"
train = ["data/train.csv", "data/more.csv"]
eval = ["data/eval.csv", "data/same.csv", "data/more.csv"]
validate = "cat data/train.csv; exit 4"
"#,
    );
    let seen = lab.exp(["check", "--datasets"]);
    assert!(!seen.contains("secret"), "what is in the data is never told: {seen}");
    insta::assert_snapshot!(seen, @r#"
    exit: 1
    --- stdout
    dataset-version  the dataset `wine` has no version
      say which it is in `[datasets.wine]` in `exp.toml`: version = "…"
    dataset-preprocessing  it is not written down how the dataset `wine` was made
      say it in `[datasets.wine]` in `exp.toml`: preprocessing = ["…"], or ["none"] where it is as it came
    dataset-files  no file of the dataset `wine` is at `raw`
      get the data, or mend the path in `[datasets.wine]` in `exp.toml`
    dataset-hash  the files of the dataset `wine` are not those that were declared: their hash is <id 1>
      bring the declared files back, or say in `[datasets.wine]` in `exp.toml` what is there now, under a new version
    dataset-overlap  the parts of the dataset `wine` overlap: `data/same.csv` is the same as `data/more.csv`, `data/more.csv` is in both
      take them out of one of the parts
    dataset-overlap  the parts of the dataset `wine` overlap: 2 different lines are in both, such as line 2 of `data/eval.csv` is line 3 of `data/train.csv`, line 4 of `data/eval.csv` is line 5 of `data/train.csv`
      take those lines out of one of the parts
    dataset-validation  the dataset `wine` does not pass its own check: it exited with 4
      see what it says: cat data/train.csv; exit 4
    "#);
    let json = lab.exp_output(["--json", "check", "--datasets"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    let rules: Vec<&str> =
        json["breaches"].as_array().expect("a list").iter().filter_map(|it| it["rule"].as_str()).collect();
    assert_eq!(
        rules,
        [
            "dataset-version",
            "dataset-preprocessing",
            "dataset-files",
            "dataset-hash",
            "dataset-overlap",
            "dataset-overlap",
            "dataset-validation"
        ]
    );
}

#[test]
fn without_being_asked_only_what_is_known_is_told() {
    let lab = lab("hash = \"0011\"");
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 0
    --- stdout
    no breaches
    --- stderr
    the datasets were not looked at, for they are new or changed: git exp check --datasets
    ");
    let_settle();
    let asked = lab.exp(["check", "--datasets"]);
    assert!(asked.contains("dataset-hash"), "{asked}");
    assert_eq!(lab.exp(["check"]), asked, "nothing changed since");
    lab.write("data/eval/b.csv", "x,y\n9,9\n");
    assert!(lab.exp(["check"]).contains("were not looked at"));
    assert!(lab.exp(["check"]).starts_with("exit: 0\n"));
}

#[test]
fn a_file_that_changes_without_a_trace_in_its_time_is_read_again() {
    let lab = lab("");
    let_settle();
    lab.exp_ok(["check", "--datasets"]);
    let path = lab.path().join("data/eval/a.csv");
    let time = std::fs::metadata(&path).and_then(|it| it.modified()).expect("it is there");
    // As long as before, and with the time it had.
    lab.write("data/eval/a.csv", "x,y\n1,2\n");
    let file = std::fs::File::options().write(true).open(&path).expect("it is there");
    file.set_modified(time).expect("it is ours");
    let seen = lab.exp(["check", "--datasets"]);
    assert!(seen.contains("1 line is in both"), "{seen}");
}

#[test]
fn runs_record_the_hash_that_checks_compare_with() {
    let lab = lab("");
    lab.exp_ok(["run", "--", "true"]);
    let id = lab.exp_json(["runs"])[0]["run"].as_str().expect("it has an ID").to_owned();
    let run = &lab.exp_json(["show", &id])[0];
    let hash = run["environment"]["datasets"]["wine"]["hash"].as_str().expect("it was hashed").to_owned();
    lab.write("exp.toml", format!("{WINE}hash = \"{hash}\"\n"));
    assert!(lab.exp(["check", "--datasets"]).contains("no breaches"));
    lab.write("data/eval/a.csv", "x,y\n8,8\n");
    assert!(lab.exp(["check", "--datasets"]).contains("are not those that were declared"));
}

#[test]
fn an_experiments_worktree_is_looked_at_with_its_own_datasets() {
    let lab = lab("");
    lab.exp_ok(["topic", "new", "mixing", "--prefix", "A", "--goal", "a lower loss"]);
    lab.exp_ok([
        "new",
        "first",
        "--topic",
        "mixing",
        "--hypothesis",
        "h",
        "--change",
        "c",
        "--accept",
        "wall_time <= -5%",
        "--no-guard",
        "a test",
        "--baseline",
        "main",
        "--budget",
        "runs=5",
    ]);
    lab.write(".worktrees/A-001/exp.toml", format!("{WINE}[datasets.beer]\nversion = \"1\"\n"));
    assert!(lab.exp(["check", "A-001", "--datasets"]).contains("how the dataset `beer` was made"));
    assert!(lab.exp(["check", "--datasets"]).contains("no breaches"));
}

#[test]
fn a_dataset_that_cannot_be_read_from_its_section_is_an_error() {
    let lab = lab("validat = \"x\"");
    insta::assert_snapshot!(lab.exp(["check", "--datasets"]), @"
    exit: 2
    --- stderr
    error: cannot read `main:exp.toml`
      caused by: line 8, column 1: unknown key `validat` in `datasets.wine`; did you mean `validate`?
    ");
    lab.write("exp.toml", "[datasets.wine]\npaths = [\"../elsewhere\"]\n");
    insta::assert_snapshot!(lab.exp(["check", "--datasets"]), @"
    exit: 2
    --- stderr
    error: cannot read `main:exp.toml`
      caused by: line 8, column 1: unknown key `validat` in `datasets.wine`; did you mean `validate`?
    ");
    lab.write("exp.toml", "[datasets.wine]\nvalidate = []\n");
    insta::assert_snapshot!(lab.exp(["check"]), @"
    exit: 2
    --- stderr
    error: cannot read `main:exp.toml`
      caused by: line 8, column 1: unknown key `validat` in `datasets.wine`; did you mean `validate`?
    ");
}

#[test]
fn a_check_of_a_dataset_can_be_interrupted() {
    let lab = lab("validate = \"touch first\"\n[datasets.z]\nvalidate = \"touch started; exec sleep 60\"");
    let mut child = lab.exp_command(["check", "--datasets"]).spawn().expect("git-exp starts");
    let begun = std::time::Instant::now();
    while !lab.path().join("started").exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(lab.command(["kill", "-INT", &id]).status().expect("kill starts").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    assert!(lab.path().join("first").exists());
}
