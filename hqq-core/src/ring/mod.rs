//! The ring of format 2: who may move a slot from which state to which (PROTOCOL.md, "Ring").
//!
//! [`stamp`] has the moves as pure functions; [`exclusive`] and [`shared`] are the two ways to use
//! a side; `join` finds the place where a ring that is in use goes on. Nothing here knows what
//! an opcode means.

pub mod exclusive;
pub(crate) mod join;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod shared;
pub mod stamp;

use crate::counters::Event;
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::RingMemory;

/// Why no slot could be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refused {
    /// Full (for a producer) or empty (for a consumer).
    Blocked,
    /// Other members claimed every slot that was tried; there may be room, or a packet.
    Busy,
}

/// A packet that was claimed for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Claimed {
    /// Where it lies.
    pub position: Position,
    /// The low byte of its word 0.
    pub opcode: u8,
    /// Whether a reader that died may have read it before (at-least-once regions only).
    pub in_doubt: bool,
}

/// A stamp that belongs to no state the ring can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Corruption {
    /// The position that cannot go on.
    pub position: Position,
    /// What lies in its slot.
    pub stamp: u64,
}

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// The producing side of a ring, as a link uses it. Sealed: implemented by the sides of this crate.
pub trait Producer: Sealed {
    /// The geometry of the ring.
    type Geometry: Geometry;

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn memory(&self) -> &RingMemory<Self::Geometry>;

    /// T1, T3x: a position whose slot and buffer are this side's until [`Producer::publish`] or
    /// [`Producer::cancel`].
    ///
    /// # Errors
    /// [`Refused`], after at most 2N + 8 steps.
    fn try_claim(&mut self) -> Result<Position, Refused>;

    /// T3, T3x: writes the operands, then makes the packet visible.
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]);

    /// Gives a claimed position up: a shared side publishes the packet given, which readers skip;
    /// an exclusive one had claimed nothing.
    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]);

    /// The next position that was not claimed yet, as far as this side knows.
    fn next_position(&self) -> Position;

    /// Whether the consumers have come and gone.
    fn is_peer_closed(&self) -> bool;

    /// Whether a consumer is attached now.
    fn is_peer_open(&self) -> bool;

    /// Whether [`Producer::try_claim`] would find room now.
    fn has_room(&self) -> bool {
        let (memory, position) = (self.memory(), self.next_position());
        // Pairs with the Release of T5x.
        let released = memory
            .released()
            .load(crate::sync::ordering::see_released());
        // Pairs with the Release of T5.
        let stamp = memory
            .slot(position)
            .stamp()
            .load(crate::sync::ordering::see_free());
        match stamp::for_writing(stamp, position, memory.count()) {
            stamp::ForWriting::Claim => true,
            stamp::ForWriting::ClaimIfReleased => {
                stamp::is_released(position, released, memory.count())
            }
            stamp::ForWriting::Help | stamp::ForWriting::Wait => false,
        }
    }

    /// What stands in the way, where no rule explains it.
    fn corruption(&self) -> Option<Corruption> {
        let found = unexplained(self.memory(), self.next_position())?;
        // On a shared side others may have got on meanwhile; then it proves nothing.
        (self.next_position() == found.position).then_some(found)
    }

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn count(&mut self, event: Event);

    /// What this side has counted.
    fn counters(&self) -> crate::Counters;
}

/// The consuming side of a ring, as a link uses it. Sealed: implemented by the sides of this crate.
pub trait Consumer: Sealed {
    /// The geometry of the ring.
    type Geometry: Geometry;

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn memory(&self) -> &RingMemory<Self::Geometry>;

    /// T4, T4x: a packet that is this side's until [`Consumer::release`].
    ///
    /// # Errors
    /// [`Refused`], after at most 2N + 8 steps.
    fn try_claim(&mut self) -> Result<Claimed, Refused>;

    /// T5, T5x: gives slot and buffer back to the producers.
    fn release(&mut self, position: Position);

    /// Undoes [`Consumer::try_claim`] where the packet was not looked at and that is possible:
    /// an exclusive side can, a shared one releases.
    fn unclaim(&mut self, position: Position);

    /// The next position that was not claimed yet, as far as this side knows.
    fn next_position(&self) -> Position;

    /// Whether nothing is left and nothing will come: the producers closed, and then neither a
    /// packet nor one being read was found (C1).
    fn is_finished(&mut self) -> bool;

    /// Whether a producer is attached now.
    fn is_peer_open(&self) -> bool;

    /// Whether [`Consumer::try_claim`] would find a packet now.
    fn has_packet(&self) -> bool {
        let (memory, position) = (self.memory(), self.next_position());
        // Pairs with the Release of T3 and T3x.
        let stamp = memory
            .slot(position)
            .stamp()
            .load(crate::sync::ordering::see_published());
        matches!(
            stamp::for_reading(stamp, position, memory.count()),
            stamp::ForReading::Claim(_)
        )
    }

    /// What stands in the way, where no rule explains it.
    fn corruption(&self) -> Option<Corruption> {
        let found = unexplained(self.memory(), self.next_position())?;
        // On a shared side others may have got on meanwhile; then it proves nothing.
        (self.next_position() == found.position).then_some(found)
    }

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn count(&mut self, event: Event);

    /// What this side has counted.
    fn counters(&self) -> crate::Counters;
}

/// The stamp in the slot of `position`, where no rule explains it.
fn unexplained<G: Geometry>(memory: &RingMemory<G>, position: Position) -> Option<Corruption> {
    // Pairs with the Release stores of T3 and T5, as every look at a stamp does.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(crate::sync::ordering::see_published());
    (!stamp::is_expected(stamp, position, memory.count())).then_some(Corruption { position, stamp })
}

/// `released` is moved on whenever a multiple of this is released by stamp, so that its low 32
/// bits never come round to a position they were not meant for.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
const RELEASED_STEP: u64 = 1 << 30;

/// Before a shared side releases `position` by its stamp: moves `released` on where it is time.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[inline]
pub(crate) fn step_released<G: Geometry>(memory: &RingMemory<G>, position: Position) {
    if position.get().is_multiple_of(RELEASED_STEP) {
        // Everything this far back was read long ago. Pairs with the Acquire of T1 and T3x.
        let long_ago = Position::new(position.get().wrapping_sub(RELEASED_STEP));
        memory
            .released()
            .store(long_ago.low(), crate::sync::ordering::release_counter());
    }
}

/// How many packets no consumer has finished with, among the last N before `end`: those that
/// wait, and those of shared consumers that are being read.
pub(crate) fn unread<G: Geometry>(memory: &RingMemory<G>, end: Position) -> usize {
    use crate::sync::ordering::{see_published, see_received, see_released};
    let count = memory.count();
    // Pairs with the Release of `r` in T4x: an exclusive consumer has been handed all before it.
    let received = Position::new(memory.r().load(see_received()));
    // Pairs with the Release of `released` in T5x.
    let released = memory.released().load(see_released());
    (1..=count)
        .map(|back| end.minus(back))
        .filter(|position| {
            // Pairs with the Release of T5.
            let stamp = memory.slot(*position).stamp().load(see_published());
            match stamp::State::of(stamp) {
                stamp::State::Published(at, _) => {
                    at == *position
                        && at.since(received) >= 0
                        && !stamp::is_released(at.plus(count), released, count)
                }
                stamp::State::Writing(at, _) | stamp::State::Reading(at, ..) => at == *position,
                _ => false,
            }
        })
        .count()
}
