//! Offsets and sizes of format 1, the regions of HQQ-Go 1.0 (PROTOCOL.md, "Format 1").

use super::{Format, Layout, LayoutError, MIN_COUNT, SIZE_STEP};

/// Bytes in a slot: a packet and its sequence.
pub const SLOT_LEN: usize = 72;
/// Where a slot has its sequence.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) const SEQUENCE: usize = 64;
/// The smallest page a region can be made of.
const MIN_PAGE: usize = 4096;
/// The most buffers that a ring of format 1 can have here: calls that look at all of a ring end in
/// time. HQQ-Go sets no limit.
pub const MAX_COUNT: usize = 1 << 20;
/// Bytes of the superblock that are used.
pub(crate) const SUPERBLOCK_LEN: usize = 64;

/// Offsets within a ring.
pub(crate) mod ring {
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) const MAGIC: usize = 0;
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) const SIZE: usize = 8;
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) const FLAGS: usize = 16;
    pub(crate) const R: usize = 24;
    pub(crate) const W: usize = 128;
    pub(crate) const SLOTS: usize = 256;
    /// Bytes besides the slots: the header, and as many at the end that nothing uses.
    pub(crate) const OVERHEAD: usize = 512;
}

impl Layout {
    /// The layout of a format-1 region for `count` buffers of `size` bytes in each direction, on a
    /// system with pages of `page` bytes. HQQ-Go requires the page size to be its own.
    ///
    /// # Errors
    /// One for each argument out of its range, and [`LayoutError::TooLarge`] where the total does
    /// not fit this target's address space. A ring may have more buffers than in format 2, [`MAX_COUNT`].
    ///
    /// ```
    /// assert_eq!(hqq_core::Layout::format_1(64, 4096, 4096).map(|layout| layout.len()), Ok(544_768));
    /// ```
    pub const fn format_1(count: usize, size: usize, page: usize) -> Result<Self, LayoutError> {
        if !count.is_power_of_two() || count < MIN_COUNT || count > MAX_COUNT {
            return Err(LayoutError::CountOfFormat1 { count });
        }
        if size < SIZE_STEP || !size.is_multiple_of(SIZE_STEP) {
            return Err(LayoutError::SizeOfFormat1 { size });
        }
        if !page.is_power_of_two() || page < MIN_PAGE || page > 1 << 30 {
            return Err(LayoutError::Page { page });
        }
        let too_large = Err(LayoutError::TooLarge { count, size });
        let Some(slots_len) = count.checked_mul(SLOT_LEN) else {
            return too_large;
        };
        let Some(ring_len) = slots_len.checked_add(ring::OVERHEAD) else {
            return too_large;
        };
        let Some(buffers_len) = count.checked_mul(size) else {
            return too_large;
        };
        match Self::place(SUPERBLOCK_LEN, ring_len, buffers_len, page) {
            Some((rings, buffers, len)) => Ok(Self {
                format: Format::V1,
                count,
                size,
                alignment: page,
                members: 0,
                rings,
                buffers,
                len,
            }),
            None => too_large,
        }
    }
}
