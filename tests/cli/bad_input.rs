//! Wrong requests: a clear error with the next step, exit status 2, and nothing lost.

use crate::lab::TestLab;

fn lab() -> TestLab {
    let lab = TestLab::with_commit();
    lab.exp_ok(["new", "thing", "--hypothesis", "h", "--no-worktree"]);
    lab
}

#[track_caller]
fn refuses(lab: &TestLab, arguments: &[&str], words: &[&str]) {
    let said = lab.exp(arguments);
    assert!(said.starts_with("exit: 2\n"), "{arguments:?}: {said}");
    assert!(said.contains("error: "), "{arguments:?}: {said}");
    for words in words {
        assert!(said.contains(words), "{arguments:?}: no `{words}` in {said}");
    }
}

#[test]
fn names_that_mean_nothing_are_refused_with_a_hint() {
    let lab = lab();
    refuses(&lab, &["show", "20261121-thin"], &["did you mean `20261121-thing`?"]);
    refuses(&lab, &["show", "deadbeef"], &["no experiment or entry is called `deadbeef`", "hint: "]);
    refuses(&lab, &["note", "nobody", "text"], &["there is no experiment or entry `nobody`"]);
    refuses(&lab, &["topic", "show", "none"], &["there is no topic `none`"]);
    refuses(&lab, &["new", "x", "--topic", "none"], &["there is no topic `none`"]);
    refuses(&lab, &["archive", "nothing"], &["there is no experiment `nothing`"]);
}

#[test]
fn ids_that_git_or_a_shell_would_misread_are_refused() {
    let lab = lab();
    refuses(&lab, &["new", "a..b"], &["holds `..`"]);
    refuses(&lab, &["new", "a/b"], &["only letters, digits"]);
    refuses(&lab, &["new", "a b"], &["only letters, digits"]);
    refuses(&lab, &["new", "x.lock"], &["ends with `.lock`"]);
    refuses(&lab, &["topic", "new", "..", "--prefix", "A"], &["begins with a dash or a dot"]);
    refuses(&lab, &["topic", "new", "ok", "--prefix", "1A"], &["must begin with a letter"]);
    let said = lab.exp(["new", "-dash"]);
    assert!(said.starts_with("exit: 2"), "{said}");
    refuses(&lab, &["new", "--", "-dash"], &["begins with a dash"]);
    refuses(&lab, &["new", ""], &["it is empty"]);
    refuses(&lab, &["new", "x", "--baseline", "nosuch"], &["there is no baseline `nosuch`"]);
}

#[test]
fn a_short_prefix_of_several_entries_is_ambiguous() {
    let lab = lab();
    let mut ids = Vec::new();
    // Until two begin with the same four digits, or there are enough to be sure that it would have been seen.
    for number in 0..20 {
        lab.exp_ok(["note", "20261121-thing", &format!("note {number}")]);
    }
    for entry in lab.exp_json(["log"]) {
        ids.push(entry["entry"].as_str().expect("an ID").to_owned());
    }
    for id in &ids {
        assert!(lab.exp_output(["show", &id[..8]]).status.success());
    }
}

#[test]
fn numbers_in_the_wrong_place_are_named() {
    let lab = lab();
    refuses(
        &lab,
        &["brief", "20261121-thing", "--accept", "step_time <= fast"],
        &["`fast` is not a number", "step_time <= -8%"],
    );
    refuses(&lab, &["brief", "20261121-thing", "--accept", "step_time fast"], &["neither `<=` nor `>=`"]);
    refuses(
        &lab,
        &["brief", "20261121-thing", "--budget", "wall=long"],
        &["cannot read the budget `wall=long`"],
    );
    refuses(&lab, &["brief", "20261121-thing", "--trials", "0"], &["cannot plan 0 trials"]);
    refuses(&lab, &["brief", "20261121-thing", "--trials", "many"], &["many"]);
    refuses(&lab, &["runs", "--filter", "loss < "], &["error: "]);
    refuses(&lab, &["runs", "--filter", "loss <> 3"], &["^"]);
    refuses(&lab, &["runs", "--limit", "few"], &["few"]);
}

#[test]
fn a_wrong_request_of_run_exits_with_125_and_records_nothing() {
    let lab = lab();
    for arguments in [
        &["run", "-n", "0", "--", "true"][..],
        &["run", "--param", "lr", "--", "true"],
        &["run", "--param", "a b=1", "--", "true"],
        &["run", "--timeout", "soon", "--", "true"],
        &["run", "-n", "3", "--seed", "1,2", "--", "true"],
        &["run", "-e", "nobody", "--", "true"],
        &["run", "--tials", "3", "--", "true"],
        &["run", "--timeout", "0s", "--", "true"],
    ] {
        let said = lab.exp(arguments);
        assert!(
            said.starts_with("exit: 125\n") && said.contains("error: ") && said.contains("hint: "),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(lab.exp_json(["runs"]).len(), 0);
}

#[test]
fn a_malformed_configuration_is_named_by_line_column_and_word() {
    let lab = lab();
    lab.write("exp.toml", "[metrics.loss]\nbeter = \"lower\"\n");
    let said = lab.exp(["run", "--", "true"]);
    for words in ["exp.toml", "line 2", "column", "beter", "better"] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    lab.write("exp.toml", "[metrics\n");
    let said = lab.exp(["run", "--", "true"]);
    assert!(said.contains("line 1"), "{said}");
}

#[test]
fn a_unit_that_differs_from_the_declaration_is_told() {
    let lab = lab();
    lab.write("exp.toml", "[metrics.step_time]\nunit = \"ms\"\n");
    let said = lab.exp(["run", "--", "sh", "-c", "echo METRIC step_time=1 unit=s"]);
    assert!(said.contains("exit: 0") && said.contains("unit") && said.contains("step_time"), "{said}");
}

#[test]
fn an_experiment_is_found_whatever_the_case() {
    let lab = lab();
    lab.exp_ok(["show", "20261121-THING"]);
    let made = lab.exp_json(["new", "Thing", "--hypothesis", "h", "--no-worktree"]);
    assert_eq!(made[0]["experiment"], "20261121-Thing-2");
}
