//! Why the harness did not measure what it was asked to.

use git_exp::domain::statistics::EstimateError;
use git_exp::error::Error;
use git_exp::workload::WorkloadError;
use git_exp_torch_switches as switches;
use tch::TchError;

const OUT_OF_MEMORY: &str = "out of memory";

/// Why a workload was not measured.
#[derive(Debug)]
pub enum Failure {
    /// The request is wrong: exit status 2.
    Request(Error),
    /// Measuring failed, or what was computed is wrong: exit status 1.
    Failed(Error),
}

impl Failure {
    /// A wrong request with what to do instead.
    pub fn request(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Request(Error::request(message).hint(hint))
    }

    /// A failure with what to do next.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed(Error::outside(message).hint(hint))
    }

    /// The failure that the text of a C++ exception, or of a panic, tells.
    pub fn of_torch(text: &str) -> Self {
        let said = first_line(text);
        let lower = text.to_lowercase();
        if lower.contains("out of memory")
            || lower.contains("can't allocate memory")
            || lower.contains("not enough memory")
        {
            let error = Error::outside(OUT_OF_MEMORY).because(said);
            return Self::Failed(error.hint("use smaller shapes, or another dtype"));
        }
        // CUDA's and libtorch's words for what is not allowed meanwhile all have this in them.
        if lower.contains("captur") {
            return Self::not_captured(said);
        }
        let error = Error::outside("libtorch cannot compute this").because(said);
        Self::Failed(error.hint("`git exp bench show <workload>` has the shapes and switches that were used"))
    }

    /// A call that no CUDA graph can hold, and why.
    pub fn not_captured(why: impl Into<String>) -> Self {
        let error = Error::outside("this cannot be captured as a CUDA graph").because(why.into());
        Self::Failed(error.hint(
            "--set graph=false; a graph holds no call that waits for the device, reads a number back or copies from the host",
        ))
    }

    /// Whether there was too little memory.
    pub fn is_out_of_memory(&self) -> bool {
        self.error().message == OUT_OF_MEMORY
    }

    /// What is told on standard error.
    pub fn error(&self) -> &Error {
        match self {
            Self::Request(error) | Self::Failed(error) => error,
        }
    }

    /// The exit status that says so.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Request(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

/// The bytes of a file that a workload names; `what` says what it is, as `the text`.
pub fn read_file(what: &str, file: &str) -> Result<Vec<u8>, Failure> {
    let read = || {
        // A device or a pipe would never end.
        if !std::fs::metadata(file)?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        std::fs::read(file)
    };
    read().map_err(|error| {
        let error = Error::request(format!("cannot read {what} `{file}`")).because(error);
        Failure::Request(error.hint("paths are relative to the top of the repository"))
    })
}

/// What a C++ exception says, without where it was thrown.
fn first_line(text: &str) -> String {
    let text = text.trim_start_matches("Internal torch error: ");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // TorchScript tells where in the module it was before it tells what it was.
    let said = match text.contains("in the TorchScript interpreter") {
        true => lines.clone().find_map(|line| line.strip_prefix("RuntimeError: ")).or_else(|| lines.next()),
        false => lines.next(),
    };
    let line = said.unwrap_or("nothing is said about it");
    line.split("Exception raised from").next().unwrap_or(line).trim().to_owned()
}

impl From<TchError> for Failure {
    fn from(error: TchError) -> Self {
        Self::of_torch(&error.to_string())
    }
}

impl From<switches::Exception> for Failure {
    fn from(error: switches::Exception) -> Self {
        Self::of_torch(error.what())
    }
}

impl From<WorkloadError> for Failure {
    fn from(error: WorkloadError) -> Self {
        Self::Request(Error::request(error.to_string()).because(&error.problem))
    }
}

impl From<EstimateError> for Failure {
    fn from(error: EstimateError) -> Self {
        let failed = Error::outside("cannot compare the variants").because(error);
        Self::Failed(failed.hint("measure for longer: --set pass-time=1s"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(Error::outside("cannot write the results").because(error))
    }
}
