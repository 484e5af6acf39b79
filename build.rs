//! Tells the linker where the harness `git-exp-bench` finds libtorch; does nothing without the feature `torch`.
#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told by its environment, and looks at files"
)]

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by torch-sys, which is there with the feature only.
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        link(Path::new(&libraries));
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
