//! The Git hooks that `git exp init --hooks` installs.
#![expect(clippy::disallowed_methods, reason = "writes hooks, and looks at those that are there")]

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::context::Context;
use crate::error::Error;

/// What asks before a commit, and before a merge makes one.
const NAMES: [&str; 2] = ["pre-commit", "pre-merge-commit"];

/// The line that does it, for those who have hooks of their own.
const LINE: &str = "git-exp check --staged || exit 1";

/// The line that says whose hook it is.
const MARK: &str = "# Installed by `git exp init --hooks`";

/// What became of the hooks.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Those that were installed, or that are as they were installed before.
    pub ours: Vec<String>,
    /// Those of others, which are left alone and do not ask.
    pub theirs: Vec<String>,
}

fn script() -> String {
    format!(
        "#!/bin/sh\n\
         {MARK}: no commit that breaks a rule about files.\n\
         # It can be deleted at any time, and is written again by the same command.\n\
         if ! command -v git-exp >/dev/null 2>&1; then\n\
         \techo 'git-exp is not on the PATH, so the rules about files were not checked' >&2\n\
         \texit 0\n\
         fi\n\
         {LINE}\n"
    )
}

/// Installs the hooks that are not there yet, in the folder that Git looks into.
pub fn install(context: &Context) -> Result<Hooks, Error> {
    let folder = context.repo.hooks_folder()?;
    let failed = |what: &str, path: &Path| {
        let message = format!("cannot {what} `{}`", path.display());
        move |error: std::io::Error| Error::outside(message).because(error)
    };
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    let mut hooks = Hooks::default();
    for name in NAMES {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(known) => {
                let known = String::from_utf8_lossy(&known);
                if known.contains(MARK) {
                    write(&path)?;
                    hooks.ours.push(name.to_owned());
                } else if known.contains("git-exp check") || known.contains("git exp check") {
                    hooks.ours.push(name.to_owned());
                } else {
                    hooks.theirs.push(path.display().to_string());
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                write(&path)?;
                hooks.ours.push(name.to_owned());
            }
            Err(_) => hooks.theirs.push(path.display().to_string()),
        }
    }
    Ok(hooks)
}

/// Writes a hook whole or not at all, and lets it be executed.
fn write(path: &Path) -> Result<(), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().expect("a hook is in a folder");
    let written = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(script().as_bytes())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        file.persist(path).map_err(|error| error.error).map(drop)
    };
    written().map_err(|error| Error::outside(format!("cannot write `{}`", path.display())).because(error))
}

/// Says what became of the hooks.
pub fn tell(context: &mut Context, hooks: &Hooks) -> Result<(), Error> {
    if !hooks.ours.is_empty() {
        context.output.line(&format!("hooks that check the rules about files: {}", hooks.ours.join(", ")))?;
    }
    for path in &hooks.theirs {
        context.output.say(&format!("`{path}` is a hook of yours, and was left as it is"));
    }
    if !hooks.theirs.is_empty() {
        context.output.hint(&format!("add this line to it: {LINE}"));
    }
    Ok(())
}
