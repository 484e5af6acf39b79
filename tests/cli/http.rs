//! A remote behind HTTP: `git http-backend` on a loopback port, with what goes wrong there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::net::Net;

/// The account that a server asks for, as `Authorization` has it: `ada:secret`.
const ACCOUNT: &str = "Basic YWRhOnNlY3JldA==";

/// How a server behaves.
#[derive(Clone, Default)]
struct Behaviour {
    /// Takes only so many bytes of what is pushed, then hangs up.
    cuts_pushes_after: Option<usize>,
    /// Hangs up after so many bytes of what is fetched.
    cuts_fetches_after: Option<usize>,
    /// Lets only reading through.
    forbids_pushes: bool,
    /// Wants to know who asks.
    wants_account: bool,
}

/// A server of the folder that a laboratory is in.
struct Server {
    port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Method, path and status of each request.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(net: &Net) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let behaviour = Arc::new(Mutex::new(Behaviour::default()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (shared, log) = (Arc::clone(&behaviour), Arc::clone(&requests));
        let (root, home) = (net.folder(""), net.lab.home());
        net.git("remote.git", &["config", "http.receivepack", "true"]);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let behaviour = shared.lock().expect("nobody panics with it").clone();
                let (root, home, log) = (root.clone(), home.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &behaviour, root, home, &log));
            }
        });
        Self { port, behaviour, requests }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/remote.git", self.port)
    }

    fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().expect("nobody panics with it") = behaviour;
    }

    fn requests(&self) -> String {
        self.requests.lock().expect("nobody panics with it").join("\n")
    }
}

/// Answers one request. Trouble with the connection is the client's to tell.
fn answer(
    stream: TcpStream,
    behaviour: &Behaviour,
    root: PathBuf,
    home: PathBuf,
    log: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
    let mut stream = stream;
    let mut end = |status: &str, head: &str, body: &[u8]| {
        log.lock().expect("nobody panics with it").push(format!("{method} {target} {status}"));
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n")
            .ok()?;
        stream.write_all(body).ok()
    };
    if behaviour.wants_account && header("authorization") != Some(ACCOUNT) {
        return end("401 Unauthorized", "WWW-Authenticate: Basic realm=\"lab\"\r\n", b"");
    }
    let is_push = target.contains("git-receive-pack");
    if behaviour.forbids_pushes && is_push {
        return end("403 Forbidden", "", b"");
    }
    if header("expect") == Some("100-continue") {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = Vec::new();
    if let Some(length) = header("content-length").and_then(|length| length.parse::<u64>().ok()) {
        let taken = behaviour.cuts_pushes_after.filter(|_| is_push).map_or(length, |limit| limit as u64);
        reader.by_ref().take(length.min(taken)).read_to_end(&mut body).ok()?;
        if taken < length {
            log.lock().expect("nobody panics with it").push(format!("{method} {target} cut"));
            return None;
        }
    } else if header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            reader.by_ref().take(size).read_to_end(&mut body).ok()?;
            reader.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
            if behaviour.cuts_pushes_after.is_some_and(|limit| is_push && body.len() > limit) {
                log.lock().expect("nobody panics with it").push(format!("{method} {target} cut"));
                return None;
            }
        }
    }
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command
        .env("HOME", &home)
        .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("REQUEST_METHOD", &method);
    command
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_USER", "ada")
        .env("REMOTE_ADDR", "127.0.0.1");
    let handed_on = [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ];
    for (name, variable) in handed_on {
        if let Some(value) = header(name) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut pipe = child.stdin.take()?;
    let feed = std::thread::spawn(move || drop(pipe.write_all(&body)));
    let out = child.wait_with_output().ok()?.stdout;
    feed.join().ok()?;
    let split = out.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&out[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let head: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    let body = &out[split + 4..];
    match behaviour.cuts_fetches_after {
        Some(limit) if target.ends_with("git-upload-pack") && body.len() > limit => {
            log.lock().expect("nobody panics with it").push(format!("{method} {target} cut"));
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n").ok()?;
            stream.write_all(&body[..limit]).ok()
        }
        _ => end(&status, &head, body),
    }
}

/// A laboratory whose clone `lab` pushes to a server.
fn served() -> (Net, Server) {
    let mut net = Net::new();
    net.protocols = "file:http";
    let server = Server::start(&net);
    net.git("lab", &["remote", "set-url", "origin", &server.url()]);
    (net, server)
}

/// Bytes that cannot be compressed, the same every time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Records a run that leaves a file of this many bytes.
fn record_file(net: &Net, clone: &str, label: &str, seed: u64, length: usize) {
    std::fs::write(net.folder("noise"), noise(seed, length)).expect("the folder is ours");
    let script = "cp ../noise \"$GIT_EXP_OUT/noise\"";
    net.exp_ok(clone, &["run", "--label", label, "--", "sh", "-c", script]);
}

#[test]
fn over_http_a_strict_server_takes_everything_and_a_partial_clone_reads_it() {
    let (net, server) = served();
    for (key, value) in [
        ("receive.fsckObjects", "true"),
        ("transfer.fsckObjects", "true"),
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowAnySHA1InWant", "true"),
    ] {
        net.git("remote.git", &["config", key, value]);
    }
    net.lab.write("work.py", "x = 1\n");
    net.record("lab", "one");
    record_file(&net, "lab", "large", 1, 3 << 20);
    let pushed = net.exp_ok("lab", &["push"]);
    assert!(pushed.contains("2 entries") && pushed.contains("refs/notes/exp"), "{pushed}");
    net.exp_ok("lab", &["push", "--data", "--yes"]);
    assert!(server.requests().contains("POST /remote.git/git-receive-pack 200"), "{}", server.requests());

    net.git("lab", &["clone", "--quiet", "--filter=blob:none", &server.url(), "../partial"]);
    net.git(
        "partial",
        &["config", "--add", "remote.origin.fetch", "+refs/exp/log/*:refs/exp/remote/origin/log/*"],
    );
    net.git("partial", &["fetch", "--quiet"]);
    let (_, out, said) = net.exp("partial", &["runs"]);
    assert!(said.contains("left out by a partial fetch"), "{out}{said}");
    net.exp_ok("partial", &["pull", "--data"]);
    assert_eq!(net.labels("partial"), ["large", "one"]);
    let runs = net.json("partial", &["runs"]);
    let one = runs.iter().find(|run| run["label"] == "one").expect("it is listed");
    let show = ["show", one["run"].as_str().expect("it has an ID"), "--file", "stdout"];
    let (_, out, said) = net.exp("partial", &show);
    assert!(out == "one\n" || said.contains("pull --data"), "{out}{said}");
    net.record("partial", "here");
    net.exp_ok("partial", &["push", "--data", "--yes"]);
    net.exp_ok("lab", &["pull", "--data"]);
    assert_eq!(net.labels("lab"), ["here", "large", "one"]);
    net.exp_ok("lab", &["fsck"]);
}

#[test]
fn a_push_that_was_cut_off_goes_on_where_it_ended() {
    let (net, server) = served();
    net.exp_ok("lab", &["push"]);
    for seed in 1..=4 {
        record_file(&net, "lab", &format!("run {seed}"), seed, 300 << 10);
    }
    net.git("lab", &["config", "exp.pushLimit", "400k"]);
    net.git("lab", &["config", "exp.publish", "true"]);
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    let refs = || net.git("remote.git", &["for-each-ref", "--format=%(refname)"]);

    server.behave(Behaviour { cuts_pushes_after: Some(100 << 10), ..Behaviour::default() });
    let (status, _, said) = net.exp("lab", &["push", "--data"]);
    assert_eq!(status, 3, "{said}");
    assert!(server.requests().contains("cut"), "{}", server.requests());
    assert!(!refs().contains(&data), "{}", refs());

    server.behave(Behaviour::default());
    let pushes = || server.requests().matches("POST /remote.git/git-receive-pack 200").count();
    let before = pushes();
    net.exp_ok("lab", &["push", "--data"]);
    assert!(pushes() - before >= 4, "in pieces:\n{}", server.requests());
    net.git("remote.git", &["fsck", "--strict", "--connectivity-only"]);
    assert!(net.exp_ok("lab", &["push", "--data"]).contains("has everything"));

    // A fetch that is cut off leaves nothing half-done either.
    net.git("lab", &["clone", "--quiet", &server.url(), "../second"]);
    server.behave(Behaviour { cuts_fetches_after: Some(10 << 10), ..Behaviour::default() });
    assert_eq!(net.exp("second", &["pull", "--data"]).0, 3);
    server.behave(Behaviour::default());
    net.exp_ok("second", &["pull", "--data"]);
    assert_eq!(net.labels("second").len(), 4);
    net.exp_ok("second", &["fsck"]);
}

#[test]
fn what_arrived_before_a_push_was_cut_off_stays_there() {
    let (net, server) = served();
    record_file(&net, "lab", "small", 1, 100 << 10);
    record_file(&net, "lab", "large", 2, 900 << 10);
    net.git("lab", &["config", "exp.pushLimit", "200k"]);
    net.git("lab", &["config", "exp.publish", "true"]);
    let data = format!("refs/exp/data/{}", net.writer("lab"));
    server.behave(Behaviour { cuts_pushes_after: Some(500 << 10), ..Behaviour::default() });
    assert_eq!(net.exp("lab", &["push", "--data"]).0, 3);
    let arrived = net.git("remote.git", &["rev-parse", &data]);
    assert_eq!(arrived, net.git("lab", &["rev-parse", &format!("{data}~1")]));
    server.behave(Behaviour::default());
    net.exp_ok("lab", &["push", "--data"]);
    assert_eq!(net.git("remote.git", &["rev-parse", &data]), net.git("lab", &["rev-parse", &data]));
}

#[test]
fn a_server_that_forbids_is_told_and_credentials_come_from_git() {
    let (net, server) = served();
    net.record("lab", "one");
    server.behave(Behaviour { forbids_pushes: true, ..Behaviour::default() });
    let (status, _, said) = net.exp("lab", &["push"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("403"), "{said}");
    net.exp_ok("lab", &["pull"]);

    server.behave(Behaviour { wants_account: true, ..Behaviour::default() });
    let (status, _, said) = net.exp("lab", &["push"]);
    assert_eq!(status, 3, "nobody can be asked: {said}");
    let helper = "!f() { echo username=ada; echo password=secret; }; f";
    net.git("lab", &["config", "credential.helper", helper]);
    net.exp_ok("lab", &["push"]);
    net.exp_ok("lab", &["pull"]);
    assert!(server.requests().contains("401"), "{}", server.requests());
}

#[test]
fn refs_that_a_server_hides_are_refused_and_the_logs_go_all_the_same() {
    let (net, _server) = served();
    net.git("remote.git", &["config", "transfer.hideRefs", "refs/exp/data"]);
    net.record("lab", "one");
    let (status, out, said) = net.exp("lab", &["push", "--data", "--yes"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(out.contains("refused: refs/exp/data/"), "{out}{said}");
    assert!(out.contains(&format!("refs/exp/log/{}: 1 entry", net.writer("lab"))), "{out}{said}");
}
