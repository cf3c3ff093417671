//! The least that copying a large message through shared memory takes: one core copies into buffers, the
//! other out of them, with a flag for each.
#![allow(unsafe_code, reason = "copies to and from the buffers")]

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bulk::{self, BULK};
use crate::error::BenchError;
use crate::measure::{Measure, Part, named};
use crate::memory::{LINE, Lines, words};
use crate::patience::{Hint, Patience};

/// Lines from one flag to the next: cores fetch lines in pairs.
const APART: usize = 2;

/// Copies of a large message through `count` buffers of `size` bytes.
pub(crate) struct Pipeline {
    id: &'static str,
    name: &'static str,
    count: usize,
    /// A multiple of a line.
    size: usize,
    /// Each message is copied to memory of its own, which the system has to clear first.
    fresh: bool,
}

impl Pipeline {
    pub(crate) fn new(count: usize, size: usize) -> Self {
        let kib = size / 1024;
        Self {
            id: named(format!("pipeline-{count}x{kib}k")),
            name: named(format!("bare copies of 64 MiB, {count} x {kib} KiB")),
            count,
            size,
            fresh: false,
        }
    }

    /// To fresh memory.
    pub(crate) fn to_fresh(count: usize, size: usize) -> Self {
        let kib = size / 1024;
        Self {
            id: named(format!("pipeline-fresh-{count}x{kib}k")),
            name: named(format!(
                "the same to fresh memory each time, {count} x {kib} KiB"
            )),
            fresh: true,
            ..Self::new(count, size)
        }
    }

    fn part(&self, lines: Lines, first: bool) -> Box<dyn Part> {
        let flags = (0..self.count).map(|index| &lines[index * APART].0[0]);
        Box::new(PipelinePart {
            flags: flags.collect(),
            buffers: Buffers {
                words: words(&lines[self.count * APART..]),
                size: self.size,
            },
            measure: self.id,
            first,
            fresh: self.fresh,
            number: 0,
        })
    }
}

impl Measure for Pipeline {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(self.count * (APART + self.size / LINE))
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(self.part(lines, true))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(self.part(lines, false))
    }

    fn most(&self) -> u32 {
        // It takes longer than a turn should.
        1
    }
}

/// # Invariants
/// There are `size` bytes of `words` for each flag.
struct Buffers {
    words: &'static [AtomicU64],
    size: usize,
}

impl Buffers {
    /// The start of a buffer; `len` is at most the buffers' size.
    fn at(&self, index: usize) -> *mut u8 {
        let words = self.size / size_of::<u64>();
        self.words[index * words..][..words]
            .as_ptr()
            .cast_mut()
            .cast()
    }

    fn copy_in(&self, index: usize, bytes: &[u8]) {
        let to = self.at(index);
        let len = bytes.len().min(self.size);
        // SAFETY: as many bytes are there; the words are atomics, which may be written, and while its
        // flag is down nobody else uses the buffer.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), len) };
    }

    fn copy_out(&self, index: usize, bytes: &mut [u8]) {
        let from = self.at(index);
        let len = bytes.len().min(self.size);
        // SAFETY: as many bytes are there; while its flag is up nobody writes the buffer.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
    }
}

struct PipelinePart {
    flags: Vec<&'static AtomicU64>,
    buffers: Buffers,
    measure: &'static str,
    first: bool,
    fresh: bool,
    number: u64,
}

impl PipelinePart {
    fn copy(&self, bytes: &mut [u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let up = u64::from(!self.first);
        for (chunk, range) in chunks(self.buffers.size).enumerate() {
            let index = chunk % self.flags.len();
            let flag = self.flags[index];
            patience.until(Hint::SpinLoop, || {
                // Pairs with the Release of the other process below.
                (flag.load(Ordering::Acquire) == up).then_some(())
            })?;
            if self.first {
                self.buffers.copy_in(index, &bytes[range]);
            } else {
                self.buffers.copy_out(index, &mut bytes[range]);
            }
            // Pairs with the Acquire of the other process above.
            flag.store(1 - up, Ordering::Release);
        }
        Ok(())
    }
}

fn chunks(size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..BULK)
        .step_by(size)
        .map(move |at| at..(at + size).min(BULK))
}

impl Part for PipelinePart {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut bytes = bulk::memory();
        for _ in 0..operations {
            self.number += 1;
            if self.first {
                bulk::write(&mut bytes, self.number);
                self.copy(&mut bytes, patience)?;
            } else if self.fresh {
                let mut bytes = vec![0; BULK];
                self.copy(&mut bytes, patience)?;
                bulk::check(self.measure, &bytes, self.number)?;
            } else {
                self.copy(&mut bytes, patience)?;
                bulk::check(self.measure, &bytes, self.number)?;
            }
        }
        Ok(())
    }
}
