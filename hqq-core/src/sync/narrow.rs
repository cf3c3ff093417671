//! 64-bit words as two 32-bit halves, for targets without 64-bit atomics: exclusive mode only.
//!
//! `--cfg hqq_narrow` compiles this on any target, so that a 64-bit host can test it.

use portable_atomic::{AtomicU32, Ordering};

use super::counted;

/// How much of a stamp one load shows: its low half, which tells all states apart while a ring
/// has at most 2^14 slots.
pub(crate) type Visible = u32;

/// The two halves of a 64-bit word, low half first as it lies in memory.
#[repr(C, align(8))]
struct Halves {
    low: AtomicU32,
    high: AtomicU32,
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "splitting a word into halves"
)]
impl Halves {
    /// High, then low with `order`: whoever sees the new low half with Acquire sees the high one.
    #[inline]
    fn store(&self, word: u64, order: Ordering) {
        self.high
            .store(((word >> 32) as u32).to_le(), Ordering::Relaxed);
        self.low.store((word as u32).to_le(), order);
    }

    /// Both halves, read again until the high one stood still, at most a few times: a writer that
    /// never rests yields a mixture, which the callers treat like any other unexpected value.
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        let mut high = self.high.load(order);
        let mut low = self.low.load(order);
        for _ in 0..4 {
            let again = self.high.load(order);
            if again == high {
                break;
            }
            high = again;
            low = self.low.load(order);
        }
        u64::from(u32::from_le(high)) << 32 | u64::from(u32::from_le(low))
    }
}

/// Word 0 of a slot.
#[repr(transparent)]
pub(crate) struct Stamp(Halves);

impl Stamp {
    /// The whole stamp; only for joining and inspecting, where nobody on this side writes.
    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        counted!(Stamp, read self);
        self.0.load(order)
    }

    /// The low half of the stamp.
    #[inline]
    pub(crate) fn load_visible(&self, order: Ordering) -> Visible {
        counted!(Stamp);
        u32::from_le(self.0.low.load(order))
    }

    #[inline]
    pub(crate) fn store(&self, word: u64, order: Ordering) {
        counted!(Stamp);
        self.0.store(word, order);
    }
}

/// A claim counter, `w` or `r` of a ring.
#[repr(transparent)]
pub(crate) struct Counter(Halves);

impl Counter {
    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        counted!(Counter, read self);
        self.0.load(order)
    }

    #[inline]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        counted!(Counter);
        self.0.store(value, order);
    }
}

/// An operand or eight bytes of payload. Never synchronises: the stamp does.
#[repr(C, align(8))]
pub(crate) struct DataWord([AtomicU32; 2]);

impl DataWord {
    /// The bytes of the word in memory order, as a native-endian integer.
    #[inline]
    pub(crate) fn load(&self) -> u64 {
        counted!(Data, read self);
        // Relaxed: ordered by the Acquire load of the stamp that came before.
        let [first, second] = &self.0;
        let [a, b, c, d] = first.load(Ordering::Relaxed).to_ne_bytes();
        let [e, f, g, h] = second.load(Ordering::Relaxed).to_ne_bytes();
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    #[inline]
    pub(crate) fn store(&self, bytes: u64) {
        counted!(Data);
        // Relaxed: ordered by the Release store of the stamp that follows.
        let [a, b, c, d, e, f, g, h] = bytes.to_ne_bytes();
        let [first, second] = &self.0;
        first.store(u32::from_ne_bytes([a, b, c, d]), Ordering::Relaxed);
        second.store(u32::from_ne_bytes([e, f, g, h]), Ordering::Relaxed);
    }
}
