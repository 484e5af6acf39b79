//! Git's own housekeeping, started in the background and never waited for.

use std::fs;
use std::process::{Command, Stdio};

use super::Repo;

/// How many loose objects Git keeps before it packs them, unless it is configured otherwise.
const LOOSE_OBJECTS: i64 = 6700;

impl Repo {
    /// Starts Git's maintenance in the background when loose objects have piled up as Git itself counts them.
    pub fn start_maintenance_if_due(&self) {
        let threshold = self.config_integer("gc.auto").unwrap_or(LOOSE_OBJECTS);
        if threshold <= 0 || self.config_bool("maintenance.auto") == Some(false) {
            return;
        }
        // As Git does, one folder of 256 stands for all.
        let sample = self.inner.objects.store_ref().path().join("17");
        let count = fs::read_dir(sample).map_or(0, Iterator::count);
        if i64::try_from(count).unwrap_or(i64::MAX) <= threshold / 256 {
            return;
        }
        let mut command = Command::new("git");
        command
            .args(["maintenance", "run", "--auto", "--quiet"])
            .env("GIT_DIR", self.git_dir())
            .current_dir(self.common_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // Whether it starts is Git's business; the next run tries again.
        drop(command.spawn());
    }

    /// The process that Git's garbage collection runs as, while it runs.
    pub fn running_gc(&self) -> Option<String> {
        fs::read_to_string(self.common_dir().join("gc.pid")).ok()
    }
}
