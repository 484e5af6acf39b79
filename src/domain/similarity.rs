//! How much of one text is said by others: words, their stems, and how rare they are; no model, and no language but English
//! is stemmed.
//!
//! The weight of a word is that of BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework"), with an inverse
//! document frequency that stays bounded for the few texts of a young topic: `1 + ln((N + 1) / (n + 1))`. A word counts for no more
//! than the question asks for, and the sum is divided by what the question would score against itself: 1 where a text says all of
//! it, 0 where it says nothing of it. So a threshold can be stated.

use std::collections::{BTreeMap, HashMap};

use rust_stemmers::{Algorithm, Stemmer};

/// From here on a text counts as near: it says so much of what was asked for, rare words counting more.
pub const NEAR: f64 = 0.4;

/// How fast a word that is repeated stops to count (BM25's `k1`).
const SATURATION: f64 = 1.2;
/// How much a long text is held against its words (BM25's `b`): little, since notes make the texts of what was studied longest.
const LENGTH: f64 = 0.3;
/// The shortest part that a name in mixed case is split into, so that `LoRA`, `ReLU` and `AdamW` stay whole.
const SHORTEST_PART: usize = 3;

/// Words that say nothing about what a text is about.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "done",
    "each", "every", "for", "from", "had", "has", "have", "having", "he", "her", "here", "his", "how", "i",
    "if", "in", "instead", "into", "is", "it", "its", "just", "let", "may", "me", "might", "more", "most",
    "my", "no", "nor", "not", "now", "of", "off", "on", "once", "one", "only", "or", "other", "our", "out",
    "over", "own", "same", "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "try", "under",
    "until", "up", "use", "used", "using", "very", "was", "we", "were", "what", "when", "where", "whether",
    "which", "while", "who", "why", "will", "with", "would", "yet", "you", "your",
];

/// Texts that some questions are compared with.
pub struct Texts {
    /// How many words each text has.
    lengths: Vec<u32>,
    /// How often each word that is asked for stands in which text, by the place of the text.
    places: Vec<Vec<(u32, u32)>>,
    /// The stems that are asked for, by number.
    asked: HashMap<String, u32>,
    /// The bytes that those begin with: most words need not be looked up.
    beginnings: [bool; 256],
}

/// A word of a text: whole, and the parts of a name such as `step_time` or `prefetchBatches`.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    whole: String,
    parts: Vec<String>,
}

impl Texts {
    /// Takes in what `questions` need of `texts`, each of them in parts that were [digested](digest).
    ///
    /// Each text is known by its place from then on, and no other question can be asked.
    pub fn about<'a, T>(questions: &[impl AsRef<str>], texts: impl IntoIterator<Item = T>) -> Self
    where
        T: IntoIterator<Item = &'a str>,
    {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut asked = HashMap::new();
        for word in questions.iter().flat_map(|question| words_of(question.as_ref())) {
            let words = std::iter::once(&word.whole).chain(&word.parts);
            for stem in words.filter_map(|word| stem(word, &stemmer)) {
                let next = u32::try_from(asked.len()).expect("fewer words than bytes in a question");
                asked.entry(stem).or_insert(next);
            }
        }
        let mut beginnings = [false; 256];
        for stem in asked.keys() {
            beginnings[usize::from(stem.as_bytes()[0])] = true;
        }
        let mut taken =
            Self { lengths: Vec::new(), places: vec![Vec::new(); asked.len()], asked, beginnings };
        let mut counts = vec![0; taken.places.len()];
        for text in texts {
            taken.take(text, &mut counts);
        }
        taken
    }

    fn take<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>, counts: &mut [u32]) {
        let place = u32::try_from(self.lengths.len()).expect("fewer texts than entries in a log");
        let mut seen = Vec::new();
        let mut length = 0;
        for stem in parts.into_iter().flat_map(|part| part.split(' ')).filter(|stem| !stem.is_empty()) {
            length += 1;
            if self.beginnings[usize::from(stem.as_bytes()[0])]
                && let Some(number) = self.asked.get(stem)
            {
                let count = &mut counts[*number as usize];
                if *count == 0 {
                    seen.push(*number);
                }
                *count += 1;
            }
        }
        for number in seen {
            let count = std::mem::take(&mut counts[number as usize]);
            self.places[number as usize].push((place, count));
        }
        self.lengths.push(length);
    }

    /// How much of `question` each text says, from 0 to 1, for the texts that say any of it, in the order of their places.
    pub fn likeness(&self, question: &str) -> Vec<(usize, f64)> {
        let asked = self.words(question);
        let whole: f64 = asked.iter().map(|(stem, count)| self.rarity(*stem) * weight(*count, 1.0)).sum();
        let total: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let mean = (total as f64 / self.lengths.len().max(1) as f64).max(1.0);
        let mut found: BTreeMap<u32, f64> = BTreeMap::new();
        for (stem, wanted) in asked {
            let Some(stem) = stem else { continue };
            let rarity = self.rarity(Some(stem));
            for (place, count) in &self.places[stem as usize] {
                let length = f64::from(self.lengths[*place as usize]) / mean;
                let said = weight(*count, length).min(weight(wanted, 1.0));
                *found.entry(*place).or_default() += rarity * said;
            }
        }
        found.into_iter().map(|(place, sum)| (place as usize, (sum / whole).clamp(0.0, 1.0))).collect()
    }

    /// The stems of a question with how often each is asked for; `None` for one that nobody knows of.
    ///
    /// A name such as `deepSpeed` is asked for as the texts write it: whole where one does, else by its parts.
    fn words(&self, question: &str) -> Vec<(Option<u32>, u32)> {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut words: BTreeMap<String, u32> = BTreeMap::new();
        let number = |stem: &String| self.asked.get(stem).copied();
        for word in words_of(question) {
            let whole = stem(&word.whole, &stemmer);
            let whole_is_there = whole.as_ref().and_then(number).is_some_and(|it| self.is_there(it));
            let taken: Vec<String> = match word.parts.is_empty() || whole_is_there {
                true => whole.into_iter().collect(),
                false => word.parts.iter().filter_map(|part| stem(part, &stemmer)).collect(),
            };
            for stem in taken {
                *words.entry(stem).or_default() += 1;
            }
        }
        words.into_iter().map(|(stem, count)| (number(&stem), count)).collect()
    }

    fn is_there(&self, number: u32) -> bool {
        !self.places[number as usize].is_empty()
    }

    fn rarity(&self, stem: Option<u32>) -> f64 {
        let holding = stem.map_or(0, |stem| self.places[stem as usize].len());
        1.0 + ((self.lengths.len() as f64 + 1.0) / (holding as f64 + 1.0)).ln()
    }
}

/// The stems of a text, joined by spaces: what is kept of it for [`Texts::about`].
///
/// A name that has parts is found whole as well as by each of them.
pub fn digest(text: &str) -> String {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut stems = String::with_capacity(text.len());
    each_word(text, &mut |whole, parts| {
        for word in std::iter::once(whole).chain(parts.iter().map(String::as_str)) {
            if let Some(stem) = stem(word, &stemmer) {
                if !stems.is_empty() {
                    stems.push(' ');
                }
                stems.push_str(&stem);
            }
        }
    });
    stems
}

/// Whether a text has a word that says what it is about.
pub fn says_something(text: &str) -> bool {
    let stemmer = Stemmer::create(Algorithm::English);
    words_of(text).iter().any(|word| stem(&word.whole, &stemmer).is_some())
}

/// What a word counts that stands `count` times in a text that is `length` times as long as the others.
fn weight(count: u32, length: f64) -> f64 {
    let count = f64::from(count);
    count * (SATURATION + 1.0) / (count + SATURATION * (1.0 - LENGTH + LENGTH * length))
}

fn stem(word: &str, stemmer: &Stemmer) -> Option<String> {
    let stem = STOP_WORDS.binary_search(&word).is_err().then(|| stemmer.stem(word).into_owned());
    stem.filter(|stem| !stem.is_empty())
}

fn words_of(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    each_word(text, &mut |whole, parts| {
        words.push(Word { whole: whole.to_owned(), parts: parts.to_vec() });
    });
    words
}

/// Calls `take` with each word of a text in lower case, and with its parts where it is a name that has several.
fn each_word(text: &str, take: &mut dyn FnMut(&str, &[String])) {
    for chunk in text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))) {
        // A full stop ends a sentence, and dashes open options.
        let chunk = chunk.trim_matches(['_', '-', '.']);
        if chunk.is_empty() {
            continue;
        }
        if chunk.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            take(chunk, &[]);
        } else if chunk.chars().any(is_unspaced) {
            pairs(chunk, take);
        } else {
            match parts(chunk).as_slice() {
                [] => {}
                [one] => take(one, &[]),
                several => take(&several.concat(), several),
            }
        }
    }
}

/// The parts of a name, in lower case: `step_time` and `prefetchBatches` have two, `0.5` and `ReLU` are whole.
fn parts(chunk: &str) -> Vec<String> {
    let is_number = |c: &char| c.is_ascii_digit();
    let characters: Vec<char> = chunk.chars().collect();
    let mut parts: Vec<String> = Vec::new();
    for (place, c) in characters.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| characters[place]);
        let after = characters.get(place + 1);
        match c {
            '.' if before.as_ref().is_some_and(is_number) && after.is_some_and(is_number) => {
                if let Some(part) = parts.last_mut() {
                    part.push('.');
                }
            }
            '_' | '-' | '.' => parts.push(String::new()),
            c => {
                let is_seam = c.is_uppercase() && before.is_some_and(char::is_lowercase);
                if is_seam || parts.is_empty() {
                    // Told apart from a dash below, where short parts are joined again.
                    if is_seam {
                        parts.push("\u{0}".to_owned());
                    } else {
                        parts.push(String::new());
                    }
                }
                if let Some(part) = parts.last_mut() {
                    part.extend(c.to_lowercase());
                }
            }
        }
    }
    joined(parts)
}

/// The parts with those joined again that mixed case alone cut too short.
fn joined(parts: Vec<String>) -> Vec<String> {
    let length = |part: &str| part.trim_start_matches('\u{0}').chars().count();
    let mut whole: Vec<String> = Vec::new();
    for part in parts {
        let is_seam = part.starts_with('\u{0}');
        let text = part.trim_start_matches('\u{0}');
        match whole.last_mut() {
            Some(last) if is_seam && (length(last) < SHORTEST_PART || length(text) < SHORTEST_PART) => {
                last.push_str(text);
            }
            _ => whole.push(text.to_owned()),
        }
    }
    whole.retain(|part| !part.is_empty());
    whole
}

/// Calls `take` with each two neighbours in a script that puts no spaces between words.
fn pairs(chunk: &str, take: &mut dyn FnMut(&str, &[String])) {
    for run in chunk.split(['_', '-', '.']) {
        let run = run.to_lowercase();
        let places: Vec<usize> = run.char_indices().map(|(place, _)| place).chain([run.len()]).collect();
        match places.len() {
            0 | 1 => {}
            2 => take(&run, &[]),
            _ => places.windows(3).for_each(|window| take(&run[window[0]..window[2]], &[])),
        }
    }
}

/// Whether a character is of a script that puts no spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// The one of `known` that whoever wrote `word` most likely meant.
pub fn nearest_word<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(word, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRIED: [&str; 6] = [
        "The data loader is the bottleneck; prefetch 4 batches",
        "Warm restarts of the learning rate escape flat regions; cosine schedule with restarts",
        "Fused mixing halves the memory traffic; one kernel for both reads",
        "A wider model learns faster; width 1024",
        "Gradient clipping at 1.0 keeps the loss finite in bf16",
        "学习率预热可以稳定训练",
    ];

    fn ask<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, question: &str) -> Vec<(usize, f64)> {
        let digests: Vec<String> = texts.into_iter().map(|text| digest(text.as_ref())).collect();
        Texts::about(&[question], digests.iter().map(|text| [text.as_str()])).likeness(question)
    }

    fn likeness(question: &str, place: usize) -> f64 {
        let found = ask(TRIED, question);
        found.iter().find(|(known, _)| *known == place).map_or(0.0, |(_, likeness)| *likeness)
    }

    fn nearest(question: &str) -> Option<usize> {
        let found = ask(TRIED, question);
        found.into_iter().filter(|it| it.1 >= NEAR).max_by(|a, b| a.1.total_cmp(&b.1)).map(|it| it.0)
    }

    #[test]
    fn stop_words_are_sorted_so_that_they_are_found() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn the_same_words_in_another_order_are_the_same() {
        assert!(likeness("prefetch 4 batches: the bottleneck is the data loader", 0) > 0.95);
        assert!(likeness("cosine schedule, warm restarts", 1) > 0.9);
    }

    #[test]
    fn plurals_and_other_forms_are_the_same_word() {
        assert!(likeness("prefetching a batch in the loaders", 0) > 0.9);
        assert_eq!(nearest("learning rates that restart warm"), Some(1));
        assert_eq!(nearest("clip gradients"), Some(4));
    }

    #[test]
    fn what_was_said_in_part_is_near_and_what_was_not_is_not() {
        assert_eq!(nearest("the loader limits throughput: prefetch 8 batches of data"), Some(0));
        assert_eq!(nearest("quantise the optimizer state to eight bits"), None);
        assert_eq!(nearest("a larger vocabulary for the tokenizer"), None);
        assert!(likeness("a larger vocabulary for the tokenizer", 3) < 0.1);
    }

    #[test]
    fn a_rare_word_tells_more_than_a_common_one() {
        let texts = ["lower loss", "lower loss by warmup", "lower loss by dropout", "lower loss"];
        let found: HashMap<usize, f64> = ask(texts, "warmup for a lower loss").into_iter().collect();
        assert!(found[&1] > 0.9 && found[&0] < 0.7, "{found:?}");
    }

    #[test]
    fn nothing_is_like_nothing() {
        assert!(ask(TRIED, "").is_empty());
        assert!(ask(TRIED, "of the – and … ").is_empty());
        assert!(ask([""; 0], "anything").is_empty());
        assert!(ask(["", "…"], "anything").is_empty());
        assert!(!says_something(" the … ") && says_something("the loss"));
    }

    #[test]
    fn other_scripts_and_accents_are_words_too() {
        assert_eq!(nearest("训练学习率预热"), Some(5));
        assert_eq!(nearest("学习"), Some(5));
        let texts = ["größere Schrittweite", "Ёмкость модели"];
        assert_eq!(ask(texts, "GRÖSSERE SCHRITTWEITE")[0].0, 0);
        assert_eq!(ask(texts, "ёмкость"), [(1, 1.0)]);
    }

    #[test]
    fn names_are_found_whole_and_by_their_parts() {
        let texts = ["step_time falls", "prefetchBatches", "deepspeed", "LoRA, ReLU and AdamW"];
        let best = |question: &str| {
            let found = ask(texts, question);
            found.into_iter().filter(|it| it.1 > 0.9).map(|it| it.0).collect::<Vec<_>>()
        };
        for question in ["step time", "step-time", "stepTime", "steptime", "STEP_TIME"] {
            assert_eq!(best(question), [0], "{question}");
        }
        assert_eq!(best("prefetch batches"), [1]);
        assert_eq!(best("DeepSpeed"), [2]);
        for question in ["lora", "relu", "RELU", "adamw"] {
            assert_eq!(best(question), [3], "{question}");
        }
        assert_eq!(parts("0.5"), ["0.5"]);
        assert_eq!(parts("model.width-2"), ["model", "width", "2"]);
    }

    proptest! {
        #[test]
        fn a_likeness_is_a_part_of_one(texts in prop::collection::vec(any::<String>(), 0..6), question in any::<String>()) {
            for (place, likeness) in ask(&texts, &question) {
                prop_assert!(place < texts.len());
                prop_assert!((0.0..=1.0).contains(&likeness));
            }
        }

        #[test]
        fn a_text_is_like_itself_unless_it_is_much_longer_than_the_others(words in prop::collection::vec("[a-z]{3,9}", 1..12)) {
            let text = words.join(" ");
            let found = ask([&text], &text);
            prop_assert!(found.iter().all(|(_, likeness)| *likeness > 1.0 - 1e-9));
            prop_assert_eq!(found.is_empty(), !says_something(&text));
        }

        #[test]
        fn the_order_of_the_words_does_not_matter(words in prop::collection::vec("[a-z]{1,9}", 1..12)) {
            let turned: Vec<String> = words.iter().rev().cloned().collect();
            let texts: Vec<String> = TRIED.iter().map(|text| (*text).to_owned()).chain([words.join(" ")]).collect();
            prop_assert_eq!(ask(&texts, &words.join(" ")), ask(&texts, &turned.join(" ")));
        }
    }
}
