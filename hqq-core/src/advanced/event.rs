//! What polling a link gives.

use super::session::Notice;
use super::{Arrival, MessageKey};
use crate::link::{Claim, Receiver};
use crate::packet::PacketError;
use crate::ring::Consumer;

/// What happened.
#[non_exhaustive]
pub enum Event<'a, C: Consumer> {
    /// All of a message is there.
    Message {
        /// Its name: whether it is a message, a request to be answered, or the answer to a call.
        key: MessageKey,
        /// The method of a request, the status of a response.
        aux: u64,
        /// The response reports a failure.
        error: bool,
        /// Its bytes.
        body: Body<'a, C>,
    },
    /// Where messages are not assembled: the next part of one.
    Chunk {
        /// Which part of which message.
        arrival: Arrival,
        /// Its bytes.
        body: Body<'a, C>,
    },
    /// Something else.
    Notice(Notice),
    /// The peer sent what is no packet; it was dropped, and nothing else with it.
    Malformed(PacketError),
}

/// The bytes of a message or of a part of one. Dropping it gives a buffer back; leaking it leaves
/// that to the next poll.
pub struct Body<'a, C: Consumer>(pub(super) Bytes<'a, C>);

pub(super) enum Bytes<'a, C: Consumer> {
    /// In the ring: `packet` is claimed, and held by the receiver.
    Slot {
        receiver: &'a mut Receiver<C>,
        packet: Claim,
    },
    /// In memory of this side's.
    Assembled(&'a [u8]),
}

impl<C: Consumer> Body<'_, C> {
    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Bytes::Slot { packet, .. } => packet.len(),
            Bytes::Assembled(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes from `at` on into `to`, as many as fit; says how many.
    pub fn copy_to(&self, at: usize, to: &mut [u8]) -> usize {
        match &self.0 {
            Bytes::Slot { receiver, packet } => receiver.copy_packet(packet, at, to),
            Bytes::Assembled(bytes) => {
                let from = bytes.get(at..).unwrap_or_default();
                let len = from.len().min(to.len());
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
                len
            }
        }
    }

    /// The bytes as a slice, where they lie in memory of this side's: messages of several chunks.
    #[must_use]
    pub const fn as_slice(&self) -> Option<&[u8]> {
        match &self.0 {
            Bytes::Slot { .. } => None,
            Bytes::Assembled(bytes) => Some(bytes),
        }
    }
}

impl<C: Consumer> Drop for Body<'_, C> {
    fn drop(&mut self) {
        if let Bytes::Slot { receiver, .. } = &mut self.0 {
            receiver.finish_packet();
        }
    }
}
