//! Reports on their way to the collector: from lines of output (kept on disk as they come) and from the metrics file.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::collect::Collector;
use super::error::RunnerError;
use super::metrics_file;
use super::output::{Lines, Wanted};
use super::pattern::{self, Patterns};
use super::protocol::{self, Report};
use crate::domain::metric::Point;

/// How much is kept on disk of reports that stood in the output.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Writes reports to disk before they count, so that they can be read again by whoever finds them.
///
/// A line of the file is the time in seconds, a tab and the reported line; or the time, a tab, `=`, the metric, a tab and
/// what its pattern found.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
    failure: Option<io::Error>,
}

impl Journal {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, failure: None }
    }

    /// Takes a line of output: whatever it reports goes to disk and to the collector.
    pub(super) fn line(&mut self, line: &[u8], seconds: f64, patterns: &Patterns, collector: &mut Collector) {
        if let Some(report) = protocol::parse(line) {
            self.write(seconds, &[line]);
            collector.take(line, report, known(seconds));
        }
        if !patterns.is_empty() {
            patterns.search(line, |metric, value| {
                self.write(seconds, &[b"=", metric.as_bytes(), b"\t", value]);
                collector.take(line, found(metric, value), known(seconds));
            });
        }
    }

    fn write(&mut self, seconds: f64, parts: &[&[u8]]) {
        if self.failure.is_some() || self.written > MAX_BYTES {
            return;
        }
        let outcome = self.write_to_disk(seconds, parts);
        self.failure = outcome.err();
    }

    fn write_to_disk(&mut self, seconds: f64, parts: &[&[u8]]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::with_capacity(64 * 1024, File::create(&self.path)?)),
        };
        write!(file, "{seconds:.3}\t")?;
        for part in parts {
            file.write_all(part)?;
            self.written += part.len() as u64;
        }
        self.written += 8;
        file.write_all(b"\n")
    }

    /// Hands what was written to the system, where it outlives this process.
    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(failure) = file.flush()
        {
            self.failure.get_or_insert(failure);
        }
    }

    /// What went wrong, if anything did.
    pub(super) fn remark(&mut self) -> Option<String> {
        self.flush();
        let failure = self.failure.take()?;
        Some(format!("reports could not be kept on disk while the command ran: {failure}"))
    }
}

fn known(seconds: f64) -> Option<f64> {
    Some(seconds).filter(|seconds| seconds.is_finite())
}

/// What a metric's pattern found, as a report.
fn found(metric: &str, value: &[u8]) -> Result<Report, String> {
    pattern::read(metric, value).map(|value| {
        Report::Point(Point {
            name: metric.to_owned(),
            value,
            unit: None,
            better: None,
            step: None,
            case: None,
            seconds: None,
        })
    })
}

/// Reads a journal into the collector; a last line without its end was being written when everything stopped, and is not believed.
pub(super) fn replay(path: &Path, collector: &mut Collector) -> Result<(), RunnerError> {
    let failed = |source| RunnerError::Folder { attempt: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        // Damage may have taken every line break from here on.
        let limit = protocol::MAX_LINE as u64 * 2;
        reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Ok(());
        };
        let Some(tab) = memchr::memchr(b'\t', whole) else { continue };
        let Some(seconds) = std::str::from_utf8(&whole[..tab]).ok().and_then(protocol::parse_number) else {
            continue;
        };
        let rest = &whole[tab + 1..];
        if let Some(rest) = rest.strip_prefix(b"=") {
            let Some(tab) = memchr::memchr(b'\t', rest) else { continue };
            let metric = String::from_utf8_lossy(&rest[..tab]);
            collector.take(rest, found(&metric, &rest[tab + 1..]), known(seconds));
        } else if let Some(report) = protocol::parse(rest) {
            collector.take(rest, report, known(seconds));
        }
    }
}

/// How a file that somebody else was writing ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its writer was done: a last line without a line break is a line.
    Clean,
    /// Its writer was cut off: a last line that cannot be read is no mistake.
    Torn,
}

/// The file that the command writes its metrics to, read as it grows.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    offset: u64,
    lines: Lines,
    was_rewritten: bool,
    failure: Option<io::Error>,
    buffer: Vec<u8>,
}

impl MetricsFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            lines: Lines::new(Wanted::All),
            was_rewritten: false,
            failure: None,
            buffer: Vec::new(),
        }
    }

    /// Reads what was appended since the last time, about `limit` bytes at most.
    pub(super) fn read(&mut self, limit: usize, seconds: f64, collector: &mut Collector) {
        if let Err(failure) = self.read_from_disk(limit, seconds, collector) {
            self.failure = Some(failure);
        }
    }

    fn read_from_disk(&mut self, limit: usize, seconds: f64, collector: &mut Collector) -> io::Result<()> {
        let found = match fs::metadata(&self.path) {
            // Opening a pipe would wait for whoever writes to it.
            Ok(found) if found.is_file() => found,
            Ok(_) => return Err(io::Error::other("it is not a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if found.len() < self.offset {
            // What was read counts; what is there now is new.
            self.was_rewritten = true;
            self.offset = 0;
            self.lines = Lines::new(Wanted::All);
        }
        if found.len() == self.offset {
            return Ok(());
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        self.buffer.resize(256 * 1024, 0);
        let mut read = 0;
        while read < limit {
            let length = match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            read += length;
            self.offset += length as u64;
            self.lines.push(&self.buffer[..length], |line| take_row(line, seconds, Ending::Clean, collector));
        }
        Ok(())
    }

    /// Takes a last line that has no line break.
    pub(super) fn finish(&mut self, seconds: f64, ending: Ending, collector: &mut Collector) {
        self.lines.finish(|line| take_row(line, seconds, ending, collector));
    }

    /// What is worth telling of the file, if anything is.
    pub(super) fn remark(&mut self) -> Option<String> {
        if let Some(failure) = self.failure.take() {
            return Some(format!("the metrics file could not be read to its end: {failure}"));
        }
        self.was_rewritten.then(|| {
            "the metrics file was cut and written again; what stood in it before counts as well".to_owned()
        })
    }
}

fn take_row(line: &[u8], seconds: f64, ending: Ending, collector: &mut Collector) {
    let row = if line.len() > protocol::MAX_LINE {
        let mistake = Some(format!("it is longer than {} bytes", protocol::MAX_LINE));
        metrics_file::Row { points: Vec::new(), mistake }
    } else {
        metrics_file::parse(line)
    };
    if let Some(mistake) = row.mistake
        && ending == Ending::Clean
    {
        let start: Cow<'_, [u8]> = Cow::Borrowed(&line[..line.len().min(400)]);
        collector.mistake(&start, &mistake);
    }
    for point in row.points {
        collector.point(Point { seconds: known(seconds), ..point });
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is read must be what was written, to the bit")]
mod tests {
    use super::*;
    use crate::runner::collect::Collected;
    use crate::runner::redact::Redactor;

    fn finish(collector: Collector) -> Collected {
        collector.finish(&Redactor::new([]))
    }

    #[test]
    fn a_journal_is_read_back_up_to_where_it_is_torn() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("points");
        let patterns = Patterns::new([("bpb", r"bpb: (\S+)")]).unwrap();
        let mut live = Collector::new(100);
        let mut journal = Journal::new(path.clone());
        for line in [
            "METRIC loss=0.5 step=1",
            "bpb: 0.99",
            "bpb: none",
            "METRIC loss=x",
            "INPUT name=x shape=8",
            "plain",
        ] {
            journal.line(line.as_bytes(), 1.25, &patterns, &mut live);
        }
        assert_eq!(journal.remark(), None);
        let whole = fs::read(&path).unwrap();
        let mut again = Collector::new(100);
        replay(&path, &mut again).unwrap();
        let (live, again) = (finish(live), finish(again));
        assert_eq!(live.series_bytes(), again.series_bytes());
        assert_eq!(live.inputs, again.inputs);
        assert_eq!(live.malformed.count, again.malformed.count);
        assert_eq!(live.malformed.count, 2);
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut torn = Collector::new(100);
            replay(&path, &mut torn).unwrap();
            let torn = finish(torn);
            let lines = memchr::memchr_iter(b'\n', &whole[..cut]).count();
            assert_eq!(
                torn.series.len() as u64 + torn.malformed.count + torn.inputs.len() as u64,
                lines as u64
            );
        }
        let mut damaged = whole;
        damaged.iter_mut().step_by(3).for_each(|byte| *byte = 0);
        fs::write(&path, damaged).unwrap();
        replay(&path, &mut Collector::new(100)).unwrap();
    }

    #[test]
    fn a_metrics_file_is_read_as_it_grows() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        let mut metrics = MetricsFile::new(path.clone());
        let mut collector = Collector::new(100);
        metrics.read(1000, 1.0, &mut collector);
        fs::write(&path, "{\"loss\":1}\n{\"lo").unwrap();
        metrics.read(1000, 2.0, &mut collector);
        fs::write(&path, "{\"loss\":1}\n{\"loss\":2}\n{\"loss\":3}").unwrap();
        metrics.read(1000, 3.0, &mut collector);
        assert_eq!(collector.last("loss", None), Some(2.0));
        metrics.finish(4.0, Ending::Torn, &mut collector);
        let series = &finish(collector).series[&("loss".to_owned(), None)];
        assert_eq!(series.values, [1.0, 2.0, 3.0]);
        assert_eq!(series.seconds, [2.0, 3.0, 4.0]);
        assert_eq!(metrics.remark(), None);
    }

    #[test]
    fn a_torn_last_line_is_no_mistake_and_a_whole_one_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        fs::write(&path, "{\"loss\":1}\n{\"loss\":0.").unwrap();
        for (ending, mistakes) in [(Ending::Torn, 0), (Ending::Clean, 1)] {
            let mut metrics = MetricsFile::new(path.clone());
            let mut collector = Collector::new(100);
            metrics.read(usize::MAX, 1.0, &mut collector);
            metrics.finish(1.0, ending, &mut collector);
            assert_eq!(finish(collector).malformed.count, mistakes);
        }
    }

    #[test]
    fn a_metrics_file_that_is_written_anew_loses_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        let mut metrics = MetricsFile::new(path.clone());
        let mut collector = Collector::new(100);
        fs::write(&path, "{\"loss\":1}\n{\"loss\":2}\n").unwrap();
        metrics.read(1000, 1.0, &mut collector);
        fs::write(&path, "{\"loss\":3}\n").unwrap();
        metrics.read(1000, 2.0, &mut collector);
        assert!(metrics.remark().is_some());
        assert_eq!(finish(collector).series[&("loss".to_owned(), None)].values, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_pipe_in_the_place_of_the_metrics_file_holds_nothing_up() {
        let place = tempfile::tempdir().unwrap();
        let mut metrics = MetricsFile::new(place.path().to_owned());
        metrics.read(1000, 1.0, &mut Collector::new(100));
        assert!(metrics.remark().unwrap().contains("not a file"));
    }
}
