//! What a sealed comparison was judged by, as `.exp/terms.json` has it: all but the runs and the brief, which are entries.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::domain::brief::Brief;
use crate::domain::comparison::{Plan, Seen, Terms, WithdrawnRuns};
use crate::domain::id::EntryId;
use crate::domain::metric::{Better, Definition, Kind, Scale, Summary};
use crate::domain::run::PairSide;

/// What the file says it is.
const SCHEMA: &str = "git-exp/terms/1";

/// What a comparison was judged by.
#[derive(Debug, Serialize, Deserialize)]
pub struct SealedTerms {
    schema: String,
    /// What baseline and candidate are called.
    pub names: [String; 2],
    brief: String,
    /// The briefs that planned otherwise.
    earlier: Vec<String>,
    definitions: BTreeMap<String, SealedDefinition>,
    known_definitions: BTreeMap<String, SealedDefinition>,
    promised_baseline: Option<String>,
    amended: Option<String>,
    unconfirmed_best_of: Option<usize>,
    looks: Vec<SealedLook>,
    scope: BTreeMap<String, Vec<String>>,
    family: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<SealedWithdrawn>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SealedWithdrawn {
    side: String,
    runs: Vec<String>,
    by: String,
    seconds: f64,
    because: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct SealedDefinition {
    unit: Option<String>,
    better: Option<String>,
    kind: Option<String>,
    summary: String,
    scale: String,
    pattern: Option<String>,
    min_effect: Option<f64>,
    description: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SealedLook {
    trials: u64,
    newest: [String; 2],
}

/// The same, once it is read: [`Terms`] borrow from it.
pub struct ReadTerms {
    /// What baseline and candidate are called.
    pub names: [String; 2],
    /// The entry with the brief in force.
    pub brief: EntryId,
    earlier: HashSet<EntryId>,
    definitions: BTreeMap<String, Definition>,
    known_definitions: BTreeMap<String, Definition>,
    looks: Vec<Seen>,
    withdrawn: Vec<WithdrawnRuns>,
    stored: SealedTerms,
}

impl SealedTerms {
    /// What there is to store of the terms and the plan of a comparison.
    pub fn new(names: [&str; 2], brief: EntryId, terms: &Terms<'_>, plan: &Plan) -> Self {
        let mut earlier: Vec<String> = plan.earlier.iter().map(EntryId::to_hex).collect();
        earlier.sort_unstable();
        Self {
            schema: SCHEMA.to_owned(),
            names: names.map(str::to_owned),
            brief: brief.to_hex(),
            earlier,
            definitions: stored(terms.definitions),
            known_definitions: stored(terms.known_definitions),
            promised_baseline: terms.promised_baseline.clone(),
            amended: terms.amended.clone(),
            unconfirmed_best_of: terms.unconfirmed_best_of,
            looks: terms
                .looks
                .iter()
                .map(|it| SealedLook {
                    trials: it.trials,
                    newest: [it.newest.0.to_hex(), it.newest.1.to_hex()],
                })
                .collect(),
            scope: terms.scope.clone(),
            family: terms.family,
            withdrawn: terms
                .withdrawn
                .iter()
                .map(|it| SealedWithdrawn {
                    side: it.side.word().to_owned(),
                    runs: it.runs.iter().map(EntryId::to_hex).collect(),
                    by: it.by.to_hex(),
                    seconds: it.seconds,
                    because: it.because.clone(),
                })
                .collect(),
        }
    }

    /// The bytes that are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("terms hold nothing that JSON cannot");
        bytes.push(b'\n');
        bytes
    }
}

impl ReadTerms {
    /// The terms that `bytes` hold, or why they hold none.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let terms: SealedTerms =
            serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        if terms.schema != SCHEMA {
            return Err(format!("its schema `{}` is not known to this version", terms.schema));
        }
        let looks = terms.looks.iter().map(|it| {
            let newest = (id(&it.newest[0])?, id(&it.newest[1])?);
            Ok(Seen { trials: it.trials, newest })
        });
        let withdrawn = terms.withdrawn.iter().map(|it| {
            Ok(WithdrawnRuns {
                side: PairSide::from_word(&it.side).ok_or("it names no side")?,
                runs: it.runs.iter().map(|text| id(text)).collect::<Result<_, _>>()?,
                by: id(&it.by)?,
                seconds: it.seconds,
                because: it.because.clone(),
            })
        });
        Ok(Self {
            withdrawn: withdrawn.collect::<Result<_, String>>()?,
            names: terms.names.clone(),
            brief: id(&terms.brief)?,
            earlier: terms.earlier.iter().map(|text| id(text)).collect::<Result<_, _>>()?,
            definitions: read(&terms.definitions)?,
            known_definitions: read(&terms.known_definitions)?,
            looks: looks.collect::<Result<_, String>>()?,
            stored: terms,
        })
    }

    /// What was planned in `brief`.
    pub fn plan(&self, brief: &Brief) -> Plan {
        Plan {
            trials: Some(brief.planned_trials()),
            looks: brief.looks.clone(),
            earlier: self.earlier.clone(),
        }
    }

    /// What is judged by, with the criteria of `brief`.
    pub fn terms<'a>(&'a self, brief: &'a Brief) -> Terms<'a> {
        Terms {
            definitions: &self.definitions,
            known_definitions: &self.known_definitions,
            accept: &brief.accept,
            guard: &brief.guard,
            is_scratch: false,
            promised_baseline: self.stored.promised_baseline.clone(),
            amended: self.stored.amended.clone(),
            unconfirmed_best_of: self.stored.unconfirmed_best_of,
            looks: self.looks.clone(),
            is_selection: false,
            cross_check: false,
            scope: &self.stored.scope,
            family: self.stored.family,
            withdrawn: self.withdrawn.clone(),
        }
    }
}

fn id(text: &str) -> Result<EntryId, String> {
    text.parse().map_err(|error: crate::domain::id::IdError| error.to_string())
}

fn stored(definitions: &BTreeMap<String, Definition>) -> BTreeMap<String, SealedDefinition> {
    let one = |it: &Definition| SealedDefinition {
        unit: it.unit.clone(),
        better: it.better.map(|it| it.word().to_owned()),
        kind: it.kind.map(|it| it.word().to_owned()),
        summary: it.summary.word().to_owned(),
        scale: it.scale.word().to_owned(),
        pattern: it.pattern.clone(),
        min_effect: it.min_effect,
        description: it.description.clone(),
    };
    definitions.iter().map(|(name, it)| (name.clone(), one(it))).collect()
}

fn read(definitions: &BTreeMap<String, SealedDefinition>) -> Result<BTreeMap<String, Definition>, String> {
    fn word<T>(from_word: impl Fn(&str) -> Option<T>, text: &str) -> Result<T, String> {
        from_word(text).ok_or_else(|| format!("`{text}` is not a word known here"))
    }
    let one = |it: &SealedDefinition| {
        Ok::<_, String>(Definition {
            unit: it.unit.clone(),
            better: it.better.as_deref().map(|text| word(Better::from_word, text)).transpose()?,
            kind: it.kind.as_deref().map(|text| word(Kind::from_word, text)).transpose()?,
            summary: word(Summary::from_word, &it.summary)?,
            scale: word(Scale::from_word, &it.scale)?,
            pattern: it.pattern.clone(),
            min_effect: it.min_effect,
            description: it.description.clone(),
        })
    };
    definitions.iter().map(|(name, it)| Ok((name.clone(), one(it)?))).collect()
}
