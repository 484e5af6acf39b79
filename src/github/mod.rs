//! GitHub: the only code that names octocrab and its runtime. It is given finished text, and knows nothing of what that says.
//!
//! Nothing is posted blindly twice. What is created carries a mark; when it is not known whether it arrived, the mark is looked for
//! before it is sent again, and only what our own identities wrote counts.
#![expect(
    clippy::disallowed_methods,
    reason = "an adapter: it waits by the clock, and asks `gh` for a token"
)]

mod address;
mod claim;
mod error;
mod limit;
mod token;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

pub use self::address::{Address, AddressError, Location, Said};
pub use self::claim::{Claim, Claimed};
pub use self::error::GitHubError;
pub use self::token::{Token, TokenError};
use self::transport::{Method, Transport};

/// The longest text of an issue or a comment, in UTF-16 units, of which no character has more than it has bytes.
pub const LONGEST_TEXT: usize = 65_536;
/// The longest title of an issue, in characters.
pub const LONGEST_TITLE: usize = 256;
/// What GitHub calls the identity of a workflow's own token.
pub const ACTIONS_IDENTITY: &str = "github-actions[bot]";

/// How many items a page has.
const PAGE: usize = 100;
/// The most pages that are read of a list.
const PAGES: usize = 200;
/// How long it is waited before something is looked for that may have arrived, the first time.
const PAUSE: Duration = Duration::from_millis(500);
/// How often something is sent that was not found again.
const TRIES: u32 = 4;

/// How GitHub is talked to.
pub struct Options {
    /// Where it is, and which repository.
    pub address: Address,
    /// What opens it.
    pub token: Token,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long all requests together may take, waiting included.
    pub deadline: Duration,
    /// What is special about the way there.
    pub network: Network,
    /// Where it is told what is waited for.
    pub tell: fn(&str),
}

/// What Git is told of the way to a host, beyond what the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// A file with certificates that are believed, too, in PEM.
    pub certificates: Option<PathBuf>,
    /// A proxy, which goes before those of the environment; empty for none.
    pub proxy: Option<String>,
    /// The hosts that such a proxy is not for, as `NO_PROXY` has them.
    pub no_proxy: Option<String>,
}

/// One repository on GitHub.
pub struct GitHub {
    transport: Transport,
    address: Address,
}

/// An issue or a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// Where a person finds it.
    #[serde(default)]
    pub html_url: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// `open` or `closed`.
    #[serde(default)]
    pub state: String,
    /// Who opened it.
    #[serde(default)]
    pub user: Option<Account>,
    /// When it was opened, as RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Whether it is a pull request.
    #[serde(default)]
    pub pull_request: Option<Value>,
}

/// A comment on an issue.
#[derive(Clone, Debug, Deserialize)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Where a person finds it.
    #[serde(default)]
    pub html_url: String,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// Who wrote it.
    #[serde(default)]
    pub user: Option<Account>,
    /// When it was written, as RFC 3339.
    #[serde(default)]
    pub created_at: String,
}

/// A pull request that is to be opened.
pub struct NewPull<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The branch with what is to be merged.
    pub head: &'a str,
    /// The branch that it is to be merged into.
    pub base: &'a str,
    /// Whether nobody is asked to look at it yet.
    pub is_draft: bool,
}

/// Whether something is what is looked for, by the mark that it carries and whose it is.
pub type Known<'a, T> = &'a dyn Fn(&T) -> bool;

/// Who acts on GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The name.
    pub login: String,
}

/// A text that an issue once had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// When it was given that text, as RFC 3339.
    pub time: String,
    /// Who gave it; absent where that account is gone.
    pub editor: Option<Account>,
    /// The whole text.
    pub text: String,
}

/// The identities whose marks count as ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities(Vec<String>);

impl Identities {
    /// These names; that of workflows always counts.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().chain([ACTIONS_IDENTITY.to_owned()]).collect())
    }

    /// Whether `account` is one of them.
    pub fn has(&self, account: Option<&Account>) -> bool {
        account.is_some_and(|account| self.0.iter().any(|name| name.eq_ignore_ascii_case(&account.login)))
    }
}

impl Issue {
    /// Its text, with the line ends that were posted: whoever edits it on the web changes them.
    pub fn text(&self) -> String {
        self.body.as_deref().unwrap_or_default().replace("\r\n", "\n")
    }
}

impl Comment {
    /// Its text, with the line ends that were posted.
    pub fn text(&self) -> String {
        self.body.as_deref().unwrap_or_default().replace("\r\n", "\n")
    }
}

impl GitHub {
    /// Makes ready to talk; nothing is sent yet.
    pub fn connect(options: Options) -> Result<Self, GitHubError> {
        let address = options.address.clone();
        let transport = Transport::new(options)?;
        Ok(Self { transport, address })
    }

    /// Where it is, and which repository.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The name under which the token acts; `None` where it is that of an app, which has no account.
    pub fn login(&self) -> Result<Option<String>, GitHubError> {
        match self.get::<Account>("/user") {
            Ok(account) => Ok(Some(account.login)),
            // A workflow's own token, and one of an app, may not ask.
            Err(GitHubError::Refused { status: 403 | 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An issue.
    pub fn issue(&self, number: u64) -> Result<Issue, GitHubError> {
        self.get(&self.path(&format!("/issues/{number}")))
    }

    /// All comments on an issue, oldest first.
    pub fn comments(&self, number: u64) -> Result<Vec<Comment>, GitHubError> {
        self.list(&self.path(&format!("/issues/{number}/comments")), "")
    }

    /// The issues that are known, oldest first.
    pub fn issues_with(&self, is_known: Known<'_, Issue>) -> Result<Vec<Issue>, GitHubError> {
        let mut found: Vec<Issue> = self.list(&self.path("/issues"), "&state=all")?;
        found.retain(|issue| issue.pull_request.is_none() && is_known(issue));
        found.sort_by_key(|issue| issue.number);
        Ok(found)
    }

    /// The first comment that is known.
    pub fn comment_with(
        &self,
        number: u64,
        is_known: Known<'_, Comment>,
    ) -> Result<Option<Comment>, GitHubError> {
        Ok(self.comments(number)?.into_iter().find(is_known))
    }

    /// Writes a comment, unless one that is known is there already.
    pub fn comment_once(
        &self,
        number: u64,
        is_known: Known<'_, Comment>,
        text: &str,
        may_post: &dyn Fn() -> Result<(), GitHubError>,
    ) -> Result<Comment, GitHubError> {
        let path = self.path(&format!("/issues/{number}/comments"));
        self.once(
            || self.comment_with(number, is_known),
            || {
                may_post()?;
                self.post(&path, &json!({ "body": text }))
            },
        )
    }

    /// Keeps one comment that is known: writes it where there is none, else sets its text.
    pub fn keep_comment(
        &self,
        number: u64,
        is_known: Known<'_, Comment>,
        text: &str,
    ) -> Result<Comment, GitHubError> {
        let comment = self.comment_once(number, is_known, text, &|| Ok(()))?;
        if comment.text().trim_end() == text.trim_end() {
            return Ok(comment);
        }
        let path = self.path(&format!("/issues/comments/{}", comment.id));
        self.transport.repeated(Method::Patch, &path, Some(&json!({ "body": text })))?.read()
    }

    /// The pull request, open or not, that is known.
    pub fn pull_with(&self, is_known: Known<'_, Issue>) -> Result<Option<Issue>, GitHubError> {
        let pulls: Vec<Issue> = self.list(&self.path("/pulls"), "&state=all")?;
        Ok(pulls.into_iter().filter(is_known).min_by_key(|pull| pull.number))
    }

    /// Opens a pull request, unless one that is known is there already.
    pub fn pull_once(
        &self,
        is_known: Known<'_, Issue>,
        new: &NewPull<'_>,
        may_post: &dyn Fn() -> Result<(), GitHubError>,
    ) -> Result<Issue, GitHubError> {
        let NewPull { title, text, head, base, is_draft } = new;
        let path = self.path("/pulls");
        let body = json!({ "title": title, "body": text, "head": head, "base": base, "draft": is_draft });
        self.once(
            || self.pull_with(is_known),
            || {
                may_post()?;
                self.post(&path, &body)
            },
        )
    }

    /// Tells the workflows of the repository that something happened; told twice at worst where the answer is lost.
    pub fn dispatch(&self, event: &str, payload: &Value) -> Result<(), GitHubError> {
        let body = json!({ "event_type": event, "client_payload": payload });
        self.transport.single(Method::Post, &self.path("/dispatches"), Some(&body)).map(drop)
    }

    /// Opens an issue, unless one that is known is there already.
    pub fn issue_once(
        &self,
        is_known: Known<'_, Issue>,
        (title, text): (&str, &str),
        labels: &[String],
        may_post: &dyn Fn() -> Result<(), GitHubError>,
    ) -> Result<Issue, GitHubError> {
        let path = self.path("/issues");
        let body = json!({ "title": title, "body": text, "labels": labels });
        self.once(
            || Ok(self.issues_with(is_known)?.into_iter().next()),
            || {
                may_post()?;
                self.post(&path, &body)
            },
        )
    }

    /// Makes a label of this name where there is none; whether the token may do that.
    pub fn ensure_label(&self, name: &str) -> Result<bool, GitHubError> {
        match self.get::<Value>(&self.path(&format!("/labels/{}", percent_encoded(name)))) {
            Ok(_) => Ok(true),
            Err(GitHubError::Refused { status: 404, .. }) => {
                let label = json!({ "name": name, "color": "1d76db" });
                match self.post::<Value>(&self.path("/labels"), &label) {
                    // Somebody else made it in the meantime, or it arrived after all.
                    Ok(_) | Err(GitHubError::Refused { status: 422, .. }) => Ok(true),
                    Err(GitHubError::Refused { status: 403 | 404, .. }) => Ok(false),
                    Err(error) if error.is_uncertain() => Ok(true),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the text of an issue, and its title where one is given; the same twice is the same as once.
    pub fn set_text(&self, number: u64, title: Option<&str>, text: &str) -> Result<Issue, GitHubError> {
        match title {
            Some(title) => self.set(number, &json!({ "title": title, "body": text })),
            None => self.set(number, &json!({ "body": text })),
        }
    }

    /// Closes an issue.
    pub fn close(&self, number: u64) -> Result<Issue, GitHubError> {
        self.set(number, &json!({ "state": "closed", "state_reason": "completed" }))
    }

    /// Opens an issue again.
    pub fn reopen(&self, number: u64) -> Result<Issue, GitHubError> {
        self.set(number, &json!({ "state": "open", "state_reason": "reopened" }))
    }

    fn set(&self, number: u64, change: &Value) -> Result<Issue, GitHubError> {
        let path = self.path(&format!("/issues/{number}"));
        self.transport.repeated(Method::Patch, &path, Some(change))?.read()
    }

    /// The texts that an issue had, oldest first; none where GitHub does not tell.
    pub fn edits(&self, number: u64) -> Result<Vec<Edit>, GitHubError> {
        const QUERY: &str = "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){\
            issue(number:$number){userContentEdits(first:20){nodes{editedAt editor{login}diff}}}}}";
        let (owner, name) = (&self.address.owner, &self.address.name);
        let question =
            json!({ "query": QUERY, "variables": { "owner": owner, "name": name, "number": number } });
        let answer: Value = match self.transport.repeated(Method::Ask, "", Some(&question)) {
            Ok(answer) => answer.read()?,
            // It, or the token, may not have what is asked.
            Err(GitHubError::Refused { status: ..500, .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let nodes = answer.pointer("/data/repository/issue/userContentEdits/nodes").and_then(Value::as_array);
        let edit = |node: &Value| {
            let text = node["diff"].as_str()?.replace("\r\n", "\n");
            let editor = node["editor"]["login"].as_str().map(|login| Account { login: login.to_owned() });
            Some(Edit { time: node["editedAt"].as_str()?.to_owned(), editor, text })
        };
        let mut edits: Vec<Edit> = nodes.into_iter().flatten().filter_map(edit).collect();
        // They come newest first; those of the same second keep their order.
        edits.reverse();
        edits.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(edits)
    }

    /// Looks for something, else creates it; when it is not known whether it arrived, looks again before another try.
    fn once<T>(
        &self,
        find: impl Fn() -> Result<Option<T>, GitHubError>,
        create: impl Fn() -> Result<T, GitHubError>,
    ) -> Result<T, GitHubError> {
        if let Some(found) = find()? {
            return Ok(found);
        }
        let mut pause = PAUSE;
        for attempt in 1.. {
            let error = match create() {
                Ok(created) => return Ok(created),
                Err(error) if error.is_uncertain() => error,
                Err(error) => return Err(error),
            };
            // What was sent may take a moment until it shows in lists.
            for _ in 0..2 {
                self.transport.wait(pause)?;
                if let Some(found) = find()? {
                    return Ok(found);
                }
                pause *= 2;
            }
            if attempt >= TRIES {
                return Err(error);
            }
        }
        unreachable!("the loop ends by returning")
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", self.address.owner, self.address.name)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.transport.repeated(Method::Get, path, None)?.read()
    }

    /// Creates something, in one try.
    fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, GitHubError> {
        self.transport.single(Method::Post, path, Some(body))?.read()
    }

    /// All pages of a list.
    fn list<T: serde::de::DeserializeOwned>(&self, path: &str, query: &str) -> Result<Vec<T>, GitHubError> {
        let mut items: Vec<T> = Vec::new();
        for page in 1..=PAGES {
            let page_path = format!("{path}?per_page={PAGE}&page={page}{query}");
            let answer = self.transport.repeated(Method::Get, &page_path, None)?;
            let has_next = answer.has_next();
            let more: Vec<T> = answer.read()?;
            let (is_full, is_empty) = (more.len() >= PAGE, more.is_empty());
            items.extend(more);
            if is_empty || !(has_next || is_full) {
                return Ok(items);
            }
        }
        // What is not read could be what is looked for, and would be posted twice.
        Err(GitHubError::Unreadable {
            what: format!("GET {path}"),
            problem: format!("it has more than {} items", PAGE * PAGES),
        })
    }
}

/// A name as it stands in an address.
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_identities_wrote_is_ours() {
        let ours = Identities::new(["octo-lead".to_owned()]);
        let account = |login: &str| Account { login: login.to_owned() };
        assert!(ours.has(Some(&account("Octo-Lead"))));
        assert!(ours.has(Some(&account("github-actions[bot]"))));
        assert!(!ours.has(Some(&account("octo-lead2"))));
        assert!(!ours.has(None));
    }

    #[test]
    fn names_stand_in_addresses_as_they_must() {
        assert_eq!(percent_encoded("a b/ü"), "a%20b%2F%C3%BC");
    }
}
