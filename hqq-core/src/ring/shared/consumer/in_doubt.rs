//! What a shared consumer hands out before all else: packets in doubt, and those that its receivers let go of.

use core::sync::atomic::Ordering;

use super::SharedConsumer;
use crate::layout::Geometry;
use crate::position::Position;
use crate::ring::Claimed;
use crate::ring::stamp::State;
use crate::sync::ordering;

impl<G: Geometry> SharedConsumer<G> {
    /// Whether all in doubt was handed out.
    #[inline]
    pub(super) fn has_none_in_doubt(&self) -> bool {
        // Relaxed: a hint, which `try_claim_in_doubt` looks at again.
        self.in_doubt.load(Ordering::Relaxed) == self.settled.get()
    }

    /// T7, second half: a packet that a reader which died had claimed, taken over when joining.
    #[cold]
    pub(super) fn try_claim_in_doubt(&self) -> Option<Claimed> {
        for _ in 0..self.memory.count() {
            // Acquire: pairs with the Release below. Who finds that all were handed out may take over what is another
            // member's here, and nobody's look may come upon that.
            let next = self.in_doubt.load(Ordering::Acquire);
            let position = Position::new(next);
            if position.since(self.settled) >= 0 {
                return None;
            }
            // Pairs with the Release of T3.
            let word = self
                .memory
                .slot(position)
                .stamp()
                .load(ordering::see_published());
            // Hands each position to one thread. Release: pairs with the Acquire above, and with the one here: an
            // exchange in vain may be what tells that all were handed out.
            let moved = self.in_doubt.compare_exchange(
                next,
                position.plus(1).get(),
                Ordering::Release,
                Ordering::Acquire,
            );
            if moved.is_err() {
                continue;
            }
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

    /// A packet that a receiver of this side let go of.
    pub(super) fn try_claim_left(&self) -> Option<Claimed> {
        if self.left.is_empty() {
            return None;
        }
        let index = self.left.take()?;
        // Pairs with the Release of T3.
        let word = self
            .memory
            .slot(Position::default().plus(index))
            .stamp()
            .load(ordering::see_published());
        match State::of(word) {
            State::Reading(position, owner, opcode)
                if owner == self.member && position.index(self.memory.count()) == index =>
            {
                Some(Claimed {
                    position,
                    header: u64::from(opcode),
                    // Others may have read what was sent after it.
                    in_doubt: true,
                    taken: 0,
                })
            }
            // A liar's.
            _ => None,
        }
    }
}
