//! Which idea to try next: a score from what others think of it, what it promises, what it costs and how new it is.
//!
//! The score is the weighted mean of four parts, each from 0 to 1:
//!
//! | part | weight | from | where nothing is said |
//! | --- | --- | --- | --- |
//! | rating | 0.4 | `(mean − 1) / 4` of the latest rating by each person other than the author | 3 of 5 |
//! | novelty | 0.3 | 1 − likeness to the nearest experiment, failed or not | |
//! | effect | 0.15 | `e / (e + 5 %)` of the expected relative change, whichever its sign | 2 % |
//! | cost | 0.15 | `1 h / (1 h + cost)` | 4 h |
//!
//! A mean rather than a quotient of gain and cost, since guesses of costs differ by factors of a hundred and would drown what
//! people think. The parts saturate for the same reason.

use super::entry::Identity;
use super::policy::is_same_person;
use super::similarity::{NEAR, Texts, digest};
use super::state::{IdeaState, RatingOf, State};
use super::tried::{Near, Past};

/// The rating of an idea that nobody else rated.
const NEUTRAL: f64 = 3.0;
/// The expected effect that counts half.
const HALF_EFFECT: f64 = 0.05;
/// The effect of an idea that does not say.
const UNSAID_EFFECT: f64 = 0.02;
/// The cost in seconds that counts half.
const HALF_COST: f64 = 3_600.0;
/// The cost in seconds of an idea that does not say.
const UNSAID_COST: f64 = 4.0 * 3_600.0;

/// What an idea is ranked by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merits {
    /// The mean of what others gave it, from 1 to 5; absent where nobody did.
    pub rating: Option<f64>,
    /// The expected relative change.
    pub effect: Option<f64>,
    /// What it costs, in seconds.
    pub cost_seconds: Option<f64>,
    /// From 0, the same was tried, to 1.
    pub novelty: f64,
}

/// An idea with its place.
#[derive(Clone, Debug)]
pub struct Ranked<'a> {
    /// The idea.
    pub idea: &'a IdeaState,
    /// What it is ranked by.
    pub merits: Merits,
    /// From 0 to 1.
    pub score: f64,
    /// The experiment that is most like it.
    pub nearest: Option<Near<'a>>,
}

impl Merits {
    /// The score, from 0 to 1: see the table above.
    pub fn score(&self) -> f64 {
        let rating = (self.rating.unwrap_or(NEUTRAL).clamp(1.0, 5.0) - 1.0) / 4.0;
        let effect = self.effect.filter(|it| it.is_finite()).unwrap_or(UNSAID_EFFECT).abs();
        let cost = self.cost_seconds.filter(|it| it.is_finite()).unwrap_or(UNSAID_COST).max(0.0);
        let score = 0.4 * rating
            + 0.3 * self.novelty.clamp(0.0, 1.0)
            + 0.15 * (effect / (effect + HALF_EFFECT))
            + 0.15 * (HALF_COST / (HALF_COST + cost));
        // What differs by less is a tie, on every machine.
        (score * 1e6).round() / 1e6
    }
}

/// The ratings that count: the latest by each person who is not the author, oldest first.
pub fn counted<'a>(author: &Identity, ratings: &'a [RatingOf]) -> Vec<&'a RatingOf> {
    let is_last =
        |place: usize, by: &Identity| !ratings[place + 1..].iter().any(|later| is_same_person(&later.by, by));
    let ratings = ratings.iter().enumerate();
    ratings
        .filter(|(place, it)| !is_same_person(&it.by, author) && is_last(*place, &it.by))
        .map(|(_, it)| it)
        .collect()
}

/// The mean of the ratings that count; absent where there are none.
pub fn mean_rating(author: &Identity, ratings: &[RatingOf]) -> Option<f64> {
    let counted = counted(author, ratings);
    let sum: f64 = counted.iter().map(|it| f64::from(it.rating.score)).sum();
    (!counted.is_empty()).then(|| sum / counted.len() as f64)
}

/// The words that an idea is compared by: what it would change, and what is believed.
pub fn words(idea: &IdeaState) -> String {
    let hypothesis = idea.idea.hypothesis.as_deref().unwrap_or_default();
    format!("{}\n{hypothesis}", idea.idea.title)
}

/// The idea that says most of `question`, if one is near.
pub fn nearest_idea<'a>(ideas: &[&'a IdeaState], question: &str) -> Option<&'a IdeaState> {
    let digests: Vec<String> = ideas.iter().map(|idea| digest(&words(idea))).collect();
    let texts = Texts::about(&[question], digests.iter().map(|digest| [digest.as_str()]));
    let near = texts.likeness(question).into_iter().filter(|(_, likeness)| *likeness >= NEAR);
    near.reduce(|best, it| if it.1 > best.1 { it } else { best }).map(|(place, _)| ideas[place])
}

/// One idea with what it is ranked by.
pub fn weighed<'a>(idea: &'a IdeaState, past: &Past<'a>) -> Ranked<'a> {
    let nearest = past.nearest_experiment(&words(idea), &idea.experiments);
    let merits = Merits {
        rating: mean_rating(&idea.by, &idea.ratings),
        effect: idea.idea.effect.as_ref().map(|it| it.change),
        cost_seconds: idea.idea.cost_seconds,
        novelty: 1.0 - nearest.as_ref().map_or(0.0, |near| near.likeness),
    };
    Ranked { idea, score: merits.score(), merits, nearest }
}

/// The past of `state`, for ideas to be weighed against it.
pub fn past_for<'a>(state: &'a State, ideas: &[&IdeaState]) -> Past<'a> {
    Past::about(state, &ideas.iter().map(|idea| words(idea)).collect::<Vec<_>>())
}

/// Ideas with the one to try next first; ties go to the lower number, then to the lower entry ID.
pub fn ranked<'a>(ideas: impl IntoIterator<Item = &'a IdeaState>, past: &Past<'a>) -> Vec<Ranked<'a>> {
    let mut ranked: Vec<Ranked<'a>> = ideas.into_iter().map(|idea| weighed(idea, past)).collect();
    sort(&mut ranked);
    ranked
}

fn sort(ranked: &mut [Ranked<'_>]) {
    ranked.sort_by(|a, b| {
        let key = |it: &Ranked<'_>| (it.idea.idea.number, it.idea.first);
        b.score.total_cmp(&a.score).then_with(|| key(a).cmp(&key(b)))
    });
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::EntryId;
    use crate::domain::idea::{Idea, Rating};

    fn person(name: &str) -> Identity {
        Identity { name: name.to_owned(), email: format!("{name}@example.org") }
    }

    fn rating(by: &str, score: u8) -> RatingOf {
        let rating = Rating { idea: EntryId([1; 32]), score, critique: None };
        RatingOf { entry: EntryId([score; 32]), time: Timestamp::UNIX_EPOCH, by: person(by), rating }
    }

    fn idea(number: u32, first: u8, title: &str) -> IdeaState {
        let idea = Idea {
            number,
            first: None,
            topic: None,
            title: title.to_owned(),
            hypothesis: None,
            mechanism: None,
            sources: Vec::new(),
            effect: None,
            cost_seconds: None,
            dropped: None,
        };
        IdeaState {
            first: EntryId([first; 32]),
            entry: EntryId([first; 32]),
            time: Timestamp::UNIX_EPOCH,
            by: person("author"),
            writer: "0f0e0d0c".parse().expect("a writer's name"),
            idea,
            ratings: Vec::new(),
            experiments: Vec::new(),
            shares_number: false,
            conflicts: Vec::new(),
        }
    }

    #[test]
    fn authors_do_not_rate_their_own_ideas_and_the_latest_word_of_each_counts() {
        let author = person("author");
        let mean = |ratings: &[RatingOf]| mean_rating(&author, ratings);
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[rating("author", 5)]), None);
        assert_eq!(mean(&[rating("author", 5), rating("reviewer", 2)]), Some(2.0));
        assert_eq!(mean(&[rating("reviewer", 1), rating("lead", 4), rating("reviewer", 5)]), Some(4.5));
    }

    #[test]
    fn ties_go_to_the_lower_number_then_to_the_lower_id() {
        let state = State::default();
        let ideas = [idea(2, 1, "a"), idea(1, 9, "b"), idea(1, 3, "c"), idea(3, 2, "d")];
        let best = Ranked {
            merits: Merits { rating: Some(5.0), effect: None, cost_seconds: None, novelty: 1.0 },
            ..weighed(&ideas[3], &past_for(&state, &[&ideas[3]]))
        };
        assert!(best.merits.score() > best.score);
        let order: Vec<&str> = ranked(&ideas, &past_for(&state, &ideas.each_ref()))
            .iter()
            .map(|it| it.idea.idea.title.as_str())
            .collect();
        assert_eq!(order, ["c", "b", "a", "d"]);
    }

    #[test]
    fn an_idea_that_is_there_already_is_found_in_other_words() {
        let ideas = [idea(1, 1, "prefetch batches"), idea(2, 2, "warm restarts")];
        let nearest = |question: &str| nearest_idea(&ideas.each_ref(), question).map(|it| it.idea.number);
        assert_eq!(nearest("restart the schedule warm"), Some(2));
        assert_eq!(nearest("a wider model"), None);
    }

    fn some_merits() -> impl Strategy<Value = Merits> {
        let optional = |range: std::ops::Range<f64>| prop::option::of(range);
        (optional(1.0..5.0), optional(-1.0..1.0), optional(0.0..1e6), 0.0..=1.0).prop_map(
            |(rating, effect, cost_seconds, novelty)| Merits { rating, effect, cost_seconds, novelty },
        )
    }

    proptest! {
        #[test]
        fn a_score_is_a_part_of_one(merits in some_merits()) {
            prop_assert!((0.0..=1.0).contains(&merits.score()));
        }

        #[test]
        fn what_is_better_in_one_thing_never_ranks_lower(
            merits in some_merits(), rating in 1.0..5.0, effect in 0.0..1.0, cost in 0.0..1e6, novelty in 0.0..=1.0, more in 0.0..1.0,
        ) {
            let pairs = [
                (Merits { rating: Some(rating), ..merits }, Merits { rating: Some(rating + more), ..merits }),
                (Merits { effect: Some(effect), ..merits }, Merits { effect: Some(-effect - more), ..merits }),
                (Merits { cost_seconds: Some(cost + more * 1e5), ..merits }, Merits { cost_seconds: Some(cost), ..merits }),
                (Merits { novelty, ..merits }, Merits { novelty: novelty + more, ..merits }),
            ];
            for (worse, better) in pairs {
                prop_assert!(worse.score() <= better.score(), "{worse:?} {better:?}");
            }
        }

        #[test]
        fn what_is_not_said_is_neither_best_nor_worst(merits in some_merits()) {
            let best = Merits { rating: Some(5.0), effect: Some(1.0), cost_seconds: Some(0.0), ..merits };
            let worst = Merits { rating: Some(1.0), effect: Some(0.0), cost_seconds: Some(1e9), ..merits };
            let unsaid = Merits { rating: None, effect: None, cost_seconds: None, ..merits };
            prop_assert!(worst.score() < unsaid.score() && unsaid.score() < best.score());
        }

        #[test]
        fn the_order_in_which_ideas_come_never_matters(numbers in prop::collection::vec((1_u32..4, 0_u8..250, 1_u8..6), 1..8)) {
            let mut ideas: Vec<IdeaState> = Vec::new();
            for (number, first, score) in numbers {
                if ideas.iter().all(|it| it.first != EntryId([first; 32])) {
                    ideas.push(IdeaState { ratings: vec![rating("reviewer", score)], ..idea(number, first, "the same") });
                }
            }
            let state = State::default();
            let past = past_for(&state, &ideas.iter().collect::<Vec<_>>());
            let order = |ideas: &[IdeaState]| ranked(ideas, &past).iter().map(|it| it.idea.first).collect::<Vec<_>>();
            let turned: Vec<IdeaState> = ideas.iter().rev().cloned().collect();
            prop_assert_eq!(order(&ideas), order(&turned));
        }
    }
}
