//! `git exp show`

use clap::Args;

use super::recorded::{environment, files_of, stored};
use super::runs::{ResultsWithdrawn, Which, newest_run, results_withdrawn, topic_of, topics};
use super::surroundings::Surroundings;
use super::topic::view as topic_view;
use super::{Answer, selection};
use crate::context::Context;
use crate::domain::bytes::OsBytes;
use crate::domain::entry::{Body, Entry, FileEntry, Registration};
use crate::domain::id::{EntryId, TopicName};
use crate::domain::reproduction::Target;
use crate::domain::run::Run;
use crate::domain::seal;
use crate::domain::state::{ExperimentState, ReproductionOf, State};
use crate::domain::withdrawal::find_withdrawn;
use crate::error::Error;
use crate::git::Oid;
use crate::log::index::Index;
use crate::log::index::query::{Query, select};
use crate::log::running;
use crate::render::entry::{EntryView, NoteLine};
use crate::render::json::{ExperimentJson, RunJson, TopicJson};
use crate::render::reproduction::{self, ReproducedLine};
use crate::render::run::RunView;
use crate::render::seal::SealedView;
use crate::render::text::harmless;
use crate::render::{decision, entry, experiment, run as run_page, topic};

/// How many of an experiment's runs its page lists.
const LATEST: usize = 5;

/// Show one thing whole: a run, an experiment, a topic, a seal, any entry
///
/// A word is an experiment's ID, a topic's name, a seal's tag, or the first digits of an entry's ID, at least four. Left out, it is the
/// newest run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp show                       the newest run
  git exp show A-001                 an experiment with its brief, runs and notes
  git exp show 3f2a91bc              a run, or any other entry
  git exp show sealed/A-001          a seal, and what came of repeating it
  git exp show 3f2a91bc --stdout     what it printed
  git exp show 3f2a91bc --files      what it left
  git exp show 3f2a91bc --file out/model.json > model.json")]
pub struct Arguments {
    /// An experiment, a topic, or the first digits of an entry's ID
    #[arg(value_name = "ID")]
    word: Option<String>,

    /// Print what the run wrote to its standard output, as it was stored
    #[arg(long, group = "part")]
    stdout: bool,

    /// Print what the run wrote to its standard error, as it was stored
    #[arg(long, group = "part")]
    stderr: bool,

    /// Print one stored file as it is
    #[arg(long, value_name = "NAME", group = "part")]
    file: Option<String>,

    /// List the stored files: length, name, hash
    #[arg(long, group = "part")]
    files: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let mut index = context.log.index()?;
    let state = context.log.state(&mut index)?;
    let Some(word) = &arguments.word else {
        let Some(entry) = newest_run(context, &mut index, None, Which::Any)? else {
            context.output.say("no runs yet");
            context.output.hint("git exp run -- <command>");
            return Ok(Answer::Yes);
        };
        return one(context, &mut index, &state, &entry, &arguments);
    };
    if let Some(found) = experiment_or_topic(&state, word) {
        if arguments.wants_file() {
            return Err(Error::request(format!("`{word}` is no entry, and has no files"))
                .hint(format!("`git exp runs -e {word}` lists its runs; files are kept with each")));
        }
        return match found {
            Whole::Experiment => {
                let word = word.strip_prefix("exp/").unwrap_or(word);
                let experiment = selection::experiment(&state, word)?;
                whole_experiment(context, &mut index, &state, experiment)
            }
            Whole::Topic(name) => whole_topic(context, &state, &name),
        };
    }
    if let Some(oid) =
        context.repo.read_ref(&format!("refs/tags/{}", word.strip_prefix("refs/tags/").unwrap_or(word)))?
        && !arguments.wants_file()
    {
        return whole_seal(context, &state, word.strip_prefix("refs/tags/").unwrap_or(word), oid);
    }
    let entry = match selection::entry(context, &mut index, &state, word) {
        Ok(entry) => entry,
        Err(error) => match withdrawal_of(context, &mut index, word)? {
            Some(entry) => {
                context.output.say(&format!("`{}` was withdrawn:", harmless(word)));
                entry
            }
            None => return Err(under_way(context, word)?.unwrap_or(error)),
        },
    };
    one(context, &mut index, &state, &entry, &arguments)
}

/// The withdrawal that took the entry which begins with `word`.
fn withdrawal_of(context: &Context, index: &mut Index, word: &str) -> Result<Option<Entry>, Error> {
    let withdrawals = context.log.withdrawals(index)?;
    let found = find_withdrawn(&withdrawals, word);
    Ok(found.and_then(|(_, by)| withdrawals.into_iter().map(|(entry, _)| entry).find(|it| it.id == by)))
}

/// Says what was withdrawn of an entry that is still here.
fn tell_withdrawals(context: &mut Context, index: &mut Index, entry: &Entry) -> Result<(), Error> {
    for (by, it) in context.log.withdrawals(index)? {
        if it.entries.iter().any(|one| one.entry == entry.id) {
            context.output.say(&format!(
                "withdrawn ({}; {}): {}",
                by.id.short(),
                it.gone_in_words(),
                harmless(&it.because)
            ));
        }
    }
    Ok(())
}

/// Why a run cannot be shown that has not ended, if `word` names one.
fn under_way(context: &Context, word: &str) -> Result<Option<Error>, Error> {
    let word = word.to_ascii_lowercase();
    let running = running::list(context.log.folders())?;
    let is_one = word.len() >= 4 && running.iter().any(|run| run.nonce.to_hex().starts_with(&word));
    Ok(is_one.then(|| {
        Error::request(format!("the run `{word}` has not ended yet"))
            .hint("`git exp status` shows what is under way")
    }))
}

impl Arguments {
    fn wants_file(&self) -> bool {
        self.stdout || self.stderr || self.files || self.file.is_some()
    }
}

enum Whole {
    Experiment,
    Topic(TopicName),
}

fn experiment_or_topic(state: &State, word: &str) -> Option<Whole> {
    if !state.find(word.strip_prefix("exp/").unwrap_or(word)).is_empty() {
        return Some(Whole::Experiment);
    }
    let name: TopicName = word.strip_prefix("research/").unwrap_or(word).parse().ok()?;
    state.topics.contains_key(&name).then_some(Whole::Topic(name))
}

/// Shows one entry, or one of its files.
fn one(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    entry: &Entry,
    arguments: &Arguments,
) -> Result<Answer, Error> {
    if arguments.files {
        return list_files(context, entry);
    }
    let name = match arguments {
        Arguments { stdout: true, .. } => Some("stdout"),
        Arguments { stderr: true, .. } => Some("stderr"),
        Arguments { file, .. } => file.as_deref(),
    };
    if let Some(name) = name {
        return print_file(context, entry, name);
    }
    tell_withdrawals(context, index, entry)?;
    match &entry.body {
        Body::Run(run) => whole_run(context, index, state, entry, run),
        _ => whole_entry(context, index, state, entry),
    }
}

fn list_files(context: &mut Context, entry: &Entry) -> Result<Answer, Error> {
    let files = entry.files.iter().flat_map(|list| &list.files);
    let files: Vec<&FileEntry> = files.collect();
    if context.output.json {
        for file in files {
            context.output.object(&serde_json::json!({
                "schema": "git-exp/file/1",
                "entry": entry.id.to_hex(),
                "name": file.name.to_string(),
                "bytes": file.bytes,
                "blake3": file.blake3,
            }))?;
        }
        return Ok(Answer::Yes);
    }
    if files.is_empty() {
        context.output.say(&format!("`{}` has no files", entry.id.short()));
        return Ok(Answer::Yes);
    }
    let text = entry::files(&files, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

fn print_file(context: &mut Context, entry: &Entry, name: &str) -> Result<Answer, Error> {
    let short = entry.id.short();
    let Some((list, file)) = entry.files.as_ref().and_then(|list| {
        let file = list.files.iter().find(|file| file.name == OsBytes::from(name));
        // A name that is not UTF-8 is asked for as it was shown.
        let file = file.or_else(|| list.files.iter().find(|file| file.name.to_string() == name));
        Some((list, file?))
    }) else {
        let is_stream = matches!(name, "stdout" | "stderr");
        if is_stream && matches!(entry.body, Body::Run(_)) {
            context.output.say(&format!("the run `{short}` wrote nothing to its {name}"));
            return Ok(Answer::Yes);
        }
        let error = Error::request(format!("`{short}` has no file `{name}`"));
        return Err(error.hint(format!("`git exp show {short} --files` lists them")));
    };
    let bytes = stored(context, &list.tree, &file.name)?.ok_or_else(|| {
        Error::outside(format!("the file `{name}` of `{short}` is not here"))
            .because("its data was not fetched")
            .hint("`git exp pull --data` fetches it")
    })?;
    context.output.bytes(&bytes)?;
    Ok(Answer::Yes)
}

fn whole_run(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    entry: &Entry,
    run: &Run,
) -> Result<Answer, Error> {
    let short = index.short_ids(&[entry.id])?.concat();
    let topics = topics(state);
    let environment = environment(context, entry)?;
    let view = RunView {
        topic: topic_of(run, Some(&topics)),
        writer: Some(entry.writer.as_str()),
        files: files_of(entry),
        environment: environment.as_ref(),
        withdrawn: results_withdrawn(context, index)?.remove(&entry.id),
        ..RunView::new(entry.id.to_hex(), short, run)
    };
    if context.output.json {
        context.output.object(&RunJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let text = run_page::page(&view, &context.canvas());
    context.output.text(&text)?;
    Ok(Answer::Yes)
}

/// An entry that is no run.
fn whole_entry(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    entry: &Entry,
) -> Result<Answer, Error> {
    let short = index.short_ids(&[entry.id])?.concat();
    let replaced_by = replacing(context, index, entry.id)?;
    let view = EntryView { entry, short, replaced_by };
    if context.output.json {
        let line = view.line();
        context.output.object(&view.json(&line))?;
        return Ok(Answer::Yes);
    }
    let text = entry::page(&view, &context.canvas());
    context.output.text(&text)?;
    if let Body::Brief(Registration { experiment, .. }) = &entry.body
        && let [one] = state.find(experiment.as_str()).as_slice()
    {
        context.output.hint(&format!("`git exp show {}` shows the experiment as it now stands", one.name()));
    }
    Ok(Answer::Yes)
}

/// The entries that take the place of `id`.
fn replacing(context: &Context, index: &mut Index, id: EntryId) -> Result<Vec<String>, Error> {
    let rows = context.log.rows_of(index, |kind| kind != "run")?;
    let entries = context.log.entries(index, &rows)?;
    Ok(entries.iter().filter(|it| it.replaces.contains(&id)).map(|it| it.id.to_hex()).collect())
}

fn whole_experiment(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    experiment: &ExperimentState,
) -> Result<Answer, Error> {
    let mut around = Surroundings::read(context, state)?;
    around.find_best(context, index, [experiment])?;
    let view = around.view_with_confidence(context, index, state, experiment);
    if context.output.json {
        context.output.object(&ExperimentJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let canvas = context.canvas();
    let mut text = experiment::page(&view, &canvas);
    if let Some(registered) = &experiment.registered {
        let mut history = vec![(registered.entry, registered.time, "registered")];
        history.extend(amendments(context, index, registered.entry)?);
        if history.len() > 1 {
            text.push_str(&entry::history(&history, &canvas));
        }
    }
    text.push_str(&decision::decisions(&experiment.rulings, &experiment.conflicting_rulings, &canvas));
    text.push_str(&decision::reviews(&experiment.reviews, &canvas));
    let notes: Vec<NoteLine<'_>> = experiment
        .notes
        .iter()
        .map(|(id, time, note)| NoteLine { id: id.short(), time: *time, note })
        .collect();
    text.push_str(&entry::notes(&notes, &canvas));
    let registration = experiment.registration();
    let of_it =
        |it: &&ReproductionOf| it.it.experiment == experiment.id && it.it.registration == registration;
    text.push_str(&reproduction::lines(&reproduced(state.reproductions.iter().filter(of_it)), &canvas));
    let query = Query {
        limit: Some(LATEST),
        experiment: Some((&experiment.id, experiment.registration())),
        ..Query::default()
    };
    let found = select(index, &query)?;
    let entries = context.log.entries(index, &found.rows)?;
    let latest = super::runs::lines(context, index, &entries, &[], None, &ResultsWithdrawn::new())?;
    if !latest.is_empty() {
        text.push_str(&entry::section("latest runs", &latest, &canvas));
    }
    context.output.text(&text)?;
    if found.matched > found.rows.len() {
        context.output.hint(&format!("`git exp runs -e {} --all` lists all its runs", experiment.name()));
    }
    Ok(Answer::Yes)
}

/// A seal as it says of itself that it is, and what came of repeating it.
fn whole_seal(context: &mut Context, state: &State, name: &str, oid: Oid) -> Result<Answer, Error> {
    let no_seal = |why: String| {
        Error::request(format!("the tag `{name}` is no seal")).because(why).hint("`git show` shows any tag")
    };
    let tag = context.repo.read_tag(oid)?.ok_or_else(|| no_seal("it is not annotated".to_owned()))?;
    let tree = context.repo.read_commit(tag.target)?.tree;
    let path = format!("{}/{}", seal::FOLDER, seal::MANIFEST);
    let bytes = context.repo.read_path(tree, path.as_bytes())?;
    let bytes = bytes.ok_or_else(|| no_seal(format!("there is no `{path}` in it")))?;
    let manifest = seal::Manifest::read(&bytes).map_err(no_seal)?;
    let digest = seal::digest(&bytes);
    // A tag that was moved is another seal under the same name.
    let of_it = |it: &Target| matches!(it, Target::Seal { manifest, .. } if *manifest == digest);
    let repeated: Vec<ReproducedLine<'_>> =
        reproduced(state.reproductions.iter().filter(|it| of_it(&it.it.target)));
    let view = SealedView {
        tag: name,
        object: oid.to_hex(),
        commit: tag.target.to_hex(),
        is_signed: tag.is_signed,
        digest: &digest,
        manifest: &manifest,
        repeated: &repeated,
    };
    if context.output.json {
        context.output.object(&view.json())?;
        return Ok(Answer::Yes);
    }
    let text = view.page(&context.canvas());
    context.output.text(&text)?;
    context.output.hint(&format!("`git exp verify {name}` proves it; `git exp repro {name}` repeats it"));
    Ok(Answer::Yes)
}

fn reproduced<'a>(all: impl Iterator<Item = &'a ReproductionOf>) -> Vec<ReproducedLine<'a>> {
    all.map(|it| ReproducedLine { entry: it.entry, time: it.time, by: &it.by.name, it: &it.it }).collect()
}

/// The amendments of the brief that `registration` registered, oldest first.
fn amendments(
    context: &Context,
    index: &mut Index,
    registration: EntryId,
) -> Result<Vec<(EntryId, jiff::Timestamp, &'static str)>, Error> {
    let rows = context.log.rows_of(index, |kind| kind == "brief")?;
    let entries = context.log.entries(index, &rows)?;
    let is_of =
        |entry: &Entry| matches!(&entry.body, Body::Brief(it) if it.registration == Some(registration));
    Ok(entries.iter().filter(|entry| is_of(entry)).map(|entry| (entry.id, entry.time, "amended")).collect())
}

fn whole_topic(context: &mut Context, state: &State, name: &TopicName) -> Result<Answer, Error> {
    let topic = &state.topics[name];
    let view = topic_view(state, topic);
    if context.output.json {
        context.output.object(&TopicJson::from(&view))?;
        return Ok(Answer::Yes);
    }
    let text = topic::page(&view, &context.canvas());
    context.output.text(&text)?;
    context.output.hint(&format!("`git exp list --topic {name}` lists its experiments"));
    Ok(Answer::Yes)
}
