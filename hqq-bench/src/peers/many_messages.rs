//! Several messages a call, over sockets that keep boundaries.
//!
//! sendmmsg(2) "allows the caller to transmit multiple messages on a socket using a single system call. (This has
//! performance benefits for some applications.)" recvmmsg(2) is the same for receiving: it "blocks until vlen messages
//! have been received", but with `MSG_WAITFORONE`, which "Turns on MSG_DONTWAIT after the first message has been
//! received": what has come is taken, as a read of a stream takes it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

use super::failed;
use crate::error::BenchError;
use crate::hqq::link::BATCH;

/// The most messages of a call.
const MOST: usize = BATCH as usize;

/// Room for the headers of a call.
pub(super) struct ManyMessages(MultiHeaders<()>);

impl ManyMessages {
    pub(super) fn new() -> Self {
        Self(MultiHeaders::preallocate(MOST, None))
    }

    /// Sends `bytes` as messages of `size` bytes each.
    ///
    /// # Errors
    /// [`BenchError::Peer`].
    #[inline]
    pub(super) fn send(
        &mut self,
        peer: &'static str,
        socket: &impl AsFd,
        bytes: &[u8],
        size: usize,
    ) -> Result<(), BenchError> {
        let socket = socket.as_fd().as_raw_fd();
        let mut sent = 0;
        while sent < bytes.len() {
            let mut messages = bytes[sent..].chunks(size);
            let count = messages.len().min(MOST);
            let messages: [_; MOST] =
                std::array::from_fn(|_| [IoSlice::new(messages.next().unwrap_or_default())]);
            let went = sendmmsg(
                socket,
                &mut self.0,
                &messages[..count],
                [None; MOST],
                [],
                MsgFlags::empty(),
            );
            sent += went.map_err(failed(peer))?.count() * size;
        }
        Ok(())
    }

    /// Receives as many messages of `size` bytes as have come, at least one.
    ///
    /// # Errors
    /// [`BenchError::Peer`]; `Changed` for a message of another length.
    #[inline]
    pub(super) fn receive(
        &mut self,
        peer: &'static str,
        socket: &impl AsFd,
        buffer: &mut [u8],
        size: usize,
    ) -> Result<usize, BenchError> {
        let mut chunks = buffer.chunks_mut(size);
        let count = chunks.len().min(MOST);
        let mut messages: [_; MOST] =
            std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
        let came = recvmmsg(
            socket.as_fd().as_raw_fd(),
            &mut self.0,
            &mut messages[..count],
            MsgFlags::MSG_WAITFORONE,
            None,
        );
        let mut filled = 0;
        for message in came.map_err(failed(peer))? {
            if message.bytes != size {
                return Err(BenchError::Changed { measure: peer });
            }
            filled += size;
        }
        super::between::some(peer, filled)
    }
}
