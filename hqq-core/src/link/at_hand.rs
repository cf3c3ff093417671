//! The message that a receiver has at hand: claimed, and not finished with.

use zerocopy::IntoBytes;

use super::error::TryRecvError;
use crate::counters::Event;
use crate::packet::inline;
use crate::position::Position;
use crate::ring::{Claimed, Consumer};

/// The message at hand, if there is one.
///
/// # Invariants
/// Where the message is in its packet, `operands` are the packet's, those of the payload as they lie in memory;
/// where it is in a buffer, not lent and not of a run, `operands` are the packet's, too.
pub(super) struct AtHand {
    pub(super) message: Option<Current>,
    /// Read once, when the packet was opened: what is handed out later is what was checked.
    pub(super) operands: [u64; 7],
}

impl AtHand {
    /// The rest of the message, which is in its packet.
    #[inline]
    pub(super) fn inside(&self, message: &Current) -> &[u8] {
        let (_, payload) = self.operands.split_at(inline::PAYLOAD);
        let bytes = payload.as_bytes().get(message.offset..message.len);
        bytes.unwrap_or_default()
    }

    /// The operands are those of a message in its packet: puts the payload as it lies in memory.
    #[inline]
    pub(super) fn keep_inside(&mut self) {
        let (_, payload) = self.operands.split_at_mut(inline::PAYLOAD);
        for word in payload {
            *word = word.to_le();
        }
    }
}

/// Where the bytes of a message lie.
// A whole word, as the compiler puts what has the most values left first: so whether a message is at hand
// is found at the start of a receiver, and that at the start of what it is part of.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Bytes {
    /// In the packet, and so in [`AtHand::operands`].
    Inline,
    /// There, too, and the packet was lent as a whole: found by a later call, it was leaked.
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

    /// Whether they lie in the buffer.
    #[cfg(not(loom))]
    #[inline]
    pub(super) const fn is_in_buffer(self) -> bool {
        matches!(self, Self::Buffer | Self::Lent)
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
    /// Zeros, to the end of a word. Without them the compiler writes the last fields together with the end of `offset`,
    /// which it has just written: to be read in one piece that would have to get to the cache first.
    pub(super) _filler: [u8; 3],
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
            _filler: [0; 3],
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
    at_hand: &mut AtHand,
    buffer: &mut [u8],
) -> Result<usize, TryRecvError> {
    let Some(message) = &at_hand.message else {
        return Err(TryRecvError::Empty);
    };
    let needed = message.len - message.offset;
    let capacity = buffer.len();
    let Some(to) = buffer.get_mut(..needed) else {
        return Err(TryRecvError::BufferTooSmall { needed, capacity });
    };
    copy(side, at_hand, message, to);
    finish(side, at_hand);
    Ok(needed)
}

/// Copies from the message's offset on; `to` is at most as long as what is left.
#[inline]
pub(super) fn copy<C: Consumer>(side: &C, at_hand: &AtHand, message: &Current, to: &mut [u8]) {
    match message.bytes {
        Bytes::Inline | Bytes::LentInline => {
            let (_, payload) = at_hand.operands.split_at(inline::PAYLOAD);
            if let Some(from) = payload.as_bytes().get(message.offset..) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
            }
        }
        Bytes::Buffer | Bytes::Lent => {
            let buffer = side.buffers().at(message.position);
            buffer.copy_out(message.start(), to);
        }
    }
}

/// Ends the message at hand: the next one of its run becomes that, and where it was the last its
/// packet goes back to the senders.
#[inline]
pub(super) fn finish<C: Consumer>(side: &mut C, at_hand: &mut AtHand) {
    // In place, as there may be many more of the same run.
    let Some(message) = &mut at_hand.message else {
        return;
    };
    let (position, len) = (message.position, message.len);
    if !message.advance() {
        at_hand.message = None;
        side.release(position);
    }
    side.count(Event::Message(len));
}

/// Ends what is at hand with all that follows it in its run: the packet goes back to the senders.
#[inline]
pub(super) fn finish_packet<C: Consumer>(side: &mut C, at_hand: &mut AtHand) {
    if let Some(message) = at_hand.message.take() {
        side.release(message.position);
        side.count(Event::Message(message.len));
    }
}
