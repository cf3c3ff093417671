//! Received messages: lent in their buffers, or one after the other in memory of their own.

use super::error::TryRecvError;
use super::receiver::Receiver;
#[cfg(not(loom))]
use crate::region::Buffer;
use crate::ring::Consumer;

/// A received message, still in its buffer.
///
/// Dropping it releases the buffer. Leaking it leaves the message the next one of its receiver.
pub struct ReadGrant<'a, C: Consumer> {
    receiver: &'a mut Receiver<C>,
}

impl<'a, C: Consumer> ReadGrant<'a, C> {
    pub(super) const fn new(receiver: &'a mut Receiver<C>) -> Self {
        Self { receiver }
    }

    /// Bytes in the message.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.receiver
            .at_hand
            .message
            .map_or(0, |current| current.len - current.offset)
    }

    /// Whether the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a receiver that died may have seen this message before, or one of a shared side let go of it unread.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.receiver
            .at_hand
            .message
            .is_some_and(|current| current.in_doubt)
    }

    /// Copies the message's bytes from `at` on into `to`, as many as fit; says how many.
    #[inline]
    pub fn copy_to(&self, at: usize, to: &mut [u8]) -> usize {
        let Some(mut current) = self.receiver.at_hand.message else {
            return 0;
        };
        current.offset = current.offset.saturating_add(at).min(current.len);
        let len = to.len().min(current.len - current.offset);
        if let Some(to) = to.get_mut(..len) {
            self.receiver.copy(&current, to);
        }
        len
    }

    /// The bytes that were not read yet, of a message in its packet.
    #[cfg(not(loom))]
    #[inline]
    pub(super) fn inside(&self) -> Option<&[u8]> {
        let at_hand = &self.receiver.at_hand;
        let current = at_hand.message.as_ref();
        let current = current.filter(|current| !current.bytes.is_in_buffer())?;
        Some(at_hand.inside(current))
    }

    /// The buffer in which the bytes of any other message lie that were not read yet, where they begin
    /// there, and how many there are; they lie inside it.
    #[cfg(not(loom))]
    #[inline]
    pub(super) fn place(&self) -> Option<(Buffer<'_>, usize, usize)> {
        let current = self.receiver.at_hand.message.as_ref();
        let current = current.filter(|current| current.bytes.is_in_buffer())?;
        let buffer = self.receiver.side.buffers().at(current.position);
        Some((buffer, current.start(), current.len - current.offset))
    }
}

impl<C: Consumer> Drop for ReadGrant<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.finish();
    }
}

/// The messages that are there; see [`Receiver::try_iter`].
pub struct TryIter<'a, C: Consumer, const CAP: usize> {
    receiver: &'a mut Receiver<C>,
    failed: bool,
}

impl<'a, C: Consumer, const CAP: usize> TryIter<'a, C, CAP> {
    pub(super) const fn new(receiver: &'a mut Receiver<C>) -> Self {
        Self {
            receiver,
            failed: false,
        }
    }
}

impl<C: Consumer, const CAP: usize> Iterator for TryIter<'_, C, CAP> {
    type Item = Result<heapless::Vec<u8, CAP>, TryRecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut message = heapless::Vec::new();
        // At most CAP, so that it always fits.
        let _ = message.resize_default(CAP);
        match self.receiver.try_recv(&mut message) {
            Ok(len) => {
                message.truncate(len);
                Some(Ok(message))
            }
            Err(
                TryRecvError::Empty
                | TryRecvError::Busy
                | TryRecvError::Disconnected
                | TryRecvError::PeerDead,
            ) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
