//! Replays a call as a CUDA graph: its kernels are captured once and launched as a whole.

use git_exp_torch_switches as switches;

use crate::failure::Failure;
use crate::place::Place;
use crate::subject::{Build, Entry, Subject, Work};

/// Calls before the one that is captured: libraries set themselves up in the first, which cannot be captured.
const WARM_UP_CALLS: usize = 3;

/// Refuses where the harness cannot capture graphs.
pub fn check() -> Result<(), Failure> {
    switches::NO_GRAPHS.map_or(Ok(()), |why| {
        Err(Failure::request(
            format!("this harness cannot replay CUDA graphs: {why}"),
            "--set graph=false; or in the source of git exp: LIBTORCH_USE_PYTORCH=1 make install-bench, with a PyTorch for CUDA, and CUDA_HOME",
        ))
    })
}

/// A workload of which one call was captured.
pub struct Replay {
    // Dropped first: it reads what the workload holds.
    graph: switches::UniquePtr<switches::Graph>,
    subject: Build,
}

impl Replay {
    /// Captures a call of a workload, after some to warm up.
    pub fn capture(mut subject: Build, place: &Place) -> Result<Self, Failure> {
        let device = place.accelerator().expect("a graph is asked for on CUDA devices only");
        let mut graph = switches::new_graph(device)?;
        graph.pin_mut().enter()?;
        for _ in 0..WARM_UP_CALLS {
            subject.call()?;
        }
        graph.pin_mut().begin()?;
        let captured = subject.call().and_then(|()| Ok(graph.pin_mut().end()?));
        captured.map_err(|failure| {
            let error = failure.error();
            let why = error.causes.last().unwrap_or(&error.message).clone();
            if failure.is_out_of_memory() { failure } else { Failure::not_captured(why) }
        })?;
        graph.pin_mut().leave()?;
        Ok(Self { graph, subject })
    }
}

impl Subject for Replay {
    fn call(&mut self) -> Result<(), Failure> {
        Ok(self.graph.pin_mut().replay()?)
    }

    fn entries(&self) -> Vec<Entry> {
        self.subject.entries()
    }

    fn check_after(&mut self) -> Result<(), Failure> {
        self.subject.check_after()
    }

    fn work(&self) -> Work {
        self.subject.work()
    }
}
