//! What commands that talk to GitHub have in common: which repository, with which token, as whom; and one post at a time.

use std::cell::Cell;
use std::time::Duration;

use super::remotes;
use crate::context::{Context, aloud, variable};
use crate::error::Error;
use crate::git::Oid;
use crate::github::{
    Address, AddressError, Claim, Claimed, GitHub, GitHubError, Identities, Location, Network, Options, Said,
    Token,
};

/// How long all that one command asks of GitHub may take, in seconds, where nothing is said.
const DEADLINE: u64 = 120;
/// How long one request may take, in seconds, where nothing is said.
const TIMEOUT: u64 = 20;
/// The longest time that may be said, in seconds.
const LONGEST: u64 = 86_400;
/// How much longer a claim holds than a command may take.
const MARGIN: Duration = Duration::from_mins(1);

/// A way to GitHub, and who we are there.
pub struct Connection {
    /// The way.
    pub github: GitHub,
    /// As whom is posted, where that is known.
    pub login: Option<String>,
    /// Whose marks count as ours.
    pub identities: Identities,
    /// The remote, where the user named one.
    pub remote: Option<String>,
    /// Whether it was said that the log could not be pushed.
    pub was_told: Cell<bool>,
    holder: String,
    lease: Duration,
}

/// The repository on GitHub that the remote stands for, without asking GitHub.
pub fn address(context: &Context, remote: Option<&str>) -> Result<Address, Error> {
    let configured = context.repo.config_string("exp.github");
    let location = match &configured {
        Some(text) => Location::parse(text).ok_or_else(|| {
            Error::request("cannot read `exp.github`")
                .hint("write it as `owner/name` or as the repository's address")
        })?,
        None => {
            let remote = remotes::named(context, remote)?;
            let text = context.repo.remote_address(&remote)?;
            // The address itself is not repeated, for it may hold a password.
            let found = Location::parse(&text).filter(|it| it.host.is_some());
            found.ok_or_else(|| {
                Error::request(format!("the remote `{remote}` is no repository on GitHub"))
                    .hint("say which it is: git config exp.github owner/name")
            })?
        }
    };
    placed(context, location)
}

fn placed(context: &Context, location: Location) -> Result<Address, Error> {
    let said = Said {
        configured: context.repo.config_string("exp.githubApi"),
        api: variable("GITHUB_API_URL"),
        host: variable("GH_HOST"),
    };
    Address::of(location, &said).map_err(|error| {
        let hint = match &error {
            AddressError::UnknownHost(host) | AddressError::OtherHost { host, .. } => {
                format!("if it is GitHub Enterprise: git config exp.githubApi https://{host}/api/v3")
            }
            _ => "git config exp.githubApi https://HOST/api/v3".to_owned(),
        };
        Error::request("cannot talk to GitHub").because(error).hint(hint)
    })
}

/// The repository on GitHub that the remote itself stands for, whatever `exp.github` says; that is asked only where the remote is none
/// and the one that is usually meant.
pub fn address_of_remote(context: &Context, remote: &str) -> Result<Address, Error> {
    let text = context.repo.remote_address(remote)?;
    match Location::parse(&text).filter(|it| it.host.is_some()) {
        Some(location) => placed(context, location),
        None if remotes::named(context, None)? == remote => address(context, Some(remote)),
        None => Err(Error::request(format!("the remote `{remote}` is no repository on GitHub"))),
    }
}

/// Makes ready to talk to GitHub, and asks it who we are.
pub fn connect(context: &Context, remote: Option<&str>) -> Result<Connection, Error> {
    let (github, lease) = reach(context, address(context, remote)?)?;
    let own = github.login().map_err(|error| explained(&error))?;
    let mut names = context.repo.config_strings("exp.githubIdentity");
    let is_workflow = variable("GITHUB_ACTIONS").is_some();
    if own.is_none() && names.is_empty() && !is_workflow {
        return Err(Error::request("cannot tell as whom the token posts")
            .because("it is that of an app")
            .hint("say so: git config --add exp.githubIdentity '<app>[bot]'"));
    }
    let login = own.clone().or_else(|| names.first().cloned().filter(|_| !is_workflow));
    names.extend(own);
    let holder = holder(context)?;
    let remote = remote.map(str::to_owned);
    let was_told = Cell::new(false);
    Ok(Connection { github, was_told, login, identities: Identities::new(names), remote, holder, lease })
}

/// A way to GitHub for whoever only wants to see what would be posted; `None`, which is told, where there is none.
pub fn glance(context: &Context, remote: Option<&str>) -> Option<Connection> {
    let connection = connect(context, remote);
    if let Err(error) = &connection {
        let why = error.causes.first().unwrap_or(&error.message);
        let why = crate::render::text::harmless(why);
        aloud(&format!("GitHub was not asked what is there already: {why}"));
    }
    connection.ok()
}

/// Makes ready to talk to GitHub, and says for how long a claim is to hold.
pub fn reach(context: &Context, address: Address) -> Result<(GitHub, Duration), Error> {
    let token = Token::find(variable, &address.host).map_err(|error| {
        Error::request("there is no token for GitHub")
            .because(error)
            .hint("set `GH_TOKEN` or `GITHUB_TOKEN`, or log in with: gh auth login")
    })?;
    let deadline = seconds(context, "exp.githubDeadline", DEADLINE)?;
    let timeout = seconds(context, "exp.githubTimeout", TIMEOUT)?;
    let network = network(context, &address.api)?;
    let github = GitHub::connect(Options { address, token, timeout, deadline, network, tell: aloud })
        .map_err(|error| explained(&error))?;
    Ok((github, deadline + MARGIN))
}

/// A time of the configuration.
fn seconds(context: &Context, key: &str, otherwise: u64) -> Result<Duration, Error> {
    let seconds = match context.repo.config_string(key) {
        None => otherwise,
        Some(text) => {
            let said = text.trim().parse().ok().filter(|it| (1..=LONGEST).contains(it));
            said.ok_or_else(|| {
                Error::request(format!("`{}` in `{key}` is no time", crate::render::text::harmless(&text)))
                    .hint(format!("write it in whole seconds, 1 to {LONGEST}: git config {key} {otherwise}"))
            })?
        }
    };
    Ok(Duration::from_secs(seconds))
}

/// What Git is told of the way to `api`.
fn network(context: &Context, api: &str) -> Result<Network, Error> {
    let certificates = match variable("GIT_SSL_CAINFO") {
        Some(path) => Some(path.into()),
        None => context.repo.config_path_for_address("http.sslCAInfo", api)?,
    };
    let proxy = context.repo.config_for_address("http.proxy", api)?;
    let no_proxy = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    Ok(Network { certificates, proxy, no_proxy })
}

/// What tells this clone on this machine from others: nothing that can be read back.
fn holder(context: &Context) -> Result<String, Error> {
    let machine = rustix::system::uname();
    let mut hasher = blake3::Hasher::new();
    hasher.update(context.writer()?.as_str().as_bytes());
    hasher.update(machine.nodename().to_bytes());
    hasher.update(context.repo.common_dir().as_os_str().as_encoded_bytes());
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

impl Connection {
    /// Claims what is about to be posted under `name`, so that nobody else posts the same; where GitHub takes no ref, goes on without.
    pub fn claim(&self, name: &str) -> Result<Option<Claim<'_>>, Error> {
        match self.github.claim(name, &self.holder, self.lease).map_err(|error| explained(&error))? {
            Claimed::Held(claim) => Ok(Some(claim)),
            Claimed::Impossible(why) => {
                aloud(&format!(
                    "posting without a claim, so that somebody else could post the same at this moment: {}",
                    crate::render::text::harmless(&why)
                ));
                Ok(None)
            }
        }
    }
}

/// Whether the claim still holds, where there is one.
pub fn holds(claim: Option<&Claim<'_>>) -> Result<(), GitHubError> {
    claim.map_or(Ok(()), Claim::is_held)
}

/// What went wrong with GitHub, as a command answers it.
pub fn explained(error: &GitHubError) -> Error {
    let outside = Error::outside("cannot do it on GitHub").because(error);
    match error.hint() {
        Some(hint) => outside.hint(hint),
        None => outside,
    }
}

/// Which of `commits` a remote with these refs does not have.
pub fn unpublished(context: &Context, refs: &[(String, Oid)], commits: &[Oid]) -> Result<Vec<Oid>, Error> {
    let there: Vec<Oid> = refs.iter().map(|(_, oid)| *oid).collect();
    if context.repo.lacking(commits, &there)?.commits == 0 {
        return Ok(Vec::new());
    }
    let known: Vec<Oid> = there.iter().copied().filter(|oid| context.repo.has_object(*oid)).collect();
    let mut missing = Vec::new();
    for commit in commits {
        // Git's lists stop too early where a clock was wrong.
        if !there.contains(commit)
            && context.repo.lacking(&[*commit], &there)?.commits > 0
            && !context.repo.is_below_any(*commit, &known)
        {
            missing.push(*commit);
        }
    }
    Ok(missing)
}
