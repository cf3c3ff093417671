//! Who drives the ring of a link, and how the others wait.
//!
//! One thread at a time drives: it moves the ring on, and spins, yields and sleeps between looks. Who
//! waits alone drives for itself, with no thread hop. Where several threads wait, one of them drives and
//! the others park until something for them came; when the driver has what it waited for it wakes another
//! to drive. A background thread in its place would wake a thread for each answer, and take a core of its
//! own to look at the ring: with one of those who wait at the ring, its answer needs no waking at all, and
//! handing on is one waking for each answer of the driver's, which may wait for many others' meanwhile. Measured
//! (`examples/calling_threads.rs`, two cores; docs/performance-notes.md, "Calls"): threads that drive themselves make 1.3
//! times as many calls or more with 8 of them, 0.5 to 3.6 times with 2, about 2 times with 1 or 4.
//!
//! Tasks (futures) cannot drive, and a thread that has gone on does not: while a task waits, or something
//! is left to be said, and no thread drives, a background thread does, started with the first need.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hqq_core::Wait;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::engine::{Engine, Look};
use super::error::LinkFailure;
use super::locked::{Locked, Quiet};
use super::options::AdvancedOptions;
use super::stand_ins::StandIns;
use super::waiters::{Interest, Parked};
use crate::attach::Attachment;
use crate::fork::Generation;
use crate::link::nowhere;
use crate::wait::Waiter;

/// What the handles of one link share.
pub(super) struct Shared {
    engine: Mutex<Engine>,
    background: Condvar,
    /// How many found the lock taken and want it.
    wanting: AtomicU32,
    /// How whoever drives waits, and what that has learned.
    waiter: Mutex<Waiter>,
    /// Wakes it where it sleeps.
    kicker: Waker,
    /// The process whose link it is.
    process: Generation,
    /// In place of the engine, in forked children where a thread of the parent's had the lock.
    forked: StandIns,
    /// For that.
    attachment: Arc<Attachment>,
    options: AdvancedOptions,
}

/// Rounds of whoever drives between two looks whether the peer lives, where nothing ends a sleep.
const ROUNDS: u32 = 512;

/// Looks for what comes soon, some microseconds, before waiting in the way of [`Shared::wait`].
const LOOKS: u32 = 100;

impl Shared {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            kicker: Waker::from(Arc::new(engine.kicker())),
            waiter: Mutex::new(engine.waiter()),
            attachment: engine.attachment(),
            options: engine.options,
            engine: Mutex::new(engine),
            background: Condvar::new(),
            wanting: AtomicU32::new(0),
            process: Generation::current(),
            forked: StandIns::new(),
        }
    }

    /// Whether this is in a child that was forked since: it has none of the threads.
    pub(super) fn is_in_child(&self) -> bool {
        self.process.is_over()
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        let engine = self.engine.try_lock();
        Locked::new(engine.unwrap_or_else(|| self.lock_taken()))
    }

    /// As [`Shared::lock`], for what is done in few steps where nothing else goes on.
    #[inline]
    pub(super) fn lock_quiet(&self) -> Result<Quiet<'_>, Locked<'_>> {
        let engine = self.engine.try_lock();
        let mut engine = engine.unwrap_or_else(|| self.lock_taken());
        if engine.settled || engine.settle() {
            Ok(Quiet::new(engine))
        } else {
            Err(Locked::new(engine))
        }
    }

    #[cold]
    fn lock_taken(&self) -> MutexGuard<'_, Engine> {
        if self.is_in_child() {
            // Whoever has it may be a thread that this process has not.
            let stand_in = || stand_in(&self.attachment, self.options);
            return self.forked.lock(stand_in);
        }
        // Relaxed: a hint to who looks under the lock. The lock itself orders all else.
        self.wanting.fetch_add(1, Ordering::Relaxed);
        let engine = self.engine.lock();
        self.wanting.fetch_sub(1, Ordering::Relaxed);
        engine
    }

    /// Repeats `look` under the lock, without letting go of it, for as long as nobody else wants it and
    /// what is looked for may come soon.
    #[inline(always)]
    pub(super) fn look<T>(
        &self,
        engine: &mut Engine,
        mut look: impl FnMut(&mut Engine) -> Look<T>,
    ) -> Option<T> {
        for _ in 0..LOOKS {
            match look(engine) {
                Look::Found(found) => return Some(found),
                Look::Over => return None,
                Look::NotYet => {}
            }
            // Relaxed: see `lock_taken`.
            if self.wanting.load(Ordering::Relaxed) > 0 {
                return None;
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Repeats `check` until it gives a value, driving the ring or letting another thread do so;
    /// `None` after `deadline`. Until then `check` says what it waits for.
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut(&mut Engine) -> Result<T, Interest>,
    ) -> Option<T> {
        let mut engine = self.lock();
        if self.is_in_child() {
            engine.leave_parent();
        }
        let mut was_woken = false;
        loop {
            let interest = match check(&mut engine) {
                Ok(value) => {
                    // It may have been woken to drive.
                    if was_woken && engine.driver.is_none() {
                        self.hand_over(&mut engine);
                    }
                    return Some(value);
                }
                Err(interest) => interest,
            };
            let this = std::thread::current().id();
            match engine.driver {
                None => {
                    engine.driver = Some(this);
                    let result = self.drive(&mut engine, deadline, |engine| check(engine).ok());
                    engine.driver = None;
                    self.hand_over(&mut engine);
                    return result;
                }
                // In a waker that this thread calls as it drives, it goes on driving.
                Some(driver) if driver == this => {
                    engine.nested += 1;
                    let result = self.drive(&mut engine, deadline, |engine| check(engine).ok());
                    engine.nested -= 1;
                    return result;
                }
                Some(_) => {}
            }
            // Whoever drives may sleep until the peer says something.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            if engine.has_control() && engine.poll() {
                // Others want the lock, too.
                MutexGuard::bump(&mut engine.0);
                continue;
            }
            let parked = Parked::new();
            let waker = Waker::from(Arc::clone(&parked));
            let token = engine.waiters.add(interest, waker, true);
            engine.unlocked(|| parked.wait(deadline));
            engine.waiters.remove(token);
            was_woken = true;
        }
    }

    /// Drives the ring until `check` gives a value or the deadline has passed.
    fn drive<T>(
        &self,
        engine: &mut Locked<'_>,
        deadline: Option<Instant>,
        mut check: impl FnMut(&mut Engine) -> Option<T>,
    ) -> Option<T> {
        // Nobody else has it, as one thread drives; but this one may, in a waker that it calls.
        let mut shared = self.waiter.try_lock();
        let mut own = None;
        let waiter = match &mut shared {
            Some(waiter) => &mut **waiter,
            None => own.insert(engine.waiter()),
        };
        waiter.until(deadline);
        let mut round = 0_u32;
        loop {
            let progress = engine.poll();
            if let Some(value) = check(engine) {
                waiter.finish();
                return Some(value);
            }
            if progress {
                round = 0;
                // Senders wait for the lock, and get it.
                MutexGuard::bump(&mut engine.0);
            }
            if engine.waiters.has_due() {
                engine.unlocked(|| {});
                // Whoever was called may have taken anything in: there is another look first.
                if deadline.is_none_or(|deadline| Instant::now() < deadline) {
                    continue;
                }
            }
            round = next_round(round);
            if waiter.is_armed() {
                waiter.set_most(engine.longest_sleep());
                // Before the lock is let go of: what others do from then on ends the sleep, also if it
                // has not begun.
                engine.waiters.driver_sleeps(self.kicker.clone());
            }
            let paused = engine.unlocked(|| waiter.pause(round));
            engine.waiters.driver_is_awake();
            let mut to_look = waiter.worth() > 1;
            if waiter.has_slept() {
                engine.time_has_passed();
                if waiter.has_news() {
                    engine.was_told();
                    to_look = true;
                }
            }
            if let ControlFlow::Break(()) = paused {
                engine.poll();
                engine.look_for_death(true);
                return check(engine);
            }
            if round.is_multiple_of(ROUNDS) || to_look {
                engine.look_for_death(to_look);
            }
        }
    }

    /// The driver leaves: another goes on, if anybody waits.
    fn hand_over(&self, engine: &mut Engine) {
        if engine.waiters.needs_driver() || !engine.waiters.wake_driver() {
            self.background.notify_one();
        }
    }

    /// Whoever drives is to look at once: something was decided here, of which the ring tells nothing.
    pub(super) fn kick(&self) {
        self.kicker.wake_by_ref();
    }

    /// The background thread is to look whether it has to drive.
    pub(super) fn notify_background(&self) {
        self.background.notify_one();
    }

    /// As [`Shared::wait`], for a task.
    pub(super) fn poll_wait<T>(
        &self,
        context: &mut Context<'_>,
        token: &mut Option<u64>,
        check: impl FnOnce(&mut Engine) -> Result<T, Interest>,
    ) -> Poll<T> {
        let mut engine = self.lock();
        if self.is_in_child() {
            engine.leave_parent();
        }
        if let Some(token) = token.take() {
            engine.waiters.remove(token);
        }
        match check(&mut engine) {
            Ok(value) => Poll::Ready(value),
            Err(interest) => {
                let waker = context.waker().clone();
                *token = Some(engine.waiters.add(interest, waker, false));
                // As in `wait`.
                if engine.has_control() {
                    engine.poll();
                }
                self.background.notify_one();
                Poll::Pending
            }
        }
    }

    /// Nobody drives any more, and nobody has to: the link is closed.
    pub(super) fn close(&self) {
        let mut engine = self.lock();
        engine.closed = true;
        engine.fail(LinkFailure::Closed);
        drop(engine);
        self.background.notify_all();
        self.kick();
    }

    /// What the background thread does until the link is closed.
    pub(super) fn drive_for_tasks(&self) {
        let mut engine = self.lock();
        while !engine.closed {
            if engine.driver.is_some() || !needs_driver(&engine) {
                if engine.driver.is_none() {
                    // It was notified in place of a thread, for tasks that do not wait any more.
                    engine.waiters.wake_driver();
                }
                // A driver that leaves, a task that begins to wait, and closing notify.
                if engine.waiters.has_due() {
                    engine.unlocked(|| {});
                    continue;
                }
                self.background.wait(&mut engine.0);
                continue;
            }
            engine.driver = Some(std::thread::current().id());
            self.drive(&mut engine, None, |engine| {
                (engine.closed || !needs_driver(engine)).then_some(())
            });
            engine.driver = None;
            engine.waiters.wake_driver();
        }
    }
}

/// Whether the background thread has to drive where no other does: for tasks that wait, and for what
/// was left to be said by a thread that has gone on.
fn needs_driver(engine: &Engine) -> bool {
    engine.waiters.needs_driver() || engine.has_control()
}

/// The round after this one. There may be more than can be counted; none of them is the first again.
const fn next_round(round: u32) -> u32 {
    match round.checked_add(1) {
        Some(next) => next,
        None => ROUNDS,
    }
}

/// An engine that has failed, as a child of whose link it was finds it.
#[allow(
    clippy::expect_used,
    reason = "a link of a known size in memory of this process's own"
)]
fn stand_in(attachment: &Arc<Attachment>, options: AdvancedOptions) -> Engine {
    let (sender, receiver) = nowhere(attachment).expect("what is whole as it was made here");
    let mut engine = Engine::new(sender, receiver, options);
    engine.leave_parent();
    engine
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, next_round};

    #[test]
    fn it_is_looked_for_deaths_after_more_rounds_than_can_be_counted() {
        let mut round = u32::MAX - 1;
        let looks = (0..4 * ROUNDS)
            .filter(|_| {
                round = next_round(round);
                assert!(round > 1, "it begins to wait anew");
                round.is_multiple_of(ROUNDS)
            })
            .count();
        assert_eq!(looks, 4);
    }
}
