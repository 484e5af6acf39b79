//! `[torchscript]`: calls a user's module, as TorchScript or as a package of AOTInductor.

use git_exp::domain::statistics::random::Random;
use git_exp::error::Error;
use git_exp::workload::op::{Content, Pass};
use git_exp::workload::setting::{Dtype, Setting};
use git_exp::workload::torchscript::TorchScript;
use git_exp_torch_switches as switches;
use tch::{CModule, IValue, Kind, Tensor};

use crate::failure::{Failure, read_file};
use crate::place::Place;
use crate::subject::{Entry, Subject};

/// The folder that only packages of AOTInductor have.
const COMPILED: &[u8] = b"/data/aotinductor/";

/// A module and its inputs.
pub struct Module {
    task: TorchScript,
    place: Place,
    loaded: Loaded,
    hash: String,
    inputs: Vec<Tensor>,
}

enum Loaded {
    Script(CModule),
    /// Native code, of the dtype and the shapes that it was compiled for.
    Package(switches::Package),
}

impl Module {
    /// Loads a module and draws its inputs, and where they lie.
    pub fn new(task: &TorchScript, setting: &Setting, layout: &mut Random) -> Result<Self, Failure> {
        let place = Place::new(setting)?;
        let (loaded, hash) = load(&task.file, &place)?;
        if matches!(loaded, Loaded::Package(_)) && task.pass == Pass::ForwardBackward {
            return Err(Failure::request(
                format!("`{}` is a package of AOTInductor, which has no way back", task.file),
                "--set pass=forward",
            ));
        }
        let inputs = task.inputs.iter().map(|input| {
            let content = input.below.map_or(Content::Random, Content::Below);
            place.tensor(&input.shape, content, layout)
        });
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Self { task: task.clone(), place, loaded, hash, inputs })
    }

    fn run(&self) -> Result<Vec<Tensor>, Failure> {
        let module = match &self.loaded {
            Loaded::Script(module) => module,
            Loaded::Package(package) => return package.run(&self.inputs).map_err(|error| self.misfit(error)),
        };
        let values: Vec<IValue> = self.inputs.iter().map(|it| IValue::Tensor(it.shallow_clone())).collect();
        let is_autocast = self.place.dtype == Dtype::Autocast;
        if is_autocast {
            switches::set_autocast(self.place.named.kind(), true)?;
        }
        let output = module.forward_is(&values);
        if is_autocast {
            switches::set_autocast(self.place.named.kind(), false)?;
        }
        let mut tensors = Vec::new();
        collect(output?, &mut tensors);
        if self.task.pass == Pass::ForwardBackward {
            let leaves: Vec<Tensor> =
                module.named_parameters()?.into_iter().map(|(_, parameter)| parameter).collect();
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

impl Module {
    /// What a package says of inputs that it was not compiled for; where it says it itself, its words stand above.
    fn misfit(&self, error: switches::Exception) -> Failure {
        let failure = Failure::from(error);
        let cause = failure.error().causes.first().cloned().unwrap_or_default();
        if failure.is_out_of_memory() {
            return failure;
        }
        let error = Error::request(format!("`{}` does not take these inputs", self.task.file));
        let error = if cause.contains("API call failed") { error } else { error.because(cause) };
        Failure::Request(
            error.hint("a package takes the number, shapes and dtype of inputs that it was compiled for"),
        )
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

    fn files(&self) -> Vec<(String, String)> {
        vec![(self.task.file.clone(), self.hash.clone())]
    }

    fn outputs(&mut self) -> Result<Vec<Tensor>, Failure> {
        self.run()
    }

    fn reference(&mut self) -> Result<Option<Vec<Tensor>>, Failure> {
        let place = self.place.exact();
        // What was compiled to native code has no float64 form.
        let Loaded::Script(_) = self.loaded else { return Ok(None) };
        let (loaded, hash) = load(&self.task.file, &place)?;
        let exact = |tensor: &Tensor| {
            let kind = if tensor.kind() == Kind::Int64 { Kind::Int64 } else { Kind::Double };
            tensor.f_to_device_(tch::Device::Cpu, kind, false, false)
        };
        let inputs = self.inputs.iter().map(exact).collect::<Result<_, _>>()?;
        let exact = Self { task: self.task.clone(), place, loaded, hash, inputs };
        // A module that makes tensors of f32 on its way has no float64 form.
        Ok(exact.run().ok())
    }
}

/// A module, and the BLAKE3 of its file.
fn load(file: &str, place: &Place) -> Result<(Loaded, String), Failure> {
    let bytes = read_file("the module", file)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let refused = |what: &str, failure: Failure, hint: &str| {
        let cause = failure.error().causes.first().cloned().unwrap_or_default();
        Failure::Request(Error::request(format!("`{file}` is not {what}")).because(cause).hint(hint))
    };
    if bytes.windows(COMPILED.len()).any(|window| window == COMPILED) {
        let number = place.accelerator().and_then(|number| i8::try_from(number).ok());
        let package = switches::Package::load(file, place.named.kind(), number.unwrap_or(-1));
        return package.map(|package| (Loaded::Package(package), hash)).map_err(|error| {
            let hint =
                "compile it on this machine with torch._inductor.aoti_compile_and_package, of PyTorch 2.11.0";
            refused("a package of AOTInductor that can be loaded here", error.into(), hint)
        });
    }
    let module = CModule::load_data_on_device(&mut bytes.as_slice(), place.device);
    let mut module = module.map_err(|error| {
        let hint = "save it with torch.jit.save(torch.jit.script(model), path), or compile it with torch._inductor.aoti_compile_and_package";
        refused("a TorchScript module", error.into(), hint)
    })?;
    if place.kind != Kind::Float {
        module.to(place.device, place.kind, false);
    }
    module.f_set_eval()?;
    Ok((Loaded::Script(module), hash))
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
