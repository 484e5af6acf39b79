//! Metrics that are found in plain output by a regular expression each.

use regex::bytes::{Regex, RegexSet};

use super::error::RunnerError;
use super::protocol::{parse_number, shown};

/// The regular expressions of metrics; the first group of each holds the value.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    set: Option<RegexSet>,
    patterns: Vec<(String, Regex)>,
}

/// Reads what the pattern of `metric` found as a number, or says what is wrong with it.
pub(super) fn read(metric: &str, found: &[u8]) -> Result<f64, String> {
    let text = String::from_utf8_lossy(found);
    parse_number(&text)
        .ok_or_else(|| format!("the pattern of `{metric}` found `{}`, not a number", shown(&text)))
}

impl Patterns {
    /// Compiles the patterns of metrics: name, then pattern.
    pub fn new<'a>(patterns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RunnerError> {
        let mut compiled = Vec::new();
        for (metric, pattern) in patterns {
            let failed =
                |source| RunnerError::Pattern { metric: metric.to_owned(), source: Box::new(source) };
            let regex = Regex::new(pattern).map_err(failed)?;
            if regex.captures_len() < 2 {
                return Err(RunnerError::NoGroup { metric: metric.to_owned(), pattern: pattern.to_owned() });
            }
            compiled.push((metric.to_owned(), regex));
        }
        // One pass over a line tells which patterns are worth a second one. Together they may be too large: then each is tried.
        let set = RegexSet::new(compiled.iter().map(|(_, regex)| regex.as_str())).ok();
        Ok(Self { set: set.filter(|_| compiled.len() > 1), patterns: compiled })
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Calls `found` with each metric and the text of its value that stand in `line`, which has no line break in it.
    pub(super) fn search(&self, line: &[u8], mut found: impl FnMut(&str, &[u8])) {
        let mut one = |(metric, regex): &(String, Regex)| {
            if let Some(value) = regex.captures(line).and_then(|captures| captures.get(1)) {
                found(metric, value.as_bytes());
            }
        };
        match &self.set {
            Some(set) => set.matches(line).into_iter().for_each(|at| one(&self.patterns[at])),
            None => self.patterns.iter().for_each(one),
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests {
    use super::*;

    fn search(patterns: &[(&str, &str)], line: &str) -> Vec<(String, Result<f64, String>)> {
        let mut all = Vec::new();
        let patterns = Patterns::new(patterns.iter().copied()).unwrap();
        patterns.search(line.as_bytes(), |name, value| all.push((name.to_owned(), read(name, value))));
        all
    }

    #[test]
    fn the_first_group_is_the_value() {
        let patterns = [("val_bpb", r"^val_bpb:\s+(\S+)"), ("mem", r"mem (\d+)(MB|GB)")];
        assert_eq!(search(&patterns, "val_bpb:   0.9973"), [("val_bpb".to_owned(), Ok(0.9973))]);
        assert_eq!(search(&patterns, "mem 12MB"), [("mem".to_owned(), Ok(12.0))]);
        assert_eq!(search(&patterns, "nothing here"), []);
    }

    #[test]
    fn a_match_that_is_no_number_says_so() {
        assert_eq!(
            search(&[("loss", r"loss (\S+)")], "loss high"),
            [("loss".to_owned(), Err("the pattern of `loss` found `high`, not a number".to_owned()))]
        );
    }

    #[test]
    fn a_pattern_without_a_group_is_refused() {
        let error = Patterns::new([("loss", "loss .*")]).unwrap_err();
        assert!(matches!(error, RunnerError::NoGroup { .. }));
        assert!(error.hint().is_some());
        assert!(matches!(Patterns::new([("loss", "(")]).unwrap_err(), RunnerError::Pattern { .. }));
    }
}
