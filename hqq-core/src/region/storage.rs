//! A region as a `static`, for firmware and for two contexts of one program.

use core::cell::UnsafeCell;
#[cfg(not(loom))]
use core::ptr::NonNull;

#[cfg(not(loom))]
use super::Region;
use crate::layout::{Fixed, LINE, MEMBER_LEN, MEMBERS, ring};
#[cfg(not(loom))]
use crate::link::StandardLink;
#[cfg(not(loom))]
use crate::position::Position;
#[cfg(not(loom))]
use crate::superblock::{Delivery, identity_words, initialise_as};
#[cfg(all(target_has_atomic = "32", not(loom)))]
use crate::{Format, try_claim};

/// A part of the region, on cache lines of its own.
#[repr(C, align(64))]
struct Part<T>(T);

/// One direction: header, slots, buffers.
#[repr(C)]
struct Ring<const COUNT: usize, const SIZE: usize> {
    header: Part<[u8; ring::SLOTS]>,
    slots: Part<[[u8; LINE]; COUNT]>,
    buffers: Part<[[u8; SIZE]; COUNT]>,
}

/// All the bytes of a compact region.
#[repr(C)]
struct Bytes<const COUNT: usize, const SIZE: usize> {
    superblock: Part<[u8; MEMBERS + 2 * MEMBER_LEN]>,
    rings: [Ring<COUNT, SIZE>; 2],
}

/// The bytes of a region with `COUNT` buffers of `SIZE` bytes in each direction, as a `static`.
///
/// It can be placed in any linker section; all zero before it is used, it belongs into `.bss`.
///
/// ```
/// # use hqq_core::StaticRegion;
/// static REGION: StaticRegion<8, 64> = StaticRegion::new();
/// // Once: a link for the main loop, and one for the interrupt handler.
/// let (main, interrupt) = REGION.take().ok_or("taken already")?;
/// assert!(REGION.take().is_none());
/// # drop((main, interrupt));
/// # Ok::<(), &str>(())
/// ```
#[repr(C)]
pub struct StaticRegion<const COUNT: usize, const SIZE: usize> {
    bytes: UnsafeCell<Bytes<COUNT, SIZE>>,
}

// SAFETY: the bytes are handed out once, as a region, which is free of data races.
unsafe impl<const COUNT: usize, const SIZE: usize> Sync for StaticRegion<COUNT, SIZE> {}

impl<const COUNT: usize, const SIZE: usize> Default for StaticRegion<COUNT, SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const COUNT: usize, const SIZE: usize> StaticRegion<COUNT, SIZE> {
    /// Bytes in the region: [`size_of_link`](crate::size_of_link) of the geometry.
    pub const LEN: usize = {
        assert!(
            size_of::<Bytes<COUNT, SIZE>>() == Fixed::<COUNT, SIZE>::LAYOUT.len(),
            "the arrays lie as the layout says"
        );
        size_of::<Bytes<COUNT, SIZE>>()
    };

    /// An empty region.
    #[must_use]
    pub const fn new() -> Self {
        let _: usize = Self::LEN;
        Self {
            bytes: UnsafeCell::new(Bytes {
                superblock: Part([0; MEMBERS + 2 * MEMBER_LEN]),
                rings: [const {
                    Ring {
                        header: Part([0; ring::SLOTS]),
                        slots: Part([[0; LINE]; COUNT]),
                        buffers: Part([[0; SIZE]; COUNT]),
                    }
                }; 2],
            }),
        }
    }

    /// Both endpoints, primary first; `None` from the second call on.
    ///
    /// That it was called is told by the region's own state: memory that the start of the program does
    /// not zero (a section that is not loaded) is for [`StaticRegion::split`], as are targets without
    /// compare-and-swap.
    #[cfg(all(target_has_atomic = "32", not(loom)))]
    pub fn take(&'static self) -> Option<(StandardLink<COUNT, SIZE>, StandardLink<COUNT, SIZE>)> {
        // One caller gets it; what it does with it nobody else has to see.
        if !try_claim(&self.region()?, Format::V2) {
            return None;
        }
        self.endpoints()
    }

    /// Both endpoints, primary first, of a region that the caller alone refers to; never `None`.
    #[cfg(not(loom))]
    #[must_use]
    pub fn split(
        &'static mut self,
    ) -> Option<(StandardLink<COUNT, SIZE>, StandardLink<COUNT, SIZE>)> {
        self.endpoints()
    }

    /// The region's bytes, handed over for good, where the peer is another core or device; never
    /// `None`.
    #[cfg(not(loom))]
    #[must_use]
    pub fn into_region(&'static mut self) -> Option<Region> {
        self.region()
    }

    // Always: its length is one that the compiler knows.
    #[cfg(not(loom))]
    #[inline(always)]
    fn region(&'static self) -> Option<Region> {
        let base = NonNull::new(self.bytes.get())?.cast();
        // SAFETY: the static's own bytes, valid for ever, which only the callers above give out.
        unsafe { Region::from_raw(base, Self::LEN) }.ok()
    }

    #[cfg(not(loom))]
    fn endpoints(&'static self) -> Option<(StandardLink<COUNT, SIZE>, StandardLink<COUNT, SIZE>)> {
        let region = self.region()?;
        let layout = &Fixed::<COUNT, SIZE>::LAYOUT;
        let words =
            const { &identity_words(&Fixed::<COUNT, SIZE>::LAYOUT, 0, Delivery::AtMostOnce) };
        let fresh = initialise_as(&region, layout, words, Position::new(0))?;
        Some(StandardLink::first(&fresh))
    }
}
