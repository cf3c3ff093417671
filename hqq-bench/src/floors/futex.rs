//! The least that two threads can do which sleep until the other one wakes them.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex::{self, Flags};
use rustix::time::Timespec;

use crate::error::BenchError;
use crate::measure::{Measure, Part, Place};
use crate::memory::{Lines, low_half};
use crate::patience::Patience;

/// Where the second word is.
const FAR: usize = 4;
/// Sleeps end now and then, to see whether the other process lives.
const SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Round trips over two words, with a system call for each sleep and each wake-up.
pub(crate) struct FutexRoundTrip {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) place: Place,
}

impl FutexRoundTrip {
    fn part(lines: Lines, first: bool) -> Box<dyn Part> {
        let [there, back] = [0, FAR].map(|line| low_half(&lines[line].0[0]));
        Box::new(FutexPart {
            there,
            back,
            first,
            count: 0,
        })
    }
}

impl Measure for FutexRoundTrip {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(FAR + 1)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Self::part(lines, true))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Self::part(lines, false))
    }

    fn place(&self) -> Place {
        self.place
    }
}

/// One process's part. Both count the same round trips.
struct FutexPart {
    there: &'static AtomicU32,
    back: &'static AtomicU32,
    first: bool,
    count: u32,
}

impl FutexPart {
    fn wake(&self, word: &AtomicU32) -> Result<(), BenchError> {
        // Pairs with the Acquire in `sleep`.
        word.store(self.count, Ordering::Release);
        futex::wake(word, Flags::empty(), 1).map_err(|error| BenchError::System(error.into()))?;
        Ok(())
    }

    fn sleep(&self, word: &AtomicU32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut since = None;
        // Pairs with the Release in `wake`.
        while word.load(Ordering::Acquire) != self.count {
            let before = self.count.wrapping_sub(1);
            match futex::wait(word, Flags::empty(), before, Some(&SLICE)) {
                Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::TIMEDOUT) => patience.pause(&mut since)?,
                Err(error) => return Err(BenchError::System(error.into())),
            }
        }
        Ok(())
    }
}

impl Part for FutexPart {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.count = self.count.wrapping_add(1);
            if self.first {
                self.wake(self.there)?;
                self.sleep(self.back, patience)?;
            } else {
                self.sleep(self.there, patience)?;
                self.wake(self.back)?;
            }
        }
        Ok(())
    }
}
