//! `[torchscript]`: a user's module, or several variants of it, on declared inputs.

use serde::{Deserialize, Serialize};

use super::op::Pass;
use super::shape::Shape;

/// What a module is given.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleInput {
    /// What it is called in reports.
    pub name: String,
    /// Its sizes.
    pub shape: Shape,
    /// For whole numbers, as tokens: they are drawn from 0 up to this, which is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<i64>,
}

/// A TorchScript module on declared inputs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TorchScript {
    /// The file that `torch.jit.save` wrote, relative to the top of the repository.
    pub file: String,
    /// Other files, measured in turn with the first one on the same inputs.
    #[serde(default)]
    pub variants: Vec<String>,
    /// What is computed.
    #[serde(default)]
    pub pass: Pass,
    /// The inputs in the order of the module's parameters.
    pub inputs: Vec<ModuleInput>,
}

impl TorchScript {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.inputs.is_empty() {
            return Err(
                "`inputs` is empty; declare them as `inputs = [{ name = \"x\", shape = \"8x1024\" }]`"
                    .to_owned(),
            );
        }
        match self.inputs.iter().find(|input| input.below.is_some_and(|below| below < 1)) {
            Some(input) => Err(format!("`below` of the input `{}` is not above zero", input.name)),
            None => Ok(()),
        }
    }
}
