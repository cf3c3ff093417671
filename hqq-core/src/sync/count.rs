//! Counts accesses to shared words, in builds with `--cfg hqq_count`: tests read the totals to
//! show how often an operation touches what a peer may write.

use core::sync::atomic::{AtomicU64, Ordering};

/// What was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Word 0 of a slot.
    Stamp,
    /// A claim counter.
    Counter,
    /// An operand, or eight bytes of payload copied word by word.
    Data,
    /// `released`, a status or an identity word.
    Word32,
}

static TOTALS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

pub(crate) fn note(kind: Kind) {
    // Relaxed: a statistic, nothing is ordered by it.
    TOTALS[kind as usize].fetch_add(1, Ordering::Relaxed);
}

/// How many accesses of this kind the whole program has made so far.
#[must_use]
pub fn total(kind: Kind) -> u64 {
    // Relaxed: a statistic, nothing is ordered by it.
    TOTALS[kind as usize].load(Ordering::Relaxed)
}
