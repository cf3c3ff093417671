//! `crossbeam_channel::bounded`: many producers and consumers that may block.
//!
//! "Channels can be created using two functions: `bounded` creates a channel of bounded capacity …". There
//! is nothing else to set.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::ends::{self, Half, Receives, Sends, channel};
use super::failed;
use super::in_process::Item;
use crate::error::BenchError;
use crate::threads::{self, Crowd, Get, Put};

const NAME: &str = "crossbeam channel";

channel!(Sender, Receiver, bounded);

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
