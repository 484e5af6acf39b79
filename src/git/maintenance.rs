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

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::ObjectKind;
    use super::super::lab::Lab;
    use super::*;

    /// Writes as many objects as it takes for `count` of them to be in the folder that Git samples.
    fn pile_up(repo: &Repo, count: usize) {
        let in_sample = (0_u32..).map(|number| number.to_string().into_bytes());
        for bytes in in_sample
            .filter(|bytes| repo.hash_object(ObjectKind::Blob, bytes).as_bytes()[0] == 0x17)
            .take(count)
        {
            repo.write_object(ObjectKind::Blob, &bytes).unwrap();
        }
    }

    fn packs(lab: &Lab) -> usize {
        let folder = fs::read_dir(lab.top().join(".git/objects/pack")).unwrap();
        folder.flatten().filter(|entry| entry.path().extension().is_some_and(|kind| kind == "pack")).count()
    }

    #[test]
    fn loose_objects_that_piled_up_are_packed_in_the_background() {
        let lab = Lab::with_commit();
        lab.git(["config", "gc.auto", "256"]);
        pile_up(&lab.repo(), 3);
        lab.repo().start_maintenance_if_due();
        let began = Instant::now();
        while packs(&lab) == 0 && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(packs(&lab), 1);
        // Git may still be tidying up in the folder that goes with the test.
        while lab.repo().running_gc().is_some() && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn maintenance_is_left_alone_where_the_user_says_so_or_it_is_not_due() {
        for (key, value) in [("gc.auto", "0"), ("maintenance.auto", "false"), ("gc.auto", "6700")] {
            let lab = Lab::with_commit();
            lab.git(["config", "gc.auto", "256"]);
            lab.git(["config", key, value]);
            pile_up(&lab.repo(), 3);
            lab.repo().start_maintenance_if_due();
            thread::sleep(Duration::from_millis(150));
            assert_eq!(packs(&lab), 0, "{key}={value}");
        }
    }

    #[test]
    fn a_running_gc_is_named() {
        let lab = Lab::new();
        assert_eq!(lab.repo().running_gc(), None);
        lab.write(".git/gc.pid", "4711 host\n");
        assert_eq!(lab.repo().running_gc().as_deref(), Some("4711 host"));
    }
}
