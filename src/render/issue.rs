//! What stands on GitHub: the hidden lines by which posts are known again, the part of an issue's text that is kept current, and how
//! what is too long is cut.

use std::collections::BTreeMap;

use serde::Serialize;

use super::logbook::SeriesFields;
use super::text::harmless;
use crate::domain::id::{EntryId, TopicName, Writer};
use crate::domain::issue::{IssueEvent, Post};

/// The longest text of an issue or a comment, in UTF-16 units.
pub const LONGEST: usize = 65_536;
/// The longest title, in characters.
const LONGEST_TITLE: usize = 200;
/// The line before the part of an issue's text that is kept current.
pub const BEGIN: &str =
    "<!-- git-exp:begin: what stands from here to `end` is written anew; write above or below -->";
/// The line after it.
pub const END: &str = "<!-- git-exp:end -->";
/// How the line begins that says which title was given last.
const TITLE: &str = "<!-- git-exp:title ";
/// How the line begins that says which entries a post takes into account.
const SEEN: &str = "<!-- git-exp:seen ";

/// The hidden line by which a post is known again.
pub fn mark(entry: &EntryId) -> String {
    format!("<!-- git-exp:{} -->", entry.to_hex())
}

fn is_mark_of_entry(line: &str) -> bool {
    let id = line.trim_end().strip_prefix("<!-- git-exp:").and_then(|line| line.strip_suffix(" -->"));
    id.is_some_and(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What stands for the mark of an entry that is not written yet.
pub fn unwritten_mark() -> String {
    mark(&EntryId([0; 32]))
}

/// The hidden line that says what a post is for and about, so that it is known again whoever posted it: of a seal the tag, of a summary the
/// entry that closed the topic.
pub fn post_mark(post: Post, about: Option<&str>) -> String {
    let about = about.map(|about| format!(" {}", encoded(about))).unwrap_or_default();
    format!("<!-- git-exp:{post}{about} -->")
}

/// A name as it stands in a hidden line, which it cannot end.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte);
    let shown = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    name.bytes().map(shown).collect()
}

/// The hidden line by which the issue of a topic is known again.
pub fn topic_mark(topic: &TopicName) -> String {
    format!("<!-- git-exp:topic {topic} -->")
}

/// The hidden line by which the pull request of an experiment is known again, whoever opened it; `registration` is the entry that began it.
pub fn pull_mark(registration: &EntryId) -> String {
    format!("<!-- git-exp:pull-request {} -->", registration.to_hex())
}

/// The hidden line that says how many entries of each log a post takes into account.
pub fn seen_line(seen: &BTreeMap<Writer, u64>) -> String {
    let logs: Vec<String> = seen.iter().map(|(writer, count)| format!("{writer}={count}")).collect();
    format!("{SEEN}{} -->", logs.join(" "))
}

/// What such a line in `text` says; nothing where there is no entry's mark, as in every post of ours.
pub fn read_seen(text: &str) -> BTreeMap<Writer, u64> {
    if !text.lines().any(is_mark_of_entry) {
        return BTreeMap::new();
    }
    let line = text.lines().rev().find_map(|line| line.trim_end().strip_prefix(SEEN)?.strip_suffix(" -->"));
    let logs = line.unwrap_or_default().split_whitespace().filter_map(|log| {
        let (writer, count) = log.split_once('=')?;
        Some((writer.parse().ok()?, count.parse().ok()?))
    });
    logs.collect()
}

/// A title: one line of text in which nobody is called.
pub fn title(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = harmless(&line).replace('@', "@\u{2060}").replace('#', "#\u{2060}");
    if line.chars().count() <= LONGEST_TITLE {
        return line;
    }
    line.chars().take(LONGEST_TITLE - 1).collect::<String>() + "…"
}

/// The hidden line that says which title was given last.
pub fn title_mark(title: &str) -> String {
    format!("{TITLE}{} -->", &blake3::hash(title.as_bytes()).to_hex()[..16])
}

/// What becomes of a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titled {
    /// The title that is to be given, where it is to change.
    pub change: Option<String>,
    /// The hidden line from then on; empty where no title was ever given.
    pub mark: String,
}

/// What becomes of the title that an issue with this text has, where it ought to be `wanted`: one that is not the one given last is a
/// person's, and stays.
pub fn titled(title: &str, text: &str, wanted: &str) -> Titled {
    let part = place(text).map(|(start, end)| &text[start..end]).unwrap_or_default();
    let last = part.lines().rev().map(str::trim_end).find(|line| line.starts_with(TITLE)).unwrap_or_default();
    let is_ours = title == wanted || last == title_mark(title);
    match is_ours {
        true => Titled { change: (title != wanted).then(|| wanted.to_owned()), mark: title_mark(wanted) },
        false => Titled { change: None, mark: last.to_owned() },
    }
}

/// The text of an issue with the part that is kept current in its place: where it stood, else at the end.
///
/// All else stays as it is. Where the lines around that part stand more than once, the first pair counts.
pub fn with_part(text: &str, part: &str) -> String {
    let part = format!("{BEGIN}\n\n{}\n\n{END}", part.trim());
    match place(text) {
        Some((start, end)) => format!("{}{part}{}", &text[..start], &text[end..]),
        None if text.trim().is_empty() => part,
        None => format!("{}\n\n{part}\n", text.trim_end()),
    }
}

/// What of the text of an issue is not the part that is kept current.
pub fn others_part(text: &str) -> String {
    match place(text) {
        Some((start, end)) => format!("{}{}", &text[..start], &text[end..]),
        None => text.to_owned(),
    }
}

/// Where the part stands: from the line that begins it to the end of the line that ends it.
fn place(text: &str) -> Option<(usize, usize)> {
    let (mut begin, mut offset) = (None, 0);
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            // Of several in a row, what belongs to the end is the last.
            BEGIN => begin = Some(offset),
            END if begin.is_some() => return Some((begin?, offset + line.trim_end().len())),
            _ => {}
        }
        offset += line.len();
    }
    None
}

/// What somebody wrote that was lost because `written` took the place of more than what had been `read`: what stands between the two
/// among the texts that the issue had, oldest first.
pub fn lost<'a>(
    texts: impl DoubleEndedIterator<Item = &'a str>,
    read: &str,
    written: &str,
) -> Option<&'a str> {
    let is = |text: &str, other: &str| text.trim_end() == other.trim_end();
    let mut texts = texts.rev().skip_while(|text| !is(text, written));
    texts.next()?;
    let before = texts.next().filter(|before| !is(before, read) && !is(before, written))?;
    // Where what was read is not among them, the history is not whole, and says nothing.
    texts.any(|text| is(text, read)).then_some(before)
}

/// How long a text is for GitHub.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text cut to `limit` at the end of a line, which is that of a table's row in a table, with a sentence that says where the rest is;
/// a block of code stays whole or goes.
pub fn fit(text: &str, limit: usize, rest: &str) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let tail = format!("\n\n… too long for GitHub: {rest}\n");
    let room = limit.saturating_sub(length(&tail));
    let (mut used, mut kept, mut whole) = (0, 0, 0);
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        used += length(line);
        if used > room {
            break;
        }
        kept += line.len();
        let trimmed = line.trim();
        let ticks = &trimmed[..trimmed.len() - trimmed.trim_start_matches('`').len()];
        match fence {
            Some(open) if trimmed == ticks && ticks.len() >= open.len() => fence = None,
            None if ticks.len() >= 3 => fence = Some(ticks),
            _ => {}
        }
        if fence.is_none() {
            whole = kept;
        }
    }
    format!("{}{tail}", text[..whole].trim_end())
}

/// A named baseline, with the runs that others are held against: an element of `baselines`.
#[derive(Debug, Serialize)]
pub struct BaselineFields {
    /// What the topic calls it.
    pub name: String,
    /// What it is.
    pub target: String,
    /// What ran there and counts; absent where nothing did.
    pub run: Option<SeriesFields>,
    /// The experiment that was compared with these runs; absent where none was yet.
    pub experiment: Option<String>,
}

/// Where things are on GitHub: `links`.
#[derive(Debug, Default, Serialize)]
pub struct LinkFields {
    /// The repository.
    pub repository: String,
    /// The topic's branch, where GitHub has it.
    pub branch: Option<String>,
    /// The logbook as it is at the commit it was pushed at.
    pub logbook: Option<String>,
    /// The code of experiments, by their names.
    pub commits: BTreeMap<String, String>,
    /// The seals of experiments, by their names.
    pub seals: BTreeMap<String, String>,
}

/// The hidden lines of a post: what it takes into account, what it is for, and its entry; that of none yet where there is none.
pub fn marks(event: &IssueEvent, entry: Option<&EntryId>) -> String {
    let mut lines = Vec::new();
    if !event.seen.is_empty() {
        lines.push(seen_line(&event.seen));
    }
    if let Some(post) = event.post.filter(|post| *post != Post::Update) {
        lines.push(post_mark(post, event.about.as_deref()));
    }
    lines.push(entry.map_or_else(unwritten_mark, mark));
    lines.join("\n") + "\n"
}

/// A text posted on GitHub as it stands there: the text, and the hidden lines that it is known by.
pub fn posted(text: &str, marks: &str, rest: &str) -> String {
    let room = LONGEST - length(marks) - 2;
    format!("{}\n\n{marks}", fit(text, room, rest).trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_wrote_around_the_part_stays() {
        let first = with_part("Hello.\n", "one");
        assert_eq!(first, format!("Hello.\n\n{BEGIN}\n\none\n\n{END}\n"));
        let edited = format!("Above.\n{first}Below: `x`.\n");
        let second = with_part(&edited, "two");
        assert_eq!(second, edited.replace("one", "two"));
        assert_eq!(others_part(&second), others_part(&edited));
        assert_eq!(with_part("", "one"), format!("{BEGIN}\n\none\n\n{END}"));
    }

    #[test]
    fn lines_that_somebody_pasted_take_nothing_of_what_people_wrote() {
        let body = format!("{END}\nmine\n{BEGIN}\nmine, too\n{BEGIN}\n\nold\n\n{END}\nlast {END}\n");
        let shown = with_part(&body, "new");
        for text in ["mine\n", "mine, too\n", "last "] {
            assert!(shown.contains(text), "{shown}");
        }
        assert!(shown.contains("new") && !shown.contains("old"), "{shown}");
    }

    #[test]
    fn an_edit_that_was_lost_is_the_one_just_before_ours() {
        let edits = ["read", "theirs", "ours"];
        assert_eq!(lost(edits.into_iter(), "read", "ours"), Some("theirs"));
        assert_eq!(lost(["read", "ours"].into_iter(), "read", "ours"), None);
        assert_eq!(lost(["read", "ours", "later"].into_iter(), "read", "ours"), None);
        assert_eq!(lost([].into_iter(), "read", "ours"), None);
        assert_eq!(lost(["ours"].into_iter(), "read", "ours"), None);
        assert_eq!(lost(["older", "ours"].into_iter(), "read", "ours"), None);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_row_and_says_where_the_rest_is() {
        let table: String = (0..100).map(|row| format!("| row {row} | 🚀 |\n")).collect();
        let shown = fit(&table, 300, "see the logbook");
        assert!(length(&shown) <= 300);
        let last = shown.lines().rfind(|line| line.starts_with('|')).expect("rows were kept");
        assert!(last.ends_with("🚀 |"), "{shown}");
        assert!(shown.ends_with("… too long for GitHub: see the logbook\n"));
        let code = format!("before\n\n```text\n{}\n```\nafter\n", "x\n".repeat(200));
        assert_eq!(fit(&code, 200, "there"), "before\n\n… too long for GitHub: there\n");
    }

    #[test]
    fn what_was_seen_is_read_again() {
        let seen = BTreeMap::from([
            ("0f0e0d0c".parse().expect("a name"), 42),
            ("aabbccdd".parse().expect("a name"), 1),
        ]);
        let entry = EntryId([0xab; 32]);
        let text = posted("text", &format!("{}\n{}\n", seen_line(&seen), mark(&entry)), "there");
        assert_eq!(read_seen(&text), seen);
        assert!(text.ends_with(&format!("{}\n", mark(&entry))));
        assert_eq!(read_seen("nothing"), BTreeMap::new());
        assert_eq!(read_seen(&seen_line(&seen)), BTreeMap::new(), "no post of ours");
        assert_eq!(unwritten_mark().len(), mark(&entry).len());
    }

    #[test]
    fn no_name_ends_the_hidden_line_that_it_stands_in() {
        assert_eq!(post_mark(Post::Seal, Some("sealed/A-001@0f")), "<!-- git-exp:seal sealed/A-001@0f -->");
        assert_eq!(post_mark(Post::Seal, Some("a--><b>\nü")), "<!-- git-exp:seal a--%3e%3cb%3e%0a%c3%bc -->");
        assert_eq!(post_mark(Post::Heartbeat, None), "<!-- git-exp:heartbeat -->");
    }

    #[test]
    fn a_title_that_a_person_gave_stays() {
        let text = with_part("", &format!("x\n\n{}", title_mark("first")));
        let ours =
            |change: Option<&str>| Titled { change: change.map(str::to_owned), mark: title_mark("second") };
        assert_eq!(titled("first", &text, "second"), ours(Some("second")));
        assert_eq!(titled("second", &text, "second"), ours(None));
        assert_eq!(titled("mine", &text, "second"), Titled { change: None, mark: title_mark("first") });
        // Nothing says which was ours, or somebody pasted a line that does.
        let pasted = format!("{}\n{}", title_mark("mine"), with_part("", "x"));
        for text in ["", &pasted] {
            assert_eq!(titled("mine", text, "second"), Titled { change: None, mark: String::new() });
        }
    }

    #[test]
    fn a_title_calls_nobody() {
        assert_eq!(
            title("moe:\u{202e} ask @octo\nabout #1"),
            "moe:<U+202E> ask @\u{2060}octo about #\u{2060}1"
        );
        assert_eq!(title(&"x".repeat(300)).chars().count(), 200);
    }

    proptest! {
        #[test]
        fn a_part_put_in_twice_is_as_put_in_once(before in "[a-z\n]{0,20}", part in "[a-z\n]{0,20}") {
            let once = with_part(&before, &part);
            prop_assert_eq!(with_part(&once, &part), once.clone());
            prop_assert_eq!(with_part(&with_part(&once, "x"), &part), once);
        }

        #[test]
        fn nothing_is_longer_than_its_limit(text in "(?s).{0,400}", limit in 80usize..200) {
            prop_assert!(length(&fit(&text, limit, "rest")) <= limit);
        }
    }
}
