//! `exp.toml` and its layers: defaults < user < repository < flags.
//!
//! Nothing here opens a file: callers hand in the text, since metrics, criteria and policy are read from
//! another branch than capture settings.

mod error;
mod file;
mod kickoff;

use std::collections::BTreeMap;
use std::time::Duration;

pub use error::{ConfigError, Problem};
pub use file::parse;
pub use kickoff::parse_kickoff;

use crate::domain::brief::Budget;
use crate::domain::capture::{DEFAULT_VARIABLES, Naming};
pub use crate::domain::dataset::Dataset;
use crate::domain::metric::{Definition, built_in};
use crate::domain::path_pattern::PathPattern;
use crate::domain::policy::Rules;
use crate::domain::stop_guard::StopGuard;

/// The largest file that is ever kept whole: hosts refuse files above 100 MB.
pub const LARGEST_ARTIFACT: u64 = 95 << 20;

/// How long the check of a needed service may take where nothing is said.
pub const NEED_TIMEOUT: Duration = Duration::from_secs(30);

/// What one file or one set of options says; what it does not say is left to the layers below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// Metrics by name.
    pub metrics: BTreeMap<String, Definition>,
    /// What is captured of a run.
    pub capture: CaptureLayer,
    /// Default parameters by dotted name, values as they were written.
    pub params: BTreeMap<String, String>,
    /// Globs or paths of configuration files that are kept and hashed.
    pub config_files: Vec<String>,
    /// Datasets by name.
    pub datasets: BTreeMap<String, Dataset>,
    /// Sibling repositories whose commits are recorded: name, then path.
    pub repositories: BTreeMap<String, String>,
    /// Services that must be there before a run: name, then check.
    pub needs: BTreeMap<String, Need>,
    /// Ignored files that come along into a new worktree.
    pub worktree: WorktreeFiles,
    /// What holds for every run.
    pub run: RunLayer,
    /// What bounds every run.
    pub budget: BudgetRules,
    /// Who may do what, and what may become of which files.
    pub rules: Rules,
    /// How the backlog of ideas is kept.
    pub ideas: IdeaRules,
    /// The table of results that other tools read.
    pub export: ExportRules,
    /// Who is told of large runs.
    pub notify: NotifyRules,
    /// The command that makes a fresh worktree ready to repeat a run; empty where nothing is needed.
    pub setup: Vec<String>,
    /// What goes into seals.
    pub seal: SealRules,
}

/// What one layer says about capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureLayer {
    /// See [`Capture::max_artifact`].
    pub max_artifact: Option<u64>,
    /// See [`Capture::max_output`].
    pub max_output: Option<u64>,
    /// See [`Capture::snapshot_max_file`].
    pub snapshot_max_file: Option<u64>,
    /// See [`Capture::snapshot_max_total`].
    pub snapshot_max_total: Option<u64>,
    /// Names of environment variables to add, as globs; `!NAME` takes one of the layers below away.
    pub env: Vec<String>,
    /// See [`Capture::host`].
    pub host: Option<Naming>,
    /// See [`Capture::user`].
    pub user: Option<Naming>,
    /// Regular expressions of secrets to add.
    pub redact: Vec<String>,
    /// See [`Capture::private_files`].
    pub private_files: Vec<PathPattern>,
    /// See [`Capture::private_text`].
    pub private_text: Vec<String>,
}

/// What one layer says about every run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLayer {
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// The seeds of the trials, in order.
    pub seeds: Option<Vec<u64>>,
    /// See [`Settings::busy`].
    pub busy: Option<Busy>,
}

/// What becomes of a run whose accelerators others use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Busy {
    /// It starts, and says so.
    #[default]
    Tell,
    /// It does not start.
    Refuse,
}

crate::domain::metric::words!(Busy { Tell = "tell", Refuse = "refuse" });

/// What bounds every run, beside what its experiment may cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BudgetRules {
    /// What stops a run that is under way.
    pub stop_if: Vec<StopGuard>,
    /// How many accelerators a run is charged for; those that it can see where nothing is said.
    pub accelerators: Option<u32>,
}

/// The table of results that other tools read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRules {
    /// Where it is, from the top of the main worktree; none is kept where absent.
    pub file: Option<String>,
    /// Its columns; those of all runs where empty.
    pub columns: Vec<String>,
    /// Which runs are in it.
    pub filter: Option<String>,
}

/// Who is told of large runs before they start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotifyRules {
    /// The command that tells them; empty where nobody is told.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// What counts as large; everything where nothing is said.
    pub above: Budget,
}

/// How the backlog of ideas is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdeaRules {
    /// How many open ideas a topic has at least; below that the next step is to think.
    pub min: Option<u32>,
}

/// What goes into seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealRules {
    /// The longest file of an entry that is sealed with its content, in bytes.
    pub max_size: Option<u64>,
}

/// What holds after all layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Metrics by name, the built-in ones included.
    pub metrics: BTreeMap<String, Definition>,
    /// What is captured of a run.
    pub capture: Capture,
    /// Default parameters by dotted name, values as they were written.
    pub params: BTreeMap<String, String>,
    /// Globs or paths of configuration files that are kept and hashed.
    pub config_files: Vec<String>,
    /// Datasets by name.
    pub datasets: BTreeMap<String, Dataset>,
    /// Sibling repositories whose commits are recorded: name, then path.
    pub repositories: BTreeMap<String, String>,
    /// Services that must be there before a run: name, then check.
    pub needs: BTreeMap<String, Need>,
    /// Ignored files that come along into a new worktree.
    pub worktree: WorktreeFiles,
    /// What becomes of a run whose accelerators others use.
    pub busy: Busy,
    /// How long a run may take; absent for no limit.
    pub timeout: Option<Duration>,
    /// The seeds of the trials, in order; empty where none are configured.
    pub seeds: Vec<u64>,
    /// What bounds every run.
    pub budget: BudgetRules,
    /// How the backlog of ideas is kept.
    pub ideas: IdeaRules,
    /// The table of results that other tools read.
    pub export: ExportRules,
    /// Who is told of large runs.
    pub notify: NotifyRules,
    /// The command that makes a fresh worktree ready to repeat a run; empty where nothing is needed.
    pub setup: Vec<String>,
    /// What goes into seals.
    pub seal: SealRules,
}

/// What is captured of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// The largest artifact, in bytes, that is kept whole.
    pub max_artifact: u64,
    /// How many bytes of each output stream are kept.
    pub max_output: u64,
    /// The largest untracked file, in bytes, that goes into a snapshot.
    pub snapshot_max_file: u64,
    /// How many bytes of untracked files go into one snapshot.
    pub snapshot_max_total: u64,
    /// Names of environment variables that are recorded, as globs.
    pub env: Vec<String>,
    /// How the host's name is recorded.
    pub host: Naming,
    /// How the user's name is recorded.
    pub user: Naming,
    /// Regular expressions of further secrets to redact.
    pub redact: Vec<String>,
    /// Files that are never stored.
    pub private_files: Vec<PathPattern>,
    /// Regular expressions of text that is never stored.
    pub private_text: Vec<String>,
}

/// A service that must be there before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The command that exits with 0 when the service is there.
    pub command: Vec<String>,
    /// How long the command may take; [`NEED_TIMEOUT`] where nothing is said.
    pub timeout: Option<Duration>,
}

/// Ignored files that come along into a new worktree, as paths or globs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorktreeFiles {
    /// Those that are linked.
    pub link: Vec<String>,
    /// Those that are copied.
    pub copy: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of([])
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            max_artifact: 32 << 20,
            max_output: 10 << 20,
            snapshot_max_file: 10 << 20,
            snapshot_max_total: 100 << 20,
            env: DEFAULT_VARIABLES.iter().map(|&name| name.to_owned()).collect(),
            host: Naming::default(),
            user: Naming::default(),
            redact: Vec::new(),
            private_files: Vec::new(),
            private_text: Vec::new(),
        }
    }
}

impl Settings {
    /// What holds under `layers`, the weakest first: user, repository, flags.
    ///
    /// What has a name (a metric, a dataset, a parameter) is replaced whole by a later layer that names it
    /// too; lists of files, variables and secrets grow.
    pub fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut settings = Self {
            metrics: BTreeMap::new(),
            capture: Capture::default(),
            params: BTreeMap::new(),
            config_files: Vec::new(),
            datasets: BTreeMap::new(),
            repositories: BTreeMap::new(),
            needs: BTreeMap::new(),
            worktree: WorktreeFiles::default(),
            busy: Busy::default(),
            timeout: None,
            seeds: Vec::new(),
            budget: BudgetRules::default(),
            ideas: IdeaRules::default(),
            export: ExportRules::default(),
            notify: NotifyRules::default(),
            setup: Vec::new(),
            seal: SealRules::default(),
        };
        for (name, _) in crate::domain::metric::BUILT_IN {
            settings.metrics.extend(built_in(name).map(|definition| ((*name).to_owned(), definition)));
        }
        for layer in layers {
            settings.apply(layer);
        }
        settings
    }

    /// What the team agreed on from `agreed` (the topic's or main branch), and how runs are made from `running` (the code that runs).
    ///
    /// So an experiment cannot loosen its own rules, and an old commit still runs as it did. What either calls private is.
    pub fn joined(agreed: Self, mut running: Self) -> Self {
        running.capture.add_privacy(agreed.capture.private_files, agreed.capture.private_text);
        Self {
            metrics: agreed.metrics,
            budget: agreed.budget,
            ideas: agreed.ideas,
            export: agreed.export,
            notify: agreed.notify,
            seal: agreed.seal,
            ..running
        }
    }

    /// The definition of the metric `name`, where it is declared or built in.
    pub fn metric(&self, name: &str) -> Option<&Definition> {
        self.metrics.get(name)
    }

    fn apply(&mut self, layer: Layer) {
        self.metrics.extend(layer.metrics);
        self.capture.apply(layer.capture);
        self.params.extend(layer.params);
        add(&mut self.config_files, layer.config_files);
        self.datasets.extend(layer.datasets);
        self.repositories.extend(layer.repositories);
        self.needs.extend(layer.needs);
        add(&mut self.worktree.link, layer.worktree.link);
        add(&mut self.worktree.copy, layer.worktree.copy);
        self.timeout = layer.run.timeout.or(self.timeout);
        self.busy = layer.run.busy.unwrap_or(self.busy);
        if let Some(seeds) = layer.run.seeds {
            self.seeds = seeds;
        }
        self.budget.accelerators = layer.budget.accelerators.or(self.budget.accelerators);
        add(&mut self.budget.stop_if, layer.budget.stop_if);
        self.ideas.min = layer.ideas.min.or(self.ideas.min);
        self.seal.max_size = layer.seal.max_size.or(self.seal.max_size);
        if layer.export.file.is_some() {
            self.export = layer.export;
        }
        if !layer.notify.command.is_empty() {
            self.notify = layer.notify;
        }
        if !layer.setup.is_empty() {
            self.setup = layer.setup;
        }
    }
}

impl Capture {
    fn apply(&mut self, layer: CaptureLayer) {
        self.max_artifact = layer.max_artifact.unwrap_or(self.max_artifact);
        self.max_output = layer.max_output.unwrap_or(self.max_output);
        self.snapshot_max_file = layer.snapshot_max_file.unwrap_or(self.snapshot_max_file);
        self.snapshot_max_total = layer.snapshot_max_total.unwrap_or(self.snapshot_max_total);
        self.host = layer.host.unwrap_or(self.host);
        self.user = layer.user.unwrap_or(self.user);
        for name in layer.env {
            match name.strip_prefix('!') {
                Some(name) => self.env.retain(|known| known != name),
                None => add(&mut self.env, [name]),
            }
        }
        add(&mut self.redact, layer.redact);
        self.add_privacy(layer.private_files, layer.private_text);
    }

    /// Adds files and text that are never stored.
    pub fn add_privacy(&mut self, files: Vec<PathPattern>, text: Vec<String>) {
        add(&mut self.private_files, files);
        add(&mut self.private_text, text);
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::metric::{Better, Kind, Scale, Summary};
    use crate::domain::smoke::Gate;

    fn refusal(text: &str) -> String {
        let error = parse(text, "exp.toml").expect_err("the text is wrong");
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        format!("{error}\n{}{hint}", error.source().expect("an error has its problem"))
    }

    const WHOLE: &str = r#"
        [metrics.val_bpb]
        unit = "bits"
        better = "lower"
        kind = "quality"
        summary = "min"
        scale = "difference"
        min-effect = "1%"
        match = '^val_bpb:\s+(\S+)'
        description = "bits per byte on the validation part"

        [metrics.wall_time]
        min-effect = 0.02

        [capture]
        max-artifact = "20MiB"
        max-output = 4096
        env = ["MY_*", "!LANG"]
        host = "hash"
        user = "none"
        redact = ['corp-[0-9a-f]{32}']
        private-files = ["*.csv", "patients/**"]
        private-text = ['\b\d{3}-\d{2}-\d{4}\b']
        snapshot-max-file = "1MB"
        snapshot-max-total = "5MB"

        [params]
        lr = 1e-4
        layers = 1_000
        mask = 0xff
        name = "a b"
        causal = true
        sizes = [1, 2.50, "x"]
        [params.model]
        width = 8
        deep.er = "yes"

        [config]
        files = ["configs/*.yaml"]

        [datasets.wine]
        version = "2009"
        files = "data/wine.csv"
        preprocessing = ["drop duplicates"]
        train = ["splits/train.txt"]
        eval = "splits/eval.txt"
        validate = "python check.py"

        [repos]
        kernels = "../kernels"

        [needs]
        tracker = "curl -fs localhost"
        database = ["pg_isready", "-q"]
        worker = { command = "true", timeout = "5s" }

        [worktree]
        include = [".venv"]
        copy = ["local.env"]

        [run]
        timeout = "1h30m"
        seeds = [1, 2, 3]

        [budget]
        stop-if = ["val_bpb > 10", "non-finite", "no output for 10m"]
        accelerators = 2

        [roles]
        lead = ["Lea@example.org"]
        reviewer = ["reviewer@example.org", "Another Name"]

        [policy]
        may-accept = ["lead"]
        review-before-run = ["reviewer", "lead"]

        [files]
        frozen = ["eval/**", "program.md"]
        append-only = ["journal.md", { path = "NEWS.md", newest = "first" }]
        main-only = "results.tsv"
        evaluation = ["eval/**"]
        [files.owner]
        "src/api/**" = "lead"
        "src/wire.rs" = ["reviewer", "owner@example.org"]

        [gate]
        smoke = "make smoke"
        timeout = "2m"
        scratch = true
    "#;

    #[test]
    fn a_file_may_hold_every_section() {
        let layer = parse(WHOLE, "exp.toml").expect("the file is right");
        assert_eq!(
            layer.metrics["val_bpb"],
            Definition {
                unit: Some("bits".to_owned()),
                better: Some(Better::Lower),
                kind: Some(Kind::Quality),
                summary: Summary::Min,
                scale: Scale::Difference,
                pattern: Some(r"^val_bpb:\s+(\S+)".to_owned()),
                min_effect: Some(0.01),
                description: Some("bits per byte on the validation part".to_owned()),
            }
        );
        assert_eq!(layer.metrics["wall_time"].min_effect, Some(0.02));
        assert_eq!(layer.metrics["wall_time"].unit.as_deref(), Some("s"));
        assert_eq!(layer.capture.max_artifact, Some(20 << 20));
        assert_eq!(layer.capture.max_output, Some(4096));
        let private: Vec<&str> = layer.capture.private_files.iter().map(PathPattern::as_str).collect();
        assert_eq!(private, ["*.csv", "patients/**"]);
        assert_eq!(layer.capture.private_text, [r"\b\d{3}-\d{2}-\d{4}\b"]);
        assert_eq!(layer.datasets["wine"].paths, ["data/wine.csv"]);
        assert_eq!(layer.datasets["wine"].eval, ["splits/eval.txt"]);
        let validate = ["sh", "-c", "python check.py"].map(str::to_owned).to_vec();
        assert_eq!(layer.datasets["wine"].validate, Some(validate));
        assert_eq!(layer.needs["tracker"].command, ["sh", "-c", "curl -fs localhost"]);
        assert_eq!(layer.needs["database"].command, ["pg_isready", "-q"]);
        assert_eq!(layer.needs["worker"].timeout, Some(Duration::from_secs(5)));
        assert_eq!(layer.worktree.link, [".venv"]);
        assert_eq!(layer.run.timeout, Some(Duration::from_mins(90)));
        let guards: Vec<String> = layer.budget.stop_if.iter().map(ToString::to_string).collect();
        assert_eq!(guards, ["val_bpb > 10", "non-finite", "no output for 10m"]);
        assert_eq!(layer.budget.accelerators, Some(2));
        assert_eq!(layer.rules.roles.0["reviewer"], ["reviewer@example.org", "Another Name"]);
        assert_eq!(layer.rules.policy.may_accept.as_deref(), Some(["lead".to_owned()].as_slice()));
        assert_eq!(layer.rules.policy.may_override, None);
        assert_eq!(layer.rules.policy.review_before_run, ["reviewer", "lead"]);
        let gate = Gate {
            smoke: Some(["sh", "-c", "make smoke"].map(str::to_owned).to_vec()),
            timeout: Some(Duration::from_mins(2)),
            scratch: true,
        };
        assert_eq!(layer.rules.gate, gate);
        let files = &layer.rules.files;
        assert_eq!(files.frozen[1].as_str(), "program.md");
        let newest: Vec<&str> = files.append_only.iter().map(|it| it.newest.word()).collect();
        assert_eq!(newest, ["last", "first"]);
        assert_eq!((files.main_only.len(), files.evaluation[0].as_str()), (1, "eval/**"));
        assert_eq!(files.owners[0].owners, ["lead"]);
        assert_eq!(files.owners[1].owners, ["reviewer", "owner@example.org"]);
    }

    #[test]
    fn a_gate_that_cannot_work_is_an_error() {
        assert_snapshot!(refusal("[gate]\nsmok = \"make\"\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `smok` in `gate`; did you mean `smoke`?
        ");
        assert_snapshot!(refusal("[gate]\nsmoke = \" \"\n"), @"
        cannot read `exp.toml`
        line 2, column 9: in `gate.smoke`: the command is empty
        ");
        assert_snapshot!(refusal("[gate]\nsmoke = []\n"), @"
        cannot read `exp.toml`
        line 2, column 9: `[]` in `gate.smoke`: the command is empty
        ");
        assert_snapshot!(refusal("[gate]\nsmoke = 1\n"), @"
        cannot read `exp.toml`
        line 2, column 9: in `gate.smoke`: invalid type: integer `1`, expected a command: a text for the shell, or a list of arguments
        ");
        assert_snapshot!(refusal("[gate]\nscratch = \"yes\"\n"), @r#"
        cannot read `exp.toml`
        line 2, column 11: in `gate.scratch`: invalid type: string "yes", expected a boolean
        "#);
        let layer = parse("[gate]\nsmoke = [\"make\", \"smoke test\"]\n", "exp.toml").expect("it is right");
        assert_eq!(layer.rules.gate.smoke, Some(["make", "smoke test"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_time_between_heartbeats_that_cannot_be_kept_is_an_error() {
        assert_snapshot!(refusal("[issue]\nheartbeat = \"0h\"\n"), @"
        cannot read `exp.toml`
        line 2, column 13: `0h` in `issue.heartbeat`: heartbeats are from 10m to 30d apart; leave `heartbeat` out for none
        ");
        for time in ["0s", "-6h", "1m", "9m59s", "31d", "10000h", "6", ""] {
            let text = refusal(&format!("[issue]\nheartbeat = \"{time}\"\n"));
            assert!(text.contains("in `issue.heartbeat`"), "{time}: {text}");
        }
        assert_snapshot!(refusal("[issue]\nheartbeats-a-day = -1\n"), @"
        cannot read `exp.toml`
        line 2, column 20: `-1` in `issue.heartbeats-a-day`: at most 144 heartbeats fit into a day, and 0 stands for none
        ");
        for cap in ["145", "5000000000", "1.5", "\"4\""] {
            let text = refusal(&format!("[issue]\nheartbeats-a-day = {cap}\n"));
            assert!(text.contains("in `issue.heartbeats-a-day`"), "{cap}: {text}");
        }
        let text = "[issue]\nheartbeat = \"10m\"\nheartbeats-a-day = 0\n";
        let rules = parse(text, "exp.toml").expect("it is right").rules.issue;
        assert_eq!((rules.heartbeat, rules.heartbeats_a_day), (Some(Duration::from_mins(10)), Some(0)));
    }

    #[test]
    fn a_rule_about_files_that_cannot_work_is_an_error() {
        assert_snapshot!(refusal("[files]\nfrozen = [\"eval/**\", \"a**\"]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 10: `["eval/**", "a**"]` in `files.frozen`: the pattern `a**` cannot be used: recursive wildcards must form a single path component
        "#);
        assert_snapshot!(refusal("[files]\nmain-only = \"../results.tsv\"\n"), @"
        cannot read `exp.toml`
        line 2, column 13: in `files.main-only`: the pattern `../results.tsv` cannot be used: it leads out of the repository; write it from the top, as `eval/**`
        ");
        assert_snapshot!(refusal("[files]\nfrozn = []\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `frozn` in `files`; did you mean `frozen`?
        ");
        assert_snapshot!(refusal("[files]\nappend-only = [{ path = \"NEWS.md\", newest = \"frist\" }]\n"), @"
        cannot read `exp.toml`
        line 2, column 45: unknown value `frist` in `files.append-only`; did you mean `first`?
        ");
        assert_snapshot!(refusal("[files]\nappend-only = [{ path = \"NEWS.md\", newst = \"first\" }]\n"), @"
        cannot read `exp.toml`
        line 2, column 36: unknown key `newst` in `files.append-only`; did you mean `newest`?
        ");
        assert_snapshot!(refusal("[files]\nappend-only = [1]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 16: in `files.append-only`: invalid type: integer `1`, expected a path, or a table as { path = "NEWS.md", newest = "first" }
        "#);
        assert_snapshot!(refusal("[files.owner]\n\"src/**\" = \"leed\"\n"), @"
        cannot read `exp.toml`
        line 2, column 1: there is no role `leed` that could own `src/**`; did you mean `lead`?
        ");
        assert_snapshot!(refusal("[files.owner]\n\"src/**\" = []\n"), @"
        cannot read `exp.toml`
        line 2, column 1: nobody owns `src/**`; name a role, or somebody's address
        ");
        assert_snapshot!(refusal("[files.owner]\n\"/src\" = \"lead\"\n"), @"
        cannot read `exp.toml`
        line 2, column 1: the pattern `/src` cannot be used: it leads out of the repository; write it from the top, as `eval/**`
        ");
    }

    #[test]
    fn parameters_keep_the_text_they_were_written_with() {
        let layer = parse(WHOLE, "exp.toml").expect("the file is right");
        let params: Vec<String> =
            layer.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_snapshot!(params.join("\n"), @r#"
        causal=true
        layers=1000
        lr=1e-4
        mask=255
        model.deep.er=yes
        model.width=8
        name=a b
        sizes=[1, 2.50, "x"]
        "#);
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(parse("", "exp.toml"), Ok(Layer::default()));
        assert_eq!(Settings::of([Layer::default()]), Settings::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
        assert_snapshot!(refusal("# metrics\n[metrics.loss]\n  beter = \"lower\"\n"), @"
        cannot read `exp.toml`
        line 3, column 3: unknown key `beter` in `metrics.loss`; did you mean `better`?
        ");
    }

    #[test]
    fn a_stop_guard_that_cannot_be_read_is_named_with_its_place() {
        assert_snapshot!(refusal("[budget]\nstop-if = [\"non-finite\", \"loss >\"]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 11: `["non-finite", "loss >"]` in `budget.stop-if`: the stop guard `loss >` cannot be read: `` is not a number; a stop guard looks at the run alone, as in `val_loss > 10`
        "#);
        assert_snapshot!(refusal("[budget]\nstop-if = \"later\"\n"), @"
        cannot read `exp.toml`
        line 2, column 11: in `budget.stop-if`: the stop guard `later` cannot be read: `later` is not a stop guard; write it as `val_loss > 10`, `non-finite`, `val_loss non-finite` or `no output for 10m`
        ");
        assert_snapshot!(refusal("[budget]\naccelerators = -1\n"), @"
        cannot read `exp.toml`
        line 2, column 16: in `budget.accelerators`: invalid value: integer `-1`, expected u32
        ");
        assert_snapshot!(refusal("[budget]\nwall = \"2h\"\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `wall` in `budget`; known are `stop-if`, `accelerators`
        ");
    }

    #[test]
    fn guards_of_all_layers_hold_and_those_that_were_agreed_on_stay() {
        let settings = |text: &str| Settings::of([parse(text, "exp.toml").expect("the text is right")]);
        let user =
            parse("[budget]\nstop-if = \"non-finite\"\naccelerators = 1\n", "user").expect("it is right");
        let team =
            parse("[budget]\nstop-if = \"loss > 3\"\naccelerators = 2\n", "exp.toml").expect("it is right");
        let agreed = Settings::of([user, team]);
        assert_eq!((agreed.budget.stop_if.len(), agreed.budget.accelerators), (2, Some(2)));
        let loose = settings("[budget]\nstop-if = \"loss > 99\"\naccelerators = 0\n");
        assert_eq!(Settings::joined(agreed.clone(), loose).budget, agreed.budget);
    }

    #[test]
    fn an_unknown_section_is_an_error() {
        assert_snapshot!(refusal("[metric.loss]\nunit = \"s\"\n"), @"
        cannot read `exp.toml`
        line 1, column 2: unknown key `metric`; did you mean `metrics`?
        ");
        assert_snapshot!(refusal("zebra = 1\n"), @"
        cannot read `exp.toml`
        line 1, column 1: unknown key `zebra`; known are `metrics`, `capture`, `params`, `config`, `datasets`, `repos`, `needs`, `worktree`, `run`, `files`, `gate`, `issue`, `policy`, `roles`, `ideas`, `export`, `notify`, `budget`, `repro`, `seal`
        ");
    }

    #[test]
    fn the_setup_of_a_repetition_is_that_of_the_code_that_runs() {
        let of = |text: &str| Settings::of([parse(text, "exp.toml").expect("it is right")]);
        let agreed = of("[repro]\nsetup = \"make other\"\n");
        let joined = Settings::joined(agreed, of("[repro]\nsetup = [\"make\", \"deps\"]\n"));
        assert_eq!(joined.setup, ["make", "deps"]);
        assert!(parse("[repro]\nset-up = \"make\"\n", "exp.toml").is_err());
    }

    #[test]
    fn an_unknown_word_is_named_with_the_nearest_known_one() {
        assert_snapshot!(refusal("[metrics]\nloss = { better = \"lwoer\" }\n"), @"
        cannot read `exp.toml`
        line 2, column 19: unknown value `lwoer` in `metrics.loss.better`; did you mean `lower`?
        ");
        assert_snapshot!(refusal("[capture]\nhost = \"secret\"\n"), @"
        cannot read `exp.toml`
        line 2, column 8: unknown value `secret` in `capture.host`; known are `name`, `hash`, `none`
        ");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named() {
        assert_snapshot!(refusal("[run]\ntimeout = 90\n"), @r#"
        cannot read `exp.toml`
        line 2, column 11: in `run.timeout`: invalid type: integer `90`, expected a duration in quotes such as "90s", "2h" or "1h30m"
        "#);
        assert_snapshot!(refusal("[run]\ntimeout = \"soon\"\n"), @"
        cannot read `exp.toml`
        line 2, column 11: in `run.timeout`: `soon` is not a duration; write it as `90s`, `2h` or `1h30m`
        ");
        assert_snapshot!(refusal("[run]\nseeds = [1, \"two\"]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 13: in `run.seeds`: invalid type: string "two", expected a whole number
        "#);
        assert_snapshot!(refusal("[metrics.loss]\nmin-effect = \"much\"\n"), @r#"
        cannot read `exp.toml`
        line 2, column 14: in `metrics.loss.min-effect`: `much` is not an effect; write it as 0.01 or "1%"
        "#);
        assert_snapshot!(refusal("[needs]\ndatabase = []\n"), @"
        cannot read `exp.toml`
        line 2, column 12: `[]` in `needs.database`: the command is empty
        ");
        assert_snapshot!(refusal("[needs.database]\ncomand = \"true\"\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `comand` in `needs.database`; did you mean `command`?
        ");
        assert_snapshot!(refusal("[capture]\nmax-artifact = \"1GiB\"\n"), @"
        cannot read `exp.toml`
        line 2, column 16: `1GiB` in `capture.max-artifact`: the limit cannot be above 95MiB: hosts refuse larger files
        ");
        assert_snapshot!(refusal("[capture]\nmax-output = \"lots\"\n"), @"
        cannot read `exp.toml`
        line 2, column 14: in `capture.max-output`: `lots` is not a size; write it as `512KiB`, `10MiB` or `2GB`
        ");
    }

    #[test]
    fn a_policy_names_roles_that_there_are() {
        assert_snapshot!(refusal("[roles]\nlead = [\"lead@example.org\"]\n[policy]\nmay-accept = [\"leed\"]\n"), @"
        cannot read `exp.toml`
        line 4, column 1: there is no role `leed` for `may-accept`; did you mean `lead`?
        ");
        assert_snapshot!(refusal("[policy]\nmay-acept = []\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `may-acept` in `policy`; did you mean `may-accept`?
        ");
        assert_snapshot!(refusal("[roles]\nlead = [\"lead@example.org\", \" \"]\n"), @"
        cannot read `exp.toml`
        line 2, column 1: somebody in the role `lead` has no name and no address
        ");
        assert_snapshot!(refusal("[roles]\nlead = 1\n"), @"
        cannot read `exp.toml`
        line 2, column 8: in `roles.lead`: invalid type: integer `1`, expected a text or a list of texts
        ");
        let five = ["manager", "lead", "experimenter", "infrastructure", "reviewer"];
        assert!(
            five.iter()
                .all(|role| parse(&format!("[policy]\nmay-accept = [\"{role}\"]\n"), "exp.toml").is_ok())
        );
    }

    #[test]
    fn the_longest_sealed_file_is_a_size() {
        let layer = parse("[seal]\nmax-size = \"5MiB\"\n", "exp.toml").expect("the file is right");
        assert_eq!(Settings::of([layer]).seal.max_size, Some(5 << 20));
        assert_snapshot!(refusal("[seal]\nmax-size = \"much\"\n"), @"
        cannot read `exp.toml`
        line 2, column 12: in `seal.max-size`: `much` is not a size; write it as `512KiB`, `10MiB` or `2GB`
        ");
        assert_snapshot!(refusal("[seal]\nsize = 1\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `size` in `seal`; known are `max-size`
        ");
    }

    #[test]
    fn a_least_number_of_ideas_is_a_number() {
        let layer = parse("[ideas]\nmin = 3\n", "exp.toml").expect("the file is right");
        assert_eq!(Settings::of([layer]).ideas.min, Some(3));
        assert_snapshot!(refusal("[ideas]\nminimum = 3\n"), @"
        cannot read `exp.toml`
        line 2, column 1: unknown key `minimum` in `ideas`; known are `min`
        ");
        assert_snapshot!(refusal("[ideas]\nmin = -1\n"), @"
        cannot read `exp.toml`
        line 2, column 7: in `ideas.min`: invalid value: integer `-1`, expected u32
        ");
        assert_snapshot!(refusal("[ideas]\nmin = \"three\"\n"), @r#"
        cannot read `exp.toml`
        line 2, column 7: in `ideas.min`: invalid type: string "three", expected u32
        "#);
    }

    #[test]
    fn a_pattern_that_cannot_work_is_an_error() {
        assert_snapshot!(refusal("[metrics.loss]\nmatch = 'loss: (\\S+'\n"), @r"
        cannot read `exp.toml`
        line 2, column 9: in `metrics.loss.match`: the regular expression `loss: (\S+` cannot be used: unclosed group
        ");
        assert_snapshot!(refusal("[metrics.loss]\nmatch = 'loss: \\S+'\n"), @r"
        cannot read `exp.toml`
        line 2, column 9: `loss: \S+` in `metrics.loss.match`: the pattern has no group in parentheses to catch the value, as in 'loss: (\S+)'
        ");
        assert_snapshot!(refusal("[capture]\nredact = ['[']\n"), @"
        cannot read `exp.toml`
        line 2, column 10: `['[']` in `capture.redact`: the regular expression `[` cannot be used: unclosed character class
        ");
    }

    #[test]
    fn a_built_in_metric_keeps_its_meaning() {
        assert_snapshot!(refusal("[metrics.wall_time]\nmin-effect = 0.1\nbetter = \"higher\"\n"), @"
        cannot read `exp.toml`
        line 3, column 1: `better` of the built-in metric `wall_time` cannot be changed
        hint: only `min-effect` can be given for it; report your own value under another name
        ");
    }

    #[test]
    fn a_name_that_no_metric_can_have_is_an_error() {
        assert_snapshot!(refusal("[metrics.\"my loss\"]\nunit = \"s\"\n"), @"
        cannot read `exp.toml`
        line 1, column 10: `my loss` cannot name a metric
        hint: use a name without spaces, quotes, `=` and backslashes
        ");
        assert_snapshot!(refusal("[params]\nlr = 1\n\"a b\" = 2\n"), @"
        cannot read `exp.toml`
        line 3, column 1: `a b` cannot name a parameter
        ");
    }

    #[test]
    fn broken_toml_is_shown_with_its_place() {
        assert_snapshot!(refusal("[metrics.loss\n"), @"
        cannot read `exp.toml`
        line 1, column 14: unclosed table, expected `]`
        ");
        assert_snapshot!(refusal("[run]\ntimeout = 1h\n"), @"
        cannot read `exp.toml`
        line 2, column 11: `1h`: string values must be quoted, expected literal string
        ");
        assert_snapshot!(refusal("[run]\n[run]\n"), @"
        cannot read `exp.toml`
        line 2, column 2: `run`: duplicate key
        ");
    }

    #[test]
    fn a_column_counts_characters() {
        assert_snapshot!(refusal("repos = { \"größe\" = \"x\", \"naïve\" = 1 }\n"), @"
        cannot read `exp.toml`
        line 1, column 36: in `repos.naïve`: invalid type: integer `1`, expected a string
        ");
    }

    #[test]
    fn a_later_layer_wins_and_lists_grow() {
        let user = parse(
            "[capture]\nhost = \"none\"\nmax-output = 1\nenv = [\"MINE\"]\n[params]\nlr = 1\nsize = 2\n",
            "~/.config/git/exp.toml",
        );
        let repository = parse(WHOLE, "exp.toml");
        let flags = Layer {
            run: RunLayer { timeout: None, seeds: Some(vec![7]), busy: None },
            params: BTreeMap::from([("lr".to_owned(), "3e-4".to_owned())]),
            ..Layer::default()
        };
        let settings =
            Settings::of([user.expect("the file is right"), repository.expect("the file is right"), flags]);
        assert_eq!(settings.capture.host, Naming::Hash);
        assert_eq!(settings.capture.max_output, 4096);
        assert_eq!(settings.capture.snapshot_max_total, 5_000_000);
        assert!(settings.capture.env.contains(&"MINE".to_owned()));
        assert!(settings.capture.env.contains(&"MY_*".to_owned()));
        assert!(settings.capture.env.contains(&"OMP_*".to_owned()));
        assert!(!settings.capture.env.contains(&"LANG".to_owned()));
        assert_eq!(settings.params["lr"], "3e-4");
        assert_eq!(settings.params["size"], "2");
        assert_eq!(settings.seeds, [7]);
        assert_eq!(settings.timeout, Some(Duration::from_mins(90)));
        assert_eq!(settings.metric("peak_rss").and_then(|metric| metric.unit.as_deref()), Some("bytes"));
    }

    #[test]
    fn rules_come_from_the_agreed_file_and_capture_from_the_running_one() {
        let layer = |text| parse(text, "exp.toml").expect("the file is right");
        let agreed = layer(
            "[metrics.loss]\nbetter = \"lower\"\n[export]\nfile = \"a.tsv\"\n[capture]\nhost = \"none\"\n",
        );
        let running =
            layer("[metrics.loss]\nbetter = \"higher\"\n[export]\nfile = \"b.tsv\"\n[params]\nlr = 1\n");
        let settings = Settings::joined(Settings::of([agreed]), Settings::of([running]));
        assert_eq!(settings.metrics["loss"].better, Some(Better::Lower));
        assert_eq!(settings.export.file.as_deref(), Some("a.tsv"));
        assert_eq!(settings.capture.host, Naming::Hash);
        assert_eq!(settings.params["lr"], "1");
    }

    #[test]
    fn what_anybody_calls_private_is() {
        let layer = |text| Settings::of([parse(text, "exp.toml").expect("the file is right")]);
        let agreed = layer("[capture]\nprivate-files = \"*.csv\"\nprivate-text = \"a+\"\n");
        let running = layer("[capture]\nprivate-files = [\"x\"]\n");
        let capture = Settings::joined(agreed, running).capture;
        assert_eq!((capture.private_files.len(), capture.private_text.len()), (2, 1));
        assert_snapshot!(refusal("[capture]\nprivate-text = [\"a\", \"(\"]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 16: `["a", "("]` in `capture.private-text`: the regular expression `(` cannot be used: unclosed group
        "#);
        assert_snapshot!(refusal("[capture]\nprivate-files = [\"/etc\"]\n"), @r#"
        cannot read `exp.toml`
        line 2, column 17: `["/etc"]` in `capture.private-files`: the pattern `/etc` cannot be used: it leads out of the repository; write it from the top, as `eval/**`
        "#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~\n\"'é\u{feff}\\[\\]={}.]{0,60}") {
            let _ = parse(&text, "exp.toml");
        }

        #[test]
        fn no_damage_to_a_file_makes_it_panic(at in 0..WHOLE.len(), length in 0_usize..40) {
            let end = (at + length).min(WHOLE.len());
            let text = format!("{}{}", &WHOLE[..at], &WHOLE[end..]);
            let _ = parse(&text, "exp.toml");
        }
    }
}
