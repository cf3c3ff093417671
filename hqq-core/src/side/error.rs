//! Why a side cannot be taken.

use core::fmt;

use crate::layout::Direction;
use crate::member::{Member, Mode};

/// Why a side cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SideError {
    /// Another member has it exclusively, or has it while this one wants it exclusively.
    Mode {
        /// The direction of the ring.
        direction: Direction,
        /// The mode asked for.
        wanted: Mode,
        /// The mode it is used in; `None` where its record is damaged.
        found: Option<Mode>,
    },
    /// The member id is in use.
    MemberInUse {
        /// The id.
        member: Member,
    },
    /// The member table has no such entry.
    NoSuchMember {
        /// The id.
        member: Member,
        /// Entries a role.
        members: usize,
    },
}

impl fmt::Display for SideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode {
                direction,
                wanted: Mode::Exclusive,
                found: Some(found),
            } => write!(
                f,
                "the side is in use ({found}, {direction}) and cannot be had for one alone: take the other role, share it at all ends, or wait until it is left"
            ),
            Self::Mode {
                direction,
                wanted,
                found: Some(found),
            } => write!(
                f,
                "the side is in use as {found} ({direction}), not as {wanted}: use the same mode, or wait until it is left"
            ),
            Self::Mode {
                direction,
                found: None,
                ..
            } => write!(
                f,
                "the record of the side ({direction}) is damaged: remove the region"
            ),
            Self::MemberInUse { member } => {
                write!(f, "member {member} is in use: choose another id")
            }
            Self::NoSuchMember { member, members } => write!(
                f,
                "member {member} does not exist: this region has ids 1 to {members}"
            ),
        }
    }
}

impl core::error::Error for SideError {}
