//! The producing side of a ring, alone on it.

use super::QUICKLY;
use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory, Slot};
use crate::ring::stamp::{self, Turn, is_free, is_released};
use crate::ring::wake::Alarm;
use crate::ring::{Corruption, Obstacle, Operands, Producer, Put, Refused, Sealed};
use crate::side::Attached;
use crate::sync::ordering;

/// The producing side of a ring, alone on it.
///
/// # Invariants
/// All positions before `turn` were published by this side or its predecessors. Those from there to
/// the one before `limit` are free; there are at most N of them.
pub struct ExclusiveProducer<G: Geometry> {
    memory: RingMemory<G>,
    turn: Turn,
    limit: Turn,
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
        Self {
            memory,
            turn: Turn::new(position),
            limit: Turn::new(position),
            counters: Counters::default(),
            side,
            alarm,
        }
    }

    /// Whether there is room, where all positions known to be free are used.
    // Kept out of the way of the many calls between two of these.
    #[cold]
    #[inline(never)]
    fn find_room(&mut self) -> bool {
        let position = self.turn.position();
        let count = self.memory.count();
        // Pairs with the Release of T5x: the payload there has been read.
        let released = self.memory.released().load(ordering::see_released());
        self.side.record(&self.counters);
        if is_released(position, released, count) {
            // Fewer than `count`, as was just found.
            let unread = position.low().wrapping_sub(released) as usize;
            self.limit = Turn::new(position.plus(count - unread));
            return true;
        }
        // Pairs with the Release of T5.
        let stamp = self.memory.slot(position).stamp();
        let free = is_free(stamp.load_visible(ordering::see_free()), position);
        if free {
            self.limit = self.turn.next();
        }
        free
    }

    /// T3x, and what comes before and after it: the operands, which `store` stores; and whoever sleeps is woken.
    #[inline]
    fn publish_with(&mut self, position: Position, opcode: u8, store: impl FnOnce(Slot<'_>)) {
        let slot = self.memory.slot(position);
        store(slot);
        // Pairs with the Acquire of T4 and T4x.
        slot.stamp()
            .store(stamp::published(position, opcode), ordering::publish());
        slot.prefetch_fourth();
        self.turn = Turn::new(position).next();
        self.alarm.check(&self.memory, true);
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveProducer<G> {
    /// The ring, and the position that comes next.
    pub(in crate::ring) const fn place(&self) -> (&RingMemory<G>, Position) {
        (&self.memory, self.turn.position())
    }
}

impl<G: Geometry> Sealed for ExclusiveProducer<G> {}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<G: Geometry> Producer for ExclusiveProducer<G> {
    type Geometry = G;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        if self.turn == self.limit && !self.find_room() {
            return Err(Refused::Blocked);
        }
        Ok(self.turn.position())
    }

    #[inline]
    fn put_quickly<O: Operands>(
        &mut self,
        opcode: u8,
        fill: impl FnOnce(Buffer<'_>) -> Option<O>,
    ) -> Put {
        let turn = self.turn;
        if !QUICKLY || turn == self.limit || !self.side.is_peer_not_ended() {
            return Put::Not;
        }
        let Some((slot, buffer)) = O::place(&self.memory, turn.position()) else {
            return Put::Not;
        };
        let Some(operands) = fill(buffer) else {
            return Put::Not;
        };
        operands.store(slot);
        // T3x. Pairs with the Acquire of T4 and T4x.
        slot.stamp()
            .store(turn.published(opcode), ordering::publish());
        slot.prefetch_fourth();
        buffer.prefetch_fourth(self.memory.buffers().size());
        self.turn = turn.next();
        if self.alarm.is_asleep(&self.memory, true) {
            Put::ToSleeper
        } else {
            Put::Done
        }
    }

    fn wake(&self) {
        self.alarm.answer();
    }

    #[inline]
    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.publish_with(position, opcode, |slot| slot.store_operands(operands));
    }

    #[inline]
    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64) {
        let buffers = self.memory.buffers();
        buffers.at(position).prefetch_fourth(buffers.size());
        self.publish_with(position, opcode, |slot| slot.store_first_operand(operand));
    }

    #[inline]
    fn cancel(&mut self, _: Position, _: u8, _: &[u64; 7]) {}

    #[inline]
    fn copy_id(&mut self, position: Position) -> u64 {
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
        crate::ring::unread(&self.memory, self.turn.position())
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    fn retract(&mut self, retraction: &mut dyn FnMut(u8, &[u64; 7], bool) -> bool) -> usize {
        crate::ring::repair::retract(&self.memory, self.side.member(), retraction)
    }

    fn has_room(&self) -> bool {
        crate::ring::has_room(&self.memory, self.turn.position())
    }

    fn corruption(&self) -> Option<Corruption> {
        crate::ring::corruption(&self.memory, || self.turn.position())
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
        crate::ring::obstacle(&self.memory, self.turn.position())
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

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
    fn record_latency(&self, latency: [u32; 2]) {
        self.side.record_latency(latency);
    }
}

impl<G: Geometry> Drop for ExclusiveProducer<G> {
    fn drop(&mut self) {
        self.side.record(&self.counters);
    }
}
