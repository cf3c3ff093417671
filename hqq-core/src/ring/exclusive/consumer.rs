//! The consuming side of a ring, alone on it.

mod ahead;
mod claim;
mod release;
mod special;
mod start;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(not(loom))]
use ahead::LONG;
use claim::{pass, with_size};
use special::Special;

use crate::counters::{Counters, Event};
use crate::layout::Geometry;
use crate::member::Member;
use crate::position::Position;
use crate::region::{Buffer, Buffers, WALKS, Walk};
use crate::ring::stamp::{Turn, is_elsewhere, is_free, is_packet_at, packet_at};
use crate::ring::wake::Alarm;
use crate::ring::{
    Claimed, Consumer, Corruption, Left, Missed, Obstacle, Operands, Refused, Sealed, taken_word,
};
use crate::side::{Attached, End};
use crate::sync::ordering::{self, Ordering};

/// The consuming side of a ring, alone on it.
///
/// # Invariants
/// All positions before `turn` were handed out; all before `finished()` were read and may be
/// released: `reading`, where a packet is claimed and not released, else `turn`. `flushed` is what the ring's
/// `released` holds, and `flush_at` is `lag` after it. `flushed` ≤ `finished()` ≤ `turn`, at most `lag` and 1 apart
/// once nothing is in doubt.
///
/// Where the way of `memory` goes on, it is at the slot of `turn` and ends before the one that is `flush_at` once it
/// was read; nothing is special, and no packet is claimed.
///
/// Of the messages, `counters` does not have those from `counted` on.
pub struct ExclusiveConsumer<G: Geometry> {
    memory: Walk<G>,
    turn: Turn,
    reading: Option<Turn>,
    flushed: Turn,
    flush_at: Turn,
    /// How many messages are read before producers are told: N/2; in regions that deliver at least once
    /// 1, as all that they were not told of would come again should this side die.
    lag: usize,
    counted: Turn,
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

impl<G: Geometry> Sealed for ExclusiveConsumer<G> {}

#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed, for this crate only"
)]
impl<G: Geometry> Consumer for ExclusiveConsumer<G> {
    type Geometry = G;
    const WALKS: bool = WALKS;

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
            self.flush_all();
            self.expect(position);
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
        let Some((slot, buffer)) = O::here(&self.memory) else {
            return Err(Missed::Unclaimed);
        };
        let r = self.memory.r();
        // Pairs with the Release of T3 and T3x: the operands and the payload are there.
        let loaded = slot.stamp().load_visible(ordering::see_published_quickly());
        let turn = self.turn;
        if !is_packet_at(loaded, turn, opcode) {
            return Err(Missed::Unclaimed);
        }
        let operands = O::load(slot);
        self.turn = pass(r, turn);
        let Some(taken) = take(buffer, &operands) else {
            self.keep();
            return Err(Missed::Claimed(operands));
        };
        self.memory.step();
        Ok(taken)
    }

    #[inline(always)]
    fn take_word<T>(
        &mut self,
        opcode: u8,
        take: impl FnOnce(&[u64; 7]) -> Option<T>,
    ) -> Result<T, Left> {
        let Some(slot) = self.memory.slot_here() else {
            return Err(Left::Unclaimed);
        };
        let (r, turn) = (self.memory.r(), self.turn);
        // Pairs as above.
        let loaded = slot.stamp().load_visible(ordering::see_published_quickly());
        if !is_packet_at(loaded, turn, opcode) {
            if is_elsewhere(loaded, turn) && self.flushed == turn {
                self.expect(turn.position());
                return Err(Left::Nothing);
            }
            return Err(Left::Unclaimed);
        }
        let size = slot.load_operand(1);
        if size != size_of::<u64>() as u64 {
            return Err(Left::Inside(size));
        }
        self.turn = pass(r, turn);
        let operands = with_size(slot, size);
        let Some(taken) = take(&operands) else {
            self.keep();
            return Err(Left::Claimed(operands));
        };
        self.memory.step();
        Ok(taken)
    }

    #[inline(always)]
    fn take_inside<T>(
        &mut self,
        size: u64,
        take: impl FnOnce(&[u64; 7]) -> Option<T>,
    ) -> Result<T, Missed<[u64; 7]>> {
        let (r, turn) = (self.memory.r(), self.turn);
        let Some(slot) = self.memory.slot_here() else {
            return Err(Missed::Unclaimed);
        };
        self.turn = pass(r, turn);
        let operands = with_size(slot, size);
        let Some(taken) = take(&operands) else {
            self.keep();
            return Err(Missed::Claimed(operands));
        };
        self.memory.step();
        Ok(taken)
    }

    #[inline]
    fn is_idle(&mut self, first: bool) -> bool {
        self.side.is_peer_not_ended() && (!first || self.counters.add_blocked())
    }

    #[inline(always)]
    fn claim_quickly<O: Operands>(&mut self, opcode: u8) -> Option<(Position, O)> {
        let Some((slot, _)) = O::here(&self.memory) else {
            return if WALKS {
                self.claim_by_position(opcode)
            } else {
                None
            };
        };
        let (r, turn) = (self.memory.r(), self.turn);
        // Pairs as above.
        let loaded = slot.stamp().load_visible(ordering::see_published_quickly());
        if !is_packet_at(loaded, turn, opcode) {
            return None;
        }
        let operands = O::load(slot);
        self.turn = pass(r, turn);
        self.keep();
        Some((turn.position(), operands))
    }

    #[inline]
    fn catch_up(&mut self) -> bool {
        self.expect(self.turn.position());
        let is_behind = self.reading.is_some()
            || self.finished().position().since(self.flush_at.position()) > 0;
        if is_behind {
            self.release_all();
        }
        is_behind
    }

    fn last_claimed(&self) -> Position {
        self.turn.position().minus(1)
    }

    fn is_claimed(&self, position: Position) -> bool {
        self.reading == Some(Turn::new(position))
    }

    #[inline]
    fn release(&mut self, _: Position) {
        self.reading = None;
        self.memory.resume();
        // Each position is released after the one before, so that none is passed over; those in
        // doubt may be, and are flushed at once.
        if self.turn == self.flush_at || self.special.is_some() {
            self.tell();
        }
    }

    fn recover(&mut self) {
        // The way was not stepped on, and begins anew where the ring does, or where producers are told.
        self.memory.stop();
    }

    #[inline]
    fn look_ahead(&self, position: Position, len: usize) {
        #[cfg(not(loom))]
        if WALKS && len >= LONG {
            self.prefetch_next(position);
        }
        #[cfg(loom)]
        let _ = (position, len);
    }

    fn unclaim(&mut self, position: Position, taken: u16) {
        // Where nothing is special `settled` is long past, at any distance.
        if self.special.is_none() || position.since(self.settled) >= 0 {
            self.turn_to(Turn::new(position));
            self.reading = None;
            self.memory.stop();
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
    fn operand(&self, position: Position, index: usize) -> u64 {
        self.memory.slot(position).load_operand(index)
    }

    #[inline]
    fn carries_inline(&self) -> bool {
        true
    }

    fn has_packet(&self) -> bool {
        (self.special.is_some() && self.has_packet_in_doubt())
            || crate::ring::has_packet(&self.memory, self.turn.position())
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
}

impl<G: Geometry> Drop for ExclusiveConsumer<G> {
    fn drop(&mut self) {
        self.flush_all();
        self.record();
    }
}
