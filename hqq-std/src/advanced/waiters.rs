//! Who waits for what on a link.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Anything at all that came.
    Any,
    /// The answer to this call.
    Call(u64),
    /// Room in the ring.
    Room,
}

#[derive(Debug)]
struct Waiter {
    token: u64,
    interest: Interest,
    waker: Waker,
    /// A thread, which can drive the ring itself.
    drives: bool,
}

/// Those who wait, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiters: Vec<Waiter>,
    /// Those whose time has come: to be called without the link's lock, as a waker may do anything.
    woken: Vec<Waker>,
    next_token: u64,
}

impl Waiters {
    /// Remembers a waiter until it is woken or [removed](Waiters::remove).
    pub(super) fn add(&mut self, interest: Interest, waker: Waker, drives: bool) -> u64 {
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1);
        self.waiters.push(Waiter {
            token,
            interest,
            waker,
            drives,
        });
        token
    }

    pub(super) fn remove(&mut self, token: u64) {
        self.waiters.retain(|waiter| waiter.token != token);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn has(&self, interest: Interest) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.interest == interest)
    }

    /// Whether somebody waits who cannot drive the ring.
    pub(super) fn needs_driver(&self) -> bool {
        self.waiters.iter().any(|waiter| !waiter.drives)
    }

    pub(super) fn wake(&mut self, interest: Interest) {
        let woken = self
            .waiters
            .extract_if(.., |waiter| waiter.interest == interest);
        self.woken.extend(woken.map(|waiter| waiter.waker));
    }

    pub(super) fn wake_all(&mut self) {
        self.woken
            .extend(self.waiters.drain(..).map(|waiter| waiter.waker));
    }

    /// Whom to call once the lock is free.
    #[inline]
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Whether somebody is to be called.
    #[inline]
    pub(super) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Wakes the first who can drive the ring, to do so; `false` where there is nobody.
    pub(super) fn wake_driver(&mut self) -> bool {
        let Some(index) = self.waiters.iter().position(|waiter| waiter.drives) else {
            return false;
        };
        self.woken.push(self.waiters.remove(index).waker);
        true
    }
}

/// Wakes a thread that parks.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker of the thread that asks for it.
pub(super) fn this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(std::thread::current())))
}
