//! The packets by which two sides agree on a version, features and capabilities.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bits::bit_set;
use super::wire::{non_zero, packet_layout};
use super::{OPERANDS, Opcode, PacketError};

/// Version of the advanced protocol. Ordered by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProtocolVersion {
    /// Changes when peers of different versions cannot talk.
    pub major: u8,
    /// Changes when something is added that the other side can do without.
    pub minor: u8,
}

impl ProtocolVersion {
    /// The version that this crate speaks.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// The version as it stands in the operand: `major << 8 | minor`.
    #[inline]
    #[must_use]
    pub const fn as_word(self) -> u64 {
        (self.major as u64) << 8 | self.minor as u64
    }

    /// The version in an operand.
    ///
    /// # Errors
    ///
    /// [`PacketError::ReservedBits`] (of word 1, where versions stand) when the upper 48 bits
    /// are not zero.
    #[inline]
    pub const fn from_word(word: u64) -> Result<Self, PacketError> {
        let reserved = word & !0xFFFF;
        if reserved != 0 {
            return Err(PacketError::ReservedBits {
                word: 1,
                value: reserved,
            });
        }
        Ok(Self::of_low_bits(word))
    }

    #[inline]
    const fn of_low_bits(word: u64) -> Self {
        let [minor, major, ..] = word.to_le_bytes();
        Self { major, minor }
    }
}

bit_set! {
    /// What the two sides can do with each other. Unknown bits are legal, and kept.
    Features {
        /// Messages longer than one buffer.
        LARGE_COPY = 1,
        /// Requests and responses.
        REQUEST_RESPONSE = 2,
        /// [`ConnectionCredit`](super::ConnectionCredit): a stream that nobody reads stops alone
        /// (format 2 only).
        CREDIT = 4,
        /// Messages that are begun before their size is known (format 2 only).
        UNKNOWN_SIZE = 8,
    }
}

bit_set! {
    /// What a side is good at: hints only. Unknown bits are legal, and kept.
    Capabilities {
        /// Large buffers.
        LARGE_BUFFERS = 1,
        /// Many chunks in a row.
        HIGH_THROUGHPUT = 2,
        /// Short round trips.
        LOW_LATENCY = 4,
    }
}

impl Features {
    /// What HQQ-Go 1.0 has, and all that a region of format 1 can have.
    pub const FORMAT_1: Self = Self(Self::LARGE_COPY.0 | Self::REQUEST_RESPONSE.0);

    /// The set with these bits, known or not.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Capabilities {
    /// The set with these bits, known or not.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// The 64 bytes of a [`Negotiate`].
///
/// ```text
///      0       8       16      24      32                              64
///     +-------+-------+-------+-------+-------------------------------+
///     | 0x05  |version|featur.|capab. | unused, zero                  |
///     +-------+-------+-------+-------+-------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct NegotiateWire {
    /// Word 0: [`Opcode::Negotiate`].
    pub header: U64,
    /// Operand 0: `major << 8 | minor`.
    pub version: U64,
    /// Operand 1: [`Features`].
    pub features: U64,
    /// Operand 2: [`Capabilities`].
    pub capabilities: U64,
    /// Operands 3–6: zero.
    pub unused: [U64; 4],
}

packet_layout!(
    Negotiate,
    NegotiateWire {
        header: 0,
        version: 8,
        features: 16,
        capabilities: 24,
        unused: 32,
    }
);

/// Offers a version, features and capabilities (PROTOCOL.md, Packets).
///
/// ```
/// use hqq_core::packet::{Capabilities, Features, Negotiate, Packet, ProtocolVersion};
///
/// let offer = Negotiate {
///     version: ProtocolVersion::CURRENT,
///     features: Features::FORMAT_1,
///     capabilities: Capabilities::LOW_LATENCY,
/// };
/// assert_eq!(Packet::from(offer).encode(), [5, 0x0100, 3, 4, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Negotiate {
    /// The newest version that the sender speaks.
    pub version: ProtocolVersion,
    /// The features that the sender has.
    pub features: Features,
    /// The capabilities that the sender has.
    pub capabilities: Capabilities,
}

impl Negotiate {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::Negotiate;
}

impl Negotiate {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [
            self.version.as_word(),
            self.features.bits(),
            self.capabilities.bits(),
            0,
            0,
            0,
            0,
        ]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [version, ..] = *operands;
        non_zero::<3>(operands).or_else(|| ProtocolVersion::from_word(version).err())
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [version, features, capabilities, ..] = *operands;
        Self {
            version: ProtocolVersion::of_low_bits(version),
            features: Features::from_bits(features),
            capabilities: Capabilities::from_bits(capabilities),
        }
    }
}

/// The 64 bytes of a [`NegotiateAck`].
///
/// ```text
///      0       8       16      24      32                              64
///     +-------+-------+-------+-------+-------------------------------+
///     | 0x06  |version|featur.|capab. | unused, zero                  |
///     +-------+-------+-------+-------+-------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct NegotiateAckWire {
    /// Word 0: [`Opcode::NegotiateAck`].
    pub header: U64,
    /// Operand 0: `major << 8 | minor`.
    pub version: U64,
    /// Operand 1: [`Features`].
    pub features: U64,
    /// Operand 2: [`Capabilities`].
    pub capabilities: U64,
    /// Operands 3–6: zero.
    pub unused: [U64; 4],
}

packet_layout!(
    NegotiateAck,
    NegotiateAckWire {
        header: 0,
        version: 8,
        features: 16,
        capabilities: 24,
        unused: 32,
    }
);

/// Accepts a version, features and capabilities out of a [`Negotiate`]'s (PROTOCOL.md, Packets).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NegotiateAck {
    /// The version that both sides speak from now on.
    pub version: ProtocolVersion,
    /// The features that both sides have.
    pub features: Features,
    /// The capabilities that both sides have.
    pub capabilities: Capabilities,
}

impl NegotiateAck {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::NegotiateAck;
}

impl NegotiateAck {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [
            self.version.as_word(),
            self.features.bits(),
            self.capabilities.bits(),
            0,
            0,
            0,
            0,
        ]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [version, ..] = *operands;
        non_zero::<3>(operands).or_else(|| ProtocolVersion::from_word(version).err())
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [version, features, capabilities, ..] = *operands;
        Self {
            version: ProtocolVersion::of_low_bits(version),
            features: Features::from_bits(features),
            capabilities: Capabilities::from_bits(capabilities),
        }
    }
}
