//! Runs as a table that other tools read: tabs or commas between, one line a run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text::command_line;

/// What stands between the cells of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tabs; a tab, a line end or a backslash within a cell is written as `\t`, `\n`, `\r` or `\\`.
    Tsv,
    /// Commas, as RFC 4180 has it.
    Csv,
}

impl Format {
    /// The format that a file's name asks for.
    pub fn of(name: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        if extension.is_some_and(|it| it.eq_ignore_ascii_case("csv")) { Self::Csv } else { Self::Tsv }
    }

    /// The line that these cells make.
    pub fn line(self, cells: &[String]) -> String {
        let cells: Vec<String> = cells.iter().map(|cell| self.cell(cell)).collect();
        match self {
            Self::Tsv => cells.join("\t") + "\n",
            Self::Csv => cells.join(",") + "\r\n",
        }
    }

    fn cell(self, text: &str) -> String {
        match self {
            Self::Tsv => {
                text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
            }
            Self::Csv if text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Self::Csv => text.to_owned(),
        }
    }
}

/// The columns that come first unless others are asked for.
const FIRST: [&str; 9] =
    ["started", "experiment", "run", "status", "commit", "label", "trial", "seed", "wall_seconds"];

/// The columns of all that `runs` have: what every run has, then parameters, then metrics, then what it was about.
pub fn columns(runs: &[Value]) -> Vec<String> {
    let names = |field: &str| -> BTreeSet<String> {
        let objects = runs.iter().filter_map(|run| run[field].as_object());
        objects.flat_map(|fields| fields.keys().cloned()).collect()
    };
    let mut columns: Vec<String> = FIRST.iter().map(|name| (*name).to_owned()).collect();
    columns.extend(names("params").into_iter().map(|name| format!("params.{name}")));
    columns.extend(names("metrics").into_iter().map(|name| format!("metrics.{name}")));
    columns.push("description".to_owned());
    columns
}

/// What stands in a column of a run, which is an object of `git-exp/run/1` and may have a `description`.
///
/// A column is a field, `command`, `params.<name>`, `metrics.<name>`, or the bare name of a metric or parameter; a case of a metric
/// is `name[case]`.
pub fn cell(run: &Value, column: &str) -> String {
    if column == "command" {
        let words: Vec<&str> =
            run["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        return command_line(&words);
    }
    let metric = |name: &str| -> Option<&Value> {
        let (name, case) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((name, case)) => (name, Some(case)),
            None => (name, None),
        };
        let metric = run["metrics"].get(name)?;
        match case {
            Some(case) => metric["cases"].get(case)?.get("value"),
            None => metric.get("value"),
        }
    };
    let found = if let Some(name) = column.strip_prefix("metrics.") {
        metric(name)
    } else if let Some(name) = column.strip_prefix("params.") {
        run["params"].get(name)
    } else {
        let field = run.get(column).filter(|value| !value.is_object());
        field.or_else(|| metric(column)).or_else(|| run["params"].get(column))
    };
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// The whole table, with its heading.
pub fn table(runs: &[Value], columns: &[String], format: Format) -> String {
    let mut text = format.line(columns);
    for run in runs {
        let cells: Vec<String> = columns.iter().map(|column| cell(run, column)).collect();
        text.push_str(&format.line(&cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_column_is_a_field_a_parameter_or_a_metric() {
        let run = json!({
            "run": "c0ffee", "status": "ok", "seed": null, "argv": ["sh", "-c", "a b"], "wall_seconds": 1.5,
            "params": {"lr": "3e-4"}, "metrics": {"loss": {"value": 0.5}, "t": {"value": null, "cases": {"b8": {"value": 2.0}}}},
            "description": "a, \"b\"\tc\nd",
        });
        let columns = [
            "status",
            "seed",
            "command",
            "lr",
            "params.lr",
            "loss",
            "metrics.loss",
            "t[b8]",
            "t",
            "nosuch",
            "description",
        ];
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let cells: Vec<String> = columns.iter().map(|column| cell(&run, column)).collect();
        assert_eq!(cells[..10], ["ok", "", "sh -c 'a b'", "3e-4", "3e-4", "0.5", "0.5", "2.0", "", ""]);
        assert!(table(std::slice::from_ref(&run), &columns, Format::Tsv).ends_with("a, \"b\"\\tc\\nd\n"));
        assert!(table(&[run], &columns, Format::Csv).ends_with("\"a, \"\"b\"\"\tc\nd\"\r\n"));
    }
}
