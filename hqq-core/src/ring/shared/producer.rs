//! The producing side of a ring, that others may share.

use core::sync::atomic::Ordering;

use super::{
    LONG_REST, Look, RESTS, claim_next, give_way, go_on, hint, move_on, next_unclaimed, rest, row,
};
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
    row: usize,
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
            row: row(memory.count()),
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
        hint(self.memory.w())
    }

    /// The next position that was not claimed yet, also where who claimed those before has not gone on (T2), or died
    /// before. After at most N looks.
    fn next_unclaimed(&self) -> Position {
        let count = self.memory.count();
        next_unclaimed(self.next(), count, |position| {
            // Pairs with the Release of T5.
            let word = self
                .memory
                .slot(position)
                .stamp()
                .load(ordering::see_free());
            matches!(stamp::for_writing(word, position, count), ForWriting::Help)
        })
    }

    /// T3 of a slot whose operands are stored, and what follows each: whoever sleeps is woken.
    #[inline]
    fn finish(&self, stamp: &Stamp, word: u64) {
        // Pairs with the Acquire of T4 and T4x.
        stamp.store(word, ordering::publish());
        self.alarm.check(&self.memory, true);
    }

    /// T1 and T2, from `position` on, where its stamp was `word`.
    #[inline(never)]
    fn claim_among_others(
        &self,
        position: Position,
        word: u64,
    ) -> (Result<Position, Refused>, Position) {
        let memory = &self.memory;
        let count = memory.count();
        let look = |word, position| match stamp::for_writing(word, position, count) {
            ForWriting::Claim => Look::Claim(word),
            ForWriting::ClaimIfReleased => {
                // Pairs with the Release of T5x: the payload there has been read.
                let released = memory.released().load(ordering::see_released());
                if stamp::is_released(position, released, count) {
                    Look::Claim(word)
                } else {
                    Look::Wait
                }
            }
            ForWriting::Help => Look::Claimed,
            ForWriting::Wait => Look::Wait,
        };
        let (claimed, position) = claim_next(
            memory.w(),
            count,
            position,
            look(word, position),
            |position| look(self.stamp_at(position), position),
            |position, word| self.claim(memory.slot(position).stamp(), *word, position),
        );
        (claimed.map(|_| position), position)
    }

    #[inline]
    fn stamp_at(&self, position: Position) -> u64 {
        // Relaxed: the exchange acquires what it claims.
        self.memory.slot(position).stamp().load(Ordering::Relaxed)
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
}

impl<G: Geometry> Sealed for SharedProducer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for SharedProducer<G> {
    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }

    /// More than one message is on its way: so none waits for an answer to the one before.
    fn is_streaming(&self, last: Position) -> bool {
        last.since(hint(self.memory.r())) > 0
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
    fn try_claim(&self, at: Option<Position>) -> (Result<Position, Refused>, Position) {
        let position = at.unwrap_or_else(|| self.next());
        let mut word = self.stamp_at(position);
        if word == stamp::free(position) {
            if self.claim(self.memory.slot(position).stamp(), word, position) {
                move_on(self.memory.w(), position, position.plus(1));
                return (Ok(position), position);
            }
            give_way();
            word = self.stamp_at(position);
        } else if is_being_filled(word, position) {
            give_way();
        }
        self.claim_among_others(position, word)
    }

    #[inline]
    fn put_quickly<O: Operands>(
        &self,
        position: Position,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> Put {
        let Some((slot, buffer)) = O::place(&self.memory, position) else {
            return Put::Not;
        };
        if O::IN_BUFFER {
            // The exchange would have to wait for the slot's line before the buffer's were asked for; and a consumer
            // that looks at the slot meanwhile would take its line back.
            buffer.prefetch_to_write();
            slot.prefetch();
        }
        let word = self.stamp_at(position);
        let is_usable = word == stamp::free(position)
            && len <= buffer.len()
            && self.side.is_peer_not_ended()
            && self.claim(slot.stamp(), word, position);
        if !is_usable {
            return Put::Not;
        }
        fill(buffer, crate::ring::copy_id(position)).store(slot);
        // T3. Pairs with the Acquire of T4 and T4x.
        slot.stamp().store(
            stamp::published(position, opcode),
            ordering::publish_quickly(),
        );
        // Not before: a consumer that waits looks at the slot all the time, and takes its line from here if it sees
        // the claim, so that the line has to come back for the packet. Whoever claims meanwhile does this, too.
        go_on(self.memory.w(), self.row, position);
        if self.alarm.is_asleep(&self.memory, true) {
            Put::ToSleeper
        } else {
            Put::Done
        }
    }

    /// A look at each slot would take its line from a consumer that is about to release it: this one looks at one
    /// further on. An exclusive consumer releases many at once, and leaves their stamps.
    #[cold]
    #[inline(never)]
    fn try_claim_after_rest(&self, at: Position) -> (Result<Position, Refused>, Position) {
        if !RESTS || self.side.is_peer_exclusive() {
            return (Err(Refused::Blocked), at);
        }
        let some = (self.memory.count() / 4).clamp(1, LONG_REST);
        let last = at.plus(some - 1);
        // A hint.
        rest(LONG_REST, || self.stamp_at(last) == stamp::free(last));
        self.claim_among_others(at, self.stamp_at(at))
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
    fn prefetch_after(&self, position: Position, count: usize) {
        let (slot, buffer) = self.memory.place_after(position, count);
        slot.prefetch();
        buffer.prefetch_to_write();
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
        crate::ring::obstacle(&self.memory, self.next_unclaimed())
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
