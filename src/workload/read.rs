//! The text of a workload, and its way into a [`Workload`].

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::measure::Measure;
use super::op::{Layout, OpTask, Pass};
use super::setting::Setting;
use super::{Task, Workload};
use crate::domain::similarity::nearest_word;

/// Why a workload cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the workload `{name}`")]
pub struct WorkloadError {
    /// The workload's name.
    pub name: String,
    /// What is wrong in it.
    #[source]
    pub problem: Problem,
}

/// One thing that is wrong in a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// A key that is set on the command line, as `dtype=bf16` or `measure.max-time=5s`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    key: String,
    value: Value,
}

impl std::str::FromStr for Change {
    type Err = String;

    /// Reads `key=value`; what is not a value of TOML is a text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not `key=value`"))?;
        if key.trim().is_empty() {
            return Err(format!("`{text}` has no key before `=`"));
        }
        let parsed = format!("value = {value}").parse::<Table>().ok();
        let value = parsed.and_then(|mut table| table.remove("value"));
        let plain = || Value::String(text.split_once('=').map_or("", |(_, value)| value).to_owned());
        Ok(Self { key: key.trim().to_owned(), value: value.unwrap_or_else(plain) })
    }
}

/// Reads the workload `name` from `text`, with `changes` made to it.
pub fn read(name: &str, text: &str, changes: &[Change]) -> Result<Workload, WorkloadError> {
    parse(text, changes).map_err(|problem| WorkloadError { name: name.to_owned(), problem: Problem(problem) })
}

fn parse(text: &str, changes: &[Change]) -> Result<Workload, String> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("line {line}: {}", error.message().trim_end())
    })?;
    let kind = kind_of(&table)?;
    for change in changes {
        apply(&mut table, kind, change)?;
    }
    let description = match table.remove("description") {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(_) => return Err("`description` is not a text".to_owned()),
    };
    let mut take = |name: &str| match table.remove(name) {
        None => Ok(Table::new()),
        Some(Value::Table(section)) => Ok(section),
        Some(_) => Err(format!("`{name}` is not a section; write it as `[{name}]`")),
    };
    let within = |name: &str, problem: String| format!("in `[{name}]`: {problem}");
    let setting: Setting = section(take("setting")?).map_err(|problem| within("setting", problem))?;
    setting.check().map_err(|problem| within("setting", problem))?;
    let measure: Measure = section(take("measure")?).map_err(|problem| within("measure", problem))?;
    measure.check().map_err(|problem| within("measure", problem))?;
    let task = Task::read(kind, take(kind)?).map_err(|problem| within(kind, problem))?;
    task.check().map_err(|problem| within(kind, problem))?;
    measure.check_graph(&task, &setting).map_err(|problem| within("measure", problem))?;
    Ok(Workload { description, task, setting, measure })
}

/// The one section that says what kind of workload it is.
fn kind_of(table: &Table) -> Result<&'static str, String> {
    const OTHERS: [&str; 3] = ["description", "setting", "measure"];
    let kinds: Vec<&'static str> = Task::KINDS.into_iter().filter(|kind| table.contains_key(*kind)).collect();
    let known: Vec<&str> = Task::KINDS.into_iter().chain(OTHERS).collect();
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown section `{key}`; {}", advice(key, &known)));
    }
    match kinds[..] {
        [kind] => Ok(kind),
        [] => Err(format!("nothing says what it does; it takes one of `[{}]`", Task::KINDS.join("]`, `["))),
        _ => Err(format!("it does more than one thing: `[{}]`", kinds.join("]`, `["))),
    }
}

/// Sets a key; one without its section is looked for where it can stand.
fn apply(table: &mut Table, kind: &'static str, change: &Change) -> Result<(), String> {
    let (place, key) = match change.key.split_once('.') {
        Some((section, key)) if [kind, "setting", "measure"].contains(&section) => (section, key),
        Some((section, _)) => {
            return Err(format!(
                "`{}` is set, and there is no section `{section}`; {}",
                change.key,
                advice(section, &[kind, "setting", "measure"])
            ));
        }
        None if keys_of(&Setting::default()).contains(&change.key) => ("setting", change.key.as_str()),
        None if keys_of(&Measure::default()).contains(&change.key) => ("measure", change.key.as_str()),
        None => (kind, change.key.as_str()),
    };
    let section = table.entry(place).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(section) = section else {
        return Err(format!("`{place}` is not a section; write it as `[{place}]`"));
    };
    section.insert(key.to_owned(), change.value.clone());
    Ok(())
}

fn keys_of(section: &impl serde::Serialize) -> Vec<String> {
    let table = Table::try_from(section).expect("a section is a table of plain values");
    table.keys().cloned().collect()
}

/// The operation of `[op]`; what every operation has is read first.
pub(super) fn op(mut table: Table) -> Result<OpTask, String> {
    let mut pass = None;
    let mut layout = None;
    if let Some(word) = table.remove("pass") {
        pass = Some(word.try_into::<Pass>().map_err(|error| said(&error))?);
    }
    if let Some(word) = table.remove("layout") {
        layout = Some(word.try_into::<Layout>().map_err(|error| said(&error))?);
    }
    if !table.contains_key("name") {
        return Err("`name` is missing, which says what operation; as `name = \"matmul\"`".to_owned());
    }
    let op = section(table)?;
    Ok(OpTask { op, pass: pass.unwrap_or_default(), layout: layout.unwrap_or_default() })
}

/// A section as its type reads it.
pub(super) fn section<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    Value::Table(table).try_into().map_err(|error| said(&error))
}

/// What the parser says, with the nearest name where a word is unknown.
fn said(error: &toml::de::Error) -> String {
    let message = error.message().trim_end();
    let (what, rest) =
        match (message.strip_prefix("unknown field `"), message.strip_prefix("unknown variant `")) {
            (Some(rest), _) => ("key", rest),
            (_, Some(rest)) => ("value", rest),
            _ => return message.to_owned(),
        };
    // The word itself may hold anything, so its end is looked for from where the known ones begin.
    let Some((word, known)) = rest.rsplit_once("`, expected ") else { return message.to_owned() };
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let advice = if what == "key" { advice_on_key(word, &known) } else { advice(word, &known) };
    format!("unknown {what} `{word}`; {advice}")
}

fn advice(word: &str, known: &[&str]) -> String {
    match nearest_word(word, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are `{}`", known.join("`, `")),
    }
}

/// As [`advice`] on a key, which may be one of another section.
fn advice_on_key(word: &str, known: &[&str]) -> String {
    let elsewhere = |section: &str, keys: Vec<String>| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        nearest_word(word, &keys).map(|name| format!("did you mean `{name}`, of `[{section}]`?"))
    };
    if nearest_word(word, known).is_none()
        && let Some(advice) = elsewhere("setting", keys_of(&Setting::default()))
            .or_else(|| elsewhere("measure", keys_of(&Measure::default())))
    {
        return advice;
    }
    advice(word, known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::op::Op;

    const MATMUL: &str = "[op]\nname = \"matmul\"\na = \"64x32\"\nb = \"32x16\"\n";

    fn problem(text: &str, changes: &[&str]) -> String {
        let changes: Vec<Change> = changes.iter().map(|it| it.parse().unwrap()).collect();
        read("test", text, &changes).unwrap_err().problem.to_string()
    }

    #[test]
    fn a_resolved_workload_reads_back_as_itself() {
        for preset in crate::workload::preset::PRESETS {
            let workload = read(preset.name, preset.text, &[]).unwrap();
            assert_eq!(read(preset.name, &workload.to_toml(), &[]).unwrap(), workload, "{}", preset.name);
        }
    }

    #[test]
    fn a_key_is_set_where_it_stands() {
        let set = ["dtype=bf16", "max-time=3s", "op.a=8x32", "pass=forward-backward", "threads=2"];
        let changes: Vec<Change> = set.iter().map(|it| it.parse().unwrap()).collect();
        let workload = read("test", MATMUL, &changes).unwrap();
        let Task::Op(task) = &workload.task else { panic!("an operation") };
        let Op::Matmul { a, .. } = &task.op else { panic!("a product") };
        assert_eq!(a.to_string(), "8x32");
        assert_eq!(task.pass, Pass::ForwardBackward);
        assert_eq!((workload.setting.dtype.word(), workload.setting.threads), ("bf16", 2));
        assert!((workload.measure.max_time.seconds() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_unknown_is_answered_with_the_nearest_name() {
        assert_eq!(
            problem("[op]\nname = \"matmull\"\n", &[]),
            "in `[op]`: unknown value `matmull`; did you mean `matmul`?"
        );
        assert_eq!(
            problem(MATMUL, &["dtyp=bf16"]),
            "in `[op]`: unknown key `dtyp`; did you mean `dtype`, of `[setting]`?"
        );
        assert_eq!(
            problem(MATMUL, &["op.max-time=1s"]),
            "in `[op]`: unknown key `max-time`; did you mean `max-time`, of `[measure]`?"
        );
        assert_eq!(problem(MATMUL, &["rows=3"]), "in `[op]`: unknown key `rows`; known are `a`, `b`");
        assert_eq!(
            problem(MATMUL, &["setting.dtyp=bf16"]),
            "in `[setting]`: unknown key `dtyp`; did you mean `dtype`?"
        );
        assert_eq!(problem("[opp]\n", &[]), "unknown section `opp`; did you mean `op`?");
        assert_eq!(
            problem(MATMUL, &["dtype=bf61"]),
            "in `[setting]`: unknown value `bf61`; did you mean `bf16`?"
        );
    }

    #[test]
    fn what_cannot_be_replayed_as_a_graph_is_refused() {
        let refused =
            |why: &str| format!("in `[measure]`: `graph` replays one call on a CUDA device, and {why}");
        assert_eq!(problem(MATMUL, &["graph=true"]), refused("the device is `cpu`"));
        assert_eq!(problem(MATMUL, &["graph=true", "device=mps"]), refused("the device is `mps`"));
        let on_cuda = ["graph=true", "device=cuda"];
        assert_eq!(
            problem("[command]\nargv = [\"true\"]\n", &on_cuda),
            refused("a program of its own launches nothing here")
        );
        let smoke = crate::workload::preset::PRESETS.iter().find(|preset| preset.name == "smoke").unwrap();
        assert_eq!(
            problem(smoke.text, &on_cuda),
            refused("`train` takes another batch in each call; `train-step` can be replayed")
        );
        let changes: Vec<Change> = on_cuda.iter().map(|it| it.parse().unwrap()).collect();
        assert!(read("test", MATMUL, &changes).unwrap().measure.graph);
    }

    #[test]
    fn nothing_to_measure_is_refused() {
        let refused = "in `[measure]`: nothing would be measured: `max-samples`, `passes` and `max-time` must be above zero";
        assert_eq!(problem(MATMUL, &["max-samples=0", "min-samples=0"]), refused);
        assert_eq!(problem(MATMUL, &["max-time=0s", "min-time=0s"]), refused);
        assert_eq!(
            problem("description = \"x\"\n", &[]),
            "nothing says what it does; it takes one of `[op]`, `[torchscript]`, `[command]`, `[transformer]`"
        );
    }
}
