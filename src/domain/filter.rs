//! The language that picks and orders runs: `val_loss < 2.5 and lr > 1e-4`, `-val_loss,started`.
//!
//! A comparison needs a value on its left: a run that lacks it matches neither `x = 1` nor `x != 1`, nor any
//! other comparison with `x`. `not` turns the answer of what follows it around and nothing else, so `not x = 1`
//! matches runs that lack `x`. `has x` and `missing x` ask for the value itself.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use super::bytes::OsBytes;
use super::metric::{is_name, words};
use super::quantity::{parse_duration, parse_size};
use super::run::{Run, Status};

/// A field that every run has, whatever it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// How it ended.
    Status,
    /// The label it was given.
    Label,
    /// The experiment it belongs to; compared ignoring case.
    Experiment,
    /// The topic of its experiment.
    Topic,
    /// Which trial it was, from 1.
    Trial,
    /// The seed it was given.
    Seed,
    /// The status that a shell would show.
    Exit,
    /// The commit that ran; any prefix of four digits or more is equal to it.
    Commit,
    /// The branch that was checked out.
    Branch,
    /// When it began, in seconds since 1970.
    Started,
    /// `true` where the commit is exactly what ran, else `false`.
    Exact,
    /// The command and its arguments, joined by spaces.
    Argv,
    /// How long it took, in seconds.
    WallTime,
}

words!(Field {
    Status = "status",
    Label = "label",
    Experiment = "experiment",
    Topic = "topic",
    Trial = "trial",
    Seed = "seed",
    Exit = "exit",
    Commit = "commit",
    Branch = "branch",
    Started = "started",
    Exact = "exact",
    Argv = "argv",
    WallTime = "wall_time",
});

/// What a comparison, `has` or a sort key is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A name alone: the metric, else the parameter, else the field of that name.
    Bare(BareName),
    /// `metric.x` or `x[case]`.
    Metric {
        /// The metric's name.
        name: String,
        /// The named variant of the input; the value over all where absent.
        case: Option<String>,
    },
    /// `param.x`.
    Param(String),
    /// `run.x`.
    Field(Field),
}

/// A name alone, with what it can stand for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BareName {
    text: String,
    // Kept, so that looking at a hundred thousand runs does not make a hundred thousand strings.
    candidates: Vec<Name>,
}

impl Name {
    /// The metric, parameter or field called `text`, whichever a run has first.
    pub fn bare(text: &str) -> Self {
        let mut candidates =
            vec![Self::Metric { name: text.to_owned(), case: None }, Self::Param(text.to_owned())];
        candidates.extend(Field::from_word(text).map(Self::Field));
        Self::Bare(BareName { text: text.to_owned(), candidates })
    }

    /// What it can stand for, the first that a run has being meant; never a bare name.
    pub fn candidates(&self) -> &[Self] {
        match self {
            Self::Bare(bare) => &bare.candidates,
            name => std::slice::from_ref(name),
        }
    }

    /// Whether it can stand for `field`.
    fn may_be(&self, field: Field) -> bool {
        self.candidates().contains(&Self::Field(field))
    }

    /// Whether it stands for a metric called `metric`, or can.
    fn may_be_metric(&self, metric: &str) -> bool {
        self.candidates().iter().any(|name| matches!(name, Self::Metric { name, .. } if name == metric))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case_of = |f: &mut fmt::Formatter<'_>, case: &Option<String>| match case {
            Some(case) if case.chars().all(is_name_character) => write!(f, "[{case}]"),
            Some(case) => write!(f, "[`{case}`]"),
            None => Ok(()),
        };
        match self {
            Self::Bare(BareName { text, .. }) if PREFIXES.iter().any(|prefix| text.starts_with(prefix)) => {
                write!(f, "`{text}`")
            }
            Self::Bare(BareName { text, .. }) => f.write_str(&quoted_name(text)),
            Self::Metric { name, case } => {
                write!(f, "metric.{}", quoted_name(name))?;
                case_of(f, case)
            }
            Self::Param(name) => write!(f, "param.{}", quoted_name(name)),
            Self::Field(field) => write!(f, "run.{field}"),
        }
    }
}

const PREFIXES: [&str; 3] = ["metric.", "param.", "run."];

fn quoted_name(name: &str) -> Cow<'_, str> {
    if name.chars().all(is_name_character) && !is_keyword(name) && !name.starts_with('-') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("`{name}`"))
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "has", "missing"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

fn is_name_character(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"()[]<>=!~,&|\"'`\\".contains(c)
}

fn is_value_character(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"()<>=!,&|\"'`\\".contains(c)
}

/// How the two sides of a comparison must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `=` or `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `~`: the text holds the value, or matches it where it has `*` or `?` in it; ignoring case.
    Like,
}

words!(Operator {
    Less = "<",
    AtMost = "<=",
    Greater = ">",
    AtLeast = ">=",
    Equal = "=",
    NotEqual = "!=",
    Like = "~",
});

impl Operator {
    fn is_ordering(self) -> bool {
        matches!(self, Self::Less | Self::AtMost | Self::Greater | Self::AtLeast)
    }

    /// Whether it holds for two sides that stand as `ordering` says; `None` where either is NaN.
    pub fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Less => ordering == Some(Ordering::Less),
            Self::AtMost => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => ordering == Some(Ordering::Greater),
            Self::AtLeast => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Self::Equal => ordering == Some(Ordering::Equal),
            Self::NotEqual => ordering != Some(Ordering::Equal),
            Self::Like => false,
        }
    }
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; its text decides where the left side is text.
    Number {
        /// What was written, as `1e-4` or `2h`.
        text: String,
        /// The number, never NaN, in the unit of the left side.
        number: f64,
    },
    /// Text.
    Text(String),
    /// A span of time: a day, a second, or a moment without length.
    Time {
        /// What was written, as `2026-11-21` or `2d`.
        text: String,
        /// Its first moment.
        from: Timestamp,
        /// The first moment after it; the same as `from` for a moment without length.
        until: Timestamp,
    },
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, must_be_quoted) = match self {
            Self::Number { text, .. } | Self::Time { text, .. } => (text, false),
            Self::Text(text) => (text, number_of(text).is_some() || is_keyword(text)),
        };
        if !text.is_empty() && !must_be_quoted && text.chars().all(is_value_character) {
            f.write_str(text)
        } else {
            write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
    }
}

/// A name, an operator and a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The left side.
    pub name: Name,
    /// How the sides must stand to each other.
    pub operator: Operator,
    /// The right side.
    pub value: Value,
}

/// What a run must be to be picked.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All of at least two hold.
    And(Vec<Self>),
    /// One of at least two holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A comparison holds.
    Compare(Comparison),
    /// The run has a value of this name.
    Has(Name),
    /// The run has no value of this name.
    Missing(Name),
}

/// What an expression asks of a run; it never asks for a bare name.
pub trait Fields {
    /// The number that `name` has in this run; times are seconds since 1970, see [`seconds_since_epoch`].
    fn number(&self, name: &Name) -> Option<f64>;

    /// The text that `name` has in this run; a parameter has both where its text spells a number.
    fn text(&self, name: &Name) -> Option<Cow<'_, str>>;
}

/// The moment as seconds since 1970, to the microsecond.
pub fn seconds_since_epoch(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1e6
}

impl Comparison {
    /// Whether it holds for a left side with this number.
    pub fn holds_for_number(&self, left: f64) -> bool {
        match &self.value {
            Value::Number { number, .. } => self.operator.holds(left.partial_cmp(number)),
            Value::Time { from, until, .. } => {
                let (from, until) = (seconds_since_epoch(*from), seconds_since_epoch(*until));
                let is_within = (from..until).contains(&left);
                match self.operator {
                    Operator::Less => left < from,
                    // A moment without length ends where it begins, and is itself at most itself.
                    Operator::AtMost => left < until || left <= from,
                    Operator::Greater => left >= until && left > from,
                    Operator::AtLeast => left >= from,
                    Operator::Equal => is_within,
                    Operator::NotEqual => !is_within,
                    Operator::Like => false,
                }
            }
            Value::Text(_) => self.operator == Operator::NotEqual,
        }
    }

    /// Whether it holds for a left side with this text; `name` is what the left side turned out to be.
    pub fn holds_for_text(&self, name: &Name, left: &str) -> bool {
        let (Value::Text(right) | Value::Number { text: right, .. } | Value::Time { text: right, .. }) =
            &self.value;
        let is_equal = || match name {
            Name::Field(Field::Experiment) => left.eq_ignore_ascii_case(right),
            Name::Field(Field::Commit) if right.len() >= 4 => {
                left.get(..right.len()).is_some_and(|start| start.eq_ignore_ascii_case(right))
            }
            _ => left == right,
        };
        match self.operator {
            Operator::Equal => is_equal(),
            Operator::NotEqual => !is_equal(),
            Operator::Like => is_like(left, right),
            _ => false,
        }
    }

    fn evaluate(&self, fields: &dyn Fields) -> bool {
        for name in self.name.candidates() {
            let wants_text = matches!(self.value, Value::Text(_));
            if !wants_text && let Some(left) = fields.number(name) {
                return self.holds_for_number(left);
            }
            if let Some(left) = fields.text(name) {
                return self.holds_for_text(name, &left);
            }
            if wants_text && let Some(left) = fields.number(name) {
                return self.holds_for_number(left);
            }
        }
        false
    }
}

/// Whether `text` holds `pattern`, or matches it as a whole where it has `*` or `?` in it; ignoring case.
fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let mut pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    if !pattern.contains(&'*') && !pattern.contains(&'?') {
        pattern.insert(0, '*');
        pattern.push('*');
    }
    // Remembers the last star only, so that the time is at most the product of the lengths.
    let (mut at, mut in_pattern, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(&c) if c == '?' || c == text[at] => {
                at += 1;
                in_pattern += 1;
            }
            _ => {
                let Some((star_in_pattern, star_at)) = star else { return false };
                star = Some((star_in_pattern, star_at + 1));
                at = star_at + 1;
                in_pattern = star_in_pattern + 1;
            }
        }
    }
    pattern[in_pattern..].iter().all(|&c| c == '*')
}

fn is_present(name: &Name, fields: &dyn Fields) -> bool {
    name.candidates().iter().any(|name| fields.number(name).is_some() || fields.text(name).is_some())
}

impl Expression {
    /// The expression that `text` spells; `moment` is what `2d` and `2026-11-21` are relative to.
    pub fn parse(text: &str, moment: &Moment) -> Result<Self, FilterError> {
        let mut parser = Parser { text, at: 0, depth: 0, moment: Some(moment) };
        let expression = parser.any_of()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.unexpected("expected `and`, `or` or the end"));
        }
        Ok(expression)
    }

    /// Whether it holds for a run.
    pub fn evaluate(&self, fields: &dyn Fields) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.evaluate(fields)),
            Self::Or(parts) => parts.iter().any(|part| part.evaluate(fields)),
            Self::Not(part) => !part.evaluate(fields),
            Self::Compare(comparison) => comparison.evaluate(fields),
            Self::Has(name) => is_present(name, fields),
            Self::Missing(name) => !is_present(name, fields),
        }
    }

    /// Every name in it, once each, in the order in which they first stand.
    pub fn names(&self) -> Vec<&Name> {
        fn collect<'a>(expression: &'a Expression, names: &mut Vec<&'a Name>) {
            match expression {
                Expression::And(parts) | Expression::Or(parts) => {
                    for part in parts {
                        collect(part, names);
                    }
                }
                Expression::Not(part) => collect(part, names),
                Expression::Compare(Comparison { name, .. })
                | Expression::Has(name)
                | Expression::Missing(name) => {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
        }
        let mut names = Vec::new();
        collect(self, &mut names);
        names
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str, is_alone: fn(&Self) -> bool| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                if is_alone(part) { write!(f, "{part}")? } else { write!(f, "({part})")? }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => joined(f, parts, "and", |part| !matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(parts) => joined(f, parts, "or", |part| !matches!(part, Self::Or(_))),
            Self::Not(part) if matches!(**part, Self::And(_) | Self::Or(_)) => write!(f, "not ({part})"),
            Self::Not(part) => write!(f, "not {part}"),
            Self::Compare(Comparison { name, operator, value }) => write!(f, "{name} {operator} {value}"),
            Self::Has(name) => write!(f, "has {name}"),
            Self::Missing(name) => write!(f, "missing {name}"),
        }
    }
}

/// Where and when a filter is read: dates are of this zone, `2d` counts back from now.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The present.
    pub now: Timestamp,
    /// The zone of dates and times without one.
    pub zone: TimeZone,
}

impl Moment {
    /// The span of time that `text` names: `2d`, `today`, `2026-11-21`, `2026-11-21T10:00`, RFC 3339.
    pub fn span_of(&self, text: &str) -> Option<(Timestamp, Timestamp)> {
        let day = |date: civil::Date| {
            let from = date.to_zoned(self.zone.clone()).ok()?;
            let until = date.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?;
            Some((from.timestamp(), until.timestamp()))
        };
        let today = || self.now.to_zoned(self.zone.clone()).date();
        let text = text.trim();
        match text {
            "now" => return Some((self.now, self.now)),
            "today" => return day(today()),
            "yesterday" => return day(today().yesterday().ok()?),
            _ => {}
        }
        if let Ok(back) = parse_duration(text.strip_suffix("ago").unwrap_or(text).trim_end()) {
            let moment = self.now.checked_sub(SignedDuration::try_from(back).ok()?).ok()?;
            return Some((moment, moment));
        }
        if text.len() == 10 {
            return day(text.parse().ok()?);
        }
        let lasting = |from: Timestamp, seconds: i64| {
            Some((from, from.checked_add(SignedDuration::from_secs(seconds)).ok()?))
        };
        if let Ok(from) = text.parse::<Timestamp>() {
            return lasting(from, 1);
        }
        let from = text.parse::<civil::DateTime>().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp();
        lasting(from, if text.len() == "2026-11-21T10:00".len() { 60 } else { 1 })
    }
}

/// Why a text is not a filter or a sort key, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What was given.
    pub text: String,
    /// The character at which it goes wrong, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
}

impl FilterError {
    /// The next step for whoever wrote it, where one is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl std::error::Error for FilterError {}

/// Shows what is wrong, then the text with a caret under the place.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line: String =
            self.text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        write!(
            f,
            "column {}: {}\n    {line}\n    {}^",
            self.column,
            self.problem,
            " ".repeat(self.column - 1)
        )
    }
}

/// The deepest nesting of parentheses and `not` that is read.
const DEEPEST: usize = 64;

struct Parser<'a> {
    text: &'a str,
    /// The byte that is looked at next, always between two characters.
    at: usize,
    depth: usize,
    moment: Option<&'a Moment>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error_at(&self, at: usize, problem: impl Into<String>, hint: Option<&str>) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            column: self.text[..at].chars().count() + 1,
            problem: problem.into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// The error that something else stands here than what was expected.
    fn unexpected(&self, expected: &str) -> FilterError {
        let hint = [
            ("&&", "write `and`"),
            ("&", "write `and`"),
            ("||", "write `or`"),
            ("|", "write `or`"),
            ("!~", "write `not x ~ text`"),
            ("!", "write `not`"),
            ("~=", "write `~`"),
            ("=~", "write `~`"),
        ];
        let hint = hint.iter().find(|(start, _)| self.rest().starts_with(start)).map(|(_, hint)| *hint);
        let word: String = match self.rest().chars().next() {
            None => return self.error_at(self.at, format!("{expected}, but the text ends here"), hint),
            Some(first) if is_name_character(first) => {
                self.rest().chars().take_while(|&c| is_name_character(c)).take(40).collect()
            }
            Some(first) => first.to_string(),
        };
        let word: String =
            word.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        self.error_at(self.at, format!("{expected}, not `{word}`"), hint)
    }

    /// Whether the word `keyword` stands next; takes it if so.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let rest = self.rest();
        let is_there = rest.get(..keyword.len()).is_some_and(|start| start.eq_ignore_ascii_case(keyword))
            && !rest[keyword.len()..].starts_with(is_name_character);
        if is_there {
            self.at += keyword.len();
        }
        is_there
    }

    fn any_of(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all_of()?];
        while self.take_keyword("or") {
            parts.push(self.all_of()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::Or(parts) })
    }

    fn all_of(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one()?];
        while self.take_keyword("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::And(parts) })
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.depth == DEEPEST {
            return Err(self.error_at(self.at, format!("it is nested deeper than {DEEPEST} levels"), None));
        }
        self.depth += 1;
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    /// Whether what stands next can begin what `not`, `has` and `missing` are followed by.
    fn is_before_operand(&self) -> bool {
        let rest = self.rest().trim_start();
        rest.starts_with(|c: char| is_name_character(c) || c == '(' || c == '`')
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        self.skip_space();
        let start = self.at;
        if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.nested(Self::any_of)?;
            self.skip_space();
            if !self.rest().starts_with(')') {
                let mut error = self.unexpected("expected `and`, `or` or `)`");
                error.hint = error.hint.or_else(|| Some("every `(` needs its `)`".to_owned()));
                return Err(error);
            }
            self.at += 1;
            return Ok(inner);
        }
        // Each of these words may also be a metric's name: `has < 3`.
        for keyword in ["not", "has", "missing"] {
            if self.take_keyword(keyword) {
                if self.is_before_operand() {
                    return match keyword {
                        "not" => Ok(Expression::Not(Box::new(self.nested(Self::one)?))),
                        "has" => Ok(Expression::Has(self.name()?)),
                        _ => Ok(Expression::Missing(self.name()?)),
                    };
                }
                self.skip_space();
                if self.rest().is_empty() {
                    return Err(self.unexpected(&format!("expected more after `{keyword}`")));
                }
                self.at = start;
            }
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let name = self.name()?;
        self.skip_space();
        let operators = [
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("=", Operator::Equal),
            ("~", Operator::Like),
        ];
        let rest = self.rest();
        let is_foreign = ["=~", "~=", "<>", "==="].iter().any(|foreign| rest.starts_with(foreign));
        let found = operators.iter().find(|(sign, _)| rest.starts_with(sign)).filter(|_| !is_foreign);
        let Some((sign, operator)) = found else {
            let mut error =
                self.unexpected(&format!("expected `<`, `<=`, `>`, `>=`, `=`, `!=` or `~` after `{name}`"));
            error.hint =
                error.hint.or_else(|| Some(format!("to ask whether a run has it, write `has {name}`")));
            return Err(error);
        };
        self.at += sign.len();
        let value = self.value(&name, *operator, sign)?;
        Ok(Expression::Compare(Comparison { name, operator: *operator, value }))
    }

    fn name(&mut self) -> Result<Name, FilterError> {
        self.skip_space();
        let start = self.at;
        if self.rest().starts_with('`') {
            let text = self.back_quoted()?;
            if self.rest().starts_with('[') {
                return Ok(Name::Metric { name: text, case: Some(self.case()?) });
            }
            return Ok(Name::bare(&text));
        }
        let word = self.take_while(is_name_character);
        if word.is_empty() {
            self.at = start;
            return Err(self.unexpected("expected the name of a metric, a parameter or a field"));
        }
        if ["and", "or"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
            let problem = format!("expected a name, not `{word}`");
            return Err(self.error_at(start, problem, Some("put a name that is such a word in backquotes")));
        }
        let (prefix, rest) =
            match PREFIXES.iter().find_map(|&prefix| word.strip_prefix(prefix).map(|rest| (prefix, rest))) {
                Some((prefix, rest)) => (prefix, rest),
                None if self.rest().starts_with('[') => ("metric.", word),
                None => return self.checked(start, word).map(|word| Name::bare(&word)),
            };
        let text = if rest.is_empty() && self.rest().starts_with('`') {
            self.back_quoted()?
        } else if rest.is_empty() {
            return Err(self.unexpected(&format!("expected a name after `{prefix}`")));
        } else {
            self.checked(start + word.len() - rest.len(), rest)?
        };
        match prefix {
            "metric." if self.rest().starts_with('[') => {
                Ok(Name::Metric { name: text, case: Some(self.case()?) })
            }
            "metric." => Ok(Name::Metric { name: text, case: None }),
            "param." => Ok(Name::Param(text)),
            _ => Field::from_word(&text).map(Name::Field).ok_or_else(|| {
                let known: Vec<&str> = Field::ALL.iter().map(|field| field.word()).collect();
                let hint = nearest(&text, &known).map_or_else(
                    || format!("known are `{}`", known.join("`, `")),
                    |name| format!("did you mean `run.{name}`?"),
                );
                self.error_at(start, format!("a run has no field `{text}`"), Some(&hint))
            }),
        }
    }

    /// The name `word` at byte `start`, if a metric or parameter can have it.
    fn checked(&self, start: usize, word: &str) -> Result<String, FilterError> {
        if is_name(word) {
            Ok(word.to_owned())
        } else {
            Err(self.error_at(start, "no metric or parameter can have this name", None))
        }
    }

    fn back_quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let Some(length) = inner.find('`') else {
            return Err(self.error_at(start, "this backquote has no end", None));
        };
        self.at += length + 2;
        self.checked(start, &inner[..length])
    }

    /// The case in brackets after a metric's name.
    fn case(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        self.at += 1;
        let case = if self.rest().starts_with('`') {
            self.back_quoted()?
        } else {
            let case_start = self.at;
            let word = self.take_while(is_name_character);
            self.checked(case_start, word)?
        };
        if !self.rest().starts_with(']') {
            return Err(self.error_at(
                start,
                "this bracket has no end",
                Some("write a case as `loss[b8s4096]`"),
            ));
        }
        self.at += 1;
        Ok(case)
    }

    fn take_while(&mut self, belongs: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A word, or a text in quotes, with whether it was in quotes.
    fn literal(&mut self, sign: &str) -> Result<(String, bool), FilterError> {
        self.skip_space();
        let start = self.at;
        let Some(quote @ ('"' | '\'')) = self.rest().chars().next() else {
            let word = self.take_while(is_value_character);
            if word.is_empty() {
                return Err(self.unexpected(&format!("expected a number or a text after `{sign}`")));
            }
            if ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
                let problem = format!("expected a number or a text after `{sign}`, not `{word}`");
                return Err(self.error_at(start, problem, Some("put a text that is such a word in quotes")));
            }
            return Ok((word.to_owned(), false));
        };
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            match c {
                _ if c == quote => {
                    self.at += offset + 1;
                    return Ok((text, true));
                }
                '\\' if quote == '"' => text.extend(characters.next().map(|(_, c)| c)),
                _ => text.push(c),
            }
        }
        Err(self.error_at(start, "this quote has no end", None))
    }

    fn value(&mut self, name: &Name, operator: Operator, sign: &str) -> Result<Value, FilterError> {
        self.skip_space();
        let start = self.at;
        let (text, is_quoted) = self.literal(sign)?;
        if operator == Operator::Like {
            return Ok(Value::Text(text));
        }
        if name.may_be(Field::Started) {
            let span = self.moment.and_then(|moment| moment.span_of(&text));
            if let Some((from, until)) = span {
                return Ok(Value::Time { text, from, until });
            }
            let hint = "write it as `2026-11-21`, `2026-11-21T10:00:00Z`, `today` or `2d` (two days ago)";
            return Err(self.error_at(start, format!("`{text}` is not a time"), Some(hint)));
        }
        if name.may_be(Field::Exact) && !operator.is_ordering() {
            return match text.as_str() {
                "true" | "yes" | "1" => Ok(Value::Text("true".to_owned())),
                "false" | "no" | "0" => Ok(Value::Text("false".to_owned())),
                _ => Err(self.error_at(start, format!("`{text}` is neither `true` nor `false`"), None)),
            };
        }
        let number = number_of(&text).or_else(|| quantity_for(name, &text));
        if let Some(number) = number
            && (!is_quoted || operator.is_ordering())
        {
            return Ok(Value::Number { text, number });
        }
        if operator.is_ordering() {
            let hint = if text.eq_ignore_ascii_case("nan") {
                "nothing is less or more than NaN; such runs have `status = diverged`"
            } else if text.starts_with(|first: char| first.is_ascii_digit()) {
                "give the plain number, in the unit in which the value was reported"
            } else {
                "texts are compared with `=`, `!=` and `~`"
            };
            return Err(self.error_at(start, format!("`{text}` is not a number"), Some(hint)));
        }
        if name.may_be(Field::Status) && Status::from_word(&text).is_none() {
            let known: Vec<&str> = Status::ALL.iter().map(|status| status.word()).collect();
            let hint = nearest(&text, &known).map_or_else(
                || format!("known are `{}`", known.join("`, `")),
                |name| format!("did you mean `{name}`?"),
            );
            return Err(self.error_at(start, format!("no run has the status `{text}`"), Some(&hint)));
        }
        Ok(Value::Text(text))
    }
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(word, name);
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= 0.5).then_some(best)
}

/// The number that `text` spells, a copied minus sign included; never NaN.
fn number_of(text: &str) -> Option<f64> {
    text.replace('−', "-").parse::<f64>().ok().filter(|number| !number.is_nan())
}

/// The number of a duration or size, for those built-in metrics whose unit is known.
fn quantity_for(name: &Name, text: &str) -> Option<f64> {
    if name.may_be(Field::WallTime) || name.may_be_metric("wall_time") || name.may_be_metric("cpu_time") {
        parse_duration(text).ok().map(|duration| duration.as_secs_f64())
    } else if name.may_be_metric("peak_rss") {
        parse_size(text).ok().map(|bytes| bytes as f64)
    } else {
        None
    }
}

/// The order in which a sort key puts values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// A name by which runs are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What is ordered by.
    pub name: Name,
    /// Which end comes first.
    pub direction: Direction,
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.direction == Direction::Descending { "-" } else { "" };
        write!(f, "{sign}{}", self.name)
    }
}

/// The sort keys that `text` spells, the most important first: `step_time`, `-val_loss,started`.
pub fn parse_sort(text: &str) -> Result<Vec<SortKey>, FilterError> {
    let mut parser = Parser { text, at: 0, depth: 0, moment: None };
    let mut keys = Vec::new();
    loop {
        parser.skip_space();
        let direction = if parser.rest().starts_with('-') {
            parser.at += 1;
            Direction::Descending
        } else {
            Direction::Ascending
        };
        keys.push(SortKey { name: parser.name()?, direction });
        parser.skip_space();
        match parser.rest().chars().next() {
            None => return Ok(keys),
            Some(',') => parser.at += 1,
            Some(_) => return Err(parser.unexpected("expected `,` or the end")),
        }
    }
}

/// The name that `text` spells, as a column of a list is chosen.
pub fn parse_name(text: &str) -> Result<Name, FilterError> {
    let mut parser = Parser { text, at: 0, depth: 0, moment: None };
    let name = parser.name()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.unexpected("expected the end"));
    }
    Ok(name)
}

/// What a run is ordered by: numbers come before texts, NaN after both, and what is missing last of all.
#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    /// A number that is not NaN.
    Number(f64),
    /// A text.
    Text(String),
    /// NaN.
    NotANumber,
    /// There is no value.
    Missing,
}

impl SortValue {
    /// The value of `name` in a run.
    pub fn of(name: &Name, fields: &dyn Fields) -> Self {
        for name in name.candidates() {
            match fields.number(name) {
                Some(number) if number.is_nan() => return Self::NotANumber,
                Some(number) => return Self::Number(number),
                None => {}
            }
            if let Some(text) = fields.text(name) {
                return Self::Text(text.into_owned());
            }
        }
        Self::Missing
    }

    /// How it is ordered with `other`; NaN and missing values stay last in either direction.
    pub fn compare(&self, other: &Self, direction: Direction) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::NotANumber => 2,
            Self::Missing => 3,
        };
        let ascending = match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => return rank(a).cmp(&rank(b)),
        };
        if direction == Direction::Descending { ascending.reverse() } else { ascending }
    }
}

/// How two runs are ordered by `keys`.
pub fn compare_by(keys: &[SortKey], a: &dyn Fields, b: &dyn Fields) -> Ordering {
    keys.iter()
        .map(|key| SortValue::of(&key.name, a).compare(&SortValue::of(&key.name, b), key.direction))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A run with the topic of its experiment, as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct RunFields<'a> {
    /// The run.
    pub run: &'a Run,
    /// The topic of its experiment.
    pub topic: Option<&'a str>,
}

impl Fields for RunFields<'_> {
    fn number(&self, name: &Name) -> Option<f64> {
        match name {
            Name::Metric { name, case } => {
                let value = self.run.metrics.get(name)?;
                case.as_ref().map_or(value.value, |case| value.cases.get(case).copied())
            }
            Name::Param(name) => self.run.params.get(name)?.parse().ok(),
            Name::Field(Field::Trial) => Some(f64::from(self.run.trial)),
            Name::Field(Field::Seed) => self.run.seed.map(|seed| seed as f64),
            Name::Field(Field::Exit) => self.run.exit.shell_status().map(f64::from),
            Name::Field(Field::Started) => Some(seconds_since_epoch(self.run.started)),
            Name::Field(Field::WallTime) => Some(self.run.wall_seconds),
            Name::Bare(_) | Name::Field(_) => None,
        }
    }

    fn text(&self, name: &Name) -> Option<Cow<'_, str>> {
        match name {
            Name::Bare(_) | Name::Metric { .. } => None,
            Name::Param(name) => self.run.params.get(name).map(|value| Cow::Borrowed(value.as_str())),
            Name::Field(field) => match field {
                Field::Status => Some(Cow::Borrowed(self.run.status.word())),
                Field::Label => self.run.label.as_deref().map(Cow::Borrowed),
                Field::Experiment => Some(Cow::Borrowed(self.run.membership.experiment.as_str())),
                Field::Topic => self.topic.map(Cow::Borrowed),
                Field::Commit => Some(Cow::Borrowed(self.run.code.commit.as_str())),
                Field::Branch => self.run.code.branch.as_deref().map(Cow::Borrowed),
                Field::Exact => Some(Cow::Borrowed(if self.run.code.is_exact() { "true" } else { "false" })),
                Field::Argv => {
                    let words: Vec<String> = self.run.argv.iter().map(OsBytes::to_string).collect();
                    Some(Cow::Owned(words.join(" ")))
                }
                Field::Started => Some(Cow::Owned(self.run.started.to_string())),
                Field::Seed => self.run.seed.map(|seed| Cow::Owned(seed.to_string())),
                Field::Trial | Field::Exit | Field::WallTime => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    /// A run as names and texts: what reads as a number is one too.
    struct Sheet(BTreeMap<&'static str, &'static str>);

    impl Fields for Sheet {
        fn number(&self, name: &Name) -> Option<f64> {
            self.0.get(name.to_string().as_str())?.parse().ok()
        }

        fn text(&self, name: &Name) -> Option<Cow<'_, str>> {
            let is_metric = matches!(name, Name::Metric { .. });
            self.0.get(name.to_string().as_str()).filter(|_| !is_metric).map(|text| Cow::Borrowed(*text))
        }
    }

    fn sheet() -> Sheet {
        Sheet(BTreeMap::from([
            ("metric.val_loss", "2.31"),
            ("metric.val_loss[b8]", "2.5"),
            ("metric.bad", "NaN"),
            ("metric.wall_time", "5400"),
            ("metric.peak_rss", "2147483648"),
            ("metric.width", "1"),
            ("param.width", "64"),
            ("param.lr", "3e-4"),
            ("param.model.name", "Tiny GPT"),
            ("param.status", "draft"),
            ("run.status", "ok"),
            ("run.label", "007"),
            ("run.experiment", "MOE-HC-001"),
            ("run.seed", "7"),
            ("run.commit", "0123456789abcdef0123456789abcdef01234567"),
            ("run.exact", "true"),
            ("run.argv", "python train.py --fast"),
            // 2026-11-21T12:00:00Z
            ("run.started", "1795262400"),
        ]))
    }

    fn moment() -> Moment {
        Moment {
            now: "2026-11-22T12:00:00Z".parse().expect("the time is right"),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        }
    }

    fn holds(text: &str) -> bool {
        match Expression::parse(text, &moment()) {
            Ok(expression) => expression.evaluate(&sheet()),
            Err(error) => panic!("{error}"),
        }
    }

    fn refusal(text: &str) -> String {
        let error = Expression::parse(text, &moment()).expect_err("the text is wrong");
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        format!("{error}{hint}")
    }

    #[test]
    fn numbers_are_compared() {
        for text in [
            "val_loss < 2.5",
            "val_loss<2.5",
            "val_loss <= 2.31",
            "val_loss >= 2.31",
            "val_loss > -1e300",
            "val_loss > −3",
            "val_loss == 2.310",
            "val_loss != 2.32",
            "lr > 1e-4",
            "lr = 0.0003",
            "val_loss < inf",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["val_loss > 2.31", "val_loss < 2.31", "val_loss = 2.32", "lr < 1e-4"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        assert!(holds("seed = 7 or seed = 8 and seed = 9"));
        assert!(!holds("(seed = 7 or seed = 8) and seed = 9"));
        assert!(holds("not seed = 8 and seed = 7"));
        assert!(!holds("not (seed = 8 or seed = 7)"));
        assert!(holds("NOT seed = 8 AND seed = 7"));
        assert!(holds("not not seed = 7"));
    }

    #[test]
    fn a_bare_name_is_a_metric_then_a_parameter_then_a_field() {
        assert!(holds("width = 1"));
        assert!(holds("param.width = 64"));
        assert!(holds("param.status = draft"));
        assert!(holds("run.status = ok"));
        assert!(holds("seed = 7"));
        assert!(holds("model.name = 'Tiny GPT'"));
    }

    #[test]
    fn a_case_has_its_own_value() {
        assert!(holds("metric.val_loss[b8] = 2.5"));
        assert!(holds("val_loss[b8] = 2.5"));
        assert!(!holds("val_loss[b16] = 2.5"));
    }

    #[test]
    fn a_missing_value_matches_no_comparison() {
        assert!(!holds("nothing = 1"));
        assert!(!holds("nothing != 1"));
        assert!(!holds("nothing < 1"));
        assert!(!holds("nothing ~ x"));
        assert!(holds("not nothing = 1"));
        assert!(holds("missing nothing and not has nothing"));
        assert!(holds("has val_loss and not missing lr"));
        assert!(holds("has bad"));
    }

    #[test]
    fn nan_is_unlike_any_number() {
        assert!(holds("bad != 1"));
        assert!(!holds("bad = 1 or bad < 1 or bad >= 1"));
    }

    #[test]
    fn text_is_compared_as_text() {
        assert!(holds("label = \"007\""));
        assert!(!holds("label = \"7\""));
        assert!(holds("argv ~ train.py"));
        assert!(holds("argv ~ 'PYTHON train'"));
        assert!(holds("argv ~ python*--fast"));
        assert!(!holds("argv ~ train*"));
        assert!(holds("model.name ~ '?iny*'"));
        assert!(holds("experiment = moe-hc-001"));
        assert!(holds("experiment ~ MOE-*"));
        assert!(holds("exact = yes and exact != false"));
    }

    #[test]
    fn a_commit_is_equal_to_its_prefixes() {
        assert!(holds("commit = 0123456"));
        assert!(holds("commit = 01234567 and commit != 1234567"));
        assert!(!holds("commit = 012"));
    }

    #[test]
    fn a_day_is_a_span_of_time_in_the_zone() {
        assert!(holds("started = 2026-11-21"));
        assert!(holds("started = yesterday"));
        assert!(!holds("started = today"));
        assert!(holds("started >= 2026-11-21 and started <= 2026-11-21"));
        assert!(!holds("started > 2026-11-21"));
        assert!(!holds("started < 2026-11-21"));
        assert!(holds("started != 2026-11-20"));
        assert!(holds("started = 2026-11-21T12:00:00Z"));
        assert!(holds("started = 2026-11-21T14:00"));
        assert!(holds("started = '2026-11-21 14:00:00'"));
        assert!(holds("started < 2026-11-21T12:00:01Z"));
    }

    #[test]
    fn a_duration_counts_back_from_now() {
        assert!(holds("started > 2d"));
        assert!(!holds("started > 23h"));
        assert!(holds("started < 23h"));
        assert!(holds("started > '2 days ago'"));
        assert!(holds("started >= 24h and started <= 24h"));
        assert!(!holds("started > 24h or started < 24h"));
    }

    #[test]
    fn built_in_metrics_take_units() {
        assert!(holds("wall_time > 1h and wall_time <= 1h30m"));
        assert!(holds("peak_rss >= 2GiB"));
        assert!(holds("wall_time = 5400"));
    }

    #[test]
    fn any_name_can_stand_in_backquotes() {
        assert_eq!(
            Expression::parse("metric.`p(99)`[`a[0]`] < 1 and `and` = 2", &moment())
                .expect("the text is right")
                .names(),
            [&Name::Metric { name: "p(99)".to_owned(), case: Some("a[0]".to_owned()) }, &Name::bare("and")]
        );
        assert!(!holds("has = 1 and not < 2 and missing != 3"));
    }

    #[test]
    fn a_wrong_filter_shows_where_and_what_to_write_instead() {
        assert_snapshot!(refusal("val_loss < 2.5 and"), @"
        column 19: expected the name of a metric, a parameter or a field, but the text ends here
            val_loss < 2.5 and
                              ^
        ");
        assert_snapshot!(refusal("val_loss <"), @"
        column 11: expected a number or a text after `<`, but the text ends here
            val_loss <
                      ^
        ");
        assert_snapshot!(refusal("val_loss"), @"
        column 9: expected `<`, `<=`, `>`, `>=`, `=`, `!=` or `~` after `val_loss`, but the text ends here
            val_loss
                    ^
        hint: to ask whether a run has it, write `has val_loss`
        ");
        assert_snapshot!(refusal("val_loss < fast"), @"
        column 12: `fast` is not a number
            val_loss < fast
                       ^
        hint: texts are compared with `=`, `!=` and `~`
        ");
        assert_snapshot!(refusal("step_time < 12ms"), @"
        column 13: `12ms` is not a number
            step_time < 12ms
                        ^
        hint: give the plain number, in the unit in which the value was reported
        ");
        assert_snapshot!(refusal("val_loss < nan"), @"
        column 12: `nan` is not a number
            val_loss < nan
                       ^
        hint: nothing is less or more than NaN; such runs have `status = diverged`
        ");
        assert_snapshot!(refusal("a > 1 && b > 2"), @"
        column 7: expected `and`, `or` or the end, not `&`
            a > 1 && b > 2
                  ^
        hint: write `and`
        ");
        assert_snapshot!(refusal("a > 1 b > 2"), @"
        column 7: expected `and`, `or` or the end, not `b`
            a > 1 b > 2
                  ^
        ");
        assert_snapshot!(refusal("(a > 1 or b > 2"), @"
        column 16: expected `and`, `or` or `)`, but the text ends here
            (a > 1 or b > 2
                           ^
        hint: every `(` needs its `)`
        ");
        assert_snapshot!(refusal("a =~ x"), @"
        column 3: expected `<`, `<=`, `>`, `>=`, `=`, `!=` or `~` after `a`, not `=`
            a =~ x
              ^
        hint: write `~`
        ");
        assert_snapshot!(refusal("größe = 'x"), @"
        column 9: this quote has no end
            größe = 'x
                    ^
        ");
        assert_snapshot!(refusal("status = okay"), @"
        column 10: no run has the status `okay`
            status = okay
                     ^
        hint: did you mean `ok`?
        ");
        assert_snapshot!(refusal("run.stauts = ok"), @"
        column 1: a run has no field `stauts`
            run.stauts = ok
            ^
        hint: did you mean `run.status`?
        ");
        assert_snapshot!(refusal("exact = maybe"), @"
        column 9: `maybe` is neither `true` nor `false`
            exact = maybe
                    ^
        ");
        assert_snapshot!(refusal("started > soon"), @"
        column 11: `soon` is not a time
            started > soon
                      ^
        hint: write it as `2026-11-21`, `2026-11-21T10:00:00Z`, `today` or `2d` (two days ago)
        ");
        assert_snapshot!(refusal("loss[b8 < 1"), @"
        column 5: this bracket has no end
            loss[b8 < 1
                ^
        hint: write a case as `loss[b8s4096]`
        ");
        assert_snapshot!(refusal(""), @"
        column 1: expected the name of a metric, a parameter or a field, but the text ends here
            
            ^
        ");
    }

    #[test]
    fn deep_nesting_is_refused_before_it_can_do_harm() {
        for opening in ["(", "not "] {
            let error = Expression::parse(&opening.repeat(100_000), &moment()).expect_err("it is too deep");
            assert_eq!(error.problem, "it is nested deeper than 64 levels");
        }
    }

    #[test]
    fn runs_are_ordered_by_several_keys_with_missing_values_last() {
        let keys = parse_sort("-metric.loss, label").expect("the keys are right");
        let run = |pairs: &[(&'static str, &'static str)]| Sheet(pairs.iter().copied().collect());
        let mut runs = [
            run(&[("run.label", "none")]),
            run(&[("metric.loss", "NaN"), ("run.label", "nan")]),
            run(&[("metric.loss", "1"), ("run.label", "b")]),
            run(&[("metric.loss", "1"), ("run.label", "a")]),
            run(&[("metric.loss", "2"), ("run.label", "c")]),
        ];
        runs.sort_by(|a, b| compare_by(&keys, a, b));
        assert_eq!(runs.map(|run| run.0["run.label"]), ["c", "a", "b", "nan", "none"]);
    }

    #[test]
    fn wrong_sort_keys_are_refused() {
        let problem = |text| parse_sort(text).expect_err("the text is wrong").to_string();
        assert_snapshot!(problem("a b"), @"
        column 3: expected `,` or the end, not `b`
            a b
              ^
        ");
        assert_snapshot!(problem("a,"), @"
        column 3: expected the name of a metric, a parameter or a field, but the text ends here
            a,
              ^
        ");
    }

    fn any_name() -> impl Strategy<Value = Name> {
        let word = || {
            "[a-z(<`é.\\[\\]~|_-]{1,8}|and|not|has|status|seed|metric\\.x"
                .prop_filter("a name", |name| is_name(name))
        };
        prop_oneof![
            word().prop_map(|name| Name::bare(&name)),
            (word(), prop::option::of(word())).prop_map(|(name, case)| Name::Metric { name, case }),
            word().prop_map(Name::Param),
            prop::sample::select(vec![Field::Status, Field::Seed, Field::Argv, Field::Label])
                .prop_map(Name::Field),
        ]
    }

    fn any_comparison() -> impl Strategy<Value = Expression> {
        let operator = prop::sample::select(Operator::ALL.to_vec());
        (any_name(), operator, any::<f64>(), "[ -~é\n]{0,10}").prop_filter_map(
            "a comparison that can be written",
            |(name, operator, number, text)| {
                let value = if operator.is_ordering() {
                    let text = number.to_string();
                    Value::Number { number: number_of(&text)?, text }
                } else if name.may_be(Field::Status) && operator != Operator::Like {
                    Value::Text("ok".to_owned())
                } else {
                    Value::Text(text)
                };
                Some(Expression::Compare(Comparison { name, operator, value }))
            },
        )
    }

    fn any_expression() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            4 => any_comparison(),
            1 => any_name().prop_map(Expression::Has),
            1 => any_name().prop_map(Expression::Missing),
        ];
        leaf.prop_recursive(5, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
                inner.prop_map(|part| Expression::Not(Box::new(part))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(expression in any_expression()) {
            let text = expression.to_string();
            let read = Expression::parse(&text, &moment()).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(read, expression, "{}", text);
        }

        #[test]
        fn sort_keys_that_are_shown_read_as_the_same(names in prop::collection::vec(any_name(), 1..4)) {
            let keys: Vec<SortKey> =
                names.into_iter().map(|name| SortKey { name, direction: Direction::Descending }).collect();
            let text = keys.iter().map(SortKey::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse_sort(&text).ok(), Some(keys), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(
            text in "(and|or|not|has|metric\\.|run\\.|started|[ ()<>=!~\"'`\\[\\]\\\\a-c0-9é\n,-]){0,12}"
        ) {
            if let Err(error) = Expression::parse(&text, &moment()) {
                let _ = error.to_string();
            }
            let _ = parse_sort(&text);
            let _ = parse_name(&text);
        }

        #[test]
        fn negation_turns_every_answer_around(expression in any_expression()) {
            let answer = expression.evaluate(&sheet());
            prop_assert_eq!(Expression::Not(Box::new(expression)).evaluate(&sheet()), !answer);
        }

        #[test]
        fn likeness_without_wildcards_is_containment(text in "[a-b]{0,6}", part in "[a-b]{0,3}") {
            prop_assert_eq!(is_like(&text, &part), text.contains(&part));
        }
    }
}
