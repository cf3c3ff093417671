//! Where everything lies in a region: `const fn` sizes and offsets (PROTOCOL.md, "Region").

use core::fmt;

use crate::member::{Member, Role};

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
    pub(crate) const R: usize = 128;
    pub(crate) const RELEASED: usize = 256;
    pub(crate) const SLOTS: usize = 384;
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
        let mut rings = [0; 2];
        let mut buffers = [0; 2];
        let mut at = MEMBERS + 2 * members * MEMBER_LEN;
        let mut direction = 0;
        while direction < 2 {
            let Some(ring_at) = at.checked_next_multiple_of(alignment) else {
                return too_large;
            };
            let Some(ring_end) = ring_at.checked_add(ring_len) else {
                return too_large;
            };
            let Some(buffers_at) = ring_end.checked_next_multiple_of(alignment) else {
                return too_large;
            };
            let Some(buffers_end) = buffers_at.checked_add(buffers_len) else {
                return too_large;
            };
            rings[direction] = ring_at;
            buffers[direction] = buffers_at;
            at = buffers_end;
            direction += 1;
        }
        let Some(len) = at.checked_next_multiple_of(alignment) else {
            return too_large;
        };
        if len > isize::MAX as usize {
            return too_large;
        }
        Ok(Self {
            count,
            size,
            alignment,
            members,
            rings,
            buffers,
            len,
        })
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

    /// Members a role can have.
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

    /// Where slot 0 of a direction's ring starts; the others follow, 64 bytes each.
    #[must_use]
    pub const fn slots(&self, direction: Direction) -> usize {
        self.ring(direction) + ring::SLOTS
    }

    /// Where buffer 0 of a direction starts; the others follow without a gap.
    #[must_use]
    pub const fn buffers(&self, direction: Direction) -> usize {
        self.buffers[direction as usize]
    }

    /// Where the status word of one side of a direction lies (32 bits).
    #[must_use]
    pub const fn side(&self, direction: Direction, consumer: bool) -> usize {
        SIDES + (2 * direction as usize + consumer as usize) * LINE
    }

    /// Where one half of a member's record lies: its status (32 bits), then its process id
    /// (32 bits). `None` for a member that the table has no room for.
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
        self.ring(direction) + ring::W
    }

    /// Where the consumers' claim counter `r` of a direction lies.
    #[must_use]
    pub const fn consumer_counter(&self, direction: Direction) -> usize {
        self.ring(direction) + ring::R
    }

    /// Where `released` of a direction lies (32 bits).
    #[must_use]
    pub const fn released(&self, direction: Direction) -> usize {
        self.ring(direction) + ring::RELEASED
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

/// Which geometry a region cannot have, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LayoutError {
    /// The number of buffers is not a power of two from 2 to 16384.
    Count {
        /// The number asked for.
        count: usize,
    },
    /// The buffer size is not a multiple of 8 from 8 to 4294967288.
    Size {
        /// The size asked for, in bytes.
        size: usize,
    },
    /// The alignment is not a power of two from 64 to 2^30.
    Alignment {
        /// The alignment asked for, in bytes.
        alignment: usize,
    },
    /// The number of members is not from 1 to 254.
    Members {
        /// The number asked for.
        members: usize,
    },
    /// The whole does not fit this target's address space.
    TooLarge {
        /// Buffers asked for.
        count: usize,
        /// Bytes a buffer asked for.
        size: usize,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { count } => write!(
                f,
                "{count} buffers: choose a power of two from {MIN_COUNT} to {MAX_COUNT}"
            ),
            Self::Size { size } => write!(
                f,
                "buffers of {size} bytes: choose a multiple of {SIZE_STEP} from {SIZE_STEP} to {MAX_SIZE}"
            ),
            Self::Alignment { alignment } => write!(
                f,
                "parts aligned to {alignment} bytes: choose a power of two from {LINE} to {}",
                1 << 30
            ),
            Self::Members { members } => {
                write!(f, "{members} members a role: choose 1 to {MAX_MEMBERS}")
            }
            Self::TooLarge { count, size } => write!(
                f,
                "{count} buffers of {size} bytes do not fit the address space: choose fewer or smaller ones"
            ),
        }
    }
}

impl core::error::Error for LayoutError {}

/// Buffer count and size of a link: known at compile time ([`Fixed`]) or read from the region
/// ([`Dynamic`]). The code above it is the same.
pub trait Geometry: Copy + Send + Sync + 'static + sealed::Sealed {
    /// The only count and size this type can have, where that is so.
    const EXPECTED: Option<(usize, usize)>;

    /// The geometry for a region with this count and size, or `None` where the type has another.
    fn matching(count: usize, size: usize) -> Option<Self>;
    /// Buffers in each direction, a power of two.
    fn count(&self) -> usize;
    /// Bytes in each buffer.
    fn size(&self) -> usize;
}

mod sealed {
    pub trait Sealed {}
}

/// A geometry that the compiler knows: `COUNT` buffers of `SIZE` bytes in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fixed<const COUNT: usize, const SIZE: usize>;

impl<const COUNT: usize, const SIZE: usize> Fixed<COUNT, SIZE> {
    /// The compact layout of this geometry; a geometry that no region can have does not compile.
    pub const LAYOUT: Layout = match Layout::compact(COUNT, SIZE) {
        Ok(layout) => layout,
        Err(_) => panic!("COUNT must be a power of two from 2 to 16384, SIZE a multiple of 8"),
    };
}

impl<const COUNT: usize, const SIZE: usize> sealed::Sealed for Fixed<COUNT, SIZE> {}

impl<const COUNT: usize, const SIZE: usize> Geometry for Fixed<COUNT, SIZE> {
    const EXPECTED: Option<(usize, usize)> = Some((COUNT, SIZE));

    #[inline]
    fn matching(count: usize, size: usize) -> Option<Self> {
        (count == Self::LAYOUT.count && size == Self::LAYOUT.size).then_some(Self)
    }

    #[inline]
    fn count(&self) -> usize {
        COUNT
    }

    #[inline]
    fn size(&self) -> usize {
        SIZE
    }
}

/// A geometry known at run time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Dynamic {
    count: usize,
    size: usize,
}

impl sealed::Sealed for Dynamic {}

impl Geometry for Dynamic {
    const EXPECTED: Option<(usize, usize)> = None;

    #[inline]
    fn matching(count: usize, size: usize) -> Option<Self> {
        Some(Self { count, size })
    }

    #[inline]
    fn count(&self) -> usize {
        self.count
    }

    #[inline]
    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_offsets() {
        let file = Layout::file(64, 16384).unwrap();
        assert_eq!(file.ring(Direction::ToSecondary), 16384);
        assert_eq!(file.buffers(Direction::ToSecondary), 16384 + 8192);
        assert_eq!(file.len(), 16384 + 2 * (8192 + 64 * 16384));
        let small = Layout::compact(2, 8).unwrap();
        assert_eq!(small.ring(Direction::ToSecondary), 768);
        assert_eq!(small.slots(Direction::ToSecondary), 1152);
        assert_eq!(small.buffers(Direction::ToSecondary), 1280);
        assert_eq!(small.ring(Direction::ToPrimary), 1344);
        assert_eq!(small.len(), 1920);
    }

    #[test]
    fn every_bound_is_its_own_error() {
        assert_eq!(Layout::compact(3, 8), Err(LayoutError::Count { count: 3 }));
        assert_eq!(Layout::compact(1, 8), Err(LayoutError::Count { count: 1 }));
        assert_eq!(
            Layout::compact(32768, 8),
            Err(LayoutError::Count { count: 32768 })
        );
        assert_eq!(Layout::compact(2, 12), Err(LayoutError::Size { size: 12 }));
        assert_eq!(Layout::compact(2, 0), Err(LayoutError::Size { size: 0 }));
        assert_eq!(
            Layout::new(2, 8, 32, 1),
            Err(LayoutError::Alignment { alignment: 32 })
        );
        assert_eq!(
            Layout::new(2, 8, 64, 255),
            Err(LayoutError::Members { members: 255 })
        );
        #[cfg(target_pointer_width = "32")]
        assert!(matches!(
            Layout::compact(16384, MAX_SIZE),
            Err(LayoutError::TooLarge { .. })
        ));
    }
}
