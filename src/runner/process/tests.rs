//! Processes as a run starts, watches and ends them.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::atomic::AtomicBool;

use super::*;

/// A place for one command, and what it takes to run it.
struct Bench {
    place: tempfile::TempDir,
    job: Job,
}

impl Bench {
    fn new(script: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let job = Job {
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            directory: place.path().to_owned(),
            environment: vec![
                ("GIT_EXP_METRICS".into(), place.path().join("run/metrics.jsonl").into()),
                ("GIT_EXP_OUT".into(), place.path().join("run/out").into()),
            ],
            timeout: Some(Duration::from_mins(1)),
            grace: Duration::from_secs(5),
            folder: place.path().join("run"),
            patterns: Patterns::default(),
            redactor: Arc::new(Redactor::new([])),
            limits: Limits::default(),
            show: Show::Hidden,
        };
        Self { place, job }
    }

    fn run(&self) -> Outcome {
        self.observed(&mut ())
    }

    fn observed(&self, observer: &mut dyn Observer) -> Outcome {
        execute(&self.job, &Interruptions::watch().unwrap(), observer).unwrap()
    }

    fn salvage(&self) -> Outcome {
        let folder = Folder::open(&self.job.folder).unwrap();
        salvage(&folder, &self.job.limits, &self.job.redactor, Timestamp::now()).unwrap()
    }
}

fn values<'a>(outcome: &'a Outcome, metric: &str) -> &'a [f64] {
    &outcome.collected.series[&(metric.to_owned(), None)].values
}

fn text(stream: &CapturedStream) -> String {
    String::from_utf8(stream.stored()).unwrap()
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z"))
}

/// Waits for what another process does.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn output_and_exit_status_are_recorded() {
    let outcome = Bench::new("echo out; echo err >&2; exit 3").run();
    assert_eq!(outcome.exit, Exit::Code(3));
    assert_eq!(outcome.shell_status(), Some(3));
    assert_eq!(outcome.ended, Ended::Normal);
    assert_eq!(outcome.status(&BTreeMap::new()), Status::Failed);
    assert_eq!(text(&outcome.stdout), "out\n");
    assert_eq!(text(&outcome.stderr), "err\n");
    assert!(outcome.wall_seconds > 0.0 && outcome.wall_seconds < 30.0);
    assert_eq!(outcome.remarks, Vec::<String>::new());
}

#[test]
fn all_ways_of_reporting_work_at_once() {
    let mut bench = Bench::new(
        r#"echo METRIC loss=0.5 unit=nats; echo METRIC acc=0.9 >&2; echo "bpb: 0.99"; echo "INPUT name=x shape=8"
        echo '{"loss":0.25}' >> "$GIT_EXP_METRICS"; printf '{"name":"lr","value":1e-3}' >> "$GIT_EXP_METRICS"; printf 'METRIC last=1'"#,
    );
    bench.job.patterns = Patterns::new([("bpb", r"^bpb: (\S+)")]).unwrap();
    let outcome = bench.run();
    assert_eq!(values(&outcome, "loss").len(), 2);
    assert_eq!(values(&outcome, "acc"), [0.9]);
    assert_eq!(values(&outcome, "bpb"), [0.99]);
    assert_eq!(values(&outcome, "lr"), [0.001]);
    assert_eq!(values(&outcome, "last"), [1.0]);
    assert_eq!(outcome.collected.inputs[0].name, "x");
    let values = outcome.values(&BTreeMap::new());
    assert_eq!(values["wall_time"].unit.as_deref(), Some("s"));
    assert!(values["peak_rss"].value.unwrap() > 100_000.0);
    assert!(values.contains_key("cpu_time"));
    assert_eq!(outcome.status(&values), Status::Ok);
}

#[test]
fn a_run_whose_metric_is_not_finite_diverged() {
    let outcome = Bench::new("echo METRIC loss=nan").run();
    assert_eq!(outcome.status(&outcome.values(&BTreeMap::new())), Status::Diverged);
}

#[test]
fn a_command_that_cannot_be_started_is_an_outcome() {
    let mut bench = Bench::new("");
    bench.job.argv = vec!["no-such-command-at-all".into()];
    let outcome = bench.run();
    assert_eq!((outcome.exit, outcome.shell_status()), (Exit::Unknown, Some(127)));
    assert_eq!(outcome.reason().unwrap(), "cannot start `no-such-command-at-all`: there is no such command");
    assert_eq!(outcome.status(&BTreeMap::new()), Status::Failed);
    assert!(outcome.values(&BTreeMap::new()).is_empty());

    let plain = bench.place.path().join("plain");
    std::fs::write(&plain, "x").unwrap();
    bench.job.argv = vec![plain.clone().into()];
    assert_eq!(bench.run().shell_status(), Some(126));
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = bench.run();
    assert_eq!(outcome.shell_status(), Some(126));
    assert!(outcome.reason().unwrap().ends_with("no script with a first line such as `#!/bin/sh`"));
    std::fs::write(&plain, "#!/no/such/shell\n").unwrap();
    let outcome = bench.run();
    assert_eq!(outcome.shell_status(), Some(127));
    assert!(outcome.reason().unwrap().ends_with("what its first line names is not there"));
    bench.job.argv = vec![];
    assert_eq!(bench.run().shell_status(), Some(127));

    let mut bench = Bench::new("true");
    bench.job.directory = bench.place.path().join("gone");
    let outcome = bench.run();
    assert_eq!(outcome.shell_status(), Some(126));
    assert!(outcome.reason().unwrap().contains("there is no directory"));
}

#[test]
fn a_command_that_a_signal_ends_was_killed() {
    let outcome = Bench::new("echo METRIC a=1; kill -SEGV $$").run();
    assert_eq!(outcome.exit, Exit::Signal(11));
    assert_eq!(outcome.shell_status(), Some(139));
    assert_eq!(outcome.status(&BTreeMap::new()), Status::Killed);
    assert_eq!(values(&outcome, "a"), [1.0]);
}

#[test]
fn a_timeout_ends_the_command_and_what_it_started() {
    let mut bench = Bench::new("(trap '' TERM; echo started; sleep 50; sleep 50) & echo $! > pid; wait");
    bench.job.timeout = Some(Duration::from_millis(300));
    bench.job.grace = Duration::from_millis(200);
    let begin = Instant::now();
    let outcome = bench.run();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(outcome.ended, Ended::TimedOut);
    assert_eq!(outcome.status(&BTreeMap::new()), Status::Timeout);
    assert_eq!(text(&outcome.stdout), "started\n");
    let pid = std::fs::read_to_string(bench.place.path().join("pid")).unwrap();
    eventually("the end of what it started", || !is_alive(&pid));
}

#[test]
fn a_command_that_does_not_hear_is_killed_after_the_grace() {
    let mut bench = Bench::new("trap '' TERM; while :; do sleep 0.05; done");
    bench.job.timeout = Some(Duration::from_millis(100));
    bench.job.grace = Duration::from_millis(200);
    let outcome = bench.run();
    assert_eq!(outcome.exit, Exit::Signal(9));
    assert!(outcome.wall_seconds >= 0.3);
}

#[test]
fn a_command_may_use_the_grace_to_save_its_work() {
    let mut bench =
        Bench::new("trap 'sleep 0.2; echo METRIC saved=1; exit 7' TERM; while :; do sleep 0.05; done");
    bench.job.timeout = Some(Duration::from_millis(100));
    let outcome = bench.run();
    assert_eq!((outcome.exit, outcome.ended.clone()), (Exit::Code(7), Ended::TimedOut));
    assert_eq!(values(&outcome, "saved"), [1.0]);
}

#[test]
fn what_outlives_the_command_does_not_hold_up_its_record() {
    let bench = Bench::new("sleep 8 & echo $! > pid; echo METRIC a=1");
    let begin = Instant::now();
    let outcome = bench.run();
    assert!(begin.elapsed() < Duration::from_secs(6));
    assert!(outcome.wall_seconds < 0.5 + 2.0);
    assert_eq!(values(&outcome, "a"), [1.0]);
    assert_eq!(outcome.remarks, ["a process that outlived the command still held its output open"]);
    let pid = std::fs::read_to_string(bench.place.path().join("pid")).unwrap();
    assert!(is_alive(&pid), "what was started on purpose goes on");
    Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn an_observer_may_stop_the_command() {
    struct Guard;
    impl Observer for Guard {
        fn should_stop(&mut self, progress: &Progress<'_>) -> Option<String> {
            let loss = progress.collected.last("loss", None)?;
            (loss > 10.0).then(|| format!("loss is {loss}"))
        }
    }
    let outcome =
        Bench::new("echo METRIC loss=1; sleep 0.3; echo METRIC loss=100; sleep 50").observed(&mut Guard);
    assert_eq!(outcome.ended, Ended::Stopped { reason: "loss is 100".to_owned() });
    assert_eq!(outcome.status(&BTreeMap::new()), Status::Killed);
    assert!(outcome.wall_seconds < 20.0);
}

#[test]
fn an_observer_hears_of_the_latest_metric_a_few_times_a_second() {
    let mut heard = Vec::new();
    let mut ticks = 0;
    Bench::new("for i in $(seq 2000); do echo METRIC a=$i step=$i; done; sleep 0.5").observed(
        &mut |event: Event<'_>| match event {
            Event::Metric(latest) => heard.push((latest.value, latest.step)),
            Event::Tick { .. } => ticks += 1,
            Event::Output { .. } => {}
        },
    );
    assert_eq!(heard.last(), Some(&(2000.0, Some(2000.0))));
    assert!(heard.len() < 100, "{heard:?}");
    assert!(ticks >= 3);
}

#[test]
fn a_large_output_is_recorded_in_bounds() {
    let mut bench =
        Bench::new("yes 'some line of a long log' | head -c 100000008; echo METRIC a=1; echo the end");
    bench.job.limits.max_output = 100_000;
    let outcome = bench.run();
    assert_eq!(outcome.stdout.total_bytes, 100_000_008 + 11 + 8);
    assert!(outcome.stdout.stored().len() < 100_200);
    assert!(outcome.stdout.stored().ends_with(b"\nthe end\n"));
    assert_eq!(values(&outcome, "a").len(), 1);
    let on_disk: u64 = std::fs::read_dir(&bench.job.folder)
        .unwrap()
        .map(|item| item.unwrap().metadata().unwrap())
        .filter(std::fs::Metadata::is_file)
        .map(|found| found.len())
        .sum();
    assert!(on_disk < 200_000, "{on_disk}");
}

#[test]
fn binary_output_is_kept_as_it_is() {
    let outcome = Bench::new(r"printf '\000\377\n\200METRIC x=1\n'").run();
    assert_eq!(outcome.stdout.head, b"\x00\xff\n\x80METRIC x=1\n");
    assert!(outcome.collected.series.is_empty());
}

#[test]
fn a_secret_that_comes_in_pieces_is_redacted() {
    let bench = Bench::new(
        "printf 'key gh'; sleep 0.2; printf 'p_abcdefghijklmn'; sleep 0.2; echo 'opqrstuvwxyz0123456789'",
    );
    let outcome = bench.run();
    assert_eq!(text(&outcome.stdout), "key [redacted]\n");
}

#[test]
fn python_is_told_not_to_hold_its_output_back() {
    assert_eq!(text(&Bench::new("echo $PYTHONUNBUFFERED").run().stdout), "1\n");
    let mut bench = Bench::new("echo $PYTHONUNBUFFERED");
    bench.job.environment.push(("PYTHONUNBUFFERED".into(), "0".into()));
    assert_eq!(text(&bench.run().stdout), "0\n");
}

#[test]
fn each_command_has_its_own_use_of_resources() {
    let busy = Bench::new("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").run();
    let idle = Bench::new("true").run();
    assert!(busy.cpu_seconds.unwrap() > idle.cpu_seconds.unwrap() + 0.02);
}

#[test]
fn what_a_dead_recorder_left_is_salvaged() {
    let bench = Bench::new(
        r#"echo METRIC loss=0.5 step=1; echo METRIC loss=x; echo '{"acc":0.9}' >> "$GIT_EXP_METRICS"; echo late >&2"#,
    );
    let outcome = bench.run();
    let found = bench.salvage();
    assert_eq!((found.exit, found.ended.clone()), (Exit::Unknown, Ended::Lost));
    assert_eq!(found.status(&BTreeMap::new()), Status::Crashed);
    assert_eq!(found.started, outcome.started);
    assert_eq!(found.stdout.head, outcome.stdout.head);
    assert_eq!(found.stderr.head, outcome.stderr.head);
    assert_eq!(values(&found, "loss"), [0.5]);
    assert_eq!(values(&found, "acc"), [0.9]);
    assert_eq!(found.collected.malformed.count, 1);
    assert!(found.values(&BTreeMap::new()).contains_key("loss"));
    assert!(!found.values(&BTreeMap::new()).contains_key("wall_time"));
}

#[test]
fn what_is_torn_is_salvaged_as_far_as_it_goes() {
    let bench =
        Bench::new(r#"for i in 1 2 3; do echo METRIC a=$i; echo "{\"b\":$i}" >> "$GIT_EXP_METRICS"; done"#);
    bench.run();
    for file in ["points", "metrics.jsonl", "stdout", "process.json"] {
        let path = bench.job.folder.join(file);
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..whole.len()).rev() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let found = bench.salvage();
            for series in found.collected.series.values() {
                assert_eq!(series.values, [1.0, 2.0, 3.0][..series.values.len()]);
            }
            assert_eq!(found.collected.malformed.count, 0);
        }
    }
}

// What follows needs a process of its own to send signals to: this test binary, told by a variable to run one command.

#[test]
fn a_process_of_its_own() {
    let Some(script) = std::env::var_os("GIT_EXP_TEST_SCRIPT") else { return };
    let mut bench = Bench::new(script.to_str().unwrap());
    bench.job.show = Show::Passed;
    bench.job.directory = std::env::current_dir().unwrap();
    bench.job.grace = Duration::from_secs(1);
    bench.job.timeout = None;
    let outcome = bench.run();
    let summary = format!(
        "{:?} {:?} {} bytes {:?}",
        outcome.exit,
        outcome.ended,
        outcome.stdout.total_bytes,
        outcome.collected.series.len()
    );
    std::fs::write("outcome", summary).unwrap();
}

struct Apart {
    place: tempfile::TempDir,
    child: Child,
}

impl Apart {
    fn start(script: &str) -> Self {
        // Begun in the background of a script, tests ignore Ctrl-C, and so would this process and its shell;
        // what is caught here is back at its default there.
        let armed = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(Signal::INT.as_raw(), armed).unwrap();
        let place = tempfile::tempdir().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "runner::process::tests::a_process_of_its_own",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("GIT_EXP_TEST_SCRIPT", script)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { place, child }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn wait_for(&self, file: &str) {
        eventually(file, || self.place.path().join(file).exists());
    }

    fn finish(self) -> (String, Output) {
        let output = self.child.wait_with_output().unwrap();
        (std::fs::read_to_string(self.place.path().join("outcome")).unwrap_or_default(), output)
    }
}

#[test]
fn a_signal_to_us_goes_to_the_command_and_is_recorded() {
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP")] {
        let apart = Apart::start(&format!(
            "trap 'echo METRIC saved=1; exit 4' {name}; touch ready; while :; do sleep 0.02; done"
        ));
        apart.wait_for("ready");
        apart.signal(signal);
        let (outcome, _) = apart.finish();
        assert_eq!(outcome, format!("Code(4) Interrupted {{ signal: {} }} 15 bytes 1", signal.as_raw()));
    }
}

#[test]
fn a_second_interrupt_ends_a_command_that_does_not_hear() {
    let apart = Apart::start("trap 'touch heard' INT; touch ready; while :; do sleep 0.02; done");
    apart.wait_for("ready");
    apart.signal(Signal::INT);
    apart.wait_for("heard");
    apart.signal(Signal::INT);
    let (outcome, _) = apart.finish();
    assert_eq!(outcome, "Signal(9) Interrupted { signal: 2 } 0 bytes 0");
}

#[test]
fn output_is_passed_on_byte_for_byte() {
    let apart = Apart::start(r"printf '<\000\377\r\n>'; printf '(\200)' >&2; exit 5");
    let (outcome, output) = apart.finish();
    assert!(outcome.starts_with("Code(5) Normal 6 bytes"), "{outcome}");
    assert!(output.stdout.windows(6).any(|bytes| bytes == b"<\x00\xff\r\n>"));
    assert!(output.stderr.windows(3).any(|bytes| bytes == b"(\x80)"));
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_record() {
    let mut apart = Apart::start(
        "touch ready; sleep 0.3; for i in 1 2 3 4 5 6; do head -c 100000 /dev/zero; done; echo; echo METRIC a=1",
    );
    apart.wait_for("ready");
    drop(apart.child.stdout.take());
    let (outcome, _) = apart.finish();
    assert_eq!(outcome, "Code(0) Normal 600012 bytes 1");
}

#[test]
fn a_reader_that_waits_makes_the_command_wait_and_not_the_supervision() {
    let apart = Apart::start("touch ready; head -c 30000000 /dev/zero; echo METRIC a=1");
    apart.wait_for("ready");
    std::thread::sleep(Duration::from_millis(300));
    apart.signal(Signal::TERM);
    let begin = Instant::now();
    let (outcome, _) = apart.finish();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(outcome.contains("Interrupted { signal: 15 }"), "{outcome}");
}

#[test]
fn what_was_written_before_our_own_end_by_force_is_salvaged() {
    let apart = Apart::start(
        "echo METRIC loss=0.5; cp -r \"$(dirname \"$GIT_EXP_METRICS\")\" none 2>/dev/null; \
         echo \"$GIT_EXP_METRICS\" > where; echo '{\"acc\":1}' >> \"$GIT_EXP_METRICS\"; sleep 0.3; touch ready; sleep 50",
    );
    apart.wait_for("ready");
    apart.signal(Signal::KILL);
    let metrics = std::fs::read_to_string(apart.place.path().join("where")).unwrap();
    let folder = Folder::open(Path::new(metrics.trim()).parent().unwrap()).unwrap();
    let found = salvage(&folder, &Limits::default(), &Redactor::new([]), Timestamp::now()).unwrap();
    let process = folder.process().unwrap();
    let group = Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    apart.finish();
    assert_eq!(values(&found, "loss"), [0.5]);
    assert_eq!(values(&found, "acc"), [1.0]);
    assert!(text(&found.stdout).contains("METRIC loss=0.5"));
    std::fs::remove_dir_all(folder.path().parent().unwrap()).unwrap();
}
