//! What earlier waits of a half taught: how long spinning pays off, whether the peer shares this
//! core, whether the cores are wanted by others.
//!
//! Spinning for as long as a wake-up costs never costs more than twice the best choice; spinning at
//! all is worth it only where the news comes that soon. Both are learned: the cost from when a waker
//! says it woke us, the chance from how the last waits ended.

use std::time::Duration;

/// A wake-up is taken to cost at least and at most this, whatever was measured.
const COST: std::ops::RangeInclusive<Duration> =
    Duration::from_micros(4)..=Duration::from_micros(100);
/// What one is taken to cost before any was measured.
const FIRST_COST: Duration = Duration::from_micros(40);
/// Most that counters of trust go up to.
const FULL: u8 = 16;
/// Looks in a row between two looks at the clock.
pub(super) const CLOCK: u32 = 64;
/// Between two looks at the clock while spinning, the core was taken away if it took longer.
pub(super) const GAP: Duration = Duration::from_micros(500);
/// Yields in one wait where the peer shares the core.
const YIELDS: u32 = 4;
/// After this many waits that ended with a yield, spinning is tried again.
const RETRY: u8 = 64;

/// Limits that learn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempo {
    /// What a wake-up costs, averaged.
    cost: Duration,
    /// How well spinning did lately, 0 to [`FULL`].
    spinning: u8,
    /// How sure it is that the peer runs on this core, 0 to [`FULL`]; believed from half on.
    shared_core: u8,
    /// How much others wanted this core lately, 0 to [`FULL`]; believed from half on.
    crowded: u8,
    /// Waits that yielding ended since spinning was tried.
    yielded: u8,
}

impl Tempo {
    pub(super) const fn new() -> Self {
        Self {
            cost: FIRST_COST,
            spinning: FULL / 2,
            shared_core: 0,
            crowded: 0,
            yielded: 0,
        }
    }

    /// How long to spin; some looks are made in any case unless this is zero.
    pub(super) fn spin(&self) -> Duration {
        if self.shares_core() {
            Duration::ZERO
        } else if self.crowded >= FULL / 2 || self.spinning == 0 {
            // One look at the clock.
            Duration::from_nanos(1)
        } else {
            self.cost * 2
        }
    }

    /// How often to yield before sleeping.
    pub(super) const fn yields(&self) -> u32 {
        if self.shares_core() {
            YIELDS
        } else if self.crowded >= FULL / 2 {
            1
        } else {
            0
        }
    }

    const fn shares_core(&self) -> bool {
        self.shared_core >= FULL / 2
    }

    /// Spinning ended the wait: the peer runs on another core.
    pub(super) fn spun(&mut self) {
        self.spinning = FULL.min(self.spinning + 2);
        self.shared_core = self.shared_core.saturating_sub(4);
        self.crowded = self.crowded.saturating_sub(1);
    }

    /// A yield ended the wait.
    pub(super) fn yielded(&mut self) {
        self.yielded += 1;
        if self.yielded >= RETRY {
            self.yielded = 0;
            self.shared_core = self.shared_core.saturating_sub(1);
        }
    }

    /// The core was taken away for a while.
    pub(super) fn interrupted(&mut self) {
        self.crowded = FULL.min(self.crowded + 4);
    }

    /// A sleep ended the wait. `news` came this long after it began; the waker woke us `latency`
    /// ago, on this core or another, where it says so.
    pub(super) fn slept(&mut self, waited: Duration, waker: Option<(Duration, bool)>) {
        let Some((latency, same_core)) = waker else {
            self.spinning = self.spinning.saturating_sub(2);
            return;
        };
        let latency = latency.clamp(*COST.start(), *COST.end());
        // An eighth of what is new.
        self.cost = self.cost - self.cost / 8 + latency / 8;
        if waited.saturating_sub(latency) <= self.cost * 2 {
            // Spinning would have seen it.
            self.spinning = FULL.min(self.spinning + 1);
        } else {
            self.spinning = self.spinning.saturating_sub(2);
        }
        if same_core {
            self.shared_core = FULL.min(self.shared_core + 2);
        } else {
            self.shared_core = self.shared_core.saturating_sub(4);
        }
        self.crowded = self.crowded.saturating_sub(1);
    }
}
