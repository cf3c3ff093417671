//! The packet that makes room for more of a stream.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{packet_layout, require_zero};
use super::{Opcode, PacketError};

/// The 64 bytes of a [`ConnectionCredit`].
///
/// ```text
///      0       8       16      24                                      64
///     +-------+-------+-------+---------------------------------------+
///     | 0x07  |conn id| bytes | unused, zero                          |
///     +-------+-------+-------+---------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConnectionCreditWire {
    /// Word 0: [`Opcode::ConnectionCredit`].
    pub header: U64,
    /// Operand 0: the stream, or 0 for the link itself.
    pub connection_id: U64,
    /// Operand 1: how many bytes more may be sent on it.
    pub bytes: U64,
    /// Operands 2–6: zero.
    pub unused: [U64; 5],
}

packet_layout!(
    ConnectionCredit,
    ConnectionCreditWire {
        header: 0,
        connection_id: 8,
        bytes: 16,
        unused: 24,
    }
);

/// The receiver of a stream has taken this many bytes off it (PROTOCOL.md, Packets). Only peers
/// that agreed on [`Features::CREDIT`](super::Features::CREDIT) send it.
///
/// ```
/// use hqq_core::packet::{ConnectionCredit, Packet};
///
/// let credit = ConnectionCredit { connection_id: 3, bytes: 4096 };
/// assert_eq!(Packet::from(credit).encode(), [7, 3, 4096, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionCredit {
    /// The stream, or 0 for the link itself.
    pub connection_id: u64,
    /// How many bytes more may be sent on it.
    pub bytes: u64,
}

impl ConnectionCredit {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::ConnectionCredit;
}

impl From<ConnectionCredit> for ConnectionCreditWire {
    #[inline]
    fn from(packet: ConnectionCredit) -> Self {
        Self {
            header: U64::new(ConnectionCredit::OPCODE.as_word()),
            connection_id: U64::new(packet.connection_id),
            bytes: U64::new(packet.bytes),
            unused: [U64::ZERO; 5],
        }
    }
}

impl TryFrom<ConnectionCreditWire> for ConnectionCredit {
    type Error = PacketError;

    #[inline]
    fn try_from(wire: ConnectionCreditWire) -> Result<Self, PacketError> {
        Self::OPCODE.require(wire.header.get())?;
        require_zero(3, &wire.unused)?;
        Ok(Self {
            connection_id: wire.connection_id.get(),
            bytes: wire.bytes.get(),
        })
    }
}
