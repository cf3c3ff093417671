//! The message that a receiver has at hand: claimed, and not finished with.

use super::error::TryRecvError;
use crate::counters::Event;
use crate::packet::inline;
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{Claimed, Consumer};

/// Where the bytes of a message lie.
// A whole word, as the compiler puts what has the most values left first: so whether a message is at hand
// is found at the start of a receiver, and that at the start of what it is part of.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Bytes {
    /// In the packet.
    Inline,
    /// There, too, and it was lent as a whole: found by a later call, it was leaked.
    LentInline,
    /// In the buffer of the position.
    Buffer,
    /// There, too, and its packet was lent likewise.
    Lent,
}

impl Bytes {
    /// Whether the packet was lent as a whole.
    #[inline]
    pub(super) const fn is_lent(self) -> bool {
        matches!(self, Self::LentInline | Self::Lent)
    }
}

/// A message that was claimed and not finished with.
///
/// # Invariants
/// `offset` ≤ `len`; (`taken` + 1 + `more`) × `len` was checked against the buffer's size.
#[derive(Clone, Copy)]
pub(super) struct Current {
    pub(super) position: Position,
    pub(super) bytes: Bytes,
    pub(super) len: usize,
    pub(super) offset: usize,
    pub(super) in_doubt: bool,
    /// Messages of the same run before this one.
    pub(super) taken: u16,
    /// Messages of the same run after this one.
    pub(super) more: u16,
}

impl Current {
    /// The only message of a packet.
    pub(super) const fn alone(claimed: &Claimed, bytes: Bytes, len: usize) -> Self {
        Self {
            position: claimed.position,
            bytes,
            len,
            offset: 0,
            in_doubt: claimed.in_doubt,
            taken: 0,
            more: 0,
        }
    }

    /// Where its rest lies in its buffer.
    #[inline]
    pub(super) const fn start(&self) -> usize {
        self.taken as usize * self.len + self.offset
    }

    /// Becomes the message after this one in the same run; `false` where there is none.
    #[inline]
    const fn advance(&mut self) -> bool {
        let Some(more) = self.more.checked_sub(1) else {
            return false;
        };
        self.offset = 0;
        self.taken += 1;
        self.more = more;
        true
    }
}

/// Copies the message at hand into `buffer` and finishes with it; one that does not fit stays.
pub(super) fn hand_over<C: Consumer>(
    side: &mut C,
    at_hand: &mut Option<Current>,
    buffer: &mut [u8],
) -> Result<usize, TryRecvError> {
    let Some(message) = at_hand else {
        return Err(TryRecvError::Empty);
    };
    let needed = message.len - message.offset;
    let capacity = buffer.len();
    let Some(to) = buffer.get_mut(..needed) else {
        return Err(TryRecvError::BufferTooSmall { needed, capacity });
    };
    copy(side, message, to);
    finish(side, at_hand);
    Ok(needed)
}

/// Where a message lies: in the slot of its packet, or in the buffer.
#[inline]
pub(super) fn place<'a, C: Consumer>(side: &'a C, message: &Current) -> Buffer<'a> {
    match message.bytes {
        Bytes::Inline | Bytes::LentInline => side.bytes::<{ inline::PAYLOAD }>(message.position),
        Bytes::Buffer | Bytes::Lent => side.buffers().at(message.position),
    }
}

/// Copies from the message's offset on; `to` is at most as long as what is left.
#[inline]
pub(super) fn copy<C: Consumer>(side: &C, message: &Current, to: &mut [u8]) {
    place(side, message).copy_out(message.start(), to);
}

/// Ends the message at hand: the next one of its run becomes that, and where it was the last its
/// packet goes back to the senders.
#[inline]
pub(super) fn finish<C: Consumer>(side: &mut C, at_hand: &mut Option<Current>) {
    // In place, as there may be many more of the same run.
    let Some(message) = at_hand else {
        return;
    };
    let (position, len) = (message.position, message.len);
    if !message.advance() {
        *at_hand = None;
        side.release(position);
    }
    side.count(Event::Message(len));
}

/// Ends what is at hand with all that follows it in its run: the packet goes back to the senders.
#[inline]
pub(super) fn finish_packet<C: Consumer>(side: &mut C, at_hand: &mut Option<Current>) {
    if let Some(message) = at_hand.take() {
        side.release(message.position);
        side.count(Event::Message(message.len));
    }
}
