//! The `git-exp` program, which Git finds as `git exp`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(git_exp::cli::main(std::env::args_os()))
}
