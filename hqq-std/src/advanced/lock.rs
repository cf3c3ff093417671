//! The lock of a link's state. It favours the thread that takes it over and over again for a call or a
//! request where nothing else goes on: that one gets in and out by plain loads and stores, without the
//! locked instructions for which a processor waits until all it has stored before is in its cache.

#![allow(
    unsafe_code,
    reason = "who is favoured gets at what the mutex guards without taking it"
)]

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::bias::Bias;
use super::engine::Engine;
use crate::sys;

/// How often in a row a thread has to take the lock where nothing else goes on to be favoured: taking the
/// favour away costs about as much as a few calls.
const OFTEN: u32 = 1024;
/// Looks at a favoured thread that is inside before others get its processor.
const SPINS: u32 = 100;

/// The number of this thread: not 0, and no other's.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.get();
    if number != 0 {
        return number;
    }
    // Relaxed: only to be different from all others.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    number
}

thread_local! {
    /// [`number`], or 0 while that is not known.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// What the mutex guards.
struct Guarded {
    engine: Engine,
    /// The last thread that took the lock where nothing else went on, and how often it did so since
    /// others did.
    last: u64,
    times: u32,
}

/// See the module.
///
/// # Invariants
/// While the favoured thread is inside, nobody has a [`Locked`], nor another [`Quiet`]: who takes the mutex revokes the
/// favour before anything else, again whenever it has let go of the mutex in between.
pub(super) struct EngineLock {
    guarded: Mutex<Guarded>,
    bias: Bias,
    /// How many found the lock taken and want it.
    wanting: AtomicU32,
}

impl EngineLock {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            guarded: Mutex::new(Guarded {
                engine,
                last: 0,
                times: 0,
            }),
            bias: Bias::new(),
            wanting: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked {
            guard: self.take(),
            lock: self,
        }
    }

    /// As [`EngineLock::lock`], for what is done in few steps where nothing else goes on.
    ///
    /// # Errors
    /// Something else goes on.
    #[inline(always)]
    pub(super) fn lock_quiet(&self) -> Result<Quiet<'_>, Locked<'_>> {
        if self
            .bias
            .try_enter(NUMBER.get(), || compiler_fence(Ordering::SeqCst))
        {
            let quiet = Quiet {
                guard: None,
                lock: self,
            };
            if quiet.settled {
                return Ok(quiet);
            }
        }
        self.take_quiet()
    }

    #[inline(never)]
    fn take_quiet(&self) -> Result<Quiet<'_>, Locked<'_>> {
        let mut guard = self.take();
        if !guard.engine.settled && !guard.engine.settle() {
            return Err(Locked { guard, lock: self });
        }
        let me = number();
        guard.times = if guard.last == me { guard.times.saturating_add(1) } else { 1 };
        guard.last = me;
        if guard.times >= OFTEN && sys::has_barrier() {
            self.bias.favour(me);
        }
        Ok(Quiet {
            guard: Some(guard),
            lock: self,
        })
    }

    #[inline]
    fn take(&self) -> MutexGuard<'_, Guarded> {
        let guard = self.guarded.try_lock();
        let mut guard = guard.unwrap_or_else(|| self.take_taken());
        self.revoke(&mut guard);
        guard
    }

    #[cold]
    fn take_taken(&self) -> MutexGuard<'_, Guarded> {
        self.wanted(|| self.guarded.lock())
    }

    /// Nobody is favoured from now on, and inside.
    #[inline]
    fn revoke(&self, guard: &mut MutexGuard<'_, Guarded>) {
        if self.bias.is_set() {
            self.revoke_set(guard);
        }
    }

    #[cold]
    #[inline(never)]
    fn revoke_set(&self, guard: &mut MutexGuard<'_, Guarded>) {
        let mut looks = 0_u32;
        let pause = || {
            looks = looks.saturating_add(1);
            if looks > SPINS {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        };
        let heavy = || {
            if !sys::barrier() {
                // Somebody has forbidden it to this process since it was first asked. What a processor has
                // stored is seen by all long before this is over.
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        if self.wanted(|| self.bias.revoke(number(), heavy, pause)) {
            guard.times = 0;
        }
    }

    /// Has who looks for something under the lock give it up soon, until `get` gives it.
    fn wanted<T>(&self, get: impl FnOnce() -> T) -> T {
        // Relaxed: a hint to who looks under the lock. The lock itself orders all else.
        self.wanting.fetch_add(1, Ordering::Relaxed);
        let got = get();
        self.wanting.fetch_sub(1, Ordering::Relaxed);
        got
    }

    /// Whether somebody found the lock taken and wants it.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        // Relaxed: see `wanted`.
        self.wanting.load(Ordering::Relaxed) > 0
    }
}

/// The engine under its lock. Whoever was woken meanwhile is called when it is let go of, and not
/// before, as is dropped who waits no more: a waker may do anything, also wait for this link.
pub(super) struct Locked<'a> {
    guard: MutexGuard<'a, Guarded>,
    lock: &'a EngineLock,
}

impl Locked<'_> {
    /// Calls those who were woken and does `other`, without the lock.
    pub(super) fn unlocked<T>(&mut self, other: impl FnOnce() -> T) -> T {
        let due = self.guard.engine.waiters.take_due();
        let result = MutexGuard::unlocked(&mut self.guard, || {
            due.settle();
            other()
        });
        self.lock.revoke(&mut self.guard);
        result
    }

    /// Lets others have the lock that wait for it.
    pub(super) fn bump(&mut self) {
        MutexGuard::bump(&mut self.guard);
        self.lock.revoke(&mut self.guard);
    }

    /// Waits until it is notified, without the lock.
    pub(super) fn wait_on(&mut self, notified: &Condvar) {
        notified.wait(&mut self.guard);
        self.lock.revoke(&mut self.guard);
    }
}

impl Deref for Locked<'_> {
    type Target = Engine;

    #[inline]
    fn deref(&self) -> &Engine {
        &self.guard.engine
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Engine {
        // Anything may change.
        self.guard.engine.settled = false;
        &mut self.guard.engine
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.guard.engine.waiters.has_due() {
            self.unlocked(|| {});
        }
    }
}

/// The engine under its lock, while [nothing goes on](Engine::settle) but what is done here in few steps.
/// Nobody waits, so that nobody is woken meanwhile.
///
/// # Invariants
/// There is a guard, or this thread is inside the bias of `lock`.
pub(super) struct Quiet<'a> {
    guard: Option<MutexGuard<'a, Guarded>>,
    lock: &'a EngineLock,
}

impl Deref for Quiet<'_> {
    type Target = Engine;

    #[inline(always)]
    fn deref(&self) -> &Engine {
        // SAFETY: this thread has the mutex, or is inside, so that nobody else gets at what is guarded; this
        // value gives no other reference to it that lasts as long as this one.
        unsafe { &(*self.lock.guarded.data_ptr()).engine }
    }
}

impl DerefMut for Quiet<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Engine {
        // SAFETY: as in `deref`; this value is borrowed for as long as the reference lasts.
        unsafe { &mut (*self.lock.guarded.data_ptr()).engine }
    }
}

impl Drop for Quiet<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.guard.is_none() {
            self.lock.bias.leave();
        }
    }
}
