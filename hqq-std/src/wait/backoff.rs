//! Waiting where nobody wakes: it spins while an answer may be on its way, then yields, then sleeps a
//! little longer each time; until its deadline.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hqq_core::{Wait, Waiting};

/// Rounds of spinning, some ten microseconds: an answer from another core comes sooner, and a peer
/// that shares this core waits no longer for it.
const SPINS: u32 = 300;
/// Rounds of giving the core to whoever wants it.
const YIELDS: u32 = 200;
/// The first sleep; each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_micros(50);
/// The longest sleep.
const LONGEST: Duration = Duration::from_millis(1);
/// Spinning looks at the clock only this often.
const CLOCK: u32 = 64;

/// Spins, then yields, then sleeps, until a deadline.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    deadline: Option<Instant>,
}

impl Backoff {
    /// Waits for ever.
    #[must_use]
    pub const fn new() -> Self {
        Self { deadline: None }
    }

    /// Waits until `deadline`; `None` is for ever.
    #[must_use]
    pub const fn until(deadline: Option<Instant>) -> Self {
        Self { deadline }
    }

    /// Waits for at most this long; `None` is for ever, as is what no clock can hold.
    #[must_use]
    pub fn within(timeout: Option<Duration>) -> Self {
        Self::until(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Waits once, in the way of the given round (from 1 on); `Break` after the deadline.
    pub fn pause(&self, round: u32) -> ControlFlow<()> {
        if round <= SPINS && !round.is_multiple_of(CLOCK) && round != 1 {
            std::hint::spin_loop();
            return ControlFlow::Continue(());
        }
        let left = match self.deadline {
            None => LONGEST,
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        };
        if left.is_zero() {
            return ControlFlow::Break(());
        }
        if round <= SPINS {
            std::hint::spin_loop();
        } else if round <= SPINS + YIELDS {
            std::thread::yield_now();
        } else {
            return Self::sleep(round - SPINS - YIELDS, left);
        }
        ControlFlow::Continue(())
    }

    /// Sleeps for the `time`th time (from 1 on), at most as long as there is time left.
    pub(super) fn sleep(time: u32, left: Duration) -> ControlFlow<()> {
        let doublings = time.saturating_sub(1).min(16);
        let sleep = SHORTEST.saturating_mul(1 << doublings);
        std::thread::sleep(sleep.min(LONGEST).min(left));
        ControlFlow::Continue(())
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Wait for Backoff {
    #[inline]
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        self.pause(waiting.round)
    }
}

/// Repeats `attempt` until it gives a value or `backoff` gives up.
pub(crate) fn poll<T>(backoff: Backoff, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let mut round = 0_u32;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        round = round.saturating_add(1);
        if backoff.pause(round).is_break() {
            return None;
        }
    }
}
