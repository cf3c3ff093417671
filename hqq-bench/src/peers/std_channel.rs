//! `std::sync::mpsc`: many producers, one consumer.
//!
//! Its documentation calls nothing faster than something else. Of `sync_channel`: "When the internal buffer becomes
//! full, future sends will *block* waiting for the buffer to open up." Of `channel`: "no `send` will block the
//! calling thread (this channel has an "infinite buffer", unlike `sync_channel`, which will block after its buffer
//! limit is reached)". Both compete; what the latter holds is bounded by the messages of a turn, which ends when all
//! were received.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender, sync_channel};

use super::ends::{self, Half, Receives, Sends, channel};
use super::failed;
use super::in_process::Item;
use crate::error::BenchError;

const NAME: &str = "std mpsc";

channel!(SyncSender, Receiver, sync_channel);

type Unbounded<T> = (Half<Sender<T>>, Half<Receiver<T>>);

/// Without a bound, received from by the call that blocks.
pub(crate) fn unbounded_blocking<T>(measure: &'static str) -> Unbounded<T> {
    ends::halves(measure, mpsc::channel(), true)
}

/// The same by the call that does not.
pub(crate) fn unbounded_spinning<T>(measure: &'static str) -> Unbounded<T> {
    ends::halves(measure, mpsc::channel(), false)
}

impl<T: Item> Sends for Sender<T> {
    type Item = T;

    #[inline]
    fn send(&self, item: T) -> Result<(), BenchError> {
        Self::send(self, item).map_err(failed(NAME))
    }

    #[inline]
    fn try_send(&self, item: T) -> bool {
        // There always is room.
        Self::send(self, item).is_ok()
    }
}
