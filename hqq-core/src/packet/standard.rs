//! The standard link's packets: a datagram in a slot's buffer, and a slot without one.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::wire::{non_zero, packet_layout};
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
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<3>(operands)
    }

    #[inline]
    pub(super) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [copy_id, slot_index, data_size, ..] = *operands;
        Self {
            copy_id,
            slot_index,
            data_size,
        }
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
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        non_zero::<3>(operands)
    }

    #[inline]
    pub(super) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [copy_id, slot_index, reason, ..] = *operands;
        Self {
            copy_id,
            slot_index,
            reason: Reason::new(reason),
        }
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
#[inline]
pub fn decode(header: u64, operands: &[u64; OPERANDS]) -> Result<Standard, PacketError> {
    let opcode = Opcode::from_word(header)?;
    if let Some(fault) = fault(opcode, operands) {
        return Err(fault);
    }
    Ok(match opcode {
        Opcode::StandardRun => Standard::Run(StandardRun::sound(operands)),
        Opcode::StandardInline => Standard::Inline(StandardInline::sound(operands)),
        Opcode::StandardTombstone => Standard::Tombstone(StandardTombstone::sound(operands)),
        Opcode::Error => Standard::Error(ErrorPacket::sound(operands)),
        // No other one is without a fault.
        _ => Standard::Copy(StandardCopy::sound(operands)),
    })
}

/// As [`packet::fault`](super::fault), of the packets that the Standard link takes.
#[inline]
pub(crate) fn fault(opcode: Opcode, operands: &[u64; OPERANDS]) -> Option<PacketError> {
    match opcode {
        Opcode::StandardCopy => StandardCopy::fault(operands),
        Opcode::StandardRun => StandardRun::fault(operands),
        Opcode::StandardInline => StandardInline::fault(operands),
        Opcode::StandardTombstone => StandardTombstone::fault(operands),
        Opcode::Error => ErrorPacket::fault(operands),
        other => Some(PacketError::NotStandard(other)),
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

/// Checks a size in bytes against both bounds, and gives it back as an index.
#[inline]
pub(crate) fn check_size(size: u64, minimum: u64, maximum: usize) -> Result<usize, PacketError> {
    if let Some(fault) = size_fault(size, minimum, maximum as u64) {
        return Err(fault);
    }
    // No more than one.
    Ok(usize::try_from(size).unwrap_or(maximum))
}

/// What is wrong with a size, if anything is.
// Where programs have to be small, one function for all packets.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) const fn size_fault(size: u64, minimum: u64, maximum: u64) -> Option<PacketError> {
    if size >= minimum && size <= maximum {
        return None;
    }
    Some(PacketError::Size {
        size,
        minimum,
        maximum,
    })
}
