//! What tch does not bind: global switches of libtorch, peak memory, device events, CUDA graphs, autocast on every
//! device, and packages of AOTInductor.
//!
//! Every function here is safe to call. The other half is C++, in the files `*.cc`. cxx checks both halves against this file and turns C++ exceptions into errors.

mod package;

pub use bridge::*;
pub use cxx::{Exception, UniquePtr};
pub use package::Package;

/// Why no CUDA graph can be captured; `None` where one can.
pub const NO_GRAPHS: Option<&str> = option_env!("GIT_EXP_NO_GRAPHS");

#[cxx::bridge(namespace = "git_exp")]
mod bridge {
    extern "C++" {
        include!("git-exp-torch-switches/src/switches.h");
        include!("git-exp-torch-switches/src/graph.h");
    }

    // SAFETY: each is called with plain values, and libtorch guards its own state.
    unsafe extern "C++" {
        /// Lets only deterministic algorithms run; one that has none is an error.
        fn set_deterministic(is_on: bool) -> Result<()>;
        /// Whether only deterministic algorithms run.
        fn is_deterministic() -> bool;
        /// Lets CUDA round f32 products to TF32.
        fn set_tf32(is_on: bool) -> Result<()>;
        /// Whether CUDA may round f32 products to TF32.
        fn is_tf32() -> bool;
        /// Lets cuDNN try its algorithms and take the fastest.
        fn set_autotune(is_on: bool) -> Result<()>;
        /// Treats denormal numbers as zero in this thread; false where the processor cannot.
        fn set_flush_denormals(is_on: bool) -> Result<bool>;
        /// Which implementations scaled dot-product attention may choose from.
        fn set_attention_backends(flash: bool, efficient: bool, math: bool, cudnn: bool) -> Result<()>;
        /// Begins or ends autocast to bf16 on a kind of device, as `cpu`.
        fn set_autocast(device: &str, is_on: bool) -> Result<()>;
        /// The most that was allocated on an accelerator since the last reset; 0 without one.
        fn peak_memory_bytes(device: i32) -> Result<u64>;
        /// Begins to look for the most that is allocated anew.
        fn reset_peak_memory(device: i32) -> Result<()>;
        /// Waits until an accelerator has done all it was given.
        fn synchronize(device: i32) -> Result<()>;

        /// Two events on the current stream of an accelerator.
        type Stopwatch;
        /// A stopwatch of an accelerator.
        fn new_stopwatch(device: i32) -> Result<UniquePtr<Stopwatch>>;
        /// Records the first event.
        fn begin(self: Pin<&mut Stopwatch>) -> Result<()>;
        /// Records the second event.
        fn end(self: Pin<&mut Stopwatch>) -> Result<()>;
        /// Waits for the second event; the seconds between the two.
        fn seconds(self: &Stopwatch) -> Result<f64>;

        /// What a call launches on a CUDA device, captured once and launched as a whole.
        ///
        /// The calls are made between these, in this order: [`enter`](Self::enter), some to warm up, [`begin`](Self::begin), the one that is
        /// captured, [`end`](Self::end), [`leave`](Self::leave). What it reads must live as long as the graph. One that is dropped on the
        /// way gives up.
        type Graph;
        /// A graph of a CUDA device; an error where [`NO_GRAPHS`] says why.
        fn new_graph(device: i32) -> Result<UniquePtr<Graph>>;
        /// Turns to a stream aside, for no graph is captured on the one that all begin with.
        fn enter(self: Pin<&mut Graph>) -> Result<()>;
        /// Captures from now on.
        fn begin(self: Pin<&mut Graph>) -> Result<()>;
        /// Ends the capture; an error where something was done that cannot be captured.
        fn end(self: Pin<&mut Graph>) -> Result<()>;
        /// Turns back to the stream that was left.
        fn leave(self: Pin<&mut Graph>) -> Result<()>;
        /// Launches what was captured; it need not have ended on return.
        fn replay(self: Pin<&mut Graph>) -> Result<()>;

        /// The version of libtorch that this was built with.
        fn version() -> String;
        /// Whether the libtorch that was loaded is of that version.
        fn is_own_version() -> bool;
        /// The instruction set that libtorch uses on this processor, as `AVX512`.
        fn cpu_capability() -> String;
    }
}
