//! Text of users as Markdown: nothing in it is taken for a mark, for HTML, for a mention or for a reference.
//!
//! `CommonMark` 0.31, with what GitHub adds: tables, mentions, references to issues, formulas.

use super::text::{harmless, harmless_lines};

/// Keeps a mention from calling somebody and a reference from linking, and cannot be seen.
const WORD_JOINER: char = '\u{2060}';

/// Text for a line or a table's cell: in one line, code between single backticks kept.
pub fn inline(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = harmless(&text);
    let parts: Vec<&str> = text.split('`').collect();
    // Backticks side by side, or one without its like, would pair up in other ways than it looks.
    let is_paired = !parts.len().is_multiple_of(2) && !text.contains("``");
    if !is_paired {
        return leading(&plain(&text));
    }
    let shown = parts.iter().enumerate().map(|(place, part)| match place % 2 {
        0 => plain(part),
        _ => format!("`{}`", part.replace('|', "\\|")),
    });
    leading(&shown.collect::<String>())
}

/// Text in one line in which nothing is kept as code.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            // Inside a word it means nothing, and names of metrics have many.
            '_' if previous.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric()) => {
                shown.push('_');
            }
            '|' | '*' | '_' | '[' | ']' | '\\' | '~' | '`' | '$' => {
                shown.push('\\');
                shown.push(c);
            }
            // `GH-12` refers to an issue, too.
            '-' if shown.to_ascii_lowercase().ends_with("gh")
                && rest.peek().is_some_and(char::is_ascii_digit) =>
            {
                shown.push('-');
                shown.push(WORD_JOINER);
            }
            // The address of an issue leaves a trace there.
            '/' if ["/issues", "/pull", "/discussions"].iter().any(|it| shown.ends_with(it)) => {
                shown.push('/');
                shown.push(WORD_JOINER);
            }
            '#' => {
                shown.push_str("\\#");
                shown.push(WORD_JOINER);
            }
            // Behind a letter it calls nobody, and names of experiments are copied with it.
            '@' if previous.is_ascii_alphanumeric() => shown.push('@'),
            '@' => {
                shown.push('@');
                shown.push(WORD_JOINER);
            }
            c => shown.push(c),
        }
        previous = c;
    }
    shown
}

/// Keeps the first characters of a line from beginning a list, a rule or a heading.
fn leading(line: &str) -> String {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    if let Some(rest) = line[digits..].strip_prefix(['.', ')'])
        && digits > 0
        && ends(rest)
    {
        return format!("{}\\{}", &line[..digits], &line[digits..]);
    }
    let is_list = line.strip_prefix(['-', '+']).is_some_and(ends);
    let is_rule = line.starts_with(['-', '=']) && line.chars().all(|c| "-= ".contains(c));
    if is_list || is_rule { format!("\\{line}") } else { line.to_owned() }
}

/// Text of several lines as a quotation: each line behind `> `.
pub fn quote(text: &str) -> String {
    let lines = harmless_lines(text.trim_end());
    let shown: Vec<String> = lines
        .lines()
        .map(|line| match line.trim() {
            "" => ">".to_owned(),
            line => format!("> {}", inline(line)),
        })
        .collect();
    shown.join("\n")
}

/// Text as code within a line.
pub fn code(text: &str) -> String {
    let text = without_marks(&harmless(&text.split('\n').collect::<Vec<_>>().join(" ")));
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.starts_with(' ') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Finished Markdown for a table's cell, which ends at a bar even within code.
pub fn cell(markdown: &str) -> String {
    let mut shown = String::with_capacity(markdown.len());
    let mut previous = ' ';
    for c in markdown.chars() {
        if c == '|' && previous != '\\' {
            shown.push('\\');
        }
        shown.push(c);
        previous = c;
    }
    shown
}

/// Text as a block of code.
pub fn block(text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}text\n{}\n{fence}", without_marks(&harmless_lines(text.trim_end())))
}

/// An address as a link, where it is one that a reader can follow; else as text.
pub fn link(address: &str) -> String {
    let is_link = (address.starts_with("https://") || address.starts_with("http://"))
        && address.chars().all(|c| c.is_ascii_graphic() && !"<>\"'`\\|".contains(c));
    if is_link { format!("<{address}>") } else { inline(address) }
}

/// Code in which nothing can be taken for one of the hidden lines that say what a document stands for.
fn without_marks(code: &str) -> String {
    code.replace("<!--", &format!("<!{WORD_JOINER}--"))
}

/// How many backticks stand side by side at most.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_lose_their_meaning() {
        assert_eq!(inline("a|b"), "a\\|b");
        assert_eq!(inline("</details> & <img src=x>"), "&lt;/details&gt; &amp; &lt;img src=x&gt;");
        assert_eq!(inline("ask @someone about #12"), "ask @\u{2060}someone about \\#\u{2060}12");
        assert_eq!(inline("A-001@0f0e (@me)"), "A-001@0f0e (@\u{2060}me)");
        assert_eq!(inline("**bold** [a](b) ~x~ $y$"), "\\*\\*bold\\*\\* \\[a\\](b) \\~x\\~ \\$y\\$");
        assert_eq!(inline("- item\n\n# heading"), "\\- item \\#\u{2060} heading");
        assert_eq!(inline("1. first"), "1\\. first");
        assert_eq!(inline("1.5 times, -8 %"), "1.5 times, -8 %");
        assert_eq!(inline("+14.9 %"), "+14.9 %");
        assert_eq!(inline("---"), "\\---");
        assert_eq!(inline("val_loss _a_ b__c"), "val_loss \\_a\\_ b\\_\\_c");
    }

    #[test]
    fn nothing_refers_to_an_issue_or_passes_for_a_hidden_line() {
        assert_eq!(inline("octo/moe#1, GH-12"), "octo/moe\\#\u{2060}1, GH-\u{2060}12");
        assert_eq!(inline("https://github.com/o/n/issues/1"), "https://github.com/o/n/issues/\u{2060}1");
        assert_eq!(block("<!-- git-exp:ab -->"), "```text\n<!\u{2060}-- git-exp:ab -->\n```");
        assert_eq!(code("<!-- a -->"), "`<!\u{2060}-- a -->`");
    }

    #[test]
    fn code_between_single_backticks_stays_code() {
        assert_eq!(inline("set `a_b` to 1"), "set `a_b` to 1");
        assert_eq!(inline("`@someone`"), "`@someone`");
        assert_eq!(inline("`<b>```"), "\\`&lt;b&gt;\\`\\`\\`");
        assert_eq!(inline("one ` alone"), "one \\` alone");
        assert_eq!(inline("`a_b | c` holds"), "`a_b \\| c` holds");
    }

    #[test]
    fn code_may_hold_backticks() {
        assert_eq!(code("a b"), "`a b`");
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(cell(&code("a|b")), "`a\\|b`");
        assert_eq!(cell(&inline("a|b")), "a\\|b");
        assert_eq!(code(" "), "");
        assert_eq!(block("a\n```\nb"), "````text\na\n```\nb\n````");
    }

    #[test]
    fn a_quotation_keeps_its_lines_and_nothing_leaves_it() {
        assert_eq!(quote("one\n\n</details>\n- two\n"), "> one\n>\n> &lt;/details&gt;\n> \\- two");
    }

    #[test]
    fn only_what_can_be_followed_is_a_link() {
        assert_eq!(link("https://example.org/a_b?c=d"), "<https://example.org/a_b?c=d>");
        assert_eq!(link("javascript:alert(1)"), "javascript:alert(1)");
        assert_eq!(link("https://example.org/> <img>"), "https://example.org/&gt; &lt;img&gt;");
    }

    /// What does not stand between single backticks; a backslash takes the meaning of what follows it, but not within code.
    fn outside_code(shown: &str) -> String {
        let (mut outside, mut is_code) = (String::new(), false);
        let mut rest = shown.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' if !is_code => drop(rest.next()),
                '`' => is_code = !is_code,
                c if !is_code => outside.push(c),
                _ => {}
            }
        }
        outside
    }

    #[test]
    fn a_backslash_before_code_is_a_backslash() {
        assert_eq!(inline("\\`<`"), "\\\\`<`");
        assert_eq!(outside_code(&inline("\\`<` and `a\\` <")), " and  &lt;");
    }

    proptest! {
        #[test]
        fn no_tag_no_line_and_no_mention_gets_out(text in any::<String>()) {
            let shown = inline(&text);
            prop_assert!(!shown.contains('\n'));
            let outside = outside_code(&shown);
            prop_assert!(!outside.contains('<'), "{shown}");
            let calls = outside.match_indices('@').any(|(place, _)| {
                !outside[..place].ends_with(|c: char| c.is_ascii_alphanumeric())
                    && !outside[place + 1..].starts_with(WORD_JOINER)
            });
            prop_assert!(!calls, "{shown}");
        }

        #[test]
        fn a_block_ends_where_it_should(text in "[a`\n<>-]{0,40}") {
            let shown = block(&text);
            let fence: String = shown.chars().take_while(|c| *c == '`').collect();
            let inner: Vec<&str> = shown.lines().skip(1).collect();
            let closing = inner.iter().position(|line| line.starts_with(&fence) && line.trim_matches('`').is_empty());
            prop_assert_eq!(closing, Some(inner.len() - 1));
        }
    }
}
