//! `crossbeam_queue::ArrayQueue`: bounded, many producers and consumers.
//!
//! "This queue allocates a fixed-capacity buffer on construction, which is used to store pushed elements":
//! there is nothing to set but the capacity. What to do with a full or empty queue is left to the user; two ways compete:
//! a spin hint, and crossbeam's `Backoff`, of which "Backing off in spin loops reduces contention and improves
//! overall performance", as its example waits for another thread (`snooze`).

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::Backoff;

use super::in_process::{Item, check};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::threads::{self, Crowd, Get, Put};
use crate::work::{Sink, Source};

/// One end, which backs off or gives a spin hint between two looks.
pub(crate) struct End<T, const BACKS_OFF: bool> {
    measure: &'static str,
    queue: Arc<ArrayQueue<T>>,
}

type Ends<T, const BACKS_OFF: bool> = (End<T, BACKS_OFF>, End<T, BACKS_OFF>);

/// Both ends.
fn make<T, const N: usize, const BACKS_OFF: bool>(measure: &'static str) -> Ends<T, BACKS_OFF> {
    let queue = Arc::new(ArrayQueue::new(N));
    let end = |queue| End { measure, queue };
    (end(Arc::clone(&queue)), end(queue))
}

pub(crate) fn spinning<T, const N: usize>(measure: &'static str) -> Ends<T, false> {
    make::<T, N, false>(measure)
}

pub(crate) fn backing_off<T, const N: usize>(measure: &'static str) -> Ends<T, true> {
    make::<T, N, true>(measure)
}

impl<T, const BACKS_OFF: bool> End<T, BACKS_OFF> {
    /// Repeats `attempt` on the queue until it gives something.
    #[inline]
    fn until<R>(
        &self,
        patience: &mut Patience<'_>,
        mut attempt: impl FnMut(&ArrayQueue<T>) -> Option<R>,
    ) -> Result<R, BenchError> {
        if !BACKS_OFF {
            return patience.until(Hint::SpinLoop, || attempt(&self.queue));
        }
        let backoff = Backoff::new();
        patience.until(Hint::None, || {
            let found = attempt(&self.queue);
            if found.is_none() {
                backoff.snooze();
            }
            found
        })
    }
}

impl<T: Item, const BACKS_OFF: bool> Source for End<T, BACKS_OFF> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = T::of(number);
        self.until(patience, |queue| queue.push(item).ok())
    }
}

impl<T: Item, const BACKS_OFF: bool> Sink for End<T, BACKS_OFF> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = self.until(patience, ArrayQueue::pop)?;
        check(self.measure, item.words(), number)
    }
}

/// The queue of many threads, which yield when there is no room or nothing to take: there are more of
/// them than cores.
pub(crate) struct Many<T>(Arc<ArrayQueue<T>>);

impl<T> Many<T> {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "as others are made, which may fail"
    )]
    pub(crate) fn new<const N: usize>() -> Result<Self, BenchError> {
        Ok(Self(Arc::new(ArrayQueue::new(N))))
    }
}

/// One thread's end.
pub(crate) struct One<T>(Arc<ArrayQueue<T>>);

impl<T: Item + From<threads::Item> + Into<threads::Item>> Crowd for Many<T> {
    type Put = One<T>;
    type Get = One<T>;

    fn put(&self) -> One<T> {
        One(Arc::clone(&self.0))
    }

    fn get(&self) -> One<T> {
        One(Arc::clone(&self.0))
    }
}

impl<T: Item + From<threads::Item>> Put for One<T> {
    #[inline]
    fn put(&mut self, item: &threads::Item) -> Result<(), BenchError> {
        let item = T::from(*item);
        while self.0.push(item).is_err() {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl<T: Item + Into<threads::Item>> Get for One<T> {
    #[inline]
    fn get(&mut self) -> Result<threads::Item, BenchError> {
        loop {
            if let Some(item) = self.0.pop() {
                return Ok(item.into());
            }
            std::thread::yield_now();
        }
    }
}
