//! Text that a person writes in their editor.
#![expect(clippy::disallowed_methods, reason = "starts the user's editor on a file of ours")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::{Context, variable};
use crate::error::Error;

/// What becomes of `text` in the user's editor, and the file that keeps it until it is [forgotten](forget).
pub fn edit(context: &Context, file_name: &str, text: &str) -> Result<(String, PathBuf), Error> {
    let path = context.repo.git_dir().join(file_name);
    let failed =
        |error: std::io::Error| Error::outside(format!("cannot edit `{}`", path.display())).because(error);
    std::fs::write(&path, text).map_err(failed)?;
    let editor = variable("GIT_EDITOR")
        .or_else(|| context.repo.config_string("core.editor"))
        .or_else(|| variable("VISUAL"))
        .or_else(|| variable("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    // The editor is a shell command, as it is for Git.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(&editor)
        .arg(&path)
        .status()
        .map_err(failed)?;
    if !status.success() {
        return Err(Error::request(format!(
            "the editor `{editor}` ended with {status}; nothing was recorded"
        )));
    }
    let edited = std::fs::read_to_string(&path).map_err(failed)?;
    Ok((edited, path))
}

/// Removes the file of a text that was recorded.
pub fn forget(path: &Path) {
    let _ = std::fs::remove_file(path);
}
