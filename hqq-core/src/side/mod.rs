//! Who uses which side of which ring: taking a side, leaving it, watching the other one
//! (PROTOCOL.md, "Sides and members").

mod attached;
mod error;
mod taking;

use core::fmt;

pub(crate) use attached::Attached;
pub use error::SideError;
pub(crate) use taking::Side;

use crate::member::{Mode, Role};
use crate::region::{Region, SuperblockMemory};

/// The bits of a status word that hold its state.
const STATE: u32 = 3;
const CLOSED: u32 = 2;
const DEAD: u32 = 3;
/// The bit that both have.
const ENDED: u32 = CLOSED & DEAD;

/// Whether a side has a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SideState {
    /// Nobody has taken it since the region was initialised.
    Vacant,
    /// At least one member has it.
    Open,
    /// The last member has left.
    Closed,
    /// The last member died, and what it had claimed was repaired.
    Dead,
}

/// The status word of a side: `epoch << 4 | mode << 2 | state`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SideStatus(u32);

impl SideStatus {
    /// The status that the word in the region stands for.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    const fn new(state: SideState, mode: Mode, epoch: u32) -> Self {
        let state = match state {
            SideState::Vacant => 0,
            SideState::Open => 1,
            SideState::Closed => CLOSED,
            SideState::Dead => DEAD,
        };
        Self(epoch << 4 | mode.code() << 2 | state)
    }

    /// Whether the side has a member.
    #[must_use]
    pub const fn state(self) -> SideState {
        match self.0 & STATE {
            0 => SideState::Vacant,
            1 => SideState::Open,
            CLOSED => SideState::Closed,
            _ => SideState::Dead,
        }
    }

    /// The mode it is or was used in; `None` before its first member.
    #[must_use]
    pub const fn mode(self) -> Option<Mode> {
        Mode::from_code(self.0 >> 2 & 3)
    }

    /// How often a first member has taken it, modulo 2^28.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.0 >> 4
    }

    /// Whether this is the record of a member that has the side since `epoch`: one of another
    /// epoch is what a member that died left behind.
    const fn is_open_in(self, epoch: u32) -> bool {
        matches!(self.state(), SideState::Open) && self.epoch() == epoch
    }
}

impl fmt::Debug for SideStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideStatus")
            .field("state", &self.state())
            .field("mode", &self.mode())
            .field("epoch", &self.epoch())
            .finish()
    }
}

/// The status of one side of `role`, as the region records it.
#[must_use]
pub fn status(region: &Region, role: Role, consumer: bool) -> SideStatus {
    Side { role, consumer }.status(&SuperblockMemory::new(region))
}

/// What the caller knows about a side's other members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Presence {
    /// Nothing: the region's own records are believed.
    #[default]
    Recorded,
    /// No other member lives; what the records say of one is what a dead one left.
    Alone,
    /// Other members live.
    Others,
}

/// How a side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// Its last member has left.
    Closed,
    /// Its last member has died.
    Dead,
}
