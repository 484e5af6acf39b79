//! Git's own housekeeping, started in the background and never waited for.

use std::fs;

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
        if i64::try_from(count).unwrap_or(i64::MAX) <= (threshold + 255) / 256 {
            return;
        }
        // It must see what the user's own `git gc` sees: what grafts and the real index reach is not to be pruned.
        self.git(["maintenance", "run", "--auto", "--quiet"])
            .without_variable("GIT_GRAFT_FILE")
            .without_variable("GIT_NO_REPLACE_OBJECTS")
            .without_variable("GIT_INDEX_FILE")
            .start();
    }

    /// The process that Git's garbage collection runs as, while it runs.
    pub fn running_gc(&self) -> Option<String> {
        let text = fs::read_to_string(self.common_dir().join("gc.pid")).ok()?;
        Some(text.trim().to_owned())
    }
}
