//! Which thread gets into a lock without taking it (a biased lock). The lock itself, and what it guards, are
//! elsewhere: whoever has taken it [revokes](Bias::revoke) first, and then has it alone.
//!
//! The favoured thread says that it is inside, and looks once more whether it is still favoured; who revokes takes the
//! favour away, and looks whether that thread is inside. Each needs its store to be seen before its own load
//! is done. Whoever revokes makes the barrier that this takes, for both: it is rare.

use super::atomics::{AtomicBool, AtomicU64, Ordering};

/// No thread's number.
const NOBODY: u64 = u64::MAX;

/// See the module.
///
/// # Invariants
/// Only who has taken the lock changes `favoured`, and only to its own number or to `NOBODY`; only the favoured thread
/// changes `inside`.
#[derive(Debug)]
pub(super) struct Bias {
    favoured: AtomicU64,
    inside: AtomicBool,
}

impl Bias {
    pub(super) fn new() -> Self {
        Self {
            favoured: AtomicU64::new(NOBODY),
            inside: AtomicBool::new(false),
        }
    }

    /// Gets in, if this thread is favoured; `me` is its number. `light` keeps the order of what comes before and
    /// after it as the program has it, where `heavy` of [`Bias::revoke`] does the rest.
    #[inline(always)]
    pub(super) fn try_enter(&self, me: u64, light: impl FnOnce()) -> bool {
        // Relaxed: this thread's own store, or that of who revokes; which of both counts is seen below.
        if self.favoured.load(Ordering::Relaxed) != me {
            return false;
        }
        // Relaxed: the barriers pair it with the load in `revoke`.
        self.inside.store(true, Ordering::Relaxed);
        light();
        // Relaxed: the barriers pair it with the store in `revoke`. What is guarded was written by this thread
        // since it was favoured, or seen under the lock when it was.
        if self.favoured.load(Ordering::Relaxed) == me {
            return true;
        }
        self.leave();
        false
    }

    /// Gets out.
    #[inline(always)]
    pub(super) fn leave(&self) {
        // Pairs with the Acquire in `revoke`: what was done inside.
        self.inside.store(false, Ordering::Release);
    }

    /// Whether some thread is favoured. Of use only to who has taken the lock.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        // Relaxed: stored under the lock.
        self.favoured.load(Ordering::Relaxed) != NOBODY
    }

    /// Favours this thread, which has taken the lock. Nobody else may be favoured.
    pub(super) fn favour(&self, me: u64) {
        // Relaxed: it is this thread that looks at it without the lock.
        self.favoured.store(me, Ordering::Relaxed);
    }

    /// Favours nobody, and waits until the favoured thread is outside; for who has taken the lock, `me`. `heavy` is
    /// a barrier on every processor that runs a thread of this process; `pause` is called between looks. Says
    /// whether another thread was favoured.
    pub(super) fn revoke(&self, me: u64, heavy: impl FnOnce(), mut pause: impl FnMut()) -> bool {
        // Relaxed: stored under the lock.
        let is_other = self.favoured.load(Ordering::Relaxed) != me;
        // Relaxed: the barriers pair it with the second load in `try_enter`.
        self.favoured.store(NOBODY, Ordering::Relaxed);
        if is_other {
            heavy();
            // Pairs with the Release in `leave`.
            while self.inside.load(Ordering::Acquire) {
                pause();
            }
        }
        is_other
    }
}
