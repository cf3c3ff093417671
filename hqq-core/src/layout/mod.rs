//! Where everything lies in a region: `const fn` sizes and offsets (PROTOCOL.md, "Region").

mod error;
pub mod format1;
mod geometry;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::member::{Member, Role};

pub use error::LayoutError;
pub use geometry::{Dynamic, Fixed, Geometry};

/// A cache line in bytes: a slot, and the unit that one side's words are kept apart by.
pub const LINE: usize = 64;
/// The fewest buffers a ring can have.
pub const MIN_COUNT: usize = 2;
/// The most buffers a ring can have: 16 bits of sequence must tell all states of a slot apart.
pub const MAX_COUNT: usize = 1 << 14;
/// Buffer sizes are a multiple of this many bytes.
pub const SIZE_STEP: usize = 8;
/// The largest buffer in bytes (its size is a 32-bit field).
pub const MAX_SIZE: usize = (u32::MAX as usize) & !(SIZE_STEP - 1);
/// The most members a role can have; ids run from 1 to this.
pub const MAX_MEMBERS: usize = 254;
/// Alignment of the parts of a region in a file.
pub const FILE_ALIGNMENT: usize = 4096;
/// Members a role can have in a region in a file, unless asked otherwise.
pub const FILE_MEMBERS: usize = 62;

pub(crate) const IDENTITY: usize = 0;
pub(crate) const IDENTITY_LEN: usize = 128;
pub(crate) const SIDES: usize = 128;
pub(crate) const MEMBERS: usize = 512;
pub(crate) const MEMBER_LEN: usize = 128;

/// Offsets within a ring.
pub(crate) mod ring {
    pub(crate) const W: usize = 0;
    pub(crate) const PRODUCERS_WAIT: usize = 64;
    pub(crate) const R: usize = 128;
    pub(crate) const TAKEN: usize = 136;
    pub(crate) const RELEASED: usize = 256;
    pub(crate) const CONSUMERS_WAIT: usize = 320;
    pub(crate) const SLOTS: usize = 384;
}

/// How a region is laid out and used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Format {
    /// That of HQQ-Go 1.0: polled, without end-of-file and without repair.
    V1 = 1,
    /// HQQ's own.
    #[default]
    V2 = 2,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

/// Offsets and sizes of one region, checked: every part lies inside [`Layout::len`].
///
/// # Invariants
/// All parts are aligned to at least [`LINE`], do not overlap, and end at or before `len`.
///
/// ```
/// use hqq_core::Layout;
/// const LAYOUT: Layout = match Layout::compact(8, 64) {
///     Ok(layout) => layout,
///     Err(_) => panic!("a power of two of buffers, each a multiple of 8 bytes"),
/// };
/// assert_eq!(LAYOUT.len(), 3584);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    format: Format,
    count: usize,
    size: usize,
    alignment: usize,
    members: usize,
    rings: [usize; 2],
    buffers: [usize; 2],
    len: usize,
}

impl Layout {
    /// The layout of a region inside one program: parts aligned to a cache line, one member a role.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub const fn compact(count: usize, size: usize) -> Result<Self, LayoutError> {
        Self::new(count, size, LINE, 1)
    }

    /// The layout of a region in a file: parts aligned to 4096 bytes, [`FILE_MEMBERS`] a role.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub const fn file(count: usize, size: usize) -> Result<Self, LayoutError> {
        Self::new(count, size, FILE_ALIGNMENT, FILE_MEMBERS)
    }

    /// The layout for `count` buffers of `size` bytes in each direction, parts aligned to
    /// `alignment` bytes, and `members` members a role.
    ///
    /// # Errors
    /// One for each argument out of its range, and [`LayoutError::TooLarge`] where the total does
    /// not fit this target's address space.
    pub const fn new(
        count: usize,
        size: usize,
        alignment: usize,
        members: usize,
    ) -> Result<Self, LayoutError> {
        if !count.is_power_of_two() || count < MIN_COUNT || count > MAX_COUNT {
            return Err(LayoutError::Count { count });
        }
        if size < SIZE_STEP || !size.is_multiple_of(SIZE_STEP) || size > MAX_SIZE {
            return Err(LayoutError::Size { size });
        }
        if !alignment.is_power_of_two() || alignment < LINE || alignment > 1 << 30 {
            return Err(LayoutError::Alignment { alignment });
        }
        if members == 0 || members > MAX_MEMBERS {
            return Err(LayoutError::Members { members });
        }
        let too_large = Err(LayoutError::TooLarge { count, size });
        let ring_len = ring::SLOTS + count * LINE;
        let Some(buffers_len) = count.checked_mul(size) else {
            return too_large;
        };
        let records_len = MEMBERS + 2 * members * MEMBER_LEN;
        match Self::place(records_len, ring_len, buffers_len, alignment) {
            Some((rings, buffers, len)) => Ok(Self {
                format: Format::V2,
                count,
                size,
                alignment,
                members,
                rings,
                buffers,
                len,
            }),
            None => too_large,
        }
    }

    /// Where rings and buffers lie behind `at` bytes, and how many bytes that makes, all rounded
    /// up to `alignment`; `None` where no address space holds them.
    const fn place(
        mut at: usize,
        ring_len: usize,
        buffers_len: usize,
        alignment: usize,
    ) -> Option<([usize; 2], [usize; 2], usize)> {
        let mut rings = [0; 2];
        let mut buffers = [0; 2];
        let mut direction = 0;
        while direction < 2 {
            let Some(ring_at) = at.checked_next_multiple_of(alignment) else {
                return None;
            };
            let Some(ring_end) = ring_at.checked_add(ring_len) else {
                return None;
            };
            let Some(buffers_at) = ring_end.checked_next_multiple_of(alignment) else {
                return None;
            };
            let Some(buffers_end) = buffers_at.checked_add(buffers_len) else {
                return None;
            };
            rings[direction] = ring_at;
            buffers[direction] = buffers_at;
            at = buffers_end;
            direction += 1;
        }
        match at.checked_next_multiple_of(alignment) {
            Some(len) if len <= isize::MAX as usize => Some((rings, buffers, len)),
            _ => None,
        }
    }

    /// How the region is laid out and used.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Buffers in each direction.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Bytes in each buffer: the longest message.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What each part is aligned to, in bytes from the region's start.
    #[must_use]
    pub const fn alignment(&self) -> usize {
        self.alignment
    }

    /// Members a role can have; 0 in format 1, which records none.
    #[must_use]
    pub const fn members(&self) -> usize {
        self.members
    }

    /// Bytes in the whole region.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Where the ring of a direction starts (0: primary to secondary, 1: back).
    #[must_use]
    pub const fn ring(&self, direction: Direction) -> usize {
        self.rings[direction as usize]
    }

    /// Where slot 0 of a direction's ring starts; the others follow, [`Layout::slot_len`] bytes
    /// each.
    #[must_use]
    pub const fn slots(&self, direction: Direction) -> usize {
        self.ring(direction)
            + match self.format {
                Format::V1 => format1::ring::SLOTS,
                Format::V2 => ring::SLOTS,
            }
    }

    /// Bytes in a slot.
    #[must_use]
    pub const fn slot_len(&self) -> usize {
        match self.format {
            Format::V1 => format1::SLOT_LEN,
            Format::V2 => LINE,
        }
    }

    /// Where buffer 0 of a direction starts; the others follow without a gap.
    #[must_use]
    pub const fn buffers(&self, direction: Direction) -> usize {
        self.buffers[direction as usize]
    }

    /// Where the status word of one side of a direction lies (32 bits); `None` in format 1.
    #[must_use]
    pub const fn side(&self, direction: Direction, consumer: bool) -> Option<usize> {
        match self.format {
            Format::V1 => None,
            Format::V2 => Some(SIDES + (2 * direction as usize + consumer as usize) * LINE),
        }
    }

    /// Where one half of a member's record lies: its status (32 bits), then its process id
    /// (32 bits). `None` for a member that the table has no room for, and in format 1.
    #[must_use]
    pub const fn member(&self, role: Role, member: Member, consumer: bool) -> Option<usize> {
        let at = member.get() as usize - 1;
        if at >= self.members {
            return None;
        }
        let record = role.is_secondary() as usize * self.members + at;
        Some(MEMBERS + record * MEMBER_LEN + consumer as usize * LINE)
    }

    /// Where the producers' claim counter `w` of a direction lies.
    #[must_use]
    pub const fn producer_counter(&self, direction: Direction) -> usize {
        self.ring(direction)
            + match self.format {
                Format::V1 => format1::ring::W,
                Format::V2 => ring::W,
            }
    }

    /// Where the consumers' claim counter `r` of a direction lies.
    #[must_use]
    pub const fn consumer_counter(&self, direction: Direction) -> usize {
        self.ring(direction)
            + match self.format {
                Format::V1 => format1::ring::R,
                Format::V2 => ring::R,
            }
    }

    /// Where `released` of a direction lies (32 bits); `None` in format 1.
    #[must_use]
    pub const fn released(&self, direction: Direction) -> Option<usize> {
        match self.format {
            Format::V1 => None,
            Format::V2 => Some(self.ring(direction) + ring::RELEASED),
        }
    }

    /// Where the wait words of one side of a direction lie (16 words of 32 bits); `None` in format
    /// 1, where nobody is woken.
    #[must_use]
    pub const fn wait_words(&self, direction: Direction, consumer: bool) -> Option<usize> {
        match self.format {
            Format::V1 => None,
            Format::V2 => Some(
                self.ring(direction)
                    + if consumer {
                        ring::CONSUMERS_WAIT
                    } else {
                        ring::PRODUCERS_WAIT
                    },
            ),
        }
    }
}

/// Bytes that [`StaticRegion`](crate::StaticRegion) and any other compact region need for `count`
/// buffers of `size` bytes in each direction.
///
/// # Errors
/// As [`Layout::new`].
///
/// ```
/// assert_eq!(hqq_core::size_of_link(8, 64), Ok(3584));
/// assert!(hqq_core::size_of_link(3, 64).is_err());
/// ```
pub const fn size_of_link(count: usize, size: usize) -> Result<usize, LayoutError> {
    match Layout::compact(count, size) {
        Ok(layout) => Ok(layout.len()),
        Err(error) => Err(error),
    }
}

/// Which way messages of a ring travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Direction {
    /// Ring 0: primary to secondary.
    ToSecondary = 0,
    /// Ring 1: secondary to primary.
    ToPrimary = 1,
}

impl Direction {
    /// Both directions, in the order they lie in the region.
    pub const BOTH: [Self; 2] = [Self::ToSecondary, Self::ToPrimary];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToSecondary => "primary to secondary",
            Self::ToPrimary => "secondary to primary",
        })
    }
}
