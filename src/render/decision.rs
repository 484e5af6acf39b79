//! Decisions, reviews and moved baselines: as they are made, and on the pages of what they are about.

use jiff::Timestamp;
use serde::Serialize;

use super::entry::EvidenceJson;
use super::text::harmless;
use super::{Canvas, Page, Tone, time};
use crate::domain::decision::{Decision, Evidence, Opinion, Ruling};
use crate::domain::entry::Identity;
use crate::domain::id::EntryId;
use crate::domain::state::{MoveOf, ReviewOf, RulingOf};
use crate::domain::verdict::Outcome;

/// A comparison in short.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The candidate's name.
    pub candidate: String,
    /// The baseline's name.
    pub baseline: String,
    /// What the numbers say.
    pub outcome: Outcome,
    /// The primary metric and its change, in a line.
    pub summary: String,
    /// Why the numbers say so, each a clause.
    pub reasons: Vec<String>,
    /// How strong the evidence is, and why.
    pub confidence: String,
}

impl Compared {
    /// The comparison in a few lines.
    pub fn text(&self, canvas: &Canvas) -> String {
        let mut page = Page::default();
        let heading = format!("{} against {}:", harmless(&self.candidate), harmless(&self.baseline));
        let outcome = canvas.style.paint(Tone::of_outcome(self.outcome), self.outcome.word());
        page.line(&format!("{} {outcome}", canvas.style.paint(Tone::Strong, &heading)));
        page.field("metric", &harmless(&self.summary));
        let mut name = "because";
        for reason in &self.reasons {
            page.field(name, &harmless(reason));
            name = "";
        }
        page.field("confidence", &harmless(&self.confidence));
        page.text
    }

    /// The reason to decide by, where nobody gave one.
    pub fn reason(&self) -> String {
        let first: Vec<&str> = self.reasons.iter().take(2).map(String::as_str).collect();
        format!("the numbers say `{}`: {}", self.outcome, first.join("; "))
    }
}

/// A decision that was just made.
#[derive(Clone, Debug)]
pub struct DecisionView<'a> {
    /// Its entry.
    pub entry: EntryId,
    /// The experiment's name.
    pub experiment: &'a str,
    /// What was decided.
    pub ruling: &'a Ruling,
    /// What was decided before, where this takes its place.
    pub before: Option<Decision>,
}

impl DecisionView<'_> {
    /// What was decided, and on what.
    pub fn text(&self, canvas: &Canvas) -> String {
        let mut page = Page::default();
        let ruling = self.ruling;
        let decision = canvas.style.paint(Tone::of_decision(ruling.decision), ruling.decision.word());
        let before = self.before.map(|before| format!(", after {before}")).unwrap_or_default();
        page.line(&format!("{} {decision}{before} ({})", harmless(self.experiment), self.entry.short()));
        if let Some(against) = against(ruling) {
            page.line(&canvas.style.paint(Tone::Warning, &against));
        }
        if let Some(evidence) = &ruling.evidence {
            page.line(&format!("evidence: {}", evidence_in_words(evidence)));
        }
        page.text
    }

    /// The view for scripts.
    pub fn json(&self) -> DecisionJson<'_> {
        let ruling = self.ruling;
        DecisionJson {
            schema: "git-exp/decision/1",
            entry: self.entry.to_hex(),
            experiment: self.experiment,
            decision: ruling.decision.word(),
            because: &ruling.because,
            next: &ruling.next,
            against: ruling.against(),
            evidence: ruling.evidence.as_ref().map(EvidenceJson::from),
            before: self.before.map(Decision::word),
        }
    }
}

/// A decision: `git-exp/decision/1`.
#[derive(Debug, Serialize)]
pub struct DecisionJson<'a> {
    schema: &'static str,
    entry: String,
    experiment: &'a str,
    decision: &'static str,
    because: &'a str,
    next: &'a [String],
    against: Option<&'static str>,
    evidence: Option<EvidenceJson<'a>>,
    before: Option<&'static str>,
}

/// What is said of a decision that goes against the numbers: `accepted against the numbers: unclear`.
fn against(ruling: &Ruling) -> Option<String> {
    ruling.against().map(|what| format!("{} against the numbers: {what}", ruling.decision))
}

fn evidence_in_words(evidence: &Evidence) -> String {
    format!(
        "{} against {}, {}: {}",
        evidence.outcome,
        harmless(&evidence.baseline),
        harmless(&evidence.confidence),
        harmless(&evidence.summary)
    )
}

fn who(by: &Identity) -> String {
    harmless(&by.name).into_owned()
}

fn head(page: &mut Page, id: EntryId, moment: Timestamp, text: &str, canvas: &Canvas) {
    page.line(&format!(
        "  {}  {}  {text}",
        canvas.style.paint(Tone::Warning, &id.short()),
        canvas.style.paint(Tone::Dim, &time::short(moment, &canvas.zone)),
    ));
}

/// Decisions under a heading, oldest first; nothing where there are none. Those in `conflicts` claim to be in force too.
pub fn decisions(rulings: &[RulingOf], conflicts: &[EntryId], canvas: &Canvas) -> String {
    let mut page = Page::default();
    let Some(last) = rulings.last() else { return page.text };
    page.heading(canvas.style, "decisions");
    for it in rulings {
        let ruling = &it.ruling;
        let decision = canvas.style.paint(Tone::of_decision(ruling.decision), ruling.decision.word());
        let standing = if it.entry == last.entry {
            ""
        } else if conflicts.contains(&it.entry) {
            "  (in conflict with the one in force)"
        } else {
            "  (revised)"
        };
        head(&mut page, it.entry, it.time, &format!("{decision} by {}{standing}", who(&it.by)), canvas);
        page.line(&format!("    because {}", harmless(&ruling.because)));
        if let Some(against) = against(ruling) {
            page.line(&format!("    {}", canvas.style.paint(Tone::Warning, &against)));
        }
        match &ruling.evidence {
            Some(evidence) => page.line(&format!("    evidence: {}", evidence_in_words(evidence))),
            None => page.line("    without evidence"),
        }
        for next in &ruling.next {
            page.line(&format!("    next: {}", harmless(next)));
        }
    }
    page.text
}

/// Reviews under a heading, oldest first; nothing where there are none.
pub fn reviews(reviews: &[ReviewOf], canvas: &Canvas) -> String {
    let mut page = Page::default();
    if reviews.is_empty() {
        return page.text;
    }
    page.heading(canvas.style, "reviews");
    for it in reviews {
        let tone = match it.review.opinion {
            Opinion::Approve => Tone::Good,
            Opinion::Reject => Tone::Bad,
        };
        let opinion = canvas.style.paint(tone, it.review.opinion.word());
        let at = it.review.commit.as_ref().map(|commit| format!(" at {}", commit.short()));
        let text = format!("{opinion} by {}{}", who(&it.by), at.unwrap_or_default());
        head(&mut page, it.entry, it.time, &text, canvas);
        page.line(&format!("    because {}", harmless(&it.review.because)));
    }
    page.text
}

/// How named baselines came to be what they are, oldest first.
pub fn moves<'a>(moves: impl IntoIterator<Item = &'a MoveOf>, canvas: &Canvas) -> String {
    let mut page = Page::default();
    for (id, moment, by, it) in moves {
        let from = it.from.as_ref().map(|from| format!(" (was {})", harmless(from))).unwrap_or_default();
        let text = format!("{}={}{from} by {}", harmless(&it.name), harmless(&it.to), who(by));
        head(&mut page, *id, *moment, &text, canvas);
        page.line(&format!("    because {}", harmless(&it.because)));
        if let Some(evidence) = &it.evidence {
            page.line(&format!("    evidence: {}", evidence_in_words(evidence)));
        }
        if it.lacks_repeated_evidence() {
            page.line(&format!(
                "    {}",
                canvas.style.paint(Tone::Warning, "moved without repeated evidence")
            ));
        }
    }
    page.text
}

/// A step in the history of a named baseline.
#[derive(Debug, Serialize)]
pub struct MoveJson<'a> {
    entry: String,
    time: String,
    by: String,
    name: &'a str,
    from: Option<&'a str>,
    to: &'a str,
    commit: Option<&'a str>,
    because: &'a str,
    evidence: Option<EvidenceJson<'a>>,
    repeated: bool,
}

impl<'a> From<&'a MoveOf> for MoveJson<'a> {
    fn from((id, moment, by, it): &'a MoveOf) -> Self {
        Self {
            entry: id.to_hex(),
            time: moment.to_string(),
            by: format!("{} <{}>", by.name, by.email),
            name: &it.name,
            from: it.from.as_deref(),
            to: &it.to,
            commit: it.commit.as_deref(),
            because: &it.because,
            evidence: it.evidence.as_ref().map(EvidenceJson::from),
            repeated: it.is_on_repeated_evidence(),
        }
    }
}
