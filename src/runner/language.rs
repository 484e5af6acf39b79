//! What a command's language brings along: lock files, and the packages of a Python that is not even started.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Files that pin what a program is built from.
const LOCK_FILES: &[&str] = &[
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile.lock",
    "requirements.txt",
    "requirements-dev.txt",
    "pixi.lock",
    "conda-lock.yml",
    "environment.yml",
    "environment.yaml",
    "Cargo.lock",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "go.sum",
    "Manifest.toml",
    "renv.lock",
    "flake.lock",
    "Gemfile.lock",
];

/// A lock file larger than this is a mistake.
const MAX_LOCK_FILE: u64 = 64 * 1024 * 1024;

/// The lock files in `directory` and above it up to `top`: path relative to `top`, then BLAKE3 in hex.
pub(super) fn lock_files(directory: &Path, top: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in up_to(directory, top) {
        for item in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = item.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_requirements = name.starts_with("requirements")
                && Path::new(name).extension().is_some_and(|ending| ending == "txt");
            if !is_requirements && !LOCK_FILES.contains(&name) {
                continue;
            }
            let path = item.path();
            if !fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= MAX_LOCK_FILE) {
                continue;
            }
            if let Ok(bytes) = fs::read(&path) {
                let shown = path.strip_prefix(top).unwrap_or(&path).display().to_string();
                found.insert(shown, blake3::hash(&bytes).to_hex().to_string());
            }
        }
    }
    found
}

fn up_to<'a>(directory: &'a Path, top: &'a Path) -> impl Iterator<Item = &'a Path> {
    let inside = directory.starts_with(top);
    let limit = if inside { top } else { directory };
    directory.ancestors().take_while(move |folder| folder.starts_with(limit))
}

/// A Python and its packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Python {
    /// Its version, as far as files tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it is installed.
    pub prefix: String,
    /// The packages, as `name==version`, sorted.
    pub packages: Vec<String>,
    /// Packages that are used where they are developed: name, then place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub editable: BTreeMap<String, String>,
}

/// The Python that a command would use, found without starting it.
///
/// The program itself comes first, being what really runs; then the active environment, then the project's own.
pub(super) fn python(
    argv: &[OsString],
    directory: &Path,
    top: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<Python> {
    let program = argv.first().and_then(|program| find_program(program, directory, variable));
    let prefix = program
        .and_then(|program| interpreter_prefix(&program, directory, variable))
        .or_else(|| variable("VIRTUAL_ENV").map(PathBuf::from).filter(|prefix| prefix.is_dir()))
        .or_else(|| {
            up_to(directory, top)
                .map(|folder| folder.join(".venv"))
                .find(|prefix| prefix.join("pyvenv.cfg").is_file())
        })
        .or_else(|| variable("CONDA_PREFIX").map(PathBuf::from).filter(|prefix| prefix.is_dir()))?;
    describe(&prefix)
}

/// The file that a program's name stands for.
fn find_program(
    program: &OsStr,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(directory.join(program)).filter(|path| path.is_file());
    }
    std::env::split_paths(&variable("PATH")?)
        .map(|folder| directory.join(folder).join(program))
        .find(|path| path.is_file())
}

/// Where the Python that `program` is, or is written for, is installed.
fn interpreter_prefix(
    program: &Path,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let bin = program.parent()?;
    if bin.ends_with("shims") {
        return pyenv_prefix(bin.parent()?, directory, variable);
    }
    if is_python(program.file_name()?) {
        return prefix_of(program);
    }
    // A script such as `torchrun` names its interpreter in its first line.
    let mut start = [0; 256];
    let length = File::open(program).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty());
    let first = Path::new(OsStr::from_bytes(words.next()?));
    let interpreter = if first.file_name()? == "env" {
        find_program(OsStr::from_bytes(words.next()?), directory, variable)?
    } else {
        first.to_owned()
    };
    if interpreter.parent()?.ends_with("shims") {
        return pyenv_prefix(interpreter.parent()?.parent()?, directory, variable);
    }
    is_python(interpreter.file_name()?).then(|| prefix_of(&interpreter))?
}

fn is_python(name: &OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix("python").or_else(|| name.strip_prefix("pypy")))
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b't')))
}

fn prefix_of(interpreter: &Path) -> Option<PathBuf> {
    let prefix = interpreter.parent()?.parent()?;
    // In an environment the interpreter is a link to one elsewhere, and what counts is where the link is.
    if prefix.join("pyvenv.cfg").is_file() || prefix.join("conda-meta").is_dir() {
        return Some(prefix.to_owned());
    }
    fs::canonicalize(interpreter).ok()?.parent()?.parent().map(Path::to_owned)
}

fn pyenv_prefix(
    root: &Path,
    directory: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let version = variable("PYENV_VERSION").and_then(|version| version.into_string().ok()).or_else(|| {
        directory
            .ancestors()
            .map(|folder| folder.join(".python-version"))
            .chain([root.join("version")])
            .find_map(|file| fs::read_to_string(file).ok())
    })?;
    let version = version.split([':', '\n']).next()?.trim();
    Some(root.join("versions").join(version)).filter(|prefix| !version.is_empty() && prefix.is_dir())
}

fn describe(prefix: &Path) -> Option<Python> {
    let configured = fs::read_to_string(prefix.join("pyvenv.cfg")).ok().and_then(|text| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            matches!(key.trim(), "version" | "version_info").then(|| value.trim().to_owned())
        })
    });
    let mut versions = Vec::new();
    let mut folders = Vec::new();
    for library in ["lib", "lib64", "local/lib"] {
        let library = prefix.join(library);
        // A link from one to the other would list everything twice.
        if fs::symlink_metadata(&library).is_ok_and(|found| found.is_symlink()) && library.ends_with("lib64")
        {
            continue;
        }
        for item in fs::read_dir(&library).into_iter().flatten().flatten() {
            let name = item.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix("python")) else { continue };
            if version.contains('.') {
                versions.push(version.to_owned());
            }
            folders.push(item.path().join("site-packages"));
            folders.push(item.path().join("dist-packages"));
        }
    }
    if versions.is_empty() && configured.is_none() {
        return None;
    }
    versions.sort_unstable_by_key(|version| {
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>()
    });
    let newest = versions.pop();
    let version =
        configured.or_else(|| newest.as_ref().and_then(|version| patch_level(prefix, version))).or(newest);
    let mut python = Python { version, prefix: prefix.display().to_string(), ..Python::default() };
    folders.sort();
    for folder in folders {
        list_packages(&folder, &mut python);
    }
    python.packages.sort();
    python.packages.dedup();
    Some(python)
}

/// The whole version from the header beside the library, where that is installed.
fn patch_level(prefix: &Path, version: &str) -> Option<String> {
    let header = fs::read_to_string(prefix.join(format!("include/python{version}/patchlevel.h"))).ok()?;
    let line = header.lines().find(|line| line.starts_with("#define PY_VERSION "))?;
    Some(line.split('"').nth(1)?.to_owned())
}

fn list_packages(folder: &Path, python: &mut Python) {
    let mut described = Vec::new();
    let mut has_links = false;
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = item.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(stem) = name.strip_suffix(".dist-info") {
            if let Some((package, version)) = stem.rsplit_once('-') {
                let package = normal(package);
                python.packages.push(format!("{package}=={version}"));
                described.push((package, item.path()));
            }
        } else if let Some(stem) = name.strip_suffix(".egg-info") {
            let mut parts = stem.split('-');
            if let (Some(package), Some(version)) = (parts.next(), parts.next()) {
                python.packages.push(format!("{}=={version}", normal(package)));
            }
        } else if name.starts_with("__editable__") {
            has_links = true;
        } else if let Some(stem) = name.strip_suffix(".pth") {
            has_links |= !stem.ends_with("nspkg") && !matches!(stem, "distutils-precedence" | "_virtualenv");
        }
    }
    if has_links {
        for (package, path) in described {
            if let Some(place) = editable_place(&path) {
                python.editable.insert(package, place);
            }
        }
    }
}

/// Where a package that is installed as editable is developed.
fn editable_place(path: &Path) -> Option<String> {
    let text = fs::read(path.join("direct_url.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    value.get("dir_info")?.get("editable")?.as_bool().filter(|&editable| editable)?;
    value.get("url")?.as_str()?.strip_prefix("file://").map(str::to_owned)
}

/// A package's name as indexes write it.
fn normal(package: &str) -> String {
    package.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn environment_at(prefix: &Path) {
        write(&prefix.join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.12.1\n");
        write(&prefix.join("bin/python"), "");
        let packages = prefix.join("lib/python3.12/site-packages");
        write(&packages.join("torch-2.11.0+cpu.dist-info/METADATA"), "");
        write(
            &packages.join("My_Tool-0.1.dist-info/direct_url.json"),
            r#"{"url":"file:///src/tool","dir_info":{"editable":true}}"#,
        );
        write(&packages.join("__editable__.my_tool-0.1.pth"), "/src/tool");
        write(&packages.join("old-1.0-py3.12.egg-info/PKG-INFO"), "");
    }

    fn find(argv: &[&str], directory: &Path, variables: &[(&str, &Path)]) -> Option<Python> {
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        python(&argv, directory, directory, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_os_str().to_owned())
        })
    }

    #[test]
    fn packages_are_listed_without_starting_python() {
        let place = tempfile::tempdir().unwrap();
        let prefix = place.path().join("env");
        environment_at(&prefix);
        let found = find(&["env/bin/python", "x.py"], place.path(), &[]).unwrap();
        assert_eq!(found.version.as_deref(), Some("3.12.1"));
        assert_eq!(found.packages, ["my-tool==0.1", "old==1.0", "torch==2.11.0+cpu"]);
        assert_eq!(found.editable["my-tool"], "/src/tool");
        assert_eq!(find(&["python"], place.path(), &[("PATH", &prefix.join("bin"))]), Some(found.clone()));
        assert_eq!(find(&["make"], place.path(), &[("VIRTUAL_ENV", &prefix)]), Some(found));
    }

    #[test]
    fn the_interpreter_that_runs_comes_before_the_environment_that_is_active() {
        let place = tempfile::tempdir().unwrap();
        environment_at(&place.path().join("one"));
        environment_at(&place.path().join("two"));
        let active = place.path().join("two");
        let found = find(&["one/bin/python"], place.path(), &[("VIRTUAL_ENV", &active)]).unwrap();
        assert!(found.prefix.ends_with("/one"));
        write(
            &place.path().join("tool"),
            &format!("#!{}\nimport sys", place.path().join("one/bin/python").display()),
        );
        let found = find(&["./tool"], place.path(), &[("VIRTUAL_ENV", &active)]).unwrap();
        assert!(found.prefix.ends_with("/one"));
    }

    #[test]
    fn a_project_environment_is_found_from_a_folder_inside() {
        let place = tempfile::tempdir().unwrap();
        environment_at(&place.path().join(".venv"));
        let inside = place.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        assert!(python(&["uv".into()], &inside, place.path(), &|_| None).is_some());
        assert!(python(&["uv".into()], place.path(), place.path(), &|_| None).is_some());
    }

    #[test]
    fn a_command_without_python_has_none() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("a.out"), "\x7fELF");
        assert_eq!(find(&["./a.out"], place.path(), &[]), None);
        assert_eq!(find(&[], place.path(), &[]), None);
    }

    #[test]
    fn lock_files_are_hashed_up_to_the_top() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        write(&top.join("uv.lock"), "a");
        write(&top.join("sub/requirements-gpu.txt"), "b");
        write(&top.join("sub/notes.txt"), "c");
        write(&place.path().join("Cargo.lock"), "outside");
        let found = lock_files(&top.join("sub"), &top);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["sub/requirements-gpu.txt", "uv.lock"]);
        assert_eq!(found["uv.lock"], blake3::hash(b"a").to_hex().to_string());
    }
}
