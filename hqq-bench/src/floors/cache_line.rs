//! The least that two cores can do: pass a cache line to and fro.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::BenchError;
use crate::memory::Lines;
use crate::patience::{Hint, Patience};
use crate::runner::{Measure, Part};

/// Where the second line is: not next to the first one, as cores fetch lines in pairs.
const FAR: usize = 4;

/// Round trips over bare words.
pub(crate) struct CacheLineRoundTrip {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// 1: both directions share a line. 2: each has its own.
    pub(crate) lines: usize,
    pub(crate) hint: Hint,
}

impl CacheLineRoundTrip {
    fn part(&self, lines: Lines, first: bool) -> Box<dyn Part> {
        let there = &lines[0].0[0];
        // In one line the answer has a word of its own, as what moves is the line.
        let back = if self.lines == 1 {
            &lines[0].0[1]
        } else {
            &lines[FAR].0[0]
        };
        Box::new(CacheLinePart {
            there,
            back,
            first,
            hint: self.hint,
            count: 0,
        })
    }
}

impl Measure for CacheLineRoundTrip {
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
        Ok(self.part(lines, true))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(self.part(lines, false))
    }
}

/// One process's part. Both count the same round trips.
struct CacheLinePart {
    there: &'static AtomicU64,
    back: &'static AtomicU64,
    first: bool,
    hint: Hint,
    count: u64,
}

impl CacheLinePart {
    fn await_count(&self, word: &AtomicU64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        // Acquire: pairs with the Release of the other process, as the link's stamps do.
        patience.until(self.hint, || {
            (word.load(Ordering::Acquire) == self.count).then_some(())
        })
    }
}

impl Part for CacheLinePart {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.count += 1;
            if self.first {
                // Release: pairs with the Acquire of the second process below.
                self.there.store(self.count, Ordering::Release);
                self.await_count(self.back, patience)?;
            } else {
                self.await_count(self.there, patience)?;
                // Release: pairs with the Acquire of the first process above.
                self.back.store(self.count, Ordering::Release);
            }
        }
        Ok(())
    }
}
