//! The standard link's packets: a datagram in a slot's buffer, and a slot without one.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{packet_layout, require_zero};
use super::{ErrorPacket, OPERANDS, Opcode, PacketError, Reason, StandardInline, StandardRun};

/// The 64 bytes of a [`StandardCopy`].
///
/// ```text
///      0       8       16      24      32                              64
///     +-------+-------+-------+-------+-------------------------------+
///     | 0xFF  |copy id| slot  | size  | unused, zero                  |
///     +-------+-------+-------+-------+-------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct StandardCopyWire {
    /// Word 0: [`Opcode::StandardCopy`].
    pub header: U64,
    /// Operand 0: the datagram's id.
    pub copy_id: U64,
    /// Operand 1: index of the packet's slot.
    pub slot_index: U64,
    /// Operand 2: bytes in the slot's buffer.
    pub data_size: U64,
    /// Operands 3–6: zero.
    pub unused: [U64; 4],
}

packet_layout!(
    StandardCopy,
    StandardCopyWire {
        header: 0,
        copy_id: 8,
        slot_index: 16,
        data_size: 24,
        unused: 32,
    }
);

/// A datagram that lies at the start of the slot's buffer (PROTOCOL.md, Packets).
///
/// The two bounds that depend on the region are not part of decoding: see
/// [`check_bounds`](Self::check_bounds) for the size; the slot index is never to be used at all.
///
/// ```
/// use hqq_core::packet::{Packet, PacketError, StandardCopy};
///
/// let hello = StandardCopy { copy_id: 1, slot_index: 0, data_size: 9 };
/// assert_eq!(Packet::StandardCopy(hello).encode(), [0xFF, 1, 0, 9, 0, 0, 0, 0]);
/// assert_eq!(hello.check_bounds(16), Ok(9));
/// assert!(matches!(hello.check_bounds(8), Err(PacketError::Size { size: 9, .. })));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StandardCopy {
    /// Id of the datagram; counts up from 1 per endpoint.
    pub copy_id: u64,
    /// Index of the packet's slot, for people who look at the region. A receiver uses the index
    /// of the slot that it claimed instead.
    pub slot_index: u64,
    /// Size of the datagram in the slot's buffer, in bytes.
    pub data_size: u64,
}

impl StandardCopy {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::StandardCopy;

    /// The datagram's size, once it is known to lie in a buffer of `buffer_size` bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Size`] unless `1 <= data_size <= buffer_size`.
    #[inline]
    pub fn check_bounds(&self, buffer_size: usize) -> Result<usize, PacketError> {
        check_size(self.data_size, 1, buffer_size)
    }
}

impl StandardCopy {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.copy_id, self.slot_index, self.data_size, 0, 0, 0, 0]
    }

    #[inline]
    fn read(operands: &[u64; OPERANDS]) -> Result<Self, PacketError> {
        let [copy_id, slot_index, data_size, unused @ ..] = operands;
        require_zero(4, unused)?;
        Ok(Self {
            copy_id: *copy_id,
            slot_index: *slot_index,
            data_size: *data_size,
        })
    }
}

/// The 64 bytes of a [`StandardTombstone`].
///
/// ```text
///      0       8       16      24      32                              64
///     +-------+-------+-------+-------+-------------------------------+
///     | 0xFE  |copy id| slot  |reason | unused, zero                  |
///     +-------+-------+-------+-------+-------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct StandardTombstoneWire {
    /// Word 0: [`Opcode::StandardTombstone`].
    pub header: U64,
    /// Operand 0: id of the datagram that was not sent.
    pub copy_id: U64,
    /// Operand 1: index of the packet's slot.
    pub slot_index: U64,
    /// Operand 2: a [`Reason`]'s number.
    pub reason: U64,
    /// Operands 3–6: zero.
    pub unused: [U64; 4],
}

packet_layout!(
    StandardTombstone,
    StandardTombstoneWire {
        header: 0,
        copy_id: 8,
        slot_index: 16,
        reason: 24,
        unused: 32,
    }
);

/// A slot that was claimed and holds no datagram; receivers skip it (PROTOCOL.md, Packets).
///
/// ```
/// use hqq_core::packet::{ErrorCode, Packet, StandardTombstone};
///
/// let aborted = StandardTombstone {
///     copy_id: 2,
///     slot_index: 1,
///     reason: ErrorCode::InvalidSize.into(),
/// };
/// assert_eq!(Packet::from(aborted).encode(), [0xFE, 2, 1, 2, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StandardTombstone {
    /// Id of the datagram that was not sent.
    pub copy_id: u64,
    /// Index of the packet's slot, for people who look at the region.
    pub slot_index: u64,
    /// Why there is no datagram. Any number is legal.
    pub reason: Reason,
}

impl StandardTombstone {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::StandardTombstone;
}

impl StandardTombstone {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [self.copy_id, self.slot_index, self.reason.get(), 0, 0, 0, 0]
    }

    #[inline]
    fn read(operands: &[u64; OPERANDS]) -> Result<Self, PacketError> {
        let [copy_id, slot_index, reason, unused @ ..] = operands;
        require_zero(4, unused)?;
        Ok(Self {
            copy_id: *copy_id,
            slot_index: *slot_index,
            reason: Reason::new(*reason),
        })
    }
}

/// A packet that the standard link takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Standard {
    /// A datagram in the slot's buffer.
    Copy(StandardCopy),
    /// Datagrams of one size in the slot's buffer.
    Run(StandardRun),
    /// A datagram in the packet.
    Inline(StandardInline),
    /// No datagram: skip the slot.
    Tombstone(StandardTombstone),
    /// The peer reports an error.
    Error(ErrorPacket),
}

/// Decodes a packet of the standard link from its word 0 without a stamp, the header, and operands
/// 0–6 (host-order values).
///
/// # Errors
///
/// [`PacketError::NotStandard`] for a packet of the advanced protocol,
/// [`PacketError::UnknownOpcode`], [`PacketError::ReservedBits`], or the operand that breaks one of its packet's rules.
///
/// ```
/// use hqq_core::packet::standard::{self, Standard, StandardCopy};
///
/// assert_eq!(
///     standard::decode(0xFF, &[1, 0, 9, 0, 0, 0, 0]),
///     Ok(Standard::Copy(StandardCopy { copy_id: 1, slot_index: 0, data_size: 9 })),
/// );
/// ```
// Always: called as a function, it would return each packet through memory.
#[inline(always)]
pub fn decode(header: u64, operands: &[u64; OPERANDS]) -> Result<Standard, PacketError> {
    match Opcode::from_word(header)? {
        Opcode::StandardCopy => StandardCopy::from_operands(operands).map(Standard::Copy),
        Opcode::StandardRun => StandardRun::from_operands(operands).map(Standard::Run),
        Opcode::StandardInline => StandardInline::from_operands(operands).map(Standard::Inline),
        Opcode::StandardTombstone => {
            StandardTombstone::from_operands(operands).map(Standard::Tombstone)
        }
        Opcode::Error => ErrorPacket::from_operands(operands).map(Standard::Error),
        other => Err(PacketError::NotStandard(other)),
    }
}

/// The size of the datagram of a [`StandardCopy`] with these operands, in a buffer of `buffer_size`
/// bytes; `None` where [`decode`] or [`StandardCopy::check_bounds`] would refuse it.
///
/// The same rules in fewer steps, for the way that most packets take. Operands 0 and 1 do not matter.
#[inline]
pub(crate) fn copy_len(operands: &[u64; OPERANDS], buffer_size: usize) -> Option<usize> {
    let [_, _, size, a, b, c, d] = *operands;
    if a | b | c | d != 0 {
        return None;
    }
    // One comparison for both bounds: 0 wraps around.
    if size.wrapping_sub(1) >= buffer_size as u64 {
        return None;
    }
    usize::try_from(size).ok()
}

/// `size` as an index, once it is known to be within `minimum..=maximum`.
// Where programs have to be small, one function for all packets.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn check_size(size: u64, minimum: u64, maximum: usize) -> Result<usize, PacketError> {
    match usize::try_from(size) {
        Ok(index) if size >= minimum && index <= maximum => Ok(index),
        _ => Err(PacketError::Size {
            size,
            minimum,
            maximum: maximum as u64,
        }),
    }
}
