//! A small GitHub on this machine: it remembers what is posted, and goes wrong as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// As whom the token posts.
pub const LOGIN: &str = "octo-bot";
/// Who writes into issues on the web.
pub const PERSON: &str = "octo-lead";
/// A token that posts as a workflow's own does.
pub const APP_TOKEN: &str = "ghs_PLANTED2app2token0123456789abcdefg";
/// As whom that posts.
pub const APP: &str = "github-actions[bot]";
/// When everything happens, as it says itself.
const NOW: &str = "2026-11-21T12:00:00Z";

/// A GitHub that listens for as long as it is kept.
pub struct LocalGitHub {
    /// Where.
    pub api: String,
    place: String,
    shared: Arc<Mutex<State>>,
}

/// All it remembers.
#[derive(Clone, Default)]
pub struct State {
    /// Issues, the first is number 1.
    pub issues: Vec<Issue>,
    /// Pull requests, the first is number 1 of a count of its own.
    pub pulls: Vec<Issue>,
    /// What the workflows were told: the event and what came with it.
    pub dispatches: Vec<Value>,
    /// Git refs, and what they point to.
    pub refs: BTreeMap<String, String>,
    /// Commits: message and parents.
    pub commits: BTreeMap<String, (String, Vec<String>)>,
    /// What goes wrong, the first that fits.
    pub faults: Vec<Fault>,
    /// What was asked, as `POST /repos/…`, with its body.
    pub asked: Vec<(String, String)>,
    /// The headers of the last request.
    pub headers: String,
    /// What a person does just before a request is carried out: the beginning of the request, and the text of issue 1 from then on.
    pub person: Vec<(String, String)>,
    /// How often issue 1 was looked at.
    pub looks: usize,
    /// The text that a person gives issue 1 just before it is looked at for this time.
    pub person_at_look: Option<(usize, String)>,
    /// Whether it refuses to be asked who one is, as a workflow's token is.
    pub is_app: bool,
    /// Whether what is answered at this moment was asked with a workflow's token, whatever others ask with.
    asks_as_app: bool,
    counter: u64,
}

/// An issue.
#[derive(Clone, Default)]
pub struct Issue {
    pub title: String,
    pub body: String,
    pub state: String,
    pub user: String,
    pub labels: Vec<String>,
    pub comments: Vec<Comment>,
    /// The texts it had, each with who gave it.
    pub edits: Vec<(String, String)>,
}

/// A comment.
#[derive(Clone)]
pub struct Comment {
    pub id: u64,
    pub user: String,
    pub body: String,
    pub created: String,
}

/// Something that goes wrong.
#[derive(Clone)]
pub struct Fault {
    /// How the request begins that it befalls, as `POST /repos/octo/moe/issues/1/comments`.
    pub request: &'static str,
    /// How often.
    pub times: u32,
    /// What.
    pub what: What,
}

/// What goes wrong.
#[derive(Clone)]
pub enum What {
    /// It is refused: the status, further headers, the body.
    Refuse(u16, Vec<(&'static str, String)>, String),
    /// It is done, and this status is answered.
    DoneThen(u16),
    /// It is done, and nothing is answered for so long.
    DoneThenSilence(Duration),
    /// It is not done, and nothing is answered for so long.
    Silence(Duration),
    /// It is done, and the answer breaks off.
    DoneThenBreak,
    /// It is not done, and the connection breaks.
    Break,
}

impl LocalGitHub {
    /// One that has nothing.
    pub fn start() -> Self {
        Self::with(State::default())
    }

    /// One that remembers `state`.
    pub fn with(state: State) -> Self {
        Self::listening(state, None)
    }

    /// One as an enterprise has it: encrypted, its interface below `/api/v3`.
    pub fn of_an_enterprise(state: State, secured: Arc<ServerConfig>) -> Self {
        Self::listening(state, Some(secured))
    }

    fn listening(state: State, secured: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let place = listener.local_addr().expect("it listens");
        let api = match secured {
            Some(_) => format!("https://{place}/api/v3"),
            None => format!("http://{place}"),
        };
        let shared = Arc::new(Mutex::new(state));
        let remembered = Arc::clone(&shared);
        let own = api.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever kept it is gone.
                if Arc::strong_count(&remembered) == 1 {
                    break;
                }
                let (remembered, own, secured) = (Arc::clone(&remembered), own.clone(), secured.clone());
                let Ok(stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                std::thread::spawn(move || match secured {
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("it is configured");
                        serve(StreamOwned::new(connection, stream), &remembered, &own);
                    }
                    None => serve(stream, &remembered, &own),
                });
            }
        });
        Self { api, place: place.to_string(), shared }
    }

    /// All it remembers, to look at or to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().expect("no request panics")
    }

    /// Has something go wrong.
    pub fn fail(&self, request: &'static str, times: u32, what: What) {
        self.state().faults.push(Fault { request, times, what });
    }
}

impl Drop for LocalGitHub {
    fn drop(&mut self) {
        // Wakes the listener, which then sees that nobody keeps it.
        let shared = std::mem::take(&mut self.shared);
        drop(shared);
        let _ = TcpStream::connect(&self.place);
    }
}

fn serve(mut stream: impl Read + Write, shared: &Mutex<State>, api: &str) {
    while let Some((line, headers, body)) = request(&mut stream) {
        let mut words = line.split(' ');
        let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let asked = format!("{verb} {path}");
        let asks_as_app = headers.contains(&format!("Bearer {APP_TOKEN}"));
        let fault = {
            let mut state = shared.lock().expect("no request panics");
            state.headers = headers;
            state.asked.push((asked.clone(), body.clone()));
            let fault = state.faults.iter_mut().find(|it| it.times > 0 && asked.starts_with(it.request));
            fault.map(|fault| {
                fault.times -= 1;
                fault.what.clone()
            })
        };
        let done = || {
            let mut state = shared.lock().expect("no request panics");
            if let Some(place) = state.person.iter().position(|(begin, _)| asked.starts_with(begin)) {
                let (_, text) = state.person.remove(place);
                state.issues[0].edits.push((PERSON.to_owned(), text.clone()));
                state.issues[0].body = text;
            }
            state.asks_as_app = asks_as_app;
            state.answer(verb, path, &serde_json::from_str(&body).unwrap_or(Value::Null), api)
        };
        let goes_on = match fault {
            None => {
                let (status, body) = done();
                respond(&mut stream, status, &[], &body.to_string())
            }
            Some(What::Refuse(status, headers, body)) => respond(&mut stream, status, &headers, &body),
            Some(What::DoneThen(status)) => {
                done();
                respond(&mut stream, status, &[], "<html>Unicorn!</html>")
            }
            Some(What::DoneThenSilence(time)) => {
                done();
                std::thread::sleep(time);
                false
            }
            Some(What::Silence(time)) => {
                std::thread::sleep(time);
                false
            }
            Some(What::DoneThenBreak) => {
                let (status, body) = done();
                let text = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
                    text.len(),
                    &text[..text.len() / 2]
                );
                false
            }
            Some(What::Break) => false,
        };
        if !goes_on {
            return;
        }
    }
}

fn request(stream: &mut impl Read) -> Option<(String, String, String)> {
    let mut bytes = Vec::new();
    let mut part = vec![0; 65_536];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase().strip_prefix("content-length:").map(str::trim).map(str::to_owned)
        })
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => body.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    Some((line.to_owned(), headers.to_owned(), String::from_utf8_lossy(&body).into_owned()))
}

fn respond(stream: &mut impl Write, status: u16, headers: &[(&'static str, String)], body: &str) -> bool {
    let mut head = format!(
        "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
         content-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).and_then(|()| stream.flush()).is_ok()
}

impl State {
    /// Writes a comment, as somebody else would.
    pub fn comment(&mut self, user: &str, body: &str) -> u64 {
        self.counter += 1;
        let id = 1000 + self.counter;
        let comment = Comment { id, user: user.to_owned(), body: body.to_owned(), created: NOW.to_owned() };
        self.issues[0].comments.push(comment);
        id
    }

    fn acts_as_app(&self) -> bool {
        self.is_app || self.asks_as_app
    }

    fn acts_as(&self) -> &'static str {
        if self.acts_as_app() { APP } else { LOGIN }
    }

    fn name(&mut self) -> String {
        self.counter += 1;
        format!("{:040x}", 0xfeed_0000_u64 + self.counter)
    }

    fn answer(&mut self, verb: &str, path: &str, body: &Value, api: &str) -> (u16, Value) {
        let missing = (404, json!({ "message": "Not Found" }));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // Of an enterprise.
        let path = path.strip_prefix("/api/v3").or(path.strip_prefix("/api")).unwrap_or(path);
        let number = |name: &str, otherwise: usize| {
            query
                .split('&')
                .find_map(|it| it.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
                .unwrap_or(otherwise)
        };
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if path == "/user" {
            return match self.acts_as_app() {
                true => (403, json!({ "message": "Resource not accessible by integration" })),
                false => (200, json!({ "login": LOGIN })),
            };
        }
        if path == "/graphql" {
            let at = |(place, (editor, text)): (usize, &(String, String))| {
                let time = format!("2026-11-21T12:{place:02}:00Z");
                json!({ "editedAt": time, "editor": { "login": editor }, "diff": text })
            };
            let edits =
                self.issues.first().map(|issue| issue.edits.iter().enumerate().map(at).rev().collect());
            let nodes: Vec<Value> = edits.unwrap_or_default();
            return (200, json!({"data":{"repository":{"issue":{"userContentEdits":{"nodes":nodes}}}}}));
        }
        let Some(rest) = path.strip_prefix("/repos/octo/moe/") else { return missing };
        let parts: Vec<&str> = rest.split('/').collect();
        let page = |items: Vec<Value>| {
            let (size, page) = (number("per_page", 30), number("page", 1));
            (200, Value::Array(items.into_iter().skip(size * (page - 1)).take(size).collect()))
        };
        match (verb, parts.as_slice()) {
            ("GET", ["issues"]) => {
                page((1..=self.issues.len()).rev().map(|number| self.shown(number, api)).collect())
            }
            ("POST", ["issues"]) => {
                let labels = body["labels"].as_array().into_iter().flatten();
                self.issues.push(Issue {
                    title: text("title"),
                    body: text("body"),
                    state: "open".to_owned(),
                    user: self.acts_as().to_owned(),
                    labels: labels.filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                    edits: vec![(self.acts_as().to_owned(), text("body"))],
                    comments: Vec::new(),
                });
                (201, self.shown(self.issues.len(), api))
            }
            ("GET", ["issues", number]) => match self.issue(number) {
                Some(number) => {
                    self.looks += 1;
                    if let Some((_, text)) = self.person_at_look.take_if(|(look, _)| *look == self.looks) {
                        self.issues[0].edits.push((PERSON.to_owned(), text.clone()));
                        self.issues[0].body = text;
                    }
                    (200, self.shown(number, api))
                }
                None => missing,
            },
            ("PATCH", ["issues", number]) => match self.issue(number) {
                Some(number) => {
                    let editor = self.acts_as().to_owned();
                    let issue = &mut self.issues[number - 1];
                    if let Some(title) = body["title"].as_str() {
                        issue.title = title.to_owned();
                    }
                    if let Some(text) = body["body"].as_str() {
                        issue.body = text.to_owned();
                        issue.edits.push((editor, text.to_owned()));
                    }
                    if let Some(state) = body["state"].as_str() {
                        issue.state = state.to_owned();
                    }
                    (200, self.shown(number, api))
                }
                None => missing,
            },
            ("GET", ["issues", number, "comments"]) => match self.issue(number) {
                Some(number) => {
                    let comments = self.issues[number - 1].comments.iter();
                    page(comments.map(|it| comment(number, it, api)).collect())
                }
                None => missing,
            },
            ("POST", ["issues", number, "comments"]) => match self.issue(number) {
                Some(number) => {
                    if text("body").encode_utf16().count() > 65_536 {
                        return (422, json!({ "message": "Body is too long" }));
                    }
                    self.counter += 1;
                    let it = Comment {
                        id: 1000 + self.counter,
                        user: self.acts_as().to_owned(),
                        body: text("body"),
                        created: NOW.to_owned(),
                    };
                    let shown = comment(number, &it, api);
                    self.issues[number - 1].comments.push(it);
                    (201, shown)
                }
                None => missing,
            },
            ("PATCH", ["issues", "comments", id]) => {
                let comments = self.issues.iter_mut().enumerate();
                let mut all =
                    comments.flat_map(|(place, it)| it.comments.iter_mut().map(move |it| (place + 1, it)));
                match all.find(|(_, it)| it.id.to_string() == *id) {
                    Some((number, it)) => {
                        it.body = text("body");
                        (200, comment(number, it, api))
                    }
                    None => missing,
                }
            }
            ("GET", ["pulls"]) => page((1..=self.pulls.len()).rev().map(|it| self.pull(it, api)).collect()),
            ("POST", ["pulls"]) => {
                let user = LOGIN.to_owned();
                let labels = vec![text("head"), text("base")];
                let (title, body) = (text("title"), text("body"));
                self.pulls.push(Issue {
                    title,
                    body,
                    user,
                    labels,
                    state: "open".to_owned(),
                    ..Issue::default()
                });
                (201, self.pull(self.pulls.len(), api))
            }
            ("POST", ["dispatches"]) => {
                self.dispatches.push(body.clone());
                (204, Value::Null)
            }
            ("POST", ["labels"]) => (201, json!({ "name": text("name") })),
            ("POST", ["git", "trees"]) => (201, json!({ "sha": self.name() })),
            ("POST", ["git", "commits"]) => {
                let name = self.name();
                let parents = body["parents"].as_array().into_iter().flatten();
                let parents = parents.filter_map(|it| it.as_str().map(str::to_owned)).collect();
                self.commits.insert(name.clone(), (text("message"), parents));
                (201, json!({ "sha": name }))
            }
            ("GET", ["git", "commits", name]) => match self.commits.get(*name) {
                Some((message, _)) => (200, json!({ "sha": name, "message": message })),
                None => missing,
            },
            ("POST", ["git", "refs"]) => {
                let name = text("ref");
                if self.refs.contains_key(&name) {
                    return (422, json!({ "message": "Reference already exists" }));
                }
                self.refs.insert(name, text("sha"));
                (201, json!({}))
            }
            ("GET", ["git", "ref", name @ ..]) => match self.refs.get(&format!("refs/{}", name.join("/"))) {
                Some(sha) => (200, json!({ "object": { "sha": sha } })),
                None => missing,
            },
            ("PATCH", ["git", "refs", name @ ..]) => {
                let name = format!("refs/{}", name.join("/"));
                let Some(now) = self.refs.get(&name) else {
                    return (422, json!({ "message": "Reference does not exist" }));
                };
                let (mut at, mut stands) = (text("sha"), false);
                while let Some((_, parents)) = self.commits.get(&at) {
                    stands |= at == *now;
                    let Some(parent) = parents.first() else { break };
                    at = parent.clone();
                }
                if !stands && at != *now {
                    return (422, json!({ "message": "Update is not a fast forward" }));
                }
                self.refs.insert(name, text("sha"));
                (200, json!({}))
            }
            ("DELETE", ["git", "refs", name @ ..]) => {
                self.refs.remove(&format!("refs/{}", name.join("/")));
                (204, Value::Null)
            }
            _ => missing,
        }
    }

    fn issue(&self, number: &str) -> Option<usize> {
        number.parse::<usize>().ok().filter(|number| (1..=self.issues.len()).contains(number))
    }

    fn shown(&self, number: usize, api: &str) -> Value {
        let issue = &self.issues[number - 1];
        json!({
            "number": number, "title": issue.title, "body": issue.body, "state": issue.state,
            "user": { "login": issue.user }, "created_at": NOW,
            "html_url": format!("{api}/octo/moe/issues/{number}"),
        })
    }
}

impl State {
    fn pull(&self, number: usize, api: &str) -> Value {
        let pull = &self.pulls[number - 1];
        json!({
            "number": number, "title": pull.title, "body": pull.body, "state": pull.state,
            "user": { "login": pull.user }, "created_at": NOW, "head": { "ref": pull.labels[0] },
            "html_url": format!("{api}/octo/moe/pull/{number}"),
        })
    }
}

fn comment(number: usize, it: &Comment, api: &str) -> Value {
    json!({
        "id": it.id, "body": it.body, "user": { "login": it.user }, "created_at": it.created,
        "html_url": format!("{api}/octo/moe/issues/{number}#issuecomment-{}", it.id),
    })
}
