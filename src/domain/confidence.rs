//! How strong the evidence is: computed from the runs, never typed in.

use std::collections::{BTreeMap, BTreeSet};

use super::metric::words;

/// How strong the evidence of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Weak: few trials, no brief, an interim look, or sides that ran at different times.
    Exploratory,
    /// Repeated as planned, and consistent.
    Replicated,
    /// Held over every variant that the topic's scope declares.
    Stable,
}

words!(Confidence { Exploratory = "exploratory", Replicated = "replicated", Stable = "stable" });

/// What the strength of evidence is computed from.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// What makes the evidence weak, each a clause: `this is an interim look`.
    pub weaknesses: Vec<String>,
    /// The trials of the side that has fewer.
    pub trials: usize,
    /// The variants that the topic declares: `seeds`, `cases`, `hardware`, each with its values.
    pub scope: BTreeMap<String, Vec<String>>,
    /// The variants that the primary criterion held over, under the same names.
    pub held: BTreeMap<String, BTreeSet<String>>,
}

impl Ground {
    /// The confidence, and the reason for it.
    pub fn confidence(&self) -> (Confidence, String) {
        if !self.weaknesses.is_empty() {
            return (Confidence::Exploratory, self.weaknesses.join("; "));
        }
        let repeated = format!("{} trials a side, as planned, none failed", self.trials);
        if self.scope.is_empty() {
            return (Confidence::Replicated, format!("{repeated}; the topic declares no scope to hold over"));
        }
        let missing: Vec<String> =
            self.scope.iter().filter_map(|(name, values)| self.missing(name, values)).collect();
        if missing.is_empty() {
            let names: Vec<&str> = self.scope.keys().map(String::as_str).collect();
            return (Confidence::Stable, format!("{repeated}; held over all {} in scope", names.join(", ")));
        }
        (Confidence::Replicated, format!("{repeated}; not shown for {}", missing.join(", ")))
    }

    fn missing(&self, name: &str, values: &[String]) -> Option<String> {
        let held = self.held.get(name);
        let missing: Vec<&str> = values
            .iter()
            .filter(|value| held.is_none_or(|held| !held.contains(*value)))
            .map(String::as_str)
            .collect();
        (!missing.is_empty()).then(|| format!("{name} {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(scope: &[(&str, &[&str])], held: &[(&str, &[&str])]) -> Ground {
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        Ground {
            weaknesses: Vec::new(),
            trials: 5,
            scope: scope.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect(),
            held: held
                .iter()
                .map(|(name, values)| ((*name).to_owned(), texts(values).into_iter().collect()))
                .collect(),
        }
    }

    #[test]
    fn a_weakness_makes_it_exploratory() {
        let mut ground = ground(&[], &[]);
        ground.weaknesses.push("this is an interim look".to_owned());
        assert_eq!(ground.confidence(), (Confidence::Exploratory, "this is an interim look".to_owned()));
    }

    #[test]
    fn what_was_repeated_is_replicated_until_it_held_over_the_whole_scope() {
        let scope: &[(&str, &[&str])] = &[("cases", &["b8", "b16"]), ("hardware", &["h1"])];
        let partly = ground(scope, &[("cases", &["b8"]), ("hardware", &["h1"])]);
        let (confidence, reason) = partly.confidence();
        assert_eq!(confidence, Confidence::Replicated);
        assert!(reason.ends_with("not shown for cases b16"), "{reason}");
        let wholly = ground(scope, &[("cases", &["b8", "b16"]), ("hardware", &["h1", "h2"])]);
        assert_eq!(wholly.confidence().0, Confidence::Stable);
    }

    #[test]
    fn without_a_scope_nothing_is_stable() {
        assert_eq!(ground(&[], &[]).confidence().0, Confidence::Replicated);
    }
}
