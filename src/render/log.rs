//! The log, one line an entry.

use jiff::Timestamp;

use super::table::{Align, Cell, Table};
use super::{Canvas, Tone, time};

/// An entry in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its ID: whole for scripts, the shortest unique prefix for people.
    pub id: String,
    /// When it was written.
    pub time: Timestamp,
    /// The clone that wrote it.
    pub writer: String,
    /// What it is: `run`, `note`, `decision` …
    pub kind: String,
    /// The experiment it is about.
    pub experiment: Option<String>,
    /// The topic it is about.
    pub topic: Option<String>,
    /// What it says, in one line.
    pub subject: String,
    /// Whether a later entry withdrew it.
    pub is_withdrawn: bool,
}

/// The entries as a table, in the order in which they are given.
pub fn table(lines: &[LogLine], canvas: &Canvas) -> String {
    let mut table = Table::new([""; 5].map(|header| (header, Align::Left)));
    for line in lines {
        let about = line.experiment.as_ref().or(line.topic.as_ref());
        let subject =
            if line.is_withdrawn { format!("(withdrawn) {}", line.subject) } else { line.subject.clone() };
        table.push(vec![
            Cell::toned(Tone::Warning, &line.id),
            Cell::toned(Tone::Dim, time::short(line.time, &canvas.zone)),
            Cell::new(&line.kind),
            about.map_or_else(Cell::default, Cell::new),
            Cell::toned(if line.is_withdrawn { Tone::Dim } else { Tone::Plain }, subject),
        ]);
    }
    table.render(canvas.style, canvas.width)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::render::json::{EntryJson, line};
    use crate::render::run::tests::canvas;

    #[test]
    fn the_log_is_one_line_an_entry() {
        let entry = |kind: &str, experiment: Option<&str>, subject: &str| LogLine {
            id: "c0ffee00".to_owned(),
            time: "2026-11-21T11:10:05Z".parse().expect("the time is right"),
            writer: "0f0e0d0c".to_owned(),
            kind: kind.to_owned(),
            experiment: experiment.map(str::to_owned),
            topic: None,
            subject: subject.to_owned(),
            is_withdrawn: false,
        };
        let mut withdrawn = entry("note", Some("A-001"), "wrong\nlines \u{1b}[2J");
        withdrawn.is_withdrawn = true;
        let lines =
            [entry("run", Some("A-001"), "ok val_loss=2.31"), entry("topic", None, "mixing"), withdrawn];
        assert_snapshot!(table(&lines, &canvas()), @"
        c0ffee00  2026-11-21 13:10  run    A-001  ok val_loss=2.31
        c0ffee00  2026-11-21 13:10  topic         mixing
        c0ffee00  2026-11-21 13:10  note   A-001  (withdrawn) wrong␊lines ␛[2J
        ");
        assert_snapshot!(line(&EntryJson::from(&lines[2])), @r#"{"schema":"git-exp/entry/1","entry":"c0ffee00","kind":"note","time":"2026-11-21T11:10:05Z","writer":"0f0e0d0c","experiment":"A-001","topic":null,"subject":"wrong\nlines \u001b[2J","withdrawn":true}"#);
    }
}
