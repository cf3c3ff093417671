//! `heapless::spsc`: a ring of fixed capacity for one producer and one consumer.
//!
//! "A fixed capacity single-producer, single-consumer (SPSC) lock-free queue", split for two execution
//! contexts. "To get better performance, use a value for `N` that is a power of 2": all that compete are.

use heapless::spsc::{Consumer, Producer, Queue};

use super::in_process::{Item, check};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::work::{Sink, Source};

/// A half.
pub(crate) struct Half<T> {
    measure: &'static str,
    half: T,
}

type Halves<T> = (Half<Producer<'static, T>>, Half<Consumer<'static, T>>);

/// Both halves, of a queue that stays for as long as the program runs.
pub(crate) fn make<T: Item, const N: usize>(measure: &'static str) -> Halves<T> {
    let queue: &'static mut Queue<T, N> = Box::leak(Box::new(Queue::new()));
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

impl<T: Item> Source for Half<Producer<'static, T>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = T::of(number);
        patience.until(Hint::SpinLoop, || self.half.enqueue(item).ok())
    }
}

impl<T: Item> Sink for Half<Consumer<'static, T>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.half.dequeue())?;
        check(self.measure, item.words(), number)
    }
}
