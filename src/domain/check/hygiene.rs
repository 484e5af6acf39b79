//! What to look at before the code is blamed: what others left behind on the machine and in the repository.

use crate::domain::breach::Breach;
use crate::domain::number::counted;

/// The accelerators are used by runs only.
pub const STALE_PROCESS: &str = "stale-process";
/// No lock file was left behind.
pub const STALE_LOCK: &str = "stale-lock";
/// Every run that died is recorded.
pub const DEAD_RUN: &str = "dead-run";
/// As many accelerators as the baseline had.
pub const DEVICE_COUNT: &str = "device-count";

/// For how many seconds a lock file stands before it is taken for one that was left behind.
pub const LONG_SECONDS: u64 = 600;

/// What is found on the machine and in the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Processes on an accelerator that belong to no run under way: number and executable name.
    pub processes: Vec<(u32, String)>,
    /// Lock files of Git: from the top of the repository, and for how many seconds each has stood.
    pub locks: Vec<(String, u64)>,
    /// Runs whose process died before they were recorded: short name and experiment.
    pub dead_runs: Vec<(String, String)>,
    /// How many accelerators are in sight, how many the baseline was charged for, and what that is called.
    pub devices: Option<(u32, u32, String)>,
}

/// Everything that was left behind.
pub fn breaches(traces: &Traces) -> Vec<Breach> {
    let processes = traces.processes.iter().map(|(number, name)| {
        Breach::new(
            STALE_PROCESS,
            format!("`{name}` (process {number}) is on an accelerator, and belongs to no run under way"),
            format!("see what it is, and end it or wait: ps -o pid,user,etime,comm -p {number}"),
        )
    });
    let locks = traces.locks.iter().filter(|(_, seconds)| *seconds >= LONG_SECONDS).map(|(path, seconds)| {
        Breach::new(
            STALE_LOCK,
            format!("`{path}` has stood for {}, and blocks Git", minutes(*seconds)),
            format!("where no Git command is under way: rm '{path}'"),
        )
    });
    let dead = traces.dead_runs.iter().map(|(run, experiment)| {
        Breach::new(
            DEAD_RUN,
            format!("the process of the run {run} of {experiment} died, and the run is not recorded yet"),
            "the next `git exp run` records it as crashed, with what it had written",
        )
    });
    let devices = traces.devices.iter().filter(|(now, then, _)| now != then).map(|(now, then, baseline)| {
        Breach::new(
            DEVICE_COUNT,
            match now {
                1 => format!("1 accelerator is in sight here, and {baseline} ran with {then}"),
                now => format!("{now} accelerators are in sight here, and {baseline} ran with {then}"),
            },
            "look at CUDA_VISIBLE_DEVICES and at the driver, or repeat the baseline here: git exp run --against …",
        )
    });
    processes.chain(locks).chain(dead).chain(devices).collect()
}

fn minutes(seconds: u64) -> String {
    match seconds / 60 {
        minutes if minutes < 120 => counted(minutes, "minute"),
        minutes if minutes < 48 * 60 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 60 / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_left_behind_is_told_with_what_to_do() {
        let traces = Traces {
            processes: vec![(4_711, "python".to_owned())],
            locks: vec![(".git/index.lock".to_owned(), 10_000)],
            dead_runs: vec![("3f2a91bc".to_owned(), "A-001".to_owned())],
            devices: Some((4, 8, "main".to_owned())),
        };
        let found = breaches(&traces);
        let rules: Vec<&str> = found.iter().map(|it| it.rule.as_str()).collect();
        assert_eq!(rules, [STALE_PROCESS, STALE_LOCK, DEAD_RUN, DEVICE_COUNT]);
        assert_eq!(
            found[0].what,
            "`python` (process 4711) is on an accelerator, and belongs to no run under way"
        );
        assert_eq!(found[1].what, "`.git/index.lock` has stood for 2 hours, and blocks Git");
        assert_eq!(found[3].what, "4 accelerators are in sight here, and main ran with 8");
    }

    #[test]
    fn a_lock_that_git_just_took_and_equal_devices_are_fine() {
        let traces = Traces {
            locks: vec![(".git/index.lock".to_owned(), 3)],
            devices: Some((8, 8, "main".to_owned())),
            ..Traces::default()
        };
        assert_eq!(breaches(&traces), []);
    }
}
