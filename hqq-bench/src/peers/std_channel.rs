//! `std::sync::mpsc::sync_channel`: bounded, many producers, one consumer.
//!
//! "This channel has an internal buffer on which messages will be queued. … it is possible for this
//! channel to block." Used with calls that do not block, repeated after a spin hint, as the blocking ones
//! sleep sooner.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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

type Halves<const W: usize> = (Half<SyncSender<Item<W>>>, Half<Receiver<Item<W>>>);

pub(crate) fn make<const W: usize>(measure: &'static str) -> Halves<W> {
    let (sender, receiver) = sync_channel(DEPTH);
    let near = Half {
        measure,
        half: sender,
    };
    let far = Half {
        measure,
        half: receiver,
    };
    (near, far)
}

impl<const W: usize> Source for Half<SyncSender<Item<W>>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = item(number);
        patience.until(Hint::SpinLoop, || self.half.try_send(item).ok())
    }
}

impl<const W: usize> Sink for Half<Receiver<Item<W>>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = patience.until(Hint::SpinLoop, || self.half.try_recv().ok())?;
        check(self.measure, &item, number)
    }
}
