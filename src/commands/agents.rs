//! What `init --agents` writes for coding agents: a skill, and a section of `AGENTS.md`.
#![expect(clippy::disallowed_methods, reason = "writes two files into the worktree, as it was asked to")]

use std::fs;
use std::path::Path;

use serde_json::json;

use super::documents::{explained, templates};
use crate::context::Context;
use crate::error::Error;

/// Where agents look for what they can be taught.
const SKILL: &str = ".agents/skills/git-exp/SKILL.md";
const SECTION: &str = "AGENTS.md";
const BEGIN: &str = "<!-- git-exp: begin -->";
const END: &str = "<!-- git-exp: end -->";

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was made.
    Made,
    /// Our section was brought up to date.
    Renewed,
    /// Our section was added.
    Added,
    /// It was as it should be.
    Kept,
    /// Somebody had changed it, and it was replaced, as was asked for.
    Replaced,
    /// Somebody changed it, and it was left as it is.
    Left,
}

impl Fate {
    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Renewed => "renewed the section in",
            Self::Added => "added a section to",
            Self::Kept => "kept",
            Self::Replaced => "replaced",
            Self::Left => "left as it is, though it differs from ours:",
        }
    }
}

/// Writes the skill and the section; gives each file with what became of it.
pub fn install(context: &Context) -> Result<Vec<(&'static str, Fate)>, Error> {
    let top = context.worktree()?.to_owned();
    let templates = templates(context, None)?;
    let fields = json!({ "main": context.main_branch_name() });
    let render = |name: &str| templates.render(name, &fields).map_err(|error| explained(&error));
    let skill = render("skill.md")?;
    let section = format!("{BEGIN}\n{}\n{END}\n", render("agents.md")?.trim());
    let before = read(&top.join(SECTION))?.unwrap_or_default();
    Ok(vec![
        (
            SKILL,
            match read(&top.join(SKILL))? {
                Some(text) if text != skill => Fate::Left,
                _ => write(&top.join(SKILL), &skill)?,
            },
        ),
        (SECTION, write(&top.join(SECTION), &with_section(&before, &section))?),
    ])
}

/// The text with our section in the place of an older one, else at its end.
fn with_section(text: &str, section: &str) -> String {
    if let Some(start) = text.find(BEGIN)
        && let Some(length) = text[start..].find(END)
    {
        let end = start + length + END.len();
        return format!("{}{}{}", &text[..start], section.trim_end(), &text[end..]);
    }
    let gap = match text {
        "" => "",
        text if text.ends_with("\n\n") => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{gap}{section}")
}

/// The text of a file, where there is one.
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::outside(format!("cannot read `{}`", path.display())).because(error)),
    }
}

/// Writes a file where it is not so already, and the folders it is in.
pub fn write(path: &Path, text: &str) -> Result<Fate, Error> {
    let before = read(path)?;
    if before.as_deref() == Some(text) {
        return Ok(Fate::Kept);
    }
    if fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink()) {
        return Err(Error::request(format!("cannot write `{}`", path.display()))
            .because("it is a link, which may lead out of the repository")
            .hint("put a file in its place"));
    }
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Error::outside(format!("cannot write `{}`", path.display())).because(error))?;
    Ok(match before {
        None => Fate::Made,
        Some(before) if before.contains(BEGIN) => Fate::Renewed,
        Some(_) => Fate::Added,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_section_comes_last_or_takes_the_place_of_an_older_one() {
        let section = format!("{BEGIN}\nnew\n{END}\n");
        assert_eq!(with_section("", &section), section);
        assert_eq!(with_section("# A\n", &section), format!("# A\n\n{section}"));
        let older = format!("# A\n\n{BEGIN}\nold\n{END}\n\n# B\n");
        let newer = format!("# A\n\n{BEGIN}\nnew\n{END}\n\n# B\n");
        assert_eq!(with_section(&older, &section), newer);
        assert_eq!(with_section(&newer, &section), newer);
    }
}
