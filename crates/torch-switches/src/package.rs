//! Packages of AOTInductor: modules that `torch._inductor.aoti_compile_and_package` compiled to native code.

use cxx::{Exception, UniquePtr};
use tch::Tensor;

#[cxx::bridge(namespace = "git_exp")]
mod bridge {
    extern "C++" {
        include!("git-exp-torch-switches/src/package.h");
    }

    unsafe extern "C++" {
        type Loader;
        fn load_package(file: &str, device: &str, index: i8) -> Result<UniquePtr<Loader>>;
        /// # Safety
        ///
        /// `inputs` are addresses of tensors that outlive the call; whoever calls owns the tensors it gives.
        unsafe fn run(self: &Loader, inputs: &[usize]) -> Result<Vec<usize>>;
    }
}

/// A package that was loaded.
pub struct Package(UniquePtr<bridge::Loader>);

impl Package {
    /// Loads a package for the device of this kind, as `cpu`, with this number; another kind than it was compiled for is an error.
    pub fn load(file: &str, device: &str, index: i8) -> Result<Self, Exception> {
        bridge::load_package(file, device, index).map(Self)
    }

    /// Runs it. Shapes, dtypes or devices other than it was compiled for are an error.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Exception> {
        let addresses: Vec<usize> = inputs.iter().map(|input| input.as_ptr() as usize).collect();
        // SAFETY: `inputs` is borrowed for longer than the call.
        let outputs = unsafe { self.0.run(&addresses) }?;
        // SAFETY: each was made for us by `new`, and is deleted by its `Tensor` alone.
        Ok(outputs.into_iter().map(|address| unsafe { Tensor::from_ptr(address as *mut _) }).collect())
    }
}
