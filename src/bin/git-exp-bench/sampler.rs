//! Takes samples: calls a workload so many times between two looks at the clock.

use git_exp_torch_switches as switches;
use std::time::{Duration, Instant};

use git_exp::domain::timing::Reading;
use git_exp::workload::Workload;
use tch::{Kind, Tensor};

use crate::failure::Failure;
use crate::place::Place;
use crate::subject::{Build, Entry, Subject};
use crate::watch::Watch;

/// How much is written to flush caches: more than twice what those of today hold.
const FLUSHED_BYTES: i64 = 256 * 1024 * 1024;

/// Takes samples of workloads on one place.
pub struct Sampler {
    place: Place,
    watch: Watch,
    stopwatch: Option<switches::UniquePtr<switches::Stopwatch>>,
    /// What is written to flush caches.
    flush: Option<Tensor>,
    planted_slow_down: f64,
}

impl Sampler {
    /// A sampler for workloads at the place of this one.
    pub fn new(workload: &Workload) -> Result<Self, Failure> {
        let place = Place::new(&workload.setting)?;
        // MPS has no events that tell time.
        let accelerator = place.accelerator().filter(|_| place.device.is_cuda());
        Ok(Self {
            place,
            watch: Watch::new(workload.setting.device),
            stopwatch: accelerator.map(switches::new_stopwatch).transpose()?,
            flush: None,
            planted_slow_down: workload.measure.planted_slow_down,
        })
    }

    /// Calls a workload so many times, with caches as the call before left them.
    pub fn hot(&mut self, subject: &mut dyn Subject, calls: u64) -> Result<Reading, Failure> {
        self.place.synchronize()?;
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.pin_mut().begin()?;
        }
        let clock = Instant::now();
        for _ in 0..calls {
            subject.call()?;
        }
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.pin_mut().end()?;
        }
        self.place.synchronize()?;
        if self.planted_slow_down > 0.0 {
            waste(&clock, clock.elapsed().mul_f64(1.0 + self.planted_slow_down));
        }
        let seconds = clock.elapsed().as_secs_f64();
        let device_seconds = self.stopwatch.as_ref().map(|it| it.seconds()).transpose()?;
        Ok(Reading { seconds, device_seconds, aside_seconds: 0.0, is_throttled: self.watch.is_throttled() })
    }

    /// Flushes caches and calls a workload once.
    pub fn cold(&mut self, subject: &mut dyn Subject) -> Result<Reading, Failure> {
        let clock = Instant::now();
        let mut flush = match self.flush.take() {
            Some(flush) => flush,
            None => Tensor::f_zeros([FLUSHED_BYTES], (Kind::Uint8, self.place.device))?,
        };
        let _ = flush.f_fill_(1)?;
        self.flush = Some(flush);
        self.place.synchronize()?;
        let aside_seconds = clock.elapsed().as_secs_f64();
        Ok(Reading { aside_seconds, ..self.hot(subject, 1)? })
    }

    /// What the harness itself takes for a call, in seconds.
    pub fn overhead(&mut self) -> Result<f64, Failure> {
        const CALLS: u64 = 1_000_000;
        let mut nothing: Build = Box::new(Nothing);
        self.hot(nothing.as_mut(), CALLS)?;
        Ok(self.hot(nothing.as_mut(), CALLS)?.seconds / CALLS as f64)
    }
}

/// Keeps the processor busy until so long has gone by on the clock.
fn waste(clock: &Instant, until: Duration) {
    while clock.elapsed() < until {
        std::hint::spin_loop();
    }
}

/// A workload that does nothing.
struct Nothing;

impl Subject for Nothing {
    fn call(&mut self) -> Result<(), Failure> {
        std::hint::black_box(());
        Ok(())
    }

    fn entries(&self) -> Vec<Entry> {
        Vec::new()
    }
}
