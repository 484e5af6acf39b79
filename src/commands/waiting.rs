//! Waiting for a short command of the configuration, and no longer than it may take.
#![expect(clippy::disallowed_methods, reason = "waits for a process")]

use std::io;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How `child` ended; `None` where it did not within `limit` and was ended.
pub fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
