//! The packets that open, accept and close a logical stream.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{non_zero, packet_layout};
use super::{OPERANDS, Opcode, PacketError, Reason};

/// The 64 bytes of a [`ConnectionCreate`].
///
/// ```text
///      0       8       16      24                                      64
///     +-------+-------+-------+---------------------------------------+
///     | 0x01  |conn id| flags | unused, zero                          |
///     +-------+-------+-------+---------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConnectionCreateWire {
    /// Word 0: [`Opcode::ConnectionCreate`].
    pub header: U64,
    /// Operand 0: the new stream.
    pub connection_id: U64,
    /// Operand 1: stream flags. None is defined: zero.
    pub stream_flags: [U64; 1],
    /// Operands 2–6: zero.
    pub unused: [U64; 5],
}

packet_layout!(
    ConnectionCreate,
    ConnectionCreateWire {
        header: 0,
        connection_id: 8,
        stream_flags: 16,
        unused: 24,
    }
);

/// Opens a logical stream (PROTOCOL.md, Packets).
///
/// The peer answers with [`ConnectionAccept`], or with an
/// [`ErrorPacket`](super::ErrorPacket) whose context is the connection id. Stream flags have no
/// field here because none is defined; decoding refuses them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionCreate {
    /// The new stream. Ids count up from 1; 0 is the link itself and cannot be opened, which is
    /// for the advanced protocol to check.
    pub connection_id: u64,
}

impl ConnectionCreate {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::ConnectionCreate;
}

impl ConnectionCreate {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.connection_id, 0, 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<1>(operands)
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [connection_id, ..] = *operands;
        Self { connection_id }
    }
}

/// The 64 bytes of a [`ConnectionAccept`].
///
/// ```text
///      0       8       16                                              64
///     +-------+-------+-----------------------------------------------+
///     | 0x02  |conn id| unused, zero                                  |
///     +-------+-------+-----------------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConnectionAcceptWire {
    /// Word 0: [`Opcode::ConnectionAccept`].
    pub header: U64,
    /// Operand 0: the accepted stream.
    pub connection_id: U64,
    /// Operands 1–6: zero.
    pub unused: [U64; 6],
}

packet_layout!(
    ConnectionAccept,
    ConnectionAcceptWire {
        header: 0,
        connection_id: 8,
        unused: 16,
    }
);

/// Answers [`ConnectionCreate`]: the stream is open (PROTOCOL.md, Packets).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionAccept {
    /// The accepted stream.
    pub connection_id: u64,
}

impl ConnectionAccept {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::ConnectionAccept;
}

impl ConnectionAccept {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.connection_id, 0, 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<1>(operands)
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [connection_id, ..] = *operands;
        Self { connection_id }
    }
}

/// The 64 bytes of a [`ConnectionClose`].
///
/// ```text
///      0       8       16      24                                      64
///     +-------+-------+-------+---------------------------------------+
///     | 0x03  |conn id|reason | unused, zero                          |
///     +-------+-------+-------+---------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConnectionCloseWire {
    /// Word 0: [`Opcode::ConnectionClose`].
    pub header: U64,
    /// Operand 0: the stream that has ended.
    pub connection_id: U64,
    /// Operand 1: a [`Reason`]'s number.
    pub reason: U64,
    /// Operands 2–6: zero.
    pub unused: [U64; 5],
}

packet_layout!(
    ConnectionClose,
    ConnectionCloseWire {
        header: 0,
        connection_id: 8,
        reason: 16,
        unused: 24,
    }
);

/// Ends a logical stream (PROTOCOL.md, Packets).
///
/// ```
/// use hqq_core::packet::{ConnectionClose, Packet, Reason};
///
/// let done = ConnectionClose { connection_id: 7, reason: Reason::NORMAL };
/// assert_eq!(Packet::from(done).encode(), [3, 7, 0, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionClose {
    /// The stream that has ended.
    pub connection_id: u64,
    /// Why it was closed. Any number is legal.
    pub reason: Reason,
}

impl ConnectionClose {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::ConnectionClose;
}

impl ConnectionClose {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.connection_id, self.reason.get(), 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<2>(operands)
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [connection_id, reason, ..] = *operands;
        Self {
            connection_id,
            reason: Reason::new(reason),
        }
    }
}
