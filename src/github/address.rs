//! Where a repository is on GitHub: its interface, and its pages.

use http::Uri;

/// Where GitHub's own interface is.
const GITHUB: &str = "github.com";

/// A repository, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface, without a slash at its end, as `https://api.github.com`.
    pub api: String,
    /// The host whose pages show it, as `github.com`.
    pub host: String,
    /// Where its pages begin, as `https://github.com`.
    pub web: String,
    /// Who owns it.
    pub owner: String,
    /// Its name.
    pub name: String,
}

/// A repository as an address or `owner/name` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The host, where one is named.
    pub host: Option<String>,
    /// Who owns it.
    pub owner: String,
    /// Its name.
    pub name: String,
}

/// Why nothing can be sent there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A host that may be anything.
    #[error("`{0}` is not known to be GitHub, and a token is sent to nobody else")]
    UnknownHost(String),
    /// An interface without encryption.
    #[error("`{0}` is not encrypted, and the token would travel in the clear")]
    Plain(String),
    /// No address.
    #[error("`{0}` is no address of an interface")]
    Malformed(String),
    /// An interface that is that of another host.
    #[error("the repository is at `{host}`, and `{api}`, which `GITHUB_API_URL` names, is another's")]
    OtherHost {
        /// Where the repository is.
        host: String,
        /// The interface.
        api: String,
    },
}

/// What the user said of where GitHub is, who alone may name a host other than GitHub's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The interface, as it is configured: it stands for any host, as for the alias of one.
    pub configured: Option<String>,
    /// The interface, as `GITHUB_API_URL` has it: that of the machine that a job runs for.
    pub api: Option<String>,
    /// The host, as `GH_HOST` has it.
    pub host: Option<String>,
}

impl Location {
    /// Reads `owner/name`, `https://host/owner/name.git`, `ssh://git@host/owner/name` or `git@host:owner/name.git`.
    ///
    /// Whoever stands before the `@`, and with what password, is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, path) = match text.split_once("://") {
            Some((scheme, rest)) if ["https", "http", "ssh", "git"].contains(&scheme) => {
                let (place, path) = rest.split_once('/')?;
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                let host = if scheme == "ssh" { without_port(place) } else { place };
                (Some(host), path)
            }
            Some(_) => return None,
            None => match text.split_once(':') {
                Some((place, path)) if !place.contains('/') => {
                    (Some(place.rsplit_once('@').map_or(place, |(_, place)| place)), path)
                }
                Some(_) => return None,
                // A path of this machine is none.
                None if text.starts_with('/') => return None,
                None => (None, text),
            },
        };
        let path = path.trim_matches('/');
        let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
        let is_name = |name: &str| {
            !matches!(name, "" | "." | "..")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let host = host.map(str::to_lowercase);
        let is_host =
            |host: &String| !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && c != '@');
        (is_name(owner) && is_name(name) && host.as_ref().is_none_or(is_host)).then(|| Self {
            host,
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }
}

fn without_port(place: &str) -> &str {
    place.split_once(':').map_or(place, |(host, _)| host)
}

impl Address {
    /// Where the repository is.
    pub fn of(location: Location, said: &Said) -> Result<Self, AddressError> {
        let Location { host, owner, name } = location;
        let host = host.map(|host| match host.as_str() {
            "ssh.github.com" | "www.github.com" => GITHUB.to_owned(),
            _ => host,
        });
        let named = said.host.as_deref().map(str::to_lowercase);
        let bare = |api: &String| api.trim_end_matches('/').to_owned();
        let api = match (&said.configured, &said.api, host.as_deref().or(named.as_deref())) {
            (Some(api), ..) | (None, Some(api), _) => bare(api),
            (None, None, None | Some(GITHUB)) => format!("https://api.{GITHUB}"),
            (None, None, Some(host)) if host.ends_with(".ghe.com") => format!("https://api.{host}"),
            (None, None, Some(host)) if named.as_deref() == Some(host) => format!("https://{host}/api/v3"),
            (None, None, Some(host)) => return Err(AddressError::UnknownHost(host.to_owned())),
        };
        let malformed = || AddressError::Malformed(shown(&api));
        let uri: Uri = api.parse().map_err(|_| malformed())?;
        let place = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(malformed)?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") if is_loopback(place.host()) => "http",
            Some("http") => return Err(AddressError::Plain(shown(&api))),
            _ => return Err(malformed()),
        };
        // A password with a slash in it has the `@` in what is taken for the path.
        if uri.query().is_some() || uri.path().contains('@') {
            return Err(malformed());
        }
        // Of `api.HOST` and of `HOST/api/v3` the pages are at `HOST`.
        let of_api = place.as_str().strip_prefix("api.").unwrap_or(place.as_str());
        let web = format!("{scheme}://{of_api}");
        let host = match host {
            Some(host) if said.configured.is_none() && without_port(&host) != without_port(of_api) => {
                return Err(AddressError::OtherHost { host, api: shown(&api) });
            }
            Some(host) => host,
            None => of_api.to_owned(),
        };
        Ok(Self { api, host, web, owner, name })
    }

    /// The repository as a person names it, as `github.com/owner/name`.
    pub fn repository(&self) -> String {
        format!("{}/{}/{}", self.web.split("://").last().unwrap_or_default(), self.owner, self.name)
    }

    /// Where its pages begin, as `https://github.com/owner/name`.
    pub fn page(&self) -> String {
        format!("{}/{}/{}", self.web, self.owner, self.name)
    }

    /// Where questions about history are asked.
    pub(super) fn graphql(&self) -> String {
        match self.api.strip_suffix("/v3") {
            Some(api) => format!("{api}/graphql"),
            None => format!("{}/graphql", self.api),
        }
    }
}

/// An address as it may be repeated: whoever stands before the `@`, and with what password, is left out, and so is what is asked.
fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(Option<String>, String)> {
        Location::parse(text).map(|it| (it.host, format!("{}/{}", it.owner, it.name)))
    }

    #[test]
    fn a_remote_names_its_repository() {
        let at = |host: &str| Some((Some(host.to_owned()), "octo/moe".to_owned()));
        assert_eq!(found("https://github.com/octo/moe.git"), at("github.com"));
        assert_eq!(found("https://user:secret@github.com/octo/moe"), at("github.com"));
        assert_eq!(found("git@github.com:octo/moe.git"), at("github.com"));
        assert_eq!(found("ssh://git@GitHub.com:22/octo/moe.git/"), at("github.com"));
        assert_eq!(found("octo/moe"), Some((None, "octo/moe".to_owned())));
        for wrong in [
            "/srv/moe.git",
            "../moe",
            "file:///srv/octo/moe",
            "octo",
            "https://github.com/octo/moe/x",
            "octo/..",
            "a b/c",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    fn address(remote: &str, api: Option<&str>) -> Result<Address, AddressError> {
        said(remote, &Said { configured: api.map(str::to_owned), ..Said::default() })
    }

    fn said(remote: &str, said: &Said) -> Result<Address, AddressError> {
        Address::of(Location::parse(remote).expect("it names a repository"), said)
    }

    #[test]
    fn the_interface_is_where_the_host_has_it() {
        let api = |remote: &str, api: Option<&str>| address(remote, api).expect("it is right").api;
        assert_eq!(api("git@github.com:octo/moe", None), "https://api.github.com");
        assert_eq!(api("https://lab.ghe.com/octo/moe", None), "https://api.lab.ghe.com");
        let own = address("octo/moe", Some("https://ghe.example.org/api/v3/")).expect("it is right");
        assert_eq!(
            (own.api.as_str(), own.page().as_str()),
            ("https://ghe.example.org/api/v3", "https://ghe.example.org/octo/moe")
        );
        assert_eq!(own.graphql(), "https://ghe.example.org/api/graphql");
        assert_eq!(
            address("octo/moe", None).expect("it is right").graphql(),
            "https://api.github.com/graphql"
        );
    }

    #[test]
    fn what_a_job_or_a_shell_names_is_for_its_own_host() {
        let of = |remote: &str, api: Option<&str>, host: Option<&str>| {
            let [api, host] = [api, host].map(|it| it.map(str::to_owned));
            said(remote, &Said { configured: None, api, host }).map(|it| it.api)
        };
        let enterprise = || Ok("https://ghe.example.org/api/v3".to_owned());
        let remote = "git@ghe.example.org:octo/moe";
        assert_eq!(of(remote, None, Some("GHE.example.org")), enterprise());
        assert_eq!(of("octo/moe", None, Some("ghe.example.org")), enterprise());
        assert_eq!(of(remote, Some("https://ghe.example.org/api/v3"), None), enterprise());
        assert_eq!(
            of("git@github.com:octo/moe", None, Some("ghe.example.org")),
            Ok("https://api.github.com".to_owned())
        );
        for (remote, api) in [
            (remote, "https://api.github.com"),
            ("git@github.com:octo/moe", "https://ghe.example.org/api/v3"),
        ] {
            assert!(matches!(of(remote, Some(api), None), Err(AddressError::OtherHost { .. })), "{remote}");
        }
        // An alias of a host is the user's own word for it.
        let own = address("git@work:octo/moe", Some("https://api.github.com")).expect("it is right");
        assert_eq!(own.page(), "https://github.com/octo/moe");
    }

    #[test]
    fn a_token_goes_to_no_host_that_nobody_named_and_never_in_the_clear() {
        let host = "ghe.example.org".to_owned();
        assert_eq!(address("https://ghe.example.org/o/n", None), Err(AddressError::UnknownHost(host)));
        let plain = "http://ghe.example.org/api/v3";
        assert_eq!(address("octo/moe", Some(plain)), Err(AddressError::Plain(plain.to_owned())));
        assert!(address("octo/moe", Some("http://127.0.0.1:4001")).is_ok());
        assert!(address("octo/moe", Some("https://a@b/")).is_err());
        assert!(address("octo/moe", Some("nonsense")).is_err());
    }

    #[test]
    fn no_error_repeats_who_opens_an_address_or_how() {
        for api in [
            "https://x:SECRET@127.0.0.1:1/",
            "http://x:SECRET@ghe.example.org/api/v3",
            "https://x:SEC/RET@h",
            "https://x@SECRET@h",
            "x:SECRET@h",
            "https://h/api/v3?token=SECRET",
            "ftp://h/#SECRET",
        ] {
            let error = address("octo/moe", Some(api)).expect_err("it is wrong").to_string();
            assert!(!error.contains("SEC") && !error.contains("RET"), "{error}");
        }
        let host = Said { host: Some("x:SECRET@h".to_owned()), ..Said::default() };
        assert_eq!(
            said("octo/moe", &host).expect_err("it is wrong").to_string(),
            "`https://h/api/v3` is no address of an interface"
        );
    }
}
