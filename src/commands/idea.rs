//! `git exp idea`
#![expect(clippy::disallowed_methods, reason = "reads the papers that are stored with an idea")]

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Answer, new, recording, redaction, selection, tried};
use crate::context::Context;
use crate::domain::bytes::OsBytes;
use crate::domain::entry::{Body, FileEntry};
use crate::domain::id::{EntryId, TopicName};
use crate::domain::idea::{Effect, Idea, Rating};
use crate::domain::idea_ranking::{nearest_idea, past_for, ranked, weighed};
use crate::domain::policy::is_same_person;
use crate::domain::quantity::parse_duration;
use crate::domain::state::{IdeaState, State};
use crate::domain::tried::Past;
use crate::error::Error;
use crate::log::index::Index;
use crate::log::{Lock, NewFile};
use crate::render::idea::{IdeaJson, IdeaView, order, page, table};
use crate::render::number;
use crate::render::text::{command_line, harmless};

/// The folder of an entry in which papers are stored.
const PAPERS: &str = "papers";
/// How many ideas `next` shows where nothing is said.
const NEXT: usize = 3;

/// Keep a backlog of what might be worth an experiment, and pick the next
///
/// An idea says what is believed, why it would hold and where that comes from; others rate and criticise it. `next` orders the open
/// ones by rating, expected effect, cost, and how new each is against all that was tried, failures included.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp idea add 'prefetch batches' --hypothesis 'the loader is the bottleneck' --effect 'step_time -8%' --cost 2h \\
      --source https://example.org/loaders --file loaders.txt
  git exp idea rate 3 4 --critique 'only where the disk is slow'
  git exp idea next
  git exp new prefetch --idea 3
  git exp idea drop 3 --because 'the loader takes 2 % of the time'

Exit status of `next`: 0 there is an idea to try; 1 there is none.
An idea is named by its number; where two clones numbered alike, by number@writer; always by the first digits of its entry.
JSON: one git-exp/idea/1 object a line.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an idea
    Add(Add),
    /// List the open ideas
    List {
        /// Those that were dropped or tried too
        #[arg(short, long)]
        all: bool,

        /// Only the ideas of this topic
        #[arg(short, long, value_name = "TOPIC")]
        topic: Option<String>,
    },
    /// Show one idea: what it says, its ranking, its files, what others think
    Show {
        /// The idea
        idea: String,
    },
    /// Rate an idea, and say what speaks against it
    Rate {
        /// The idea
        idea: String,

        /// From 1, not worth a run, to 5, next
        #[arg(value_parser = clap::value_parser!(u8).range(1..=5))]
        score: u8,

        /// What speaks against it, or for it
        #[arg(long, value_name = "TEXT")]
        critique: Option<String>,
    },
    /// Show which ideas to try next, best first, each with the reasons
    Next {
        /// The topic; that of the branch, unless said otherwise
        #[arg(short, long, value_name = "TOPIC")]
        topic: Option<String>,

        /// How many to show at most
        #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = NEXT)]
        limit: usize,
    },
    /// Drop an idea that is not worth a run
    Drop {
        /// The idea
        idea: String,

        /// Why
        #[arg(long, value_name = "WHY")]
        because: String,
    },
    /// Amend an idea; sources and files are added to those it has
    Amend {
        /// The idea
        idea: String,

        /// What it is, in a line
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,

        #[command(flatten)]
        more: Details,
    },
}

#[derive(Args, Debug)]
struct Add {
    /// What it is, in a line
    title: String,

    #[command(flatten)]
    more: Details,
}

#[derive(Args, Debug)]
struct Details {
    /// The topic it belongs to; that of the branch, unless said otherwise
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// What you believe, in a sentence
    #[arg(long, value_name = "TEXT")]
    hypothesis: Option<String>,

    /// Why it would hold
    #[arg(long, value_name = "TEXT")]
    mechanism: Option<String>,

    /// Where it comes from: an address, a title, an entry; may be given several times
    #[arg(long = "source", value_name = "URL|TEXT")]
    sources: Vec<String>,

    /// A paper or its text, to be stored with the idea; may be given several times
    #[arg(long = "file", value_name = "PAPER")]
    files: Vec<PathBuf>,

    /// By how much a metric is expected to change, as 'step_time -8%'
    #[arg(long, value_name = "EFFECT", allow_hyphen_values = true)]
    effect: Option<String>,

    /// What trying it costs in wall-clock time, as 2h
    #[arg(long, value_name = "DURATION")]
    cost: Option<String>,
}

impl Details {
    fn is_empty(&self) -> bool {
        let texts = [&self.topic, &self.hypothesis, &self.mechanism, &self.effect, &self.cost];
        texts.iter().all(|text| text.is_none()) && self.sources.is_empty() && self.files.is_empty()
    }

    /// Puts what was given into `idea`; sources are added.
    fn apply(self, idea: &mut Idea) -> Result<(), Error> {
        idea.hypothesis = self.hypothesis.or(idea.hypothesis.take());
        idea.mechanism = self.mechanism.or(idea.mechanism.take());
        for source in self.sources {
            if !idea.sources.contains(&source) {
                idea.sources.push(source);
            }
        }
        if let Some(text) = self.effect {
            let effect = text.parse::<Effect>().map_err(|error| {
                Error::request(format!("cannot read the effect `{text}`"))
                    .because(error)
                    .hint("write it as `step_time -8%`")
            })?;
            idea.effect = Some(effect);
        }
        if let Some(text) = self.cost {
            let cost = parse_duration(&text).map_err(|error| {
                Error::request(format!("cannot read the cost `{text}`"))
                    .because(error)
                    .hint("write it as `2h` or `1h30m`")
            })?;
            idea.cost_seconds = Some(cost.as_secs_f64());
        }
        Ok(())
    }
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    match arguments.action {
        Action::Add(add) => self::add(context, &mut index, &state, add),
        Action::List { all, topic } => list(context, &state, all, topic.as_deref()),
        Action::Show { idea } => show(context, &mut index, &state, &idea),
        Action::Rate { idea, score, critique } => rate(context, &state, &idea, score, critique),
        Action::Next { topic, limit } => next(context, &state, topic.as_deref(), limit),
        Action::Drop { idea, because } => drop_it(context, &state, &idea, because),
        Action::Amend { idea, title, more } => amend(context, &state, &idea, title, more),
    }
}

fn add(context: &mut Context, index: &mut Index, state: &State, add: Add) -> Result<Answer, Error> {
    let topic = new::topic(context, state, add.more.topic.as_deref())?;
    let mut idea = Idea {
        number: state.next_idea_number(),
        first: None,
        topic: topic.map(|it| it.topic.name.clone()),
        title: add.title,
        hypothesis: None,
        mechanism: None,
        sources: Vec::new(),
        effect: None,
        cost_seconds: None,
        dropped: None,
    };
    let files = papers(context, &add.more.files)?;
    add.more.apply(&mut idea)?;
    check(context, &mut idea)?;
    let text = format!("{}\n{}", idea.title, idea.hypothesis.as_deref().unwrap_or_default());
    tried::tell_near(context, index, state, &text)?;
    let open: Vec<&IdeaState> = state.ideas.iter().filter(|it| it.is_open()).collect();
    if let Some(near) = nearest_idea(&open, &text) {
        let title = harmless(&near.idea.title);
        context.output.say(&format!("the idea {} is near to it: {title}", near.name()));
    }
    // Two that add at once get different numbers.
    let _lock = Lock::of_numbers(context.log.folders())?;
    let mut index = context.log.index()?;
    idea.number = context.log.state(&mut index)?.next_idea_number();
    let appended = context.append(Body::Idea(idea), Vec::new(), files)?;
    tell(context, appended.entry.id, "added", appended.entry.id)
}

fn amend(
    context: &mut Context,
    state: &State,
    word: &str,
    title: Option<String>,
    more: Details,
) -> Result<Answer, Error> {
    let known = selection::idea(state, word)?;
    refuse_dropped(known)?;
    if title.is_none() && more.is_empty() {
        return Err(Error::request("nothing was amended")
            .hint(format!("git exp idea amend {} --hypothesis \"…\"", known.name())));
    }
    let mut idea = Idea { first: Some(known.first), ..known.idea.clone() };
    idea.title = title.unwrap_or(idea.title);
    if let Some(topic) = &more.topic {
        idea.topic = Some(selection::topic_name(state, topic)?.clone());
    }
    let files = papers(context, &more.files)?;
    more.apply(&mut idea)?;
    check(context, &mut idea)?;
    let appended = context.append(Body::Idea(idea), replaced(known), files)?;
    tell(context, known.first, "amended", appended.entry.id)
}

fn drop_it(context: &mut Context, state: &State, word: &str, because: String) -> Result<Answer, Error> {
    let known = selection::idea(state, word)?;
    refuse_dropped(known)?;
    refuse_tried(state, known, |experiment| format!("git exp decide {experiment} reject --because \"…\""))?;
    let mut because = because.trim().to_owned();
    if because.is_empty() {
        return Err(Error::request("cannot drop an idea without a reason").hint("--because \"…\""));
    }
    redaction::texts(context, [&mut because])?;
    let idea = Idea { first: Some(known.first), dropped: Some(because), ..known.idea.clone() };
    let appended = context.append(Body::Idea(idea), replaced(known), Vec::new())?;
    tell(context, known.first, "dropped", appended.entry.id)
}

fn rate(
    context: &mut Context,
    state: &State,
    word: &str,
    score: u8,
    mut critique: Option<String>,
) -> Result<Answer, Error> {
    let known = selection::idea(state, word)?;
    refuse_dropped(known)?;
    refuse_tried(state, known, |experiment| format!("git exp note {experiment} \"…\""))?;
    redaction::texts(context, critique.iter_mut())?;
    if is_same_person(&context.identity(), &known.by) {
        context.output.say("you added this idea: your rating is kept, and does not count in the ranking");
    }
    let rating = Rating { idea: known.first, score, critique };
    let appended = context.append(Body::Rating(rating), Vec::new(), Vec::new())?;
    tell(context, known.first, "rated", appended.entry.id)
}

fn list(context: &mut Context, state: &State, all: bool, topic: Option<&str>) -> Result<Answer, Error> {
    let topic = topic.map(|word| selection::topic_name(state, word)).transpose()?;
    let is_here = |it: &&IdeaState| topic.is_none() || it.idea.topic.as_ref() == topic;
    let mut chosen: Vec<&IdeaState> = state.ideas.iter().filter(is_here).collect();
    chosen.sort_by_key(|it| (it.idea.number, it.time, it.first));
    let shown: Vec<&IdeaState> = chosen.iter().copied().filter(|it| all || it.is_open()).collect();
    let past = past_for(state, &shown);
    let views: Vec<IdeaView<'_>> = shown.iter().map(|it| view(state, it, &past)).collect();
    let left_out = chosen.len() - views.len();
    print(context, &views, table)?;
    if views.is_empty() {
        let open = if all { "" } else { "open " };
        let of = topic.map_or_else(String::new, |topic| format!(" of the topic {topic}"));
        context.output.say(&format!("no {open}ideas{of}"));
    }
    if left_out > 0 {
        let ideas = if left_out == 1 { "1 idea" } else { &format!("{left_out} ideas") };
        let are = if left_out == 1 { "is" } else { "are" };
        context.output.say(&format!("{ideas} dropped or tried {are} not shown; `--all` shows them too"));
    } else if views.is_empty() {
        context.output.hint("git exp idea add \"…\" --hypothesis \"…\"");
    }
    Ok(Answer::Yes)
}

fn show(context: &mut Context, index: &mut Index, state: &State, word: &str) -> Result<Answer, Error> {
    let known = selection::idea(state, word)?;
    let past = past_for(state, &[known]);
    let files = files_of(context, index, known)?;
    let view = IdeaView { files, ..view(state, known, &past) };
    print(context, &[view], |views, canvas| page(&views[0], canvas))?;
    Ok(Answer::Yes)
}

fn next(context: &mut Context, state: &State, topic: Option<&str>, limit: usize) -> Result<Answer, Error> {
    let topic = new::topic(context, state, topic)?.map(|it| &it.topic.name);
    let is_here = |it: &&IdeaState| topic.is_none() || it.idea.topic.as_ref() == topic;
    let is_of_closed = |it: &&IdeaState| {
        let topic = it.idea.topic.as_ref().and_then(|name| state.topics.get(name));
        topic.is_some_and(|topic| topic.topic.closing.is_some())
    };
    let open: Vec<&IdeaState> =
        state.ideas.iter().filter(|it| it.is_open() && !is_of_closed(it)).filter(is_here).collect();
    let past = past_for(state, &open);
    let best: Vec<IdeaView<'_>> = ranked(open, &past)
        .into_iter()
        .take(limit.max(1))
        .map(|ranked| IdeaView { experiments: Vec::new(), files: Vec::new(), ranked })
        .collect();
    let Some(first) = best.first() else {
        let of = topic.map_or_else(String::new, |topic| format!(" of the topic {topic}"));
        context.output.say(&format!("there is no open idea{of}: think before you run"));
        context.output.hint(&add_command(topic));
        return Ok(Answer::No);
    };
    let name = first.ranked.idea.name();
    print(context, &best, order)?;
    if !context.output.json {
        context.output.hint(&format!("git exp new <short-name> --idea {name}"));
    }
    Ok(Answer::Yes)
}

/// The command that adds an idea to a topic.
pub fn add_command(topic: Option<&TopicName>) -> String {
    let topic = topic.map(|topic| format!(" --topic {topic}")).unwrap_or_default();
    format!("git exp idea add \"…\"{topic} --hypothesis \"…\" --source \"…\"")
}

/// Takes secrets out of an idea, and refuses one that does not say what it is.
fn check(context: &Context, idea: &mut Idea) -> Result<(), Error> {
    idea.title = idea.title.trim().to_owned();
    if idea.title.is_empty() {
        return Err(Error::request("cannot keep an idea without a title")
            .hint("git exp idea add 'prefetch batches' --hypothesis \"…\""));
    }
    let texts = std::iter::once(&mut idea.title)
        .chain(idea.hypothesis.as_mut())
        .chain(idea.mechanism.as_mut())
        .chain(&mut idea.sources);
    redaction::texts(context, texts)
}

/// What an amendment takes the place of: what is in force, and what claims to be.
fn replaced(idea: &IdeaState) -> Vec<EntryId> {
    std::iter::once(idea.entry).chain(idea.conflicts.iter().copied()).collect()
}

/// Refuses an idea that was dropped.
pub fn refuse_dropped(idea: &IdeaState) -> Result<(), Error> {
    let Some(because) = &idea.idea.dropped else { return Ok(()) };
    let because = harmless(because);
    Err(Error::request(format!("the idea {} was dropped", idea.name()))
        .because(because)
        .hint("where that no longer holds, add it anew: git exp idea add \"…\" --hypothesis \"…\""))
}

fn refuse_tried(state: &State, idea: &IdeaState, hint: impl Fn(&str) -> String) -> Result<(), Error> {
    let experiments = names_of_experiments(state, idea);
    let Some(newest) = experiments.last() else { return Ok(()) };
    let tried = format!("the idea {} is tried already, by {}", idea.name(), experiments.join(", "));
    Err(Error::request(tried).hint(hint(newest)))
}

/// The names of the experiments that try an idea.
pub fn names_of_experiments(state: &State, idea: &IdeaState) -> Vec<String> {
    let is_one = |entry: EntryId| idea.experiments.contains(&entry);
    let experiments = state.experiments.iter();
    let experiments = experiments.filter(|it| it.registered.as_ref().is_some_and(|it| is_one(it.entry)));
    experiments.map(crate::domain::state::ExperimentState::name).collect()
}

/// The papers, to be stored; secrets are taken out of them as of all that is stored.
fn papers(context: &Context, paths: &[PathBuf]) -> Result<Vec<NewFile>, Error> {
    let settings = context.settings_for(None, &context.repo.clone())?;
    let redactor = recording::redactor(&settings)?;
    let mut files: Vec<NewFile> = Vec::new();
    for path in paths {
        let refuse = |why: String| {
            Error::request(format!("cannot store `{}`", path.display()))
                .because(why)
                .hint("name a file, or where it can be found with `--source`")
        };
        let whole = context.directory.join(path);
        let metadata = std::fs::metadata(&whole).map_err(|error| refuse(error.to_string()))?;
        if !metadata.is_file() {
            return Err(refuse("it is no file".to_owned()));
        }
        let length = metadata.len();
        let limit = settings.capture.max_artifact;
        if length > limit {
            let (length, limit) = (number::bytes(length as f64), number::bytes(limit as f64));
            return Err(refuse(format!("it has {length}, and `max-artifact` is {limit}")));
        }
        let bytes = std::fs::read(&whole).map_err(|error| refuse(error.to_string()))?;
        let shown = path.to_string_lossy();
        if redactor.is_private_path(shown.as_bytes()) || redactor.holds_private_text(&bytes) {
            return Err(refuse("`[capture]` in `exp.toml` calls it private".to_owned()));
        }
        let bytes = redaction::bytes(context, &bytes)?;
        let name = path.file_name().ok_or_else(|| refuse("it has no name".to_owned()))?;
        let name = free_name(&files, &name.to_string_lossy());
        files.push(NewFile { name, bytes });
    }
    Ok(files)
}

/// Where a paper is stored: under its own name, with a number where another has it; no name means something to Git.
fn free_name(taken: &[NewFile], name: &str) -> OsBytes {
    let name = name.trim_start_matches('.');
    let name = if name.is_empty() { "paper" } else { name };
    let stem = Path::new(name).file_stem().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let extension = Path::new(name).extension();
    let extension = extension.map(|it| format!(".{}", it.to_string_lossy())).unwrap_or_default();
    let names = (1..).map(|number| match number {
        1 => format!("{PAPERS}/{name}"),
        number => format!("{PAPERS}/{stem}-{number}{extension}"),
    });
    let is_free = |name: &String| taken.iter().all(|file| file.name.0 != name.as_bytes());
    names.into_iter().find(is_free).expect("numbers do not end").as_str().into()
}

/// The files that were stored with an idea and its amendments, oldest first.
fn files_of(
    context: &Context,
    index: &mut Index,
    idea: &IdeaState,
) -> Result<Vec<(EntryId, FileEntry)>, Error> {
    let rows = context.log.rows_of(index, |kind| kind == "idea")?;
    let entries = context.log.entries(index, &rows)?;
    let is_its = |entry: &crate::domain::entry::Entry| match &entry.body {
        Body::Idea(it) => it.first.unwrap_or(entry.id) == idea.first,
        _ => false,
    };
    let its = entries.into_iter().filter(is_its);
    Ok(its
        .flat_map(|entry| {
            let files = entry.files.map(|list| list.files).unwrap_or_default();
            files.into_iter().map(move |file| (entry.id, file))
        })
        .collect())
}

fn view<'a>(state: &State, idea: &'a IdeaState, past: &Past<'a>) -> IdeaView<'a> {
    let experiments = names_of_experiments(state, idea);
    IdeaView { ranked: weighed(idea, past), experiments, files: Vec::new() }
}

fn print<'a>(
    context: &mut Context,
    views: &'a [IdeaView<'a>],
    draw: impl Fn(&[IdeaView<'a>], &crate::render::Canvas) -> String,
) -> Result<(), Error> {
    if context.output.json {
        for view in views {
            context.output.object(&IdeaJson::from(view))?;
        }
        return Ok(());
    }
    if views.is_empty() {
        return Ok(());
    }
    let text = draw(views, &context.canvas());
    context.output.text(&text)
}

/// Says what was done to an idea, as the log now has it.
fn tell(context: &mut Context, first: EntryId, done: &str, entry: EntryId) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let Some(idea) = state.ideas.iter().find(|it| it.first == first) else {
        return Err(Error::outside("the idea cannot be read back").hint("git exp fsck"));
    };
    if context.output.json {
        let past = past_for(&state, &[idea]);
        let files = files_of(context, &mut index, idea)?;
        let view = IdeaView { files, ..view(&state, idea, &past) };
        context.output.object(&IdeaJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let name = idea.name();
    context.output.line(&format!("{done} idea {name} ({})", entry.short()))?;
    if done == "added" {
        let word = command_line(&[name]);
        context
            .output
            .hint(&format!("somebody else rates it: git exp idea rate {word} <1-5> --critique \"…\""));
    }
    Ok(Answer::Yes)
}
