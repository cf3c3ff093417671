//! Exclusive sides: one member, one thread, no compare-and-swap; positions are private.

use super::join::Resume;
use super::stamp::{self, is_free, is_released, packet_at};
use super::wake::Alarm;
use super::{Claimed, Consumer, Corruption, Obstacle, Producer, Refused, Sealed};
use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffers, RingMemory};
use crate::side::{Attached, End};
use crate::superblock::Delivery;
use crate::sync::ordering;

/// The producing side of a ring, alone on it.
///
/// # Invariants
/// All positions before `position` were published by this side or its predecessors; `released`
/// was at some time what the ring's `released` held.
pub struct ExclusiveProducer<G: Geometry> {
    memory: RingMemory<G>,
    position: Position,
    released: u32,
    counters: Counters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> ExclusiveProducer<G> {
    pub(crate) fn new(
        memory: RingMemory<G>,
        position: Position,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        // Pairs with T5x.
        let released = memory.released().load(ordering::see_released());
        Self {
            memory,
            position,
            released,
            counters: Counters::default(),
            side,
            alarm,
        }
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveProducer<G> {
    /// The ring, and the position that comes next.
    pub(super) const fn place(&self) -> (&RingMemory<G>, Position) {
        (&self.memory, self.position)
    }
}

impl<G: Geometry> Sealed for ExclusiveProducer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Producer for ExclusiveProducer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        let position = self.position;
        let count = self.memory.count();
        if is_released(position, self.released, count) {
            return Ok(position);
        }
        // Pairs with the Release of T5x: the payload there has been read.
        self.released = self.memory.released().load(ordering::see_released());
        self.side.record(&self.counters);
        if is_released(position, self.released, count) {
            return Ok(position);
        }
        // Pairs with the Release of T5.
        let stamp = self.memory.slot(position).stamp();
        if is_free(stamp.load_visible(ordering::see_free()), position) {
            Ok(position)
        } else {
            Err(Refused::Blocked)
        }
    }

    #[inline]
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        let slot = self.memory.slot(position);
        slot.store_operands(operands);
        // T3x. Pairs with the Acquire of T4 and T4x.
        slot.stamp()
            .store(stamp::published(position, opcode), ordering::publish());
        self.position = position.plus(1);
        self.alarm.check(&self.memory, true);
    }

    #[inline]
    fn cancel(&mut self, _: Position, _: u8, _: &[u64; 7]) {}

    #[inline]
    fn copy_id(&mut self, position: Position) -> u64 {
        super::copy_id(position)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn unread(&self) -> usize {
        super::unread(&self.memory, self.position)
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    fn retract(&mut self, retraction: &mut dyn FnMut(u8, &[u64; 7], bool) -> bool) -> usize {
        super::repair::retract(&self.memory, self.side.member(), retraction)
    }

    fn has_room(&self) -> bool {
        super::has_room(&self.memory, self.position)
    }

    fn corruption(&self) -> Option<Corruption> {
        super::corruption(&self.memory, || self.position)
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
        super::obstacle(&self.memory, self.position)
    }

    #[inline]
    fn count(&mut self, event: Event) {
        if self.counters.add(event) {
            self.side.record(&self.counters);
        }
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

impl<G: Geometry> Drop for ExclusiveProducer<G> {
    fn drop(&mut self) {
        self.side.record(&self.counters);
    }
}

/// The consuming side of a ring, alone on it.
///
/// # Invariants
/// All positions before `position` were handed out; all before `finished` were read and may be
/// released; `flushed` is what the ring's `released` holds. `flushed` ≤ `finished` ≤ `position`,
/// at most `lag` and 1 apart once nothing is in doubt.
pub struct ExclusiveConsumer<G: Geometry> {
    memory: RingMemory<G>,
    position: Position,
    finished: Position,
    flushed: Position,
    /// How many messages are read before producers are told: N/2; in regions that deliver at least once
    /// 1, as all that they were not told of would come again should this side die.
    lag: i64,
    /// Positions before this one may have been read by a reader that died.
    settled: Position,
    counters: Counters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> ExclusiveConsumer<G> {
    /// The side of a ring that was initialised just now, from position 0 on.
    #[cfg(not(loom))]
    pub(crate) fn first(memory: RingMemory<G>, side: Attached) -> Self {
        let start = Position::new(0);
        let settled = start;
        Self::starting(
            memory,
            Resume { start, settled },
            Delivery::AtMostOnce,
            side,
            Alarm::none(),
        )
    }

    /// A side that goes on where `resume` says.
    pub(crate) fn new(
        memory: RingMemory<G>,
        resume: Resume,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let mut consumer = Self::starting(memory, resume, delivery, side, alarm);
        if resume.start != resume.settled || consumer.has_packet() {
            consumer.side.heed_earlier_close();
        }
        consumer
    }

    #[allow(clippy::cast_possible_wrap, reason = "a ring has at most 2^14 slots")]
    fn starting(
        memory: RingMemory<G>,
        resume: Resume,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        let Resume { start, settled } = resume;
        let lag = match delivery {
            Delivery::AtMostOnce => (memory.count() / 2) as i64,
            Delivery::AtLeastOnce => 1,
        };
        Self {
            lag,
            memory,
            position: start,
            finished: start,
            flushed: start,
            settled,
            counters: Counters::default(),
            side,
            alarm,
        }
    }

    /// T5x: tells producers how far this side has read.
    #[inline]
    pub(super) fn flush(&mut self) {
        if self.flushed != self.finished {
            self.flushed = self.finished;
            // Pairs with the Acquire of T1 and T3x.
            self.memory
                .released()
                .store(self.finished.low(), ordering::release_counter());
            self.alarm.check(&self.memory, false);
        }
    }

    /// Packets that a reader which died had claimed, in at-least-once regions.
    #[cold]
    fn try_claim_in_doubt(&mut self) -> Option<Claimed> {
        while self.position.since(self.settled) < 0 {
            let position = self.position;
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
                    self.position = position.plus(1);
                    return Some(Claimed {
                        position,
                        header: u64::from(opcode),
                        in_doubt: true,
                    });
                }
                _ => {
                    self.position = position.plus(1);
                    self.finished = self.position;
                }
            }
        }
        None
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveConsumer<G> {
    /// The ring, and the position that comes next.
    pub(super) const fn place(&self) -> (&RingMemory<G>, Position) {
        (&self.memory, self.position)
    }
}

impl<G: Geometry> Sealed for ExclusiveConsumer<G> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry> Consumer for ExclusiveConsumer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        if self.position.since(self.settled) < 0
            && let Some(claimed) = self.try_claim_in_doubt()
        {
            return Ok(claimed);
        }
        let position = self.position;
        // Pairs with the Release of T3 and T3x: the operands and the payload are there.
        let loaded = self
            .memory
            .slot(position)
            .stamp()
            .load_visible(ordering::see_published());
        let Some(opcode) = packet_at(loaded, position) else {
            self.flush();
            return Err(Refused::Blocked);
        };
        self.position = position.plus(1);
        // Pairs with the Acquire of a joining consumer and of a producer that waits for the ring
        // to drain.
        self.memory
            .r()
            .store(self.position.get(), ordering::store_received());
        Ok(Claimed {
            position,
            header: u64::from(opcode),
            in_doubt: false,
        })
    }

    #[inline]
    fn release(&mut self, position: Position) {
        if position.since(self.settled) < 0 {
            // A slot that a shared reader left behind is free by its stamp only.
            let stamp = self.memory.slot(position).stamp();
            // T5. Pairs with the Acquire of T1 and T3x.
            stamp.store(
                stamp::released(position, self.memory.count()),
                ordering::release_slot(),
            );
            self.alarm.check(&self.memory, false);
        }
        self.finished = position.plus(1);
        if self.finished.since(self.flushed) >= self.lag {
            self.flush();
            self.side.record(&self.counters);
        }
    }

    fn unclaim(&mut self, position: Position) {
        if position.since(self.settled) >= 0 {
            self.position = position;
            // Pairs as in `try_claim`. Going back is safe: this side is alone.
            self.memory
                .r()
                .store(position.get(), ordering::store_received());
        }
    }

    #[inline]
    fn operands(&self, position: Position) -> [u64; 7] {
        self.memory.slot(position).load_operands()
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn has_packet(&self) -> bool {
        super::has_packet(&self.memory, self.position)
    }

    fn corruption(&self) -> Option<Corruption> {
        super::corruption(&self.memory, || self.position)
    }

    fn end(&mut self) -> Option<End> {
        let end = self.side.peer_end()?;
        // Looked at again after the status: a producer publishes before it closes. Pairs with T3.
        let stamp = self.memory.slot(self.position).stamp();
        let loaded = stamp.load_visible(ordering::see_published());
        let before = self.position.minus(self.memory.count());
        let finished = is_free(loaded, self.position) || packet_at(loaded, before).is_some();
        finished.then_some(end)
    }

    /// Nobody else has ever read here.
    fn take_over(&mut self, _: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        None
    }

    fn obstacle(&self) -> Option<Obstacle> {
        super::obstacle(&self.memory, self.position)
    }

    fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    #[inline]
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
