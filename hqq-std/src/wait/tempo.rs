//! What earlier waits of a half taught: how long spinning pays off, whether the peer shares this
//! core, whether the cores are wanted by others, and for how long at a time.
//!
//! Spinning for as long as a wake-up costs never costs more than twice the best choice; spinning at
//! all is worth it only where the news comes that soon. Both are learned: the cost from when a waker
//! says it woke us, the chance from how the last waits ended.
//!
//! A yield from which it takes a little while to come back let somebody run who then waited himself: with
//! more threads than cores, that is how those come to run whom everybody waits for. One that takes a
//! whole slice of time went to somebody who needs the core for himself, and is better avoided.

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
/// Yields in one wait among others that run a little and wait themselves.
const TURNS: u32 = 8;
/// Coming back from a yield takes longer where somebody else ran.
const ALONE: Duration = Duration::from_micros(2);
/// Most waits from one yield to the next that is made to find out who else is there.
const RARELY: u8 = 64;
/// After this many waits that ended with a yield, it is less sure that the peer shares the core, so that spinning is
/// tried again: at first, and at most, where each trial showed that it still does.
const RETRY: std::ops::RangeInclusive<u16> = 64..=4096;

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
    /// How sure it is that others run a little and wait then, 0 to [`FULL`]; believed from half on.
    company: u8,
    /// Waits that yielding ended since it was last made less sure, and how many of them do so.
    yielded: u16,
    retry: u16,
    /// Long waits until a yield is made to find out, and from that one to the next.
    probe: u8,
    rest: u8,
}

impl Tempo {
    pub(super) const fn new() -> Self {
        Self {
            cost: FIRST_COST,
            spinning: FULL / 2,
            shared_core: 0,
            crowded: 0,
            company: 0,
            yielded: 0,
            retry: *RETRY.start(),
            probe: 1,
            rest: 1,
        }
    }

    /// How long to spin; some looks are made in any case unless this is zero.
    pub(super) fn spin(&self) -> Duration {
        if self.shares_core() || self.is_in_company() {
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
        if self.is_in_company() {
            TURNS
        } else if self.shares_core() {
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

    const fn is_in_company(&self) -> bool {
        self.company >= FULL / 2
    }

    /// A wait takes longer than a few looks: whether to yield once, to find out who else is there.
    pub(super) fn probes(&mut self) -> bool {
        self.probe = self.probe.saturating_sub(1);
        if self.probe > 0 {
            return false;
        }
        self.probe = self.rest;
        self.rest = RARELY.min(self.rest * 2);
        true
    }

    /// It took this long to come back from a yield.
    pub(super) fn came_back(&mut self, after: Duration) {
        if after < ALONE {
            self.company = self.company.saturating_sub(1);
        } else if after < GAP {
            self.company = FULL.min(self.company + 8);
            (self.probe, self.rest) = (1, 1);
        } else {
            self.company = self.company.saturating_sub(8);
            self.interrupted();
        }
    }

    /// Spinning ended the wait: the peer runs on another core.
    pub(super) fn spun(&mut self) {
        self.spinning = FULL.min(self.spinning + 2);
        self.elsewhere();
        self.crowded = self.crowded.saturating_sub(1);
    }

    /// The peer ran on another core.
    fn elsewhere(&mut self) {
        self.shared_core = self.shared_core.saturating_sub(4);
        self.retry = *RETRY.start();
    }

    /// A yield ended the wait.
    pub(super) fn yielded(&mut self) {
        self.yielded += 1;
        if self.yielded >= self.retry {
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
            if self.shared_core == FULL / 2 - 1 {
                self.retry = (*RETRY.end()).min(self.retry * 2);
            }
            self.shared_core = FULL.min(self.shared_core + 2);
        } else {
            self.elsewhere();
        }
        self.crowded = self.crowded.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A yield during which others ran for a little, and one to somebody who needs the core.
    const OTHERS: Duration = Duration::from_micros(20);
    const HOG: Duration = Duration::from_millis(3);

    #[test]
    fn among_others_who_wait_it_yields_and_does_not_spin() {
        let mut tempo = Tempo::new();
        assert!(!tempo.spin().is_zero() && tempo.yields() == 0);
        tempo.came_back(OTHERS);
        assert!(tempo.spin().is_zero() && tempo.yields() == TURNS);
    }

    #[test]
    fn once_the_others_have_gone_it_spins_again() {
        let mut tempo = Tempo::new();
        tempo.came_back(OTHERS);
        for _ in 0..FULL {
            tempo.came_back(Duration::from_nanos(300));
        }
        assert!(!tempo.spin().is_zero() && tempo.yields() == 0);
    }

    #[test]
    fn to_who_needs_the_core_for_himself_it_yields_hardly_ever() {
        let mut tempo = Tempo::new();
        tempo.came_back(OTHERS);
        tempo.came_back(HOG);
        tempo.came_back(HOG);
        assert!(tempo.yields() <= 1, "{}", tempo.yields());
    }

    #[test]
    fn to_a_peer_on_the_same_core_it_yields_and_does_not_spin() {
        let wakes_from = |tempo: &mut Tempo, same_core| {
            tempo.slept(*COST.start() * 2, Some((*COST.start(), same_core)));
        };
        let mut tempo = Tempo::new();
        for _ in 0..3 {
            wakes_from(&mut tempo, true);
            assert!(!tempo.spin().is_zero() && tempo.yields() == 0);
        }
        wakes_from(&mut tempo, true);
        assert!(tempo.spin().is_zero() && tempo.yields() == YIELDS);
        // It has gone to another one.
        wakes_from(&mut tempo, false);
        assert!(!tempo.spin().is_zero() && tempo.yields() == 0);
    }

    #[test]
    fn on_a_shared_core_spinning_is_tried_more_and_more_rarely() {
        let cost = *COST.start();
        let mut tempo = Tempo::new();
        let trials = |tempo: &mut Tempo| {
            let mut trials = 0;
            for _ in 0..20_000 {
                if tempo.spin().is_zero() {
                    tempo.yielded();
                } else {
                    trials += 1;
                    tempo.slept(cost * 2, Some((cost, true)));
                }
            }
            trials
        };
        let first = trials(&mut tempo);
        assert!((5..20).contains(&first), "{first}");
        // Once it was elsewhere, as often as at first.
        tempo.spun();
        let again = trials(&mut tempo);
        assert!((5..20).contains(&again), "{again}");
    }

    #[test]
    fn where_the_core_is_taken_away_it_looks_once_and_yields_once() {
        let mut tempo = Tempo::new();
        for _ in 0..2 {
            assert!(tempo.spin() > Duration::from_nanos(1) && tempo.yields() == 0);
            tempo.interrupted();
        }
        assert!(tempo.spin() == Duration::from_nanos(1) && tempo.yields() == 1);
        // News that comes while it looks says that the core is its own again.
        tempo.spun();
        assert!(tempo.spin() > Duration::from_nanos(1) && tempo.yields() == 0);
    }

    #[test]
    fn alone_it_looks_for_others_more_and_more_rarely() {
        let mut tempo = Tempo::new();
        let mut probes = 0;
        for _ in 0..1000 {
            if tempo.probes() {
                probes += 1;
                tempo.came_back(Duration::from_nanos(300));
            }
        }
        assert!((10..30).contains(&probes), "{probes}");
        tempo.came_back(OTHERS);
        assert!(tempo.probes());
    }
}
