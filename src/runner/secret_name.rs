//! Names that say secret: `HF_TOKEN`, `db.password`, `clientSecret`; but not `max_tokens` or `password_file`.

/// How surely a name says that its value is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// It ends in a word for a secret: `DB_PASSWORD`, `client_secret`, `API_KEY`.
    Certain,
    /// It has a word for a secret in it: a number under this name is a number.
    Part,
    /// It is a token of some sort, which in this trade may as well be a piece of text.
    Token,
}

/// Last words that make a name speak about a secret instead of being one.
const ABOUT: &[&str] = &[
    "file",
    "path",
    "dir",
    "directory",
    "name",
    "url",
    "uri",
    "length",
    "len",
    "count",
    "type",
    "env",
    "policy",
    "manager",
    "hint",
    "field",
    "size",
    "ttl",
    "expiry",
    "age",
    "json",
    "yaml",
    "yml",
    "toml",
    "txt",
    "py",
    "rs",
    "sh",
    "log",
    "store",
    "provider",
    "helper",
    "class",
    "error",
    "errors",
    "prompt",
    "format",
    "required",
    "enabled",
];

/// Words before `token` that make it a piece of text.
const TEXT: &[&str] = &[
    "pad",
    "eos",
    "bos",
    "unk",
    "mask",
    "sep",
    "cls",
    "per",
    "special",
    "next",
    "new",
    "image",
    "audio",
    "video",
    "start",
    "end",
    "stop",
    "first",
    "last",
    "prev",
    "previous",
    "decoder",
    "encoder",
    "sot",
    "eot",
    "by",
    "additional",
    "a",
    "the",
    "each",
    "every",
    "one",
    "single",
    "unexpected",
    "invalid",
    "input",
    "output",
    "target",
    "query",
    "current",
    "context",
    "vocab",
    "sub",
    "text",
    "prompt",
    "generated",
    "ms",
    "us",
    "ns",
    "sec",
    "seconds",
    "time",
    "loss",
    "cost",
];

/// Words before `key` that make it a secret.
const KEYS: &[&str] = &[
    "api",
    "access",
    "private",
    "secret",
    "auth",
    "encryption",
    "signing",
    "account",
    "subscription",
    "deploy",
    "storage",
    "shared",
    "master",
    "service",
    "app",
    "application",
    "admin",
    "license",
    "host",
    "write",
    "ingest",
];

/// How surely `name` says that its value is secret; `None` when it does not.
pub(super) fn strength(name: &str) -> Option<Strength> {
    if !name.is_ascii() || name.is_empty() {
        return None;
    }
    let words = words(name);
    let last = words.last()?.as_str();
    if ABOUT.contains(&last) {
        return None;
    }
    let is_key = |at: usize| {
        matches!(&*words[at], "apikey" | "accesskey" | "privatekey" | "secretkey" | "accountkey" | "apikeys")
            || matches!(&*words[at], "key" | "keys") && at > 0 && KEYS.contains(&&*words[at - 1])
    };
    let is_strong = |at: usize| {
        matches!(
            &*words[at],
            "password"
                | "passwords"
                | "passwd"
                | "passphrase"
                | "secret"
                | "secrets"
                | "credential"
                | "credentials"
        ) || is_key(at)
            || matches!(&*words[at], "pass" | "pwd")
                && at > 0
                && matches!(
                    &*words[at - 1],
                    "db" | "database"
                        | "user"
                        | "mysql"
                        | "postgres"
                        | "pg"
                        | "smtp"
                        | "mail"
                        | "ftp"
                        | "admin"
                        | "root"
                        | "redis"
                        | "mongo"
                        | "ssh"
                        | "http"
                        | "proxy"
                        | "auth"
                        | "login"
                )
    };
    if is_strong(words.len() - 1) {
        return Some(Strength::Certain);
    }
    let is_token = |at: usize| words[at] == "token" && (at == 0 || !TEXT.contains(&&*words[at - 1]));
    if is_token(words.len() - 1) {
        return Some(Strength::Token);
    }
    // `SECRET_ACCESS_KEY_2`, `API_KEY_ID`, `TOKEN_VALUE`.
    if (0..words.len()).any(is_strong) {
        return Some(Strength::Part);
    }
    let is_numbered = last.bytes().all(|byte| byte.is_ascii_digit()) || last == "value";
    (words.len() > 1 && is_numbered && is_token(words.len() - 2)).then_some(Strength::Token)
}

/// Whether an environment variable's value is secret by the variable's name.
pub(super) fn is_secret_variable(name: &str) -> bool {
    strength(name).is_some()
}

/// The words of a name in lower case: `clientSecret`, `client-secret` and `CLIENT_SECRET` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in name.split(['_', '-', '.']).filter(|part| !part.is_empty()) {
        let mut word = String::new();
        let mut was_lower = false;
        for c in part.chars() {
            if c.is_ascii_uppercase() && was_lower {
                words.push(std::mem::take(&mut word));
            }
            was_lower = c.is_ascii_lowercase();
            word.push(c.to_ascii_lowercase());
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_about_them() {
        for name in [
            "PASSWORD",
            "db.password",
            "clientSecret",
            "API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "x-api-key",
        ] {
            assert_eq!(strength(name), Some(Strength::Certain), "{name}");
        }
        for name in ["HF_TOKEN", "token", "accessToken", "_authToken", "GITHUB_TOKEN_2"] {
            assert_eq!(strength(name), Some(Strength::Token), "{name}");
        }
        for name in ["AWS_ACCESS_KEY_ID", "secret_score"] {
            assert_eq!(strength(name), Some(Strength::Part), "{name}");
        }
        for name in [
            "max_tokens",
            "token_count",
            "tokens_per_second",
            "pad_token",
            "per_token",
            "password_file",
            "tokenizer",
            "cache_key",
            "key",
            "monkey",
            "PWD",
            "forward_pass",
            "secrets.json",
            "",
        ] {
            assert_eq!(strength(name), None, "{name}");
        }
    }
}
