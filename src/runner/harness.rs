//! The harness of `git exp bench`: where it is, and how it is started.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wait4::Wait4 as _;

use super::process::exit_of;
use crate::domain::run::Exit;

/// The name of the program.
pub const HARNESS: &str = "git-exp-bench";

/// Where the harness is: beside this program, else in the folders of `PATH`.
pub fn find_harness() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|it| Some(it.parent()?.join(HARNESS)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).map(|folder| folder.join(HARNESS));
    beside.into_iter().chain(named).find(|it| it.is_file())
}

/// The variable without which cuBLAS is not deterministic, and the value that makes it so.
const CUBLAS: (&str, &str) = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8");

/// Whether the harness must compute the same each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Determinism {
    /// It must; what libraries read from the environment is set, unless the user set it.
    Asked,
    /// It need not.
    NotAsked,
}

/// How the harness ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HarnessEnd {
    /// Its status, or the signal that ended it.
    pub exit: Exit,
    /// The most memory that it had at once, in bytes.
    pub peak_rss_bytes: u64,
}

/// Runs the harness in `folder` with `request` on its standard input; its output passes through.
pub fn run_harness(
    harness: &Path,
    folder: &Path,
    request: &str,
    determinism: Determinism,
) -> io::Result<HarnessEnd> {
    let mut command = Command::new(harness);
    if determinism == Determinism::Asked && std::env::var_os(CUBLAS.0).is_none() {
        command.env(CUBLAS.0, CUBLAS.1);
    }
    let mut child = command.current_dir(folder).stdin(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().expect("standard input is a pipe");
    // One that ends without reading says why on its own.
    let _ = input.write_all(request.as_bytes());
    drop(input);
    let used = child.wait4()?;
    Ok(HarnessEnd { exit: exit_of(used.status), peak_rss_bytes: used.rusage.maxrss })
}
