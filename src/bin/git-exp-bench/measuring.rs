//! Measures what a request asks for: one workload on its own, or variants in turn.

use std::ffi::OsStr;
use std::path::Path;

use git_exp::domain::statistics::random::Random;
use git_exp::domain::timing::{
    self, HIGH_SPREAD, InTurn, Median, Plan, Timing, Turns, measure, measure_in_turn,
};
use git_exp::workload::measure::{Caches, Measure};
use git_exp::workload::request::Request;
use git_exp::workload::{Task, Workload};
use git_exp_torch_switches as switches;
use tch::{Kind, Tensor};

use crate::ceiling::Ceilings;
use crate::failure::Failure;
use crate::graph::{self, Replay};
use crate::machine;
use crate::place::{self, Place};
use crate::sampler::Sampler;
use crate::subject::{Build, Entry, Findings, Subject, Work, build};

/// With fewer samples than this no two of them hold the median with 95 % confidence.
const FEWEST_FOR_AN_INTERVAL: usize = 6;
/// How much of a ceiling is still taken for the noise of measuring it.
const BELIEVABLE: f64 = 1.1;
/// The most calls in a sample where something must happen between calls.
const ONE: u64 = 1;

/// A variant with its name.
pub struct Variant {
    /// What it is called in reports.
    pub name: String,
    /// The workload.
    pub workload: Workload,
}

/// What came of one variant.
pub struct Measured {
    /// What it is called in reports.
    pub name: String,
    /// The tensors at entry.
    pub entries: Vec<Entry>,
    /// The files that it was loaded from, with the BLAKE3 of each.
    pub files: Vec<(String, String)>,
    /// What one call costs.
    pub work: Work,
    /// With caches as the call before left them.
    pub hot: Option<Timing>,
    /// With caches flushed before each call.
    pub cold: Option<Timing>,
    /// The relative norm of what differs from a float64 reference.
    pub error: Option<f64>,
    /// The relative norm of what differs from the first variant.
    pub error_against_baseline: Option<f64>,
    /// What it found out beside its time.
    pub findings: Findings,
    /// The most memory on the device, or of this process on the processor, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// What came of a request.
pub struct Outcome {
    /// The variants, the baseline first.
    pub variants: Vec<Measured>,
    /// The variants in turn; `None` for one alone.
    pub in_turn: Option<InTurn>,
    /// What the device can do at best with the setting of each variant.
    pub ceilings: Vec<Option<Ceilings>>,
    /// What the harness itself takes for a call, in seconds.
    pub overhead_seconds: f64,
    /// What makes the numbers weaker than they look.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// The time of a variant with caches as the call before left them.
    pub fn hot(&self, variant: usize) -> Option<Median> {
        match &self.in_turn {
            // Samples of a pass hang together; their passes do less.
            Some(in_turn) => Median::of(&in_turn.passes[variant]),
            None => self.variants[variant].hot.as_ref().and_then(Timing::median),
        }
    }

    /// The same by events on the device.
    pub fn hot_on_device(&self, variant: usize) -> Option<Median> {
        match &self.in_turn {
            Some(in_turn) => Median::of(&in_turn.device_passes[variant]),
            None => self.variants[variant].hot.as_ref().and_then(Timing::device_median),
        }
    }
}

/// The variants of a request: those it names, or the files of a `torchscript` workload.
pub fn variants(request: &Request) -> Result<Vec<Variant>, Failure> {
    let mut variants = Vec::new();
    for requested in &request.variants {
        let workload = requested.workload()?;
        let name = requested.name.clone();
        let Task::TorchScript(task) = &workload.task else {
            variants.push(Variant { name, workload });
            continue;
        };
        let files: Vec<String> = std::iter::once(&task.file).chain(&task.variants).cloned().collect();
        let is_alone = files.len() == 1;
        for file in files {
            let mut workload = workload.clone();
            let Task::TorchScript(task) = &mut workload.task else { continue };
            let name = if is_alone { name.clone() } else { name_of(&file, &variants) };
            (task.file, task.variants) = (file, Vec::new());
            variants.push(Variant { name, workload });
        }
    }
    Ok(variants)
}

/// The name of a file without its ending; with it, or with a number, where another variant has that name.
fn name_of(file: &str, variants: &[Variant]) -> String {
    let path = Path::new(file);
    let word = |part: Option<&OsStr>| part.map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let numbered = (2..).map(|number| format!("{}-{number}", word(path.file_stem())));
    let names = [word(path.file_stem()), word(path.file_name())].into_iter().chain(numbered);
    let is_free = |name: &String| !variants.iter().any(|variant| variant.name == *name);
    names.into_iter().find(is_free).expect("some number is free")
}

/// Builds each variant once, and looks at what it computes before anything is timed.
pub fn check(variants: &[Variant]) -> Result<(Vec<Measured>, Vec<String>), Failure> {
    tch::set_num_interop_threads(1);
    let mut warnings = Vec::new();
    let mut baseline: Option<Vec<Tensor>> = None;
    let mut measured = Vec::new();
    for variant in variants {
        let (one, outputs) = check_one(variant, baseline.as_deref(), &mut warnings)?;
        baseline.get_or_insert(outputs);
        measured.push(one);
    }
    Ok((measured, warnings))
}

/// Times variants that were checked.
pub fn time(
    variants: &[Variant],
    mut measured: Vec<Measured>,
    mut warnings: Vec<String>,
) -> Result<Outcome, Failure> {
    let first = &variants[0].workload;
    place::apply(&first.setting)?;
    let mut sampler = Sampler::new(first)?;
    let overhead_seconds = sampler.overhead()?;
    warnings.extend(machine::company(&first.setting));
    let in_turn = match variants {
        [only] => {
            alone(&only.workload, &mut sampler, &mut measured[0], &mut warnings)?;
            None
        }
        _ => Some(in_turn(variants, &mut measured, &mut warnings)?),
    };
    let ceilings = ceilings(variants)?;
    let mut outcome = Outcome { variants: measured, in_turn, ceilings, overhead_seconds, warnings };
    for at in 0..variants.len() {
        let Measured { name, work, .. } = &outcome.variants[at];
        if let (Some(hot), Some(ceilings)) = (outcome.hot(at), outcome.ceilings[at])
            && work.flop / hot.value > BELIEVABLE * ceilings.flop_per_second
        {
            outcome.warnings.push(format!(
                "`{name}` computes faster than the ceiling that was measured beside it: something else was running meanwhile"
            ));
        }
    }
    Ok(outcome)
}

/// What the device can do at best with the setting of each variant; measured once for equal settings.
fn ceilings(variants: &[Variant]) -> Result<Vec<Option<Ceilings>>, Failure> {
    let first = &variants[0].workload;
    if !first.measure.ceilings || matches!(first.task, Task::Command(_)) {
        return Ok(vec![None; variants.len()]);
    }
    let mut found: Vec<Option<Ceilings>> = Vec::new();
    for (at, variant) in variants.iter().enumerate() {
        let setting = &variant.workload.setting;
        let known = variants[..at].iter().position(|it| it.workload.setting == *setting);
        found.push(match known {
            Some(known) => found[known],
            None => {
                place::apply(setting)?;
                Some(Ceilings::measure(&Place::new(setting)?)?)
            }
        });
    }
    Ok(found)
}

fn check_one(
    variant: &Variant,
    baseline: Option<&[Tensor]>,
    warnings: &mut Vec<String>,
) -> Result<(Measured, Vec<Tensor>), Failure> {
    if variant.workload.measure.graph {
        graph::check()?;
    }
    let mut subject = build(&variant.workload, place::layout()?)?;
    let place = Place::new(&variant.workload.setting)?;
    if let Some(device) = place.accelerator() {
        switches::reset_peak_memory(device)?;
    }
    let outputs = subject.outputs()?;
    for output in &outputs {
        if output.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(Failure::failed(
                format!("what `{}` computes is not finite", variant.name),
                "look for an overflow of its dtype: --set dtype=f32",
            ));
        }
    }
    let reference = if variant.workload.measure.reference { subject.reference()? } else { None };
    let error = reference.map(|reference| distance(&outputs, &reference)).transpose()?.flatten();
    let findings = subject.findings()?;
    let error_against_baseline = match baseline {
        Some(baseline) => distance(&outputs, baseline)?,
        None => None,
    };
    if baseline.is_some_and(|it| !it.is_empty()) && error_against_baseline.is_none() {
        warnings
            .push(format!("`{}` computes other shapes than the baseline: not like with like", variant.name));
    }
    // That of the processor is the process's, which several variants share.
    let peak_memory_bytes = place.accelerator().map(switches::peak_memory_bytes).transpose()?;
    let measured = Measured {
        name: variant.name.clone(),
        entries: subject.entries(),
        files: subject.files(),
        work: subject.work(),
        hot: None,
        cold: None,
        error,
        error_against_baseline,
        findings,
        peak_memory_bytes,
    };
    Ok((measured, outputs))
}

/// The largest relative norm of the differences; `None` where shapes differ or there is nothing to look at.
fn distance(outputs: &[Tensor], reference: &[Tensor]) -> Result<Option<f64>, Failure> {
    if outputs.is_empty() || outputs.len() != reference.len() {
        return Ok(None);
    }
    let mut largest: f64 = 0.0;
    for (output, exact) in outputs.iter().zip(reference) {
        if output.size() != exact.size() {
            return Ok(None);
        }
        let _guard = tch::no_grad_guard();
        let output = output.f_to_device_(tch::Device::Cpu, Kind::Double, false, false)?;
        let exact = exact.f_to_device_(tch::Device::Cpu, Kind::Double, false, false)?;
        let norm = |tensor: &Tensor| tensor.f_norm()?.f_double_value(&[]);
        let (off, size) = (norm(&output.f_sub(&exact)?)?, norm(&exact)?);
        largest = largest.max(if size > 0.0 { off / size } else { off });
    }
    Ok(Some(largest))
}

/// The rules of a workload's `[measure]`.
fn plan(measure: &Measure, most_calls: u64) -> Plan {
    Plan {
        min_seconds: measure.min_time.seconds(),
        max_seconds: measure.max_time.seconds(),
        relative_error: measure.relative_error,
        min_samples: measure.min_samples,
        max_samples: measure.max_samples,
        batch_seconds: measure.batch_time.seconds(),
        most_calls,
    }
}

/// What is called between two looks at the clock.
fn timed(workload: &Workload, layout: Random) -> Result<Build, Failure> {
    let subject = build(workload, layout)?;
    Ok(match workload.measure.graph {
        true => Box::new(Replay::capture(subject, &Place::new(&workload.setting)?)?),
        false => subject,
    })
}

fn alone(
    workload: &Workload,
    sampler: &mut Sampler,
    measured: &mut Measured,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut subject = timed(workload, place::layout()?)?;
    let subject = subject.as_mut();
    let place = Place::new(&workload.setting)?;
    let peak = |subject: &dyn Subject| match place.accelerator() {
        _ if !subject.is_in_process() => Ok(subject.peak_memory()),
        Some(device) => switches::peak_memory_bytes(device).map(Some),
        None => Ok(machine::peak_process_memory()),
    };
    // Neither what the float64 reference took nor what flushes caches is the workload's.
    machine::reset_peak_process_memory();
    let caches = if subject.is_in_process() { workload.measure.caches } else { Caches::Hot };
    if caches != Caches::Cold {
        let timing = measure(&plan(&workload.measure, u64::MAX), |calls| sampler.hot(subject, calls))?;
        warn("hot", &timing, warnings)?;
        measured.hot = Some(timing);
        measured.peak_memory_bytes = peak(subject)?;
    }
    if caches != Caches::Hot {
        let timing = measure(&plan(&workload.measure, ONE), |_| sampler.cold(subject))?;
        warn("cold", &timing, warnings)?;
        measured.cold = Some(timing);
        if measured.hot.is_none() {
            measured.peak_memory_bytes = peak(subject)?;
        }
    }
    subject.check_after()
}

fn warn(caches: &str, timing: &Timing, warnings: &mut Vec<String>) -> Result<(), Failure> {
    if timing.samples.is_empty() {
        return Err(Failure::failed(
            format!("the machine was slowed down during every {caches} sample"),
            "let it cool down, or lift its power limit",
        ));
    }
    if timing.samples.len() < FEWEST_FOR_AN_INTERVAL {
        warnings.push(format!(
            "{caches}: {} samples are too few for a 95 % interval, and the one given is too narrow",
            timing.samples.len()
        ));
    }
    if !timing.warm_up.is_steady {
        warnings.push(format!("{caches}: times were still falling when the time for warming up was over"));
    }
    if timing.throttled > 0 {
        warnings.push(format!(
            "{caches}: {} samples were thrown away, because the machine was slowed down",
            timing.throttled
        ));
    }
    if timing.spread() > HIGH_SPREAD {
        warnings.push(format!(
            "{caches}: half of the samples lie {:.0} % apart: the machine is not quiet",
            100.0 * timing.spread()
        ));
    }
    Ok(())
}

fn in_turn(
    variants: &[Variant],
    measured: &mut [Measured],
    warnings: &mut Vec<String>,
) -> Result<InTurn, Failure> {
    let first = &variants[0].workload;
    let turns = Turns {
        passes: first.measure.passes,
        pass_seconds: first.measure.pass_time.seconds(),
        // The process is warm from the second pass on, and a program that is started anew never is.
        plan: Plan { max_seconds: first.measure.pass_time.seconds(), ..plan(&first.measure, u64::MAX) },
    };
    // What is planted, and whether a graph is replayed, each variant has for itself.
    let rules = |variant: &Variant| Measure {
        planted_slow_down: 0.0,
        graph: false,
        ..variant.workload.measure.clone()
    };
    if variants.iter().any(|variant| rules(variant) != rules(&variants[0])) {
        warnings
            .push("the variants name different rules of measuring; those of the baseline hold".to_owned());
    }
    let mut random = Random::from_seed(first.setting.seed);
    // One for both sides of a pass, so that it cancels there.
    let layouts = (0..turns.passes).map(|_| place::layout()).collect::<Result<Vec<_>, _>>()?;
    let result = measure_in_turn(
        &turns,
        variants.len(),
        &mut random,
        |pass, at| {
            let workload = &variants[at].workload;
            Ok::<_, Failure>((workload, timed(workload, layouts[pass].clone())?, Sampler::new(workload)?))
        },
        |(workload, subject, sampler), calls| {
            // Switches are global, and the other variant may have set them otherwise.
            place::switch(&workload.setting)?;
            sampler.hot(subject.as_mut(), calls)
        },
        |(_, mut subject, _)| subject.check_after(),
    )?;
    if result.throttled > 0 {
        warnings.push(format!(
            "{} rounds were thrown away, because the machine was slowed down",
            result.throttled
        ));
    }
    for (variant, samples) in measured.iter().zip(&result.samples) {
        if samples.is_empty() {
            return Err(Failure::failed(
                "the machine was slowed down during every round",
                "let it cool down, or lift its power limit",
            ));
        }
        let spread = timing::spread(&samples.concat());
        if spread > HIGH_SPREAD {
            warnings.push(format!(
                "{}: half of the samples lie {:.0} % apart: the machine is not quiet",
                variant.name,
                100.0 * spread
            ));
        }
    }
    Ok(result)
}
