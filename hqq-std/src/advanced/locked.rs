//! The engine of a link under its lock: for anything, and for what is done in few steps.

use std::ops::{Deref, DerefMut};

use parking_lot::MutexGuard;

use super::engine::Engine;

/// The engine under its lock. Whoever was woken meanwhile is called when it is let go of, and not
/// before, as is dropped who waits no more: a waker may do anything, also wait for this link.
pub(super) struct Locked<'a>(pub(super) MutexGuard<'a, Engine>);

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(mut engine: MutexGuard<'a, Engine>) -> Self {
        engine.count_taken();
        Self(engine)
    }

    /// Calls those who were woken and does `other`, without the lock.
    pub(super) fn unlocked<T>(&mut self, other: impl FnOnce() -> T) -> T {
        let due = self.0.waiters.take_due();
        MutexGuard::unlocked(&mut self.0, || {
            due.settle();
            other()
        })
    }
}

impl Deref for Locked<'_> {
    type Target = Engine;

    #[inline]
    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Engine {
        // Anything may change.
        self.0.settled = false;
        &mut self.0
    }
}

/// The engine under its lock, while [nothing goes on](Engine::is_quiet) but what is done here in few steps.
/// Nobody waits, so that nobody is woken meanwhile.
pub(super) struct Quiet<'a>(MutexGuard<'a, Engine>);

impl<'a> Quiet<'a> {
    /// Where [`Engine::settled`].
    #[inline]
    pub(super) const fn new(engine: MutexGuard<'a, Engine>) -> Self {
        Self(engine)
    }

    /// For whatever else there is to do, under the same lock.
    pub(super) fn into_locked(self) -> Locked<'a> {
        Locked::new(self.0)
    }
}

impl Deref for Quiet<'_> {
    type Target = Engine;

    #[inline]
    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl DerefMut for Quiet<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.0
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.waiters.has_due() {
            self.unlocked(|| {});
        }
    }
}
