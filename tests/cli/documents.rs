//! The documents: what they show must work.

use std::fs;
use std::path::Path;

use git_exp::domain::filter::{Expression, Moment};

use crate::lab::TestLab;

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
}

/// The text of each block that is fenced as `language`.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in document.lines() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == format!("```{language}") => open = Some(String::new()),
            None => {}
        }
    }
    assert!(!blocks.is_empty(), "there is no block of {language}");
    blocks
}

#[test]
fn every_command_of_the_tutorial_works() {
    let lab = TestLab::without_repository();
    let script = blocks(&document("docs/tutorial.md"), "sh").concat();
    let output = lab.command(["sh", "-eux", "-c", &script]).output().expect("there is a shell");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{said}");
    for expected in ["it exited with 3", "refused", "LINE-002", "all is well"] {
        assert!(told.contains(expected), "`{expected}` is missing from:\n{told}\n{said}");
    }
}

#[test]
fn every_command_of_the_skill_works() {
    let lab = TestLab::with_commit();
    lab.write("exp.toml", "[metrics.step_time]\nbetter = \"lower\"\nkind = \"quality\"\n[metrics.loss]\nbetter = \"lower\"\nkind = \"quality\"\n");
    lab.write("step_time.txt", "10\n");
    lab.script("train.sh", "echo METRIC step_time=$(cat step_time.txt); echo METRIC loss=2.1");
    lab.exp_ok(["init", "--agents"]);
    lab.commit_all("a model");
    let script = blocks(&lab.read(".agents/skills/git-exp/SKILL.md"), "sh").concat();
    let output = lab.command(["sh", "-eux", "-c", &script]).output().expect("there is a shell");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{said}");
    for expected in ["# Handoff of loop", "LOOP-001 accepted", "appended to .agents/logbooks/loop.md"] {
        assert!(told.contains(expected), "`{expected}` is missing from:\n{told}\n{said}");
    }
}

#[test]
fn what_is_taught_and_hinted_names_the_main_branch_as_it_is_called() {
    for name in ["master", "trunk"] {
        let lab = TestLab::with_commit();
        let clone = lab.path().with_file_name("clone");
        lab.git(["branch", "--move", "main", name]);
        lab.git(["clone", "--quiet", ".", clone.to_str().expect("it is UTF-8")]);
        for folder in [lab.path(), &clone] {
            let said = |words: &[&str]| {
                let output = lab.exp_command(words).current_dir(folder).output().expect("it starts");
                String::from_utf8_lossy(&output.stderr).into_owned()
            };
            lab.write(folder.join(".github/workflows/build.yml"), "on: push\njobs: {}\n");
            let started = said(&["init", "--github"]);
            assert!(started.contains(&format!("on: {{push: {{branches: [{name}]}}}}")), "{started}");
            said(&["init", "--agents"]);
            let skill = lab.read(folder.join(".agents/skills/git-exp/SKILL.md"));
            assert!(skill.contains(&format!("--baseline default={name} ")), "{skill}");
            said(&["topic", "new", "moe", "--prefix", "MOE"]);
            let new =
                ["new", "x", "--topic", "moe", "--hypothesis", "h", "--change", "c", "--baseline", "nothing"];
            let unknown = said(&new);
            assert!(unknown.contains(&format!("or a revision as `{name}`")), "{unknown}");
            let range = said(&["check", "--range", "nothing"]);
            assert!(range.contains(&format!("write the range as `{name}..HEAD`")), "{range}");
        }
    }
}

#[test]
fn what_agents_are_taught_is_written_once_and_leaves_the_rest_alone() {
    let lab = TestLab::with_commit();
    lab.write("AGENTS.md", "# Agents\n\nBe kind.\n");
    insta::assert_snapshot!(lab.exp(["init", "--agents"]), @"
    exit: 0
    --- stdout
    this clone goes by the name `<id 1>`
    plain `git log` shows results from now on (`notes.displayRef`)
    made .agents/skills/git-exp/SKILL.md
    added a section to AGENTS.md
    --- stderr
    hint: read them, then commit them
    ");
    assert!(
        lab.read("AGENTS.md")
            .starts_with("# Agents\n\nBe kind.\n\n<!-- git-exp: begin -->\n## Experiments\n")
    );
    let before = lab.read("AGENTS.md");
    insta::assert_snapshot!(lab.exp(["init", "--agents"]), @"
    exit: 0
    --- stdout
    this clone already goes by the name `<id 1>`
    kept .agents/skills/git-exp/SKILL.md
    kept AGENTS.md
    --- stderr
    hint: read them, then commit them
    ");
    assert_eq!(lab.read("AGENTS.md"), before);
    assert!(lab.read(".agents/skills/git-exp/SKILL.md").lines().count() < 100, "it is one page");
}

#[test]
fn the_reference_of_the_configuration_is_a_configuration() {
    for block in blocks(&document("docs/reference/exp.toml.md"), "toml") {
        if let Err(error) = git_exp::config::parse(&block, "docs/reference/exp.toml.md") {
            panic!("{error}: {error:?}");
        }
    }
}

#[test]
fn every_variable_that_a_run_records_stands_in_the_reference() {
    let reference = document("docs/reference/exp.toml.md");
    for name in git_exp::domain::capture::DEFAULT_VARIABLES {
        assert!(reference.contains(&format!("`{name}`")), "`{name}` is missing");
    }
}

#[test]
fn every_filter_of_the_reference_can_be_read() {
    let moment = Moment { now: "2026-11-21T12:00:00Z".parse().unwrap(), zone: jiff::tz::TimeZone::UTC };
    for line in blocks(&document("docs/reference/filters.md"), "text").concat().lines() {
        if let Err(error) = Expression::parse(line, &moment) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = regex::Regex::new(r"\]\(([^)#: ]+)(?:#[^)]*)?\)").unwrap();
    let mut documents = vec![root.to_path_buf(), root.join("docs")];
    documents.extend(["docs/design", "docs/reference"].map(|folder| root.join(folder)));
    let mut broken = Vec::new();
    for folder in documents {
        for item in fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            for found in link.captures_iter(&fs::read_to_string(&path).unwrap()) {
                if !folder.join(&found[1]).exists() {
                    broken.push(format!("{}: {}", path.display(), &found[1]));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn what_somebody_made_of_the_skill_is_left_alone_and_links_are_not_followed() {
    let lab = TestLab::with_commit();
    lab.exp_ok(["init", "--agents"]);
    let skill = ".agents/skills/git-exp/SKILL.md";
    lab.write(skill, "ours\n");
    assert!(lab.exp_ok(["init", "--agents"]).contains("left as it is"));
    assert_eq!(lab.read(skill), "ours\n");
    std::fs::remove_file(lab.path().join("AGENTS.md")).unwrap();
    lab.write("../outside.md", "outside\n");
    std::os::unix::fs::symlink(lab.path().with_file_name("outside.md"), lab.path().join("AGENTS.md"))
        .unwrap();
    insta::assert_snapshot!(lab.exp(["init", "--agents"]), @"
    exit: 2
    --- stderr
    error: cannot write `<lab>/AGENTS.md`
      caused by: it is a link, which may lead out of the repository
    hint: put a file in its place
    ");
    assert_eq!(lab.read("../outside.md"), "outside\n");
}
