//! Secrets: how they are recognised, and how they are taken out of what is stored.
//!
//! A single pass looks for words that secrets come with (`ghp_`, `password`, `://` …); only there a rule for that word decides.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::error::RunnerError;
use super::secret_name::{Strength, is_secret_variable, strength};
use crate::domain::path_pattern::PathPattern;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest value of a secret environment variable that is looked for elsewhere.
const MIN_VARIABLE: usize = 8;

/// How far the two ends of a private key may be apart.
const MAX_KEY_BLOCK: usize = 64 * 1024;

/// How long a token with a fixed beginning may be.
const MAX_TOKEN: usize = 4096;

/// Takes secrets out of what is stored, and shortens the home directory to `~`.
#[derive(Debug)]
pub struct Redactor {
    exact: Option<AhoCorasick>,
    homes: usize,
    /// What the project calls secret besides.
    patterns: Vec<regex::bytes::Regex>,
    /// What it calls private: text that is redacted as secrets are, and that no file may hold that is kept.
    private: Vec<regex::bytes::Regex>,
    /// Files that are never kept.
    private_files: Vec<PathPattern>,
}

/// A secret that a rule recognised.
struct Hit {
    range: Range<usize>,
    what: &'static str,
    certain: bool,
}

/// What to look for, and the rule that decides there.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// A token with a fixed beginning.
    Token { what: &'static str, tail: fn(&[u8]) -> Option<usize> },
    /// An AWS access key's ID.
    AwsKeyId,
    /// A JSON web token.
    Jwt,
    /// `Bearer …`, `Basic …`.
    Scheme,
    /// `Authorization: …`.
    Authorization,
    /// `PRIVATE KEY` in the first or last line of a key.
    PrivateKey,
    /// `://` with a password behind it.
    Url,
    /// Weights & Biases keys are plain hex: only the words around tell.
    Wandb,
    /// A word that makes the name around it secret, as in `API_KEY=…`.
    Name,
}

const RULES: &[(&str, Rule)] = &[
    ("ghp_", Rule::Token { what: "a GitHub token", tail: github }),
    ("gho_", Rule::Token { what: "a GitHub token", tail: github }),
    ("ghu_", Rule::Token { what: "a GitHub token", tail: github }),
    ("ghs_", Rule::Token { what: "a GitHub token", tail: github }),
    ("ghr_", Rule::Token { what: "a GitHub token", tail: github }),
    ("github_pat_", Rule::Token { what: "a GitHub token", tail: github }),
    ("glpat-", Rule::Token { what: "a GitLab token", tail: gitlab }),
    ("hf_", Rule::Token { what: "a Hugging Face token", tail: hugging_face }),
    ("sk-", Rule::Token { what: "an API key", tail: openai }),
    ("xoxa-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxb-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxe-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxe.", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxo-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxp-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxr-", Rule::Token { what: "a Slack token", tail: slack }),
    ("xoxs-", Rule::Token { what: "a Slack token", tail: slack }),
    ("AIza", Rule::Token { what: "a Google API key", tail: google }),
    ("npm_", Rule::Token { what: "an npm token", tail: npm }),
    ("pypi-", Rule::Token { what: "a PyPI token", tail: pypi }),
    ("wandb_v1_", Rule::Token { what: "a Weights & Biases key", tail: wandb_v1 }),
    ("AKIA", Rule::AwsKeyId),
    ("ASIA", Rule::AwsKeyId),
    ("ABIA", Rule::AwsKeyId),
    ("ACCA", Rule::AwsKeyId),
    ("eyJ", Rule::Jwt),
    ("authorization", Rule::Authorization),
    ("bearer ", Rule::Scheme),
    ("PRIVATE KEY", Rule::PrivateKey),
    ("://", Rule::Url),
    ("wandb", Rule::Wandb),
    ("token", Rule::Name),
    ("secret", Rule::Name),
    ("password", Rule::Name),
    ("passwd", Rule::Name),
    ("passphrase", Rule::Name),
    ("_pass", Rule::Name),
    ("_pwd", Rule::Name),
    ("credential", Rule::Name),
    ("apikey", Rule::Name),
    ("accesskey", Rule::Name),
    ("privatekey", Rule::Name),
    ("secretkey", Rule::Name),
    ("accountkey", Rule::Name),
    ("_key", Rule::Name),
    ("-key", Rule::Name),
];

/// Finds the words of all rules at once, in any case.
static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(RULES.iter().map(|(word, _)| word))
        .expect("the words are few and short")
});

impl Redactor {
    /// A redactor that knows the values of the variables in `environment` whose names say secret, and the home directory.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut homes: Vec<Vec<u8>> = Vec::new();
        let mut values: Vec<Vec<u8>> = Vec::new();
        for (name, value) in environment {
            let value = value.as_bytes();
            if name == "HOME" {
                let home = value.strip_suffix(b"/").unwrap_or(value);
                if home.len() > 1 && home.starts_with(b"/") {
                    homes.push(home.to_vec());
                    // Programs print where a linked home really is.
                    if let Ok(real) = std::fs::canonicalize(OsStr::from_bytes(home)) {
                        let real = real.into_os_string().as_bytes().to_vec();
                        if real != home && real.len() > 1 {
                            homes.push(real);
                        }
                    }
                }
            } else if name.to_str().is_some_and(is_secret_variable) && value.len() >= MIN_VARIABLE {
                values.push(value.to_vec());
                // A key of several lines may come out indented or numbered.
                values
                    .extend(value.split(|&b| b == b'\n').filter(|line| line.len() >= 16).map(<[u8]>::to_vec));
            }
        }
        let count = homes.len();
        let exact = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(homes.into_iter().chain(values))
            .ok()
            .filter(|automaton| automaton.patterns_len() > 0);
        Self { exact, homes: count, patterns: Vec::new(), private: Vec::new(), private_files: Vec::new() }
    }

    /// A redactor for this process's own environment.
    pub fn from_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// The same redactor, which also takes out what `patterns` match.
    pub fn with_patterns(mut self, patterns: &[String]) -> Result<Self, RunnerError> {
        self.patterns.extend(compiled(patterns)?);
        Ok(self)
    }

    /// The same redactor, which also takes out private text, and knows which files are private.
    pub fn with_privacy(mut self, files: &[PathPattern], text: &[String]) -> Result<Self, RunnerError> {
        self.private.extend(compiled(text)?);
        self.private_files.extend_from_slice(files);
        Ok(self)
    }

    /// Whether a file at `path` is never kept, whatever it holds.
    pub fn is_private_path(&self, path: &[u8]) -> bool {
        let path = String::from_utf8_lossy(path);
        self.private_files.iter().any(|pattern| pattern.matches_anywhere(&path))
    }

    /// Whether it knows any private text.
    pub fn knows_private_text(&self) -> bool {
        !self.private.is_empty()
    }

    /// Whether private text stands in the bytes of a file.
    pub fn holds_private_text(&self, bytes: &[u8]) -> bool {
        self.private.iter().any(|pattern| pattern.is_match(bytes))
    }

    /// The same bytes without secrets.
    pub fn redact_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut edits: Vec<(Range<usize>, &'static str)> = Vec::new();
        Self::scan(bytes, |hit| edits.push((hit.range, REDACTED)));
        for pattern in self.patterns.iter().chain(&self.private) {
            let found = pattern.find_iter(bytes).filter(|found| !found.is_empty());
            edits.extend(found.map(|found| (found.range(), REDACTED)));
        }
        let mut homes = Vec::new();
        if let Some(exact) = &self.exact {
            for found in exact.find_iter(bytes) {
                if found.pattern().as_usize() >= self.homes {
                    edits.push((found.range(), REDACTED));
                } else if is_whole_path(bytes, &found.range()) {
                    homes.push((found.range(), "~"));
                }
            }
        }
        if edits.is_empty() && homes.is_empty() {
            return Cow::Borrowed(bytes);
        }
        // A secret wins over a home that stands in it, and overlapping secrets become one.
        edits.sort_by_key(|(range, _)| range.start);
        let mut merged: Vec<(Range<usize>, &'static str)> = Vec::with_capacity(edits.len());
        for (range, with) in edits {
            match merged.last_mut() {
                Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push((range, with)),
            }
        }
        let secrets = merged.len();
        for (home, with) in homes {
            let after = merged[..secrets].partition_point(|(range, _)| range.end <= home.start);
            if merged[..secrets].get(after).is_none_or(|(range, _)| range.start >= home.end) {
                merged.push((home, with));
            }
        }
        merged.sort_by_key(|(range, _)| range.start);
        let mut clean = Vec::with_capacity(bytes.len());
        let mut copied = 0;
        for (range, with) in merged {
            clean.extend_from_slice(&bytes[copied..range.start]);
            clean.extend_from_slice(with.as_bytes());
            copied = range.end;
        }
        clean.extend_from_slice(&bytes[copied..]);
        Cow::Owned(clean)
    }

    /// The same text without secrets.
    pub fn redact_text(&self, text: &str) -> String {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text.to_owned(),
            Cow::Owned(clean) => String::from_utf8_lossy(&clean).into_owned(),
        }
    }

    /// The same arguments without secrets; what follows `--token`, `--api-key` and their like goes as well.
    pub fn redact_argv<A: AsRef<OsStr>>(&self, argv: &[A]) -> Vec<Vec<u8>> {
        let mut value_is_secret = false;
        argv.iter()
            .map(|argument| {
                let bytes = argument.as_ref().as_bytes();
                let is_option = bytes.starts_with(b"-");
                if std::mem::take(&mut value_is_secret) && !is_option && !is_plain(bytes) {
                    return REDACTED.as_bytes().to_vec();
                }
                value_is_secret = is_option
                    && !bytes.contains(&b'=')
                    && argument
                        .as_ref()
                        .to_str()
                        .is_some_and(|name| strength(name.trim_start_matches('-')).is_some());
                self.redact_bytes(bytes).into_owned()
            })
            .collect()
    }

    /// What kind of secret stands in the bytes of a file, if one certainly does.
    ///
    /// Source code is full of passwords that are none (`password = prompt()`), so this asks for more than redaction does.
    pub fn holds_secret(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut found = None;
        Self::scan(bytes, |hit| {
            if hit.certain && found.is_none() {
                found = Some(hit.what);
            }
        });
        found
            .or_else(|| {
                let exact = self.exact.as_ref()?;
                exact
                    .find_iter(bytes)
                    .any(|found| found.pattern().as_usize() >= self.homes)
                    .then_some("the value of a secret environment variable")
            })
            .or_else(|| {
                let is_match = self.patterns.iter().any(|pattern| pattern.is_match(bytes));
                is_match.then_some("what `capture.redact` describes")
            })
            .or_else(|| self.holds_private_text(bytes).then_some("what `capture.private-text` describes"))
    }

    /// Calls `report` with every secret that a rule recognises, in no particular order.
    fn scan(bytes: &[u8], mut report: impl FnMut(Hit)) {
        // One `Authorization: Bearer …` is found by two words; what is behind the first find is done.
        let mut done = 0;
        for word in WORDS.find_iter(bytes) {
            let at = word.range();
            if at.start < done {
                continue;
            }
            let hit = match RULES[word.pattern().as_usize()].1 {
                Rule::Token { what, tail } => token(bytes, &at, what, tail),
                Rule::AwsKeyId => aws_key_id(bytes, &at),
                Rule::Jwt => json_web_token(bytes, &at),
                Rule::Scheme => scheme(bytes, &at),
                Rule::Authorization => authorization(bytes, &at),
                Rule::PrivateKey => private_key(bytes, &at),
                Rule::Url => url_password(bytes, &at),
                Rule::Wandb => wandb(bytes, &at),
                Rule::Name => None,
            };
            let hit = hit.or_else(|| named_value(bytes, &at));
            if let Some(hit) = hit {
                done = hit.range.end;
                report(hit);
            }
        }
    }
}

fn compiled(patterns: &[String]) -> Result<Vec<regex::bytes::Regex>, RunnerError> {
    let compile = |pattern: &String| {
        regex::bytes::Regex::new(pattern)
            .map_err(|source| RunnerError::Redaction { pattern: pattern.clone(), source: Box::new(source) })
    };
    patterns.iter().map(compile).collect()
}

/// Whether a file's name says that it holds secrets.
pub fn is_secret_path(path: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        ".env",
        ".envrc",
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".pgpass",
        ".my.cnf",
        ".git-credentials",
        ".htpasswd",
        ".dockercfg",
        ".boto",
        ".s3cfg",
        "kubeconfig",
        "kaggle.json",
        "secrets.json",
        "secrets.yaml",
        "secrets.yml",
        "secrets.toml",
        "service-account.json",
        "service_account.json",
        "client_secret.json",
        "application_default_credentials.json",
    ];
    const ENDINGS: &[&str] =
        &[".pem", ".key", ".pfx", ".p12", ".jks", ".keystore", ".kdbx", ".ppk", ".asc.key", ".kubeconfig"];
    const FOLDERS: &[&str] = &[".aws", ".ssh", ".gnupg", ".kube", ".azure", ".gcloud"];
    let path = String::from_utf8_lossy(path).to_ascii_lowercase();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    // What is meant to be shared says so.
    if [".pub", ".example", ".sample", ".template", ".dist"].iter().any(|end| name.ends_with(end)) {
        return false;
    }
    NAMES.contains(&name)
        || name.starts_with(".env.")
        || ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"].iter().any(|key| name.starts_with(key))
        || is_credentials(name)
        || ENDINGS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        || folder.split('/').any(|part| FOLDERS.contains(&part))
        || (name == "config.json" && folder.rsplit('/').next() == Some(".docker"))
}

/// Whether a name is `credentials` with an ending that data has; `credentials.py` is code.
fn is_credentials(name: &str) -> bool {
    let Some(ending) = name.strip_prefix("credentials").or_else(|| name.strip_prefix(".credentials")) else {
        return false;
    };
    matches!(
        ending,
        "" | ".json" | ".yaml" | ".yml" | ".toml" | ".ini" | ".csv" | ".xml" | ".db" | ".txt" | ".env"
    )
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_base64url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn run(bytes: &[u8], holds: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !holds(byte)).unwrap_or(bytes.len())
}

fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|at| bytes[at])
}

fn has_digit(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_digit)
}

fn is_mixed(bytes: &[u8]) -> bool {
    let upper = bytes.iter().any(u8::is_ascii_uppercase);
    let lower = bytes.iter().any(u8::is_ascii_lowercase);
    u8::from(upper) + u8::from(lower) + u8::from(has_digit(bytes)) >= 2
}

fn at_least(minimum: usize, length: usize) -> Option<usize> {
    (length >= minimum).then_some(length)
}

// The length of what follows a token's fixed beginning, where it is long enough to be one.

fn github(tail: &[u8]) -> Option<usize> {
    at_least(20, run(tail, is_word))
}

fn gitlab(tail: &[u8]) -> Option<usize> {
    at_least(16, run(tail, |b| is_base64url(b) || b == b'.')).filter(|&length| is_mixed(&tail[..length]))
}

fn hugging_face(tail: &[u8]) -> Option<usize> {
    let length = run(tail, |b| b.is_ascii_alphanumeric());
    // A shorter run of lower case is a name, as in `hf_transformers`.
    at_least(if is_mixed(&tail[..length]) { 20 } else { 30 }, length)
}

fn openai(tail: &[u8]) -> Option<usize> {
    let length = run(tail, is_base64url);
    let known =
        [&b"proj-"[..], b"ant-", b"svcacct-", b"admin-", b"or-"].iter().any(|kind| tail.starts_with(kind));
    let long_part = tail[..length]
        .split(|byte| matches!(byte, b'-' | b'_'))
        .any(|part| part.len() >= 20 || part.len() >= 16 && has_digit(part));
    at_least(20, length).filter(|_| known || long_part)
}

fn slack(tail: &[u8]) -> Option<usize> {
    at_least(10, run(tail, |b| is_base64url(b) || b == b'.')).filter(|&length| has_digit(&tail[..length]))
}

fn google(tail: &[u8]) -> Option<usize> {
    at_least(30, run(tail, is_base64url))
}

fn npm(tail: &[u8]) -> Option<usize> {
    at_least(30, run(tail, |b| b.is_ascii_alphanumeric()))
}

fn pypi(tail: &[u8]) -> Option<usize> {
    at_least(if tail.starts_with(b"AgE") { 16 } else { 50 }, run(tail, is_base64url))
}

fn wandb_v1(tail: &[u8]) -> Option<usize> {
    at_least(20, run(tail, is_word))
}

fn token(
    bytes: &[u8],
    at: &Range<usize>,
    what: &'static str,
    tail: fn(&[u8]) -> Option<usize>,
) -> Option<Hit> {
    let starts = before(bytes, at.start).is_none_or(|byte| !is_word(byte) || byte == b'_')
        || is_after_escape(bytes, at.start);
    // The automaton ignores case for the sake of names; the beginnings of tokens do not.
    let exact = RULES.iter().any(|(word, _)| word.as_bytes() == &bytes[at.clone()]);
    if !starts || !exact {
        return None;
    }
    let length = tail(&bytes[at.end..bytes.len().min(at.end + MAX_TOKEN)])?;
    Some(Hit { range: at.start..at.end + length, what, certain: true })
}

/// Whether an escape such as `\n` ends here, so that its letter does not belong to the word.
fn is_after_escape(bytes: &[u8], at: usize) -> bool {
    at >= 2 && bytes[at - 2] == b'\\' && matches!(bytes[at - 1], b'n' | b't' | b'r')
}

fn aws_key_id(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let starts = before(bytes, at.start).is_none_or(|b| !is_word(b)) || is_after_escape(bytes, at.start);
    let upper = bytes[at.clone()].iter().all(u8::is_ascii_uppercase);
    let tail = &bytes[at.end..];
    let length = run(tail, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let ends = tail.get(length).is_none_or(|&b| !is_word(b));
    (starts && upper && ends && length == 16).then(|| Hit {
        range: at.start..at.end + length,
        what: "an AWS access key",
        certain: true,
    })
}

fn json_web_token(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    if before(bytes, at.start).is_some_and(is_base64url) || &bytes[at.clone()] != b"eyJ" {
        return None;
    }
    let header = run(&bytes[at.end..], is_base64url);
    let rest = bytes.get(at.end + header..)?;
    let payload = run(rest.strip_prefix(b".")?, is_base64url);
    let mut end = at.end + header + 1 + payload;
    if bytes.get(end) == Some(&b'.') {
        end += 1 + run(&bytes[end + 1..], |b| is_base64url(b) || b == b'.');
    }
    (header >= 8 && payload >= 8).then_some(Hit {
        range: at.start..end,
        what: "a JSON web token",
        certain: true,
    })
}

fn scheme(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let start = at.end + run(&bytes[at.end..], |b| b == b' ');
    let value = &bytes[start..];
    let length = run(value, |b| is_base64url(b) || matches!(b, b'.' | b'~' | b'+' | b'/' | b'='));
    (length >= 16 && is_mixed(&value[..length])).then(|| Hit {
        range: start..start + length,
        what: "an authorization header",
        certain: has_digit(&value[..length]),
    })
}

/// `Authorization: Bearer abc`, as a header, in JSON or in Python.
fn authorization(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let (mut start, _) = separator(bytes, at.end)?;
    let scheme = run(&bytes[start..], |b| b.is_ascii_alphabetic());
    let word = bytes[start..start + scheme].to_ascii_lowercase();
    if [&b"bearer"[..], b"basic", b"token", b"digest", b"negotiate", b"apikey"].contains(&&*word) {
        start += scheme;
        start += run(&bytes[start..], |b| matches!(b, b' ' | b'\t'));
    }
    let length =
        run(&bytes[start..], |b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'' | b'`' | b'\\'));
    (length > 0 && !is_placeholder(&bytes[start..start + length])).then(|| Hit {
        range: start..start + length,
        what: "an authorization header",
        certain: length >= 16 && has_digit(&bytes[start..start + length]),
    })
}

/// The block around `PRIVATE KEY`, whichever of its ends that is and even if the other one is cut off.
fn private_key(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let window = at.start.saturating_sub(60);
    let line =
        memchr::memrchr(b'\n', &bytes[window..at.start]).map_or(window, |newline| window + newline + 1);
    let head = &bytes[line..at.start];
    let hit = |range| Some(Hit { range, what: "a private key", certain: true });
    if let Some(begin) = memchr::memmem::rfind(head, b"-----BEGIN ") {
        let start = at.start - head.len() + begin;
        let window = &bytes[at.end..bytes.len().min(at.end + MAX_KEY_BLOCK)];
        if let Some(end) = memchr::memmem::find(window, b"-----END ") {
            let tail = &window[end + 9..];
            let close =
                memchr::memmem::find(&tail[..tail.len().min(60)], b"-----").map_or(0, |close| close + 5);
            return hit(start..at.end + end + 9 + close);
        }
        return hit(start..at.end + key_text(&bytes[at.end..]));
    }
    if let Some(end) = memchr::memmem::rfind(head, b"-----END ") {
        // The beginning is cut off: take the lines before that can only be the key.
        let mut start = at.start - head.len() + end;
        while start > 0 {
            let newline = start - 1;
            let previous = memchr::memrchr(b'\n', &bytes[..newline]).map_or(0, |before| before + 1);
            let text = bytes[previous..newline].trim_ascii();
            if bytes[newline] != b'\n' || text.is_empty() || !text.iter().all(|&b| is_base64(b)) {
                break;
            }
            start = previous;
        }
        let close = memchr::memmem::find(&bytes[at.end..bytes.len().min(at.end + 60)], b"-----");
        return hit(start..at.end + close.map_or(0, |close| close + 5));
    }
    None
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// How far the text goes on as a key whose end is cut off: base64, its headers and escaped line breaks.
fn key_text(bytes: &[u8]) -> usize {
    let mut end = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let text = line.trim_ascii();
        let is_header = text.contains(&b':') && number <= 4;
        let is_key = text.iter().all(|&b| is_base64(b) || matches!(b, b'\\' | b'-' | b'"' | b'\''));
        if number > 0 && !is_header && !is_key {
            break;
        }
        end += line.len();
    }
    // The line break after the last line is not the key's.
    end - bytes[..end].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn url_password(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let rest = &bytes[at.end..];
    let length = run(rest, |b| {
        !b.is_ascii_whitespace()
            && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'|')
    });
    let user = memchr::memrchr(b'@', &rest[..length])?;
    let (start, what) = match memchr::memchr(b':', &rest[..user]) {
        Some(colon) => (colon + 1, "a URL with a password"),
        // A name before the `@` is no secret; what is this long is no name.
        None if user >= 20 && has_digit(&rest[..user]) => (0, "a URL with a token"),
        None => return None,
    };
    let password = &rest[start..user];
    if password.is_empty() || is_placeholder(password) {
        return None;
    }
    let certain = !password.iter().any(|byte| matches!(byte, b'{' | b'$' | b'%' | b'*'));
    Some(Hit { range: at.end + start..at.end + user, what, certain })
}

fn wandb(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    let rest = &bytes[at.end..bytes.len().min(at.end + 200)];
    let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    let lower = line.to_ascii_lowercase();
    let mut start = 0;
    while start < line.len() {
        let length = run(&line[start..], is_word);
        let word = &line[start..start + length];
        if length == 40 && word.iter().all(u8::is_ascii_hexdigit) {
            let says_key = [&b"login"[..], b"key", b"password"]
                .iter()
                .any(|word| memchr::memmem::find(&lower[..start], word).is_some());
            return says_key.then(|| Hit {
                range: at.end + start..at.end + start + length,
                what: "a Weights & Biases key",
                certain: true,
            });
        }
        start += length.max(1);
    }
    None
}

/// Where the value begins after a name that ends at `at`, and whether the separator has a space before it.
fn separator(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let skip = |at: usize, holds: fn(u8) -> bool| at + run(&bytes[at..], holds);
    let is_blank = |b| matches!(b, b' ' | b'\t');
    // A closing quote, escaped or not, and a closing bracket as in `environ["TOKEN"] = …`.
    let quoted = skip(at, |b| matches!(b, b'"' | b'\'' | b'\\' | b']')).min(at + 4);
    let blank = skip(quoted, is_blank);
    let sign = match bytes.get(blank..)? {
        [b':', b'=', ..] | [b'=', b'>', ..] => 2,
        // `==` compares.
        [b'=', b'=', ..] | [b':', b':', ..] | [b':', b'/', b'/', ..] => return None,
        [b'=' | b':', ..] => 1,
        _ => return None,
    };
    let mut start = skip(blank + sign, is_blank);
    // The quote that opens the value is not part of it.
    let open = skip(start, |b| matches!(b, b'"' | b'\'' | b'\\')).min(start + 3);
    if bytes[start..open].iter().any(|b| matches!(b, b'"' | b'\'')) {
        start = open;
    }
    Some((start, blank > quoted))
}

/// The value that a secret name is given: `API_KEY=…`, `"password": "…"`, `--token …`.
fn named_value(bytes: &[u8], at: &Range<usize>) -> Option<Hit> {
    // A long word without an end in sight is data, not a name.
    let window = at.start.saturating_sub(80);
    let is_name = |b: u8| is_base64url(b) || b == b'.';
    let start =
        bytes[window..at.start].iter().rposition(|&b| !is_name(b)).map_or(window, |end| window + end + 1);
    let end = at.end + run(&bytes[at.end..bytes.len().min(at.end + 80)], is_name);
    let name = std::str::from_utf8(&bytes[start..end]).ok()?;
    let is_option = name.starts_with('-');
    let strength = strength(name.trim_matches(['-', '.']))?;
    let what = "a value whose name says secret";
    let Some((value_start, spaced)) = separator(bytes, end) else {
        // `--token abc`, and `password abc` in a line of `.netrc`.
        let window = start.saturating_sub(200);
        let line =
            memchr::memrchr(b'\n', &bytes[window..start]).map_or(window, |newline| window + newline + 1);
        let is_netrc = name == "password" && memchr::memmem::find(&bytes[line..start], b"login ").is_some();
        let blanks = run(&bytes[end..], |b| matches!(b, b' ' | b'\t'));
        if blanks == 0 || !is_option && !is_netrc {
            return None;
        }
        let start = end + blanks;
        let value = &bytes[start..start + value_length(bytes, start, false)];
        let usable =
            !value.is_empty() && !value.starts_with(b"-") && !is_plain(value) && !is_placeholder(value);
        return usable.then(|| Hit { range: start..start + value.len(), what, certain: is_netrc });
    };
    let is_quoted = matches!(bytes[value_start - 1], b'"' | b'\'');
    let value = &bytes[value_start..value_start + value_length(bytes, value_start, is_quoted)];
    if value.is_empty() || is_placeholder(value) || is_word_for_nothing(value) {
        return None;
    }
    let is_lone_word =
        !name.contains(['_', '-', '.']) && !is_option && !name.bytes().any(|b| b.is_ascii_uppercase());
    let is_prose = bytes.get(end) == Some(&b':') || spaced;
    let is_secret = match strength {
        // `password=1234` is a password; `secret_score=0.3` is a number.
        Strength::Certain => true,
        Strength::Part => !is_plain(value),
        // `unexpected token: foo` and `token = next()` are not about secrets.
        Strength::Token if is_lone_word && is_prose && !is_quoted => is_like_secret(value),
        Strength::Token => !is_plain(value) && (value.len() >= 4),
    };
    is_secret.then(|| Hit {
        range: value_start..value_start + value.len(),
        what,
        certain: value.len() >= 16 && is_like_secret(value),
    })
}

fn value_length(bytes: &[u8], start: usize, is_quoted: bool) -> usize {
    let rest = &bytes[start..];
    if is_quoted {
        let quote = bytes[start - 1];
        let escaped = start >= 2 && bytes[start - 2] == b'\\';
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            match byte {
                b'\n' | b'\r' => break,
                b'\\' if escaped && rest.get(at + 1) == Some(&quote) => break,
                b'\\' => at += 1,
                byte if byte == quote => break,
                _ => {}
            }
            at += 1;
        }
        return at.min(rest.len());
    }
    let length = run(rest, |b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'' | b'`' | b'&'));
    // Punctuation behind the value belongs to the text around it.
    length
        - rest[..length]
            .iter()
            .rev()
            .take_while(|b| matches!(b, b',' | b';' | b')' | b'}' | b']' | b'.'))
            .count()
}

/// Whether the value is a number, as counts of tokens are.
fn is_plain(value: &[u8]) -> bool {
    !value.is_empty()
        && value.len() <= 24
        && value.iter().any(u8::is_ascii_digit)
        && std::str::from_utf8(value).is_ok_and(|text| {
            let number = text.trim_end_matches(['%', 's', 'k', 'K', 'M', 'B', '/']);
            number.replace(['_', ','], "").parse::<f64>().is_ok()
        })
}

fn is_word_for_nothing(value: &[u8]) -> bool {
    [&b"true"[..], b"false", b"null", b"none", b"nil", b"yes", b"no", b"undefined", b"unset"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether the value only stands for a secret: `$TOKEN`, `${TOKEN}`, `<token>`, `***`, `[redacted]`.
fn is_placeholder(value: &[u8]) -> bool {
    let is_variable = |name: &[u8]| match name.first() {
        None | Some(b'{' | b'(') => true,
        Some(first) => (first.is_ascii_uppercase() || *first == b'_') && run(name, is_word) == name.len(),
    };
    match value {
        [b'$', name @ ..] => is_variable(name),
        [b'<', .., b'>'] | [b'{', .., b'}'] | [b'{', b'{', ..] => true,
        _ => value.starts_with(b"[redacted") || value.iter().all(|&b| matches!(b, b'*' | b'.' | b'x' | b'X')),
    }
}

/// Whether the value looks random: long enough, letters and digits, no code around them.
fn is_like_secret(value: &[u8]) -> bool {
    value.len() >= 8
        && has_digit(value)
        && value.iter().any(u8::is_ascii_alphabetic)
        && !value.iter().any(|b| matches!(b, b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'$' | b' ' | b'<' | b'>'))
        // `config.token2` and `a/b/c1.txt` are paths in code and on disk.
        && !(value.contains(&b'.') && value.split(|&b| b == b'.').all(|part| run(part, is_word) == part.len() && part.len() < 20))
}

/// Whether a path that was found is whole: `/home/ada` in `/home/ada/x`, not in `/home/adalbert` or `/mnt/home/ada`.
fn is_whole_path(bytes: &[u8], at: &Range<usize>) -> bool {
    let continues = |byte: u8| is_base64url(byte) || byte == b'.' || byte >= 0x80;
    before(bytes, at.start).is_none_or(|byte| !continues(byte))
        && bytes.get(at.end).is_none_or(|&byte| {
            // A full stop after the path ends the sentence.
            !continues(byte) || byte == b'.' && bytes.get(at.end + 1).is_none_or(|&next| !is_word(next))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor() -> Redactor {
        let variables = [
            ("HOME", "/home/ada"),
            ("MY_SERVICE_TOKEN", "blue-horse-42"),
            ("DB_PASSWORD", "short"),
            ("PATH", "/usr/local/bin"),
        ];
        Redactor::new(variables.map(|(name, value)| (name.into(), value.into())))
    }

    fn redact(text: &str) -> String {
        redactor().redact_text(text)
    }

    /// Put together here so that no scanner takes this file for a leak.
    fn planted() -> Vec<(&'static str, String)> {
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789";
        let hex = "0123456789abcdef0123456789abcdef01234567";
        vec![
            ("AWS key", format!("AK{}", "IAIOSFODNN7EXAMPLE")),
            ("AWS secret", format!("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
            ("GitHub", format!("gh{}_{}", "p", &letters[..36])),
            ("GitHub app", format!("gh{}_{}", "s", &letters[..36])),
            ("GitHub fine", format!("github_{}_{}", "pat", &letters[..40])),
            ("GitLab", format!("glp{}-{}", "at", &letters[26..46])),
            ("Hugging Face", format!("hf{}{}", "_", &letters[..34])),
            ("W&B login", format!("wandb login {hex}")),
            ("W&B variable", format!("WANDB_API_KEY={hex}")),
            ("W&B in netrc", format!("machine api.wandb.ai login user password {hex}")),
            ("OpenAI old", format!("sk{}{}", "-", &letters[..40])),
            ("OpenAI", format!("sk-{}-{}", "proj", &letters[..40])),
            ("Anthropic", format!("sk-{}-api03-{}", "ant", &letters[..40])),
            ("Slack", format!("xo{}-123456789012-{}", "xb", &letters[..24])),
            ("Google", format!("AI{}{}", "za", &letters[..35])),
            ("npm", format!("np{}_{}", "m", &letters[..36])),
            ("PyPI", format!("py{}-AgEIcHlwaS5vcmcC{}", "pi", &letters[..40])),
            ("JWT", format!("ey{}.eyJzdWIiOiIxMjM0In0.{}", "JhbGciOiJIUzI1NiJ9", &letters[..30])),
            ("bearer", format!("Authorization: Bearer {}", &letters[20..46])),
            ("basic", "authorization: Basic dXNlcjpwYXNz".to_owned()),
            ("curl", format!("curl -H 'Authorization: token {}'", &letters[20..46])),
            ("URL", "postgres://ada:hunter2@db.example/x".to_owned()),
            ("password", "PASSWORD=hunter2".to_owned()),
            ("dollar", "PASSWORD=$correct-horse".to_owned()),
            ("digits", "db_password=12345678".to_owned()),
            ("JSON", r#"{"password": "correct horse battery"}"#.to_owned()),
            ("escaped JSON", r#""{\"password\": \"correct horse\"}""#.to_owned()),
            ("YAML", "client_secret: s3cr3t-value".to_owned()),
            ("option", "--api-key=abcdef123".to_owned()),
            ("option and value", "login --token abcdef123 --verbose".to_owned()),
            ("camel case", r#""accessToken":"abcdefgh1234""#.to_owned()),
            ("python", r#"os.environ["HF_TOKEN"] = "abcdefgh1234""#.to_owned()),
            ("query", "https://example.org/?access_token=abcdefgh1234&x=1".to_owned()),
            ("npmrc", "//registry.example/:_authToken=abcdefgh1234".to_owned()),
            ("variable's value", "connecting with blue-horse-42 now".to_owned()),
        ]
    }

    fn secret_part(text: &str) -> Vec<&str> {
        text.split(|c: char| c.is_whitespace() || "\"'\\=&:@".contains(c))
            .filter(|part| {
                let known = [
                    "hunter2", "correct", "battery", "horse", "s3cr3t", "12345678", "abcdef", "dXNl", "wJalr",
                ];
                part.len() > 19 && has_digit(part.as_bytes())
                    || known.iter().any(|secret| part.contains(secret))
            })
            .collect()
    }

    #[test]
    fn planted_secrets_are_gone() {
        for (name, text) in planted() {
            let parts = secret_part(&text);
            assert!(!parts.is_empty(), "{name} plants nothing: {text}");
            let clean = redact(&text);
            assert!(clean.contains(REDACTED), "{name}: {clean}");
            for part in parts {
                assert!(!clean.contains(part), "{name}: `{part}` is still in `{clean}`");
            }
            let within = redact(&format!("2026-01-01 INFO [{text}], and so on"));
            assert!(within.ends_with("and so on"), "{name}: {within}");
            for part in secret_part(&text) {
                assert!(!within.contains(part), "{name}: `{part}` is still in `{within}`");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_secret_survives() {
        for text in [
            "commit 8c7ddbc0e1f5a8f0c3a9b1d2e4f5061728394a5b",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "METRIC tokens_per_second=123.4 unit=1/s",
            "METRIC token_accuracy=0.93",
            "METRIC secret_score=0.3",
            "token_count: 123, max_tokens=4096, n_tokens=12k",
            "{\"total_tokens\": 1024, \"max_new_tokens\": 64}",
            "time per_token=0.4ms eos_token=</s> pad_token='<pad>' token_type_ids=[0, 1]",
            "tokens/s: 1234.5 | tokens: 12_345",
            "TOKENIZERS_PARALLELISM=false",
            "JSONDecodeError: unexpected token: foo at line 3",
            "hf_transformers_modules and hf_hub_download",
            "sk-learn-pipeline, task-1234567890abcdefghijklmn, disk-usage",
            "risk-adjusted-return-of-the-portfolio",
            "https://example.org/path@2 and ssh://git@github.com/a/b",
            "cache_key=8c7ddbc0e1f5a8f0c3a9b1d2e4f5061728394a5b",
            "sort_key: name; primary-key: id",
            "password_file=/run/secrets/db",
            "wandb run 8c7ddbc0e1f5a8f0c3a9b1d2e4f5061728394a5b is done",
            "token=None, password: null, secret=$SECRET, API_KEY=<your-key>",
            "forward_pass=1.25 backward_pass=3.5",
            "the bearer of this letter",
            "std::secret::Token::new()",
            "AKIAWAITINGROOM eyJ.x",
            "if token == expected:",
            "PASSWORD=${PASSWORD} and TOKEN=$(cat token)",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn a_private_key_goes_from_its_first_line_to_its_last() {
        let begin = format!("-----BEGIN {}-----", "RSA PRIVATE KEY");
        let end = format!("-----END {}-----", "RSA PRIVATE KEY");
        let body = "MIIEpAIBAAKCAQEA7bq\nq9J3kf0sVb+/8gk=\n";
        assert_eq!(redact(&format!("a\n{begin}\n{body}{end}\nb")), "a\n[redacted]\nb");
        let escaped = format!("{{\"private_key\": \"{begin}\\nMIIEpAIB\\n{end}\\n\"}}");
        assert!(!redact(&escaped).contains("MIIEpAIB"));
        assert_eq!(redact(&format!("a\n{begin}\n{body}")), "a\n[redacted]\n");
        assert_eq!(redact(&format!("a\n{begin}\n{body}the end of it\n")), "a\n[redacted]\nthe end of it\n");
        assert_eq!(redact(&format!("well then,\n{body}{end}\nb")), "well then,\n[redacted]\nb");
        assert_eq!(redact("-----BEGIN CERTIFICATE-----\nMIIE\n"), "-----BEGIN CERTIFICATE-----\nMIIE\n");
    }

    #[test]
    fn only_the_password_of_a_url_goes() {
        assert_eq!(
            redact("git clone https://ada:hunter2@example.org/x"),
            "git clone https://ada:[redacted]@example.org/x"
        );
    }

    #[test]
    fn the_home_directory_is_shortened() {
        assert_eq!(redact("in /home/ada/src, /home/ada."), "in ~/src, ~.");
        assert_eq!(redact("/home/adalbert /mnt/home/ada/x"), "/home/adalbert /mnt/home/ada/x");
        assert_eq!(redact("--data=/home/ada:/data"), "--data=~:/data");
    }

    #[test]
    fn a_short_value_of_a_secret_variable_is_not_looked_for() {
        assert_eq!(redact("a short text"), "a short text");
    }

    #[test]
    fn arguments_after_secret_options_go() {
        let argv = ["train", "--token", "abc", "--max-tokens", "5", "--password", "--verbose", "API_KEY=x1"];
        let clean: Vec<String> = redactor()
            .redact_argv(&argv)
            .into_iter()
            .map(|argument| String::from_utf8(argument).unwrap())
            .collect();
        assert_eq!(
            clean,
            [
                "train",
                "--token",
                REDACTED,
                "--max-tokens",
                "5",
                "--password",
                "--verbose",
                "API_KEY=[redacted]"
            ]
        );
    }

    #[test]
    fn a_file_holds_a_secret_only_when_that_is_certain() {
        let redactor = redactor();
        for (name, text) in planted() {
            let weak = [
                "basic",
                "dollar",
                "password",
                "digits",
                "JSON",
                "escaped JSON",
                "YAML",
                "option",
                "option and value",
                "camel case",
                "python",
                "query",
                "npmrc",
            ];
            if !weak.contains(&name) {
                assert!(redactor.holds_secret(text.as_bytes()).is_some(), "{name}: {text}");
            }
        }
        for code in [
            "password = getpass.getpass()",
            "def login(token: str, password: str = \"\"):",
            "secret = config[\"secret\"]",
            "self.token = tokens[position + 1]",
            "api_key = os.environ[\"API_KEY_2\"]",
            "assert password == \"hunter2\"",
        ] {
            assert_eq!(redactor.holds_secret(code.as_bytes()), None, "{code}");
        }
        assert!(redactor.holds_secret(b"API_KEY = \"a8f5f167f44f4964e6c998dee827110c\"").is_some());
    }

    #[test]
    fn files_that_hold_secrets_are_known_by_name() {
        for path in [
            ".env",
            "app/.env.local",
            "server.pem",
            "keys/id_rsa",
            "home/.aws/config",
            ".netrc",
            "x.p12",
            "a/kubeconfig",
            "credentials.json",
            ".npmrc",
            ".pypirc",
            "credentials",
            "tls.key",
            "ID_ED25519",
        ] {
            assert!(is_secret_path(path.as_bytes()), "{path}");
        }
        for path in [
            "environment.yml",
            "id_rsa.pub",
            ".env.example",
            "monkey.py",
            "credentials.py",
            "keys.md",
            ".key",
        ] {
            assert!(!is_secret_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_pass_unchanged() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        assert_eq!(*redactor().redact_bytes(&bytes), *bytes);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            redactor().redact_bytes(&bytes);
            redactor().holds_secret(&bytes);
        }

        #[test]
        fn no_text_of_its_own_words_makes_it_panic(
            words in proptest::collection::vec((0..RULES.len(), "[ =:\"'\\\\/@.a-z0-9\n-]{0,6}"), 0..12)
        ) {
            let text: String = words.iter().flat_map(|(at, between)| [RULES[*at].0, between.as_str()]).collect();
            redactor().redact_bytes(text.as_bytes());
            redactor().redact_bytes(format!("-----BEGIN {text}").as_bytes());
            redactor().redact_bytes(format!("-----END {text}").as_bytes());
        }

        #[test]
        fn what_is_clean_stays_as_it_is(text in "[a-z ,.!?\n]{0,200}") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}
