//! The machine as a thing that one measurement at a time may have to itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file that is locked, in the folder that all users of the machine share.
const FILE: &str = "git-exp-accelerator.lock";

/// Holds the machine's accelerators until it is dropped, against everybody else who asks for them in this way.
#[derive(Debug)]
pub struct MachineLock {
    _file: File,
}

impl MachineLock {
    /// Takes the lock if nobody has it; `None` where somebody does.
    pub fn try_take() -> io::Result<Option<Self>> {
        Self::try_take_at(&std::env::temp_dir().join(FILE))
    }

    fn try_take_at(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether somebody measures just now.
    pub fn is_taken() -> bool {
        let path: PathBuf = std::env::temp_dir().join(FILE);
        File::open(path)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
    }
}

/// Opens the file, whoever made it; a file of another user can be read, which is enough to lock it.
fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = OpenOptions::new().write(true).create_new(true).open(path);
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path),
                made => made,
            }
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let held = MachineLock::try_take_at(&path).unwrap();
        assert!(held.is_some());
        assert!(MachineLock::try_take_at(&path).unwrap().is_none());
        drop(held);
        assert!(MachineLock::try_take_at(&path).unwrap().is_some());
    }
}
