//! One slot of a ring: its stamp and its operands.

use super::View;
#[cfg(not(loom))]
use super::bytes;
#[cfg(not(loom))]
use crate::layout::{LINE, ring};
use crate::sync::Stamp;

/// One slot.
///
/// # Invariants
/// `offset` is that of a slot of the ring that `part` starts at, inside the region; its first word is
/// a stamp, or is not used through this type.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    pub(super) part: View<'a>,
    pub(super) offset: usize,
}

impl<'a> Slot<'a> {
    /// Word 0.
    #[inline]
    pub(crate) fn stamp(self) -> &'a Stamp {
        // SAFETY: a slot inside the region, by the invariant.
        unsafe { self.part.stamp(self.offset) }
    }

    /// Asks for the line of the fourth slot after this one, or of what lies behind the last, which is to be
    /// written soon: by then it has come over, and those between are on their way at the same time.
    #[inline]
    pub(crate) fn prefetch_fourth(self) {
        #[cfg(not(loom))]
        {
            // SAFETY: where the part starts.
            let base = unsafe { self.part.at(0) };
            // In the same terms as the accesses to this slot, so that no address is made for it.
            let index = self.offset.wrapping_sub(ring::SLOTS);
            bytes::prefetch_to_write::<{ ring::SLOTS + 4 * LINE }>(base, index);
        }
    }

    /// Makes all operands zero.
    pub(crate) fn clear_operands(self) {
        for index in 0..7 {
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            word.store(0);
        }
    }

    /// Asks for the slot's line, which is about to be written.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(crate) fn prefetch(self) {
        #[cfg(not(loom))]
        {
            // SAFETY: where the part starts.
            let base = unsafe { self.part.at(0) };
            // As in `prefetch_fourth`.
            let index = self.offset.wrapping_sub(ring::SLOTS);
            bytes::prefetch_to_write::<{ ring::SLOTS }>(base, index);
        }
    }

    /// Writes words 1 to 7.
    #[inline]
    pub(crate) fn store_operands(self, operands: &[u64; 7]) {
        for (index, operand) in operands.iter().enumerate() {
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            word.store(operand.to_le());
        }
    }

    /// Writes word 1.
    #[inline]
    pub(crate) fn store_first_operand(self, operand: u64) {
        // SAFETY: word 1 of a slot inside the region.
        let word = unsafe { self.part.data(self.offset + 8) };
        word.store(operand.to_le());
    }

    /// Reads one operand; the last one for an index past it.
    #[inline]
    pub(crate) fn load_operand(self, index: usize) -> u64 {
        // SAFETY: one of the words 1 to 7 of a slot inside the region.
        let word = unsafe { self.part.data(self.offset + 8 + index.min(6) * 8) };
        u64::from_le(word.load())
    }

    /// Reads words 1 to 7 from operand `FROM` on, each once; zeros before it.
    #[inline]
    pub(crate) fn load_operands<const FROM: usize>(self) -> [u64; 7] {
        core::array::from_fn(|index| {
            if index < FROM {
                return 0;
            }
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            u64::from_le(word.load())
        })
    }
}
