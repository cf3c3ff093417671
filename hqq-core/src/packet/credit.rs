//! The packet that makes room for more of a stream.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{non_zero, packet_layout};
use super::{OPERANDS, Opcode, PacketError};

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

impl ConnectionCredit {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.connection_id, self.bytes, 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<2>(operands)
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [connection_id, bytes, ..] = *operands;
        Self {
            connection_id,
            bytes,
        }
    }
}
