//! `std::sync::mpsc::sync_channel`: bounded, many producers, one consumer.
//!
//! "This channel has an internal buffer on which messages will be queued. … it is possible for this
//! channel to block." There is nothing else to set.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::ends::{self, Half, Receives, Sends};
use super::failed;
use super::in_process::Item;
use crate::error::BenchError;

const NAME: &str = "std sync_channel";

type Halves<T> = (Half<SyncSender<T>>, Half<Receiver<T>>);

pub(crate) fn blocking<T, const N: usize>(measure: &'static str) -> Halves<T> {
    ends::blocking(measure, sync_channel(N))
}

pub(crate) fn spinning<T, const N: usize>(measure: &'static str) -> Halves<T> {
    ends::spinning(measure, sync_channel(N))
}

impl<T: Item> Sends for SyncSender<T> {
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

impl<T: Item> Receives for Receiver<T> {
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
