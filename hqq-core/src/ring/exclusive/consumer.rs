//! The consuming side of a ring, alone on it.

use super::QUICKLY;
use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory};
use crate::ring::join::Resume;
use crate::ring::stamp::{self, Turn, is_free, is_packet_at, packet_at};
use crate::ring::wake::Alarm;
use crate::ring::{
    Claimed, Consumer, Corruption, Missed, Obstacle, Operands, Refused, Sealed, clear_taken,
    taken_of, taken_word,
};
use crate::side::{Attached, End};
use crate::superblock::Delivery;
use crate::sync::ordering::{self, Ordering};

/// The consuming side of a ring, alone on it.
///
/// # Invariants
/// All positions before `turn` were handed out; all before `finished` were read and may be
/// released; `flushed` is what the ring's `released` holds, and `flush_at` is `lag` after it. `flushed` ≤
/// `finished` ≤ `turn`, at most `lag` and 1 apart once nothing is in doubt.
pub struct ExclusiveConsumer<G: Geometry> {
    memory: RingMemory<G>,
    turn: Turn,
    finished: Turn,
    flushed: Turn,
    flush_at: Turn,
    /// How many messages are read before producers are told: N/2; in regions that deliver at least once
    /// 1, as all that they were not told of would come again should this side die.
    lag: usize,
    /// Positions before this one may have been read by a reader that died.
    settled: Position,
    /// How many messages of the packet at `settled` a consumer took that has left.
    taken: u16,
    /// `Some` where a packet before `settled` may be at hand or come next, or `taken` is not 0.
    special: Option<&'static Special<G>>,
    counters: Counters,
    side: Attached,
    alarm: Alarm,
}

/// What is done about packets that somebody before this consumer has begun to read. By pointers: programs
/// whose consumers all begin with their rings are linked without it.
struct Special<G: Geometry> {
    claim: fn(&mut ExclusiveConsumer<G>) -> Option<Claimed>,
    go_on: fn(&mut ExclusiveConsumer<G>) -> u16,
    release: fn(&mut ExclusiveConsumer<G>, Position),
}

impl<G: Geometry> ExclusiveConsumer<G> {
    const SPECIAL: Special<G> = Special {
        claim: Self::try_claim_in_doubt,
        go_on: Self::go_on,
        release: Self::release_in_doubt,
    };

    /// The side of a ring that was initialised just now, from position 0 on.
    #[cfg(not(loom))]
    pub(crate) fn first(memory: RingMemory<G>, side: Attached) -> Self {
        let start = Position::new(0);
        Self::starting(memory, start, Delivery::AtMostOnce, side, Alarm::none())
    }

    /// A side that goes on where `resume` says.
    pub(crate) fn new(
        memory: RingMemory<G>,
        resume: Resume,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let mut consumer = Self::starting(memory, resume.start, delivery, side, alarm);
        consumer.settled = resume.settled;
        consumer.taken = taken_of(&consumer.memory, resume.settled);
        if resume.start != resume.settled || consumer.taken != 0 {
            consumer.special = Some(&Self::SPECIAL);
        }
        if resume.start != resume.settled || consumer.has_packet() {
            consumer.side.heed_earlier_close();
        }
        consumer
    }

    fn starting(
        memory: RingMemory<G>,
        start: Position,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let lag = match delivery {
            Delivery::AtMostOnce => memory.count() / 2,
            Delivery::AtLeastOnce => 1,
        };
        Self {
            lag,
            memory,
            turn: Turn::new(start),
            finished: Turn::new(start),
            flushed: Turn::new(start),
            flush_at: Turn::new(start.plus(lag)),
            settled: start,
            taken: 0,
            special: None,
            counters: Counters::default(),
            side,
            alarm,
        }
    }

    /// T5x: tells producers how far this side has read.
    #[inline]
    pub(in crate::ring) fn flush(&mut self) {
        if self.flushed != self.finished {
            self.flushed = self.finished;
            let finished = self.finished.position();
            self.flush_at = Turn::new(finished.plus(self.lag));
            // Pairs with the Acquire of T1 and T3x.
            self.memory
                .released()
                .store(finished.low(), ordering::release_counter());
            self.alarm.check(&self.memory, false);
        }
    }

    /// T4x: hands out the packet at `turn`.
    #[inline]
    fn hand_out(&mut self, turn: Turn) {
        self.turn = turn.next();
        // Pairs with the Acquire of a joining consumer and of a producer that waits for the ring
        // to drain.
        self.memory
            .r()
            .store(turn.next().position().get(), ordering::store_received());
    }

    /// Claims the next packet where that takes few steps: the turn after it, its buffer and its operands. With
    /// `RELEASES` only where nothing but noting it has to be done to release it.
    #[inline(always)]
    fn claim_next<O: Operands, const RELEASES: bool>(
        &mut self,
        opcode: u8,
    ) -> Option<(Turn, Buffer<'_>, O)> {
        if !QUICKLY || self.special.is_some() {
            return None;
        }
        let turn = self.turn;
        let next = turn.next();
        if RELEASES && next == self.flush_at {
            return None;
        }
        let (slot, buffer) = O::place(&self.memory, turn.position())?;
        // Pairs with the Release of T3 and T3x: the operands and the payload are there.
        let loaded = slot.stamp().load_visible(ordering::see_published());
        if !is_packet_at(loaded, turn, opcode) {
            return None;
        }
        self.turn = next;
        // As in `hand_out`, and paired in the same way.
        self.memory
            .r()
            .store(next.position().get(), ordering::store_received());
        Some((next, buffer, O::load(slot)))
    }

    // Functions of their own, so that what is not special saves no registers for them.

    #[cold]
    #[inline(never)]
    fn claim_specially(&mut self) -> Option<Claimed> {
        self.special.and_then(|special| (special.claim)(self))
    }

    #[cold]
    #[inline(never)]
    fn go_on_specially(&mut self) -> u16 {
        self.special.map_or(0, |special| (special.go_on)(self))
    }

    #[cold]
    #[inline(never)]
    fn release_specially(&mut self, position: Position) {
        if let Some(special) = self.special {
            (special.release)(self, position);
        }
    }

    /// Everything that was claimed is released, and the producers are told where they should have been.
    #[cold]
    #[inline(never)]
    fn release_all(&mut self) {
        if self.special.is_none() {
            self.finished = self.turn;
        }
        if self.finished.position().since(self.flush_at.position()) >= 0 {
            self.flush();
        }
    }

    /// The packet was claimed of which a consumer that has left took some messages: how many.
    fn go_on(&mut self) -> u16 {
        self.special = None;
        clear_taken(&self.memory);
        core::mem::take(&mut self.taken)
    }

    /// T5: a slot that a shared reader left behind is free by its stamp only.
    fn release_in_doubt(&mut self, position: Position) {
        if position.since(self.settled) < 0 {
            // Pairs with the Acquire of T1 and T3x.
            self.memory.slot(position).stamp().store(
                stamp::released(position, self.memory.count()),
                ordering::release_slot(),
            );
            self.alarm.check(&self.memory, false);
        }
    }

    /// Packets that a reader which died had claimed, in at-least-once regions.
    fn try_claim_in_doubt(&mut self) -> Option<Claimed> {
        while self.turn.position().since(self.settled) < 0 {
            let position = self.turn.position();
            // Pairs with the Release of T3.
            let word = self
                .memory
                .slot(position)
                .stamp()
                .load(ordering::see_published());
            match stamp::State::of(word) {
                stamp::State::Published(at, opcode) | stamp::State::Reading(at, _, opcode)
                    if at == position =>
                {
                    self.turn = self.turn.next();
                    return Some(Claimed {
                        position,
                        header: u64::from(opcode),
                        in_doubt: true,
                        taken: 0,
                    });
                }
                _ => {
                    self.turn = self.turn.next();
                    self.finished = self.turn;
                }
            }
        }
        // Whoever asks for the next one has released the one before.
        if self.taken == 0 {
            self.special = None;
        }
        self.flush();
        None
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveConsumer<G> {
    /// The ring, and the position that comes next.
    pub(in crate::ring) const fn place(&self) -> (&RingMemory<G>, Position) {
        (&self.memory, self.turn.position())
    }
}

impl<G: Geometry> Sealed for ExclusiveConsumer<G> {}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<G: Geometry> Consumer for ExclusiveConsumer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    // Always: what it gives, returned through memory, would be read there in other pieces than it was written in,
    // which has to wait until it has got to the cache.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        if self.special.is_some()
            && let Some(claimed) = self.claim_specially()
        {
            return Ok(claimed);
        }
        let turn = self.turn;
        let position = turn.position();
        // Pairs with the Release of T3 and T3x: the operands and the payload are there.
        let stamp = self.memory.slot(position).stamp();
        let loaded = stamp.load_visible(ordering::see_published());
        let Some(opcode) = packet_at(loaded, position) else {
            self.flush();
            return Err(Refused::Blocked);
        };
        self.hand_out(turn);
        Ok(Claimed {
            position,
            header: u64::from(opcode),
            in_doubt: false,
            taken: if self.special.is_some() {
                self.go_on_specially()
            } else {
                0
            },
        })
    }

    #[inline]
    fn take_quickly<O: Operands, T>(
        &mut self,
        opcode: u8,
        take: impl FnOnce(Buffer<'_>, &O) -> Option<T>,
    ) -> Result<T, Missed<O>> {
        let Some((next, buffer, operands)) = self.claim_next::<O, true>(opcode) else {
            return Err(Missed::Unclaimed);
        };
        let Some(taken) = take(buffer, &operands) else {
            return Err(Missed::Claimed(operands));
        };
        self.finished = next;
        Ok(taken)
    }

    #[inline(always)]
    fn claim_quickly<O: Operands>(&mut self, opcode: u8) -> Option<(Position, O)> {
        let position = self.turn.position();
        let (_, _, operands) = self.claim_next::<O, false>(opcode)?;
        Some((position, operands))
    }

    #[inline]
    fn catch_up(&mut self) -> bool {
        let is_behind = self.finished != self.turn
            || self.finished.position().since(self.flush_at.position()) > 0;
        if is_behind {
            self.release_all();
        }
        is_behind
    }

    fn last_claimed(&self) -> Position {
        self.turn.position().minus(1)
    }

    #[inline]
    fn release(&mut self, position: Position) {
        if self.special.is_some() {
            self.release_specially(position);
        }
        self.finished = Turn::new(position).next();
        // Each position is released after the one before, so that none is passed over; those in
        // doubt may be, and are flushed at once.
        if self.finished == self.flush_at || self.special.is_some() {
            self.flush();
            self.side.record(&self.counters);
        }
    }

    fn unclaim(&mut self, position: Position, taken: u16) {
        if position.since(self.settled) >= 0 {
            self.turn = Turn::new(position);
            self.taken = taken;
            if taken != 0 {
                self.special = Some(&Self::SPECIAL);
            }
            // Relaxed: found by a consumer that joins, which is ordered after leaving.
            self.memory
                .taken()
                .store(taken_word(position, taken), Ordering::Relaxed);
            // Pairs as in `try_claim`. Going back is safe: this side is alone.
            self.memory
                .r()
                .store(position.get(), ordering::store_received());
        }
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

    fn has_packet(&self) -> bool {
        crate::ring::has_packet(&self.memory, self.turn.position())
    }

    fn corruption(&self) -> Option<Corruption> {
        crate::ring::corruption(&self.memory, || self.turn.position())
    }

    fn end(&mut self) -> Option<End> {
        let end = self.side.peer_end()?;
        // Looked at again after the status: a producer publishes before it closes. Pairs with T3.
        let position = self.turn.position();
        let stamp = self.memory.slot(position).stamp();
        let loaded = stamp.load_visible(ordering::see_published());
        let before = position.minus(self.memory.count());
        let finished = is_free(loaded, position) || packet_at(loaded, before).is_some();
        finished.then_some(end)
    }

    /// Nobody else has ever read here.
    fn take_over(&mut self, _: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        None
    }

    fn obstacle(&self) -> Option<Obstacle> {
        crate::ring::obstacle(&self.memory, self.turn.position())
    }

    fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    #[inline(always)]
    fn count(&mut self, event: Event) {
        if self.counters.add(event) {
            self.side.record(&self.counters);
        }
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

impl<G: Geometry> Drop for ExclusiveConsumer<G> {
    fn drop(&mut self) {
        self.flush();
        self.side.record(&self.counters);
    }
}
