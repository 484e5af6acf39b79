//! Compiles the C++ half against the libtorch that torch-sys found.

use std::path::Path;

const VERSION: &str = "2.11.0";

fn main() {
    const FILES: [&str; 7] = [
        "build.rs",
        "src/lib.rs",
        "src/package.cc",
        "src/package.h",
        "src/package.rs",
        "src/switches.cc",
        "src/switches.h",
    ];
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let mut build = cxx_build::bridges(["src/lib.rs", "src/package.rs"]);
    // torch-sys says where its libtorch is; under its feature `doc-only`, as lints use it, it says nothing.
    let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    let libtorch = Path::new(&libraries).parent().expect("libraries are in a folder below libtorch");
    let headers = libtorch.join("include");
    check_version(&headers);
    build
        .file("src/switches.cc")
        .file("src/package.cc")
        .include(&headers)
        .include(headers.join("torch/csrc/api/include"))
        .std("c++17")
        .warnings(false)
        .compile("git-exp-torch-switches");
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
