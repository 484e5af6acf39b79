//! What is to be in order before results are posted, and before a topic is closed.

use super::few;
use crate::domain::breach::Breach;
use crate::domain::confidence::Confidence;
use crate::domain::decision::{Decision, Ruling};
use crate::domain::topic::Topic;
use crate::domain::verdict::Outcome;

/// One entry at a time is in force.
pub const CONFLICT: &str = "conflict";
/// It is known what the numbers say, or what somebody made of them.
pub const VERDICT: &str = "verdict";
/// Weak evidence is called weak.
pub const CONFIDENCE: &str = "confidence";
/// The logbook has everything that happened.
pub const LOGBOOK: &str = "logbook";
/// Everything in a topic is decided.
pub const UNDECIDED: &str = "undecided";
/// The topic names what others are compared with.
pub const NAMED_BASELINE: &str = "named-baseline";
/// The topic says when to stop.
pub const STOP_CRITERIA: &str = "stop-criteria";

/// What the numbers of an experiment say.
#[derive(Clone, Debug)]
pub struct Said {
    /// The verdict, or why there is none.
    pub outcome: Result<Outcome, String>,
    /// How strong the evidence is.
    pub confidence: Confidence,
    /// Why it is not stronger; and where the verdict is unclear, why.
    pub reasons: Vec<String>,
}

/// What stands against posting the numbers of an experiment.
pub fn of_numbers(experiment: &str, said: &Said, ruling: Option<&Ruling>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let unclear = match &said.outcome {
        Ok(Outcome::Accept | Outcome::Reject) => None,
        Ok(outcome) => Some(format!("the verdict on {experiment} is `{outcome}`: {}", few(&said.reasons))),
        Err(why) => Some(format!("there is no verdict on {experiment}: {why}")),
    };
    if let (Some(what), None) = (unclear, ruling) {
        let mend = format!(
            "run what is missing (git exp compare {experiment}), or decide all the same: git exp decide {experiment} \
             reject --because \"…\""
        );
        breaches.push(Breach::new(VERDICT, what, mend));
    }
    let accepted = ruling.filter(|ruling| ruling.decision == Decision::Accepted);
    let word = Confidence::Exploratory.word();
    let stood_on = accepted.and_then(|ruling| ruling.evidence.as_ref());
    let is_weak = stood_on.map_or(said.confidence == Confidence::Exploratory, |it| it.confidence == word);
    if let Some(ruling) = accepted.filter(|ruling| is_weak && !ruling.because.to_lowercase().contains(word)) {
        breaches.push(Breach::new(
            CONFIDENCE,
            format!("{experiment} was accepted on {word} evidence, and the reason does not say so: {}", ruling.because),
            format!(
                "repeat it (git exp run -e {experiment} --confirm …), or say so: git exp decide {experiment} accept \
                 --because \"{word}: …\" --next \"…\""
            ),
        ));
    }
    breaches
}

/// The conflicts among entries, each in words; `mend` settles them.
pub fn of_conflicts(conflicts: &[String], mend: &str) -> Vec<Breach> {
    conflicts.iter().map(|what| Breach::new(CONFLICT, what.clone(), mend)).collect()
}

/// That a topic's logbook lacks events; `None` where it was never written.
pub fn of_logbook(topic: &str, missing: Option<usize>) -> Option<Breach> {
    let what = match missing {
        Some(0) => return None,
        Some(1) => format!("the logbook of {topic} lacks 1 entry"),
        Some(count) => format!("the logbook of {topic} lacks {count} entries"),
        None => format!("the logbook of {topic} was never written"),
    };
    Some(Breach::new(LOGBOOK, what, format!("git exp logbook {topic} --write")))
}

/// What a topic does not say and has to, to be closed.
pub fn of_topic(topic: &Topic) -> Vec<Breach> {
    let name = &topic.name;
    let mut breaches = Vec::new();
    if topic.baselines.is_empty() {
        breaches.push(Breach::new(
            NAMED_BASELINE,
            format!("the topic {name} names no baseline"),
            format!(
                "git exp topic baseline set default=<experiment or revision> --topic {name} --because \"…\""
            ),
        ));
    }
    if topic.stop.iter().all(|text| text.trim().is_empty()) {
        breaches.push(Breach::new(
            STOP_CRITERIA,
            format!("the topic {name} does not say when to stop"),
            format!("git exp topic amend {name} --stop \"…\""),
        ));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::id::EntryId;

    fn said(outcome: Result<Outcome, String>, confidence: Confidence) -> Said {
        Said { outcome, confidence, reasons: vec!["too few trials".to_owned()] }
    }

    fn ruling(decision: Decision, because: &str) -> Ruling {
        Ruling {
            experiment: "A-001".parse().expect("the ID is right"),
            registration: EntryId([1; 32]),
            decision,
            because: because.to_owned(),
            next: Vec::new(),
            evidence: None,
        }
    }

    #[test]
    fn an_unclear_verdict_is_not_posted_unless_somebody_decided() {
        let unclear = said(Ok(Outcome::Unclear), Confidence::Exploratory);
        let found = of_numbers("A-001", &unclear, None);
        assert_eq!(found[0].what, "the verdict on A-001 is `unclear`: too few trials");
        assert_eq!(of_numbers("A-001", &unclear, Some(&ruling(Decision::Rejected, "no use"))), []);
        let none = said(Err("nothing ran".to_owned()), Confidence::Exploratory);
        assert_eq!(of_numbers("A-001", &none, None)[0].rule, VERDICT);
        assert_eq!(of_numbers("A-001", &said(Ok(Outcome::Accept), Confidence::Replicated), None), []);
    }

    #[test]
    fn weak_evidence_is_to_be_called_weak() {
        let weak = said(Ok(Outcome::Unclear), Confidence::Exploratory);
        let found = of_numbers("A-001", &weak, Some(&ruling(Decision::Accepted, "looks good")));
        assert_eq!(found[0].rule, CONFIDENCE);
        let honest = ruling(Decision::Accepted, "Exploratory, but worth a second look");
        assert_eq!(of_numbers("A-001", &weak, Some(&honest)), []);
        let strong = said(Ok(Outcome::Accept), Confidence::Replicated);
        assert_eq!(of_numbers("A-001", &strong, Some(&ruling(Decision::Accepted, "looks good"))), []);
    }

    #[test]
    fn a_logbook_that_lacks_something_is_to_be_written() {
        assert_eq!(of_logbook("moe", Some(0)), None);
        let lacks = |missing| of_logbook("moe", missing).expect("it lacks something").what;
        assert_eq!(lacks(Some(1)), "the logbook of moe lacks 1 entry");
        assert_eq!(lacks(Some(3)), "the logbook of moe lacks 3 entries");
        assert_eq!(lacks(None), "the logbook of moe was never written");
    }

    #[test]
    fn a_topic_without_baseline_or_stop_criteria_is_told() {
        let mut topic = Topic::named("moe".parse().expect("the name is right"));
        let names: Vec<String> = of_topic(&topic).into_iter().map(|breach| breach.rule).collect();
        assert_eq!(names, [NAMED_BASELINE, STOP_CRITERIA]);
        topic.baselines = BTreeMap::from([("default".to_owned(), "main".to_owned())]);
        topic.stop = vec!["3 rejected in a row".to_owned()];
        assert_eq!(of_topic(&topic), []);
    }
}
