//! Why a region is refused.

use core::fmt;

use super::{MAGIC, STATE_READY, VERSION};
use crate::layout::LayoutError;

/// Why a region's bytes are not a region that this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// All zero: nobody has initialised it yet.
    Empty,
    /// Somebody is initialising it, or died doing so.
    Initialising,
    /// A region of format 1, as HQQ-Go 1.0 makes them.
    Format1,
    /// Not a region at all.
    Magic {
        /// The first eight bytes.
        found: u64,
    },
    /// The state is none of format 2.
    State {
        /// The state word.
        found: u32,
    },
    /// Written by another major version.
    Version {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// The identity was damaged.
    Checksum {
        /// The checksum in the region.
        found: u32,
        /// The checksum of the fields.
        computed: u32,
    },
    /// It has features that this version does not know and must not ignore.
    Incompatible {
        /// The unknown feature bits.
        features: u32,
    },
    /// Fields that must be zero are not.
    Reserved,
    /// Its geometry is not one that a region can have.
    Layout(LayoutError),
    /// Its recorded length is not that of its geometry.
    Length {
        /// Bytes, as the region says.
        recorded: u64,
        /// Bytes, as the geometry makes.
        computed: u64,
    },
    /// There are fewer bytes than it says.
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// The delivery policy is unknown.
    Delivery {
        /// The policy word.
        found: u32,
    },
}

impl From<LayoutError> for FormatError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the region is empty: initialise it, or wait for its creator"),
            Self::Initialising => f.write_str(
                "the region is being initialised: wait for its creator, or remove it if that died",
            ),
            Self::Format1 => f.write_str(
                "the region has format 1 (HQQ-Go 1.0), which this version does not speak: create a region of format 2",
            ),
            Self::Magic { found } => write!(
                f,
                "not an HQQ region: it starts with {found:#018x}, not {MAGIC:#018x}"
            ),
            Self::State { found } => write!(
                f,
                "the region's state is {found:#x}, not ready ({STATE_READY:#x}): it is damaged, remove it"
            ),
            Self::Version { major, minor } => write!(
                f,
                "the region has version {major}.{minor}, this program speaks {}.x: use the same version at both ends",
                VERSION.0
            ),
            Self::Checksum { found, computed } => write!(
                f,
                "the superblock's checksum is {found:#010x}, its fields make {computed:#010x}: it is damaged, remove it"
            ),
            Self::Incompatible { features } => write!(
                f,
                "the region uses features {features:#x} that this version does not know: update this program"
            ),
            Self::Reserved => {
                f.write_str("fields of the superblock that must be zero are not: it is damaged")
            }
            Self::Layout(error) => write!(f, "the region's geometry is impossible: {error}"),
            Self::Length { recorded, computed } => write!(
                f,
                "the region says it has {recorded} bytes, its geometry makes {computed}: it is damaged, remove it"
            ),
            Self::Truncated { needed, found } => write!(
                f,
                "the region needs {needed} bytes and has {found}: it was cut short, make it anew"
            ),
            Self::Delivery { found } => write!(
                f,
                "the region's delivery policy is {found}: this version knows 0 (at most once) and 1 (at least once)"
            ),
        }
    }
}

impl core::error::Error for FormatError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Layout(error) => Some(error),
            _ => None,
        }
    }
}
