//! `crossbeam_channel::bounded`: many producers and consumers that may block.
//!
//! "Channels can be created using two functions: `bounded` creates a channel of bounded capacity …". There
//! is nothing else to set. Two ways to use it compete: the blocking calls, and the calls that do not block,
//! repeated after a spin hint.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::failed;
use super::in_process::{Item, check};
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

type Halves<T> = (Half<Sender<T>>, Half<Receiver<T>>);

/// Both halves.
fn make<T, const N: usize>(measure: &'static str, blocks: bool) -> Halves<T> {
    let (sender, receiver) = bounded(N);
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

impl<T: Item> Source for Half<Sender<T>> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = T::of(number);
        if self.blocks {
            return self.half.send(item).map_err(failed(NAME));
        }
        // A receiver that has gone would have ended the measure.
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

/// The channel of many threads, which block: there are more of them than cores.
pub(crate) struct Many<T>(Sender<T>, Receiver<T>);

impl<T> Many<T> {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "as others are made, which may fail"
    )]
    pub(crate) fn new<const N: usize>() -> Result<Self, BenchError> {
        let (sender, receiver) = bounded(N);
        Ok(Self(sender, receiver))
    }
}

impl<T: Item + From<threads::Item> + Into<threads::Item>> Crowd for Many<T> {
    type Put = Sender<T>;
    type Get = Receiver<T>;

    fn put(&self) -> Self::Put {
        self.0.clone()
    }

    fn get(&self) -> Self::Get {
        self.1.clone()
    }
}

impl<T: Item + From<threads::Item>> Put for Sender<T> {
    #[inline]
    fn put(&mut self, item: &threads::Item) -> Result<(), BenchError> {
        self.send(T::from(*item)).map_err(failed(NAME))
    }
}

impl<T: Item + Into<threads::Item>> Get for Receiver<T> {
    #[inline]
    fn get(&mut self) -> Result<threads::Item, BenchError> {
        Ok(self.recv().map_err(failed(NAME))?.into())
    }
}
