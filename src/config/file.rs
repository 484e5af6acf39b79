//! The text of `exp.toml`, as serde reads it, and its way into a [`Layer`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem, offset_of};
use super::{
    BudgetRules, Busy, CaptureLayer, Dataset, ExportRules, IdeaRules, LARGEST_ARTIFACT, Layer, Need,
    NotifyRules, RunLayer, SealRules, WorktreeFiles,
};
use crate::domain::brief::Budget;
use crate::domain::capture::Naming;
use crate::domain::file_rules::{AppendOnly, FileRules, Newest, Ownership};
use crate::domain::issue::{HEARTBEAT, IssueRules, MOST_HEARTBEATS_A_DAY};
use crate::domain::metric::{Better, Definition, Kind, Scale, Summary, built_in, is_name};
use crate::domain::path_pattern::PathPattern;
use crate::domain::policy::{Policy, Roles, Rules};
use crate::domain::quantity::{duration_text, parse_budget, parse_duration, parse_size};
use crate::domain::similarity::nearest_word;
use crate::domain::smoke::Gate;
use crate::domain::stop_guard::StopGuard;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    metrics: BTreeMap<String, MetricSection>,
    capture: CaptureSection,
    params: toml::Table,
    config: ConfigSection,
    datasets: BTreeMap<String, DatasetSection>,
    repos: BTreeMap<String, String>,
    needs: BTreeMap<String, NeedSection>,
    worktree: WorktreeSection,
    run: RunSection,
    files: FilesSection,
    gate: GateSection,
    issue: IssueSection,
    policy: PolicySection,
    roles: BTreeMap<String, Lines>,
    ideas: IdeasSection,
    export: ExportSection,
    notify: NotifySection,
    budget: BudgetSection,
    repro: ReproSection,
    seal: SealSection,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct MetricSection {
    unit: Option<String>,
    #[serde(deserialize_with = "better")]
    better: Option<Better>,
    #[serde(deserialize_with = "kind")]
    kind: Option<Kind>,
    #[serde(deserialize_with = "summary")]
    summary: Option<Summary>,
    #[serde(deserialize_with = "scale")]
    scale: Option<Scale>,
    min_effect: Option<Effect>,
    #[serde(rename = "match")]
    pattern: Option<MetricPattern>,
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct CaptureSection {
    max_artifact: Option<ArtifactSize>,
    max_output: Option<Size>,
    snapshot_max_file: Option<Size>,
    snapshot_max_total: Option<Size>,
    env: Vec<String>,
    #[serde(deserialize_with = "naming")]
    host: Option<Naming>,
    #[serde(deserialize_with = "naming")]
    user: Option<Naming>,
    redact: Vec<Pattern>,
    private_files: Paths,
    private_text: Patterns,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigSection {
    files: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatasetSection {
    version: Option<String>,
    #[serde(alias = "files")]
    paths: Lines,
    hash: Option<String>,
    preprocessing: Lines,
    train: Lines,
    eval: Lines,
    description: Option<String>,
    validate: Option<CommandLine>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WorktreeSection {
    include: Vec<String>,
    copy: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct PolicySection {
    may_accept: Option<Lines>,
    may_amend: Option<Lines>,
    may_move_baseline: Option<Lines>,
    may_override: Option<Lines>,
    review_before_run: Lines,
    review_before_accept: Lines,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct FilesSection {
    frozen: Paths,
    append_only: Vec<AppendOnlySection>,
    main_only: Paths,
    evaluation: Paths,
    owner: BTreeMap<String, Lines>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct IssueSection {
    heartbeat: Option<Interval>,
    heartbeats_a_day: Option<DailyCap>,
    labels: Option<Lines>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GateSection {
    smoke: Option<CommandLine>,
    timeout: Option<Time>,
    scratch: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RunSection {
    timeout: Option<Time>,
    seeds: Option<Vec<u64>>,
    #[serde(deserialize_with = "busy")]
    busy: Option<Busy>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct BudgetSection {
    stop_if: Guards,
    accelerators: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExportSection {
    file: Option<InsidePath>,
    columns: Vec<String>,
    filter: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NotifySection {
    command: Option<CommandLine>,
    timeout: Option<Time>,
    #[serde(deserialize_with = "large")]
    above: Option<Budget>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReproSection {
    setup: Option<CommandLine>,
}

/// A path that stays within the worktree.
struct InsidePath(String);

impl<'de> Deserialize<'de> for InsidePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use std::path::{Component, Path};
        let text = String::deserialize(deserializer)?;
        let is_inside = !text.is_empty()
            && Path::new(&text)
                .components()
                .all(|part| matches!(part, Component::Normal(name) if name != ".git"));
        if !is_inside {
            return Err(D::Error::custom(format!("`{text}` is no path within the worktree")));
        }
        Ok(Self(text))
    }
}

/// What counts as large: a budget.
fn large<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Budget>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_budget(&text)
        .map(Some)
        .map_err(|error| D::Error::custom(format!("`{text}` cannot be read: {error}")))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct SealSection {
    max_size: Option<Size>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct IdeasSection {
    min: Option<u32>,
}

/// The words of a two- or more-way choice, read with the message that serde has for its own enums.
macro_rules! choice {
    ($function:ident, $name:ident) => {
        fn $function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<$name>, D::Error> {
            let text = String::deserialize(deserializer)?;
            $name::from_word(&text).map(Some).ok_or_else(|| {
                let known: Vec<&str> = $name::ALL.iter().map(|value| value.word()).collect();
                D::Error::custom(format!(
                    "unknown variant `{text}`, expected one of `{}`",
                    known.join("`, `")
                ))
            })
        }
    };
}

choice!(better, Better);
choice!(kind, Kind);
choice!(summary, Summary);
choice!(scale, Scale);
choice!(naming, Naming);
choice!(newest, Newest);
choice!(busy, Busy);

struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes such as \"90s\", \"2h\" or \"1h30m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                parse_duration(text).map(Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(TimeVisitor)
    }
}

/// The time between heartbeats.
struct Interval(Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Time(time) = Time::deserialize(deserializer)?;
        if !HEARTBEAT.contains(&time) {
            let (shortest, longest) = (duration_text(*HEARTBEAT.start()), duration_text(*HEARTBEAT.end()));
            return Err(D::Error::custom(format!(
                "heartbeats are from {shortest} to {longest} apart; leave `heartbeat` out for none"
            )));
        }
        Ok(Self(time))
    }
}

/// How many heartbeats there are a day at most.
struct DailyCap(u32);

impl<'de> Deserialize<'de> for DailyCap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cap = i64::deserialize(deserializer)?;
        let fits = u32::try_from(cap).ok().filter(|cap| *cap <= MOST_HEARTBEATS_A_DAY);
        fits.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "at most {MOST_HEARTBEATS_A_DAY} heartbeats fit into a day, and 0 stands for none"
            ))
        })
    }
}

#[derive(Clone, Copy)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"10MiB\", or a number of bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                parse_size(text).map(Size).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom(format!("`{bytes}` bytes are less than none")))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct ArtifactSize(u64);

impl<'de> Deserialize<'de> for ArtifactSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Size(bytes) = Size::deserialize(deserializer)?;
        if bytes > LARGEST_ARTIFACT {
            return Err(D::Error::custom("the limit cannot be above 95MiB: hosts refuse larger files"));
        }
        Ok(Self(bytes))
    }
}

struct Effect(f64);

impl<'de> Deserialize<'de> for Effect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EffectVisitor;
        impl Visitor<'_> for EffectVisitor {
            type Value = Effect;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an effect such as 0.01 or \"1%\"")
            }
            fn visit_f64<E: de::Error>(self, effect: f64) -> Result<Effect, E> {
                if effect.is_finite() && effect >= 0.0 {
                    Ok(Effect(effect))
                } else {
                    Err(E::custom(format!("`{effect}` is not an effect; write it as 0.01 or \"1%\"")))
                }
            }
            fn visit_i64<E: de::Error>(self, effect: i64) -> Result<Effect, E> {
                self.visit_f64(effect as f64)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Effect, E> {
                let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                match percent {
                    Some(percent) => self.visit_f64(percent / 100.0),
                    None => Err(E::custom(format!("`{text}` is not an effect; write it as 0.01 or \"1%\""))),
                }
            }
        }
        deserializer.deserialize_any(EffectVisitor)
    }
}

/// A regular expression that was compiled once to see that it can be.
struct Pattern(String);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        compiled(&text)?;
        Ok(Self(text))
    }
}

/// One regular expression or several.
#[derive(Default)]
struct Patterns(Vec<String>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Lines(texts) = Lines::deserialize(deserializer)?;
        texts.iter().try_for_each(|text| compiled(text).map(drop))?;
        Ok(Self(texts))
    }
}

/// A regular expression with a group that catches a metric's value.
struct MetricPattern(String);

impl<'de> Deserialize<'de> for MetricPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if compiled::<D::Error>(&text)?.captures_len() < 2 {
            return Err(D::Error::custom(
                "the pattern has no group in parentheses to catch the value, as in 'loss: (\\S+)'",
            ));
        }
        Ok(Self(text))
    }
}

fn compiled<E: de::Error>(text: &str) -> Result<regex::Regex, E> {
    regex::Regex::new(text).map_err(|error| {
        let message = error.to_string();
        // The last line says what is wrong; those before draw the pattern, which is shown anyway.
        let reason = message.lines().last().unwrap_or_default();
        let reason = reason.trim().trim_start_matches("error: ");
        E::custom(format!("the regular expression `{text}` cannot be used: {reason}"))
    })
}

/// One text or several.
#[derive(Default)]
struct Lines(Vec<String>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LinesVisitor;
        impl<'de> Visitor<'de> for LinesVisitor {
            type Value = Lines;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Lines, E> {
                Ok(Lines(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = list.next_element()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }
        }
        deserializer.deserialize_any(LinesVisitor)
    }
}

fn path_pattern<E: de::Error>(text: &str) -> Result<PathPattern, E> {
    text.parse().map_err(E::custom)
}

/// One pattern of paths or several.
#[derive(Default)]
struct Paths(Vec<PathPattern>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Lines(texts) = Lines::deserialize(deserializer)?;
        texts.iter().map(|text| path_pattern(text)).collect::<Result<_, _>>().map(Self)
    }
}

struct AppendOnlySection(AppendOnly);

impl<'de> Deserialize<'de> for AppendOnlySection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Detailed {
            path: String,
            #[serde(default, deserialize_with = "newest")]
            newest: Option<Newest>,
        }
        struct AppendOnlyVisitor;
        impl<'de> Visitor<'de> for AppendOnlyVisitor {
            type Value = AppendOnlySection;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a table as { path = \"NEWS.md\", newest = \"first\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AppendOnlySection, E> {
                Ok(AppendOnlySection(AppendOnly { paths: path_pattern(text)?, newest: Newest::default() }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AppendOnlySection, A::Error> {
                let detailed = Detailed::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let paths = path_pattern(&detailed.path)?;
                Ok(AppendOnlySection(AppendOnly { paths, newest: detailed.newest.unwrap_or_default() }))
            }
        }
        deserializer.deserialize_any(AppendOnlyVisitor)
    }
}

/// One stop guard or several.
#[derive(Default)]
struct Guards(Vec<StopGuard>);

impl<'de> Deserialize<'de> for Guards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Lines(texts) = Lines::deserialize(deserializer)?;
        let guards = texts.iter().map(|text| {
            text.parse()
                .map_err(|error| D::Error::custom(format!("the stop guard `{text}` cannot be read: {error}")))
        });
        guards.collect::<Result<_, _>>().map(Self)
    }
}

/// A command: a text for the shell, or a list of arguments.
struct CommandLine(Vec<String>);

impl CommandLine {
    fn of_text<E: de::Error>(text: &str) -> Result<Self, E> {
        if text.trim().is_empty() {
            return Err(E::custom("the command is empty"));
        }
        Ok(Self(["sh", "-c", text].map(str::to_owned).to_vec()))
    }

    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut command: Vec<String> = Vec::new();
        while let Some(argument) = list.next_element()? {
            command.push(argument);
        }
        if command.first().is_none_or(String::is_empty) {
            return Err(A::Error::custom("the command is empty"));
        }
        Ok(Self(command))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CommandVisitor;
        impl<'de> Visitor<'de> for CommandVisitor {
            type Value = CommandLine;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command: a text for the shell, or a list of arguments")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CommandLine, E> {
                CommandLine::of_text(text)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<CommandLine, A::Error> {
                CommandLine::of_list(list)
            }
        }
        deserializer.deserialize_any(CommandVisitor)
    }
}

struct NeedSection(Need);

impl<'de> Deserialize<'de> for NeedSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Detailed {
            command: CommandLine,
            timeout: Option<Time>,
        }
        struct NeedVisitor;
        impl<'de> Visitor<'de> for NeedVisitor {
            type Value = NeedSection;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a check command: a text for the shell, a list of arguments, or a table with `command`",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<NeedSection, E> {
                CommandLine::of_text(text).map(|it| NeedSection(Need { command: it.0, timeout: None }))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<NeedSection, A::Error> {
                CommandLine::of_list(list).map(|it| NeedSection(Need { command: it.0, timeout: None }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NeedSection, A::Error> {
                let detailed = Detailed::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(NeedSection(Need {
                    command: detailed.command.0,
                    timeout: detailed.timeout.map(|time| time.0),
                }))
            }
        }
        deserializer.deserialize_any(NeedVisitor)
    }
}

/// The layer that `text` spells; `file_name` is how errors name it.
pub fn parse(text: &str, file_name: &str) -> Result<Layer, ConfigError> {
    let refuse = |problem| ConfigError { file: file_name.to_owned(), problem };
    // Editors on some systems put a mark before the first line, which TOML does not know.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file: File = toml::from_str(text).map_err(|error| refuse(Problem::from_toml(text, &error)))?;
    let document = DeTable::parse(text).map_err(|error| refuse(Problem::from_toml(text, &error)))?;
    let at = |path: &[&str], message: String| {
        refuse(Problem::at(text, offset_of(document.get_ref(), path).unwrap_or(0), message))
    };

    let mut metrics = BTreeMap::new();
    for (name, section) in file.metrics {
        if !is_name(&name) {
            let mut error =
                at(&["metrics", &name], format!("`{}` cannot name a metric", name.escape_debug()));
            error.problem.hint = Some("use a name without spaces, quotes, `=` and backslashes".to_owned());
            return Err(error);
        }
        let definition = if let Some(definition) = built_in(&name) {
            if let Some(key) = section.first_key_but_min_effect() {
                let mut error = at(
                    &["metrics", &name, key],
                    format!("`{key}` of the built-in metric `{name}` cannot be changed"),
                );
                error.problem.hint = Some(
                    "only `min-effect` can be given for it; report your own value under another name"
                        .to_owned(),
                );
                return Err(error);
            }
            Definition { min_effect: section.min_effect.map(|effect| effect.0), ..definition }
        } else {
            section.into_definition()
        };
        metrics.insert(name, definition);
    }

    let mut params = BTreeMap::new();
    if let Some(DeValue::Table(table)) = document.get_ref().get("params").map(toml::Spanned::get_ref) {
        flatten(table, "", &mut |name, value, path_start| {
            if !is_name(&name) {
                let message = format!("`{}` cannot name a parameter", name.escape_debug());
                return Err(refuse(Problem::at(text, path_start, message)));
            }
            params.insert(name, value);
            Ok(())
        })?;
    }

    let roles = Roles(file.roles.into_iter().map(|(role, people)| (role, people.0)).collect());
    let files = file
        .files
        .into_rules()
        .map_err(|(pattern, message)| at(&["files", "owner", pattern.as_str()], message))?;
    let issue = file.issue.into_rules();
    let rules = Rules { roles, policy: file.policy.into_policy(), files, gate: file.gate.into_gate(), issue };
    check_rules(&rules).map_err(|(path, message)| at(&path, message))?;

    let needs = file.needs.into_iter().map(|(name, need)| (name, need.0)).collect();
    let datasets = file.datasets.into_iter().map(|(name, section)| (name, section.into_dataset())).collect();
    Ok(Layer {
        metrics,
        capture: file.capture.into_layer(),
        params,
        config_files: file.config.files,
        datasets,
        repositories: file.repos,
        needs,
        worktree: WorktreeFiles { link: file.worktree.include, copy: file.worktree.copy },
        run: RunLayer {
            timeout: file.run.timeout.map(|time| time.0),
            seeds: file.run.seeds,
            busy: file.run.busy,
        },
        budget: BudgetRules { stop_if: file.budget.stop_if.0, accelerators: file.budget.accelerators },
        rules,
        ideas: IdeaRules { min: file.ideas.min },
        export: ExportRules {
            file: file.export.file.map(|path| path.0),
            columns: file.export.columns,
            filter: file.export.filter,
        },
        notify: NotifyRules {
            command: file.notify.command.map(|command| command.0).unwrap_or_default(),
            timeout: file.notify.timeout.map(|time| time.0),
            above: file.notify.above.unwrap_or_default(),
        },
        setup: file.repro.setup.map(|command| command.0).unwrap_or_default(),
        seal: SealRules { max_size: file.seal.max_size.map(|size| size.0) },
    })
}

impl MetricSection {
    fn first_key_but_min_effect(&self) -> Option<&'static str> {
        [
            ("unit", self.unit.is_some()),
            ("better", self.better.is_some()),
            ("kind", self.kind.is_some()),
            ("summary", self.summary.is_some()),
            ("scale", self.scale.is_some()),
            ("match", self.pattern.is_some()),
            ("description", self.description.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_given)| is_given.then_some(key))
    }

    fn into_definition(self) -> Definition {
        Definition {
            unit: self.unit,
            better: self.better,
            kind: self.kind,
            summary: self.summary.unwrap_or_default(),
            scale: self.scale.unwrap_or_default(),
            pattern: self.pattern.map(|pattern| pattern.0),
            min_effect: self.min_effect.map(|effect| effect.0),
            description: self.description,
        }
    }
}

/// The roles that every team has, whether somebody holds them or not.
const USUAL_ROLES: [&str; 5] = ["manager", "lead", "experimenter", "infrastructure", "reviewer"];

/// Finds a role that is held by nobody in particular, and a rule about a role that there is not; gives where it stands.
fn check_rules(rules: &Rules) -> Result<(), (Vec<&str>, String)> {
    for (role, people) in &rules.roles.0 {
        if people.iter().any(|person| person.trim().is_empty()) {
            let message = format!("somebody in the role `{role}` has no name and no address");
            return Err((vec!["roles", role.as_str()], message));
        }
    }
    let policy = &rules.policy;
    let of = |roles: &'_ Option<Vec<String>>| roles.clone().unwrap_or_default();
    let named = [
        ("may-accept", of(&policy.may_accept)),
        ("may-amend", of(&policy.may_amend)),
        ("may-move-baseline", of(&policy.may_move_baseline)),
        ("may-override", of(&policy.may_override)),
        ("review-before-run", policy.review_before_run.clone()),
        ("review-before-accept", policy.review_before_accept.clone()),
    ];
    let own = rules.roles.0.keys().map(String::as_str);
    let known: Vec<&str> = own.chain(USUAL_ROLES).collect();
    for (key, roles) in named {
        if let Some(role) = roles.iter().find(|role| !known.contains(&role.as_str())) {
            let advice = advice_on(role, &known);
            return Err((vec!["policy", key], format!("there is no role `{role}` for `{key}`; {advice}")));
        }
    }
    for ownership in &rules.files.owners {
        // Whoever has an address is a person, who needs no role.
        let mut roles = ownership.owners.iter().filter(|owner| !owner.contains('@'));
        if let Some(role) = roles.find(|role| !known.contains(&role.as_str())) {
            let paths = ownership.paths.as_str();
            let advice = advice_on(role, &known);
            let message = format!("there is no role `{role}` that could own `{paths}`; {advice}");
            return Err((vec!["files", "owner", paths], message));
        }
    }
    Ok(())
}

/// What to do about a role that there is not.
fn advice_on(role: &str, known: &[&str]) -> String {
    match nearest_word(role, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "name it in `[roles]`".to_owned(),
    }
}

impl FilesSection {
    /// The rules, or the owned pattern that is wrong and why.
    fn into_rules(self) -> Result<FileRules, (String, String)> {
        let mut owners = Vec::new();
        for (text, Lines(owned_by)) in self.owner {
            match path_pattern::<de::value::Error>(&text) {
                Ok(paths) if !owned_by.is_empty() => owners.push(Ownership { paths, owners: owned_by }),
                Ok(_) => {
                    let message = format!("nobody owns `{text}`; name a role, or somebody's address");
                    return Err((text, message));
                }
                Err(error) => return Err((text, error.to_string())),
            }
        }
        Ok(FileRules {
            frozen: self.frozen.0,
            append_only: self.append_only.into_iter().map(|it| it.0).collect(),
            main_only: self.main_only.0,
            evaluation: self.evaluation.0,
            owners,
        })
    }
}

impl PolicySection {
    fn into_policy(self) -> Policy {
        let roles = |lines: Option<Lines>| lines.map(|lines| lines.0);
        Policy {
            may_accept: roles(self.may_accept),
            may_amend: roles(self.may_amend),
            may_move_baseline: roles(self.may_move_baseline),
            may_override: roles(self.may_override),
            review_before_run: self.review_before_run.0,
            review_before_accept: self.review_before_accept.0,
        }
    }
}

impl IssueSection {
    fn into_rules(self) -> IssueRules {
        IssueRules {
            heartbeat: self.heartbeat.map(|interval| interval.0),
            heartbeats_a_day: self.heartbeats_a_day.map(|cap| cap.0),
            labels: self.labels.map(|labels| labels.0),
        }
    }
}

impl GateSection {
    fn into_gate(self) -> Gate {
        Gate {
            smoke: self.smoke.map(|command| command.0),
            timeout: self.timeout.map(|time| time.0),
            scratch: self.scratch,
        }
    }
}

impl CaptureSection {
    fn into_layer(self) -> CaptureLayer {
        let bytes = |size: Option<Size>| size.map(|size| size.0);
        CaptureLayer {
            max_artifact: self.max_artifact.map(|size| size.0),
            max_output: bytes(self.max_output),
            snapshot_max_file: bytes(self.snapshot_max_file),
            snapshot_max_total: bytes(self.snapshot_max_total),
            env: self.env,
            host: self.host,
            user: self.user,
            redact: self.redact.into_iter().map(|pattern| pattern.0).collect(),
            private_files: self.private_files.0,
            private_text: self.private_text.0,
        }
    }
}

impl DatasetSection {
    fn into_dataset(self) -> Dataset {
        Dataset {
            version: self.version,
            paths: self.paths.0,
            hash: self.hash,
            preprocessing: self.preprocessing.0,
            train: self.train.0,
            eval: self.eval.0,
            description: self.description,
            validate: self.validate.map(|command| command.0),
        }
    }
}

/// Calls `take` with the dotted name, the text and the key's place of each value under `table`.
fn flatten<E>(
    table: &DeTable<'_>,
    path: &str,
    take: &mut impl FnMut(String, String, usize) -> Result<(), E>,
) -> Result<(), E> {
    for (key, value) in table {
        let name =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &name, take)?,
            scalar => take(name, written(scalar), key.span().start)?,
        }
    }
    Ok(())
}

/// A value as it was written, so that `1e-4` stays `1e-4`; lists and tables in lists as JSON would have them.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        // Digits alone would lose what 0x and its like say.
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.as_str().to_owned(), |integer| integer.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(list) => {
            let parts: Vec<String> = list.iter().map(|value| element(value.get_ref())).collect();
            format!("[{}]", parts.join(", "))
        }
        DeValue::Table(table) => {
            let parts: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{:?}: {}", key.get_ref(), element(value.get_ref())))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

fn element(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        value => written(value),
    }
}
