//! The memory that two parties share: the only place that holds raw pointers.
//!
//! Everything above it reaches shared bytes through `SuperblockMemory` and `RingMemory`, whose
//! safe calls stay inside the region whatever a peer writes into it.

#![allow(
    unsafe_code,
    reason = "turns checked offsets into references to shared words"
)]

mod buffers;
mod bytes;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod format1;
#[cfg(not(loom))]
mod managed;
#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod raw;
mod ring;
mod slot;
mod storage;
mod superblock;
mod wait;
mod walk;

use core::fmt;

pub(crate) use buffers::{Buffer, Buffers};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) use format1::{Format1Memory, RingHeader};
#[cfg(loom)]
pub use model::Region;
#[cfg(loom)]
use model::Rover;
#[cfg(not(loom))]
pub use raw::Region;
#[cfg(all(target_pointer_width = "64", not(loom)))]
use raw::Rover;
#[cfg(not(loom))]
use raw::{Part, View};
pub(crate) use ring::RingMemory;
pub(crate) use slot::Slot;
pub use storage::StaticRegion;
pub(crate) use superblock::{StatusWord, SuperblockMemory};
pub(crate) use wait::WaitMemory;
pub(crate) use walk::{WALKS, Walk};

/// As `raw::Part`.
#[cfg(loom)]
#[derive(Clone, Debug)]
struct Part(Region);

#[cfg(loom)]
impl core::ops::Deref for Part {
    type Target = Region;

    #[inline]
    fn deref(&self) -> &Region {
        &self.0
    }
}

/// As `raw::View`.
#[cfg(loom)]
type View<'a> = &'a Part;

#[cfg(loom)]
impl Part {
    const fn view(&self) -> View<'_> {
        self
    }
}

impl Part {
    /// What starts `offset` bytes into `region`; `None` past its end.
    fn new(region: &Region, offset: usize) -> Option<Self> {
        // SAFETY: at most the region's length.
        (offset <= region.len()).then(|| unsafe { region.part_from(offset) })
    }

    /// All of `region`.
    fn whole(region: &Region) -> Self {
        // SAFETY: the start of the region.
        unsafe { region.part_from(0) }
    }
}

/// Why bytes cannot be a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RegionError {
    /// The bytes do not start at a multiple of 64.
    Misaligned {
        /// Where they start.
        address: usize,
    },
    /// There are fewer bytes than the smallest region has.
    TooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        found: usize,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { address } => write!(
                f,
                "the region starts at address {address:#x}: align it to 64 bytes, for example with #[repr(align(64))]"
            ),
            Self::TooSmall { needed, found } => {
                write!(f, "the region has {found} bytes: give it at least {needed}")
            }
        }
    }
}

impl core::error::Error for RegionError {}
