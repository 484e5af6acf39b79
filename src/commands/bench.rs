//! `git exp bench`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Answer;
use crate::context::{Context, variable};
use crate::domain::metric::{Better, Point};
use crate::domain::run::Exit;
use crate::domain::similarity::nearest_word;
use crate::error::Error;
use crate::render::workload::{Listed, WorkloadJson, table};
use crate::runner::protocol::metric_line;
use crate::runner::{Determinism, HARNESS, HarnessEnd, find_harness, run_harness, signal_name};
use crate::workload::preset::{self, PRESETS};
use crate::workload::request::{Request, RequestedVariant, SCHEMA};
use crate::workload::{Change, Workload, WorkloadError, read};

/// The folder of a repository's own workloads.
const FOLDER: &str = "bench";
/// The longest text of a workload, in bytes.
const LONGEST: usize = 64 * 1024;
/// What a shell, and the loader of libraries, say of a program that cannot be loaded.
const NOT_LOADED: i32 = 127;
/// The signal that cannot be caught, which the kernel sends when memory runs out.
const KILLED: &str = "SIGKILL";
/// The signals by which somebody asks a program to end.
const ASKED_TO_END: [&str; 3] = ["SIGINT", "SIGTERM", "SIGHUP"];
/// What installs the harness, or installs it again.
const INSTALL: &str = "in the source of git exp: make install-bench";

/// Measure operations, modules and programs through libtorch
///
/// Workloads are files `bench/<name>.toml`; some come with the program. The harness is a program of its own, `git-exp-bench`,
/// so that nothing else here loads libtorch.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp bench list
  git exp bench show matmul --set dtype=bf16
  git exp run -n 5 -- git exp bench run matmul --set threads=2
  git exp bench run attention --set backend=flash --against backend=math

JSON: `list` and `show` print git-exp/workload/1, one a line; `run --json` one git-exp/bench/1.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the workloads
    List,
    /// Show a workload with every key written out
    Show {
        /// Its name, or a file that ends in `.toml`
        workload: String,
        /// Set a key, as dtype=bf16 or op.a=256x256
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Measure a workload, and report it in the lines that `git exp run` reads
    Run {
        /// Its name, or a file that ends in `.toml`
        workload: String,
        /// Set a key, as dtype=bf16 or op.a=256x256
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Measure it in turn with a baseline in one process: another workload, or this one with a key set otherwise
        #[arg(long, value_name = "WORKLOAD|KEY=VALUE")]
        against: Vec<String>,
    },
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    match arguments.action {
        Action::List => list(context),
        Action::Show { workload, set } => show(context, &workload, &set),
        Action::Run { workload, set, against } => measure(context, &workload, &set, &against),
    }
}

/// The text of a workload and where it is from.
struct Source {
    name: String,
    from: String,
    text: String,
}

/// The workloads there are by name: the repository's own, then presets that it does not replace.
fn sources(context: &Context) -> Result<Vec<Source>, Error> {
    let folder = context.worktree()?.join(FOLDER);
    let mut sources: Vec<Source> = context
        .files_in(&folder, LONGEST)?
        .into_iter()
        .filter_map(|(file, bytes)| {
            let name = file.strip_suffix(".toml")?.to_owned();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // What a shell makes of `git exp bench show matmul >bench/matmul.toml` before this program begins.
            if text.trim().is_empty() && preset::named(&name).is_some() {
                return None;
            }
            Some(Source { name, from: format!("{FOLDER}/{file}"), text })
        })
        .collect();
    let mut presets: Vec<Source> = PRESETS
        .iter()
        .filter(|preset| !sources.iter().any(|source| source.name == preset.name))
        .map(|preset| Source {
            name: preset.name.to_owned(),
            from: "preset".to_owned(),
            text: preset.text.to_owned(),
        })
        .collect();
    sources.append(&mut presets);
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sources)
}

fn find(context: &Context, word: &str) -> Result<Source, Error> {
    let path = PathBuf::from(word);
    if path.extension().is_some_and(|extension| extension == "toml") {
        let name = path.file_stem().map_or(word.into(), |stem| stem.to_string_lossy().into_owned());
        let text = context.text_of(&path).map_err(|error| {
            error.hint("`git exp bench list` lists the workloads; a path begins at the folder you are in")
        })?;
        return Ok(Source { name, from: word.to_owned(), text });
    }
    let sources = sources(context)?;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    sources.into_iter().find(|source| source.name == word).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let hint = match nearest_word(word, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "git exp bench list".to_owned(),
        };
        Error::request(format!("there is no workload `{word}`")).hint(hint)
    })
}

fn changes<'a>(set: impl IntoIterator<Item = &'a String>) -> Result<Vec<Change>, Error> {
    set.into_iter()
        .map(|text| {
            text.parse().map_err(|problem: String| {
                Error::request("cannot set a key").because(problem).hint("--set dtype=bf16")
            })
        })
        .collect()
}

fn resolve(source: &Source, changes: &[Change]) -> Result<Workload, Error> {
    read(&source.name, &source.text, changes).map_err(|error| unreadable(&error, &source.name))
}

fn unreadable(error: &WorkloadError, name: &str) -> Error {
    let words = error.problem.to_string();
    let error = Error::request(error.to_string()).because(words);
    let example = if preset::named(name).is_some() { name } else { "matmul" };
    error.hint(format!("`git exp bench show {example}` writes every key out"))
}

fn list(context: &mut Context) -> Result<Answer, Error> {
    let listed: Vec<Listed> = sources(context)?
        .into_iter()
        .map(|source| Listed {
            workload: read(&source.name, &source.text, &[]).map_err(|error| error.problem.to_string()),
            name: source.name,
            source: source.from,
        })
        .collect();
    if context.output.json {
        for it in &listed {
            context.output.object(&WorkloadJson::from(it))?;
        }
    } else {
        let text = table(&listed, &context.canvas());
        context.output.text(&text)?;
    }
    Ok(Answer::Yes)
}

fn show(context: &mut Context, word: &str, set: &[String]) -> Result<Answer, Error> {
    let source = find(context, word)?;
    let workload = resolve(&source, &changes(set)?)?;
    if context.output.json {
        let listed = Listed { name: source.name, source: source.from, workload: Ok(workload) };
        context.output.object(&WorkloadJson::from(&listed))?;
    } else {
        context.output.text(&workload.to_toml())?;
    }
    Ok(Answer::Yes)
}

/// Resolves what is asked for, and hands it to the harness.
fn measure(context: &mut Context, word: &str, set: &[String], against: &[String]) -> Result<Answer, Error> {
    let source = find(context, word)?;
    // A trial's own seed draws its own inputs; what is set by hand comes after it and holds.
    let seed = variable("GIT_EXP_SEED").map(|seed| format!("setting.seed={seed}"));
    let common = changes(seed.iter().chain(set))?;
    let workload = resolve(&source, &common)?;
    let mut is_deterministic = workload.setting.deterministic;
    let mut variants = vec![variant(&source.name, &workload)];
    if !against.is_empty() {
        let (keys, names): (Vec<&String>, Vec<&String>) = against.iter().partition(|text| text.contains('='));
        let baseline = match names[..] {
            [] => find(context, word)?,
            [name] => find(context, name)?,
            _ => {
                return Err(Error::request("cannot measure against more than one workload")
                    .hint("one `--against <workload>`, and as many `--against key=value` as you like"));
            }
        };
        let changes: Vec<Change> = common.into_iter().chain(changes(keys)?).collect();
        let baseline = resolve(&baseline, &changes)?;
        is_deterministic |= baseline.setting.deterministic;
        variants.insert(0, variant("baseline", &baseline));
        variants[1].name = "candidate".to_owned();
    }
    let mut command: Vec<String> =
        ["git", "exp", "bench", "run", word].into_iter().map(ToOwned::to_owned).collect();
    command.extend(set.iter().flat_map(|it| ["--set".to_owned(), it.clone()]));
    command.extend(against.iter().flat_map(|it| ["--against".to_owned(), it.clone()]));
    let folder = context.worktree()?.to_path_buf();
    let request = Request {
        schema: SCHEMA.to_owned(),
        name: source.name,
        variants,
        command,
        folder: folder.clone(),
        json: context.output.json,
    };
    let request = serde_json::to_string(&request).expect("a request is plain text");
    let harness = find_harness().ok_or_else(|| {
        Error::outside(format!("cannot find the harness `{HARNESS}`"))
            .because("it is neither beside `git-exp` nor on the PATH")
            .hint(INSTALL)
    })?;
    let failed = |cause: String| {
        Error::outside(format!("cannot run the harness `{}`", harness.display())).because(cause)
    };
    let determinism = if is_deterministic { Determinism::Asked } else { Determinism::NotAsked };
    let ended = run_harness(&harness, &folder, &request, determinism)
        .map_err(|error| failed(error.to_string()).hint(INSTALL))?;
    match ended.exit {
        Exit::Code(NOT_LOADED) => Err(failed("libtorch cannot be loaded".to_owned())
            .hint("in the source of git exp: make libtorch && make install-bench")),
        Exit::Code(code) => Ok(Answer::of_command(code)),
        Exit::Signal(signal) => Err(cut_short(context, ended, &signal_name(signal))?),
        Exit::Unknown => Err(Error::measured("nobody saw how the harness ended").hint("run it again")),
    }
}

/// What is told of a harness that a signal ended, once the most memory that it had was reported.
fn cut_short(context: &mut Context, ended: HarnessEnd, signal: &str) -> Result<Error, Error> {
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
    let megabytes = ended.peak_rss_bytes as f64 / 1e6;
    // With `--json` standard output has nothing but JSON.
    if !context.output.json {
        let peak = Point {
            name: "peak_memory".to_owned(),
            value: megabytes,
            unit: Some("MB".to_owned()),
            better: Some(Better::Lower),
            step: None,
            case: None,
            seconds: None,
        };
        context.output.line(&metric_line(&peak))?;
        context.output.flush()?;
    }
    let error = Error::measured(format!("the harness was ended by {signal}"));
    Ok(if signal == KILLED {
        error
            .because(format!("memory most likely ran out, at a peak of {megabytes:.0} MB"))
            .hint("try smaller shapes, or a machine with more memory")
    } else if ASKED_TO_END.contains(&signal) {
        error.hint("run it again")
    } else {
        error.hint(
            "where `git exp bench run matmul` ends so, too, install the harness again: make install-bench",
        )
    })
}

fn variant(name: &str, workload: &Workload) -> RequestedVariant {
    RequestedVariant { name: name.to_owned(), workload: workload.to_toml() }
}
