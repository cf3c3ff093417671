//! `rtrb`: a ring for one producer and one consumer, wait-free.
//!
//! "Single items can be pushed and popped by move", and "multiple items at once … can be faster": chunks
//! are the rows of batches. There is nothing else to set.

use rtrb::{Consumer, Producer, RingBuffer};

use super::in_process::{Item, check, item};
use super::{DEPTH, failed};
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

type Halves<const W: usize> = (Half<Producer<Item<W>>>, Half<Consumer<Item<W>>>);

pub(crate) fn make<const W: usize>(measure: &'static str) -> Halves<W> {
    let (producer, consumer) = RingBuffer::new(DEPTH);
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

impl<const W: usize> Source for Half<Producer<Item<W>>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = item(number);
        patience.until(Hint::SpinLoop, || self.half.push(item).ok())
    }
}

impl<const W: usize> Sink for Half<Consumer<Item<W>>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.half.pop().ok())?;
        check(self.measure, &item, number)
    }
}

/// A half, for chunks of a batch.
pub(crate) struct Chunks<T>(Half<T>);

type ChunkHalves<const W: usize> = (Chunks<Producer<Item<W>>>, Chunks<Consumer<Item<W>>>);

pub(crate) fn chunks<const W: usize>(measure: &'static str) -> ChunkHalves<W> {
    let (near, far) = make(measure);
    (Chunks(near), Chunks(far))
}

impl<const W: usize> Source for Chunks<Producer<Item<W>>> {
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
            .fill_from_iter(numbers.map(item));
        Ok(())
    }
}

impl<const W: usize> Sink for Chunks<Consumer<Item<W>>> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Half { measure, half } = &mut self.0;
        patience.until(Hint::SpinLoop, || {
            (half.slots() >= BATCH as usize).then_some(())
        })?;
        let chunk = half.read_chunk(BATCH as usize).map_err(failed(NAME))?;
        for (item, number) in chunk.into_iter().zip(number..) {
            check(measure, &item, number)?;
        }
        Ok(())
    }
}
