//! What GitHub Actions reads: annotations, outputs and the job's summary.

use super::issue::fit;
use super::text::harmless;

/// How long the summary of a step may become, in bytes: GitHub refuses one of 1 MiB.
const LONGEST_SUMMARY: usize = 1_000_000;
/// The most bytes that a UTF-16 unit takes in UTF-8.
const UNIT: usize = 3;
/// The longest text of an annotation, in characters.
const LONGEST_ANNOTATION: usize = 1_000;
/// What cannot be seen, and parts what would be read together.
const JOINER: char = '\u{2060}';
/// How the line begins by which the comment of continuous integration is known again.
const MARK: &str = "<!-- git-exp:ci ";

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The job fails for it.
    Error,
    /// Somebody should look at it.
    Warning,
}

/// The line that has GitHub annotate the job; whatever the texts hold, it stays one command.
pub fn annotation(severity: Severity, title: &str, text: &str) -> String {
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("::{word} title={}::{}", property(title), data(text))
}

/// Keeps the lines of a text from being commands to the machine that runs the job: one begins with `::` behind spaces, or, in an older
/// form, has `##[` anywhere.
pub fn calm(text: &str) -> String {
    let calm_line = |line: &str| {
        let begin = line.len() - line.trim_start().len();
        let line = match line[begin..].strip_prefix("::") {
            Some(rest) => format!("{}:{JOINER}:{rest}", &line[..begin]),
            None => line.to_owned(),
        };
        line.replace("##[", &format!("#{JOINER}#["))
    };
    text.split_inclusive(['\n', '\r']).map(calm_line).collect()
}

/// The same JSON, in which nothing is such a command: it begins with a brace, and `#` has another form within texts.
pub fn calm_json(json: &str) -> String {
    json.replace("##[", "#\\u0023[")
}

/// A text as it stands behind the `::` of a command.
fn data(text: &str) -> String {
    let text: String = text.chars().take(LONGEST_ANNOTATION).collect();
    // Line ends have a form of their own; whatever else steers a terminal is shown.
    let lines: Vec<String> =
        text.split('\n').map(|line| harmless(&line.replace('\r', "")).into_owned()).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as it stands in a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// An output of a step as its file has it; `delimiter` is to be a word that nobody can guess.
pub fn output(name: &str, value: &str, delimiter: &str) -> String {
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// What is added to a summary that has `used` bytes, so that GitHub takes it; `None` where there is no room.
pub fn summary(text: &str, used: usize) -> Option<String> {
    let room = LONGEST_SUMMARY.checked_sub(used + 2)?;
    let shown = match text.len() <= room {
        true => text.to_owned(),
        false => fit(text, room / UNIT, "the rest is in the comparison's JSON"),
    };
    (shown.len() <= room).then(|| format!("{}\n\n", shown.trim_end()))
}

/// The hidden line by which the comment of `name` is known again; a name has letters, digits, `-`, `_` and `.` only.
pub fn mark(name: &str) -> String {
    format!("{MARK}{name} -->")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_annotation_stays_one_command() {
        assert_eq!(
            annotation(Severity::Error, "a:b,c%\n::x", "100 %\r\n::set-output name=x::y\u{1b}[2J"),
            "::error title=a%3Ab%2Cc%25%0A%3A%3Ax::100 %25%0A::set-output name=x::y␛[2J"
        );
        assert_eq!(annotation(Severity::Warning, "t", "x"), "::warning title=t::x");
    }

    #[test]
    fn no_line_of_a_text_is_a_command() {
        let text = "a ::x\n  ::error::y\r::z\nb ##[error]c\n";
        let shown = "a ::x\n  :\u{2060}:error::y\r:\u{2060}:z\nb #\u{2060}#[error]c\n";
        assert_eq!(calm(text), shown);
        let json = calm_json("{\"a\":\"###[b]\",\"c\":\"#\"}");
        assert!(!json.contains("##["), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(read["a"], "###[b]");
    }

    #[test]
    fn a_summary_stays_below_what_github_takes() {
        let row = "| 🚀 | ü |\n";
        let long = row.repeat(200_000);
        let shown = summary(&long, 500).expect("there is room");
        assert!(shown.len() + 500 <= LONGEST_SUMMARY && shown.contains("| 🚀 | ü |"));
        assert_eq!(summary("x", LONGEST_SUMMARY), None);
        assert_eq!(summary("x\n", 0).as_deref(), Some("x\n\n"));
    }

    proptest! {
        #[test]
        fn no_text_begins_a_command_of_its_own(title in any::<String>(), text in any::<String>()) {
            let line = annotation(Severity::Error, &title, &text);
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert!(!line.contains('\r'));
            let rest = line.strip_prefix("::error title=").expect("it begins so");
            let title_end = rest.find("::").expect("the text follows");
            prop_assert!(!rest[..title_end].contains([':', ',']));
        }
    }
}
