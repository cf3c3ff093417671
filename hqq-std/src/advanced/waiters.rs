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
        self.waiters.retain(|waiter| {
            let hit = waiter.interest == interest;
            if hit {
                waiter.waker.wake_by_ref();
            }
            !hit
        });
    }

    pub(super) fn wake_all(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.waker.wake();
        }
    }

    /// Wakes the first who can drive the ring, to do so; `false` where there is nobody.
    pub(super) fn wake_driver(&mut self) -> bool {
        let Some(index) = self.waiters.iter().position(|waiter| waiter.drives) else {
            return false;
        };
        self.waiters.remove(index).waker.wake();
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
