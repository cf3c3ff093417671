//! 64-bit words on targets with 64-bit atomics.

use portable_atomic::{AtomicU64, Ordering};

use super::counted;

/// How much of a stamp one load shows: all of it.
pub(crate) type Visible = u64;

/// Word 0 of a slot.
#[repr(transparent)]
pub(crate) struct Stamp(AtomicU64);

impl Stamp {
    /// The whole stamp.
    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        counted!(Stamp, read self);
        u64::from_le(self.0.load(order))
    }

    /// What one load shows of the stamp; on this target all of it.
    #[inline]
    pub(crate) fn load_visible(&self, order: Ordering) -> Visible {
        self.load(order)
    }

    #[inline]
    pub(crate) fn store(&self, word: u64, order: Ordering) {
        counted!(Stamp);
        self.0.store(word.to_le(), order);
    }

    #[inline]
    pub(crate) fn compare_exchange(
        &self,
        expected: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        counted!(Stamp, read self);
        self.0
            .compare_exchange(expected.to_le(), new.to_le(), success, failure)
            .map(u64::from_le)
            .map_err(u64::from_le)
    }
}

/// A claim counter, `w` or `r` of a ring.
#[repr(transparent)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        counted!(Counter, read self);
        u64::from_le(self.0.load(order))
    }

    #[inline]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        counted!(Counter);
        self.0.store(value.to_le(), order);
    }

    /// Moves the counter from `expected` to `new`, or says to where somebody else has.
    #[inline]
    pub(crate) fn help(&self, expected: u64, new: u64) -> Result<(), u64> {
        counted!(Counter, read self);
        // Relaxed: the counters are hints, the slots carry the synchronisation (PROTOCOL.md T2).
        self.0
            .compare_exchange(
                expected.to_le(),
                new.to_le(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .map(|_| ())
            .map_err(u64::from_le)
    }

    /// Claims `expected` by moving the counter on from it (format 1); `false` where somebody else
    /// has.
    #[inline]
    pub(crate) fn try_claim(&self, expected: u64, order: Ordering) -> bool {
        counted!(Counter, read self);
        self.0
            .compare_exchange(
                expected.to_le(),
                expected.wrapping_add(1).to_le(),
                order,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

/// An operand or eight bytes of payload. Never synchronises: the stamp does.
#[repr(transparent)]
pub(crate) struct DataWord(AtomicU64);

impl DataWord {
    /// The bytes of the word in memory order, as a native-endian integer.
    #[inline]
    pub(crate) fn load(&self) -> u64 {
        counted!(Data, read self);
        // Relaxed: ordered by the Acquire load of the stamp that came before.
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn store(&self, bytes: u64) {
        counted!(Data);
        // Relaxed: ordered by the Release store of the stamp that follows.
        self.0.store(bytes, Ordering::Relaxed);
    }
}
