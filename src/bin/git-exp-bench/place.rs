//! Where tensors live: devices and dtypes of a setting in libtorch's terms, and the switches it asks for.

use git_exp::domain::statistics::random::Random;
use git_exp::workload::setting::{Device, Distribution, Dtype, Setting};
use git_exp::workload::{Shape, op};
use git_exp_torch_switches as switches;
use tch::{Cuda, Kind, Tensor};

use crate::failure::Failure;

/// The bytes of a line of the cache.
const LINE: usize = 64;
/// How many of them a page of memory has.
const LINES: usize = 64;

/// The device and the dtype of tensors at entry.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The device as the workload names it.
    pub named: Device,
    /// The device.
    pub device: tch::Device,
    /// The dtype of tensors at entry.
    pub kind: Kind,
    /// The dtype as the workload names it.
    pub dtype: Dtype,
    distribution: Distribution,
}

impl Place {
    /// The place of a setting; refused where the machine has no such device or the device no such dtype.
    pub fn new(setting: &Setting) -> Result<Self, Failure> {
        let device = match setting.device {
            Device::Cpu => tch::Device::Cpu,
            Device::Mps if tch::utils::has_mps() => tch::Device::Mps,
            Device::Mps => return Err(absent(setting.device, "libtorch has no MPS on this machine")),
            Device::Cuda(number) => {
                let count = Cuda::device_count();
                if i64::from(number) >= count {
                    return Err(absent(setting.device, &format!("libtorch sees {count} CUDA devices")));
                }
                tch::Device::Cuda(number as usize)
            }
        };
        if setting.dtype == Dtype::F64 && setting.device == Device::Mps {
            return Err(Failure::request("the device `mps` has no dtype `f64`", "--set dtype=f32"));
        }
        let kind = match setting.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 | Dtype::Autocast => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
            Dtype::F16 => Kind::Half,
        };
        let place = Self {
            named: setting.device,
            device,
            kind,
            dtype: setting.dtype,
            distribution: setting.distribution,
        };
        // Old devices lack short dtypes, which only trying tells.
        let tried = Tensor::f_ones([2], (kind, device)).and_then(|ones| ones.f_add(&ones));
        let _ = tried.map_err(|_| {
            Failure::request(
                format!("the device `{}` has no dtype `{}`", setting.device, setting.dtype.word()),
                "--set dtype=f32",
            )
        })?;
        Ok(place)
    }

    /// Where references are computed: in float64 on the processor.
    #[must_use]
    pub fn exact(self) -> Self {
        Self { named: Device::Cpu, device: tch::Device::Cpu, kind: Kind::Double, dtype: Dtype::F64, ..self }
    }

    /// The number of an accelerator; `None` on the processor.
    pub fn accelerator(&self) -> Option<i32> {
        match self.device {
            tch::Device::Cuda(number) => i32::try_from(number).ok(),
            tch::Device::Mps => Some(0),
            _ => None,
        }
    }

    /// Waits until the device has done all it was given.
    pub fn synchronize(&self) -> Result<(), Failure> {
        self.accelerator().map_or(Ok(()), |device| switches::synchronize(device).map_err(Failure::from))
    }

    /// A tensor of random numbers, the same for a seed whatever the device and the dtype.
    pub fn random(&self, shape: &Shape, layout: &mut Random) -> Result<Tensor, Failure> {
        let options = (Kind::Float, tch::Device::Cpu);
        let drawn = match self.distribution {
            Distribution::Normal => Tensor::f_randn(shape.sizes(), options)?,
            Distribution::Uniform => Tensor::f_rand(shape.sizes(), options)?,
        };
        self.anywhere(&drawn.f_to_device_(self.device, self.kind, false, false)?, layout)
    }

    /// A tensor of random whole numbers from 0 up to `below`, which is left out.
    pub fn random_below(&self, below: i64, shape: &Shape, layout: &mut Random) -> Result<Tensor, Failure> {
        let drawn = Tensor::f_randint(below, shape.sizes(), (Kind::Int64, tch::Device::Cpu))?;
        self.anywhere(&drawn.f_to_device_(self.device, Kind::Int64, false, false)?, layout)
    }

    /// The same tensor, on the processor at the place of a page that is drawn from `layout`.
    ///
    /// An allocator puts tensors in every process at the same distance from each other, and a load waits for a store to an address that
    /// ends in the same twelve bits: some distances make an operation slower by a tenth, in each sample and at each start alike.
    pub fn anywhere(&self, tensor: &Tensor, layout: &mut Random) -> Result<Tensor, Failure> {
        if self.device != tch::Device::Cpu {
            return Ok(tensor.shallow_clone());
        }
        let count = |elements: usize| i64::try_from(elements).expect("a tensor has so many elements");
        let of_a_line = LINE / tensor.kind().elt_size_in_bytes();
        let options = (tensor.kind(), tensor.device());
        let memory = Tensor::f_empty([count(tensor.numel() + LINES * of_a_line)], options)?;
        // The allocator hands out whole lines, and which line of its page it is differs from tensor to tensor.
        let first = memory.data_ptr().addr() / LINE % LINES;
        let begin = (layout.below(LINES) + LINES - first) % LINES * of_a_line;
        let mut moved = memory.f_as_strided(tensor.size(), tensor.stride(), count(begin))?;
        moved.f_copy_(tensor)?;
        Ok(moved)
    }

    /// A tensor with such content.
    pub fn tensor(
        &self,
        shape: &Shape,
        content: op::Content,
        layout: &mut Random,
    ) -> Result<Tensor, Failure> {
        match content {
            op::Content::Random => self.random(shape, layout),
            op::Content::Below(below) => self.random_below(below, shape, layout),
        }
    }
}

/// Where inputs lie in their pages, drawn anew.
pub fn layout() -> Result<Random, Failure> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed(error.to_string(), "try again"))?;
    Ok(Random::from_seed(u64::from_ne_bytes(seed)))
}

fn absent(device: Device, why: &str) -> Failure {
    Failure::request(format!("there is no device `{device}` here: {why}"), "--set device=cpu")
}

/// Sets every switch of libtorch that a setting names, and draws from its seed from now on.
pub fn apply(setting: &Setting) -> Result<(), Failure> {
    switch(setting)?;
    seed(setting);
    Ok(())
}

/// Sets every switch of libtorch that a setting names.
pub fn switch(setting: &Setting) -> Result<(), Failure> {
    tch::set_num_threads(i32::try_from(setting.threads).expect("a workload has at most 1024 threads"));
    switches::set_deterministic(setting.deterministic)?;
    switches::set_tf32(setting.tf32)?;
    switches::set_autotune(setting.autotune)?;
    if !switches::set_flush_denormals(setting.flush_denormals)? && setting.flush_denormals {
        return Err(Failure::request("this processor cannot flush denormals", "--set flush-denormals=false"));
    }
    Ok(())
}

/// Draws from the seed of a setting from now on.
pub fn seed(setting: &Setting) {
    tch::manual_seed(i64::try_from(setting.seed).expect("a workload's seed fits"));
}

/// The word for a device of libtorch in reports.
pub fn word_of_device(device: tch::Device) -> String {
    match device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(number) => format!("cuda:{number}"),
        tch::Device::Mps => "mps".to_owned(),
        tch::Device::Vulkan => "vulkan".to_owned(),
    }
}

/// The word for a dtype of libtorch in reports.
pub fn word(kind: Kind) -> String {
    match kind {
        Kind::Double => "f64".to_owned(),
        Kind::Float => "f32".to_owned(),
        Kind::Half => "f16".to_owned(),
        Kind::BFloat16 => "bf16".to_owned(),
        Kind::Int64 => "i64".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
