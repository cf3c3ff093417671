//! Why a region is refused.

use core::fmt;

use super::{MAGIC, VERSION};
use crate::layout::{Direction, Format, LayoutError};

/// Why a region's bytes are not a region that this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// All zero: nobody has initialised it yet.
    Empty,
    /// Somebody is initialising it, or died doing so.
    Initialising {
        /// The format it will have.
        format: Format,
    },
    /// A region of another format than asked for, or than this target or type can use.
    OtherFormat {
        /// The format asked for.
        expected: Format,
        /// The format found.
        found: Format,
    },
    /// The header of a ring is not that of an initialised ring of this region (format 1).
    Ring {
        /// Which ring.
        direction: Direction,
        /// Which field.
        field: RingField,
        /// What it holds.
        found: u64,
        /// What it should hold.
        expected: u64,
    },
    /// Not a region at all.
    Magic {
        /// The first eight bytes.
        found: u64,
    },
    /// The state is none that the format has.
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

/// A field of a ring's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RingField {
    /// The ring's magic.
    Magic,
    /// Its number of slots.
    Size,
    /// Its flags, as far as they are known.
    Flags,
}

impl fmt::Display for RingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "magic",
            Self::Size => "size",
            Self::Flags => "flags",
        })
    }
}

impl From<LayoutError> for FormatError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                f.write_str("the region is empty: initialise it, or wait for its creator")
            }
            Self::Initialising { .. } => f.write_str(
                "the region is being initialised: wait for its creator, or remove it if that died",
            ),
            Self::OtherFormat { expected, found } => write!(
                f,
                "the region has format {found}, not {expected}: ask for format {found}, or make a region of format {expected}"
            ),
            Self::Ring {
                direction,
                field,
                found,
                expected,
            } => write!(
                f,
                "the {field} of the ring {direction} is {found:#x}, not {expected:#x}: it is damaged, remove the region"
            ),
            Self::Magic { found } => write!(
                f,
                "not an HQQ region: it starts with {found:#018x}, not {MAGIC:#018x}"
            ),
            Self::State { found } => write!(
                f,
                "the region's state is {found:#x}, not ready: it is damaged, remove it"
            ),
            Self::Version { major, minor } => write!(
                f,
                "the region has version {major}.{minor}, this program speaks 1.x and {}.x: use the same version at both ends",
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
