//! The wait words of one side of a ring.

use super::{Part, Region};
use crate::layout::{Direction, Layout};
use crate::sync::SharedU32;

/// The wait words of one side of a ring.
///
/// # Invariants
/// The part starts at a side's wait words.
#[derive(Clone, Debug)]
pub(crate) struct WaitMemory {
    part: Part,
}

impl WaitMemory {
    /// The words of a side; `None` in format 1, or where `layout` is larger than the region.
    pub(crate) fn new(
        region: &Region,
        layout: &Layout,
        direction: Direction,
        consumer: bool,
    ) -> Option<Self> {
        let offset = layout.wait_words(direction, consumer)?;
        (layout.len() <= region.len()).then(|| Self {
            // SAFETY: a side's wait words lie inside the region, which `layout` fits.
            part: unsafe { region.part_from(offset) },
        })
    }

    /// Word `index`, 16 words.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> &SharedU32 {
        // SAFETY: a side's 16 wait words lie inside the region by the invariant.
        unsafe { self.part.word32(index % 16 * 4) }
    }
}
