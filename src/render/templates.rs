//! Templates: what people read as a document, each replaceable from the repository.
//!
//! `docs/reference/templates.md` says which there are and which fields each gets.

use std::collections::BTreeMap;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;

use super::markdown;
use crate::domain::number::counted;

/// Where a repository keeps its own templates.
pub const FOLDER: &str = ".agents/templates";

/// The longest template that is read, in bytes.
pub const LONGEST: usize = 1 << 20;
/// The longest document that a template may make, in bytes.
const LONGEST_DOCUMENT: usize = 64 << 20;
/// How many instructions a template may take: a logbook's entry takes some hundreds.
const FUEL: u64 = 50_000_000;
/// How deep templates and macros may call each other.
const DEPTH: usize = 100;

/// The templates that come with the program: name, then text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("agents.md", include_str!("../../templates/agents.md")),
    ("brief.md", include_str!("../../templates/brief.md")),
    ("closing-report.md", include_str!("../../templates/closing-report.md")),
    ("decisions.md", include_str!("../../templates/decisions.md")),
    ("experiment-log.md", include_str!("../../templates/experiment-log.md")),
    ("handoff.md", include_str!("../../templates/handoff.md")),
    ("issue-body.md", include_str!("../../templates/issue-body.md")),
    ("issue-heartbeat.md", include_str!("../../templates/issue-heartbeat.md")),
    ("issue-seal.md", include_str!("../../templates/issue-seal.md")),
    ("issue-summary.md", include_str!("../../templates/issue-summary.md")),
    ("issue-title.txt", include_str!("../../templates/issue-title.txt")),
    ("issue-update.md", include_str!("../../templates/issue-update.md")),
    ("job-summary.md", include_str!("../../templates/job-summary.md")),
    ("kickoff.toml", include_str!("../../templates/kickoff.toml")),
    ("logbook-entry.md", include_str!("../../templates/logbook-entry.md")),
    ("logbook-head.md", include_str!("../../templates/logbook-head.md")),
    ("negative-results.md", include_str!("../../templates/negative-results.md")),
    ("pull-request.md", include_str!("../../templates/pull-request.md")),
    ("result-summary.md", include_str!("../../templates/result-summary.md")),
    ("seal.md", include_str!("../../templates/seal.md")),
    ("skill.md", include_str!("../../templates/skill.md")),
];

/// A template of the repository's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Where it was found, as `research/moe:.agents/templates/logbook-entry.md`.
    pub origin: String,
    /// Its text.
    pub text: String,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", self.place())]
pub struct TemplateError {
    /// The file.
    pub file: String,
    /// The line in it, where one is known.
    pub line: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl TemplateError {
    /// The file and the line, as `logbook-entry.md:12`.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        }
    }
}

/// All templates, ready to render.
pub struct Templates {
    environment: Environment<'static>,
    /// Where each replaced one was found.
    origins: BTreeMap<String, String>,
}

impl Templates {
    /// The embedded templates with `replacements` in the place of those they are called like; others can be included.
    pub fn new(replacements: BTreeMap<String, Replacement>) -> Result<Self, TemplateError> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment.set_syntax(syntax.build().expect("the usual marks are right"));
        environment.set_recursion_limit(DEPTH);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
            Some((_, "md")) => AutoEscape::Custom("markdown".into()),
            Some((_, "html")) => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        environment.set_formatter(write_value);
        add_functions(&mut environment);
        let mut origins = BTreeMap::new();
        for (name, text) in EMBEDDED {
            origins.insert((*name).to_owned(), format!("templates/{name}"));
            if !replacements.contains_key(*name) {
                environment.add_template(name, text).expect("the embedded templates are right");
            }
        }
        for (name, it) in replacements {
            if it.text.len() > LONGEST {
                let message = format!("it is longer than {} MiB", LONGEST >> 20);
                return Err(TemplateError { file: it.origin, line: None, message });
            }
            origins.insert(name.clone(), it.origin);
            let added = environment.add_template_owned(name, it.text);
            added.map_err(|error| explain(&origins, &error))?;
        }
        Ok(Self { environment, origins })
    }

    /// The document that the template called `name` makes of `fields`.
    pub fn render(&self, name: &str, fields: &impl Serialize) -> Result<String, TemplateError> {
        let explained = |error: minijinja::Error| explain(&self.origins, &error);
        let template = self.environment.get_template(name).map_err(explained)?;
        let mut document = Bounded(Vec::new());
        let rendered = template.render_captured_to(Value::from(Serde(fields)), &mut document);
        rendered.map(drop).map_err(explained)?;
        Ok(String::from_utf8(document.0).expect("templates write text"))
    }
}

/// A document that refuses to become too long.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_DOCUMENT {
            return Err(io::Error::other(format!(
                "the document grows beyond {} MiB",
                LONGEST_DOCUMENT >> 20
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a value: escaped for what the template makes, and nothing where there is none.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match (state.auto_escape(), value.kind()) {
        (AutoEscape::Custom(_), ValueKind::None) => Ok(()),
        (AutoEscape::Custom(_), ValueKind::String) if !value.is_safe() => {
            let text = value.as_str().unwrap_or_default();
            out.write_str(&markdown::inline(text)).map_err(minijinja::Error::from)
        }
        (AutoEscape::Custom(_), ValueKind::Undefined) => Err(ErrorKind::UndefinedError.into()),
        (AutoEscape::Custom(_), ValueKind::Seq | ValueKind::Map) => {
            out.write_str(&markdown::inline(&value.to_string())).map_err(minijinja::Error::from)
        }
        (AutoEscape::Custom(_), _) => write!(out, "{value}").map_err(minijinja::Error::from),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Adds what templates can call: the filters and tests of the template language, and those for Markdown.
fn add_functions(environment: &mut Environment<'static>) {
    use minijinja::{filters, functions, tests};
    environment.add_filter("code", |text: String| Value::from_safe_string(markdown::code(&text)));
    environment.add_filter("cell", |value: Value| {
        let text = value.as_str().unwrap_or_default();
        let shown = if value.is_safe() { text.to_owned() } else { markdown::inline(text) };
        Value::from_safe_string(markdown::cell(&shown))
    });
    environment.add_filter("block", |text: String| Value::from_safe_string(markdown::block(&text)));
    environment.add_filter("quote", |text: String| Value::from_safe_string(markdown::quote(&text)));
    environment.add_filter("link", |text: String| Value::from_safe_string(markdown::link(&text)));
    environment.add_filter("toml", |value: Value| match value.kind() {
        ValueKind::None => Value::from_safe_string("\"\"".to_owned()),
        _ => Value::from_safe_string(
            toml::Value::try_from(&value).map(|value| value.to_string()).unwrap_or_default(),
        ),
    });
    environment.add_filter("codes", |texts: Vec<String>| {
        let codes: Vec<String> = texts.iter().map(|text| markdown::code(text)).collect();
        Value::from_safe_string(codes.join(", "))
    });
    environment.add_filter("inlines", |texts: Vec<String>| {
        let shown: Vec<String> = texts.iter().map(|text| markdown::inline(text)).collect();
        Value::from_safe_string(shown.join(", "))
    });
    environment.add_filter("counted", |count: Value, one: String| counted(count, &one));
    environment.add_filter("length", filters::length);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("default", filters::default);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("map", filters::map);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("reverse", filters::reverse);
    environment.add_filter("groupby", filters::groupby);
    environment.add_filter("items", filters::items);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("in", tests::is_in);
    environment.add_function("range", functions::range);
    environment.add_function("namespace", functions::namespace);
}

/// What is wrong, with the file and the line where it is.
fn explain(origins: &BTreeMap<String, String>, error: &minijinja::Error) -> TemplateError {
    // An error inside an included template is the cause of one at the place that includes it.
    let mut deepest = error;
    while let Some(inner) =
        std::error::Error::source(deepest).and_then(|source| source.downcast_ref::<minijinja::Error>())
    {
        deepest = inner;
    }
    let name = deepest.name().or(error.name()).unwrap_or("template");
    let file = origins.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let source = std::error::Error::source(deepest).map(|source| format!(": {source}")).unwrap_or_default();
    let expression = deepest
        .range()
        .and_then(|range| deepest.template_source()?.get(range))
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = match (deepest.kind(), expression, deepest.detail()) {
        (ErrorKind::UndefinedError, Some(expression), _) => {
            format!("there is no `{expression}` here")
        }
        (ErrorKind::OutOfFuel, _, _) => "it does not come to an end".to_owned(),
        (ErrorKind::TemplateNotFound, _, Some(detail)) => detail.to_owned(),
        (_, _, Some(detail)) if detail.contains("recursion limit") => {
            format!("it calls itself, or others, more than {DEPTH} deep")
        }
        (_, _, Some(detail)) => format!("{detail}{source}"),
        (kind, _, None) => format!("{kind}{source}"),
    };
    TemplateError { file, line: deepest.line(), message }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn with(name: &str, text: &str) -> Result<Templates, TemplateError> {
        let origin = format!("{FOLDER}/{name}");
        let it = Replacement { origin, text: text.to_owned() };
        Templates::new(BTreeMap::from([(name.to_owned(), it)]))
    }

    fn rendered(text: &str) -> Result<String, TemplateError> {
        let fields = serde_json::json!({
            "metric": "a|b", "text": "</details> @someone\n- two", "nothing": null, "number": 1.5,
            "list": ["`x`", "<b>"], "address": "https://example.org/a_b",
        });
        with("try.md", text)?.render("try.md", &fields)
    }

    fn wrong(text: &str) -> String {
        rendered(text).expect_err("it is wrong").to_string()
    }

    #[test]
    fn values_are_escaped_unless_a_filter_says_what_they_are() {
        assert_snapshot!(
            rendered(
                "| {{ metric }} | {{ number }} |{{ nothing }}\n{{ text }}\n{{ text|quote }}\n{{ metric|code }}\n\
                 {{ list|codes }} {{ list|inlines }} {{ address|link }}\n"
            ).expect("it is right").replace('\u{2060}', "<joiner>"),
            @r"
        | a\|b | 1.5 |
        &lt;/details&gt; @<joiner>someone - two
        > &lt;/details&gt; @<joiner>someone
        > \- two
        `a|b`
        `` `x` ``, `<b>` `x`, &lt;b&gt; <https://example.org/a_b>
        "
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_file_and_line() {
        assert_snapshot!(wrong("one\n{{ metrics }}\n"), @".agents/templates/try.md:2: there is no `metrics` here");
        assert_snapshot!(wrong("one\n\n{% if event.kind %}x{% endif %}\n"), @".agents/templates/try.md:3: there is no `event.kind` here");
        assert_snapshot!(wrong("{% if metric %}\n"), @".agents/templates/try.md:1: unexpected end of input, expected end of block");
        assert_snapshot!(wrong("{{ metric|nosuch }}"), @".agents/templates/try.md:1: filter nosuch is unknown");
        assert_snapshot!(wrong("{% include 'nosuch.md' %}"), @".agents/templates/try.md:1: tried to include non-existing template 'nosuch.md'");
        assert_snapshot!(wrong("{{ nosuch() }}"), @".agents/templates/try.md:1: nosuch is unknown");
    }

    #[test]
    fn what_never_ends_or_is_too_long_is_refused() {
        assert_snapshot!(wrong("\n{% include 'try.md' %}"), @".agents/templates/try.md:2: it calls itself, or others, more than 100 deep");
        assert_snapshot!(wrong("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), @".agents/templates/try.md:1: it calls itself, or others, more than 100 deep");
        assert_snapshot!(wrong("{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}"), @".agents/templates/try.md:1: it does not come to an end");
        assert_snapshot!(wrong(&"x".repeat(10 << 20)), @".agents/templates/try.md: it is longer than 1 MiB");
    }

    #[test]
    fn a_template_of_the_repository_takes_the_place_of_ours_and_can_include_others() {
        let replacements =
            [("brief.md", "{% include 'part.md' %}!"), ("part.md", "{{ name }}")].map(|(name, text)| {
                (name.to_owned(), Replacement { origin: name.to_owned(), text: text.to_owned() })
            });
        let templates = Templates::new(replacements.into()).expect("they are right");
        let text =
            templates.render("brief.md", &serde_json::json!({ "name": "A-001" })).expect("it is right");
        assert_eq!(text, "A-001!");
    }
}
