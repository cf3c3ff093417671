//! `heapless::spsc`: a ring of fixed capacity for one producer and one consumer.
//!
//! "A fixed capacity single-producer, single-consumer (SPSC) lock-free queue", split for two execution
//! contexts; the capacity is a power of two, for which computing indices is cheapest.

use heapless::spsc::{Consumer, Producer, Queue};

use super::DEPTH;
use super::in_process::{Item, check, item};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::work::{Sink, Source};

/// A half.
pub(crate) struct Half<T> {
    measure: &'static str,
    half: T,
}

type Halves<const W: usize> = (
    Half<Producer<'static, Item<W>>>,
    Half<Consumer<'static, Item<W>>>,
);

/// Both halves, of a queue that stays for as long as the program runs.
pub(crate) fn make<const W: usize>(measure: &'static str) -> Halves<W> {
    let queue: &'static mut Queue<Item<W>, DEPTH> = Box::leak(Box::new(Queue::new()));
    let (producer, consumer) = queue.split();
    let near = Half {
        measure,
        half: producer,
    };
    let far = Half {
        measure,
        half: consumer,
    };
    (near, far)
}

impl<const W: usize> Source for Half<Producer<'static, Item<W>>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = item(number);
        patience.until(Hint::SpinLoop, || self.half.enqueue(item).ok())
    }
}

impl<const W: usize> Sink for Half<Consumer<'static, Item<W>>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.half.dequeue())?;
        check(self.measure, &item, number)
    }
}
