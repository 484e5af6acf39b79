//! Compiles and links what the harness `git-exp-bench` needs of libtorch; does nothing without the feature `torch`.
#![allow(clippy::disallowed_methods, reason = "a build script is told by its environment, and looks at files")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    libtorch::build();
}

#[cfg(feature = "torch")]
mod libtorch {
    use std::path::{Path, PathBuf};

    const SOURCE: &str = "src/bin/git-exp-bench";
    const VERSION: &str = "2.11.0";

    pub fn build() {
        for file in ["switches.rs", "switches.cc", "switches.h"] {
            println!("cargo::rerun-if-changed={SOURCE}/{file}");
        }
        let mut build = cxx_build::bridge(format!("{SOURCE}/switches.rs"));
        // torch-sys says where its libtorch is; under `tch/doc-only`, as lints use it, it says nothing.
        let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
        let libraries = Path::new(&libraries);
        let headers = libraries.parent().expect("libraries are in a folder below libtorch").join("include");
        check_version(&headers);
        build
            .file(format!("{SOURCE}/switches.cc"))
            .include(&headers)
            .include(headers.join("torch/csrc/api/include"))
            .std("c++17")
            .warnings(false)
            .compile("git-exp-bench-switches");
        link(libraries);
    }

    fn check_version(headers: &Path) {
        let file = headers.join("torch/headeronly/version.h");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let parts = ["MAJOR", "MINOR", "PATCH"].into_iter().zip(VERSION.split('.'));
        let is_right = |(part, number)| text.contains(&format!("#define TORCH_VERSION_{part} {number}\n"));
        if !parts.map(is_right).all(|it| it) {
            println!("cargo::error=the harness needs libtorch {VERSION}, which is not in `{}`", headers.display());
            println!("cargo::error=hint: unset LIBTORCH, and run `make libtorch`");
        }
    }

    /// For the harness alone: the plain form of these would link libtorch into `git-exp` too.
    fn link(libraries: &Path) {
        let argument = |text: &str| println!("cargo::rustc-link-arg-bin=git-exp-bench={text}");
        let real: PathBuf = libraries.canonicalize().unwrap_or_else(|_| libraries.to_path_buf());
        if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
            argument(&format!("-Wl,-rpath,{}", real.display()));
            return;
        }
        argument(&format!("-Wl,--disable-new-dtags,-rpath,{}", real.display()));
        if real.join("libtorch_cuda.so").exists() {
            // Nothing names a symbol of it, so the linker would drop it, and CUDA would seem to be absent.
            argument("-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
        }
    }
}
