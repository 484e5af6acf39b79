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
/// How a hidden line begins.
const HIDDEN: &str = "<!-- git-exp:";
/// How the line begins that says which title was given last.
const TITLE: &str = "<!-- git-exp:title ";
/// How the line begins that says which entries a post takes into account.
const SEEN: &str = "<!-- git-exp:seen ";

/// The hidden line by which a post is known again.
pub fn mark(entry: &EntryId) -> String {
    format!("<!-- git-exp:{} -->", entry.to_hex())
}

fn is_mark_of_entry(line: &str) -> bool {
    let id = line.strip_prefix(HIDDEN).and_then(|line| line.strip_suffix(" -->"));
    id.is_some_and(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The hidden lines in `text` by which a post of ours is known: lines in a row of which the last is an entry's mark.
///
/// What somebody shows as an example in a block of code, quotes, or took out of its place, marks nothing.
pub fn marking(text: &str) -> Vec<&str> {
    let (mut found, mut row) = (Vec::new(), Vec::new());
    for (line, place) in with_place(text) {
        match place == Place::Text && line.starts_with(HIDDEN) && line.ends_with("-->") {
            true => row.push(line),
            false => row.clear(),
        }
        if !row.is_empty() && is_mark_of_entry(line) {
            found.append(&mut row);
        }
    }
    found
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside code.
    Text,
    /// In a block of code that goes on after it.
    Code,
    /// At the end of a block of code.
    EndOfCode,
}

/// The lines of `text` without what stands at their ends, each with where it stands; a block of code that is never closed goes on to the end.
fn with_place(text: &str) -> impl Iterator<Item = (&str, Place)> {
    let mut open = None;
    text.lines().map(str::trim_end).map(move |line| {
        let place = match (open, fence(line)) {
            (None, Some((sign, length, _))) => {
                open = Some((sign, length));
                Place::Code
            }
            (None, None) => Place::Text,
            (Some((sign, length)), Some((other, count, true))) if other == sign && count >= length => {
                open = None;
                Place::EndOfCode
            }
            (Some(_), _) => Place::Code,
        };
        (line, place)
    })
}

/// The sign of a line that begins or ends a block of code, how many there are, and whether nothing follows them.
fn fence(line: &str) -> Option<(char, usize, bool)> {
    let text = line.trim_start_matches(' ');
    let sign = text.chars().next().filter(|sign| "`~".contains(*sign) && line.len() - text.len() < 4)?;
    let rest = text.trim_start_matches(sign);
    let length = text.len() - rest.len();
    (length >= 3 && !(sign == '`' && rest.contains('`'))).then_some((sign, length, rest.is_empty()))
}

/// Whether `mark` is the last line of `text`, and shown as no example.
pub fn ends_with(text: &str, mark: &str) -> bool {
    with_place(text.trim_end()).last() == Some((mark, Place::Text))
}

/// Whether `text` is a post of ours that carries one of `marks`.
pub fn is_marked(text: &str, marks: &[String]) -> bool {
    marking(text).iter().any(|line| marks.iter().any(|mark| mark == line))
}

/// Whether `text` is a post of ours.
pub fn is_post(text: &str) -> bool {
    !marking(text).is_empty()
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

/// What such a line in `text` says; nothing where it is no post of ours.
pub fn read_seen(text: &str) -> BTreeMap<Writer, u64> {
    let lines = marking(text);
    let line = lines.iter().rev().find_map(|line| line.strip_prefix(SEEN)?.strip_suffix(" -->"));
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

/// Whether the text of an issue has the part that is kept current.
pub fn has_part(text: &str) -> bool {
    place(text).is_some()
}

/// What of the text of an issue is not the part that is kept current.
pub fn others_part(text: &str) -> String {
    match place(text) {
        Some((start, end)) => format!("{}{}", &text[..start], &text[end..]),
        None => text.to_owned(),
    }
}

/// Where the part stands: from the line that begins it to the end of the line that ends it; in a block of code only where it is nowhere else.
fn place(text: &str) -> Option<(usize, usize)> {
    let is_text: Vec<bool> = with_place(text).map(|(_, place)| place == Place::Text).collect();
    let find = |is_wanted: &dyn Fn(usize) -> bool| {
        let (mut begin, mut offset) = (None, 0);
        for (number, line) in text.split_inclusive('\n').enumerate() {
            match line.trim_end() {
                // Of several in a row, what belongs to the end is the last.
                BEGIN if is_wanted(number) => begin = Some(offset),
                END if begin.is_some() && is_wanted(number) => {
                    return Some((begin?, offset + line.trim_end().len()));
                }
                _ => {}
            }
            offset += line.len();
        }
        None
    };
    find(&|number| is_text[number]).or_else(|| find(&|_| true))
}

/// What people made of an issue's text that was lost because a text of ours took its place, and that nobody put back since: of each what the
/// text had been, and what they made of it. `texts` are those that the issue had, oldest first, each with whether it is ours; `now` is the last.
///
/// A text that was there once is not ours: somebody put it back. What came to stand again later, whoever removed it after that, is not lost.
pub fn dropped<'a>(texts: &[(&'a str, bool)], now: &str) -> Vec<(&'a str, &'a str)> {
    let is = |text: &str, other: &str| text.trim() == other.trim();
    let others = |text: &str| others_part(text).trim().to_owned();
    // What was sent again because the answer was lost is the same text twice.
    let mut texts = texts.to_vec();
    texts.dedup_by(|later, before| is(later.0, before.0));
    if texts.last().is_none_or(|(last, _)| !is(last, now)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for at in 2..texts.len() {
        let (earlier, (theirs, _), (written, is_ours)) = (&texts[..at - 1], texts[at - 1], texts[at]);
        if !is_ours || earlier.iter().any(|(text, _)| is(text, written) || others(text) == others(theirs)) {
            continue;
        }
        let Some((was, _)) = earlier.iter().rev().find(|(text, _)| others(text) == others(written)) else {
            continue;
        };
        if !texts[at + 1..].iter().any(|(later, _)| has_change(&others(later), &others(was), &others(theirs)))
        {
            found.push((*was, theirs));
        }
    }
    found
}

/// Whether `text` has all lines that came from `before` to `after`, and none that went.
fn has_change(text: &str, before: &str, after: &str) -> bool {
    let [text, before, after] =
        [text, before, after].map(|it| it.lines().map(str::trim_end).collect::<Vec<_>>());
    after.iter().all(|line| before.contains(line) || text.contains(line))
        && before.iter().all(|line| after.contains(line) || !text.contains(line))
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
    for (line, (_, place)) in text.split_inclusive('\n').zip(with_place(text)) {
        used += length(line);
        if used > room {
            break;
        }
        kept += line.len();
        if place != Place::Code {
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
    fn an_edit_is_lost_when_ours_took_its_place_and_nobody_put_it_back() {
        fn joined<'a>(one: &[(&'a String, bool)], more: &[(&'a String, bool)]) -> Vec<(&'a String, bool)> {
            [one, more].concat()
        }

        let [read, theirs, ours, later] =
            [("a", "1"), ("a\nb", "1"), ("a", "2"), ("a", "3")].map(|(others, part)| with_part(others, part));
        let lost = |texts: &[(&String, bool)]| {
            let texts: Vec<(&str, bool)> =
                texts.iter().map(|(text, is_ours)| (text.as_str(), *is_ours)).collect();
            dropped(&texts, texts.last().map_or("", |it| it.0)) == [(read.as_str(), theirs.as_str())]
        };
        let all = [(&read, true), (&theirs, false), (&ours, true)];
        assert!(lost(&all));
        // Whoever writes with our own login is a person, too.
        assert!(lost(&[(&read, true), (&theirs, true), (&ours, true)]));
        assert!(lost(&joined(&all, &[(&ours, true)])));
        // What comes after it, ours or not, does not make it whole.
        let second = with_part("a\nc", "2");
        assert!(lost(&joined(&all, &[(&second, false)])) && lost(&joined(&all, &[(&later, true)])));
        // Once it was put back nothing is missing, though a person removes it then.
        let back = with_part("a\nb", "2");
        assert!(
            !lost(&joined(&all, &[(&back, true)])) && !lost(&joined(&all, &[(&back, true), (&ours, false)]))
        );
        for texts in [
            &[(&read, true), (&ours, true)][..],
            &[(&read, true), (&theirs, false), (&ours, false)],
            // A person took back what they had added.
            &[(&read, true), (&theirs, true), (&read, true)],
            &[(&theirs, false), (&ours, true)],
            &[],
        ] {
            assert!(!lost(texts), "{texts:?}");
        }
    }

    #[test]
    fn a_part_shown_as_an_example_is_not_written_into() {
        let example = format!("```html\n{BEGIN}\nx\n{END}\n```\n");
        let body = with_part(&format!("top\n{example}middle"), "old") + "end\n";
        let shown = with_part(&body, "new");
        assert_eq!(shown, body.replace("old", "new"));
        // Where it is all there is, as below a block of code that is never closed, it is ours.
        let open = format!("```\ntop\n\n{}", with_part("", "```text\nold\n```"));
        assert_eq!(with_part(&open, "new").matches(BEGIN).count(), 1);
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
    fn a_mark_counts_only_where_a_post_of_ours_has_it() {
        let seal = post_mark(Post::Seal, Some("sealed/A-001"));
        let entry = mark(&EntryId([0xab; 32]));
        let is_it = |text: &str| is_marked(text, std::slice::from_ref(&seal));
        let own = format!("{seal}\n{entry}");
        for text in
            [format!("text\n\n{own}\n"), format!("text\r\n{seal}\r\n{entry}\r\n"), format!("{own}\nbelow")]
        {
            assert!(is_it(&text), "{text}");
        }
        let none = [
            seal.clone(),
            format!("{seal}\n\n{entry}"),
            format!("{entry}\n{seal}"),
            format!("> {seal}\n> {entry}"),
            format!("    {seal}\n    {entry}"),
            format!("text {seal}\n{entry}"),
            format!("```markdown\n{own}\n```"),
            format!("```\ntext\n\n{own}\n"),
            format!("~~~~\n```\n{own}\n~~~\n~~~~\n"),
        ];
        for text in none {
            assert!(!is_it(&text), "{text}");
        }
        assert!(is_post(&own) && !is_post(&seal) && !is_post(""));
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
