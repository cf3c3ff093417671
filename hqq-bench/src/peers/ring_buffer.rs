//! `rtrb`: a ring for one producer and one consumer, wait-free.
//!
//! "Moving single elements into and out of a queue with `Producer::push()` and `Consumer::pop()`"; for "multiple
//! items at once" there are chunks, the rows of batches, filled without being initialised first:
//! "write_chunk_uninit() could be used for possibly better performance". "If the queue is empty, there is no way
//! for the reading thread to wait for new data, other than trying repeatedly". There is nothing else to set.

use rtrb::{Consumer, Producer, RingBuffer};

use super::failed;
use super::in_process::{Item, check};
use crate::error::BenchError;
use crate::hqq::link::BATCH;
use crate::patience::{Hint, Patience};
use crate::work::{Sink, Source};

const NAME: &str = "rtrb";

/// A half, for single items.
pub(crate) struct Half<T> {
    measure: &'static str,
    half: T,
}

type Halves<T> = (Half<Producer<T>>, Half<Consumer<T>>);

pub(crate) fn make<T, const N: usize>(measure: &'static str) -> Halves<T> {
    let (producer, consumer) = RingBuffer::new(N);
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

impl<T: Item> Source for Half<Producer<T>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = T::of(number);
        patience.until(Hint::SpinLoop, || self.half.push(item).ok())
    }
}

impl<T: Item> Sink for Half<Consumer<T>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.half.pop().ok())?;
        check(self.measure, item.words(), number)
    }
}

/// A half, for chunks of a batch.
pub(crate) struct Chunks<T>(Half<T>);

type ChunkHalves<T> = (Chunks<Producer<T>>, Chunks<Consumer<T>>);

pub(crate) fn chunks<T, const N: usize>(measure: &'static str) -> ChunkHalves<T> {
    let (near, far) = make::<T, N>(measure);
    (Chunks(near), Chunks(far))
}

impl<T: Item> Source for Chunks<Producer<T>> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let producer = &mut self.0.half;
        patience.until(Hint::SpinLoop, || {
            (producer.slots() >= BATCH as usize).then_some(())
        })?;
        let chunk = producer.write_chunk_uninit(BATCH as usize);
        let numbers = number..number + u64::from(BATCH);
        chunk
            .map_err(failed(NAME))?
            .fill_from_iter(numbers.map(T::of));
        Ok(())
    }
}

impl<T: Item> Sink for Chunks<Consumer<T>> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Half { measure, half } = &mut self.0;
        patience.until(Hint::SpinLoop, || {
            (half.slots() >= BATCH as usize).then_some(())
        })?;
        let chunk = half.read_chunk(BATCH as usize).map_err(failed(NAME))?;
        for (item, number) in chunk.into_iter().zip(number..) {
            check(measure, item.words(), number)?;
        }
        Ok(())
    }
}
