//! The states of a slot and the moves between them, as pure functions on stamps.
//!
//! A stamp is word 0 of a slot: `sequence << 16 | owner << 8 | opcode`. The ring, the models, the
//! repair and the inspector all use these functions (PROTOCOL.md, "States of a slot").

use crate::member::Member;
use crate::packet::Opcode;
use crate::packet::opcode::{RESERVED_FREE as FREE, RESERVED_WRITING as WRITING};
use crate::position::Position;
use crate::region::WALKS;
use crate::sync::{Visible, visible};

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// Nobody has claimed this position yet.
    Free(Position),
    /// A shared producer is filling the slot.
    Writing(Position, Member),
    /// A packet with this opcode waits to be read, or was released by counter.
    Published(Position, u8),
    /// A shared consumer is reading the packet with this opcode.
    Reading(Position, Member, u8),
    /// No state has this stamp.
    Unknown(u64),
}

impl State {
    /// The state that the stamp `word` stands for.
    #[must_use]
    pub const fn of(word: u64) -> Self {
        let sequence = Position::new(word >> 16);
        let [opcode, owner, ..] = word.to_le_bytes();
        match (opcode, owner, Member::new(owner)) {
            (FREE, 0, _) => Self::Free(sequence),
            (WRITING, _, Some(member)) => Self::Writing(sequence, member),
            (FREE | WRITING, ..) => Self::Unknown(word),
            (_, 0, _) => Self::Published(sequence.minus(1), opcode),
            (_, _, Some(member)) => Self::Reading(sequence.minus(1), member, opcode),
            _ => Self::Unknown(word),
        }
    }

    /// The stamp of this state.
    #[must_use]
    pub const fn word(self) -> u64 {
        match self {
            Self::Free(position) => free(position),
            Self::Writing(position, member) => writing(position, member),
            Self::Published(position, opcode) => published(position, opcode),
            Self::Reading(position, member, opcode) => reading(position, member, opcode),
            Self::Unknown(word) => word,
        }
    }

    /// Whether a slot in this state shows that `position` was claimed by a producer.
    #[must_use]
    pub fn is_write_claimed(self, position: Position, count: usize) -> bool {
        match self {
            Self::Writing(at, _) | Self::Published(at, _) | Self::Reading(at, ..) => at == position,
            Self::Free(at) => at == position.plus(count),
            Self::Unknown(_) => false,
        }
    }

    /// Whether a slot in this state shows that `position` was claimed by a consumer.
    #[must_use]
    pub fn is_read_claimed(self, position: Position, count: usize) -> bool {
        match self {
            Self::Reading(at, ..) => at == position,
            Self::Free(at) | Self::Writing(at, _) | Self::Published(at, _) => {
                at == position.plus(count)
            }
            Self::Unknown(_) => false,
        }
    }

    /// The last position of this slot that a producer has claimed, in a ring of `count` slots.
    #[must_use]
    pub const fn last_claimed(self, count: usize) -> Option<Position> {
        match self {
            Self::Free(at) => Some(at.minus(count)),
            Self::Writing(at, _) | Self::Published(at, _) | Self::Reading(at, ..) => Some(at),
            Self::Unknown(_) => None,
        }
    }
}

#[inline]
const fn stamp(sequence: Position, owner: u8, opcode: u8) -> u64 {
    sequence.get() << 16 | (owner as u64) << 8 | opcode as u64
}

/// The position that a side which is alone has come to, kept in the place where a stamp has its
/// sequence: so that neither making stamps of it nor its wrapping around takes extra steps.
///
/// Where sides go quickly, it is the very stamp of a [`StandardRun`](crate::packet::StandardRun) published there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    const ONE: u64 = 1 << 16;
    /// What is more in it than the position.
    const MORE: u64 = if WALKS {
        Self::ONE + Opcode::StandardRun.as_byte() as u64
    } else {
        0
    };

    #[inline]
    pub(crate) const fn new(position: Position) -> Self {
        Self((position.get() << 16).wrapping_add(Self::MORE))
    }

    #[inline]
    pub(crate) const fn position(self) -> Position {
        Position::new(self.0.wrapping_sub(Self::MORE) >> 16)
    }

    #[inline]
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(Self::ONE))
    }

    #[inline]
    pub(crate) const fn before(self) -> Self {
        Self(self.0.wrapping_sub(Self::ONE))
    }

    /// The position after this one.
    #[inline]
    pub(crate) const fn next_position(self) -> Position {
        if Self::MORE >= Self::ONE {
            Position::new(self.0 >> 16)
        } else {
            self.next().position()
        }
    }

    /// How many positions after `other` this one is, which it is not before.
    #[inline]
    pub(crate) const fn since(self, other: Self) -> u64 {
        self.0.wrapping_sub(other.0) >> 16
    }

    /// As [`published`], of this position.
    #[inline]
    pub(crate) const fn published(self, opcode: u8) -> u64 {
        self.0
            .wrapping_add(Self::ONE + opcode as u64)
            .wrapping_sub(Self::MORE)
    }
}

/// What a shared producer may do about position `p`, having loaded a slot's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ForWriting {
    /// T1: claim, by exchanging exactly the loaded stamp for [`writing`].
    Claim,
    /// T1, if `p` is free by counter; full otherwise.
    ClaimIfReleased,
    /// T2: somebody has `p`; help `w` past it and look again.
    Help,
    /// Full, or a value that is not ready: look again if `w` has moved.
    Wait,
}

/// T1 and T2 for producers.
#[must_use]
pub fn for_writing(word: u64, position: Position, count: usize) -> ForWriting {
    let state = State::of(word);
    match state {
        State::Free(at) if at == position => ForWriting::Claim,
        State::Published(at, _) if at == position.minus(count) => ForWriting::ClaimIfReleased,
        _ if state.is_write_claimed(position, count) => ForWriting::Help,
        _ => ForWriting::Wait,
    }
}

/// What a shared consumer may do about position `p`, having loaded a slot's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ForReading {
    /// T4: claim, by exchanging exactly the loaded stamp for [`reading`] with this opcode.
    Claim(u8),
    /// T2: somebody has `p`; help `r` past it and look again.
    Help,
    /// Empty, or a value that is not ready: look again if `r` has moved.
    Wait,
}

/// T4 and T2 for consumers.
#[must_use]
pub fn for_reading(word: u64, position: Position, count: usize) -> ForReading {
    let state = State::of(word);
    match state {
        State::Published(at, opcode) if at == position => ForReading::Claim(opcode),
        _ if state.is_read_claimed(position, count) => ForReading::Help,
        _ => ForReading::Wait,
    }
}

/// The stamp of a free slot that will hold `position`.
#[inline]
#[must_use]
pub const fn free(position: Position) -> u64 {
    stamp(position, 0, FREE)
}

/// T1: the stamp of a slot that `member` is filling.
#[inline]
#[must_use]
pub const fn writing(position: Position, member: Member) -> u64 {
    stamp(position, member.get(), WRITING)
}

/// T3, T3x: the stamp of a packet in its slot.
#[inline]
#[must_use]
pub const fn published(position: Position, opcode: u8) -> u64 {
    stamp(position.plus(1), 0, opcode)
}

/// T4, T7: the stamp of a packet that `member` is reading.
#[inline]
#[must_use]
pub const fn reading(position: Position, member: Member, opcode: u8) -> u64 {
    stamp(position.plus(1), member.get(), opcode)
}

/// T5: the stamp of a slot whose packet has been read.
#[inline]
#[must_use]
pub const fn released(position: Position, count: usize) -> u64 {
    free(position.plus(count))
}

/// T4x: whether what was loaded of a stamp shows a packet with this opcode at the position.
#[inline]
#[must_use]
pub(crate) fn is_packet_at(loaded: Visible, turn: Turn, opcode: u8) -> bool {
    loaded == visible(turn.published(opcode))
}

/// Whether what was loaded of a stamp is of no packet at the position, whatever its opcode: in fewer steps than
/// [`packet_at`], and not everything that is so.
#[inline]
#[must_use]
pub(crate) fn is_elsewhere(loaded: Visible, turn: Turn) -> bool {
    loaded ^ visible(turn.published(0)) >= 1 << 16
}

/// T4x: the opcode, where what was loaded of a stamp shows a packet at `position`.
#[inline]
#[must_use]
pub(crate) fn packet_at(loaded: Visible, position: Position) -> Option<u8> {
    let opcode = u8::try_from(loaded ^ visible(published(position, 0))).ok()?;
    (opcode != FREE && opcode != WRITING).then_some(opcode)
}

/// T3x: whether what was loaded of a stamp shows a slot free for `position`.
#[inline]
#[must_use]
pub(crate) fn is_free(loaded: Visible, position: Position) -> bool {
    loaded == visible(free(position))
}

/// Free by counter: whether `released` has passed the packet that `position` would overwrite.
#[inline]
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a ring has at most 2^14 slots"
)]
pub const fn is_released(position: Position, released: u32, count: usize) -> bool {
    position.low().wrapping_sub(released) < count as u32
}

/// A2: what a stamp says again that the first half of a 32-bit store tore, given that no whole one of the ring can be
/// more than 2N above another, and `near` is one of them; `None` where it is not torn.
///
/// Only free slots are published, of which `released` may not say so any more; and WRITING becomes a tombstone.
#[must_use]
#[allow(clippy::cast_possible_wrap, reason = "a ring has at most 2^14 slots")]
pub fn mended(word: u64, near: Position, count: usize) -> Option<u64> {
    let sequence = Position::new(word >> 16);
    if sequence.since(near) <= 2 * count as i64 {
        return None;
    }
    let before = stamp(sequence.minus(1 << 16), 0, 0) | (word & 0xffff);
    Some(match State::of(before) {
        State::Published(position, _) | State::Reading(position, ..) => released(position, count),
        State::Free(_) | State::Writing(..) | State::Unknown(_) => before,
    })
}

/// Whether the slot of `position` may hold this stamp while a side waits for `position` there:
/// anything else was written by a peer that breaks the rules.
///
/// Compares the low 16 bits of the sequence only, as a 32-bit producer's stamp may be seen
/// half-written.
#[must_use]
pub fn is_expected(word: u64, position: Position, count: usize) -> bool {
    match State::of(word) {
        State::Free(at) => near(at, position) || near(at, position.plus(count)),
        State::Writing(at, _) | State::Published(at, _) | State::Reading(at, ..) => {
            near(at, position) || near(at, position.minus(count))
        }
        State::Unknown(_) => false,
    }
}

/// A3: as [`State::is_read_claimed`], also of half a stamp, which counts as what it was: compares the low 16 bits of the
/// sequence only.
#[must_use]
pub fn was_read_claimed(word: u64, position: Position, count: usize) -> bool {
    match State::of(word) {
        State::Reading(at, ..) => near(at, position),
        State::Free(at) | State::Writing(at, _) | State::Published(at, _) => {
            near(at, position.plus(count))
        }
        State::Unknown(_) => false,
    }
}

/// Whether the low 16 bits are the same: those that are in the low half of a stamp.
const fn near(at: Position, other: Position) -> bool {
    (at.get() ^ other.get()).trailing_zeros() >= 16
}

#[cfg(test)]
mod tests;
