//! Whole packets over a link, for protocols on top of it such as [`advanced`](crate::advanced).

use super::error::{GrantError, TryRecvError, TrySendError};
use super::receiver::{Bytes, Current, Receiver};
use super::sender::{Sender, WriteGrant};
use crate::counters::Event;
use crate::packet::{ConnectionCopy, Opcode, Packet, PacketError};
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{Consumer, Producer};

impl<P: Producer> Sender<P> {
    /// Sends a packet that has no bytes in its buffer, if a slot is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    pub fn try_send_packet(&mut self, packet: &Packet) -> Result<(), TrySendError> {
        let position = self.claim(true)?;
        self.publish_packet(position, packet);
        Ok(())
    }

    /// Sends a chunk of a message, of the size that `packet` says, if a slot is free; `fill` copies
    /// it into the buffer.
    pub(crate) fn try_send_chunk_with(
        &mut self,
        packet: ConnectionCopy,
        fill: impl FnOnce(Buffer<'_>),
    ) -> Result<(), TrySendError> {
        let len =
            packet
                .check_bounds(self.max_message_size())
                .map_err(|_| TrySendError::TooLong {
                    len: usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX),
                    max: self.max_message_size(),
                })?;
        let position = self.claim(true)?;
        fill(self.side.buffers().at(position));
        self.publish_packet(position, &packet.into());
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
        if bytes.len() as u64 != packet.chunk().chunk_size {
            return Err(TrySendError::TooLong {
                len: bytes.len(),
                max: usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX),
            });
        }
        self.try_send_chunk_with(packet, |buffer| {
            buffer.copy_in(0, bytes);
        })
    }

    fn publish_packet(&mut self, position: Position, packet: &Packet) {
        let opcode = packet.opcode().as_byte();
        self.side.publish(position, opcode, &packet.operands());
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

/// A packet that was claimed, decoded and not released yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimedPacket {
    position: Position,
    pub(crate) packet: Packet,
    /// Bytes in its buffer; at most the buffer's size.
    len: usize,
}

impl ClaimedPacket {
    /// Bytes in its buffer.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl<C: Consumer> Receiver<C> {
    /// The next packet, whatever it is, with the bytes in its buffer. Tombstones are skipped.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; a malformed packet is taken out of the ring.
    pub fn try_next_packet(&mut self) -> Result<PacketGrant<'_, C>, TryRecvError> {
        let claimed = self.claim_packet()?;
        Ok(self.packet_grant(claimed))
    }

    const fn packet_grant(&mut self, claimed: ClaimedPacket) -> PacketGrant<'_, C> {
        self.hold_packet(&claimed);
        PacketGrant {
            receiver: self,
            claimed,
        }
    }

    pub(crate) fn claim_packet(&mut self) -> Result<ClaimedPacket, TryRecvError> {
        // A message that was begun by other calls of this receiver is over, and so is a packet that
        // was lent and leaked.
        self.finish();
        self.claim_as(true, |receiver, claimed| {
            let operands = receiver.side.operands(claimed.position);
            let malformed = TryRecvError::Malformed;
            let opcode = Opcode::from_word(claimed.header).map_err(malformed)?;
            if opcode == Opcode::StandardInline && !receiver.side.carries_inline() {
                return Err(malformed(PacketError::UnknownOpcode(opcode.as_byte())));
            }
            let packet = Packet::decode_parts(opcode, &operands).map_err(malformed)?;
            let size = receiver.max_message_size();
            let len = match &packet {
                Packet::StandardTombstone(_) => return Ok(None),
                Packet::StandardCopy(copy) => copy.check_bounds(size).map_err(malformed)?,
                Packet::ConnectionCopy(copy) => copy.check_bounds(size).map_err(malformed)?,
                _ => 0,
            };
            Ok(Some(ClaimedPacket {
                position: claimed.position,
                packet,
                len,
            }))
        })
    }

    pub(crate) fn copy_packet(&self, claimed: &ClaimedPacket, at: usize, to: &mut [u8]) -> usize {
        let at = at.min(claimed.len);
        let len = to.len().min(claimed.len - at);
        to.get_mut(..len).map_or(0, |to| {
            self.side.buffers().at(claimed.position).copy_out(at, to)
        })
    }

    pub(crate) fn release_packet(&mut self, claimed: &ClaimedPacket) {
        self.side.release(claimed.position);
        self.side.count(Event::Message(claimed.len));
    }

    /// Makes a claimed packet the one at hand: should its borrower leak it, the next claim gives it
    /// back.
    pub(crate) const fn hold_packet(&mut self, claimed: &ClaimedPacket) {
        self.current = Some(Current {
            position: claimed.position,
            bytes: Bytes::Buffer,
            len: claimed.len,
            offset: 0,
            in_doubt: false,
        });
    }

    /// Gives the packet at hand back.
    pub(crate) fn finish_packet(&mut self) {
        self.finish();
    }
}

/// A received packet and the bytes in its buffer. Dropping it releases the buffer; leaking it leaves
/// that to the next call.
pub struct PacketGrant<'a, C: Consumer> {
    receiver: &'a mut Receiver<C>,
    claimed: ClaimedPacket,
}

impl<C: Consumer> PacketGrant<'_, C> {
    /// The packet, a checked copy.
    #[must_use]
    pub const fn packet(&self) -> &Packet {
        &self.claimed.packet
    }

    /// Bytes in its buffer.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.claimed.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.claimed.len == 0
    }

    /// Copies the bytes from `at` on into `to`, as many as fit; says how many.
    pub fn copy_to(&self, at: usize, to: &mut [u8]) -> usize {
        self.receiver.copy_packet(&self.claimed, at, to)
    }
}

impl<C: Consumer> Drop for PacketGrant<'_, C> {
    fn drop(&mut self) {
        self.receiver.finish();
    }
}
