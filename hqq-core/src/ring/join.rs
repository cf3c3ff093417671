//! Where a ring that is in use goes on: what the first member of a side does before anything else
//! (PROTOCOL.md, A2 and A3), and what taking a member id over repairs.
//!
//! At most 4N steps, whatever the ring holds.

use super::stamp::{self, State};
use super::{Corruption, clear_taken, taken_of, unexplained};
use crate::layout::Geometry;
use crate::member::{Member, Mode};
use crate::packet::{Opcode, Reason, StandardTombstone};
use crate::position::Position;
use crate::region::{RingMemory, Slot};
use crate::superblock::Delivery;
use crate::sync::ordering;

/// Reason in the tombstone of a message whose sender died or left before it was complete.
pub(crate) const ABANDONED: u64 = 4;

/// Replaces a stamp that nobody alive owns, unless it changed meanwhile.
///
/// Where there is no 64-bit exchange no side is shared, so nobody else writes stamps of this side.
pub(super) fn replace(slot: Slot<'_>, expected: u64, new: u64) {
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    {
        // T6. Pairs with the Acquire of T4 and T4x, or of T1 and T3x. Losing the race is as good:
        // somebody else has moved the slot on.
        let _ = slot.stamp().compare_exchange(
            expected,
            new,
            ordering::publish(),
            ordering::see_published(),
        );
    }
    #[cfg(not(all(target_has_atomic = "64", not(hqq_narrow))))]
    {
        // Pairs as above.
        if slot.stamp().load(ordering::see_published()) == expected {
            slot.stamp().store(new, ordering::publish());
        }
    }
}

/// T6: publishes a tombstone in the slot of `position`, which a dead producer was filling.
pub(super) fn bury<G: Geometry>(memory: &RingMemory<G>, word: u64, position: Position) {
    let slot = memory.slot(position);
    let tombstone = StandardTombstone {
        copy_id: position.plus(1).get(),
        slot_index: position.index(memory.count()) as u64,
        reason: Reason::new(ABANDONED),
    };
    slot.store_operands(&tombstone.operands());
    let opcode = Opcode::StandardTombstone.as_byte();
    replace(slot, word, stamp::published(position, opcode));
}

/// Makes the word `taken` say nothing where it is of `position`, whose reader died before it did so: 2^16 positions
/// later it would be taken to be of the packet there.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(super) fn forget_taken<G: Geometry>(memory: &RingMemory<G>, position: Position) {
    if taken_of(memory, position) != 0 {
        clear_taken(memory);
    }
}

/// The stamp in a slot, by its index.
fn stamp_at<G: Geometry>(memory: &RingMemory<G>, index: usize) -> u64 {
    // Pairs with the Release of T3 and T5.
    memory
        .slot(Position::default().plus(index))
        .stamp()
        .load(ordering::see_published())
}

/// A2, steps 1 and 2: mends the stamp that a 32-bit producer left half-written when it died. Nobody
/// lives on the producing side, and on the other one nobody writes stamps in halves.
pub(crate) fn mend_halves<G: Geometry>(memory: &RingMemory<G>) {
    let count = memory.count();
    // Sequences are compared as distances from slot 0's, which the wrap does not disturb.
    let origin = Position::new(stamp_at(memory, 0) >> 16);
    let mut smallest = origin;
    for index in 1..count {
        let sequence = Position::new(stamp_at(memory, index) >> 16);
        if sequence.since(origin) < smallest.since(origin) {
            smallest = sequence;
        }
    }
    for index in 0..count {
        let word = stamp_at(memory, index);
        if let Some(whole) = stamp::mended(word, smallest, count) {
            replace(memory.slot(Position::default().plus(index)), word, whole);
        }
    }
}

/// A2: where the first producer of a side goes on, and `w` with it; what dead producers were
/// filling becomes tombstones.
///
/// # Errors
/// [`Corruption`] where the ring is in no state that the rules lead to.
pub(crate) fn first_producer<G: Geometry>(memory: &RingMemory<G>) -> Result<Position, Corruption> {
    let count = memory.count();
    mend_halves(memory);
    let mut last: Option<Position> = None;
    for index in 0..count {
        let word = stamp_at(memory, index);
        let state = State::of(word);
        let position = state.last_claimed(count).ok_or(Corruption {
            position: Position::default().plus(index),
            stamp: word,
        })?;
        if position.index(count) != index {
            return Err(Corruption {
                position,
                stamp: word,
            });
        }
        if let State::Writing(..) = state {
            bury(memory, word, position);
        }
        last = Some(match last {
            Some(last) if position.since(last) < 0 => last,
            _ => position,
        });
    }
    let next = last.map_or(Position::default(), |last| last.plus(1));
    check(memory, next)?;
    // Relaxed would do: `w` is a hint, and nobody else is on this side.
    memory.w().store(next.get(), ordering::store_received());
    Ok(next)
}

/// That each of the N slots is in a state it can be in while `next` is the next to be written.
fn check<G: Geometry>(memory: &RingMemory<G>, next: Position) -> Result<(), Corruption> {
    let count = memory.count();
    for ahead in 0..count {
        let position = next.plus(ahead);
        let slot = memory.slot(position);
        // Pairs with the Release of T3 and T5.
        let word = slot.stamp().load(ordering::see_published());
        let last = position.minus(count);
        let possible = match State::of(word) {
            State::Free(at) => at == position,
            State::Published(at, _) | State::Reading(at, ..) => at == last,
            State::Writing(..) | State::Unknown(_) => false,
        };
        if !possible {
            return Err(Corruption {
                position,
                stamp: word,
            });
        }
    }
    Ok(())
}

/// Where the first consumer of a side goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The first position to hand out.
    pub(crate) start: Position,
    /// Positions from `start` to here are in doubt.
    pub(crate) settled: Position,
}

/// A3: where the first consumer of a side goes on; what a dead consumer had claimed is released
/// (at most once) or handed out in doubt (at least once). `written` is called before what comes next may be seen: once
/// `r` is, and once slots are.
///
/// # Errors
/// [`Corruption`] where the ring is in no state that the rules lead to.
pub(crate) fn first_consumer<G: Geometry>(
    memory: &RingMemory<G>,
    mode: Mode,
    member: Member,
    delivery: Delivery,
    written: impl Fn(&RingMemory<G>),
) -> Result<Resume, Corruption> {
    let count = memory.count();
    let next = received(memory);
    if let Some(corruption) = unexplained(memory, next) {
        return Err(corruption);
    }
    // Before any slot: `r` may have lagged, and where READING goes nothing else says that a position was claimed.
    // Pairs with the Acquire of a producer that waits for the ring to drain.
    memory.r().store(next.get(), ordering::store_received());
    if taken_of(memory, next) == 0 {
        // What a consumer left that died before it cleared it.
        clear_taken(memory);
    }
    written(memory);
    // Pairs with T5x.
    let released = memory.released().load(ordering::see_released());
    let mut start = next;
    for back in (1..=count).rev() {
        let position = next.minus(back);
        let slot = memory.slot(position);
        // Pairs with the Release of T3 and T5.
        let word = slot.stamp().load(ordering::see_published());
        let (at, opcode, was_reading) = match State::of(word) {
            State::Published(at, opcode) => (at, opcode, false),
            State::Reading(at, _, opcode) => (at, opcode, true),
            _ => continue,
        };
        if at != position {
            continue;
        }
        let finished = !was_reading && stamp::is_released(position.plus(count), released, count);
        let doubted = !finished && delivery == Delivery::AtLeastOnce;
        if doubted && position.since(start) < 0 {
            start = position;
        }
        match (mode, doubted) {
            // Handed out through T7, then released by T5.
            (Mode::Shared, true) => replace(slot, word, stamp::reading(position, member, opcode)),
            // From here on the stamps alone say what is free.
            (Mode::Shared, false) => replace(slot, word, stamp::released(position, count)),
            // The counter frees it, as all else. Not this stamp: of 32 bits, half of it might be taken for a producer's.
            (Mode::Exclusive, _) if was_reading => {
                replace(slot, word, stamp::published(position, opcode));
            }
            (Mode::Exclusive, _) => {}
        }
    }
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    if mode == Mode::Shared {
        // Not while the walk goes on: whoever came after a death in the middle of it would take what
        // only the counter frees for unread.
        for back in (1..=count).rev() {
            super::step_released(memory, next.minus(back));
        }
    }
    written(memory);
    if mode == Mode::Exclusive {
        // T5x. Pairs with the Acquire of T1 and T3x.
        memory
            .released()
            .store(start.low(), ordering::release_counter());
    }
    Ok(Resume {
        start,
        settled: next,
    })
}

/// `r`, mended where a 32-bit consumer left it half-written, and helped past what was claimed.
pub(super) fn received<G: Geometry>(memory: &RingMemory<G>) -> Position {
    let count = memory.count();
    // Pairs with the Release of T4x.
    let mut next = Position::new(memory.r().load(ordering::see_received()));
    // The halves of `r` can be 2^32 apart from each other, the stamps cannot.
    // Pairs with the Release of T3 and T5.
    let nearby = memory.slot(next).stamp().load(ordering::see_published());
    if let Some(last) = State::of(nearby).last_claimed(count) {
        let torn = next.since(last);
        let half = 1_i64 << 31;
        if torn > half {
            next = Position::new(next.get().wrapping_sub(1 << 32));
        } else if torn < -half {
            next = Position::new(next.get().wrapping_add(1 << 32));
        }
    }
    for _ in 0..count {
        // Pairs with the Release of T5.
        let word = memory.slot(next).stamp().load(ordering::see_published());
        // Also where a producer has stored half of its stamp there: an exclusive consumer would stand at a position
        // that was claimed for good.
        if !stamp::was_read_claimed(word, next, count) {
            break;
        }
        next = next.plus(1);
    }
    next
}

/// Taking over an id on a producing side that others share: what its former owner was filling
/// becomes tombstones (T6).
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) fn further_producer<G: Geometry>(memory: &RingMemory<G>, member: Member) {
    for index in 0..memory.count() {
        let slot = memory.slot(Position::default().plus(index));
        // Pairs with the Release of T3 and T5.
        let word = slot.stamp().load(ordering::see_published());
        if let State::Writing(position, owner) = State::of(word)
            && owner == member
            && position.index(memory.count()) == index
        {
            bury(memory, word, position);
        }
    }
}

/// Taking over an id on a consuming side that others share: what its former owner was reading is
/// released (T6, at most once) or handed out in doubt (T7, at least once).
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) fn further_consumer<G: Geometry>(
    memory: &RingMemory<G>,
    member: Member,
    delivery: Delivery,
) -> Resume {
    let count = memory.count();
    let next = received(memory);
    let mut resume = Resume {
        start: next,
        settled: next,
    };
    for index in 0..count {
        let slot = memory.slot(Position::default().plus(index));
        // Pairs with the Release of T3 and T5.
        let word = slot.stamp().load(ordering::see_published());
        let position = match State::of(word) {
            State::Reading(position, owner, _) if owner == member => position,
            _ => continue,
        };
        if position.index(count) != index {
            continue;
        }
        forget_taken(memory, position);
        if delivery == Delivery::AtMostOnce {
            super::step_released(memory, position);
            replace(slot, word, stamp::released(position, count));
            continue;
        }
        // `r` moves on meanwhile, these do not. Others' lie among them: the consumer takes none of those over before
        // it has handed all of these out.
        if resume.start == resume.settled {
            resume.start = position;
            resume.settled = position;
        }
        if position.since(resume.start) < 0 {
            resume.start = position;
        }
        if position.since(resume.settled) >= 0 {
            resume.settled = position.plus(1);
        }
    }
    // Stamps further apart than a ring is long are a liar's.
    let span = resume.settled.since(resume.start);
    if span < 0 || span > i64::try_from(count).unwrap_or(0) {
        resume.start = resume.settled.minus(count);
    }
    resume
}
