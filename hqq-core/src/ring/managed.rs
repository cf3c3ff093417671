//! Exclusive sides on a core whose caches its peer does not see: each step between the
//! [`Platform`]'s calls that it needs.

use super::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use super::{Claimed, Consumer, Corruption, Obstacle, Producer, Refused, Sealed};
use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::member::Member;
use crate::platform::Platform;
use crate::position::Position;
use crate::region::{Buffers, SuperblockMemory};
use crate::side::End;

/// Cleans the superblock when the side before it was dropped, which has recorded that it left.
struct Leaving<X: Platform> {
    memory: SuperblockMemory,
    platform: X,
}

impl<X: Platform> Leaving<X> {
    /// What others have recorded can be seen; what this side recorded since, such as its totals, is
    /// not lost by that.
    fn look(&self) {
        self.memory.clean_records(&self.platform);
        self.memory.invalidate_records(&self.platform);
    }
}

impl<X: Platform> Drop for Leaving<X> {
    fn drop(&mut self) {
        self.memory.clean_records(&self.platform);
    }
}

/// The producing side of a ring, between a platform's calls.
///
/// # Invariants
/// `leaving` comes after `side`, so that it is dropped after it.
pub struct ManagedProducer<G: Geometry, X: Platform> {
    side: ExclusiveProducer<G>,
    leaving: Leaving<X>,
}

impl<G: Geometry, X: Platform> ManagedProducer<G, X> {
    pub(crate) const fn new(
        side: ExclusiveProducer<G>,
        memory: SuperblockMemory,
        platform: X,
    ) -> Self {
        let leaving = Leaving { memory, platform };
        Self { side, leaving }
    }

    /// What consumers have written about the next position can be seen.
    fn look(&self) {
        let platform = &self.leaving.platform;
        platform.barrier();
        let (memory, position) = self.side.place();
        memory.invalidate_consumers(platform);
        // An exclusive consumer releases by its counter, a shared one by the slot.
        memory.slot(position).invalidate(platform);
    }
}

impl<G: Geometry, X: Platform> Sealed for ManagedProducer<G, X> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry, X: Platform> Producer for ManagedProducer<G, X> {
    type Geometry = G;

    fn buffers(&self) -> &Buffers<G> {
        self.side.buffers()
    }

    fn try_claim(&mut self) -> Result<Position, Refused> {
        self.look();
        self.side.try_claim()
    }

    fn publish(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        let platform = &self.leaving.platform;
        // The message before the stamp that announces it.
        self.side.buffers().at(position).clean(platform);
        platform.barrier();
        self.side.publish(position, opcode, operands);
        let (memory, _) = self.side.place();
        memory.slot(position).clean(platform);
        platform.barrier();
    }

    fn publish_short(&mut self, position: Position, opcode: u8, operand: u64) {
        let platform = &self.leaving.platform;
        // The message before the stamp that announces it.
        self.side.buffers().at(position).clean(platform);
        platform.barrier();
        self.side.publish_short(position, opcode, operand);
        let (memory, _) = self.side.place();
        memory.slot(position).clean(platform);
        platform.barrier();
    }

    fn cancel(&mut self, position: Position, opcode: u8, operands: &[u64; 7]) {
        self.side.cancel(position, opcode, operands);
    }

    fn copy_id(&mut self, position: Position) -> u64 {
        self.side.copy_id(position)
    }

    fn carries_inline(&self) -> bool {
        self.side.carries_inline()
    }

    fn may_send_runs(&self) -> bool {
        self.leaving.look();
        self.side.may_send_runs()
    }

    fn unread(&self) -> usize {
        self.look();
        self.side.unread()
    }

    fn is_peer_closed(&self) -> bool {
        self.leaving.look();
        self.side.is_peer_closed()
    }

    fn is_peer_dead(&self) -> bool {
        self.leaving.look();
        self.side.is_peer_dead()
    }

    fn is_peer_open(&self) -> bool {
        self.leaving.look();
        self.side.is_peer_open()
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.side.obstacle()
    }

    fn has_room(&self) -> bool {
        self.look();
        self.side.has_room()
    }

    fn corruption(&self) -> Option<Corruption> {
        self.look();
        self.side.corruption()
    }

    fn count(&mut self, event: Event) {
        self.side.count(event);
    }

    fn counters(&self) -> Counters {
        self.side.counters()
    }

    fn record_latency(&self, latency: [u32; 2]) {
        self.side.record_latency(latency);
    }
}

/// The consuming side of a ring, between a platform's calls.
///
/// # Invariants
/// As [`ManagedProducer`]'s.
pub struct ManagedConsumer<G: Geometry, X: Platform> {
    side: ExclusiveConsumer<G>,
    leaving: Leaving<X>,
}

impl<G: Geometry, X: Platform> ManagedConsumer<G, X> {
    pub(crate) const fn new(
        side: ExclusiveConsumer<G>,
        memory: SuperblockMemory,
        platform: X,
    ) -> Self {
        let leaving = Leaving { memory, platform };
        Self { side, leaving }
    }

    /// What producers have written at the next position can be seen.
    fn look(&self) {
        let platform = &self.leaving.platform;
        platform.barrier();
        let (memory, _) = self.side.place();
        for position in self.side.places() {
            memory.slot(position).invalidate(platform);
        }
    }

    /// Producers can see how far this side is.
    fn tell(&self) {
        let platform = &self.leaving.platform;
        let (memory, _) = self.side.place();
        memory.clean_consumers(platform);
        platform.barrier();
    }
}

impl<G: Geometry, X: Platform> Drop for ManagedConsumer<G, X> {
    fn drop(&mut self) {
        // What the side will say when it is dropped: nobody looks there before it has left, and then
        // finds its counters as they are.
        self.side.flush_all();
        self.tell();
    }
}

impl<G: Geometry, X: Platform> Sealed for ManagedConsumer<G, X> {}

#[allow(private_interfaces, reason = "sealed, for this crate only")]
impl<G: Geometry, X: Platform> Consumer for ManagedConsumer<G, X> {
    type Geometry = G;

    fn buffers(&self) -> &Buffers<G> {
        self.side.buffers()
    }

    fn try_claim(&mut self) -> Result<Claimed, Refused> {
        self.look();
        let claimed = self.side.try_claim();
        self.tell();
        let claimed = claimed?;
        self.side
            .buffers()
            .at(claimed.position)
            .invalidate(&self.leaving.platform);
        Ok(claimed)
    }

    fn operands<const FROM: usize>(&self, position: Position) -> [u64; 7] {
        self.side.operands::<FROM>(position)
    }

    fn operand(&self, position: Position, index: usize) -> u64 {
        self.side.operand(position, index)
    }

    fn release(&mut self, position: Position) {
        self.side.release(position);
        self.tell();
    }

    fn unclaim(&mut self, position: Position, taken: u16) {
        self.side.unclaim(position, taken);
        self.tell();
    }

    fn carries_inline(&self) -> bool {
        self.side.carries_inline()
    }

    fn end(&mut self) -> Option<End> {
        self.leaving.look();
        self.look();
        self.side.end()
    }

    fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> Option<Claimed> {
        self.look();
        self.side.take_over(is_dead)
    }

    fn obstacle(&self) -> Option<Obstacle> {
        self.side.obstacle()
    }

    fn is_peer_open(&self) -> bool {
        self.leaving.look();
        self.side.is_peer_open()
    }

    fn has_packet(&self) -> bool {
        self.look();
        self.side.has_packet()
    }

    fn corruption(&self) -> Option<Corruption> {
        self.look();
        self.side.corruption()
    }

    fn count(&mut self, event: Event) {
        self.side.count(event);
    }

    fn counters(&self) -> Counters {
        self.side.counters()
    }
}
