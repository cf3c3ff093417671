//! Shared sides: any number of threads and members; a claim is a compare-and-swap on the slot's
//! own stamp, which then names its owner.

use core::sync::atomic::{AtomicU64, Ordering};

use super::join::Resume;
use super::stamp::{self, ForReading, ForWriting, State};
use super::wake::Alarm;
use super::{
    Claimed, ConcurrentConsumer, ConcurrentProducer, Corruption, Counted, Obstacle, Refused,
    Sealed, clear_taken, step_released, taken_of,
};
use crate::counters::SharedCounters;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory};
use crate::side::{Attached, End};
use crate::superblock::Delivery;
use crate::sync::{Stamp, ordering};

/// Steps in one call: each failed one means that another member got on.
const fn limit(count: usize) -> usize {
    2 * count + 8
}

/// The producing side of a ring, for many threads at once and beside other members.
pub struct SharedProducer<G: Geometry> {
    memory: RingMemory<G>,
    member: Member,
    counters: SharedCounters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> SharedProducer<G> {
    pub(crate) fn new(memory: RingMemory<G>, member: Member, side: Attached, alarm: Alarm) -> Self {
        Self {
            memory,
            member,
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

    /// T3 of a slot whose operands are stored, and what follows each: whoever sleeps is woken.
    #[inline]
    fn finish(&self, stamp: &Stamp, word: u64) {
        // Pairs with the Acquire of T4 and T4x.
        stamp.store(word, ordering::publish());
        self.alarm.check(&self.memory, true);
    }

    /// T1 and T2.
    #[inline(never)]
    fn claim_among_others(&self, seen: (Position, u64)) -> Result<Position, Refused> {
        let memory = &self.memory;
        let count = memory.count();
        let mut seen = Some(seen);
        for _ in 0..limit(count) {
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
        // T1. Pairs with the Release of T5.
        let claimed = stamp.compare_exchange(
            word,
            stamp::writing(position, self.member),
            ordering::claim_writing(),
            Ordering::Relaxed,
        );
        if claimed.is_ok() {
            self.memory.w().help(position.get(), position.plus(1).get());
        }
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

    fn record(&self) {
        self.counters.record(|counters| self.side.record(counters));
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
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
        if word != stamp::free(position) {
            return self.claim_among_others((position, word));
        }
        if self.exchange(self.memory.slot(position).stamp(), word, position) {
            return Ok(position);
        }
        self.claim_among_others(self.look())
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
        super::copy_id(position)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn may_send_runs(&self) -> bool {
        self.side.is_peer_exclusive()
    }

    fn unread(&self) -> usize {
        super::unread(&self.memory, self.next())
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
        super::obstacle(&self.memory, self.next())
    }

    fn has_room(&self) -> bool {
        super::has_room(&self.memory, self.next())
    }

    fn corruption(&self) -> Option<Corruption> {
        super::corruption(&self.memory, || self.next())
    }

    #[cfg(not(loom))]
    fn record_latency(&self, latency: [u32; 2]) {
        self.side.record_latency(latency);
    }
}

/// The consuming side of a ring, for many threads at once and beside other members.
pub struct SharedConsumer<G: Geometry> {
    memory: RingMemory<G>,
    member: Member,
    delivery: Delivery,
    /// The next position in doubt to hand out, up to `settled`.
    in_doubt: AtomicU64,
    settled: Position,
    counters: SharedCounters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> SharedConsumer<G> {
    /// A side that first hands out, in doubt, what reads READING with this member's id in the
    /// range of `resume`.
    pub(crate) fn new(
        memory: RingMemory<G>,
        member: Member,
        delivery: Delivery,
        resume: Resume,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let Resume { start, settled } = resume;
        let mut consumer = Self {
            memory,
            member,
            delivery,
            in_doubt: AtomicU64::new(start.get()),
            settled,
            counters: SharedCounters::default(),
            side,
            alarm,
        };
        if start != settled || consumer.has_packet() {
            consumer.side.heed_earlier_close();
        }
        consumer
    }

    /// T7, second half: a packet that a reader which died had claimed, taken over when joining.
    #[cold]
    fn try_claim_in_doubt(&self) -> Option<Claimed> {
        for _ in 0..self.memory.count() {
            // Relaxed: hands each position to one thread; the slots were taken over before this
            // side was shared with any.
            let next = self
                .in_doubt
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    let next = Position::new(next);
                    (next.since(self.settled) < 0).then(|| next.plus(1).get())
                })
                .ok()?;
            let position = Position::new(next);
            // Pairs with the Release of T3.
            let word = self
                .memory
                .slot(position)
                .stamp()
                .load(ordering::see_published());
            match State::of(word) {
                State::Reading(at, owner, opcode) if at == position && owner == self.member => {
                    return Some(Claimed {
                        position,
                        header: u64::from(opcode),
                        in_doubt: true,
                        taken: 0,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// The next position that was not claimed yet; a hint.
    fn next(&self) -> Position {
        // Relaxed: a hint.
        Position::new(self.memory.r().load(Ordering::Relaxed))
    }

    /// T4 and T2.
    #[inline(never)]
    fn claim_among_others(&self, seen: (Position, u64)) -> Result<Claimed, Refused> {
        // Relaxed: as in `try_claim_in_doubt`.
        if Position::new(self.in_doubt.load(Ordering::Relaxed)) != self.settled
            && let Some(claimed) = self.try_claim_in_doubt()
        {
            return Ok(claimed);
        }
        let memory = &self.memory;
        let count = memory.count();
        let mut seen = Some(seen);
        for _ in 0..limit(count) {
            let (position, word) = seen.take().unwrap_or_else(|| self.look());
            let stamp = memory.slot(position).stamp();
            match stamp::for_reading(word, position, count) {
                ForReading::Claim(opcode) => {
                    if let Some(claimed) = self.exchange(stamp, word, position, opcode) {
                        return Ok(claimed);
                    }
                }
                ForReading::Help => {
                    memory.r().help(position.get(), position.plus(1).get());
                }
                ForReading::Wait => {
                    // Relaxed: only asks whether somebody else got on meanwhile.
                    if Position::new(memory.r().load(Ordering::Relaxed)) == position {
                        return Err(Refused::Blocked);
                    }
                }
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

    /// T4 for a stamp that shows a packet at `position`, and T2; `None` where somebody else was faster.
    #[inline]
    fn exchange(
        &self,
        stamp: &Stamp,
        word: u64,
        position: Position,
        opcode: u8,
    ) -> Option<Claimed> {
        // T4. Pairs with the Release of T3 and T3x.
        stamp
            .compare_exchange(
                word,
                stamp::reading(position, self.member, opcode),
                ordering::claim_reading(),
                Ordering::Relaxed,
            )
            .ok()?;
        let memory = &self.memory;
        memory.r().help(position.get(), position.plus(1).get());
        let taken = taken_of(memory, position);
        if taken != 0 {
            clear_taken(memory);
        }
        Some(Claimed {
            position,
            header: u64::from(opcode),
            in_doubt: false,
            taken,
        })
    }
}

impl<G: Geometry> Sealed for SharedConsumer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for SharedConsumer<G> {
    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }

    fn record(&self) {
        self.counters.record(|counters| self.side.record(counters));
    }
}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> ConcurrentConsumer for SharedConsumer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    /// T4 and T2, as they go where nobody interferes.
    #[inline]
    fn try_claim(&self) -> Result<Claimed, Refused> {
        let (position, word) = self.look();
        // Relaxed: as in `try_claim_in_doubt`.
        let none_in_doubt = Position::new(self.in_doubt.load(Ordering::Relaxed)) == self.settled;
        let Some(opcode) = stamp::packet_at(word, position).filter(|_| none_in_doubt) else {
            return self.claim_among_others((position, word));
        };
        let stamp = self.memory.slot(position).stamp();
        if let Some(claimed) = self.exchange(stamp, word, position, opcode) {
            return Ok(claimed);
        }
        self.claim_among_others(self.look())
    }

    fn release(&self, position: Position) {
        step_released(&self.memory, position);
        // T5. Pairs with the Acquire of T1 and T3x.
        self.memory.slot(position).stamp().store(
            stamp::released(position, self.memory.count()),
            ordering::release_slot(),
        );
        self.alarm.check(&self.memory, false);
        // C1: this may have been the last message that others waited to see read.
        if self.delivery == Delivery::AtLeastOnce && self.side.peer_end().is_some() {
            self.alarm.check_own(&self.memory, true);
        }
    }

    #[inline]
    fn prefetch(&self, position: Position) {
        self.memory.slot(position).prefetch();
        self.memory.buffers().at(position).prefetch();
    }

    /// C1: the slot at `r` is free and `r` stood still meanwhile; at least once, none is being
    /// read either, as its reader may yet die.
    fn end(&self) -> Option<End> {
        let end = self.side.peer_end()?;
        let memory = &self.memory;
        let count = memory.count();
        // Relaxed: `r` is compared with itself, the slots decide.
        let position = Position::new(memory.r().load(Ordering::Relaxed));
        // Pairs with the Release of T3 and T5.
        let state = |at| State::of(memory.slot(at).stamp().load(ordering::see_published()));
        let drained = match state(position) {
            State::Free(at) => at == position,
            State::Published(at, _) => at == position.minus(count),
            _ => false,
        };
        let settled = self.delivery == Delivery::AtMostOnce
            || (1..=count).all(|back| {
                let at = position.minus(back);
                !matches!(state(at), State::Reading(reading, ..) if reading == at)
            });
        // Relaxed: as above.
        let stood_still = Position::new(memory.r().load(Ordering::Relaxed)) == position;
        (drained && settled && stood_still).then_some(end)
    }

    fn take_over(&self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        match self.delivery {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce => super::repair::take_over(&self.memory, self.member, is_dead),
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        super::obstacle(&self.memory, self.next())
    }

    #[inline]
    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        self.memory.slot(position).load_operands::<FROM>()
    }

    #[inline]
    fn bytes<const FROM: usize>(&self, position: Position) -> Buffer<'_> {
        self.memory.slot(position).bytes::<FROM>()
    }

    #[inline]
    fn first_operand(&self, position: Position) -> u64 {
        self.memory.slot(position).load_first_operand()
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    fn has_packet(&self) -> bool {
        super::has_packet(&self.memory, self.next())
    }

    /// `r` may lag by one where a consumer died after its claim, and stays so until the next look; producers
    /// may be a lap further meanwhile.
    fn corruption(&self) -> Option<Corruption> {
        let found = super::corruption(&self.memory, || self.next())?;
        let state = State::of(found.stamp);
        (!state.is_read_claimed(found.position, self.memory.count())).then_some(found)
    }
}

impl<G: Geometry> Drop for SharedProducer<G> {
    fn drop(&mut self) {
        self.record();
    }
}

impl<G: Geometry> Drop for SharedConsumer<G> {
    fn drop(&mut self) {
        self.record();
    }
}
