//! What receivers of a shared side claimed and let go of, for others of the same member.

use core::sync::atomic::{AtomicU64, Ordering};

/// Slots whose packets are claimed and nobody's, the first in front: up to four.
///
/// # Invariants
/// Sixteen bits each, the first in the lowest: the index of a slot and 1; above the last only zeros.
pub(super) struct Left(AtomicU64);

const BITS: u32 = u16::BITS;

impl Left {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn is_empty(&self) -> bool {
        // Relaxed: a hint, which `take` looks at again.
        self.0.load(Ordering::Relaxed) == 0
    }

    /// `false` where there is no room.
    pub(super) fn add(&self, index: usize) -> bool {
        // At most 2^14.
        let entry = index as u64 + 1;
        let added = |left: u64| {
            let used = (u64::BITS - left.leading_zeros()).next_multiple_of(BITS);
            (used < u64::BITS).then(|| left | entry << used)
        };
        // Release: pairs with the Acquire of `take`, so that what was read of the packet comes before.
        let result = self
            .0
            .fetch_update(Ordering::Release, Ordering::Relaxed, added);
        result.is_ok()
    }

    /// The first one, which is the caller's from here on.
    pub(super) fn take(&self) -> Option<usize> {
        let rest = |left: u64| (left != 0).then_some(left >> BITS);
        // Acquire: pairs with the Release of `add`.
        let before = self
            .0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, rest);
        let [a, b, ..] = before.ok()?.to_le_bytes();
        usize::from(u16::from_le_bytes([a, b])).checked_sub(1)
    }
}
