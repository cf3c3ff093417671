//! The Error packet: something that the peer asked for failed.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{non_zero, packet_layout};
use super::{ErrorCode, OPERANDS, Opcode, PacketError};

/// The 64 bytes of an [`ErrorPacket`].
///
/// ```text
///      0       8       16      24                                     64
///     +-------+-------+-------+--------------------------------------+
///     | 0x00  |context| code  | unused, zero                         |
///     +-------+-------+-------+--------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ErrorPacketWire {
    /// Word 0: [`Opcode::Error`].
    pub header: U64,
    /// Operand 0: what failed.
    pub context_id: U64,
    /// Operand 1: an [`ErrorCode`]'s number.
    pub code: U64,
    /// Operands 2–6: zero.
    pub unused: [U64; 5],
}

packet_layout!(
    ErrorPacket,
    ErrorPacketWire {
        header: 0,
        context_id: 8,
        code: 16,
        unused: 24,
    }
);

/// Something that the peer asked for failed (PROTOCOL.md, Packets).
///
/// ```
/// use hqq_core::packet::{ErrorCode, ErrorPacket, Packet};
///
/// let refused = ErrorPacket { context_id: 3, code: ErrorCode::ConnectionNotFound };
/// assert_eq!(Packet::Error(refused).encode(), [0, 3, 5, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ErrorPacket {
    /// What failed: a connection id, or 0 for the link itself.
    pub context_id: u64,
    /// How it failed.
    pub code: ErrorCode,
}

impl ErrorPacket {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::Error;
}

impl ErrorPacket {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.context_id, self.code.as_code(), 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [_, code, ..] = *operands;
        non_zero::<2>(operands).or_else(|| ErrorCode::from_code(code).err())
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [context_id, code, ..] = *operands;
        Self {
            context_id,
            // Checked before, so that there is one.
            code: ErrorCode::from_code(code).unwrap_or(ErrorCode::InvalidOperation),
        }
    }
}
