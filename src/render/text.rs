//! Text of users made harmless: nothing that a terminal obeys reaches it.

use std::borrow::Cow;

/// The text in one line with control characters, escapes and marks that turn the direction of writing made visible.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| visible(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match visible(c) {
            None => shown.push(c),
            Some(replacement) => shown.push_str(&replacement),
        }
    }
    Cow::Owned(shown)
}

/// The text with each line made harmless; line ends and tabs stay what they are.
pub fn harmless_lines(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            line.strip_suffix('\r').unwrap_or(line).split('\t').map(harmless).collect::<Vec<_>>().join("    ")
        })
        .collect();
    lines.join("\n")
}

/// What stands for a character that must not be sent as it is.
fn visible(c: char) -> Option<String> {
    let code = u32::from(c);
    match code {
        // Unicode has a picture for each of these.
        0x00..=0x1f => char::from_u32(0x2400 + code).map(String::from),
        0x7f => Some("␡".to_owned()),
        0x80..=0x9f
        | 0x061c
        | 0x200b
        | 0x200e..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0xfeff
        | 0xfff9..=0xfffb
        | 0xe0000..=0xe007f => Some(format!("<U+{code:04X}>")),
        _ => None,
    }
}

/// The words of a command as a shell would take them; one with control characters as `$'…'`, which POSIX shells read since 2024.
pub fn command_line(words: &[impl ToString]) -> String {
    let quoted = |word: String| {
        if word.chars().any(char::is_control) {
            return format!("$'{}'", word.chars().map(escaped).collect::<String>());
        }
        let is_plain =
            !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=:,@%+".contains(c));
        if is_plain { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    let line: Vec<String> = words.iter().map(|word| quoted(word.to_string())).collect();
    harmless(&line.join(" ")).into_owned()
}

/// A character as it is written between `$'` and `'`.
fn escaped(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        '\\' | '\'' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\{:03o}", u32::from(c)),
        // Two bytes in UTF-8, which is what the shell puts together.
        c if c.is_control() => {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:03o}")).collect()
        }
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_become_pictures() {
        assert_eq!(harmless("a\u{1b}[31mred\u{7}\r\n\tb"), "a␛[31mred␇␍␊␉b");
        assert_eq!(harmless("\u{9b}31m\u{7f}"), "<U+009B>31m␡");
    }

    #[test]
    fn marks_that_turn_the_direction_of_writing_are_named() {
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{200f}"), "a<U+202E>b<U+2066>c<U+200F>");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["größe µs ± −4.1 %", "学习率", "نص", "👩‍🔬"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(harmless_lines("a\tb\r\nc\u{1b}"), "a    b\nc␛");
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(command_line(&["sh", "-c", "echo 'a b' > c", ""]), r"sh -c 'echo '\''a b'\'' > c' ''");
        assert_eq!(command_line(&["train", "--lr=1e-4", "a\u{1b}"]), r"train --lr=1e-4 $'a\033'");
        assert_eq!(command_line(&["sh", "-c", "a 'b'\nc\\d"]), r"sh -c $'a \'b\'\nc\\d'");
    }

    proptest! {
        #[test]
        fn no_control_character_gets_through(text in any::<String>()) {
            prop_assert!(!harmless(&text).chars().any(char::is_control));
        }
    }
}
