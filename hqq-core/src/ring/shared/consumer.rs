//! The consuming side of a ring, that others may share.

use core::sync::atomic::{AtomicU64, Ordering};

use super::left::Left;
use super::{Look, claim_next, give_way, go_on, hint, move_on, next_unclaimed, row};
use crate::counters::SharedCounters;
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory, Slot};
use crate::ring::join::Resume;
use crate::ring::stamp::{self, ForReading, State};
use crate::ring::wake::Alarm;
use crate::ring::{
    Claimed, ConcurrentConsumer, Corruption, Counted, Missed, Obstacle, Operands, Refused, Sealed,
    clear_taken, step_released, taken_of,
};
use crate::side::{Attached, End};
use crate::superblock::Delivery;
use crate::sync::{Stamp, ordering};

mod in_doubt;

/// The consuming side of a ring, for many threads at once and beside other members.
pub struct SharedConsumer<G: Geometry> {
    memory: RingMemory<G>,
    member: Member,
    delivery: Delivery,
    /// The next position in doubt to hand out, up to `settled`.
    in_doubt: AtomicU64,
    settled: Position,
    /// At least once: what receivers let go of.
    left: Left,
    row: usize,
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
            row: row(memory.count()),
            memory,
            member,
            delivery,
            in_doubt: AtomicU64::new(start.get()),
            settled,
            left: Left::new(),
            counters: SharedCounters::default(),
            side,
            alarm,
        };
        if start != settled || consumer.has_packet() {
            consumer.side.heed_earlier_close();
        }
        consumer
    }

    /// The next position that was not claimed yet; a hint.
    fn next(&self) -> Position {
        hint(self.memory.r())
    }

    /// The next position that was not claimed yet, also where `r` lags behind slots that others have claimed (T2), for
    /// long where one of them died then. After at most N looks.
    fn next_unclaimed(&self) -> Position {
        let count = self.memory.count();
        next_unclaimed(self.next(), count, |position| {
            // Pairs with the Release of T3 and T3x.
            let stamp = self.memory.slot(position).stamp();
            let word = stamp.load(ordering::see_published());
            matches!(stamp::for_reading(word, position, count), ForReading::Help)
        })
    }

    /// What is to be handed out before, or T4 and T2 from `position` on, where its stamp was `word`.
    #[inline(never)]
    fn claim_among_others(
        &self,
        position: Position,
        word: u64,
    ) -> (Result<Claimed, Refused>, Position) {
        if !self.has_none_in_doubt()
            && let Some(claimed) = self.try_claim_in_doubt()
        {
            let position = claimed.position;
            return (Ok(claimed), position);
        }
        if let Some(claimed) = self.try_claim_left() {
            let position = claimed.position;
            return (Ok(claimed), position);
        }
        let memory = &self.memory;
        let count = memory.count();
        let look = |word, position| match stamp::for_reading(word, position, count) {
            ForReading::Claim(opcode) => Look::Claim((word, opcode)),
            ForReading::Help => Look::Claimed,
            ForReading::Wait => Look::Wait,
        };
        let (claimed, position) = claim_next(
            memory.r(),
            count,
            position,
            look(word, position),
            |position| look(self.stamp_at(position), position),
            |position, (word, opcode)| {
                self.claim(memory.slot(position).stamp(), *word, position, *opcode)
            },
        );
        let claimed = claimed.map(|(_, opcode)| self.claimed(position, opcode));
        (claimed, position)
    }

    #[inline]
    fn stamp_at(&self, position: Position) -> u64 {
        // Relaxed: the exchange acquires what it claims.
        self.memory.slot(position).stamp().load(Ordering::Relaxed)
    }

    /// What was claimed at `position`.
    #[inline]
    fn claimed(&self, position: Position, opcode: u8) -> Claimed {
        let memory = &self.memory;
        let taken = taken_of(memory, position);
        if taken != 0 {
            clear_taken(memory);
        }
        Claimed {
            position,
            header: u64::from(opcode),
            in_doubt: false,
            taken,
        }
    }

    /// T4; `false` where somebody else was faster.
    #[inline]
    fn claim(&self, stamp: &Stamp, word: u64, position: Position, opcode: u8) -> bool {
        // Pairs with the Release of T3 and T3x.
        let claimed = stamp.compare_exchange(
            word,
            stamp::reading(position, self.member, opcode),
            ordering::claim_reading(),
            Ordering::Relaxed,
        );
        claimed.is_ok()
    }

    /// T5, of the slot of `position`.
    // Always: as a function it would take its own steps to find out what the callers know.
    #[inline(always)]
    fn release_from(&self, slot: Slot<'_>, position: Position) {
        step_released(&self.memory, position);
        // Pairs with the Acquire of T1 and T3x.
        slot.stamp().store(
            stamp::released(position, self.memory.count()),
            ordering::release_slot(),
        );
        self.alarm.check(&self.memory, false);
        // C1: this may have been the last message that others waited to see read.
        if self.delivery == Delivery::AtLeastOnce && self.side.peer_end().is_some() {
            self.alarm.check_own(&self.memory, true);
        }
    }
}

impl<G: Geometry> Sealed for SharedConsumer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Counted for SharedConsumer<G> {
    #[inline]
    fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }

    /// Its handles find nothing there in between where not.
    fn is_streaming(&self, _: Position) -> bool {
        true
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
impl<G: Geometry> ConcurrentConsumer for SharedConsumer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    /// T4 and T2, as they go where nobody interferes.
    #[inline]
    fn try_claim(&self, at: Option<Position>) -> (Result<Claimed, Refused>, Position) {
        let position = at.unwrap_or_else(|| self.next());
        let mut word = self.stamp_at(position);
        if let Some(opcode) = stamp::packet_at(word, position).filter(|_| self.has_none_in_doubt())
        {
            if self.claim(self.memory.slot(position).stamp(), word, position, opcode) {
                move_on(self.memory.r(), position, position.plus(1));
                return (Ok(self.claimed(position, opcode)), position);
            }
            give_way();
            word = self.stamp_at(position);
        }
        self.claim_among_others(position, word)
    }

    #[inline]
    fn take_quickly<O: Operands, T>(
        &self,
        position: Position,
        opcode: u8,
        take: impl FnOnce(Buffer<'_>, &O) -> Option<T>,
    ) -> Result<T, Missed<O>> {
        let missed = Err(Missed::Unclaimed);
        let Some((slot, buffer)) = O::place(&self.memory, position) else {
            // Not a look for what cannot be.
            return missed;
        };
        let word = stamp::published(position, opcode);
        // Nothing is in doubt any more, and of this packet nothing was taken: a handle claims what is in doubt before all
        // else, and only the first packet that this side claimed may have been taken in part.
        // Relaxed: the exchange acquires what it claims.
        if slot.stamp().load(Ordering::Relaxed) != word
            || !self.claim(slot.stamp(), word, position, opcode)
        {
            return missed;
        }
        go_on(self.memory.r(), self.row, position);
        let operands = O::load(slot);
        let Some(taken) = take(buffer, &operands) else {
            return Err(Missed::Claimed(operands));
        };
        self.release_from(slot, position);
        Ok(taken)
    }

    #[inline]
    fn release(&self, position: Position) {
        self.release_from(self.memory.slot(position), position);
    }

    fn let_go(&self, position: Position) {
        // Where there is no room for more, it is released: left READING by a member that stays, nobody could
        // finish it, and the ring would stand.
        if self.delivery == Delivery::AtLeastOnce
            && self.left.add(position.index(self.memory.count()))
        {
            self.alarm.check_own(&self.memory, true);
        } else {
            self.release(position);
        }
    }

    #[inline]
    fn prefetch_after(&self, position: Position, count: usize) {
        let (slot, buffer) = self.memory.place_after(position, count);
        slot.prefetch();
        buffer.prefetch();
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
            // What is taken over reads READING with this member's id, too: all that lies among what is to be handed
            // out comes first.
            Delivery::AtLeastOnce => self
                .try_claim_in_doubt()
                .or_else(|| self.try_claim_left())
                .or_else(|| crate::ring::repair::take_over(&self.memory, self.member, is_dead)),
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        crate::ring::obstacle(&self.memory, self.next_unclaimed())
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
    fn carries_inline(&self) -> bool {
        true
    }

    fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    fn has_packet(&self) -> bool {
        if !self.has_none_in_doubt() || !self.left.is_empty() {
            return true;
        }
        crate::ring::has_packet(&self.memory, self.next_unclaimed())
    }

    /// `r` may lag, until the next look where its consumer died (T2); producers
    /// may be a lap further meanwhile.
    fn corruption(&self) -> Option<Corruption> {
        let found = crate::ring::corruption(&self.memory, || self.next())?;
        let state = State::of(found.stamp);
        (!state.is_read_claimed(found.position, self.memory.count())).then_some(found)
    }
}

impl<G: Geometry> Drop for SharedConsumer<G> {
    fn drop(&mut self) {
        self.record();
    }
}
