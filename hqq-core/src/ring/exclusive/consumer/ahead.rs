//! What an exclusive consumer asks for before it is needed. Hints: nothing else hangs on them.

use super::ExclusiveConsumer;
use crate::layout::Geometry;
#[cfg(not(loom))]
use crate::layout::LINE;
use crate::position::Position;
#[cfg(not(loom))]
use crate::ring::stamp::packet_at;
#[cfg(not(loom))]
use crate::sync::ordering::Ordering;

/// So long messages are worth a look at the next one: shorter ones are taken as fast as it takes.
#[cfg(not(loom))]
pub(super) const LONG: usize = 2048;
/// Bytes of the next message that are asked for at most, as a core has no more lines on their way at a time.
#[cfg(not(loom))]
const AHEAD: usize = 16 * LINE;

impl<G: Geometry> ExclusiveConsumer<G> {
    /// Asks for the buffer of a message that is not there yet, so that its line comes over together with the slot's and not
    /// after it. The sender, which writes both, fetches them back together, too.
    #[inline]
    pub(super) fn expect(&self, position: Position) {
        self.memory.buffers().at(position).prefetch();
    }

    /// Asks for the first bytes of the message after `position`, where it is there, as it may be like the last. Not where
    /// it is not, as that would take lines from the sender that it is about to write.
    #[cfg(not(loom))]
    #[inline(never)]
    pub(super) fn prefetch_next(&self, position: Position) {
        let next = position.plus(1);
        // Relaxed: nothing is read but hints hang on it.
        let stamp = self.memory.slot(next).stamp();
        let loaded = stamp.load_visible(Ordering::Relaxed);
        if packet_at(loaded, next).is_some() {
            self.memory.buffers().at(next).prefetch_lines(AHEAD);
        }
    }
}
