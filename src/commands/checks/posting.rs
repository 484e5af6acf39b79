//! What is to be in order before results are posted, and before a topic is closed.

use super::comparison::Standing;
use super::{Checked, Found, Subject, Wanted};
use crate::commands::{closing, logbook};
use crate::context::Context;
use crate::domain::breach::Breach;
use crate::domain::check::posting::{Said, of_conflicts, of_logbook, of_numbers, of_topic};
use crate::domain::confidence::Confidence;
use crate::error::Error;
use crate::log::index::Index;

/// Looks at what would be posted of an experiment.
pub fn of_experiment(checked: Checked<'_>, standing: &Standing) -> Vec<Breach> {
    let nothing = |why: &str| Said {
        outcome: Err(why.to_owned()),
        confidence: Confidence::Exploratory,
        reasons: Vec::new(),
    };
    let said = match standing {
        Standing::NothingRan => nothing("nothing ran yet"),
        Standing::NotComparable(why) => nothing(why),
        Standing::Compared(compared) => compared.said.clone(),
    };
    of_numbers(checked.name, &said, checked.experiment.ruling().map(|it| &it.ruling))
}

/// Looks at the topic, as far as that is asked for.
pub fn look(
    context: &mut Context,
    index: &mut Index,
    subject: &Subject<'_>,
    wanted: &Wanted,
    found: &mut Found,
) -> Result<(), Error> {
    let topic = subject.branch.topic.as_ref().and_then(|name| subject.state.topics.get(name));
    let Some(topic) = topic else {
        return match wanted.closing {
            true => Err(Error::request("which topic is to be closed?")
                .hint("name it: git exp check --closing <topic>; `git exp topic list` lists them")),
            false => Ok(()),
        };
    };
    let name = topic.topic.name.as_str();
    if subject.branch.experiment.is_none() || wanted.closing {
        let conflicts: Vec<String> = topic
            .conflicts
            .iter()
            .map(|entry| format!("the entry {} claims to say what the topic {name} is, too", entry.short()))
            .collect();
        let mend = format!("say it once more: git exp topic amend {name}");
        found.breaches.extend(of_conflicts(&conflicts, &mend));
    }
    if wanted.closing {
        found.breaches.extend(closing::before_closing(context, subject.state, topic)?);
        found.breaches.extend(of_topic(&topic.topic));
    }
    if wanted.posting || wanted.closing {
        let missing = logbook::missing(context, index, &topic.topic.name)?;
        found.breaches.extend(of_logbook(name, missing));
    }
    Ok(())
}
