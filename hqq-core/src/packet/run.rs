//! The run of format 2: one datagram or several of one size, side by side in the slot's buffer.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::standard::check_size;
use super::wire::packet_layout;
use super::{OPERANDS, Opcode, PacketError};

/// The bits of operand 0 that mean something.
const RUN: u64 = (1 << 48) - 1;

/// The 64 bytes of a [`StandardRun`].
///
/// ```text
///      0       8       16                                              64
///     +-------+-------+-----------------------------------------------+
///     | 0xFC  | run   | no part of the packet, any value              |
///     +-------+-------+-----------------------------------------------+
///     run = more << 32 | size
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct StandardRunWire {
    /// Word 0: [`Opcode::StandardRun`].
    pub header: U64,
    /// Operand 0: bytes in each datagram, and in bits 32–47 how many follow the first.
    pub run: U64,
    /// Operands 1–6: whatever lay in the slot; a sender need not write them, and a receiver does
    /// not read them.
    pub ignored: [U64; 6],
}

packet_layout!(
    StandardRun,
    StandardRunWire {
        header: 0,
        run: 8,
        ignored: 16,
    }
);

/// Datagrams of one size that lie side by side from the start of the slot's buffer on (PROTOCOL.md,
/// Packets); mostly it is one.
///
/// Format 2 only: a peer of format 1 does not know its opcode. Of all packets it is the one that is
/// written and read in the fewest steps.
///
/// # Invariants
///
/// `size >= 1`.
///
/// ```
/// use hqq_core::packet::{Packet, PacketError, StandardRun};
///
/// let two = StandardRun::new(8, 1)?;
/// assert_eq!(Packet::from(two).encode(), [0xFC, 0x1_0000_0008, 0, 0, 0, 0, 0, 0]);
/// assert_eq!(two.count(), 2);
/// assert_eq!(two.check_bounds(16), Ok(8));
/// assert!(matches!(two.check_bounds(8), Err(PacketError::Size { size: 16, .. })));
/// # Ok::<(), PacketError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StandardRun {
    size: u32,
    more: u16,
}

impl StandardRun {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::StandardRun;

    /// A datagram of `size` bytes and `more` of the same size after it.
    ///
    /// # Errors
    ///
    /// [`PacketError::Size`] for datagrams without bytes.
    pub const fn new(size: u32, more: u16) -> Result<Self, PacketError> {
        if size == 0 {
            return Err(PacketError::Size {
                size: 0,
                minimum: 1,
                maximum: u32::MAX as u64,
            });
        }
        Ok(Self { size, more })
    }

    /// Bytes in each datagram.
    #[inline]
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Datagrams after the first one.
    #[inline]
    #[must_use]
    pub const fn more(&self) -> u16 {
        self.more
    }

    /// Datagrams in the run.
    #[inline]
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.more as u32 + 1
    }

    /// Bytes in each datagram, once all of them are known to lie in a buffer of `buffer_size` bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Size`], with the bytes of all of them, unless they do.
    #[inline]
    pub fn check_bounds(&self, buffer_size: usize) -> Result<usize, PacketError> {
        check_size(self.total(), 1, buffer_size)?;
        // A part of what was just found to be an index.
        Ok(self.size as usize)
    }
}

/// The most datagrams in a run.
pub(crate) const MAX_COUNT: usize = 1 << 16;

/// Operand 0 of a run of `count` datagrams, 1 to [`MAX_COUNT`], of `size` bytes, fewer than 2^32.
#[inline]
pub(crate) const fn operand(size: usize, count: usize) -> u64 {
    (count as u64 - 1) << 32 | size as u64
}

/// Operand 0 of a datagram of `size` bytes, fewer than 2^32, that is alone in its run.
#[inline]
pub(crate) const fn alone(size: usize) -> u64 {
    size as u64
}

/// The size of the datagram with this operand 0, where it is alone in its run; not checked further.
#[inline]
pub(crate) fn len_alone(run: u64) -> Option<usize> {
    u32::try_from(run).ok()?.try_into().ok()
}

impl StandardRun {
    /// Bytes of all its datagrams.
    #[inline]
    pub(crate) fn total(&self) -> u64 {
        u64::from(self.size) * u64::from(self.count())
    }

    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        [
            u64::from(self.more) << 32 | u64::from(self.size),
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [run, ..] = *operands;
        let value = run & !RUN;
        if value != 0 {
            return Some(PacketError::ReservedBits { word: 1, value });
        }
        Self::new((run & u64::from(u32::MAX)) as u32, 0).err()
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [run, ..] = *operands;
        Self {
            size: (run & u64::from(u32::MAX)) as u32,
            more: (run >> 32) as u16,
        }
    }
}
