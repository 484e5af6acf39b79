//! The environment of a run: what stays the same from run to run, and what does not.
//!
//! Nothing is started to find it out, and a machine without accelerators pays for none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::accelerator::{Accelerators, PROBES, User};
use super::hardware::{self, Hardware};
use super::language::{self, Python};
use super::redact::Redactor;
use crate::domain::capture::Naming;
use crate::domain::id::hex;
use crate::domain::run::Load;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct EnvironmentOptions<'a> {
    /// The command and its arguments.
    pub argv: &'a [OsString],
    /// Where it runs.
    pub directory: &'a Path,
    /// The top of the worktree, above which nothing is looked for.
    pub top: &'a Path,
    /// Variables that the command gets besides those of this process.
    pub environment: &'a [(OsString, OsString)],
    /// The variables to record; `*` stands for anything.
    pub variables: &'a [String],
    /// How the host is named.
    pub host: Naming,
    /// How the user is named.
    pub user: Naming,
    /// What takes secrets out.
    pub redactor: &'a Redactor,
}

/// The environment of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// What stays the same from run to run, as JSON: equal environments have equal bytes.
    pub stable: Vec<u8>,
    /// The short hash of the hardware.
    pub hardware: String,
    /// The short hash of the machine's boot.
    pub boot: Option<String>,
    /// How many accelerators the command can see.
    pub accelerators: u32,
    /// What else the machine does.
    pub load: Load,
}

/// What is stored; the order of the fields is the order in the file.
#[derive(serde::Serialize)]
struct Stable {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    kernel: String,
    arch: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    cpu_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    accelerators: Vec<Accelerators>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    variables: BTreeMap<String, String>,
    lock_files: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<Python>,
}

impl Stable {
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers can be written")
    }
}

impl Environment {
    /// Looks at the machine, the variables and the command's language.
    pub fn capture(options: &EnvironmentOptions<'_>) -> Self {
        let given = |name: &str| {
            options.environment.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let variable = |name: &str| given(name).or_else(|| std::env::var_os(name));
        let hardware = Hardware::detect();
        let mut accelerators: Vec<Accelerators> = PROBES.iter().filter_map(|probe| probe.probe()).collect();
        let users = accelerators.iter_mut().flat_map(|found| std::mem::take(&mut found.processes));
        let mut processes: Vec<String> = users.map(|user| options.redactor.redact_text(&user.name)).collect();
        processes.dedup();
        let system = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let visible = variable("CUDA_VISIBLE_DEVICES").map(|list| list.to_string_lossy().into_owned());
        let hardware_hash = hardware_hash(&hardware, &accelerators, visible.as_deref());
        let seen = seen_accelerators(&accelerators, visible.as_deref());
        let clean = |text: String| options.redactor.redact_text(&text);
        let user = variable("USER").or_else(|| variable("LOGNAME")).and_then(|name| name.into_string().ok());
        let python =
            language::python(options.argv, options.directory, options.top, &variable).map(|python| Python {
                prefix: clean(python.prefix),
                editable: python.editable.into_iter().map(|(name, place)| (name, clean(place))).collect(),
                ..python
            });
        let stable = Stable {
            schema: "git-exp/environment/1",
            system: hardware::name(),
            kernel: format!("{} {}", text(system.sysname()), text(system.release())),
            arch: hardware.arch,
            cpu: hardware.cpu_model,
            cpu_count: hardware.cpu_count,
            memory_bytes: hardware.memory_bytes,
            accelerators,
            host: named(options.host, "host", Some(text(system.nodename()))),
            user: named(options.user, "user", user),
            variables: variables(options),
            lock_files: language::lock_files(options.directory, options.top),
            python,
        };
        Self {
            stable: stable.bytes(),
            hardware: hardware_hash,
            boot: hardware::boot().map(|boot| short_hash(&format!("boot {boot}"))),
            accelerators: seen,
            load: Load { load_average: hardware::load_average(), accelerator_processes: processes },
        }
    }
}

fn short_hash(text: &str) -> String {
    hex(&blake3::hash(text.as_bytes()).as_bytes()[..8])
}

/// The hash of what makes two runs' times comparable.
fn hardware_hash(hardware: &Hardware, accelerators: &[Accelerators], visible: Option<&str>) -> String {
    let mut parts = vec![format!(
        "{} {} {} {}",
        hardware.arch,
        hardware.cpu_model.as_deref().unwrap_or("-"),
        hardware.cpu_count,
        hardware.memory_class()
    )];
    for found in accelerators {
        for device in &found.devices {
            let gibibytes = device.memory_bytes.unwrap_or(0) >> 30;
            parts.push(format!("{} {} {} {gibibytes}", found.maker, device.model, device.count));
        }
    }
    // Which of equal devices are used does not matter, how many does.
    if let Some(visible) = visible.filter(|_| !accelerators.is_empty()) {
        let count = visible.split(',').filter(|device| !device.trim().is_empty()).count();
        parts.push(format!("visible {count}"));
    }
    short_hash(&parts.join("\n"))
}

/// The hash of the hardware that a command that is started now runs on.
pub fn hardware_here() -> String {
    let found: Vec<Accelerators> = PROBES.iter().filter_map(|probe| probe.probe()).collect();
    let visible = std::env::var_os("CUDA_VISIBLE_DEVICES").map(|list| list.to_string_lossy().into_owned());
    hardware_hash(&Hardware::detect(), &found, visible.as_deref())
}

/// How many accelerators a command that is started now can see.
pub fn accelerators_in_sight() -> u32 {
    let found: Vec<Accelerators> = PROBES.iter().filter_map(|probe| probe.probe()).collect();
    seen_accelerators(&found, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref())
}

/// What can be seen of the accelerators of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// How many a command that is started now can see.
    pub accelerators: u32,
    /// The processes that use them and were not started below one of `runs`.
    pub strangers: Vec<User>,
}

/// What can be seen of the accelerators here; `None`, at the price of a look at a file name, where there are none.
///
/// `runs` are the processes whose commands may use them.
pub fn accelerators_here(runs: &[u32]) -> Option<Sight> {
    let mut found: Vec<Accelerators> = PROBES.iter().filter_map(|probe| probe.probe()).collect();
    if found.iter().all(|it| it.devices.is_empty()) {
        return None;
    }
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let accelerators = seen_accelerators(&found, visible.as_deref());
    let users = found.iter_mut().flat_map(|it| std::mem::take(&mut it.processes));
    let strangers = users.filter(|user| !hardware::is_below(user.process, runs)).collect();
    Some(Sight { accelerators, strangers })
}

/// How many devices there are, or are visible where a list says which.
fn seen_accelerators(accelerators: &[Accelerators], visible: Option<&str>) -> u32 {
    let all: usize = accelerators.iter().flat_map(|found| &found.devices).map(|device| device.count).sum();
    let seen = match visible {
        None => all,
        // CUDA reads the list up to the first device that is not there.
        Some(list) => list
            .split(',')
            .map(str::trim)
            .take_while(|device| {
                !device.is_empty()
                    && device
                        .parse::<i64>()
                        .map_or(true, |number| usize::try_from(number).is_ok_and(|number| number < all))
            })
            .count()
            .min(all),
    };
    u32::try_from(seen).unwrap_or(u32::MAX)
}

/// The variables that are on the list, secrets taken out and home shortened.
fn variables(options: &EnvironmentOptions<'_>) -> BTreeMap<String, String> {
    let is_listed = |name: &str| options.variables.iter().any(|pattern| matches(pattern, name));
    let mut found = BTreeMap::new();
    for (name, value) in std::env::vars_os().chain(options.environment.iter().cloned()) {
        let Ok(name) = name.into_string() else { continue };
        if is_listed(&name) {
            let value = value.to_string_lossy();
            // The name may be what tells that the value is secret.
            let pair = options.redactor.redact_text(&format!("{name}={value}"));
            let value = pair.split_once('=').map_or_else(String::new, |(_, value)| value.to_owned());
            found.insert(name, value);
        }
    }
    found
}

/// A name of the host or user, as it is to be recorded.
fn named(naming: Naming, what: &str, name: Option<String>) -> Option<String> {
    match naming {
        Naming::Name => name,
        Naming::Hash => name.map(|name| short_hash(&format!("{what} {name}"))),
        Naming::None => None,
    }
}

/// Whether `name` matches `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn capture(environment: &[(&str, &str)], variables: &[&str], host: Naming) -> Environment {
        let place = tempfile::tempdir().unwrap();
        let environment: Vec<(OsString, OsString)> =
            environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let listed = crate::domain::capture::DEFAULT_VARIABLES.iter().chain(variables);
        let variables: Vec<String> = listed.map(|&name| name.to_owned()).collect();
        Environment::capture(&EnvironmentOptions {
            argv: &["true".into()],
            directory: place.path(),
            top: place.path(),
            environment: &environment,
            variables: &variables,
            host,
            user: Naming::None,
            redactor: &Redactor::new([("HOME".into(), "/home/ada".into())]),
        })
    }

    fn stable(environment: &Environment) -> serde_json::Value {
        serde_json::from_slice(&environment.stable).unwrap()
    }

    #[test]
    fn equal_environments_have_equal_bytes() {
        let first = capture(&[("OMP_NUM_THREADS", "4")], &[], Naming::Hash);
        let second = capture(&[("OMP_NUM_THREADS", "4")], &[], Naming::Hash);
        assert_eq!(first.stable, second.stable);
        assert_eq!(first.hardware, second.hardware);
        assert_eq!(first.hardware.len(), 16);
        assert_eq!(first.boot, second.boot);
        assert_ne!(first.stable, capture(&[("OMP_NUM_THREADS", "5")], &[], Naming::Hash).stable);
    }

    #[test]
    fn the_fields_stand_in_their_order() {
        let text = String::from_utf8(capture(&[], &[], Naming::Name).stable).unwrap();
        let order =
            ["schema", "kernel", "arch", "cpu_count", "accelerators", "host", "variables", "lock_files"];
        let places: Vec<usize> =
            order.iter().map(|field| text.find(&format!("\"{field}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(!text.contains("\"user\""), "{text}");
    }

    #[test]
    fn only_listed_variables_are_recorded_and_none_with_a_secret() {
        let found = capture(
            &[
                ("NCCL_DEBUG", "INFO"),
                ("LD_PRELOAD", "/home/ada/lib.so"),
                ("MY_FLAG", "1"),
                ("MY_API_KEY", "tiny"),
                ("OTHER", "x"),
            ],
            &["MY_*"],
            Naming::None,
        );
        let variables = &stable(&found)["variables"];
        assert_eq!(variables["NCCL_DEBUG"], "INFO");
        assert_eq!(variables["LD_PRELOAD"], "~/lib.so");
        assert_eq!(variables["MY_FLAG"], "1");
        assert_eq!(variables["MY_API_KEY"], "[redacted]");
        assert!(variables.get("OTHER").is_none());
        assert!(stable(&found).get("host").is_none());
    }

    #[test]
    fn what_libraries_read_of_how_to_compute_and_to_allocate_is_recorded() {
        for name in [
            "ATEN_CPU_CAPABILITY",
            "ONEDNN_MAX_CPU_ISA",
            "DNNL_DEFAULT_FPMATH_MODE",
            "MKL_ENABLE_INSTRUCTIONS",
            "GOMP_CPU_AFFINITY",
            "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
            "NVIDIA_TF32_OVERRIDE",
            "GLIBC_TUNABLES",
            "LD_PRELOAD",
            "MALLOC_ARENA_MAX",
            "MALLOC_MMAP_THRESHOLD_",
            "MALLOC_TOP_PAD_",
            "MALLOC_TRIM_THRESHOLD_",
        ] {
            let found = capture(&[(name, "7")], &[], Naming::None);
            assert_eq!(stable(&found)["variables"][name], "7", "{name}");
        }
    }

    #[test]
    fn a_name_may_be_hashed() {
        let named = stable(&capture(&[], &[], Naming::Name))["host"].clone();
        let hashed = stable(&capture(&[], &[], Naming::Hash))["host"].clone();
        assert_ne!(named, hashed);
        assert_eq!(hashed.as_str().unwrap().len(), 16);
        assert_eq!(Naming::from_word("hash"), Some(Naming::Hash));
        assert_eq!(Naming::from_word("both"), None);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("CUDA_*", "CUDA_VISIBLE_DEVICES"));
        assert!(matches("*_DEVICES", "CUDA_VISIBLE_DEVICES"));
        assert!(matches("A*B*C", "AxByC"));
        assert!(!matches("CUDA_*", "XCUDA_Y"));
        assert!(!matches("LANG", "LANGUAGE"));
    }

    #[test]
    fn how_many_devices_are_used_is_part_of_the_hardware() {
        let hardware = Hardware::default();
        let device =
            super::super::accelerator::Device { model: "X".to_owned(), count: 4, memory_bytes: None };
        let some = [Accelerators { devices: vec![device], ..Accelerators::default() }];
        let hash = |visible| hardware_hash(&hardware, &some, visible);
        assert_eq!(hash(Some("0,1")), hash(Some("2,3")));
        assert_ne!(hash(Some("0,1")), hash(Some("0")));
        assert_ne!(hash(None), hardware_hash(&hardware, &[], None));
    }

    #[test]
    fn only_visible_devices_count() {
        let device =
            super::super::accelerator::Device { model: "X".to_owned(), count: 4, memory_bytes: None };
        let some = [Accelerators { devices: vec![device], ..Accelerators::default() }];
        let seen = |visible| seen_accelerators(&some, visible);
        assert_eq!([seen(None), seen(Some("0,1")), seen(Some("2"))], [4, 2, 1]);
        assert_eq!([seen(Some("")), seen(Some("-1")), seen(Some("0,-1,1"))], [0, 0, 1]);
        assert_eq!([seen(Some("GPU-5f3a,GPU-77aa")), seen(Some("0,9"))], [2, 1]);
        assert_eq!([seen_accelerators(&[], None), seen_accelerators(&[], Some("0"))], [0, 0]);
    }

    #[test]
    fn a_look_at_the_environment_takes_no_time() {
        capture(&[], &[], Naming::Hash);
        let begin = Instant::now();
        capture(&[], &[], Naming::Hash);
        // It takes a millisecond or two; accelerators and a busy machine may need more.
        assert!(begin.elapsed().as_millis() < 500, "{:?}", begin.elapsed());
    }
}
