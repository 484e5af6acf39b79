//! Writes the manual pages and shell completions that `make install` installs.
//!
//! Git shows `git-exp.1` for `git exp --help` and never asks the program, and completes `git exp …` by what it finds under
//! the name `git-exp`; so both are made from the grammar, and cannot fall behind it.
//!
//! ```text
//! cargo run --example manuals -- <folder for git-exp*.1> <share folder for completions>
//! ```
#![allow(clippy::disallowed_methods, reason = "a program of its own, which writes files itself")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, Parser};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The name under which Git, man and the shells look for all of this.
const PROGRAM: &str = "git-exp";

/// What Git's own completion for bash calls: it hands over its words, and the generated function expects those of bash.
const BASH_FOR_GIT: &str = r#"
# Git's completion calls this for `git exp …`, with the words in its own variables.
_git_exp() {
    local first=${__git_cmd_idx:-1}
    local COMP_WORDS=(git-exp "${words[@]:first+1}")
    local COMP_CWORD=$((cword - first))
    _git__exp git-exp "$cur" "$prev"
}
"#;

/// What Git's own completion for zsh shows beside `git exp`.
const ZSH_FOR_GIT: &str = "#description track experiments in this repository\n";

/// Write the manual pages and shell completions of git exp
#[derive(Parser)]
struct Options {
    /// Where git-exp.1 and its like go
    manuals: PathBuf,
    /// The folder that has bash-completion, zsh and fish in it
    share: PathBuf,
}

fn write_manuals(folder: &Path) -> io::Result<()> {
    fn page(command: &Command, folder: &Path) -> io::Result<()> {
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            page(subcommand, folder)?;
        }
        let man = Man::new(command.clone())
            .title(command.get_display_name().unwrap_or(PROGRAM).to_uppercase())
            .source(concat!("git-exp ", env!("CARGO_PKG_VERSION")))
            .manual("Git Experiments");
        let mut text = Vec::new();
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut text)?;
        }
        let after = command.get_after_long_help().or_else(|| command.get_after_help());
        if let Some(after) = after {
            sections(&after.to_string()).to_writer(&mut text)?;
        }
        let name = command.get_display_name().unwrap_or(PROGRAM);
        fs::write(folder.join(format!("{name}.1")), text)
    }

    fs::create_dir_all(folder)?;
    let mut command = git_exp::cli::command().disable_help_subcommand(true);
    command.build();
    page(&command, folder)
}

/// The text that stands below the options in `-h`, as sections of a manual page.
///
/// A paragraph that begins with a short line and a colon has that as its heading.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut has_notes = false;
    for paragraph in text.split("\n\n") {
        let (heading, rest) = match paragraph.split_once(':') {
            Some((heading, rest)) if heading.len() < 40 && !heading.contains(['\n', '`']) => (heading, rest),
            _ => ("Notes", paragraph),
        };
        if heading != "Notes" || !has_notes {
            roff.control("SH", [heading.to_uppercase().as_str()]);
        } else {
            roff.control("PP", []);
        }
        has_notes |= heading == "Notes";
        // As it stands, since most of it is commands.
        roff.control("nf", []);
        for line in rest.trim_start_matches([' ', '\n']).lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

fn write_completions(share: &Path) -> io::Result<()> {
    let places = [
        (Shell::Bash, "bash-completion/completions/git-exp"),
        (Shell::Zsh, "zsh/site-functions/_git-exp"),
        (Shell::Fish, "fish/vendor_completions.d/git-exp.fish"),
    ];
    for (shell, place) in places {
        let path = share.join(place);
        fs::create_dir_all(path.parent().expect("every place is in a folder"))?;
        fs::write(path, completion(shell))?;
    }
    Ok(())
}

fn completion(shell: Shell) -> String {
    let mut bytes = Vec::new();
    let mut command = git_exp::cli::command();
    command.set_bin_name(PROGRAM);
    command.build();
    shell.generate(&command, &mut bytes);
    let mut text = String::from_utf8(bytes).expect("completions are text");
    match shell {
        Shell::Bash => text.push_str(BASH_FOR_GIT),
        Shell::Zsh => {
            let second_line = text.find('\n').map_or(0, |end| end + 1);
            text.insert_str(second_line, ZSH_FOR_GIT);
        }
        _ => {}
    }
    text
}

fn main() -> ExitCode {
    let options = Options::parse();
    let written = write_manuals(&options.manuals).and_then(|()| write_completions(&options.share));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manuals: cannot write below `{}`: {error}", options.share.display());
            ExitCode::from(3)
        }
    }
}
