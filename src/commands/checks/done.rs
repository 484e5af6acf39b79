//! The definition of done.

use super::Checked;
use super::comparison::Standing;
use crate::commands::deciding::COMPARISON;
use crate::commands::recorded::document;
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::done::{Ending, breaches, worse_in};
use crate::error::Error;
use crate::log::index::Index;

/// Looks at results and decision.
pub fn look(
    context: &Context,
    index: &mut Index,
    checked: Checked<'_>,
    standing: &Standing,
) -> Result<Vec<Breach>, Error> {
    let ruling = checked.experiment.ruling();
    let worse = match ruling {
        Some(ruling) => {
            let (_, entry) = context.log.find(index, &ruling.entry.to_hex())?;
            document(context, &entry, COMPARISON.as_bytes())?.as_ref().map(worse_in).unwrap_or_default()
        }
        None => Vec::new(),
    };
    let (has_baseline_result, has_result) = match standing {
        Standing::Compared(compared) => (compared.has_baseline_result, compared.has_result),
        // That the baseline is missing is told already.
        Standing::NotComparable(_) => (true, checked.experiment.runs.total() > 0),
        Standing::NothingRan => (true, false),
    };
    Ok(breaches(&Ending {
        experiment: checked.name,
        baseline: checked.registered.current.brief.baseline.as_deref().unwrap_or("none"),
        has_baseline_result,
        has_result,
        ruling: ruling.map(|it| &it.ruling),
        worse: &worse,
    }))
}
