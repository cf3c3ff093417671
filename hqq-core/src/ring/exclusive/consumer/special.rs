//! Packets that somebody before an exclusive consumer has begun to read: in doubt, or runs that were left in the
//! middle.

use super::ExclusiveConsumer;
use crate::layout::Geometry;
use crate::ring::stamp;
use crate::ring::{Claimed, clear_taken};
use crate::sync::ordering;

/// What is done about packets that somebody before this consumer has begun to read. By pointers: programs
/// whose consumers all begin with their rings are linked without it.
pub(super) struct Special<G: Geometry> {
    pub(super) claim: fn(&mut ExclusiveConsumer<G>) -> Option<Claimed>,
    pub(super) go_on: fn(&mut ExclusiveConsumer<G>) -> u16,
}

impl<G: Geometry> ExclusiveConsumer<G> {
    pub(super) const SPECIAL: Special<G> = Special {
        claim: Self::try_claim_in_doubt,
        go_on: Self::go_on,
    };

    /// The packet was claimed of which a consumer that has left took some messages: how many.
    fn go_on(&mut self) -> u16 {
        self.special = None;
        clear_taken(&self.memory);
        core::mem::take(&mut self.taken)
    }

    /// Whether a packet is left, of those that a reader which died had claimed or after them.
    #[cold]
    #[inline(never)]
    pub(super) fn has_packet_in_doubt(&self) -> bool {
        let left = self.settled.since(self.turn.position());
        let left = usize::try_from(left).unwrap_or(0);
        let mut in_doubt = (0..left).map(|ahead| {
            let position = self.turn.position().plus(ahead);
            // Pairs with the Release of T3.
            let word = self
                .memory
                .slot(position)
                .stamp()
                .load(ordering::see_published());
            matches!(stamp::State::of(word), stamp::State::Published(at, _) if at == position)
        });
        in_doubt.any(|is_left| is_left)
            || (left > 0 && crate::ring::has_packet(&self.memory, self.settled))
    }

    /// Packets that a reader which died had claimed, in at-least-once regions. Whoever it was, they are published (A3).
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
                stamp::State::Published(at, opcode) if at == position => {
                    self.reading = Some(self.turn);
                    self.turn_to(self.turn.next());
                    return Some(Claimed {
                        position,
                        header: u64::from(opcode),
                        in_doubt: true,
                        taken: 0,
                    });
                }
                _ => {
                    self.turn_to(self.turn.next());
                    self.reading = None;
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
