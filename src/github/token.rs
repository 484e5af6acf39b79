//! The token: read from where people keep it, shown nowhere.

use std::fmt;
use std::process::{Command, Stdio};

/// What stands in the place of a token wherever one would show.
const HIDDEN: &str = "<token>";

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
    pub fn find(variable: impl Fn(&str) -> Option<String>, host: &str) -> Option<Self> {
        let given = ["GH_TOKEN", "GITHUB_TOKEN"].into_iter().find_map(variable);
        match given {
            Some(text) => Self::new(&text),
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

/// The token that GitHub's own program keeps.
fn of_gh(host: &str) -> Option<Token> {
    let output = Command::new("gh")
        .args(["auth", "token", "--hostname", host])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()?;
    Token::new(&text)
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
        assert_eq!(Token::find(variable, "github.com"), Token::new("of-GH_TOKEN"));
        let second = |name: &str| (name == "GITHUB_TOKEN").then(|| "second".to_owned());
        assert_eq!(Token::find(second, "github.com"), Token::new("second"));
        assert_eq!(Token::new("two words"), None);
    }
}
