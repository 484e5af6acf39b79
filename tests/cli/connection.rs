//! The way to GitHub: certificates, proxies, hosts, and whose token opens it.

use std::path::PathBuf;
use std::process::Output;

use super::github::{TOKEN, base, command, skipped};
use crate::lab::TestLab;
use crate::lab::github::LocalGitHub;
use crate::lab::way::{Authority, Proxy};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A topic with an issue on an enterprise's GitHub that an authority of its own vouches for.
struct Enterprise {
    lab: TestLab,
    github: LocalGitHub,
    authority: PathBuf,
}

impl Enterprise {
    fn found() -> Option<Self> {
        let (lab, plain) = base();
        let Some(authority) = Authority::make(&lab.path().with_file_name("authority")) else {
            skipped("the tests of certificates and proxies", "there is no openssl");
            return None;
        };
        let state = plain.state().clone();
        let github = LocalGitHub::of_an_enterprise(state, authority.server);
        Some(Self { lab, github, authority: authority.certificate })
    }

    /// Asks for the issue, with these variables.
    fn ask(&self, variables: &[(&str, &str)]) -> Output {
        let mut command = command(&self.lab, &self.github.api, &["issue", "sync", "moe", "--dry-run"]);
        command.envs(variables.iter().copied()).output().expect("it starts")
    }

    fn authority(&self) -> &str {
        self.authority.to_str().expect("it is UTF-8")
    }
}

#[test]
fn an_authority_is_believed_where_the_user_names_it_and_only_there() {
    let Some(it) = Enterprise::found() else { return };
    let refused = it.ask(&[]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("certificate"), "{}", said(&refused));
    it.lab.git(["config", "http.sslVerify", "false"]);
    assert_eq!(it.ask(&[]).status.code(), Some(3), "a token is not sent to whoever answers");
    assert!(it.github.state().asked.is_empty());
    for name in ["SSL_CERT_FILE", "GIT_SSL_CAINFO"] {
        let seen = it.ask(&[(name, it.authority())]);
        assert_eq!(seen.status.code(), Some(0), "{name}: {}", said(&seen));
    }
    let own = format!("http.{}.sslCAInfo", it.github.api);
    for key in ["http.sslCAInfo", &own] {
        it.lab.git(["config", key, it.authority()]);
        let seen = it.ask(&[]);
        assert_eq!(seen.status.code(), Some(0), "{key}: {}", said(&seen));
        it.lab.git(["config", "--unset", key]);
    }
    it.lab.git(["config", "http.https://elsewhere.example.org.sslCAInfo", it.authority()]);
    assert_eq!(it.ask(&[]).status.code(), Some(3));
    let missing = it.ask(&[("GIT_SSL_CAINFO", "/nowhere.pem")]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(said(&missing).contains("no certificates can be read from `/nowhere.pem`"), "{}", said(&missing));
    // A post, as well as what is read.
    let mut update = command(&it.lab, &it.github.api, &["issue", "update", "moe"]);
    let posted = update.env("SSL_CERT_FILE", it.authority()).output().expect("it starts");
    assert_eq!(posted.status.code(), Some(0), "{}", said(&posted));
    assert_eq!(it.github.state().issues[0].comments.len(), 1);
}

#[test]
fn a_proxy_is_gone_through_where_it_is_named_and_its_password_shows_nowhere() {
    let Some(it) = Enterprise::found() else { return };
    let open = Proxy::start(None);
    // `me:proxyword`, as RFC 7617 has it.
    let closed = Proxy::start(Some("Basic bWU6cHJveHl3b3Jk"));
    let trust = ("SSL_CERT_FILE", it.authority());
    let place = format!("http://{}", open.place);
    let target = it.github.api.trim_start_matches("https://").trim_end_matches("/api/v3");
    let goes = |variables: &[(&str, &str)], through: bool| {
        let all: Vec<(&str, &str)> = variables.iter().copied().chain([trust]).collect();
        let seen = it.ask(&all);
        assert_eq!(seen.status.code(), Some(0), "{variables:?}: {}", said(&seen));
        let asked = open.asked();
        assert_eq!(!asked.is_empty(), through, "{variables:?}: {asked:?}");
        for head in asked {
            assert!(head.starts_with(&format!("CONNECT {target} ")), "{head}");
            assert!(!head.contains(TOKEN), "the token is for GitHub alone");
        }
    };
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        goes(&[(name, &place)], true);
    }
    // That is for what is not encrypted.
    goes(&[("HTTP_PROXY", &place)], false);
    for name in ["NO_PROXY", "no_proxy"] {
        goes(&[("HTTPS_PROXY", &place), (name, "localhost,127.0.0.1")], false);
        goes(&[("HTTPS_PROXY", &place), (name, "example.org")], true);
    }
    // What Git is told goes before what the environment says.
    it.lab.git(["config", "http.proxy", &place]);
    goes(&[], true);
    goes(&[("HTTPS_PROXY", "http://127.0.0.1:1")], true);
    goes(&[("NO_PROXY", "127.0.0.1")], false);
    it.lab.git(["config", "http.proxy", ""]);
    goes(&[("HTTPS_PROXY", "http://127.0.0.1:1")], false);
    it.lab.git(["config", "--unset", "http.proxy"]);
    // One that wants a password.
    let with = |address: &str| it.ask(&[("HTTPS_PROXY", address), trust]);
    let seen = with(&format!("http://me:proxyword@{}", closed.place));
    assert_eq!(seen.status.code(), Some(0), "{}", said(&seen));
    for (address, why) in [
        (format!("http://me:wrongword@{}", closed.place), "authorization"),
        ("http://me:wrongword@127.0.0.1:1".to_owned(), ""),
        (format!("https://me:wrongword@{}", closed.place), "is not supported"),
        (format!("socks5://me:wrongword@{}", closed.place), "is not supported"),
    ] {
        let seen = with(&address);
        assert_eq!(seen.status.code(), Some(3), "{address}: {}", said(&seen));
        assert!(said(&seen).contains(why), "{address}: {}", said(&seen));
        assert!(!said(&seen).contains("wrongword") && !said(&seen).contains(TOKEN), "{}", said(&seen));
    }
}

#[test]
fn the_token_is_the_first_that_is_there_and_gh_is_asked_last() {
    let (lab, github) = base();
    let bin = lab.path().with_file_name("bin");
    let fake = |script: &str| {
        lab.script("../bin/gh", script);
    };
    let ask = |variables: &[(&str, &str)]| {
        let mut command = lab.exp_command(["issue", "sync", "moe", "--dry-run"]);
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let path = format!("{}:{}", bin.display(), path.expect("it is set").to_string_lossy());
        command.env("PATH", path).env("GITHUB_API_URL", &github.api).envs(variables.iter().copied());
        let output = command.output().expect("it starts");
        let headers = std::mem::take(&mut github.state().headers);
        (output.status.code(), said(&output), headers)
    };
    let own = "ghp_ofgh00000000000000000000000000000000";
    fake(&format!("echo \"$@\" > ../asked\necho {own}"));
    let (status, text, headers) = ask(&[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(headers.contains(&format!("Bearer {own}")));
    assert!(!text.contains(own));
    assert_eq!(lab.read("../asked"), format!("auth token --hostname {}\n", host(&github)));
    std::fs::remove_file(lab.path().with_file_name("asked")).expect("it was written");
    for (variables, token) in [
        (vec![("GH_TOKEN", "first"), ("GITHUB_TOKEN", "second")], "first"),
        (vec![("GH_TOKEN", ""), ("GITHUB_TOKEN", "second")], "second"),
    ] {
        let (status, text, headers) = ask(&variables);
        assert_eq!(status, Some(0), "{text}");
        assert!(headers.contains(&format!("Bearer {token}\r\n")), "{headers}");
    }
    assert!(!lab.path().with_file_name("asked").exists(), "gh was not asked");
    for (script, why) in [
        ("exit 1", "`gh` has none for it"),
        ("echo ghp_half; kill -9 $$", "`gh` has none for it"),
        ("echo two words", "what `gh auth token` gives is no token"),
        ("printf 'ghp_one\\nghp_two\\n'", "what `gh auth token` gives is no token"),
        ("head -c 300000 /dev/zero", "`gh"),
        ("printf '\\377\\376'", "what `gh auth token` gives is no token"),
        (":", "what `gh auth token` gives is no token"),
        ("exec sleep 60", "`gh auth token` did not answer within"),
    ] {
        fake(script);
        let (status, text, headers) = ask(&[]);
        assert_eq!((status, headers.as_str()), (Some(2), ""), "{script}: {text}");
        assert!(text.contains("there is no token for GitHub") && text.contains(why), "{script}: {text}");
        assert!(!text.contains("ghp_"), "{text}");
    }
    std::fs::remove_file(bin.join("gh")).expect("it was written");
    let (status, text, _) = ask(&[("GH_TOKEN", "not a token")]);
    assert_eq!(status, Some(2));
    assert!(text.contains("what `GH_TOKEN` gives is no token") && !text.contains("not a token"), "{text}");
}

fn host(github: &LocalGitHub) -> &str {
    github.api.trim_start_matches("http://")
}

#[test]
fn a_host_that_nobody_named_gets_no_token_and_one_that_is_named_is_not_anothers() {
    let (lab, github) = base();
    lab.git(["config", "--unset", "exp.github"]);
    lab.git(["config", "remote.origin.url", "git@ghe.example.org:octo/moe.git"]);
    let mut unknown = lab.exp_command(["issue", "sync", "moe"]);
    insta::assert_snapshot!(lab.seen(unknown.env("GH_TOKEN", TOKEN)), @r"
    exit: 2
    --- stderr
    error: cannot talk to GitHub
      caused by: `ghe.example.org` is not known to be GitHub, and a token is sent to nobody else
    hint: if it is GitHub Enterprise: git config exp.githubApi https://ghe.example.org/api/v3
    ");
    let mut other = command(&lab, "https://api.github.com", &["issue", "sync", "moe"]);
    insta::assert_snapshot!(lab.seen(&mut other), @r"
    exit: 2
    --- stderr
    error: cannot talk to GitHub
      caused by: the repository is at `ghe.example.org`, and `https://api.github.com`, which `GITHUB_API_URL` names, is another's
    hint: if it is GitHub Enterprise: git config exp.githubApi https://ghe.example.org/api/v3
    ");
    // A number means something else in another repository.
    lab.git(["config", "exp.github", "somebody/moe"]);
    let mut fork = command(&lab, &github.api, &["issue", "update", "moe"]);
    let text = lab.seen(&mut fork).replace(host(&github), "<host>");
    assert!(text.starts_with("exit: 2\n"), "{text}");
    assert!(text.contains("/octo/moe, and this is <host>/somebody/moe"), "{text}");
    assert!(text.contains("/octo/moe\n"), "{text}");
    let mut all = command(&lab, &github.api, &["issue", "update", "--all"]);
    let text = lab.seen(&mut all);
    assert!(
        text.starts_with("exit: 0\n") && text.contains("moe: left, for its issue is in another"),
        "{text}"
    );
    assert!(github.state().asked.is_empty());
}
