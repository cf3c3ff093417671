//! Every word that two parties share is reached through these types: little-endian on every
//! target, and replaceable by loom's or by counting ones in a test build.
//!
//! | build | words are |
//! |---|---|
//! | 64-bit atomics | `AtomicU64` and `AtomicU32` of `portable-atomic`, lock-free ones only |
//! | no 64-bit atomics, or `--cfg hqq_narrow` | 64-bit words as two `AtomicU32` halves |
//! | `--cfg loom` | loom's atomics, and loom's race-checked cells for operands and payload |
//! | `--cfg hqq_count` | as the first, each access counted (see [`count`]) |

#[cfg(all(hqq_count, not(loom)))]
pub mod count;
#[cfg(loom)]
pub(crate) mod model;
#[cfg(all(not(loom), any(not(target_has_atomic = "64"), hqq_narrow)))]
mod narrow;
#[cfg(not(loom))]
pub(crate) mod ordering;
#[cfg(loom)]
pub mod ordering;
#[cfg(all(not(loom), target_has_atomic = "64", not(hqq_narrow)))]
mod wide;

#[cfg(loom)]
pub(crate) use model::{Counter, DataWord, SharedU32, Stamp};
#[cfg(all(not(loom), any(not(target_has_atomic = "64"), hqq_narrow)))]
pub(crate) use narrow::{Counter, DataWord, Stamp, Visible};
#[cfg(all(not(loom), target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) use wide::{Counter, DataWord, Stamp, Visible};

/// How much of a stamp one load shows; see [`narrow`](self) builds for the other width.
#[cfg(loom)]
pub(crate) type Visible = u64;

#[cfg(not(loom))]
pub(crate) use word::SharedU32;

/// The part of the stamp `word` that one load of a [`Stamp`] shows: all of it, or its low half
/// where the target has no 64-bit atomics. Compare what was loaded with this, exactly.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the narrow build sees the low half only"
)]
pub(crate) const fn visible(word: u64) -> Visible {
    word as Visible
}

/// Counts one access in a build with `--cfg hqq_count`, and of a read whose; nothing in any other.
#[cfg(not(loom))]
macro_rules! counted {
    ($kind:ident, read $word:expr) => {
        #[cfg(hqq_count)]
        $crate::sync::count::note_read($crate::sync::count::Kind::$kind, $word);
    };
    ($kind:ident) => {
        #[cfg(hqq_count)]
        $crate::sync::count::note($crate::sync::count::Kind::$kind);
    };
}
#[cfg(not(loom))]
pub(crate) use counted;

#[cfg(not(loom))]
mod word {
    use portable_atomic::{AtomicU32, Ordering};

    /// A 32-bit word of the region.
    #[repr(transparent)]
    pub(crate) struct SharedU32(AtomicU32);

    impl SharedU32 {
        #[inline]
        pub(crate) fn load(&self, order: Ordering) -> u32 {
            super::counted!(Word32, read self);
            u32::from_le(self.0.load(order))
        }

        #[inline]
        pub(crate) fn store(&self, value: u32, order: Ordering) {
            super::counted!(Word32);
            self.0.store(value.to_le(), order);
        }

        /// Adds one. Nobody else's addition is lost where there is an exchange; elsewhere one party
        /// alone may add.
        pub(crate) fn increment(&self, order: Ordering) {
            super::counted!(Word32);
            #[cfg(target_has_atomic = "32")]
            {
                // The loop of `fetch_update`, so that the bytes in memory stay little-endian.
                let next = |word: u32| Some(u32::from_le(word).wrapping_add(1).to_le());
                let _ = self.0.fetch_update(order, Ordering::Relaxed, next);
            }
            #[cfg(not(target_has_atomic = "32"))]
            {
                // Relaxed: read by the only one who writes it.
                let next = u32::from_le(self.0.load(Ordering::Relaxed)).wrapping_add(1);
                self.0.store(next.to_le(), order);
            }
        }

        /// Where the word lies, for a system that sleeps on it.
        pub(crate) const fn as_ptr(&self) -> *mut u32 {
            self.0.as_ptr()
        }

        /// Stores `new` where the word is `expected`; otherwise says what it is.
        #[cfg(target_has_atomic = "32")]
        #[inline]
        pub(crate) fn compare_exchange(
            &self,
            expected: u32,
            new: u32,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u32, u32> {
            super::counted!(Word32, read self);
            self.0
                .compare_exchange(expected.to_le(), new.to_le(), success, failure)
                .map(u32::from_le)
                .map_err(u32::from_le)
        }
    }
}
