//! Accelerators: what is there, and who uses it.
//!
//! A probe that finds no driver costs a look at a file name; only then a library is loaded.

use std::path::Path;

use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};

/// Accelerators of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Accelerators {
    /// Who makes them, as `nvidia`.
    pub maker: String,
    /// The devices, equal ones counted together.
    pub devices: Vec<Device>,
    /// The version of the driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The newest CUDA version that the driver supports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuda: Option<String>,
    /// The version of cuDNN that is installed for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cudnn: Option<String>,
    /// The processes that use them, each once.
    #[serde(skip)]
    pub processes: Vec<User>,
}

/// A process that uses an accelerator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    /// Its executable's name: arguments and paths are nobody's business.
    pub name: String,
    /// Its number.
    pub process: u32,
}

/// Equal devices.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// The model's name.
    pub model: String,
    /// How many there are.
    pub count: usize,
    /// The memory of one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Looks for accelerators of one kind; another kind plugs in as another probe.
pub trait AcceleratorProbe {
    /// What there is, or nothing at once where the driver is missing.
    fn probe(&self) -> Option<Accelerators>;
}

/// The probes that are always asked.
pub(super) const PROBES: &[&dyn AcceleratorProbe] = &[&Nvidia];

/// NVIDIA devices, through their management library.
#[derive(Clone, Copy, Debug)]
pub struct Nvidia;

impl AcceleratorProbe for Nvidia {
    fn probe(&self) -> Option<Accelerators> {
        // The first two belong to the driver; the last stands for it inside Windows.
        if !["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"].iter().any(|device| Path::new(device).exists()) {
            return None;
        }
        let library = Nvml::builder().lib_path("libnvidia-ml.so.1".as_ref()).init().ok()?;
        let mut found = Accelerators {
            maker: "nvidia".to_owned(),
            driver: library.sys_driver_version().ok(),
            cuda: library.sys_cuda_driver_version().ok().map(|version| {
                format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version))
            }),
            cudnn: cudnn(),
            ..Accelerators::default()
        };
        for index in 0..library.device_count().ok()? {
            let Ok(device) = library.device_by_index(index) else { continue };
            let model = device.name().unwrap_or_else(|_| "unknown".to_owned());
            let memory_bytes = device.memory_info().ok().map(|memory| memory.total);
            match found
                .devices
                .iter_mut()
                .find(|known| known.model == model && known.memory_bytes == memory_bytes)
            {
                Some(known) => known.count += 1,
                None => found.devices.push(Device { model, count: 1, memory_bytes }),
            }
            for process in device.running_compute_processes().unwrap_or_default() {
                let name = library.sys_process_name(process.pid, 256).unwrap_or_default();
                let name = name.split_whitespace().next().unwrap_or("unknown");
                let name = name.rsplit('/').next().unwrap_or(name).to_owned();
                found.processes.push(User { name, process: process.pid });
            }
        }
        found.processes.sort();
        found.processes.dedup();
        Some(found)
    }
}

/// The version in the file name that the system's cuDNN links to.
fn cudnn() -> Option<String> {
    let folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/cuda/lib64"];
    folders
        .iter()
        .flat_map(|folder| ["9", "8"].map(|major| format!("{folder}/libcudnn.so.{major}")))
        .find_map(|link| {
            let target = std::fs::read_link(link).ok()?;
            Some(target.to_str()?.rsplit_once(".so.")?.1.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_has_no_accelerators() {
        if !Path::new("/dev/nvidiactl").exists() {
            assert_eq!(Nvidia.probe(), None);
        }
    }

    #[test]
    fn processes_are_not_part_of_what_stays_the_same() {
        let user = User { name: "python".to_owned(), process: 1 };
        let found = Accelerators { processes: vec![user], ..Accelerators::default() };
        assert!(!serde_json::to_string(&found).unwrap().contains("python"));
    }
}
