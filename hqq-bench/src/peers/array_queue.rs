//! `crossbeam_queue::ArrayQueue`: bounded, many producers and consumers.
//!
//! There is nothing to set: "This queue allocates a fixed-capacity buffer on construction, which is used
//! to store pushed elements." A full or empty queue is looked at again after a spin hint.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::DEPTH;
use super::in_process::{Item, check, item};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::threads::{self, Crowd, Get, Put};
use crate::work::{Sink, Source};

/// One end.
pub(crate) struct End<const W: usize> {
    measure: &'static str,
    queue: Arc<ArrayQueue<Item<W>>>,
}

/// Both ends.
pub(crate) fn make<const W: usize>(measure: &'static str) -> (End<W>, End<W>) {
    let queue = Arc::new(ArrayQueue::new(DEPTH));
    let end = |queue| End { measure, queue };
    (end(Arc::clone(&queue)), end(queue))
}

impl<const W: usize> Source for End<W> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut item = item(number);
        patience.until(Hint::SpinLoop, || {
            self.queue.push(item).map_err(|back| item = back).ok()
        })
    }
}

impl<const W: usize> Sink for End<W> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.queue.pop())?;
        check(self.measure, &item, number)
    }
}

/// The queue of many threads, which yield when there is no room or nothing to take: there are more of
/// them than cores.
pub(crate) struct Many(Arc<ArrayQueue<threads::Item>>);

impl Many {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "as others are made, which may fail"
    )]
    pub(crate) fn new() -> Result<Self, BenchError> {
        Ok(Self(Arc::new(ArrayQueue::new(DEPTH))))
    }
}

/// One thread's end.
pub(crate) struct One(Arc<ArrayQueue<threads::Item>>);

impl Crowd for Many {
    type Put = One;
    type Get = One;

    fn put(&self) -> One {
        One(Arc::clone(&self.0))
    }

    fn get(&self) -> One {
        One(Arc::clone(&self.0))
    }
}

impl Put for One {
    #[inline]
    fn put(&mut self, item: &threads::Item) -> Result<(), BenchError> {
        while self.0.push(*item).is_err() {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Get for One {
    #[inline]
    fn get(&mut self) -> Result<threads::Item, BenchError> {
        loop {
            if let Some(item) = self.0.pop() {
                return Ok(item);
            }
            std::thread::yield_now();
        }
    }
}
