//! `std::sync::mpsc::sync_channel`: bounded, many producers, one consumer.
//!
//! "This channel has an internal buffer on which messages will be queued. … it is possible for this
//! channel to block." There is nothing else to set.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::ends::{self, Half, Receives, Sends, channel};
use super::failed;
use super::in_process::Item;
use crate::error::BenchError;

const NAME: &str = "std sync_channel";

channel!(SyncSender, Receiver, sync_channel);
