//! `git-exp-bench`, the harness behind `git exp bench run`: the only program that links libtorch.
//!
//! It reads a request (`git_exp::workload::request`) from standard input, and reports on standard output as any command does
//! that `git exp run` starts.
//!
//! | file | holds |
//! | --- | --- |
//! | `subject` | what every kind of workload gives to be measured, and where the kinds are registered |
//! | `op`, `torchscript`, `command`, `transformer` | one kind of workload each |
//! | `graph` | any of them, replayed as a CUDA graph |
//! | `optimizer` | the step that `op` measures and `transformer` learns by |
//! | `place` | devices, dtypes and switches of a setting |
//! | `sampler`, `watch`, `ceiling` | the clock, what slows the machine down, and what it can do at best |
//! | `measuring` | a request from its workloads to what came of them |
//! | `report`, `machine` | what is told, and on what it ran |
//! | `failure` | why something was not measured |
#![allow(
    clippy::disallowed_methods,
    reason = "the harness is an adapter: it looks at the clock, reads the machine and writes files"
)]

mod ceiling;
mod command;
mod failure;
mod graph;
mod machine;
mod measuring;
mod op;
mod optimizer;
mod place;
mod report;
mod sampler;
mod subject;
mod torchscript;
mod transformer;
mod watch;

use std::io::Read as _;
use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;

use git_exp::error::Error;
use git_exp::workload::request::{Request, SCHEMA};
use git_exp_torch_switches as switches;

use failure::Failure;

fn main() -> ExitCode {
    // What tch panics with is the text of a C++ exception, and is told like any other failure.
    static PANIC: Mutex<String> = Mutex::new(String::new());
    panic::set_hook(Box::new(|information| {
        if let Ok(mut text) = PANIC.lock() {
            *text = information.to_string();
        }
    }));
    let result = panic::catch_unwind(run).unwrap_or_else(|_| {
        let text = PANIC.lock().map(|text| text.clone()).unwrap_or_default();
        Err(Failure::of_torch(&text))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Failed(_) = failure
                && let Some(bytes) = machine::peak_process_memory()
            {
                // Standard output may be that of `--json`, and `git exp run` reads both.
                eprintln!("METRIC peak_memory={} unit=MB better=lower", bytes as f64 / 1e6);
            }
            eprint!("{}", failure.error().render());
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run() -> Result<(), Failure> {
    // Whatever ends the program that asked, nobody is left to read an answer, and what is measured next would be disturbed.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    if !switches::is_own_version() {
        return Err(Failure::request(
            format!("libtorch is not {}, which the harness was built with", switches::version()),
            "unset LD_LIBRARY_PATH, or in the source of git exp: make libtorch && make install-bench",
        ));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let request: Request = serde_json::from_str(&text).map_err(|error| {
        let error = Error::request("cannot read the request on standard input").because(error);
        Failure::Request(error.hint("run it through `git exp bench run <workload>`"))
    })?;
    if request.schema != SCHEMA || request.variants.is_empty() {
        return Err(Failure::request(
            format!("this harness answers {SCHEMA}, not `{}`", request.schema),
            "install git-exp and git-exp-bench from the same source",
        ));
    }
    let variants = measuring::variants(&request)?;
    report::plan(&request, &variants)?;
    let (measured, warnings) = measuring::check(&variants)?;
    let inputs = report::inputs(&variants, &measured);
    report::keep_inputs(&inputs)?;
    // An object alone stands on standard output, and lines for `git exp run` are read on either.
    let say = |text: &str| match request.json {
        false => print!("{text}"),
        true if std::env::var_os("GIT_EXP_OUT").is_some() => eprint!("{text}"),
        true => {}
    };
    say(&inputs);
    let outcome = measuring::time(&variants, measured, warnings)?;
    let summary = report::summary(&request, &variants, &outcome)?;
    report::artifacts(&outcome, &summary)?;
    if request.json {
        println!("{summary}");
    }
    say(&report::metrics(&outcome)?);
    eprint!("{}", report::talk(&outcome)?);
    Ok(())
}
