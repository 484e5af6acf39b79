//! Whether a metric can carry an experiment.

use super::Subject;
use crate::commands::comparing::with_trials;
use crate::commands::sides::{choose, code_here};
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::cell::cells;
use crate::domain::check::noise::{Known, breaches};
use crate::domain::criterion::Criterion;
use crate::domain::metric::built_in;
use crate::domain::noise_floor::noise_floors;
use crate::error::Error;
use crate::log::index::Index;

/// Looks at a metric, over the newest runs of the baseline.
pub fn look(
    context: &mut Context,
    index: &mut Index,
    subject: &Subject<'_>,
    name: &str,
) -> Result<Vec<Breach>, Error> {
    let registered = subject.branch.experiment.and_then(|it| it.registered.as_ref());
    let brief = registered.map(|it| &it.current.brief);
    let topic = subject.branch.topic.as_ref().and_then(|name| subject.state.topics.get(name));
    let topic = topic.map(|it| &it.topic);
    let settings = match (registered, topic) {
        (None, None) => context.settings_here()?,
        _ => context.settings_for(subject.branch.topic.as_ref(), &subject.branch.repo)?,
    };
    let criteria: Vec<Criterion> = match (brief, topic) {
        (Some(brief), _) if !brief.accept.is_empty() => [brief.accept.as_slice(), &brief.guard].concat(),
        (_, Some(topic)) => [topic.accept.as_slice(), &topic.guard].concat(),
        _ => Vec::new(),
    };
    let named =
        topic.and_then(|it| it.baselines.get_key_value("default").or_else(|| it.baselines.iter().next()));
    let word = brief.and_then(|it| it.baseline.as_deref()).or(named.map(|(name, _)| name.as_str()));
    let baseline = match word {
        Some(word) => choose(context, index, subject.state, topic, word)?,
        None => code_here(context)?,
    };
    let was_silent = std::mem::replace(&mut context.output.is_silent, true);
    let found = with_trials(context, index, subject.state, &baseline, |trials| {
        let newest = cells(trials).into_iter().next();
        let floors = newest.map(|cell| noise_floors(&cell, &settings.metrics, &criteria)).unwrap_or_default();
        let reported = trials.iter().rev().find_map(|trial| trial.run.metrics.get(name));
        let declared = settings.metrics.get(name).cloned().or_else(|| built_in(name));
        breaches(&Known {
            name,
            baseline: &baseline.name,
            is_declared: declared.is_some(),
            better: declared.as_ref().and_then(|it| it.better).or(reported.and_then(|it| it.better)),
            kind: declared.as_ref().and_then(|it| it.kind).or(reported.and_then(|it| it.kind)),
            floor: floors.iter().find(|floor| floor.metric == name),
        })
    });
    context.output.is_silent = was_silent;
    found
}
