//! The producing side of a ring, alone on it.

use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::{Buffer, Buffers, RingMemory, Slot, WALKS, Walk};
use crate::ring::stamp::{self, Turn, is_free, is_released};
use crate::ring::wake::Alarm;
use crate::ring::{Corruption, Obstacle, Operands, Producer, Put, Refused, Sealed};
use crate::side::Attached;
use crate::superblock::Delivery;
use crate::sync::ordering;

/// The producing side of a ring, alone on it.
///
/// # Invariants
/// All positions before `turn` were published by this side or its predecessors. Those from there to
/// the one before `limit` are free; there are at most N of them. Where the way of `memory` goes on, it is at the slot
/// of `turn` and ends at that of `limit` or before; and no fence is needed to look for sleepers.
///
/// Of the messages, `counters` does not have those from `counted` on.
pub struct ExclusiveProducer<G: Geometry> {
    memory: Walk<G>,
    turn: Turn,
    limit: Turn,
    counted: Turn,
    delivery: Delivery,
    counters: Counters,
    side: Attached,
    alarm: Alarm,
}

impl<G: Geometry> ExclusiveProducer<G> {
    pub(crate) fn new(
        memory: RingMemory<G>,
        position: Position,
        delivery: Delivery,
        side: Attached,
        alarm: Alarm,
    ) -> Self {
        Self {
            memory: Walk::new(memory),
            turn: Turn::new(position),
            limit: Turn::new(position),
            counted: Turn::new(position),
            delivery,
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
        self.record();
        if is_released(position, released, count) {
            // Fewer than `count`, as was just found.
            let room = count - position.low().wrapping_sub(released) as usize;
            self.limit = Turn::new(position.plus(room));
            self.set_out();
            return true;
        }
        // Pairs with the Release of T5.
        let stamp = self.memory.slot(position).stamp();
        let free = is_free(stamp.load_visible(ordering::see_free()), position);
        if free {
            self.limit = self.turn.next();
            self.set_out();
        }
        free
    }

    /// Begins a new way.
    #[cold]
    #[inline(never)]
    fn set_out(&mut self) {
        if WALKS && !self.alarm.is_fenced() {
            let (turn, limit) = (self.turn.position(), self.limit.position());
            let room = usize::try_from(limit.since(turn)).unwrap_or(0);
            self.memory.go_to(turn, room);
        }
    }

    /// Counts those messages that only their positions count so far.
    #[inline]
    fn settle(&mut self) {
        if WALKS {
            let quick = self.turn.since(self.counted);
            self.counters.messages = self.counters.messages.wrapping_add(quick);
            self.counted = self.turn;
        }
    }

    fn record(&mut self) {
        self.settle();
        self.side.record(&self.counters);
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
        self.settle();
        self.turn = Turn::new(position).next();
        self.counted = self.turn;
        self.memory.step();
        self.alarm.check(&self.memory, true);
    }
}

#[cfg(not(loom))]
impl<G: Geometry> ExclusiveProducer<G> {
    /// The ring, and the position that comes next.
    pub(in crate::ring) fn place(&self) -> (&RingMemory<G>, Position) {
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
    const CLAIMS: bool = false;
    const WALKS: bool = WALKS;

    #[inline]
    fn buffers(&self) -> &Buffers<G> {
        self.memory.buffers()
    }

    #[inline]
    fn try_claim(&mut self) -> Result<Position, Refused> {
        if self.memory.slot_here().is_some() {
            return Ok(self.turn.position());
        }
        if self.turn == self.limit && !self.find_room() {
            return Err(Refused::Blocked);
        }
        let position = self.turn.position();
        if WALKS && self.memory.is_at_start(position) {
            self.set_out();
        }
        Ok(position)
    }

    #[inline]
    fn put_quickly<O: Operands>(
        &mut self,
        opcode: u8,
        len: usize,
        fill: impl FnOnce(Buffer<'_>, u64) -> O,
    ) -> Put {
        let Some((slot, buffer)) = O::here(&self.memory) else {
            return Put::Not;
        };
        let sleeping = self.memory.sleeping(true);
        if (O::IN_BUFFER && len > buffer.len()) || !self.side.is_peer_not_ended() {
            return Put::Not;
        }
        // As `copy_id` says, in one step.
        let operands = fill(buffer, self.turn.next_position().get());
        operands.store(slot);
        // T3x. Pairs with the Acquire of T4 and T4x.
        slot.stamp()
            .store(self.turn.published(opcode), ordering::publish_quickly());
        slot.prefetch_fourth();
        if O::IN_BUFFER {
            buffer.prefetch_fourth(self.memory.buffers().size());
        }
        self.turn = self.turn.next();
        let asleep = self.alarm.is_up_unfenced(sleeping);
        self.memory.step();
        if asleep { Put::ToSleeper } else { Put::Done }
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
        crate::ring::unread(&self.memory, self.turn.position(), self.delivery)
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
            self.record();
        }
    }

    fn counters(&self) -> Counters {
        let quick = self.turn.since(self.counted);
        let messages = self.counters.messages.wrapping_add(quick);
        Counters {
            messages,
            ..self.counters
        }
    }

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
    fn record_latency(&self, latency: [u32; 2]) {
        self.side.record_latency(latency);
    }
}

impl<G: Geometry> Drop for ExclusiveProducer<G> {
    fn drop(&mut self) {
        self.record();
    }
}
