//! The token: read from where people keep it, shown nowhere.

use std::fmt;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What stands in the place of a token wherever one would show.
const HIDDEN: &str = "<token>";

/// How long it is waited for GitHub's own program, which may ask the keys of the desktop.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that is read of what it prints, in bytes.
const LONGEST: u64 = 4_096;

/// What opens GitHub; it never shows, in no error and in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Token {
    /// A token as it was given; `None` where no header can hold it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The token of `GH_TOKEN`, of `GITHUB_TOKEN`, else the one that `gh` keeps for `host`.
    pub fn find(variable: impl Fn(&str) -> Option<String>, host: &str) -> Result<Self, TokenError> {
        let given = ["GH_TOKEN", "GITHUB_TOKEN"].into_iter().find_map(|name| Some((name, variable(name)?)));
        match given {
            Some((name, text)) => Self::new(&text).ok_or(TokenError::Unusable(format!("`{name}`"))),
            None => of_gh(host),
        }
    }

    /// The value of the header that carries it.
    pub(super) fn header(&self) -> http::HeaderValue {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", self.0))
            .expect("a token holds only what a header can");
        value.set_sensitive(true);
        value
    }

    /// `text` with the token taken out.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.0, HIDDEN)
    }
}

/// Why there is no token. What was found in its place is not repeated: it may be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing gives one.
    #[error("`GH_TOKEN` and `GITHUB_TOKEN` are not set, and `gh` has none for it")]
    Absent,
    /// What is there cannot be one.
    #[error("what {0} gives is no token")]
    Unusable(String),
    /// Nobody answers.
    #[error("`gh auth token` did not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

/// The token that GitHub's own program keeps.
fn of_gh(host: &str) -> Result<Token, TokenError> {
    let started = Command::new("gh")
        .args(["auth", "token", "--hostname", host])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(|_| TokenError::Absent)?;
    let pipe = child.stdout.take().expect("it is piped");
    let (told, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(LONGEST).read_to_end(&mut bytes);
        let _ = told.send(read.map(|_| bytes));
    });
    let said = said.recv_timeout(PATIENCE);
    if said.is_err() {
        let _ = child.kill();
    }
    let is_well = child.wait().is_ok_and(|status| status.success());
    match said {
        Err(_) => Err(TokenError::Silent),
        Ok(Ok(bytes)) if is_well => String::from_utf8(bytes)
            .ok()
            .and_then(|text| Token::new(&text))
            .ok_or_else(|| TokenError::Unusable("`gh auth token`".to_owned())),
        Ok(_) => Err(TokenError::Absent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_shows() {
        let token = Token::new("ghp_secret0123456789\n").expect("it is one");
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "<token> Some(<token>)");
        assert_eq!(token.hide("bad ghp_secret0123456789!"), "bad <token>!");
        assert!(!format!("{:?}", token.header()).contains("secret"));
    }

    #[test]
    fn the_first_variable_that_is_set_wins() {
        let variable = |name: &str| Some(format!("of-{name}"));
        assert_eq!(Token::find(variable, "github.com").ok(), Token::new("of-GH_TOKEN"));
        let second = |name: &str| (name == "GITHUB_TOKEN").then(|| "second".to_owned());
        assert_eq!(Token::find(second, "github.com").ok(), Token::new("second"));
        let spoilt = |name: &str| Some(format!("two words in {name}"));
        let error = Token::find(spoilt, "github.com").expect_err("no header holds it");
        assert_eq!(error.to_string(), "what `GH_TOKEN` gives is no token");
        assert_eq!(Token::new("two words"), None);
    }
}
