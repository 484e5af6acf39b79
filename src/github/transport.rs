//! One request after the other: time limits, what is sent again and what is not, and what it says when it goes wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::error::GitHubError;
use super::limit;
use super::token::Token;
use super::{Network, Options};

/// The version of the interface that this was written for.
const VERSION: &str = "2022-11-28";
/// The longest answer that is read, in bytes: a hundred comments of the longest kind are 25 MiB.
const LONGEST_ANSWER: usize = 64 << 20;
/// How often something harmless is asked again that got no answer.
const TRIES: u32 = 4;
/// How long it is waited before that, the first time.
const PAUSE: Duration = Duration::from_millis(300);
/// How often it is waited for a rate limit.
const PATIENCE: u32 = 10;
/// How many redirections are followed, as those of a repository that was renamed.
const REDIRECTIONS: u32 = 3;
/// How much of what GitHub says of an error is told, in characters.
const LONGEST_MESSAGE: usize = 400;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
    /// Reads by a question.
    Ask,
}

/// The way to GitHub.
pub(super) struct Transport {
    runtime: tokio::runtime::Runtime,
    client: Octocrab,
    api: String,
    graphql: String,
    token: Token,
    timeout: Duration,
    limit: Duration,
    began: Instant,
    tell: fn(&str),
}

/// What came back, where it says that all is well.
pub(super) struct Answer {
    what: String,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// What it says.
    pub fn read<T: serde::de::DeserializeOwned>(self) -> Result<T, GitHubError> {
        serde_json::from_str(&self.body).map_err(|error| GitHubError::Unreadable {
            what: self.what,
            // Of what it says itself, nothing is repeated.
            problem: format!(
                "it is not what was expected at line {}, column {}",
                error.line(),
                error.column()
            ),
        })
    }

    /// Whether it names a next page.
    pub fn has_next(&self) -> bool {
        let links = self.headers.get(header::LINK).and_then(|link| link.to_str().ok()).unwrap_or_default();
        links.contains("rel=\"next\"")
    }

    /// The time by GitHub's clock, in seconds since 1970.
    pub fn time(&self) -> i64 {
        time_of(&self.headers)
    }
}

/// What came back, whatever it says.
struct Raw {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Transport {
    /// The way to where `options` say.
    pub fn new(options: Options) -> Result<Self, GitHubError> {
        let Options { address, token, timeout, deadline: limit, network, tell } = options;
        let failed = |error: &dyn std::fmt::Display| GitHubError::Setup(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let inside = runtime.enter();
        let client = client(&address.api, &network)?;
        drop(inside);
        Ok(Self {
            runtime,
            client,
            graphql: address.graphql(),
            api: address.api,
            token,
            timeout,
            limit,
            began: Instant::now(),
            tell,
        })
    }

    /// How much time there is.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }

    /// How long all requests together may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where it is told what is waited for.
    pub fn tell(&self) -> fn(&str) {
        self.tell
    }

    /// Waits, as long as there is time.
    pub fn wait(&self, pause: Duration) -> Result<(), GitHubError> {
        if pause >= self.left() {
            return Err(GitHubError::Late { limit: self.limit });
        }
        std::thread::sleep(pause);
        Ok(())
    }

    /// Sends what may be sent again, until there is an answer.
    pub fn repeated(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, GitHubError> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            match self.single(method, path, body) {
                Err(GitHubError::Uncertain { .. }) if attempt < TRIES => {
                    self.wait(pause)?;
                    pause *= 2;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Sends something once; what GitHub refused for a rate limit was not done, and is sent again.
    pub fn single(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, GitHubError> {
        let what = match method {
            Method::Get => format!("GET {path}"),
            Method::Post => format!("POST {path}"),
            Method::Patch => format!("PATCH {path}"),
            Method::Delete => format!("DELETE {path}"),
            Method::Ask => "POST /graphql".to_owned(),
        };
        let mut waited = 0;
        loop {
            let raw = self.send(method, path, body).map_err(|problem| self.problem(&what, problem))?;
            if (200..300).contains(&raw.status) {
                return Ok(Answer { what, headers: raw.headers, body: raw.body });
            }
            let now = time_of(&raw.headers);
            if let Some(pause) = limit::pause(raw.status, &raw.headers, &raw.body, now, waited) {
                let left = self.left();
                if pause >= left || waited >= PATIENCE {
                    return Err(GitHubError::Limited { pause, left });
                }
                (self.tell)(&format!("waiting {} s for GitHub's rate limit", pause.as_secs()));
                std::thread::sleep(pause);
                waited += 1;
                continue;
            }
            // Redirections that were not followed, and whatever failed on the way.
            if raw.status >= 500 || raw.status == 408 {
                let problem = format!("it failed with {}", raw.status);
                return Err(GitHubError::Uncertain { what, problem });
            }
            let header = |name: &str| Some(self.token.hide(raw.headers.get(name)?.to_str().ok()?));
            let needed = header("x-accepted-oauth-scopes").filter(|it| !it.is_empty());
            return Err(GitHubError::Refused {
                what,
                status: raw.status,
                message: message(&raw.body),
                scopes: header("x-oauth-scopes"),
                needed: needed.or_else(|| header("x-accepted-github-permissions")),
            });
        }
    }

    fn problem(&self, what: &str, problem: String) -> GitHubError {
        if self.left().is_zero() {
            return GitHubError::Late { limit: self.limit };
        }
        GitHubError::Uncertain { what: what.to_owned(), problem: self.token.hide(&problem) }
    }

    /// One request and its answer, along redirections that stay with the same host.
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Raw, String> {
        let mut address = match method {
            Method::Ask => self.graphql.clone(),
            _ => format!("{}{path}", self.api),
        };
        for _ in 0..=REDIRECTIONS {
            let raw = self.exchange(method, &address, body)?;
            let may_follow = match raw.status {
                307 | 308 => true,
                301 | 302 => method == Method::Get,
                _ => false,
            };
            let target = raw.headers.get(header::LOCATION).and_then(|it| it.to_str().ok()).map(str::to_owned);
            match target.filter(|target| may_follow && self.is_there(target)) {
                Some(target) => address = target,
                None => return Ok(raw),
            }
        }
        Err("it sends from one address to the next".to_owned())
    }

    /// Whether `address` is at the host that the token is for.
    fn is_there(&self, address: &str) -> bool {
        let place = |address: &str| {
            let uri: Uri = address.parse().ok()?;
            Some((uri.scheme_str()?.to_owned(), uri.authority()?.as_str().to_owned()))
        };
        place(address).is_some_and(|it| Some(it) == place(&self.api))
    }

    fn exchange(&self, method: Method, address: &str, body: Option<&Value>) -> Result<Raw, String> {
        let verb = match method {
            Method::Get => http::Method::GET,
            Method::Post | Method::Ask => http::Method::POST,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(OctoBody::from(text));
        *request.method_mut() = verb;
        *request.uri_mut() = address.parse().map_err(|_| "its address cannot be read".to_owned())?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.token.header());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("git-exp/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert("x-github-api-version", HeaderValue::from_static(VERSION));
        let limit = self.timeout.min(self.left());
        let answered = async {
            let response = self.client.execute(request).await.map_err(|error| causes(&error))?;
            let (parts, body) = response.into_parts();
            let read = Limited::new(body, LONGEST_ANSWER).collect().await;
            let bytes = read.map_err(|error| causes(error.as_ref()))?.to_bytes();
            let body = self.token.hide(&String::from_utf8_lossy(&bytes));
            Ok(Raw { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let limited = async { tokio::time::timeout(limit, answered).await };
        let late = |_| format!("it took longer than {:.1} s", limit.as_secs_f64());
        self.runtime.block_on(limited).map_err(late)?
    }
}

/// What sends requests: straight there, or through a proxy.
fn client(api: &str, network: &Network) -> Result<Octocrab, GitHubError> {
    let failed = |problem: String| GitHubError::Setup(problem);
    let uri: Uri = api.parse().map_err(|_| failed(format!("`{api}` is no address")))?;
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    if uri.scheme_str() == Some("http") {
        return Ok(crab(Client::builder(TokioExecutor::new()).build(plain)));
    }
    let trust = trust(network.certificates.as_deref())?;
    let secured = HttpsConnectorBuilder::new().with_tls_config(trust).https_only().enable_http1();
    match proxy(network, &uri)? {
        None => Ok(crab(Client::builder(TokioExecutor::new()).build(secured.wrap_connector(plain)))),
        Some(proxy) if proxy.uri().scheme_str() == Some("http") => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), plain);
            if let Some(credentials) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            Ok(crab(Client::builder(TokioExecutor::new()).build(secured.wrap_connector(tunnel))))
        }
        Some(proxy) => {
            let scheme = proxy.uri().scheme_str().unwrap_or_default();
            Err(failed(format!("a proxy that is reached by `{scheme}://` is not supported, only `http://`")))
        }
    }
}

/// The proxy on the way to `uri`: the one that Git is told of, else the one of the environment.
fn proxy(network: &Network, uri: &Uri) -> Result<Option<Intercept>, GitHubError> {
    let Some(address) = &network.proxy else { return Ok(Matcher::from_env().intercept(uri)) };
    if address.is_empty() {
        return Ok(None);
    }
    let no = network.no_proxy.as_deref().unwrap_or_default();
    let matcher = Matcher::builder().all(address.as_str()).no(no).build();
    let anywhere: Uri = "https://proxied.invalid".parse().expect("it is an address");
    if Matcher::builder().all(address.as_str()).build().intercept(&anywhere).is_none() {
        // It is not repeated, for it may hold a password.
        return Err(GitHubError::Setup(
            "`http.proxy` of Git's configuration is no address of a proxy".to_owned(),
        ));
    }
    Ok(matcher.intercept(uri))
}

/// Whose certificates are believed: those of the system or of `SSL_CERT_FILE` and `SSL_CERT_DIR`, and those of `more`.
fn trust(more: Option<&Path>) -> Result<ClientConfig, GitHubError> {
    let mut found = rustls_native_certs::load_native_certs();
    if let Some(path) = more {
        let named = rustls_native_certs::load_certs_from_paths(Some(path), None);
        if named.certs.is_empty() {
            let why = named.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            let path = path.display();
            return Err(GitHubError::Setup(format!("no certificates can be read from `{path}`{why}")));
        }
        found.certs.extend(named.certs);
    }
    let mut roots = RootCertStore::empty();
    let (believed, _) = roots.add_parsable_certificates(found.certs);
    if believed == 0 {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(GitHubError::Setup(format!("no certificates can be read{why}")));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| GitHubError::Setup(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn crab<C>(client: Client<C, OctoBody>) -> Octocrab
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let built = OctocrabBuilder::new_empty().with_service(client).with_auth(AuthState::None).build();
    match built {
        Ok(crab) => crab,
        Err(never) => match never {},
    }
}

/// What an error says, and what lies behind it, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // With a backtrace and the like, only the first line is for people.
        let text = error.to_string().lines().next().unwrap_or_default().trim().to_owned();
        if !text.is_empty() && said.iter().all(|known| !known.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ").chars().take(LONGEST_MESSAGE).collect()
}

/// What GitHub says of an error, in one line.
fn message(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return String::new() };
    let mut parts: Vec<String> = value["message"].as_str().map(str::to_owned).into_iter().collect();
    for error in value["errors"].as_array().into_iter().flatten() {
        let text =
            ["resource", "field", "code", "message"].into_iter().filter_map(|name| error[name].as_str());
        let text = text.collect::<Vec<_>>().join(" ");
        parts
            .extend(Some(text).filter(|text| !text.is_empty()).or_else(|| error.as_str().map(str::to_owned)));
    }
    let text = parts.join("; ");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_MESSAGE).collect()
}

/// The time by the clock of whoever answered, in seconds since 1970; by ours where they do not say.
fn time_of(headers: &HeaderMap) -> i64 {
    let said = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let said = said.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    said.map_or_else(
        || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
        },
        |time| time.timestamp().as_second(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_says_of_an_error_is_one_line() {
        let body = r#"{"message":"Validation\nFailed","errors":[{"resource":"Issue","field":"title","code":"missing"},"too long"]}"#;
        assert_eq!(message(body), "Validation Failed; Issue title missing; too long");
        assert_eq!(message("<html>"), "");
    }

    #[test]
    fn the_time_is_that_of_whoever_answers() {
        let headers = [(header::DATE, HeaderValue::from_static("Sat, 21 Nov 2026 12:00:00 GMT"))];
        assert_eq!(time_of(&headers.into_iter().collect()), 1_795_262_400);
    }
}
