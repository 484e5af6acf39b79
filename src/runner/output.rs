//! Captured output: the first and last part of a stream on disk, and the reports in its lines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::RunnerError;
use super::protocol::{INPUT, MAX_LINE, METRIC};
use super::redact::Redactor;

/// One of the two streams that a command writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What is kept of one stream, secrets redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapturedStream {
    /// All of it, or its first part.
    pub head: Vec<u8>,
    /// Its last part, where something between was left out.
    pub tail: Option<Vec<u8>>,
    /// How many bytes the command wrote.
    pub total_bytes: u64,
    /// The BLAKE3 of all of them before redaction, in hex; not known when they were found after a crash and are not all there.
    pub blake3: Option<String>,
}

impl CapturedStream {
    /// Whether everything was kept.
    pub fn is_whole(&self) -> bool {
        self.tail.is_none()
    }

    /// The stored form: what is kept, with a line in the middle that tells what is not.
    pub fn stored(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if let Some(tail) = &self.tail {
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(
                format!(
                    "[git exp: of {} bytes only the first and the last part are kept]\n",
                    self.total_bytes
                )
                .as_bytes(),
            );
            bytes.extend_from_slice(tail);
        }
        bytes
    }

    /// Reads what a [`Recorder`] left in `folder`, finished or not.
    pub(super) fn read(
        folder: &Path,
        stream: Stream,
        max_bytes: u64,
        blake3: Option<String>,
        redactor: &Redactor,
    ) -> Result<Self, RunnerError> {
        let read = |path: PathBuf| match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(RunnerError::Folder { attempt: "read", path, source }),
        };
        let mut head = read(folder.join(stream.name()))?;
        let mut pieces = pieces(folder, stream).map_err(|source| RunnerError::Folder {
            attempt: "list",
            path: folder.to_owned(),
            source,
        })?;
        pieces.sort_unstable_by_key(|(offset, _)| *offset);
        let mut tail = Vec::new();
        let mut tail_start = head.len() as u64;
        for (offset, path) in pieces {
            if tail_start + tail.len() as u64 != offset {
                tail.clear();
                tail_start = offset;
            }
            tail.extend(read(path)?);
        }
        let total_bytes = tail_start + tail.len() as u64;
        let head_length = head.len() as u64;
        // Both pieces together hold more than the last part is to have.
        let keep = usize::try_from(max_bytes - max_bytes / 2).unwrap_or(usize::MAX);
        let is_whole = tail_start == head_length && tail.len() <= keep;
        if is_whole {
            head.append(&mut tail);
            let blake3 = blake3.or_else(|| Some(blake3::hash(&head).to_hex().to_string()));
            let head = redactor.redact_bytes(&head).into_owned();
            return Ok(Self { head, tail: None, total_bytes, blake3 });
        }
        tail.drain(..tail.len().saturating_sub(keep));
        // A secret that is cut in two is not recognised, so what may be half of one goes: each part ends where a line does.
        let head = &head[..last_break(&head)];
        let tail = &tail[first_break(&tail)..];
        Ok(Self {
            head: redactor.redact_bytes(head).into_owned(),
            tail: Some(redactor.redact_bytes(tail).into_owned()),
            total_bytes,
            blake3,
        })
    }
}

/// How much is given up at most to end a part where a line does, and where there are no lines, where a word does.
const MAX_CUT: usize = 16 * 1024;

fn last_break(bytes: &[u8]) -> usize {
    let window = bytes.len().saturating_sub(MAX_CUT);
    let last = |holds: fn(&u8) -> bool| bytes[window..].iter().rposition(holds);
    last(|&byte| byte == b'\n')
        .or_else(|| last(u8::is_ascii_whitespace))
        .map_or_else(|| bytes.len().saturating_sub(MAX_CUT / 4), |at| window + at + 1)
}

fn first_break(bytes: &[u8]) -> usize {
    let window = &bytes[..bytes.len().min(MAX_CUT)];
    let first = |holds: fn(&u8) -> bool| window.iter().position(holds);
    first(|&byte| byte == b'\n')
        .or_else(|| first(u8::is_ascii_whitespace))
        .map_or(bytes.len().min(MAX_CUT / 4), |at| at + 1)
}

/// The pieces of the last part of a stream: offset, then file.
fn pieces(folder: &Path, stream: Stream) -> io::Result<Vec<(u64, PathBuf)>> {
    let start = format!("{}.from-", stream.name());
    let mut pieces = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let offset = item.file_name().to_str().and_then(|name| name.strip_prefix(&start)?.parse().ok());
        if let Some(offset) = offset {
            pieces.push((offset, item.path()));
        }
    }
    Ok(pieces)
}

/// Writes a stream to disk as it comes, and no more of it than its first and last part.
///
/// The last part is two files of half the limit each: when one is full, the older one goes.
/// A file's name says where in the stream it begins, so whoever finds them can put them together.
#[derive(Debug)]
pub(super) struct Recorder {
    folder: PathBuf,
    stream: Stream,
    head_limit: u64,
    piece_limit: u64,
    file: Option<File>,
    /// Where the current file begins in the stream.
    file_start: u64,
    /// The piece before the current one.
    previous: Option<u64>,
    total: u64,
    hasher: blake3::Hasher,
    failure: Option<io::Error>,
}

impl Recorder {
    pub(super) fn new(folder: &Path, stream: Stream, max_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            stream,
            head_limit: max_bytes / 2,
            piece_limit: max_bytes - max_bytes / 2,
            file: None,
            file_start: 0,
            previous: None,
            total: 0,
            hasher: blake3::Hasher::new(),
            failure: None,
        }
    }

    /// Takes the next bytes of the stream; a full disk does not end the run, it ends what is kept of its output.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if self.failure.is_none()
            && let Err(failure) = self.write_to_disk(bytes)
        {
            self.failure = Some(failure);
        }
        self.total += bytes.len() as u64;
    }

    fn write_to_disk(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut at = self.total;
        while !bytes.is_empty() {
            let is_head = at < self.head_limit;
            let limit = if is_head { self.head_limit } else { self.piece_limit.max(1) };
            let is_full = at - self.file_start >= limit;
            if self.file.is_none() || is_full {
                let path = if is_head {
                    self.folder.join(self.stream.name())
                } else {
                    // Everything before the current piece but the one just before it is out of reach now.
                    if let Some(previous) = self.previous.take() {
                        fs::remove_file(self.piece(previous))?;
                    }
                    if self.file_start >= self.head_limit && self.file.is_some() {
                        self.previous = Some(self.file_start);
                    }
                    self.piece(at)
                };
                self.file = Some(File::create(path)?);
                self.file_start = at;
            }
            let room = limit - (at - self.file_start);
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let file = self.file.as_mut().expect("it was opened above");
            file.write_all(&bytes[..take])?;
            bytes = &bytes[take..];
            at += take as u64;
        }
        Ok(())
    }

    fn piece(&self, offset: u64) -> PathBuf {
        self.folder.join(format!("{}.from-{offset}", self.stream.name()))
    }

    /// The hash of everything that came, and why not all was kept, if it was not.
    pub(super) fn finish(self) -> (u64, String, Option<io::Error>) {
        (self.total, self.hasher.finalize().to_hex().to_string(), self.failure)
    }
}

/// Which lines of a stream somebody wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that begin as a report does.
    Reports,
    /// All of them.
    All,
}

/// Cuts a stream into lines, whatever the pieces in which it comes; `\r` ends a line as `\n` does.
///
/// A line that is longer than [`MAX_LINE`] is given out cut to one byte more than that.
#[derive(Debug)]
pub(super) struct Lines {
    wanted: Wanted,
    /// The beginning of a line whose end has not come yet.
    carry: Vec<u8>,
    metric: memchr::memmem::Finder<'static>,
    input: memchr::memmem::Finder<'static>,
}

impl Lines {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            carry: Vec::new(),
            metric: memchr::memmem::Finder::new(METRIC),
            input: memchr::memmem::Finder::new(INPUT),
        }
    }

    /// Calls `line` with each wanted line that ends in `bytes`.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        if !self.carry.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            self.keep(&bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else { return };
            if self.wanted == Wanted::All || is_report(&self.carry) {
                line(&self.carry);
            }
            self.carry.clear();
            bytes = &bytes[end + 1..];
        }
        let whole = memchr::memrchr2(b'\n', b'\r', bytes).map_or(0, |end| end + 1);
        self.keep(&bytes[whole..]);
        let whole = &bytes[..whole];
        match self.wanted {
            Wanted::All => {
                let mut start = 0;
                for end in memchr::memchr2_iter(b'\n', b'\r', whole) {
                    line(&whole[start..end.min(start + MAX_LINE + 1)]);
                    start = end + 1;
                }
            }
            Wanted::Reports => {
                // Reports are rare: look for their first word, and only then for the line around it.
                let mut metric = self.metric.find_iter(whole).peekable();
                let mut input = self.input.find_iter(whole).peekable();
                let mut done = 0;
                loop {
                    let at = match (metric.peek(), input.peek()) {
                        (Some(&a), Some(&b)) if a < b => metric.next(),
                        (_, Some(_)) => input.next(),
                        (Some(_), None) => metric.next(),
                        (None, None) => break,
                    };
                    let at = at.expect("it was peeked at");
                    if at < done {
                        continue;
                    }
                    let blank =
                        whole[done..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                    let start = at - blank;
                    if start > 0 && !matches!(whole[start - 1], b'\n' | b'\r') {
                        continue;
                    }
                    let end = memchr::memchr2(b'\n', b'\r', &whole[at..]).map_or(whole.len(), |end| at + end);
                    line(&whole[start..end.min(start + MAX_LINE + 1)]);
                    done = end;
                }
            }
        }
    }

    /// Calls `line` with the last line if it has no line break and is wanted.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        let carry = std::mem::take(&mut self.carry);
        if !carry.is_empty() && (self.wanted == Wanted::All || is_report(&carry)) {
            line(&carry);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.carry.len());
        self.carry.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn is_report(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(METRIC) || line.starts_with(INPUT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor() -> Redactor {
        Redactor::new([])
    }

    fn on_disk(folder: &Path) -> u64 {
        fs::read_dir(folder).unwrap().map(|item| item.unwrap().metadata().unwrap().len()).sum()
    }

    fn record(pieces: &[&[u8]], max_bytes: u64) -> (CapturedStream, u64) {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path(), Stream::Stdout, max_bytes);
        let mut most = 0;
        for piece in pieces {
            recorder.write(piece);
            most = most.max(on_disk(folder.path()));
        }
        let (total, blake3, failure) = recorder.finish();
        assert!(failure.is_none());
        let captured =
            CapturedStream::read(folder.path(), Stream::Stdout, max_bytes, Some(blake3), &redactor())
                .unwrap();
        assert_eq!(captured.total_bytes, total);
        (captured, most)
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        let (captured, _) = record(&[b"one\n", b"two"], 100);
        assert_eq!(captured.head, b"one\ntwo");
        assert!(captured.is_whole());
        assert_eq!(captured.blake3.unwrap(), blake3::hash(b"one\ntwo").to_hex().to_string());
        assert_eq!(record(&[], 100).0.total_bytes, 0);
    }

    #[test]
    fn of_a_long_stream_the_first_and_last_lines_are_kept() {
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        let pieces: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let (captured, most) = record(&pieces, 200);
        assert!(captured.head.starts_with(b"line 0\n") && captured.head.ends_with(b"\n"));
        let tail = captured.tail.clone().unwrap();
        assert!(tail.starts_with(b"line ") && tail.ends_with(b"line 999\n"));
        assert!(captured.head.len() + tail.len() <= 200);
        assert!(tail.len() > 80);
        assert!(most <= 300, "{most} bytes on disk");
        let stored = String::from_utf8(captured.stored()).unwrap();
        assert!(stored.contains(&format!("[git exp: of {} bytes only", captured.total_bytes)), "{stored}");
    }

    #[test]
    fn a_stream_in_one_piece_is_bounded_as_well() {
        let bytes = vec![b'x'; 100_000];
        let (captured, most) = record(&[&bytes], 1000);
        assert!(most <= 1500);
        assert_eq!(captured.total_bytes, 100_000);
        assert!(captured.head.len() + captured.tail.unwrap().len() <= 1000);
    }

    #[test]
    fn a_secret_at_the_cut_does_not_leave_half_of_itself() {
        let secret = format!("hf{}{}", "_", "abcdefghijklmnopqrstuvwxyzABCDEF");
        for shift in 0..200 {
            let text = format!("{}{}", "y".repeat(shift), format!("key {secret}\n").repeat(60));
            let (captured, _) = record(&[text.as_bytes()], 400);
            let stored = String::from_utf8(captured.stored()).unwrap();
            for part in ["hf_a", "abcdef", "ABCDEF"] {
                assert!(!stored.contains(part), "{shift}: {stored}");
            }
        }
    }

    #[test]
    fn a_stream_found_after_a_crash_is_put_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path(), Stream::Stderr, 40);
        for number in 0..20 {
            recorder.write(format!("line {number}\n").as_bytes());
        }
        drop(recorder);
        let captured = CapturedStream::read(folder.path(), Stream::Stderr, 40, None, &redactor()).unwrap();
        assert_eq!(captured.blake3, None);
        assert_eq!(captured.head, b"line 0\nline 1\n");
        assert!(captured.tail.unwrap().ends_with(b"line 18\nline 19\n"));
    }

    fn cut(pieces: &[&[u8]], wanted: Wanted) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(wanted);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| found.push(line.to_vec()));
        }
        lines.finish(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn reports_are_found_at_the_start_of_lines_only() {
        let found = cut(
            &[b"x METRIC a=1\n  METRIC b=2\nINPUT name=x\r\nxx\rMETRIC c=3 METRIC \nMET", b"RIC d=4"],
            Wanted::Reports,
        );
        assert_eq!(found, [&b"  METRIC b=2"[..], b"INPUT name=x", b"METRIC c=3 METRIC ", b"METRIC d=4"]);
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut lines = Lines::new(Wanted::All);
        let mut found = 0;
        for _ in 0..1000 {
            lines.push(&[b'x'; 1000], |_| found += 1);
        }
        assert!(lines.carry.len() <= MAX_LINE + 1);
        lines.push(b"\n", |line| assert_eq!(line.len(), MAX_LINE + 1));
        assert_eq!(found, 0);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_a_stream_comes(
            text in "([ a-z]{0,3}|METRIC |INPUT |\n|\r){0,30}",
            cuts in proptest::collection::vec(0..100_usize, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            for wanted in [Wanted::All, Wanted::Reports] {
                let all = |pieces: &[&[u8]]| {
                    let mut found = cut(pieces, wanted);
                    found.retain(|line| !line.is_empty());
                    found
                };
                prop_assert_eq!(all(&pieces), all(&[bytes]));
            }
            let reports: Vec<Vec<u8>> = cut(&[bytes], Wanted::All).into_iter().filter(|line| is_report(line)).collect();
            prop_assert_eq!(cut(&[bytes], Wanted::Reports), reports);
        }

        #[test]
        fn what_is_kept_is_what_was_written(
            pieces in proptest::collection::vec("[a-z\n]{0,60}", 0..20),
            max_bytes in 2..200_u64,
        ) {
            let all = pieces.concat().into_bytes();
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let (captured, most) = record(&pieces, max_bytes);
            prop_assert!(most <= max_bytes * 3 / 2 + 2);
            prop_assert!(all.starts_with(&captured.head));
            if let Some(tail) = captured.tail {
                prop_assert!(all.ends_with(&tail));
            } else {
                prop_assert_eq!(captured.head, all);
            }
        }
    }
}
