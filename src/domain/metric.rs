//! Metrics: named numbers with a unit, a direction and a kind; their points, series and summaries.

use std::collections::BTreeMap;

/// The direction in which a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// Less is better, as for a loss or a time.
    Lower,
    /// More is better, as for a throughput.
    Higher,
}

/// What a metric's value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Varies with the machine: times, memory.
    Measured,
    /// A function of code, data and seed: loss, accuracy.
    Quality,
    /// A function of code and parameters alone, the same in every trial: numbers of parameters, lengths of files.
    Exact,
}

/// How a series becomes one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Summary {
    /// The value that was reported last.
    #[default]
    Last,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The arithmetic mean.
    Mean,
    /// The middle value, or the mean of the two middle ones.
    Median,
}

/// The scale on which two values of a metric are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scale {
    /// By their ratio: the usual case, for values that stay away from zero.
    #[default]
    Ratio,
    /// By their difference: for values near or across zero.
    Difference,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in the order in which they are listed to people.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it in files, options and output.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that `word` names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
pub(crate) use words;

words!(Better { Lower = "lower", Higher = "higher" });
words!(Kind { Measured = "measured", Quality = "quality", Exact = "exact" });
words!(Summary { Last = "last", Min = "min", Max = "max", Mean = "mean", Median = "median" });
words!(Scale { Ratio = "ratio", Difference = "difference" });

/// What a metric is: declared in `exp.toml`, reported beside a value, or built in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// The unit of its values, as `ms`.
    pub unit: Option<String>,
    /// Its direction; without one it gets a delta and no verdict.
    pub better: Option<Better>,
    /// What its value depends on; without one it is taken as `quality`.
    pub kind: Option<Kind>,
    /// How a series becomes one value.
    pub summary: Summary,
    /// The scale on which it is compared.
    pub scale: Scale,
    /// The regular expression that finds it in the output.
    pub pattern: Option<String>,
    /// The smallest relative effect (or difference, by its scale) that matters.
    pub min_effect: Option<f64>,
    /// What it means, for people.
    pub description: Option<String>,
}

/// One reported value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// The value; it may be NaN or infinite.
    pub value: f64,
    /// The unit that was reported with it.
    pub unit: Option<String>,
    /// The direction that was reported with it.
    pub better: Option<Better>,
    /// The step it belongs to, as the command counts.
    pub step: Option<f64>,
    /// The named variant of the input it belongs to.
    pub case: Option<String>,
    /// Seconds since the run began.
    pub seconds: Option<f64>,
}

/// All points of one metric for one case, in the order in which they were reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The values, which may be NaN or infinite.
    pub values: Vec<f64>,
    /// The steps, NaN where none was reported; as long as `values`.
    pub steps: Vec<f64>,
    /// Seconds since the run began, NaN where not known; as long as `values`.
    pub seconds: Vec<f64>,
}

/// What one metric came to in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// The summary over the points without a case; absent where every point has one.
    pub value: Option<f64>,
    /// The summary for each case.
    pub cases: BTreeMap<String, f64>,
    /// The unit of these values.
    pub unit: Option<String>,
    /// The direction in which they improve.
    pub better: Option<Better>,
    /// What they depend on.
    pub kind: Option<Kind>,
    /// How many points were summarised, over all cases.
    pub points: u64,
    /// The hash of what defines the value, in hex: see [`Definition::fingerprint_text`].
    pub definition: Option<String>,
}

impl Value {
    /// Whether every summary in it is a finite number.
    pub fn is_finite(&self) -> bool {
        self.value.is_none_or(f64::is_finite) && self.cases.values().all(|value| value.is_finite())
    }
}

impl Summary {
    /// The summary of `values`, `None` when there are none.
    ///
    /// A value that is not finite makes every summary but `last` NaN, so that it cannot hide.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        let last = *values.last()?;
        if self == Self::Last {
            return Some(last);
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Some(f64::NAN);
        }
        Some(match self {
            Self::Last => last,
            Self::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Self::Median => median(values),
        })
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

impl Definition {
    /// The text whose hash tells whether two values mean the same: unit, direction, summary and pattern.
    ///
    /// The description and the smallest effect are left out: changing them leaves the values as they were.
    pub fn fingerprint_text(&self) -> String {
        let field = |value: Option<&str>| value.map_or_else(|| "-".to_owned(), |text| format!("{text:?}"));
        format!(
            "unit={} better={} summary={} match={}",
            field(self.unit.as_deref()),
            field(self.better.map(Better::word)),
            self.summary.word(),
            field(self.pattern.as_deref()),
        )
    }
}

/// The metrics that every run has: name, unit.
///
/// All are measured and better when lower.
pub const BUILT_IN: &[(&str, &str)] = &[("wall_time", "s"), ("cpu_time", "s"), ("peak_rss", "bytes")];

/// The definition of a built-in metric.
pub fn built_in(name: &str) -> Option<Definition> {
    let (_, unit) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(Definition {
        unit: Some((*unit).to_owned()),
        better: Some(Better::Lower),
        kind: Some(Kind::Measured),
        ..Definition::default()
    })
}

/// Whether `name` may name a metric, a case or a parameter: not empty, at most 200 bytes, no spaces, quotes or control characters.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '=' | '"' | '\'' | '`' | '\\'))
}
