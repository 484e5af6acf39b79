//! Passing a command's output through, byte for byte, without ever waiting for whoever reads it.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio;

use super::output::Stream;

/// What a pipe that can be written to takes without waiting.
const PIECE: usize = 4096;

/// The way of one stream to our own.
#[derive(Debug)]
pub(super) struct Passing {
    to: Option<Stream>,
    pending: Vec<u8>,
    done: usize,
    /// Whether it ends in a file, which takes anything at once.
    is_file: bool,
}

impl Passing {
    /// Passes to one of our own streams, or nowhere.
    pub(super) fn new(to: Option<Stream>) -> Self {
        let mut passing = Self { to, pending: Vec::new(), done: 0, is_file: false };
        passing.is_file =
            passing.descriptor().and_then(|target| rustix::fs::fstat(target).ok()).is_some_and(|found| {
                rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::RegularFile
            });
        passing
    }

    /// Takes bytes to pass on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.to.is_some() {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// How many bytes wait to be passed on.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len() - self.done
    }

    /// Where bytes wait to be written to, if any do.
    pub(super) fn target(&self) -> Option<BorrowedFd<'static>> {
        self.descriptor().filter(|_| self.waiting() > 0)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'static>> {
        Some(match self.to? {
            Stream::Stdout => stdio::stdout(),
            Stream::Stderr => stdio::stderr(),
        })
    }

    /// Writes what can be written at once.
    pub(super) fn flush(&mut self) {
        while let Some(target) = self.target() {
            if !is_writable(target) {
                return;
            }
            let piece = &self.pending[self.done..];
            let length = if self.is_file { piece.len() } else { piece.len().min(PIECE) };
            match rustix::io::write(target, &piece[..length]) {
                Ok(written) => self.done += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads any more (`| head`): the run goes on and is recorded all the same.
                Err(_) => {
                    self.to = None;
                    self.done = self.pending.len();
                }
            }
        }
        self.pending.clear();
        self.done = 0;
    }
}

fn is_writable(target: BorrowedFd<'_>) -> bool {
    let mut entry = [PollFd::from_borrowed_fd(target, PollFlags::OUT)];
    // Where a terminal cannot be polled, writing will tell.
    poll(&mut entry, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}
