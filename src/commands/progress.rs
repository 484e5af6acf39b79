//! What is shown on a terminal while a command runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::render::number;
use crate::runner::{Event, Observer};

/// Shows elapsed time, the trial and the latest metric on a terminal; nothing elsewhere.
pub struct Watch {
    bar: Option<ProgressBar>,
}

impl Watch {
    /// Begins to watch a trial.
    pub fn new(is_terminal: bool, trial: u32, trials: u32) -> Self {
        let bar = is_terminal.then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {prefix} {msg}")
                .expect("the template names what there is");
            let bar = ProgressBar::new_spinner().with_style(style);
            if trials > 1 {
                bar.set_prefix(format!("trial {trial} of {trials}"));
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Watch {
    fn event(&mut self, event: Event<'_>) {
        if let (Some(bar), Event::Metric(latest)) = (&self.bar, event) {
            let step = latest.step.map(|step| format!(" at step {step}")).unwrap_or_default();
            bar.set_message(format!("{} {}{step}", latest.name, number::significant(latest.value)));
        }
    }

    fn around_output(&mut self, write: &mut dyn FnMut()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
