//! Ideas: one on a page, as a list, in the order in which to try them, and as JSON.

use serde::Serialize;

use super::json::Number;
use super::table::{Align, Cell, Table};
use super::text::{harmless, harmless_lines};
use super::tried::{likeness, name as name_of_tried};
use super::{Canvas, Page, Tone, number, time};
use crate::domain::entry::FileEntry;
use crate::domain::id::{EntryId, TopicName};
use crate::domain::idea_ranking::{Ranked, counted};
use crate::domain::state::IdeaState;

/// An idea with what the log knows around it.
#[derive(Clone, Debug)]
pub struct IdeaView<'a> {
    /// The idea with what it is ranked by.
    pub ranked: Ranked<'a>,
    /// The names of the experiments that try it.
    pub experiments: Vec<String>,
    /// The files stored with it: entry, then file; empty where nobody looked.
    pub files: Vec<(EntryId, FileEntry)>,
}

impl IdeaView<'_> {
    fn state(&self) -> &'static str {
        let idea = self.ranked.idea;
        match (&idea.idea.dropped, idea.is_open()) {
            (Some(_), _) => "dropped",
            (None, true) => "open",
            (None, false) => "tried",
        }
    }

    fn tone(&self) -> Tone {
        match self.state() {
            "open" => Tone::Plain,
            _ => Tone::Dim,
        }
    }

    fn state_in_words(&self) -> String {
        match self.experiments.is_empty() {
            true => self.state().to_owned(),
            false => format!("{} by {}", self.state(), self.experiments.join(", ")),
        }
    }

    fn rating(&self) -> Option<String> {
        let count = counted(&self.ranked.idea.by, &self.ranked.idea.ratings).len();
        self.ranked.merits.rating.map(|rating| format!("{rating:.1} ({count})"))
    }
}

/// The ideas as a table, in the order in which they are given.
pub fn table(views: &[IdeaView<'_>], canvas: &Canvas) -> String {
    let mut table = Table::new([
        ("idea", Align::Left),
        ("topic", Align::Left),
        ("title", Align::Left),
        ("rating", Align::Left),
        ("effect", Align::Left),
        ("cost", Align::Left),
        ("novelty", Align::Right),
        ("state", Align::Left),
        ("age", Align::Left),
    ]);
    let dash = || Cell::new("-");
    for view in views {
        let it = view.ranked.idea;
        table.push(vec![
            Cell::toned(Tone::Strong, it.name()),
            it.idea.topic.as_ref().map_or_else(dash, |topic| Cell::new(topic.as_str())),
            Cell::new(&it.idea.title),
            view.rating().map_or_else(dash, Cell::new),
            it.idea.effect.as_ref().map_or_else(dash, |effect| Cell::new(effect.to_string())),
            it.idea.cost_seconds.map_or_else(dash, |seconds| Cell::new(time::elapsed(seconds))),
            Cell::new(likeness(view.ranked.merits.novelty)),
            Cell::toned(view.tone(), view.state_in_words()),
            Cell::new(time::age(it.time, canvas.now)),
        ]);
    }
    table.render(canvas.style, canvas.width)
}

/// The ideas in the order in which to try them, each with its reasons in a line.
pub fn order(views: &[IdeaView<'_>], canvas: &Canvas) -> String {
    let mut page = Page::default();
    for (place, view) in (1..).zip(views) {
        let it = view.ranked.idea;
        let heading = format!("idea {}: {}", it.name(), harmless(&it.idea.title));
        let score = likeness(view.ranked.score);
        page.line(&format!("{place}. {}  {score}", canvas.style.paint(Tone::Strong, &heading)));
        page.line(&format!("   {}", reasons(&view.ranked)));
    }
    page.text
}

/// What an idea is ranked by, in a line.
fn reasons(ranked: &Ranked<'_>) -> String {
    let idea = &ranked.idea.idea;
    let count = counted(&ranked.idea.by, &ranked.idea.ratings).len();
    let rating = match ranked.merits.rating {
        Some(rating) => format!("rated {rating:.1} of 5 by {count}"),
        None => "not rated by others".to_owned(),
    };
    let effect = idea.effect.as_ref();
    let effect = effect.map_or_else(|| "no effect stated".to_owned(), |it| format!("expects {it}"));
    let cost = idea.cost_seconds;
    let cost = cost.map_or_else(|| "no cost stated".to_owned(), |it| format!("costs {}", time::elapsed(it)));
    format!("{rating}; {}; {cost}; {}", harmless(&effect), novelty(ranked))
}

fn novelty(ranked: &Ranked<'_>) -> String {
    match &ranked.nearest {
        Some(near) => format!(
            "novelty {}, nearest is {} ({})",
            likeness(ranked.merits.novelty),
            harmless(&name_of_tried(&near.tried.subject)),
            near.tried.outcome.word()
        ),
        None => format!("novelty {}, nothing like it was tried", likeness(ranked.merits.novelty)),
    }
}

/// Everything about one idea.
pub fn page(view: &IdeaView<'_>, canvas: &Canvas) -> String {
    let it = view.ranked.idea;
    let idea = &it.idea;
    let mut page = Page::default();
    let heading = format!("idea {}: {}", it.name(), harmless(&idea.title));
    page.line(&format!(
        "{}  {}",
        canvas.style.paint(Tone::Strong, &heading),
        harmless(&view.state_in_words())
    ));
    let mut field = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            page.field(name, &harmless(value));
        }
    };
    field("dropped", idea.dropped.as_deref());
    field("topic", idea.topic.as_ref().map(TopicName::as_str));
    field("hypothesis", idea.hypothesis.as_deref());
    field("mechanism", idea.mechanism.as_deref());
    for (place, source) in idea.sources.iter().enumerate() {
        field(if place == 0 { "sources" } else { "" }, Some(source));
    }
    field("effect", idea.effect.as_ref().map(ToString::to_string).as_deref());
    field("cost", idea.cost_seconds.map(time::elapsed).as_deref());
    page.field("ranking", &format!("{}: {}", likeness(view.ranked.score), reasons(&view.ranked)));
    let age = time::age(it.time, canvas.now);
    page.field(
        "added",
        &format!("{} ({age}) by {}", time::short(it.time, &canvas.zone), harmless(&it.by.name)),
    );
    for conflict in &it.conflicts {
        let text = format!("{} amends it too", conflict.short());
        page.field("conflict", &canvas.style.paint(Tone::Bad, &text));
    }
    for (place, (entry, file)) in view.files.iter().enumerate() {
        let name = file.name.to_string();
        let bytes = number::bytes(file.bytes as f64);
        let text = format!("{} ({bytes}): git exp show {} --file", name, entry.short());
        page.field(
            if place == 0 { "files" } else { "" },
            &format!("{} {}", harmless(&text), super::text::command_line(&[name])),
        );
    }
    if !it.ratings.is_empty() {
        page.heading(canvas.style, "ratings");
        let counted = counted(&it.by, &it.ratings);
        for rating in &it.ratings {
            let counts = counted.iter().any(|it| it.entry == rating.entry);
            let counts = if counts { "" } else { "  (does not count)" };
            page.line(&format!(
                "  {}  {}  {} of 5 by {}{counts}",
                canvas.style.paint(Tone::Warning, &rating.entry.short()),
                canvas.style.paint(Tone::Dim, &time::short(rating.time, &canvas.zone)),
                rating.rating.score,
                harmless(&rating.by.name),
            ));
            for line in harmless_lines(rating.rating.critique.as_deref().unwrap_or_default()).lines() {
                page.line(&format!("    {line}"));
            }
        }
    }
    page.text
}

/// An idea: `git-exp/idea/1`.
#[derive(Debug, Serialize)]
pub struct IdeaJson<'a> {
    schema: &'static str,
    idea: String,
    number: u32,
    entry: String,
    current: String,
    topic: Option<&'a str>,
    title: &'a str,
    state: &'static str,
    hypothesis: Option<&'a str>,
    mechanism: Option<&'a str>,
    sources: &'a [String],
    effect: Option<String>,
    cost_seconds: Option<Number>,
    dropped: Option<&'a str>,
    experiments: &'a [String],
    rating: Option<Number>,
    novelty: Number,
    nearest: Option<NearestJson>,
    score: Number,
    ratings: Vec<RatingJson<'a>>,
    files: Vec<FileJson>,
    by: PersonJson<'a>,
    time: String,
    writer: &'a str,
    conflicts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct NearestJson {
    name: String,
    outcome: &'static str,
    likeness: Number,
}

#[derive(Debug, Serialize)]
struct RatingJson<'a> {
    entry: String,
    score: u8,
    critique: Option<&'a str>,
    by: PersonJson<'a>,
    time: String,
    counts: bool,
}

#[derive(Debug, Serialize)]
struct PersonJson<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Debug, Serialize)]
struct FileJson {
    entry: String,
    name: String,
    bytes: u64,
}

impl<'a> From<&'a IdeaView<'a>> for IdeaJson<'a> {
    fn from(view: &'a IdeaView<'a>) -> Self {
        let it: &'a IdeaState = view.ranked.idea;
        let idea = &it.idea;
        let counted = counted(&it.by, &it.ratings);
        Self {
            schema: "git-exp/idea/1",
            idea: it.name(),
            number: idea.number,
            entry: it.first.to_hex(),
            current: it.entry.to_hex(),
            topic: idea.topic.as_ref().map(TopicName::as_str),
            title: &idea.title,
            state: view.state(),
            hypothesis: idea.hypothesis.as_deref(),
            mechanism: idea.mechanism.as_deref(),
            sources: &idea.sources,
            effect: idea.effect.as_ref().map(ToString::to_string),
            cost_seconds: idea.cost_seconds.map(Number),
            dropped: idea.dropped.as_deref(),
            experiments: &view.experiments,
            rating: view.ranked.merits.rating.map(Number),
            novelty: Number(view.ranked.merits.novelty),
            nearest: view.ranked.nearest.as_ref().map(|near| NearestJson {
                name: near.tried.subject.name(),
                outcome: near.tried.outcome.word(),
                likeness: Number(near.likeness),
            }),
            score: Number(view.ranked.score),
            ratings: it
                .ratings
                .iter()
                .map(|rating| RatingJson {
                    entry: rating.entry.to_hex(),
                    score: rating.rating.score,
                    critique: rating.rating.critique.as_deref(),
                    by: PersonJson { name: &rating.by.name, email: &rating.by.email },
                    time: rating.time.to_string(),
                    counts: counted.iter().any(|it| it.entry == rating.entry),
                })
                .collect(),
            files: view
                .files
                .iter()
                .map(|(entry, file)| FileJson {
                    entry: entry.to_hex(),
                    name: file.name.to_string(),
                    bytes: file.bytes,
                })
                .collect(),
            by: PersonJson { name: &it.by.name, email: &it.by.email },
            time: it.time.to_string(),
            writer: it.writer.as_str(),
            conflicts: it.conflicts.iter().map(EntryId::to_hex).collect(),
        }
    }
}
