//! Breaches: rules that were not kept, each with what to do about it.

/// A rule that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule's name, as `frozen`.
    pub rule: String,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Breach {
    /// A breach of `rule`.
    pub fn new(rule: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), what: what.into(), mend: mend.into() }
    }
}
