//! Topics: one on a page, and as a list.

use jiff::Timestamp;

use super::decision::moves;
use super::experiment::budget_in_words;
use super::table::{Align, Cell, Table};
use super::text::harmless;
use super::{Canvas, Page, Tone, time};
use crate::domain::issue::IssueLink;
use crate::domain::state::MoveOf;
use crate::domain::stopping::Stop;
use crate::domain::topic::Topic;

/// A topic with what the log knows around it.
#[derive(Clone, Debug)]
pub struct TopicView<'a> {
    /// The topic itself.
    pub topic: &'a Topic,
    /// Its branch.
    pub branch: String,
    /// How many experiments it has.
    pub experiments: u64,
    /// How many of them are decided.
    pub decided: u64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it was closed.
    pub is_closed: bool,
    /// Entries that say something else about it, because two clones opened or amended it without knowing of each other.
    pub conflicts: Vec<String>,
    /// Its stop criteria, each with whether it is met; empty where nobody asked.
    pub stops: Vec<(String, Stop)>,
    /// How its named baselines came to be what they are, oldest first.
    pub moves: &'a [MoveOf],
    /// Its issue on GitHub.
    pub issue: Option<IssueLink<'a>>,
}

/// Everything about one topic.
pub fn page(view: &TopicView<'_>, canvas: &Canvas) -> String {
    let topic = view.topic;
    let mut page = Page::default();
    let closed = if view.is_closed { "  closed" } else { "" };
    let heading = format!("topic {}", topic.name);
    page.line(&format!("{}{closed}", canvas.style.paint(Tone::Strong, &heading)));
    if let Some(goal) = &topic.goal {
        page.field("goal", &harmless(goal));
    }
    for conflict in &view.conflicts {
        let text = format!("{conflict} says something else; `git exp topic amend {}` settles it", topic.name);
        page.field("conflict", &canvas.style.paint(Tone::Bad, &harmless(&text)));
    }
    page.field("branch", &harmless(&view.branch));
    if let Some(issue) = view.issue {
        page.field("issue", &harmless(issue.url));
    }
    if let Some(prefix) = &topic.prefix {
        page.field("prefix", prefix.as_str());
    }
    page.field("experiments", &format!("{} ({} decided)", view.experiments, view.decided));
    if let Some(problem) = &topic.problem {
        page.field("problem", &harmless(problem));
    }
    if let Some(moment) = view.created {
        let age = time::age(moment, canvas.now);
        page.field("created", &format!("{} ({age})", time::short(moment, &canvas.zone)));
    }
    // Where it is known whether they are met, the stop criteria stand apart.
    let stop = if view.stops.is_empty() { topic.stop.clone() } else { Vec::new() };
    promises(&mut page, &Topic { stop, ..topic.clone() });
    if !view.stops.is_empty() {
        page.heading(canvas.style, "stop when");
        for (text, stop) in &view.stops {
            let tone = if stop.is_met() { Tone::Warning } else { Tone::Plain };
            let answer = canvas.style.paint(tone, stop.word());
            page.line(&format!("  {}: {answer} ({})", harmless(text), harmless(stop.why())));
        }
    }
    if !topic.phases.is_empty() {
        page.heading(canvas.style, "phases");
        for (number, phase) in (1..).zip(&topic.phases) {
            let goal = phase.goal.as_ref().map(|goal| format!(": {goal}")).unwrap_or_default();
            let until = phase.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
            page.line(&format!("  {number}. {}", harmless(&format!("{}{goal}{until}", phase.name))));
        }
    }
    if let Some(closing) = &topic.closing {
        let parts = [
            ("worked", &closing.worked),
            ("did not work", &closing.failed),
            ("limits", &closing.limits),
            ("next", &closing.next),
            ("retrospective", &closing.retrospective),
        ];
        for (name, texts) in parts {
            page.heading(canvas.style, name);
            for text in texts {
                page.line(&format!("  {}", harmless(text)));
            }
        }
    }
    if !view.moves.is_empty() {
        page.heading(canvas.style, "moved baselines");
        page.text.push_str(&moves(view.moves, canvas));
    }
    page.text
}

/// What a topic gives to its experiments, and when it ends.
pub(super) fn promises(page: &mut Page, topic: &Topic) {
    let mut list = |name: &str, lines: Vec<String>| {
        for (index, line) in lines.iter().enumerate() {
            page.field(if index == 0 { name } else { "" }, &harmless(line));
        }
    };
    list("constraints", topic.constraints.clone());
    list("success", topic.success.clone());
    list("hypotheses", topic.hypotheses.clone());
    list("matrix", topic.matrix.clone());
    list("code", topic.code.clone());
    list("accept", topic.accept.iter().map(ToString::to_string).collect());
    list("guard", topic.guard.iter().map(ToString::to_string).collect());
    list("no guard", topic.no_guard.clone().into_iter().collect());
    list("trials", topic.trials.map(|trials| format!("{trials} a side")).into_iter().collect());
    if !topic.budget.is_empty() {
        list("budget", vec![format!("{} for each experiment", budget_in_words(topic.budget))]);
    }
    list("baselines", topic.baselines.iter().map(|(name, target)| format!("{name}={target}")).collect());
    list(
        "scope",
        topic.scope.iter().map(|(name, values)| format!("{name}: {}", values.join(", "))).collect(),
    );
    let pin = topic.evaluation.iter();
    list("evaluation", pin.map(|it| format!("{} (pinned at {})", it.paths.join(", "), it.short())).collect());
    list("stop when", topic.stop.clone());
    list("links", topic.links.iter().map(|(name, address)| format!("{name}: {address}")).collect());
}

/// The topics as a table.
pub fn table(views: &[TopicView<'_>], canvas: &Canvas) -> String {
    let mut table = Table::new([
        ("topic", Align::Left),
        ("prefix", Align::Left),
        ("experiments", Align::Right),
        ("decided", Align::Right),
        ("age", Align::Left),
        ("goal", Align::Left),
    ]);
    for view in views {
        let name = view.topic.name.as_str();
        table.push(vec![
            Cell::new(match (view.is_closed, view.conflicts.is_empty()) {
                (_, false) => format!("{name} (conflict)"),
                (true, true) => format!("{name} (closed)"),
                (false, true) => name.to_owned(),
            }),
            view.topic.prefix.as_ref().map_or_else(|| Cell::new("-"), |prefix| Cell::new(prefix.as_str())),
            Cell::new(view.experiments.to_string()),
            Cell::new(view.decided.to_string()),
            view.created.map_or_else(Cell::default, |moment| Cell::new(time::age(moment, canvas.now))),
            view.topic.goal.as_ref().map_or_else(Cell::default, Cell::new),
        ]);
    }
    table.render(canvas.style, canvas.width)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;

    use super::*;
    use crate::domain::brief::Budget;
    use crate::render::run::tests::canvas;

    #[test]
    fn a_topic_fits_on_a_page_and_in_a_list() {
        let topic = Topic {
            prefix: "MIX".parse().ok(),
            goal: Some("Halve the step time at equal loss".to_owned()),
            accept: vec!["step_time <= -8%".parse().expect("the criterion is right")],
            guard: Vec::new(),
            budget: Budget { wall_seconds: Some(7_200.0), ..Budget::default() },
            baselines: BTreeMap::from([("main".to_owned(), "MIX-001".to_owned())]),
            stop: vec!["three experiments in a row change nothing".to_owned()],
            scope: BTreeMap::from([("seeds".to_owned(), vec!["1".to_owned(), "2".to_owned()])]),
            links: BTreeMap::from([("dashboard".to_owned(), "https://example.org/d".to_owned())]),
            ..Topic::named("mixing".parse().expect("the name is right"))
        };
        let view = TopicView {
            topic: &topic,
            branch: "research/mixing".to_owned(),
            experiments: 12,
            decided: 9,
            created: Some("2026-11-21T11:10:05Z".parse().expect("the time is right")),
            is_closed: false,
            conflicts: Vec::new(),
            stops: vec![(
                "three experiments in a row change nothing".to_owned(),
                Stop::Unknown("for people to judge".to_owned()),
            )],
            moves: &[],
            issue: None,
        };
        assert_snapshot!(page(&view, &canvas()), @"
        topic mixing
          goal         Halve the step time at equal loss
          branch       research/mixing
          prefix       MIX
          experiments  12 (9 decided)
          created      2026-11-21 13:10 (2 days ago)
          accept       step_time <= -8%
          budget       2 h of wall time for each experiment
          baselines    main=MIX-001
          scope        seeds: 1, 2
          links        dashboard: https://example.org/d

        stop when
          three experiments in a row change nothing: unknown (for people to judge)
        ");
        assert_snapshot!(table(&[view], &canvas()), @"
        topic   prefix  experiments  decided  age         goal
        mixing  MIX              12        9  2 days ago  Halve the step time at equal loss
        ");
    }
}
