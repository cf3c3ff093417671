//! Bounded channels of one process. Two ways to use one compete: the calls that block, and those that do not,
//! repeated after a spin hint.

use super::in_process::{Item, check};
use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::work::{Sink, Source};

/// The sending end of a channel.
pub(crate) trait Sends {
    type Item: Item;

    fn send(&self, item: Self::Item) -> Result<(), BenchError>;

    /// Whether there was room.
    fn try_send(&self, item: Self::Item) -> bool;
}

/// The receiving end of a channel.
pub(crate) trait Receives {
    type Item: Item;

    fn receive(&self) -> Result<Self::Item, BenchError>;

    fn try_receive(&self) -> Option<Self::Item>;
}

/// For the channel that this function makes, whose ends are these and whose name is `NAME`: the functions `blocking` and
/// `spinning`.
macro_rules! channel {
    ($sender:ident, $receiver:ident, $make:ident) => {
        type Halves<T> = (Half<$sender<T>>, Half<$receiver<T>>);

        pub(crate) fn blocking<T, const N: usize>(measure: &'static str) -> Halves<T> {
            ends::halves(measure, $make(N), true)
        }

        pub(crate) fn spinning<T, const N: usize>(measure: &'static str) -> Halves<T> {
            ends::halves(measure, $make(N), false)
        }

        impl<T: Item> Sends for $sender<T> {
            type Item = T;

            #[inline]
            fn send(&self, item: T) -> Result<(), BenchError> {
                Self::send(self, item).map_err(failed(NAME))
            }

            #[inline]
            fn try_send(&self, item: T) -> bool {
                Self::try_send(self, item).is_ok()
            }
        }

        impl<T: Item> Receives for $receiver<T> {
            type Item = T;

            #[inline]
            fn receive(&self) -> Result<T, BenchError> {
                self.recv().map_err(failed(NAME))
            }

            #[inline]
            fn try_receive(&self) -> Option<T> {
                self.try_recv().ok()
            }
        }
    };
}
pub(super) use channel;

/// An end, blocking or spinning.
pub(crate) struct Half<T> {
    measure: &'static str,
    end: T,
    blocks: bool,
}

/// Both ends of a channel. `blocks`: used by the calls that do.
pub(super) fn halves<S, R>(
    measure: &'static str,
    ends: (S, R),
    blocks: bool,
) -> (Half<S>, Half<R>) {
    let (near, far) = ends;
    (half(measure, near, blocks), half(measure, far, blocks))
}

const fn half<T>(measure: &'static str, end: T, blocks: bool) -> Half<T> {
    Half {
        measure,
        end,
        blocks,
    }
}

impl<S: Sends> Source for Half<S> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = Item::of(number);
        if self.blocks {
            return self.end.send(item);
        }
        // A receiver that has gone would have ended the measure.
        patience.until(Hint::SpinLoop, || self.end.try_send(item).then_some(()))
    }
}

impl<R: Receives> Sink for Half<R> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let item = if self.blocks {
            self.end.receive()?
        } else {
            patience.until(Hint::SpinLoop, || self.end.try_receive())?
        };
        check(self.measure, item.words(), number)
    }
}
