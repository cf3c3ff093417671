//! Standard input, read without losing signals over it.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use crate::signals;
use crate::spool::{SpoolError, spool};

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

/// Everything that standard input gives, and how many bytes that is, for regions of format 1: these have to
/// know.
pub fn with_length(input: impl Read) -> Result<(File, u64), Failure> {
    spool(input).map_err(|error| match error {
        SpoolError::Read(error) => failure(&error),
        SpoolError::Keep(_) => Failure::Failed(format!("standard input: {error}")),
    })
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

/// The most bytes that are kept to be read again.
const KEPT: usize = 1 << 20;

/// Standard input that can be read from its beginning again, where it is not long.
///
/// # Invariants
/// What is kept are the first bytes; there were more where `is_cut`.
#[derive(Clone)]
pub struct Replay {
    kept: Arc<Mutex<Kept>>,
    /// Beside the lock, which whoever waits for input holds.
    is_cut: Arc<AtomicBool>,
}

struct Kept {
    input: Input,
    bytes: Vec<u8>,
}

impl Replay {
    pub fn new(input: Input) -> Self {
        Self {
            kept: Arc::new(Mutex::new(Kept {
                input,
                bytes: Vec::new(),
            })),
            is_cut: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Whether it can be read from its beginning again.
    pub fn is_whole(&self) -> bool {
        // Relaxed: nothing else is read because of it.
        !self.is_cut.load(Ordering::Relaxed)
    }

    /// A reader from its beginning on. A reader from before may still wait for more: it gives what it gets
    /// to this one, too.
    pub fn reader(&self) -> ReplayReader {
        ReplayReader {
            replay: self.clone(),
            at: 0,
        }
    }
}

/// See [`Replay::reader`].
pub struct ReplayReader {
    replay: Replay,
    at: usize,
}

impl Read for ReplayReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let kept = self.replay.kept.lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        let again = kept.bytes.get(self.at..).unwrap_or_default();
        let read = if again.is_empty() {
            let read = kept.input.read(buffer)?;
            if !self.replay.is_whole() || kept.bytes.len() + read > KEPT {
                // Relaxed: see `is_whole`; under the lock here.
                self.replay.is_cut.store(true, Ordering::Relaxed);
            } else {
                let new = buffer.get(..read).unwrap_or_default();
                kept.bytes.extend_from_slice(new);
            }
            read
        } else {
            let mut again = again;
            again.read(buffer)?
        };
        self.at += read;
        Ok(read)
    }
}
