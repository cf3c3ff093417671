//! `crossbeam_channel::bounded`: many producers and consumers that may block.
//!
//! "Channels can be created using two functions: `bounded` creates a channel of bounded capacity …". There
//! is nothing to set. Two ways to use it compete: the blocking calls, and the calls that do not block,
//! repeated after a spin hint.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::in_process::{Item, check, item};
use super::{DEPTH, failed};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::threads::{self, Crowd, Get, Put};
use crate::work::{Sink, Source};

const NAME: &str = "crossbeam channel";

/// A half, blocking or spinning.
pub(crate) struct Half<T> {
    measure: &'static str,
    half: T,
    blocks: bool,
}

type Halves<const W: usize> = (Half<Sender<Item<W>>>, Half<Receiver<Item<W>>>);

/// Both halves.
fn make<const W: usize>(measure: &'static str, blocks: bool) -> Halves<W> {
    let (sender, receiver) = bounded(DEPTH);
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

pub(crate) fn blocking<const W: usize>(measure: &'static str) -> Halves<W> {
    make(measure, true)
}

pub(crate) fn spinning<const W: usize>(measure: &'static str) -> Halves<W> {
    make(measure, false)
}

impl<const W: usize> Source for Half<Sender<Item<W>>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = item(number);
        if self.blocks {
            return self.half.send(item).map_err(failed(NAME));
        }
        // A receiver that has gone would have ended the measure.
        patience.until(Hint::SpinLoop, || self.half.try_send(item).ok())
    }
}

impl<const W: usize> Sink for Half<Receiver<Item<W>>> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = if self.blocks {
            self.half.recv().map_err(failed(NAME))?
        } else {
            patience.until(Hint::SpinLoop, || self.half.try_recv().ok())?
        };
        check(self.measure, &item, number)
    }
}

/// The channel of many threads, which block: there are more of them than cores.
pub(crate) struct Many(Sender<threads::Item>, Receiver<threads::Item>);

impl Many {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "as others are made, which may fail"
    )]
    pub(crate) fn new() -> Result<Self, BenchError> {
        let (sender, receiver) = bounded(DEPTH);
        Ok(Self(sender, receiver))
    }
}

impl Crowd for Many {
    type Put = Sender<threads::Item>;
    type Get = Receiver<threads::Item>;

    fn put(&self) -> Self::Put {
        self.0.clone()
    }

    fn get(&self) -> Self::Get {
        self.1.clone()
    }
}

impl Put for Sender<threads::Item> {
    #[inline]
    fn put(&mut self, item: &threads::Item) -> Result<(), BenchError> {
        self.send(*item).map_err(failed(NAME))
    }
}

impl Get for Receiver<threads::Item> {
    #[inline]
    fn get(&mut self) -> Result<threads::Item, BenchError> {
        self.recv().map_err(failed(NAME))
    }
}
