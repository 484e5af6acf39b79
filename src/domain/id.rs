//! Names of things: entries, writers, commits, experiments and topics.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not have the form of the wanted kind.
    #[error("`{text}` is not {wanted}")]
    Malformed {
        /// What was given.
        text: String,
        /// What was wanted, with its article.
        wanted: &'static str,
    },
    /// The text would be taken for something else, by Git or by a shell.
    #[error("`{text}` cannot name {what}: {why}")]
    Refused {
        /// What was given.
        text: String,
        /// What it was to name, with its article.
        what: &'static str,
        /// The rule it breaks.
        why: &'static str,
    },
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// The whole name in lower-case hex.
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let malformed = || IdError::Malformed { text: text.to_owned(), wanted: $wanted };
                let mut bytes = [0; $bytes];
                if text.len() != 2 * $bytes {
                    return Err(malformed());
                }
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks().0) {
                    *byte = unhex_pair(*pair).ok_or_else(malformed)?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

hex_id!(
    /// The identity of an entry: the BLAKE3 of its stored bytes.
    EntryId,
    32,
    "an entry's ID of 64 hex digits"
);
hex_id!(
    /// Random bits that make an entry unlike any other, and name a run while it is under way.
    Nonce,
    16,
    "a nonce of 32 hex digits"
);

impl EntryId {
    /// The first eight hex digits, for people; use the log to find a prefix that is unique.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

impl Nonce {
    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

/// Lower-case hex of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes that `text` spells in lower-case hex, if it does.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| unhex_pair(*pair)).collect()
}

fn unhex_pair([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// The name of one clone (or one CI workflow) that appends entries: random lower-case hex, with `-2`, `-3` … after a purge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Writer(String);

impl Writer {
    /// The name as it stands in refs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its epoch, and the epoch: 1 for a log that nothing was purged from.
    fn parts(&self) -> (&str, u32) {
        match self.0.split_once('-') {
            Some((name, epoch)) => (name, epoch.parse().unwrap_or(1)),
            None => (&self.0, 1),
        }
    }

    /// Whether something was purged from the log before this epoch.
    pub fn is_later_epoch(&self) -> bool {
        self.parts().1 > 1
    }

    /// Whether `other` is a later epoch of the same writer.
    pub fn is_followed_by(&self, other: &Self) -> bool {
        let ((name, epoch), (other, later)) = (self.parts(), other.parts());
        name == other && later > epoch
    }

    /// The first epoch after this one that is none of `known`.
    #[must_use]
    pub fn next_epoch<'a>(&self, known: impl IntoIterator<Item = &'a Self>) -> Self {
        let (name, epoch) = self.parts();
        let of_others = known.into_iter().map(Self::parts).filter(|(other, _)| *other == name);
        let taken: Vec<u32> = of_others.map(|(_, epoch)| epoch).collect();
        let next = (epoch.saturating_add(1)..=u32::MAX).find(|next| !taken.contains(next));
        Self(format!("{name}-{}", next.unwrap_or(u32::MAX)))
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Writer {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (name, epoch) = text.split_once('-').unwrap_or((text, "2"));
        let is_hex = (8..=32).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_epoch = (1..=6).contains(&epoch.len())
            && epoch.bytes().all(|byte| byte.is_ascii_digit())
            && !epoch.starts_with('0');
        if is_hex && is_epoch {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Malformed { text: text.to_owned(), wanted: "a writer's name" })
        }
    }
}

/// The name of a Git object in hex: 40 digits with SHA-1, 64 with SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// All hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if matches!(text.len(), 40 | 64) && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Malformed { text: text.to_owned(), wanted: "a Git object's name" })
        }
    }
}

/// Checks what every name of ours must hold so that Git, shells and file systems take it as it stands.
fn check_name(text: &str, what: &'static str) -> Result<(), IdError> {
    let refuse = |why| Err(IdError::Refused { text: text.to_owned(), what, why });
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > 80 {
        return refuse("it is longer than 80 characters");
    }
    if text.starts_with(['-', '.']) {
        return refuse("it begins with a dash or a dot");
    }
    if text.contains("..") || text.ends_with('.') {
        return refuse("it holds `..` or ends with a dot");
    }
    if text.to_ascii_lowercase().ends_with(".lock") {
        return refuse("it ends with `.lock`");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return refuse("only letters, digits, `-`, `_` and `.` may stand in it");
    }
    Ok(())
}

/// The alias of an experiment, as `MOE-HC-001` or `20261121-short-name`; unique ignoring case.
#[derive(Clone, Debug)]
pub struct ExperimentId(String);

impl ExperimentId {
    /// The ID as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ID under which it is compared: IDs differ only where they differ in more than case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The scratch experiment of a day, under which runs without ceremony are kept.
    pub fn scratch(date: jiff::civil::Date) -> Self {
        Self(format!("{:04}{:02}{:02}-scratch", date.year(), date.month(), date.day()))
    }

    /// Whether this is a day's scratch experiment.
    pub fn is_scratch(&self) -> bool {
        self.0.len() == 16
            && self.0.ends_with("-scratch")
            && self.0.bytes().take(8).all(|byte| byte.is_ascii_digit())
    }
}

impl PartialEq for ExperimentId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ExperimentId {}

impl PartialOrd for ExperimentId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ExperimentId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::hash::Hash for ExperimentId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ExperimentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_name(text, "an experiment")?;
        Ok(Self(text.to_owned()))
    }
}

/// The name of a line of research.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(String);

impl TopicName {
    /// The name as it stands in the branch `research/<topic>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_name(text, "a topic")?;
        Ok(Self(text.to_owned()))
    }
}

/// What the numbers of a topic's experiments follow, as `MOE-HC` in `MOE-HC-001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix without the dash before the number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The experiment of this prefix with the given number, as `A-001`.
    pub fn numbered(&self, number: u32) -> ExperimentId {
        ExperimentId(format!("{}-{number:03}", self.0))
    }

    /// The number that `id` has under this prefix, if it is one of its experiments.
    pub fn number_of(&self, id: &ExperimentId) -> Option<u32> {
        let (prefix, number) = id.0.rsplit_once('-')?;
        (prefix.eq_ignore_ascii_case(&self.0)).then(|| number.parse().ok())?
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_name(text, "a prefix")?;
        if text.len() > 40 || !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(IdError::Refused {
                text: text.to_owned(),
                what: "a prefix",
                why: "it must begin with a letter and have at most 40 characters",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_of_one_writer_follow_each_other() {
        let writer = |name: &str| name.parse::<Writer>().expect("the name is right");
        let [first, second, third, tenth] =
            ["0f0e0d0c", "0f0e0d0c-2", "0f0e0d0c-3", "0f0e0d0c-10"].map(writer);
        assert!(first.is_followed_by(&second) && second.is_followed_by(&tenth));
        assert!(!second.is_followed_by(&first) && !first.is_followed_by(&first));
        assert!(!first.is_followed_by(&writer("0f0e0d0d-2")));
        assert!(tenth.is_later_epoch() && !first.is_later_epoch());
        assert_eq!(first.next_epoch([&writer("0f0e0d0d-2")]), second);
        // One that somebody took far ahead uses none up.
        assert_eq!(first.next_epoch([&second, &writer("0f0e0d0c-999999")]), third);
    }
}
