//! What every kind of workload gives to be measured.

use git_exp::domain::statistics::random::Random;
use git_exp::workload::{Shape, Task, Workload};
use tch::Tensor;

use crate::failure::Failure;
use crate::place;
use crate::{command, op, torchscript, transformer};

/// A tensor at entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub shape: Option<Shape>,
    /// Its dtype.
    pub dtype: String,
    /// Where it lives.
    pub device: String,
}

impl Entry {
    /// The entry of a tensor.
    pub fn of(name: &str, tensor: &Tensor) -> Self {
        Self {
            name: name.to_owned(),
            shape: Shape::new(tensor.size()).ok(),
            dtype: place::word(tensor.kind()),
            device: place::word_of_device(tensor.device()),
        }
    }
}

/// What one call costs, where that is known.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Floating-point operations of a call.
    pub flop: f64,
    /// Bytes read and written by a call.
    pub bytes: f64,
    /// Tokens of a call.
    pub tokens: f64,
    /// How these were computed.
    pub formula: String,
}

/// A number that a workload finds beside its time.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// What it is called in reports.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// The direction in which it improves: `lower` or `higher`.
    pub better: &'static str,
}

/// What a workload finds out beside its time.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The numbers that are reported.
    pub numbers: Vec<Finding>,
    /// The loss before each step of training.
    pub losses: Vec<f64>,
}

/// A workload that was built: what is called and timed.
///
/// A kind of workload implements this in a file of its own, and [`build`] is where it is registered.
pub trait Subject {
    /// Makes one call; on an accelerator it need not have ended on return.
    fn call(&mut self) -> Result<(), Failure>;

    /// The tensors at entry.
    fn entries(&self) -> Vec<Entry>;

    /// The files that it was loaded from: each by its name, with the BLAKE3 of its content.
    fn files(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What a call costs.
    fn work(&self) -> Work {
        Work::default()
    }

    /// What a call computes from a fresh start: outputs, then gradients. Empty where nothing can be looked at.
    fn outputs(&mut self) -> Result<Vec<Tensor>, Failure> {
        Ok(Vec::new())
    }

    /// The same computed in float64 on the processor from the same inputs; `None` where that cannot be done.
    fn reference(&mut self) -> Result<Option<Vec<Tensor>>, Failure> {
        Ok(None)
    }

    /// What it finds out beside its time; called once, after what it computes was looked at.
    fn findings(&mut self) -> Result<Findings, Failure> {
        Ok(Findings::default())
    }

    /// Looks at what calls have left behind, where they build on each other.
    fn check_after(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The most memory that what is measured has had, in bytes, where it is not this process.
    fn peak_memory(&self) -> Option<u64> {
        None
    }

    /// Whether the program that is measured is this one, so that caches can be flushed and batches made.
    fn is_in_process(&self) -> bool {
        true
    }
}

/// A workload that was built, of whatever kind.
pub type Build = Box<dyn Subject>;

/// Builds what a workload calls, with inputs drawn from its seed that lie where `layout` says.
pub fn build(workload: &Workload, mut layout: Random) -> Result<Build, Failure> {
    let layout = &mut layout;
    place::apply(&workload.setting)?;
    Ok(match &workload.task {
        Task::Op(task) => Box::new(op::OpSubject::new(task, &workload.setting, layout)?),
        Task::TorchScript(task) => Box::new(torchscript::Module::new(task, &workload.setting, layout)?),
        Task::Command(task) => Box::new(command::Program::new(task)),
        Task::Transformer(task) => {
            Box::new(transformer::TransformerSubject::new(task, &workload.setting, layout)?)
        }
    })
}
