//! The help pages.

use crate::lab::TestLab;

#[test]
fn help_names_every_command_and_works_outside_a_repository() {
    let lab = TestLab::without_repository();
    let page = lab.exp_ok(["-h"]);
    let grammar = git_exp::cli::command();
    for command in grammar.get_subcommands() {
        assert!(page.contains(command.get_name()), "`{}` is missing from:\n{page}", command.get_name());
    }
}

#[test]
fn every_command_has_a_page_that_fits_a_terminal() {
    fn check(command: &clap::Command) {
        let mut command = command.clone().term_width(100);
        let page = command.render_help().to_string();
        assert!(command.get_about().is_some(), "`{}` says nothing about itself", command.get_name());
        for line in page.lines() {
            assert!(line.chars().count() <= 120, "`{}` is too wide: {line}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    git_exp::cli::command().get_subcommands().for_each(check);
}

#[test]
fn the_grammar_is_sound() {
    git_exp::cli::command().debug_assert();
}

#[test]
fn an_unknown_command_is_a_wrong_request() {
    let lab = TestLab::with_commit();
    let output = lab.exp_output(["comparre"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}
