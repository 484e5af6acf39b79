//! Signals to this process: noticed and passed on, instead of ending it.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use super::error::RunnerError;

/// Watches for signals that would end this process, from its making to its end.
///
/// One watch serves all trials, so that a signal between two of them is not lost.
#[derive(Debug)]
pub struct Interruptions {
    flags: Vec<(i32, Arc<AtomicBool>)>,
    wake: UnixStream,
    registered: Vec<SigId>,
    over: Arc<AtomicBool>,
}

impl Interruptions {
    /// Begins to watch for interrupt, termination and hang-up; those that are ignored (under `nohup`, say) stay so.
    pub fn watch() -> Result<Self, RunnerError> {
        let failed = |source| RunnerError::Supervise { attempt: "watch for signals", source };
        let (wake, ring) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        let mut watch =
            Self { flags: Vec::new(), wake, registered: Vec::new(), over: Arc::new(AtomicBool::new(false)) };
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            let raised = Arc::new(AtomicBool::new(false));
            // Once the watch is over, the signal does again what it does by default; a handler cannot be taken away.
            flag::register_conditional_default(signal, Arc::clone(&watch.over)).map_err(failed)?;
            // The flag is raised before the bell is rung, in this order.
            watch.registered.push(flag::register(signal, Arc::clone(&raised)).map_err(failed)?);
            watch.ring_on(signal, &ring).map_err(failed)?;
            watch.flags.push((signal, raised));
        }
        watch.ring_on(SIGCHLD, &ring).map_err(failed)?;
        Ok(watch)
    }

    fn ring_on(&mut self, signal: i32, ring: &UnixStream) -> std::io::Result<()> {
        self.registered.push(low_level::pipe::register(signal, ring.try_clone()?)?);
        Ok(())
    }

    /// A signal that came since this was asked last, if any: its number.
    pub fn take(&self) -> Option<i32> {
        self.flags.iter().find(|(_, raised)| raised.swap(false, Ordering::SeqCst)).map(|(signal, _)| *signal)
    }

    /// What becomes readable when a signal came or a child changed.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Makes the bell silent until the next signal.
    pub(super) fn quiet(&self) {
        let mut bytes = [0; 64];
        while (&self.wake).read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
        self.over.store(true, Ordering::SeqCst);
    }
}

/// The signals that this process ignores, as a bit mask; none where the system does not tell.
fn ignored_signals() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .unwrap_or(0)
}
