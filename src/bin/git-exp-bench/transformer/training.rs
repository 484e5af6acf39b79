//! Training: batches of a text, steps, and the loss on what was held out.

use git_exp::error::Error;
use git_exp::workload::op::Algorithm;
use git_exp::workload::setting::Setting;
use git_exp::workload::transformer::{Mode, Transformer};
use tch::{Kind, Tensor};

use super::model::Model;
use crate::failure::{Failure, read_file};
use crate::optimizer::Optimizer;
use crate::place::Place;
use crate::subject::{Finding, Findings};

/// The first scenes of William Shakespeare's Coriolanus (about 1608), which is in the public domain.
const TEXT: &[u8] = include_bytes!("coriolanus.txt");
/// One part in so many of a text is held out, at its end.
const HELD_OUT: usize = 10;
/// The step by which weights move in finite differences.
const NUDGE: f64 = 1e-5;

/// Batches and an optimiser.
pub struct Training {
    batches: Batches,
    optimizer: Optimizer,
    steps: i64,
}

enum Batches {
    /// The same random tokens again and again: batch × (sequence + 1).
    Random(Tensor),
    Text {
        /// Every stretch of sequence + 1 bytes.
        learnt: Tensor,
        /// Where the stretches of each batch begin: steps × batch.
        begins: Tensor,
        /// Stretches that follow upon each other and are never learnt from.
        held_out: Tensor,
    },
}

impl Training {
    /// Draws what is learnt, and begins.
    pub fn new(task: &Transformer, place: &Place, model: &Model) -> Result<Self, Failure> {
        let batches = match task.mode {
            Mode::Train => Batches::of_text(task, place)?,
            _ => {
                let sizes = [task.batch, task.sequence + 1];
                let drawn = Tensor::f_randint(task.vocabulary, sizes, (Kind::Int64, tch::Device::Cpu))?;
                Batches::Random(drawn.f_to_device(place.device)?)
            }
        };
        let parameters = model.parameters().iter().map(|(_, parameter)| parameter.shallow_clone());
        let optimizer = Optimizer::new(parameters, Algorithm::Adamw, task.learning_rate)?;
        Ok(Self { batches, optimizer, steps: 0 })
    }

    /// The tokens and the targets of the next step.
    pub fn batch(&self) -> Result<(Tensor, Tensor), Failure> {
        split(&self.batches.at(self.steps)?)
    }

    /// Makes a step; the loss before it.
    pub fn step(&mut self, model: &Model) -> Result<Tensor, Failure> {
        let (tokens, targets) = self.batch()?;
        let (loss, gradients) = model.learn(&tokens, &targets)?;
        self.optimizer.step(&gradients)?;
        self.steps += 1;
        Ok(loss)
    }

    /// Learns a text from the start: the loss of each step, and that of what was held out.
    pub fn learn(&mut self, task: &Transformer, model: &Model) -> Result<Findings, Failure> {
        let mut losses = Vec::new();
        for step in 1..=task.steps {
            let loss = self.step(model)?.f_double_value(&[])?;
            losses.push(finite(loss, &format!("after {} steps", step - 1))?);
        }
        let held_out = self.held_out_loss(task, model)?;
        let held_out = finite(held_out, "on the text that was held out")?;
        let last = *losses.last().expect("a workload has at least one step");
        let number = |name, value, unit| Finding { name, value, unit, better: "lower" };
        let numbers = vec![
            number("train_loss", last, "nats"),
            number("evaluation_loss", held_out, "nats"),
            number("bits_per_byte", held_out / std::f64::consts::LN_2, "bits"),
        ];
        Ok(Findings { numbers, losses })
    }

    fn held_out_loss(&self, task: &Transformer, model: &Model) -> Result<f64, Failure> {
        let Batches::Text { held_out, .. } = &self.batches else { return Ok(0.0) };
        let _guard = tch::no_grad_guard();
        let (rows, mut sum) = (held_out.size()[0], 0.0);
        let mut row = 0;
        while row < rows {
            let some = task.batch.min(rows - row);
            let (tokens, targets) = split(&held_out.f_narrow(0, row, some)?)?;
            sum += some as f64 * model.loss(&tokens, &targets)?.f_double_value(&[])?;
            row += some;
        }
        Ok(sum / rows as f64)
    }

    /// Writes the weights and every batch into an `.npz` archive.
    pub fn export(&self, file: &str, task: &Transformer, model: &Model) -> Result<(), Failure> {
        let _guard = tch::no_grad_guard();
        let plain =
            |tensor: &Tensor| tensor.f_detach()?.f_to_device_(tch::Device::Cpu, Kind::Float, false, false);
        let whole = |tensor: &Tensor| tensor.f_to_device_(tch::Device::Cpu, Kind::Int64, false, false);
        let mut tensors = Vec::new();
        for (name, parameter) in model.parameters() {
            tensors.push((name.clone(), plain(parameter)?));
        }
        let batches = (0..task.steps).map(|step| self.batches.at(step)).collect::<Result<Vec<_>, _>>()?;
        tensors.push(("data.batches".to_owned(), whole(&Tensor::f_stack(&batches, 0)?)?));
        if let Batches::Text { held_out, .. } = &self.batches {
            tensors.push(("data.held-out".to_owned(), whole(held_out)?));
        }
        Tensor::write_npz(&tensors, file).map_err(|error| {
            let error = Error::outside(format!("cannot write the weights to `{file}`")).because(error);
            Failure::Failed(error.hint("`export` is a file that ends in .npz, in a folder that is there"))
        })
    }

    /// Refuses a model whose loss is not finite after the steps that were made.
    pub fn check(&self, model: &Model) -> Result<(), Failure> {
        let (tokens, targets) = self.batch()?;
        let _guard = tch::no_grad_guard();
        let loss = model.loss(&tokens, &targets)?.f_double_value(&[])?;
        finite(loss, &format!("after {} steps", self.steps)).map(drop)
    }

    /// How far gradients in float64 are off: the largest difference, over all parameters, to finite differences along
    /// the gradient and a random direction together, as a share of the gradient's norm.
    pub fn gradient_error(
        &self,
        task: &Transformer,
        setting: &Setting,
        model: &Model,
    ) -> Result<f64, Failure> {
        let exact = model.exact(task.attention)?;
        let (tokens, targets) = self.batch()?;
        let (tokens, targets) =
            (tokens.f_to_device(tch::Device::Cpu)?, targets.f_to_device(tch::Device::Cpu)?);
        let (_, gradients) = exact.learn(&tokens, &targets)?;
        crate::place::seed(setting);
        let _guard = tch::no_grad_guard();
        let norm = |tensor: &Tensor| tensor.f_norm()?.f_double_value(&[]);
        let mut worst: f64 = 0.0;
        for ((_, parameter), gradient) in exact.parameters().iter().zip(gradients) {
            let size = norm(&gradient)?;
            let random = gradient.f_randn_like()?;
            let mut direction = random.f_div_scalar(norm(&random)?)?;
            if size > 0.0 {
                direction = direction.f_add(&gradient.f_div_scalar(size)?)?;
            }
            let mut moved = parameter.f_detach()?;
            let mut at = |share: f64| -> Result<f64, Failure> {
                let _ = moved.f_add_(&direction.f_mul_scalar(share)?)?;
                Ok(exact.loss(&tokens, &targets)?.f_double_value(&[])?)
            };
            let (above, below) = (at(NUDGE)?, at(-2.0 * NUDGE)?);
            at(NUDGE)?;
            let slope = (above - below) / (2.0 * NUDGE);
            let off = (slope - gradient.f_mul(&direction)?.f_sum(None::<Kind>)?.f_double_value(&[])?).abs();
            worst = worst.max(if size > 0.0 { off / size } else { off });
        }
        Ok(worst)
    }
}

impl Batches {
    fn of_text(task: &Transformer, place: &Place) -> Result<Self, Failure> {
        let bytes = match task.text.as_str() {
            "" => TEXT.to_vec(),
            file => read_file("the text", file)?,
        };
        let (learnt, held_out) = bytes.split_at(bytes.len() - bytes.len() / HELD_OUT);
        let stretch = task.sequence + 1;
        if i64::try_from(held_out.len()).is_ok_and(|length| length < stretch) {
            return Err(Failure::request(
                format!(
                    "the text has {} bytes, and the last tenth must hold a sequence of {}",
                    bytes.len(),
                    task.sequence
                ),
                "--set sequence=128, or a longer `text`",
            ));
        }
        let tokens =
            |bytes: &[u8]| Tensor::f_from_slice(bytes)?.f_to_device_(place.device, Kind::Int64, false, false);
        let learnt = tokens(learnt)?.f_unfold(0, stretch, 1)?;
        let held_out = tokens(held_out)?.f_unfold(0, stretch, task.sequence)?;
        let sizes = [task.steps, task.batch];
        let begins = Tensor::f_randint(learnt.size()[0], sizes, (Kind::Int64, tch::Device::Cpu))?;
        Ok(Self::Text { learnt, begins: begins.f_to_device(place.device)?, held_out })
    }

    /// The batch of a step: batch × (sequence + 1). After the last one comes the first again.
    fn at(&self, step: i64) -> Result<Tensor, Failure> {
        Ok(match self {
            Self::Random(tokens) => tokens.shallow_clone(),
            Self::Text { learnt, begins, .. } => {
                learnt.f_index_select(0, &begins.f_select(0, step % begins.size()[0])?)?
            }
        })
    }
}

/// Tokens, and what follows upon each.
fn split(stretches: &Tensor) -> Result<(Tensor, Tensor), Failure> {
    let places = stretches.size()[1] - 1;
    Ok((stretches.f_narrow(1, 0, places)?.f_contiguous()?, stretches.f_narrow(1, 1, places)?.f_contiguous()?))
}

fn finite(loss: f64, when: &str) -> Result<f64, Failure> {
    if loss.is_finite() {
        return Ok(loss);
    }
    Err(Failure::failed(
        format!("the loss {when} is not finite"),
        "--set learning-rate=1e-4, or look for an overflow of its dtype: --set dtype=f32",
    ))
}
