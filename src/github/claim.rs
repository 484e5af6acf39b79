//! Claims: who may post somewhere, decided by creating a Git ref, which only one can.
//!
//! The ref `refs/exp/claims/<name>` points to a commit whose message says who holds it and until when. A claim that ran out is taken over by
//! a commit that has it as its parent: GitHub moves a ref forward only, so that of two who take over at once one is refused.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::GitHub;
use super::error::GitHubError;
use super::transport::Method;

/// How long it is waited before somebody else's claim is looked at again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a claim holds at most: one that says more is no claim, for it would keep everybody out.
const LONGEST: Duration = Duration::from_hours(24);
/// How often it is tried against others who try, too.
const TRIES: u32 = 5;

/// What came of it.
pub enum Claimed<'a> {
    /// It is ours.
    Held(Claim<'a>),
    /// No ref can be written there, and why.
    Impossible(String),
}

/// A claim that is ours until it is released or runs out.
pub struct Claim<'a> {
    github: &'a GitHub,
    name: String,
    ends: Instant,
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

/// A claim that is there.
struct Found {
    sha: String,
    message: String,
    now: i64,
}

#[derive(Deserialize)]
struct Commit {
    message: String,
}

impl GitHub {
    /// Claims `name` for `holder`, and waits for whoever has it; a claim of the same holder is taken over at once.
    pub fn claim(&self, name: &str, holder: &str, lease: Duration) -> Result<Claimed<'_>, GitHubError> {
        let lease = lease.min(LONGEST);
        let (mut is_told, mut refusals) = (false, 0);
        while refusals < TRIES {
            let found = match self.claim_now(name) {
                Ok(found) => found,
                Err(error) => return impossible(error),
            };
            if let Some(Found { message, now, .. }) = &found {
                let (whose, until) = terms(message);
                let left = until.saturating_sub(*now);
                if whose != holder && left > 0 && left <= LONGEST.as_secs().cast_signed() {
                    if !is_told {
                        let left = left.unsigned_abs().min(self.transport.left().as_secs());
                        (self.transport.tell())(&format!(
                            "waiting for another who posts there, at most {left} s"
                        ));
                        is_told = true;
                    }
                    if self.transport.wait(PAUSE).is_err() {
                        return Err(GitHubError::Claimed { holder: whose, limit: self.transport.limit() });
                    }
                    continue;
                }
            }
            let ends = Instant::now() + lease;
            let parent = found.as_ref().map(|found| found.sha.as_str());
            let is_ours = self.lease(holder, lease, parent).and_then(|commit| match parent {
                Some(_) => self.move_forward(name, &commit),
                None => self.create(name, &commit),
            });
            match is_ours {
                Ok(true) => return Ok(Claimed::Held(Claim { github: self, name: name.to_owned(), ends })),
                // Somebody else was first; or no ref is taken there, which shows when there is still none.
                Ok(false) => refusals += 1,
                Err(error) => return impossible(error),
            }
            if refusals == TRIES && self.claim_now(name)?.is_none() {
                return Ok(Claimed::Impossible("GitHub takes no ref there".to_owned()));
            }
        }
        Err(GitHubError::Claimed { holder: "several at once".to_owned(), limit: self.transport.limit() })
    }

    /// A commit that says who claims it and until when, by GitHub's clock.
    fn lease(&self, holder: &str, lease: Duration, parent: Option<&str>) -> Result<String, GitHubError> {
        let tree = json!({
            "tree": [{ "path": "claim", "mode": "100644", "type": "blob", "content": "git exp\n" }],
        });
        let answer = self.transport.repeated(Method::Post, &self.path("/git/trees"), Some(&tree))?;
        let until = answer.time().saturating_add(lease.as_secs().cast_signed());
        let tree: Object = answer.read()?;
        let message = format!("git exp posts\n\nHolder: {holder}\nUntil: {until}\n");
        let parents: Vec<&str> = parent.into_iter().collect();
        let commit = json!({ "message": message, "tree": tree.sha, "parents": parents });
        let path = self.path("/git/commits");
        Ok(self.transport.repeated(Method::Post, &path, Some(&commit))?.read::<Object>()?.sha)
    }

    /// Creates the ref; whether that was done.
    fn create(&self, name: &str, commit: &str) -> Result<bool, GitHubError> {
        let body = json!({ "ref": format!("refs/{}", short(name)), "sha": commit });
        self.is_done(
            self.transport.single(Method::Post, &self.path("/git/refs"), Some(&body)).map(drop),
            name,
            commit,
        )
    }

    /// Moves the ref to a commit that stands on the one it points to; whether that was done.
    fn move_forward(&self, name: &str, commit: &str) -> Result<bool, GitHubError> {
        let path = self.path(&format!("/git/refs/{}", short(name)));
        let body = json!({ "sha": commit, "force": false });
        self.is_done(self.transport.single(Method::Patch, &path, Some(&body)).map(drop), name, commit)
    }

    fn is_done(
        &self,
        result: Result<(), GitHubError>,
        name: &str,
        commit: &str,
    ) -> Result<bool, GitHubError> {
        match result {
            Ok(()) => Ok(true),
            // Somebody else has it, or had it.
            Err(GitHubError::Refused { status: 409 | 422, .. }) => Ok(false),
            Err(error) if error.is_uncertain() => {
                Ok(self.claim_now(name)?.is_some_and(|found| found.sha == commit))
            }
            Err(error) => Err(error),
        }
    }

    /// What the ref points to now, what that says, and the time by GitHub's clock.
    fn claim_now(&self, name: &str) -> Result<Option<Found>, GitHubError> {
        let path = self.path(&format!("/git/ref/{}", short(name)));
        let answer = match self.transport.repeated(Method::Get, &path, None) {
            Ok(answer) => answer,
            Err(GitHubError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = answer.time();
        let sha = answer.read::<Reference>()?.object.sha;
        let message = match self.get::<Commit>(&self.path(&format!("/git/commits/{sha}"))) {
            Ok(commit) => commit.message,
            Err(GitHubError::Refused { status: 404, .. }) => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Some(Found { sha, message, now }))
    }
}

impl Claim<'_> {
    /// An error when it may be somebody else's by the time that one more request has been answered.
    pub fn is_held(&self) -> Result<(), GitHubError> {
        let margin = self.github.transport.timeout();
        (Instant::now() + margin < self.ends).then_some(()).ok_or(GitHubError::Lapsed)
    }
}

impl Drop for Claim<'_> {
    /// Releases it, unless it may be somebody else's by now; what is not released runs out.
    fn drop(&mut self) {
        if self.is_held().is_ok() {
            let path = self.github.path(&format!("/git/refs/{}", short(&self.name)));
            let _ = self.github.transport.single(Method::Delete, &path, None::<&Value>);
        }
    }
}

/// The ref of a claim, without `refs/`.
fn short(name: &str) -> String {
    format!("exp/claims/{name}")
}

/// A refusal that will not change means that there are no claims; what may change is an error.
fn impossible<'a>(error: GitHubError) -> Result<Claimed<'a>, GitHubError> {
    match error {
        GitHubError::Refused { status: 403 | 404 | 409 | 422, ref message, .. } => {
            Ok(Claimed::Impossible(if message.is_empty() { error.to_string() } else { message.clone() }))
        }
        error => Err(error),
    }
}

/// Who holds a claim, and until when; what nobody of ours wrote is held by nobody.
fn terms(message: &str) -> (String, i64) {
    let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let until = field("Until:").and_then(|text| text.parse().ok()).unwrap_or_default();
    (field("Holder:").unwrap_or_default().to_owned(), until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_says_who_holds_it_and_until_when() {
        assert_eq!(
            terms("git exp posts\n\nHolder: 0f0e\nUntil: 1795262400\n"),
            ("0f0e".to_owned(), 1_795_262_400)
        );
        assert_eq!(terms("something else"), (String::new(), 0));
    }
}
