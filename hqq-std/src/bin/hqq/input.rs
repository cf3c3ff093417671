//! Standard input, read without losing signals over it.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use crate::signals;

/// Standard input. A read waits until there is something, or a signal asks to stop.
pub struct Input {
    file: File,
}

impl Input {
    /// The standard input of this process.
    pub fn new() -> Result<Self, Failure> {
        let file = stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| failure(&error))?;
        Ok(Self { file: file.into() })
    }

    /// What is read.
    pub const fn file(&self) -> &File {
        &self.file
    }
}

/// Why reading ended: a signal, or this error.
pub fn failure(error: &io::Error) -> Failure {
    match signals::check() {
        Err(signal) => signal,
        Ok(()) => Failure::Failed(format!("cannot read standard input: {error}")),
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const SLICE: Duration = signals::SLICE;
        let slice = Timespec {
            tv_sec: 0,
            tv_nsec: SLICE.subsec_nanos().into(),
        };
        loop {
            if signals::check().is_err() {
                return Err(io::Error::other("stopped by a signal"));
            }
            // A signal interrupts it; that is looked at next.
            let mut watched = [PollFd::new(&self.file, PollFlags::IN)];
            if matches!(poll(&mut watched, Some(&slice)), Ok(1..)) {
                return self.file.read(buffer);
            }
        }
    }
}
