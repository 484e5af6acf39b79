//! What is recorded of the machine and its environment, unless `exp.toml` says otherwise.

use super::metric::words;

/// How a host's or a user's name is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Naming {
    /// As it is.
    Name,
    /// By a short hash of it: equal ones are seen to be equal, and the log can be published.
    #[default]
    Hash,
    /// Not at all.
    None,
}

words!(Naming { Name = "name", Hash = "hash", None = "none" });

/// The variables that are recorded unless the caller says otherwise; `*` stands for anything.
pub const DEFAULT_VARIABLES: &[&str] = &[
    "CUDA_*",
    "NVIDIA_TF32_OVERRIDE",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDNN_*",
    "NCCL_*",
    "TORCH_*",
    "TORCHINDUCTOR_*",
    "PYTORCH_*",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_*",
    "DNNL_*",
    "TRITON_*",
    "XLA_*",
    "JAX_*",
    "TF_CPP_*",
    "TF_CUDNN_*",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_*",
    "TF_FORCE_*",
    "TF_NUM_*",
    "TF_XLA_FLAGS",
    "OMP_*",
    "GOMP_*",
    "MKL_*",
    "KMP_*",
    "OPENBLAS_*",
    "BLIS_*",
    "NUMEXPR_*",
    "RAYON_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "MALLOC_*",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_*",
    "VIRTUAL_ENV",
    "CONDA_DEFAULT_ENV",
    "RUSTFLAGS",
    "CFLAGS",
    "CXXFLAGS",
    "LANG",
    "LC_ALL",
    "TZ",
    "SLURM_JOB_PARTITION",
    "SLURM_CPUS_PER_TASK",
    "SLURM_NTASKS",
    "SLURM_NNODES",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
];
