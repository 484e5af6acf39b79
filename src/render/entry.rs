//! One entry of the log on a page, and the parts that several pages share: files, notes, amendments.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::experiment::brief_fields;
use super::json::{BriefJson, EntryJson};
use super::log::LogLine;
use super::table::{Align, Cell, Table};
use super::text::{harmless, harmless_lines};
use super::topic::promises;
use super::{Canvas, Page, Tone, number, reproduction, time};
use crate::domain::decision::Evidence;
use crate::domain::entry::{Body, Entry, FileEntry, Note, NoteSort};
use crate::domain::id::{EntryId, ObjectName};
use crate::domain::withdrawal::{Dropped, Withdrawn};

/// An entry that is no run, with what the log knows around it.
#[derive(Clone, Debug)]
pub struct EntryView<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The shortest unique prefix of its ID.
    pub short: String,
    /// The IDs of entries that take its place.
    pub replaced_by: Vec<String>,
}

/// A note with when and under which ID it was written.
#[derive(Clone, Debug)]
pub struct NoteLine<'a> {
    /// The short ID of its entry.
    pub id: String,
    /// When it was written.
    pub time: Timestamp,
    /// The note.
    pub note: &'a Note,
}

/// Everything about one entry that is no run.
pub fn page(view: &EntryView<'_>, canvas: &Canvas) -> String {
    let entry = view.entry;
    let mut page = Page::default();
    let about = match (&entry.body, entry.experiment()) {
        (_, Some(experiment)) => format!("  {experiment}"),
        _ => entry.topic().map_or_else(String::new, |topic| format!("  {topic}")),
    };
    let heading = format!("{} {}", harmless(entry.kind()), view.short);
    page.line(&format!(
        "{}{about}  {}",
        canvas.style.paint(Tone::Strong, &heading),
        time::age(entry.time, canvas.now)
    ));
    let by = &entry.by;
    if !by.name.is_empty() {
        page.field("by", &harmless(&format!("{} <{}>", by.name, by.email)));
    }
    page.field("written", &time::long(entry.time, &canvas.zone));
    page.field("recorded by", entry.writer.as_str());
    let mut name = "replaces";
    for replaced in &entry.replaces {
        page.field(name, &replaced.short());
        name = "";
    }
    for replacing in &view.replaced_by {
        let short: String = replacing.chars().take(8).collect();
        page.field("replaced by", &canvas.style.paint(Tone::Warning, &harmless(&short)));
    }
    body(&mut page, entry, canvas);
    let files: Vec<&FileEntry> = entry.files.iter().flat_map(|list| &list.files).collect();
    if !files.is_empty() {
        page.heading(canvas.style, "files");
        page.table(&file_table(&files), canvas);
    }
    page.text
}

fn body(page: &mut Page, entry: &Entry, canvas: &Canvas) {
    match &entry.body {
        Body::Topic(topic) => {
            if let Some(goal) = &topic.goal {
                page.field("goal", &harmless(goal));
            }
            if let Some(prefix) = &topic.prefix {
                page.field("prefix", prefix.as_str());
            }
            promises(page, topic);
        }
        Body::Brief(it) => {
            if let Some(registration) = &it.registration {
                page.field("amends", &registration.short());
            }
            if let Some(topic) = &it.topic {
                page.field("topic", topic.as_str());
            }
            if let Some(idea) = &it.idea {
                page.field("tries", &format!("idea {}", idea.short()));
            }
            if let Some(run) = &it.from {
                page.field("grew out of", &format!("run {}", run.short()));
            }
            if let Some(start) = &it.start {
                page.field("began at", start.as_str());
            }
            page.heading(canvas.style, "brief");
            page.text.push_str(&brief_fields(&it.brief));
        }
        Body::Note(note) => {
            if let Some(sort) = note.sort {
                page.field("sort", sort.word());
            }
            if let Some(source) = &note.source {
                page.field("source", &harmless(source));
            }
            page.line("");
            for line in harmless_lines(&note.text).lines() {
                page.line(&format!("  {line}"));
            }
        }
        Body::Decision(it) => {
            page.field("decision", it.decision.word());
            page.field("because", &harmless(&it.because));
            if let Some(what) = it.against() {
                let text = format!("against the numbers: {what}");
                page.field("", &canvas.style.paint(Tone::Warning, &text));
            }
            let mut name = "next";
            for next in &it.next {
                page.field(name, &harmless(next));
                name = "";
            }
            evidence(page, it.evidence.as_ref());
        }
        Body::Baseline(it) => {
            page.field("baseline", &harmless(&it.name));
            if let Some(from) = &it.from {
                page.field("was", &harmless(from));
            }
            page.field("is", &harmless(&it.to));
            if let Some(commit) = &it.commit {
                page.field("at", &harmless(commit));
            }
            page.field("because", &harmless(&it.because));
            evidence(page, it.evidence.as_ref());
            if it.lacks_repeated_evidence() {
                page.field("", &canvas.style.paint(Tone::Warning, "moved without repeated evidence"));
            }
        }
        Body::Review(it) => {
            page.field("opinion", it.opinion.word());
            page.field("because", &harmless(&it.because));
            if let Some(commit) = &it.commit {
                page.field("reviewed at", commit.as_str());
            }
        }
        Body::Look(it) => {
            page.field("against", &harmless(&it.baseline_name));
            page.field("trials", &format!("{} of {} planned", it.trials, it.planned));
            page.field("said", it.outcome.word());
        }
        Body::Idea(_)
        | Body::Rating(_)
        | Body::Override(_)
        | Body::Smoke(_)
        | Body::Withdrawal(_)
        | Body::Issue(_) => {
            for (name, value) in details(&entry.body) {
                page.field(&name.replace('_', " "), &harmless(&value));
            }
        }
        Body::Reproduction(it) => reproduction::fields(page, it, canvas),
        Body::Unreadable { problem, .. } => {
            page.field("problem", &canvas.style.paint(Tone::Bad, &harmless(problem)));
        }
        Body::Run(_) => {}
    }
}

/// What an idea, a rating, an override, a smoke test or a withdrawal says: name, then value, a line each.
fn details(body: &Body) -> Vec<(&'static str, String)> {
    fn optional(name: &'static str, value: Option<&str>) -> Option<(&'static str, String)> {
        value.map(|value| (name, value.to_owned()))
    }
    match body {
        Body::Idea(it) => {
            let mut details = vec![("number", it.number.to_string()), ("title", it.title.clone())];
            details.extend(optional("hypothesis", it.hypothesis.as_deref()));
            details.extend(optional("mechanism", it.mechanism.as_deref()));
            details.extend(it.sources.iter().map(|source| ("source", source.clone())));
            details.extend(it.effect.as_ref().map(|effect| ("effect", effect.to_string())));
            details.extend(it.cost_seconds.map(|seconds| ("cost", time::elapsed(seconds))));
            details.extend(optional("dropped", it.dropped.as_deref()));
            details
        }
        Body::Rating(it) => {
            let mut details = vec![("idea", it.idea.short()), ("score", it.score.to_string())];
            details.extend(optional("critique", it.critique.as_deref()));
            details
        }
        Body::Override(it) => {
            let mut details = vec![("rule", it.rule.clone())];
            details.extend(it.paths.iter().map(|path| ("path", path.clone())));
            details.extend(it.commit.iter().map(|commit| ("commit", commit.to_string())));
            details.push(("because", it.because.clone()));
            details
        }
        Body::Smoke(it) => {
            let mut details = vec![
                ("result", if it.passed { "passed" } else { "failed" }.to_owned()),
                ("command", it.command.join(" ")),
                ("commit", it.commit.to_string()),
                ("took", time::elapsed(it.wall_seconds)),
            ];
            details.extend(optional("reason", it.reason.as_deref()));
            details
        }
        Body::Withdrawal(it) => {
            let about = |one: &Withdrawn| match &one.experiment {
                Some(experiment) => format!("{} {} of {experiment}", one.kind, one.entry),
                None => format!("{} {}", one.kind, one.entry),
            };
            let mut details: Vec<_> = it.entries.iter().map(|one| ("withdraws", about(one))).collect();
            details.push(("results", it.results.word().to_owned()));
            details.push(("bytes", it.gone_in_words()));
            details.push(("because", it.because.clone()));
            details
        }
        Body::Issue(it) => {
            let mut details = vec![("act", it.act.word().to_owned())];
            details.extend(optional("post", it.post.map(crate::domain::issue::Post::word)));
            details.extend(optional("about", it.about.as_deref()));
            details.push(("repository", it.repository.clone()));
            details.extend(it.number.map(|number| ("number", number.to_string())));
            details.extend(optional("url", it.url.as_deref()));
            details
        }
        _ => Vec::new(),
    }
}

/// The same for scripts: numbers as numbers, whole IDs, and what can be several as a list.
fn details_json(body: &Body) -> BTreeMap<&'static str, serde_json::Value> {
    let mut fields = BTreeMap::new();
    match body {
        Body::Idea(it) => {
            fields.insert("number", json!(it.number));
            fields.insert("title", json!(it.title));
            fields.insert("hypothesis", json!(it.hypothesis));
            fields.insert("mechanism", json!(it.mechanism));
            fields.insert("sources", json!(it.sources));
            fields.insert("effect", json!(it.effect.as_ref().map(ToString::to_string)));
            fields.insert("cost_seconds", json!(it.cost_seconds));
            fields.insert("dropped", json!(it.dropped));
        }
        Body::Rating(it) => {
            fields.insert("idea", json!(it.idea.to_hex()));
            fields.insert("score", json!(it.score));
            fields.insert("critique", json!(it.critique));
        }
        Body::Override(it) => {
            fields.insert("rule", json!(it.rule));
            fields.insert("paths", json!(it.paths));
            fields.insert("commit", json!(it.commit.as_ref().map(ObjectName::as_str)));
            fields.insert("because", json!(it.because));
        }
        Body::Smoke(it) => {
            fields.insert("passed", json!(it.passed));
            fields.insert("command", json!(it.command));
            fields.insert("commit", json!(it.commit.as_str()));
            fields.insert("tree", json!(it.tree.as_str()));
            fields.insert("exit", json!(it.exit));
            fields.insert("wall_seconds", json!(it.wall_seconds));
            fields.insert("reason", json!(it.reason));
        }
        Body::Withdrawal(it) => {
            let about = |one: &Withdrawn| {
                let experiment = one.experiment.as_ref().map(ToString::to_string);
                json!({"entry": one.entry.to_hex(), "kind": one.kind, "experiment": experiment})
            };
            let dropped = |one: &Dropped| json!({"name": one.name, "was": one.was.as_str()});
            fields.insert("withdraws", it.entries.iter().map(about).collect());
            fields.insert("results", json!(it.results.word()));
            fields.insert("gone", it.gone.iter().map(|part| json!(part.word())).collect());
            fields.insert("because", json!(it.because));
            fields.insert("refs", it.refs.iter().map(dropped).collect());
        }
        Body::Issue(it) => {
            fields.insert("act", json!(it.act.word()));
            fields.insert("post", json!(it.post.map(crate::domain::issue::Post::word)));
            fields.insert("about", json!(it.about));
            fields.insert("repository", json!(it.repository));
            fields.insert("number", json!(it.number));
            fields.insert("comment", json!(it.comment));
            fields.insert("url", json!(it.url));
        }
        _ => {}
    }
    fields.retain(|_, value| !value.is_null());
    fields
}

fn evidence(page: &mut Page, evidence: Option<&Evidence>) {
    let Some(evidence) = evidence else { return };
    page.field("evidence", &format!("{} against {}", evidence.outcome.word(), harmless(&evidence.baseline)));
    if !evidence.summary.is_empty() {
        page.field("", &harmless(&evidence.summary));
    }
    page.field("confidence", &harmless(&evidence.confidence));
}

/// The files of an entry as a table: length, name, hash.
pub fn files(files: &[&FileEntry], canvas: &Canvas) -> String {
    file_table(files).render(canvas.style, canvas.width)
}

fn file_table(files: &[&FileEntry]) -> Table {
    let mut table = Table::new([("", Align::Right), ("", Align::Left), ("", Align::Left)]);
    for file in files {
        let hash: String = file.blake3.chars().take(16).collect();
        table.push(vec![
            Cell::new(number::bytes(file.bytes as f64)),
            Cell::new(file.name.to_string()),
            Cell::toned(Tone::Dim, hash),
        ]);
    }
    table
}

/// What happened to a brief: a heading, and a line for its registration and for each amendment.
pub fn history(steps: &[(EntryId, Timestamp, &str)], canvas: &Canvas) -> String {
    let mut page = Page::default();
    page.heading(canvas.style, "history");
    for (id, moment, what) in steps {
        page.line(&format!(
            "  {}  {}  {what}",
            canvas.style.paint(Tone::Warning, &id.short()),
            canvas.style.paint(Tone::Dim, &time::short(*moment, &canvas.zone)),
        ));
    }
    page.text
}

/// Notes under a heading, oldest first; nothing where there are none.
pub fn notes(notes: &[NoteLine<'_>], canvas: &Canvas) -> String {
    let mut page = Page::default();
    if notes.is_empty() {
        return page.text;
    }
    page.heading(canvas.style, "notes");
    for line in notes {
        let sort = line.note.sort.map(|sort| format!("  {sort}")).unwrap_or_default();
        let source =
            line.note.source.as_ref().map(|source| format!("  ({})", harmless(source))).unwrap_or_default();
        page.line(&format!(
            "  {}  {}{sort}{source}",
            canvas.style.paint(Tone::Warning, &line.id),
            canvas.style.paint(Tone::Dim, &time::short(line.time, &canvas.zone)),
        ));
        for text in harmless_lines(&line.note.text).lines() {
            page.line(&format!("    {text}"));
        }
    }
    page.text
}

/// Finished lines under a heading, set in.
pub fn section(heading: &str, lines: &str, canvas: &Canvas) -> String {
    let mut page = Page::default();
    page.heading(canvas.style, heading);
    for line in lines.lines() {
        page.line(&format!("  {line}"));
    }
    page.text
}

/// An entry that is no run: `git-exp/entry/1`, with all it says.
#[derive(Debug, Serialize)]
pub struct EntryViewJson<'a> {
    #[serde(flatten)]
    line: EntryJson<'a>,
    by: PersonJson<'a>,
    replaces: Vec<String>,
    replaced_by: &'a [String],
    #[serde(flatten)]
    body: BodyJson<'a>,
    files: Vec<FileJson<'a>>,
}

#[derive(Debug, Serialize)]
struct PersonJson<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Debug, Serialize)]
struct FileJson<'a> {
    name: String,
    bytes: u64,
    blake3: &'a str,
}

#[derive(Debug, Default, Serialize)]
struct BodyJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brief: Option<BriefJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opinion: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    next: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trials: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(flatten)]
    details: BTreeMap<&'static str, serde_json::Value>,
}

/// A comparison as it stood when somebody decided by it.
#[derive(Debug, Serialize)]
pub struct EvidenceJson<'a> {
    baseline: &'a str,
    verdict: &'static str,
    confidence: &'a str,
    summary: &'a str,
}

impl<'a> From<&'a Evidence> for EvidenceJson<'a> {
    fn from(evidence: &'a Evidence) -> Self {
        Self {
            baseline: &evidence.baseline,
            verdict: evidence.outcome.word(),
            confidence: &evidence.confidence,
            summary: &evidence.summary,
        }
    }
}

impl EntryView<'_> {
    /// The line that the log has for it, with the whole ID.
    pub fn line(&self) -> LogLine {
        LogLine::of(self.entry, self.entry.id.to_hex(), false)
    }

    /// The view for scripts, around the `line` of the entry.
    pub fn json<'a>(&'a self, line: &'a LogLine) -> EntryViewJson<'a> {
        let entry = self.entry;
        let body = match &entry.body {
            Body::Topic(topic) => BodyJson { goal: topic.goal.as_deref(), ..BodyJson::default() },
            Body::Brief(it) => BodyJson {
                registration: it.registration.map(|id| id.to_hex()),
                from: it.from.map(|id| id.to_hex()),
                start: it.start.as_ref().map(ObjectName::as_str),
                brief: Some(BriefJson::from(&it.brief)),
                ..BodyJson::default()
            },
            Body::Note(note) => BodyJson {
                text: Some(&note.text),
                sort: note.sort.map(NoteSort::word),
                source: note.source.as_deref(),
                ..BodyJson::default()
            },
            Body::Decision(it) => BodyJson {
                registration: Some(it.registration.to_hex()),
                decision: Some(it.decision.word()),
                because: Some(&it.because),
                against: it.against(),
                next: &it.next,
                evidence: it.evidence.as_ref().map(EvidenceJson::from),
                ..BodyJson::default()
            },
            Body::Baseline(it) => BodyJson {
                baseline: Some(&it.name),
                from: it.from.clone(),
                to: Some(&it.to),
                commit: it.commit.as_deref(),
                because: Some(&it.because),
                evidence: it.evidence.as_ref().map(EvidenceJson::from),
                ..BodyJson::default()
            },
            Body::Review(it) => BodyJson {
                registration: Some(it.registration.to_hex()),
                opinion: Some(it.opinion.word()),
                because: Some(&it.because),
                commit: it.commit.as_ref().map(ObjectName::as_str),
                ..BodyJson::default()
            },
            Body::Look(it) => BodyJson {
                registration: Some(it.registration.to_hex()),
                baseline: Some(&it.baseline_name),
                trials: Some(it.trials),
                planned: Some(it.planned),
                verdict: Some(it.outcome.word()),
                ..BodyJson::default()
            },
            Body::Unreadable { problem, .. } => BodyJson { problem: Some(problem), ..BodyJson::default() },
            Body::Reproduction(it) => BodyJson { details: reproduction::details(it), ..BodyJson::default() },
            Body::Idea(_)
            | Body::Rating(_)
            | Body::Override(_)
            | Body::Smoke(_)
            | Body::Withdrawal(_)
            | Body::Issue(_) => BodyJson { details: details_json(&entry.body), ..BodyJson::default() },
            Body::Run(_) => BodyJson::default(),
        };
        EntryViewJson {
            line: EntryJson::from(line),
            by: PersonJson { name: &entry.by.name, email: &entry.by.email },
            replaces: entry.replaces.iter().map(EntryId::to_hex).collect(),
            replaced_by: &self.replaced_by,
            body,
            files: entry
                .files
                .iter()
                .flat_map(|list| &list.files)
                .map(|file| FileJson { name: file.name.to_string(), bytes: file.bytes, blake3: &file.blake3 })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::brief::Brief;
    use crate::domain::bytes::OsBytes;
    use crate::domain::entry::{FileList, Identity, Registration};
    use crate::domain::id::Nonce;
    use crate::render::json;
    use crate::render::run::tests::canvas;

    fn entry(body: Body) -> Entry {
        Entry {
            id: EntryId([0xc0; 32]),
            writer: "0f0e0d0c".parse().expect("the name is right"),
            nonce: Nonce([9; 16]),
            time: "2026-11-21T11:10:05Z".parse().expect("the time is right"),
            by: Identity { name: "Ada".to_owned(), email: "ada@example.org".to_owned() },
            replaces: Vec::new(),
            answers: None,
            files: None,
            body,
        }
    }

    fn note() -> Note {
        Note {
            experiment: "A-001".parse().ok(),
            registration: None,
            topic: None,
            sort: Some(NoteSort::Claim),
            source: Some("the paper".to_owned()),
            text: "one line\nand \u{1b}another".to_owned(),
        }
    }

    fn view(entry: &Entry) -> EntryView<'_> {
        EntryView { entry, short: entry.id.short(), replaced_by: Vec::new() }
    }

    #[test]
    fn a_note_keeps_its_lines() {
        let mut entry = entry(Body::Note(note()));
        entry.files = Some(FileList {
            tree: "b1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".parse().expect("the name is right"),
            files: vec![FileEntry { name: OsBytes::from("plot.svg"), bytes: 2048, blake3: "ab".repeat(32) }],
        });
        assert_snapshot!(page(&view(&entry), &canvas()), @"
        note c0c0c0c0  A-001  2 days ago
          by           Ada <ada@example.org>
          written      2026-11-21 13:10:05 +02:00
          recorded by  0f0e0d0c
          sort         claim
          source       the paper

          one line
          and ␛another

        files
          2 KiB  plot.svg  abababababababab
        ");
    }

    #[test]
    fn an_amendment_says_what_it_amends() {
        let mut entry = entry(Body::Brief(Registration {
            experiment: "A-001".parse().expect("the ID is right"),
            registration: Some(EntryId([1; 32])),
            topic: None,
            idea: None,
            from: None,
            start: None,
            brief: Brief { hypothesis: Some("It is faster".to_owned()), ..Brief::default() },
        }));
        entry.replaces = vec![EntryId([1; 32])];
        assert_snapshot!(page(&view(&entry), &canvas()), @"
        brief c0c0c0c0  A-001  2 days ago
          by           Ada <ada@example.org>
          written      2026-11-21 13:10:05 +02:00
          recorded by  0f0e0d0c
          replaces     01010101
          amends       01010101

        brief
          hypothesis   It is faster
          trials       5
        ");
        let view = view(&entry);
        let line = view.line();
        assert_snapshot!(json::line(&view.json(&line)), @r#"{"schema":"git-exp/entry/1","entry":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","kind":"brief","time":"2026-11-21T11:10:05Z","writer":"0f0e0d0c","experiment":"A-001","topic":null,"subject":"amended: It is faster","withdrawn":false,"by":{"name":"Ada","email":"ada@example.org"},"replaces":["0101010101010101010101010101010101010101010101010101010101010101"],"replaced_by":[],"registration":"0101010101010101010101010101010101010101010101010101010101010101","brief":{"hypothesis":"It is faster","change":null,"baseline":null,"accept":[],"guard":[],"no_guard":null,"trials":5,"budget":{"wall_seconds":null,"accelerator_seconds":null,"runs":null},"owner":null,"notes":null,"dataset":null,"paths":[]},"files":[]}"#);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let mut entry = entry(Body::Unreadable { kind: None, problem: "it is no JSON".to_owned() });
        entry.by = Identity::default();
        assert_snapshot!(page(&view(&entry), &canvas()), @"
        unreadable c0c0c0c0  2 days ago
          written      2026-11-21 13:10:05 +02:00
          recorded by  0f0e0d0c
          problem      it is no JSON
        ");
    }

    #[test]
    fn notes_are_listed_under_a_heading() {
        let note = note();
        let time = "2026-11-21T11:10:05Z".parse().expect("the time is right");
        let line = NoteLine { id: "c0c0c0c0".to_owned(), time, note: &note };
        assert_snapshot!(notes(&[line], &canvas()).trim_start(), @"
        notes
          c0c0c0c0  2026-11-21 13:10  claim  (the paper)
            one line
            and ␛another
        ");
        assert_eq!(notes(&[], &canvas()), "");
    }
}
