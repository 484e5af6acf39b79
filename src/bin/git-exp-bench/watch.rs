//! Watches whether the machine is slowed down, by heat or by its power limit.

use std::time::{Duration, Instant};

use git_exp::workload::setting::Device;
use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;

/// How often is looked at most: asking takes longer than a short sample.
const PAUSE: Duration = Duration::from_millis(20);

/// What slows a machine down without anyone having asked for it.
pub struct Watch {
    nvml: Option<(Nvml, u32)>,
    looked: Instant,
    throttled_before: bool,
    processor_events: u64,
}

impl Watch {
    /// Watches the processor, or an NVIDIA device where its driver lets it.
    pub fn new(device: Device) -> Self {
        let nvml = match device {
            Device::Cuda(number) => Nvml::init().ok().map(|nvml| (nvml, number)),
            Device::Cpu | Device::Mps => None,
        };
        Self { nvml, looked: Instant::now(), throttled_before: false, processor_events: processor_events() }
    }

    /// Whether the machine was slowed down since the last look, or is now.
    pub fn is_throttled(&mut self) -> bool {
        if self.looked.elapsed() < PAUSE {
            return self.throttled_before;
        }
        let events = processor_events();
        let processor = events > self.processor_events;
        self.processor_events = events;
        self.throttled_before = processor || self.device_is_throttled();
        self.looked = Instant::now();
        self.throttled_before
    }

    fn device_is_throttled(&self) -> bool {
        let Some((nvml, number)) = &self.nvml else { return false };
        let reasons = nvml.device_by_index(*number).and_then(|device| device.current_throttle_reasons());
        let slow = ThrottleReasons::HW_SLOWDOWN
            | ThrottleReasons::HW_THERMAL_SLOWDOWN
            | ThrottleReasons::SW_THERMAL_SLOWDOWN
            | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN
            | ThrottleReasons::SW_POWER_CAP;
        reasons.is_ok_and(|reasons| reasons.intersects(slow))
    }
}

/// How often a core was slowed down by heat since the machine started; zero where Linux does not say.
fn processor_events() -> u64 {
    let Ok(cores) = std::fs::read_dir("/sys/devices/system/cpu") else { return 0 };
    let counts = cores.flatten().filter_map(|core| {
        let file = core.path().join("thermal_throttle/core_throttle_count");
        std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()
    });
    counts.sum()
}
