//! Compiles the C++ half against the libtorch that torch-sys found.

use std::path::{Path, PathBuf};

const VERSION: &str = "2.11.0";
/// What says where CUDA is installed.
const CUDA_FOLDERS: [&str; 2] = ["CUDA_HOME", "CUDA_PATH"];

fn main() {
    const FILES: [&str; 10] = [
        "build.rs",
        "src/graph.cc",
        "src/graph.h",
        "src/lib.rs",
        "src/no_graph.cc",
        "src/package.cc",
        "src/package.h",
        "src/package.rs",
        "src/switches.cc",
        "src/switches.h",
    ];
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    for variable in CUDA_FOLDERS {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let mut build = cxx_build::bridges(["src/lib.rs", "src/package.rs"]);
    // torch-sys says where its libtorch is; under its feature `doc-only`, as lints use it, it says nothing.
    let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    let libtorch = Path::new(&libraries).parent().expect("libraries are in a folder below libtorch");
    let headers = libtorch.join("include");
    check_version(&headers);
    match cuda_headers(libtorch) {
        Ok(folders) => {
            build.file("src/graph.cc").includes(folders);
        }
        Err(missing) => {
            println!("cargo::rustc-env=GIT_EXP_NO_GRAPHS={missing}");
            build.file("src/no_graph.cc");
        }
    }
    build
        .file("src/switches.cc")
        .file("src/package.cc")
        .include(&headers)
        .include(headers.join("torch/csrc/api/include"))
        .std("c++17")
        .warnings(false)
        .compile("git-exp-torch-switches");
}

/// The folders with the headers of CUDA; what is missing to capture graphs, if something is.
fn cuda_headers(libtorch: &Path) -> Result<Vec<PathBuf>, &'static str> {
    if !libtorch.join("lib/libtorch_cuda.so").exists() {
        return Err("the libtorch it was built with has no CUDA");
    }
    let named =
        CUDA_FOLDERS.iter().filter_map(std::env::var_os).map(|folder| PathBuf::from(folder).join("include"));
    // Wheels lie beside that of PyTorch. That of the runtime lacks the headers of the compiler, which Triton brings.
    let real = libtorch.canonicalize().unwrap_or_else(|_| libtorch.to_path_buf());
    let wheels = ["nvidia/cu13/include", "triton/backends/nvidia/include"].map(|it| real.join("..").join(it));
    let folders: Vec<PathBuf> = named.chain(wheels).chain(["/usr/local/cuda/include".into()]).collect();
    let first = |header: &str| folders.iter().find(|folder| folder.join(header).is_file()).cloned();
    let found: Option<Vec<PathBuf>> =
        ["cuda_runtime_api.h", "crt/host_config.h"].into_iter().map(first).collect();
    found.ok_or("the headers of CUDA were not found when it was built")
}

fn check_version(headers: &Path) {
    let file = headers.join("torch/headeronly/version.h");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let parts = ["MAJOR", "MINOR", "PATCH"].into_iter().zip(VERSION.split('.'));
    let is_right = |(part, number)| text.contains(&format!("#define TORCH_VERSION_{part} {number}\n"));
    if !parts.map(is_right).all(|it| it) {
        println!(
            "cargo::error=the harness needs libtorch {VERSION}, which is not in `{}`",
            headers.display()
        );
        println!("cargo::error=hint: unset LIBTORCH, and run `make libtorch`");
    }
}
