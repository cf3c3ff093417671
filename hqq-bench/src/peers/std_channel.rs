//! `std::sync::mpsc::sync_channel`: bounded, many producers, one consumer.
//!
//! "This channel has an internal buffer on which messages will be queued. … it is possible for this
//! channel to block." There is nothing else to set. Two ways to use it compete: the blocking calls, and the
//! calls that do not block, repeated after a spin hint.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::failed;
use super::in_process::{Item, check};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::work::{Sink, Source};

const NAME: &str = "std sync_channel";

/// A half, blocking or spinning.
pub(crate) struct Half<T> {
    measure: &'static str,
    half: T,
    blocks: bool,
}

type Halves<T> = (Half<SyncSender<T>>, Half<Receiver<T>>);

/// Both halves.
fn make<T, const N: usize>(measure: &'static str, blocks: bool) -> Halves<T> {
    let (sender, receiver) = sync_channel(N);
    let near = Half {
        measure,
        half: sender,
        blocks,
    };
    let far = Half {
        measure,
        half: receiver,
        blocks,
    };
    (near, far)
}

pub(crate) fn blocking<T, const N: usize>(measure: &'static str) -> Halves<T> {
    make::<T, N>(measure, true)
}

pub(crate) fn spinning<T, const N: usize>(measure: &'static str) -> Halves<T> {
    make::<T, N>(measure, false)
}

impl<T: Item> Source for Half<SyncSender<T>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = T::of(number);
        if self.blocks {
            return self.half.send(item).map_err(failed(NAME));
        }
        patience.until(Hint::SpinLoop, || self.half.try_send(item).ok())
    }
}

impl<T: Item> Sink for Half<Receiver<T>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = if self.blocks {
            self.half.recv().map_err(failed(NAME))?
        } else {
            patience.until(Hint::SpinLoop, || self.half.try_recv().ok())?
        };
        check(self.measure, item.words(), number)
    }
}
