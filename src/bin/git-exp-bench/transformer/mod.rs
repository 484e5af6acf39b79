//! `[transformer]`: reads, writes or trains a decoder-only transformer.

mod model;
mod training;

use git_exp::domain::statistics::random::Random;
use git_exp::workload::Shape;
use git_exp::workload::setting::Setting;
use git_exp::workload::transformer::{Attention, Mode, Transformer};
use tch::{Kind, Tensor};

use crate::failure::Failure;
use crate::place::{self, Place};
use crate::subject::{Entry, Finding, Findings, Subject, Work};
use model::{Cache, Model};
use training::Training;

/// How many sequences of a batch are held against float64 and the baseline: all of them take a deep model minutes.
const LOOKED_AT: i64 = 1;

/// A model and what it does.
pub struct TransformerSubject {
    task: Transformer,
    setting: Setting,
    place: Place,
    model: Model,
    job: Job,
}

enum Job {
    /// Reads tokens: batch × sequence.
    Prefill { tokens: Tensor, cache: Cache },
    /// Writes the last of them.
    Decode { tokens: Tensor, cache: Cache },
    /// Learns.
    Train(Training),
}

impl TransformerSubject {
    /// Draws the weights and the tokens of a model.
    pub fn new(task: &Transformer, setting: &Setting, layout: &mut Random) -> Result<Self, Failure> {
        let place = Place::new(setting)?;
        let model = Model::draw(task, &place)?;
        let job = match task.mode {
            Mode::TrainStep | Mode::Train => Job::Train(Training::new(task, &place, &model)?),
            Mode::Prefill | Mode::Decode => {
                let shape = Shape::new([task.batch, task.sequence])
                    .map_err(|problem| Failure::request(problem, "--set batch=1"))?;
                let tokens = place.random_below(task.vocabulary, &shape, layout)?;
                let mut cache = Cache::new(task, &place)?;
                if task.mode == Mode::Prefill {
                    Job::Prefill { tokens, cache }
                } else {
                    let before = task.sequence - 1;
                    if before > 0 {
                        let _guard = tch::no_grad_guard();
                        let _ = model.read(&tokens.f_narrow(1, 0, before)?, 0, &mut cache)?;
                    }
                    Job::Decode { tokens, cache }
                }
            }
        };
        Ok(Self { task: task.clone(), setting: setting.clone(), place, model, job })
    }

    /// The logits after the last token, or nothing where it learns.
    fn read(&mut self) -> Result<Option<Tensor>, Failure> {
        let last = self.task.sequence - 1;
        let _guard = tch::no_grad_guard();
        match &mut self.job {
            Job::Prefill { tokens, cache } => self.model.read(tokens, 0, cache).map(Some),
            Job::Decode { tokens, cache } => {
                self.model.read(&tokens.f_narrow(1, last, 1)?, last, cache).map(Some)
            }
            Job::Train(_) => Ok(None),
        }
    }
}

impl Subject for TransformerSubject {
    fn call(&mut self) -> Result<(), Failure> {
        if let Job::Train(training) = &mut self.job {
            return training.step(&self.model).map(drop);
        }
        self.read().map(drop)
    }

    fn entries(&self) -> Vec<Entry> {
        let (batch, sequence) = (self.task.batch, self.task.sequence);
        let device = place::word_of_device(self.place.device);
        let entry = |name: &str, sizes: &[i64], dtype: String| Entry {
            name: name.to_owned(),
            shape: Shape::new(sizes).ok(),
            dtype,
            device: device.clone(),
        };
        let whole = || place::word(Kind::Int64);
        let mut entries = match &self.job {
            Job::Prefill { tokens, .. } => vec![Entry::of("tokens", tokens)],
            Job::Decode { cache, .. } => {
                let kept = [&[self.task.layers][..], &cache.keys().size()].concat();
                let dtype = || place::word(cache.keys().kind());
                vec![
                    entry("tokens", &[batch, 1], whole()),
                    entry("keys", &kept, dtype()),
                    entry("values", &kept, dtype()),
                ]
            }
            Job::Train(_) => vec![
                entry("tokens", &[batch, sequence], whole()),
                entry("targets", &[batch, sequence], whole()),
            ],
        };
        // The same parameter of all layers is one line, with the number of layers before its sizes.
        for (name, tensor) in self.model.parameters() {
            match name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
                None => entries.push(Entry::of(name, tensor)),
                Some(("0", name)) => {
                    let sizes = [&[self.task.layers][..], &tensor.size()].concat();
                    entries.push(entry(&format!("layers.{name}"), &sizes, place::word(tensor.kind())));
                }
                Some(_) => {}
            }
        }
        entries
    }

    fn work(&self) -> Work {
        let cost = self.task.cost();
        let bytes = self.place.dtype.bytes();
        let formula = if cost.elements > 0.0 {
            format!("{}; bytes = {bytes} · elements", cost.formula)
        } else {
            cost.formula
        };
        Work { flop: cost.flop, bytes: bytes * cost.elements, tokens: self.task.tokens() as f64, formula }
    }

    fn outputs(&mut self) -> Result<Vec<Tensor>, Failure> {
        if let Some(logits) = self.read()? {
            return Ok(vec![looked_at(&logits)?]);
        }
        let Job::Train(training) = &self.job else { return Ok(Vec::new()) };
        let (tokens, targets) = training.batch()?;
        loss_and_gradient(&self.model, &looked_at(&tokens)?, &looked_at(&targets)?)
    }

    fn check_after(&mut self) -> Result<(), Failure> {
        let Job::Train(training) = &self.job else { return Ok(()) };
        training.check(&self.model)
    }

    fn reference(&mut self) -> Result<Option<Vec<Tensor>>, Failure> {
        let exact = self.model.exact(Attention::Plain)?;
        let here = |tensor: &Tensor| looked_at(tensor)?.f_to_device(tch::Device::Cpu);
        match &self.job {
            Job::Train(training) => {
                let (tokens, targets) = training.batch()?;
                loss_and_gradient(&exact, &here(&tokens)?, &here(&targets)?).map(Some)
            }
            // What a token is followed by is the same, whether those before it were kept or are read again.
            Job::Prefill { tokens, .. } | Job::Decode { tokens, .. } => {
                let _guard = tch::no_grad_guard();
                let task = Transformer { batch: LOOKED_AT, ..self.task.clone() };
                let mut cache = Cache::new(&task, &self.place.exact())?;
                Ok(Some(vec![exact.read(&here(tokens)?, 0, &mut cache)?]))
            }
        }
    }

    fn findings(&mut self) -> Result<Findings, Failure> {
        let mut findings = Findings::default();
        let mut gradient_error = None;
        if let Job::Train(training) = &mut self.job {
            if self.task.check_gradients {
                gradient_error = Some(training.gradient_error(&self.task, &self.setting, &self.model)?);
            }
            if !self.task.export.is_empty() {
                training.export(&self.task.export, &self.task, &self.model)?;
            }
            if self.task.mode == Mode::Train {
                findings = training.learn(&self.task, &self.model)?;
            }
        }
        let number = |name, value| Finding { name, value, unit: "", better: "lower" };
        findings.numbers.extend(gradient_error.map(|error| number("gradient_error", error)));
        findings.numbers.push(number("parameters", self.task.parameter_count() as f64));
        Ok(findings)
    }
}

/// The first sequences of a batch.
fn looked_at(batch: &Tensor) -> Result<Tensor, tch::TchError> {
    batch.f_narrow(0, 0, LOOKED_AT)
}

/// The loss of a batch, and the gradient for all parameters in one row.
fn loss_and_gradient(model: &Model, tokens: &Tensor, targets: &Tensor) -> Result<Vec<Tensor>, Failure> {
    let (loss, gradients) = model.learn(tokens, targets)?;
    let gradients = gradients.iter().map(|gradient| gradient.f_reshape([-1]));
    let gradients = gradients.collect::<Result<Vec<_>, tch::TchError>>()?;
    Ok(vec![loss, Tensor::f_cat(&gradients, 0)?])
}
