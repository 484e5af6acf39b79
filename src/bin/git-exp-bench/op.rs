//! `[op]`: calls one operation of libtorch.

use git_exp::domain::statistics::random::Random;
use git_exp::workload::op::{Algorithm, Backend, Layout, Op, OpTask, Pass};
use git_exp::workload::setting::{Device, Dtype, Setting};
use git_exp_torch_switches as switches;
use tch::{Kind, Reduction, TchError, Tensor};

use crate::failure::Failure;
use crate::optimizer::Optimizer;
use crate::place::Place;
use crate::subject::{Entry, Subject, Work};

/// The rate at which the optimiser step moves parameters.
const LEARNING_RATE: f64 = 1e-3;
const NORM_EPSILON: f64 = 1e-5;

/// An operation and its inputs.
pub struct OpSubject {
    task: OpTask,
    place: Place,
    inputs: Vec<Tensor>,
    /// What the output is multiplied with before the way back; absent for a forward pass and for scalars.
    upstream: Option<Tensor>,
    optimizer: Option<Optimizer>,
}

impl OpSubject {
    /// Draws the inputs of an operation, and where they lie.
    pub fn new(task: &OpTask, setting: &Setting, layout: &mut Random) -> Result<Self, Failure> {
        let place = Place::new(setting)?;
        if let Op::Attention { backend: Backend::Efficient | Backend::Cudnn, .. } = task.op
            && !matches!(setting.device, Device::Cuda(_))
        {
            return Err(Failure::request(
                format!("this back end of attention needs CUDA, and the device is `{}`", setting.device),
                "--set backend=flash or --set backend=math",
            ));
        }
        let mut inputs = Vec::new();
        for input in task.op.inputs() {
            let tensor = place.tensor(&input.shape, input.content, layout)?;
            let tensor = match task.layout {
                // The same numbers, with the two innermost dimensions the other way round in memory.
                Layout::Transposed => {
                    let moved = tensor.f_transpose(-2, -1)?.f_contiguous()?.f_transpose(-2, -1)?;
                    place.anywhere(&moved, layout)?
                }
                Layout::ChannelsLast if tensor.dim() == 4 => {
                    let moved = tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?;
                    place.anywhere(&moved, layout)?
                }
                Layout::Contiguous | Layout::ChannelsLast => tensor,
            };
            let is_leaf = task.pass == Pass::ForwardBackward && tensor.kind() != Kind::Int64;
            inputs.push(if is_leaf { tensor.f_detach()?.f_set_requires_grad(true)? } else { tensor });
        }
        let mut subject = Self { task: task.clone(), place, inputs, upstream: None, optimizer: None };
        if let Op::OptimizerStep { parameters, algorithm, .. } = task.op {
            let copies = (0..parameters).map(|_| place.anywhere(&copy_of(&subject.inputs[0])?, layout));
            let copies = copies.collect::<Result<Vec<_>, _>>()?;
            subject.optimizer = Some(Optimizer::new(copies, algorithm, LEARNING_RATE)?);
        } else if task.pass == Pass::ForwardBackward {
            let output = subject.forward(&subject.inputs)?;
            if output.dim() > 0 {
                let shape = git_exp::workload::Shape::new(output.size())
                    .map_err(|problem| Failure::request(problem, "use smaller shapes"))?;
                subject.upstream = Some(subject.place.random(&shape, layout)?);
            }
        }
        Ok(subject)
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor, Failure> {
        if let Op::Attention { backend, .. } = &self.task.op {
            choose(*backend)?;
        }
        if self.place.dtype != Dtype::Autocast {
            return Ok(compute(&self.task.op, inputs)?);
        }
        let device = self.place.named.kind();
        switches::set_autocast(device, true)?;
        let output = compute(&self.task.op, inputs);
        switches::set_autocast(device, false)?;
        Ok(output?)
    }

    /// The output, then the gradient of each input that has one.
    fn run(&self, inputs: &[Tensor], upstream: Option<&Tensor>) -> Result<Vec<Tensor>, Failure> {
        let output = self.forward(inputs)?;
        if self.task.pass == Pass::Forward {
            return Ok(vec![output]);
        }
        let loss = match upstream {
            Some(upstream) => output.f_mul(upstream)?.f_sum(None::<Kind>)?,
            None => output.shallow_clone(),
        };
        let leaves: Vec<&Tensor> = inputs.iter().filter(|input| input.requires_grad()).collect();
        let mut results = vec![output];
        results.extend(Tensor::f_run_backward(&[loss], &leaves, false, false)?);
        Ok(results)
    }
}

impl Subject for OpSubject {
    fn call(&mut self) -> Result<(), Failure> {
        if let Some(optimizer) = &mut self.optimizer {
            return Ok(optimizer.step(std::iter::repeat(&self.inputs[1]))?);
        }
        let _guard = (self.task.pass == Pass::Forward).then(tch::no_grad_guard);
        self.run(&self.inputs, self.upstream.as_ref()).map(drop)
    }

    fn entries(&self) -> Vec<Entry> {
        let inputs = self.task.op.inputs();
        inputs.iter().zip(&self.inputs).map(|(input, tensor)| Entry::of(input.name, tensor)).collect()
    }

    fn work(&self) -> Work {
        let cost = self.task.cost();
        let bytes = self.place.dtype.bytes();
        Work {
            flop: cost.flop,
            bytes: cost.elements * bytes,
            tokens: 0.0,
            formula: format!("{}; bytes = {bytes} · elements", cost.formula),
        }
    }

    fn outputs(&mut self) -> Result<Vec<Tensor>, Failure> {
        if let Op::OptimizerStep { algorithm, .. } = self.task.op {
            return after_one_step(&self.inputs, algorithm);
        }
        self.run(&self.inputs, self.upstream.as_ref())
    }

    fn reference(&mut self) -> Result<Option<Vec<Tensor>>, Failure> {
        let exact = |tensor: &Tensor| -> Result<Tensor, TchError> {
            if tensor.kind() == Kind::Int64 {
                return tensor.f_to_device_(tch::Device::Cpu, Kind::Int64, false, false);
            }
            let copy = tensor.f_detach()?.f_to_device_(tch::Device::Cpu, Kind::Double, false, true)?;
            if tensor.requires_grad() { copy.f_set_requires_grad(true) } else { Ok(copy) }
        };
        let inputs: Vec<Tensor> = self.inputs.iter().map(exact).collect::<Result<_, _>>()?;
        if let Op::OptimizerStep { algorithm, .. } = self.task.op {
            return after_one_step(&inputs, algorithm).map(Some);
        }
        let upstream = self.upstream.as_ref().map(exact).transpose()?;
        let mut task = self.task.clone();
        if let Op::Attention { backend, .. } = &mut task.op {
            *backend = Backend::Math;
        }
        let subject =
            Self { task, place: self.place.exact(), inputs: Vec::new(), upstream: None, optimizer: None };
        subject.run(&inputs, upstream.as_ref()).map(Some)
    }
}

/// Lets attention run on one back end only, or on whichever libtorch takes.
fn choose(backend: Backend) -> Result<(), Failure> {
    let may = |this: Backend| backend == this || backend == Backend::Auto;
    let (flash, efficient) = (may(Backend::Flash), may(Backend::Efficient));
    Ok(switches::set_attention_backends(flash, efficient, may(Backend::Math), may(Backend::Cudnn))?)
}

/// Calls an operation; an optimiser step is called elsewhere.
fn compute(op: &Op, inputs: &[Tensor]) -> Result<Tensor, TchError> {
    let width = |tensor: &Tensor| vec![*tensor.size().last().expect("a tensor of a workload has a size")];
    match op {
        Op::Matmul { .. } => inputs[0].f_matmul(&inputs[1]),
        Op::BatchedMatmul { .. } => inputs[0].f_bmm(&inputs[1]),
        Op::Attention { causal, .. } => Tensor::f_scaled_dot_product_attention(
            &inputs[0],
            &inputs[1],
            &inputs[2],
            None::<Tensor>,
            0.0,
            *causal,
            None::<f64>,
            false,
        ),
        Op::LayerNorm { .. } => {
            inputs[0].f_layer_norm(width(&inputs[0]), Some(&inputs[1]), Some(&inputs[2]), NORM_EPSILON, true)
        }
        Op::RmsNorm { .. } => inputs[0].f_rms_norm(width(&inputs[0]), Some(&inputs[1]), NORM_EPSILON),
        Op::Softmax { .. } => inputs[0].f_softmax(-1, None::<Kind>),
        Op::CrossEntropy { .. } => {
            inputs[0].f_cross_entropy_loss(&inputs[1], None::<Tensor>, Reduction::Mean, -100, 0.0)
        }
        Op::Convolution { stride, padding, groups, .. } => inputs[0].f_conv2d(
            &inputs[1],
            None::<Tensor>,
            [*stride, *stride],
            [*padding, *padding],
            [1, 1],
            *groups,
        ),
        Op::Embedding { .. } => Tensor::f_embedding(&inputs[0], &inputs[1], -1, false, false),
        Op::OptimizerStep { .. } => unreachable!("an optimiser step is no function of its inputs"),
    }
}

fn after_one_step(inputs: &[Tensor], algorithm: Algorithm) -> Result<Vec<Tensor>, Failure> {
    let mut optimizer = Optimizer::new([copy_of(&inputs[0])?], algorithm, LEARNING_RATE)?;
    optimizer.step([&inputs[1]])?;
    Ok(optimizer.into_parameters())
}

fn copy_of(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_to_dtype(tensor.kind(), false, true)
}
