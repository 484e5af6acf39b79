//! `[torchscript]`: calls a user's module.

use git_exp::error::Error;
use git_exp::workload::op::{Content, Pass};
use git_exp::workload::setting::{Dtype, Setting};
use git_exp::workload::torchscript::TorchScript;
use git_exp_torch_switches as switches;
use tch::{CModule, IValue, Kind, Tensor};

use crate::failure::Failure;
use crate::place::Place;
use crate::subject::{Entry, Subject};

/// A module and its inputs.
pub struct Module {
    task: TorchScript,
    place: Place,
    loaded: CModule,
    inputs: Vec<Tensor>,
}

impl Module {
    /// Loads a module and draws its inputs.
    pub fn new(task: &TorchScript, setting: &Setting) -> Result<Self, Failure> {
        let place = Place::new(setting)?;
        let mut module = load(&task.file, &place)?;
        if place.kind != Kind::Float {
            module.to(place.device, place.kind, false);
        }
        module.f_set_eval()?;
        let inputs = task.inputs.iter().map(|input| {
            let content = input.below.map_or(Content::Random, Content::Below);
            place.tensor(&input.shape, content)
        });
        Ok(Self { task: task.clone(), place, loaded: module, inputs: inputs.collect::<Result<_, _>>()? })
    }

    fn run(&self) -> Result<Vec<Tensor>, Failure> {
        let values: Vec<IValue> = self.inputs.iter().map(|it| IValue::Tensor(it.shallow_clone())).collect();
        let is_autocast = self.place.dtype == Dtype::Autocast;
        if is_autocast {
            switches::set_autocast(self.place.named.kind(), true)?;
        }
        let output = self.loaded.forward_is(&values);
        if is_autocast {
            switches::set_autocast(self.place.named.kind(), false)?;
        }
        let mut tensors = Vec::new();
        collect(output?, &mut tensors);
        if self.task.pass == Pass::ForwardBackward {
            let leaves: Vec<Tensor> =
                self.loaded.named_parameters()?.into_iter().map(|(_, parameter)| parameter).collect();
            let leaves: Vec<&Tensor> = leaves.iter().filter(|it| it.requires_grad()).collect();
            let Some(first) = tensors.iter().find(|tensor| tensor.requires_grad()) else {
                return Err(Failure::request(
                    format!("nothing that `{}` gives has a gradient", self.task.file),
                    "--set pass=forward",
                ));
            };
            let loss = first.f_sum(Kind::Float)?;
            tensors.extend(Tensor::f_run_backward(&[loss], &leaves, false, false)?);
        }
        Ok(tensors)
    }
}

impl Subject for Module {
    fn call(&mut self) -> Result<(), Failure> {
        let _guard = (self.task.pass == Pass::Forward).then(tch::no_grad_guard);
        self.run().map(drop)
    }

    fn entries(&self) -> Vec<Entry> {
        let named = self.task.inputs.iter().zip(&self.inputs);
        named.map(|(input, tensor)| Entry::of(&input.name, tensor)).collect()
    }

    fn outputs(&mut self) -> Result<Vec<Tensor>, Failure> {
        self.run()
    }

    fn reference(&mut self) -> Result<Option<Vec<Tensor>>, Failure> {
        let place = self.place.exact();
        let mut module = load(&self.task.file, &place)?;
        module.to(place.device, place.kind, false);
        module.f_set_eval()?;
        let exact = |tensor: &Tensor| {
            let kind = if tensor.kind() == Kind::Int64 { Kind::Int64 } else { Kind::Double };
            tensor.f_to_device_(tch::Device::Cpu, kind, false, false)
        };
        let inputs = self.inputs.iter().map(exact).collect::<Result<_, _>>()?;
        let exact = Self { task: self.task.clone(), place, loaded: module, inputs };
        // A module that makes tensors of f32 on its way has no float64 form.
        Ok(exact.run().ok())
    }
}

fn load(file: &str, place: &Place) -> Result<CModule, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        let error = Error::request(format!("cannot read the module `{file}`")).because(error);
        Failure::Request(error.hint("paths are relative to the top of the repository"))
    })?;
    let package = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    if package(b".wrapper.so") || package(b"aotinductor") {
        return Err(Failure::request(
            format!("`{file}` is a package of AOTInductor, which this harness does not load"),
            "save the module with torch.jit.save",
        ));
    }
    CModule::load_data_on_device(&mut bytes.as_slice(), place.device).map_err(|error| {
        let Failure::Failed(error) = Failure::from(error) else {
            unreachable!("an error of libtorch is a failure")
        };
        let cause = error.causes.first().cloned().unwrap_or_default();
        let error = Error::request(format!("`{file}` is not a TorchScript module")).because(cause);
        Failure::Request(error.hint("save it with torch.jit.save(torch.jit.script(model), path)"))
    })
}

/// The tensors in what a module gave, in order.
fn collect(value: IValue, tensors: &mut Vec<Tensor>) {
    match value {
        IValue::Tensor(tensor) => tensors.push(tensor),
        IValue::TensorList(list) => tensors.extend(list),
        IValue::Tuple(values) | IValue::GenericList(values) => {
            for value in values {
                collect(value, tensors);
            }
        }
        _ => {}
    }
}
