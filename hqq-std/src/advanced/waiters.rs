//! Who waits for what on a link.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use crate::attach::Attachment;
use crate::wait::Berth;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Anything at all that came.
    Any,
    /// The answer to this call.
    Call(u64),
    /// Room in the ring.
    Room,
    /// What the request of this call lacks, room or else anything; or that the call is over.
    Request { call: u64, room: bool },
}

impl Interest {
    /// Whether it is one in `what`.
    fn includes(self, what: Self) -> bool {
        match (self, what) {
            (Self::Request { room, .. }, Self::Room) => room,
            (Self::Request { room, .. }, Self::Any) => !room,
            (awaited, what) => awaited == what,
        }
    }
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
    /// Wakes whoever drives the ring and sleeps there, for what other threads did: of that the ring
    /// tells nothing.
    driver: Option<Waker>,
    /// Those whose time has come, and those who do not wait any more: to be called and to be dropped
    /// without the link's lock, as a waker may do anything.
    woken: Vec<Waker>,
    retired: Vec<Waker>,
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
        let gone = self.waiters.extract_if(.., |waiter| waiter.token == token);
        self.retired.extend(gone.map(|waiter| waiter.waker));
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn has(&self, interest: Interest) -> bool {
        let mut waiters = self.waiters.iter();
        waiters.any(|waiter| waiter.interest.includes(interest))
    }

    /// Whoever drives the ring is about to sleep.
    pub(super) fn driver_sleeps(&mut self, waker: Waker) {
        self.driver = Some(waker);
    }

    /// It does not any more.
    pub(super) fn driver_is_awake(&mut self) {
        self.driver = None;
    }

    /// Whether somebody waits who cannot drive the ring.
    pub(super) fn needs_driver(&self) -> bool {
        self.waiters.iter().any(|waiter| !waiter.drives)
    }

    pub(super) fn wake(&mut self, interest: Interest) {
        self.wake_where(|awaited| awaited.includes(interest));
    }

    /// Wakes whoever sends the request of this call, which is over.
    pub(super) fn wake_request(&mut self, of: u64) {
        self.wake_where(|awaited| matches!(awaited, Interest::Request { call, .. } if call == of));
    }

    fn wake_where(&mut self, is_woken: impl Fn(Interest) -> bool) {
        let woken = self
            .waiters
            .extract_if(.., |waiter| is_woken(waiter.interest));
        self.woken.extend(woken.map(|waiter| waiter.waker));
        // What it waits for is not known here.
        self.woken.extend(self.driver.take());
    }

    pub(super) fn wake_all(&mut self) {
        self.woken
            .extend(self.waiters.drain(..).map(|waiter| waiter.waker));
        self.woken.extend(self.driver.take());
    }

    /// Whom to call and whom to drop once the lock is free.
    #[inline]
    pub(super) fn take_due(&mut self) -> Due {
        Due {
            woken: std::mem::take(&mut self.woken),
            retired: std::mem::take(&mut self.retired),
        }
    }

    /// Whether somebody is to be called or dropped.
    #[inline]
    pub(super) fn has_due(&self) -> bool {
        !self.woken.is_empty() || !self.retired.is_empty()
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

/// Wakers that are due.
pub(super) struct Due {
    woken: Vec<Waker>,
    retired: Vec<Waker>,
}

impl Due {
    /// Calls and drops them. What one of them panics with, the panic hook has reported: it is no failure
    /// of whoever happens to call it.
    #[inline]
    pub(super) fn settle(self) {
        if self.woken.is_empty() && self.retired.is_empty() {
            return;
        }
        for waker in self.woken {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
        for waker in self.retired {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
        }
    }
}

/// Wakes a thread that waits, once.
#[derive(Debug)]
pub(super) struct Parked {
    thread: Thread,
    /// A wakeup of the thread alone may be another's, and taken by another's wait.
    woken: AtomicBool,
}

impl Parked {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
        })
    }

    /// Waits, on the thread that made it, until it is woken or `deadline` has passed.
    pub(super) fn wait(&self, deadline: Option<Instant>) {
        // Pairs with the Release in `wake`.
        while !self.woken.load(Ordering::Acquire) {
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        // Pairs with the Acquire in `wait`.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Wakes whoever sleeps at the ring's own end.
pub(super) struct Kicker {
    berths: [Option<Berth>; 2],
    /// After the berths: it keeps their memory.
    _attachment: Arc<Attachment>,
}

impl Kicker {
    pub(super) const fn new(berths: [Option<Berth>; 2], attachment: Arc<Attachment>) -> Self {
        Self {
            berths,
            _attachment: attachment,
        }
    }
}

impl Wake for Kicker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.berths.iter().flatten().for_each(Berth::kick);
    }
}
