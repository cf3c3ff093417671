//! The producing side of a ring, that others may share.

use core::sync::atomic::Ordering;

use super::{LONG_REST, RESTS, give_way, limit, rest};
use crate::counters::SharedCounters;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory};
use crate::ring::stamp::{self, ForWriting, State};
use crate::ring::wake::Alarm;
use crate::ring::{
    ConcurrentProducer, Corruption, Counted, Obstacle, Operands, Put, Refused, Sealed,
};
use crate::side::Attached;
use crate::superblock::Delivery;
use crate::sync::{Stamp, ordering};

/// Whether another producer has claimed `position` just now; never where nobody rests.
#[inline]
fn is_being_filled(word: u64, position: Position) -> bool {
    RESTS && matches!(State::of(word), State::Writing(at, _) if at == position)
}

/// The producing side of a ring, for many threads at once and beside other members.
pub struct SharedProducer<G: Geometry> {
    memory: RingMemory<G>,
    member: Member,
    delivery: Delivery,
    counters: SharedCounters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> SharedProducer<G> {
    pub(crate) fn new(
        memory: RingMemory<G>,
        member: Member,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        Self {
            memory,
            member,
            delivery,
            counters: SharedCounters::default(),
            side,
            alarm,
        }
    }

    /// The next position that was not claimed yet; a hint.
    fn next(&self) -> Position {
        // Relaxed: a hint.
        Position::new(self.memory.w().load(Ordering::Relaxed))
    }

    /// The next position that was not claimed yet, also where who claimed those before has not gone on (T2), or died
    /// before. After at most N looks.
    fn next_unclaimed(&self) -> Position {
        let memory = &self.memory;
        let mut position = self.next();
        for _ in 0..memory.count() {
            // Pairs with the Release of T5.
            let word = memory.slot(position).stamp().load(ordering::see_free());
            match stamp::for_writing(word, position, memory.count()) {
                ForWriting::Help => position = position.plus(1),
                _ => break,
            }
        }
        position
    }

    /// T3 of a slot whose operands are stored, and what follows each: whoever sleeps is woken.
    #[inline]
    fn finish(&self, stamp: &Stamp, word: u64) {
        // Pairs with the Acquire of T4 and T4x.
        stamp.store(word, ordering::publish());
        self.alarm.check(&self.memory, true);
    }

    /// T1 and T2, from what was `seen`; `None` after an exchange in vain or a rest.
    #[inline(never)]
    fn claim_among_others(&self, mut seen: Option<(Position, u64)>) -> Result<Position, Refused> {
        let memory = &self.memory;
        let count = memory.count();
        // An exchange in vain, or a rest, was the first step.
        for _ in usize::from(seen.is_none())..limit(count) {
            let (position, word) = seen.take().unwrap_or_else(|| self.look());
            let stamp = memory.slot(position).stamp();
            let claim = match stamp::for_writing(word, position, count) {
                ForWriting::Claim => true,
                ForWriting::ClaimIfReleased => {
                    // Pairs with the Release of T5x: the payload there has been read.
                    let released = memory.released().load(ordering::see_released());
                    stamp::is_released(position, released, count)
                }
                ForWriting::Help => {
                    memory.w().help(position.get(), position.plus(1).get());
                    continue;
                }
                ForWriting::Wait => false,
            };
            if !claim {
                // Relaxed: only asks whether somebody else got on meanwhile.
                if Position::new(memory.w().load(Ordering::Relaxed)) == position {
                    return Err(Refused::Blocked);
                }
                continue;
            }
            if self.exchange(stamp, word, position) {
                return Ok(position);
            }
        }
        Err(Refused::Busy)
    }

    /// The next position, and the stamp there.
    #[inline]
    fn look(&self) -> (Position, u64) {
        let position = self.next();
        // Relaxed: the exchange acquires what it claims.
        let word = self.memory.slot(position).stamp().load(Ordering::Relaxed);
        (position, word)
    }

    /// T1 for a stamp that shows `position` to be free, and T2; `false` where somebody else was faster.
    #[inline]
    fn exchange(&self, stamp: &Stamp, word: u64, position: Position) -> bool {
        let claimed = self.claim(stamp, word, position);
        if claimed {
            self.go_on(position);
        }
        claimed
    }

    /// T1.
    #[inline]
    fn claim(&self, stamp: &Stamp, word: u64, position: Position) -> bool {
        // Pairs with the Release of T5.
        let claimed = stamp.compare_exchange(
            word,
            stamp::writing(position, self.member),
            ordering::claim_writing(),
            Ordering::Relaxed,
        );
        claimed.is_ok()
    }

    /// T2.
    #[inline]
    fn go_on(&self, position: Position) {
        self.memory.w().help(position.get(), position.plus(1).get());
    }
}

impl<G: Geometry> Sealed for SharedProducer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for SharedProducer<G> {
    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }

    /// More than one message is on its way: so none waits for an answer to the one before.
    fn is_streaming(&self) -> bool {
        // Relaxed: a hint.
        let received = Position::new(self.memory.r().load(Ordering::Relaxed));
        self.next().since(received) > 1
    }

    fn record(&self) {
        self.counters.record(|counters| self.side.record(counters));
    }
}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<G: Geometry> ConcurrentProducer for SharedProducer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    /// T1 and T2, as they go where nobody interferes.
    #[inline]
    fn try_claim(&self) -> Result<Position, Refused> {
        let (position, word) = self.look();
        if word == stamp::free(position) {
            if self.exchange(self.memory.slot(position).stamp(), word, position) {
                return Ok(position);
            }
        } else if !is_being_filled(word, position) {
            return self.claim_among_others(Some((position, word)));
        }
        give_way();
        self.claim_among_others(None)
    }

    #[inline]
    fn put_quickly<O: Operands>(
        &self,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> (Put, Position) {
        let (position, word) = self.look();
        let Some((slot, buffer)) = O::place(&self.memory, position) else {
            return (Put::Not, position);
        };
        let is_usable = word == stamp::free(position)
            && len <= buffer.len()
            && self.side.is_peer_not_ended()
            && self.claim(slot.stamp(), word, position);
        if !is_usable {
            return (Put::Not, position);
        }
        fill(buffer, crate::ring::copy_id(position)).store(slot);
        // T3. Pairs with the Acquire of T4 and T4x.
        slot.stamp().store(
            stamp::published(position, opcode),
            ordering::publish_quickly(),
        );
        // Not before: a consumer that waits looks at the slot all the time, and takes its line from here if it sees
        // the claim, so that the line has to come back for the packet. Whoever claims meanwhile does this, too.
        self.go_on(position);
        let put = if self.alarm.is_asleep(&self.memory, true) {
            Put::ToSleeper
        } else {
            Put::Done
        };
        (put, position)
    }

    /// A look at each slot would take its line from a consumer that is about to release it: this one looks at one
    /// further on. An exclusive consumer releases many at once, and leaves their stamps.
    #[cold]
    #[inline(never)]
    fn try_claim_after_rest(&self) -> Result<Position, Refused> {
        if !RESTS || self.side.is_peer_exclusive() {
            return Err(Refused::Blocked);
        }
        let some = (self.memory.count() / 4).clamp(1, LONG_REST);
        let last = self.next().plus(some - 1);
        let stamp = self.memory.slot(last).stamp();
        // Relaxed: a hint.
        rest(LONG_REST, || {
            stamp.load(Ordering::Relaxed) == stamp::free(last)
        });
        self.claim_among_others(Some(self.look()))
    }

    fn wake(&self) {
        self.alarm.answer();
    }

    #[inline]
    fn publish(&self, position: Position, opcode: u8, operands: &[u64; 7]) {
        let slot = self.memory.slot(position);
        slot.store_operands(operands);
        self.finish(slot.stamp(), stamp::published(position, opcode));
    }

    #[inline]
    fn publish_short(&self, position: Position, opcode: u8, operand: u64) {
        let slot = self.memory.slot(position);
        slot.store_first_operand(operand);
        self.finish(slot.stamp(), stamp::published(position, opcode));
    }

    #[inline]
    fn prefetch(&self, position: Position) {
        self.memory.slot(position).prefetch();
        self.memory.buffers().at(position).prefetch_to_write();
    }

    #[inline]
    fn copy_id(&self, position: Position, _: bool) -> u64 {
        crate::ring::copy_id(position)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn may_send_runs(&self) -> bool {
        self.side.is_peer_exclusive()
    }

    fn unread(&self) -> usize {
        crate::ring::unread(&self.memory, self.next_unclaimed(), self.delivery)
    }

    #[inline]
    fn is_peer_closed(&self) -> bool {
        self.side.is_peer_closed()
    }

    fn is_peer_dead(&self) -> bool {
        self.side.is_peer_dead()
    }

    fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    fn obstacle(&self) -> Option<Obstacle> {
        crate::ring::obstacle(&self.memory, self.next())
    }

    fn has_room(&self) -> bool {
        crate::ring::has_room(&self.memory, self.next_unclaimed())
    }

    fn corruption(&self) -> Option<Corruption> {
        crate::ring::corruption(&self.memory, || self.next())
    }

    #[cfg(not(loom))]
    fn record_latency(&self, latency: [u32; 2]) {
        self.side.record_latency(latency);
    }
}

impl<G: Geometry> Drop for SharedProducer<G> {
    fn drop(&mut self) {
        self.record();
    }
}
