//! How an exclusive consumer claims a packet.

use super::ExclusiveConsumer;
use crate::layout::Geometry;
use crate::position::Position;
use crate::region::{Slot, WALKS};
use crate::ring::stamp::{Turn, is_packet_at};
use crate::ring::{Claimed, Operands};
use crate::sync::Counter;
use crate::sync::ordering;

impl<G: Geometry> ExclusiveConsumer<G> {
    /// T4x: hands out the packet at `turn`.
    #[inline]
    pub(super) fn hand_out(&mut self, turn: Turn) {
        if WALKS && self.memory.is_at_start(turn.position()) {
            self.set_out();
        }
        if WALKS && turn == self.flush_at && self.reading.is_some() {
            self.give_back_left();
        }
        self.turn_to(turn.next());
        self.reading = Some(turn);
        self.memory.pause();
        // Pairs with the Acquire of a joining consumer and of a producer that waits for the ring
        // to drain.
        self.memory
            .r()
            .store(turn.next_position().get(), ordering::store_received());
    }

    /// As [`Consumer::claim_quickly`], where the way has ended: a packet that stays claimed may be the last before
    /// `flush_at`, and is always that where messages are delivered at least once.
    // A function of its own, so that what goes on saves no registers for it.
    #[inline(never)]
    pub(super) fn claim_by_position<O: Operands>(&mut self, opcode: u8) -> Option<(Position, O)> {
        if self.special.is_some() {
            return None;
        }
        let turn = self.turn;
        let position = turn.position();
        let (slot, _) = O::place(&self.memory, position)?;
        // Pairs with the Release of T3 and T3x: the operands and the payload are there.
        let loaded = slot.stamp().load_visible(ordering::see_published_quickly());
        if !is_packet_at(loaded, turn, opcode) {
            return None;
        }
        let operands = O::load(slot);
        self.hand_out(turn);
        Some((position, operands))
    }

    /// The packet that was passed quickly just now stays claimed.
    #[inline]
    pub(super) fn keep(&mut self) {
        // Not handed over, so that no register is kept for it.
        self.reading = Some(self.turn.before());
        self.memory.pause();
        // As it is counted when it is known what it is.
        self.counters.messages = self.counters.messages.wrapping_sub(1);
    }

    // Functions of their own, so that what is not special saves no registers for them.

    #[cold]
    #[inline(never)]
    pub(super) fn claim_specially(&mut self) -> Option<Claimed> {
        self.special.and_then(|special| (special.claim)(self))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn go_on_specially(&mut self) -> u16 {
        self.special.map_or(0, |special| (special.go_on)(self))
    }
}

/// T4x, in few steps: claims the packet at `turn`; where this side has come to then.
#[inline]
pub(super) fn pass(r: &Counter, turn: Turn) -> Turn {
    // As in `hand_out`, and paired in the same way.
    r.store(turn.next_position().get(), ordering::store_received());
    turn.next()
}

/// The operands of a packet with a message inside but the first, each read once: `size` was read already.
#[inline]
pub(super) fn with_size(slot: Slot<'_>, size: u64) -> [u64; 7] {
    let mut operands = slot.load_operands::<2>();
    operands[1] = size;
    operands
}
