//! What the index knows of entries, column by column.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::domain::entry::{Body, Entry};
use crate::domain::id::{EntryId, Nonce};
use crate::domain::run::Run;
use crate::domain::tried::Said;

/// Stands in a column of numbers where an entry has none; a NaN with bits of its own, unlike a NaN that was recorded.
pub const MISSING: f64 = f64::from_bits(0x7ff8_0000_6578_7030);

/// Whether `value` stands for no value, rather than being a recorded NaN.
pub fn is_missing(value: f64) -> bool {
    value.to_bits() == MISSING.to_bits()
}

/// Numbers of one name, for the rows that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub rows: Vec<u32>,
    pub values: Vec<f64>,
}

/// Texts of one name, for the rows that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub rows: Vec<u32>,
    /// Indices into `strings`.
    pub values: Vec<u32>,
    pub strings: Vec<String>,
    known: HashMap<String, u32>,
}

impl Texts {
    fn push(&mut self, row: u32, text: &str) {
        // Neighbours often say the same, which need not be looked up.
        let last = self.values.last().filter(|last| self.strings[**last as usize] == text);
        let value = last.copied().unwrap_or_else(|| self.value_of(text));
        self.rows.push(row);
        self.values.push(value);
    }

    /// The place of `text` among the strings.
    fn value_of(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let next = u32::try_from(self.strings.len()).expect("fewer texts than rows");
        self.strings.push(text.to_owned());
        self.known.insert(text.to_owned(), next);
        next
    }
}

/// Rows of the index, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub(super) entries: Vec<[u8; 32]>,
    pub(super) nonces: Vec<[u8; 16]>,
    /// The object names of the commits, one after the other.
    pub(super) commits: Vec<u8>,
    /// The object names of the blobs that hold the entries, one after the other.
    pub(super) blobs: Vec<u8>,
    pub(super) numbers: BTreeMap<String, Numbers>,
    pub(super) texts: BTreeMap<String, Texts>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the row of `entry`, which is held by the commit and the blob of these names.
    pub fn push(&mut self, entry: &Entry, commit: &[u8], blob: &[u8]) {
        let row = u32::try_from(self.len()).expect("fewer than four thousand million entries");
        let EntryId(id) = entry.id;
        let Nonce(nonce) = entry.nonce;
        self.entries.push(id);
        self.nonces.push(nonce);
        self.commits.extend_from_slice(commit);
        self.blobs.extend_from_slice(blob);
        self.number(row, "time", entry.time.as_microsecond() as f64);
        self.text(row, "kind", kind_word(&entry.body));
        self.text(row, "writer", entry.writer.as_str());
        if let Some(experiment) = entry.experiment() {
            self.text(row, "experiment", experiment.as_str());
        }
        if !entry.replaces.is_empty() {
            let replaced: Vec<String> = entry.replaces.iter().map(EntryId::to_hex).collect();
            self.text(row, "replaces", &replaced.join(" "));
        }
        if let Body::Run(run) = &entry.body {
            self.push_run(row, run);
        }
        if let Some(said) = Said::of(entry) {
            self.text(row, "about", &said.about);
            self.text(row, "words", &said.digest);
        }
    }

    /// The latest time of an entry, in microseconds.
    pub(super) fn latest(&self) -> f64 {
        let times = self.numbers.get("time").map_or(&[][..], |column| &column.values);
        times.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether each of its entries is later than the one before it, and the first than `time`, in microseconds.
    pub(super) fn is_later_than(&self, time: f64) -> bool {
        let times = self.numbers.get("time").map_or(&[][..], |column| &column.values);
        times.first().is_none_or(|first| *first > time) && times.is_sorted_by(|a, b| a < b)
    }

    /// Adds those rows of `other` that `keeps` says.
    pub(super) fn append(&mut self, other: &Self, keeps: &[bool]) {
        let mut next = u32::try_from(self.len()).expect("fewer than four thousand million entries");
        let places: Vec<Option<u32>> = keeps
            .iter()
            .map(|keeps| {
                keeps.then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let place = |row: u32| places[row as usize];
        let length = other.commits.len().checked_div(other.len()).unwrap_or_default();
        for (row, _) in keeps.iter().enumerate().filter(|(_, keeps)| **keeps) {
            self.entries.push(other.entries[row]);
            self.nonces.push(other.nonces[row]);
            self.commits.extend_from_slice(&other.commits[row * length..(row + 1) * length]);
            self.blobs.extend_from_slice(&other.blobs[row * length..(row + 1) * length]);
        }
        for (name, from) in &other.numbers {
            let column = self.numbers.entry(name.clone()).or_default();
            for (row, value) in from.rows.iter().zip(&from.values) {
                if let Some(row) = place(*row) {
                    column.rows.push(row);
                    column.values.push(*value);
                }
            }
        }
        for (name, from) in &other.texts {
            let column = self.texts.entry(name.clone()).or_default();
            // Each distinct text is looked up once, however many rows have it.
            let values: Vec<u32> = from.strings.iter().map(|text| column.value_of(text)).collect();
            for (row, value) in from.rows.iter().zip(&from.values) {
                if let Some(row) = place(*row) {
                    column.rows.push(row);
                    column.values.push(values[*value as usize]);
                }
            }
        }
    }

    fn push_run(&mut self, row: u32, run: &Run) {
        self.number(row, "started", run.started.as_microsecond() as f64 / 1e6);
        self.number(row, "wall_seconds", run.wall_seconds);
        if run.pair.is_some_and(|pair| pair.number == 0) {
            self.text(row, "warm_up", "true");
        }
        if run.evaluation_changed {
            self.text(row, "evaluation_changed", "true");
        }
        if run.accelerators > 0 {
            self.number(row, "accelerator_seconds", run.wall_seconds * f64::from(run.accelerators));
        }
        self.number(row, "trial", f64::from(run.trial));
        if let Some(seed) = run.seed {
            self.number(row, "seed", seed as f64);
        }
        if let Some(exit) = run.exit.shell_status() {
            self.number(row, "exit", f64::from(exit));
        }
        self.text(row, "status", run.status.word());
        self.text(row, "commit", run.code.commit.as_str());
        self.text(row, "exact", if run.code.is_exact() { "true" } else { "false" });
        if let Some(base) = &run.code.base {
            self.text(row, "base", base.as_str());
        }
        if let Some(registration) = &run.membership.registration {
            self.text(row, "registration", &registration.to_hex());
        }
        if let Some(label) = &run.label {
            self.text(row, "label", label);
        }
        if let Some(branch) = &run.code.branch {
            self.text(row, "branch", branch);
        }
        let mut words = String::new();
        for (place, word) in run.argv.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            let _ = write!(words, "{space}{word}");
        }
        self.text(row, "argv", &words);
        let mut column = String::new();
        for (name, value) in &run.params {
            column.clear();
            let _ = write!(column, "param.{name}");
            self.text(row, &column, value);
        }
        for (name, value) in &run.metrics {
            column.clear();
            let _ = write!(column, "metric.{name}");
            if let Some(value) = value.value {
                self.number(row, &column, value);
            }
            for (case, value) in &value.cases {
                self.number(row, &format!("{column}[{case}]"), *value);
            }
        }
    }

    fn number(&mut self, row: u32, name: &str, value: f64) {
        let column = match self.numbers.get_mut(name) {
            Some(column) => column,
            None => self.numbers.entry(name.to_owned()).or_default(),
        };
        column.rows.push(row);
        column.values.push(value);
    }

    pub(super) fn text(&mut self, row: u32, name: &str, text: &str) {
        let column = match self.texts.get_mut(name) {
            Some(column) => column,
            None => self.texts.entry(name.to_owned()).or_default(),
        };
        column.push(row, text);
    }
}

fn kind_word(body: &Body) -> &str {
    match body {
        // Whatever it calls itself, no view may take it for one that can be read.
        Body::Unreadable { .. } => "unreadable",
        body => body.kind(),
    }
}
