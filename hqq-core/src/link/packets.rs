//! Whole packets over a link, for protocols on top of it such as [`advanced`](crate::advanced).

use super::WriteGrant;
use super::at_hand::{Bytes, Current};
use super::error::{GrantError, TryRecvError, TrySendError};
use super::receive_path::{self, SHORT_WAYS};
use super::receiver::Receiver;
use super::send_path::filled;
use super::sender::Sender;
use crate::counters::Event;
use crate::packet::standard::check_size;
use crate::packet::{
    self, ConnectionCopy, Opcode, Packet, PacketError, Sound, StandardRun, inline, run,
};
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{Claimed, Consumer, Producer};

impl<P: Producer> Sender<P> {
    /// Sends a packet that has no bytes in its buffer, if a slot is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    pub fn try_send_packet(&mut self, packet: &Packet) -> Result<(), TrySendError> {
        self.try_send_sound(&packet.into())
    }

    /// As [`Sender::try_send_packet`].
    pub(crate) fn try_send_sound(&mut self, packet: &Sound) -> Result<(), TrySendError> {
        let position = self.claim(true)?;
        self.publish_packet(position, packet.opcode, &packet.operands);
        Ok(())
    }

    /// Sends a chunk of a message, which is `len` bytes and no more than a buffer has, if a slot is free;
    /// `fill` copies it into the buffer.
    pub(crate) fn try_send_chunk_with(
        &mut self,
        packet: &ConnectionCopy,
        len: usize,
        fill: impl FnOnce(Buffer<'_>),
    ) -> Result<(), TrySendError> {
        let position = self.claim(true)?;
        filled(&mut self.side, position, P::CLAIMS, |side| {
            fill(side.buffers().at(position))
        });
        self.publish_packet(position, ConnectionCopy::OPCODE, &packet.operands());
        self.side.count(Event::Message(len));
        Ok(())
    }

    /// Sends a chunk of a message, which `packet` describes, if a slot is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`]; [`TrySendError::TooLong`] also where `bytes` are not as many as
    /// `packet` says.
    pub fn try_send_chunk(
        &mut self,
        packet: ConnectionCopy,
        bytes: &[u8],
    ) -> Result<(), TrySendError> {
        let (len, said) = (bytes.len(), packet.chunk().chunk_size);
        let max = self.max_message_size();
        if len as u64 != said || len > max {
            let said = usize::try_from(said).unwrap_or(usize::MAX);
            let max = max.min(said);
            return Err(TrySendError::TooLong { len, max });
        }
        self.try_send_chunk_with(&packet, len, |buffer| {
            buffer.copy_in(0, bytes);
        })
    }

    fn publish_packet(&mut self, position: Position, opcode: Opcode, operands: &[u64; 7]) {
        self.side.publish(position, opcode.as_byte(), operands);
    }
}

impl<P: Producer> WriteGrant<'_, P> {
    /// Sends the chunk that was copied into the buffer, of the size that `packet` says.
    ///
    /// # Errors
    /// [`GrantError::TooLong`] where a buffer has fewer bytes; a tombstone is sent then.
    pub fn commit_chunk(self, packet: ConnectionCopy) -> Result<(), GrantError> {
        match packet.check_bounds(self.capacity()) {
            Ok(len) => {
                let packet = Packet::from(packet);
                self.commit_as(packet.opcode(), &packet.operands(), len);
                Ok(())
            }
            Err(_) => self.commit(usize::MAX),
        }
    }
}

/// A packet that was claimed and not released yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    position: Position,
    /// Bytes in its buffer; at most the buffer's size.
    len: usize,
}

impl Claim {
    /// Bytes in its buffer.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[cfg(not(loom))]
    pub(super) const fn position(&self) -> Position {
        self.position
    }
}

/// A claimed packet, decoded.
pub(crate) enum Decoded {
    /// None yet.
    Nothing,
    /// A chunk of a message.
    Chunk(ConnectionCopy),
    /// Any one but a tombstone.
    Other(Sound),
}

impl Decoded {
    /// The length of the message inside it, if one is, and its operands.
    fn inside(&self) -> Option<(usize, [u64; 7])> {
        match self {
            Self::Other(Sound {
                opcode: Opcode::StandardInline,
                operands,
            }) => Some((usize::try_from(operands[1]).ok()?, *operands)),
            _ => None,
        }
    }
}

impl<C: Consumer> Receiver<C> {
    /// The next packet, whatever it is, with the bytes in its buffer. Tombstones are skipped.
    ///
    /// Messages that other calls have claimed and not received come first: those that are left of a run
    /// together, as a run; one message, such as was too long for a buffer, as a packet with it alone. A message of
    /// which [`Receiver::try_read`] gave a part is over.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; a malformed packet is taken out of the ring.
    pub fn try_next_packet(&mut self) -> Result<PacketGrant<'_, C>, TryRecvError> {
        if self.at_hand.message.is_some() {
            self.end_begun();
        }
        let mut packet = Decoded::Nothing;
        let mut in_doubt = false;
        if self.at_hand.message.is_none() {
            let at_hand = &mut self.at_hand;
            let claim = receive_path::claim_as(&mut self.side, true, |side, claimed| {
                if claimed.taken != 0 && claimed.header == Opcode::StandardRun.as_word() {
                    // A receiver that has left took some of its messages.
                    let opened = receive_path::open_next(side, claimed, at_hand)?;
                    return Ok(opened.map(|()| None));
                }
                in_doubt = claimed.in_doubt;
                Self::decode_next(side, claimed, &mut packet).map(|claim| claim.map(Some))
            })?;
            if let Some(claim) = claim {
                let lent = self.lend(&packet, claim);
                // Should it be leaked, its bytes are at hand, and in doubt where they are now.
                let at_hand = &mut lent.receiver.at_hand;
                if let Some(current) = &mut at_hand.message {
                    current.in_doubt = in_doubt;
                    if let Some((len, operands)) = packet.inside() {
                        (current.bytes, current.len) = (Bytes::LentInline, len);
                        at_hand.operands = operands;
                        at_hand.keep_inside();
                    }
                }
                return Ok(lent);
            }
        }
        match self.at_hand.message {
            Some(rest) => Ok(self.lend_rest(rest)),
            // Cannot be: nothing was found above.
            None => Err(TryRecvError::Empty),
        }
    }

    /// Ends the message at hand where some of it was read, and the packet at hand where it was lent.
    #[cold]
    #[inline(never)]
    fn end_begun(&mut self) {
        match self.at_hand.message {
            Some(current) if current.bytes.is_lent() => self.finish_packet(),
            Some(current) if current.offset > 0 => self.finish(),
            _ => {}
        }
    }

    /// A claimed packet, given back when its borrower drops it.
    #[inline]
    pub(super) fn lend(&mut self, packet: &Decoded, claim: Claim) -> PacketGrant<'_, C> {
        self.hold_packet(&claim);
        PacketGrant {
            receiver: self,
            packet: match packet {
                Decoded::Chunk(copy) => (*copy).into(),
                Decoded::Other(packet) => packet.packet(),
                // Never lent.
                Decoded::Nothing => Sound::EMPTY.packet(),
            },
            claim,
            start: 0,
        }
    }

    /// The message at hand and those after it in its run, in a packet of their own.
    #[cold]
    #[inline(never)]
    fn lend_rest(&mut self, rest: Current) -> PacketGrant<'_, C> {
        let Current {
            position,
            len,
            more,
            ..
        } = rest;
        let [copy_id, slot_index, ..] = self.at_hand.operands;
        let (packet, bytes) = match rest.bytes {
            Bytes::Inline | Bytes::LentInline => {
                let payload = self.at_hand.inside(&rest);
                let packet = (Opcode::StandardInline, inline::operands(copy_id, payload));
                (packet, Bytes::LentInline)
            }
            _ if self.side.carries_inline() => {
                let run = run::operand(len, usize::from(more) + 1);
                let packet = (Opcode::StandardRun, [run, 0, 0, 0, 0, 0, 0]);
                (packet, Bytes::Lent)
            }
            _ => {
                let copy = [copy_id, slot_index, len as u64, 0, 0, 0, 0];
                ((Opcode::StandardCopy, copy), Bytes::Lent)
            }
        };
        self.at_hand.message = Some(Current { bytes, ..rest });
        // Of what is in the packet, nothing is in the buffer.
        let len = match bytes {
            Bytes::LentInline => 0,
            _ => len * (usize::from(more) + 1),
        };
        let (opcode, operands) = packet;
        PacketGrant {
            receiver: self,
            packet: Sound { opcode, operands }.packet(),
            claim: Claim { position, len },
            start: rest.start(),
        }
    }

    /// Claims the next packet but tombstones, and puts it into `packet`. What is at hand is dropped.
    // In place: where programs have to be small, moving it takes more of them than looking at it.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(crate) fn claim_packet(&mut self, packet: &mut Decoded) -> Result<Claim, TryRecvError> {
        // Datagrams that were begun by other calls of this receiver, or a packet that was lent and leaked.
        self.finish_packet();
        self.claim_as(true, |side, claimed| {
            Self::decode_next(side, claimed, packet)
        })
    }

    /// A claimed packet; `None` for a tombstone.
    #[inline]
    fn decode_next(
        side: &C,
        claimed: &Claimed,
        packet: &mut Decoded,
    ) -> Result<Option<Claim>, TryRecvError> {
        let position = claimed.position;
        side.buffers().at(position).prefetch();
        Self::decode(side, claimed, side.operands::<0>(position), packet)
    }

    /// A claimed packet with these operands; `None` for a tombstone.
    #[inline]
    pub(super) fn decode(
        side: &C,
        claimed: &Claimed,
        operands: [u64; 7],
        packet: &mut Decoded,
    ) -> Result<Option<Claim>, TryRecvError> {
        let position = claimed.position;
        let malformed = TryRecvError::Malformed;
        // A way of their own for chunks, but where programs have to be small.
        if SHORT_WAYS && claimed.header == ConnectionCopy::OPCODE.as_word() {
            let copy = ConnectionCopy::from_operands(&operands).map_err(malformed)?;
            let size = side.buffers().size();
            let len = copy.check_bounds(size).map_err(malformed)?;
            *packet = Decoded::Chunk(copy);
            return Ok(Some(Claim { position, len }));
        }
        let other = Self::check_other(side, claimed.header, &operands)?;
        Ok(other.map(|(opcode, len)| {
            *packet = Decoded::Other(Sound { opcode, operands });
            Claim { position, len }
        }))
    }

    /// Any packet, and the bytes in its buffer; `None` for a tombstone.
    // Kept out of the way of chunks.
    #[inline(never)]
    fn check_other(
        side: &C,
        header: u64,
        operands: &[u64; 7],
    ) -> Result<Option<(Opcode, usize)>, TryRecvError> {
        let malformed = TryRecvError::Malformed;
        let opcode = Opcode::from_word(header).map_err(malformed)?;
        let of_format_2 = matches!(opcode, Opcode::StandardInline | Opcode::StandardRun);
        if of_format_2 && !side.carries_inline() {
            return Err(malformed(PacketError::UnknownOpcode(opcode.as_byte())));
        }
        if let Some(fault) = packet::fault(opcode, operands) {
            return Err(malformed(fault));
        }
        let [_, inline, copied, _, chunk, ..] = *operands;
        let (size, minimum) = match opcode {
            Opcode::StandardTombstone => return Ok(None),
            Opcode::StandardInline => (inline, 0),
            Opcode::StandardCopy => (copied, 1),
            Opcode::ConnectionCopy => (chunk, 0),
            Opcode::StandardRun => (StandardRun::sound(operands).total(), 1),
            _ => (0, 0),
        };
        let len = check_size(size, minimum, side.buffers().size()).map_err(malformed)?;
        // It lies in the packet, but is bounded by a buffer, too.
        let is_inside = opcode == Opcode::StandardInline;
        Ok(Some((opcode, if is_inside { 0 } else { len })))
    }

    #[inline]
    pub(crate) fn copy_packet(&self, claim: &Claim, at: usize, to: &mut [u8]) -> usize {
        self.copy_part(claim, 0, at, to)
    }

    /// As [`Receiver::copy_packet`], where the packet's bytes begin at `start` of the buffer.
    #[inline]
    fn copy_part(&self, claim: &Claim, start: usize, at: usize, to: &mut [u8]) -> usize {
        let at = at.min(claim.len);
        let len = to.len().min(claim.len - at);
        to.get_mut(..len).map_or(0, |to| {
            let buffer = self.side.buffers().at(claim.position);
            buffer.copy_out(start + at, to)
        })
    }

    #[inline]
    pub(crate) fn release_packet(&mut self, claim: &Claim) {
        self.side.release(claim.position);
        self.side.count(Event::Message(claim.len));
    }

    /// Makes a claimed packet the one at hand: should its borrower leak it, the next claim gives it
    /// back.
    #[inline]
    pub(crate) const fn hold_packet(&mut self, claim: &Claim) {
        self.at_hand.message = Some(Current {
            position: claim.position,
            bytes: Bytes::Lent,
            len: claim.len,
            offset: 0,
            in_doubt: false,
            taken: 0,
            more: 0,
            _filler: [0; 3],
        });
    }
}

/// A received packet and the bytes in its buffer. Dropping it releases the buffer. Leaking it leaves that to the next
/// [`Receiver::try_next_packet`], or to the receiver's end; other calls give the bytes once more, as a message, which
/// is empty where the packet is none and has none.
pub struct PacketGrant<'a, C: Consumer> {
    receiver: &'a mut Receiver<C>,
    packet: Packet,
    claim: Claim,
    /// Where its bytes begin in the buffer.
    start: usize,
}

impl<C: Consumer> PacketGrant<'_, C> {
    /// The packet, a checked copy.
    #[must_use]
    pub const fn packet(&self) -> &Packet {
        &self.packet
    }

    /// Bytes in its buffer.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.claim.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.claim.len == 0
    }

    /// Copies the bytes from `at` on into `to`, as many as fit; says how many.
    pub fn copy_to(&self, at: usize, to: &mut [u8]) -> usize {
        self.receiver.copy_part(&self.claim, self.start, at, to)
    }
}

impl<C: Consumer> Drop for PacketGrant<'_, C> {
    fn drop(&mut self) {
        self.receiver.at_hand.message = None;
        self.receiver.release_packet(&self.claim);
    }
}
