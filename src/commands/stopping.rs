//! The stop criteria of a topic, held against what it has come to.

use std::collections::HashMap;

use super::sides::{choose, rows};
use crate::context::Context;
use crate::domain::brief::Budget;
use crate::domain::chronicle::baseline_at;
use crate::domain::criterion::{Criterion, Operator};
use crate::domain::decision::Decision;
use crate::domain::entry::Body;
use crate::domain::id::EntryId;
use crate::domain::metric::Better;
use crate::domain::run::Status;
use crate::domain::state::{ExperimentState, State, TopicState};
use crate::domain::stopping::{Progress, Reached, Stop, StopCriterion};
use crate::error::Error;
use crate::log::index::{Index, query};

/// Each stop criterion of `topic`, with whether it is met.
pub fn stops(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    topic: &TopicState,
) -> Result<Vec<(String, Stop)>, Error> {
    if topic.topic.stop.is_empty() {
        return Ok(Vec::new());
    }
    let own: Vec<&ExperimentState> =
        state.experiments.iter().filter(|it| it.topic() == Some(&topic.topic.name)).collect();
    let progress = progress(context, &own);
    let mut found = Vec::new();
    for text in &topic.topic.stop {
        let criterion = StopCriterion::of(text);
        let reached = match &criterion {
            StopCriterion::Reached(criterion, _) => reached(context, index, state, topic, &own, criterion)?,
            _ => Reached::default(),
        };
        found.push((text.clone(), criterion.judge(&progress, |_| reached)));
    }
    Ok(found)
}

fn progress(context: &Context, experiments: &[&ExperimentState]) -> Progress {
    let mut rulings: Vec<_> = experiments.iter().filter_map(|it| it.ruling()).collect();
    rulings.sort_by_key(|it| (it.time, it.entry));
    let sum = |of: fn(&ExperimentState) -> f64| Some(experiments.iter().map(|it| of(it)).sum());
    Progress {
        decisions: rulings.iter().map(|it| it.ruling.decision).collect(),
        spent: Budget {
            wall_seconds: sum(|it| it.runs.wall_seconds),
            accelerator_seconds: sum(|it| it.runs.accelerator_seconds),
            runs: Some(experiments.iter().map(|it| it.runs.trials()).sum()),
        },
        today: context.now().to_zoned(context.zone.clone()).date(),
    }
}

/// What a metric came to: the best mean of an experiment that was not rejected, and that of the first baseline.
fn reached(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    topic: &TopicState,
    experiments: &[&ExperimentState],
    criterion: &Criterion,
) -> Result<Reached, Error> {
    let metric = criterion.metric.as_str();
    let means: HashMap<(String, Option<EntryId>), f64> = query::means(index, metric)?;
    let better = match criterion.operator {
        Operator::AtMost => Better::Lower,
        Operator::AtLeast => Better::Higher,
    };
    let candidates = experiments.iter().filter(|it| it.decision() != Some(Decision::Rejected));
    let best =
        candidates.filter_map(|it| Some((*means.get(&it.key())?, it.name()))).min_by(|a, b| match better {
            Better::Lower => a.0.total_cmp(&b.0),
            Better::Higher => b.0.total_cmp(&a.0),
        });
    let row = query::best(index, metric, better)?.into_values().next();
    let entries = context.log.entries(index, &row.map(|best| best.row).into_iter().collect::<Vec<_>>())?;
    let unit = match entries.first().map(|entry| &entry.body) {
        Some(Body::Run(run)) => run.metrics.get(metric).and_then(|value| value.unit.clone()),
        _ => None,
    };
    Ok(Reached { best, baseline: first_baseline(context, index, state, topic, metric)?, unit })
}

/// The mean of a metric over the runs of what the topic's first baseline was.
fn first_baseline(
    context: &mut Context,
    index: &mut Index,
    state: &State,
    topic: &TopicState,
    metric: &str,
) -> Result<Option<f64>, Error> {
    let names = &topic.topic.baselines;
    let Some(name) = names.get_key_value("default").or_else(|| names.iter().next()).map(|(name, _)| name)
    else {
        return Ok(None);
    };
    let target = baseline_at(topic, name, topic.opened).to_owned();
    let Ok(side) = choose(context, index, state, None, &target) else { return Ok(None) };
    let was_silent = std::mem::replace(&mut context.output.is_silent, true);
    let found = rows(context, index, state, std::iter::once(&side));
    context.output.is_silent = was_silent;
    let found = found?.concat();
    let values: Vec<f64> = context
        .log
        .entries(index, &found)?
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Run(run) if run.status == Status::Ok && run.pair.is_none_or(|pair| pair.number > 0) => {
                run.metrics.get(metric)?.value
            }
            _ => None,
        })
        .filter(|value| value.is_finite())
        .collect();
    Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
}
