//! The machine: processor, memory, boot and load.

/// What a machine is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hardware {
    pub(super) arch: &'static str,
    pub(super) cpu_model: Option<String>,
    /// How many processors this process may use.
    pub(super) cpu_count: usize,
    pub(super) memory_bytes: Option<u64>,
}

impl Hardware {
    /// Looks at the machine that this process runs on.
    pub(super) fn detect() -> Self {
        Self {
            arch: std::env::consts::ARCH,
            cpu_model: cpu_model(),
            cpu_count: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: memory_bytes(),
        }
    }

    /// The memory in GiB to one part in eight, which a kernel that keeps a little more for itself does not change.
    pub(super) fn memory_class(&self) -> u64 {
        let Some(bytes) = self.memory_bytes else { return 0 };
        let unit = (1_u64 << (u64::BITS - bytes.max(1).leading_zeros()).saturating_sub(1)) / 8;
        (bytes.div_ceil(unit.max(1)) * unit) >> 20
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, File};
    use std::io::Read;

    /// The processor's name from the first entry only: with many processors the whole file takes milliseconds.
    pub(in crate::runner) fn cpu_model() -> Option<String> {
        let mut start = [0; 4096];
        let length = File::open("/proc/cpuinfo").ok()?.read(&mut start).ok()?;
        let text = String::from_utf8_lossy(&start[..length]).into_owned();
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned()).filter(|value| !value.is_empty())
            })
        };
        field("model name").or_else(|| {
            // ARM names the designer and the part by number.
            let board = fs::read_to_string("/sys/firmware/devicetree/base/model").ok();
            let board = board.map(|name| name.trim_end_matches('\0').to_owned());
            board.or_else(|| Some(format!("{} {}", field("CPU implementer")?, field("CPU part")?)))
        })
    }

    pub(in crate::runner) fn memory_bytes() -> Option<u64> {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    pub(in crate::runner) fn boot() -> Option<String> {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
    }

    pub(in crate::runner) fn load_average() -> Option<f64> {
        fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
    }

    /// The process that started another.
    fn parent(process: u32) -> Option<u32> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, in brackets, may hold anything; what follows it is the state and then the parent.
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    }

    /// Whether a process is one of `others`, or was started below one of them.
    pub(in crate::runner) fn is_below(process: u32, others: &[u32]) -> bool {
        // The first process of all has no parent; a chain is not as long as this unless it changes meanwhile.
        std::iter::successors(Some(process), |it| parent(*it)).take(1_000).any(|it| others.contains(&it))
    }

    pub(in crate::runner) fn name() -> Option<String> {
        let text = fs::read_to_string("/etc/os-release").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

    pub(in crate::runner) fn cpu_model() -> Option<String> {
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
        system.cpus().first().map(|cpu| cpu.brand().to_owned()).filter(|brand| !brand.is_empty())
    }

    pub(in crate::runner) fn memory_bytes() -> Option<u64> {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        Some(System::new_with_specifics(memory).total_memory()).filter(|&bytes| bytes > 0)
    }

    pub(in crate::runner) fn boot() -> Option<String> {
        Some(System::boot_time().to_string())
    }

    pub(in crate::runner) fn load_average() -> Option<f64> {
        Some(System::load_average().one)
    }

    /// Whether a process may have been started below one of `others`, which is not looked up here.
    pub(in crate::runner) fn is_below(_process: u32, others: &[u32]) -> bool {
        !others.is_empty()
    }

    pub(in crate::runner) fn name() -> Option<String> {
        System::long_os_version()
    }
}

pub(super) use system::{boot, is_below, load_average, name};
use system::{cpu_model, memory_bytes};

#[cfg(test)]
mod tests {
    use super::*;

    fn class(mebibytes: u64) -> u64 {
        Hardware { memory_bytes: Some(mebibytes << 20), ..Hardware::default() }.memory_class()
    }

    #[test]
    fn a_little_less_memory_is_the_same_class() {
        assert_eq!(class(64_000), class(63_500));
        assert_ne!(class(64_000), class(32_000));
        assert_ne!(class(64_000), class(48_000));
        assert_eq!(Hardware::default().memory_class(), 0);
        assert_eq!(class(0), 0);
    }

    #[test]
    fn a_process_is_below_itself_and_whoever_started_it() {
        let own = std::process::id();
        assert!(is_below(own, &[own]));
        assert!(!is_below(own, &[]));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(is_below(child.id(), &[own]));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn this_machine_is_made_of_something() {
        let hardware = Hardware::detect();
        assert!(hardware.cpu_count >= 1);
        assert!(hardware.memory_bytes.unwrap() > 1 << 20);
        assert!(name().is_some() || cfg!(target_os = "linux"));
    }
}
