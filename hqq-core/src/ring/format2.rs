//! What both ways to use a side of format 2 ask of its ring: whether there is room, or a packet, or somebody
//! in the way; and the words `taken` and `released` beside the stamps.

use super::{Corruption, Obstacle, stamp};
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::RingMemory;
use crate::superblock::Delivery;
use crate::sync::ordering::{self, Ordering};

/// Messages of format 2 are numbered by position, so that senders that share a side need no other
/// counter.
#[inline]
pub(crate) const fn copy_id(position: Position) -> u64 {
    position.plus(1).get()
}

/// The word `taken` that says that the first messages of the packet at `position` were received.
#[inline]
pub(super) const fn taken_word(position: Position, taken: u16) -> u32 {
    position.low() << 16 | taken as u32
}

/// How many messages of the packet at `position` the word `taken` says were received.
#[inline]
pub(super) fn taken_of<G: Geometry>(memory: &RingMemory<G>, position: Position) -> u16 {
    // Relaxed: it was written before the side was left, and leaving and joining are ordered.
    let word = memory.taken().load(Ordering::Relaxed);
    let [a, b, ..] = word.to_le_bytes();
    if word >> 16 == position.low() & 0xffff {
        u16::from_le_bytes([a, b])
    } else {
        0
    }
}

/// Makes the word `taken` say nothing, once its packet is claimed.
pub(super) fn clear_taken<G: Geometry>(memory: &RingMemory<G>) {
    // Relaxed: as above.
    memory.taken().store(0, Ordering::Relaxed);
}

/// Whether a producer that comes to `position` next would find room.
pub(super) fn has_room<G: Geometry>(memory: &RingMemory<G>, position: Position) -> bool {
    // Pairs with the Release of T5x.
    let released = memory.released().load(ordering::see_released());
    // Pairs with the Release of T5.
    let stamp = memory.slot(position).stamp().load(ordering::see_free());
    match stamp::for_writing(stamp, position, memory.count()) {
        stamp::ForWriting::Claim => true,
        stamp::ForWriting::ClaimIfReleased => {
            stamp::is_released(position, released, memory.count())
        }
        stamp::ForWriting::Help | stamp::ForWriting::Wait => false,
    }
}

/// Whether a consumer that comes to `position` next would find a packet.
pub(super) fn has_packet<G: Geometry>(memory: &RingMemory<G>, position: Position) -> bool {
    // Pairs with the Release of T3 and T3x.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(ordering::see_published());
    matches!(
        stamp::for_reading(stamp, position, memory.count()),
        stamp::ForReading::Claim(_)
    )
}

/// Who has claimed the slot of `position`.
pub(super) fn obstacle<G: Geometry>(
    memory: &RingMemory<G>,
    position: Position,
) -> Option<Obstacle> {
    // Pairs with the Release stores of T3 and T5, as every look at a stamp does.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(ordering::see_published());
    let (position, member, writing) = match stamp::State::of(stamp) {
        stamp::State::Writing(position, member) => (position, member, true),
        stamp::State::Reading(position, member, _) => (position, member, false),
        _ => return None,
    };
    Some(Obstacle {
        position,
        member,
        writing,
    })
}

/// The stamp at the position that `next` says, where no rule explains it and others of a shared
/// side have not got on meanwhile, which would explain it.
pub(super) fn corruption<G: Geometry>(
    memory: &RingMemory<G>,
    next: impl Fn() -> Position,
) -> Option<Corruption> {
    let found = unexplained(memory, next())?;
    (next() == found.position).then_some(found)
}

/// The stamp in the slot of `position`, where no rule explains it.
pub(super) fn unexplained<G: Geometry>(
    memory: &RingMemory<G>,
    position: Position,
) -> Option<Corruption> {
    // Pairs with the Release stores of T3 and T5, as every look at a stamp does.
    let stamp = memory
        .slot(position)
        .stamp()
        .load(ordering::see_published());
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
            .store(long_ago.low(), ordering::release_counter());
    }
}

/// How many packets no consumer has finished with, among the last N before `end`: those that
/// wait, and those of shared consumers that are being read. Of an exclusive one those that it was not handed, or, at
/// least once, has not released: what it takes over from others lies before `r` and was handed out to nobody yet.
pub(crate) fn unread<G: Geometry>(
    memory: &RingMemory<G>,
    end: Position,
    delivery: Delivery,
) -> usize {
    use ordering::{see_published, see_received, see_released};
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
                        && (delivery == Delivery::AtLeastOnce || at.since(received) >= 0)
                        && !stamp::is_released(at.plus(count), released, count)
                }
                stamp::State::Writing(at, _) | stamp::State::Reading(at, ..) => at == *position,
                _ => false,
            }
        })
        .count()
}
