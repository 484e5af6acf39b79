//! The device report: what a workload ran on, and the switches as libtorch has them.

use git_exp_torch_switches as switches;
use std::collections::BTreeMap;

use git_exp::workload::setting::{Device, Setting};
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use serde::Serialize;
use serde_json::{Value, json};
use tch::Cuda;

/// The environment variables that change how fast or how exact libtorch is.
const VARIABLES: [&str; 23] = [
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "GLIBC_TUNABLES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    // Another allocator comes this way.
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
];

/// The environment variables that matter, with the value each has; `null` for those that are not set.
pub fn environment() -> BTreeMap<&'static str, Option<String>> {
    VARIABLES.into_iter().map(|name| (name, std::env::var(name).ok())).collect()
}

/// The switches as libtorch has them, and the seed.
#[derive(Debug, Serialize)]
pub struct Flags {
    deterministic: bool,
    tf32: bool,
    autotune: bool,
    flush_denormals: bool,
    threads: i32,
    interop_threads: i32,
    seed: u64,
}

impl Flags {
    /// What is in force now.
    pub fn now(setting: &Setting) -> Self {
        Self {
            deterministic: switches::is_deterministic(),
            tf32: switches::is_tf32(),
            autotune: setting.autotune,
            flush_denormals: setting.flush_denormals,
            threads: tch::get_num_threads(),
            interop_threads: tch::get_num_interop_threads(),
            seed: setting.seed,
        }
    }
}

/// What a workload ran on.
pub fn device_report(setting: &Setting) -> Value {
    json!({
        "device": setting.device.to_string(),
        "libtorch": switches::version(),
        "cpu_capability": switches::cpu_capability(),
        "mkl": tch::utils::has_mkl(),
        "onednn": tch::utils::has_mkldnn(),
        "openmp": tch::utils::has_openmp(),
        "processor": processor(),
        "cuda": {
            "devices_seen": Cuda::device_count(),
            "available": Cuda::is_available(),
            "cudnn": Cuda::cudnn_is_available().then(tch::utils::version_cudnn),
        },
        "nvidia": nvidia(),
        "mps": tch::utils::has_mps(),
    })
}

fn processor() -> Value {
    let read = |file: &str| std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
    let information = read("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "model": model.map(|(_, name)| name),
        "threads": std::thread::available_parallelism().map(std::num::NonZero::get).ok(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": read("/sys/devices/system/cpu/smt/control"),
        "numa_nodes": read("/sys/devices/system/node/online"),
    })
}

/// A warning where others compute on the NVIDIA device that a workload runs on.
pub fn company(setting: &Setting) -> Option<String> {
    let Device::Cuda(number) = setting.device else { return None };
    let nvml = Nvml::init().ok()?;
    let processes = nvml.device_by_index(number).ok()?.running_compute_processes().ok()?;
    let others = processes.iter().filter(|it| it.pid != std::process::id()).count();
    (others > 0).then(|| format!("{others} other processes compute on `{}`", setting.device))
}

/// Every NVIDIA device that the driver tells of; `null` without a driver.
fn nvidia() -> Value {
    let Ok(nvml) = Nvml::init() else { return Value::Null };
    let devices = (0..nvml.device_count().unwrap_or_default()).filter_map(|number| {
        let device = nvml.device_by_index(number).ok()?;
        let capability = device.cuda_compute_capability().ok();
        Some(json!({
            "model": device.name().ok(),
            "capability": capability.map(|it| format!("{}.{}", it.major, it.minor)),
            "clock_mhz": device.clock_info(Clock::SM).ok(),
            "most_clock_mhz": device.max_clock_info(Clock::SM).ok(),
            "memory_clock_mhz": device.clock_info(Clock::Memory).ok(),
            "ecc": device.is_ecc_enabled().ok().map(|it| it.currently_enabled),
            "power_limit_watts": device.enforced_power_limit().ok().map(|it| f64::from(it) / 1e3),
            "temperature_celsius": device.temperature(TemperatureSensor::Gpu).ok(),
            "memory_bytes": device.memory_info().ok().map(|it| it.total),
            "other_processes": device.running_compute_processes().ok().map(|all| {
                all.iter().filter(|it| it.pid != std::process::id()).count()
            }),
        }))
    });
    json!({
        "driver": nvml.sys_driver_version().ok(),
        "cuda": nvml.sys_cuda_driver_version().ok().map(|it| format!("{}.{}", it / 1000, it % 1000 / 10)),
        "devices": devices.collect::<Vec<_>>(),
    })
}

/// Forgets the most memory that this process has had, where Linux can.
pub fn reset_peak_process_memory() {
    // Where it cannot, the peak is that of all the harness did, which is more and not wrong.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has had, in bytes; `None` where Linux does not say.
pub fn peak_process_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
