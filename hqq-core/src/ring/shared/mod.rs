//! Shared sides: any number of threads and members; a claim is a compare-and-swap on the slot's
//! own stamp, which then names its owner.

use core::sync::atomic::Ordering;

use super::Refused;
use crate::position::Position;
use crate::sync::Counter;

mod consumer;
mod left;
mod producer;

pub use consumer::SharedConsumer;
pub use producer::SharedProducer;

/// Spin hints for which whoever meets others leaves the side to them: they claim some positions in a row then. Taking
/// turns for each, all would wait for the same lines all the time.
const REST: usize = 32;
/// Spin hints for which who has filled the ring leaves it to those who read, at most.
const LONG_REST: usize = 64;
/// A model has nothing to gain by a rest.
const RESTS: bool = !cfg!(loom);
/// Claims in a row of one handle of which it moves the counter on with the last one only (T2): each exchange costs
/// as much as all else that a claim does.
const ROW: usize = 8;

/// [`ROW`] in a ring of so many slots: half of them at most, so that who begins at the counter is never a lap behind.
const fn row(count: usize) -> usize {
    if count / 2 < ROW { count / 2 } else { ROW }
}

/// The next position that was not claimed yet, or one a little before; a hint.
fn hint(counter: &Counter) -> Position {
    // Relaxed: the slots carry the synchronisation.
    Position::new(counter.load(Ordering::Relaxed))
}

/// The first position from `next` on that nobody `has_claimed`. After at most N looks.
fn next_unclaimed(
    mut next: Position,
    count: usize,
    has_claimed: impl Fn(Position) -> bool,
) -> Position {
    for _ in 0..count {
        if !has_claimed(next) {
            break;
        }
        next = next.plus(1);
    }
    next
}

/// T2: moves a counter that may stand at `seen` on to `next`, before which everything is claimed.
#[inline]
fn move_on(counter: &Counter, mut seen: Position, next: Position) {
    // The first attempt may be a guess. No honest counter is further behind than a row then, and each attempt after that fails
    // because somebody has moved it on.
    for _ in 0..=ROW {
        if next.since(seen) <= 0 {
            return;
        }
        match counter.help(seen.get(), next.get()) {
            Ok(()) => return,
            Err(now) => seen = Position::new(now),
        }
    }
}

/// T2, of a handle that goes on claiming in a row and has claimed `position`: due with the last claim of each `row`.
#[inline]
fn go_on(counter: &Counter, row: usize, position: Position) {
    let next = position.plus(1);
    if next.index(row) == 0 {
        // Where it stands if this handle has moved it on before.
        move_on(counter, next.minus(row), next);
    }
}

/// What a slot says to who would claim a position.
enum Look<C> {
    Claim(C),
    /// Somebody has claimed it.
    Claimed,
    Wait,
}

/// T1 or T4, and T2, beside others that claim; what was claimed, and the position that was looked at last. Begins at
/// `position`, before which everything is claimed, with what its slot was `found` to say.
#[inline]
#[allow(clippy::cast_possible_wrap, reason = "a ring has at most 2^14 slots")]
fn claim_next<C>(
    counter: &Counter,
    count: usize,
    mut position: Position,
    found: Look<C>,
    look: impl Fn(Position) -> Look<C>,
    claim: impl Fn(Position, &C) -> bool,
) -> (Result<C, Refused>, Position) {
    let mut seen = position;
    let mut found = Some(found);
    for _ in 0..limit(count) {
        match found.take().unwrap_or_else(|| look(position)) {
            Look::Claim(found) => {
                // Before the claim: should this member die after it, no more than that is left out.
                move_on(counter, seen, position);
                if claim(position, &found) {
                    move_on(counter, position, position.plus(1));
                    return (Ok(found), position);
                }
            }
            Look::Claimed => {
                position = position.plus(1);
                // No honest counter is so far behind: others have got on meanwhile.
                if position.index(ROW) == 0 {
                    seen = hint(counter);
                    if seen.since(position) > 0 {
                        position = seen;
                    }
                }
            }
            Look::Wait => {
                seen = hint(counter);
                // A position further ahead of the counter is of so long ago that positions have come round since.
                if (0..=count as i64).contains(&position.since(seen)) {
                    move_on(counter, seen, position);
                    return (Err(Refused::Blocked), position);
                }
                // Somebody else got on meanwhile.
                position = seen;
            }
        }
    }
    (Err(Refused::Busy), position)
}

/// Others are claiming: leaves the side to them for a moment.
#[cold]
#[inline(never)]
fn give_way() {
    if RESTS {
        rest(REST, || false);
    }
}

/// Does nothing until `is_enough`, for so many spin hints at most.
fn rest(hints: usize, is_enough: impl Fn() -> bool) {
    for _ in 0..hints {
        core::hint::spin_loop();
        if is_enough() {
            return;
        }
    }
}

/// Steps in one call, beside that of a quick attempt before: each failed one means that another member got on.
const fn limit(count: usize) -> usize {
    2 * count + 7
}
