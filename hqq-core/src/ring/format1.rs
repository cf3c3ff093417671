//! The ring of format 1 (PROTOCOL.md, "Format 1"): a claim is a compare-and-swap on the ring's own
//! counter, always, as an HQQ-Go process may share the side; a slot's sequence says whose it is.
//!
//! | sequence of the slot of position p | meaning |
//! |---|---|
//! | p | free for p, or claimed for it and not published yet |
//! | p + 1 | published, or being read |
//! | p + N | free for p + N |
//!
//! A member that dies with a claim leaves its slot stuck: the ring blocks there for good.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{
    Claimed, ConcurrentConsumer, ConcurrentProducer, Corruption, Counted, Obstacle, Refused, Sealed,
};
use crate::counters::SharedCounters;
use crate::layout::{Geometry, MAX_COUNT};
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffers, Format1Memory};
use crate::side::End;
use crate::sync::{Counter, ordering};

/// What a sequence means to a side that has come to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It is this side's.
    Ready,
    /// It will be.
    Wait,
    /// The side's counter has moved on already, or the sequence is of no state.
    Past,
}

/// `sequence` where `ready` is awaited, and one of `waiting` lies there until then.
const fn turn(sequence: u64, ready: u64, waiting: [u64; 2]) -> Turn {
    let [first, second] = waiting;
    if sequence == ready {
        Turn::Ready
    } else if sequence == first || sequence == second {
        Turn::Wait
    } else {
        Turn::Past
    }
}

/// What a producer at `position` makes of its slot's sequence: it is free, or holds the position a
/// lap before, claimed or published.
const fn for_writing(sequence: u64, position: u64, count: usize) -> Turn {
    let before = position.wrapping_sub(count as u64);
    turn(sequence, position, [before, before.wrapping_add(1)])
}

/// What a consumer at `position` makes of its slot's sequence: it is published, or not yet, or
/// another consumer still reads the position a lap before.
const fn for_reading(sequence: u64, position: u64, count: usize) -> Turn {
    let before = position.wrapping_sub(count as u64);
    turn(
        sequence,
        position.wrapping_add(1),
        [position, before.wrapping_add(1)],
    )
}

/// Claims the next position of `counter` once its slot is ready; `found` is called with a position
/// that is about to be claimed.
#[inline]
fn try_claim<G: Geometry>(
    memory: &Format1Memory<G>,
    counter: &Counter,
    see: Ordering,
    look: impl Fn(u64, u64, usize) -> Turn,
    found: impl Fn(Position),
) -> Result<Position, Refused> {
    let count = memory.buffers().count();
    // Each step that fails means that another member got on.
    for _ in 0..2 * count.min(MAX_COUNT) + 8 {
        // Pairs with the Release of the claim below, by whichever member: whoever claimed the
        // position a lap before saw its sequence, so what is seen next is no older than that.
        let next = counter.load(ordering::see_position());
        let position = Position::of_format_1(next);
        // Pairs with the Release of the opposite side's `publish` or `release`.
        let sequence = memory.slot(position).sequence().load(see);
        let turn = look(sequence, next, count);
        if turn == Turn::Ready {
            found(position);
            // Pairs with the Acquire above. What is claimed was acquired with the sequence.
            if counter.try_claim(next, ordering::claim_position()) {
                return Ok(position);
            }
            continue;
        }
        // Relaxed: whoever wrote a sequence that is past had moved the counter before, and the
        // load of the sequence acquired that.
        if counter.load(Ordering::Relaxed) == next {
            return Err(match turn {
                Turn::Wait => Refused::Blocked,
                _ => Refused::Corrupt(Corruption {
                    position,
                    stamp: sequence,
                }),
            });
        }
    }
    Err(Refused::Busy)
}

/// What lies at the position `counter` says, where `look` cannot explain it.
fn corruption<G: Geometry>(
    memory: &Format1Memory<G>,
    counter: &Counter,
    look: impl Fn(u64, u64, usize) -> Turn,
) -> Option<Corruption> {
    // Paired as in `try_claim`, all three loads.
    let next = counter.load(ordering::see_position());
    let position = Position::of_format_1(next);
    let stamp = memory
        .slot(position)
        .sequence()
        .load(ordering::see_published());
    let past = look(stamp, next, memory.buffers().count()) == Turn::Past;
    (past && counter.load(Ordering::Relaxed) == next).then_some(Corruption { position, stamp })
}

/// Whether the slot at the position `counter` says is ready.
fn is_ready<G: Geometry>(
    memory: &Format1Memory<G>,
    counter: &Counter,
    look: impl Fn(u64, u64, usize) -> Turn,
) -> bool {
    // Relaxed: an old position is not ready. The sequence as in `try_claim`.
    let next = counter.load(Ordering::Relaxed);
    let slot = memory.slot(Position::of_format_1(next));
    let sequence = slot.sequence().load(ordering::see_published());
    look(sequence, next, memory.buffers().count()) == Turn::Ready
}

/// The producing side of a ring of format 1, for many threads at once and beside other processes.
pub struct Format1Producer<G: Geometry> {
    memory: Format1Memory<G>,
    /// Messages that this endpoint has numbered.
    numbered: AtomicU64,
    counters: SharedCounters,
}

impl<G: Geometry> Format1Producer<G> {
    pub(crate) fn new(memory: Format1Memory<G>) -> Self {
        Self {
            memory,
            numbered: AtomicU64::new(0),
            counters: SharedCounters::default(),
        }
    }
}

impl<G: Geometry> Sealed for Format1Producer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for Format1Producer<G> {
    const IN_ROWS: bool = false;

    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> ConcurrentProducer for Format1Producer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&self, _: Option<Position>) -> (Result<Position, Refused>, Position) {
        // Acquire: the payload there has been read.
        let claimed = try_claim(
            &self.memory,
            self.memory.w(),
            ordering::see_free(),
            for_writing,
            |_| {},
        );
        (claimed, Position::default())
    }

    #[inline]
    fn publish(&self, position: Position, opcode: u8, operands: &[u64; 7]) {
        let slot = self.memory.slot(position);
        slot.store(u64::from(opcode), operands);
        // Pairs with the Acquire in `try_claim` of consumers.
        slot.sequence()
            .store(position.get().wrapping_add(1), ordering::publish());
    }

    #[inline]
    fn publish_short(&self, position: Position, opcode: u8, operand: u64) {
        self.publish(position, opcode, &[operand, 0, 0, 0, 0, 0, 0]);
    }

    #[inline]
    fn copy_id(&self, _: Position, alone: bool) -> u64 {
        // Relaxed: numbers that are private to this endpoint; nothing is ordered by them.
        let before = if alone {
            let before = self.numbered.load(Ordering::Relaxed);
            self.numbered
                .store(before.wrapping_add(1), Ordering::Relaxed);
            before
        } else {
            self.numbered.fetch_add(1, Ordering::Relaxed)
        };
        before.wrapping_add(1)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        false
    }

    fn may_send_runs(&self) -> bool {
        false
    }

    fn unread(&self) -> usize {
        let count = self.memory.buffers().count();
        // Relaxed: a snapshot of a ring that may move on.
        let end = self.memory.w().load(Ordering::Relaxed);
        (1..=count as u64)
            .filter(|back| {
                let position = end.wrapping_sub(*back);
                let slot = self.memory.slot(Position::of_format_1(position));
                // Pairs with the Release of `release`: what it says was read has been read.
                let sequence = slot.sequence().load(ordering::see_free());
                sequence == position || sequence == position.wrapping_add(1)
            })
            .count()
    }

    #[inline]
    fn is_peer_closed(&self) -> bool {
        false
    }

    fn is_peer_dead(&self) -> bool {
        false
    }

    fn is_peer_open(&self) -> bool {
        true
    }

    fn obstacle(&self) -> Option<Obstacle> {
        None
    }

    fn has_room(&self) -> bool {
        is_ready(&self.memory, self.memory.w(), for_writing)
    }

    fn corruption(&self) -> Option<Corruption> {
        corruption(&self.memory, self.memory.w(), for_writing)
    }
}

/// The consuming side of a ring of format 1, for many threads at once and beside other processes.
pub struct Format1Consumer<G: Geometry> {
    memory: Format1Memory<G>,
    counters: SharedCounters,
}

impl<G: Geometry> Format1Consumer<G> {
    pub(crate) fn new(memory: Format1Memory<G>) -> Self {
        Self {
            memory,
            counters: SharedCounters::default(),
        }
    }
}

impl<G: Geometry> Sealed for Format1Consumer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for Format1Consumer<G> {
    const IN_ROWS: bool = false;

    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> ConcurrentConsumer for Format1Consumer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&self, _: Option<Position>) -> (Result<Claimed, Refused>, Position) {
        // Acquire: packet and payload are there.
        let claimed = try_claim(
            &self.memory,
            self.memory.r(),
            ordering::see_published(),
            for_reading,
            |position| self.memory.prefetch(position),
        );
        let claimed = claimed.map(|position| Claimed {
            position,
            header: self.memory.slot(position).load_header(),
            in_doubt: false,
            taken: 0,
        });
        (claimed, Position::default())
    }

    #[inline]
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        self.memory.slot(position).load_operands::<FROM>()
    }

    #[inline]
    fn operand(&self, position: Position, index: usize) -> u64 {
        self.memory.slot(position).load_operand(index)
    }

    #[inline]
    fn release(&self, position: Position) {
        let count = self.memory.buffers().count() as u64;
        // Pairs with the Acquire in `try_claim` of producers.
        self.memory
            .slot(position)
            .sequence()
            .store(position.get().wrapping_add(count), ordering::release_slot());
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        false
    }

    #[inline]
    fn end(&self) -> Option<End> {
        None
    }

    fn take_over(&self, _: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        None
    }

    fn obstacle(&self) -> Option<Obstacle> {
        None
    }

    fn is_peer_open(&self) -> bool {
        true
    }

    fn has_packet(&self) -> bool {
        is_ready(&self.memory, self.memory.r(), for_reading)
    }

    fn corruption(&self) -> Option<Corruption> {
        corruption(&self.memory, self.memory.r(), for_reading)
    }
}
