//! Shared words in a loom build: loom explores what each load may see, and reports accesses to
//! data that nothing orders.

use loom::cell::Cell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Word 0 of a slot.
#[derive(Default)]
pub(crate) struct Stamp(AtomicU64);

impl Stamp {
    /// The whole stamp.
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    /// What one load shows of the stamp: all of it.
    pub(crate) fn load_visible(&self, order: Ordering) -> super::Visible {
        self.load(order)
    }

    pub(crate) fn store(&self, word: u64, order: Ordering) {
        self.0.store(word, order);
    }

    pub(crate) fn compare_exchange(
        &self,
        expected: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.compare_exchange(expected, new, success, failure)
    }
}

/// A claim counter, `w` or `r` of a ring.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    /// Moves the counter from `expected` to `new`, or says to where somebody else has.
    pub(crate) fn help(&self, expected: u64, new: u64) -> Result<(), u64> {
        // Relaxed: the counters are hints, the slots carry the synchronisation (PROTOCOL.md T2).
        self.0
            .compare_exchange(expected, new, Ordering::Relaxed, Ordering::Relaxed)
            .map(|_| ())
    }

    /// Claims `expected` by moving the counter on from it (format 1); `false` where somebody else
    /// has.
    pub(crate) fn try_claim(&self, expected: u64, order: Ordering) -> bool {
        self.0
            .compare_exchange(expected, expected.wrapping_add(1), order, Ordering::Relaxed)
            .is_ok()
    }
}

/// A 32-bit word of the region.
pub(crate) enum SharedU32 {
    /// Explored: its loads may see old values, as far as the orderings allow.
    Modelled(AtomicU32),
    /// Not explored: each load sees the last store. For words that are used only while attaching
    /// and leaving, which the caller serialises; modelling them would only cost time.
    Plain(core::sync::atomic::AtomicU32),
}

impl SharedU32 {
    pub(crate) fn modelled() -> Self {
        Self::Modelled(AtomicU32::default())
    }

    pub(crate) fn plain() -> Self {
        Self::Plain(core::sync::atomic::AtomicU32::default())
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        match self {
            Self::Modelled(word) => word.load(order),
            Self::Plain(word) => word.load(order),
        }
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        match self {
            Self::Modelled(word) => word.store(value, order),
            Self::Plain(word) => word.store(value, order),
        }
    }

    /// Adds one.
    pub(crate) fn increment(&self, order: Ordering) {
        match self {
            Self::Modelled(word) => word.fetch_add(1, order),
            Self::Plain(word) => word.fetch_add(1, order),
        };
    }

    /// Stores `new` where the word is `expected`; otherwise says what it is.
    pub(crate) fn compare_exchange(
        &self,
        expected: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        match self {
            Self::Modelled(word) => word.compare_exchange(expected, new, success, failure),
            Self::Plain(word) => word.compare_exchange(expected, new, success, failure),
        }
    }
}

/// An operand or eight bytes of payload.
///
/// Not an atomic here, unlike in other builds: two accesses that no stamp or counter orders, one
/// of them a store, fail the model.
#[derive(Default)]
pub(crate) struct DataWord(Cell<u64>);

impl DataWord {
    /// The bytes of the word in memory order, as a native-endian integer.
    pub(crate) fn load(&self) -> u64 {
        self.0.get()
    }

    pub(crate) fn store(&self, bytes: u64) {
        self.0.set(bytes);
    }
}
