//! Which geometry a region cannot have, and why.

use core::fmt;

use super::{LINE, MAX_COUNT, MAX_MEMBERS, MAX_SIZE, MIN_COUNT, SIZE_STEP};

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
    /// The number of buffers is not a power of two from 2 to 2^20 (format 1).
    CountOfFormat1 {
        /// The number asked for.
        count: usize,
    },
    /// The buffer size is not a multiple of 8, 8 at least (format 1).
    SizeOfFormat1 {
        /// The size asked for, in bytes.
        size: usize,
    },
    /// The page size is not a power of two from 4096 to 2^30 (format 1).
    Page {
        /// The page size, in bytes.
        page: usize,
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
            Self::CountOfFormat1 { count } => write!(
                f,
                "{count} buffers: choose a power of two from {MIN_COUNT} to {}",
                super::format1::MAX_COUNT
            ),
            Self::SizeOfFormat1 { size } => write!(
                f,
                "buffers of {size} bytes: choose a multiple of {SIZE_STEP}, {SIZE_STEP} at least"
            ),
            Self::Page { page } => write!(
                f,
                "pages of {page} bytes: a power of two from 4096 to {} is needed",
                1 << 30
            ),
            Self::TooLarge { count, size } => write!(
                f,
                "{count} buffers of {size} bytes do not fit the address space: choose fewer or smaller ones"
            ),
        }
    }
}

impl core::error::Error for LayoutError {}
