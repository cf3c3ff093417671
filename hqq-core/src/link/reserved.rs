//! A buffer that was reserved for a message, and how that is sent or let go of.

use super::error::GrantError;
use super::send_path::{self, CommitQuickly, publish_copy};
use super::sender::{REASON_DROPPED, REASON_EMPTY, REASON_TOO_LONG, Sender};
use crate::counters::Event;
use crate::packet::{Opcode, inline};
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{Producer, Put};

/// A buffer reserved for one message.
///
/// Dropping it sends nothing: an exclusive side had claimed nothing, a shared one leaves a
/// tombstone that receivers skip. Leaking it blocks a shared ring, and is otherwise harmless.
///
/// # Invariants
/// Until it is `finished`, nothing was published at `position`, which the sender's side gave: claimed, or, where sides claim
/// nothing, the one that comes next.
pub struct WriteGrant<'a, P: Producer> {
    sender: &'a mut Sender<P>,
    position: Position,
    finished: bool,
}

impl<'a, P: Producer> WriteGrant<'a, P> {
    #[inline]
    pub(super) const fn new(sender: &'a mut Sender<P>, position: Position) -> Self {
        Self {
            sender,
            position,
            finished: false,
        }
    }

    /// Bytes in the buffer.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.sender.max_message_size()
    }

    /// Copies `bytes` into the buffer from byte `at` on.
    ///
    /// # Errors
    /// [`GrantError::TooLong`] where they end past the buffer; nothing is copied then.
    #[inline]
    pub fn copy_from(&mut self, at: usize, bytes: &[u8]) -> Result<(), GrantError> {
        let len = at.saturating_add(bytes.len());
        let max = self.capacity();
        if len > max {
            return Err(GrantError::TooLong { len, max });
        }
        self.buffer().copy_in(at, bytes);
        Ok(())
    }

    /// Sends the first `len` bytes of the buffer; what was not filled holds older bytes.
    ///
    /// # Errors
    /// [`GrantError::TooLong`] where a buffer has fewer bytes, [`GrantError::EmptyMessage`] for none
    /// in format 1; a tombstone is sent then.
    #[inline]
    pub fn commit(mut self, len: usize) -> Result<(), GrantError> {
        match self.sender.side.with(CommitQuickly(len)) {
            Put::Done => self.finished = true,
            Put::ToSleeper => {
                self.finished = true;
                self.sender.side.wake();
            }
            Put::Not => return self.commit_slowly(len),
        }
        Ok(())
    }

    /// As [`WriteGrant::commit`], where its few steps did not do.
    #[inline(never)]
    fn commit_slowly(mut self, len: usize) -> Result<(), GrantError> {
        let max = self.capacity();
        if len > max {
            self.publish_tombstone(REASON_TOO_LONG);
            self.sender.side.count(Event::Error);
            return Err(GrantError::TooLong { len, max });
        }
        if len == 0 && !self.sender.side.carries_inline() {
            self.publish_tombstone(REASON_EMPTY);
            self.sender.side.count(Event::Error);
            return Err(GrantError::EmptyMessage);
        }
        if len == 0 {
            self.commit_inline(&[]);
        } else {
            self.finished = true;
            publish_copy(&mut self.sender.side, self.position, len);
            self.sender.side.count(Event::Message(len));
        }
        Ok(())
    }

    /// Sends `message`, of at most 40 bytes, in the packet instead of the buffer.
    pub(super) fn commit_inline(mut self, message: &[u8]) {
        self.finished = true;
        let copy_id = self.sender.side.copy_id(self.position);
        let operands = inline::operands(copy_id, message);
        let opcode = Opcode::StandardInline.as_byte();
        self.sender.side.publish(self.position, opcode, &operands);
        self.sender.side.count(Event::Message(message.len()));
    }

    /// Sends `len` bytes of the buffer under another packet.
    pub(super) fn commit_as(mut self, opcode: Opcode, operands: &[u64; 7], len: usize) {
        self.finished = true;
        let side = &mut self.sender.side;
        side.publish(self.position, opcode.as_byte(), operands);
        side.count(Event::Message(len));
    }

    /// Sends a tombstone with this reason instead of a message; 0 becomes 6.
    pub fn abort(mut self, reason: u64) {
        self.publish_tombstone(if reason == 0 { REASON_DROPPED } else { reason });
    }

    fn publish_tombstone(&mut self, reason: u64) {
        self.finished = true;
        let operands = send_path::tombstone(&mut self.sender.side, self.position, reason);
        let opcode = Opcode::StandardTombstone.as_byte();
        self.sender.side.publish(self.position, opcode, &operands);
        self.sender.side.count(Event::Tombstone);
    }

    #[cfg(not(loom))]
    pub(super) fn is_inline(&self, len: usize) -> bool {
        self.sender.is_inline(len)
    }

    pub(super) fn buffer(&self) -> Buffer<'_> {
        self.sender.side.buffers().at(self.position)
    }
}

impl<P: Producer> Drop for WriteGrant<'_, P> {
    #[inline]
    fn drop(&mut self) {
        if !self.finished {
            send_path::give_up(&mut self.sender.side, self.position);
        }
    }
}
