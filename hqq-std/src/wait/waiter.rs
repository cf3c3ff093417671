//! One wait, from its first look in vain to its end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hqq_core::ring::wake::Ticket;
use hqq_core::{Wait, Waiting};

use super::pace::Pace;
use super::tempo::{CLOCK, GAP, Tempo};
use super::{Backoff, Berth, Limit, Policy, WaitStats, berth};
use crate::attach::Attachment;
use crate::sys::{self, Slept};

/// Longest sleep without a look at the peer's life, which whoever waits with this takes: the first one
/// of a wait, after which they are twice as long each time, and the last.
const FIRST_SLICE: Duration = Duration::from_millis(10);
const SLICE: Duration = Duration::from_millis(250);
/// What a slice of time that nobody ended is worth in looks.
const SLICE_WORTH: u32 = 256;
/// A note of a waker older than this is not about this sleep.
const NOTE: Duration = Duration::from_secs(2);

/// How far a wait has come.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing waits.
    Idle,
    Spinning,
    /// So many yields are left.
    Yielding(u32),
    /// The flag is up, and the half looks once more before it sleeps.
    Armed([Option<Ticket>; 2]),
    /// Asleep before the last look; whether a waker ended that.
    Slept(bool),
    /// Nobody wakes us: so many timed sleeps were made.
    Polling(u32),
}

/// Waits for one half of a link, in the way of its [`Policy`], until a deadline.
///
/// For the calls of [`hqq_core`] that want to be told how to wait; those of this crate's halves use
/// one of their own. It keeps the region's memory.
///
/// ```
/// use hqq_std::wait::Policy;
/// let (mut near, mut far) = hqq_std::pair()?;
/// near.send(b"one look")?;
/// let receiver = far.receiver();
/// let mut waiter = receiver.waiter(Policy::Park);
/// // SAFETY: both ends are this program's.
/// let first = unsafe { receiver.trusted() }.recv_with(&mut waiter, |message| message[0]);
/// assert_eq!(first, Ok(b'o'));
/// # Ok::<(), hqq_std::Error>(())
/// ```
#[derive(Clone)]
pub struct Waiter {
    berths: [Option<Berth>; 2],
    /// After the berths: it keeps their memory.
    attachment: Arc<Attachment>,
    policy: Policy,
    first: Duration,
    /// No sleep lasts longer, for reasons that whoever waits with this has.
    most: Duration,
    limit: Limit,
    tempo: Tempo,
    pace: Pace,
    stats: WaitStats,
    phase: Phase,
    /// Looks of this wait. There may be more of them than fit; then from 0 on, so that the clock goes on being read.
    looks: u32,
    /// The look after which this wait last yielded while it spun.
    gave_way: u32,
    /// Slices of time that this wait has slept through.
    slices: u32,
    /// The last sleep of this wait ended with its slice.
    has_expired: bool,
    /// When the wait's first look at the clock was, and its last.
    began: Option<Instant>,
    seen: Option<Instant>,
    deadline: Option<Instant>,
    /// What the lookout had told when whoever waits with this last looked.
    news: u32,
}

impl Waiter {
    pub(crate) const fn new(
        berths: [Option<Berth>; 2],
        attachment: Arc<Attachment>,
        policy: Policy,
    ) -> Self {
        Self {
            berths,
            attachment,
            policy,
            first: FIRST_SLICE,
            most: Duration::MAX,
            limit: Limit::Never,
            tempo: Tempo::new(),
            pace: Pace::new(),
            stats: WaitStats {
                waits: 0,
                sleeps: 0,
                expired: 0,
                missed: 0,
            },
            phase: Phase::Idle,
            looks: 0,
            gave_way: 0,
            slices: 0,
            has_expired: false,
            began: None,
            seen: None,
            deadline: None,
            news: 0,
        }
    }

    /// What waits do.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// What waits do from now on.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// How often it waited, and how that ended.
    #[must_use]
    pub const fn stats(&self) -> WaitStats {
        self.stats
    }

    /// The next wait lasts at most this long; `None` is for ever, as is what no clock can hold.
    pub const fn within(&mut self, timeout: Option<Duration>) -> &mut Self {
        self.limit = Limit::within(timeout);
        self
    }

    /// The next wait ends at `deadline`; `None` is never.
    pub const fn until(&mut self, deadline: Option<Instant>) -> &mut Self {
        self.limit = Limit::until(deadline);
        self
    }

    /// A call begins, which may have to wait.
    pub(crate) const fn limit(&mut self, limit: Limit) {
        self.pace.called();
        self.limit = limit;
    }

    /// The same call goes on: what it waits for from now on has to come by the same deadline.
    pub(crate) const fn go_on(&mut self) {
        if let Some(deadline) = self.deadline {
            self.limit = Limit::At(deadline);
        }
    }

    /// The first sleep of a wait lasts at most this long.
    pub(crate) const fn set_first(&mut self, first: Duration) {
        self.first = first;
    }

    /// Sleeps last at most this long at a time from now on.
    pub(crate) const fn set_most(&mut self, most: Duration) {
        self.most = most;
    }

    /// Whether the next round is a sleep that a waker ends.
    pub(crate) const fn is_armed(&self) -> bool {
        matches!(self.phase, Phase::Armed(_))
    }

    /// Repeats `check` until it gives a value or the time is up.
    pub(crate) fn wait_for<R>(&mut self, mut check: impl FnMut() -> Option<R>) -> Option<R> {
        let mut round = 0_u32;
        loop {
            if let Some(value) = check() {
                self.finish();
                return Some(value);
            }
            round = round.saturating_add(1);
            if self.pause(round).is_break() {
                return None;
            }
        }
    }

    /// Whether the last round was a sleep.
    pub(crate) const fn has_slept(&self) -> bool {
        matches!(self.phase, Phase::Slept(_) | Phase::Polling(_))
    }

    /// Whether the last round was a sleep that a waker ended.
    pub(crate) const fn was_woken(&self) -> bool {
        matches!(self.phase, Phase::Slept(_)) && !self.has_expired
    }

    /// Whether the lookout has told something, or has to be told, since this was last asked.
    pub(crate) fn has_news(&mut self) -> bool {
        self.attachment.has_news(&mut self.news)
    }

    /// The wait is over, one way or the other: learns from it. Waiting anew does so, too.
    #[inline]
    pub fn finish(&mut self) {
        if !matches!(self.phase, Phase::Idle) {
            self.learn();
        }
    }

    #[cold]
    fn learn(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            // The peer ran while we let it: that it runs elsewhere is not known from that.
            Phase::Spinning if self.looks == self.gave_way => self.tempo.yielded(),
            Phase::Spinning => self.tempo.spun(),
            Phase::Yielding(_) => self.tempo.yielded(),
            Phase::Slept(false) => self.stats.missed += 1,
            Phase::Slept(true) => {
                let waited = self.began.map_or(Duration::ZERO, |began| began.elapsed());
                let waker = self
                    .berths
                    .iter()
                    .flatten()
                    .find_map(|berth| sys::woken(berth.words(), waited.min(NOTE)))
                    .map(|(ago, cpu)| (ago, cpu == sys::processor()));
                self.tempo.slept(waited, waker);
            }
            Phase::Idle | Phase::Armed(_) | Phase::Polling(_) => {}
        }
    }

    /// Waits once; `round` is 1 where a wait begins. `Break` after the deadline.
    #[inline]
    pub fn pause(&mut self, round: u32) -> ControlFlow<()> {
        if round > 1 && matches!(self.phase, Phase::Spinning) && !self.looks.is_multiple_of(CLOCK) {
            self.looks = self.looks.wrapping_add(1);
            for _ in 0..self.pace.hints() {
                std::hint::spin_loop();
            }
            return ControlFlow::Continue(());
        }
        self.step(round)
    }

    #[cold]
    #[inline(never)]
    fn step(&mut self, round: u32) -> ControlFlow<()> {
        if round <= 1 {
            return self.begin();
        }
        let now = Instant::now();
        let began = *self.began.get_or_insert_with(|| {
            self.stats.waits += 1;
            now
        });
        if let (None, Limit::Within(timeout)) = (self.deadline, self.limit) {
            self.deadline = began.checked_add(timeout);
        }
        let left = match self.deadline {
            None => SLICE,
            Some(deadline) => deadline.saturating_duration_since(now),
        };
        if left.is_zero() {
            // Nothing is learned from that.
            self.phase = Phase::Idle;
            return ControlFlow::Break(());
        }
        self.advance(now, began, left)
    }

    /// The first look was in vain.
    fn begin(&mut self) -> ControlFlow<()> {
        self.finish();
        self.looks = 1;
        self.gave_way = 0;
        self.slices = 0;
        self.has_expired = false;
        self.began = None;
        self.seen = None;
        self.deadline = match self.limit {
            Limit::At(deadline) => Some(deadline),
            Limit::Never | Limit::Within(_) => None,
        };
        let spins = match self.policy {
            Policy::Spin => true,
            Policy::Adaptive => !self.tempo.spin().is_zero(),
            Policy::Park => false,
        };
        let limited = match self.limit {
            Limit::Never => false,
            // Shorter than it takes to come to the first look at the clock, or nearly.
            Limit::Within(timeout) => timeout < GAP,
            Limit::At(_) => true,
        };
        if spins {
            self.phase = Phase::Spinning;
            if self.policy == Policy::Adaptive {
                self.pace.waits(Instant::now);
            }
            if limited {
                return self.step(2);
            }
            for _ in 0..self.pace.hints() {
                std::hint::spin_loop();
            }
            return ControlFlow::Continue(());
        }
        self.phase = match self.policy {
            Policy::Park => Phase::Slept(true),
            Policy::Spin | Policy::Adaptive => Phase::Yielding(self.tempo.yields()),
        };
        self.step(2)
    }

    fn advance(&mut self, now: Instant, began: Instant, left: Duration) -> ControlFlow<()> {
        match self.phase {
            Phase::Spinning => {
                let seen = self.seen.replace(now).unwrap_or(now);
                self.looks = self.looks.wrapping_add(1);
                if self.policy == Policy::Spin {
                    std::hint::spin_loop();
                    return ControlFlow::Continue(());
                }
                if now - seen > GAP {
                    self.tempo.interrupted();
                    self.pace.disturbed();
                }
                if now - began < self.tempo.spin() {
                    if now == began && self.tempo.probes() {
                        self.give_way(now);
                        self.gave_way = self.looks;
                    } else {
                        std::hint::spin_loop();
                    }
                    return ControlFlow::Continue(());
                }
                self.yield_or_arm(self.tempo.yields(), now)
            }
            Phase::Yielding(left) => self.yield_or_arm(left, now),
            Phase::Armed(tickets) => self.sleep(tickets, left),
            Phase::Slept(_) | Phase::Idle => self.arm(),
            Phase::Polling(times) => {
                if times.is_multiple_of(64) && self.is_woken() {
                    return self.arm();
                }
                let result = Backoff::sleep(times, left);
                self.phase = Phase::Polling(times.saturating_add(1));
                result
            }
        }
    }

    /// Lets others run, and learns from how long they do.
    fn give_way(&mut self, now: Instant) {
        std::thread::yield_now();
        let back = Instant::now();
        self.seen = Some(back);
        self.tempo.came_back(back - now);
    }

    fn yield_or_arm(&mut self, left: u32, now: Instant) -> ControlFlow<()> {
        match left.checked_sub(1) {
            Some(left) => {
                self.give_way(now);
                self.phase = Phase::Yielding(left.min(self.tempo.yields()));
                ControlFlow::Continue(())
            }
            None => self.arm(),
        }
    }

    fn is_woken(&self) -> bool {
        let mut berths = self.berths.iter().flatten().peekable();
        berths.peek().is_some() && berths.all(Berth::is_woken)
    }

    /// W3: puts the flag up, to look once more before sleeping; where nobody would wake us, polls.
    fn arm(&mut self) -> ControlFlow<()> {
        if !self.is_woken() {
            self.phase = Phase::Polling(1);
            return ControlFlow::Continue(());
        }
        let tickets = self
            .berths
            .each_ref()
            .map(|berth| berth.as_ref().map(Berth::arm));
        self.phase = if berth::barrier() {
            Phase::Armed(tickets)
        } else {
            Phase::Polling(1)
        };
        ControlFlow::Continue(())
    }

    fn sleep(&mut self, tickets: [Option<Ticket>; 2], left: Duration) -> ControlFlow<()> {
        self.stats.sleeps += 1;
        self.has_expired = false;
        self.pace.disturbed();
        let full = self.first.saturating_mul(1 << self.slices.min(8));
        let full = full.min(SLICE.max(self.first));
        let slice = left.min(full).min(self.most);
        let armed = |index: usize| {
            let berth = self.berths.get(index)?.as_ref()?;
            Some((berth.words(), (*tickets.get(index)?)?))
        };
        let slept = match (armed(0), armed(1)) {
            (Some(one), Some(other)) => sys::sleep(&[one, other], slice),
            (Some(one), None) | (None, Some(one)) => sys::sleep(&[one], slice),
            (None, None) => sys::sleep(&[], slice),
        };
        // A deadline that ends a sleep proves nothing about wakers, nor does a short slice: the waker may
        // have been interrupted between publishing and waking.
        let unproven = slice < full || full < SLICE;
        self.phase = Phase::Slept(slept == Slept::Woken || unproven);
        if slept == Slept::TimedOut {
            self.stats.expired += 1;
            self.slices += 1;
            self.has_expired = true;
        }
        ControlFlow::Continue(())
    }
}

impl Wait for Waiter {
    fn worth(&self) -> u32 {
        if self.has_expired { SLICE_WORTH } else { 1 }
    }

    #[inline]
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        self.pause(waiting.round)
    }
}

#[cfg(test)]
mod tests;
