//! The rings: who may move a slot from which state to which (PROTOCOL.md, "Ring" and "Format 1").
//!
//! Format 2: [`stamp`] has the moves as pure functions; [`exclusive`] and [`shared`] are the two
//! ways to use a side, and `format2` what they have in common; `join` finds the place where a ring that is in
//! use goes on. [`format1`] is the other ring; [`wake`] wakes those who sleep. Links use any of them through
//! [`Producer`] and [`Consumer`] (`side`); [`Either`] is for those that learn the format when they open a
//! region. Nothing here knows what an opcode means.

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod concurrent;
mod either;
pub mod exclusive;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod format1;
mod format2;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod handle;
pub(crate) mod join;
#[cfg(not(loom))]
pub mod managed;
mod quickly;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) mod repair;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod shared;
mod side;
pub mod stamp;
pub mod wake;

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use concurrent::{ConcurrentConsumer, ConcurrentProducer, Counted};
pub use either::Either;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) use format2::step_released;
use format2::{
    clear_taken, corruption, has_packet, has_room, obstacle, taken_of, taken_word, unexplained,
};
pub(crate) use format2::{copy_id, unread};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub use handle::{Handle, Owned};
pub use quickly::{InBuffer, InPacket, Left, Missed, Operands, Put};
pub(crate) use side::Sealed;
pub use side::{Consumer, ConsumerTask, Producer, ProducerTask};

use crate::member::Member;
use crate::position::Position;

/// Why no slot could be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum Refused {
    /// Full (for a producer) or empty (for a consumer).
    Blocked,
    /// Other members claimed every slot that was tried; there may be room, or a packet.
    Busy,
    /// What comes next holds what no rule leads to. Not every ring tells this at once; see
    /// [`Producer::corruption`] and [`Consumer::corruption`].
    Corrupt(Corruption),
}

/// A packet that was claimed for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Claimed {
    /// Where it lies.
    pub position: Position,
    /// Its word 0 without a stamp: the opcode in the low byte, zeros above it unless the peer broke
    /// the rules.
    pub header: u64,
    /// Whether a reader that died may have read it before, or another one let go of it (at-least-once regions only).
    pub in_doubt: bool,
    /// How many of its messages a consumer took that has left.
    pub taken: u16,
}

/// A stamp, or in format 1 a sequence, that belongs to no state the ring can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Corruption {
    /// The position that cannot go on.
    pub position: Position,
    /// The stamp or sequence that lies in its slot.
    pub stamp: u64,
}

/// What a member that has claimed a slot keeps others from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Obstacle {
    /// The position that is claimed.
    pub position: Position,
    /// Whose it is: of the producing side where it is being written, of the consuming side where it
    /// is being read.
    pub member: Member,
    /// Whether it is being written.
    pub writing: bool,
}
