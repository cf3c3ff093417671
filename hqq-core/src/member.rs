//! Who takes part: the role of an endpoint, the mode of its sides, its member id.

use core::fmt;
use core::num::NonZeroU8;

use crate::layout::{Direction, MAX_MEMBERS};

/// Which end of the region an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Sends in direction 0 and receives in direction 1.
    Primary,
    /// Sends in direction 1 and receives in direction 0.
    Secondary,
}

impl Role {
    /// Both roles, the one taken first in front.
    pub const BOTH: [Self; 2] = [Self::Primary, Self::Secondary];

    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }

    /// The direction this role sends in.
    #[must_use]
    pub const fn sends(self) -> Direction {
        match self {
            Self::Primary => Direction::ToSecondary,
            Self::Secondary => Direction::ToPrimary,
        }
    }

    /// The direction this role receives in.
    #[must_use]
    pub const fn receives(self) -> Direction {
        self.peer().sends()
    }

    /// Whether this is [`Role::Secondary`], whose members come second in the table.
    pub(crate) const fn is_secondary(self) -> bool {
        matches!(self, Self::Secondary)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}

/// How a side of a ring is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mode {
    /// One member, one thread; no compare-and-swap.
    Exclusive,
    /// Any number of threads and members.
    Shared,
}

impl Mode {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Exclusive => 1,
            Self::Shared => 2,
        }
    }

    /// The mode recorded as `code`; `None` for any other word.
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Exclusive),
            2 => Some(Self::Shared),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        })
    }
}

/// The id of a member within its role, 1 to 254: the stamps of what it has claimed carry it.
///
/// # Invariants
/// Never 0 (nobody) and never 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Member(NonZeroU8);

impl Member {
    /// The first member of a role.
    pub const FIRST: Self = Self(NonZeroU8::MIN);

    /// The member with this id; `None` for 0 and 255.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        match NonZeroU8::new(id) {
            Some(inner) if id as usize <= MAX_MEMBERS => Some(Self(inner)),
            _ => None,
        }
    }

    /// The id.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Some of a role's member ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MemberSet([u64; 4]);

impl MemberSet {
    /// No id.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; 4])
    }

    const fn place(member: Member) -> (usize, u64) {
        let id = member.get();
        ((id >> 6) as usize, 1 << (id & 63))
    }

    /// Adds an id.
    pub fn insert(&mut self, member: Member) {
        let (word, bit) = Self::place(member);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether it has the id.
    #[must_use]
    pub fn contains(&self, member: Member) -> bool {
        let (word, bit) = Self::place(member);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Its ids, the smallest first.
    pub fn iter(&self) -> impl Iterator<Item = Member> + '_ {
        (1..=u8::MAX)
            .filter_map(Member::new)
            .filter(|member| self.contains(*member))
    }
}
